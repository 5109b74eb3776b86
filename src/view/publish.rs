//! Publishing: the one place where rings and root change.
//!
//! First the rings, then the root, then those who wait.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::model::Revision;
use crate::store::{Forget, Forgotten, Keyspace, Line, NameLog, Place, TypeKey};

use super::entry::Entry;
use super::gone::Gone;
use super::memory::{Crossing, Memory};
use super::open::{Options, Stats};
use super::ring::Change;
use super::root::{Kind, Root};

/// What one thread or task at a time changes: everything that anybody reads.
pub(super) struct Publisher {
    pub(super) root: Arc<ArcSwap<Root>>,
    /// Tells those who wait to which revision the root has settled.
    pub(super) reached: watch::Sender<Revision>,
    /// Tells how often everything was replaced.
    pub(super) replaced: watch::Sender<u64>,
    pub(super) keys: Keyspace,
    pub(super) options: Options,
    pub(super) stats: Arc<Stats>,
    pub(super) gone: Arc<Gone>,
    pub(super) names: Option<NameLog>,
    /// What history costs now, over all types.
    pub(super) history_bytes: usize,
    /// What objects cost now, and may.
    pub(super) memory: Arc<Mutex<Memory>>,
    /// The floor of a type that has never held an object.
    pub(super) floor: Revision,
}

/// A change that is to be published.
pub(super) struct News {
    pub(super) place: Place,
    pub(super) revision: Revision,
    /// The object after; none if it is gone.
    pub(super) new: Option<Arc<Entry>>,
}

impl Publisher {
    /// Sees to it that a type can be watched.
    pub(super) fn add_kind(&self, key: TypeKey) {
        let root = self.root.load_full();
        if root.kinds.contains_key(&key) {
            return;
        }
        let mut root = Root::clone(&root);
        root.kinds.insert(key, Arc::new(Kind::new(self.floor)));
        self.root.store(Arc::new(root));
    }

    /// Publishes changes, in the order of their revisions, and that everything up to
    /// `reached` is there; answers with what they replaced.
    pub(super) fn publish(
        &mut self,
        news: impl IntoIterator<Item = News>,
        reached: Revision,
    ) -> Vec<Option<Arc<Entry>>> {
        let at_millis = (self.options.clock)();
        let mut root = Root::clone(&self.root.load());
        let mut replaced = Vec::new();
        let mut changes: HashMap<TypeKey, Vec<Arc<Change>>> = HashMap::new();
        for News { place, revision, new } in news {
            let floor = self.floor;
            let kind =
                root.kinds.entry(place.kind.clone()).or_insert_with(|| Arc::new(Kind::new(floor)));
            let old = Arc::make_mut(kind).apply(&place.origin, &place.path, new.as_ref());
            replaced.push(old.clone());
            if old.is_none() && new.is_none() {
                continue;
            }
            let (was, is) = (old.as_deref().map(Entry::len), new.as_deref().map(Entry::len));
            self.memory.lock().replaced(was, is);
            self.note(&place, old.is_some(), new.is_some());
            let change =
                Change { revision, origin: place.origin, path: place.path, old, new, at_millis };
            self.history_bytes += change.cost();
            changes.entry(place.kind).or_default().push(Arc::new(change));
        }
        root.revision = root.revision.max(reached);
        root.settled = root.settled.max(root.revision);
        self.tell_memory();
        let mut rings = Vec::with_capacity(changes.len());
        for (kind, changes) in changes {
            let Some(kind) = root.kinds.get(&kind) else { continue };
            kind.ring.append(changes.iter().cloned());
            rings.push((kind.ring.clone(), changes));
        }
        let settled = root.settled;
        self.root.store(Arc::new(root));
        self.reached.send_replace(settled);
        for (ring, changes) in rings {
            ring.wakers.wake(changes.iter().map(|change| &*change.path));
        }
        replaced
    }

    /// Publishes that what is here is what there is at `revision`, for those who read. Who
    /// watches learns nothing of it: changes before that may still come.
    pub(super) fn settle(&self, revision: Revision) {
        let mut root = Root::clone(&self.root.load());
        root.settled = root.settled.max(revision);
        let settled = root.settled;
        self.root.store(Arc::new(root));
        self.reached.send_replace(settled);
    }

    /// Puts another state in place of everything, to which no changes lead: every watch
    /// and every page from before has expired.
    pub(super) fn replace(&mut self, mut root: Root) {
        let old = self.root.load_full();
        for key in old.kinds.keys() {
            let new = || Arc::new(Kind::new(root.floor));
            root.kinds.entry(key.clone()).or_insert_with(new);
        }
        for place in old.places() {
            if root.get(&place.kind, &place.origin, &place.path).is_none() {
                self.gone.deleted(&place.kind, &place.origin, &place.path);
            }
        }
        self.floor = root.floor;
        self.history_bytes = 0;
        self.stats.set_history_bytes(0);
        let memory =
            Memory::new(self.options.memory_limit, self.options.history_bytes, root.cost());
        *self.memory.lock() = memory;
        self.tell_memory();
        // Before the new root is seen: nobody may take its revision for that of an old ring.
        for kind in old.kinds.values() {
            kind.ring.expire();
        }
        let settled = root.settled;
        self.root.store(Arc::new(root));
        self.reached.send_replace(settled);
        self.replaced.send_modify(|times| *times += 1);
    }

    fn tell_memory(&self) {
        let mut memory = self.memory.lock();
        self.stats.set_memory_used(memory.used());
        if memory.settle() == Some(Crossing::Room) {
            let (used, limit) = (memory.used(), memory.limit());
            tracing::info!(used, limit, "there is memory again for writes that grow the store");
        }
    }

    /// Notes that there is another name. Of one less, [`Self::names_deleted`] knew before.
    fn note(&mut self, place: &Place, was: bool, is: bool) {
        if was || !is {
            return;
        }
        self.gone.created(&place.kind, &place.origin, &place.path);
        if self.names.is_some() {
            self.names_created(&[self.keys.key(place)]);
        }
    }

    /// Notes names that are there. This comes after the write: if the process ends in
    /// between, the next start finds the object in the store.
    pub(super) fn names_created(&mut self, keys: &[Bytes]) {
        if let Some(names) = &mut self.names {
            for key in keys {
                names.created(key);
            }
        }
    }

    /// Writes that names will not be there any longer. This comes before the write: a name
    /// without an object stands for one that the store has lost.
    pub(super) fn names_deleted(&mut self, keys: &[Bytes]) {
        if keys.is_empty() {
            return;
        }
        if let Some(names) = &mut self.names {
            for key in keys {
                names.deleted(key);
            }
            // Never written anew here: what is published still has them.
            names.flush();
        }
    }

    /// Writes the names that were noted; all of them if it is time for that.
    pub(super) fn flush_names(&mut self) {
        if let Some(names) = &mut self.names
            && names.flush()
        {
            let missing = self.gone.missing();
            write_names(names, &self.root.load(), &self.keys, &missing);
        }
    }

    /// Drops what is too old or too much; answers with what nobody can ask for any longer,
    /// if there is anything.
    pub(super) fn trim(&mut self) -> Option<Forget> {
        let root = self.root.load_full();
        let oldest_kept = (self.options.clock)().saturating_sub(self.options.history_millis);
        let mut forget = Forget::default();
        let mut floors: HashMap<&TypeKey, Revision> = HashMap::new();
        loop {
            let oldest = root
                .kinds
                .iter()
                .filter_map(|(key, kind)| Some((kind.ring.oldest()?, key, kind)))
                .min_by_key(|(change, ..)| change.revision);
            let Some((change, key, kind)) = oldest else { break };
            let too_much = self.history_bytes > self.options.history_bytes;
            if !too_much && change.at_millis >= oldest_kept {
                break;
            }
            if too_much && change.at_millis >= oldest_kept {
                self.stats.cut_short();
            }
            kind.ring.drop_oldest();
            if change.new.is_none() {
                self.gone.deleted(key, &change.origin, &change.path);
            }
            self.history_bytes -= change.cost();
            forget.changes.push(Forgotten {
                revision: change.revision,
                previous: change.old.as_ref().map(|old| old.revision()),
                tombstone: change.new.is_none(),
            });
            floors.insert(key, change.revision);
        }
        self.stats.set_history_bytes(self.history_bytes);
        if forget.changes.is_empty() {
            return None;
        }
        forget.floors = floors.into_iter().map(|(key, floor)| (key.clone(), floor)).collect();
        Some(forget)
    }
}

/// Writes the names of everything that is there, and of what is missing since when.
pub(super) fn write_names(
    names: &mut NameLog,
    root: &Root,
    keys: &Keyspace,
    missing: &[(Place, u64)],
) {
    let text = |place: &Place| String::from_utf8_lossy(&keys.key(place)).into_owned();
    let there = root.places().map(|place| Line::Created(text(&place)));
    let missing = missing.iter().map(|(place, since)| Line::Missing(*since, text(place)));
    names.write(there.chain(missing));
}
