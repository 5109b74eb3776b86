//! `kcpctl kubeconfig create`: make a kubeconfig that is proven to work.
//!
//! ```text
//! flags ──► signing ──► pki ──► kubeconfig ──► proof ──► output ──► verify
//!           which CA     sign     document      checks    a file     asks the server
//!           of files,
//!           or of a `cluster`
//! ```
//!
//! Everything that can fail without the server fails before anything is written.

mod cluster;
mod command;
mod output;
mod proof;
mod signing;
mod verify;

pub(crate) use command::CreateArgs;
pub(super) use command::run;
