//! Which fields of an object somebody owns: paths, sets of them, and `managedFields`.
//!
//! A field is named by the elements on the way to it ([`PathElement`]), and what a
//! manager owns is a set of such paths ([`FieldSet`]). Kubernetes writes a set as a JSON
//! object, `FieldsV1`, in which each key says what kind of element it is, and all sets of
//! an object as the list `metadata.managedFields` ([`Managers`]).
//!
//! # What is absent on purpose
//!
//! What fields an object *has*, and whose a field becomes by a write: that needs the
//! structure of the type, and is [`apply`](super::apply)'s.

mod element;
mod managers;
mod set;
mod v1;

pub use element::{PathElement, compare, shown, shown_path};
pub use managers::{ManagedFieldsError, Manager, Managers, Operation, Owned};
pub use set::FieldSet;
pub(super) use set::Node;
pub use v1::FieldsError;

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::model::json::tests::any_value;

    /// Any element that can be part of a path.
    fn any_element() -> impl Strategy<Value = PathElement> {
        let scalar = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<i16>().prop_map(|it| Value::from(f64::from(it) + 0.5)),
            "[a-c:/<\" ]{0,3}".prop_map(Value::from),
        ];
        prop_oneof![
            4 => "[a-e.:<]{0,3}".prop_map(PathElement::Field),
            2 => proptest::collection::btree_map("[a-c]{1,2}", scalar.clone(), 1..3)
                .prop_map(PathElement::key),
            2 => scalar.prop_map(PathElement::Value),
            1 => (0_usize..9).prop_map(PathElement::Index),
        ]
    }

    /// Any set of fields.
    pub(in crate::model) fn any_set() -> impl Strategy<Value = FieldSet> {
        let path = proptest::collection::vec(any_element(), 1..4);
        proptest::collection::vec(path, 0..12).prop_map(|paths| {
            let mut set = FieldSet::default();
            for path in &paths {
                set.insert(path);
            }
            set
        })
    }

    fn paths(set: &FieldSet) -> Vec<Vec<PathElement>> {
        let mut all = set.paths();
        all.sort();
        all
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(set in any_set()) {
            prop_assert_eq!(FieldSet::from_v1(&set.to_v1()).unwrap(), set);
        }

        #[test]
        fn any_json_is_a_set_or_an_error(value in any_value()) {
            if let Ok(set) = FieldSet::from_v1(&value) {
                prop_assert_eq!(FieldSet::from_v1(&set.to_v1()).unwrap(), set);
            }
            let entries = json!([{"manager": "a", "operation": "Update", "apiVersion": "v1",
                "fieldsType": "FieldsV1", "fieldsV1": value}]);
            for entries in [entries, value] {
                if let Ok(managers) = Managers::decode(Some(&entries)) {
                    let written = managers.encode();
                    prop_assert_eq!(Managers::decode(written.as_ref()).unwrap(), managers);
                }
            }
        }

        #[test]
        fn sets_are_sets(a in any_set(), b in any_set()) {
            let (in_a, in_b) = (paths(&a), paths(&b));
            let both = |keep: &dyn Fn(&Vec<PathElement>) -> bool| -> Vec<Vec<PathElement>> {
                in_a.iter().filter(|it| keep(it)).cloned().collect()
            };
            prop_assert_eq!(paths(&a.difference(&b)), both(&|it| !in_b.contains(it)));
            prop_assert_eq!(paths(&a.intersection(&b)), both(&|it| in_b.contains(it)));
            let mut union: Vec<Vec<PathElement>> = in_a.iter().chain(&in_b).cloned().collect();
            union.sort();
            union.dedup();
            prop_assert_eq!(paths(&a.union(&b)), union);
            for path in a.without(&b).paths() {
                prop_assert!(!b.covers(&path), "{}", shown_path(&path));
                prop_assert!(a.contains(&path));
            }
            for path in a.paths() {
                prop_assert_eq!(a.without(&b).contains(&path), !b.covers(&path));
                prop_assert_eq!(b.reaches(&path), b.paths().iter().any(|it| it.starts_with(&path)));
            }
            for path in a.leaves().paths() {
                prop_assert!(!a.paths().iter().any(|it| it.len() > path.len() && it.starts_with(&path)));
            }
        }
    }
}
