//! `kcpctl status`, `check`, `delete` and `version` on an installation in a cluster.

use std::process::Stdio;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use kcpctl::pki::Authority;
use serde_json::{Value, json};

use crate::support::{
    Cluster, CommandOutput, Credentials, Demo, Effect, Etcd, Fault, KCPCTL, Server, TestEnv,
    eventually, new_authority,
};

const SHARDS: &str = "shards.operator.kcp.io";

#[test]
fn an_installation_is_a_tree_below_its_root_shard() {
    let demo = Demo::new();
    demo.certificate("root-ca", Some("rootshards.operator.kcp.io"), "2099-01-01T00:00:00Z");
    demo.certificate("kubeconfig-cert-admin", None, "2020-01-01T00:00:00Z");
    let said = demo.run(&["status"]).success();
    let rows: Vec<Vec<&str>> = said.lines().map(|it| it.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["namespace", "demo"]);
    assert_eq!(rows[1], ["OBJECT", "PHASE", "READY", "VERSION", "USES", "EXPIRES"]);
    assert_eq!(rows[2][..6], ["RootShard/root", "Running", "1/1", "v0.32.3", "cache", "in"]);
    assert_eq!(rows[3], ["├─", "Shard/shard-1", "Running", "1/1", "v0.32.3", "cache", "-"]);
    assert_eq!(rows[4], ["├─", "CacheServer/cache", "Running", "1/1", "v0.32.3", "-", "-"]);
    assert_eq!(rows[5], ["├─", "FrontProxy/main", "Running", "1/1", "v0.32.3", "-", "-"]);
    assert_eq!(
        rows[6],
        ["└─", "Kubeconfig/admin", "Ready", "-", "-", "FrontProxy/main", "EXPIRED"]
    );
    assert_eq!(rows.len(), 7, "{said}");
    assert!(said.lines().all(|it| it.chars().count() <= 80), "{said}");
    for name in ["root", "demo", "demo/root"] {
        assert_eq!(demo.run(&["status", name]).success(), said);
    }
    let json: Value = serde_json::from_str(&demo.run(&["status", "-o", "json"]).success()).unwrap();
    let root = &json["installations"][0];
    assert_eq!((&root["kind"], &root["replicas"]["ready"]), (&"RootShard".into(), &json!(1)));
    assert_eq!(root["children"][0]["cache"], "cache");
    let yaml: Value = serde_yaml::from_str(&demo.run(&["status", "-o", "yaml"]).success()).unwrap();
    assert_eq!(yaml, json);
}

#[test]
fn what_is_not_well_is_told_with_what_to_do() {
    let demo = Demo::new();
    demo.stuck();
    let mut deployment = demo.cluster.get("deployments.apps", "demo", "main-front-proxy").unwrap();
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "x/kcp:v0.31.0".into();
    demo.cluster.put(&deployment);
    let said = demo.run(&["status"]).success();
    let told = said.split("\n\n").nth(1).unwrap();
    assert_eq!(
        told,
        "Shard/shard-1: Available: ReplicasUnavailable: 0 of 1\n  \
         hint: see `kubectl -n demo logs deployment/shard-1-shard-kcp`\n\
         several minor releases run: v0.31.0, v0.32.3\n"
    );
    assert!(said.contains("v0.31.0 (wants v0.32.3)"), "{said}");
    let late = demo.run(&["status", "--wait", "--timeout=1s"]);
    assert_eq!(late.code, Some(1), "{late}");
    assert!(
        late.stderr.contains("error: not everything is what it should be after 1s: 1 object\n"),
        "{late}"
    );
}

#[test]
fn status_waits_until_all_is_well() {
    let demo = Demo::new();
    demo.stuck();
    let mut command = demo.env.command(KCPCTL);
    command.args(["status", "--wait", "--kubeconfig", &demo.kubeconfig]);
    demo.cluster.take_requests();
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("two looks", || {
        let looks = demo.cluster.requests().into_iter().filter(|it| it.path.ends_with("/shards"));
        (looks.count() > 1).then_some(())
    });
    demo.cluster.settle();
    let said = CommandOutput::from(child.wait_with_output().unwrap());
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(
        said.stderr.matches("Shard/shard-1: Available: ReplicasUnavailable").count(),
        1,
        "{said}"
    );
}

#[test]
fn an_installation_that_is_not_there_is_none() {
    let demo = Demo::new();
    let said = demo.run(&["status", "nobody"]);
    assert_eq!(
        said.to_string(),
        "--- stderr\nerror: no root shard, and no namespace with one, is called `nobody`\n\
         hint: there are: demo/root\n--- exit 2\n"
    );
    let said = demo.run(&["status", "-n", "default"]);
    assert!(said.stderr.contains("there is no root shard in `default`"), "{said}");
    // Who may not look everywhere looks at home.
    demo.cluster.fail(
        Fault::on("GET", "/v1alpha1/rootshards")
            .with(Effect::Refuse { code: 403, retry_after: None }),
    );
    let said = demo.run(&["status", "root"]);
    assert!(said.stderr.contains("is called `root`"), "{said}");
}

#[test]
fn a_sound_installation_passes_and_an_unsound_one_is_told() {
    let demo = Demo::new();
    let sound = demo.run(&["check"]);
    // Its etcds are Services of the cluster, which nobody reaches from here.
    assert_eq!(sound.code, Some(0), "{sound}");
    for line in [
        "ok       definitions\n",
        "ok       cert-manager\n",
        "ok       objects in demo\n",
        "skipped  etcd  http://etcd-",
    ] {
        assert!(sound.stdout.contains(line), "no `{line}` in {sound}");
    }
    assert_eq!(sound.stderr, "nothing is wrong\n");

    demo.stuck();
    demo.certificate("root-server", Some("rootshards.operator.kcp.io"), "2020-01-01T00:00:00Z");
    demo.cluster.delete("issuers.cert-manager.io", "demo", "selfsigned");
    demo.cluster.delete("services", "demo", "etcd-root");
    let mut cache = demo.cluster.get("deployments.apps", "demo", "cache-cache-server").unwrap();
    cache["spec"]["template"]["spec"]["containers"][0]["image"] = "x/kcp:v0.30.1".into();
    cache["metadata"]["ownerReferences"] = json!([]);
    demo.cluster.put(&cache);
    let mut root = demo.cluster.get("rootshards.operator.kcp.io", "demo", "root").unwrap();
    root["spec"]["etcd"]["tlsConfig"] = json!({ "secretRef": { "name": "gone" } });
    root["spec"]["external"] = json!({ "hostname": "kcp.invalid", "port": 6443 });
    demo.cluster.put(&root);
    let said = demo.run(&["check", "root"]);
    assert_eq!(said.code, Some(1), "{said}");
    for finding in [
        "error KCP0012 demo RootShard/root spec.etcd.tlsConfig:",
        "error KCP0035 demo RootShard/root spec.certificates.issuerRef: there is no Issuer `selfsigned`",
        "error KCP0036 demo RootShard/root spec.etcd.tlsConfig.secretRef: there is no Secret `gone` in `demo`",
        "error KCP0039 demo CacheServer/cache metadata.name: there is a Deployment `cache-cache-server`",
        "error KCP0040 demo RootShard/root spec.etcd.endpoints[0]: there is no Service `etcd-root` in `demo`",
        "error KCP0041 demo RootShard/root spec.external.hostname: the host `kcp.invalid` has no address",
        "error KCP0043 demo Certificate/root-server status.notAfter: the certificate ended at 2020",
        "error KCP0044 demo CacheServer/cache spec.image.tag: 0.30.1 asks nobody",
        "warning KCP0045 demo RootShard/root spec.image.tag: servers of several minor releases run",
        "error KCP0046 demo Shard/shard-1 status.conditions: Available: ReplicasUnavailable: 0 of 1",
    ] {
        assert!(said.stdout.contains(finding), "no `{finding}` in {said}");
    }
    let upgraded = demo.run(&["check", "root", "--post-upgrade"]);
    assert!(upgraded.stdout.contains("error KCP0045 demo RootShard/root"), "{upgraded}");
    let json: Value = serde_json::from_str(&demo.run(&["check", "-o", "json"]).stdout).unwrap();
    let codes: Vec<&str> =
        json["findings"].as_array().unwrap().iter().filter_map(|it| it["code"].as_str()).collect();
    assert!(codes.contains(&"KCP0046") && codes.contains(&"KCP0012"), "{codes:?}");
    assert_eq!(json["areas"][0]["name"], "API server");
}

#[test]
fn a_cluster_is_checked_before_anything_is_there() {
    let env = TestEnv::new();
    env.run(["init", "installation", "demo", "--yes", "--cache=server"]).success();
    let cluster = Cluster::start();
    let kubeconfig = cluster.kubeconfig(&env);
    let check =
        |more: &[&str]| env.run([&["check", "--pre", "--kubeconfig", &kubeconfig], more].concat());
    let bare = check(&[]);
    assert_eq!(bare.code, Some(1), "{bare}");
    assert!(
        bare.stdout.contains("error KCP0032 CustomResourceDefinition/shards.operator.kcp.io"),
        "{bare}"
    );
    assert!(
        bare.stdout.contains("error KCP0034 Cluster: the cluster does not have cert-manager.io/v1"),
        "{bare}"
    );
    drop(cluster);
    let cluster = Cluster::prepared(&env);
    let kubeconfig = cluster.kubeconfig(&env);
    let check =
        |more: &[&str]| env.run([&["check", "--pre", "--kubeconfig", &kubeconfig], more].concat());
    assert_eq!(check(&[]).code, Some(0), "{}", check(&[]));
    let manifests = check(&["-f", "demo"]);
    assert_eq!(manifests.code, Some(0), "{manifests}");
    assert!(manifests.stdout.contains("comes with the manifests"), "{manifests}");
    cluster.deny("create", "rootshards");
    let denied = check(&["-n", "demo"]);
    assert!(
        denied.stdout.contains("KCP0038 Permission/rootshards.operator.kcp.io: you may not create"),
        "{denied}"
    );
    // An old definition would drop fields.
    cluster.allow_all();
    let name = "rootshards.operator.kcp.io";
    let mut old = cluster.get("customresourcedefinitions.apiextensions.k8s.io", "", name).unwrap();
    let fields = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
    old.pointer_mut(fields).unwrap().as_object_mut().unwrap().remove("proxy");
    cluster.put(&old);
    let dropped = check(&["-f", "demo"]);
    assert!(
        dropped
            .stdout
            .contains("error KCP0033 demo RootShard/root spec.proxy: the cluster's definition"),
        "{dropped}"
    );
    assert!(
        dropped
            .stdout
            .contains("warning KCP0033 CustomResourceDefinition/rootshards.operator.kcp.io"),
        "{dropped}"
    );
}

#[test]
fn a_secret_that_holds_no_pem_is_told_before_it_is_used() {
    let demo = Demo::new();
    let mut cache = demo.cluster.get("cacheservers.operator.kcp.io", "demo", "cache").unwrap();
    cache["spec"]["etcd"] = json!({
        "endpoints": ["https://127.0.0.1:1"], "tlsConfig": { "secretRef": { "name": "etcd" } },
    });
    demo.cluster.put(&cache);
    demo.cluster.put(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "etcd", "namespace": "demo" },
        "data": { "ca.crt": "bm8gcGVt", "tls.crt": "bm8gcGVt" },
    }));
    let said = demo.run(&["check"]);
    for finding in [
        "KCP0037 demo CacheServer/cache spec.etcd.tlsConfig.secretRef: `ca.crt` of the Secret `etcd`: expected a PEM block",
        "KCP0036 demo CacheServer/cache spec.etcd.tlsConfig.secretRef: the Secret `etcd` has no key `tls.key`",
        "KCP0040 demo CacheServer/cache spec.etcd.endpoints[0]: https://127.0.0.1:1: ",
    ] {
        assert!(said.stdout.contains(finding), "no `{finding}` in {said}");
    }
}

#[test]
fn etcds_and_host_names_are_asked_themselves() {
    let demo = Demo::new();
    let (etcd, server) = (Etcd::start(), Server::shared());
    let mut root = demo.cluster.get("rootshards.operator.kcp.io", "demo", "root").unwrap();
    root["spec"]["etcd"] = json!({ "endpoints": [etcd.url()] });
    root["spec"]["external"] = json!({ "hostname": "localhost", "port": server.address().port() });
    demo.cluster.put(&root);
    let said = demo.run(&["check"]);
    let port = server.address().port();
    for note in [
        format!("{} answers", etcd.url()),
        format!("localhost:{port} shows a certificate for its name"),
    ] {
        assert!(said.stdout.contains(&note), "no `{note}` in {said}");
    }
    root["spec"]["external"]["port"] = 1.into();
    demo.cluster.put(&root);
    let said = demo.run(&["check"]);
    assert!(
        said.stdout.contains(
            "KCP0041 demo RootShard/root spec.external.hostname: nobody serves TLS at localhost:1"
        ),
        "{said}"
    );
}

#[test]
fn an_etcd_is_asked_with_the_secret_of_its_servers() {
    let demo = Demo::new();
    let (ca, stranger) = (new_authority("etcd"), new_authority("stranger"));
    let (served, client) = (Credentials::of_server(&ca), Credentials::signed_by(&ca, "kcp", &[]));
    let foreign = Credentials::signed_by(&stranger, "kcp", &[]);
    let file = |name: &str, content: &str| demo.env.write(name, content).display().to_string();
    let etcd = Etcd::start_with(&[
        &format!("--cert-file={}", file("server.crt", &served.cert_pem)),
        &format!("--key-file={}", file("server.key", &served.key_pem)),
        &format!("--trusted-ca-file={}", file("ca.crt", &ca.cert_pem())),
        "--client-cert-auth",
    ]);
    let mut root = demo.cluster.get("rootshards.operator.kcp.io", "demo", "root").unwrap();
    let mut checked = |endpoint: &str, secret: Option<(&Authority, &Credentials)>| {
        root["spec"]["etcd"] = json!({ "endpoints": [endpoint] });
        if let Some((ca, client)) = secret {
            root["spec"]["etcd"]["tlsConfig"] = json!({ "secretRef": { "name": "etcd" } });
            demo.cluster.put(&json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": { "name": "etcd", "namespace": "demo" },
                "data": {
                    "ca.crt": BASE64_STANDARD.encode(ca.cert_pem()),
                    "tls.crt": BASE64_STANDARD.encode(&client.cert_pem),
                    "tls.key": BASE64_STANDARD.encode(&client.key_pem),
                },
            }));
        }
        demo.cluster.put(&root);
        demo.run(&["check"])
    };
    let url = etcd.url();

    let good = checked(&url, Some((&ca, &client)));
    assert!(good.stdout.contains(&format!("{url} answers")), "{good}");
    assert!(!good.stdout.contains("KCP0040"), "{good}");
    let plain = url.replace("https://", "http://");
    for (endpoint, secret, hint) in [
        (&url, (&stranger, &client), "put the CA that signed etcd's certificate into `ca.crt`"),
        (
            &url,
            (&ca, &foreign),
            "put a certificate into `tls.crt` that etcd's client CA has signed",
        ),
        (&plain, (&ca, &client), "check the endpoint, and see etcd's log"),
    ] {
        let said = checked(endpoint, Some(secret));
        let finding = "error KCP0040 demo RootShard/root spec.etcd.endpoints[0]: ";
        let line =
            said.stdout.lines().skip_while(|it| !it.trim_start().starts_with(finding)).take(2);
        let line: Vec<_> = line.collect();
        assert!(line.concat().contains(endpoint.as_str()), "{endpoint}: {said}");
        assert!(line.concat().contains(hint), "no `{hint}` in {line:?} of {said}");
        assert_eq!(said.code, Some(1));
    }
}

#[test]
fn deletion_goes_backwards_and_says_what_stays() {
    let demo = Demo::new();
    for (name, kind) in
        [("admin-kubeconfig", "Secret"), ("root-ca", "Secret"), ("foreign", "Secret")]
    {
        demo.cluster.put(&json!({
            "apiVersion": "v1", "kind": kind, "metadata": { "name": name, "namespace": "demo" },
        }));
    }
    let asked = demo.run(&["delete", "root", "-n", "demo"]);
    assert_eq!(asked.code, Some(2), "{asked}");
    assert!(asked.stderr.contains("  Shard/shard-1\n"), "{asked}");
    assert!(asked.stderr.contains("no terminal to ask on: Delete 5 objects?"), "{asked}");
    let dry = demo.run(&["delete", "root", "-n", "demo", "--dry-run=server"]).success();
    assert!(dry.starts_with("Kubeconfig/admin would be deleted (server dry run)\n"), "{dry}");
    assert!(demo.cluster.get(SHARDS, "demo", "shard-1").is_some());
    let said = demo.run(&["delete", "-f", "demo", "--yes"]);
    assert_eq!(said.code, Some(0), "{said}");
    let order: Vec<&str> =
        said.stdout.lines().map(|it| it.strip_suffix(" deleted").unwrap()).collect();
    assert_eq!(
        order[..5],
        [
            "Kubeconfig/admin",
            "FrontProxy/main",
            "Shard/shard-1",
            "RootShard/root",
            "CacheServer/cache"
        ]
    );
    assert_eq!((order.len(), order[11]), (12, "Issuer/selfsigned"));
    assert!(demo.cluster.list(SHARDS).is_empty());
    assert!(
        said.stderr.contains(
            "left behind, since nothing else could bring it back:\n  \
             2 Secrets in `demo`: admin-kubeconfig, root-ca\n  what was stored in http://etcd-cache"
        ),
        "{said}"
    );
    let again = demo.run(&["delete", "-f", "demo", "--yes"]);
    assert_eq!(again.stderr, "nothing to delete: none of it is there\n");
}

#[test]
fn a_deletion_that_is_held_up_says_by_whom() {
    let demo = Demo::new();
    let mut shard = demo.cluster.get(SHARDS, "demo", "shard-1").unwrap();
    shard["metadata"]["finalizers"] = json!(["operator.kcp.io/cleanup-shard"]);
    demo.cluster.put(&shard);
    let said = demo.run(&["delete", "demo", "--yes", "--timeout=1s"]);
    assert_eq!(said.code, Some(1), "{said}");
    assert!(
        said.stderr
            .contains("Shard/shard-1 is being deleted, and held by operator.kcp.io/cleanup-shard"),
        "{said}"
    );
    assert!(said.stderr.contains("kcpctl reconcile"), "{said}");
    // What the cleaning up needs is still there.
    assert!(demo.cluster.get("rootshards.operator.kcp.io", "demo", "root").is_some());
    assert!(demo.cluster.get("frontproxies.operator.kcp.io", "demo", "main").is_none());
}

#[test]
fn version_shows_whether_what_it_reaches_goes_with_it() {
    let demo = Demo::new();
    let own = demo.env.run(["version"]).success();
    assert!(own.ends_with(", serves kcp v0.30.2 and later\n"), "{own}");
    assert_eq!(own.lines().count(), 1, "{own}");
    assert_eq!(demo.run(&["version", "--client"]).success(), own);
    let said = demo.run(&["version"]).success();
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[1].starts_with("cluster v1.36.0 at http://127.0.0.1:"), "{said}");
    assert_eq!(
        lines[2..],
        [
            "definitions of operator.kcp.io/v1alpha1: those of this kcpctl, or newer",
            "demo/root: v0.32.3"
        ]
    );
    let mut deployment = demo.cluster.get("deployments.apps", "demo", "main-front-proxy").unwrap();
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "x/kcp:v0.31.0".into();
    demo.cluster.put(&deployment);
    let crds = "customresourcedefinitions.apiextensions.k8s.io";
    demo.cluster.delete(crds, "", "kubeconfigs.operator.kcp.io");
    let said = demo.run(&["version"]).success();
    assert!(said.contains("incomplete; install them with `kcpctl crds --apply`\n"), "{said}");
    assert!(said.contains("demo/root: v0.31.0, v0.32.3: several minor releases"), "{said}");
    let json: Value =
        serde_json::from_str(&demo.run(&["version", "-o", "json"]).success()).unwrap();
    assert_eq!(json["cluster"]["installations"][0]["skew"], true);
    // One that was named must answer.
    let kubeconfig = demo.kubeconfig.clone();
    drop(demo.cluster);
    assert_eq!(demo.env.run(["version", "--kubeconfig", &kubeconfig]).code, Some(4));
}
