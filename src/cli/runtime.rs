//! The tokio runtime that client commands run on.

use std::io;

use crate::error::{CliError, Kind};

/// Runs `work` on this thread alone: a client waits, it does not compute.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed_to_start)?
        .block_on(work)
}

fn failed_to_start(error: io::Error) -> CliError {
    let cause = anyhow::Error::new(error).context("failed to start the runtime");
    CliError::new(Kind::Internal, cause)
        .hint("the limits on threads or open files may be too low: see `ulimit -a`")
}
