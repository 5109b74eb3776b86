//! `kcpctl cache`: run a cache server, and look into one.

use crate::error::CliError;

mod list;
mod serve;

pub(super) use serve::{EXECUTABLE as CACHE_SERVER, run_as_cache_server};

/// Run a cache server, and look into one
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    List(list::ListArgs),
    Serve(Box<serve::ServeArgs>),
}

pub(super) fn run(command: Command) -> Result<(), CliError> {
    match command {
        Command::List(args) => list::run(args),
        Command::Serve(args) => serve::run(*args),
    }
}
