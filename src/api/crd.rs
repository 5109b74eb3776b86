//! The CRDs, made from the Rust types.
//!
//! What the derive macros make is nearly one. Here the rest is done: Kubernetes' own
//! types, such as volumes, lose their long descriptions, and their lists get the types
//! and keys without which server-side apply would replace them whole.

use std::sync::OnceLock;

use kube::CustomResourceExt;
use serde_json::{Map, Value, json};

use super::object::Kind;
use super::{CacheServer, FrontProxy, Kubeconfig, RootShard, Shard, VirtualWorkspace};

/// Our fields whose types are Kubernetes' own.
const FOREIGN: [&str; 10] = [
    "affinity",
    "tolerations",
    "hostAliases",
    "imagePullSecrets",
    "topologySpreadConstraints",
    "resources",
    "extraVolumes",
    "extraVolumeMounts",
    "volumes",
    "volumeMounts",
];

/// Our fields that hold the name of an object in the same namespace.
const REFERENCES: [&str; 10] = [
    "ref",
    "secretRef",
    "caSecretRef",
    "caBundleSecretRef",
    "clientCABundleRef",
    "kubeconfigSecretRef",
    "kcpVirtualWorkspace",
    "rootShardRef",
    "shardRef",
    "frontProxyRef",
];

/// Objects within Kubernetes' types that are set as a whole. `secretRef` and the like are
/// among them wherever they hold a name alone.
const ATOMIC: [&str; 10] = [
    "preference",
    "labelSelector",
    "namespaceSelector",
    "selector",
    "configMapKeyRef",
    "secretKeyRef",
    "fieldRef",
    "resourceFieldRef",
    "dataSource",
    "requiredDuringSchedulingIgnoredDuringExecution",
];

/// What Kubernetes fills in where a field of a volume is absent, by the volume's type.
const DEFAULTS: [(&str, &str, &str); 8] = [
    ("azureDisk", "fsType", "\"ext4\""),
    ("azureDisk", "readOnly", "false"),
    ("iscsi", "iscsiInterface", "\"default\""),
    ("rbd", "keyring", "\"/etc/ceph/keyring\""),
    ("rbd", "pool", "\"rbd\""),
    ("rbd", "user", "\"admin\""),
    ("scaleIO", "fsType", "\"xfs\""),
    ("scaleIO", "storageMode", "\"ThinProvisioned\""),
];

/// Fields of an object's metadata that mean something in a template.
const TEMPLATE_METADATA: [&str; 5] = ["annotations", "finalizers", "labels", "name", "namespace"];

/// A number of something, with a unit: `500m`, `2Gi`, `1e3`.
const QUANTITY: &str = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+))?$";

/// Whether a path leads into a type of Kubernetes' own, which has more fields in each release.
pub fn is_kubernetes_own(path: &str) -> bool {
    path.split(['.', '[']).any(|name| FOREIGN.contains(&name))
}

/// The CRD of a kind, as a tree.
pub fn crd(kind: Kind) -> Value {
    // Making one takes a thousand times as long as copying it.
    static MADE: [OnceLock<Value>; Kind::ALL.len()] = [const { OnceLock::new() }; Kind::ALL.len()];
    let index = Kind::ALL.iter().position(|it| *it == kind).unwrap_or_default();
    MADE[index].get_or_init(|| made(kind)).clone()
}

fn made(kind: Kind) -> Value {
    let crd = match kind {
        Kind::CacheServer => CacheServer::crd(),
        Kind::RootShard => RootShard::crd(),
        Kind::Shard => Shard::crd(),
        Kind::FrontProxy => FrontProxy::crd(),
        Kind::VirtualWorkspace => VirtualWorkspace::crd(),
        Kind::Kubeconfig => Kubeconfig::crd(),
    };
    let mut crd = serde_json::to_value(crd).unwrap_or_default();
    let schema = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    // The operator takes an object without a `spec`, and so do we.
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("required");
        schema.remove("title");
    }
    own(schema, "");
    schema["properties"]["apiVersion"] =
        json!({ "type": "string", "description": "Group and version of the object." });
    schema["properties"]["kind"] =
        json!({ "type": "string", "description": "Kind of the object." });
    schema["properties"]["metadata"] = json!({ "type": "object" });
    let kind = crd["spec"]["names"]["kind"].as_str().unwrap_or_default();
    crd["spec"]["names"]["listKind"] = format!("{kind}List").into();
    crd
}

/// Finishes a schema of ours, which stands at the field `name`.
fn own(schema: &mut Value, name: &str) {
    plain(schema);
    // Go's own `int`, which has no format.
    let is_bounded = schema.get("minimum").is_some() && schema.get("maximum").is_some();
    if (schema["format"] == "int64" || is_bounded)
        && let Some(map) = schema.as_object_mut()
    {
        map.remove("format");
    }
    if REFERENCES.contains(&name) {
        return reference(schema);
    }
    if name == "conditions" {
        return conditions(schema);
    }
    if FOREIGN.contains(&name) {
        // What the list itself is, our type has said.
        let [description, list_type] =
            ["description", "x-kubernetes-list-type"].map(|it| schema.get(it).cloned());
        foreign(schema, name, false);
        for (key, value) in [("description", description), ("x-kubernetes-list-type", list_type)] {
            match (value, schema.as_object_mut()) {
                (Some(value), _) => schema[key] = value,
                (None, Some(map)) => drop(map.remove(key)),
                (None, None) => {}
            }
        }
        return;
    }
    for (name, schema) in properties(schema) {
        own(schema, name);
    }
    if let Some(items) = schema.get_mut("items") {
        own(items, "");
    }
    if let Some(values) = schema.get_mut("additionalProperties").filter(|it| it.is_object()) {
        own(values, "");
    }
}

/// Finishes a schema of Kubernetes' own. Within a definition it has no descriptions, which would
/// make that too large to be annotated.
pub(super) fn foreign(schema: &mut Value, name: &str, is_built_in: bool) {
    plain(schema);
    if let Some(map) = schema.as_object_mut().filter(|_| !is_built_in) {
        map.remove("description");
    }
    if is_name(schema) {
        reference(schema);
    }
    if schema["x-kubernetes-int-or-string"] == true {
        let description = schema.get("description").cloned();
        *schema = json!({
            "anyOf": [{ "type": "integer" }, { "type": "string" }],
            "pattern": QUANTITY,
            "x-kubernetes-int-or-string": true,
        });
        if let Some(description) = description {
            schema["description"] = description;
        }
    }
    // A ConfigMap or Secret by its name, which old clients leave empty.
    if ["configMap", "secret"].contains(&name) && schema["properties"].get("name").is_some() {
        schema["properties"]["name"]["default"] = "".into();
        if !is_built_in {
            schema["x-kubernetes-map-type"] = "atomic".into();
        }
        if let Some(map) = schema.as_object_mut() {
            map.remove("required");
        }
    }
    for (_, field, default) in DEFAULTS.iter().filter(|it| it.0 == name) {
        schema["properties"][field]["default"] = serde_json::from_str(default).unwrap_or_default();
    }
    if name == "volumeClaimTemplate"
        && let Some(metadata) = schema["properties"]["metadata"]["properties"].as_object_mut()
    {
        metadata.retain(|field, _| TEMPLATE_METADATA.contains(&field.as_str()));
    }
    let is_object = schema["type"] == "object";
    if is_object && (ATOMIC.contains(&name) || name == "nodeSelectorTerms[]") {
        schema["x-kubernetes-map-type"] = "atomic".into();
    }
    if schema["type"] == "array" && schema.get("x-kubernetes-list-type").is_none() {
        if name == "claims" {
            schema["x-kubernetes-list-type"] = "map".into();
            schema["x-kubernetes-list-map-keys"] = json!(["name"]);
        } else {
            schema["x-kubernetes-list-type"] = "atomic".into();
        }
    }
    for (name, schema) in properties(schema) {
        foreign(schema, name, is_built_in);
    }
    if let Some(items) = schema.get_mut("items") {
        foreign(items, &format!("{name}[]"), is_built_in);
    }
    if let Some(values) = schema.get_mut("additionalProperties").filter(|it| it.is_object()) {
        foreign(values, "", is_built_in);
    }
}

/// A null is dropped by a server, so nothing has to allow it.
fn plain(schema: &mut Value) {
    if let Some(map) = schema.as_object_mut() {
        map.remove("nullable");
    }
}

/// A name that may be left out, as controllers' CRDs have it.
fn reference(schema: &mut Value) {
    let description = schema.get("description").cloned();
    *schema = json!({
        "type": "object",
        "properties": { "name": { "type": "string", "default": "" } },
        "x-kubernetes-map-type": "atomic",
    });
    if let Some(description) = description {
        schema["description"] = description;
    }
}

/// Whether a schema is that of a reference by name alone.
fn is_name(schema: &Value) -> bool {
    schema["properties"].as_object().is_some_and(|it| it.keys().eq(["name"]))
}

/// The limits that Kubernetes sets for conditions; the schema of the type has none.
fn conditions(schema: &mut Value) {
    let items = &mut schema["items"];
    *items = json!({
        "type": "object",
        "required": ["lastTransitionTime", "message", "reason", "status", "type"],
        "properties": {
            "lastTransitionTime": { "type": "string", "format": "date-time" },
            "message": { "type": "string", "maxLength": 32768 },
            "observedGeneration": { "type": "integer", "format": "int64", "minimum": 0 },
            "reason": {
                "type": "string",
                "minLength": 1,
                "maxLength": 1024,
                "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
            },
            "status": { "type": "string", "enum": ["True", "False", "Unknown"] },
            "type": {
                "type": "string",
                "maxLength": 316,
                "pattern": "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?\
                            (([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
            },
        },
    });
}

pub(super) fn properties(schema: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flat_map(Map::iter_mut)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The most that `kubectl apply` can put into its annotation.
    const ANNOTATIONS_LEN_MAX: usize = 256 << 10;

    #[test]
    fn every_crd_fits_into_an_annotation_with_room_to_spare() {
        for kind in Kind::ALL {
            let length = crd(kind).to_string().len();
            assert!(length < ANNOTATIONS_LEN_MAX / 2, "{}: {length} bytes", kind.as_str());
        }
    }

    /// Calls `look` with each schema and where it stands.
    fn each(schema: &Value, path: &str, look: &mut impl FnMut(&str, &Value)) {
        look(path, schema);
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            each(schema, &format!("{path}.{name}"), look);
        }
        for (key, end) in [("items", "[]"), ("additionalProperties", "{}")] {
            if let Some(schema) = schema.get(key).filter(|it| it.is_object()) {
                each(schema, &format!("{path}{end}"), look);
            }
        }
    }

    #[test]
    fn every_schema_is_structural_and_every_field_of_ours_is_described() {
        for kind in Kind::ALL {
            let crd = crd(kind);
            let version = &crd["spec"]["versions"][0];
            assert_eq!(version["subresources"], json!({ "status": {} }));
            assert_eq!((&version["served"], &version["storage"]), (&json!(true), &json!(true)));
            let schema = &version["schema"]["openAPIV3Schema"];
            assert!(schema.get("required").is_none());
            each(schema, kind.as_str(), &mut |path, schema| {
                let number = schema["x-kubernetes-int-or-string"] == true;
                assert!(number || schema["type"].is_string(), "{path} has no type");
                assert!(schema.get("$ref").is_none() && schema.get("nullable").is_none(), "{path}");
                let object = schema.get("properties").is_some();
                assert!(!(object && schema.get("additionalProperties").is_some()), "{path}");
                let keyed = schema["x-kubernetes-list-type"] == "map";
                let keys = schema["x-kubernetes-list-map-keys"].as_array();
                assert_eq!(keyed, keys.is_some_and(|it| !it.is_empty()), "{path}");
                for key in keys.into_iter().flatten().filter_map(Value::as_str) {
                    let item = &schema["items"];
                    let required =
                        item["required"].as_array().is_some_and(|it| it.contains(&key.into()));
                    let default = item["properties"][key].get("default").is_some();
                    assert!(required || default, "{path}: the key {key} may be absent");
                }
                let described = schema["description"].as_str().is_some_and(|it| !it.is_empty());
                let own = path.matches('.').count() == 2 && !path.contains('[');
                assert!(described || !own, "{path} has no description");
            });
        }
    }

    #[test]
    fn every_schema_says_whose_its_fields_can_be() {
        for kind in Kind::ALL {
            let schema = &crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
            crate::model::apply::Structure::from_schema(schema).unwrap();
        }
    }

    #[test]
    fn lists_of_kubernetes_types_are_merged_by_their_keys() {
        let crd = crd(Kind::RootShard);
        let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        let volumes = &spec["properties"]["extraVolumes"];
        assert_eq!(volumes["x-kubernetes-list-map-keys"], json!(["name"]));
        let sources = &volumes["items"]["properties"]["projected"]["properties"]["sources"];
        assert_eq!(sources["x-kubernetes-list-type"], "atomic");
        let claims = &spec["properties"]["resources"]["properties"]["claims"];
        assert_eq!(claims["x-kubernetes-list-map-keys"], json!(["name"]));
        let reference =
            &spec["properties"]["etcd"]["properties"]["tlsConfig"]["properties"]["secretRef"];
        assert_eq!(reference["properties"]["name"], json!({ "type": "string", "default": "" }));
        assert_eq!(reference["x-kubernetes-map-type"], "atomic");
    }
}
