//! The control plane inside of the server: its store, its types, and what keeps it tidy.

mod files;
mod folder;
mod kinds;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::files::Files;
use self::folder::Folder;
use super::settings::{CONTROL_KEY_PREFIX, StoreSettings};
use super::talk::Talk;
use super::wiring::{open_store, open_view};
use crate::error::{CliError, Kind};
use crate::reconcile::{self, Contender, LeaseSettings, identity};
use crate::server::App;
use crate::server::control::{self, Control, SeedError};
use crate::server::local::Local;
use crate::shutdown::Shutdown;
use crate::store::{Backend as _, Keyspace, Place};
use crate::view::{EntryDraft, Options, View, serve_plain};

/// The most that the history of the control plane costs, in bytes: its objects are few.
const HISTORY_BYTES: usize = 16 << 20;

/// How long a change is remembered, in milliseconds.
const HISTORY_MILLIS: u64 = 5 * 60 * 1000;

/// How long it is until what failed is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// The namespace of the lease that one of several servers holds.
const LEASE_NAMESPACE: &str = "default";

/// A control plane that can answer.
pub(super) struct Plane {
    pub(super) view: Arc<View>,
    pub(super) keys: Keyspace,
    pub(super) control: Arc<Control>,
    /// Whether other servers may have it as well.
    is_shared: bool,
}

impl Plane {
    /// Reads the store, and begins to collect.
    pub(super) async fn open(
        settings: &StoreSettings,
        clock: fn() -> u64,
        shutdown: Shutdown,
    ) -> Result<Self, CliError> {
        let control = Arc::new(Control::new(kinds::kinds()));
        let keys = Keyspace::new(match settings {
            StoreSettings::Embedded(_) => CONTROL_KEY_PREFIX.to_owned(),
            StoreSettings::Etcd(options) => options.prefix.clone(),
        });
        let store = open_store(settings).await?;
        let is_shared = store.is_shared();
        let options = Options {
            history_bytes: HISTORY_BYTES,
            history_millis: HISTORY_MILLIS,
            memory_limit: None,
            kinds: control.keys().to_vec(),
            clock,
            serve,
        };
        let view = Arc::new(open_view(&Arc::new(store), &keys, options, None).await?);
        let replaced = view.replaced();
        control::sow(&view, &control, &kinds::definitions()).await?;
        tokio::spawn(sow_again(Arc::clone(&view), Arc::clone(&control), replaced));
        tokio::spawn(control::collect(Arc::clone(&view), Arc::clone(&control), shutdown));
        Ok(Self { view, keys, control, is_shared })
    }
}

/// Makes what must be there again where another state took the place of everything.
async fn sow_again(view: Arc<View>, control: Arc<Control>, mut replaced: watch::Receiver<u64>) {
    while replaced.changed().await.is_ok() {
        while let Err(error) = control::sow(&view, &control, &kinds::definitions()).await {
            if replaced.has_changed().is_err() {
                return;
            }
            let error = anyhow::Error::from(error);
            tracing::warn!(error = format!("{error:#}"), "failed to define the types again");
            tokio::time::sleep(TRY_AGAIN).await;
        }
    }
}

/// What works on the control plane from within: the folder of manifests, the loop, the issuer,
/// and what keeps its Secrets as files. They end at the drain.
///
/// Where other servers have the same control plane one of them works at a time; files are kept by
/// each.
pub(super) struct Work {
    tasks: JoinSet<()>,
    contender: Option<Contender>,
}

impl Work {
    /// Begins, as a client of `app`. Files are kept in `files`.
    pub(super) fn begin(
        (manifests, files): (PathBuf, PathBuf),
        app: Arc<App>,
        plane: &Plane,
        talk: Talk,
        shutdown: &Shutdown,
    ) -> Self {
        let client = Client::new(Local::new(app), "default");
        let lease =
            || LeaseSettings { namespace: LEASE_NAMESPACE.to_owned(), identity: identity() };
        let contender = plane.is_shared.then(|| Contender::begin(client.clone(), &lease()));
        let leading = contender.as_ref().map_or_else(reconcile::always, Contender::leading);
        let mut tasks = JoinSet::new();
        let folder = Folder::new(manifests, client.clone(), plane.control.types(), talk);
        tasks.spawn(folder.follow(leading.clone(), shutdown.clone()));
        let files = Files::new(Arc::clone(&plane.view), files, talk);
        tasks.spawn(files.follow(shutdown.clone()));
        tasks.spawn(reconcile(client, leading, shutdown.clone()));
        Self { tasks, contender }
    }

    /// Waits until nothing is half done.
    pub(super) async fn ended(mut self) {
        while self.tasks.join_next().await.is_some() {}
        if let Some(contender) = self.contender {
            contender.end().await;
        }
    }
}

/// Runs the loop and the issuer.
async fn reconcile(client: Client, leading: watch::Receiver<bool>, shutdown: Shutdown) {
    let settings = reconcile::Settings {
        without_pods: true,
        issue_certificates: true,
        ..reconcile::Settings::default()
    };
    loop {
        let run =
            reconcile::run_while(client.clone(), &settings, leading.clone(), shutdown.clone());
        let Err(error) = run.await else { return };
        let error = anyhow::Error::from(error);
        tracing::error!(error = format!("{error:#}"), "the loop cannot begin, and tries again");
        tokio::select! {
            () = tokio::time::sleep(TRY_AGAIN) => {}
            () = shutdown.draining() => return,
        }
    }
}

fn serve(_: &Place, stored: &[u8]) -> Result<EntryDraft, String> {
    serve_plain(stored)
}

impl From<SeedError> for CliError {
    fn from(error: SeedError) -> Self {
        Self::new(Kind::Config, error).hint("check that the disk has room, and start again")
    }
}
