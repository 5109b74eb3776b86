//! An etcd elsewhere: shared with other servers of any make, which write there too.
//!
//! ```text
//! commit ──► one transaction a write, on the revision that its plan was made on
//!                 │
//!            ┌────▼────┐
//!            │  etcd   │◄── other replicas, the Go server
//!            └────┬────┘
//! follow ◄── one watch over the prefix, on a connection of its own
//! newest ◄── a linearizable question for the revision
//! ```
//!
//! * `members` are the addresses, the connections to them, and which is used now.
//! * `failure` tells what an error of etcd means to a write or a read.
//! * `backend` keeps the promises of the trait: pages, transactions, the newest revision.
//! * `follow` is the watch, begun again wherever it ended.
//! * `life` tells whether that is still the same etcd.
//! * `version` knows whose notices of progress are true.
//! * `compact` lets etcd forget, in turns with all other servers.
//! * `health` asks it again and again how it is.
//!
//! # Every write a transaction of its own
//!
//! Two objects in one transaction would share a revision, and a watch that is resumed
//! there would lose the second. So there are many transactions in flight instead. One
//! whose answer does not come may have been made: it is never made again here, and what
//! the watch tells decides.
//!
//! # How far the watch has come
//!
//! Where the newest change is not below the prefix, no change tells that the watch has
//! reached it. A member that can be trusted is asked for progress on the watch itself.
//! On an older one etcd is asked what there is: the newest change below the prefix, and
//! how many keys there are. If none is newer than what the watch told, each key that
//! there is was told; if there are as many as were told, none was deleted either. So the
//! state that was told is the state at the revision of that answer, and reads may rest on
//! it. It does not say that each change was told: an object that was created and deleted
//! meanwhile leaves no trace there. So watches come no further by it until the watch on etcd
//! has been silent for some seconds.
//!
//! # What is absent on purpose
//!
//! Previous values on the watch: the view has them. Leases, users and passwords: nobody
//! who shares this etcd uses them.

mod backend;
mod compact;
mod failure;
mod follow;
mod health;
mod life;
mod members;
mod version;

pub use backend::{Etcd, EtcdCounters};
pub use members::{EtcdOptions, EtcdTls};
