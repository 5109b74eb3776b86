//! What the control plane of `kcpctl cache serve --manifests` holds, as files: those that clients
//! and servers on the same machine read.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};

use crate::support::{
    Client, CommandOutput, KCPCTL, Kubectl, Server, TEMPLATES, TestEnv, eventually,
};

const SECRETS: &str = "/api/v1/namespaces/demo/secrets";

/// The manifests of an installation, with small keys: those of RSA take long to make.
fn describe(env: &TestEnv) -> PathBuf {
    env.run(["init", "installation", "demo", "--yes", "--cache=server", "--shards=1"]).success();
    let small = "{spec: {privateKey: {algorithm: ECDSA, size: 256}}}";
    let templates = |indent: &str| {
        let all = TEMPLATES.map(|it| format!("{indent}  {it}: {small}\n"));
        format!("{indent}certificateTemplates:\n{}", all.concat())
    };
    let manifests = env.path("demo");
    for (file, before, more) in [
        ("cacheserver-cache.yaml", "spec:\n", templates("  ")),
        ("rootshard-root.yaml", "spec:\n", templates("  ")),
        ("rootshard-root.yaml", "  proxy:\n", templates("    ")),
        ("shard-shard-1.yaml", "spec:\n", templates("  ")),
        ("frontproxy-main.yaml", "spec:\n", templates("  ")),
        ("kubeconfig-admin.yaml", "spec:\n", format!("  certificateTemplate: {small}\n")),
    ] {
        let path = manifests.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(before), "{text}");
        fs::write(&path, text.replacen(before, &format!("{before}{more}"), 1)).unwrap();
    }
    manifests
}

fn decoded(client: &Client, secret: &str, key: &str) -> Option<Vec<u8>> {
    let answer = client.get(format!("{SECRETS}/{secret}"));
    let data = answer.json()["data"][key].as_str()?.to_owned();
    BASE64_STANDARD.decode(data).ok()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Whether a file holds what a Secret does.
fn until_same(client: &Client, path: &Path, secret: &str, key: &str) {
    eventually(&format!("`{}` to be key {key} of {secret}", path.display()), || {
        let found = fs::read(path).ok()?;
        (Some(found) == decoded(client, secret, key)).then_some(())
    });
}

/// The key of a file, or that of a certificate.
fn public_key(env: &TestEnv, args: &[&str], path: &Path) -> String {
    CommandOutput::of(env.command("openssl").args(args).arg(path)).success()
}

fn is_pair(env: &TestEnv, folder: &Path, cert: &str, key: &str) -> bool {
    let of_cert = public_key(env, &["x509", "-noout", "-pubkey", "-in"], &folder.join(cert));
    let of_key = public_key(env, &["pkey", "-pubout", "-in"], &folder.join(key));
    of_cert == of_key
}

#[test]
fn an_installation_lies_in_files_that_follow_it() {
    let env = TestEnv::new();
    let manifests = describe(&env);
    let mut server = Server::start_with(&["--manifests", manifests.to_str().unwrap()]);
    let client = server.admin();
    let folder = server.data_dir().join("namespaces/demo");
    let admin = folder.join("kubeconfigs/admin");
    let exists = |path: PathBuf| {
        eventually(&path.display().to_string(), || path.exists().then_some(()));
    };

    // A kubeconfig names its certificate, its key and its CA, which lie beside it.
    exists(admin.join("kubeconfig"));
    until_same(&client, &admin.join("client.crt"), "kubeconfig-cert-admin", "tls.crt");
    until_same(&client, &admin.join("client.key"), "kubeconfig-cert-admin", "tls.key");
    let [file, directory] = ["client.key", ""].map(|it| mode(&admin.join(it)));
    assert_eq!((file, directory, mode(&admin.join("kubeconfig"))), (0o600, 0o700, 0o600));
    let mut kubectl = env.command("kubectl");
    kubectl.arg("--kubeconfig").arg(admin.join("kubeconfig"));
    let view = CommandOutput::of(kubectl.args(["config", "view", "-o", "json"])).success();
    let view: Value = serde_json::from_str(&view).unwrap();
    let named = |pointer: &str| PathBuf::from(view.pointer(pointer).unwrap().as_str().unwrap());
    assert_eq!(named("/users/0/user/client-certificate"), admin.join("client.crt"));
    assert_eq!(named("/clusters/0/cluster/certificate-authority"), admin.join("ca.crt"));
    assert_eq!(view["current-context"], "default");

    // Secrets lie there as they are.
    until_same(&client, &folder.join("secrets/root-ca/tls.crt"), "root-ca", "tls.crt");
    assert_eq!(mode(&folder.join("secrets/root-ca/tls.crt")), 0o600);

    // A server is started with the flags of its Deployment, and finds everything that they name.
    let programs = env.path("programs");
    fs::create_dir(&programs).unwrap();
    let kcp = env.write(
        "programs/kcp",
        "#!/bin/sh\nfor word; do echo \"$word\"; case $word in *-file=*|*-kubeconfig=*) \
         test -s \"${word#*=}\" || echo missing: ;; esac; done\n",
    );
    fs::set_permissions(&kcp, fs::Permissions::from_mode(0o755)).unwrap();
    for (name, flag) in [
        ("root-kcp", "--shard-base-url=https://root-kcp.demo.svc.cluster.local:6443"),
        ("shard-1-shard-kcp", "--shard-name=shard-1"),
    ] {
        let place = folder.join("deployments").join(name);
        exists(place.join("start"));
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let mut start = env.command(place.join("start"));
        let said = CommandOutput::of(start.arg("--more").env("PATH", path)).success();
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!((lines[0], lines[lines.len() - 1]), ("start", "--more"), "{said}");
        assert!(lines.contains(&flag) && !said.contains("missing:"), "{said}");
        let cache = place.join("etc/cache-server/kubeconfig/kubeconfig");
        assert!(lines.contains(&&*format!("--cache-kubeconfig={}", cache.display())), "{said}");
        let cache = fs::read_to_string(cache).unwrap();
        let key = place.join("etc/cache-server/tls/client-certificate/tls.key");
        assert!(cache.contains(&format!("client-key: {}\n", key.display())), "{cache}");
        assert!(is_pair(&env, key.parent().unwrap(), "tls.crt", "tls.key"));
    }

    // What is renewed is renewed in place, wherever it is mounted.
    let before = fs::read(admin.join("client.crt")).unwrap();
    client.delete(format!("{SECRETS}/kubeconfig-cert-admin")).object(200);
    eventually("another certificate", || {
        (fs::read(admin.join("client.crt")).ok()? != before).then_some(())
    });
    until_same(&client, &admin.join("client.key"), "kubeconfig-cert-admin", "tls.key");
    assert!(is_pair(&env, &admin, "client.crt", "client.key"));

    // What is in the way is told, stops nobody else, and is tried again.
    fs::write(folder.join("secrets/late"), "in the way").unwrap();
    for name in ["late", "later"] {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name },
            "stringData": { "key": "value", "../up": "value" },
        });
        client.post(SECRETS, &secret).object(201);
    }
    exists(folder.join("secrets/later/key"));
    eventually("the word about it", || {
        let said = server.said();
        let told = |what: &str| said.lines().any(|it| it.contains("WARN") && it.contains(what));
        (told("secrets/late/key`") && told("\"../up\" of Secret/later")).then_some(())
    });
    fs::remove_file(folder.join("secrets/late")).unwrap();
    exists(folder.join("secrets/late/key"));
    assert!(!folder.join("secrets/up").exists());

    // What goes takes its files along, also while the server is away; what others put there stays.
    fs::write(admin.join("mine"), "").unwrap();
    server.stop();
    fs::remove_file(manifests.join("kubeconfig-admin.yaml")).unwrap();
    server.start_again();
    eventually("the files to go", || {
        let gone = ["client.key", "client.crt", "ca.crt", "kubeconfig"];
        gone.iter().all(|it| !admin.join(it).exists()).then_some(())
    });
    eventually("the Secret's files to go", || {
        (!folder.join("secrets/admin-kubeconfig").exists()).then_some(())
    });
    assert!(admin.join("mine").exists());
    assert!(folder.join("secrets/root-ca/tls.crt").exists());
}

#[test]
fn access_is_made_with_the_control_plane_as_with_a_cluster() {
    let env = TestEnv::new();
    let manifests = describe(&env);
    let server = Server::start_with(&["--manifests", manifests.to_str().unwrap()]);
    let admin = server.data_dir().join("admin.kubeconfig");
    let folder = server.data_dir().join("namespaces/demo");
    let control = ["--kubeconfig", admin.to_str().unwrap(), "--context=control"];
    for ca in ["root-client-ca", "root-server-ca"] {
        let key = folder.join("secrets").join(ca).join("tls.key");
        eventually(ca, || key.exists().then_some(()));
    }

    // Signed here, with the CA of the control plane: from its files, and from its Secret.
    let ca = |name: &str| folder.join(format!("secrets/{name}")).display().to_string();
    let alice = env.path("alice.kubeconfig");
    let create = |more: &[&str]| {
        let mut args = vec!["kubeconfig", "create", "alice", "--target=frontproxy/main"];
        args.extend(["--server=https://kcp.example.com:6443", "--group=team-a"]);
        args.extend(more);
        let mut command = env.command(KCPCTL);
        command.args(args);
        command
    };
    let cert = format!("--ca-cert={}/tls.crt", ca("root-client-ca"));
    let key = format!("--ca-key={}/tls.key", ca("root-client-ca"));
    let server_ca = format!("--server-ca={}/tls.crt", ca("root-server-ca"));
    let file = format!("--output-file={}", alice.display());
    CommandOutput::of(&mut create(&[&cert, &key, &server_ca, &file])).success();
    let mut kubectl = env.command("kubectl");
    kubectl.args(control).args(["-n", "demo", "get", "secret", "root-client-ca", "-o", "yaml"]);
    let secret = env.write("secret.yaml", CommandOutput::of(&mut kubectl).success());
    let from = format!("--ca-secret={}", secret.display());
    let made = CommandOutput::of(&mut create(&[&from, &server_ca, "-o", "secret"])).success();
    let made = env.write("alice.yaml", made);
    let kubectl = Kubectl::of_control_plane(&server);
    let applied = kubectl.run(["apply", "-n", "demo", "-f", made.to_str().unwrap()]);
    assert_eq!(applied.success(), "secret/alice created\n");

    // Asked for, and signed by the loop: for minutes too, since cert-manager has no part here.
    let asked = env
        .run([
            "kubeconfig",
            "create",
            "bob",
            "--target=frontproxy/main",
            "-n",
            "demo",
            "--group=team-a",
            "-o",
            "manifest",
        ])
        .success();
    assert!(asked.contains("validity: 720h"), "{asked}");
    let bob = env.write("bob.yaml", asked.replace("validity: 720h", "validity: 30m"));
    let mut apply = env.command(KCPCTL);
    apply.args(["apply", "-f"]).arg(&bob).args(control).arg("--timeout=5m");
    let applied = CommandOutput::of(&mut apply);
    assert!(applied.stderr.contains("`kcpctl status -n demo`"), "{applied}");
    assert_eq!(applied.success(), "Kubeconfig/bob created\n");
    eventually("the files of bob", || {
        folder.join("kubeconfigs/bob/client.key").exists().then_some(())
    });

    // What looks at a cluster looks at it, and finds nothing wrong.
    let status = env.run([&["status"][..], &control].concat()).success();
    assert!(status.contains("Kubeconfig/bob"), "{status}");
    let checked = env.run([&["check"][..], &control].concat());
    for area in ["API server", "definitions", "objects in demo", "issuers", "Secrets"] {
        let is_well = |line: &str| line.starts_with("ok ") && line.contains(area);
        assert!(checked.stdout.lines().any(is_well), "{area}: {checked}");
    }
    assert!(!checked.stdout.contains("KCP0014"), "{checked}");
}
