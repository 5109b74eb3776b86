//! What was answered is kept: through a kill under load, and without a sync for each write.

use std::collections::{BTreeMap, HashMap};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::{APIEXPORTS, Client, Request, Server, api_export, at, eventually};

/// What is known of an object: its spec, or that it is gone.
type State = Option<u64>;

/// What a writer was told, and the change it was not told about: either may be true.
#[derive(Default)]
struct Memory {
    acknowledged: HashMap<String, State>,
    pending: Option<(String, State)>,
}

impl Memory {
    /// Sends a change and remembers it; false once the server is gone.
    fn change(&mut self, client: &Client, request: &Request, name: &str, state: State) -> bool {
        self.pending = Some((name.to_owned(), state));
        let Ok(answer) = client.try_send(request) else { return false };
        assert!(matches!(answer.status, 200 | 201), "{answer}");
        self.acknowledged.insert(name.to_owned(), state);
        self.pending = None;
        true
    }
}

/// Creates, changes and deletes objects until the server is gone.
fn write_until_killed(client: &Client, exports: &str, done: &AtomicUsize) -> Memory {
    let mut memory = Memory::default();
    for number in 0_u64.. {
        let name = format!("it-{number}");
        let path = format!("{exports}/{name}");
        let with = |spec: u64, revision: Option<&Value>| {
            let mut object = api_export(&name);
            object["spec"] = json!({"number": spec});
            if let Some(revision) = revision {
                object["metadata"]["resourceVersion"] = revision.clone();
            }
            object
        };
        let create = Request::new("POST", exports).json(&with(1, None));
        if !memory.change(client, &create, &name, Some(1)) {
            break;
        }
        let Ok(read) = client.try_send(&Request::new("GET", &path)) else { break };
        let revision = read.json()["metadata"]["resourceVersion"].clone();
        let update = Request::new("PUT", &path).json(&with(2, Some(&revision)));
        if !memory.change(client, &update, &name, Some(2)) {
            break;
        }
        if number % 3 == 0 && !memory.change(client, &Request::new("DELETE", &path), &name, None) {
            break;
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
    memory
}

/// Every object by its place, as JSON, and the revision at which it is so.
fn everything(client: &Client) -> (BTreeMap<String, Value>, String) {
    let list = client.get(at("*", "*", APIEXPORTS)).object(200);
    let items = list["items"].as_array().unwrap();
    let objects = items.iter().map(|it| (place(it), it.clone())).collect();
    (objects, list["metadata"]["resourceVersion"].as_str().unwrap().to_owned())
}

fn place(object: &Value) -> String {
    let metadata = &object["metadata"];
    format!("{}/{}", metadata["annotations"]["kcp.io/cluster"], metadata["name"])
}

/// What a watcher knows that had `objects` at `revision` and came back after the kill.
fn caught_up(
    client: &Client,
    mut objects: BTreeMap<String, Value>,
    revision: &str,
    marker: &Value,
) -> BTreeMap<String, Value> {
    let target = at("*", "*", APIEXPORTS);
    let mut watch = client.watch(format!("{target}?watch=true&resourceVersion={revision}"));
    loop {
        let mut event = watch.next();
        let object = event["object"].take();
        let place = place(&object);
        let is_marker = object == *marker;
        let known = objects.contains_key(&place);
        match event["type"].as_str().unwrap() {
            "ADDED" if !known => _ = objects.insert(place, object),
            "MODIFIED" if known => _ = objects.insert(place, object),
            "DELETED" if known => _ = objects.remove(&place),
            kind => panic!("{kind} of {place}, which was there: {known}"),
        }
        if is_marker {
            return objects;
        }
    }
}

#[test]
fn a_kill_under_load_loses_nothing_that_was_acknowledged_and_no_watch_an_event() {
    const ROUNDS: usize = 50;
    const WRITERS: usize = 8;
    const ENOUGH: usize = 40;
    let mut server = Server::start();
    for round in 0..ROUNDS {
        let (before, revision) = everything(&server.admin());
        let done = AtomicUsize::new(0);
        let places: Vec<String> =
            (0..WRITERS).map(|it| at("amber", &format!("kill-{round}-{it}"), APIEXPORTS)).collect();
        let clients: Vec<Client> = places.iter().map(|_| server.admin()).collect();
        let memories: Vec<Memory> = std::thread::scope(|scope| {
            let writers: Vec<_> = clients
                .iter()
                .zip(&places)
                .map(|(client, place)| scope.spawn(|| write_until_killed(client, place, &done)))
                .collect();
            eventually("enough writes", || (done.load(Ordering::Relaxed) >= ENOUGH).then_some(()));
            server.kill();
            writers.into_iter().map(|it| it.join().unwrap()).collect()
        });
        server.start_again();
        assert!(!server.said().contains("lost"), "kill {round}: {}", server.said());
        let client = server.admin();
        for (place, memory) in places.iter().zip(&memories) {
            check(&client, place, memory);
        }
        let marker = at("amber", "markers", APIEXPORTS);
        let marker = client.post(marker, &api_export(&format!("round-{round}"))).object(201);
        let told = caught_up(&client, before, &revision, &marker);
        assert!(told == everything(&client).0, "a watch over kill {round} does not add up");
    }
}

/// Compares what a cluster holds with what its writer remembers.
fn check(client: &Client, exports: &str, memory: &Memory) {
    let list = client.get(exports).object(200);
    let name = |it: &Value| it["metadata"]["name"].as_str().unwrap().to_owned();
    let spec = |it: &Value| it["spec"]["number"].as_u64();
    let stored: HashMap<String, State> =
        list["items"].as_array().unwrap().iter().map(|it| (name(it), spec(it))).collect();
    for (name, state) in &memory.acknowledged {
        let found = stored.get(name).copied().flatten();
        let pending = memory.pending.as_ref().filter(|(it, _)| it == name).map(|(_, to)| *to);
        assert!(
            found == *state || Some(found) == pending,
            "{exports}/{name}: acknowledged {state:?}, pending {pending:?}, found {found:?}"
        );
    }
    for name in stored.keys() {
        let is_known = memory.acknowledged.contains_key(name)
            || memory.pending.as_ref().is_some_and(|(it, _)| it == name);
        assert!(is_known, "{exports}/{name} came from nowhere");
    }
}

#[test]
fn many_writers_share_syncs() {
    const WRITERS: usize = 64;
    const EACH: usize = 5;
    let server = Server::start();
    let counted = || {
        let writes = server.metric("kcpctl_store_writes_total");
        (writes, server.metric("kcpctl_store_syncs_total"))
    };
    let (writes_before, syncs_before) = counted();
    let all_at_once = Barrier::new(WRITERS);
    let credentials = server.credentials("writer", &["system:masters"]);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (server, all_at_once, credentials) = (&server, &all_at_once, &credentials);
            scope.spawn(move || {
                let client = server.client_with(Some(credentials));
                let exports = at("amber", &format!("syncs-{writer}"), APIEXPORTS);
                // The handshake is over before anybody writes.
                client.get(&exports).object(200);
                all_at_once.wait();
                for number in 0..EACH {
                    client.post(&exports, &api_export(&format!("it-{number}"))).object(201);
                }
            });
        }
    });
    let (writes, syncs) = counted();
    let (writes, syncs) = (writes - writes_before, syncs - syncs_before);
    let expected = f64::from(u32::try_from(WRITERS * EACH).unwrap());
    assert!((writes - expected).abs() < 0.5, "{writes} writes were counted, {expected} made");
    assert!(syncs >= 1.0 && syncs < writes, "{syncs} syncs for {writes} writes");
}
