//! How two objects differ, in words that name the field.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// The object without what makes no difference: nothing said in many ways, and what the API
/// server would say by itself.
pub fn plain(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, field| {
                plain(field);
                let nothing = match field {
                    Value::Null => true,
                    Value::Array(items) => items.is_empty(),
                    Value::Object(fields) => fields.is_empty() && name != "emptyDir",
                    _ => false,
                };
                !nothing && !is_default(name, field)
            });
        }
        Value::Array(items) => items.iter_mut().for_each(plain),
        _ => {}
    }
}

fn is_default(name: &str, value: &Value) -> bool {
    match name {
        "readOnly" => value == false,
        "successThreshold" | "replicas" => value == 1,
        "protocol" => value == "TCP",
        "type" => value == "Opaque" || value == "ClusterIP",
        _ => false,
    }
}

/// Each difference as a line `path: what`.
pub fn differences(expected: &Value, got: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    differ("", expected, got, &mut lines);
    lines
}

fn differ(path: &str, expected: &Value, got: &Value, lines: &mut Vec<String>) {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => differ_maps(path, expected, got, lines),
        (Value::Array(expected), Value::Array(got)) if expected != got => {
            differ_lists(path, expected, got, lines);
        }
        _ if expected != got => lines.push(format!("{path}: expected {expected}, got {got}")),
        _ => {}
    }
}

fn differ_maps(
    path: &str,
    expected: &Map<String, Value>,
    got: &Map<String, Value>,
    lines: &mut Vec<String>,
) {
    let names: BTreeSet<&String> = expected.keys().chain(got.keys()).collect();
    for name in names {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match (expected.get(name), got.get(name)) {
            (Some(expected), Some(got)) => differ(&path, expected, got, lines),
            (Some(expected), None) => {
                lines.push(format!("{path}: expected {expected}, got nothing"));
            }
            (None, got) => {
                lines.push(format!("{path}: expected nothing, got {}", got.unwrap()));
            }
        }
    }
}

/// Items that have a name are compared with those of the same name, others as a whole; where
/// all are there, their order is compared.
fn differ_lists(path: &str, expected: &[Value], got: &[Value], lines: &mut Vec<String>) {
    let before = lines.len();
    let mut others: Vec<&Value> = got.iter().collect();
    for item in expected {
        let Some(at) = others.iter().position(|it| key(it) == key(item)) else {
            lines.push(format!("{path}: expected {item}, got nothing like it"));
            continue;
        };
        differ(&format!("{path}[{}]", key(item)), item, others.remove(at), lines);
    }
    for item in others {
        lines.push(format!("{path}: got {item}, which is not expected"));
    }
    if lines.len() == before {
        let order = |items: &[Value]| items.iter().map(key).collect::<Vec<_>>().join("\n      ");
        lines.push(format!(
            "{path}: another order\n    expected\n      {}\n    got\n      {}",
            order(expected),
            order(got)
        ));
    }
}

/// What an item of a list is known by.
fn key(item: &Value) -> String {
    match item.get("name").or_else(|| item.get("topologyKey")) {
        Some(Value::String(name)) => name.clone(),
        _ => item.to_string(),
    }
}

#[test]
fn a_difference_names_its_field() {
    let said = |expected: Value, got: Value| differences(&expected, &got).join("\n");
    let pod = |args: &[&str], image: &str| serde_json::json!({"spec": {"containers": [{"name": "kcp", "image": image, "args": args}]}});
    assert_eq!(said(pod(&["-a", "-b"], "x:1"), pod(&["-a", "-b"], "x:1")), "");
    assert_eq!(
        said(pod(&["-a", "-b"], "x:1"), pod(&["-a", "-c"], "x:2")),
        "\
spec.containers[kcp].args: expected \"-b\", got nothing like it
spec.containers[kcp].args: got \"-c\", which is not expected
spec.containers[kcp].image: expected \"x:1\", got \"x:2\""
    );
    assert!(said(pod(&["-a", "-b"], ""), pod(&["-b", "-a"], "")).contains("args: another order"));
    assert_eq!(
        said(serde_json::json!({"a": 1}), serde_json::json!({"b": null})),
        "a: expected 1, got nothing\nb: expected nothing, got null"
    );
}
