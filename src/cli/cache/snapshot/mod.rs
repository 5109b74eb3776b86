//! `kcpctl cache snapshot`: copy what a cache holds into a file, and back.
//!
//! * `save` takes a snapshot: of a running server through its API, of a data directory
//!   that nobody serves, or of an etcd.
//! * `inspect` says what a file holds, once all of it was checked.
//! * `restore` puts it into a data directory that nobody serves, or into an etcd.
//!
//! The definitions of types are left out: every server makes its own.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::error::{CliError, Kind};
use crate::store::{Snapshot, SnapshotError};

mod inspect;
mod restore;
mod save;

/// What stands for stdin or stdout.
const STANDARD: &str = "-";

/// Copy what a cache holds into a file, and back
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Save(save::SaveArgs),
    Inspect(inspect::InspectArgs),
    Restore(restore::RestoreArgs),
}

pub(super) fn run(command: Command) -> Result<(), CliError> {
    match command {
        Command::Save(args) => save::run(args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Restore(args) => restore::run(args),
    }
}

fn is_standard(path: &Path) -> bool {
    path.as_os_str() == STANDARD
}

/// Reads all of a file, or of stdin, and refuses what is not a whole snapshot.
fn open(path: &Path) -> Result<Snapshot, CliError> {
    let opened = if is_standard(path) {
        Snapshot::receive(io::stdin().lock())
    } else {
        File::open(path)
            .map_err(|source| SnapshotError::Io { doing: "it cannot be read", source })
            .and_then(Snapshot::open)
    };
    opened.map_err(|error| refused(path, error))
}

/// A snapshot that cannot be used or made.
fn refused(path: &Path, error: SnapshotError) -> CliError {
    let name = if is_standard(path) { "<standard stream>".to_owned() } else { quoted(path) };
    let hint = match &error {
        SnapshotError::Io { .. } => None,
        SnapshotError::Foreign => {
            Some("name a file that `kcpctl cache snapshot save` has written".to_owned())
        }
        SnapshotError::Newer { .. } => {
            Some("use the version that wrote it or a later one".to_owned())
        }
        _ => Some("use another snapshot; nothing of this one was used".to_owned()),
    };
    let error = CliError::new(
        Kind::Config,
        anyhow::Error::new(error).context(format!("{name} is of no use as a snapshot")),
    );
    hint.into_iter().fold(error, CliError::hint)
}

fn quoted(path: &Path) -> String {
    format!("`{}`", path.display())
}
