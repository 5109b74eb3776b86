//! Taking away what nobody wants any more.

use serde_json::{Map, Value};

use super::owned::fields;
use super::structure::{Form, ListOf, MapOf, Structure};
use crate::model::fields::{FieldSet, Node, PathElement};

/// Removes from `merged` what its applier owned before (`last`) and what neither it nor
/// anybody else owns now (`owned`).
pub(super) fn prune(
    structure: &Structure,
    merged: Value,
    config: &Value,
    last: &FieldSet,
    owned: &FieldSet,
) -> Value {
    if last.is_empty() {
        return merged;
    }
    let last = with_named(Some(structure), last);
    let all = with_named(Some(structure), &fields(structure, &merged));
    // First everything goes that the applier had, and what is nobody's with it …
    let pruned = without(structure, &merged, &last);
    let kept = with_named(Some(structure), &fields(structure, &pruned));
    let kept = kept.union(&with_named(Some(structure), owned));
    let pruned = without(structure, &merged, &all.difference(&kept));
    // … then what it never had comes back, whoever it belongs to.
    let kept = with_named(Some(structure), &fields(structure, &pruned));
    let gone = all.difference(&kept).intersection(&last);
    let mut left = without(structure, &merged, &gone);
    restore_nulls(&mut left, config);
    left
}

/// Makes a map null that was emptied and for which the configuration says null.
fn restore_nulls(value: &mut Value, config: &Value) {
    let (Value::Object(members), Value::Object(config)) = (value, config) else { return };
    for (name, config) in config {
        match members.get_mut(name) {
            Some(Value::Object(inner)) if config.is_null() && inner.is_empty() => {
                members.insert(name.clone(), Value::Null);
            }
            Some(inner) => restore_nulls(inner, config),
            None => {}
        }
    }
}

/// The set with the named members of structures that have some of it below them.
fn with_named(structure: Option<&Structure>, set: &FieldSet) -> FieldSet {
    let map = structure.and_then(|it| it.map.as_ref());
    let list = structure.and_then(|it| it.list.as_ref());
    let mut all = FieldSet::default();
    for (element, node) in set.each() {
        let (is_named, inner) = match element {
            PathElement::Field(name) => (
                map.is_some_and(|it| it.fields.contains_key(name)),
                map.and_then(|it| it.member(name)),
            ),
            PathElement::Key(_) => (false, list.and_then(|it| it.items.structure())),
            PathElement::Value(_) | PathElement::Index(_) => (false, None),
        };
        let below = with_named(inner, &node.below);
        let member = node.member || is_named && !node.below.is_empty();
        all.put(element.clone(), Node { member, below });
    }
    all
}

/// `value` without the fields of `gone`. A map or a list of which everything is removed but
/// itself is an empty one. (Kubernetes made it null before 1.36, and then refused the object
/// where its schema says that it is a map.)
fn without(structure: &Structure, value: &Value, gone: &FieldSet) -> Value {
    match (structure.form(value), value) {
        (Some(Form::Map(map)), Value::Object(members)) if !map.atomic => {
            without_members(map, members, gone)
        }
        (Some(Form::List(list)), Value::Array(items)) if !list.is_atomic() => {
            without_items(list, items, gone)
        }
        _ => value.clone(),
    }
}

fn without_members(map: &MapOf, members: &Map<String, Value>, gone: &FieldSet) -> Value {
    let mut left = Map::new();
    for (name, member) in members {
        let node = gone.at(&PathElement::Field(name.clone()));
        if node.is_some_and(|it| it.member) {
            continue;
        }
        let value = match (node, map.member(name)) {
            (Some(node), Some(structure)) => without(structure, member, &node.below),
            _ => member.clone(),
        };
        left.insert(name.clone(), value);
    }
    Value::Object(left)
}

fn without_items(list: &ListOf, items: &[Value], gone: &FieldSet) -> Value {
    let mut left = Vec::with_capacity(items.len());
    for item in items {
        let node = list.element(item).ok().and_then(|element| gone.at(&element));
        if node.is_some_and(|it| it.member) {
            continue;
        }
        left.push(match (node, list.items.structure()) {
            (Some(node), Some(structure)) => without(structure, item, &node.below),
            _ => item.clone(),
        });
    }
    Value::Array(left)
}
