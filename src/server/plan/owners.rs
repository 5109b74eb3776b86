//! Owner references: each is whole, and none stands twice.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::Value;

use crate::model::json::tree;
use crate::model::metadata::{Field, Metadata};
use crate::server::status::Problem;

/// Where the references stand.
const OWNERS: &str = "metadata.ownerReferences";

/// What a reference must say, and why one that does not is wrong.
const REQUIRED: [(&str, &str); 4] = [
    ("apiVersion", "version must not be empty"),
    ("kind", "must not be empty"),
    ("name", "must not be empty"),
    ("uid", "must not be empty"),
];

/// Drops references that stand there before, and answers with a warning if there were any.
pub(super) fn dedupe(metadata: &mut Metadata) -> Option<String> {
    let sent = read(metadata);
    let mut owners: Vec<Value> = Vec::with_capacity(sent.len());
    let mut repeated = BTreeSet::new();
    for owner in sent {
        if owners.contains(&owner) {
            repeated.insert(text(&owner, "uid").to_owned());
        } else {
            owners.push(owner);
        }
    }
    if repeated.is_empty() {
        return None;
    }
    let raw = Bytes::from(tree::to_vec(&Value::Array(owners)));
    metadata.set(Field::OwnerReferences, Some(raw));
    let repeated: Vec<String> = repeated.into_iter().collect();
    Some(format!(
        ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
        repeated.join(", ")
    ))
}

/// What is wrong with the references.
pub(super) fn problems(metadata: &Metadata) -> Vec<Problem> {
    let mut problems = Vec::new();
    let owners = read(metadata);
    for owner in &owners {
        for (key, why) in REQUIRED {
            if text(owner, key).is_empty() {
                let field = format!("{OWNERS}.{key}");
                problems.push(Problem::invalid(&field, "\"\"", why));
            }
        }
        if (text(owner, "apiVersion"), text(owner, "kind")) == ("v1", "Event") {
            let why = "/v1, Kind=Event is disallowed from being an owner";
            problems.push(Problem::invalid(OWNERS, &shown(owner), why));
        }
    }
    let controls = |owner: &&Value| owner.get("controller") == Some(&Value::Bool(true));
    if let [first, second, ..] = owners.iter().filter(controls).collect::<Vec<_>>()[..] {
        let all: Vec<String> = owners.iter().map(shown).collect();
        let called = |owner| format!("{}/{}", text(owner, "kind"), text(owner, "name"));
        let why = format!(
            "Only one reference can have Controller set to true. Found \"true\" in references for {} and {}",
            called(first),
            called(second)
        );
        problems.push(Problem::invalid(OWNERS, &format!("[{}]", all.join(",")), &why));
    }
    problems
}

/// A reference as Go prints it: its fields in their order.
fn shown(owner: &Value) -> String {
    const FIELDS: [&str; 6] =
        ["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"];
    let fields = FIELDS.iter().filter_map(|key| Some(format!("\"{key}\":{}", owner.get(key)?)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

fn read(metadata: &Metadata) -> Vec<Value> {
    let raw = metadata.raw(Field::OwnerReferences);
    raw.and_then(|raw| serde_json::from_slice(raw).ok()).unwrap_or_default()
}

fn text<'a>(owner: &'a Value, key: &str) -> &'a str {
    owner.get(key).and_then(Value::as_str).unwrap_or_default()
}
