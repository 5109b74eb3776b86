//! Whether others run in this cluster who do our work: kcp-operator, cert-manager.

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
/// Where cert-manager's controller keeps its lease unless somebody chose otherwise.
const CERT_MANAGER_NAMESPACES: [&str; 2] = ["kube-system", "cert-manager"];

/// Refuses to begin beside kcp-operator, unless that is what the user wants: two that apply
/// the same objects undo each other's work.
///
/// Nor beside cert-manager, if certificates are to be signed here: that is never wanted.
pub(super) async fn refuse(client: &Client, settings: &Settings) -> Result<(), ReconcileError> {
    if settings.issue_certificates {
        for namespace in CERT_MANAGER_NAMESPACES {
            let namespaces = [settings.namespace.as_deref(), Some(namespace)];
            if let Some(sign) = held(client, adopt::CERT_MANAGER_LEASE, namespaces).await? {
                return Err(ReconcileError::CertManager(sign));
            }
        }
    }
    if settings.force {
        return Ok(());
    }
    let namespaces = [settings.namespace.as_deref(), Some(OPERATOR_NAMESPACE)];
    if let Some(sign) = held(client, adopt::OPERATOR_LEASE, namespaces).await? {
        return Err(ReconcileError::Operator(sign));
    }
    let deployments = Watched::Deployment.resource();
    let deployments = everywhere(client, &deployments, &ListParams::default(), namespaces).await?;
    let running: Option<Sign> = deployments.iter().find_map(adopt::running_operator);
    running.map_or(Ok(()), |sign| Err(ReconcileError::Operator(sign)))
}

/// Whether a lease of that name is held.
async fn held(
    client: &Client,
    name: &str,
    namespaces: [Option<&str>; 2],
) -> Result<Option<Sign>, ReconcileError> {
    let leases = kinds::resource("coordination.k8s.io", "v1", "Lease", "leases");
    let of_name = ListParams::default().fields(&format!("metadata.name={name}"));
    let leases = everywhere(client, &leases, &of_name, namespaces).await?;
    let now = Timestamp::now();
    Ok(leases.iter().find_map(|it| adopt::held_lease(it, name, now)))
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
