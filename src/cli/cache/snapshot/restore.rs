//! `kcpctl cache snapshot restore`.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::{open, refused};
use crate::cli::cache::stored::{Location, Pairs, StoreArgs, Stored, place_of_copy};
use crate::cli::runtime::block_on;
use crate::error::{CliError, Kind};
use crate::fsck::reachable;
use crate::server::bootstrap;
use crate::store::{
    AnyBackend, Backend as _, Expect, Snapshot, SnapshotError, SnapshotItem, Write,
};
use crate::term::{self, Progress};
use crate::view::read_stored;

/// Objects that are written with one sync of one's own store.
const BATCH_OBJECTS: usize = 512;

/// Objects that are on their way to an etcd at once, each in a transaction: enough for
/// etcd to sync many together, and few for servers that write there too.
const IN_FLIGHT: usize = 64;

const EXAMPLES: &str = "\
Examples:
  # Into a directory that no server has used yet
  kcpctl cache snapshot restore cache.snapshot --data-dir .kcpctl

  # Only what is missing, into a directory that is in use otherwise
  kcpctl cache snapshot restore cache.snapshot --data-dir .kcpctl --merge

  # Into an etcd, which servers may be using
  kcpctl cache snapshot restore cache.snapshot \\
    --etcd-servers https://etcd-0:2379 --etcd-cafile ca.crt --merge";

/// Put a snapshot into the data of a stopped server, or into an etcd
///
/// The whole file is checked before anything is written. In a data directory, revisions
/// go on above those of the snapshot and above the clock, so that clients of the old
/// server notice, and list again. An etcd numbers its own: if it has not come as far as
/// the snapshot, clients of the old server would wait for what has long happened, and
/// only `--force` restores into it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RestoreArgs {
    /// File to read, or `-` for stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Add to the objects that are there; what both have stays as it is
    #[arg(long)]
    merge: bool,

    /// Restore into an etcd also if its revisions are below those of the snapshot
    ///
    /// Then restart every shard that used the cache before.
    #[arg(long)]
    force: bool,

    /// Take keys and values as they are, also such as no server can read
    ///
    /// Puts back what `kcpctl cache fsck --fix` has removed.
    #[arg(long)]
    raw: bool,

    #[command(flatten)]
    store: StoreArgs,
}

pub(super) fn run(args: RestoreArgs) -> Result<(), CliError> {
    let RestoreArgs { file, merge, force, raw, store } = args;
    let Some(location) = store.location()? else {
        let cause = anyhow!("where to restore to is not said");
        return Err(CliError::new(Kind::Usage, cause).hint(
            "name the data directory of a stopped server with `--data-dir`, or an etcd with \
             `--etcd-servers`",
        ));
    };
    if force && matches!(location, Location::Directory { .. }) {
        let cause = anyhow!("`--force` is for an etcd: in a data directory revisions go on above");
        return Err(CliError::new(Kind::Usage, cause).hint("leave it out"));
    }
    let mut snapshot = open(&file)?;
    if !raw {
        check(&mut snapshot).map_err(|error| {
            refused(&file, error)
                .hint("what `kcpctl cache fsck --fix` has removed is put back with `--raw`")
        })?;
    }
    block_on(async {
        let store = location.open_or_make(snapshot.header().revision).await?;
        let (present, newest) = store.pairs().await?;
        let objects = present.keys().filter(|key| reachable(&store.keys, key).is_some()).count();
        if objects > 0 && !merge {
            let (objects, name) = (term::count(objects, "object"), &store.name);
            return Err(CliError::new(Kind::Config, anyhow!("{name} holds {objects} already"))
                .hint("restore elsewhere, or add what is missing with `--merge`"));
        }
        if newest < snapshot.header().revision && store.backend.is_shared() && !force {
            return Err(behind(&store, newest.0, snapshot.header().revision.0));
        }
        let mut restored = Restored::default();
        let filled = fill(&store, &present, &file, &mut snapshot, &mut restored).await;
        filled.map_err(|error| {
            let objects = term::count(restored.written, "object");
            error.hint(format!("{objects} were written; go on with `--merge` when that is mended"))
        })?;
        let kept = match restored.kept {
            0 => String::new(),
            kept => format!(", and kept {} that were there", term::grouped(kept as u64)),
        };
        let objects = term::count(restored.written, "object");
        term::say(&format!("restored {objects} into {}{kept}", store.name));
        Ok(())
    })
}

/// The refusal of an etcd whose revisions are below the snapshot's.
fn behind(store: &Stored, newest: u64, wanted: u64) -> CliError {
    let missing = wanted - newest;
    let cause = anyhow!(
        "{} has come to revision {newest}, the snapshot is of revision {wanted}: clients that \
         know later revisions would wait for changes that were made long ago",
        store.name
    );
    let bump = missing + BUMP_MARGIN;
    CliError::new(Kind::Config, cause)
        .hint(format!(
            "raise etcd's revision first, by restoring etcd itself: `etcdutl snapshot restore \
             --bump-revision {bump} --mark-compacted …` of a snapshot of this etcd (etcd 3.6)"
        ))
        .hint(
            "or restore with `--force`, then restart every shard that used the cache before, so \
             that it forgets the revisions that it knows",
        )
}

/// What to raise a revision by beyond what is needed at least.
const BUMP_MARGIN: u64 = 1_000_000;

/// Reads everything once, so that nothing is written of what cannot be served.
fn check(snapshot: &mut Snapshot) -> Result<(), SnapshotError> {
    for item in snapshot.items()? {
        let SnapshotItem { key, value, revision } = item?;
        let damaged = |what| SnapshotError::Damaged(format!("{what} `{key}`"));
        let Some(place) = place_of_copy(&key) else {
            return Err(damaged("no cache has a key"));
        };
        if read_stored(&place, &value, revision, bootstrap::serve).is_err() {
            return Err(damaged("no server can have written the value of"));
        }
    }
    Ok(())
}

/// What became of the objects of a snapshot.
#[derive(Debug, Default)]
struct Restored {
    written: usize,
    kept: usize,
}

/// Writes what is not there, and counts it.
async fn fill(
    store: &Stored,
    present: &Pairs,
    file: &Path,
    snapshot: &mut Snapshot,
    restored: &mut Restored,
) -> Result<(), CliError> {
    let size = match store.backend {
        AnyBackend::Embedded(_) => BATCH_OBJECTS,
        AnyBackend::Etcd(_) => IN_FLIGHT,
    };
    let mut progress = Progress::start("restoring");
    let mut items = snapshot.items().map_err(|error| refused(file, error))?;
    loop {
        let mut batch = Vec::with_capacity(size);
        for item in items.by_ref() {
            let SnapshotItem { key, value, .. } = item.map_err(|error| refused(file, error))?;
            let key = store.with_prefix(&key);
            if present.contains_key(&key) {
                restored.kept += 1;
                continue;
            }
            batch.push(Write { key, value: Some(value.into()), expect: Expect::Absent });
            if batch.len() == size {
                break;
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        for outcome in progress.during(store.backend.commit(batch)).await? {
            match outcome {
                Ok(_) => restored.written += 1,
                // Somebody else has written it meanwhile.
                Err(_) => restored.kept += 1,
            }
        }
        progress.message(format!("restored {}", term::count(restored.written, "object")));
    }
}
