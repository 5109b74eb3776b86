//! What is wrong in a store is found, and deleted only when that is asked for and safe.

use std::path::Path;
use std::time::SystemTime;

use kcpctl::store::{Backend as _, Embedded, EmbeddedOptions, Expect, Write};
use serde_json::{Value, json};

use crate::support::{APIEXPORTS, CommandOutput, Etcd, Server, Terminal, TestEnv, api_export, at};

const EXPORTS: &str = "/cache/apis.kcp.io/apiexports/customresources";
const ROLES: &str = "/cache/rbac.authorization.k8s.io/roles/customresources";
const SHARDS: &str = "/cache/core.kcp.io/shards/customresources/root/root";
const THINGS: &str = "/cache/things.example.com/things";

/// An object as a shard's Go client writes it, made long ago.
fn stored(kind: &str, namespace: &str, name: &str) -> String {
    let namespace =
        if namespace.is_empty() { String::new() } else { format!(r#""namespace":"{namespace}","#) };
    format!(
        "{{\"apiVersion\":\"v1\",\"kind\":\"{kind}\",\"metadata\":{{\"annotations\":{{\"kcp.io/shard\":\"x\"}},\
         \"creationTimestamp\":\"2020-01-02T03:04:05Z\",\"name\":\"{name}\",{namespace}\"uid\":\"1\"}}}}\n"
    )
}

fn export(name: &str) -> String {
    stored("APIExport", "", name)
}

/// What is well, written as a Go server writes it.
fn sound() -> Vec<(String, String)> {
    let identity = "0123456789abcdef".repeat(4);
    vec![
        (format!("{SHARDS}/root"), stored("Shard", "", "root")),
        (format!("{SHARDS}/shard-1"), stored("Shard", "", "shard-1")),
        (format!("{EXPORTS}/root/root/tenancy.kcp.io"), export("tenancy.kcp.io")),
        (format!("{EXPORTS}/shard-1/2cynbfy2m0wtjqcs/widgets"), export("widgets")),
        (format!("{EXPORTS}/root/system:admin/both"), export("both")),
        (format!("{EXPORTS}/shard-1/system:admin/both"), export("both")),
        (format!("{ROLES}/shard-1/c1/default/a:b"), stored("Role", "default", "a:b")),
        (format!("{THINGS}/{identity}/shard-1/c1/one"), stored("Thing", "", "one")),
    ]
}

/// What is wrong, and what it is called. The first five are safe to delete.
fn broken() -> Vec<(String, String, &'static str)> {
    vec![
        (format!("{EXPORTS}/root/root:org/poison"), export("poison"), "PoisonedKey"),
        (format!("{EXPORTS}/root/short"), export("short"), "PoisonedKey"),
        (
            format!("{ROLES}/shard-1/default/short"),
            stored("Role", "default", "short"),
            "PoisonedKey",
        ),
        (
            format!("{EXPORTS}/root/root/torn"),
            "{\"apiVersion\":\"v1\",".to_owned(),
            "UnreadableValue",
        ),
        (format!("{EXPORTS}/shard-9/c9/left"), export("left"), "OrphanedShard"),
        (format!("{EXPORTS}/root/root/named"), export("otherwise"), "NameMismatch"),
        (format!("{EXPORTS}/root/c1/twice"), export("twice"), "TwoShards"),
        (format!("{EXPORTS}/shard-1/c1/twice"), export("twice"), "TwoShards"),
        (format!("{EXPORTS}/root/root/secret"), "k8s:enc:aescbc:v1:k:x".to_owned(), "EncodedValue"),
        ("/cache/note-to-self".to_owned(), "hello".to_owned(), "StrangeKey"),
    ]
}

const REMOVABLE: usize = 5;

fn fsck(env: &TestEnv, args: &[&str]) -> CommandOutput {
    env.run(["cache", "fsck"].iter().chain(args))
}

/// The codes and keys of the findings.
fn findings(document: &Value) -> Vec<(String, String)> {
    let text = |it: &Value| it.as_str().unwrap().to_owned();
    let items = document["findings"].as_array().unwrap().iter();
    items.map(|it| (text(&it["code"]), text(&it["key"]))).collect()
}

fn all_pairs(etcd: &Etcd) -> Vec<(String, Vec<u8>)> {
    let value = |key: &String| etcd.get(key).unwrap().value;
    etcd.keys("/cache/").into_iter().map(|key| (key.clone(), value(&key))).collect()
}

#[test]
fn a_sound_etcd_has_no_findings() {
    let etcd = Etcd::start();
    let env = TestEnv::new();
    for (key, value) in sound() {
        etcd.put(&key, value);
    }
    etcd.put("/registry/apis.kcp.io/apiexports/root:org/of-a-shard", "not ours");
    let said = fsck(&env, &["--etcd-servers", &etcd.url()]);
    let expected = format!(
        "--- stderr\n8 keys of `/cache` of etcd {}: nothing is wrong\n--- exit 0\n",
        etcd.url()
    );
    assert_eq!(said.to_string(), expected);
}

#[test]
fn whatever_is_wrong_in_an_etcd_is_told_and_nothing_is_written() {
    let etcd = Etcd::start();
    let env = TestEnv::new();
    for (key, value) in sound() {
        etcd.put(&key, value);
    }
    for (key, value, _) in broken() {
        etcd.put(&key, value);
    }
    let (url, before) = (etcd.url(), etcd.revision());
    let said = fsck(&env, &["--etcd-servers", &url, "-o", "json"]);
    assert_eq!(said.code, Some(1), "{said}");
    let mut document: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(document["source"], format!("/cache of etcd {url}"));
    document["source"] = json!("/cache of etcd …");
    compare("etcd.json", &format!("{document:#}\n"));
    let expected: Vec<_> = broken().iter().map(|(key, _, code)| (key.clone(), *code)).collect();
    for (key, code) in &expected {
        let found = findings(&document);
        assert!(found.iter().any(|(c, k)| c == code && k == key), "{code} {key}\n{found:?}");
    }
    assert_eq!(findings(&document).len(), expected.len());

    let said = fsck(&env, &["--etcd-servers", &url]);
    assert_eq!(said.code, Some(1), "{said}");
    compare("etcd.txt", &said.to_string().replace(&url, "URL"));
    let names = fsck(&env, &["--etcd-servers", &url, "-o", "name"]).stdout;
    let mut names: Vec<_> = names.lines().map(str::to_owned).collect();
    let mut keys: Vec<_> = expected.into_iter().map(|(key, _)| key).collect();
    names.sort();
    keys.sort();
    assert_eq!(names, keys);

    // Without a terminal nobody can be asked.
    let said = fsck(&env, &["--etcd-servers", &url, "--fix"]);
    assert!(
        said.stderr.contains("no terminal to ask on: Delete 5 keys (3 PoisonedKey, "),
        "{said}"
    );
    assert!(said.stderr.contains("hint: answer it with `--yes`"), "{said}");
    assert_eq!(said.code, Some(2));
    assert_eq!(etcd.revision(), before, "something was written without leave");
}

#[test]
fn what_is_safe_is_deleted_while_servers_run_and_can_be_put_back() {
    let etcd = Etcd::start();
    // What is encrypted keeps a server from starting.
    let broken: Vec<_> = broken().into_iter().filter(|it| it.2 != "EncodedValue").collect();
    for (key, value) in sound() {
        etcd.put(&key, value);
    }
    for (key, value, _) in &broken {
        etcd.put(key, value);
    }
    let server = Server::start_on(&etcd, &[]);
    let client = server.admin();
    let mut watch = client.watch(format!("{}?watch=true", at("*", "*", APIEXPORTS)));
    let before = all_pairs(&etcd);
    let url = etcd.url();
    let fix = ["--etcd-servers", &url, "--fix", "--yes", "--backup", "gone.snapshot"];
    let said = fsck(server.env(), &fix);
    assert_eq!(said.code, Some(1), "{said}");
    assert!(said.stderr.contains("deleted 5 keys; a copy is in `gone.snapshot`"), "{said}");
    assert!(said.stderr.contains("error: 4 findings left\n"), "{said}");
    let left: Vec<_> = all_pairs(&etcd).into_iter().map(|(key, _)| key).collect();
    for (at, (key, ..)) in broken.iter().enumerate() {
        assert_eq!(left.contains(key), at >= REMOVABLE, "{key}");
    }
    assert_eq!(left.len(), before.len() - REMOVABLE, "more was deleted than was asked for");
    // A server that runs on it tells its clients.
    let mut deleted = Vec::new();
    while deleted.len() < 2 {
        let (event, _) = watch.next_named();
        deleted.extend(event.strip_prefix("DELETED ").map(str::to_owned));
    }
    deleted.sort();
    assert_eq!(deleted, ["left", "poison"]);

    let said = fsck(server.env(), &fix);
    assert!(said.stderr.contains("there is nothing that is safe to delete"), "{said}");
    assert_eq!(said.code, Some(1), "{said}");

    let restore = ["cache", "snapshot", "restore", "gone.snapshot", "--etcd-servers", &url];
    let refused = server.env().run(restore);
    assert!(refused.stderr.contains("it is damaged: no server can have written"), "{refused}");
    let inspected = server.env().run(["cache", "snapshot", "inspect", "gone.snapshot"]);
    assert!(
        inspected.stderr.contains("3 keys of it can only be restored with `--raw`"),
        "{inspected}"
    );
    server.env().run(restore.iter().chain(&["--raw", "--merge"])).success();
    assert_eq!(all_pairs(&etcd), before);
}

#[test]
fn a_copy_is_never_overwritten_and_what_has_changed_is_left() {
    let etcd = Etcd::start();
    let env = TestEnv::new();
    let poison = format!("{EXPORTS}/root/root:org/poison");
    etcd.put(&poison, export("poison"));
    let url = etcd.url();
    let before = etcd.revision();
    env.write("there", "precious");
    let said = fsck(&env, &["--etcd-servers", &url, "--fix", "--yes", "--backup", "there"]);
    assert!(said.stderr.contains("`there` is there already"), "{said}");
    assert_eq!(std::fs::read_to_string(env.path("there")).unwrap(), "precious");
    let said = fsck(&env, &["--etcd-servers", &url, "--fix", "--yes", "--backup", "no/where"]);
    assert!(said.stderr.contains("hint: nothing was deleted"), "{said}");
    assert_eq!(etcd.revision(), before);

    // Between the question and the answer somebody writes.
    let ask = format!("cache fsck --etcd-servers {url} --fix --backup copy");
    let mut asked = Terminal::run(&env, &ask);
    asked.shows("Delete 1 key (1 PoisonedKey) from");
    etcd.put(&poison, export("changed"));
    asked.answer("Delete 1 key", "y");
    asked.shows("deleted 0 keys");
    drop(asked);
    assert!(etcd.get(&poison).is_some());

    let mut asked = Terminal::run(&env, &ask.replace("copy", "second"));
    asked.answer("Delete 1 key", "n");
    asked.shows("stopped: nothing was changed");
    drop(asked);
    assert!(etcd.get(&poison).is_some() && !env.path("second").exists());

    let mut asked = Terminal::run(&env, &ask.replace("copy", "third"));
    asked.answer("Delete 1 key", "y");
    asked.success();
    assert_eq!(etcd.get(&poison), None);
}

#[test]
fn shards_are_not_judged_where_nothing_or_too_little_is_known() {
    let etcd = Etcd::start();
    let env = TestEnv::new();
    let url = etcd.url();
    etcd.put(&format!("{EXPORTS}/shard-9/c9/left"), export("left"));
    let said = fsck(&env, &["--etcd-servers", &url]);
    assert_eq!(said.code, Some(0), "{said}");
    assert!(said.stderr.contains("there is no Shard object at all"), "{said}");

    etcd.put(&format!("{SHARDS}/root"), stored("Shard", "", "root"));
    assert_eq!(fsck(&env, &["--etcd-servers", &url]).code, Some(1));
    let years = ["--etcd-servers", &url, "--older-than", "876000h"];
    let said = fsck(&env, &years);
    assert_eq!(said.code, Some(0), "{said}");
    assert!(
        said.stderr.contains("too early to tell: no Shard object is called `shard-9`"),
        "{said}"
    );
}

/// Writes to the store of a stopped server what no server would.
fn put_raw(store: &Path, pairs: &[(String, String, &str)]) {
    let store = Embedded::open(store, EmbeddedOptions::new(SystemTime::now)).unwrap();
    let batch = pairs.iter().map(|(key, value, _)| Write {
        key: key.clone().into(),
        value: Some(value.clone().into()),
        expect: Expect::Absent,
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(store.commit(batch.collect())).unwrap();
}

#[test]
fn a_stopped_server_s_data_is_mended_so_that_it_starts_again() {
    let mut server = Server::start();
    let exports = at("root", "root", APIEXPORTS);
    server.admin().post(&exports, &api_export("kept")).object(201);
    let shard = json!({
        "apiVersion": "core.kcp.io/v1alpha1", "kind": "Shard", "metadata": {"name": "root"},
    });
    server.admin().post(at("root", "root", "apis/core.kcp.io/v1alpha1/shards"), &shard).object(201);
    let dir = server.data_dir().to_str().unwrap().to_owned();
    let said = fsck(server.env(), &["--data-dir", &dir]);
    assert!(said.stderr.contains("is in use by process"), "{said}");
    assert_eq!(said.code, Some(3));

    assert!(server.stop().success());
    assert_eq!(fsck(server.env(), &["--data-dir", &dir]).code, Some(0));
    put_raw(&server.data_dir().join("store"), &broken()[..4]);
    let refused = server.env().run(["cache", "serve", "--listen=127.0.0.1:0", "--data-dir", &dir]);
    assert!(refused.stderr.contains("the store holds a strange"), "{refused}");
    assert!(refused.stderr.contains("kcpctl cache fsck"), "{refused}");

    let said = fsck(server.env(), &["--data-dir", &dir, "-o", "json"]);
    assert_eq!(said.code, Some(1), "{said}");
    let document: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(findings(&document).len(), 4);
    // The last of them is well, but one of the other four is not an object.
    let said = fsck(server.env(), &["--data-dir", &dir, "--fix", "--yes", "-o", "json"]);
    assert_eq!(said.code, Some(0), "{said}");
    let document: Value = serde_json::from_str(&said.stdout).unwrap();
    assert!(document["findings"].as_array().unwrap().iter().all(|it| it["fixed"] == true));
    let backup = document["backup"].as_str().unwrap();
    assert!(backup.starts_with("fsck-") && server.env().path(backup).is_file(), "{backup}");
    assert_eq!(fsck(server.env(), &["--data-dir", &dir]).code, Some(0));
    server.start_again();
    server.admin().get(format!("{exports}/kept")).object(200);
    assert!(!server.said().contains("has lost objects"), "{}", server.said());
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused() {
    let env = TestEnv::new();
    for (args, reason) in [
        (&[][..], "which store to look at is not said"),
        (&["--data-dir", "nowhere"], "there is no store in `nowhere`"),
        (&["--data-dir", "x", "--etcd-servers", "y"], "cannot be used with"),
        (&["--data-dir", "x", "--etcd-cafile", "y"], "are for an etcd, and none is named"),
        (&["--data-dir", "x", "--yes"], "--fix"),
        (&["--etcd-servers", "unix:///x"], "expected a URL"),
    ] {
        let said = fsck(&env, args);
        assert!(said.stderr.contains(reason) && said.code != Some(0), "{said}");
    }
    let said = fsck(&env, &["--etcd-servers", "http://127.0.0.1:1"]);
    assert_eq!(said.code, Some(4), "{said}");
    assert!(said.stderr.contains("hint: check that etcd is well"), "{said}");
}

fn compare(file: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/fsck").join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == found, "{} is not what was found:\n{found}", path.display());
}
