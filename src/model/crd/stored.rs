//! The two forms of a definition: `v1`, which clients see, and `v1beta1`, which is stored.
//!
//! In `v1beta1` what all versions have in common stands once, at the spec, and
//! fields stand in the order of the Go type rather than sorted. Fields that we do
//! not know are carried over as they are.

use serde_json::{Map, Value, json};

use crate::model::json::{string, tree};

const V1: &str = "apiextensions.k8s.io/v1";
const V1BETA1: &str = "apiextensions.k8s.io/v1beta1";

/// What can stand at a version or, if all versions agree, at the spec:
/// its name there in `v1`, and here in `v1beta1`.
const SHARED: [(&str, &str); 4] = [
    ("schema", "validation"),
    ("subresources", "subresources"),
    ("additionalPrinterColumns", "additionalPrinterColumns"),
    ("selectableFields", "selectableFields"),
];

/// The bytes are not a definition that we can convert.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    /// They are not JSON.
    #[error("the definition is not JSON")]
    Json(#[source] serde_json::Error),
    /// A part of it is missing or of another type.
    #[error("the definition has no {0}")]
    Missing(&'static str),
    /// It is of a version that we do not know.
    #[error("the definition has apiVersion `{0}`, expected `{V1}` or `{V1BETA1}`")]
    Version(String),
}

/// Turns a definition in `v1` into what is stored: `v1beta1`, with a newline at the end.
pub fn to_stored(v1: &[u8]) -> Result<Vec<u8>, DefinitionError> {
    let mut object = read(v1)?;
    match text(&object, "apiVersion")? {
        V1 => {}
        other => return Err(DefinitionError::Version(other.to_owned())),
    }
    object.insert("apiVersion".to_owned(), json!(V1BETA1));
    // Where and when an object is stored is told by its key and the store's counter.
    let metadata = member(&mut object, "metadata")?;
    metadata.remove("resourceVersion");
    metadata.remove("selfLink");
    let spec = member(&mut object, "spec")?;
    spec.entry("conversion").or_insert_with(|| json!({"strategy": "None"}));
    spec.entry("preserveUnknownFields").or_insert(Value::Bool(false));
    if let Some(Value::Object(conversion)) = spec.get_mut("conversion") {
        flatten_webhook(conversion);
    }
    for version in versions(spec)? {
        rename_paths(version.get_mut("additionalPrinterColumns"), "jsonPath", "JSONPath");
    }
    hoist(spec)?;
    let mut out = Vec::with_capacity(v1.len() + 128);
    write(&mut out, &Value::Object(object), &DEFINITION);
    out.push(b'\n');
    Ok(out)
}

/// Turns a stored definition, in either version, into canonical `v1` without a newline.
pub fn from_stored(stored: &[u8]) -> Result<Vec<u8>, DefinitionError> {
    let mut object = read(stored)?;
    let beta = match text(&object, "apiVersion")? {
        V1 => false,
        V1BETA1 => true,
        other => return Err(DefinitionError::Version(other.to_owned())),
    };
    object.insert("apiVersion".to_owned(), json!(V1));
    let spec = member(&mut object, "spec")?;
    if beta {
        lower(spec)?;
        for version in versions(spec)? {
            rename_paths(version.get_mut("additionalPrinterColumns"), "JSONPath", "jsonPath");
        }
        if let Some(Value::Object(conversion)) = spec.get_mut("conversion") {
            nest_webhook(conversion);
        }
        // Absent once meant true; in `v1` it means false.
        if spec.remove("preserveUnknownFields").is_none_or(|it| it == true) {
            spec.insert("preserveUnknownFields".to_owned(), Value::Bool(true));
        }
        spec.entry("scope").or_insert_with(|| json!("Namespaced"));
    }
    spec.entry("conversion").or_insert_with(|| json!({"strategy": "None"}));
    Ok(tree::to_vec(&Value::Object(object)))
}

fn read(bytes: &[u8]) -> Result<Map<String, Value>, DefinitionError> {
    serde_json::from_slice(bytes).map_err(DefinitionError::Json)
}

fn text<'a>(object: &'a Map<String, Value>, key: &'static str) -> Result<&'a str, DefinitionError> {
    object.get(key).and_then(Value::as_str).ok_or(DefinitionError::Missing(key))
}

fn member<'a>(
    object: &'a mut Map<String, Value>,
    key: &'static str,
) -> Result<&'a mut Map<String, Value>, DefinitionError> {
    object.get_mut(key).and_then(Value::as_object_mut).ok_or(DefinitionError::Missing(key))
}

fn versions(
    spec: &mut Map<String, Value>,
) -> Result<Vec<&mut Map<String, Value>>, DefinitionError> {
    let missing = DefinitionError::Missing("versions");
    let Some(Value::Array(versions)) = spec.get_mut("versions") else { return Err(missing) };
    if versions.is_empty() {
        return Err(missing);
    }
    versions
        .iter_mut()
        .map(|it| it.as_object_mut().ok_or(DefinitionError::Missing("versions")))
        .collect()
}

/// Moves what all versions agree on to the spec, and names the first version there.
fn hoist(spec: &mut Map<String, Value>) -> Result<(), DefinitionError> {
    let empty = |it: &Value| it.is_null() || *it == json!([]);
    for (below, above) in SHARED {
        let mut versions = versions(spec)?;
        let mut values = versions.iter().map(|it| it.get(below).filter(|it| !empty(it)));
        let first = values.next().flatten().cloned();
        if values.all(|it| it == first.as_ref()) {
            for version in &mut versions {
                version.remove(below);
            }
            if let Some(value) = first {
                spec.insert(above.to_owned(), value);
            }
        }
    }
    let first = versions(spec)?.swap_remove(0).get("name").cloned();
    spec.insert("version".to_owned(), first.ok_or(DefinitionError::Missing("version name"))?);
    Ok(())
}

/// Moves what stands at the spec for all versions to each of them.
fn lower(spec: &mut Map<String, Value>) -> Result<(), DefinitionError> {
    let version = spec.remove("version");
    let none = spec.get("versions").is_none_or(|it| it.is_null() || *it == json!([]));
    if let (true, Some(name)) = (none, version) {
        let only = json!([{"name": name, "served": true, "storage": true}]);
        spec.insert("versions".to_owned(), only);
    }
    for (below, above) in SHARED {
        let Some(value) = spec.remove(above).filter(|it| !it.is_null()) else { continue };
        for version in versions(spec)? {
            version.insert(below.to_owned(), value.clone());
        }
    }
    Ok(())
}

fn rename_paths(columns: Option<&mut Value>, from: &str, to: &str) {
    let columns = columns.and_then(Value::as_array_mut).into_iter().flatten();
    for column in columns.filter_map(Value::as_object_mut) {
        if let Some(path) = column.remove(from) {
            column.insert(to.to_owned(), path);
        }
    }
}

fn flatten_webhook(conversion: &mut Map<String, Value>) {
    let Some(Value::Object(mut webhook)) = conversion.remove("webhook") else { return };
    if let Some(client) = webhook.remove("clientConfig") {
        conversion.insert("webhookClientConfig".to_owned(), client);
    }
    if let Some(versions) = webhook.remove("conversionReviewVersions") {
        conversion.insert("conversionReviewVersions".to_owned(), versions);
    }
}

fn nest_webhook(conversion: &mut Map<String, Value>) {
    let client = conversion.remove("webhookClientConfig");
    let versions = conversion.remove("conversionReviewVersions");
    let parts = [("clientConfig", client), ("conversionReviewVersions", versions)];
    let webhook: Map<String, Value> =
        parts.into_iter().filter_map(|(key, it)| Some((key.to_owned(), it?))).collect();
    if !webhook.is_empty() {
        conversion.insert("webhook".to_owned(), Value::Object(webhook));
    }
}

/// The order in which an object's fields are stored; others follow, sorted.
/// A shape also holds for each element of a list.
struct Shape(&'static [(&'static str, &'static Shape)]);

static SORTED: Shape = Shape(&[]);
static DEFINITION: Shape = Shape(&[
    ("kind", &SORTED),
    ("apiVersion", &SORTED),
    ("metadata", &METADATA),
    ("spec", &SPEC),
    ("status", &STATUS),
]);
static METADATA: Shape = Shape(&[
    ("name", &SORTED),
    ("generateName", &SORTED),
    ("namespace", &SORTED),
    ("uid", &SORTED),
    ("generation", &SORTED),
    ("creationTimestamp", &SORTED),
    ("deletionTimestamp", &SORTED),
    ("deletionGracePeriodSeconds", &SORTED),
    ("labels", &SORTED),
    ("annotations", &SORTED),
    ("ownerReferences", &OWNER),
    ("finalizers", &SORTED),
    ("managedFields", &MANAGED),
]);
static OWNER: Shape = Shape(&[
    ("apiVersion", &SORTED),
    ("kind", &SORTED),
    ("name", &SORTED),
    ("uid", &SORTED),
    ("controller", &SORTED),
    ("blockOwnerDeletion", &SORTED),
]);
static MANAGED: Shape = Shape(&[
    ("manager", &SORTED),
    ("operation", &SORTED),
    ("apiVersion", &SORTED),
    ("time", &SORTED),
    ("fieldsType", &SORTED),
    ("fieldsV1", &SORTED),
    ("subresource", &SORTED),
]);
static SPEC: Shape = Shape(&[
    ("group", &SORTED),
    ("version", &SORTED),
    ("names", &NAMES),
    ("scope", &SORTED),
    ("validation", &SORTED),
    ("subresources", &SUBRESOURCES),
    ("versions", &VERSION),
    ("additionalPrinterColumns", &COLUMN),
    ("selectableFields", &SORTED),
    ("conversion", &CONVERSION),
    ("preserveUnknownFields", &SORTED),
]);
static NAMES: Shape = Shape(&[
    ("plural", &SORTED),
    ("singular", &SORTED),
    ("shortNames", &SORTED),
    ("kind", &SORTED),
    ("listKind", &SORTED),
    ("categories", &SORTED),
]);
static VERSION: Shape = Shape(&[
    ("name", &SORTED),
    ("served", &SORTED),
    ("storage", &SORTED),
    ("deprecated", &SORTED),
    ("deprecationWarning", &SORTED),
    ("schema", &SORTED),
    ("subresources", &SUBRESOURCES),
    ("additionalPrinterColumns", &COLUMN),
    ("selectableFields", &SORTED),
]);
static SUBRESOURCES: Shape = Shape(&[("status", &SORTED), ("scale", &SCALE)]);
static SCALE: Shape = Shape(&[
    ("specReplicasPath", &SORTED),
    ("statusReplicasPath", &SORTED),
    ("labelSelectorPath", &SORTED),
]);
static COLUMN: Shape = Shape(&[
    ("name", &SORTED),
    ("type", &SORTED),
    ("format", &SORTED),
    ("description", &SORTED),
    ("priority", &SORTED),
    ("JSONPath", &SORTED),
]);
static CONVERSION: Shape = Shape(&[
    ("strategy", &SORTED),
    ("webhookClientConfig", &CLIENT),
    ("conversionReviewVersions", &SORTED),
]);
static CLIENT: Shape = Shape(&[("url", &SORTED), ("service", &SERVICE), ("caBundle", &SORTED)]);
static SERVICE: Shape =
    Shape(&[("namespace", &SORTED), ("name", &SORTED), ("path", &SORTED), ("port", &SORTED)]);
static STATUS: Shape = Shape(&[
    ("conditions", &CONDITION),
    ("acceptedNames", &NAMES),
    ("storedVersions", &SORTED),
    ("observedGeneration", &SORTED),
]);
static CONDITION: Shape = Shape(&[
    ("type", &SORTED),
    ("status", &SORTED),
    ("lastTransitionTime", &SORTED),
    ("reason", &SORTED),
    ("message", &SORTED),
    ("observedGeneration", &SORTED),
]);

fn write(out: &mut Vec<u8>, value: &Value, shape: &Shape) {
    match value {
        Value::Object(members) => {
            let Shape(order) = shape;
            let known = order.iter().filter_map(|(key, below)| {
                members.get_key_value(*key).map(|(key, value)| (key, value, *below))
            });
            let rest = members
                .iter()
                .filter(|(key, _)| order.iter().all(|(known, _)| known != key))
                .map(|(key, value)| (key, value, &SORTED));
            out.push(b'{');
            for (at, (key, value, below)) in known.chain(rest).enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                string::write(out, key);
                out.push(b':');
                write(out, value, below);
            }
            out.push(b'}');
        }
        Value::Array(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write(out, item, shape);
            }
            out.push(b']');
        }
        scalar => tree::write(out, scalar),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::builtin;
    use crate::model::crd::{Birth, definition};

    const BIRTH: Birth<'static> =
        Birth { uid: "u", created: "2026-01-31T12:00:00Z", generation: 1 };

    fn stored(v1: &Value) -> String {
        String::from_utf8(to_stored(v1.to_string().as_bytes()).unwrap()).unwrap()
    }

    fn served(stored: &Value) -> Value {
        serde_json::from_slice(&from_stored(stored.to_string().as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn every_built_in_definition_comes_back_as_it_was() {
        for it in builtin::types() {
            let v1 = definition(it, BIRTH);
            let stored = to_stored(&v1).unwrap();
            assert_eq!(from_stored(&stored).unwrap(), v1, "{}", it.kind);
            assert_eq!(to_stored(&from_stored(&stored).unwrap()).unwrap(), stored, "{}", it.kind);
            assert_eq!(from_stored(&v1).unwrap(), v1, "{}", it.kind);
        }
    }

    #[test]
    fn what_versions_share_is_stored_once_and_in_the_order_of_the_go_type() {
        let exports = builtin::find("apis.kcp.io", "apiexports").unwrap();
        assert_eq!(
            String::from_utf8(to_stored(&definition(exports, BIRTH)).unwrap()).unwrap(),
            concat!(
                r#"{"kind":"CustomResourceDefinition","apiVersion":"apiextensions.k8s.io/v1beta1","metadata":{"name":"apiexports.apis.kcp.io","uid":"u","generation":1,"creationTimestamp":"2026-01-31T12:00:00Z","annotations":{"controller-gen.kubebuilder.io/version":"v0.17.3"}},"#,
                r#""spec":{"group":"apis.kcp.io","version":"v1alpha1","names":{"plural":"apiexports","singular":"apiexport","kind":"APIExport","listKind":"APIExportList","categories":["kcp"]},"scope":"Cluster","#,
                r#""validation":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}},"#,
                r#""versions":[{"name":"v1alpha1","served":true,"storage":false,"additionalPrinterColumns":[{"name":"Age","type":"date","JSONPath":".metadata.creationTimestamp"},{"name":"Ready","type":"string","JSONPath":".status.conditions[?(@.type==\"VirtualWorkspaceURLsReady\")].status"}]},"#,
                r#"{"name":"v1alpha2","served":true,"storage":true,"additionalPrinterColumns":[{"name":"Age","type":"date","JSONPath":".metadata.creationTimestamp"}]}],"#,
                r#""conversion":{"strategy":"None"},"preserveUnknownFields":false},"#,
                r#""status":{"conditions":[{"type":"NamesAccepted","status":"True","lastTransitionTime":"2026-01-31T12:00:00Z","reason":"NoConflicts","message":"no conflicts found"},{"type":"Established","status":"True","lastTransitionTime":"2026-01-31T12:00:00Z","reason":"InitialNamesAccepted","message":"the initial names have been accepted"}],"#,
                r#""acceptedNames":{"plural":"apiexports","singular":"apiexport","kind":"APIExport","listKind":"APIExportList","categories":["kcp"]},"storedVersions":["v1alpha2"]}}"#,
                "\n",
            )
        );
    }

    #[test]
    fn columns_that_all_versions_share_move_to_the_spec() {
        let column = json!([{"name": "A", "type": "string", "jsonPath": ".a"}]);
        let version = |name: &str| json!({"name": name, "served": true, "storage": name == "v2", "additionalPrinterColumns": column});
        let text = stored(&json!({
            "apiVersion": V1,
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "x.y", "resourceVersion": "7"},
            "spec": {"group": "y", "versions": [version("v1"), version("v2")]},
        }));
        assert_eq!(
            text,
            concat!(
                r#"{"kind":"CustomResourceDefinition","apiVersion":"apiextensions.k8s.io/v1beta1","metadata":{"name":"x.y"},"#,
                r#""spec":{"group":"y","version":"v1","versions":[{"name":"v1","served":true,"storage":false},{"name":"v2","served":true,"storage":true}],"#,
                r#""additionalPrinterColumns":[{"name":"A","type":"string","JSONPath":".a"}],"conversion":{"strategy":"None"},"preserveUnknownFields":false}}"#,
                "\n",
            )
        );
    }

    #[test]
    fn a_webhook_is_flat_when_stored() {
        let v1 = json!({
            "apiVersion": V1,
            "metadata": {},
            "spec": {
                "conversion": {"strategy": "Webhook", "webhook": {
                    "clientConfig": {"service": {"name": "n", "namespace": "s"}, "caBundle": "Yg=="},
                    "conversionReviewVersions": ["v1"],
                }},
                "scope": "Cluster",
                "versions": [{"name": "v1", "served": true, "storage": true}],
            },
        });
        let text = stored(&v1);
        assert!(
            text.contains(
                r#""conversion":{"strategy":"Webhook","webhookClientConfig":{"service":{"namespace":"s","name":"n"},"caBundle":"Yg=="},"conversionReviewVersions":["v1"]}"#
            ),
            "{text}"
        );
        assert_eq!(served(&serde_json::from_str(&text).unwrap()), v1);
    }

    #[test]
    fn an_old_definition_gets_its_defaults() {
        assert_eq!(
            served(&json!({
                "apiVersion": V1BETA1,
                "metadata": {},
                "spec": {"version": "v1", "additionalPrinterColumns": [{"name": "A", "type": "date", "JSONPath": ".a"}]},
            })),
            json!({
                "apiVersion": V1,
                "metadata": {},
                "spec": {
                    "conversion": {"strategy": "None"},
                    "preserveUnknownFields": true,
                    "scope": "Namespaced",
                    "versions": [{"name": "v1", "served": true, "storage": true, "additionalPrinterColumns": [{"name": "A", "type": "date", "jsonPath": ".a"}]}],
                },
            })
        );
    }

    #[test]
    fn what_is_no_definition_is_refused_with_the_reason() {
        for (bytes, reason) in [
            ("", "the definition is not JSON"),
            ("[]", "the definition is not JSON"),
            ("{}", "the definition has no apiVersion"),
            (
                r#"{"apiVersion":"v2"}"#,
                "the definition has apiVersion `v2`, expected `apiextensions.k8s.io/v1` or `apiextensions.k8s.io/v1beta1`",
            ),
            (r#"{"apiVersion":"apiextensions.k8s.io/v1"}"#, "the definition has no metadata"),
            (
                r#"{"apiVersion":"apiextensions.k8s.io/v1","metadata":{}}"#,
                "the definition has no spec",
            ),
            (
                r#"{"apiVersion":"apiextensions.k8s.io/v1","metadata":{},"spec":{"versions":[]}}"#,
                "the definition has no versions",
            ),
            (
                r#"{"apiVersion":"apiextensions.k8s.io/v1","metadata":{},"spec":{"versions":[{}]}}"#,
                "the definition has no version name",
            ),
        ] {
            assert_eq!(to_stored(bytes.as_bytes()).unwrap_err().to_string(), reason, "{bytes}");
        }
        assert!(
            from_stored(
                br#"{"apiVersion":"apiextensions.k8s.io/v1beta1","spec":{"validation":{}}}"#
            )
            .is_err()
        );
    }
}
