//! PURE: taking over from the original: whether it runs, and what of it is in the way.
//!
//! The original puts a Compiled object between each source and its servers, and owns fields as
//! one who updates. Both are undone in one patch of each object: the source becomes its owner,
//! and what the original wrote becomes what we applied, so that the apply that follows takes
//! away what we do not render. When nothing belongs to the Compiled object any longer, it goes.

use k8s_openapi::jiff::Timestamp;
use kube::core::ObjectMeta;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::kinds::Watched;
use super::plan::is_operator;
use super::revision;
use super::source::SourceKey;
use crate::api::API_VERSION;
use crate::client::cluster::FIELD_MANAGER;

/// The name of the lease that cert-manager's controller holds.
pub const CERT_MANAGER_LEASE: &str = "cert-manager-controller";
/// The name of the lease that the original holds.
pub const OPERATOR_LEASE: &str = "239f9f9a.operator.kcp.io";
/// The image of the original.
const OPERATOR_IMAGE: &str = "kcp-operator";

/// A sign that the original runs.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Sign {
    /// Its lease is held.
    #[error("`{holder}` holds its lease in the namespace `{namespace}`")]
    Lease {
        /// Where.
        namespace: String,
        /// By whom.
        holder: String,
    },
    /// A Deployment of its image has pods.
    #[error("the Deployment `{name}` in the namespace `{namespace}` runs it")]
    Deployment {
        /// Where.
        namespace: String,
        /// Which.
        name: String,
    },
}

/// Whether a lease of that name is held at that time.
pub fn held_lease(lease: &Value, name: &str, now: Timestamp) -> Option<Sign> {
    let spec = &lease["spec"];
    let holder = spec["holderIdentity"].as_str().filter(|it| !it.is_empty())?;
    let renewed: Timestamp = spec["renewTime"].as_str()?.parse().ok()?;
    let lasts = spec["leaseDurationSeconds"].as_i64().unwrap_or(15);
    if lease["metadata"]["name"] != name || now.as_second() > renewed.as_second() + lasts {
        return None;
    }
    let namespace = text(&lease["metadata"]["namespace"]);
    Some(Sign::Lease { namespace, holder: holder.to_owned() })
}

/// Whether a Deployment runs the original.
pub fn running_operator(deployment: &Value) -> Option<Sign> {
    let containers = deployment.pointer("/spec/template/spec/containers")?.as_array()?;
    let is_operator = |image: &str| {
        let image = image.split('@').next().unwrap_or_default();
        let name = image.rsplit('/').next().unwrap_or_default();
        name.split(':').next() == Some(OPERATOR_IMAGE)
    };
    let available = deployment.pointer("/status/availableReplicas").and_then(Value::as_i64);
    if available.unwrap_or(0) < 1
        || !containers.iter().any(|it| it["image"].as_str().is_some_and(is_operator))
    {
        return None;
    }
    let metadata = &deployment["metadata"];
    Some(Sign::Deployment {
        namespace: text(&metadata["namespace"]),
        name: text(&metadata["name"]),
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The patch that makes an object of the original's ours; nothing if it is not the original's.
///
/// It says which revision it is made for: a change in between is not overwritten. What is
/// mounted keeps the revision that it counts as, so that no pod rolls.
pub fn take_over(watched: Watched, live: &Value, key: &SourceKey, uid: &str) -> Option<Value> {
    let metadata = &live["metadata"];
    let entries = metadata["managedFields"].as_array().cloned().unwrap_or_default();
    let of_operator = |it: &Value| {
        it["manager"].as_str().is_some_and(is_operator)
            && it["subresource"].as_str().unwrap_or_default().is_empty()
    };
    let owned = metadata["ownerReferences"]
        .as_array()
        .is_some_and(|all| all.iter().any(|it| it["controller"] == true && it["uid"] != uid));
    if !entries.iter().any(of_operator) && !owned {
        return None;
    }
    // Two entries of one name and kind are not allowed; the original's covers ours, since both
    // render the same.
    let ours = |it: &Value| {
        it["manager"] == FIELD_MANAGER
            && it["operation"] == "Apply"
            && it["subresource"].as_str().unwrap_or_default().is_empty()
    };
    let mut has_ours = false;
    let mut next: Vec<Value> = Vec::new();
    for mut entry in entries.iter().filter(|it| !ours(it)).cloned() {
        if of_operator(&entry) {
            if has_ours {
                continue;
            }
            entry["manager"] = FIELD_MANAGER.into();
            entry["operation"] = "Apply".into();
            has_ours = true;
        }
        next.push(entry);
    }
    if !has_ours {
        next.extend(entries.iter().filter(|it| ours(it)).cloned());
    }
    let mut patch = json!({ "metadata": {
        "resourceVersion": metadata["resourceVersion"],
        "ownerReferences": [{
            "apiVersion": API_VERSION, "kind": key.kind.as_str(), "name": key.name, "uid": uid,
            "controller": true, "blockOwnerDeletion": true,
        }],
        "managedFields": next,
    } });
    if matches!(watched, Watched::Secret | Watched::ConfigMap)
        && let Ok(found) = ObjectMeta::deserialize(metadata)
    {
        patch["metadata"]["annotations"] =
            json!({ revision::ADOPTED: revision::keep(&found, live) });
    }
    Some(patch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Kind;

    #[test]
    fn the_original_runs_while_its_lease_is_held_or_its_pods_are_there() {
        let now: Timestamp = "2026-01-01T00:01:00Z".parse().expect("a time");
        let lease = |name: &str, holder: Value, renewed: &str| {
            json!({
                "metadata": { "name": name, "namespace": "ops" },
                "spec": { "holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": 15 },
            })
        };
        for (lease, held) in [
            (lease(OPERATOR_LEASE, json!("pod"), "2026-01-01T00:00:50.000000Z"), true),
            (lease(OPERATOR_LEASE, json!("pod"), "2026-01-01T00:00:30.000000Z"), false),
            (lease(OPERATOR_LEASE, json!(""), "2026-01-01T00:00:50.000000Z"), false),
            (lease(OPERATOR_LEASE, json!(null), "2026-01-01T00:00:50.000000Z"), false),
            (lease("another", json!("pod"), "2026-01-01T00:00:50.000000Z"), false),
        ] {
            assert_eq!(held_lease(&lease, OPERATOR_LEASE, now).is_some(), held, "{lease}");
        }
        let deployment = |image: &str, available: i64| {
            json!({
                "metadata": { "name": "op", "namespace": "ops" },
                "spec": { "template": { "spec": { "containers": [{ "image": image }] } } },
                "status": { "availableReplicas": available },
            })
        };
        for (image, available, runs) in [
            ("ghcr.io/kcp-dev/kcp-operator:v0.9.0", 1, true),
            ("registry:5000/mirror/kcp-operator@sha256:00", 2, true),
            ("kcp-operator", 1, true),
            ("ghcr.io/kcp-dev/kcp-operator:v0.9.0", 0, false),
            ("ghcr.io/kcp-dev/kcp-operator-docs:v1", 1, false),
            ("ghcr.io/kcp-dev/kcp:v0.32.3", 1, false),
        ] {
            let found = running_operator(&deployment(image, available));
            assert_eq!(found.is_some(), runs, "{image} {available}");
        }
    }

    #[test]
    fn an_object_changes_its_owner_and_its_writer_in_one_patch() {
        let key = SourceKey { kind: Kind::Shard, namespace: "demo".into(), name: "one".into() };
        let entry = |manager: &str, operation: &str, sub: Option<&str>| {
            json!({
                "manager": manager, "operation": operation, "subresource": sub, "fieldsV1": { "f:spec": {} },
            })
        };
        let object = |owner: &str, entries: Value| {
            json!({ "metadata": {
            "name": "a", "resourceVersion": "9", "managedFields": entries,
            "ownerReferences": [{ "uid": owner, "controller": true }],
        } })
        };
        let theirs = object(
            "compiled",
            json!([
                entry("manager", "Update", None),
                entry("manager", "Update", Some("status")),
                entry("kubectl", "Update", None),
                entry("kcpctl", "Apply", None),
            ]),
        );
        let patch = take_over(Watched::Service, &theirs, &key, "me").expect("a patch");
        assert_eq!(patch["metadata"]["resourceVersion"], "9");
        assert_eq!(patch["metadata"]["ownerReferences"][0]["uid"], "me");
        let managers: Vec<_> = patch["metadata"]["managedFields"]
            .as_array()
            .expect("entries")
            .iter()
            .map(|it| format!("{} {} {}", it["manager"], it["operation"], it["subresource"]))
            .collect();
        assert_eq!(
            managers,
            [
                r#""kcpctl" "Apply" null"#,
                r#""manager" "Update" "status""#,
                r#""kubectl" "Update" null"#,
            ]
        );
        let ours = object("me", json!([entry("kcpctl", "Apply", None)]));
        assert_eq!(take_over(Watched::Service, &ours, &key, "me"), None);
        assert!(patch["metadata"]["annotations"].is_null());
        let mounted = take_over(Watched::Secret, &theirs, &key, "me").expect("a patch");
        let kept = mounted["metadata"]["annotations"][revision::ADOPTED].as_str();
        assert!(kept.is_some_and(|it| it.starts_with("9 ")), "{mounted}");
    }
}
