//! Whether a stored definition still says what this version of the program serves.

use serde_json::{Map, Value};

use super::object::{Birth, definition};
use super::stored::DefinitionError;
use crate::model::ResourceType;
use crate::model::json::tree;

/// What to store in place of `current` (in `v1`), the definition of `it`; nothing if it will do.
///
/// Servers of other releases may share the store, and each words its descriptions
/// differently. So only what clients act on counts: names, scope, versions, columns,
/// annotations and whether it is established. The object keeps its identity and its labels, and every
/// version that objects may still be stored in stays on record.
pub fn updated(current: &[u8], it: &ResourceType) -> Result<Option<Vec<u8>>, DefinitionError> {
    let old: Value = serde_json::from_slice(current).map_err(DefinitionError::Json)?;
    let text = |pointer: &str, missing: &'static str| {
        old.pointer(pointer).and_then(Value::as_str).ok_or(DefinitionError::Missing(missing))
    };
    let generation = old.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(1);
    let birth = Birth {
        uid: text("/metadata/uid", "uid")?,
        created: text("/metadata/creationTimestamp", "creationTimestamp")?,
        generation: generation.saturating_add(1),
    };
    let mut new: Value =
        serde_json::from_slice(&definition(it, birth)).map_err(DefinitionError::Json)?;
    if is_established(&old)
        && essence(&old) == essence(&new)
        && annotations(&new)
            .all(|(key, value)| old["metadata"]["annotations"].get(key) == Some(value))
    {
        return Ok(None);
    }
    let stored = old.pointer("/status/storedVersions").and_then(Value::as_array);
    if let Value::Array(versions) = &mut new["status"]["storedVersions"] {
        for version in stored.into_iter().flatten() {
            if !versions.contains(version) {
                versions.push(version.clone());
            }
        }
    }
    // What others added to the metadata stays.
    if let (Value::Object(theirs), Value::Object(ours)) =
        (old["metadata"].clone(), new["metadata"].take())
    {
        new["metadata"] = Value::Object(overlaid(theirs, ours));
    }
    Ok(Some(tree::to_vec(&new)))
}

/// The spec without the words that only people read.
fn essence(definition: &Value) -> Value {
    let mut spec = definition["spec"].clone();
    let versions = spec.get_mut("versions").and_then(Value::as_array_mut).into_iter().flatten();
    let columns = versions
        .filter_map(|it| it.get_mut("additionalPrinterColumns").and_then(Value::as_array_mut));
    for column in columns.flatten().filter_map(Value::as_object_mut) {
        column.remove("description");
    }
    spec
}

fn annotations(definition: &Value) -> impl Iterator<Item = (&String, &Value)> {
    definition["metadata"]["annotations"].as_object().into_iter().flatten()
}

fn is_established(definition: &Value) -> bool {
    let conditions = definition.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|it| it["type"] == "Established" && it["status"] == "True")
}

/// `below` with the members of `above`; objects in both are laid over each other too.
fn overlaid(mut below: Map<String, Value>, above: Map<String, Value>) -> Map<String, Value> {
    for (key, value) in above {
        let merged = match (below.remove(&key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => {
                Value::Object(overlaid(below, above))
            }
            (_, value) => value,
        };
        below.insert(key, merged);
    }
    below
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::builtin;

    fn shards() -> &'static ResourceType {
        builtin::find("core.kcp.io", "shards").unwrap()
    }

    fn current() -> Value {
        let birth = Birth { uid: "u", created: "2026-01-31T12:00:00Z", generation: 3 };
        let mut value: Value = serde_json::from_slice(&definition(shards(), birth)).unwrap();
        value["metadata"]["labels"] = json!({"kept": "yes"});
        value["metadata"]["annotations"]["kept"] = json!("yes");
        value
    }

    fn update(current: &Value) -> Option<Value> {
        let new = updated(current.to_string().as_bytes(), shards()).unwrap();
        new.map(|bytes| serde_json::from_slice(&bytes).unwrap())
    }

    #[test]
    fn other_words_and_foreign_annotations_are_no_reason_to_write() {
        let mut it = current();
        it["spec"]["versions"][0]["additionalPrinterColumns"][0]["description"] = json!("other");
        it["status"]["conditions"][0]["message"] = json!("other");
        assert_eq!(update(&it), None);
    }

    #[test]
    fn a_new_version_is_added_and_the_old_stays_on_record() {
        let mut it = current();
        it["spec"]["versions"][0]["name"] = json!("v1alpha0");
        it["status"]["storedVersions"] = json!(["v1alpha0"]);
        let new = update(&it).unwrap();
        assert_eq!(new["spec"], current()["spec"]);
        assert_eq!(new["status"]["storedVersions"], json!(["v1alpha1", "v1alpha0"]));
        let mut metadata = current()["metadata"].clone();
        metadata["generation"] = json!(4);
        assert_eq!(new["metadata"], metadata);
    }

    #[test]
    fn one_that_was_never_established_is_made_whole() {
        let mut it = current();
        it["status"] = json!({"conditions": null});
        assert_eq!(update(&it).unwrap()["status"], current()["status"]);
    }

    #[test]
    fn bytes_that_are_no_definition_are_refused() {
        assert!(updated(b"{", shards()).is_err());
        assert_eq!(updated(b"{}", shards()).unwrap_err().to_string(), "the definition has no uid");
    }
}
