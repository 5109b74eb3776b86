//! The cache server: one Kubernetes-style API over one view.

pub mod discovery;
pub mod openapi;
pub mod table;
