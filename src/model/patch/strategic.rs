//! Strategic merge patch, for the Kubernetes types among ours.
//!
//! `kubectl apply` and `kubectl edit` send this form for every type that they know
//! from Kubernetes: RBAC and admission registration, and on the control plane
//! Deployments, Services and the like. It is a merge patch that can also merge lists:
//! element by element where a list has a merge key, value by value where it is a set.
//! Which lists those are stands in tables; all others are replaced. What a patch cannot
//! say by its values it says by directives, members whose name begins with `$`.
//!
//! # What is absent on purpose
//!
//! Types with schemas of their own: no list of theirs has a merge key that clients know.

use serde_json::{Map, Value};

/// Lists that are merged: the path of each, and how.
type Lists = &'static [(&'static str, Merge)];

/// Those that every object has.
const OF_ALL: Lists =
    &[("metadata.finalizers", Merge::Values), ("metadata.ownerReferences", Merge::By("uid"))];

/// Those of RBAC and admission registration.
const OF_ADMISSION: Lists = &[
    ("spec.matchConditions", Merge::By("name")),
    ("spec.variables", Merge::By("name")),
    ("webhooks", Merge::By("name")),
    ("webhooks.matchConditions", Merge::By("name")),
];

/// Those of Services, Namespaces, Deployments and the like.
const OF_WORKLOADS: Lists =
    &[("spec.ports", Merge::By("port")), ("status.conditions", Merge::By("type"))];

/// Those of the pods of a Deployment, in what they are made from.
const OF_PODS: Lists = &[
    ("spec.containers", Merge::By("name")),
    ("spec.containers.env", Merge::By("name")),
    ("spec.containers.ports", Merge::By("containerPort")),
    ("spec.containers.volumeDevices", Merge::By("devicePath")),
    ("spec.containers.volumeMounts", Merge::By("mountPath")),
    ("spec.hostAliases", Merge::By("ip")),
    ("spec.imagePullSecrets", Merge::By("name")),
    ("spec.resourceClaims", Merge::By("name")),
    ("spec.schedulingGates", Merge::By("name")),
    ("spec.topologySpreadConstraints", Merge::By("topologyKey")),
    ("spec.volumes", Merge::By("name")),
];

/// Lists of containers of other kinds, which have the same lists.
const CONTAINERS: [&str; 2] = ["spec.initContainers", "spec.ephemeralContainers"];

/// What a Deployment makes its pods from.
const TEMPLATE: &str = "spec.template.";

/// How a list is merged.
#[derive(Clone, Copy)]
enum Merge {
    /// As a set of plain values.
    Values,
    /// Element by element; the member called so tells them apart.
    By(&'static str),
}

const DIRECTIVE: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder/";
const REMOVE: &str = "$deleteFromPrimitiveList/";

type Object = Map<String, Value>;

/// The patch says something that cannot be done.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StrategicError {
    /// A `$patch` that we do not know.
    #[error("unknown value of `$patch` at `{path}`: expected `replace`, `merge` or `delete`")]
    Directive {
        /// Where it stands.
        path: String,
    },
    /// A directive of another type than it must have.
    #[error("`{directive}` at `{path}` must be a list")]
    NotAList {
        /// The directive.
        directive: String,
        /// Where it stands.
        path: String,
    },
    /// An element of a list with a merge key that has none.
    #[error("an element of `{path}` has no `{key}`, by which its elements are told apart")]
    NoKey {
        /// The list.
        path: String,
        /// The merge key.
        key: &'static str,
    },
}

/// Whether clients may send strategic merge patches for types of `group`. On the cache plane a
/// type of `apps` is one that a user has defined.
pub fn is_supported(group: &str, on_control_plane: bool) -> bool {
    match group {
        "rbac.authorization.k8s.io" | "admissionregistration.k8s.io" | "" => true,
        group => is_workload(group) && on_control_plane,
    }
}

fn is_workload(group: &str) -> bool {
    matches!(group, "" | "apps" | "policy" | "coordination.k8s.io")
}

/// Changes `object` as `changes` say. After an error `object` is not to be used.
pub(super) fn apply(object: &mut Object, changes: Object) -> Result<(), StrategicError> {
    let api_version = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let lists = if is_workload(group) { OF_WORKLOADS } else { OF_ADMISSION };
    merge_object(lists, object, changes, "")
}

fn merge_object(
    lists: Lists,
    object: &mut Object,
    mut changes: Object,
    path: &str,
) -> Result<(), StrategicError> {
    match changes.remove(DIRECTIVE).as_ref().map(Value::as_str) {
        None | Some(Some("merge")) => {}
        Some(Some("replace")) => {
            *object = without_directives(changes);
            return Ok(());
        }
        Some(Some("delete")) => {
            object.clear();
            return Ok(());
        }
        Some(_) => return Err(StrategicError::Directive { path: path.to_owned() }),
    }
    if let Some(retained) = changes.remove(RETAIN) {
        let retained = list(retained, RETAIN, path)?;
        object.retain(|key, _| retained.iter().any(|it| it == key));
    }
    let mut orders = Vec::new();
    let mut removals = Vec::new();
    let mut values = Vec::new();
    for (key, value) in changes {
        if let Some(name) = key.strip_prefix(ORDER) {
            orders.push((name.to_owned(), list(value, &key, path)?));
        } else if let Some(name) = key.strip_prefix(REMOVE) {
            removals.push((name.to_owned(), list(value, &key, path)?));
        } else {
            values.push((key, value));
        }
    }
    for (key, removed) in removals {
        if let Some(Value::Array(items)) = object.get_mut(&key) {
            items.retain(|it| !removed.contains(it));
        }
    }
    for (key, value) in values {
        let order = orders.iter().position(|(name, _)| *name == key);
        let order = order.map(|at| orders.swap_remove(at).1);
        merge_member(lists, object, key, value, order, path)?;
    }
    // An order without values sorts what is there.
    for (key, order) in orders {
        let path = joined(path, &key);
        if let (Some(Value::Array(items)), Some(merge_key)) =
            (object.get_mut(&key), strategy(lists, &path))
        {
            let live = items.clone();
            *items = ordered(std::mem::take(items), &order, &live, merge_key);
        }
    }
    Ok(())
}

fn merge_member(
    lists: Lists,
    object: &mut Object,
    key: String,
    value: Value,
    order: Option<Vec<Value>>,
    path: &str,
) -> Result<(), StrategicError> {
    if value.is_null() {
        object.remove(&key);
        return Ok(());
    }
    let path = joined(path, &key);
    match (object.get_mut(&key), value) {
        (Some(Value::Object(old)), Value::Object(new)) => merge_object(lists, old, new, &path),
        (Some(Value::Array(old)), Value::Array(new)) => {
            let Some(merge) = strategy(lists, &path) else {
                *old = new.into_iter().map(clean).collect();
                return Ok(());
            };
            let live = old.clone();
            // Unless it says another order, the patch's own is the one that it wants.
            let order = order.unwrap_or_else(|| new.clone());
            merge_list(lists, old, new, merge, &path)?;
            *old = ordered(std::mem::take(old), &order, &live, merge);
            Ok(())
        }
        (_, value) => {
            object.insert(key, clean(value));
            Ok(())
        }
    }
}

fn merge_list(
    lists: Lists,
    old: &mut Vec<Value>,
    new: Vec<Value>,
    merge: Merge,
    path: &str,
) -> Result<(), StrategicError> {
    let Merge::By(key) = merge else {
        for value in new {
            if !old.contains(&value) {
                old.push(value);
            }
        }
        return Ok(());
    };
    // One element that says so replaces the list by the others.
    if new.iter().any(|it| it.get(DIRECTIVE).is_some_and(|it| it == "replace")) {
        old.clear();
    }
    for item in new {
        let Value::Object(mut item) = item else {
            return Err(StrategicError::NoKey { path: path.to_owned(), key });
        };
        let directive = item.get(DIRECTIVE).and_then(Value::as_str).map(str::to_owned);
        if directive.as_deref() == Some("replace") {
            continue;
        }
        let Some(name) = item.get(key).cloned() else {
            return Err(StrategicError::NoKey { path: path.to_owned(), key });
        };
        let is_it = |it: &Value| it.get(key) == Some(&name);
        if directive.as_deref() == Some("delete") {
            old.retain(|it| !is_it(it));
            continue;
        }
        if let Some(Value::Object(found)) = old.iter_mut().find(|it| is_it(it)) {
            merge_object(lists, found, item, path)?;
            continue;
        }
        if item.remove(DIRECTIVE).is_some_and(|it| it != "merge") {
            return Err(StrategicError::Directive { path: path.to_owned() });
        }
        old.push(Value::Object(without_directives(item)));
    }
    Ok(())
}

/// Sorts a merged list: what the patch orders stands in that order, and each
/// element that only the live object has keeps its place among them.
fn ordered(items: Vec<Value>, order: &[Value], live: &[Value], merge: Merge) -> Vec<Value> {
    let key = |it: &Value| match merge {
        Merge::By(key) => it.get(key).cloned().unwrap_or_default(),
        Merge::Values => it.clone(),
    };
    let rank = |among: &[Value], it: &Value| {
        let wanted = key(it);
        among.iter().position(|other| key(other) == wanted).unwrap_or(usize::MAX)
    };
    let (mut sorted, only_live): (Vec<_>, Vec<_>) =
        items.into_iter().partition(|it| rank(order, it) < usize::MAX);
    sorted.sort_by_key(|it| rank(order, it));
    let mut from = 0;
    for item in only_live {
        let place = rank(live, &item);
        let after = |it: &Value| {
            let other = rank(live, it);
            other < usize::MAX && other > place
        };
        let at = sorted[from..].iter().position(after).map_or(sorted.len(), |at| from + at);
        sorted.insert(at, item);
        from = at + 1;
    }
    sorted
}

/// How the list at `path` is merged, if it is.
fn strategy(lists: Lists, path: &str) -> Option<Merge> {
    let find = |lists: Lists, path: &str| {
        lists.iter().find(|(list, _)| *list == path).map(|(_, merge)| *merge)
    };
    let Some(path) = path.strip_prefix(TEMPLATE) else {
        return find(OF_ALL, path).or_else(|| find(lists, path));
    };
    let others = CONTAINERS.iter().find_map(|it| path.strip_prefix(it));
    match others.filter(|rest| rest.is_empty() || rest.starts_with('.')) {
        Some(rest) => find(OF_PODS, &format!("spec.containers{rest}")),
        None => find(OF_ALL, path).or_else(|| find(OF_PODS, path)),
    }
}

fn list(value: Value, directive: &str, path: &str) -> Result<Vec<Value>, StrategicError> {
    if let Value::Array(items) = value {
        return Ok(items);
    }
    Err(StrategicError::NotAList { directive: directive.to_owned(), path: path.to_owned() })
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A value that goes in where none was: without nulls and directives.
fn clean(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(without_directives(members)),
        Value::Array(items) => Value::Array(items.into_iter().map(clean).collect()),
        scalar => scalar,
    }
}

fn without_directives(members: Object) -> Object {
    let is_directive = |key: &str| {
        matches!(key, DIRECTIVE | RETAIN) || key.starts_with(ORDER) || key.starts_with(REMOVE)
    };
    members
        .into_iter()
        .filter(|(key, value)| !value.is_null() && !is_directive(key))
        .map(|(key, value)| (key, clean(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patched(object: Value, patch: Value) -> Result<Value, StrategicError> {
        let (Value::Object(mut object), Value::Object(changes)) = (object, patch) else {
            panic!("not objects")
        };
        let is_plain = !object.contains_key("apiVersion");
        object.entry("apiVersion").or_insert("admissionregistration.k8s.io/v1".into());
        apply(&mut object, changes)?;
        if is_plain {
            object.remove("apiVersion");
        }
        Ok(Value::Object(object))
    }

    #[test]
    fn ports_and_conditions_merge_where_they_have_a_key() {
        let object = |api_version: &str| {
            json!({"apiVersion": api_version, "spec": {"ports": [{"port": 1, "name": "a"}]},
                "status": {"conditions": [{"type": "A"}]}})
        };
        let patch =
            json!({"spec": {"ports": [{"port": 2}]}, "status": {"conditions": [{"type": "B"}]}});
        let lengths = |it: Result<Value, StrategicError>| {
            let it = it.unwrap();
            let len = |it: &Value| it.as_array().unwrap().len();
            (len(&it["spec"]["ports"]), len(&it["status"]["conditions"]))
        };
        assert_eq!(lengths(patched(object("v1"), patch.clone())), (2, 2));
        let other = object("admissionregistration.k8s.io/v1");
        assert_eq!(lengths(patched(other, patch)), (1, 1));
    }

    #[test]
    fn objects_merge_and_nulls_remove() {
        assert_eq!(
            patched(
                json!({"metadata": {"labels": {"a": "1", "b": "2"}}, "x": {"y": 1}}),
                json!({"metadata": {"labels": {"a": null, "c": "3"}}, "x": 5, "new": {"z": null, "w": 1}, "gone": null}),
            ),
            Ok(json!({"metadata": {"labels": {"b": "2", "c": "3"}}, "x": 5, "new": {"w": 1}}))
        );
    }

    #[test]
    fn a_list_without_a_merge_key_is_replaced() {
        assert_eq!(
            patched(json!({"rules": [{"verbs": ["get"]}]}), json!({"rules": [{"verbs": ["*"]}]})),
            Ok(json!({"rules": [{"verbs": ["*"]}]}))
        );
    }

    #[test]
    fn webhooks_merge_by_name() {
        assert_eq!(
            patched(
                json!({"webhooks": [{"name": "a", "timeoutSeconds": 1, "failurePolicy": "Fail"}, {"name": "b"}, {"name": "c"}]}),
                json!({"webhooks": [
                    {"name": "a", "timeoutSeconds": 2, "matchConditions": [{"name": "m", "$patch": "merge"}]},
                    {"name": "b", "$patch": "delete"},
                    {"name": "d"},
                ]}),
            ),
            Ok(json!({"webhooks": [
                {"name": "a", "timeoutSeconds": 2, "failurePolicy": "Fail", "matchConditions": [{"name": "m"}]},
                {"name": "d"},
                {"name": "c"},
            ]}))
        );
    }

    #[test]
    fn conditions_inside_webhooks_merge_too() {
        assert_eq!(
            patched(
                json!({"webhooks": [{"name": "a", "matchConditions": [{"name": "m", "expression": "1"}, {"name": "n"}]}]}),
                json!({"webhooks": [{"name": "a", "matchConditions": [{"name": "m", "expression": "2"}]}]}),
            ),
            Ok(
                json!({"webhooks": [{"name": "a", "matchConditions": [{"name": "m", "expression": "2"}, {"name": "n"}]}]})
            )
        );
    }

    #[test]
    fn a_list_and_an_object_can_be_replaced() {
        assert_eq!(
            patched(
                json!({"webhooks": [{"name": "a"}], "spec": {"a": 1, "b": 2}, "x": {"a": 1}}),
                json!({"webhooks": [{"$patch": "replace"}, {"name": "z"}], "spec": {"$patch": "replace", "c": 3}, "x": {"$patch": "delete"}}),
            ),
            Ok(json!({"webhooks": [{"name": "z"}], "spec": {"c": 3}, "x": {}}))
        );
    }

    #[test]
    fn ports_and_containers_merge_by_their_keys() {
        let (one, more) = (json!({ "port": 443, "name": "one" }), json!({ "port": 444 }));
        let service = json!({ "apiVersion": "v1", "spec": { "ports": [one] } });
        let both =
            patched(service, json!({ "spec": { "ports": [more, { "port": 443, "name": "b" }] } }));
        let wanted = json!({ "apiVersion": "v1", "spec": { "ports": [more, { "port": 443, "name": "b" }] } });
        assert_eq!(both, Ok(wanted));
        let pods = |containers: Value| json!({ "apiVersion": "apps/v1", "spec": { "template": { "spec": containers } } });
        let mounts = json!([{ "name": "v", "mountPath": "/v" }]);
        let live = json!({
            "containers": [
                { "name": "a", "image": "a:1", "volumeMounts": mounts, "args": ["--one"] },
                { "name": "b", "image": "b:1" },
            ],
            "volumes": [{ "name": "v" }],
        });
        let sent = json!({
            "containers": [{
                "name": "a", "env": [{ "name": "E" }], "args": ["--two"],
                "volumeMounts": [{ "name": "w", "mountPath": "/w" }],
            }],
            "volumes": [{ "name": "w" }],
        });
        let mounts = json!([
            { "name": "w", "mountPath": "/w" }, { "name": "v", "mountPath": "/v" },
        ]);
        let wanted = json!({
            "containers": [
                {
                    "name": "a", "image": "a:1", "volumeMounts": mounts, "args": ["--two"],
                    "env": [{ "name": "E" }],
                },
                { "name": "b", "image": "b:1" },
            ],
            "volumes": [{ "name": "w" }, { "name": "v" }],
        });
        assert_eq!(patched(pods(live), pods(sent)), Ok(pods(wanted)));
    }

    #[test]
    fn finalizers_are_a_set() {
        assert_eq!(
            patched(
                json!({"metadata": {"finalizers": ["a", "b", "c"]}}),
                json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["b"], "$setElementOrder/finalizers": ["d", "a"], "finalizers": ["d", "a"]}}),
            ),
            Ok(json!({"metadata": {"finalizers": ["d", "a", "c"]}}))
        );
    }

    #[test]
    fn elements_take_the_order_that_the_patch_says_and_others_keep_their_place() {
        let webhooks = |names: &[&str]| -> Value {
            names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>().into()
        };
        assert_eq!(
            patched(
                json!({"webhooks": webhooks(&["a", "live", "b", "last"])}),
                json!({"$setElementOrder/webhooks": webhooks(&["b", "a", "new"]), "webhooks": webhooks(&["new"])}),
            ),
            Ok(json!({"webhooks": webhooks(&["live", "b", "a", "new", "last"])}))
        );
        assert_eq!(
            patched(
                json!({"webhooks": webhooks(&["a", "b"])}),
                json!({"$setElementOrder/webhooks": webhooks(&["b", "a"])}),
            ),
            Ok(json!({"webhooks": webhooks(&["b", "a"])}))
        );
    }

    #[test]
    fn only_retained_keys_stay() {
        assert_eq!(
            patched(
                json!({"spec": {"a": 1, "b": 2, "c": 3}}),
                json!({"spec": {"$retainKeys": ["a", "d"], "d": 4}}),
            ),
            Ok(json!({"spec": {"a": 1, "d": 4}}))
        );
    }

    #[test]
    fn what_cannot_be_done_is_refused_with_its_place() {
        let object = || json!({"webhooks": [{"name": "a"}], "spec": {}});
        for (patch, message) in [
            (
                json!({"spec": {"$patch": "burn"}}),
                "unknown value of `$patch` at `spec`: expected `replace`, `merge` or `delete`",
            ),
            (
                json!({"webhooks": [{"name": "z", "$patch": "burn"}]}),
                "unknown value of `$patch` at `webhooks`: expected `replace`, `merge` or `delete`",
            ),
            (
                json!({"webhooks": [{"timeoutSeconds": 1}]}),
                "an element of `webhooks` has no `name`, by which its elements are told apart",
            ),
            (
                json!({"webhooks": ["a"]}),
                "an element of `webhooks` has no `name`, by which its elements are told apart",
            ),
            (json!({"spec": {"$retainKeys": 1}}), "`$retainKeys` at `spec` must be a list"),
        ] {
            assert_eq!(patched(object(), patch).unwrap_err().to_string(), message);
        }
    }
}
