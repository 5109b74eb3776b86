//! The types that every cache serves from its first start.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::{ResourceType, builtin};
use crate::store::{Origin, TypeKey};

use super::Served;

/// The built-in types and their definitions, which apply to all shards and clusters.
#[derive(Debug)]
pub struct BuiltIn {
    served: HashMap<String, HashMap<String, Served>>,
}

impl BuiltIn {
    /// All of them.
    pub fn new() -> Self {
        Self::of(Self::all())
    }

    /// These, instead of those that every cache serves.
    pub fn of<'a>(kinds: impl IntoIterator<Item = &'a ResourceType>) -> Self {
        let mut served: HashMap<String, HashMap<String, Served>> = HashMap::new();
        for kind in kinds {
            let key = TypeKey::new(&kind.group, &kind.resource);
            let origin = if key.is_definitions() { Origin::Definitions } else { Origin::BuiltIn };
            let one = Served::new(Arc::new(kind.clone()), Some(origin));
            served.entry(kind.group.clone()).or_default().insert(kind.resource.clone(), one);
        }
        Self { served }
    }

    /// What is known of every type.
    pub fn all() -> impl Iterator<Item = &'static ResourceType> {
        builtin::types().iter().chain([builtin::definition_type()])
    }

    /// The type of that name. An identity means nothing here.
    pub fn get(&self, group: &str, resource: &str) -> Option<&Served> {
        self.served.get(group)?.get(resource)
    }

    /// How keys name the types.
    pub fn keys(&self) -> Vec<TypeKey> {
        self.served.values().flat_map(HashMap::values).map(|it| it.key.clone()).collect()
    }
}

impl Default for BuiltIn {
    fn default() -> Self {
        Self::new()
    }
}
