//! A private key: generated here, or read from PEM.

use std::fmt;

use rcgen::{PublicKeyData, SigningKey};

use super::{PkiError, pem};

/// A private key that can sign.
pub struct Key {
    pair: rcgen::KeyPair,
    /// The label of its PEM block: a key is written in the form in which it was read.
    label: String,
}

impl Key {
    /// A new ECDSA P-256 key.
    pub fn generate() -> Result<Self, PkiError> {
        let pair = rcgen::KeyPair::generate().map_err(|error| sign_error(&error))?;
        Ok(Self { pair, label: pem::PRIVATE_KEY.to_owned() })
    }

    /// Reads an RSA, ECDSA or Ed25519 key in PKCS#8, SEC1 or PKCS#1 form.
    pub fn from_pem(text: &str) -> Result<Self, PkiError> {
        let label = pem::private_key_block(text)?.label;
        let der = pem::private_key(text)?;
        let pair = rcgen::KeyPair::try_from(&der).map_err(|_| PkiError::Key)?;
        Ok(Self { pair, label })
    }

    /// The key as PEM.
    pub fn to_pem(&self) -> String {
        pem::encode(&self.label, self.pair.serialized_der())
    }

    /// The public half, as a DER `SubjectPublicKeyInfo`.
    pub fn public_der(&self) -> Vec<u8> {
        self.pair.subject_public_key_info()
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, PkiError> {
        self.pair.sign(message).map_err(|error| sign_error(&error))
    }

    /// The DER `AlgorithmIdentifier` of this key's signatures.
    pub(super) fn signature_algorithm(&self) -> Result<&'static [u8], PkiError> {
        /// The algorithms that rcgen picks for the keys it reads, with their DER.
        static ALGORITHMS: [(&rcgen::SignatureAlgorithm, &[u8]); 5] = [
            (&rcgen::PKCS_ECDSA_P256_SHA256, b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"),
            (&rcgen::PKCS_ECDSA_P384_SHA384, b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03"),
            (&rcgen::PKCS_ECDSA_P521_SHA512, b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04"),
            (&rcgen::PKCS_ED25519, b"\x30\x05\x06\x03\x2b\x65\x70"),
            (
                &rcgen::PKCS_RSA_SHA256,
                b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00",
            ),
        ];
        let own = self.pair.algorithm();
        ALGORITHMS
            .iter()
            .find_map(|(algorithm, der)| (*algorithm == own).then_some(*der))
            .ok_or(PkiError::Key)
    }
}

/// Says which public key it is, and never the private one.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("algorithm", self.pair.algorithm()).finish_non_exhaustive()
    }
}

fn sign_error(error: &rcgen::Error) -> PkiError {
    PkiError::Sign { reason: error.to_string() }
}
