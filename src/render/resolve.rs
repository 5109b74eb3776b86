//! An object, and the objects that it refers to.

use std::sync::Arc;

use kube::ResourceExt;

use crate::api::{
    CacheServer, Document, FrontProxy, Kind, Kubeconfig, KubeconfigTarget, Object, RootShard,
    Shard, Target, VirtualWorkspace,
};

/// All operator objects that are known, in any number of namespaces.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// Cache servers.
    pub cache_servers: Vec<Arc<CacheServer>>,
    /// Root shards.
    pub root_shards: Vec<Arc<RootShard>>,
    /// Other shards.
    pub shards: Vec<Arc<Shard>>,
    /// Front-proxies.
    pub front_proxies: Vec<Arc<FrontProxy>>,
    /// Servers of virtual workspaces.
    pub virtual_workspaces: Vec<Arc<VirtualWorkspace>>,
    /// Kubeconfigs.
    pub kubeconfigs: Vec<Arc<Kubeconfig>>,
}

/// One object to render.
#[derive(Clone, Debug)]
pub enum Source {
    /// A cache server.
    CacheServer(Arc<CacheServer>),
    /// A root shard.
    RootShard(Arc<RootShard>),
    /// Another shard.
    Shard(Arc<Shard>),
    /// A front-proxy.
    FrontProxy(Arc<FrontProxy>),
    /// A server of virtual workspaces.
    VirtualWorkspace(Arc<VirtualWorkspace>),
    /// A kubeconfig.
    Kubeconfig(Arc<Kubeconfig>),
}

/// The cache that a server uses.
#[derive(Clone, Debug)]
pub struct Cache {
    /// The name of the `CacheServer`.
    pub name: String,
    /// The object. Without it the names of its Secrets are known all the same, and a
    /// Deployment waits for them.
    pub object: Option<Arc<CacheServer>>,
}

/// An object and what it refers to. All of it is in one namespace.
#[derive(Clone, Debug)]
pub enum Resolved {
    /// A cache server refers to nothing.
    CacheServer {
        /// The cache server.
        server: Arc<CacheServer>,
    },
    /// A root shard, with its internal proxy.
    RootShard {
        /// The root shard.
        root: Arc<RootShard>,
        /// The names of its shards, sorted.
        shards: Vec<String>,
        /// The cache, if it is not its own.
        cache: Option<Cache>,
        /// The server of its virtual workspaces, if that is not itself.
        virtual_workspace: Option<Arc<VirtualWorkspace>>,
    },
    /// Another shard.
    Shard {
        /// The shard.
        shard: Arc<Shard>,
        /// Its root shard.
        root: Arc<RootShard>,
        /// The names of all shards of that root shard, this one too, sorted.
        shards: Vec<String>,
        /// The cache, if it is not the root shard's own.
        cache: Option<Cache>,
        /// The server of its virtual workspaces, if that is not itself.
        virtual_workspace: Option<Arc<VirtualWorkspace>>,
    },
    /// A front-proxy.
    FrontProxy {
        /// The front-proxy.
        proxy: Arc<FrontProxy>,
        /// Its root shard.
        root: Arc<RootShard>,
        /// The names of all shards of that root shard, sorted.
        shards: Vec<String>,
    },
    /// A server of virtual workspaces.
    VirtualWorkspace {
        /// The server.
        server: Arc<VirtualWorkspace>,
        /// The root shard of the installation.
        root: Arc<RootShard>,
        /// The shard that it serves, if that is not the root shard.
        shard: Option<Arc<Shard>>,
        /// The cache of the shard that it serves, if there is one of its own.
        cache: Option<Cache>,
    },
    /// A kubeconfig.
    Kubeconfig {
        /// The kubeconfig.
        kubeconfig: Arc<Kubeconfig>,
        /// The root shard of the installation, whose CAs count.
        root: Arc<RootShard>,
        /// The server that it leads to.
        server: KubeconfigServer,
    },
}

/// The server that a kubeconfig leads to.
#[derive(Clone, Debug)]
pub enum KubeconfigServer {
    /// The root shard.
    RootShard,
    /// A shard.
    Shard(Arc<Shard>),
    /// A front-proxy.
    FrontProxy(Arc<FrontProxy>),
}

/// A reference that leads nowhere.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unresolved {
    /// A reference is missing.
    #[error("{path}: nothing is named")]
    NoReference {
        /// The path of the field.
        path: &'static str,
    },
    /// A reference names what is not there.
    #[error("{path}: there is no {} `{name}` in the namespace `{namespace}`", kind.as_str())]
    NotFound {
        /// The path of the field.
        path: &'static str,
        /// The kind that is looked for.
        kind: Kind,
        /// Its name.
        name: String,
        /// The namespace.
        namespace: String,
    },
    /// What is referred to has a reference that leads nowhere.
    #[error("{path}: {} `{name}`: {source}", kind.as_str())]
    Through {
        /// The path of the field.
        path: &'static str,
        /// The kind that is referred to.
        kind: Kind,
        /// Its name.
        name: String,
        /// Its own failure.
        source: Box<Unresolved>,
    },
}

impl Source {
    /// The typed view of a document, if it is one of the operator's kinds.
    pub fn of(object: &Object) -> Option<Self> {
        Some(match object {
            Object::CacheServer(it) => Self::CacheServer(Arc::new((**it).clone())),
            Object::RootShard(it) => Self::RootShard(Arc::new((**it).clone())),
            Object::Shard(it) => Self::Shard(Arc::new((**it).clone())),
            Object::FrontProxy(it) => Self::FrontProxy(Arc::new((**it).clone())),
            Object::VirtualWorkspace(it) => Self::VirtualWorkspace(Arc::new((**it).clone())),
            Object::Kubeconfig(it) => Self::Kubeconfig(Arc::new((**it).clone())),
            Object::Other { .. } => return None,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        let metadata = match self {
            Self::CacheServer(it) => &it.metadata,
            Self::RootShard(it) => &it.metadata,
            Self::Shard(it) => &it.metadata,
            Self::FrontProxy(it) => &it.metadata,
            Self::VirtualWorkspace(it) => &it.metadata,
            Self::Kubeconfig(it) => &it.metadata,
        };
        metadata.name.as_deref().unwrap_or_default()
    }

    /// Its kind.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::CacheServer(_) => Kind::CacheServer,
            Self::RootShard(_) => Kind::RootShard,
            Self::Shard(_) => Kind::Shard,
            Self::FrontProxy(_) => Kind::FrontProxy,
            Self::VirtualWorkspace(_) => Kind::VirtualWorkspace,
            Self::Kubeconfig(_) => Kind::Kubeconfig,
        }
    }
}

impl Objects {
    /// The objects in documents; those of other groups are passed over.
    pub fn of_documents(documents: &[Document]) -> Self {
        let mut this = Self::default();
        for source in documents.iter().filter_map(|it| Source::of(&it.object)) {
            this.add(source);
        }
        this
    }

    /// Adds an object.
    pub fn add(&mut self, source: Source) {
        match source {
            Source::CacheServer(it) => self.cache_servers.push(it),
            Source::RootShard(it) => self.root_shards.push(it),
            Source::Shard(it) => self.shards.push(it),
            Source::FrontProxy(it) => self.front_proxies.push(it),
            Source::VirtualWorkspace(it) => self.virtual_workspaces.push(it),
            Source::Kubeconfig(it) => self.kubeconfigs.push(it),
        }
    }

    /// Every object, in the order in which they are best made.
    pub fn sources(&self) -> impl Iterator<Item = Source> {
        let caches = self.cache_servers.iter().cloned().map(Source::CacheServer);
        let roots = self.root_shards.iter().cloned().map(Source::RootShard);
        let shards = self.shards.iter().cloned().map(Source::Shard);
        let proxies = self.front_proxies.iter().cloned().map(Source::FrontProxy);
        let servers = self.virtual_workspaces.iter().cloned().map(Source::VirtualWorkspace);
        let kubeconfigs = self.kubeconfigs.iter().cloned().map(Source::Kubeconfig);
        caches.chain(roots).chain(shards).chain(proxies).chain(servers).chain(kubeconfigs)
    }

    /// Finds everything that an object refers to.
    pub fn resolve(&self, source: &Source) -> Result<Resolved, Unresolved> {
        match source {
            Source::CacheServer(server) => Ok(Resolved::CacheServer { server: Arc::clone(server) }),
            Source::RootShard(root) => {
                let server = root.spec.common.kcp_virtual_workspace.as_ref();
                Ok(Resolved::RootShard {
                    root: Arc::clone(root),
                    shards: self.shards_of(root),
                    cache: self.cache(root.cache_name(), &**root),
                    virtual_workspace: self
                        .virtual_workspace(server.map(|it| &*it.name), &**root)?,
                })
            }
            Source::Shard(shard) => {
                let root = self.root_of(shard)?;
                let server = shard.spec.common.kcp_virtual_workspace.as_ref();
                Ok(Resolved::Shard {
                    shards: self.shards_of(&root),
                    cache: self.cache(shard.cache_name().or(root.cache_name()), &**shard),
                    virtual_workspace: self
                        .virtual_workspace(server.map(|it| &*it.name), &**shard)?,
                    shard: Arc::clone(shard),
                    root,
                })
            }
            Source::FrontProxy(proxy) => {
                let root = self.root_behind(proxy)?;
                let shards = self.shards_of(&root);
                Ok(Resolved::FrontProxy { proxy: Arc::clone(proxy), root, shards })
            }
            Source::VirtualWorkspace(server) => self.resolve_virtual_workspace(server),
            Source::Kubeconfig(kubeconfig) => self.resolve_kubeconfig(kubeconfig),
        }
    }

    fn resolve_virtual_workspace(
        &self,
        server: &Arc<VirtualWorkspace>,
    ) -> Result<Resolved, Unresolved> {
        const ROOT: &str = "spec.target.rootShardRef";
        const SHARD: &str = "spec.target.shardRef";
        let target = &server.spec.target;
        let (root, shard) = match (&target.root_shard_ref, &target.shard_ref) {
            (Some(root), _) => {
                let kind = Kind::RootShard;
                (
                    find(
                        &self.root_shards,
                        server.metadata.namespace.as_deref(),
                        &root.name,
                        kind,
                        ROOT,
                    )?,
                    None,
                )
            }
            (None, Some(shard)) => {
                let shard = find(
                    &self.shards,
                    server.metadata.namespace.as_deref(),
                    &shard.name,
                    Kind::Shard,
                    SHARD,
                )?;
                let root = self
                    .root_of(&shard)
                    .map_err(|source| through(SHARD, Kind::Shard, &*shard, source))?;
                (root, Some(shard))
            }
            (None, None) => return Err(Unresolved::NoReference { path: "spec.target" }),
        };
        let cache = shard.as_ref().and_then(|it| it.cache_name()).or(root.cache_name());
        let cache = self.cache(cache, &**server);
        Ok(Resolved::VirtualWorkspace { server: Arc::clone(server), root, shard, cache })
    }

    fn resolve_kubeconfig(&self, kubeconfig: &Arc<Kubeconfig>) -> Result<Resolved, Unresolved> {
        let namespace = kubeconfig.metadata.namespace.as_deref();
        let (root, server) = self.server(&kubeconfig.spec.target, namespace)?;
        Ok(Resolved::Kubeconfig { kubeconfig: Arc::clone(kubeconfig), root, server })
    }

    /// The server that a target in a namespace is, and the root shard of its installation.
    pub fn server(
        &self,
        target: &KubeconfigTarget,
        namespace: Option<&str>,
    ) -> Result<(Arc<RootShard>, KubeconfigServer), Unresolved> {
        let targets = target.named();
        Ok(match targets.first() {
            Some(Target::RootShard(name)) => {
                let path = "spec.target.rootShardRef";
                let kind = Kind::RootShard;
                let root = find(&self.root_shards, namespace, name, kind, path)?;
                (root, KubeconfigServer::RootShard)
            }
            Some(Target::Shard(name)) => {
                let path = "spec.target.shardRef";
                let shard = find(&self.shards, namespace, name, Kind::Shard, path)?;
                let root = self
                    .root_of(&shard)
                    .map_err(|source| through(path, Kind::Shard, &*shard, source))?;
                (root, KubeconfigServer::Shard(shard))
            }
            Some(Target::FrontProxy(name)) => {
                let path = "spec.target.frontProxyRef";
                let kind = Kind::FrontProxy;
                let proxy = find(&self.front_proxies, namespace, name, kind, path)?;
                let root = self
                    .root_behind(&proxy)
                    .map_err(|source| through(path, kind, &*proxy, source))?;
                (root, KubeconfigServer::FrontProxy(proxy))
            }
            None => return Err(Unresolved::NoReference { path: "spec.target" }),
        })
    }

    fn root_of(&self, shard: &Shard) -> Result<Arc<RootShard>, Unresolved> {
        self.root(shard.root_shard_name(), shard)
    }

    fn root_behind(&self, proxy: &FrontProxy) -> Result<Arc<RootShard>, Unresolved> {
        let reference = proxy.spec.root_shard.reference.as_ref();
        self.root(reference.map(|it| it.name.as_str()).filter(|it| !it.is_empty()), proxy)
    }

    fn root(
        &self,
        name: Option<&str>,
        beside: &impl ResourceExt,
    ) -> Result<Arc<RootShard>, Unresolved> {
        let path = "spec.rootShard.ref";
        let name = name.ok_or(Unresolved::NoReference { path })?;
        find(&self.root_shards, beside.meta().namespace.as_deref(), name, Kind::RootShard, path)
    }

    fn shards_of(&self, root: &RootShard) -> Vec<String> {
        let name = root.name_any();
        let ours = |it: &&Arc<Shard>| {
            it.metadata.namespace == root.metadata.namespace
                && it.root_shard_name() == Some(name.as_str())
        };
        let mut names: Vec<_> = self.shards.iter().filter(ours).map(|it| it.name_any()).collect();
        names.sort();
        names
    }

    fn cache(&self, name: Option<&str>, beside: &impl ResourceExt) -> Option<Cache> {
        let name = name?;
        let path = "spec.cache.ref";
        let object = find(
            &self.cache_servers,
            beside.meta().namespace.as_deref(),
            name,
            Kind::CacheServer,
            path,
        )
        .ok();
        Some(Cache { name: name.to_owned(), object })
    }

    fn virtual_workspace(
        &self,
        name: Option<&str>,
        beside: &impl ResourceExt,
    ) -> Result<Option<Arc<VirtualWorkspace>>, Unresolved> {
        let Some(name) = name.filter(|it| !it.is_empty()) else { return Ok(None) };
        let path = "spec.kcpVirtualWorkspace";
        find(
            &self.virtual_workspaces,
            beside.meta().namespace.as_deref(),
            name,
            Kind::VirtualWorkspace,
            path,
        )
        .map(Some)
    }
}

fn find<T: ResourceExt>(
    among: &[Arc<T>],
    namespace: Option<&str>,
    name: &str,
    kind: Kind,
    path: &'static str,
) -> Result<Arc<T>, Unresolved> {
    let fits = |it: &&Arc<T>| {
        it.meta().name.as_deref() == Some(name) && it.meta().namespace.as_deref() == namespace
    };
    among.iter().find(fits).cloned().ok_or_else(|| Unresolved::NotFound {
        path,
        kind,
        name: name.to_owned(),
        namespace: namespace.unwrap_or_default().to_owned(),
    })
}

fn through(
    path: &'static str,
    kind: Kind,
    object: &impl ResourceExt,
    source: Unresolved,
) -> Unresolved {
    Unresolved::Through { path, kind, name: object.name_any(), source: Box::new(source) }
}
