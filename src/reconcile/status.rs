//! PURE: what is known of a source → its status.
//!
//! Types, reasons and phases are the original's, and they are true: reason and message are
//! written whenever they change, and no phase outlives what it says. The condition
//! [`RECONCILED`] is ours: whether everything is applied, and if not, what is in the way.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde_json::{Map, Value, json};

use crate::api::{Kind, Target};
use crate::render::{Absence, Waiting};

/// Whether everything that belongs to an object is applied.
pub const RECONCILED: &str = "Reconciled";
/// Whether its server runs, or its Secret is there.
pub const AVAILABLE: &str = "Available";

/// A condition's value, without its times.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Said {
    /// Whether it holds.
    pub holds: bool,
    /// Why, in a word.
    pub reason: &'static str,
    /// Why, in a sentence.
    pub message: String,
}

impl Said {
    /// It holds.
    pub fn yes(reason: &'static str, message: impl Into<String>) -> Self {
        Self { holds: true, reason, message: message.into() }
    }

    /// It does not.
    pub fn no(reason: &'static str, message: impl Into<String>) -> Self {
        Self { holds: false, reason, message: message.into() }
    }
}

/// Everything that a status is made from.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The generation that was looked at.
    pub generation: Option<i64>,
    /// Whether the object is on its way out.
    pub deleting: bool,
    /// Whether its references lead somewhere; nothing if that could not be asked.
    pub reference: Option<Said>,
    /// Whether its server runs, or its Secret is there.
    pub available: Said,
    /// Whether everything is applied.
    pub reconciled: Said,
    /// Of a root shard: the names of its shards; nothing if they are not known.
    pub shards: Option<Vec<String>>,
    /// Of a cache server: where it is reached.
    pub address: Option<String>,
    /// Of a cache server: when the first of its certificates ends.
    pub expiry: Option<Time>,
    /// Of a kubeconfig: what it leads to.
    pub target: Option<String>,
}

/// The condition that says whether references lead somewhere.
const fn reference_type(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::CacheServer | Kind::RootShard => None,
        Kind::Shard | Kind::FrontProxy => Some("RootShard"),
        Kind::VirtualWorkspace | Kind::Kubeconfig => Some("ReferenceValid"),
    }
}

/// What the condition about references says.
pub fn reference(kind: Kind, found: Result<(), String>) -> Said {
    let root = matches!(kind, Kind::Shard | Kind::FrontProxy);
    match (found, root) {
        (Ok(()), true) => Said::yes("Valid", "the root shard is there"),
        (Ok(()), false) => Said::yes("ReferenceValid", "what is referred to is there"),
        (Err(why), true) => Said::no("InvalidReference", why),
        (Err(why), false) => Said::no("ReferenceNotFound", why),
    }
}

/// What the name of a kubeconfig's target looks like in its status.
pub fn target_name(target: Option<Target<'_>>) -> String {
    match target {
        Some(Target::RootShard(name)) => format!("RootShard/{name}"),
        Some(Target::Shard(name)) => format!("Shard/{name}"),
        Some(Target::FrontProxy(name)) => format!("FrontProxy/{name}"),
        None => String::new(),
    }
}

/// What is said of a Deployment where nothing runs pods.
pub fn no_workloads(name: &str) -> Said {
    Said::no(
        "NoWorkloads",
        format!(
            "nothing here runs the pods of `{name}`: start its server by hand, with the flags that \
             `kcpctl render` prints"
        ),
    )
}

/// Whether a Deployment is up: every pod that it should have is new and ready.
pub fn deployment(name: &str, live: Option<&Value>, waits: Option<&str>) -> Said {
    let Some(live) = live else {
        let waits = waits.map(|it| format!(": {it}")).unwrap_or_default();
        return Said::no(
            "DeploymentUnavailable",
            format!("the Deployment `{name}` is not there{waits}"),
        );
    };
    let number = |pointer: &str| live.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
    let wanted = live.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let (ready, updated) = (number("/status/readyReplicas"), number("/status/updatedReplicas"));
    if number("/status/observedGeneration") < number("/metadata/generation") {
        let message = format!("the Deployment `{name}` has just been changed");
        return Said::no("ReplicasUnavailable", message);
    }
    if ready == wanted && updated == wanted {
        return Said::yes("ReplicasUp", format!("all pods of `{name}` are ready: {wanted}"));
    }
    let rolling = if updated < wanted { format!(", {updated} of them new") } else { String::new() };
    Said::no(
        "ReplicasUnavailable",
        format!("{ready} of {wanted} pods of `{name}` are ready{rolling}"),
    )
}

fn phase(kind: Kind, facts: &Facts) -> Option<&'static str> {
    let lost = facts.reference.as_ref().is_some_and(|it| !it.holds);
    match kind {
        Kind::VirtualWorkspace => None,
        Kind::Kubeconfig if lost => Some("Failed"),
        Kind::Kubeconfig if facts.available.holds => Some("Ready"),
        Kind::Kubeconfig => Some("Provisioning"),
        _ if facts.deleting => Some("Deleting"),
        _ if facts.available.holds => Some("Running"),
        _ => Some("Provisioning"),
    }
}

/// The next status. What others say there stays.
pub fn next(kind: Kind, old: &Value, facts: &Facts, now: &Time) -> Value {
    let mut status = old.as_object().cloned().unwrap_or_else(Map::new);
    let mut conditions: Vec<Value> =
        status.get("conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    if let (Some(type_), Some(said)) = (reference_type(kind), &facts.reference) {
        set(&mut conditions, type_, said, facts.generation, now);
    }
    set(&mut conditions, AVAILABLE, &facts.available, facts.generation, now);
    set(&mut conditions, RECONCILED, &facts.reconciled, facts.generation, now);
    status.insert("conditions".to_owned(), Value::Array(conditions));
    if let Some(phase) = phase(kind, facts) {
        status.insert("phase".to_owned(), phase.into());
    }
    if let Some(shards) = &facts.shards {
        let shards: Vec<Value> = shards.iter().map(|it| json!({ "name": it })).collect();
        status.insert("shards".to_owned(), shards.into());
    }
    if let Some(target) = &facts.target {
        status.insert("targetName".to_owned(), target.clone().into());
    }
    if let Some(address) = &facts.address {
        status.insert("address".to_owned(), address.clone().into());
    }
    if let Some(expiry) = &facts.expiry {
        status.insert("certificateExpiry".to_owned(), json!(expiry));
    }
    Value::Object(status)
}

/// Sets a condition; its time is kept as long as its value is.
pub fn set(
    conditions: &mut Vec<Value>,
    type_: &str,
    said: &Said,
    generation: Option<i64>,
    now: &Time,
) {
    let status = if said.holds { "True" } else { "False" };
    let old = conditions.iter_mut().find(|it| it["type"] == type_);
    let since = old
        .as_ref()
        .filter(|it| it["status"] == status)
        .and_then(|it| serde_json::from_value::<Time>(it["lastTransitionTime"].clone()).ok());
    let condition = Condition {
        last_transition_time: since.unwrap_or_else(|| now.clone()),
        message: said.message.clone(),
        observed_generation: generation,
        reason: said.reason.to_owned(),
        status: status.to_owned(),
        type_: type_.to_owned(),
    };
    let condition = serde_json::to_value(condition).unwrap_or_default();
    match old {
        Some(old) => *old = condition,
        None => conditions.push(condition),
    }
}

/// A condition that became another: something to tell the object's owner.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Turn {
    /// Which condition.
    pub type_: String,
    /// Whether it holds now.
    pub holds: bool,
    /// Why.
    pub reason: String,
    /// Why, in a sentence.
    pub message: String,
}

/// The conditions whose value or reason changed between two states.
pub fn turns(old: &Value, new: &Value) -> Vec<Turn> {
    let list = |it: &Value| it["conditions"].as_array().cloned().unwrap_or_default();
    let before = list(old);
    let changed = |it: &Value| {
        let known = before.iter().find(|old| old["type"] == it["type"]);
        known.is_none_or(|old| old["status"] != it["status"] || old["reason"] != it["reason"])
    };
    let text = |it: &Value, key: &str| it[key].as_str().unwrap_or_default().to_owned();
    list(new)
        .iter()
        .filter(|it| changed(it))
        .map(|it| Turn {
            type_: text(it, "type"),
            holds: it["status"] == "True",
            reason: text(it, "reason"),
            message: text(it, "message"),
        })
        .collect()
}

/// What the Secret of a kubeconfig is to its user.
pub fn kubeconfig_secret(
    certificate: &str,
    certificate_ready: bool,
    waiting: &[Waiting],
    written: bool,
) -> Said {
    if !certificate_ready {
        let message = format!("the Certificate `{certificate}` is not ready");
        return Said::no("ClientCertificateSecretNotReady", message);
    }
    if let Some(first) = waiting.first() {
        let of_client = first.needs == certificate;
        let reason = match (of_client, first.absence == Absence::NoSecret) {
            (true, true) => "ClientCertificateSecretNotReady",
            (true, false) => "ClientCertificateSecretError",
            (false, true) => "ServerCASecretNotReady",
            (false, false) => "ServerCASecretError",
        };
        return Said::no(reason, first.to_string());
    }
    if written {
        Said::yes("SecretsReady", "the Secret with the kubeconfig is there")
    } else {
        Said::no("ClientCertificateSecretNotReady", "the Secret is not written yet")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        serde_json::from_value(text.into()).expect("a time")
    }

    fn facts(available: Said) -> Facts {
        Facts {
            generation: Some(3),
            deleting: false,
            reference: None,
            available,
            reconciled: Said::yes("Applied", "everything is applied"),
            shards: None,
            address: None,
            expiry: None,
            target: None,
        }
    }

    #[test]
    fn a_deployment_is_up_when_every_pod_is_new_and_ready() {
        let live = |generation: i64, status: Value| json!({ "metadata": { "generation": generation }, "spec": { "replicas": 2 }, "status": status });
        let status = |observed: i64, updated: i64, ready: i64| json!({ "observedGeneration": observed, "updatedReplicas": updated, "readyReplicas": ready });
        for (live, holds, reason, part) in [
            (live(1, status(1, 2, 2)), true, "ReplicasUp", "2"),
            (live(2, status(1, 2, 2)), false, "ReplicasUnavailable", "just been changed"),
            (live(1, status(1, 1, 2)), false, "ReplicasUnavailable", "1 of them new"),
            (live(1, status(1, 2, 1)), false, "ReplicasUnavailable", "1 of 2 pods"),
            (live(1, json!({})), false, "ReplicasUnavailable", "just been changed"),
        ] {
            let said = deployment("root-kcp", Some(&live), None);
            assert_eq!((said.holds, said.reason), (holds, reason), "{live}");
            assert!(said.message.contains(part), "{}", said.message);
        }
        let none = json!({ "metadata": {}, "spec": { "replicas": 0 } });
        assert!(deployment("a", Some(&none), None).holds, "no pods are wanted, and none are there");
        let absent = deployment("a", None, Some("it waits for a Secret"));
        assert_eq!((absent.holds, absent.reason), (false, "DeploymentUnavailable"));
        assert!(absent.message.ends_with("it waits for a Secret"), "{}", absent.message);
    }

    #[test]
    fn phases_say_what_is_so_now() {
        let up = || Said::yes("ReplicasUp", "");
        let down = || Said::no("ReplicasUnavailable", "");
        let lost = || Some(Said::no("ReferenceNotFound", ""));
        for (kind, facts, phase) in [
            (Kind::Shard, facts(up()), Some("Running")),
            (Kind::Shard, facts(down()), Some("Provisioning")),
            (Kind::Shard, Facts { deleting: true, ..facts(up()) }, Some("Deleting")),
            (Kind::CacheServer, facts(up()), Some("Running")),
            (Kind::Kubeconfig, facts(up()), Some("Ready")),
            (Kind::Kubeconfig, facts(down()), Some("Provisioning")),
            (Kind::Kubeconfig, Facts { reference: lost(), ..facts(up()) }, Some("Failed")),
            (Kind::VirtualWorkspace, facts(up()), None),
        ] {
            let before = json!({ "phase": "Running" });
            let status = next(kind, &before, &facts, &time("2026-01-01T00:00:00Z"));
            assert_eq!(status["phase"].as_str(), phase.or(Some("Running")), "{kind:?}");
        }
    }

    #[test]
    fn a_condition_keeps_its_time_until_it_turns_and_its_words_are_always_new() {
        let (first, later) = (time("2026-01-01T00:00:00Z"), time("2026-01-02T00:00:00Z"));
        let down = |message: &str| facts(Said::no("ReplicasUnavailable", message));
        let kept = json!({ "type": "Mine", "status": "True" });
        let one = next(Kind::RootShard, &json!({ "conditions": [kept] }), &down("0 of 2"), &first);
        let two = next(Kind::RootShard, &one, &down("1 of 2"), &later);
        let three = next(Kind::RootShard, &two, &facts(Said::yes("ReplicasUp", "")), &later);
        let found = |status: &Value| {
            let all = status["conditions"].as_array().cloned().unwrap_or_default();
            all.into_iter().find(|it| it["type"] == AVAILABLE).expect("the condition")
        };
        assert_eq!(found(&two)["lastTransitionTime"], found(&one)["lastTransitionTime"]);
        assert_eq!(found(&two)["message"], "1 of 2");
        assert_eq!(found(&three)["lastTransitionTime"], json!(later));
        assert_eq!(three["conditions"][0], kept, "what others say stays");
        assert_eq!(
            next(Kind::RootShard, &three, &facts(Said::yes("ReplicasUp", "")), &first),
            three
        );

        assert_eq!(turns(&one, &two), []);
        let turned = turns(&two, &three);
        assert_eq!(
            (turned.len(), turned[0].holds, turned[0].reason.as_str()),
            (1, true, "ReplicasUp")
        );
    }

    #[test]
    fn conditions_say_of_which_generation_they_are() {
        let now = time("2026-01-01T00:00:00Z");
        let of = |generation: i64| Facts {
            generation: Some(generation),
            reference: Some(Said::yes("Valid", "")),
            ..facts(Said::yes("ReplicasUp", ""))
        };
        let one = next(Kind::Shard, &Value::Null, &of(3), &now);
        let two = next(Kind::Shard, &one, &of(4), &now);
        for (status, generation) in [(one, 3), (two, 4)] {
            let conditions = status["conditions"].as_array().expect("conditions");
            assert_eq!(conditions.len(), 3);
            for condition in conditions {
                assert_eq!(condition["observedGeneration"], generation, "{condition}");
            }
        }
    }

    #[test]
    fn a_kubeconfig_is_ready_when_its_secret_is_written() {
        let waits = |needs: &str, absence: Absence| Waiting {
            secret: "out".into(),
            needs: needs.into(),
            key: "tls.crt".into(),
            absence,
        };
        let not_pem = || Absence::NotPem("no".into());
        for (ready, waiting, written, reason) in [
            (false, vec![], true, "ClientCertificateSecretNotReady"),
            (
                true,
                vec![waits("cert", Absence::NoSecret)],
                false,
                "ClientCertificateSecretNotReady",
            ),
            (true, vec![waits("cert", Absence::NoKey)], false, "ClientCertificateSecretError"),
            (true, vec![waits("ca", Absence::NoSecret)], false, "ServerCASecretNotReady"),
            (true, vec![waits("ca", not_pem())], false, "ServerCASecretError"),
            (true, vec![], false, "ClientCertificateSecretNotReady"),
            (true, vec![], true, "SecretsReady"),
        ] {
            assert_eq!(kubeconfig_secret("cert", ready, &waiting, written).reason, reason);
        }
    }
}
