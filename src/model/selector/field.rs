//! `fieldSelector`: only the name and the namespace can be asked for.

use std::str::FromStr;

/// What the name and the namespace of an object must and must not be.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FieldSelector {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Term {
    field: Field,
    equal: bool,
    value: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Field {
    Name,
    Namespace,
}

/// The text is not a field selector that can be answered.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FieldError {
    /// No operator, or something strange around it.
    #[error("invalid selector: '{0}'; can't understand '{1}'")]
    Syntax(String, String),
    /// A field that no index or key answers for.
    #[error("field label not supported: {0}")]
    Unsupported(String),
}

impl FieldSelector {
    /// Whether every object matches.
    pub fn is_everything(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether an object of this name and namespace matches.
    pub fn matches(&self, namespace: Option<&str>, name: &str) -> bool {
        self.terms.iter().all(|term| {
            let value = match term.field {
                Field::Name => name,
                Field::Namespace => namespace.unwrap_or_default(),
            };
            (value == term.value) == term.equal
        })
    }

    /// The one name that it allows, if it allows just one.
    pub fn name(&self) -> Option<&str> {
        self.terms
            .iter()
            .find(|term| term.field == Field::Name && term.equal)
            .map(|term| term.value.as_str())
    }

    /// Whether it asks for the namespace, which only namespaced types have.
    pub fn asks_for_namespace(&self) -> bool {
        self.terms.iter().any(|term| term.field == Field::Namespace)
    }
}

impl FromStr for FieldSelector {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<Self, FieldError> {
        let mut terms = Vec::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let bad = || FieldError::Syntax(text.to_owned(), part.to_owned());
            let at = part.find(['=', '!']).ok_or_else(bad)?;
            let (field, rest) = part.split_at(at);
            let (equal, value) = ["!=", "==", "="]
                .iter()
                .find_map(|operator| Some((*operator != "!=", rest.strip_prefix(operator)?)))
                .ok_or_else(bad)?;
            if value.contains(['=', '!']) {
                return Err(bad());
            }
            let field = match field {
                "metadata.name" => Field::Name,
                "metadata.namespace" => Field::Namespace,
                other => return Err(FieldError::Unsupported(other.to_owned())),
            };
            terms.push(Term { field, equal, value: value.to_owned() });
        }
        Ok(Self { terms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_namespace_are_understood() {
        let both: FieldSelector = "metadata.name=a,metadata.namespace!=b".parse().unwrap();
        assert!(both.matches(Some("c"), "a"));
        assert!(!both.matches(Some("b"), "a"));
        assert_eq!(both.name(), Some("a"));
        assert_eq!("metadata.name==x".parse::<FieldSelector>().unwrap().name(), Some("x"));
        assert!("".parse::<FieldSelector>().unwrap().is_everything());
        assert_eq!(
            "spec.x=1".parse::<FieldSelector>(),
            Err(FieldError::Unsupported("spec.x".into()))
        );
        assert!("metadata.name".parse::<FieldSelector>().is_err());
        assert!("metadata.name=a=b".parse::<FieldSelector>().is_err());
    }
}
