//! The store against what it promises, on real files.

use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use futures::executor::block_on;

use super::{Embedded, EmbeddedOptions};
use crate::model::Revision;
use crate::store::{
    Backend, Change, Error, Expect, Forget, Forgotten, Gap, Loaded, TypeKey, Write,
};

/// What the clock says in these tests: one second after 1970.
const NOW: Duration = Duration::from_secs(1);

/// Where counters begin in these tests.
pub(super) const BIRTH: Revision = Revision(1_000_000);

pub(super) fn options() -> EmbeddedOptions {
    EmbeddedOptions {
        retry_pause: Duration::ZERO,
        table_bytes: 64 << 10,
        ..EmbeddedOptions::new(|| UNIX_EPOCH + NOW)
    }
}

/// A directory in memory where there is such a thing: most tests look at what is
/// written, not at how long a disk takes.
pub(super) fn scratch() -> tempfile::TempDir {
    // Not everybody may write there, and not every machine has it.
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

pub(super) fn open(dir: &tempfile::TempDir) -> Embedded {
    Embedded::open(&dir.path().join("store"), options()).unwrap()
}

pub(super) fn put(key: &str, value: &str, previous: Option<u64>) -> Write {
    let expect = previous.map_or(Expect::Absent, |revision| Expect::At(Revision(revision)));
    Write {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        expect,
    }
}

pub(super) fn delete(key: &str, previous: u64) -> Write {
    Write { value: None, ..put(key, "", Some(previous)) }
}

pub(super) fn commit(store: &Embedded, batch: Vec<Write>) -> Vec<u64> {
    block_on(store.commit(batch)).unwrap().into_iter().map(|it| it.unwrap().0).collect()
}

pub(super) fn load(store: &Embedded) -> (Vec<Change>, Loaded) {
    let mut changes = Vec::new();
    let loaded = block_on(store.load(&mut |change| changes.push(change))).unwrap();
    (changes, loaded)
}

#[test]
fn what_was_written_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    assert_eq!(
        load(&store),
        (vec![], Loaded { revision: BIRTH, floor: BIRTH, ..Loaded::default() })
    );
    assert_eq!(
        commit(&store, vec![put("/a", "1", None), put("/b", "2", None)]),
        [1_000_001, 1_000_002]
    );
    assert_eq!(commit(&store, vec![delete("/a", 1_000_001)]), [1_000_003]);
    assert_eq!(commit(&store, vec![]), [0; 0]);
    let before = load(&store);
    drop(store);

    let store = open(&dir);
    let after = load(&store);
    assert_eq!(after, before);
    assert_eq!(
        after.0[2],
        Change {
            revision: Revision(1_000_003),
            key: "/a".into(),
            value: None,
            previous: Some(Revision(1_000_001)),
            at_millis: 1000,
        }
    );
    assert_eq!(after.1.revision, Revision(1_000_003));
    assert_eq!(commit(&store, vec![put("/a", "3", None)]), [1_000_004]);
}

#[test]
fn each_life_begins_at_the_clock_and_remembers_where_the_last_one_ended() {
    let dir = tempfile::tempdir().unwrap();
    let later = |seconds| {
        let options = EmbeddedOptions {
            retry_pause: Duration::ZERO,
            ..EmbeddedOptions::new(move || UNIX_EPOCH + Duration::from_secs(seconds))
        };
        Embedded::open(&dir.path().join("store"), options).unwrap()
    };
    let gap = |after, before| Gap { after: Revision(after), before: Revision(before) };
    drop(later(1));
    // A life in which nothing is written leaves no trace.
    assert_eq!(load(&later(2)).1.gaps, [gap(1_000_000, 2_000_001)]);
    let store = later(3);
    assert_eq!(load(&store).1.gaps, [gap(1_000_000, 3_000_001)]);
    assert_eq!(commit(&store, vec![put("/a", "1", None)]), [3_000_001]);
    assert_eq!(commit(&store, vec![put("/b", "1", None)]), [3_000_002]);
    drop(store);
    let (changes, loaded) = load(&later(4));
    assert_eq!(revisions(&changes), [3_000_001, 3_000_002]);
    assert_eq!(loaded.revision, Revision(3_000_002), "nothing has happened since");
    assert_eq!(loaded.gaps, [gap(1_000_000, 3_000_001), gap(3_000_002, 4_000_001)]);
    // A clock that was set back takes nothing back.
    let store = later(1);
    assert_eq!(load(&store).1.gaps, [gap(1_000_000, 3_000_001)]);
    assert_eq!(commit(&store, vec![put("/c", "1", None)]), [3_000_003]);
}

pub(super) fn forget(store: &Embedded, changes: &[Change], floors: &[(&TypeKey, u64)]) {
    let changes = changes
        .iter()
        .map(|change| Forgotten {
            revision: change.revision,
            previous: change.previous,
            tombstone: change.value.is_none(),
        })
        .collect();
    let floors = floors.iter().map(|(kind, floor)| ((*kind).clone(), Revision(*floor))).collect();
    block_on(store.forget(Forget { changes, floors })).unwrap();
}

pub(super) fn revisions(changes: &[Change]) -> Vec<u64> {
    changes.iter().map(|change| change.revision.0).collect()
}

#[test]
fn forgotten_changes_are_gone_and_neither_floors_nor_the_counter_go_back() {
    let dir = tempfile::tempdir().unwrap();
    let (exports, roles) = (TypeKey::new("apis.kcp.io", "apiexports"), TypeKey::new("", "nodes"));
    let store = open(&dir);
    commit(&store, vec![put("/a", "1", None), put("/a", "2", Some(1_000_001))]);
    commit(&store, vec![put("/b", "3", None)]);
    commit(&store, vec![delete("/b", 1_000_003)]);
    let (changes, _) = load(&store);

    forget(&store, &changes, &[(&exports, 1_000_004), (&roles, 1_000_002)]);
    forget(&store, &[], &[(&exports, 1_000_003)]);
    forget(&store, &changes, &[]);
    assert_eq!(store.counters().forgotten, 8);
    drop(store);

    let store = open(&dir);
    let (changes, loaded) = load(&store);
    assert_eq!(revisions(&changes), [1_000_002]);
    assert_eq!(changes[0].previous, Some(Revision(1_000_001)));
    assert_eq!(loaded.revision, Revision(1_000_004), "the tombstone is gone, its number is not");
    let floors = vec![(exports, Revision(1_000_004)), (roles, Revision(1_000_002))];
    assert_eq!(loaded.floors, floors);
    assert_eq!(commit(&store, vec![put("/b", "5", None)]), [1_000_005]);
}

#[test]
fn a_batch_is_synced_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    commit(&store, (0..64).map(|n| put(&format!("/{n}"), "1", None)).collect());
    commit(&store, vec![put("/a", "1", None)]);
    let counters = store.counters();
    assert_eq!((counters.writes, counters.syncs, counters.failures), (65, 2, 0));
    assert!(counters.bytes > 65 && store.disk_bytes().unwrap() > 0);
}

#[test]
fn follow_is_silent() {
    use futures::{FutureExt as _, StreamExt as _};
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let mut others = std::pin::pin!(store.follow(BIRTH));
    commit(&store, vec![put("/a", "1", None)]);
    assert!(others.next().now_or_never().is_none());
}

#[test]
fn a_store_has_one_owner() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let error = Embedded::open(&dir.path().join("store"), options()).unwrap_err();
    let Error::Owned { pid, .. } = &error else { panic!("{error:?}") };
    assert_eq!(*pid, Some(std::process::id()));
    commit(&store, vec![put("/a", "1", None)]);
    drop(store);
    assert_eq!(load(&open(&dir)).0.len(), 1);
}

#[test]
fn a_directory_that_is_no_store_of_ours_is_refused_and_left_alone() {
    fn refusal(path: &Path) -> String {
        let before = listing(path);
        let error = Embedded::open(path, options()).unwrap_err();
        assert_eq!(listing(path), before, "{error}");
        assert!(error.hint().is_some(), "{error}");
        error.to_string().replace(path.to_str().unwrap(), "DIR")
    }
    fn listing(path: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(path).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
    let dir = tempfile::tempdir().unwrap();

    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert_eq!(refusal(&file), "`DIR` is not a directory");

    let etcd = dir.path().join("etcd");
    std::fs::create_dir_all(etcd.join("member/snap")).unwrap();
    assert_eq!(refusal(&etcd), "`DIR` holds the data of an embedded etcd");

    let newer = dir.path().join("newer");
    std::fs::create_dir(&newer).unwrap();
    std::fs::write(newer.join("format"), "kcpctl store 2\n").unwrap();
    assert_eq!(refusal(&newer), "the store in `DIR` has format 2, this version knows up to 1");

    let other = dir.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("format"), "something else").unwrap();
    assert_eq!(
        refusal(&other),
        "the store in `DIR` is damaged: the file `format` does not name a format"
    );
}

#[test]
fn a_store_that_lost_its_log_is_not_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir));
    let path = dir.path().join("store");
    std::fs::remove_dir_all(path.join("log")).unwrap();
    let error = Embedded::open(&path, options()).unwrap_err();
    assert!(error.to_string().ends_with("is damaged: the directory `log` is missing"), "{error}");
}

#[test]
fn a_store_that_was_being_made_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    std::fs::create_dir_all(path.join("log.new/keyspaces")).unwrap();
    std::fs::write(path.join("log.new/0.jnl"), "half").unwrap();
    std::fs::write(path.join("format.new"), "kcp").unwrap();
    let store = open(&dir);
    assert_eq!(commit(&store, vec![put("/a", "1", None)]), [1_000_001]);
}

#[test]
fn many_tables_and_journals_are_read_back_in_order() {
    let dir = scratch();
    let value = "x".repeat(2000);
    let mut wanted = Vec::new();
    for life in 0..3 {
        let store = open(&dir);
        for batch in 0..100 {
            let keys = (0..4).map(|n| format!("/{life}/{batch}/{n}"));
            wanted.extend(commit(&store, keys.map(|key| put(&key, &value, None)).collect()));
        }
        assert_eq!(revisions(&load(&store).0), wanted);
    }
    let store = open(&dir);
    let (changes, loaded) = load(&store);
    assert_eq!(revisions(&changes), wanted);
    assert_eq!(loaded.revision.0, wanted[wanted.len() - 1]);
    assert!(changes.iter().all(|change| change.value.as_ref().unwrap().len() == 2000));
}

#[test]
fn a_store_whose_first_batch_is_damaged_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let value = "v".repeat(1000);
    commit(&store, vec![put("/a", &value, None), put("/b", &value, None)]);
    drop(store);
    let journal = dir.path().join("store/log/0.jnl");
    let mut bytes = std::fs::read(&journal).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    for byte in &mut bytes[written / 2..written / 2 + 64] {
        *byte = !*byte;
    }
    std::fs::write(&journal, &bytes).unwrap();
    for _ in 0..2 {
        let refused = Embedded::open(&dir.path().join("store"), options()).unwrap_err();
        assert!(matches!(refused, Error::Damaged { .. }), "{refused:?}");
        assert!(std::fs::read(&journal).unwrap() == bytes, "the refusal changed the journal");
    }
}
