//! Deleting what is left, some objects at a time, each only if it is still what was listed.

use futures::StreamExt as _;

use super::find::Left;
use crate::client::{CacheClient, Deletion, Scope};
use crate::error::{CliError, Kind};
use crate::model::{Cluster, Shard};
use crate::term::{self, Progress};

/// Deletes that are under way at once: a small part of what a server answers at once.
const IN_FLIGHT: usize = 16;

/// What became of each object, in their order; nothing of those that were not tried.
#[derive(Debug, Default)]
pub(super) struct Removed(Vec<Option<Deletion>>);

impl Removed {
    /// Whether the object at this place is gone.
    pub(super) fn is_gone(&self, at: usize) -> bool {
        matches!(self.0.get(at), Some(Some(Deletion::Done | Deletion::WasGone)))
    }

    /// How many were deleted.
    pub(super) fn deleted(&self) -> usize {
        self.0.iter().filter(|it| **it == Some(Deletion::Done)).count()
    }

    /// How many are others now.
    pub(super) fn changed(&self) -> usize {
        self.0.iter().filter(|it| **it == Some(Deletion::HasChanged)).count()
    }
}

/// Deletes all of `doomed`; ends at the first that the server refuses.
pub(super) async fn run(client: &CacheClient, doomed: &[Left]) -> Result<Removed, CliError> {
    let mut removed = Removed(vec![None; doomed.len()]);
    let mut progress = Progress::start("deleting");
    // What declares a type goes last: without it, no request leads to objects of the type.
    for declaring in [false, true] {
        let turn = doomed.iter().enumerate().filter(|(_, it)| it.declares == declaring);
        let deletions = turn.map(|(at, left)| async move { (at, delete(client, left).await) });
        let mut deletions = futures::stream::iter(deletions).buffer_unordered(IN_FLIGHT);
        while let Some((at, outcome)) = progress.during(deletions.next()).await {
            removed.0[at] = Some(outcome.map_err(|error| {
                let done = term::count(removed.deleted(), "object");
                error.hint(format!("{done} were deleted; run it again when that is mended"))
            })?);
            progress.message(format!("deleted {}", term::count(removed.deleted(), "object")));
        }
    }
    Ok(removed)
}

async fn delete(client: &CacheClient, left: &Left) -> Result<Deletion, CliError> {
    // They were names when they were listed.
    let bug = |error| CliError::new(Kind::Internal, anyhow::Error::new(error));
    let shard: Shard = left.shard.parse().map_err(bug)?;
    let cluster: Cluster = left.cluster.parse().map_err(bug)?;
    let scope = Scope { shard, cluster };
    Ok(client.delete(&scope, &left.path, &left.condition).await?)
}
