//! An installation in a cluster, for tests of what looks at one.

use serde_json::json;

use super::Cluster;
use crate::support::{CommandOutput, TestEnv};

/// A cluster with a small installation in it, of which every controller has done its work.
pub struct Demo {
    pub env: TestEnv,
    pub cluster: Cluster,
    /// The way to it.
    pub kubeconfig: String,
}

impl Demo {
    /// With one shard and a cache server.
    pub fn new() -> Self {
        let env = TestEnv::new();
        env.run(["init", "installation", "demo", "--yes", "--cache=server", "--shards=1"])
            .success();
        let cluster = Cluster::prepared(&env);
        let kubeconfig = cluster.kubeconfig(&env);
        let this = Self { env, cluster, kubeconfig };
        this.run(&["apply", "-f", "demo", "--no-wait"]).success();
        this.cluster.settle();
        this
    }

    /// Runs `kcpctl` on the cluster.
    pub fn run(&self, args: &[&str]) -> CommandOutput {
        self.env.run([args, &["--kubeconfig", &self.kubeconfig]].concat())
    }

    /// A Certificate that ends then, of the root shard where `owner` is its type.
    pub fn certificate(&self, name: &str, owner: Option<&str>, ends: &str) {
        let mut certificate = json!({
            "apiVersion": "cert-manager.io/v1", "kind": "Certificate",
            "metadata": { "name": name, "namespace": "demo" },
            "status": { "notAfter": ends, "conditions": [{ "type": "Ready", "status": "True" }] },
        });
        if let Some(of) = owner {
            let uid = &self.cluster.get(of, "demo", "root").unwrap()["metadata"]["uid"];
            certificate["metadata"]["ownerReferences"] = json!([{ "uid": uid, "name": "root" }]);
        }
        self.cluster.put(&certificate);
    }

    /// The shard's pods do not become ready.
    pub fn stuck(&self) {
        self.cluster.set_status(
            "shards.operator.kcp.io",
            "demo",
            "shard-1",
            &json!({ "phase": "Provisioning", "conditions": [{
                "type": "Available", "status": "False", "reason": "ReplicasUnavailable",
                "message": "0 of 1", "lastTransitionTime": "2026-01-01T00:00:00Z",
            }] }),
        );
    }
}
