//! The definition of a type, as an object.

use serde_json::{Map, Value, json};

use crate::model::json::tree;
use crate::model::{Column, ResourceType, Version};

/// The annotation that types in protected groups must carry.
const APPROVAL_ANNOTATION: &str = "api-approved.kubernetes.io";

/// The part of a definition that does not follow from its type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Birth<'a> {
    /// The object's uid.
    pub uid: &'a str,
    /// When it was made, as RFC 3339 in whole seconds of UTC.
    pub created: &'a str,
    /// How many times its spec changed, counting from 1.
    pub generation: i64,
}

/// The definition of `it` in `apiextensions.k8s.io/v1`: canonical JSON without a newline.
///
/// It is established, has no schema and no `resourceVersion`; the annotations that
/// tell shard and cluster are the reader's business.
pub fn definition(it: &ResourceType, birth: Birth<'_>) -> Vec<u8> {
    let names = names(it);
    let annotations: Map<String, Value> =
        it.annotations.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    // The oldest version comes first, as in the definitions that kcp ships.
    let versions: Vec<Value> = it.versions.iter().rev().map(|v| version(it, v)).collect();
    tree::to_vec(&json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "annotations": annotations,
            "creationTimestamp": birth.created,
            "generation": birth.generation,
            "name": it.qualified_name(),
            "uid": birth.uid,
        },
        "spec": {
            "conversion": {"strategy": "None"},
            "group": it.group,
            "names": names,
            "scope": if it.namespaced { "Namespaced" } else { "Cluster" },
            "versions": versions,
        },
        "status": {
            "acceptedNames": names,
            "conditions": conditions(it, birth.created),
            "storedVersions": [it.storage_version],
        },
    }))
}

fn names(it: &ResourceType) -> Value {
    let mut names = json!({
        "kind": it.kind,
        "listKind": it.list_kind,
        "plural": it.resource,
        "singular": it.singular,
    });
    if !it.categories.is_empty() {
        names["categories"] = json!(it.categories);
    }
    if !it.short_names.is_empty() {
        names["shortNames"] = json!(it.short_names);
    }
    names
}

fn version(it: &ResourceType, version: &Version) -> Value {
    let mut content = json!({
        "name": version.name,
        "schema": {
            "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        },
        "served": true,
        "storage": version.name == it.storage_version,
    });
    if !version.columns.is_empty() {
        content["additionalPrinterColumns"] = version.columns.iter().map(column).collect();
    }
    content
}

fn column(it: &Column) -> Value {
    let mut content = json!({"jsonPath": it.json_path, "name": it.name, "type": it.kind.as_str()});
    if !it.description.is_empty() {
        content["description"] = json!(it.description);
    }
    if it.priority != 0 {
        content["priority"] = json!(it.priority);
    }
    content
}

fn conditions(it: &ResourceType, since: &str) -> Value {
    let condition = |name: &str, reason: &str, message: String| {
        json!({
            "lastTransitionTime": since,
            "message": message,
            "reason": reason,
            "status": "True",
            "type": name,
        })
    };
    let mut conditions = vec![
        condition("NamesAccepted", "NoConflicts", "no conflicts found".to_owned()),
        condition(
            "Established",
            "InitialNamesAccepted",
            "the initial names have been accepted".to_owned(),
        ),
    ];
    let approval = it.annotations.iter().find(|(key, _)| key == APPROVAL_ANNOTATION);
    if let (true, Some((_, link))) = (is_protected(&it.group), approval) {
        let name = "KubernetesAPIApprovalPolicyConformant";
        conditions.insert(0, condition(name, "ApprovedAnnotation", format!("approved in {link}")));
    }
    Value::Array(conditions)
}

/// Whether `group` belongs to the Kubernetes community.
fn is_protected(group: &str) -> bool {
    [".k8s.io", ".kubernetes.io"].iter().any(|it| group.ends_with(it))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::builtin;
    use crate::model::json::scan;

    const BIRTH: Birth<'static> = Birth {
        uid: "2cdc7309-1f1e-4dc7-9be3-c6dbb3f2edb0",
        created: "2026-01-31T12:00:00Z",
        generation: 1,
    };

    #[test]
    fn the_definition_of_a_type_with_two_versions() {
        let exports = builtin::find("apis.kcp.io", "apiexports").unwrap();
        assert_eq!(
            String::from_utf8(definition(exports, BIRTH)).unwrap(),
            concat!(
                r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","#,
                r#""metadata":{"annotations":{"controller-gen.kubebuilder.io/version":"v0.17.3"},"creationTimestamp":"2026-01-31T12:00:00Z","generation":1,"name":"apiexports.apis.kcp.io","uid":"2cdc7309-1f1e-4dc7-9be3-c6dbb3f2edb0"},"#,
                r#""spec":{"conversion":{"strategy":"None"},"group":"apis.kcp.io","names":{"categories":["kcp"],"kind":"APIExport","listKind":"APIExportList","plural":"apiexports","singular":"apiexport"},"scope":"Cluster","versions":["#,
                r#"{"additionalPrinterColumns":[{"jsonPath":".metadata.creationTimestamp","name":"Age","type":"date"},{"jsonPath":".status.conditions[?(@.type==\"VirtualWorkspaceURLsReady\")].status","name":"Ready","type":"string"}],"name":"v1alpha1","schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}},"served":true,"storage":false},"#,
                r#"{"additionalPrinterColumns":[{"jsonPath":".metadata.creationTimestamp","name":"Age","type":"date"}],"name":"v1alpha2","schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}},"served":true,"storage":true}]},"#,
                r#""status":{"acceptedNames":{"categories":["kcp"],"kind":"APIExport","listKind":"APIExportList","plural":"apiexports","singular":"apiexport"},"conditions":["#,
                r#"{"lastTransitionTime":"2026-01-31T12:00:00Z","message":"no conflicts found","reason":"NoConflicts","status":"True","type":"NamesAccepted"},"#,
                r#"{"lastTransitionTime":"2026-01-31T12:00:00Z","message":"the initial names have been accepted","reason":"InitialNamesAccepted","status":"True","type":"Established"}],"#,
                r#""storedVersions":["v1alpha2"]}}"#,
            )
        );
    }

    #[test]
    fn a_type_of_a_protected_group_is_approved() {
        let roles = builtin::find("rbac.authorization.k8s.io", "roles").unwrap();
        let content: Value = serde_json::from_slice(&definition(roles, BIRTH)).unwrap();
        assert_eq!(
            content["status"]["conditions"][0],
            json!({
                "type": "KubernetesAPIApprovalPolicyConformant",
                "status": "True",
                "lastTransitionTime": "2026-01-31T12:00:00Z",
                "reason": "ApprovedAnnotation",
                "message": "approved in https://github.com/kcp-dev/kubernetes/pull/4",
            })
        );
        assert_eq!(content["spec"]["scope"], "Namespaced");
        assert_eq!(content["spec"]["versions"][0].get("additionalPrinterColumns"), None);
    }

    #[test]
    fn every_definition_is_canonical() {
        for it in builtin::types() {
            assert!(scan::scan(&definition(it, BIRTH)).is_ok(), "{}", it.kind);
        }
    }
}
