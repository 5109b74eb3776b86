//! Groups of flags that commands share.

mod connection;
mod namespace;
mod output;

pub(crate) use connection::ConnectionArgs;
pub(crate) use namespace::Namespace;
pub(crate) use output::{OutputArgs, OutputFormat};
