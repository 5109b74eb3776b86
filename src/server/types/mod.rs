//! The types that are served, by how a path names them.
//!
//! * `built_in` is what every cache serves from its first start, in all clusters.
//! * `declared` is what users' types a state of the cache declares, and which of them a
//!   request means: pure.
//! * `registry` keeps that in step with the view, and joins both.

mod built_in;
mod declared;
mod registry;

use std::ops::Deref;
use std::sync::Arc;

use crate::model::{Cluster, ResourceType};
use crate::store::{Origin, TypeKey};

use super::accept;
use super::table::Table;

pub use built_in::BuiltIn;
pub use declared::{Declared, UserTypes};
pub use registry::{Documents, Registry};

/// One served type.
#[derive(Debug)]
pub struct Served {
    /// What is known of it.
    pub kind: Arc<ResourceType>,
    /// How keys name it.
    pub key: TypeKey,
    /// Where its objects come from; none stands for every identity at once.
    pub origin: Option<Origin>,
    /// How its objects are shown, a table a version.
    tables: Vec<(String, Arc<Table>)>,
}

/// What a request says of the type that it means.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The group; empty for the core group.
    pub group: &'a str,
    /// The version.
    pub version: &'a str,
    /// The plural name.
    pub resource: &'a str,
    /// The identity, if it names one.
    pub identity: Option<&'a str>,
    /// The clusters.
    pub cluster: &'a Cluster,
    /// The forms that it takes.
    pub accept: &'a str,
}

/// The type that a request means.
#[derive(Clone, Debug)]
pub enum Found<'a> {
    /// One that is always there.
    BuiltIn(&'a Served),
    /// One that is there as long as it is declared.
    User(Arc<Served>),
}

impl Served {
    fn new(kind: Arc<ResourceType>, origin: Option<Origin>) -> Self {
        let key = TypeKey::new(&kind.group, &kind.resource);
        let table = |version: &crate::model::Version| {
            (version.name.clone(), Arc::new(Table::new(&version.columns)))
        };
        let tables = kind.versions.iter().map(table).collect();
        Self { kind, key, origin, tables }
    }

    /// Whether it is served in the version that is asked for. Metadata from all clusters
    /// has none, and is had under any.
    fn answers(&self, asked: &Asked<'_>) -> bool {
        self.kind.version(asked.version).is_some()
            || (*asked.cluster == Cluster::All && asked.is_for_metadata())
    }

    /// How objects are shown in a version.
    pub fn table(&self, version: &str) -> Option<&Arc<Table>> {
        self.tables.iter().find(|(name, _)| *name == version).map(|(_, table)| table)
    }

    /// The version that a request is counted under: a client cannot make up names.
    pub fn known_version<'a>(&'a self, asked: &'a str) -> &'a str {
        self.kind.version(asked).map_or(&self.kind.storage_version, |version| &version.name)
    }
}

impl Asked<'_> {
    fn is_for_metadata(&self) -> bool {
        accept::asks_for_metadata(self.accept)
    }
}

impl Deref for Found<'_> {
    type Target = Served;

    fn deref(&self) -> &Served {
        match self {
            Self::BuiltIn(served) => served,
            Self::User(served) => served,
        }
    }
}
