//! `kcpctl apply`, `diff` and `crds --apply` against a cluster.

use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::{Cluster, CommandOutput, Effect, Fault, KCPCTL, TestEnv, eventually};

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
    for how in ["client", "server"] {
        let said = apply(&env, &kubeconfig, &[&format!("--dry-run={how}")]).success();
        assert!(said.contains(&format!("Shard/shard-1 created ({how} dry run)\n")), "{said}");
        assert!(cluster.list(ROOTS).is_empty());
    }
    let patches = cluster.requests().into_iter().filter(|it| it.method == "PATCH");
    assert!(patches.into_iter().all(|it| it.query["dryRun"] == "All"));
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
    for kind in
        ["cacheservers", "rootshards", "shards", "frontproxies", "virtualworkspaces", "kubeconfigs"]
    {
        let name = format!("{kind}.operator.kcp.io");
        eventually(&name, || cluster.get(definitions, "", &name));
        assert!(cluster.list("issuers.cert-manager.io").is_empty(), "nothing comes before it");
        cluster.establish(&name);
    }
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
    assert!(one.stdout.contains("\n-  replicas: 1\n+  replicas: 2\n"), "{one}");
    assert_eq!(one.stderr, "error: 1 object would change\n");
    assert_eq!(cluster.get(SHARDS, "demo", "shard-1").unwrap()["spec"]["replicas"], 1);
    std::fs::remove_file(env.path("demo/kubeconfig-admin.yaml")).unwrap();
    let pruned = diff(&["--prune"]);
    assert!(pruned.stdout.contains("--- live/Kubeconfig/admin\n+++ /dev/null\n"), "{pruned}");
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
