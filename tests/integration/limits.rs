//! What clients may cost: each limit is crossed, and nobody else notices.

use std::sync::LazyLock;

use futures::future::join_all;
use reqwest::{Certificate, Identity};
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, ProtocolVersion};
use serde_json::{Value, json};

use crate::support::{
    APIEXPORTS, Answer, CRDS, Client, PATIENCE, Request, Server, api_export, at, eventually,
};

/// Who may read and is no administrator.
const READER: &[&str] = &["kcpctl:reader"];

/// A text of nearly the largest size that an object may have.
static LONG: LazyLock<String> = LazyLock::new(|| "x".repeat(2_900_000));

/// Objects of that size whose list does not fit into the sockets between two processes.
const LONG_OBJECTS: usize = 12;

fn with_text(name: &str, text: &str) -> Value {
    let mut object = api_export(name);
    object["spec"] = json!({"text": text});
    object
}

/// Fills a cluster, so that its list is a long one; the path of the list.
fn long_list(server: &Server) -> String {
    let exports = at("amber", "long", APIEXPORTS);
    let admin = server.admin();
    for number in 0..LONG_OBJECTS {
        admin.post(&exports, &with_text(&format!("long-{number}"), &LONG)).object(201);
    }
    exports
}

/// A metric that counts, as text: numbers with a fraction are not compared.
fn count(server: &Server, metric: &str) -> String {
    server.metric(metric).to_string()
}

#[track_caller]
fn assert_too_many(answer: &Answer, what: &str) {
    let (code, reason, message) = answer.refusal();
    assert_eq!((code, reason.as_str()), (429, "TooManyRequests"), "{answer}");
    assert!(message.contains(what), "{answer}");
    assert_eq!(answer.header("retry-after"), Some("1"), "{answer}");
    assert_eq!(answer.json()["details"]["retryAfterSeconds"], 1, "{answer}");
}

#[test]
fn a_request_ends_after_the_time_that_it_has() {
    let server = Server::shared();
    let client = server.admin();
    let exports = at("amber", "time-limit", APIEXPORTS);
    let post = |time: &str| {
        let request = Request::new("POST", format!("{exports}?timeout={time}"));
        client.begin(&request.json(&api_export("one")))
    };
    assert_eq!(
        post("200ms").answer().refusal_line(),
        "504 Timeout: Timeout: request did not complete within the allotted timeout"
    );
    // A watch ends when `timeoutSeconds` says so.
    let now = client.get(&exports).object(200);
    let now = now["metadata"]["resourceVersion"].as_str().unwrap();
    let query = format!("watch=true&resourceVersion={now}&timeout=1ms");
    let mut watch = client.watch(format!("{exports}?{query}"));
    post("1h").finish().object(201);
    assert_eq!(watch.next_named().0, "ADDED one");
}

#[test]
fn reads_over_the_limit_are_refused_until_others_are_answered() {
    let server = Server::start_with(&["--max-requests-inflight=2"]);
    let exports = long_list(&server);
    let (reader, admin) = (server.client("reader", READER), server.admin());
    let why =
        "2 requests that read are being answered, which is as many as --max-requests-inflight";

    // Each list goes on until somebody reads it to its end.
    let lists = [reader.watch(&exports), reader.watch(&exports)];
    assert_too_many(&reader.get(&exports), why);
    assert_too_many(&reader.get(format!("{exports}/long-1")), why);
    assert_too_many(&reader.get(format!("{exports}?watch=true")), why);

    // Administrators get in, up to a bound.
    let more = [admin.watch(&exports), admin.watch(&exports)];
    assert_too_many(&admin.get(&exports), "4 requests that read");

    // These are never too many.
    assert_eq!(reader.get("/readyz").status, 200);
    assert_eq!(count(&server, "apiserver_dropped_requests_total"), "4");
    assert_eq!(count(&server, "apiserver_current_inflight_requests"), "4");
    let writer = server.client("writer", &["kcpctl:shard:amber"]);
    writer.post(&exports, &api_export("short")).object(201);

    drop(more);
    let [first, _second] = lists;
    drop(first);
    eventually("room for a read", || {
        (reader.get(format!("{exports}/short")).status == 200).then_some(())
    });
}

#[test]
fn writes_over_the_limit_are_refused_until_others_are_answered() {
    let server = Server::start_with(&["--max-mutating-requests-inflight=2"]);
    let exports = at("amber", "acme", APIEXPORTS);
    let writer = server.client("writer", &["kcpctl:shard:amber"]);
    let post = |name: &str| Request::new("POST", &exports).json(&api_export(name));
    let begun = ["one", "two"].map(|name| writer.begin(&post(name)));
    eventually("two requests under way", || {
        (server.metric("apiserver_current_inflight_requests") >= 2.0).then_some(())
    });
    let why = "2 requests that write are being answered, which is as many as --max-mutating-requests-inflight";
    assert_too_many(&writer.send(&post("three")), why);
    assert_too_many(&writer.delete(format!("{exports}/three")), why);
    server.admin().post(&exports, &api_export("of-an-admin")).object(201);
    assert_eq!(writer.get(&exports).status, 200);
    for begun in begun {
        begun.finish().object(201);
    }
    writer.post(&exports, &api_export("three")).object(201);
}

#[test]
fn watches_over_the_limit_are_refused_until_others_end() {
    let server = Server::start_with(&["--max-watches=2"]);
    let exports = at("amber", "acme", APIEXPORTS);
    let admin = server.admin();
    let watch = format!("{exports}?watch=true");
    let (first, mut second) = (admin.watch(&watch), admin.watch(&watch));
    let refused = admin.get(&watch);
    assert_too_many(&refused, "2 watches are open, which is as many as --max-watches allows");
    assert_eq!(admin.get(&exports).status, 200);
    admin.post(&exports, &api_export("seen")).object(201);
    assert_eq!(second.next_named().0, "ADDED seen");
    drop(first);
    eventually("room for a watch", || {
        let ended = format!("{watch}&timeoutSeconds=1");
        (admin.get(ended).status == 200).then_some(())
    });
}

/// Writes until there is no room; the refusal.
fn fill(client: &Client, exports: &str, text: &str) -> (usize, Answer) {
    for number in 0.. {
        let answer = client.post(exports, &with_text(&format!("filler-{number}"), text));
        if answer.status != 201 {
            return (number, answer);
        }
        assert!(number < 100, "there is no limit");
    }
    unreachable!()
}

#[test]
fn at_the_memory_limit_only_what_grows_the_store_is_refused() {
    let mut server = Server::start_with(&["--memory-limit=2MiB", "--history-bytes=64KiB"]);
    let admin = server.admin();
    let exports = at("amber", "acme", APIEXPORTS);
    let text = "x".repeat(100 << 10);
    let (objects, refused) = fill(&admin, &exports, &text);
    assert!(objects > 10, "there was room for {objects}");
    let (code, reason, message) = refused.refusal();
    assert_eq!((code, reason.as_str()), (503, "ServiceUnavailable"));
    assert!(message.starts_with("the cache is full: "), "{message}");
    assert!(message.contains(" of 2097152 bytes of memory are used; delete"), "{message}");
    assert_eq!(refused.header("retry-after"), Some("10"));

    // What does not grow goes on.
    assert_eq!(admin.get(&exports).object(200)["items"].as_array().unwrap().len(), objects);
    assert_eq!(admin.get("/readyz").status, 200);
    let path = format!("{exports}/filler-0");
    let longer = format!("{text}, and more of it than fits in what is left: {text}");
    let mut object = admin.get(&path).object(200);
    object["spec"]["text"] = json!(longer);
    assert_eq!(admin.put(&path, &object).status, 503);
    let merge = "application/merge-patch+json";
    let change = Request::new("PATCH", &path).header("Content-Type", merge);
    assert_eq!(admin.send(&change.clone().json(&json!({"spec": {"text": longer}}))).status, 503);
    admin.send(&change.json(&json!({"spec": {"other": "", "text": &text[9..]}}))).object(200);

    // It is told once, and shown.
    assert_eq!(server.said().matches("memory is full").count(), 1, "{}", server.said());
    assert_eq!(count(&server, "kcpctl_memory_refused_writes_total"), "3");
    let limit = server.metric("kcpctl_memory_limit_bytes");
    assert!(server.metric("kcpctl_memory_used_bytes") > limit * 0.9);

    // A restart changes nothing of it, and what is deleted makes room at once.
    assert!(server.stop().success());
    server.start_again();
    let admin = server.admin();
    assert_eq!(admin.post(&exports, &with_text("late", &text)).status, 503);
    admin.delete(format!("{exports}/filler-1")).object(200);
    admin.post(&exports, &with_text("late", &text)).object(201);
}

/// A client of HTTP/2 whose answers are not taken unless somebody reads them.
fn h2_client(server: &Server) -> reqwest::Client {
    let credentials = server.credentials("reader", READER);
    let identity = format!("{}{}", credentials.cert_pem, credentials.key_pem);
    reqwest::Client::builder()
        .tls_certs_only(Certificate::from_pem_bundle(server.ca_pem().as_bytes()).unwrap())
        .identity(Identity::from_pem(identity.as_bytes()).unwrap())
        .http2_initial_stream_window_size(64 << 10)
        .http2_initial_connection_window_size(16 << 20)
        .build()
        .unwrap()
}

/// Clients of each kind that stop reading.
const STALLED: u32 = 25;

/// What one of them may cost, in bytes, TLS and buffers included; a copy of what it asked
/// for would be forty times as much.
const STALLED_BYTES_MAX: f64 = 1_000_000.0;

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_stop_reading_cost_little_and_are_closed() {
    let server = Server::start_with(&["--stall-timeout=3s"]);
    let exports = long_list(&server);
    let initial = format!("{exports}?watch=true");
    let before = server.metric("process_resident_memory_bytes");

    let reader = server.client("reader", READER);
    let h1: Vec<_> = [&exports, &initial]
        .into_iter()
        .flat_map(|path| (0..STALLED).map(|_| reader.watch(path)).collect::<Vec<_>>())
        .collect();
    // Each has a connection of its own.
    let h2_clients: Vec<_> = (0..STALLED * 2).map(|_| h2_client(&server)).collect();
    let h2 = h2_clients.iter().enumerate().map(|(number, client)| {
        let path = [&exports, &initial][number % 2];
        client.get(format!("https://localhost:{}{path}", server.address().port())).send()
    });
    let h2: Vec<_> = join_all(h2).await.into_iter().map(Result::unwrap).collect();
    assert!(h2.iter().all(|it| it.status() == 200));

    let clients = f64::from(STALLED * 4);
    let grown = server.metric("process_resident_memory_bytes") - before;
    assert!(grown < STALLED_BYTES_MAX * clients, "{grown} bytes for {clients} clients");

    eventually("the end of who does not read", || {
        (server.metric("kcpctl_connections_stalled_total") >= clients).then_some(())
    });
    for metric in ["apiserver_current_inflight_requests", "apiserver_longrunning_requests"] {
        eventually(metric, || (count(&server, metric) == "0").then_some(()));
    }
    drop(h1);
    // Nobody takes half an answer for a whole one.
    for response in h2 {
        assert!(response.bytes().await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_list_gives_up_its_place_while_its_connection_moves() {
    let server = Server::start_with(&["--stall-timeout=1s", "--max-requests-inflight=1"]);
    let exports = long_list(&server);
    let client = h2_client(&server);
    let url = |path: &str| format!("https://localhost:{}{path}", server.address().port());
    let unread = client.get(url(&exports)).send().await.unwrap();
    assert_eq!(unread.status(), 200);
    let crds = at("*", "*", CRDS);
    assert_eq!(client.get(url(&crds)).send().await.unwrap().status(), 429);
    // Refusals move on the connection of the list, and one day are answers.
    let answered = async { while client.get(url(&crds)).send().await.unwrap().status() == 429 {} };
    tokio::time::timeout(PATIENCE, answered).await.unwrap();
    eventually("the list that was given up", || {
        (count(&server, "kcpctl_answers_abandoned_total") == "1").then_some(())
    });
    assert_eq!(count(&server, "kcpctl_connections_stalled_total"), "0");
    assert!(unread.bytes().await.is_err(), "it is not whole");
}

#[test]
fn tls_agrees_on_what_is_allowed() {
    let server = Server::start();
    let client = server.client_with(None);
    assert_eq!(client.agree(&[&TLS12]).unwrap().0, ProtocolVersion::TLSv1_2);
    assert_eq!(client.agree(&[&TLS13]).unwrap().0, ProtocolVersion::TLSv1_3);

    let server = Server::start_with(&["--tls-min-version=VersionTLS13"]);
    let client = server.client_with(None);
    assert!(client.agree(&[&TLS12]).is_err());
    assert_eq!(client.agree(&[&TLS13]).unwrap().0, ProtocolVersion::TLSv1_3);

    let server = Server::start_with(&[
        "--tls-cipher-suites=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_AES_128_GCM_SHA256,TLS_RSA_WITH_RC4_128_SHA",
        "--tls-curve-preferences=24",
    ]);
    let client = server.client_with(None);
    let (_, suite) = client.agree(&[&TLS12]).unwrap();
    assert_eq!(suite, CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256);
    let (_, suite) = client.agree(&[&TLS13]).unwrap();
    assert_eq!(suite, CipherSuite::TLS13_AES_128_GCM_SHA256);
    assert!(server.said().contains("TLS_RSA_WITH_RC4_128_SHA"), "{}", server.said());
}
