//! Talking to others: to a cache server, and to a cluster's API server.
//!
//! ```text
//! Source ──► CacheClient ──► Pager, Watch ──► Page, Event
//! which      one connection   list queries     parsed as far as a reader needs
//! server     and its layers
//! ```
//!
//! * `source` finds the kubeconfig and the context, and remembers where.
//! * `scope` is the tower layer that puts a shard and a cluster before a path.
//! * `answer` collects a body, for as long and as much as is reasonable.
//! * `cache` sends requests and turns refusals into [`ClientError`].
//! * `catalog` knows the types of a cache by all their names.
//! * `query`, `page` and `watch` are the list protocol.
//! * `cluster` talks to a cluster about any object, and applies ours; `served` reads the certificate
//!   that a server shows.
//!
//! # What is absent on purpose
//!
//! Nothing here writes to a cache server, but for [`CacheClient::delete`], or prints. An error names the server and
//! the kubeconfig that led to it, and offers its own hints; the exit code is the
//! command line's business.

mod answer;
mod cache;
mod catalog;
pub mod cluster;
mod error;
mod holdings;
mod identity;
mod page;
mod query;
mod scope;
mod served;
mod source;
mod watch;

pub use cache::{CacheClient, Deletion, Precondition};
pub use catalog::{Catalog, FoundType, KnownType, TypeNameError};
pub use error::{ClientError, Reason, Refusal, Trouble};
pub use holdings::{Holding, Holdings};
pub use page::{ColumnDefinition, ListMeta, Meta, Page, Partial, Row};
pub use query::{Form, ListQuery, Pager, ResourcePath};
pub use scope::Scope;
pub use served::served_chain;
pub use source::{Search, Source, SourceError};
pub use watch::{Event, EventKind, Watch};
