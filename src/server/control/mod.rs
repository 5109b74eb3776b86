//! The control plane: a small API of the Kubernetes kind that holds an installation's own objects.
//!
//! It is a strategy and no second server: requests take the way of all others, and its objects lie
//! in a view and a store of the same make, apart from those of the cache. What differs:
//!
//! * `plan::control` says what becomes of a write, `handler::plane` is where the verbs ask for it;
//! * `collector` deletes what has lost its owner or its namespace;
//! * `seed` puts there what must be there from the first start.
//!
//! Which types there are, with their schemas and rules, comes from above as values.

mod collector;
mod seed;

use std::collections::HashMap;

use tokio::sync::Notify;

use super::path::ResourcePath;
use super::plan::control::Rules;
use super::status::{ApiError, Qualified, quoted};
use crate::model::{Cluster, ResourceType, Shard};
use crate::store::TypeKey;
use crate::view::Scope;

pub use collector::run as collect;
pub use seed::{SeedError, sow};

/// The objects of the control plane: of which types, and what is particular to each.
#[derive(Debug)]
pub struct Control {
    kinds: HashMap<TypeKey, Kind>,
    order: Vec<TypeKey>,
    /// Told of every write after which something may have to go.
    pub stirred: Notify,
}

/// A type of the control plane.
#[derive(Debug)]
pub struct Kind {
    /// What is known of it.
    pub resource: ResourceType,
    /// What is particular to it.
    pub rules: Rules,
    /// The fields that a list can be narrowed by, besides name and namespace.
    pub fields: &'static [&'static str],
}

impl Control {
    /// Of these types.
    pub fn new(kinds: Vec<Kind>) -> Self {
        let key = |it: &Kind| TypeKey::new(&it.resource.group, &it.resource.resource);
        let order = kinds.iter().map(key).collect();
        let kinds = kinds.into_iter().map(|it| (key(&it), it)).collect();
        Self { kinds, order, stirred: Notify::new() }
    }

    /// The types, in the order in which they were given.
    pub fn types(&self) -> impl Iterator<Item = &ResourceType> {
        self.order.iter().filter_map(|it| self.kinds.get(it)).map(|it| &it.resource)
    }

    /// How keys name the types.
    pub fn keys(&self) -> &[TypeKey] {
        &self.order
    }

    /// A type of it.
    pub fn kind(&self, key: &TypeKey) -> Result<&Kind, ApiError> {
        self.kinds.get(key).ok_or_else(ApiError::page_not_found)
    }

    pub(super) fn rules(&self, key: &TypeKey) -> Result<&Rules, ApiError> {
        Ok(&self.kind(key)?.rules)
    }

    /// The answer to whoever asks for a type that is not served.
    pub(super) fn no_such_type(&self, path: &ResourcePath) -> ApiError {
        let asked = Qualified { group: &path.group, name: &path.resource };
        let asked = quoted(asked.to_string().as_bytes());
        let is_asked = |it: &&ResourceType| it.group == path.group && it.resource == path.resource;
        let what = if let Some(other) = self.types().find(is_asked) {
            let version = quoted(path.version.as_bytes());
            format!("no {asked} of the version {version}, only {}", other.storage_version)
        } else {
            let known: Vec<String> = self.types().map(ResourceType::qualified_name).collect();
            format!("no {asked}; the control plane has {}", known.join(", "))
        };
        ApiError::no_such_path(format!(
            "the server could not find the requested resource: there is {what}"
        ))
    }
}

/// Everything of a type.
pub fn everything() -> Scope {
    Scope { origin: None, shard: Shard::All, cluster: Cluster::All, namespace: None, name: None }
}
