//! Asking the servers themselves: etcds, and whoever answers at the host names of users.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use reqwest::{Certificate as RootCertificate, Client, Identity};
use serde_json::Value;
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::Findings;
use super::report::Area;
use crate::client::cluster::ClusterClient;
use crate::client::{Trouble, served_chain};
use crate::error::CliError;
use crate::installation::live::{subject, text};
use crate::installation::{Code, Finding, Subject};
use crate::pki::{Certificate, San};

/// How long a server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// An etcd that an object stores in.
#[derive(Clone, Eq, Ord, PartialEq, PartialOrd)]
struct Etcd {
    namespace: String,
    endpoint: String,
    secret: String,
}

/// Whether each etcd answers, with the certificate that its servers would show.
///
/// One behind a Service that is in `objects` itself cannot be there yet.
pub(super) async fn etcds(client: &ClusterClient, objects: &[Value]) -> Result<Area, CliError> {
    let mut area = Area::of("etcd", Findings::new());
    let mut seen: BTreeSet<Etcd> = BTreeSet::new();
    for object in objects {
        let endpoints = object.pointer("/spec/etcd/endpoints").and_then(Value::as_array);
        for (index, endpoint) in
            endpoints.into_iter().flatten().filter_map(Value::as_str).enumerate()
        {
            let etcd = Etcd {
                namespace: text(object, "/metadata/namespace").to_owned(),
                endpoint: endpoint.to_owned(),
                secret: text(object, "/spec/etcd/tlsConfig/secretRef/name").to_owned(),
            };
            if !seen.insert(etcd.clone()) {
                continue;
            }
            let path = format!("spec.etcd.endpoints[{index}]");
            let comes = host_and_port(endpoint)
                .and_then(|(host, _)| service_of(&host, &etcd.namespace))
                .is_some_and(|(service, home)| {
                    objects.iter().any(|it| {
                        text(it, "/kind") == "Service"
                            && text(it, "/metadata/name") == service
                            && text(it, "/metadata/namespace") == home
                    })
                });
            if comes {
                area = area.skip(format!("{endpoint}: comes with the manifests"));
                continue;
            }
            area = etcd.ask(client, &subject(object), path, area).await?;
        }
    }
    Ok(area)
}

impl Etcd {
    async fn ask(
        &self,
        client: &ClusterClient,
        subject: &Subject,
        path: String,
        area: Area,
    ) -> Result<Area, CliError> {
        let Self { namespace, endpoint, secret } = self;
        let Some((host, port)) = host_and_port(endpoint) else {
            return Ok(area); // validate says that this is no endpoint
        };
        let finding = |message: String, hint: &str| {
            Finding::error(Code::EtcdUnreachable, subject, path.as_str(), message, hint)
        };
        if !resolves(&host, port).await {
            // Names of Services mean something within the cluster alone.
            let Some((service, home)) = service_of(&host, namespace) else {
                let message = format!("the host `{host}` has no address");
                return Ok(area
                    .with(vec![finding(message, "check the endpoint, and the DNS of the nodes")]));
            };
            let of = client.resource("v1", "Service").await?;
            return Ok(match client.get(&of, &home, &service).await {
                Ok(None) => {
                    let message = format!("there is no Service `{service}` in `{home}`");
                    area.with(vec![finding(message, "install the etcd, or correct the endpoint")])
                }
                Ok(Some(_)) => area.skip(format!("{endpoint}: a Service, not reached from here")),
                Err(_) => area.skip(format!("{endpoint}: not reached from here")),
            });
        }
        let credentials = if secret.is_empty() {
            None
        } else {
            let of = client.resource("v1", "Secret").await?;
            match client.get(&of, namespace, secret).await {
                Ok(Some(it)) => Some(it),
                // What is wrong with the Secret is said where Secrets are.
                Ok(None) | Err(_) => {
                    return Ok(
                        area.skip(format!("{endpoint}: not asked without the Secret `{secret}`"))
                    );
                }
            }
        };
        Ok(match asked(endpoint, credentials.as_ref()).await {
            Ok(()) => area.note(format!("{endpoint} answers")),
            Err((message, hint)) => {
                area.with(vec![finding(format!("{endpoint}: {message}"), hint)])
            }
        })
    }
}

const CLIENT_CERTIFICATE: &str =
    "put a certificate into `tls.crt` that etcd's client CA has signed, and see etcd's log";

/// Asks an etcd whether it is well.
async fn asked(endpoint: &str, secret: Option<&Value>) -> Result<(), (String, &'static str)> {
    let key = |name: &str| {
        let encoded = secret.and_then(|it| it["data"][name].as_str())?;
        STANDARD.decode(encoded.trim()).ok()
    };
    let unusable = |error: reqwest::Error| {
        let (_, reason) = Trouble::of(&error, "the CA");
        (format!("the Secret cannot be used: {reason}"), "see what is said of the Secret")
    };
    let mut builder = Client::builder().timeout(PATIENCE).no_proxy();
    if let Some(ca) = key("ca.crt") {
        let roots = RootCertificate::from_pem_bundle(&ca).map_err(unusable)?;
        builder = builder.tls_certs_only(roots);
    }
    if let (Some(certificate), Some(private)) = (key("tls.crt"), key("tls.key")) {
        let both = [private, b"\n".to_vec(), certificate].concat();
        builder = builder.identity(Identity::from_pem(&both).map_err(unusable)?);
    }
    let client = builder.build().map_err(unusable)?;
    let url = format!("{}/health", endpoint.trim_end_matches('/'));
    match client.get(url).send().await {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err((
            format!("it answers {}: it is not well", answer.status()),
            "see `etcdctl endpoint health`, and etcd's log",
        )),
        Err(error) => {
            let (trouble, reason) = Trouble::of(&error, "`ca.crt` of the Secret");
            let hint = match trouble {
                Trouble::ForeignCa { .. } => {
                    "put the CA that signed etcd's certificate into `ca.crt`"
                }
                Trouble::WrongName => "use a host name that etcd's certificate is for",
                Trouble::ClientCertificate => CLIENT_CERTIFICATE,
                // With TLS 1.3 a server may say why too late for us to hear it.
                Trouble::Closed if endpoint.starts_with("https://") => CLIENT_CERTIFICATE,
                Trouble::NotTls => "write the endpoint with `http://`, or have etcd serve TLS",
                Trouble::Timeout | Trouble::NothingListens => {
                    "check the address and the network policies, and whether etcd runs"
                }
                _ => "check the endpoint, and see etcd's log",
            };
            Err((reason.to_string(), hint))
        }
    }
}

fn host_and_port(endpoint: &str) -> Option<(String, u16)> {
    let uri: http::Uri = endpoint.parse().ok()?;
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']').to_owned();
    Some((host, uri.port_u16()?))
}

/// The Service that a host name of a cluster stands for.
fn service_of(host: &str, namespace: &str) -> Option<(String, String)> {
    let parts: Vec<&str> = host.split('.').collect();
    match parts.as_slice() {
        [service] => Some(((*service).to_owned(), namespace.to_owned())),
        // The last one is a pod of a headless Service.
        [service, home] | [service, home, "svc", ..] | [_, service, home, "svc", ..] => {
            Some(((*service).to_owned(), (*home).to_owned()))
        }
        _ => None,
    }
}

async fn resolves(host: &str, port: u16) -> bool {
    match timeout(PATIENCE, lookup_host((host, port))).await {
        Ok(Ok(mut found)) => found.next().is_some(),
        Ok(Err(_)) | Err(_) => false,
    }
}

/// Whether the host names of users resolve, and what is served there.
pub(super) async fn hosts(objects: &[Value], is_installed: bool) -> Area {
    let mut area = Area::of("host names", Findings::new());
    let mut seen: BTreeSet<(String, u16)> = BTreeSet::new();
    for object in objects {
        let hostname = text(object, "/spec/external/hostname").to_owned();
        let port = object.pointer("/spec/external/port").and_then(Value::as_u64);
        let Some(port) = port.and_then(|it| u16::try_from(it).ok()) else { continue };
        if hostname.is_empty() || !seen.insert((hostname.clone(), port)) {
            continue;
        }
        let path = "spec.external.hostname";
        let finding = |code, message: String, hint: &str| {
            let finding = Finding::error(code, subject(object), path, message, hint);
            // Before an installation nobody can answer yet.
            if is_installed { finding } else { finding.warn() }
        };
        if !resolves(&hostname, port).await {
            area = if hostname.split('.').any(|it| it == "svc") {
                area.skip(format!("{hostname}: a Service, not reached from here"))
            } else {
                let message = format!("the host `{hostname}` has no address");
                let hint = "point its DNS record at the front-proxy's Service";
                area.with(vec![finding(Code::HostUnresolved, message, hint)])
            };
            continue;
        }
        if !is_installed {
            area = area.note(format!("{hostname} has an address"));
            continue;
        }
        area = match served_chain(&hostname, port).await {
            Err((_, reason)) => {
                let message = format!("nobody serves TLS at {hostname}:{port}: {reason}");
                let hint = "see `kubectl get service` for the address of the front-proxy";
                area.with(vec![finding(Code::HostUnresolved, message, hint)])
            }
            Ok(chain) => {
                let findings = served(&hostname, &chain)
                    .into_iter()
                    .map(|(code, message, hint)| finding(code, message, hint))
                    .collect::<Findings>();
                if findings.is_empty() {
                    area.note(format!("{hostname}:{port} shows a certificate for its name"))
                } else {
                    area.with(findings)
                }
            }
        };
    }
    area
}

/// What is wrong with the certificate that is shown for `host`.
fn served(
    host: &str,
    chain: &[rustls_pki_types::CertificateDer<'_>],
) -> Option<(Code, String, &'static str)> {
    let leaf = chain.first().map(|it| Certificate::from_der(it))?;
    let leaf = match leaf {
        Ok(leaf) => leaf,
        Err(error) => {
            let message = format!("the certificate that is shown cannot be read: {error}");
            return Some((Code::ServedCertificate, message, "see who answers there"));
        }
    };
    let wanted = host.parse().map_or_else(|_| San::Dns(host.to_ascii_lowercase()), San::Ip);
    if !leaf.covers(&wanted) {
        let names: Vec<String> = leaf.sans.iter().map(ToString::to_string).collect();
        let names = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
        let message = format!("the certificate that is shown is for {names}");
        let hint = "let the host name lead to the front-proxy, or add it to its `server` certificate template";
        return Some((Code::ServedCertificate, message, hint));
    }
    let ends = Timestamp::try_from(leaf.validity.not_after).ok()?;
    (ends <= Timestamp::now()).then(|| {
        let message = format!("the certificate that is shown ended at {ends}");
        (
            Code::CertificateEnds,
            message,
            "see whether the front-proxy was restarted after the renewal",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_for_the_name_that_it_is_shown_for() {
        let shown = |names: &[&str], year| {
            let key = rcgen::KeyPair::generate().unwrap();
            let names: Vec<String> = names.iter().map(|it| (*it).to_owned()).collect();
            let mut params = rcgen::CertificateParams::new(names).unwrap();
            params.not_after = rcgen::date_time_ymd(year, 1, 1);
            let chain = [params.self_signed(&key).unwrap().der().clone()];
            served("kcp.example.com", &chain).map(|it| (it.0, it.1))
        };
        assert_eq!(shown(&["*.example.com"], 2099), None);
        let (code, message) = shown(&["a.example.org"], 2099).unwrap();
        assert_eq!(code, Code::ServedCertificate);
        assert!(message.contains("a.example.org"), "{message}");
        assert_eq!(shown(&["kcp.example.com"], 2020).unwrap().0, Code::CertificateEnds);
    }

    #[test]
    fn a_host_name_of_a_cluster_stands_for_a_service() {
        let of = |host: &str| service_of(host, "demo").map(|it| format!("{}/{}", it.1, it.0));
        assert_eq!(of("etcd").as_deref(), Some("demo/etcd"));
        assert_eq!(of("etcd.data").as_deref(), Some("data/etcd"));
        assert_eq!(of("etcd.data.svc.cluster.local").as_deref(), Some("data/etcd"));
        assert_eq!(of("etcd-0.etcd.data.svc").as_deref(), Some("data/etcd"));
        assert_eq!(of("etcd.example.com"), None);
        assert_eq!(host_and_port("https://[::1]:2379"), Some(("::1".to_owned(), 2379)));
        assert_eq!(host_and_port("https://a"), None);
    }
}
