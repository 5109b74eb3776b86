//! `kcpctl cache serve --manifests` killed at random, while its folder changes and clients meddle
//! with what it made. It must end where one life with the last folder would have.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use kcpctl::api::{PRODUCTION, PROFILE_ANNOTATION};
use kcpctl::pki::{Certificate, Key, pem};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, IteratorRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::support::{
    Client, CommandOutput, Request, Server, TestEnv, certificate, config_map, eventually,
    installation, kubeconfig, self_signed, shard,
};

/// How often it is killed.
const KILLS: usize = 8;
/// The most writes that a life sees: about what it takes to make everything.
const WRITES_MAX: u64 = 250;
/// Makes other choices.
const SEED: &str = "KCPCTL_CONTROL_KILLS_SEED";
const SEED_DEFAULT: u64 = 3;

const TAGS: [&str; 3] = ["v0.31.6", "v0.32.3", "v0.33.1"];

/// All of the kinds but those of what happened and of who leads.
const COLLECTIONS: [&str; 16] = [
    "/api/v1/namespaces",
    "/api/v1/secrets",
    "/api/v1/configmaps",
    "/api/v1/services",
    "/apis/apps/v1/deployments",
    "/apis/policy/v1/poddisruptionbudgets",
    "/apis/cert-manager.io/v1/issuers",
    "/apis/cert-manager.io/v1/clusterissuers",
    "/apis/cert-manager.io/v1/certificates",
    "/apis/operator.kcp.io/v1alpha1/cacheservers",
    "/apis/operator.kcp.io/v1alpha1/rootshards",
    "/apis/operator.kcp.io/v1alpha1/shards",
    "/apis/operator.kcp.io/v1alpha1/frontproxies",
    "/apis/operator.kcp.io/v1alpha1/virtualworkspaces",
    "/apis/operator.kcp.io/v1alpha1/kubeconfigs",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
];

/// An object that is there, and its path.
struct Live {
    path: String,
    tree: Value,
}

impl Live {
    fn kind(&self) -> &str {
        self.tree["kind"].as_str().unwrap()
    }

    fn name(&self) -> &str {
        self.tree["metadata"]["name"].as_str().unwrap()
    }

    fn key(&self) -> (String, String) {
        (self.kind().to_owned(), self.name().to_owned())
    }

    fn is_leaving(&self) -> bool {
        self.tree["metadata"]["deletionTimestamp"].is_string()
    }

    fn is_owned(&self) -> bool {
        self.tree["metadata"]["ownerReferences"][0]["controller"] == true
    }

    /// Whether the folder has put it there.
    fn is_applied(&self) -> bool {
        let managers = self.tree["metadata"]["managedFields"].as_array();
        managers.into_iter().flatten().any(|it| it["manager"] == "kcpctl-manifests")
    }

    /// Whether a condition holds, of what it is now.
    fn says(&self, type_: &str) -> bool {
        let all = self.tree["status"]["conditions"].as_array();
        all.into_iter().flatten().any(|it| {
            it["type"] == type_
                && it["status"] == "True"
                && it["observedGeneration"] == self.tree["metadata"]["generation"]
        })
    }

    /// The Certificate whose Secret this is.
    fn certificate(&self) -> Option<&str> {
        self.tree["metadata"]["annotations"]["cert-manager.io/certificate-name"].as_str()
    }

    fn text(&self, key: &str) -> Option<String> {
        decoded(&self.tree["data"][key])
    }
}

fn decoded(value: &Value) -> Option<String> {
    String::from_utf8(BASE64_STANDARD.decode(value.as_str()?).ok()?).ok()
}

fn everything(client: &Client) -> Vec<Live> {
    let mut all = Vec::new();
    for collection in COLLECTIONS {
        let mut list = client.get(collection).object(200);
        let kind = list["kind"].as_str().unwrap().trim_end_matches("List").to_owned();
        let api_version = list["apiVersion"].clone();
        for mut tree in list["items"].as_array_mut().unwrap().drain(..) {
            tree["kind"] = kind.clone().into();
            tree["apiVersion"] = api_version.clone();
            let name = tree["metadata"]["name"].as_str().unwrap();
            let path = match tree["metadata"]["namespace"].as_str() {
                None => format!("{collection}/{name}"),
                Some(namespace) => {
                    let (base, resource) = collection.rsplit_once('/').unwrap();
                    format!("{base}/namespaces/{namespace}/{resource}/{name}")
                }
            };
            all.push(Live { path, tree });
        }
    }
    all
}

fn revision(client: &Client) -> u64 {
    let list = client.get(COLLECTIONS[0]).object(200);
    list["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

fn patch(client: &Client, path: &str, changes: &Value) {
    let request = Request::new("PATCH", path).json(changes);
    // It may have gone meanwhile.
    client.send(&request.header("content-type", "application/merge-patch+json"));
}

/// Whether all that `wanted` says is so in `found`.
fn covers(found: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Object(wanted) => wanted.iter().all(|(key, it)| covers(&found[key], it)),
        _ => found == wanted,
    }
}

fn extra(host: u8) -> Value {
    let more = json!({
        "dnsNames": [format!("h{host}.example.com")],
        "issuerRef": { "name": "self", "kind": "ClusterIssuer" },
    });
    certificate("extra", "self", &more)
}

/// Makes something wrong of an object that is rendered.
fn damage(of: &Live) -> Value {
    match of.kind() {
        // How many replicas there are may be somebody else's business, and stays.
        "Deployment" => json!({ "spec": { "template": { "spec": null } } }),
        "Service" => json!({ "spec": { "ports": [], "selector": { "app": "other" } } }),
        "Certificate" => json!({ "spec": { "duration": "1m", "secretName": "other" } }),
        // It may not be without its keys.
        "Secret" if of.tree["type"] == "kubernetes.io/tls" => json!({ "data": { "tls.crt": "" } }),
        "ConfigMap" | "Secret" => json!({ "data": null }),
        _ => json!({ "metadata": { "labels": null } }),
    }
}

/// A server whose folder changes and that is killed, and what has happened to it.
struct Story {
    env: TestEnv,
    server: Server,
    random: StdRng,
    /// What the files of the folder say.
    files: BTreeMap<&'static str, Value>,
    /// Whether there is one that cannot be read, so that nobody may delete anything.
    is_broken: bool,
    history: String,
    /// What was not settled when somebody last looked.
    unsettled: RefCell<Option<String>>,
}

impl Drop for Story {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[expect(clippy::print_stderr, reason = "this is what a failed test shows")]
            {
                eprintln!("--- it happened with {}", self.history);
                if let Some(unsettled) = self.unsettled.borrow().as_ref() {
                    eprintln!("{unsettled}");
                }
            }
        }
    }
}

impl Story {
    fn new(seed: u64) -> Self {
        let env = TestEnv::new();
        let [cache, root, one, mut front, views, dev] = installation();
        front["metadata"]["annotations"] = json!({ PROFILE_ANNOTATION: PRODUCTION });
        front["spec"]["replicas"] = 2.into();
        let files: BTreeMap<_, _> = [
            ("issuer", self_signed()),
            ("cache", cache),
            ("root", root),
            ("one", one),
            ("front", front),
            ("views", views),
            ("dev", dev),
            ("settings", config_map("settings", "0")),
            ("extra", extra(0)),
        ]
        .into();
        for (name, object) in &files {
            env.write(format!("demo/{name}.json"), object.to_string());
        }
        let server = Server::start_with(&["--manifests", env.path("demo").to_str().unwrap()]);
        Self {
            env,
            server,
            random: StdRng::seed_from_u64(seed),
            files,
            is_broken: false,
            history: format!("{SEED}={seed}"),
            unsettled: RefCell::default(),
        }
    }

    fn write(&self, name: &str) {
        self.env.write(format!("demo/{name}.json"), self.files[name].to_string());
    }

    /// Adds or changes a file.
    fn put(&mut self, name: &'static str, object: Value) {
        self.files.insert(name, object);
        self.write(name);
    }

    /// Adds a file, or takes it away.
    fn come_or_go(&mut self, name: &'static str, object: Value) -> String {
        if self.files.remove(name).is_some() {
            fs::remove_file(self.env.path(format!("demo/{name}.json"))).unwrap();
            format!("{name} goes")
        } else {
            self.put(name, object);
            format!("{name} comes")
        }
    }

    /// Changes something that nothing is made of: the folder is applied again.
    fn touch(&mut self, name: &'static str) {
        let value = self.random.random::<u32>().to_string();
        self.files.get_mut(name).unwrap()["metadata"]["labels"]["touched"] = value.into();
        self.write(name);
    }

    fn one_of(&mut self, names: &[&'static str]) -> &'static str {
        let there = names.iter().copied().filter(|it| self.files.contains_key(it));
        there.choose(&mut self.random).unwrap()
    }

    /// Changes the folder, and says how.
    fn change_folder(&mut self) -> String {
        let number: u8 = self.random.random();
        match self.random.random_range(0..7) {
            0 | 1 => {
                let name = self.one_of(&["cache", "root", "one", "front", "views"]);
                let tag = *TAGS.choose(&mut self.random).unwrap();
                self.files.get_mut(name).unwrap()["spec"]["image"]["tag"] = tag.into();
                self.write(name);
                format!("{tag} of {name}")
            }
            2 => self.come_or_go("two", shard("two")),
            3 => self.come_or_go("guest", kubeconfig("guest")),
            4 => {
                self.put("settings", config_map("settings", &number.to_string()));
                "the config map changes".to_owned()
            }
            5 if number.is_multiple_of(2) => self.come_or_go("extra", extra(number)),
            5 => {
                self.put("extra", extra(number));
                "another host name".to_owned()
            }
            _ => {
                self.is_broken = !self.is_broken;
                let broken = self.env.path("demo/broken.yaml");
                if self.is_broken {
                    fs::write(broken, "kind: [").unwrap();
                } else {
                    fs::remove_file(broken).unwrap();
                }
                format!("a broken file: {}", self.is_broken)
            }
        }
    }

    /// Meddles with what is there, and says how.
    fn meddle(&mut self, client: &Client) -> String {
        let all = everything(client);
        let authorities: BTreeSet<&str> = all
            .iter()
            .filter(|it| it.kind() == "Certificate" && it.tree["spec"]["isCA"] == true)
            .map(|it| it.tree["spec"]["secretName"].as_str().unwrap())
            .collect();
        match self.random.random_range(0..6) {
            0 => {
                let name = self.one_of(&["cache", "root", "one", "front", "views", "dev"]);
                if let Some(it) = self.of_file(&all, name) {
                    client.delete(&it.path);
                }
                self.touch(name);
                format!("{name} deleted by a client, and its file touched")
            }
            1 => {
                let name = self.one_of(&["cache", "root", "one", "front", "views"]);
                let labels = json!({ "metadata": { "labels": { "touched": "not" } } });
                if let Some(it) = self.of_file(&all, name) {
                    patch(client, &it.path, &labels);
                }
                self.touch(name);
                format!("{name} edited by a client, and its file touched")
            }
            case => {
                // What a CA has signed stays so, and a new one would be another installation.
                let leaf = |it: &&Live| it.kind() != "Secret" || !authorities.contains(it.name());
                let made = all.iter().filter(|it| match case {
                    2 => it.certificate().is_some(),
                    _ => it.is_owned(),
                });
                let Some(it) = made.filter(leaf).choose(&mut self.random) else {
                    return "nothing".to_owned();
                };
                let how = if self.random.random() {
                    client.delete(&it.path);
                    "deleted"
                } else {
                    patch(client, &it.path, &damage(it));
                    "damaged"
                };
                format!("{:?} {how}", it.key())
            }
        }
    }

    /// Leaves the folder with less than it had, so that something is always collected: an object,
    /// and what another one has made.
    fn lose(&mut self) {
        if self.is_broken {
            fs::remove_file(self.env.path("demo/broken.yaml")).unwrap();
            self.is_broken = false;
        }
        if self.files.remove("extra").is_some() {
            fs::remove_file(self.env.path("demo/extra.json")).unwrap();
        }
        let front = self.files.get_mut("front").unwrap();
        front["metadata"].as_object_mut().unwrap().remove("annotations");
        self.write("front");
    }

    /// What a file has made.
    fn of_file<'a>(&self, all: &'a [Live], name: &str) -> Option<&'a Live> {
        let kind = self.files[name]["kind"].as_str().unwrap();
        all.iter().find(|it| (it.kind(), it.name()) == (kind, name))
    }

    /// One life: something changes before it or in it, and then it is killed.
    fn live(&mut self, life: usize) {
        let writes = self.random.random_range(0..WRITES_MAX);
        let early = self.random.random_range(0..=writes);
        let mut changed = self.random.random_bool(0.3);
        let _ = write!(self.history, "\nlife {life}, {early} of {writes} writes: ");
        if changed {
            let what = self.change_folder();
            self.history.push_str(&what);
        }
        if life > 0 {
            self.server.start_again();
        }
        let client = self.server.admin();
        let begun = revision(&client);
        let mut before = None;
        eventually(&format!("{writes} writes of life {life}"), || {
            let seen = revision(&client) - begun;
            let is_idle = before.replace(seen) == Some(seen) && self.is_settled(&client);
            if !changed && (seen >= early || is_idle) {
                let folder = self.random.random();
                let what = if folder { self.change_folder() } else { self.meddle(&client) };
                self.history.push_str(&what);
                changed = true;
                return None;
            }
            (seen >= writes || changed && is_idle).then_some(())
        });
        assert!(!self.server.said().contains("panicked"));
        self.server.kill();
    }

    /// What is not as the folder says, or whom all is not well with.
    fn unsettled(&self, client: &Client) -> Option<String> {
        let all = everything(client);
        for it in all.iter().filter(|it| it.kind() == "Shard" && it.is_leaving()) {
            // There is no kcp that could forget it.
            patch(client, &it.path, &json!({ "metadata": { "finalizers": null } }));
        }
        let has = |wanted: &Value| {
            let key =
                (wanted["kind"].as_str().unwrap(), wanted["metadata"]["name"].as_str().unwrap());
            all.iter().any(|it| (it.kind(), it.name()) == key && covers(&it.tree, wanted))
        };
        if let Some(wanted) = self.files.values().find(|it| !has(it)) {
            return Some(format!("not there: {wanted}"));
        }
        let applied: Vec<_> = all.iter().filter(|it| it.is_applied()).map(Live::key).collect();
        if !self.is_broken && applied.len() != self.files.len() {
            return Some(format!("applied: {applied:?}"));
        }
        let is_well = |it: &&Live| {
            !it.is_leaving()
                && match it.kind() {
                    "Certificate" | "Issuer" | "ClusterIssuer" => it.says("Ready"),
                    _ if it.tree["apiVersion"] == "operator.kcp.io/v1alpha1" => {
                        it.says("Reconciled") && (it.kind() != "Kubeconfig" || it.says("Available"))
                    }
                    _ => true,
                }
        };
        let unwell = all.iter().find(|it| !is_well(it))?;
        Some(format!("not well: {:?} {}", unwell.key(), unwell.tree["status"]))
    }

    /// Whether all is settled. Keeps what is not.
    fn is_settled(&self, client: &Client) -> bool {
        let unsettled = self.unsettled(client);
        let is_settled = unsettled.is_none();
        self.unsettled.replace(unsettled);
        is_settled
    }
}

/// What a text of PEM blocks is, without what is random in it.
fn shown_pem(text: &str) -> Value {
    let shown = |it: pem::Block| match Certificate::from_der(&it.der) {
        Ok(it) => {
            let mut sans: Vec<_> = it.sans.iter().map(|it| format!("{it:?}")).collect();
            sans.sort();
            json!([it.subject, it.issuer, sans, it.is_ca])
        }
        Err(_) => it.label.into(),
    };
    pem::blocks(text).unwrap().into_iter().map(shown).collect()
}

/// An object without what differs from life to life: names of its past, times, keys.
fn steady(object: &Live) -> Value {
    let mut tree = object.tree.clone();
    let metadata = tree["metadata"].take();
    let owners = metadata["ownerReferences"].as_array().into_iter().flatten();
    let owners: Vec<_> =
        owners.map(|it| json!([it["kind"], it["name"], it["controller"]])).collect();
    tree["metadata"] = json!({
        "labels": metadata["labels"], "annotations": metadata["annotations"],
        "finalizers": metadata["finalizers"], "owners": owners,
    });
    if let Some(status) = tree["status"].as_object_mut() {
        for key in ["notBefore", "notAfter", "renewalTime", "revision", "certificateExpiry"] {
            status.remove(key);
        }
        for condition in
            status.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten()
        {
            let condition = condition.as_object_mut().unwrap();
            condition.retain(|key, _| ["type", "status", "reason", "message"].contains(&&**key));
        }
        if let Some(conditions) = status.get_mut("conditions").and_then(Value::as_array_mut) {
            conditions.sort_by_key(|it| it["type"].to_string());
        }
    }
    // Pods carry the revisions of what they mount.
    let pods = tree.pointer_mut("/spec/template/metadata/labels").and_then(Value::as_object_mut);
    for (key, value) in pods.into_iter().flatten() {
        if key.ends_with("-rev") {
            *value = "".into();
        }
    }
    if object.kind() == "Secret" {
        for value in tree["data"].as_object_mut().into_iter().flatten().map(|it| it.1) {
            let text = decoded(value).unwrap();
            *value = if text.contains("-----BEGIN") {
                shown_pem(&text)
            } else {
                let lines = text.lines().filter(|it| !it.contains("-data:"));
                lines.collect::<Vec<_>>().join("\n").into()
            };
        }
    }
    tree
}

/// All that is there, by kind and name.
fn steady_state(client: &Client) -> BTreeMap<(String, String), Value> {
    let all = everything(client);
    let secrets: BTreeSet<&str> = all
        .iter()
        .filter(|it| it.kind() == "Certificate")
        .filter_map(|it| it.tree["spec"]["secretName"].as_str())
        .collect();
    // A Secret outlives the Certificate that named it, as with cert-manager.
    let stays = |it: &&Live| it.certificate().is_none() || secrets.contains(it.name());
    all.iter().filter(stays).map(|it| (it.key(), steady(it))).collect()
}

/// The first object in which two servers differ.
fn difference(one: &Client, many: &Client) -> Option<String> {
    let (one, many) = (steady_state(one), steady_state(many));
    let names: BTreeSet<_> = one.keys().chain(many.keys()).collect();
    let name = names.into_iter().find(|&it| one.get(it) != many.get(it))?;
    let shown = |it: Option<&Value>| it.map_or("not there".to_owned(), Value::to_string);
    let (one, many) = (shown(one.get(name)), shown(many.get(name)));
    Some(format!("{name:?}\n  of one life:   {one}\n  of many lives: {many}"))
}

/// Whether the chain of every certificate leads to its root, and its key is its own.
fn verify(env: &TestEnv, client: &Client) {
    let all = everything(client);
    let certificates = all.iter().filter(|it| it.kind() == "Certificate");
    let mut verified = 0;
    for certificate in certificates {
        let name = certificate.tree["spec"]["secretName"].as_str().unwrap();
        let secret = all.iter().find(|it| (it.kind(), it.name()) == ("Secret", name)).unwrap();
        let [chain, key, root] =
            ["tls.crt", "tls.key", "ca.crt"].map(|it| secret.text(it).unwrap());
        let leaf = Certificate::from_pem(&chain).unwrap().swap_remove(0).0;
        assert!(leaf.has_key(&Key::from_pem(&key).unwrap()), "the key of {name}");
        leads_to(env, name, &[], chain, root);
        verified += 1;
    }
    assert!(verified > 20, "only {verified} certificates");

    // A kubeconfig has what both sides of a connection need.
    let secret = |name: &str| all.iter().find(|it| (it.kind(), it.name()) == ("Secret", name));
    let text = |name: &str, key: &str| secret(name).unwrap().text(key).unwrap();
    let kubeconfig: Value = serde_yaml::from_str(&text("dev-kubeconfig", "kubeconfig")).unwrap();
    let held = |pointer: &str| decoded(kubeconfig.pointer(pointer).unwrap()).unwrap();
    let user = held("/users/0/user/client-certificate-data");
    leads_to(env, "the user", &PARTIAL, user, text("root-client-ca", "tls.crt"));
    let ca = held("/clusters/0/cluster/certificate-authority-data");
    leads_to(env, "the server", &PARTIAL, text("root-front-server", "tls.crt"), ca);
}

/// Has openssl believe in a CA that is no root.
const PARTIAL: [&str; 1] = ["-partial_chain"];

/// Asks openssl whether a chain leads to a CA.
fn leads_to(env: &TestEnv, what: &str, how: &[&str], chain: String, ca: String) {
    let [chain, ca] = [("chain", chain), ("ca", ca)].map(|it| env.write(it.0, it.1));
    let mut openssl = env.command("openssl");
    openssl.arg("verify").args(how).arg("-CAfile").arg(ca);
    let said = CommandOutput::of(openssl.arg("-untrusted").arg(&chain).arg(&chain));
    assert_eq!(said.code, Some(0), "{what}: {said}");
}

#[test]
fn killed_at_random_it_ends_where_one_life_with_the_last_folder_would_have() {
    let told = std::env::var(SEED).ok().map(|it| it.parse().expect("a seed is a number"));
    // What happens is the same each time; when it dies differs all the same.
    let mut story = Story::new(told.unwrap_or(SEED_DEFAULT));
    for life in 0..KILLS {
        story.live(life);
    }
    story.lose();
    story.server.start_again();
    let folder = story.env.path("demo");
    let calm = Server::start_with(&["--manifests", folder.to_str().unwrap()]);
    let [many, one] = [story.server.admin(), calm.admin()];
    for (client, whose) in [(&one, "one life"), (&many, "many lives")] {
        eventually(&format!("{whose} to be settled"), || story.is_settled(client).then_some(()));
    }
    let mut found = None;
    eventually("the same of both", || {
        let differs = difference(&one, &many);
        if differs != found && differs.is_some() {
            let _ =
                write!(story.history, "\ndifference in {}", differs.as_deref().unwrap_or_default());
        }
        found = differs;
        found.is_none().then_some(())
    });
    verify(&story.env, &many);
}
