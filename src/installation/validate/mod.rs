//! What is wrong with operator objects, beyond what their CRDs can say.
//!
//! [`validate`] judges documents as they will be applied, so it serves what
//! `init` has made as well as what somebody has written by hand.
//!
//! * `names`: shapes, lengths, duplicates.
//! * `references`: every reference names something.
//! * `storage`: etcds and caches: whatever could lose data.
//! * `access`: certificates, kubeconfigs, addresses, versions.
//! * `quirks`: fields that the operator accepts and gets wrong.
//! * `topology`: what a profile promises.

mod access;
mod names;
mod quirks;
mod references;
mod storage;
mod topology;

#[cfg(test)]
mod tests;

use serde_json::Value;

use super::collide;
use super::finding::{Code, Finding};
use crate::api::{
    self, CacheServer, Document, FrontProxy, Kubeconfig, Object, RootShard, Shard, VirtualWorkspace,
};

pub use access::is_host;
pub use topology::check_topology;

/// Everything that is wrong with `documents`, errors first.
pub fn validate(documents: &[Document]) -> Vec<Finding> {
    let world = World::new(documents);
    let mut findings: Vec<Finding> = documents.iter().flat_map(schema).collect();
    names::check(&world, &mut findings);
    findings.extend(collide::collisions(documents.iter().map(|it| &it.object)));
    references::check(&world, &mut findings);
    storage::check(&world, &mut findings);
    access::check(&world, &mut findings);
    quirks::check(&world, &mut findings);
    findings.sort_by_key(|it| it.severity);
    findings
}

/// An object in a finding: `Shard/a`.
pub(super) fn subject(object: &Object) -> String {
    format!("{}/{}", object.kind_name(), object.name())
}

/// The documents by kind.
struct World<'a> {
    documents: &'a [Document],
    caches: Vec<&'a CacheServer>,
    roots: Vec<&'a RootShard>,
    shards: Vec<&'a Shard>,
    proxies: Vec<&'a FrontProxy>,
    workspaces: Vec<&'a VirtualWorkspace>,
    kubeconfigs: Vec<&'a Kubeconfig>,
}

impl<'a> World<'a> {
    fn new(documents: &'a [Document]) -> Self {
        let mut world = Self {
            documents,
            caches: vec![],
            roots: vec![],
            shards: vec![],
            proxies: vec![],
            workspaces: vec![],
            kubeconfigs: vec![],
        };
        for document in documents {
            match &document.object {
                Object::CacheServer(it) => world.caches.push(it),
                Object::RootShard(it) => world.roots.push(it),
                Object::Shard(it) => world.shards.push(it),
                Object::FrontProxy(it) => world.proxies.push(it),
                Object::VirtualWorkspace(it) => world.workspaces.push(it),
                Object::Kubeconfig(it) => world.kubeconfigs.push(it),
                Object::Other { .. } => {}
            }
        }
        world
    }

    fn root_of(&self, shard: &Shard) -> Option<&'a RootShard> {
        find(&self.roots, shard, shard.root_shard_name()?)
    }
}

/// The object of that name, in the namespace of `beside`.
fn find<'a, T>(objects: &[&'a T], beside: &impl kube::Resource, name: &str) -> Option<&'a T>
where
    T: kube::Resource,
{
    let namespace = &beside.meta().namespace;
    objects
        .iter()
        .find(|it| it.meta().name.as_deref() == Some(name) && it.meta().namespace == *namespace)
        .copied()
}

fn name(object: &impl kube::Resource) -> &str {
    object.meta().name.as_deref().unwrap_or_default()
}

fn schema(document: &Document) -> Vec<Finding> {
    let Some(kind) = document.object.kind() else { return Vec::new() };
    let subject = subject(&document.object);
    let violations = api::violations(kind, &document.tree)
        .into_iter()
        // The rule on replicas has words and a code of its own.
        .filter(|it| !(kind == api::Kind::CacheServer && it.message.starts_with("etcd must be")))
        .map(|it| {
            let hint = format!("see `kubectl explain {}`", explain(kind, &it.path));
            Finding::error(Code::Schema, &subject, it.path, it.message, hint)
        });
    let unknown = api::unknown_fields(kind, &document.tree).into_iter().map(|path| {
        let message = "the field is not known, and a server would drop it";
        Finding::error(Code::UnknownField, &subject, path, message, "check its spelling").warn()
    });
    violations.chain(unknown).collect()
}

/// The path as `kubectl explain` takes it: without the places in lists.
fn explain(kind: api::Kind, path: &str) -> String {
    let mut plain = format!("{}.", kind.as_str().to_ascii_lowercase());
    let mut inside = false;
    for c in path.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            _ if !inside => plain.push(c),
            _ => {}
        }
    }
    plain
}

/// The places of a finding, for tests and tables.
impl From<&Finding> for Value {
    fn from(finding: &Finding) -> Self {
        serde_json::json!({
            "code": finding.code.to_string(),
            "severity": format!("{:?}", finding.severity).to_lowercase(),
            "subject": finding.subject,
            "path": finding.path,
            "message": finding.message,
            "hint": finding.hint,
        })
    }
}
