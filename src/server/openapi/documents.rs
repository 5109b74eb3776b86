//! The index and the documents of one set of types, rendered once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{operations, schemas};
use crate::model::ResourceType;
use crate::server::discovery::{Document, Versions, by_group};

const CONTENT_TYPE: &str = "application/json";

/// All documents about one set of types.
#[derive(Clone, Debug)]
pub struct OpenApi {
    index: Document,
    documents: BTreeMap<String, Document>,
}

impl OpenApi {
    /// Renders every document about `types`.
    pub fn new<'a>(types: impl IntoIterator<Item = &'a ResourceType>) -> Self {
        Self::render(by_group(types), |_| true, BTreeMap::new())
    }

    /// The documents about the types of these and `more`, of which only those are
    /// rendered that `more` has a part in. `base` are the types of these.
    #[must_use]
    pub fn with<'a>(&self, base: &[&'a ResourceType], more: &[&'a ResourceType]) -> Self {
        let touched: BTreeSet<String> = more
            .iter()
            .flat_map(|it| it.versions.iter().map(|version| name(&it.group, &version.name)))
            .collect();
        let types = base.iter().chain(more).copied();
        Self::render(by_group(types), |name| touched.contains(name), self.documents.clone())
    }

    fn render(
        groups: BTreeMap<&str, Versions<'_>>,
        wanted: impl Fn(&str) -> bool,
        mut documents: BTreeMap<String, Document>,
    ) -> Self {
        for (group, versions) in groups {
            for (version, types) in versions {
                let name = name(group, version);
                if wanted(&name) {
                    let content = content(group, version, &types);
                    documents.insert(name, Document::new(CONTENT_TYPE, &content));
                }
            }
        }
        // Rooted here and nowhere else: clients put the path of their server before it, which
        // for a scope of the cache plane is `/services/cache/shards/…/clusters/…`.
        let paths: Map<String, Value> = documents
            .iter()
            .map(|(name, it)| {
                let url = format!("/openapi/v3/{name}?hash={}", it.etag);
                (name.clone(), json!({ "serverRelativeURL": url }))
            })
            .collect();
        Self { index: Document::new(CONTENT_TYPE, &json!({ "paths": paths })), documents }
    }

    /// What `/openapi/v3` answers.
    pub fn index(&self) -> &Document {
        &self.index
    }

    /// What `/openapi/v3/{name}` answers, where `name` is such as `apis/apis.kcp.io/v1alpha1`.
    ///
    /// A request may carry `?hash=`; one that equals the document's etag may be cached for ever.
    pub fn document(&self, name: &str) -> Option<&Document> {
        self.documents.get(name)
    }
}

fn name(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

fn content(group: &str, version: &str, types: &[&ResourceType]) -> Value {
    let root = format!("/{}", name(group, version));
    let mut paths = Map::new();
    let mut components = schemas::common();
    for it in types {
        paths.extend(operations::paths(it, version, &root));
        components.extend(schemas::of_type(it, version));
    }
    json!({
        "openapi": "3.0.0",
        "info": {"title": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION")},
        "paths": paths,
        "components": {"schemas": components},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::builtin;

    fn types() -> impl Iterator<Item = &'static ResourceType> {
        builtin::types().iter().chain([builtin::definition_type()])
    }

    fn parsed(document: &Document) -> Value {
        serde_json::from_slice(&document.body).unwrap()
    }

    #[test]
    fn the_index_names_every_document_by_its_hash() {
        let documents = OpenApi::new(types());
        let index = parsed(documents.index());
        let names: Vec<&str> =
            index["paths"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "apis/admissionregistration.k8s.io/v1",
                "apis/apiextensions.k8s.io/v1",
                "apis/apis.kcp.io/v1alpha1",
                "apis/apis.kcp.io/v1alpha2",
                "apis/cache.kcp.io/v1alpha1",
                "apis/core.kcp.io/v1alpha1",
                "apis/migration.kcp.io/v1alpha1",
                "apis/rbac.authorization.k8s.io/v1",
                "apis/tenancy.kcp.io/v1alpha1",
            ]
        );
        for name in names {
            let document = documents.document(name).unwrap();
            assert_eq!(
                index["paths"][name]["serverRelativeURL"],
                format!("/openapi/v3/{name}?hash={}", document.etag)
            );
            assert_eq!(OpenApi::new(types()).document(name).unwrap(), document);
        }
        assert!(documents.document("apis/apis.kcp.io/v1").is_none());
    }

    #[test]
    fn documents_with_more_types_are_those_of_all_of_them() {
        let mut more = builtin::types()[0].clone();
        "things".clone_into(&mut more.resource);
        "Thing".clone_into(&mut more.kind);
        let mut apart = more.clone();
        apart.group.clear();
        let (base, more) = (types().collect::<Vec<_>>(), [&more, &apart]);
        let joined = OpenApi::new(types()).with(&base, &more);
        let all = OpenApi::new(base.iter().chain(&more).copied());
        assert_eq!(joined.index(), all.index());
        assert_eq!(joined.documents, all.documents);
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
            match value {
                Value::Object(members) => members.iter().for_each(|(key, it)| match it.as_str() {
                    Some(target) if key == "$ref" => found.push(target),
                    _ => references(it, found),
                }),
                Value::Array(items) => items.iter().for_each(|it| references(it, found)),
                _ => {}
            }
        }
        for document in OpenApi::new(types()).documents.values() {
            let content = parsed(document);
            let mut found = Vec::new();
            references(&content, &mut found);
            assert!(!found.is_empty());
            for target in found {
                let pointer = target.strip_prefix('#').unwrap();
                assert!(content.pointer(pointer).is_some(), "{target}");
            }
        }
    }

    #[test]
    fn what_kubectl_looks_for_before_it_writes_is_there() {
        let documents = OpenApi::new(types());
        for it in builtin::types() {
            for version in &it.versions {
                let content = parsed(documents.document(&name(&it.group, &version.name)).unwrap());
                let kind = json!({"group": it.group, "version": version.name, "kind": it.kind});
                let patch = content["paths"]
                    .as_object()
                    .unwrap()
                    .values()
                    .map(|path| &path["patch"])
                    .find(|patch| patch["x-kubernetes-group-version-kind"] == kind)
                    .unwrap();
                let parameters = patch["parameters"].as_array().unwrap();
                for wanted in ["fieldValidation", "dryRun"] {
                    assert!(
                        parameters.iter().any(|it| it["name"] == wanted && it["in"] == "query"),
                        "{} {wanted}",
                        it.kind
                    );
                }
                let schemas = content["components"]["schemas"].as_object().unwrap();
                assert!(
                    schemas.values().any(|schema| {
                        schema["x-kubernetes-group-version-kind"] == json!([kind])
                    })
                );
            }
        }
    }

    #[test]
    fn a_core_type_has_its_document_below_api() {
        let mut namespaces = builtin::types()[0].clone();
        namespaces.group.clear();
        let documents = OpenApi::new([&namespaces]);
        let content = parsed(documents.document("api/v1alpha1").unwrap());
        assert!(content["paths"].get("/api/v1alpha1/apiresourceschemas/{name}").is_some());
    }
}
