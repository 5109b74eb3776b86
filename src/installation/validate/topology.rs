//! What a topology promises by its profile, and what its objects can no longer show.

use crate::api::KcpVersion;
use crate::installation::finding::{Code, Finding, Subject};
use crate::installation::topology::{Etcd, Profile, Topology};

/// The longest name of a namespace.
const LABEL_LEN_MAX: usize = 63;

/// Everything that is wrong with a topology before objects are made of it.
pub fn check_topology(topology: &Topology) -> Vec<Finding> {
    let mut findings = Vec::new();
    let subject = Subject::installation(&topology.name);
    names(topology, &subject, &mut findings);
    if let (Some(version), Some(of_tag)) =
        (topology.kcp_version, KcpVersion::of_tag(&topology.image.tag))
        && version != of_tag
    {
        findings.push(Finding::error(
            Code::Version,
            &subject,
            "kcpVersion",
            format!("`{version}` is not the version of the image tag `{}`", topology.image.tag),
            "set one of the two, and the other follows",
        ));
    }
    if topology.issuer.create && topology.issuer.kind != "Issuer" {
        findings.push(Finding::error(
            Code::CertificateSource,
            &subject,
            "issuer.create",
            format!("only an Issuer can be written, not a {}", topology.issuer.kind),
            "set `issuer.kind` to `Issuer`, or `issuer.create` to false",
        ));
    }
    if !["Issuer", "ClusterIssuer"].contains(&topology.issuer.kind.as_str()) {
        findings.push(Finding::error(
            Code::CertificateSource,
            &subject,
            "issuer.kind",
            format!("`{}` is no kind of issuer", topology.issuer.kind),
            "use `ClusterIssuer` or `Issuer`",
        ));
    }
    if topology.front_proxies.is_empty() {
        findings.push(Finding::error(
            Code::NoFrontProxy,
            &subject,
            "frontProxies",
            "no front-proxy: workspaces would never be scheduled",
            "add at least one",
        ));
    }
    for (path, replicas) in replicas(topology) {
        if replicas < 0 {
            findings.push(Finding::error(
                Code::Replicas,
                &subject,
                path,
                format!("{replicas} is no number of replicas"),
                "use 1 or more",
            ));
        }
    }
    if topology.profile == Profile::Production {
        production(topology, &subject, &mut findings);
    }
    findings
}

/// Names that no object of the operator carries itself.
fn names(topology: &Topology, subject: &Subject, findings: &mut Vec<Finding>) {
    let secrets = topology.kubeconfigs.iter().map(|it| ("secret", it.secret.as_str()));
    let etcd_secrets = topology.etcds().filter_map(|(_, etcd)| match etcd {
        Etcd::External { tls_secret: Some(secret), .. } => Some(("tlsSecret", secret.as_str())),
        _ => None,
    });
    let pull_secrets =
        topology.image.pull_secrets.iter().map(|it| ("image.pullSecrets", it.as_str()));
    let others = [("issuer.name", topology.issuer.name.as_str())];
    for (path, name) in secrets.chain(etcd_secrets).chain(pull_secrets).chain(others) {
        if !is_subdomain(name) {
            findings.push(Finding::error(
                Code::NameShape,
                subject,
                path,
                format!("`{name}` is no name for an object"),
                "use lowercase letters, digits, `-` and `.`, beginning and ending with a letter or digit",
            ));
        }
    }
    for (path, name) in [("name", &topology.name), ("namespace", &topology.namespace)] {
        if !is_subdomain(name) || name.contains('.') || name.len() > LABEL_LEN_MAX {
            findings.push(Finding::error(
                Code::NameShape,
                subject,
                path,
                format!("`{name}` is no name for a namespace"),
                "use at most 63 lowercase letters, digits and `-`, beginning and ending with a letter \
                 or digit",
            ));
        }
    }
    if !super::access::is_host(&topology.cluster_domain) {
        findings.push(Finding::error(
            Code::Address,
            subject,
            "clusterDomain",
            format!("`{}` is no DNS domain", topology.cluster_domain),
            "use the domain of the cluster's services, such as `cluster.local`",
        ));
    }
}

/// A name as most kinds of objects take it.
fn is_subdomain(name: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let label = |label: &str| {
        let bytes = label.as_bytes();
        bytes.first().is_some_and(|&b| word(b))
            && bytes.last().is_some_and(|&b| word(b))
            && bytes.iter().all(|&b| word(b) || b == b'-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// Where a number of replicas stands, and the number.
fn replicas(topology: &Topology) -> Vec<(String, i32)> {
    let named = |list: &str, name: &str| format!("{list}.{name}.replicas");
    let root = &topology.root_shard;
    let shards = topology.shards.iter().map(|it| (named("shards", &it.name), it.replicas));
    let caches = topology.caches.iter().map(|it| (named("caches", &it.name), it.replicas));
    let proxies =
        topology.front_proxies.iter().map(|it| (named("frontProxies", &it.name), it.replicas));
    std::iter::once(("rootShard.replicas".to_owned(), root.replicas))
        .chain(shards)
        .chain(caches)
        .chain(proxies)
        .collect()
}

fn production(topology: &Topology, subject: &Subject, findings: &mut Vec<Finding>) {
    let mut report = |path: String, message: String, hint: &str| {
        let message = format!("the profile `production` {message}");
        findings.push(Finding::error(Code::Production, subject, path, message, hint));
    };
    if topology.shards.is_empty() {
        report(
            "shards".to_owned(),
            "has at least two shards: the root shard and one more".to_owned(),
            "add shards with `--shards 2`, or use `--profile dev`",
        );
    }
    if topology.caches.is_empty() {
        report(
            "caches".to_owned(),
            "has a cache server: the embedded cache is lost with the root shard".to_owned(),
            "use `--cache server`, or `--profile dev`",
        );
    }
    for (path, replicas) in replicas(topology) {
        if (0..2).contains(&replicas) {
            report(
                path,
                format!("survives the loss of a node, with {replicas} replicas it would not")
                    .replace("1 replicas", "1 replica"),
                "use 2 or more replicas, or `--profile dev`",
            );
        }
    }
    for (server, etcd) in topology.etcds() {
        let path = format!("etcd of `{server}`");
        match etcd {
            Etcd::Dev => report(
                path,
                "stores in an external etcd: one of a single member loses data with its disk"
                    .to_owned(),
                "use `--etcd external`, or `--profile dev`",
            ),
            Etcd::Embedded => report(
                path,
                "stores in an external etcd: an embedded one is lost with its pod".to_owned(),
                "use `--cache-etcd external`, or `--profile dev`",
            ),
            Etcd::External { endpoints, tls_secret, .. } => {
                if tls_secret.is_none() || endpoints.iter().any(|it| it.starts_with("http://")) {
                    report(
                        path,
                        "talks to etcd with TLS: without it, whoever reaches its port reads and \
                         writes everything"
                            .to_owned(),
                        "write the endpoints with `https://`, and set `--etcd-tls-secret`",
                    );
                }
            }
        }
    }
}
