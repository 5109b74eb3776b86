//! A store that a command opens by itself: the data of a server that is stopped, or an etcd,
//! whoever uses that meanwhile.
//!
//! An etcd is never written to but in transactions on what was read, so that servers that
//! run on it see nothing else than another client's writes.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use bytes::Bytes;

use super::serve::{EtcdFlags, KEY_PREFIX};
use crate::cli::files;
use crate::error::{CliError, Kind};
use crate::fsck::reachable;
use crate::model::Revision;
use crate::store::{
    AnyBackend, Backend as _, Change, Embedded, EmbeddedOptions, Etcd, Forget, Forgotten, Keyspace,
    Line, NameLog, Place,
};

/// The names of a data directory's objects, beside its store.
const NAMES: &str = "names";

/// Where the store lies that a command opens by itself.
#[derive(Debug, clap::Args)]
pub(super) struct StoreArgs {
    /// Data directory that no server is using at present
    ///
    /// That of `kcpctl cache serve`, or the folder that a `cache-server` was given as
    /// `--embedded-etcd-directory`.
    #[arg(long, value_name = "DIR", help_heading = "Store", conflicts_with = "etcd_servers")]
    data_dir: Option<PathBuf>,

    /// URLs of an etcd's members, between commas; servers may go on using it
    #[arg(long, value_name = "URLS", help_heading = "Store")]
    etcd_servers: Option<String>,

    /// What the keys in the store begin with; `/registry` stands for `/cache`
    #[arg(long, value_name = "PREFIX", default_value = KEY_PREFIX, help_heading = "Store")]
    etcd_prefix: String,

    /// CAs of etcd's members [default: those of the system]
    #[arg(long, value_name = "FILE", help_heading = "Store")]
    etcd_cafile: Option<PathBuf>,

    /// Certificate that is shown to etcd
    #[arg(long, value_name = "FILE", help_heading = "Store")]
    etcd_certfile: Option<PathBuf>,

    /// Private key of that certificate
    #[arg(long, value_name = "FILE", help_heading = "Store")]
    etcd_keyfile: Option<PathBuf>,
}

/// Which store is meant.
#[derive(Debug)]
pub(super) enum Location {
    /// The data of a stopped server.
    Directory { dir: PathBuf, keys: Keyspace },
    /// An etcd.
    Etcd { options: crate::store::EtcdOptions, keys: Keyspace },
}

/// A store that is open.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) backend: AnyBackend,
    pub(super) keys: Keyspace,
    /// Where it is, for a sentence.
    pub(super) name: String,
    /// The names of its objects, if they are kept beside it.
    names: Option<PathBuf>,
}

/// What a store holds, by key.
pub(super) type Pairs = BTreeMap<Bytes, Pair>;

/// One stored value.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) revision: Revision,
    pub(super) value: Bytes,
    /// When it was written, in milliseconds since 1970, if the store knows that.
    pub(super) at_millis: Option<u64>,
}

impl StoreArgs {
    /// Which store the flags name, if any.
    pub(super) fn location(self) -> Result<Option<Location>, CliError> {
        let Self { data_dir, etcd_servers, .. } = &self;
        let (dir, servers) = (data_dir.clone(), etcd_servers.clone());
        let credentials = [&self.etcd_cafile, &self.etcd_certfile, &self.etcd_keyfile];
        if servers.is_none() && credentials.into_iter().any(Option::is_some) {
            let flags = "--etcd-cafile, --etcd-certfile and --etcd-keyfile";
            let cause = anyhow!("{flags} are for an etcd, and none is named");
            return Err(CliError::new(Kind::Usage, cause).hint("name it with `--etcd-servers`"));
        }
        let flags = EtcdFlags {
            servers: servers.clone().unwrap_or_default(),
            prefix: self.etcd_prefix,
            ca: self.etcd_cafile,
            cert: self.etcd_certfile,
            key: self.etcd_keyfile,
            // A command that comes and goes leaves that to the servers.
            compaction_interval: Duration::ZERO,
            health_timeout: HEALTH_TIMEOUT,
        };
        let keys = Keyspace::new(flags.key_prefix()?);
        Ok(match (dir, servers) {
            (Some(dir), _) => Some(Location::Directory { dir, keys }),
            (None, Some(_)) => Some(Location::Etcd { options: flags.options()?, keys }),
            (None, None) => None,
        })
    }
}

/// How long etcd may take to say that it is well.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

impl Location {
    /// Opens what is there. Looking does not make a store.
    pub(super) async fn open(self) -> Result<Stored, CliError> {
        if let Self::Directory { dir, .. } = &self {
            must_exist(dir)?;
        }
        self.open_or_make(Revision::ZERO).await
    }

    /// Opens the store, or makes one, whose counter goes on after the clock and after
    /// `above` if it is one of kcpctl's own.
    pub(super) async fn open_or_make(self, above: Revision) -> Result<Stored, CliError> {
        match self {
            Self::Directory { dir, keys } => {
                files::make_private_dir(&dir)
                    .map_err(|error| CliError::new(Kind::Config, error))?;
                let path = store_in(&dir);
                let above = UNIX_EPOCH + Duration::from_micros(above.0);
                let clock = move || SystemTime::now().max(above);
                let store = Embedded::open(&path, EmbeddedOptions::new(clock))?;
                let names = (path != dir).then(|| dir.join(NAMES));
                let name = format!("`{}`", path.display());
                Ok(Stored { backend: AnyBackend::Embedded(Box::new(store)), keys, name, names })
            }
            Self::Etcd { options, keys } => {
                let name = format!("`{}` of etcd {}", keys.prefix(), options.servers.join(","));
                let store = Etcd::open(options).await?;
                let backend = AnyBackend::Etcd(Box::new(store));
                Ok(Stored { backend, keys, name, names: None })
            }
        }
    }
}

impl Stored {
    /// Everything at one revision, and that revision.
    pub(super) async fn pairs(&self) -> Result<(Pairs, Revision), CliError> {
        let shared = self.backend.is_shared();
        let mut pairs = Pairs::new();
        let loaded = self
            .backend
            .reload(&mut |change| match change.value {
                Some(value) => {
                    let at_millis = (!shared).then_some(change.at_millis);
                    let pair = Pair { revision: change.revision, value, at_millis };
                    pairs.insert(change.key, pair);
                }
                None => _ = pairs.remove(&change.key),
            })
            .await?;
        Ok((pairs, loaded.revision))
    }

    /// Forgets all changes of keys that were deleted since no server can read them: a store of
    /// one's own is read with its history, and one such value keeps a server from starting.
    /// Watches of their types from before end, and begin anew.
    pub(super) async fn forget_history(&self, keys: &HashSet<Bytes>) -> Result<(), CliError> {
        if self.backend.is_shared() || keys.is_empty() {
            return Ok(());
        }
        let mut forget = Forget::default();
        let mut floors = BTreeMap::new();
        let collect = &mut |change: Change| {
            if !keys.contains(&change.key) {
                return;
            }
            if let Ok(place) = self.keys.parse(&change.key) {
                floors.insert(place.kind, change.revision);
            }
            forget.changes.push(Forgotten {
                revision: change.revision,
                previous: change.previous,
                tombstone: change.value.is_none(),
            });
        };
        self.backend.load(collect).await?;
        forget.floors = floors.into_iter().collect();
        Ok(self.backend.forget(forget).await?)
    }

    /// Lets clients of the next server know that these keys were deleted on purpose, and not
    /// lost.
    pub(super) fn forget_names<'a>(&self, keys: impl Iterator<Item = &'a Bytes>) {
        let Some(path) = self.names.clone().filter(|path| path.is_file()) else { return };
        let mut names = NameLog::new(path);
        let mut lines = Vec::new();
        names.read(|line| lines.push(line));
        let text = |key: &Bytes| String::from_utf8_lossy(key).into_owned();
        lines.extend(keys.map(|key| Line::Deleted(text(key))));
        names.write(lines.into_iter());
    }

    /// The key that stands in a snapshot for what is stored under `key`.
    pub(super) fn without_prefix<'a>(&self, key: &'a [u8]) -> Option<&'a str> {
        let key = std::str::from_utf8(key).ok()?;
        key.strip_prefix(self.keys.prefix())?.strip_prefix('/')
    }

    /// The stored key of what stands in a snapshot.
    pub(super) fn with_prefix(&self, key: &str) -> Bytes {
        format!("{}/{key}", self.keys.prefix()).into()
    }
}

/// What stands in a snapshot for `place`: its key without a prefix.
pub(super) fn copy_of(place: &Place) -> String {
    let key = Keyspace::new("").key(place);
    String::from_utf8_lossy(&key[1..]).into_owned()
}

/// The place of what stands in a snapshot, if a request can lead there.
pub(super) fn place_of_copy(key: &str) -> Option<Place> {
    reachable(&Keyspace::new(""), format!("/{key}").as_bytes())
}

/// The folder of the store that `dir` means: itself, or the one that a server keeps in it.
fn store_in(dir: &Path) -> PathBuf {
    if dir.join("format").is_file() { dir.to_owned() } else { dir.join("store") }
}

/// Refuses a folder without a store.
fn must_exist(dir: &Path) -> Result<(), CliError> {
    if store_in(dir).join("format").is_file() {
        return Ok(());
    }
    // The data of an embedded etcd is something else, and is told so when it is opened.
    let cause = anyhow!("there is no store in `{}`", dir.display());
    Err(CliError::new(Kind::Config, cause)
        .hint("name the directory that `kcpctl cache serve` was given as `--data-dir`"))
}
