//! What becomes of a write: values in, values out.
//!
//! A plan takes what the client sent and what is stored, and says what is to be
//! stored and served, or why not. It knows no socket, no clock and no store: the
//! time and a fresh uid are handed to it.
//!
//! The semantics are those of the original's cache plane. An object whose body
//! carries the shard annotation keeps its uid, creation time and generation; a PUT
//! that changes nothing writes nothing; finalizers hold nothing back; status is a
//! field like any other.

mod apply;
mod body;
pub mod control;
mod create;
mod owners;
#[cfg(test)]
mod properties;
mod update;
mod validate;

use bytes::Bytes;

use crate::model::apply::Structure;
use crate::model::json::{Scan, Span, scan};
use crate::model::metadata::Metadata;
use crate::model::{ClusterName, ResourceType, ShardName};
use crate::view::EntryDraft;

use super::status::{ApiError, Qualified};

pub use apply::{Application, Applied, apply};
pub use body::{FieldValidation, Incoming};
pub use create::{Created, create};
pub use update::{Updated, check_same_uid, update};

/// What a write is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The type.
    pub kind: &'a ResourceType,
    /// The version in which the client speaks.
    pub version: &'a str,
    /// The shard.
    pub shard: &'a ShardName,
    /// The cluster.
    pub cluster: &'a ClusterName,
    /// The namespace; empty for a type that has none.
    pub namespace: &'a str,
    /// Whether objects say on which shard and in which cluster they lie.
    pub says_place: bool,
    /// What an object is made of, where that is known: nothing else is stored then.
    pub structure: Option<&'a Structure>,
}

/// What is to be stored, and what is to be served of it.
#[derive(Debug)]
pub struct Value {
    /// The stored bytes: canonical JSON in the storage version, and a newline.
    pub stored: Bytes,
    /// What is served of them.
    pub served: EntryDraft,
}

impl<'a> Subject<'a> {
    /// The type by its plural name.
    pub fn resource(&self) -> Qualified<'a> {
        Qualified { group: &self.kind.group, name: &self.kind.resource }
    }

    /// The type by its kind.
    pub fn kind_name(&self) -> Qualified<'a> {
        Qualified { group: &self.kind.group, name: &self.kind.kind }
    }

    /// Where an object of that name lives.
    pub fn path(&self, name: &str) -> String {
        if self.kind.namespaced {
            format!("{}/{}/{}/{name}", self.shard, self.cluster, self.namespace)
        } else {
            format!("{}/{}/{name}", self.shard, self.cluster)
        }
    }

    /// The body with this metadata, in the storage version.
    fn compose(&self, incoming: &Incoming, metadata: &Metadata) -> Result<Value, ApiError> {
        let body = &incoming.bytes;
        let (Some(at), Some(version)) = (incoming.scan.metadata, incoming.scan.api_version) else {
            return Err(ApiError::bad_request("the object has no metadata"));
        };
        let storage = self.kind.api_version(&self.kind.storage_version);
        let mut stored = Vec::with_capacity(body.len() + metadata.len_max() + storage.len());
        stored.extend_from_slice(&body[..version.start as usize]);
        stored.extend_from_slice(storage.as_bytes());
        stored.extend_from_slice(&body[version.end as usize..at.start as usize]);
        let start = stored.len();
        let members = metadata.write(&mut stored);
        let end = stored.len();
        stored.extend_from_slice(&body[at.end as usize..incoming.scan.end as usize]);
        let between = |start: usize, end: usize| Span {
            start: u32::try_from(start).unwrap_or(u32::MAX),
            end: u32::try_from(end).unwrap_or(u32::MAX),
        };
        let scan = Scan {
            api_version: Some(between(
                version.start as usize,
                version.start as usize + storage.len(),
            )),
            kind: None,
            metadata: Some(between(start, end)),
            members,
            end: between(0, stored.len()).end,
        };
        stored.push(b'\n');
        debug_assert!(scan::scan(&stored).is_ok());
        let served = if self.says_place {
            EntryDraft::new(&stored, &scan, self.shard.as_str(), self.cluster.as_str())
        } else {
            EntryDraft::plain(&stored, &scan)
        };
        let served = served.map_err(|error| ApiError::internal(&error.to_string()))?;
        Ok(Value { stored: stored.into(), served })
    }
}
