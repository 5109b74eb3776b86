//! `kcpctl cache serve --manifests`: shards get access by being described.

use crate::support::{CommandOutput, Credentials, Server, TestEnv, api_export, at, eventually};

/// A cache server, a root shard and a shard that use it, as `init installation` writes them.
const INSTALLATION: &str = "\
apiVersion: operator.kcp.io/v1alpha1
kind: CacheServer
metadata: {name: main}
spec: {certificates: {issuerRef: {name: x}}}
---
apiVersion: operator.kcp.io/v1alpha1
kind: RootShard
metadata: {name: kcp}
spec:
  external: {hostname: kcp.example.com, port: 6443}
  certificates: {issuerRef: {name: x}}
  etcd: {endpoints: ['https://etcd:2379']}
  cache: {ref: {name: main}}
";

const SHARD: &str = "\
apiVersion: operator.kcp.io/v1alpha1
kind: Shard
metadata: {name: amber}
spec: {rootShard: {ref: {name: kcp}}, etcd: {endpoints: ['https://etcd:2379']}}
";

#[test]
fn a_shard_that_is_described_may_write_its_own_space_and_no_other() {
    let env = TestEnv::new();
    env.write("demo/installation.yaml", INSTALLATION);
    let server = Server::start_with(&["--manifests", env.path("demo").to_str().unwrap()]);
    let folder = server.data_dir().join("kubeconfigs/root");
    eventually("the flags of the root shard", || {
        let flags = format!("--cache-kubeconfig={}", folder.join("kubeconfig").display());
        server.said().contains(&flags).then_some(())
    });
    // One that is described later.
    env.write("demo/amber.yaml", SHARD);
    eventually("the flags of another shard", || {
        server.said().contains("--shard-name=amber").then_some(())
    });
    let folder = server.data_dir().join("kubeconfigs/amber");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    let credentials = eventually("the files of that shard", || {
        Some(Credentials { cert_pem: read("client.crt")?, key_pem: read("client.key")? })
    });
    let client = server.client_with(Some(&credentials));
    let exports = |shard: &str| at(shard, "root", "apis/apis.kcp.io/v1alpha1/apiexports");
    assert_eq!(client.post(exports("amber"), &api_export("a")).status, 201);
    assert_eq!(client.get(exports("root")).status, 200);
    assert_eq!(client.post(exports("root"), &api_export("a")).status, 403);

    // kubectl follows the paths in the file.
    let mut kubectl = env.command("kubectl");
    kubectl.arg("--kubeconfig").arg(folder.join("kubeconfig"));
    let seen = CommandOutput::of(kubectl.args(["get", "--raw", &exports("amber")])).success();
    assert!(seen.contains(r#""name":"a""#), "{seen}");
}

#[test]
fn a_broken_manifest_is_told_with_its_line_and_stops_nothing() {
    let env = TestEnv::new();
    env.write("demo/installation.yaml", INSTALLATION);
    env.write("demo/broken.yaml", "kind: [\n");
    let server = Server::start_with(&["--manifests", env.path("demo").to_str().unwrap()]);
    eventually("the problem", || server.said().contains("broken.yaml:2:").then_some(()));
    assert!(server.data_dir().join("kubeconfigs/root/kubeconfig").exists());
    assert_eq!(server.admin().get("/readyz").status, 200);
}

#[test]
fn two_cache_servers_need_a_name() {
    let env = TestEnv::new();
    env.write("demo/one.yaml", INSTALLATION);
    env.write(
        "demo/two.yaml",
        INSTALLATION.replace("main", "other").replace("name: kcp", "name: b"),
    );
    let flags = ["cache", "serve", "--secure-port", "0", "--manifests", "demo"];
    let refused = env.run(flags);
    assert_eq!(refused.code, Some(3), "{refused}");
    assert!(
        refused.stderr.contains("several CacheServers: default/main, default/other"),
        "{refused}"
    );
    assert!(refused.stderr.contains("hint: say with `--name`"), "{refused}");
}
