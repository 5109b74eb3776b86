//! The folder of manifests as the source of truth: what stands there is applied to the control
//! plane, and what no longer stands there is deleted.
//!
//! What was applied is known by the manager of its fields, so that nothing has to be remembered
//! between two lives of the process.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::ApiResource;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::cli::cache::serve::manifests::News;
use crate::cli::cache::serve::manifests::folder::{self, Snapshot};
use crate::cli::cache::serve::talk::Talk;
use crate::cli::findings::locate;
use crate::cli::sources::Sources;
use crate::installation::live::{by_stage, called, text};
use crate::installation::{self, Profile, Severity};
use crate::model::{Access, ResourceType};
use crate::shutdown::Shutdown;

/// The name under which the fields that files set are owned.
const MANAGER: &str = "kcpctl-manifests";

/// The name under which namespaces are made that files only name.
const NAMESPACE_MANAGER: &str = "kcpctl-namespaces";

/// The namespace of objects that name none.
const NAMESPACE: &str = "default";

/// How often the folder is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long it is until what failed is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// A folder, and what was last done with it.
pub(super) struct Folder {
    path: PathBuf,
    client: Client,
    kinds: BTreeMap<(String, String), Served>,
    talk: Talk,
    applied: Option<Snapshot>,
    /// What was told already: a problem is told once, until it changes.
    told: BTreeSet<String>,
}

/// A type that can be applied.
#[derive(Clone, Debug)]
struct Served {
    resource: ApiResource,
    namespaced: bool,
}

/// One object, by type, namespace and name.
type Name = ((String, String), String, String);

impl Folder {
    /// A folder whose objects are of these types.
    pub(super) fn new<'a>(
        path: PathBuf,
        client: Client,
        types: impl IntoIterator<Item = &'a ResourceType>,
        talk: Talk,
    ) -> Self {
        let served = |it: &ResourceType| {
            let api_version = it.api_version(&it.storage_version);
            let resource = ApiResource {
                group: it.group.clone(),
                version: it.storage_version.clone(),
                api_version: api_version.clone(),
                kind: it.kind.clone(),
                plural: it.resource.clone(),
            };
            ((api_version, it.kind.clone()), Served { resource, namespaced: it.namespaced })
        };
        let writable = types.into_iter().filter(|it| it.access == Access::ReadWrite);
        let kinds = writable.map(served).collect();
        Self { path, client, kinds, talk, applied: None, told: BTreeSet::new() }
    }

    /// Follows the folder until the process should end, whenever it is for us to do that.
    pub(super) async fn follow(mut self, mut leading: watch::Receiver<bool>, shutdown: Shutdown) {
        loop {
            let mut pause = LOOK_EVERY;
            if *leading.borrow_and_update() {
                tokio::select! {
                    is_well = self.look() => {
                        if !is_well {
                            pause = TRY_AGAIN;
                        }
                    }
                    // Whoever leads now must not meet us.
                    Ok(_) = leading.wait_for(|leads| !leads) => {}
                }
            }
            if !*leading.borrow() {
                // Another folder may have been applied by the time it is for us again.
                self.applied = None;
            }
            tokio::select! {
                () = shutdown.draining() => return,
                () = tokio::time::sleep(pause) => {}
                Ok(()) = leading.changed() => {}
            }
        }
    }

    /// Applies the folder if it has changed. Says whether all went well.
    async fn look(&mut self) -> bool {
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || folder::read(&path)).await;
        // What cannot be read is told by whoever gives shards their files; what was applied stays.
        let Ok(Ok(snapshot)) = read else { return true };
        if self.applied.as_ref() == Some(&snapshot) {
            return true;
        }
        let mut problems = BTreeSet::new();
        let sources = sources(&snapshot, &mut problems);
        let reading = sources.read();
        let is_whole = reading.rejected.is_empty() && problems.is_empty();
        let mut findings = installation::validate_all(&reading, Profile::Dev);
        // The operator has no part in this, and much of a folder may be on its way.
        findings.retain(|it| !it.operator_only && it.severity == Severity::Error);
        let located = locate(findings, &reading, &sources);
        problems.extend(located.iter().map(|it| it.lines().join("\n")));
        let mut failed = false;
        let mut wanted: BTreeSet<Name> = BTreeSet::new();
        let trees = reading.documents.into_iter().map(|it| it.tree).collect();
        for tree in by_stage(trees, |it| it) {
            match self.apply(tree).await {
                Ok(name) => wanted.extend(name),
                Err(problem) => {
                    failed = true;
                    problems.insert(problem);
                }
            }
        }
        // Who cannot be read may be the one that is missing.
        if is_whole && !failed {
            failed = !self.prune(&wanted, &mut problems).await;
        }
        for problem in &problems {
            if !self.told.contains(problem) {
                self.talk.news(News::Problem(problem.clone()));
            }
        }
        self.told = problems;
        self.applied = (!failed).then_some(snapshot);
        !failed
    }

    /// Applies one object, if the control plane has its type.
    async fn apply(&self, mut tree: Value) -> Result<Option<Name>, String> {
        let kind = (text(&tree, "/apiVersion").to_owned(), text(&tree, "/kind").to_owned());
        let Some(served) = self.kinds.get(&kind) else {
            tracing::debug!(object = called(&tree), "is of no type of the control plane");
            return Ok(None);
        };
        let name = text(&tree, "/metadata/name").to_owned();
        let mut namespace = String::new();
        if served.namespaced {
            namespace = text(&tree, "/metadata/namespace").to_owned();
            if namespace.is_empty() {
                NAMESPACE.clone_into(&mut namespace);
                if let Some(metadata) = tree["metadata"].as_object_mut() {
                    metadata.insert("namespace".to_owned(), NAMESPACE.into());
                }
            }
            self.make_namespace(&namespace).await?;
        }
        // What nobody writes into a file.
        if let Some(members) = tree.as_object_mut() {
            members.remove("status");
        }
        let api = self.api(served, &namespace);
        let params = PatchParams::apply(MANAGER).force();
        match api.patch(&name, &params, &Patch::Apply(&tree)).await {
            // What goes now would not come back before the folder changes again.
            Ok(object) if object.metadata.deletion_timestamp.is_some() => {
                Err(format!("{} is being deleted, and is made anew when it is gone", called(&tree)))
            }
            Ok(_) => Ok(Some((kind, namespace, name))),
            Err(error) => Err(format!("{} was not applied: {}", called(&tree), why(&error))),
        }
    }

    /// Makes the namespace that an object is in, if nobody has.
    async fn make_namespace(&self, name: &str) -> Result<(), String> {
        let kind = ("v1".to_owned(), "Namespace".to_owned());
        let Some(served) = self.kinds.get(&kind) else { return Ok(()) };
        let api = self.api(served, "");
        let failed = |error| format!("the namespace `{name}` was not made: {}", why(&error));
        if api.get_opt(name).await.map_err(failed)?.is_some() {
            return Ok(());
        }
        let tree = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name },
        });
        let params = PatchParams::apply(NAMESPACE_MANAGER);
        api.patch(name, &params, &Patch::Apply(&tree)).await.map(drop).map_err(failed)
    }

    /// Deletes what an earlier folder has applied and this one does not have. Says whether all
    /// went well.
    async fn prune(&self, wanted: &BTreeSet<Name>, problems: &mut BTreeSet<String>) -> bool {
        let mut well = true;
        for (kind, served) in &self.kinds {
            let everywhere: Api<DynamicObject> =
                Api::all_with(self.client.clone(), &served.resource);
            let objects = match everywhere.list(&ListParams::default()).await {
                Ok(objects) => objects,
                Err(error) => {
                    problems.insert(format!("{} objects were not listed: {}", kind.1, why(&error)));
                    well = false;
                    continue;
                }
            };
            for object in objects {
                let metadata = &object.metadata;
                let owned = metadata.managed_fields.iter().flatten();
                let is_ours = owned.into_iter().any(|it| {
                    it.manager.as_deref() == Some(MANAGER)
                        && it.operation.as_deref() == Some("Apply")
                });
                let namespace = metadata.namespace.clone().unwrap_or_default();
                let name = metadata.name.clone().unwrap_or_default();
                let place = (kind.clone(), namespace.clone(), name.clone());
                if !is_ours || wanted.contains(&place) || metadata.deletion_timestamp.is_some() {
                    continue;
                }
                let api = self.api(served, &namespace);
                match api.delete(&name, &DeleteParams::background()).await {
                    Ok(_) => tracing::info!(
                        object = format!("{} {namespace}/{name}", kind.1),
                        "deleted: no manifest has it any more"
                    ),
                    Err(error) => {
                        let what = format!("{} {namespace}/{name}", kind.1);
                        problems.insert(format!("{what} was not deleted: {}", why(&error)));
                        well = false;
                    }
                }
            }
        }
        well
    }

    fn api(&self, served: &Served, namespace: &str) -> Api<DynamicObject> {
        if served.namespaced {
            Api::namespaced_with(self.client.clone(), namespace, &served.resource)
        } else {
            Api::all_with(self.client.clone(), &served.resource)
        }
    }
}

/// The texts of the files that can be read.
fn sources(snapshot: &Snapshot, problems: &mut BTreeSet<String>) -> Sources {
    let mut texts = Vec::new();
    for (path, content) in snapshot.files() {
        match content {
            Ok(content) => texts.push((path.display().to_string(), content.clone())),
            Err(problem) => drop(problems.insert(problem.clone())),
        }
    }
    Sources::of_texts(texts)
}

fn why(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        error => error.to_string(),
    }
}
