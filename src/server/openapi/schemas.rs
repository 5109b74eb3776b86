//! The schemas of a type's objects, and of what all types have in common.

use serde_json::{Map, Value, json};

use crate::model::ResourceType;

pub(super) const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
pub(super) const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
pub(super) const PATCH: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";
const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
const OWNER_REFERENCE: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference";

/// A reference to the schema called `name`.
pub(super) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// The name of the schema of one object: the group's words reversed, version, kind.
pub(super) fn name(it: &ResourceType, version: &str) -> String {
    if it.group.is_empty() {
        return format!("io.k8s.api.core.{version}.{}", it.kind);
    }
    let words: Vec<&str> = it.group.rsplit('.').collect();
    format!("{}.{version}.{}", words.join("."), it.kind)
}

/// The name of the schema of a list.
pub(super) fn list_name(it: &ResourceType, version: &str) -> String {
    let name = name(it, version);
    format!("{}{}", &name[..name.len() - it.kind.len()], it.list_kind)
}

/// Group, version and kind, as extensions write them.
pub(super) fn kind(it: &ResourceType, version: &str) -> Value {
    json!({"group": it.group, "version": version, "kind": it.kind})
}

/// The schemas of one type.
pub(super) fn of_type(it: &ResourceType, version: &str) -> Map<String, Value> {
    let mut object = json!({
        "description": format!(
            "{} This server knows no schema for it: every further field is kept as it was sent.",
            it.description
        ),
        "type": "object",
        "properties": {
            "apiVersion": api_version(),
            "kind": text("What the object is."),
            "metadata": part("Name, labels and what else all objects have.", OBJECT_META),
        },
        "x-kubernetes-preserve-unknown-fields": true,
        "x-kubernetes-group-version-kind": [kind(it, version)],
    });
    if let Some(schema) = it.version(version).and_then(|it| it.schema.as_deref()) {
        object = schema.clone();
        object["description"] = it.description.clone().into();
        object["properties"]["apiVersion"] = api_version();
        object["properties"]["kind"] = text("What the object is.");
        object["properties"]["metadata"] =
            part("Name, labels and what else all objects have.", OBJECT_META);
        object["x-kubernetes-group-version-kind"] = json!([kind(it, version)]);
    }
    let list = json!({
        "description": format!("Objects of kind {}.", it.kind),
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": api_version(),
            "kind": text("What the list holds."),
            "metadata": part("The state that the list shows, and where the next page begins.", LIST_META),
            "items": {
                "description": "The objects.",
                "type": "array",
                "items": reference(&name(it, version)),
            },
        },
        "x-kubernetes-group-version-kind":
            [{"group": it.group, "version": version, "kind": it.list_kind}],
    });
    Map::from_iter([(name(it, version), object), (list_name(it, version), list)])
}

/// The schemas that every document has.
pub(super) fn common() -> Map<String, Value> {
    Map::from_iter([
        (OBJECT_META.to_owned(), object_meta()),
        (OWNER_REFERENCE.to_owned(), owner_reference()),
        (LIST_META.to_owned(), list_meta()),
        (STATUS.to_owned(), status()),
        (DELETE_OPTIONS.to_owned(), delete_options()),
        (
            PATCH.to_owned(),
            json!({"description": "A change, in the form that its media type names.", "type": "object"}),
        ),
    ])
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

fn number(description: &str) -> Value {
    json!({"type": "integer", "format": "int64", "description": description})
}

fn time(description: &str) -> Value {
    json!({"type": "string", "format": "date-time", "description": description})
}

fn texts(description: &str) -> Value {
    json!({"type": "array", "description": description, "items": {"type": "string"}})
}

fn map(description: &str) -> Value {
    json!({
        "type": "object",
        "description": description,
        "additionalProperties": {"type": "string"},
    })
}

/// A described reference: a bare one can carry no description.
fn part(description: &str, name: &str) -> Value {
    json!({"description": description, "default": {}, "allOf": [reference(name)]})
}

fn api_version() -> Value {
    text("Group and version of this form of the object.")
}

fn object_meta() -> Value {
    json!({
        "description": "What all objects have.",
        "type": "object",
        "properties": {
            "annotations": map("Notes of programs. No selector sees them."),
            "creationTimestamp": time("When the object was made."),
            "deletionGracePeriodSeconds": number("How long after the request the object may stay."),
            "deletionTimestamp": time("When the object was asked to go, if it was."),
            "finalizers": texts("Who must do something before the object may go."),
            "generateName": text("The beginning of a name that the server shall make up."),
            "generation": number("How many times what is wanted has changed."),
            "labels": map("Words to select the object by."),
            "managedFields": {
                "description": "Who set which fields.",
                "type": "array",
                "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            },
            "name": text("The name, unique among objects of this kind where the object lives."),
            "namespace": text("The namespace that the object lives in, if its kind has them."),
            "ownerReferences": {
                "description": "The objects without which this one has no purpose.",
                "type": "array",
                "items": reference(OWNER_REFERENCE),
            },
            "resourceVersion": text("The state of the object. Send it back with a change to be sure that no other is lost."),
            "uid": text("Tells the object from all others, also from earlier ones of its name."),
        },
    })
}

fn owner_reference() -> Value {
    json!({
        "description": "An object without which another has no purpose.",
        "type": "object",
        "required": ["apiVersion", "kind", "name", "uid"],
        "properties": {
            "apiVersion": text("Its group and version."),
            "blockOwnerDeletion": {"type": "boolean", "description": "Whether it must wait for this object to go first."},
            "controller": {"type": "boolean", "description": "Whether it is the one that takes care of this object."},
            "kind": text("Its kind."),
            "name": text("Its name."),
            "uid": text("Its uid."),
        },
    })
}

fn list_meta() -> Value {
    json!({
        "description": "What all lists have.",
        "type": "object",
        "properties": {
            "continue": text("Ask with this for the next page. Empty on the last."),
            "remainingItemCount": number("How many objects the later pages hold."),
            "resourceVersion": text("The state that the list shows. A watch from here misses nothing."),
        },
    })
}

fn status() -> Value {
    json!({
        "description": "How a request went.",
        "type": "object",
        "properties": {
            "apiVersion": api_version(),
            "code": {"type": "integer", "format": "int32", "description": "The HTTP status."},
            "details": {"type": "object", "description": "What it is about.", "x-kubernetes-preserve-unknown-fields": true},
            "kind": text("Always `Status`."),
            "message": text("What happened, for people."),
            "metadata": part("Empty here.", LIST_META),
            "reason": text("What happened, in a word for programs."),
            "status": text("`Success` or `Failure`."),
        },
        "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "Status"}],
    })
}

fn delete_options() -> Value {
    json!({
        "description": "How to delete.",
        "type": "object",
        "properties": {
            "apiVersion": api_version(),
            "dryRun": texts("`All` does everything but the deleting."),
            "gracePeriodSeconds": number("How long to wait before the object goes."),
            "kind": text("Always `DeleteOptions`."),
            "preconditions": {
                "description": "Delete only what is as expected.",
                "type": "object",
                "properties": {
                    "resourceVersion": text("The state that the object must be in."),
                    "uid": text("The uid that the object must have."),
                },
            },
            "propagationPolicy": text("What happens to dependents: `Orphan`, `Background` or `Foreground`."),
        },
        "x-kubernetes-group-version-kind":
            [{"group": "", "version": "v1", "kind": "DeleteOptions"}],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::builtin;

    #[test]
    fn schemas_are_named_as_clients_expect() {
        let exports = builtin::find("apis.kcp.io", "apiexports").unwrap();
        assert_eq!(name(exports, "v1alpha2"), "io.kcp.apis.v1alpha2.APIExport");
        assert_eq!(list_name(exports, "v1alpha2"), "io.kcp.apis.v1alpha2.APIExportList");
    }

    #[test]
    fn an_object_keeps_fields_that_the_schema_does_not_name() {
        let shards = builtin::find("core.kcp.io", "shards").unwrap();
        let schemas = of_type(shards, "v1alpha1");
        let shard = &schemas["io.kcp.core.v1alpha1.Shard"];
        assert_eq!(shard["x-kubernetes-preserve-unknown-fields"], true);
        assert_eq!(
            shard["description"],
            "A kcp process that holds logical clusters. This server knows no schema for it: every further field is kept as it was sent."
        );
    }
}
