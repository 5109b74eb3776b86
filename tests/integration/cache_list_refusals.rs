//! What `kcpctl cache list` says when it cannot do what it is asked for.
//!
//! A server that forgets, or that is none, is played by a few lines of plain HTTP:
//! no real one can be made to do it on command.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;

use crate::support::{CommandOutput, Server, TestEnv};

/// What a played server answers to a path with its query: a status line and a body.
type Script = fn(&str) -> (&'static str, String);

/// Plays a server for as long as the test lasts, and writes a kubeconfig to it.
fn play(env: &TestEnv, script: Script) -> PathBuf {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else { return };
            thread::spawn(move || {
                let mut lines = BufReader::new(connection.try_clone().unwrap()).lines();
                let first = lines.next()?.ok()?;
                while !lines.next()?.ok()?.is_empty() {}
                let (status, body) = script(first.split(' ').nth(1)?);
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
                connection.write_all(answer.as_bytes()).ok()
            });
        }
    });
    kubeconfig(env, &format!("http://127.0.0.1:{port}"))
}

fn kubeconfig(env: &TestEnv, server: &str) -> PathBuf {
    let text = format!(
        "apiVersion: v1\nkind: Config\nclusters: [{{name: a, cluster: {{server: '{server}'}}}}]\n\
         contexts: [{{name: cache, context: {{cluster: a}}}}]\n"
    );
    env.write("played.kubeconfig", text)
}

fn list(env: &TestEnv, args: &[&str]) -> CommandOutput {
    env.run(["cache", "list"].iter().chain(args))
}

fn with(env: &TestEnv, args: &[&str]) -> CommandOutput {
    let mut all = vec!["--kubeconfig", "played.kubeconfig"];
    all.extend(args);
    list(env, &all)
}

/// What was said, without the port that was free.
fn without_port(said: &CommandOutput) -> String {
    let text = said.to_string();
    let Some((before, after)) = text.split_once("127.0.0.1:") else { return text };
    format!("{before}127.0.0.1:PORT{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
}

#[test]
fn an_illegal_word_is_refused_before_any_connection() {
    let env = TestEnv::new();
    let cases: [(&[&str], &str); 7] = [
        (
            &["apiexports", "--shard", "Amber"],
            "error: invalid value 'Amber' for '--shard <SHARD>': expected `*` or 1 to 61",
        ),
        (
            &["--cluster", "root:org"],
            "error: invalid value 'root:org' for '--cluster <CLUSTER>': expected a logical cluster",
        ),
        (&["apiexports", "-o", "xml"], "error: invalid value 'xml' for '--output <FORMAT>'"),
        (&["apiexports", "-l", "((("], "error: invalid value '(((' for '--selector <SELECTOR>'"),
        (&["roles", "-n", "A"], "error: invalid value 'A' for '--namespace <NAMESPACE>'"),
        (&["--watch"], "error: the following required arguments were not provided:\n  <RESOURCE>"),
        (&["apiexports", "--by", "shard"], "error: the argument '[RESOURCE]' cannot be used with"),
    ];
    for (args, beginning) in cases {
        let said = list(&env, args);
        assert!(said.stderr.starts_with(beginning), "{said}");
        assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{said}");
    }
}

#[test]
fn a_kubeconfig_that_is_none_is_refused_with_the_reason() {
    let env = TestEnv::new();
    let said = list(&env, &[]);
    assert!(
        said.stderr.starts_with("error: no kubeconfig leads to a cache server\nhint: "),
        "{said}"
    );
    assert_eq!(said.code, Some(3));

    env.write("deployment.yaml", "apiVersion: apps/v1\nkind: Deployment\n");
    assert_eq!(
        list(&env, &["--kubeconfig", "deployment.yaml"]).to_string(),
        "--- stderr\n\
         error: `deployment.yaml` is not a kubeconfig: its kind is `Deployment`, not `Config`\n\
         hint: name another file with `--kubeconfig`\n--- exit 3\n"
    );
    env.write("broken.yaml", "clusters:\n  - name: [\n");
    let said = list(&env, &["--kubeconfig", "broken.yaml"]);
    assert!(said.stderr.starts_with("error: `broken.yaml` is not a kubeconfig: line "), "{said}");
}

#[test]
fn another_current_context_is_never_used() {
    let env = TestEnv::new();
    env.write(
        "mine.yaml",
        "clusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]\n\
         contexts: [{name: mine, context: {cluster: a}}]\ncurrent-context: mine\n",
    );
    let mut command = env.command(env!("CARGO_BIN_EXE_kcpctl"));
    let said = CommandOutput::of(command.args(["cache", "list"]).env("KUBECONFIG", "mine.yaml"));
    assert_eq!(said.code, Some(3), "{said}");
    assert!(said.stderr.contains("looked for the context `cache` in"), "{said}");
}

#[test]
fn a_server_that_is_not_there_is_named_with_its_kubeconfig() {
    let env = TestEnv::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    kubeconfig(&env, &format!("https://127.0.0.1:{port}"));
    assert_eq!(
        without_port(&with(&env, &[])),
        "--- stderr\n\
         error: failed to reach the cache server at https://127.0.0.1:PORT (context `cache` of \
         `played.kubeconfig`)\n  caused by: Connection refused (os error 111)\n\
         hint: start one with `kcpctl cache serve`, or name another kubeconfig with \
         `--kubeconfig`\n--- exit 4\n"
    );
}

#[test]
fn a_server_of_another_ca_is_not_trusted() {
    let server = Server::shared();
    let other = Server::start_cache_server();
    let text = std::fs::read_to_string(server.kubeconfig("root", "root")).unwrap();
    let there = other.address().port().to_string();
    let here = server.address().port().to_string();
    other.env().write("foreign.kubeconfig", text.replace(&here, &there));
    let said = list(other.env(), &["shards", "--kubeconfig", "foreign.kubeconfig"]);
    assert_eq!(said.code, Some(4), "{said}");
    assert!(said.stderr.contains("caused by: invalid peer certificate: "), "{said}");
    let hint = "hint: the server's certificate is not signed by the CA in `";
    assert!(said.stderr.contains(hint) && said.stderr.contains("ca.crt`: it is another"), "{said}");
}

#[test]
fn names_that_mean_nothing_come_with_what_was_meant() {
    let server = Server::shared();
    let kubeconfig = server.kubeconfig("root", "root");
    let run = |args: &[&str]| {
        let mut all = vec!["--kubeconfig", kubeconfig.to_str().unwrap()];
        all.extend(args);
        list(server.env(), &all).to_string()
    };
    assert_eq!(
        run(&["shrads"]),
        "--- stderr\nerror: there is no resource `shrads` in a cache\n\
         hint: did you mean `shards.core.kcp.io`?\n--- exit 2\n"
    );
    assert_eq!(
        run(&["apiexports.v9.apis.kcp.io"]),
        "--- stderr\nerror: `apiexports.apis.kcp.io` has no version `v9`\n\
         hint: it has `v1alpha2` or `v1alpha1`\n--- exit 2\n"
    );
    assert_eq!(
        run(&["shards", "-n", "default"]),
        "--- stderr\nerror: shards.core.kcp.io are not in namespaces\n\
         hint: leave `--namespace` away\n--- exit 2\n"
    );
}

#[test]
fn what_is_no_cache_server_is_told_apart() {
    let env = TestEnv::new();
    play(&env, |_| ("404 Not Found", "<html>nothing</html>".to_owned()));
    assert_eq!(
        with(&env, &[]).to_string(),
        "--- stderr\nerror: the server serves none of the resources of a cache\n\
         hint: is it a kcp cache server? Name one with `--kubeconfig` and `--context`\n--- exit 5\n"
    );
    play(&env, |_| ("200 OK", "<html>hello</html>".to_owned()));
    let said = with(&env, &["shards"]);
    assert!(said.stderr.contains("sent an answer that cannot be read\n  caused by: "), "{said}");
    assert_eq!(said.code, Some(4), "{said}");
}

#[test]
fn a_refusal_shows_the_servers_words_and_our_credentials() {
    let env = TestEnv::new();
    play(&env, |_| {
        let status = r#"{"kind":"Status","message":"shards is forbidden: User \"system:anonymous\" cannot list","reason":"Forbidden","code":403}"#;
        ("403 Forbidden", status.to_owned())
    });
    assert_eq!(
        without_port(&with(&env, &["shards"])),
        "--- stderr\n\
         error: the cache server at http://127.0.0.1:PORT (context `cache` of \
         `played.kubeconfig`) refused the request\n  \
         caused by: shards is forbidden: User \"system:anonymous\" cannot list\n\
         hint: the kubeconfig shows no client certificate\n\
         hint: the server knows nobody by these credentials: use a client certificate that is \
         signed by its client CA\n--- exit 5\n"
    );
}

fn page(name: &str, revision: &str, more: &str) -> (&'static str, String) {
    let body = format!(
        r#"{{"kind":"Table","metadata":{{"resourceVersion":"{revision}"{more}}},
            "columnDefinitions":[{{"name":"Name","priority":0}}],
            "rows":[{{"cells":["{name}"],"object":{{"metadata":{{"name":"{name}","resourceVersion":"1",
            "annotations":{{"kcp.io/shard":"root","kcp.io/cluster":"x"}}}}}}}}]}}"#
    );
    ("200 OK", body)
}

const GONE: &str = r#"{"kind":"Status","message":"too old","reason":"Expired","code":410"#;

#[test]
fn a_list_that_the_server_forgets_goes_on_and_says_so() {
    let env = TestEnv::new();
    play(&env, |target| match target {
        _ if target.contains("continue=first") => {
            ("410 Gone", format!(r#"{GONE},"metadata":{{"continue":"later"}}}}"#))
        }
        _ if target.contains("continue=later") => page("b", "9", ""),
        _ => page("a", "7", r#","continue":"first""#),
    });
    assert_eq!(
        with(&env, &["shards"]).to_string(),
        "--- stdout\nSHARD   CLUSTER   NAME\nroot    x         a\nroot    x         b\n\
         --- stderr\nwarning: the server has forgotten resourceVersion 7: what follows is of \
         resourceVersion 9, and objects that changed in between may be missing or old\n--- exit 0\n"
    );

    play(&env, |target| match target {
        _ if target.contains("continue=") => ("410 Gone", format!("{GONE}}}")),
        _ => page("a", "7", r#","continue":"first""#),
    });
    let said = with(&env, &["shards"]);
    assert_eq!(said.code, Some(5), "{said}");
    assert!(said.stderr.contains("caused by: too old\nhint: run it again"), "{said}");
}

#[test]
fn a_watch_that_the_server_forgets_lists_again_and_says_so() {
    static LISTED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

    let env = TestEnv::new();
    let kubeconfig = play(&env, |target| match target {
        // The second life of the watch ends in what cannot be mended, and so does the test.
        _ if target.contains("watch=true") && target.contains("resourceVersion=9") => {
            ("403 Forbidden", "enough".to_owned())
        }
        _ if target.contains("watch=true") => {
            ("200 OK", format!("{{\"type\":\"ERROR\",\"object\":{GONE}}}}}\n"))
        }
        _ if LISTED.swap(true, std::sync::atomic::Ordering::SeqCst) => page("b", "9", ""),
        _ => page("a", "7", ""),
    });
    let mut command = env.command(env!("CARGO_BIN_EXE_kcpctl"));
    command.args(["cache", "list", "shards", "--watch", "--kubeconfig"]).arg(kubeconfig);
    let said = CommandOutput::of(command.stdin(Stdio::null()));
    assert_eq!(
        said.stdout,
        "EVENT      SHARD   CLUSTER   NAME\nADDED      root    x         a\n\
         ADDED      root    x         b\n"
    );
    let warning = "warning: the server no longer knows what changed since resourceVersion 7: \
                   listing again\nerror: ";
    assert!(said.stderr.starts_with(warning), "{said}");
}
