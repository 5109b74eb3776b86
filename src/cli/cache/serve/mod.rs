//! `kcpctl cache serve`: run the cache server in the foreground.

use crate::error::CliError;

mod data_dir;

/// Run the cache server in the foreground
#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {}

pub(super) fn run(args: ServeArgs) -> Result<(), CliError> {
    let ServeArgs {} = args;
    Ok(())
}
