//! The semantics of the control plane, which are those of Kubernetes.
//!
//! The server numbers the generations of an object, keeps its status apart from the rest, and
//! lets it go only when its last finalizer is gone. What is particular to a type comes as
//! [`Rules`], made by whoever knows the type.

use std::fmt;

use bytes::Bytes;
use serde_json::{Value, json};

use super::apply::{check_new, read, refused};
use super::create::{check_revision, name_of, place_in_namespace, problems};
use super::update::{check_revision as check_known_revision, check_uid};
use super::{Application, Applied, Created, Incoming, Subject, Updated, check_same_uid, validate};
use crate::model::apply::{self as model, Structure, Write};
use crate::model::fields::{FieldSet, PathElement};
use crate::model::json::tree as json;
use crate::model::metadata::{Field, Metadata};
use crate::server::status::{ApiError, Problem};
use crate::view::Entry;

/// The finalizer of an object that waits until what it owns is gone.
pub const FOREGROUND: &str = "foregroundDeletion";
/// The finalizer of an object that waits until what it owns has forgotten it.
pub const ORPHAN: &str = "orphan";

/// How many characters of a wrong text an error message repeats.
const SHOWN_MAX: usize = 64;

/// What is particular to a type.
pub struct Rules {
    /// Whether the server numbers what its objects ask for.
    pub has_generation: bool,
    /// Fills in what a server fills in, besides defaults.
    pub complete: fn(&mut Value),
    /// What is wrong with an object.
    pub check: Check,
    /// What is wrong with a change of one.
    pub fixed: fn(&Value, &Value) -> Vec<Problem>,
    /// Whether an object holds others, which go before it does.
    pub is_container: bool,
    /// What an object is made of.
    pub structure: Structure,
}

impl Rules {
    /// Fills in what nobody gave: what the server knows, and defaults.
    pub fn complete(&self, tree: &mut Value) {
        (self.complete)(tree);
        self.structure.fill(tree);
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("has_generation", &self.has_generation)
            .finish_non_exhaustive()
    }
}

/// Tells what is wrong with an object.
pub type Check = Box<dyn Fn(&Value) -> Vec<Wrong> + Send + Sync>;

/// A field that is not what its type allows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wrong {
    /// Such as `spec.replicas`.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
}

/// Which part of an object a write is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// Everything but the status, if that is apart.
    Whole,
    /// The status alone.
    Status,
}

/// What becomes of what an object owns.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Propagation {
    /// It is deleted afterwards.
    #[default]
    Background,
    /// It is deleted first.
    Foreground,
    /// It stays, and forgets its owner.
    Orphan,
}

/// Who writes, and when.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// The name under which fields are owned.
    pub manager: &'a str,
    /// RFC 3339 in seconds.
    pub now: &'a str,
}

/// What a delete comes to.
#[derive(Debug)]
pub enum Deleted {
    /// The object is gone.
    Now,
    /// It waits for its finalizers.
    Marked(super::Value),
    /// It waits for them already.
    Waiting,
}

/// Plans a create. `now` is RFC 3339 in seconds; `uid` and `suffix` are fresh.
pub fn create(
    subject: &Subject<'_>,
    rules: &Rules,
    incoming: &Incoming,
    (now, uid, suffix): (&str, &str, &str),
    manager: &str,
) -> Result<Created, ApiError> {
    let write = Some(Writer { manager, now });
    create_by(subject, rules, incoming, (now, uid, suffix), write)
}

/// As [`create`]; without a writer the object says itself who owns what.
fn create_by(
    subject: &Subject<'_>,
    rules: &Rules,
    incoming: &Incoming,
    (now, uid, suffix): (&str, &str, &str),
    writer: Option<Writer<'_>>,
) -> Result<Created, ApiError> {
    let mut tree = incoming.tree();
    if subject.kind.has_status {
        remove(&mut tree, "status");
    }
    rules.complete(&mut tree);
    let incoming = incoming.replaced_by(&tree)?;
    let mut metadata = incoming.metadata.clone();
    check_revision(&metadata)?;
    place_in_namespace(subject, &mut metadata)?;
    let name = name_of(&mut metadata, suffix);
    let mut problems = problems(subject, &name, &metadata);
    problems.extend(wrong(rules, &tree));
    if !problems.is_empty() {
        return Err(ApiError::invalid(subject.kind_name(), &name, &problems));
    }
    if let Some(writer) = writer {
        let owners = tracked(subject, rules, writer, Part::Whole, None, &tree);
        metadata.set(Field::ManagedFields, owners);
    }
    metadata.set_text(Field::Uid, uid);
    metadata.set_text(Field::CreationTimestamp, now);
    let generation = rules.has_generation.then(|| Bytes::from_static(b"1"));
    metadata.set(Field::Generation, generation);
    for field in [Field::DeletionTimestamp, Field::DeletionGracePeriodSeconds] {
        metadata.set(field, None);
    }
    let value = subject.compose(&incoming, &metadata)?;
    Ok(Created { name, value })
}

/// Plans an update of a part of `old`, which is what is stored under `name`. Without a writer
/// the object says itself who owns what.
pub fn update(
    subject: &Subject<'_>,
    rules: &Rules,
    incoming: &Incoming,
    (name, part): (&str, Part),
    old: &Entry,
    writer: Option<Writer<'_>>,
) -> Result<Updated, ApiError> {
    let kept = Metadata::of_kept(&old.line().slice_ref(old.metadata()));
    let mut metadata = incoming.metadata.clone();
    place_in_namespace(subject, &mut metadata)?;
    check_uid(subject, &metadata, &kept, name, "")?;
    // Whoever names no revision means whatever there is.
    if !matches!(&*metadata.text(Field::ResourceVersion), "" | "0") {
        check_known_revision(subject, &metadata, name, old.revision())?;
    }
    let before: Value = serde_json::from_slice(old.json()).unwrap_or_default();
    let mut tree = incoming.tree();
    match part {
        Part::Whole if subject.kind.has_status => take(&mut tree, "status", &before),
        Part::Whole => {}
        Part::Status => {
            let status = tree.get("status").cloned();
            let owners = metadata.raw(Field::ManagedFields).cloned();
            tree = before.clone();
            put(&mut tree, "status", status);
            metadata = kept.clone();
            if writer.is_none() {
                metadata.set(Field::ManagedFields, owners);
            }
        }
    }
    rules.complete(&mut tree);
    if let Some(writer) = writer {
        let owners = tracked(subject, rules, writer, part, Some(&before), &tree);
        metadata.set(Field::ManagedFields, owners);
    }
    let mut problems = validate::metadata(&metadata);
    problems.extend((rules.fixed)(&before, &tree));
    problems.extend(wrong(rules, &tree));
    problems.extend(finalizers(&metadata, &kept));
    if !problems.is_empty() {
        return Err(ApiError::invalid(subject.kind_name(), name, &problems));
    }
    keep(&mut metadata, &kept);
    if rules.has_generation && asks(&tree) != asks(&before) {
        let next = generation(&kept) + 1;
        metadata.set(Field::Generation, Some(next.to_string().into()));
    }
    if metadata.has(Field::DeletionTimestamp)
        && !metadata.has(Field::Finalizers)
        && !rules.is_container
    {
        return Ok(Updated::Gone);
    }
    let value = subject.compose(&incoming.replaced_by(&tree)?, &metadata)?;
    if value.served.is_same_as(old) { Ok(Updated::Unchanged) } else { Ok(Updated::Changed(value)) }
}

/// Plans an application to `old`, which is what is stored under `name`, if anything is. Answers
/// with warnings too.
pub fn apply(
    subject: &Subject<'_>,
    rules: &Rules,
    application: &Application<'_>,
    (name, part): (&str, Part),
    old: Option<&Entry>,
    (now, uid): (&str, &str),
) -> Result<(Applied, Vec<String>), ApiError> {
    let live: Option<Value> = old.map(|it| serde_json::from_slice(it.json()).unwrap_or_default());
    let writer = Writer { manager: application.manager, now };
    let new = writing(subject, rules, writer, part, |write| {
        model::apply(write, live.as_ref(), application.config, application.force)
    });
    let new = new.map_err(|error| refused(&error))?;
    let Some((old, live)) = old.zip(live) else {
        if part == Part::Status {
            return Err(ApiError::not_found(subject.resource(), name));
        }
        let mut incoming = read(&new, subject, application)?;
        check_new(subject, &mut incoming, name)?;
        let created = create_by(subject, rules, &incoming, (now, uid, ""), None)?;
        return Ok((Applied::Created(created), incoming.warnings));
    };
    if new == live && application.findings.is_empty() {
        return Ok((Applied::Updated(Updated::Unchanged), Vec::new()));
    }
    let incoming = read(&new, subject, application)?;
    incoming.check_name(name)?;
    check_same_uid(subject, &incoming, name, old)?;
    let updated = update(subject, rules, &incoming, (name, part), old, None)?;
    Ok((Applied::Updated(updated), incoming.warnings))
}

/// Says who writes what kind of object to whoever reckons with owners.
fn writing<T>(
    subject: &Subject<'_>,
    rules: &Rules,
    writer: Writer<'_>,
    part: Part,
    reckon: impl FnOnce(&Write<'_>) -> T,
) -> T {
    let kind = subject.kind;
    let versions: Vec<String> = kind.versions.iter().map(|it| kind.api_version(&it.name)).collect();
    let mut untouched = FieldSet::default();
    let mut leave = |name: &str| untouched.insert(&[PathElement::Field(name.to_owned())]);
    match part {
        Part::Whole if kind.has_status => leave("status"),
        Part::Whole => {}
        Part::Status => ["metadata", "spec"].into_iter().for_each(leave),
    }
    reckon(&Write {
        structure: &rules.structure,
        api_version: &kind.api_version(subject.version),
        kind: &kind.kind,
        versions: &versions,
        manager: writer.manager,
        subresource: if part == Part::Status { "status" } else { "" },
        untouched: &untouched,
        now: writer.now,
    })
}

/// Who owns what once `tree` is written.
fn tracked(
    subject: &Subject<'_>,
    rules: &Rules,
    writer: Writer<'_>,
    part: Part,
    before: Option<&Value>,
    tree: &Value,
) -> Option<Bytes> {
    let owners = writing(subject, rules, writer, part, |write| model::track(write, before, tree))?;
    Some(json::to_vec(&owners).into())
}

/// Plans a delete of what is `before` it.
pub fn delete(
    subject: &Subject<'_>,
    rules: &Rules,
    before: &Value,
    propagation: Propagation,
    now: &str,
) -> Result<Deleted, ApiError> {
    let mut tree = before.clone();
    let mut holders: Vec<String> = holders(&tree);
    let wanted = match propagation {
        Propagation::Background => None,
        Propagation::Foreground => Some(FOREGROUND),
        Propagation::Orphan => Some(ORPHAN),
    };
    // Who asks last says what becomes of what it owns.
    holders.retain(|it| ![FOREGROUND, ORPHAN].contains(&it.as_str()) || wanted.is_none());
    holders.extend(wanted.map(str::to_owned));
    if holders.is_empty() && !rules.is_container {
        return Ok(Deleted::Now);
    }
    tree["metadata"]["finalizers"] = json!(holders);
    if holders.is_empty() {
        remove(&mut tree["metadata"], "finalizers");
    }
    if tree["metadata"]["deletionTimestamp"].is_null() {
        tree["metadata"]["deletionTimestamp"] = now.into();
        tree["metadata"]["deletionGracePeriodSeconds"] = 0.into();
        if let Some(generation) = tree["metadata"]["generation"].as_u64() {
            tree["metadata"]["generation"] = (generation + 1).into();
        }
        if rules.is_container {
            tree["status"]["phase"] = "Terminating".into();
        }
    }
    if tree == *before {
        return Ok(Deleted::Waiting);
    }
    Ok(Deleted::Marked(compose(subject, &tree)?))
}

/// A tree of an object that is stored, as it is to be stored again.
pub fn compose(subject: &Subject<'_>, tree: &Value) -> Result<super::Value, ApiError> {
    let incoming = Incoming::of_stored(tree)?;
    let metadata = incoming.metadata.clone();
    subject.compose(&incoming, &metadata)
}

/// What an object asks for: all but its metadata and its status.
fn asks(tree: &Value) -> Value {
    let mut tree = tree.clone();
    remove(&mut tree, "metadata");
    remove(&mut tree, "status");
    remove(&mut tree, "apiVersion");
    tree
}

fn wrong(rules: &Rules, tree: &Value) -> Vec<Problem> {
    let found = (rules.check)(tree);
    let problem = |it: &Wrong| match it.message.as_str() {
        "is required" => Problem::required(&it.path, ""),
        message => Problem::invalid(&it.path, &shown(tree, &it.path), message),
    };
    found.iter().map(problem).collect()
}

/// The value at a path such as `spec.ports[0].name`, for a message.
fn shown(tree: &Value, path: &str) -> String {
    let mut parts = path.split(['.', '[']).map(|it| it.trim_end_matches(']'));
    let value = parts.try_fold(tree, |value, part| match value {
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        value => value.get(part),
    });
    match value {
        None | Some(Value::Null) => "null".to_owned(),
        Some(Value::Object(_)) => "{…}".to_owned(),
        Some(Value::Array(_)) => "[…]".to_owned(),
        Some(Value::String(text)) if text.chars().nth(SHOWN_MAX).is_some() => {
            format!("\"{}…\"", text.chars().take(SHOWN_MAX).collect::<String>())
        }
        Some(value) => value.to_string(),
    }
}

fn holders(tree: &Value) -> Vec<String> {
    let all = tree["metadata"]["finalizers"].as_array();
    all.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Whoever deletes an object need not reckon with new reasons to wait.
fn finalizers(sent: &Metadata, kept: &Metadata) -> Option<Problem> {
    if !kept.has(Field::DeletionTimestamp) {
        return None;
    }
    let names = |of: &Metadata| -> Vec<String> {
        of.raw(Field::Finalizers).and_then(|it| serde_json::from_slice(it).ok()).unwrap_or_default()
    };
    let before = names(kept);
    let new: Vec<String> = names(sent).into_iter().filter(|it| !before.contains(it)).collect();
    let why = "no new finalizers can be added if the object is being deleted";
    (!new.is_empty()).then(|| Problem::forbidden("metadata.finalizers", why))
}

/// Takes over what a client cannot change.
fn keep(metadata: &mut Metadata, kept: &Metadata) {
    for field in [
        Field::Uid,
        Field::CreationTimestamp,
        Field::DeletionGracePeriodSeconds,
        Field::DeletionTimestamp,
        Field::Generation,
        Field::GenerateName,
    ] {
        metadata.set(field, kept.raw(field).cloned());
    }
}

fn generation(of: &Metadata) -> u64 {
    let raw = of.raw(Field::Generation);
    raw.and_then(|raw| std::str::from_utf8(raw).ok()?.parse().ok()).unwrap_or(0)
}

fn remove(tree: &mut Value, key: &str) {
    if let Some(members) = tree.as_object_mut() {
        members.remove(key);
    }
}

fn put(tree: &mut Value, key: &str, value: Option<Value>) {
    match value {
        Some(value) => tree[key] = value,
        None => remove(tree, key),
    }
}

fn take(tree: &mut Value, key: &str, from: &Value) {
    put(tree, key, from.get(key).cloned());
}
