//! What stays when the objects of an installation are deleted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::text;
use crate::api::{Kind, names};

/// Objects of one kind that may be left in a namespace.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LeftBehind {
    /// Group and version of their kind.
    pub api_version: &'static str,
    /// Their kind.
    pub kind: &'static str,
    /// Where.
    pub namespace: String,
    /// Their names.
    pub names: Vec<String>,
}

/// What nobody deletes with `objects`: cert-manager keeps the Secrets of Certificates, and the
/// operator keeps what it made for a kubeconfig.
pub fn left_behind(objects: &[Value]) -> Vec<LeftBehind> {
    let mut secrets: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut certificates: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut volumes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for object in objects {
        let name = text(object, "/metadata/name");
        let namespace = text(object, "/metadata/namespace").to_owned();
        let root = text(object, "/spec/rootShard/ref/name");
        let prefixed = |prefix: &str, of: &[&str]| -> Vec<String> {
            of.iter().map(|it| format!("{prefix}-{it}")).collect()
        };
        let made = match Kind::from_name(text(object, "/kind")) {
            Some(Kind::RootShard) => [
                prefixed(name, &names::ROOT_SHARD_CERTIFICATES),
                prefixed(&names::root_shard_proxy(name), &names::FRONT_PROXY_CERTIFICATES),
            ]
            .concat(),
            Some(Kind::Shard) => prefixed(name, &names::SHARD_CERTIFICATES),
            Some(Kind::FrontProxy) => {
                prefixed(&format!("{root}-{name}"), &names::FRONT_PROXY_CERTIFICATES)
            }
            Some(Kind::CacheServer) => prefixed(name, &names::CACHE_SERVER_CERTIFICATES),
            Some(Kind::VirtualWorkspace) => prefixed(name, &names::VIRTUAL_WORKSPACE_CERTIFICATES),
            Some(Kind::Kubeconfig) => {
                let certificate = format!("kubeconfig-cert-{name}");
                certificates.entry(namespace.clone()).or_default().insert(certificate.clone());
                vec![text(object, "/spec/secretRef/name").to_owned(), certificate]
            }
            None => Vec::new(),
        };
        secrets.entry(namespace.clone()).or_default().extend(made);
        let claims = object.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array);
        for claim in claims.into_iter().flatten() {
            let replicas = object["spec"]["replicas"].as_u64().unwrap_or(1).min(100);
            let of = text(claim, "/metadata/name");
            let claims = (0..replicas).map(|it| format!("{of}-{name}-{it}"));
            volumes.entry(namespace.clone()).or_default().extend(claims);
        }
    }
    let mut left = Vec::new();
    for (api_version, kind, found) in [
        ("v1", "Secret", secrets),
        ("cert-manager.io/v1", "Certificate", certificates),
        ("v1", "PersistentVolumeClaim", volumes),
    ] {
        for (namespace, names) in found.into_iter().filter(|it| !it.1.is_empty()) {
            let names = names.into_iter().filter(|it| !it.is_empty()).collect();
            left.push(LeftBehind { api_version, kind, namespace, names });
        }
    }
    left
}

/// The etcds that `objects` store in, one word each.
pub fn etcds(objects: &[Value]) -> Vec<String> {
    let mut found = BTreeSet::new();
    for object in objects {
        let endpoints = object.pointer("/spec/etcd/endpoints").and_then(Value::as_array);
        if let Some(first) = endpoints.and_then(|it| it.first()).and_then(Value::as_str) {
            found.insert(format!("{first}{}", text(object, "/spec/etcd/prefix")));
        }
    }
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_volumes_and_what_a_kubeconfig_made_stay() {
        let object = |kind: &str, name: &str, spec: Value| json!({ "kind": kind, "metadata": { "name": name, "namespace": "demo" }, "spec": spec });
        let objects = [
            object("Kubeconfig", "admin", json!({ "secretRef": { "name": "admin-kubeconfig" } })),
            object("CacheServer", "cache", json!({ "etcd": { "endpoints": ["https://a:2379"] } })),
            object(
                "StatefulSet",
                "etcd-root",
                json!({ "replicas": 2, "volumeClaimTemplates": [{ "metadata": { "name": "data" } }] }),
            ),
        ];
        let left = left_behind(&objects);
        assert_eq!(
            left[0].names,
            [
                "admin-kubeconfig",
                "cache-ca",
                "cache-client-certificate",
                "cache-server",
                "kubeconfig-cert-admin"
            ]
        );
        assert_eq!(left[1].names, ["kubeconfig-cert-admin"]);
        assert_eq!(left[2].names, ["data-etcd-root-0", "data-etcd-root-1"]);
        assert_eq!(etcds(&objects), ["https://a:2379"]);
    }
}
