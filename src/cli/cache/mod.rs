//! `kcpctl cache`: run a cache server, look into one, and copy what it holds.

use crate::error::CliError;

mod list;
mod serve;
mod snapshot;

pub(super) use serve::{EXECUTABLE as CACHE_SERVER, run_as_cache_server};

/// Run a cache server, look into one, and copy what it holds
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    List(list::ListArgs),
    Serve(Box<serve::ServeArgs>),
    #[command(subcommand)]
    Snapshot(snapshot::Command),
}

pub(super) fn run(command: Command) -> Result<(), CliError> {
    match command {
        Command::List(args) => list::run(args),
        Command::Serve(args) => serve::run(*args),
        Command::Snapshot(command) => snapshot::run(command),
    }
}
