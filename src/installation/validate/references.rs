//! Every reference names something that is there.
//!
//! Only among the operator's own kinds: Secrets and issuers may be in the cluster
//! already.

use k8s_openapi::api::core::v1::LocalObjectReference;
use kube::Resource;

use super::{World, find, name};
use crate::api::{RootShardReference, Target, VirtualWorkspace};
use crate::installation::finding::{Code, Finding, Subject};

pub(super) fn check(world: &World<'_>, findings: &mut Vec<Finding>) {
    for root in &world.roots {
        let from = From { object: *root, kind: "RootShard" };
        if let Some(cache) = root.cache_name() {
            from.to("spec.cache.ref", "CacheServer", cache, &world.caches, world, findings);
        }
        if let Some(server) = &root.spec.common.kcp_virtual_workspace {
            from.virtual_workspace(&server.name, world, findings);
        }
    }
    for shard in &world.shards {
        let from = From { object: *shard, kind: "Shard" };
        from.root_shard(&shard.spec.root_shard, world, findings);
        if let Some(cache) = shard.cache_name() {
            from.to("spec.cache.ref", "CacheServer", cache, &world.caches, world, findings);
        }
        if let Some(server) = &shard.spec.common.kcp_virtual_workspace {
            from.virtual_workspace(&server.name, world, findings);
        }
    }
    for proxy in &world.proxies {
        let from = From { object: *proxy, kind: "FrontProxy" };
        from.root_shard(&proxy.spec.root_shard, world, findings);
    }
    for root in &world.roots {
        let server = &root.spec.common.kcp_virtual_workspace;
        let is_its_own = |it: &VirtualWorkspace| {
            it.spec.target.root_shard_ref.as_ref().is_some_and(|it| it.name == name(*root))
        };
        foreign_server(&Subject::typed(*root), *root, server.as_ref(), is_its_own, world, findings);
    }
    for shard in &world.shards {
        let server = &shard.spec.common.kcp_virtual_workspace;
        let is_its_own = |it: &VirtualWorkspace| {
            it.spec.target.shard_ref.as_ref().is_some_and(|it| it.name == name(*shard))
        };
        foreign_server(
            &Subject::typed(*shard),
            *shard,
            server.as_ref(),
            is_its_own,
            world,
            findings,
        );
    }
    for server in &world.workspaces {
        let from = From { object: *server, kind: "VirtualWorkspace" };
        let target = &server.spec.target;
        if let Some(root) = &target.root_shard_ref {
            from.target(Target::RootShard(&root.name), world, findings);
        }
        if let Some(shard) = &target.shard_ref {
            from.target(Target::Shard(&shard.name), world, findings);
        }
    }
    for kubeconfig in &world.kubeconfigs {
        let from = From { object: *kubeconfig, kind: "Kubeconfig" };
        let targets = kubeconfig.spec.target.named();
        if targets.len() != 1 {
            let found =
                if targets.is_empty() { "none".to_owned() } else { targets.len().to_string() };
            findings.push(Finding::error(
                Code::Target,
                from.subject(),
                "spec.target",
                format!("expected exactly one target, found {found}"),
                "set one of `rootShardRef`, `shardRef` and `frontProxyRef`",
            ));
        }
        for target in targets {
            from.target(target, world, findings);
        }
    }
}

/// A server of virtual workspaces reads one shard's objects, and serves those alone.
fn foreign_server<T: Resource>(
    subject: &Subject,
    shard: &T,
    server: Option<&LocalObjectReference>,
    is_its_own: impl Fn(&VirtualWorkspace) -> bool,
    world: &World<'_>,
    findings: &mut Vec<Finding>,
) {
    let Some(server) = server.and_then(|it| find(&world.workspaces, shard, &it.name)) else {
        return;
    };
    let targets = &server.spec.target;
    // No target, or two: the schema has said so.
    let target = match (&targets.root_shard_ref, &targets.shard_ref) {
        (Some(root), None) => format!("RootShard/{}", root.name),
        (None, Some(shard)) => format!("Shard/{}", shard.name),
        _ => return,
    };
    if !is_its_own(server) {
        findings.push(Finding::error(
            Code::WorkspaceTarget,
            subject,
            "spec.kcpVirtualWorkspace",
            format!(
                "VirtualWorkspace/{} belongs to {target}, so it would not serve what is in this \
                 shard",
                name(server)
            ),
            "give each shard a VirtualWorkspace whose `spec.target` names that shard",
        ));
    }
}

/// The object whose references are looked up.
struct From<'a, T> {
    object: &'a T,
    kind: &'static str,
}

impl<T: Resource> From<'_, T> {
    fn subject(&self) -> Subject {
        Subject {
            kind: self.kind.to_owned(),
            namespace: self.object.meta().namespace.clone(),
            name: name(self.object).to_owned(),
        }
    }

    fn to<U: Resource>(
        &self,
        path: &str,
        kind: &str,
        target: &str,
        among: &[&U],
        world: &World<'_>,
        findings: &mut Vec<Finding>,
    ) {
        let namespace = &self.object.meta().namespace;
        let wanted =
            |it: &&Subject| it.kind == kind && it.name == target && it.namespace == *namespace;
        if find(among, self.object, target).is_some() || world.opaque.iter().any(|it| wanted(&it)) {
            return;
        }
        let known: Vec<_> = among.iter().map(|it| format!("`{}`", name(*it))).collect();
        let hint = if known.is_empty() {
            format!("add a {kind} of that name in the same namespace")
        } else {
            format!("name one that is there: {}", known.join(", "))
        };
        findings.push(Finding::error(
            Code::DanglingReference,
            self.subject(),
            path,
            format!("there is no {kind} `{target}`"),
            hint,
        ));
    }

    fn root_shard(
        &self,
        reference: &RootShardReference,
        world: &World<'_>,
        findings: &mut Vec<Finding>,
    ) {
        match reference.reference.as_ref().filter(|it| !it.name.is_empty()) {
            Some(root) => {
                self.to(
                    "spec.rootShard.ref",
                    "RootShard",
                    &root.name,
                    &world.roots,
                    world,
                    findings,
                );
            }
            None => findings.push(Finding::error(
                Code::NoReference,
                self.subject(),
                "spec.rootShard.ref",
                "no root shard is named",
                "name the RootShard of the installation",
            )),
        }
    }

    fn virtual_workspace(&self, target: &str, world: &World<'_>, findings: &mut Vec<Finding>) {
        let path = "spec.kcpVirtualWorkspace";
        self.to(path, "VirtualWorkspace", target, &world.workspaces, world, findings);
    }

    fn target(&self, target: Target<'_>, world: &World<'_>, findings: &mut Vec<Finding>) {
        match target {
            Target::RootShard(name) => {
                self.to(
                    "spec.target.rootShardRef",
                    "RootShard",
                    name,
                    &world.roots,
                    world,
                    findings,
                );
            }
            Target::Shard(name) => {
                self.to("spec.target.shardRef", "Shard", name, &world.shards, world, findings);
            }
            Target::FrontProxy(name) => {
                self.to(
                    "spec.target.frontProxyRef",
                    "FrontProxy",
                    name,
                    &world.proxies,
                    world,
                    findings,
                );
            }
        }
    }
}
