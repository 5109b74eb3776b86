//! A store that was lost or put back: what clients that remember more are told.
//!
//! The informers of kcp believe that an object is gone only if an event says so; one
//! that is merely missing from a list they keep for ever.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{APIEXPORTS, Client, Server, Watch, api_export, at};

const STREAMING: &str =
    "watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";

/// A history that a few large changes fill.
const SHORT: &str = "--history-bytes=65536";

fn revision(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

/// The events up to the end of a streaming list.
fn listed(watch: &mut Watch) -> Vec<String> {
    let mut listed = Vec::new();
    loop {
        let (event, object) = watch.next_named();
        if event == "BOOKMARK -" {
            assert_eq!(object["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
            return listed;
        }
        listed.push(event);
    }
}

/// Takes one more object through its life, and expects its events next: nothing else
/// was to be told.
fn assert_nothing_more(watch: &mut Watch, client: &Client, exports: &str) {
    client.post(exports, &api_export("marker")).object(201);
    client.delete(format!("{exports}/marker")).object(200);
    assert_eq!(watch.next_named().0, "ADDED marker");
    assert_eq!(watch.next_named().0, "DELETED marker");
}

fn assert_expired(client: &Client, target: &str) {
    let events = client.watch(target).rest();
    assert_eq!(events.len(), 1, "{target}: {events:?}");
    assert_eq!(events[0]["object"]["code"], 410, "{target}: {events:?}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn those_who_list_a_lost_store_are_told_what_is_gone() {
    let mut server = Server::start();
    let client = server.admin();
    let exports = at("amber", "acme", APIEXPORTS);
    for name in ["again", "deleted", "lost"] {
        client.post(&exports, &api_export(name)).object(201);
    }
    client.delete(format!("{exports}/deleted")).object(200);
    let roles = at("amber", "acme", "apis/rbac.authorization.k8s.io/v1/namespaces/ns/roles");
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "reader", "namespace": "ns"},
    });
    client.post(&roles, &role).object(201);
    let everything = at("*", "*", APIEXPORTS);
    let known = revision(&client.get(&everything).object(200));
    assert!(server.stop().success());
    fs::remove_dir_all(server.data_dir().join("store")).unwrap();
    server.start_again();
    assert!(server.said().contains("the store has lost objects"), "{}", server.said());
    let client = server.admin();

    // A client that streams its lists: first 410, then what there is, then what is gone.
    assert_expired(&client, &format!("{everything}?watch=true&resourceVersion={known}"));
    let mut first = client.watch(format!("{everything}?{STREAMING}&resourceVersion={known}"));
    assert_eq!(listed(&mut first), Vec::<String>::new());
    let now = revision(&client.get(&everything).object(200));
    for expected in ["DELETED again", "DELETED lost"] {
        let (event, object) = first.next_named();
        assert_eq!(event, expected);
        assert_eq!(object["apiVersion"], "apis.kcp.io/v1alpha1");
        assert_eq!(object["kind"], "APIExport");
        let annotations = json!({"kcp.io/cluster": "acme", "kcp.io/shard": "amber"});
        assert_eq!(object["metadata"]["annotations"], annotations);
        assert_eq!(revision(&object), now, "nothing happened at another revision");
    }
    assert_nothing_more(&mut first, &client, &exports);
    let all_roles = at("*", "*", "apis/rbac.authorization.k8s.io/v1/roles");
    let mut of_roles = client.watch(format!("{all_roles}?{STREAMING}&resourceVersion={known}"));
    assert_eq!(listed(&mut of_roles), Vec::<String>::new());
    let (event, object) = of_roles.next_named();
    assert_eq!(
        (event.as_str(), &object["metadata"]["namespace"]),
        ("DELETED reader", &json!("ns"))
    );

    // What is there again is not spoken of; and a scope is told its own.
    client.post(&exports, &api_export("again")).object(201);
    assert_eq!(first.next_named().0, "ADDED again");
    let mut second = client.watch(format!("{everything}?{STREAMING}&resourceVersion={known}"));
    assert_eq!(listed(&mut second), ["ADDED again"]);
    assert_eq!(second.next_named().0, "DELETED lost");
    assert_nothing_more(&mut second, &client, &exports);
    let elsewhere = at("*", "elsewhere", APIEXPORTS);
    let mut third = client.watch(format!("{elsewhere}?{STREAMING}&resourceVersion={known}"));
    assert_eq!(listed(&mut third), Vec::<String>::new());
    assert_nothing_more(&mut third, &client, &at("amber", "elsewhere", APIEXPORTS));

    // A client that lists and then watches is told at the beginning of its watch.
    let list = client.get(format!("{everything}?resourceVersion={known}")).object(200);
    let target = format!("{everything}?watch=true&resourceVersion={}", revision(&list));
    let mut fourth = client.watch(target);
    assert_eq!(fourth.next_named().0, "DELETED lost");
    assert_nothing_more(&mut fourth, &client, &exports);

    // Also after one more restart, which loses nothing.
    assert!(server.stop().success());
    server.start_again();
    let client = server.admin();
    let mut fifth = client.watch(format!("{everything}?{STREAMING}&resourceVersion={known}"));
    assert_eq!(listed(&mut fifth), ["ADDED again"]);
    assert_eq!(fifth.next_named().0, "DELETED lost");
    assert_nothing_more(&mut fifth, &client, &exports);
}

#[test]
fn a_store_that_is_put_back_never_gives_a_revision_twice() {
    let mut server = Server::start();
    let exports = at("amber", "acme", APIEXPORTS);
    let client = server.admin();
    let before = revision(&client.post(&exports, &api_export("before")).object(201));
    client.post(&exports, &api_export("deleted-since")).object(201);
    assert!(server.stop().success());
    let (store, older) = (server.data_dir().join("store"), server.env().path("older"));
    copy(&store, &older);

    server.start_again();
    let client = server.admin();
    client.delete(format!("{exports}/deleted-since")).object(200);
    let known = revision(&client.post(&exports, &api_export("created-since")).object(201));
    assert!(server.stop().success());
    fs::remove_dir_all(&store).unwrap();
    fs::rename(&older, &store).unwrap();
    server.start_again();
    let client = server.admin();
    let resume = format!("{exports}?watch=true&resourceVersion={known}");

    // Who went on from before may have written what was lost, and learns that it was.
    let mut from_before = client.watch(format!("{exports}?watch=true&resourceVersion={before}"));
    for expected in ["DELETED created-since", "ADDED deleted-since"] {
        assert_eq!(from_before.next_named().0, expected);
    }

    // Before and after the first write: that revision never was.
    assert_expired(&client, &resume);
    let written = revision(&client.post(&exports, &api_export("now")).object(201));
    assert!(written > known, "{written} came after {known}");
    assert_expired(&client, &resume);
    let exact = format!("{exports}?resourceVersion={known}&resourceVersionMatch=Exact");
    assert_eq!(client.get(exact).status, 410);
    let mut again = client.watch(format!("{exports}?{STREAMING}&resourceVersion={known}"));
    assert_eq!(listed(&mut again), ["ADDED before", "ADDED deleted-since", "ADDED now"]);
    assert_eq!(again.next_named().0, "DELETED created-since");
    assert_nothing_more(&mut again, &client, &exports);

    // Another restart forgets nothing of this.
    assert!(server.stop().success());
    server.start_again();
    let client = server.admin();
    let mut on = client.watch(format!("{exports}?watch=true&resourceVersion={before}"));
    for expected in [
        "DELETED created-since",
        "ADDED deleted-since",
        "ADDED now",
        "ADDED marker",
        "DELETED marker",
    ] {
        assert_eq!(on.next_named().0, expected);
    }
    assert_expired(&client, &resume);
}

#[test]
fn those_who_were_away_longer_than_history_are_told_what_was_deleted() {
    let server = Server::start_with(&[SHORT]);
    let client = server.admin();
    let exports = at("amber", "acme", APIEXPORTS);
    client.post(&exports, &api_export("deleted")).object(201);
    let known = revision(&client.get(&exports).object(200));
    client.delete(format!("{exports}/deleted")).object(200);
    let path = format!("{exports}/filler");
    let mut object = client.post(&exports, &api_export("filler")).object(201);
    for turn in 0..8 {
        object["spec"] = json!({"turn": turn, "text": "x".repeat(32 << 10)});
        object = client.put(&path, &object).object(200);
    }
    assert_expired(&client, &format!("{exports}?watch=true&resourceVersion={known}"));
    let mut away = client.watch(format!("{exports}?{STREAMING}&resourceVersion={known}"));
    assert_eq!(listed(&mut away), ["ADDED filler"]);
    assert_eq!(away.next_named().0, "DELETED deleted");
    assert_nothing_more(&mut away, &client, &exports);

    // Nobody else is: they know the last change, or nothing at all.
    let now = revision(&object);
    for known in [String::new(), format!("&resourceVersion={now}")] {
        let mut fresh = client.watch(format!("{exports}?{STREAMING}{known}"));
        assert_eq!(listed(&mut fresh), ["ADDED filler"]);
        assert_nothing_more(&mut fresh, &client, &exports);
    }
}
