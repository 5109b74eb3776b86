//! How far writes were answered, noted beside the log.
//!
//! A log that ends too early looks like one that was written less. So the newest
//! answered revision is noted in a file of its own, after the sync and before
//! the answer, without a sync of its own: after a power cut the note may be old,
//! but never ahead of the log. A log that ends before it has lost something.
//!
//! ```text
//! answered   0  8   the revision, big endian
//!            8  8   its xxh3 checksum, big endian
//! ```

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use crate::model::Revision;
use crate::store::Error;

/// The open note.
#[derive(Debug)]
pub(super) struct Mark {
    file: File,
}

impl Mark {
    /// Opens the note in `home`, and says how far it reaches. A note that is
    /// missing or torn says nothing: zero.
    pub(super) fn open(home: &Path) -> Result<(Self, Revision), Error> {
        let path = home.join("answered");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| Error::at(&path, "open", error))?;
        let mut note = [0; 16];
        match file.read_exact_at(&mut note, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => note = [0; 16],
            Err(error) => return Err(Error::at(&path, "read", error)),
            Ok(()) => {}
        }
        Ok((Self { file }, decode(&note)))
    }

    /// Notes that everything up to `revision` was answered. If that fails, the
    /// note is old, which it may be anyway.
    pub(super) fn set(&self, revision: Revision) {
        _ = self.file.write_all_at(&encode(revision), 0);
    }

    /// Makes the note durable. If that fails, the note is old.
    pub(super) fn sync(&self) {
        _ = self.file.sync_data();
    }
}

fn encode(revision: Revision) -> [u8; 16] {
    let revision = revision.0.to_be_bytes();
    let mut note = [0; 16];
    note[..8].copy_from_slice(&revision);
    note[8..].copy_from_slice(&xxh3_64(&revision).to_be_bytes());
    note
}

fn decode(note: &[u8; 16]) -> Revision {
    let revision = u64::from_be_bytes(std::array::from_fn(|at| note[at]));
    if *note == encode(Revision(revision)) { Revision(revision) } else { Revision::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_back_and_a_torn_one_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (mark, noted) = Mark::open(dir.path()).unwrap();
        assert_eq!(noted, Revision::ZERO);
        mark.set(Revision(7));
        mark.set(Revision(8));
        mark.sync();
        assert_eq!(Mark::open(dir.path()).unwrap().1, Revision(8));
        mark.file.write_all_at(&[9], 7).unwrap();
        assert_eq!(Mark::open(dir.path()).unwrap().1, Revision::ZERO);
        mark.file.set_len(9).unwrap();
        assert_eq!(Mark::open(dir.path()).unwrap().1, Revision::ZERO);
    }
}
