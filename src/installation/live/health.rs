//! What is wrong with an installation in a cluster, beyond what its manifests can say.
//!
//! Each function judges what somebody else has fetched.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Node, Readiness, advice, readiness, readiness_by, stand_in, text};
use crate::api::{self, Kind};
use crate::installation::{Code, Finding, KcpVersion, Subject};
use crate::pki::{Certificate, pem};

/// How long before its end a certificate that nobody renews by itself is worth a word: time
/// enough to have a new one signed.
const END_IS_NEAR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How long cert-manager may take to renew a certificate that is due.
const RENEWAL_PATIENCE: SignedDuration = SignedDuration::from_hours(1);

/// Who an object is.
pub fn subject(object: &Value) -> Subject {
    Subject {
        kind: text(object, "/kind").to_owned(),
        namespace: Some(text(object, "/metadata/namespace").to_owned()).filter(|it| !it.is_empty()),
        name: text(object, "/metadata/name").to_owned(),
    }
}

/// A Secret that an object needs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SecretReference {
    /// Whose field.
    pub subject: Subject,
    /// Which field.
    pub path: &'static str,
    /// The Secret's namespace.
    pub namespace: String,
    /// The Secret's name.
    pub name: String,
    /// The keys that it must have, each of which holds PEM.
    pub keys: &'static [&'static str],
}

/// The fields that name Secrets which somebody has to make.
const SECRET_FIELDS: [(&str, &str, &[&str]); 5] = [
    (
        "/spec/etcd/tlsConfig/secretRef/name",
        "spec.etcd.tlsConfig.secretRef",
        &["ca.crt", "tls.crt", "tls.key"],
    ),
    (
        "/spec/certificates/caSecretRef/name",
        "spec.certificates.caSecretRef",
        &["tls.crt", "tls.key"],
    ),
    ("/spec/caBundleSecretRef/name", "spec.caBundleSecretRef", &["tls.crt"]),
    ("/spec/clientCABundleRef/name", "spec.clientCABundleRef", &["tls.crt"]),
    ("/spec/kubeconfigSecretRef/name", "spec.kubeconfigSecretRef", &[]),
];

/// The Secrets that an object needs.
pub fn secret_references(object: &Value) -> Vec<SecretReference> {
    if text(object, "/apiVersion") != api::API_VERSION {
        return Vec::new();
    }
    let named = SECRET_FIELDS.iter().filter(|it| !text(object, it.0).is_empty());
    named
        .map(|(pointer, path, keys)| SecretReference {
            subject: subject(object),
            path,
            namespace: text(object, "/metadata/namespace").to_owned(),
            name: text(object, pointer).to_owned(),
            keys,
        })
        .collect()
}

/// What is wrong with a Secret that is needed; `None` means that there is none.
pub fn judge_secret(
    reference: &SecretReference,
    secret: Option<&Value>,
    now: Timestamp,
) -> Vec<Finding> {
    let SecretReference { subject, path, namespace, name, keys } = reference;
    let error =
        |code, message: String, hint: String| Finding::error(code, subject, *path, message, hint);
    let Some(secret) = secret else {
        let message = format!("there is no Secret `{name}` in `{namespace}`");
        let hint = if keys.is_empty() {
            "make it".to_owned()
        } else {
            format!("make it, with the keys {}", keys.join(", "))
        };
        return vec![error(Code::NoSecret, message, hint)];
    };
    let mut findings = Vec::new();
    for key in *keys {
        let Some(value) = value_of(secret, key) else {
            let message = format!("the Secret `{name}` has no key `{key}`");
            findings.push(error(Code::NoSecret, message, format!("add `{key}` to it")));
            continue;
        };
        let Ok(value) = value else {
            let message = format!("`{key}` of the Secret `{name}` is not base64");
            findings.push(error(
                Code::BadSecret,
                message,
                "write it with `kubectl create secret`".into(),
            ));
            continue;
        };
        let broken = if *key == "tls.key" {
            pem::private_key(&value).err().map(|it| it.to_string())
        } else {
            let no_pem = pem::certificates(&value).err().map(|it| it.to_string());
            no_pem.or_else(|| Certificate::from_pem(&value).err().map(|it| it.to_string()))
        };
        if let Some(broken) = broken {
            let message = format!("`{key}` of the Secret `{name}`: {broken}");
            let hint = "put PEM there: what begins with `-----BEGIN`".to_owned();
            findings.push(error(Code::BadSecret, message, hint));
        } else if *key == "tls.crt" {
            let certificates = Certificate::from_pem(&value).unwrap_or_default();
            let ends = certificates
                .first()
                .and_then(|it| Timestamp::try_from(it.0.validity.not_after).ok());
            if let Some(finding) = ends.and_then(|ends| ending(reference, ends, now)) {
                findings.push(finding);
            }
        }
    }
    findings
}

/// The text of a key: from the manifest's `stringData` or the cluster's `data`.
fn value_of(secret: &Value, key: &str) -> Option<Result<String, ()>> {
    use base64::Engine as _;
    if let Some(text) = secret["stringData"][key].as_str() {
        return Some(Ok(text.to_owned()));
    }
    let encoded = secret["data"][key].as_str()?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded.trim());
    Some(bytes.map(|it| String::from_utf8_lossy(&it).into_owned()).map_err(drop))
}

fn ending(reference: &SecretReference, ends: Timestamp, now: Timestamp) -> Option<Finding> {
    let SecretReference { subject, path, name, .. } = reference;
    let hint = "have a new one signed, and put it into the Secret";
    if ends <= now {
        let message = format!("the certificate in the Secret `{name}` ended at {ends}");
        return Some(Finding::error(Code::CertificateEnds, subject, *path, message, hint));
    }
    let left = ends.duration_since(now);
    (left < END_IS_NEAR).then(|| {
        let left = in_words(left);
        let message = format!("the certificate in the Secret `{name}` ends in {left}, at {ends}");
        Finding::error(Code::CertificateEnds, subject, *path, message, hint).warn()
    })
}

/// A time span, in the largest unit of which there are several.
fn in_words(span: SignedDuration) -> String {
    match (span.as_hours(), span.as_mins()) {
        (hours @ 48.., _) => format!("{} days", hours / 24),
        (hours @ 2.., _) => format!("{hours} hours"),
        (_, minutes @ 2..) => format!("{minutes} minutes"),
        _ => "less than two minutes".to_owned(),
    }
}

/// An issuer that an object needs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IssuerReference {
    /// Whose field.
    pub subject: Subject,
    /// `Issuer` or `ClusterIssuer`.
    pub kind: String,
    /// Its namespace; empty for a `ClusterIssuer`.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// The issuer of cert-manager that an object needs, if it does.
pub fn issuer_reference(object: &Value) -> Option<IssuerReference> {
    let reference = object.pointer("/spec/certificates/issuerRef")?;
    let group = reference["group"].as_str().filter(|it| !it.is_empty());
    if text(object, "/apiVersion") != api::API_VERSION
        || group.is_some_and(|it| it != "cert-manager.io")
    {
        return None; // another group's issuers are none that we could look at
    }
    let kind =
        reference["kind"].as_str().filter(|it| !it.is_empty()).unwrap_or("Issuer").to_owned();
    let namespace = if kind == "ClusterIssuer" { "" } else { text(object, "/metadata/namespace") };
    Some(IssuerReference {
        subject: subject(object),
        namespace: namespace.to_owned(),
        name: reference["name"].as_str()?.to_owned(),
        kind,
    })
}

/// What is wrong with an issuer that is needed; `None` means that there is none.
pub fn judge_issuer(reference: &IssuerReference, issuer: Option<&Value>) -> Option<Finding> {
    let IssuerReference { subject, kind, namespace, name } = reference;
    let path = "spec.certificates.issuerRef";
    let Some(issuer) = issuer else {
        let message = format!("there is no {kind} `{name}`");
        let hint = format!(
            "make it, or name one that is there: `kubectl get {}`",
            kind.to_ascii_lowercase()
        );
        return Some(Finding::error(Code::NoIssuer, subject, path, message, hint));
    };
    match readiness(issuer) {
        Readiness::Ready(_) => None,
        Readiness::Waiting(waiting) => {
            let message = format!("the {kind} `{name}` is not ready: {waiting}");
            let place =
                if namespace.is_empty() { String::new() } else { format!("-n {namespace} ") };
            let kind = kind.to_ascii_lowercase();
            let hint = format!("see `kubectl {place}describe {kind} {name}`");
            Some(Finding::error(Code::NoIssuer, subject, path, message, hint))
        }
    }
}

/// Fields of `object` that the definition in the cluster does not have.
pub fn dropped_fields(object: &Value, crd: &Value) -> Vec<Finding> {
    let version = text(object, "/apiVersion").split_once('/').map_or("", |it| it.1);
    let versions = crd["spec"]["versions"].as_array().map_or(&[][..], Vec::as_slice);
    let found = versions.iter().find(|it| it["name"] == version && it["served"] == true);
    let hint = "bring the definitions up to date with `kcpctl crds --apply`";
    let Some(found) = found else {
        let message = format!("the cluster's definition does not serve {version}");
        return vec![Finding::error(
            Code::OldDefinition,
            subject(object),
            "apiVersion",
            message,
            hint,
        )];
    };
    let schema = &found["schema"]["openAPIV3Schema"];
    let dropped = api::fields_unknown_to(schema, object);
    dropped
        .into_iter()
        .map(|path| {
            let message = "the cluster's definition does not have this field, and would drop it";
            Finding::error(Code::OldDefinition, subject(object), path, message, hint)
        })
        .collect()
}

/// What is wrong with the definition of a kind in the cluster; `None` means that there is none.
pub fn judge_definition(kind: Kind, crd: Option<&Value>) -> Option<Finding> {
    let subject = Subject {
        kind: "CustomResourceDefinition".to_owned(),
        namespace: None,
        name: text(&api::crd(kind), "/metadata/name").to_owned(),
    };
    let hint = "install the definitions with `kcpctl crds --apply`";
    let Some(crd) = crd else {
        let message =
            format!("the cluster does not know {} of {}", kind.as_str(), api::API_VERSION);
        return Some(Finding::error(Code::NotDefined, subject, "", message, hint));
    };
    if let Readiness::Waiting(waiting) = readiness(crd) {
        let message = format!("the definition is not established: {waiting}");
        let hint = format!("see `kubectl describe crd {}`", subject.name);
        return Some(Finding::error(Code::NotDefined, subject, "status", message, hint));
    }
    let changes = super::definition_changes(crd, &api::crd(kind));
    // An operator that was built with another release of Kubernetes is no older for that.
    let lacks: Vec<&str> = changes
        .iter()
        .filter_map(|it| it.strip_prefix("+ spec"))
        .filter(|it| !api::is_kubernetes_own(it))
        .collect();
    if lacks.is_empty() {
        return None;
    }
    let shown: Vec<String> = lacks.iter().take(3).map(|it| format!("spec{it}")).collect();
    let more =
        if lacks.len() > 3 { format!(" and {} more", lacks.len() - 3) } else { String::new() };
    let message =
        format!("the definition is older than this kcpctl: it lacks {}{more}", shown.join(", "));
    Some(Finding::error(Code::OldDefinition, subject, "spec.versions", message, hint).warn())
}

/// Who else takes care of an object, so that a change of ours would not last.
pub fn foreign_owner(live: &Value) -> Option<Finding> {
    let owners = live["metadata"]["ownerReferences"].as_array();
    let controller = owners.into_iter().flatten().find(|it| it["controller"] == true);
    if let Some(controller) = controller {
        let (kind, name) = (text(controller, "/kind"), text(controller, "/name"));
        let message = format!("{kind}/{name} owns the object, and would change it back");
        let hint = format!("change {kind}/{name}, or choose another name");
        return Some(Finding::error(
            Code::ForeignObject,
            subject(live),
            "metadata.ownerReferences",
            message,
            hint,
        ));
    }
    let managed = text(live, "/metadata/labels/app.kubernetes.io~1managed-by");
    let release = text(live, "/metadata/annotations/meta.helm.sh~1release-name");
    if managed == "Helm" && !release.is_empty() {
        let message =
            format!("the object belongs to the Helm release `{release}`, which may change it back");
        let hint = "change the release's values, or take the object out of it";
        return Some(
            Finding::error(Code::ForeignObject, subject(live), "metadata.labels", message, hint)
                .warn(),
        );
    }
    None
}

/// Certificates of cert-manager that have ended, or that it should have renewed.
pub fn ending_certificates(certificates: &[Value], now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    for certificate in certificates {
        let time = |pointer: &str| text(certificate, pointer).parse::<Timestamp>().ok();
        let (ends, renews) = (time("/status/notAfter"), time("/status/renewalTime"));
        let name = text(certificate, "/metadata/name");
        let namespace = text(certificate, "/metadata/namespace");
        let hint = format!("see `kubectl -n {namespace} describe certificate {name}`");
        let overdue = renews.filter(|it| now.duration_since(*it) > RENEWAL_PATIENCE);
        let finding = match (ends, overdue) {
            (Some(ends), _) if ends <= now => {
                let message = format!("the certificate ended at {ends}");
                Finding::error(
                    Code::CertificateEnds,
                    subject(certificate),
                    "status.notAfter",
                    message,
                    hint,
                )
            }
            (Some(ends), Some(due)) => {
                let message =
                    format!("the certificate ends at {ends}, and was to be renewed at {due}");
                Finding::error(
                    Code::CertificateEnds,
                    subject(certificate),
                    "status.renewalTime",
                    message,
                    hint,
                )
                .warn()
            }
            _ => continue,
        };
        findings.push(finding);
    }
    findings
}

/// Cache servers of a release that serves everybody who reaches it.
pub fn open_caches(nodes: &[&Node]) -> Vec<Finding> {
    let caches = nodes.iter().filter(|it| it.kind == Kind::CacheServer.as_str());
    caches
        .filter_map(|it| {
            let version = KcpVersion::of_tag(it.version.as_deref()?)?;
            (!version.authenticates()).then(|| {
                let message = format!(
                    "{version} asks nobody who they are: whoever reaches its port reads and writes \
                     the cache of all shards"
                );
                let hint = "use an image of 0.29.2, 0.30.2, 0.31.0 or later, and keep its port closed until then";
                Finding::error(Code::OpenCache, of_node(it), "spec.image.tag", message, hint)
            })
        })
        .collect()
}

/// Servers whose versions do not belong together, or are not those that are wanted.
pub fn version_skew(nodes: &[&Node], after_upgrade: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let versions = super::skew(nodes);
    if let (false, Some(root)) = (versions.is_empty(), nodes.first()) {
        let message = format!("servers of several minor releases run: {}", versions.join(", "));
        let hint = "bring all images to one release; kcp promises nothing for others together";
        let finding =
            Finding::error(Code::VersionSkew, of_node(root), "spec.image.tag", message, hint);
        findings.push(if after_upgrade { finding } else { finding.warn() });
    }
    for node in nodes {
        let (Some(wanted), Some(runs)) = (&node.wanted_version, &node.version) else { continue };
        let message = format!("{runs} runs, and {wanted} is wanted");
        let hint =
            format!("see `kubectl -n {} rollout status`, and `kcpctl status`", node.namespace);
        let finding =
            Finding::error(Code::VersionSkew, of_node(node), "spec.image.tag", message, hint);
        findings.push(if after_upgrade { finding } else { finding.warn() });
    }
    findings
}

/// Objects that are not what they should be.
pub fn not_available(objects: &[&Value], deployments: &[Value]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for object in objects {
        let server = stand_in(object);
        let deployment = server
            .and_then(|server| deployments.iter().find(|it| text(it, "/metadata/name") == server));
        let state = readiness_by(object, deployment);
        if let Readiness::Waiting(waiting) = state {
            let (message, hint) = (waiting.to_string(), advice(object, &waiting));
            findings.push(Finding::error(
                Code::NotAvailable,
                subject(object),
                "status.conditions",
                message,
                hint,
            ));
        }
    }
    findings
}

/// Workloads and Services that have the names of an installation's, and belong to somebody else.
pub fn foreign_servers(objects: &[&Value], found: &[Value]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for object in objects {
        let name = text(object, "/metadata/name");
        let Some(server) = Kind::from_name(text(object, "/kind"))
            .and_then(|it| super::readiness::server(it, name))
        else {
            continue;
        };
        for live in found.iter().filter(|it| text(it, "/metadata/name") == server) {
            let owners = live["metadata"]["ownerReferences"].as_array();
            let is_operators = owners.into_iter().flatten().any(|it| {
                text(it, "/apiVersion").split('/').next().is_some_and(|it| it.ends_with(api::GROUP))
            });
            if !is_operators {
                let message = format!(
                    "there is a {} `{server}` that no object of the operator owns: it is in the way",
                    text(live, "/kind")
                );
                let hint =
                    format!("delete it, or give {}/{name} another name", text(object, "/kind"));
                findings.push(Finding::error(
                    Code::ForeignObject,
                    subject(object),
                    "metadata.name",
                    message,
                    hint,
                ));
            }
        }
    }
    findings
}

fn of_node(node: &Node) -> Subject {
    Subject {
        kind: node.kind.clone(),
        namespace: Some(node.namespace.clone()),
        name: node.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cache(spec: &Value) -> Value {
        json!({
            "apiVersion": "operator.kcp.io/v1alpha1", "kind": "CacheServer",
            "metadata": { "name": "cache", "namespace": "demo" }, "spec": spec,
        })
    }

    fn now() -> Timestamp {
        "2026-06-01T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_secret_is_there_has_its_keys_and_holds_pem() {
        let object = cache(&json!({ "etcd": { "tlsConfig": { "secretRef": { "name": "s" } } } }));
        let [reference] = <[_; 1]>::try_from(secret_references(&object)).unwrap();
        let shown = |secret: Option<Value>| -> Vec<String> {
            judge_secret(&reference, secret.as_ref(), now())
                .iter()
                .map(ToString::to_string)
                .collect()
        };
        assert_eq!(
            shown(None),
            [
                "KCP0036 CacheServer/cache: spec.etcd.tlsConfig.secretRef: there is no Secret `s` in `demo`"
            ]
        );
        let missing = shown(Some(json!({ "data": { "ca.crt": "!!" } })));
        assert!(
            missing[0].contains("KCP0037") && missing[0].contains("is not base64"),
            "{missing:?}"
        );
        assert!(
            missing[1].contains("KCP0036") && missing[1].contains("no key `tls.crt`"),
            "{missing:?}"
        );
        let plain =
            shown(Some(json!({ "stringData": { "ca.crt": "a", "tls.crt": "b", "tls.key": "c" } })));
        assert!(plain.iter().all(|it| it.contains("KCP0037")) && plain.len() == 3, "{plain:?}");
    }

    #[test]
    fn a_certificate_in_a_secret_is_told_before_its_end() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.not_after = rcgen::date_time_ymd(2026, 6, 11);
        let cert = params.self_signed(&key).unwrap().pem();
        let object = cache(&json!({ "certificates": { "caSecretRef": { "name": "s" } } }));
        let references = secret_references(&object);
        let secret = json!({ "stringData": { "tls.crt": cert, "tls.key": key.serialize_pem() } });
        let found = judge_secret(&references[0], Some(&secret), now());
        assert!(found[0].message.contains("ends in 10 days"), "{found:?}");
        for (now, shown) in [
            ("2026-06-09T12:00:00Z", "ends in 36 hours"),
            ("2026-06-10T23:01:00Z", "ends in 59 minutes"),
            ("2026-06-10T23:59:00Z", "ends in less than two minutes"),
            ("2026-07-01T00:00:00Z", "ended at 2026-06-11"),
        ] {
            let then = judge_secret(&references[0], Some(&secret), now.parse().unwrap());
            assert!(then[0].message.contains(shown), "{then:?}");
        }
    }

    #[test]
    fn an_issuer_is_there_and_ready() {
        let object = cache(
            &json!({ "certificates": { "issuerRef": { "name": "i", "kind": "ClusterIssuer" } } }),
        );
        let reference = issuer_reference(&object).unwrap();
        assert_eq!((reference.kind.as_str(), reference.namespace.as_str()), ("ClusterIssuer", ""));
        assert_eq!(
            judge_issuer(&reference, None).unwrap().message,
            "there is no ClusterIssuer `i`"
        );
        let issuer = |status: &str| {
            json!({
                "apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "metadata": {},
                "status": { "conditions": [{ "type": "Ready", "status": status, "reason": "Broken" }] },
            })
        };
        assert_eq!(judge_issuer(&reference, Some(&issuer("True"))), None);
        assert!(
            judge_issuer(&reference, Some(&issuer("False")))
                .unwrap()
                .message
                .contains("Ready: Broken")
        );
    }

    #[test]
    fn definitions_are_there_and_new_enough() {
        assert_eq!(judge_definition(Kind::Shard, None).unwrap().code, Code::NotDefined);
        let mut crd = api::crd(Kind::CacheServer);
        crd["status"] = json!({ "conditions": [
            { "type": "NamesAccepted", "status": "True" }, { "type": "Established", "status": "True" },
        ] });
        assert_eq!(judge_definition(Kind::CacheServer, Some(&crd)), None);
        let fields = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
        let spec = crd.pointer_mut(fields);
        let spec = spec.unwrap().as_object_mut().unwrap();
        spec["extraVolumes"]["items"]["properties"].as_object_mut().unwrap().remove("emptyDir");
        assert_eq!(judge_definition(Kind::CacheServer, Some(&crd)), None);
        let spec = crd.pointer_mut(fields);
        spec.unwrap().as_object_mut().unwrap().remove("extraArgs");
        let old = judge_definition(Kind::CacheServer, Some(&crd)).unwrap();
        assert!(old.message.ends_with("it lacks spec.extraArgs"), "{old}");
        let object = cache(&json!({ "extraArgs": ["-v=4"], "replicas": 1 }));
        let dropped = dropped_fields(&object, &crd);
        assert_eq!(
            dropped.iter().map(|it| it.path.as_str()).collect::<Vec<_>>(),
            ["spec.extraArgs"]
        );
        crd["spec"]["versions"][0]["served"] = false.into();
        let unserved = dropped_fields(&object, &crd);
        assert_eq!(unserved[0].message, "the cluster's definition does not serve v1alpha1");
    }

    #[test]
    fn what_somebody_else_owns_is_told() {
        let mut object = cache(&json!({}));
        assert_eq!(foreign_owner(&object), None);
        object["metadata"]["ownerReferences"] =
            json!([{ "kind": "Platform", "name": "p", "controller": true }]);
        assert!(foreign_owner(&object).unwrap().message.starts_with("Platform/p owns"));
        let deployment =
            json!({ "kind": "Deployment", "metadata": { "name": "cache-cache-server" } });
        let found = foreign_servers(&[&cache(&json!({}))], &[deployment]);
        assert_eq!(found[0].code, Code::ForeignObject);
    }

    #[test]
    fn certificates_are_renewed_in_time_or_told() {
        let certificate = |ends: &str, renews: &str| json!({ "kind": "Certificate", "metadata": { "name": "c" }, "status": { "notAfter": ends, "renewalTime": renews } });
        let of =
            |ends: &str, renews: &str| ending_certificates(&[certificate(ends, renews)], now());
        assert!(of("2026-08-01T00:00:00Z", "2026-07-01T00:00:00Z").is_empty());
        assert!(of("2026-05-01T00:00:00Z", "2026-04-01T00:00:00Z")[0].message.contains("ended at"));
        assert!(
            of("2026-08-01T00:00:00Z", "2026-05-01T00:00:00Z")[0]
                .message
                .contains("was to be renewed")
        );
    }
}
