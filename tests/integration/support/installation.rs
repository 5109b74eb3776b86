//! A small installation with one of each of the operator's kinds, for tests that let its
//! certificates be signed: keys of ECDSA are made at once, those of RSA take long.

use serde_json::{Value, json};

/// The namespace of it.
pub const DEMO: &str = "demo";

/// The templates that an object may have, by the certificate that they change.
pub const TEMPLATES: [&str; 19] = [
    "root-ca",
    "server-ca",
    "client-ca",
    "front-proxy-client-ca",
    "service-account-ca",
    "requestheader-client-ca",
    "server",
    "virtual-workspaces",
    "client",
    "front-proxy",
    "service-account",
    "operator",
    "logical-cluster-admin",
    "external-logical-cluster-admin",
    "kubeconfig",
    "cache-server",
    "proxy",
    "requestheader",
    "mounts-proxy",
];

fn small_key() -> Value {
    json!({ "spec": { "privateKey": { "algorithm": "ECDSA", "size": 256 } } })
}

/// An object of the operator, whose certificates have small keys.
fn operator_object(kind: &str, name: &str, mut spec: Value) -> Value {
    if kind == "Kubeconfig" {
        spec["certificateTemplate"] = small_key();
    } else {
        let all = TEMPLATES.into_iter().map(|it| (it.to_owned(), small_key()));
        spec["certificateTemplates"] = Value::Object(all.collect());
    }
    json!({
        "apiVersion": "operator.kcp.io/v1alpha1", "kind": kind,
        "metadata": { "name": name, "namespace": DEMO }, "spec": spec,
    })
}

/// A `ConfigMap` beside the installation that says one `value`.
pub fn config_map(name: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": { "value": value },
        "metadata": { "name": name, "namespace": DEMO },
    })
}

/// A shard of the installation.
pub fn shard(name: &str) -> Value {
    let spec = json!({
        "rootShard": { "ref": { "name": "root" } },
        "etcd": { "endpoints": [format!("https://etcd-{name}:2379")] },
    });
    operator_object("Shard", name, spec)
}

/// Access through its front-proxy.
pub fn kubeconfig(name: &str) -> Value {
    let spec = json!({
        "target": { "frontProxyRef": { "name": "front" } }, "username": name,
        "validity": "24h", "secretRef": { "name": format!("{name}-kubeconfig") },
    });
    operator_object("Kubeconfig", name, spec)
}

/// The installation, each object after those that it refers to: `cache`, `root`, `one`, `front`,
/// `views` and `dev`.
pub fn installation() -> [Value; 6] {
    let issuer = json!({ "issuerRef": { "name": "self", "kind": "ClusterIssuer" } });
    let root = json!({
        "external": { "hostname": "kcp.example.com", "port": 6443 },
        "cache": { "ref": { "name": "cache" } },
        "certificates": issuer, "etcd": { "endpoints": ["https://etcd-root:2379"] },
    });
    let views = json!({
        "target": { "rootShardRef": { "name": "root" } },
        "external": { "hostname": "views.example.com", "port": 6443 },
    });
    [
        operator_object("CacheServer", "cache", json!({ "certificates": issuer })),
        operator_object("RootShard", "root", root),
        shard("one"),
        operator_object(
            "FrontProxy",
            "front",
            json!({ "rootShard": { "ref": { "name": "root" } } }),
        ),
        operator_object("VirtualWorkspace", "views", views),
        kubeconfig("dev"),
    ]
}
