//! A view over a store that others write to as well: a script of one, in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::*;
use crate::model::selector::{FieldSelector, LabelSelector};
use crate::model::{Cluster, Revision, Shard};
use crate::store::{
    Backend, Change as Stored, Conflict, Error, Expect, Forget, Keyspace, Loaded, News, Origin,
    Place, TypeKey, Write,
};

/// The store, and what it is to do wrong.
struct Script {
    state: Mutex<State>,
    /// How far it tells what happens.
    told: watch::Sender<Revision>,
    /// Writes are made and not answered.
    mumbles: AtomicBool,
    /// What comes next was forgotten.
    forgets: watch::Sender<bool>,
    /// Where what was told is all there is.
    settles: watch::Sender<Revision>,
    /// Answers to the question for the newest revision are under way.
    dawdles: watch::Sender<bool>,
    /// How often that was asked.
    asked: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    revision: u64,
    values: BTreeMap<Bytes, (Revision, Bytes)>,
    log: Vec<Stored>,
}

impl Script {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            told: watch::Sender::new(Revision(u64::MAX)),
            mumbles: AtomicBool::new(false),
            forgets: watch::Sender::new(false),
            settles: watch::Sender::new(Revision::ZERO),
            dawdles: watch::Sender::new(false),
            asked: watch::Sender::new(0),
        })
    }

    /// Says nothing until [`Self::speaks`].
    fn is_silent(&self) {
        self.told.send_replace(Revision(self.state.lock().revision));
    }

    fn speaks(&self) {
        self.told.send_replace(Revision(u64::MAX));
    }

    /// Somebody else writes.
    fn others_write(&self, path: &str, value: Option<String>) -> Revision {
        let key = Keyspace::new("/cache").key(&place(path));
        self.put(key, value.map(Bytes::from))
    }

    fn put(&self, key: Bytes, value: Option<Bytes>) -> Revision {
        let mut state = self.state.lock();
        state.revision += 1;
        let revision = Revision(state.revision);
        match &value {
            Some(value) => state.values.insert(key.clone(), (revision, value.clone())),
            None => state.values.remove(&key),
        };
        state.log.push(Stored { revision, key, value, previous: None, at_millis: 0 });
        drop(state);
        self.told.send_modify(|_| {});
        revision
    }

    fn everything(&self, each: &mut (dyn FnMut(Stored) + Send)) -> Loaded {
        let state = self.state.lock();
        for (key, (revision, value)) in &state.values {
            let (revision, key, value) = (*revision, key.clone(), Some(value.clone()));
            each(Stored { revision, key, value, previous: None, at_millis: 0 });
        }
        let revision = Revision(state.revision);
        Loaded { revision, floor: revision, ..Loaded::default() }
    }
}

impl Backend for Script {
    fn is_shared(&self) -> bool {
        true
    }

    async fn load(&self, each: &mut (dyn FnMut(Stored) + Send)) -> Result<Loaded, Error> {
        Ok(self.everything(each))
    }

    async fn commit(&self, batch: Vec<Write>) -> Result<Vec<Result<Revision, Conflict>>, Error> {
        let mut results = Vec::new();
        for write in batch {
            let stored = self.state.lock().values.get(&write.key).map(|(revision, _)| *revision);
            let expected = match write.expect {
                Expect::Absent => None,
                Expect::At(revision) => Some(revision),
            };
            results.push(if stored == expected {
                Ok(self.put(write.key, write.value))
            } else {
                Err(Conflict { stored })
            });
        }
        if self.mumbles.load(Ordering::SeqCst) {
            let (doing, reason) = ("write".to_owned(), "no answer".to_owned());
            return Err(Error::Remote { doing, reason, maybe_done: true });
        }
        Ok(results)
    }

    fn follow(&self, after: Revision) -> impl Stream<Item = News> + Send {
        let told = (self.told.subscribe(), self.forgets.subscribe(), self.settles.subscribe());
        futures::stream::unfold(
            (after, told),
            move |(after, (mut told, mut forgets, mut settles))| async move {
                loop {
                    if *forgets.borrow_and_update() {
                        self.forgets.send_replace(false);
                        return Some((News::Lost, (after, (told, forgets, settles))));
                    }
                    if settles.has_changed().unwrap_or(false) {
                        let settled = News::Settled(*settles.borrow_and_update());
                        return Some((settled, (after, (told, forgets, settles))));
                    }
                    let until = *told.borrow_and_update();
                    let changes: Vec<Stored> = {
                        let state = self.state.lock();
                        let new = state.log.iter().filter(|it| it.revision > after);
                        new.filter(|it| it.revision <= until).cloned().collect()
                    };
                    if let Some(last) = changes.last() {
                        let last = last.revision;
                        let told = (told, forgets, settles);
                        return Some((News::Changes(changes), (last, told)));
                    }
                    tokio::select! {
                        _ = told.changed() => {}
                        _ = forgets.changed() => {}
                        // Left to be seen above.
                        () = settled(&settles) => {}
                    }
                }
            },
        )
    }

    async fn newest(&self) -> Result<Revision, Error> {
        let newest = Revision(self.state.lock().revision);
        self.asked.send_modify(|times| *times += 1);
        let _ = self.dawdles.subscribe().wait_for(|dawdles| !dawdles).await;
        Ok(newest)
    }

    async fn forget(&self, _forget: Forget) -> Result<(), Error> {
        Ok(())
    }
}

/// Waits for another value, without taking it.
async fn settled(settles: &watch::Receiver<Revision>) {
    let _ = settles.clone().changed().await;
}

fn kind() -> TypeKey {
    TypeKey::new("apis.kcp.io", "apiexports")
}

fn place(path: &str) -> Place {
    Place { kind: kind(), origin: Origin::BuiltIn, path: path.into() }
}

fn everything() -> Filter {
    let scope = Scope {
        origin: Some(Origin::BuiltIn),
        shard: Shard::All,
        cluster: Cluster::All,
        namespace: None,
        name: None,
    };
    Filter { scope, labels: LabelSelector::default(), fields: FieldSelector::default() }
}

fn value(name: &str, spec: u32) -> String {
    format!("{{\"apiVersion\":\"v1\",\"metadata\":{{\"name\":\"{name}\"}},\"spec\":{spec}}}\n")
}

async fn open(script: &Arc<Script>) -> View {
    let options = Options {
        history_bytes: usize::MAX,
        history_millis: 1000,
        memory_limit: None,
        kinds: vec![kind()],
        // Time stands still: nothing grows old.
        clock: || 0,
        serve: serve_placed,
    };
    View::open(Arc::clone(script), Keyspace::new("/cache"), options, None).await.unwrap()
}

async fn create(view: &View, path: &str, spec: u32) -> Result<Committed, CommitError> {
    let place = place(path);
    let (shard, cluster, _, name) = place.parts();
    let stored = Bytes::from(value(name, spec));
    let served = EntryDraft::from_stored(&stored, shard, cluster).unwrap();
    view.commit(Draft { place, expect: Expect::Absent, value: Some((stored, served)) }).await
}

fn paths(view: &View) -> Vec<String> {
    let (snapshot, filter) = (view.snapshot(&kind()), everything());
    snapshot.list(&filter.scope, None).map(|(_, path, _)| path.to_string()).collect()
}

#[tokio::test]
async fn what_anybody_writes_is_there_for_whoever_asks_for_the_newest() {
    let script = Script::new();
    let view = Arc::new(open(&script).await);
    for number in 0..50 {
        let path = format!("s/c/o{number}");
        if number % 2 == 0 {
            create(&view, &path, 1).await.unwrap();
        } else {
            script.is_silent();
            let revision = script.others_write(&path, Some(value("o", 1)));
            let asking = Arc::clone(&view);
            let asked = tokio::spawn(async move {
                asking.fresh().await.unwrap();
                asking.root().revision()
            });
            tokio::task::yield_now().await;
            script.speaks();
            assert!(asked.await.unwrap() >= revision);
        }
        assert!(paths(&view).contains(&path), "{path}");
    }
    view.close().await;
}

#[tokio::test]
async fn whoever_asks_while_an_answer_is_under_way_does_not_share_it() {
    let script = Script::new();
    let view = Arc::new(open(&script).await);
    let mut asked = script.asked.subscribe();
    let ask = || {
        let view = Arc::clone(&view);
        tokio::spawn(async move { view.fresh().await })
    };
    script.dawdles.send_replace(true);
    script.is_silent();
    let early = ask();
    asked.wait_for(|times| *times == 1).await.unwrap();
    // The answer is from before this, and whoever asks now has to see it.
    script.others_write("s/c/o", Some(value("o", 1)));
    let late = ask();
    tokio::task::yield_now().await;
    script.dawdles.send_replace(false);
    early.await.unwrap().unwrap();
    let again = asked.wait_for(|times| *times == 2);
    let again = tokio::time::timeout(Duration::from_secs(10), again).await;
    assert!(again.is_ok(), "the late one was given the answer of the early one");
    drop(again);
    assert!(!late.is_finished());
    script.speaks();
    late.await.unwrap().unwrap();
    assert_eq!(paths(&view), ["s/c/o"]);
    view.close().await;
}

#[tokio::test]
async fn a_loser_is_told_what_the_store_has() {
    let script = Script::new();
    let view = open(&script).await;
    script.is_silent();
    let theirs = script.others_write("s/c/o", Some(value("o", 2)));
    let (lost, ()) = tokio::join!(create(&view, "s/c/o", 1), async {
        tokio::task::yield_now().await;
        script.speaks();
    });
    let Err(CommitError::Lost(Some(there))) = lost else { panic!("{lost:?}") };
    assert_eq!(there.revision(), theirs);
    view.close().await;
}

#[tokio::test]
async fn a_write_without_an_answer_was_made_if_it_is_told_and_is_made_once() {
    let script = Script::new();
    let view = open(&script).await;
    script.mumbles.store(true, Ordering::SeqCst);
    let made = create(&view, "s/c/made", 1).await.unwrap();
    assert_eq!(made.new.map(|it| it.revision()), Some(made.revision));
    // Of this one nobody is told in time.
    script.is_silent();
    let unknown = create(&view, "s/c/unknown", 1).await;
    assert!(matches!(unknown, Err(CommitError::Unknown(_))), "{unknown:?}");
    script.speaks();
    view.fresh().await.unwrap();
    assert_eq!(paths(&view), ["s/c/made", "s/c/unknown"]);
    assert_eq!(script.state.lock().log.len(), 2);
    view.close().await;
}

#[tokio::test]
async fn what_came_and_went_before_the_store_settled_is_told_to_who_watches() {
    let script = Script::new();
    let view = open(&script).await;
    let start = create(&view, "s/c/stays", 1).await.unwrap().revision;
    let mut early = view.watch(&kind(), everything(), start).unwrap();
    script.is_silent();
    script.others_write("s/c/passes", Some(value("passes", 1)));
    let settled = script.others_write("s/c/passes", None);
    script.settles.send_replace(settled);
    view.fresh().await.unwrap();
    assert_eq!((paths(&view), view.root().revision()), (vec!["s/c/stays".to_owned()], start));
    // Nobody who watches is told that nothing happened.
    let mut found = Vec::new();
    assert_eq!(early.take(10, &mut found), Ok(Progress::CaughtUp(start)));
    // Nor is it said what there was between: who asks for just that waits.
    assert!(view.root().snapshot_at(&kind(), settled).is_err());
    // Who was at that revision elsewhere goes on from there.
    let mut late = view.watch(&kind(), everything(), settled).unwrap();
    assert_eq!(late.take(10, &mut found), Ok(Progress::CaughtUp(settled)));
    assert!(found.is_empty());
    assert!(view.watch(&kind(), everything(), settled.next()).is_err());

    script.speaks();
    let next = create(&view, "s/c/next", 1).await.unwrap().revision;
    early.take(10, &mut found).unwrap();
    let told: Vec<_> = found.iter().map(|it| (&*it.path, it.new.is_some())).collect();
    assert_eq!(told, [("s/c/passes", true), ("s/c/passes", false), ("s/c/next", true)]);
    found.clear();
    assert_eq!(late.take(10, &mut found), Ok(Progress::CaughtUp(next)));
    assert_eq!(found.iter().map(|it| it.revision).collect::<Vec<_>>(), [next]);
    view.close().await;
}

#[tokio::test]
async fn after_a_gap_everything_is_read_anew_and_who_watched_has_expired() {
    let script = Script::new();
    let view = open(&script).await;
    for name in ["deleted", "kept"] {
        create(&view, &format!("s/c/{name}"), 1).await.unwrap();
    }
    let before = view.root();
    let mut waiting = view.watch(&kind(), everything(), before.revision()).unwrap();
    let mut found = Vec::new();
    waiting.take(10, &mut found).unwrap();
    script.is_silent();
    script.others_write("s/c/deleted", None);
    script.others_write("s/c/new", Some(value("new", 1)));
    script.forgets.send_replace(true);
    waiting.published().await;
    assert!(waiting.take(10, &mut found).is_err());
    assert!(found.is_empty());
    script.speaks();
    view.fresh().await.unwrap();
    assert_eq!(paths(&view), ["s/c/kept", "s/c/new"]);
    assert!(view.watch(&kind(), everything(), before.revision()).is_err());
    assert!(view.root().snapshot_at(&kind(), before.revision()).is_err());
    let gone = view.gone(&kind(), &everything().scope, Recall::Lost);
    assert_eq!(gone, ["s/c/deleted".into()]);
    // From then on it goes on as before.
    let now = view.root().revision();
    let mut watch = view.watch(&kind(), everything(), now).unwrap();
    create(&view, "s/c/next", 1).await.unwrap();
    watch.take(10, &mut found).unwrap();
    assert_eq!(found.len(), 1);
    view.close().await;
}

#[tokio::test]
async fn a_store_that_went_back_says_nothing_about_the_newest_until_it_is_read_anew() {
    let script = Script::new();
    let view = open(&script).await;
    let mut replaced = view.replaced();
    for name in ["kept", "lost"] {
        create(&view, &format!("s/c/{name}"), 1).await.unwrap();
    }
    {
        let mut state = script.state.lock();
        state.revision -= 1;
        state.log.pop();
        state.values.retain(|_, (revision, _)| revision.0 == 1);
    }
    let stale = view.fresh().await.unwrap_err();
    assert!(stale.to_string().contains("older state"), "{stale}");
    assert!(!replaced.has_changed().unwrap());
    script.forgets.send_replace(true);
    replaced.changed().await.unwrap();
    view.fresh().await.unwrap();
    assert_eq!(paths(&view), ["s/c/kept"]);
    view.close().await;
}

#[tokio::test]
async fn what_cannot_be_understood_is_left_out_and_counted() {
    let script = Script::new();
    script.others_write("s/c/broken", Some("nonsense".to_owned()));
    script.others_write("s/poisoned", Some(value("poisoned", 1)));
    script.others_write("s/c/pretty", Some("{ \"metadata\": {}, \"apiVersion\": \"v1\" }".into()));
    let view = open(&script).await;
    assert_eq!((paths(&view), view.stats().strange()), (vec!["s/c/pretty".to_owned()], 2));
    script.others_write("s/c/pretty", Some("k8s:enc:aescbc:v1:key:…".to_owned()));
    view.fresh().await.unwrap();
    assert_eq!((paths(&view).len(), view.stats().strange()), (0, 3));
    script.others_write("s/c/pretty", None);
    script.others_write("s/c/broken", Some(value("broken", 1)));
    script.others_write("s/poisoned", None);
    view.fresh().await.unwrap();
    assert_eq!((paths(&view), view.stats().strange()), (vec!["s/c/broken".to_owned()], 0));
    view.close().await;

    script.others_write("s/c/secret", Some("k8s:enc:aescbc:v1:key:…".to_owned()));
    let options = Options {
        history_bytes: 0,
        history_millis: 0,
        memory_limit: None,
        kinds: Vec::new(),
        clock: || 0,
        serve: serve_placed,
    };
    let refused = View::open(script, Keyspace::new("/cache"), options, None).await.unwrap_err();
    assert!(matches!(&refused, OpenError::Encrypted { key } if key.ends_with("s/c/secret")));
}
