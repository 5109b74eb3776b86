//! What a server is told before it starts, however it was said.
//!
//! The flags of `kcpctl cache serve` and those of the Go cache server both end here, so
//! that everything past this point is one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::cli::logging::LogSettings;
use crate::pki::San;
use crate::server::conn::limits::{STALL_TIMEOUT, STREAMS_MAX};
use crate::server::conn::{TlsRuleError, TlsRules};
use crate::server::handler::BOOKMARK_INTERVAL;
use crate::server::present::Compress;
use crate::server::{Flavor, admission};
use crate::store::EtcdOptions;

/// How many bytes of recent changes are kept unless told otherwise, over all types.
/// Five minutes of 400 writes a second of 2 KiB fit.
pub(super) const HISTORY_BYTES: usize = 256 << 20;

/// What keys begin with, on this server as on the Go one.
pub(crate) const KEY_PREFIX: &str = "/cache";

/// What the keys of the control plane begin with.
pub(super) const CONTROL_KEY_PREFIX: &str = "/kcpctl";

/// Everything a server is told before it starts.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// Which server it looks like.
    pub flavor: Flavor,
    /// Where certificates and kubeconfigs are made; none writes no file but the store.
    pub data_dir: Option<PathBuf>,
    /// What keeps the data.
    pub store: StoreSettings,
    /// What the keys in the store begin with.
    pub key_prefix: String,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The serving certificate and its key, if they are not made here.
    pub serving: Option<(PathBuf, PathBuf)>,
    /// The CA of clients, if it is not made here.
    pub client_ca: Option<PathBuf>,
    /// Names and addresses of the server beyond the loopback ones.
    pub tls_sans: Vec<San>,
    /// The installation that this server belongs to.
    pub manifests: Option<Manifests>,
    /// Whether there is a control plane also on an etcd.
    pub control_plane: bool,
    /// What TLS may agree on.
    pub tls_rules: TlsRules,
    /// What clients may ask for and cost.
    pub limits: Limits,
    /// How long a shard must have been gone until what it left is deleted; none is for ever.
    pub prune_orphans_after: Option<Duration>,
    /// How long each request waits before anything else.
    pub synthetic_delay: Duration,
    /// For whom large answers are compressed.
    pub compress: Compress,
    /// What is logged, and how.
    pub log: LogSettings,
    /// Flags that were given and mean nothing here.
    pub ignored: Vec<Ignored>,
}

/// What keeps the data.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum StoreSettings {
    /// A store of one's own in this directory.
    Embedded(PathBuf),
    /// An etcd elsewhere.
    Etcd(EtcdOptions),
}

/// What clients may ask for and cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Limits {
    /// How many requests are answered at once.
    pub admission: admission::Limits,
    /// How many bytes of recent changes are kept; none for what fits.
    pub history_bytes: Option<usize>,
    /// How many bytes objects and history may take: none for what the container has,
    /// zero for no limit.
    pub memory: Option<usize>,
    /// Requests that one HTTP/2 connection may have open.
    pub streams: u32,
    /// How long a client may not read what waits for it.
    pub stall_timeout: Duration,
    /// How often a watcher that asks for bookmarks is told how far it has come.
    pub bookmark_interval: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            admission: admission::Limits::default(),
            history_bytes: None,
            memory: None,
            streams: STREAMS_MAX,
            stall_timeout: STALL_TIMEOUT,
            bookmark_interval: BOOKMARK_INTERVAL,
        }
    }
}

/// A flag of the original that was given and means nothing here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Ignored {
    /// Its name, with the dashes.
    pub flag: String,
    /// Why not.
    pub why: &'static str,
}

/// The installation that a server belongs to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Manifests {
    /// The folder of operator objects.
    pub dir: PathBuf,
    /// Which `CacheServer` of them this server is; none takes the only one.
    pub name: Option<String>,
}

/// A setting that is missing, or does not go with another.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum SettingsError {
    /// Half a pair.
    #[error("--tls-cert-file and --tls-private-key-file belong together")]
    HalfAPair,
    /// Nobody says who clients are.
    #[error("--client-ca-file is missing: without it nobody could be let in")]
    NoClientCa,
    /// No pair, and no place to make one.
    #[error("--tls-cert-file is missing, and without a directory none can be made")]
    NoServingPair,
    /// No place for the store.
    #[error(
        "--embedded-etcd-directory is missing, and without a directory there is no place for the store"
    )]
    NoStore,
    /// Shards' certificates are signed by a CA that is made here.
    #[error(
        "--manifests signs certificates of shards, which needs a directory and no --client-ca-file"
    )]
    CannotSign,
    /// Two places for one cache.
    #[error(
        "--etcd-servers names an etcd elsewhere, and --embedded-etcd-directory a store of one's own: the data lies in one of them"
    )]
    TwoStores,
    /// No member.
    #[error(
        "--etcd-servers names `{url}`, expected a URL such as `https://etcd-0.example.com:2379`"
    )]
    EtcdUrl {
        /// What is none.
        url: String,
    },
    /// Half a pair.
    #[error("--etcd-certfile and --etcd-keyfile belong together")]
    HalfAnEtcdPair,
    /// Certificates for nobody.
    #[error(
        "--etcd-cafile, --etcd-certfile and --etcd-keyfile are for TLS, and no URL of --etcd-servers begins with https://"
    )]
    EtcdWithoutTls,
    /// No place for the control plane.
    #[error(
        "--control-plane needs a place for its objects: an etcd (--etcd-servers), or a directory (--data-dir)"
    )]
    NoControlStore,
    /// The cache's keys would lie among those of the control plane.
    #[error(
        "--etcd-prefix lies below `{CONTROL_KEY_PREFIX}`, where --control-plane keeps its objects: choose another"
    )]
    PrefixOfControl,
    /// Everything in an etcd would be this cache's.
    #[error("--etcd-prefix is empty: every key of that etcd would be this cache's")]
    NoPrefix,
    /// Something that nobody may believe to have.
    #[error("{flag} asks for what this server does not do, and it will not look as if it did")]
    NotDone {
        /// The flag.
        flag: String,
    },
    /// History takes everything.
    #[error(
        "--history-bytes takes {history} of the {limit} bytes that --memory-limit allows, and leaves no room for objects"
    )]
    NoRoomForObjects {
        /// What history may take.
        history: usize,
        /// What everything may take.
        limit: usize,
    },
    /// TLS that cannot be.
    #[error(transparent)]
    Tls(#[from] TlsRuleError),
}

/// The pair that flags name, if they name one.
pub(super) fn serving_pair(
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
) -> Result<Option<(PathBuf, PathBuf)>, SettingsError> {
    match (cert, key) {
        (None, None) => Ok(None),
        (Some(cert), Some(key)) => Ok(Some((cert, key))),
        _ => Err(SettingsError::HalfAPair),
    }
}

impl Settings {
    /// What keeps the objects of the control plane; none if there is no control plane.
    pub(super) fn control_store(&self) -> Option<StoreSettings> {
        if self.flavor != Flavor::Kcpctl {
            return None;
        }
        match &self.store {
            StoreSettings::Embedded(_) => {
                let dir = self.data_dir.as_ref()?;
                Some(StoreSettings::Embedded(dir.join("control")))
            }
            StoreSettings::Etcd(options) => self.control_plane.then(|| {
                StoreSettings::Etcd(EtcdOptions {
                    // Several caches on one etcd have a control plane each.
                    prefix: format!("{CONTROL_KEY_PREFIX}{}", self.key_prefix),
                    // The whole etcd forgets by the cache's doing.
                    compaction_interval: Duration::ZERO,
                    ..options.clone()
                })
            }),
        }
    }

    /// Where what the control plane holds is kept as files.
    pub(super) fn files_directory(&self) -> Option<PathBuf> {
        self.data_dir.as_ref().map(|it| it.join("namespaces"))
    }

    /// Refuses what cannot work, before anything is written.
    pub(super) fn check(self) -> Result<Self, SettingsError> {
        if self.control_plane && self.control_store().is_none() {
            return Err(SettingsError::NoControlStore);
        }
        let outside = |it: &str| !it.is_empty() && !it.starts_with('/');
        let is_inside = !self.key_prefix.strip_prefix(CONTROL_KEY_PREFIX).is_none_or(outside);
        if self.control_plane && is_inside {
            return Err(SettingsError::PrefixOfControl);
        }
        let can_make = self.data_dir.is_some();
        if self.serving.is_none() && !can_make {
            return Err(SettingsError::NoServingPair);
        }
        let can_sign = can_make && self.flavor == Flavor::Kcpctl;
        if self.client_ca.is_none() && !can_sign {
            return Err(SettingsError::NoClientCa);
        }
        if self.manifests.is_some() && self.client_ca.is_some() {
            return Err(SettingsError::CannotSign);
        }
        Ok(self)
    }
}
