//! What `kcpctl check` finds, how it shows it, and what it skips.

use std::time::{Duration, SystemTime};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use kcpctl::pki::{Authority, Leaf, Validity};
use serde_json::{Value, json};

use crate::support::{
    Cluster, CommandOutput, Credentials, Demo, Etcd, TestEnv, new_authority, old_authority,
};

const ROOTS: &str = "rootshards.operator.kcp.io";
const CRDS: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// Changes the root shard.
fn with_root(demo: &Demo, change: impl FnOnce(&mut Value)) {
    let mut root = demo.cluster.get(ROOTS, "demo", "root").unwrap();
    change(&mut root["spec"]);
    demo.cluster.put(&root);
}

#[track_caller]
fn finds(said: &CommandOutput, finding: &str) {
    assert!(said.stdout.contains(finding), "no `{finding}` in {said}");
}

/// A server that shows this certificate.
fn tls_server(demo: &Demo, shown: &Credentials) -> Etcd {
    let file = |name: &str, content: &str| demo.env.write(name, content).display().to_string();
    Etcd::start_with(&[
        &format!("--cert-file={}", file("shown.crt", &shown.cert_pem)),
        &format!("--key-file={}", file("shown.key", &shown.key_pem)),
    ])
}

fn for_name(ca: &Authority, name: &str) -> Credentials {
    let life = Duration::from_secs(24 * 60 * 60);
    let validity = Validity::starting(SystemTime::now(), life).unwrap();
    let sans = [name.parse().unwrap()];
    let issued = ca.issue(Leaf::Server { name, sans: &sans }, validity).unwrap();
    Credentials { cert_pem: issued.cert_pem, key_pem: issued.key_pem }
}

#[test]
fn a_warning_alone_is_no_failure() {
    let demo = Demo::new();
    let mut deployment = demo.cluster.get("deployments.apps", "demo", "main-front-proxy").unwrap();
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "x/kcp:v0.32.1".into();
    demo.cluster.put(&deployment);
    let said = demo.run(&["check"]);
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), "1 warning\n"), "{said}");
    finds(
        &said,
        "warning  versions\n  warning KCP0045 demo FrontProxy/main spec.image.tag: v0.32.1 runs, \
         and v0.32.3 is wanted\n    hint: see `kubectl -n demo rollout status`, and `kcpctl \
         status`\n",
    );
    // After an upgrade everything should be new.
    let upgraded = demo.run(&["check", "--post-upgrade"]);
    assert_eq!((upgraded.code, upgraded.stderr.as_str()), (Some(1), "error: 1 error\n"));
    finds(&upgraded, "error KCP0045 demo FrontProxy/main spec.image.tag: v0.32.1 runs");
}

#[test]
fn a_script_reads_all_of_it() {
    let demo = Demo::new();
    demo.stuck();
    demo.certificate("old", None, "2099-01-01T00:00:00Z");
    let mut overdue = demo.cluster.get("certificates.cert-manager.io", "demo", "old").unwrap();
    overdue["status"]["renewalTime"] = "2020-01-01T00:00:00Z".into();
    demo.cluster.put(&overdue);
    let said = demo.run(&["check", "-o", "json"]);
    assert_eq!((said.code, said.stderr.as_str()), (Some(1), "error: 1 error and 1 warning\n"));
    let json: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(
        json["findings"],
        json!([
            {
                "code": "KCP0043", "severity": "warning", "area": "certificates",
                "object": { "kind": "Certificate", "namespace": "demo", "name": "old" },
                "path": "status.renewalTime",
                "message": "the certificate ends at 2099-01-01T00:00:00Z, and was to be renewed at \
                            2020-01-01T00:00:00Z",
                "hint": "see `kubectl -n demo describe certificate old`",
            },
            {
                "code": "KCP0046", "severity": "error", "area": "conditions",
                "object": { "kind": "Shard", "namespace": "demo", "name": "shard-1" },
                "path": "status.conditions",
                "message": "Available: ReplicasUnavailable: 0 of 1",
                "hint": "see `kubectl -n demo logs deployment/shard-1-shard-kcp`",
            },
        ])
    );
    let areas = json["areas"].as_array().unwrap();
    let status = |name: &str| {
        let found = areas.iter().find(|it| it["name"] == name);
        found.and_then(|it| it["status"].as_str()).unwrap_or("none").to_owned()
    };
    let names = ["definitions", "certificates", "conditions", "etcd"];
    assert_eq!(names.map(status), ["ok", "warning", "error", "skipped"]);
    let note = areas[0]["notes"][0].as_str().unwrap();
    assert!(note.starts_with("v1.36.0 at http://127.0.0.1:"), "{note}");
}

#[test]
fn what_nobody_may_see_is_skipped() {
    let demo = Demo::new();
    with_root(&demo, |spec| {
        spec["caBundleSecretRef"] = json!({ "name": "bundle" });
        spec["etcd"] = json!({
            "endpoints": ["https://127.0.0.1:1"], "tlsConfig": { "secretRef": { "name": "etcd" } },
        });
    });
    for plural in ["issuers", "secrets", "customresourcedefinitions"] {
        demo.cluster.deny("get", plural);
    }
    let said = demo.run(&["check"]);
    assert_eq!(said.code, Some(0), "{said}");
    for line in [
        "ok       definitions\n",
        "skipped  issuers  Issuer selfsigned: you may not look\n",
        "skipped  Secrets  etcd: you may not look\n         bundle: you may not look\n",
        "https://127.0.0.1:1: not asked without the Secret `etcd`\n",
    ] {
        finds(&said, line);
    }
    // That a kind is not there at all can be seen by anybody.
    demo.cluster.delete(CRDS, "", "virtualworkspaces.operator.kcp.io");
    finds(
        &demo.run(&["check"]),
        "error KCP0032 CustomResourceDefinition/virtualworkspaces.operator.kcp.io: the cluster \
         does not know VirtualWorkspace",
    );
}

#[test]
fn a_definition_must_be_established() {
    let env = TestEnv::new();
    let cluster = Cluster::prepared(&env);
    let kubeconfig = cluster.kubeconfig(&env);
    let names = &cluster.get(CRDS, "", "shards.operator.kcp.io").unwrap()["spec"]["names"];
    let refused = json!({ "acceptedNames": names, "conditions": [{
        "type": "NamesAccepted", "status": "False", "reason": "PluralConflict", "message": "taken",
    }] });
    cluster.set_status(CRDS, "", "shards.operator.kcp.io", &refused);
    let said = env.run(["check", "--pre", "--kubeconfig", &kubeconfig]);
    assert_eq!(said.code, Some(1), "{said}");
    finds(
        &said,
        "error KCP0032 CustomResourceDefinition/shards.operator.kcp.io status: the definition is \
         not established: NamesAccepted: PluralConflict: taken\n    hint: see `kubectl describe \
         crd shards.operator.kcp.io`\n",
    );
    cluster.deny("patch", "rootshards");
    finds(
        &env.run(["check", "--pre", "-n", "demo", "--kubeconfig", &kubeconfig]),
        "you may not patch rootshards.operator.kcp.io in `demo`\n",
    );
}

#[test]
fn manifests_are_checked_with_the_names_and_etcds_that_they_mean() {
    let env = TestEnv::new();
    env.run(["init", "installation", "demo", "--yes"]).success();
    let cluster = Cluster::prepared(&env);
    let kubeconfig = cluster.kubeconfig(&env);
    let check = |from: &str, to: &str| {
        let path = env.path("demo/rootshard-root.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(path, text.replace(from, to)).unwrap();
        env.run(["check", "--pre", "-f", "demo", "--kubeconfig", &kubeconfig])
    };
    // Nobody can answer there before the installation is there.
    let known = check("main-front-proxy.demo.svc.cluster.local", "localhost");
    finds(&known, "         localhost has an address\n");
    let unknown = check("localhost", "kcp.invalid");
    finds(&unknown, "  warning KCP0041 demo RootShard/root spec.external.hostname: the host");
    let service = check("kcp.invalid", "other.demo.svc.cluster.local");
    finds(&service, "         other.demo.svc.cluster.local: a Service, not reached from here\n");
    let wrong = check("replicas: 1", "replicas: many");
    assert_eq!(wrong.code, Some(1), "{wrong}");
    finds(&wrong, "error    manifests\n");
}

#[test]
fn an_etcd_that_cannot_be_used_says_why() {
    let demo = Demo::new();
    let ca = new_authority("etcd");
    let other = tls_server(&demo, &for_name(&ca, "other.example.org"));
    let plain = Etcd::start();
    // An API server answers too, but is no etcd that is well.
    let ill = demo.cluster.url();
    demo.cluster.put(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "etcd", "namespace": "demo" },
        "data": { "ca.crt": BASE64_STANDARD.encode(ca.cert_pem()) },
    }));
    let not_tls = ill.replace("http://", "https://");
    let nobody = "http://127.0.0.1:1";
    with_root(&demo, |spec| {
        spec["etcd"] = json!({
            "endpoints": [plain.url(), ill, other.url(), not_tls, nobody],
            "tlsConfig": { "secretRef": { "name": "etcd" } },
        });
    });
    let said = demo.run(&["check"]);
    assert_eq!(said.code, Some(1), "{said}");
    finds(&said, &format!("{} answers\n", plain.url()));
    for (index, hint) in [
        (1, "it answers 404 Not Found: it is not well\n    hint: see `etcdctl endpoint health`"),
        (2, "use a host name that etcd's certificate is for"),
        (3, "write the endpoint with `http://`, or have etcd serve TLS"),
        (4, "check the address and the network policies, and whether etcd runs"),
    ] {
        let begin = format!("error KCP0040 demo RootShard/root spec.etcd.endpoints[{index}]: ");
        let found = said.stdout.split(&begin).nth(1).unwrap_or_default();
        let two: Vec<&str> = found.lines().take(2).collect();
        assert!(two.join("\n").contains(hint), "no `{hint}` at {index} in {said}");
    }
}

#[test]
fn the_certificate_at_the_host_name_of_users_must_be_for_it() {
    let demo = Demo::new();
    let checked = |shown: &Credentials| {
        let server = tls_server(&demo, shown);
        let port: u16 = server.url().rsplit_once(':').unwrap().1.parse().unwrap();
        with_root(&demo, |spec| {
            spec["external"] = json!({ "hostname": "localhost", "port": port });
        });
        demo.run(&["check"])
    };
    let ca = old_authority("servers");
    let other = checked(&for_name(&ca, "other.example.org"));
    finds(
        &other,
        "error KCP0042 demo RootShard/root spec.external.hostname: the certificate that is shown \
         is for other.example.org\n    hint: let the host name lead to the front-proxy",
    );
    let [_, expired] = Credentials::expired(&ca, "server");
    let expired = checked(&expired);
    finds(
        &expired,
        "error KCP0043 demo RootShard/root spec.external.hostname: the certificate that is shown \
         ended at ",
    );
}
