//! Canonical JSON: the one form in which objects are kept.
//!
//! Canonical is what Go's encoder writes for a map: keys sorted by their bytes and
//! unique, no spaces, `<`, `>`, `&`, U+2028 and U+2029 escaped, whole numbers as
//! written and others in Go's shortest form. Go clients send it so, and
//! [`scan::scan`] finds that out in one pass while it notes where the parts of the
//! object lie. Anything else goes through [`tree`], which rewrites it.
//!
//! [`strings`] and [`indent`] look at any valid JSON as it goes by, in pieces.

pub mod indent;
pub mod number;
pub mod scan;
pub mod string;
pub mod strings;
pub mod tree;

pub use indent::Indent;
pub use scan::{Scan, Span};
pub use strings::Strings;

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    /// What Go's encoder writes of a value, said once more and as simply as can be.
    fn as_go_writes(value: &Value) -> String {
        match value {
            Value::Null | Value::Bool(_) => value.to_string(),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => whole.to_string(),
                (_, Some(0.0) | None) => "0".to_owned(),
                (_, Some(float)) if (1e-6..1e21).contains(&float.abs()) => float.to_string(),
                (_, Some(float)) => {
                    let text = format!("{float:e}");
                    if text.contains("e-") { text } else { text.replace('e', "e+") }
                }
            },
            Value::String(text) => {
                let escaped = text.chars().map(|it| match it {
                    '"' | '\\' => format!("\\{it}"),
                    '\n' => "\\n".to_owned(),
                    '\r' => "\\r".to_owned(),
                    '\t' => "\\t".to_owned(),
                    '\u{8}' => "\\b".to_owned(),
                    '\u{c}' => "\\f".to_owned(),
                    '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                        format!("\\u{:04x}", u32::from(it))
                    }
                    _ => it.to_string(),
                });
                format!("\"{}\"", escaped.collect::<String>())
            }
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(as_go_writes).collect();
                format!("[{}]", items.join(","))
            }
            Value::Object(members) => {
                let mut keys: Vec<&String> = members.keys().collect();
                keys.sort_by_key(|key| key.as_bytes());
                let member = |key: &&String| {
                    let name = as_go_writes(&Value::from(key.as_str()));
                    format!("{name}:{}", as_go_writes(&members[*key]))
                };
                format!("{{{}}}", keys.iter().map(member).collect::<Vec<_>>().join(","))
            }
        }
    }

    /// The same value, said otherwise: spaces, needless escapes, floats, keys twice.
    fn said_otherwise(value: &Value) -> String {
        match value {
            Value::Number(it) if it.as_i64().is_some_and(|it| it.abs() < 1 << 50) => {
                format!("{it}.0")
            }
            Value::String(text) => {
                let units: Vec<String> =
                    text.encode_utf16().map(|it| format!("\\u{it:04X}")).collect();
                let units = units.concat();
                format!("\"{units}\"")
            }
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(said_otherwise).collect();
                format!("[ {} ]", items.join(" ,\n"))
            }
            Value::Object(members) => {
                let member = |(key, value): (&String, &Value)| {
                    let key = said_otherwise(&Value::from(key.as_str()));
                    format!("{key}: null, {key} : {}", said_otherwise(value))
                };
                let members: Vec<String> = members.iter().rev().map(member).collect();
                format!("{{\t{} }}\r\n", members.join(" , "))
            }
            other => format!(" {other} "),
        }
    }

    fn any_object() -> impl Strategy<Value = Value> {
        proptest::collection::btree_map(any::<String>(), any_value(), 0..5)
            .prop_map(|it| Value::Object(it.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn canonical_bytes_pass_and_anything_else_becomes_what_go_would_have_written(
            object in any_object(),
            float in any::<f64>().prop_filter("finite", |it| it.is_finite()),
        ) {
            let mut object = object;
            object["a float"] = Value::from(float);
            let canonical = as_go_writes(&object);
            prop_assert!(super::scan::scan(canonical.as_bytes()).is_ok(), "{canonical}");
            for text in [canonical.clone(), said_otherwise(&object)] {
                let (value, _) = super::tree::read(text.as_bytes()).unwrap();
                let written = String::from_utf8(super::tree::to_vec(&value)).unwrap();
                prop_assert_eq!(&written, &canonical, "{}", text);
            }
            let other = said_otherwise(&object);
            prop_assert!(super::scan::scan(other.as_bytes()).is_err(), "{other}");
        }
    }

    /// Any value that JSON and YAML can both say.
    pub(crate) fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<i16>().prop_map(|it| Value::from(f64::from(it) + 0.5)),
            any::<String>().prop_map(Value::from),
            "[a-z:#\\-\n\" ]{0,9}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[a-z\\-: ]{0,5}", inner, 0..4)
                    .prop_map(|it| Value::Object(it.into_iter().collect())),
            ]
        })
    }
}
