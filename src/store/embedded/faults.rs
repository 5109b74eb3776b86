//! A disk that fails under the store, and files that changed behind its back.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use futures::executor::block_on;

use super::tests::{commit, delete, load, open, options, put, revisions, scratch};
use super::{Embedded, EmbeddedOptions, Observer};
use crate::model::Revision;
use crate::store::{Backend, Error, Forget, Forgotten, Write};

/// Fails at a step until it is told not to.
#[derive(Default)]
struct Fault(AtomicU8);

const WRITTEN: u8 = 1;
const SYNCED: u8 = 2;

impl Fault {
    fn at(&self, step: u8) -> io::Result<()> {
        if self.0.load(Ordering::Relaxed) == step {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(())
    }
}

impl Observer for Fault {
    fn written(&self) -> io::Result<()> {
        self.at(WRITTEN)
    }

    fn synced(&self) -> io::Result<()> {
        self.at(SYNCED)
    }
}

fn refused(store: &Embedded, batch: Vec<Write>) -> Error {
    block_on(store.commit(batch)).unwrap_err()
}

#[test]
fn a_batch_that_failed_is_gone_when_writes_go_on() {
    for step in [WRITTEN, SYNCED] {
        let dir = scratch();
        let path = dir.path().join("store");
        let fault = Arc::new(Fault::default());
        let options = EmbeddedOptions { observer: Some(fault.clone()), ..options() };
        let store = Embedded::open(&path, options).unwrap();
        commit(&store, vec![put("/a", "1", None)]);

        fault.0.store(step, Ordering::Relaxed);
        let error = refused(&store, vec![put("/a", "2", Some(1_000_001)), put("/b", "1", None)]);
        assert!(matches!(error, Error::Io { .. }) && error.hint().is_some(), "{error}");
        assert_eq!(store.trouble(), None, "it was opened again, and could be written");
        let error = refused(&store, vec![put("/c", "1", None)]);
        assert!(matches!(error, Error::Io { .. }), "it was opened, and failed again: {error}");

        fault.0.store(0, Ordering::Relaxed);
        let given = commit(&store, vec![put("/a", "3", Some(1_000_001))]);
        assert_eq!(given, [1_000_005], "numbers are not given twice");
        assert_eq!(store.trouble(), None);
        assert_eq!((store.counters().failures, store.counters().reopens), (2, 2));
        let before = load(&store);
        assert_eq!(revisions(&before.0), [1_000_001, 1_000_005]);
        drop(store);
        assert_eq!(load(&open(&dir)), before);
    }
}

/// Fails at one step of all that there are, counted from zero.
struct Once {
    at: usize,
    steps: AtomicUsize,
}

impl Once {
    fn step(&self) -> io::Result<()> {
        if self.steps.fetch_add(1, Ordering::Relaxed) == self.at {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(())
    }
}

impl Observer for Once {
    fn written(&self) -> io::Result<()> {
        self.step()
    }

    fn synced(&self) -> io::Result<()> {
        self.step()
    }
}

#[test]
fn an_error_at_any_step_of_any_write_loses_nothing_that_was_answered() {
    const WRITES: usize = 24;
    for at in 0..2 * WRITES {
        let dir = scratch();
        let fault = Arc::new(Once { at, steps: AtomicUsize::new(0) });
        // Tables are written on the way, so that they are what is read in the end.
        let options = EmbeddedOptions { observer: Some(fault), table_bytes: 1 << 10, ..options() };
        let store = Embedded::open(&dir.path().join("store"), options).unwrap();
        let mut answered = Vec::new();
        let mut failed = Vec::new();
        for number in 0..WRITES {
            let batch = vec![put(&format!("/{number}"), &"x".repeat(300), None)];
            match block_on(store.commit(batch)) {
                Ok(given) => answered.extend(given.into_iter().map(|it| it.unwrap().0)),
                Err(error) => failed.push((number, error.to_string())),
            }
        }
        assert_eq!(failed.len(), 1, "one write fails, and the next is made: {failed:?}");
        assert_eq!(failed[0].0, at / 2, "{failed:?}");
        assert_eq!(store.trouble(), None, "it was opened again");
        assert_eq!(revisions(&load(&store).0), answered, "the error was at step {at}");
        drop(store);
        assert_eq!(revisions(&load(&open(&dir)).0), answered, "the error was at step {at}");
    }
}

#[test]
fn a_failed_store_is_left_alone_for_a_while() {
    let dir = scratch();
    let fault = Arc::new(Fault(AtomicU8::new(WRITTEN)));
    let retry_pause = Duration::from_secs(3600);
    let options = EmbeddedOptions { observer: Some(fault.clone()), retry_pause, ..options() };
    let store = Embedded::open(&dir.path().join("store"), options).unwrap();
    refused(&store, vec![put("/a", "1", None)]);
    fault.0.store(0, Ordering::Relaxed);
    assert!(store.trouble().is_some());
    let error = refused(&store, vec![put("/a", "1", None)]);
    assert_eq!(
        error.to_string(),
        "writes are refused since the disk failed: failed to write to the log: no storage space"
    );
    assert_eq!(store.counters().reopens, 0);
}

/// A store with three answered writes, closed.
fn written() -> (tempfile::TempDir, PathBuf) {
    let dir = scratch();
    let store = open(&dir);
    for value in ["first", "second", "third"] {
        commit(&store, vec![put("/a", value, None)]);
    }
    drop(store);
    let path = dir.path().join("store");
    (dir, path)
}

/// Changes the first byte of `text` in `file`.
fn damage(file: &Path, text: &[u8]) {
    let bytes = fs::read(file).unwrap();
    let at = bytes.windows(text.len()).position(|window| window == text).unwrap();
    let file = OpenOptions::new().write(true).open(file).unwrap();
    file.write_all_at(&[bytes[at] ^ 1], at as u64).unwrap();
}

fn damaged(path: &Path) -> String {
    let error = Embedded::open(path, options()).unwrap_err();
    let Error::Damaged { reason, .. } = error else { panic!("{error:?}") };
    reason
}

#[test]
fn damage_before_an_answered_write_is_refused_and_left_as_it_is() {
    let (_dir, path) = written();
    let journal = path.join("log/0.jnl");
    damage(&journal, b"second");
    let before = fs::read(&journal).unwrap();
    let reason = damaged(&path);
    assert!(reason.starts_with("journal `0.jnl` is broken at byte "), "{reason}");
    assert_eq!(damaged(&path), reason);
    assert!(fs::read(&journal).unwrap() == before, "the journal was touched");
}

#[test]
fn a_log_that_is_older_than_what_was_answered_is_refused() {
    let (_dir, path) = written();
    let journal = path.join("log/0.jnl");
    let bytes = fs::read(&journal).unwrap();
    let third = bytes.windows(5).position(|window| window == b"third").unwrap();
    // The whole batch and all that follows.
    let batch = third - b"/a".len() - 4 - 8 - 2 - 8 - 21 - 13;
    fs::write(&journal, &bytes[..batch]).unwrap();
    assert_eq!(damaged(&path), "it ends at revision 1000002, but 1000003 was answered");
}

#[test]
fn a_torn_batch_that_was_not_answered_is_cut_off() {
    let (dir, path) = written();
    let journal = path.join("log/0.jnl");
    damage(&journal, b"third");
    // As if the power had gone before the note was written.
    fs::remove_file(path.join("answered")).unwrap();
    let store = open(&dir);
    assert_eq!(revisions(&load(&store).0), [1_000_001, 1_000_002]);
    assert_eq!(commit(&store, vec![delete("/a", 1_000_002)]), [1_000_003]);
    drop(store);
    assert_eq!(revisions(&load(&open(&dir)).0), [1_000_001, 1_000_002, 1_000_003]);
}

#[test]
fn a_damaged_table_is_refused() {
    let (_dir, path) = written();
    let store = Embedded::open(&path, EmbeddedOptions { table_bytes: 0, ..options() }).unwrap();
    commit(&store, vec![put("/a", "fourth", None)]);
    let tables = path.join("log/keyspaces/1/tables");
    wait_for(|| fs::read_dir(&tables).unwrap().next().is_some());
    drop(store);
    let table = fs::read_dir(&tables).unwrap().next().unwrap().unwrap().path();
    damage(&table, b"second");
    let store = match Embedded::open(&path, options()) {
        Ok(store) => store,
        Err(error) => return assert!(matches!(error, Error::Damaged { .. }), "{error:?}"),
    };
    let error = block_on(store.load(&mut |_| {})).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }) && error.hint().is_some(), "{error:?}");
}

#[test]
fn a_table_that_is_missing_is_refused() {
    let (_dir, path) = written();
    let store = Embedded::open(&path, EmbeddedOptions { table_bytes: 0, ..options() }).unwrap();
    commit(&store, vec![put("/a", "fourth", None)]);
    let tables = path.join("log/keyspaces/1/tables");
    wait_for(|| fs::read_dir(&tables).unwrap().next().is_some());
    drop(store);
    for table in fs::read_dir(&tables).unwrap() {
        fs::remove_file(table.unwrap().path()).unwrap();
    }
    damaged(&path);
}

#[test]
fn a_directory_without_permission_says_so() {
    // Nothing is forbidden to root, so the system's answer is imagined.
    let denied = io::Error::from(io::ErrorKind::PermissionDenied);
    let error = Error::at(Path::new("/data"), "open", denied);
    assert_eq!(error.to_string(), "no permission to use `/data`");
    assert!(error.hint().unwrap().contains("`/data`"));
}

#[test]
fn answers_are_noted_beside_the_log() {
    let (_dir, path) = written();
    let (_mark, noted) = super::mark::Mark::open(&path).unwrap();
    assert_eq!(noted, Revision(1_000_003));
}

/// Waits for what the worker of the log does, at most ten seconds.
fn wait_for(mut condition: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(std::time::Instant::now() < end, "it did not happen within ten seconds");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_worker_that_failed_stops_writes_until_the_disk_can_be_written_again() {
    let dir = scratch();
    let path = dir.path().join("store");
    let options = EmbeddedOptions { table_bytes: 1 << 10, ..options() };
    let store = Embedded::open(&path, options).unwrap();
    let tables = path.join("log/keyspaces/1/tables");
    fs::rename(&tables, path.join("away")).unwrap();
    fs::write(&tables, "not a directory").unwrap();
    // One of them asks for a table, and the worker finds no place to write it.
    let mut answered = Vec::new();
    let mut failed = None;
    wait_for(|| match block_on(store.commit(vec![put("/a", &"x".repeat(2000), None)])) {
        Ok(revisions) => {
            answered.extend(revisions.into_iter().map(|revision| revision.unwrap().0));
            false
        }
        Err(error) => failed.replace(error).is_none(),
    });
    assert!(matches!(failed, Some(Error::Io { .. })), "{failed:?}");
    assert!(store.trouble().is_some());
    assert!(matches!(refused(&store, vec![put("/a", "1", None)]), Error::Suspended { .. }));

    fs::remove_file(&tables).unwrap();
    fs::rename(path.join("away"), &tables).unwrap();
    answered.extend(commit(&store, vec![put("/b", "1", None)]));
    assert_eq!(revisions(&load(&store).0), answered);
    drop(store);
    let store = Embedded::open(&path, super::tests::options()).unwrap();
    assert_eq!(revisions(&load(&store).0), answered);
}

#[test]
fn a_trial_leaves_nothing_behind() {
    let dir = scratch();
    super::home::try_room(dir.path(), 3 << 20).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    assert!(super::home::try_room(&dir.path().join("missing"), 1).is_err());
}

#[test]
fn space_of_forgotten_changes_is_given_back() {
    let dir = scratch();
    let options = EmbeddedOptions { table_bytes: 1 << 20, ..options() };
    let store = Embedded::open(&dir.path().join("store"), options).unwrap();
    let value = "x".repeat(1 << 20);
    let mut last = commit(&store, vec![put("/a", &value, None)])[0];
    for _ in 0..150 {
        let next = commit(&store, vec![put("/a", &value, Some(last))])[0];
        let revision = Revision(next);
        let change = Forgotten { revision, previous: Some(Revision(last)), tombstone: false };
        block_on(store.forget(Forget { changes: vec![change], floors: vec![] })).unwrap();
        last = next;
    }
    // 151 MiB were written. A journal takes 64 MiB from the beginning.
    wait_for(|| store.disk_bytes().unwrap() < (64 + 16) << 20);
    assert_eq!(revisions(&load(&store).0), [last]);
}
