//! The commit path of a store that is shared with others.
//!
//! Every write is sent to the store at once, which decides; and everything that happens
//! there, to one's own writes too, comes back as news, and is published by one task.
//!
//! ```text
//! Draft ──► Writers: one write to a key at a time ──► store ──► done, or a conflict
//!                                                       │
//! answer ◄── as soon as the view has it ◄── Follower ◄──┘ news of everybody
//! ```
//!
//! What others store may be anything. What cannot be understood is left out of the view,
//! said in the log and counted; it stops nothing.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::StreamExt as _;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc, watch};

use crate::model::Revision;
use crate::store::{
    Backend, Change as StoredChange, Conflict, Expect, Keyspace, News as StoreNews, Origin, Place,
    Write,
};

use super::commit::{CommitError, Committed, Draft, Op, chain};
use super::load::{Left, Lenience, Loader, understand};
use super::memory::Memory;
use super::open::Stats;
use super::publish::{News, Publisher};
use super::root::Root;

/// How many writes are under way at once; more wait. It is what the store is given to do
/// at the same time, not how many may come.
const WRITES_MAX: usize = 256;

/// How many locks keep two writes of one key apart. Keys that share one wait in vain now
/// and then.
const TURNS: usize = 1024;

/// How long the answer to a write waits until the view has it. It is durable already, and
/// whoever reads it afterwards waits for that by itself.
const PUBLISHED_PATIENCE: Duration = Duration::from_secs(5);

/// How long a loser waits until the view has what it lost against.
const CONFLICT_PATIENCE: Duration = Duration::from_secs(10);

/// How long a write whose answer did not come waits for the news of it.
const DOUBT_PATIENCE: Duration = Duration::from_secs(3);

/// How long to wait before a store that could not be read anew is read again.
const RELOAD_PAUSE: Duration = Duration::from_secs(1);

/// Publishes what the store tells.
pub(super) struct Follower<B> {
    pub(super) backend: Arc<B>,
    pub(super) publisher: Publisher,
    pub(super) queue: mpsc::Receiver<Op>,
    pub(super) writers: Arc<Writers<B>>,
    /// The keys of what could not be understood.
    pub(super) strange: Left,
}

/// What the writes of a shared store have in common.
pub(super) struct Writers<B> {
    backend: Arc<B>,
    root: Arc<ArcSwap<Root>>,
    keys: Keyspace,
    stats: Arc<Stats>,
    memory: Arc<Mutex<Memory>>,
    reached: watch::Receiver<Revision>,
    turns: Box<[tokio::sync::Mutex<()>]>,
    permits: Semaphore,
}

/// How following ended.
enum End {
    Closed,
    Lost,
}

impl<B: Backend> Follower<B> {
    /// Works until it is told to stop.
    pub(super) async fn run(mut self) {
        loop {
            match self.follow().await {
                End::Closed => return,
                End::Lost => {
                    if !self.reload().await {
                        return;
                    }
                }
            }
        }
    }

    async fn follow(&mut self) -> End {
        let backend = Arc::clone(&self.backend);
        let after = self.publisher.root.load().revision();
        let mut news = pin!(backend.follow(after));
        loop {
            tokio::select! {
                op = self.queue.recv() => {
                    if self.is_closed_by(op) {
                        return End::Closed;
                    }
                }
                told = news.next() => match told {
                    Some(StoreNews::Changes(changes)) => self.publish(changes),
                    Some(StoreNews::Reached(revision)) => {
                        self.publisher.publish([], revision);
                    }
                    Some(StoreNews::Settled(revision)) => self.publisher.settle(revision),
                    Some(StoreNews::Lost) | None => return End::Lost,
                },
            }
        }
    }

    /// Does what is asked; whether that was to stop.
    fn is_closed_by(&mut self, op: Option<Op>) -> bool {
        match op {
            Some(Op::Write(draft, reply)) => {
                let writers = Arc::clone(&self.writers);
                tokio::spawn(async move {
                    let _ = reply.send(writers.write(*draft).await);
                });
            }
            Some(Op::Kind(kind, done)) => {
                self.publisher.add_kind(kind);
                let _ = done.send(());
            }
            // What the store forgets is its own business.
            Some(Op::Tick) => drop(self.publisher.trim()),
            Some(Op::Close) | None => return true,
        }
        false
    }

    fn publish(&mut self, changes: Vec<StoredChange>) {
        let mut news = Vec::with_capacity(changes.len());
        let mut reached = Revision::ZERO;
        for change in changes {
            let (revision, key) = (change.revision, change.key.clone());
            reached = reached.max(revision);
            let understood = understand(&self.publisher.keys, self.publisher.options.serve, change);
            let (place, new) = match understood {
                Ok((place, new)) => {
                    self.strange.remove(&key);
                    (place, new)
                }
                Err(strange) => {
                    if strange.is_gone() {
                        self.strange.remove(&key);
                    } else {
                        strange.report(&key);
                        self.strange.insert(key.clone(), strange.is_encrypted());
                    }
                    // What was there before is not there any longer.
                    let Ok(place) = self.publisher.keys.parse(&key) else { continue };
                    (place, None)
                }
            };
            news.push(News { place, revision, new });
        }
        self.publisher.stats.set_strange(&self.strange);
        self.publisher.publish(news, reached);
        drop(self.publisher.trim());
    }

    /// Reads everything anew, after what leads there was lost; whether it did, or was told
    /// to stop.
    async fn reload(&mut self) -> bool {
        let (keys, options) = (self.publisher.keys.clone(), self.publisher.options.clone());
        let backend = Arc::clone(&self.backend);
        let mut reading = tokio::spawn(async move {
            loop {
                let mut loader = Loader::new(keys.clone(), &options, Lenience::All);
                match backend.reload(&mut |change| loader.add(change)).await {
                    Ok(reach) => return loader.finish(&reach).await,
                    Err(error) => {
                        tracing::warn!(error = %chain(&error), "failed to read the store anew");
                        tokio::time::sleep(RELOAD_PAUSE).await;
                    }
                }
            }
        });
        loop {
            tokio::select! {
                op = self.queue.recv() => {
                    if self.is_closed_by(op) {
                        reading.abort();
                        return false;
                    }
                }
                read = &mut reading => {
                    let Ok(Ok((root, _, strange))) = read else {
                        // Nothing is refused here, so this is a panic.
                        tracing::error!("failed to read the store anew, and cannot go on");
                        return false;
                    };
                    let (revision, objects) = (root.revision().0, root.places().count());
                    tracing::info!(revision, objects, "read the store anew");
                    self.publisher.stats.set_strange(&strange);
                    self.strange = strange;
                    self.publisher.replace(root);
                    return true;
                }
            }
        }
    }
}

impl<B: Backend> Writers<B> {
    pub(super) fn new(backend: Arc<B>, publisher: &Publisher) -> Self {
        Self {
            backend,
            root: Arc::clone(&publisher.root),
            keys: publisher.keys.clone(),
            stats: Arc::clone(&publisher.stats),
            memory: Arc::clone(&publisher.memory),
            reached: publisher.reached.subscribe(),
            turns: (0..TURNS).map(|_| tokio::sync::Mutex::new(())).collect(),
            permits: Semaphore::new(WRITES_MAX),
        }
    }

    async fn write(&self, draft: Draft) -> Result<Committed, CommitError> {
        let Draft { place, expect, value } = draft;
        let key = self.keys.key(&place);
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(&key);
        #[expect(clippy::cast_possible_truncation, reason = "a remainder below 1024")]
        let _turn = self.turns[(hash % TURNS as u64) as usize].lock().await;
        let _permit = self.permits.acquire().await.map_err(|_| CommitError::Closed)?;
        let stands = self.root.load().get(&place.kind, &place.origin, &place.path).cloned();
        let old = stands.filter(|it| expect == Expect::At(it.revision()));
        let size = value.as_ref().map(|(_, entry)| entry.len());
        {
            // Taken up when it is published: what is under way is no more than a few objects.
            let mut memory = self.memory.lock();
            let fits = { *memory }.replace(old.as_ref().map(|it| it.len()), size);
            if !fits && place.origin != Origin::Definitions {
                return Err(CommitError::no_room(&mut memory, &self.stats));
            }
        }
        let (value, entry) = value.unzip();
        let write = Write { key, value, expect };
        let outcome = self.backend.commit(vec![write]).await;
        match outcome.map(|results| results.into_iter().next()) {
            Ok(Some(Ok(revision))) => {
                self.until(PUBLISHED_PATIENCE, |root| root.revision() >= revision).await;
                let new = entry.map(|entry| Arc::new(entry.finish(revision)));
                Ok(Committed { revision, old, new })
            }
            Ok(Some(Err(conflict))) => Err(self.lost(&place, expect, conflict).await),
            Ok(None) => Err(CommitError::Unavailable("the store gave no answer".into())),
            Err(error) => {
                tracing::warn!(error = %chain(&error), "failed to write");
                let error = CommitError::from(error);
                let (CommitError::Unknown(_), Some(entry)) = (&error, entry) else {
                    return Err(error);
                };
                let find = |root: &Root| {
                    let found = root.get(&place.kind, &place.origin, &place.path)?;
                    (expect != Expect::At(found.revision())).then(|| Arc::clone(found))
                };
                self.until(DOUBT_PATIENCE, |root| find(root).is_some()).await;
                // Of what was written in its place it cannot be said whether this was there
                // for a moment.
                match find(&self.root.load()).filter(|found| entry.is_same_as(found)) {
                    Some(found) => {
                        Ok(Committed { revision: found.revision(), old, new: Some(found) })
                    }
                    None => Err(error),
                }
            }
        }
    }

    /// The answer to a write that came too late: what is there instead, as soon as the
    /// view knows of it, so that the next plan is made on that.
    async fn lost(&self, place: &Place, expect: Expect, conflict: Conflict) -> CommitError {
        let knows = |root: &Root| match (conflict.stored, expect) {
            (Some(stored), _) => root.revision() >= stored,
            (None, Expect::At(revision)) => {
                let there = root.get(&place.kind, &place.origin, &place.path);
                there.is_none_or(|it| it.revision() != revision)
            }
            (None, Expect::Absent) => true,
        };
        if self.until(CONFLICT_PATIENCE, knows).await {
            let root = self.root.load();
            return CommitError::Lost(root.get(&place.kind, &place.origin, &place.path).cloned());
        }
        let why = "the object has changed, and the store has not told yet how";
        CommitError::Unavailable(why.into())
    }

    /// Waits until it is so; whether it was in time.
    async fn until(&self, limit: Duration, mut so: impl FnMut(&Root) -> bool) -> bool {
        let mut reached = self.reached.clone();
        let wait = async {
            loop {
                reached.borrow_and_update();
                if so(&self.root.load()) {
                    return true;
                }
                if reached.changed().await.is_err() {
                    return false;
                }
            }
        };
        tokio::time::timeout(limit, wait).await.unwrap_or(false)
    }
}
