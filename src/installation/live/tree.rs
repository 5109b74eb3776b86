//! An installation as one picture: its root shard, and below it all that belongs to it.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::readiness::server;
use super::{Readiness, advice, readiness_by, text};
use crate::api::Kind;
use crate::installation::KcpVersion;

/// One object of an installation.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// Its kind.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What its controller calls its state; our word where it has none.
    pub phase: String,
    /// Whether it is what it should be.
    pub ready: bool,
    /// Pods that are ready, and pods that are wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<Replicas>,
    /// The tag of the image that runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The tag that is wanted, if another runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted_version: Option<String>,
    /// The cache that a shard uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<String>,
    /// What a kubeconfig leads to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// When the first of its certificates ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// What it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What to do about that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What belongs to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Node>,
}

/// Pods of an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Replicas {
    /// Those that are ready.
    pub ready: i64,
    /// Those that are wanted.
    pub wanted: i64,
}

/// What there is beside the operator's objects.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// Deployments of the namespace.
    pub deployments: &'a [Value],
    /// Certificates of the namespace.
    pub certificates: &'a [Value],
}

/// The order in which kinds stand below their root shard.
const ORDER: [Kind; 5] =
    [Kind::Shard, Kind::CacheServer, Kind::FrontProxy, Kind::VirtualWorkspace, Kind::Kubeconfig];

/// The picture of the members of an installation; nothing if its root shard is not among them.
pub fn tree(members: &[&Value], beside: Beside<'_>) -> Option<Node> {
    let root = members.iter().find(|it| text(it, "/kind") == Kind::RootShard.as_str())?;
    let mut node = node(root, root, beside);
    for kind in ORDER {
        let of_kind = members.iter().filter(|it| text(it, "/kind") == kind.as_str());
        node.children.extend(of_kind.map(|it| self::node(it, root, beside)));
    }
    Some(node)
}

impl Node {
    /// This node and all below it.
    pub fn all(&self) -> Vec<&Self> {
        let below = self.children.iter().flat_map(Self::all);
        std::iter::once(self).chain(below).collect()
    }

    /// Kind and name.
    pub fn called(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }
}

/// The versions that run, if not all are of one minor release; the oldest first.
pub fn skew(nodes: &[&Node]) -> Vec<String> {
    let mut versions: Vec<KcpVersion> =
        nodes.iter().filter_map(|it| KcpVersion::of_tag(it.version.as_deref()?)).collect();
    versions.sort_unstable();
    versions.dedup();
    let minors: std::collections::BTreeSet<(u16, u16)> =
        versions.iter().map(|it| it.release()).collect();
    if minors.len() < 2 { Vec::new() } else { versions.iter().map(|it| it.tag()).collect() }
}

fn node(object: &Value, root: &Value, beside: Beside<'_>) -> Node {
    let (kind, name) = (text(object, "/kind"), text(object, "/metadata/name"));
    let known = Kind::from_name(kind);
    let deployment = known
        .and_then(|it| server(it, name))
        .and_then(|name| beside.deployments.iter().find(|it| text(it, "/metadata/name") == name));
    let state = readiness_by(object, deployment);
    let is_deleted = !object["metadata"]["deletionTimestamp"].is_null();
    let phase = match text(object, "/status/phase") {
        _ if is_deleted => "Deleting",
        "" if matches!(state, Readiness::Ready(_)) => "Running",
        "" => "Unknown",
        phase => phase,
    };
    let (problem, hint) = match &state {
        Readiness::Waiting(waiting) => (Some(waiting.to_string()), Some(advice(object, waiting))),
        Readiness::Ready(how) if how.contains(' ') => (Some(how.clone()), None),
        Readiness::Ready(_) => (None, None),
    };
    let replicas = deployment.map(|it| Replicas {
        ready: it["status"]["readyReplicas"].as_i64().unwrap_or_default(),
        wanted: it["spec"]["replicas"].as_i64().unwrap_or(1),
    });
    let wanted = Some(text(object, "/spec/image/tag")).filter(|it| !it.is_empty());
    let version = deployment.and_then(tag).map(str::to_owned);
    let wanted_version = wanted
        .filter(|it| version.as_deref().is_some_and(|version| version != *it))
        .map(str::to_owned);
    Node {
        kind: kind.to_owned(),
        namespace: text(object, "/metadata/namespace").to_owned(),
        name: name.to_owned(),
        phase: phase.to_owned(),
        ready: matches!(state, Readiness::Ready(_)) && !is_deleted,
        replicas,
        version,
        wanted_version,
        cache: cache(object, root),
        target: target(object),
        expires: expiry(object, beside.certificates),
        problem,
        hint,
        children: Vec::new(),
    }
}

/// The tag of the image in the first container of a workload.
fn tag(workload: &Value) -> Option<&str> {
    let image = workload.pointer("/spec/template/spec/containers/0/image")?.as_str()?;
    // A digest says more, and less to a reader; a registry may have a port.
    let image = image.split_once('@').map_or(image, |it| it.0);
    let name = image.rsplit_once('/').map_or(image, |it| it.1);
    name.split_once(':').map(|it| it.1)
}

fn cache(object: &Value, root: &Value) -> Option<String> {
    let own = match text(object, "/kind") {
        "RootShard" | "Shard" => text(object, "/spec/cache/ref/name"),
        _ => return None,
    };
    let name = if own.is_empty() { text(root, "/spec/cache/ref/name") } else { own };
    Some(if name.is_empty() { "embedded".to_owned() } else { name.to_owned() })
}

fn target(object: &Value) -> Option<String> {
    let target = object.pointer("/spec/target")?;
    [("rootShardRef", "RootShard"), ("shardRef", "Shard"), ("frontProxyRef", "FrontProxy")]
        .iter()
        .find_map(|(field, kind)| Some(format!("{kind}/{}", target[*field]["name"].as_str()?)))
}

/// The first end of the Certificates that an object owns, or that are made for a kubeconfig.
fn expiry(object: &Value, certificates: &[Value]) -> Option<Timestamp> {
    let uid = &object["metadata"]["uid"];
    let name = text(object, "/metadata/name");
    let own = certificates.iter().filter(|it| {
        let owners = it["metadata"]["ownerReferences"].as_array();
        let is_owned = owners.into_iter().flatten().any(|it| it["uid"] == *uid);
        let is_named = text(object, "/kind") == Kind::Kubeconfig.as_str()
            && text(it, "/metadata/name") == format!("kubeconfig-cert-{name}");
        is_owned && uid.is_string() || is_named
    });
    own.filter_map(|it| text(it, "/status/notAfter").parse().ok()).min()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(kind: &str, name: &str, spec: &Value, phase: &str) -> Value {
        let available = if phase == "Running" { "True" } else { "False" };
        json!({
            "apiVersion": "operator.kcp.io/v1alpha1", "kind": kind,
            "metadata": { "name": name, "namespace": "demo", "uid": name }, "spec": spec,
            "status": { "phase": phase, "conditions": [
                { "type": "Available", "status": available, "reason": "ReplicasUnavailable" },
            ] },
        })
    }

    #[test]
    fn a_picture_has_everything_below_its_root_shard() {
        let root = object(
            "RootShard",
            "root",
            &json!({ "cache": { "ref": { "name": "cache" } } }),
            "Running",
        );
        let shard =
            object("Shard", "one", &json!({ "image": { "tag": "v0.32.3" } }), "Provisioning");
        let admin = object(
            "Kubeconfig",
            "admin",
            &json!({ "target": { "shardRef": { "name": "one" } } }),
            "Running",
        );
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "one-shard-kcp" },
            "spec": { "replicas": 3, "template": { "spec": { "containers": [
                { "image": "localhost:5000/kcp:v0.31.0@sha256:00" },
            ] } } },
            "status": { "readyReplicas": 1 },
        });
        let certificate = |name: &str, owner: &str, end: &str| {
            json!({
                "metadata": { "name": name, "ownerReferences": [{ "uid": owner }] },
                "status": { "notAfter": end },
            })
        };
        let certificates = [
            certificate("root-ca", "root", "2036-01-01T00:00:00Z"),
            certificate("root-server", "root", "2027-01-01T00:00:00Z"),
            certificate("kubeconfig-cert-admin", "", "2028-01-01T00:00:00Z"),
        ];
        let beside = Beside { deployments: &[deployment], certificates: &certificates };
        let picture = tree(&[&admin, &shard, &root], beside).unwrap();
        let names: Vec<_> = picture.all().iter().map(|it| it.called()).collect();
        assert_eq!(names, ["RootShard/root", "Shard/one", "Kubeconfig/admin"]);
        assert_eq!(picture.expires.unwrap().to_string(), "2027-01-01T00:00:00Z");
        let one = &picture.children[0];
        assert_eq!(one.replicas, Some(Replicas { ready: 1, wanted: 3 }));
        assert_eq!(
            (one.version.as_deref(), one.wanted_version.as_deref()),
            (Some("v0.31.0"), Some("v0.32.3"))
        );
        assert_eq!(one.cache.as_deref(), Some("cache"));
        assert_eq!(one.problem.as_deref(), Some("Available: ReplicasUnavailable"));
        let admin = &picture.children[1];
        assert_eq!(admin.target.as_deref(), Some("Shard/one"));
        assert_eq!(admin.expires.unwrap().to_string(), "2028-01-01T00:00:00Z");
        assert!(tree(&[&shard], beside).is_none());
    }

    #[test]
    fn minor_releases_apart_are_a_skew() {
        let base = tree(&[&object("RootShard", "root", &json!({}), "Running")], Beside::default())
            .unwrap();
        let of = |tags: &[&str]| {
            let nodes: Vec<Node> = tags
                .iter()
                .map(|it| Node { version: Some((*it).to_owned()), ..base.clone() })
                .collect();
            skew(&nodes.iter().collect::<Vec<_>>())
        };
        assert_eq!(of(&["v0.32.3", "v0.32.1", "main"]), Vec::<String>::new());
        assert_eq!(of(&["v0.32.3", "v0.31.0"]), ["v0.31.0", "v0.32.3"]);
    }
}
