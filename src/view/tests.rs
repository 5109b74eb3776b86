//! The view over a real store: snapshots, history and watches agree with each other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::*;
use crate::model::selector::{FieldSelector, LabelSelector};
use crate::model::{Cluster, Revision, Shard};
use crate::store::{Embedded, EmbeddedOptions, Expect, Keyspace, Origin, Place, TypeKey};

/// What there is by path: the label and the revision.
type State = BTreeMap<String, (String, Revision)>;

fn kind() -> TypeKey {
    TypeKey::new("apis.kcp.io", "apiexports")
}

fn place(path: &str) -> Place {
    Place { kind: kind(), origin: Origin::BuiltIn, path: path.into() }
}

fn everything(labels: &str) -> Filter {
    let scope = Scope {
        origin: Some(Origin::BuiltIn),
        shard: Shard::All,
        cluster: Cluster::All,
        namespace: None,
        name: None,
    };
    let labels: LabelSelector = labels.parse().unwrap();
    Filter { scope, labels, fields: FieldSelector::default() }
}

async fn open(dir: &std::path::Path, history_bytes: usize) -> View {
    let store = Embedded::open(dir, EmbeddedOptions::new(SystemTime::now)).unwrap();
    let options = Options {
        history_bytes,
        history_millis: 1000,
        memory_limit: None,
        kinds: vec![kind()],
        // Time stands still: nothing grows old.
        clock: || 0,
        serve: serve_placed,
    };
    View::open(Arc::new(store), Keyspace::new("/cache"), options, None).await.unwrap()
}

async fn write(view: &View, path: &str, colour: Option<&str>) -> Result<Committed, CommitError> {
    let place = place(path);
    let current = view.root().get(&place.kind, &place.origin, &place.path).cloned();
    let expect = current.map_or(Expect::Absent, |entry| Expect::At(entry.revision()));
    let value = colour.map(|colour| {
        let (shard, cluster, _, name) = place.parts();
        let stored = Bytes::from(format!(
            "{{\"apiVersion\":\"v1\",\"metadata\":{{\"labels\":{{\"colour\":\"{colour}\"}},\"name\":\"{name}\"}}}}\n"
        ));
        let served = EntryDraft::from_stored(&stored, shard, cluster).unwrap();
        (stored, served)
    });
    view.commit(Draft { place, expect, value }).await
}

fn colour(entry: &Entry) -> String {
    let object: serde_json::Value = serde_json::from_slice(entry.line()).unwrap();
    object["metadata"]["labels"]["colour"].as_str().unwrap().to_owned()
}

fn state(snapshot: &Snapshot, filter: &Filter) -> State {
    snapshot
        .list(&filter.scope, None)
        .filter(|(_, path, entry)| filter.selects(path, entry))
        .map(|(_, path, entry)| (path.to_string(), (colour(entry), entry.revision())))
        .collect()
}

/// Writes, paints and deletes objects of two shards; answers with every state by its revision.
async fn history(view: &View) -> BTreeMap<Revision, State> {
    let mut states = BTreeMap::new();
    for step in 0..120_usize {
        let path = format!("s{}/c{}/o{}", step % 2, step % 3, step * 7 % 11);
        let there = view.root().get(&kind(), &Origin::BuiltIn, &path).is_some();
        let next = if there && step % 5 == 0 { None } else { Some(["red", "blue"][step / 3 % 2]) };
        let done = write(view, &path, next).await.unwrap();
        states.insert(done.revision, state(&view.snapshot(&kind()), &everything("")));
    }
    states
}

#[tokio::test]
async fn the_past_is_the_present_with_later_changes_undone() {
    let dir = tempfile::tempdir().unwrap();
    let view = open(dir.path(), usize::MAX).await;
    for (revision, expected) in history(&view).await {
        let then = view.root().snapshot_at(&kind(), revision).unwrap();
        assert_eq!((then.revision, state(&then, &everything(""))), (revision, expected));
    }
    let future = view.root().revision().next();
    assert!(view.root().snapshot_at(&kind(), future).is_err());
    view.close().await;
}

#[tokio::test]
async fn a_watch_replayed_over_a_list_gives_the_later_list() {
    let dir = tempfile::tempdir().unwrap();
    let view = open(dir.path(), usize::MAX).await;
    let states = history(&view).await;
    for selector in ["", "colour=red", "colour!=red", "!colour"] {
        let filter = everything(selector);
        for from in states.keys().step_by(7) {
            let mut replayed = state(&view.root().snapshot_at(&kind(), *from).unwrap(), &filter);
            let mut cursor = view.watch(&kind(), filter.clone(), *from).unwrap();
            let mut last = *from;
            loop {
                let mut found = Vec::new();
                let progress = cursor.take(3, &mut found).unwrap();
                for change in &found {
                    assert!(change.revision > last, "out of order");
                    last = change.revision;
                    match filter.event(change) {
                        None => {}
                        Some(Event::Added(entry) | Event::Modified(entry)) => {
                            let value = (colour(entry), entry.revision());
                            replayed.insert(change.path.to_string(), value);
                        }
                        Some(Event::Deleted(..)) => {
                            assert!(replayed.remove(&*change.path).is_some());
                        }
                    }
                }
                if progress == Progress::CaughtUp(view.root().revision()) {
                    break;
                }
            }
            assert_eq!(replayed, state(&view.snapshot(&kind()), &filter), "{selector} {from}");
        }
    }
    view.close().await;
}

#[tokio::test]
async fn history_goes_on_over_a_restart_and_ends_where_it_was_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let view = open(dir.path(), usize::MAX).await;
    let states = history(&view).await;
    let last = view.root().revision();
    view.close().await;
    drop(view);

    let view = open(dir.path(), usize::MAX).await;
    assert_eq!(view.root().revision(), last);
    for (revision, expected) in &states {
        let then = view.root().snapshot_at(&kind(), *revision).unwrap();
        assert_eq!(state(&then, &everything("")), *expected);
    }
    view.close().await;
    drop(view);

    // Nothing may be remembered now: the present stays, the past is gone.
    let view = open(dir.path(), 0).await;
    write(&view, "s/c/new", Some("red")).await.unwrap();
    let oldest = *states.keys().next().unwrap();
    let gone = || {
        view.root().snapshot_at(&kind(), oldest).is_err()
            && view.watch(&kind(), everything(""), oldest).is_err()
    };
    for _ in 0..1000 {
        if gone() {
            break;
        }
        tokio::task::yield_now().await;
        write(&view, "s/c/new", Some("blue")).await.unwrap();
    }
    assert!(gone());
    assert_eq!(
        view.snapshot(&kind()).list(&everything("").scope, None).count(),
        states[&last].len() + 1
    );
    view.close().await;
}

#[tokio::test]
async fn of_two_writers_one_is_told_what_the_other_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let view = open(dir.path(), usize::MAX).await;
    let (first, second) =
        tokio::join!(write(&view, "s/c/x", Some("red")), write(&view, "s/c/x", Some("blue")),);
    let (won, lost) = if first.is_ok() { (first, second) } else { (second, first) };
    let won = won.unwrap();
    let Err(CommitError::Lost(Some(now))) = lost else { panic!("{lost:?}") };
    assert_eq!(now.revision(), won.revision);
    view.close().await;
    assert!(matches!(write(&view, "s/c/y", Some("red")).await, Err(CommitError::Closed)));
}

/// A place of another origin of the same type.
fn elsewhere(origin: &str, path: &str) -> Place {
    Place { kind: kind(), origin: Origin::Identity(origin.into()), path: path.into() }
}

async fn put(view: &View, place: Place) -> Committed {
    let (shard, cluster, _, name) = place.parts();
    let current = view.root().get(&place.kind, &place.origin, &place.path).cloned();
    let expect = current.map_or(Expect::Absent, |entry| Expect::At(entry.revision()));
    let stored =
        Bytes::from(format!("{{\"apiVersion\":\"v1\",\"metadata\":{{\"name\":\"{name}\"}}}}\n"));
    let served = EntryDraft::from_stored(&stored, shard, cluster).unwrap();
    view.commit(Draft { place, expect, value: Some((stored, served)) }).await.unwrap()
}

#[tokio::test]
async fn a_list_over_all_origins_goes_on_where_it_ended() {
    let dir = tempfile::tempdir().unwrap();
    let view = open(dir.path(), 1 << 20).await;
    let places = ["aa s1/c/x", "aa s2/c/y", "bb s1/c/x", "bb s1/c/z", "cc s0/c/x"];
    for text in places.iter().rev() {
        let (origin, path) = text.split_once(' ').unwrap();
        put(&view, elsewhere(origin, path)).await;
    }
    let snapshot = view.snapshot(&kind());
    let mut scope = everything("").scope;
    for (origin, shard, expected) in [
        (None, "*", &places[..]),
        (None, "s1", &["aa s1/c/x", "bb s1/c/x", "bb s1/c/z"]),
        (Some("bb"), "*", &["bb s1/c/x", "bb s1/c/z"]),
        (Some("dd"), "*", &[]),
    ] {
        scope.origin = origin.map(|it| Origin::Identity(it.into()));
        scope.shard = shard.parse().unwrap();
        let text = |(origin, path, _): (&Origin, &Arc<str>, &Arc<Entry>)| {
            format!("{} {path}", origin.as_str())
        };
        let all: Vec<String> = snapshot.list(&scope, None).map(text).collect();
        assert_eq!(all, expected, "{origin:?} {shard}");
        for (number, last) in all.iter().enumerate() {
            let (origin, path) = last.split_once(' ').unwrap();
            let origin = Origin::Identity(origin.into());
            let rest: Vec<String> =
                snapshot.list(&scope, Some((&origin, path))).map(text).collect();
            assert_eq!(rest, all[number + 1..], "after {last}");
        }
    }
    view.close().await;
}

#[tokio::test]
async fn the_changes_between_two_states_make_one_of_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let view = open(dir.path(), 1 << 20).await;
    let all = |root: &Root| -> BTreeMap<String, Revision> {
        let scope = Scope { origin: None, ..everything("").scope };
        let snapshot = root.snapshot(&kind());
        let named = snapshot
            .list(&scope, None)
            .map(|(origin, path, entry)| (format!("{} {path}", origin.as_str()), entry.revision()));
        named.collect()
    };
    let mut mirror: BTreeMap<String, Revision> = BTreeMap::new();
    let mut before: Option<Arc<Root>> = None;
    for turn in 0..60_u32 {
        for number in 0..turn % 7 {
            let place = elsewhere(
                ["aa", "bb"][turn as usize % 2],
                &format!("s/c/x{}", (turn * 7 + number * 31) % 97),
            );
            let there = view.root().get(&place.kind, &place.origin, &place.path).cloned();
            match there {
                Some(entry) if number % 2 == 0 => {
                    let expect = Expect::At(entry.revision());
                    view.commit(Draft { place, expect, value: None }).await.unwrap();
                }
                _ => drop(put(&view, place).await),
            }
        }
        let root = view.root();
        let older = before.as_ref().and_then(|root| root.kind(&kind()));
        root.kind(&kind()).unwrap().changes_since(older.map(|it| &**it), |origin, path, entry| {
            let key = format!("{} {path}", origin.as_str());
            match entry {
                Some(entry) => {
                    let revision = entry.revision();
                    assert_ne!(mirror.insert(key, revision), Some(revision));
                }
                None => assert!(mirror.remove(&key).is_some()),
            }
        });
        assert_eq!(mirror, all(&root), "turn {turn}");
        before = Some(root);
    }
    assert!(mirror.len() > 20);
    view.close().await;
}

#[tokio::test]
async fn a_type_that_holds_nothing_can_be_made_watchable() {
    let dir = tempfile::tempdir().unwrap();
    let view = open(dir.path(), 1 << 20).await;
    let things = TypeKey::new("example.com", "things");
    let mut filter = everything("");
    filter.scope.origin = None;
    let now = view.root().revision();
    assert!(view.watch(&things, filter.clone(), now).is_err());
    view.make_watchable(&things).await.unwrap();
    view.make_watchable(&things).await.unwrap();
    let mut cursor = view.watch(&things, filter, now).unwrap();
    put(&view, Place { kind: things, ..elsewhere("aa", "s/c/x") }).await;
    cursor.published().await;
    let mut found = Vec::new();
    cursor.take(10, &mut found).unwrap();
    assert_eq!(found.len(), 1);
    view.close().await;
    assert!(view.make_watchable(&TypeKey::new("example.com", "more")).await.is_err());
}

#[tokio::test]
async fn a_type_that_lost_all_its_objects_remembers_that_it_forgot() {
    let dir = tempfile::tempdir().unwrap();
    let view = open(dir.path(), usize::MAX).await;
    let made = write(&view, "s/c/x", Some("red")).await.unwrap().revision;
    write(&view, "s/c/x", None).await.unwrap();
    view.close().await;
    drop(view);
    // Whatever can be forgotten is, at the latest before it is closed.
    let view = open(dir.path(), 0).await;
    view.close().await;
    drop(view);
    let view = open(dir.path(), usize::MAX).await;
    assert!(view.watch(&kind(), everything(""), made).is_err());
    assert!(view.root().snapshot_at(&kind(), made).is_err());
    assert!(view.root().snapshot_at(&TypeKey::new("never", "seen"), Revision(1)).is_err());
    view.watch(&kind(), everything(""), view.root().revision()).unwrap();
    view.close().await;
}

/// A write: which of a few objects, and what becomes of it; none deletes it.
type Step = (usize, Option<&'static str>);

fn steps(most: usize) -> impl proptest::strategy::Strategy<Value = Vec<Step>> {
    use proptest::prelude::*;
    let colour = proptest::option::weighted(0.7, prop_oneof![Just("red"), Just("blue")]);
    proptest::collection::vec((0..12_usize, colour), 1..most)
}

async fn take_steps(view: &View, steps: &[Step]) {
    for (number, colour) in steps {
        let path = format!("s{}/c{}/o{number}", number % 2, number % 3);
        if colour.is_some() || view.root().get(&kind(), &Origin::BuiltIn, &path).is_some() {
            write(view, &path, *colour).await.unwrap();
        }
    }
}

/// Runs a case that needs a store of its own.
fn on_a_store(run: impl AsyncFnOnce(Arc<View>)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    runtime.block_on(async {
        let view = Arc::new(open(dir.path(), usize::MAX).await);
        run(view.clone()).await;
        view.close().await;
    });
}

/// The scopes that requests have.
fn scoped(shard: &str, cluster: &str, labels: &str) -> Filter {
    let mut filter = everything(labels);
    filter.scope.shard = shard.parse().unwrap();
    filter.scope.cluster = cluster.parse().unwrap();
    filter
}

const SCOPES: [(&str, &str); 4] = [("*", "*"), ("s1", "*"), ("*", "c2"), ("s0", "c0")];

proptest::proptest! {
    // Each case syncs its writes to a disk.
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]

    #[test]
    fn pages_join_to_the_list_at_their_revision_while_writes_go_on(
        before in steps(24),
        during in proptest::collection::vec(steps(4), 12),
        limit in 1..5_usize,
        scope in 0..SCOPES.len(),
        labels in proptest::sample::select(vec!["", "colour=red"]),
    ) {
        on_a_store(async |view| {
            take_steps(&view, &before).await;
            let (shard, cluster) = SCOPES[scope];
            let filter = scoped(shard, cluster, labels);
            let revision = view.root().revision();
            let whole = state(&view.snapshot(&kind()), &filter);
            let mut joined = Vec::new();
            let mut after: Option<String> = None;
            for writes in during.iter().cycle() {
                // A page is made anew of what there is then, with the later changes undone.
                let snapshot = view.root().snapshot_at(&kind(), revision).unwrap();
                let last = after.as_deref().map(|path| (&Origin::BuiltIn, path));
                let page: Vec<(String, (String, Revision))> = snapshot
                    .list(&filter.scope, last)
                    .filter(|(_, path, entry)| filter.selects(path, entry))
                    .take(limit)
                    .map(|(_, path, entry)| (path.to_string(), (colour(entry), entry.revision())))
                    .collect();
                after = page.last().map(|(path, _)| path.clone());
                joined.extend(page);
                if after.is_none() {
                    break;
                }
                take_steps(&view, writes).await;
            }
            let whole: Vec<_> = whole.into_iter().collect();
            assert_eq!(joined, whole);
        });
    }

    #[test]
    fn events_replayed_over_a_list_give_the_later_list(
        before in steps(16),
        during in steps(24),
        at_once in 1..6_usize,
        scope in 0..SCOPES.len(),
        labels in proptest::sample::select(vec!["", "colour=red", "colour!=red", "!colour"]),
    ) {
        on_a_store(async |view| {
            take_steps(&view, &before).await;
            let (shard, cluster) = SCOPES[scope];
            let filter = scoped(shard, cluster, labels);
            let mut replayed = state(&view.snapshot(&kind()), &filter);
            let mut last = view.root().revision();
            let mut cursor = view.watch(&kind(), filter.clone(), last).unwrap();
            take_steps(&view, &during).await;
            loop {
                let mut found = Vec::new();
                let progress = cursor.take(at_once, &mut found).unwrap();
                for change in &found {
                    assert!(change.revision > last, "out of order");
                    last = change.revision;
                    match filter.event(change) {
                        None => {}
                        Some(Event::Added(entry)) => {
                            let value = (colour(entry), entry.revision());
                            assert!(replayed.insert(change.path.to_string(), value).is_none());
                        }
                        Some(Event::Modified(entry)) => {
                            let value = (colour(entry), entry.revision());
                            assert!(replayed.insert(change.path.to_string(), value).is_some());
                        }
                        Some(Event::Deleted(..)) => {
                            assert!(replayed.remove(&*change.path).is_some());
                        }
                    }
                }
                if progress == Progress::CaughtUp(view.root().revision()) {
                    break;
                }
            }
            assert_eq!(replayed, state(&view.snapshot(&kind()), &filter));
        });
    }
}

#[tokio::test]
async fn the_shards_that_have_objects_are_told_without_their_objects() {
    let dir = tempfile::tempdir().unwrap();
    let view = open(dir.path(), 1 << 20).await;
    assert!(view.root().shards().is_empty());
    // What sorts before, behind and between `a/` and its successor.
    for path in ["a/c/x", "a/c/y", "a/d/x", "a-1/c/x", "a0/c/x", "ab/c/x", "a:b/c/x", "z/c/x"] {
        write(&view, path, Some("red")).await.unwrap();
    }
    let root = view.root();
    let shards: Vec<_> = root.shards().into_iter().collect();
    assert_eq!(shards, ["a", "a-1", "a0", "a:b", "ab", "z"]);
    let paths: Vec<_> = root.of_shard("a").map(|(place, _)| place.path.to_string()).collect();
    assert_eq!(paths, ["a/c/x", "a/c/y", "a/d/x"]);
    assert_eq!(root.of_shard("b").count(), 0);
    write(&view, "z/c/x", None).await.unwrap();
    assert!(!view.root().shards().contains("z"));
    view.close().await;
}
