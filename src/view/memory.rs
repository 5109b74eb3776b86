//! Whether there is room for one more object. Pure: sizes in, a verdict out.
//!
//! What counts is what objects cost as this process accounts for them, plus the most that
//! history may cost. That is the same for the same objects on every machine, falls as
//! soon as something is deleted, and is known before a write is made. The size of the
//! process is neither: an allocator keeps what was freed, and connections come and go.

use super::root::ENTRY_OVERHEAD;

/// There is room again when this much of the limit is free, in parts of it: a log that
/// told each single object more or less would be of no use.
const ROOM_PART: usize = 20;

/// What objects cost, and what they may.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    limit: Option<usize>,
    used: usize,
    /// Whether it was said that there is no room.
    full: bool,
}

/// Something to tell the operator.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Crossing {
    /// A write was refused, and the last ones were not.
    Full,
    /// There is room again.
    Room,
}

impl Memory {
    /// `objects` is what is there, `history` the most that history may cost.
    pub(super) fn new(limit: Option<usize>, history: usize, objects: usize) -> Self {
        Self { limit, used: history.saturating_add(objects), full: false }
    }

    pub(super) fn used(&self) -> usize {
        self.used
    }

    pub(super) fn limit(&self) -> Option<usize> {
        self.limit
    }

    /// Puts an object of `new` bytes in the place of one of `old` bytes, if there is room
    /// or it takes no more than before; whether it did.
    pub(super) fn replace(&mut self, old: Option<usize>, new: Option<usize>) -> bool {
        let mut then = *self;
        then.replaced(old, new);
        let fits = then.used <= self.used || self.limit.is_none_or(|limit| then.used <= limit);
        if fits {
            *self = then;
        }
        fits
    }

    /// Accounts for a change that was made.
    pub(super) fn replaced(&mut self, old: Option<usize>, new: Option<usize>) {
        let cost = |size: Option<usize>| size.map_or(0, |size| size + ENTRY_OVERHEAD);
        self.used = self.used.saturating_add(cost(new)).saturating_sub(cost(old));
    }

    /// Notes that a write was refused.
    pub(super) fn refused(&mut self) -> Option<Crossing> {
        (!std::mem::replace(&mut self.full, true)).then_some(Crossing::Full)
    }

    /// Notes that writes were made.
    pub(super) fn settle(&mut self) -> Option<Crossing> {
        let room = self.limit.is_none_or(|limit| self.used <= limit - limit / ROOM_PART);
        (room && std::mem::replace(&mut self.full, false)).then_some(Crossing::Room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 1000;
    const COST: usize = SIZE + ENTRY_OVERHEAD;

    #[test]
    fn what_grows_is_refused_at_the_limit_and_what_shrinks_is_not() {
        let mut memory = Memory::new(Some(10 * COST), COST, 8 * COST);
        assert!(memory.replace(None, Some(SIZE)), "the last one fits");
        assert_eq!(memory.used(), 10 * COST);
        assert!(!memory.replace(None, Some(1)));
        assert!(!memory.replace(Some(SIZE), Some(SIZE + 1)));
        assert_eq!(memory.used(), 10 * COST, "a refusal changes nothing");
        assert!(memory.replace(Some(SIZE), Some(SIZE)));
        assert!(memory.replace(Some(SIZE), Some(SIZE - 1)));
        assert!(memory.replace(Some(SIZE - 1), None));
        assert!(memory.replace(None, Some(SIZE)), "there is room again at once");
    }

    #[test]
    fn over_the_limit_what_shrinks_goes_on() {
        let mut memory = Memory::new(Some(COST), 0, 5 * COST);
        assert!(memory.replace(Some(SIZE), Some(SIZE - 1)));
        assert!(memory.replace(Some(SIZE), None));
        assert!(!memory.replace(None, Some(SIZE)));
    }

    #[test]
    fn without_a_limit_everything_fits() {
        let mut memory = Memory::new(None, usize::MAX, 1);
        assert!(memory.replace(None, Some(usize::MAX / 2)));
    }

    #[test]
    fn a_crossing_is_told_once_and_again_after_there_was_room() {
        let mut memory = Memory::new(Some(100 * COST), 0, 100 * COST);
        assert_eq!(memory.refused(), Some(Crossing::Full));
        assert_eq!(memory.refused(), None);
        for _ in 0..4 {
            memory.replaced(Some(SIZE), None);
            assert_eq!(memory.settle(), None, "one more or less is not told");
        }
        memory.replaced(Some(SIZE), None);
        assert_eq!(memory.settle(), Some(Crossing::Room));
        assert_eq!(memory.settle(), None);
        assert_eq!(memory.refused(), Some(Crossing::Full));
    }
}
