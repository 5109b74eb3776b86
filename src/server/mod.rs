//! The cache server: one Kubernetes-style API over one view.

pub mod auth;
pub mod body;
pub mod conn;
pub mod discovery;
mod flavor;
pub mod table;

pub use flavor::Flavor;
