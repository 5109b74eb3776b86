//! `FieldsV1`: a set of fields as a JSON object.
//!
//! Each key is an element with its kind before a colon; its value holds what is below. An
//! empty object says that the element is a member, and where something is below it, a
//! member called `.` does.

use serde_json::{Map, Value};

use super::PathElement;
use super::set::{FieldSet, Node};

/// How one says that an element with something below it is a member too.
const SELF: &str = ".";

/// The JSON is no set of fields.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FieldsError {
    /// A key that names no element.
    #[error("parsing key as path element: {0}")]
    Element(String),
    /// Something that is no object.
    #[error("fields must be objects")]
    NotAnObject,
}

impl FieldSet {
    /// The set as `FieldsV1`.
    pub fn to_v1(&self) -> Value {
        let members = self.nodes.iter().map(|(element, node)| {
            let mut below = node.below.to_v1();
            if let Value::Object(below) = &mut below
                && node.member
                && !below.is_empty()
            {
                below.insert(SELF.to_owned(), Value::Object(Map::new()));
            }
            (element.encode(), below)
        });
        Value::Object(members.collect())
    }

    /// Reads `FieldsV1`. Elements of a kind that is not known are left out, as Kubernetes
    /// does it: a later version may have them.
    pub fn from_v1(value: &Value) -> Result<Self, FieldsError> {
        Ok(read(value)?.below)
    }
}

/// What is at an element whose value in the object is `value`.
fn read(value: &Value) -> Result<Node, FieldsError> {
    let members = match value {
        Value::Object(members) => members,
        Value::Null => return Ok(Node { member: true, below: FieldSet::default() }),
        _ => return Err(FieldsError::NotAnObject),
    };
    let mut node = Node::default();
    for (key, value) in members {
        if key == SELF {
            node.member = true;
            continue;
        }
        if let Some(element) = PathElement::decode(key).map_err(FieldsError::Element)? {
            node.below.put(element, read(value)?);
        }
    }
    node.member |= node.below.is_empty();
    Ok(node)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_set_is_read_and_written_as_kubernetes_writes_it() {
        let written = json!({
            "f:metadata": {"f:labels": {".": {}, "f:a": {}}, "f:finalizers": {".": {}, "v:\"x/y\"": {}}},
            "f:spec": {"f:ports": {"k:{\"port\":80}": {".": {}, "f:port": {}}}},
        });
        let set = FieldSet::from_v1(&written).unwrap();
        assert_eq!(set.to_v1(), written);
        let path = |names: &[&str]| -> Vec<PathElement> {
            names.iter().map(|it| PathElement::Field((*it).to_owned())).collect()
        };
        assert!(set.contains(&path(&["metadata", "labels"])));
        assert!(!set.contains(&path(&["metadata"])));
        assert!(set.reaches(&path(&["metadata"])));
        assert!(set.covers(&path(&["metadata", "labels", "b"])));
    }

    #[test]
    fn what_a_later_version_may_know_is_left_out() {
        let set = FieldSet::from_v1(&json!({"z:1": {"f:a": {}}, "f:b": null})).unwrap();
        assert_eq!(set.to_v1(), json!({"f:b": {}}));
        for nonsense in [json!([]), json!({"f:a": 1}), json!({"f": {}}), json!({"k:1": {}})] {
            assert!(FieldSet::from_v1(&nonsense).is_err(), "{nonsense}");
        }
    }
}
