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
//! 2. A write that was answered is there. Where it is not, the disk has lost it:
//!    the store is refused and left as it is, never opened without it.
//! 3. A write that was answered with an error is gone if this process goes on:
//!    before the next write the log is opened again and cut behind the last
//!    answered one, so that what the view shows is what is stored. If the process
//!    ends first, it may be found, as a whole.
//! 4. What was removed may come back after a power cut, but then its floor is
//!    back where it was too: both are one batch. The floor of a type is never
//!    lower than what was removed of it, and the counter never goes back.
//!
//! Rule 2 needs to know how far writes were answered, without a second sync. So
//! that is noted beside the log, unsynced: the note may be old, and then damage
//! to the last writes before a power cut looks like a torn tail. Once the note is
//! on disk, which the system sees to within seconds and a clean end at once, a
//! lost write is always noticed.
//!
//! After a failed sync nobody knows what is on disk: the system may have given up
//! on the bytes and show them all the same. So nothing is synced a second time.
//! The log is closed, its journal cut behind the last answered write (which was
//! synced, and is on disk), and read again. Until that succeeds, writes are
//! refused. It is tried by later writes, and by whoever asks how the store is, at
//! most once in a while.
//!
//! # Cost
//!
//! A write costs one allocation and is copied three times: into its record, into
//! the journal and, later, into a table. Nothing is locked for a record, and a
//! batch waits for one sync. Memory holds what is not yet in a table, 16 MiB, or
//! four times that when the disk is slow; above, writes wait. A start reads the
//! tables once and the journals, at most 64 MiB and a table, twice.
//!
//! # What is absent on purpose
//!
//! No reads by key, no caches, no compression: objects are sent as they are kept,
//! and are read from disk once. No checksum of our own: fjall has one for each
//! batch and each block, and checks it whenever it reads one.

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
