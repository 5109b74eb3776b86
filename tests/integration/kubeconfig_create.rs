//! `kcpctl kubeconfig create`, as the user meets it.

use std::os::unix::fs::PermissionsExt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::support::{CommandOutput, Server, TestEnv, eventually, installation, self_signed};

/// Runs `openssl` with the words of `line` and answers with what it printed.
fn openssl(env: &TestEnv, line: &str) -> String {
    CommandOutput::of(env.command("openssl").args(line.split_whitespace())).success()
}

/// A place with a CA of two organisations in `ca.crt` and `ca.key`.
fn with_ca() -> TestEnv {
    let env = TestEnv::new();
    openssl(&env, "ecparam -name prime256v1 -genkey -noout -out ca.key");
    openssl(&env, "req -x509 -new -key ca.key -out ca.crt -days 30 -subj /O=one/O=two/CN=ca");
    env
}

/// Runs `kcpctl kubeconfig create` with the words of `line`.
fn create(env: &TestEnv, line: &str) -> CommandOutput {
    env.run(["kubeconfig", "create"].into_iter().chain(line.split_whitespace()))
}

/// What kubectl says a kubeconfig holds at `path`.
fn kubectl_says(env: &TestEnv, file: &str, path: &str) -> String {
    let mut command = env.command("kubectl");
    command.args(["config", "view", "--raw", "--kubeconfig", file, "-o"]);
    CommandOutput::of(command.arg(format!("jsonpath={path}"))).success()
}

fn mode(env: &TestEnv, name: &str) -> u32 {
    std::fs::metadata(env.path(name)).unwrap().permissions().mode() & 0o777
}

const CACHE: &str = "--target cacheserver/main --ca-cert ca.crt --ca-key ca.key -n kcp";

#[test]
fn three_groups_are_three_to_openssl_and_to_the_server() {
    let server = Server::shared();
    let env = TestEnv::new();
    let said = env.run([
        "kubeconfig",
        "create",
        "ci",
        "--target",
        "cacheserver/main",
        "--data-dir",
        server.data_dir().to_str().unwrap(),
        "--group",
        "one",
        "--group",
        "two",
        "--group",
        "kcpctl:reader",
        "--output-file",
        "ci.kubeconfig",
        "--verify",
    ]);
    assert_eq!(said.code, Some(0), "{said}");
    let url = format!("https://localhost:{}", server.address().port());
    for line in [
        "groups    one, two, kcpctl:reader".to_owned(),
        format!("server    {url}"),
        "names     verified: the server's certificate is for localhost, 127.0.0.1, ::1".to_owned(),
        format!("verified  {url} sees `ci` in one, two, kcpctl:reader"),
    ] {
        assert!(said.stderr.lines().any(|it| it.starts_with(&line)), "{line} in {said}");
    }
    let names = said.stderr.matches("the server's certificate is for").count();
    assert_eq!(names, 1, "said once: {said}");
    assert_eq!(mode(&env, "ci.kubeconfig"), 0o600);
    let cert = kubectl_says(&env, "ci.kubeconfig", "{.users[0].user.client-certificate-data}");
    env.write("ci.crt", STANDARD.decode(cert).unwrap());
    assert_eq!(
        openssl(&env, "x509 -in ci.crt -noout -subject"),
        "subject=O = one, O = two, O = kcpctl:reader, CN = ci\n"
    );
    let list = env.run(["cache", "list", "--kubeconfig", "ci.kubeconfig"]);
    assert_eq!(list.code, Some(0), "{list}");
}

#[test]
fn what_the_server_does_not_believe_is_found_out() {
    let server = Server::shared();
    let env = with_ca();
    let flags = format!(
        "ci --target cacheserver/main --ca-cert ca.crt --ca-key ca.key --output-file x --verify \
         --server https://localhost:{}",
        server.address().port()
    );
    // A CA that is not the server's.
    let said = create(&env, &flags);
    assert_eq!(said.code, Some(4), "{said}");
    assert!(said.stderr.contains("the CA or the URL is not the server's"), "{said}");
    // The right one for the server, and the wrong one for clients.
    env.write("server-ca.crt", server.ca_pem());
    let said = create(&env, &format!("{flags} --server-ca server-ca.crt --force"));
    assert_eq!(said.code, Some(5), "{said}");
    assert!(said.stderr.contains("sees `system:anonymous`, not `ci`"), "{said}");
    // Its certificate was not at hand, so its names are those that it showed.
    assert!(
        said.stderr.contains(
            "names     verified: the server's certificate is for localhost, 127.0.0.1, ::1\n"
        ) && !said.stderr.contains("not checked"),
        "{said}"
    );
    // A workspace that is not there, of a server that is.
    let data_dir = server.data_dir();
    let workspace = env.run([
        "kubeconfig",
        "create",
        "ci",
        "--target",
        "frontproxy/main",
        "--group",
        "system:masters",
        "--output-file",
        "nowhere",
        "--verify",
        "--workspace=root:nowhere",
        &format!("--server=https://localhost:{}", server.address().port()),
        &format!("--server-ca={}", data_dir.join("ca.crt").display()),
        &format!("--ca-cert={}", data_dir.join("client-ca.crt").display()),
        &format!("--ca-key={}", data_dir.join("client-ca.key").display()),
    ]);
    assert_eq!(workspace.code, Some(5), "{workspace}");
    assert!(
        workspace.stderr.contains("knows no such workspace (status 404)\nhint: "),
        "{workspace}"
    );
    // A name that its certificate is not for.
    let said = env.run([
        "kubeconfig",
        "create",
        "ci",
        "--target",
        "cacheserver/main",
        "--data-dir",
        data_dir.to_str().unwrap(),
        "--server",
        "https://elsewhere:6443",
    ]);
    assert_eq!(
        said.to_string(),
        "--- stderr\nerror: the server's certificate is not for `elsewhere` but for localhost, 127.0.0.1, ::1\n\
         hint: start the server with `--tls-san` for this name, or name another URL with `--server`\n\
         --- exit 3\n"
    );
}

#[test]
fn a_ca_of_two_organisations_signs_what_openssl_verifies() {
    let env = with_ca();
    create(&env, &format!("ci {CACHE} --output-file ci.kubeconfig")).success();
    let cert = kubectl_says(&env, "ci.kubeconfig", "{.users[0].user.client-certificate-data}");
    env.write("ci.crt", STANDARD.decode(cert).unwrap());
    assert_eq!(openssl(&env, "verify -purpose sslclient -CAfile ca.crt ci.crt"), "ci.crt: OK\n");
    assert_eq!(
        openssl(&env, "x509 -in ci.crt -noout -subject -issuer"),
        "subject=O = kcpctl:reader, CN = ci\nissuer=O = one, O = two, CN = ca\n"
    );
}

#[test]
fn a_secret_is_read_and_written() {
    let env = with_ca();
    let mut kubectl = env.command("kubectl");
    kubectl.args(["create", "secret", "tls", "kcp-client-ca", "--cert=ca.crt", "--key=ca.key"]);
    let secret = CommandOutput::of(kubectl.args(["--dry-run=client", "-o", "yaml"])).success();
    env.write("secret.yaml", secret);
    let flags = "alice --target shard/a -n kcp -W root:org --group team --ca-secret secret.yaml";
    let refused = create(&env, flags);
    assert_eq!(refused.code, Some(2), "{refused}");
    assert!(refused.stderr.contains("`--server-ca`"), "{refused}");
    let written = create(&env, &format!("{flags} --server-ca ca.crt -o secret")).success();
    let encoded = written.lines().last().unwrap().strip_prefix("  kubeconfig: ").unwrap();
    env.write("alice.kubeconfig", STANDARD.decode(encoded).unwrap());
    let base = "https://a-shard-kcp.kcp.svc.cluster.local:6443";
    let servers = "{range .clusters[*]}{.name}={.cluster.server} {end}{.current-context}";
    assert_eq!(
        kubectl_says(&env, "alice.kubeconfig", servers),
        format!("base={base} default={base}/clusters/root:org default")
    );
    assert_eq!(
        kubectl_says(&env, "alice.kubeconfig", "{.contexts[*].name}"),
        "base default shard-base"
    );
}

#[test]
fn a_merge_keeps_what_is_there() {
    let env = with_ca();
    env.write(
        "mine",
        "apiVersion: v1\nkind: Config\ncurrent-context: work\nclusters:\n- name: work\n  cluster: \
         {server: 'https://work'}\ncontexts:\n- name: work\n  context: {cluster: work, user: me}\n\
         users:\n- name: me\n  user: {exec: {apiVersion: v1, command: login, args: ['yes']}}\n",
    );
    let merged = create(&env, &format!("ci {CACHE} --merge mine"));
    assert_eq!(merged.code, Some(0), "{merged}");
    assert!(merged.stderr.contains("added cluster `cache`, context `cache`, user `cache`"));
    assert_eq!(merged.stdout, "");
    assert_eq!(
        kubectl_says(
            &env,
            "mine",
            "{.current-context} {.contexts[*].name} {.users[?(@.name=='me')].user.exec.args[0]}"
        ),
        "work cache work yes"
    );
    assert_eq!(mode(&env, "mine"), 0o600, "it holds a key now");
    let before = std::fs::read(env.path("mine")).unwrap();
    let again = create(&env, &format!("ci {CACHE} --merge mine"));
    assert_eq!(
        again.to_string(),
        "--- stderr\nerror: cannot merge into `mine`; nothing was changed\n  \
         caused by: already has a different user `cache`\n\
         hint: `--rename NAME` adds it under another name, `--force` replaces what is there\n\
         --- exit 3\n"
    );
    assert_eq!(std::fs::read(env.path("mine")).unwrap(), before);
    create(&env, &format!("ci {CACHE} --merge mine --rename ci --set-current-context")).success();
    assert_eq!(kubectl_says(&env, "mine", "{.current-context}"), "ci");
    // The default is kubectl's, in a folder that may not be there.
    create(&env, &format!("ci {CACHE} --merge")).success();
    let home = CommandOutput::of(env.command("kubectl").args(["config", "current-context"]));
    assert_eq!(home.success(), "cache\n");
    // Someone else holds the file.
    env.write("mine.lock", "");
    let locked = create(&env, &format!("ci {CACHE} --merge mine --force"));
    assert!(locked.stderr.contains("someone else is changing `mine`"), "{locked}");
    for left in std::fs::read_dir(env.work()).unwrap() {
        let name = left.unwrap().file_name();
        assert!(!name.to_string_lossy().starts_with(".mine"), "{name:?}");
    }
}

#[test]
fn bad_input_is_refused_and_changes_nothing() {
    let env = with_ca();
    env.write("old", "precious");
    env.write("pod.yaml", "kind: Pod\nmetadata: {name: a}\n");
    for (line, code, says) in [
        (format!("Ci {CACHE}"), 2, "expected the name of an object"),
        (format!("ci {CACHE} --validity 59m"), 2, "expected one hour (`1h`) or more"),
        (format!("ci {CACHE} --validity 30d"), 2, "(a day is `24h`)"),
        (format!("ci {CACHE} --validity 8760h"), 3, "hint: ask for `--validity 7"),
        (format!("ci {CACHE} -W root"), 2, "`CacheServer/main` has no workspaces"),
        (format!("ci {CACHE} --output-file old"), 3, "`old` exists already"),
        (format!("ci {CACHE} --output-file /dev/null --force"), 3, "is not a regular file"),
        (format!("ci {CACHE} --merge old"), 3, "not a kubeconfig"),
        (format!("ci {CACHE} --merge pod.yaml"), 3, "its kind is `Pod`, not `Config`"),
        (format!("ci {CACHE} --user {}", "u".repeat(65)), 3, "it has more than 64 characters"),
        (format!("ci {CACHE} --server localhost:6443"), 2, "expected a URL such as"),
        ("ci --target pod/a".to_owned(), 2, "expected `rootshard/NAME`"),
        ("ci --target cacheserver/a -n kcp".to_owned(), 2, "no CA is named that could sign"),
        ("ci --target cacheserver/a -o manifest".to_owned(), 2, "the operator makes no kubeconfig"),
        ("ci --target shard/a -o manifest --verify".to_owned(), 2, "the operator signs"),
        ("ci --target shard/a --ca-secret pod.yaml".to_owned(), 3, "found Pod `a`"),
        ("ci --target shard/a --data-dir nowhere".to_owned(), 3, "is no data directory"),
        (
            "ci --target shard/a --ca-cert ca.key --ca-key ca.key".to_owned(),
            3,
            "expected a PEM block `CERTIFICATE`, found `EC PRIVATE KEY` in line 1",
        ),
        (
            "ci --target shard/a --ca-cert ca.crt --ca-key ca.key -n kcp".to_owned(),
            2,
            "`--server-ca`",
        ),
        (
            "ci --target frontproxy/a -n kcp --server-ca ca.crt --ca-cert ca.crt --ca-key ca.key"
                .to_owned(),
            2,
            "the URL of `FrontProxy/a` is not known",
        ),
    ] {
        let said = create(&env, &line);
        assert_eq!((said.code, said.stdout.as_str()), (Some(code), ""), "{line}: {said}");
        assert!(said.stderr.contains(says), "{line}: {said}");
        assert!(!said.stderr.contains("panicked"), "{line}: {said}");
    }
    assert_eq!(std::fs::read_to_string(env.path("old")).unwrap(), "precious");
    assert!(!env.path("old.lock").exists());
}

#[test]
fn the_operators_object_asks_for_what_was_asked() {
    let env = TestEnv::new();
    let object = create(&env, "ci --target frontproxy/front -W root:a --group x -o manifest");
    assert_eq!(
        object.success(),
        "apiVersion: operator.kcp.io/v1alpha1\nkind: Kubeconfig\nmetadata:\n  name: ci\nspec:\n  \
         target:\n    frontProxyRef:\n      name: front\n  targetWorkspace: root:a\n  username: ci\n  \
         groups:\n  - x\n  validity: 720h\n  secretRef:\n    name: ci\n"
    );
}

#[test]
fn a_cluster_knows_the_ca_and_the_server() {
    let env = TestEnv::new();
    env.write("demo/issuer.json", self_signed().to_string());
    for (number, object) in installation().iter().enumerate() {
        env.write(format!("demo/{number}.json"), object.to_string());
    }
    let server = Server::start_with(&["--manifests", env.path("demo").to_str().unwrap()]);
    let secrets = server.data_dir().join("namespaces/demo/secrets");
    let needed =
        ["root-client-ca", "root-front-server", "root-server-ca", "one-server", "cache-ca"];
    for name in needed {
        let file = secrets.join(name).join("tls.crt");
        eventually(name, || file.exists().then_some(()));
    }
    let admin = server.data_dir().join("admin.kubeconfig");
    let admin = admin.to_str().unwrap();
    let create = |line: &str| create(&env, &format!("{line} --kubeconfig {admin}"));
    let on_plane = |line: &str| create(&format!("{line} --context control -n demo"));

    // What users of a front-proxy need comes from the root shard.
    let said =
        on_plane("alice --target frontproxy/front -W root:org --group a --output-file alice");
    assert_eq!(said.code, Some(0), "{said}");
    assert!(said.stderr.contains("chain     verified: signed by `CN=root-client-ca`\n"), "{said}");
    assert!(said.stderr.contains("names     verified: the server's certificate is for "), "{said}");
    let url = kubectl_says(&env, "alice", "{.clusters[?(@.name==\"default\")].cluster.server}");
    assert_eq!(url, "https://kcp.example.com:6443/clusters/root:org");
    for (path, file) in [
        ("{.users[0].user.client-certificate-data}", "user.crt"),
        ("{.clusters[0].cluster.certificate-authority-data}", "server-ca.crt"),
    ] {
        env.write(file, STANDARD.decode(kubectl_says(&env, "alice", path)).unwrap());
    }
    let path = |name: &str| secrets.join(name).to_str().unwrap().to_owned();
    for (ca, leaf) in [
        (path("root-client-ca/tls.crt"), "user.crt".to_owned()),
        ("server-ca.crt".to_owned(), path("root-front-server/tls.crt")),
    ] {
        openssl(&env, &format!("verify -partial_chain -CAfile {ca} {leaf}"));
    }

    // The namespace goes into the Secret, so that it is where the target is.
    let secret = on_plane("bob --target shard/one -o secret").success();
    env.write("bob.yaml", secret);
    let mut kubectl = env.command("kubectl");
    kubectl.args(["--kubeconfig", admin, "--context", "control", "apply", "--validate=false"]);
    CommandOutput::of(kubectl.args(["-f", "bob.yaml"])).success();
    let path = "/api/v1/namespaces/demo/secrets/bob";
    assert!(server.admin().get(path).object(200)["data"]["kubeconfig"].is_string());
    let said = on_plane("carol --target cacheserver/cache");
    assert!(
        said.stdout.contains("https://cache-cache-server.demo.svc.cluster.local:6443"),
        "{said}"
    );
    assert!(said.stderr.contains("groups    kcpctl:reader\n"), "{said}");

    for (refused, says) in [
        (
            on_plane("x --target frontproxy/other"),
            "error: there is no FrontProxy `other` in the namespace `demo`\n\
             hint: there are in that namespace: RootShard/root, Shard/one, FrontProxy/front, \
             CacheServer/cache\n",
        ),
        (
            create("x --target shard/one --context control -n elsewhere"),
            "error: there is no Shard `one` in the namespace `elsewhere`\n\
             hint: there is no server at all in the namespace `elsewhere`: name another with \
             `--namespace`\n",
        ),
        (
            on_plane("x --target shard/one --server https://other.example.com"),
            "hint: have the server's certificate cover this name, or name another URL with \
             `--server`\n",
        ),
        (on_plane("x --target shard/one --data-dir data"), "cannot be used with"),
        (on_plane("x --target shard/one -o manifest"), "flags that name a CA out\n"),
    ] {
        assert!(refused.code.is_some_and(|it| it > 0) && refused.stdout.is_empty(), "{refused}");
        assert!(refused.stderr.contains(says), "`{says}` in {refused}");
    }
}
