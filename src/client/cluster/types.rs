//! How a kind is reached: its plural, and whether it lives in a namespace.

use serde::Deserialize;

/// A type of a cluster, in one version.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Resource {
    /// Group and version, as `apiVersion` has them.
    pub api_version: String,
    /// The kind.
    pub kind: String,
    /// The plural, as URLs have it.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

impl Resource {
    /// The API group, empty for the core one.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |it| it.0)
    }

    /// The path of all objects, or of those in one namespace.
    pub fn collection(&self, namespace: Option<&str>) -> String {
        let Self { api_version, plural, namespaced, .. } = self;
        let root = root(api_version);
        match namespace.filter(|_| *namespaced) {
            Some(namespace) => format!("{root}/namespaces/{}/{plural}", escaped(namespace)),
            None => format!("{root}/{plural}"),
        }
    }

    /// The path of one object.
    pub fn object(&self, namespace: &str, name: &str) -> String {
        format!("{}/{}", self.collection(Some(namespace)), escaped(name))
    }
}

/// Where discovery describes a group and version.
pub(super) fn root(api_version: &str) -> String {
    if api_version.contains('/') {
        format!("/apis/{api_version}")
    } else {
        format!("/api/{api_version}")
    }
}

/// A name as part of a path: one that is no name must not become another path.
pub(super) fn escaped(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC)
        .to_string()
        .replace("%2D", "-")
        .replace("%2E", ".")
}

/// What discovery says of a group and version.
#[derive(Deserialize)]
pub(super) struct ResourceList {
    resources: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    kind: String,
    namespaced: bool,
}

impl ResourceList {
    pub(super) fn into_resources(self, api_version: &str) -> Vec<Resource> {
        let whole = self.resources.into_iter().filter(|it| !it.name.contains('/'));
        whole
            .map(|it| Resource {
                api_version: api_version.to_owned(),
                kind: it.kind,
                plural: it.name,
                namespaced: it.namespaced,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_part_of_a_path() {
        let shards = Resource {
            api_version: "operator.kcp.io/v1alpha1".into(),
            kind: "Shard".into(),
            plural: "shards".into(),
            namespaced: true,
        };
        assert_eq!(
            shards.object("demo", "a-b.c"),
            "/apis/operator.kcp.io/v1alpha1/namespaces/demo/shards/a-b.c"
        );
        assert!(shards.object("demo", "../x?y").ends_with("/shards/..%2Fx%3Fy"));
        let nodes = Resource {
            api_version: "v1".into(),
            kind: "Node".into(),
            plural: "nodes".into(),
            namespaced: false,
        };
        assert_eq!(nodes.object("ignored", "a"), "/api/v1/nodes/a");
        assert_eq!((nodes.group(), shards.group()), ("", "operator.kcp.io"));
    }
}
