//! Two states of an object without what a server writes by itself, and without secrets.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::text;

/// What a server writes into `metadata`, or anew with each try.
const SERVERS_OWN: [&str; 7] = [
    "creationTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
    "deletionGracePeriodSeconds",
];

/// Both states as a reader wants to compare them.
pub fn comparable(before: Option<&Value>, after: Option<&Value>) -> (Option<Value>, Option<Value>) {
    let (mut before, mut after) = (before.map(plain), after.map(plain));
    let is_secret = |it: &Option<Value>| {
        it.as_ref()
            .is_some_and(|it| text(it, "/kind") == "Secret" && text(it, "/apiVersion") == "v1")
    };
    if is_secret(&before) || is_secret(&after) {
        for field in ["data", "stringData"] {
            mask(before.as_mut(), after.as_mut(), field);
        }
    }
    (before, after)
}

fn plain(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|name, _| !SERVERS_OWN.contains(&name.as_str()));
    }
    object
}

/// Puts words in the place of values: whether one changes may be seen, what it is may not.
fn mask(before: Option<&mut Value>, after: Option<&mut Value>, field: &str) {
    let values = |it: &Option<&mut Value>| -> Map<String, Value> {
        it.as_ref().and_then(|it| it[field].as_object().cloned()).unwrap_or_default()
    };
    let (old, new) = (values(&before), values(&after));
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let same: BTreeSet<&String> =
        keys.into_iter().filter(|key| old.get(*key) == new.get(*key)).collect();
    let write = |object: Option<&mut Value>, word: &str| {
        let Some(values) = object.and_then(|it| it[field].as_object_mut()) else { return };
        for (key, value) in values {
            *value = if same.contains(key) { "***".into() } else { format!("*** ({word})").into() };
        }
    };
    write(before, "before");
    write(after, "after");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_values_of_a_secret_are_never_shown() {
        let secret = |data: Value| json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "uid": "x" }, "data": data, "status": {} });
        let (one, two) =
            (secret(json!({ "a": "1", "b": "2" })), secret(json!({ "a": "1", "b": "3" })));
        let (one, two) = comparable(Some(&one), Some(&two));
        assert_eq!(one.unwrap()["data"], json!({ "a": "***", "b": "*** (before)" }));
        let two = two.unwrap();
        assert_eq!(two["data"], json!({ "a": "***", "b": "*** (after)" }));
        assert_eq!((&two["metadata"], two.get("status")), (&json!({}), None));
    }
}
