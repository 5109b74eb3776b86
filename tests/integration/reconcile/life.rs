//! What the loop does while all goes well.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{CERTIFICATES, DEMO, DEPLOYMENTS, Scene, root_spec, shard_spec};
use crate::support::{Fault, Requested, eventually};

const ROOTS: &str = "rootshards.operator.kcp.io";
const SHARDS: &str = "shards.operator.kcp.io";
const KUBECONFIGS: &str = "kubeconfigs.operator.kcp.io";

/// The group, type and part of an object that a request is about.
fn written(request: &Requested) -> String {
    let parts: Vec<&str> = request.path.split('/').skip(1).collect();
    match parts[..] {
        ["api", _, "namespaces", _, plural, ..] => plural.to_owned(),
        ["apis", group, _, "namespaces", _, plural, _, "status"] => {
            format!("{group}/{plural}/status")
        }
        ["apis", group, _, "namespaces", _, plural, ..] => format!("{group}/{plural}"),
        _ => request.path.clone(),
    }
}

/// Above all none of the objects between a source and what is made of it, which kcp-operator has.
fn only_what_is_wanted_was_written(scene: &Scene) {
    let requests = scene.cluster.requests();
    let written: BTreeSet<String> =
        requests.iter().filter(|it| it.method != "GET").map(written).collect();
    let written: Vec<&str> = written.iter().map(String::as_str).collect();
    assert_eq!(
        written,
        [
            "apps/deployments",
            "cert-manager.io/certificates",
            "cert-manager.io/issuers",
            "configmaps",
            "events.k8s.io/events",
            "operator.kcp.io/cacheservers/status",
            "operator.kcp.io/frontproxies/status",
            "operator.kcp.io/kubeconfigs/status",
            "operator.kcp.io/rootshards/status",
            "operator.kcp.io/shards",
            "operator.kcp.io/shards/status",
            "secrets",
            "services",
        ]
    );
}

#[test]
fn an_installation_comes_up_and_nothing_is_applied_twice() {
    let scene = Scene::new();
    scene.installation();
    scene.put(
        "Kubeconfig",
        "admin",
        json!({
            "target": { "frontProxyRef": { "name": "front" } }, "username": "admin",
            "validity": "24h", "secretRef": { "name": "admin-kubeconfig" },
        }),
    );
    let running = scene.start_with(&["--listen", "127.0.0.1:0"]);
    scene.until_installed();
    scene.until_phase(KUBECONFIGS, "admin", "Ready");

    only_what_is_wanted_was_written(&scene);

    // Everything belongs to its source, and was applied under our name.
    let root = scene.get(ROOTS, "root").unwrap();
    let deployment = scene.get(DEPLOYMENTS, "root-kcp").unwrap();
    let owner = &deployment["metadata"]["ownerReferences"];
    assert_eq!(owner[0]["uid"], root["metadata"]["uid"]);
    assert_eq!(
        (owner[0]["kind"].as_str(), owner.as_array().unwrap().len()),
        (Some("RootShard"), 1)
    );
    let managers: BTreeSet<_> = deployment["metadata"]["managedFields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["manager"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(managers, ["controller", "kcpctl"].map(str::to_owned).into());

    // What is known is told.
    assert_eq!(root["status"]["shards"], json!([{ "name": "one" }]));
    let cache = scene.get("cacheservers.operator.kcp.io", "cache").unwrap();
    assert_eq!(
        cache["status"]["address"],
        "https://cache-cache-server.demo.svc.cluster.local:6443"
    );
    assert_eq!(cache["status"]["certificateExpiry"], "2030-01-01T00:00:00Z");
    let kubeconfig = scene.get(KUBECONFIGS, "admin").unwrap();
    assert_eq!(kubeconfig["status"]["targetName"], "FrontProxy/front");
    let secret = scene.get("secrets", "admin-kubeconfig").unwrap();
    let text = STANDARD.decode(secret["data"]["kubeconfig"].as_str().unwrap()).unwrap();
    assert!(
        String::from_utf8(text).unwrap().contains("https://kcp.example.com:6443/clusters/root")
    );
    let signed = scene.get("secrets", "kubeconfig-cert-admin").unwrap();
    assert_eq!(signed["metadata"]["ownerReferences"][0]["kind"], "Kubeconfig", "it goes with it");
    eventually("an event", || {
        let events = scene.cluster.list("events.events.k8s.io");
        let is_told = |reason: &str, part: &str| {
            events.iter().any(|it| {
                it["regarding"]["kind"] == "RootShard"
                    && it["type"] == "Normal"
                    && it["reason"] == reason
                    && it["note"].as_str().is_some_and(|it| it.contains(part))
            })
        };
        let told = is_told("ReplicasUp", "root-kcp");
        (told && is_told("Changed", "created Deployment root-kcp")).then_some(())
    });

    assert!(running.ask("/livez").starts_with("HTTP/1.1 200"));
    assert!(running.ask("/readyz").starts_with("HTTP/1.1 200"));
    assert!(running.ask("/elsewhere").starts_with("HTTP/1.1 404"));
    let looks = || -> u64 {
        running
            .ask("/metrics")
            .lines()
            .filter(|it| it.starts_with("kcp_operator_reconciliation_duration_seconds_count"))
            .map(|it| it.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum()
    };

    // A Secret that nobody mounts makes every source be looked at, and nothing be written.
    let mut number = 0;
    let quiet = || {
        let before = looks();
        scene.cluster.take_requests();
        number += 1;
        scene.cluster.put(&json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": { "name": format!("unrelated-{number}"), "namespace": DEMO },
        }));
        eventually("a look at each of five sources", || (looks() >= before + 5).then_some(()));
        let writes = scene.cluster.take_requests().into_iter().filter(|it| it.method != "GET");
        (writes.count() == 0).then_some(())
    };
    eventually("looks that write nothing", quiet);
    assert_eq!(running.stop(), Some(0));
}

#[test]
fn it_is_alive_before_it_is_ready() {
    let scene = Scene::new();
    scene.cluster.fail(Fault::on("GET", "/secrets").times(usize::MAX));
    let running = scene.start_with(&["--listen", "127.0.0.1:0"]);
    assert!(running.ask("/livez").starts_with("HTTP/1.1 200"));
    let answer = running.ask("/readyz");
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("not all known yet"), "{answer}");
    scene.cluster.heal();
    eventually("the loop to be ready", || {
        running.ask("/readyz").starts_with("HTTP/1.1 200").then_some(())
    });
}

#[test]
fn what_somebody_changes_is_put_right_and_what_they_add_stays() {
    let scene = Scene::new();
    scene.cache("cache");
    let _running = scene.start();
    scene.until_phase("cacheservers.operator.kcp.io", "cache", "Running");
    let service = scene.get("services", "cache-cache-server").unwrap();

    let mut edited = service.clone();
    edited["spec"]["ports"][0]["targetPort"] = 1.into();
    edited["metadata"]["labels"]["theirs"] = "kept".into();
    scene.cluster.put_as("kubectl-edit", &edited);
    scene.until("the port to be right again", || {
        let found = scene.get("services", "cache-cache-server")?;
        let is_right = found["spec"]["ports"][0]["targetPort"] == 6443;
        (is_right && found["metadata"]["labels"]["theirs"] == "kept").then_some(())
    });

    scene.cluster.delete("services", DEMO, "cache-cache-server");
    scene.until("the Service to be there again", || scene.get("services", "cache-cache-server"));
}

#[test]
fn pods_roll_when_a_mounted_secret_changes_or_another_version_is_asked_for() {
    let scene = Scene::new();
    scene.installation();
    let _running = scene.start();
    scene.until_installed();
    let pods = || scene.get(DEPLOYMENTS, "one-shard-kcp").unwrap()["spec"]["template"].clone();
    let before = pods();

    let mut secret = scene.get("secrets", "one-server").unwrap();
    secret["data"]["tls.crt"] = secret["data"]["ca.crt"].clone();
    scene.cluster.put_as("cert-manager", &secret);
    let renewed = scene.until("other pods", || Some(pods()).filter(|it| *it != before));
    assert_eq!(renewed["spec"], before["spec"], "only a label tells them from the old ones");
    scene.until_phase(SHARDS, "one", "Running");

    let mut spec = shard_spec();
    spec["image"] = json!({ "tag": "v0.33.0" });
    scene.put("Shard", "one", spec);
    scene.until("the new version", || {
        let image = pods().pointer("/spec/containers/0/image")?.as_str()?.to_owned();
        image.ends_with(":v0.33.0").then_some(())
    });
}

#[test]
fn what_is_no_longer_rendered_is_collected() {
    let scene = Scene::new();
    scene.cluster.put(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "users-ca", "namespace": DEMO },
        "data": { "tls.crt": STANDARD.encode(super::CA.0.cert_pem()) },
    }));
    scene.cache("cache");
    let mut spec = root_spec();
    spec["caBundleSecretRef"] = json!({ "name": "users-ca" });
    scene.put("RootShard", "root", spec);
    let running = scene.start();
    scene.until_phase(ROOTS, "root", "Running");
    let bundle = scene.get("secrets", "root-merged-ca-bundle").unwrap();
    // Also by another life of the loop, which remembers nothing.
    running.kill();
    scene.root();
    let _running = scene.start();
    scene.until("the bundle to go", || {
        scene.get("secrets", "root-merged-ca-bundle").is_none().then_some(())
    });
    let requests = scene.cluster.requests();
    let deleted = requests.iter().find(|it| it.method == "DELETE").unwrap();
    // Somebody may have made another one of that name meanwhile.
    assert_eq!(deleted.body["preconditions"]["uid"], bundle["metadata"]["uid"]);
    let mounted = scene.until("pods without it", || {
        let text = scene.get(DEPLOYMENTS, "root-kcp")?.to_string();
        (!text.contains("merged-ca-bundle")).then_some(text)
    });
    assert!(!mounted.contains("ca-bundle"));
    assert!(scene.get("secrets", "users-ca").is_some(), "that is somebody else's");

    // With the source goes everything that it owns.
    scene.cluster.delete(ROOTS, DEMO, "root");
    assert!(scene.get(DEPLOYMENTS, "root-kcp").is_none());
}

#[test]
fn once_does_what_can_be_done_and_says_what_is_left() {
    let scene = Scene::new();
    scene.cache("cache");
    let dry = scene.run(&["--dry-run"]);
    assert_eq!(dry.code, Some(1), "{dry}");
    assert!(dry.stdout.contains("CacheServer demo/cache: would create Issuer cache-ca\n"), "{dry}");
    assert!(dry.stdout.contains("CacheServer demo/cache: would create Secret cache-kubeconfig\n"));
    assert_eq!(scene.cluster.list(CERTIFICATES), [Value::Null; 0], "nothing was made");
    let source = scene.get("cacheservers.operator.kcp.io", "cache").unwrap();
    assert_eq!(source["status"], Value::Null);

    let first = scene.run(&["--once"]);
    assert_eq!(first.code, Some(1), "{first}");
    assert!(
        first.stdout.contains("CacheServer demo/cache: created Certificate cache-server\n"),
        "{first}"
    );
    assert!(first.stderr.contains("Certificates that are not ready: "), "{first}");
    scene.sign();
    let second = scene.run(&["--once"]);
    assert_eq!(second.code, Some(0), "{second}");
    assert_eq!(
        second.stdout,
        "\
CacheServer demo/cache: created Deployment cache-cache-server
CacheServer demo/cache: created Service cache-cache-server
"
    );
    let third = scene.run(&["--once"]);
    assert_eq!((third.code, third.stdout.as_str()), (Some(0), ""), "{third}");
    let dry = scene.run(&["--dry-run"]);
    assert_eq!((dry.code, dry.stdout.as_str()), (Some(0), ""), "{dry}");
}

#[test]
fn a_shard_does_not_go_to_an_empty_cache_unless_somebody_says_so() {
    let scene = Scene::new();
    scene.installation();
    scene.cache("other");
    let _running = scene.start();
    scene.until_installed();

    let mut spec = root_spec();
    spec["cache"] = json!({ "ref": { "name": "other" } });
    scene.put("RootShard", "root", spec.clone());
    let message = scene.until_reason(ROOTS, "root", "Reconciled", "EmptyCache");
    assert!(message.contains("kcpctl.io/allow-empty-cache: other"), "{message}");
    let text = scene.get(DEPLOYMENTS, "root-kcp").unwrap().to_string();
    assert!(text.contains("cache-kubeconfig") && !text.contains("other-kubeconfig"));

    let mut root = scene.get(ROOTS, "root").unwrap();
    root["metadata"]["annotations"] = json!({ "kcpctl.io/allow-empty-cache": "other" });
    scene.cluster.put(&root);
    scene.until("the root shard to use the other cache", || {
        let text = scene.get(DEPLOYMENTS, "root-kcp")?.to_string();
        text.contains("other-kubeconfig").then_some(())
    });
    // It is said of each server: the shard, which inherits the cache, stays where it was.
    let message = scene.until_reason(SHARDS, "one", "Reconciled", "EmptyCache");
    assert!(message.contains("from the cache server `cache`"), "{message}");
}
