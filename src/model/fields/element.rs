//! One step on the way to a field.

use std::cmp::Ordering;
use std::fmt::{self, Write as _};

use serde_json::{Map, Number, Value};

use crate::model::json::tree;

/// One step on the way to a field: into a map, or to an element of a list.
///
/// The order is that in which Kubernetes lists fields: names, keys, values, indexes.
#[derive(Clone, Debug)]
pub enum PathElement {
    /// The member of a map.
    Field(String),
    /// The element of a list whose members have these values, sorted by their names.
    Key(Vec<(String, Value)>),
    /// The element of a set that is this value.
    Value(Value),
    /// The element of a list at this place.
    Index(usize),
}

impl PathElement {
    /// The element of a list that these members tell apart.
    pub fn key(members: impl IntoIterator<Item = (String, Value)>) -> Self {
        let mut members: Vec<_> = members.into_iter().collect();
        members.sort_by(|a, b| a.0.cmp(&b.0));
        Self::Key(members)
    }

    /// The key of this element in `FieldsV1`.
    pub fn encode(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(members) => {
                let members: Map<String, Value> = members.iter().cloned().collect();
                format!("k:{}", canonical(&Value::Object(members)))
            }
            Self::Value(value) => format!("v:{}", canonical(value)),
            Self::Index(at) => format!("i:{at}"),
        }
    }

    /// Reads a key of `FieldsV1`; none if it is of a kind that nobody knows yet.
    pub(super) fn decode(key: &str) -> Result<Option<Self>, String> {
        if key.as_bytes().get(1) != Some(&b':') {
            return Err(format!("missing colon: {key}"));
        }
        let (kind, rest) = key.split_at(2);
        let json = || serde_json::from_str::<Value>(rest).map_err(|error| error.to_string());
        Ok(Some(match kind {
            "f:" => Self::Field(rest.to_owned()),
            "v:" => Self::Value(json()?),
            "k:" => match json()? {
                Value::Object(members) => Self::key(members),
                _ => return Err(format!("`{key}` is no object")),
            },
            "i:" => Self::Index(rest.parse().map_err(|_| format!("`{key}` is no index"))?),
            _ => return Ok(None),
        }))
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::Field(_) => 0,
            Self::Key(_) => 1,
            Self::Value(_) => 2,
            Self::Index(_) => 3,
        }
    }
}

impl Ord for PathElement {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Field(a), Self::Field(b)) => a.cmp(b),
            (Self::Key(a), Self::Key(b)) => {
                let members = a.iter().zip(b);
                let order = members.map(|(a, b)| a.0.cmp(&b.0).then_with(|| compare(&a.1, &b.1)));
                first_difference(order).then(a.len().cmp(&b.len()))
            }
            (Self::Value(a), Self::Value(b)) => compare(a, b),
            (Self::Index(a), Self::Index(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for PathElement {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for PathElement {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for PathElement {}

/// As conflicts name it.
impl fmt::Display for PathElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(members) => {
                f.write_char('[')?;
                for (at, (name, value)) in members.iter().enumerate() {
                    let comma = if at > 0 { "," } else { "" };
                    write!(f, "{comma}{name}={}", shown(value))?;
                }
                f.write_char(']')
            }
            Self::Value(value) => write!(f, "[={}]", shown(value)),
            Self::Index(at) => write!(f, "[{at}]"),
        }
    }
}

/// A path as conflicts name it.
pub fn shown_path(path: &[PathElement]) -> String {
    path.iter().fold(String::new(), |mut text, element| {
        let _ = write!(text, "{element}"); // a string takes every write
        text
    })
}

/// A value as conflicts name it.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(","))
        }
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("{name}={}", shown(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(";"))
        }
        Value::String(text) => format!("{text:?}"),
        scalar => canonical(scalar),
    }
}

/// Compares two values. Numbers are compared by what they say: `1` is `1.0`.
pub fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => compare_numbers(a, b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            first_difference(a.iter().zip(b).map(|(a, b)| compare(a, b)))
                .then(a.len().cmp(&b.len()))
        }
        (Value::Object(a), Value::Object(b)) => {
            let members = a.iter().zip(b);
            let order = members.map(|(a, b)| a.0.cmp(b.0).then_with(|| compare(a.1, b.1)));
            first_difference(order).then(a.len().cmp(&b.len()))
        }
        _ => rank(a).cmp(&rank(b)),
    }
}

fn first_difference(mut orders: impl Iterator<Item = Ordering>) -> Ordering {
    orders.find(|it| it.is_ne()).unwrap_or(Ordering::Equal)
}

const fn rank(value: &Value) -> u8 {
    match value {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        Value::Bool(_) => 2,
        Value::Array(_) => 3,
        Value::Object(_) => 4,
        Value::Null => 5,
    }
}

/// An order of all numbers, exact where a float would round a whole number.
fn compare_numbers(a: &Number, b: &Number) -> Ordering {
    let whole = |it: &Number| it.as_i64().map(i128::from).or_else(|| it.as_u64().map(i128::from));
    let float = |it: &Number| it.as_f64().unwrap_or(0.0);
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(a), None) => compare_to_float(a, float(b)),
        (None, Some(b)) => compare_to_float(b, float(a)).reverse(),
        // Zero has no sign.
        (None, None) => (float(a) + 0.0).total_cmp(&(float(b) + 0.0)),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a float out of range is the nearest whole")]
fn compare_to_float(whole: i128, float: f64) -> Ordering {
    whole.cmp(&(float.trunc() as i128)).then_with(|| 0.0_f64.total_cmp(&(float.fract() + 0.0)))
}

/// A value as JSON, written as Go writes it.
fn canonical(value: &Value) -> String {
    String::from_utf8_lossy(&tree::to_vec(value)).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn elements_are_written_and_shown_as_kubernetes_does() {
        let key = |members: Value| match members {
            Value::Object(members) => PathElement::key(members),
            _ => panic!("no object"),
        };
        for (element, written, told) in [
            (PathElement::Field("a.b/c".to_owned()), "f:a.b/c", ".a.b/c"),
            (
                key(json!({"protocol": "TCP", "port": 80})),
                r#"k:{"port":80,"protocol":"TCP"}"#,
                r#"[port=80,protocol="TCP"]"#,
            ),
            (PathElement::Value(json!("a\"b")), r#"v:"a\"b""#, r#"[="a\"b"]"#),
            (PathElement::Value(json!("a<b")), r#"v:"a\u003cb""#, r#"[="a<b"]"#),
            (PathElement::Value(json!(1.5)), "v:1.5", "[=1.5]"),
            (PathElement::Value(json!(true)), "v:true", "[=true]"),
            (PathElement::Index(3), "i:3", "[3]"),
        ] {
            assert_eq!(element.encode(), written);
            assert_eq!(element.to_string(), told);
            assert_eq!(PathElement::decode(written), Ok(Some(element)));
        }
    }

    #[test]
    fn a_kind_of_a_later_kubernetes_is_left_out_and_nonsense_is_refused() {
        assert_eq!(PathElement::decode("z:1"), Ok(None));
        for nonsense in ["", "f", "ff:a", "é:a", "k:[]", "k:{", "v:", "i:x", "i:-1"] {
            assert!(PathElement::decode(nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn numbers_are_ordered_by_what_they_say() {
        let ordered = [
            json!(-1e300),
            json!(i64::MIN),
            json!(-1.5),
            json!(-1),
            json!(-0.5),
            json!(0),
            json!(0.5),
            json!(9_007_199_254_740_992_i64),
            json!(9_007_199_254_740_993_i64),
            json!(u64::MAX),
            json!(1e300),
            json!(""),
            json!("a"),
            json!(false),
            json!(true),
            json!([]),
            json!([1]),
            json!({}),
            json!(null),
        ];
        for (at, a) in ordered.iter().enumerate() {
            for (and, b) in ordered.iter().enumerate() {
                assert_eq!(compare(a, b), at.cmp(&and), "{a} {b}");
            }
        }
        assert!(compare(&json!(1), &json!(1.0)).is_eq());
        assert!(compare(&json!(0), &json!(-0.0)).is_eq());
        assert!(compare(&json!(0.0), &json!(-0.0)).is_eq());
    }
}
