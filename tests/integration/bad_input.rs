//! Bad input to a server: one clear refusal each, and nothing changed.

use serde_json::json;

use crate::support::{
    APIEXPORTS, CommandOutput, KCPCTL, Request, Server, TestEnv, api_export, at, eventually,
};

/// `kcpctl cache serve` on a free port, which must not come up.
fn serve(env: &TestEnv, data: &str, more: &[&str]) -> CommandOutput {
    let data = format!("--data-dir={data}");
    let mut args = vec!["cache", "serve", &data];
    if !more.iter().any(|it| it.starts_with("--listen")) {
        args.push("--listen=127.0.0.1:0");
    }
    args.extend(more);
    // One that comes up all the same must not hold the tests up for ever.
    CommandOutput::of(env.command("timeout").args(["60", KCPCTL]).args(args))
}

#[test]
fn a_flag_that_means_nothing_is_refused_before_anything_is_made() {
    let env = TestEnv::new();
    for (flag, why) in [
        ("--listen=nonsense", "invalid value 'nonsense' for '--listen"),
        ("--tls-san=bad/name", "invalid value 'bad/name' for '--tls-san"),
        ("--history-bytes=lots", "invalid value 'lots' for '--history-bytes"),
        ("--log-format=xml", "invalid value 'xml' for '--log-format"),
        ("--synthetic-delay=-1s", "--synthetic-delay"),
        ("--stall-timeout=0s", "invalid value '0s' for '--stall-timeout"),
        ("--tls-min-version=VersionTLS11", "VersionTLS11 is not to be had"),
        ("--tls-cipher-suites=TLS_NONSENSE", "there are TLS_AES_256_GCM_SHA384"),
        ("--tls-curve-preferences=25", "`25` is no key exchange of this server"),
        ("--nonsense", "unexpected argument '--nonsense'"),
        ("--name=one", "--manifests"),
    ] {
        let said = serve(&env, "data", &[flag]);
        assert_eq!(said.code, Some(2), "{flag}: {said}");
        assert!(said.stderr.contains(why), "{flag}: {said}");
        assert_eq!(said.stdout, "", "{flag}");
    }
    assert!(!env.path("data").exists());
}

#[test]
fn a_data_directory_belongs_to_one_process() {
    let server = Server::start();
    let data = server.data_dir();
    let said = serve(server.env(), data.to_str().unwrap(), &[]);
    assert_eq!(said.code, Some(3), "{said}");
    assert!(said.stderr.contains("is in use by process"), "{said}");
    assert!(said.stderr.contains("hint: "), "{said}");
    // The first one never noticed.
    assert_eq!(server.admin().get(at("*", "*", APIEXPORTS)).status, 200);
}

#[test]
fn a_port_belongs_to_one_process() {
    let server = Server::start();
    let env = TestEnv::new();
    let listen = format!("--listen={}", server.address());
    let said = serve(&env, "data", &[&listen]);
    assert_eq!(said.code, Some(3), "{said}");
    let first = format!("error: cannot listen on {}\n", server.address());
    assert!(said.stderr.starts_with(&first), "{said}");
    assert!(said.stderr.contains("hint: "), "{said}");
    assert!(!env.path("data").exists(), "nothing is made before the port is known to be free");
}

#[test]
fn a_damaged_store_is_refused_and_left_as_it_is() {
    let mut server = Server::start();
    let exports = at("amber", "acme", APIEXPORTS);
    for index in 0..20 {
        server.admin().post(&exports, &api_export(&format!("e{index}"))).object(201);
    }
    server.kill();
    let journal = server.data_dir().join("store/log/0.jnl");
    let mut bytes = std::fs::read(&journal).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    for byte in &mut bytes[written / 2..written / 2 + 64] {
        *byte = !*byte;
    }
    std::fs::write(&journal, &bytes).unwrap();

    let data = server.data_dir();
    let said = serve(server.env(), data.to_str().unwrap(), &[]);
    assert_eq!(said.code, Some(3), "{said}");
    assert!(said.stderr.contains("damaged"), "{said}");
    assert!(said.stderr.contains("hint: restore `"), "{said}");
    assert!(std::fs::read(&journal).unwrap() == bytes, "the refusal changed the journal");
}

#[test]
fn a_data_directory_of_a_newer_version_is_left_alone() {
    let mut server = Server::start();
    assert!(server.stop().success());
    let data = server.data_dir();
    std::fs::write(data.join("version"), "999\n").unwrap();
    let said = serve(server.env(), data.to_str().unwrap(), &[]);
    assert_eq!(said.code, Some(3), "{said}");
    assert!(said.stderr.contains("999") && said.stderr.contains("hint: "), "{said}");
    assert_eq!(std::fs::read_to_string(data.join("version")).unwrap(), "999\n");
}

/// The files that a Go cache server leaves: those of the etcd inside it.
fn run_etcd(env: &TestEnv, data: &str) {
    let nowhere = "http://127.0.0.1:0";
    let mut etcd = env
        .command("etcd")
        .arg(format!("--data-dir={data}"))
        .args(["--listen-client-urls", nowhere, "--advertise-client-urls", nowhere])
        .args(["--listen-peer-urls", nowhere, "--initial-advertise-peer-urls", nowhere])
        .arg(format!("--initial-cluster=default={nowhere}"))
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    eventually("the database of etcd", || {
        assert_eq!(etcd.try_wait().unwrap(), None, "etcd ended by itself");
        env.path(data).join("member/snap/db").exists().then_some(())
    });
    etcd.kill().unwrap();
    etcd.wait().unwrap();
}

#[test]
fn a_directory_of_the_original_is_never_served_as_an_empty_cache() {
    let env = TestEnv::new();
    run_etcd(&env, "data/etcd-server");
    for flags in [&["--embedded-etcd-directory=data/etcd-server"][..], &[]] {
        let said = serve(&env, "data", flags);
        assert_eq!(said.code, Some(3), "{said}");
        assert!(said.stderr.contains("etcd") && said.stderr.contains("hint: "), "{said}");
    }
    let left: Vec<_> = std::fs::read_dir(env.path("data")).unwrap().collect();
    assert_eq!(left.len(), 1, "something was written beside the data: {left:?}");
}

#[test]
fn bodies_that_are_no_objects_are_refused() {
    let server = Server::shared();
    let client = server.admin();
    let exports = at("amber", "bodies", APIEXPORTS);
    let beginning = "the object provided is unrecognized (must be of type APIExport): ";
    let truncated = r#"{"kind":"APIExport","apiVersion":"apis.kcp.io/v1alpha1""#;
    let trailing = format!("{} x", api_export("x"));
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(20_000), "]".repeat(20_000));
    let no_kind = r#"{"metadata":{"name":"x"}}"#;
    for body in [
        "",
        "   ",
        "{",
        "[]",
        "null",
        "5",
        "\"x\"",
        "nonsense",
        "{'a':1}",
        r#"{"a":1,}"#,
        no_kind,
        truncated,
        &trailing,
        &deep,
    ] {
        let shown = &body[..body.len().min(60)];
        for request in [
            Request::new("POST", &exports).body(body),
            Request::new("PUT", format!("{exports}/x")).body(body),
        ] {
            let (code, reason, message) = client.send(&request).refusal();
            assert_eq!((code, reason.as_str()), (400, "BadRequest"), "{shown}: {message}");
            assert!(message.starts_with(beginning), "{shown}: {message}");
        }
    }
    assert_eq!(client.get(&exports).object(200)["items"], json!([]));
}

#[test]
fn a_body_over_the_limit_is_refused() {
    let server = Server::shared();
    let client = server.admin();
    let exports = at("amber", "large", APIEXPORTS);
    let mut object = api_export("large");
    object["spec"] = json!({"text": "x".repeat(3 << 20)});
    assert_eq!(
        client.post(&exports, &object).refusal_line(),
        "413 RequestEntityTooLarge: Request entity too large: limit is 3145728"
    );
    assert_eq!(client.get(&exports).object(200)["items"], json!([]));
}

#[test]
fn keys_that_stand_twice_are_told_or_refused() {
    let server = Server::shared();
    let client = server.admin();
    let exports = at("amber", "twice", APIEXPORTS);
    let body = concat!(
        r#"{"kind":"APIExport","apiVersion":"apis.kcp.io/v1alpha1","#,
        r#""metadata":{"name":"twice","name":"twice","unknown":1,"labels":{"a":"b","a":"c"}},"#,
        r#""spec":{"a":1,"a":2},"spec":{"a":3}}"#
    );
    let ask = |validation: &str| {
        let target = format!("{exports}?fieldValidation={validation}");
        client.send(&Request::new("POST", target).body(body))
    };
    assert_eq!(
        ask("Strict").refusal_line(),
        "400 BadRequest: APIExport in version \"v1alpha1\" cannot be handled as a APIExport: strict \
         decoding error: duplicate field \"metadata.name\", duplicate field \"metadata.labels.a\", \
         duplicate field \"spec.a\", duplicate field \"spec\", unknown field \"metadata.unknown\""
    );
    assert_eq!(ask("Nonsense").status, 422);
    assert_eq!(client.get(&exports).object(200)["items"], json!([]));
    let told = ask("Warn");
    let created = told.object(201);
    assert_eq!(created["spec"], json!({"a": 3}));
    assert_eq!(created["metadata"]["labels"], json!({"a": "c"}));
    let warnings: Vec<&str> =
        told.headers.iter().filter(|(name, _)| name == "warning").map(|(_, it)| &**it).collect();
    assert_eq!(
        warnings,
        [
            r#"299 - "duplicate field \"metadata.name\"""#,
            r#"299 - "duplicate field \"metadata.labels.a\"""#,
            r#"299 - "duplicate field \"spec.a\"""#,
            r#"299 - "duplicate field \"spec\"""#,
            r#"299 - "unknown field \"metadata.unknown\"""#,
        ]
    );
    client.delete(format!("{exports}/twice")).object(200);
    assert_eq!(ask("Ignore").header("warning"), None);
}

#[test]
fn a_body_of_another_type_is_refused() {
    let server = Server::shared();
    let client = server.admin();
    let exports = at("amber", "types", APIEXPORTS);
    for media_type in ["text/plain", "application/cbor", "garbage"] {
        let request = Request::new("POST", &exports).header("Content-Type", media_type);
        let (code, reason, _) = client.send(&request.json(&api_export("x"))).refusal();
        assert_eq!((code, reason.as_str()), (415, "UnsupportedMediaType"), "{media_type}");
    }
    for media_type in ["application/json; charset=utf-8", "APPLICATION/JSON"] {
        let request = Request::new("POST", &exports).header("Content-Type", media_type);
        client.send(&request.json(&api_export("x"))).object(201);
        client.delete(format!("{exports}/x")).object(200);
    }
}

#[test]
fn writes_over_a_wildcard_are_refused() {
    let server = Server::shared();
    let client = server.admin();
    let before = client.get(at("*", "*", APIEXPORTS)).object(200);
    let names = |list: &serde_json::Value| list["items"].as_array().unwrap().len();
    for (shard, cluster) in [("*", "*"), ("amber", "*"), ("*", "acme")] {
        let answer = client.post(at(shard, cluster, APIEXPORTS), &api_export("nowhere"));
        assert!((400..500).contains(&answer.status), "{shard} {cluster}: {answer}");
        let all = client.delete(at(shard, cluster, APIEXPORTS));
        assert!((400..500).contains(&all.status), "{shard} {cluster}: {all}");
    }
    let after = client.get(at("*", "*", APIEXPORTS)).object(200);
    let is_nowhere = |it: &serde_json::Value| it["metadata"]["name"] == "nowhere";
    assert!(!after["items"].as_array().unwrap().iter().any(is_nowhere));
    // Others write at the same time, but nobody takes away so many at once.
    assert!(names(&after) + 20 >= names(&before));
}
