//! Names, scopes, resources, revisions and objects: parsed once, valid ever after.
//!
//! Everything here is a value. Holding one is proof that it is legal, so nothing
//! past the edge (a URL, a flag, a file, a stored key) checks it again.

pub mod json;
pub mod metadata;
mod names;
mod resource;
mod revision;
pub mod selector;

pub use names::{Cluster, ClusterName, NameError, Shard, ShardName};
pub use resource::{Column, ColumnKind, NameRule, ResourceType, Version};
pub use revision::{Revision, RevisionError};
