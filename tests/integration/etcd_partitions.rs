//! One server of two cannot reach etcd: it never takes an old state for the newest, and
//! afterwards it has lost nothing.

use std::time::Duration;

use serde_json::Value;

use crate::support::{
    APIEXPORTS, Client, Etcd, Proxy, Server, Traffic, Watch, api_export, at, eventually,
};

fn exports() -> String {
    at("amber", "acme", APIEXPORTS)
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

fn create(client: &Client, name: &str) -> u16 {
    client.post(exports(), &api_export(name)).status
}

fn is_ready(server: &Server) -> bool {
    server.client_with(None).get("/readyz").status == 200
}

/// A server that reaches etcd through a way of its own, one that always reaches it, and
/// a watch through the first.
struct Pair {
    way: Proxy,
    far: Server,
    near: Server,
    watch: Watch,
    etcd: Etcd,
}

fn start() -> Pair {
    let etcd = Etcd::start();
    let way = Proxy::to(etcd.port());
    let far = Server::start_with(&["--etcd-servers", &way.url("http")]);
    let near = Server::start_on(&etcd, &[]);
    assert_eq!(create(&far.admin(), "before"), 201);
    let watch = far.admin().watch(format!("{}?watch=true&resourceVersion=0", exports()));
    let mut pair = Pair { way, far, near, watch, etcd };
    assert_eq!(pair.watch.next_named().0, "ADDED before");
    pair
}

/// What holds however the way is cut.
fn is_never_old_and_loses_nothing(traffic: Traffic) {
    let Pair { way, far, near, mut watch, etcd } = start();
    let (far_client, near_client) = (far.admin(), near.admin());
    way.set(traffic);
    assert_eq!(create(&near_client, "meanwhile"), 201);
    // It was written before this is asked, so that a 404 or a list without it were wrong.
    let path = format!("{}/meanwhile", exports());
    for refused in [far_client.get(&path), far_client.get(exports()), far_client.delete(&path)] {
        assert!(matches!(refused.status, 503 | 504), "{refused}");
    }
    eventually("a server that is not ready", || (!is_ready(&far)).then_some(()));
    assert_eq!(create(&far_client, "refused"), 503);
    let any = far_client.get(format!("{}?resourceVersion=0", exports())).object(200);
    assert_eq!(names(&any), ["before"]);
    assert!(is_ready(&near));

    way.set(Traffic::Flows);
    eventually("a server that is ready again", || is_ready(&far).then_some(()));
    let there = eventually("a read", || {
        let answer = far_client.get(exports());
        (answer.status == 200).then(|| answer.json())
    });
    // Before anything else: it was refused, so it never was.
    assert!(!names(&there).contains(&"refused"), "{there}");
    if !names(&there).contains(&"meanwhile") {
        // The delete was in doubt, and was made.
        assert!(etcd.keys("/cache/apis.kcp.io/").iter().all(|it| !it.ends_with("meanwhile")));
    }
    assert_eq!(watch.next_named().0, "ADDED meanwhile");
    assert_eq!(create(&far_client, "after"), 201);
    let next = watch.next_named().0;
    let next = if next == "DELETED meanwhile" { watch.next_named().0 } else { next };
    assert_eq!(next, "ADDED after");
}

#[test]
fn one_that_is_cut_off() {
    is_never_old_and_loses_nothing(Traffic::Cut);
}

#[test]
fn one_from_which_nothing_arrives() {
    is_never_old_and_loses_nothing(Traffic::Blocked);
}

#[test]
fn one_at_which_no_answer_arrives() {
    is_never_old_and_loses_nothing(Traffic::Unanswered);
}

#[test]
fn a_write_whose_answer_is_lost_is_made_once() {
    let Pair { way, far, near, mut watch, etcd: _etcd } = start();
    way.set(Traffic::Unanswered);
    // It arrives, and neither its answer nor the news of it come back.
    let client = far.admin();
    let doubtful = client.post(exports(), &api_export("doubtful"));
    assert_eq!(doubtful.status, 504, "{doubtful}");
    assert!(doubtful.text().contains("may have been made or not"), "{doubtful}");
    assert_eq!(names(&near.admin().get(exports()).object(200)), ["before", "doubtful"]);
    way.set(Traffic::Flows);
    assert_eq!(watch.next_named().0, "ADDED doubtful");
    eventually("a write", || (create(&client, "after") == 201).then_some(()));
    assert_eq!(watch.next_named().0, "ADDED after");
    assert_eq!(names(&client.get(exports()).object(200)), ["after", "before", "doubtful"]);
}

#[test]
fn a_slow_etcd_is_waited_for() {
    let Pair { way, far, near, mut watch, etcd: _etcd } = start();
    way.set(Traffic::Crawls(Duration::from_millis(100)));
    let (far_client, near_client) = (far.admin(), near.admin());
    for round in 0..5 {
        let name = format!("near-{round}");
        assert_eq!(create(&near_client, &name), 201);
        assert_eq!(far_client.get(format!("{}/{name}", exports())).status, 200);
        assert_eq!(watch.next_named().0, format!("ADDED {name}"));
        let name = format!("far-{round}");
        assert_eq!(create(&far_client, &name), 201);
        assert_eq!(near_client.get(format!("{}/{name}", exports())).status, 200);
        assert_eq!(watch.next_named().0, format!("ADDED {name}"));
    }
}
