//! Changes that an object's templates ask for.
//!
//! Labels and annotations are added, and never replace what is generated: selectors and
//! owners depend on that. Fields of a spec replace.

use k8s_openapi::api::apps::v1::DeploymentSpec;
use k8s_openapi::api::core::v1::{LocalObjectReference, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::names::sorted;
use super::owner::Labels;
use crate::api::{
    Certificate, CertificateMetadata, CertificatePrivateKey, CertificateSpecTemplate,
    CertificateSubject, CertificateTemplate, DeploymentTemplate, Metadata, ObjectReference,
    PodSpecTemplate,
};

/// Adds labels and annotations.
pub(super) fn metadata(metadata: &mut ObjectMeta, template: Option<&Metadata>) {
    let Some(template) = template else { return };
    add_some(&mut metadata.labels, &template.labels);
    add_some(&mut metadata.annotations, &template.annotations);
}

fn add_some(to: &mut Option<Labels>, more: &Labels) {
    if !more.is_empty() {
        add(to.get_or_insert_default(), more);
    }
}

fn add(to: &mut Labels, more: &Labels) {
    for (key, value) in more {
        to.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

/// Changes a Deployment.
pub(super) fn deployment(
    object: &mut ObjectMeta,
    spec: &mut DeploymentSpec,
    template: Option<&DeploymentTemplate>,
) {
    let Some(template) = template else { return };
    metadata(object, template.metadata.as_ref());
    let Some(pods) = template.spec.as_ref().and_then(|it| it.template.as_ref()) else { return };
    metadata(spec.template.metadata.get_or_insert_default(), pods.metadata.as_ref());
    if let (Some(pod), Some(template)) = (&mut spec.template.spec, &pods.spec) {
        pod_spec(pod, template);
    }
}

fn pod_spec(pod: &mut PodSpec, template: &PodSpecTemplate) {
    let PodSpecTemplate {
        node_selector,
        affinity,
        tolerations,
        host_aliases,
        image_pull_secrets,
        topology_spread_constraints,
    } = template.clone();
    pod.node_selector = Some(node_selector).filter(|it| !it.is_empty());
    pod.affinity = affinity;
    pod.tolerations = filled(tolerations);
    pod.host_aliases = filled(host_aliases);
    pod.topology_spread_constraints = filled(topology_spread_constraints);
    let own = pod.image_pull_secrets.take().unwrap_or_default();
    pod.image_pull_secrets = filled(each_once(image_pull_secrets.into_iter().chain(own)));
}

/// A list, if there is anything in it.
pub(super) fn filled<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|it| !it.is_empty())
}

/// Each Secret once: a list in which a name stands twice cannot be applied.
pub(super) fn each_once(
    secrets: impl IntoIterator<Item = LocalObjectReference>,
) -> Vec<LocalObjectReference> {
    let mut all: Vec<LocalObjectReference> = Vec::new();
    for secret in secrets {
        if !all.contains(&secret) {
            all.push(secret);
        }
    }
    all
}

/// Lays requests and limits over others, one resource at a time.
pub(super) fn resources(
    default: Option<ResourceRequirements>,
    own: Option<&ResourceRequirements>,
) -> Option<ResourceRequirements> {
    let Some(own) = own else { return default };
    let mut all = default.unwrap_or_default();
    for (to, more) in [(&mut all.limits, &own.limits), (&mut all.requests, &own.requests)] {
        if let Some(more) = more.as_ref().filter(|it| !it.is_empty()) {
            to.get_or_insert_default().extend(more.clone());
        }
    }
    Some(all).filter(|it| *it != ResourceRequirements::default())
}

/// Changes a Certificate.
pub(super) fn certificate(certificate: &mut Certificate, template: Option<&CertificateTemplate>) {
    let Some(template) = template else { return };
    metadata(&mut certificate.metadata, template.metadata.as_ref());
    if let Some(template) = &template.spec {
        certificate_spec(certificate, template);
    }
}

fn certificate_spec(certificate: &mut Certificate, template: &CertificateSpecTemplate) {
    let spec = &mut certificate.spec;
    let CertificateSpecTemplate {
        subject,
        issuer_ref,
        dns_names,
        ip_addresses,
        secret_template,
        duration,
        renew_before,
        private_key,
    } = template.clone();
    if !dns_names.is_empty() {
        // Another issuer may not grant the generated names.
        spec.dns_names = if issuer_ref.is_some() {
            dns_names
        } else {
            sorted(spec.dns_names.drain(..).chain(dns_names))
        };
    }
    spec.ip_addresses = sorted(spec.ip_addresses.drain(..).chain(ip_addresses));
    if let Some(duration) = duration {
        spec.duration = Some(duration.canonical());
    }
    if let Some(renew_before) = renew_before {
        spec.renew_before = Some(renew_before.canonical());
    }
    if let Some(template) = secret_template {
        let own = spec.secret_template.get_or_insert_with(CertificateMetadata::default);
        add(&mut own.labels, &template.labels);
        add(&mut own.annotations, &template.annotations);
    }
    if let Some(issuer_ref) = issuer_ref {
        spec.issuer_ref = issuer(issuer_ref);
    }
    if let Some(template) = private_key {
        let own = spec.private_key.get_or_insert_with(CertificatePrivateKey::default);
        own.rotation_policy = template.rotation_policy.or(own.rotation_policy);
        own.encoding = template.encoding.or(own.encoding);
        own.algorithm = template.algorithm.or(own.algorithm);
        own.size = template.size.filter(|it| *it > 0).or(own.size);
    }
    if let Some(template) = subject {
        certificate_subject(spec.subject.get_or_insert_with(CertificateSubject::default), template);
    }
}

fn certificate_subject(own: &mut CertificateSubject, template: CertificateSubject) {
    let CertificateSubject {
        organizations,
        countries,
        organizational_units,
        localities,
        provinces,
        street_addresses,
        postal_codes,
        serial_number,
    } = template;
    for (own, more) in [
        (&mut own.organizations, organizations),
        (&mut own.countries, countries),
        (&mut own.organizational_units, organizational_units),
        (&mut own.localities, localities),
        (&mut own.provinces, provinces),
        (&mut own.street_addresses, street_addresses),
        (&mut own.postal_codes, postal_codes),
    ] {
        *own = sorted(own.drain(..).chain(more));
    }
    if let Some(serial) = serial_number.filter(|it| !it.is_empty()) {
        own.serial_number = Some(serial);
    }
}

/// A reference to an issuer without empty parts, whose default is cert-manager's.
pub(super) fn issuer(reference: ObjectReference) -> ObjectReference {
    let ObjectReference { name, kind, group } = reference;
    let filled = |it: Option<String>| it.filter(|it| !it.is_empty());
    ObjectReference { name, kind: filled(kind), group: filled(group) }
}
