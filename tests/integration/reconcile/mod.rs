//! `kcpctl reconcile` against a cluster in this process.
//!
//! The loop is the real executable. [`Scene`] has the cluster, the operator's definitions in it,
//! and plays those that a real cluster would have: cert-manager, the controller of Deployments.

mod adoption;
mod changes;
mod failures;
mod kcp;
mod kills;
mod life;
mod metrics;
mod parity;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kcpctl::pki::Authority;
use serde_json::{Value, json};

use crate::support::{
    Cluster, CommandOutput, Credentials, DEMO, Process, TestEnv, eventually, new_authority,
};

const CERTIFICATES: &str = "certificates.cert-manager.io";
const DEPLOYMENTS: &str = "deployments.apps";

static CA: LazyLock<(Authority, Credentials)> = LazyLock::new(|| {
    let authority = new_authority("test");
    let leaf = Credentials::of_server(&authority);
    (authority, leaf)
});

/// A cluster with a namespace and the definitions.
struct Scene {
    cluster: Cluster,
    env: TestEnv,
    kubeconfig: String,
}

/// A loop that runs until it is dropped.
struct Loop(Process);

impl Loop {
    fn said(&self) -> String {
        self.0.said()
    }

    /// Where it serves its health.
    fn address(&self) -> String {
        eventually("the address", || {
            let said = self.said();
            let line = said.lines().find(|it| it.contains("serving health"))?.to_owned();
            Some(line.split("address=").nth(1)?.trim().to_owned())
        })
    }

    /// What it answers to a path there.
    fn ask(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// The value of a metric, named with all its labels as they are told; nothing if there is none.
    fn metric(&self, name: &str) -> Option<i64> {
        let answer = self.ask("/metrics");
        let mut values = answer.lines().filter_map(|it| it.strip_prefix(name)?.strip_prefix(' '));
        values.next().map(|it| it.parse().unwrap())
    }

    fn stop(self) -> Option<i32> {
        self.0.stop()
    }

    fn kill(self) {
        self.0.kill();
    }
}

fn definition(group: &str, version: &str, kind: &str, plural: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.{group}") },
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": { "kind": kind, "plural": plural },
            "versions": [{
                "name": version, "served": true, "storage": true,
                "subresources": { "status": {} },
            }],
        },
    })
}

impl Scene {
    /// With everything that an administrator installs first.
    fn new() -> Self {
        let scene = Self::bare();
        for (kind, plural) in [("Issuer", "issuers"), ("Certificate", "certificates")] {
            scene.cluster.put(&definition("cert-manager.io", "v1", kind, plural));
        }
        scene
    }

    /// Without cert-manager.
    fn bare() -> Self {
        let cluster = Cluster::start();
        let env = TestEnv::new();
        let kubeconfig = cluster.kubeconfig(&env);
        let scene = Self { cluster, env, kubeconfig };
        for (kind, plural) in [
            ("CacheServer", "cacheservers"),
            ("RootShard", "rootshards"),
            ("Shard", "shards"),
            ("FrontProxy", "frontproxies"),
            ("VirtualWorkspace", "virtualworkspaces"),
            ("Kubeconfig", "kubeconfigs"),
        ] {
            scene.cluster.put(&definition("operator.kcp.io", "v1alpha1", kind, plural));
        }
        scene.cluster.put(&json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": DEMO },
        }));
        scene
    }

    fn start(&self) -> Loop {
        self.start_with(&[])
    }

    fn start_with(&self, more: &[&str]) -> Loop {
        Loop(Process::start(&self.env, |command| {
            command.args(["reconcile", "--kubeconfig", &self.kubeconfig, "-n", DEMO, "-v=4"]);
            command.args(more);
        }))
    }

    fn run(&self, more: &[&str]) -> CommandOutput {
        let args = ["reconcile", "--kubeconfig", &self.kubeconfig, "-n", DEMO];
        self.env.run(args.iter().chain(more))
    }

    /// Creates or replaces an operator object.
    #[expect(clippy::needless_pass_by_value, reason = "a spec is made where it is put")]
    fn put(&self, kind: &str, name: &str, spec: Value) -> Value {
        self.cluster.put(&json!({
            "apiVersion": "operator.kcp.io/v1alpha1", "kind": kind,
            "metadata": { "name": name, "namespace": DEMO }, "spec": spec,
        }))
    }

    fn cache(&self, name: &str) {
        self.put(
            "CacheServer",
            name,
            json!({
                "certificates": { "issuerRef": { "name": "ca", "kind": "ClusterIssuer" } },
            }),
        );
    }

    fn root(&self) {
        self.put("RootShard", "root", root_spec());
    }

    fn shard(&self, name: &str) {
        self.put("Shard", name, shard_spec());
    }

    fn get(&self, of: &str, name: &str) -> Option<Value> {
        self.cluster.get(of, DEMO, name)
    }

    /// Signs every certificate that is not signed, as cert-manager would.
    fn sign(&self) {
        let (authority, leaf) = &*CA;
        let encoded = |text: &str| STANDARD.encode(text);
        for certificate in self.cluster.list(CERTIFICATES) {
            let metadata = &certificate["metadata"];
            let generation = &metadata["generation"];
            if certificate["status"]["conditions"][0]["observedGeneration"] == *generation {
                continue;
            }
            let ca = authority.cert_pem();
            let (cert, key) = if certificate["spec"]["isCA"] == true {
                (ca.clone(), authority.key_pem())
            } else {
                (leaf.cert_pem.clone(), leaf.key_pem.clone())
            };
            self.cluster.put_as("cert-manager", &json!({
                "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
                "metadata": {
                    "name": certificate["spec"]["secretName"], "namespace": metadata["namespace"],
                    "labels": certificate["spec"]["secretTemplate"]["labels"],
                },
                "data": { "tls.crt": encoded(&cert), "tls.key": encoded(&key), "ca.crt": encoded(&ca) },
            }));
            let name = metadata["name"].as_str().unwrap();
            self.cluster.set_status(CERTIFICATES, DEMO, name, &json!({
                "conditions": [{ "type": "Ready", "status": "True", "observedGeneration": generation }],
                "notAfter": "2030-01-01T00:00:00Z",
            }));
        }
    }

    /// Runs the pods of every Deployment.
    fn run_pods(&self) {
        for deployment in self.cluster.list(DEPLOYMENTS) {
            let generation = &deployment["metadata"]["generation"];
            let replicas = deployment["spec"]["replicas"].as_i64().unwrap_or(1);
            let status = json!({
                "observedGeneration": generation, "replicas": replicas,
                "readyReplicas": replicas, "updatedReplicas": replicas, "availableReplicas": replicas,
            });
            if deployment["status"] != status {
                let name = deployment["metadata"]["name"].as_str().unwrap();
                self.cluster.set_status(DEPLOYMENTS, DEMO, name, &status);
            }
        }
    }

    /// Plays the cluster until `look` finds something.
    fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        eventually(what, || {
            self.sign();
            self.run_pods();
            look()
        })
    }

    fn phase(&self, of: &str, name: &str) -> Option<String> {
        Some(self.get(of, name)?["status"]["phase"].as_str()?.to_owned())
    }

    fn condition(&self, of: &str, name: &str, type_: &str) -> Option<Value> {
        let object = self.get(of, name)?;
        let all = object["status"]["conditions"].as_array()?.clone();
        all.into_iter().find(|it| it["type"] == type_)
    }

    /// Waits until a condition has a reason, and answers with its message.
    fn until_reason(&self, of: &str, name: &str, type_: &str, reason: &str) -> String {
        self.until(&format!("{reason} of {of} {name}"), || {
            let found = self.condition(of, name, type_)?;
            (found["reason"] == reason).then(|| found["message"].as_str().unwrap().to_owned())
        })
    }

    fn until_phase(&self, of: &str, name: &str, phase: &str) {
        self.until(&format!("{of} {name} to be {phase}"), || {
            (self.phase(of, name)? == phase).then_some(())
        });
    }

    /// Cache, root shard, shard and front-proxy, all of them up.
    fn installation(&self) {
        self.cache("cache");
        self.root();
        self.shard("one");
        self.put("FrontProxy", "front", json!({ "rootShard": { "ref": { "name": "root" } } }));
    }

    fn until_installed(&self) {
        self.until_phase("cacheservers.operator.kcp.io", "cache", "Running");
        self.until_phase("rootshards.operator.kcp.io", "root", "Running");
        self.until_phase("shards.operator.kcp.io", "one", "Running");
        self.until_phase("frontproxies.operator.kcp.io", "front", "Running");
    }

    /// Everything that the loop made, without what differs from life to life.
    fn made(&self) -> Vec<Value> {
        let types = [
            "issuers.cert-manager.io",
            CERTIFICATES,
            "configmaps",
            "secrets",
            DEPLOYMENTS,
            "services",
        ];
        let mut all = Vec::new();
        for object in types.iter().flat_map(|it| self.cluster.list(it)) {
            let mut object = object;
            let metadata = object["metadata"].as_object_mut().unwrap();
            metadata.retain(|key, _| ["name", "labels", "annotations"].contains(&key.as_str()));
            object.as_object_mut().unwrap().remove("status");
            // The revisions of Secrets are part of pods.
            let labels = object.pointer_mut("/spec/template/metadata/labels");
            if let Some(labels) = labels.and_then(Value::as_object_mut) {
                labels.retain(|key, _| !key.ends_with("-rev"));
            }
            all.push(object);
        }
        all
    }
}

fn root_spec() -> Value {
    json!({
        "external": { "hostname": "kcp.example.com", "port": 6443 },
        "cache": { "ref": { "name": "cache" } },
        "certificates": { "issuerRef": { "name": "ca", "kind": "ClusterIssuer" } },
        "etcd": { "endpoints": ["https://etcd-root:2379"] },
    })
}

fn shard_spec() -> Value {
    json!({
        "rootShard": { "ref": { "name": "root" } },
        "etcd": { "endpoints": ["https://etcd-one:2379"] },
    })
}
