//! The data directory of `kcpctl cache serve`: certificates and kubeconfigs.
//!
//! ```text
//! ca.key ──► ca.crt ──────────► apiserver.crt, .key      what the server shows
//! client-ca.key ► client-ca.crt ► admin.kubeconfig       who may do everything
//!                              └► kubeconfigs/<shard>/    see `manifests`
//! version                                                of this layout
//! names                                                  what the store should hold
//! store/                                                 the store's own
//! control/, namespaces/                                  see `control`
//! ```
//!
//! The two CAs are the roots: they are made once, in an empty directory, and what
//! depends on them is made again whenever it is missing, wrong or half its life
//! old. A CA of ours gets a new life with its old name and key, so that whoever
//! trusts the old certificate trusts what the new one signs. Both CA keys stay in
//! the directory, readable by its owner only: without them nothing could be renewed.
//!
//! All state is in the files: each pass reads them, compares and writes what differs.

mod dir;
mod error;
mod fresh;
mod options;
mod shard;
#[cfg(test)]
mod tests;

pub(crate) use dir::{DataDir, Pass, TlsPaths};
pub(crate) use error::DataDirError;
pub(crate) use fresh::{Clock, keep_fresh};
#[cfg(test)]
pub(crate) use options::Lifetimes;
pub(crate) use options::{Clients, Options, Serving};
