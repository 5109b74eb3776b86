//! `--manifests DIR`: access for the shards that the objects in a folder describe.
//!
//! ```text
//! DIR ──folder──► documents ──plan──► shards of this cache ──► kubeconfigs/<shard>/
//!  ▲                                                             │
//!  └───────────── read again when it changes ◄── follow ──► what to tell the user
//! ```
//!
//! * `folder` reads the files; one that is broken is a problem, not an end.
//! * `plan` is pure: which cache server this is, and which shards use it.
//! * `follow` keeps at it while the server runs.
//!
//! # What is absent on purpose
//!
//! Nothing is taken away: a shard that is no longer described may still be running,
//! so its files stay, and are no longer renewed.

pub(super) mod folder;
mod follow;
mod plan;
#[cfg(test)]
mod tests;

pub(crate) use follow::{Manifests, News, follow};
