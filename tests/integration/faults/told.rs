//! Whether what watches told agrees: with itself, with the lists, with each other, with
//! what was acknowledged and with what is stored at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::history::{Action, Operation, Outcome, Stored};

/// All objects, by name.
pub type Objects = BTreeMap<String, Stored>;

/// What a watch tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    Added,
    Modified,
    Deleted,
}

/// One event.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    pub kind: Kind,
    pub name: String,
    /// What is there from now on; what was there until now if it is gone.
    pub object: Stored,
}

/// What one watcher saw between two lists: a list, and what followed it without a gap.
#[derive(Clone, Debug, Default)]
pub struct Run {
    pub watcher: usize,
    pub listed: Objects,
    pub listed_at: u64,
    pub events: Vec<Event>,
    /// Everything up to here was told.
    pub reached: u64,
}

/// A list of everything by somebody else.
#[derive(Clone, Debug)]
pub struct Listed {
    pub at: u64,
    pub objects: Objects,
}

/// What all runs together tell.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What is wrong, in words.
    pub wrong: Vec<String>,
    /// How many changes there were.
    pub changes: usize,
    /// How many acknowledged writes no watcher could see, since all were listing.
    pub unseen: usize,
}

/// Compares everything.
pub fn check(runs: &[Run], lists: &[Listed], operations: &[(String, Operation)]) -> Verdict {
    let mut wrong = Vec::new();
    let mut changes: BTreeMap<u64, Event> = BTreeMap::new();
    for run in runs {
        alone(run, &mut wrong);
        for event in &run.events {
            let known = changes.entry(event.object.revision).or_insert_with(|| event.clone());
            if known != event {
                wrong.push(format!(
                    "watcher {} was told {event:?}, another one {known:?}",
                    run.watcher
                ));
            }
        }
    }
    for run in runs {
        let told: BTreeSet<u64> = run.events.iter().map(|it| it.object.revision).collect();
        let all = between(&changes, run.listed_at, run.reached);
        for (revision, event) in all.filter(|(revision, _)| !told.contains(revision)) {
            wrong.push(format!(
                "watcher {} was not told {event:?}; it listed at {} and came to {}, past {revision}",
                run.watcher, run.listed_at, run.reached
            ));
        }
    }
    let own = runs.iter().map(|run| Listed { at: run.listed_at, objects: run.listed.clone() });
    let lists: Vec<Listed> = own.chain(lists.iter().cloned()).collect();
    against_replay(&lists, runs, &changes, &mut wrong);
    let unseen = against_changes(operations, runs, &changes, &mut wrong);
    Verdict { wrong, changes: changes.len(), unseen }
}

/// A run in itself: revisions grow, and each event fits what there was.
fn alone(run: &Run, wrong: &mut Vec<String>) {
    let mut objects = run.listed.clone();
    let mut newest = run.listed_at;
    for event in &run.events {
        let revision = event.object.revision;
        if revision <= newest {
            wrong.push(format!(
                "watcher {} was told {event:?} after revision {newest}",
                run.watcher
            ));
        }
        newest = newest.max(revision);
        let before = objects.get(&event.name);
        let fits = match event.kind {
            Kind::Added => before.is_none(),
            Kind::Modified => before.is_some(),
            Kind::Deleted => before.is_some_and(|it| it.value == event.object.value),
        };
        if !fits {
            wrong.push(format!("watcher {} was told {event:?} where {before:?} was", run.watcher));
        }
        apply(event, &mut objects);
    }
}

/// A list is what comes of the changes up to its revision.
fn against_replay(
    lists: &[Listed],
    runs: &[Run],
    changes: &BTreeMap<u64, Event>,
    wrong: &mut Vec<String>,
) {
    // Each by a run that tells what led there, in one go.
    let tells = |run: &Run, list: &Listed| run.listed_at <= list.at && list.at <= run.reached;
    let mut by_run: BTreeMap<usize, Vec<&Listed>> = BTreeMap::new();
    for list in lists {
        if let Some(run) = runs.iter().position(|run| tells(run, list)) {
            by_run.entry(run).or_default().push(list);
        }
    }
    for (run, mut lists) in by_run {
        lists.sort_by_key(|list| list.at);
        let run = &runs[run];
        let mut objects = run.listed.clone();
        let mut reached = run.listed_at;
        for list in lists {
            for (_, event) in between(changes, reached, list.at) {
                apply(event, &mut objects);
            }
            reached = list.at;
            compare(&objects, list, wrong);
        }
    }
}

fn between(
    changes: &BTreeMap<u64, Event>,
    after: u64,
    upto: u64,
) -> impl Iterator<Item = (&u64, &Event)> {
    changes.range((Bound::Excluded(after), Bound::Included(upto.max(after))))
}

fn apply(event: &Event, objects: &mut Objects) {
    match event.kind {
        Kind::Added | Kind::Modified => {
            objects.insert(event.name.clone(), event.object.clone());
        }
        Kind::Deleted => drop(objects.remove(&event.name)),
    }
}

fn compare(objects: &Objects, list: &Listed, wrong: &mut Vec<String>) {
    if *objects == list.objects {
        return;
    }
    let names: BTreeSet<&String> = objects.keys().chain(list.objects.keys()).collect();
    for name in names {
        let (told, listed) = (objects.get(name), list.objects.get(name));
        if told != listed {
            wrong.push(format!(
                "a list at {} has {listed:?} as {name}, where what watches told comes to {told:?}",
                list.at
            ));
        }
    }
}

/// Whether the runs together tell everything from nothing on.
fn is_whole(runs: &[Run]) -> bool {
    let mut runs: Vec<&Run> = runs.iter().collect();
    runs.sort_by_key(|run| run.listed_at);
    let mut reached = runs.first().filter(|run| run.listed.is_empty()).map(|run| run.reached);
    for run in runs {
        reached = reached.filter(|it| run.listed_at <= *it).map(|it| it.max(run.reached));
    }
    reached.is_some()
}

/// Each acknowledged write was told as it was made, and each change was somebody's write.
fn against_changes(
    operations: &[(String, Operation)],
    runs: &[Run],
    changes: &BTreeMap<u64, Event>,
    wrong: &mut Vec<String>,
) -> usize {
    let covered = |at: u64| runs.iter().any(|it| it.listed_at < at && at <= it.reached);
    let mut unseen = 0;
    // How often it was deleted for sure, and perhaps.
    let mut deletes: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut values: BTreeMap<&str, &(String, Operation)> = BTreeMap::new();
    for it in operations {
        let (name, operation) = it;
        values.extend(operation.value().map(|value| (value, it)));
        match (&operation.action, &operation.outcome) {
            (Action::Delete, Outcome::Deleted) => deletes.entry(name).or_default().0 += 1,
            (Action::Delete, Outcome::Maybe) => deletes.entry(name).or_default().1 += 1,
            (_, Outcome::Made(revision)) => match changes.get(revision) {
                Some(event) if event.name == *name && event.kind != Kind::Deleted => {
                    if operation.value() != Some(&event.object.value) {
                        wrong.push(format!("{name}: {operation}, but watches told {event:?}"));
                    }
                }
                None if !covered(*revision) => unseen += 1,
                event => {
                    wrong.push(format!("{name}: {operation}, but watches told {event:?}"));
                }
            },
            _ => {}
        }
    }
    let mut written = BTreeSet::new();
    let mut gone: BTreeMap<&str, usize> = BTreeMap::new();
    for event in changes.values() {
        if event.kind == Kind::Deleted {
            *gone.entry(&event.name).or_default() += 1;
            continue;
        }
        let fits = values.get(&*event.object.value).is_some_and(|(name, operation)| {
            *name == event.name && matches!(operation.outcome, Outcome::Made(_) | Outcome::Maybe)
        });
        if !fits || !written.insert(&event.object.value) {
            let operation = values.get(&*event.object.value).map(|(_, it)| it.to_string());
            wrong.push(format!("watches told {event:?}, which is from {operation:?}"));
        }
    }
    let whole = is_whole(runs);
    for (name, (sure, maybe)) in &deletes {
        let gone = gone.get(name).copied().unwrap_or_default();
        // Those in a gap of all watchers cannot be counted.
        if gone > sure + maybe || (whole && gone < *sure) {
            wrong.push(format!(
                "{name} was deleted {sure} times, and {maybe} times perhaps; watches told {gone}"
            ));
        }
    }
    for (name, gone) in gone.iter().filter(|(name, _)| !deletes.contains_key(**name)) {
        wrong.push(format!("{name} was never deleted; watches told that {gone} times"));
    }
    unseen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: Kind, revision: u64, value: &str) -> Event {
        let object = Stored { revision, value: value.to_owned() };
        Event { kind, name: "k".to_owned(), object }
    }

    fn right() -> Vec<Event> {
        vec![
            event(Kind::Added, 11, "a"),
            event(Kind::Modified, 13, "b"),
            event(Kind::Deleted, 14, "b"),
            event(Kind::Added, 16, "c"),
        ]
    }

    fn run(watcher: usize, events: Vec<Event>) -> Run {
        Run { watcher, listed: Objects::new(), listed_at: 10, events, reached: 20 }
    }

    fn did(action: Action, outcome: Outcome) -> (String, Operation) {
        let operation = Operation { client: 0, replica: 0, action, outcome, asked: 0, answered: 1 };
        ("k".to_owned(), operation)
    }

    fn operations() -> Vec<(String, Operation)> {
        vec![
            did(Action::Create("a".to_owned()), Outcome::Made(11)),
            did(Action::Patch("b".to_owned()), Outcome::Maybe),
            did(Action::Delete, Outcome::Deleted),
            did(Action::Create("c".to_owned()), Outcome::Made(16)),
            did(Action::Patch("d".to_owned()), Outcome::Failed),
        ]
    }

    fn objects(revision: u64, value: &str) -> Objects {
        [("k".to_owned(), Stored { revision, value: value.to_owned() })].into()
    }

    fn wrong(runs: &[Run], lists: &[Listed], operations: &[(String, Operation)]) -> String {
        check(runs, lists, operations).wrong.join("\n")
    }

    #[test]
    fn what_agrees_is_right() {
        let listing =
            Run { listed: objects(13, "b"), listed_at: 13, ..run(1, right()[2..].into()) };
        let runs = [run(0, right()), listing];
        let lists = [
            Listed { at: 12, objects: objects(11, "a") },
            Listed { at: 15, objects: Objects::new() },
        ];
        let verdict = check(&runs, &lists, &operations());
        assert_eq!((verdict.wrong, verdict.changes, verdict.unseen), (vec![], 4, 0));
    }

    #[test]
    fn an_event_that_was_swallowed_is_noticed() {
        for missing in 0..4 {
            let mut events = right();
            events.remove(missing);
            let said = wrong(&[run(0, right()), run(1, events.clone())], &[], &operations());
            assert!(said.contains("watcher 1 was not told"), "{said}");
            // All of them missed it.
            assert!(!wrong(&[run(0, events)], &[], &operations()).is_empty(), "{missing}");
        }
    }

    #[test]
    fn an_event_that_was_told_twice_or_too_late_is_noticed() {
        let mut events = right();
        events.insert(2, events[1].clone());
        let said = wrong(&[run(0, events)], &[], &operations());
        assert!(said.contains("after revision 13"), "{said}");
        let mut events = right();
        events.swap(0, 1);
        assert!(!wrong(&[run(0, events)], &[], &operations()).is_empty());
    }

    #[test]
    fn a_list_that_is_another_state_is_noticed() {
        for list in [
            Listed { at: 12, objects: Objects::new() },
            Listed { at: 12, objects: objects(13, "b") },
            Listed { at: 15, objects: objects(13, "b") },
        ] {
            let said = wrong(&[run(0, right())], &[list], &operations());
            assert!(said.contains("a list at"), "{said}");
        }
    }

    #[test]
    fn a_change_that_nobody_made_is_noticed() {
        for event in [event(Kind::Modified, 18, "d"), event(Kind::Modified, 18, "z")] {
            let mut events = right();
            events.push(event);
            let said = wrong(&[run(0, events)], &[], &operations());
            assert!(said.contains("which is from"), "{said}");
        }
        let mut events = right();
        events.push(event(Kind::Deleted, 18, "c"));
        let said = wrong(&[run(0, events)], &[], &operations());
        assert!(said.contains("deleted 1 times"), "{said}");
    }

    #[test]
    fn a_write_that_was_made_twice_is_noticed() {
        let mut events = right();
        events.push(event(Kind::Modified, 18, "c"));
        assert!(!wrong(&[run(0, events)], &[], &operations()).is_empty());
    }

    #[test]
    fn a_write_in_a_gap_of_all_watchers_is_counted() {
        let early = Run { reached: 11, ..run(0, right()[..1].into()) };
        let late = Run { listed: objects(16, "c"), listed_at: 17, ..run(0, Vec::new()) };
        let verdict = check(&[early, late], &[], &operations());
        assert_eq!((verdict.wrong, verdict.unseen), (vec![], 1));
    }
}
