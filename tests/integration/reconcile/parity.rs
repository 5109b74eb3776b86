//! The questions that kcp-operator's own tests ask of what only a running loop does.
//!
//! Numbered as in `render::parity`, which has the others. Shards that register themselves and
//! roles inside of kcp (row 20) are in `kcp`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{CERTIFICATES, DEMO, DEPLOYMENTS, Scene, root_spec};
use crate::support::new_authority;

/// What a Secret has under a key.
fn held(secret: &Value, key: &str) -> String {
    String::from_utf8(STANDARD.decode(secret["data"][key].as_str().unwrap()).unwrap()).unwrap()
}

fn bundle(scene: &Scene, name: &str) -> String {
    let pem = new_authority(name).cert_pem();
    scene.cluster.put(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name, "namespace": DEMO },
        "data": { "tls.crt": STANDARD.encode(&pem) },
    }));
    pem
}

#[test]
fn parity_11_merged_client_cas_have_names_order_and_labels() {
    let scene = Scene::new();
    let (of_root, of_front) = (bundle(&scene, "of-root"), bundle(&scene, "of-front"));
    scene.cache("cache");
    scene.root();
    let front = |more: Value| {
        let mut spec = json!({ "rootShard": { "ref": { "name": "root" } } });
        spec.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        scene.put("FrontProxy", "front", spec);
    };
    front(json!({}));
    let _running = scene.start();
    let secret = |name: &str| scene.get("secrets", name);
    let merged = |name: &str, wanted: &str| {
        scene.until(name, || {
            let found = secret(name)?;
            (held(&found, "tls.crt") == wanted).then_some(found)
        })
    };
    let ca = scene.until("the client CA", || secret("root-client-ca"));
    let ca = held(&ca, "tls.crt");

    // Without bundles of users they are the client CA, and shards have none.
    let alone = merged("root-proxy-merged-client-ca", &ca);
    assert_eq!(alone["metadata"]["labels"], json!({ "operator.kcp.io/rootshard": "root" }));
    let alone = merged("front-merged-client-ca", &ca);
    assert_eq!(alone["metadata"]["labels"], json!({ "operator.kcp.io/front-proxy": "front" }));
    assert!(secret("root-merged-client-ca").is_none());

    let mut spec = root_spec();
    spec["clientCABundleRef"] = json!({ "name": "of-root" });
    scene.put("RootShard", "root", spec);
    front(json!({ "clientCABundleRef": { "name": "of-front" } }));
    merged("root-merged-client-ca", &format!("{ca}\n{of_root}"));
    merged("root-proxy-merged-client-ca", &format!("{ca}\n{of_root}"));
    merged("front-merged-client-ca", &format!("{ca}\n{of_root}\n{of_front}"));
}

#[test]
fn parity_14_a_kubeconfig_opens_the_workspace_it_names_and_no_deprecated_one() {
    let scene = Scene::new();
    scene.cache("cache");
    scene.root();
    let kubeconfig = |name: &str, more: Value| {
        let mut spec = json!({
            "target": { "rootShardRef": { "name": "root" } }, "username": name,
            "validity": "24h", "secretRef": { "name": name },
        });
        spec.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        scene.put("Kubeconfig", name, spec);
    };
    let roles = |more: Value| {
        let mut bindings = json!({ "clusterRoles": ["view"] });
        bindings.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        json!({ "clusterRoleBindings": bindings })
    };
    kubeconfig("none", json!({}));
    kubeconfig("named", json!({ "targetWorkspace": "root:org" }));
    kubeconfig("deprecated", json!({ "authorization": roles(json!({ "cluster": "root:old" })) }));
    kubeconfig("both", json!({ "targetWorkspace": "root:org", "authorization": roles(json!({})) }));
    // Nobody listens there: what matters is where the roles are going to be.
    let _running = scene.start_with(&["--kcp-url", "http://127.0.0.1:9/{service}"]);
    for (name, opens, bound) in [
        ("none", "root", None),
        ("named", "root:org", None),
        ("deprecated", "root", Some("root:old")),
        ("both", "root:org", Some("root:org")),
    ] {
        let secret = scene.until(name, || scene.get("secrets", name));
        let text = held(&secret, "kubeconfig");
        let config: Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(config["current-context"], "default", "{name}");
        let clusters = config["clusters"].as_array().unwrap();
        let default = clusters.iter().find(|it| it["name"] == "default").unwrap();
        assert_eq!(
            default["cluster"]["server"],
            format!("https://root-kcp.demo.svc.cluster.local:6443/clusters/{opens}"),
            "{name}"
        );
        let provisioned = || {
            let found = scene.get("kubeconfigs.operator.kcp.io", name)?;
            Some(found["status"]["authorization"]["provisionedCluster"].clone())
        };
        scene.until("the workspace of the roles", || {
            (provisioned()?.as_str() == bound).then_some(())
        });
    }
}

#[test]
fn parity_15_pods_wait_for_every_certificate_and_carry_what_they_mount() {
    let scene = Scene::new();
    scene.cache("cache");
    let _running = scene.start();
    // Nobody signs, so that nothing is there to be mounted.
    let reason = || {
        let found = scene.condition("cacheservers.operator.kcp.io", "cache", "Reconciled")?;
        Some(found["reason"].as_str()?.to_owned())
    };
    crate::support::eventually("what it waits for", || {
        (reason()?.starts_with("WaitingFor")).then_some(())
    });
    assert!(!scene.cluster.list(CERTIFICATES).is_empty());
    assert!(scene.cluster.list(DEPLOYMENTS).is_empty());

    scene.until_phase("cacheservers.operator.kcp.io", "cache", "Running");
    let deployment = scene.get(DEPLOYMENTS, "cache-cache-server").unwrap();
    let pod = &deployment["spec"]["template"];
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    let mounted = volumes.iter().filter_map(|it| it["secret"]["secretName"].as_str());
    let mut wanted: Vec<String> = mounted
        .map(|name| {
            let secret = scene.get("secrets", name).unwrap();
            secret["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
        })
        .collect();
    let labels = pod["metadata"]["labels"].as_object().unwrap();
    let mut carried: Vec<String> = labels
        .iter()
        .filter(|(key, _)| key.starts_with("operator.kcp.io/secret-") && key.ends_with("-rev"))
        .map(|(_, value)| value.as_str().unwrap().to_owned())
        .collect();
    wanted.sort();
    carried.sort();
    assert_eq!(carried, wanted);
    assert!(!wanted.is_empty());
}
