//! `kcpctl init installation`: write the objects of an installation.

use crate::error::CliError;

/// Write the objects of an installation
#[derive(Debug, clap::Args)]
pub(crate) struct InstallationArgs {}

pub(super) fn run(args: InstallationArgs) -> Result<(), CliError> {
    let InstallationArgs {} = args;
    Ok(())
}
