//! What `kcpctl status` and `kcpctl version` show of installations of all shapes.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{Cluster, Demo, Effect, Fault, TestEnv};

const SHARDS: &str = "shards.operator.kcp.io";

fn ours(kind: &str, namespace: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "operator.kcp.io/v1alpha1", "kind": kind,
        "metadata": { "name": name, "namespace": namespace }, "spec": spec,
    })
}

/// The cells of the row of an object.
fn row(said: &str, object: &str) -> Vec<String> {
    let found = said.lines().find(|it| it.contains(&format!("{object} ")));
    let line = found.unwrap_or_else(|| panic!("no row of {object} in {said}"));
    let from = line.find(object).unwrap();
    line[from..].split("  ").map(str::trim).filter(|it| !it.is_empty()).map(Into::into).collect()
}

#[test]
fn each_object_shows_its_state_its_pods_its_cache_and_its_end() {
    let demo = Demo::new();
    let cluster = &demo.cluster;
    let reference = |name: &str| json!({ "ref": { "name": name } });
    cluster.put(&ours(
        "Shard",
        "demo",
        "far",
        &json!({ "rootShard": reference("root"), "cache": reference("other") }),
    ));
    cluster.put(&ours("Shard", "demo", "near", &json!({ "rootShard": reference("root") })));
    let target = json!({ "target": { "rootShardRef": { "name": "root" } } });
    cluster.put(&ours("VirtualWorkspace", "demo", "vw", &target));
    // One of two pods, and on its way out.
    let mut going = cluster.get(SHARDS, "demo", "shard-1").unwrap();
    going["metadata"]["finalizers"] = json!(["operator.kcp.io/cleanup-shard"]);
    cluster.put(&going);
    cluster.delete(SHARDS, "demo", "shard-1");
    let name = "shard-1-shard-kcp";
    let mut deployment = cluster.get("deployments.apps", "demo", name).unwrap();
    deployment["spec"]["replicas"] = 2.into();
    cluster.put(&deployment);
    // Go's operator writes no status for cache servers: their Deployment speaks for them.
    cluster.set_status("cacheservers.operator.kcp.io", "demo", "cache", &json!({}));
    // A front-proxy that nothing runs is what it should be.
    let status = json!({ "phase": "Running", "conditions": [{
        "type": "Available", "status": "False", "reason": "NoWorkloads",
    }] });
    cluster.set_status("frontproxies.operator.kcp.io", "demo", "main", &status);
    let ends = Timestamp::now() + SignedDuration::from_mins(84 * 60 + 30);
    let root = Some("rootshards.operator.kcp.io");
    demo.certificate("root-ca", root, "2099-01-01T00:00:00Z");
    demo.certificate("root-server", root, &ends.to_string());

    let said = demo.run(&["status"]).success();
    assert_eq!(
        row(&said, "RootShard/root"),
        ["RootShard/root", "Running", "1/1", "v0.32.3", "cache", "in 3d12h"]
    );
    assert_eq!(row(&said, "Shard/far")[1..], ["Unknown", "-", "-", "other", "-"]);
    assert_eq!(row(&said, "Shard/near")[1..], ["Unknown", "-", "-", "cache", "-"]);
    assert_eq!(row(&said, "Shard/shard-1")[1..4], ["Deleting", "1/2", "v0.32.3"]);
    assert_eq!(row(&said, "CacheServer/cache")[1..4], ["Running", "1/1", "v0.32.3"]);
    assert_eq!(
        row(&said, "VirtualWorkspace/vw")[1..],
        ["Unknown", "-", "-", "RootShard/root", "-"]
    );
    assert!(said.contains("\nFrontProxy/main: nothing here runs pods\n"), "{said}");
    assert!(said.contains("\nShard/far: no controller has written a condition yet\n"), "{said}");
    let json = demo.run(&["status", "-o", "json"]).success();
    let json: Value = serde_json::from_str(&json).unwrap();
    let shards = json["installations"][0]["children"].as_array().unwrap();
    let going = shards.iter().find(|it| it["name"] == "shard-1").unwrap();
    assert_eq!((&going["ready"], &going["phase"]), (&json!(false), &json!("Deleting")));
    // Whoever waits is shown all of it in the end.
    let late = demo.run(&["status", "--wait", "--timeout=1s"]);
    assert_eq!(late.code, Some(1), "{late}");
    assert!(late.stdout.contains("Shard/shard-1"), "{late}");
}

#[test]
fn a_cache_server_is_waited_for_by_its_deployment() {
    let demo = Demo::new();
    let of = "cacheservers.operator.kcp.io";
    demo.cluster.set_status(of, "demo", "cache", &json!({}));
    let said = demo.run(&["apply", "-f", "demo", "--timeout=40s"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert!(said.stderr.contains("CacheServer/cache: ready (1/1) after "), "{said}");
    assert_eq!(demo.run(&["status", "--wait", "--timeout=40s"]).code, Some(0));
    assert_eq!(demo.run(&["check"]).code, Some(0), "{}", demo.run(&["check"]));
}

#[test]
fn each_installation_is_shown_or_the_one_that_is_named() {
    let demo = Demo::new();
    demo.cluster.put(&json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "other" },
    }));
    demo.cluster.put(&ours("RootShard", "other", "alone", &json!({})));
    let both = demo.run(&["status"]).success();
    assert!(both.starts_with("namespace demo\n"), "{both}");
    assert!(both.contains("\n\nnamespace other\n"), "{both}");
    assert_eq!(row(&both, "RootShard/alone")[4], "embedded");
    let one = demo.run(&["status", "-n", "other"]).success();
    assert!(one.starts_with("namespace other\n") && !one.contains("namespace demo"), "{one}");
    for name in ["alone", "other", "other/alone"] {
        assert_eq!(demo.run(&["status", name]).success(), one);
    }
    // Who sees neither Deployments nor Certificates still sees the rest.
    demo.cluster.deny("list", "deployments");
    demo.cluster.deny("list", "certificates");
    let less = demo.run(&["status", "-n", "demo"]).success();
    assert_eq!(row(&less, "RootShard/root")[1..], ["Running", "-", "-", "cache", "-"]);
    let check = demo.run(&["check", "-n", "demo"]);
    assert!(
        check.stdout.contains("skipped  conditions  Deployments: you may not look\n"),
        "{check}"
    );
    assert!(check.stdout.contains("skipped  certificates  there are none to be seen\n"), "{check}");
}

#[test]
fn a_long_list_comes_in_pages_and_begins_anew_if_it_is_too_old() {
    let demo = Demo::new();
    let target = json!({ "target": { "rootShardRef": { "name": "root" } } });
    for index in 0..1100 {
        demo.cluster.put(&ours("Kubeconfig", "demo", &format!("k{index}"), &target));
    }
    let count = || {
        let json = demo.run(&["status", "-o", "json"]).success();
        let json: Value = serde_json::from_str(&json).unwrap();
        let children = json["installations"][0]["children"].as_array().unwrap();
        children.iter().filter(|it| it["kind"] == "Kubeconfig").count()
    };
    assert_eq!(count(), 1101);
    demo.cluster.fail(Fault::on("GET", "/kubeconfigs").with(Effect::Expire).after(1));
    demo.cluster.take_requests();
    assert_eq!(count(), 1101);
    let pages = demo.cluster.take_requests();
    assert_eq!(pages.iter().filter(|it| it.path.ends_with("/kubeconfigs")).count(), 5);
}

#[test]
fn a_cluster_without_definitions_is_told_what_to_install() {
    let env = TestEnv::new();
    let cluster = Cluster::start();
    let kubeconfig = cluster.kubeconfig(&env);
    let run = |command: &str| env.run([command, "--kubeconfig", &kubeconfig]);
    let said = run("status");
    assert_eq!(said.code, Some(5), "{said}");
    assert!(said.stderr.contains("does not know RootShard of operator.kcp.io/v1alpha1"), "{said}");
    let hint = "hint: install the definitions with `kcpctl crds --apply`\n";
    assert!(said.stderr.ends_with(hint), "{said}");
    let version = run("version").success();
    assert!(version.contains(": none; install them with `kcpctl crds --apply`\n"), "{version}");
}

#[test]
fn version_says_how_old_definitions_are_and_needs_no_cluster() {
    let demo = Demo::new();
    let crds = "customresourcedefinitions.apiextensions.k8s.io";
    let mut old = demo.cluster.get(crds, "", "rootshards.operator.kcp.io").unwrap();
    let fields = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
    old.pointer_mut(fields).unwrap().as_object_mut().unwrap().remove("proxy");
    demo.cluster.put(&old);
    let said = demo.run(&["version"]).success();
    let older = ": older than this kcpctl; see `kcpctl crds --apply --dry-run=server`\n";
    assert!(said.contains(older), "{said}");
    demo.cluster.deny("get", "customresourcedefinitions");
    let said = demo.run(&["version"]).success();
    assert!(said.contains(": not to be seen by you\n"), "{said}");
    // A cluster that nobody named may be away.
    let home = demo.env.path("../home/.kube");
    std::fs::create_dir_all(&home).unwrap();
    std::fs::copy(&demo.kubeconfig, home.join("config")).unwrap();
    assert_eq!(demo.env.run(["version"]).success().lines().count(), 4);
    drop(demo.cluster);
    assert_eq!(demo.env.run(["version"]).success().lines().count(), 1);
}
