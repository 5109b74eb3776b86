//! The loop killed at random, while everything changes. It remembers nothing, so the next life
//! must end where one that was never killed would have.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kcpctl::api::Kind;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use super::kcp::Kcp;
use super::{CERTIFICATES, DEMO, DEPLOYMENTS, Scene, root_spec, shard_spec};
use crate::support::eventually;

/// How often the loop is killed.
const LIVES: usize = 10;
/// The most requests that a life may send; about 40 go by before the first look.
const REQUESTS_MAX: usize = 120;
/// Repeats the choices of another run.
const SEED: &str = "KCPCTL_KILLS_SEED";

const SHARDS: &str = "shards.operator.kcp.io";
const KUBECONFIGS: &str = "kubeconfigs.operator.kcp.io";
const TAGS: [&str; 3] = ["v0.31.6", "v0.32.3", "v0.33.1"];

/// What there should be: kind and name → spec.
type Wanted = BTreeMap<(&'static str, &'static str), Value>;

fn plural(kind: &str) -> String {
    let kind = kind.to_lowercase();
    // `frontproxy` is the only one whose plural is not made with an `s` alone.
    let kind = kind.strip_suffix('y').map_or(kind.clone(), |it| format!("{it}ie"));
    format!("{kind}s.operator.kcp.io")
}

fn registration(shard: &str) -> String {
    format!("/root-kcp/clusters/root/apis/core.kcp.io/v1alpha1/shards/{shard}")
}

fn kubeconfig(name: &str, workspace: &str, roles: &[&str]) -> Value {
    json!({
        "target": { "frontProxyRef": { "name": "front" } }, "username": "dev", "validity": "24h",
        "secretRef": { "name": format!("{name}-kubeconfig") }, "targetWorkspace": workspace,
        "authorization": { "clusterRoleBindings": { "clusterRoles": roles } },
    })
}

fn installation() -> Wanted {
    let issuer = json!({ "name": "ca", "kind": "ClusterIssuer" });
    [
        (("CacheServer", "cache"), json!({ "certificates": { "issuerRef": issuer } })),
        (("RootShard", "root"), root_spec()),
        (("Shard", "one"), shard_spec()),
        (("FrontProxy", "front"), json!({ "rootShard": { "ref": { "name": "root" } } })),
        (("Kubeconfig", "dev"), kubeconfig("dev", "root:a", &["view"])),
    ]
    .into()
}

/// Puts what is wanted where it can be put, and says whether that was everywhere.
fn put(scene: &Scene, kcp: &Kcp, wanted: &Wanted) -> bool {
    let mut all = true;
    for ((kind, name), spec) in wanted {
        let live = scene.get(&plural(kind), name);
        if live.as_ref().is_some_and(|it| it["metadata"]["deletionTimestamp"].is_string()) {
            all = false;
        } else if live.as_ref().is_none_or(|it| it["spec"] != *spec) {
            if live.is_none() && *kind == "Shard" {
                kcp.put(&registration(name));
            }
            scene.put(kind, name, spec.clone());
        }
    }
    all
}

/// What belongs to a source: its type, and itself.
fn owned(scene: &Scene) -> Vec<(&'static str, Value)> {
    let types = [DEPLOYMENTS, "services", "configmaps", "secrets", CERTIFICATES];
    let types = types.into_iter().chain(["issuers.cert-manager.io"]);
    let all = types.flat_map(|of| scene.cluster.list(of).into_iter().map(move |it| (of, it)));
    all.filter(|(_, it)| it["metadata"]["ownerReferences"][0]["controller"] == true).collect()
}

/// Changes something, and says what.
fn change(scene: &Scene, random: &mut StdRng, wanted: &mut Wanted) -> String {
    let made = owned(scene);
    match random.random_range(0..10) {
        0 | 1 => {
            let keys: Vec<_> = wanted.keys().filter(|it| it.0 != "Kubeconfig").copied().collect();
            let key = *keys.choose(random).unwrap();
            let tag = *TAGS.choose(random).unwrap();
            wanted.get_mut(&key).unwrap()["image"] = json!({ "tag": tag });
            format!("{tag} of {key:?}")
        }
        2 if !made.is_empty() => {
            let (of, object) = made.choose(random).unwrap();
            let name = object["metadata"]["name"].as_str().unwrap();
            scene.cluster.delete(of, DEMO, name);
            format!("{of} {name} deleted")
        }
        3 | 4 if !made.is_empty() => {
            let (of, object) = made.choose(random).unwrap();
            let mut object = object.clone();
            match *of {
                DEPLOYMENTS => {
                    object["spec"]["template"]["spec"]["containers"][0]["args"] = json!(["--no"]);
                }
                "services" => object["spec"]["ports"][0]["targetPort"] = 1.into(),
                CERTIFICATES => object["spec"]["commonName"] = "wrong".into(),
                "configmaps" => object["data"] = json!({}),
                _ => object["metadata"]["labels"] = json!({}),
            }
            scene.cluster.put_as("somebody", &object);
            format!("{of} {} edited", object["metadata"]["name"])
        }
        5 => {
            let Some(mut secret) = scene.get("secrets", "one-server") else { return String::new() };
            secret["data"]["more"] = random.random::<u64>().to_string().into();
            scene.cluster.put_as("cert-manager", &secret);
            "a mounted Secret touched".to_owned()
        }
        6 => {
            let root = wanted.get_mut(&("RootShard", "root")).unwrap().as_object_mut().unwrap();
            if root.remove("caBundleSecretRef").is_none() {
                root.insert("caBundleSecretRef".to_owned(), json!({ "name": "users-ca" }));
            }
            "the bundle of the root shard".to_owned()
        }
        7 => {
            let workspace = ["root", "root:a", "root:b"].choose(random).unwrap();
            let sets: [&[&str]; 3] = [&["view"], &["admin"], &["admin", "view"]];
            let roles = sets.choose(random).unwrap();
            wanted.insert(("Kubeconfig", "dev"), kubeconfig("dev", workspace, roles));
            format!("{roles:?} in {workspace}")
        }
        8 => {
            // Also the one that is wanted: then it is made anew.
            let key = [("Shard", "one"), ("FrontProxy", "front"), ("Kubeconfig", "dev")];
            let (kind, name) = *key.choose(random).unwrap();
            scene.cluster.delete(&plural(kind), DEMO, name);
            format!("{kind} {name} deleted and made anew")
        }
        _ => {
            if wanted.remove(&("Shard", "two")).is_some() {
                scene.cluster.delete(SHARDS, DEMO, "two");
            } else {
                wanted.insert(("Shard", "two"), shard_spec());
            }
            "the second shard comes or goes".to_owned()
        }
    }
}

/// Whether every source says that all is well, of what it is now.
fn is_well(scene: &Scene, wanted: &Wanted) -> bool {
    let says = |object: &Value, type_: &str| {
        let generation = &object["metadata"]["generation"];
        let all = object["status"]["conditions"].as_array();
        all.is_some_and(|all| {
            all.iter().any(|it| {
                it["type"] == type_
                    && it["status"] == "True"
                    && it["observedGeneration"] == *generation
            })
        })
    };
    let mut there = 0;
    for kind in Kind::ALL {
        for object in scene.cluster.list(&plural(kind.as_str())) {
            there += 1;
            if !says(&object, "Reconciled") || !says(&object, "Available") {
                return false;
            }
        }
    }
    there == wanted.len()
}

fn users_ca(scene: &Scene) {
    let mut secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "users-ca", "namespace": DEMO },
    });
    let pem = STANDARD.encode(super::CA.0.cert_pem());
    secret["data"] = json!({ "tls.crt": pem });
    scene.cluster.put(&secret);
}

/// All that the loop made, without what differs from life to life; of Secrets only the names.
fn made(scene: &Scene) -> Vec<String> {
    let mut owned: Vec<String> = owned(scene)
        .iter()
        .map(|(of, it)| format!("{of} {}", it["metadata"]["name"].as_str().unwrap()))
        .collect();
    let all = scene.made().into_iter().filter(|it| it["kind"] != "Secret");
    owned.extend(all.map(|it| it.to_string()));
    owned
}

#[test]
fn killed_at_random_while_all_changes_it_ends_where_one_life_would_have() {
    let told = std::env::var(SEED).ok().and_then(|it| it.parse().ok());
    let seed: u64 = told.unwrap_or_else(rand::random);
    let mut random = StdRng::seed_from_u64(seed);
    let (scene, kcp) = (Scene::new(), Kcp::start());
    let mut wanted = installation();
    users_ca(&scene);
    put(&scene, &kcp, &wanted);
    let way = kcp.template();
    let mut history = format!("{SEED}={seed}");
    for life in 0..LIVES {
        let requests = random.random_range(20..REQUESTS_MAX);
        scene.cluster.take_requests();
        let running = scene.start_with(&["--kcp-url", &way]);
        let early = random.random_range(0..requests);
        let (mut changed, mut before) = (false, 0);
        eventually(&format!("{requests} requests; {history}"), || {
            scene.sign();
            scene.run_pods();
            let sent = scene.cluster.requests().len();
            // A loop that has nothing to do sends no more; its first look needs all of the lists.
            let is_silent = sent > 60 && sent == before;
            before = sent;
            let is_idle = is_silent && put(&scene, &kcp, &wanted) && is_well(&scene, &wanted);
            if !changed && (sent >= early || is_idle) {
                let what = change(&scene, &mut random, &mut wanted);
                let _ = write!(history, "\nlife {life}, {early} of {requests} requests: {what}");
                put(&scene, &kcp, &wanted);
                changed = true;
                return None;
            }
            (sent >= requests || changed && is_idle).then_some(())
        });
        running.kill();
    }

    let running = scene.start_with(&["--kcp-url", &way]);
    scene.until(&format!("all to be well; {history}"), || {
        let well = put(&scene, &kcp, &wanted) && is_well(&scene, &wanted);
        // Conditions say what a look has found: one more may be under way.
        (well && scene.run(&["--dry-run", "--kcp-url", &way]).stdout.is_empty()).then_some(())
    });
    running.kill();
    let dry = scene.run(&["--dry-run", "--kcp-url", &way]);
    assert_eq!((dry.code, dry.stdout.as_str()), (Some(0), ""), "{dry}\n{history}");

    let whole = Scene::new();
    users_ca(&whole);
    let elsewhere = Kcp::start();
    put(&whole, &elsewhere, &wanted);
    let running = whole.start_with(&["--kcp-url", &elsewhere.template()]);
    whole.until("one life to end", || is_well(&whole, &wanted).then_some(()));
    running.kill();
    let (one, many) = (made(&whole), made(&scene));
    let lost = one.iter().find(|it| !many.contains(it));
    assert_eq!(lost, None, "many lives did not make what one did\n{history}");
    let left = many.iter().find(|it| !one.contains(it));
    assert_eq!(left, None, "many lives left what one did not\n{history}");

    // Inside of kcp there is what is wanted there, and nothing else.
    let uid = scene.get(KUBECONFIGS, "dev").unwrap()["metadata"]["uid"].clone();
    let spec = &wanted[&("Kubeconfig", "dev")];
    let roles = spec["authorization"]["clusterRoleBindings"]["clusterRoles"].as_array().unwrap();
    let mut expected: Vec<String> = roles
        .iter()
        .map(|role| {
            format!(
                "/root-proxy/clusters/{}/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{}:{}",
                spec["targetWorkspace"].as_str().unwrap(),
                uid.as_str().unwrap(),
                role.as_str().unwrap()
            )
        })
        .collect();
    let shards = wanted.keys().filter(|it| it.0 == "Shard");
    expected.extend(shards.map(|it| registration(it.1)));
    expected.sort();
    assert_eq!(kcp.paths(), expected, "{history}");
}
