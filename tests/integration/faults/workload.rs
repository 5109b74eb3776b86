//! Clients that write and read a few objects through any replica, and watchers that
//! write down what they are told.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use super::history::{Action, Operation, Outcome, Stored};
use super::told::{Event, Kind, Listed, Objects, Run};
use crate::support::{APIEXPORTS, Answer, Client, PATIENCE, Request, api_export, at, eventually};

/// How many clients write and read.
pub const CLIENTS: usize = 6;

/// How many watchers there are: one a replica that stays there, others that move.
pub const WATCHERS: usize = 5;

/// How many objects are written at a time, so that clients get in each other's way.
const KEYS: usize = 4;

/// After how many operations others are written instead: the search for an order grows
/// with the history of one.
const OPERATIONS_A_KEY: usize = 300;

/// How long a client thinks between two operations, in milliseconds at most.
const THINKS: u64 = 40;

/// How long it waits, at most, before one of so many next pages: some are overtaken.
const DAWDLES: (u64, u32) = (4000, 10);

/// How long a watcher waits before it comes back.
const COMES_BACK: Duration = Duration::from_millis(50);

/// The object that is written last.
pub const LAST: &str = "the-last-one";

/// What all of them share.
#[derive(Default)]
pub struct Notes {
    pub operations: Mutex<Vec<(String, Operation)>>,
    pub lists: Mutex<Vec<Listed>>,
    pub runs: Mutex<Vec<Run>>,
    /// Answers that nothing explains.
    pub strange: Mutex<Vec<String>>,
    pub streams: AtomicUsize,
    pub lists_anew: AtomicUsize,
    pub pages: AtomicUsize,
    pub pages_expired: AtomicUsize,
    begun: AtomicUsize,
    /// How many watchers have listed: nobody writes before they all have.
    listed: AtomicUsize,
    /// Clients are to stop.
    pub stop: AtomicBool,
    /// The last object is there: watchers are to come to it.
    pub ended: AtomicBool,
}

pub fn exports() -> String {
    at("amber", "acme", APIEXPORTS)
}

fn path(name: &str) -> String {
    format!("{}/{name}", exports())
}

fn revision(value: &Value) -> u64 {
    value["metadata"]["resourceVersion"].as_str().and_then(|it| it.parse().ok()).unwrap_or(0)
}

fn stored(object: &Value) -> Stored {
    let value = object["spec"]["value"].as_str().unwrap_or("?").to_owned();
    Stored { revision: revision(object), value }
}

fn objects(list: &Value) -> Objects {
    let items = list["items"].as_array().into_iter().flatten();
    let name = |it: &Value| it["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    items.map(|it| (name(it), stored(it))).collect()
}

impl Notes {
    fn note_strange(&self, what: String) {
        self.strange.lock().push(what);
    }
}

/// A client that writes and reads.
pub struct Worker<'a> {
    pub number: usize,
    pub clients: Vec<Client>,
    pub notes: &'a Notes,
    pub begin: Instant,
    pub random: StdRng,
    /// What it last saw of each object.
    seen: HashMap<String, Value>,
    written: usize,
}

impl<'a> Worker<'a> {
    pub fn new(
        number: usize,
        clients: Vec<Client>,
        notes: &'a Notes,
        begin: Instant,
        seed: u64,
    ) -> Self {
        let random = StdRng::seed_from_u64(seed ^ (number as u64 + 1) << 32);
        Self { number, clients, notes, begin, random, seen: HashMap::new(), written: 0 }
    }

    /// Works until it is told to stop.
    pub fn run(mut self) {
        eventually("watchers that have listed", || {
            (self.notes.listed.load(Ordering::Relaxed) >= WATCHERS).then_some(())
        });
        while !self.notes.stop.load(Ordering::Relaxed) {
            let begun = self.notes.begun.fetch_add(1, Ordering::Relaxed);
            let epoch = begun / (KEYS * OPERATIONS_A_KEY);
            let name = format!("o{epoch}-{}", self.random.random_range(0..KEYS));
            let replica = self.random.random_range(0..self.clients.len());
            match self.random.random_range(0..100) {
                0..30 => self.read(&name, replica),
                30..40 => self.list(epoch, replica),
                40..44 => self.pages(),
                44..58 => self.create(&name, replica),
                58..80 => self.update(&name, replica),
                80..88 => self.patch(&name, replica),
                _ => self.delete(&name, replica),
            }
            let millis = self.random.random_range(0..=THINKS);
            std::thread::sleep(Duration::from_millis(millis));
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_micros()).unwrap()
    }

    fn new_value(&mut self) -> String {
        self.written += 1;
        format!("v{}-{}", self.number, self.written)
    }

    /// Asks, and notes what the answer means; `judge` knows what is special to it.
    fn ask(
        &mut self,
        name: &str,
        replica: usize,
        action: Action,
        request: &Request,
        judge: impl Fn(&Answer) -> Option<Outcome>,
    ) -> Option<Answer> {
        let asked = self.now();
        let answer = self.clients[replica].try_send(request);
        let answered = self.now();
        let outcome = match &answer {
            // It is not known how far it came.
            Err(_) => Outcome::Maybe,
            Ok(answer) => judge(answer).unwrap_or_else(|| match answer.status {
                404 => Outcome::Missing,
                409 => Outcome::Conflict,
                // Nothing was done, as it says.
                429 | 503 => Outcome::Failed,
                504 => Outcome::Maybe,
                _ => {
                    self.notes.note_strange(format!("{action:?} of {name}: {answer}"));
                    Outcome::Maybe
                }
            }),
        };
        let client = self.number;
        let operation = Operation { client, replica, action, outcome, asked, answered };
        self.notes.operations.lock().push((name.to_owned(), operation));
        answer.ok()
    }

    fn saw(&mut self, name: &str, answer: Option<Answer>) {
        if let Some(answer) = answer.filter(|it| matches!(it.status, 200 | 201)) {
            self.seen.insert(name.to_owned(), answer.json());
        }
    }

    fn read(&mut self, name: &str, replica: usize) {
        let request = Request::new("GET", path(name));
        let judge = |answer: &Answer| {
            (answer.status == 200).then(|| Outcome::Found(stored(&answer.json())))
        };
        let answer = self.ask(name, replica, Action::Read, &request, judge);
        self.saw(name, answer);
    }

    /// A list is a read of each object at the same time.
    fn list(&mut self, epoch: usize, replica: usize) {
        let asked = self.now();
        let answer = self.clients[replica].try_send(&Request::new("GET", exports()));
        let answered = self.now();
        let Ok(answer) = answer else { return };
        match answer.status {
            200 => {}
            429 | 503 | 504 => return,
            _ => return self.notes.note_strange(format!("a list: {answer}")),
        }
        let list = answer.json();
        let objects = objects(&list);
        let client = self.number;
        let mut operations = self.notes.operations.lock();
        for name in (0..KEYS).map(|it| format!("o{epoch}-{it}")) {
            let outcome = objects.get(&name).cloned().map_or(Outcome::Missing, Outcome::Found);
            let action = Action::Read;
            operations
                .push((name, Operation { client, replica, action, outcome, asked, answered }));
        }
        drop(operations);
        for item in list["items"].as_array().into_iter().flatten() {
            let name = item["metadata"]["name"].as_str().unwrap_or_default();
            let mut item = item.clone();
            item["apiVersion"] = json!("apis.kcp.io/v1alpha1");
            item["kind"] = json!("APIExport");
            self.seen.insert(name.to_owned(), item);
        }
        self.notes.lists.lock().push(Listed { at: revision(&list), objects });
    }

    /// Pages are one list, through whichever replica, unless they are overtaken: then the
    /// token goes on all the same.
    fn pages(&mut self) {
        let mut all = Objects::new();
        let mut at = None;
        let mut token = String::new();
        loop {
            let target = format!("{}?limit=2&continue={token}", exports());
            let target = if token.is_empty() { format!("{}?limit=2", exports()) } else { target };
            let replica = self.random.random_range(0..self.clients.len());
            let answer = self.clients[replica].try_send(&Request::new("GET", target));
            let Ok(answer) = answer else { return };
            match answer.status {
                200 => {}
                429 | 503 | 504 => return,
                410 if !token.is_empty() => {
                    self.notes.pages_expired.fetch_add(1, Ordering::Relaxed);
                    at = Some(0);
                    answer.json()["metadata"]["continue"].as_str().unwrap().clone_into(&mut token);
                    continue;
                }
                _ => return self.notes.note_strange(format!("a page: {answer}")),
            }
            let page = answer.json();
            self.notes.pages.fetch_add(1, Ordering::Relaxed);
            let here = revision(&page);
            if *at.get_or_insert(here) != here && at != Some(0) {
                let what = format!("a page at {here} of a list at {at:?}");
                self.notes.note_strange(what);
            }
            all.extend(objects(&page));
            page["metadata"]["continue"].as_str().unwrap_or_default().clone_into(&mut token);
            if token.is_empty() {
                break;
            }
            let long = self.random.random_ratio(1, DAWDLES.1);
            let millis = self.random.random_range(0..=if long { DAWDLES.0 } else { THINKS });
            std::thread::sleep(Duration::from_millis(millis));
        }
        if let Some(at) = at.filter(|it| *it > 0) {
            self.notes.lists.lock().push(Listed { at, objects: all });
        }
    }

    fn create(&mut self, name: &str, replica: usize) {
        let value = self.new_value();
        let mut object = api_export(name);
        object["spec"]["value"] = json!(value);
        let request = Request::new("POST", exports()).json(&object);
        let answer = self.ask(name, replica, Action::Create(value), &request, made(201));
        self.saw(name, answer);
    }

    fn update(&mut self, name: &str, replica: usize) {
        let Some(mut object) = self.seen.get(name).cloned() else {
            return self.read(name, replica);
        };
        let (at, value) = (revision(&object), self.new_value());
        object["spec"]["value"] = json!(value);
        let request = Request::new("PUT", path(name)).json(&object);
        let answer = self.ask(name, replica, Action::Update(at, value), &request, made(200));
        if answer.as_ref().is_some_and(|it| it.status == 409) {
            self.seen.remove(name);
        }
        self.saw(name, answer);
    }

    fn patch(&mut self, name: &str, replica: usize) {
        let value = self.new_value();
        let request = Request::new("PATCH", path(name))
            .header("Content-Type", "application/merge-patch+json")
            .json(&json!({"spec": {"value": value}}));
        // It lost too often against others.
        let judge = |answer: &Answer| match answer.status {
            409 => Some(Outcome::Failed),
            _ => made(200)(answer),
        };
        let answer = self.ask(name, replica, Action::Patch(value), &request, judge);
        self.saw(name, answer);
    }

    fn delete(&mut self, name: &str, replica: usize) {
        let judge = |answer: &Answer| match answer.status {
            200 => Some(Outcome::Deleted),
            409 => Some(Outcome::Failed),
            _ => None,
        };
        let request = Request::new("DELETE", path(name));
        self.ask(name, replica, Action::Delete, &request, judge);
    }
}

fn made(status: u16) -> impl Fn(&Answer) -> Option<Outcome> {
    move |answer| (answer.status == status).then(|| Outcome::Made(revision(&answer.json())))
}

/// Somebody who watches everything, as an informer does: a list, and what comes after it,
/// over as many connections as it takes.
pub struct Watcher<'a> {
    pub number: usize,
    /// One that has several moves from one to the other.
    pub clients: Vec<Client>,
    pub notes: &'a Notes,
    pub random: StdRng,
}

impl Watcher<'_> {
    /// Watches until it has seen the last object.
    pub fn run(mut self) {
        let mut run: Option<Run> = None;
        let mut ending: Option<Instant> = None;
        loop {
            let ended = self.notes.ended.load(Ordering::Relaxed);
            if ended && ending.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                let number = self.number;
                self.notes.note_strange(format!("watcher {number} never saw the last object"));
                break;
            }
            let Some(current) = &mut run else {
                run = self.list();
                if run.is_some() {
                    self.notes.listed.fetch_add(1, Ordering::Relaxed);
                }
                continue;
            };
            match self.watch(current) {
                Next::Resume => std::thread::sleep(COMES_BACK),
                Next::ListAnew => {
                    self.notes.lists_anew.fetch_add(1, Ordering::Relaxed);
                    self.notes.runs.lock().extend(run.take());
                }
                Next::End => break,
            }
        }
        self.notes.runs.lock().extend(run);
    }

    fn list(&mut self) -> Option<Run> {
        let client = self.clients.choose(&mut self.random)?;
        let answer = client.try_send(&Request::new("GET", exports()));
        let Some(answer) = answer.ok().filter(|it| it.status == 200) else {
            std::thread::sleep(COMES_BACK);
            return None;
        };
        let list = answer.json();
        let (listed, listed_at) = (objects(&list), revision(&list));
        let watcher = self.number;
        Some(Run { watcher, listed, listed_at, events: Vec::new(), reached: listed_at })
    }

    fn watch(&mut self, run: &mut Run) -> Next {
        if run.listed.contains_key(LAST) {
            return Next::End;
        }
        let Some(client) = self.clients.choose(&mut self.random) else { return Next::End };
        let seconds = if self.clients.len() > 1 { 2 } else { 10 };
        let target = format!(
            "{}?watch=true&allowWatchBookmarks=true&timeoutSeconds={seconds}&resourceVersion={}",
            exports(),
            run.reached
        );
        let watch = match client.try_watch(&Request::new("GET", target)) {
            Ok(Ok(watch)) => watch,
            Ok(Err(answer)) if matches!(answer.status, 429 | 503 | 504) => return Next::Resume,
            Ok(Err(answer)) => {
                self.notes.note_strange(format!("a watch: {answer}"));
                return Next::Resume;
            }
            Err(_) => return Next::Resume,
        };
        self.notes.streams.fetch_add(1, Ordering::Relaxed);
        self.follow(run, watch)
    }

    fn follow(&self, run: &mut Run, mut watch: crate::support::Watch) -> Next {
        loop {
            let Ok(Some(told)) = watch.try_next() else { return Next::Resume };
            let (kind, object) = (told["type"].as_str().unwrap_or_default(), &told["object"]);
            let kind = match kind {
                "ADDED" => Kind::Added,
                "MODIFIED" => Kind::Modified,
                "DELETED" => Kind::Deleted,
                "BOOKMARK" => {
                    run.reached = run.reached.max(revision(object));
                    continue;
                }
                "ERROR" if object["code"] == 410 => return Next::ListAnew,
                _ => {
                    self.notes.note_strange(format!("a watch was told {told}"));
                    return Next::Resume;
                }
            };
            let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let ends = name == LAST;
            let object = stored(object);
            run.reached = run.reached.max(object.revision);
            run.events.push(Event { kind, name, object });
            if ends {
                return Next::End;
            }
        }
    }
}

/// What a watcher does next.
enum Next {
    Resume,
    ListAnew,
    End,
}

/// How many operations had which outcome, by what was wanted.
pub fn count(operations: &[(String, Operation)]) -> BTreeMap<&'static str, [usize; 4]> {
    let mut counts: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    for (_, operation) in operations {
        let kind = match operation.action {
            Action::Create(_) => "create",
            Action::Update(..) => "update",
            Action::Patch(_) => "patch",
            Action::Delete => "delete",
            Action::Read => "read",
        };
        let column = match operation.outcome {
            Outcome::Made(_) | Outcome::Deleted | Outcome::Found(_) => 0,
            Outcome::Missing | Outcome::Conflict => 1,
            Outcome::Failed => 2,
            Outcome::Maybe => 3,
        };
        counts.entry(kind).or_default()[column] += 1;
    }
    counts
}

/// How long, in seconds, no read of the newest and no write succeeded through any server.
pub fn longest_waits(operations: &[(String, Operation)]) -> [(&'static str, f64); 2] {
    [("a read", true), ("a write", false)].map(|(what, reads)| {
        let done = operations.iter().map(|(_, it)| it).filter(|it| match it.outcome {
            Outcome::Found(_) | Outcome::Missing => reads && matches!(it.action, Action::Read),
            Outcome::Made(_) | Outcome::Deleted => !reads,
            _ => false,
        });
        let mut ends: Vec<u64> = done.map(|it| it.answered).collect();
        ends.sort_unstable();
        let longest = ends.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default();
        (what, Duration::from_micros(longest).as_secs_f64())
    })
}

/// A list as it was answered.
pub fn listed(list: &Value) -> Listed {
    Listed { at: revision(list), objects: objects(list) }
}

/// The write of the last object, which nobody waited for.
pub fn the_last() -> (String, Operation) {
    let (action, outcome) = (Action::Create(LAST.to_owned()), Outcome::Maybe);
    let (asked, answered) = (0, 0);
    (LAST.to_owned(), Operation { client: CLIENTS, replica: 0, action, outcome, asked, answered })
}
