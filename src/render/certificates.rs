//! Issuers and Certificates.
//!
//! A CA is a Certificate, a Secret and an Issuer of one name. A certificate and its Secret
//! have one name too.

use super::owner::{Labels, Owner};
use super::template;
use crate::api::{
    CERT_MANAGER, CaIssuer, Certificate, CertificateMetadata, CertificatePrivateKey,
    CertificateSpec, CertificateSubject, CertificateTemplates, Issuer, IssuerSpec, KeyAlgorithm,
    KeyUsage, ObjectReference,
};

/// How long a CA is valid: ten years.
const CA_DURATION: &str = "87600h0m0s";
/// How long before its end a CA is renewed: thirty days.
const CA_RENEW_BEFORE: &str = "720h0m0s";
/// How long any other certificate is valid: a year.
const DURATION: &str = "8760h0m0s";
/// How long before its end it is renewed: a week.
const RENEW_BEFORE: &str = "168h0m0s";
/// The size of every RSA key, in bits.
const KEY_SIZE: i64 = 4096;

/// Usages of a server whose key also takes part in old key exchanges.
pub(super) const SERVER: &[KeyUsage] =
    &[KeyUsage::ServerAuth, KeyUsage::KeyEncipherment, KeyUsage::DigitalSignature];
/// Usages of a server.
pub(super) const SERVER_ONLY: &[KeyUsage] = &[KeyUsage::ServerAuth];
/// Usages of a client.
pub(super) const CLIENT: &[KeyUsage] = &[KeyUsage::ClientAuth];
/// Usages of a client of a cache server.
pub(super) const CACHE_CLIENT: &[KeyUsage] =
    &[KeyUsage::ClientAuth, KeyUsage::KeyEncipherment, KeyUsage::DigitalSignature];
/// Usages of a key that signs tokens.
pub(super) const SIGNING: &[KeyUsage] = &[KeyUsage::DigitalSignature, KeyUsage::KeyEncipherment];

/// What the certificates of one component have in common.
pub(super) struct Pki<'a> {
    /// Whose they are.
    pub(super) owner: &'a Owner,
    /// The labels of the Certificates and Issuers.
    pub(super) labels: Labels,
    /// The labels of the Secrets.
    pub(super) secret_labels: Labels,
    /// What should be different.
    pub(super) templates: Option<&'a CertificateTemplates>,
}

/// What a certificate that signs no other says.
#[derive(Default)]
pub(super) struct Leaf {
    /// The Issuer of the same namespace that signs it.
    pub(super) issuer: String,
    /// Who it is, unless only names count.
    pub(super) common_name: Option<String>,
    /// The groups of a client.
    pub(super) organizations: Vec<String>,
    /// The names of a server.
    pub(super) dns_names: Vec<String>,
    /// What it may be used for.
    pub(super) usages: &'static [KeyUsage],
    /// How long it is valid, if not as usual; such a one is renewed when cert-manager likes.
    pub(super) duration: Option<String>,
}

impl Pki<'_> {
    /// A certificate; `kind` is the key of its template.
    pub(super) fn leaf(&self, kind: &str, name: String, leaf: Leaf) -> Certificate {
        let Leaf { issuer, common_name, organizations, dns_names, usages, duration } = leaf;
        let renew_before = duration.is_none().then(|| RENEW_BEFORE.to_owned());
        let subject = (!organizations.is_empty())
            .then(|| CertificateSubject { organizations, ..CertificateSubject::default() });
        self.certificate(
            kind,
            name,
            CertificateSpec {
                subject,
                common_name,
                duration: Some(duration.unwrap_or_else(|| DURATION.to_owned())),
                renew_before,
                dns_names,
                issuer_ref: local(issuer),
                usages: usages.to_vec(),
                ..CertificateSpec::default()
            },
        )
    }

    /// A CA that `issuer` signs; `kind` is the key of its template.
    pub(super) fn ca(&self, kind: &str, name: String, issuer: ObjectReference) -> Certificate {
        let spec = CertificateSpec {
            common_name: Some(name.clone()),
            duration: Some(CA_DURATION.to_owned()),
            renew_before: Some(CA_RENEW_BEFORE.to_owned()),
            issuer_ref: template::issuer(issuer),
            is_ca: true,
            ..CertificateSpec::default()
        };
        self.certificate(kind, name, spec)
    }

    fn certificate(&self, kind: &str, name: String, spec: CertificateSpec) -> Certificate {
        let secret_template = CertificateMetadata {
            labels: self.secret_labels.clone(),
            ..CertificateMetadata::default()
        };
        let private_key = CertificatePrivateKey {
            algorithm: Some(KeyAlgorithm::Rsa),
            size: Some(KEY_SIZE),
            ..CertificatePrivateKey::default()
        };
        let mut certificate = Certificate {
            metadata: self.owner.metadata(name.clone(), self.labels.clone()),
            spec: CertificateSpec {
                secret_name: name,
                secret_template: Some(secret_template),
                private_key: Some(private_key),
                ..spec
            },
            status: None,
        };
        let own = self.templates.and_then(|it| it.get(kind));
        template::certificate(&mut certificate, own);
        certificate
    }

    /// An issuer that signs with the CA in a Secret.
    pub(super) fn issuer(&self, name: String, secret_name: String) -> Issuer {
        Issuer {
            metadata: self.owner.metadata(name, self.labels.clone()),
            spec: IssuerSpec { ca: Some(CaIssuer { secret_name }), self_signed: None },
            status: None,
        }
    }
}

/// An issuer in the same namespace.
pub(super) fn local(name: String) -> ObjectReference {
    let kind = Some("Issuer".to_owned());
    ObjectReference { name, kind, group: Some(CERT_MANAGER.to_owned()) }
}
