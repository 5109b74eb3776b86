//! The schemas of the kinds that are not the operator's: Kubernetes' own, and cert-manager's.
//!
//! Those of Kubernetes are made from its types. These do not say by which keys the items of a list
//! are told apart, without which server-side apply would replace whole lists.

use kube::core::schema::StructuralSchemaRewriter;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::crd::{foreign, properties};

/// The schema of a type of Kubernetes' own, as a definition of it would have it.
pub fn kubernetes_schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3().with(|it| {
        it.inline_subschemas = true;
        it.meta_schema = None;
    });
    let generator = settings.with_transform(StructuralSchemaRewriter).into_generator();
    let mut schema =
        serde_json::to_value(generator.into_root_schema_for::<T>()).unwrap_or_default();
    foreign(&mut schema, "", true);
    merged(&mut schema, "");
    if let Some(map) = schema.as_object_mut() {
        map.remove("required");
        map.remove("title");
    }
    schema["properties"]["metadata"] = json!({ "type": "object" });
    schema
}

/// The lists whose items are told apart, by the field that they stand in and one that items have.
const KEYED: [(&str, &str, &[&str]); 15] = [
    ("conditions", "type", &["type"]),
    ("containers", "image", &["name"]),
    ("initContainers", "image", &["name"]),
    ("ephemeralContainers", "image", &["name"]),
    ("env", "valueFrom", &["name"]),
    ("hostAliases", "ip", &["ip"]),
    ("imagePullSecrets", "name", &["name"]),
    ("ownerReferences", "uid", &["uid"]),
    ("ports", "containerPort", &["containerPort", "protocol"]),
    ("ports", "targetPort", &["port", "protocol"]),
    ("resourceClaims", "name", &["name"]),
    ("topologySpreadConstraints", "topologyKey", &["topologyKey", "whenUnsatisfiable"]),
    ("volumeDevices", "devicePath", &["devicePath"]),
    ("volumeMounts", "mountPath", &["mountPath"]),
    ("volumes", "emptyDir", &["name"]),
];

/// Says of the lists and maps in a type of Kubernetes how they are merged.
fn merged(schema: &mut Value, name: &str) {
    let items = &schema["items"]["properties"];
    let keyed = KEYED.iter().find(|it| it.0 == name && items.get(it.1).is_some());
    if let Some((.., keys)) = keyed {
        schema["x-kubernetes-list-type"] = "map".into();
        schema["x-kubernetes-list-map-keys"] = json!(keys);
        if keys.contains(&"protocol") {
            schema["items"]["properties"]["protocol"]["default"] = "TCP".into();
        }
    }
    match name {
        "finalizers" if schema["items"]["type"] == "string" => {
            schema["x-kubernetes-list-type"] = "set".into();
        }
        "nodeSelector" | "involvedObject" | "related" => {
            schema["x-kubernetes-map-type"] = "atomic".into();
        }
        _ => {}
    }
    for (name, schema) in properties(schema) {
        merged(schema, name);
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get_mut(inner).filter(|it| it.is_object()) {
            merged(inner, "");
        }
    }
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn texts() -> Value {
    json!({ "type": "array", "items": text() })
}

fn texts_by_name() -> Value {
    json!({ "type": "object", "additionalProperties": text() })
}

fn number() -> Value {
    json!({ "type": "integer" })
}

fn flag() -> Value {
    json!({ "type": "boolean" })
}

fn object(fields: &Value) -> Value {
    json!({ "type": "object", "properties": fields })
}

fn anything() -> Value {
    json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

fn with_status(spec: &Value, mut status: Value) -> Value {
    status["conditions"] = json!({
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": object(&json!({
            "type": text(), "status": text(), "reason": text(), "message": text(),
            "observedGeneration": number(), "lastTransitionTime": time(),
        })),
    });
    object(&json!({
        "apiVersion": text(), "kind": text(), "metadata": { "type": "object" },
        "spec": object(spec), "status": object(&status),
    }))
}

fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

/// The schema of cert-manager's `Certificate`.
pub fn certificate_schema() -> Value {
    let spec = json!({
        "additionalOutputFormats": {
            "type": "array", "items": object(&json!({ "type": text() })),
        },
        "commonName": text(),
        "dnsNames": texts(),
        "duration": text(),
        "emailAddresses": texts(),
        "encodeUsagesInRequest": flag(),
        "ipAddresses": texts(),
        "isCA": flag(),
        "issuerRef": object(&json!({ "group": text(), "kind": text(), "name": text() })),
        "keystores": anything(),
        "literalSubject": text(),
        "nameConstraints": anything(),
        "otherNames": {
            "type": "array", "items": object(&json!({ "oid": text(), "utf8Value": text() })),
        },
        "privateKey": object(&json!({
            "algorithm": text(), "encoding": text(), "rotationPolicy": text(), "size": number(),
        })),
        "renewBefore": text(),
        "renewBeforePercentage": number(),
        "revisionHistoryLimit": number(),
        "secretName": text(),
        "secretTemplate": object(&json!({
            "annotations": texts_by_name(), "labels": texts_by_name(),
        })),
        "signatureAlgorithm": text(),
        "subject": object(&json!({
            "countries": texts(), "localities": texts(), "organizationalUnits": texts(),
            "organizations": texts(), "postalCodes": texts(), "provinces": texts(),
            "serialNumber": text(), "streetAddresses": texts(),
        })),
        "uris": texts(),
        "usages": texts(),
    });
    let status = json!({
        "failedIssuanceAttempts": number(),
        "lastFailureTime": time(),
        "nextPrivateKeySecretName": text(),
        "notAfter": time(),
        "notBefore": time(),
        "renewalTime": time(),
        "revision": number(),
    });
    with_status(&spec, status)
}

/// The schema of cert-manager's `Issuer` and `ClusterIssuer`.
pub fn issuer_schema() -> Value {
    let spec = json!({
        "acme": anything(),
        "ca": object(&json!({
            "crlDistributionPoints": texts(), "issuingCertificateURLs": texts(),
            "ocspServers": texts(), "secretName": text(),
        })),
        "selfSigned": object(&json!({ "crlDistributionPoints": texts() })),
        "vault": anything(),
        "venafi": anything(),
    });
    with_status(&spec, json!({ "acme": anything() }))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::Deployment;
    use k8s_openapi::api::core::v1::Service;
    use k8s_openapi::api::policy::v1::PodDisruptionBudget;

    use super::*;
    use crate::model::apply::Structure;

    fn lists(schema: &Value, path: &str, found: &mut Vec<(String, Value)>) {
        if schema["x-kubernetes-list-type"] == "map" {
            found.push((path.to_owned(), schema["x-kubernetes-list-map-keys"].clone()));
        }
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            lists(schema, &format!("{path}.{name}"), found);
        }
        if let Some(items) = schema.get("items") {
            lists(items, &format!("{path}[]"), found);
        }
    }

    #[test]
    fn lists_of_kubernetes_kinds_have_the_keys_that_kubernetes_gives_them() {
        let mut found = Vec::new();
        for schema in [
            kubernetes_schema::<Service>(),
            kubernetes_schema::<PodDisruptionBudget>(),
            kubernetes_schema::<Deployment>(),
        ] {
            Structure::from_schema(&schema).unwrap();
            lists(&schema, "", &mut found);
        }
        let of = |path: &str| found.iter().find(|it| it.0 == path).map(|it| it.1.clone());
        let pod = ".spec.template.spec";
        for (path, keys) in [
            (".spec.ports".to_owned(), json!(["port", "protocol"])),
            (".status.conditions".to_owned(), json!(["type"])),
            (format!("{pod}.containers"), json!(["name"])),
            (format!("{pod}.containers[].env"), json!(["name"])),
            (format!("{pod}.containers[].ports"), json!(["containerPort", "protocol"])),
            (format!("{pod}.containers[].volumeMounts"), json!(["mountPath"])),
            (format!("{pod}.volumes"), json!(["name"])),
            (format!("{pod}.imagePullSecrets"), json!(["name"])),
            (
                format!("{pod}.topologySpreadConstraints"),
                json!(["topologyKey", "whenUnsatisfiable"]),
            ),
            (".spec.template.metadata.ownerReferences".to_owned(), json!(["uid"])),
        ] {
            assert_eq!(of(&path), Some(keys), "{path}");
        }
        for path in [".status.loadBalancer.ingress", ".spec.template.spec.tolerations"] {
            assert_eq!(of(path), None, "{path}");
        }
    }

    #[test]
    fn schemas_of_cert_manager_say_how_lists_are_merged() {
        for schema in [certificate_schema(), issuer_schema()] {
            Structure::from_schema(&schema).unwrap();
            let mut found = Vec::new();
            lists(&schema, "", &mut found);
            assert_eq!(found, [(".status.conditions".to_owned(), json!(["type"]))]);
        }
    }
}
