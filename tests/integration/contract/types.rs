//! The built-in types: each in every version, with its kind, scope and columns.

use serde_json::{Value, json};

use crate::support::{Client, Request, Server, TABLE, at};

/// Group and version, plural, kind, whether it has namespaces, columns after the name.
type Row = (&'static str, &'static str, &'static str, bool, &'static str);

const AGE: &str = "Age";

const TYPES: &[Row] = &[
    ("apis.kcp.io/v1alpha1", "apiresourceschemas", "APIResourceSchema", false, AGE),
    ("apis.kcp.io/v1alpha1", "apiconversions", "APIConversion", false, AGE),
    ("apis.kcp.io/v1alpha1", "apiexports", "APIExport", false, "Age,Ready"),
    ("apis.kcp.io/v1alpha2", "apiexports", "APIExport", false, AGE),
    (
        "apis.kcp.io/v1alpha1",
        "apiexportendpointslices",
        "APIExportEndpointSlice",
        false,
        "Export,Partition,Age",
    ),
    ("core.kcp.io/v1alpha1", "logicalclusters", "LogicalCluster", false, "Phase,URL,Age"),
    (
        "migration.kcp.io/v1alpha1",
        "logicalclustermigrations",
        "LogicalClusterMigration",
        false,
        "Logical Cluster,Phase,Destination,Entries Copied",
    ),
    ("core.kcp.io/v1alpha1", "shards", "Shard", false, "Region,URL,External URL,Age"),
    ("cache.kcp.io/v1alpha1", "cachedobjects", "CachedObject", false, AGE),
    (
        "cache.kcp.io/v1alpha1",
        "clustercachedresources",
        "ClusterCachedResource",
        false,
        "Resource,Age",
    ),
    (
        "cache.kcp.io/v1alpha1",
        "clustercachedresourceendpointslices",
        "ClusterCachedResourceEndpointSlice",
        false,
        "ClusterCachedResource,Age",
    ),
    ("tenancy.kcp.io/v1alpha1", "workspacetypes", "WorkspaceType", false, AGE),
    ("rbac.authorization.k8s.io/v1", "roles", "Role", true, AGE),
    ("rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole", false, AGE),
    ("rbac.authorization.k8s.io/v1", "rolebindings", "RoleBinding", true, AGE),
    ("rbac.authorization.k8s.io/v1", "clusterrolebindings", "ClusterRoleBinding", false, AGE),
    (
        "admissionregistration.k8s.io/v1",
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
        false,
        AGE,
    ),
    (
        "admissionregistration.k8s.io/v1",
        "mutatingadmissionpolicies",
        "MutatingAdmissionPolicy",
        false,
        AGE,
    ),
    (
        "admissionregistration.k8s.io/v1",
        "mutatingadmissionpolicybindings",
        "MutatingAdmissionPolicyBinding",
        false,
        AGE,
    ),
    (
        "admissionregistration.k8s.io/v1",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        false,
        AGE,
    ),
    (
        "admissionregistration.k8s.io/v1",
        "validatingadmissionpolicies",
        "ValidatingAdmissionPolicy",
        false,
        AGE,
    ),
    (
        "admissionregistration.k8s.io/v1",
        "validatingadmissionpolicybindings",
        "ValidatingAdmissionPolicyBinding",
        false,
        AGE,
    ),
];

/// Types of kcp v0.30 to v0.32, which newer ones do not serve.
const FORMER: &[Row] = &[
    ("cache.kcp.io/v1alpha1", "cachedresources", "CachedResource", false, "Resource,Age"),
    (
        "cache.kcp.io/v1alpha1",
        "cachedresourceendpointslices",
        "CachedResourceEndpointSlice",
        false,
        "CachedResource,Age",
    ),
];

/// The life of one object of a type; what is not as it should be.
fn life(client: &Client, row: &Row) -> Result<(), String> {
    let (version, resource, kind, namespaced, columns) = *row;
    let below = |resource: &str| {
        if namespaced {
            format!("apis/{version}/namespaces/default/{resource}")
        } else {
            format!("apis/{version}/{resource}")
        }
    };
    let collection =
        at("amber", &format!("life-{}", version.replace(['.', '/'], "-")), &below(resource));
    let object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "one"}});
    let is = |what: &str, got: &Value, wanted: &Value| {
        let same = got == wanted;
        same.then_some(())
            .ok_or_else(|| format!("{version} {resource}: {what}: {got}, not {wanted}"))
    };
    let created = client.post(&collection, &object);
    if created.status != 201 {
        return Err(format!("{version} {resource}: {created}"));
    }
    let created = created.json();
    is("kind", &created["kind"], &json!(kind))?;
    is("version", &created["apiVersion"], &json!(version))?;
    let namespace = if namespaced { json!("default") } else { Value::Null };
    is("namespace", &created["metadata"]["namespace"], &namespace)?;
    is("object", &client.get(format!("{collection}/one")).json(), &created)?;
    let list = client.get(&collection).json();
    is("list", &list["kind"], &json!(format!("{kind}List")))?;
    is("items", &list["items"], &json!([created]))?;
    let table = client.send(&Request::new("GET", &collection).header("Accept", TABLE)).json();
    let named = table["columnDefinitions"].as_array().into_iter().flatten();
    let named: Vec<&str> = named.filter_map(|it| it["name"].as_str()).collect();
    is("columns", &json!(named.join(",")), &json!(format!("Name,{columns}")))?;
    let status = client.get(format!("{collection}/one/status")).status;
    is("subresource", &json!(status), &json!(404))?;
    let deleted = client.delete(format!("{collection}/one")).json();
    is("deletion", &deleted["details"]["kind"], &json!(resource))?;
    // In the other scope there is no such type.
    let elsewhere = if namespaced {
        format!("apis/{version}/{resource}/one")
    } else {
        format!("apis/{version}/namespaces/default/{resource}")
    };
    let answer = client.get(at("amber", "life", &elsewhere));
    is("scope", &json!(answer.refusal_line()), &json!("404 text: 404 page not found\n"))
}

#[test]
fn each_built_in_type_has_its_versions_kind_scope_and_columns() {
    let mut wrong = Vec::new();
    for server in [Server::shared_cache_server(), Server::shared()] {
        let client = server.admin();
        let former = if server.is_foreign() { &[] } else { FORMER };
        wrong.extend(TYPES.iter().chain(former).filter_map(|row| life(&client, row).err()));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
