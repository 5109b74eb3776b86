//! What a server of ours does about users' types and the original does not: see
//! `docs/differences.md`.

use serde_json::{Value, json};

use crate::support::{
    CRDS, Client, CommandOutput, Declaring, Kubectl, OBJECTS, PARTIAL, PARTIAL_LIST, Request,
    Server, at, declare, eventually, thing,
};

fn list(client: &Client, target: &str, accept: &str) -> Value {
    client.send(&Request::new("GET", target).header("Accept", accept)).object(200)
}

fn listed(client: &Client, target: &str, accept: &str) -> String {
    let list = list(client, target, accept);
    let items = list["items"].as_array().unwrap().iter();
    let names: Vec<_> = items.map(|it| it["metadata"]["name"].as_str().unwrap()).collect();
    names.join(" ")
}

/// The servers that other tests use too, unless one of them is not ours.
fn ours() -> impl Iterator<Item = std::sync::Arc<Server>> {
    [Server::shared_cache_server(), Server::shared()].into_iter().filter(|it| !it.is_foreign())
}

/// The value of one series.
fn sample(server: &Server, series: &str) -> Option<f64> {
    let text = server.admin().get("/metrics").text();
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    value.parse().ok()
}

#[test]
fn a_type_is_served_once_its_declaration_is_answered_and_not_longer() {
    let server = Server::shared();
    let client = server.admin();
    for turn in 0..20 {
        let identity = format!("9a{turn}");
        let declaring = Declaring {
            at: ("xt1", "xt-now"),
            group: "now.example.com",
            identity: &identity,
            ..Declaring::default()
        };
        declare(&client, &declaring).object(201);
        let object = thing("now.example.com/v1", "Thing", "one");
        client.post(declaring.collection(), &object).object(201);
        let metadata = at("*", "*", "apis/now.example.com/v1/things?watch=true");
        let mut watch = client.watch_with(&Request::new("GET", metadata).header("Accept", PARTIAL));
        assert_eq!(watch.next_named().0, "ADDED one");
        client.delete(declaring.path()).object(200);
        assert_eq!(client.get(declaring.collection()).status, 404);
        assert_eq!(client.post(declaring.collection(), &object).status, 404);
        // A watch of metadata spans what is under every identity, also those that went.
        for _ in 0..turn {
            assert_eq!(watch.next_named().0, "ADDED one");
        }
    }
}

#[test]
fn a_watch_of_a_type_without_objects_waits_for_the_first() {
    let server = Server::start();
    let client = server.admin();
    let declaring = Declaring::default();
    declare(&client, &declaring).object(201);
    let revision = list(&client, &declaring.collection(), OBJECTS);
    let revision = revision["metadata"]["resourceVersion"].as_str().unwrap();
    let target = format!("{}?watch=true&resourceVersion={revision}", declaring.collection());
    let mut watch = client.watch(target);
    let object = thing("things.example.com/v1", "Thing", "one");
    client.post(declaring.collection(), &object).object(201);
    assert_eq!(watch.next_named().0, "ADDED one");
}

#[test]
fn metadata_is_found_on_one_shard_and_of_one_identity() {
    for server in ours() {
        let client = server.admin();
        let first = Declaring {
            at: ("xt-a", "xt-g1"),
            group: "narrow.example.com",
            identity: "ea",
            ..Declaring::default()
        };
        let second = Declaring { at: ("xt-b", "xt-g2"), identity: "eb", ..first };
        let object = |name: &str| thing("narrow.example.com/v1", "Thing", name);
        for (declaring, name) in [(first, "one"), (second, "two")] {
            declare(&client, &declaring).object(201);
            client.post(declaring.collection(), &object(name)).object(201);
        }
        for (shard, rest, expected) in [
            ("*", "things", "one two"),
            ("xt-a", "things", "one"),
            ("xt-b", "things", "two"),
            ("xt-c", "things", ""),
            ("*", "things:ea", "one"),
            ("xt-b", "things:eb", "two"),
            ("xt-a", "things:eb", ""),
        ] {
            let target = at(shard, "*", &format!("apis/narrow.example.com/v1/{rest}"));
            assert_eq!(listed(&client, &target, PARTIAL_LIST), expected, "{shard} {rest}");
        }
        // Pages over identities show each object once, and count the rest.
        client.post(second.collection(), &object("three")).object(201);
        client.post(first.collection(), &object("four")).object(201);
        let all = at("*", "*", "apis/narrow.example.com/v1/things?limit=1");
        let (mut seen, mut left, mut token) = (Vec::new(), Vec::new(), String::new());
        for _ in 0..9 {
            let page = list(&client, &format!("{all}&continue={token}"), PARTIAL_LIST);
            seen.push(page["items"][0]["metadata"]["name"].as_str().unwrap().to_owned());
            left.push(page["metadata"]["remainingItemCount"].as_u64().unwrap_or_default());
            token = page["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, ["four", "one", "three", "two"]);
        assert_eq!(left, [3, 2, 1, 0]);
        // Whole objects of several identities have no common form.
        let mixed =
            "application/json, application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
        let refused = client.send(&Request::new("GET", &all).header("Accept", mixed));
        assert_eq!(refused.status, 406, "{refused}");
        // And nobody writes to all clusters at once.
        let all = at("*", "*", "apis/narrow.example.com/v1/things");
        let refused = client.send(&Request::new("DELETE", &all).header("Accept", PARTIAL_LIST));
        assert_eq!(refused.status, 405, "{refused}");
    }
}

#[test]
fn of_declarations_that_disagree_the_oldest_holds() {
    let server = Server::shared();
    let client = server.admin();
    let dated = |declaring: &Declaring<'_>, created: &str| {
        let mut object = declaring.object();
        object["metadata"]["annotations"]["kcp.io/shard"] = json!("xt1");
        object["metadata"]["creationTimestamp"] = json!(created);
        object["metadata"]["uid"] = json!("0f9a6f43-6a8f-4ee6-9ccf-4b2f5f0f4d11");
        let (collection, _) =
            declaring.path().rsplit_once('/').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        client.post(collection, &object).object(201);
    };
    let younger = Declaring {
        at: ("xt1", "xt-two"),
        name: "a",
        group: "quarrel.example.com",
        identity: "d1",
        kind: "Young",
        ..Declaring::default()
    };
    let older = Declaring { name: "b", identity: "d2", kind: "Old", ..younger };
    let elsewhere =
        Declaring { at: ("xt2", "xt-else"), kind: "Other", scope: "Namespaced", ..older };
    dated(&younger, "2026-03-01T00:00:00Z");
    let kind = || list(&client, &younger.collection(), OBJECTS)["kind"].clone();
    assert_eq!(kind(), "YoungList");
    dated(&elsewhere, "2026-02-01T00:00:00Z");
    dated(&older, "2026-01-01T00:00:00Z");
    // Two identities in one cluster.
    assert_eq!(kind(), "OldList");
    assert_eq!(
        list(&client, &format!("{}:d1", younger.collection()), OBJECTS)["kind"],
        "YoungList"
    );
    // Two kinds and scopes of one identity.
    assert_eq!(list(&client, &elsewhere.collection(), OBJECTS)["kind"], "OldList");
    eventually("a line about it", || server.said().contains("xt-else").then_some(()));
    client.delete(older.path()).object(200);
    assert_eq!(kind(), "YoungList");
    assert_eq!(list(&client, &elsewhere.collection(), OBJECTS)["kind"], "OtherList");
}

#[test]
fn what_can_be_served_is_served() {
    let server = Server::shared();
    let client = server.admin();
    // One that is not complete does not hide one that is.
    let complete = Declaring {
        at: ("xt1", "xt-c"),
        name: "k",
        group: "served.example.com",
        identity: "ca",
        ..Declaring::default()
    };
    for name in ["a", "z"] {
        declare(&client, &Declaring { name, identity: "", ..complete }).object(201);
    }
    declare(&client, &complete).object(201);
    client.get(complete.collection()).object(200);
    // Objects of a version that was withdrawn are read and deleted in those that are left.
    let better = Declaring { name: "v2", version: "v2", ..complete };
    declare(&client, &better).object(201);
    client.post(complete.collection(), &thing("served.example.com/v1", "Thing", "one")).object(201);
    client.delete(better.path()).object(200);
    let one = client.get(format!("{}/one", complete.collection())).object(200);
    assert_eq!(one["apiVersion"], "served.example.com/v1");
    assert_eq!(client.get(better.collection()).status, 404);
    client.delete(format!("{}/one", complete.collection())).object(200);
    // Names that no path, key or JSON has a place for declare nothing, and the log says so.
    for (name, odd) in [
        ("odd-identity", Declaring { identity: "customresources", ..complete }),
        ("odd-kind", Declaring { kind: "Th\"ing", ..complete }),
        ("odd-version", Declaring { version: "v 1", ..complete }),
    ] {
        declare(&client, &Declaring { name, at: ("xt1", "xt-odd"), ..odd }).object(201);
        let target = at("xt1", "xt-odd", "apis/served.example.com/v1/things");
        assert_eq!(client.get(target).status, 404, "{name}");
        eventually("a line about it", || server.said().contains(name).then_some(()));
    }
    // The core group under its name.
    let core = Declaring {
        at: ("xt1", "xt-core"),
        group: "core",
        resource: "nodes",
        kind: "Node",
        ..complete
    };
    declare(&client, &core).object(201);
    client.get(at("xt1", "xt-core", "api/v1/nodes")).object(200);
    // Two objects of the core group that a path alone does not tell apart.
    let core =
        Declaring { name: "n", resource: "namespaces", kind: "Namespace", group: "", ..core };
    declare(&client, &core).object(201);
    client.post(core.collection(), &thing("v1", "Namespace", "one")).object(201);
    client.get(at("xt1", "xt-core", "api/v1/namespaces/one")).object(200);
}

#[test]
fn older_releases_declare_under_another_name() {
    let server = Server::shared();
    let client = server.admin();
    let declaring = Declaring {
        at: ("xt1", "xt-old"),
        group: "older.example.com",
        identity: "0d",
        ..Declaring::default()
    };
    let mut object = declaring.object();
    object["kind"] = json!("CachedResource");
    let declarations = at("xt1", "xt-old", "apis/cache.kcp.io/v1alpha1/cachedresources");
    client.post(&declarations, &object).object(201);
    client.get(declaring.collection()).object(200);
    // Both at once: the type goes with the last one.
    declare(&client, &declaring).object(201);
    client.delete(format!("{declarations}/{}", declaring.name)).object(200);
    client.get(declaring.collection()).object(200);
    client.delete(declaring.path()).object(200);
    assert_eq!(client.get(declaring.collection()).status, 404);
}

#[test]
fn types_and_their_objects_survive_restarts_and_the_loss_of_a_declaration() {
    let mut server = Server::start();
    let kept = Declaring { identity: "4e01", ..Declaring::default() };
    let lost = Declaring { at: ("amber", "other"), identity: "4e02", ..kept };
    {
        let client = server.admin();
        for (declaring, name) in [(kept, "one"), (lost, "two")] {
            declare(&client, &declaring).object(201);
            let object = thing("things.example.com/v1", "Thing", name);
            client.post(declaring.collection(), &object).object(201);
        }
        client.delete(lost.path()).object(200);
    }
    let mut watched = None;
    for is_killed in [false, true] {
        if is_killed {
            server.kill();
        } else {
            server.stop();
        }
        server.start_again();
        let client = server.admin();
        assert_eq!(listed(&client, &kept.collection(), OBJECTS), "one");
        assert_eq!(client.get(lost.collection()).status, 404);
        let metadata = at("*", "*", "apis/things.example.com/v1/things");
        assert_eq!(listed(&client, &metadata, PARTIAL_LIST), "one two");
        let revision =
            list(&client, &metadata, PARTIAL_LIST)["metadata"]["resourceVersion"].clone();
        watched.get_or_insert(revision.as_str().unwrap().to_owned());
    }
    let client = server.admin();
    declare(&client, &lost).object(201);
    assert_eq!(listed(&client, &lost.collection(), OBJECTS), "two");
    // A watch goes on from before the restart.
    let since = watched.unwrap();
    let target = at(
        "*",
        "*",
        &format!("apis/things.example.com/v1/things?watch=true&resourceVersion={since}"),
    );
    let mut watch = client.watch_with(&Request::new("GET", target).header("Accept", PARTIAL));
    client.delete(format!("{}/two", lost.collection())).object(200);
    assert_eq!(watch.next_named().0, "DELETED two");
}

#[test]
fn an_administrator_sees_them_counted_and_listed() {
    let server = Server::start();
    let client = server.admin();
    let first = Declaring { identity: "5ee1", ..Declaring::default() };
    let second = Declaring { at: ("blue", "other"), identity: "5ee2", ..first };
    for (declaring, names) in [(first, &["one", "two"][..]), (second, &["three"])] {
        declare(&client, &declaring).object(201);
        for name in names {
            let object = thing("things.example.com/v1", "Thing", name);
            client.post(declaring.collection(), &object).object(201);
        }
    }
    let holdings = client.get("/kcpctl/v1alpha1/holdings").object(200);
    let counted: Vec<_> = holdings["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["resource"] == "things")
        .map(|it| {
            format!("{} {} {} {}", it["group"], it["origin"], it["cluster"], it["count"])
                .replace('"', "")
        })
        .collect();
    assert_eq!(counted, ["things.example.com 5ee1 acme 2", "things.example.com 5ee2 other 1"]);
    let objects = r#"apiserver_storage_objects{resource="things.example.com"}"#
        .replace("things.", "things.things.");
    assert_eq!(sample(&server, &objects), Some(3.0));
    // Versions that clients make up are not counted under their names.
    for version in ["v7", "v8"] {
        let target = at("*", "*", &format!("apis/things.example.com/{version}/things"));
        assert_eq!(listed(&client, &target, PARTIAL_LIST), "one two three");
    }
    let metrics = client.get("/metrics").text();
    assert!(metrics.contains(r#"version="v1",resource="things""#), "{metrics}");
    assert!(!metrics.contains(r#"version="v7""#), "{metrics}");

    let kubeconfig = server.kubeconfig("root", "root");
    let run = |args: &[&str]| -> CommandOutput {
        let mut all = vec!["cache", "list", "--kubeconfig", kubeconfig.to_str().unwrap()];
        all.extend(args);
        server.env().run(all)
    };
    let said = run(&["--by", "resource"]).success();
    assert!(said.contains("things.things.example.com:5ee1"), "{said}");
    for name in ["things", "thing", "Thing", "things.things.example.com"] {
        let said = run(&[name, "-o", "name"]).success();
        assert_eq!(said.lines().count(), 3, "{name}: {said}");
    }
    let said = run(&["things:5ee2", "-o", "name"]).success();
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn kubectl_works_with_the_types_of_a_cluster() {
    let server = Server::start();
    let client = server.admin();
    declare(&client, &Declaring { at: ("root", "team"), identity: "b0b", ..Declaring::default() })
        .object(201);
    let core = Declaring {
        at: ("root", "team"),
        name: "core",
        group: "",
        resource: "configmaps",
        kind: "ConfigMap",
        scope: "Namespaced",
        identity: "b0b",
        ..Declaring::default()
    };
    declare(&client, &core).object(201);
    let kubectl = Kubectl::new(&server, "root", "team");
    let said = kubectl.run(["api-resources", "--api-group", "things.example.com"]).success();
    assert!(said.contains("things.example.com/v1") && said.contains("Thing"), "{said}");
    let file = server
        .env()
        .write("thing.json", thing("things.example.com/v1", "Thing", "one").to_string());
    let file = file.to_str().unwrap();
    let said = kubectl.run(["create", "-f", file]).success();
    assert_eq!(said, "thing.things.example.com/one created\n");
    let said = kubectl.run(["get", "things"]).success();
    let words: Vec<Vec<&str>> = said.lines().map(|it| it.split_whitespace().collect()).collect();
    assert_eq!((words[0].as_slice(), words[1][0]), (["NAME", "AGE"].as_slice(), "one"));
    let said = kubectl.run(["get", "thing", "one", "-o", "jsonpath={.spec.size}"]).success();
    assert_eq!(said, "1");
    if kubectl.validates() {
        let said = kubectl.run(["explain", "things"]).success();
        assert!(said.contains("KIND:") && said.contains("Thing"), "{said}");
    }
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "map"}, "data": {"a": "b"}});
    let file = server.env().write("map.json", map.to_string());
    let said = kubectl.run(["create", "-n", "default", "-f", file.to_str().unwrap()]).success();
    assert_eq!(said, "configmap/map created\n");
    let said = kubectl.run(["get", "configmaps", "-n", "default", "-o", "name"]).success();
    assert_eq!(said, "configmap/map\n");
    let said = kubectl.run(["delete", "thing", "one"]).success();
    assert!(said.contains("one\" deleted"), "{said}");
    // Another cluster has nothing of it, and no definition says so either.
    let elsewhere = Kubectl::new(&server, "root", "nobody").run(["get", "things"]);
    assert!(elsewhere.stderr.contains("the server doesn't have a resource type"), "{elsewhere}");
    let definitions = client.get(at("*", "*", CRDS)).object(200);
    assert_eq!(definitions["items"].as_array().unwrap().len(), 23);
}
