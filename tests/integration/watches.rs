//! Watches: resuming, streaming lists, selectors and ends.
//!
//! Each test runs as `cache-server` and as `kcpctl cache serve` where both promise the
//! same, in a cluster of its own.

use serde_json::{Value, json};

use crate::support::{APIEXPORTS, Client, Request, Server, Watch, api_export, at};

const STREAMING: &str =
    "watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";

fn replay(cluster: &str, run: impl Fn(&Client, &str)) {
    for server in [Server::shared_cache_server(), Server::shared()] {
        run(&server.admin(), &at("amber", cluster, APIEXPORTS));
    }
}

fn labelled(name: &str, label: &str) -> Value {
    let mut object = api_export(name);
    object["metadata"]["labels"] = json!({"colour": label});
    object
}

fn revision(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

/// Creates, changes and deletes an object, and answers with the revision before all of it.
fn live_once(client: &Client, exports: &str, name: &str) -> u64 {
    let path = format!("{exports}/{name}");
    let before = revision(&client.get(exports).object(200));
    let mut object = client.post(exports, &labelled(name, "red")).object(201);
    for colour in ["blue", "red"] {
        object["metadata"]["labels"]["colour"] = json!(colour);
        object = client.put(&path, &object).object(200);
    }
    client.delete(&path).object(200);
    before
}

#[test]
fn a_watch_goes_on_where_a_list_ended() {
    replay("resume", |client, exports| {
        client.post(exports, &api_export("before")).object(201);
        let before = live_once(client, exports, "one");
        let target = format!("{exports}?watch=true&resourceVersion={before}");
        let mut watch = client.watch(&target);
        let mut last = before;
        for expected in ["ADDED one", "MODIFIED one", "MODIFIED one", "DELETED one"] {
            let (event, object) = watch.next_named();
            assert_eq!(event, expected);
            assert!(revision(&object) > last, "{object}");
            assert_eq!(object["kind"], "APIExport");
            let annotations = json!({"kcp.io/cluster": "resume", "kcp.io/shard": "amber"});
            assert_eq!(object["metadata"]["annotations"], annotations);
            last = revision(&object);
        }
        // And it is live: what comes now comes too.
        client.post(exports, &api_export("after")).object(201);
        assert_eq!(watch.next_named().0, "ADDED after");
        // From the last event on, nothing is told twice.
        let mut resumed = client.watch(format!("{exports}?watch=true&resourceVersion={last}"));
        assert_eq!(resumed.next_named().0, "ADDED after");
    });
}

#[test]
fn an_object_that_stops_matching_is_deleted_for_those_who_select() {
    replay("selected", |client, exports| {
        let before = live_once(client, exports, "one");
        let target =
            format!("{exports}?watch=true&labelSelector=colour%3Dred&resourceVersion={before}");
        let mut watch = client.watch(target);
        let mut revisions = Vec::new();
        for expected in ["ADDED one", "DELETED one", "ADDED one", "DELETED one"] {
            let (event, object) = watch.next_named();
            assert_eq!(event, expected);
            // It is shown as it was when it matched, at the revision of the change.
            assert_eq!(object["metadata"]["labels"]["colour"], "red");
            revisions.push(revision(&object));
        }
        assert!(revisions.is_sorted_by(|a, b| a < b), "{revisions:?}");
    });
}

#[test]
fn a_watch_sees_its_scope_and_no_more() {
    replay("scope", |client, exports| {
        let before = live_once(client, exports, "one");
        live_once(client, &exports.replace("amber", "amber-2"), "elsewhere");
        live_once(client, &exports.replace("scope", "scope-2"), "beside");
        client.post(exports, &api_export("end")).object(201);
        let seen = |target: String| {
            let target =
                target.replace("watch=true", &format!("watch=true&resourceVersion={before}"));
            let mut watch = client.watch(target);
            let mut seen = Vec::new();
            loop {
                let (event, object) = watch.next_named();
                let ours = object["metadata"]["annotations"]["kcp.io/cluster"]
                    .as_str()
                    .is_some_and(|it| it.starts_with("scope"));
                if event == "ADDED end" && ours {
                    return seen;
                }
                if event.starts_with("ADDED") && ours {
                    seen.push(event);
                }
            }
        };
        assert_eq!(seen(format!("{exports}?watch=true")), ["ADDED one"]);
        assert_eq!(
            seen(at("amber", "*", &format!("{APIEXPORTS}?watch=true"))),
            ["ADDED one", "ADDED beside"]
        );
        assert_eq!(
            seen(at("*", "*", &format!("{APIEXPORTS}?watch=true"))),
            ["ADDED one", "ADDED elsewhere", "ADDED beside"]
        );
        let target = format!(
            "{exports}?watch=true&fieldSelector=metadata.name%3Dend&resourceVersion={before}"
        );
        assert_eq!(client.watch(target).next_named().0, "ADDED end");
    });
}

#[test]
fn a_streaming_list_ends_with_a_bookmark_of_the_type() {
    replay("streaming", |client, exports| {
        for name in ["two", "one"] {
            client.post(exports, &api_export(name)).object(201);
        }
        let now = revision(&client.get(exports).object(200));
        for query in [
            STREAMING.to_owned(),
            format!("{STREAMING}&resourceVersion=0"),
            format!("{STREAMING}&resourceVersion={now}"),
            // Asked for in the old way.
            "watch=true&allowWatchBookmarks=true".to_owned(),
            "watch=true&allowWatchBookmarks=true&resourceVersion=0".to_owned(),
        ] {
            let mut watch = client.watch(format!("{exports}?{query}"));
            assert_eq!(watch.next_named().0, "ADDED one", "{query}");
            assert_eq!(watch.next_named().0, "ADDED two", "{query}");
            let bookmark = watch.next();
            assert_eq!(bookmark["type"], "BOOKMARK", "{query}");
            let reached = bookmark["object"]["metadata"]["resourceVersion"].clone();
            assert_eq!(
                bookmark["object"],
                json!({
                    "apiVersion": "apis.kcp.io/v1alpha1",
                    "kind": "APIExport",
                    "metadata": {
                        "annotations": {"k8s.io/initial-events-end": "true"},
                        "resourceVersion": reached,
                    },
                }),
                "{query}"
            );
            assert!(revision(&bookmark["object"]) >= now);
            client.post(exports, &api_export("live")).object(201);
            let (event, object) = watch.next_named();
            assert_eq!(event, "ADDED live", "{query}");
            assert!(revision(&object) > revision(&bookmark["object"]), "{query}");
            client.delete(format!("{exports}/live")).object(200);
        }
    });
}

#[test]
fn without_bookmarks_a_streaming_list_has_none() {
    replay("silent", |client, exports| {
        client.post(exports, &api_export("one")).object(201);
        let query = STREAMING.replace("allowWatchBookmarks=true", "allowWatchBookmarks=false");
        let mut watch = client.watch(format!("{exports}?{query}"));
        assert_eq!(watch.next_named().0, "ADDED one");
        client.post(exports, &api_export("two")).object(201);
        assert_eq!(watch.next_named().0, "ADDED two");
    });
}

#[test]
fn initial_events_can_be_declined() {
    replay("declined", |client, exports| {
        client.post(exports, &api_export("one")).object(201);
        let query = STREAMING.replace("sendInitialEvents=true", "sendInitialEvents=false");
        let mut watch = client.watch(format!("{exports}?{query}"));
        client.post(exports, &api_export("two")).object(201);
        assert_eq!(watch.next_named().0, "ADDED two");
    });
}

#[test]
fn an_empty_streaming_list_is_a_bookmark() {
    replay("emptiness", |client, exports| {
        let newer = exports.replace("v1alpha1", "v1alpha2");
        let bookmark = client.watch(format!("{newer}?{STREAMING}")).next();
        assert_eq!(bookmark["type"], "BOOKMARK");
        assert_eq!(bookmark["object"]["apiVersion"], "apis.kcp.io/v1alpha2");
    });
}

#[test]
fn a_streaming_list_of_the_future_is_refused_in_the_stream() {
    replay("future", |client, exports| {
        let future = revision(&client.get(exports).object(200)) + 1_000_000_000;
        let events = client.watch(format!("{exports}?{STREAMING}&resourceVersion={future}")).rest();
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!(events[0]["type"], "ERROR");
        // The original says that it waited in vain, we that it will never come. Either makes
        // a client start over.
        let code = events[0]["object"]["code"].as_u64().unwrap();
        assert!([504, 410].contains(&code), "{events:?}");
    });
}

#[test]
fn watch_options_that_contradict_each_other_are_refused() {
    replay("contradiction", |client, exports| {
        let told = |query: &str| client.get(format!("{exports}?watch=true&{query}")).refusal_line();
        let invalid = |what: &str| {
            format!(
                "422 Invalid: ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: {what}"
            )
        };
        let requires =
            "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        assert_eq!(told("sendInitialEvents=true"), invalid(requires));
        assert_eq!(told("sendInitialEvents=false"), invalid(requires));
        assert_eq!(
            told("resourceVersionMatch=NotOlderThan"),
            invalid(
                "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is \
                 provided"
            )
        );
        let (code, ..) = client.get(format!("{exports}?watch=true&resourceVersion=bad")).refusal();
        assert!((400..=500).contains(&code), "{code}");
        let missing = exports.replace("apiexports", "things");
        assert_eq!(
            client.get(format!("{missing}?watch=true")).refusal_line(),
            "404 text: 404 page not found\n"
        );
    });
}

#[test]
fn a_watch_ends_cleanly_when_its_time_is_over() {
    replay("timeout", |client, exports| {
        client.post(exports, &api_export("one")).object(201);
        let events = client.watch(format!("{exports}?watch=true&timeoutSeconds=1")).rest();
        assert_eq!(events.len(), 1);
    });
}

#[test]
fn a_watch_can_be_of_tables_and_of_metadata() {
    replay("forms", |client, exports| {
        let before = live_once(client, exports, "one");
        let target = format!("{exports}?watch=true&resourceVersion={before}");
        let watch =
            |accept| client.watch_with(&Request::new("GET", &target).header("Accept", accept));
        let mut tables = watch("application/json;as=Table;v=v1;g=meta.k8s.io");
        let first = tables.next();
        assert_eq!(first["object"]["kind"], "Table");
        assert_eq!(first["object"]["rows"][0]["cells"][0], "one");
        assert_eq!(first["object"]["columnDefinitions"][0]["name"], "Name");
        let second = tables.next();
        assert_eq!(second["object"]["columnDefinitions"], Value::Null);
        let mut partial = watch("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
        let first = partial.next();
        assert_eq!(first["object"]["kind"], "PartialObjectMetadata");
        assert_eq!(first["object"]["metadata"]["name"], "one");
        assert!(first["object"].get("spec").is_none(), "{first}");
        let yaml = client.send(&Request::new("GET", &target).header("Accept", "application/yaml"));
        assert_eq!(yaml.status, 406);
    });
}

#[test]
fn the_old_form_of_a_watch_path_is_understood() {
    replay("legacy", |client, exports| {
        client.post(exports, &api_export("one")).object(201);
        client.post(exports, &api_export("two")).object(201);
        let legacy = exports.replace("v1alpha1/", "v1alpha1/watch/");
        assert_eq!(client.watch(&legacy).next_named().0, "ADDED one");
        assert_eq!(client.watch(format!("{legacy}/two")).next_named().0, "ADDED two");
    });
}

#[test]
fn a_revision_that_was_never_reached_is_gone() {
    // The original waits for ever; a client that came from another store would be deaf.
    let server = Server::shared();
    let client = server.admin();
    let exports = at("amber", "never", APIEXPORTS);
    let future = revision(&client.get(&exports).object(200)) + 1_000_000_000;
    gone(&client, &format!("{exports}?watch=true&resourceVersion={future}"));
}

#[test]
fn a_revision_of_an_older_life_is_gone() {
    let server = Server::shared();
    let client = server.admin();
    let exports = at("amber", "older", APIEXPORTS);
    gone(&client, &format!("{exports}?watch=true&resourceVersion=1"));
    let answer = client.get(format!("{exports}?resourceVersion=1&resourceVersionMatch=Exact"));
    let (code, reason, _) = answer.refusal();
    assert_eq!((code, reason.as_str()), (410, "Expired"), "{answer}");
}

#[track_caller]
fn gone(client: &Client, target: &str) {
    let events = client.watch(target).rest();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["type"], "ERROR", "{events:?}");
    let status = &events[0]["object"];
    assert_eq!((&status["code"], &status["reason"]), (&json!(410), &json!("Expired")));
    assert_eq!(status["message"], "The resourceVersion for the provided watch is too old.");
}

#[test]
fn a_watch_that_asks_for_bookmarks_is_told_how_far_it_has_come() {
    let server = Server::start_with(&["--bookmark-interval=200ms"]);
    let client = server.admin();
    let exports = at("amber", "quiet", APIEXPORTS);
    let since = revision(&client.get(&exports).object(200));
    let target = format!("{exports}?watch=true&resourceVersion={since}");
    let mut silent = client.watch(&target);
    let mut told = client.watch(format!("{target}&allowWatchBookmarks=true"));
    let mut partial = client.watch_with(
        &Request::new("GET", format!("{target}&allowWatchBookmarks=true"))
            .header("Accept", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"),
    );
    // Nothing happens to it, and much elsewhere.
    let elsewhere = at("amber", "busy", APIEXPORTS);
    let last = revision(&client.post(elsewhere, &api_export("one")).object(201));
    let reached = |watch: &mut Watch| loop {
        let event = watch.next();
        assert_eq!(event["type"], "BOOKMARK", "{event}");
        let metadata = event["object"]["metadata"].as_object().unwrap();
        assert_eq!(metadata.keys().collect::<Vec<_>>(), ["resourceVersion"], "{event}");
        if revision(&event["object"]) >= last {
            return event["object"].clone();
        }
    };
    let bookmark = reached(&mut told);
    assert_eq!(
        (&bookmark["apiVersion"], &bookmark["kind"]),
        (&json!("apis.kcp.io/v1alpha1"), &json!("APIExport"))
    );
    assert_eq!(reached(&mut partial)["kind"], "PartialObjectMetadata");
    // From there on nothing is missed, and who asked for none was told of none.
    let now = revision(&bookmark);
    let mut resumed = client.watch(format!("{exports}?watch=true&resourceVersion={now}"));
    client.post(&exports, &api_export("one")).object(201);
    assert_eq!(resumed.next_named().0, "ADDED one");
    assert_eq!(silent.next_named().0, "ADDED one");
}
