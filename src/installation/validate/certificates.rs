//! Certificates: the names that they cover, and whose word counts for what.
//!
//! What the operator puts into a certificate is known, so a name that is dialled and
//! not covered can be told before anybody sees a failed handshake.

use std::net::IpAddr;

use http::Uri;

use super::{World, find, name};
use crate::api::KcpVersion;
use crate::api::{
    CLUSTER_DOMAIN, CertificateSpecTemplate, CertificateTemplates, CommonShardSpec, ImageSpec,
    Object, ObjectReference, RootShard, VirtualWorkspace, names,
};
use crate::installation::finding::{Code, Finding, Subject};

/// The certificate that a server shows.
const SERVER: &str = "server";

pub(super) fn check(world: &World<'_>, findings: &mut Vec<Finding>) {
    for cache in &world.caches {
        let dialled = Dialled {
            service: names::cache_server(name(*cache)),
            namespace: cache.metadata.namespace.as_deref(),
            domain: cache.spec.cluster_domain.as_deref(),
        };
        dialled.kept(&Subject::typed(*cache), "spec", &cache.spec.certificate_templates, findings);
    }
    for root in &world.roots {
        let subject = Subject::typed(*root);
        let service = names::root_shard_server(name(*root));
        let namespace = root.metadata.namespace.as_deref();
        shard(&subject, &root.spec.common, service, namespace, findings);
        internal_proxy(root, findings);
        shared_issuer(world, root, findings);
        client_bundles(world, root, findings);
    }
    for it in &world.shards {
        let service = names::shard_server(name(*it));
        let namespace = it.metadata.namespace.as_deref();
        shard(&Subject::typed(*it), &it.spec.common, service, namespace, findings);
    }
    for proxy in &world.proxies {
        let own = proxy.spec.external.as_ref().map(|it| it.hostname.as_str());
        let root = proxy.spec.root_shard.reference.as_ref();
        let root = root.and_then(|it| find(&world.roots, *proxy, &it.name));
        let external = own.or(root.map(|it| it.spec.external.hostname.as_str()));
        let templates = &proxy.spec.certificate_templates;
        for host in external.iter().filter(|it| !it.is_empty()) {
            let path = "spec.external.hostname";
            covered(&Subject::typed(*proxy), path, host, true, templates, findings);
        }
    }
    for server in &world.workspaces {
        virtual_workspace(world, server, findings);
    }
}

/// A name that others dial because the operator tells them to.
struct Dialled<'a> {
    service: String,
    namespace: Option<&'a str>,
    domain: Option<&'a str>,
}

impl Dialled<'_> {
    /// Reports a template of the server's certificate, below `at`, that throws the name away.
    fn kept(
        &self,
        subject: &Subject,
        at: &str,
        templates: &CertificateTemplates,
        findings: &mut Vec<Finding>,
    ) {
        let Some(own) = templates.get(SERVER).and_then(|it| replacing(it.spec.as_ref()?)) else {
            return;
        };
        if own.iter().any(|it| self.is_covered_by(it)) {
            return;
        }
        let Self { service, namespace, domain } = self;
        let host = names::service_host(service, namespace.unwrap_or("NAMESPACE"), *domain);
        findings.push(Finding::error(
            Code::UncoveredName,
            subject,
            format!("{at}.certificateTemplates.server.spec.dnsNames"),
            format!(
                "with an issuer of its own these names replace the generated ones, and `{host}`, \
                 which others dial, is not among them"
            ),
            "add the name, and have the CA of that issuer trusted",
        ));
    }

    /// Without a namespace in the manifest, any is right.
    fn is_covered_by(&self, san: &str) -> bool {
        let Self { service, namespace, domain } = self;
        if let Some(namespace) = namespace {
            return matches_name(san, &names::service_host(service, namespace, *domain));
        }
        let domain = domain.filter(|it| !it.is_empty()).unwrap_or(CLUSTER_DOMAIN);
        let is_ours = san.starts_with(&format!("{service}.")) || san.starts_with("*.");
        is_ours && san.ends_with(&format!(".svc.{domain}"))
    }
}

/// The names of a template that replace the generated ones, if they do.
fn replacing(template: &CertificateSpecTemplate) -> Option<&[String]> {
    let replaces = template.issuer_ref.is_some() && !template.dns_names.is_empty();
    replaces.then_some(template.dns_names.as_slice())
}

fn shard(
    subject: &Subject,
    common: &CommonShardSpec,
    service: String,
    namespace: Option<&str>,
    findings: &mut Vec<Finding>,
) {
    let templates = &common.certificate_templates;
    let path = "spec.shardBaseURL";
    let Some(url) = common.shard_base_url.as_deref().filter(|it| !it.is_empty()) else {
        let domain = common.cluster_domain.as_deref();
        Dialled { service, namespace, domain }.kept(subject, "spec", templates, findings);
        return;
    };
    let parsed: Option<Uri> = url.parse().ok();
    let parsed = parsed.filter(|it| it.scheme_str() == Some("https"));
    let host = parsed.as_ref().and_then(Uri::host).filter(|it| !it.is_empty());
    let Some(host) = host else {
        findings.push(Finding::error(
            Code::Address,
            subject,
            path,
            format!("`{url}` is no URL of a shard"),
            "write it as `https://HOST:PORT`",
        ));
        return;
    };
    covered(subject, path, host, true, templates, findings);
}

/// Reports a host that the server's certificate would not be valid for.
///
/// `generated` says whether the operator puts the name into the certificate by itself.
fn covered(
    subject: &Subject,
    path: &str,
    host: &str,
    generated: bool,
    templates: &CertificateTemplates,
    findings: &mut Vec<Finding>,
) {
    let template = templates.get(SERVER).and_then(|it| it.spec.as_ref());
    let own = template.map(|it| it.dns_names.as_slice()).unwrap_or_default();
    let ips = template.map(|it| it.ip_addresses.as_slice()).unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<IpAddr>().ok();
    let is_covered = if let Some(address) = address {
        // The operator takes an address for a name, which no client looks for.
        ips.iter().any(|it| it.parse() == Ok(address))
    } else {
        let replaced = template.and_then(replacing).is_some();
        generated && !replaced || own.iter().any(|it| matches_name(it, host))
    };
    if is_covered {
        return;
    }
    let list = if address.is_some() { "ipAddresses" } else { "dnsNames" };
    findings.push(Finding::error(
        Code::UncoveredName,
        subject,
        path,
        format!("the server's certificate is not valid for `{bare}`"),
        format!("add it to `spec.certificateTemplates.server.spec.{list}`"),
    ));
}

/// Whether a name in a certificate covers `host`.
fn matches_name(name: &str, host: &str) -> bool {
    if let Some(parent) = name.strip_prefix("*.") {
        return host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent));
    }
    name.eq_ignore_ascii_case(host)
}

/// The operator dials the internal proxy by its name in the cluster's domain, and names
/// it in the certificate as if that were always the usual one.
fn internal_proxy(root: &RootShard, findings: &mut Vec<Finding>) {
    let domain = root.spec.common.cluster_domain.as_deref();
    let namespace = root.metadata.namespace.as_deref();
    let dialled = Dialled { service: names::root_shard_proxy(name(root)), namespace, domain };
    let templates = root.spec.proxy.as_ref().map(|it| &it.certificate_templates);
    if domain.is_none_or(|it| it.is_empty() || it == CLUSTER_DOMAIN) {
        if let Some(templates) = templates {
            dialled.kept(&Subject::typed(root), "spec.proxy", templates, findings);
        }
        return;
    }
    let template = templates.and_then(|it| it.get(SERVER));
    let own = template.and_then(|it| it.spec.as_ref()).map(|it| it.dns_names.as_slice());
    if own.unwrap_or_default().iter().any(|it| dialled.is_covered_by(it)) {
        return;
    }
    let namespace = namespace.unwrap_or("NAMESPACE");
    let host = names::service_host(&dialled.service, namespace, domain);
    let finding = Finding::error(
        Code::UncoveredName,
        Subject::typed(root),
        "spec.clusterDomain",
        format!(
            "the operator dials `{host}`, and leaves that name out of the internal proxy's \
             certificate: it could manage nothing inside kcp"
        ),
        "add the name to `spec.proxy.certificateTemplates.server.spec.dnsNames`",
    );
    findings.push(finding.operator_only());
}

/// Shards dial the external name of their server of virtual workspaces; the operator
/// puts only the name of its Service into the certificate.
fn virtual_workspace(world: &World<'_>, server: &VirtualWorkspace, findings: &mut Vec<Finding>) {
    let host = server.spec.external.hostname.as_str();
    if host.is_empty() {
        return;
    }
    let service = names::virtual_workspace_server(name(server));
    let domain = server.spec.cluster_domain.as_deref();
    let generated = match server.metadata.namespace.as_deref() {
        Some(namespace) => host == names::service_host(&service, namespace, domain),
        None => host.starts_with(&format!("{service}.")),
    };
    let before = findings.len();
    let path = "spec.external.hostname";
    let templates = &server.spec.certificate_templates;
    covered(&Subject::typed(server), path, host, generated, templates, findings);
    // We put the name into the certificate, unless a template replaces what is in there.
    let mut ours = Vec::new();
    covered(&Subject::typed(server), path, host, true, templates, &mut ours);
    let operator_only = ours.is_empty();
    let is_used = |common: &CommonShardSpec| {
        common.kcp_virtual_workspace.as_ref().is_some_and(|it| it.name == name(server))
    };
    let used = world.roots.iter().any(|it| is_used(&it.spec.common))
        || world.shards.iter().any(|it| is_used(&it.spec.common));
    for finding in &mut findings[before..] {
        finding.operator_only = operator_only;
        if !used {
            // Nobody but users dials it, and they may trust another certificate in front of it.
            *finding = finding.clone().warn();
        }
    }
}

/// An issuer that is no root puts itself into every CA that comes from it, and so into
/// the CA of clients as well as into that of proxies.
fn shared_issuer(world: &World<'_>, root: &RootShard, findings: &mut Vec<Finding>) {
    let Some(issuer) = &root.spec.certificates.issuer_ref else { return };
    let image = root.spec.common.image.as_ref();
    if is_self_signed(world, root, issuer) != Some(false) || !overlap_matters(image) {
        return;
    }
    let finding = Finding::error(
        Code::SharedClientCa,
        Subject::typed(root),
        "spec.certificates.issuerRef",
        format!(
            "the issuer `{}` is not self-signed, so `{}-ca` would stand in the CA of clients and in \
             that of request headers: kcp {} and later do not start on that with an operator \
             before 0.7.1",
            issuer.name,
            name(root),
            KcpVersion::STRICT_CLIENT_CA
        ),
        "use an operator from 0.7.1 on, or a self-signed issuer",
    );
    findings.push(finding.warn().operator_only());
}

/// Whether an issuer signs with its own key alone; nothing if it is not among the documents.
fn is_self_signed(world: &World<'_>, root: &RootShard, issuer: &ObjectReference) -> Option<bool> {
    let kind = issuer.kind.as_deref().unwrap_or("Issuer");
    let document = world.documents.iter().find(|it| match &it.object {
        Object::Other { api_version, kind: other, name, namespace } => {
            api_version.starts_with("cert-manager.io/")
                && other == kind
                && name.as_deref() == Some(issuer.name.as_str())
                && (kind == "ClusterIssuer" || *namespace == root.metadata.namespace)
        }
        _ => false,
    })?;
    Some(document.tree["spec"]["selfSigned"].is_object())
}

fn overlap_matters(image: Option<&ImageSpec>) -> bool {
    let version = image.and_then(|it| it.tag.as_deref()).and_then(KcpVersion::of_tag);
    version.is_none_or(|it| it >= KcpVersion::STRICT_CLIENT_CA)
}

/// Bundles of CAs for clients that hold a CA which already has another office.
fn client_bundles(world: &World<'_>, root: &RootShard, findings: &mut Vec<Finding>) {
    let taken = [format!("{}-requestheader-client-ca", name(root)), format!("{}-ca", name(root))];
    let mut check = |subject: Subject, bundle: Option<&str>| {
        let Some(bundle) = bundle.filter(|it| taken.iter().any(|taken| taken == it)) else {
            return;
        };
        findings.push(Finding::error(
            Code::SharedClientCa,
            subject,
            "spec.clientCABundleRef",
            format!(
                "`{bundle}` also vouches for proxies, which may speak for any user: no client may \
                 get its certificate from there"
            ),
            "name a Secret with a CA that signs certificates of clients alone",
        ));
    };
    let own = root.spec.common.client_ca_bundle_ref.as_ref();
    check(Subject::typed(root), own.map(|it| it.name.as_str()));
    for shard in &world.shards {
        if world.root_of(shard).is_some_and(|it| std::ptr::eq(it, root)) {
            let bundle = shard.spec.common.client_ca_bundle_ref.as_ref();
            check(Subject::typed(*shard), bundle.map(|it| it.name.as_str()));
        }
    }
    for proxy in &world.proxies {
        let reference = proxy.spec.root_shard.reference.as_ref();
        let ours = reference.and_then(|it| find(&world.roots, *proxy, &it.name));
        if ours.is_some_and(|it| std::ptr::eq(it, root)) {
            let bundle = proxy.spec.client_ca_bundle_ref.as_ref();
            check(Subject::typed(*proxy), bundle.map(|it| it.name.as_str()));
        }
    }
}
