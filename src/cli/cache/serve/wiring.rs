//! Store, view and request path, put together.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::time::Instant;

use super::control::{Plane, Work};
use super::memory::Budget;
use super::pulse::Pulse;
use super::settings::{Settings, StoreSettings};
use super::talk::Talk;
use crate::error::{CliError, Kind};
use crate::server::bootstrap::{self, BootstrapError};
use crate::server::metrics::{Metrics, StoreFacts};
use crate::server::types::BuiltIn;
use crate::server::{App, AppOptions, Plane as PlaneKind, orphans};
use crate::shutdown::Shutdown;
use crate::store::{
    self, AnyBackend, Backend as _, Counters, Embedded, EmbeddedOptions, Etcd, EtcdCounters,
    Keyspace, NameLog,
};
use crate::view::{OpenError, Options, Stale, View};

/// How long a change is remembered, in milliseconds: a watch that was away for less
/// goes on without a relist. It is what the original leaves between two compactions.
const HISTORY_MILLIS: u64 = 5 * 60 * 1000;

/// How long a start waits for an etcd that does not answer.
const ETCD_PATIENCE: Duration = Duration::from_secs(60);

/// How long it waits before it asks again.
const ETCD_PAUSE: Duration = Duration::from_secs(1);

/// A server that can answer.
pub(super) struct Server {
    view: Arc<View>,
    plane: Option<Plane>,
    work: Option<Work>,
    app: Arc<App>,
}

impl Server {
    /// Reads the store.
    pub(super) async fn open(
        settings: &Settings,
        budget: Budget,
        store: Arc<AnyBackend>,
        metrics: Arc<Metrics>,
        shutdown: Shutdown,
    ) -> Result<Self, CliError> {
        let keys = Keyspace::new(settings.key_prefix.clone());
        let options = Options {
            history_bytes: budget.history,
            history_millis: HISTORY_MILLIS,
            memory_limit: budget.memory,
            kinds: BuiltIn::new().keys(),
            clock: now_millis,
            serve: bootstrap::serve,
        };
        // Outside of the store's directory, so that it outlives what happens to that.
        let names = settings.data_dir.as_ref().filter(|_| !store.is_shared());
        let names = names.map(|dir| NameLog::new(dir.join("names")));
        let view = Arc::new(open_view(&store, &keys, options, names).await?);
        let replaced = view.replaced();
        bootstrap::define_types(&view).await?;
        tokio::spawn(define_again(Arc::clone(&view), replaced));
        let missing = view.missing();
        if missing > 0 {
            tracing::warn!(
                objects = missing,
                "the store has lost objects since it was last used; clients that come back are told"
            );
        }
        if let Some(after) = settings.prune_orphans_after {
            let (view, pruned) = (Arc::clone(&view), metrics.pruned.clone());
            tokio::spawn(orphans::prune(view, after, pruned, shutdown.clone()));
        }
        let pulse = Pulse::start(Arc::clone(&store));
        let plane = match settings.control_store() {
            Some(store) => Some(Plane::open(&store, now_millis, shutdown.clone()).await?),
            None => None,
        };
        let options = |pulse: Pulse| AppOptions {
            flavor: settings.flavor,
            admission: settings.limits.admission,
            synthetic_delay: settings.synthetic_delay,
            compress: settings.compress,
            bookmark_interval: settings.limits.bookmark_interval,
            trouble: {
                let (pulse, view) = (pulse.clone(), Arc::clone(&view));
                Box::new(move || pulse.trouble().or_else(|| encrypted(&view)))
            },
            store_facts: {
                let store = Arc::clone(&store);
                Box::new(move || facts(&store, &pulse))
            },
        };
        let control = plane.as_ref().map(|Plane { view, keys, control, .. }| {
            let options = options(pulse.clone());
            let kind = PlaneKind::Control(Arc::clone(control));
            let (view, keys) = (Arc::clone(view), keys.clone());
            Arc::new(App::new(view, keys, kind, Arc::clone(&metrics), options, shutdown.clone()))
        });
        let kind = PlaneKind::Cache(control);
        let options = options(pulse);
        let app = App::new(Arc::clone(&view), keys, kind, metrics, options, shutdown.clone());
        let app = Arc::new(app);
        let manifests = settings.manifests.as_ref().map(|it| it.dir.clone());
        let folders = manifests.zip(settings.files_directory());
        let work = plane.as_ref().zip(folders).map(|(plane, folders)| {
            Work::begin(folders, Arc::clone(&app), plane, Talk::of(settings), &shutdown)
        });
        Ok(Self { view, plane, work, app })
    }

    /// What answers requests.
    pub(super) fn handler(&self) -> Arc<App> {
        Arc::clone(&self.app)
    }

    /// Finishes the writes that are queued.
    pub(super) async fn close(self) {
        if let Some(work) = self.work {
            work.ended().await;
        }
        self.view.close().await;
        if let Some(plane) = &self.plane {
            plane.view.close().await;
        }
    }
}

/// Opens a store, without reading it.
pub(super) async fn open_store(settings: &StoreSettings) -> Result<AnyBackend, CliError> {
    Ok(match settings {
        StoreSettings::Embedded(directory) => {
            let options = EmbeddedOptions::new(SystemTime::now);
            AnyBackend::Embedded(Box::new(Embedded::open(directory, options)?))
        }
        StoreSettings::Etcd(options) => {
            AnyBackend::Etcd(Box::new(Etcd::open(options.clone()).await?))
        }
    })
}

/// Reads the store. One that is elsewhere may be on its way up, as this server is.
pub(super) async fn open_view(
    store: &Arc<AnyBackend>,
    keys: &Keyspace,
    options: Options,
    mut names: Option<NameLog>,
) -> Result<View, CliError> {
    let give_up = Instant::now() + ETCD_PATIENCE;
    let view = loop {
        let opened = View::open(Arc::clone(store), keys.clone(), options.clone(), names.take());
        match opened.await {
            Err(OpenError::Store(error)) if store.is_shared() && Instant::now() < give_up => {
                tracing::warn!(%error, "waiting for etcd");
                tokio::time::sleep(ETCD_PAUSE).await;
            }
            opened => break opened?,
        }
    };
    // What happened since the oldest state that could be read is told now.
    while let Err(why) = view.fresh().await {
        if Instant::now() >= give_up {
            return Err(why.into());
        }
        tracing::warn!(%why, "waiting for etcd");
        tokio::time::sleep(ETCD_PAUSE).await;
    }
    match view.stats().encrypted() {
        Some(key) => Err(OpenError::Encrypted { key }.into()),
        None => Ok(view),
    }
}

/// Makes the definitions of all types again where another state took the place of
/// everything: an empty etcd has none.
async fn define_again(view: Arc<View>, mut replaced: watch::Receiver<u64>) {
    while replaced.changed().await.is_ok() {
        while let Err(error) = bootstrap::define_types(&view).await {
            if replaced.has_changed().is_err() {
                return;
            }
            let error = anyhow::Error::from(error);
            tracing::warn!(error = format!("{error:#}"), "failed to define the types again");
            tokio::time::sleep(ETCD_PAUSE).await;
        }
    }
}

/// Another server has begun to encrypt: what is served has gaps from now on.
fn encrypted(view: &View) -> Option<String> {
    view.stats().encrypted().map(|key| OpenError::Encrypted { key }.to_string())
}

fn facts(store: &AnyBackend, pulse: &Pulse) -> StoreFacts {
    let (is_well, disk_bytes) = (pulse.trouble().is_none(), pulse.disk_bytes());
    match store {
        AnyBackend::Embedded(store) => {
            let Counters { writes, bytes, syncs, failures, .. } = store.counters();
            StoreFacts { is_well, writes, bytes, syncs, failures, disk_bytes }
        }
        AnyBackend::Etcd(store) => {
            let EtcdCounters { writes, bytes, failures } = store.counters();
            StoreFacts { is_well, writes, bytes, syncs: 0, failures, disk_bytes }
        }
    }
}

fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl From<Stale> for CliError {
    fn from(error: Stale) -> Self {
        Self::new(Kind::Config, error).hint("check that etcd is well: `etcdctl endpoint health`")
    }
}

impl From<OpenError> for CliError {
    fn from(error: OpenError) -> Self {
        let hint = match &error {
            OpenError::Encrypted { .. } => Some(
                "let the server that encrypted it write everything anew without \
                 --encryption-provider-config (or with `identity` as the first provider), then \
                 start this one"
                    .to_owned(),
            ),
            OpenError::Store(error @ store::Error::Remote { .. }) => error.hint(),
            OpenError::Key { .. } | OpenError::Value { .. } => Some(
                "find everything that no server can read with `kcpctl cache fsck --data-dir DIR`, \
                 which deletes it with `--fix` and keeps a copy"
                    .to_owned(),
            ),
            OpenError::Store(_) => None,
        };
        if let Some(hint) = hint {
            return Self::new(Kind::Config, error).hint(hint);
        }
        Self::new(Kind::Config, error).hint(
            "restore the store from a backup, or move it away and start with an empty cache, \
             which running shards fill again",
        )
    }
}

impl From<BootstrapError> for CliError {
    fn from(error: BootstrapError) -> Self {
        Self::new(Kind::Config, error).hint("check that the disk has room, and start again")
    }
}
