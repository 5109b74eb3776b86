//! Bringing what was owned in line with a structure that has changed since.
//!
//! What was a map or a list of fields may have become one field. Whoever owned something
//! in it then owns it all. The other way round nothing needs to be done.

use super::structure::{Form, Structure};
use crate::model::fields::{FieldSet, Node, PathElement};

/// The set as `structure` has its fields.
pub(super) fn settle(structure: &Structure, set: FieldSet) -> FieldSet {
    node(structure, Node { member: false, below: set }).below
}

fn node(structure: &Structure, owned: Node) -> Node {
    let whole = || Node { member: true, below: FieldSet::default() };
    match structure.first_form() {
        Some(Form::Map(map)) if !map.says_nothing() => {
            if map.atomic {
                return if owned.below.is_empty() { owned } else { whole() };
            }
            inside(&owned, |element| match element {
                PathElement::Field(name) => map.member(name),
                _ => map.others.structure(),
            })
        }
        Some(Form::List(list)) => {
            if list.is_atomic() {
                return whole();
            }
            inside(&owned, |_| list.items.structure())
        }
        _ => owned,
    }
}

fn inside<'a>(owned: &Node, structure: impl Fn(&PathElement) -> Option<&'a Structure>) -> Node {
    let mut below = FieldSet::default();
    for (element, inner) in owned.below.each() {
        let inner = match structure(element) {
            Some(structure) => node(structure, inner.clone()),
            None => inner.clone(),
        };
        below.put(element.clone(), inner);
    }
    Node { member: owned.member, below }
}
