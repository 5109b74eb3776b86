//! What the operator calls the objects that it makes, and where they answer.
//!
//! Names carry the kind of a server only where the table of the operator has it,
//! so two servers of different kinds can want one name: see
//! `installation::validate`.

use std::collections::BTreeMap;

use super::CLUSTER_DOMAIN;

/// The port of every shard, cache server and virtual workspace server.
pub const SERVER_PORT: u16 = 6443;

/// Deployment and Service of the root shard.
pub fn root_shard_server(name: &str) -> String {
    format!("{name}-kcp")
}

/// Deployment and Service of the root shard's internal proxy.
pub fn root_shard_proxy(name: &str) -> String {
    format!("{name}-proxy")
}

/// Deployment and Service of a shard.
pub fn shard_server(name: &str) -> String {
    format!("{name}-shard-kcp")
}

/// Deployment and Service of a front-proxy.
pub fn front_proxy_server(name: &str) -> String {
    format!("{name}-front-proxy")
}

/// Deployment and Service of a cache server.
pub fn cache_server(name: &str) -> String {
    format!("{name}-cache-server")
}

/// Deployment and Service of a virtual workspace server.
pub fn virtual_workspace_server(name: &str) -> String {
    format!("{name}-virtual-workspace")
}

/// The host name of a Service inside its cluster.
pub fn service_host(service: &str, namespace: &str, cluster_domain: Option<&str>) -> String {
    let domain = cluster_domain.filter(|it| !it.is_empty()).unwrap_or(CLUSTER_DOMAIN);
    format!("{service}.{namespace}.svc.{domain}")
}

/// The labels that the operator gives to a server's pods, which its selectors use.
pub fn app_labels(instance: &str, component: &str) -> BTreeMap<String, String> {
    [
        ("app.kubernetes.io/component", component),
        ("app.kubernetes.io/instance", instance),
        ("app.kubernetes.io/managed-by", "kcp-operator"),
        ("app.kubernetes.io/name", "kcp"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

/// Certificates, each with a Secret of its own name, that a root shard has.
pub const ROOT_SHARD_CERTIFICATES: [&str; 12] = [
    "ca",
    "server-ca",
    "client-ca",
    "requestheader-client-ca",
    "service-account-ca",
    "server",
    "client",
    "virtual-workspaces",
    "service-account",
    "logical-cluster-admin",
    "external-logical-cluster-admin",
    "kcp-operator",
];

/// Certificates that a shard has.
pub const SHARD_CERTIFICATES: [&str; 7] = [
    "server",
    "client",
    "virtual-workspaces",
    "service-account",
    "mounts-proxy",
    "logical-cluster-admin",
    "external-logical-cluster-admin",
];

/// Certificates that a front-proxy and the internal proxy have.
pub const FRONT_PROXY_CERTIFICATES: [&str; 3] = ["server", "kubeconfig", "requestheader"];

/// Certificates that a cache server has.
pub const CACHE_SERVER_CERTIFICATES: [&str; 3] = ["ca", "server", "client-certificate"];

/// Certificates that a virtual workspace server has.
pub const VIRTUAL_WORKSPACE_CERTIFICATES: [&str; 2] = ["server", "client"];
