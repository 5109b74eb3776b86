//! The life of a connection: bind, accept, shake hands, serve, drain.
//!
//! ```text
//! Config ──bind──► Bound ──run──► accept ──► TLS ──► HTTP ──► Handler
//!   credentials      local_addr      │        │        │        │
//!   are good         is known        cap,     any      h1, h2   Peer::identity
//!                                    backoff  client            judges the certificate
//! ```
//!
//! * `listener` takes the port and accepts until the drain.
//! * `connection` is one client from handshake to goodbye.
//! * `tls` reads the certificates, and again when their files change; `rules` says what a
//!   handshake may agree on.
//! * `client_cert` believes a client certificate, or not.
//! * `stall` closes connections that take no bytes, `flow` gives up HTTP/2 answers that
//!   are not taken.
//! * `limits` is every figure, with its unit and reason.
//!
//! # What is absent on purpose
//!
//! Nothing here knows a path, a verb or a permission: a request is handed to a
//! [`Handler`] together with its [`Peer`]. There is no plain HTTP: who asks is known
//! by certificates alone.

mod client_cert;
mod connection;
mod flow;
pub mod limits;
mod listener;
mod peer;
mod rules;
mod stall;
#[cfg(test)]
mod tests;
mod tls;

pub use connection::Handler;
pub use limits::Limits;
pub use listener::{BindError, Bound, Config, ConnectionMetrics, Ended};
pub use peer::Peer;
pub use rules::{TlsRuleError, TlsRules};
pub use tls::{Credentials, TlsError, TlsFiles};
