//! The types that are served, by how a path names them.

use std::collections::HashMap;

use crate::model::{ResourceType, builtin};
use crate::store::{Origin, TypeKey};

use super::table::Table;

/// Every served type.
#[derive(Debug)]
pub struct Types {
    served: HashMap<String, HashMap<String, Served>>,
}

/// One served type.
#[derive(Debug)]
pub struct Served {
    /// What is known of it.
    pub kind: &'static ResourceType,
    /// How keys name it.
    pub key: TypeKey,
    /// Where its objects come from.
    pub origin: Origin,
    /// How its objects are shown, a table a version.
    tables: Vec<(&'static str, Table)>,
}

impl Types {
    /// The built-in types and their definitions.
    pub fn built_in() -> Self {
        let mut served: HashMap<String, HashMap<String, Served>> = HashMap::new();
        for kind in Self::all() {
            let key = TypeKey::new(&kind.group, &kind.resource);
            let origin = if key.is_definitions() { Origin::Definitions } else { Origin::BuiltIn };
            let table = |version: &'static crate::model::Version| {
                (version.name.as_str(), Table::new(&version.columns))
            };
            let tables = kind.versions.iter().map(table).collect();
            let one = Served { kind, key, origin, tables };
            served.entry(kind.group.clone()).or_default().insert(kind.resource.clone(), one);
        }
        Self { served }
    }

    /// What is known of every type.
    pub fn all() -> impl Iterator<Item = &'static ResourceType> {
        builtin::types().iter().chain([builtin::definition_type()])
    }

    /// The type that a path means, if it is served in that version.
    pub fn find(&self, group: &str, version: &str, resource: &str) -> Option<&Served> {
        let served = self.served.get(group)?.get(resource)?;
        served.kind.version(version).map(|_| served)
    }

    /// How keys name the types.
    pub fn keys(&self) -> Vec<TypeKey> {
        self.served.values().flat_map(HashMap::values).map(|it| it.key.clone()).collect()
    }
}

impl Served {
    /// How objects are shown in a version.
    pub fn table(&self, version: &str) -> Option<&Table> {
        self.tables.iter().find(|(name, _)| *name == version).map(|(_, table)| table)
    }
}
