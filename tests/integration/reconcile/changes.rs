//! What the loop sees: each kind of source, and each kind of object that it makes.

use serde_json::{Value, json};

use super::kcp::Kcp;
use super::{CERTIFICATES, DEMO, DEPLOYMENTS, Loop, Scene, root_spec, shard_spec};
use crate::support::{Effect, Fault, eventually};

const ROOTS: &str = "rootshards.operator.kcp.io";
const CACHES: &str = "cacheservers.operator.kcp.io";
const FRONTS: &str = "frontproxies.operator.kcp.io";
const SHARDS: &str = "shards.operator.kcp.io";
const VIEWS: &str = "virtualworkspaces.operator.kcp.io";

fn front() -> Value {
    json!({ "rootShard": { "ref": { "name": "root" } } })
}

fn views() -> Value {
    json!({
        "target": { "rootShardRef": { "name": "root" } },
        "external": { "hostname": "views.example.com", "port": 6443 },
    })
}

fn cache() -> Value {
    json!({ "certificates": { "issuerRef": { "name": "ca", "kind": "ClusterIssuer" } } })
}

#[test]
fn a_change_of_any_source_is_followed() {
    let scene = Scene::new();
    scene.installation();
    scene.put("VirtualWorkspace", "views", views());
    let kubeconfig = |validity: &str| {
        let spec = json!({
            "target": { "rootShardRef": { "name": "root" } }, "username": "admin",
            "validity": validity, "secretRef": { "name": "admin-kubeconfig" },
        });
        scene.put("Kubeconfig", "admin", spec)
    };
    kubeconfig("24h");
    let _running = scene.start();
    scene.until_installed();
    scene.until_reason(VIEWS, "views", "Reconciled", "Applied");
    scene.until_phase("kubeconfigs.operator.kcp.io", "admin", "Ready");

    for (kind, of, name, mut spec, deployment) in [
        ("CacheServer", CACHES, "cache", cache(), "cache-cache-server"),
        ("RootShard", ROOTS, "root", root_spec(), "root-kcp"),
        ("Shard", SHARDS, "one", shard_spec(), "one-shard-kcp"),
        ("FrontProxy", FRONTS, "front", front(), "front-front-proxy"),
        ("VirtualWorkspace", VIEWS, "views", views(), "views-virtual-workspace"),
    ] {
        spec["image"] = json!({ "tag": "v0.31.6" });
        scene.put(kind, name, spec);
        scene.until(&format!("the new version of {kind} {name}"), || {
            let deployment = scene.get(DEPLOYMENTS, deployment)?;
            let image = deployment.pointer("/spec/template/spec/containers/0/image")?.as_str()?;
            image.ends_with(":v0.31.6").then_some(())
        });
        // What was true of the former generation and still is, is said of the new one.
        scene.until(&format!("the conditions of {kind} {name} to be of its generation"), || {
            let found = scene.get(of, name)?;
            let conditions = found["status"]["conditions"].as_array()?;
            let is_new = |it: &Value| it["observedGeneration"] == found["metadata"]["generation"];
            (found["metadata"]["generation"] == 2 && conditions.iter().all(is_new)).then_some(())
        });
    }
    kubeconfig("48h");
    scene.until("the new validity", || {
        let found = scene.get(CERTIFICATES, "kubeconfig-cert-admin")?;
        found["spec"]["duration"].as_str()?.starts_with("48h").then_some(())
    });
}

#[test]
fn an_object_of_any_type_that_goes_is_made_again() {
    let scene = Scene::new();
    let production = |kind: &str, name: &str, spec: Value| {
        scene.cluster.put(&json!({
            "apiVersion": "operator.kcp.io/v1alpha1", "kind": kind,
            "metadata": {
                "name": name, "namespace": DEMO,
                "annotations": { "kcpctl.io/profile": "production" },
            },
            "spec": spec,
        }));
    };
    production("CacheServer", "cache", cache());
    production("RootShard", "root", root_spec());
    production("FrontProxy", "front", front());
    let _running = scene.start();
    scene.until_phase(CACHES, "cache", "Running");
    scene.until_phase(ROOTS, "root", "Running");
    scene.until_phase(FRONTS, "front", "Running");
    let budget = scene.cluster.list("poddisruptionbudgets.policy").pop().expect("a budget");
    let budget = budget["metadata"]["name"].as_str().unwrap();
    for (of, name) in [
        ("issuers.cert-manager.io", "root-client-ca"),
        (CERTIFICATES, "root-server"),
        ("configmaps", "front-config"),
        ("secrets", "cache-kubeconfig"),
        ("services", "root-kcp"),
        (DEPLOYMENTS, "root-proxy"),
        ("poddisruptionbudgets.policy", budget),
    ] {
        let before = scene.get(of, name).unwrap_or_else(|| panic!("there is no {of} {name}"));
        scene.cluster.delete(of, DEMO, name);
        scene.until(&format!("{of} {name} to be there again"), || {
            let uid = scene.get(of, name)?["metadata"]["uid"].clone();
            (uid != before["metadata"]["uid"]).then_some(())
        });
    }
}

#[test]
fn pods_roll_when_a_mounted_config_map_changes() {
    let scene = Scene::new();
    scene.installation();
    let _running = scene.start();
    scene.until_installed();
    let pods = || scene.get(DEPLOYMENTS, "front-front-proxy").unwrap()["spec"]["template"].clone();
    let before = pods();
    let mut spec = front();
    spec["additionalPathMappings"] = json!([{
        "path": "/more", "backend": "https://more:6443",
        "backend_server_ca": "/ca.crt", "proxy_client_cert": "/tls.crt", "proxy_client_key": "/tls.key",
    }]);
    scene.put("FrontProxy", "front", spec);
    let after = scene.until("other pods", || Some(pods()).filter(|it| *it != before));
    assert_eq!(after["spec"], before["spec"], "only a label tells them from the old ones");
}

/// How many sources of a kind the loop knows, in a phase.
fn known(running: &Loop, kind: &str, phase: &str) -> Option<i64> {
    running.metric(&format!("kcp_operator_{kind}_count{{phase={phase:?},namespace=\"demo\"}}"))
}

#[test]
fn a_source_that_is_made_anew_while_its_former_life_is_looked_at_is_not_overlooked() {
    let (scene, kcp) = (Scene::new(), Kcp::start());
    scene.installation();
    let running = scene.start_with(&["--listen", "127.0.0.1:0", "--kcp-url", &kcp.template()]);
    scene.until_installed();
    // The answer that says that it may go comes after it has gone, and another one has come.
    scene.cluster.fail(Fault::on("PATCH", "/shards/one").with(Effect::Hold));
    scene.cluster.delete(SHARDS, DEMO, "one");
    eventually("the shard to go", || (scene.cluster.held() == 1).then_some(()));
    assert_eq!(scene.get(SHARDS, "one"), None);
    scene.shard("one");
    eventually("it to be known", || (known(&running, "shard", "Unknown")? == 1).then_some(()));
    scene.cluster.release();
    scene.until_phase(SHARDS, "one", "Running");
}

#[test]
fn a_source_that_goes_while_it_is_looked_at_does_not_come_back() {
    let scene = Scene::new();
    scene.cache("cache");
    let running = scene.start_with(&["--listen", "127.0.0.1:0"]);
    scene.until_phase(CACHES, "cache", "Running");
    let looks = || {
        let of = r#"{controller="cacheserver",result="success"}"#;
        running.metric(&format!("kcp_operator_reconciliation_duration_seconds_count{of}"))
    };
    eventually("it to be known", || {
        (known(&running, "cacheserver", "Running")? == 1).then_some(())
    });
    // The answer comes after it has gone.
    scene.cluster.fail(Fault::on("PATCH", "/cacheservers/cache/status").with(Effect::Hold));
    let mut status = scene.get(DEPLOYMENTS, "cache-cache-server").unwrap()["status"].clone();
    status["readyReplicas"] = 0.into();
    scene.cluster.set_status(DEPLOYMENTS, DEMO, "cache-cache-server", &status);
    eventually("its status", || (scene.cluster.held() == 1).then_some(()));
    scene.cluster.delete(CACHES, DEMO, "cache");
    let phases = ["Running", "Provisioning"];
    let is_known = || phases.iter().any(|it| known(&running, "cacheserver", it).is_some());
    eventually("it to be forgotten", || (!is_known()).then_some(()));
    let before = looks();
    scene.cluster.release();
    eventually("the end of the look", || (looks() > before).then_some(()));
    assert!(!is_known());
}

#[test]
fn what_the_loop_writes_itself_wakes_whoever_waits_for_it() {
    let scene = Scene::new();
    scene.installation();
    let running = scene.start();
    scene.until_installed();
    running.kill();
    scene.cluster.delete("secrets", DEMO, "cache-kubeconfig");
    scene.cluster.delete(DEPLOYMENTS, DEMO, "root-kcp");
    // The watch comes to nothing, so that nobody but the look itself can tell of the Secret; and
    // the look is at it until the root shard has nothing left to wake it.
    scene.cluster.fail(Fault::on("WATCH", "/secrets").with(Effect::Hang).times(usize::MAX));
    scene.cluster.fail(Fault::on("PATCH", "/secrets/cache-kubeconfig").with(Effect::Hold));
    let running = scene.start_with(&["--listen", "127.0.0.1:0"]);
    scene.until_reason(ROOTS, "root", "Reconciled", "WaitingForMounts");
    eventually("the Secret", || (scene.cluster.held() == 1).then_some(()));
    let looks = || {
        let of = r#"{controller="rootshard",result="success"}"#;
        running.metric(&format!("kcp_operator_reconciliation_duration_seconds_count{of}"))
    };
    let before = looks();
    scene.cluster.put(&json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "unrelated", "namespace": DEMO },
    }));
    eventually("another look at the root shard", || (looks() > before).then_some(()));
    assert_eq!(scene.get(DEPLOYMENTS, "root-kcp"), None);
    scene.cluster.release();
    scene.until("the root shard to be there again", || scene.get(DEPLOYMENTS, "root-kcp"));
}
