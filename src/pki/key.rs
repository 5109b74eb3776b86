//! A private key: generated here, or read from PEM.

use std::fmt;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa;
use rcgen::{PublicKeyData, SigningKey};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_cert::der::asn1::{AnyRef, BitStringRef, OctetStringRef};
use x509_cert::der::{self, Decode, Encode, SliceReader, TagNumber};
use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo};
use x509_parser::public_key::PublicKey;

use super::{PkiError, pem};

/// The label of a PKCS#1 key's block.
const RSA_PRIVATE_KEY: &str = "RSA PRIVATE KEY";
/// The label of a SEC1 key's block.
const EC_PRIVATE_KEY: &str = "EC PRIVATE KEY";

/// From this size on an RSA key signs with SHA-384, as cert-manager has it.
const RSA_SHA384_BITS: u32 = 3072;
/// From this size on an RSA key signs with SHA-512, as cert-manager has it.
const RSA_SHA512_BITS: u32 = 4096;

/// `AlgorithmIdentifier` of an RSA key.
const RSA: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
/// `AlgorithmIdentifier` of an Ed25519 key.
const ED25519: &[u8] = b"\x30\x05\x06\x03\x2b\x65\x70";

/// The algorithm of a key, with its size in bits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyKind {
    /// RSA with 2048, 3072, 4096 or 8192 bits.
    Rsa(u32),
    /// ECDSA on a curve of 256, 384 or 521 bits.
    Ecdsa(u32),
    /// Ed25519.
    Ed25519,
}

/// How a key is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyForm {
    /// The form of its own algorithm: PKCS#1, SEC1, or PKCS#8 for Ed25519, which has no other.
    Traditional,
    /// PKCS#8.
    Pkcs8,
}

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

    /// A new key of that kind. An RSA key takes a second or several.
    pub fn generate_as(kind: KeyKind) -> Result<Self, PkiError> {
        let algorithm = match kind {
            KeyKind::Rsa(bits) => return Self::generate_rsa(bits),
            KeyKind::Ecdsa(256) => &rcgen::PKCS_ECDSA_P256_SHA256,
            KeyKind::Ecdsa(384) => &rcgen::PKCS_ECDSA_P384_SHA384,
            KeyKind::Ecdsa(521) => &rcgen::PKCS_ECDSA_P521_SHA512,
            KeyKind::Ecdsa(_) => return Err(PkiError::Key),
            KeyKind::Ed25519 => &rcgen::PKCS_ED25519,
        };
        let pair = rcgen::KeyPair::generate_for(algorithm).map_err(|error| sign_error(&error))?;
        Ok(Self { pair, label: pem::PRIVATE_KEY.to_owned() })
    }

    fn generate_rsa(bits: u32) -> Result<Self, PkiError> {
        let size = match bits {
            2048 => rsa::KeySize::Rsa2048,
            3072 => rsa::KeySize::Rsa3072,
            4096 => rsa::KeySize::Rsa4096,
            8192 => rsa::KeySize::Rsa8192,
            _ => return Err(PkiError::Key),
        };
        let failed = || PkiError::Sign { reason: "no RSA key could be made".to_owned() };
        let key = rsa::KeyPair::generate(size).map_err(|_| failed())?;
        let der = key.as_der().map_err(|_| failed())?;
        let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(der.as_ref()));
        Ok(Self { pair: read(&der)?, label: pem::PRIVATE_KEY.to_owned() })
    }

    /// Reads an RSA, ECDSA or Ed25519 key in PKCS#8, SEC1 or PKCS#1 form.
    pub fn from_pem(text: &str) -> Result<Self, PkiError> {
        let label = pem::private_key_block(text)?.label;
        let der = pem::private_key(text)?;
        Ok(Self { pair: read(&der)?, label })
    }

    /// Its algorithm and size.
    pub fn kind(&self) -> Result<KeyKind, PkiError> {
        kind(&self.pair)
    }

    /// The key as PEM in another form than that in which it was read, byte for byte as Go has it.
    pub fn to_pem_as(&self, form: KeyForm) -> Result<String, PkiError> {
        let kind = self.kind()?;
        let encode = || -> der::Result<(&str, Vec<u8>)> {
            let given = self.pair.serialized_der();
            let own = if self.label == RSA_PRIVATE_KEY || self.label == EC_PRIVATE_KEY {
                given.to_vec()
            } else {
                inner(given)?
            };
            Ok(match (kind, form) {
                (KeyKind::Rsa(_), KeyForm::Traditional) => (RSA_PRIVATE_KEY, own),
                (KeyKind::Rsa(_), KeyForm::Pkcs8) => (pem::PRIVATE_KEY, pkcs8(RSA, &own)?),
                (KeyKind::Ecdsa(bits), KeyForm::Traditional) => {
                    let own = sec1(&own, Some(curve(bits)), self.pair.public_key_raw())?;
                    (EC_PRIVATE_KEY, own)
                }
                (KeyKind::Ecdsa(bits), KeyForm::Pkcs8) => {
                    let own = sec1(&own, None, self.pair.public_key_raw())?;
                    (pem::PRIVATE_KEY, pkcs8(&ec_algorithm(bits)?, &own)?)
                }
                // Without the public half, which OpenSSL would not read.
                (KeyKind::Ed25519, _) => (pem::PRIVATE_KEY, pkcs8(ED25519, &own)?),
            })
        };
        let (label, der) = encode().map_err(|_| PkiError::Key)?;
        Ok(pem::encode(label, &der))
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
        static ALGORITHMS: [(&rcgen::SignatureAlgorithm, &[u8]); 7] = [
            (&rcgen::PKCS_ECDSA_P256_SHA256, b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"),
            (&rcgen::PKCS_ECDSA_P384_SHA384, b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03"),
            (&rcgen::PKCS_ECDSA_P521_SHA512, b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04"),
            (&rcgen::PKCS_ED25519, b"\x30\x05\x06\x03\x2b\x65\x70"),
            (
                &rcgen::PKCS_RSA_SHA256,
                b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00",
            ),
            (
                &rcgen::PKCS_RSA_SHA384,
                b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c\x05\x00",
            ),
            (
                &rcgen::PKCS_RSA_SHA512,
                b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d\x05\x00",
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

/// Reads a key; the larger an RSA key, the longer the digest that it signs.
fn read(der: &PrivateKeyDer<'_>) -> Result<rcgen::KeyPair, PkiError> {
    let pair = rcgen::KeyPair::try_from(der).map_err(|_| PkiError::Key)?;
    let algorithm = match kind(&pair)? {
        KeyKind::Rsa(bits) if bits >= RSA_SHA512_BITS => &rcgen::PKCS_RSA_SHA512,
        KeyKind::Rsa(bits) if bits >= RSA_SHA384_BITS => &rcgen::PKCS_RSA_SHA384,
        _ => return Ok(pair),
    };
    rcgen::KeyPair::from_der_and_sign_algo(der, algorithm).map_err(|_| PkiError::Key)
}

fn kind(pair: &rcgen::KeyPair) -> Result<KeyKind, PkiError> {
    let public = pair.subject_public_key_info();
    let (_, public) = SubjectPublicKeyInfo::from_der(&public).map_err(|_| PkiError::Key)?;
    let bits = |size: usize| u32::try_from(size).map_err(|_| PkiError::Key);
    Ok(match public.parsed() {
        Ok(PublicKey::RSA(key)) => KeyKind::Rsa(bits(key.key_size())?),
        Ok(PublicKey::EC(_)) => {
            let algorithm = pair.algorithm();
            KeyKind::Ecdsa(if *algorithm == rcgen::PKCS_ECDSA_P256_SHA256 {
                256
            } else if *algorithm == rcgen::PKCS_ECDSA_P384_SHA384 {
                384
            } else {
                521
            })
        }
        _ if *pair.algorithm() == rcgen::PKCS_ED25519 => KeyKind::Ed25519,
        _ => return Err(PkiError::Key),
    })
}

/// The `OBJECT IDENTIFIER` of a curve.
const fn curve(bits: u32) -> &'static [u8] {
    match bits {
        256 => b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07",
        384 => b"\x06\x05\x2b\x81\x04\x00\x22",
        _ => b"\x06\x05\x2b\x81\x04\x00\x23",
    }
}

/// `AlgorithmIdentifier` of a key on a curve.
fn ec_algorithm(bits: u32) -> der::Result<Vec<u8>> {
    const EC_PUBLIC_KEY: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01";
    sequence(&[EC_PUBLIC_KEY, curve(bits)].concat())
}

fn sequence(content: &[u8]) -> der::Result<Vec<u8>> {
    AnyRef::new(der::Tag::Sequence, content)?.to_der()
}

/// What a PKCS#8 key holds, in the form of its own algorithm.
fn inner(pkcs8: &[u8]) -> der::Result<Vec<u8>> {
    let outer = AnyRef::from_der(pkcs8)?;
    let mut reader = SliceReader::new(outer.value())?;
    let _version = AnyRef::decode(&mut reader)?;
    let _algorithm = AnyRef::decode(&mut reader)?;
    Ok(OctetStringRef::decode(&mut reader)?.as_bytes().to_vec())
}

/// The first version of PKCS#8, which everybody reads.
fn pkcs8(algorithm: &[u8], own: &[u8]) -> der::Result<Vec<u8>> {
    const VERSION: &[u8] = b"\x02\x01\x00";
    sequence(&[VERSION, algorithm, &OctetStringRef::new(own)?.to_der()?].concat())
}

/// A SEC1 key with its public half, and with its curve where nothing around it says which.
fn sec1(own: &[u8], curve: Option<&[u8]>, public: &[u8]) -> der::Result<Vec<u8>> {
    const VERSION: &[u8] = b"\x02\x01\x01";
    let outer = AnyRef::from_der(own)?;
    let mut reader = SliceReader::new(outer.value())?;
    let _version = AnyRef::decode(&mut reader)?;
    let secret = OctetStringRef::decode(&mut reader)?.to_der()?;
    let mut content = [VERSION, &secret].concat();
    if let Some(curve) = curve {
        content.extend(explicit(TagNumber::N0, curve)?);
    }
    content.extend(explicit(TagNumber::N1, &BitStringRef::from_bytes(public)?.to_der()?)?);
    sequence(&content)
}

fn explicit(number: TagNumber, content: &[u8]) -> der::Result<Vec<u8>> {
    AnyRef::new(der::Tag::ContextSpecific { constructed: true, number }, content)?.to_der()
}
