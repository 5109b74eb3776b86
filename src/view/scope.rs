//! Which objects of a type a list, a get or a watch speaks of.

use crate::model::selector::{FieldSelector, LabelSelector};
use crate::model::{Cluster, Shard};
use crate::store::{Origin, split_path};

use super::entry::Entry;

/// A part of a type's objects.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The origin; none stands for all of them.
    pub origin: Option<Origin>,
    /// The shards.
    pub shard: Shard,
    /// The clusters.
    pub cluster: Cluster,
    /// The namespace; none stands for all of them.
    pub namespace: Option<String>,
    /// The one name.
    pub name: Option<String>,
}

/// A scope, and what its objects must match.
#[derive(Clone, Debug)]
pub struct Filter {
    /// The scope.
    pub scope: Scope,
    /// What the labels must be.
    pub labels: LabelSelector,
    /// What name and namespace must be.
    pub fields: FieldSelector,
}

impl Scope {
    /// What the paths of all its objects begin with.
    pub fn prefix(&self) -> String {
        let mut prefix = String::new();
        let Shard::Named(shard) = &self.shard else { return prefix };
        prefix.push_str(shard.as_str());
        prefix.push('/');
        let Cluster::Named(cluster) = &self.cluster else { return prefix };
        prefix.push_str(cluster.as_str());
        prefix.push('/');
        if let Some(namespace) = &self.namespace {
            prefix.push_str(namespace);
            prefix.push('/');
        }
        prefix
    }

    /// Whether an object at `path` of `origin` belongs to it.
    pub fn contains(&self, origin: &Origin, path: &str) -> bool {
        if self.origin.as_ref().is_some_and(|wanted| wanted != origin) {
            return false;
        }
        let (shard, cluster, namespace, name) = split_path(path);
        matches_name(&self.shard, shard)
            && match &self.cluster {
                Cluster::All => true,
                Cluster::Named(wanted) => wanted.as_str() == cluster,
            }
            && self.namespace.as_deref().is_none_or(|wanted| Some(wanted) == namespace)
            && self.name.as_deref().is_none_or(|wanted| wanted == name)
    }

    /// Whether [`Self::prefix`] says it all, so that no path needs a second look.
    pub fn is_prefix(&self) -> bool {
        let concrete = matches!(self.shard, Shard::Named(_))
            && (matches!(self.cluster, Cluster::Named(_)) || self.namespace.is_none());
        let everything = matches!((&self.shard, &self.cluster), (Shard::All, Cluster::All))
            && self.namespace.is_none();
        (concrete || everything) && self.name.is_none()
    }
}

fn matches_name(wanted: &Shard, shard: &str) -> bool {
    match wanted {
        Shard::All => true,
        Shard::Named(wanted) => wanted.as_str() == shard,
    }
}

impl Filter {
    /// Whether every object of the scope matches.
    pub fn has_selectors(&self) -> bool {
        !self.labels.is_everything() || !self.fields.is_everything()
    }

    /// Whether `entry` at `path`, which is in the scope, matches the selectors.
    pub fn selects(&self, path: &str, entry: &Entry) -> bool {
        if !self.fields.is_everything() {
            let (_, _, namespace, name) = split_path(path);
            if !self.fields.matches(namespace, name, entry.json()) {
                return false;
            }
        }
        self.labels.matches(entry.labels())
    }
}
