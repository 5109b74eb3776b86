//! Certificates, kubeconfigs, addresses and versions: who gets in, and how long.

use std::time::Duration;

use super::{World, find, name};
use crate::api::{self, KcpVersion};
use crate::api::{
    CertificateTemplates, Certificates, ExternalConfig, FrontProxy, ImageSpec, Kubeconfig, Object,
    RootShard, ServiceTemplate,
};
use crate::installation::finding::{Code, Finding, Subject};

/// The shortest life that cert-manager gives a certificate.
const VALIDITY_MIN: Duration = Duration::from_secs(3600);
/// The same of kcpctl's own issuer.
const OWN_VALIDITY_MIN: Duration = Duration::from_secs(10);
/// What a front-proxy drops unless told otherwise.
const DROPPED: [&str; 2] = ["system:masters", "system:kcp:logical-cluster-admin"];

pub(super) fn check(world: &World<'_>, findings: &mut Vec<Finding>) {
    validity(world, findings);
    for document in world.documents {
        templates(&document.object, findings);
        versions(&document.object, findings);
        services(&document.object, findings);
    }
    for cache in &world.caches {
        let subject = Subject::typed(*cache);
        certificate_source(&subject, &cache.spec.certificates, None, findings);
    }
    for root in &world.roots {
        let subject = Subject::typed(*root);
        certificate_source(&subject, &root.spec.certificates, Some(name(*root)), findings);
        address(&subject, &root.spec.external, findings);
        front_proxy(world, root, findings);
        if root.spec.cache.embedded.is_some() {
            let message = "the operator ignores this: the cache is embedded unless `ref` is set";
            let path = "spec.cache.embedded";
            let finding =
                Finding::error(Code::Ineffective, &subject, path, message, "remove the field");
            findings.push(finding.warn());
        }
    }
    for proxy in &world.proxies {
        if let Some(external) = &proxy.spec.external {
            address(&Subject::typed(*proxy), external, findings);
        }
    }
    for server in &world.workspaces {
        address(&Subject::typed(*server), &server.spec.external, findings);
    }
}

fn validity(world: &World<'_>, findings: &mut Vec<Finding>) {
    for kubeconfig in &world.kubeconfigs {
        let validity = &kubeconfig.spec.validity;
        findings.extend(too_short(validity, Subject::typed(*kubeconfig), "spec.validity".into()));
        if kubeconfig.spec.username.is_empty() {
            findings.push(Finding::error(
                Code::Target,
                Subject::typed(*kubeconfig),
                "spec.username",
                "the user has no name",
                "name the user",
            ));
        }
        dropped_groups(kubeconfig, findings);
    }
}

/// A life that cert-manager refuses, and perhaps kcpctl's own issuer too.
fn too_short(life: &api::Duration, subject: Subject, path: String) -> Option<Finding> {
    let is_less = |than: Duration| life.to_std().is_none_or(|it| it < than);
    let error =
        |message: String, hint| Finding::error(Code::Validity, subject, path, message, hint);
    if is_less(OWN_VALIDITY_MIN) {
        let message = format!("`{life}` is less than ten seconds, which no issuer grants");
        return Some(error(message, "use at least `1h`"));
    }
    is_less(VALIDITY_MIN).then(|| {
        let message = format!("`{life}` is less than an hour, which cert-manager does not grant");
        error(message, "use at least `1h`, or kcpctl's own issuer").operator_only()
    })
}

/// A front-proxy takes some groups from everybody who comes in.
fn dropped_groups(kubeconfig: &Kubeconfig, findings: &mut Vec<Finding>) {
    if kubeconfig.spec.target.front_proxy_ref.is_none() {
        return;
    }
    for group in kubeconfig.spec.groups.iter().filter(|it| DROPPED.contains(&it.as_str())) {
        let finding = Finding::error(
            Code::Ineffective,
            Subject::typed(kubeconfig),
            "spec.groups",
            format!("a front-proxy drops the group `{group}`"),
            "use `system:kcp:admin`, or target a shard",
        );
        findings.push(finding.warn());
    }
}

fn templates(object: &Object, findings: &mut Vec<Finding>) {
    let own = "spec.certificateTemplates";
    let found: Vec<(&str, &CertificateTemplates)> = match object {
        Object::CacheServer(it) => vec![(own, &it.spec.certificate_templates)],
        Object::RootShard(it) => {
            let proxy = it.spec.proxy.as_ref().map(|it| &it.certificate_templates);
            let proxy = proxy.map(|it| ("spec.proxy.certificateTemplates", it));
            std::iter::once((own, &it.spec.common.certificate_templates)).chain(proxy).collect()
        }
        Object::Shard(it) => vec![(own, &it.spec.common.certificate_templates)],
        Object::FrontProxy(it) => vec![(own, &it.spec.certificate_templates)],
        Object::VirtualWorkspace(it) => vec![(own, &it.spec.certificate_templates)],
        Object::Kubeconfig(_) | Object::Other { .. } => vec![],
    };
    for (path, templates) in found {
        for (certificate, template) in templates {
            let duration = template.spec.as_ref().and_then(|it| it.duration.as_ref());
            let Some(duration) = duration else { continue };
            let path = format!("{path}.{certificate}.spec.duration");
            findings.extend(too_short(duration, Subject::of(object), path));
        }
    }
}

/// `root` names a root shard: its pods look for a Secret of one fixed name.
fn certificate_source(
    subject: &Subject,
    certificates: &Certificates,
    root: Option<&str>,
    findings: &mut Vec<Finding>,
) {
    let Certificates { issuer_ref, ca_secret_ref } = certificates;
    let (path, message, hint) = match (issuer_ref, ca_secret_ref, root) {
        (None, None, _) => (
            "spec.certificates",
            "nothing says where the root CA comes from".to_owned(),
            "set `issuerRef` to a cert-manager issuer".to_owned(),
        ),
        (Some(_), Some(_), _) => (
            "spec.certificates",
            "`issuerRef` and `caSecretRef` are both set: one CA would sign and the other be trusted"
                .to_owned(),
            "remove one of them".to_owned(),
        ),
        (None, Some(_), None) => (
            "spec.certificates.caSecretRef",
            "the operator cannot make a cache server from a CA Secret: it stops in every attempt"
                .to_owned(),
            "set `issuerRef`, to a cert-manager issuer of the kind CA for that Secret".to_owned(),
        ),
        (None, Some(secret), Some(root)) if secret.name != format!("{root}-ca") => (
            "spec.certificates.caSecretRef",
            format!("the pods look for the CA in a Secret `{root}-ca`, which nobody would make"),
            format!("name the Secret `{root}-ca`"),
        ),
        _ => return,
    };
    let finding = Finding::error(Code::CertificateSource, subject, path, message, hint);
    // A CA that was brought is the one that we mount and sign with.
    findings.push(if ca_secret_ref.is_some() { finding.operator_only() } else { finding });
}

/// Whether `host` is a DNS name or an IPv4 address.
pub fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        let bytes = label.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
            && bytes[0] != b'-'
            && bytes[bytes.len() - 1] != b'-'
    };
    host.len() <= 253 && host.split('.').all(label)
}

fn address(subject: &Subject, external: &ExternalConfig, findings: &mut Vec<Finding>) {
    let ExternalConfig { hostname, port, private_hostname, private_port } = external;
    let hosts = [("hostname", Some(hostname)), ("privateHostname", private_hostname.as_ref())];
    for (field, host) in hosts {
        let Some(host) = host else { continue };
        if !is_host(host) && host.parse::<std::net::Ipv6Addr>().is_err() {
            findings.push(Finding::error(
                Code::Address,
                subject,
                format!("spec.external.{field}"),
                format!("`{host}` is no host name"),
                "use a DNS name without a scheme, a port or a path, such as `kcp.example.com`",
            ));
        }
    }
    for (field, port) in [("port", Some(*port)), ("privatePort", *private_port)] {
        let Some(port) = port else { continue };
        if !(1..=65_535).contains(&port) {
            findings.push(Finding::error(
                Code::Address,
                subject,
                format!("spec.external.{field}"),
                format!("{port} is no port"),
                "use a number from 1 to 65535",
            ));
        }
    }
}

/// kcp schedules workspaces through the external address, so something must answer there.
fn front_proxy(world: &World<'_>, root: &RootShard, findings: &mut Vec<Finding>) {
    let external = &root.spec.external;
    let answers = |proxy: &&&FrontProxy| {
        let reference = proxy.spec.root_shard.reference.as_ref();
        let ours = reference.and_then(|it| find(&world.roots, **proxy, &it.name));
        if !ours.is_some_and(|it| std::ptr::eq(it, root)) {
            return false;
        }
        match (&proxy.spec.external, proxy.spec.external_hostname.as_deref()) {
            (Some(own), _) if !own.hostname.is_empty() => {
                own.hostname == external.hostname && own.port == external.port
            }
            (_, Some(host)) if !host.is_empty() => {
                host.split(':').next() == Some(external.hostname.as_str())
            }
            _ => true,
        }
    };
    let namespace = &root.metadata.namespace;
    let perhaps =
        world.opaque.iter().any(|it| it.kind == "FrontProxy" && it.namespace == *namespace);
    if !perhaps && world.proxies.iter().find(answers).is_none() {
        findings.push(Finding::error(
            Code::NoFrontProxy,
            Subject::typed(root),
            "spec.external",
            format!(
                "no front-proxy answers at `{}:{}`: workspaces would never be scheduled",
                external.hostname, external.port
            ),
            "add a FrontProxy for this root shard with the same `spec.external`",
        ));
    }
}

fn image(object: &Object) -> Option<&ImageSpec> {
    match object {
        Object::CacheServer(it) => it.spec.image.as_ref(),
        Object::RootShard(it) => it.spec.common.image.as_ref(),
        Object::Shard(it) => it.spec.common.image.as_ref(),
        Object::FrontProxy(it) => it.spec.image.as_ref(),
        Object::VirtualWorkspace(it) => it.spec.image.as_ref(),
        Object::Kubeconfig(_) | Object::Other { .. } => None,
    }
}

fn versions(object: &Object, findings: &mut Vec<Finding>) {
    let Some(tag) = image(object).and_then(|it| it.tag.as_deref()) else { return };
    let Some(version) = KcpVersion::of_tag(tag) else { return };
    let subject = Subject::of(object);
    let mut report = |message: String, hint: String| {
        let path = "spec.image.tag";
        findings.push(Finding::error(Code::Version, &subject, path, message, hint));
    };
    if version < KcpVersion::OLDEST {
        return report(
            format!("kcp {version} is too old: its shards show a cache server no certificate"),
            format!("use {} or later", KcpVersion::OLDEST),
        );
    }
    let Object::CacheServer(cache) = object else { return };
    let Some(etcd) = &cache.spec.etcd else { return };
    if version < KcpVersion::CACHE_ON_ETCD {
        report(
            format!("the cache server of kcp {version} cannot store in an etcd of its own"),
            format!("use {} or later, or remove `spec.etcd`", KcpVersion::CACHE_ON_ETCD),
        );
    }
    let ignored = etcd.prefix.as_deref().filter(|it| !["/cache", "/registry"].contains(it));
    if let Some(prefix) = ignored.filter(|_| version < KcpVersion::CACHE_PREFIX) {
        let finding = Finding::error(
            Code::Ineffective,
            &subject,
            "spec.etcd.prefix",
            format!(
                "the cache server of kcp {version} ignores `{prefix}` and stores below `/cache`: \
                 another installation's cache in this etcd would be mixed with it"
            ),
            "give the cache of each installation an etcd of its own",
        );
        findings.push(finding.warn());
    }
}

/// The operator sends the list of ports without node ports, over and over.
fn services(object: &Object, findings: &mut Vec<Finding>) {
    let template: Option<&ServiceTemplate> = match object {
        Object::CacheServer(it) => it.spec.service_template.as_ref(),
        Object::RootShard(it) => it.spec.common.service_template.as_ref(),
        Object::Shard(it) => it.spec.common.service_template.as_ref(),
        Object::VirtualWorkspace(it) => it.spec.service_template.as_ref(),
        // It keeps the ports that it finds.
        Object::FrontProxy(it) => {
            let kind = it.spec.service_template.as_ref().and_then(|it| it.spec.as_ref());
            if let Some(kind) = kind.and_then(|it| it.type_.as_deref())
                && !["ClusterIP", "NodePort", "LoadBalancer"].contains(&kind)
            {
                findings.push(Finding::error(
                    Code::ServiceType,
                    Subject::of(object),
                    "spec.serviceTemplate.spec.type",
                    format!("`{kind}` is no type of a Service with pods"),
                    "use `ClusterIP`, `NodePort` or `LoadBalancer`",
                ));
            }
            return;
        }
        Object::Kubeconfig(_) | Object::Other { .. } => return,
    };
    let kind = template.and_then(|it| it.spec.as_ref()).and_then(|it| it.type_.as_deref());
    if let Some(kind) = kind.filter(|it| *it != "ClusterIP") {
        let finding = Finding::error(
            Code::ServiceType,
            Subject::of(object),
            "spec.serviceTemplate.spec.type",
            format!("the operator never comes to rest on a Service of type `{kind}` here"),
            "leave it `ClusterIP`, and add a Service of your own with the same selector",
        );
        findings.push(finding.warn().operator_only());
    }
}
