//! A server of virtual workspaces, and the containers that prepare it.
//!
//! The server talks to its shard with its own certificate, which stands where the shard's
//! kubeconfig of the administrator names one. A container that has a kubeconfig of its own
//! sees neither.

use k8s_openapi::api::core::v1::{Container, Volume, VolumeMount};
use kube::ResourceExt;

use super::certificates::{self, Leaf, Pki};
use super::image::Image;
use super::names::{self, CACHE_KUBECONFIG, MASTERS, TLS};
use super::owner::{Labels, Owner, labels};
use super::pod::{self, Parts, Server, mount, secret_volume};
use super::shard_server::{ADMIN, kubeconfig_path, mount_cache};
use super::template::{self, filled};
use super::{Cache, Item, Observed, Rendered, bundle, flags, service};
use crate::api::{self, InitContainer, RootShard, Shard, VirtualWorkspace};

const COMPONENT: &str = "virtual-workspace";
/// Where the server finds a kubeconfig of its own.
const SERVER_KUBECONFIG: &str = "/etc/kcp/server-kubeconfig";
/// Where an init container finds a kubeconfig of its own.
const INIT_KUBECONFIG: &str = "/etc/kcp/init-kubeconfig";
/// What the server says when a virtual workspace asks for the address of shards: an old
/// flag, which kcp wants and does not read.
const SHARD_EXTERNAL_URL: &str = "https://127.0.0.1:6443";

pub(super) fn render(
    server: &VirtualWorkspace,
    root: &RootShard,
    shard: Option<&Shard>,
    cache: Option<&Cache>,
    observed: &Observed,
) -> Rendered {
    let mut rendered = Rendered::default();
    let owner = Owner::of(server);
    let this = Workspace { server, root, shard, cache, owner: &owner };
    this.certificates(&mut rendered);
    this.bundle(observed, &mut rendered);
    this.deployment(observed, &mut rendered);
    rendered.finish()
}

struct Workspace<'a> {
    server: &'a VirtualWorkspace,
    root: &'a RootShard,
    shard: Option<&'a Shard>,
    cache: Option<&'a Cache>,
    owner: &'a Owner,
}

impl Workspace<'_> {
    fn app_labels(&self) -> Labels {
        api::names::app_labels(&self.owner.name, COMPONENT)
    }

    fn secret_labels(&self) -> Labels {
        let root = self.root.name_any();
        labels([(names::ROOT_SHARD, &root), (names::VIRTUAL_WORKSPACE, &self.owner.name)])
    }

    fn root_ca(&self, ca: &str) -> String {
        format!("{}-{ca}-ca", self.root.name_any())
    }

    fn certificates(&self, to: &mut Rendered) {
        let name = &self.owner.name;
        let templates = Some(&self.server.spec.certificate_templates);
        let pki = |labels| Pki {
            owner: self.owner,
            labels,
            secret_labels: self.secret_labels(),
            templates,
        };
        let service = api::names::virtual_workspace_server(name);
        let domain = self.server.spec.cluster_domain.as_deref();
        let host = api::names::service_host(&service, &self.owner.namespace, domain);
        let mut hosts = vec!["localhost".to_owned(), host];
        // Shards dial this one.
        let external = &self.server.spec.external.hostname;
        if !external.is_empty() && !hosts.contains(external) {
            hosts.push(external.clone());
        }
        let serving = Leaf {
            issuer: self.root_ca("server"),
            dns_names: hosts,
            usages: certificates::SERVER,
            ..Leaf::default()
        };
        let client = Leaf {
            issuer: self.root_ca("client"),
            common_name: Some(service),
            organizations: vec![MASTERS.to_owned()],
            usages: certificates::CLIENT,
            ..Leaf::default()
        };
        let own_labels = self.owner.labels.clone();
        to.add([
            Item::from(pki(self.app_labels()).leaf("server", format!("{name}-server"), serving)),
            Item::from(pki(own_labels).leaf("client", format!("{name}-client"), client)),
        ]);
    }

    /// The users' Secrets with more CAs of clients.
    fn client_bundles(&self) -> impl Iterator<Item = &str> {
        [&self.root.spec.common.client_ca_bundle_ref, &self.server.spec.client_ca_bundle_ref]
            .into_iter()
            .filter_map(|it| names::named(it.as_ref()))
    }

    fn client_ca(&self) -> String {
        if self.client_bundles().next().is_some() {
            format!("{}-merged-client-ca", self.owner.name)
        } else {
            self.root_ca("client")
        }
    }

    fn bundle(&self, observed: &Observed, to: &mut Rendered) {
        let users: Vec<_> = self.client_bundles().map(str::to_owned).collect();
        if !users.is_empty() {
            let parts = std::iter::once(self.root_ca("client")).chain(users);
            let (name, labels) = (self.client_ca(), self.secret_labels());
            bundle::merge(self.owner, name, labels, parts, observed, to);
        }
    }

    fn deployment(&self, observed: &Observed, to: &mut Rendered) {
        let spec = &self.server.spec;
        let image = Image::of(spec.image.as_ref());
        let mut pod = self.pod();
        let args = self.args();
        let own_kubeconfig = names::named(spec.kubeconfig_secret_ref.as_ref());
        let mounts = pod.mounts(
            own_kubeconfig.map(|it| ("server-kubeconfig".to_owned(), it, SERVER_KUBECONFIG)),
            &spec.extra_volume_mounts,
        );
        let command: Vec<&str> = spec.command.iter().map(String::as_str).collect();
        let command = if command.is_empty() { &["/virtual-workspaces"] } else { &command[..] };
        let resources = template::resources(Some(pod::shard_resources()), spec.resources.as_ref());
        let container = pod::container("kcp", &image, command, args, mounts, resources);

        let mut pull_secrets = image.pull_secrets.clone();
        let mut init_containers = Vec::new();
        let mut init_volumes = Vec::new();
        for init in &spec.init_containers {
            let own = init.image.as_ref().map(|it| Image::of(Some(it)));
            init_containers.push(pod.init_container(init, own.as_ref().unwrap_or(&image)));
            init_volumes.extend(init.volumes.iter().cloned());
            pull_secrets.extend(own.into_iter().flat_map(|it| it.pull_secrets));
        }
        pod.volumes.extend(init_volumes);

        let name = api::names::virtual_workspace_server(&self.owner.name);
        let server = Server {
            replicas: Some(pod::replicas(spec.replicas, &name, observed)),
            name,
            labels: self.app_labels(),
            labelled: true,
            container,
            init_containers,
            volumes: each_name_once(pod.volumes),
            pull_secrets,
            template: spec.deployment_template.as_ref(),
            ports: vec![service::https(i32::from(api::names::SERVER_PORT))],
            service_template: spec.service_template.as_ref(),
        };
        server.render(self.owner, observed, to);
    }

    /// What all containers have in common.
    fn pod(&self) -> Pod {
        let own = &self.owner.name;
        let root = self.root.name_any();
        let mut shared = Parts::default();
        shared.extra(&self.server.spec.extra_volumes, &[]);
        shared.secret("kcp-ca", &names::root_shard_ca(self.root), &format!("{TLS}/ca/root"));
        for ca in ["server", "requestheader-client"] {
            let volume = format!("{ca}-ca");
            shared.secret(&volume, &format!("{root}-{volume}"), &format!("{TLS}/ca/{ca}"));
        }
        shared.secret("client-ca", &self.client_ca(), &format!("{TLS}/ca/client"));
        shared.secret("server-cert", &format!("{own}-server"), &format!("{TLS}/server"));
        if let Some(cache) = self.cache {
            mount_cache(&mut shared, cache);
        }
        let target = self.shard.map_or(root, ResourceExt::name_any);
        let volume = format!("{ADMIN}-kubeconfig");
        let mut admin = Parts::default();
        admin.secret(&volume, &format!("{target}-{volume}"), &kubeconfig_path(ADMIN));
        admin.secret("client-cert", &format!("{own}-client"), &format!("{TLS}/{ADMIN}"));
        shared.volumes.extend(admin.volumes);
        Pod { volumes: shared.volumes, shared: shared.mounts, admin: admin.mounts }
    }

    fn args(&self) -> Vec<String> {
        let spec = &self.server.spec;
        let mut parts = Parts::default();
        parts.arg(format!("--client-ca-file={TLS}/ca/client/tls.crt"));
        parts.arg(format!("--tls-private-key-file={TLS}/server/tls.key"));
        parts.arg(format!("--tls-cert-file={TLS}/server/tls.crt"));
        parts.arg("--bind-address=0.0.0.0");
        parts.arg(format!("--secure-port={}", api::names::SERVER_PORT));
        let allowed = [names::FRONT_PROXY_USER, names::ROOT_PROXY_USER];
        flags::request_headers(&mut parts, &format!("{TLS}/ca/requestheader-client"), allowed);
        let kubeconfig = match names::named(spec.kubeconfig_secret_ref.as_ref()) {
            Some(_) => SERVER_KUBECONFIG.to_owned(),
            None => kubeconfig_path(ADMIN),
        };
        parts.arg(format!("--kubeconfig={kubeconfig}/kubeconfig"));
        parts.arg(format!("--shard-external-url={SHARD_EXTERNAL_URL}"));
        if self.cache.is_some() {
            parts.arg(format!("--cache-kubeconfig={CACHE_KUBECONFIG}/kubeconfig"));
        }
        flags::logging(&mut parts, spec.logging.as_ref());
        parts.args.extend(spec.extra_args.iter().cloned());
        parts.args
    }
}

/// The volumes of a pod, and what its containers mount of them.
struct Pod {
    volumes: Vec<Volume>,
    /// What each container mounts.
    shared: Vec<VolumeMount>,
    /// What a container without a kubeconfig of its own mounts: the way into the shard.
    admin: Vec<VolumeMount>,
}

impl Pod {
    /// The mounts of a container; `own` is the volume, Secret and path of its kubeconfig.
    fn mounts(
        &mut self,
        own: Option<(String, &str, &str)>,
        extra: &[VolumeMount],
    ) -> Vec<VolumeMount> {
        let mut mounts = self.shared.clone();
        if let Some((volume, secret, path)) = own {
            self.volumes.push(secret_volume(&volume, secret));
            mounts.push(mount(&volume, path));
        } else {
            mounts.extend(self.admin.iter().cloned());
        }
        mounts.extend(extra.iter().cloned());
        mounts
    }

    fn init_container(&mut self, init: &InitContainer, image: &Image) -> Container {
        let InitContainer { name, command, args, kubeconfig_secret_ref, volume_mounts, .. } = init;
        let own = names::named(kubeconfig_secret_ref.as_ref());
        let own = own.map(|it| (format!("init-{name}-kubeconfig"), it, INIT_KUBECONFIG));
        let mounts = self.mounts(own, volume_mounts);
        let default = Some(pod::shard_resources());
        Container {
            args: filled(args.clone()),
            command: filled(command.clone()),
            image: Some(image.name.clone()),
            name: name.clone(),
            resources: template::resources(default, init.resources.as_ref()),
            volume_mounts: filled(mounts),
            ..Container::default()
        }
    }
}

/// Several containers may bring a volume of one name, which the pod has once.
fn each_name_once(volumes: Vec<Volume>) -> Vec<Volume> {
    let mut all: Vec<Volume> = Vec::new();
    for volume in volumes {
        if !all.iter().any(|it| it.name == volume.name) {
            all.push(volume);
        }
    }
    all
}
