//! What the loop tells in numbers.

use super::{DEMO, Loop, Scene};
use crate::support::{Effect, Fault, eventually};

/// Waits until a metric has a value.
fn until(running: &Loop, name: &str, value: i64) {
    let name = format!("kcp_operator_{name}");
    eventually(&format!("{name} {value}"), || (running.metric(&name)? == value).then_some(()));
}

#[test]
fn what_waits_and_how_it_stands_is_told() {
    let scene = Scene::new();
    for name in ["a", "b", "c", "d", "e", "f"] {
        scene.cache(name);
    }
    // Four are looked at at a time, and wait for the next time when what they made is seen.
    scene.cluster.fail(Fault::on("PATCH", "/demo/").with(Effect::Hold).times(4));
    let running = scene.start_with(&["--listen", "127.0.0.1:0"]);
    eventually("looks", || (scene.cluster.held() == 4).then_some(()));
    until(&running, "queue_length", 6);
    until(&running, r#"cacheserver_count{phase="Unknown",namespace="demo"}"#, 6);
    scene.cluster.release();
    for name in ["a", "b", "c", "d", "e", "f"] {
        scene.until_phase("cacheservers.operator.kcp.io", name, "Running");
    }
    until(&running, "queue_length", 0);
    until(&running, r#"cacheserver_count{phase="Running",namespace="demo"}"#, 6);
    assert_eq!(
        running.metric(r#"kcp_operator_cacheserver_count{phase="Unknown",namespace="demo"}"#),
        None
    );

    scene.cluster.delete("cacheservers.operator.kcp.io", DEMO, "b");
    scene.shard("one");
    let condition = |kind: &str, name: &str, type_: &str| {
        format!(
            "condition_status{{resource_type={kind:?},resource_name={name:?},namespace=\"demo\",\
             condition_type={type_:?}}}"
        )
    };
    until(&running, r#"shard_count{phase="Provisioning",namespace="demo"}"#, 1);
    until(&running, r#"cacheserver_count{phase="Running",namespace="demo"}"#, 5);
    until(&running, &condition("shard", "one", "RootShard"), 0);
    until(&running, &condition("cacheserver", "a", "Available"), 1);
    let gone = format!("kcp_operator_{}", condition("cacheserver", "b", "Available"));
    assert_eq!(running.metric(&gone), None);
}

#[test]
fn looks_and_their_failures_are_counted() {
    let scene = Scene::new();
    scene.cache("cache");
    scene.cluster.deny("patch", "services");
    let running = scene.start_with(&["--listen", "127.0.0.1:0"]);
    let count = |controller: &str, result: &str| {
        let of = format!("{{controller={controller:?},result={result:?}}}");
        running.metric(&format!("kcp_operator_reconciliation_duration_seconds_count{of}"))
    };
    let failed = || {
        let of = r#"{controller="cacheserver",error_type="reconcile_error"}"#;
        running.metric(&format!("kcp_operator_reconciliation_errors_total{of}"))
    };
    scene.until("three failures", || (failed()? >= 3).then_some(()));
    scene.cluster.allow_all();
    scene.until_phase("cacheservers.operator.kcp.io", "cache", "Running");
    scene.until_reason("cacheservers.operator.kcp.io", "cache", "Reconciled", "Applied");
    eventually("a success", || (count("cacheserver", "success")? >= 1).then_some(()));
    assert_eq!(failed(), count("cacheserver", "error"));
    assert_eq!(count("rootshard", "success"), None, "there is none");
}

#[test]
fn looks_of_the_issuer_are_counted_apart() {
    let scene = Scene::new();
    scene.cache("cache");
    let running = scene.start_with(&["--listen", "127.0.0.1:0", "--issue-certificates"]);
    for controller in ["issuer", "certificate"] {
        let of = format!("{{controller={controller:?},result=\"success\"}}");
        let name = format!("kcp_operator_reconciliation_duration_seconds_count{of}");
        eventually(&name, || (running.metric(&name)? >= 1).then_some(()));
    }
}
