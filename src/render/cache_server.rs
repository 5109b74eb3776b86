//! A cache server. Its PKI is its own: one CA signs its certificate and those of its clients.

use k8s_openapi::api::core::v1::{EmptyDirVolumeSource, Volume, VolumeMount};
use kube::ResourceExt;

use super::certificates::{self, Leaf, Pki};
use super::image::Image;
use super::kubeconfigs::Files;
use super::names::{self, CACHE_CA, CACHE_CLIENT};
use super::owner::{Owner, labels};
use super::pod::{self, Parts, Server};
use super::{Item, Observed, Rendered, flags, service};
use crate::api::{self, CacheServer};

const COMPONENT: &str = "cache-server";
/// Where an embedded etcd stores.
const EMBEDDED: &str = "/var/etcd";
/// Where the certificate of the server is mounted.
const SERVER: &str = "/etc/cache-server/tls/server";
/// Where the client certificate for etcd is mounted.
const ETCD: &str = "/etc/cache-server/etcd";

pub(super) fn render(server: &CacheServer, observed: &Observed) -> Rendered {
    let mut rendered = Rendered::default();
    let owner = Owner::of(server);
    certificates(server, &owner, &mut rendered);
    kubeconfig(server, &owner, &mut rendered);
    deployment(server, &owner, observed, &mut rendered);
    rendered.finish()
}

pub(super) fn host(server: &CacheServer) -> String {
    let service = api::names::cache_server(&server.name_any());
    names::host(&service, server.namespace(), server.spec.cluster_domain.as_deref())
}

fn certificates(server: &CacheServer, owner: &Owner, to: &mut Rendered) {
    let name = &owner.name;
    let ca = format!("{name}-ca");
    let pki = Pki {
        owner,
        labels: api::names::app_labels(name, COMPONENT),
        secret_labels: labels([(names::CACHE_SERVER, name)]),
        templates: Some(&server.spec.certificate_templates),
    };
    let certificates = &server.spec.certificates;
    to.add([Item::from(pki.issuer(ca.clone(), names::cache_server_ca(server)))]);
    if let Some(issuer) = names::new_ca_issuer(certificates) {
        to.add([Item::from(pki.ca("root-ca", ca.clone(), issuer))]);
    }
    let serving = Leaf {
        issuer: ca.clone(),
        dns_names: vec!["localhost".to_owned(), host(server)],
        usages: certificates::SERVER,
        ..Leaf::default()
    };
    let client = Leaf {
        issuer: ca,
        common_name: Some("cache-client".to_owned()),
        organizations: vec![names::MASTERS.to_owned()],
        usages: certificates::CACHE_CLIENT,
        ..Leaf::default()
    };
    to.add([
        Item::from(pki.leaf("server", format!("{name}-server"), serving)),
        Item::from(pki.leaf("client", format!("{name}-client-certificate"), client)),
    ]);
}

fn kubeconfig(server: &CacheServer, owner: &Owner, to: &mut Rendered) {
    let files = Files {
        cluster: "cache",
        server: names::service_url(&host(server)),
        ca: &format!("{CACHE_CA}/tls.crt"),
        context: "cache",
        user: "cache",
        identity: CACHE_CLIENT,
    };
    let secret_labels = labels([(names::CACHE_SERVER, &owner.name)]);
    to.add([files.secret(owner, format!("{}-kubeconfig", owner.name), secret_labels)]);
}

fn deployment(server: &CacheServer, owner: &Owner, observed: &Observed, to: &mut Rendered) {
    let spec = &server.spec;
    let image = Image::of(spec.image.as_ref());
    let name = api::names::cache_server(&owner.name);

    let mut parts = Parts::default();
    if spec.etcd.is_none() {
        parts.volumes.push(Volume {
            empty_dir: Some(EmptyDirVolumeSource::default()),
            name: "etcd-scratch".to_owned(),
            ..Volume::default()
        });
        parts.mounts.push(VolumeMount {
            mount_path: EMBEDDED.to_owned(),
            name: "etcd-scratch".to_owned(),
            ..VolumeMount::default()
        });
    }
    parts.extra(&spec.extra_volumes, &spec.extra_volume_mounts);
    parts.secret("serving-cert", &format!("{}-server", owner.name), SERVER);
    parts.arg(format!("--tls-cert-file={SERVER}/tls.crt"));
    parts.arg(format!("--tls-private-key-file={SERVER}/tls.key"));
    parts.arg("--root-directory=");
    if image.authenticates_cache_clients() {
        parts.secret("client-ca", &names::cache_server_ca(server), CACHE_CA);
        parts.arg(format!("--client-ca-file={CACHE_CA}/tls.crt"));
    }
    match &spec.etcd {
        None => parts.arg(format!("--embedded-etcd-directory={EMBEDDED}")),
        Some(etcd) => {
            parts.arg(format!("--etcd-servers={}", etcd.endpoints.join(",")));
            parts.flag("--etcd-prefix", etcd.prefix.as_ref().filter(|it| !it.is_empty()));
            if let Some(tls) = &etcd.tls_config {
                parts.secret("etcd-cert", &tls.secret_ref.name, ETCD);
                parts.arg(format!("--etcd-cafile={ETCD}/ca.crt"));
                parts.arg(format!("--etcd-certfile={ETCD}/tls.crt"));
                parts.arg(format!("--etcd-keyfile={ETCD}/tls.key"));
            }
        }
    }
    flags::logging(&mut parts, spec.logging.as_ref());
    parts.args.extend(spec.extra_args.iter().cloned());

    let replicas = if spec.etcd.is_some() {
        Some(spec.replicas.unwrap_or(2))
    } else {
        // Each pod would have a cache of its own: never several, and otherwise as it is.
        observed.replicas.get(&name).filter(|it| **it > 1).map(|_| 1)
    };
    let resources = pod::resources(["500m", "1Gi"], ["1", "2Gi"]);
    let Parts { args, volumes, mounts } = parts;
    let mut container =
        pod::container(COMPONENT, &image, &["/cache-server"], args, mounts, Some(resources));
    pod::probes(&mut container);
    let server = Server {
        name,
        labels: api::names::app_labels(&owner.name, COMPONENT),
        labelled: true,
        container,
        init_containers: Vec::new(),
        volumes,
        pull_secrets: image.pull_secrets,
        replicas,
        template: spec.deployment_template.as_ref(),
        ports: vec![service::https(i32::from(api::names::SERVER_PORT))],
        service_template: spec.service_template.as_ref(),
    };
    server.render(owner, observed, to);
}
