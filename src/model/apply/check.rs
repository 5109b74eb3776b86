//! Whether a value is what its structure says.

use std::collections::BTreeSet;

use serde_json::Value;

use super::structure::{Flaw, Form, ListOf, MapOf, Scalar, Structure};
use crate::model::fields::{PathElement, shown};

/// What is wrong with `value`. What is stored may name an element of a list twice, what
/// is applied may not.
pub(super) fn flaws(structure: &Structure, value: &Value, may_repeat: bool) -> Vec<Flaw> {
    let mut check = Check { may_repeat, path: Vec::new(), flaws: Vec::new() };
    check.value(structure, value);
    check.flaws
}

struct Check {
    may_repeat: bool,
    path: Vec<PathElement>,
    flaws: Vec<Flaw>,
}

impl Check {
    fn flaw(&mut self, why: String) {
        self.flaws.push(Flaw { path: self.path.clone(), why });
    }

    fn value(&mut self, structure: &Structure, value: &Value) {
        match structure.form(value) {
            None => self.flaw("its type is not known".to_owned()),
            Some(Form::Scalar(scalar)) => {
                if let Some(why) = scalar_flaw(scalar, value) {
                    self.flaw(why);
                }
            }
            Some(Form::Map(map)) => match value {
                Value::Null => {}
                Value::Object(_) => self.map(map, value),
                other => self.flaw(format!("expected map, got {}", shown(other))),
            },
            Some(Form::List(list)) => match value {
                Value::Null => {}
                Value::Array(items) => self.list(list, items),
                other => self.flaw(format!("expected list, got {}", shown(other))),
            },
        }
    }

    fn map(&mut self, map: &MapOf, value: &Value) {
        for (name, member) in value.as_object().into_iter().flatten() {
            self.path.push(PathElement::Field(name.clone()));
            let known = map.member(name);
            match known {
                Some(structure) => self.value(structure, member),
                None => self.flaw("field not declared in schema".to_owned()),
            }
            self.path.pop();
            if known.is_none() {
                return;
            }
        }
    }

    fn list(&mut self, list: &ListOf, items: &[Value]) {
        let Some(structure) = list.items.structure() else { return };
        let mut seen = BTreeSet::new();
        for (at, item) in items.iter().enumerate() {
            let element = if list.is_atomic() {
                PathElement::Index(at)
            } else {
                match list.element(item) {
                    Ok(element) => element,
                    Err(why) => return self.flaw(format!("element {at}: {why}")),
                }
            };
            if !list.is_atomic() && !seen.insert(element.clone()) && !self.may_repeat {
                self.flaw(format!("duplicate entries for key {element}"));
            }
            self.path.push(element);
            self.value(structure, item);
            self.path.pop();
        }
    }
}

fn scalar_flaw(scalar: Scalar, value: &Value) -> Option<String> {
    let (fits, expected) = match scalar {
        Scalar::Number => (value.is_number(), "numeric (int or float)"),
        Scalar::Text => (value.is_string(), "string"),
        Scalar::Boolean => (value.is_boolean(), "boolean"),
        Scalar::Any => (!value.is_object() && !value.is_array(), "any scalar"),
    };
    if fits || value.is_null() {
        return None;
    }
    let got = match (scalar, value) {
        // Told as Go names its types.
        (Scalar::Number, Value::String(_)) => "string".to_owned(),
        (Scalar::Number, Value::Bool(_)) => "bool".to_owned(),
        (Scalar::Number, Value::Array(_)) => "[]interface {}".to_owned(),
        (Scalar::Number, _) => "map[string]interface {}".to_owned(),
        _ => shown(value),
    };
    Some(format!("expected {expected}, got {got}"))
}
