//! The cases in `tests/golden/render`, and what their short forms stand for.
//!
//! A case is a folder: `input.yaml` holds objects of operator.kcp.io, `expected.yaml` every
//! object that they must come to, and every field of those. What all objects of a kind have in
//! common stands here once; a field that neither the file nor this page names must be absent.
//!
//! | field of a file | meaning |
//! |---|---|
//! | `namespace` | where all objects are |
//! | `like` | the objects of that case are expected too, unless said otherwise; `null` is "not here" |
//! | `inputs` | the cases whose input is read; else only this one's |
//! | `leftOut` | Secrets that need what only a cluster has, and the Secrets they are made of, in order |
//! | `objects` | short forms by `Kind/name`: see the types below |
//!
//! These files are typed by hand from what is known of kcp-operator, and are no copy of what
//! the executable prints. There is no way to have them written anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};

type Strings = BTreeMap<String, String>;

/// One folder of `tests/golden/render`.
pub struct Case {
    /// The files to render, in order.
    pub inputs: Vec<PathBuf>,
    /// The Secrets that must not be printed but named on stderr, and what they are made of.
    pub left_out: BTreeMap<String, Vec<String>>,
    /// The objects that must be printed, whole, by `Kind/name`.
    pub objects: BTreeMap<String, Value>,
}

/// Where the cases are.
pub fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/render")
}

/// The input of a case.
pub fn input(case: &str) -> PathBuf {
    cases().join(case).join("input.yaml")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    namespace: Option<String>,
    like: Option<String>,
    inputs: Option<Vec<String>>,
    #[serde(default)]
    left_out: BTreeMap<String, Vec<String>>,
    objects: BTreeMap<String, Value>,
}

impl Case {
    /// Reads a case.
    pub fn read(name: &str) -> Self {
        let (file, namespace) = Self::short(name);
        let objects = file.objects.into_iter().map(|(key, short)| {
            let whole = whole(&key, short, &namespace)
                .unwrap_or_else(|error| panic!("{name}/expected.yaml: {key}: {error}"));
            (key, whole)
        });
        let inputs = file.inputs.unwrap_or_else(|| vec![name.to_owned()]);
        Self {
            inputs: inputs.iter().map(|it| input(it)).collect(),
            left_out: file.left_out,
            objects: objects.collect(),
        }
    }

    /// The file of a case, with what it takes from another, and its namespace.
    fn short(name: &str) -> (File, String) {
        let path = cases().join(name).join("expected.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        let mut file: File =
            serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut namespace = file.namespace.take();
        if let Some(like) = &file.like {
            let (other, its_namespace) = Self::short(like);
            namespace.get_or_insert(its_namespace);
            for (secret, parts) in other.left_out {
                file.left_out.entry(secret).or_insert(parts);
            }
            for (key, short) in other.objects {
                file.objects.entry(key).or_insert(short);
            }
        }
        file.objects.retain(|_, short| !short.is_null());
        (file, namespace.unwrap_or_else(|| panic!("{name}: no namespace")))
    }
}

/// What an object is, from its short form.
fn whole(key: &str, short: Value, namespace: &str) -> Result<Value, serde_json::Error> {
    let (kind, name) = key.split_once('/').unwrap();
    let (meta, api, mut object) = match kind {
        "Issuer" => serde_json::from_value::<Issuer>(short)?.whole(),
        "Certificate" => serde_json::from_value::<Certificate>(short)?.whole(name),
        "ConfigMap" => serde_json::from_value::<ConfigMap>(short)?.whole(),
        "Secret" => serde_json::from_value::<Secret>(short)?.whole(),
        "Deployment" => serde_json::from_value::<Deployment>(short)?.whole(),
        "Service" => serde_json::from_value::<Service>(short)?.whole(),
        "PodDisruptionBudget" => serde_json::from_value::<Budget>(short)?.whole(),
        _ => panic!("{kind} has no short form"),
    };
    object["apiVersion"] = json!(api);
    object["kind"] = json!(kind);
    object["metadata"] = json!({
        "name": name,
        "namespace": namespace,
        "labels": meta.all_labels(),
        "annotations": meta.annotations,
    });
    Ok(object)
}

type Whole = (Meta, &'static str, Value);

/// Labels and annotations of an object.
///
/// `app: component/instance` are the four labels that servers and all that belongs to them
/// have, `for` those of a Secret, which name the objects of operator.kcp.io behind it.
#[derive(Default)]
struct Meta {
    app: Option<String>,
    owners: Strings,
    labels: Strings,
    annotations: Strings,
}

impl Meta {
    fn all_labels(&self) -> Strings {
        let mut labels = self.labels.clone();
        labels.extend(self.app.as_deref().map(app_labels).unwrap_or_default());
        labels.extend(owner_labels(&self.owners));
        labels
    }
}

fn app_labels(app: &str) -> Strings {
    let (component, instance) = app.split_once('/').unwrap();
    [
        ("component", component),
        ("instance", instance),
        ("managed-by", "kcp-operator"),
        ("name", "kcp"),
    ]
    .map(|(key, value)| (format!("app.kubernetes.io/{key}"), value.to_owned()))
    .into()
}

fn owner_labels(owners: &Strings) -> Strings {
    owners.iter().map(|(kind, name)| (format!("operator.kcp.io/{kind}"), name.clone())).collect()
}

/// An issuer that signs with the CA in a Secret.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Issuer {
    app: String,
    secret: String,
}

impl Issuer {
    fn whole(self) -> Whole {
        let meta = Meta { app: Some(self.app), ..Meta::default() };
        (meta, "cert-manager.io/v1", json!({"spec": {"ca": {"secretName": self.secret}}}))
    }
}

/// A Certificate. Its Secret has its name, and unless said otherwise its key is RSA of 4096
/// bits, and it is valid for a year and renewed a week before; a CA for ten years and 30 days.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Certificate {
    app: Option<String>,
    #[serde(default)]
    labels: Strings,
    #[serde(default)]
    annotations: Strings,
    /// Labels of the Secret, as in [`Meta`].
    #[serde(rename = "for")]
    owners: Strings,
    #[serde(default)]
    secret_labels: Strings,
    #[serde(default)]
    secret_annotations: Strings,
    /// A CA; its common name is its own.
    #[serde(default)]
    ca: bool,
    cn: Option<String>,
    #[serde(default)]
    org: Vec<String>,
    /// What else the subject says.
    #[serde(default)]
    subject: Map<String, Value>,
    #[serde(default)]
    dns: Vec<String>,
    #[serde(default)]
    ips: Vec<String>,
    usages: Option<Usages>,
    /// The name of an Issuer of cert-manager, or a whole reference.
    issuer: Value,
    duration: Option<String>,
    /// `none`: not said.
    renew_before: Option<String>,
    key: Option<Value>,
}

/// Sets of key usages, in their order.
#[derive(Deserialize)]
enum Usages {
    /// Of servers.
    S3,
    /// Of servers, nothing else.
    S1,
    /// Of clients, nothing else.
    C1,
    /// Of clients.
    C3,
    /// Of what signs tokens.
    #[serde(rename = "SA")]
    Tokens,
}

impl Usages {
    const fn names(&self) -> &'static [&'static str] {
        match self {
            Self::S3 => &["server auth", "key encipherment", "digital signature"],
            Self::S1 => &["server auth"],
            Self::C1 => &["client auth"],
            Self::C3 => &["client auth", "key encipherment", "digital signature"],
            Self::Tokens => &["digital signature", "key encipherment"],
        }
    }
}

impl Certificate {
    fn whole(self, name: &str) -> Whole {
        let (duration, renew_before) =
            if self.ca { ("87600h0m0s", "720h0m0s") } else { ("8760h0m0s", "168h0m0s") };
        let issuer = match self.issuer {
            Value::String(name) => {
                json!({"name": name, "kind": "Issuer", "group": "cert-manager.io"})
            }
            whole => whole,
        };
        let mut subject = self.subject;
        if !self.org.is_empty() {
            subject.insert("organizations".into(), json!(self.org));
        }
        let mut secret_labels = self.secret_labels;
        secret_labels.extend(owner_labels(&self.owners));
        let spec = json!({
            "secretName": name,
            "isCA": self.ca.then_some(true),
            "commonName": if self.ca { Some(name.to_owned()) } else { self.cn },
            "subject": subject,
            "dnsNames": self.dns,
            "ipAddresses": self.ips,
            "usages": self.usages.as_ref().map_or(&[] as &[_], Usages::names),
            "issuerRef": issuer,
            "duration": self.duration.as_deref().unwrap_or(duration),
            "renewBefore":
                Some(self.renew_before.as_deref().unwrap_or(renew_before)).filter(|it| *it != "none"),
            "privateKey": self.key.unwrap_or_else(|| json!({"algorithm": "RSA", "size": 4096})),
            "secretTemplate": {"labels": secret_labels, "annotations": self.secret_annotations},
        });
        let meta = Meta {
            app: self.app,
            labels: self.labels,
            annotations: self.annotations,
            ..Meta::default()
        };
        (meta, "cert-manager.io/v1", json!({"spec": spec}))
    }
}

/// The mappings of a proxy, each `path backend file-with-the-CA-of-the-backend`. All show the
/// proxy's requestheader certificate.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigMap {
    app: String,
    mappings: Vec<String>,
}

impl ConfigMap {
    fn whole(self) -> Whole {
        let mappings = self.mappings.iter().map(|mapping| {
            let words: Vec<&str> = mapping.split(' ').collect();
            let [path, backend, ca] = words[..] else { panic!("{mapping}: three words") };
            json!({
                "path": path,
                "backend": backend,
                "backend_server_ca": ca,
                "proxy_client_cert": "/etc/kcp-front-proxy/requestheader-client/tls.crt",
                "proxy_client_key": "/etc/kcp-front-proxy/requestheader-client/tls.key",
            })
        });
        let mappings: Vec<Value> = mappings.collect();
        let meta = Meta { app: Some(self.app), ..Meta::default() };
        (meta, "v1", json!({"data": {"path-mapping.yaml": mappings}}))
    }
}

/// A Secret with the kubeconfig of a server.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    app: Option<String>,
    #[serde(default, rename = "for")]
    owners: Strings,
    kubeconfig: Kubeconfig,
}

/// One cluster, one user, one context. All paths are those in the pod.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kubeconfig {
    cluster: String,
    server: String,
    ca: String,
    context: String,
    user: String,
    /// The folder of the client's certificate.
    cert: String,
    /// Without `apiVersion` and `kind`.
    #[serde(default)]
    bare: bool,
}

impl Secret {
    fn whole(self) -> Whole {
        let it = &self.kubeconfig;
        let mut kubeconfig = json!({
            "clusters": [{
                "name": it.cluster,
                "cluster": {"server": it.server, "certificate-authority": it.ca},
            }],
            "contexts": [{
                "name": it.context,
                "context": {"cluster": it.cluster, "user": it.user},
            }],
            "current-context": it.context,
            "users": [{
                "name": it.user,
                "user": {
                    "client-certificate": format!("{}/tls.crt", it.cert),
                    "client-key": format!("{}/tls.key", it.cert),
                },
            }],
        });
        if !it.bare {
            kubeconfig["apiVersion"] = json!("v1");
            kubeconfig["kind"] = json!("Config");
        }
        let meta = Meta { app: self.app, owners: self.owners, ..Meta::default() };
        (meta, "v1", json!({"data": {"kubeconfig": kubeconfig}}))
    }
}

/// A Deployment with one container, `container`, and what runs before it, `init`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Deployment {
    app: String,
    /// Without the labels of `app` on the Deployment itself.
    #[serde(default)]
    unlabelled: bool,
    #[serde(default)]
    labels: Strings,
    #[serde(default)]
    annotations: Strings,
    replicas: u32,
    #[serde(default)]
    pod_labels: Strings,
    #[serde(default)]
    pod_annotations: Strings,
    /// More fields of the pod.
    #[serde(default)]
    pod: Map<String, Value>,
    spread: Option<Spread>,
    container: String,
    image: String,
    command: Vec<String>,
    args: Vec<String>,
    resources: Option<Resources>,
    probes: Option<Probes>,
    volumes: Vec<PodVolume>,
    /// The mounts of the container, if they are not those of `volumes`.
    mounts: Option<Vec<String>>,
    #[serde(default)]
    init: Vec<Init>,
}

/// Over zones and hosts, as the production profile has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Spread {
    Production,
}

/// `name = secret/NAME @ PATH`, or `configMap/NAME`, `emptyDir`, `emptyDir/MEDIUM`. Without a
/// path the container does not mount it; with ` rw` at the end it may write to it.
#[derive(Deserialize)]
#[serde(untagged)]
enum PodVolume {
    Short(String),
    Whole { volume: Value, mount: Value },
}

/// A container that runs before the server.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Init {
    name: String,
    image: String,
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    args: Vec<String>,
    resources: Resources,
    /// `volume @ PATH`, or `volume @ PATH rw`.
    mounts: Vec<String>,
}

/// What a container may use.
#[derive(Deserialize)]
#[serde(untagged)]
enum Resources {
    Of(Size),
    Whole(Value),
}

/// Of shards and virtual workspaces, and of cache servers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Size {
    Shard,
    Cache,
}

impl Resources {
    fn whole(self) -> Value {
        match self {
            Self::Of(Size::Shard) => json!({
                "requests": {"cpu": "1", "memory": "1Gi"},
                "limits": {"cpu": "2", "memory": "2Gi"},
            }),
            Self::Of(Size::Cache) => json!({
                "requests": {"cpu": "500m", "memory": "1Gi"},
                "limits": {"cpu": "1", "memory": "2Gi"},
            }),
            Self::Whole(whole) => whole,
        }
    }
}

/// How a server is asked whether it lives: a shard, or a proxy or cache server.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Probes {
    Shard,
    Proxy,
}

impl Probes {
    fn put(self, container: &mut Value) {
        let probe = |path: &str, failures: u32, delay: u32, period: u32| {
            json!({
                "httpGet": {"path": path, "port": "https", "scheme": "HTTPS"},
                "failureThreshold": failures,
                "initialDelaySeconds": delay,
                "periodSeconds": period,
                "successThreshold": 1,
                "timeoutSeconds": 10,
            })
        };
        let (failures, delay) = match self {
            Self::Shard => (6, 10),
            Self::Proxy => (3, 15),
        };
        if let Self::Shard = self {
            container["startupProbe"] = probe("/readyz", 60, 10, 5);
        }
        container["readinessProbe"] = probe("/readyz", failures, delay, 10);
        container["livenessProbe"] = probe("/livez", failures, delay, 10);
    }
}

impl Deployment {
    fn whole(self) -> Whole {
        let app = app_labels(&self.app);
        let mut pod_labels = self.pod_labels;
        pod_labels.extend(app.clone());

        let (mut volumes, mut mounts) = (Vec::new(), Vec::new());
        for volume in self.volumes {
            let (volume, at) = match volume {
                PodVolume::Short(short) => short_volume(&short),
                PodVolume::Whole { volume, mount } => (volume, Some(mount)),
            };
            volumes.push(volume);
            mounts.extend(at);
        }
        if let Some(own) = self.mounts {
            mounts = own.iter().map(|it| short_mount(it)).collect();
        }

        let mut container =
            container(&self.container, &self.image, &self.command, &self.args, &mounts);
        container["ports"] = json!([{"name": "https", "containerPort": 6443, "protocol": "TCP"}]);
        container["resources"] = self.resources.map(Resources::whole).unwrap_or_default();
        container["securityContext"] = json!({
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": true,
            "seccompProfile": {"type": "RuntimeDefault"},
        });
        if let Some(probes) = self.probes {
            probes.put(&mut container);
        }
        let before = self.init.into_iter().map(|it| {
            let mounts: Vec<Value> = it.mounts.iter().map(|it| short_mount(it)).collect();
            let mut before = self::container(&it.name, &it.image, &it.command, &it.args, &mounts);
            before["resources"] = it.resources.whole();
            before
        });

        let mut pod = self.pod;
        pod.insert("initContainers".into(), before.collect());
        pod.insert("containers".into(), json!([container]));
        pod.insert("volumes".into(), json!(volumes));
        pod.insert("securityContext".into(), json!({"seccompProfile": {"type": "RuntimeDefault"}}));
        if let Some(Spread::Production) = self.spread {
            let over = ["topology.kubernetes.io/zone", "kubernetes.io/hostname"].map(|key| {
                json!({
                    "labelSelector": {"matchLabels": app},
                    "maxSkew": 1,
                    "topologyKey": key,
                    "whenUnsatisfiable": "ScheduleAnyway",
                })
            });
            pod.insert("topologySpreadConstraints".into(), json!(over));
        }
        let spec = json!({
            "replicas": self.replicas,
            "selector": {"matchLabels": app},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
            },
            "template": {
                "metadata": {"labels": pod_labels, "annotations": self.pod_annotations},
                "spec": pod,
            },
        });
        let meta = Meta {
            app: Some(self.app).filter(|_| !self.unlabelled),
            labels: self.labels,
            annotations: self.annotations,
            ..Meta::default()
        };
        (meta, "apps/v1", json!({"spec": spec}))
    }
}

fn container(
    name: &str,
    image: &str,
    command: &[String],
    args: &[String],
    mounts: &[Value],
) -> Value {
    json!({
        "name": name,
        "image": image,
        "command": command,
        "args": args,
        "volumeMounts": mounts,
        "imagePullPolicy": "IfNotPresent",
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    })
}

fn short_volume(short: &str) -> (Value, Option<Value>) {
    let (name, rest) = short.split_once(" = ").unwrap_or_else(|| panic!("{short}: no ` = `"));
    let (source, at) = match rest.split_once(" @ ") {
        Some((source, at)) => (source, Some(short_mount(&format!("{name} @ {at}")))),
        None => (rest, None),
    };
    // 420 is 0644.
    let volume = match source.split_once('/').unwrap_or((source, "")) {
        ("secret", of) => json!({"secret": {"secretName": of, "defaultMode": 420}}),
        ("configMap", of) => json!({"configMap": {"name": of, "defaultMode": 420}}),
        ("emptyDir", "") => json!({"emptyDir": {}}),
        ("emptyDir", medium) => json!({"emptyDir": {"medium": medium}}),
        _ => panic!("{short}: no such source"),
    };
    let mut volume = volume;
    volume["name"] = json!(name);
    (volume, at)
}

fn short_mount(short: &str) -> Value {
    let (name, path) = short.split_once(" @ ").unwrap_or_else(|| panic!("{short}: no ` @ `"));
    match path.strip_suffix(" rw") {
        Some(path) => json!({"name": name, "mountPath": path}),
        None => json!({"name": name, "mountPath": path, "readOnly": true}),
    }
}

/// A Service. A port is `name number`, and reaches the same port of the pods, or
/// `name number->6443`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Service {
    app: String,
    #[serde(default)]
    labels: Strings,
    #[serde(default)]
    annotations: Strings,
    ports: Vec<String>,
    #[serde(rename = "type")]
    type_: Option<String>,
    #[serde(rename = "clusterIP")]
    cluster_ip: Option<String>,
}

impl Service {
    fn whole(self) -> Whole {
        let ports = self.ports.iter().map(|port| {
            let (name, number) = port.split_once(' ').unwrap();
            let (number, target) = number.split_once("->").unwrap_or((number, number));
            json!({
                "name": name,
                "port": number.parse::<u16>().unwrap(),
                "targetPort": target.parse::<u16>().unwrap(),
                "protocol": "TCP",
                "appProtocol": "https",
            })
        });
        let ports: Vec<Value> = ports.collect();
        let spec = json!({
            "type": self.type_.as_deref().unwrap_or("ClusterIP"),
            "clusterIP": self.cluster_ip,
            "selector": app_labels(&self.app),
            "ports": ports,
        });
        let meta = Meta {
            app: Some(self.app),
            labels: self.labels,
            annotations: self.annotations,
            ..Meta::default()
        };
        (meta, "v1", json!({"spec": spec}))
    }
}

/// A `PodDisruptionBudget`: one pod may be away.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Budget {
    app: String,
}

impl Budget {
    fn whole(self) -> Whole {
        let spec = json!({
            "maxUnavailable": 1,
            "selector": {"matchLabels": app_labels(&self.app)},
        });
        (Meta { app: Some(self.app), ..Meta::default() }, "policy/v1", json!({"spec": spec}))
    }
}
