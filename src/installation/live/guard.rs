//! Changes after which shards would see another cache than before.
//!
//! A shard takes its cache for the truth about all other shards: from an empty one it concludes
//! that nothing is there. So nobody is pointed at another cache by the way.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use super::{called, text};

/// An object that would use another cache.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CacheChange {
    /// Kind and name.
    pub object: String,
    /// The cache of now.
    pub from: String,
    /// The cache that is wanted.
    pub to: String,
}

impl fmt::Display for CacheChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { object, from, to } = self;
        write!(f, "{object} would leave {from} for {to}")
    }
}

/// What `wanted` would change about the caches of the shards in `live`.
pub fn cache_changes(live: &[Value], wanted: &[Value]) -> Vec<CacheChange> {
    let same = |one: &Value, two: &Value| {
        ["/kind", "/metadata/namespace", "/metadata/name"]
            .iter()
            .all(|it| text(one, it) == text(two, it))
    };
    // What there will be: what is wanted, and what is there beside it.
    let mut after: Vec<Value> = wanted.to_vec();
    after.extend(live.iter().filter(|it| !wanted.iter().any(|other| same(it, other))).cloned());
    let shards = live.iter().filter(|it| ["RootShard", "Shard"].contains(&text(it, "/kind")));
    shards
        .filter_map(|now| {
            let then = after.iter().find(|it| same(it, now))?;
            let (from, to) = (Cache::of(now, live), Cache::of(then, &after));
            (from != to).then(|| CacheChange {
                object: called(now),
                from: from.to_string(),
                to: to.to_string(),
            })
        })
        .collect()
}

/// A cache: where it stores is what it is. One that stores nowhere is itself.
struct Cache<'a> {
    name: &'a str,
    etcd: Option<(BTreeSet<&'a str>, &'a str)>,
}

impl PartialEq for Cache<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (&self.etcd, &other.etcd) {
            (None, None) => self.name == other.name,
            (one, two) => one == two,
        }
    }
}

impl<'a> Cache<'a> {
    fn of(shard: &'a Value, objects: &'a [Value]) -> Self {
        let namespace = text(shard, "/metadata/namespace");
        let find = |kind: &str, name: &str| {
            objects.iter().find(|it| {
                text(it, "/kind") == kind
                    && text(it, "/metadata/name") == name
                    && text(it, "/metadata/namespace") == namespace
            })
        };
        let own = text(shard, "/spec/cache/ref/name");
        let root = find("RootShard", text(shard, "/spec/rootShard/ref/name"));
        let inherited = root.map_or("", |it| text(it, "/spec/cache/ref/name"));
        let name = if own.is_empty() { inherited } else { own };
        let etcd = find("CacheServer", name).filter(|_| !name.is_empty()).and_then(|it| {
            let endpoints = it.pointer("/spec/etcd/endpoints")?.as_array()?;
            let endpoints = endpoints.iter().filter_map(Value::as_str).collect();
            Some((endpoints, text(it, "/spec/etcd/prefix")))
        });
        Self { name, etcd }
    }
}

impl fmt::Display for Cache<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name, &self.etcd) {
            ("", _) => f.write_str("the cache inside the root shard"),
            (name, None) => write!(f, "CacheServer/{name}, which stores in itself"),
            (name, Some((endpoints, prefix))) => {
                let first = endpoints.first().copied().unwrap_or("no etcd");
                write!(f, "CacheServer/{name}, which stores in {first}{prefix}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(kind: &str, name: &str, spec: &Value) -> Value {
        json!({ "kind": kind, "metadata": { "name": name, "namespace": "demo" }, "spec": spec })
    }

    fn root(cache: &str) -> Value {
        object("RootShard", "root", &json!({ "cache": { "ref": { "name": cache } } }))
    }

    fn shard(cache: &Value) -> Value {
        object(
            "Shard",
            "one",
            &json!({ "rootShard": { "ref": { "name": "root" } }, "cache": cache }),
        )
    }

    fn cache(name: &str, etcd: &str) -> Value {
        object("CacheServer", name, &json!({ "etcd": { "endpoints": [etcd] } }))
    }

    #[test]
    fn a_change_of_the_root_shard_changes_what_shards_inherit() {
        let live = [root("a"), shard(&json!(null)), cache("a", "x"), cache("b", "y")];
        let found = cache_changes(&live, &[root("b")]);
        let objects: Vec<_> = found.iter().map(|it| it.object.as_str()).collect();
        assert_eq!(objects, ["RootShard/root", "Shard/one"]);
        assert_eq!(
            found[1].to_string(),
            "Shard/one would leave CacheServer/a, which stores in x for CacheServer/b, which \
             stores in y"
        );
    }

    #[test]
    fn another_server_on_the_same_etcd_is_the_same_cache() {
        let live = [root("a"), cache("a", "x")];
        assert_eq!(cache_changes(&live, &[root("b"), cache("b", "x")]), []);
        // The same server on another etcd is not.
        assert_eq!(cache_changes(&live, &[cache("a", "y")]).len(), 1);
        // A server without an etcd has a cache of its own, and the one inside a root shard too.
        let inside = [root("")];
        assert_eq!(cache_changes(&inside, &[root("a"), cache("a", "x")]).len(), 1);
    }

    #[test]
    fn what_is_new_or_stays_changes_nothing() {
        let live = [root("a"), cache("a", "x")];
        let more = [root("a"), shard(&json!({ "ref": { "name": "a" } })), cache("a", "x")];
        assert_eq!(cache_changes(&live, &more), []);
        assert_eq!(cache_changes(&[], &more), []);
    }
}
