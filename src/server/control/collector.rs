//! What goes because something else has gone: objects whose owners are no more, and what lies in
//! a namespace that is being deleted.
//!
//! The control plane is small, so nothing is kept between two looks: each takes in everything,
//! and is repeated until nothing is left to do. So a look after a crash is one like any other.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Control, everything};
use crate::model::{ClusterName, ResourceType, Revision, ShardName};
use crate::server::handler::now;
use crate::server::plan::control::{self as plan, Deleted, FOREGROUND, ORPHAN, Propagation};
use crate::server::plan::{Subject, Value as Planned};
use crate::server::status::ApiError;
use crate::shutdown::Shutdown;
use crate::store::{Expect, Place};
use crate::view::{CommitError, Draft, View};

/// How often it is looked for what failed, and for what was written through another server.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Collects after every write until the end.
pub async fn run(view: Arc<View>, control: Arc<Control>, shutdown: Shutdown) {
    let mut settled = None;
    loop {
        let revision = view.root().revision();
        if settled != Some(revision) {
            settled = settle(&view, &control).await.then_some(revision);
        }
        tokio::select! {
            () = control.stirred.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = shutdown.draining() => return,
        }
    }
}

/// Collects what there is to collect. Says whether all went well.
async fn settle(view: &View, control: &Control) -> bool {
    let mut is_well = true;
    let served = served(control);
    loop {
        let objects = objects(view, control);
        let steps = steps(&objects, &served);
        let mut moved = false;
        for (at, step) in steps {
            match take(view, control, &objects[at], step).await {
                Ok(done) => moved |= done,
                Err(error) => {
                    let place = &*objects[at].place.path;
                    tracing::warn!(place, error = error.message(), "was not collected");
                    is_well = false;
                }
            }
        }
        if !moved {
            return is_well;
        }
    }
}

/// An object as it is.
#[derive(Debug)]
struct Object {
    place: Place,
    revision: Revision,
    tree: Value,
}

/// What is to be done to an object.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Step {
    /// It is deleted, as if a client had asked for that.
    Delete,
    /// It no longer names these owners.
    Disown(Vec<String>),
    /// It no longer waits for this.
    Release(&'static str),
    /// It was empty all along, or is by now.
    Remove,
}

impl Object {
    fn uid(&self) -> &str {
        self.tree["metadata"]["uid"].as_str().unwrap_or_default()
    }

    /// The types of its owners, such as `v1` and `Secret`.
    fn owner_types(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.tree["metadata"]["ownerReferences"].as_array();
        all.into_iter()
            .flatten()
            .filter_map(|it| Some((it["apiVersion"].as_str()?, it["kind"].as_str()?)))
    }

    fn owners(&self) -> impl Iterator<Item = (&str, bool)> {
        let all = self.tree["metadata"]["ownerReferences"].as_array();
        all.into_iter()
            .flatten()
            .filter_map(|it| Some((it["uid"].as_str()?, it["blockOwnerDeletion"] == true)))
    }

    fn is_leaving(&self) -> bool {
        !self.tree["metadata"]["deletionTimestamp"].is_null()
    }

    fn waits_for(&self, finalizer: &str) -> bool {
        let all = self.tree["metadata"]["finalizers"].as_array();
        self.is_leaving() && all.into_iter().flatten().any(|it| it == finalizer)
    }

    /// Whether somebody has something to do before it may go.
    fn is_held(&self) -> bool {
        let all = self.tree["metadata"]["finalizers"].as_array();
        all.is_some_and(|it| !it.is_empty())
    }

    fn is_namespace(&self) -> bool {
        self.place.kind.parts() == ("", "namespaces")
    }
}

fn objects(view: &View, control: &Control) -> Vec<Object> {
    let root = view.root();
    let mut objects = Vec::new();
    for key in control.keys() {
        for (origin, path, entry) in root.snapshot(key).list(&everything(), None) {
            objects.push(Object {
                place: Place { kind: key.clone(), origin: origin.clone(), path: path.clone() },
                revision: entry.revision(),
                tree: serde_json::from_slice(entry.json()).unwrap_or_default(),
            });
        }
    }
    objects
}

/// The types that can be known to be there or not, as owners are named by them.
fn served(control: &Control) -> HashSet<(String, String)> {
    let names = |it: &ResourceType| {
        let versions = it.versions.iter();
        versions.map(|version| (it.api_version(&version.name), it.kind.clone())).collect::<Vec<_>>()
    };
    control.types().flat_map(names).collect()
}

/// What is to be done now, at most one step an object.
fn steps(objects: &[Object], served: &HashSet<(String, String)>) -> Vec<(usize, Step)> {
    let by_uid: HashMap<&str, &Object> = objects.iter().map(|it| (it.uid(), it)).collect();
    let leaving: HashSet<&str> = objects
        .iter()
        .filter(|it| it.is_namespace() && it.is_leaving())
        .map(|it| it.place.parts().3)
        .collect();
    let step = |object: &Object| -> Option<Step> {
        let (_, _, namespace, name) = object.place.parts();
        if object.is_namespace() && object.is_leaving() {
            if objects.iter().any(|it| it.place.parts().2 == Some(name)) {
                return None;
            }
            if !object.is_held() {
                return Some(Step::Remove);
            }
        }
        if namespace.is_some_and(|it| leaving.contains(it)) && !object.is_leaving() {
            return Some(Step::Delete);
        }
        let owners: Vec<&str> = object.owners().map(|(uid, _)| uid).collect();
        let owner = |uid: &&str| by_uid.get(*uid).copied();
        let orphaned: Vec<String> = owners
            .iter()
            .filter(|it| owner(it).is_some_and(|it| it.waits_for(ORPHAN)))
            .map(|it| (*it).to_owned())
            .collect();
        if !orphaned.is_empty() {
            return Some(Step::Disown(orphaned));
        }
        // Of an owner elsewhere nobody here can say that it is gone.
        let is_foreign = |(version, kind): (&str, &str)| {
            !served.contains(&(version.to_owned(), kind.to_owned()))
        };
        let knows_owners = !object.owner_types().any(is_foreign);
        let lost: Vec<&&str> = owners.iter().filter(|it| owner(it).is_none()).collect();
        let stays = owners.iter().filter_map(owner).any(|it| !it.waits_for(FOREGROUND));
        if knows_owners && !owners.is_empty() && !stays && !object.is_leaving() {
            return Some(Step::Delete);
        }
        if knows_owners && !lost.is_empty() && stays {
            return Some(Step::Disown(lost.into_iter().map(|it| (*it).to_owned()).collect()));
        }
        let depends = |it: &&Object| it.owners().any(|(uid, _)| uid == object.uid());
        let blocks = |it: &&Object| it.owners().any(|(uid, block)| block && uid == object.uid());
        if object.waits_for(ORPHAN) && objects.iter().find(depends).is_none() {
            return Some(Step::Release(ORPHAN));
        }
        if object.waits_for(FOREGROUND) && objects.iter().find(blocks).is_none() {
            return Some(Step::Release(FOREGROUND));
        }
        None
    };
    objects.iter().enumerate().filter_map(|(at, it)| Some((at, step(it)?))).collect()
}

/// Takes a step. Says whether anything has changed by it.
async fn take(
    view: &View,
    control: &Control,
    object: &Object,
    step: Step,
) -> Result<bool, ApiError> {
    let (shard, cluster, namespace, _) = object.place.parts();
    let kind = control.kind(&object.place.kind)?;
    let name = |_| ApiError::internal("a place without a shard and a cluster");
    let (shard, cluster): (ShardName, ClusterName) =
        (shard.parse().map_err(name)?, cluster.parse().map_err(name)?);
    let subject = Subject {
        kind: &kind.resource,
        version: &kind.resource.storage_version,
        shard: &shard,
        cluster: &cluster,
        namespace: namespace.unwrap_or_default(),
        says_place: false,
        structure: None,
    };
    let mut tree = object.tree.clone();
    let metadata = &mut tree["metadata"];
    let value: Option<Planned> = match step {
        Step::Remove => None,
        Step::Delete => {
            let now = now();
            match plan::delete(&subject, &kind.rules, &tree, Propagation::Background, &now)? {
                Deleted::Waiting => return Ok(false),
                Deleted::Marked(value) => Some(value),
                Deleted::Now => None,
            }
        }
        Step::Disown(uids) => {
            without(metadata, "ownerReferences", |it| {
                uids.iter().any(|uid| it["uid"] == uid.as_str())
            });
            Some(plan::compose(&subject, &tree)?)
        }
        Step::Release(finalizer) => {
            without(metadata, "finalizers", |it| it == finalizer);
            match metadata.get("finalizers") {
                None => None,
                Some(_) => Some(plan::compose(&subject, &tree)?),
            }
        }
    };
    let value = value.map(|it| (it.stored, it.served));
    let expect = Expect::At(object.revision);
    match view.commit(Draft { place: object.place.clone(), expect, value }).await {
        // What somebody has changed meanwhile is looked at again.
        Ok(_) | Err(CommitError::Lost(_)) => Ok(true),
        Err(error) => Err(ApiError::unavailable(error.to_string())),
    }
}

/// Takes items out of a list, and the list with its last item.
fn without(metadata: &mut Value, list: &str, goes: impl Fn(&Value) -> bool) {
    let Some(items) = metadata[list].as_array() else { return };
    let left: Vec<Value> = items.iter().filter(|it| !goes(it)).cloned().collect();
    metadata[list] = json!(left);
    if left.is_empty()
        && let Some(members) = metadata.as_object_mut()
    {
        members.remove(list);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Origin, TypeKey};

    fn object(kind: &str, path: &str, metadata: &Value) -> Object {
        let mut tree = json!({ "metadata": { "uid": path } });
        tree["metadata"].as_object_mut().unwrap().extend(metadata.as_object().cloned().unwrap());
        Object {
            place: Place {
                kind: TypeKey::new("", kind),
                origin: Origin::BuiltIn,
                path: format!("s/c/{path}").into(),
            },
            revision: Revision(1),
            tree,
        }
    }

    fn steps(objects: &[Object]) -> Vec<(usize, Step)> {
        super::steps(objects, &HashSet::from([("v1".to_owned(), "Secret".to_owned())]))
    }

    fn owned_by(uids: &[&str]) -> Value {
        let all: Vec<_> = uids
            .iter()
            .map(|it| {
                json!({
                    "apiVersion": "v1", "kind": "Secret", "uid": it, "blockOwnerDeletion": true,
                })
            })
            .collect();
        json!({ "ownerReferences": all })
    }

    fn leaving(finalizer: &str) -> Value {
        json!({ "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": [finalizer] })
    }

    #[test]
    fn what_has_lost_its_last_owner_goes() {
        let all = [
            object("secrets", "n/owner", &json!({})),
            object("secrets", "n/free", &json!({})),
            object("secrets", "n/kept", &owned_by(&["n/owner"])),
            object("secrets", "n/lost", &owned_by(&["gone"])),
            object("secrets", "n/half", &owned_by(&["gone", "n/owner"])),
        ];
        assert_eq!(steps(&all), [(3, Step::Delete), (4, Step::Disown(vec!["gone".to_owned()]))]);
    }

    #[test]
    fn what_is_owned_by_something_of_elsewhere_stays() {
        let mut of_pod = owned_by(&["gone"]);
        of_pod["ownerReferences"][0]["kind"] = "Pod".into();
        assert_eq!(steps(&[object("secrets", "n/of-pod", &of_pod)]), []);
        let mut leaving = leaving(FOREGROUND);
        leaving["ownerReferences"] = of_pod["ownerReferences"].take();
        let alone = [object("secrets", "n/of-pod", &leaving)];
        assert_eq!(steps(&alone), [(0, Step::Release(FOREGROUND))]);
    }

    #[test]
    fn what_is_owned_goes_first_or_stays_as_the_deleter_wants() {
        let foreground = [
            object("secrets", "n/owner", &leaving(FOREGROUND)),
            object("secrets", "n/owned", &owned_by(&["n/owner"])),
        ];
        assert_eq!(steps(&foreground), [(1, Step::Delete)]);
        assert_eq!(steps(&foreground[..1]), [(0, Step::Release(FOREGROUND))]);
        let orphan = [
            object("secrets", "n/owner", &leaving(ORPHAN)),
            object("secrets", "n/owned", &owned_by(&["n/owner"])),
        ];
        assert_eq!(steps(&orphan), [(1, Step::Disown(vec!["n/owner".to_owned()]))]);
        assert_eq!(steps(&orphan[..1]), [(0, Step::Release(ORPHAN))]);
    }

    #[test]
    fn a_namespace_goes_when_it_is_empty() {
        let gone = json!({ "deletionTimestamp": "2026-01-01T00:00:00Z" });
        let all = [
            object("namespaces", "n", &gone),
            object("secrets", "n/one", &json!({})),
            object("secrets", "n/held", &leaving("mine")),
            object("secrets", "other/two", &json!({})),
        ];
        assert_eq!(steps(&all), [(1, Step::Delete)]);
        assert_eq!(steps(&[object("namespaces", "n", &gone)]), [(0, Step::Remove)]);
        assert_eq!(steps(&[object("namespaces", "n", &leaving("mine"))]), []);
        let waits = [object("namespaces", "n", &leaving(FOREGROUND))];
        assert_eq!(steps(&waits), [(0, Step::Release(FOREGROUND))]);
    }
}
