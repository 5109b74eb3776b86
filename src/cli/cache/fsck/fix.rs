//! Deleting what nobody misses: a question, a copy, then one key at a time, each only if it
//! has not changed.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use bytes::Bytes;

use crate::cli::cache::stored::{Pairs, Stored};
use crate::cli::files;
use crate::error::{CliError, Kind};
use crate::fsck::{Code, Finding, Report};
use crate::store::{Backend as _, Expect, SnapshotError, SnapshotWriter, Write};
use crate::term::{self, Progress};

/// Keys that are deleted with one sync, or that are on their way to an etcd at once.
const BATCH_KEYS: usize = 64;

/// What was deleted.
#[derive(Debug, Default)]
pub(super) struct Removed {
    keys: HashSet<Bytes>,
    /// Where a copy of it lies.
    pub(super) backup: Option<PathBuf>,
}

impl Removed {
    pub(super) fn has(&self, key: &Bytes) -> bool {
        self.keys.contains(key)
    }
}

/// Asks, and deletes what is removable of `report`.
pub(super) async fn run(
    store: &Stored,
    (pairs, report): (Pairs, &Report),
    older_than: Duration,
    (yes, backup): (bool, Option<PathBuf>),
) -> Result<Removed, CliError> {
    let doomed = removable(store, report);
    if doomed.is_empty() {
        term::say("there is nothing that is safe to delete");
        return Ok(Removed::default());
    }
    let backup = backup.unwrap_or_else(default_backup);
    if backup.symlink_metadata().is_ok() {
        let cause = anyhow!("`{}` is there already", backup.display());
        return Err(CliError::new(Kind::Config, cause)
            .hint("name another file for the copy with `--backup`"));
    }
    let question = format!(
        "Delete {} ({}) from {}? A copy goes to `{}`",
        term::count(doomed.len(), "key"),
        by_code(&doomed),
        store.name,
        backup.display()
    );
    term::confirm(&question, yes)?;
    // Others may have written while the question stood, such as the Shard object of a shard
    // that looked gone.
    let (pairs, doomed) = if store.backend.is_shared() {
        let (now, _) = store.pairs().await?;
        let again = super::judge(store, &now, older_than);
        let still = removable(store, &again);
        let doomed: BTreeMap<_, _> =
            doomed.into_iter().filter(|(key, it)| still.get(key) == Some(it)).collect();
        (now, doomed)
    } else {
        (pairs, doomed)
    };
    keep(store, &pairs, &doomed, &backup)?;
    let mut removed = Removed { backup: Some(backup.clone()), ..Removed::default() };
    let deleted = delete(store, &doomed, &mut removed).await;
    store.forget_names(removed.keys.iter());
    let unreadable = removed.keys.iter().filter(|&key| doomed[key].code != Code::OrphanedShard);
    let deleted = match deleted {
        Ok(()) => store.forget_history(&unreadable.cloned().collect()).await,
        failed => failed,
    };
    let count = term::count(removed.keys.len(), "key");
    let copy = format!("a copy is in `{}`", backup.display());
    deleted.map_err(|error| error.hint(format!("{count} were deleted; {copy}")))?;
    term::say(&format!("deleted {count}; {copy}"));
    Ok(removed)
}

/// The removable keys that can be copied, each with one of its findings.
fn removable<'a>(store: &Stored, report: &'a Report) -> BTreeMap<Bytes, &'a Finding> {
    let mut doomed = BTreeMap::new();
    for finding in report.findings.iter().filter(|it| it.removable) {
        if store.without_prefix(&finding.key).is_some() {
            doomed.entry(finding.key.clone()).or_insert(finding);
        }
    }
    doomed
}

/// `2 PoisonedKey, 1 OrphanedShard`.
fn by_code(doomed: &BTreeMap<Bytes, &Finding>) -> String {
    let mut counts: BTreeMap<Code, u64> = BTreeMap::new();
    for finding in doomed.values() {
        *counts.entry(finding.code).or_default() += 1;
    }
    let counts = counts.iter().map(|(code, count)| format!("{} {code}", term::grouped(*count)));
    counts.collect::<Vec<_>>().join(", ")
}

fn default_backup() -> PathBuf {
    format!("fsck-{}.snapshot", jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ")).into()
}

/// Writes a copy of what is about to be deleted.
fn keep(
    store: &Stored,
    pairs: &Pairs,
    doomed: &BTreeMap<Bytes, &Finding>,
    backup: &Path,
) -> Result<(), CliError> {
    let failed = |error: SnapshotError| {
        let what = format!("failed to write the copy `{}`", backup.display());
        CliError::new(Kind::Config, anyhow::Error::new(error).context(what))
            .hint("nothing was deleted; name another file with `--backup`")
    };
    let mut writer = SnapshotWriter::new().map_err(failed)?;
    let mut newest = crate::model::Revision::ZERO;
    for key in doomed.keys() {
        let (Some(pair), Some(name)) = (pairs.get(key), store.without_prefix(key)) else {
            continue;
        };
        writer.add(name, pair.revision, &pair.value).map_err(failed)?;
        newest = newest.max(pair.revision);
    }
    let taken = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let source = format!("what fsck removed from {}", store.name);
    let written = files::write_with(backup, files::PRIVATE, |out| {
        writer.finish((taken, source, newest), out).map_err(std::io::Error::other)
    });
    written.map(|_| ()).map_err(|error| {
        CliError::new(Kind::Config, error)
            .hint("nothing was deleted; name another file with `--backup`")
    })
}

async fn delete(
    store: &Stored,
    doomed: &BTreeMap<Bytes, &Finding>,
    removed: &mut Removed,
) -> Result<(), CliError> {
    let mut progress = Progress::start("deleting");
    let all: Vec<_> = doomed.iter().collect();
    for slice in all.chunks(BATCH_KEYS) {
        let batch = slice.iter().map(|(key, finding)| Write {
            key: (*key).clone(),
            value: None,
            expect: Expect::At(finding.revision),
        });
        let outcomes = progress.during(store.backend.commit(batch.collect())).await?;
        let deleted = slice.iter().zip(outcomes).filter(|(_, outcome)| outcome.is_ok());
        removed.keys.extend(deleted.map(|((key, _), _)| (*key).clone()));
        progress.message(format!("deleted {}", term::count(removed.keys.len(), "key")));
    }
    Ok(())
}
