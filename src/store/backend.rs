//! What every store promises, and the values that go in and out of it.
//!
//! Nothing here does anything: an implementation has a folder of its own.
//!
//! There are two ways in which a view hears of changes. A store that is its own knows
//! of none but those that it just committed, so what `commit` answers is published. A
//! store that is *shared* has other writers: there `commit` only decides, and `follow`
//! tells every change, one's own among them, once and in order.

use std::future::Future;

use bytes::Bytes;
use futures::Stream;

use super::{Error, TypeKey};
use crate::model::Revision;

/// One numbered change, as it was remembered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// Its place in the order of all changes.
    pub revision: Revision,
    /// What was changed.
    pub key: Bytes,
    /// The new value; none if the key was deleted.
    pub value: Option<Bytes>,
    /// The revision that it replaced; none if there was no value. That change
    /// itself may be forgotten.
    pub previous: Option<Revision>,
    /// When it was written, in milliseconds since 1970.
    pub at_millis: u64,
}

/// One write that a batch carries.
#[derive(Clone, Debug)]
pub struct Write {
    /// What to change.
    pub key: Bytes,
    /// The new value; none deletes the key.
    pub value: Option<Bytes>,
    /// What the writer believes is stored.
    pub expect: Expect,
}

/// What a writer believes is stored before its write.
///
/// Create, update and delete are one operation that differs only in this, so a
/// create that overwrites cannot be written by accident.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expect {
    /// Nothing is stored: the write is a create.
    Absent,
    /// This revision is stored: the write is an update or a delete.
    At(Revision),
}

/// What was stored instead of what a [`Write`] expected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Conflict {
    /// The revision that is stored; none if nothing is.
    pub stored: Option<Revision>,
}

/// How far the memory reaches, after everything was read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Loaded {
    /// The newest revision that was ever given out.
    pub revision: Revision,
    /// Changes up to here may have been forgotten, of every type.
    pub floor: Revision,
    /// Types of which later changes than `floor` were forgotten, and up to where.
    pub floors: Vec<(TypeKey, Revision)>,
    /// Revisions that were never given out and never will be, in order.
    pub gaps: Vec<Gap>,
}

/// What [`Backend::follow`] tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum News {
    /// Changes in their order. Those of one revision are never apart.
    Changes(Vec<Change>),
    /// Every change up to here was told.
    Reached(Revision),
    /// What was told leads to what is there at this revision. Something that came and went
    /// in between may still be told.
    Settled(Revision),
    /// What comes next was forgotten, or never was: everything must be read anew. Nothing
    /// else follows.
    Lost,
}

/// Revisions between two lives of a store, both ends excluded.
///
/// A client that holds one of them had it from a copy of the store that went on
/// elsewhere: from what was written before a backup was put back. What it knows is not
/// what is stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Gap {
    /// The last revision of a life.
    pub after: Revision,
    /// The first revision of the next one.
    pub before: Revision,
}

/// Changes that nobody can ask for any longer.
#[derive(Clone, Debug, Default)]
pub struct Forget {
    /// The changes that fell out of history.
    pub changes: Vec<Forgotten>,
    /// How far the history of each of their types now reaches back.
    pub floors: Vec<(TypeKey, Revision)>,
}

/// A change that fell out of history. What it replaced need not be remembered,
/// and neither need the change itself if it deleted its key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Forgotten {
    /// The change.
    pub revision: Revision,
    /// What it replaced.
    pub previous: Option<Revision>,
    /// Whether it deleted its key.
    pub tombstone: bool,
}

/// A durable memory of numbered changes.
///
/// Every implementation keeps these promises:
///
/// * Changes are ordered: each has a [`Revision`] greater than every one before
///   it. Not the next one: etcd also counts writers that are not ours.
/// * What `commit` answered survives a power cut. A batch that failed may still
///   turn out to be stored, whole or in part, never twice.
/// * `load` and then `follow` give every change that is still remembered once and
///   in order; none above the floor is skipped.
/// * Revisions never go back, and none is given out twice, not even in a new life of
///   the same store or after an older copy of it was put back. (A shared store that was
///   put back by others breaks this. It is noticed, and told as [`News::Lost`].)
pub trait Backend: Send + Sync + 'static {
    /// Whether others write here too, so that `follow` tells all that `commit` did.
    fn is_shared(&self) -> bool {
        false
    }

    /// Reads every change that is still remembered, oldest first, into `each`. A shared
    /// store gives what was there at the floor, in any order; the rest is told by
    /// `follow`.
    fn load(
        &self,
        each: &mut (dyn FnMut(Change) + Send),
    ) -> impl Future<Output = Result<Loaded, Error>> + Send;

    /// Writes a batch in its order. Each write succeeds or fails by its own
    /// expectation, and each that succeeds has a revision of its own.
    ///
    /// A store of one's own is called by one committer, which awaits each call before
    /// the next; a shared one by many at once, with at most one write to a key.
    fn commit(
        &self,
        batch: Vec<Write>,
    ) -> impl Future<Output = Result<Vec<Result<Revision, Conflict>>, Error>> + Send;

    /// Streams the changes after `after` of a shared store; silent for ever if this is
    /// none. It takes care of its own failures.
    fn follow(&self, after: Revision) -> impl Stream<Item = News> + Send {
        let _ = after;
        futures::stream::pending()
    }

    /// Reads what a shared store holds now, without history, after [`News::Lost`].
    fn reload(
        &self,
        each: &mut (dyn FnMut(Change) + Send),
    ) -> impl Future<Output = Result<Loaded, Error>> + Send {
        self.load(each)
    }

    /// The newest revision of a shared store, asked of it now: whatever was answered
    /// before, by anybody, is not later.
    fn newest(&self) -> impl Future<Output = Result<Revision, Error>> + Send {
        async { Ok(Revision::ZERO) }
    }

    /// Makes `follow` tell how far it has come, also where nothing has changed.
    fn hurry(&self) {}

    /// Gives back the space of changes that nobody can ask for any longer.
    ///
    /// Need not be durable: what is forgotten twice is forgotten.
    fn forget(&self, forget: Forget) -> impl Future<Output = Result<(), Error>> + Send;
}
