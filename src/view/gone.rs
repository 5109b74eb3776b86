//! The names of objects that are gone, and that a client may still believe in.
//!
//! A client that comes back after history was dropped, or with a revision of another
//! life of the store, lists again. What is not in that list is gone. But not every client
//! draws that conclusion: the informers of kcp take note of an object that went while
//! they were away only if an event says so, and the shard that owns the object does not
//! write it again before it has taken note. So the names of what went are kept here, and
//! told to those who list again, after the list.
//!
//! There are two kinds of them. What was deleted longer ago than history reaches is
//! told to those who say that they knew an older state. What was there when the server
//! was stopped and not when it was started, because the store was removed or an older
//! copy was put back, is told to whoever lists anew and does not say what they know.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::model::Revision;
use crate::store::{Origin, Place, TypeKey};

use super::root::Root;
use super::scope::Scope;

/// How many names of deleted objects are kept, over all types; the oldest go first.
/// At some 150 bytes each that is 10 MB.
const DELETED_MAX: usize = 1 << 16;

/// How many revisions are kept, a type, at which somebody listed anew and has not begun
/// a watch yet. Whoever lists at the same time shares one.
const RELISTS_MAX: usize = 64;

/// Where an object was: the origin of its type, and its path.
pub(super) type Name = (Origin, Arc<str>);

/// What a client knew before it listed, as far as it says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Recall {
    /// A state that history does not lead on from.
    Lost,
    /// It does not say.
    Unknown,
}

/// The names of all types.
#[derive(Debug, Default)]
pub(super) struct Gone {
    /// How far the store reached when it was opened.
    opened: Revision,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    kinds: HashMap<TypeKey, Names>,
    /// The deleted ones of all types, oldest first. Some were created again since.
    order: VecDeque<(TypeKey, Name)>,
}

#[derive(Debug, Default)]
struct Names {
    deleted: HashSet<Name>,
    /// And since when that is known, in seconds since 1970.
    missing: BTreeMap<Name, u64>,
    relists: VecDeque<(Revision, Recall)>,
}

impl Gone {
    /// Of these it is known since when they are not there, and that they were. The
    /// store reaches to `opened`.
    pub(super) fn new(opened: Revision, missing: impl IntoIterator<Item = (Place, u64)>) -> Self {
        let mut kinds: HashMap<TypeKey, Names> = HashMap::new();
        for (Place { kind, origin, path }, since) in missing {
            kinds.entry(kind).or_default().missing.insert((origin, path), since);
        }
        Self { opened, inner: Mutex::new(Inner { kinds, order: VecDeque::new() }) }
    }

    /// What is missing, and since when that is known.
    pub(super) fn missing(&self) -> Vec<(Place, u64)> {
        let inner = self.inner.lock();
        let mut missing = Vec::new();
        for (kind, names) in &inner.kinds {
            missing.extend(names.missing.iter().map(|((origin, path), since)| {
                let (origin, path) = (origin.clone(), path.clone());
                (Place { kind: kind.clone(), origin, path }, *since)
            }));
        }
        missing
    }

    /// Notes that history no longer tells that this object was deleted.
    pub(super) fn deleted(&self, kind: &TypeKey, origin: &Origin, path: &Arc<str>) {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let name = (origin.clone(), path.clone());
        if inner.kinds.entry(kind.clone()).or_default().deleted.insert(name.clone()) {
            inner.order.push_back((kind.clone(), name));
        }
        while inner.order.len() > DELETED_MAX {
            let Some((kind, name)) = inner.order.pop_front() else { break };
            if let Some(names) = inner.kinds.get_mut(&kind) {
                names.deleted.remove(&name);
            }
        }
    }

    /// Notes that it is there again: the list has it, or history.
    pub(super) fn created(&self, kind: &TypeKey, origin: &Origin, path: &Arc<str>) {
        if let Some(names) = self.inner.lock().kinds.get_mut(kind) {
            names.missing.remove(&(origin.clone(), path.clone()));
        }
    }

    /// Notes that somebody listed anew at `revision`, and will begin a watch there.
    pub(super) fn relisted(&self, kind: &TypeKey, revision: Revision, recall: Recall) {
        let mut inner = self.inner.lock();
        let Some(names) = inner.kinds.get_mut(kind) else { return };
        let known = names.relists.iter_mut().find(|(at, _)| *at == revision);
        match known {
            Some((_, Recall::Lost)) => {}
            Some((_, known)) => *known = recall,
            None => names.relists.push_back((revision, recall)),
        }
        if names.relists.len() > RELISTS_MAX {
            names.relists.pop_front();
        }
    }

    /// What somebody who begins a watch at `revision` knew before, if that may be more
    /// than what history tells after it.
    pub(super) fn recall_at(&self, kind: &TypeKey, revision: Revision) -> Option<Recall> {
        let inner = self.inner.lock();
        let names = inner.kinds.get(kind)?;
        // They saw nothing of what was lost, but may have written it: kcp looks after an
        // object of its own again when an event names it.
        let from_before = revision <= self.opened && !names.missing.is_empty();
        let relists = &names.relists;
        let relisted = relists.iter().find(|(at, _)| *at == revision).map(|(_, recall)| *recall);
        relisted.or(from_before.then_some(Recall::Unknown))
    }

    /// What of `scope` is gone and may be in the mind of somebody who recalls that much,
    /// in the order of the keys.
    pub(super) fn told(
        &self,
        root: &Root,
        kind: &TypeKey,
        scope: &Scope,
        recall: Recall,
    ) -> Vec<Arc<str>> {
        let inner = self.inner.lock();
        let Some(names) = inner.kinds.get(kind) else { return Vec::new() };
        let deleted = names.deleted.iter().filter(|_| recall == Recall::Lost);
        let mut told: Vec<_> = names
            .missing
            .keys()
            .chain(deleted)
            .filter(|(origin, path)| scope.contains(origin, path))
            .filter(|(origin, path)| root.get(kind, origin, path).is_none())
            .map(|(_, path)| path.clone())
            .collect();
        told.sort_unstable();
        told.dedup();
        told
    }
}
