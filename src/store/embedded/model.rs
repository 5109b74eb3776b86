//! Any order of commits, failures, removals and restarts, against a simple model.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::executor::block_on;
use proptest::collection::vec;
use proptest::prelude::*;

use super::tests::{BIRTH, load, options, put, scratch};
use super::{Embedded, EmbeddedOptions, Observer};
use crate::model::Revision;
use crate::store::{Backend, Change, Expect, Forget, Forgotten, Loaded, TypeKey, Write};

/// Few keys, so that most writes replace something.
const KEYS: u8 = 6;

#[derive(Clone, Debug)]
enum Step {
    /// A batch: each write puts a value of this many bytes, or deletes.
    Commit(Vec<(u8, Option<u16>)>),
    /// A batch that the disk fails, after it was written or after it was synced.
    Fail(u8, bool),
    /// Forgets this many of the oldest changes, in hundredths.
    Forget(u8),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let write = (0..KEYS, proptest::option::weighted(0.8, 0..3000u16));
    prop_oneof![
        6 => vec(write, 1..5).prop_map(Step::Commit),
        1 => (0..KEYS, any::<bool>()).prop_map(|(key, synced)| Step::Fail(key, synced)),
        2 => (0..=100u8).prop_map(Step::Forget),
        1 => Just(Step::Restart),
    ]
}

/// Fails one step of one batch.
#[derive(Default)]
struct Fault {
    written: AtomicBool,
    synced: AtomicBool,
}

impl Fault {
    fn pass(once: &AtomicBool) -> io::Result<()> {
        if once.swap(false, Ordering::Relaxed) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(())
    }
}

impl Observer for Fault {
    fn written(&self) -> io::Result<()> {
        Self::pass(&self.written)
    }

    fn synced(&self) -> io::Result<()> {
        Self::pass(&self.synced)
    }
}

/// What a store must hold.
struct Model {
    kind: TypeKey,
    /// By revision.
    log: BTreeMap<Revision, Change>,
    /// What each key holds.
    present: BTreeMap<u8, Revision>,
    /// Changes that fell out of history, by revision.
    floor: Option<Revision>,
    revision: Revision,
}

impl Model {
    fn write(&self, key: u8, value: Option<u16>) -> Write {
        let text = "x".repeat(value.unwrap_or_default().into());
        let mut write = put(&format!("/{key}"), &text, None);
        if let Some(revision) = self.present.get(&key) {
            write.expect = Expect::At(*revision);
        }
        write.value = write.value.filter(|_| value.is_some());
        write
    }

    fn commit(&mut self, store: &Embedded, writes: &[(u8, Option<u16>)]) {
        for (key, value) in writes {
            if value.is_none() && !self.present.contains_key(key) {
                continue;
            }
            let write = self.write(*key, *value);
            let revision = block_on(store.commit(vec![write.clone()])).unwrap()[0].unwrap();
            assert!(revision > self.revision);
            self.revision = revision;
            let previous = self.present.remove(key);
            if write.value.is_some() {
                self.present.insert(*key, revision);
            }
            let change =
                Change { revision, key: write.key, value: write.value, previous, at_millis: 1000 };
            self.log.insert(revision, change);
        }
    }

    fn forget(&mut self, store: &Embedded, hundredths: u8) {
        let count = self.log.len() * usize::from(hundredths) / 100;
        let forgotten: Vec<Forgotten> = self
            .log
            .values()
            .take(count)
            .map(|change| Forgotten {
                revision: change.revision,
                previous: change.previous,
                tombstone: change.value.is_none(),
            })
            .collect();
        let Some(last) = forgotten.last() else { return };
        self.floor = self.floor.max(Some(last.revision));
        for change in &forgotten {
            change.previous.map(|previous| self.log.remove(&previous));
            if change.tombstone {
                self.log.remove(&change.revision);
            }
        }
        let floors = vec![(self.kind.clone(), last.revision)];
        block_on(store.forget(Forget { changes: forgotten, floors })).unwrap();
    }

    fn check(&self, store: &Embedded) {
        let (changes, loaded) = load(store);
        assert_eq!(changes, self.log.values().cloned().collect::<Vec<_>>());
        let floors = self.floor.iter().map(|floor| (self.kind.clone(), *floor)).collect();
        // A number that a failed batch had may be given again in another life, or not.
        assert!(loaded.revision >= self.revision);
        assert_eq!(
            Loaded { revision: BIRTH, ..loaded },
            Loaded { revision: BIRTH, floor: BIRTH, floors, gaps: vec![] }
        );
    }
}

fn open(dir: &Path, fault: &Arc<Fault>) -> Embedded {
    let options =
        EmbeddedOptions { table_bytes: 4 << 10, observer: Some(fault.clone()), ..options() };
    Embedded::open(dir, options).unwrap()
}

fn run(steps: &[Step]) {
    let dir = scratch();
    let fault = Arc::new(Fault::default());
    let mut store = open(dir.path(), &fault);
    let mut model = Model {
        kind: TypeKey::new("apis.kcp.io", "apiexports"),
        log: BTreeMap::new(),
        present: BTreeMap::new(),
        floor: None,
        revision: BIRTH,
    };
    for step in steps {
        match step {
            Step::Commit(writes) => model.commit(&store, writes),
            Step::Fail(key, synced) => {
                let once = if *synced { &fault.synced } else { &fault.written };
                once.store(true, Ordering::Relaxed);
                block_on(store.commit(vec![model.write(*key, Some(9))])).unwrap_err();
                // The next write opens the log again.
                model.commit(&store, &[(*key, Some(10))]);
            }
            Step::Forget(hundredths) => model.forget(&store, *hundredths),
            Step::Restart => {
                drop(store);
                store = open(dir.path(), &fault);
            }
        }
        model.check(&store);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_store_is_its_model(steps in vec(step(), 1..40)) {
        run(&steps);
    }
}
