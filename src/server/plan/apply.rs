//! What server-side apply makes of a configuration and of what is stored.
//!
//! Objects here have no schema: each member of a map is a field, and a list is one. Only
//! metadata is known. That is how the original takes them.

use std::sync::LazyLock;

use bytes::Bytes;
use serde_json::Value as Tree;

use crate::model::Revision;
use crate::model::apply::{self, ApplyError, Structure, Write};
use crate::model::fields::FieldSet;
use crate::model::json::tree;
use crate::model::metadata::Field;
use crate::view::Entry;

use super::{Created, FieldValidation, Incoming, Subject, Updated, check_same_uid, create, update};
use crate::server::status::{ApiError, quoted};

/// A configuration, and how it is to be applied.
#[derive(Clone, Copy, Debug)]
pub struct Application<'a> {
    /// What is to be applied.
    pub config: &'a Tree,
    /// What a reader of it would not expect, such as members that are given twice.
    pub findings: &'a [String],
    /// What is done about that.
    pub validation: FieldValidation,
    /// Who applies.
    pub manager: &'a str,
    /// Whether fields of others are taken.
    pub force: bool,
}

/// What an application comes to.
#[derive(Debug)]
pub enum Applied {
    /// A new object.
    Created(Created),
    /// An update of the one that is there.
    Updated(Updated),
}

/// Plans an application to `old`, which is what is stored under `name`, if anything is.
/// `now` is RFC 3339 in seconds; `uid` is fresh. Answers with warnings too.
pub fn apply(
    subject: &Subject<'_>,
    application: &Application<'_>,
    name: &str,
    old: Option<&Entry>,
    (now, uid): (&str, &str),
    storage_key: &str,
) -> Result<(Applied, Vec<String>), ApiError> {
    let Some(old) = old else {
        let new = applied(subject, application, None, now)?;
        let mut incoming = read(&new, subject, application)?;
        check_new(subject, &mut incoming, name)?;
        let created = create(subject, &incoming, now, uid, "")?;
        return Ok((Applied::Created(created), incoming.warnings));
    };
    let mut before = Vec::with_capacity(old.len() + 32);
    old.write(&mut before, &subject.kind.api_version(subject.version), None);
    let live: Tree = serde_json::from_slice(&before).map_err(|error| {
        ApiError::internal(&format!("the stored object cannot be read: {error}"))
    })?;
    let mut new = applied(subject, application, Some(&live), now)?;
    if new == live && application.findings.is_empty() {
        return Ok((Applied::Updated(Updated::Unchanged), Vec::new()));
    }
    if let Some(metadata) = new.get_mut("metadata").and_then(Tree::as_object_mut) {
        // An update that says nothing keeps the owners that are stored, one that says so does not.
        metadata.entry("managedFields").or_insert_with(|| serde_json::json!([{}]));
    }
    let incoming = read(&new, subject, application)?;
    incoming.check_name(name)?;
    check_same_uid(subject, &incoming, name, old)?;
    let updated = update(subject, &incoming, name, old, storage_key)?;
    Ok((Applied::Updated(updated), incoming.warnings))
}

fn applied(
    subject: &Subject<'_>,
    application: &Application<'_>,
    live: Option<&Tree>,
    now: &str,
) -> Result<Tree, ApiError> {
    // Status is a field like any other here, and there are no subresources.
    static NOTHING: LazyLock<FieldSet> = LazyLock::new(FieldSet::default);
    let kind = subject.kind;
    let versions: Vec<String> = kind.versions.iter().map(|it| kind.api_version(&it.name)).collect();
    let write = Write {
        structure: Structure::any_object(),
        api_version: &kind.api_version(subject.version),
        kind: &kind.kind,
        versions: &versions,
        manager: application.manager,
        subresource: "",
        untouched: &NOTHING,
        now,
    };
    apply::apply(&write, live, application.config, application.force)
        .map_err(|error| refused(&error))
}

pub(super) fn read(
    object: &Tree,
    subject: &Subject<'_>,
    application: &Application<'_>,
) -> Result<Incoming, ApiError> {
    let bytes = Bytes::from(tree::to_vec(object));
    Incoming::read_patched(bytes, subject, application.validation, application.findings)
}

/// Refuses what cannot be said of an object that is not there, and forgets its revision,
/// which nobody compares with anything.
pub(super) fn check_new(
    subject: &Subject<'_>,
    incoming: &mut Incoming,
    name: &str,
) -> Result<(), ApiError> {
    let uid = incoming.metadata.text(Field::Uid);
    if !uid.is_empty() {
        let why = format!(
            "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        );
        return Err(ApiError::conflict(subject.resource(), name, &why));
    }
    incoming.check_name(name)?;
    let revision = incoming.metadata.text(Field::ResourceVersion);
    if !revision.is_empty() && revision.parse::<Revision>().is_err() {
        return Err(ApiError::internal_without_reason(format!(
            "strconv.ParseUint: parsing {}: invalid syntax",
            quoted(revision.as_bytes())
        )));
    }
    incoming.metadata.set(Field::ResourceVersion, None);
    Ok(())
}

pub(super) fn refused(error: &ApplyError) -> ApiError {
    let told = error.to_string();
    match error {
        ApplyError::Type(_) | ApplyError::ManagedFields => ApiError::bad_request(told),
        ApplyError::Conflicts(conflicts) => {
            let causes = conflicts.0.iter().map(|it| (it.message(), it.field()));
            ApiError::apply_conflict(told, causes)
        }
        ApplyError::Unreadable(_)
        | ApplyError::Config(..)
        | ApplyError::Live(..)
        | ApplyError::Merge(_) => ApiError::internal_without_reason(told),
    }
}
