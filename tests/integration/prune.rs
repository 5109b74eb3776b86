//! What shards that are gone have left is deleted through a server, and nothing else.

use serde_json::{Value, json};

use crate::support::{
    APIEXPORTS, Client, CommandOutput, Declaring, Etcd, ROLES, Server, Terminal, annotated,
    api_export, at, declare, eventually, role, thing,
};

const SHARDS: &str = "apis/core.kcp.io/v1alpha1/shards";

/// The identity of an export, as long as kcp's are.
const IDENTITY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn register(client: &Client, name: &str) {
    let shard = annotated(json!({
        "apiVersion": "core.kcp.io/v1alpha1", "kind": "Shard", "metadata": {"name": name},
        "spec": {"baseURL": "https://shard.example.com"},
    }));
    client.post(at("root", "root", SHARDS), &shard).object(201);
}

/// Objects of several types on a shard, and how many.
fn fill(client: &Client, shard: &str) -> usize {
    for number in 0..3 {
        let export = annotated(api_export(&format!("{shard}-{number}")));
        client.post(at(shard, &format!("c{number}"), APIEXPORTS), &export).object(201);
    }
    client.post(at(shard, "c1", ROLES), &annotated(role("system:a"))).object(201);
    // A cluster is on one shard alone: a Go server that sees its declaration vanish on one
    // of two forgets it on both.
    let declaring = Declaring {
        at: (shard, shard),
        name: "things",
        identity: IDENTITY,
        ..Declaring::default()
    };
    declare(client, &declaring).object(201);
    let one = annotated(thing("things.example.com/v1", "Thing", "one"));
    // A server may take a moment to learn of a type.
    eventually("a served type", || {
        (client.post(declaring.collection(), &one).status == 201).then_some(())
    });
    6
}

/// How many objects of these types there are on a shard.
fn held(client: &Client, shard: &str) -> usize {
    let things = format!("apis/things.example.com/v1/things:{IDENTITY}");
    let declaring = "apis/cache.kcp.io/v1alpha1/clustercachedresources".to_owned();
    let roles = "apis/rbac.authorization.k8s.io/v1/roles".to_owned();
    let count = |collection: &String| {
        let answer = client.get(at(shard, "*", collection));
        // Without what declares it, a type is not served.
        if answer.status == 404 {
            return 0;
        }
        answer.object(200)["items"].as_array().map_or(0, Vec::len)
    };
    [APIEXPORTS.to_owned(), roles, declaring, things].iter().map(count).sum()
}

fn prune(server: &Server, args: &[&str]) -> CommandOutput {
    let kubeconfig = server.kubeconfig("root", "root");
    let connection = ["--kubeconfig", kubeconfig.to_str().unwrap()];
    server.env().run(["cache", "prune"].iter().chain(args).chain(&connection))
}

fn items(said: &CommandOutput) -> Vec<Value> {
    let document: Value = serde_json::from_str(&said.stdout).unwrap();
    document["items"].as_array().unwrap().clone()
}

#[test]
fn what_gone_shards_left_is_deleted_on_a_server_of_any_make() {
    let server = Server::start_cache_server();
    let client = server.admin();
    let orphans = ["--orphans", "--older-than", "0s"];
    // Before any shard is registered, none can be missing.
    for shard in ["shard-1", "shard-2", "shard-3"] {
        assert_eq!(fill(&client, shard), held(&client, shard));
    }
    fill(&client, "root");
    let said = prune(&server, &[&orphans[..], &["--yes"]].concat());
    assert_eq!(said.code, Some(5), "{said}");
    assert!(said.stderr.contains("error: the cache holds no Shard object"), "{said}");
    assert_eq!(held(&client, "shard-2"), 6);

    // The root shard has no Shard object here, and keeps that of another.
    register(&client, "shard-1");
    let said = prune(&server, &[&orphans[..], &["--dry-run"]].concat());
    assert_eq!(said.code, Some(0), "{said}");
    assert!(said.stderr.ends_with("12 objects would be deleted\n"), "{said}");
    let lines: Vec<Vec<&str>> =
        said.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["RESOURCE", "SHARD", "CLUSTER", "NAMESPACE", "NAME"]);
    let named = ["roles.rbac.authorization.k8s.io", "shard-2", "c1", "default", "system:a"];
    assert!(lines.contains(&named.to_vec()), "{said}");
    assert_eq!(lines.len(), 13);
    let said = prune(&server, &[&orphans[..], &["--dry-run", "-o", "json"]].concat());
    assert!(items(&said).len() == 12 && items(&said).iter().all(|it| it["deleted"] == false));

    let said = prune(&server, &orphans);
    assert_eq!(said.code, Some(2), "{said}");
    assert!(said.stderr.contains("Delete 12 objects of shards `shard-2`, `shard-3`"), "{said}");
    assert_eq!(held(&client, "shard-2") + held(&client, "shard-3"), 12, "deleted without leave");

    let said = prune(&server, &["--shard", "shard-2", "--yes", "-o", "json"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert!(items(&said).len() == 6 && items(&said).iter().all(|it| it["deleted"] == true));
    assert_eq!((held(&client, "shard-2"), held(&client, "shard-3")), (0, 6));

    let said = prune(&server, &[&orphans[..], &["--yes"]].concat());
    assert_eq!(said.code, Some(0), "{said}");
    assert!(said.stderr.ends_with("deleted 6 objects\n"), "{said}");
    let counts: Vec<&str> =
        said.stdout.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(counts.len(), 5, "{said}");
    for (shard, left) in [("root", 6), ("shard-1", 6), ("shard-2", 0), ("shard-3", 0)] {
        assert_eq!(held(&client, shard), left, "{shard}");
    }
    let said = prune(&server, &[&orphans[..], &["--yes"]].concat());
    assert_eq!(said.to_string(), "--- stderr\nthere is nothing to prune\n--- exit 0\n");
}

#[test]
fn a_shard_that_is_not_gone_is_pruned_by_force_alone() {
    let server = Server::start();
    let client = server.admin();
    fill(&client, "shard-1");
    register(&client, "shard-1");
    let said = prune(&server, &["--shard", "shard-1", "--yes"]);
    assert_eq!(said.code, Some(5), "{said}");
    assert!(said.stderr.contains("is not gone: there is a Shard object of that name"), "{said}");
    let said = prune(&server, &["--shard", "root", "--yes"]);
    assert!(said.stderr.contains("is no shard that is ever taken for gone"), "{said}");
    assert_eq!(held(&client, "shard-1"), 6);
    let said = prune(&server, &["--shard", "shard-1", "--yes", "--force"]);
    assert_eq!((said.code, held(&client, "shard-1")), (Some(0), 0), "{said}");
    let said = prune(&server, &["--shard", "shard-9", "--dry-run"]);
    assert_eq!(
        said.to_string(),
        "--- stderr\nthe cache holds nothing of shard `shard-9`\n--- exit 0\n"
    );
    // Definitions are every server's own.
    let said = prune(&server, &["--shard", "system:cache:server", "--force", "--yes"]);
    assert!(said.stderr.contains("holds nothing of shard"), "{said}");
    for (args, reason) in [
        (&[][..], "required"),
        (&["--shard", "a", "--orphans"], "cannot be used with"),
        (&["--shard", "a", "--older-than", "1h"], "cannot be used with"),
        (&["--orphans", "--force"], "cannot be used with"),
        (&["--shard", "A"], "lowercase"),
    ] {
        let said = prune(&server, args);
        assert!(said.code == Some(2) && said.stderr.contains(reason), "{args:?}: {said}");
    }
}

#[test]
fn a_shard_of_which_something_changed_of_late_is_left() {
    // An etcd's revisions say nothing about the time.
    let etcd = Etcd::start();
    let server = Server::start_on(&etcd, &[]);
    let client = server.admin();
    register(&client, "shard-1");
    client.post(at("old", "c", APIEXPORTS), &annotated(api_export("x"))).object(201);
    // Without a shard's annotation it was made just now.
    for export in [annotated(api_export("x")), api_export("y")] {
        client.post(at("young", "c", APIEXPORTS), &export).object(201);
    }
    let said = prune(&server, &["--orphans", "--dry-run", "-o", "name"]);
    assert_eq!(said.stdout, "apiexports.apis.kcp.io/x\n", "{said}");
    assert!(
        said.stderr.starts_with("left 2 objects of `young`: no Shard object has its name"),
        "{said}"
    );
    let said = prune(&server, &["--orphans", "--dry-run", "--older-than=0s", "-o", "name"]);
    assert_eq!(said.stdout.lines().count(), 3, "{said}");

    // A store that counts from the clock tells that what it holds cannot be older.
    let server = Server::start();
    let client = server.admin();
    register(&client, "shard-1");
    client.post(at("old", "c", APIEXPORTS), &annotated(api_export("x"))).object(201);
    let said = prune(&server, &["--orphans", "--dry-run"]);
    assert!(said.stderr.contains("left 1 object of `old`"), "{said}");
}

#[test]
fn what_happens_while_the_question_stands_is_seen() {
    let server = Server::start();
    let client = server.admin();
    register(&client, "shard-1");
    for shard in ["back", "gone"] {
        for name in ["x", "y"] {
            client.post(at(shard, "c", APIEXPORTS), &annotated(api_export(name))).object(201);
        }
    }
    let kubeconfig = server.kubeconfig("root", "root");
    let line = format!(
        "cache prune --orphans --older-than 0s --kubeconfig {}",
        kubeconfig.to_str().unwrap()
    );
    let mut asked = Terminal::run(server.env(), &line);
    asked.answer("Delete 4 objects of shards `back`, `gone`", "n");
    asked.shows("stopped: nothing was changed");

    let mut asked = Terminal::run(server.env(), &line);
    asked.shows("Delete 4 objects");
    register(&client, "back");
    let path = at("gone", "c", &format!("{APIEXPORTS}/x"));
    let mut changed = client.get(&path).object(200);
    changed["metadata"]["labels"] = json!({"a": "b"});
    client.put(&path, &changed).object(200);
    asked.answer("Delete 4 objects", "y");
    asked.shows("left 2 objects of shard `back`: registered by now");
    asked.shows("deleted 1 object");
    asked.shows("left 1 object that changed meanwhile");
    for (shard, name, status) in
        [("back", "x", 200), ("back", "y", 200), ("gone", "x", 200), ("gone", "y", 404)]
    {
        assert_eq!(client.get(at(shard, "c", &format!("{APIEXPORTS}/{name}"))).status, status);
    }
}

#[test]
fn who_may_not_delete_is_told_so() {
    let server = Server::start();
    let client = server.admin();
    register(&client, "shard-1");
    client.post(at("gone", "c", APIEXPORTS), &annotated(api_export("x"))).object(201);
    let credentials = server.credentials("eve", &["kcpctl:reader"]);
    let cert = server.env().write("eve.crt", &credentials.cert_pem);
    let key = server.env().write("eve.key", &credentials.key_pem);
    let text = std::fs::read_to_string(server.kubeconfig("root", "root")).unwrap();
    let mut kubeconfig: Value = serde_json::from_str(&text).unwrap();
    kubeconfig["users"][0]["user"] = json!({"client-certificate": cert, "client-key": key});
    let file = server.env().write("eve.kubeconfig", kubeconfig.to_string());
    let args = ["cache", "prune", "--shard", "gone", "--yes", "--kubeconfig"];
    let said = server.env().run(args.iter().map(AsRef::as_ref).chain([file.as_os_str()]));
    assert_eq!(said.code, Some(5), "{said}");
    assert!(said.stderr.contains("User \"eve\" cannot delete"), "{said}");
    assert!(said.stderr.contains("hint: 0 objects were deleted; run it again"), "{said}");
}

/// A metric as text, which compares as a whole.
fn figure(server: &Server, metric: &str) -> String {
    server.metric(metric).to_string()
}

/// How often a server has said that it pruned an object.
fn said_to_be_pruned(server: &Server) -> usize {
    server.said().lines().filter(|line| line.contains("pruned an object")).count()
}

#[test]
fn a_server_deletes_what_gone_shards_left_if_it_is_told_to() {
    let server = Server::start_with(&["--prune-orphans-after=300ms"]);
    let client = server.admin();
    for shard in ["root", "shard-1", "shard-2"] {
        fill(&client, shard);
    }
    // Nobody is gone as long as nobody is registered.
    assert_eq!(figure(&server, "kcpctl_orphaned_objects"), "0");
    let mut watch = client.watch(format!("{}?watch=true", at("shard-2", "*", APIEXPORTS)));
    register(&client, "shard-1");
    eventually("an end of what is left", || (held(&client, "shard-2") == 0).then_some(()));
    let mut deleted = Vec::new();
    while deleted.len() < 3 {
        deleted.extend(watch.next_named().0.strip_prefix("DELETED ").map(str::to_owned));
    }
    deleted.sort();
    assert_eq!(deleted, ["shard-2-0", "shard-2-1", "shard-2-2"]);
    // One look later it knows that nothing is left.
    eventually("the end of it", || {
        server.said().contains("or nothing is left of it").then_some(())
    });
    assert_eq!((held(&client, "root"), held(&client, "shard-1")), (6, 6));
    assert_eq!(said_to_be_pruned(&server), 6, "{}", server.said());
    assert!(
        server
            .said()
            .contains("shard=\"shard-2\" cluster=\"c1\" namespace=\"default\" name=\"system:a\""),
        "{}",
        server.said()
    );
    assert_eq!(figure(&server, "kcpctl_pruned_objects_total"), "6");
    assert_eq!(figure(&server, "kcpctl_orphaned_objects"), "0");
    // Definitions are nobody's.
    let crds = client.get(at("*", "*", crate::support::CRDS)).object(200);
    assert!(crds["items"].as_array().unwrap().len() > 20);
}

#[test]
fn servers_on_one_etcd_delete_each_object_once() {
    let etcd = Etcd::start();
    let flags = ["--prune-orphans-after=300ms"];
    let servers = [Server::start_on(&etcd, &flags), Server::start_on(&etcd, &flags)];
    let client = servers[0].admin();
    for shard in ["shard-1", "shard-2"] {
        fill(&client, shard);
    }
    register(&client, "shard-1");
    eventually("an end of what is left", || {
        (etcd.keys("/cache/").iter().all(|key| !key.contains("/shard-2/"))).then_some(())
    });
    for server in &servers {
        eventually("a view without it", || (held(&server.admin(), "shard-2") == 0).then_some(()));
        assert_eq!(held(&server.admin(), "shard-1"), 6);
    }
    let mut servers = servers;
    for server in &mut servers {
        assert!(server.stop().success());
    }
    let pruned: usize = servers.iter().map(said_to_be_pruned).sum();
    assert_eq!(pruned, 6);
}

#[test]
fn a_server_that_is_not_told_to_deletes_nothing_and_counts() {
    let server = Server::start();
    let client = server.admin();
    fill(&client, "shard-2");
    assert_eq!(figure(&server, "kcpctl_orphaned_objects"), "0");
    register(&client, "shard-1");
    assert_eq!(figure(&server, "kcpctl_orphaned_objects"), "6");
    assert_eq!(figure(&server, "kcpctl_pruned_objects_total"), "0");
    register(&client, "shard-2");
    assert_eq!(figure(&server, "kcpctl_orphaned_objects"), "0");
}
