//! What a create makes of its body.

use bytes::Bytes;

use crate::model::metadata::{Field, Metadata, SHARD_ANNOTATION};

use super::update::forget_managers;
use super::{Incoming, Subject, Value, validate};
use crate::server::status::{ApiError, Problem};

/// A generated name keeps at most this much of its prefix, so that the whole is a label.
const GENERATE_PREFIX_MAX: usize = 58;

/// An object that is to be created.
#[derive(Debug)]
pub struct Created {
    /// Its name.
    pub name: String,
    /// What to store and serve.
    pub value: Value,
}

/// Plans a create. `now` is RFC 3339 in seconds; `uid` and `suffix` are fresh.
pub fn create(
    subject: &Subject<'_>,
    incoming: &Incoming,
    now: &str,
    uid: &str,
    suffix: &str,
) -> Result<Created, ApiError> {
    let mut metadata = incoming.metadata.clone();
    check_revision(&metadata)?;
    place_in_namespace(subject, &mut metadata)?;
    let name = name_of(&mut metadata, suffix);
    let problems = problems(subject, &name, &metadata);
    if !problems.is_empty() {
        return Err(ApiError::invalid(subject.kind_name(), &name, &problems));
    }
    if metadata.annotation(SHARD_ANNOTATION).is_some() {
        // A copy of an object that lives elsewhere: it stays what it is.
        if !metadata.has(Field::Uid) && !metadata.has(Field::CreationTimestamp) {
            return Err(ApiError::internal("system metadata was not initialized"));
        }
    } else {
        metadata.set_text(Field::Uid, uid);
        metadata.set_text(Field::CreationTimestamp, now);
        metadata.set(Field::Generation, Some(Bytes::from_static(b"1")));
        for field in [Field::DeletionTimestamp, Field::DeletionGracePeriodSeconds] {
            metadata.set(field, None);
        }
    }
    forget_managers(&mut metadata);
    let value = subject.compose(incoming, &metadata)?;
    Ok(Created { name, value })
}

pub(super) fn check_revision(metadata: &Metadata) -> Result<(), ApiError> {
    // What is no number counts as none, as in the original.
    let revision = metadata.text(Field::ResourceVersion).parse::<u64>();
    if revision.is_ok_and(|revision| revision != 0) {
        return Err(ApiError::internal_without_reason(
            "resourceVersion should not be set on objects to be created",
        ));
    }
    Ok(())
}

/// Gives the object the namespace of the request, or none.
pub(super) fn place_in_namespace(
    subject: &Subject<'_>,
    metadata: &mut Metadata,
) -> Result<(), ApiError> {
    if !subject.kind.namespaced {
        metadata.set(Field::Namespace, None);
        return Ok(());
    }
    let given = metadata.text(Field::Namespace);
    if !given.is_empty() && given != subject.namespace {
        return Err(ApiError::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    metadata.set_text(Field::Namespace, subject.namespace);
    Ok(())
}

/// The object's name, generated if it has only a prefix for one.
pub(super) fn name_of(metadata: &mut Metadata, suffix: &str) -> String {
    let name = metadata.text(Field::Name).into_owned();
    let prefix = metadata.text(Field::GenerateName);
    if !name.is_empty() || prefix.is_empty() {
        return name;
    }
    let mut end = prefix.len().min(GENERATE_PREFIX_MAX);
    while !prefix.is_char_boundary(end) {
        end -= 1;
    }
    let name = format!("{}{suffix}", &prefix[..end]);
    metadata.set_text(Field::Name, &name);
    name
}

pub(super) fn problems(subject: &Subject<'_>, name: &str, metadata: &Metadata) -> Vec<Problem> {
    let rule = subject.kind.name_rule;
    // A prefix may end in what a name may not: letters follow.
    let prefix = metadata.text(Field::GenerateName);
    let prefix = prefix.trim_end_matches('-');
    let mut problems = Vec::new();
    if !prefix.is_empty() {
        let whole = metadata.text(Field::GenerateName);
        let wrong = !validate::name(rule, "metadata.generateName", prefix).is_empty();
        problems.extend(
            wrong
                .then(|| validate::name(rule, "metadata.generateName", &whole))
                .into_iter()
                .flatten(),
        );
    }
    problems.extend(if name.is_empty() {
        vec![Problem::required("metadata.name", "name or generateName is required")]
    } else {
        validate::name(rule, "metadata.name", name)
    });
    if subject.kind.namespaced {
        problems.extend(validate::namespace(subject.namespace));
    }
    problems.extend(validate::metadata(metadata));
    problems
}
