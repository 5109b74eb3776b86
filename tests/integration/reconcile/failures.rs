//! What the loop does when something is wrong: with objects, with the API server, with itself.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{CERTIFICATES, DEMO, DEPLOYMENTS, Scene, root_spec};
use crate::support::{Effect, Fault, Requested, eventually};

const CACHES: &str = "cacheservers.operator.kcp.io";
const ROOTS: &str = "rootshards.operator.kcp.io";
const SHARDS: &str = "shards.operator.kcp.io";
const KUBECONFIGS: &str = "kubeconfigs.operator.kcp.io";

#[test]
fn a_broken_object_is_told_where_it_is_broken_and_stops_nobody_else() {
    let scene = Scene::new();
    let _running = scene.start();
    scene.put("CacheServer", "wrong", json!({ "certificates": {}, "replicas": "two" }));
    scene.put("CacheServer", "rule", json!({ "certificates": {}, "replicas": 2 }));
    scene.put(
        "CacheServer",
        "enum",
        json!({ "certificates": {}, "certificateTemplates": {
        "server": { "spec": { "privateKey": { "algorithm": "DSA" } } } } }),
    );
    scene.put("Shard", "lost", json!({ "rootShard": {}, "etcd": { "endpoints": [] } }));
    scene.put("Shard", "astray", super::shard_spec());
    scene.cache("cache");
    for (name, part) in [("wrong", "spec.replicas"), ("rule", "etcd"), ("enum", "algorithm")] {
        let message = scene.until_reason(CACHES, name, "Reconciled", "InvalidSpec");
        assert!(message.starts_with("KCP0001 ") && message.contains(part), "{message}");
    }
    let message = scene.until_reason(SHARDS, "lost", "Reconciled", "InvalidReference");
    assert!(message.starts_with("KCP0007 spec.rootShard.ref: "), "{message}");
    let message = scene.until_reason(SHARDS, "astray", "RootShard", "InvalidReference");
    assert!(message.contains("`root`"), "{message}");
    scene.until_phase(CACHES, "cache", "Running");

    let warned = |it: &Value| it["type"] == "Warning" && it["reason"] == "InvalidSpec";
    eventually("a warning", || {
        scene.cluster.list("events.events.k8s.io").iter().any(warned).then_some(())
    });

    // Words follow what is so.
    scene.put("CacheServer", "wrong", json!({ "certificates": {}, "clusterDomain": 5 }));
    scene.until("other words", || {
        let found = scene.condition(CACHES, "wrong", "Reconciled")?;
        found["message"].as_str()?.contains("spec.clusterDomain").then_some(())
    });
    scene.cache("wrong");
    scene.until_phase(CACHES, "wrong", "Running");
}

#[test]
fn a_secret_that_is_missing_or_no_pem_is_named() {
    let scene = Scene::new();
    let mut spec = root_spec();
    spec["caBundleSecretRef"] = json!({ "name": "users-ca" });
    scene.cache("cache");
    scene.put("RootShard", "root", spec);
    scene.put(
        "FrontProxy",
        "front",
        json!({
            "rootShard": { "ref": { "name": "root" } }, "caBundleSecretRef": { "name": "users-ca" },
        }),
    );
    scene.put(
        "Kubeconfig",
        "admin",
        json!({
            "target": { "frontProxyRef": { "name": "front" } }, "username": "admin",
            "validity": "24h", "secretRef": { "name": "out" },
        }),
    );
    let _running = scene.start();
    let message = scene.until_reason(ROOTS, "root", "Reconciled", "WaitingForSecret");
    assert!(message.contains("root-merged-ca-bundle"), "{message}");
    assert!(message.contains("`users-ca`"), "{message}");
    let secret = |data: Value| {
        scene.cluster.put(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "users-ca", "namespace": DEMO },
            "data": data,
        }));
    };
    secret(json!({ "ca.crt": "" }));
    let message = scene.until_reason(ROOTS, "root", "Reconciled", "InvalidSecret");
    assert!(message.contains("`tls.crt`"), "{message}");
    secret(json!({ "tls.crt": "bm8gUEVN" }));
    let message = scene.until_reason(KUBECONFIGS, "admin", "Available", "ServerCASecretError");
    assert!(message.contains("`users-ca`"), "{message}");
    scene.until("the field of the root shard to be named", || {
        let found = scene.condition(ROOTS, "root", "Reconciled")?;
        let told = "spec.caBundleSecretRef: `tls.crt` of the Secret `users-ca`";
        found["message"].as_str()?.starts_with(told).then_some(())
    });
    let pem = STANDARD.encode(super::CA.0.cert_pem());
    secret(json!({ "tls.crt": pem }));
    scene.until_phase(KUBECONFIGS, "admin", "Ready");
    scene.until_phase(ROOTS, "root", "Running");
}

#[test]
fn a_server_waits_for_what_it_mounts() {
    let scene = Scene::new();
    scene.put(
        "CacheServer",
        "cache",
        json!({
            "certificates": { "issuerRef": { "name": "ca", "kind": "ClusterIssuer" } },
            "extraVolumes": [{ "name": "more", "secret": { "secretName": "more" } }],
            "extraVolumeMounts": [{ "name": "more", "mountPath": "/more" }],
        }),
    );
    let _running = scene.start();
    let message = scene.until_reason(CACHES, "cache", "Reconciled", "WaitingForMounts");
    assert_eq!(message, "the Deployment `cache-cache-server` waits for the Secret `more`");
    assert_eq!(scene.get(DEPLOYMENTS, "cache-cache-server"), None);
    assert!(scene.get("services", "cache-cache-server").is_some(), "the rest goes on");
    scene.cluster.put(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "more", "namespace": DEMO },
    }));
    scene.until_phase(CACHES, "cache", "Running");
}

#[test]
fn servers_go_on_with_the_cas_that_they_have() {
    let scene = Scene::new();
    let pem = super::CA.0.cert_pem();
    let bundle = |text: &str| {
        scene.cluster.put(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "users-ca", "namespace": DEMO },
            "data": { "tls.crt": STANDARD.encode(text) },
        }));
    };
    bundle(&pem);
    scene.cache("cache");
    let mut spec = root_spec();
    spec["caBundleSecretRef"] = json!({ "name": "users-ca" });
    spec["clientCABundleRef"] = json!({ "name": "users-ca" });
    scene.put("RootShard", "root", spec);
    let _running = scene.start();
    scene.until_phase(ROOTS, "root", "Running");
    let mounted = || {
        ["root-merged-ca-bundle", "root-merged-client-ca"]
            .map(|it| scene.get("secrets", it).unwrap()["data"].clone())
    };
    let before = (mounted(), scene.get(DEPLOYMENTS, "root-kcp").unwrap()["spec"].clone());
    bundle("-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n");
    let message = scene.until_reason(ROOTS, "root", "Reconciled", "InvalidSecret");
    assert!(message.contains("spec.clientCABundleRef: `tls.crt` of the Secret"), "{message}");
    let after = (mounted(), scene.get(DEPLOYMENTS, "root-kcp").unwrap()["spec"].clone());
    assert_eq!(after, before);
    assert_eq!(scene.phase(ROOTS, "root").as_deref(), Some("Running"));
}

#[test]
fn an_object_of_somebody_else_is_left_alone() {
    let scene = Scene::new();
    let theirs = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": "cache-cache-server", "namespace": DEMO, "ownerReferences": [{
            "apiVersion": "example.com/v1", "kind": "Thing", "name": "theirs", "uid": "1",
            "controller": true,
        }] },
        "spec": { "ports": [{ "name": "theirs", "port": 1 }] },
    });
    scene.cluster.put(&theirs);
    scene.cache("cache");
    let _running = scene.start();
    let message = scene.until_reason(CACHES, "cache", "Reconciled", "OwnedByOther");
    assert!(
        message.contains("Service `cache-cache-server` belongs to the Thing `theirs`"),
        "{message}"
    );
    scene.until_phase(CACHES, "cache", "Running");
    let found = scene.get("services", "cache-cache-server").unwrap();
    assert_eq!(found["spec"], theirs["spec"]);
    scene.cluster.delete("services", DEMO, "cache-cache-server");
    scene.until_reason(CACHES, "cache", "Reconciled", "Applied");
}

#[test]
fn what_is_forbidden_is_tried_again_until_it_is_allowed() {
    let scene = Scene::new();
    // The one is applied before the other: nobody waits for what fails.
    for (denied, kind, goes_on) in
        [("deployments", "Deployment", "services"), ("services", "Service", DEPLOYMENTS)]
    {
        let cache = format!("without-{denied}");
        scene.cluster.deny("patch", denied);
        scene.cache(&cache);
        let running = scene.start();
        let message = scene.until_reason(CACHES, &cache, "Reconciled", "Forbidden");
        let told = format!("{kind} `{cache}-cache-server` was not applied");
        assert!(message.contains(&told), "{message}");
        assert!(scene.get(goes_on, &format!("{cache}-cache-server")).is_some());
        // Later each time, and though nothing happens meanwhile.
        eventually("another try", || running.said().contains("retry_in=2s").then_some(()));
        scene.cluster.allow_all();
        scene.until_reason(CACHES, &cache, "Reconciled", "Applied");
    }
}

#[test]
fn a_status_that_was_written_beside_is_written_again() {
    let scene = Scene::new();
    scene.cache("cache");
    let _running = scene.start();
    scene.until_phase(CACHES, "cache", "Running");
    let conflict = Effect::Refuse { code: 409, retry_after: None };
    scene.cluster.fail(Fault::on("PATCH", "/cacheservers/cache/status").with(conflict));
    let mut status = scene.get(DEPLOYMENTS, "cache-cache-server").unwrap()["status"].clone();
    status["readyReplicas"] = 0.into();
    scene.cluster.set_status(DEPLOYMENTS, DEMO, "cache-cache-server", &status);
    eventually("the truth", || (scene.phase(CACHES, "cache")? == "Provisioning").then_some(()));
}

#[test]
fn nothing_is_collected_while_something_else_fails() {
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
    running.kill();

    // Pods that still need it may be there for as long as the new ones are not.
    scene.root();
    scene.cluster.deny("patch", "deployments");
    let _running = scene.start();
    let message = scene.until_reason(ROOTS, "root", "Reconciled", "Forbidden");
    assert!(message.contains("Deployment `root-kcp` was not applied"), "{message}");
    assert!(scene.get("secrets", "root-merged-ca-bundle").is_some());
    scene.cluster.allow_all();
    scene.until("the bundle to go", || {
        scene.get("secrets", "root-merged-ca-bundle").is_none().then_some(())
    });
}

#[test]
fn an_object_that_an_apply_cannot_mend_is_replaced() {
    let scene = Scene::new();
    scene.cache("cache");
    let _running = scene.start();
    scene.until_phase(CACHES, "cache", "Running");
    let mut service = scene.get("services", "cache-cache-server").unwrap();
    service["spec"]["ports"][0]["port"] = 1234.into();
    // By its key it is another port now, and of two with one name a server says this.
    let path = "/services/cache-cache-server";
    let refused = Effect::Refuse { code: 422, retry_after: None };
    scene.cluster.fail(Fault::on("PATCH", path).with(refused));
    scene.cluster.put_as("kubectl-edit", &service);
    scene.until("the port to be right, and the only one", || {
        let ports = scene.get("services", "cache-cache-server")?["spec"]["ports"].clone();
        (ports[0]["port"] == 6443 && ports[1].is_null()).then_some(())
    });
}

#[test]
fn a_busy_or_broken_server_is_asked_again() {
    let scene = Scene::new();
    let refuse = |code| Effect::Refuse { code, retry_after: None };
    for (method, effect) in [
        ("PATCH", refuse(429)),
        ("PATCH", refuse(500)),
        ("PATCH", Effect::Break),
        ("PATCH", Effect::BreakAfterwards),
        ("WATCH", refuse(503)),
        ("WATCH", Effect::Expire),
    ] {
        scene.cluster.fail(Fault::on(method, "/namespaces/demo/").with(effect).times(3));
    }
    scene.installation();
    let _running = scene.start();
    scene.until_installed();
}

/// A name, and what goes wrong.
type Trouble = (&'static str, fn(&Scene));

#[test]
fn watches_that_end_break_or_fall_behind_are_begun_again() {
    let scene = Scene::new();
    scene.cache("cache");
    let _running = scene.start();
    scene.until_phase(CACHES, "cache", "Running");
    let changes: [Trouble; 3] = [
        ("ended", |scene| scene.cluster.end_watches()),
        ("broken", |scene| scene.cluster.break_watches()),
        ("compacted", |scene| {
            scene.cluster.compact();
            scene.cluster.end_watches();
        }),
    ];
    for (name, change) in changes {
        change(&scene);
        scene.cache(name);
        scene.until_phase(CACHES, name, "Running");
    }
}

#[test]
fn without_cert_manager_it_is_said_and_with_it_all_goes_on() {
    let scene = Scene::bare();
    scene.cache("cache");
    let _running = scene.start();
    let message = scene.until_reason(CACHES, "cache", "Reconciled", "NotFound");
    assert!(message.contains("cert-manager"), "{message}");
    for (kind, plural) in [("Issuer", "issuers"), ("Certificate", "certificates")] {
        scene.cluster.put(&super::definition("cert-manager.io", "v1", kind, plural));
    }
    scene.until_phase(CACHES, "cache", "Running");
}

#[test]
fn killed_at_any_point_another_life_ends_where_one_would_have() {
    let whole = Scene::new();
    whole.installation();
    let running = whole.start();
    whole.until_installed();
    running.kill();

    let broken = Scene::new();
    broken.installation();
    for requests in [30, 45, 60, 80, 110, 140] {
        broken.cluster.take_requests();
        let running = broken.start();
        // So many lists and watches, then so many writes; a life may also end by having nothing to do.
        let enough = || broken.cluster.requests().len() >= requests;
        eventually("some requests", || {
            broken.sign();
            broken.run_pods();
            let settled = broken.phase(SHARDS, "one").as_deref() == Some("Running");
            (enough() || settled).then_some(())
        });
        running.kill();
    }
    let _running = broken.start();
    broken.until_installed();
    let names = |scene: &Scene| -> Vec<String> {
        let name = |it: &Value| format!("{} {}", it["kind"], it["metadata"]["name"]);
        scene.made().iter().map(name).collect()
    };
    assert_eq!(names(&broken), names(&whole));
    let specs = |scene: &Scene, of: &str| -> Vec<Value> {
        let all = scene.made().into_iter().filter(|it| it["kind"] == of);
        all.map(|it| it["spec"].clone()).collect()
    };
    for kind in ["Deployment", "Service", "Certificate", "Issuer"] {
        assert_eq!(specs(&broken, kind), specs(&whole, kind), "{kind}");
    }
}

#[test]
fn one_of_two_loops_works_and_the_other_takes_its_place() {
    let scene = Scene::new();
    let first = scene.start_with(&["--leader-elect"]);
    eventually("the first to lead", || first.said().contains("this loop leads").then_some(()));
    let second = scene.start_with(&["--leader-elect"]);
    scene.cache("one");
    scene.until_phase(CACHES, "one", "Running");
    assert!(!second.said().contains("this loop leads"));

    // It ends in order, and gives the lease back.
    assert_eq!(first.stop(), Some(0));
    eventually("the second to lead", || second.said().contains("this loop leads").then_some(()));
    scene.cache("two");
    scene.until_phase(CACHES, "two", "Running");

    // Somebody takes the lease away: nothing is changed from then on.
    let mut lease = scene.get("leases.coordination.k8s.io", "reconcile.kcpctl.io").unwrap();
    lease["spec"]["holderIdentity"] = "somebody".into();
    lease["spec"]["leaseDurationSeconds"] = 3.into();
    scene.cluster.put(&lease);
    eventually("the loss", || second.said().contains("another loop leads now").then_some(()));
    scene.cache("three");
    // Whoever took it is silent, so it comes back.
    scene.until_phase(CACHES, "three", "Running");
    assert!(scene.cluster.list(CERTIFICATES).len() >= 9);
}

/// Waits until a loop has looked at the lease so many times more.
fn until_asked_for_the_lease(scene: &Scene, times: usize) {
    let before = scene.cluster.requests().len();
    eventually("a look at the lease", || {
        let requests = scene.cluster.requests();
        let asked = requests[before..].iter().filter(|it| it.path.contains("/leases/"));
        (asked.count() >= times).then_some(())
    });
}

fn writes(scene: &Scene) -> Vec<String> {
    let is_write = |it: &Requested| it.method != "GET" && !it.path.contains("/leases");
    let requests = scene.cluster.take_requests().into_iter().filter(is_write);
    requests.map(|it| format!("{} {}", it.method, it.path)).collect()
}

#[test]
fn without_the_lease_nothing_is_changed() {
    let scene = Scene::new();
    let lease = |holder: &str| {
        scene.cluster.put(&json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": { "name": "reconcile.kcpctl.io", "namespace": DEMO },
            "spec": { "holderIdentity": holder, "leaseDurationSeconds": 3600 },
        }));
    };
    lease("somebody");
    scene.cache("one");
    let running = scene.start_with(&["--leader-elect"]);
    let known = "everything is known";
    eventually("all to be known", || running.said().contains(known).then_some(()));
    until_asked_for_the_lease(&scene, 2);
    assert_eq!(writes(&scene), [""; 0]);
    lease("");
    scene.until_phase(CACHES, "one", "Running");

    // A lease that cannot be renewed is soon another's.
    for method in ["GET", "PUT"] {
        scene.cluster.fail(Fault::on(method, "/leases").times(usize::MAX));
    }
    eventually("the loss", || running.said().contains("the lease is lost").then_some(()));
    scene.cluster.take_requests();
    scene.cache("two");
    until_asked_for_the_lease(&scene, 2);
    assert_eq!(writes(&scene), [""; 0]);
    scene.cluster.heal();
    scene.until_phase(CACHES, "two", "Running");
}

#[test]
fn a_look_goes_no_further_when_the_lease_is_lost_meanwhile() {
    let scene = Scene::new();
    let lease = |holder: &str| {
        let mut lease = scene.get("leases.coordination.k8s.io", "reconcile.kcpctl.io").unwrap();
        lease["spec"]["holderIdentity"] = holder.into();
        lease["spec"]["leaseDurationSeconds"] = 3600.into();
        scene.cluster.put(&lease);
    };
    scene.cache("cache");
    // The answer to its first write is held back.
    scene.cluster.fail(Fault::on("PATCH", "/cert-manager.io/").with(Effect::Hold));
    let running = scene.start_with(&["--leader-elect"]);
    eventually("a look", || (scene.cluster.held() == 1).then_some(()));
    lease("somebody");
    eventually("the loss", || running.said().contains("another loop leads now").then_some(()));
    until_asked_for_the_lease(&scene, 1);
    scene.cluster.take_requests();
    scene.cluster.release();
    until_asked_for_the_lease(&scene, 2);
    assert_eq!(writes(&scene), [""; 0]);
    lease("");
    scene.until_phase(CACHES, "cache", "Running");
}

#[test]
fn a_loop_that_cannot_begin_says_why() {
    let scene = Scene::new();
    scene.cluster.deny("list", "shards");
    let refused = scene.run(&[]);
    assert_eq!(refused.code, Some(5), "{refused}");
    assert!(refused.stderr.contains("failed to list Shard objects"), "{refused}");
    scene.cluster.allow_all();
    scene.cluster.delete(
        "customresourcedefinitions.apiextensions.k8s.io",
        "",
        "shards.operator.kcp.io",
    );
    let refused = scene.run(&[]);
    assert_eq!(refused.code, Some(5), "{refused}");
    assert!(refused.stderr.contains("no definition of the kind Shard"), "{refused}");
    assert!(refused.stderr.contains("kcpctl crds"), "{refused}");
    let nowhere = scene.env.run(["reconcile", "--kubeconfig", "nowhere"]);
    assert_eq!(nowhere.code, Some(3), "{nowhere}");
}
