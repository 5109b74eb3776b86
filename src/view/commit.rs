//! The commit path of a store of one's own: it orders the writes, remembers them and
//! publishes.
//!
//! A plan was made on the published state. The committer checks what it expects
//! against that state and against what is queued before it; a loser is handed back
//! to be planned again. Whatever queued up while the last batch was being synced is
//! the next batch.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::model::Revision;
use crate::store::{Backend, Expect, Origin, Place, TypeKey, Write};

use super::entry::{Entry, EntryDraft};
use super::memory::{self, Memory};
use super::open::Stats;
use super::publish::{News, Publisher};

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
    /// The store did not say whether it has written.
    #[error("the write may have been made or not, read the object to know: {0}")]
    Unknown(Arc<str>),
    /// The store takes nothing of this size.
    #[error("{0}")]
    TooLarge(Arc<str>),
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

pub(super) type Reply = oneshot::Sender<Result<Committed, CommitError>>;

pub(super) struct Committer<B> {
    pub(super) backend: Arc<B>,
    pub(super) publisher: Publisher,
    pub(super) queue: mpsc::Receiver<Op>,
    pub(super) runtime: tokio::runtime::Handle,
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
                        self.publisher.add_kind(kind);
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
                self.publisher.flush_names();
            }
            self.trim();
        }
    }

    fn commit(&mut self, batch: Vec<(Draft, Reply)>) {
        let root = self.publisher.root.load_full();
        let mut touched = HashSet::with_capacity(batch.len());
        let mut writes = Vec::with_capacity(batch.len());
        let mut accepted = Vec::with_capacity(batch.len());
        let mut losers = Vec::new();
        let mut memory = *self.publisher.memory.lock();
        for (draft, reply) in batch {
            let Draft { place, expect, value } = draft;
            let key = self.publisher.keys.key(&place);
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
                let mut memory = self.publisher.memory.lock();
                let _ = reply.send(Err(CommitError::no_room(&mut memory, &self.publisher.stats)));
                continue;
            }
            let (value, entry) = value.unzip();
            writes.push(Write { key, value, expect });
            accepted.push(Accepted { place, entry, reply });
        }
        if !accepted.is_empty() {
            self.write(writes, accepted);
        }
        // Told only now, so that the next plan is made on what was just published.
        let root = self.publisher.root.load();
        for (place, reply) in losers {
            let current = root.get(&place.kind, &place.origin, &place.path).cloned();
            let _ = reply.send(Err(CommitError::Lost(current)));
        }
    }

    fn write(&mut self, writes: Vec<Write>, accepted: Vec<Accepted>) {
        let deleted = writes.iter().filter(|it| it.value.is_none()).map(|it| it.key.clone());
        let deleted: Vec<Bytes> = deleted.collect();
        self.publisher.names_deleted(&deleted);
        match self.runtime.block_on(self.backend.commit(writes)) {
            Ok(results) => self.publish(accepted, results.into_iter().map(Result::ok)),
            Err(error) => {
                let why: Arc<str> = chain(&error).into();
                tracing::error!(error = %why, writes = accepted.len(), "failed to write");
                self.publisher.names_created(&deleted);
                for Accepted { reply, .. } in accepted {
                    let _ = reply.send(Err(CommitError::Unavailable(why.clone())));
                }
            }
        }
    }

    /// Publishes what has a revision, and answers.
    fn publish(
        &mut self,
        accepted: Vec<Accepted>,
        revisions: impl Iterator<Item = Option<Revision>>,
    ) {
        let mut news = Vec::with_capacity(accepted.len());
        let mut replies = Vec::with_capacity(accepted.len());
        let mut losers = Vec::new();
        let mut reached = Revision::ZERO;
        for (Accepted { place, entry, reply }, revision) in accepted.into_iter().zip(revisions) {
            let Some(revision) = revision else {
                losers.push((place, reply));
                continue;
            };
            let new = entry.map(|entry| Arc::new(entry.finish(revision)));
            reached = reached.max(revision);
            replies.push((reply, revision, new.clone()));
            news.push(News { place, revision, new });
        }
        let replaced = self.publisher.publish(news, reached);
        for ((reply, revision, new), old) in replies.into_iter().zip(replaced) {
            let _ = reply.send(Ok(Committed { revision, old, new }));
        }
        let root = self.publisher.root.load();
        for (place, reply) in losers {
            let current = root.get(&place.kind, &place.origin, &place.path).cloned();
            let _ = reply.send(Err(CommitError::Lost(current)));
        }
    }

    /// Drops what is too old or too much, and lets the store forget it.
    fn trim(&mut self) {
        let Some(forget) = self.publisher.trim() else { return };
        if let Err(error) = self.runtime.block_on(self.backend.forget(forget)) {
            // It is asked again at the next start, which loads these changes anew.
            tracing::warn!(error = %chain(&error), "failed to give back the space of old changes");
        }
    }
}

impl CommitError {
    /// There is no room for a write. Said in the log once, until there is.
    pub(super) fn no_room(memory: &mut Memory, stats: &Stats) -> Self {
        let (used, limit) = (memory.used(), memory.limit().unwrap_or(usize::MAX));
        stats.refused_for_memory();
        if memory.refused() == Some(memory::Crossing::Full) {
            tracing::warn!(
                used,
                limit,
                "memory is full: writes that grow the store are refused, all others go on"
            );
        }
        Self::Full { used, limit }
    }
}

impl From<crate::store::Error> for CommitError {
    fn from(error: crate::store::Error) -> Self {
        let why: Arc<str> = chain(&error).into();
        match error {
            crate::store::Error::TooLarge { .. } => Self::TooLarge(why),
            error if error.is_maybe_done() => Self::Unknown(why),
            _ => Self::Unavailable(why),
        }
    }
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
