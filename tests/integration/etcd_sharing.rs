//! One etcd for several servers, of this and other makes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{
    APIEXPORTS, CRDS, Client, Etcd, Request, Server, Watch, api_export, at, eventually,
};

const SHARD: &str = "amber";
const CLUSTER: &str = "acme";

fn exports() -> String {
    at(SHARD, CLUSTER, APIEXPORTS)
}

/// Where an export of that name lies in etcd.
fn key(name: &str) -> String {
    format!("/cache/apis.kcp.io/apiexports/customresources/{SHARD}/{CLUSTER}/{name}")
}

fn revision(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

fn create(client: &Client, name: &str) -> Value {
    client.post(exports(), &api_export(name)).object(201)
}

#[test]
fn keys_and_values_are_those_of_the_original() {
    let etcd = Etcd::start();
    let server = Server::start_on(&etcd, &[]);
    let object = json!({
        "kind": "APIExport",
        "apiVersion": "apis.kcp.io/v1alpha1",
        "spec": {"z": "<&>", "a": [1, 2.5, null], "m": "\u{2028}"},
        "metadata": {
            "name": "one",
            "uid": "8b4a7d1c-9c4d-4c0b-a9b5-2f6d4c1f7a11",
            "creationTimestamp": "2026-01-31T12:00:00Z",
            "annotations": {"kcp.io/shard": SHARD, "kcp.io/cluster": CLUSTER},
        },
    });
    let created = server.admin().post(exports(), &object).object(201);
    let stored = etcd.get(&key("one")).unwrap();
    assert_eq!(
        String::from_utf8(stored.value).unwrap(),
        concat!(
            r#"{"apiVersion":"apis.kcp.io/v1alpha2","kind":"APIExport","metadata":{"#,
            r#""annotations":{"kcp.io/cluster":"acme","kcp.io/shard":"amber"},"#,
            r#""creationTimestamp":"2026-01-31T12:00:00Z","name":"one","#,
            r#""uid":"8b4a7d1c-9c4d-4c0b-a9b5-2f6d4c1f7a11"},"#,
            r#""spec":{"a":[1,2.5,null],"m":"\u2028","z":"\u003c\u0026\u003e"}}"#,
            "\n"
        )
    );
    assert_eq!(revision(&created), stored.revision);
    let definitions = etcd.keys("/cache/apiextensions.k8s.io/");
    assert_eq!(definitions.len(), names(&server.admin().get(at("*", "*", CRDS)).object(200)).len());
    let home = "/cache/apiextensions.k8s.io/customresourcedefinitions/system:cache:server/system:system-crds/";
    for definition in definitions {
        assert!(definition.starts_with(home), "{definition}");
        let value = String::from_utf8(etcd.get(&definition).unwrap().value).unwrap();
        let head = r#"{"kind":"CustomResourceDefinition","apiVersion":"apiextensions.k8s.io/v1beta1","metadata":{"name":""#;
        assert!(value.starts_with(head) && value.ends_with("}\n"), "{value}");
    }
}

#[test]
fn values_are_the_bytes_that_the_original_stored() {
    let etcd = Etcd::start();
    let server = Server::start_on(&etcd, &[]);
    let client = server.admin();
    let recorded = include_str!("../golden/etcd/values.txt");
    let lines: Vec<&str> =
        recorded.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let mut compared = 0;
    for record in lines.chunks(4) {
        let &[path, body, key, value] = record else { panic!("{record:?}") };
        let target = at(SHARD, CLUSTER, &format!("apis/{}", path.strip_prefix("> ").unwrap()));
        client.send(&Request::new("POST", target).body(body)).object(201);
        let stored = etcd.get(&format!("/cache/{}", key.strip_prefix("< ").unwrap())).unwrap();
        assert_eq!(String::from_utf8(stored.value).unwrap(), format!("{value}\n"));
        compared += 1;
    }
    assert_eq!(compared, 8);
}

#[test]
fn a_second_server_writes_no_definition_again() {
    let etcd = Etcd::start();
    let first = Server::start_on(&etcd, &[]);
    let before = etcd.revision();
    let second = Server::start_on(&etcd, &[]);
    assert_eq!(etcd.revision(), before);
    let lists = [first, second].map(|it| it.admin().get(at("*", "*", CRDS)).object(200));
    assert_eq!(lists[0]["items"], lists[1]["items"]);
}

#[test]
fn another_prefix_is_another_cache() {
    let etcd = Etcd::start();
    let one = Server::start_on(&etcd, &[]);
    let other = Server::start_on(&etcd, &["--etcd-prefix", "other/"]);
    create(&one.admin(), "one");
    assert!(names(&other.admin().get(exports()).object(200)).is_empty());
    create(&other.admin(), "two");
    assert_eq!(names(&one.admin().get(exports()).object(200)), ["one"]);
    assert_eq!(etcd.keys("/other/apis.kcp.io/").len(), 1);
}

/// What a replica does is seen by the next request through another one, whatever it asks.
#[test]
fn each_replica_reads_what_the_other_wrote() {
    let etcd = Etcd::start();
    let servers = [(); 2].map(|()| Server::start_on(&etcd, &[]));
    let clients = [servers[0].admin(), servers[1].admin()];
    for round in 0..30 {
        let (one, other) = (&clients[round % 2], &clients[(round + 1) % 2]);
        let name = format!("export-{round}");
        let path = format!("{}/{name}", exports());
        // What is not ours makes etcd's revision grow too.
        etcd.put("/registry/unrelated", round.to_string());
        let mut object = create(one, &name);
        assert_eq!(other.get(&path).object(200), object);
        assert_eq!(other.post(exports(), &api_export(&name)).status, 409);
        object["spec"] = json!({"round": round});
        let updated = other.put(&path, &object).object(200);
        assert!(revision(&updated) > revision(&object));
        // The old revision is refused, and writing the new one again changes nothing.
        assert_eq!(one.put(&path, &object).status, 409);
        assert_eq!(one.put(&path, &updated).object(200), updated);
        etcd.put("/registry/unrelated", "again");
        assert!(names(&one.get(exports()).object(200)).contains(&&*name));
        assert_eq!(one.delete(&path).status, 200);
        assert_eq!(other.get(&path).status, 404);
        assert_eq!(other.delete(&path).status, 404);
        assert!(names(&other.get(exports()).object(200)).is_empty());
    }
}

/// How an object came to be at a revision, as a watch told it.
fn told(watch: &mut Watch) -> (u64, String) {
    let (event, object) = watch.next_named();
    (revision(&object), event)
}

#[test]
fn every_replica_tells_every_change_once_and_in_order() {
    const WRITERS: usize = 4;
    const EACH: usize = 40;
    let etcd = Etcd::start();
    let servers = [(); 2].map(|()| Server::start_on(&etcd, &[]));
    let start = revision(&servers[0].admin().get(exports()).object(200));
    let target = format!("{}?watch=true&resourceVersion={start}", exports());
    let mut watches: Vec<Watch> =
        servers.iter().map(|server| server.admin().watch(&target)).collect();
    let write = |writer: usize| {
        let client = servers[writer % 2].admin();
        for number in 0..EACH {
            let name = format!("export-{writer}-{number}");
            create(&client, &name);
            if number % 2 == 0 {
                assert_eq!(client.delete(format!("{}/{name}", exports())).status, 200);
            }
        }
    };
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            scope.spawn(move || write(writer));
        }
    });
    let changes = WRITERS * (EACH + EACH / 2);
    let events: Vec<Vec<_>> =
        watches.iter_mut().map(|watch| (0..changes).map(|_| told(watch)).collect()).collect();
    assert_eq!(events[0], events[1]);
    let mut there = BTreeSet::new();
    let mut newest = start;
    for (revision, event) in &events[0] {
        assert!(*revision > newest, "{revision} after {newest}");
        newest = *revision;
        match event.split_once(' ').unwrap() {
            ("ADDED", name) => assert!(there.insert(name), "{event} twice"),
            ("DELETED", name) => assert!(there.remove(name), "{event} of nothing"),
            _ => panic!("{event}"),
        }
    }
    let list = servers[1].admin().get(exports()).object(200);
    assert_eq!(names(&list), there.into_iter().collect::<Vec<_>>());
    // A replica that comes later tells the same from the start.
    let third = Server::start_on(&etcd, &[]);
    let mut watch = third.admin().watch(&target);
    let again: Vec<_> = (0..changes).map(|_| told(&mut watch)).collect();
    assert_eq!(again, events[0]);
}

#[test]
fn only_one_of_those_who_write_at_once_wins() {
    let etcd = Etcd::start();
    let servers = [(); 2].map(|()| Server::start_on(&etcd, &[]));
    for round in 0..10 {
        let name = format!("export-{round}");
        let write = |server: &Server| server.admin().post(exports(), &api_export(&name)).status;
        let (write, servers) = (&write, &servers);
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let all = [0, 1, 0, 1].map(|it| scope.spawn(move || write(&servers[it])));
            all.into_iter().map(|it| it.join().unwrap()).collect()
        });
        assert_eq!(statuses.iter().filter(|it| **it == 201).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|it| **it == 409).count(), 3, "{statuses:?}");
        assert_eq!(etcd.get(&key(&name)).unwrap().version, 1);
    }
}

#[test]
fn what_others_store_is_read_in_whatever_form() {
    let etcd = Etcd::start();
    // A definition in the newer form, before the server comes.
    let definition = "/cache/apiextensions.k8s.io/customresourcedefinitions/system:cache:server/system:system-crds/apiexports.apis.kcp.io";
    let first = Server::start_on(&etcd, &[]);
    let mut v1 = first.admin().get(at("*", "*", CRDS)).object(200)["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["metadata"]["name"] == "apiexports.apis.kcp.io")
        .unwrap()
        .clone();
    drop(first);
    v1["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    let written = etcd.put(definition, serde_json::to_vec_pretty(&v1).unwrap());
    etcd.put(&key("before"), pretty("before"));
    etcd.put(&key("broken-before"), "not JSON");
    etcd.put("/cache/apis.kcp.io/apiexports/customresources/amber/poisoned", pretty("x"));

    let server = Server::start_on(&etcd, &[]);
    let client = server.admin();
    assert_eq!(etcd.get(definition).unwrap().revision, written, "it will do as it is");
    let definitions = client.get(at("*", "*", CRDS)).object(200);
    assert!(names(&definitions).contains(&"apiexports.apis.kcp.io"));
    let mut watch = client.watch(format!("{}?watch=true&resourceVersion=0", exports()));
    assert_eq!(watch.next_named().0, "ADDED before");
    let strange = || server.metric("kcpctl_store_strange_objects");
    assert!((1.5..2.5).contains(&strange()), "{}", strange());

    etcd.put(&key("after"), pretty("after"));
    let (event, object) = watch.next_named();
    assert_eq!((&*event, &object["spec"]), ("ADDED after", &json!({"b": "<", "c": 1})));
    // What becomes unreadable is gone for those who watch, and back when it can be read.
    etcd.put(&key("after"), "{");
    assert_eq!(watch.next_named().0, "DELETED after");
    eventually("three strange objects", || (strange() > 2.5).then_some(()));
    assert!(server.said().contains("left out a stored object"), "{}", server.said());
    etcd.put(&key("after"), pretty("after"));
    assert_eq!(watch.next_named().0, "ADDED after");
    assert_eq!(names(&client.get(exports()).object(200)), ["after", "before"]);
    // A transaction of several keys is one revision.
    let both = [pretty("left"), pretty("right")];
    etcd.put_both((&key("left"), &both[0]), (&key("right"), &both[1]));
    let told = [watch.next_named(), watch.next_named()];
    assert_eq!([&*told[0].0, &*told[1].0], ["ADDED left", "ADDED right"]);
    assert_eq!(revision(&told[0].1), revision(&told[1].1));
    // And it can be written like any other.
    let mut object = client.get(format!("{}/before", exports())).object(200);
    object["spec"] = json!({});
    client.put(format!("{}/before", exports()), &object).object(200);
    assert!(etcd.get(&key("before")).unwrap().value.starts_with(b"{\"apiVersion\""));
}

/// An export in valid JSON that is not canonical.
fn pretty(name: &str) -> String {
    format!(
        "{{ \"spec\": {{\"c\": 1.0, \"b\": \"<\"}},\n  \"metadata\": {{\"name\": \"{name}\", \"uid\": \"u\"}},\n  \"kind\": \"APIExport\", \"apiVersion\": \"apis.kcp.io/v1alpha2\" }}"
    )
}

#[test]
fn an_encrypted_value_is_refused_by_name() {
    let etcd = Etcd::start();
    etcd.put(&key("secret"), "k8s:enc:aescbc:v1:key1:\u{1}\u{2}");
    let env = crate::support::TestEnv::new();
    let flags = ["cache", "serve", "--listen=127.0.0.1:0", "--etcd-servers"];
    let output = env.run(flags.into_iter().map(str::to_owned).chain([etcd.url()]));
    assert_eq!(output.code, Some(3), "{output}");
    let said = &output.stderr;
    assert!(said.contains(&key("secret")) && said.contains("encrypted (k8s:enc:)"), "{said}");
    assert!(said.contains("--encryption-provider-config"), "{said}");
}

#[test]
fn a_restarted_replica_goes_on_with_a_watch() {
    let etcd = Etcd::start();
    let mut server = Server::start_on(&etcd, &[]);
    let client = server.admin();
    let kept = revision(&create(&client, "kept"));
    create(&client, "gone");
    assert!(server.stop().success());
    etcd.delete(&key("gone"));
    etcd.put(&key("meanwhile"), pretty("meanwhile"));
    server.start_again();
    let target = format!("{}?watch=true&resourceVersion={kept}", exports());
    let mut watch = server.admin().watch(target);
    let told: Vec<String> = (0..3).map(|_| watch.next_named().0).collect();
    assert_eq!(told, ["ADDED gone", "DELETED gone", "ADDED meanwhile"]);
}

#[test]
fn what_a_compaction_took_is_gone_for_a_replica_that_comes_later() {
    let etcd = Etcd::start();
    let mut server = Server::start_on(&etcd, &[]);
    let client = server.admin();
    for name in ["a", "b", "c"] {
        create(&client, name);
    }
    let page = client.get(format!("{}?limit=1", exports())).object(200);
    let token = page["metadata"]["continue"].as_str().unwrap().to_owned();
    create(&client, "d");
    assert!(server.stop().success());
    etcd.compact(etcd.revision());
    server.start_again();
    let client = server.admin();
    let refused = client.get(format!("{}?limit=1&continue={token}", exports())).object(410);
    assert_eq!(refused["reason"], "Expired");
    // The token that comes with it goes on without the old state.
    let token = refused["metadata"]["continue"].as_str().unwrap();
    let rest = client.get(format!("{}?continue={token}", exports())).object(200);
    assert_eq!(names(&rest), ["b", "c", "d"]);
    let old = revision(&page);
    let mut watch = client.watch(format!("{}?watch=true&resourceVersion={old}", exports()));
    let event = watch.next();
    assert_eq!((&event["type"], &event["object"]["code"]), (&json!("ERROR"), &json!(410)));
}

#[test]
fn servers_take_turns_at_compaction() {
    const KEY: &str = "compact_rev_key";
    let etcd = Etcd::start();
    let flags = ["--etcd-compaction-interval=500ms"];
    let servers = [(); 2].map(|()| Server::start_on(&etcd, &flags));
    let client = servers[0].admin();
    let first = revision(&create(&client, "first"));
    create(&client, "second");
    eventually("a compaction", || (!etcd.remembers(first)).then_some(()));
    let noted = etcd.get(KEY).unwrap();
    let upto: u64 = String::from_utf8(noted.value).unwrap().parse().unwrap();
    assert!(upto <= noted.revision && noted.version > 1, "{upto} {}", noted.revision);
    // What is older than the compaction is still told by those who were there.
    let target = format!("{}?watch=true&resourceVersion={first}", exports());
    assert_eq!(client.watch(target).next_named().0, "ADDED second");
    let list = client.get(format!("{}?resourceVersion=0", exports())).object(200);
    assert_eq!(names(&list), ["first", "second"]);
}

/// A revision that etcd reached by what is not ours is no reason to send a client away.
#[test]
fn a_revision_of_another_prefix_is_one_that_was_reached() {
    let etcd = Etcd::start();
    let server = Server::start_on(&etcd, &[]);
    let client = server.admin();
    let elsewhere = etcd.put("/registry/elsewhere", "x");
    let at_least = format!("{}?resourceVersion={elsewhere}", exports());
    let list = eventually("a list that is new enough", || {
        let answer = client.get(&at_least);
        (answer.status == 200).then(|| answer.json())
    });
    assert!(revision(&list) >= elsewhere);
    let elsewhere = etcd.put("/registry/elsewhere", "y");
    let target = format!("{}?watch=true&resourceVersion={elsewhere}", exports());
    let mut watch = client.watch(target);
    create(&client, "next");
    assert_eq!(watch.next_named().0, "ADDED next");
    let future = etcd.revision() + 1000;
    let refused =
        client.send(&Request::new("GET", format!("{}?resourceVersion={future}", exports())));
    assert_eq!(refused.status, 504, "{refused}");
}
