//! The objects that everything is made from: their names, and whether they can be read.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::{self, Kind};
use crate::installation::Code;
use crate::pki;
use crate::render::Source;

/// One of the operator's objects, by its names.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SourceKey {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for SourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind.as_str(), self.namespace, self.name)
    }
}

/// An object that its own kind does not allow.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{code} {message}")]
pub struct Unreadable {
    /// Which rule it breaks.
    pub code: Code,
    /// Where and what.
    pub message: String,
}

/// Reads an object; one that the schema or a rule of its kind forbids cannot be read.
pub(super) fn read(kind: Kind, tree: &Value) -> Result<Source, Unreadable> {
    if tree["spec"].is_null() {
        let message = "spec: there is none".to_owned();
        return Err(Unreadable { code: Code::NoSpec, message });
    }
    let found = api::violations(kind, tree);
    if !found.is_empty() {
        let all: Vec<String> = found.iter().map(ToString::to_string).collect();
        return Err(Unreadable { code: Code::Schema, message: all.join("; ") });
    }
    match kind {
        Kind::CacheServer => typed(tree).map(Source::CacheServer),
        Kind::RootShard => typed(tree).map(Source::RootShard),
        Kind::Shard => typed(tree).map(Source::Shard),
        Kind::FrontProxy => typed(tree).map(Source::FrontProxy),
        Kind::VirtualWorkspace => typed(tree).map(Source::VirtualWorkspace),
        Kind::Kubeconfig => typed(tree).map(Source::Kubeconfig),
    }
}

fn typed<T: DeserializeOwned>(tree: &Value) -> Result<Arc<T>, Unreadable> {
    T::deserialize(tree)
        .map(Arc::new)
        .map_err(|error| Unreadable { code: Code::Schema, message: error.to_string() })
}

/// Where the server of a source runs: the name of its Deployment, if it has one.
pub(super) fn deployment(key: &SourceKey) -> Option<String> {
    let name = &key.name;
    Some(match key.kind {
        Kind::CacheServer => api::names::cache_server(name),
        Kind::RootShard => api::names::root_shard_server(name),
        Kind::Shard => api::names::shard_server(name),
        Kind::FrontProxy => api::names::front_proxy_server(name),
        Kind::VirtualWorkspace => api::names::virtual_workspace_server(name),
        Kind::Kubeconfig => return None,
    })
}

/// The Secrets with CAs that a source names itself: path and name.
pub(super) fn bundles(source: &Source) -> Vec<(&'static str, &str)> {
    let (servers, clients) = match source {
        Source::RootShard(it) => {
            let common = &it.spec.common;
            (common.ca_bundle_secret_ref.as_ref(), common.client_ca_bundle_ref.as_ref())
        }
        Source::Shard(it) => {
            let common = &it.spec.common;
            (common.ca_bundle_secret_ref.as_ref(), common.client_ca_bundle_ref.as_ref())
        }
        Source::FrontProxy(it) => {
            (it.spec.ca_bundle_secret_ref.as_ref(), it.spec.client_ca_bundle_ref.as_ref())
        }
        Source::VirtualWorkspace(it) => (None, it.spec.client_ca_bundle_ref.as_ref()),
        Source::CacheServer(_) | Source::Kubeconfig(_) => (None, None),
    };
    let named = [("spec.caBundleSecretRef", servers), ("spec.clientCABundleRef", clients)];
    let named = named.into_iter().filter_map(|(path, it)| Some((path, it?.name.as_str())));
    named.filter(|it| !it.1.is_empty()).collect()
}

/// What is wrong with a text that should hold CAs. A server would not start with it.
pub(super) fn broken_bundle(text: &[u8]) -> Option<String> {
    let Ok(text) = std::str::from_utf8(text) else { return Some("it is no text".to_owned()) };
    pki::Certificate::from_pem(text).err().map(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_kind_forbids_is_told_with_code_and_path() {
        let read = |spec: Value| {
            let tree = json!({
                "apiVersion": api::API_VERSION, "kind": "CacheServer",
                "metadata": { "name": "a" }, "spec": spec,
            });
            read(Kind::CacheServer, &tree).map(|_| ()).map_err(|it| it.to_string())
        };
        assert_eq!(read(json!({ "certificates": {} })), Ok(()));
        for (spec, part) in [
            (json!(null), "KCP0026 spec"),
            (json!({}), "KCP0001 spec"),
            (json!({ "certificates": {}, "replicas": "two" }), "KCP0001 spec.replicas"),
            (json!({ "certificates": {}, "replicas": 2 }), "etcd must be specified"),
            (
                json!({ "certificates": {}, "certificateTemplates": { "server": { "spec": {
                "privateKey": { "algorithm": "DSA" } } } } }),
                "privateKey.algorithm",
            ),
        ] {
            let told = read(spec.clone()).expect_err("refused");
            assert!(told.contains(part), "{spec}: {told}");
        }
    }
}
