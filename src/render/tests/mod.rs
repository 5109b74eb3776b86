//! What is made of small installations: names, order of arguments, templates, and each
//! mistake of the operator that is not made here.

mod cache_server;
mod front_proxies;
mod secrets;
mod shards;
mod templates;
mod virtual_workspaces;
mod whole;

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, PodSpec, Secret};
use serde_json::{Value, json};

use super::*;
use crate::api::{self, Certificate};
use crate::pki::{Authority, Validity};

const CACHE: &str = "
kind: CacheServer
metadata: {name: cache, namespace: kcp}
spec:
  certificates: {issuerRef: {name: selfsigned, kind: ClusterIssuer}}
  etcd: {endpoints: ['http://etcd:2379']}
";
const ROOT: &str = "
kind: RootShard
metadata: {name: root, namespace: kcp}
spec:
  external: {hostname: kcp.example.com, port: 443}
  cache: {ref: {name: cache}}
  certificates: {issuerRef: {name: selfsigned}}
  etcd: {endpoints: ['http://a:2379', 'http://b:2379']}
";
const SHARD: &str = "
kind: Shard
metadata: {name: alpha, namespace: kcp}
spec:
  rootShard: {ref: {name: root}}
  etcd: {endpoints: ['http://etcd:2379']}
";
const PROXY: &str = "
kind: FrontProxy
metadata: {name: front, namespace: kcp}
spec:
  rootShard: {ref: {name: root}}
";
const WORKSPACE: &str = "
kind: VirtualWorkspace
metadata: {name: vw, namespace: kcp, labels: {team: storage}}
spec:
  target: {shardRef: {name: alpha}}
  external: {hostname: vw.example.com, port: 6443}
";
const KUBECONFIG: &str = "
kind: Kubeconfig
metadata: {name: admin, namespace: kcp}
spec:
  target: {frontProxyRef: {name: front}}
  username: ann
  groups: [system:kcp:admin, b, a]
  validity: 8766h
  secretRef: {name: admin-kubeconfig}
";
const ALL: [&str; 6] = [CACHE, ROOT, SHARD, PROXY, WORKSPACE, KUBECONFIG];

/// A document with fields laid over its own.
fn with(document: &str, changes: Value) -> String {
    fn lay(over: Value, on: &mut Value) {
        match (over, on) {
            (Value::Object(fields), Value::Object(to)) => {
                for (key, value) in fields {
                    lay(value, to.entry(key).or_insert(Value::Null));
                }
            }
            (over, on) => *on = over,
        }
    }
    let mut tree: Value = serde_yaml::from_str(document).unwrap();
    lay(changes, &mut tree);
    serde_json::to_string(&tree).unwrap()
}

fn objects(documents: &[impl AsRef<str>]) -> Objects {
    let mut objects = Objects::default();
    for document in documents {
        let mut tree: Value = serde_yaml::from_str(document.as_ref()).unwrap();
        tree["apiVersion"] = api::API_VERSION.into();
        let reading = api::read_all(&tree.to_string(), "test");
        assert!(reading.rejected.is_empty(), "{:?}", reading.rejected);
        objects.add(Source::of(&reading.documents[0].object).unwrap());
    }
    objects
}

/// What is made of the object of that kind.
fn rendered(documents: &[impl AsRef<str>], kind: api::Kind, observed: &Observed) -> Rendered {
    let objects = objects(documents);
    let source = objects.sources().find(|it| it.kind() == kind).unwrap();
    render(&objects.resolve(&source).unwrap(), observed)
}

fn offline(documents: &[impl AsRef<str>], kind: api::Kind) -> Rendered {
    rendered(documents, kind, &Observed::default())
}

/// `all` with the document of one kind changed.
fn changed(document: &str, changes: Value) -> Vec<String> {
    let mut changes = Some(changes);
    let swap = |it: &&str| match changes.take_if(|_| *it == document) {
        Some(changes) => with(it, changes),
        None => (*it).to_owned(),
    };
    ALL.iter().map(swap).collect()
}

impl Rendered {
    #[track_caller]
    fn tree(&self, name: &str) -> Value {
        let found = self.items.iter().find(|it| it.to_string() == name);
        found.unwrap_or_else(|| panic!("no {name}")).to_tree().unwrap()
    }

    #[track_caller]
    fn certificate(&self, name: &str) -> &Certificate {
        self.certificates().find(|it| it.metadata.name.as_deref() == Some(name)).unwrap()
    }

    #[track_caller]
    fn deployment(&self, name: &str) -> &Deployment {
        let found = self.items.iter().find_map(|it| match it {
            Item::Deployment(it) if it.metadata.name.as_deref() == Some(name) => Some(&**it),
            _ => None,
        });
        found.unwrap()
    }

    #[track_caller]
    fn pod(&self, name: &str) -> &PodSpec {
        self.deployment(name).spec.template.spec.as_ref().unwrap()
    }

    #[track_caller]
    fn container(&self, name: &str) -> &Container {
        &self.pod(name).containers[0]
    }

    #[track_caller]
    fn args(&self, name: &str) -> Vec<&str> {
        self.container(name).args.iter().flatten().map(String::as_str).collect()
    }

    /// Each volume with the Secret or `ConfigMap` in it and its place in the first container.
    #[track_caller]
    fn mounted(&self, name: &str) -> Vec<String> {
        let pod = self.pod(name);
        let line = |volume: &k8s_openapi::api::core::v1::Volume| {
            let secret = volume.secret.as_ref().and_then(|it| it.secret_name.as_deref());
            let map = volume.config_map.as_ref().map(|it| it.name.as_str());
            let mount = pod.containers[0].volume_mounts.iter().flatten();
            let mut mount = mount.filter(|it| it.name == volume.name).map(|it| &*it.mount_path);
            let (from, at) = (secret.or(map).unwrap_or("-"), mount.next().unwrap_or("-"));
            format!("{} {from} {at}", volume.name)
        };
        pod.volumes.iter().flatten().map(line).collect()
    }

    #[track_caller]
    fn kubeconfig(&self, secret: &str) -> Value {
        let found = self.items.iter().find_map(|it| match it {
            Item::Secret(it) if it.metadata.name.as_deref() == Some(secret) => it.data.as_ref(),
            _ => None,
        });
        serde_yaml::from_slice(&found.unwrap()["kubeconfig"].0).unwrap()
    }
}

fn lines(items: &[Item]) -> Vec<String> {
    items.iter().map(Item::to_string).collect()
}
