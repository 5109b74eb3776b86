//! What is wrong with operator objects, beyond what their CRDs can say.
//!
//! [`validate`] judges documents as they will be applied, so it serves what
//! `init` has made as well as what somebody has written by hand.
//!
//! * `names`: shapes, lengths, duplicates.
//! * `references`: every reference names something.
//! * `storage`: etcds and caches: whatever could lose data.
//! * `access`: certificates, kubeconfigs, addresses, versions.
//! * `certificates`: the names that they cover, and whose word counts for what.
//! * `quirks`: fields that the operator accepts and gets wrong.
//! * `scale`: numbers of pods, and what the production profile asks of objects.
//! * `topology`: what a profile promises.
//! * `broken`: what could not even be read.

mod access;
mod broken;
mod certificates;
mod names;
mod quirks;
mod references;
mod scale;
mod storage;
mod topology;

#[cfg(test)]
mod code_tests;
#[cfg(test)]
mod tests;

use super::collide;
use super::finding::{At, Code, Finding, Subject};
use super::topology::Profile;
use crate::api::{
    self, CacheServer, Document, FrontProxy, Kubeconfig, Object, Reading, RootShard, Shard,
    VirtualWorkspace,
};

pub use access::is_host;
pub use topology::check_topology;

/// Everything that is wrong with `documents`, errors first.
pub fn validate(documents: &[Document]) -> Vec<Finding> {
    judge(&World::new(documents, Vec::new()))
}

/// Everything that is wrong with what was read, and with what could not be, errors first.
///
/// An object that could not be read still satisfies references to it.
pub fn validate_all(reading: &Reading, profile: Profile) -> Vec<Finding> {
    let Reading { documents, rejected } = reading;
    let world = World::new(documents, rejected.iter().filter_map(broken::object).collect());
    let mut findings: Vec<Finding> = rejected.iter().flat_map(broken::findings).collect();
    findings.extend(judge(&world));
    if profile == Profile::Production {
        scale::production(&world, &mut findings);
    }
    findings.sort_by_key(|it| it.severity);
    findings
}

fn judge(world: &World<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = world.documents.iter().flat_map(schema).collect();
    names::check(world, &mut findings);
    let objects = world.documents.iter().filter(|it| has_spec(it)).map(|it| &it.object);
    findings.extend(collide::collisions(objects));
    references::check(world, &mut findings);
    storage::check(world, &mut findings);
    access::check(world, &mut findings);
    certificates::check(world, &mut findings);
    quirks::check(world, &mut findings);
    scale::check(world, &mut findings);
    findings.sort_by_key(|it| it.severity);
    findings
}

/// Whether an object says anything; those of other groups need not.
fn has_spec(document: &Document) -> bool {
    document.object.kind().is_none() || document.tree["spec"].is_object()
}

/// The documents by kind.
struct World<'a> {
    documents: &'a [Document],
    /// Objects that are there, though nothing is known of them.
    opaque: Vec<Subject>,
    caches: Vec<&'a CacheServer>,
    roots: Vec<&'a RootShard>,
    shards: Vec<&'a Shard>,
    proxies: Vec<&'a FrontProxy>,
    workspaces: Vec<&'a VirtualWorkspace>,
    kubeconfigs: Vec<&'a Kubeconfig>,
}

impl<'a> World<'a> {
    fn new(documents: &'a [Document], opaque: Vec<Subject>) -> Self {
        let mut world = Self {
            documents,
            opaque,
            caches: vec![],
            roots: vec![],
            shards: vec![],
            proxies: vec![],
            workspaces: vec![],
            kubeconfigs: vec![],
        };
        for document in documents {
            if !has_spec(document) {
                world.opaque.push(Subject::of(&document.object));
                continue;
            }
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
    let subject = Subject::of(&document.object);
    let at = At::Object { source: document.source.clone(), item: document.item };
    if !has_spec(document) {
        let message = "the object says nothing about what it should be";
        let hint = format!("add a `spec`, see `kubectl explain {}`", explain(kind, "spec"));
        return vec![Finding::error(Code::NoSpec, &subject, "spec", message, hint).at(at)];
    }
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
    violations.chain(unknown).map(|it| it.at(at.clone())).collect()
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
