//! The names of all objects, in a file beside the store.
//!
//! Clients remember objects longer than a store that was lost or put back from a
//! backup. This file does too: it lies outside the store's directory, and what it names
//! and the store does not hold is what clients are to be told about.
//!
//! It is a help, not a promise: nothing waits for the disk, and a name that is missing
//! only means that nobody is told. So no failure here stops anything.
//!
//! ```text
//! kcpctl names 1
//! + KEY            was created
//! - KEY            was deleted
//! ? SECONDS KEY    was found missing, so many seconds after 1970
//! ```
//!
//! In a key `%` stands as `%25` and a newline as `%0A`.

use std::borrow::Cow;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// What the file begins with.
const HEAD: &str = "kcpctl names 1";

/// Bytes that are appended before the file is written anew, which leaves out what was
/// created and deleted since. It is twice what was written then if that is more, so that
/// the cost of writing all is spread over as many changes.
const APPENDED_MIN: u64 = 16 << 20;

/// The file, open to be appended to.
#[derive(Debug)]
pub struct NameLog {
    path: PathBuf,
    /// None before the first [`Self::write`], and after a failure.
    file: Option<File>,
    pending: Vec<u8>,
    written: u64,
    appended: u64,
}

/// One line of the file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Line {
    /// The object was created.
    Created(String),
    /// The object was deleted.
    Deleted(String),
    /// The object was found missing at a time in seconds since 1970.
    Missing(u64, String),
}

impl NameLog {
    /// The file at `path`, which need not be there.
    pub fn new(path: PathBuf) -> Self {
        Self { path, file: None, pending: Vec::new(), written: 0, appended: 0 }
    }

    /// Reads every line that makes sense, in order.
    pub fn read(&self, each: impl FnMut(Line)) {
        if let Err(error) = read(&self.path, each) {
            tracing::warn!(path = %self.path.display(), %error, "failed to read the names of objects");
        }
    }

    /// Writes the file anew.
    pub fn write(&mut self, lines: impl Iterator<Item = Line>) {
        self.pending.clear();
        self.appended = 0;
        match write(&self.path, lines) {
            Ok((file, written)) => {
                self.file = Some(file);
                self.written = written;
            }
            Err(error) => self.fail(&error),
        }
    }

    /// Notes that an object was created. It is written by [`Self::flush`].
    pub fn created(&mut self, key: &[u8]) {
        self.note(b"+ ", key);
    }

    /// Notes that an object was deleted. It is written by [`Self::flush`].
    pub fn deleted(&mut self, key: &[u8]) {
        self.note(b"- ", key);
    }

    fn note(&mut self, sign: &[u8], key: &[u8]) {
        if self.file.is_some() {
            self.pending.extend_from_slice(sign);
            self.pending.extend_from_slice(&escaped(key));
            self.pending.push(b'\n');
        }
    }

    /// Writes what was noted; says whether the file should be written anew.
    pub fn flush(&mut self) -> bool {
        let Some(file) = &mut self.file else { return false };
        if self.pending.is_empty() {
            return false;
        }
        if let Err(error) = file.write_all(&self.pending) {
            self.fail(&error);
            return false;
        }
        self.appended += self.pending.len() as u64;
        self.pending.clear();
        self.appended > APPENDED_MIN.max(2 * self.written)
    }

    fn fail(&mut self, error: &io::Error) {
        tracing::warn!(
            path = %self.path.display(),
            %error,
            "failed to write the names of objects; until the next start none are noted"
        );
        self.file = None;
        self.pending.clear();
    }
}

fn read(path: &Path, mut each: impl FnMut(Line)) -> io::Result<()> {
    let mut file = match File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut line = Vec::new();
    let mut first = true;
    while file.read_until(b'\n', &mut line)? > 0 {
        // A line without its end was torn.
        let text = line.strip_suffix(b"\n").and_then(|line| std::str::from_utf8(line).ok());
        if std::mem::take(&mut first) {
            if text != Some(HEAD) {
                return Ok(());
            }
        } else if let Some(line) = text.and_then(parse) {
            each(line);
        }
        line.clear();
    }
    Ok(())
}

fn write(path: &Path, lines: impl Iterator<Item = Line>) -> io::Result<(File, u64)> {
    let draft = path.with_extension("new");
    let file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    let mut out = BufWriter::new(file);
    writeln!(out, "{HEAD}")?;
    let mut written = 0;
    for line in lines {
        let (sign, key) = match &line {
            Line::Created(key) => ("+ ".to_owned(), key),
            Line::Deleted(key) => ("- ".to_owned(), key),
            Line::Missing(seconds, key) => (format!("? {seconds} "), key),
        };
        let key = escaped(key.as_bytes());
        out.write_all(sign.as_bytes())?;
        out.write_all(&key)?;
        out.write_all(b"\n")?;
        written += sign.len() as u64 + key.len() as u64 + 1;
    }
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_data()?;
    fs::rename(&draft, path)?;
    Ok((file, written))
}

fn parse(line: &str) -> Option<Line> {
    let (sign, rest) = line.split_once(' ')?;
    let unescaped = |key: &str| key.replace("%0A", "\n").replace("%25", "%");
    Some(match sign {
        "+" => Line::Created(unescaped(rest)),
        "-" => Line::Deleted(unescaped(rest)),
        "?" => {
            let (seconds, key) = rest.split_once(' ')?;
            Line::Missing(seconds.parse().ok()?, unescaped(key))
        }
        _ => return None,
    })
}

/// A key without the end of a line in it. Nearly none has one.
fn escaped(key: &[u8]) -> Cow<'_, [u8]> {
    if !key.iter().any(|byte| matches!(byte, b'%' | b'\n')) {
        return key.into();
    }
    let mut escaped = Vec::with_capacity(key.len() + 8);
    for &byte in key {
        match byte {
            b'%' => escaped.extend_from_slice(b"%25"),
            b'\n' => escaped.extend_from_slice(b"%0A"),
            byte => escaped.push(byte),
        }
    }
    escaped.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(log: &NameLog) -> Vec<Line> {
        let mut lines = Vec::new();
        log.read(|line| lines.push(line));
        lines
    }

    #[test]
    fn what_was_noted_is_read_in_order_and_a_torn_line_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("names");
        let mut log = NameLog::new(path.clone());
        assert_eq!(lines(&log), []);
        // Nothing is noted in a file that was not begun.
        log.created(b"/cache/a");
        assert!(!log.flush());
        assert_eq!(lines(&log), []);

        let first = [Line::Created("/cache/a".into()), Line::Missing(7, "/cache/b c".into())];
        log.write(first.iter().cloned());
        log.created(b"/cache/a%0A\n");
        log.deleted(b"/cache/a");
        assert_eq!(lines(&log), first);
        assert!(!log.flush());
        let mut all = first.to_vec();
        all.extend([Line::Created("/cache/a%0A\n".into()), Line::Deleted("/cache/a".into())]);
        assert_eq!(lines(&log), all);

        let mut text = fs::read(&path).unwrap();
        text.extend_from_slice(b"nonsense\n? x /cache/c\n+ /cache/torn");
        fs::write(&path, text).unwrap();
        assert_eq!(lines(&log), all);
        fs::write(&path, "kcpctl names 2\n+ /cache/a\n").unwrap();
        assert_eq!(lines(&log), []);
    }

    #[test]
    fn a_file_that_has_grown_asks_to_be_written_anew() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = NameLog::new(dir.path().join("names"));
        log.write(std::iter::empty());
        let key = vec![b'k'; 1 << 20];
        let due = (0..20).position(|_| {
            log.created(&key);
            log.flush()
        });
        assert_eq!(due, Some(15));
        log.write(std::iter::empty());
        log.created(&key);
        assert!(!log.flush());
    }

    #[test]
    fn a_file_that_cannot_be_written_stops_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = NameLog::new(dir.path().join("no/such/names"));
        log.write(std::iter::empty());
        log.created(b"/cache/a");
        assert!(!log.flush());
    }
}
