//! `kcpctl cache fsck`: find what is wrong in a store, and delete of it what nobody misses.
//!
//! * `show` prints the findings, in each format.
//! * `fix` asks, keeps a copy, and deletes.
//!
//! Nothing is written without `--fix`. What is wrong is decided by [`crate::fsck`].

mod fix;
mod show;

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::anyhow;

use super::stored::{Pairs, StoreArgs, Stored};
use super::{ORPHAN_PATIENCE, parse_span};
use crate::cli::args::OutputArgs;
use crate::cli::runtime::block_on;
use crate::error::{CliError, Kind};
use crate::fsck::{Report, Scan};
use crate::server::bootstrap;
use crate::term::{self, Progress};

const EXAMPLES: &str = "\
Codes:
  PoisonedKey      no request leads to the key: its cluster is a path of
                   workspaces, or a segment is missing
  StrangeKey       a key that is none of a cache
  UnreadableValue  the value is no object
  EncodedValue     the value is encrypted, or in a form that this version
                   cannot read
  NameMismatch     the object says another name than its key
  TwoShards        the object of one cluster lies on several shards
  OrphanedShard    the object's shard is not registered any longer

Examples:
  # Look at the data of a stopped server
  kcpctl cache fsck --data-dir .kcpctl

  # Look at an etcd that servers are using, for a script
  kcpctl cache fsck --etcd-servers https://etcd-0:2379 --etcd-cafile ca.crt \\
    --etcd-certfile client.crt --etcd-keyfile client.key -o json

  # Delete what is safe to delete, and keep a copy of it
  kcpctl cache fsck --data-dir .kcpctl --fix --backup removed.snapshot";

/// Find what is wrong in a store, and mend it
///
/// Reads the data of a stopped server, or everything below a prefix of an etcd at one
/// revision, also while servers use it. Exits with 1 if something is wrong. `--fix`
/// deletes poisoned keys, unreadable values and what shards that are gone have left, each
/// only if it has not changed since; the rest is for you to decide. Nothing is written
/// without it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct FsckArgs {
    #[command(flatten)]
    store: StoreArgs,

    /// Delete what nobody misses, after a question
    #[arg(long)]
    fix: bool,

    /// Delete without a question
    #[arg(long, requires = "fix")]
    yes: bool,

    /// File for a copy of what is deleted [default: `fsck-` and the time]
    ///
    /// A snapshot: `kcpctl cache snapshot restore --raw --merge` puts it back.
    #[arg(long, value_name = "FILE", requires = "fix")]
    backup: Option<PathBuf>,

    /// Take no shard for gone of which something changed within this time
    ///
    /// By the times that its objects name, and by those of the store if it knows them.
    #[arg(long, value_name = "DURATION", default_value = ORPHAN_PATIENCE, value_parser = parse_span)]
    older_than: Duration,

    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: FsckArgs) -> Result<(), CliError> {
    let FsckArgs { store, fix, yes, backup, older_than, output } = args;
    let Some(location) = store.location()? else {
        let cause = anyhow!("which store to look at is not said");
        return Err(CliError::new(Kind::Usage, cause).hint(
            "name the data directory of a stopped server with `--data-dir`, or an etcd with \
             `--etcd-servers`",
        ));
    };
    block_on(async {
        let store = location.open().await?;
        let (pairs, revision) = Progress::start("reading").during(store.pairs()).await?;
        let report = judge(&store, &pairs, older_than);
        let mut shown = show::Shown::new(&store, revision, output.output);
        shown.findings(&report)?;
        show::remarks(&store, &report);
        let mut removed = fix::Removed::default();
        if fix {
            removed = fix::run(&store, (pairs, &report), older_than, (yes, backup)).await?;
        }
        shown.end(&report, &removed)?;
        outcome(&report, &removed, fix)
    })
}

/// What is wrong with these pairs.
fn judge(store: &Stored, pairs: &Pairs, older_than: Duration) -> Report {
    let mut scan = Scan::new(store.keys.clone(), bootstrap::DEFINITIONS_HOME, bootstrap::serve);
    for (key, pair) in pairs {
        scan.add(key, pair.revision, &pair.value, pair.at_millis);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    scan.finish(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), older_than)
}

/// The end of the command: well if nothing is wrong any longer.
fn outcome(report: &Report, removed: &fix::Removed, fixed: bool) -> Result<(), CliError> {
    let left: Vec<_> = report.findings.iter().filter(|it| !removed.has(&it.key)).collect();
    if left.is_empty() {
        return Ok(());
    }
    let removable = left.iter().filter(|it| it.removable).count();
    let findings = term::count(left.len(), "finding");
    let left_over = if fixed { " left" } else { "" };
    let error = CliError::new(Kind::Findings, anyhow!("{findings}{left_over}"));
    Err(match (removable, fixed) {
        (0, _) => error.hint(
            "none of it is safe to delete unseen: look at the objects, and delete what is wrong \
             through a server, or its key with `etcdctl del`",
        ),
        (count, false) => error.hint(format!(
            "`--fix` deletes {} of them that nobody misses, and keeps a copy",
            term::grouped(count as u64)
        )),
        (_, true) => error.hint("some have changed meanwhile: run it again"),
    })
}
