//! The way from kubectl's client-side apply to server-side apply.
//!
//! `kubectl apply` keeps what it applied in an annotation. What stands there and has not
//! been changed since is kubectl's own, although it is owned by an update: it is no
//! conflict when kubectl applies it on the server. And as long as the annotation is there,
//! it is kept true, so that one can go back.

use serde_json::Value;

use super::{ApplyError, Conflicts, Write, check, compare, owned, text};
use crate::model::json::tree;

/// The annotation.
const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The only manager of which all this holds.
const KUBECTL: &str = "kubectl";

/// The most bytes that all annotations of an object may have, keys and values.
const ANNOTATIONS_BYTES_MAX: usize = 256 << 10;

/// The conflicts that are not about something of kubectl's own; none if all are.
///
/// If nothing says what is its own, all of them are an error.
pub(super) fn not_its_own(
    write: &Write<'_>,
    live: &Value,
    conflicts: Conflicts,
) -> Result<Option<Conflicts>, ApplyError> {
    let Some(last) = last_applied(write, live) else {
        return Err(ApplyError::Conflicts(conflicts));
    };
    let changes = compare::changes(write.structure, &last, live);
    let own = owned::fields(write.structure, &last)
        .difference(&changes.modified)
        .difference(&changes.added)
        .difference(&changes.removed);
    let others: Vec<_> = conflicts.0.into_iter().filter(|it| !own.contains(&it.path)).collect();
    Ok((!others.is_empty()).then_some(Conflicts(others)))
}

/// What kubectl applied last, from its own side, if that can be said.
fn last_applied(write: &Write<'_>, live: &Value) -> Option<Value> {
    if write.manager != KUBECTL {
        return None;
    }
    let annotation = live.pointer("/metadata/annotations")?.get(ANNOTATION)?.as_str()?;
    let last: Value = serde_json::from_str(annotation).ok()?;
    let is_ours = text(&last, "apiVersion") == write.api_version
        && check::flaws(write.structure, &last, false).is_empty()
        && check::flaws(write.structure, live, false).is_empty();
    is_ours.then_some(last)
}

/// Writes what is applied into the annotation, if there is one.
pub(super) fn refresh(write: &Write<'_>, object: &mut Value, config: &Value) {
    if write.manager != KUBECTL {
        return;
    }
    let annotations = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
    let Some(annotations) = annotations.filter(|it| it.contains_key(ANNOTATION)) else { return };
    let mut config = config.clone();
    if let Some(given) = config.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut)
    {
        given.remove(ANNOTATION);
    }
    let mut written = tree::to_vec(&config);
    written.push(b'\n');
    let written = String::from_utf8_lossy(&written).into_owned();
    annotations.insert(ANNOTATION.to_owned(), written.into());
    let size: usize =
        annotations.iter().map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum();
    if size > ANNOTATIONS_BYTES_MAX {
        annotations.remove(ANNOTATION);
    }
}
