//! Patches: changes to an object, in the three forms that clients send.
//!
//! * `strategic` is the one that Kubernetes made for its own types.
//! * JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7386) are a library's.
//!
//! # What is absent on purpose
//!
//! Server-side apply: whose a field is counts there too. It is [`apply`](super::apply).

mod strategic;

use serde_json::{Map, Value};

use crate::model::json::tree;

pub use strategic::{StrategicError, is_supported as has_strategic};

/// How many operations a JSON Patch may have: each may copy much of the object.
pub const OPERATIONS_MAX: usize = 10_000;

/// The form of a patch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PatchKind {
    /// A list of operations.
    Json,
    /// The members that change; null removes one.
    Merge,
    /// As [`Merge`](Self::Merge), and lists can be merged too.
    Strategic,
}

/// A patch that can be applied to objects, any number of times.
#[derive(Debug)]
pub struct Patch {
    change: Change,
    /// What a reader of it would not expect: members that are given twice or that mean
    /// nothing.
    pub findings: Vec<String>,
}

#[derive(Debug)]
enum Change {
    Json(json_patch::Patch),
    Merge(Value),
    Strategic(Map<String, Value>),
}

/// The members of an operation of a JSON Patch.
const OPERATION: [&str; 4] = ["op", "path", "from", "value"];

/// The patch does not change the object.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// It is not a patch of its form.
    #[error("error decoding patch")]
    Malformed(#[source] serde_json::Error),
    /// It is JSON, but no object.
    #[error("error decoding patch: expected a JSON object")]
    NotAnObject,
    /// It has too many operations.
    #[error("The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {0}")]
    TooLong(usize),
    /// An operation does not fit the object, or a test in it failed.
    #[error("the patch does not fit the object")]
    Json(#[source] json_patch::PatchError),
    /// A strategic merge patch says something that cannot be done.
    #[error("the patch does not fit the object")]
    Strategic(#[source] StrategicError),
    /// What it would leave is no object.
    #[error("the patch would leave something that is no object")]
    Destructive,
}

impl PatchKind {
    /// The form that a `Content-Type` names, for types that have a strategic one or not.
    pub fn from_content_type(content_type: &str, has_strategic: bool) -> Option<Self> {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        match media_type {
            "application/json-patch+json" => Some(Self::Json),
            "application/merge-patch+json" => Some(Self::Merge),
            "application/strategic-merge-patch+json" if has_strategic => Some(Self::Strategic),
            _ => None,
        }
    }

    /// The values of `Content-Type` that are understood for such types.
    pub fn content_types(has_strategic: bool) -> &'static [&'static str] {
        let all = &[
            "application/json-patch+json",
            "application/merge-patch+json",
            "application/strategic-merge-patch+json",
        ];
        if has_strategic { all } else { &all[..2] }
    }

    /// Reads a patch of this form.
    pub fn read(self, patch: &[u8]) -> Result<Patch, PatchError> {
        let (value, duplicates) = tree::read(patch).map_err(PatchError::Malformed)?;
        let what = if self == Self::Json { "json patch duplicate" } else { "duplicate" };
        let mut findings: Vec<String> =
            duplicates.into_iter().map(|path| format!("{what} field \"{path}\"")).collect();
        let change = match (self, value) {
            (Self::Json, value) => {
                findings.extend(unknown_members(&value));
                let patch: json_patch::Patch =
                    serde_json::from_value(value).map_err(PatchError::Malformed)?;
                if patch.0.len() > OPERATIONS_MAX {
                    return Err(PatchError::TooLong(patch.0.len()));
                }
                Change::Json(patch)
            }
            (Self::Merge, value @ Value::Object(_)) => Change::Merge(value),
            (Self::Strategic, Value::Object(changes)) => Change::Strategic(changes),
            _ => return Err(PatchError::NotAnObject),
        };
        Ok(Patch { change, findings })
    }
}

impl Patch {
    /// What `object`, which is JSON, becomes, as canonical JSON without a newline.
    pub fn apply(&self, object: &[u8]) -> Result<Vec<u8>, PatchError> {
        let mut value: Value = serde_json::from_slice(object).map_err(PatchError::Malformed)?;
        match &self.change {
            Change::Json(patch) => {
                json_patch::patch(&mut value, patch).map_err(PatchError::Json)?;
            }
            Change::Merge(patch) => json_patch::merge(&mut value, patch),
            Change::Strategic(changes) => {
                let Value::Object(object) = &mut value else {
                    return Err(PatchError::Destructive);
                };
                strategic::apply(object, changes.clone()).map_err(PatchError::Strategic)?;
            }
        }
        if !value.is_object() {
            return Err(PatchError::Destructive);
        }
        Ok(tree::to_vec(&value))
    }
}

/// What the operations of a JSON Patch have beside what they should.
fn unknown_members(patch: &Value) -> impl Iterator<Item = String> {
    let operations = patch.as_array().into_iter().flatten().enumerate();
    operations.flat_map(|(at, operation)| {
        let members = operation.as_object().into_iter().flat_map(Map::keys);
        let unknown = members.filter(|name| !OPERATION.contains(&name.as_str()));
        unknown.map(move |name| format!("json patch unknown field \"[{at}].{name}\""))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: &[u8] = br#"{"metadata":{"labels":{"a":"1"}},"spec":{"l":[1,2]}}"#;

    fn patched(kind: PatchKind, patch: &str) -> Result<String, String> {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let patch = kind.read(patch.as_bytes()).map_err(|it| it.to_string())?;
        patch.apply(OBJECT).map(text).map_err(|it| it.to_string())
    }

    #[test]
    fn the_content_type_says_the_form() {
        for (content_type, has_strategic, kind) in [
            ("application/json-patch+json", true, Some(PatchKind::Json)),
            ("application/merge-patch+json; charset=utf-8", false, Some(PatchKind::Merge)),
            ("application/strategic-merge-patch+json", true, Some(PatchKind::Strategic)),
            ("application/strategic-merge-patch+json", false, None),
            ("application/json", true, None),
            ("", true, None),
        ] {
            assert_eq!(
                PatchKind::from_content_type(content_type, has_strategic),
                kind,
                "{content_type}"
            );
            for it in PatchKind::content_types(has_strategic) {
                assert!(PatchKind::from_content_type(it, has_strategic).is_some());
            }
        }
    }

    #[test]
    fn each_form_changes_an_object() {
        for (kind, patch, result) in [
            (
                PatchKind::Json,
                r#"[{"op":"add","path":"/spec/l/-","value":"<"},{"op":"remove","path":"/metadata"}]"#,
                r#"{"spec":{"l":[1,2,"\u003c"]}}"#,
            ),
            (
                PatchKind::Merge,
                r#"{"metadata":{"labels":{"a":null,"b":"2"}},"spec":{"l":[3]}}"#,
                r#"{"metadata":{"labels":{"b":"2"}},"spec":{"l":[3]}}"#,
            ),
            (
                PatchKind::Strategic,
                r#"{"metadata":{"finalizers":["x/y"]},"spec":null}"#,
                r#"{"metadata":{"finalizers":["x/y"],"labels":{"a":"1"}}}"#,
            ),
        ] {
            assert_eq!(patched(kind, patch), Ok(result.to_owned()));
        }
    }

    #[test]
    fn a_patch_that_does_not_fit_is_refused() {
        for (kind, patch, message) in [
            (PatchKind::Json, "{}", "error decoding patch"),
            (PatchKind::Json, "[{\"op\":\"burn\",\"path\":\"/a\"}]", "error decoding patch"),
            (
                PatchKind::Json,
                r#"[{"op":"test","path":"/spec/l/0","value":7}]"#,
                "the patch does not fit the object",
            ),
            (
                PatchKind::Json,
                r#"[{"op":"remove","path":"/none"}]"#,
                "the patch does not fit the object",
            ),
            (
                PatchKind::Json,
                r#"[{"op":"replace","path":"","value":1}]"#,
                "the patch would leave something that is no object",
            ),
            (PatchKind::Merge, "x", "error decoding patch"),
            (PatchKind::Merge, "[]", "error decoding patch: expected a JSON object"),
            (PatchKind::Strategic, "1", "error decoding patch: expected a JSON object"),
            (
                PatchKind::Strategic,
                r#"{"spec":{"$patch":"burn"}}"#,
                "the patch does not fit the object",
            ),
        ] {
            assert_eq!(patched(kind, patch), Err(message.to_owned()), "{patch}");
        }
        let operation = r#"{"op":"test","path":"/spec/l/0","value":1}"#;
        let long = format!("[{}]", vec![operation; OPERATIONS_MAX + 1].join(","));
        assert_eq!(
            patched(PatchKind::Json, &long),
            Err("The allowed maximum operations in a JSON patch is 10000, got 10001".to_owned())
        );
    }
    #[test]
    fn what_is_odd_about_a_patch_is_found() {
        let found = |kind: PatchKind, patch: &str| kind.read(patch.as_bytes()).unwrap().findings;
        let merge = r#"{"spec":{"a":1,"a":2},"metadata":{"name":"x","name":"x"}}"#;
        let both = ["duplicate field \"spec.a\"", "duplicate field \"metadata.name\""];
        assert_eq!(found(PatchKind::Merge, merge), both);
        assert_eq!(found(PatchKind::Strategic, merge), both);
        assert_eq!(
            found(
                PatchKind::Json,
                r#"[{"op":"test","path":"/a","value":1},
                    {"op":"add","path":"/a","value":{"b":1,"b":2},"nope":1}]"#
            ),
            ["json patch duplicate field \"[1].value.b\"", "json patch unknown field \"[1].nope\"",]
        );
    }
}
