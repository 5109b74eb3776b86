//! What is left of shards that are gone: how much there is, and its end after a while.
//!
//! A shard is gone if objects of it are here and no `Shard` object has its name
//! ([`crate::model::shards`]). Who asks for it has what they left deleted once they have been
//! gone for a time. It is counted from when this process first saw that, so that a start is
//! always a new beginning: a shard that registers late, or a cache that is being filled, has at
//! least that long.
//!
//! ```text
//! every few seconds: which shards are gone ──► since when ──► is it time?
//!                                                                │
//!   view.fresh() ──► still gone? ──► a slice of deletes, each at its revision ──► again
//! ```
//!
//! Several servers on one store may all do this: each object is deleted once, by one of them.
//!
//! # Cost
//!
//! A look takes the first object of each shard and type, and steps over the rest. What does
//! not belong to a shard that is gone is never walked over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;

use crate::model::shards::{SHARD_GROUP, SHARD_RESOURCE, Shards, Standing};
use crate::model::{Cluster, Revision, Shard};
use crate::shutdown::Shutdown;
use crate::store::{Expect, Origin, Place, TypeKey};
use crate::view::{CommitError, Draft, Root, Scope, View};

/// How many deletes are in the queue at once, so that other writers get their turn. Between
/// two slices it is asked again whether the shard is still gone.
const SLICE: usize = 100;

/// The longest and the shortest time between two looks: a small part of the time that shards
/// are given, and neither busy nor blind.
const LOOK: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// Since when shards have been seen to be gone.
#[derive(Debug, Default)]
struct Absences(BTreeMap<String, Instant>);

/// What one look tells.
#[derive(Debug, Default, Eq, PartialEq)]
struct Look {
    /// Shards that were there at the last look.
    new: Vec<String>,
    /// Shards that are there again, or of which nothing is left.
    over: Vec<String>,
    /// Shards that have been gone for long enough.
    due: Vec<String>,
}

impl Absences {
    fn look(&mut self, now: Instant, gone: &BTreeSet<String>, after: Duration) -> Look {
        let over: Vec<String> =
            self.0.keys().filter(|shard| !gone.contains(*shard)).cloned().collect();
        self.0.retain(|shard, _| gone.contains(shard));
        let new: Vec<String> =
            gone.iter().filter(|shard| !self.0.contains_key(*shard)).cloned().collect();
        self.0.extend(new.iter().map(|shard| (shard.clone(), now)));
        let is_due = |since: Instant| now.saturating_duration_since(since) >= after;
        let due = self.0.iter().filter(|(_, since)| is_due(**since));
        let due = due.map(|(shard, _)| shard.clone()).collect();
        Look { new, over, due }
    }
}

/// The shards that objects belong to while no `Shard` object has their name.
pub fn gone(root: &Root) -> BTreeSet<String> {
    let mut shards = Shards::default();
    let registered = root.snapshot(&TypeKey::new(SHARD_GROUP, SHARD_RESOURCE));
    let everywhere = Scope {
        origin: Some(Origin::BuiltIn),
        shard: Shard::All,
        cluster: Cluster::All,
        namespace: None,
        name: None,
    };
    for (_, path, _) in registered.list(&everywhere, None) {
        let (host, _, _, name) = crate::store::split_path(path);
        shards.register(host, name);
    }
    if shards.is_empty() {
        return BTreeSet::new();
    }
    let mut found = root.shards();
    found.retain(|shard| shards.standing(shard) == Standing::Gone);
    found
}

/// How many objects are left of shards that are gone.
pub fn count(root: &Root) -> usize {
    gone(root).iter().map(|shard| root.of_shard(shard).count()).sum()
}

/// Deletes what is left of shards that have been gone for `after`, until the drain. Counts
/// what it deleted.
pub async fn prune(view: Arc<View>, after: Duration, pruned: Counter, shutdown: Shutdown) {
    let every = (after / 4).clamp(LOOK.0, LOOK.1);
    let mut absences = Absences::default();
    let mut seen: Option<(Revision, BTreeSet<String>)> = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = shutdown.draining() => return,
        }
        let root = view.root();
        let missing = match seen.take() {
            Some((revision, missing)) if revision == root.revision() => missing,
            _ => gone(&root),
        };
        let look = absences.look(Instant::now(), &missing, after);
        seen = Some((root.revision(), missing));
        for shard in look.new {
            let objects = root.of_shard(&shard).count();
            tracing::info!(
                shard,
                objects,
                ?after,
                "a shard is gone; what it left is pruned unless its Shard object comes back"
            );
        }
        for shard in look.over {
            tracing::info!(shard, "a shard is there again, or nothing is left of it");
        }
        for shard in look.due {
            if let Err(error) = prune_shard(&view, &shard, &pruned, &shutdown).await {
                tracing::warn!(shard, %error, "failed to prune; it is tried again");
            }
        }
    }
}

/// Why a shard was not pruned to the end.
#[derive(Debug, thiserror::Error)]
enum PruneError {
    #[error("it is not known whether this is the newest state: {0}")]
    Stale(#[from] crate::view::Stale),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

async fn prune_shard(
    view: &View,
    shard: &str,
    pruned: &Counter,
    shutdown: &Shutdown,
) -> Result<(), PruneError> {
    // What is written meanwhile is left for the next look.
    let all: Vec<(Place, Revision)> = view.root().of_shard(shard).collect();
    for slice in all.chunks(SLICE) {
        // Another server may have heard more of it.
        view.fresh().await?;
        if shutdown.is_draining() || !gone(&view.root()).contains(shard) {
            return Ok(());
        }
        let deletes = slice.iter().map(|(place, revision)| async move {
            let draft = Draft { place: place.clone(), expect: Expect::At(*revision), value: None };
            (place, view.commit(draft).await)
        });
        for (place, outcome) in join_all(deletes).await {
            match outcome {
                Ok(_) => {
                    pruned.inc();
                    let (_, cluster, namespace, name) = place.parts();
                    let (kind, namespace) = (&place.kind, namespace.unwrap_or_default());
                    tracing::info!(%kind, shard, cluster, namespace, name, "pruned an object");
                }
                Err(CommitError::Lost(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(shards: &[&str]) -> BTreeSet<String> {
        shards.iter().map(|&it| it.to_owned()).collect()
    }

    #[test]
    fn a_shard_is_due_when_it_was_gone_at_every_look_for_long_enough() {
        const AFTER: Duration = Duration::from_secs(60);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut absences = Absences::default();
        let due = |look: &Look| look.due.clone();
        let first = absences.look(at(0), &set(&["a", "b"]), AFTER);
        assert_eq!((first.new.len(), first.due.len()), (2, 0));
        // One comes back, and goes again.
        let look = absences.look(at(30), &set(&["a"]), AFTER);
        assert_eq!((look.over, look.new), (vec!["b".to_owned()], vec![]));
        let look = absences.look(at(59), &set(&["a", "b"]), AFTER);
        assert_eq!(due(&look), Vec::<String>::new());
        let look = absences.look(at(60), &set(&["a", "b"]), AFTER);
        assert_eq!(due(&look), ["a"]);
        // Until nothing is left of it, it is due.
        let look = absences.look(at(61), &set(&["a", "b"]), AFTER);
        assert_eq!(due(&look), ["a"]);
        let look = absences.look(at(119), &set(&["b"]), AFTER);
        assert_eq!((due(&look), look.over), (vec!["b".to_owned()], vec!["a".to_owned()]));
    }
}
