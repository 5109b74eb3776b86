//! Whether kcp-operator runs in this cluster.

use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::ApiResource;
use serde_json::Value;

use super::adopt::{self, Sign};
use super::cluster::{Failure, patiently};
use super::kinds::{self, Watched};
use super::{ReconcileError, Settings};

/// Where the original is installed unless somebody chose otherwise.
const OPERATOR_NAMESPACE: &str = "kcp-operator-system";

/// Refuses to begin beside kcp-operator, unless that is what the user wants: two that apply
/// the same objects undo each other's work.
pub(super) async fn refuse(client: &Client, settings: &Settings) -> Result<(), ReconcileError> {
    if settings.force {
        return Ok(());
    }
    let lease = ListParams::default().fields(&format!("metadata.name={}", adopt::OPERATOR_LEASE));
    let namespaces = [settings.namespace.as_deref(), Some(OPERATOR_NAMESPACE)];
    let leases = kinds::resource("coordination.k8s.io", "v1", "Lease", "leases");
    let now = Timestamp::now();
    let leases = everywhere(client, &leases, &lease, namespaces).await?;
    if let Some(sign) = leases.iter().find_map(|it| adopt::held_lease(it, now)) {
        return Err(ReconcileError::Operator(sign));
    }
    let deployments = Watched::Deployment.resource();
    let deployments = everywhere(client, &deployments, &ListParams::default(), namespaces).await?;
    let running: Option<Sign> = deployments.iter().find_map(adopt::running_operator);
    running.map_or(Ok(()), |sign| Err(ReconcileError::Operator(sign)))
}

/// The objects of all namespaces, or of those that may be read.
async fn everywhere(
    client: &Client,
    resource: &ApiResource,
    params: &ListParams,
    namespaces: [Option<&str>; 2],
) -> Result<Vec<Value>, ReconcileError> {
    let trees = |found: Vec<DynamicObject>| -> Vec<Value> {
        found.iter().map(|it| serde_json::to_value(it).unwrap_or_default()).collect()
    };
    let all: Api<DynamicObject> = Api::all_with(client.clone(), resource);
    match patiently(all.list(params)).await {
        Ok(list) => return Ok(trees(list.items)),
        Err(failure) if failure.code() == Some(403) => {}
        Err(failure) => return Err(ReconcileError::Unasked(failure.to_string())),
    }
    let mut found = Vec::new();
    for namespace in namespaces.into_iter().flatten() {
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, resource);
        match patiently(api.list(params)).await {
            Ok(list) => found.extend(trees(list.items)),
            Err(Failure::Refused { code: 403 | 404, .. }) => {
                tracing::warn!(namespace, "cannot see whether kcp-operator runs here");
            }
            Err(failure) => return Err(ReconcileError::Unasked(failure.to_string())),
        }
    }
    Ok(found)
}
