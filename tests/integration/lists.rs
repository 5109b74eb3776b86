//! Lists: pages, revisions, selectors, order and forms.
//!
//! Each test runs as `cache-server` and as `kcpctl cache serve`, on shards of its own.

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use serde_json::{Value, json};

use crate::support::{Client, Request, Server, at};

/// A type that no other test fills, so that a list over everything is predictable.
const SLICES: &str = "apis/apis.kcp.io/v1alpha1/apiexportendpointslices";
const CONVERSIONS: &str = "apis/apis.kcp.io/v1alpha1/apiconversions";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
const PARTIAL_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
const PARTIAL: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

fn replay(run: impl Fn(&Client)) {
    for server in [Server::shared_cache_server(), Server::shared()] {
        run(&server.admin());
    }
}

fn conversion(name: &str, labels: Value) -> Value {
    let mut object = json!({
        "apiVersion": "apis.kcp.io/v1alpha1",
        "kind": "APIConversion",
        "metadata": {"name": name},
        "spec": {"conversions": []},
    });
    object["metadata"]["labels"] = labels;
    object
}

fn slice(name: &str) -> Value {
    json!({
        "apiVersion": "apis.kcp.io/v1alpha1",
        "kind": "APIExportEndpointSlice",
        "metadata": {"name": name},
        "spec": {"export": {"path": "root:org", "name": "widgets"}, "partition": "eu"},
    })
}

fn names(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().unwrap().iter();
    items.map(|it| it["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

fn revision(list: &Value) -> u64 {
    list["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

#[test]
fn an_empty_list_is_a_list() {
    replay(|client| {
        let list = client.get(at("amber", "nobody", CONVERSIONS)).object(200);
        let revision = list["metadata"]["resourceVersion"].clone();
        assert_eq!(
            list,
            json!({
                "apiVersion": "apis.kcp.io/v1alpha1",
                "kind": "APIConversionList",
                "metadata": {"continue": "", "resourceVersion": revision},
                "items": [],
            })
        );
    });
}

#[test]
fn a_list_shows_a_scope_in_the_order_of_shard_cluster_namespace_name() {
    replay(|client| {
        // `order-1` begins with `order`, and must not be taken for it.
        for (shard, cluster) in [("order-1", "a"), ("order", "b"), ("order", "a")] {
            for name in ["two", "one"] {
                let target = at(shard, cluster, CONVERSIONS);
                client.post(target, &conversion(name, json!({}))).object(201);
            }
        }
        let listed = |shard: &str, cluster: &str| -> Vec<String> {
            let list = client.get(at(shard, cluster, CONVERSIONS)).object(200);
            let place = |it: &Value| {
                let annotations = &it["metadata"]["annotations"];
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                let shard = text(&annotations["kcp.io/shard"]);
                let cluster = text(&annotations["kcp.io/cluster"]);
                format!("{shard}/{cluster}/{}", text(&it["metadata"]["name"]))
            };
            let items = list["items"].as_array().unwrap().iter().map(place);
            items.filter(|it| it.starts_with("order")).collect()
        };
        assert_eq!(listed("order", "b"), ["order/b/one", "order/b/two"]);
        let order = ["order/a/one", "order/a/two", "order/b/one", "order/b/two"];
        assert_eq!(listed("order", "*"), order);
        assert_eq!(listed("%2A", "%2a")[2..], order);
        assert_eq!(listed("*", "*")[..2], ["order-1/a/one", "order-1/a/two"]);
        let one = at("*", "*", &format!("{CONVERSIONS}/one"));
        assert_eq!(client.get(one).status, 404);
    });
}

#[test]
fn pages_show_one_moment_while_writes_go_on() {
    replay(|client| {
        let slices = at("pages", "a", SLICES);
        for number in 0..10 {
            client.post(&slices, &slice(&format!("slice-{number}"))).object(201);
        }
        let mut target = format!("{slices}?limit=3");
        let mut seen = Vec::new();
        let mut left = Vec::new();
        let mut moment = None;
        for turn in 0.. {
            let page = client.get(&target).object(200);
            assert_eq!(*moment.get_or_insert(revision(&page)), revision(&page));
            seen.extend(names(&page));
            left.push(page["metadata"].get("remainingItemCount").and_then(Value::as_u64));
            let token = page["metadata"]["continue"].as_str().unwrap().to_owned();
            if token.is_empty() {
                break;
            }
            target = format!("{slices}?limit=3&continue={token}");
            // One before, one behind, one gone, one changed: none of it belongs to this list.
            if turn == 0 {
                client.post(&slices, &slice("slice-00")).object(201);
                client.post(&slices, &slice("slice-99")).object(201);
                client.delete(format!("{slices}/slice-8")).object(200);
                let path = format!("{slices}/slice-9");
                let mut changed = client.get(&path).object(200);
                changed["spec"] = json!({"changed": true});
                client.put(path, &changed).object(200);
            }
        }
        let expected: Vec<String> = (0..10).map(|it| format!("slice-{it}")).collect();
        assert_eq!(seen, expected);
        assert_eq!(left, [Some(7), Some(4), Some(1), None]);
        assert_eq!(client.get(&slices).object(200)["items"].as_array().unwrap().len(), 11);
        client.delete(&slices).object(200);
    });
}

#[test]
fn a_page_is_full_although_a_selector_skips() {
    replay(|client| {
        let target = at("skips", "a", CONVERSIONS);
        for number in 0..20 {
            let labels = json!({"odd": (number % 2 == 1).to_string()});
            let object = conversion(&format!("it-{number:02}"), labels);
            client.post(&target, &object).object(201);
        }
        let selector = format!("{target}?limit=4&labelSelector=odd%3Dtrue");
        let first = client.get(&selector).object(200);
        assert_eq!(names(&first), ["it-01", "it-03", "it-05", "it-07"]);
        assert!(first["metadata"].get("remainingItemCount").is_none(), "{first}");
        let token = first["metadata"]["continue"].as_str().unwrap();
        let second = client.get(format!("{selector}&continue={token}")).object(200);
        assert_eq!(names(&second), ["it-09", "it-11", "it-13", "it-15"]);
    });
}

#[test]
fn a_revision_says_how_new_a_list_must_be() {
    replay(|client| {
        let target = at("revisions", "a", CONVERSIONS);
        let get = |query: &str| client.get(format!("{target}?{query}"));
        client.post(&target, &conversion("one", json!({}))).object(201);
        let then = revision(&client.get(&target).object(200));
        client.post(&target, &conversion("two", json!({}))).object(201);
        let now = revision(&client.get(&target).object(200));
        for query in [
            "resourceVersion=".to_owned(),
            "resourceVersion=0".to_owned(),
            format!("resourceVersion={then}"),
            format!("resourceVersion={now}&resourceVersionMatch=NotOlderThan"),
            "resourceVersion=0&resourceVersionMatch=NotOlderThan".to_owned(),
            format!("resourceVersion={now}&resourceVersionMatch=Exact"),
            "allowWatchBookmarks=true&timeoutSeconds=5&limit=0".to_owned(),
        ] {
            let list = get(&query).object(200);
            assert_eq!(names(&list), ["one", "two"], "{query}");
            assert!(revision(&list) >= now, "{query}");
        }
        for exact in ["resourceVersionMatch=Exact", "limit=5"] {
            let list = get(&format!("resourceVersion={then}&{exact}")).object(200);
            assert_eq!((names(&list), revision(&list)), (vec!["one".to_owned()], then), "{exact}");
        }
        let future = now + 1_000_000_000;
        for query in ["", "&resourceVersionMatch=NotOlderThan", "&resourceVersionMatch=Exact"] {
            let answer = get(&format!("resourceVersion={future}{query}"));
            let (code, reason, message) = answer.refusal();
            assert_eq!((code, reason.as_str()), (504, "Timeout"), "{query}: {message}");
            let beginning = format!("Timeout: Too large resource version: {future}, current: ");
            assert!(message.starts_with(&beginning), "{query}: {message}");
            let cause = &answer.json()["details"]["causes"][0];
            assert_eq!(cause["reason"], "ResourceVersionTooLarge", "{query}");
        }
    });
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    replay(|client| {
        let target = at("options", "a", CONVERSIONS);
        let told = |query: &str| client.get(format!("{target}?{query}")).refusal_line();
        let invalid = |what: &str| {
            format!(
                "422 Invalid: ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: {what}"
            )
        };
        let alone =
            "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided";
        assert_eq!(told("resourceVersionMatch=Exact"), invalid(alone));
        assert_eq!(told("resourceVersionMatch=NotOlderThan"), invalid(alone));
        assert_eq!(
            told("resourceVersion=0&resourceVersionMatch=Exact"),
            invalid(
                "Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""
            )
        );
        assert_eq!(
            told("resourceVersion=5&resourceVersionMatch=Nope"),
            invalid(
                "Unsupported value: \"Nope\": supported values: \"Exact\", \"NotOlderThan\", \"\""
            )
        );
        assert_eq!(
            told("sendInitialEvents=true"),
            "422 Invalid: ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: \
             sendInitialEvents is forbidden for list"
        );
        for (query, message) in [
            ("limit=bad", "strconv.ParseInt: parsing \"bad\": invalid syntax"),
            ("timeoutSeconds=bad", "strconv.ParseInt: parsing \"bad\": invalid syntax"),
            (
                "resourceVersion=abc",
                "invalid resource version: resourceVersion: Invalid value: \"abc\": \
                 strconv.ParseUint: parsing \"abc\": invalid syntax",
            ),
        ] {
            assert_eq!(told(query), format!("400 BadRequest: {message}"));
        }
    });
}

#[test]
fn a_continue_token_that_is_garbage_is_refused() {
    replay(|client| {
        let target = at("tokens", "a", CONVERSIONS);
        for name in ["one", "two"] {
            client.post(&target, &conversion(name, json!({}))).object(201);
        }
        let token = client.get(format!("{target}?limit=1")).object(200);
        let token = token["metadata"]["continue"].as_str().unwrap().to_owned();
        // `{}`, a version to come, a start outside.
        let outside = "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6NSwic3RhcnQiOiIuLi94XHUwMDAwIn0";
        let version = "eyJ2IjoibWV0YS5rOHMuaW8vdjIiLCJydiI6NSwic3RhcnQiOiJhXHUwMDAwIn0";
        for bad in ["garbage", "!!!", "e30", version, outside, &format!("{token}x")] {
            let (code, reason, message) =
                client.get(format!("{target}?limit=1&continue={bad}")).refusal();
            assert_eq!((code, reason.as_str()), (400, "BadRequest"), "{bad}: {message}");
            let beginning = "invalid continue token: continue key is not valid: ";
            assert!(message.starts_with(beginning), "{bad}: {message}");
        }
        assert_eq!(
            client.get(format!("{target}?resourceVersion=5&continue={token}")).refusal_line(),
            "400 BadRequest: specifying resource version is not allowed when using continue"
        );
    });
}

#[test]
fn labels_and_names_select() {
    replay(|client| {
        let target = at("selectors", "a", CONVERSIONS);
        for (name, labels) in [
            ("blue", json!({"colour": "blue", "size": "3"})),
            ("none", json!({})),
            ("red", json!({"colour": "red", "size": "5"})),
        ] {
            client.post(&target, &conversion(name, labels)).object(201);
        }
        let selected = |kind: &str, selector: &str| {
            let encoded = percent_encode(selector.as_bytes(), NON_ALPHANUMERIC);
            names(&client.get(format!("{target}?{kind}Selector={encoded}")).object(200))
        };
        for (selector, expected) in [
            ("", &["blue", "none", "red"][..]),
            ("colour", &["blue", "red"]),
            ("!colour", &["none"]),
            ("colour=red", &["red"]),
            ("colour==red", &["red"]),
            ("colour!=red", &["blue", "none"]),
            ("colour in (red, blue)", &["blue", "red"]),
            ("colour notin (red)", &["blue", "none"]),
            ("size>3", &["red"]),
            ("size<4,colour", &["blue"]),
            (" colour = red ", &["red"]),
            ("colour=red,colour=blue", &[]),
        ] {
            assert_eq!(selected("label", selector), expected, "{selector}");
        }
        for (selector, expected) in [
            ("", &["blue", "none", "red"][..]),
            ("metadata.name=red", &["red"]),
            ("metadata.name==red", &["red"]),
            ("metadata.name!=red", &["blue", "none"]),
            ("metadata.name=red,metadata.name=blue", &[]),
            ("metadata.name=nobody", &[]),
        ] {
            assert_eq!(selected("field", selector), expected, "{selector}");
        }
    });
}

#[test]
fn selectors_that_mean_nothing_are_refused() {
    replay(|client| {
        let target = at("selectors", "b", CONVERSIONS);
        for (query, message) in [
            ("fieldSelector=spec.a=1", "field label not supported: spec.a"),
            ("fieldSelector=metadata.namespace=x", "field label not supported: metadata.namespace"),
            ("fieldSelector=bad", "invalid selector: 'bad'; can't understand 'bad'"),
            (
                "labelSelector=bad%20!!",
                "unable to parse requirement: found '!', expected: in, notin, =, ==, !=, gt, lt",
            ),
            ("labelSelector=a=b=c", "found '=', expected: ',' or 'end of string'"),
            ("labelSelector=a%20in%20b", "unable to parse requirement: found 'b' expected: '('"),
            ("labelSelector=,", "found ',', expected: !, identifier, or 'end of string'"),
        ] {
            for watch in ["", "&watch=true"] {
                assert_eq!(
                    client.get(format!("{target}?{query}{watch}")).refusal_line(),
                    format!("400 BadRequest: {message}"),
                    "{query}{watch}"
                );
            }
        }
    });
}

#[test]
fn a_namespaced_type_can_be_selected_by_namespace() {
    replay(|client| {
        let everywhere = at("ns", "a", "apis/rbac.authorization.k8s.io/v1/roles");
        for namespace in ["one", "two"] {
            let target = everywhere.replace("roles", &format!("namespaces/{namespace}/roles"));
            client.post(target, &crate::support::role("r")).object(201);
        }
        let listed = |query: &str| {
            let list = client.get(format!("{everywhere}{query}")).object(200);
            let items = list["items"].as_array().unwrap().iter();
            items.map(|it| it["metadata"]["namespace"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(listed(""), ["one", "two"]);
        assert_eq!(listed("?fieldSelector=metadata.namespace=two"), ["two"]);
        assert_eq!(listed("?fieldSelector=metadata.namespace!=two,metadata.name=r"), ["one"]);
    });
}

#[test]
fn a_table_has_the_columns_of_the_type() {
    replay(|client| {
        let target = at("tables", "a", SLICES);
        client.post(&target, &slice("table")).object(201);
        let ask = |path: &str| client.send(&Request::new("GET", path).header("Accept", TABLE));
        let table = ask(&target).object(200);
        assert_eq!(
            (&table["kind"], &table["apiVersion"]),
            (&json!("Table"), &json!("meta.k8s.io/v1"))
        );
        let columns = table["columnDefinitions"].as_array().unwrap().iter();
        let columns: Vec<&Value> = columns.map(|it| &it["name"]).collect();
        assert_eq!(columns, ["Name", "Export", "Partition", "Age"]);
        let row = &table["rows"][0];
        assert_eq!(row["cells"].as_array().unwrap()[..3], ["table", "widgets", "eu"]);
        assert_eq!(row["object"]["kind"], "PartialObjectMetadata");
        assert_eq!(row["object"]["metadata"]["name"], "table");
        let single = ask(&format!("{target}/table")).object(200);
        assert_eq!(single["rows"].as_array().unwrap().len(), 1);
        let bare = ask(&format!("{target}?includeObject=None")).object(200);
        assert_eq!(bare["rows"][0]["object"], Value::Null);
        let whole = ask(&format!("{target}?includeObject=Object")).object(200);
        assert_eq!(whole["rows"][0]["object"]["spec"]["partition"], "eu");
        let empty = ask(&at("tables", "empty", SLICES)).object(200);
        assert_eq!(empty["rows"], json!([]));
        assert_eq!(ask(&format!("{target}/nobody")).status, 404);
    });
}

#[test]
fn partial_metadata_is_metadata() {
    replay(|client| {
        let target = at("partial", "a", CONVERSIONS);
        let created = client.post(&target, &conversion("one", json!({"a": "b"}))).object(201);
        let ask =
            |path: &str, accept| client.send(&Request::new("GET", path).header("Accept", accept));
        let list = ask(&target, PARTIAL_LIST).object(200);
        assert_eq!(list["kind"], "PartialObjectMetadataList");
        assert_eq!(list["apiVersion"], "meta.k8s.io/v1");
        let expected = json!({
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": created["metadata"],
        });
        assert_eq!(list["items"], json!([expected]));
        assert_eq!(ask(&format!("{target}/one"), PARTIAL).object(200), expected);
    });
}

#[test]
fn what_cannot_be_produced_is_not_acceptable() {
    replay(|client| {
        let target = at("accept", "a", CONVERSIONS);
        let ask = |accept| client.send(&Request::new("GET", &target).header("Accept", accept));
        for accept in ["text/html", "garbage", "application/json;as=Nope;v=v1;g=meta.k8s.io"] {
            assert_eq!(ask(accept).status, 406, "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "application/*",
            "application/vnd.kubernetes.protobuf,application/json",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "application/json;as=Nope;v=v1;g=meta.k8s.io,application/json",
        ] {
            let answer = ask(accept);
            assert_eq!(answer.status, 200, "{accept}");
            assert_eq!(answer.header("content-type"), Some("application/json"), "{accept}");
        }
    });
}
