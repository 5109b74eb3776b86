//! Why a store could not do what it was asked, and what to do next.

use std::io;
use std::path::{Path, PathBuf};

/// Why a store could not do what it was asked.
///
/// The message says what happened and where; [`Error::hint`] says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk or the network failed.
    #[error("failed to {doing}")]
    Io {
        /// What was being done, as a clause that completes "failed to".
        doing: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A file or directory may not be read or written.
    #[error("no permission to use `{}`", path.display())]
    Denied {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something that is not a directory stands where the store should be.
    #[error("`{}` is not a directory", path.display())]
    NotADirectory {
        /// Where the store should be.
        path: PathBuf,
    },
    /// A running process owns the store.
    #[error("the store in `{}` is in use by {}", path.display(), owner(*pid))]
    Owned {
        /// Where the store is.
        path: PathBuf,
        /// Which process owns it, if that is known.
        pid: Option<u32>,
    },
    /// A newer version wrote the store.
    #[error("the store in `{}` has format {found}, this version knows up to {known}", path.display())]
    Newer {
        /// Where the store is.
        path: PathBuf,
        /// The format that was found.
        found: u32,
        /// The newest format that this version knows.
        known: u32,
    },
    /// The directory holds the data of an embedded etcd.
    #[error("`{}` holds the data of an embedded etcd", path.display())]
    Etcd {
        /// The directory that holds `member/`.
        path: PathBuf,
    },
    /// What is stored is not what was written.
    #[error("the store in `{}` is damaged: {reason}", path.display())]
    Damaged {
        /// Where the store is.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A store elsewhere did not do it.
    #[error("failed to {doing}: {reason}")]
    Remote {
        /// What was being done, as a clause that completes "failed to".
        doing: String,
        /// What it said, or that it said nothing.
        reason: String,
        /// Whether it may have been done all the same.
        maybe_done: bool,
    },
    /// A store elsewhere does not take requests of this size.
    #[error(
        "etcd refuses a write of {bytes} bytes: its limit is what its `--max-request-bytes` says, \
         1572864 bytes unless told otherwise"
    )]
    TooLarge {
        /// How many bytes key and value have.
        bytes: usize,
    },
    /// A store elsewhere is full.
    #[error("etcd has no space left (alarm NOSPACE), and refuses writes")]
    NoSpace,
    /// What should prove who is who to a store elsewhere cannot be used.
    #[error("{flag} cannot be used: {reason}")]
    Credentials {
        /// The flag that names it.
        flag: &'static str,
        /// Why not.
        reason: String,
    },
    /// An earlier write failed, and the store could not be reopened since.
    #[error("writes are refused since the disk failed: {reason}")]
    Suspended {
        /// What failed, with its causes.
        reason: String,
    },
}

impl Error {
    /// One thing to do next, as a sentence; none if the cause says it all.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    "make room on the disk".to_owned()
                }
                io::ErrorKind::FileTooLarge => {
                    "raise the limit on the size of files (`ulimit -f`, `LimitFSIZE=`)".to_owned()
                }
                io::ErrorKind::ReadOnlyFilesystem => {
                    "mount the file system writable, or choose another directory".to_owned()
                }
                _ => return None,
            },
            Self::Denied { path, .. } => {
                format!(
                    "give the user of this process read and write access to `{}`",
                    path.display()
                )
            }
            Self::NotADirectory { .. } => "choose another directory".to_owned(),
            Self::Owned { .. } => "stop that process, or choose another directory".to_owned(),
            Self::Newer { .. } => {
                "use the version that wrote it or a later one, or choose another directory"
                    .to_owned()
            }
            Self::Etcd { .. } => "an empty cache is never started beside old data: serve this \
                 directory with an `etcd` and name that with --etcd-servers, or choose another \
                 directory for a new cache, which each shard fills again when it is restarted"
                .to_owned(),
            Self::Damaged { path, .. } => format!(
                "restore `{0}` from a backup, or move it away and start with an empty cache, which \
                 running shards fill again",
                path.display()
            ),
            Self::Remote { .. } => {
                "check that etcd is well (`etcdctl endpoint health`) and that --etcd-servers and the \
                 certificates name it"
                    .to_owned()
            }
            Self::TooLarge { .. } => {
                "make the object smaller, or raise `--max-request-bytes` of every member of etcd"
                    .to_owned()
            }
            Self::NoSpace => "let etcd compact and defragment, or raise its \
                 `--quota-backend-bytes`, then end the alarm with `etcdctl alarm disarm`"
                .to_owned(),
            Self::Credentials { .. } => {
                "give PEM files that this process can read: a CA, a certificate and its key"
                    .to_owned()
            }
            Self::Suspended { .. } => {
                "writes resume by themselves when the disk can be written again".to_owned()
            }
        })
    }

    /// Whether what failed may have been done all the same.
    pub fn is_maybe_done(&self) -> bool {
        matches!(self, Self::Remote { maybe_done: true, .. })
    }

    /// The failure of doing something with `path`, told apart by its kind.
    pub(crate) fn at(path: &Path, doing: &str, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied { path: path.to_owned(), source },
            io::ErrorKind::NotADirectory => Self::NotADirectory { path: path.to_owned() },
            _ => Self::Io { doing: format!("{doing} `{}`", path.display()), source },
        }
    }

    /// This error and its causes in one line.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }
}

fn owner(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}
