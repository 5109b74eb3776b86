//! How many pods there are, and what the production profile asks of objects.

use super::{World, name};
use crate::api::{EtcdConfig, Object, RootShard};
use crate::installation::finding::{Code, Finding, Subject};

/// What saves somebody who meant no production.
const OR_DEV: &str = "or use `--profile dev`";

pub(super) fn check(world: &World<'_>, findings: &mut Vec<Finding>) {
    for document in world.documents {
        for (path, replicas) in replicas(&document.object) {
            if replicas < 0 {
                findings.push(Finding::error(
                    Code::Replicas,
                    Subject::of(&document.object),
                    path,
                    format!("{replicas} is no number of replicas"),
                    "use 1 or more",
                ));
            }
        }
    }
}

/// Where a number of replicas stands in an object, and the number.
fn replicas(object: &Object) -> Vec<(&'static str, i32)> {
    let own = match object {
        Object::CacheServer(it) => it.spec.replicas,
        Object::RootShard(it) => it.spec.common.replicas,
        Object::Shard(it) => it.spec.common.replicas,
        Object::FrontProxy(it) => it.spec.replicas,
        Object::VirtualWorkspace(it) => it.spec.replicas,
        Object::Kubeconfig(_) | Object::Other { .. } => None,
    };
    let proxy = match object {
        Object::RootShard(it) => it.spec.proxy.as_ref().and_then(|it| it.replicas),
        _ => None,
    };
    let own = own.map(|it| ("spec.replicas", it));
    own.into_iter().chain(proxy.map(|it| ("spec.proxy.replicas", it))).collect()
}

/// What the profile `production` promises, as far as objects show it.
pub(super) fn production(world: &World<'_>, findings: &mut Vec<Finding>) {
    let mut report = |subject: Subject, path: &str, message: &str, hint: &str| {
        let message = format!("the profile `production` {message}");
        let hint = format!("{hint}, {OR_DEV}");
        findings.push(Finding::error(Code::Production, subject, path, message, hint));
    };
    for root in &world.roots {
        if root.cache_name().is_none() {
            report(
                Subject::typed(*root),
                "spec.cache",
                "has a cache server: the embedded cache is lost with the root shard",
                "add a CacheServer and name it in `spec.cache.ref`",
            );
        }
        if !has_another_shard(world, root) {
            report(
                Subject::typed(*root),
                "metadata.name",
                "has at least two shards: the root shard and one more",
                "add a Shard for this root shard",
            );
        }
    }
    for document in world.documents {
        for (path, replicas) in replicas(&document.object) {
            if (0..2).contains(&replicas) {
                let message =
                    format!("survives the loss of a node, with {replicas} replicas it would not")
                        .replace("1 replicas", "1 replica");
                let subject = Subject::of(&document.object);
                report(subject, path, &message, "use 2 or more replicas");
            }
        }
        if let Some(etcd) = etcd(&document.object) {
            let subject = Subject::of(&document.object);
            match etcd {
                None => report(
                    subject,
                    "spec.etcd",
                    "stores in an external etcd: an embedded one is lost with its pod",
                    "set `spec.etcd`",
                ),
                Some(etcd) if !is_secure(etcd) => report(
                    subject,
                    "spec.etcd",
                    "talks to etcd with TLS: without it, whoever reaches its port reads and \
                     writes everything",
                    "write the endpoints with `https://`, and set `spec.etcd.tlsConfig`",
                ),
                Some(_) => {}
            }
        }
    }
}

fn has_another_shard(world: &World<'_>, root: &RootShard) -> bool {
    let namespace = &root.metadata.namespace;
    world.opaque.iter().any(|it| it.kind == "Shard" && it.namespace == *namespace)
        || world.shards.iter().any(|it| {
            it.metadata.namespace == *namespace && it.root_shard_name() == Some(name(root))
        })
}

/// The etcd of a server: none for what stores nothing, `Some(None)` for an embedded one.
#[expect(clippy::option_option, reason = "no store, an embedded one, another one")]
fn etcd(object: &Object) -> Option<Option<&EtcdConfig>> {
    match object {
        Object::CacheServer(it) => Some(it.spec.etcd.as_ref()),
        Object::RootShard(it) => Some(Some(&it.spec.common.etcd)),
        Object::Shard(it) => Some(Some(&it.spec.common.etcd)),
        _ => None,
    }
}

fn is_secure(etcd: &EtcdConfig) -> bool {
    etcd.tls_config.is_some() && !etcd.endpoints.iter().any(|it| it.starts_with("http://"))
}
