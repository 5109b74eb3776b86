//! Which fields a value has.

use std::collections::BTreeMap;

use serde_json::Value;

use super::structure::{Form, ListOf, MapOf, Structure};
use crate::model::fields::{FieldSet, Node, PathElement};

/// The fields of an object.
pub(super) fn fields(structure: &Structure, value: &Value) -> FieldSet {
    node(structure, value).below
}

/// The fields at a value, itself among them if it is one.
fn node(structure: &Structure, value: &Value) -> Node {
    let whole = || Node { member: true, below: FieldSet::default() };
    match structure.form(value) {
        None => Node::default(),
        Some(Form::Scalar(_)) => whole(),
        Some(Form::Map(map)) if map.atomic => whole(),
        Some(Form::List(list)) if list.is_atomic() => whole(),
        Some(Form::Map(map)) => Node { member: false, below: in_map(map, value) },
        Some(Form::List(list)) => Node { member: false, below: in_list(list, value) },
    }
}

fn in_map(map: &MapOf, value: &Value) -> FieldSet {
    let mut fields = FieldSet::default();
    for (name, member) in value.as_object().into_iter().flatten() {
        let Some(structure) = map.member(name) else { continue };
        let mut node = node(structure, member);
        // A member that a schema names is there for what is in it; any other is one by itself.
        let is_nothing =
            member.is_null() || member.as_object().is_some_and(serde_json::Map::is_empty);
        node.member |= is_nothing || !map.fields.contains_key(name);
        fields.put(PathElement::Field(name.clone()), node);
    }
    fields
}

fn in_list(list: &ListOf, value: &Value) -> FieldSet {
    let mut times: BTreeMap<PathElement, usize> = BTreeMap::new();
    let items = || value.as_array().into_iter().flatten();
    for element in items().filter_map(|item| list.element(item).ok()) {
        *times.entry(element).or_default() += 1;
    }
    let mut fields = FieldSet::default();
    for item in items() {
        let (Ok(element), Some(structure)) = (list.element(item), list.items.structure()) else {
            continue;
        };
        // What is in one of several that are told to be the same is nobody's.
        let is_one = times.get(&element) == Some(&1);
        let mut node = if is_one { node(structure, item) } else { Node::default() };
        node.member = true;
        fields.put(element, node);
    }
    fields
}
