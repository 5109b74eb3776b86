//! A command line is completed with the names that its server knows, through a real bash.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::{
    APIEXPORTS, Cluster, CommandOutput, KCPCTL, Server, TestEnv, annotated, api_export, at,
};

/// Calls the function that the script registers as bash would: the words so far, the last of
/// them at the cursor.
const PRESS_TAB: &str = r#"
source <(kcpctl completions bash)
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_TYPE=9
current=${COMP_WORDS[COMP_CWORD]}
case $current in =|:) current= ;; esac
_clap_complete_kcpctl kcpctl "$current" ''
printf '%s\n' "${COMPREPLY[@]}"
"#;

/// What bash would offer after these words, without flags.
#[track_caller]
fn offered(env: &TestEnv, words: &[&str]) -> Vec<String> {
    let folder = Path::new(KCPCTL).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut bash = env.command("bash");
    bash.args(["--norc", "-c", PRESS_TAB, "bash", "kcpctl"]).args(words);
    bash.env("PATH", format!("{}:{path}", folder.display()));
    let said = CommandOutput::of(&mut bash);
    assert_eq!((said.stderr.as_str(), said.code), ("", Some(0)));
    let names = said.stdout.lines().filter(|it| !it.is_empty() && !it.starts_with('-'));
    names.map(str::to_owned).collect()
}

#[test]
fn names_of_a_cache_complete() {
    let server = Server::start();
    let admin = server.admin();
    for (shard, cluster) in [("alpha", "one"), ("alpha", "system:two"), ("beta", "three")] {
        let export = annotated(api_export("apples"));
        admin.post(at(shard, cluster, APIEXPORTS), &export).object(201);
    }
    let kubeconfig = server.data_dir().join("admin.kubeconfig");
    let list = ["cache", "list", "--kubeconfig", kubeconfig.to_str().unwrap()];
    let offers = |words: &[&str]| offered(server.env(), &[&list[..], words].concat());

    assert_eq!(offers(&["--shard", "a"]), ["alpha"]);
    assert!(offers(&["--shard", ""]).contains(&"beta".to_owned()));
    assert_eq!(offers(&["--shard", "=", "b"]), ["beta"]);
    assert_eq!(offers(&["--shard", "alpha", "--cluster", ""]), ["one", "system:two"]);
    assert_eq!(offers(&["--shard", "=", "beta", "--cluster", "=", ""]), ["three"]);
    // Bash takes what stands before the colon for words of their own, and replaces the last.
    assert_eq!(offers(&["--shard", "alpha", "--cluster", "system", ":", "t"]), ["two"]);
    assert_eq!(offers(&["--context", "c"]), ["cache", "control"]);
    assert_eq!(offers(&["apie"]), ["apiexportendpointslices", "apiexports"]);
    assert_eq!(offers(&["-o", "=", "w"]), ["wide"]);
}

#[test]
fn names_of_a_cluster_complete() {
    let env = TestEnv::new();
    env.run(["init", "installation", "demo", "--yes", "--cache=server", "--shards=1"]).success();
    let cluster = Cluster::prepared(&env);
    let kubeconfig = cluster.kubeconfig(&env);
    let connection = ["--kubeconfig", kubeconfig.as_str()];
    env.run([&["apply", "-f", "demo", "--no-wait"][..], &connection].concat()).success();
    cluster.put(&json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "elsewhere" },
    }));
    let offers = |command: &[&str], words: &[&str]| {
        offered(&env, &[command, &connection[..], words].concat())
    };

    assert_eq!(offers(&["status"], &["ro"]), ["root"]);
    assert_eq!(offers(&["check"], &[""]), ["root"]);
    assert_eq!(offers(&["delete", "-n", "elsewhere"], &[""]), Vec::<String>::new());
    assert_eq!(offers(&["diff"], &["-n", "else"]), ["elsewhere"]);
    let target = ["kubeconfig", "create", "ann", "--target"];
    let kinds = ["cacheserver/", "frontproxy/", "rootshard/", "shard/"];
    assert_eq!(offered(&env, &[&target[..], &[""]].concat()), kinds);
    // A command without flags for it goes where kubectl would.
    let home = env.path("../home/.kube");
    fs::create_dir_all(&home).unwrap();
    fs::copy(env.path(&kubeconfig), home.join("config")).unwrap();
    assert_eq!(offered(&env, &[&target[..], &["shard/"]].concat()), ["shard/shard-1"]);
}

#[test]
fn a_server_that_is_away_completes_nothing_and_says_nothing() {
    let env = TestEnv::new();
    let kubeconfig = {
        // Nobody listens where it was.
        let cluster = Cluster::start();
        cluster.kubeconfig(&env)
    };
    for words in [["status", "--kubeconfig"], ["check", "--kubeconfig"]] {
        assert!(offered(&env, &[&words[..], &[&kubeconfig, "r"]].concat()).is_empty());
    }
    assert!(offered(&env, &["cache", "list", "--kubeconfig", "absent", "--shard", ""]).is_empty());
}

#[test]
fn a_shell_that_cannot_ask_is_refused() {
    let env = TestEnv::new();
    let said = CommandOutput::of(env.command(KCPCTL).arg("status").env("KCPCTL_COMPLETE", "tcsh"));
    assert_eq!(
        said.to_string(),
        "--- stderr\n\
         error: KCPCTL_COMPLETE is `tcsh`, which is no shell that can ask\n\
         hint: unset it, or set it to one of bash, elvish, fish, powershell, zsh\n\
         --- exit 2\n"
    );
}
