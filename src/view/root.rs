//! Everything at one revision, immutable and cheap to copy.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;

use crate::model::Revision;
use crate::store::{Gap, Origin, Place, TypeKey, split_path};

use super::entry::Entry;
use super::ring::{Change, Expired, Ring};
use super::scope::Scope;

/// What an object costs besides its JSON, in bytes: some 250 for its place in the map and
/// its path, the rest for marks and counters.
pub(super) const ENTRY_OVERHEAD: usize = 300;

/// All objects at one revision.
#[derive(Clone, Debug)]
pub struct Root {
    pub(super) revision: Revision,
    /// The newest revision at which this was all there is, no less than `revision`. What
    /// came and went in between may not be known.
    pub(super) settled: Revision,
    /// How far back it is known that a type without a [`Kind`] held nothing.
    pub(super) floor: Revision,
    pub(super) kinds: HashMap<TypeKey, Arc<Kind>>,
    pub(super) gaps: Arc<[Gap]>,
}

/// The objects of one type.
#[derive(Clone, Debug)]
pub struct Kind {
    pub(super) origins: BTreeMap<Origin, Objects>,
    pub(super) ring: Arc<Ring>,
    pub(super) count: usize,
    pub(super) bytes: usize,
}

/// By `shard/cluster[/namespace]/name`, in the order of the bytes.
pub(super) type Objects = OrdMap<Arc<str>, Arc<Entry>>;

/// The objects of one type at one revision, which stay what they are.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The revision.
    pub revision: Revision,
    origins: BTreeMap<Origin, Objects>,
}

/// What one cluster of one shard holds of one type.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Holding {
    /// The type.
    pub kind: TypeKey,
    /// Where the type comes from.
    pub origin: Origin,
    /// The shard.
    pub shard: String,
    /// The cluster.
    pub cluster: String,
    /// How many objects.
    pub count: usize,
    /// How many bytes they have as JSON.
    pub bytes: usize,
    /// The newest of their revisions.
    pub revision: Revision,
}

impl Root {
    /// The revision up to which everything is here.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// One object.
    pub fn get(&self, kind: &TypeKey, origin: &Origin, path: &str) -> Option<&Arc<Entry>> {
        self.kinds.get(kind)?.origins.get(origin)?.get(path)
    }

    /// The objects of one type as they are now.
    pub fn snapshot(&self, kind: &TypeKey) -> Snapshot {
        let origins = self.kinds.get(kind).map(|kind| kind.origins.clone()).unwrap_or_default();
        Snapshot { revision: self.revision, origins }
    }

    /// The objects of one type as they were at `revision`: as they are now, with the
    /// later changes undone.
    pub fn snapshot_at(&self, kind: &TypeKey, revision: Revision) -> Result<Snapshot, Expired> {
        if revision > self.revision || !self.has_been_at(revision) {
            return Err(Expired);
        }
        let mut snapshot = self.snapshot(kind);
        snapshot.revision = revision;
        match self.kinds.get(kind) {
            Some(kind) => kind
                .ring
                .undo(revision, self.revision, |change| undo(&mut snapshot.origins, change))?,
            None if revision < self.floor => return Err(Expired),
            None => {}
        }
        Ok(snapshot)
    }

    /// Whether this store was ever at `revision`. If not, whoever holds it had it from
    /// what was here before a backup was put back.
    pub(super) fn has_been_at(&self, revision: Revision) -> bool {
        let next = self.gaps.partition_point(|gap| gap.before <= revision);
        let lost = self.gaps.get(next).is_some_and(|gap| gap.after < revision);
        revision <= self.settled && !lost
    }

    /// Whether history leads from `revision` of one type to now.
    pub fn remembers(&self, kind: &TypeKey, revision: Revision) -> bool {
        let floor = self.kinds.get(kind).map_or(self.floor, |kind| kind.ring.floor());
        revision >= floor && self.has_been_at(revision)
    }

    /// The objects of one type, if it has ever held any or can be watched. As long as
    /// nothing changes it is the same allocation.
    pub fn kind(&self, key: &TypeKey) -> Option<&Arc<Kind>> {
        self.kinds.get(key)
    }

    /// What all objects cost, in bytes.
    pub(super) fn cost(&self) -> usize {
        self.kinds.values().map(|kind| kind.bytes + kind.count * ENTRY_OVERHEAD).sum()
    }

    /// Every type that has ever held an object, and its objects.
    pub fn kinds(&self) -> impl Iterator<Item = (&TypeKey, &Kind)> {
        self.kinds.iter().map(|(key, kind)| (key, &**kind))
    }

    /// Where all objects are.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> + '_ {
        self.kinds.iter().flat_map(|(key, kind)| {
            kind.origins.iter().flat_map(move |(origin, objects)| {
                objects.keys().map(move |path| Place {
                    kind: key.clone(),
                    origin: origin.clone(),
                    path: path.clone(),
                })
            })
        })
    }

    /// The shards that have objects, other than definitions. Costs a few comparisons for each
    /// shard and type, however many objects there are.
    pub fn shards(&self) -> BTreeSet<String> {
        let mut shards = BTreeSet::new();
        let all = self.kinds.values().flat_map(|kind| &kind.origins);
        for (_, objects) in all.filter(|(origin, _)| **origin != Origin::Definitions) {
            let mut from: Arc<str> = "".into();
            while let Some((path, _)) =
                objects.range((Bound::Included(from), Bound::Unbounded)).next()
            {
                let (shard, ..) = split_path(path);
                // The first that can stand behind everything below `shard/`.
                from = format!("{shard}0").into();
                shards.insert(shard.to_owned());
            }
        }
        shards
    }

    /// Where the objects of one shard are, other than definitions, and their revisions.
    pub fn of_shard(&self, shard: &str) -> impl Iterator<Item = (Place, Revision)> + '_ {
        let prefix: Arc<str> = format!("{shard}/").into();
        let all = self.kinds.iter().flat_map(|(key, kind)| {
            kind.origins.iter().map(move |(origin, objects)| (key, origin, objects))
        });
        all.filter(|(_, origin, _)| **origin != Origin::Definitions).flat_map(
            move |(key, origin, objects)| {
                let (from, prefix) = (prefix.clone(), prefix.clone());
                objects
                    .range((Bound::Included(from), Bound::Unbounded))
                    .take_while(move |(path, _)| path.starts_with(&*prefix))
                    .map(move |(path, entry)| {
                        let (kind, origin) = (key.clone(), origin.clone());
                        (Place { kind, origin, path: path.clone() }, entry.revision())
                    })
            },
        )
    }

    /// What each cluster of each shard holds of each type, in the order of the keys.
    pub fn holdings(&self) -> Vec<Holding> {
        let mut holdings: Vec<Holding> = Vec::new();
        let sorted: BTreeMap<_, _> = self.kinds.iter().collect();
        for (key, kind) in sorted {
            for (origin, objects) in &kind.origins {
                let first = holdings.len();
                for (path, entry) in objects {
                    let (shard, cluster, ..) = split_path(path);
                    let last = holdings[first..].last_mut();
                    match last.filter(|last| last.shard == shard && last.cluster == cluster) {
                        Some(last) => {
                            last.count += 1;
                            last.bytes += entry.len();
                            last.revision = last.revision.max(entry.revision());
                        }
                        None => holdings.push(Holding {
                            kind: key.clone(),
                            origin: origin.clone(),
                            shard: shard.to_owned(),
                            cluster: cluster.to_owned(),
                            count: 1,
                            bytes: entry.len(),
                            revision: entry.revision(),
                        }),
                    }
                }
            }
        }
        holdings
    }
}

fn undo(origins: &mut BTreeMap<Origin, Objects>, change: &Change) {
    let objects = origins.entry(change.origin.clone()).or_default();
    match &change.old {
        Some(old) => objects.insert(change.path.clone(), old.clone()),
        None => objects.remove(&change.path),
    };
}

impl Kind {
    pub(super) fn new(floor: Revision) -> Self {
        let ring = Arc::new(Ring::new(floor));
        Self { origins: BTreeMap::new(), ring, count: 0, bytes: 0 }
    }

    /// Puts the new side of a change in the place of the old one; answers with what
    /// was there.
    pub(super) fn apply(
        &mut self,
        origin: &Origin,
        path: &Arc<str>,
        new: Option<&Arc<Entry>>,
    ) -> Option<Arc<Entry>> {
        if !self.origins.contains_key(origin) {
            self.origins.insert(origin.clone(), Objects::default());
        }
        let objects = self.origins.get_mut(origin)?;
        let old = match new {
            Some(new) => objects.insert(path.clone(), new.clone()),
            None => objects.remove(path),
        };
        self.count = self.count + usize::from(new.is_some()) - usize::from(old.is_some());
        let size = |entry: Option<&Arc<Entry>>| entry.map_or(0, |entry| entry.len());
        self.bytes = self.bytes + size(new) - size(old.as_ref());
        old
    }

    /// Tells each object that `older`, an earlier state, has not got or has otherwise,
    /// and the path of each that is gone. What both states share is not looked at.
    pub fn changes_since(
        &self,
        older: Option<&Self>,
        mut each: impl FnMut(&Origin, &Arc<str>, Option<&Arc<Entry>>),
    ) {
        let nothing = Objects::default();
        let gone = older.into_iter().flat_map(|it| it.origins.keys());
        let gone = gone.filter(|origin| !self.origins.contains_key(origin));
        for origin in self.origins.keys().chain(gone) {
            let before = older.and_then(|it| it.origins.get(origin)).unwrap_or(&nothing);
            let now = self.origins.get(origin).unwrap_or(&nothing);
            for item in before.diff(now) {
                match item {
                    DiffItem::Add(path, new) | DiffItem::Update { new: (path, new), .. } => {
                        each(origin, path, Some(new));
                    }
                    DiffItem::Remove(path, _) => each(origin, path, None),
                }
            }
        }
    }

    /// How many objects there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many bytes they have as JSON.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Snapshot {
    /// The objects of `scope` that come after `after`, an origin and a path of it, in
    /// the order of the keys: by origin first.
    pub fn list<'a>(
        &'a self,
        scope: &'a Scope,
        after: Option<(&'a Origin, &'a str)>,
    ) -> impl Iterator<Item = (&'a Origin, &'a Arc<str>, &'a Arc<Entry>)> + 'a {
        let prefix: Arc<str> = scope.prefix().into();
        let exact = scope.is_prefix();
        self.origins
            .iter()
            .filter(move |(origin, _)| scope.origin.as_ref().is_none_or(|it| it == *origin))
            .filter(move |(origin, _)| after.is_none_or(|(from, _)| from <= *origin))
            .flat_map(move |(origin, objects)| {
                let start = match after {
                    Some((from, path)) if from == origin && *path >= *prefix => {
                        Bound::Excluded(path.into())
                    }
                    _ => Bound::Included(prefix.clone()),
                };
                let prefix = prefix.clone();
                objects
                    .range((start, Bound::Unbounded))
                    .take_while(move |(path, _)| path.starts_with(&*prefix))
                    .filter(move |(path, _)| exact || scope.contains(origin, path))
                    .map(move |(path, entry)| (origin, path, entry))
            })
    }
}
