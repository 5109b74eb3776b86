//! One look at one issuer or certificate.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ObjectReference as Regarding, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::judge::{self, Case, Contender, Found, KeySource, Verdict, Why};
use super::{
    CA_CRT, CERTIFICATE_NAME, FIELD_MANAGER, ISSUER_GROUP, ISSUER_KIND, ISSUER_NAME, Key, PART_OF,
    TLS_CRT, TLS_KEY, signers,
};
use crate::api::{CERT_MANAGER, Certificate, READY};
use crate::pki::{self, SignedChain, Wanted, pem};
use crate::reconcile::cluster::{Cluster, Failure};
use crate::reconcile::events::Events;
use crate::reconcile::kinds::Watched;
use crate::reconcile::live::{Live, World};
use crate::reconcile::look::End;
use crate::reconcile::status::{self, Said};

/// The condition of a certificate that is being made.
const ISSUING: &str = "Issuing";
/// What of a Certificate we cannot do, by its field.
const UNSUPPORTED: [&str; 6] = [
    "literalSubject",
    "nameConstraints",
    "otherNames",
    "keystores",
    "additionalOutputFormats",
    "signatureAlgorithm",
];
/// The namespace of events about objects without one.
const EVENTS_NAMESPACE: &str = "default";

/// What every look shares.
pub(super) struct Worker {
    cluster: Cluster,
    events: Events,
    /// The one namespace that is looked after, if it is one.
    namespace: Option<String>,
    /// What was applied to Secrets, and the revision that came of it.
    applied: Mutex<BTreeMap<(String, String), (Value, String)>>,
}

/// What came of a look.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub(super) end: End,
    pub(super) changed: Vec<(Watched, Live)>,
    /// When to look again though nothing has changed.
    pub(super) again: Option<SystemTime>,
}

impl Looked {
    fn failed(mut self, what: &str, failure: &Failure) -> Self {
        self.end = End::Failed(format!("{what}: {failure}"));
        self
    }
}

/// A certificate that is looked at.
struct At<'a> {
    live: &'a Live,
    namespace: &'a str,
    certificate: &'a Certificate,
    secret: Option<&'a Live>,
}

/// What is to be written about a certificate.
struct Standing {
    ready: Said,
    issuing: Option<Said>,
    verdict: Verdict,
    revision: Option<i64>,
}

impl Worker {
    pub(super) fn new(client: Client, namespace: Option<String>) -> Self {
        Self {
            cluster: Cluster::named(client.clone(), FIELD_MANAGER),
            events: Events::new(client),
            namespace,
            applied: Mutex::default(),
        }
    }

    pub(super) async fn look(&self, world: World, key: &Key) -> Looked {
        let (watched, namespace, name) = key.place();
        let Some(live) = world.get(watched, namespace, name).cloned() else {
            return Looked::default();
        };
        if live.metadata.deletion_timestamp.is_some() {
            return Looked::default();
        }
        match key {
            Key::ClusterIssuer(_) => {
                let secrets = signers::cluster_namespace(self.namespace.as_deref());
                self.issuer(watched, &live, &world, secrets).await
            }
            Key::Issuer(..) => self.issuer(watched, &live, &world, namespace).await,
            Key::Certificate(..) => self.certificate(&live, &world, namespace).await,
        }
    }

    async fn issuer(&self, watched: Watched, live: &Live, world: &World, secrets: &str) -> Looked {
        let mut looked = Looked::default();
        let ready = match signers::of_issuer(live, world, secrets) {
            Ok(signer) if signer.is_ca() => Said::yes("KeyPairVerified", "Signing CA verified"),
            Ok(_) => Said::yes("IsReady", ""),
            Err(Why { reason, message }) => Said::no(reason, message),
        };
        let old = live.at("/status").cloned().unwrap_or(Value::Null);
        let mut conditions = conditions_of(&old);
        let now = Time(Timestamp::now());
        status::set(&mut conditions, READY, &ready, live.metadata.generation, &now);
        let mut next = old.as_object().cloned().unwrap_or_default();
        next.insert("conditions".to_owned(), conditions.into());
        self.write_status(watched, live, &old, next, &mut looked).await;
        looked
    }

    async fn certificate(&self, live: &Live, world: &World, namespace: &str) -> Looked {
        let mut looked = Looked::default();
        let (certificate, wanted) = match read(live) {
            Ok(read) => read,
            Err(why) => {
                let verdict = Verdict { unready: Some(why), ..Verdict::default() };
                let standing = Standing::new(verdict, None, None);
                self.stand(live, standing, &mut looked).await;
                return looked;
            }
        };
        let spec = &certificate.spec;
        let secret = world.get(Watched::Secret, namespace, &spec.secret_name).cloned();
        let signer =
            signers::of_reference(&spec.issuer_ref, world, namespace, self.namespace.as_deref())
                .map(Arc::new);
        let now = SystemTime::now();
        let content = secret.as_deref().map(Content::of);
        let found = content.as_ref().map(Content::found);
        let case = Case {
            name: live.name(),
            issuer: &spec.issuer_ref,
            wanted: &wanted,
            secret: found,
            signer: signer.as_deref().ok(),
            now,
        };
        let mut verdict = judge::judge(&case);
        let issued_for = found.and_then(|it| it.annotations.get(CERTIFICATE_NAME));
        let contenders = contenders(world, namespace, &spec.secret_name);
        let owner = judge::owner(&contenders, issued_for.map(String::as_str));
        if let Some(owner) = owner.filter(|it| *it != live.name()) {
            let message = format!(
                "the Secret `{}` is that of the Certificate `{owner}`: name another one",
                spec.secret_name
            );
            verdict.issue = None;
            verdict.unready = Some(Why::new("IncorrectCertificate", message));
            self.stand(live, Standing::new(verdict, None, None), &mut looked).await;
            return looked;
        }
        let at = At { live, namespace, certificate: &certificate, secret: secret.as_deref() };
        if verdict.issue.is_some() {
            self.make(&at, case, verdict, &signer, &mut looked).await;
            return looked;
        }
        looked.again = verdict.renewal;
        if let Some(content) = &content {
            let tree = content.tree(&certificate, namespace);
            if let Err(failure) = self.apply(tree, secret.as_deref(), &mut looked).await {
                return looked.failed("the Secret was not written", &failure);
            }
        }
        self.stand(live, Standing::new(verdict, None, None), &mut looked).await;
        looked
    }

    /// Makes a certificate, if there is all that it takes.
    async fn make(
        &self,
        at: &At<'_>,
        case: Case<'_>,
        verdict: Verdict,
        signer: &Result<Arc<pki::Signer>, Why>,
        looked: &mut Looked,
    ) {
        let live = at.live;
        let Some(why) = verdict.issue.clone() else { return };
        let waits =
            |for_: &str| Some(Said::yes(why.reason, format!("{}; waiting: {for_}", why.message)));
        let signer = match signer {
            Ok(signer) => signer,
            Err(missing) => {
                let issuing = waits(&missing.message);
                looked.end = End::Waiting(missing.message.clone());
                self.stand(live, Standing::new(verdict, issuing, None), looked).await;
                return;
            }
        };
        let key = match judge::key_source(case.wanted, case.secret.as_ref()) {
            KeySource::New => None,
            KeySource::Keep(key) => Some(*key),
            KeySource::Stuck(stuck) => {
                looked.end = End::Waiting(stuck.message.clone());
                let issuing = waits(&stuck.message);
                if self.stand(live, Standing::new(verdict, issuing, None), looked).await {
                    self.tell(live, false, stuck.reason, stuck.message).await;
                }
                return;
            }
        };
        self.tell(live, true, ISSUING, why.message.clone()).await;
        let made = {
            let (wanted, signer) = (case.wanted.clone(), Arc::clone(signer));
            // An RSA key takes seconds, in which others must not wait.
            tokio::task::spawn_blocking(move || issue(&wanted, key, &signer)).await
        };
        let (key, chain) = match made.map_err(|error| error.to_string()) {
            Ok(Ok(made)) => made,
            Ok(Err(error)) => {
                let message = format!("the certificate was not signed: {error}");
                let issuing = Some(Said::no("Failed", message.clone()));
                self.stand(live, Standing::new(verdict, issuing, None), looked).await;
                self.tell(live, false, "Failed", message.clone()).await;
                looked.end = End::Failed(message);
                return;
            }
            Err(error) => {
                looked.end = End::Failed(format!("the certificate was not signed: {error}"));
                return;
            }
        };
        let content = Content::new(&key, &chain, at.certificate, at.secret);
        let tree = content.tree(at.certificate, at.namespace);
        if let Err(failure) = self.apply(tree, at.secret, looked).await {
            looked.end = End::Failed(format!("the Secret was not written: {failure}"));
            return;
        }
        let (namespace, reason) = (at.namespace, why.reason);
        tracing::info!(certificate = live.name(), namespace, reason, "issued a certificate");
        let case = Case { secret: Some(content.found()), now: SystemTime::now(), ..case };
        let verdict = judge::judge(&case);
        if let Some(why) = &verdict.unready {
            // Another try at once would end here again.
            looked.end = End::Failed(format!("what was just signed is no good: {}", why.message));
        }
        looked.again = verdict.renewal;
        let revision = live.at("/status/revision").and_then(Value::as_i64).unwrap_or(0) + 1;
        self.stand(live, Standing::new(verdict, None, Some(revision)), looked).await;
        let done = "The certificate has been successfully issued".to_owned();
        self.tell(live, true, ISSUING, done).await;
    }

    /// Applies a Secret, unless that was done to what is there.
    async fn apply(
        &self,
        tree: Value,
        secret: Option<&Live>,
        looked: &mut Looked,
    ) -> Result<(), Failure> {
        let text = |key: &str| tree["metadata"][key].as_str().unwrap_or_default().to_owned();
        let place = (text("namespace"), text("name"));
        let is_known = self.applied.lock().get(&place).is_some_and(|(known, revision)| {
            *known == tree && secret.is_some_and(|it| it.revision() == revision)
        });
        if is_known {
            return Ok(());
        }
        let live = self.cluster.apply(Watched::Secret, &tree, true).await?;
        self.applied.lock().insert(place, (tree, live.revision().to_owned()));
        looked.changed.push((Watched::Secret, live));
        Ok(())
    }

    pub(super) fn forget(&self, namespace: &str, name: &str) {
        self.applied.lock().remove(&(namespace.to_owned(), name.to_owned()));
    }

    /// Writes what is so about a certificate. Says whether that is news.
    async fn stand(&self, live: &Live, standing: Standing, looked: &mut Looked) -> bool {
        let Standing { ready, issuing, verdict, revision } = standing;
        let old = live.at("/status").cloned().unwrap_or(Value::Null);
        let mut conditions = conditions_of(&old);
        let (generation, now) = (live.metadata.generation, Time(Timestamp::now()));
        status::set(&mut conditions, READY, &ready, generation, &now);
        match issuing {
            Some(issuing) => status::set(&mut conditions, ISSUING, &issuing, generation, &now),
            None => conditions.retain(|it| it["type"] != ISSUING),
        }
        let mut next = old.as_object().cloned().unwrap_or_default();
        next.insert("conditions".to_owned(), conditions.into());
        let mut time = |key: &str, at: Option<SystemTime>| {
            match at.and_then(|it| Timestamp::try_from(it).ok()) {
                Some(at) => next.insert(key.to_owned(), json!(Time(at))),
                None => next.remove(key),
            };
        };
        time("notBefore", verdict.life.map(|it| it.not_before));
        time("notAfter", verdict.life.map(|it| it.not_after));
        time("renewalTime", verdict.renewal);
        if let Some(revision) = revision {
            next.insert("revision".to_owned(), revision.into());
        }
        self.write_status(Watched::Certificate, live, &old, next, looked).await
    }

    /// Says whether there was something to write.
    async fn write_status(
        &self,
        watched: Watched,
        live: &Live,
        old: &Value,
        next: Map<String, Value>,
        looked: &mut Looked,
    ) -> bool {
        let mut patch = next.clone();
        for key in old.as_object().into_iter().flat_map(Map::keys) {
            patch.entry(key.clone()).or_insert(Value::Null);
        }
        if *old == Value::Object(next) {
            return false;
        }
        let namespace = live.metadata.namespace.as_deref().unwrap_or_default();
        let patch = json!({ "status": patch });
        let place = (namespace, live.name());
        match self.cluster.merge(&watched.resource(), place, &patch, true).await {
            Ok(object) => looked.changed.push((watched, Live::of(watched, object))),
            // It went while we looked.
            Err(failure) if failure.code() == Some(404) => {}
            Err(failure) => {
                looked.end = End::Failed(format!("the status was not written: {failure}"));
            }
        }
        true
    }

    async fn tell(&self, live: &Live, is_good: bool, reason: &str, note: String) {
        let namespace = live.metadata.namespace.clone();
        let events = namespace.clone().unwrap_or_else(|| EVENTS_NAMESPACE.to_owned());
        let regarding = Regarding {
            api_version: Some(format!("{CERT_MANAGER}/v1")),
            kind: Some(Watched::Certificate.kind().to_owned()),
            name: Some(live.name().to_owned()),
            namespace,
            uid: Some(live.uid().to_owned()),
            ..Regarding::default()
        };
        self.events.publish(&events, regarding, is_good, reason, "Issue", note).await;
    }
}

impl Standing {
    fn new(verdict: Verdict, issuing: Option<Said>, revision: Option<i64>) -> Self {
        let ready = match &verdict.unready {
            None => Said::yes(READY, "Certificate is up to date and has not expired"),
            Some(Why { reason, message }) => Said::no(reason, message.clone()),
        };
        Self { ready, issuing, verdict, revision }
    }
}

fn conditions_of(status: &Value) -> Vec<Value> {
    status["conditions"].as_array().cloned().unwrap_or_default()
}

fn read(live: &Live) -> Result<(Certificate, Wanted), Why> {
    for field in UNSUPPORTED {
        let asked = live.at(&format!("/spec/{field}")).is_some_and(|it| match it {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(all) => !all.is_empty(),
            _ => true,
        });
        if asked {
            let message = format!("spec.{field} is not supported: it needs cert-manager itself");
            return Err(Why::new("NotSupported", message));
        }
    }
    let refused = |message: String| Why::new("InvalidSpec", message);
    let certificate: Certificate = serde_json::from_value(live.tree(Watched::Certificate))
        .map_err(|error| refused(error.to_string()))?;
    let wanted = Wanted::of(&certificate.spec).map_err(|error| refused(error.to_string()))?;
    Ok((certificate, wanted))
}

/// All Certificates that name one Secret.
fn contenders(world: &World, namespace: &str, secret: &str) -> Vec<Contender> {
    world
        .list(Watched::Certificate, namespace)
        .filter(|it| it.at("/spec/secretName").and_then(Value::as_str) == Some(secret))
        .map(|it| Contender {
            created: it.metadata.creation_timestamp.as_ref().map_or(0, |it| it.0.as_second()),
            name: it.name().to_owned(),
        })
        .collect()
}

fn issue(
    wanted: &Wanted,
    key: Option<pki::Key>,
    signer: &pki::Signer,
) -> Result<(String, SignedChain), pki::PkiError> {
    let key = match key {
        Some(key) => key,
        None => pki::Key::generate_as(wanted.key)?,
    };
    let chain = signer.sign(wanted, &key, SystemTime::now(), rand::random())?;
    Ok((key.to_pem_as(wanted.form)?, chain))
}

/// What a Secret holds, or is to hold.
struct Content {
    type_: String,
    data: BTreeMap<String, ByteString>,
    annotations: BTreeMap<String, String>,
}

impl Content {
    fn of(live: &Live) -> Self {
        let secret: Option<&Arc<Secret>> = live.secret();
        Self {
            type_: secret.and_then(|it| it.type_.clone()).unwrap_or_default(),
            data: secret.and_then(|it| it.data.clone()).unwrap_or_default(),
            annotations: live.metadata.annotations.clone().unwrap_or_default(),
        }
    }

    fn new(key: &str, signed: &SignedChain, of: &Certificate, there: Option<&Live>) -> Self {
        let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
        let type_ = there.map(Self::of).map(|it| it.type_).filter(|it| !it.is_empty());
        let issuer = &of.spec.issuer_ref;
        let annotations = [
            (CERTIFICATE_NAME, of.metadata.name.clone()),
            (ISSUER_NAME, Some(issuer.name.clone())),
            (ISSUER_KIND, Some(judge::kind_of(issuer).to_owned())),
            (ISSUER_GROUP, Some(judge::group_of(issuer).to_owned())),
        ];
        Self {
            // The type of a Secret cannot be changed.
            type_: type_.unwrap_or_else(|| "kubernetes.io/tls".to_owned()),
            data: BTreeMap::from([
                (TLS_CRT.to_owned(), bytes(&signed.chain)),
                (TLS_KEY.to_owned(), bytes(key)),
                (CA_CRT.to_owned(), bytes(&signed.root)),
            ]),
            annotations: annotations
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value.unwrap_or_default()))
                .collect(),
        }
    }

    fn found(&self) -> Found<'_> {
        Found { data: &self.data, annotations: &self.annotations }
    }

    /// The Secret, as it is applied.
    fn tree(&self, of: &Certificate, namespace: &str) -> Value {
        let template = of.spec.secret_template.clone().unwrap_or_default();
        let (mut labels, mut annotations) = (template.labels, template.annotations);
        let ours = [CERTIFICATE_NAME, ISSUER_NAME, ISSUER_KIND, ISSUER_GROUP];
        for key in ours {
            if let Some(value) = self.annotations.get(key) {
                annotations.insert(key.to_owned(), value.clone());
            }
        }
        let text = self.data.get(TLS_CRT).map(|it| String::from_utf8_lossy(&it.0));
        let first = text.and_then(|it| pem::certificates(&it).ok());
        let facts = first.and_then(|it| pki::annotations(&it[0]).ok());
        for (key, value) in facts.into_iter().flatten() {
            annotations.insert(key.to_owned(), value);
        }
        labels.insert(PART_OF.to_owned(), "true".to_owned());
        let data: BTreeMap<&String, &ByteString> = self
            .data
            .iter()
            .filter(|(key, _)| [TLS_CRT, TLS_KEY, CA_CRT].contains(&key.as_str()))
            .collect();
        json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {
                "name": of.spec.secret_name, "namespace": namespace,
                "labels": labels, "annotations": annotations,
            },
            "type": self.type_,
            "data": data,
        })
    }
}
