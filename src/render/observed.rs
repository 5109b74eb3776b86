//! What only a cluster knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;

/// Facts from the namespace of the object that is rendered. All of them may be missing:
/// offline there are none.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Secrets, by name: issued CAs and certificates, users' bundles, and whatever is mounted.
    pub secrets: BTreeMap<String, Arc<Secret>>,
    /// The `resourceVersion` of `ConfigMap`s, by name.
    pub config_maps: BTreeMap<String, String>,
    /// `spec.replicas` of Deployments that exist, by name: what somebody else scales is left
    /// as it is.
    pub replicas: BTreeMap<String, i32>,
}

impl Observed {
    /// The `resourceVersion` of a Secret.
    pub(super) fn secret_version(&self, name: &str) -> Option<&str> {
        self.secrets.get(name)?.metadata.resource_version.as_deref()
    }

    /// The `resourceVersion` of a `ConfigMap`.
    pub(super) fn config_map_version(&self, name: &str) -> Option<&str> {
        self.config_maps.get(name).map(String::as_str)
    }
}
