//! What a server forgets: changes beyond its history, and how clients learn of it.

use serde_json::{Value, json};

use crate::support::{APIEXPORTS, Client, Server, api_export, at};

/// A history that a few large changes fill.
const SHORT: &str = "--history-bytes=65536";

fn revision(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

/// Changes an object, with so much content that older changes are forgotten.
fn fill(client: &Client, exports: &str) {
    let path = format!("{exports}/filler");
    let mut object = client.post(exports, &api_export("filler")).object(201);
    for turn in 0..8 {
        object["spec"] = json!({"turn": turn, "text": "x".repeat(32 << 10)});
        object = client.put(&path, &object).object(200);
    }
}

#[test]
fn a_watch_from_a_forgotten_revision_is_gone() {
    let server = Server::start_with(&[SHORT]);
    let client = server.admin();
    let exports = at("amber", "acme", APIEXPORTS);
    let old = revision(&client.post(&exports, &api_export("one")).object(201));
    fill(&client, &exports);
    let events = client.watch(format!("{exports}?watch=true&resourceVersion={old}")).rest();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["type"], "ERROR");
    let status = &events[0]["object"];
    assert_eq!((&status["code"], &status["reason"]), (&json!(410), &json!("Expired")));
    assert_eq!(
        client
            .get(format!("{exports}?resourceVersion={old}&resourceVersionMatch=Exact"))
            .refusal_line(),
        "410 Expired: The resourceVersion for the provided list is too old."
    );
    // Not older than that is what everything now is.
    assert_eq!(client.get(format!("{exports}?resourceVersion={old}")).status, 200);
}

#[test]
fn a_quiet_type_forgets_nothing_because_another_is_busy() {
    let server = Server::start_with(&[SHORT]);
    let client = server.admin();
    let conversions = at("amber", "acme", "apis/apis.kcp.io/v1alpha1/apiconversions");
    let old = revision(&client.get(&conversions).object(200));
    fill(&client, &at("amber", "acme", APIEXPORTS));
    let mut watch = client.watch(format!("{conversions}?watch=true&resourceVersion={old}"));
    let object = json!({
        "apiVersion": "apis.kcp.io/v1alpha1",
        "kind": "APIConversion",
        "metadata": {"name": "one"},
    });
    client.post(&conversions, &object).object(201);
    assert_eq!(watch.next_named().0, "ADDED one");
}

#[test]
fn pages_of_a_forgotten_moment_can_go_on_inconsistently() {
    let server = Server::start_with(&[SHORT]);
    let client = server.admin();
    let exports = at("amber", "acme", APIEXPORTS);
    for name in ["a", "b", "c"] {
        client.post(&exports, &api_export(name)).object(201);
    }
    let first = client.get(format!("{exports}?limit=1")).object(200);
    let token = first["metadata"]["continue"].as_str().unwrap();
    fill(&client, &exports);
    let expired = client.get(format!("{exports}?limit=1&continue={token}"));
    let (code, reason, message) = expired.refusal();
    assert_eq!((code, reason.as_str()), (410, "Expired"));
    let beginning =
        "The provided continue parameter is too old to display a consistent list result.";
    assert!(message.starts_with(beginning), "{message}");
    let expired = expired.json();
    let token = expired["metadata"]["continue"].as_str().unwrap();
    let rest = client.get(format!("{exports}?continue={token}")).object(200);
    let names: Vec<&Value> =
        rest["items"].as_array().unwrap().iter().map(|it| &it["metadata"]["name"]).collect();
    assert_eq!(names, ["b", "c", "filler"]);
    assert!(revision(&rest) > revision(&first));
}

#[test]
fn a_watcher_that_is_too_slow_is_told_so() {
    let server = Server::start_with(&[SHORT]);
    let client = server.admin();
    let exports = at("amber", "acme", APIEXPORTS);
    let now = revision(&client.get(&exports).object(200));
    let mut slow = client.watch(format!("{exports}?watch=true&resourceVersion={now}"));
    // More than the sockets between us hold, and far more than the history.
    let mut object = client.post(&exports, &api_export("filler")).object(201);
    for turn in 0..64 {
        object["spec"] = json!({"turn": turn, "text": "x".repeat(512 << 10)});
        object = client.put(format!("{exports}/filler"), &object).object(200);
    }
    // What it reads now is in order and without a gap, until it is told that there is one.
    let mut last = now;
    let mut turn = None;
    loop {
        let event = slow.next();
        if event["type"] == "ERROR" {
            assert_eq!(event["object"]["code"], 410, "{event}");
            return;
        }
        assert!(revision(&event["object"]) > last);
        last = revision(&event["object"]);
        let told = event["object"]["spec"]["turn"].as_u64();
        assert_eq!(told, turn.map_or(told.filter(|&it| it == 0), |it: u64| Some(it + 1)));
        turn = told;
        assert_ne!(turn, Some(63), "everything fitted between server and client");
    }
}
