//! The embedded store: a log of changes in a directory of our own.
//!
//! All reads are answered from memory by the view, so the disk has only to
//! remember. What it remembers is one log, *revision → change*, and that is both
//! the data and its history: a start reads it front to back, once.
//!
//! ```text
//! commit ──► home/log/ journal ──► sync ──► answered
//!                │
//!                └──► a table in memory ──► table files, merged in the background
//! load   ◄── journal and table files, in the order of revisions
//! ```
//!
//! * `home` is the directory: its owner and its format.
//! * `log` is the database in it, and the only code that knows fjall.
//! * `journal` tells a torn tail from damage, before the log is opened.
//! * `mark` is how far writes were answered, noted beside the log.
//! * `record` is one change as bytes.
//! * `backend` is the counter, the one writer, and what happens when a disk fails.
//!
//! # One writer
//!
//! The committer above has compared every expectation with the published state
//! and with what is queued before it. So a write never conflicts here, and no
//! index of keys is kept: that would be the memory of the view a second time.
//! What a write expected is recorded as the revision that it replaced. A call of
//! `commit` blocks its thread until the batch is durable; the one caller has a
//! thread for that.
//!
//! # Revisions
//!
//! The counter of a new store begins at the clock, in microseconds since 1970,
//! and counts by one. Writing a million changes a second for good would be
//! needed to overtake the clock, so the next life of a store whose directory was
//! lost begins above this one. Opened again, it goes on after the newest record,
//! or after the counter that was noted when records were last removed.
//!
//! # Recovery
//!
//! 1. A batch is there as a whole or not at all. A torn tail is cut off.
//! 2. A write that was answered is there.
//! 3. A write that was answered with an error is gone if this process goes on:
//!    before the next write the log is opened again and cut behind the last
//!    answered one. If the process ends first, it may be found, as a whole.
//! 4. What was removed may come back after a power cut, but then its floor is
//!    back where it was too: both are one batch.
//!
//! # What is absent on purpose
//!
//! No reads by key, no caches, no compression: see `log`.

mod backend;
mod home;
mod journal;
mod log;
mod mark;
mod record;

#[cfg(test)]
mod faults;
#[cfg(test)]
mod model;
#[cfg(test)]
mod powercut;
#[cfg(test)]
mod tests;

pub use backend::{Counters, Embedded, EmbeddedOptions, Observer};
