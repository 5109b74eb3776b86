//! Every reference names something that is there.
//!
//! Only among the operator's own kinds: Secrets and issuers may be in the cluster
//! already.

use kube::Resource;

use super::{World, find, name};
use crate::api::{RootShardReference, Target};
use crate::installation::finding::{Code, Finding};

pub(super) fn check(world: &World<'_>, findings: &mut Vec<Finding>) {
    for root in &world.roots {
        let from = From { object: *root, kind: "RootShard" };
        if let Some(cache) = root.cache_name() {
            from.to("spec.cache.ref", "CacheServer", cache, &world.caches, findings);
        }
        if let Some(server) = &root.spec.common.kcp_virtual_workspace {
            from.virtual_workspace(&server.name, world, findings);
        }
    }
    for shard in &world.shards {
        let from = From { object: *shard, kind: "Shard" };
        from.root_shard(&shard.spec.root_shard, world, findings);
        if let Some(cache) = shard.cache_name() {
            from.to("spec.cache.ref", "CacheServer", cache, &world.caches, findings);
        }
        if let Some(server) = &shard.spec.common.kcp_virtual_workspace {
            from.virtual_workspace(&server.name, world, findings);
        }
    }
    for proxy in &world.proxies {
        let from = From { object: *proxy, kind: "FrontProxy" };
        from.root_shard(&proxy.spec.root_shard, world, findings);
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

/// The object whose references are looked up.
struct From<'a, T> {
    object: &'a T,
    kind: &'static str,
}

impl<T: Resource> From<'_, T> {
    fn subject(&self) -> String {
        format!("{}/{}", self.kind, name(self.object))
    }

    fn to<U: Resource>(
        &self,
        path: &str,
        kind: &str,
        target: &str,
        among: &[&U],
        findings: &mut Vec<Finding>,
    ) {
        if find(among, self.object, target).is_some() {
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
                self.to("spec.rootShard.ref", "RootShard", &root.name, &world.roots, findings);
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
        self.to(path, "VirtualWorkspace", target, &world.workspaces, findings);
    }

    fn target(&self, target: Target<'_>, world: &World<'_>, findings: &mut Vec<Finding>) {
        match target {
            Target::RootShard(name) => {
                self.to("spec.target.rootShardRef", "RootShard", name, &world.roots, findings);
            }
            Target::Shard(name) => {
                self.to("spec.target.shardRef", "Shard", name, &world.shards, findings);
            }
            Target::FrontProxy(name) => {
                self.to("spec.target.frontProxyRef", "FrontProxy", name, &world.proxies, findings);
            }
        }
    }
}
