//! Front-proxies: those of users, and the one inside a root shard that the operator uses.

use kube::ResourceExt;
use serde_json::json;

use k8s_openapi::api::core::v1::{ConfigMap, ResourceRequirements, Volume, VolumeMount};

use super::certificates::{self, Leaf, Pki};
use super::image::Image;
use super::kubeconfigs::Files;
use super::names::{self, CA_BUNDLE_FILE, MASTERS};
use super::owner::{Labels, Owner, labels};
use super::pod::{self, Parts, Server};
use super::{Item, Observed, Rendered, bundle, flags, service, template};
use crate::api::{
    self, AuthSpec, CertificateTemplates, DeploymentTemplate, FrontProxy, ImageSpec, LoggingSpec,
    PathMapping, RootShard, ServiceTemplate,
};
use crate::kubeconfig::KUBECONFIG_KEY;
use crate::model::yaml;

/// Where a proxy finds what is its own.
const BASE: &str = "/etc/kcp-front-proxy";
/// Where a proxy finds the root CA; other CAs are mounted below.
const CA: &str = "/etc/kcp/tls/ca";
/// The key of the paths in their `ConfigMap`.
const PATHS_KEY: &str = "path-mapping.yaml";
/// The paths that lead to shards.
const PATHS: [&str; 2] = ["/clusters/", "/services/"];

/// A front-proxy of users.
pub(super) fn render(
    proxy: &FrontProxy,
    root: &RootShard,
    shards: &[String],
    observed: &Observed,
) -> Rendered {
    let mut rendered = Rendered::default();
    let owner = Owner::of(proxy);
    let name = &owner.name;
    let root_name = root.name_any();
    let spec = &proxy.spec;
    let proxy = Proxy {
        owner: &owner,
        root,
        server: api::names::front_proxy_server(name),
        labels: api::names::app_labels(name, "front-proxy"),
        certificates: format!("{root_name}-{name}"),
        certificate_labels: labels([(names::ROOT_SHARD, &root_name), (names::FRONT_PROXY, name)]),
        own: name.clone(),
        bundle_labels: labels([(names::FRONT_PROXY, name)]),
        user: names::FRONT_PROXY_USER,
        hosts: external_hosts(proxy, root),
        port: external_port(proxy, root),
        ca_bundle: names::named(spec.ca_bundle_secret_ref.as_ref()),
        client_ca_bundle: names::named(spec.client_ca_bundle_ref.as_ref()),
        mappings: &spec.additional_path_mappings,
        auth: spec.auth.as_ref(),
        shards,
        settings: Settings {
            templates: Some(&spec.certificate_templates),
            image: spec.image.as_ref(),
            resources: spec.resources.as_ref(),
            replicas: spec.replicas,
            deployment_template: spec.deployment_template.as_ref(),
            service_template: spec.service_template.as_ref(),
            extra_args: &spec.extra_args,
            extra_volumes: &spec.extra_volumes,
            extra_volume_mounts: &spec.extra_volume_mounts,
            logging: spec.logging.as_ref(),
        },
    };
    proxy.render(observed, &mut rendered);
    rendered.finish()
}

/// The proxy inside a root shard, which belongs to it.
pub(super) fn render_internal(
    root: &RootShard,
    owner: &Owner,
    observed: &Observed,
    to: &mut Rendered,
) {
    let own = api::names::root_shard_proxy(&owner.name);
    let secret_labels = super::root_shard::secret_labels(owner);
    let settings = root.spec.proxy.as_ref().map(|it| Settings {
        templates: Some(&it.certificate_templates),
        image: it.image.as_ref(),
        resources: it.resources.as_ref(),
        replicas: it.replicas,
        deployment_template: it.deployment_template.as_ref(),
        service_template: it.service_template.as_ref(),
        extra_args: &it.extra_args,
        extra_volumes: &it.extra_volumes,
        extra_volume_mounts: &it.extra_volume_mounts,
        logging: it.logging.as_ref(),
    });
    let proxy = Proxy {
        owner,
        root,
        server: own.clone(),
        labels: api::names::app_labels(&owner.name, "rootshard-proxy"),
        certificates: own.clone(),
        certificate_labels: secret_labels.clone(),
        own,
        bundle_labels: secret_labels,
        user: names::ROOT_PROXY_USER,
        hosts: Vec::new(),
        port: i32::from(api::names::SERVER_PORT),
        ca_bundle: names::named(root.spec.common.ca_bundle_secret_ref.as_ref()),
        client_ca_bundle: None,
        mappings: &[],
        auth: None,
        shards: &[],
        settings: settings.unwrap_or_default(),
    };
    proxy.render(observed, to);
}

/// The names of users in the certificate of a front-proxy.
fn external_hosts(proxy: &FrontProxy, root: &RootShard) -> Vec<String> {
    let filled = |it: Option<&str>| it.filter(|it| !it.is_empty()).map(str::to_owned);
    let external = &root.spec.external;
    let deprecated = proxy.spec.external_hostname.as_deref();
    let deprecated = filled(deprecated.map(|it| split_port(it).map_or(it, |(host, _)| host)));
    let own = filled(proxy.spec.external.as_ref().map(|it| it.hostname.as_str()));
    let root_names =
        [Some(external.hostname.clone()), filled(external.private_hostname.as_deref())];
    root_names.into_iter().chain([deprecated.or(own)]).flatten().collect()
}

/// The port of a front-proxy's Service.
pub(super) fn external_port(proxy: &FrontProxy, root: &RootShard) -> i32 {
    let default = i32::from(api::names::SERVER_PORT);
    let positive = |port: i32| Some(port).filter(|it| *it > 0);
    if let Some(port) = proxy.spec.external.as_ref().and_then(|it| positive(it.port)) {
        return port;
    }
    if let Some(host) = proxy.spec.external_hostname.as_deref().filter(|it| !it.is_empty()) {
        return split_port(host).and_then(|(_, port)| port.parse().ok()).unwrap_or(default);
    }
    positive(root.spec.external.port).unwrap_or(default)
}

/// Host and port, if there is a port.
pub(super) fn split_port(address: &str) -> Option<(&str, &str)> {
    let (host, port) = address.rsplit_once(':')?;
    let bracketed = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    match bracketed {
        Some(host) => Some((host, port)),
        None => (!host.contains([':', '[', ']'])).then_some((host, port)),
    }
}

/// What a user sets of either kind of proxy.
#[derive(Default)]
struct Settings<'a> {
    templates: Option<&'a CertificateTemplates>,
    image: Option<&'a ImageSpec>,
    resources: Option<&'a ResourceRequirements>,
    replicas: Option<i32>,
    deployment_template: Option<&'a DeploymentTemplate>,
    service_template: Option<&'a ServiceTemplate>,
    extra_args: &'a [String],
    extra_volumes: &'a [Volume],
    extra_volume_mounts: &'a [VolumeMount],
    logging: Option<&'a LoggingSpec>,
}

struct Proxy<'a> {
    owner: &'a Owner,
    root: &'a RootShard,
    /// Deployment and Service.
    server: String,
    labels: Labels,
    /// What the names of its certificates begin with.
    certificates: String,
    certificate_labels: Labels,
    /// What the names of everything else begin with.
    own: String,
    bundle_labels: Labels,
    /// Who it is before shards.
    user: &'static str,
    /// Names beside those of its Service.
    hosts: Vec<String>,
    port: i32,
    ca_bundle: Option<&'a str>,
    client_ca_bundle: Option<&'a str>,
    mappings: &'a [PathMapping],
    auth: Option<&'a AuthSpec>,
    shards: &'a [String],
    settings: Settings<'a>,
}

impl Proxy<'_> {
    fn render(self, observed: &Observed, to: &mut Rendered) {
        self.certificates(to);
        self.bundles(observed, to);
        self.paths(to);
        self.kubeconfig(to);
        self.server(observed, to);
    }

    fn certificate(&self, kind: &str) -> String {
        format!("{}-{kind}", self.certificates)
    }

    fn root_ca(&self, ca: &str) -> String {
        format!("{}-{ca}-ca", self.root.name_any())
    }

    fn dynamic_kubeconfig(&self) -> String {
        self.certificate("dynamic-kubeconfig")
    }

    fn config(&self) -> String {
        format!("{}-config", self.own)
    }

    fn client_ca(&self) -> String {
        format!("{}-merged-client-ca", self.own)
    }

    fn backend_ca(&self) -> String {
        format!("{}-merged-ca-bundle", self.own)
    }

    fn certificates(&self, to: &mut Rendered) {
        let pki = Pki {
            owner: self.owner,
            labels: self.labels.clone(),
            secret_labels: self.certificate_labels.clone(),
            templates: self.settings.templates,
        };
        let leaf = |kind: &str, leaf| Item::from(pki.leaf(kind, self.certificate(kind), leaf));
        let service = &self.server;
        let namespace = &self.owner.namespace;
        let domain = self.root.spec.common.cluster_domain.as_deref();
        let mut hosts = vec![
            service.clone(),
            format!("{service}.{namespace}"),
            api::names::service_host(service, namespace, domain),
        ];
        hosts.extend(self.hosts.iter().cloned());
        let client = |ca: &str| Leaf {
            issuer: self.root_ca(ca),
            common_name: Some(self.user.to_owned()),
            usages: certificates::CLIENT,
            ..Leaf::default()
        };
        to.add([
            leaf(
                "server",
                Leaf {
                    issuer: self.root_ca("server"),
                    dns_names: hosts,
                    usages: certificates::SERVER,
                    ..Leaf::default()
                },
            ),
            leaf(
                "kubeconfig",
                Leaf { organizations: vec![MASTERS.to_owned()], ..client("client") },
            ),
            leaf("requestheader", client("requestheader-client")),
        ]);
    }

    fn bundles(&self, observed: &Observed, to: &mut Rendered) {
        let labels = || self.bundle_labels.clone();
        let users = [
            names::named(self.root.spec.common.client_ca_bundle_ref.as_ref()),
            self.client_ca_bundle,
        ];
        let parts = std::iter::once(self.root_ca("client"))
            .chain(users.into_iter().flatten().map(str::to_owned));
        bundle::merge(self.owner, self.client_ca(), labels(), parts, observed, to);
        if let Some(users) = self.ca_bundle {
            let parts = [self.root_ca("server"), users.to_owned()];
            bundle::merge(self.owner, self.backend_ca(), labels(), parts, observed, to);
        }
    }

    fn paths(&self, to: &mut Rendered) {
        let root_ca = format!("{CA}/tls.crt");
        let backend_ca = if self.ca_bundle.is_some() { CA_BUNDLE_FILE } else { &root_ca };
        let to_shards = PATHS.map(|path| PathMapping {
            path: path.to_owned(),
            backend: names::root_shard_url(self.root),
            backend_server_ca: backend_ca.to_owned(),
            proxy_client_cert: format!("{BASE}/requestheader-client/tls.crt"),
            proxy_client_key: format!("{BASE}/requestheader-client/tls.key"),
        });
        let mappings = to_shards.iter().chain(self.mappings).map(|it| {
            let PathMapping {
                path,
                backend,
                backend_server_ca,
                proxy_client_cert,
                proxy_client_key,
            } = it;
            // A map of this crate is sorted by its keys.
            json!({
                "path": path, "backend": backend, "backend_server_ca": backend_server_ca,
                "proxy_client_cert": proxy_client_cert, "proxy_client_key": proxy_client_key,
            })
        });
        let mappings: Vec<_> = mappings.collect();
        // Texts alone: YAML can say each of them.
        let text = yaml::to_string(&mappings).unwrap_or_default();
        to.add([Item::from(ConfigMap {
            data: Some([(PATHS_KEY.to_owned(), text)].into()),
            metadata: self.owner.metadata(self.config(), self.labels.clone()),
            ..ConfigMap::default()
        })]);
    }

    fn kubeconfig(&self, to: &mut Rendered) {
        let files = Files {
            cluster: "system:admin",
            server: names::root_shard_url(self.root),
            ca: &format!("{CA}/tls.crt"),
            context: "system:admin",
            user: "admin",
            identity: &format!("{BASE}/kubeconfig-client-cert"),
        };
        let text = files.document().to_bare_yaml();
        let (name, labels) = (self.dynamic_kubeconfig(), self.labels.clone());
        let secret = bundle::secret(self.owner, name, labels, KUBECONFIG_KEY, text.into_bytes());
        to.add([Item::from(secret)]);
    }

    fn server(self, observed: &Observed, to: &mut Rendered) {
        let image = Image::of(self.settings.image);
        let mut parts = Parts::default();
        self.mounts(&image, &mut parts);
        self.args(&image, &mut parts);
        if let Some(auth) = self.auth {
            flags::auth(&mut parts, auth, &self.root.name_any(), self.shards);
        }
        parts.args.extend(self.settings.extra_args.iter().cloned());

        let Parts { args, volumes, mounts } = parts;
        let Self { owner, server: name, labels, port, settings, .. } = self;
        let resources = template::resources(None, settings.resources);
        let command = ["/kcp-front-proxy"];
        let mut container =
            pod::container("kcp-front-proxy", &image, &command, args, mounts, resources);
        pod::probes(&mut container);
        let server = Server {
            replicas: Some(pod::replicas(settings.replicas, &name, observed)),
            name,
            labels,
            labelled: false,
            container,
            init_containers: Vec::new(),
            volumes,
            pull_secrets: image.pull_secrets,
            template: settings.deployment_template,
            ports: vec![service::https(port)],
            service_template: settings.service_template,
        };
        server.render(owner, observed, to);
    }

    fn mounts(&self, image: &Image, parts: &mut Parts) {
        let Settings { extra_volumes, extra_volume_mounts, .. } = self.settings;
        parts.extra(extra_volumes, extra_volume_mounts);
        let mut secret = |name: &str, path: &str| parts.secret(name, name, path);
        secret(&self.dynamic_kubeconfig(), &format!("{BASE}/kubeconfig"));
        secret(&self.certificate("kubeconfig"), &format!("{BASE}/kubeconfig-client-cert"));
        secret(&self.certificate("server"), &format!("{BASE}/tls"));
        secret(&self.certificate("requestheader"), &format!("{BASE}/requestheader-client"));
        secret(&names::root_shard_ca(self.root), CA);
        if image.mounts_through_proxy() {
            secret(&self.root_ca("requestheader-client"), &format!("{CA}/requestheader-client"));
        }
        if self.ca_bundle.is_some() {
            secret(&self.backend_ca(), &format!("{CA}/ca-bundle"));
        }
        secret(&self.client_ca(), &format!("{BASE}/client-ca"));
        parts.config_map(&self.config(), &self.config(), &format!("{BASE}/config"));
        // The proxy keeps a copy for each shard beside it.
        let dynamic = self.dynamic_kubeconfig();
        for mount in parts.mounts.iter_mut().skip(extra_volume_mounts.len()) {
            if mount.name == dynamic {
                mount.read_only = None;
            }
        }
    }

    fn args(&self, image: &Image, parts: &mut Parts) {
        parts.arg(format!("--secure-port={}", api::names::SERVER_PORT));
        parts.arg(format!("--root-kubeconfig={BASE}/kubeconfig/kubeconfig"));
        parts.arg(format!("--shards-kubeconfig={BASE}/kubeconfig/kubeconfig"));
        parts.arg(format!("--tls-private-key-file={BASE}/tls/tls.key"));
        parts.arg(format!("--tls-cert-file={BASE}/tls/tls.crt"));
        parts.arg(format!("--mapping-file={BASE}/config/{PATHS_KEY}"));
        parts.arg(format!("--client-ca-file={BASE}/client-ca/tls.crt"));
        if image.mounts_through_proxy() {
            let allowed = [self.user, names::MOUNTS_PROXY_USER];
            flags::request_headers(parts, &format!("{CA}/requestheader-client"), allowed);
        }
        if let Some(auth) = self.auth {
            parts.flag("--authentication-drop-groups", flags::csv(&auth.drop_groups));
            parts.flag("--authentication-pass-on-groups", flags::csv(&auth.pass_on_groups));
        }
        flags::logging(parts, self.settings.logging);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_what_stands_behind_a_whole_host() {
        for (address, parts) in [
            ("kcp.example.com:8443", Some(("kcp.example.com", "8443"))),
            ("[::1]:8443", Some(("::1", "8443"))),
            ("kcp.example.com", None),
            ("::1", None),
            ("a:b:c", None),
            ("", None),
        ] {
            assert_eq!(split_port(address), parts, "{address}");
        }
    }

    #[test]
    fn the_port_of_a_front_proxy_is_its_own_before_the_root_shards() {
        let root = |port: i32| -> RootShard {
            serde_json::from_value(json!({
                "metadata": { "name": "root" },
                "spec": {
                    "external": { "hostname": "kcp.example.com", "port": port },
                    "cache": {}, "certificates": {}, "etcd": { "endpoints": [] },
                },
            }))
            .unwrap()
        };
        for (spec, root_port, port) in [
            (json!({}), 443, 443),
            (json!({}), 0, 6443),
            (json!({ "external": { "hostname": "a", "port": 8443 } }), 443, 8443),
            (json!({ "external": { "hostname": "a", "port": 0 } }), 443, 443),
            (json!({ "externalHostname": "a" }), 443, 6443),
            (json!({ "externalHostname": "a:9443" }), 443, 9443),
            (json!({ "externalHostname": "a:b" }), 443, 6443),
            (
                json!({ "externalHostname": "a:9443", "external": { "hostname": "", "port": 8443 } }),
                443,
                8443,
            ),
        ] {
            let mut spec = spec;
            spec["rootShard"] = json!({ "ref": { "name": "root" } });
            let proxy: FrontProxy =
                serde_json::from_value(json!({ "metadata": { "name": "a" }, "spec": spec }))
                    .unwrap();
            assert_eq!(external_port(&proxy, &root(root_port)), port, "{spec}");
        }
    }
}
