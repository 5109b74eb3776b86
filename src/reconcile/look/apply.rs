//! One object at a time: applied, given its owner, or collected.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Changed, Did, Look, Problem};
use crate::api;
use crate::reconcile::cluster::Failure;
use crate::reconcile::kinds::Watched;
use crate::reconcile::live::{Live, Owner};
use crate::reconcile::plan::{self, Remembered, Verdict};
use crate::render::Item;

impl Look<'_> {
    pub(super) async fn apply_item(&mut self, item: &Item) {
        let watched = Watched::of(item);
        let name = item.name().to_owned();
        let tree = match item.to_tree() {
            Ok(tree) => tree,
            Err(error) => {
                self.problems.push(Problem::waits("Refused", format!("{item}: {error}")));
                return;
            }
        };
        let place = (watched, self.key.namespace.clone(), name.clone());
        let live = self.world.get(watched, &self.key.namespace, &name).cloned();
        let owner = live.as_ref().map_or(Owner::Nobody, |it| it.owner(self.key, &self.uid));
        let remembered = self.worker.memory.lock().get(&place).cloned();
        let adopt = self.worker.adopt;
        match plan::verdict(&tree, live.as_deref(), owner, remembered.as_ref(), adopt) {
            Verdict::AsWanted => {}
            Verdict::Foreign(owner) => {
                let hint = match owner {
                    Owner::Compiled { .. } => "take it over with `--adopt`",
                    _ => "give one of the two another name, or delete that object",
                };
                let message = format!("{} `{name}` belongs to {owner}; {hint}", watched.kind());
                self.problems.push(Problem::waits("OwnedByOther", message));
            }
            Verdict::Apply { force, take_over } => {
                // What was only tried has its old owner still, beside whom there can be no other.
                if take_over && (!self.take_over(watched, &name).await || self.worker.dry_run) {
                    return;
                }
                let mut result = self.worker.cluster.apply(watched, &tree, force).await;
                if force
                    && live.is_some()
                    && result.as_ref().is_err_and(|it| it.code() == Some(422))
                {
                    result = self.replace(watched, &tree).await;
                }
                match result {
                    Ok(result) => {
                        self.applied(&tree, live.as_deref(), watched, result, place);
                    }
                    Err(failure) => {
                        let what = format!("{} `{name}` was not applied", watched.kind());
                        self.problems.push(Problem::failed(&what, &failure));
                    }
                }
            }
        }
    }

    /// Replaces what an object of ours says, list by list.
    ///
    /// An apply knows the items of a list by their keys. If somebody changed a key, such as the
    /// number of a port, it would add the right item beside the wrong one, which a server may
    /// refuse.
    async fn replace(&self, watched: Watched, tree: &Value) -> Result<Live, Failure> {
        let mut patch = tree.clone();
        if let Some(patch) = patch.as_object_mut() {
            patch.retain(|key, _| !["apiVersion", "kind", "metadata"].contains(&key.as_str()));
        }
        let name = tree["metadata"]["name"].as_str().unwrap_or_default();
        let place = (self.key.namespace.as_str(), name);
        self.worker.cluster.merge(&watched.resource(), place, &patch, false).await?;
        self.worker.cluster.apply(watched, tree, true).await
    }

    fn applied(
        &mut self,
        tree: &Value,
        before: Option<&Live>,
        watched: Watched,
        result: Live,
        place: (Watched, String, String),
    ) {
        let what = format!("{} {}", watched.kind(), result.name());
        let dry_run = self.worker.dry_run;
        let verb = match before {
            None if dry_run => Some("would create"),
            None => Some("created"),
            Some(before) if dry_run => (!is_same(before, &result)).then_some("would update"),
            Some(before) => (before.revision() != result.revision()).then_some("updated"),
        };
        self.report.did.extend(verb.map(|verb| Did { verb, what }));
        if dry_run {
            return;
        }
        let remembered = Remembered {
            fingerprint: plan::fingerprint(tree),
            uid: result.uid().to_owned(),
            revision: result.revision().to_owned(),
        };
        self.worker.memory.lock().insert(place, remembered);
        self.put(watched, result);
    }

    pub(super) fn put(&mut self, watched: Watched, live: Live) {
        self.world.put(watched, live.clone());
        self.report.changed.push(Changed::Put(watched, Box::new(live)));
    }

    /// Makes a Secret that cert-manager writes go with the Kubeconfig that it was written for.
    pub(super) async fn own_secret(&mut self, name: &str) {
        let Some(live) = self.world.get(Watched::Secret, &self.key.namespace, name).cloned() else {
            return;
        };
        if live.owner(self.key, &self.uid) != Owner::Nobody {
            return;
        }
        let owner = json!({
            "apiVersion": api::API_VERSION, "kind": self.key.kind.as_str(), "name": self.key.name,
            "uid": self.uid, "controller": true, "blockOwnerDeletion": true,
        });
        let tree = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {
                "name": name, "namespace": self.key.namespace, "ownerReferences": [owner],
            },
        });
        match self.worker.cluster.apply(Watched::Secret, &tree, false).await {
            Ok(result) if !self.worker.dry_run => self.put(Watched::Secret, result),
            Ok(_) => {}
            Err(failure) => {
                let what = format!("Secret `{name}` was not given its owner");
                self.problems.push(Problem::failed(&what, &failure));
            }
        }
    }

    pub(super) async fn collect(&mut self, keep: &BTreeSet<(Watched, String)>) {
        for (watched, name) in plan::leftovers(&self.world, self.key, &self.uid, keep) {
            let Some(live) = self.world.get(watched, &self.key.namespace, &name).cloned() else {
                continue;
            };
            let at = (self.key.namespace.as_str(), name.as_str());
            match self.worker.cluster.delete(&watched.resource(), at, live.uid(), false).await {
                Ok(()) => {
                    let verb = if self.worker.dry_run { "would delete" } else { "deleted" };
                    let what = format!("{} {name}", watched.kind());
                    self.report.did.push(Did { verb, what });
                    if !self.worker.dry_run {
                        self.world.remove(watched, &live);
                        self.report.changed.push(Changed::Gone(watched, live));
                    }
                }
                Err(failure) => {
                    let what =
                        format!("{} `{name}`, which is no longer needed, stays", watched.kind());
                    self.problems.push(Problem::failed(&what, &failure));
                }
            }
        }
    }
}

/// Whether two states of an object differ in nothing that matters.
fn is_same(one: &Live, other: &Live) -> bool {
    one.body() == other.body()
        && one.metadata.labels == other.metadata.labels
        && one.metadata.annotations == other.metadata.annotations
        && one.metadata.owner_references == other.metadata.owner_references
}
