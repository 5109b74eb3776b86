//! A copy of a store's present state in one file.
//!
//! ```text
//! kcpctl snapshot 1
//! taken 1795272090             seconds since 1970
//! source FREE TEXT
//! revision 1795272090106781
//! objects 24
//! bytes 36864                  of keys and values
//! checksum 0123…               xxh3, 128 bits, of the lines above and the body
//!
//! the body, zstd: for each object, little endian,
//!   revision u64, key length u32, value length u32, key, value
//! ```
//!
//! A key stands without its prefix, so that a file fits every store. The checksum
//! stands in front of what it covers: a file is judged as a whole before anything
//! of it is used. So a writer keeps the body in an unnamed file until it is done, and a
//! reader goes over the file twice.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::str::FromStr;

use xxhash_rust::xxh3::Xxh3;

use crate::model::Revision;

/// What the file begins with; the number is the format's.
const HEAD: &str = "kcpctl snapshot ";

/// The newest format that this version knows.
const FORMAT: u32 = 1;

/// How hard zstd tries. Beyond three it costs twice the time for a few percent.
const LEVEL: i32 = 3;

/// The longest line of a header, in bytes.
const LINE_MAX: u64 = 4096;

/// The lines of a header, its first and last ones included.
const LINES: usize = 8;

/// The longest key or value that is believed, in bytes: above what any server takes.
const ITEM_BYTES_MAX: u32 = 64 << 20;

/// Bytes that are read at a time.
const BUFFER_BYTES: usize = 128 << 10;

/// What a snapshot says of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SnapshotHeader {
    /// When it was taken, in seconds since 1970.
    pub taken: u64,
    /// Where it was taken from, in words.
    pub source: String,
    /// The revision that it shows.
    pub revision: Revision,
    /// How many objects it holds.
    pub objects: u64,
    /// The bytes of their keys and values.
    pub bytes: u64,
}

/// One object of a snapshot.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SnapshotItem {
    /// The key, without the prefix and the slash after it.
    pub key: String,
    /// The revision that it had.
    pub revision: Revision,
    /// The stored value.
    pub value: Vec<u8>,
}

/// A snapshot that is being taken.
pub struct SnapshotWriter {
    body: zstd::Encoder<'static, BufWriter<File>>,
    objects: u64,
    bytes: u64,
}

/// A snapshot that was read once, and found whole.
#[derive(Debug)]
pub struct Snapshot {
    header: SnapshotHeader,
    file: File,
    body_at: u64,
}

/// The objects of a snapshot, as they are read.
pub struct SnapshotItems<'a> {
    body: zstd::Decoder<'static, BufReader<&'a File>>,
    left: u64,
}

/// Why a file is no snapshot that can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// It cannot be read or written.
    #[error("{doing}")]
    Io {
        /// What failed, as a sentence.
        doing: &'static str,
        /// Why.
        source: io::Error,
    },
    /// It is something else.
    #[error("it is not a snapshot: it does not begin with `kcpctl snapshot`")]
    Foreign,
    /// A newer version wrote it.
    #[error("it is a snapshot of format {found}, this version knows up to {FORMAT}")]
    Newer {
        /// The format that was found.
        found: u32,
    },
    /// What it says is not what was written.
    #[error("it is damaged: {0}")]
    Damaged(String),
}

impl SnapshotError {
    fn write(source: io::Error) -> Self {
        Self::Io { doing: "it cannot be written", source }
    }

    fn read(source: io::Error) -> Self {
        Self::Io { doing: "it cannot be read", source }
    }
}

impl SnapshotHeader {
    /// Everything that stands before the checksum.
    fn lines(&self) -> String {
        let Self { taken, source, revision, objects, bytes } = self;
        // A line must stay one.
        let source: String = source.chars().filter(|it| !it.is_control()).take(1024).collect();
        format!(
            "{HEAD}{FORMAT}\ntaken {taken}\nsource {source}\nrevision {}\nobjects {objects}\n\
             bytes {bytes}\n",
            revision.0
        )
    }
}

impl SnapshotWriter {
    /// Begins a snapshot, of which nothing has a name before it is finished.
    pub fn new() -> Result<Self, SnapshotError> {
        let spool = tempfile::tempfile().map_err(SnapshotError::write)?;
        let spool = BufWriter::with_capacity(BUFFER_BYTES, spool);
        let body = zstd::Encoder::new(spool, LEVEL).map_err(SnapshotError::write)?;
        Ok(Self { body, objects: 0, bytes: 0 })
    }

    /// Adds an object.
    pub fn add(
        &mut self,
        key: &str,
        revision: Revision,
        value: &[u8],
    ) -> Result<(), SnapshotError> {
        let lengths = [key.len(), value.len()].map(u32::try_from);
        let [Ok(key_len), Ok(value_len)] = lengths else {
            return Err(SnapshotError::Damaged(format!("`{key}` is too large")));
        };
        let mut head = [0; 16];
        head[..8].copy_from_slice(&revision.0.to_le_bytes());
        head[8..12].copy_from_slice(&key_len.to_le_bytes());
        head[12..].copy_from_slice(&value_len.to_le_bytes());
        for part in [&head[..], key.as_bytes(), value] {
            self.body.write_all(part).map_err(SnapshotError::write)?;
        }
        self.objects += 1;
        self.bytes += (key.len() + value.len()) as u64;
        Ok(())
    }

    /// Writes the whole file to `out`, and says what it holds.
    pub fn finish(
        self,
        (taken, source, revision): (u64, String, Revision),
        out: &mut dyn Write,
    ) -> Result<SnapshotHeader, SnapshotError> {
        let failed = SnapshotError::write;
        let Self { body, objects, bytes } = self;
        let spool = body.finish().map_err(failed)?;
        let mut spool = spool.into_inner().map_err(|error| failed(error.into_error()))?;
        let header = SnapshotHeader { taken, source, revision, objects, bytes };
        let lines = header.lines();
        let checksum = checksum(&lines, &mut spool).map_err(failed)?;
        spool.seek(SeekFrom::Start(0)).map_err(failed)?;
        out.write_all(lines.as_bytes()).map_err(failed)?;
        writeln!(out, "checksum {checksum:032x}\n").map_err(failed)?;
        io::copy(&mut spool, out).and_then(|_| out.flush()).map_err(failed)?;
        Ok(header)
    }
}

/// The checksum of a header's lines and of all of `body`.
fn checksum(lines: &str, body: &mut File) -> io::Result<u128> {
    body.seek(SeekFrom::Start(0))?;
    sum(lines, body)
}

fn sum(lines: &str, body: &mut impl Read) -> io::Result<u128> {
    let mut sum = Xxh3::new();
    sum.update(lines.as_bytes());
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match body.read(&mut buffer) {
            Ok(0) => return Ok(sum.digest128()),
            Ok(read) => sum.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

impl Snapshot {
    /// Reads all of `file`, and refuses it if it is not what a writer finished.
    pub fn open(mut file: File) -> Result<Self, SnapshotError> {
        file.seek(SeekFrom::Start(0)).map_err(SnapshotError::read)?;
        Self::check(file)
    }

    /// As [`Self::open`], for what cannot be read twice: it is kept in an unnamed file.
    pub fn receive(mut from: impl Read) -> Result<Self, SnapshotError> {
        let mut spool = tempfile::tempfile().map_err(SnapshotError::write)?;
        io::copy(&mut from, &mut spool).map_err(SnapshotError::read)?;
        Self::open(spool)
    }

    fn check(file: File) -> Result<Self, SnapshotError> {
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, &file);
        let (header, lines, noted, body_at) = read_header(&mut reader)?;
        let found = sum(&lines, &mut reader).map_err(SnapshotError::read)?;
        if found != noted {
            return Err(SnapshotError::Damaged(
                "its content does not have the checksum that it names".to_owned(),
            ));
        }
        drop(reader);
        Ok(Self { header, file, body_at })
    }

    /// What it says of itself.
    pub fn header(&self) -> &SnapshotHeader {
        &self.header
    }

    /// Every object, in the order in which they were written.
    pub fn items(&mut self) -> Result<SnapshotItems<'_>, SnapshotError> {
        self.file.seek(SeekFrom::Start(self.body_at)).map_err(SnapshotError::read)?;
        let body = BufReader::with_capacity(BUFFER_BYTES, &self.file);
        let body = zstd::Decoder::with_buffer(body).map_err(SnapshotError::read)?;
        Ok(SnapshotItems { body, left: self.header.objects })
    }
}

impl Iterator for SnapshotItems<'_> {
    type Item = Result<SnapshotItem, SnapshotError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let item = read_item(&mut self.body);
        if item.is_err() {
            self.left = 0;
        }
        Some(item)
    }
}

/// The header, its lines before the checksum, the checksum, and where the body begins.
fn read_header(
    reader: &mut impl BufRead,
) -> Result<(SnapshotHeader, String, u128, u64), SnapshotError> {
    let damaged = |what: &str| SnapshotError::Damaged(what.to_owned());
    let mut head = Vec::new();
    let mut all = Vec::new();
    for at in 0..LINES {
        let mut line = Vec::new();
        reader.take(LINE_MAX).read_until(b'\n', &mut line).map_err(SnapshotError::read)?;
        if at == 0 {
            let Some(format) = line.strip_prefix(HEAD.as_bytes()) else {
                return Err(SnapshotError::Foreign);
            };
            let format = std::str::from_utf8(format).ok().and_then(|it| it.trim_end().parse().ok());
            match format {
                Some(FORMAT) => {}
                Some(found) if found > FORMAT => return Err(SnapshotError::Newer { found }),
                _ => return Err(damaged("its format has no number")),
            }
        }
        if line.pop() != Some(b'\n') {
            return Err(damaged("its header has no end"));
        }
        let line = String::from_utf8(line).map_err(|_| damaged("its header is not text"))?;
        all.push(line.len() as u64 + 1);
        head.push(line);
    }
    let field = |at: usize, name: &str| -> Result<&str, SnapshotError> {
        head[at]
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix(' '))
            .ok_or_else(|| damaged(&format!("its header has no `{name}` in line {}", at + 1)))
    };
    let number = |at: usize, name: &str| parsed::<u64>(field(at, name)?, name);
    let header = SnapshotHeader {
        taken: number(1, "taken")?,
        source: field(2, "source")?.to_owned(),
        revision: Revision(number(3, "revision")?),
        objects: number(4, "objects")?,
        bytes: number(5, "bytes")?,
    };
    let noted = u128::from_str_radix(field(6, "checksum")?, 16)
        .map_err(|_| damaged("its checksum is not a number"))?;
    if !head[7].is_empty() {
        return Err(damaged("its header has no end"));
    }
    let mut lines = head[..6].join("\n");
    lines.push('\n');
    Ok((header, lines, noted, all.iter().sum()))
}

fn parsed<T: FromStr>(text: &str, name: &str) -> Result<T, SnapshotError> {
    text.parse().map_err(|_| SnapshotError::Damaged(format!("its `{name}` is not a number")))
}

fn read_item(body: &mut impl Read) -> Result<SnapshotItem, SnapshotError> {
    let mut head = [0; 16];
    body.read_exact(&mut head).map_err(SnapshotError::read)?;
    let [revision_0, revision_1, key_len, value_len] = [0, 4, 8, 12]
        .map(|at| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]));
    if key_len > ITEM_BYTES_MAX || value_len > ITEM_BYTES_MAX {
        return Err(SnapshotError::Damaged("an object is too large to be one".to_owned()));
    }
    let mut key = vec![0; key_len as usize];
    body.read_exact(&mut key).map_err(SnapshotError::read)?;
    let key = String::from_utf8(key)
        .map_err(|_| SnapshotError::Damaged("a key is not text".to_owned()))?;
    let mut value = vec![0; value_len as usize];
    body.read_exact(&mut value).map_err(SnapshotError::read)?;
    let revision = Revision(u64::from(revision_0) | u64::from(revision_1) << 32);
    Ok(SnapshotItem { key, revision, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(items: &[(&str, u64, &[u8])]) -> Vec<u8> {
        let mut writer = SnapshotWriter::new().unwrap();
        for (key, revision, value) in items {
            writer.add(key, Revision(*revision), value).unwrap();
        }
        let mut file = Vec::new();
        let source = "a test\nin two lines".to_owned();
        writer.finish((1_700_000_000, source, Revision(9)), &mut file).unwrap();
        file
    }

    fn items(file: &[u8]) -> Result<Vec<(String, u64, Vec<u8>)>, SnapshotError> {
        let mut snapshot = Snapshot::receive(file)?;
        let items = snapshot.items()?;
        items.map(|it| it.map(|it| (it.key, it.revision.0, it.value))).collect()
    }

    #[test]
    fn what_was_written_is_read() {
        let file = taken(&[("g/r/o/s/c/n", 7, b"{}\n"), ("g/r/o/s/c/m", u64::MAX, b"")]);
        assert!(file.starts_with(
            b"kcpctl snapshot 1\ntaken 1700000000\nsource a testin two lines\nrevision 9\n\
              objects 2\nbytes 25\nchecksum "
        ));
        assert_eq!(
            items(&file).unwrap(),
            [
                ("g/r/o/s/c/n".to_owned(), 7, b"{}\n".to_vec()),
                ("g/r/o/s/c/m".to_owned(), u64::MAX, Vec::new())
            ]
        );
        assert_eq!(items(&taken(&[])).unwrap(), []);
    }

    #[test]
    fn a_changed_byte_anywhere_is_noticed() {
        let file = taken(&[("g/r/o/s/c/n", 7, b"some value, some value")]);
        for at in 0..file.len() {
            for bit in [1, 0x80] {
                let mut broken = file.clone();
                broken[at] ^= bit;
                assert!(items(&broken).is_err(), "byte {at}");
            }
            assert!(items(&file[..at]).is_err(), "cut at {at}");
        }
        assert!(items(&[&file[..], b"x"].concat()).is_err());
    }

    #[test]
    fn other_files_are_refused_by_what_they_are() {
        let said = |file: &[u8]| items(file).unwrap_err().to_string();
        assert_eq!(said(b""), "it is not a snapshot: it does not begin with `kcpctl snapshot`");
        assert_eq!(
            said(b"kcpctl snapshot 2\n"),
            "it is a snapshot of format 2, this version knows up to 1"
        );
        assert_eq!(said(b"kcpctl snapshot 1\n"), "it is damaged: its header has no end");
    }
}
