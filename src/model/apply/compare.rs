//! Which fields differ between two objects.

use std::collections::BTreeMap;

use serde_json::Value;

use super::structure::{Form, ListOf, MapOf, Structure};
use crate::model::fields::{FieldSet, PathElement, compare};

/// The fields that differ between an old and a new object.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Changes {
    pub(super) added: FieldSet,
    pub(super) modified: FieldSet,
    pub(super) removed: FieldSet,
}

/// Compares two objects.
pub(super) fn changes(structure: &Structure, old: &Value, new: &Value) -> Changes {
    let mut comparison = Comparison { path: Vec::new(), found: Changes::default() };
    comparison.values(structure, Some(old), Some(new));
    comparison.found
}

impl Changes {
    /// The same without what `keeps` drops.
    pub(super) fn filtered(self, keeps: impl Fn(FieldSet) -> FieldSet) -> Self {
        Self {
            added: keeps(self.added),
            modified: keeps(self.modified),
            removed: keeps(self.removed),
        }
    }
}

struct Comparison {
    path: Vec<PathElement>,
    found: Changes,
}

/// A pair of values of which at least one is there.
type Side<'a> = Option<&'a Value>;

impl Comparison {
    fn values(&mut self, structure: &Structure, old: Side<'_>, new: Side<'_>) {
        let form = |it: Side<'_>| it.and_then(|it| structure.form(it));
        let forms_left = |it: Side<'_>| it.map(|it| structure.forms_left(it));
        let is_leaf = match (old, new) {
            (None, None) => return,
            (Some(_), None) => self.as_form(form(old), old, new),
            (Some(_), Some(_)) if forms_left(old) != forms_left(new) => {
                // Something has become something else: what it was goes, what it is comes.
                self.as_form(form(old), old, new);
                self.as_form(form(new), old, new)
            }
            _ => self.as_form(form(new), old, new),
        };
        if !is_leaf {
            match (old, new) {
                (None, _) => self.found.added.insert(&self.path),
                (_, None) => self.found.removed.insert(&self.path),
                _ => {}
            }
        }
    }

    /// Compares two values as a form. Answers with whether they are one field.
    fn as_form(&mut self, form: Option<Form<'_>>, old: Side<'_>, new: Side<'_>) -> bool {
        match form {
            None => false,
            Some(Form::Scalar(_)) => self.leaf(old, new),
            Some(Form::Map(map)) => {
                let of =
                    |it: Side<'_>| it.and_then(Value::as_object).is_some_and(|it| !it.is_empty());
                // Where both say nothing, the difference between nothing and null counts.
                if map.atomic || !(of(old) || of(new)) {
                    return self.leaf(old, new);
                }
                self.maps(map, old, new);
                false
            }
            Some(Form::List(list)) => {
                let of =
                    |it: Side<'_>| it.and_then(Value::as_array).is_some_and(|it| !it.is_empty());
                if list.is_atomic() || !(of(old) || of(new)) {
                    return self.leaf(old, new);
                }
                self.lists(list, old, new);
                false
            }
        }
    }

    fn leaf(&mut self, old: Side<'_>, new: Side<'_>) -> bool {
        match (old, new) {
            (None, _) => self.found.added.insert(&self.path),
            (_, None) => self.found.removed.insert(&self.path),
            (Some(old), Some(new)) => {
                if compare(old, new).is_ne() {
                    self.found.modified.insert(&self.path);
                }
            }
        }
        true
    }

    fn at(&mut self, element: PathElement, each: impl FnOnce(&mut Self)) {
        self.path.push(element);
        each(self);
        self.path.pop();
    }

    fn maps(&mut self, map: &MapOf, old: Side<'_>, new: Side<'_>) {
        let (old, new) = (old.and_then(Value::as_object), new.and_then(Value::as_object));
        let mut both: BTreeMap<&String, (Side<'_>, Side<'_>)> = BTreeMap::new();
        for (name, value) in old.into_iter().flatten() {
            both.entry(name).or_default().0 = Some(value);
        }
        for (name, value) in new.into_iter().flatten() {
            both.entry(name).or_default().1 = Some(value);
        }
        for (name, (old, new)) in both {
            let Some(structure) = map.member(name) else { continue };
            let element = PathElement::Field(name.clone());
            self.at(element, |it| it.values(structure, old, new));
        }
    }

    fn lists(&mut self, list: &ListOf, old: Side<'_>, new: Side<'_>) {
        let Some(structure) = list.items.structure() else { return };
        let mut both: BTreeMap<PathElement, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
        for item in old.and_then(Value::as_array).into_iter().flatten() {
            if let Ok(element) = list.element(item) {
                both.entry(element).or_default().0.push(item);
            }
        }
        for item in new.and_then(Value::as_array).into_iter().flatten() {
            if let Ok(element) = list.element(item) {
                both.entry(element).or_default().1.push(item);
            }
        }
        for (element, (old, new)) in both {
            self.at(element, |it| it.items(structure, &old, &new));
        }
    }

    /// Compares the elements of two lists that are told to be the same: usually one each.
    fn items(&mut self, structure: &Structure, old: &[&Value], new: &[&Value]) {
        match (old, new) {
            ([] | [_], [] | [_]) => {
                self.values(structure, old.first().copied(), new.first().copied());
            }
            ([_, _, ..], [_, _, ..]) => {
                let same = old.len() == new.len()
                    && old.iter().zip(new).all(|(old, new)| compare(old, new).is_eq());
                if !same {
                    self.found.modified.insert(&self.path);
                }
            }
            ([_, _, ..], _) => {
                self.values(structure, None, new.first().copied());
                self.found.removed.insert(&self.path);
            }
            (_, _) => {
                self.values(structure, old.first().copied(), None);
                self.found.added.insert(&self.path);
            }
        }
    }
}
