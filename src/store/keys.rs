//! The layout of keys, which is that of the original on every backend.
//!
//! ```text
//! {prefix}/{group}/{resource}[/{origin}]/{shard}/{cluster}[/{namespace}]/{name}
//! ```
//!
//! A segment never holds a slash, so that a prefix that ends in one is a range:
//! all of a type, all of a shard, all of a cluster.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

/// A type, as keys name it: `group/resource`, with `core` for the core group.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TypeKey(Arc<str>);

/// The types whose objects are definitions of other types. Their keys have no origin.
const DEFINITIONS: &str = "apiextensions.k8s.io/customresourcedefinitions";

/// What the core group is called in a key.
const CORE: &str = "core";

/// Where the type of an object comes from.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Origin {
    /// The objects are definitions themselves; nothing stands in the key.
    Definitions,
    /// A built-in definition, written `customresources`.
    BuiltIn,
    /// A user's type, named by the identity of its export.
    Identity(Arc<str>),
}

/// What the origin of a built-in type is called in a key.
const BUILT_IN: &str = "customresources";

/// Where one object lives.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Place {
    /// Its type.
    pub kind: TypeKey,
    /// Where the type comes from.
    pub origin: Origin,
    /// `shard/cluster[/namespace]/name`, the order in which lists are sorted.
    pub path: Arc<str>,
}

/// The prefix that all keys of one plane share.
#[derive(Clone, Debug)]
pub struct Keyspace {
    prefix: String,
}

/// A stored key that is not of this layout.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyError {
    /// Not UTF-8.
    #[error("key is not text")]
    NotText,
    /// The prefix is another one.
    #[error("key is not below `{prefix}/`")]
    Prefix {
        /// The prefix that was expected.
        prefix: String,
    },
    /// Too few or too many segments, or an empty one.
    #[error("expected `group/resource/origin/shard/cluster[/namespace]/name`")]
    Shape,
}

impl TypeKey {
    /// The type `resource` of `group`.
    pub fn new(group: &str, resource: &str) -> Self {
        let group = if group.is_empty() { CORE } else { group };
        Self(format!("{group}/{resource}").into())
    }

    /// `group/resource`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The group, empty for the core group, and the resource.
    pub fn parts(&self) -> (&str, &str) {
        let (group, resource) = self.0.split_once('/').unwrap_or(("", &self.0));
        (if group == CORE { "" } else { group }, resource)
    }

    /// Whether its objects are definitions of other types.
    pub fn is_definitions(&self) -> bool {
        &*self.0 == DEFINITIONS
    }
}

impl fmt::Display for TypeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Origin {
    /// How keys write it; empty where nothing stands in the key.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Definitions => "",
            Self::BuiltIn => BUILT_IN,
            Self::Identity(identity) => identity,
        }
    }

    /// The origin that a segment of a key names.
    pub fn of_segment(segment: &str) -> Self {
        if segment == BUILT_IN { Self::BuiltIn } else { Self::Identity(segment.into()) }
    }
}

impl Place {
    /// The shard, the cluster, the namespace if there is one, and the name.
    pub fn parts(&self) -> (&str, &str, Option<&str>, &str) {
        split_path(&self.path)
    }
}

/// Takes `shard/cluster[/namespace]/name` apart.
pub fn split_path(path: &str) -> (&str, &str, Option<&str>, &str) {
    let (shard, rest) = path.split_once('/').unwrap_or((path, ""));
    let (cluster, rest) = rest.split_once('/').unwrap_or((rest, ""));
    match rest.split_once('/') {
        Some((namespace, name)) => (shard, cluster, Some(namespace), name),
        None => (shard, cluster, None, rest),
    }
}

impl Keyspace {
    /// The keys below `prefix`, which begins with a slash and ends with none.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }

    /// The prefix, without a slash at its end.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The key of `place`.
    pub fn key(&self, place: &Place) -> Bytes {
        let origin = place.origin.as_str();
        let slash = usize::from(!origin.is_empty());
        let mut key = Vec::with_capacity(
            self.prefix.len() + place.kind.0.len() + origin.len() + place.path.len() + 2 + slash,
        );
        key.extend_from_slice(self.prefix.as_bytes());
        key.push(b'/');
        key.extend_from_slice(place.kind.0.as_bytes());
        key.push(b'/');
        key.extend_from_slice(origin.as_bytes());
        key.extend_from_slice(&b"/"[..slash]);
        key.extend_from_slice(place.path.as_bytes());
        Bytes::from(key)
    }

    /// The place that `key` names.
    pub fn parse(&self, key: &[u8]) -> Result<Place, KeyError> {
        let text = std::str::from_utf8(key).map_err(|_| KeyError::NotText)?;
        let rest = text
            .strip_prefix(self.prefix.as_str())
            .and_then(|rest| rest.strip_prefix('/'))
            .ok_or_else(|| KeyError::Prefix { prefix: self.prefix.clone() })?;
        let mut slashes = rest.match_indices('/').map(|(at, _)| at);
        let (Some(_), Some(kind_end)) = (slashes.next(), slashes.next()) else {
            return Err(KeyError::Shape);
        };
        let (kind, rest) = (&rest[..kind_end], &rest[kind_end + 1..]);
        let kind = TypeKey(kind.into());
        let (origin, path) = if kind.is_definitions() {
            (Origin::Definitions, rest)
        } else {
            let (origin, path) = rest.split_once('/').ok_or(KeyError::Shape)?;
            (Origin::of_segment(origin), path)
        };
        let segments = path.split('/').count();
        if !(3..=4).contains(&segments) || text[1..].split('/').any(str::is_empty) {
            return Err(KeyError::Shape);
        }
        Ok(Place { kind, origin, path: path.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_original() {
        let keys = Keyspace::new("/cache");
        for key in [
            "/cache/apiextensions.k8s.io/customresourcedefinitions/system:cache:server/system:system-crds/apiexports.apis.kcp.io",
            "/cache/apis.kcp.io/apiexports/customresources/root/root/tenancy.kcp.io",
            "/cache/rbac.authorization.k8s.io/roles/customresources/shard-1/2cynbfy2m0wtjqcs/default/reader",
            "/cache/core/namespaces/0123abcd/root/2cynbfy2m0wtjqcs/ns1",
        ] {
            let place = keys.parse(key.as_bytes()).unwrap();
            assert_eq!(keys.key(&place), key);
        }
        let role = keys
            .parse(b"/cache/rbac.authorization.k8s.io/roles/customresources/s/c/ns/system:x")
            .unwrap();
        assert_eq!(role.parts(), ("s", "c", Some("ns"), "system:x"));
        assert_eq!(role.kind.parts(), ("rbac.authorization.k8s.io", "roles"));
    }

    #[test]
    fn a_key_of_another_shape_is_refused() {
        let keys = Keyspace::new("/cache");
        for (key, error) in [
            ("/cache/apis.kcp.io/apiexports/customresources/root/x", KeyError::Shape),
            ("/cache/apis.kcp.io/apiexports/customresources/a/b/c/d/e", KeyError::Shape),
            ("/cache/apis.kcp.io/apiexports/customresources/a//c", KeyError::Shape),
            ("/cache/apis.kcp.io", KeyError::Shape),
            ("/cachex/a/b/c/d/e/f", KeyError::Prefix { prefix: "/cache".into() }),
        ] {
            assert_eq!(keys.parse(key.as_bytes()), Err(error), "{key}");
        }
    }
}
