//! What others own that an applier wants otherwise.

use std::collections::BTreeMap;

use crate::model::fields::{Manager, PathElement, shown_path};

/// A field that somebody else owns, with another value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Conflict {
    /// Who owns it.
    pub manager: Manager,
    /// The field.
    pub path: Vec<PathElement>,
}

/// All of them; never none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Conflicts(pub Vec<Conflict>);

impl Conflict {
    /// Whom it is with, in words.
    pub fn message(&self) -> String {
        format!("conflict with {}", self.manager)
    }

    /// The field, in words.
    pub fn field(&self) -> String {
        shown_path(&self.path)
    }
}

/// As Kubernetes tells it.
impl std::fmt::Display for Conflicts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let [one] = &self.0[..] {
            return write!(f, "Apply failed with 1 conflict: {}: {}", one.message(), one.field());
        }
        write!(f, "Apply failed with {} conflicts: ", self.0.len())?;
        let mut by_manager: BTreeMap<&Manager, Vec<String>> = BTreeMap::new();
        for conflict in &self.0 {
            by_manager.entry(&conflict.manager).or_default().push(conflict.field());
        }
        for (at, (manager, fields)) in by_manager.into_iter().enumerate() {
            let newline = if at > 0 { "\n" } else { "" };
            write!(f, "{newline}conflicts with {manager}:")?;
            for field in fields {
                write!(f, "\n- {field}")?;
            }
        }
        Ok(())
    }
}
