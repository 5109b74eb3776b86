//! A topology to manifests, in the order in which they are best created.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{
    LocalObjectReference, TopologySpreadConstraint as SpreadConstraint,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde::Serialize;

use super::extras;
use super::manifest::{Comment, Manifest};
use super::topology::{Etcd, FrontProxy, Kubeconfig, Profile, TargetKind, Topology};
use crate::api::{
    self, CacheServer, CacheServerSpec, CertificateSpecTemplate, CertificateTemplate,
    CertificateTemplates, Certificates, CommonShardSpec, DeploymentSpecTemplate,
    DeploymentTemplate, EtcdConfig, EtcdTlsConfig, ExternalConfig, FrontProxySpec, ImageSpec,
    KubeconfigSpec, KubeconfigTarget, Object, ObjectReference, PodSpecTemplate, PodTemplate,
    RootShardCache, RootShardProxySpec, RootShardReference, RootShardSpec, ServiceSpecTemplate,
    ServiceTemplate, ShardCache, ShardSpec, names,
};

/// Makes every object of the installation.
///
/// # Errors
///
/// None in practice: no object holds anything that YAML cannot say.
pub fn build(topology: &Topology) -> serde_yaml::Result<Vec<Manifest>> {
    let builder = Builder { topology };
    let mut manifests = Vec::new();
    if topology.issuer.create {
        manifests.push(extras::issuer(topology));
    }
    for (server, etcd) in topology.etcds() {
        if *etcd == Etcd::Dev {
            manifests.extend(extras::dev_etcd(topology, server)?);
        }
    }
    manifests.extend(builder.caches()?);
    manifests.push(builder.root_shard()?);
    manifests.extend(builder.shards()?);
    for proxy in &topology.front_proxies {
        manifests.push(builder.front_proxy(proxy)?);
    }
    for kubeconfig in &topology.kubeconfigs {
        manifests.push(builder.kubeconfig(kubeconfig)?);
    }
    if topology.profile == Profile::Production {
        manifests.extend(extras::disruption_budgets(topology)?);
    }
    Ok(manifests)
}

/// The issuer when nobody named one.
pub(super) const ISSUER: &str = "selfsigned";

/// Where an etcd is looked for when nobody said where it is.
pub(super) fn derived_endpoint(server: &str, namespace: &str, domain: &str, tls: bool) -> String {
    let scheme = if tls { "https" } else { "http" };
    let host = names::service_host(&format!("etcd-{server}"), namespace, Some(domain));
    format!("{scheme}://{host}:{}", extras::ETCD_PORT)
}

/// The Secret with an etcd's client certificate when nobody named one.
pub(super) fn derived_secret(server: &str) -> String {
    format!("etcd-{server}-client")
}

struct Builder<'a> {
    topology: &'a Topology,
}

impl Builder<'_> {
    fn caches(&self) -> serde_yaml::Result<Vec<Manifest>> {
        let mut manifests = Vec::new();
        for cache in &self.topology.caches {
            let spec = CacheServerSpec {
                cluster_domain: self.cluster_domain(),
                image: Some(self.image()),
                replicas: Some(cache.replicas),
                certificates: self.certificates(),
                deployment_template: self.spread(&cache.name, "cache-server"),
                etcd: self.etcd(&cache.name, &cache.etcd),
                ..CacheServerSpec::default()
            };
            let mut object = CacheServer::new(&cache.name, spec);
            object.metadata = self.server_metadata(&cache.name);
            let mut comments = self.etcd_comments(&cache.name, &cache.etcd);
            comments.push(self.issuer_comment());
            manifests.push(manifest(
                "cacheserver",
                &cache.name,
                "The cache that all shards share. Every cache server of an installation\n\
                 must store in the same etcd.",
                &object,
                comments,
                Object::CacheServer(Box::new(object.clone())),
            )?);
        }
        Ok(manifests)
    }

    fn root_shard(&self) -> serde_yaml::Result<Manifest> {
        let root = &self.topology.root_shard;
        let spec = RootShardSpec {
            external: Self::external(&self.topology.external),
            cache: RootShardCache { embedded: None, reference: root.cache.as_deref().map(named) },
            certificates: self.certificates(),
            proxy: Some(RootShardProxySpec {
                image: Some(self.image()),
                replicas: Some(root.replicas),
                deployment_template: self.spread(&root.name, "rootshard-proxy"),
                certificate_templates: self.internal_proxy_names(&root.name),
                ..RootShardProxySpec::default()
            }),
            common: self.common(&root.name, "rootshard", root.replicas, &root.etcd),
        };
        let mut object = api::RootShard::new(&root.name, spec);
        object.metadata = self.server_metadata(&root.name);
        let mut comments = self.etcd_comments(&root.name, &root.etcd);
        comments.push(Comment::new(
            "spec.external",
            "The address of users. It must lead to a front-proxy, also from within the\n\
             cluster: without one, workspaces are never scheduled.",
        ));
        let cache = match root.cache {
            Some(_) => "The cache of this shard, and of every shard that names no other.",
            None => "Empty: the cache is embedded in this shard, and all others use it there.",
        };
        comments.push(Comment::new("spec.cache", cache));
        comments.push(self.issuer_comment());
        let object_view = Object::RootShard(Box::new(object.clone()));
        let about = "The root shard: it holds the workspace `root` and the installation's CAs.";
        manifest("rootshard", &root.name, about, &object, comments, object_view)
    }

    fn shards(&self) -> serde_yaml::Result<Vec<Manifest>> {
        let mut manifests = Vec::new();
        for shard in &self.topology.shards {
            let spec = ShardSpec {
                root_shard: self.root_reference(),
                cache: shard.cache.as_deref().map(|it| ShardCache { reference: Some(named(it)) }),
                common: self.common(&shard.name, "shard", shard.replicas, &shard.etcd),
            };
            let mut object = api::Shard::new(&shard.name, spec);
            object.metadata = self.server_metadata(&shard.name);
            manifests.push(manifest(
                "shard",
                &shard.name,
                "A shard beside the root shard.",
                &object,
                self.etcd_comments(&shard.name, &shard.etcd),
                Object::Shard(Box::new(object.clone())),
            )?);
        }
        Ok(manifests)
    }

    fn front_proxy(&self, proxy: &FrontProxy) -> serde_yaml::Result<Manifest> {
        let spec = FrontProxySpec {
            root_shard: self.root_reference(),
            replicas: Some(proxy.replicas),
            image: Some(self.image()),
            external: Some(Self::external(&proxy.external)),
            service_template: (proxy.service_type != "ClusterIP").then(|| ServiceTemplate {
                metadata: None,
                spec: Some(ServiceSpecTemplate {
                    type_: Some(proxy.service_type.clone()),
                    cluster_ip: None,
                }),
            }),
            deployment_template: self.spread(&proxy.name, "front-proxy"),
            certificate_templates: Self::addresses(&proxy.external.hostname),
            ..FrontProxySpec::default()
        };
        let mut object = api::FrontProxy::new(&proxy.name, spec);
        object.metadata = self.server_metadata(&proxy.name);
        let comments = vec![
            Comment::new(
                "spec.external",
                "The address of users; the certificate of the proxy is made for it.",
            ),
            Comment::new(
                "spec.serviceTemplate",
                "EDIT: how the proxy is reached from outside, if not by a load balancer.",
            ),
        ];
        manifest(
            "frontproxy",
            &proxy.name,
            "The proxy through which users reach all shards.",
            &object,
            comments,
            Object::FrontProxy(Box::new(object.clone())),
        )
    }

    fn kubeconfig(&self, kubeconfig: &Kubeconfig) -> serde_yaml::Result<Manifest> {
        let reference = || Some(named(&kubeconfig.target.name));
        let mut target = KubeconfigTarget::default();
        match kubeconfig.target.kind {
            TargetKind::RootShard => target.root_shard_ref = reference(),
            TargetKind::Shard => target.shard_ref = reference(),
            TargetKind::FrontProxy => target.front_proxy_ref = reference(),
        }
        let spec = KubeconfigSpec {
            target,
            target_workspace: Some(kubeconfig.workspace.clone()),
            username: kubeconfig.username.clone(),
            groups: kubeconfig.groups.clone(),
            validity: kubeconfig.validity.clone(),
            secret_ref: named(&kubeconfig.secret),
            certificate_template: None,
            authorization: None,
        };
        let mut object = api::Kubeconfig::new(&kubeconfig.name, spec);
        object.metadata = self.metadata(&kubeconfig.name);
        let comments = vec![
            Comment::new("spec.groups", "`system:kcp:admin` may do everything: give others less."),
            Comment::new(
                "spec.secretRef",
                "The Secret to read the kubeconfig from, key `kubeconfig`.",
            ),
        ];
        let about = format!("Access for the user `{}`.", kubeconfig.username);
        let view = Object::Kubeconfig(Box::new(object.clone()));
        manifest("kubeconfig", &kubeconfig.name, &about, &object, comments, view)
    }

    fn common(&self, name: &str, component: &str, replicas: i32, etcd: &Etcd) -> CommonShardSpec {
        CommonShardSpec {
            cluster_domain: self.cluster_domain(),
            etcd: self.etcd(name, etcd).unwrap_or_default(),
            image: Some(self.image()),
            replicas: Some(replicas),
            deployment_template: self.spread(name, component),
            ..CommonShardSpec::default()
        }
    }

    /// The operator dials its proxy in the cluster's domain, and forgets that name in the
    /// proxy's certificate if the domain is not the usual one.
    fn internal_proxy_names(&self, root: &str) -> CertificateTemplates {
        let Some(domain) = self.cluster_domain() else { return CertificateTemplates::new() };
        let service = names::root_shard_proxy(root);
        let host = names::service_host(&service, &self.topology.namespace, Some(&domain));
        server_certificate(CertificateSpecTemplate {
            dns_names: vec![host],
            ..CertificateSpecTemplate::default()
        })
    }

    /// The operator takes an address for a name, and no client looks for it there.
    fn addresses(host: &str) -> CertificateTemplates {
        if host.parse::<IpAddr>().is_err() {
            return CertificateTemplates::new();
        }
        server_certificate(CertificateSpecTemplate {
            ip_addresses: vec![host.to_owned()],
            ..CertificateSpecTemplate::default()
        })
    }

    fn metadata(&self, name: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(self.topology.namespace.clone()),
            ..ObjectMeta::default()
        }
    }

    /// The metadata of what runs: `kcpctl render` heeds the profile.
    fn server_metadata(&self, name: &str) -> ObjectMeta {
        let profile = (api::PROFILE_ANNOTATION.to_owned(), api::PRODUCTION.to_owned());
        let annotations = (self.topology.profile == Profile::Production).then(|| [profile].into());
        ObjectMeta { annotations, ..self.metadata(name) }
    }

    /// Absent where the operator's default is meant.
    fn cluster_domain(&self) -> Option<String> {
        let domain = &self.topology.cluster_domain;
        (domain != api::CLUSTER_DOMAIN).then(|| domain.clone())
    }

    fn image(&self) -> ImageSpec {
        let image = &self.topology.image;
        ImageSpec {
            repository: Some(image.repository.clone()),
            tag: Some(image.tag.clone()),
            image_pull_secrets: image.pull_secrets.iter().map(|it| named(it)).collect(),
        }
    }

    fn external(address: &super::topology::External) -> ExternalConfig {
        ExternalConfig {
            hostname: address.hostname.clone(),
            port: i32::from(address.port),
            ..ExternalConfig::default()
        }
    }

    fn certificates(&self) -> Certificates {
        let issuer = &self.topology.issuer;
        Certificates {
            issuer_ref: Some(ObjectReference {
                name: issuer.name.clone(),
                kind: Some(issuer.kind.clone()),
                group: Some("cert-manager.io".to_owned()),
            }),
            ca_secret_ref: None,
        }
    }

    fn root_reference(&self) -> RootShardReference {
        RootShardReference { reference: Some(named(&self.topology.root_shard.name)) }
    }

    fn etcd(&self, server: &str, etcd: &Etcd) -> Option<EtcdConfig> {
        let Topology { namespace, cluster_domain, .. } = self.topology;
        match etcd {
            Etcd::Embedded => None,
            Etcd::Dev => Some(EtcdConfig {
                endpoints: vec![derived_endpoint(server, namespace, cluster_domain, false)],
                ..EtcdConfig::default()
            }),
            Etcd::External { endpoints, prefix, tls_secret } => Some(EtcdConfig {
                endpoints: endpoints.clone(),
                prefix: prefix.clone(),
                tls_config: tls_secret.as_deref().map(|it| EtcdTlsConfig { secret_ref: named(it) }),
            }),
        }
    }

    fn etcd_comments(&self, server: &str, etcd: &Etcd) -> Vec<Comment> {
        let Etcd::External { endpoints, tls_secret, .. } = etcd else {
            let text = format!("A one-member etcd: see statefulset-etcd-{server}.yaml.");
            return if *etcd == Etcd::Dev { vec![Comment::new("spec.etcd", text)] } else { vec![] };
        };
        let Topology { namespace, cluster_domain, .. } = self.topology;
        let derived = derived_endpoint(server, namespace, cluster_domain, tls_secret.is_some());
        let mut comments = Vec::new();
        if *endpoints == [derived] {
            comments.push(Comment::new(
                "spec.etcd.endpoints",
                "EDIT: the members of this server's etcd. The name is only a guess.",
            ));
        }
        let secret = "a Secret with the keys\nca.crt, tls.crt and tls.key.";
        let text = if tls_secret.as_deref() == Some(&derived_secret(server)) {
            format!("EDIT: the client certificate for etcd: {secret}")
        } else {
            format!("The client certificate for etcd: {secret}")
        };
        comments.push(Comment::new("spec.etcd.tlsConfig", text));
        comments
    }

    fn issuer_comment(&self) -> Comment {
        let issuer = &self.topology.issuer;
        let text = match issuer.name.as_str() {
            _ if issuer.create => "Signs the root CA: see the issuer's own file.",
            ISSUER => "EDIT: the cert-manager issuer that signs the root CA. It must exist.",
            _ => "The cert-manager issuer that signs the root CA. It must exist.",
        };
        Comment::new("spec.certificates.issuerRef", text)
    }

    /// Production: over zones as far as there are some, over hosts without fail.
    fn spread(&self, name: &str, component: &str) -> Option<DeploymentTemplate> {
        if self.topology.profile != Profile::Production {
            return None;
        }
        let constraint = |key: &str, unsatisfiable: &str| SpreadConstraint {
            label_selector: Some(LabelSelector {
                match_labels: Some(names::app_labels(name, component)),
                ..LabelSelector::default()
            }),
            // Each rollout spreads on its own, or new pods would wait for old ones.
            match_label_keys: Some(vec!["pod-template-hash".to_owned()]),
            max_skew: 1,
            topology_key: key.to_owned(),
            when_unsatisfiable: unsatisfiable.to_owned(),
            ..SpreadConstraint::default()
        };
        let spec = PodSpecTemplate {
            topology_spread_constraints: vec![
                constraint("topology.kubernetes.io/zone", "ScheduleAnyway"),
                constraint("kubernetes.io/hostname", "DoNotSchedule"),
            ],
            ..PodSpecTemplate::default()
        };
        Some(DeploymentTemplate {
            metadata: None,
            spec: Some(DeploymentSpecTemplate {
                template: Some(PodTemplate { metadata: None, spec: Some(spec) }),
            }),
        })
    }
}

/// Changes to the certificate that a server shows.
fn server_certificate(spec: CertificateSpecTemplate) -> CertificateTemplates {
    let template = CertificateTemplate { metadata: None, spec: Some(spec) };
    CertificateTemplates::from([("server".to_owned(), template)])
}

fn named(name: &str) -> LocalObjectReference {
    LocalObjectReference { name: name.to_owned() }
}

fn manifest(
    kind: &str,
    name: &str,
    about: &str,
    tree: &impl Serialize,
    comments: Vec<Comment>,
    object: Object,
) -> serde_yaml::Result<Manifest> {
    Ok(Manifest {
        file: format!("{kind}-{name}.yaml"),
        about: about.to_owned(),
        tree: serde_yaml::to_value(tree)?,
        object: Some(object),
        comments,
    })
}
