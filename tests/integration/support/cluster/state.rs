//! What a cluster holds, and what becomes of a write. No socket, no clock.

use std::collections::{BTreeMap, HashSet, VecDeque};

use serde_json::{Value, json};

use super::fields::{self, Writer};
use super::types::{CRD_GROUP, CRDS, Type};

/// Group and plural, namespace (empty for none), name.
pub(super) type Key = (String, String, String, String);

/// A change, as watches are told.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) revision: u64,
    pub(super) kind: &'static str,
    pub(super) key: Key,
    pub(super) before: Option<Value>,
    pub(super) object: Value,
}

/// A refusal, as a Status body says it.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) code: u16,
    pub(super) reason: &'static str,
    pub(super) message: String,
    pub(super) details: Value,
}

impl Refusal {
    pub(super) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: json!({}) }
    }

    pub(super) fn not_found(of: &Type, name: &str) -> Self {
        let mut refusal = Self::new(404, "NotFound", format!("{} {name:?} not found", of.name()));
        refusal.details = json!({ "group": of.group, "kind": of.plural, "name": name });
        refusal
    }

    pub(super) fn body(&self) -> Value {
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "details": self.details,
            "code": self.code,
        })
    }
}

/// How an object is to change.
pub(super) enum Edit<'a> {
    /// It must not be there.
    Create(Value),
    /// It must be there.
    Replace(Value),
    /// It must be there; the patch makes the new state of the old one.
    Patch(&'a dyn Fn(&Value) -> Result<Value, Refusal>),
    /// Server-side apply.
    Apply { object: Value, force: bool },
}

/// Everything.
pub(super) struct State {
    pub(super) types: Vec<Type>,
    pub(super) objects: BTreeMap<Key, Value>,
    pub(super) revision: u64,
    pub(super) history: VecDeque<Change>,
    /// The newest revision that a watch can no longer begin at.
    pub(super) floor: u64,
    /// Whether definitions wait for somebody to establish them.
    pub(super) holds_definitions: bool,
}

impl State {
    pub(super) fn new() -> Self {
        let mut state = Self {
            types: Type::built_in(),
            objects: BTreeMap::new(),
            revision: 1000,
            history: VecDeque::new(),
            floor: 999,
            holds_definitions: false,
        };
        for name in ["default", "kube-system"] {
            let namespace = json!({
                "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name },
                "status": { "phase": "Active" },
            });
            let key = (String::new(), "namespaces".into(), String::new(), name.to_owned());
            state.store(key, namespace, "2026-01-01T00:00:00Z");
        }
        state
    }

    pub(super) fn find_type(&self, group: &str, plural: &str, version: &str) -> Option<Type> {
        let found = |it: &&Type| {
            it.group == group && it.plural == plural && it.versions.iter().any(|it| it == version)
        };
        self.types.iter().find(found).cloned()
    }

    pub(super) fn type_of(&self, object: &Value) -> Option<Type> {
        let api_version = object["apiVersion"].as_str()?;
        let (group, _) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        self.types
            .iter()
            .find(|it| it.group == group && object["kind"] == it.kind.as_str())
            .cloned()
    }

    /// Makes one write; `dry_run` only says what would become of the object.
    pub(super) fn write(
        &mut self,
        of: &Type,
        key: &Key,
        edit: Edit<'_>,
        writer: Writer<'_>,
        dry_run: bool,
    ) -> Result<(u16, Value), Refusal> {
        let live = self.objects.get(key).cloned();
        let is_create = matches!(edit, Edit::Create(_));
        let creates =
            is_create || matches!(edit, Edit::Apply { .. }) && writer.subresource.is_empty();
        if is_create && live.is_some() {
            let message = format!("{} {:?} already exists", of.name(), key.3);
            return Err(Refusal::new(409, "AlreadyExists", message));
        }
        if live.is_none() && !creates {
            return Err(Refusal::not_found(of, &key.3));
        }
        let base = live.clone().unwrap_or_else(|| json!({}));
        let mut applied = false;
        let mut next = match edit {
            Edit::Create(object) | Edit::Replace(object) => object,
            Edit::Patch(patch) => patch(&base)?,
            Edit::Apply { object, force } => {
                applied = true;
                let expected = object["metadata"]["uid"].as_str();
                if expected.is_some_and(|it| base["metadata"]["uid"] != it) {
                    let message = "the UID in the precondition is not that of the object";
                    return Err(Refusal::new(409, "Conflict", message));
                }
                fields::apply(&base, &object, writer, force).map_err(|it| conflicts(&it))?
            }
        };
        if next["metadata"]["name"] != key.3.as_str() {
            let message = "the name of the object does not match the name on the URL";
            return Err(Refusal::new(400, "BadRequest", message));
        }
        let named = next["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
        if live.is_some() && !named.is_empty() && base["metadata"]["resourceVersion"] != named {
            let message = format!(
                "Operation cannot be fulfilled on {} {:?}: the object has been modified; please \
                 apply your changes to the latest version and try again",
                of.name(),
                key.3
            );
            return Err(Refusal::new(409, "Conflict", message));
        }
        self.namespace_takes(key, live.is_none())?;
        // Each door changes its own part only.
        if writer.subresource == "status" {
            let mut kept = base.clone();
            kept["status"] = next["status"].take();
            kept["metadata"]["managedFields"] = next["metadata"]["managedFields"].take();
            next = kept;
        } else if of.status {
            let status = base.get("status").cloned();
            match (next.as_object_mut(), status) {
                (Some(next), Some(status)) => drop(next.insert("status".into(), status)),
                (Some(next), None) => drop(next.remove("status")),
                _ => {}
            }
        }
        let metadata = base["metadata"].clone();
        for name in
            ["uid", "resourceVersion", "creationTimestamp", "generation", "deletionTimestamp"]
        {
            next["metadata"][name] = metadata[name].clone();
        }
        if live.is_none() {
            next["metadata"]["uid"] =
                format!("00000000-0000-4000-8000-{:012}", self.revision + 1).into();
            next["metadata"]["creationTimestamp"] = writer.now.into();
            next["metadata"]["generation"] = 1.into();
        }
        if let Some(next) = next["metadata"].as_object_mut() {
            next.retain(|_, value| !value.is_null());
        }
        if !applied {
            fields::update(&base, &mut next, writer);
        }
        let code = if live.is_none() { 201 } else { 200 };
        if live.is_some() && fields::same(&base, &next) && (!applied || base == next) {
            return Ok((code, base));
        }
        if live.is_some() && wanted(&base) != wanted(&next) {
            let generation = base["metadata"]["generation"].as_u64().unwrap_or_default();
            next["metadata"]["generation"] = (generation + 1).into();
        }
        if dry_run {
            return Ok((code, next));
        }
        let ends =
            next["metadata"]["deletionTimestamp"].is_string() && finalizers(&next).is_empty();
        if ends {
            self.remove(key, writer.now);
            return Ok((code, next));
        }
        let stored = self.store(key.clone(), next, writer.now);
        if of.group == CRD_GROUP && of.plural == CRDS && !self.holds_definitions {
            self.establish(&key.3, writer.now);
        }
        Ok((code, stored))
    }

    /// A namespace must be there, and not be ending, before anything is put into it.
    fn namespace_takes(&self, key: &Key, is_new: bool) -> Result<(), Refusal> {
        if key.2.is_empty() || !is_new {
            return Ok(());
        }
        let namespace = (String::new(), "namespaces".to_owned(), String::new(), key.2.clone());
        match self.objects.get(&namespace) {
            None => {
                let message = format!("namespaces {:?} not found", key.2);
                Err(Refusal::new(404, "NotFound", message))
            }
            Some(it) if it["metadata"]["deletionTimestamp"].is_string() => {
                let message = format!("namespace {} is being terminated", key.2);
                Err(Refusal::new(403, "Forbidden", message))
            }
            Some(_) => Ok(()),
        }
    }

    /// Puts an object in, whatever it says, and tells the watches.
    pub(super) fn store(&mut self, key: Key, mut object: Value, now: &str) -> Value {
        self.revision += 1;
        let metadata = &mut object["metadata"];
        metadata["resourceVersion"] = self.revision.to_string().into();
        if metadata["uid"].is_null() {
            metadata["uid"] = format!("00000000-0000-4000-8000-{:012}", self.revision).into();
            metadata["creationTimestamp"] = now.into();
            metadata["generation"] = 1.into();
        }
        let before = self.objects.insert(key.clone(), object.clone());
        let kind = if before.is_some() { "MODIFIED" } else { "ADDED" };
        self.tell(kind, key, before, object.clone());
        object
    }

    fn tell(&mut self, kind: &'static str, key: Key, before: Option<Value>, object: Value) {
        let changes_types = key.0 == CRD_GROUP && key.1 == CRDS;
        self.history.push_back(Change { revision: self.revision, kind, key, before, object });
        if changes_types {
            let crds = self.objects.iter().filter(|it| it.0.0 == CRD_GROUP && it.0.1 == CRDS);
            let defined: Vec<Type> = crds.filter_map(|it| Type::defined_by(it.1)).collect();
            self.types = Type::built_in();
            self.types.extend(defined);
        }
    }

    /// What the controller of definitions does.
    pub(super) fn establish(&mut self, name: &str, now: &str) {
        let key = (CRD_GROUP.to_owned(), CRDS.to_owned(), String::new(), name.to_owned());
        let Some(mut crd) = self.objects.get(&key).cloned() else { return };
        let condition = |kind: &str, reason: &str| {
            json!({
                "type": kind, "status": "True", "reason": reason, "message": "",
                "lastTransitionTime": now,
            })
        };
        let stored = crd["spec"]["versions"][0]["name"].clone();
        let status = json!({
            "acceptedNames": crd["spec"]["names"],
            "conditions": [
                condition("NamesAccepted", "NoConflicts"),
                condition("Established", "InitialNamesAccepted"),
            ],
            "storedVersions": [stored],
        });
        if crd["status"]["acceptedNames"] != status["acceptedNames"]
            || crd["status"]["conditions"].as_array().is_none_or(Vec::is_empty)
        {
            crd["status"] = status;
            self.store(key, crd, now);
        }
    }

    /// Begins or ends the deletion of an object; with finalizers it stays for now.
    pub(super) fn delete(&mut self, key: &Key, orphan: bool, now: &str) -> Option<Value> {
        let mut object = self.objects.get(key)?.clone();
        if orphan {
            let uid = object["metadata"]["uid"].clone();
            for (key, mut owned) in self.owned_by(&uid) {
                if let Some(owners) = owned["metadata"]["ownerReferences"].as_array_mut() {
                    owners.retain(|it| it["uid"] != uid);
                }
                self.store(key, owned, now);
            }
        }
        if finalizers(&object).is_empty() {
            self.remove(key, now);
        } else if object["metadata"]["deletionTimestamp"].is_null() {
            object["metadata"]["deletionTimestamp"] = now.into();
            object["metadata"]["deletionGracePeriodSeconds"] = 0.into();
            object = self.store(key.clone(), object, now);
        }
        Some(object)
    }

    /// Takes an object out, and what it owned and what was in it.
    fn remove(&mut self, key: &Key, now: &str) {
        let Some(mut object) = self.objects.remove(key) else { return };
        self.revision += 1;
        object["metadata"]["resourceVersion"] = self.revision.to_string().into();
        let uid = object["metadata"]["uid"].clone();
        self.tell("DELETED", key.clone(), Some(object.clone()), object.clone());
        let mut follow: Vec<Key> = self.owned_by(&uid).into_iter().map(|it| it.0).collect();
        if key.0.is_empty() && key.1 == "namespaces" {
            follow.extend(self.objects.keys().filter(|it| it.2 == key.3).cloned());
        }
        if key.0 == CRD_GROUP && key.1 == CRDS {
            let (group, plural) = (&object["spec"]["group"], &object["spec"]["names"]["plural"]);
            let defined = |it: &&Key| *group == it.0.as_str() && *plural == it.1.as_str();
            follow.extend(self.objects.keys().filter(defined).cloned());
        }
        for key in follow {
            // Another owner keeps it.
            let owners = self.objects.get(&key).map(|it| it["metadata"]["ownerReferences"].clone());
            let kept =
                owners.iter().filter_map(Value::as_array).flatten().any(|owner| {
                    self.objects.values().any(|it| it["metadata"]["uid"] == owner["uid"])
                });
            if !kept {
                self.delete(&key, false, now);
            }
        }
    }

    /// Deletes what is owned, though by nobody who is there.
    pub(super) fn collect(&mut self, now: &str) {
        let there: HashSet<String> = self
            .objects
            .values()
            .filter_map(|it| Some(it["metadata"]["uid"].as_str()?.into()))
            .collect();
        let is_left = |object: &Value| {
            let owners =
                object["metadata"]["ownerReferences"].as_array().map_or(&[][..], Vec::as_slice);
            let is_there = |it: &Value| it["uid"].as_str().is_some_and(|it| there.contains(it));
            !owners.is_empty() && !owners.iter().any(is_there)
        };
        let left: Vec<Key> =
            self.objects.iter().filter(|it| is_left(it.1)).map(|it| it.0.clone()).collect();
        for key in left {
            self.delete(&key, false, now);
        }
    }

    fn owned_by(&self, uid: &Value) -> Vec<(Key, Value)> {
        let is_owned = |it: &Value| {
            let owners = it["metadata"]["ownerReferences"].as_array();
            owners.into_iter().flatten().any(|it| it["uid"] == *uid)
        };
        let owned = self.objects.iter().filter(|it| is_owned(it.1));
        owned.map(|(key, object)| (key.clone(), object.clone())).collect()
    }
}

/// What a generation counts: all but metadata and status.
fn wanted(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(map) = object.as_object_mut() {
        map.remove("metadata");
        map.remove("status");
    }
    object
}

fn finalizers(object: &Value) -> &[Value] {
    object["metadata"]["finalizers"].as_array().map_or(&[], Vec::as_slice)
}

fn conflicts(conflicts: &fields::Conflicts) -> Refusal {
    let causes: Vec<Value> = conflicts
        .iter()
        .map(|(manager, field)| {
            json!({
                "reason": "FieldManagerConflict", "message": format!("conflict with {manager:?}"),
                "field": field,
            })
        })
        .collect();
    let noun = if causes.len() == 1 { "conflict" } else { "conflicts" };
    let shown: Vec<String> = conflicts
        .iter()
        .map(|(manager, field)| format!("conflict with {manager:?}: {field}"))
        .collect();
    let message = format!("Apply failed with {} {noun}: {}", causes.len(), shown.join(", "));
    let mut refusal = Refusal::new(409, "Conflict", message);
    refusal.details = json!({ "causes": causes });
    refusal
}
