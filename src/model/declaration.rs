//! The objects by which users' types come into a cache.
//!
//! A shard that replicates the objects of a type that an export defines puts one
//! `ClusterCachedResource` into the cache first; kcp v0.30 to v0.32 call it
//! `CachedResource`. Once it names its identity, kind and scope, the type is served.

use std::borrow::Cow;

use serde::Deserialize;

use super::names::{is_dns_label, is_dns_subdomain};

/// The group of the types whose objects declare types.
pub const DECLARING_GROUP: &str = "cache.kcp.io";

/// Those types, under the names that kcp gave them one after the other.
pub const DECLARING_RESOURCES: [&str; 2] = ["clustercachedresources", "cachedresources"];

/// The annotation that says the kind.
pub const KIND_ANNOTATION: &str = "cache.kcp.io/resource-kind";

/// The annotation that says the scope: `Cluster` or `Namespaced`.
pub const SCOPE_ANNOTATION: &str = "cache.kcp.io/resource-scope";

/// The longest identity, in bytes; kcp's are 64 digits.
const IDENTITY_LEN_MAX: usize = 253;

/// The longest kind, in bytes, as for a definition.
const KIND_LEN_MAX: usize = 63;

/// The name of the core group, where it needs one.
const CORE: &str = "core";

/// What stands in keys in the place of an identity for built-in types.
const RESERVED_IDENTITY: &str = "customresources";

/// One version of a user's type, as one object declares it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Declaration {
    /// The group; empty for the core group.
    pub group: String,
    /// The version.
    pub version: String,
    /// The plural name.
    pub resource: String,
    /// The identity of the export that defines the type.
    pub identity: String,
    /// The kind.
    pub kind: String,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// When the declaring object was made, as it says.
    pub created: String,
}

/// A declaration that can never be served.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{field}: {expected}, not {given:?}")]
pub struct DeclarationError {
    /// The field.
    pub field: &'static str,
    /// What it must be.
    pub expected: &'static str,
    /// What it is.
    pub given: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Object<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    spec: Spec<'a>,
    status: Status<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow)]
    annotations: Annotations<'a>,
    creation_timestamp: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Annotations<'a> {
    #[serde(borrow, rename = "cache.kcp.io/resource-kind")]
    kind: Cow<'a, str>,
    #[serde(borrow, rename = "cache.kcp.io/resource-scope")]
    scope: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec<'a> {
    #[serde(borrow)]
    group: Cow<'a, str>,
    #[serde(borrow)]
    version: Cow<'a, str>,
    #[serde(borrow)]
    resource: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status<'a> {
    #[serde(borrow)]
    identity_hash: Cow<'a, str>,
}

impl Declaration {
    /// Reads what `json`, an object of a declaring type, declares; nothing while it is
    /// not complete.
    pub fn read(json: &[u8]) -> Result<Option<Self>, DeclarationError> {
        // What cannot be read says nothing yet: nobody checks these objects against a schema.
        let Ok(Object { metadata, spec, status }) = serde_json::from_slice(json) else {
            return Ok(None);
        };
        let Annotations { kind, scope } = metadata.annotations;
        if [&kind, &scope, &status.identity_hash].into_iter().any(|it| it.is_empty()) {
            return Ok(None);
        }
        let group = if spec.group == CORE { Cow::Borrowed("") } else { spec.group };
        let subdomain = |group: &str| group.is_empty() || is_dns_subdomain(group);
        let label = "must be lowercase letters, digits and `-`";
        check("spec.group", &group, subdomain(&group), "must be a lowercase domain name")?;
        check("spec.version", &spec.version, is_dns_label(&spec.version), label)?;
        check("spec.resource", &spec.resource, is_dns_label(&spec.resource), label)?;
        check(KIND_ANNOTATION, &kind, is_kind(&kind), "must be letters and digits")?;
        let identity = status.identity_hash;
        let expected = "must be letters, digits, `-`, `_` and `.`";
        check("status.identityHash", &identity, is_identity(&identity), expected)?;
        Ok(Some(Self {
            group: group.into_owned(),
            version: spec.version.into_owned(),
            resource: spec.resource.into_owned(),
            identity: identity.into_owned(),
            kind: kind.into_owned(),
            namespaced: scope == "Namespaced",
            created: metadata.creation_timestamp.into_owned(),
        }))
    }
}

fn check(
    field: &'static str,
    given: &str,
    is_legal: bool,
    expected: &'static str,
) -> Result<(), DeclarationError> {
    if is_legal {
        return Ok(());
    }
    Err(DeclarationError { field, expected, given: given.chars().take(80).collect() })
}

/// It is written into JSON and into paths as it is.
fn is_kind(kind: &str) -> bool {
    kind.len() <= KIND_LEN_MAX
        && kind.starts_with(|it: char| it.is_ascii_alphabetic())
        && kind.bytes().all(|it| it.is_ascii_alphanumeric())
}

/// It is a segment of keys, where one name is taken.
fn is_identity(identity: &str) -> bool {
    let legal = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'.');
    identity.len() <= IDENTITY_LEN_MAX
        && identity.bytes().all(legal)
        && !matches!(identity, "." | ".." | RESERVED_IDENTITY)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object() -> Value {
        json!({
            "apiVersion": "cache.kcp.io/v1alpha1",
            "kind": "ClusterCachedResource",
            "metadata": {
                "name": "x",
                "creationTimestamp": "2026-01-02T03:04:05Z",
                "annotations": {KIND_ANNOTATION: "Instance", SCOPE_ANNOTATION: "Cluster", "a": "b"},
            },
            "spec": {"group": "m.io", "version": "v1", "resource": "instances", "more": [1]},
            "status": {"identityHash": "ab12", "resourceCounts": {"cache": 1}},
        })
    }

    fn read(pointer: &str, value: Value) -> Result<Option<Declaration>, DeclarationError> {
        let mut object = object();
        *object.pointer_mut(pointer).unwrap() = value;
        Declaration::read(object.to_string().as_bytes())
    }

    #[test]
    fn a_complete_object_declares_a_version_of_a_type() {
        let declared = read("/metadata/name", json!("y")).unwrap().unwrap();
        assert_eq!(
            declared,
            Declaration {
                group: "m.io".to_owned(),
                version: "v1".to_owned(),
                resource: "instances".to_owned(),
                identity: "ab12".to_owned(),
                kind: "Instance".to_owned(),
                namespaced: false,
                created: "2026-01-02T03:04:05Z".to_owned(),
            }
        );
        for group in ["", "core"] {
            assert_eq!(read("/spec/group", json!(group)).unwrap().unwrap().group, "");
        }
        let scope = "/metadata/annotations/cache.kcp.io~1resource-scope";
        assert!(read(scope, json!("Namespaced")).unwrap().unwrap().namespaced);
        assert!(!read(scope, json!("Galactic")).unwrap().unwrap().namespaced);
    }

    #[test]
    fn an_object_that_is_not_complete_declares_nothing() {
        for (pointer, value) in [
            ("/status/identityHash", json!("")),
            ("/status/identityHash", json!(7)),
            ("/status", json!({})),
            ("/status", json!("none")),
            ("/metadata/annotations", json!({})),
            ("/metadata/annotations", json!({KIND_ANNOTATION: "Instance"})),
            ("/metadata/annotations", json!({SCOPE_ANNOTATION: "Cluster"})),
            ("/spec", json!("text")),
        ] {
            assert_eq!(read(pointer, value.clone()), Ok(None), "{pointer} {value}");
        }
        assert_eq!(Declaration::read(b"no JSON"), Ok(None));
    }

    #[test]
    fn what_has_no_place_in_a_path_or_a_key_is_refused() {
        let kind = "/metadata/annotations/cache.kcp.io~1resource-kind";
        for (pointer, given) in [
            ("/spec/group", "Not A Group"),
            ("/spec/group", "a..b"),
            ("/spec/version", ""),
            ("/spec/version", "v/1"),
            ("/spec/resource", ""),
            ("/spec/resource", "Instances"),
            ("/spec/resource", "a:b"),
            (kind, "In\"stance"),
            (kind, "1st"),
            ("/status/identityHash", "a/b"),
            ("/status/identityHash", ".."),
            ("/status/identityHash", "customresources"),
            ("/status/identityHash", &"x".repeat(254)),
        ] {
            let error = read(pointer, json!(given)).unwrap_err();
            assert_eq!(error.given, given[..given.len().min(80)], "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Declaration::read(&bytes);
        }
    }
}
