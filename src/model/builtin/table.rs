//! The facts about the built-in types, one row a type.
//!
//! `AGE` is the column that most of them have.

use super::{Access, Column, ColumnKind, NAME_RULE_ANNOTATION, NameRule, ResourceType, Version};

/// One type.
pub(super) struct Row {
    group: &'static str,
    /// The plural name.
    resource: &'static str,
    kind: &'static str,
    /// The version it is stored in, which is also the one that clients should prefer.
    stored: (&'static str, &'static [Col]),
    /// A further version, older than the stored one.
    older: Option<(&'static str, &'static [Col])>,
    namespaced: bool,
    description: &'static str,
}

/// One printer column.
struct Col(&'static str, ColumnKind, &'static str, &'static str);

const APIS: &str = "apis.kcp.io";
const CORE: &str = "core.kcp.io";
const CACHE: &str = "cache.kcp.io";
const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";

const AGE: Col = Col("Age", ColumnKind::Date, ".metadata.creationTimestamp", "");

/// A cluster-scoped type with one version.
const fn row(
    group: &'static str,
    resource: &'static str,
    kind: &'static str,
    stored: (&'static str, &'static [Col]),
    description: &'static str,
) -> Row {
    Row { group, resource, kind, stored, older: None, namespaced: false, description }
}

/// A namespaced type with one version and no columns of its own.
const fn namespaced(
    group: &'static str,
    resource: &'static str,
    kind: &'static str,
    description: &'static str,
) -> Row {
    Row { group, resource, kind, stored: ("v1", &[]), older: None, namespaced: true, description }
}

#[rustfmt::skip] // one row a type reads as the table that it is
pub(super) const ROWS: &[Row] = &[
    row(APIS, "apiresourceschemas", "APIResourceSchema", ("v1alpha1", &[AGE]),
        "The schema of one resource that an export offers. Never changed once it is made."),
    row(APIS, "apiconversions", "APIConversion", ("v1alpha1", &[AGE]),
        "Rules that turn one version of a resource schema into another."),
    Row { older: Some(("v1alpha1", &[AGE, Col("Ready", ColumnKind::String,
            r#".status.conditions[?(@.type=="VirtualWorkspaceURLsReady")].status"#, "")])),
        ..row(APIS, "apiexports", "APIExport", ("v1alpha2", &[AGE]),
            "Resources that one workspace offers for others to bind.") },
    row(APIS, "apiexportendpointslices", "APIExportEndpointSlice", ("v1alpha1", &[
            Col("Export", ColumnKind::String, ".spec.export.name", ""),
            Col("Partition", ColumnKind::String, ".spec.partition", ""),
            AGE,
        ]), "Where the consumers of an export can be reached, per shard."),
    row(CORE, "logicalclusters", "LogicalCluster", ("v1alpha1", &[
            Col("Phase", ColumnKind::String, ".status.phase", "How far its life has come, such as Initializing or Ready"),
            Col("URL", ColumnKind::String, ".status.URL", "Where it is reached"),
            AGE,
        ]), "One logical cluster: who owns it, what it waits for, where it is reached."),
    row("migration.kcp.io", "logicalclustermigrations", "LogicalClusterMigration", ("v1alpha1", &[
            Col("Logical Cluster", ColumnKind::String, ".spec.logicalCluster", "The logical cluster that moves"),
            Col("Phase", ColumnKind::String, ".status.phase", "How far the move has come"),
            Col("Destination", ColumnKind::String, ".spec.destinationShard", "The shard that it moves to"),
            Col("Entries Copied", ColumnKind::Integer, ".status.entriesCopied", "How many etcd entries were copied so far"),
        ]), "The move of a logical cluster from one shard to another."),
    row(CORE, "shards", "Shard", ("v1alpha1", &[
            Col("Region", ColumnKind::String, ".metadata.labels['region']", "The region that the shard stands in"),
            Col("URL", ColumnKind::String, ".spec.baseURL", "Where the shard itself is reached"),
            Col("External URL", ColumnKind::String, ".spec.externalURL", "The address that logical clusters of the shard tell their users"),
            AGE,
        ]), "A kcp process that holds logical clusters."),
    row(CACHE, "cachedobjects", "CachedObject", ("v1alpha1", &[AGE]),
        "A copy of one object of a user's resource, as kcp up to v0.31 replicates it."),
    row(CACHE, "clustercachedresources", "ClusterCachedResource", ("v1alpha1", &[
            Col("Resource", ColumnKind::String, ".spec.resource", "The resource that is published"),
            AGE,
        ]), "A resource whose objects are replicated for all shards to read."),
    row(CACHE, "clustercachedresourceendpointslices", "ClusterCachedResourceEndpointSlice", ("v1alpha1", &[
            Col("ClusterCachedResource", ColumnKind::String, ".spec.clusterCachedResource.name", ""),
            AGE,
        ]), "Where the objects of a replicated resource can be read."),
    row("tenancy.kcp.io", "workspacetypes", "WorkspaceType", ("v1alpha1", &[]),
        "What workspaces of one type start with and may hold."),
    namespaced(RBAC, "roles", "Role",
        "Permissions within one namespace."),
    row(RBAC, "clusterroles", "ClusterRole", ("v1", &[]),
        "Permissions within a whole logical cluster."),
    namespaced(RBAC, "rolebindings", "RoleBinding",
        "Who has the permissions of a role, within one namespace."),
    row(RBAC, "clusterrolebindings", "ClusterRoleBinding", ("v1", &[]),
        "Who has the permissions of a cluster role, everywhere in a logical cluster."),
    row(ADMISSION, "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", ("v1", &[]),
        "Webhooks that may change an object before it is stored."),
    row(ADMISSION, "mutatingadmissionpolicies", "MutatingAdmissionPolicy", ("v1", &[]),
        "Expressions that change an object before it is stored."),
    row(ADMISSION, "mutatingadmissionpolicybindings", "MutatingAdmissionPolicyBinding", ("v1", &[]),
        "Where a mutating admission policy applies, and with which parameters."),
    row(ADMISSION, "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", ("v1", &[]),
        "Webhooks that accept or refuse an object before it is stored."),
    row(ADMISSION, "validatingadmissionpolicies", "ValidatingAdmissionPolicy", ("v1", &[]),
        "Expressions that accept or refuse an object before it is stored."),
    row(ADMISSION, "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", ("v1", &[]),
        "Where a validating admission policy applies, and with which parameters."),
    row(CACHE, "cachedresources", "CachedResource", ("v1alpha1", &[
            Col("Resource", ColumnKind::String, ".spec.resource", "The resource that is published"),
            AGE,
        ]), "A resource whose objects are replicated, as kcp up to v0.32 calls it."),
    row(CACHE, "cachedresourceendpointslices", "CachedResourceEndpointSlice", ("v1alpha1", &[
            Col("CachedResource", ColumnKind::String, ".spec.cachedResource.name", ""),
            AGE,
        ]), "Where the objects of a replicated resource can be read, as kcp up to v0.32 calls it."),
];

impl Row {
    pub(super) fn to_type(&self) -> ResourceType {
        let singular = self.kind.to_lowercase();
        let rbac = self.group == RBAC;
        let category = match self.group {
            RBAC => None,
            ADMISSION => Some("api-extensions"),
            _ => Some("kcp"),
        };
        let version = |&(name, columns): &(&str, &[Col])| Version {
            name: name.to_owned(),
            columns: columns.iter().map(Col::to_column).collect(),
            schema: None,
        };
        ResourceType {
            group: self.group.to_owned(),
            resource: self.resource.to_owned(),
            kind: self.kind.to_owned(),
            list_kind: format!("{}List", self.kind),
            singular,
            short_names: Vec::new(),
            namespaced: self.namespaced,
            name_rule: if rbac { NameRule::PathSegment } else { NameRule::Subdomain },
            categories: category.map(str::to_owned).into_iter().collect(),
            versions: std::iter::once(&self.stored).chain(&self.older).map(version).collect(),
            storage_version: self.stored.0.to_owned(),
            description: self.description.to_owned(),
            annotations: self.annotations(),
            access: Access::ReadWrite,
            has_status: false,
        }
    }

    fn annotations(&self) -> Vec<(String, String)> {
        let approved =
            ("api-approved.kubernetes.io", "https://github.com/kcp-dev/kubernetes/pull/4");
        let generated = ("controller-gen.kubebuilder.io/version", "v0.17.3");
        let free_names = (NAME_RULE_ANNOTATION, "path-segment");
        let all: &[_] = match self.group {
            RBAC => &[approved, free_names],
            ADMISSION => &[approved],
            _ => &[generated],
        };
        all.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
    }
}

impl Col {
    fn to_column(&self) -> Column {
        let &Self(name, kind, path, description) = self;
        Column {
            name: name.to_owned(),
            kind,
            json_path: path.to_owned(),
            description: description.to_owned(),
            priority: 0,
        }
    }
}
