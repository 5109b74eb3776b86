//! `kcpctl cache serve`: run the cache server in the foreground.
//!
//! ```text
//! args, go_flags ──► settings ──► process ──► the log, the store's lock, the data
//!                                             directory, the port, the view; then
//!                                             serve until a signal, drain, close
//! ```
//!
//! * `args` are the flags of `kcpctl cache serve`, `go_flags` those of `cache-server`.
//! * `etcd` are those flags of both that name an etcd elsewhere.
//! * `settings` is what both end in, and refuses what cannot work.
//! * `memory` finds how much of it there is.
//! * `data_dir` makes certificates and kubeconfigs, `files` chooses between those and
//!   given ones, `manifests` gives the shards of an installation theirs.
//! * `upkeep` does what must be done again and again; `talk` says what the user wants
//!   to know.
//! * `process` brings everything up in an order in which failing leaves nothing half
//!   done, and takes it down.
//! * `control` is the control plane beside the cache.
//! * `pulse` asks the store how it is.
//! * `wiring` puts store, view and request path together.

mod args;
mod control;
mod data_dir;
mod etcd;
mod files;
mod go_flags;
mod manifests;
mod memory;
mod process;
mod pulse;
mod settings;
mod talk;
mod upkeep;
mod values;
mod wiring;

use std::ffi::OsString;

use crate::error::{CliError, Kind};

pub(crate) use args::ServeArgs;
pub(crate) use etcd::EtcdFlags;
pub(crate) use go_flags::EXECUTABLE;
pub(crate) use settings::KEY_PREFIX;
pub(crate) use values::parse_span;

pub(super) fn run(args: ServeArgs) -> Result<(), CliError> {
    process::run(args.settings()?)
}

/// Runs as the Go cache server, with the whole command line `args`.
pub(crate) fn run_as_cache_server(
    args: impl IntoIterator<Item = OsString>,
) -> Result<Result<(), CliError>, clap::Error> {
    let settings = go_flags::parse(args)?;
    Ok(settings.map_err(CliError::from).and_then(process::run))
}

impl From<settings::SettingsError> for CliError {
    fn from(error: settings::SettingsError) -> Self {
        Self::new(Kind::Usage, error).hint("see `--help`")
    }
}
