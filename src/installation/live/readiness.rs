//! Whether an object is what it should be, and if not, which condition says so.

use std::fmt;

use serde_json::Value;

use super::text;
use crate::api::{self, Kind, names};

/// What an object has come to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Readiness {
    /// It is what it should be; a word or two on how that shows.
    Ready(String),
    /// It is not yet.
    Waiting(Waiting),
}

/// What an object waits for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Waiting {
    /// The condition that is not true; empty if nobody has written any.
    pub condition: String,
    /// The machine's word for the cause.
    pub reason: String,
    /// The sentence.
    pub message: String,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { condition, reason, message } = self;
        match (condition.as_str(), reason.as_str(), message.as_str()) {
            ("", _, message) => f.write_str(message),
            (condition, "", "") => write!(f, "{condition} is not true yet"),
            (condition, reason, "") => write!(f, "{condition}: {reason}"),
            (condition, "", message) => write!(f, "{condition}: {message}"),
            (condition, reason, message) => write!(f, "{condition}: {reason}: {message}"),
        }
    }
}

impl Waiting {
    fn that(message: impl Into<String>) -> Readiness {
        Readiness::Waiting(Self { message: message.into(), ..Self::default() })
    }
}

/// The reason that says that nothing here runs pods: it will not become true by waiting.
const NO_WORKLOADS: &str = "NoWorkloads";

/// What has become of `object`.
pub fn readiness(object: &Value) -> Readiness {
    let group = text(object, "/apiVersion").split_once('/').map_or("", |it| it.0);
    let conditions: &[&str] = match (group, text(object, "/kind")) {
        (api::GROUP, "Kubeconfig" | "VirtualWorkspace") => &["ReferenceValid", "Available"],
        (api::GROUP, "Shard" | "FrontProxy") => &["RootShard", "Available"],
        (api::GROUP, _) => &["Available"],
        ("cert-manager.io", _) => &["Ready"],
        ("apiextensions.k8s.io", _) => &["NamesAccepted", "Established"],
        ("apps", _) => return workload(object),
        _ => return Readiness::Ready(String::new()),
    };
    let generation = object["metadata"]["generation"].as_i64();
    let list = object["status"]["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    if list.is_empty() {
        return Waiting::that("no controller has written a condition yet");
    }
    let mut holds = "";
    for wanted in conditions {
        let Some(found) = list.iter().find(|it| it["type"] == *wanted) else {
            // Not every release writes the conditions on references.
            if conditions.last() == Some(wanted) {
                return Waiting::that(format!("the condition {wanted} is not there yet"));
            }
            continue;
        };
        let (reason, message) = (text(found, "/reason"), text(found, "/message"));
        if reason == NO_WORKLOADS {
            return Readiness::Ready("nothing here runs pods".to_owned());
        }
        let seen = found["observedGeneration"].as_i64();
        if seen.zip(generation).is_some_and(|(seen, generation)| seen < generation) {
            return Waiting::that(format!("{wanted} is that of the object before its last change"));
        }
        if found["status"] != "True" {
            return Readiness::Waiting(Waiting {
                condition: (*wanted).to_owned(),
                reason: reason.to_owned(),
                message: message.to_owned(),
            });
        }
        holds = wanted;
    }
    Readiness::Ready(holds.to_owned())
}

/// A Deployment or `StatefulSet`: all pods are of the newest kind, and ready.
fn workload(object: &Value) -> Readiness {
    let status = &object["status"];
    let number = |name: &str| status[name].as_i64().unwrap_or_default();
    let wanted = object["spec"]["replicas"].as_i64().unwrap_or(1);
    if text(object, "/kind") == "ReplicaSet" || text(object, "/kind") == "ControllerRevision" {
        return Readiness::Ready(String::new());
    }
    if number("observedGeneration") < object["metadata"]["generation"].as_i64().unwrap_or_default()
    {
        return Waiting::that("its controller has not seen the last change yet");
    }
    let list = status["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    let stuck = list.iter().find(|it| it["type"] == "Progressing" && it["status"] == "False");
    if let Some(stuck) = stuck {
        return Readiness::Waiting(Waiting {
            condition: "Progressing".to_owned(),
            reason: text(stuck, "/reason").to_owned(),
            message: text(stuck, "/message").to_owned(),
        });
    }
    let (updated, ready) = (number("updatedReplicas"), number("readyReplicas"));
    if updated < wanted || ready < wanted {
        return Waiting::that(format!("{ready} of {wanted} pods are ready, {updated} are updated"));
    }
    Readiness::Ready(format!("{ready}/{wanted}"))
}

/// The workload that speaks for an object whose operator writes no status: Go's operator has
/// none for cache servers.
pub fn stand_in(object: &Value) -> Option<String> {
    let is_silent = object["status"]["conditions"].as_array().is_none_or(Vec::is_empty);
    let is_cache = text(object, "/apiVersion") == api::API_VERSION
        && text(object, "/kind") == Kind::CacheServer.as_str();
    (is_silent && is_cache).then(|| names::cache_server(text(object, "/metadata/name")))
}

/// As [`readiness`], with the Deployment that [`stand_in`] names, if there is one.
pub fn readiness_by(object: &Value, deployment: Option<&Value>) -> Readiness {
    match (stand_in(object), deployment) {
        (None, _) => readiness(object),
        (Some(_), Some(deployment)) => readiness(deployment),
        (Some(server), None) => Waiting::that(format!("{NO_DEPLOYMENT} `{server}` yet")),
    }
}

/// How it begins that neither a condition nor a Deployment is there.
const NO_DEPLOYMENT: &str = "there is neither a condition nor the Deployment";

/// What somebody can do about an object that does not become what it should be.
pub fn advice(object: &Value, waiting: &Waiting) -> String {
    let namespace = text(object, "/metadata/namespace");
    let name = text(object, "/metadata/name");
    let kind = text(object, "/kind");
    let describe = |what: &str| format!("see `kubectl -n {namespace} describe {what}`");
    let server = Kind::from_name(kind).and_then(|it| server(it, name));
    match waiting.reason.as_str() {
        "InvalidReference" | "ReferenceNotFound" => {
            format!("apply the object that `spec` of {kind}/{name} refers to")
        }
        "ReplicasUnavailable" => match server {
            Some(server) => format!("see `kubectl -n {namespace} logs deployment/{server}`"),
            None => describe(&format!("{} {name}", kind.to_ascii_lowercase())),
        },
        "DeploymentUnavailable" => format!(
            "its certificates or Secrets may be missing: see `kubectl -n {namespace} get certificate`"
        ),
        reason if reason.contains("Secret") || reason.contains("Certificate") => {
            format!("see `kubectl -n {namespace} get certificate`, and what it says of its issuer")
        }
        _ if waiting.message.starts_with(NO_DEPLOYMENT) => format!(
            "see `kubectl -n {namespace} get certificate`, and whether kcp-operator or `kcpctl \
             reconcile` is running"
        ),
        _ if waiting.condition.is_empty() && waiting.message.starts_with("no controller") => {
            if text(object, "/apiVersion") == api::API_VERSION {
                "is kcp-operator or `kcpctl reconcile` running? It has written nothing yet"
                    .to_owned()
            } else {
                "is the controller of this kind running? It has written nothing yet".to_owned()
            }
        }
        _ => describe(&format!("{} {name}", kind.to_ascii_lowercase())),
    }
}

/// The Deployment of a server.
pub(super) fn server(kind: Kind, name: &str) -> Option<String> {
    Some(match kind {
        Kind::CacheServer => names::cache_server(name),
        Kind::RootShard => names::root_shard_server(name),
        Kind::Shard => names::shard_server(name),
        Kind::FrontProxy => names::front_proxy_server(name),
        Kind::VirtualWorkspace => names::virtual_workspace_server(name),
        Kind::Kubeconfig => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shard(conditions: &Value) -> Value {
        json!({
            "apiVersion": "operator.kcp.io/v1alpha1", "kind": "Shard",
            "metadata": { "name": "one", "namespace": "demo", "generation": 2 },
            "status": { "conditions": conditions },
        })
    }

    fn shown(object: &Value) -> String {
        match readiness(object) {
            Readiness::Ready(how) => format!("ready {how}"),
            Readiness::Waiting(waiting) => waiting.to_string(),
        }
    }

    #[test]
    fn the_first_condition_that_is_not_true_counts() {
        assert_eq!(shown(&shard(&json!([]))), "no controller has written a condition yet");
        let condition = |kind: &str, status: &str, seen: i64, reason: &str| {
            json!({
                "type": kind, "status": status, "observedGeneration": seen, "reason": reason,
                "message": "m",
            })
        };
        let cases = [
            (
                vec![condition("RootShard", "False", 2, "InvalidReference")],
                "RootShard: InvalidReference: m",
            ),
            (
                vec![condition("RootShard", "True", 2, "Valid")],
                "the condition Available is not there yet",
            ),
            (
                vec![condition("Available", "True", 1, "ReplicasUp")],
                "Available is that of the object before its last change",
            ),
            (vec![condition("Available", "True", 2, "ReplicasUp")], "ready Available"),
            (
                vec![condition("Available", "False", 2, "NoWorkloads")],
                "ready nothing here runs pods",
            ),
        ];
        for (conditions, expected) in cases {
            assert_eq!(shown(&shard(&json!(conditions))), expected);
        }
    }

    #[test]
    fn a_deployment_speaks_for_a_silent_cache_server() {
        let mut cache = shard(&json!([]));
        cache["kind"] = "CacheServer".into();
        let Readiness::Waiting(waiting) = readiness_by(&cache, None) else { panic!() };
        assert_eq!(
            waiting.to_string(),
            "there is neither a condition nor the Deployment `one-cache-server` yet"
        );
        assert!(advice(&cache, &waiting).contains("get certificate"));
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "spec": { "replicas": 1 },
            "status": { "readyReplicas": 1, "updatedReplicas": 1 },
        });
        assert_eq!(readiness_by(&cache, Some(&deployment)), Readiness::Ready("1/1".to_owned()));
        // One that speaks for itself is asked itself.
        cache["status"]["conditions"] = json!([{ "type": "Available", "status": "False" }]);
        assert!(matches!(readiness_by(&cache, Some(&deployment)), Readiness::Waiting(_)));
    }

    #[test]
    fn a_workload_is_ready_when_its_newest_pods_are() {
        let deployment = |status: Value| {
            shown(&json!({
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "generation": 3 },
                "spec": { "replicas": 2 }, "status": status,
            }))
        };
        let up = |ready: i64| json!({ "observedGeneration": 3, "updatedReplicas": 2, "readyReplicas": ready });
        assert_eq!(deployment(up(2)), "ready 2/2");
        assert_eq!(deployment(up(1)), "1 of 2 pods are ready, 2 are updated");
        assert!(deployment(json!({ "observedGeneration": 2 })).starts_with("its controller"));
        let mut stuck = up(2);
        stuck["conditions"] = json!([
            { "type": "Progressing", "status": "False", "reason": "QuotaExceeded", "message": "m" },
        ]);
        assert_eq!(deployment(stuck), "Progressing: QuotaExceeded: m");
    }

    #[test]
    fn the_advice_follows_from_the_reason() {
        let object = shard(&json!([]));
        let of = |reason: &str| {
            advice(
                &object,
                &Waiting {
                    condition: "Available".into(),
                    reason: reason.into(),
                    message: String::new(),
                },
            )
        };
        assert!(of("InvalidReference").starts_with("apply the object"));
        assert_eq!(
            of("ReplicasUnavailable"),
            "see `kubectl -n demo logs deployment/one-shard-kcp`"
        );
        let silent = Waiting {
            message: "no controller has written a condition yet".into(),
            ..Waiting::default()
        };
        assert!(advice(&object, &silent).contains("kcpctl reconcile"));
    }
}
