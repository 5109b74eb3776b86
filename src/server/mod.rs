//! The cache server: one Kubernetes-style API over one view.
//!
//! A request passes through the files of this folder from left to right, and a
//! write comes back out through every open watch:
//!
//! ```text
//! conn ──► path ──► auth ──► handler ──► plan ──► view ──► encode ──► the client
//! TLS,     URI →    who may  one verb    old +    one      bytes
//! h1, h2   Route    do it    a file      new →    order    in the
//!                                        value             form asked
//! ```
//!
//! * [`conn`] accepts, finishes the TLS handshake and drains on shutdown.
//! * [`path`] and [`query`] turn a URI into values; no handler sees one.
//! * [`auth`] says who a client is and what it may do.
//! * [`admission`] says how many requests are answered at once.
//! * [`handler`] has one file a verb.
//! * [`plan`] is the semantics of objects: pure.
//! * [`encode`] and [`table`] write objects in the form that [`accept`] chose.
//! * [`present`] lays an answer out: indented, as YAML, compressed.
//! * [`status`] is the only code that turns an error into an HTTP code.
//! * [`bootstrap`] makes the definitions of the served types.
//! * [`discovery`], [`openapi`] and [`types`] tell what is served.
//! * [`control`] is the other plane: the installation's own objects, in a view of their own.
//! * [`local`] lets the process be its own client.
//! * [`orphans`] deletes what shards that are gone have left, if that is wanted.
//!
//! # What is absent on purpose
//!
//! Nothing here writes to the terminal, opens a store or makes a certificate: those
//! arrive as values.

pub mod accept;
pub mod admission;
pub mod auth;
pub mod body;
pub mod bootstrap;
pub mod conn;
pub mod control;
pub mod discovery;
pub mod encode;
mod flavor;
pub mod handler;
pub mod local;
pub mod metrics;
pub mod openapi;
pub mod orphans;
pub mod path;
pub mod plan;
pub mod present;
pub mod query;
pub mod status;
pub mod table;
pub mod types;

pub use flavor::Flavor;
pub use handler::{App, AppOptions, Plane};
