//! What an update makes of its body and of what is stored.

use crate::model::Revision;
use crate::model::metadata::{Field, Metadata};
use crate::view::Entry;

use super::create::place_in_namespace;
use super::{Incoming, Subject, Value, validate};
use crate::server::status::{ApiError, Problem, quoted};

/// What an update comes to.
#[derive(Debug)]
pub enum Updated {
    /// Nothing: the stored bytes would be the same.
    Unchanged,
    /// Another value.
    Changed(Value),
    /// The last finalizer of an object that was to be deleted is gone.
    Gone,
}

/// Plans an update of `old`, which is what is stored under `name`.
pub fn update(
    subject: &Subject<'_>,
    incoming: &Incoming,
    name: &str,
    old: &Entry,
    storage_key: &str,
) -> Result<Updated, ApiError> {
    let kept = Metadata::of_kept(&old.line().slice_ref(old.metadata()));
    let mut metadata = incoming.metadata.clone();
    place_in_namespace(subject, &mut metadata)?;
    check_uid(subject, &metadata, &kept, name, storage_key)?;
    check_revision(subject, &metadata, name, old.revision())?;
    let mut problems = validate::metadata(&metadata);
    problems.extend(keep(&mut metadata, &kept));
    if !problems.is_empty() {
        return Err(ApiError::invalid(subject.kind_name(), name, &problems));
    }
    if metadata.has(Field::DeletionTimestamp) && !metadata.has(Field::Finalizers) {
        return Ok(Updated::Gone);
    }
    let value = subject.compose(incoming, &metadata)?;
    if value.served.is_same_as(old) { Ok(Updated::Unchanged) } else { Ok(Updated::Changed(value)) }
}

/// Refuses a patch that would give an object another uid. An update that names one means
/// another object; a patch changes this one.
pub fn check_same_uid(
    subject: &Subject<'_>,
    incoming: &Incoming,
    name: &str,
    old: &Entry,
) -> Result<(), ApiError> {
    let kept = Metadata::of_kept(&old.line().slice_ref(old.metadata()));
    let given = incoming.metadata.text(Field::Uid);
    if given.is_empty() || given == kept.text(Field::Uid) {
        return Ok(());
    }
    let shown = quoted(given.as_bytes());
    let problem = Problem::invalid("metadata.uid", &shown, "field is immutable");
    Err(ApiError::invalid(subject.kind_name(), name, &[problem]))
}

pub(super) fn check_uid(
    subject: &Subject<'_>,
    sent: &Metadata,
    kept: &Metadata,
    name: &str,
    storage_key: &str,
) -> Result<(), ApiError> {
    let (given, stored) = (sent.text(Field::Uid), kept.text(Field::Uid));
    if given.is_empty() || given == stored {
        return Ok(());
    }
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: {storage_key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {given}, UID in object meta: {stored}"
    );
    Err(ApiError::conflict(subject.resource(), name, &why))
}

pub(super) fn check_revision(
    subject: &Subject<'_>,
    sent: &Metadata,
    name: &str,
    stored: Revision,
) -> Result<(), ApiError> {
    let given = sent.text(Field::ResourceVersion);
    let revision = if given.is_empty() { Ok(Revision::ZERO) } else { given.parse::<Revision>() };
    match revision {
        Ok(Revision::ZERO) => {
            let problem = Problem::invalid(
                "metadata.resourceVersion",
                "0",
                "must be specified for an update",
            );
            Err(ApiError::invalid(subject.resource(), name, &[problem]))
        }
        Ok(revision) if revision == stored => Ok(()),
        Ok(_) => Err(ApiError::modified(subject.resource(), name)),
        Err(_) => Err(ApiError::internal_without_reason(format!(
            "strconv.ParseUint: parsing {}: invalid syntax",
            quoted(given.as_bytes())
        ))),
    }
}

/// One empty entry is how a client says that nothing shall be tracked.
pub(super) fn forget_managers(metadata: &mut Metadata) {
    if metadata.raw(Field::ManagedFields).is_some_and(|raw| &raw[..] == b"[{}]") {
        metadata.set(Field::ManagedFields, None);
    }
}

/// Takes over what a client cannot change; answers with what it tried to.
fn keep(metadata: &mut Metadata, kept: &Metadata) -> Vec<Problem> {
    let mut problems = Vec::new();
    for field in [Field::Uid, Field::CreationTimestamp, Field::DeletionGracePeriodSeconds] {
        metadata.set(field, kept.raw(field).cloned());
    }
    // A copy without managed fields keeps those that are stored: nobody tracks them here.
    for field in [Field::ManagedFields, Field::GenerateName] {
        if !metadata.has(field) {
            metadata.set(field, kept.raw(field).cloned());
        }
    }
    forget_managers(metadata);
    let generation = |of: &Metadata| -> i64 {
        let raw = of.raw(Field::Generation);
        raw.and_then(|raw| std::str::from_utf8(raw).ok()?.parse().ok()).unwrap_or(0)
    };
    match generation(metadata) {
        0 => metadata.set(Field::Generation, kept.raw(Field::Generation).cloned()),
        given if given < generation(kept) => problems.push(Problem::invalid(
            "metadata.generation",
            &given.to_string(),
            "must not be decremented",
        )),
        _ => {}
    }
    let deletion = kept.raw(Field::DeletionTimestamp);
    if !metadata.has(Field::DeletionTimestamp) {
        metadata.set(Field::DeletionTimestamp, deletion.cloned());
    } else if metadata.raw(Field::DeletionTimestamp) != deletion {
        let given = metadata.raw(Field::DeletionTimestamp).cloned().unwrap_or_default();
        let given = String::from_utf8_lossy(&given).into_owned();
        problems.push(Problem::invalid("metadata.deletionTimestamp", &given, "field is immutable"));
    }
    problems
}
