//! Whether a history of one key is linearizable: whether there is an order of its
//! operations, each at one moment between its question and its answer, in which a plain
//! variable gives the same answers.
//!
//! The search of Wing and Gong: try each operation that may be next, go back where none
//! fits, and remember where one has been. A write of which nobody knows whether it was
//! made may be next at any time after it was asked for, or never. Revisions grow with
//! every write, which the order must show too.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use super::history::{Action, Operation, Outcome};

/// How many operations an excerpt shows before the one that does not fit.
const EXCERPT: usize = 12;

/// What the variable holds.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct State {
    /// The value, by its number; none if nothing is there.
    value: Option<usize>,
    /// Its revision, as far as it is known.
    revision: Option<u64>,
    /// The newest revision that is known.
    newest: u64,
}

/// One step of the search: what is there, and what may be next.
struct Node {
    state: State,
    /// What was there before a write of which nobody knows whether it was made. It was
    /// taken in vain if what is next does not need it.
    before: Option<State>,
    candidates: Vec<usize>,
    tried: usize,
}

/// Says, as an excerpt of the history, why it is not linearizable.
pub fn check(history: &[Operation]) -> Result<(), String> {
    let mut history: Vec<&Operation> = history.iter().filter(|it| counts(it)).collect();
    history.sort_by_key(|it| it.asked);
    let mut search = Search::new(&history);
    if search.succeeds() {
        return Ok(());
    }
    let (order, state) = search.deepest;
    let mut excerpt = String::from("these fit:\n");
    for &it in &order[order.len().saturating_sub(EXCERPT)..] {
        let _ = writeln!(excerpt, "  {}", history[it]);
    }
    let there = match (state.value, state.revision) {
        (None, _) => "nothing is there".to_owned(),
        (Some(value), None) => format!("{} is there", search.names[value]),
        (Some(value), Some(at)) => format!("{} is there, at {at}", search.names[value]),
    };
    let _ = writeln!(excerpt, "then {there}, and none of these can be next:");
    let taken: HashSet<usize> = order.into_iter().collect();
    let limit = end_of_next(&history, |it| taken.contains(&it));
    let left = (0..history.len()).filter(|it| !taken.contains(it) && history[*it].asked <= limit);
    for it in left {
        let _ = writeln!(excerpt, "  {}", history[it]);
    }
    Err(excerpt)
}

/// Whether it says anything about the key.
fn counts(operation: &Operation) -> bool {
    match operation.outcome {
        Outcome::Failed => false,
        Outcome::Maybe => !matches!(operation.action, Action::Read),
        _ => true,
    }
}

fn is_maybe(operation: &Operation) -> bool {
    matches!(operation.outcome, Outcome::Maybe)
}

/// When the first of those was answered that are not taken: nothing that was asked for
/// later can come before it.
fn end_of_next(history: &[&Operation], taken: impl Fn(usize) -> bool) -> u64 {
    let left = (0..history.len()).filter(|it| !taken(*it) && !is_maybe(history[*it]));
    left.map(|it| history[it].answered).min().unwrap_or(u64::MAX)
}

struct Search<'a> {
    history: &'a [&'a Operation],
    /// The values, and their numbers.
    names: Vec<&'a str>,
    numbers: HashMap<&'a str, usize>,
    /// Which operations have their place.
    taken: Vec<bool>,
    /// All before it have theirs.
    first: usize,
    /// The number of those that must have a place and have none.
    left: usize,
    order: Vec<usize>,
    deepest: (Vec<usize>, State),
}

impl<'a> Search<'a> {
    fn new(history: &'a [&'a Operation]) -> Self {
        let mut names = Vec::new();
        let mut numbers = HashMap::new();
        let found = |it: &'a Operation| match &it.outcome {
            Outcome::Found(stored) => Some(&*stored.value),
            _ => it.value(),
        };
        for value in history.iter().filter_map(|&it| found(it)) {
            numbers.entry(value).or_insert_with(|| {
                names.push(value);
                names.len() - 1
            });
        }
        Self {
            history,
            names,
            numbers,
            taken: vec![false; history.len()],
            first: 0,
            left: history.iter().filter(|it| !is_maybe(it)).count(),
            order: Vec::new(),
            deepest: (Vec::new(), START),
        }
    }

    fn succeeds(&mut self) -> bool {
        let mut been: HashSet<(u128, State)> = HashSet::new();
        let mut place = 0_u128;
        let mut path = vec![self.node(START, None)];
        loop {
            if self.left == 0 {
                return true;
            }
            let Some(node) = path.last_mut() else { return false };
            if let Some(&next) = node.candidates.get(node.tried) {
                node.tried += 1;
                let Some(state) = self.step(node.state, next) else { continue };
                if node.before.is_some_and(|before| self.step(before, next) == Some(state)) {
                    continue;
                }
                let before = is_maybe(self.history[next]).then_some(node.state);
                let there = place ^ mark(next);
                if !been.insert((there, state)) {
                    continue;
                }
                place = there;
                self.take(next, state);
                path.push(self.node(state, before));
            } else {
                path.pop();
                if let Some(last) = self.order.pop() {
                    place ^= mark(last);
                    self.give_back(last);
                }
            }
        }
    }

    fn take(&mut self, next: usize, state: State) {
        self.taken[next] = true;
        self.left -= usize::from(!is_maybe(self.history[next]));
        self.order.push(next);
        while self.taken.get(self.first) == Some(&true) {
            self.first += 1;
        }
        if self.order.len() > self.deepest.0.len() {
            self.deepest = (self.order.clone(), state);
        }
    }

    fn give_back(&mut self, last: usize) {
        self.taken[last] = false;
        self.left += usize::from(!is_maybe(self.history[last]));
        self.first = self.first.min(last);
    }

    /// What may be next, the likeliest first: what is known to have been made, in the
    /// order of its revisions, and what may have been made last.
    fn node(&self, state: State, before: Option<State>) -> Node {
        let mut limit = u64::MAX;
        let mut candidates = Vec::new();
        for it in self.first..self.history.len() {
            let operation = self.history[it];
            if operation.asked > limit {
                break;
            }
            if !self.taken[it] {
                if !is_maybe(operation) {
                    limit = limit.min(operation.answered);
                }
                candidates.push(it);
            }
        }
        candidates.retain(|it| self.history[*it].asked <= limit);
        candidates.sort_by_key(|it| match &self.history[*it].outcome {
            Outcome::Found(stored) => (0, stored.revision),
            Outcome::Missing | Outcome::Conflict => (0, u64::MAX),
            Outcome::Made(revision) => (1, *revision),
            Outcome::Deleted => (2, 0),
            Outcome::Failed | Outcome::Maybe => (3, self.history[*it].asked),
        });
        Node { state, before, candidates, tried: 0 }
    }

    /// The variable after an operation, if that can be next.
    fn step(&self, state: State, next: usize) -> Option<State> {
        let operation = self.history[next];
        let value = operation.value().map(|value| self.numbers[value]);
        let is_at = |at: u64| state.value.is_some() && state.knows(at).is_some();
        let holds = match &operation.action {
            Action::Create(_) => state.value.is_none(),
            Action::Update(at, _) => is_at(*at),
            Action::Patch(_) | Action::Delete => state.value.is_some(),
            Action::Read => true,
        };
        // What was believed to be there may tell which revision it had.
        let state = match &operation.action {
            Action::Update(at, _) if holds => state.knows(*at)?,
            _ => state,
        };
        match &operation.outcome {
            Outcome::Made(revision) => {
                let fits = holds && *revision > state.newest;
                fits.then_some(State { value, revision: Some(*revision), newest: *revision })
            }
            Outcome::Deleted | Outcome::Maybe => {
                holds.then_some(State { value, revision: None, ..state })
            }
            Outcome::Found(stored) => {
                let number = self.numbers[&*stored.value];
                state.knows(stored.revision).filter(|it| it.value == Some(number))
            }
            Outcome::Missing => state.value.is_none().then_some(state),
            Outcome::Conflict => {
                let other = match &operation.action {
                    Action::Update(at, _) => state.revision != Some(*at),
                    _ => true,
                };
                (state.value.is_some() && other).then_some(state)
            }
            Outcome::Failed => None,
        }
    }
}

const START: State = State { value: None, revision: None, newest: 0 };

impl State {
    /// The same with a revision that was seen, if it can be that.
    fn knows(self, at: u64) -> Option<Self> {
        match self.revision {
            Some(revision) => (revision == at).then_some(self),
            None => (at > self.newest).then_some(Self { revision: Some(at), newest: at, ..self }),
        }
    }
}

/// A number of each operation, such that sets of them can be told apart by their sum.
fn mark(operation: usize) -> u128 {
    use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
    let build = BuildHasherDefault::<DefaultHasher>::default();
    let half = |salt: u8| u128::from(build.hash_one((salt, operation)));
    half(1) << 64 | half(2)
}

#[cfg(test)]
mod tests {
    use super::super::history::Stored;
    use super::*;

    fn did(asked: u64, answered: u64, action: Action, outcome: Outcome) -> Operation {
        Operation { client: 0, replica: 0, action, outcome, asked, answered }
    }

    fn create(asked: u64, answered: u64, value: &str, outcome: Outcome) -> Operation {
        did(asked, answered, Action::Create(value.to_owned()), outcome)
    }

    fn update(asked: u64, answered: u64, at: u64, value: &str, outcome: Outcome) -> Operation {
        did(asked, answered, Action::Update(at, value.to_owned()), outcome)
    }

    fn patch(asked: u64, answered: u64, value: &str, outcome: Outcome) -> Operation {
        did(asked, answered, Action::Patch(value.to_owned()), outcome)
    }

    fn delete(asked: u64, answered: u64, outcome: Outcome) -> Operation {
        did(asked, answered, Action::Delete, outcome)
    }

    fn found(asked: u64, answered: u64, revision: u64, value: &str) -> Operation {
        let stored = Stored { revision, value: value.to_owned() };
        did(asked, answered, Action::Read, Outcome::Found(stored))
    }

    fn missing(asked: u64, answered: u64) -> Operation {
        did(asked, answered, Action::Read, Outcome::Missing)
    }

    use Outcome::{Conflict, Deleted, Failed, Made, Maybe, Missing};

    #[test]
    fn what_happened_one_after_the_other_fits() {
        let history = [
            missing(0, 1),
            create(2, 3, "a", Made(10)),
            found(4, 5, 10, "a"),
            create(6, 7, "b", Conflict),
            update(8, 9, 10, "c", Made(12)),
            update(10, 11, 10, "d", Conflict),
            patch(12, 13, "e", Made(15)),
            found(14, 15, 15, "e"),
            delete(16, 17, Deleted),
            delete(18, 19, Missing),
            update(20, 21, 15, "f", Missing),
            missing(22, 23),
            create(24, 25, "g", Failed),
            missing(26, 27),
        ];
        check(&history).unwrap();
    }

    #[test]
    fn what_happened_at_once_fits_in_any_order() {
        let history = [
            create(0, 10, "a", Made(5)),
            found(1, 9, 5, "a"),
            missing(1, 9),
            delete(2, 8, Deleted),
            missing(3, 20),
            create(3, 20, "b", Made(8)),
            found(4, 20, 8, "b"),
        ];
        check(&history).unwrap();
    }

    #[test]
    fn an_old_value_after_a_new_one_was_acknowledged_does_not_fit() {
        let history = [create(0, 1, "a", Made(5)), patch(2, 3, "b", Made(6)), found(4, 5, 5, "a")];
        let why = check(&history).unwrap_err();
        assert!(why.contains("b is there, at 6"), "{why}");
        assert!(why.lines().last().unwrap().contains("read -> a at 5"), "{why}");
    }

    #[test]
    fn nothing_where_something_was_acknowledged_does_not_fit() {
        check(&[create(0, 1, "a", Made(5)), missing(2, 3)]).unwrap_err();
        check(&[create(0, 1, "a", Made(5)), delete(2, 3, Missing)]).unwrap_err();
        check(&[create(0, 1, "a", Made(5)), update(2, 3, 5, "b", Missing)]).unwrap_err();
    }

    #[test]
    fn a_lost_update_does_not_fit() {
        let history = [
            create(0, 1, "a", Made(5)),
            update(2, 9, 5, "b", Made(6)),
            update(2, 9, 5, "c", Made(7)),
        ];
        check(&history).unwrap_err();
    }

    #[test]
    fn a_read_that_goes_back_does_not_fit() {
        let history = [
            create(0, 1, "a", Made(5)),
            // Both may be while this is under way, but not in this order.
            patch(2, 9, "b", Made(6)),
            found(3, 4, 6, "b"),
            found(5, 6, 5, "a"),
        ];
        check(&history).unwrap_err();
    }

    #[test]
    fn two_creates_that_both_succeed_do_not_fit() {
        check(&[create(0, 9, "a", Made(5)), create(0, 9, "b", Made(6))]).unwrap_err();
        let with_a_delete =
            [create(0, 9, "a", Made(5)), delete(0, 9, Deleted), create(0, 9, "b", Made(7))];
        check(&with_a_delete).unwrap();
    }

    #[test]
    fn refusals_without_a_reason_do_not_fit() {
        check(&[create(0, 1, "a", Conflict)]).unwrap_err();
        let history = [create(0, 1, "a", Made(5)), update(2, 3, 5, "b", Conflict)];
        check(&history).unwrap_err();
        check(&[delete(0, 1, Deleted)]).unwrap_err();
    }

    #[test]
    fn revisions_grow() {
        let history = [create(0, 1, "a", Made(5)), patch(2, 3, "b", Made(4))];
        check(&history).unwrap_err();
        let history = [create(0, 1, "a", Made(5)), patch(2, 3, "b", Maybe), found(4, 5, 5, "b")];
        check(&history).unwrap_err();
    }

    #[test]
    fn a_value_that_nobody_wrote_does_not_fit() {
        check(&[create(0, 1, "a", Failed), found(2, 3, 5, "a")]).unwrap_err();
        check(&[found(2, 3, 5, "z")]).unwrap_err();
    }

    #[test]
    fn a_write_without_an_answer_was_made_or_not_or_is_made_later() {
        let begin = create(0, 1, "a", Made(5));
        let maybe = update(2, 3, 5, "b", Maybe);
        let made = [begin.clone(), maybe.clone(), found(4, 5, 8, "b")];
        check(&made).unwrap();
        let not_made = [begin.clone(), maybe.clone(), found(4, 5, 5, "a")];
        check(&not_made).unwrap();
        let later = [begin.clone(), maybe.clone(), found(4, 5, 5, "a"), found(6, 7, 8, "b")];
        check(&later).unwrap();
        let undone = [begin.clone(), maybe.clone(), found(4, 5, 8, "b"), found(6, 7, 5, "a")];
        check(&undone).unwrap_err();
        // It explains that another one lost, and then it was made.
        let lost =
            [begin.clone(), maybe.clone(), update(4, 5, 5, "c", Conflict), found(6, 7, 8, "b")];
        check(&lost).unwrap();
        let both = [begin.clone(), maybe, update(4, 5, 5, "c", Made(6)), found(6, 7, 8, "b")];
        check(&both).unwrap_err();
        // It is made once.
        let twice =
            [begin, delete(2, 3, Maybe), missing(4, 5), create(6, 7, "d", Made(9)), missing(8, 9)];
        check(&twice).unwrap_err();
    }

    #[test]
    fn a_write_that_was_not_asked_for_yet_explains_nothing() {
        let history = [create(0, 1, "a", Made(5)), missing(2, 3), delete(4, 5, Maybe)];
        check(&history).unwrap_err();
    }

    #[test]
    fn many_writes_without_an_answer_are_no_obstacle() {
        let mut history = vec![create(0, 1, "start", Made(1))];
        for it in 0..300_u64 {
            let at = it * 10 + 2;
            let name = |what: &str| format!("{what}-{it}");
            history.push(patch(at, at + 1, &name("lost"), Maybe));
            history.push(patch(at + 2, at + 3, &name("made"), Made(2 + it)));
            history.push(found(at + 4, at + 5, 2 + it, &name("made")));
            if it % 10 == 0 {
                history.push(delete(at, at + 1, Maybe));
            }
        }
        check(&history).unwrap();
        history.push(found(1_000_000, 1_000_001, 1, "start"));
        check(&history).unwrap_err();
    }
}
