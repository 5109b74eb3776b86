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
        decode: |_, stored| Ok(stored),
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
        .filter(|(path, entry)| filter.selects(path, entry))
        .map(|(path, entry)| (path.to_string(), (colour(entry), entry.revision())))
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
