//! What an object becomes when a configuration is merged into it.
//!
//! Every field that the configuration has gets its value; everything else stays.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value};

use super::structure::{Flaw, Form, ListOf, MapOf, Structure};
use crate::model::fields::PathElement;

/// What `live` becomes when `config` is merged into it.
pub(super) fn merge(structure: &Structure, live: &Value, config: &Value) -> Result<Value, Flaw> {
    let is_empty = |it: &Value| match it {
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => true,
    };
    match structure.form(config) {
        Some(Form::Map(map)) if !map.atomic => {
            let live = if live.is_object() { live } else { &Value::Null };
            // Where both say nothing, the difference between nothing and null is kept.
            if is_empty(live) && is_empty(config) {
                return Ok(config.clone());
            }
            merge_maps(map, live, config)
        }
        Some(Form::List(list)) if !list.is_atomic() => {
            let live = if live.is_array() { live } else { &Value::Null };
            if is_empty(live) && is_empty(config) {
                return Ok(config.clone());
            }
            merge_lists(list, live, config).map(Value::Array)
        }
        _ => Ok(config.clone()),
    }
}

fn within(element: PathElement) -> impl FnOnce(Flaw) -> Flaw {
    |mut flaw| {
        flaw.path.insert(0, element);
        flaw
    }
}

fn merge_maps(map: &MapOf, live: &Value, config: &Value) -> Result<Value, Flaw> {
    let mut merged: Map<String, Value> = live.as_object().cloned().unwrap_or_default();
    for (name, new) in config.as_object().into_iter().flatten() {
        let value = match (merged.get(name), map.member(name)) {
            (Some(old), Some(structure)) => {
                let element = PathElement::Field(name.clone());
                merge(structure, old, new).map_err(within(element))?
            }
            _ => new.clone(),
        };
        merged.insert(name.clone(), value);
    }
    Ok(Value::Object(merged))
}

/// Merges two lists whose elements are told apart.
///
/// Applied elements come in the order in which they are applied. An element that only the
/// live list has keeps its place: it comes before the next element that both have, where
/// the two lists agree about which one that is.
fn merge_lists(list: &ListOf, live: &Value, config: &Value) -> Result<Vec<Value>, Flaw> {
    let empty = Vec::new();
    let live = named(list, live.as_array().unwrap_or(&empty))?;
    let config = named(list, config.as_array().unwrap_or(&empty))?;
    let mut old: BTreeMap<&PathElement, &Value> = BTreeMap::new();
    for (element, item) in &live {
        // Which one of several is meant nobody can say, so that none is merged.
        let several = old.contains_key(element);
        old.insert(element, if several { &Value::Null } else { *item });
    }
    let applied: BTreeSet<&PathElement> = config.iter().map(|(element, _)| element).collect();
    let mut shared: VecDeque<&PathElement> =
        config.iter().map(|(element, _)| element).filter(|it| old.contains_key(it)).collect();
    let mut done: BTreeSet<&PathElement> = BTreeSet::new();
    let mut merged = Vec::with_capacity(live.len().max(config.len()));
    let mut rest = live.iter().peekable();
    for (element, new) in &config {
        while let Some((next, item)) = rest.peek() {
            if !applied.contains(next) {
                merged.push((*item).clone());
            } else if shared.front() == Some(&next) {
                break;
            } else if shared.is_empty() && done.contains(next) {
                // One that stands there again gives way to what is applied.
                rest.next();
                break;
            }
            rest.next();
        }
        merged.push(match (old.get(element), list.items.structure()) {
            (Some(old), Some(structure)) => {
                merge(structure, old, new).map_err(within(element.clone()))?
            }
            _ => (*new).clone(),
        });
        done.insert(element);
        if shared.front() == Some(&element) {
            shared.pop_front();
            rest.next_if(|(next, _)| next == element);
        }
    }
    merged.extend(rest.filter(|(it, _)| !applied.contains(it)).map(|(_, item)| (*item).clone()));
    Ok(merged)
}

fn named<'a>(list: &ListOf, items: &'a [Value]) -> Result<Vec<(PathElement, &'a Value)>, Flaw> {
    let named = items.iter().enumerate().map(|(at, item)| {
        let element = list.element(item);
        element
            .map(|element| (element, item))
            .map_err(|why| Flaw { path: Vec::new(), why: format!("element {at}: {why}") })
    });
    named.collect()
}
