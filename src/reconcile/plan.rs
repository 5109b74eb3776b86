//! PURE: what there should be and what there is → what to do.

use std::collections::BTreeSet;
use std::hash::Hasher;

use serde_json::Value;
use xxhash_rust::xxh3::Xxh3Default;

use super::kinds::Watched;
use super::live::{Live, Owner, World};
use super::source::SourceKey;

/// What is known of an object that was applied.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remembered {
    /// What was applied.
    pub fingerprint: u64,
    /// Which object it was.
    pub uid: String,
    /// What came of it.
    pub revision: String,
}

/// What to do about one rendered object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Nothing: it is as it should be.
    AsWanted,
    /// Apply it.
    Apply {
        /// Whether fields that others own are taken over: only in an object that is ours.
        force: bool,
        /// Whether the original's part in it has to be ended first.
        take_over: bool,
    },
    /// Leave it alone.
    Foreign(Owner),
}

/// A number for a tree; other trees have other ones.
pub fn fingerprint(tree: &Value) -> u64 {
    let mut hasher = Xxh3Default::new();
    hasher.write(tree.to_string().as_bytes());
    hasher.finish()
}

/// Decides about a rendered object.
///
/// An object is applied if something else is rendered than was applied, or if it no longer has
/// what was. What was applied is only known since the start: the first look applies everything,
/// which also takes away fields that a former life applied and nobody renders any longer.
pub fn verdict(
    wanted: &Value,
    live: Option<&Live>,
    owner: Owner,
    remembered: Option<&Remembered>,
    adopt: bool,
) -> Verdict {
    let Some(live) = live else { return Verdict::Apply { force: true, take_over: false } };
    let ours = match owner {
        Owner::Source => true,
        Owner::Nobody => live.is_applied() || adopt && is_written_by_operator(live),
        Owner::Compiled { .. } if adopt => true,
        owner @ (Owner::Compiled { .. } | Owner::Other { .. }) => return Verdict::Foreign(owner),
    };
    let take_over = adopt && is_written_by_operator(live);
    let known = remembered.filter(|it| it.uid == live.uid());
    if !take_over
        && let Some(known) = known
        && known.fingerprint == fingerprint(wanted)
        && (known.revision == live.revision() || is_as_wanted(wanted, live))
    {
        return Verdict::AsWanted;
    }
    Verdict::Apply { force: ours, take_over }
}

/// The names under which the original owns fields.
const OPERATOR_MANAGERS: [&str; 2] = ["manager", "kcp-operator"];

/// Whether a manager of fields is the original.
pub(super) fn is_operator(manager: &str) -> bool {
    OPERATOR_MANAGERS.contains(&manager)
}

/// Whether the original manages fields of an object.
pub fn is_written_by_operator(live: &Live) -> bool {
    live.metadata.managed_fields.iter().flatten().any(|it| {
        it.manager.as_deref().is_some_and(is_operator)
            && it.subresource.as_deref().unwrap_or_default().is_empty()
    })
}

/// Whether an object has everything that it should have. What others added does not matter.
pub fn is_as_wanted(wanted: &Value, live: &Live) -> bool {
    let metadata = serde_json::to_value(&live.metadata).unwrap_or_default();
    let body = live.body();
    wanted.as_object().is_some_and(|wanted| {
        wanted.iter().all(|(key, value)| match key.as_str() {
            "apiVersion" | "kind" | "status" => true,
            "metadata" => covers(value, Some(&metadata)),
            key => covers(value, body.get(key)),
        })
    })
}

/// Maps that are applied as a whole: one more label, and a Service finds no pods.
const WHOLE: [&str; 2] = ["selector", "nodeSelector"];

/// Whether `live` has everything that `wanted` says.
fn covers(wanted: &Value, live: Option<&Value>) -> bool {
    match wanted {
        Value::Null => true,
        // An empty object says nothing, and a server drops it.
        Value::Object(wanted) => wanted.iter().all(|(key, value)| {
            let live = live.and_then(|it| it.get(key));
            if WHOLE.contains(&key.as_str()) && !value.is_null() {
                live == Some(value)
            } else {
                covers(value, live)
            }
        }),
        Value::Array(wanted) => {
            let live = live.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            if wanted.iter().all(Value::is_object) {
                // A list of objects has keys in most places, and others may add to it.
                wanted.iter().all(|it| live.iter().any(|other| covers(it, Some(other))))
            } else {
                wanted.as_slice() == live
            }
        }
        scalar => live == Some(scalar),
    }
}

/// What the source made once and renders no longer. Nobody else's objects are among it.
pub fn leftovers(
    world: &World,
    key: &SourceKey,
    uid: &str,
    keep: &BTreeSet<(Watched, String)>,
) -> Vec<(Watched, String)> {
    let mut found = Vec::new();
    for watched in Watched::ALL.into_iter().filter(|it| it.is_made()) {
        for live in world.list(watched, &key.namespace) {
            let name = live.name().to_owned();
            if live.owner(key, uid) == Owner::Source
                && live.is_applied()
                && live.metadata.deletion_timestamp.is_none()
                && !keep.contains(&(watched, name.clone()))
            {
                found.push((watched, name));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use kube::core::DynamicObject;
    use serde_json::json;

    use super::*;
    use crate::api::Kind;

    fn live(watched: Watched, tree: Value) -> Live {
        let object: DynamicObject = serde_json::from_value(tree).expect("an object");
        Live::of(watched, object)
    }

    fn service(owners: &Value, managers: &Value) -> Live {
        live(
            Watched::Service,
            json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": {
                    "name": "a", "namespace": "demo", "uid": "u", "resourceVersion": "7",
                    "labels": { "a": "b", "of": "others" },
                    "ownerReferences": owners, "managedFields": managers,
                },
                "spec": {
                    "clusterIP": "10.0.0.1", "selector": { "app": "a", "more": "b" },
                    "ports": [{ "name": "https", "port": 6443, "nodePort": 30000 }],
                },
            }),
        )
    }

    fn wanted() -> Value {
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": { "name": "a", "namespace": "demo", "labels": { "a": "b" } },
            "spec": { "ports": [{ "name": "https", "port": 6443 }] },
        })
    }

    fn key() -> SourceKey {
        SourceKey { kind: Kind::Shard, namespace: "demo".into(), name: "one".into() }
    }

    fn by(group: &str, kind: &str, uid: &str) -> Value {
        json!([{ "apiVersion": format!("{group}/v1alpha1"), "kind": kind, "name": "one",
                 "uid": uid, "controller": true }])
    }

    fn applied() -> Value {
        json!([{ "manager": "kcpctl", "operation": "Apply" }])
    }

    #[test]
    fn what_others_add_does_not_matter_and_what_they_change_does() {
        let found = service(&json!([]), &json!([]));
        assert!(is_as_wanted(&wanted(), &found));
        for (pointer, value) in [
            ("/metadata/labels/a", json!("c")),
            ("/metadata/labels/missing", json!("c")),
            ("/spec/ports/0/port", json!(1)),
            ("/spec/ports", json!([{ "name": "https", "port": 6443 }, { "name": "more" }])),
            ("/spec/type", json!("NodePort")),
            ("/spec/selector", json!({ "app": "a" })),
        ] {
            let mut wanted = wanted();
            let (parent, name) = pointer.rsplit_once('/').expect("a parent");
            wanted.pointer_mut(parent).expect("it is there")[name] = value;
            assert!(!is_as_wanted(&wanted, &found), "{pointer}");
        }
        let mut empty = wanted();
        empty["spec"]["externalIPs"] = json!([]);
        empty["spec"]["sessionAffinityConfig"] = json!({});
        assert!(is_as_wanted(&empty, &found), "what is empty is what is absent");
    }

    #[test]
    fn an_object_is_applied_until_it_is_as_wanted_and_only_forced_if_it_is_ours() {
        let ours = by("operator.kcp.io", "Shard", "me");
        let remembered = |revision: &str| Remembered {
            fingerprint: fingerprint(&wanted()),
            uid: "u".to_owned(),
            revision: revision.to_owned(),
        };
        let other = Remembered { fingerprint: 0, ..remembered("7") };
        let replaced = Remembered { uid: "v".to_owned(), ..remembered("7") };
        let forced = Verdict::Apply { force: true, take_over: false };
        let asked = Verdict::Apply { force: false, take_over: false };
        let compiled = by("deploy.operator.kcp.io", "CompiledShard", "c");
        let take_over = Verdict::Apply { force: true, take_over: true };
        let by_operator = json!([{ "manager": "manager", "operation": "Update" }]);
        let check = |name: &str, owners: &Value, managers: Value, known, adopt, expected| {
            let live = service(owners, &managers);
            let owner = live.owner(&key(), "me");
            assert_eq!(verdict(&wanted(), Some(&live), owner, known, adopt), expected, "{name}");
        };
        let same = remembered("7");
        let older = remembered("6");
        check("nothing is remembered", &ours, applied(), None, false, forced.clone());
        check("as it was applied", &ours, applied(), Some(&same), false, Verdict::AsWanted);
        check("changed beside us", &ours, applied(), Some(&older), false, Verdict::AsWanted);
        check("something else is wanted", &ours, applied(), Some(&other), false, forced.clone());
        check("another object", &ours, applied(), Some(&replaced), false, forced.clone());
        check("nobody's", &json!([]), json!([]), None, false, asked);
        check("nobody's, and we made it", &json!([]), applied(), None, false, forced);
        let other = Owner::Other { kind: "Shard".into(), name: "one".into() };
        let theirs = by("operator.kcp.io", "Shard", "another life");
        check("another's", &theirs, applied(), None, true, Verdict::Foreign(other));
        let owner = Owner::Compiled { uid: "c".into() };
        check(
            "the original's",
            &compiled,
            by_operator.clone(),
            None,
            false,
            Verdict::Foreign(owner),
        );
        check("adopted", &compiled, by_operator.clone(), None, true, take_over.clone());
        check("the source's, from the original", &ours, by_operator, Some(&same), true, take_over);
    }

    #[test]
    fn only_what_we_made_for_this_source_is_collected() {
        let mut world = World::default();
        let mut put = |name: &str, owners: Value, managers: Value| {
            let mut live = service(&owners, &managers);
            live.metadata.name = Some(name.to_owned());
            world.put(Watched::Service, live);
        };
        let ours = by("operator.kcp.io", "Shard", "me");
        put("rendered", ours.clone(), applied());
        put("old", ours.clone(), applied());
        put("by-hand", ours, json!([{ "manager": "kubectl", "operation": "Update" }]));
        put("of-another", by("operator.kcp.io", "Shard", "other"), applied());
        put("of-nobody", json!([]), applied());
        let keep = [(Watched::Service, "rendered".to_owned())].into();
        let found = leftovers(&world, &key(), "me", &keep);
        assert_eq!(found, [(Watched::Service, "old".to_owned())]);
    }
}
