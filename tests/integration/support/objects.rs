//! Objects to send, and where to send them.

use serde_json::{Value, json};

use super::{Answer, Client};

/// API exports, in the version that the contract is tested in.
pub const APIEXPORTS: &str = "apis/apis.kcp.io/v1alpha1/apiexports";
/// Cluster roles: names with colons.
pub const CLUSTERROLES: &str = "apis/rbac.authorization.k8s.io/v1/clusterroles";
/// Roles of the namespace `default`.
pub const ROLES: &str = "apis/rbac.authorization.k8s.io/v1/namespaces/default/roles";
/// The definitions of the types.
pub const CRDS: &str = "apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// Whole objects.
pub const OBJECTS: &str = "application/json";
/// Rows of a table.
pub const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
/// Metadata alone, of one object or of each event.
pub const PARTIAL: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
/// Metadata alone, of a list.
pub const PARTIAL_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// An object that declares a user's type: `things` of kind `Thing`, unless it says
/// otherwise. An empty field is left out.
#[derive(Clone, Copy)]
pub struct Declaring<'a> {
    /// Shard and cluster.
    pub at: (&'a str, &'a str),
    /// The name of the object.
    pub name: &'a str,
    /// The group of the type.
    pub group: &'a str,
    /// Its version.
    pub version: &'a str,
    /// Its plural name.
    pub resource: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// Its scope.
    pub scope: &'a str,
    /// The identity of its export.
    pub identity: &'a str,
}

impl Default for Declaring<'_> {
    fn default() -> Self {
        Self {
            at: ("amber", "acme"),
            name: "declaring",
            group: "things.example.com",
            version: "v1",
            resource: "things",
            kind: "Thing",
            scope: "Cluster",
            identity: "1d",
        }
    }
}

impl Declaring<'_> {
    /// The object.
    pub fn object(&self) -> Value {
        let mut annotations = json!({});
        for (key, value) in [("kind", self.kind), ("scope", self.scope)] {
            if !value.is_empty() {
                annotations[format!("cache.kcp.io/resource-{key}")] = json!(value);
            }
        }
        let mut object = json!({
            "apiVersion": "cache.kcp.io/v1alpha1",
            "kind": "ClusterCachedResource",
            "metadata": {"name": self.name, "annotations": annotations},
            "spec": {"group": self.group, "version": self.version, "resource": self.resource},
        });
        if !self.identity.is_empty() {
            object["status"] = json!({"identityHash": self.identity});
        }
        object
    }

    /// Where the object is.
    pub fn path(&self) -> String {
        let (shard, cluster) = self.at;
        let rest = format!("apis/cache.kcp.io/v1alpha1/clustercachedresources/{}", self.name);
        at(shard, cluster, &rest)
    }

    /// Where the objects of the type are.
    pub fn collection(&self) -> String {
        let (shard, cluster) = self.at;
        let Self { group, version, resource, .. } = self;
        let root = if group.is_empty() { "api".to_owned() } else { format!("apis/{group}") };
        at(shard, cluster, &format!("{root}/{version}/{resource}"))
    }
}

/// Declares a user's type.
#[track_caller]
pub fn declare(client: &Client, declaring: &Declaring<'_>) -> Answer {
    let (shard, cluster) = declaring.at;
    let declarations = at(shard, cluster, "apis/cache.kcp.io/v1alpha1/clustercachedresources");
    client.post(declarations, &declaring.object())
}

/// An object of a user's type.
pub fn thing(api_version: &str, kind: &str, name: &str) -> Value {
    json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"size": 1},
    })
}

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
