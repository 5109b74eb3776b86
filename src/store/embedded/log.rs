//! The log: a database of two keyspaces, and the only code that knows fjall.
//!
//! ```text
//! log     revision → record          see `record`
//! meta    birth    → revision        where the counter began
//!         high     → revision        the counter when something was last forgotten
//!         life/R   → revision        R began a life, the one before ended there
//!         floor/T  → revision        how far back the history of type T reaches
//!         room     → zeros           written to see whether the disk has room again
//! ```
//!
//! A batch goes into fjall's journal, which is synced before the batch is
//! answered, and into a table in memory, which becomes a file when it is full.
//! fjall checks a checksum of every batch and every block that it reads.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fjall::config::{BlockSizePolicy, CompressionPolicy};
use fjall::{
    CompressionType, Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode,
};

use super::home::try_room;
use super::record::{self, Record, RecordError};
use crate::model::Revision;
use crate::store::{Change, Error, Forget, Gap, Loaded, TypeKey};

/// Bytes of blocks that fjall keeps. Everything is read once, at the start.
const CACHE_BYTES: u64 = 1 << 20;

/// Bytes of a block: some objects each, since they are only read in a row.
const BLOCK_BYTES: u32 = 32 << 10;

/// Threads that write tables and merge them. One waits nearly always; a second
/// one would spin while the first one merges.
const WORKERS: usize = 1;

/// Tables that may wait in memory for their file. With more we wait ourselves:
/// fjall, at four, would wait for ever for a worker that failed.
const SEALED_MAX: usize = 2;

/// Table files that may wait to be merged. fjall waits for ever at thirty.
const UNMERGED_MAX: usize = 20;

/// Bytes in memory, in shares of a table, from which a write waits for the worker.
const SHARES_MAX: u64 = 4;

/// How often a waiting write looks again.
const WAIT: Duration = Duration::from_millis(1);

/// Bytes that are written to find out why a log cannot be written.
const TRIAL_BYTES: u64 = 64 << 10;

/// What a removal takes in memory, roughly.
const REMOVAL_BYTES: u64 = 64;

const BIRTH: &[u8] = b"birth";
const HIGH: &[u8] = b"high";
const FLOOR: &[u8] = b"floor/";
const LIFE: &[u8] = b"life/";
const ROOM: &[u8] = b"room";

/// An open log.
pub(super) struct Log {
    db: Database,
    records: Keyspace,
    meta: Keyspace,
    path: PathBuf,
    /// When this much is in memory it becomes a table.
    table_bytes: u64,
    /// What is in memory and not yet on its way to a table.
    in_memory: u64,
}

impl Log {
    /// Opens the log in `path`, or makes it.
    ///
    /// `table_bytes` is how much is held in memory before a table is written.
    pub(super) fn open(path: &Path, table_bytes: u64) -> Result<Self, Error> {
        let open = || -> fjall::Result<Self> {
            let db = Database::builder(path)
                .cache_size(CACHE_BYTES)
                .worker_threads(WORKERS)
                // Objects are sent and kept as they are: time counts more than space.
                .journal_compression(CompressionType::None)
                .open()?;
            let options = || {
                KeyspaceCreateOptions::default()
                    // We say when: see `make_room`.
                    .max_memtable_size(u64::MAX)
                    .data_block_size_policy(BlockSizePolicy::all(BLOCK_BYTES))
                    .data_block_compression_policy(CompressionPolicy::disabled())
            };
            let records = db.keyspace("log", options)?;
            let meta = db.keyspace("meta", options)?;
            let in_memory = db.write_buffer_size();
            Ok(Self { db, records, meta, path: path.to_owned(), table_bytes, in_memory })
        };
        shielded(path, || open().map_err(|error| unreadable(path, "open the log in", error)))
    }

    /// Makes a new log in `path` whose counter begins at `birth`, and closes it.
    pub(super) fn create(path: &Path, birth: Revision, table_bytes: u64) -> Result<(), Error> {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::at(path, "remove", error));
            }
            _ => {}
        }
        let log = Self::open(path, table_bytes)?;
        let mut batch = log.db.batch().durability(Some(PersistMode::SyncAll));
        batch.insert(&log.meta, BIRTH, birth.0.to_be_bytes());
        batch.commit().map_err(|error| failure(path, "write to the log in", error))
    }

    /// Writes `changes` as one batch, which is not yet durable. `gap` is what they
    /// leave out, if they are the first of a life.
    pub(super) fn append<'a>(
        &mut self,
        changes: impl Iterator<Item = (Revision, Record<'a>)>,
        gap: Option<Gap>,
        scratch: &mut Vec<u8>,
    ) -> Result<u64, Error> {
        self.make_room()?;
        let mut bytes = 0;
        let count = changes.size_hint().0;
        let batch = OwnedWriteBatch::with_capacity(self.db.clone(), count);
        let mut batch = batch.durability(Some(PersistMode::Buffer));
        if let Some(gap) = gap {
            let key = [LIFE, &gap.before.0.to_be_bytes()].concat();
            batch.insert(&self.meta, key, gap.after.0.to_be_bytes());
        }
        for (revision, record) in changes {
            record.encode(scratch);
            bytes += scratch.len() as u64;
            batch.insert(&self.records, revision.0.to_be_bytes(), scratch.as_slice());
        }
        batch.commit().map_err(|error| self.failure("write to the log in", error))?;
        self.in_memory += bytes;
        Ok(bytes)
    }

    /// Sends what is in memory on its way to a table if it is enough, and waits
    /// for the worker only if there would be too much.
    ///
    /// Both keyspaces go together: a journal can only be deleted when both have
    /// written all that stands in it.
    fn make_room(&mut self) -> Result<(), Error> {
        if self.in_memory < self.table_bytes {
            return Ok(());
        }
        let failed = |error| failure(&self.path, "write to the log in", error);
        while self.records.sealed_memtable_count() >= SEALED_MAX
            || self.records.l0_table_count() >= UNMERGED_MAX
        {
            if self.in_memory < self.table_bytes.saturating_mul(SHARES_MAX) {
                return Ok(());
            }
            self.check()?;
            std::thread::sleep(WAIT);
        }
        // A table is on disk as soon as it is written, and each keyspace has its own: what was
        // removed would be gone without its floor if the journal did not hold both by then.
        self.sync()?;
        self.records.rotate_memtable().map_err(failed)?;
        self.meta.rotate_memtable().map_err(failed)?;
        self.in_memory = 0;
        Ok(())
    }

    /// Makes all that was written durable.
    pub(super) fn sync(&self) -> Result<(), Error> {
        self.db
            .persist(PersistMode::SyncAll)
            .map_err(|error| self.failure("sync the log in", error))
    }

    /// Reads every change, oldest first.
    pub(super) fn read(&self, each: &mut dyn FnMut(Change)) -> Result<(), Error> {
        for pair in self.records.iter() {
            let (key, value) = pair
                .into_inner()
                .map_err(|error| unreadable(&self.path, "read the log in", error))?;
            let change = record::decode(&key, &value).map_err(|error| self.malformed(&error))?;
            each(change);
        }
        Ok(())
    }

    /// How far the log reaches.
    pub(super) fn reach(&self) -> Result<Loaded, Error> {
        let mut reach = Loaded { floor: self.number(BIRTH)?.unwrap_or_default(), ..<_>::default() };
        if reach.floor == Revision::ZERO {
            return Err(damaged(&self.path, "it does not say where its counter began".to_owned()));
        }
        let newest = self.newest()?.unwrap_or_default();
        reach.revision = reach.floor.max(newest).max(self.number(HIGH)?.unwrap_or_default());
        for pair in self.meta.prefix(FLOOR) {
            let (key, value) = pair
                .into_inner()
                .map_err(|error| unreadable(&self.path, "read the log in", error))?;
            let kind = std::str::from_utf8(&key[FLOOR.len()..])
                .ok()
                .and_then(|kind| kind.split_once('/'))
                .ok_or_else(|| damaged(&self.path, "a floor names no type".to_owned()))?;
            reach.floors.push((TypeKey::new(kind.0, kind.1), self.parse_number(&value)?));
        }
        for pair in self.meta.prefix(LIFE) {
            let (key, value) = pair
                .into_inner()
                .map_err(|error| unreadable(&self.path, "read the log in", error))?;
            let before = self.parse_number(&key[LIFE.len()..])?;
            reach.gaps.push(Gap { after: self.parse_number(&value)?, before });
        }
        Ok(reach)
    }

    /// The newest change that is remembered.
    pub(super) fn newest(&self) -> Result<Option<Revision>, Error> {
        let Some(newest) = self.records.last_key_value() else { return Ok(None) };
        let key = newest.key().map_err(|error| unreadable(&self.path, "read the log in", error))?;
        let revision = record::decode_revision(&key).map_err(|error| self.malformed(&error))?;
        Ok(Some(revision))
    }

    /// Whether it can be written, as far as is known: says so if the worker failed.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.db
            .persist(PersistMode::Buffer)
            .map_err(|error| self.failure("write to the log in", error))
    }

    /// Removes every change after `revision`, and notes it as the counter: also
    /// where nothing is removed, this is a write that reached the disk, of `room` bytes.
    pub(super) fn cut_after(&self, revision: Revision, room: usize) -> Result<(), Error> {
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncAll));
        batch.insert(&self.meta, HIGH, revision.0.to_be_bytes());
        batch.insert(&self.meta, ROOM, vec![0; room]);
        for pair in self.records.range(revision.next().0.to_be_bytes()..) {
            let key =
                pair.key().map_err(|error| unreadable(&self.path, "read the log in", error))?;
            batch.remove(&self.records, key);
        }
        batch.commit().map_err(|error| self.failure("write to the log in", error))
    }

    /// Forgets changes and raises floors, in one batch that is not synced: after
    /// a power cut all of it is true, or nothing. `high` is the counter, which
    /// must survive even if the newest change is among the forgotten.
    pub(super) fn forget(&mut self, forget: &Forget, high: Revision) -> Result<(), Error> {
        self.make_room()?;
        let mut batch = self.db.batch().durability(Some(PersistMode::Buffer));
        batch.insert(&self.meta, HIGH, high.0.to_be_bytes());
        for (kind, floor) in &forget.floors {
            let key = [FLOOR, kind.as_str().as_bytes()].concat();
            let stored = self.number(&key)?.unwrap_or_default();
            if stored < *floor {
                batch.insert(&self.meta, key, floor.0.to_be_bytes());
            }
        }
        for change in &forget.changes {
            if let Some(previous) = change.previous {
                batch.remove(&self.records, previous.0.to_be_bytes());
            }
            if change.tombstone {
                batch.remove(&self.records, change.revision.0.to_be_bytes());
            }
        }
        self.in_memory += batch.len() as u64 * REMOVAL_BYTES;
        batch.commit().map_err(|error| self.failure("write to the log in", error))
    }

    /// How many bytes wait for their table.
    pub(super) fn in_memory(&self) -> u64 {
        self.in_memory
    }

    /// How many bytes the log takes on disk.
    pub(super) fn disk_bytes(&self) -> Result<u64, Error> {
        self.db.disk_space().map_err(|error| self.failure("measure the log in", error))
    }

    fn number(&self, key: &[u8]) -> Result<Option<Revision>, Error> {
        let value =
            self.meta.get(key).map_err(|error| unreadable(&self.path, "read the log in", error))?;
        value.map(|value| self.parse_number(&value)).transpose()
    }

    fn parse_number(&self, value: &[u8]) -> Result<Revision, Error> {
        let bytes = value
            .try_into()
            .map_err(|_| damaged(&self.path, "a number has no 8 bytes".to_owned()))?;
        Ok(Revision(u64::from_be_bytes(bytes)))
    }

    fn malformed(&self, error: &RecordError) -> Error {
        match *error {
            RecordError::Version { found, known, .. } => {
                let path = self.path.parent().unwrap_or(&self.path).to_owned();
                Error::Newer { path, found: found.into(), known: known.into() }
            }
            _ => damaged(&self.path, error.to_string()),
        }
    }

    fn failure(&self, doing: &str, error: fjall::Error) -> Error {
        failure(&self.path, doing, error)
    }
}

/// Does something with a log that may have a bug, or meet one in what it reads:
/// then it fails, and the process goes on.
pub(super) fn shielded<T>(
    path: &Path,
    doing: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(doing)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason");
        Err(damaged(path, format!("the log gave up: {text}")))
    })
}

/// The store is where the log is: it is what a reader knows and can move away.
fn damaged(log: &Path, reason: String) -> Error {
    Error::Damaged { path: log.parent().unwrap_or(log).to_owned(), reason }
}

/// Like [`failure`], where a file that is too short or not there means damage:
/// another file says that it should be.
fn unreadable(path: &Path, doing: &str, error: fjall::Error) -> Error {
    use io::ErrorKind as Kind;
    match failure(path, doing, error) {
        Error::Io { source, .. }
            if matches!(
                source.kind(),
                Kind::NotFound | Kind::UnexpectedEof | Kind::InvalidData
            ) =>
        {
            damaged(path, format!("a file of the log is missing or cut short ({source})"))
        }
        error => error,
    }
}

/// Tells what fjall says apart by who can mend it.
fn failure(path: &Path, doing: &str, error: fjall::Error) -> Error {
    use fjall::Error as Engine;
    match error {
        Engine::Io(source) => Error::at(path, doing, source),
        // Something in the background failed before, and fjall does not say what. If the
        // disk is full, it still is.
        Engine::Poisoned => {
            let unknown = || io::Error::other("an earlier write in the background failed");
            let why = try_room(path, TRIAL_BYTES).err().unwrap_or_else(unknown);
            Error::at(path, doing, why)
        }
        Engine::Locked => {
            Error::Owned { path: path.parent().unwrap_or(path).to_owned(), pid: None }
        }
        Engine::InvalidVersion(_) => {
            damaged(path, "the log is of a version that is not known".to_owned())
        }
        Engine::JournalRecovery(_) => damaged(path, "a journal is broken".to_owned()),
        Engine::Storage(fjall::LsmError::ChecksumMismatch { .. }) => {
            damaged(path, "a checksum does not fit what is stored".to_owned())
        }
        error => match io_cause(&error) {
            Some(source) => Error::at(path, doing, source),
            None => damaged(path, format!("the log cannot be read ({error:?})")),
        },
    }
}

/// The failure of the disk behind an error, if that is what it was.
fn io_cause(error: &fjall::Error) -> Option<io::Error> {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(match error.raw_os_error() {
                Some(code) => io::Error::from_raw_os_error(code),
                None => io::Error::new(error.kind(), error.to_string()),
            });
        }
        cause = error.source();
    }
    None
}
