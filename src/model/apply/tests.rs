//! What a real API server made of the writes in `tests/golden/apply/`, and what holds for
//! every write.
//!
//! The steps of `cases.yaml` were written by hand. What Kubernetes 1.34 answered to each
//! stands in `answers.json`: the object without what is new in each run, and its
//! `managedFields`, in which a time is the number of the step at which it was.

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::model::fields::tests::any_set;
use crate::model::json::tests::any_value;
use crate::model::json::tree;

/// How the answers name the object.
const NAME: &str = "NAME";

/// What a server says of a step.
#[derive(Debug, PartialEq)]
struct Answer {
    /// The code and the message of a refusal, and its causes.
    refusal: Option<(u64, String, Vec<Value>)>,
    object: Value,
    managed_fields: Value,
    written: bool,
}

fn golden(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/apply");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

fn time(step: usize) -> String {
    format!("2026-01-02T03:04:{step:02}Z")
}

/// The steps of a table as an API server with this schema takes them.
struct Plane {
    schema: Value,
    structure: Structure,
    versions: Vec<String>,
}

impl Plane {
    fn new() -> Self {
        let schema: Value = serde_yaml::from_str(&golden("schema.yaml")).unwrap();
        let structure = Structure::from_schema(&schema).unwrap();
        let versions = ["example.com/v1", "example.com/v2"].map(str::to_owned).to_vec();
        Self { schema, structure, versions }
    }

    /// Takes a step. Changes `live`, and answers with the refusal if there is one.
    fn step(
        &self,
        number: usize,
        step: &Value,
        live: &mut Option<Value>,
    ) -> Result<(), ApplyError> {
        let (verb, fields) = ["apply", "force", "create", "put", "patch"]
            .iter()
            .find_map(|verb| Some((*verb, step.get(verb)?)))
            .unwrap();
        let subresource = text(step, "sub");
        let version = step.get("version").and_then(Value::as_str).unwrap_or("v1");
        let api_version = format!("example.com/{version}");
        let field = |name: &str| PathElement::Field(name.to_owned());
        let untouched = if subresource.is_empty() { vec!["status"] } else { vec!["spec"] };
        let mut set = FieldSet::default();
        for name in untouched {
            set.insert(&[field(name)]);
        }
        let now = time(number);
        let write = Write {
            structure: &self.structure,
            api_version: &api_version,
            kind: "Thing",
            versions: &self.versions,
            manager: text(step, "by"),
            subresource,
            untouched: &set,
            now: &now,
        };
        let mut body =
            json!({"apiVersion": api_version, "kind": "Thing", "metadata": {"name": NAME}});
        if let Some(live) = live.as_mut() {
            live["apiVersion"] = api_version.as_str().into();
        }
        let mut new = if verb == "patch" {
            let mut new = live.clone().unwrap();
            let stored = new["metadata"].get("managedFields").cloned();
            json_patch::merge(&mut new, fields);
            // What is no list of entries is read as none, and an empty list as one.
            if fields.pointer("/metadata/managedFields").is_none()
                && let Some(stored) = stored
            {
                new["metadata"]["managedFields"] = stored;
            }
            new
        } else {
            let mut both = fields.clone();
            json_patch::merge(&mut both, &json!({"metadata": {}}));
            for (key, value) in both.as_object().unwrap() {
                if key == "metadata" {
                    for (key, value) in value.as_object().unwrap() {
                        body["metadata"][key] = value.clone();
                    }
                } else {
                    body[key] = value.clone();
                }
            }
            body
        };
        if matches!(verb, "apply" | "force") {
            new = apply(&write, live.as_ref(), &new, verb == "force")?;
            self.complete(&mut new);
        } else {
            self.complete(&mut new);
            let managed_fields = track(&write, live.as_ref(), &new);
            put_managed_fields(&mut new, managed_fields);
        }
        let nothing = json!({});
        let old = live.as_ref().unwrap_or(&nothing);
        let keep = |new: &mut Value, key: &str| match old.get(key) {
            Some(value) => new[key] = value.clone(),
            None => {
                new.as_object_mut().unwrap().remove(key);
            }
        };
        if subresource.is_empty() {
            keep(&mut new, "status");
        } else {
            let managed_fields = new.pointer(MANAGED_FIELDS).cloned();
            for key in ["metadata", "spec", "data"] {
                keep(&mut new, key);
            }
            put_managed_fields(&mut new, managed_fields);
        }
        *live = Some(new);
        Ok(())
    }

    /// What an API server makes of an object on its way in and after it was applied to:
    /// metadata without what means nothing, defaults, and no fields that nobody knows.
    fn complete(&self, object: &mut Value) {
        let metadata = object["metadata"].as_object_mut().unwrap();
        metadata.retain(|_, value| !matches!(value, Value::Null) && *value != json!([]));
        complete(&self.schema, object, true);
    }

    /// Where an object has null although its schema does not allow it.
    fn nulls(schema: &Value, value: &Value, path: &str) -> Vec<String> {
        let mut found = Vec::new();
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            let Some(member) = value.get(name) else { continue };
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            if member.is_null() && schema["nullable"] != true && schema.get("type").is_some() {
                found.push(path);
            } else {
                found.extend(Self::nulls(schema, member, &path));
            }
        }
        found
    }
}

fn complete(schema: &Value, value: &mut Value, is_object: bool) {
    match value {
        Value::Object(members) => {
            let properties = schema["properties"].as_object();
            let keeps = schema["x-kubernetes-preserve-unknown-fields"] == true
                || schema.get("additionalProperties").is_some();
            if let Some(properties) = properties
                && !keeps
            {
                let own = ["apiVersion", "kind", "metadata"];
                members.retain(|name, _| {
                    properties.contains_key(name) || is_object && own.contains(&name.as_str())
                });
            }
            for (name, schema) in properties.into_iter().flatten() {
                if let Some(default) = schema.get("default")
                    && !members.contains_key(name)
                {
                    members.insert(name.clone(), default.clone());
                }
                if let Some(member) = members.get_mut(name) {
                    complete(schema, member, false);
                }
            }
            if let Some(schema) = schema.get("additionalProperties") {
                for member in members.values_mut() {
                    complete(schema, member, false);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                complete(&schema["items"], item, false);
            }
        }
        _ => {}
    }
}

/// What is told of a step, as the table has it.
fn answer(live: Option<&Value>, before: Option<&Value>, refusal: Option<&ApplyError>) -> Answer {
    let refusal = refusal.map(|error| {
        let (code, mut causes) = match error {
            ApplyError::Conflicts(Conflicts(all)) => (
                409,
                all.iter()
                    .map(|it| json!(["FieldManagerConflict", it.message(), it.field()]))
                    .collect(),
            ),
            ApplyError::ManagedFields => (400, Vec::new()),
            _ => (500, Vec::new()),
        };
        causes.sort_by_key(Value::to_string);
        (code, error.to_string(), causes)
    });
    if refusal.is_some() {
        return Answer {
            refusal,
            object: Value::Null,
            managed_fields: Value::Null,
            written: false,
        };
    }
    // As it goes over the wire.
    let mut object: Value = serde_json::from_slice(&tree::to_vec(live.unwrap())).unwrap();
    let members = object.as_object_mut().unwrap();
    members.remove("apiVersion");
    members.remove("kind");
    let metadata = members["metadata"].as_object_mut().unwrap();
    metadata.remove("name");
    let mut managed_fields = metadata.remove("managedFields").unwrap_or_default();
    for entry in managed_fields.as_array_mut().into_iter().flatten() {
        if let Some(time) = entry.get_mut("time") {
            let step: usize = time.as_str().unwrap()[17..19].parse().unwrap();
            *time = step.into();
        }
    }
    if metadata.is_empty() {
        members.remove("metadata");
    }
    let same = |a: &Value, b: &Value| {
        let (mut a, mut b) = (a.clone(), b.clone());
        a["apiVersion"] = Value::Null;
        b["apiVersion"] = Value::Null;
        compare_values(&a, &b).is_eq()
    };
    let written = !before.is_some_and(|before| same(before, live.unwrap()));
    Answer { refusal: None, object, managed_fields, written }
}

fn expected(recorded: &Value) -> Answer {
    let refusal = recorded.get("message").map(|message| {
        let mut causes = recorded["causes"].as_array().cloned().unwrap_or_default();
        causes.sort_by_key(Value::to_string);
        (recorded["status"].as_u64().unwrap(), message.as_str().unwrap().to_owned(), causes)
    });
    Answer {
        written: recorded["written"] == true,
        object: recorded.get("object").cloned().unwrap_or_default(),
        managed_fields: recorded.get("managedFields").cloned().unwrap_or_default(),
        refusal,
    }
}

/// Messages in which Go prints how it holds a value in memory are compared up to there.
fn without_go(message: &str) -> &str {
    message.split(", got ").next().unwrap_or(message)
}

#[test]
fn every_write_comes_to_what_a_real_api_server_made_of_it() {
    let plane = Plane::new();
    let cases: Vec<Value> = serde_yaml::from_str(&golden("cases.yaml")).unwrap();
    let answers: Value = serde_json::from_str(&golden("answers.json")).unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let name = text(case, "case");
        let mut live = None;
        for (number, step) in case["steps"].as_array().unwrap().iter().enumerate() {
            let before = live.clone();
            let refusal = plane.step(number, step, &mut live).err();
            let recorded = &answers[name][number];
            if recorded["status"] == 422 {
                // A server with a schema refuses null where a map or a list should be, and
                // nothing else was refused so. What became null although nobody said so is
                // empty or gone here, as it is from Kubernetes 1.36 on.
                let new = live.as_ref().unwrap();
                let nulls = Plane::nulls(&plane.schema, new, "");
                let fields =
                    recorded["causes"].as_array().unwrap().iter().map(|it| it[2].as_str().unwrap());
                for field in fields {
                    let there = new.pointer(&format!("/{}", field.replace('.', "/")));
                    let is_null = nulls.iter().any(|it| it == field);
                    let is_empty = there.is_none_or(|it| *it == json!({}) || *it == json!([]));
                    assert!(is_null || is_empty, "{name}: {field}");
                }
                live = before;
                continue;
            }
            let mut got = answer(live.as_ref(), before.as_ref(), refusal.as_ref());
            let mut wanted = expected(recorded);
            for it in [&mut got, &mut wanted] {
                if let Some((_, message, _)) = &mut it.refusal {
                    *message = without_go(message).to_owned();
                }
            }
            if got != wanted {
                wrong.push(format!(
                    "{name}, step {number}: {step}\n  wanted {wanted:?}\n  got    {got:?}"
                ));
                break;
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} cases differ:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

proptest! {
    #[test]
    fn applying_twice_is_applying_once(
        configs in proptest::collection::vec((any_fields(), "[ab]", any::<bool>()), 1..5),
    ) {
        for structure in structures() {
            let mut live = None;
            for (at, (fields, manager, force)) in configs.iter().enumerate() {
                let now = time(at);
                let write = writing(structure, manager, &now);
                // Who owns nothing at all has not applied.
                let mut config = thing(fields);
                config["data"] = json!({"x": "1"});
                let Ok(once) = apply(&write, live.as_ref(), &config, *force) else { continue };
                let later = time(at + 10);
                let again = Write { now: &later, ..write };
                let twice = apply(&again, Some(&once), &config, false);
                prop_assert_eq!(twice.as_ref(), Ok(&once));
                check_owners(&once)?;
                live = Some(once);
            }
        }
    }

    #[test]
    fn whoever_writes_owns_what_changed(
        first in any_fields(), second in any_fields(), third in any_fields(),
    ) {
        for structure in structures() {
            let mut live: Option<Value> = None;
            for (at, fields) in [&first, &second, &third].into_iter().enumerate() {
                let now = time(at);
                let manager = format!("m{at}");
                let write = writing(structure, &manager, &now);
                let mut new = thing(fields);
                if let Some(live) = &live {
                    put_managed_fields(&mut new, live.pointer(MANAGED_FIELDS).cloned());
                }
                let managed_fields = track(&write, live.as_ref(), &new);
                put_managed_fields(&mut new, managed_fields);
                check_owners(&new)?;
                live = Some(new);
            }
        }
    }

    #[test]
    fn nothing_that_is_stored_or_sent_is_too_strange(
        managed_fields in prop_oneof![
            any_value(),
            any_set().prop_map(|set| json!([{"manager": "a", "operation": "Apply",
                "apiVersion": "example.com/v1", "fieldsType": "FieldsV1", "fieldsV1": set.to_v1()}])),
            any_set().prop_map(|set| json!([{"manager": "b", "operation": "Update",
                "apiVersion": "example.com/v1", "fieldsType": "FieldsV1", "fieldsV1": set.to_v1()}])),
        ],
        stored in any_value(), sent in any_value(), force in any::<bool>(),
    ) {
        let now = time(0);
        for structure in structures() {
            let write = writing(structure, "a", &now);
            let mut live = thing(&json!({"spec": stored, "data": stored}));
            live["metadata"]["managedFields"] = managed_fields.clone();
            for live in [&live, &stored] {
                let _ = apply(&write, Some(live), &thing(&json!({"spec": sent})), force);
                let _ = apply(&write, Some(live), &sent, force);
                let _ = track(&write, Some(live), &thing(&json!({"spec": sent})));
                let _ = track(&write, Some(live), &sent);
            }
        }
    }
}

/// One of each kind.
fn structures() -> [&'static Structure; 2] {
    static WITH_SCHEMA: LazyLock<Structure> = LazyLock::new(|| Plane::new().structure);
    [Structure::deduced(), &WITH_SCHEMA]
}

fn writing<'a>(structure: &'a Structure, manager: &'a str, now: &'a str) -> Write<'a> {
    static NONE: LazyLock<FieldSet> = LazyLock::new(FieldSet::default);
    Write {
        structure,
        api_version: "example.com/v1",
        kind: "Thing",
        versions: &[],
        manager,
        subresource: "",
        untouched: &NONE,
        now,
    }
}

fn thing(fields: &Value) -> Value {
    let mut thing =
        json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "x"}});
    for (key, value) in fields.as_object().into_iter().flatten() {
        thing[key] = value.clone();
    }
    thing
}

/// Every manager that is named owns something, and something that is there.
fn check_owners(object: &Value) -> Result<(), TestCaseError> {
    let managers = Managers::decode(object.pointer(MANAGED_FIELDS)).unwrap();
    for (manager, owned) in &managers.0 {
        prop_assert!(!owned.fields.is_empty(), "{manager} of {object}");
        for path in owned.fields.paths() {
            prop_assert!(is_there(object, &path), "{manager} {path:?} of {object}");
        }
    }
    Ok(())
}

fn is_there(value: &Value, path: &[PathElement]) -> bool {
    let Some((first, rest)) = path.split_first() else { return true };
    let in_list = |is_it: &dyn Fn(&Value) -> bool| {
        value.as_array().into_iter().flatten().any(|item| is_it(item) && is_there(item, rest))
    };
    match first {
        PathElement::Field(name) => value.get(name).is_some_and(|it| is_there(it, rest)),
        PathElement::Value(wanted) => in_list(&|item| compare_values(item, wanted).is_eq()),
        PathElement::Key(members) => in_list(&|item| {
            // A key that is not there has its default.
            members.iter().all(|(name, wanted)| {
                item.get(name).is_none_or(|it| compare_values(it, wanted).is_eq())
            })
        }),
        PathElement::Index(at) => value.get(at).is_some_and(|it| is_there(it, rest)),
    }
}

/// Fields that objects of the schema may have, some of them wrong.
fn any_fields() -> impl Strategy<Value = Value> {
    let number = prop_oneof![8 => (0..3_i64).prop_map(Value::from), 1 => Just(Value::Null)];
    let small = |keys: &'static str, value: BoxedStrategy<Value>| {
        proptest::collection::btree_map(keys, value, 0..3)
            .prop_map(|it| Value::Object(it.into_iter().collect::<Map<_, _>>()))
            .boxed()
    };
    // An empty list of elements is no field, neither here nor in Kubernetes: what it lies in
    // is removed if nothing else is in it, and is there again the next time.
    let list = |value: BoxedStrategy<Value>| {
        proptest::collection::vec(value, 1..4).prop_map(Value::from).boxed()
    };
    let number = number.boxed();
    let text = "[ab]".prop_map(Value::from).boxed();
    let item = (text.clone(), small("[xy]", number.clone())).prop_map(|(name, mut item)| {
        item["name"] = name;
        item
    });
    let item = item.boxed();
    let spec = proptest::collection::vec(
        prop_oneof![
            number.clone().prop_map(|it| ("a", it)),
            small("[xy]", number.clone()).prop_map(|it| ("nested", it)),
            small("[xy]", number.clone()).prop_map(|it| ("atomic", it)),
            small("[tu]", text.clone()).prop_map(|it| ("tags", it)),
            small("[op]", small("[xy]", number.clone())).prop_map(|it| ("objects", it)),
            list(number.clone()).prop_map(|it| ("list", it)),
            list(text).prop_map(|it| ("set", it)),
            list(item.clone()).prop_map(|it| ("items", it)),
            list(item).prop_map(|it| ("wholeItems", it)),
            any_value().prop_map(|it| ("free", it)),
        ],
        0..6,
    );
    spec.prop_map(|spec| {
        let spec: Map<String, Value> =
            spec.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        json!({"spec": spec})
    })
}

#[test]
fn a_large_object_is_no_trouble() {
    let items = |from: usize, to: usize| -> Vec<Value> {
        (from..to).map(|it| json!({"name": format!("n{it}"), "x": it})).collect()
    };
    let tags = |from: usize, to: usize| -> Map<String, Value> {
        (from..to).map(|it| (format!("t{it}"), "v".into())).collect()
    };
    let [_, structure] = structures();
    let (first, later) = (time(0), time(1));
    let write = writing(structure, "a", &first);
    let config =
        |from, to| thing(&json!({"spec": {"items": items(from, to), "tags": tags(from, to)}}));
    let live = apply(&write, None, &config(0, 2_000), false).unwrap();
    let other = Write { manager: "b", now: &later, ..write };
    let live = apply(&other, Some(&live), &config(1_000, 3_000), false).unwrap();
    let live = apply(&write, Some(&live), &config(0, 1), false).unwrap();
    assert_eq!(live.pointer("/spec/items").unwrap().as_array().map(Vec::len), Some(2_001));
    assert_eq!(live.pointer("/spec/tags").unwrap().as_object().map(Map::len), Some(2_001));
}
