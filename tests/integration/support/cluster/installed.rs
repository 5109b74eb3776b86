//! A cluster on which an installation can be put: with its definitions, and cert-manager's.

use serde_json::{Value, json};

use super::{Cluster, TestEnv};

impl Cluster {
    /// With the operator's definitions, cert-manager's, and the namespace `demo`.
    pub fn prepared(env: &TestEnv) -> Self {
        let cluster = Self::start();
        let list: Value = serde_json::from_str(&env.run(["crds", "-o", "json"]).success()).unwrap();
        for crd in list["items"].as_array().unwrap() {
            cluster.put(crd);
        }
        cluster.put_cert_manager();
        cluster.put(
            &json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "demo" } }),
        );
        cluster
    }

    /// The types of cert-manager that the operator uses.
    pub fn put_cert_manager(&self) {
        for (kind, plural, scope) in [
            ("Issuer", "issuers", "Namespaced"),
            ("ClusterIssuer", "clusterissuers", "Cluster"),
            ("Certificate", "certificates", "Namespaced"),
        ] {
            self.put(&json!({
                "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": { "name": format!("{plural}.cert-manager.io") },
                "spec": {
                    "group": "cert-manager.io", "scope": scope,
                    "names": { "kind": kind, "plural": plural },
                    "versions": [{
                        "name": "v1", "served": true, "storage": true,
                        "subresources": { "status": {} },
                        "schema": { "openAPIV3Schema": { "type": "object" } },
                    }],
                },
            }));
        }
    }

    /// Has every controller done its work: each object says that it is what it should be, and
    /// each server of the operator has its Deployment.
    pub fn settle(&self) {
        let condition = |kind: &str, reason: &str| {
            json!({
                "type": kind, "status": "True", "reason": reason, "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        };
        let servers = [
            ("rootshards", "-kcp"),
            ("shards", "-shard-kcp"),
            ("frontproxies", "-front-proxy"),
            ("cacheservers", "-cache-server"),
        ];
        for (plural, suffix) in servers {
            let of = format!("{plural}.operator.kcp.io");
            for object in self.list(&of) {
                let [namespace, name] = place(&object);
                self.run_server(&object, &format!("{name}{suffix}"));
                let status = json!({
                    "phase": "Running", "conditions": [condition("Available", "ReplicasUp")],
                });
                self.set_status(&of, &namespace, &name, &status);
            }
        }
        for object in self.list("kubeconfigs.operator.kcp.io") {
            let [namespace, name] = place(&object);
            let conditions =
                [condition("ReferenceValid", "x"), condition("Available", "SecretsReady")];
            let status = json!({ "phase": "Ready", "conditions": conditions });
            self.set_status("kubeconfigs.operator.kcp.io", &namespace, &name, &status);
        }
        for object in self.list("issuers.cert-manager.io") {
            let [namespace, name] = place(&object);
            let status = json!({ "conditions": [condition("Ready", "IsReady")] });
            self.set_status("issuers.cert-manager.io", &namespace, &name, &status);
        }
        for object in self.list("statefulsets.apps") {
            let [namespace, name] = place(&object);
            let status = up(&object);
            self.set_status("statefulsets.apps", &namespace, &name, &status);
        }
    }

    /// The Deployment of a server, with all of its pods ready.
    fn run_server(&self, owner: &Value, name: &str) {
        let [namespace, _] = place(owner);
        let tag = owner["spec"]["image"]["tag"].as_str().unwrap_or("v0.32.3");
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {
                "name": name, "namespace": namespace,
                "ownerReferences": [{
                    "apiVersion": "operator.kcp.io/v1alpha1", "kind": owner["kind"],
                    "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
                }],
            },
            "spec": {
                "replicas": owner["spec"]["replicas"],
                "template": { "spec": { "containers": [
                    { "name": "kcp", "image": format!("ghcr.io/kcp-dev/kcp:{tag}") },
                ] } },
            },
        });
        let stored = self.put(&deployment);
        self.set_status("deployments.apps", &namespace, name, &up(&stored));
    }
}

/// The status of a workload whose pods are all ready.
fn up(workload: &Value) -> Value {
    let replicas = workload["spec"]["replicas"].as_u64().unwrap_or(1);
    json!({
        "observedGeneration": workload["metadata"]["generation"], "replicas": replicas,
        "updatedReplicas": replicas, "readyReplicas": replicas,
    })
}

fn place(object: &Value) -> [String; 2] {
    ["namespace", "name"].map(|it| object["metadata"][it].as_str().unwrap_or_default().to_owned())
}
