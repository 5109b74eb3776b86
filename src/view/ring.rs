//! The recent changes of one type, each with both of its sides.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::model::Revision;
use crate::store::Origin;

use super::entry::Entry;
use super::wake::Wakers;

/// What a change costs besides the object that it replaced, in bytes: two pointers,
/// the path, its place in the ring.
const CHANGE_OVERHEAD: usize = 160;

/// One change of one object.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its place in the order of all changes.
    pub revision: Revision,
    /// Where the object's type comes from.
    pub origin: Origin,
    /// `shard/cluster[/namespace]/name`
    pub path: Arc<str>,
    /// The object before; none if it is new.
    pub old: Option<Arc<Entry>>,
    /// The object after; none if it is gone.
    pub new: Option<Arc<Entry>>,
    /// When it was written, in milliseconds since 1970.
    pub at_millis: u64,
}

/// History does not reach back so far, or that revision never was.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the history no longer reaches back to that revision")]
pub struct Expired;

impl Change {
    /// What remembering it costs: the replaced object would be gone without it.
    pub(super) fn cost(&self) -> usize {
        CHANGE_OVERHEAD + self.old.as_ref().map_or(0, |old| old.len())
    }
}

/// The recent changes of one type, and those who wait for more.
#[derive(Debug)]
pub(super) struct Ring {
    inner: RwLock<Inner>,
    pub(super) wakers: Wakers,
}

#[derive(Debug)]
struct Inner {
    /// The revision of the newest change that was dropped.
    floor: Revision,
    changes: VecDeque<Arc<Change>>,
}

impl Ring {
    pub(super) fn new(floor: Revision) -> Self {
        let inner = Inner { floor, changes: VecDeque::new() };
        Self { inner: RwLock::new(inner), wakers: Wakers::default() }
    }

    /// Appends changes, which are not older than any one before.
    pub(super) fn append(&self, changes: impl IntoIterator<Item = Arc<Change>>) {
        let mut inner = self.inner.write();
        for change in changes {
            // One transaction of another program may have changed several objects.
            debug_assert!(inner.changes.back().is_none_or(|last| last.revision <= change.revision));
            inner.changes.push_back(change);
        }
    }

    /// Drops everything up to `floor`.
    pub(super) fn raise(&self, floor: Revision) {
        let mut inner = self.inner.write();
        inner.floor = inner.floor.max(floor);
        while inner.changes.front().is_some_and(|change| change.revision <= floor) {
            inner.changes.pop_front();
        }
    }

    /// Forgets everything, for ever: whoever reads here has expired.
    pub(super) fn expire(&self) {
        let mut inner = self.inner.write();
        inner.floor = Revision(u64::MAX);
        inner.changes.clear();
        drop(inner);
        self.wakers.expire();
    }

    /// The oldest change, without taking it.
    pub(super) fn oldest(&self) -> Option<Arc<Change>> {
        self.inner.read().changes.front().cloned()
    }

    /// Drops the oldest change, after telling those whom it concerns.
    pub(super) fn drop_oldest(&self) -> Option<Arc<Change>> {
        let oldest = self.oldest()?;
        self.wakers.note_dropped(&oldest.path, oldest.revision);
        let mut inner = self.inner.write();
        inner.floor = oldest.revision;
        inner.changes.pop_front()
    }

    /// Collects the changes after `after` and up to `bound` that `wanted` accepts, at
    /// most `max`; answers with the revision up to which nothing that is still
    /// remembered is missing.
    pub(super) fn read(
        &self,
        after: Revision,
        bound: Revision,
        max: usize,
        mut wanted: impl FnMut(&Change) -> bool,
        found: &mut Vec<Arc<Change>>,
    ) -> Revision {
        let inner = self.inner.read();
        let start = inner.changes.partition_point(|change| change.revision <= after);
        for change in inner.changes.range(start..) {
            if change.revision > bound {
                break;
            }
            // Those of one revision are not parted: whoever goes on after it has all.
            let last = found.last().filter(|_| found.len() >= max).map(|last| last.revision);
            if let Some(last) = last.filter(|last| *last < change.revision) {
                return last;
            }
            if wanted(change) {
                found.push(change.clone());
            }
        }
        bound.max(after)
    }

    /// The changes after `after` and up to `bound`, newest first.
    pub(super) fn undo(
        &self,
        after: Revision,
        bound: Revision,
        mut each: impl FnMut(&Change),
    ) -> Result<(), Expired> {
        let inner = self.inner.read();
        if after < inner.floor {
            return Err(Expired);
        }
        let start = inner.changes.partition_point(|change| change.revision <= after);
        let end = inner.changes.partition_point(|change| change.revision <= bound);
        for change in inner.changes.range(start..end.max(start)).rev() {
            each(change);
        }
        Ok(())
    }

    /// The revision of the newest change that was dropped.
    pub(super) fn floor(&self) -> Revision {
        self.inner.read().floor
    }
}
