//! Opening a view: the store is read once, front to back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};

use crate::model::Revision;
use crate::store::{Backend, KeyError, Keyspace, Line, NameLog, Place, TypeKey};

use super::commit::{CommitError, Committed, Committer, Draft, Op};
use super::follow::{Follower, Writers};
use super::fresh::{Freshness, Stale};
use super::gone::{Gone, Recall};
use super::load::{Left, Lenience, Loader, Serve};
use super::memory::Memory;
use super::publish::{Publisher, write_names};
use super::ring::Expired;
use super::root::{Kind, Root, Snapshot};
use super::scope::{Filter, Scope};
use super::watch::Cursor;

/// The most writes that wait for the committer; more make their writers wait.
const QUEUE_WRITES_MAX: usize = 4096;

/// How often history is looked after while nothing is written.
const TICK: std::time::Duration = std::time::Duration::from_secs(10);

/// How long an object that the store lost is remembered, in seconds. Clients that were
/// away for longer have been started anew; and one that was given up for good is
/// not spoken of for ever.
const MISSING_SECONDS: u64 = 24 * 60 * 60;

/// Tells the time in milliseconds since 1970.
pub(super) type Clock = fn() -> u64;

/// What a view remembers, and what it knows beforehand.
#[derive(Clone, Debug)]
pub struct Options {
    /// The most that history costs, over all types, in bytes.
    pub history_bytes: usize,
    /// How long a change is remembered, in milliseconds.
    pub history_millis: u64,
    /// The most that objects and history may cost, in bytes; none is no limit. History
    /// counts with the most that it may cost, so that deleting makes room at once.
    pub memory_limit: Option<usize>,
    /// The types that can be watched before they hold anything.
    pub kinds: Vec<TypeKey>,
    /// Tells the time in milliseconds since 1970.
    pub clock: Clock,
    /// Makes what is served of a stored value.
    pub serve: Serve,
}

/// All objects: read through snapshots, written through one commit path.
#[derive(Debug)]
pub struct View {
    root: Arc<ArcSwap<Root>>,
    queue: mpsc::Sender<Op>,
    stats: Arc<Stats>,
    gone: Arc<Gone>,
    committer: Mutex<Option<oneshot::Receiver<()>>>,
    memory_limit: Option<usize>,
    /// How to know that this is the newest; none if nobody else writes.
    fresh: Option<Freshness>,
    replaced: watch::Receiver<u64>,
}

/// Figures for the metrics.
#[derive(Debug, Default)]
pub struct Stats {
    history_bytes: AtomicUsize,
    history_cut_short: AtomicU64,
    memory_used: AtomicUsize,
    memory_refusals: AtomicU64,
    strange: AtomicUsize,
    encrypted: Mutex<Option<String>>,
}

/// Why a view could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store could not be read.
    #[error("failed to read the store")]
    Store(#[source] crate::store::Error),
    /// A key that is not of the layout.
    #[error("the store holds a strange key, `{key}`")]
    Key {
        /// The key.
        key: String,
        /// What is wrong with it.
        source: KeyError,
    },
    /// A value that was encrypted by another server.
    #[error("the value under `{key}` is encrypted (k8s:enc:), which this server cannot read")]
    Encrypted {
        /// Its key.
        key: String,
    },
    /// A value that cannot be served.
    #[error("the store holds a strange value under `{key}`: {why}")]
    Value {
        /// Its key.
        key: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Stats {
    /// What history costs, in bytes.
    pub fn history_bytes(&self) -> usize {
        self.history_bytes.load(Ordering::Relaxed)
    }

    /// How many changes were dropped before their time because history was full.
    pub fn history_cut_short(&self) -> u64 {
        self.history_cut_short.load(Ordering::Relaxed)
    }

    /// What objects cost, and the most that history may, in bytes.
    pub fn memory_used(&self) -> usize {
        self.memory_used.load(Ordering::Relaxed)
    }

    /// How many writes were refused because there was no room.
    pub fn memory_refusals(&self) -> u64 {
        self.memory_refusals.load(Ordering::Relaxed)
    }

    /// How many stored objects are left out since they cannot be understood.
    pub fn strange(&self) -> usize {
        self.strange.load(Ordering::Relaxed)
    }

    /// The key of a stored object that is left out since it is encrypted.
    pub fn encrypted(&self) -> Option<String> {
        self.encrypted.lock().clone()
    }

    pub(super) fn set_strange(&self, left: &Left) {
        self.strange.store(left.len(), Ordering::Relaxed);
        let encrypted = left.iter().find(|(_, encrypted)| **encrypted);
        *self.encrypted.lock() =
            encrypted.map(|(key, _)| String::from_utf8_lossy(key).into_owned());
    }

    pub(super) fn set_memory_used(&self, bytes: usize) {
        self.memory_used.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn refused_for_memory(&self) {
        self.memory_refusals.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set_history_bytes(&self, bytes: usize) {
        self.history_bytes.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn cut_short(&self) {
        self.history_cut_short.fetch_add(1, Ordering::Relaxed);
    }
}

impl View {
    /// Reads the store and starts the committer, which runs until [`Self::close`].
    /// `names` says what was there before, if that is remembered.
    ///
    /// Must be called on a Tokio runtime.
    pub async fn open<B: Backend>(
        backend: Arc<B>,
        keys: Keyspace,
        options: Options,
        mut names: Option<NameLog>,
    ) -> Result<Self, OpenError> {
        let shared = backend.is_shared();
        let lenient = if shared { Lenience::AllButEncrypted } else { Lenience::Nothing };
        let mut loader = Loader::new(keys.clone(), &options, lenient);
        let reach =
            backend.load(&mut |change| loader.add(change)).await.map_err(OpenError::Store)?;
        let (mut root, history_bytes, strange) = loader.finish(&reach).await?;
        for kind in &options.kinds {
            root.kinds.entry(kind.clone()).or_insert_with(|| Arc::new(Kind::new(reach.floor)));
        }
        let missing = match &mut names {
            Some(names) => missing(names, &root, &keys, (options.clock)() / 1000),
            None => Vec::new(),
        };
        let gone = Arc::new(Gone::new(root.revision, missing));
        let memory = Memory::new(options.memory_limit, options.history_bytes, root.cost());
        let memory_limit = options.memory_limit;
        let stats = Arc::new(Stats::default());
        stats.set_memory_used(memory.used());
        stats.set_strange(&strange);
        let (queue, receiver) = mpsc::channel(QUEUE_WRITES_MAX);
        let (done, committer_ended) = oneshot::channel();
        let publisher = Publisher {
            reached: watch::Sender::new(root.revision),
            replaced: watch::Sender::new(0),
            root: Arc::new(ArcSwap::from_pointee(root)),
            keys,
            options,
            stats: stats.clone(),
            gone: gone.clone(),
            names,
            history_bytes,
            memory: Arc::new(Mutex::new(memory)),
            floor: reach.floor,
        };
        let root = publisher.root.clone();
        let replaced = publisher.replaced.subscribe();
        let fresh =
            shared.then(|| Freshness::start(Arc::clone(&backend), publisher.reached.subscribe()));
        if shared {
            let writers = Arc::new(Writers::new(Arc::clone(&backend), &publisher));
            let follower = Follower { backend, publisher, queue: receiver, writers, strange };
            tokio::spawn(async move {
                follower.run().await;
                let _ = done.send(());
            });
        } else {
            let runtime = tokio::runtime::Handle::current();
            let committer = Committer { backend, publisher, queue: receiver, runtime };
            std::thread::spawn(move || {
                committer.run();
                let _ = done.send(());
            });
        }
        tokio::spawn(tick(queue.clone()));
        let committer = Mutex::new(Some(committer_ended));
        Ok(Self { root, queue, stats, gone, committer, memory_limit, fresh, replaced })
    }

    /// Waits until everything that was written before this call is here, by whomever it
    /// was. At once where nobody else writes.
    pub async fn fresh(&self) -> Result<(), Stale> {
        match &self.fresh {
            Some(fresh) => fresh.wait().await,
            None => Ok(()),
        }
    }

    /// Tells how often another state took the place of everything, to which no changes
    /// lead. Nothing comes after [`Self::close`].
    pub fn replaced(&self) -> watch::Receiver<u64> {
        self.replaced.clone()
    }

    /// Everything as it is now.
    pub fn root(&self) -> Arc<Root> {
        self.root.load_full()
    }

    /// The objects of one type as they are now.
    pub fn snapshot(&self, kind: &TypeKey) -> Snapshot {
        self.root.load().snapshot(kind)
    }

    /// Makes a write durable and publishes it.
    pub async fn commit(&self, draft: Draft) -> Result<Committed, CommitError> {
        let (reply, answer) = oneshot::channel();
        let op = Op::Write(Box::new(draft), reply);
        self.queue.send(op).await.map_err(|_| CommitError::Closed)?;
        answer.await.map_err(|_| CommitError::Closed)?
    }

    /// Sees to it that a type can be watched, also before it holds anything.
    pub async fn make_watchable(&self, kind: &TypeKey) -> Result<(), CommitError> {
        if self.root.load().kinds.contains_key(kind) {
            return Ok(());
        }
        let (done, made) = oneshot::channel();
        let op = Op::Kind(kind.clone(), done);
        self.queue.send(op).await.map_err(|_| CommitError::Closed)?;
        made.await.map_err(|_| CommitError::Closed)
    }

    /// Begins a watch that tells every change after `after`.
    pub fn watch(
        &self,
        kind: &TypeKey,
        filter: Filter,
        after: Revision,
    ) -> Result<Cursor, Expired> {
        let root = self.root.load();
        let ring = root.kinds.get(kind).ok_or(Expired)?.ring.clone();
        Cursor::new(self.root.clone(), ring, filter, after)
    }

    /// Notes that somebody listed a type anew at `revision`, who will begin a watch
    /// there.
    pub fn relisted(&self, kind: &TypeKey, revision: Revision, recall: Recall) {
        self.gone.relisted(kind, revision, recall);
    }

    /// What those who begin a watch at `revision` knew before, if that may be more than
    /// what history tells after it.
    pub fn recall_at(&self, kind: &TypeKey, revision: Revision) -> Option<Recall> {
        self.gone.recall_at(kind, revision)
    }

    /// The paths of objects of `scope` that are not there, and that somebody who
    /// recalls that much may still believe in.
    pub fn gone(&self, kind: &TypeKey, scope: &Scope, recall: Recall) -> Vec<Arc<str>> {
        self.gone.told(&self.root.load(), kind, scope, recall)
    }

    /// How many objects the store has lost since it was last closed, by what the names
    /// say, and does not have again.
    pub fn missing(&self) -> usize {
        self.gone.missing().len()
    }

    /// The most that objects and history may cost, in bytes.
    pub fn memory_limit(&self) -> Option<usize> {
        self.memory_limit
    }

    /// Figures for the metrics.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Finishes the writes that are queued; later ones are refused.
    pub async fn close(&self) {
        let ended = self.committer.lock().take();
        if let Some(ended) = ended {
            let _ = self.queue.send(Op::Close).await;
            let _ = ended.await;
        }
    }
}

/// What the names say and the store does not have, and since when that is known. Brings
/// the names up to date.
fn missing(names: &mut NameLog, root: &Root, keys: &Keyspace, now: u64) -> Vec<(Place, u64)> {
    let mut missing = BTreeMap::new();
    names.read(|line| {
        let (key, since) = match line {
            Line::Created(key) => (key, Some(now)),
            Line::Missing(since, key) => (key, Some(since)),
            Line::Deleted(key) => (key, None),
        };
        let Some(since) = since.filter(|since| since + MISSING_SECONDS > now) else {
            missing.remove(&key);
            return;
        };
        let Ok(place) = keys.parse(key.as_bytes()) else { return };
        if root.get(&place.kind, &place.origin, &place.path).is_none() {
            missing.insert(key, (place, since));
        }
    });
    let missing: Vec<_> = missing.into_values().collect();
    write_names(names, root, keys, &missing);
    missing
}

async fn tick(queue: mpsc::Sender<Op>) {
    let mut interval = tokio::time::interval(TICK);
    loop {
        interval.tick().await;
        if queue.send(Op::Tick).await.is_err() {
            return;
        }
    }
}
