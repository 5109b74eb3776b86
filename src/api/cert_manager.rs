//! cert-manager's `Issuer` and `Certificate`, as far as we write and read them.
//!
//! Foreign types: their fields and defaults are cert-manager's. What the operator's templates
//! have of the same form stands in `common`. Only those stand here that
//! the operator's objects can ask for, and of a status what tells whether to wait.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::CustomResource;
use serde::{Deserialize, Serialize};

use super::common::{
    CertificateMetadata, CertificatePrivateKey, CertificateSubject, ObjectReference,
};

/// The API group of cert-manager's kinds.
pub const CERT_MANAGER: &str = "cert-manager.io";

/// The condition of an issuer or certificate that can be used.
pub const READY: &str = "Ready";

/// A certificate that should be in a Secret.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "cert-manager.io",
    version = "v1",
    kind = "Certificate",
    plural = "certificates",
    namespaced,
    status = "CertificateStatus",
    derive = "PartialEq",
    schema = "disabled"
)]
#[serde(rename_all = "camelCase")]
pub struct CertificateSpec {
    /// Attributes of the subject, beside its common name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<CertificateSubject>,
    /// Common name of the subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_name: Option<String>,
    /// How long the certificate is valid, as Go prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// How long before its end it is renewed, as Go prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_before: Option<String>,
    /// The share of its life, in percent, that is left when it is renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_before_percentage: Option<i64>,
    /// DNS names that it covers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_names: Vec<String>,
    /// IP addresses that it covers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ip_addresses: Vec<String>,
    /// URIs that it covers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uris: Vec<String>,
    /// Mail addresses that it covers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub email_addresses: Vec<String>,
    /// The Secret to write.
    pub secret_name: String,
    /// Labels and annotations of the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_template: Option<CertificateMetadata>,
    /// Who signs it.
    pub issuer_ref: ObjectReference,
    /// Whether it may sign others.
    #[serde(default, rename = "isCA", skip_serializing_if = "is_false")]
    pub is_ca: bool,
    /// What it may be used for, in cert-manager's words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub usages: Vec<KeyUsage>,
    /// The private key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key: Option<CertificatePrivateKey>,
}

/// What a certificate may be used for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum KeyUsage {
    /// To sign; the same as [`DigitalSignature`](Self::DigitalSignature).
    #[serde(rename = "signing")]
    Signing,
    /// To sign.
    #[serde(rename = "digital signature")]
    DigitalSignature,
    /// To sign what one will be held to.
    #[serde(rename = "content commitment")]
    ContentCommitment,
    /// To agree on keys.
    #[serde(rename = "key encipherment")]
    KeyEncipherment,
    /// To agree on keys in another way.
    #[serde(rename = "key agreement")]
    KeyAgreement,
    /// To encipher.
    #[serde(rename = "data encipherment")]
    DataEncipherment,
    /// To sign certificates.
    #[serde(rename = "cert sign")]
    CertSign,
    /// To sign revocation lists.
    #[serde(rename = "crl sign")]
    CrlSign,
    /// With key agreement: to encipher only.
    #[serde(rename = "encipher only")]
    EncipherOnly,
    /// With key agreement: to decipher only.
    #[serde(rename = "decipher only")]
    DecipherOnly,
    /// By anybody for anything.
    #[serde(rename = "any")]
    Any,
    /// By a server.
    #[serde(rename = "server auth")]
    ServerAuth,
    /// By a client.
    #[serde(rename = "client auth")]
    ClientAuth,
    /// To sign programs.
    #[serde(rename = "code signing")]
    CodeSigning,
    /// For mail.
    #[serde(rename = "email protection")]
    EmailProtection,
    /// For mail; the same as [`EmailProtection`](Self::EmailProtection).
    #[serde(rename = "s/mime")]
    Smime,
    /// By an end of an `IPsec` tunnel.
    #[serde(rename = "ipsec end system")]
    IpsecEndSystem,
    /// By an `IPsec` tunnel.
    #[serde(rename = "ipsec tunnel")]
    IpsecTunnel,
    /// By a user of an `IPsec` tunnel.
    #[serde(rename = "ipsec user")]
    IpsecUser,
    /// To sign times.
    #[serde(rename = "timestamping")]
    Timestamping,
    /// To say whether a certificate was revoked.
    #[serde(rename = "ocsp signing")]
    OcspSigning,
    /// For what Microsoft's servers once needed.
    #[serde(rename = "microsoft sgc")]
    MicrosoftSgc,
    /// For what Netscape's servers once needed.
    #[serde(rename = "netscape sgc")]
    NetscapeSgc,
    /// What nobody knows.
    #[serde(other, rename = "other")]
    Other,
}

/// What is known of a certificate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateStatus {
    /// Condition `Ready`, and `Issuing` while it is made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<CertManagerCondition>,
    /// When it begins to be valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Time>,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Time>,
    /// When it is renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal_time: Option<Time>,
    /// How many times it was issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
}

/// A condition, as cert-manager writes one: a time or a reason may be missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertManagerCondition {
    /// Which.
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// When that changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,
    /// Why, in a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The generation of the object that this speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// A signer of certificates, in its namespace.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "cert-manager.io",
    version = "v1",
    kind = "Issuer",
    plural = "issuers",
    namespaced,
    status = "IssuerStatus",
    derive = "PartialEq",
    schema = "disabled"
)]
#[serde(rename_all = "camelCase")]
pub struct IssuerSpec {
    /// Signs with the CA in a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<CaIssuer>,
    /// Signs each certificate with its own key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_signed: Option<SelfSignedIssuer>,
}

/// Signs with the CA in a Secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CaIssuer {
    /// The Secret, with `tls.crt` and `tls.key`.
    pub secret_name: String,
}

/// Signs each certificate with its own key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SelfSignedIssuer {}

/// What is known of an issuer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IssuerStatus {
    /// Condition `Ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<CertManagerCondition>,
}

impl Certificate {
    /// Whether what the object asks for now is in its Secret.
    pub fn is_ready(&self) -> bool {
        let Some(status) = &self.status else { return false };
        let generation = self.metadata.generation;
        status.conditions.iter().any(|it| {
            it.type_ == READY
                && it.status == "True"
                && (it.observed_generation.is_none() || it.observed_generation >= generation)
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields so")]
fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_certificate_is_ready_when_cert_manager_says_so_of_this_generation() {
        let certificate = |generation: i64, conditions: serde_json::Value| -> Certificate {
            serde_json::from_value(json!({
                "apiVersion": "cert-manager.io/v1", "kind": "Certificate",
                "metadata": { "name": "a", "generation": generation },
                "spec": { "secretName": "a", "issuerRef": { "name": "b" } },
                "status": { "conditions": conditions },
            }))
            .unwrap()
        };
        let ready = |generation: i64| json!([{ "type": "Ready", "status": "True", "observedGeneration": generation }]);
        assert!(certificate(2, ready(2)).is_ready());
        assert!(!certificate(2, ready(1)).is_ready());
        assert!(certificate(2, json!([{ "type": "Ready", "status": "True" }])).is_ready());
        assert!(!certificate(2, json!([{ "type": "Ready", "status": "False" }])).is_ready());
        assert!(!certificate(2, json!([])).is_ready());
    }

    #[test]
    fn a_certificate_says_only_what_was_said() {
        let spec = CertificateSpec {
            secret_name: "a".to_owned(),
            issuer_ref: ObjectReference { name: "b".to_owned(), ..ObjectReference::default() },
            ..CertificateSpec::default()
        };
        assert_eq!(
            serde_json::to_value(Certificate::new("a", spec)).unwrap(),
            json!({
                "apiVersion": "cert-manager.io/v1", "kind": "Certificate",
                "metadata": { "name": "a" },
                "spec": { "secretName": "a", "issuerRef": { "name": "b" } },
            })
        );
    }
}
