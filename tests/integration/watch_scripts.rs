//! Watches as scripts: what is done, and what each watch is told of it, a line an event.
//!
//! ```text
//! create apiexports/one colour=red          an object with labels, in amber/acme
//! create basalt/acme apiexports/one         in another shard or cluster
//! label apiexports/one colour=blue          its labels, all of them
//! touch apiexports/one                      an update that changes nothing
//! delete apiexports/one
//! declare things                            a user's type
//! undeclare things
//! note NAME                                 $NAME is the revision of this moment
//! watch W PATH                              begins a watch of amber/acme
//! watch W as metadata|table */* PATH        in another form, of another scope
//! W> EVENT                                  the next event, or `(end)`
//! ```
//!
//! An event is its type, what the object says it is, where it is, its name and its labels.
//! That revisions grow is checked for each watch and does not stand in the script.
//! `only kcpctl: WHY` marks a script whose events are others in the original, `only its own
//! store: WHY` one whose revisions are others on an etcd too.
//!
//! The scripts are `tests/golden/watches/*.txt`; `UPDATE_GOLDEN=1` writes what is told now
//! into lines that begin with `W>`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{
    Client, Declaring, PARTIAL, Request, Server, TABLE, Watch, at, declare, eventually,
};

const GROUP: &str = "things.example.com";

/// Runs scripts against one server.
struct Stage<'a> {
    client: &'a Client,
    /// What makes the clusters of a script its own.
    script: String,
    notes: BTreeMap<String, String>,
    watches: BTreeMap<String, Watching>,
    created: Vec<String>,
}

/// A watch, and how far it has come.
struct Watching {
    watch: Watch,
    revision: u64,
    /// Until then what there is comes in the order of names.
    is_live: bool,
}

impl Stage<'_> {
    /// Does what a line says; what the watch of an expectation was told.
    fn run(&mut self, line: &str) -> Option<String> {
        let line = line.split(" #").next().unwrap_or_default().trim();
        if let Some((name, _)) = line.split_once('>') {
            return Some(self.next(name));
        }
        let mut words = line.split_whitespace();
        let (Some(verb), Some(first)) = (words.next(), words.next()) else {
            panic!("no step: {line}");
        };
        let mut words: Vec<&str> = words.collect();
        match verb {
            "note" => {
                let everything = at("*", "*", "apis/apis.kcp.io/v1alpha1/apiexports?limit=1");
                let list = self.client.get(everything).object(200);
                let revision = list["metadata"]["resourceVersion"].as_str().unwrap();
                self.notes.insert(format!("${first}"), revision.to_owned());
            }
            "watch" => self.watch(first, &words),
            "declare" | "undeclare" => self.declare(verb == "declare"),
            _ => {
                let (place, path) = if first.matches('/').count() == 1
                    && !words.is_empty()
                    && words[0].contains('/')
                    && !words[0].contains('=')
                {
                    (first, words.remove(0))
                } else {
                    ("amber/acme", first)
                };
                self.write(verb, place, path, &words);
            }
        }
        None
    }

    fn write(&mut self, verb: &str, place: &str, path: &str, labels: &[&str]) {
        let (resource, name) = path.split_once('/').unwrap();
        let (api_version, kind) = match resource {
            "apiexports" => ("apis.kcp.io/v1alpha1", "APIExport"),
            "things" => ("things.example.com/v1", "Thing"),
            other => panic!("no such type: {other}"),
        };
        let collection = self.path(place, &format!("apis/{api_version}/{resource}"));
        let one = format!("{collection}/{name}");
        let labels: BTreeMap<&str, &str> =
            labels.iter().map(|it| it.split_once('=').unwrap()).collect();
        match verb {
            "create" => {
                let object = json!({
                    "apiVersion": api_version,
                    "kind": kind,
                    "metadata": {"name": name, "labels": labels},
                    "spec": {"some": "text"},
                });
                self.client.post(&collection, &object).object(201);
                self.created.push(one);
            }
            "label" => {
                let mut object = self.client.get(&one).object(200);
                object["metadata"]["labels"] = json!(labels);
                self.client.put(&one, &object).object(200);
            }
            "touch" => {
                // The first one may bring home the annotations of the server.
                let object = self.client.get(&one).object(200);
                self.client.put(&one, &object).object(200);
            }
            "delete" => drop(self.client.delete(&one).object(200)),
            other => panic!("no such step: {other}"),
        }
    }

    fn declare(&mut self, serves: bool) {
        let (shard, cluster) = ("amber", format!("{}-acme", self.script));
        let declaring = Declaring {
            at: (shard, &cluster),
            group: GROUP,
            identity: "1dea",
            ..Declaring::default()
        };
        if serves {
            declare(self.client, &declaring).object(201);
        } else {
            self.client.delete(declaring.path()).object(200);
        }
        eventually("the type", || {
            let status = self.client.get(declaring.collection()).status;
            (status == if serves { 200 } else { 404 }).then_some(())
        });
    }

    fn watch(&mut self, name: &str, words: &[&str]) {
        let (form, words) = match words {
            ["as", form, rest @ ..] => (*form, rest),
            rest => ("objects", rest),
        };
        let (place, path) = match words {
            [path] => ("amber/acme", *path),
            [place, path] => (*place, *path),
            _ => panic!("watch NAME [as FORM] [SHARD/CLUSTER] PATH"),
        };
        let path = self
            .notes
            .iter()
            .fold(path.to_owned(), |path, (note, revision)| path.replace(note, revision));
        let accept = match form {
            "objects" => "application/json",
            "metadata" => PARTIAL,
            "table" => TABLE,
            other => panic!("no such form: {other}"),
        };
        let target = self.path(place, &path);
        let watch = self.client.watch_with(&Request::new("GET", target).header("Accept", accept));
        let is_live = path.contains("resourceVersion=")
            && !path.contains("resourceVersion=0")
            && !path.contains("sendInitialEvents=true");
        self.watches.insert(name.to_owned(), Watching { watch, revision: 0, is_live });
    }

    /// The path below a shard and a cluster, which is this script's own.
    fn path(&self, place: &str, rest: &str) -> String {
        let (shard, cluster) = place.split_once('/').unwrap();
        match cluster {
            "*" => at(shard, "*", rest),
            cluster => at(shard, &format!("{}-{cluster}", self.script), rest),
        }
    }

    fn next(&mut self, name: &str) -> String {
        let script = format!("{}-", self.script);
        let watching = self.watches.get_mut(name).unwrap_or_else(|| panic!("no watch: {name}"));
        let event = match watching.watch.try_next() {
            Ok(Some(event)) => event,
            Ok(None) => return "(end)".to_owned(),
            Err(error) => panic!("{}.txt, {name}> {error}", self.script),
        };
        watching.check(&event);
        told(&event).replace(&script, "")
    }
}

impl Watching {
    /// Revisions grow, but for those of what was there before.
    fn check(&mut self, event: &Value) {
        let revision = event["object"]["metadata"]["resourceVersion"].as_str();
        let Some(revision) = revision.and_then(|it| it.parse::<u64>().ok()) else { return };
        let kind = event["type"].as_str().unwrap();
        if kind == "BOOKMARK" {
            assert!(revision >= self.revision, "{event} after {}", self.revision);
            self.is_live = true;
        } else if kind != "ADDED" {
            self.is_live = true;
        }
        assert!(
            !self.is_live || kind == "BOOKMARK" || revision > self.revision,
            "{event} after {}",
            self.revision
        );
        self.revision = self.revision.max(revision);
    }
}

/// An event as a line.
fn told(event: &Value) -> String {
    let (kind, object) = (event["type"].as_str().unwrap(), &event["object"]);
    if kind == "ERROR" {
        let text = |key: &str| object[key].as_str().unwrap_or_default();
        return format!("ERROR {} {}: {}", object["code"], text("reason"), text("message"));
    }
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let mut line = format!("{kind} {} {}", text(&object["apiVersion"]), text(&object["kind"]));
    let mut shown = object;
    if object["kind"] == "Table" {
        let columns = object["columnDefinitions"].as_array().into_iter().flatten();
        let columns: Vec<String> = columns.map(|it| text(&it["name"])).collect();
        let cell = text(&object["rows"][0]["cells"][0]);
        write!(line, " [{}] {cell:?}", columns.join(",")).unwrap();
        shown = &object["rows"][0]["object"];
    }
    let metadata = &shown["metadata"];
    let annotations = &metadata["annotations"];
    if let (Some(shard), Some(cluster)) =
        (annotations["kcp.io/shard"].as_str(), annotations["kcp.io/cluster"].as_str())
    {
        write!(line, " {shard}/{cluster}").unwrap();
    }
    if let Some(name) = metadata["name"].as_str() {
        write!(line, " {name}").unwrap();
    }
    for (key, value) in metadata["labels"].as_object().into_iter().flatten() {
        write!(line, " {key}={}", text(value)).unwrap();
    }
    for key in ["k8s.io/initial-events-end", "kcp.io/original-api-version"] {
        if let Some(value) = annotations[key].as_str() {
            write!(line, " {key}={value}").unwrap();
        }
    }
    line
}

/// Runs a script; the script with what was told.
fn run(client: &Client, name: &str, script: &str) -> String {
    let mut stage = Stage {
        client,
        script: name.to_owned(),
        notes: BTreeMap::new(),
        watches: BTreeMap::new(),
        created: Vec::new(),
    };
    let mut out = String::new();
    for line in script.lines() {
        let is_step = !line.trim().is_empty() && !line.starts_with(['#', '\t']);
        let step = is_step && !line.starts_with("only ");
        match step.then(|| stage.run(line)).flatten() {
            Some(told) => {
                let (watch, _) = line.split_once('>').unwrap();
                writeln!(out, "{watch}> {told}").unwrap();
            }
            None => writeln!(out, "{line}").unwrap(),
        }
    }
    // Wildcards of the next script see nothing of this one.
    for path in stage.created {
        client.delete(path);
    }
    out
}

fn scripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/watches");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// Runs all scripts one after the other: a watch of everything sees everything.
fn run_all(server: &Server) {
    let client = server.admin();
    let mut wrong = String::new();
    for file in scripts() {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let script = std::fs::read_to_string(&file).unwrap();
        let only = |what: &str| script.contains(&format!("\nonly {what}: "));
        if server.is_foreign() && (only("kcpctl") || only("its own store"))
            || server.is_on_etcd() && only("its own store")
        {
            continue;
        }
        let told = run(&client, name, &script);
        if told == script {
            continue;
        }
        if std::env::var_os("UPDATE_GOLDEN").is_some() && !server.is_foreign() {
            std::fs::write(&file, told).unwrap();
            continue;
        }
        for (number, (wanted, got)) in script.lines().zip(told.lines()).enumerate() {
            if wanted != got {
                writeln!(wrong, "{name}.txt:{}\n  wanted {wanted}\n  got    {got}", number + 1)
                    .unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn as_cache_server_watches_tell_what_the_scripts_say() {
    run_all(&Server::start_cache_server());
}

#[test]
fn as_kcpctl_watches_tell_what_the_scripts_say() {
    run_all(&Server::start());
}
