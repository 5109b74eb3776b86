//! `kcpctl init`: write the objects that describe an installation.

use crate::error::CliError;

mod folder;
mod installation;
mod wizard;

/// Write the objects that describe an installation
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Installation(installation::InstallationArgs),
}

pub(super) fn run(command: Command) -> Result<(), CliError> {
    match command {
        Command::Installation(args) => installation::run(args),
    }
}
