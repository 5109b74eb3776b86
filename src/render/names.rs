//! Labels, hosts, URLs and paths that several components share.
//!
//! The names of servers are in `api::names`; the name of a certificate, which is that of
//! its Secret, is always the owner's with a `-` and the kind of the certificate.

use std::collections::BTreeSet;

use http::Uri;
use k8s_openapi::api::core::v1::LocalObjectReference;
use kube::ResourceExt;

use super::Cache;
use crate::api::{
    CacheServer, Certificates, ExternalConfig, ObjectReference, RootShard, Shard, names,
};

/// Labels of Secrets, which say whose they are.
pub(super) const ROOT_SHARD: &str = "operator.kcp.io/rootshard";
pub(super) const SHARD: &str = "operator.kcp.io/shard";
pub(super) const FRONT_PROXY: &str = "operator.kcp.io/front-proxy";
pub(super) const CACHE_SERVER: &str = "operator.kcp.io/cache-server";
pub(super) const VIRTUAL_WORKSPACE: &str = "operator.kcp.io/virtual-workspace";
pub(super) const KUBECONFIG: &str = "operator.kcp.io/kubeconfig";

/// What front-proxies call themselves before shards.
pub(super) const FRONT_PROXY_USER: &str = "kcp-front-proxy";
/// What the internal proxy calls itself before shards.
pub(super) const ROOT_PROXY_USER: &str = "kcp-root-shard-proxy";
/// What a shard calls itself when it comes back through a proxy to a mounted workspace.
pub(super) const MOUNTS_PROXY_USER: &str = "kcp-mounts-proxy";
/// The group that may do everything.
pub(super) const MASTERS: &str = "system:masters";

/// Where pods of shards find CAs and certificates.
pub(super) const TLS: &str = "/etc/kcp/tls";
/// The server CA in a shard.
pub(super) const SERVER_CA_FILE: &str = "/etc/kcp/tls/ca/server/tls.crt";
/// The server CA and the users' own, in a shard or a proxy.
pub(super) const CA_BUNDLE_FILE: &str = "/etc/kcp/tls/ca/ca-bundle/tls.crt";
/// Where the kubeconfig of a cache server is mounted.
pub(super) const CACHE_KUBECONFIG: &str = "/etc/cache-server/kubeconfig";
/// Where the CA of a cache server is mounted, also in the cache server.
pub(super) const CACHE_CA: &str = "/etc/cache-server/tls/ca/root";
/// Where the client certificate for a cache server is mounted.
pub(super) const CACHE_CLIENT: &str = "/etc/cache-server/tls/client-certificate";

/// The Secret with a root CA: the one that was named, or the one that is made.
fn root_ca(owner: &str, certificates: &Certificates) -> String {
    own_ca(certificates).map_or_else(|| format!("{owner}-ca"), str::to_owned)
}

/// The Secret with a root CA that somebody brought.
fn own_ca(certificates: &Certificates) -> Option<&str> {
    named(certificates.ca_secret_ref.as_ref())
}

/// The issuer of a root CA that is to be made; none if somebody brought one.
pub(super) fn new_ca_issuer(certificates: &Certificates) -> Option<ObjectReference> {
    certificates.issuer_ref.clone().filter(|_| own_ca(certificates).is_none())
}

/// The Secret with the root CA of an installation.
pub(super) fn root_shard_ca(root: &RootShard) -> String {
    root_ca(&root.name_any(), &root.spec.certificates)
}

/// The Secret with the root CA of a cache server.
pub(super) fn cache_server_ca(server: &CacheServer) -> String {
    root_ca(&server.name_any(), &server.spec.certificates)
}

impl Cache {
    /// The Secret with its root CA.
    pub(super) fn ca(&self) -> String {
        match &self.object {
            Some(server) => cache_server_ca(server),
            None => format!("{}-ca", self.name),
        }
    }
}

/// The name in a reference; an empty one is none.
pub(super) fn named(reference: Option<&LocalObjectReference>) -> Option<&str> {
    reference.map(|it| it.name.as_str()).filter(|it| !it.is_empty())
}

/// The host of a root shard's Service.
pub(super) fn root_shard_host(root: &RootShard) -> String {
    let service = names::root_shard_server(&root.name_any());
    host(&service, root.namespace(), root.spec.common.cluster_domain.as_deref())
}

/// The host of a shard's Service.
pub(super) fn shard_host(shard: &Shard) -> String {
    let service = names::shard_server(&shard.name_any());
    host(&service, shard.namespace(), shard.spec.common.cluster_domain.as_deref())
}

/// The host of a Service in the namespace of an object.
pub(super) fn host(service: &str, namespace: Option<String>, domain: Option<&str>) -> String {
    names::service_host(service, &namespace.unwrap_or_default(), domain)
}

/// The URL at which other servers reach the root shard.
pub(super) fn root_shard_url(root: &RootShard) -> String {
    base_url(root.spec.common.shard_base_url.as_deref(), || root_shard_host(root))
}

/// The URL at which other servers reach a shard.
pub(super) fn shard_url(shard: &Shard) -> String {
    base_url(shard.spec.common.shard_base_url.as_deref(), || shard_host(shard))
}

fn base_url(own: Option<&str>, host: impl FnOnce() -> String) -> String {
    match own.filter(|it| !it.is_empty()) {
        Some(own) => own.to_owned(),
        None => service_url(&host()),
    }
}

/// The URL of a server at its Service.
pub(super) fn service_url(host: &str) -> String {
    format!("https://{host}:{}", names::SERVER_PORT)
}

/// The URL of users.
pub(super) fn external_url(external: &ExternalConfig) -> String {
    format!("https://{}:{}", external.hostname, external.port)
}

/// The URL of users, as the installation's own servers reach it.
pub(super) fn private_url(external: &ExternalConfig) -> String {
    match external.private_hostname.as_deref().filter(|it| !it.is_empty()) {
        Some(host) => format!("https://{host}:{}", external.private_port.unwrap_or(external.port)),
        None => external_url(external),
    }
}

/// The host in a URL, as a certificate names it.
pub(super) fn host_of_url(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    uri.scheme()?;
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
    Some(host.to_owned()).filter(|it| !it.is_empty())
}

/// Every name once, sorted.
pub(super) fn sorted(names: impl IntoIterator<Item = String>) -> Vec<String> {
    names.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_url_is_what_a_certificate_names() {
        for (url, host) in [
            ("https://kcp.example.com:6443", Some("kcp.example.com")),
            ("https://kcp.example.com/base", Some("kcp.example.com")),
            ("https://10.0.0.1:6443", Some("10.0.0.1")),
            ("https://[::1]:6443", Some("::1")),
            ("kcp.example.com:6443", None),
            ("kcp.example.com", None),
            ("/base", None),
            ("https://", None),
            ("", None),
        ] {
            assert_eq!(host_of_url(url).as_deref(), host, "{url}");
        }
    }

    #[test]
    fn a_private_port_counts_only_beside_a_private_host() {
        let external = |private_hostname: Option<&str>, private_port| ExternalConfig {
            hostname: "kcp.example.com".to_owned(),
            port: 443,
            private_hostname: private_hostname.map(str::to_owned),
            private_port,
        };
        for (host, port, url) in [
            (None, None, "https://kcp.example.com:443"),
            (None, Some(6443), "https://kcp.example.com:443"),
            (Some(""), Some(6443), "https://kcp.example.com:443"),
            (Some("internal"), None, "https://internal:443"),
            (Some("internal"), Some(6443), "https://internal:6443"),
        ] {
            assert_eq!(private_url(&external(host, port)), url);
        }
    }
}
