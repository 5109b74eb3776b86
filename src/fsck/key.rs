//! Which keys no request leads to.

use crate::model::{ClusterName, NameError, ShardName, builtin};
use crate::store::{KeyError, Keyspace, Origin, Place, TypeKey};

/// How many digits the identity of an export has: those of a SHA-256.
const IDENTITY_LEN: usize = 64;

/// What a key is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// A request leads there.
    Place(Place),
    /// A key of a known type, but no request leads there, and why.
    Poisoned(String),
    /// Nobody knows what it is, and why.
    Strange(String),
}

/// Judges a key. `home` is the shard and the cluster of the definitions.
pub(super) fn judge(keys: &Keyspace, key: &[u8], home: (&str, &str)) -> Verdict {
    let place = match keys.parse(key) {
        Ok(place) => place,
        Err(KeyError::Shape) => return misshapen(keys, key),
        Err(error) => return Verdict::Strange(error.to_string()),
    };
    let (shard, cluster, namespace, _) = place.parts();
    if place.kind.is_definitions() {
        return match namespace {
            None if (shard, cluster) == home => Verdict::Place(place),
            _ => Verdict::Strange("definitions lie elsewhere".to_owned()),
        };
    }
    let wrong = if shard.parse::<ShardName>().is_err() {
        Some(format!("no request can name the shard `{shard}`"))
    } else {
        match (cluster.parse::<ClusterName>(), namespaced(&place), namespace) {
            (Err(NameError::ClusterPath), ..) => {
                Some(format!("`{cluster}` is a path of workspaces, not a cluster"))
            }
            (Err(_), ..) => Some(format!("no request can name the cluster `{cluster}`")),
            (Ok(_), Some(true), None) => {
                Some("the shard, the cluster or the namespace is missing".to_owned())
            }
            (Ok(_), Some(false), Some(_)) => {
                Some("objects of this type have no namespace".to_owned())
            }
            _ => None,
        }
    };
    match wrong {
        None => Verdict::Place(place),
        Some(why) if is_known(&place.kind, &place.origin) => Verdict::Poisoned(why),
        Some(why) => Verdict::Strange(why),
    }
}

/// The place that `key` names, if a request for an object can lead there. Definitions of types
/// are no such objects.
pub fn reachable(keys: &Keyspace, key: &[u8]) -> Option<Place> {
    match judge(keys, key, ("", "")) {
        Verdict::Place(place) => Some(place),
        Verdict::Poisoned(_) | Verdict::Strange(_) => None,
    }
}

/// Whether objects of a built-in type live in namespaces.
fn namespaced(place: &Place) -> Option<bool> {
    if place.origin != Origin::BuiltIn {
        return None;
    }
    let (group, resource) = place.kind.parts();
    builtin::find(group, resource).map(|kind| kind.namespaced)
}

/// Whether this is certainly a type of a cache.
fn is_known(kind: &TypeKey, origin: &Origin) -> bool {
    let (group, resource) = kind.parts();
    match origin {
        Origin::BuiltIn => builtin::find(group, resource).is_some(),
        Origin::Identity(identity) => {
            let digit = |it: u8| matches!(it, b'0'..=b'9' | b'a'..=b'f');
            identity.len() == IDENTITY_LEN && identity.bytes().all(digit)
        }
        Origin::Definitions => false,
    }
}

/// A key with too few segments or too many, or with empty ones.
fn misshapen(keys: &Keyspace, key: &[u8]) -> Verdict {
    let strange = |why: &str| Verdict::Strange(why.to_owned());
    let rest = key.get(keys.prefix().len() + 1..).unwrap_or_default();
    // It was text when it was parsed.
    let segments: Vec<&str> = std::str::from_utf8(rest).unwrap_or_default().split('/').collect();
    let [group, resource, origin, path @ ..] = segments.as_slice() else {
        return strange("it is shorter than any key of a cache");
    };
    let kind = TypeKey::new(group, resource);
    if kind.is_definitions() || !is_known(&kind, &Origin::of_segment(origin)) {
        return strange("it has another form than the keys of a cache");
    }
    if path.len() > 4 {
        return strange("it has more segments than any key of a cache");
    }
    Verdict::Poisoned(match path.iter().filter(|it| !it.is_empty()).count() {
        0 | 1 => "the shard and the cluster are missing".to_owned(),
        _ => "the shard, the cluster or the name is missing".to_owned(),
    })
}
