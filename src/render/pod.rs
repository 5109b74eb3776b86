//! Deployments: a server's pods, its Service and its budget.

use std::fmt::Write;

use aws_lc_rs::digest::{SHA3_256, digest};
use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapVolumeSource, Container, ContainerPort, HTTPGetAction,
    LocalObjectReference, PodSecurityContext, PodSpec, PodTemplateSpec, Probe,
    ResourceRequirements, SeccompProfile, SecretVolumeSource, SecurityContext, ServicePort, Volume,
    VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::image::Image;
use super::mounts::mounts;
use super::owner::{Labels, Owner};
use super::template::{self, each_once, filled};
use super::{Item, Observed, Rendered, production, service};
use crate::api::{DeploymentTemplate, ServiceTemplate, names};

/// The permissions of mounted files: everybody in the pod may read them (0644).
const FILE_MODE: i32 = 0o644;
/// The name of a server's port.
const PORT: &str = "https";
/// How many bytes of a name's hash stand in the key of a revision label.
const HASH_LEN: usize = 10;

/// The arguments and mounts of a container, and the volumes behind them.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) args: Vec<String>,
    pub(super) volumes: Vec<Volume>,
    pub(super) mounts: Vec<VolumeMount>,
}

impl Parts {
    /// Adds an argument.
    pub(super) fn arg(&mut self, arg: impl Into<String>) {
        self.args.push(arg.into());
    }

    /// Adds an argument with a value, if there is one.
    pub(super) fn flag(&mut self, flag: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            self.args.push(format!("{flag}={value}"));
        }
    }

    /// Adds an argument without a value, if it is wanted.
    pub(super) fn switch(&mut self, flag: &str, wanted: Option<bool>) {
        if wanted == Some(true) {
            self.arg(flag);
        }
    }

    /// Mounts a Secret, read-only.
    pub(super) fn secret(&mut self, volume: &str, secret: &str, path: &str) {
        self.volumes.push(secret_volume(volume, secret));
        self.mounts.push(mount(volume, path));
    }

    /// Mounts a `ConfigMap`, read-only.
    pub(super) fn config_map(&mut self, volume: &str, map: &str, path: &str) {
        self.volumes.push(Volume {
            config_map: Some(ConfigMapVolumeSource {
                name: map.to_owned(),
                ..ConfigMapVolumeSource::default()
            }),
            name: volume.to_owned(),
            ..Volume::default()
        });
        self.mounts.push(mount(volume, path));
    }

    /// Adds what the object itself asks for.
    pub(super) fn extra(&mut self, volumes: &[Volume], mounts: &[VolumeMount]) {
        self.volumes.extend(volumes.iter().cloned());
        self.mounts.extend(mounts.iter().cloned());
    }
}

/// A volume with a Secret in it.
pub(super) fn secret_volume(volume: &str, secret: &str) -> Volume {
    Volume {
        name: volume.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.to_owned()),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// A read-only mount.
pub(super) fn mount(volume: &str, path: &str) -> VolumeMount {
    VolumeMount {
        mount_path: path.to_owned(),
        name: volume.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}

/// A container that serves HTTPS, without probes.
pub(super) fn container(
    name: &str,
    image: &Image,
    command: &[&str],
    args: Vec<String>,
    mounts: Vec<VolumeMount>,
    resources: Option<ResourceRequirements>,
) -> Container {
    Container {
        args: filled(args),
        command: filled(command.iter().map(|&it| it.to_owned()).collect()),
        image: Some(image.name.clone()),
        name: name.to_owned(),
        ports: Some(vec![ContainerPort {
            container_port: i32::from(names::SERVER_PORT),
            name: Some(PORT.to_owned()),
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        }]),
        resources,
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities { add: None, drop: Some(vec!["ALL".to_owned()]) }),
            read_only_root_filesystem: Some(true),
            seccomp_profile: Some(runtime_default()),
            ..SecurityContext::default()
        }),
        volume_mounts: filled(mounts),
        ..Container::default()
    }
}

fn runtime_default() -> SeccompProfile {
    SeccompProfile { localhost_profile: None, type_: "RuntimeDefault".to_owned() }
}

/// Requests and limits: CPU and memory of each.
pub(super) fn resources(requests: [&str; 2], limits: [&str; 2]) -> ResourceRequirements {
    let amounts = |[cpu, memory]: [&str; 2]| {
        let entries = [("cpu", cpu), ("memory", memory)];
        entries.map(|(key, it)| (key.to_owned(), Quantity(it.to_owned()))).into()
    };
    ResourceRequirements {
        limits: Some(amounts(limits)),
        requests: Some(amounts(requests)),
        ..ResourceRequirements::default()
    }
}

/// What a shard and a server of virtual workspaces get unless they ask for something else.
pub(super) fn shard_resources() -> ResourceRequirements {
    resources(["1", "1Gi"], ["2", "2Gi"])
}

/// How a shard is probed: its start may take five minutes.
pub(super) fn shard_probes(container: &mut Container) {
    let probe = |path: &str, failures: i32, period: i32| Probe {
        failure_threshold: Some(failures),
        initial_delay_seconds: Some(10),
        period_seconds: Some(period),
        ..https_get(path)
    };
    container.startup_probe = Some(probe("/readyz", 60, 5));
    container.readiness_probe = Some(probe("/readyz", 6, 10));
    container.liveness_probe = Some(probe("/livez", 6, 10));
}

/// How a proxy or a cache server is probed.
pub(super) fn probes(container: &mut Container) {
    let probe = |path: &str| Probe {
        failure_threshold: Some(3),
        initial_delay_seconds: Some(15),
        period_seconds: Some(10),
        ..https_get(path)
    };
    container.readiness_probe = Some(probe("/readyz"));
    container.liveness_probe = Some(probe("/livez"));
}

fn https_get(path: &str) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String(PORT.to_owned()),
            scheme: Some("HTTPS".to_owned()),
            ..HTTPGetAction::default()
        }),
        success_threshold: Some(1),
        timeout_seconds: Some(10),
        ..Probe::default()
    }
}

/// The number of pods: what the object says, else what it is now, else two.
///
/// What it is now may be the work of an autoscaler.
pub(super) fn replicas(own: Option<i32>, deployment: &str, observed: &Observed) -> i32 {
    own.or_else(|| observed.replicas.get(deployment).copied()).unwrap_or(2)
}

/// A server: a Deployment and a Service of one name.
pub(super) struct Server<'a> {
    pub(super) name: String,
    /// The labels of its pods, which select them.
    pub(super) labels: Labels,
    /// Whether the Deployment itself has them too.
    pub(super) labelled: bool,
    pub(super) container: Container,
    pub(super) init_containers: Vec<Container>,
    pub(super) volumes: Vec<Volume>,
    pub(super) pull_secrets: Vec<LocalObjectReference>,
    pub(super) replicas: Option<i32>,
    pub(super) template: Option<&'a DeploymentTemplate>,
    pub(super) ports: Vec<ServicePort>,
    pub(super) service_template: Option<&'a ServiceTemplate>,
}

impl Server<'_> {
    /// Adds everything that the server needs to run.
    pub(super) fn render(self, owner: &Owner, observed: &Observed, to: &mut Rendered) {
        let Self { name, labels, ports, service_template, .. } = &self;
        let (name, labels) = (name.clone(), labels.clone());
        let service =
            service::service(owner, name, labels.clone(), ports.clone(), *service_template);
        let deployment = self.deployment(owner, observed);
        if owner.production {
            to.add(production::budget(owner, labels, &deployment).map(Item::from));
        }
        to.add([Item::from(deployment), Item::from(service)]);
    }

    fn deployment(self, owner: &Owner, observed: &Observed) -> Deployment {
        let object_labels = if self.labelled { self.labels.clone() } else { Labels::new() };
        let mut metadata = owner.metadata(self.name, object_labels);
        let mut spec = DeploymentSpec {
            replicas: self.replicas,
            selector: LabelSelector {
                match_labels: Some(self.labels.clone()),
                ..LabelSelector::default()
            },
            strategy: Some(one_more_at_a_time()),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta { labels: Some(self.labels), ..ObjectMeta::default() }),
                spec: Some(PodSpec {
                    containers: vec![self.container],
                    image_pull_secrets: filled(each_once(self.pull_secrets)),
                    init_containers: filled(self.init_containers),
                    volumes: filled(self.volumes),
                    ..PodSpec::default()
                }),
            },
            ..DeploymentSpec::default()
        };
        template::deployment(&mut metadata, &mut spec, self.template);
        if let Some(pod) = &mut spec.template.spec {
            fill(pod);
        }
        let mut deployment = Deployment { metadata, spec, status: None };
        if owner.production {
            production::spread(&mut deployment);
        }
        label_revisions(&mut deployment, observed);
        deployment
    }
}

/// A new pod is ready before an old one goes.
fn one_more_at_a_time() -> DeploymentStrategy {
    DeploymentStrategy {
        rolling_update: Some(RollingUpdateDeployment {
            max_surge: Some(IntOrString::Int(1)),
            max_unavailable: Some(IntOrString::Int(0)),
        }),
        type_: Some("RollingUpdate".to_owned()),
    }
}

/// Fills in what the operator's library says of every pod.
fn fill(pod: &mut PodSpec) {
    let security = pod.security_context.get_or_insert_with(PodSecurityContext::default);
    security.seccomp_profile.get_or_insert_with(runtime_default);
    for container in pod.containers.iter_mut().chain(pod.init_containers.iter_mut().flatten()) {
        let default = |field: &mut Option<String>, value: &str| {
            field.get_or_insert_with(|| value.to_owned());
        };
        default(&mut container.image_pull_policy, "IfNotPresent");
        default(&mut container.termination_message_path, "/dev/termination-log");
        default(&mut container.termination_message_policy, "File");
    }
    for volume in pod.volumes.iter_mut().flatten() {
        if let Some(secret) = &mut volume.secret {
            secret.default_mode.get_or_insert(FILE_MODE);
        }
        if let Some(map) = &mut volume.config_map {
            map.default_mode.get_or_insert(FILE_MODE);
        }
    }
}

/// Makes pods roll when something changes that they read only once.
fn label_revisions(deployment: &mut Deployment, observed: &Observed) {
    let mounts = mounts(deployment);
    let secrets = mounts.secrets.keys().map(|it| ("secret", it, observed.secret_version(it)));
    let maps = mounts.config_maps.keys();
    let maps = maps.map(|it| ("configmap", it, observed.config_map_version(it)));
    let labels: Vec<_> = secrets
        .chain(maps)
        .filter_map(|(kind, name, version)| Some((revision_label(kind, name), version?.to_owned())))
        .collect();
    if labels.is_empty() {
        return;
    }
    let metadata = deployment.spec.template.metadata.get_or_insert_default();
    metadata.labels.get_or_insert_default().extend(labels);
}

fn revision_label(kind: &str, name: &str) -> String {
    let mut label = format!("operator.kcp.io/{kind}-");
    for byte in &digest(&SHA3_256, name.as_bytes()).as_ref()[..HASH_LEN] {
        let _ = write!(label, "{byte:02x}"); // a string takes every write
    }
    label.push_str("-rev");
    label
}
