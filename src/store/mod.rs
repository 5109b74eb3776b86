//! A durable memory of numbered changes. The view does the reading.
//!
//! The store knows keys, bytes and revisions. It is absent-minded on purpose
//! about what the bytes mean: it knows neither JSON nor the view.
//!
//! * `keys` is the layout of keys, the same on every backend.
//! * `backend` is the trait, with the promises that every backend keeps.
//! * `embedded` keeps them with a log in a directory of our own.
//! * `etcd` keeps them in an etcd elsewhere, together with others.
//! * `any` is either of them.
//! * `names` is a file that remembers which objects there were.
//! * `snapshot` is a copy of a state in one file.
//! * `error` says what can go wrong, and what to do about it.

mod any;
mod backend;
mod embedded;
mod error;
mod etcd;
mod keys;
mod names;
mod snapshot;

pub use any::AnyBackend;
pub use backend::{Backend, Change, Conflict, Expect, Forget, Forgotten, Gap, Loaded, News, Write};
pub use embedded::{Counters, Embedded, EmbeddedOptions, Observer};
pub use error::Error;
pub use etcd::{Etcd, EtcdCounters, EtcdOptions, EtcdTls};
pub use keys::{KeyError, Keyspace, Origin, Place, TypeKey, split_path};
pub use names::{Line, NameLog};
pub use snapshot::{
    Snapshot, SnapshotError, SnapshotHeader, SnapshotItem, SnapshotItems, SnapshotWriter,
};
