//! The one commit path: it orders the writes, remembers them and publishes.
//!
//! A plan was made on the published state. The committer checks what it expects
//! against that state and against what is queued before it; a loser is handed back
//! to be planned again. Whatever queued up while the last batch was being synced is
//! the next batch.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::model::Revision;
use crate::store::{
    Backend, Expect, Forget, Forgotten, Keyspace, Line, NameLog, Origin, Place, TypeKey, Write,
};

use super::entry::{Entry, EntryDraft};
use super::gone::Gone;
use super::memory::{Crossing, Memory};
use super::open::{Clock, Options, Stats};
use super::ring::Change;
use super::root::{Kind, Root};

/// The most writes of one batch: what queues up during a slow sync is bounded by it.
const BATCH_WRITES_MAX: usize = 1024;

/// A write whose outcome is known except for its revision.
#[derive(Debug)]
pub struct Draft {
    /// Where.
    pub place: Place,
    /// What the plan was made on.
    pub expect: Expect,
    /// The stored value and what is served of it; none deletes.
    pub value: Option<(Bytes, EntryDraft)>,
}

/// A write that is durable and published.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Its revision.
    pub revision: Revision,
    /// The object before.
    pub old: Option<Arc<Entry>>,
    /// The object after.
    pub new: Option<Arc<Entry>>,
}

/// Why a write was not made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// Somebody else was faster. This is what is there now.
    #[error("the object has changed since")]
    Lost(Option<Arc<Entry>>),
    /// The store cannot write.
    #[error("the store cannot write: {0}")]
    Unavailable(Arc<str>),
    /// There is no room for more.
    #[error("{used} of {limit} bytes of memory are used")]
    Full {
        /// What objects cost, and the most that history may, in bytes.
        used: usize,
        /// The most that they may cost.
        limit: usize,
    },
    /// The server is going down.
    #[error("the server is shutting down")]
    Closed,
}

/// What the committer is asked to do.
pub(super) enum Op {
    Write(Box<Draft>, Reply),
    /// Makes a type watchable that may have no objects yet.
    Kind(TypeKey, oneshot::Sender<()>),
    /// Looks after history.
    Tick,
    /// Finishes what is queued, then stops.
    Close,
}

type Reply = oneshot::Sender<Result<Committed, CommitError>>;

pub(super) struct Committer<B> {
    pub(super) backend: Arc<B>,
    pub(super) root: Arc<ArcSwap<Root>>,
    pub(super) keys: Keyspace,
    pub(super) queue: mpsc::Receiver<Op>,
    pub(super) runtime: tokio::runtime::Handle,
    pub(super) options: Options,
    pub(super) clock: Clock,
    pub(super) stats: Arc<Stats>,
    pub(super) gone: Arc<Gone>,
    pub(super) names: Option<NameLog>,
    /// What history costs now, over all types.
    pub(super) history_bytes: usize,
    /// What objects cost now, and may.
    pub(super) memory: Memory,
    /// The floor of a type that has never held an object.
    pub(super) floor: Revision,
}

/// A write of the present batch, in the order of its revision.
struct Accepted {
    place: Place,
    entry: Option<EntryDraft>,
    reply: Reply,
}

impl<B: Backend> Committer<B> {
    /// Works until it is told to stop. Runs on a thread of its own.
    pub(super) fn run(mut self) {
        self.trim();
        let mut open = true;
        while open {
            let Some(first) = self.queue.blocking_recv() else { break };
            let mut next = Some(first);
            let mut batch = Vec::new();
            while let Some(op) = next {
                match op {
                    Op::Write(draft, reply) => batch.push((*draft, reply)),
                    Op::Kind(kind, done) => {
                        self.add_kind(kind);
                        let _ = done.send(());
                    }
                    Op::Tick => {}
                    Op::Close => open = false,
                }
                next =
                    if batch.len() < BATCH_WRITES_MAX { self.queue.try_recv().ok() } else { None };
            }
            if !batch.is_empty() {
                self.commit(batch);
                self.flush_names();
            }
            self.trim();
        }
    }

    fn add_kind(&self, key: TypeKey) {
        let root = self.root.load_full();
        if root.kinds.contains_key(&key) {
            return;
        }
        let mut root = Root::clone(&root);
        root.kinds.insert(key, Arc::new(Kind::new(self.floor)));
        self.root.store(Arc::new(root));
    }

    fn commit(&mut self, batch: Vec<(Draft, Reply)>) {
        let root = self.root.load_full();
        let mut touched = HashSet::with_capacity(batch.len());
        let mut writes = Vec::with_capacity(batch.len());
        let mut accepted = Vec::with_capacity(batch.len());
        let mut losers = Vec::new();
        let mut memory = self.memory;
        for (draft, reply) in batch {
            let Draft { place, expect, value } = draft;
            let key = self.keys.key(&place);
            let current = root.get(&place.kind, &place.origin, &place.path);
            let holds = match expect {
                Expect::Absent => current.is_none(),
                Expect::At(revision) => current.is_some_and(|it| it.revision() == revision),
            };
            if !holds || !touched.insert(key.clone()) {
                losers.push((place, reply));
                continue;
            }
            let size = value.as_ref().map(|(_, entry)| entry.len());
            let fits = memory.replace(current.map(|it| it.len()), size);
            // The server's own definitions are few, and it cannot start without them.
            if !fits && place.origin != Origin::Definitions {
                touched.remove(&key);
                self.refuse(reply);
                continue;
            }
            let (value, entry) = value.unzip();
            writes.push(Write { key, value, expect });
            accepted.push(Accepted { place, entry, reply });
        }
        if !accepted.is_empty() {
            self.write(&root, writes, accepted);
        }
        // Told only now, so that the next plan is made on what was just published.
        let root = self.root.load();
        for (place, reply) in losers {
            let current = root.get(&place.kind, &place.origin, &place.path).cloned();
            let _ = reply.send(Err(CommitError::Lost(current)));
        }
    }

    fn refuse(&mut self, reply: Reply) {
        let (used, limit) = (self.memory.used(), self.memory.limit().unwrap_or(usize::MAX));
        self.stats.refused_for_memory();
        if self.memory.refused() == Some(Crossing::Full) {
            tracing::warn!(
                used,
                limit,
                "memory is full: writes that grow the store are refused, all others go on"
            );
        }
        let _ = reply.send(Err(CommitError::Full { used, limit }));
    }

    fn write(&mut self, root: &Root, writes: Vec<Write>, accepted: Vec<Accepted>) {
        match self.runtime.block_on(self.backend.commit(writes)) {
            Ok(results) => {
                let results = results.into_iter().map(|result| result.map_err(|_| ()));
                self.publish(root, accepted.into_iter().zip(results));
            }
            Err(error) => {
                let why: Arc<str> = chain(&error).into();
                tracing::error!(error = %why, writes = accepted.len(), "failed to write");
                for Accepted { reply, .. } in accepted {
                    let _ = reply.send(Err(CommitError::Unavailable(why.clone())));
                }
            }
        }
    }

    fn publish(
        &mut self,
        root: &Root,
        results: impl Iterator<Item = (Accepted, Result<Revision, ()>)>,
    ) {
        let at_millis = (self.clock)();
        let mut root = root.clone();
        let mut replies = Vec::new();
        let mut changes: HashMap<TypeKey, Vec<Arc<Change>>> = HashMap::new();
        for (Accepted { place, entry, reply }, result) in results {
            let Ok(revision) = result else {
                let current = root.get(&place.kind, &place.origin, &place.path).cloned();
                replies.push((reply, Err(CommitError::Lost(current))));
                continue;
            };
            let new = entry.map(|entry| Arc::new(entry.finish(revision)));
            let floor = self.floor;
            let kind =
                root.kinds.entry(place.kind.clone()).or_insert_with(|| Arc::new(Kind::new(floor)));
            let old = Arc::make_mut(kind).apply(&place.origin, &place.path, new.as_ref());
            self.memory.replaced(old.as_deref().map(Entry::len), new.as_deref().map(Entry::len));
            root.revision = root.revision.max(revision);
            self.note(&place, old.is_some(), new.is_some());
            let change = Change {
                revision,
                origin: place.origin,
                path: place.path,
                old: old.clone(),
                new: new.clone(),
                at_millis,
            };
            self.history_bytes += change.cost();
            changes.entry(place.kind).or_default().push(Arc::new(change));
            replies.push((reply, Ok(Committed { revision, old, new })));
        }
        self.stats.set_memory_used(self.memory.used());
        if self.memory.settle() == Some(Crossing::Room) {
            let (used, limit) = (self.memory.used(), self.memory.limit());
            tracing::info!(used, limit, "there is memory again for writes that grow the store");
        }
        // First the rings, then the root, then those who wait.
        let mut rings = Vec::with_capacity(changes.len());
        for (kind, changes) in changes {
            let Some(kind) = root.kinds.get(&kind) else { continue };
            kind.ring.append(changes.iter().cloned());
            rings.push((kind.ring.clone(), changes));
        }
        self.root.store(Arc::new(root));
        for (ring, changes) in rings {
            ring.wakers.wake(changes.iter().map(|change| &*change.path));
        }
        for (reply, result) in replies {
            let _ = reply.send(result);
        }
    }

    /// Notes that there is another name, or one less.
    fn note(&mut self, place: &Place, was: bool, is: bool) {
        if was == is {
            return;
        }
        if is {
            self.gone.created(&place.kind, &place.origin, &place.path);
        }
        if let Some(names) = &mut self.names {
            let key = self.keys.key(place);
            if is { names.created(&key) } else { names.deleted(&key) }
        }
    }

    /// Writes the names that were noted; all of them if it is time for that.
    fn flush_names(&mut self) {
        if let Some(names) = &mut self.names
            && names.flush()
        {
            let missing = self.gone.missing();
            write_names(names, &self.root.load(), &self.keys, &missing);
        }
    }

    /// Drops what is too old or too much, and lets the store forget it.
    fn trim(&mut self) {
        let root = self.root.load_full();
        let oldest_kept = (self.clock)().saturating_sub(self.options.history_millis);
        let mut forget = Forget::default();
        let mut floors: HashMap<&TypeKey, Revision> = HashMap::new();
        loop {
            let oldest = root
                .kinds
                .iter()
                .filter_map(|(key, kind)| Some((kind.ring.oldest()?, key, kind)))
                .min_by_key(|(change, ..)| change.revision);
            let Some((change, key, kind)) = oldest else { break };
            let too_much = self.history_bytes > self.options.history_bytes;
            if !too_much && change.at_millis >= oldest_kept {
                break;
            }
            if too_much && change.at_millis >= oldest_kept {
                self.stats.cut_short();
            }
            kind.ring.drop_oldest();
            if change.new.is_none() {
                self.gone.deleted(key, &change.origin, &change.path);
            }
            self.history_bytes -= change.cost();
            forget.changes.push(Forgotten {
                revision: change.revision,
                previous: change.old.as_ref().map(|old| old.revision()),
                tombstone: change.new.is_none(),
            });
            floors.insert(key, change.revision);
        }
        self.stats.set_history_bytes(self.history_bytes);
        if forget.changes.is_empty() {
            return;
        }
        forget.floors = floors.into_iter().map(|(key, floor)| (key.clone(), floor)).collect();
        if let Err(error) = self.runtime.block_on(self.backend.forget(forget)) {
            // It is asked again at the next start, which loads these changes anew.
            tracing::warn!(error = %chain(&error), "failed to give back the space of old changes");
        }
    }
}

/// Writes the names of everything that is there, and of what is missing since when.
pub(super) fn write_names(
    names: &mut NameLog,
    root: &Root,
    keys: &Keyspace,
    missing: &[(Place, u64)],
) {
    let text = |place: &Place| String::from_utf8_lossy(&keys.key(place)).into_owned();
    let there = root.places().map(|place| Line::Created(text(&place)));
    let missing = missing.iter().map(|(place, since)| Line::Missing(*since, text(place)));
    names.write(there.chain(missing));
}

/// An error and its causes on one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
