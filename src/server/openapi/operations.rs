//! The paths of a type, and what can be done at each.

use serde_json::{Map, Value, json};

use super::schemas::{self, DELETE_OPTIONS, PATCH, STATUS, reference};
use crate::model::{Access, ResourceType};

/// One thing that can be done at a path.
struct Operation {
    method: &'static str,
    /// Also begins the operation's id.
    action: &'static str,
    summary: &'static str,
    query: &'static [Parameter],
    sends: Body,
    receives: Body,
    /// Beside 200, where the object may be made.
    creates: bool,
}

/// Name, type and meaning of a query parameter.
type Parameter = (&'static str, &'static str, &'static str);

#[derive(Clone, Copy)]
enum Body {
    Nothing,
    Object,
    List,
    Patch,
    DeleteOptions,
    Status,
}

const DRY_RUN: Parameter = ("dryRun", "string", "`All` does everything but the storing");
const FIELD_MANAGER: Parameter = ("fieldManager", "string", "Who makes the change");
const FIELD_VALIDATION: Parameter = (
    "fieldValidation",
    "string",
    "What to do about unknown and duplicate fields: `Ignore`, `Warn` or `Strict`",
);
const WRITE: &[Parameter] = &[DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION];
const PATCH_QUERY: &[Parameter] = &[
    DRY_RUN,
    FIELD_MANAGER,
    FIELD_VALIDATION,
    ("force", "boolean", "Take fields of others, by server-side apply"),
];
const DELETE: &[Parameter] = &[
    DRY_RUN,
    ("gracePeriodSeconds", "integer", "How long to wait before the object goes"),
    ("propagationPolicy", "string", "What happens to dependents"),
];
const LIST: &[Parameter] = &[
    ("allowWatchBookmarks", "boolean", "Send bookmarks with the events of a watch"),
    ("continue", "string", "Where the page before ended"),
    ("fieldSelector", "string", "Only objects with these fields"),
    ("labelSelector", "string", "Only objects with these labels"),
    ("limit", "integer", "How many objects a page may have"),
    ("resourceVersion", "string", "The state to read, or to watch from"),
    ("resourceVersionMatch", "string", "How `resourceVersion` is meant: `Exact` or `NotOlderThan`"),
    ("sendInitialEvents", "boolean", "Begin a watch with what is there already"),
    ("timeoutSeconds", "integer", "How long the call may last"),
    ("watch", "boolean", "Send changes as they happen rather than a list"),
];

#[rustfmt::skip] // one operation a line reads as the table that it is
const COLLECTION: &[Operation] = &[
    Operation { method: "get", action: "list", summary: "List or watch", query: LIST, sends: Body::Nothing, receives: Body::List, creates: false },
    Operation { method: "post", action: "post", summary: "Create", query: WRITE, sends: Body::Object, receives: Body::Object, creates: true },
    Operation { method: "delete", action: "deletecollection", summary: "Delete all of", query: LIST, sends: Body::DeleteOptions, receives: Body::Status, creates: false },
];
#[rustfmt::skip]
const ITEM: &[Operation] = &[
    Operation { method: "get", action: "get", summary: "Read one of", query: &[], sends: Body::Nothing, receives: Body::Object, creates: false },
    Operation { method: "put", action: "put", summary: "Replace one of", query: WRITE, sends: Body::Object, receives: Body::Object, creates: true },
    Operation { method: "patch", action: "patch", summary: "Change fields of one of", query: PATCH_QUERY, sends: Body::Patch, receives: Body::Object, creates: true },
    Operation { method: "delete", action: "delete", summary: "Delete one of", query: DELETE, sends: Body::DeleteOptions, receives: Body::Status, creates: false },
];

/// The paths of `it` in `version` below `root`, such as `/apis/apis.kcp.io/v1alpha1`.
pub(super) fn paths(it: &ResourceType, version: &str, root: &str) -> Map<String, Value> {
    let resource = &it.resource;
    let mut paths = Map::new();
    let mut add = |path: String, operations: &[Operation], scope: &str, names: &[&str]| {
        paths.insert(path, path_item(it, version, operations, scope, names));
    };
    if it.namespaced {
        let inside = format!("{root}/namespaces/{{namespace}}/{resource}");
        add(format!("{root}/{resource}"), &COLLECTION[..1], "ForAllNamespaces", &[]);
        add(inside.clone(), COLLECTION, "Namespaced", &["namespace"]);
        add(format!("{inside}/{{name}}"), ITEM, "Namespaced", &["name", "namespace"]);
    } else {
        add(format!("{root}/{resource}"), COLLECTION, "", &[]);
        add(format!("{root}/{resource}/{{name}}"), ITEM, "", &["name"]);
    }
    paths
}

fn path_item(
    it: &ResourceType,
    version: &str,
    operations: &[Operation],
    scope: &str,
    names: &[&str],
) -> Value {
    let parameters: Vec<Value> = names
        .iter()
        .map(|name| {
            json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})
        })
        .collect();
    let mut item = Map::new();
    item.insert("parameters".to_owned(), Value::Array(parameters));
    for operation in operations {
        let mut content = operation_content(it, version, operation, scope);
        // What is refused is told too: `kubectl` writes only where it finds an operation, and
        // the server's refusal says more than that there is none.
        if it.access == Access::ReadOnly && operation.method != "get" {
            let refused = response(it, version, Body::Status);
            content["responses"] = json!({ "405": refused });
            content["responses"]["405"]["description"] =
                json!("Refused: the server makes these objects itself");
        }
        item.insert(operation.method.to_owned(), content);
    }
    Value::Object(item)
}

fn operation_content(it: &ResourceType, version: &str, op: &Operation, scope: &str) -> Value {
    let parameters: Vec<Value> = op
        .query
        .iter()
        .map(|(name, kind, meaning)| {
            json!({"name": name, "in": "query", "description": meaning, "schema": {"type": kind}})
        })
        .collect();
    let short_group = it.group.split('.').next().filter(|it| !it.is_empty()).unwrap_or("core");
    let group: String = it.group.split(['.', '-']).map(capitalized).collect();
    let mut content = json!({
        "tags": [format!("{short_group}_{version}")],
        "description": format!("{} {}", op.summary, it.resource),
        "operationId": format!("{}{group}{}{scope}{}", op.action, capitalized(version), it.kind),
        "parameters": parameters,
        "responses": {"200": response(it, version, op.receives)},
        "x-kubernetes-action": op.action,
        "x-kubernetes-group-version-kind": schemas::kind(it, version),
    });
    if op.creates {
        content["responses"]["201"] = response(it, version, op.receives);
    }
    if let Some(body) = request_body(it, version, op.sends) {
        content["requestBody"] = body;
    }
    content
}

fn schema(it: &ResourceType, version: &str, body: Body) -> Option<Value> {
    let name = match body {
        Body::Nothing => return None,
        Body::Object => schemas::name(it, version),
        Body::List => schemas::list_name(it, version),
        Body::Patch => PATCH.to_owned(),
        Body::DeleteOptions => DELETE_OPTIONS.to_owned(),
        Body::Status => STATUS.to_owned(),
    };
    Some(reference(&name))
}

fn response(it: &ResourceType, version: &str, body: Body) -> Value {
    let mut content = Map::new();
    if let Some(schema) = schema(it, version, body) {
        content.insert("application/json".to_owned(), json!({ "schema": schema }));
        if matches!(body, Body::List) {
            let events = "application/json;stream=watch".to_owned();
            content.insert(events, json!({ "schema": schema }));
        }
    }
    json!({"description": "OK", "content": content})
}

fn request_body(it: &ResourceType, version: &str, body: Body) -> Option<Value> {
    let schema = schema(it, version, body)?;
    let types: &[&str] = match body {
        // Strategic merge patches are taken too, but `kubectl` would then look here for the
        // merge keys of lists; it knows them better itself.
        Body::Patch => &[
            "application/apply-patch+yaml",
            "application/json-patch+json",
            "application/merge-patch+json",
        ],
        _ => &["application/json"],
    };
    let content: Map<String, Value> =
        types.iter().map(|it| ((*it).to_owned(), json!({ "schema": schema }))).collect();
    let required = matches!(body, Body::Object | Body::Patch);
    Some(json!({"content": content, "required": required}))
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::model::builtin;

    #[test]
    fn a_namespaced_type_has_three_paths() {
        let roles = builtin::find("rbac.authorization.k8s.io", "roles").unwrap();
        let paths = paths(roles, "v1", "/apis/rbac.authorization.k8s.io/v1");
        let methods: Vec<(&str, Vec<&str>)> = paths
            .iter()
            .map(|(path, item)| {
                let keys = item.as_object().unwrap().keys().map(String::as_str);
                (path.as_str(), keys.filter(|it| *it != "parameters").collect())
            })
            .collect();
        assert_eq!(
            methods,
            [
                (
                    "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles",
                    vec!["delete", "get", "post"]
                ),
                (
                    "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles/{name}",
                    vec!["delete", "get", "patch", "put"]
                ),
                ("/apis/rbac.authorization.k8s.io/v1/roles", vec!["get"]),
            ]
        );
    }

    #[test]
    fn one_operation_in_full() {
        let exports = builtin::find("apis.kcp.io", "apiexports").unwrap();
        let paths = paths(exports, "v1alpha2", "/apis/apis.kcp.io/v1alpha2");
        assert_eq!(
            paths["/apis/apis.kcp.io/v1alpha2/apiexports"]["post"],
            json!({
                "tags": ["apis_v1alpha2"],
                "description": "Create apiexports",
                "operationId": "postApisKcpIoV1alpha2APIExport",
                "parameters": [
                    {"name": "dryRun", "in": "query", "description": DRY_RUN.2, "schema": {"type": "string"}},
                    {"name": "fieldManager", "in": "query", "description": FIELD_MANAGER.2, "schema": {"type": "string"}},
                    {"name": "fieldValidation", "in": "query", "description": FIELD_VALIDATION.2, "schema": {"type": "string"}},
                ],
                "requestBody": {
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/io.kcp.apis.v1alpha2.APIExport"}}},
                    "required": true,
                },
                "responses": {
                    "200": {"description": "OK", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/io.kcp.apis.v1alpha2.APIExport"}}}},
                    "201": {"description": "OK", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/io.kcp.apis.v1alpha2.APIExport"}}}},
                },
                "x-kubernetes-action": "post",
                "x-kubernetes-group-version-kind": {"group": "apis.kcp.io", "kind": "APIExport", "version": "v1alpha2"},
            })
        );
    }

    #[test]
    fn no_two_operations_share_an_id() {
        let mut seen = HashSet::new();
        for it in builtin::types() {
            for version in &it.versions {
                for item in paths(it, &version.name, "").values() {
                    for operation in item.as_object().unwrap().values() {
                        if let Some(id) = operation.get("operationId") {
                            assert!(seen.insert(id.to_string()), "{id}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn writes_to_definitions_are_refused() {
        for item in paths(builtin::definition_type(), "v1", "").values() {
            for (method, operation) in item.as_object().unwrap() {
                if method == "parameters" {
                    continue;
                }
                let codes: Vec<_> = operation["responses"].as_object().unwrap().keys().collect();
                assert_eq!(codes, [if method == "get" { "200" } else { "405" }], "{method}");
            }
        }
    }
}
