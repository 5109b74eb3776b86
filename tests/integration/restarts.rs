//! A server that was stopped and started again is the same server.

use serde_json::{Value, json};

use rustix::process::Signal;

use crate::support::{APIEXPORTS, Client, Request, Server, api_export, at, eventually};

/// As many objects as the caches of an installation of some size hold of one type.
const MANY: usize = 10_000;

/// How many clients write them.
const WRITERS: usize = 16;

fn revision(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

fn labelled(name: &str, colour: &str) -> Value {
    let mut object = api_export(name);
    object["metadata"]["labels"] = json!({"colour": colour});
    object
}

/// Replaces an object by itself with another label.
fn paint(client: &Client, exports: &str, name: &str, colour: &str) {
    let path = format!("{exports}/{name}");
    let mut object = client.get(&path).object(200);
    object["metadata"]["labels"]["colour"] = json!(colour);
    client.put(path, &object).object(200);
}

#[test]
fn many_objects_are_served_with_the_same_revisions() {
    let mut server = Server::start();
    let fill = |writer: usize| {
        let client = server.admin();
        let exports = at("amber", &format!("cluster-{writer:02}"), APIEXPORTS);
        for number in 0..MANY / WRITERS {
            client.post(&exports, &api_export(&format!("export-{number:04}"))).object(201);
        }
    };
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            scope.spawn(move || fill(writer));
        }
    });
    let everything = at("*", "*", APIEXPORTS);
    let before = server.admin().get(&everything).object(200);
    assert_eq!(before["items"].as_array().unwrap().len(), MANY);
    assert!(server.stop().success());
    server.start_again();
    let client = server.admin();
    let after = client.get(&everything).object(200);
    assert!(after["items"] == before["items"], "the objects differ");
    assert!(revision(&after) >= revision(&before));
    // Nothing happened in between, so nothing is told.
    let target = format!("{everything}?watch=true&resourceVersion={}", revision(&before));
    let mut watch = client.watch(target);
    client.post(at("amber", "next", APIEXPORTS), &api_export("next")).object(201);
    assert_eq!(watch.next_named().0, "ADDED next");
}

#[test]
fn a_watch_goes_on_over_a_restart_without_a_relist() {
    let mut server = Server::start();
    let exports = at("amber", "acme", APIEXPORTS);
    let client = server.admin();
    for name in ["deleted", "kept", "repainted"] {
        client.post(&exports, &labelled(name, "red")).object(201);
    }
    let selecting = |since: u64| {
        format!("{exports}?watch=true&labelSelector=colour%3Dred&resourceVersion={since}")
    };
    let start = revision(&client.get(&exports).object(200));
    let mut watch = client.watch(selecting(start));
    client.post(&exports, &labelled("last-seen", "red")).object(201);
    let (event, object) = watch.next_named();
    assert_eq!(event, "ADDED last-seen");
    let seen = revision(&object);

    // What happens now is not read any more: some before the stop, some after it.
    let before_the_stop = |client: &Client| {
        paint(client, &exports, "repainted", "blue");
        client.delete(format!("{exports}/deleted")).object(200);
        client.post(&exports, &labelled("never-red", "green")).object(201);
    };
    before_the_stop(&client);
    assert!(server.stop().success());
    server.start_again();
    let client = server.admin();
    paint(&client, &exports, "kept", "blue");
    client.delete(format!("{exports}/never-red")).object(200);
    paint(&client, &exports, "repainted", "red");

    let mut resumed = client.watch(selecting(seen));
    let mut last = seen;
    for expected in ["DELETED repainted", "DELETED deleted", "DELETED kept", "ADDED repainted"] {
        let (event, object) = resumed.next_named();
        assert_eq!(event, expected);
        assert_eq!(object["metadata"]["labels"]["colour"], "red", "{expected}");
        assert!(revision(&object) > last, "{object}");
        last = revision(&object);
    }
}

#[test]
fn pages_go_on_over_a_restart() {
    let mut server = Server::start();
    let exports = at("amber", "acme", APIEXPORTS);
    for number in 0..5 {
        server.admin().post(&exports, &api_export(&format!("it-{number}"))).object(201);
    }
    let first = server.admin().get(format!("{exports}?limit=2")).object(200);
    server.admin().delete(format!("{exports}/it-3")).object(200);
    assert!(server.stop().success());
    server.start_again();
    let token = first["metadata"]["continue"].as_str().unwrap();
    let rest = server.admin().get(format!("{exports}?continue={token}")).object(200);
    let names: Vec<&Value> =
        rest["items"].as_array().unwrap().iter().map(|it| &it["metadata"]["name"]).collect();
    assert_eq!(names, ["it-2", "it-3", "it-4"]);
    assert_eq!(revision(&rest), revision(&first));
}

#[test]
fn a_stop_ends_watches_cleanly() {
    let mut server = Server::start();
    let exports = at("amber", "acme", APIEXPORTS);
    let client = server.admin();
    let now = revision(&client.get(&exports).object(200));
    let mut watch = client.watch(format!("{exports}?watch=true&resourceVersion={now}"));
    client.post(&exports, &api_export("one")).object(201);
    assert_eq!(watch.next_named().0, "ADDED one");
    assert!(server.stop().success(), "{}", server.said());
    assert_eq!(watch.rest(), Vec::<Value>::new());
}

#[test]
fn a_second_signal_does_not_wait_for_requests() {
    let server = Server::start();
    let client = server.admin();
    // A body that never comes keeps this request open.
    let exports = at("amber", "acme", APIEXPORTS);
    let request = Request::new("POST", exports).header("Content-Length", "10");
    let asking = std::thread::spawn(move || client.try_send(&request).is_err());
    let open = "apiserver_current_inflight_requests{request_kind=\"mutating\"}";
    eventually("the request to be open", || {
        let text = server.admin().get("/metrics").text();
        text.lines().any(|line| line.strip_prefix(open) == Some(" 1")).then_some(())
    });
    server.signal(Signal::TERM);
    eventually("the drain", || {
        let refused = std::net::TcpStream::connect(server.address()).is_err();
        refused.then_some(())
    });
    let mut server = server;
    let status = server.stop();
    assert_eq!(status.code(), Some(130), "{}", server.said());
    assert!(server.said().contains("aborted by a second signal"), "{}", server.said());
    assert!(asking.join().unwrap());
}

#[test]
fn a_new_store_does_not_know_the_revisions_of_the_old_one() {
    let mut server = Server::start();
    let exports = at("amber", "acme", APIEXPORTS);
    let old = revision(&server.admin().post(&exports, &api_export("one")).object(201));
    assert!(server.stop().success());
    std::fs::remove_dir_all(server.data_dir().join("store")).unwrap();
    server.start_again();
    let client = server.admin();
    let list = client.get(&exports).object(200);
    assert_eq!(list["items"], json!([]));
    assert!(revision(&list) > old, "revisions went back: {old} to {list}");
    let target = format!("{exports}?watch=true&resourceVersion={old}");
    let events = client.watch(target).rest();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["object"]["code"], 410, "{events:?}");
}
