//! Why a data directory cannot be used, and what to do about it.

use std::path::PathBuf;

use super::dir::LAYOUT;
use crate::cli::files::FileError;
use crate::error::{CliError, Kind};
use crate::pki::PkiError;

/// A directory that cannot be used as it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataDirError {
    /// The path is no folder.
    #[error("`{}` is not a directory", path.display())]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error("failed to use the data directory")]
    File(#[from] FileError),
    /// The directory is a newer program's.
    #[error("`{}` says layout `{found}`, and this program knows layout {LAYOUT} only", path.display())]
    Layout {
        /// The file that says so.
        path: PathBuf,
        /// What it says.
        found: String,
    },
    /// The directory is a Go cache server's.
    #[error("`{}` holds the embedded etcd of a Go cache server", path.display())]
    GoServer {
        /// Where its data lie.
        path: PathBuf,
    },
    /// Files that belong together are not all there.
    #[error("`{}` lacks {missing}", path.display())]
    Incomplete {
        /// The directory.
        path: PathBuf,
        /// The files that are not there.
        missing: String,
    },
    /// A file holds something else than it should.
    #[error("cannot use `{}`", path.display())]
    Certificate {
        /// The file, or the first one of a pair.
        path: PathBuf,
        /// Why.
        source: PkiError,
    },
}

impl From<DataDirError> for CliError {
    fn from(error: DataDirError) -> Self {
        let hint = match &error {
            DataDirError::NotADirectory { .. } => "name a folder with `--data-dir`",
            DataDirError::File(_) => {
                "the user who runs the server must be able to read and write the directory"
            }
            DataDirError::Layout { .. } => "use the kcpctl that wrote it, or a newer one",
            DataDirError::GoServer { .. } => {
                "name another `--data-dir`: a cache is filled again by the shards that use it"
            }
            DataDirError::Incomplete { .. } => {
                "restore the files from a backup; or remove all `.crt`, `.key` and kubeconfig \
                 files there to begin with new CAs, and hand out new kubeconfigs"
            }
            DataDirError::Certificate { .. } => "restore the file from a backup",
        };
        Self::new(Kind::Config, error).hint(hint)
    }
}
