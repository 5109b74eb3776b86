//! Requests to the cluster's API server, and what comes of them.

use std::time::Duration;

use kube::Client;
use kube::api::{
    Api, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions, PropagationPolicy,
};
use kube::core::ApiResource;
use serde_json::Value;
use tokio::time::timeout;

use super::kinds::Watched;
use super::live::Live;
use crate::client::cluster::FIELD_MANAGER;

/// How long a request may take, before it is given up and tried again later.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request that failed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Failure {
    /// The server said no.
    #[error("{message} (code {code})")]
    Refused {
        /// The code of the answer.
        code: u16,
        /// In the server's words.
        message: String,
    },
    /// No answer came, or none that could be read.
    #[error("{0}")]
    Lost(String),
}

impl Failure {
    /// A word for a condition.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Refused { code: 401 | 403, .. } => "Forbidden",
            Self::Refused { code: 404, .. } => "NotFound",
            Self::Refused { code: 409, .. } => "Conflict",
            Self::Refused { code: 400 | 422, .. } => "Refused",
            Self::Refused { .. } | Self::Lost(_) => "Unreachable",
        }
    }

    /// What to do about it; empty if only time helps.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Refused { code: 401 | 403, .. } => "give kcpctl a role that may do this",
            Self::Refused { code: 404, .. } => {
                "install what defines this type, such as cert-manager, or make the namespace"
            }
            Self::Refused { code: 409, .. } => {
                "somebody else manages these fields: take them out there, or delete the object"
            }
            Self::Refused { code: 400 | 422, .. } => "change what the object asks for",
            Self::Refused { .. } | Self::Lost(_) => "",
        }
    }

    /// The code of the answer, if there was one.
    pub(super) fn code(&self) -> Option<u16> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            Self::Lost(_) => None,
        }
    }
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => {
                let message =
                    if status.message.is_empty() { &status.reason } else { &status.message };
                Self::Refused { code: status.code, message: message.clone() }
            }
            error => {
                // The last cause says most: what stands above it names layers of the client.
                let mut cause: &dyn std::error::Error = &error;
                while let Some(next) = cause.source() {
                    cause = next;
                }
                Self::Lost(cause.to_string())
            }
        }
    }
}

/// Waits for an answer, though not for ever.
pub(super) async fn patiently<T>(
    answer: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Failure> {
    match timeout(PATIENCE, answer).await {
        Ok(answer) => answer.map_err(Failure::from),
        Err(_) => Err(Failure::Lost(format!("no answer within {} seconds", PATIENCE.as_secs()))),
    }
}

/// The cluster.
#[derive(Clone)]
pub(super) struct Cluster {
    client: Client,
    dry_run: bool,
}

impl Cluster {
    pub(super) fn new(client: Client, dry_run: bool) -> Self {
        Self { client, dry_run }
    }

    fn api(&self, resource: &ApiResource, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, resource)
    }

    /// Applies a tree under our name.
    pub(super) async fn apply(
        &self,
        watched: Watched,
        tree: &Value,
        force: bool,
    ) -> Result<Live, Failure> {
        let text = |key: &str| tree["metadata"][key].as_str().unwrap_or_default();
        let api = self.api(&watched.resource(), text("namespace"));
        let mut params = PatchParams::apply(FIELD_MANAGER);
        params.force = force;
        params.dry_run = self.dry_run;
        let patch = Patch::Apply(tree);
        let object = patiently(api.patch(text("name"), &params, &patch)).await?;
        Ok(Live::of(watched, object))
    }

    /// Merges a patch into an object, or into its status.
    pub(super) async fn merge(
        &self,
        resource: &ApiResource,
        (namespace, name): (&str, &str),
        patch: &Value,
        status: bool,
    ) -> Result<DynamicObject, Failure> {
        let api = self.api(resource, namespace);
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            dry_run: self.dry_run,
            ..PatchParams::default()
        };
        let patch = Patch::Merge(patch);
        if status {
            patiently(api.patch_status(name, &params, &patch)).await
        } else {
            patiently(api.patch(name, &params, &patch)).await
        }
    }

    /// One object; nothing if there is none, or no such type.
    pub(super) async fn get(
        &self,
        resource: &ApiResource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<DynamicObject>, Failure> {
        match patiently(self.api(resource, namespace).get(name)).await {
            Ok(object) => Ok(Some(object)),
            Err(failure) if failure.code() == Some(404) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Deletes an object if it is still the one with that uid. One that is gone is no failure.
    pub(super) async fn delete(
        &self,
        resource: &ApiResource,
        (namespace, name): (&str, &str),
        uid: &str,
        orphan: bool,
    ) -> Result<(), Failure> {
        let policy = if orphan { PropagationPolicy::Orphan } else { PropagationPolicy::Background };
        let params = DeleteParams {
            dry_run: self.dry_run,
            propagation_policy: Some(policy),
            preconditions: Some(Preconditions {
                uid: Some(uid.to_owned()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        match patiently(self.api(resource, namespace).delete(name, &params)).await {
            Ok(_) => Ok(()),
            Err(failure) if failure.code() == Some(404) => Ok(()),
            Err(failure) => Err(failure),
        }
    }
}
