//! What is applied first, so that an object finds what it refers to; what is deleted first, so
//! that nothing that still works loses what it needs.

use serde_json::Value;

use super::text;
use crate::api::{self, Kind};

/// Where an object stands in the order: what it refers to stands before it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Stage(u8);

/// What the operator's kinds build on, in its order.
const FOUNDATIONS: [&[&str]; 8] = [
    &["Namespace"],
    &["CustomResourceDefinition"],
    &["ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"],
    &["Secret", "ConfigMap"],
    &["Issuer", "ClusterIssuer"],
    &["Certificate"],
    &["PersistentVolumeClaim", "Service"],
    &["StatefulSet", "Deployment", "DaemonSet"],
];

impl Stage {
    /// Where `object` stands.
    pub fn of(object: &Value) -> Self {
        let (api_version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
        let foundations = u8::try_from(FOUNDATIONS.len()).unwrap_or(u8::MAX);
        let operators = (api_version == api::API_VERSION).then(|| Kind::from_name(kind)).flatten();
        if let Some(index) = operators.and_then(|it| Kind::ALL.iter().position(|all| *all == it)) {
            return Self(foundations + 1 + u8::try_from(index).unwrap_or_default());
        }
        let index = FOUNDATIONS.iter().position(|it| it.contains(&kind));
        Self(index.and_then(|it| u8::try_from(it).ok()).unwrap_or(foundations))
    }
}

/// `objects` in the order in which they are applied; backwards it is that of deleting.
pub fn by_stage<T>(mut objects: Vec<T>, tree: impl Fn(&T) -> &Value) -> Vec<T> {
    objects.sort_by_key(|it| Stage::of(tree(it)));
    objects
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_referred_to_comes_first() {
        let object =
            |api_version: &str, kind: &str| json!({ "apiVersion": api_version, "kind": kind });
        let ours = |kind: &str| object("operator.kcp.io/v1alpha1", kind);
        let order = [
            object("v1", "Namespace"),
            object("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
            object("v1", "Secret"),
            object("cert-manager.io/v1", "Issuer"),
            object("apps/v1", "StatefulSet"),
            object("policy/v1", "PodDisruptionBudget"),
            ours("CacheServer"),
            ours("RootShard"),
            ours("Shard"),
            ours("FrontProxy"),
            ours("VirtualWorkspace"),
            ours("Kubeconfig"),
        ];
        let mut mixed = order.to_vec();
        mixed.reverse();
        assert_eq!(by_stage(mixed, |it| it), order);
        // Another group's Shard is nothing that we know.
        assert!(Stage::of(&object("core.kcp.io/v1alpha1", "Shard")) < Stage::of(&order[6]));
    }
}
