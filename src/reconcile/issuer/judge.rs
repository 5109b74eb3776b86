//! PURE: what is to be done about a certificate, by what it asks for, its Secret, its issuer
//! and the time.
//!
//! Reasons and their order are cert-manager's. It keeps each request that it made and compares
//! the object with the last one; here the object is compared with the certificate itself.

use std::collections::BTreeMap;
use std::time::SystemTime;

use k8s_openapi::ByteString;

use super::{CA_CRT, CERTIFICATE_NAME, ISSUER_GROUP, ISSUER_KIND, ISSUER_NAME, TLS_CRT, TLS_KEY};
use crate::api::{CERT_MANAGER, ObjectReference};
use crate::pki::{Certificate, Key, PkiError, Signer, Validity, Wanted, pem};

/// A reason, in a word and in a sentence.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Why {
    /// In a word.
    pub reason: &'static str,
    /// In a sentence.
    pub message: String,
}

impl Why {
    /// A reason.
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// A Secret, as far as it counts.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// Its content.
    pub data: &'a BTreeMap<String, ByteString>,
    /// Its annotations.
    pub annotations: &'a BTreeMap<String, String>,
}

/// Everything that counts.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The name of the Certificate.
    pub name: &'a str,
    /// Who is to sign.
    pub issuer: &'a ObjectReference,
    /// What is asked for.
    pub wanted: &'a Wanted,
    /// The Secret, if there is one.
    pub secret: Option<Found<'a>>,
    /// Whoever can sign now.
    pub signer: Option<&'a Signer>,
    /// The time.
    pub now: SystemTime,
}

/// What is so, and what is to be done.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Verdict {
    /// Why the Secret cannot be used; nothing if it can.
    pub unready: Option<Why>,
    /// Why a new certificate is needed; nothing if none is.
    pub issue: Option<Why>,
    /// The life of the certificate that is there.
    pub life: Option<Validity>,
    /// When it is renewed.
    pub renewal: Option<SystemTime>,
}

/// Where the key of a new certificate comes from.
#[derive(Debug)]
pub enum KeySource {
    /// A new one is made.
    New,
    /// That of the Secret stays.
    Keep(Box<Key>),
    /// The one that is to stay is not what is asked for now.
    Stuck(Why),
}

impl Found<'_> {
    fn text(&self, key: &str) -> Option<String> {
        let value = self.data.get(key).filter(|it| !it.0.is_empty())?;
        Some(String::from_utf8_lossy(&value.0).into_owned())
    }

    fn key(&self) -> Option<Result<Key, PkiError>> {
        self.text(TLS_KEY).map(|it| Key::from_pem(&it))
    }
}

/// Judges a certificate.
pub fn judge(case: &Case<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    let Some(found) = &case.secret else {
        let why = Why::new("DoesNotExist", "Issuing certificate as Secret does not exist");
        return Verdict { unready: Some(why.clone()), issue: Some(why), ..verdict };
    };
    let read = found.text(TLS_CRT).map(|text| read(&text));
    if let Some(Ok((certificate, _))) = &read {
        let life = certificate.validity;
        let span = life.not_after.duration_since(life.not_before).unwrap_or_default();
        verdict.life = Some(life);
        verdict.renewal = Some(life.not_after - case.wanted.renew_before(span));
    }
    let found_wrong = wrong(case, found, read);
    verdict.unready.clone_from(&found_wrong);
    verdict.issue = found_wrong;
    if verdict.issue.is_none()
        && let (Some(life), Some(renewal)) = (verdict.life, verdict.renewal)
    {
        if case.now >= renewal {
            let at = text(renewal);
            let message = format!("Renewing certificate as renewal was scheduled at {at}");
            verdict.issue = Some(Why::new("Renewing", message));
        }
        if case.now > life.not_after {
            let message = format!("Certificate expired on {}", text(life.not_after));
            verdict.unready = Some(Why::new("Expired", message));
        }
    }
    verdict
}

type Read = Result<(Certificate, Vec<u8>), PkiError>;

fn read(text: &str) -> Read {
    let der = pem::certificates(text)?.swap_remove(0);
    Ok((Certificate::from_der(&der)?, der.to_vec()))
}

/// What is wrong with a Secret, whatever the time.
fn wrong(case: &Case<'_>, found: &Found<'_>, read: Option<Read>) -> Option<Why> {
    let issuing = |reason, what: String| {
        Some(Why::new(reason, format!("Issuing certificate as Secret {what}")))
    };
    let Some(key) = found.key() else {
        return issuing("MissingData", "does not contain a private key".to_owned());
    };
    let Some(read) = read else {
        return issuing("MissingData", "does not contain a certificate".to_owned());
    };
    let key = match key {
        Ok(key) => key,
        Err(error) => {
            let what = format!("contains invalid private key data: {error}");
            return issuing("InvalidKeyPair", what);
        }
    };
    let (certificate, der) = match read {
        Ok(read) => read,
        Err(error) => {
            let what = format!("contains an invalid certificate: {error}");
            return issuing("InvalidCertificate", what);
        }
    };
    if !certificate.has_key(&key) {
        let what = "contains a private key that does not match the certificate";
        return issuing("InvalidKeyPair", what.to_owned());
    }
    if let Some(other) = other_issuer(case.issuer, found.annotations) {
        return issuing("IncorrectIssuer", format!("was previously issued by `{other}`"));
    }
    if let Some(other) = found.annotations.get(CERTIFICATE_NAME).filter(|it| *it != case.name) {
        let message = format!(
            "Secret was issued for `{other}`. If this message is not transient, you might have \
             two conflicting Certificates pointing to the same secret."
        );
        return Some(Why::new("IncorrectCertificate", message));
    }
    if key.kind().ok() != Some(case.wanted.key) {
        let message = "Existing private key is not up to date for spec: [spec.privateKey]";
        return Some(Why::new("SecretMismatch", message));
    }
    let differences = match case.wanted.differences(&der) {
        Ok(differences) => differences,
        Err(error) => {
            let what = format!("contains an invalid certificate: {error}");
            return issuing("InvalidCertificate", what);
        }
    };
    if !differences.is_empty() {
        let message = format!(
            "Issuing certificate as Existing issued Secret is not up to date for spec: [{}]",
            differences.join(" ")
        );
        return Some(Why::new("SecretMismatch", message));
    }
    // A CA may keep its key when those above it are made anew.
    let root = found.text(CA_CRT).and_then(|it| pem::certificates(&it).ok());
    let is_lost = |signer: &Signer| {
        !signer.has_signed(&der) || root.as_ref().is_some_and(|it| !signer.leads_to(&it[0]))
    };
    if case.signer.is_some_and(is_lost) {
        let what = format!(
            "was signed with another key than `{}` or its root has now, and nobody would trust it",
            case.issuer.name
        );
        return issuing("IncorrectIssuer", what);
    }
    None
}

/// The kind of a reference to an issuer.
pub fn kind_of(issuer: &ObjectReference) -> &str {
    issuer.kind.as_deref().filter(|it| !it.is_empty()).unwrap_or("Issuer")
}

/// The group of a reference to an issuer.
pub fn group_of(issuer: &ObjectReference) -> &str {
    issuer.group.as_deref().filter(|it| !it.is_empty()).unwrap_or(CERT_MANAGER)
}

/// Who signed what is in the Secret, if that is somebody else.
fn other_issuer(
    issuer: &ObjectReference,
    annotations: &BTreeMap<String, String>,
) -> Option<String> {
    let [name, kind, group] =
        [ISSUER_NAME, ISSUER_KIND, ISSUER_GROUP].map(|it| annotations.get(it).cloned());
    if name.is_none() && kind.is_none() && group.is_none() {
        return None;
    }
    let before = ObjectReference { name: name.unwrap_or_default(), kind, group };
    let same = before.name == issuer.name
        && kind_of(&before) == kind_of(issuer)
        && group_of(&before) == group_of(issuer);
    (!same).then(|| format!("{}.{}/{}", kind_of(&before), group_of(&before), before.name))
}

/// Which key a new certificate gets.
pub fn key_source(wanted: &Wanted, secret: Option<&Found<'_>>) -> KeySource {
    if !wanted.keeps_key {
        return KeySource::New;
    }
    match secret.and_then(Found::key) {
        Some(Ok(key)) if key.kind().ok() == Some(wanted.key) => KeySource::Keep(Box::new(key)),
        Some(Ok(_)) => KeySource::Stuck(Why::new(
            "CannotRegenerateKey",
            "the private key in the Secret is not what spec.privateKey asks for, and its \
             rotationPolicy is `Never`: set it to `Always`, or delete the Secret",
        )),
        // Nobody misses a key that cannot be read.
        Some(Err(_)) | None => KeySource::New,
    }
}

/// One of several Certificates of one Secret.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Contender {
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// Its name.
    pub name: String,
}

/// Whose a Secret is among several Certificates that name it: that of which it speaks, else the
/// oldest.
pub fn owner<'a>(contenders: &'a [Contender], issued_for: Option<&str>) -> Option<&'a str> {
    let named = contenders.iter().find(|it| Some(it.name.as_str()) == issued_for);
    named.or_else(|| contenders.iter().min()).map(|it| it.name.as_str())
}

fn text(at: SystemTime) -> String {
    k8s_openapi::jiff::Timestamp::try_from(at).map_or_else(|_| String::new(), |it| it.to_string())
}
