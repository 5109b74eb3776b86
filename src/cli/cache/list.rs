//! `kcpctl cache list`: show what a cache server holds.

use crate::error::CliError;

/// Show what a cache server holds
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {}

pub(super) fn run(args: ListArgs) -> Result<(), CliError> {
    let ListArgs {} = args;
    Ok(())
}
