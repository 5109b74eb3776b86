//! What the control plane holds, as files: for whoever runs servers and clients on a machine.
//!
//! ```text
//! Secrets, ConfigMaps, Kubeconfigs, Deployments ──wanted (pure)──► namespaces/<namespace>/
//!                                                                  ├── secrets/<name>/<key>
//!                                                                  ├── kubeconfigs/<name>/
//!                                                                  └── deployments/<name>/
//! ```
//!
//! * `wanted` says which files there should be: a Secret's keys; a kubeconfig that names files, so
//!   that a running client notices a renewal; and what `pod` makes of a Deployment.
//! * `pod` is a Deployment as a process: what it mounts, and a script that starts it.
//! * `folder` writes what differs, and removes what it once wrote and nobody wants any more.
//!
//! # What is absent on purpose
//!
//! Nothing here starts a process, and nothing is read back: a changed file is written again.

mod folder;
mod pod;
mod wanted;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use self::folder::Folder;
use self::wanted::Objects;
use crate::api;
use crate::cli::cache::serve::manifests::News;
use crate::cli::cache::serve::talk::Talk;
use crate::model::Revision;
use crate::server::control::everything;
use crate::shutdown::Shutdown;
use crate::store::TypeKey;
use crate::view::View;

/// How often it is looked whether anything has changed. A look that finds the revision of the last
/// one costs nothing.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long it is until what failed is tried again: a full disk may have room by then.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// How long it is until the files are compared although no object has changed: somebody may have
/// deleted one.
const CHECK_EVERY: Duration = Duration::from_secs(60);

/// The files of a control plane.
pub(super) struct Files {
    view: Arc<View>,
    folder: Folder,
    talk: Talk,
    /// What was told already: a problem is told once, until it changes.
    told: BTreeSet<String>,
    seen: Option<Revision>,
    due: Instant,
}

impl Files {
    /// Those that belong into `root`.
    pub(super) fn new(view: Arc<View>, root: PathBuf, talk: Talk) -> Self {
        // Kubeconfigs and scripts name files for processes that run elsewhere.
        let root = std::path::absolute(&root).unwrap_or(root);
        let folder = Folder::new(root);
        Self { view, folder, talk, told: BTreeSet::new(), seen: None, due: Instant::now() }
    }

    /// Keeps the files what they should be until the process should end.
    pub(super) async fn follow(mut self, shutdown: Shutdown) {
        loop {
            let looked = tokio::task::spawn_blocking(move || {
                self.look();
                self
            });
            let Ok(this) = looked.await else { return }; // the runtime is on its way out
            self = this;
            tokio::select! {
                () = shutdown.draining() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Makes the files what they should be, if anything may have changed.
    fn look(&mut self) {
        let revision = self.view.root().revision();
        let now = Instant::now();
        if self.seen == Some(revision) && now < self.due {
            return;
        }
        let wanted = wanted::wanted(&self.objects(), self.folder.root());
        let done = self.folder.keep(&wanted);
        for path in done.written {
            tracing::debug!(path = %path.display(), "wrote");
        }
        let problems: BTreeSet<String> =
            wanted.problems.into_iter().chain(done.problems.iter().cloned()).collect();
        for problem in problems.difference(&self.told) {
            self.talk.news(News::Problem(problem.clone()));
        }
        self.told = problems;
        self.seen = Some(revision);
        self.due = now + if done.problems.is_empty() { CHECK_EVERY } else { TRY_AGAIN };
    }

    fn objects(&self) -> Objects {
        let root = self.view.root();
        let all = |group: &str, resource: &str| -> Vec<Value> {
            let snapshot = root.snapshot(&TypeKey::new(group, resource));
            let scope = everything();
            let entries = snapshot.list(&scope, None);
            entries.map(|it| serde_json::from_slice(it.2.json()).unwrap_or_default()).collect()
        };
        Objects::of(
            &all("", "secrets"),
            &all("", "configmaps"),
            all(api::GROUP, "kubeconfigs"),
            all("apps", "deployments"),
        )
    }
}
