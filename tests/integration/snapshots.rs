//! A cache is copied into a file, and a file becomes a cache.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::{
    APIEXPORTS, Client, CommandOutput, Declaring, Etcd, ROLES, Server, TestEnv, api_export, at,
    declare, role, thing,
};

fn snapshot(server: &Server, args: &[&str]) -> CommandOutput {
    server.env().run(["cache", "snapshot"].iter().chain(args))
}

/// Takes a snapshot of a running server.
fn save(server: &Server, file: &Path) -> CommandOutput {
    let kubeconfig = server.data_dir().join("admin.kubeconfig");
    let [file, kubeconfig] = [file, &kubeconfig].map(|it| it.to_str().unwrap());
    snapshot(server, &["save", file, "--kubeconfig", kubeconfig])
}

/// What a snapshot holds, as `inspect` tells it, without when and from where it was taken.
fn inspected(server: &Server, file: &Path) -> Value {
    let said = snapshot(server, &["inspect", file.to_str().unwrap(), "-o", "json"]).success();
    let mut document: Value = serde_json::from_str(&said).unwrap();
    let fields = document.as_object_mut().unwrap();
    assert!(fields.remove("taken").is_some() && fields.remove("source").is_some());
    document
}

/// The items of a list, without their revisions, and the lowest one.
fn items(client: &Client, collection: &str) -> (Vec<Value>, u64) {
    let mut list = client.get(collection).object(200);
    let mut lowest = u64::MAX;
    let items = list["items"].as_array_mut().unwrap();
    for item in items.iter_mut() {
        let revision = item["metadata"].as_object_mut().unwrap().remove("resourceVersion");
        lowest = lowest.min(revision.unwrap().as_str().unwrap().parse().unwrap());
    }
    (std::mem::take(items), lowest)
}

/// A server with objects of a few kinds.
fn filled() -> Server {
    let server = Server::start();
    let client = server.admin();
    for number in 0..1200 {
        let exports = at("amber", &format!("c{}", number % 7), APIEXPORTS);
        client.post(exports, &api_export(&format!("export-{number}"))).object(201);
    }
    client.post(at("beta", "c1", ROLES), &role("system:reader")).object(201);
    let declaring = Declaring::default();
    declare(&client, &declaring).object(201);
    client
        .post(declaring.collection(), &thing("things.example.com/v1", "Thing", "one"))
        .object(201);
    server
}

#[test]
fn a_saved_cache_is_restored_and_served_with_later_revisions() {
    let mut old = filled();
    let file = old.env().path("cache.snapshot");
    let said = save(&old, &file);
    assert!(said.stderr.starts_with("saved 1,203 objects ("), "{said}");
    let collections =
        [at("*", "*", APIEXPORTS), at("beta", "c1", ROLES), Declaring::default().collection()];
    let before = collections.clone().map(|it| items(&old.admin(), &it).0);
    let held = inspected(&old, &file);
    assert_eq!(held["objects"], 1203);
    let revision: u64 = held["resourceVersion"].as_str().unwrap().parse().unwrap();

    // From the directory of the stopped server comes the same, save for what the server
    // adds to what it shows.
    assert!(old.stop().success());
    let data_dir = old.data_dir();
    let other = old.env().path("other.snapshot");
    snapshot(&old, &["save", other.to_str().unwrap(), "--data-dir", data_dir.to_str().unwrap()])
        .success();
    let count = |document: &Value| {
        let items = document["items"].as_array().unwrap().iter();
        items.map(|it| json!([it["resource"], it["shard"], it["objects"]])).collect::<Vec<_>>()
    };
    assert_eq!(count(&inspected(&old, &other)), count(&held));

    for file in [file, other] {
        let mut new = Server::start();
        assert!(new.stop().success());
        std::fs::remove_dir_all(new.data_dir().join("store")).unwrap();
        let data_dir = new.data_dir();
        let [from, into] = [&file, &data_dir].map(|it| it.to_str().unwrap());
        let said = snapshot(&new, &["restore", from, "--data-dir", into]);
        assert!(said.stderr.starts_with("restored 1,203 objects into `"), "{said}");
        new.start_again();
        for (collection, before) in collections.iter().zip(&before) {
            let (after, lowest) = items(&new.admin(), collection);
            assert!(after == *before, "{collection} differs");
            assert!(lowest > revision, "{collection}: {lowest}");
        }
    }
}

/// Says that it is over when it is dropped.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_snapshot_shows_one_revision_while_writes_go_on() {
    let server = Server::start();
    let client = server.admin();
    let (exports, roles) = (at("amber", "acme", APIEXPORTS), at("amber", "acme", ROLES));
    // Pages of both, so that the second is read long after the first.
    let pair = |number: usize| {
        client.post(&exports, &api_export(&format!("pair-{number}"))).object(201);
        client.post(&roles, &role(&format!("pair-{number}"))).object(201);
    };
    (0..700).for_each(&pair);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer =
            || (700..usize::MAX).take_while(|_| !done.load(Ordering::Relaxed)).for_each(&pair);
        scope.spawn(writer);
        // Also when an assertion fails, the writer ends.
        let _end = Ending(&done);
        for round in 0..3 {
            let file = server.env().path(format!("{round}.snapshot"));
            let said = save(&server, &file);
            let count = |resource: &str| {
                let held = inspected(&server, &file);
                let item = held["items"].as_array().unwrap().iter();
                let item = item.into_iter().find(|it| it["resource"] == resource).unwrap();
                item["objects"].as_u64().unwrap()
            };
            let ahead = count("apiexports.apis.kcp.io")
                .checked_sub(count("roles.rbac.authorization.k8s.io"));
            assert!(matches!(ahead, Some(0 | 1)), "{ahead:?} after {said}");
        }
    });
}

#[test]
fn a_snapshot_goes_through_a_pipe() {
    let server = Server::start();
    server.admin().post(at("amber", "acme", APIEXPORTS), &api_export("one")).object(201);
    let kubeconfig = server.data_dir().join("admin.kubeconfig");
    let save = ["cache", "snapshot", "save", "-", "--kubeconfig", kubeconfig.to_str().unwrap()];
    let saved = server.env().command(crate::support::KCPCTL).args(save).output().unwrap();
    assert!(saved.stdout.starts_with(b"kcpctl snapshot 1\n"));

    let into = server.env().path("fresh");
    let restore = ["cache", "snapshot", "restore", "-", "--data-dir", into.to_str().unwrap()];
    let mut child = server
        .env()
        .command(crate::support::KCPCTL)
        .args(restore)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&saved.stdout).unwrap();
    let said = CommandOutput::from(child.wait_with_output().unwrap());
    assert!(said.stderr.starts_with("restored 1 object into `"), "{said}");
}

#[test]
fn what_is_there_is_neither_lost_nor_overwritten() {
    let mut server = Server::start();
    let client = server.admin();
    let exports = at("amber", "acme", APIEXPORTS);
    let coloured = |name: &str, colour: &str| {
        let mut object = api_export(name);
        object["metadata"]["labels"] = json!({"colour": colour});
        object
    };
    for name in ["kept", "lost"] {
        client.post(&exports, &coloured(name, "old")).object(201);
    }
    let file = server.env().path("cache.snapshot");
    save(&server, &file).success();
    let there = save(&server, &file);
    assert!(there.stderr.starts_with("error: `") && there.stderr.contains("is there already"));
    let mut kept = client.get(format!("{exports}/kept")).object(200);
    kept["metadata"]["labels"]["colour"] = json!("new");
    client.put(format!("{exports}/kept"), &kept).object(200);
    client.delete(format!("{exports}/lost")).object(200);

    let data_dir = server.data_dir();
    let [from, into] = [&file, &data_dir].map(|it| it.to_str().unwrap().to_owned());
    let restore = ["restore", &from, "--data-dir", &into];
    // While it is served, the directory is the server's.
    let said = snapshot(&server, &restore);
    assert!(said.stderr.contains("is in use by process"), "{said}");
    let said = snapshot(&server, &["save", "x", "--data-dir", &into]);
    assert!(said.stderr.contains("is in use by process"), "{said}");

    assert!(server.stop().success());
    let said = snapshot(&server, &restore);
    assert!(said.stderr.contains("holds 1 object already"), "{said}");
    assert!(said.stderr.contains("`--merge`"), "{said}");
    let said = snapshot(&server, &[&restore[..], &["--merge"]].concat());
    assert!(said.stderr.contains("restored 1 object into"), "{said}");
    assert!(said.stderr.contains("and kept 1 that were there"), "{said}");
    server.start_again();
    let client = server.admin();
    for (name, colour) in [("kept", "new"), ("lost", "old")] {
        let object = client.get(format!("{exports}/{name}")).object(200);
        assert_eq!(object["metadata"]["labels"]["colour"], colour);
    }
}

#[test]
fn a_broken_file_is_refused_before_anything_is_written() {
    let server = Server::start();
    server.admin().post(at("amber", "acme", APIEXPORTS), &api_export("one")).object(201);
    let file = server.env().path("cache.snapshot");
    save(&server, &file).success();
    let whole = std::fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let refusals = [
        (flipped, "it is damaged: its content does not have the checksum that it names"),
        (whole[..whole.len() - 7].to_vec(), "it is damaged: its content"),
        (b"apiVersion: v1\n".to_vec(), "it is not a snapshot"),
        (b"kcpctl snapshot 9\n".to_vec(), "it is a snapshot of format 9"),
    ];
    let into = server.env().path("fresh");
    for (content, reason) in refusals {
        std::fs::write(&file, content).unwrap();
        let name = file.to_str().unwrap();
        for args in
            [&["inspect", name][..], &["restore", name, "--data-dir", into.to_str().unwrap()]]
        {
            let said = snapshot(&server, args);
            assert!(said.stderr.contains(reason) && said.stderr.contains("hint: "), "{said}");
            assert!(said.to_string().ends_with("exit 3\n"), "{said}");
        }
        assert!(!into.exists());
    }
    let said = snapshot(&server, &["inspect", "nowhere"]);
    assert!(said.stderr.contains("`nowhere` is of no use as a snapshot"), "{said}");
    let said = snapshot(&server, &["save", "x", "--data-dir", "nowhere"]);
    assert!(said.stderr.contains("there is no store in `nowhere`"), "{said}");
}

/// Every pair of the cache in an etcd but for the definitions.
fn pairs(etcd: &Etcd) -> Vec<(String, Vec<u8>)> {
    let keys = etcd.keys("/cache/").into_iter().filter(|it| !it.contains("customresourcedef"));
    keys.map(|key| (key.clone(), etcd.get(&key).unwrap().value)).collect()
}

#[test]
fn an_etcd_is_copied_into_another_and_its_servers_see_that() {
    let (from, into) = (Etcd::start(), Etcd::start());
    let old = Server::start_on(&from, &[]);
    let client = old.admin();
    for number in 0..150 {
        client
            .post(at("amber", "acme", APIEXPORTS), &api_export(&format!("e-{number}")))
            .object(201);
    }
    client.post(at("beta", "c1", ROLES), &role("system:reader")).object(201);
    // Any JSON is an object, and what no server reads is not taken along.
    let loose = "/cache/apis.kcp.io/apiexports/customresources/amber/acme/loose";
    from.put(loose, r#" {"metadata": {"name": "loose"}, "apiVersion": "apis.kcp.io/v1alpha1"} "#);
    from.put("/cache/apis.kcp.io/apiexports/customresources/amber/acme/torn", "{");
    let poison = "/cache/apis.kcp.io/apiexports/customresources/amber/root:org/poison";
    from.put(poison, r#"{"apiVersion":"apis.kcp.io/v1alpha1","metadata":{"name":"poison"}}"#);
    from.put("/elsewhere/x", "not ours");
    let (source, target) = (from.url(), into.url());
    let env = old.env();
    let from_etcd = ["cache", "snapshot", "save", "it.snapshot", "--etcd-servers", &source];
    let said = env.run(from_etcd);
    assert!(said.stderr.contains("warning: left out 2 keys that no request leads to"), "{said}");
    assert!(said.stderr.contains("saved 152 objects ("), "{said}");

    // Lists of everything show it, so a snapshot of the server has to leave it out as well.
    let said = save(&old, &env.path("other.snapshot"));
    assert!(said.stderr.contains("warning: left out 1 key that no request leads to"), "{said}");
    assert!(said.stderr.contains("saved 152 objects ("), "{said}");

    // Revisions of another etcd say nothing here.
    let restore = ["cache", "snapshot", "restore", "it.snapshot", "--etcd-servers", &target];
    let before = into.revision();
    let said = env.run(restore);
    assert_eq!(said.code, Some(3), "{said}");
    for words in ["has come to revision 1,", "--bump-revision", "restart every shard", "`--force`"]
    {
        assert!(said.stderr.contains(words), "{words}: {said}");
    }
    assert_eq!(into.revision(), before, "something was written");

    // A server that uses the target at the time tells its watchers.
    let new = Server::start_on(&into, &[]);
    let mut watch = new.admin().watch(format!("{}?watch=true", at("*", "*", ROLES)));
    let said = env.run(restore.iter().chain(&["--force"]));
    assert!(said.stderr.contains("restored 152 objects into `/cache` of etcd "), "{said}");
    assert_eq!(watch.next_named().0, "ADDED system:reader");
    let mut expected = pairs(&from);
    expected.retain(|(key, _)| !key.ends_with("/torn") && !key.ends_with("/poison"));
    assert_eq!(pairs(&into), expected);
    new.admin().get(at("amber", "acme", &format!("{APIEXPORTS}/loose"))).object(200);

    // Once more: only into an empty one, or what is missing.
    let said = env.run(restore.iter().chain(&["--force"]));
    assert!(said.stderr.contains("holds 152 objects already"), "{said}");
    new.admin().delete(at("amber", "acme", &format!("{APIEXPORTS}/e-7"))).object(200);
    let said = env.run(restore.iter().chain(&["--force", "--merge"]));
    assert!(said.stderr.contains("restored 1 object into"), "{said}");
    assert!(said.stderr.contains("and kept 151 that were there"), "{said}");
    assert_eq!(pairs(&into), expected);
}

#[test]
fn stores_of_both_kinds_take_each_other_s_snapshots() {
    let mut server = filled();
    assert!(server.stop().success());
    let etcd = Etcd::start();
    let (url, env) = (etcd.url(), server.env());
    let dir = server.data_dir().to_str().unwrap().to_owned();
    env.run(["cache", "snapshot", "save", "own", "--data-dir", &dir]).success();
    // The clock is ahead of any etcd.
    let restore = ["cache", "snapshot", "restore", "own", "--etcd-servers", &url];
    assert!(env.run(restore).stderr.contains("later revisions would wait"));
    let prefix = ["--etcd-prefix", "/mine"];
    env.run(restore.iter().chain(&["--force"]).chain(&prefix)).success();
    assert_eq!(etcd.keys("/mine/").len(), 1203);
    assert!(etcd.keys("/cache/").is_empty());
    let save = ["cache", "snapshot", "save", "theirs", "--etcd-servers", &url];
    env.run(save.iter().chain(&prefix)).success();
    let back = ["cache", "snapshot", "restore", "theirs", "--data-dir", "fresh"];
    let said = env.run(back);
    assert!(said.stderr.contains("restored 1,203 objects"), "{said}");
    let again = ["cache", "snapshot", "save", "again", "--data-dir", "fresh"];
    env.run(again).success();
    let held = |file: &str| inspected(&server, Path::new(file))["items"].clone();
    assert_eq!(held("own"), held("again"));
    // Revisions go on above the clock, whatever the etcd counted.
    let revision = inspected(&server, Path::new("again"))["resourceVersion"].clone();
    assert!(revision.as_str().unwrap().len() >= 16, "{revision}");
}

#[test]
fn an_encrypted_etcd_and_a_wrong_command_line_are_refused() {
    let etcd = Etcd::start();
    let env = TestEnv::new();
    let url = etcd.url();
    etcd.put("/cache/apis.kcp.io/apiexports/customresources/a/b/c", "k8s:enc:aescbc:v1:k:x");
    let save = ["cache", "snapshot", "save", "x"];
    let said = env.run(save.iter().chain(&["--etcd-servers", &url]));
    assert!(said.stderr.contains("it is encrypted (k8s:enc:)"), "{said}");
    assert!(said.stderr.contains("hint: take the snapshot of a server that can read it"), "{said}");
    for (args, reason) in [
        (
            &["--etcd-servers", &url, "--kubeconfig", "k"][..],
            "of a server or of a store, not of both",
        ),
        (&["--etcd-servers", &url, "--data-dir", "d"], "cannot be used with"),
        (&["--etcd-servers", "http://127.0.0.1:1"], "failed to read etcd"),
    ] {
        let said = env.run(save.iter().chain(args));
        assert!(said.stderr.contains(reason) && said.code != Some(0), "{said}");
        assert!(!env.path("x").exists());
    }
    let said = env.run(["cache", "snapshot", "restore", "x"]);
    assert!(said.stderr.contains("where to restore to is not said"), "{said}");
}
