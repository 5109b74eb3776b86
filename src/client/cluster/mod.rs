//! Talking to a cluster's API server about any type of object.
//!
//! ```text
//! Source ──► ClusterClient ──► get, list, apply, delete, may
//! which      one connection,    objects as trees: what a server says is shown and sent back
//! server     the known types    whole, also what no type of ours knows
//! ```
//!
//! Every request that is made here can be made twice with the same result, so one that a busy
//! server refuses, or whose connection breaks, is sent again.
//!
//! # What is absent on purpose
//!
//! Nothing here knows what an installation is, waits for anything, or prints. The loop has its
//! own watches.

mod apply;
mod connection;
mod error;
mod types;

pub use apply::{Applied, ApplyOptions, Change, DryRun, FIELD_MANAGER, Removal, is_ours};
pub use connection::{ClusterClient, Review};
pub use error::{ClusterError, FieldConflict};
pub use types::Resource;
