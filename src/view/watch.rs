//! A watch: a position in a ring, and what to make of the changes after it.
//!
//! Nothing is queued for a watcher. It reads the changes after its revision when it
//! has time for them; one that is so late that the ring has moved on has expired.

use std::sync::Arc;

use crate::model::Revision;
use arc_swap::ArcSwap;

use super::entry::Entry;
use super::ring::{Change, Expired, Ring};
use super::root::Root;
use super::scope::Filter;
use super::wake::Member;

/// A watcher's position.
#[derive(Debug)]
pub struct Cursor {
    root: Arc<ArcSwap<Root>>,
    ring: Arc<Ring>,
    filter: Filter,
    after: Revision,
    member: Member,
}

/// What a change is to one watcher.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The object is new, or matches from now on.
    Added(&'a Entry),
    /// The object is another.
    Modified(&'a Entry),
    /// The object is gone, or matches no longer. This is how it was; the revision is
    /// that of the change.
    Deleted(&'a Entry, Revision),
}

/// What [`Cursor::take`] found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// There may be more right now.
    More,
    /// Everything up to this revision was taken.
    CaughtUp(Revision),
}

impl Cursor {
    pub(super) fn new(
        root: Arc<ArcSwap<Root>>,
        ring: Arc<Ring>,
        filter: Filter,
        after: Revision,
    ) -> Result<Self, Expired> {
        // Joined before the first look, so that nothing is published in between unseen.
        let member = ring.wakers.join(&filter.scope, ring.floor());
        if !root.load().has_been_at(after) || after < ring.floor() {
            return Err(Expired);
        }
        Ok(Self { root, ring, filter, after, member })
    }

    /// What must match.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Takes at most `max` changes of the scope into `found`.
    pub fn take(&mut self, max: usize, found: &mut Vec<Arc<Change>>) -> Result<Progress, Expired> {
        // A watch may begin where the store had settled, before what led there was told.
        let bound = self.root.load().revision.max(self.after);
        let scope = &self.filter.scope;
        let wanted = |change: &Change| scope.contains(&change.origin, &change.path);
        let upto = self.ring.read(self.after, bound, max, wanted, found);
        // Asked after the changes were read: what was dropped before is noted by now.
        if self.member.dropped() > self.after {
            return Err(Expired);
        }
        self.after = upto;
        Ok(if upto < bound { Progress::More } else { Progress::CaughtUp(bound) })
    }

    /// Waits until something was published that can concern this watcher.
    pub async fn published(&mut self) {
        self.member.woken().await;
    }
}

impl Filter {
    /// What `change`, which is in the scope, is to a watcher; none if it is nothing.
    pub fn event<'a>(&self, change: &'a Change) -> Option<Event<'a>> {
        let select = |entry: &&Arc<Entry>| self.selects(&change.path, entry);
        let old = change.old.as_ref().filter(select);
        let new = change.new.as_ref().filter(select);
        match (old, new) {
            (None, None) => None,
            (None, Some(new)) => Some(Event::Added(new)),
            (Some(_), Some(new)) => Some(Event::Modified(new)),
            (Some(old), None) => Some(Event::Deleted(old, change.revision)),
        }
    }
}
