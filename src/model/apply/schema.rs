//! Reading a [`Structure`] from the structural schema of a definition.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::structure::{Elements, Field, Inner, ListOf, MapOf, Scalar, Structure};

/// A schema that says something that cannot be.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the schema at `{path}` {why}")]
pub struct SchemaError {
    /// Where in the schema.
    pub path: String,
    /// What is wrong there.
    pub why: &'static str,
}

impl Structure {
    /// The structure of the objects that `schema` describes: the `openAPIV3Schema` of a
    /// version of a definition. What stands in every object's metadata is added.
    pub fn from_schema(schema: &Value) -> Result<Self, SchemaError> {
        let mut structure = read(schema, false, "")?;
        if let Some(map) = &mut structure.map {
            add_object(map);
        }
        Ok(structure)
    }

    /// The structure of an object of which nothing is known but that it has metadata.
    pub fn any_object() -> &'static Self {
        static ANY: LazyLock<Structure> = LazyLock::new(|| {
            let mut map = MapOf { fields: BTreeMap::new(), others: Inner::Deduced, atomic: false };
            add_object(&mut map);
            Structure { map: Some(map), ..Structure::default() }
        });
        &ANY
    }

    const fn of_scalar(scalar: Scalar) -> Self {
        Self { map: None, scalar: Some(scalar), list: None }
    }
}

/// Gives a map what every object has.
fn add_object(map: &mut MapOf) {
    let mut put = |name: &str, structure| {
        map.fields.insert(name.to_owned(), Field { structure, default: None });
    };
    put("apiVersion", Structure::of_scalar(Scalar::Text));
    put("kind", Structure::of_scalar(Scalar::Text));
    put("metadata", metadata());
}

/// What the metadata of every object is made of.
fn metadata() -> Structure {
    let text = json!({"type": "string"});
    let texts = json!({"type": "object", "additionalProperties": text});
    let time = json!({"type": "string", "format": "date-time"});
    let number = json!({"type": "integer"});
    let anything = json!({"x-kubernetes-preserve-unknown-fields": true});
    let schema = json!({"type": "object", "properties": {
        "annotations": texts,
        "creationTimestamp": time,
        "deletionGracePeriodSeconds": number,
        "deletionTimestamp": time,
        "finalizers": {"type": "array", "items": text, "x-kubernetes-list-type": "set"},
        "generateName": text,
        "generation": number,
        "labels": texts,
        "managedFields": {"type": "array", "items": anything},
        "name": text,
        "namespace": text,
        "ownerReferences": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["uid"],
            "items": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {
                "apiVersion": text,
                "blockOwnerDeletion": {"type": "boolean"},
                "controller": {"type": "boolean"},
                "kind": text,
                "name": text,
                "uid": text,
            }},
        },
        "resourceVersion": text,
        "selfLink": text,
        "uid": text,
    }});
    // What is written here is right; a flaw would show in the tests as no metadata at all.
    read(&schema, false, "metadata").unwrap_or_default()
}

fn is_true(schema: &Value, key: &str) -> bool {
    schema.get(key) == Some(&Value::Bool(true))
}

/// Reads a schema. `preserves` says whether one around it keeps unknown fields.
fn read(schema: &Value, preserves: bool, path: &str) -> Result<Structure, SchemaError> {
    let preserves = preserves || is_true(schema, "x-kubernetes-preserve-unknown-fields");
    Ok(match schema.get("type").and_then(Value::as_str).unwrap_or_default() {
        "" => Structure {
            map: Some(read_map(schema, preserves, path)?),
            scalar: Some(Scalar::Any),
            list: Some(read_list(schema, preserves, path)?),
        },
        "object" => {
            let mut map = read_map(schema, preserves, path)?;
            if is_true(schema, "x-kubernetes-embedded-resource") {
                add_object(&mut map);
            }
            Structure { map: Some(map), ..Structure::default() }
        }
        "array" => {
            Structure { list: Some(read_list(schema, preserves, path)?), ..Structure::default() }
        }
        "integer" | "number" => Structure::of_scalar(Scalar::Number),
        "boolean" => Structure::of_scalar(Scalar::Boolean),
        "string" => {
            let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
            let plain = matches!(format, "" | "byte");
            Structure::of_scalar(if plain { Scalar::Text } else { Scalar::Any })
        }
        _ => return Err(SchemaError { path: path.to_owned(), why: "has an unknown type" }),
    })
}

fn read_map(schema: &Value, preserves: bool, path: &str) -> Result<MapOf, SchemaError> {
    let mut fields = BTreeMap::new();
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, member) in properties.into_iter().flatten() {
        let structure = read(member, preserves, &format!("{path}.{name}"))?;
        let default = member.get("default").cloned();
        fields.insert(name.clone(), Field { structure, default });
    }
    let others = match schema.get("additionalProperties") {
        Some(Value::Bool(true)) => Inner::Deduced,
        Some(others @ Value::Object(_)) => {
            Inner::Of(Box::new(read(others, preserves, &format!("{path}.*"))?))
        }
        // An object of which nothing is said is one that may have anything.
        None if preserves || fields.is_empty() => Inner::Deduced,
        _ => Inner::Nothing,
    };
    let atomic = match schema.get("x-kubernetes-map-type").and_then(Value::as_str) {
        None | Some("granular") => false,
        Some("atomic") => true,
        Some(_) => {
            return Err(SchemaError { path: path.to_owned(), why: "has an unknown map type" });
        }
    };
    Ok(MapOf { fields, others, atomic })
}

fn read_list(schema: &Value, preserves: bool, path: &str) -> Result<ListOf, SchemaError> {
    let items = match schema.get("items") {
        Some(items) => Inner::Of(Box::new(read(items, preserves, &format!("{path}[]"))?)),
        None => Inner::Deduced,
    };
    let wrong = |why| Err(SchemaError { path: path.to_owned(), why });
    let elements = match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
        None | Some("atomic") => Elements::Atomic,
        Some("set") => Elements::Set,
        Some("map") => {
            let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
            let keys: Vec<String> = keys
                .into_iter()
                .flatten()
                .filter_map(|it| it.as_str().map(str::to_owned))
                .collect();
            if keys.is_empty() {
                return wrong("is a list of type map without keys");
            }
            Elements::Keys(keys)
        }
        Some(_) => return wrong("has an unknown list type"),
    };
    Ok(ListOf { items, elements })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_has_metadata() {
        let structure = Structure::from_schema(&json!({"type": "object"})).unwrap();
        let map = structure.map.unwrap();
        let metadata = map.member("metadata").unwrap().map.as_ref().unwrap();
        let elements =
            |name: &str| metadata.member(name).unwrap().list.as_ref().unwrap().elements.clone();
        assert_eq!(elements("finalizers"), Elements::Set);
        assert_eq!(elements("ownerReferences"), Elements::Keys(vec!["uid".to_owned()]));
        assert_eq!(elements("managedFields"), Elements::Atomic);
        assert!(metadata.member("bogus").is_none());
    }

    #[test]
    fn what_is_not_said_is_deduced_or_refused() {
        let others = |schema: Value| Structure::from_schema(&schema).unwrap().map.unwrap().others;
        assert_eq!(others(json!({"type": "object"})), Inner::Deduced);
        assert_eq!(
            others(json!({"type": "object", "properties": {"a": {"type": "string"}}})),
            Inner::Nothing
        );
        assert_eq!(
            others(json!({"type": "object", "properties": {"a": {"type": "string"}},
                "x-kubernetes-preserve-unknown-fields": true})),
            Inner::Deduced
        );
        for (schema, why) in [
            (json!({"type": "tree"}), "has an unknown type"),
            (json!({"x-kubernetes-map-type": "round"}), "has an unknown map type"),
            (
                json!({"type": "array", "x-kubernetes-list-type": "map"}),
                "is a list of type map without keys",
            ),
            (json!({"type": "array", "x-kubernetes-list-type": "bag"}), "has an unknown list type"),
        ] {
            let schema = json!({"type": "object", "properties": {"a": schema}});
            let error = Structure::from_schema(&schema).unwrap_err();
            assert_eq!((error.path.as_str(), error.why), (".a", why));
        }
    }
}
