//! `fieldSelector`: name and namespace, which every object has, and what a few types have besides.

use std::str::FromStr;

use serde_json::Value;

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

#[derive(Clone, Debug, Eq, PartialEq)]
enum Field {
    Name,
    Namespace,
    /// Such as `involvedObject.kind`.
    Other(Box<str>),
}

/// The text is not a field selector that can be answered.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FieldError {
    /// No operator, or something strange around it.
    #[error("invalid selector: '{0}'; can't understand '{1}'")]
    Syntax(String, String),
}

impl FieldSelector {
    /// Whether every object matches.
    pub fn is_everything(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether an object of this name and namespace matches. `json` is the object, which is
    /// looked into only if another field is asked for.
    pub fn matches(&self, namespace: Option<&str>, name: &str, json: &[u8]) -> bool {
        let mut object: Option<Value> = None;
        self.terms.iter().all(|term| {
            let value = match &term.field {
                Field::Name => name,
                Field::Namespace => namespace.unwrap_or_default(),
                Field::Other(path) => {
                    let read = || serde_json::from_slice(json).unwrap_or_default();
                    let object = object.get_or_insert_with(read);
                    let at = path.split('.').try_fold(&*object, |at, name| at.get(name));
                    at.and_then(Value::as_str).unwrap_or_default()
                }
            };
            (value == term.value) == term.equal
        })
    }

    /// A field that it asks for and that is none of `known`, which a type has besides its name
    /// and namespace.
    pub fn unknown(&self, known: &[&str]) -> Option<&str> {
        self.terms.iter().find_map(|term| match &term.field {
            Field::Other(path) if !known.contains(&&**path) => Some(&**path),
            _ => None,
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
                other => Field::Other(other.into()),
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
        assert!(both.matches(Some("c"), "a", b""));
        assert!(!both.matches(Some("b"), "a", b""));
        assert_eq!(both.name(), Some("a"));
        assert_eq!("metadata.name==x".parse::<FieldSelector>().unwrap().name(), Some("x"));
        assert!("".parse::<FieldSelector>().unwrap().is_everything());
        let other: FieldSelector = "spec.x=1,spec.y!=2".parse().unwrap();
        assert_eq!(
            (other.unknown(&[]), other.unknown(&["spec.x", "spec.y"])),
            (Some("spec.x"), None)
        );
        assert!(other.matches(None, "a", br#"{"spec":{"x":"1"}}"#));
        assert!(!other.matches(None, "a", br#"{"spec":{"x":"1","y":"2"}}"#));
        assert!(!other.matches(None, "a", br#"{"spec":7}"#));
        assert!("metadata.name".parse::<FieldSelector>().is_err());
        assert!("metadata.name=a=b".parse::<FieldSelector>().is_err());
    }
}
