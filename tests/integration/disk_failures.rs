//! A disk that refuses writes under a running server: nothing that was answered is lost,
//! reads go on, and writes resume by themselves.
//!
//! The system is told to refuse what a process writes behind a byte of a file
//! (`RLIMIT_FSIZE`). That needs no privileges, is what a full disk looks like, also in the
//! middle of a record, and can be taken back while the process runs.

use std::fs;
use std::path::PathBuf;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
use serde_json::{Value, json};

use crate::support::{
    APIEXPORTS, Client, Server, TestEnv, api_export, at, certificate, config_map, eventually,
    self_signed,
};

/// How often the disk fails. Each time a second passes until it is tried again.
const FAILURES: usize = 12;

/// How far behind the last record a write is refused: sometimes at its first byte,
/// sometimes in the middle, sometimes after several.
const REACH_BYTES: u64 = 6000;

impl Server {
    /// Refuses what it writes behind the byte `limit` of any file; none lifts that.
    fn limit_files(&self, limit: Option<u64>) {
        let maximum = getrlimit(Resource::Fsize).maximum;
        let limit = Rlimit { current: limit.or(maximum), maximum };
        prlimit(Some(self.pid()), Resource::Fsize, limit).unwrap();
    }

    /// Where the newest journal of its store ends; zeros follow.
    fn end_of_journal(&self) -> u64 {
        let number = |path: &PathBuf| path.file_stem()?.to_str()?.parse::<u64>().ok();
        let entries = fs::read_dir(self.data_dir().join("store/log")).unwrap();
        let journals = entries
            .map(|entry| entry.unwrap().path())
            .filter(|it| it.extension().is_some_and(|extension| extension == "jnl"));
        let newest = journals.max_by_key(number).unwrap();
        let bytes = fs::read(newest).unwrap();
        bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
    }

    fn is_ready(&self) -> bool {
        self.client_with(None).get("/readyz").status == 200
    }
}

/// What a list holds: the names, with the number in each spec.
fn held(client: &Client, exports: &str) -> Vec<(String, Value)> {
    let list = client.get(exports).object(200);
    let item = |it: &Value| {
        let name = it["metadata"]["name"].as_str().unwrap().to_owned();
        (name, it["spec"]["number"].clone())
    };
    list["items"].as_array().unwrap().iter().map(item).collect()
}

/// An object of about a thousand bytes.
fn numbered(name: &str, number: usize) -> Value {
    let mut object = api_export(name);
    object["spec"] = json!({"number": number, "padding": "x".repeat(700)});
    object
}

#[test]
fn a_disk_that_refuses_at_any_byte_loses_nothing_and_is_used_again_when_it_can_be() {
    let seed: u64 = rand::random();
    let mut random = StdRng::seed_from_u64(seed);
    let mut server = Server::start();
    let exports = at("amber", "acme", APIEXPORTS);
    let mut acknowledged = Vec::new();
    let mut written = 0;
    let first = server.admin().post(&exports, &numbered("object-00000", 0)).object(201);
    acknowledged.push(("object-00000".to_owned(), json!(0)));
    let since = first["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let watching = format!("{exports}?watch=true&resourceVersion={since}");
    let mut watch = server.admin().watch(&watching);
    let mut told = Vec::new();
    let mut resumptions = 0;

    for failure in 0..FAILURES {
        let what = format!("failure {failure} of seed {seed}");
        // Every fourth time nothing at all can be written.
        let limit = match failure % 4 {
            3 => 0,
            _ => server.end_of_journal() + random.random_range(0..REACH_BYTES),
        };
        server.limit_files(Some(limit));
        let client = server.admin();
        let (refused, answer) = loop {
            written += 1;
            let name = format!("object-{written:05}");
            let answer = client.post(&exports, &numbered(&name, written));
            match answer.status {
                201 => acknowledged.push((name, json!(written))),
                _ => break (name, answer),
            }
        };
        let (status, reason, message) = answer.refusal();
        assert_eq!((status, reason.as_str()), (503, "ServiceUnavailable"), "{what}: {message}");
        assert!(message.contains("File too large"), "{what}: {message}");
        // Reads show what was answered and nothing else, and it is known that writes fail.
        assert_eq!(held(&client, &exports), acknowledged, "{what}");
        assert_eq!(client.get(format!("{exports}/{refused}")).status, 404, "{what}");
        eventually("the server to say so", || (!server.is_ready()).then_some(()));
        assert_eq!(server.client_with(None).get("/livez").status, 200, "{what}");
        let again = client.post(&exports, &numbered(&refused, written));
        assert_eq!(again.status, 503, "{what}: {again}");

        if failure % 3 == 2 {
            // The end of the process in the middle of it.
            server.kill();
            server.start_again();
            resumptions = 0;
            let client = server.admin();
            let mut found = held(&client, &exports);
            // It was answered with an error, and may be there all the same.
            let maybe = (refused.clone(), json!(written));
            if found.last() == Some(&maybe) {
                acknowledged.push(maybe);
            }
            found.truncate(acknowledged.len());
            assert_eq!(found, acknowledged, "{what}, after a restart");
            watch = client.watch(format!("{exports}?watch=true&resourceVersion={since}"));
            told.clear();
        } else {
            server.limit_files(None);
            eventually("the server to take writes again", || server.is_ready().then_some(()));
            let resumed = server.said().matches("the store was opened again").count();
            resumptions += 1;
            assert_eq!(resumed, resumptions, "{what}: not before there was room");
            assert_eq!(held(&client, &exports), acknowledged, "{what}, when there is room");
        }
        let client = server.admin();
        written += 1;
        let name = format!("object-{written:05}");
        client.post(&exports, &numbered(&name, written)).object(201);
        acknowledged.push((name, json!(written)));
        // The watch tells each object that was answered, once, and none that was refused.
        while told.len() + 1 < acknowledged.len() {
            let (event, object) = watch.next_named();
            let name = object["metadata"]["name"].as_str().unwrap().to_owned();
            assert_eq!(event, format!("ADDED {name}"), "{what}");
            told.push((name, object["spec"]["number"].clone()));
        }
        assert_eq!(told, acknowledged[1..], "{what}");
    }
    assert!(server.stop().success());
    server.start_again();
    assert_eq!(held(&server.admin(), &exports), acknowledged, "seed {seed}");
}

#[test]
fn the_control_plane_waits_for_room_and_goes_on() {
    let env = TestEnv::new();
    let by_self = json!({ "issuerRef": { "name": "self", "kind": "ClusterIssuer" } });
    let certificate = |name: &str| certificate(name, "self", &by_self);
    let write =
        |file: &str, object: &Value| env.write(format!("demo/{file}.json"), object.to_string());
    write("issuer", &self_signed());
    write("certificate", &certificate("first"));
    write("kept", &config_map("kept", "a"));
    let gone = write("gone", &config_map("gone", "a"));
    let server = Server::start_with(&["--manifests", env.path("demo").to_str().unwrap()]);
    let client = server.admin();
    let of = |resource: &str, name: &str| format!("/api/v1/namespaces/demo/{resource}/{name}");
    let is_there = |path: &str| client.get(path).status == 200;
    let value = || client.get(of("configmaps", "kept")).json()["data"]["value"].clone();
    for name in ["gone", "kept"] {
        eventually(name, || is_there(&of("configmaps", name)).then_some(()));
    }
    let first = of("secrets", "first");
    eventually("the first certificate", || is_there(&first).then_some(()));
    let file = server.data_dir().join("namespaces/demo/secrets/first/tls.crt");
    eventually("its file", || file.exists().then_some(()));

    server.limit_files(Some(0));
    let refusal =
        client.post("/api/v1/namespaces/demo/configmaps", &config_map("more", "a")).refusal();
    assert_eq!((refusal.0, refusal.1.as_str()), (503, "ServiceUnavailable"), "{}", refusal.2);
    assert!(refusal.2.contains("File too large"), "{}", refusal.2);
    assert_eq!(client.delete(&first).refusal().0, 503);
    // The folder changes, and whatever follows from it waits. What was there is there.
    write("kept", &config_map("kept", "b"));
    write("second", &certificate("second"));
    fs::remove_file(gone).unwrap();
    eventually("the folder to say so", || {
        let said = server.said();
        let told = |it: &str| it.contains("was not applied") && it.contains("File too large");
        said.lines().any(told).then_some(())
    });
    assert_eq!(value(), "a");
    assert!(is_there(&of("configmaps", "gone")) && is_there(&first));
    assert_eq!(server.client_with(None).get("/livez").status, 200);

    // By itself, in the same process.
    server.limit_files(None);
    eventually("the changed object", || (value() == "b").then_some(()));
    eventually("the second certificate", || is_there(&of("secrets", "second")).then_some(()));
    eventually("what has no file to go", || (!is_there(&of("configmaps", "gone"))).then_some(()));
    client.delete(&first).object(200);
    eventually("a certificate that is signed again", || is_there(&first).then_some(()));
    let file = server.data_dir().join("namespaces/demo/secrets/second/tls.key");
    eventually("files to be written again", || file.exists().then_some(()));
    assert!(server.is_ready());
}
