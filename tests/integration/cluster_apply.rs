//! `kcpctl apply`, `diff` and `crds --apply` against a cluster.

use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::{
    Cluster, CommandOutput, Effect, Fault, KCPCTL, Terminal, TestEnv, eventually,
};

const SHARDS: &str = "shards.operator.kcp.io";
const ROOTS: &str = "rootshards.operator.kcp.io";

/// A folder `demo` with a small installation, and a cluster that can take it.
fn demo() -> (TestEnv, Cluster, String) {
    let env = TestEnv::new();
    env.run(["init", "installation", "demo", "--yes", "--cache=server", "--shards=1"]).success();
    let cluster = Cluster::prepared(&env);
    let kubeconfig = cluster.kubeconfig(&env);
    (env, cluster, kubeconfig)
}

fn run(env: &TestEnv, kubeconfig: &str, args: &[&str]) -> CommandOutput {
    env.run([args, &["--kubeconfig", kubeconfig]].concat())
}

fn apply(env: &TestEnv, kubeconfig: &str, more: &[&str]) -> CommandOutput {
    run(env, kubeconfig, &[&["apply", "-f", "demo", "--no-wait"], more].concat())
}

/// Changes the text of a file of the folder.
fn edit(env: &TestEnv, file: &str, from: &str, to: &str) {
    let path = env.path("demo").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn everything_is_applied_in_the_order_of_references() {
    let (env, cluster, kubeconfig) = demo();
    let said = apply(&env, &kubeconfig, &[]).success();
    let order: Vec<&str> = said.lines().map(|it| it.strip_suffix(" created").unwrap()).collect();
    assert_eq!(
        order,
        [
            "Issuer/selfsigned",
            "Service/etcd-cache",
            "Service/etcd-root",
            "Service/etcd-shard-1",
            "StatefulSet/etcd-cache",
            "StatefulSet/etcd-root",
            "StatefulSet/etcd-shard-1",
            "CacheServer/cache",
            "RootShard/root",
            "Shard/shard-1",
            "FrontProxy/main",
            "Kubeconfig/admin",
        ]
    );
    // All of it was tried before any of it was made, and all under our name.
    let patches: Vec<_> =
        cluster.take_requests().into_iter().filter(|it| it.method == "PATCH").collect();
    let dry: Vec<bool> = patches.iter().map(|it| it.query.contains_key("dryRun")).collect();
    assert_eq!(dry, [[true; 12], [false; 12]].concat());
    for patch in &patches {
        assert_eq!(patch.content_type, "application/apply-patch+yaml");
        assert_eq!(
            (patch.query["fieldManager"].as_str(), patch.query["force"].as_str()),
            ("kcpctl", "false")
        );
    }
    let again = apply(&env, &kubeconfig, &[]).success();
    assert!(again.lines().all(|it| it.ends_with(" unchanged")), "{again}");
    edit(&env, "shard-shard-1.yaml", "replicas: 1", "replicas: 2");
    let changed = apply(&env, &kubeconfig, &[]).success();
    assert!(changed.contains("Shard/shard-1 configured\n"), "{changed}");
    assert_eq!(changed.matches("unchanged").count(), 11, "{changed}");
}

#[test]
fn each_object_is_waited_for_with_a_line() {
    let (env, cluster, kubeconfig) = demo();
    let mut command = env.command(KCPCTL);
    command.args(["apply", "-f", "demo", "--kubeconfig", &kubeconfig, "--timeout=5m"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("the last object", || cluster.get("kubeconfigs.operator.kcp.io", "demo", "admin"));
    cluster.set_status(
        SHARDS,
        "demo",
        "shard-1",
        &json!({ "phase": "Provisioning", "conditions": [
            { "type": "Available", "status": "False", "reason": "ReplicasUnavailable", "message": "0 of 1", "lastTransitionTime": "2026-01-01T00:00:00Z" },
        ] }),
    );
    eventually("a look at the shard", || {
        let looks = cluster
            .requests()
            .into_iter()
            .filter(|it| it.method == "GET" && it.path.ends_with("/shards/shard-1"));
        (looks.count() > 5).then_some(())
    });
    cluster.settle();
    let said = CommandOutput::from(child.wait_with_output().unwrap());
    assert_eq!(said.code, Some(0), "{said}");
    for line in [
        "Shard/shard-1: Available: ReplicasUnavailable: 0 of 1\n",
        "Shard/shard-1: ready (Available) after ",
        "CacheServer/cache: ready (Available) after ",
        "StatefulSet/etcd-root: ready (1/1) after ",
        "Kubeconfig/admin: ready (Available) after ",
        "everything is what it should be",
    ] {
        assert!(said.stderr.contains(line), "no `{line}` in {said}");
    }
    // However often it was looked at, the same is said once.
    assert_eq!(said.stderr.matches("Shard/shard-1: Available: Replicas").count(), 1, "{said}");
    // A Service has nothing to be waited for.
    assert!(!said.stderr.contains("Service/etcd-root"), "{said}");
}

#[test]
fn what_does_not_come_about_is_named_with_its_condition_and_what_to_do() {
    let (env, cluster, kubeconfig) = demo();
    apply(&env, &kubeconfig, &[]).success();
    cluster.settle();
    cluster.set_status(
        SHARDS,
        "demo",
        "shard-1",
        &json!({ "phase": "Provisioning", "conditions": [
            { "type": "Available", "status": "False", "reason": "ReplicasUnavailable", "message": "0 of 1", "lastTransitionTime": "2026-01-01T00:00:00Z" },
        ] }),
    );
    let said = run(&env, &kubeconfig, &["apply", "-f", "demo", "--timeout=1s"]);
    assert_eq!(said.code, Some(1), "{said}");
    let end = said.stderr.split("error: ").nth(1).unwrap();
    assert_eq!(
        end,
        "not what it should be after 1s: Shard/shard-1: Available: ReplicasUnavailable: 0 of 1\n\
         hint: see `kubectl -n demo logs deployment/shard-1-shard-kcp`\n\
         hint: they stay applied; wait longer with `kcpctl status --wait`\n"
    );
}

#[test]
fn nothing_is_applied_by_halves() {
    let (env, cluster, kubeconfig) = demo();
    let nothing = |said: &CommandOutput| {
        assert!(cluster.list(ROOTS).is_empty() && cluster.list("services").is_empty(), "{said}");
    };
    // The manifests.
    edit(&env, "shard-shard-1.yaml", "name: root\n", "name: rot\n");
    let said = apply(&env, &kubeconfig, &[]);
    assert_eq!(said.code, Some(1), "{said}");
    assert!(
        said.stderr
            .contains("KCP0008 Shard/shard-1 spec.rootShard.ref: there is no RootShard `rot`"),
        "{said}"
    );
    assert!(said.stderr.contains("demo/shard-shard-1.yaml:"), "{said}");
    assert!(said.stderr.ends_with("error: 1 error, so nothing was applied\n"), "{said}");
    nothing(&said);
    edit(&env, "shard-shard-1.yaml", "name: rot\n", "name: root\n");
    // What the user may do.
    cluster.deny("patch", "shards");
    let said = apply(&env, &kubeconfig, &[]);
    assert_eq!(said.code, Some(1), "{said}");
    assert!(
        said.stderr.contains("KCP0038 Permission/shards.operator.kcp.io: you may not patch"),
        "{said}"
    );
    nothing(&said);
    cluster.allow_all();
    // What the server says in the trial, though it lets us.
    cluster.fail(
        Fault::on("PATCH", "/kubeconfigs/").with(Effect::Refuse { code: 422, retry_after: None }),
    );
    let said = apply(&env, &kubeconfig, &[]);
    assert_eq!(said.code, Some(5), "{said}");
    assert!(said.stderr.contains("refused to apply Kubeconfig/admin in `demo`"), "{said}");
    nothing(&said);
    // What goes wrong though the trial went well says what was done before it.
    cluster.fail(
        Fault::on("PATCH", "/kubeconfigs/")
            .with(Effect::Refuse { code: 422, retry_after: None })
            .after(1),
    );
    let said = apply(&env, &kubeconfig, &[]);
    assert_eq!(said.code, Some(5), "{said}");
    assert!(said.stderr.contains("hint: applied before it: "), "{said}");
    assert!(said.stderr.contains("RootShard/root"), "{said}");
    assert!(said.stderr.contains("; run it again when it is mended"), "{said}");
    let again = apply(&env, &kubeconfig, &[]);
    assert_eq!(again.code, Some(0), "{again}");
    env.run(["delete", "root", "-n", "demo", "--yes", "--kubeconfig", &kubeconfig]).success();
    cluster.list("services").iter().for_each(|it| {
        cluster.delete("services", "demo", it["metadata"]["name"].as_str().unwrap());
    });
    // No cert-manager, and no definitions.
    cluster.delete(
        "customresourcedefinitions.apiextensions.k8s.io",
        "",
        "certificates.cert-manager.io",
    );
    cluster.delete("customresourcedefinitions.apiextensions.k8s.io", "", "shards.operator.kcp.io");
    let said = apply(&env, &kubeconfig, &[]);
    assert_eq!(said.code, Some(1), "{said}");
    assert!(
        said.stderr.contains("KCP0034 Cluster: the cluster does not have cert-manager.io/v1"),
        "{said}"
    );
    assert!(
        said.stderr.contains("KCP0032 Shard/shard-1 kind: the cluster does not know Shard"),
        "{said}"
    );
    assert!(
        said.stderr.contains("hint: install the definitions with `kcpctl crds --apply`"),
        "{said}"
    );
    nothing(&said);
}

#[test]
fn a_field_of_somebody_else_is_a_conflict_until_it_is_taken_over() {
    let (env, cluster, kubeconfig) = demo();
    apply(&env, &kubeconfig, &[]).success();
    let mut shard = cluster.get(SHARDS, "demo", "shard-1").unwrap();
    shard["spec"]["replicas"] = 5.into();
    cluster.put_as("hpa", &shard);
    let said = apply(&env, &kubeconfig, &[]);
    assert_eq!(said.code, Some(5), "{said}");
    assert!(said.stderr.contains("conflict with \"hpa\": .spec.replicas"), "{said}");
    assert!(said.stderr.contains("--force-conflicts"), "{said}");
    assert!(said.stderr.ends_with("hint: nothing was applied\n"), "{said}");
    // It is no difference either, since nobody knows what would become of it.
    let diff = run(&env, &kubeconfig, &["diff", "-f", "demo"]);
    assert_eq!((diff.code, diff.stdout.as_str()), (Some(5), ""), "{diff}");
    let diff = run(&env, &kubeconfig, &["diff", "-f", "demo", "--force-conflicts"]);
    assert_eq!(diff.code, Some(1), "{diff}");
    assert!(diff.stdout.contains("\n-  replicas: 5\n+  replicas: 1\n"), "{diff}");
    assert_eq!(cluster.get(SHARDS, "demo", "shard-1").unwrap()["spec"]["replicas"], 5);
    apply(&env, &kubeconfig, &["--force-conflicts"]).success();
    assert_eq!(cluster.get(SHARDS, "demo", "shard-1").unwrap()["spec"]["replicas"], 1);
}

#[test]
fn a_shard_is_not_led_to_another_cache_by_the_way() {
    let (env, cluster, kubeconfig) = demo();
    apply(&env, &kubeconfig, &[]).success();
    edit(&env, "cacheserver-cache.yaml", "etcd-cache.demo", "etcd-other.demo");
    let said = apply(&env, &kubeconfig, &[]);
    assert_eq!(said.code, Some(2), "{said}");
    assert!(said.stderr.contains("warning: RootShard/root would leave CacheServer/cache, which stores in http://etcd-cache"), "{said}");
    assert!(said.stderr.contains("hint: answer it with `--yes`"), "{said}");
    // What changes nothing asks nothing, but says what will be asked.
    let dry = apply(&env, &kubeconfig, &["--dry-run=server"]);
    assert_eq!(dry.code, Some(0), "{dry}");
    assert!(dry.stderr.contains(": this will have to be confirmed\n"), "{dry}");
    let diff = run(&env, &kubeconfig, &["diff", "-f", "demo"]);
    assert!(diff.stderr.contains(": `kcpctl apply` will ask\n"), "{diff}");
    let stores = |cluster: &Cluster| {
        let cache = cluster.get("cacheservers.operator.kcp.io", "demo", "cache").unwrap();
        cache["spec"]["etcd"]["endpoints"][0].as_str().unwrap().to_owned()
    };
    assert!(stores(&cluster).contains("etcd-cache"));
    apply(&env, &kubeconfig, &["--yes"]).success();
    assert!(stores(&cluster).contains("etcd-other"));
}

#[test]
fn one_new_shard_fits_into_what_is_there() {
    let (env, cluster, kubeconfig) = demo();
    apply(&env, &kubeconfig, &[]).success();
    let text = std::fs::read_to_string(env.path("demo/shard-shard-1.yaml")).unwrap();
    env.write("more/two.yaml", text.replace("shard-1", "shard-2"));
    let said = run(&env, &kubeconfig, &["apply", "-f", "more", "--no-wait"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert!(cluster.get(SHARDS, "demo", "shard-2").is_some());
    // And one that does not fit does not, though its own file has nothing wrong.
    env.write("more/two.yaml", text.replace("name: shard-1", "name: shard-3"));
    let said = run(&env, &kubeconfig, &["apply", "-f", "more", "--no-wait"]);
    assert_eq!(said.code, Some(1), "{said}");
    assert!(said.stderr.contains("KCP0013 Shard/shard-3"), "{said}");
}

#[test]
fn prune_deletes_what_we_made_and_nothing_else() {
    let (env, cluster, kubeconfig) = demo();
    apply(&env, &kubeconfig, &[]).success();
    let theirs = |kind: &str, name: &str| {
        let mut object = cluster.get(SHARDS, "demo", "shard-1").unwrap();
        object["kind"] = kind.into();
        object["metadata"] = json!({ "name": name, "namespace": "demo" });
        object
    };
    cluster.put(&theirs("Shard", "by-hand"));
    for file in ["shard-shard-1", "service-etcd-shard-1", "statefulset-etcd-shard-1"] {
        std::fs::remove_file(env.path(format!("demo/{file}.yaml"))).unwrap();
    }
    let asked = apply(&env, &kubeconfig, &["--prune"]);
    assert_eq!(asked.code, Some(2), "{asked}");
    assert!(asked.stderr.contains("in no manifest any more:\n  Service/etcd-shard-1\n"), "{asked}");
    assert!(asked.stderr.contains("no terminal to ask on: Delete 3 objects?"), "{asked}");
    assert!(cluster.get(SHARDS, "demo", "shard-1").is_some());
    // Who may not delete is told before anything is applied, and who may not look what is not
    // pruned therefore.
    cluster.deny("delete", "frontproxies");
    let denied = apply(&env, &kubeconfig, &["--prune", "--yes"]);
    assert_eq!(denied.code, Some(1), "{denied}");
    let finding = "KCP0038 Permission/frontproxies.operator.kcp.io: you may not delete \
                   frontproxies.operator.kcp.io in `demo`";
    assert!(denied.stderr.contains(finding), "{denied}");
    apply(&env, &kubeconfig, &[]).success();
    cluster.allow_all();
    cluster.deny("list", "certificates");
    let dry = apply(&env, &kubeconfig, &["--prune", "--dry-run=client"]);
    let warning = "warning: you may not list each Certificate in `demo`: none of them is pruned\n";
    assert!(dry.stderr.contains(warning), "{dry}");
    assert!(dry.stdout.contains("Shard/shard-1 would be deleted (client dry run)\n"), "{dry}");
    cluster.allow_all();
    assert!(cluster.get(SHARDS, "demo", "shard-1").is_some());
    let dry = apply(&env, &kubeconfig, &["--prune", "--dry-run=server"]).success();
    assert!(dry.contains("Shard/shard-1 would be deleted (server dry run)\n"), "{dry}");
    let said = apply(&env, &kubeconfig, &["--prune", "--yes"]).success();
    let deleted: Vec<&str> = said.lines().filter(|it| it.ends_with(" deleted")).collect();
    assert_eq!(
        deleted,
        [
            "Shard/shard-1 deleted",
            "StatefulSet/etcd-shard-1 deleted",
            "Service/etcd-shard-1 deleted"
        ]
    );
    assert!(cluster.get(SHARDS, "demo", "by-hand").is_some());
    assert!(cluster.get(ROOTS, "demo", "root").is_some());
}

#[test]
fn a_busy_server_is_asked_again() {
    let (env, cluster, kubeconfig) = demo();
    cluster
        .fail(Fault::on("", "").with(Effect::Refuse { code: 429, retry_after: Some(0) }).times(2));
    cluster.fail(Fault::on("PATCH", "/rootshards/").with(Effect::BreakAfterwards).times(2));
    cluster.fail(Fault::on("PATCH", "/shards/").with(Effect::Break));
    let said = apply(&env, &kubeconfig, &[]);
    assert_eq!(said.code, Some(0), "{said}");
    assert!(cluster.get(SHARDS, "demo", "shard-1").is_some());
}

#[test]
fn dry_runs_change_nothing() {
    let (env, cluster, kubeconfig) = demo();
    // With `client` the server is not even asked to try.
    for (how, tried) in [("client", 0), ("server", 12)] {
        cluster.take_requests();
        // Nothing comes that could be waited for.
        let args = ["apply", "-f", "demo", &format!("--dry-run={how}")];
        let said = run(&env, &kubeconfig, &args);
        assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{said}");
        let shown = format!("Shard/shard-1 created ({how} dry run)\n");
        assert!(said.stdout.contains(&shown), "{said}");
        assert!(cluster.list(ROOTS).is_empty());
        let requests = cluster.take_requests();
        let patches: Vec<_> = requests.iter().filter(|it| it.method == "PATCH").collect();
        assert_eq!(patches.len(), tried, "{said}");
        assert!(patches.iter().all(|it| it.query["dryRun"] == "All"));
    }
    let real = apply(&env, &kubeconfig, &[]);
    assert_eq!(real.stderr, "not waited for: see how far it is with `kcpctl status`\n");
}

#[test]
fn definitions_and_objects_can_come_together() {
    let env = TestEnv::new();
    env.run(["init", "installation", "demo", "--yes"]).success();
    env.write("demo/a-crds.yaml", env.run(["crds"]).success());
    env.write("demo/namespace.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: demo}\n");
    let cluster = Cluster::start();
    cluster.put_cert_manager();
    let kubeconfig = cluster.kubeconfig(&env);
    let dry = apply(&env, &kubeconfig, &["--dry-run=server"]).success();
    assert!(
        dry.contains("RootShard/root created (not tried: its kind comes with these manifests)"),
        "{dry}"
    );
    // A definition is waited for until its kind is served.
    cluster.hold_definitions();
    let mut command: Command = env.command(KCPCTL);
    command.args(["apply", "-f", "demo", "--no-wait", "--kubeconfig", &kubeconfig]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let definitions = "customresourcedefinitions.apiextensions.k8s.io";
    let kinds = [
        "cacheservers",
        "rootshards",
        "shards",
        "frontproxies",
        "virtualworkspaces",
        "kubeconfigs",
    ];
    for kind in kinds {
        let name = format!("{kind}.operator.kcp.io");
        eventually(&name, || cluster.get(definitions, "", &name));
        assert!(cluster.list("issuers.cert-manager.io").is_empty(), "nothing comes before it");
        if kind == "kubeconfigs" {
            // Discovery learns of an established kind a moment later.
            let hidden = Effect::Refuse { code: 404, retry_after: None };
            cluster.fail(Fault::on("GET", "/apis/operator.kcp.io/v1alpha1").with(hidden).times(99));
        }
        cluster.establish(&name);
    }
    cluster.take_requests();
    eventually("three looks at what is served", || {
        let looks = cluster.requests();
        let looks = looks.iter().filter(|it| it.path == "/apis/operator.kcp.io/v1alpha1");
        (looks.count() > 2).then_some(())
    });
    assert!(cluster.list("issuers.cert-manager.io").is_empty(), "nothing comes before it");
    cluster.heal();
    let said = CommandOutput::from(child.wait_with_output().unwrap());
    assert_eq!(said.code, Some(0), "{said}");
    assert!(cluster.get(ROOTS, "demo", "root").is_some());
}

#[test]
fn diff_shows_what_would_change_and_says_so_with_its_exit_code() {
    let (env, cluster, kubeconfig) = demo();
    let diff = |more: &[&str]| run(&env, &kubeconfig, &[&["diff", "-f", "demo"], more].concat());
    let all = diff(&[]);
    assert_eq!(all.code, Some(1), "{all}");
    assert!(all.stdout.contains("--- /dev/null\n+++ applied/Shard/shard-1\n@@ -0,0 +1,"), "{all}");
    apply(&env, &kubeconfig, &[]).success();
    let none = diff(&[]);
    assert_eq!(
        (none.code, none.stdout.as_str(), none.stderr.as_str()),
        (Some(0), "", ""),
        "{none}"
    );
    // What others have added stays, as the server says, and is no difference.
    let mut shard = cluster.get(SHARDS, "demo", "shard-1").unwrap();
    shard["spec"]["clusterDomain"] = "example.org".into();
    cluster.put_as("somebody", &shard);
    assert_eq!(diff(&[]).to_string(), "--- exit 0\n");
    edit(&env, "shard-shard-1.yaml", "replicas: 1", "replicas: 2");
    let one = diff(&[]);
    assert_eq!(one.code, Some(1), "{one}");
    assert!(
        one.stdout.starts_with("--- live/Shard/shard-1\n+++ applied/Shard/shard-1\n@@ "),
        "{one}"
    );
    // Neither its generation nor who owns what is a difference to a reader.
    let changes: Vec<&str> =
        one.stdout.lines().skip(2).filter(|it| it.starts_with(['-', '+'])).collect();
    assert_eq!(changes, ["-  replicas: 1", "+  replicas: 2"], "{one}");
    let painted = Terminal::run(&env, &format!("diff -f demo --kubeconfig {kubeconfig}"));
    painted.shows("\u{1b}[1;31m-  replicas: 1\u{1b}[0m");
    painted.shows("\u{1b}[1;32m+  replicas: 2\u{1b}[0m");
    assert_eq!(one.stderr, "error: 1 object would change\n");
    assert_eq!(cluster.get(SHARDS, "demo", "shard-1").unwrap()["spec"]["replicas"], 1);
    std::fs::remove_file(env.path("demo/kubeconfig-admin.yaml")).unwrap();
    let pruned = diff(&["--prune"]);
    assert!(pruned.stdout.contains("--- live/Kubeconfig/admin\n+++ /dev/null\n"), "{pruned}");
    // What cannot be read cannot be compared: that is no difference.
    env.write("bad.yaml", "apiVersion: operator.kcp.io/v1alpha1\nkind: Shard\nspec: []\n");
    let bad = run(&env, &kubeconfig, &["diff", "-f", "bad.yaml"]);
    assert_eq!((bad.code, bad.stdout.as_str()), (Some(3), ""), "{bad}");
    assert!(bad.stderr.ends_with(", so nothing was sent\n"), "{bad}");
    // No cluster is no answer.
    drop(cluster);
    let lost = diff(&[]);
    assert_eq!(lost.code, Some(4), "{lost}");
}

#[test]
fn diff_does_not_show_secrets() {
    let (env, cluster, kubeconfig) = demo();
    let secret = |value: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: demo}}\nstringData: {{a: {value}}}\n"
        )
    };
    env.write("s.yaml", secret("hush"));
    let said = run(&env, &kubeconfig, &["diff", "-f", "s.yaml"]);
    assert!(
        said.stdout.contains("+  a: '*** (after)'\n") || said.stdout.contains("*** (after)"),
        "{said}"
    );
    assert!(!said.stdout.contains("hush"), "{said}");
    drop(cluster);
}

#[test]
fn definitions_are_applied_compared_and_waited_for() {
    let env = TestEnv::new();
    let cluster = Cluster::start();
    let kubeconfig = cluster.kubeconfig(&env);
    let crds = |more: &[&str]| run(&env, &kubeconfig, &[&["crds", "--apply"], more].concat());
    let dry = crds(&["--dry-run=server", "shard"]).success();
    assert_eq!(dry, "shards.operator.kcp.io created (server dry run)\n");
    let said = crds(&[]);
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(said.stdout.lines().filter(|it| it.ends_with(" created")).count(), 6, "{said}");
    assert!(said.stderr.starts_with("6 kinds served by http://127.0.0.1:"), "{said}");
    assert!(crds(&[]).success().lines().all(|it| it.ends_with(" unchanged")));
    // An older definition gains fields, and loses those that were added by hand.
    let name = "cacheservers.operator.kcp.io";
    let mut old = cluster.get("customresourcedefinitions.apiextensions.k8s.io", "", name).unwrap();
    let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
    let fields = old.pointer_mut(spec).unwrap().as_object_mut().unwrap();
    fields.remove("extraArgs");
    fields.insert("mine".into(), json!({ "type": "string" }));
    cluster.put(&old);
    let conflict = crds(&["cacheserver"]);
    assert_eq!(conflict.code, Some(5), "{conflict}");
    assert!(conflict.stderr.contains("--force-conflicts"), "{conflict}");
    let said = crds(&["cacheserver", "--force-conflicts"]).success();
    assert_eq!(
        said,
        "cacheservers.operator.kcp.io configured\n  + spec.extraArgs\n  - spec.mine\n"
    );
}

#[test]
fn a_definition_that_is_not_established_is_told() {
    let env = TestEnv::new();
    let cluster = Cluster::start();
    cluster.hold_definitions();
    let kubeconfig = cluster.kubeconfig(&env);
    let late = run(&env, &kubeconfig, &["crds", "--apply", "shard", "--timeout=1s"]);
    assert_eq!(late.code, Some(1), "{late}");
    assert!(late.stderr.contains("shards.operator.kcp.io"), "{late}");
    assert!(late.stderr.contains("no controller has written a condition yet"), "{late}");
    let mut command: Command = env.command(KCPCTL);
    command.args(["crds", "--apply", "shard", "--kubeconfig", &kubeconfig]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    cluster.establish("shards.operator.kcp.io");
    let said = CommandOutput::from(child.wait_with_output().unwrap());
    assert_eq!(said.code, Some(0), "{said}");
}

#[test]
fn the_way_to_a_cluster_is_found_or_the_failure_says_why() {
    let env = TestEnv::new();
    env.run(["init", "installation", "demo", "--yes"]).success();
    let said = env.run(["diff", "-f", "demo"]);
    assert_eq!(said.code, Some(3), "{said}");
    assert!(
        said.stderr.starts_with("error: no kubeconfig leads to a cluster\nhint: looked for `"),
        "{said}"
    );
    let cluster = Cluster::prepared(&env);
    let kubeconfig = cluster.kubeconfig(&env);
    let said = run(&env, &kubeconfig, &["diff", "-f", "demo", "--context", "nope"]);
    assert!(
        said.stderr.contains("has no context `nope`\nhint: its contexts are: test\n"),
        "{said}"
    );
    // KUBECONFIG and its current context do, as with kubectl.
    let mut command = env.command(KCPCTL);
    command.env("KUBECONFIG", &kubeconfig).args(["diff", "-f", "demo"]);
    assert_eq!(CommandOutput::of(&mut command).code, Some(1));
    cluster
        .fail(Fault::on("GET", "/version").with(Effect::Refuse { code: 401, retry_after: None }));
    let said = run(&env, &kubeconfig, &["check", "--pre"]);
    assert_eq!(said.code, Some(5), "{said}");
    assert!(said.stderr.contains("hint: log in again"), "{said}");
}

#[test]
fn init_applies_what_it_would_write() {
    let env = TestEnv::new();
    let cluster = Cluster::prepared(&env);
    cluster.delete("namespaces", "", "demo");
    let kubeconfig = cluster.kubeconfig(&env);
    let init = ["init", "installation", "demo", "--yes", "--apply"];
    let dry = run(&env, &kubeconfig, &[&init[..], &["--dry-run"]].concat()).success();
    assert!(dry.starts_with("Namespace/demo created (server dry run)\n"), "{dry}");
    assert!(cluster.list(ROOTS).is_empty());
    let mut command = env.command(KCPCTL);
    command.args(init).args(["--kubeconfig", &kubeconfig]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("the last object", || cluster.get("kubeconfigs.operator.kcp.io", "demo", "admin"));
    cluster.settle();
    let said = CommandOutput::from(child.wait_with_output().unwrap());
    assert_eq!(said.code, Some(0), "{said}");
    assert!(cluster.get("namespaces", "", "demo").is_some());
    assert!(!env.path("demo").exists(), "a folder that nobody asked for");
}

#[test]
fn what_somebody_deletes_meanwhile_is_not_waited_for() {
    let (env, cluster, kubeconfig) = demo();
    let mut command = env.command(KCPCTL);
    command.args(["apply", "-f", "demo", "--kubeconfig", &kubeconfig, "--timeout=50s"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("the last object", || cluster.get("kubeconfigs.operator.kcp.io", "demo", "admin"));
    cluster.delete(SHARDS, "demo", "shard-1");
    let said = CommandOutput::from(child.wait_with_output().unwrap());
    assert_eq!(said.code, Some(1), "{said}");
    let end = "error: Shard/shard-1 in `demo` was deleted by somebody else\nhint: apply it again\n";
    assert!(said.stderr.ends_with(end), "{said}");
}

#[test]
fn every_refusal_of_the_trial_is_shown() {
    let (env, cluster, kubeconfig) = demo();
    let refuse = |path: &str| {
        let effect = Effect::Refuse { code: 422, retry_after: None };
        cluster.fail(Fault::on("PATCH", path).with(effect));
    };
    refuse("/frontproxies/");
    refuse("/kubeconfigs/");
    let said = apply(&env, &kubeconfig, &[]);
    assert_eq!(said.code, Some(5), "{said}");
    assert_eq!(
        said.stderr,
        "refused to apply FrontProxy/main in `demo`: the server is made to say no\n\
         refused to apply Kubeconfig/admin in `demo`: the server is made to say no\n\
         error: the cluster would refuse 2 objects, so nothing was applied\n\
         hint: correct the manifest; `kcpctl validate` checks it without a cluster\n"
    );
    assert!(cluster.list(ROOTS).is_empty());
}

#[test]
fn what_the_server_warns_of_is_passed_on() {
    let (env, cluster, kubeconfig) = demo();
    let effect = Effect::Warn("unknown field \"spec.x\"");
    cluster.fail(Fault::on("PATCH", "/shards/").with(effect).after(1));
    let said = apply(&env, &kubeconfig, &[]);
    assert_eq!(said.code, Some(0), "{said}");
    let warning = "warning: Shard/shard-1: unknown field \"spec.x\"\n";
    assert!(said.stderr.contains(warning), "{said}");
}

#[test]
fn what_manifests_need_of_the_cluster_is_looked_up() {
    let (env, cluster, kubeconfig) = demo();
    let said = |more: &[&str]| apply(&env, &kubeconfig, &[&["--dry-run=client"], more].concat());
    // A Secret may come later. One that comes with the manifests must be right.
    edit(&env, "shard-shard-1.yaml", "spec:\n", "spec:\n  caBundleSecretRef:\n    name: bundle\n");
    let missing = said(&[]);
    assert_eq!(missing.code, Some(0), "{missing}");
    let finding =
        "warning KCP0036 Shard/shard-1 spec.caBundleSecretRef: there is no Secret `bundle`";
    assert!(missing.stderr.contains(finding), "{missing}");
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: bundle, namespace: demo}\n";
    env.write("demo/secret.yaml", format!("{secret}stringData: {{tls.crt: nothing}}\n"));
    let broken = said(&[]);
    assert!(!broken.stderr.contains("KCP0036"), "{broken}");
    assert!(broken.stderr.contains("KCP0037 Shard/shard-1 spec.caBundleSecretRef"), "{broken}");
    env.write(
        "demo/secret.yaml",
        "apiVersion: cert-manager.io/v1\nkind: Certificate\n\
         metadata: {name: bundle, namespace: demo}\n\
         spec: {secretName: bundle, issuerRef: {name: selfsigned}}\n",
    );
    let made = said(&[]);
    assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""), "{made}");
    // What somebody else takes care of would not stay as it is applied.
    let mut shard = cluster.put(&json!({
        "apiVersion": "operator.kcp.io/v1alpha1", "kind": "Shard",
        "metadata": {
            "name": "shard-1", "namespace": "demo",
            "labels": { "app.kubernetes.io/managed-by": "Helm" },
            "annotations": { "meta.helm.sh/release-name": "kcp" },
        },
        "spec": {},
    }));
    let helm = said(&[]);
    assert_eq!(helm.code, Some(0), "{helm}");
    let finding = "warning KCP0039 Shard/shard-1 metadata.labels: the object belongs to the Helm";
    assert!(helm.stderr.contains(finding), "{helm}");
    shard["metadata"]["ownerReferences"] =
        json!([{ "uid": "x", "kind": "Platform", "name": "p", "controller": true }]);
    cluster.put(&shard);
    let owned = said(&[]);
    assert_eq!(owned.code, Some(1), "{owned}");
    let finding =
        "error KCP0039 Shard/shard-1 metadata.ownerReferences: Platform/p owns the object";
    assert!(owned.stderr.contains(finding), "{owned}");
    cluster.delete(SHARDS, "demo", "shard-1");
    // Nobody else makes an issuer.
    std::fs::remove_file(env.path("demo/issuer-selfsigned.yaml")).unwrap();
    let unsigned = said(&[]);
    assert_eq!(unsigned.code, Some(1), "{unsigned}");
    let finding = "error KCP0035 RootShard/root spec.certificates.issuerRef: there is no Issuer";
    assert!(unsigned.stderr.contains(finding), "{unsigned}");
    // A definition that does not serve the version is of no use.
    let crds = "customresourcedefinitions.apiextensions.k8s.io";
    let mut crd = cluster.get(crds, "", SHARDS).unwrap();
    let mut newer = crd["spec"]["versions"][0].clone();
    newer["name"] = "v1beta1".into();
    crd["spec"]["versions"][0]["served"] = false.into();
    crd["spec"]["versions"].as_array_mut().unwrap().push(newer);
    cluster.put(&crd);
    let gone = said(&[]);
    assert!(
        gone.stderr.contains("KCP0032 Shard/shard-1 kind: the cluster does not know"),
        "{gone}"
    );
}

#[test]
fn what_an_installation_is_for_counts() {
    let env = TestEnv::new();
    env.run(["init", "installation", "demo", "--yes"]).success();
    let cluster = Cluster::prepared(&env);
    let kubeconfig = cluster.kubeconfig(&env);
    let said = |profile: &str| {
        let profile = format!("--profile={profile}");
        apply(&env, &kubeconfig, &["--dry-run=client", &profile]).stderr
    };
    assert_eq!(said("dev"), "");
    let production = said("production");
    let finding = production.lines().find(|it| it.contains("RootShard/root")).unwrap();
    let code = &finding[finding.find("KCP").unwrap()..][..7];
    cluster.put(&serde_yaml::from_str(&text_of(&env, "demo/rootshard-root.yaml")).unwrap());
    let check = |profile: &str| run(&env, &kubeconfig, &["check", "--profile", profile]).stdout;
    assert!(!check("dev").contains(code), "{}", check("dev"));
    assert!(check("production").contains(code), "{}", check("production"));
}

fn text_of(env: &TestEnv, file: &str) -> String {
    std::fs::read_to_string(env.path(file)).unwrap()
}

#[test]
fn what_names_no_namespace_goes_where_the_flag_or_the_context_says() {
    let env = TestEnv::new();
    let cluster = Cluster::prepared(&env);
    let kubeconfig = cluster.kubeconfig(&env);
    env.write("c.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n");
    let places = || -> Vec<String> {
        let found = cluster.list("configmaps");
        let namespace = |it: &serde_json::Value| it["metadata"]["namespace"].clone();
        found.iter().map(|it| namespace(it).as_str().unwrap().to_owned()).collect()
    };
    run(&env, &kubeconfig, &["apply", "-f", "c.yaml"]).success();
    assert_eq!(places(), ["default"]);
    cluster.delete("configmaps", "default", "c");
    run(&env, &kubeconfig, &["apply", "-f", "c.yaml", "-n", "kube-system"]).success();
    assert_eq!(places(), ["kube-system"]);
    cluster.delete("configmaps", "kube-system", "c");
    let text = text_of(&env, "cluster.kubeconfig");
    env.write("cluster.kubeconfig", text.replace("user: test}", "user: test, namespace: demo}"));
    run(&env, &kubeconfig, &["apply", "-f", "c.yaml"]).success();
    assert_eq!(places(), ["demo"]);
}

#[test]
fn a_server_that_stays_busy_or_says_no_is_told_with_what_to_do() {
    let (env, cluster, kubeconfig) = demo();
    // One that broke for a moment is asked again.
    for code in [500, 502, 504] {
        cluster
            .fail(Fault::on("PATCH", "/shards/").with(Effect::Refuse { code, retry_after: None }));
        assert_eq!(apply(&env, &kubeconfig, &["--dry-run=server"]).code, Some(0), "{code}");
    }
    let refused = |code, times| {
        let effect = Effect::Refuse { code, retry_after: Some(0) };
        cluster.fail(Fault::on("PATCH", "/rootshards/").with(effect).times(times));
        cluster.take_requests();
        let said = apply(&env, &kubeconfig, &["--dry-run=server"]);
        cluster.heal();
        assert_eq!(said.code, Some(5), "{said}");
        let asked = cluster.take_requests();
        let tries = asked.iter().filter(|it| it.method == "PATCH" && it.path.contains("/rootsh"));
        (said.stderr, tries.count())
    };
    for (code, hint, tries) in [
        (503, "the API server is busy or broken: try again in a moment", 5),
        (403, "ask for a role that may apply RootShard/root in `demo`", 1),
        (409, "somebody else changed it meanwhile: run it again", 1),
    ] {
        let (stderr, asked) = refused(code, 50);
        assert!(stderr.contains(&format!("hint: {hint}\n")), "{stderr}");
        assert_eq!(asked, tries, "{code}");
    }
    cluster.delete("namespaces", "", "demo");
    let homeless = apply(&env, &kubeconfig, &[]);
    assert_eq!(homeless.code, Some(5), "{homeless}");
    let hint = "hint: make the namespace first, with `kubectl create namespace`\n";
    assert!(homeless.stderr.contains(hint), "{homeless}");
}
