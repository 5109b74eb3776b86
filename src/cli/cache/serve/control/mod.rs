//! The control plane inside of the server: its store, its types, and what keeps it tidy.

mod files;
mod folder;
mod kinds;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use kube::Client;
use tokio::task::JoinSet;

use self::files::Files;
use self::folder::Folder;
use super::talk::Talk;
use crate::error::{CliError, Kind};
use crate::reconcile::{self, issuer};
use crate::server::App;
use crate::server::control::{self, Control, SeedError};
use crate::server::local::Local;
use crate::shutdown::Shutdown;
use crate::store::{AnyBackend, Embedded, EmbeddedOptions, Keyspace, Place};
use crate::view::{EntryDraft, Options, View, serve_plain};

/// What the keys of the control plane begin with.
const KEY_PREFIX: &str = "/kcpctl";

/// The most that the history of the control plane costs, in bytes: its objects are few.
const HISTORY_BYTES: usize = 16 << 20;

/// How long a change is remembered, in milliseconds.
const HISTORY_MILLIS: u64 = 5 * 60 * 1000;

/// A control plane that can answer.
pub(super) struct Plane {
    pub(super) view: Arc<View>,
    pub(super) keys: Keyspace,
    pub(super) control: Arc<Control>,
}

impl Plane {
    /// Reads the store in `directory`, and begins to collect.
    pub(super) async fn open(
        directory: &Path,
        clock: fn() -> u64,
        shutdown: Shutdown,
    ) -> Result<Self, CliError> {
        let control = Arc::new(Control::new(kinds::kinds()));
        let keys = Keyspace::new(KEY_PREFIX);
        let store = Embedded::open(directory, EmbeddedOptions::new(SystemTime::now))?;
        let options = Options {
            history_bytes: HISTORY_BYTES,
            history_millis: HISTORY_MILLIS,
            memory_limit: None,
            kinds: control.keys().to_vec(),
            clock,
            serve,
        };
        let store = Arc::new(AnyBackend::Embedded(Box::new(store)));
        let view = Arc::new(View::open(store, keys.clone(), options, None).await?);
        control::sow(&view, &control, &kinds::definitions()).await?;
        tokio::spawn(control::collect(Arc::clone(&view), Arc::clone(&control), shutdown));
        Ok(Self { view, keys, control })
    }
}

/// What works on the control plane from within: the folder of manifests, the loop, the issuer,
/// and what keeps its Secrets as files. They end at the drain.
pub(super) struct Work(JoinSet<()>);

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
        let mut tasks = JoinSet::new();
        let folder = Folder::new(manifests, client.clone(), plane.control.types(), talk);
        tasks.spawn(folder.follow(shutdown.clone()));
        let files = Files::new(Arc::clone(&plane.view), files, talk);
        tasks.spawn(files.follow(shutdown.clone()));
        tasks.spawn(issuer::run(client.clone(), None, shutdown.clone()));
        let shutdown = shutdown.clone();
        tasks.spawn(async move {
            let settings = reconcile::Settings { without_pods: true, ..Default::default() };
            if let Err(error) = reconcile::run(client, &settings, shutdown).await {
                let error = anyhow::Error::from(error);
                tracing::error!(error = format!("{error:#}"), "the loop cannot begin");
            }
        });
        Self(tasks)
    }

    /// Waits until nothing is half done.
    pub(super) async fn ended(mut self) {
        while self.0.join_next().await.is_some() {}
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
