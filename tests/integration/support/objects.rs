//! Objects to send, and where to send them.

use serde_json::{Value, json};

/// API exports, in the version that the contract is tested in.
pub const APIEXPORTS: &str = "apis/apis.kcp.io/v1alpha1/apiexports";
/// Cluster roles: names with colons.
pub const CLUSTERROLES: &str = "apis/rbac.authorization.k8s.io/v1/clusterroles";
/// Roles of the namespace `default`.
pub const ROLES: &str = "apis/rbac.authorization.k8s.io/v1/namespaces/default/roles";
/// The definitions of the types.
pub const CRDS: &str = "apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// The path of `rest` in a cluster of a shard.
pub fn at(shard: &str, cluster: &str, rest: &str) -> String {
    format!("/services/cache/shards/{shard}/clusters/{cluster}/{rest}")
}

/// An API export with a little content.
pub fn api_export(name: &str) -> Value {
    json!({
        "apiVersion": "apis.kcp.io/v1alpha1",
        "kind": "APIExport",
        "metadata": {"name": name},
        "spec": {"latestResourceSchemas": ["today.widgets.example.com"]},
    })
}

/// A cluster role that allows nothing.
pub fn cluster_role(name: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": [],
    })
}

/// A role that allows nothing.
pub fn role(name: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": name},
        "rules": [],
    })
}

/// The object as a shard replicates it: with its shard's annotation and the system
/// metadata of the original.
pub fn annotated(mut object: Value) -> Value {
    let metadata = &mut object["metadata"];
    metadata["annotations"]["kcp.io/shard"] = json!("amber");
    metadata["uid"] = json!("0f9a6f43-6a8f-4ee6-9ccf-4b2f5f0f4d11");
    metadata["creationTimestamp"] = json!("2020-01-02T03:04:05Z");
    metadata["generation"] = json!(8);
    object
}
