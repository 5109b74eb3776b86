//! Somebody puts an older copy of etcd back, and it passes the last revision that a
//! server has seen before that server comes back: no number tells.

use serde_json::{Value, json};

use crate::support::{
    APIEXPORTS, Client, Etcd, Proxy, Server, Traffic, api_export, at, eventually,
};

fn exports() -> String {
    at("amber", "acme", APIEXPORTS)
}

fn key(name: &str) -> String {
    format!("/cache/apis.kcp.io/apiexports/customresources/amber/acme/{name}")
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

fn newest_list(client: &Client) -> Option<Value> {
    let answer = client.get(exports());
    (answer.status == 200).then(|| answer.json())
}

/// Waits until the server knows that etcd has come as far as it has, and says how far.
fn caught_up(etcd: &Etcd, client: &Client) -> u64 {
    let newest = etcd.revision();
    eventually("a list as of now", || {
        let list = newest_list(client)?;
        let revision = list["metadata"]["resourceVersion"].as_str()?.parse().ok()?;
        (revision >= newest).then_some(revision)
    })
}

/// Writes what is not ours until a revision is reached.
fn pass(etcd: &Etcd, revision: u64) {
    while etcd.put("/registry/other", "x") < revision {}
}

/// A copy is made, `lost` happens and is seen, the copy is put back, and `instead`
/// happens; then the server sees etcd again, in which those names are.
fn is_noticed(lost: impl Fn(&Etcd, &Client), instead: impl Fn(&Etcd), there: &[&str]) {
    let mut etcd = Etcd::start();
    let way = Proxy::to(etcd.port());
    let server = Server::start_with(&["--etcd-servers", &way.url("http")]);
    let client = server.admin();
    for name in ["a", "b"] {
        client.post(exports(), &api_export(name)).object(201);
    }
    etcd.kill();
    let copy = etcd.back_up();
    etcd.start_again();
    eventually("a list", || newest_list(&client));
    lost(&etcd, &client);
    let revision = caught_up(&etcd, &client);
    let mut watch = client.watch(format!("{}?watch=true&resourceVersion={revision}", exports()));
    way.set(Traffic::Cut);
    etcd.kill();
    etcd.put_back(&copy);
    etcd.start_again();
    instead(&etcd);
    pass(&etcd, revision + 50);
    way.set(Traffic::Flows);

    let event = watch.next();
    assert_eq!((&event["type"], &event["object"]["code"]), (&json!("ERROR"), &json!(410)));
    let found = eventually("a list", || newest_list(&client));
    assert_eq!(names(&found), there);
    for name in there {
        let stored: Value = serde_json::from_slice(&etcd.get(&key(name)).unwrap().value).unwrap();
        let told = client.get(format!("{}/{name}", exports())).object(200);
        assert_eq!(told["spec"], stored["spec"], "{name}");
    }
    assert!(server.said().contains("another history"), "{}", server.said());
    client.post(exports(), &api_export("next")).object(201);
}

fn update(etcd: &Etcd, name: &str, spec: &Value) {
    let mut object: Value = serde_json::from_slice(&etcd.get(&key(name)).unwrap().value).unwrap();
    object["spec"] = spec.clone();
    etcd.put(&key(name), serde_json::to_vec(&object).unwrap());
}

#[test]
fn what_was_written_since_is_gone() {
    let lost = |_: &Etcd, client: &Client| {
        client.post(exports(), &api_export("c")).object(201);
    };
    is_noticed(lost, |_| {}, &["a", "b"]);
}

#[test]
fn what_was_deleted_since_is_back() {
    let lost = |_: &Etcd, client: &Client| {
        assert_eq!(client.delete(format!("{}/a", exports())).status, 200);
        client.post(exports(), &api_export("c")).object(201);
    };
    // As many keys as before.
    is_noticed(lost, |_| {}, &["a", "b"]);
}

#[test]
fn the_same_object_was_written_otherwise_at_the_same_revision() {
    let lost = |etcd: &Etcd, _: &Client| update(etcd, "a", &json!({"life": "old"}));
    let instead = |etcd: &Etcd| update(etcd, "a", &json!({"life": "new"}));
    is_noticed(lost, instead, &["a", "b"]);
}

#[test]
fn nothing_of_ours_was_lost_and_something_was_written() {
    let lost = |etcd: &Etcd, _: &Client| pass(etcd, etcd.revision() + 30);
    let instead = |etcd: &Etcd| {
        pass(etcd, etcd.revision() + 5);
        update(etcd, "a", &json!({"life": "new"}));
    };
    is_noticed(lost, instead, &["a", "b"]);
}

/// It is the same etcd, and nobody who watches is sent away.
#[test]
fn one_that_was_only_away_is_no_other() {
    let mut etcd = Etcd::start();
    let server = Server::start_on(&etcd, &[]);
    let client = server.admin();
    let first = client.post(exports(), &api_export("a")).object(201);
    let revision = first["metadata"]["resourceVersion"].as_str().unwrap();
    let mut watch = client.watch(format!("{}?watch=true&resourceVersion={revision}", exports()));
    for round in 0..3 {
        pass(&etcd, etcd.revision() + 10);
        caught_up(&etcd, &client);
        if round == 1 {
            // The time in which nothing of ours happened can no longer be looked at.
            etcd.compact(etcd.revision());
        }
        etcd.kill();
        etcd.start_again();
        let name = format!("b{round}");
        eventually("a write", || {
            (client.post(exports(), &api_export(&name)).status == 201).then_some(())
        });
        assert_eq!(watch.next_named().0, format!("ADDED {name}"));
        assert_eq!(client.delete(format!("{}/{name}", exports())).status, 200);
        assert_eq!(watch.next_named().0, format!("DELETED {name}"));
    }
    assert!(!server.said().contains("read anew"), "{}", server.said());
}
