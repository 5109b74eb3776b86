//! Whose a field becomes by a write, and what server-side apply makes of an object.
//!
//! Two functions, both of values only:
//!
//! * [`apply`] merges a configuration into an object: its fields get the values that it
//!   says, what its manager said before and says no longer goes, and a field that
//!   somebody else owns with another value is a conflict, unless it is taken by force.
//! * [`track`] says who owns which fields after any other write.
//!
//! What a field is depends on the type: its [`Structure`] is deduced from the values, or
//! read from a schema.
//!
//! ```text
//!           structure ──┐
//! live ──┬──► merge ────┼──► remove ──┬──► new object
//! config ┘      │       │      ▲      │
//!               ▼       │      │      ▼
//!             owned ────┴── managers ◄── compare ──► conflicts
//! ```
//!
//! # What is absent on purpose
//!
//! Conversion: all versions of a type have the same fields here. Defaults are given by the
//! caller to what [`apply`] returns ([`Structure::fill`]), so that nobody owns them.

mod check;
mod compare;
mod conflict;
mod fit;
mod last_applied;
mod merge;
mod owned;
mod remove;
mod schema;
mod settle;
mod structure;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use self::compare::Changes;
use self::structure::all_flaws;
use super::fields::{
    FieldSet, ManagedFieldsError, Manager, Managers, Operation, Owned, PathElement,
    compare as compare_values,
};

pub use conflict::{Conflict, Conflicts};
pub use schema::SchemaError;
pub use structure::{Flaw, Structure};

/// Who owns what was there before anybody applied.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Who owns what was written by those who are too many to be named.
const ANCIENT_CHANGES: &str = "ancient-changes";

/// Who writes without a name.
const UNKNOWN: &str = "unknown";

/// How many managers that do not apply an object has by name. The oldest of more are
/// counted as one, so that an object does not grow with each that ever wrote it.
const UPDATERS_MAX: usize = 10;

/// The fields that nobody owns: they name the object, or the server sets them.
static NOBODYS: LazyLock<FieldSet> = LazyLock::new(|| {
    let field = |name: &str| PathElement::Field(name.to_owned());
    let mut set = FieldSet::default();
    for name in ["apiVersion", "kind", "metadata"] {
        set.insert(&[field(name)]);
    }
    for name in [
        "clusterName",
        "creationTimestamp",
        "generation",
        "managedFields",
        "name",
        "namespace",
        "resourceVersion",
        "selfLink",
        "uid",
    ] {
        set.insert(&[field("metadata"), field(name)]);
    }
    set
});

/// Who writes an object of which type, how, and when.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a> {
    /// What objects of the type are made of.
    pub structure: &'a Structure,
    /// The version of the API in which the writer speaks, with its group.
    pub api_version: &'a str,
    /// The kind.
    pub kind: &'a str,
    /// The versions that there are, as `api_version` has them. What is said to be owned in
    /// another one is owned no longer. (So it is in Kubernetes for its own types; of users'
    /// types it then forgets all owners.)
    pub versions: &'a [String],
    /// The writer's name.
    pub manager: &'a str,
    /// The subresource through which it writes; empty for the object itself.
    pub subresource: &'a str,
    /// The fields that cannot be changed this way, with all below them: such as `status`
    /// where it is written through a subresource.
    pub untouched: &'a FieldSet,
    /// The time, in RFC 3339 and seconds of UTC.
    pub now: &'a str,
}

/// A configuration is not applied.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ApplyError {
    /// It is of another type.
    #[error("invalid object type: {0}")]
    Type(String),
    /// It names owners itself.
    #[error("metadata.managedFields must be nil")]
    ManagedFields,
    /// Who owns what in the stored object cannot be read.
    #[error("failed to decode managed fields: {0}")]
    Unreadable(#[from] ManagedFieldsError),
    /// It is not made as its type is.
    #[error("failed to create typed patch object ({0}): {1}")]
    Config(String, String),
    /// The stored object is not made as its type is.
    #[error("failed to create typed live object ({0}): {1}")]
    Live(String, String),
    /// The two do not fit together.
    #[error("failed to merge config: {0}")]
    Merge(Flaw),
    /// Others own some of its fields, with other values.
    #[error("{0}")]
    Conflicts(Conflicts),
}

/// What `live` becomes when `config` is applied, with `metadata.managedFields` as they are
/// then. Nothing is `live` if the object is to be created.
///
/// If the answer is equal to `live`, there is nothing to write.
pub fn apply(
    write: &Write<'_>,
    live: Option<&Value>,
    config: &Value,
    force: bool,
) -> Result<Value, ApplyError> {
    let (api_version, kind) = (text(config, "apiVersion"), text(config, "kind"));
    if (api_version, kind) != (write.api_version, write.kind) {
        return Err(ApplyError::Type(type_name(api_version, kind)));
    }
    // Anything else is a flaw of the configuration.
    if config.pointer(MANAGED_FIELDS).is_some_and(Value::is_array) {
        return Err(ApplyError::ManagedFields);
    }
    let (mut base, stored) = taken(live, write);
    let mut managers = Managers::decode(stored.as_ref())?;
    if managers.is_empty() {
        let before = Write { manager: BEFORE_FIRST_APPLY, ..*write };
        managers = updated(&before, &nothing(write), &base, managers);
    }
    let merged = match merged(write, &base, config, managers.clone(), force) {
        Err(ApplyError::Conflicts(conflicts)) => {
            // What kubectl applied from its own side before is its own.
            let others = last_applied::not_its_own(write, &base, conflicts)?;
            others.map_or_else(
                || merged(write, &base, config, managers, true),
                |others| Err(ApplyError::Conflicts(others)),
            )
        }
        other => other,
    };
    let (new, managers) = merged?;
    let mut new = new.unwrap_or_else(|| std::mem::take(&mut base));
    last_applied::refresh(write, &mut new, config);
    put_managed_fields(&mut new, managers.encode());
    Ok(live.map_or_else(|| new.clone(), |live| as_before(live, new.clone())))
}

/// What `metadata.managedFields` of `object` become, which is written in another way than
/// by applying; `live` is what was there, if anything was. None if nobody owns anything.
///
/// The object's own `managedFields` count, if it has some, as they do in Kubernetes: one
/// that was read and is written back has them as they were. An empty list, or a list of
/// one empty entry, says that nobody shall own anything.
pub fn track(write: &Write<'_>, live: Option<&Value>, object: &Value) -> Option<Value> {
    let (base, stored) = taken(live, write);
    let (new, sent) = taken(Some(object), write);
    let of_live = || Managers::decode(stored.as_ref()).unwrap_or_default();
    let managers = if !write.subresource.is_empty() {
        of_live()
    } else if sent.as_ref().is_some_and(is_reset) {
        Managers::default()
    } else {
        let sent = Managers::decode(sent.as_ref()).unwrap_or_default();
        if sent.is_empty() { of_live() } else { sent }
    };
    // Where nobody owns anything, an update does not begin it.
    if managers.is_empty() && live.is_some() {
        return None;
    }
    // Who owns what in an object that is not what its type says, nobody can tell.
    let is_flawed = |it: &Value| !check::flaws(write.structure, it, true).is_empty();
    if is_flawed(&new) || is_flawed(&base) {
        return None;
    }
    let managers = capped(updated(write, &base, &new, managers));
    let mut new = new;
    put_managed_fields(&mut new, managers.encode());
    let new = match live {
        Some(live) => as_before(live, new),
        None => new,
    };
    new.pointer(MANAGED_FIELDS).cloned()
}

/// Where `managedFields` stand in an object.
const MANAGED_FIELDS: &str = "/metadata/managedFields";

/// The object that results, if it is another one, and who owns what in it.
fn merged(
    write: &Write<'_>,
    live: &Value,
    config: &Value,
    managers: Managers,
    force: bool,
) -> Result<(Option<Value>, Managers), ApplyError> {
    let structure = write.structure;
    let named = || object_name(config, write);
    let flaws = check::flaws(structure, config, false);
    if !flaws.is_empty() {
        return Err(ApplyError::Config(named(), all_flaws(&flaws)));
    }
    let flaws = check::flaws(structure, live, true);
    if !flaws.is_empty() {
        return Err(ApplyError::Live(named(), all_flaws(&flaws)));
    }
    let mut managers = settled(write, managers);
    let merged = merge::merge(structure, live, config).map_err(ApplyError::Merge)?;
    let applier = Manager::applier(write.manager, write.subresource);
    let last = managers.0.remove(&applier);
    let fields = owned::fields(structure, config).without(write.untouched);
    let new = match &last {
        // Who says everything again that it said before wants nothing removed.
        Some(last)
            if write.knows(&last.api_version) && !last.fields.difference(&fields).is_empty() =>
        {
            let all = managers.0.values().fold(fields.clone(), |all, it| all.union(&it.fields));
            remove::prune(structure, merged, config, &last.fields, &all)
        }
        _ => merged,
    };
    let is_same = compare_values(live, &new).is_eq();
    let changes = if is_same { Changes::default() } else { write.changes(live, &new) };
    let wanted = changes.added.union(&changes.modified);
    let mut conflicts = Vec::new();
    for (manager, owned) in &managers.0 {
        let paths = owned.fields.intersection(&wanted).paths();
        conflicts.extend(paths.into_iter().map(|path| Conflict { manager: manager.clone(), path }));
    }
    if !force && !conflicts.is_empty() {
        return Err(ApplyError::Conflicts(Conflicts(conflicts)));
    }
    take_away(&mut managers, &wanted, &changes.removed);
    let time = if is_same { last.and_then(|it| it.time) } else { Some(write.now.to_owned()) };
    let fields = fields.difference(&NOBODYS);
    if !fields.is_empty() {
        managers
            .0
            .insert(applier, Owned { api_version: write.api_version.to_owned(), fields, time });
    }
    Ok(((!is_same).then_some(new), managers))
}

/// Who owns what after the change from `live` to `new`.
fn updated(write: &Write<'_>, live: &Value, new: &Value, managers: Managers) -> Managers {
    let mut managers = settled(write, managers);
    let changes = write.changes(live, new);
    let wanted = changes.added.union(&changes.modified);
    take_away(&mut managers, &wanted, &changes.removed);
    let fields = wanted.difference(&NOBODYS);
    if fields.is_empty() {
        return managers;
    }
    let name = if write.manager.is_empty() { UNKNOWN } else { write.manager };
    let manager = Manager::updater(name, write.api_version, write.subresource);
    let before = managers.0.remove(&manager).map(|it| it.fields).unwrap_or_default();
    let owned = Owned {
        api_version: write.api_version.to_owned(),
        fields: fields.union(&before),
        time: Some(write.now.to_owned()),
    };
    managers.0.insert(manager, owned);
    managers
}

/// Takes from everybody what is wanted and what is gone.
fn take_away(managers: &mut Managers, wanted: &FieldSet, removed: &FieldSet) {
    managers.0.retain(|_, owned| {
        owned.fields = owned.fields.difference(wanted).difference(removed);
        !owned.fields.is_empty()
    });
}

/// The managers as the type is now: in versions that there are, and of fields as it has them.
fn settled(write: &Write<'_>, mut managers: Managers) -> Managers {
    managers.0.retain(|_, owned| write.knows(&owned.api_version));
    for owned in managers.0.values_mut() {
        owned.fields = settle::settle(write.structure, std::mem::take(&mut owned.fields));
    }
    managers
}

/// Counts the oldest managers of each version that do not apply as one, if there are too many.
fn capped(mut managers: Managers) -> Managers {
    let mut updaters: Vec<Manager> =
        managers.0.keys().filter(|it| it.operation == Operation::Update).cloned().collect();
    let mut count = updaters.len();
    if count <= UPDATERS_MAX {
        return managers;
    }
    updaters.sort_by_cached_key(|it| {
        (managers.0.get(it).and_then(|owned| owned.time.clone()).unwrap_or_default(), it.clone())
    });
    let mut first_of: std::collections::BTreeMap<String, Manager> =
        std::collections::BTreeMap::new();
    for manager in updaters {
        if count <= UPDATERS_MAX {
            break;
        }
        let version = manager.api_version.clone();
        let Some(first) = first_of.get(&version) else {
            first_of.insert(version, manager);
            continue;
        };
        let bucket = Manager::updater(ANCIENT_CHANGES, &version, "");
        let Some(gone) = managers.0.remove(&manager) else { continue };
        let there = managers.0.remove(&bucket).or_else(|| managers.0.remove(first));
        let before = there.map(|it| it.fields).unwrap_or_default();
        // The later of the two is the one that is counted now.
        managers.0.insert(bucket, Owned { fields: gone.fields.union(&before), ..gone });
        count -= 1;
    }
    managers
}

impl Write<'_> {
    fn knows(&self, api_version: &str) -> bool {
        api_version == self.api_version || self.versions.iter().any(|it| it == api_version)
    }

    fn changes(&self, old: &Value, new: &Value) -> Changes {
        compare::changes(self.structure, old, new).filtered(|it| it.without(self.untouched))
    }
}

/// An object of the type that has nothing.
fn nothing(write: &Write<'_>) -> Value {
    json!({"apiVersion": write.api_version, "kind": write.kind})
}

/// An object without its `managedFields`, and these.
fn taken(object: Option<&Value>, write: &Write<'_>) -> (Value, Option<Value>) {
    let Some(object) = object else { return (nothing(write), None) };
    let mut object = object.clone();
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
    let managed_fields = metadata.and_then(|it| it.remove("managedFields"));
    (object, managed_fields)
}

fn put_managed_fields(object: &mut Value, managed_fields: Option<Value>) {
    let Some(object) = object.as_object_mut() else { return };
    let metadata = object.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    let Some(metadata) = metadata.as_object_mut() else { return };
    match managed_fields {
        Some(managed_fields) => metadata.insert("managedFields".to_owned(), managed_fields),
        None => metadata.remove("managedFields"),
    };
}

fn is_reset(managed_fields: &Value) -> bool {
    managed_fields.as_array().is_some_and(|entries| match &entries[..] {
        [] => true,
        [one] => one.as_object().is_some_and(Map::is_empty),
        _ => false,
    })
}

/// `new`, or `live` if they differ in nothing but times of managers: a write that only says
/// that somebody has written is none.
fn as_before(live: &Value, new: Value) -> Value {
    let entries = |it: &Value| it.pointer(MANAGED_FIELDS).and_then(Value::as_array).cloned();
    let (Some(mut was), Some(mut is)) = (entries(live), entries(&new)) else { return new };
    for entry in was.iter_mut().chain(&mut is) {
        entry.as_object_mut().map(|it| it.remove("time"));
    }
    let mut again = new.clone();
    put_managed_fields(&mut again, live.pointer(MANAGED_FIELDS).cloned());
    let same = compare_values(&Value::Array(was), &Value::Array(is)).is_eq()
        && compare_values(&again, live).is_eq();
    if same { again } else { new }
}

fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A type as Kubernetes prints it: `apps/v1, Kind=Deployment`.
fn type_name(api_version: &str, kind: &str) -> String {
    let group = if api_version.contains('/') { "" } else { "/" };
    format!("{group}{api_version}, Kind={kind}")
}

/// An object as Kubernetes prints it in messages.
fn object_name(object: &Value, write: &Write<'_>) -> String {
    let metadata = object.get("metadata").unwrap_or(&Value::Null);
    let (namespace, name) = (text(metadata, "namespace"), text(metadata, "name"));
    format!("{namespace}/{name}; {}", type_name(write.api_version, write.kind))
}
