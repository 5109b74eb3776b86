//! One look at one source: what it asks for is compared with what there is, and the difference
//! is applied.
//!
//! What is decided here is only the order. A step that fails does not stop the others of the
//! same stage, and whatever is in the way ends up in the condition `Reconciled`.

mod apply;
mod leave;
mod make;
mod roles;
mod take_over;
mod tell;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::Settings;
use super::cluster::{Cluster, Failure};
use super::events::Events;
use super::kcp::Kcp;
use super::kinds::Watched;
use super::live::{Live, World};
use super::plan::Remembered;
use super::source::SourceKey;
use super::status::{Facts, Said};

/// What holds a Shard up until kcp has forgotten it.
const SHARD_FINALIZER: &str = "operator.kcp.io/cleanup-shard";
/// How many problems a condition names; the rest is a number.
const PROBLEMS_SHOWN: usize = 4;
/// How many steps the roles of a kubeconfig can need in one look.
const ACCESS_STEPS: usize = 6;

/// What every look shares.
pub(super) struct Worker {
    pub(super) cluster: Cluster,
    pub(super) kcp: Kcp,
    pub(super) events: Events,
    pub(super) adopt: bool,
    pub(super) dry_run: bool,
    without_pods: bool,
    memory: Mutex<HashMap<(Watched, String, String), Remembered>>,
    /// The uids of sources whose Compiled object is known to be gone.
    adopted: Mutex<BTreeSet<String>>,
}

/// Something that was done, for people.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Did {
    /// Such as `created`.
    pub verb: &'static str,
    /// Such as `Service root-kcp`.
    pub what: String,
}

/// How a look ended.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum End {
    /// Everything is as it should be.
    #[default]
    Settled,
    /// Something has to change first, which will be seen.
    Waiting(String),
    /// Something failed that may go well another time.
    Failed(String),
}

/// What a look has to tell.
#[derive(Debug, Default)]
pub struct Report {
    /// What was done.
    pub did: Vec<Did>,
    /// How it ended.
    pub end: End,
    /// What became of objects.
    pub(super) changed: Vec<Changed>,
}

/// What became of an object.
#[derive(Debug)]
pub(super) enum Changed {
    Put(Watched, Box<Live>),
    Gone(Watched, Arc<Live>),
}

/// Something in the way.
#[derive(Clone, Debug)]
struct Problem {
    reason: &'static str,
    message: String,
    /// Whether another try may help, though nothing has changed.
    retry: bool,
}

impl Problem {
    fn waits(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), retry: false }
    }

    fn failed(what: &str, failure: &Failure) -> Self {
        let hint = failure.hint();
        let hint = if hint.is_empty() { String::new() } else { format!("; {hint}") };
        Self { reason: failure.reason(), message: format!("{what}: {failure}{hint}"), retry: true }
    }
}

impl Worker {
    pub(super) fn new(cluster: Cluster, kcp: Kcp, events: Events, settings: &Settings) -> Self {
        Self {
            cluster,
            kcp,
            events,
            adopt: settings.adopt,
            dry_run: settings.dry_run,
            without_pods: settings.without_pods,
            memory: Mutex::default(),
            adopted: Mutex::default(),
        }
    }

    /// Forgets what was applied to objects that are gone, and to sources.
    pub(super) fn forget(&self, watched: Watched, namespace: &str, name: &str) {
        self.memory.lock().remove(&(watched, namespace.to_owned(), name.to_owned()));
    }

    /// Looks at a source.
    pub(super) async fn look(&self, world: World, key: &SourceKey) -> Report {
        let Some(live) = world.get(Watched::Source(key.kind), &key.namespace, &key.name).cloned()
        else {
            // What it owned goes with it.
            return Report::default();
        };
        let uid = live.uid().to_owned();
        let look = Look {
            worker: self,
            key,
            uid,
            source: live,
            world,
            report: Report::default(),
            problems: Vec::new(),
        };
        look.run().await
    }
}

struct Look<'a> {
    worker: &'a Worker,
    key: &'a SourceKey,
    uid: String,
    source: Arc<Live>,
    world: World,
    report: Report,
    problems: Vec<Problem>,
}

impl Look<'_> {
    async fn run(mut self) -> Report {
        let deleting = self.source.metadata.deletion_timestamp.is_some();
        let read = self.world.source(self.key).cloned();
        let mut facts = self.facts(deleting);
        match read {
            _ if deleting => self.leave(read.and_then(Result::ok)).await,
            None => {}
            Some(Err(error)) => {
                self.problems.push(Problem::waits(
                    "InvalidSpec",
                    format!("{error}; correct the object, `kcpctl validate` checks it"),
                ));
            }
            Some(Ok(source)) => self.make(&source, &mut facts).await,
        }
        self.finish(facts).await
    }

    fn facts(&self, deleting: bool) -> Facts {
        Facts {
            generation: self.source.metadata.generation,
            deleting,
            reference: None,
            available: Said::no("DeploymentUnavailable", ""),
            reconciled: Said::yes("Applied", ""),
            shards: None,
            address: None,
            expiry: None,
            target: None,
        }
    }

    fn has_finalizer(&self, finalizer: &str) -> bool {
        self.source.metadata.finalizers.iter().flatten().any(|it| it == finalizer)
    }

    async fn hold(&mut self, finalizer: &str) {
        if !self.has_finalizer(finalizer) && !self.worker.dry_run {
            let mut all = self.source.metadata.finalizers.clone().unwrap_or_default();
            all.push(finalizer.to_owned());
            self.set_finalizers(&all).await;
        }
    }

    async fn release(&mut self, finalizer: &str) {
        if self.has_finalizer(finalizer) && !self.worker.dry_run {
            let mut all = self.source.metadata.finalizers.clone().unwrap_or_default();
            all.retain(|it| it != finalizer);
            self.set_finalizers(&all).await;
        }
    }

    async fn set_finalizers(&mut self, all: &[String]) {
        let patch = json!({ "metadata": {
            "resourceVersion": self.source.revision(), "finalizers": all,
        } });
        self.patch_source(&patch, false).await;
    }

    async fn patch_source(&mut self, patch: &Value, status: bool) -> bool {
        let watched = Watched::Source(self.key.kind);
        let place = (self.key.namespace.as_str(), self.key.name.as_str());
        match self.worker.cluster.merge(&watched.resource(), place, patch, status).await {
            Ok(object) => {
                let live = Live::of(watched, object);
                self.source = Arc::new(live.clone());
                let leaves = live.metadata.deletion_timestamp.is_some()
                    && live.metadata.finalizers.iter().flatten().next().is_none();
                if leaves {
                    self.report.changed.push(Changed::Gone(watched, Arc::new(live)));
                } else {
                    self.put(watched, live);
                }
                true
            }
            Err(failure) if failure.code() == Some(409) => {
                let message = "the object was changed while it was looked at".to_owned();
                self.problems.push(Problem { reason: "Conflict", message, retry: true });
                false
            }
            // It went while we looked.
            Err(failure) if failure.code() == Some(404) => true,
            Err(failure) => {
                let what = if status {
                    "the status was not written"
                } else {
                    "the finalizers were not changed"
                };
                self.problems.push(Problem::failed(what, &failure));
                false
            }
        }
    }
}
