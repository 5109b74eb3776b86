//! What can be wrong with a certificate, a key or a CA.

use std::time::SystemTime;

use super::{PemError, validity};

/// A certificate or key that cannot be read, made or trusted.
///
/// The messages leave out which file was read: the caller knows it.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// The text is not the PEM that was wanted.
    #[error("not readable as PEM")]
    Pem(#[source] PemError),
    /// The bytes of a certificate are not a certificate.
    #[error("the certificate is damaged: {reason}")]
    Certificate {
        /// What the parser said.
        reason: String,
    },
    /// The bytes of a private key are not a key of a kind that is supported.
    #[error("the private key is damaged, or not RSA (2048 bits or more), ECDSA or Ed25519")]
    Key,
    /// A certificate that may not sign others stands where a CA is wanted.
    #[error("`{subject}` is not a CA certificate: {reason}")]
    NotCa {
        /// The certificate's subject.
        subject: String,
        /// Which of its fields says so.
        reason: &'static str,
    },
    /// The private key is not the one of the certificate.
    #[error("the private key does not belong to the certificate `{subject}`")]
    KeyMismatch {
        /// The certificate's subject.
        subject: String,
    },
    /// The CA is not valid at the time of signing.
    #[error("the CA `{subject}` is valid from {from} to {to} only", from = validity::text(*not_before), to = validity::text(*not_after))]
    CaNotValid {
        /// The CA's subject.
        subject: String,
        /// When its life begins.
        not_before: SystemTime,
        /// When its life ends.
        not_after: SystemTime,
    },
    /// The leaf would live longer than the CA that signs it.
    #[error("the CA `{subject}` ends at {to}, before the certificate would", to = validity::text(*not_after))]
    OutlivesCa {
        /// The CA's subject.
        subject: String,
        /// When the CA's life ends.
        not_after: SystemTime,
    },
    /// A user, group or host name that cannot stand in a certificate.
    #[error("{what} `{value}` cannot stand in a certificate: {reason}")]
    Name {
        /// What the name was for.
        what: &'static str,
        /// The name.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A time that X.509 cannot express.
    #[error("the certificate's life lies outside the years 1970 to 9999, or ends before it begins")]
    Time,
    /// The chain does not lead to a trusted CA, or not for this purpose or host.
    #[error("the certificate does not verify: {reason}")]
    Untrusted {
        /// What the verifier said.
        reason: String,
    },
    /// The cryptographic library failed.
    #[error("signing failed: {reason}")]
    Sign {
        /// What the library said.
        reason: String,
    },
}

impl From<PemError> for PkiError {
    fn from(error: PemError) -> Self {
        Self::Pem(error)
    }
}

impl PkiError {
    pub(super) fn encode(error: &x509_cert::der::Error) -> Self {
        Self::Sign { reason: error.to_string() }
    }
}
