//! The store against what it promises, on real files.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use futures::executor::block_on;

use super::{Embedded, EmbeddedOptions};
use crate::model::Revision;
use crate::store::{Backend, Change, Expect, Loaded, Write};

/// What the clock says in these tests: one second after 1970.
const NOW: Duration = Duration::from_secs(1);

/// Where counters begin in these tests.
const BIRTH: Revision = Revision(1_000_000);

fn options() -> EmbeddedOptions {
    EmbeddedOptions {
        retry_pause: Duration::ZERO,
        memtable_bytes: 64 << 10,
        ..EmbeddedOptions::new(|| UNIX_EPOCH + NOW)
    }
}

fn open(dir: &tempfile::TempDir) -> Embedded {
    Embedded::open(&dir.path().join("store"), options()).unwrap()
}

fn put(key: &str, value: &str, previous: Option<u64>) -> Write {
    let expect = previous.map_or(Expect::Absent, |revision| Expect::At(Revision(revision)));
    Write {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        expect,
    }
}

fn delete(key: &str, previous: u64) -> Write {
    Write { value: None, ..put(key, "", Some(previous)) }
}

fn commit(store: &Embedded, batch: Vec<Write>) -> Vec<u64> {
    block_on(store.commit(batch)).unwrap().into_iter().map(|it| it.unwrap().0).collect()
}

fn load(store: &Embedded) -> (Vec<Change>, Loaded) {
    let mut changes = Vec::new();
    let loaded = block_on(store.load(&mut |change| changes.push(change))).unwrap();
    (changes, loaded)
}

#[test]
fn what_was_written_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    assert_eq!(load(&store), (vec![], Loaded { revision: BIRTH, floor: BIRTH, floors: vec![] }));
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
