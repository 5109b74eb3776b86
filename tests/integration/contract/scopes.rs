//! Wildcards: what can be read through them, and that nothing can be written.

use serde_json::json;

use super::{Body, EXPORTS, MERGE_PATCH, Row, check, row};
use crate::support::{Server, api_export, at};

const MISSING: &str = r#"404 NotFound: apiexports.apis.kcp.io "one" not found"#;

/// Why a write through a wildcard is refused.
const WHY: &str = "a write through a wildcard would be lost under a key that nobody reads";

const CREATE: &str = "405 MethodNotAllowed: create is not supported on resources of kind \"apiexports.apis.kcp.io\": a write needs one shard and one cluster, not a wildcard";
const UPDATE: &str = "405 MethodNotAllowed: update is not supported on resources of kind \"apiexports.apis.kcp.io\": a write needs one shard and one cluster, not a wildcard";
const PATCH: &str = "405 MethodNotAllowed: patch is not supported on resources of kind \"apiexports.apis.kcp.io\": a write needs one shard and one cluster, not a wildcard";
const DELETE: &str = "405 MethodNotAllowed: delete is not supported on resources of kind \"apiexports.apis.kcp.io\": a write needs one shard and one cluster, not a wildcard";
const PURGE: &str = "405 MethodNotAllowed: deletecollection is not supported on resources of kind \"apiexports.apis.kcp.io\": a write needs one shard and one cluster, not a wildcard";

const WILDCARDS: [[&str; 2]; 3] = [
    [
        "/services/cache/shards/*/clusters/*/apis/apis.kcp.io/v1alpha1/apiexports",
        "/services/cache/shards/*/clusters/*/apis/apis.kcp.io/v1alpha1/apiexports/one",
    ],
    [
        "/services/cache/shards/amber/clusters/*/apis/apis.kcp.io/v1alpha1/apiexports",
        "/services/cache/shards/amber/clusters/*/apis/apis.kcp.io/v1alpha1/apiexports/one",
    ],
    [
        "/services/cache/shards/*/clusters/acme/apis/apis.kcp.io/v1alpha1/apiexports",
        "/services/cache/shards/*/clusters/acme/apis/apis.kcp.io/v1alpha1/apiexports/one",
    ],
];

#[test]
fn one_object_is_not_reached_through_a_wildcard() {
    let mut rows: Vec<Row> = Vec::new();
    for [_, one] in WILDCARDS {
        rows.extend([
            row("get").get(one).told(MISSING),
            row("update")
                .put(json!({"spec": {"a": 2}}))
                .target(one)
                .told(MISSING)
                .here(UPDATE, WHY)
                .then("the same"),
            row("patch")
                .patch(MERGE_PATCH, r#"{"spec":{"a":2}}"#)
                .target(one)
                .told(MISSING)
                .here(PATCH, WHY)
                .then("the same"),
            row("delete").delete("").target(one).told(MISSING).here(DELETE, WHY).then("the same"),
        ]);
    }
    check("wildcards", &rows);
}

#[test]
fn nothing_is_created_or_purged_through_a_wildcard() {
    let mut rows: Vec<Row> = Vec::new();
    for [all, _] in WILDCARDS {
        rows.extend([
            // The original writes it where nobody finds it, and this row would leave it there.
            row("create, as a dry run")
                .of(EXPORTS)
                .without()
                .asked("POST", all, Body::Object(json!({})))
                .query("?dryRun=All")
                .told("201")
                .here(CREATE, WHY),
            row("delete what matches nothing")
                .delete("")
                .target(all)
                .query("?labelSelector=nobody-has-this")
                .told("200 /items=[]")
                .here(PURGE, WHY)
                .then("the same"),
        ]);
    }
    check("wild-collections", &rows);
    let server = Server::shared();
    let client = server.admin();
    for [all, _] in WILDCARDS {
        assert_eq!(client.post(all, &api_export("one")).refusal_line(), CREATE);
        assert_eq!(client.delete(all).refusal_line(), PURGE);
    }
}

/// Where the objects of a list are: `shard/cluster`.
fn places(list: &serde_json::Value) -> Vec<String> {
    let items = list["items"].as_array().unwrap().iter();
    let place = |it: &serde_json::Value| {
        let annotation =
            |key: &str| it["metadata"]["annotations"][key].as_str().unwrap().to_owned();
        format!("{}/{}", annotation("kcp.io/shard"), annotation("kcp.io/cluster"))
    };
    items.map(place).collect()
}

#[test]
fn a_cluster_on_all_shards_is_that_cluster() {
    // The original shows every cluster of every shard, and says of each that it is this one.
    let server = Server::shared();
    let client = server.admin();
    let slices = "apis/apis.kcp.io/v1alpha1/apiconversions";
    let object = json!({
        "apiVersion": "apis.kcp.io/v1alpha1", "kind": "APIConversion", "metadata": {"name": "x"},
    });
    for (shard, cluster) in [("s1", "everywhere"), ("s2", "everywhere"), ("s1", "everywhere-2")] {
        client.post(at(shard, cluster, slices), &object).object(201);
    }
    let list = client.get(at("*", "everywhere", slices)).object(200);
    assert_eq!(places(&list), ["s1/everywhere", "s2/everywhere"]);
    let first = client.get(at("*", "everywhere", &format!("{slices}?limit=1"))).object(200);
    assert_eq!(first["metadata"]["remainingItemCount"], 1, "what others have is not counted");
    let token = first["metadata"]["continue"].as_str().unwrap();
    let rest = format!("{slices}?limit=1&continue={token}");
    assert_eq!(places(&client.get(at("*", "everywhere", &rest)).object(200)), ["s2/everywhere"]);
}

#[test]
fn two_shards_with_the_same_cluster_and_name_stay_apart() {
    for server in [Server::shared_cache_server(), Server::shared()] {
        let client = server.admin();
        let here = at("twin-1", "twins", EXPORTS.collection);
        let there = at("twin-2", "twins", EXPORTS.collection);
        let mut objects = Vec::new();
        for (collection, text) in [(&here, "here"), (&there, "there")] {
            let mut object = api_export("one");
            object["spec"] = json!({"text": text});
            objects.push(client.post(collection, &object).object(201));
        }
        assert_ne!(objects[0]["metadata"]["uid"], objects[1]["metadata"]["uid"]);
        let since = objects[1]["metadata"]["resourceVersion"].as_str().unwrap();
        let everywhere = at("*", "*", EXPORTS.collection);
        let mut watch = client.watch(format!("{here}?watch=true&resourceVersion={since}"));
        let mut all = client.watch(format!("{everywhere}?watch=true&resourceVersion={since}"));

        // A change, a patch and a deletion of one are none of the other.
        objects[1]["spec"] = json!({"text": "changed"});
        let changed = client.put(format!("{there}/one"), &objects[1]).object(200);
        assert_eq!(client.get(format!("{here}/one")).object(200), objects[0]);
        client.delete(format!("{there}/one")).object(200);
        assert_eq!(client.get(format!("{here}/one")).object(200), objects[0]);
        client.delete(format!("{here}/one")).object(200);
        let (event, gone) = watch.next_named();
        assert_eq!((event.as_str(), &gone["spec"]["text"]), ("DELETED one", &json!("here")));
        // Who watches both is told of each by its shard.
        let mut seen = Vec::new();
        while seen.len() < 3 {
            let (event, object) = all.next_named();
            let annotations = &object["metadata"]["annotations"];
            if annotations["kcp.io/cluster"] == "twins" {
                seen.push(format!("{event} {}", annotations["kcp.io/shard"].as_str().unwrap()));
            }
        }
        assert_eq!(seen, ["MODIFIED one twin-2", "DELETED one twin-2", "DELETED one twin-1"]);
        assert_eq!(changed["spec"]["text"], "changed");
    }
}
