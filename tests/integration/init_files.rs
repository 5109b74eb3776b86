//! How `kcpctl init installation` writes a folder: wholly or not at all.

use std::io::Write;
use std::process::Stdio;

use crate::support::{CommandOutput, TestEnv};

const INIT: [&str; 4] = ["init", "installation", "demo", "--yes"];

fn init(env: &TestEnv, args: &[&str]) -> CommandOutput {
    env.run(INIT.iter().chain(args))
}

fn files(env: &TestEnv, folder: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(env.path(folder))
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn files_are_overwritten_with_force_only() {
    let env = TestEnv::new();
    init(&env, &[]).success();
    let first = files(&env, "demo");
    env.write("demo/rootshard-root.yaml", "mine\n");

    assert_eq!(
        init(&env, &["--shards", "1"]).to_string(),
        "\
--- stderr
error: `demo` already has issuer-selfsigned.yaml, service-etcd-root.yaml, statefulset-etcd-root.yaml, rootshard-root.yaml, frontproxy-main.yaml and 2 more
hint: overwrite them with `--force`, or name another folder with `-o DIR`
--- exit 3
"
    );
    assert_eq!(files(&env, "demo"), first, "a refusal adds no file");
    assert_eq!(std::fs::read_to_string(env.path("demo/rootshard-root.yaml")).unwrap(), "mine\n");

    assert_eq!(
        init(&env, &["--force", "--dry-run", "--shards", "1"]).to_string(),
        "\
--- stdout
demo/issuer-selfsigned.yaml (unchanged)
demo/service-etcd-root.yaml (unchanged)
demo/statefulset-etcd-root.yaml (unchanged)
demo/service-etcd-shard-1.yaml (new)
demo/statefulset-etcd-shard-1.yaml (new)
demo/rootshard-root.yaml (overwritten)
demo/shard-shard-1.yaml (new)
demo/frontproxy-main.yaml (unchanged)
demo/kubeconfig-admin.yaml (unchanged)
demo/kustomization.yaml (overwritten)
--- exit 0
"
    );
    assert_eq!(files(&env, "demo"), first, "a dry run adds no file");

    init(&env, &["--force", "--shards", "1"]).success();
    assert_eq!(files(&env, "demo").len(), 10);
    let root = std::fs::read_to_string(env.path("demo/rootshard-root.yaml")).unwrap();
    assert!(root.contains("kind: RootShard"));

    // What is no longer part of the installation stays, and is named.
    let said = init(&env, &["--force"]);
    assert_eq!(
        said.stderr.lines().take(2).collect::<Vec<_>>(),
        [
            "wrote 7 files to demo, 6 of them as they were",
            "warning: not part of the installation: service-etcd-shard-1.yaml, \
             shard-shard-1.yaml, statefulset-etcd-shard-1.yaml; `kubectl apply -k` skips them",
        ]
    );
    said.success();
}

#[test]
fn a_folder_that_cannot_be_written_stays_as_it_is() {
    let env = TestEnv::new();
    env.write("file", "mine\n");
    assert_eq!(
        init(&env, &["-o", "file"]).to_string(),
        "\
--- stderr
error: `file` is not a folder
hint: name another folder with `-o DIR`
--- exit 3
"
    );
    let said = init(&env, &["-o", "file/below"]);
    assert_eq!(said.code, Some(3), "{said}");
    std::fs::create_dir_all(env.path("odd/kustomization.yaml")).unwrap();
    assert_eq!(
        init(&env, &["-o", "odd", "--force"]).to_string(),
        "\
--- stderr
error: `odd/kustomization.yaml` is not a plain file
hint: move it away, or name another folder with `-o DIR`
--- exit 3
"
    );
    assert_eq!(files(&env, "odd"), ["kustomization.yaml"]);
    assert_eq!(files(&env, ""), ["file", "odd"], "no scratch folder is left");
}

#[test]
fn a_new_folder_is_made_with_its_parents() {
    let env = TestEnv::new();
    init(&env, &["-o", "a/b/c"]).success();
    assert_eq!(files(&env, "a/b"), ["c"]);
    assert_eq!(files(&env, "a/b/c").len(), 7);
    assert_eq!(
        init(&env, &["-o", "-", "--dry-run"]).to_string(),
        "\
--- stdout
issuer-selfsigned.yaml
service-etcd-root.yaml
statefulset-etcd-root.yaml
rootshard-root.yaml
frontproxy-main.yaml
kubeconfig-admin.yaml
--- exit 0
"
    );
}

#[test]
fn a_topology_comes_from_stdin_and_flags_override_it() {
    let env = TestEnv::new();
    let mut child = env
        .command(env!("CARGO_BIN_EXE_kcpctl"))
        .args(["init", "installation", "-f", "-", "--namespace", "other", "--print-config"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let topology = "{apiVersion: kcpctl.io/v1alpha1, kind: Installation, name: demo, namespace: a}";
    child.stdin.take().unwrap().write_all(topology.as_bytes()).unwrap();
    let config = CommandOutput::from(child.wait_with_output().unwrap()).success();
    assert!(config.contains("\nnamespace: other\n"), "{config}");
}

#[test]
fn kubectl_builds_the_folder() {
    let env = TestEnv::new();
    init(&env, &["--shards", "1", "--cache", "server"]).success();
    let built = CommandOutput::of(env.command("kubectl").args(["kustomize", "demo"])).success();
    let kinds: Vec<&str> = built.lines().filter_map(|line| line.strip_prefix("kind: ")).collect();
    // As many as there are files, less the kustomization.
    assert_eq!(kinds.len(), files(&env, "demo").len() - 1, "{built}");
    for kind in ["CacheServer", "RootShard", "Shard", "FrontProxy", "Kubeconfig", "StatefulSet"] {
        assert!(kinds.contains(&kind), "{kind}: {built}");
    }
}
