//! Store, view and request path, put together.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::memory::Budget;
use super::pulse::Pulse;
use super::settings::Settings;
use crate::error::{CliError, Kind};
use crate::server::bootstrap::{self, BootstrapError};
use crate::server::metrics::{Metrics, StoreFacts};
use crate::server::types::BuiltIn;
use crate::server::{App, AppOptions};
use crate::shutdown::Shutdown;
use crate::store::{Embedded, Keyspace, NameLog};
use crate::view::{OpenError, Options, View};

/// How long a change is remembered, in milliseconds: a watch that was away for less
/// goes on without a relist. It is what the original leaves between two compactions.
const HISTORY_MILLIS: u64 = 5 * 60 * 1000;

/// A server that can answer.
pub(super) struct Server {
    view: Arc<View>,
    app: Arc<App>,
}

impl Server {
    /// Reads the store.
    pub(super) async fn open(
        settings: &Settings,
        budget: Budget,
        store: Arc<Embedded>,
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
            decode: bootstrap::decode,
        };
        // Outside of the store's directory, so that it outlives what happens to that.
        let names = settings.data_dir.as_ref().map(|dir| NameLog::new(dir.join("names")));
        let view = Arc::new(View::open(Arc::clone(&store), keys.clone(), options, names).await?);
        bootstrap::define_types(&view).await?;
        let missing = view.missing();
        if missing > 0 {
            tracing::warn!(
                objects = missing,
                "the store has lost objects since it was last used; clients that come back are told"
            );
        }
        let pulse = Pulse::start(Arc::clone(&store));
        let options = AppOptions {
            flavor: settings.flavor,
            admission: settings.limits.admission,
            synthetic_delay: settings.synthetic_delay,
            compress: settings.compress,
            bookmark_interval: settings.limits.bookmark_interval,
            trouble: {
                let pulse = pulse.clone();
                Box::new(move || pulse.trouble())
            },
            store_facts: Box::new(move || facts(&store, &pulse)),
        };
        let app = Arc::new(App::new(Arc::clone(&view), keys, metrics, options, shutdown));
        Ok(Self { view, app })
    }

    /// What answers requests.
    pub(super) fn handler(&self) -> Arc<App> {
        Arc::clone(&self.app)
    }

    /// Finishes the writes that are queued.
    pub(super) async fn close(&self) {
        self.view.close().await;
    }
}

fn facts(store: &Embedded, pulse: &Pulse) -> StoreFacts {
    let counters = store.counters();
    StoreFacts {
        is_well: pulse.trouble().is_none(),
        writes: counters.writes,
        bytes: counters.bytes,
        syncs: counters.syncs,
        failures: counters.failures,
        disk_bytes: pulse.disk_bytes(),
    }
}

fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl From<OpenError> for CliError {
    fn from(error: OpenError) -> Self {
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
