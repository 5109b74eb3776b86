//! Groups of flags that commands share.

mod cluster;
mod connection;
mod namespace;
mod output;
mod selector;

pub(crate) use cluster::{ClusterArgs, NamespaceArgs};
pub(crate) use connection::ConnectionArgs;
pub(crate) use namespace::Namespace;
pub(crate) use output::{OutputArgs, OutputFormat};
pub(crate) use selector::Selector;
