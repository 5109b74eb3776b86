//! What a server tells a client about the types it serves.
//!
//! [`Discovery`] holds every document of one set of types, rendered once: the
//! types of a server change seldom, and a `kubectl` asks for all of them at each
//! start. A set that differs by cluster has a `Discovery` of its own.
//!
//! Two dialects are spoken. The plain one has a document a path (`/apis`, then a
//! group, then a version); the aggregated one says all at once, below `/api` for
//! the core group and below `/apis` for the others. A client lists in `Accept` what
//! it can read, best first.
//!
//! # What is absent on purpose
//!
//! No addresses (`serverAddressByClientCIDRs` is empty): clients ignore them, and
//! behind a proxy they would be wrong.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::model::{ResourceType, by_preference};

/// The Kubernetes minor version whose API this server speaks.
const KUBERNETES_MINOR: &str = "36";

/// What can be done with a status.
const STATUS_VERBS: [&str; 3] = ["get", "patch", "update"];

/// A document that changes only with the types.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Document {
    /// The body.
    pub body: Bytes,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// A name for this body, in hexadecimal, without the quotes of an `ETag`.
    pub etag: String,
}

/// The dialect in which a client wants to be told of groups.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dialect {
    /// A document a path.
    Plain,
    /// All at once, as `apidiscovery.k8s.io/v2`.
    Aggregated,
    /// All at once, as `apidiscovery.k8s.io/v2beta1`: for clients of Kubernetes 1.26 to 1.29.
    AggregatedBeta,
}

/// All documents about one set of types.
#[derive(Clone, Debug)]
pub struct Discovery {
    core: PerDialect,
    groups: PerDialect,
    group: BTreeMap<String, Document>,
    version: BTreeMap<(String, String), Document>,
}

#[derive(Clone, Debug)]
struct PerDialect {
    plain: Document,
    aggregated: Document,
    aggregated_beta: Document,
}

/// A group: its versions, best first, and the types that each of them has.
pub(super) type Versions<'a> = Vec<(&'a str, Vec<&'a ResourceType>)>;

impl Document {
    pub(super) fn new(content_type: &'static str, content: &Value) -> Self {
        // `Value` sorts its keys, so that equal content has equal bytes and one etag.
        let body = Bytes::from(format!("{content}\n"));
        let mut etag = String::with_capacity(64);
        for byte in Sha256::digest(&body) {
            // Writing to a string cannot fail.
            let _ = write!(etag, "{byte:02X}");
        }
        Self { body, content_type, etag }
    }
}

impl Dialect {
    /// The dialect that an `Accept` header asks for; plain where it asks for none of ours.
    pub fn from_accept(accept: &str) -> Self {
        accept.split(',').find_map(Self::from_media_type).unwrap_or(Self::Plain)
    }

    fn from_media_type(media_type: &str) -> Option<Self> {
        let mut parts = media_type.split(';').map(str::trim);
        let json = matches!(parts.next(), Some("application/json" | "application/*" | "*/*"));
        let (mut group, mut version, mut kind) = (None, None, None);
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            match key {
                "g" => group = Some(value),
                "v" => version = Some(value),
                "as" => kind = Some(value),
                _ => {}
            }
        }
        match (json, kind, group, version) {
            (true, None, ..) => Some(Self::Plain),
            (true, Some("APIGroupDiscoveryList"), Some("apidiscovery.k8s.io"), Some("v2")) => {
                Some(Self::Aggregated)
            }
            (true, Some("APIGroupDiscoveryList"), Some("apidiscovery.k8s.io"), Some("v2beta1")) => {
                Some(Self::AggregatedBeta)
            }
            _ => None,
        }
    }

    /// The value of `Content-Type`, by which a client knows what it got.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Plain => "application/json",
            Self::Aggregated => {
                "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
            }
            Self::AggregatedBeta => {
                "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
            }
        }
    }
}

impl Discovery {
    /// Renders every document about `types`.
    pub fn new<'a>(types: impl IntoIterator<Item = &'a ResourceType>) -> Self {
        let mut groups = by_group(types);
        let core = groups.remove("");
        let mut group = BTreeMap::new();
        let mut version = BTreeMap::new();
        for (&name, versions) in groups.iter().chain(core.iter().map(|it| (&"", it))) {
            for (number, types) in versions {
                let list = resource_list(name, number, types);
                let key = (name.to_owned(), (*number).to_owned());
                version.insert(key, Document::new(Dialect::Plain.content_type(), &list));
            }
            let mut content = group_entry(name, versions);
            content["kind"] = json!("APIGroup");
            content["apiVersion"] = json!("v1");
            group.insert(name.to_owned(), Document::new(Dialect::Plain.content_type(), &content));
        }
        let core_numbers: Vec<&str> = core.iter().flatten().map(|(number, _)| *number).collect();
        let entries: Vec<Value> = groups.iter().map(|(name, it)| group_entry(name, it)).collect();
        Self {
            core: PerDialect::new(
                &json!({
                    "kind": "APIVersions",
                    "serverAddressByClientCIDRs": [],
                    "versions": core_numbers,
                }),
                &core.iter().map(|it| aggregated_entry("", it)).collect(),
            ),
            groups: PerDialect::new(
                &json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": entries}),
                &groups.iter().map(|(name, it)| aggregated_entry(name, it)).collect(),
            ),
            group,
            version,
        }
    }

    /// What `/api` answers.
    pub fn core(&self, dialect: Dialect) -> &Document {
        self.core.get(dialect)
    }

    /// What `/apis` answers.
    pub fn groups(&self, dialect: Dialect) -> &Document {
        self.groups.get(dialect)
    }

    /// What `/apis/{group}` answers, if there is such a group.
    pub fn group(&self, group: &str) -> Option<&Document> {
        // The core group has no such path.
        if group.is_empty() { None } else { self.group.get(group) }
    }

    /// What `/apis/{group}/{version}` answers, or `/api/{version}` for the empty group.
    pub fn version(&self, group: &str, version: &str) -> Option<&Document> {
        self.version.get(&(group.to_owned(), version.to_owned()))
    }
}

/// What `/version` answers.
pub fn version() -> Document {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let name = concat!(env!("CARGO_PKG_NAME"), "-", env!("CARGO_PKG_VERSION"));
    Document::new(
        Dialect::Plain.content_type(),
        &json!({
            "major": "1",
            "minor": KUBERNETES_MINOR,
            "gitVersion": format!("v1.{KUBERNETES_MINOR}.0+{name}"),
            "gitCommit": "",
            "gitTreeState": "",
            "buildDate": "",
            "goVersion": "",
            "compiler": "rustc",
            "platform": format!("{}/{architecture}", std::env::consts::OS),
        }),
    )
}

impl PerDialect {
    fn new(plain: &Value, items: &Vec<Value>) -> Self {
        let aggregated = |dialect: Dialect, version: &str| {
            let content = json!({
                "kind": "APIGroupDiscoveryList",
                "apiVersion": format!("apidiscovery.k8s.io/{version}"),
                "metadata": {},
                "items": items,
            });
            Document::new(dialect.content_type(), &content)
        };
        Self {
            plain: Document::new(Dialect::Plain.content_type(), plain),
            aggregated: aggregated(Dialect::Aggregated, "v2"),
            aggregated_beta: aggregated(Dialect::AggregatedBeta, "v2beta1"),
        }
    }

    fn get(&self, dialect: Dialect) -> &Document {
        match dialect {
            Dialect::Plain => &self.plain,
            Dialect::Aggregated => &self.aggregated,
            Dialect::AggregatedBeta => &self.aggregated_beta,
        }
    }
}

/// Sorts types into groups by name, versions by preference; types keep their order.
pub(super) fn by_group<'a>(
    types: impl IntoIterator<Item = &'a ResourceType>,
) -> BTreeMap<&'a str, Versions<'a>> {
    let mut groups: BTreeMap<&str, Versions<'_>> = BTreeMap::new();
    for it in types {
        let versions = groups.entry(&it.group).or_default();
        for version in &it.versions {
            match versions.iter_mut().find(|(name, _)| *name == version.name) {
                Some((_, types)) => types.push(it),
                None => versions.push((&version.name, vec![it])),
            }
        }
    }
    for versions in groups.values_mut() {
        versions.sort_by(|(a, _), (b, _)| by_preference(a, b));
    }
    groups
}

fn group_entry(name: &str, versions: &Versions<'_>) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|(number, _)| json!({"groupVersion": format!("{name}/{number}"), "version": number}))
        .collect();
    json!({"name": name, "versions": versions, "preferredVersion": versions.first()})
}

fn resource_list(group: &str, version: &str, types: &[&ResourceType]) -> Value {
    let resources: Vec<Value> = types
        .iter()
        .flat_map(|it| {
            let mut content = json!({
                "name": it.resource,
                "singularName": it.singular,
                "namespaced": it.namespaced,
                "kind": it.kind,
                "verbs": it.verbs(),
            });
            add_names(&mut content, it);
            let status = it.has_status.then(|| {
                json!({
                    "name": format!("{}/status", it.resource),
                    "singularName": "",
                    "namespaced": it.namespaced,
                    "kind": it.kind,
                    "verbs": STATUS_VERBS,
                })
            });
            std::iter::once(content).chain(status)
        })
        .collect();
    let separator = if group.is_empty() { "" } else { "/" };
    json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": format!("{group}{separator}{version}"),
        "resources": resources,
    })
}

fn aggregated_entry(group: &str, versions: &Versions<'_>) -> Value {
    let resource = |version: &str, it: &ResourceType| {
        let mut content = json!({
            "resource": it.resource,
            "singularResource": it.singular,
            "scope": if it.namespaced { "Namespaced" } else { "Cluster" },
            "responseKind": {"group": group, "version": version, "kind": it.kind},
            "verbs": it.verbs(),
        });
        if it.has_status {
            content["subresources"] = json!([{
                "subresource": "status",
                "responseKind": {"group": group, "version": version, "kind": it.kind},
                "verbs": STATUS_VERBS,
            }]);
        }
        add_names(&mut content, it);
        content
    };
    let versions: Vec<Value> = versions
        .iter()
        .map(|(number, types)| {
            let resources: Vec<Value> = types.iter().map(|it| resource(number, it)).collect();
            json!({"version": number, "resources": resources, "freshness": "Current"})
        })
        .collect();
    json!({"metadata": {"name": group}, "versions": versions})
}

/// Adds the names that only some types have.
fn add_names(content: &mut Value, it: &ResourceType) {
    if !it.short_names.is_empty() {
        content["shortNames"] = json!(it.short_names);
    }
    if !it.categories.is_empty() {
        content["categories"] = json!(it.categories);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::builtin;

    fn discovery() -> Discovery {
        Discovery::new(builtin::types().iter().chain([builtin::definition_type()]))
    }

    fn text(document: &Document) -> &str {
        std::str::from_utf8(&document.body).unwrap()
    }

    #[test]
    fn a_group_names_its_best_version_first() {
        assert_eq!(
            text(discovery().group("apis.kcp.io").unwrap()),
            r#"{"apiVersion":"v1","kind":"APIGroup","name":"apis.kcp.io","preferredVersion":{"groupVersion":"apis.kcp.io/v1alpha2","version":"v1alpha2"},"versions":[{"groupVersion":"apis.kcp.io/v1alpha2","version":"v1alpha2"},{"groupVersion":"apis.kcp.io/v1alpha1","version":"v1alpha1"}]}
"#
        );
        assert!(discovery().group("").is_none());
        assert!(discovery().group("nothing.kcp.io").is_none());
    }

    #[test]
    fn a_version_lists_its_types() {
        assert_eq!(
            text(discovery().version("apis.kcp.io", "v1alpha2").unwrap()),
            r#"{"apiVersion":"v1","groupVersion":"apis.kcp.io/v1alpha2","kind":"APIResourceList","resources":[{"categories":["kcp"],"kind":"APIExport","name":"apiexports","namespaced":false,"singularName":"apiexport","verbs":["create","delete","deletecollection","get","list","patch","update","watch"]}]}
"#
        );
        assert_eq!(
            text(discovery().version("apiextensions.k8s.io", "v1").unwrap()),
            r#"{"apiVersion":"v1","groupVersion":"apiextensions.k8s.io/v1","kind":"APIResourceList","resources":[{"categories":["api-extensions"],"kind":"CustomResourceDefinition","name":"customresourcedefinitions","namespaced":false,"shortNames":["crd","crds"],"singularName":"customresourcedefinition","verbs":["get","list","watch"]}]}
"#
        );
    }

    #[test]
    fn all_groups_are_listed_in_order() {
        let list: Value = serde_json::from_str(text(discovery().groups(Dialect::Plain))).unwrap();
        let names: Vec<&str> = list["groups"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["name"].as_str().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "admissionregistration.k8s.io",
                "apiextensions.k8s.io",
                "apis.kcp.io",
                "cache.kcp.io",
                "core.kcp.io",
                "migration.kcp.io",
                "rbac.authorization.k8s.io",
                "tenancy.kcp.io",
            ]
        );
    }

    #[test]
    fn the_aggregated_form_says_all_at_once() {
        let one = Discovery::new(builtin::find("rbac.authorization.k8s.io", "roles"));
        assert_eq!(
            text(one.groups(Dialect::Aggregated)),
            r#"{"apiVersion":"apidiscovery.k8s.io/v2","items":[{"metadata":{"name":"rbac.authorization.k8s.io"},"versions":[{"freshness":"Current","resources":[{"resource":"roles","responseKind":{"group":"rbac.authorization.k8s.io","kind":"Role","version":"v1"},"scope":"Namespaced","singularResource":"role","verbs":["create","delete","deletecollection","get","list","patch","update","watch"]}],"version":"v1"}]}],"kind":"APIGroupDiscoveryList","metadata":{}}
"#
        );
        assert_eq!(
            text(one.core(Dialect::AggregatedBeta)),
            r#"{"apiVersion":"apidiscovery.k8s.io/v2beta1","items":[],"kind":"APIGroupDiscoveryList","metadata":{}}
"#
        );
    }

    #[test]
    fn the_core_group_stands_apart() {
        let mut namespaces = builtin::types()[0].clone();
        namespaces.group.clear();
        namespaces.versions[0].name = "v1".to_owned();
        let core = Discovery::new([&namespaces]);
        assert_eq!(
            text(core.core(Dialect::Plain)),
            r#"{"kind":"APIVersions","serverAddressByClientCIDRs":[],"versions":["v1"]}
"#
        );
        assert!(text(core.version("", "v1").unwrap()).contains(r#""groupVersion":"v1""#));
        assert!(text(core.groups(Dialect::Plain)).contains(r#""groups":[]"#));
    }

    #[test]
    fn a_client_gets_the_first_dialect_that_we_speak() {
        let v2 = Dialect::Aggregated.content_type();
        let beta = Dialect::AggregatedBeta.content_type();
        for (accept, dialect) in [
            ("", Dialect::Plain),
            ("*/*", Dialect::Plain),
            ("application/json, */*", Dialect::Plain),
            (&*format!("{v2},{beta},application/json"), Dialect::Aggregated),
            (&*format!("{v2};profile=nopeer,{v2}"), Dialect::Aggregated),
            (&*format!("{beta},application/json"), Dialect::AggregatedBeta),
            (&*format!("application/json,{v2}"), Dialect::Plain),
            (
                "application/json;as=APIGroupDiscoveryList;v=v9;g=apidiscovery.k8s.io",
                Dialect::Plain,
            ),
        ] {
            assert_eq!(Dialect::from_accept(accept), dialect, "{accept}");
        }
    }

    #[test]
    fn equal_types_have_equal_etags() {
        assert_eq!(
            discovery().groups(Dialect::Plain).etag,
            discovery().groups(Dialect::Plain).etag
        );
        assert_ne!(
            discovery().groups(Dialect::Plain).etag,
            discovery().groups(Dialect::Aggregated).etag
        );
    }

    #[test]
    fn the_version_reads_as_one() {
        let said = version();
        let content: Value = serde_json::from_slice(&said.body).unwrap();
        assert_eq!(content["major"], "1");
        assert_eq!(content["gitVersion"], concat!("v1.36.0+kcpctl-", env!("CARGO_PKG_VERSION")));
    }
}
