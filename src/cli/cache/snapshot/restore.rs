//! `kcpctl cache snapshot restore`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use bytes::Bytes;

use super::directory::keyed;
use super::{DirectoryArgs, directory, open, refused};
use crate::cli::files;
use crate::cli::runtime::block_on;
use crate::error::{CliError, Kind};
use crate::model::json::scan;
use crate::store::{Backend as _, Embedded, Expect, Snapshot, SnapshotError, SnapshotItem, Write};
use crate::term;

/// Objects that are written with one sync.
const BATCH_OBJECTS: usize = 512;

const EXAMPLES: &str = "\
Examples:
  # Into a directory that no server has used yet
  kcpctl cache snapshot restore cache.snapshot --data-dir .kcpctl

  # Only what is missing, into a directory that is in use otherwise
  kcpctl cache snapshot restore cache.snapshot --data-dir .kcpctl --merge";

/// Put a snapshot into the data directory of a stopped server
///
/// The whole file is checked before anything is written. Revisions go on above those of
/// the snapshot and above the clock, so that clients of the old server notice, and list
/// again.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RestoreArgs {
    /// File to read, or `-` for stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    directory: DirectoryArgs,

    /// Add to the objects that are there; what both have stays as it is
    #[arg(long)]
    merge: bool,
}

pub(super) fn run(args: RestoreArgs) -> Result<(), CliError> {
    let RestoreArgs { file, directory: DirectoryArgs { data_dir }, merge } = args;
    let Some(dir) = data_dir else {
        let cause = anyhow!("where to restore to is not said");
        return Err(CliError::new(Kind::Usage, cause)
            .hint("name the data directory of a stopped server with `--data-dir`"));
    };
    let mut snapshot = open(&file)?;
    check(&mut snapshot).map_err(|error| refused(&file, error))?;
    files::make_private_dir(&dir).map_err(|error| CliError::new(Kind::Config, error))?;
    let path = directory::store_in(&dir);
    let store = directory::open(&path, snapshot.header().revision)?;
    block_on(async {
        let present = present(&store).await?;
        if !present.is_empty() && !merge {
            let (path, objects) = (path.display(), term::count(present.len(), "object"));
            return Err(CliError::new(
                Kind::Config,
                anyhow!("the store in `{path}` holds {objects} already"),
            )
            .hint("restore into another directory, or add what is missing with `--merge`"));
        }
        let mut written = 0;
        fill(&store, &present, &file, &mut snapshot, &mut written).await.map_err(|error| {
            let objects = term::count(written, "object");
            error.hint(format!("{objects} were written; go on with `--merge` when that is mended"))
        })?;
        let all = usize::try_from(snapshot.header().objects).unwrap_or(usize::MAX);
        let kept = match all - written {
            0 => String::new(),
            kept => format!(", and kept {} that were there", term::grouped(kept as u64)),
        };
        let objects = term::count(written, "object");
        term::say(&format!("restored {objects} into `{}`{kept}", path.display()));
        Ok(())
    })
}

/// Reads everything once, so that nothing is written of what cannot be served.
fn check(snapshot: &mut Snapshot) -> Result<(), SnapshotError> {
    let keys = directory::keyspace();
    for item in snapshot.items()? {
        let SnapshotItem { key, value, .. } = item?;
        let damaged = |what| SnapshotError::Damaged(format!("{what} `{key}`"));
        if directory::copied(&keys, keyed(&key).as_bytes()).is_none() {
            return Err(damaged("no cache has a key"));
        }
        if scan::scan(&value).is_err() {
            return Err(damaged("no server can have written the value of"));
        }
    }
    Ok(())
}

/// The keys of the objects that are there.
async fn present(store: &Embedded) -> Result<BTreeSet<Bytes>, CliError> {
    let keys = directory::keyspace();
    let (objects, _) = directory::state(store).await?;
    Ok(objects.into_keys().filter(|key| directory::copied(&keys, key).is_some()).collect())
}

/// Writes what is not there, and counts it.
async fn fill(
    store: &Embedded,
    present: &BTreeSet<Bytes>,
    file: &Path,
    snapshot: &mut Snapshot,
    written: &mut usize,
) -> Result<(), CliError> {
    let mut items = snapshot.items().map_err(|error| refused(file, error))?;
    loop {
        let mut batch = Vec::with_capacity(BATCH_OBJECTS);
        for item in items.by_ref() {
            let SnapshotItem { key, value, .. } = item.map_err(|error| refused(file, error))?;
            let key = Bytes::from(keyed(&key));
            if present.contains(&key) {
                continue;
            }
            batch.push(Write { key, value: Some(value.into()), expect: Expect::Absent });
            if batch.len() == BATCH_OBJECTS {
                break;
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        let count = batch.len();
        store.commit(batch).await?;
        *written += count;
    }
}
