//! `kcpctl kubeconfig create`: make a kubeconfig.

use crate::error::CliError;

/// Make a kubeconfig that is proven to work
#[derive(Debug, clap::Args)]
pub(crate) struct CreateArgs {}

pub(super) fn run(args: CreateArgs) -> Result<(), CliError> {
    let CreateArgs {} = args;
    Ok(())
}
