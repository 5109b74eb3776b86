//! kcp-operator: beside it, and after it.

use std::collections::BTreeMap;

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use super::{CERTIFICATES, DEMO, DEPLOYMENTS, Scene, definition};

const ROOTS: &str = "rootshards.operator.kcp.io";
const KUBECONFIGS: &str = "kubeconfigs.operator.kcp.io";
const COMPILED: &str = "compiledrootshards.deploy.operator.kcp.io";

#[test]
fn the_loop_does_not_begin_beside_kcp_operator() {
    let scene = Scene::new();
    let lease = |renewed: &str| {
        scene.cluster.put(&json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": { "name": "239f9f9a.operator.kcp.io", "namespace": "kube-system" },
            "spec": { "holderIdentity": "pod-1", "leaseDurationSeconds": 15, "renewTime": renewed },
        }));
    };
    lease("2999-01-01T00:00:00.000000Z");
    for more in [&["--once"][..], &["--dry-run"], &[]] {
        let refused = scene.run(more);
        assert_eq!(refused.code, Some(5), "{refused}");
        assert!(
            refused.stderr.contains("`pod-1` holds its lease in the namespace `kube-system`"),
            "{refused}"
        );
        assert!(refused.stderr.contains("--adopt"), "{refused}");
    }
    assert_eq!(scene.run(&["--once", "--force"]).code, Some(0));
    lease("2020-01-01T00:00:00.000000Z");
    assert_eq!(scene.run(&["--once"]).code, Some(0), "nobody holds it any longer");

    scene.cluster.put(&json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "op", "namespace": "default" },
        "spec": { "replicas": 1, "template": { "spec": { "containers": [
            { "name": "manager", "image": "ghcr.io/kcp-dev/kcp-operator:v0.9.0" },
        ] } } },
        "status": { "availableReplicas": 1 },
    }));
    let refused = scene.run(&["--once"]);
    assert_eq!(refused.code, Some(5), "{refused}");
    assert!(
        refused.stderr.contains("the Deployment `op` in the namespace `default` runs it"),
        "{refused}"
    );
}

/// Makes what kcp-operator makes of a root shard and a kubeconfig: our own, with its owners and
/// its manager.
fn as_the_operator_left_it(scene: &Scene) {
    scene.cluster.put(&definition(
        "deploy.operator.kcp.io",
        "v1alpha1",
        "CompiledRootShard",
        "compiledrootshards",
    ));
    scene.cache("cache");
    scene.root();
    let running = scene.start();
    scene.put(
        "Kubeconfig",
        "admin",
        json!({
            "target": { "rootShardRef": { "name": "root" } }, "username": "admin",
            "validity": "24h", "secretRef": { "name": "admin-kubeconfig" },
        }),
    );
    scene.until_phase(ROOTS, "root", "Running");
    scene.until_phase(KUBECONFIGS, "admin", "Ready");
    running.kill();
    let root = scene.get(ROOTS, "root").unwrap();
    let compiled = scene.cluster.put_as(
        "manager",
        &json!({
            "apiVersion": "deploy.operator.kcp.io/v1alpha1", "kind": "CompiledRootShard",
            "metadata": { "name": "root", "namespace": DEMO, "ownerReferences": [{
                "apiVersion": "operator.kcp.io/v1alpha1", "kind": "RootShard", "name": "root",
                "uid": root["metadata"]["uid"], "controller": true,
            }] },
        }),
    );
    let owner = json!([{
        "apiVersion": "deploy.operator.kcp.io/v1alpha1", "kind": "CompiledRootShard", "name": "root",
        "uid": compiled["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
    }]);
    // Pods have the revisions of what they mount, which comes first.
    let mut revisions = BTreeMap::new();
    for (of, workload) in [
        ("services", true),
        ("configmaps", true),
        ("secrets", false),
        (CERTIFICATES, false),
        ("issuers.cert-manager.io", false),
        (DEPLOYMENTS, true),
    ] {
        for mut object in scene.cluster.list(of) {
            let metadata = object["metadata"].as_object_mut().unwrap();
            let revision = metadata["resourceVersion"].clone();
            match metadata.get("ownerReferences").and_then(|it| it[0]["kind"].as_str()) {
                Some("RootShard") if workload => {
                    metadata.insert("ownerReferences".into(), owner.clone());
                }
                Some("RootShard") => {}
                // What it makes of a kubeconfig is nobody's.
                Some("Kubeconfig") => drop(metadata.remove("ownerReferences")),
                _ => continue,
            }
            metadata.remove("managedFields");
            for server_own in ["uid", "resourceVersion", "creationTimestamp", "generation"] {
                metadata.remove(server_own);
            }
            let name = metadata["name"].as_str().unwrap().to_owned();
            if let Some(labels) = object.pointer_mut("/spec/template/metadata/labels") {
                for (_, label) in labels.as_object_mut().unwrap() {
                    if let Some(new) = revisions.get(label.as_str().unwrap()) {
                        *label = Value::clone(new);
                    }
                }
            }
            scene.cluster.delete(of, DEMO, &name);
            let by = if name.starts_with("kubeconfig-cert") && of == "secrets" {
                "cert-manager"
            } else {
                "manager"
            };
            let made = scene.cluster.put_as(by, &object);
            let made = made["metadata"]["resourceVersion"].clone();
            revisions.insert(revision.as_str().unwrap().to_owned(), made);
        }
    }
    scene.cluster.put_as(
        "manager",
        &json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "root-of-old", "namespace": DEMO, "ownerReferences": owner },
            "data": { "a": "b" },
        }),
    );
    scene.run_pods();
}

#[test]
fn what_kcp_operator_made_is_left_alone_until_it_is_adopted() {
    let scene = Scene::new();
    as_the_operator_left_it(&scene);
    let before = scene.get(DEPLOYMENTS, "root-kcp").unwrap();
    let pods = scene.cluster.list(DEPLOYMENTS);
    // It gives Certificates to the source itself, and they are as much its own.
    let fields = || {
        let all = [
            (CERTIFICATES, "root-server"),
            (CERTIFICATES, "kubeconfig-cert-admin"),
            ("secrets", "admin-kubeconfig"),
            ("secrets", "kubeconfig-cert-admin"),
        ];
        all.map(|(of, name)| scene.get(of, name).unwrap()["metadata"].clone())
    };
    let written = fields();
    let running = scene.start();
    let message = scene.until_reason(ROOTS, "root", "Reconciled", "OwnedByOther");
    assert!(message.contains("belongs to kcp-operator; take it over with `--adopt`"), "{message}");
    scene.until_reason(KUBECONFIGS, "admin", "Reconciled", "OwnedByOther");
    assert_eq!(scene.phase(KUBECONFIGS, "admin").as_deref(), Some("Ready"), "it is as it was");
    let after = scene.get(DEPLOYMENTS, "root-kcp").unwrap();
    assert_eq!(after["spec"], before["spec"]);
    assert_eq!(fields(), written);
    running.kill();

    let dry = scene.run(&["--adopt", "--dry-run"]);
    assert!(
        dry.stdout.contains("RootShard demo/root: would take over Deployment root-kcp\n"),
        "{dry}"
    );
    assert!(scene.get(COMPILED, "root").is_some());

    let adopted = scene.run(&["--adopt", "--once"]);
    assert_eq!(adopted.code, Some(0), "{adopted}");
    for line in [
        "took over Deployment root-kcp",
        "took over Service root-proxy",
        "deleted CompiledRootShard root",
    ] {
        assert!(
            adopted.stdout.contains(&format!("RootShard demo/root: {line}\n")),
            "{line}\n{adopted}"
        );
    }
    assert!(scene.get(COMPILED, "root").is_none());
    let root = scene.get(ROOTS, "root").unwrap();
    for (of, name) in [
        (DEPLOYMENTS, "root-kcp"),
        (DEPLOYMENTS, "root-proxy"),
        ("services", "root-kcp"),
        ("configmaps", "root-proxy-config"),
        // What we do not render is not left without an owner either.
        ("configmaps", "root-of-old"),
        (CERTIFICATES, "root-server"),
    ] {
        if of == DEPLOYMENTS {
            let generation = |it: &Value| it["metadata"]["generation"].clone();
            let [before, after] = [&pods, &scene.cluster.list(of)]
                .map(|all| all.iter().map(generation).collect::<Vec<_>>());
            assert_eq!(after, before, "no pod rolls");
        }
        let object = scene.get(of, name).unwrap_or_else(|| panic!("{name} has gone with it"));
        let owners = object["metadata"]["ownerReferences"].as_array().unwrap();
        assert_eq!((owners.len(), &owners[0]["uid"]), (1, &root["metadata"]["uid"]), "{name}");
    }
    let after = scene.get(DEPLOYMENTS, "root-kcp").unwrap();
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"], "it is the same object");
    // Their fields became ours: what we render no longer goes with the next apply.
    let requests = scene.cluster.take_requests();
    let deleted = requests.iter().rev().find(|it| it.method == "DELETE").unwrap();
    assert!(deleted.path.ends_with("/compiledrootshards/root"), "{}", deleted.path);
    assert_eq!(deleted.body["propagationPolicy"], "Orphan", "nothing goes with it");
    let patches = requests.into_iter().filter(|it| {
        it.method == "PATCH"
            && it.path.ends_with("/deployments/root-kcp")
            && !it.query.contains_key("dryRun")
    });
    let patches: Vec<Value> =
        patches.map(|it| it.body["metadata"]["managedFields"].clone()).collect();
    let entries = patches.iter().find_map(Value::as_array).unwrap();
    let of_deployment = |it: &&Value| it["subresource"].is_null();
    for entry in entries.iter().filter(of_deployment) {
        assert_eq!((&entry["manager"], &entry["operation"]), (&json!("kcpctl"), &json!("Apply")));
    }
}

#[tokio::test]
async fn an_object_of_nobody_is_not_forced() {
    let scene = Scene::new();
    scene.cache("cache");
    let client = kube::Client::try_from(scene.cluster.config()).unwrap();
    let of = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Service"));
    let services: Api<DynamicObject> = Api::namespaced_with(client, DEMO, &of);
    let theirs: Value = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "cache-cache-server" },
        "spec": { "selector": { "app.kubernetes.io/name": "mine" } },
    });
    services
        .patch("cache-cache-server", &PatchParams::apply("helm"), &Patch::Apply(theirs))
        .await
        .unwrap();
    tokio::task::spawn_blocking(move || {
        let _running = scene.start();
        let message =
            scene.until_reason("cacheservers.operator.kcp.io", "cache", "Reconciled", "Conflict");
        assert!(message.contains("helm"), "{message}");
    })
    .await
    .unwrap();
}
