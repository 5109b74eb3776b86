//! The directory of a store: whose it is, and of which format.
//!
//! ```text
//! format         text: "kcpctl store 1"
//! answered       the newest answered revision: see `mark`
//! lock           locked by the process that owns the store; text: its pid
//! log/           the log itself
//! log.new/       a log that is being made; never read, thrown away
//! ```
//!
//! Nothing is made or changed before every reason to refuse was looked at.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::store::Error;

/// The newest format that this version knows.
const FORMAT: u32 = 1;

/// A file that is written to see whether there is room.
const TRIAL: &str = "room";

/// What the format file begins with.
const FORMAT_HEAD: &str = "kcpctl store ";

/// What an etcd calls the directory that holds its data.
const ETCD_MEMBER: &str = "member";

/// A directory that this process owns for as long as this value lives.
#[derive(Debug)]
pub(super) struct Home {
    path: PathBuf,
    /// Whether a format was found, so that a log must be there too.
    settled: bool,
    /// Locked; the lock goes with it.
    _lock: File,
}

impl Home {
    /// Takes possession of `path`, which is made if there is nothing.
    pub(super) fn claim(path: &Path) -> Result<Self, Error> {
        match fs::metadata(path) {
            Ok(found) if !found.is_dir() => {
                return Err(Error::NotADirectory { path: path.to_owned() });
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => create_private(path)?,
            Err(error) => return Err(Error::at(path, "look at", error)),
        }
        let member = path.join(ETCD_MEMBER);
        if member.try_exists().map_err(|error| Error::at(&member, "look at", error))? {
            return Err(Error::Etcd { path: path.to_owned() });
        }
        let settled = check_format(path)?;
        Ok(Self { path: path.to_owned(), settled, _lock: lock(path)? })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether this was a store before.
    pub(super) fn settled(&self) -> bool {
        self.settled
    }

    /// Where the log lives.
    pub(super) fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// Where a log is made.
    pub(super) fn new_log(&self) -> PathBuf {
        self.path.join("log.new")
    }

    /// Whether so much more can be written.
    pub(super) fn try_room(&self, bytes: u64) -> Result<(), Error> {
        try_room(&self.path, bytes).map_err(|error| Error::at(&self.path, "write to", error))
    }

    /// Removes what a process left that ended while it tried.
    pub(super) fn forget_trial(&self) {
        for dir in [&self.path, &self.log()] {
            _ = fs::remove_file(dir.join(TRIAL));
        }
    }

    /// Says from now on that this is a store of the present format. Comes last
    /// when a store is made: what has no format yet was never used.
    pub(super) fn settle(&mut self) -> Result<(), Error> {
        let (draft, path) = (self.path.join("format.new"), self.path.join("format"));
        let mut file = File::create(&draft).map_err(|error| Error::at(&draft, "create", error))?;
        file.write_all(format!("{FORMAT_HEAD}{FORMAT}\n").as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(|error| Error::at(&draft, "write", error))?;
        fs::rename(&draft, &path).map_err(|error| Error::at(&path, "create", error))?;
        sync_dir(&self.path)?;
        // The directory itself may be new, and those above it. Some of them may
        // not be readable for us; those are not new.
        let whole = fs::canonicalize(&self.path).unwrap_or_default();
        whole.ancestors().skip(1).for_each(|above| _ = sync_dir(above));
        self.settled = true;
        Ok(())
    }
}

/// Writes so many bytes into a file in `dir` and takes it away again.
pub(super) fn try_room(dir: &Path, bytes: u64) -> io::Result<()> {
    let path = dir.join(TRIAL);
    let written = File::create(&path).and_then(|mut file| {
        io::copy(&mut io::repeat(0).take(bytes), &mut file)?;
        file.sync_all()
    });
    // What was written of it is in the way of everything else.
    let removed = fs::remove_file(&path);
    written.and(removed)
}

/// Makes the entries of a directory durable.
pub(super) fn sync_dir(path: &Path) -> Result<(), Error> {
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| Error::at(path, "sync the directory", error))
}

/// Makes a directory that nobody else can read: it holds other people's objects.
fn create_private(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| Error::at(path, "create", error))
}

/// Whether there is a format, and one that is known.
fn check_format(home: &Path) -> Result<bool, Error> {
    let path = home.join("format");
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Error::at(&path, "read", error)),
    };
    let found = std::str::from_utf8(&text)
        .ok()
        .and_then(|text| text.trim_end().strip_prefix(FORMAT_HEAD)?.parse::<u32>().ok());
    match found {
        Some(FORMAT) => Ok(true),
        Some(found) if found > FORMAT => {
            Err(Error::Newer { path: home.to_owned(), found, known: FORMAT })
        }
        _ => Err(Error::Damaged {
            path: home.to_owned(),
            reason: "the file `format` does not name a format".to_owned(),
        }),
    }
}

/// Locks the directory for this process, which the system undoes when it ends.
fn lock(home: &Path) -> Result<File, Error> {
    let path = home.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| Error::at(&path, "open", error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            // The pid only makes the message better.
            let read = file.take(20).read_to_string(&mut pid);
            let pid = read.ok().and_then(|_| pid.trim().parse().ok());
            return Err(Error::Owned { path: home.to_owned(), pid });
        }
        Err(TryLockError::Error(error)) => return Err(Error::at(&path, "lock", error)),
    }
    // On a full disk the store is opened all the same, and the message knows no pid.
    _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}
