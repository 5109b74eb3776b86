//! A look at fjall's journals before fjall reads them.
//!
//! fjall takes a journal up to the first thing in it that makes no sense, and
//! cuts off the rest: it cannot know whether that was a write that the power cut
//! tore, or writes that were answered long ago, behind a damaged place. We can,
//! since we know how far writes were answered (see `mark`). It also refuses a
//! last batch of which the disk kept the end and lost the middle, which is just
//! another way to tear it. So we decide first:
//!
//! * A torn tail behind the last answered write is cut off.
//! * A broken place before it is damage: nothing is touched and nothing opened.
//!
//! A journal is a row of batches in a file that is made 64 MiB long, so that the
//! rest of it is zeros. The numbers are little endian:
//!
//! ```text
//! 1, items u32, sequence u64
//! 2, kind u8, compression u8, keyspace u64, key length u16, value length u32,
//!    stored length u32, key, value                         once for each item
//! 3, xxh3 of all items u64, "FJL", 3
//! ```

use std::fs::{File, OpenOptions, read_dir};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use crate::model::Revision;
use crate::store::Error;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const MAGIC: [u8; 4] = *b"FJL\x03";

/// What an item says that sets a key.
const KIND_VALUE: u8 = 0;

/// The only kind of compression that we use: none.
const UNCOMPRESSED: u8 = 0;

/// The key of a record has this length, and no other key has.
const RECORD_KEY_LEN: usize = 8;

/// Bytes that are read from a journal at a time.
const READ_BYTES: usize = 256 << 10;

/// What stands behind the last batch.
static ZEROS: [u8; READ_BYTES] = [0; READ_BYTES];

/// What the journals of a log say, once they are fit to be read by fjall.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// A journal was cut though no answered write was in front of the cut. The tables
    /// must turn out to hold them all.
    pub(super) cut: Option<Cut>,
}

/// A journal that was cut, and a copy of what it was.
#[derive(Debug)]
pub(super) struct Cut {
    journal: PathBuf,
    copy: PathBuf,
}

impl Cut {
    /// The cut was right: throws the copy away.
    pub(super) fn confirm(self) -> Result<(), Error> {
        std::fs::remove_file(&self.copy).map_err(|error| Error::at(&self.copy, "remove", error))
    }

    /// The cut was wrong: puts the journal back as it was.
    pub(super) fn undo(self) -> Result<(), Error> {
        std::fs::rename(&self.copy, &self.journal)
            .map_err(|error| Error::at(&self.journal, "put back", error))
    }
}

/// What was found in one journal.
#[derive(Debug, Eq, PartialEq)]
struct Found {
    /// The newest record in a whole batch.
    newest: Option<Revision>,
    /// Where the last whole batch ends.
    end: u64,
    /// Whether only zeros follow.
    clean: bool,
}

/// Sees to it that fjall can read the journals in `log` and loses no write up to
/// `answered` by that.
pub(super) fn check(home: &Path, log: &Path, answered: Revision) -> Result<Checked, Error> {
    let mut journals = list(log)?;
    let Some((_, active)) = journals.pop() else { return Ok(Checked::default()) };
    let mut newest = None;
    for (_, sealed) in journals {
        let found = look(&sealed, Revision(u64::MAX))?;
        if !found.clean {
            // It was synced whole before the next one was begun.
            return Err(broken(home, &sealed, found.end));
        }
        newest = newest.max(found.newest);
    }
    let found = look(&active, Revision(u64::MAX))?;
    if found.clean {
        return Ok(Checked::default());
    }
    newest = newest.max(found.newest);
    if newest.is_some_and(|newest| newest < answered) {
        return Err(broken(home, &active, found.end));
    }
    // Without a record in any journal the tables must hold all of them. That is
    // seen when they are open, and until then nothing is thrown away.
    let copy = (newest.is_none() && answered > Revision::ZERO).then(|| home.join("torn.jnl"));
    if let Some(copy) = &copy {
        std::fs::copy(&active, copy).map_err(|error| Error::at(copy, "write", error))?;
    }
    cut(&active, found.end)?;
    Ok(Checked { cut: copy.map(|copy| Cut { journal: active, copy }) })
}

/// Cuts everything after `answered` off the newest journal.
///
/// After a failed sync the system may show bytes that never reached the disk.
/// What was answered was synced, so what comes behind it is all that is in doubt.
pub(super) fn rewind(log: &Path, answered: Revision) -> Result<(), Error> {
    let Some((_, active)) = list(log)?.pop() else { return Ok(()) };
    let found = look(&active, answered)?;
    cut(&active, found.end)
}

/// The journals, oldest first. fjall numbers them.
fn list(log: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let failed = |error| Error::at(log, "list", error);
    let mut journals = Vec::new();
    for entry in read_dir(log).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let number = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_suffix(".jnl")?.parse::<u64>().ok());
        journals.extend(number.map(|number| (number, path)));
    }
    journals.sort_unstable();
    Ok(journals)
}

fn cut(journal: &Path, end: u64) -> Result<(), Error> {
    OpenOptions::new()
        .write(true)
        .open(journal)
        .and_then(|file| {
            file.set_len(end)?;
            file.sync_all()
        })
        .map_err(|error| Error::at(journal, "cut", error))
}

fn broken(home: &Path, journal: &Path, at: u64) -> Error {
    let name = journal.file_name().unwrap_or_default().to_string_lossy();
    let reason =
        format!("journal `{name}` is broken at byte {at}, before writes that were answered");
    Error::Damaged { path: home.to_owned(), reason }
}

/// Reads a journal up to its end, a broken place, or the first batch with a
/// record after `last`.
fn look(path: &Path, last: Revision) -> Result<Found, Error> {
    let failed = |error| Error::at(path, "read", error);
    let file = File::open(path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    scan(BufReader::with_capacity(READ_BYTES, file), len, last).map_err(failed)
}

/// What [`look`] does, on `len` bytes of anything.
fn scan(input: impl BufRead, len: u64, last: Revision) -> io::Result<Found> {
    let mut reader = JournalReader { input, left: len, sequence: None, body: Vec::new() };
    let mut found = Found { newest: None, end: 0, clean: false };
    loop {
        match reader.batch() {
            Ok(Step::Batch { newest }) if newest.is_some_and(|newest| newest > last) => {
                return Ok(found);
            }
            Ok(Step::Batch { newest }) => {
                found.newest = found.newest.max(newest);
                found.end = len - reader.left;
            }
            Ok(Step::End) => {
                found.clean = true;
                return Ok(found);
            }
            Err(Broken::Shape) => return Ok(found),
            Err(Broken::Io(error)) => return Err(error),
        }
    }
}

/// Reads batches and counts what is left.
struct JournalReader<R> {
    input: R,
    /// Bytes behind the place that was read last.
    left: u64,
    /// The sequence number of the last batch. It grows, and fjall has no checksum
    /// over it: with a smaller one a batch would pass for one that is in a table.
    sequence: Option<u64>,
    /// The body of one item, and what is left of longer ones behind it.
    body: Vec<u8>,
}

/// What was read.
#[derive(Debug)]
enum Step {
    /// A whole batch, with its newest record if it has one.
    Batch { newest: Option<Revision> },
    /// Nothing but zeros.
    End,
}

/// Why there is no batch.
#[derive(Debug)]
enum Broken {
    Shape,
    Io(io::Error),
}

impl<R: BufRead> JournalReader<R> {
    fn batch(&mut self) -> Result<Step, Broken> {
        if self.left == 0 {
            return Ok(Step::End);
        }
        match self.array::<1>()? {
            [0] => return self.zeros().map(|()| Step::End),
            [START] => {}
            _ => return Err(Broken::Shape),
        }
        let items = u32::from_le_bytes(self.array()?);
        let sequence = Some(u64::from_le_bytes(self.array()?));
        if sequence <= self.sequence {
            return Err(Broken::Shape);
        }
        self.sequence = sequence;
        let mut sum = Xxh3::new();
        let mut newest = None;
        for _ in 0..items {
            newest = newest.max(self.item(&mut sum)?);
        }
        let [END] = self.array()? else { return Err(Broken::Shape) };
        let expected = u64::from_le_bytes(self.array()?);
        if expected != sum.digest() || self.array()? != MAGIC {
            return Err(Broken::Shape);
        }
        Ok(Step::Batch { newest })
    }

    /// Reads an item and returns its revision, if it is a record.
    fn item(&mut self, sum: &mut Xxh3) -> Result<Option<Revision>, Broken> {
        let head: [u8; 21] = self.array()?;
        let kind = head[1];
        if head[0] != ITEM || head[2] != UNCOMPRESSED {
            return Err(Broken::Shape);
        }
        let key_len = usize::from(u16::from_le_bytes([head[11], head[12]]));
        let value_len = u32::from_le_bytes([head[13], head[14], head[15], head[16]]);
        let stored_len = u32::from_le_bytes([head[17], head[18], head[19], head[20]]);
        let body_len = key_len as u64 + u64::from(value_len);
        if stored_len != value_len || body_len > self.left {
            return Err(Broken::Shape);
        }
        self.left -= body_len;
        let body_len = usize::try_from(body_len).map_err(|_| Broken::Shape)?;
        if self.body.len() < body_len {
            self.body.resize(body_len, 0);
        }
        let body = &mut self.body[..body_len];
        self.input.read_exact(body).map_err(Broken::Io)?;
        sum.update(&head);
        sum.update(body);
        let revision = body.first_chunk().copied().map(u64::from_be_bytes).map(Revision);
        Ok(revision.filter(|_| kind == KIND_VALUE && key_len == RECORD_KEY_LEN))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        self.left = self.left.checked_sub(N as u64).ok_or(Broken::Shape)?;
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes).map_err(Broken::Io)?;
        Ok(bytes)
    }

    /// Reads to the end, where everything must be zero: up to 64 MiB, compared
    /// by the buffer and not by the byte.
    fn zeros(&mut self) -> Result<(), Broken> {
        loop {
            match self.input.fill_buf() {
                Ok([]) => return Ok(()),
                Ok(bytes) if *bytes == ZEROS[..bytes.len()] => {
                    let len = bytes.len();
                    self.input.consume(len);
                }
                Ok(_) => return Err(Broken::Shape),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Broken::Io(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A batch as fjall writes it, of records with these revisions.
    fn batch(sequence: u64, revisions: &[u64]) -> Vec<u8> {
        let mut items = Vec::new();
        for revision in revisions {
            items.extend([ITEM, KIND_VALUE, UNCOMPRESSED]);
            items.extend(1u64.to_le_bytes());
            items.extend(8u16.to_le_bytes());
            items.extend([5u32.to_le_bytes(); 2].concat());
            items.extend(revision.to_be_bytes());
            items.extend(b"value");
        }
        let mut sum = Xxh3::new();
        sum.update(&items);
        let mut bytes = vec![START];
        bytes.extend(u32::try_from(revisions.len()).unwrap().to_le_bytes());
        bytes.extend(sequence.to_le_bytes());
        bytes.extend(items);
        bytes.push(END);
        bytes.extend(sum.digest().to_le_bytes());
        bytes.extend(MAGIC);
        bytes
    }

    fn found(bytes: &[u8], last: u64) -> (u64, u64, bool) {
        let found = scan(bytes, bytes.len() as u64, Revision(last)).unwrap();
        (found.newest.unwrap_or_default().0, found.end, found.clean)
    }

    #[test]
    fn a_journal_is_read_up_to_its_end_or_a_revision() {
        let (one, two) = (batch(8, &[1, 2]), batch(9, &[3]));
        let zeros = vec![0; 1000];
        let whole = [&one[..], &two, &zeros].concat();
        let (first, both) = (one.len() as u64, (one.len() + two.len()) as u64);
        assert_eq!(found(&whole, u64::MAX), (3, both, true));
        assert_eq!(found(&whole[..one.len() + two.len()], u64::MAX), (3, both, true));
        assert_eq!(found(&whole, 2), (2, first, false));
        assert_eq!(found(&whole, 0), (0, 0, false));
        assert_eq!(found(&[], 0), (0, 0, true));
    }

    #[test]
    fn any_changed_byte_ends_it_before_its_batch() {
        let (one, two) = (batch(8, &[1, 2]), batch(9, &[3]));
        let whole = [&one[..], &two, &[0; 100]].concat();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            let (newest, end, clean) = found(&bytes, u64::MAX);
            // A sequence number that grew is seen at the next batch, if there is one.
            let sequence = |batch: usize| (batch + 5..batch + 13).contains(&at);
            match (sequence(0), sequence(one.len())) {
                (false, false) => assert!(!clean && end <= at as u64, "{at}: {newest} {end}"),
                (true, _) => assert!(!clean && newest == 2, "{at}: {newest} {end}"),
                (_, true) => assert!(clean && newest == 3, "{at}: {newest} {end}"),
            }
        }
    }

    #[test]
    fn any_cut_ends_it_before_its_batch() {
        let (one, two) = (batch(8, &[1, 2]), batch(9, &[3]));
        let whole = [&one[..], &two].concat();
        for cut in 0..whole.len() {
            let (newest, end, clean) = found(&whole[..cut], u64::MAX);
            let first_is_whole = cut >= one.len();
            assert_eq!(newest, if first_is_whole { 2 } else { 0 }, "{cut}");
            assert_eq!(end, if first_is_whole { one.len() as u64 } else { 0 }, "{cut}");
            assert_eq!(clean, cut == 0 || cut == one.len(), "{cut}");
        }
    }
}
