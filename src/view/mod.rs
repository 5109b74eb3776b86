//! What handlers and watches read, and the only way to write.
//!
//! ```text
//!             ┌── commit: one thread, one order ──┐
//! Draft ────► │ check ► store (durable) ► publish │ ──► the answer
//!             └─────────────────────────────┬─────┘
//!                                           ▼
//!     rings (every change, both sides) and one root (revision + all maps)
//!                 │                         │
//!                 ▼                         ▼
//!         Cursor: a revision        Snapshot: a list, a get
//! ```
//!
//! * `entry` is one object, held as the bytes that are sent.
//! * `root` is everything at one revision, immutable and cheap to copy.
//! * `ring` remembers the recent changes of a type.
//! * `watch` is a position in a ring. Nothing is queued for anybody.
//! * `gone` remembers the names of what went, for those who were away for too long.
//! * `load` makes of what is stored what is served.
//! * `publish` puts changes into rings and root, and is the only one to do so.
//! * `commit` orders the writes, remembers them and publishes, on a store of one's own.
//! * `follow` does so on one that is shared: the store decides, and tells.
//! * `fresh` makes sure that a reader of a shared store sees the newest.
//! * `memory` says whether there is room for one more.
//!
//! Publishing is one step: changes go into their rings, then the root is swapped.
//! Nobody reads past the root's revision.
//!
//! # What is absent on purpose
//!
//! No HTTP, no semantics of verbs, no clock of its own.

mod commit;
mod entry;
mod follow;
mod fresh;
mod gone;
mod load;
mod memory;
mod open;
mod publish;
mod ring;
mod root;
mod scope;
mod wake;
mod watch;

#[cfg(test)]
mod shared_tests;
#[cfg(test)]
mod tests;

pub use commit::{CommitError, Committed, Draft};
pub use entry::{Entry, EntryDraft, EntryError};
pub use fresh::Stale;
pub use gone::Recall;
pub use load::{Serve, Unreadable, read_stored, serve_placed, serve_plain};
pub use open::{OpenError, Options, Stats, View};
pub use ring::{Change, Expired};
pub use root::{Holding, Kind, Root, Snapshot};
pub use scope::{Filter, Scope};
pub use watch::{Cursor, Event, Progress};
