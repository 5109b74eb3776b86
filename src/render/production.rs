//! What the profile `production` adds to what the operator makes.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::TopologySpreadConstraint;
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::owner::{Labels, Owner};
use crate::api::{PRODUCTION, PROFILE_ANNOTATION};

/// Over what pods are spread.
const TOPOLOGY_KEYS: [&str; 2] = ["topology.kubernetes.io/zone", "kubernetes.io/hostname"];

/// Whether the annotations of an object ask for it.
pub(super) fn is_asked_for(annotations: &Labels) -> bool {
    annotations.get(PROFILE_ANNOTATION).is_some_and(|it| it == PRODUCTION)
}

/// Spreads pods over zones and nodes, unless a template says how.
pub(super) fn spread(deployment: &mut Deployment) {
    let selector = deployment.spec.selector.clone();
    let Some(pod) = &mut deployment.spec.template.spec else { return };
    if pod.topology_spread_constraints.is_some() {
        return;
    }
    let constraint = |key: &str| TopologySpreadConstraint {
        label_selector: Some(selector.clone()),
        max_skew: 1,
        topology_key: key.to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        ..TopologySpreadConstraint::default()
    };
    pod.topology_spread_constraints = Some(TOPOLOGY_KEYS.map(constraint).into());
}

/// Lets one pod of a Deployment at a time be drained, if there are several.
pub(super) fn budget(
    owner: &Owner,
    labels: Labels,
    deployment: &Deployment,
) -> Option<PodDisruptionBudget> {
    if deployment.spec.replicas.unwrap_or(1) <= 1 {
        return None;
    }
    Some(PodDisruptionBudget {
        metadata: owner.metadata(deployment.metadata.name.clone().unwrap_or_default(), labels),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(deployment.spec.selector.clone()),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    })
}
