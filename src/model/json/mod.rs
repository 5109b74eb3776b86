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
