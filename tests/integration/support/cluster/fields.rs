//! Who owns which field: server-side apply, and what other writes make of ownership.
//!
//! A set of fields is a set of paths to leaves, each step as `managedFields` writes it:
//! `f:spec`, `k:{"name":"kcp"}`, `v:"finalizer"`. A list without a known key is one leaf.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// Paths to leaves.
pub(super) type Fields = BTreeSet<Vec<String>>;

/// What a server writes itself; nobody owns it.
const SERVERS_OWN: [&str; 10] = [
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
];

/// The keys of lists that are maps in Kubernetes; a list of no keys is a set.
fn keys(list: &str, items: &[Value]) -> Option<&'static [&'static str]> {
    Some(match list {
        "containers" | "initContainers" | "volumes" | "env" | "imagePullSecrets"
        | "extraVolumes" | "shards" => &["name"],
        "volumeMounts" | "extraVolumeMounts"
            if items.iter().all(|it| it["mountPath"].is_string()) =>
        {
            &["mountPath"]
        }
        "ports" if items.iter().all(|it| !it["containerPort"].is_null()) => &["containerPort"],
        "ports" if items.iter().all(|it| !it["port"].is_null()) => &["port"],
        "conditions" => &["type"],
        "ownerReferences" => &["uid"],
        "hostAliases" => &["ip"],
        "topologySpreadConstraints" => &["topologyKey"],
        "finalizers" => &[],
        _ => return None,
    })
}

/// The step to an item of a list that has keys.
fn item_step(keys: &[&str], item: &Value) -> String {
    if keys.is_empty() {
        return format!("v:{item}");
    }
    let key: Map<String, Value> =
        keys.iter().map(|&key| (key.to_owned(), item[key].clone())).collect();
    format!("k:{}", Value::Object(key))
}

/// Every field that `object` sets, but for those that are the server's.
pub(super) fn of(object: &Value) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        match name.as_str() {
            "apiVersion" | "kind" => {}
            "metadata" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    if !SERVERS_OWN.contains(&name.as_str()) {
                        collect(value, name, &mut vec!["f:metadata".into()], &mut fields);
                    }
                }
            }
            _ => collect(value, name, &mut Vec::new(), &mut fields),
        }
    }
    fields
}

fn collect(value: &Value, name: &str, path: &mut Vec<String>, fields: &mut Fields) {
    path.push(format!("f:{name}"));
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (name, value) in map {
                collect(value, name, path, fields);
            }
        }
        Value::Array(items) if !items.is_empty() && keys(name, items).is_some() => {
            let keys = keys(name, items).unwrap_or_default();
            for item in items {
                path.push(item_step(keys, item));
                if let (false, Some(map)) = (keys.is_empty(), item.as_object()) {
                    fields.insert([path.as_slice(), &[".".to_owned()]].concat());
                    for (name, value) in map {
                        collect(value, name, path, fields);
                    }
                } else {
                    fields.insert(path.clone());
                }
                path.pop();
            }
        }
        Value::Null => {}
        _ => drop(fields.insert(path.clone())),
    }
    path.pop();
}

/// The index of the item that a step means.
fn index(items: &[Value], step: &str) -> Option<usize> {
    if let Some(value) = step.strip_prefix("v:") {
        let value: Value = serde_json::from_str(value).ok()?;
        return items.iter().position(|it| *it == value);
    }
    let key: Map<String, Value> = serde_json::from_str(step.strip_prefix("k:")?).ok()?;
    items.iter().position(|it| key.iter().all(|(name, value)| it[name] == *value))
}

/// The value at a path.
pub(super) fn at<'a>(object: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, step| match (step.strip_prefix("f:"), value) {
        (Some(name), _) => value.get(name),
        (None, _) if step == "." => Some(value),
        (None, Value::Array(items)) => items.get(index(items, step)?),
        _ => None,
    })
}

/// Removes the value at a path, and what it leaves empty above itself.
fn remove(object: &mut Value, path: &[String]) {
    let Some((step, rest)) = path.split_first() else { return };
    if step == "." {
        return;
    }
    match object {
        Value::Object(map) => {
            let Some(name) = step.strip_prefix("f:") else { return };
            // An item goes with the field that says that it is there.
            if rest.is_empty() {
                map.remove(name);
            } else if let Some(inner) = map.get_mut(name) {
                remove(inner, rest);
                let empty = inner.as_object().is_some_and(Map::is_empty)
                    || inner.as_array().is_some_and(Vec::is_empty);
                if empty {
                    map.remove(name);
                }
            }
        }
        Value::Array(items) => {
            let Some(index) = index(items, step) else { return };
            if rest.is_empty() || rest == ["."] {
                items.remove(index);
            } else {
                remove(&mut items[index], rest);
            }
        }
        _ => {}
    }
}

/// Puts `applied` over `live`: maps and lists with keys field by field, all else whole.
fn merge(live: &mut Value, applied: &Value, name: &str) {
    match (live, applied) {
        (Value::Object(live), Value::Object(applied)) => {
            for (name, value) in applied {
                merge(live.entry(name).or_insert(Value::Null), value, name);
            }
        }
        (Value::Array(live), Value::Array(applied)) if keys(name, applied).is_some() => {
            merge_items(live, applied, keys(name, applied).unwrap_or_default());
        }
        (live, applied) => *live = applied.clone(),
    }
}

/// Merges lists with keys: items come in the order in which they are applied, and one that only
/// the live list has comes before the next one there that both have.
fn merge_items(live: &mut Vec<Value>, applied: &[Value], keys: &[&str]) {
    let mut old: Vec<Option<Value>> = live.drain(..).map(Some).collect();
    let place = |old: &[Option<Value>], item: &Value| {
        let step = item_step(keys, item);
        old.iter().position(|it| {
            it.as_ref().is_some_and(|it| index(std::slice::from_ref(it), &step).is_some())
        })
    };
    let is_applied = |it: &mut Value| index(applied, &item_step(keys, it)).is_some();
    let mut from = 0;
    for (number, item) in applied.iter().enumerate() {
        let both = applied[number..].iter().find_map(|it| place(&old, it));
        // Where the two orders disagree, nothing is left to come before it.
        let to = both.filter(|&it| it >= from).unwrap_or(old.len());
        live.extend(old[from..to].iter_mut().filter_map(|it| it.take_if(|it| !is_applied(it))));
        from = to;
        let found = place(&old, item).and_then(|it| old[it].take());
        live.push(match found {
            Some(mut found) => {
                merge(&mut found, item, "");
                found
            }
            None => item.clone(),
        });
    }
    live.extend(old.into_iter().flatten());
}

/// An entry of `managedFields`.
#[derive(Clone, Debug)]
struct Owner {
    entry: Value,
    fields: Fields,
}

impl Owner {
    fn is(&self, manager: &str, operation: &str, subresource: &str) -> bool {
        self.entry["manager"] == manager
            && self.entry["operation"] == operation
            && self.entry["subresource"].as_str().unwrap_or_default() == subresource
    }
}

fn owners(object: &Value) -> Vec<Owner> {
    let entries = object["metadata"]["managedFields"].as_array();
    entries
        .into_iter()
        .flatten()
        .map(|entry| {
            let mut fields = Fields::new();
            decode(&entry["fieldsV1"], &mut Vec::new(), &mut fields);
            Owner { entry: entry.clone(), fields }
        })
        .collect()
}

fn decode(node: &Value, path: &mut Vec<String>, fields: &mut Fields) {
    match node.as_object() {
        Some(map) if !map.is_empty() => {
            for (step, node) in map {
                path.push(step.clone());
                decode(node, path, fields);
                path.pop();
            }
        }
        _ => drop((!path.is_empty()).then(|| fields.insert(path.clone()))),
    }
}

fn encode(fields: &Fields) -> Value {
    let mut tree = json!({});
    for path in fields {
        let mut node = &mut tree;
        for step in path {
            node = &mut node[step];
        }
        if node.is_null() {
            *node = json!({});
        }
    }
    tree
}

fn write(object: &mut Value, owners: Vec<Owner>) {
    let entries: Vec<Value> = owners
        .into_iter()
        .filter(|it| !it.fields.is_empty())
        .map(|Owner { mut entry, fields }| {
            entry["fieldsV1"] = encode(&fields);
            entry
        })
        .collect();
    object["metadata"]["managedFields"] = entries.into();
}

fn entry(object: &Value, manager: &str, operation: &str, subresource: &str, now: &str) -> Value {
    let mut entry = json!({
        "manager": manager, "operation": operation, "apiVersion": object["apiVersion"],
        "time": now, "fieldsType": "FieldsV1", "fieldsV1": {},
    });
    if !subresource.is_empty() {
        entry["subresource"] = subresource.into();
    }
    entry
}

/// Fields that another manager owns and that are to change: each with that manager.
pub(super) type Conflicts = Vec<(String, String)>;

/// Who writes, through which door.
#[derive(Clone, Copy)]
pub(super) struct Writer<'a> {
    pub(super) manager: &'a str,
    pub(super) subresource: &'a str,
    pub(super) now: &'a str,
}

/// Server-side apply: what `live` becomes.
pub(super) fn apply(
    live: &Value,
    applied: &Value,
    writer: Writer<'_>,
    force: bool,
) -> Result<Value, Conflicts> {
    let Writer { manager, subresource, now } = writer;
    let wanted = of(applied);
    let mut owners = owners(live);
    let own = owners.iter().position(|it| it.is(manager, "Apply", subresource));
    let mut conflicts = Conflicts::new();
    for (index, owner) in owners.iter_mut().enumerate().filter(|(index, _)| Some(*index) != own) {
        let _ = index;
        let taken: Vec<_> = owner
            .fields
            .intersection(&wanted)
            .filter(|path| {
                at(live, path) != at(applied, path) && path.last().is_some_and(|it| it != ".")
            })
            .cloned()
            .collect();
        for path in taken {
            if force {
                owner.fields.remove(&path);
            } else {
                let who = owner.entry["manager"].as_str().unwrap_or_default().to_owned();
                conflicts.push((who, shown(&path)));
            }
        }
    }
    if !conflicts.is_empty() {
        return Err(conflicts);
    }
    let before = own.map(|index| owners[index].fields.clone()).unwrap_or_default();
    let mut result = live.clone();
    merge(&mut result, applied, "");
    // The deepest first, so that an item is still found by its key; and the item itself last.
    let mut dropped: Vec<_> = before.difference(&wanted).cloned().collect();
    dropped.sort_by_key(|path| {
        (std::cmp::Reverse(path.len()), path.last().is_some_and(|it| it == "."))
    });
    let is_key = |path: &[String]| {
        let [.., item, field] = path else { return false };
        let key = item.strip_prefix("k:").and_then(|it| serde_json::from_str::<Value>(it).ok());
        key.is_some_and(|it| field.strip_prefix("f:").is_some_and(|name| it.get(name).is_some()))
    };
    for path in dropped {
        let others = owners
            .iter()
            .enumerate()
            .any(|(index, it)| Some(index) != own && it.fields.contains(&path));
        if !others && !is_key(&path) {
            remove(&mut result, &path);
        }
    }
    if own.is_none_or(|index| owners[index].fields != wanted) || !same(live, &result) {
        let fresh =
            Owner { entry: entry(applied, manager, "Apply", subresource, now), fields: wanted };
        match own {
            Some(index) => owners[index] = fresh,
            None => owners.push(fresh),
        }
        write(&mut result, owners);
    }
    Ok(result)
}

/// What a write that is no apply makes of ownership: what it changes is its own now.
pub(super) fn update(live: &Value, result: &mut Value, writer: Writer<'_>) {
    let Writer { manager, subresource, now } = writer;
    let (before, after) = (of(live), of(result));
    let changed: Fields =
        after.iter().filter(|path| at(live, path) != at(result, path)).cloned().collect();
    let gone: Fields = before.difference(&after).cloned().collect();
    let mut owners = owners(live);
    for owner in &mut owners {
        owner.fields.retain(|path| !changed.contains(path) && !gone.contains(path));
    }
    if !changed.is_empty() {
        match owners.iter_mut().find(|it| it.is(manager, "Update", subresource)) {
            Some(owner) => {
                owner.fields.extend(changed);
                owner.entry["time"] = now.into();
            }
            None => owners.push(Owner {
                entry: entry(result, manager, "Update", subresource, now),
                fields: changed,
            }),
        }
    }
    write(result, owners);
}

/// Whether two states differ in nothing but who owns what.
pub(super) fn same(one: &Value, two: &Value) -> bool {
    let bare = |it: &Value| {
        let mut it = it.clone();
        if let Some(metadata) = it["metadata"].as_object_mut() {
            metadata.remove("managedFields");
        }
        it
    };
    bare(one) == bare(two)
}

/// A path as conflicts name it: `.spec.containers[name="kcp"].image`.
fn shown(path: &[String]) -> String {
    let mut text = String::new();
    for step in path {
        if let Some(name) = step.strip_prefix("f:") {
            text.push('.');
            text.push_str(name);
        } else if let Some(key) = step.strip_prefix("k:") {
            let key: Map<String, Value> = serde_json::from_str(key).unwrap_or_default();
            let key: Vec<_> = key.iter().map(|(name, value)| format!("{name}={value}")).collect();
            text.extend(["[", &key.join(","), "]"]);
        }
    }
    text
}
