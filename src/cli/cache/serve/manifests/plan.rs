//! Which cache server this is, and which shards use it. Pure.

use std::collections::BTreeMap;

use crate::api::{Document, Object, RootShard, effective_cache};
use crate::model::ShardName;

/// What kcp calls the root shard, whatever its object is called.
const ROOT: &str = "root";

/// The namespace of an object that names none.
const NAMESPACE: &str = "default";

/// The shards of one cache server.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Plan {
    /// The name of the cache server's object.
    pub(super) cache: String,
    /// The object of each shard by what kcp calls the shard.
    pub(super) shards: BTreeMap<ShardName, String>,
}

/// Objects that leave open what to do.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum PlanError {
    /// No cache server, or not the one that was named.
    #[error("there is no CacheServer{}", name.as_ref().map(|it| format!(" `{it}`")).unwrap_or_default())]
    NoCache {
        /// The name that was asked for.
        name: Option<String>,
    },
    /// Several cache servers.
    #[error("there are several CacheServers: {}", names.join(", "))]
    Several {
        /// Which.
        names: Vec<String>,
    },
    /// Two shards would write into the same space.
    #[error("`{first}` and `{second}` would both be the shard `{shard}` of this cache")]
    SameName {
        /// The one.
        first: String,
        /// The other.
        second: String,
        /// What kcp calls both.
        shard: String,
    },
    /// A shard's name is not one that a cache can hold.
    #[error("`{object}` cannot be the name of a shard in a cache")]
    Name {
        /// The shard.
        object: String,
    },
}

impl PlanError {
    /// What to do about it.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::NoCache { .. } => {
                "`kcpctl init installation` writes one, if told to use a cache server"
            }
            Self::Several { .. } => "say with `--name` which one this server is",
            Self::SameName { .. } => "give each installation a cache server of its own",
            Self::Name { .. } => "a shard's name has 1 to 61 lowercase letters, digits and `-`",
        }
    }
}

/// Finds the shards that use the cache server called `name`, or the only one.
pub(super) fn plan(documents: &[Document], name: Option<&str>) -> Result<Plan, PlanError> {
    let caches = documents.iter().filter_map(|it| match &it.object {
        Object::CacheServer(_) if name.is_none_or(|name| it.object.name() == name) => {
            Some((namespace(&it.object), it.object.name()))
        }
        _ => None,
    });
    let caches: Vec<_> = caches.collect();
    let (cache_namespace, cache) = match caches.as_slice() {
        [one] => *one,
        [] => return Err(PlanError::NoCache { name: name.map(ToOwned::to_owned) }),
        several => {
            let names = several.iter().map(|(namespace, name)| format!("{namespace}/{name}"));
            return Err(PlanError::Several { names: names.collect() });
        }
    };
    let here = |object: &&Object| namespace(object) == cache_namespace;
    let objects: Vec<&Object> = documents.iter().map(|it| &it.object).filter(here).collect();
    let roots: BTreeMap<&str, &RootShard> = objects
        .iter()
        .filter_map(|object| match object {
            Object::RootShard(root) => Some((object.name(), root.as_ref())),
            _ => None,
        })
        .collect();
    let mut plan = Plan { cache: cache.to_owned(), shards: BTreeMap::new() };
    for object in objects {
        let (kcp_name, used) = match object {
            Object::RootShard(root) => (ROOT, root.cache_name()),
            Object::Shard(shard) => {
                let root = shard.root_shard_name().and_then(|name| roots.get(name).copied());
                (object.name(), effective_cache(shard, root))
            }
            _ => continue,
        };
        if used != Some(cache) {
            continue;
        }
        let label = format!("{}/{}", object.kind_name(), object.name());
        let shard: ShardName =
            kcp_name.parse().map_err(|_| PlanError::Name { object: label.clone() })?;
        if let Some(first) = plan.shards.insert(shard, label.clone()) {
            let shard = kcp_name.to_owned();
            return Err(PlanError::SameName { first, second: label, shard });
        }
    }
    Ok(plan)
}

fn namespace(object: &Object) -> &str {
    object.namespace().filter(|it| !it.is_empty()).unwrap_or(NAMESPACE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::read_documents;

    fn cache(name: &str) -> String {
        format!(
            "apiVersion: operator.kcp.io/v1alpha1\nkind: CacheServer\nmetadata: {{name: {name}}}\n\
             spec: {{certificates: {{issuerRef: {{name: x}}}}}}\n---\n"
        )
    }

    fn root(name: &str, cache: &str) -> String {
        format!(
            "apiVersion: operator.kcp.io/v1alpha1\nkind: RootShard\nmetadata: {{name: {name}}}\n\
             spec:\n  external: {{hostname: a, port: 6443}}\n  certificates: {{issuerRef: {{name: x}}}}\n  \
             etcd: {{endpoints: [a]}}\n  cache: {cache}\n---\n"
        )
    }

    fn shard(name: &str, root: &str, cache: &str) -> String {
        format!(
            "apiVersion: operator.kcp.io/v1alpha1\nkind: Shard\nmetadata: {{name: {name}}}\n\
             spec:\n  rootShard: {{ref: {{name: {root}}}}}\n  etcd: {{endpoints: [a]}}\n  {cache}\n---\n"
        )
    }

    fn planned(text: &str, name: Option<&str>) -> Result<String, PlanError> {
        let plan = plan(&read_documents(text, "test").unwrap(), name)?;
        let shards = plan.shards.iter().map(|(name, object)| format!("{name}={object}"));
        Ok(format!("{}: {}", plan.cache, shards.collect::<Vec<_>>().join(" ")))
    }

    #[test]
    fn shards_use_their_own_cache_or_that_of_their_root() {
        let text = cache("main")
            + &cache("other")
            + &root("kcp", "{ref: {name: main}}")
            + &shard("a", "kcp", "")
            + &shard("b", "kcp", "cache: {ref: {name: other}}")
            + &shard("c", "elsewhere", "");
        assert_eq!(planned(&text, Some("main")).unwrap(), "main: a=Shard/a root=RootShard/kcp");
        assert_eq!(planned(&text, Some("other")).unwrap(), "other: b=Shard/b");
        let several = planned(&text, None).unwrap_err();
        assert_eq!(
            several.to_string(),
            "there are several CacheServers: default/main, default/other"
        );
        let none = planned(&text, Some("x")).unwrap_err();
        assert_eq!(none.to_string(), "there is no CacheServer `x`");
        // An embedded cache is nobody's business here.
        let embedded = cache("main") + &root("kcp", "{}") + &shard("a", "kcp", "");
        assert_eq!(planned(&embedded, None).unwrap(), "main: ");
    }

    #[test]
    fn two_shards_of_one_name_are_refused() {
        let one = cache("main") + &root("kcp", "{ref: {name: main}}");
        let two = one.clone() + &root("more", "{ref: {name: main}}");
        assert_eq!(
            planned(&two, None).unwrap_err().to_string(),
            "`RootShard/kcp` and `RootShard/more` would both be the shard `root` of this cache"
        );
        let two = one.clone() + &shard("root", "kcp", "");
        assert!(matches!(planned(&two, None), Err(PlanError::SameName { .. })));
        let dotted = one + &shard("a.b", "kcp", "");
        assert!(matches!(planned(&dotted, None), Err(PlanError::Name { .. })));
    }
}
