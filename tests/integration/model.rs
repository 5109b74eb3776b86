//! Random operations against a simple model, on every store, with restarts in between.
//!
//! The model is what a reader of the Kubernetes API believes: a map of objects and the list
//! of everything that happened to them. Each answer must be what the model says, each list
//! the model at its revision, each watch the rest of what happened.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::support::{APIEXPORTS, Client, Request, Server, api_export, at};

/// Operations in one run.
const OPERATIONS: usize = 600;

/// Operations between two restarts.
const PER_LIFE: usize = 60;

const SHARDS: [&str; 2] = ["amber", "beryl"];
const CLUSTERS: [&str; 2] = ["acme", "root"];
const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const COLOURS: [&str; 2] = ["blue", "red"];

/// Where an object is, in the order of lists.
type Place = (String, String, String);

/// One thing that happened.
struct Event {
    place: Place,
    old: Option<Value>,
    new: Option<Value>,
    revision: u64,
}

/// What a reader believes.
#[derive(Default)]
struct Model {
    objects: BTreeMap<Place, Value>,
    events: Vec<Event>,
}

/// What a reader looks at.
struct Scope {
    shard: &'static str,
    cluster: &'static str,
    colour: Option<&'static str>,
}

fn revision(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

/// Where an object is, as it says itself.
fn place(object: &Value) -> Place {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let metadata = &object["metadata"];
    let annotated = |name: &str| text(&metadata["annotations"][name]);
    (annotated("kcp.io/shard"), annotated("kcp.io/cluster"), text(&metadata["name"]))
}

impl Scope {
    fn any(random: &mut StdRng) -> Self {
        let shard = ["*", SHARDS[0], SHARDS[1]][random.random_range(0..3)];
        let cluster = ["*", CLUSTERS[0], CLUSTERS[1]][random.random_range(0..3)];
        let colour = [None, Some(COLOURS[0]), Some(COLOURS[1])][random.random_range(0..3)];
        Self { shard, cluster, colour }
    }

    fn target(&self, query: &str) -> String {
        let selector =
            self.colour.map_or(String::new(), |it| format!("&labelSelector=colour={it}"));
        format!("{}?{query}{selector}", at(self.shard, self.cluster, APIEXPORTS))
    }

    fn has(&self, place: &Place, object: &Value) -> bool {
        let is = |wanted: &str, part: &str| wanted == "*" || wanted == part;
        is(self.shard, &place.0)
            && is(self.cluster, &place.1)
            && self.colour.is_none_or(|it| object["metadata"]["labels"]["colour"] == *it)
    }

    /// What a watch in this scope tells of `event`.
    fn tells(&self, event: &Event) -> Option<(&'static str, Value)> {
        let seen = |object: &Option<Value>| object.clone().filter(|it| self.has(&event.place, it));
        match (seen(&event.old), seen(&event.new)) {
            (None, None) => None,
            (None, Some(new)) => Some(("ADDED", new)),
            (Some(_), Some(new)) => Some(("MODIFIED", new)),
            (Some(mut old), None) => {
                old["metadata"]["resourceVersion"] = json!(event.revision.to_string());
                Some(("DELETED", old))
            }
        }
    }
}

impl Model {
    /// Notes what the server says has become of an object.
    fn set(&mut self, place: &Place, new: Option<Value>, revision: u64) {
        let last = self.events.last().map_or(0, |it| it.revision);
        assert!(revision > last, "revision {revision} was given after {last}");
        let old = match &new {
            Some(object) => self.objects.insert(place.clone(), object.clone()),
            None => self.objects.remove(place),
        };
        self.events.push(Event { place: place.clone(), old, new, revision });
    }

    fn in_scope(&self, scope: &Scope) -> Vec<Value> {
        let objects = self.objects.iter().filter(|(place, object)| scope.has(place, object));
        objects.map(|(_, object)| object.clone()).collect()
    }

    /// What there was at a revision.
    fn at(&self, revision: u64) -> Self {
        let mut model = Self::default();
        for event in self.events.iter().take_while(|it| it.revision <= revision) {
            match &event.new {
                Some(object) => _ = model.objects.insert(event.place.clone(), object.clone()),
                None => _ = model.objects.remove(&event.place),
            }
        }
        model
    }
}

/// One run: a server, what is believed of it, and chance.
struct Run {
    server: Server,
    client: Client,
    model: Model,
    random: StdRng,
}

impl Run {
    fn place(&mut self) -> Place {
        let mut pick = |from: &[&str]| from[self.random.random_range(0..from.len())].to_owned();
        (pick(&SHARDS), pick(&CLUSTERS), pick(&NAMES))
    }

    fn coloured(&mut self, name: &str) -> Value {
        let mut object = api_export(name);
        let colour = COLOURS[self.random.random_range(0..COLOURS.len())];
        object["metadata"]["labels"] = json!({"colour": colour});
        object["spec"] = json!({"number": self.random.random_range(0..3)});
        object
    }

    fn create(&mut self) {
        let place = self.place();
        let object = self.coloured(&place.2);
        let answer = self.client.post(at(&place.0, &place.1, APIEXPORTS), &object);
        if self.model.objects.contains_key(&place) {
            assert_eq!(answer.refusal().1, "AlreadyExists");
        } else {
            let created = answer.object(201);
            assert_eq!(created["spec"], object["spec"]);
            self.model.set(&place, Some(created.clone()), revision(&created));
        }
    }

    fn update(&mut self) {
        let place = self.place();
        let mut object = self.coloured(&place.2);
        let stored = self.model.objects.get(&place).map(revision);
        let stale = self.random.random_range(0..4) == 0;
        let known = stored.unwrap_or(1) - u64::from(stale);
        object["metadata"]["resourceVersion"] = json!(known.to_string());
        let target = format!("{}/{}", at(&place.0, &place.1, APIEXPORTS), place.2);
        let answer = self.client.put(&target, &object);
        match stored {
            None => assert_eq!(answer.status, 404, "{answer}"),
            Some(_) if stale => assert_eq!(answer.refusal().1, "Conflict"),
            Some(_) => {
                let changed = answer.object(200);
                let now = &changed["metadata"]["resourceVersion"];
                object["metadata"]["resourceVersion"] = now.clone();
                self.changed(&Request::new("PUT", target).json(&object), &changed, &object);
            }
        }
    }

    fn patch(&mut self) {
        let place = self.place();
        let patch = self.coloured(&place.2);
        let target = format!("{}/{}", at(&place.0, &place.1, APIEXPORTS), place.2);
        let request = Request::new("PATCH", target)
            .header("Content-Type", "application/merge-patch+json")
            .json(&patch);
        let answer = self.client.send(&request);
        if self.model.objects.contains_key(&place) {
            self.changed(&request, &answer.object(200), &patch);
        } else {
            assert_eq!(answer.status, 404, "{answer}");
        }
    }

    /// An object is as it was told to be; the same again is no change.
    fn changed(&mut self, request: &Request, changed: &Value, wanted: &Value) {
        let place = place(changed);
        let stored = &self.model.objects[&place];
        assert_eq!(changed["spec"], wanted["spec"]);
        assert_eq!(changed["metadata"]["labels"], wanted["metadata"]["labels"]);
        assert_eq!(changed["metadata"]["uid"], stored["metadata"]["uid"]);
        if changed != stored {
            self.model.set(&place, Some(changed.clone()), revision(changed));
        }
        if self.random.random::<bool>() {
            assert_eq!(self.client.send(request).object(200), *changed);
        }
    }

    fn delete(&mut self) {
        let place = self.place();
        let target = format!("{}/{}", at(&place.0, &place.1, APIEXPORTS), place.2);
        let stored = self.model.objects.get(&place).cloned();
        let stale = self.random.random_range(0..4) == 0;
        let known = stored.as_ref().map_or(1, revision) - u64::from(stale);
        let options = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"resourceVersion": known.to_string()},
        });
        let answer = self.client.send(&Request::new("DELETE", target).json(&options));
        match stored {
            None => assert_eq!(answer.status, 404, "{answer}"),
            Some(_) if stale => assert_eq!(answer.refusal().1, "Conflict"),
            Some(_) => {
                answer.object(200);
                // The answer does not say at which revision; a list does.
                let now = self.client.get(at(&place.0, &place.1, APIEXPORTS)).object(200);
                self.model.set(&place, None, revision(&now));
            }
        }
    }

    fn get(&mut self) {
        let place = self.place();
        let target = format!("{}/{}", at(&place.0, &place.1, APIEXPORTS), place.2);
        let answer = self.client.get(target);
        match self.model.objects.get(&place) {
            None => assert_eq!(answer.status, 404, "{answer}"),
            Some(stored) => assert_eq!(answer.object(200), *stored),
        }
    }

    fn list(&mut self) {
        let scope = Scope::any(&mut self.random);
        let list = self.client.get(scope.target("")).object(200);
        assert_eq!(*list["items"].as_array().unwrap(), self.model.in_scope(&scope));
    }

    fn list_of_the_past(&mut self) {
        if self.model.events.is_empty() {
            return;
        }
        let scope = Scope::any(&mut self.random);
        let then = self.model.events[self.random.random_range(0..self.model.events.len())].revision;
        let query = format!("resourceVersion={then}&resourceVersionMatch=Exact");
        let list = self.client.get(scope.target(&query)).object(200);
        assert_eq!(revision(&list), then);
        assert_eq!(*list["items"].as_array().unwrap(), self.model.at(then).in_scope(&scope));
    }

    /// Reads page by page while others write, and the server is started anew.
    fn pages(&mut self) {
        let scope = Scope::any(&mut self.random);
        let expected = self.model.in_scope(&scope);
        let limit = self.random.random_range(1..4);
        let mut page = self.client.get(scope.target(&format!("limit={limit}"))).object(200);
        let then = revision(&page);
        let mut items = Vec::new();
        loop {
            items.extend_from_slice(page["items"].as_array().unwrap());
            let token = page["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
            if token.is_empty() {
                break;
            }
            self.write();
            if self.random.random_range(0..8) == 0 {
                self.restart();
            }
            let query = format!("limit={limit}&continue={token}");
            page = self.client.get(scope.target(&query)).object(200);
            assert_eq!(revision(&page), then);
        }
        assert_eq!(items, expected);
    }

    /// Watches from some time in the past, perhaps of an older life.
    fn watch(&mut self) {
        if self.model.events.is_empty() {
            return;
        }
        let scope = Scope::any(&mut self.random);
        let since =
            self.model.events[self.random.random_range(0..self.model.events.len())].revision;
        let mut watch =
            self.client.watch(scope.target(&format!("watch=true&resourceVersion={since}")));
        // Comes last, and is told in every scope that has its place and colour.
        let one = |all: &str, some: &str| if all == "*" { some } else { all }.to_owned();
        let name = format!("marker-{}", self.model.events.len());
        let place = (one(scope.shard, SHARDS[0]), one(scope.cluster, CLUSTERS[0]), name);
        let mut marker = api_export(&place.2);
        marker["metadata"]["labels"] = json!({"colour": scope.colour.unwrap_or(COLOURS[0])});
        let created = self.client.post(at(&place.0, &place.1, APIEXPORTS), &marker).object(201);
        self.model.set(&place, Some(created.clone()), revision(&created));

        let events = self.model.events.iter().filter(|it| it.revision > since);
        for (kind, object) in events.filter_map(|event| scope.tells(event)) {
            let event = watch.next();
            assert_eq!((event["type"].as_str(), &event["object"]), (Some(kind), &object));
        }
    }

    fn write(&mut self) {
        match self.random.random_range(0..10) {
            0..4 => self.create(),
            4..6 => self.update(),
            6..8 => self.patch(),
            _ => self.delete(),
        }
    }

    fn restart(&mut self) {
        if self.random.random::<bool>() {
            self.server.kill();
        } else {
            assert!(self.server.stop().success());
        }
        self.server.start_again();
        self.client = self.server.admin();
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "the harness shows it beside the failed test")]
fn a_server_does_what_a_simple_model_says() {
    let seed = std::env::var("KCPCTL_TEST_SEED").ok().and_then(|it| it.parse().ok());
    let seed: u64 = seed.unwrap_or_else(rand::random);
    println!("KCPCTL_TEST_SEED={seed}");
    let server = Server::start();
    let client = server.admin();
    let mut run =
        Run { server, client, model: Model::default(), random: StdRng::seed_from_u64(seed) };
    for operation in 1..=OPERATIONS {
        match run.random.random_range(0..20) {
            0..12 => run.write(),
            12..14 => run.get(),
            14..16 => run.list(),
            16..17 => run.list_of_the_past(),
            17..18 => run.pages(),
            _ => run.watch(),
        }
        if operation % PER_LIFE == 0 {
            run.restart();
        }
    }
}
