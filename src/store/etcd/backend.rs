//! The promises of the trait, kept with transactions and ranges.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use etcd_client::{
    Compare, CompareOp, GetOptions, GetResponse, KeyValue, SortOrder, SortTarget, Txn, TxnOp,
    TxnOpResponse, WatchOptions,
};
use futures::Stream;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::compact;
use super::failure::{Failure, Kind};
use super::follow;
use super::health::{self, Health};
use super::life::{Found, Life};
use super::members::{EtcdOptions, Members};
use crate::model::Revision;
use crate::store::{Backend, Change, Conflict, Error, Expect, Forget, Loaded, News, Write};

/// How long a write may take. Longer than the election of a leader; what takes longer is
/// answered as maybe done.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// How many keys are asked for at once. Halved where they are too much for one message.
const PAGE_KEYS: i64 = 1000;

/// How far back a first load goes at most, in revisions: an etcd that nobody compacts has
/// everything since its first day, and history reaches back minutes.
const REPLAY_MAX: u64 = 200_000;

/// How often a load is begun again that a compaction overtook.
const LOADS_MAX: usize = 5;

/// How long it may take until a watch at a compacted revision is told so.
const COMPACTED_PATIENCE: Duration = Duration::from_secs(10);

/// An etcd that this server shares with others.
pub struct Etcd {
    pub(super) shared: Arc<Shared>,
    tasks: Vec<AbortHandle>,
}

/// What the tasks of one [`Etcd`] share.
pub(super) struct Shared {
    pub(super) members: Members,
    /// What all keys begin with, slash included.
    pub(super) prefix: String,
    /// Somebody wants to know how far the watch has come.
    pub(super) hurry: Notify,
    pub(super) health: Health,
    /// What the last load found, for the watch that goes on from there.
    pub(super) loaded: Mutex<Life>,
    tally: Tally,
}

#[derive(Default)]
struct Tally {
    writes: AtomicU64,
    bytes: AtomicU64,
    failures: AtomicU64,
}

/// What was done since the start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct EtcdCounters {
    /// Changes that were written.
    pub writes: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// Writes that failed, or whose outcome is not known.
    pub failures: u64,
}

/// What there is below the prefix.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Digest {
    /// When this was so.
    pub(super) at: Revision,
    /// The newest change of a key that is there.
    pub(super) newest: Revision,
    /// How many keys there are.
    pub(super) count: usize,
}

impl Etcd {
    /// Prepares the connections, and begins to look after the health of etcd and its
    /// compaction. Fails only for what no patience mends.
    ///
    /// Must be called on a Tokio runtime.
    pub async fn open(options: EtcdOptions) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            prefix: format!("{}/", options.prefix),
            members: Members::new(options).await?,
            hurry: Notify::new(),
            health: Health::default(),
            loaded: Mutex::default(),
            tally: Tally::default(),
        });
        let tasks = vec![
            tokio::spawn(health::watch_over(Arc::clone(&shared))).abort_handle(),
            tokio::spawn(compact::in_turns(Arc::clone(&shared))).abort_handle(),
        ];
        Ok(Self { shared, tasks })
    }

    /// What was done since the start.
    pub fn counters(&self) -> EtcdCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let tally = &self.shared.tally;
        EtcdCounters {
            writes: read(&tally.writes),
            bytes: read(&tally.bytes),
            failures: read(&tally.failures),
        }
    }

    /// What ails etcd or the way to it, if anything does.
    pub fn trouble(&self) -> Option<String> {
        self.shared.health.trouble()
    }

    /// How many bytes its database has on disk.
    pub fn disk_bytes(&self) -> u64 {
        self.shared.health.disk_bytes()
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl fmt::Debug for Etcd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = &self.shared.members.options().servers;
        f.debug_struct("Etcd").field("servers", servers).finish_non_exhaustive()
    }
}

impl Shared {
    /// What a range or a watch of all keys ends before.
    pub(super) fn range_end(&self) -> Vec<u8> {
        let mut end = self.prefix.clone().into_bytes();
        // The slash is followed by a zero.
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        end
    }

    /// Fails at once where it is known that nobody answers: nobody needs to wait for
    /// what the next question after health will notice within a second.
    fn check(&self, doing: &str) -> Result<(), Error> {
        let Some(reason) = self.health.silent() else { return Ok(()) };
        Err(Error::Remote { doing: doing.to_owned(), reason, maybe_done: false })
    }

    /// The newest revision there is.
    pub(super) async fn newest(&self) -> Result<Revision, Failure> {
        // Nothing is stored there: the answer is its header.
        let key = self.prefix.as_str();
        let ask = |member: Arc<super::members::Member>| async move {
            member.kv().get(key, Some(GetOptions::new().with_count_only())).await
        };
        self.members.ask(ask).await.map(|answer| revision_of(&answer))
    }

    /// What there is below the prefix. Expensive: etcd looks at every key for it.
    pub(super) async fn digest(&self) -> Result<Digest, Failure> {
        let options = GetOptions::new()
            .with_range(self.range_end())
            .with_sort(SortTarget::Mod, SortOrder::Descend)
            .with_limit(1)
            .with_keys_only();
        let answer = self.range(options).await?;
        let newest = answer.kvs().first().map_or(0, KeyValue::mod_revision);
        let count = usize::try_from(answer.count()).unwrap_or_default();
        Ok(Digest { at: revision_of(&answer), newest: revision(newest), count })
    }

    /// What some keys held at a revision, with or without the value, and how many keys
    /// there were below the prefix.
    pub(super) async fn look(
        &self,
        keys: Vec<(Bytes, bool)>,
        at: Revision,
    ) -> Result<(Vec<Found>, usize), Failure> {
        let then = || GetOptions::new().with_revision(signed(at));
        let count = then().with_range(self.range_end()).with_count_only();
        let look = |(key, value)| {
            let options = if value { then() } else { then().with_keys_only() };
            TxnOp::get(key, Some(options))
        };
        let mut looks: Vec<TxnOp> = keys.into_iter().map(look).collect();
        looks.push(TxnOp::get(self.prefix.as_str(), Some(count)));
        let txn = Txn::new().and_then(looks);
        let ask = |member: Arc<super::members::Member>| {
            let txn = txn.clone();
            async move { member.kv().txn(txn).await }
        };
        let answer = self.members.ask(ask).await?;
        let mut found = Vec::new();
        let mut count = 0;
        for part in answer.op_responses() {
            let TxnOpResponse::Get(mut part) = part else { continue };
            count = usize::try_from(part.count()).unwrap_or_default();
            let kv = part.take_kvs().into_iter().next();
            found.push(kv.map(|kv| (revision(kv.mod_revision()), kv.into_key_value().1.into())));
        }
        // The last part has counted, and found nothing.
        found.pop();
        Ok((found, count))
    }

    /// Whether that revision can no longer be read.
    async fn is_compacted(&self, at: Revision) -> Result<bool, Failure> {
        let options = GetOptions::new().with_count_only().with_revision(signed(at));
        match self.range(options).await {
            Ok(_) => Ok(false),
            Err(failure) if failure.kind == Kind::Compacted => Ok(true),
            Err(failure) => Err(failure),
        }
    }

    async fn range(&self, options: GetOptions) -> Result<GetResponse, Failure> {
        let ask = |member: Arc<super::members::Member>| {
            let options = options.clone();
            async move { member.kv().get(self.prefix.as_str(), Some(options)).await }
        };
        self.members.ask_for_page(ask).await
    }

    /// The oldest revision at which everything can be read, but not before `least`.
    async fn oldest(&self, least: Revision) -> Result<Revision, Failure> {
        if !self.is_compacted(least).await? {
            return Ok(least);
        }
        // Only a watch is told how far the compaction went.
        let (number, member) = self.members.current();
        let ask = async {
            let options = WatchOptions::new().with_start_revision(1);
            let mut stream = member.watch().watch(self.prefix.as_str(), Some(options)).await?;
            while let Some(message) = stream.message().await? {
                if message.compact_revision() > 0 {
                    return Ok(revision(message.compact_revision()));
                }
            }
            Ok(Revision::ZERO)
        };
        let answer = tokio::time::timeout(COMPACTED_PATIENCE, ask).await;
        answer
            .unwrap_or_else(|_| Err(Failure::late(COMPACTED_PATIENCE.as_secs_f32())))
            .inspect_err(|_| self.members.leave(number))
            .map(|compacted| compacted.max(least))
    }

    /// Every key and value as they were at a revision, as changes.
    async fn all_at(&self, at: Revision) -> Result<Vec<Change>, Failure> {
        let end = self.range_end();
        let mut from = self.prefix.clone().into_bytes();
        let mut all = Vec::new();
        let mut limit = PAGE_KEYS;
        let at_millis = now_millis();
        loop {
            let ask = |member: Arc<super::members::Member>| {
                let options = GetOptions::new()
                    .with_range(end.clone())
                    .with_limit(limit)
                    .with_revision(signed(at));
                let from = from.clone();
                async move { member.kv().get(from, Some(options)).await }
            };
            let mut answer = match self.members.ask_for_page(ask).await {
                // What the message would hold is more than is read at once.
                Err(failure)
                    if limit > 1 && matches!(failure.kind, Kind::TooLarge | Kind::Refused) =>
                {
                    limit /= 2;
                    continue;
                }
                answer => answer?,
            };
            let more = answer.more();
            for kv in answer.take_kvs() {
                let revision = revision(kv.mod_revision());
                let (key, value) = kv.into_key_value();
                let (key, value) = (Bytes::from(key), Some(Bytes::from(value)));
                all.push(Change { revision, key, value, previous: None, at_millis });
            }
            let Some(last) = all.last().filter(|_| more) else { return Ok(all) };
            from = [&last.key[..], &[0]].concat();
        }
    }

    /// Reads everything at one revision into `each`: the oldest that there is, or the
    /// newest.
    async fn read(
        &self,
        oldest: bool,
        each: &mut (dyn FnMut(Change) + Send),
    ) -> Result<Loaded, Error> {
        let mut loads = 0;
        loop {
            loads += 1;
            let read = async {
                let newest = self.newest().await?;
                let least = Revision(newest.0.saturating_sub(REPLAY_MAX).max(1));
                let at = if oldest { self.oldest(least).await? } else { newest };
                self.all_at(at).await.map(|all| (at, all))
            };
            match read.await {
                Ok((at, all)) => {
                    tracing::debug!(objects = all.len(), revision = at.0, "read etcd");
                    *self.loaded.lock() = Life::loaded(at, &all);
                    all.into_iter().for_each(each);
                    return Ok(Loaded { revision: at, floor: at, ..Loaded::default() });
                }
                Err(failure) if failure.kind == Kind::Compacted && loads < LOADS_MAX => {}
                Err(failure) => return Err(failure.into_error("read etcd", false)),
            }
        }
    }

    async fn write(&self, write: Write) -> Result<Result<Revision, Conflict>, Error> {
        let bytes = write.key.len() + write.value.as_ref().map_or(0, Bytes::len);
        let mut outcome = self.transact(&write).await;
        if let Err(failure) = &mut outcome
            && failure.kind == Kind::NoSpace
        {
            self.health.is_full();
            // What was let in before it was full is made, and refused all the same.
            if !self.is_untouched(&write).await {
                failure.kind = Kind::Unknown;
            }
        }
        match &outcome {
            Ok(Ok(_)) => {
                self.tally.writes.fetch_add(1, Ordering::Relaxed);
                self.tally.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
            }
            Ok(Err(_)) => {}
            Err(_) => {
                self.tally.failures.fetch_add(1, Ordering::Relaxed);
            }
        }
        outcome.map_err(|failure| match failure.kind {
            Kind::TooLarge => Error::TooLarge { bytes },
            _ => failure.into_error("write to etcd", true),
        })
    }

    /// Whether it is known that a write was not made: what it was to replace is there.
    async fn is_untouched(&self, write: &Write) -> bool {
        let ask = |member: Arc<super::members::Member>| {
            let keys_only = GetOptions::new().with_keys_only();
            async move { member.kv().get(write.key.to_vec(), Some(keys_only)).await }
        };
        let there =
            self.members.ask(ask).await.map(|answer| {
                answer.kvs().first().map(|kv| Expect::At(revision(kv.mod_revision())))
            });
        there.is_ok_and(|there| there.unwrap_or(Expect::Absent) == write.expect)
    }

    async fn transact(&self, write: &Write) -> Result<Result<Revision, Conflict>, Failure> {
        let stored = match write.expect {
            Expect::Absent => 0,
            Expect::At(revision) => signed(revision),
        };
        let key = || write.key.to_vec();
        let operation = match &write.value {
            Some(value) => TxnOp::put(key(), value.to_vec(), None),
            None => TxnOp::delete(key(), None),
        };
        let look = TxnOp::get(key(), Some(GetOptions::new().with_keys_only()));
        let txn = Txn::new()
            .when([Compare::mod_revision(key(), CompareOp::Equal, stored)])
            .and_then([operation])
            .or_else([look]);
        let mut left = self.members.count();
        loop {
            let (number, member) = self.members.current();
            let mut kv = member.kv();
            let answer = tokio::time::timeout(WRITE_TIMEOUT, kv.txn(txn.clone())).await;
            let failure = match answer {
                Ok(Ok(answer)) => {
                    let at = answer.header().map_or(0, etcd_client::ResponseHeader::revision);
                    if answer.succeeded() {
                        return Ok(Ok(revision(at)));
                    }
                    let found = answer.op_responses().into_iter().find_map(|it| match it {
                        TxnOpResponse::Get(found) => {
                            found.kvs().first().map(KeyValue::mod_revision)
                        }
                        _ => None,
                    });
                    return Ok(Err(Conflict { stored: found.map(revision) }));
                }
                Ok(Err(error)) => Failure::from(error),
                Err(_) => Failure::late(WRITE_TIMEOUT.as_secs_f32()),
            };
            if matches!(failure.kind, Kind::NotSent | Kind::Unknown) {
                self.members.leave(number);
            }
            left -= 1;
            // What was never sent can be sent to another.
            if left == 0 || failure.kind != Kind::NotSent {
                return Err(failure);
            }
        }
    }
}

impl Backend for Etcd {
    fn is_shared(&self) -> bool {
        true
    }

    async fn load(&self, each: &mut (dyn FnMut(Change) + Send)) -> Result<Loaded, Error> {
        self.shared.read(true, each).await
    }

    async fn commit(&self, batch: Vec<Write>) -> Result<Vec<Result<Revision, Conflict>>, Error> {
        self.shared.check("write to etcd")?;
        let writes = batch.into_iter().map(|write| self.shared.write(write));
        futures::future::try_join_all(writes).await
    }

    fn follow(&self, after: Revision) -> impl Stream<Item = News> + Send {
        follow::follow(Arc::clone(&self.shared), after)
    }

    async fn reload(&self, each: &mut (dyn FnMut(Change) + Send)) -> Result<Loaded, Error> {
        self.shared.read(false, each).await
    }

    async fn newest(&self) -> Result<Revision, Error> {
        const DOING: &str = "ask etcd for its newest revision";
        self.shared.check(DOING)?;
        self.shared.newest().await.map_err(|failure| failure.into_error(DOING, false))
    }

    fn hurry(&self) {
        self.shared.hurry.notify_one();
    }

    /// What etcd forgets is the compaction's business.
    async fn forget(&self, _forget: Forget) -> Result<(), Error> {
        Ok(())
    }
}

fn revision_of(answer: &GetResponse) -> Revision {
    revision(answer.header().map_or(0, etcd_client::ResponseHeader::revision))
}

/// A revision of etcd, which is signed and never negative.
pub(super) fn revision(number: i64) -> Revision {
    Revision(u64::try_from(number).unwrap_or_default())
}

/// A revision as etcd takes it.
pub(super) fn signed(revision: Revision) -> i64 {
    i64::try_from(revision.0).unwrap_or(i64::MAX)
}

pub(super) fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
