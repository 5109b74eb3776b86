//! Names, scopes, resources, revisions and objects: parsed once, valid ever after.
//!
//! Everything here is a value. Holding one is proof that it is legal, so nothing
//! past the edge (a URL, a flag, a file, a stored key) checks it again.

pub mod apply;
pub mod builtin;
pub mod crd;
mod declaration;
pub mod duration;
pub mod fields;
pub mod json;
pub mod metadata;
mod names;
pub mod patch;
pub mod protobuf;
mod resource;
mod revision;
pub mod selector;
pub mod shards;
pub mod yaml;

pub use declaration::{
    DECLARING_GROUP, DECLARING_RESOURCES, Declaration, DeclarationError, KIND_ANNOTATION,
    SCOPE_ANNOTATION,
};
pub use names::{
    Cluster, ClusterName, NameError, SUBDOMAIN_LEN_MAX, Shard, ShardName, is_dns_label,
    is_dns_subdomain,
};
pub use resource::{Access, Column, ColumnKind, NameRule, ResourceType, Version, by_preference};
pub use revision::{Revision, RevisionError};
