//! `kcpctl kubeconfig`: hand out access.

use crate::error::CliError;

mod create;

/// Make kubeconfigs that are proven to work
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Create(Box<create::CreateArgs>),
}

pub(super) fn run(command: Command) -> Result<(), CliError> {
    match command {
        Command::Create(args) => create::run(*args),
    }
}
