//! Services: one a server, with the operator's labels as selector.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::owner::{Labels, Owner};
use super::template;
use crate::api::{ServiceTemplate, names};

/// Where a shard serves virtual workspaces inside its own process.
const WORKSPACES_PORT: i32 = 6444;

/// The port of a server.
pub(super) fn https(port: i32) -> ServicePort {
    entry("https", port, i32::from(names::SERVER_PORT))
}

/// The port of the virtual workspaces inside a shard.
pub(super) fn https_workspaces() -> ServicePort {
    entry("https-virtual-workspaces", WORKSPACES_PORT, WORKSPACES_PORT)
}

fn entry(name: &str, port: i32, target: i32) -> ServicePort {
    ServicePort {
        app_protocol: Some("https".to_owned()),
        name: Some(name.to_owned()),
        port,
        protocol: Some("TCP".to_owned()),
        target_port: Some(IntOrString::Int(target)),
        ..ServicePort::default()
    }
}

/// The Service of a server.
pub(super) fn service(
    owner: &Owner,
    name: String,
    labels: Labels,
    ports: Vec<ServicePort>,
    template: Option<&ServiceTemplate>,
) -> Service {
    let mut metadata = owner.metadata(name, labels.clone());
    let own = template.and_then(|it| it.metadata.as_ref());
    template::metadata(&mut metadata, own);
    let own = template.and_then(|it| it.spec.as_ref());
    let filled = |it: Option<&String>| it.filter(|it| !it.is_empty()).cloned();
    let type_ = filled(own.and_then(|it| it.type_.as_ref()));
    Service {
        metadata,
        spec: Some(ServiceSpec {
            cluster_ip: filled(own.and_then(|it| it.cluster_ip.as_ref())),
            ports: Some(ports),
            selector: Some(labels),
            type_: Some(type_.unwrap_or_else(|| "ClusterIP".to_owned())),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}
