//! The store itself: one log, one counter, and what happens when the disk fails.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use parking_lot::Mutex;

use super::home::{Home, sync_dir};
use super::journal;
use super::log::{Log, shielded};
use super::mark::Mark;
use super::record::Record;
use crate::model::Revision;
use crate::store::{Backend, Change, Conflict, Error, Expect, Forget, Gap, Loaded, Write};

/// Bytes that are held in memory before a table is written. A start finds these
/// in the journal, and what is held twice (here and in the view) is this much.
const TABLE_BYTES: u64 = 16 << 20;

/// How long a failed store is left alone before it is opened again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The most that is written into a log to see whether it can be written again: it stays
/// there for a while. For more there must be room beside it.
const ROOM_MAX: usize = 1 << 20;

/// Changes that are forgotten in one batch, so that a write never waits long.
const FORGET_MAX: usize = 4096;

/// What a store asks for the time.
type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// How to run a store.
#[derive(Clone)]
pub struct EmbeddedOptions {
    /// Tells the time: for the records, and for where a new counter begins.
    pub clock: Clock,
    /// Whether a write is synced to disk before it is answered. Only tests that
    /// must see what is lost without it switch it off.
    pub sync: bool,
    /// Bytes that are held in memory before a table file is written.
    pub table_bytes: u64,
    /// How long a failed store is left alone before it is opened again.
    pub retry_pause: Duration,
    /// Looks on, and may fail a step.
    pub observer: Option<Arc<dyn Observer>>,
}

/// Sees the steps of a write. An error counts as a failure of the disk at that step.
pub trait Observer: Send + Sync {
    /// A batch was handed to the system; it is not yet known to be on disk.
    fn written(&self) -> io::Result<()> {
        Ok(())
    }

    /// All that was written is on disk. Nothing was answered yet.
    fn synced(&self) -> io::Result<()> {
        Ok(())
    }
}

/// What a store has done since it was opened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Changes that were written and are durable.
    pub writes: u64,
    /// Bytes of their records.
    pub bytes: u64,
    /// Syncs that were waited for, one a batch.
    pub syncs: u64,
    /// Batches that failed.
    pub failures: u64,
    /// How often the log was opened again after a failure.
    pub reopens: u64,
    /// Changes that were removed since nobody can ask for them.
    pub forgotten: u64,
}

/// A log in a directory that this process owns.
pub struct Embedded {
    options: EmbeddedOptions,
    tally: Tally,
    state: Mutex<State>,
}

/// The counters while they count.
#[derive(Default)]
struct Tally {
    writes: AtomicU64,
    bytes: AtomicU64,
    syncs: AtomicU64,
    failures: AtomicU64,
    reopens: AtomicU64,
    forgotten: AtomicU64,
}

/// What one write at a time may touch. The log stands before the home, so that
/// it is closed before the directory is given up.
struct State {
    log: Condition,
    mark: Mark,
    home: Home,
    /// The newest revision that was given to a write, answered or not; before the
    /// first write the one before it.
    given: Revision,
    /// What the first write of this life leaves out; none once that is answered.
    gap: Option<Gap>,
    /// The newest revision whose write was answered.
    answered: Revision,
    /// One buffer for all records.
    scratch: Vec<u8>,
}

/// Whether the log can be used.
enum Condition {
    Open(Log),
    Failed {
        reason: String,
        since: Instant,
        /// Bytes of the batch that failed.
        bytes: usize,
        /// Bytes that were waiting for their table.
        in_memory: u64,
    },
}

impl EmbeddedOptions {
    /// The options of a server, which tells the time by `clock`.
    pub fn new(clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self {
            clock: Arc::new(clock),
            sync: true,
            table_bytes: TABLE_BYTES,
            retry_pause: RETRY_PAUSE,
            observer: None,
        }
    }

    /// The time in microseconds. Zero stands for "before every change", so no
    /// counter begins there.
    fn micros(&self) -> u64 {
        u64::try_from(self.since_epoch().as_micros()).unwrap_or(1).max(1)
    }

    fn since_epoch(&self) -> Duration {
        (self.clock)().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("counters", &self.counters()).finish_non_exhaustive()
    }
}

impl Embedded {
    /// Opens the store in `dir`, or makes one.
    pub fn open(dir: &Path, options: EmbeddedOptions) -> Result<Self, Error> {
        let mut home = Home::claim(dir)?;
        let path = home.log();
        if !path.try_exists().map_err(|error| Error::at(&path, "look at", error))? {
            if home.settled() {
                let reason = "the directory `log` is missing".to_owned();
                return Err(Error::Damaged { path: home.path().to_owned(), reason });
            }
            let draft = home.new_log();
            Log::create(&draft, Revision(options.micros()), options.table_bytes)?;
            std::fs::rename(&draft, &path).map_err(|error| Error::at(&path, "create", error))?;
            sync_dir(home.path())?;
        }
        let (mark, noted) = Mark::open(home.path())?;
        let checked = journal::check(home.path(), &path, noted)?;
        let opened = Log::open(&path, options.table_bytes).and_then(|log| {
            let last = log.reach()?.revision;
            check_reach(&home, last, noted)?;
            Ok((log, last))
        });
        let (log, last) = match (opened, checked.cut) {
            (Ok(opened), cut) => {
                cut.map_or(Ok(()), journal::Cut::confirm)?;
                opened
            }
            (Err(error), cut) => {
                cut.map_or(Ok(()), journal::Cut::undo)?;
                return Err(error);
            }
        };
        mark.set(last);
        mark.sync();
        if !home.settled() {
            home.settle()?;
        }
        home.forget_trial();
        let log = Condition::Open(log);
        // What was put back from a backup may have gone on from here before, and its
        // clients may be around. So each life begins at the clock, as the first one did.
        let given = Revision(options.micros()).max(last);
        let gap = (given > last).then(|| Gap { after: last, before: given.next() });
        let state = State { log, mark, home, given, gap, answered: last, scratch: Vec::new() };
        Ok(Self { options, tally: Tally::default(), state: Mutex::new(state) })
    }

    /// What was done since the store was opened.
    pub fn counters(&self) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            writes: read(&self.tally.writes),
            bytes: read(&self.tally.bytes),
            syncs: read(&self.tally.syncs),
            failures: read(&self.tally.failures),
            reopens: read(&self.tally.reopens),
            forgotten: read(&self.tally.forgotten),
        }
    }

    /// How many bytes the log takes on disk.
    pub fn disk_bytes(&self) -> Result<u64, Error> {
        self.state.lock().log.get()?.disk_bytes()
    }

    /// Why writes are refused at present; none if they are not.
    ///
    /// A failed store is opened again by this as it is by a write, so that it also
    /// recovers where no writes come since it is in trouble.
    pub fn trouble(&self) -> Option<String> {
        let mut state = self.state.lock();
        let state = &mut *state;
        if let Condition::Open(log) = &state.log
            && let Err(error) = shielded(&state.home.log(), || log.check())
        {
            self.fail(state, &error, 0);
        }
        self.reopen_if_failed(state).err().map(|error| error.chain())
    }

    fn read(&self, each: &mut (dyn FnMut(Change) + Send)) -> Result<Loaded, Error> {
        let state = self.state.lock();
        let log = state.log.get()?;
        let mut loaded = shielded(&state.home.log(), || {
            log.read(each)?;
            log.reach()
        })?;
        loaded.gaps.extend(state.gap);
        Ok(loaded)
    }

    fn write(&self, batch: &[Write]) -> Result<Vec<Result<Revision, Conflict>>, Error> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let mut state = self.state.lock();
        let state = &mut *state;
        self.reopen_if_failed(state)?;
        let first = state.given.next();
        state.given = Revision(state.given.0 + batch.len() as u64);
        let path = state.home.log();
        match shielded(&path, || self.append(state, batch, first)) {
            Ok(bytes) => {
                state.answered = state.given;
                state.gap = None;
                state.mark.set(state.answered);
                self.tally.writes.fetch_add(batch.len() as u64, Ordering::Relaxed);
                self.tally.bytes.fetch_add(bytes, Ordering::Relaxed);
                Ok((first.0..=state.given.0).map(|revision| Ok(Revision(revision))).collect())
            }
            Err(error) => {
                let len =
                    |write: &Write| write.key.len() + write.value.as_ref().map_or(0, Bytes::len);
                self.fail(state, &error, batch.iter().map(len).sum());
                Err(error)
            }
        }
    }

    /// Writes `batch` and waits until it is durable.
    fn append(&self, state: &mut State, batch: &[Write], first: Revision) -> Result<u64, Error> {
        let at_millis = u64::try_from(self.options.since_epoch().as_millis()).unwrap_or(u64::MAX);
        let records = batch.iter().zip(first.0..).map(|(write, revision)| {
            let previous = match write.expect {
                Expect::Absent => None,
                Expect::At(revision) => Some(revision),
            };
            let value = write.value.as_deref();
            (Revision(revision), Record { key: &write.key, value, previous, at_millis })
        });
        // A failed write took revisions out of the life, but its gap reaches to the
        // first that is answered.
        let gap = state.gap.map(|gap| Gap { before: first, ..gap });
        let log = state.log.get_mut()?;
        let bytes = log.append(records, gap, &mut state.scratch)?;
        self.observe(|observer| observer.written())?;
        if self.options.sync {
            log.sync()?;
            self.tally.syncs.fetch_add(1, Ordering::Relaxed);
            self.observe(|observer| observer.synced())?;
        }
        Ok(bytes)
    }

    fn observe(&self, step: fn(&dyn Observer) -> io::Result<()>) -> Result<(), Error> {
        let Some(observer) = &self.options.observer else { return Ok(()) };
        step(&**observer).map_err(|source| Error::Io { doing: "write to the log".into(), source })
    }

    /// Closes the log: what it holds in memory can no longer be trusted. It failed to write
    /// about `bytes`.
    fn fail(&self, state: &mut State, error: &Error, bytes: usize) {
        self.tally.failures.fetch_add(1, Ordering::Relaxed);
        let reason = error.chain();
        tracing::error!(error = reason, "a write to the store failed; writes are refused for now");
        let in_memory = state.log.get().map_or(0, Log::in_memory);
        let failed = Condition::Failed { reason, since: Instant::now(), bytes, in_memory };
        let log = std::mem::replace(&mut state.log, failed);
        // Closing it tries to sync once more, which may fail in any way.
        _ = shielded(&state.home.log(), || {
            drop(log);
            Ok(())
        });
    }

    /// Opens a log that failed again, if it was left alone for long enough.
    fn reopen_if_failed(&self, state: &mut State) -> Result<(), Error> {
        let Condition::Failed { reason, since, bytes, in_memory } = &mut state.log else {
            return Ok(());
        };
        if since.elapsed() < self.options.retry_pause {
            return Err(Error::Suspended { reason: reason.clone() });
        }
        let wanted = (*bytes, *in_memory);
        match reopen(&state.home, &self.options, state.answered, wanted) {
            Ok(log) => {
                tracing::info!("the store was opened again; writes go on");
                self.tally.reopens.fetch_add(1, Ordering::Relaxed);
                state.log = Condition::Open(log);
                Ok(())
            }
            Err(error) => {
                *reason = error.chain();
                *since = Instant::now();
                Err(Error::Suspended { reason: reason.clone() })
            }
        }
    }

    fn remove(&self, mut forget: Forget) -> Result<(), Error> {
        // Floors go first: one that is too high only ends a watch early.
        loop {
            let rest = forget.changes.split_off(forget.changes.len().min(FORGET_MAX));
            let mut state = self.state.lock();
            let (path, high) = (state.home.log(), state.answered);
            let log = state.log.get_mut()?;
            if let Err(error) = shielded(&path, || log.forget(&forget, high)) {
                self.fail(&mut state, &error, 0);
                return Err(error);
            }
            self.tally.forgotten.fetch_add(forget.changes.len() as u64, Ordering::Relaxed);
            if rest.is_empty() {
                return Ok(());
            }
            forget = Forget { changes: rest, floors: Vec::new() };
        }
    }
}

impl Condition {
    fn get_mut(&mut self) -> Result<&mut Log, Error> {
        match self {
            Self::Open(log) => Ok(log),
            Self::Failed { reason, .. } => Err(Error::Suspended { reason: reason.clone() }),
        }
    }

    fn get(&self) -> Result<&Log, Error> {
        match self {
            Self::Open(log) => Ok(log),
            Self::Failed { reason, .. } => Err(Error::Suspended { reason: reason.clone() }),
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.mark.sync();
    }
}

/// Opens the log after a failure and brings it back to the last answered write.
///
/// Batches that failed may be there, in part answered with an error, in part
/// planned on each other. Nobody has seen them, so they are taken out. The disk must have
/// room for the `bytes` that failed and for the table that is due: with room for a smaller
/// write alone, the store would come and go with each.
fn reopen(
    home: &Home,
    options: &EmbeddedOptions,
    answered: Revision,
    (bytes, in_memory): (usize, u64),
) -> Result<Log, Error> {
    journal::rewind(&home.log(), answered)?;
    home.try_room(bytes as u64 + in_memory)?;
    let log = Log::open(&home.log(), options.table_bytes)?;
    check_reach(home, log.reach()?.revision, answered)?;
    shielded(&home.log(), || log.cut_after(answered, bytes.min(ROOM_MAX)))?;
    Ok(log)
}

/// A log that ends before the last answered write has lost something.
fn check_reach(home: &Home, found: Revision, answered: Revision) -> Result<(), Error> {
    if found >= answered {
        return Ok(());
    }
    let reason = format!("it ends at revision {found}, but {answered} was answered");
    Err(Error::Damaged { path: home.path().to_owned(), reason })
}

impl Backend for Embedded {
    async fn load(&self, each: &mut (dyn FnMut(Change) + Send)) -> Result<Loaded, Error> {
        self.read(each)
    }

    /// Blocks until the batch is durable: the one caller has a thread for that.
    async fn commit(&self, batch: Vec<Write>) -> Result<Vec<Result<Revision, Conflict>>, Error> {
        self.write(&batch)
    }

    async fn forget(&self, forget: Forget) -> Result<(), Error> {
        self.remove(forget)
    }
}
