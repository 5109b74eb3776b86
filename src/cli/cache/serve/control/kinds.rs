//! The types of the control plane: the operator's kinds, and those that an installation is made of.

use std::sync::Arc;

use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::api::coordination::v1 as coordination;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::policy::v1 as policy;
use serde_json::{Map, Value, json};

use self::ColumnKind::{Count, Date, Integer, Pair, String as Text};
use crate::api;
use crate::model::apply::{Flaw, Structure};
use crate::model::fields;
use crate::model::{Access, Column, ColumnKind, NameRule, ResourceType, Version, builtin};
use crate::server::control::Kind;
use crate::server::plan::control::{Check, Rules, Wrong};
use crate::server::status::Problem;

/// A type of Kubernetes or cert-manager.
struct Row {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    resource: &'static str,
    short_names: &'static [&'static str],
    namespaced: bool,
    /// Whether the server numbers what it asks for, and keeps its status apart.
    reconciled: bool,
    columns: &'static [(&'static str, ColumnKind, &'static str)],
    /// Makes the schema.
    schema: fn() -> Value,
    description: &'static str,
}

const READY: (&str, ColumnKind, &str) =
    ("Ready", Text, ".status.conditions[?(@.type==\"Ready\")].status");

const AGE: (&str, ColumnKind, &str) = ("Age", Date, ".metadata.creationTimestamp");

/// What a reader of an object's events narrows them by.
const EVENT_FIELDS: [&str; 7] = [
    "involvedObject.kind",
    "involvedObject.name",
    "involvedObject.namespace",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "reason",
    "type",
];

const ROWS: [Row; 11] = [
    Row {
        group: "",
        version: "v1",
        kind: "Namespace",
        resource: "namespaces",
        short_names: &["ns"],
        namespaced: false,
        reconciled: false,
        columns: &[("Status", Text, ".status.phase"), AGE],
        schema: api::kubernetes_schema::<core::Namespace>,
        description: "A place for the objects of one installation.",
    },
    Row {
        group: "",
        version: "v1",
        kind: "Secret",
        resource: "secrets",
        short_names: &[],
        namespaced: true,
        reconciled: false,
        columns: &[("Type", Text, ".type"), ("Data", Count, ".data"), AGE],
        schema: api::kubernetes_schema::<core::Secret>,
        description: "Keys, certificates and kubeconfigs.",
    },
    Row {
        group: "",
        version: "v1",
        kind: "ConfigMap",
        resource: "configmaps",
        short_names: &["cm"],
        namespaced: true,
        reconciled: false,
        columns: &[("Data", Count, ".data"), AGE],
        schema: api::kubernetes_schema::<core::ConfigMap>,
        description: "Files that servers read.",
    },
    Row {
        group: "",
        version: "v1",
        kind: "Service",
        resource: "services",
        short_names: &["svc"],
        namespaced: true,
        reconciled: false,
        columns: &[
            ("Type", Text, ".spec.type"),
            ("Cluster-IP", Text, ".spec.clusterIP"),
            ("Port", Integer, ".spec.ports[0].port"),
            AGE,
        ],
        schema: api::kubernetes_schema::<core::Service>,
        description: "A name under which servers are reached.",
    },
    Row {
        group: "",
        version: "v1",
        kind: "Event",
        resource: "events",
        short_names: &["ev"],
        namespaced: true,
        reconciled: false,
        columns: &[
            ("Last Seen", Date, ".lastTimestamp"),
            ("Type", Text, ".type"),
            ("Reason", Text, ".reason"),
            ("Object", Pair, ".involvedObject.kind/.involvedObject.name"),
            ("Message", Text, ".message"),
        ],
        schema: api::kubernetes_schema::<core::Event>,
        description: "Something that has happened to an object.",
    },
    Row {
        group: "apps",
        version: "v1",
        kind: "Deployment",
        resource: "deployments",
        short_names: &["deploy"],
        namespaced: true,
        reconciled: true,
        columns: &[
            ("Ready", Pair, ".status.readyReplicas/.spec.replicas"),
            ("Up-to-date", Integer, ".status.updatedReplicas"),
            ("Available", Integer, ".status.availableReplicas"),
            AGE,
        ],
        schema: api::kubernetes_schema::<apps::Deployment>,
        description: "Pods of one server. Nothing here runs them.",
    },
    Row {
        group: "policy",
        version: "v1",
        kind: "PodDisruptionBudget",
        resource: "poddisruptionbudgets",
        short_names: &["pdb"],
        namespaced: true,
        reconciled: true,
        columns: &[
            ("Min Available", Text, ".spec.minAvailable"),
            ("Max Unavailable", Text, ".spec.maxUnavailable"),
            AGE,
        ],
        schema: api::kubernetes_schema::<policy::PodDisruptionBudget>,
        description: "How many pods of one server may be away.",
    },
    Row {
        group: api::CERT_MANAGER,
        version: "v1",
        kind: "Issuer",
        resource: "issuers",
        short_names: &[],
        namespaced: true,
        reconciled: true,
        columns: &[READY, AGE],
        schema: api::issuer_schema,
        description: "Who signs certificates of one namespace.",
    },
    Row {
        group: api::CERT_MANAGER,
        version: "v1",
        kind: "ClusterIssuer",
        resource: "clusterissuers",
        short_names: &[],
        namespaced: false,
        reconciled: true,
        columns: &[READY, AGE],
        schema: api::issuer_schema,
        description: "Who signs certificates of all namespaces.",
    },
    Row {
        group: api::CERT_MANAGER,
        version: "v1",
        kind: "Certificate",
        resource: "certificates",
        short_names: &["cert", "certs"],
        namespaced: true,
        reconciled: true,
        columns: &[READY, ("Secret", Text, ".spec.secretName"), AGE],
        schema: api::certificate_schema,
        description: "A certificate that is to be in a Secret.",
    },
    Row {
        group: "coordination.k8s.io",
        version: "v1",
        kind: "Lease",
        resource: "leases",
        short_names: &[],
        namespaced: true,
        reconciled: false,
        columns: &[("Holder", Text, ".spec.holderIdentity"), AGE],
        schema: api::kubernetes_schema::<coordination::Lease>,
        description: "Who of several does the work.",
    },
];

/// All of them.
pub(super) fn kinds() -> Vec<Kind> {
    let definitions = Kind {
        resource: builtin::definition_type().clone(),
        rules: Rules { has_generation: true, ..plain() },
        fields: &[],
    };
    let own = api::Kind::ALL.into_iter().map(own);
    ROWS.iter().map(Row::to_kind).chain(own).chain([definitions]).collect()
}

/// The definitions of the operator's kinds, as an API server that has taken them shows them.
pub(super) fn definitions() -> Vec<Value> {
    let established = |kind: api::Kind| {
        let mut definition = api::crd(kind);
        let condition = |name: &str, reason: &str| json!({ "type": name, "status": "True", "reason": reason, "message": "served" });
        definition["status"] = json!({
            "acceptedNames": definition["spec"]["names"],
            "storedVersions": [definition["spec"]["versions"][0]["name"]],
            "conditions": [
                condition("NamesAccepted", "NoConflicts"),
                condition("Established", "InitialNamesAccepted"),
            ],
        });
        definition
    };
    api::Kind::ALL.into_iter().map(established).collect()
}

/// What a schema says of lists and maps.
fn structure(schema: &Value) -> Structure {
    // One that could not be read would be a mistake of ours; objects are merged field by field then.
    Structure::from_schema(schema).unwrap_or_else(|_| Structure::any_object().clone())
}

/// Finds what has another type than `structure` says.
fn flaws(structure: Structure) -> Check {
    Box::new(move |tree| {
        let path = |it: &Flaw| fields::shown_path(&it.path).trim_start_matches('.').to_owned();
        let wrong = |it: Flaw| Wrong { path: path(&it), message: it.why };
        structure.flaws(tree).into_iter().map(wrong).collect()
    })
}

/// Rules that forbid nothing.
fn plain() -> Rules {
    Rules {
        has_generation: false,
        complete: |_| {},
        check: Box::new(|_| Vec::new()),
        fixed: |_, _| Vec::new(),
        is_container: false,
        structure: Structure::any_object().clone(),
    }
}

fn own(kind: api::Kind) -> Kind {
    let definition = api::crd(kind);
    let names = &definition["spec"]["names"];
    let version = &definition["spec"]["versions"][0];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let texts = |value: &Value| value.as_array().into_iter().flatten().map(text).collect();
    let column = |it: &Value| Column {
        name: text(&it["name"]),
        kind: match it["type"].as_str() {
            Some("date") => ColumnKind::Date,
            Some("integer") => ColumnKind::Integer,
            Some("boolean") => ColumnKind::Boolean,
            _ => ColumnKind::String,
        },
        json_path: text(&it["jsonPath"]),
        description: text(&it["description"]),
        priority: it["priority"].as_i64().and_then(|it| it.try_into().ok()).unwrap_or(0),
    };
    let columns = version["additionalPrinterColumns"].as_array();
    let schema = &version["schema"]["openAPIV3Schema"];
    Kind {
        resource: ResourceType {
            group: text(&definition["spec"]["group"]),
            resource: text(&names["plural"]),
            kind: text(&names["kind"]),
            list_kind: text(&names["listKind"]),
            singular: text(&names["singular"]),
            short_names: texts(&names["shortNames"]),
            namespaced: true,
            name_rule: NameRule::Subdomain,
            categories: texts(&names["categories"]),
            versions: vec![Version {
                name: text(&version["name"]),
                columns: columns.into_iter().flatten().map(column).collect(),
                schema: Some(Arc::new(schema.clone())),
            }],
            storage_version: text(&version["name"]),
            description: text(&schema["description"]),
            annotations: Vec::new(),
            access: Access::ReadWrite,
            has_status: true,
        },
        rules: Rules {
            has_generation: true,
            structure: structure(schema),
            check: Box::new(move |tree| {
                let wrong = |it: api::Violation| Wrong { path: it.path, message: it.message };
                api::violations(kind, tree).into_iter().map(wrong).collect()
            }),
            ..plain()
        },
        fields: &[],
    }
}

impl Row {
    fn to_kind(&self) -> Kind {
        let column = |&(name, kind, path): &(&str, ColumnKind, &str)| Column {
            name: name.to_owned(),
            kind,
            json_path: path.to_owned(),
            description: String::new(),
            priority: 0,
        };
        let complete = match self.kind {
            "Namespace" => namespace,
            "Secret" => secret,
            _ => |_: &mut Value| {},
        };
        let fixed = match self.kind {
            "ConfigMap" => fixed,
            "Secret" => fixed_secret,
            _ => |_: &Value, _: &Value| Vec::new(),
        };
        let schema = (self.schema)();
        let structure = structure(&schema);
        let wrong = flaws(structure.clone());
        let check: Check = match self.kind {
            "Secret" => Box::new(move |tree| {
                let mut all = wrong(tree);
                all.extend(missing_keys(tree));
                all
            }),
            _ => wrong,
        };
        Kind {
            resource: ResourceType {
                group: self.group.to_owned(),
                resource: self.resource.to_owned(),
                kind: self.kind.to_owned(),
                list_kind: format!("{}List", self.kind),
                singular: self.kind.to_lowercase(),
                short_names: self.short_names.iter().map(|&it| it.to_owned()).collect(),
                namespaced: self.namespaced,
                name_rule: NameRule::Subdomain,
                categories: Vec::new(),
                versions: vec![Version {
                    name: self.version.to_owned(),
                    columns: self.columns.iter().map(column).collect(),
                    schema: Some(Arc::new(schema)),
                }],
                storage_version: self.version.to_owned(),
                description: self.description.to_owned(),
                annotations: Vec::new(),
                access: Access::ReadWrite,
                has_status: self.reconciled,
            },
            rules: Rules {
                has_generation: self.reconciled,
                complete,
                check,
                fixed,
                structure,
                is_container: self.kind == "Namespace",
            },
            fields: match self.kind {
                "Event" => &EVENT_FIELDS,
                "Secret" => &["type"],
                "Namespace" => &["status.phase"],
                _ => &[],
            },
        }
    }
}

/// Namespaces say that they are there, and can be selected by their names.
fn namespace(tree: &mut Value) {
    let name = tree["metadata"]["name"].clone();
    if let Some(labels) = members(&mut tree["metadata"], "labels").filter(|_| name.is_string()) {
        labels.insert("kubernetes.io/metadata.name".to_owned(), name);
    }
    if let Some(status) = members(tree, "status") {
        status.entry("phase").or_insert_with(|| "Active".into());
    }
    if let Some(spec) = members(tree, "spec") {
        spec.insert("finalizers".to_owned(), json!(["kubernetes"]));
    }
}

/// What is given as text is kept as data.
fn secret(tree: &mut Value) {
    use base64::prelude::{BASE64_STANDARD, Engine as _};

    let is_text = |it: &Value| {
        it.as_object().is_some_and(|texts| texts.values().all(|it| it.is_string() || it.is_null()))
    };
    // What is no text stays, and is found to be wrong.
    let given = tree
        .as_object_mut()
        .filter(|it| it.get("stringData").is_some_and(|it| it.is_null() || is_text(it)))
        .and_then(|it| it.remove("stringData"));
    for (key, text) in given.iter().filter_map(Value::as_object).flatten() {
        let text = BASE64_STANDARD.encode(text.as_str().unwrap_or_default());
        if let Some(data) = members(tree, "data") {
            data.insert(key.clone(), text.into());
        }
    }
    if tree["type"].is_null() {
        tree["type"] = "Opaque".into();
    }
}

/// What a Secret of a certificate cannot be without.
fn missing_keys(tree: &Value) -> Vec<Wrong> {
    if tree["type"] != "kubernetes.io/tls" {
        return Vec::new();
    }
    let missing = |key: &&str| tree["data"].get(*key).is_none();
    let wrong = |key| Wrong { path: format!("data[{key}]"), message: "is required".to_owned() };
    ["tls.crt", "tls.key"].into_iter().filter(missing).map(wrong).collect()
}

/// What may not change any more in what says of itself that it does not.
fn fixed(before: &Value, after: &Value) -> Vec<Problem> {
    const WHY: &str = "field is immutable when `immutable` is set";

    if before["immutable"] != true {
        return Vec::new();
    }
    let is_empty = |it: &Value| it.as_object().is_none_or(Map::is_empty);
    let same = |name: &str| {
        let (before, after) = (&before[name], &after[name]);
        before == after || is_empty(before) && is_empty(after)
    };
    let mut problems = Vec::new();
    if after["immutable"] != true {
        problems.push(Problem::forbidden("immutable", WHY));
    }
    let changed = ["data", "binaryData"].into_iter().filter(|it| !same(it));
    problems.extend(changed.map(|it| Problem::forbidden(it, WHY)));
    problems
}

/// The same for a Secret, of which nobody may say that it is something else.
fn fixed_secret(before: &Value, after: &Value) -> Vec<Problem> {
    let (old, new) = (&before["type"], &after["type"]);
    let changed =
        (old != new).then(|| Problem::invalid("type", &new.to_string(), "field is immutable"));
    changed.into_iter().chain(fixed(before, after)).collect()
}

/// The members of a map in `of`, which is made if it is not there; none if it is no map.
fn members<'a>(of: &'a mut Value, name: &str) -> Option<&'a mut Map<String, Value>> {
    let map = of.as_object_mut()?.entry(name).or_insert(Value::Null);
    if map.is_null() {
        *map = Value::Object(Map::new());
    }
    map.as_object_mut()
}
