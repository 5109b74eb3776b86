//! Holds a tree against the schema and the CEL rules of its kind.
//!
//! The schema is the one that the Rust types make, which is also what a CRD made
//! from them enforces; so what passes here is what an API server accepts.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::OnceLock;

use kube::core::cel::Validator;
use regex::Regex;
use serde_json::Value;

use super::object::Kind;

/// A field that is not what its kind allows.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Violation {
    /// Path of the field, such as `spec.etcd.endpoints[0]`.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Everything in `tree` that the schema or a CEL rule of `kind` forbids.
pub fn violations(kind: Kind, tree: &Value) -> Vec<Violation> {
    let schema = schema(kind);
    let mut found = Vec::new();
    for (key, schema) in own_properties(schema) {
        if let Some(value) = tree.get(key).filter(|it| !it.is_null()) {
            structural(schema, value, key, &mut found);
        }
    }
    if found.is_empty() {
        // A rule may rely on a sound structure, as in an API server.
        let rules = Validator::new().validate(schema, tree, None);
        for error in rules.err().into_iter().flat_map(kube::core::cel::ValidationErrors::into_vec) {
            found.push(Violation { path: error.field_path, message: error.message });
        }
    }
    found
}

/// Paths of all fields in `tree` that `kind` does not have.
pub fn unknown_fields(kind: Kind, tree: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for key in tree.as_object().into_iter().flat_map(|it| it.keys()) {
        if !["apiVersion", "kind", "metadata", "spec", "status"].contains(&key.as_str()) {
            found.push(key.clone());
        }
    }
    for (key, schema) in own_properties(schema(kind)) {
        if let Some(value) = tree.get(key) {
            unknown(schema, value, key, &mut found);
        }
    }
    found
}

/// Paths of all fields in the `spec` of `tree` that a definition with this schema does not have.
pub fn fields_unknown_to(schema: &Value, tree: &Value) -> Vec<String> {
    let mut found = Vec::new();
    unknown(&schema["properties"]["spec"], &tree["spec"], "spec", &mut found);
    found
}

/// The tree as our types take it: without fields that are null, which a server drops,
/// and with quantities that are numbers as the text that they stand for.
pub(super) fn plain_form(kind: Kind, tree: &Value) -> Value {
    fn form(schema: &Value, value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let fields = map.iter().filter(|it| !it.1.is_null()).map(|(name, value)| {
                    let own = schema["properties"].get(name);
                    let own = own.unwrap_or(&schema["additionalProperties"]);
                    (name.clone(), form(own, value))
                });
                Value::Object(fields.collect())
            }
            Value::Array(items) => {
                Value::Array(items.iter().map(|it| form(&schema["items"], it)).collect())
            }
            Value::Number(number) if schema["x-kubernetes-int-or-string"] == true => {
                Value::String(number.to_string())
            }
            other => other.clone(),
        }
    }
    form(schema(kind), tree)
}

/// The schema of a kind, made once.
fn schema(kind: Kind) -> &'static Value {
    static SCHEMAS: [OnceLock<Value>; 6] = [const { OnceLock::new() }; 6];
    SCHEMAS[kind as usize].get_or_init(|| {
        super::crd::crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"].take()
    })
}

/// The properties that are the kind's own: the rest is every object's.
fn own_properties(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    ["spec", "status"].into_iter().filter_map(|key| Some((key, schema["properties"].get(key)?)))
}

fn structural(schema: &Value, value: &Value, path: &str, found: &mut Vec<Violation>) {
    let mut report = |message: String| found.push(Violation { path: path.to_owned(), message });
    if schema["x-kubernetes-int-or-string"] == true {
        if !value.is_i64() && !value.is_string() {
            report("expected an integer or a string".to_owned());
        } else if let (Some(text), Some(pattern)) = (value.as_str(), schema["pattern"].as_str())
            && Regex::new(pattern).is_ok_and(|it| !it.is_match(text))
        {
            report(format!("`{text}` is no quantity, such as `500m` or `2Gi`"));
        }
        return;
    }
    let expected = schema["type"].as_str().unwrap_or_default();
    let sound = match expected {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => true,
    };
    if !sound {
        return report(format!("expected {expected}, found {}", type_name(value)));
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        report(format!("{value} is none of {}", allowed.join(", ")));
    }
    match value {
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or_default();
            if let Some(least) = schema["minimum"].as_f64().filter(|it| number < *it) {
                report(format!("{number} is less than {least}"));
            }
            if let Some(most) = schema["maximum"].as_f64().filter(|it| number > *it) {
                report(format!("{number} is more than {most}"));
            }
        }
        Value::String(text) => {
            if schema["minLength"].as_u64().is_some_and(|it| (text.chars().count() as u64) < it) {
                report("may not be empty".to_owned());
            }
            if let Some(most) = schema["maxLength"].as_u64()
                && text.chars().count() as u64 > most
            {
                report(format!("is longer than {most} characters"));
            }
            let pattern = schema["pattern"].as_str().and_then(|it| Regex::new(it).ok());
            if let Some(pattern) = pattern.filter(|it| !it.is_match(text)) {
                report(format!("`{text}` does not match `{pattern}`"));
            }
        }
        Value::Array(items) => list(schema, items, path, found),
        Value::Object(_) => fields(schema, value, path, found),
        Value::Null | Value::Bool(_) => {}
    }
}

fn fields(schema: &Value, value: &Value, path: &str, found: &mut Vec<Violation>) {
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none_or(Value::is_null) {
            found.push(Violation {
                path: format!("{path}.{name}"),
                message: "is required".to_owned(),
            });
        }
    }
    // A server drops a null before it looks at the type of the field.
    for (name, value) in value.as_object().into_iter().flatten().filter(|it| !it.1.is_null()) {
        let schema = schema["properties"].get(name).or(schema.get("additionalProperties"));
        if let Some(schema) = schema.filter(|it| it.is_object()) {
            structural(schema, value, &format!("{path}.{name}"), found);
        }
    }
}

fn list(schema: &Value, items: &[Value], path: &str, found: &mut Vec<Violation>) {
    for (index, item) in items.iter().enumerate() {
        structural(&schema["items"], item, &format!("{path}[{index}]"), found);
    }
    if schema["x-kubernetes-list-type"] != "map" {
        return;
    }
    let keys: Vec<&str> = schema["x-kubernetes-list-map-keys"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let key: Vec<String> = keys.iter().map(|key| item[key].to_string()).collect();
        if !seen.insert(key.clone()) {
            found.push(Violation {
                path: format!("{path}[{index}]"),
                message: format!("a second entry with {} {}", keys.join(", "), key.join(", ")),
            });
        }
    }
}

fn unknown(schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map.iter().filter(|it| !it.1.is_null()) {
                let path = format!("{path}.{name}");
                if let Some(schema) = schema["properties"].get(name) {
                    unknown(schema, value, &path, found);
                } else if let Some(schema) = schema.get("additionalProperties") {
                    unknown(schema, value, &path, found);
                } else if schema.get("properties").is_some()
                    && schema["x-kubernetes-preserve-unknown-fields"] != true
                {
                    found.push(path);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                unknown(&schema["items"], item, &format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(kind: Kind, spec: &Value) -> Vec<String> {
        let tree = json!({ "metadata": { "name": "a" }, "spec": spec });
        violations(kind, &tree).iter().map(ToString::to_string).collect()
    }

    fn cache(extra: &Value) -> Vec<String> {
        let mut spec = json!({ "certificates": { "issuerRef": { "name": "selfsigned" } } });
        let fields = extra.as_object().cloned().unwrap_or_default();
        spec.as_object_mut().unwrap().extend(fields);
        lines(Kind::CacheServer, &spec)
    }

    fn kubeconfig(extra: &Value) -> Vec<String> {
        let mut spec = json!({
            "target": {}, "username": "me", "validity": "1h", "secretRef": { "name": "s" },
        });
        let fields = extra.as_object().cloned().unwrap_or_default();
        spec.as_object_mut().unwrap().extend(fields);
        lines(Kind::Kubeconfig, &spec)
    }

    #[test]
    fn the_cel_rules_are_those_of_the_operator() {
        let etcd = json!({ "endpoints": ["https://a:2379"] });
        assert!(cache(&json!({ "replicas": 1 })).is_empty());
        assert!(cache(&json!({ "replicas": 2, "etcd": etcd })).is_empty());
        assert_eq!(
            cache(&json!({ "replicas": 2 })),
            ["spec: etcd must be specified when replicas > 1"]
        );

        let proxy = |spec: Value| lines(Kind::FrontProxy, &spec);
        let external = json!({ "hostname": "kcp.example.com", "port": 6443 });
        assert!(proxy(json!({ "rootShard": {}, "external": external })).is_empty());
        assert!(
            proxy(json!({ "rootShard": {}, "externalHostname": "kcp.example.com" })).is_empty()
        );
        assert_eq!(
            proxy(json!({ "rootShard": {}, "external": external, "externalHostname": "x" })),
            ["spec: Cannot set both ExternalHostname (deprecated) and External.hostname. \
              Use External.hostname only."]
        );
        let oidc = json!({ "issuerURL": "https://a", "clientID": "kcp" });
        assert_eq!(
            proxy(json!({ "rootShard": {}, "auth": { "oidc": oidc } })),
            ["spec.auth: OIDC requires ServiceAccount auth to be enabled."]
        );
        let auth = json!({ "oidc": oidc, "serviceAccount": { "enabled": true } });
        assert!(proxy(json!({ "rootShard": {}, "auth": auth })).is_empty());

        let roles = |cluster: Value| json!({ "clusterRoleBindings": cluster });
        let bindings = roles(json!({ "cluster": "root", "clusterRoles": [] }));
        assert_eq!(
            kubeconfig(&json!({ "targetWorkspace": "root", "authorization": bindings })),
            [
                "spec: Cannot set both targetWorkspace and authorization.clusterRoleBindings.cluster. \
              Use targetWorkspace only."
            ]
        );
        let bindings = roles(json!({ "clusterRoles": ["admin"] }));
        assert!(
            kubeconfig(&json!({ "targetWorkspace": "root", "authorization": bindings })).is_empty()
        );

        let target = |target: Value| {
            lines(Kind::VirtualWorkspace, &json!({ "external": external, "target": target }))
        };
        let (root, shard) = (json!({ "name": "root" }), json!({ "name": "a" }));
        let wrong = ["spec.target: Must specify exactly one of rootShardRef or shardRef"];
        assert!(target(json!({ "rootShardRef": root })).is_empty());
        assert!(target(json!({ "shardRef": shard })).is_empty());
        assert_eq!(target(json!({})), wrong);
        assert_eq!(target(json!({ "rootShardRef": root, "shardRef": shard })), wrong);
    }

    #[test]
    fn the_schema_is_that_of_the_operator() {
        assert_eq!(lines(Kind::CacheServer, &json!({})), ["spec.certificates: is required"]);
        assert_eq!(
            cache(&json!({ "logging": { "level": 11 } })),
            ["spec.logging.level: 11 is more than 10"]
        );
        assert_eq!(
            cache(&json!({ "replicas": "2" })),
            ["spec.replicas: expected integer, found string"]
        );
        let volume = |name: &str| json!({ "name": name, "emptyDir": {} });
        assert_eq!(
            cache(&json!({ "extraVolumes": [volume("a"), volume("b"), volume("a")] })),
            ["spec.extraVolumes[2]: a second entry with name \"a\""]
        );
        let key = json!({ "server": { "spec": { "privateKey": { "algorithm": "DSA" } } } });
        assert_eq!(
            cache(&json!({ "certificateTemplates": key })),
            ["spec.certificateTemplates.server.spec.privateKey.algorithm: \"DSA\" is none of \
              \"RSA\", \"ECDSA\", \"Ed25519\""]
        );
        let refused = kubeconfig(&json!({ "targetWorkspace": "root:Team" }));
        assert!(
            refused[0].starts_with("spec.targetWorkspace: `root:Team` does not match"),
            "{refused:?}"
        );
        // Nobody would write these, but the operator's own CRDs let them pass.
        assert!(kubeconfig(&json!({ "secretRef": {}, "groups": [] })).is_empty());
        let limited = |limit: Value| {
            let volume = json!({ "emptyDir": { "sizeLimit": limit }, "name": "a" });
            cache(&json!({ "extraVolumes": [volume] }))
        };
        for sound in
            [json!(5), json!("5"), json!("500m"), json!("1.5Gi"), json!("1e3"), json!(null)]
        {
            assert!(limited(sound.clone()).is_empty(), "{sound}");
        }
        assert_eq!(
            limited(json!("5 GB")),
            ["spec.extraVolumes[0].emptyDir.sizeLimit: `5 GB` is no quantity, such as `500m` or \
              `2Gi`"]
        );
    }

    #[test]
    fn fields_that_a_kind_does_not_have_are_named() {
        let tree = json!({
            "apiVersion": "operator.kcp.io/v1alpha1", "kind": "CacheServer",
            "metadata": { "name": "a", "anything": 1 },
            "spec": {
                "certificates": { "issuerRef": { "nam": "x" } },
                "replica": 2,
                "extraVolumes": [{ "name": "a", "emptyDirectory": {} }],
                "certificateTemplates": { "server": { "spec": { "ttl": "1h" } } },
                "serviceTemplate": { "metadata": { "labels": { "any": "thing" } } },
            },
            "stat": {},
        });
        assert_eq!(
            unknown_fields(Kind::CacheServer, &tree),
            [
                "stat",
                "spec.certificateTemplates.server.spec.ttl",
                "spec.certificates.issuerRef.nam",
                "spec.extraVolumes[0].emptyDirectory",
                "spec.replica",
            ]
        );
    }
}
