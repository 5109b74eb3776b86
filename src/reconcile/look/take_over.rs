//! Making objects ours that kcp-operator has made.

use super::{Did, Look, Problem};
use crate::api::Kind;
use crate::reconcile::adopt;
use crate::reconcile::kinds::{self, Watched};
use crate::reconcile::live::{COMPILED, COMPILED_GROUP, Live, Owner};

impl Look<'_> {
    /// Makes an object of the original's ours. Says whether it may be applied now.
    pub(super) async fn take_over(&mut self, watched: Watched, name: &str) -> bool {
        let resource = watched.resource();
        let place = (self.key.namespace.as_str(), name);
        let what = format!("{} `{name}` was not taken over", watched.kind());
        let found = match self.worker.cluster.get(&resource, place.0, place.1).await {
            Ok(Some(found)) => serde_json::to_value(found).unwrap_or_default(),
            Ok(None) => return true,
            Err(failure) => {
                self.problems.push(Problem::failed(&what, &failure));
                return false;
            }
        };
        let Some(patch) = adopt::take_over(watched, &found, self.key, &self.uid) else {
            return true;
        };
        match self.worker.cluster.merge(&resource, place, &patch, false).await {
            Ok(object) => {
                let verb = if self.worker.dry_run { "would take over" } else { "took over" };
                self.report.did.push(Did { verb, what: format!("{} {name}", watched.kind()) });
                if !self.worker.dry_run {
                    self.put(watched, Live::of(watched, object));
                }
                true
            }
            Err(failure) => {
                self.problems.push(Problem::failed(&what, &failure));
                false
            }
        }
    }

    /// Takes over what the Compiled object still owns, and removes it.
    pub(super) async fn adopt(&mut self) {
        if self.key.kind == Kind::Kubeconfig
            || self.problems.iter().any(|it| it.retry)
            || self.worker.adopted.lock().contains(&self.uid)
        {
            return;
        }
        let kind = format!("{COMPILED}{}", self.key.kind.as_str());
        let plural = format!("compiled{}", kinds::plural(self.key.kind));
        let resource = kinds::resource(COMPILED_GROUP, "v1alpha1", &kind, &plural);
        let (namespace, name) = (self.key.namespace.as_str(), self.key.name.as_str());
        let what = format!("{kind} `{name}` was not removed");
        let compiled = match self.worker.cluster.get(&resource, namespace, name).await {
            Ok(Some(compiled)) => compiled,
            Ok(None) => {
                self.worker.adopted.lock().insert(self.uid.clone());
                return;
            }
            Err(failure) => {
                self.problems.push(Problem::failed(&what, &failure));
                return;
            }
        };
        for watched in Watched::ALL.into_iter().filter(|it| it.is_made()) {
            let world = self.world.clone();
            for live in world.list(watched, namespace) {
                let what = format!("{} {}", watched.kind(), live.name());
                let is_told = self.report.did.iter().any(|it| it.what == what);
                if matches!(live.owner(self.key, &self.uid), Owner::Compiled { .. }) && !is_told {
                    self.take_over(watched, live.name()).await;
                }
            }
        }
        if self.problems.iter().any(|it| it.retry) {
            return;
        }
        let uid = compiled.metadata.uid.unwrap_or_default();
        match self.worker.cluster.delete(&resource, (namespace, name), &uid, true).await {
            Ok(()) => {
                let verb = if self.worker.dry_run { "would delete" } else { "deleted" };
                self.report.did.push(Did { verb, what: format!("{kind} {name}") });
            }
            Err(failure) => self.problems.push(Problem::failed(&what, &failure)),
        }
    }
}
