//! The types that a cluster serves: those that it has at first, and those that a
//! `CustomResourceDefinition` adds; and what discovery says of them.

use serde_json::{Value, json};

/// One type in one group, under all its versions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Type {
    pub(super) group: String,
    /// The served versions, the preferred one first.
    pub(super) versions: Vec<String>,
    pub(super) kind: String,
    pub(super) plural: String,
    pub(super) namespaced: bool,
    /// Whether the status has a door of its own.
    pub(super) status: bool,
}

/// Group, version, kind, plural, namespaced, status.
const BUILT_IN: [(&str, &str, &str, &str, bool, bool); 21] = [
    ("", "v1", "Namespace", "namespaces", false, true),
    ("", "v1", "Node", "nodes", false, true),
    ("", "v1", "Secret", "secrets", true, false),
    ("", "v1", "ConfigMap", "configmaps", true, false),
    ("", "v1", "Service", "services", true, true),
    ("", "v1", "ServiceAccount", "serviceaccounts", true, false),
    ("", "v1", "Endpoints", "endpoints", true, false),
    ("", "v1", "Pod", "pods", true, true),
    ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", true, true),
    ("", "v1", "Event", "events", true, false),
    ("apps", "v1", "Deployment", "deployments", true, true),
    ("apps", "v1", "ReplicaSet", "replicasets", true, true),
    ("apps", "v1", "StatefulSet", "statefulsets", true, true),
    ("batch", "v1", "Job", "jobs", true, true),
    ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", true, true),
    ("coordination.k8s.io", "v1", "Lease", "leases", true, false),
    ("events.k8s.io", "v1", "Event", "events", true, false),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", false, false),
    ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", false, false),
    ("rbac.authorization.k8s.io", "v1", "Role", "roles", true, false),
    (CRD_GROUP, "v1", "CustomResourceDefinition", CRDS, false, true),
];

pub(super) const CRD_GROUP: &str = "apiextensions.k8s.io";
pub(super) const CRDS: &str = "customresourcedefinitions";

impl Type {
    pub(super) fn built_in() -> Vec<Self> {
        BUILT_IN
            .iter()
            .map(|&(group, version, kind, plural, namespaced, status)| Self {
                group: group.to_owned(),
                versions: vec![version.to_owned()],
                kind: kind.to_owned(),
                plural: plural.to_owned(),
                namespaced,
                status,
            })
            .collect()
    }

    /// What a definition adds, once it is established.
    pub(super) fn defined_by(crd: &Value) -> Option<Self> {
        let conditions = crd["status"]["conditions"].as_array()?;
        conditions.iter().find(|it| it["type"] == "Established" && it["status"] == "True")?;
        let spec = &crd["spec"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let versions = spec["versions"].as_array()?.iter().filter(|it| it["served"] == true);
        Some(Self {
            group: text(&spec["group"]),
            versions: versions.clone().map(|it| text(&it["name"])).collect(),
            kind: text(&spec["names"]["kind"]),
            plural: text(&spec["names"]["plural"]),
            namespaced: spec["scope"] == "Namespaced",
            status: versions.clone().any(|it| !it["subresources"]["status"].is_null()),
        })
    }

    /// `apiVersion` in one of the versions.
    pub(super) fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() { version.to_owned() } else { format!("{}/{version}", self.group) }
    }

    /// `services` or `shards.operator.kcp.io`, as messages name a type.
    pub(super) fn name(&self) -> String {
        if self.group.is_empty() {
            self.plural.clone()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }
}

/// The answer to a path of discovery.
pub(super) fn discovery(path: &[&str], types: &[Type]) -> Option<Value> {
    match path {
        ["version"] => Some(json!({
            "major": "1", "minor": "36", "gitVersion": "v1.36.0", "gitCommit": "", "gitTreeState": "clean",
            "buildDate": "2026-01-01T00:00:00Z", "goVersion": "go1.26", "compiler": "gc",
            "platform": "linux/amd64",
        })),
        ["api"] => Some(json!({ "kind": "APIVersions", "versions": ["v1"] })),
        ["api", version] => resources("", version, types),
        ["apis"] => {
            let mut groups: Vec<&str> =
                types.iter().map(|it| it.group.as_str()).filter(|it| !it.is_empty()).collect();
            groups.sort_unstable();
            groups.dedup();
            let groups: Vec<Value> = groups.iter().filter_map(|it| group(it, types)).collect();
            Some(json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups }))
        }
        ["apis", name] => group(name, types),
        ["apis", group, version] => resources(group, version, types),
        _ => None,
    }
}

fn group(name: &str, types: &[Type]) -> Option<Value> {
    let mut versions: Vec<&String> = Vec::new();
    for it in types.iter().filter(|it| it.group == name).flat_map(|it| &it.versions) {
        if !versions.contains(&it) {
            versions.push(it);
        }
    }
    let shown: Vec<Value> = versions
        .iter()
        .map(|it| json!({ "groupVersion": format!("{name}/{it}"), "version": it }))
        .collect();
    let preferred = shown.first()?.clone();
    Some(json!({
        "kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": shown,
        "preferredVersion": preferred,
    }))
}

fn resources(group: &str, version: &str, types: &[Type]) -> Option<Value> {
    let verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
    let mut resources = Vec::new();
    let found = |it: &&Type| it.group == group && it.versions.iter().any(|it| it == version);
    for it in types.iter().filter(found) {
        let singular = it.kind.to_ascii_lowercase();
        resources.push(json!({
            "name": it.plural, "singularName": singular, "namespaced": it.namespaced,
            "kind": it.kind, "verbs": verbs,
        }));
        if it.status {
            resources.push(json!({
                "name": format!("{}/status", it.plural), "singularName": "",
                "namespaced": it.namespaced, "kind": it.kind, "verbs": ["get", "patch", "update"],
            }));
        }
    }
    let api_version =
        if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    (!resources.is_empty()).then(|| {
        json!({
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version,
            "resources": resources,
        })
    })
}
