//! `kcpctl cache`: run a cache server, and look into one.

use crate::error::CliError;

mod list;
mod serve;

/// Run a cache server, and look into one
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    List(list::ListArgs),
    Serve(serve::ServeArgs),
}

pub(super) fn run(command: Command) -> Result<(), CliError> {
    match command {
        Command::List(args) => list::run(args),
        Command::Serve(args) => serve::run(args),
    }
}
