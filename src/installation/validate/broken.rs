//! What could not be read as an object, said as findings.

use super::explain;
use crate::api::{self, Reason, Rejected};
use crate::installation::finding::{At, Code, Finding, Subject};

/// The object that somebody meant, as far as that is plain.
pub(super) fn object(rejected: &Rejected) -> Option<Subject> {
    let named = subject(rejected);
    (rejected.kind.is_some() && !named.name.is_empty()).then_some(named)
}

/// What is wrong with it.
pub(super) fn findings(rejected: &Rejected) -> Vec<Finding> {
    let subject = subject(rejected);
    let object = At::Object { source: rejected.source.clone(), item: rejected.item };
    let message = &rejected.error.message;
    // The place says which item it is.
    let item = rejected.item.map(|index| format!("items[{index}]: ")).unwrap_or_default();
    let message = message.strip_prefix(&item).unwrap_or(message);
    let one = |code, path: &str, message: &str, hint: String, at: At| {
        vec![Finding::error(code, &subject, path, message, hint).at(at)]
    };
    // The reader knows the very place, except within a `List`.
    let exact = if rejected.error.place == rejected.source {
        object.clone()
    } else {
        At::Place(rejected.error.place.clone())
    };
    let (Reason::Field, Some(kind)) = (rejected.reason, rejected.kind) else {
        let (code, path, hint) = match rejected.reason {
            Reason::Kind if message.starts_with("apiVersion") => {
                (Code::UnknownKind, "apiVersion", "use the version that the operator has")
            }
            Reason::Kind => (Code::UnknownKind, "kind", "check its spelling"),
            Reason::Syntax | Reason::Field => (
                Code::Syntax,
                "",
                "write it as YAML or JSON, with `apiVersion`, `kind` and `metadata.name`",
            ),
        };
        return one(code, path, message, hint.to_owned(), exact);
    };
    let violations = api::violations(kind, &rejected.tree);
    if violations.is_empty() {
        // Right by the schema: the text of a value is wrong, such as a duration's.
        let (path, message) = split(message);
        let hint = format!("see `kubectl explain {}`", explain(kind, path));
        return one(Code::Schema, path, message, hint, exact);
    }
    let finding = |it: api::Violation| {
        let hint = format!("see `kubectl explain {}`", explain(kind, &it.path));
        Finding::error(Code::Schema, &subject, it.path, it.message, hint).at(object.clone())
    };
    violations.into_iter().map(finding).collect()
}

fn subject(rejected: &Rejected) -> Subject {
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let metadata = &rejected.tree["metadata"];
    Subject {
        kind: text(&rejected.tree["kind"]).unwrap_or_default(),
        namespace: text(&metadata["namespace"]),
        name: text(&metadata["name"]).unwrap_or_default(),
    }
}

/// The path in front of a message, and the rest.
fn split(message: &str) -> (&str, &str) {
    match message.split_once(": ") {
        Some((path, rest)) if !path.contains([' ', '`']) => (path, rest),
        _ => ("spec", message),
    }
}
