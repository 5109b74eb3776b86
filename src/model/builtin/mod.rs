//! The types that every cache serves from its first start.
//!
//! They are the union over the kcp releases that use a cache of its own: 21 of
//! kcp's main branch, and the two that v0.30 to v0.32 had under other names. Each
//! applies to all shards and clusters.
//!
//! `table` holds the facts, one row a type; this file gives them the form that
//! the rest of the program works with.
//!
//! # What is absent on purpose
//!
//! No schemas and no subresources: a cache keeps what a shard sends.

mod table;

use std::sync::LazyLock;

use super::{Access, Column, ColumnKind, NameRule, ResourceType, Version};

/// The group of [`definition_type`].
pub const DEFINITION_GROUP: &str = "apiextensions.k8s.io";

/// The resource of [`definition_type`].
pub const DEFINITION_RESOURCE: &str = "customresourcedefinitions";

/// The annotation by which a definition asks for [`NameRule::PathSegment`].
pub const NAME_RULE_ANNOTATION: &str = "internal.kcp.io/validate-name";

/// The built-in types, in the order in which a cache creates their definitions.
pub fn types() -> &'static [ResourceType] {
    static TYPES: LazyLock<Vec<ResourceType>> =
        LazyLock::new(|| table::ROWS.iter().map(table::Row::to_type).collect());
    &TYPES
}

/// The built-in type that a request for `resource` in `group` means.
pub fn find(group: &str, resource: &str) -> Option<&'static ResourceType> {
    types().iter().find(|it| it.resource == resource && it.group == group)
}

/// The type of the definitions themselves: served, and read-only to clients.
pub fn definition_type() -> &'static ResourceType {
    static TYPE: LazyLock<ResourceType> = LazyLock::new(|| ResourceType {
        group: DEFINITION_GROUP.to_owned(),
        resource: DEFINITION_RESOURCE.to_owned(),
        kind: "CustomResourceDefinition".to_owned(),
        list_kind: "CustomResourceDefinitionList".to_owned(),
        singular: "customresourcedefinition".to_owned(),
        short_names: vec!["crd".to_owned(), "crds".to_owned()],
        namespaced: false,
        name_rule: NameRule::Subdomain,
        categories: vec!["api-extensions".to_owned()],
        versions: vec![Version {
            name: "v1".to_owned(),
            columns: vec![Column {
                name: "Created At".to_owned(),
                kind: ColumnKind::Timestamp,
                json_path: ".metadata.creationTimestamp".to_owned(),
                description: "When the definition was made".to_owned(),
                priority: 0,
            }],
            schema: None,
        }],
        storage_version: "v1".to_owned(),
        description: "Names, scope and versions of a type that this server knows.".to_owned(),
        annotations: Vec::new(),
        access: Access::ReadOnly,
        has_status: false,
    });
    &TYPE
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn there_are_23_and_no_two_share_a_path() {
        let paths: HashSet<_> = types().iter().map(ResourceType::qualified_name).collect();
        assert_eq!(paths.len(), 23);
    }

    #[test]
    fn names_follow_from_the_kind() {
        for it in types() {
            assert_eq!(it.singular, it.kind.to_lowercase());
            assert_eq!(it.list_kind, format!("{}List", it.kind));
            assert!(it.resource.starts_with(&it.singular[..it.singular.len() - 1]), "{}", it.kind);
            assert!(it.version(&it.storage_version).is_some(), "{}", it.kind);
            assert!(!it.description.is_empty() && it.short_names.is_empty(), "{}", it.kind);
        }
    }

    #[test]
    fn an_api_export_has_two_versions_and_prefers_the_one_it_is_stored_in() {
        let exports = find("apis.kcp.io", "apiexports").unwrap();
        let columns = |version: &str| -> Vec<_> {
            exports.version(version).unwrap().columns.iter().map(|it| it.name.as_str()).collect()
        };
        assert_eq!(exports.versions[0].name, "v1alpha2");
        assert_eq!(exports.storage_version, "v1alpha2");
        assert_eq!(columns("v1alpha1"), ["Age", "Ready"]);
        assert_eq!(columns("v1alpha2"), ["Age"]);
    }

    #[test]
    fn only_roles_and_their_bindings_are_namespaced_or_freely_named() {
        let named = |wanted: fn(&ResourceType) -> bool| -> Vec<_> {
            types().iter().filter(|it| wanted(it)).map(|it| it.resource.as_str()).collect()
        };
        assert_eq!(named(|it| it.namespaced), ["roles", "rolebindings"]);
        assert_eq!(
            named(|it| it.name_rule == NameRule::PathSegment),
            ["roles", "clusterroles", "rolebindings", "clusterrolebindings"]
        );
    }

    #[test]
    fn definitions_are_read_only() {
        assert_eq!(definition_type().verbs(), ["get", "list", "watch"]);
        assert!(find(DEFINITION_GROUP, DEFINITION_RESOURCE).is_none());
    }
}
