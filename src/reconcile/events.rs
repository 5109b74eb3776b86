//! Events: what happened to a source, where `kubectl describe` shows it.

use k8s_openapi::api::core::v1::{self as core, ObjectReference};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, PostParams};

use super::cluster::{Failure, patiently};
use super::look::Did;
use super::source::SourceKey;
use super::status::Turn;
use crate::api::API_VERSION;

/// The longest text that an event may have, in bytes.
const NOTE_MAX: usize = 1000;
/// Who reports.
const REPORTER: &str = "kcpctl";

/// Tells what happens. Each event is one of its own: there is one only when something changed.
pub(super) struct Events {
    client: Client,
}

impl Events {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Conditions turned.
    pub(super) async fn turned(&self, key: &SourceKey, uid: &str, turns: &[Turn]) {
        for turn in turns {
            let waits = ["Waiting", "DeploymentUnavailable", "ReplicasUnavailable"]
                .iter()
                .any(|it| turn.reason.starts_with(it))
                || turn.reason.ends_with("NotReady");
            let note = format!("{}: {}", turn.type_, turn.message);
            let regarding = source(key, uid);
            let is_good = turn.holds || waits;
            self.publish(&key.namespace, regarding, is_good, &turn.reason, &turn.type_, note).await;
        }
    }

    /// Objects were changed.
    pub(super) async fn did(&self, key: &SourceKey, uid: &str, did: &[Did]) {
        if did.is_empty() {
            return;
        }
        let all: Vec<String> = did.iter().map(|it| format!("{} {}", it.verb, it.what)).collect();
        let regarding = source(key, uid);
        let note = all.join(", ");
        self.publish(&key.namespace, regarding, true, "Changed", "Reconcile", note).await;
    }

    /// Something happened to an object.
    pub(super) async fn publish(
        &self,
        namespace: &str,
        regarding: ObjectReference,
        is_good: bool,
        reason: &str,
        action: &str,
        mut note: String,
    ) {
        if note.len() > NOTE_MAX {
            let end = (0..=NOTE_MAX).rev().find(|it| note.is_char_boundary(*it)).unwrap_or(0);
            note.truncate(end);
            note.push('…');
        }
        let now = Timestamp::now();
        let name = regarding.name.clone().unwrap_or_default();
        let event = Event {
            action: Some(action.to_owned()),
            event_time: Some(MicroTime(now)),
            metadata: ObjectMeta {
                name: Some(format!("{name}.{:x}", now.as_nanosecond())),
                namespace: Some(namespace.to_owned()),
                ..ObjectMeta::default()
            },
            note: Some(note),
            reason: Some(reason.to_owned()),
            regarding: Some(regarding),
            reporting_controller: Some(REPORTER.to_owned()),
            reporting_instance: Some(REPORTER.to_owned()),
            type_: Some(if is_good { "Normal" } else { "Warning" }.to_owned()),
            ..Event::default()
        };
        let events: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let mut answer = patiently(events.create(&PostParams::default(), &event)).await.map(drop);
        if answer.as_ref().err().and_then(Failure::code) == Some(404) {
            // A small API server may have none but the older events.
            let events: Api<core::Event> = Api::namespaced(self.client.clone(), namespace);
            let older = older(&event);
            answer = patiently(events.create(&PostParams::default(), &older)).await.map(drop);
        }
        // Nothing depends on an event, least of all what it tells of.
        if let Err(error) = answer {
            tracing::debug!(%error, object = name, "an event was not taken");
        }
    }
}

fn source(key: &SourceKey, uid: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some(API_VERSION.to_owned()),
        kind: Some(key.kind.as_str().to_owned()),
        name: Some(key.name.clone()),
        namespace: Some(key.namespace.clone()),
        uid: Some(uid.to_owned()),
        ..ObjectReference::default()
    }
}

/// The same event in the older API.
fn older(event: &Event) -> core::Event {
    let at = event.event_time.as_ref().map(|it| Time(it.0));
    core::Event {
        involved_object: event.regarding.clone().unwrap_or_default(),
        metadata: event.metadata.clone(),
        reason: event.reason.clone(),
        message: event.note.clone(),
        type_: event.type_.clone(),
        action: event.action.clone(),
        event_time: event.event_time.clone(),
        first_timestamp: at.clone(),
        last_timestamp: at,
        count: Some(1),
        reporting_component: event.reporting_controller.clone(),
        reporting_instance: event.reporting_instance.clone(),
        ..core::Event::default()
    }
}
