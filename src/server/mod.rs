//! The cache server: one Kubernetes-style API over one view.

pub mod auth;
pub mod body;
pub mod conn;
mod flavor;
pub mod metrics;

pub use flavor::Flavor;
