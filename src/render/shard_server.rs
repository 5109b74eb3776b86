//! What runs a root shard and any other shard: the same program with a few other flags.

use k8s_openapi::api::core::v1::ServicePort;

use super::image::Image;
use super::names::{self, CACHE_CA, CACHE_CLIENT, CACHE_KUBECONFIG, SERVER_CA_FILE, TLS};
use super::owner::Owner;
use super::pod::{self, Parts, Server};
use super::template;
use super::{Cache, Observed, Rendered, flags, service};
use crate::api::{self, CommonShardSpec, RootShard, VirtualWorkspace};

/// The certificate with which a shard talks to others.
pub(super) const CLIENT: &str = "client";
/// The certificate that may change what only the shard itself changes, in that shard.
pub(super) const ADMIN: &str = "logical-cluster-admin";
/// The same, in all shards.
pub(super) const EXTERNAL_ADMIN: &str = "external-logical-cluster-admin";

/// What the operator calls the server of a root shard.
pub(super) const ROOT: &str = "rootshard";

/// The certificates that every shard mounts.
const CERTIFICATES: [&str; 5] = ["server", "service-account", CLIENT, ADMIN, EXTERNAL_ADMIN];

/// Where a shard finds one of its kubeconfigs.
pub(super) fn kubeconfig_path(certificate: &str) -> String {
    format!("/etc/kcp/{certificate}-kubeconfig")
}

/// A shard to run.
pub(super) struct ShardServer<'a> {
    /// Deployment and Service.
    pub(super) name: String,
    /// What the operator calls this kind of server.
    pub(super) component: &'static str,
    /// What every shard has.
    pub(super) spec: &'a CommonShardSpec,
    /// The root shard of the installation.
    pub(super) root: &'a RootShard,
    /// The names of all other shards.
    pub(super) shards: &'a [String],
    /// The cache, if it is not in the root shard.
    pub(super) cache: Option<&'a Cache>,
    /// The server of its virtual workspaces, if that is not itself.
    pub(super) virtual_workspace: Option<&'a VirtualWorkspace>,
    /// The certificates for which it has a kubeconfig.
    pub(super) kubeconfigs: &'static [&'static str],
    /// Whether it has a certificate for mounted workspaces.
    pub(super) mounts_proxy: bool,
    /// Whether the CA of clients is a bundle of its own.
    pub(super) client_ca_bundle: bool,
    /// The flags that tell it from other shards, and where it finds them.
    pub(super) identity: Vec<String>,
    /// What it runs.
    pub(super) image: Image,
}

impl ShardServer<'_> {
    pub(super) fn render(self, owner: &Owner, observed: &Observed, to: &mut Rendered) {
        let mut parts = Parts::default();
        self.mounts(owner, &mut parts);
        self.args(&mut parts);
        flags::etcd(&mut parts, &self.spec.etcd);
        if let Some(audit) = &self.spec.audit {
            flags::audit(&mut parts, audit);
        }
        if let Some(webhook) = self.spec.authorization.as_ref().and_then(|it| it.webhook.as_ref()) {
            flags::authorization(&mut parts, webhook);
        }
        parts.extra(&self.spec.extra_volumes, &self.spec.extra_volume_mounts);
        if let Some(auth) = &self.spec.auth {
            let root = self.root.metadata.name.as_deref().unwrap_or_default();
            flags::auth(&mut parts, auth, root, self.shards);
        }
        parts.args.extend(self.spec.extra_args.iter().cloned());

        let Self { name, component, spec, image, .. } = self;
        let resources = template::resources(Some(pod::shard_resources()), spec.resources.as_ref());
        let Parts { args, volumes, mounts } = parts;
        let mut container =
            pod::container("kcp", &image, &["/kcp", "start"], args, mounts, resources);
        pod::shard_probes(&mut container);
        let server = Server {
            replicas: Some(pod::replicas(spec.replicas, &name, observed)),
            name,
            labels: api::names::app_labels(&owner.name, component),
            labelled: true,
            container,
            init_containers: Vec::new(),
            volumes,
            pull_secrets: image.pull_secrets,
            template: spec.deployment_template.as_ref(),
            ports: ports(spec),
            service_template: spec.service_template.as_ref(),
        };
        server.render(owner, observed, to);
    }

    fn mounts(&self, owner: &Owner, parts: &mut Parts) {
        let own = &owner.name;
        let root = self.root.metadata.name.as_deref().unwrap_or_default();
        parts.secret("kcp-ca", &names::root_shard_ca(self.root), &format!("{TLS}/ca/root"));
        for certificate in self.kubeconfigs {
            let volume = format!("{certificate}-kubeconfig");
            parts.secret(&volume, &format!("{own}-{volume}"), &kubeconfig_path(certificate));
        }
        for ca in ["server", "service-account", "requestheader-client"] {
            let volume = format!("{ca}-ca");
            parts.secret(&volume, &format!("{root}-{volume}"), &format!("{TLS}/ca/{ca}"));
        }
        let client_ca = if self.client_ca_bundle {
            format!("{own}-merged-client-ca")
        } else {
            format!("{root}-client-ca")
        };
        parts.secret("client-ca", &client_ca, &format!("{TLS}/ca/client"));
        let mounts_proxy = self.mounts_proxy.then_some("mounts-proxy");
        for certificate in CERTIFICATES.into_iter().chain(mounts_proxy) {
            let volume = format!("{certificate}-cert");
            let path = format!("{TLS}/{certificate}");
            parts.secret(&volume, &format!("{own}-{certificate}"), &path);
        }
        if names::named(self.spec.ca_bundle_secret_ref.as_ref()).is_some() {
            let path = format!("{TLS}/ca/ca-bundle");
            parts.secret("ca-bundle", &format!("{own}-merged-ca-bundle"), &path);
        }
        if let Some(cache) = self.cache {
            mount_cache(parts, cache);
        }
    }

    fn args(&self, parts: &mut Parts) {
        parts.arg(format!("--root-ca-file={TLS}/ca/root/tls.crt"));
        parts.arg(format!("--client-ca-file={TLS}/ca/client/tls.crt"));
        let allowed = [names::FRONT_PROXY_USER, names::ROOT_PROXY_USER];
        flags::request_headers(parts, &format!("{TLS}/ca/requestheader-client"), allowed);
        parts.arg(format!("--tls-private-key-file={TLS}/server/tls.key"));
        parts.arg(format!("--tls-cert-file={TLS}/server/tls.crt"));
        parts.arg(format!("--service-account-key-file={TLS}/service-account/tls.crt"));
        parts.arg(format!("--service-account-private-key-file={TLS}/service-account/tls.key"));
        parts.arg("--service-account-lookup=false");
        parts.arg(format!("--shard-client-key-file={TLS}/client/tls.key"));
        parts.arg(format!("--shard-client-cert-file={TLS}/client/tls.crt"));
        parts.args.extend(self.identity.iter().cloned());
        let path = kubeconfig_path(ADMIN);
        parts.arg(format!("--logical-cluster-admin-kubeconfig={path}/kubeconfig"));
        let path = kubeconfig_path(EXTERNAL_ADMIN);
        parts.arg(format!("--external-logical-cluster-admin-kubeconfig={path}/kubeconfig"));
        parts.arg("--batteries-included=workspace-types");
        parts.arg("--root-directory=");
        parts.arg("--enable-leader-election=true");
        parts.arg("--logging-format=json");
        if self.mounts_proxy {
            parts.arg(format!("--mount-proxy-client-cert-file={TLS}/mounts-proxy/tls.crt"));
            parts.arg(format!("--mount-proxy-client-key-file={TLS}/mounts-proxy/tls.key"));
        }
        flags::logging(parts, self.spec.logging.as_ref());
        if self.cache.is_some() && self.component == ROOT {
            // Any other shard names its cache together with its root shard.
            parts.arg(format!("--cache-kubeconfig={CACHE_KUBECONFIG}/kubeconfig"));
        }
        if let Some(server) = self.virtual_workspace {
            let url = names::external_url(&server.spec.external);
            parts.arg("--run-virtual-workspaces=false");
            parts.arg(format!("--shard-virtual-workspace-url={url}"));
            parts.arg(format!("--shard-virtual-workspace-ca-file={SERVER_CA_FILE}"));
        }
    }
}

/// Mounts a kubeconfig for a cache server and the files that it names.
pub(super) fn mount_cache(parts: &mut Parts, cache: &Cache) {
    let name = &cache.name;
    parts.secret("cache-server-kubeconfig", &format!("{name}-kubeconfig"), CACHE_KUBECONFIG);
    parts.secret("cache-server-ca", &cache.ca(), CACHE_CA);
    let client = format!("{name}-client-certificate");
    parts.secret("cache-server-client-cert", &client, CACHE_CLIENT);
}

fn ports(spec: &CommonShardSpec) -> Vec<ServicePort> {
    let mut ports = vec![service::https(i32::from(api::names::SERVER_PORT))];
    if names::named(spec.kcp_virtual_workspace.as_ref()).is_none() {
        ports.push(service::https_workspaces());
    }
    ports
}
