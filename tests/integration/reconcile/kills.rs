//! The loop killed at random, while everything changes. It remembers nothing, so the next life
//! must end where one that was never killed would have.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kcpctl::api::Kind;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, IteratorRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use super::kcp::Kcp;
use super::{CERTIFICATES, DEMO, DEPLOYMENTS, Loop, Scene, root_spec, shard_spec};
use crate::support::eventually;

/// How many installations live through it.
const STORIES: usize = 1;
/// How often the loop is killed in each.
const LIVES: usize = 8;
/// The most requests that a life may send; about 40 go by before the first look.
const REQUESTS_MAX: usize = 120;
/// Repeats the choices of another run, in one story.
const SEED: &str = "KCPCTL_KILLS_SEED";

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
            scene.put(kind, name, spec.clone());
        } else if *kind == "Shard" && scene.get(DEPLOYMENTS, &format!("{name}-shard-kcp")).is_some()
        {
            // Its pods do so.
            kcp.put(&registration(name));
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

/// Whether somebody else writes what a Secret holds.
fn is_signed(secret: &Value) -> bool {
    let managers = secret["metadata"]["managedFields"].as_array();
    managers.into_iter().flatten().any(|it| it["manager"] == "cert-manager")
}

/// Makes something wrong of an object: of a field that is rendered, for what others add stays.
fn edit(of: &str, object: &mut Value) {
    match of {
        DEPLOYMENTS => {
            object["spec"]["template"]["spec"]["containers"][0]["args"] = json!(["--no"]);
        }
        "services" => object["spec"]["ports"][0]["targetPort"] = 1.into(),
        CERTIFICATES => object["spec"]["duration"] = "1m".into(),
        "configmaps" => object["data"] = json!({}),
        "secrets" if !is_signed(object) => object["data"] = json!({}),
        _ => object["metadata"]["labels"] = json!({}),
    }
}

/// An installation whose loop is killed, and what has happened to it.
struct Story {
    scene: Scene,
    kcp: Kcp,
    random: StdRng,
    wanted: Wanted,
    history: String,
    /// In what it differs from one that was left in peace.
    difference: Option<String>,
}

impl Drop for Story {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.history.is_empty() {
            #[expect(clippy::print_stderr, reason = "this is what a failed test shows")]
            {
                eprintln!("--- it happened with {}", self.history);
                eprintln!("--- the difference: {}", self.difference.as_deref().unwrap_or("none"));
            }
        }
    }
}

impl Story {
    fn new(seed: u64) -> Self {
        let (scene, kcp, wanted) = (Scene::new(), Kcp::start(), installation());
        users_ca(&scene);
        put(&scene, &kcp, &wanted);
        let (random, history) = (StdRng::seed_from_u64(seed), format!("{SEED}={seed}"));
        Self { scene, kcp, random, wanted, history, difference: None }
    }

    fn start(&self) -> Loop {
        self.scene.start_with(&["--kcp-url", &self.kcp.template()])
    }

    /// Puts what is wanted where it can be put, and says whether that was everywhere.
    fn put(&self) -> bool {
        put(&self.scene, &self.kcp, &self.wanted)
    }

    /// One life: something changes while the loop is at it, and then it is killed.
    fn live(&mut self, life: usize) {
        let requests = self.random.random_range(20..REQUESTS_MAX);
        let early = self.random.random_range(0..requests);
        self.scene.cluster.take_requests();
        let running = self.start();
        let (mut changed, mut before) = (false, 0);
        eventually(&format!("{requests} requests of life {life}"), || {
            self.scene.sign();
            self.scene.run_pods();
            let sent = self.scene.cluster.requests().len();
            // A loop that has nothing to do sends no more; its first look needs all of the lists.
            let is_silent = sent > 60 && sent == before;
            before = sent;
            if is_silent {
                self.scene.cluster.collect();
            }
            let is_idle = is_silent && self.put() && is_well(&self.scene, &self.wanted);
            if !changed && (sent >= early || is_idle) {
                let what = self.change();
                let _ =
                    write!(self.history, "\nlife {life}, {early} of {requests} requests: {what}");
                self.put();
                changed = true;
                return None;
            }
            (sent >= requests || changed && is_idle).then_some(())
        });
        running.kill();
    }

    /// Changes something, and says what.
    fn change(&mut self) -> String {
        let Self { scene, random, wanted, .. } = self;
        let made = owned(scene);
        match random.random_range(0..10) {
            0 | 1 => {
                let keys = wanted.keys().filter(|it| it.0 != "Kubeconfig").copied();
                let key = keys.choose(random).unwrap();
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
                edit(of, &mut object);
                scene.cluster.put_as("somebody", &object);
                format!("{of} {} edited", object["metadata"]["name"])
            }
            5 => {
                let Some(mut secret) = scene.get("secrets", "one-server") else {
                    return "nothing".to_owned();
                };
                secret["data"]["more"] = STANDARD.encode(random.random::<[u8; 8]>()).into();
                scene.cluster.put_as("cert-manager", &secret);
                "a mounted Secret touched".to_owned()
            }
            6 => {
                let root = wanted.get_mut(&("RootShard", "root")).unwrap().as_object_mut().unwrap();
                if root.remove("caBundleSecretRef").is_none() {
                    root.insert("caBundleSecretRef".to_owned(), json!({ "name": "users-ca" }));
                }
                "the bundle of the root shard comes or goes".to_owned()
            }
            7 => {
                let workspace = ["root", "root:a", "root:b"].choose(random).unwrap();
                let sets: [&[&str]; 3] = [&["view"], &["admin"], &["admin", "view"]];
                let roles = sets.choose(random).unwrap();
                wanted.insert(("Kubeconfig", "dev"), kubeconfig("dev", workspace, roles));
                format!("{roles:?} in {workspace}")
            }
            8 => {
                // What is wanted of it is put again when it is gone.
                let all = [("Shard", "one"), ("FrontProxy", "front"), ("Kubeconfig", "dev")];
                let (kind, name) = *all.choose(random).unwrap();
                scene.cluster.delete(&plural(kind), DEMO, name);
                format!("{kind} {name} deleted, to be made anew")
            }
            _ => {
                if wanted.remove(&("Shard", "two")).is_some() {
                    scene.cluster.delete(&plural("Shard"), DEMO, "two");
                } else {
                    wanted.insert(("Shard", "two"), shard_spec());
                }
                "the second shard comes or goes".to_owned()
            }
        }
    }

    /// Whether all is well, and another life would find nothing to do.
    fn is_settled(&self) -> bool {
        is_well(&self.scene, &self.wanted)
            && self.scene.run(&["--dry-run", "--kcp-url", &self.kcp.template()]).stdout.is_empty()
    }

    /// What there should be inside of kcp, and nothing else.
    fn wanted_in_kcp(&self) -> Vec<String> {
        let dev = self.scene.get(KUBECONFIGS, "dev").unwrap();
        let uid = dev["metadata"]["uid"].as_str().unwrap();
        let spec = &self.wanted[&("Kubeconfig", "dev")];
        let workspace = spec["targetWorkspace"].as_str().unwrap();
        let roles = spec["authorization"]["clusterRoleBindings"]["clusterRoles"].as_array();
        let roles = roles.unwrap().iter().map(|role| {
            format!(
                "/root-proxy/clusters/{workspace}/apis/rbac.authorization.k8s.io/v1\
                 /clusterrolebindings/{uid}:{}",
                role.as_str().unwrap()
            )
        });
        let shards = self.wanted.keys().filter(|it| it.0 == "Shard");
        let mut all: Vec<String> = roles.chain(shards.map(|it| registration(it.1))).collect();
        all.sort();
        all
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
    let pem = STANDARD.encode(super::CA.0.cert_pem());
    scene.cluster.put(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "users-ca", "namespace": DEMO },
        "data": { "tls.crt": pem },
    }));
}

/// All that the loop made and says, by name, without what differs from life to life: revisions,
/// times, and what is in Secrets that others write.
fn made(scene: &Scene) -> BTreeMap<String, Value> {
    let name = |it: &Value| format!("{} {}", it["kind"], it["metadata"]["name"]);
    let secrets = scene.cluster.list("secrets").into_iter();
    let signed: BTreeSet<String> = secrets.filter(is_signed).map(|it| name(&it)).collect();
    let owned: BTreeSet<String> = owned(scene).iter().map(|(_, it)| name(it)).collect();
    let mut all: BTreeMap<String, Value> =
        scene.made().into_iter().map(|it| (name(&it), it)).collect();
    // A Secret that cert-manager writes is nobody's, but for that of a Kubeconfig.
    all.retain(|name, _| owned.contains(name));
    for (name, object) in &mut all {
        if signed.contains(name) {
            *object = Value::Null;
        }
    }
    for kind in Kind::ALL {
        for object in scene.cluster.list(&plural(kind.as_str())) {
            let mut status = object["status"].clone();
            for condition in status["conditions"].as_array_mut().into_iter().flatten() {
                let condition = condition.as_object_mut().unwrap();
                condition
                    .retain(|key, _| ["type", "status", "reason", "message"].contains(&&**key));
            }
            all.insert(name(&object), json!({ "spec": object["spec"], "status": status }));
        }
    }
    all
}

/// The first object in which two installations differ.
fn difference(one: &Scene, many: &Scene) -> Option<String> {
    let (one, many) = (made(one), made(many));
    let names: BTreeSet<&String> = one.keys().chain(many.keys()).collect();
    let name = names.into_iter().find(|&it| one.get(it) != many.get(it))?;
    let shown = |it: Option<&Value>| it.map_or("not there".to_owned(), Value::to_string);
    let (one, many) = (shown(one.get(name)), shown(many.get(name)));
    Some(format!("{name}\n  of one life:   {one}\n  of many lives: {many}"))
}

#[test]
fn killed_at_random_while_all_changes_it_ends_where_one_life_would_have() {
    let told = std::env::var(SEED).ok().map(|it| it.parse().expect("a seed is a number"));
    let seeds = told.map_or_else(|| rand::random_iter().take(STORIES).collect(), |it| vec![it]);
    for seed in seeds {
        let mut story = Story::new(seed);
        for life in 0..LIVES {
            story.live(life);
        }
        // One that is never killed is asked for the same.
        let mut calm = Story::new(seed);
        calm.wanted = story.wanted.clone();
        calm.history.clear();
        calm.put();
        let running = [story.start(), calm.start()];
        eventually("the same of both", || {
            let mut all_put = true;
            for it in [&story, &calm] {
                it.scene.sign();
                it.scene.run_pods();
                it.scene.cluster.collect();
                all_put &= it.put();
            }
            story.difference = difference(&calm.scene, &story.scene);
            if !all_put || story.difference.is_some() {
                return None;
            }
            (story.is_settled() && calm.is_settled()).then_some(())
        });
        running.into_iter().for_each(Loop::kill);
        assert_eq!(difference(&calm.scene, &story.scene), None);
        assert_eq!(story.kcp.paths(), story.wanted_in_kcp());
    }
}
