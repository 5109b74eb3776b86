//! What the control plane of `kcpctl cache serve --manifests` holds, as files: those that clients
//! and servers on the same machine read.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};

use crate::support::{Client, CommandOutput, Server, TestEnv, eventually};

const SECRETS: &str = "/api/v1/namespaces/demo/secrets";

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
    env.run(["init", "installation", "demo", "--yes", "--cache=server", "--shards=1"]).success();
    let manifests = env.path("demo");
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
