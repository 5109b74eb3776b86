//! What stands beside the operator's objects: an issuer, etcds for development,
//! and budgets that keep an installation up while nodes are drained.

use serde::Serialize;
use serde_json::json;

use super::manifest::{Comment, Manifest};
use super::topology::Topology;
use crate::api::names;

/// The client port of etcd.
pub(super) const ETCD_PORT: u16 = 2379;
/// A release of etcd that kcp works with.
const ETCD_IMAGE: &str = "quay.io/coreos/etcd:v3.5.21";
/// Room for etcd's own limit of 2 GiB, a snapshot and its log.
const ETCD_DISK: &str = "4Gi";
/// A user that owns nothing else.
const ETCD_USER: i64 = 65_532;

/// The issuer that signs the root CAs.
pub(super) fn issuer(topology: &Topology) -> Manifest {
    let name = &topology.issuer.name;
    let mut tree = serde_yaml::Mapping::new();
    let mut metadata = serde_yaml::Mapping::new();
    metadata.insert("name".into(), name.as_str().into());
    metadata.insert("namespace".into(), topology.namespace.as_str().into());
    let mut spec = serde_yaml::Mapping::new();
    spec.insert("selfSigned".into(), serde_yaml::Mapping::new().into());
    tree.insert("apiVersion".into(), "cert-manager.io/v1".into());
    tree.insert("kind".into(), "Issuer".into());
    tree.insert("metadata".into(), metadata.into());
    tree.insert("spec".into(), spec.into());
    Manifest {
        file: format!("issuer-{name}.yaml"),
        about: "Signs the root CAs of the installation: each with its own key.".to_owned(),
        tree: tree.into(),
        object: None,
        comments: Vec::new(),
    }
}

/// A one-member etcd: its Service and its `StatefulSet`.
pub(super) fn dev_etcd(topology: &Topology, server: &str) -> serde_yaml::Result<[Manifest; 2]> {
    let name = format!("etcd-{server}");
    let labels = json!({
        "app.kubernetes.io/instance": name,
        "app.kubernetes.io/managed-by": "kcpctl",
        "app.kubernetes.io/name": "etcd",
    });
    let metadata = Ordered(json!({
        "name": name, "namespace": topology.namespace, "labels": labels,
    }));
    let service = Tree {
        api_version: "v1",
        kind: "Service",
        metadata: metadata.clone(),
        spec: Ordered(json!({
            "clusterIP": "None",
            // A member must be found before it is ready, or it never becomes so.
            "publishNotReadyAddresses": true,
            "ports": [{ "name": "client", "port": ETCD_PORT, "targetPort": "client" }],
            "selector": labels,
        })),
    };
    let url = super::build::derived_endpoint(
        server,
        &topology.namespace,
        &topology.cluster_domain,
        false,
    );
    let set = Tree {
        api_version: "apps/v1",
        kind: "StatefulSet",
        metadata,
        spec: Ordered(json!({
            "replicas": 1,
            "selector": { "matchLabels": labels },
            "serviceName": name,
            "template": { "metadata": { "labels": labels }, "spec": pod(&url) },
            "volumeClaimTemplates": [{
                "metadata": { "name": "data" },
                "spec": {
                    "accessModes": ["ReadWriteOnce"],
                    "resources": { "requests": { "storage": ETCD_DISK } },
                },
            }],
        })),
    };
    let about = format!(
        "The etcd of `{server}`, for development: one member without TLS. Whoever reaches\n\
         its port reads and writes everything; a lost disk is lost data."
    );
    Ok([
        Manifest {
            file: format!("service-{name}.yaml"),
            about: format!("Where the etcd of `{server}` is found."),
            tree: serde_yaml::to_value(service)?,
            object: None,
            comments: Vec::new(),
        },
        Manifest {
            file: format!("statefulset-{name}.yaml"),
            about,
            tree: serde_yaml::to_value(set)?,
            object: None,
            comments: vec![Comment::new(
                "spec.volumeClaimTemplates",
                "Add a storageClassName if the cluster has no default.",
            )],
        },
    ])
}

fn pod(url: &str) -> serde_json::Value {
    let port = ETCD_PORT;
    json!({
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": ETCD_USER,
            "runAsGroup": ETCD_USER,
            "fsGroup": ETCD_USER,
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "containers": [{
            "name": "etcd",
            "image": ETCD_IMAGE,
            "command": [
                "etcd",
                "--data-dir=/var/lib/etcd/data",
                format!("--listen-client-urls=http://0.0.0.0:{port}"),
                format!("--advertise-client-urls={url}"),
            ],
            "ports": [{ "name": "client", "containerPort": port }],
            "readinessProbe": { "httpGet": { "path": "/health", "port": "client" } },
            "resources": { "requests": { "cpu": "100m", "memory": "256Mi" } },
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "capabilities": { "drop": ["ALL"] },
            },
            "volumeMounts": [{ "name": "data", "mountPath": "/var/lib/etcd" }],
        }],
    })
}

/// One budget a Deployment: of its pods, at most one may be taken away at a time.
pub(super) fn disruption_budgets(topology: &Topology) -> serde_yaml::Result<Vec<Manifest>> {
    let root = &topology.root_shard.name;
    let mut servers = Vec::new();
    for cache in &topology.caches {
        servers.push((names::cache_server(&cache.name), cache.name.as_str(), "cache-server"));
    }
    servers.push((names::root_shard_server(root), root, "rootshard"));
    servers.push((names::root_shard_proxy(root), root, "rootshard-proxy"));
    for shard in &topology.shards {
        servers.push((names::shard_server(&shard.name), &shard.name, "shard"));
    }
    for proxy in &topology.front_proxies {
        servers.push((names::front_proxy_server(&proxy.name), &proxy.name, "front-proxy"));
    }
    let budget = |(deployment, name, component): (String, &str, &str)| {
        let tree = Tree {
            api_version: "policy/v1",
            kind: "PodDisruptionBudget",
            metadata: Ordered(json!({ "name": deployment, "namespace": topology.namespace })),
            spec: Ordered(json!({
                "maxUnavailable": 1,
                // A pod that is not ready keeps nobody up, so it may go.
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
                "selector": { "matchLabels": names::app_labels(name, component) },
            })),
        };
        Ok(Manifest {
            file: format!("poddisruptionbudget-{deployment}.yaml"),
            about: format!("Keeps `{deployment}` up while nodes are drained."),
            tree: serde_yaml::to_value(tree)?,
            object: None,
            comments: Vec::new(),
        })
    };
    servers.into_iter().map(budget).collect()
}

/// An object whose parts come in the usual order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tree {
    api_version: &'static str,
    kind: &'static str,
    metadata: Ordered,
    spec: Ordered,
}

/// A tree whose `name` and `namespace` come first, and everything else by the alphabet.
#[derive(Clone)]
struct Ordered(serde_json::Value);

impl Serialize for Ordered {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            serde_json::Value::Object(map) => {
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_by_key(|(key, _)| !["name", "namespace"].contains(&key.as_str()));
                serializer.collect_map(entries.into_iter().map(|(key, it)| (key, Self(it.clone()))))
            }
            serde_json::Value::Array(items) => {
                serializer.collect_seq(items.iter().map(|it| Self(it.clone())))
            }
            scalar => scalar.serialize(serializer),
        }
    }
}
