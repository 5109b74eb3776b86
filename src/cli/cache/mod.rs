//! `kcpctl cache`: run a cache server, look into one, copy what it holds, and tidy up.
//!
//! * `serve` runs a server.
//! * `list` and `snapshot` read from one, or from what it has stored; `snapshot` writes too.
//! * `fsck` finds what is wrong in a store.
//! * `prune` deletes what is left of shards that are gone, through a server.
//! * `stored` opens a store for those that do without a server.

use crate::error::CliError;

mod fsck;
mod list;
mod prune;
mod serve;
mod snapshot;
mod stored;

use serve::parse_span;
pub(super) use serve::{EXECUTABLE as CACHE_SERVER, run_as_cache_server};

/// How long nothing of a shard must have changed until it is taken for gone, unless told
/// otherwise: longer than any shard takes to come up.
const ORPHAN_PATIENCE: &str = "1h";

/// Run a cache server, look into one, copy what it holds, and tidy up
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Fsck(fsck::FsckArgs),
    List(list::ListArgs),
    Prune(prune::PruneArgs),
    Serve(Box<serve::ServeArgs>),
    #[command(subcommand)]
    Snapshot(snapshot::Command),
}

pub(super) fn run(command: Command) -> Result<(), CliError> {
    match command {
        Command::Fsck(args) => fsck::run(args),
        Command::List(args) => list::run(args),
        Command::Prune(args) => prune::run(args),
        Command::Serve(args) => serve::run(*args),
        Command::Snapshot(command) => snapshot::run(command),
    }
}
