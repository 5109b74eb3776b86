//! Whether an etcd is still the one that was followed, or an older copy of it was put
//! back, or another one took its place.
//!
//! A revision that went back says so by itself. One that has passed the last revision
//! that was told does not; nor do the numbers of cluster and members, which are made of
//! addresses and remain. But what happened since the copy was made happened otherwise. So
//! before a watch is begun again these are compared with what was told:
//!
//! * the newest changes, with their values;
//! * how many keys there are;
//! * that nothing has changed between the newest change and the last revision that was
//!   told, for which the watch begins there.

use std::collections::VecDeque;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use crate::model::Revision;
use crate::store::Change;

/// How many changes are compared. An older copy lacks the newest, so few will do; they
/// are asked for in one transaction, which may have 128 parts.
const KNOWN_MAX: usize = 32;

/// The longest value, in bytes, that is compared: the watch waits for the answer. Of a
/// longer one the revision must do.
const COMPARED_MAX: usize = 64 << 10;

/// What is known of an etcd.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Life {
    /// The number of its cluster, once it is known.
    pub(super) cluster: Option<u64>,
    /// The newest changes, oldest first, one a key.
    known: VecDeque<Known>,
    /// How many keys there are below the prefix.
    pub(super) count: usize,
    /// Nothing below the prefix has changed after this, up to what was told.
    pub(super) quiet_since: Revision,
}

/// What a change left behind.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Known {
    key: Bytes,
    revision: Revision,
    value: Value,
}

/// The value that a change left behind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Value {
    /// There is none.
    Gone,
    /// Its checksum.
    Sum(u64),
    /// It is not compared.
    Long,
}

/// What is stored under a key: when it was written, and the value.
pub(super) type Found = Option<(Revision, Bytes)>;

impl Life {
    /// What a load found at a revision.
    pub(super) fn loaded(at: Revision, all: &[Change]) -> Self {
        let mut life = Self { quiet_since: at, count: all.len(), ..Self::default() };
        let mut newest: Vec<&Change> = all.iter().collect();
        newest.sort_unstable_by_key(|change| change.revision);
        let older = newest.len().saturating_sub(KNOWN_MAX);
        newest[older..].iter().for_each(|change| life.know(change));
        life
    }

    /// Changes that are told now, in their order, and how many more keys there are.
    pub(super) fn tell(&mut self, changes: &[Change], more: isize) {
        self.count = self.count.saturating_add_signed(more);
        let older = changes.len().saturating_sub(KNOWN_MAX);
        changes[older..].iter().for_each(|change| self.know(change));
        if let Some(last) = changes.last() {
            self.quiet_since = last.revision;
        }
    }

    fn know(&mut self, change: &Change) {
        self.known.retain(|known| known.key != change.key);
        if self.known.len() == KNOWN_MAX {
            self.known.pop_front();
        }
        let value = match &change.value {
            None => Value::Gone,
            Some(value) if value.len() > COMPARED_MAX => Value::Long,
            Some(value) => Value::Sum(xxh3_64(value)),
        };
        self.known.push_back(Known { key: change.key.clone(), revision: change.revision, value });
    }

    /// The keys to look at, and whether at their values too.
    pub(super) fn keys(&self) -> Vec<(Bytes, bool)> {
        let values = |known: &Known| known.value != Value::Long;
        self.known.iter().map(|known| (known.key.clone(), values(known))).collect()
    }

    /// Whether what is found under these keys is what was told, and nothing else is there.
    pub(super) fn is_same(&self, found: &[Found], count: usize) -> bool {
        let same = |(known, found): (&Known, &Found)| match (known.value, found) {
            (Value::Gone, None) => true,
            (Value::Sum(sum), Some((revision, found))) => {
                known.revision == *revision && sum == xxh3_64(found)
            }
            (Value::Long, Some((revision, _))) => known.revision == *revision,
            _ => false,
        };
        count == self.count
            && found.len() == self.known.len()
            && self.known.iter().zip(found).all(same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(revision: u64, key: &str, value: Option<&str>) -> Change {
        Change {
            revision: Revision(revision),
            key: Bytes::copy_from_slice(key.as_bytes()),
            value: value.map(|it| Bytes::copy_from_slice(it.as_bytes())),
            previous: None,
            at_millis: 0,
        }
    }

    fn at(revision: u64, value: &str) -> (Revision, Bytes) {
        (Revision(revision), Bytes::copy_from_slice(value.as_bytes()))
    }

    fn names(life: &Life) -> Vec<Bytes> {
        life.keys().into_iter().map(|(key, _)| key).collect()
    }

    fn life() -> Life {
        let all = [change(7, "b", Some("B")), change(3, "a", Some("A"))];
        let mut life = Life::loaded(Revision(9), &all);
        life.tell(&[change(11, "a", Some("AA")), change(12, "c", Some("C"))], 1);
        life.tell(&[change(13, "b", None)], -1);
        life
    }

    #[test]
    fn the_same_is_the_same() {
        let life = life();
        assert_eq!(names(&life), ["a", "c", "b"]);
        assert_eq!((life.count, life.quiet_since), (2, Revision(13)));
        assert!(life.is_same(&[Some(at(11, "AA")), Some(at(12, "C")), None], 2));
    }

    #[test]
    fn whatever_is_otherwise_is_noticed() {
        let life = life();
        for (found, count) in [
            ([Some(at(11, "AA")), Some(at(12, "C")), None], 3),
            ([Some(at(11, "AA")), Some(at(12, "C")), Some(at(7, "B"))], 2),
            ([Some(at(11, "AA")), None, None], 2),
            ([Some(at(11, "AA")), Some(at(13, "C")), None], 2),
            ([Some(at(11, "A")), Some(at(12, "C")), None], 2),
        ] {
            assert!(!life.is_same(&found, count), "{found:?} {count}");
        }
        assert!(!life.is_same(&[], 2));
    }

    #[test]
    fn of_a_long_value_only_the_revision_is_compared() {
        let long = "x".repeat(COMPARED_MAX + 1);
        let life = Life::loaded(Revision(5), &[change(5, "long", Some(&long))]);
        assert_eq!(life.keys(), [(Bytes::from_static(b"long"), false)]);
        assert!(life.is_same(&[Some(at(5, ""))], 1));
        assert!(!life.is_same(&[Some(at(4, ""))], 1));
        assert!(!life.is_same(&[None], 1));
    }

    #[test]
    fn only_the_newest_are_kept() {
        let all: Vec<String> = (0..100).map(|it| format!("k{it:02}")).collect();
        let changes: Vec<Change> = (0..100_u64)
            .zip(&all)
            .map(|(revision, name)| change(revision + 1, name, Some("v")))
            .collect();
        let loaded = Life::loaded(Revision(100), &changes);
        assert_eq!(names(&loaded), all[100 - KNOWN_MAX..]);
        let mut told = Life::loaded(Revision::ZERO, &[]);
        told.tell(&changes, 100);
        assert_eq!(told, loaded);
    }
}
