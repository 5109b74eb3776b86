//! `/metrics`: what dashboards of API servers look for, of a server that was used.

use crate::support::{APIEXPORTS, Request, Server, api_export, at};

/// The value of the one sample that begins with `name` and has all of `labels`.
#[track_caller]
fn sample(text: &str, name: &str, labels: &[&str]) -> f64 {
    let is_it = |line: &&str| {
        line.strip_prefix(name).is_some_and(|it| it.starts_with(['{', ' ']))
            && labels.iter().all(|label| line.contains(label))
    };
    let found: Vec<&str> = text.lines().filter(is_it).collect();
    assert_eq!(found.len(), 1, "{name} {labels:?}: {found:?} in\n{text}");
    found[0].rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn what_was_done_is_counted_under_the_usual_names_and_no_cluster_is_named() {
    let server = Server::start();
    let client = server.admin();
    let exports = at("amber", "unmistakable", APIEXPORTS);
    let start = client.get(&exports).object(200)["metadata"]["resourceVersion"].clone();
    let target = format!("{exports}?watch=true&resourceVersion={}", start.as_str().unwrap());
    let mut watch = client.watch(&target);
    for name in ["a", "b", "c"] {
        client.post(&exports, &api_export(name)).object(201);
        assert_eq!(watch.next_named().0, format!("ADDED {name}"));
    }
    client.delete(format!("{exports}/c")).object(200);
    assert_eq!(watch.next_named().0, "DELETED c");
    // A watch that begins with what there is has events, too.
    let mut initial = client.watch(format!("{exports}?watch=true"));
    assert_eq!(initial.next_named().0, "ADDED a");
    assert_eq!(initial.next_named().0, "ADDED b");
    assert_eq!(client.get(at("*", "unmistakable", APIEXPORTS)).status, 200);

    let apply = Request::new("PATCH", format!("{exports}/a?fieldManager=me&dryRun=All"))
        .header("Content-Type", "application/apply-patch+yaml")
        .json(&api_export("a"));
    client.send(&apply).object(200);

    let text = client.get("/metrics").text();
    let exports = [r#"group="apis.kcp.io""#, r#"version="v1alpha1""#, r#"resource="apiexports""#];
    let with = |more: &[&'static str]| [&exports[..], more].concat();
    for (name, labels, value) in [
        ("apiserver_request_total", with(&[r#"verb="POST""#, r#"code="201""#]), 3.0),
        ("apiserver_request_total", with(&[r#"verb="DELETE""#, r#"code="200""#]), 1.0),
        ("apiserver_request_total", with(&[r#"verb="APPLY""#, r#"code="200""#]), 1.0),
        ("apiserver_request_total", with(&[r#"verb="WATCH""#, r#"code="200""#]), 2.0),
        ("apiserver_request_duration_seconds_count", with(&[r#"verb="POST""#]), 3.0),
        ("apiserver_longrunning_requests", with(&[r#"verb="WATCH""#]), 2.0),
        ("apiserver_watch_events_total", with(&[]), 6.0),
        ("apiserver_storage_objects", vec![r#"resource="apiexports.apis.kcp.io""#], 2.0),
        (
            "apiserver_storage_objects",
            vec![r#"resource="customresourcedefinitions.apiextensions.k8s.io""#],
            23.0,
        ),
    ] {
        let found = sample(&text, name, &labels);
        assert!((found - value).abs() < 0.5, "{name} {labels:?} is {found}, not {value}");
    }
    for name in ["process_cpu_seconds_total", "process_resident_memory_bytes", "kcpctl_store_up"] {
        assert!(sample(&text, name, &[]) > 0.0, "{name}");
    }
    assert!(!text.contains("unmistakable"), "a label names a cluster:\n{text}");
}
