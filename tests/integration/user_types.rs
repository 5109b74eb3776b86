//! Types that users define: served as long as an object in the cache declares them.
//!
//! Each test runs as `cache-server` and as `kcpctl cache serve`, with a group, clusters
//! and identities of its own. The original learns of a declaration a moment after it
//! was written; that we do at once is shown beside the other things that are ours, in
//! `user_types_extras`.

use serde_json::{Value, json};

use crate::support::{
    Answer, Client, Declaring, OBJECTS, PARTIAL, PARTIAL_LIST, Request, Server, TABLE, at, declare,
    eventually, thing,
};

fn replay(run: impl Fn(&Client)) {
    for server in [Server::shared_cache_server(), Server::shared()] {
        run(&server.admin());
    }
}

/// Reads a path in a form.
fn get(client: &Client, target: &str, accept: &str) -> Answer {
    client.send(&Request::new("GET", target).header("Accept", accept))
}

/// `404`, or the names of a list.
fn listed(client: &Client, target: &str, accept: &str) -> String {
    let answer = get(client, target, accept);
    if answer.status == 404 {
        assert_eq!(answer.text(), "404 page not found\n", "{target}");
        return "404".to_owned();
    }
    names(&answer.object(200))
}

fn names(list: &Value) -> String {
    let items = list["items"].as_array().into_iter().flatten();
    let names: Vec<_> = items.map(|it| it["metadata"]["name"].as_str().unwrap()).collect();
    names.join(" ")
}

/// The path of a type in a scope: `shard cluster version[:identity]`.
fn path(scope: &str, group: &str) -> String {
    let [shard, cluster, version] = scope.split(' ').collect::<Vec<_>>().try_into().unwrap();
    let (version, identity) = match version.split_once(':') {
        Some((version, identity)) => (version, format!(":{identity}")),
        None => (version, String::new()),
    };
    at(shard, cluster, &format!("apis/{group}/{version}/things{identity}"))
}

/// Waits until a type is served, or is not.
fn until_served(client: &Client, target: &str, served: bool) {
    eventually("a type to come or go", || {
        (client.get(target).status == if served { 200 } else { 404 }).then_some(())
    });
}

/// Declares a type and waits until it is served.
fn declare_and_wait(client: &Client, declaring: &Declaring<'_>) {
    declare(client, declaring).object(201);
    until_served(client, &declaring.collection(), true);
}

#[test]
fn a_request_means_what_its_cluster_and_its_identity_say() {
    let group = "resolve.example.com";
    let things = |at: (&'static str, &'static str), identity: &'static str| Declaring {
        at,
        group: "resolve.example.com",
        identity,
        ..Declaring::default()
    };
    replay(|client| {
        let [a, b] = ["5e01a", "5e01b"];
        declare_and_wait(client, &things(("ut1", "ut-r1"), a));
        declare_and_wait(client, &Declaring { version: "v1beta1", ..things(("ut2", "ut-r2"), a) });
        declare_and_wait(
            client,
            &Declaring { version: "v2", kind: "Gadget", ..things(("ut3", "ut-r3"), b) },
        );
        for (scope, kind, name) in [
            ("ut1 ut-r1 v1:5e01a", "Thing", "one"),
            ("ut2 ut-r1 v1", "Thing", "other-shard"),
            ("ut2 ut-r2 v1beta1", "Thing", "two"),
            ("ut3 ut-r3 v2:5e01b", "Gadget", "three"),
        ] {
            let version = scope.split([' ', ':']).nth(2).unwrap();
            let object = thing(&format!("{group}/{version}"), kind, name);
            client.post(path(scope, group), &object).object(201);
        }
        for (scope, accept, expected) in [
            // One cluster: what it declares, on whichever shard, in every version of the identity.
            ("ut1 ut-r1 v1", OBJECTS, "one"),
            ("ut1 ut-r1 v1beta1", OBJECTS, "one"),
            ("ut1 ut-r1 v1:5e01a", OBJECTS, "one"),
            ("ut2 ut-r1 v1", OBJECTS, "other-shard"),
            ("ut9 ut-r1 v1", OBJECTS, ""),
            ("ut1 ut-r1 v2", OBJECTS, "404"),
            ("ut1 ut-r1 v2", PARTIAL_LIST, "404"),
            ("ut1 ut-r1 v1:5e01b", OBJECTS, "404"),
            ("ut1 ut-r1 v1:none", OBJECTS, "404"),
            ("ut2 ut-r2 v1", OBJECTS, "two"),
            ("ut3 ut-r3 v2", OBJECTS, "three"),
            ("ut3 ut-r3 v1", OBJECTS, "404"),
            ("ut1 ut-r9 v1", OBJECTS, "404"),
            ("ut1 ut-r9 v1:5e01a", OBJECTS, "404"),
            ("ut1 ut-r1 v1", PARTIAL_LIST, "one"),
            // All clusters and an identity: all of it.
            ("* * v1:5e01a", OBJECTS, "one other-shard two"),
            ("%2A %2a v1:5e01a", OBJECTS, "one other-shard two"),
            ("ut2 * v1beta1:5e01a", OBJECTS, "other-shard two"),
            ("* * v2:5e01b", OBJECTS, "three"),
            ("* * v2:5e01a", OBJECTS, "404"),
            ("* * v1:none", OBJECTS, "404"),
            ("* * v1:none", PARTIAL_LIST, "404"),
            // All clusters and none: metadata of every identity, or nothing.
            ("* * v1", OBJECTS, "404"),
            ("* * v1", TABLE, "404"),
            ("ut1 * v1", OBJECTS, "404"),
            ("* * v1", PARTIAL_LIST, "one other-shard two three"),
            ("* * v9", PARTIAL_LIST, "one other-shard two three"),
        ] {
            assert_eq!(listed(client, &path(scope, group), accept), expected, "{scope} {accept}");
        }
        // One object, by each way to its cluster.
        for scope in ["ut1 ut-r1 v1", "ut1 ut-r1 v1beta1:5e01a"] {
            let one = client.get(format!("{}/one", path(scope, group))).object(200);
            assert_eq!(one["metadata"]["annotations"]["kcp.io/cluster"], "ut-r1");
        }
        for scope in ["* * v1:5e01a", "ut1 * v1:5e01a"] {
            assert_eq!(client.get(format!("{}/one", path(scope, group))).status, 404, "{scope}");
        }
        // An identity that is not there after all.
        let (code, reason, message) =
            client.get(format!("{}:", path("ut1 ut-r1 v1", group))).refusal();
        assert_eq!((code, reason.as_str()), (500, "InternalError"));
        assert_eq!(
            message,
            "Internal error occurred: invalid resource \"things\": missing identity"
        );
    });
}

#[test]
fn a_declaration_that_is_not_complete_serves_nothing() {
    replay(|client| {
        let group = "incomplete.example.com";
        let complete = Declaring { group, identity: "1c00", ..Declaring::default() };
        for (cluster, incomplete) in [
            ("ut-i1", Declaring { identity: "", ..complete }),
            ("ut-i2", Declaring { identity: "1c02", kind: "", ..complete }),
            ("ut-i3", Declaring { identity: "1c03", scope: "", ..complete }),
        ] {
            let incomplete = Declaring { at: ("ut1", cluster), ..incomplete };
            let mut object = declare(client, &incomplete).object(201);
            assert_eq!(listed(client, &incomplete.collection(), OBJECTS), "404", "{cluster}");
            // It becomes complete by an update.
            let complete = Declaring { at: ("ut1", cluster), ..complete };
            let fields = complete.object();
            object["metadata"]["annotations"] = fields["metadata"]["annotations"].clone();
            object["status"] = fields["status"].clone();
            client.put(complete.path(), &object).object(200);
            until_served(client, &complete.collection(), true);
        }
    });
}

#[test]
fn a_type_is_served_as_long_as_it_is_declared() {
    replay(|client| {
        let group = "lifetime.example.com";
        let here =
            Declaring { at: ("ut1", "ut-l1"), group, identity: "1f01", ..Declaring::default() };
        let there = Declaring { at: ("ut2", "ut-l2"), ..here };
        let everywhere = path("* * v1:1f01", group);
        let metadata = path("* * v1", group);
        assert_eq!(listed(client, &here.collection(), OBJECTS), "404");
        declare_and_wait(client, &here);
        declare_and_wait(client, &there);
        for (declaring, name) in [(&here, "one"), (&there, "two")] {
            let object = thing("lifetime.example.com/v1", "Thing", name);
            client.post(declaring.collection(), &object).object(201);
        }
        // A watch of metadata outlives the types.
        let target = format!("{metadata}?watch=true");
        let mut watch = client.watch_with(&Request::new("GET", &target).header("Accept", PARTIAL));
        assert_eq!(watch.next_named().0, "ADDED one");
        assert_eq!(watch.next_named().0, "ADDED two");

        client.delete(here.path()).object(200);
        until_served(client, &here.collection(), false);
        assert_eq!(listed(client, &there.collection(), OBJECTS), "two");
        assert_eq!(listed(client, &everywhere, OBJECTS), "one two");
        client.delete(there.path()).object(200);
        until_served(client, &there.collection(), false);
        assert_eq!(listed(client, &everywhere, OBJECTS), "404");
        assert_eq!(listed(client, &metadata, PARTIAL_LIST), "404");
        // What was there is there when it is declared again.
        declare_and_wait(client, &there);
        assert_eq!(listed(client, &there.collection(), OBJECTS), "two");
        assert_eq!(listed(client, &everywhere, OBJECTS), "one two");
        client.delete(format!("{}/two", there.collection())).object(200);
        assert_eq!(watch.next_named().0, "DELETED two");
    });
}

#[test]
fn metadata_of_all_identities_is_watched_with_those_that_come_later() {
    replay(|client| {
        let group = "metadata.example.com";
        let first =
            Declaring { at: ("ut1", "ut-m1"), group, identity: "aa01", ..Declaring::default() };
        let second = Declaring {
            at: ("ut2", "ut-m2"),
            version: "v1beta1",
            kind: "Gadget",
            identity: "bb01",
            ..first
        };
        declare_and_wait(client, &first);
        let metadata = path("* * v1", group);
        client
            .post(first.collection(), &thing("metadata.example.com/v1", "Thing", "one"))
            .object(201);
        let streaming = "watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
        let target = format!("{metadata}?{streaming}");
        let mut watch = client.watch_with(&Request::new("GET", target).header("Accept", PARTIAL));
        let (event, one) = watch.next_named();
        assert_eq!(event, "ADDED one");
        assert_eq!(
            (&one["kind"], &one["apiVersion"]),
            (&json!("PartialObjectMetadata"), &json!("meta.k8s.io/v1"))
        );
        assert!(one.get("spec").is_none());
        assert_eq!(
            one["metadata"]["annotations"],
            json!({
                "kcp.io/cluster": "ut-m1",
                "kcp.io/original-api-version": "metadata.example.com/v1",
                "kcp.io/shard": "ut1",
            })
        );
        let (event, end) = watch.next_named();
        assert_eq!(event, "BOOKMARK -");
        assert_eq!(
            end["metadata"]["annotations"],
            json!({
                "k8s.io/initial-events-end": "true",
                "kcp.io/original-api-version": "metadata.example.com/v1",
            })
        );
        // An identity that nobody had declared when the watch began.
        declare_and_wait(client, &second);
        let two = thing("metadata.example.com/v1beta1", "Gadget", "two");
        let mut two = client.post(second.collection(), &two).object(201);
        let (event, seen) = watch.next_named();
        assert_eq!(event, "ADDED two");
        let version = &seen["metadata"]["annotations"]["kcp.io/original-api-version"];
        assert_eq!(version, "metadata.example.com/v1beta1");
        assert_eq!(seen["metadata"]["resourceVersion"], two["metadata"]["resourceVersion"]);
        two["metadata"]["labels"] = json!({"colour": "red"});
        client.put(format!("{}/two", second.collection()), &two).object(200);
        assert_eq!(watch.next_named().0, "MODIFIED two");
        client.delete(format!("{}/one", first.collection())).object(200);
        let (event, gone) = watch.next_named();
        assert_eq!(event, "DELETED one");
        let version = &gone["metadata"]["annotations"]["kcp.io/original-api-version"];
        assert_eq!(version, "metadata.example.com/v1");
        // The same list, and a watch from where it ends.
        let list = get(client, &metadata, PARTIAL_LIST).object(200);
        assert_eq!(names(&list), "two");
        let since = list["metadata"]["resourceVersion"].as_str().unwrap();
        let target = format!("{metadata}?watch=true&resourceVersion={since}");
        let mut later = client.watch_with(&Request::new("GET", target).header("Accept", PARTIAL));
        client
            .post(first.collection(), &thing("metadata.example.com/v1", "Thing", "three"))
            .object(201);
        assert_eq!(later.next_named().0, "ADDED three");
        assert_eq!(watch.next_named().0, "ADDED three");
        // Objects in one cluster say their version themselves.
        let one_cluster = get(client, &first.collection(), PARTIAL_LIST).object(200);
        let annotations = &one_cluster["items"][0]["metadata"]["annotations"];
        assert_eq!(*annotations, json!({"kcp.io/cluster": "ut-m1", "kcp.io/shard": "ut1"}));
        // An annotation of that name that an object brought along stays.
        let mut mine = thing("metadata.example.com/v1", "Thing", "mine");
        mine["metadata"]["annotations"] = json!({"kcp.io/original-api-version": "mine"});
        client.post(first.collection(), &mine).object(201);
        let (_, mine) = later.next_named();
        assert_eq!(mine["metadata"]["annotations"]["kcp.io/original-api-version"], "mine");
    });
}

#[test]
fn built_in_types_come_first_and_have_no_identity() {
    replay(|client| {
        let exports = at("ut1", "ut-b1", "apis/apis.kcp.io/v1alpha1/apiexports");
        let group = "apis.kcp.io";
        let declaring =
            Declaring { at: ("ut1", "ut-b1"), group, identity: "b101", ..Declaring::default() };
        declare(client, &Declaring { resource: "apiexports", ..declaring }).object(201);
        let mine = Declaring { name: "mine", kind: "Mine", resource: "mines", ..declaring };
        declare_and_wait(client, &mine);
        assert_eq!(client.get(at("ut1", "ut-b1", "apis/apis.kcp.io/v1/apiexports")).status, 404);
        client.post(&exports, &crate::support::api_export("export")).object(201);
        for identity in ["b101", "anything"] {
            assert_eq!(listed(client, &format!("{exports}:{identity}"), OBJECTS), "export");
        }
        // Metadata from all clusters says in which version an object is stored.
        for version in ["v1alpha1", "v7"] {
            let all =
                at("*", "*", &format!("apis/apis.kcp.io/{version}/apiexports?labelSelector=!none"));
            let list = get(client, &all, PARTIAL_LIST).object(200);
            let items = list["items"].as_array().unwrap();
            let one =
                items.iter().find(|it| it["metadata"]["annotations"]["kcp.io/cluster"] == "ut-b1");
            let version = &one.unwrap()["metadata"]["annotations"]["kcp.io/original-api-version"];
            assert_eq!(version, "apis.kcp.io/v1alpha2");
        }
        assert_eq!(
            get(client, &at("ut1", "ut-b1", "apis/apis.kcp.io/v7/apiexports"), PARTIAL_LIST).status,
            404
        );
    });
}

#[test]
fn a_version_that_comes_later_is_one_more_way_to_the_same_objects() {
    replay(|client| {
        let group = "versions.example.com";
        let old = Declaring {
            at: ("ut1", "ut-v1"),
            group,
            version: "v1beta1",
            identity: "7e01",
            ..Declaring::default()
        };
        declare_and_wait(client, &old);
        client
            .post(old.collection(), &thing("versions.example.com/v1beta1", "Thing", "early"))
            .object(201);
        let v1 = path("ut1 ut-v1 v1", group);
        assert_eq!(listed(client, &v1, OBJECTS), "404");
        // Declared elsewhere, for the same identity.
        let new = Declaring { at: ("ut2", "ut-v2"), version: "v1", ..old };
        declare_and_wait(client, &new);
        until_served(client, &v1, true);
        client
            .post(old.collection(), &thing("versions.example.com/v1beta1", "Thing", "late"))
            .object(201);
        for version in ["v1", "v1beta1"] {
            let scope = format!("ut1 ut-v1 {version}");
            let list = client.get(path(&scope, group)).object(200);
            assert_eq!(names(&list), "early late");
            let wanted = format!("versions.example.com/{version}");
            assert_eq!(list["apiVersion"], wanted);
            assert!(list["items"].as_array().unwrap().iter().all(|it| it["apiVersion"] == wanted));
            let early = client.get(format!("{}/early", path(&scope, group))).object(200);
            assert_eq!(early["apiVersion"], wanted);
        }
        // Each is stored in what was the best version when it was written.
        let stored = |name: &str| {
            let list = get(client, &path("* * v1", group), PARTIAL_LIST).object(200);
            let items = list["items"].as_array().unwrap().clone();
            let one = items.into_iter().find(|it| it["metadata"]["name"] == name).unwrap();
            one["metadata"]["annotations"]["kcp.io/original-api-version"].clone()
        };
        assert_eq!(stored("early"), "versions.example.com/v1beta1");
        assert_eq!(stored("late"), "versions.example.com/v1");
        // A watch in one version sees writes through the other, and a PUT that changes
        // nothing else brings an object into the best version.
        let mut watch = client.watch(format!("{v1}?watch=true&fieldSelector=metadata.name=early"));
        let (event, early) = watch.next_named();
        assert_eq!(
            (event.as_str(), &early["apiVersion"]),
            ("ADDED early", &json!("versions.example.com/v1"))
        );
        let mut early = client.get(format!("{}/early", old.collection())).object(200);
        early["metadata"].as_object_mut().unwrap().remove("annotations");
        client.put(format!("{}/early", old.collection()), &early).object(200);
        let (event, early) = watch.next_named();
        assert_eq!(
            (event.as_str(), &early["apiVersion"]),
            ("MODIFIED early", &json!("versions.example.com/v1"))
        );
        assert_eq!(stored("early"), "versions.example.com/v1");
        // A body must speak the version of its path.
        let (code, _, message) =
            client.post(&v1, &thing("versions.example.com/v1beta1", "Thing", "x")).refusal();
        assert_eq!(code, 400);
        assert_eq!(
            message,
            "the API version in the data (versions.example.com/v1beta1) does not match the expected API version (versions.example.com/v1)"
        );
    });
}

#[test]
fn the_core_group_has_two_names() {
    replay(|client| {
        let declaring = Declaring {
            at: ("ut1", "ut-c1"),
            group: "",
            resource: "namespaces",
            kind: "Namespace",
            identity: "c0e1",
            ..Declaring::default()
        };
        declare_and_wait(client, &declaring);
        let ways = ["api/v1/namespaces:c0e1", "apis/core/v1/namespaces:c0e1"]
            .map(|it| at("ut1", "ut-c1", it));
        for (way, name) in ways.iter().zip(["one", "two"]) {
            let made = client.post(way, &thing("v1", "Namespace", name)).object(201);
            assert_eq!(made["apiVersion"], "v1");
        }
        let plain =
            ["api/v1/namespaces", "apis/core/v1/namespaces"].map(|it| at("ut1", "ut-c1", it));
        for way in ways.iter().chain(&plain) {
            let list = client.get(way).object(200);
            assert_eq!(
                (names(&list), &list["kind"], &list["apiVersion"]),
                ("one two".to_owned(), &json!("NamespaceList"), &json!("v1"))
            );
        }
        for rest in ["api/v1/namespaces", "apis/core/v1/namespaces"] {
            assert_eq!(listed(client, &at("*", "*", rest), PARTIAL_LIST), "one two");
            assert_eq!(listed(client, &at("*", "*", rest), OBJECTS), "404");
            assert_eq!(listed(client, &at("*", "*", &format!("{rest}:c0e1")), OBJECTS), "one two");
        }
        for way in &ways {
            client.get(format!("{way}/one")).object(200);
            assert_eq!(client.get(format!("{way}/none")).object(404)["reason"], "NotFound");
            let (code, _, message) =
                client.post(way, &thing("core/v1", "Namespace", "x")).refusal();
            assert_eq!(code, 400);
            assert_eq!(
                message,
                "the API version in the data (core/v1) does not match the expected API version (v1)"
            );
        }
        let mut one = client.get(format!("{}/one", ways[0])).object(200);
        one["spec"] = json!({"finalizers": ["kubernetes"]});
        client.put(format!("{}/one", ways[0]), &one).object(200);
        client.delete(format!("{}/two", ways[0])).object(200);
        let purged = client.delete(&ways[1]).object(200);
        assert_eq!(names(&purged), "one");
        assert_eq!(listed(client, &ways[0], OBJECTS), "");
    });
}

#[test]
fn a_type_may_have_namespaces() {
    replay(|client| {
        let declaring = Declaring {
            at: ("ut1", "ut-n1"),
            group: "namespaced.example.com",
            scope: "Namespaced",
            identity: "5a01",
            ..Declaring::default()
        };
        declare_and_wait(client, &declaring);
        let inside =
            at("ut1", "ut-n1", "apis/namespaced.example.com/v1/namespaces/default/things:5a01");
        let object = thing("namespaced.example.com/v1", "Thing", "one");
        let made = client.post(&inside, &object).object(201);
        assert_eq!(made["metadata"]["namespace"], "default");
        assert_eq!(client.post(declaring.collection(), &object).status, 404);
        assert_eq!(client.delete(declaring.collection()).status, 404);
        for (rest, expected) in [
            ("things", "one"),
            ("things:5a01", "one"),
            ("namespaces/default/things", "one"),
            ("namespaces/other/things", ""),
        ] {
            let target = at("ut1", "ut-n1", &format!("apis/namespaced.example.com/v1/{rest}"));
            assert_eq!(listed(client, &target, OBJECTS), expected, "{rest}");
        }
        let metadata = path("* * v1", "namespaced.example.com");
        assert_eq!(listed(client, &metadata, PARTIAL_LIST), "one");
        client.get(format!("{inside}/one")).object(200);
        assert_eq!(names(&client.delete(&inside).object(200)), "one");
    });
}

#[test]
fn objects_are_kept_as_a_shard_sends_them() {
    replay(|client| {
        let group = "objects.example.com";
        let declaring =
            Declaring { at: ("ut1", "ut-o1"), group, identity: "0b01", ..Declaring::default() };
        declare_and_wait(client, &declaring);
        let collection = path("ut1 ut-o1 v1:0b01", group);
        // As the replication of kcp sends it: without the annotation of a shard.
        let mut object = thing("objects.example.com/v1", "Thing", "one");
        object["metadata"]["uid"] = json!("0f9a6f43-6a8f-4ee6-9ccf-4b2f5f0f4d11");
        object["metadata"]["generation"] = json!(7);
        object["metadata"]["annotations"] = json!({"cache.kcp.io/original-resource-version": "12"});
        object["status"] = json!({"phase": "Ready"});
        let made = client.post(&collection, &object).object(201);
        assert_ne!(made["metadata"]["uid"], object["metadata"]["uid"]);
        assert_eq!(
            (&made["metadata"]["generation"], &made["status"]["phase"]),
            (&json!(1), &json!("Ready"))
        );
        assert_eq!(client.get(format!("{collection}/one/status")).status, 404);
        let (code, _, message) =
            client.post(&collection, &thing("objects.example.com/v1", "Gadget", "x")).refusal();
        assert_eq!(
            (code, message.as_str()),
            (
                422,
                "Gadget.objects.example.com \"x\" is invalid: kind: Invalid value: \"Gadget\": must be Thing"
            )
        );
        let (code, _, message) =
            client.post(&collection, &thing("objects.example.com/v1", "Thing", "X")).refusal();
        assert!(
            code == 422
                && message.starts_with("Thing.objects.example.com \"X\" is invalid: metadata.name"),
            "{message}"
        );
        // A table has name and age.
        let table = get(client, &collection, TABLE).object(200);
        let columns: Vec<_> = table["columnDefinitions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["name"].clone())
            .collect();
        assert_eq!(columns, ["Name", "Age"]);
        assert_eq!(table["rows"][0]["cells"][0], "one");
        // The purge: a collection with nothing in it is no error.
        client.post(&collection, &thing("objects.example.com/v1", "Thing", "two")).object(201);
        assert_eq!(names(&client.delete(&collection).object(200)), "one two");
        assert_eq!(names(&client.delete(&collection).object(200)), "");
    });
}

#[test]
fn a_cluster_tells_of_its_types() {
    replay(|client| {
        let group = "told.example.com";
        let declaring = Declaring {
            at: ("ut1", "ut-d1"),
            group,
            version: "v1beta1",
            kind: "OddThing",
            identity: "70d1",
            ..Declaring::default()
        };
        declare_and_wait(client, &declaring);
        declare_and_wait(client, &Declaring { at: ("ut1", "ut-d2"), version: "v1", ..declaring });
        until_served(client, &path("ut1 ut-d1 v1", group), true);
        let read = |shard: &str, cluster: &str, rest: &str| client.get(at(shard, cluster, rest));
        let about = read("ut9", "ut-d1", "apis/told.example.com").object(200);
        let versions: Vec<_> =
            about["versions"].as_array().unwrap().iter().map(|it| it["version"].clone()).collect();
        assert_eq!(versions, ["v1", "v1beta1"]);
        assert_eq!(about["preferredVersion"]["version"], "v1");
        for version in ["v1", "v1beta1"] {
            let list =
                read("ut1", "ut-d1", &format!("apis/told.example.com/{version}")).object(200);
            let only = &list["resources"][0];
            assert_eq!(
                [&only["name"], &only["singularName"], &only["kind"], &only["namespaced"]],
                [&json!("things"), &json!("oddthing"), &json!("OddThing"), &json!(false)]
            );
            assert_eq!(list["resources"].as_array().unwrap().len(), 1);
        }
        for (cluster, rest) in [("ut-d9", "apis/told.example.com"), ("*", "apis/told.example.com")]
        {
            assert_eq!(read("ut1", cluster, rest).status, 404, "{cluster}");
        }
        // It is no definition that anybody could list.
        let all =
            read("*", "*", "apis/apiextensions.k8s.io/v1/customresourcedefinitions").object(200);
        let items = all["items"].as_array().unwrap();
        assert!(items.iter().all(|it| it["spec"]["group"] != "told.example.com"));
        let built_in = read("ut1", "ut-d1", "apis/cache.kcp.io/v1alpha1").object(200);
        assert!(built_in["resources"].as_array().unwrap().len() >= 3);
    });
}
