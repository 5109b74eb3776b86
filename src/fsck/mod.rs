//! What is wrong with what a store holds. Pure: keys, values and revisions in, findings out.
//!
//! A cache is read through paths of shards and clusters. What lies under a key that no path
//! leads to is never read, updated or deleted by anybody, and still appears in lists of
//! everything; what cannot be read as an object fails or is left out wherever it appears.
//! Servers and clients of several makes and ages write into one store, so both happen.
//!
//! * `key` tells keys that no request leads to from those that are merely unknown.
//! * `scan` goes over all pairs once, then compares them with each other.
//!
//! # What is safe to delete
//!
//! A finding is *removable* if no server and no shard misses what it names: a key of a known
//! type that no request leads to, a value that no server can read, and what a shard left
//! that is gone. Everything else is somebody's to decide: an object under another name, one
//! on two shards (as when a cluster moves from one to the other), a value that another server may
//! be able to read, a key that may not even be a cache's.
//!
//! # What is absent on purpose
//!
//! No reading and no deleting, and no clock.

mod key;
mod scan;

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::model::Revision;

pub use key::reachable;
pub use scan::Scan;

/// What is wrong. Scripts depend on the names.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Code {
    /// A key of a known type that no request leads to: its cluster is a path of
    /// workspaces, or a segment is missing.
    PoisonedKey,
    /// A key that is none of a cache.
    StrangeKey,
    /// A value that is no object.
    UnreadableValue,
    /// A value in a form that another server may be able to read.
    EncodedValue,
    /// The object says another name or namespace than its key.
    NameMismatch,
    /// The same object of one cluster lies on several shards.
    TwoShards,
    /// The object lies on a shard that is not registered any longer.
    OrphanedShard,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::PoisonedKey,
        Self::StrangeKey,
        Self::UnreadableValue,
        Self::EncodedValue,
        Self::NameMismatch,
        Self::TwoShards,
        Self::OrphanedShard,
    ];

    /// The name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PoisonedKey => "PoisonedKey",
            Self::StrangeKey => "StrangeKey",
            Self::UnreadableValue => "UnreadableValue",
            Self::EncodedValue => "EncodedValue",
            Self::NameMismatch => "NameMismatch",
            Self::TwoShards => "TwoShards",
            Self::OrphanedShard => "OrphanedShard",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is wrong with one key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// What.
    pub code: Code,
    /// The stored key.
    pub key: Bytes,
    /// The revision of the pair.
    pub revision: Revision,
    /// The particulars, as a clause.
    pub detail: String,
    /// Whether nobody misses it.
    pub removable: bool,
}

/// A shard that looks gone, but of which something changed of late.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Young {
    /// Its name.
    pub shard: String,
    /// How many objects it has.
    pub objects: usize,
    /// How long ago something of it changed.
    pub age: Duration,
}

/// Everything that was found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// How many pairs there are.
    pub pairs: usize,
    /// What is wrong, in the order of the codes, then of the keys.
    pub findings: Vec<Finding>,
    /// Shards about which it is too early to tell.
    pub young: Vec<Young>,
    /// Whether shards could not be judged, since no `Shard` object is there at all.
    pub unjudged: bool,
}
