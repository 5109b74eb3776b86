//! PURE: what a cluster has of an installation, and what follows from it.
//!
//! ```text
//! manifests ─┐
//! objects   ─┼──► order     what is applied and deleted first
//! of the     │    guard     a change after which shards would see another cache
//! cluster    │    members   what belongs to an installation, and is no longer wanted
//!            │    readiness whether an object is what it should be, or what it waits for
//!            │    tree      the installation as one picture
//!            └──► health    what is wrong with it, as findings
//! ```
//!
//! All of them read trees: an object that our types cannot read still has a name, conditions
//! and an owner.
//!
//! # What is absent on purpose
//!
//! Nobody is asked: whoever calls has got the objects.

mod compare;
mod guard;
mod health;
mod members;
mod order;
mod readiness;
mod remains;
mod tree;

pub use compare::comparable;
pub use guard::{CacheChange, cache_changes};
pub use health::{
    IssuerReference, SecretReference, dropped_fields, ending_certificates, foreign_owner,
    foreign_servers, issuer_reference, judge_definition, judge_issuer, judge_secret, not_available,
    open_caches, secret_references, subject, version_skew,
};
pub use members::{members, prunable, prunable_types};
pub use order::{Stage, by_stage};
pub use readiness::{Readiness, Waiting, advice, readiness, readiness_by, stand_in};
pub use remains::{LeftBehind, etcds, left_behind};
pub use tree::{Beside, Node, Replicas, skew, tree};

use std::collections::BTreeSet;

use serde_json::Value;

/// The text at a path, empty if there is none.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Kind and name.
pub fn called(object: &Value) -> String {
    format!("{}/{}", text(object, "/kind"), text(object, "/metadata/name"))
}

/// Which fields a definition gains and loses.
pub fn definition_changes(live: &Value, wanted: &Value) -> Vec<String> {
    let fields = |crd: &Value| {
        let mut fields = BTreeSet::new();
        for version in crd["spec"]["versions"].as_array().into_iter().flatten() {
            collect(&version["schema"]["openAPIV3Schema"], "", &mut fields);
        }
        fields
    };
    let (before, after) = (fields(live), fields(wanted));
    let top = |fields: &BTreeSet<String>, known: &BTreeSet<String>| -> Vec<String> {
        // A field within one that comes or goes as well says nothing more.
        let new: Vec<&String> = fields.difference(known).collect();
        let inside = |it: &str| {
            new.iter().any(|other| {
                it.strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with(['.', '[']))
            })
        };
        new.iter().filter(|it| !inside(it)).map(ToString::to_string).collect()
    };
    let added = top(&after, &before).into_iter().map(|it| format!("+ {it}"));
    let gone = top(&before, &after).into_iter().map(|it| format!("- {it}"));
    added.chain(gone).collect()
}

fn collect(schema: &Value, path: &str, fields: &mut BTreeSet<String>) {
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        collect(schema, &path, fields);
        fields.insert(path);
    }
    for (key, mark) in [("items", "[]"), ("additionalProperties", ".*")] {
        if let Some(inner) = schema.get(key).filter(|it| it.is_object()) {
            collect(inner, &format!("{path}{mark}"), fields);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_definition_says_which_fields_come_and_go() {
        let crd = |properties: Value| {
            json!({ "spec": { "versions": [{ "schema": { "openAPIV3Schema": {
                "properties": { "spec": { "properties": properties } },
            } } }] } })
        };
        let before = crd(json!({ "a": { "type": "string" }, "b": { "type": "string" } }));
        let after = crd(json!({
            "a": { "type": "string" },
            "c": { "items": { "properties": { "d": { "type": "string" } } } },
        }));
        assert_eq!(definition_changes(&before, &after), ["+ spec.c", "- spec.b"]);
        assert_eq!(definition_changes(&after, &after), Vec::<String>::new());
    }
}
