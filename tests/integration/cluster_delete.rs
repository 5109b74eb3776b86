//! `kcpctl delete`: dry runs, what it waits for, what it leaves alone.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{CommandOutput, Demo, Effect, Fault, KCPCTL, Requested, eventually};

const SHARDS: &str = "shards.operator.kcp.io";
const ROOTS: &str = "rootshards.operator.kcp.io";

fn deletes(demo: &Demo) -> Vec<Requested> {
    demo.cluster.take_requests().into_iter().filter(|it| it.method == "DELETE").collect()
}

fn put_root(demo: &Demo, namespace: &str, name: &str) {
    demo.cluster.put(&json!({
        "apiVersion": "operator.kcp.io/v1alpha1", "kind": "RootShard",
        "metadata": { "name": name, "namespace": namespace }, "spec": {},
    }));
}

fn hold(demo: &Demo) -> Value {
    let mut shard = demo.cluster.get(SHARDS, "demo", "shard-1").unwrap();
    shard["metadata"]["finalizers"] = json!(["example.org/hold"]);
    demo.cluster.put(&shard)
}

#[test]
fn dry_runs_delete_nothing_and_ask_nothing() {
    let demo = Demo::new();
    for (how, sent) in [("client", 0), ("server", 5)] {
        demo.cluster.take_requests();
        let said = demo.run(&["delete", "root", "-n", "demo", &format!("--dry-run={how}")]);
        assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{said}");
        let end = format!(" would be deleted ({how} dry run)");
        assert_eq!(said.stdout.lines().filter(|it| it.ends_with(&end)).count(), 5, "{said}");
        let requests = deletes(&demo);
        assert_eq!(requests.len(), sent, "{said}");
        assert!(requests.iter().all(|it| it.body["dryRun"] == json!(["All"])));
    }
}

#[test]
fn only_what_was_looked_at_is_deleted_with_what_it_owns() {
    let demo = Demo::new();
    let uids: Vec<Value> = [("shards", "shard-1"), ("rootshards", "root")]
        .map(|(plural, name)| {
            let of = format!("{plural}.operator.kcp.io");
            demo.cluster.get(&of, "demo", name).unwrap()["metadata"]["uid"].clone()
        })
        .into();
    demo.cluster.take_requests();
    // What is gone or made anew in between is no failure.
    for (path, code) in [("/kubeconfigs/admin", 404), ("/frontproxies/main", 409)] {
        let effect = Effect::Refuse { code, retry_after: None };
        demo.cluster.fail(Fault::on("DELETE", path).with(effect));
    }
    let said = demo.run(&["delete", "root", "-n", "demo", "--yes", "--no-wait"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(
        said.stdout.lines().take(3).collect::<Vec<_>>(),
        [
            "Kubeconfig/admin was gone already",
            "FrontProxy/main was made anew meanwhile, and left",
            "Shard/shard-1 deleted"
        ]
    );
    let requests = deletes(&demo);
    let sent: Vec<_> = requests[2..4].iter().map(|it| &it.body["preconditions"]["uid"]).collect();
    assert_eq!(sent, uids.iter().collect::<Vec<_>>());
    // A Deployment goes with the shard that owns it.
    assert!(demo.cluster.get("deployments.apps", "demo", "shard-1-shard-kcp").is_none());
}

#[test]
fn an_installation_is_named_for_sure() {
    let demo = Demo::new();
    demo.cluster.put(&json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "other" },
    }));
    put_root(&demo, "other", "root");
    let said = demo.run(&["delete", "root", "--yes"]);
    assert_eq!(
        said.to_string(),
        "--- stderr\nerror: there are several: demo/root, other/root\nhint: name one of them\n\
         --- exit 2\n"
    );
    let said = demo.run(&["delete", "other/root", "--yes"]).success();
    assert_eq!(said, "RootShard/root deleted\n");
    // Of two in a namespace one goes without the other.
    put_root(&demo, "demo", "second");
    let said = demo.run(&["delete", "second", "--yes"]).success();
    assert_eq!(said, "RootShard/second deleted\n");
    assert!(demo.cluster.get(ROOTS, "demo", "root").is_some());
    assert!(demo.cluster.get(SHARDS, "demo", "shard-1").is_some());
}

#[test]
fn nothing_is_waited_for_if_nobody_wants_to() {
    let demo = Demo::new();
    hold(&demo);
    let said = demo.run(&["delete", "root", "-n", "demo", "--yes", "--no-wait"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert!(demo.cluster.get(ROOTS, "demo", "root").is_none());
    assert!(demo.cluster.get(SHARDS, "demo", "shard-1").is_some());
}

#[test]
fn another_object_of_the_same_name_is_not_waited_for() {
    let demo = Demo::new();
    let mut shard = hold(&demo);
    let mut command = demo.env.command(KCPCTL);
    command.args(["delete", "demo", "--yes", "--timeout=20s", "--kubeconfig", &demo.kubeconfig]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("the deletion", || {
        let live = demo.cluster.get(SHARDS, "demo", "shard-1")?;
        live["metadata"]["deletionTimestamp"].is_string().then_some(())
    });
    let mut ended = demo.cluster.get(SHARDS, "demo", "shard-1").unwrap();
    ended["metadata"]["finalizers"] = json!([]);
    ended.as_object_mut().unwrap().remove("status");
    // Its controller lets it go, and somebody makes it anew.
    demo.cluster.replace(&ended, {
        shard["metadata"] = json!({ "name": "shard-1", "namespace": "demo" });
        &shard
    });
    let said = CommandOutput::from(child.wait_with_output().unwrap());
    assert_eq!(said.code, Some(0), "{said}");
    assert!(demo.cluster.get(SHARDS, "demo", "shard-1").is_some());
}

#[test]
fn certificates_and_volumes_stay_and_what_nobody_may_see_is_told() {
    let demo = Demo::new();
    demo.certificate("kubeconfig-cert-admin", None, "2099-01-01T00:00:00Z");
    demo.cluster.put(&json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": { "name": "data-etcd-root-0", "namespace": "demo" },
    }));
    demo.cluster.deny("get", "secrets");
    let said = demo.run(&["delete", "-f", "demo", "--yes"]);
    assert_eq!(said.code, Some(0), "{said}");
    let told = said.stderr.split("left behind, since nothing else could bring it back:\n").nth(1);
    assert_eq!(
        told.unwrap().lines().take(3).collect::<Vec<_>>(),
        [
            "  perhaps each Secret in `demo`: you may not look",
            "  1 Certificate in `demo`: kubeconfig-cert-admin",
            "  1 PersistentVolumeClaim in `demo`: data-etcd-root-0",
        ],
        "{said}"
    );
}
