//! The control plane on an etcd: several servers have it, and one of them works on it.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use crate::support::{Client, Etcd, Server, TestEnv, certificate, config_map, eventually, issuer};

const CONFIG_MAPS: &str = "/api/v1/namespaces/demo/configmaps";
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/default/leases/reconcile.kcpctl.io";

/// A folder whose only object says whose it is, and is signed for.
fn folder(env: &TestEnv, whose: &str) -> PathBuf {
    let dir = env.path(whose);
    fs::create_dir(&dir).unwrap();
    let issuer = issuer("self", &json!({ "selfSigned": {} }));
    let certificate = certificate(whose, "self", &json!({}));
    let objects = [config_map("whose", whose), issuer, certificate].map(|it| it.to_string());
    fs::write(dir.join("objects.yaml"), objects.join("\n---\n")).unwrap();
    dir
}

fn holder(client: &Client) -> Option<String> {
    let lease = client.get(LEASE);
    let lease = (lease.status == 200).then(|| lease.json())?;
    let holder = lease["spec"]["holderIdentity"].as_str()?;
    (!holder.is_empty()).then(|| holder.to_owned())
}

fn of(client: &Client) -> Option<String> {
    let found = client.get(format!("{CONFIG_MAPS}/whose"));
    (found.status == 200).then(|| found.json()["data"]["value"].as_str().unwrap().to_owned())
}

fn is_signed(client: &Client, name: &str) -> Option<()> {
    let path = format!("/api/v1/namespaces/demo/secrets/{name}");
    (client.get(path).status == 200).then_some(())
}

#[test]
fn it_is_off_unless_asked_for() {
    let etcd = Etcd::start();
    let server = Server::start_on(&etcd, &[]);
    assert_eq!(server.admin().get("/api/v1/namespaces").status, 404);
    assert!(etcd.keys("/kcpctl").is_empty());
}

#[test]
fn what_is_written_through_one_server_is_there_for_the_other() {
    let etcd = Etcd::start();
    let [one, two] = [(); 2].map(|()| Server::start_on(&etcd, &["--control-plane"]));
    let [one, two] = [one.admin(), two.admin()];
    for number in 0..20 {
        let name = format!("n{number}");
        let namespace =
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        one.post("/api/v1/namespaces", &namespace).object(201);
        let mut object = config_map("a", "one");
        object["metadata"]["namespace"] = name.clone().into();
        let path = format!("/api/v1/namespaces/{name}/configmaps");
        two.post(&path, &object).object(201);
        assert_eq!(one.get(format!("{path}/a")).object(200)["data"]["value"], "one");
    }
    let place = etcd.keys("/kcpctl/cache/core/configmaps/");
    assert!(place.len() == 20, "{place:?}");
    // The cache knows nothing of it.
    assert!(!etcd.keys("/cache/").iter().any(|it| it.contains("configmaps")));
    one.delete("/api/v1/namespaces/n0");
    eventually("an empty namespace to go", || {
        (two.get("/api/v1/namespaces/n0").status == 404).then_some(())
    });
}

#[test]
fn one_server_at_a_time_works_on_it() {
    let etcd = Etcd::start();
    let env = TestEnv::new();
    let start = |whose: &str| {
        let dir = folder(&env, whose);
        let manifests = format!("--manifests={}", dir.display());
        Server::start_on(&etcd, &["--control-plane", &manifests])
    };
    let mut first = start("first");
    let client = first.admin();
    eventually("the first to work", || of(&client).filter(|it| it == "first"));
    eventually("its certificate", || is_signed(&client, "first"));
    let leader = holder(&client);
    assert!(leader.is_some());

    let mut second = start("second");
    let client = second.admin();
    eventually("the second to know", || of(&client));
    // Who does not lead changes nothing, whatever its folder says.
    let file = env.path("second/objects.yaml");
    let more = config_map("more", "second").to_string();
    fs::write(&file, format!("{}\n---\n{more}", fs::read_to_string(&file).unwrap())).unwrap();
    fs::write(env.path("first/more.yaml"), config_map("after", "first").to_string()).unwrap();
    eventually("the first to go on", || {
        (client.get(format!("{CONFIG_MAPS}/after")).status == 200).then_some(())
    });
    assert_eq!((holder(&client), of(&client).as_deref()), (leader.clone(), Some("first")));
    assert_eq!(client.get(format!("{CONFIG_MAPS}/more")).status, 404);

    // It dies, and the second takes over when the lease has ended.
    first.kill();
    eventually("the second to lead", || of(&client).filter(|it| it == "second"));
    eventually("its certificate", || is_signed(&client, "second"));
    assert_ne!(holder(&client), leader);
    eventually("what its folder does not have to go", || {
        (client.get(format!("{CONFIG_MAPS}/after")).status == 404).then_some(())
    });

    // It is told to end, and gives the lease back.
    first.start_again();
    let client = first.admin();
    assert_eq!(of(&client).as_deref(), Some("second"));
    assert!(second.stop().success());
    eventually("the first to lead again", || of(&client).filter(|it| it == "first"));
}

#[test]
fn the_keys_of_the_cache_may_not_lie_among_its_own() {
    let etcd = Etcd::start();
    let env = TestEnv::new();
    let refused = |args: &[&str]| env.run([&["cache", "serve"], args].concat());
    let url = etcd.url();
    let said = refused(&["--control-plane", "--etcd-servers", &url, "--etcd-prefix=/kcpctl/a"]);
    assert!(said.stderr.contains("--etcd-prefix lies below `/kcpctl`"), "{said}");
    let said = refused(&["--control-plane", "--data-dir=", "--embedded-etcd-directory=x"]);
    assert!(said.stderr.contains("--control-plane needs a place"), "{said}");
}
