//! The control plane of `kcpctl cache serve`: an API of the Kubernetes kind for an installation's
//! own objects, the loop and the issuer on it, and the folder of manifests that feeds it.

use std::process::Command;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};

use crate::support::{
    Client, CommandOutput, KCPCTL, Kubectl, Request, Server, TestEnv, config_map, eventually,
};

const SECRETS: &str = "/api/v1/namespaces/demo/secrets";
const CONFIG_MAPS: &str = "/api/v1/namespaces/demo/configmaps";
const ROOTS: &str = "/apis/operator.kcp.io/v1alpha1/namespaces/demo/rootshards";

/// A server with the namespace `demo` on its control plane.
fn serve() -> (Server, Client) {
    let server = Server::start();
    let client = server.admin();
    client.post("/api/v1/namespaces", &namespace("demo")).object(201);
    (server, client)
}

fn namespace(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })
}

fn secret(name: &str, metadata: &Value) -> Value {
    let mut secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name },
        "stringData": { "key": "value" },
    });
    secret["metadata"].as_object_mut().unwrap().extend(metadata.as_object().cloned().unwrap());
    secret
}

fn root(port: &Value) -> Value {
    json!({
        "apiVersion": "operator.kcp.io/v1alpha1", "kind": "RootShard",
        "metadata": { "name": "root" },
        "spec": {
            "external": { "hostname": "kcp.example.com", "port": port },
            "certificates": { "issuerRef": { "name": "selfsigned" } },
            "etcd": { "endpoints": ["https://etcd:2379"] }, "cache": {},
        },
    })
}

fn owned_by(owner: &Value) -> Value {
    json!({ "ownerReferences": [{
        "apiVersion": "v1", "kind": "Secret", "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "blockOwnerDeletion": true,
    }] })
}

fn delete_with(client: &Client, path: &str, policy: &str) -> Value {
    let body = json!({ "propagationPolicy": policy });
    client.send(&Request::new("DELETE", path).json(&body)).object(200)
}

fn is_gone(client: &Client, path: &str) -> bool {
    client.get(path).status == 404
}

fn patch(client: &Client, path: &str, form: &str, body: &Value) -> (u16, Value) {
    let request = Request::new("PATCH", path).json(body).header("content-type", form);
    let answer = client.send(&request);
    (answer.status, answer.json())
}

#[test]
fn kubectl_works_with_it_as_with_a_cluster() {
    let (server, _) = serve();
    let kubectl = Kubectl::of_control_plane(&server);
    let file = server.env().write("root.json", {
        let mut root = root(&json!(6443));
        root["metadata"]["namespace"] = "demo".into();
        root.to_string()
    });
    let file = file.to_str().unwrap();
    let said = |args: &[&str]| kubectl.run(args);
    assert_eq!(said(&["apply", "-f", file]).success(), "rootshard.operator.kcp.io/root created\n");
    let table = said(&["-n", "demo", "get", "rootshards"]).success();
    let words: Vec<&str> = table.split_whitespace().take(6).collect();
    assert_eq!(words, ["NAME", "HOSTNAME", "PHASE", "AGE", "root", "kcp.example.com"]);
    said(&[
        "-n",
        "demo",
        "create",
        "configmap",
        "files",
        "--from-literal=a=1",
        "--from-literal=b=2",
    ])
    .success();
    let table = said(&["-n", "demo", "get", "configmaps"]).success();
    let words: Vec<&str> = table.split_whitespace().take(5).collect();
    assert_eq!(words, ["NAME", "DATA", "AGE", "files", "2"], "{table}");
    let server_side = said(&["apply", "--server-side", "-f", file]);
    assert!(server_side.stdout.contains("serverside-applied"), "{server_side}");
    let patched = json!({ "spec": { "external": { "port": 7000 } } }).to_string();
    said(&["-n", "demo", "patch", "rootshard", "root", "--type=merge", "-p", &patched]).success();
    let generation =
        said(&["-n", "demo", "get", "rootshard", "root", "-o=jsonpath={.metadata.generation}"]);
    assert_eq!(generation.success(), "2");
    let described = said(&["-n", "demo", "describe", "rootshard", "root"]).success();
    assert!(described.contains("Port:      7000"), "{described}");
    said(&["-n", "demo", "delete", "rootshard", "root"]).success();
    let known = said(&["get", "crds"]).success();
    assert!(known.contains("rootshards.operator.kcp.io"), "{known}");
    if kubectl.validates() {
        let explained = said(&["explain", "rootshard.spec.external.port"]).success();
        assert!(explained.contains("port <integer>"), "{explained}");
        let explained = said(&["explain", "deployment.spec.replicas"]).success();
        assert!(explained.contains("Number of desired pods"), "{explained}");
    }
}

#[test]
fn only_administrators_may_enter() {
    let (server, admin) = serve();
    assert_eq!(admin.get(SECRETS).status, 200);
    for groups in [&["kcpctl:reader"][..], &["kcpctl:shard:root"], &[]] {
        let (code, reason, _) = server.client("somebody", groups).get(SECRETS).refusal();
        assert_eq!((code, reason.as_str()), (403, "Forbidden"), "{groups:?}");
    }
    assert_eq!(server.client_with(None).get(SECRETS).status, 403);
}

#[test]
fn whoever_asks_for_what_is_not_there_is_told_what_is() {
    let (_server, client) = serve();
    for (path, says) in [
        (
            "/apis/batch/v1/namespaces/demo/jobs",
            "there is no \"jobs.batch\"; the control plane has namespaces, secrets, configmaps, \
             services, events, deployments.apps, ",
        ),
        (
            "/apis/policy/v1beta1/namespaces/demo/poddisruptionbudgets",
            "there is no \"poddisruptionbudgets.policy\" of the version \"v1beta1\", only v1",
        ),
    ] {
        let (code, reason, said) = client.get(path).refusal();
        assert_eq!((code, reason.as_str()), (404, "NotFound"), "{said}");
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn its_objects_are_in_no_cache() {
    let (server, admin) = serve();
    admin.post(SECRETS, &secret("a", &json!({}))).object(201);
    let holdings = admin.get("/kcpctl/v1alpha1/holdings").text();
    assert!(!holdings.contains("secrets"), "{holdings}");
    let object = admin.get(format!("{SECRETS}/a")).object(200);
    assert!(object["metadata"]["annotations"].is_null(), "{object}");
    assert_eq!(object["data"]["key"], BASE64_STANDARD.encode("value"));
    drop(server);
}

#[test]
fn what_a_schema_or_a_rule_forbids_is_refused() {
    let (_server, client) = serve();
    let (code, reason, message) = client.post(ROOTS, &root(&json!("x"))).refusal();
    assert_eq!((code, reason.as_str()), (422, "Invalid"));
    assert!(message.contains("spec.external.port"), "{message}");
    let elsewhere = ROOTS.replace("demo", "nowhere");
    let (code, _, message) = client.post(&elsewhere, &root(&json!(6443))).refusal();
    assert_eq!((code, message.as_str()), (404, "namespaces \"nowhere\" not found"));
    let (code, _, message) = client.get("/apis/apps/v1/namespaces/demo/statefulsets").refusal();
    assert_eq!(code, 404);
    assert!(message.contains("deployments.apps") && message.contains("secrets"), "{message}");
}

#[test]
fn unknown_fields_are_named_and_never_stored() {
    let (_server, client) = serve();
    let mut object = root(&json!(6443));
    object["spec"]["cahce"] = json!({ "ref": { "name": "cache" } });
    object["status"] = json!({ "phase": "Running" });
    let post =
        |query: &str| client.send(&Request::new("POST", format!("{ROOTS}{query}")).json(&object));
    let (code, _, message) = post("?fieldValidation=Strict").refusal();
    assert_eq!(code, 400, "{message}");
    assert!(message.contains("strict decoding error: unknown field \"spec.cahce\""), "{message}");
    let made = post("");
    let warning = made.header("warning").unwrap_or_default().to_owned();
    assert!(warning.contains("unknown field \\\"spec.cahce\\\""), "{warning}");
    assert!(made.object(201)["spec"]["cahce"].is_null());
    let path = format!("{ROOTS}/root");
    let sent = json!({ "spec": { "external": { "prot": 1 } } });
    let (code, patched) = patch(&client, &path, "application/merge-patch+json", &sent);
    assert_eq!((code, &patched["metadata"]["generation"]), (200, &json!(1)), "{patched}");
    let strict = format!("{path}?fieldValidation=Strict");
    let (code, refused) = patch(&client, &strict, "application/merge-patch+json", &sent);
    assert_eq!(code, 422, "{refused}");
    assert!(refused["message"].as_str().unwrap().contains("spec.external.prot"), "{refused}");
    // Kubernetes' own types too.
    let mut object = secret("a", &json!({}));
    object["datas"] = json!({});
    assert!(client.post(SECRETS, &object).object(201)["datas"].is_null());
}

#[test]
fn a_field_of_another_type_is_refused_and_shown() {
    let (_server, client) = serve();
    let mut object = secret("a", &json!({}));
    object["data"] = json!({ "other": 5 });
    let (code, _, message) = client.post(SECRETS, &object).refusal();
    assert_eq!(code, 422);
    assert!(message.contains("data.other: Invalid value: 5: expected string"), "{message}");
    object["data"] = json!("none");
    object["stringData"] = json!({ "key": [] });
    let (code, _, message) = client.post(SECRETS, &object).refusal();
    assert_eq!(code, 422);
    assert!(message.contains("data: Invalid value: \"none\": expected map"), "{message}");
    assert!(message.contains("stringData.key: Invalid value: […]: expected string"), "{message}");
    let mut object = namespace("odd");
    object["spec"] = json!("none");
    object["status"] = json!([]);
    let (code, _, message) = client.post("/api/v1/namespaces", &object).refusal();
    assert_eq!(code, 422);
    assert!(message.contains("spec: Invalid value: \"none\": expected map"), "{message}");
    let (code, _, message) = client.post(ROOTS, &root(&json!("many"))).refusal();
    assert_eq!(code, 422);
    assert!(message.contains("spec.external.port: Invalid value: \"many\": "), "{message}");
}

/// `kubectl create secret` sends it since 1.32, and so does what is made with client-go.
#[test]
fn objects_of_go_clients_are_read_in_protobuf() {
    let (server, client) = serve();
    let long = |number: u8, payload: &[u8]| {
        [&[number << 3 | 2, u8::try_from(payload.len()).unwrap()], payload].concat()
    };
    let body = |kind: &str, object: &[u8]| {
        let types = [long(1, b"v1"), long(2, kind.as_bytes())].concat();
        [b"k8s\0", &*long(1, &types), &long(2, object)].concat()
    };
    let send = |path: &str, body: Vec<u8>| {
        let media = "application/vnd.kubernetes.protobuf";
        client.send(&Request::new("POST", path).body(body).header("content-type", media))
    };
    let data = long(2, &[long(1, b"key"), long(2, b"value")].concat());
    let object = [long(1, &long(1, b"a")), data, long(3, b"Opaque")].concat();
    let made = send(SECRETS, body("Secret", &object)).object(201);
    let data = (&made["metadata"]["name"], &made["data"]["key"], &made["type"]);
    assert_eq!(data, (&json!("a"), &json!("dmFsdWU="), &json!("Opaque")));
    let (code, _, message) = send(SECRETS, body("Secret", b"\x0a\xff")).refusal();
    assert_eq!(code, 400);
    assert!(message.contains("protobuf: it is broken at byte 1"), "{message}");
    let deployments = "/apis/apps/v1/namespaces/demo/deployments";
    let (code, _, message) = send(deployments, body("Deployment", &object)).refusal();
    assert_eq!(code, 415);
    assert!(message.contains("objects of kind \"Deployment\" are not read in protobuf: send JSON"));
    let kubectl = Kubectl::of_control_plane(&server);
    kubectl.run(["-n", "demo", "create", "secret", "generic", "b", "--from-literal=c=d"]).success();
    let stored = kubectl.run(["-n", "demo", "get", "secret", "b", "-o=jsonpath={.data.c}"]);
    assert_eq!(stored.success(), "ZA==");
    kubectl.run(["create", "namespace", "other"]).success();
}

#[test]
fn status_and_generation_are_the_servers_business() {
    let (_server, client) = serve();
    let mut wanted = root(&json!(6443));
    wanted["status"] = json!({ "phase": "Running" });
    let made = client.post(ROOTS, &wanted).object(201);
    assert!(made["status"].is_null(), "{made}");
    assert_eq!(made["metadata"]["generation"], 1);
    let path = format!("{ROOTS}/root");
    let status = format!("{path}/status");
    let running = json!({ "status": { "phase": "Running" }, "spec": { "replicas": 7 } });
    let (code, seen) = patch(&client, &status, "application/merge-patch+json", &running);
    assert_eq!((code, &seen["status"]["phase"]), (200, &json!("Running")));
    assert!(seen["spec"]["replicas"].is_null(), "{seen}");
    assert_eq!(seen["metadata"]["generation"], 1);
    // Through the object itself, only the rest changes.
    let both = json!({ "status": { "phase": "Failed" }, "spec": { "replicas": 2 } });
    let (_, seen) = patch(&client, &path, "application/merge-patch+json", &both);
    assert_eq!(
        (&seen["status"]["phase"], &seen["spec"]["replicas"]),
        (&json!("Running"), &json!(2))
    );
    assert_eq!(seen["metadata"]["generation"], 2);
    let labels = json!({ "metadata": { "labels": { "a": "b" } } });
    let (_, seen) = patch(&client, &path, "application/merge-patch+json", &labels);
    assert_eq!(seen["metadata"]["generation"], 2);
    // Whoever has read an older state is told.
    let mut stale = seen.clone();
    stale["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"].clone();
    assert_eq!(client.put(&path, &stale).status, 409);
}

#[test]
fn fields_have_owners_and_conflicts_are_told() {
    let (_server, client) = serve();
    let path = format!("{ROOTS}/root");
    let apply = |manager: &str, force: bool, spec: Value| {
        let object = json!({
            "apiVersion": "operator.kcp.io/v1alpha1", "kind": "RootShard",
            "metadata": { "name": "root" }, "spec": spec,
        });
        let path = format!("{path}?fieldManager={manager}&force={force}");
        patch(&client, &path, "application/apply-patch+yaml", &object)
    };
    let spec = root(&json!(6443))["spec"].clone();
    assert_eq!(apply("one", false, spec.clone()).0, 201);
    let mut other = json!({ "external": { "hostname": "kcp.example.com", "port": 7000 } });
    let (code, refused) = apply("two", false, other.clone());
    assert_eq!(
        (code, &refused["details"]["causes"][0]["field"]),
        (409, &json!(".spec.external.port"))
    );
    assert_eq!(apply("two", true, other.clone()).1["spec"]["external"]["port"], 7000);
    // What nobody else owns goes with its last owner.
    other["replicas"] = 3.into();
    assert_eq!(apply("two", true, other.clone()).1["spec"]["replicas"], 3);
    other.as_object_mut().unwrap().remove("replicas");
    let (_, seen) = apply("two", true, other);
    assert!(seen["spec"]["replicas"].is_null(), "{seen}");
    assert_eq!(seen["spec"]["etcd"], spec["etcd"], "another's fields stay");
}

#[test]
fn what_is_owned_goes_with_its_owner_or_stays_as_the_deleter_wants() {
    let (_server, client) = serve();
    for (policy, owned_stays) in [("Background", false), ("Foreground", false), ("Orphan", true)] {
        let owner = client.post(SECRETS, &secret("owner", &json!({}))).object(201);
        client.post(SECRETS, &secret("owned", &owned_by(&owner))).object(201);
        delete_with(&client, &format!("{SECRETS}/owner"), policy);
        eventually(policy, || is_gone(&client, &format!("{SECRETS}/owner")).then_some(()));
        let path = format!("{SECRETS}/owned");
        if owned_stays {
            let left = client.get(&path).object(200);
            assert!(left["metadata"]["ownerReferences"].is_null(), "{left}");
            client.delete(&path).object(200);
        } else {
            eventually("what it owned to go", || is_gone(&client, &path).then_some(()));
        }
    }
}

#[test]
fn finalizers_hold_an_object_and_a_namespace_empties_itself() {
    let (_server, client) = serve();
    let held = json!({ "finalizers": ["example.com/mine"] });
    client.post(SECRETS, &secret("held", &held)).object(201);
    client.post(SECRETS, &secret("free", &json!({}))).object(201);
    let deleted = client.delete("/api/v1/namespaces/demo").object(200);
    assert_eq!(deleted["status"]["phase"], "Terminating");
    eventually("the free one to go", || is_gone(&client, &format!("{SECRETS}/free")).then_some(()));
    eventually("the held one to be on its way out", || {
        let waits = client.get(format!("{SECRETS}/held")).object(200);
        waits["metadata"]["deletionTimestamp"].as_str().map(drop)
    });
    assert_eq!(client.post(SECRETS, &secret("late", &json!({}))).status, 403);
    let more = json!({ "metadata": { "finalizers": ["example.com/mine", "example.com/more"] } });
    let path = format!("{SECRETS}/held");
    assert_eq!(patch(&client, &path, "application/merge-patch+json", &more).0, 422);
    let none = json!({ "metadata": { "finalizers": null } });
    assert_eq!(patch(&client, &path, "application/merge-patch+json", &none).0, 200);
    eventually("the namespace to go", || is_gone(&client, "/api/v1/namespaces/demo").then_some(()));
}

/// A small installation, as `init installation` writes it.
fn describe(env: &TestEnv) {
    env.run(["init", "installation", "demo", "--yes", "--cache=server", "--shards=1"]).success();
    // Keys of RSA take long to make.
    for file in std::fs::read_dir(env.path("demo")).unwrap() {
        let path = file.unwrap().path();
        if path.to_string_lossy().contains("statefulset") {
            std::fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn a_folder_of_manifests_becomes_certificates_kubeconfigs_and_statuses() {
    let env = TestEnv::new();
    describe(&env);
    let folder = env.path("demo");
    let mut server = Server::start_with(&["--manifests", folder.to_str().unwrap()]);
    let client = server.admin();
    let admin = "/apis/operator.kcp.io/v1alpha1/namespaces/demo/kubeconfigs/admin";
    let phase = |client: &Client, path: &str| {
        let answer = client.get(path);
        (answer.status == 200).then(|| answer.json()["status"]["phase"].clone())
    };
    let is_ready = |client: &Client| {
        eventually("a kubeconfig", || (phase(client, admin)? == "Ready").then_some(()));
    };
    is_ready(&client);

    // Its certificate is good for what its CA says.
    let data = |name: &str, key: &str| {
        let secret = client.get(format!("{SECRETS}/{name}")).object(200);
        BASE64_STANDARD.decode(secret["data"][key].as_str().unwrap()).unwrap()
    };
    let ca = env.write("ca.crt", data("root-client-ca", "ca.crt"));
    let chain = env.write("chain.crt", data("root-client-ca", "tls.crt"));
    let leaf = env.write("leaf.crt", data("kubeconfig-cert-admin", "tls.crt"));
    let mut openssl = Command::new("openssl");
    openssl.args(["verify", "-CAfile"]).arg(&ca).arg("-untrusted").arg(&chain).arg(&leaf);
    let verified = CommandOutput::of(&mut openssl).success();
    assert!(verified.ends_with("OK\n"), "{verified}");

    // What needs pods says so.
    let cache = "/apis/operator.kcp.io/v1alpha1/namespaces/demo/cacheservers/cache";
    let reason = eventually("the word about pods", || {
        let conditions = client.get(cache).json()["status"]["conditions"].clone();
        let all = conditions.as_array()?.clone();
        let available = all.into_iter().find(|it| it["type"] == "Available")?;
        (available["reason"] == "NoWorkloads").then(|| available["message"].clone())
    });
    assert!(reason.as_str().unwrap().contains("kcpctl render"), "{reason}");

    // Killed, it ends where it was.
    server.kill();
    server.start_again();
    let client = server.admin();
    is_ready(&client);

    // What no file sets stays; what a file sets is put back when the file changes.
    let shard = "/apis/operator.kcp.io/v1alpha1/namespaces/demo/shards/shard-1";
    let own = json!({ "spec": { "replicas": 1, "clusterDomain": "example.org" } });
    assert_eq!(patch(&client, shard, "application/merge-patch+json", &own).0, 200);
    let file = folder.join("shard-shard-1.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    eventually("the shard", || (client.get(shard).status == 200).then_some(()));
    std::fs::write(&file, text.replace("  name: shard-1\n", "  name: shard-1\n  labels: {a: b}\n"))
        .unwrap();
    let seen = eventually("the changed file", || {
        let seen = client.get(shard).json();
        (seen["metadata"]["labels"]["a"] == "b").then_some(seen)
    });
    assert_eq!(seen["spec"]["clusterDomain"], "example.org");

    // A broken file is told with its place, and stops nobody else.
    std::fs::write(folder.join("broken.yaml"), text.replace("rootShard:", "rootShard: 7 #"))
        .unwrap();
    eventually("the broken file", || {
        let said = server.said();
        (said.contains("broken.yaml:") && said.contains(" KCP00")).then_some(())
    });
    std::fs::remove_file(folder.join("broken.yaml")).unwrap();

    // A deleted file deletes its object, and what that owns.
    std::fs::remove_file(folder.join("kubeconfig-admin.yaml")).unwrap();
    eventually("the kubeconfig to go", || is_gone(&client, admin).then_some(()));
    eventually("its Secret to go", || {
        is_gone(&client, &format!("{SECRETS}/admin-kubeconfig")).then_some(())
    });
}

/// A server that works on a folder in which one object is.
#[test]
fn a_folder_is_applied_by_hand_without_what_is_not_served() {
    let (server, _) = serve();
    describe(server.env());
    server.env().write(
        "demo/statefulset.yaml",
        "\
        apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: etcd, namespace: demo}\n",
    );
    let on_plane = |args: &[&str]| {
        let admin = server.data_dir().join("admin.kubeconfig");
        let mut command = server.env().command(KCPCTL);
        command.args(args).args(["-f", "demo", "--context=control", "--kubeconfig"]).arg(admin);
        CommandOutput::of(&mut command)
    };
    let before = on_plane(&["diff"]);
    assert_eq!(before.code, Some(1), "{before}");
    let said = on_plane(&["apply", "--no-wait"]);
    assert_eq!(said.code, Some(0), "{said}");
    let left = "warning: left out StatefulSet/etcd: the control plane has no such kind\n";
    assert!(said.stderr.contains(left), "{said}");
    assert!(said.stdout.contains("RootShard/root created\n"), "{said}");
    let after = on_plane(&["diff"]);
    assert_eq!((after.code, after.stdout.as_str()), (Some(0), ""), "{after}");
}

fn serve_folder(env: &TestEnv) -> (Server, Client) {
    env.write("demo/one.json", config_map("one", "a").to_string());
    let server = Server::start_with(&["--manifests", env.path("demo").to_str().unwrap()]);
    let client = server.admin();
    until_value(&client, "one", "a");
    (server, client)
}

fn until_value(client: &Client, name: &str, value: &str) -> Value {
    eventually(&format!("{value} in {name}"), || {
        let answer = client.get(format!("{CONFIG_MAPS}/{name}"));
        let found = (answer.status == 200).then(|| answer.json())?;
        (found["data"]["value"] == value).then_some(found)
    })
}

#[test]
fn a_folder_that_vanishes_keeps_what_it_said_and_says_so() {
    let env = TestEnv::new();
    let (server, client) = serve_folder(&env);
    let uid = until_value(&client, "one", "a")["metadata"]["uid"].clone();
    let [folder, away] = ["demo", "away"].map(|it| env.path(it));
    std::fs::rename(&folder, &away).unwrap();
    let said = || server.said().matches("keeping what they said").count();
    eventually("the word about it", || (said() == 1).then_some(()));
    // Whatever comes back is looked at: who is there first was kept until then.
    std::fs::rename(&away, &folder).unwrap();
    env.write("demo/two.json", config_map("two", "a").to_string());
    until_value(&client, "two", "a");
    assert_eq!(until_value(&client, "one", "a")["metadata"]["uid"], uid);
    assert_eq!(said(), 1);
    // An empty one says that there is nothing any more.
    for file in ["demo/one.json", "demo/two.json"] {
        std::fs::remove_file(env.path(file)).unwrap();
    }
    for name in ["one", "two"] {
        eventually(name, || is_gone(&client, &format!("{CONFIG_MAPS}/{name}")).then_some(()));
    }
}

#[test]
fn broken_manifests_are_told_with_file_line_and_code_and_stop_nobody_else() {
    let env = TestEnv::new();
    let (server, client) = serve_folder(&env);
    let shard = "apiVersion: operator.kcp.io/v1alpha1\nkind: Shard\nmetadata:\n  name: a\n  namespace: demo\nspec:\n";
    let refused =
        format!("{shard}  rootShard: {{ref: {{name: root}}}}\n  etcd: {{endpoints: []}}\n");
    for (name, text) in [
        ("all.yaml", "kind: [\n"),
        ("mistyped.yaml", &format!("{shard}  rootShard: 7\n")),
        ("refused.yaml", &refused),
        ("unknown.yaml", "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: a}\n"),
    ] {
        env.write(format!("demo/{name}"), text);
    }
    env.write("demo/one.json", config_map("one", "b").to_string());
    env.write("demo/zwei.json", config_map("two", "b").to_string());
    for name in ["one", "two"] {
        until_value(&client, name, "b");
    }
    eventually("the word about each", || {
        let said = server.said();
        let told =
            |words: [&str; 2]| said.lines().any(|line| words.iter().all(|it| line.contains(it)));
        let all =
            [["all.yaml:2:", "KCP00"], ["mistyped.yaml:7:", "KCP00"], ["refused.yaml:8:", "KCP00"]];
        all.into_iter().all(told).then_some(())
    });
    // Nobody knows what they would say, so nothing is deleted until they are mended.
    std::fs::remove_file(env.path("demo/zwei.json")).unwrap();
    env.write("demo/one.json", config_map("one", "c").to_string());
    until_value(&client, "one", "c");
    until_value(&client, "two", "b");
    for name in ["all.yaml", "mistyped.yaml", "refused.yaml"] {
        std::fs::remove_file(env.path(format!("demo/{name}"))).unwrap();
    }
    eventually("two to go", || is_gone(&client, &format!("{CONFIG_MAPS}/two")).then_some(()));
}

#[test]
fn what_is_being_deleted_when_its_file_comes_back_is_made_anew() {
    let env = TestEnv::new();
    let (server, client) = serve_folder(&env);
    let path = format!("{CONFIG_MAPS}/one");
    let held = json!({ "metadata": { "finalizers": ["example.com/held"] } });
    let (_, before) = patch(&client, &path, "application/merge-patch+json", &held);
    let file = env.path("demo/one.json");
    std::fs::remove_file(&file).unwrap();
    eventually("it to be on its way out", || {
        client.get(&path).json()["metadata"]["deletionTimestamp"].as_str().map(drop)
    });
    std::fs::write(&file, config_map("one", "b").to_string()).unwrap();
    eventually("the word about it", || server.said().contains("is being deleted").then_some(()));
    let none = json!({ "metadata": { "finalizers": null } });
    assert_eq!(patch(&client, &path, "application/merge-patch+json", &none).0, 200);
    let after = until_value(&client, "one", "b");
    assert_ne!(after["metadata"]["uid"], before["metadata"]["uid"]);
}
