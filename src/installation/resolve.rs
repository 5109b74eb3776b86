//! Fills the gaps of a draft: flags first, then the file, then the profile's defaults.

use super::draft::{
    CacheDraft, CacheMode, Draft, EtcdDraft, EtcdMode, FrontProxyDraft, KubeconfigDraft,
    RootShardDraft, ShardDraft,
};
use super::overrides::{Named, Overrides, Shards};
use super::topology::{
    API_VERSION, Cache, Etcd, External, FrontProxy, Image, Issuer, KIND, Kubeconfig, Profile,
    RootShard, Shard, TargetKind, TargetRef, Topology,
};
use crate::api::KcpVersion;
use crate::api::{self, Duration, names};

/// The image of kcp's own releases.
const IMAGE: &str = "ghcr.io/kcp-dev/kcp";
/// A group that may do everything in kcp and passes through a front-proxy.
const ADMIN_GROUP: &str = "system:kcp:admin";
/// A year, and a few hours for who renews on its last day.
const VALIDITY_HOURS: u32 = 8766;

/// The draft and the flags make no topology.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ResolveError {
    /// The file is of another format.
    #[error("{field}: expected `{expected}`, found `{found}`")]
    Format {
        /// Which field says so.
        field: &'static str,
        /// What it should say.
        expected: &'static str,
        /// What it says.
        found: String,
    },
    /// Nobody named the installation.
    #[error("the installation has no name")]
    NoName,
    /// Nobody said where users come in.
    #[error("the profile `production` needs the host name that users reach")]
    NoHostname,
    /// A flag names a server that is not there.
    #[error("{flag}: there is no server `{name}`; the servers with an etcd are {known}")]
    UnknownServer {
        /// The flag.
        flag: &'static str,
        /// The name.
        name: String,
        /// All names.
        known: String,
    },
    /// A field means nothing in the mode.
    #[error("etcd of `{server}`: `{field}` has no meaning in the mode `{mode}`")]
    EtcdField {
        /// Whose etcd.
        server: String,
        /// The field.
        field: &'static str,
        /// The mode.
        mode: &'static str,
    },
    /// A flag speaks of cache servers, and there is none.
    #[error("{flag}: the cache is embedded in the root shard")]
    NoCacheServer {
        /// The flag.
        flag: &'static str,
    },
    /// A shard stores nothing in itself.
    #[error("etcd of `{server}`: the mode `embedded` is for cache servers only")]
    EmbeddedShard {
        /// The shard.
        server: String,
    },
}

/// Makes a complete topology.
pub fn resolve(draft: Draft, flags: &Overrides) -> Result<Topology, ResolveError> {
    for (field, expected, found) in
        [("apiVersion", API_VERSION, &draft.api_version), ("kind", KIND, &draft.kind)]
    {
        if found != expected {
            return Err(ResolveError::Format { field, expected, found: found.clone() });
        }
    }
    let name = flags.name.clone().or(draft.name.clone()).ok_or(ResolveError::NoName)?;
    let filler = Filler {
        flags,
        profile: flags.profile.or(draft.profile).unwrap_or_default(),
        namespace: flags.namespace.clone().or(draft.namespace.clone()).unwrap_or(name.clone()),
        cluster_domain: or(draft.cluster_domain.clone(), api::CLUSTER_DOMAIN),
    };
    filler.fill(name, draft)
}

impl Draft {
    /// A draft that says nothing.
    pub fn empty() -> Self {
        Self { api_version: API_VERSION.to_owned(), kind: KIND.to_owned(), ..Self::default() }
    }
}

/// Everything that has an etcd.
struct Servers {
    root_shard: RootShard,
    shards: Vec<Shard>,
    caches: Vec<Cache>,
}

struct Filler<'a> {
    flags: &'a Overrides,
    profile: Profile,
    namespace: String,
    cluster_domain: String,
}

impl Filler<'_> {
    fn fill(self, name: String, draft: Draft) -> Result<Topology, ResolveError> {
        let Servers { root_shard, shards, caches } =
            self.servers(draft.root_shard, draft.shards, draft.caches)?;
        let proxies = self.named_proxies(draft.front_proxies);
        let external = External {
            hostname: self.hostname(draft.external.hostname, &proxies)?,
            port: self.flags.port.or(draft.external.port).unwrap_or(names::SERVER_PORT),
        };
        let front_proxies: Vec<_> =
            proxies.into_iter().map(|it| self.front_proxy(it, &external)).collect();
        let target = front_proxies.first().map_or_else(
            || TargetRef { kind: TargetKind::RootShard, name: root_shard.name.clone() },
            |it| TargetRef { kind: TargetKind::FrontProxy, name: it.name.clone() },
        );
        let kubeconfigs = self.kubeconfigs(draft.kubeconfigs, &target);
        let (kcp_version, image) = self.image(draft.kcp_version, draft.image);

        Ok(Topology {
            api_version: API_VERSION,
            kind: KIND,
            name,
            profile: self.profile,
            issuer: self.issuer(draft.issuer),
            namespace: self.namespace,
            cluster_domain: self.cluster_domain,
            kcp_version,
            image,
            external,
            root_shard,
            shards,
            caches,
            front_proxies,
            kubeconfigs,
        })
    }

    fn servers(
        &self,
        root: RootShardDraft,
        shards: Option<Vec<ShardDraft>>,
        caches: Option<Vec<CacheDraft>>,
    ) -> Result<Servers, ResolveError> {
        let name = or(root.name, "root");
        let shards = self.shards(shards);
        let caches = self.caches(caches);
        let servers: Vec<&str> = std::iter::once(name.as_str())
            .chain(shards.iter().map(|it| it.name.as_str()))
            .chain(caches.iter().map(|it| it.name.as_str()))
            .collect();
        self.known_servers(&servers)?;
        if caches.is_empty() {
            self.no_cache_flags()?;
        }

        // Where the embedded cache was asked for, nobody can refer to another.
        let embedded = self.flags.cache == Some(CacheMode::Embedded);
        let served = |own: Option<String>| own.filter(|_| !embedded);
        let first_cache = caches.first().map(|it| it.name.clone());
        let root_cache = served(root.cache).or(first_cache);
        let root_shard = RootShard {
            replicas: self.replicas(root.replicas),
            // A prefix would become that of the cache inside it, too.
            etcd: self.shard_etcd(&name, root.etcd, root_cache.is_some())?,
            cache: root_cache,
            name,
        };
        let shard = |it: ShardDraft| {
            Ok(Shard {
                replicas: self.replicas(it.replicas),
                // Written on every shard: older operators do not hand it down.
                cache: served(it.cache).or_else(|| root_shard.cache.clone()),
                etcd: self.shard_etcd(&it.name, it.etcd, true)?,
                name: it.name,
            })
        };
        let shards = shards.into_iter().map(shard).collect::<Result<_, _>>()?;
        let cache = |it: CacheDraft| {
            let etcd = self.cache_etcd(&it.name, it.etcd)?;
            let replicas = self.flags.cache_replicas.or(it.replicas);
            let replicas = replicas.unwrap_or(if self.production() { 2 } else { 1 });
            Ok(Cache { name: it.name, replicas, etcd })
        };
        let caches = caches.into_iter().map(cache).collect::<Result<_, _>>()?;
        Ok(Servers { root_shard, shards, caches })
    }

    /// Refuses what would be lost without a word.
    fn no_cache_flags(&self) -> Result<(), ResolveError> {
        let given = [
            (self.flags.cache_replicas.is_some(), "--cache-replicas"),
            (self.flags.cache_etcd.is_some(), "--cache-etcd"),
        ];
        match given.into_iter().find(|(given, _)| *given) {
            Some((_, flag)) => Err(ResolveError::NoCacheServer { flag }),
            None => Ok(()),
        }
    }

    fn production(&self) -> bool {
        self.profile == Profile::Production
    }

    fn replicas(&self, own: Option<i32>) -> i32 {
        self.flags.replicas.or(own).unwrap_or(if self.production() { 3 } else { 1 })
    }

    fn shards(&self, drafts: Option<Vec<ShardDraft>>) -> Vec<ShardDraft> {
        let wanted = match &self.flags.shards {
            Some(wanted) => wanted.clone(),
            None if drafts.is_some() => return drafts.unwrap_or_default(),
            None => Shards::Count(if self.production() { 2 } else { 0 }),
        };
        let mut drafts = drafts.unwrap_or_default();
        let mut take = |name: String| match drafts.iter().position(|it| it.name == name) {
            Some(index) => drafts.swap_remove(index),
            None => ShardDraft { name, ..ShardDraft::default() },
        };
        match wanted {
            Shards::Names(names) => names.into_iter().map(take).collect(),
            Shards::Count(count) => (1..=count).map(|it| take(format!("shard-{it}"))).collect(),
        }
    }

    fn caches(&self, drafts: Option<Vec<CacheDraft>>) -> Vec<CacheDraft> {
        let default = || vec![CacheDraft { name: "cache".to_owned(), ..CacheDraft::default() }];
        match (self.flags.cache, drafts) {
            (Some(CacheMode::Server), Some(drafts)) if !drafts.is_empty() => drafts,
            (Some(CacheMode::Server), _) => default(),
            (None, Some(drafts)) => drafts,
            (None, None) if self.production() => default(),
            (Some(CacheMode::Embedded), _) | (None, None) => Vec::new(),
        }
    }

    fn known_servers(&self, servers: &[&str]) -> Result<(), ResolveError> {
        let Overrides { etcd_endpoints, etcd_prefixes, etcd_tls_secrets, .. } = self.flags;
        for (flag, values) in [
            ("--etcd-endpoints", etcd_endpoints),
            ("--etcd-prefix", etcd_prefixes),
            ("--etcd-tls-secret", etcd_tls_secrets),
        ] {
            for name in values.iter().filter_map(|it| it.name.as_deref()) {
                if !servers.contains(&name) {
                    let name = name.to_owned();
                    let known: Vec<_> = servers.iter().map(|it| format!("`{it}`")).collect();
                    return Err(ResolveError::UnknownServer {
                        flag,
                        name,
                        known: known.join(", "),
                    });
                }
            }
        }
        Ok(())
    }

    fn shard_etcd(
        &self,
        server: &str,
        draft: EtcdDraft,
        own_prefix: bool,
    ) -> Result<Etcd, ResolveError> {
        let etcd = self.etcd(server, draft, self.flags.etcd, own_prefix)?;
        if etcd == Etcd::Embedded {
            return Err(ResolveError::EmbeddedShard { server: server.to_owned() });
        }
        Ok(etcd)
    }

    fn cache_etcd(&self, server: &str, draft: EtcdDraft) -> Result<Etcd, ResolveError> {
        // Cache servers store below `/cache`, and share it.
        self.etcd(server, draft, self.flags.cache_etcd.or(self.flags.etcd), false)
    }

    fn etcd(
        &self,
        server: &str,
        draft: EtcdDraft,
        mode: Option<EtcdMode>,
        own_prefix: bool,
    ) -> Result<Etcd, ResolveError> {
        // A mode on the command line that has no use for the file's fields drops them.
        let dropped = mode.is_some_and(|it| it != EtcdMode::External && Some(it) != draft.mode);
        let draft = if dropped { EtcdDraft::default() } else { draft };
        let Overrides { etcd_endpoints, etcd_prefixes, etcd_tls_secrets, .. } = self.flags;
        let endpoints = pick(etcd_endpoints, server);
        let shared = own_prefix && endpoints.is_some_and(|it| it.name.is_none());
        let endpoints = endpoints
            .map(|it| it.value.split(',').map(|it| it.trim().to_owned()).collect())
            .or(draft.endpoints);
        let prefix = pick(etcd_prefixes, server).map(|it| it.value.clone()).or(draft.prefix);
        let secret = pick(etcd_tls_secrets, server).map(|it| it.value.clone()).or(draft.tls_secret);

        let fields = [
            ("endpoints", endpoints.is_some()),
            ("prefix", prefix.is_some()),
            ("tlsSecret", secret.is_some()),
        ];
        let given = fields.iter().find(|it| it.1).map(|it| it.0);
        let default = match given {
            None if !self.production() => EtcdMode::Dev,
            _ => EtcdMode::External,
        };
        let mode = mode.or(draft.mode).unwrap_or(default);
        let (own, label) = match mode {
            EtcdMode::Dev => (Etcd::Dev, "dev"),
            EtcdMode::Embedded => (Etcd::Embedded, "embedded"),
            EtcdMode::External => {
                let tls_secret = secret
                    .or_else(|| self.production().then(|| super::build::derived_secret(server)));
                let endpoints =
                    endpoints.unwrap_or_else(|| vec![self.derived(server, tls_secret.is_some())]);
                // One etcd for all: without a prefix of its own each shard would
                // write over the others.
                let prefix = prefix.or_else(|| shared.then(|| format!("/{server}")));
                return Ok(Etcd::External { endpoints, prefix, tls_secret });
            }
        };
        match given {
            Some(field) => {
                Err(ResolveError::EtcdField { server: server.to_owned(), field, mode: label })
            }
            None => Ok(own),
        }
    }

    fn derived(&self, server: &str, tls: bool) -> String {
        super::build::derived_endpoint(server, &self.namespace, &self.cluster_domain, tls)
    }

    fn named_proxies(&self, drafts: Option<Vec<FrontProxyDraft>>) -> Vec<FrontProxyDraft> {
        let fresh = |name: &String| FrontProxyDraft { name: name.clone(), ..Default::default() };
        match (&self.flags.front_proxies, drafts) {
            (None, Some(drafts)) => drafts,
            (None, None) => vec![fresh(&"main".to_owned())],
            (Some(names), drafts) => {
                let drafts = drafts.unwrap_or_default();
                let find = |name: &String| drafts.iter().find(|it| it.name == *name).cloned();
                names.iter().map(|it| find(it).unwrap_or_else(|| fresh(it))).collect()
            }
        }
    }

    fn hostname(
        &self,
        own: Option<String>,
        proxies: &[FrontProxyDraft],
    ) -> Result<String, ResolveError> {
        if let Some(hostname) = self.flags.hostname.clone().or(own) {
            return Ok(hostname);
        }
        match proxies.first() {
            // Within its cluster a front-proxy is reached by its Service.
            Some(proxy) if !self.production() => {
                let service = names::front_proxy_server(&proxy.name);
                Ok(names::service_host(&service, &self.namespace, Some(&self.cluster_domain)))
            }
            _ => Err(ResolveError::NoHostname),
        }
    }

    fn front_proxy(&self, draft: FrontProxyDraft, external: &External) -> FrontProxy {
        let service_type = if self.production() { "LoadBalancer" } else { "ClusterIP" };
        FrontProxy {
            replicas: self.replicas(draft.replicas),
            external: External {
                hostname: draft.external.hostname.unwrap_or_else(|| external.hostname.clone()),
                port: draft.external.port.unwrap_or(external.port),
            },
            service_type: or(draft.service_type, service_type),
            name: draft.name,
        }
    }

    fn kubeconfigs(
        &self,
        drafts: Option<Vec<KubeconfigDraft>>,
        target: &TargetRef,
    ) -> Vec<Kubeconfig> {
        let fresh = |name: &str| KubeconfigDraft { name: name.to_owned(), ..Default::default() };
        let drafts = match (&self.flags.kubeconfigs, drafts) {
            (None, Some(drafts)) => drafts,
            (None, None) => vec![fresh("admin")],
            (Some(names), drafts) => {
                let drafts = drafts.unwrap_or_default();
                let find = |name: &String| drafts.iter().find(|it| it.name == *name).cloned();
                names.iter().map(|it| find(it).unwrap_or_else(|| fresh(it))).collect()
            }
        };
        let validity =
            self.flags.validity.clone().unwrap_or_else(|| Duration::from_hours(VALIDITY_HOURS));
        drafts
            .into_iter()
            .map(|it| Kubeconfig {
                target: it.target.unwrap_or_else(|| target.clone()),
                workspace: or(it.workspace, "root"),
                username: it.username.unwrap_or_else(|| format!("kcp-{}", it.name)),
                groups: it.groups.unwrap_or_else(|| vec![ADMIN_GROUP.to_owned()]),
                validity: match (&self.flags.validity, it.validity) {
                    (None, Some(own)) => own,
                    _ => validity.clone(),
                },
                secret: it.secret.unwrap_or_else(|| format!("{}-kubeconfig", it.name)),
                name: it.name,
            })
            .collect()
    }

    fn issuer(&self, draft: super::draft::IssuerDraft) -> Issuer {
        let flag = self.flags.issuer.clone();
        let create = draft.create.unwrap_or(
            !self.production() && flag.is_none() && draft.kind.is_none() && draft.name.is_none(),
        );
        let kind = if create { "Issuer" } else { "ClusterIssuer" };
        let (kind, name) =
            flag.unwrap_or_else(|| (or(draft.kind, kind), or(draft.name, super::build::ISSUER)));
        Issuer { kind, name, create }
    }

    fn image(
        &self,
        version: Option<KcpVersion>,
        draft: super::draft::ImageDraft,
    ) -> (Option<KcpVersion>, Image) {
        let flags = self.flags;
        let of_flag = flags.image_tag.as_deref().and_then(KcpVersion::of_tag);
        let version = flags.kcp_version.or(of_flag).or(version);
        // A version on the command line is also a tag, unless a tag stands beside it.
        let tag = match (&flags.image_tag, flags.kcp_version) {
            (Some(tag), _) => Some(tag.clone()),
            (None, Some(version)) => Some(version.tag()),
            (None, None) => draft.tag,
        };
        let tag = tag.unwrap_or_else(|| version.unwrap_or(KcpVersion::DEFAULT).tag());
        let repository = flags.image_repository.clone().or(draft.repository);
        let image =
            Image { repository: or(repository, IMAGE), pull_secrets: draft.pull_secrets, tag };
        (version.or_else(|| KcpVersion::of_tag(&image.tag)), image)
    }
}

/// The last value that is for `server`, or else the last that is for all.
fn pick<'a>(values: &'a [Named], server: &str) -> Option<&'a Named> {
    let own = values.iter().rev().find(|it| it.name.as_deref() == Some(server));
    own.or_else(|| values.iter().rev().find(|it| it.name.is_none()))
}

fn or(value: Option<String>, default: &str) -> String {
    value.unwrap_or_else(|| default.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(text: &str) -> Draft {
        let head = format!("apiVersion: {API_VERSION}\nkind: {KIND}\nname: demo\n");
        api::read_value(&(head + text), "kcp.yaml").unwrap()
    }

    fn flags(change: impl FnOnce(&mut Overrides)) -> Overrides {
        let mut flags = Overrides::default();
        change(&mut flags);
        flags
    }

    fn named(text: &str) -> Vec<Named> {
        vec![text.parse().unwrap()]
    }

    #[test]
    fn flags_override_the_file_and_the_file_the_profile() {
        let file = "replicas: 5\nshards: [{name: a, replicas: 2}, {name: b}]\n";
        let file = draft(&file.replace("replicas: 5\n", "rootShard: {replicas: 5}\n"));
        let replicas = |topology: Topology| {
            let shards = topology.shards.iter().map(|it| it.replicas);
            std::iter::once(topology.root_shard.replicas).chain(shards).collect::<Vec<_>>()
        };
        let plain = resolve(file.clone(), &Overrides::default()).unwrap();
        assert_eq!(replicas(plain), [5, 2, 1]);
        let flags = flags(|it| it.replicas = Some(3));
        assert_eq!(replicas(resolve(file, &flags).unwrap()), [3, 3, 3]);
    }

    #[test]
    fn shards_that_stay_keep_what_the_file_says() {
        let file = draft("shards: [{name: shard-2, replicas: 7}, {name: a, replicas: 8}]\n");
        let shards = |wanted: &str| -> Vec<_> {
            let flags = flags(|it| it.shards = Some(wanted.parse().unwrap()));
            let topology = resolve(file.clone(), &flags).unwrap();
            topology.shards.into_iter().map(|it| (it.name, it.replicas)).collect()
        };
        let pair = |name: &str, replicas| (name.to_owned(), replicas);
        assert_eq!(shards("2"), [pair("shard-1", 1), pair("shard-2", 7)]);
        assert_eq!(shards("b,a"), [pair("b", 1), pair("a", 8)]);
        assert_eq!(shards("0"), []);
    }

    #[test]
    fn the_cache_of_the_command_line_wins() {
        let file = draft("rootShard: {cache: mine}\ncaches: [{name: mine}, {name: other}]\n");
        let cache = |mode: Option<CacheMode>| {
            let flags = flags(|it| it.cache = mode);
            let topology = resolve(file.clone(), &flags).unwrap();
            (topology.root_shard.cache, topology.caches.len())
        };
        assert_eq!(cache(None), (Some("mine".to_owned()), 2));
        assert_eq!(cache(Some(CacheMode::Server)), (Some("mine".to_owned()), 2));
        assert_eq!(cache(Some(CacheMode::Embedded)), (None, 0));
    }

    #[test]
    fn a_flag_for_cache_servers_needs_one() {
        let refused = |change: fn(&mut Overrides)| {
            resolve(draft(""), &flags(change)).unwrap_err().to_string()
        };
        let why = "the cache is embedded in the root shard";
        assert_eq!(refused(|it| it.cache_replicas = Some(2)), format!("--cache-replicas: {why}"));
        assert_eq!(
            refused(|it| it.cache_etcd = Some(EtcdMode::Dev)),
            format!("--cache-etcd: {why}")
        );
        let served = flags(|it| {
            it.cache = Some(CacheMode::Server);
            it.cache_replicas = Some(2);
        });
        assert_eq!(resolve(draft(""), &served).unwrap().caches[0].replicas, 2);
    }

    #[test]
    fn one_etcd_for_all_gives_each_shard_its_keys() {
        let with_server = flags(|it| {
            it.shards = Some(Shards::Count(1));
            it.cache = Some(CacheMode::Server);
            it.etcd_endpoints = named("https://a:2379, https://b:2379");
            it.etcd_tls_secrets = named("cache=mine");
        });
        let topology = resolve(draft(""), &with_server).unwrap();
        let found: Vec<_> = topology
            .etcds()
            .map(|(server, etcd)| match etcd {
                Etcd::External { endpoints, prefix, tls_secret } => {
                    assert_eq!(endpoints, &["https://a:2379", "https://b:2379"]);
                    (server, prefix.as_deref(), tls_secret.as_deref())
                }
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = [
            ("root", Some("/root"), None),
            ("shard-1", Some("/shard-1"), None),
            ("cache", None, Some("mine")),
        ];
        assert_eq!(found, expected);

        // A root shard with the cache inside keeps the default, which is `/registry` for
        // itself and `/cache` for the cache.
        let embedded = flags(|it| {
            it.shards = Some(Shards::Count(1));
            it.etcd_endpoints = named("http://a:2379");
        });
        let topology = resolve(draft(""), &embedded).unwrap();
        let prefixes: Vec<_> = topology
            .etcds()
            .map(|(server, etcd)| match etcd {
                Etcd::External { prefix, .. } => (server, prefix.as_deref()),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(prefixes, [("root", None), ("shard-1", Some("/shard-1"))]);
    }

    #[test]
    fn a_mode_on_the_command_line_drops_what_the_file_says_of_another() {
        let file = draft("rootShard: {etcd: {endpoints: ['https://a:2379'], tlsSecret: s}}\n");
        let dev = flags(|it| it.etcd = Some(EtcdMode::Dev));
        assert_eq!(resolve(file, &dev).unwrap().root_shard.etcd, Etcd::Dev);
        let file = draft("rootShard: {etcd: {mode: dev, tlsSecret: s}}\n");
        let error = resolve(file, &Overrides::default()).unwrap_err().to_string();
        assert_eq!(error, "etcd of `root`: `tlsSecret` has no meaning in the mode `dev`");
    }

    #[test]
    fn a_version_and_a_tag_follow_each_other() {
        let image = |file: &str, version: Option<&str>, tag: Option<&str>| {
            let flags = flags(|it| {
                it.kcp_version = version.map(|it| it.parse().unwrap());
                it.image_tag = tag.map(str::to_owned);
            });
            let topology = resolve(draft(file), &flags).unwrap();
            (topology.kcp_version.map(|it| it.to_string()), topology.image.tag)
        };
        let pair = |version: &str, tag: &str| (Some(version.to_owned()), tag.to_owned());
        let file = "kcpVersion: 0.31.0\nimage: {tag: v0.31.0}\n";
        assert_eq!(image("", None, None), pair("0.32.3", "v0.32.3"));
        assert_eq!(image(file, None, None), pair("0.31.0", "v0.31.0"));
        assert_eq!(image(file, Some("0.32.1"), None), pair("0.32.1", "v0.32.1"));
        assert_eq!(image(file, None, Some("v0.32.1")), pair("0.32.1", "v0.32.1"));
        assert_eq!(image("", Some("0.32.1"), Some("mine")), pair("0.32.1", "mine"));
        assert_eq!(image("", None, Some("mine")), (None, "mine".to_owned()));
    }
}
