//! Any of the operator's objects, and which cache a shard uses.

use serde_json::Value;

use super::{API_VERSION, CacheServer, FrontProxy, Kubeconfig, RootShard, Shard, VirtualWorkspace};

/// The kinds of `operator.kcp.io/v1alpha1`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// A cache server.
    CacheServer,
    /// The root shard.
    RootShard,
    /// Another shard.
    Shard,
    /// A front-proxy.
    FrontProxy,
    /// A server of virtual workspaces.
    VirtualWorkspace,
    /// A kubeconfig.
    Kubeconfig,
}

impl Kind {
    /// Every kind, in the order in which objects are best created.
    pub const ALL: [Self; 6] = [
        Self::CacheServer,
        Self::RootShard,
        Self::Shard,
        Self::FrontProxy,
        Self::VirtualWorkspace,
        Self::Kubeconfig,
    ];

    /// The kind, as `kind` has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CacheServer => "CacheServer",
            Self::RootShard => "RootShard",
            Self::Shard => "Shard",
            Self::FrontProxy => "FrontProxy",
            Self::VirtualWorkspace => "VirtualWorkspace",
            Self::Kubeconfig => "Kubeconfig",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }
}

/// The typed view of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    /// A cache server.
    CacheServer(Box<CacheServer>),
    /// The root shard.
    RootShard(Box<RootShard>),
    /// Another shard.
    Shard(Box<Shard>),
    /// A front-proxy.
    FrontProxy(Box<FrontProxy>),
    /// A server of virtual workspaces.
    VirtualWorkspace(Box<VirtualWorkspace>),
    /// A kubeconfig.
    Kubeconfig(Box<Kubeconfig>),
    /// An object of another group, such as a Secret: only its tree is known.
    Other {
        /// Its `apiVersion`.
        api_version: String,
        /// Its `kind`.
        kind: String,
        /// Its name, if it has one.
        name: Option<String>,
        /// Its namespace, if it names one.
        namespace: Option<String>,
    },
}

/// Does the same for each of the six kinds.
macro_rules! each {
    ($object:expr, $it:ident => $do:expr, other => $other:expr) => {
        match $object {
            Object::CacheServer($it) => $do,
            Object::RootShard($it) => $do,
            Object::Shard($it) => $do,
            Object::FrontProxy($it) => $do,
            Object::VirtualWorkspace($it) => $do,
            Object::Kubeconfig($it) => $do,
            Object::Other { .. } => $other,
        }
    };
}

impl Object {
    /// The kind, if it is one of the operator's.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::CacheServer(_) => Some(Kind::CacheServer),
            Self::RootShard(_) => Some(Kind::RootShard),
            Self::Shard(_) => Some(Kind::Shard),
            Self::FrontProxy(_) => Some(Kind::FrontProxy),
            Self::VirtualWorkspace(_) => Some(Kind::VirtualWorkspace),
            Self::Kubeconfig(_) => Some(Kind::Kubeconfig),
            Self::Other { .. } => None,
        }
    }

    /// The kind, as `kind` has it.
    pub fn kind_name(&self) -> &str {
        match self {
            Self::Other { kind, .. } => kind,
            known => known.kind().map_or("", Kind::as_str),
        }
    }

    /// The `apiVersion`.
    pub fn api_version(&self) -> &str {
        match self {
            Self::Other { api_version, .. } => api_version,
            _ => API_VERSION,
        }
    }

    /// The name, empty if there is none.
    pub fn name(&self) -> &str {
        if let Self::Other { name, .. } = self {
            return name.as_deref().unwrap_or_default();
        }
        each!(self, it => it.metadata.name.as_deref().unwrap_or_default(), other => "")
    }

    /// The namespace, if one is named.
    pub fn namespace(&self) -> Option<&str> {
        if let Self::Other { namespace, .. } = self {
            return namespace.as_deref();
        }
        each!(self, it => it.metadata.namespace.as_deref(), other => None)
    }

    /// Puts the object into a namespace.
    pub fn set_namespace(&mut self, value: &str) {
        if let Self::Other { namespace, .. } = self {
            *namespace = Some(value.to_owned());
            return;
        }
        each!(self, it => it.metadata.namespace = Some(value.to_owned()), other => ());
    }

    /// The object as a tree; nothing for an object whose type is not known.
    ///
    /// # Errors
    ///
    /// None in practice: the types hold nothing that JSON cannot say.
    pub fn to_tree(&self) -> serde_json::Result<Option<Value>> {
        each!(self, it => serde_json::to_value(it).map(Some), other => Ok(None))
    }
}

impl RootShard {
    /// The `CacheServer` that the root shard names.
    pub fn cache_name(&self) -> Option<&str> {
        self.spec.cache.reference.as_ref().map(|it| it.name.as_str()).filter(|it| !it.is_empty())
    }
}

impl Shard {
    /// The `CacheServer` that the shard itself names.
    pub fn cache_name(&self) -> Option<&str> {
        let reference = self.spec.cache.as_ref()?.reference.as_ref()?;
        Some(reference.name.as_str()).filter(|it| !it.is_empty())
    }

    /// The `RootShard` that the shard joins.
    pub fn root_shard_name(&self) -> Option<&str> {
        let reference = self.spec.root_shard.reference.as_ref()?;
        Some(reference.name.as_str()).filter(|it| !it.is_empty())
    }
}

/// The `CacheServer` that `shard` uses: its own, else that of its root shard, else
/// none, which means the cache that is embedded in the root shard.
pub fn effective_cache<'a>(shard: &'a Shard, root: Option<&'a RootShard>) -> Option<&'a str> {
    shard.cache_name().or_else(|| root.and_then(RootShard::cache_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(name: &str) -> serde_json::Value {
        serde_json::json!({ "ref": { "name": name } })
    }

    #[test]
    fn a_shard_uses_its_own_cache_then_that_of_its_root() {
        let shard = |cache: Value| -> Shard {
            serde_json::from_value(serde_json::json!({
                "metadata": { "name": "a" },
                "spec": { "rootShard": reference("root"), "etcd": { "endpoints": [] }, "cache": cache },
            }))
            .unwrap()
        };
        let root = |cache: Value| -> RootShard {
            serde_json::from_value(serde_json::json!({
                "metadata": { "name": "root" },
                "spec": {
                    "external": { "hostname": "kcp.example.com", "port": 6443 },
                    "certificates": {}, "etcd": { "endpoints": [] }, "cache": cache,
                },
            }))
            .unwrap()
        };
        let embedded = root(serde_json::json!({ "embedded": { "enabled": true } }));
        let served = root(reference("shared"));

        assert_eq!(effective_cache(&shard(reference("own")), Some(&served)), Some("own"));
        assert_eq!(effective_cache(&shard(Value::Null), Some(&served)), Some("shared"));
        assert_eq!(effective_cache(&shard(Value::Null), Some(&embedded)), None);
        assert_eq!(effective_cache(&shard(reference("")), None), None);
    }
}
