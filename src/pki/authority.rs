//! A CA: its certificate, its key, and what it signs.

use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_cert::der::asn1::{Any, BitString, Ia5String, ObjectIdentifier, OctetString};
use x509_cert::der::flagset::FlagSet;
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{Encode, Tag};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages,
    SubjectAltName, SubjectKeyIdentifier,
};
use x509_cert::serial_number::SerialNumber;

use super::{Certificate, Key, Leaf, PkiError, San, Validity, leaf, pem};

/// The length of a key identifier in bytes: RFC 7093's first method, a cut SHA-256.
const KEY_ID_LEN: usize = 20;

/// The length of a serial number in bytes. RFC 5280 allows 20.
pub(super) const SERIAL_LEN: usize = 16;

const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");

/// A certificate that may sign others, with its key.
#[derive(Debug)]
pub struct Authority {
    certificate: Certificate,
    der: CertificateDer<'static>,
    key: Key,
}

/// A signed certificate and its key, as PEM.
#[derive(Clone)]
pub struct Issued {
    /// The leaf, followed by its CA if that is an intermediate one.
    pub cert_pem: String,
    /// The private key.
    pub key_pem: String,
    /// What the certificate says.
    pub certificate: Certificate,
}

impl Authority {
    /// A new CA that signs itself, with a new key.
    pub fn create(common_name: &str, validity: Validity) -> Result<Self, PkiError> {
        let key = Key::generate()?;
        let name = leaf::subject("CA name", common_name, &[])?;
        Self::self_signed(&name, &key_id(&key.public_der()), key, validity)
    }

    /// Reads a CA from its certificate (the first one of `cert_pem`) and its key.
    pub fn from_pem(cert_pem: &str, key_pem: &str) -> Result<Self, PkiError> {
        let der = pem::certificates(cert_pem)?.swap_remove(0);
        let certificate = Certificate::from_der(&der)?;
        let not_ca = |reason| PkiError::NotCa { subject: certificate.subject.clone(), reason };
        if !certificate.is_ca {
            return Err(not_ca("its basic constraints do not say so"));
        }
        if !certificate.may_sign {
            return Err(not_ca("its key usage is without `Certificate Sign`"));
        }
        let key = Key::from_pem(key_pem)?;
        if key.public_der() != certificate.public_der {
            return Err(PkiError::KeyMismatch { subject: certificate.subject });
        }
        Ok(Self { certificate, der, key })
    }

    /// The same CA with a new life: same name, same key. What either one signed
    /// is trusted by holders of the other.
    pub fn renewed(self, validity: Validity) -> Result<Self, PkiError> {
        let Self { certificate, key, .. } = self;
        let key_id = certificate.key_id.unwrap_or_else(|| key_id(&certificate.public_der));
        Self::self_signed(&certificate.subject_der, &key_id, key, validity)
    }

    /// Signs `leaf` with a new key.
    pub fn issue(&self, leaf: Leaf<'_>, validity: Validity) -> Result<Issued, PkiError> {
        self.issue_for(leaf, &Key::generate()?, validity)
    }

    /// Signs `leaf` with a key that exists.
    pub fn issue_for(
        &self,
        leaf: Leaf<'_>,
        key: &Key,
        validity: Validity,
    ) -> Result<Issued, PkiError> {
        let subject = self.certificate.subject.clone();
        let own = self.certificate.validity;
        // A leaf may begin before its CA, which is backdated less than an hour-long leaf.
        if own.not_after < validity.not_after {
            return Err(PkiError::OutlivesCa { subject, not_after: own.not_after });
        }
        if validity.not_after <= own.not_before {
            return Err(PkiError::CaNotValid {
                subject,
                not_before: own.not_before,
                not_after: own.not_after,
            });
        }
        let validity = Validity { not_before: validity.not_before.max(own.not_before), ..validity };
        let public = key.public_der();
        let extensions = leaf_extensions(leaf, &public, self.certificate.key_id.as_deref())
            .map_err(|error| PkiError::encode(&error))?;
        let parts = Parts {
            issuer: &self.certificate.subject_der,
            subject: &leaf.subject()?,
            public: &public,
            validity,
            extensions,
        };
        let der = parts.sign(&self.key)?;
        let mut cert_pem = pem::encode(pem::CERTIFICATE, &der);
        if !self.certificate.is_self_issued() {
            cert_pem.push_str(&self.cert_pem());
        }
        let certificate = Certificate::from_der(&der)?;
        Ok(Issued { cert_pem, key_pem: key.to_pem(), certificate })
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// What the CA's certificate says.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The CA's certificate.
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// The CA's certificate as PEM.
    pub fn cert_pem(&self) -> String {
        pem::encode(pem::CERTIFICATE, &self.der)
    }

    /// The CA's private key as PEM.
    pub fn key_pem(&self) -> String {
        self.key.to_pem()
    }

    fn self_signed(
        name: &[u8],
        key_id: &[u8],
        key: Key,
        validity: Validity,
    ) -> Result<Self, PkiError> {
        let public = key.public_der();
        let extensions = ca_extensions(key_id).map_err(|error| PkiError::encode(&error))?;
        let parts = Parts { issuer: name, subject: name, public: &public, validity, extensions };
        let der = parts.sign(&key)?;
        Ok(Self { certificate: Certificate::from_der(&der)?, der: der.into(), key })
    }
}

/// Leaves the private key out.
impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// What a certificate is put together from. Names and key are DER already, so
/// that an issuer's name stays the bytes that it is.
pub(super) struct Parts<'a> {
    pub(super) issuer: &'a [u8],
    pub(super) subject: &'a [u8],
    pub(super) public: &'a [u8],
    pub(super) validity: Validity,
    pub(super) extensions: Vec<Extension>,
}

impl Parts<'_> {
    fn sign(&self, key: &Key) -> Result<Vec<u8>, PkiError> {
        self.sign_as(rand::random(), key)
    }

    /// Signs under that serial number.
    pub(super) fn sign_as(&self, serial: [u8; SERIAL_LEN], key: &Key) -> Result<Vec<u8>, PkiError> {
        let algorithm = key.signature_algorithm()?;
        let signed = self.to_be_signed(serial, algorithm)?;
        let signature = key.sign(&signed)?;
        let encode = || -> x509_cert::der::Result<Vec<u8>> {
            let signature = BitString::from_bytes(&signature)?.to_der()?;
            sequence([signed.as_slice(), algorithm, &signature].concat())
        };
        encode().map_err(|error| PkiError::encode(&error))
    }

    fn to_be_signed(
        &self,
        number: [u8; SERIAL_LEN],
        algorithm: &[u8],
    ) -> Result<Vec<u8>, PkiError> {
        /// `[0] EXPLICIT INTEGER 2`: version 3.
        const V3: &[u8] = b"\xa0\x03\x02\x01\x02";
        let validity = self.validity.to_x509()?;
        let encode = || -> x509_cert::der::Result<Vec<u8>> {
            let extensions = self.extensions.to_der()?;
            let tag = Tag::ContextSpecific {
                constructed: true,
                number: x509_cert::der::TagNumber::new(3),
            };
            sequence(
                [
                    V3,
                    &serial(number)?.to_der()?,
                    algorithm,
                    self.issuer,
                    &validity.to_der()?,
                    self.subject,
                    self.public,
                    &Any::new(tag, extensions)?.to_der()?,
                ]
                .concat(),
            )
        };
        encode().map_err(|error| PkiError::encode(&error))
    }
}

fn sequence(content: Vec<u8>) -> x509_cert::der::Result<Vec<u8>> {
    Any::new(Tag::Sequence, content)?.to_der()
}

fn serial(mut bytes: [u8; SERIAL_LEN]) -> x509_cert::der::Result<SerialNumber> {
    bytes[0] = bytes[0] & 0x7f | 0x40; // positive, and always of full length
    SerialNumber::new(&bytes)
}

pub(super) fn key_id(public_der: &[u8]) -> Vec<u8> {
    Sha256::digest(public_der)[..KEY_ID_LEN].to_vec()
}

fn ca_extensions(key_id: &[u8]) -> x509_cert::der::Result<Vec<Extension>> {
    let constraints = BasicConstraints { ca: true, path_len_constraint: None };
    Ok(vec![
        extension(&constraints, true)?,
        extension(&KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign), true)?,
        extension(&SubjectKeyIdentifier(OctetString::new(key_id)?), false)?,
        extension(&authority_key_id(key_id)?, false)?,
    ])
}

fn leaf_extensions(
    leaf: Leaf<'_>,
    public: &[u8],
    ca_key_id: Option<&[u8]>,
) -> x509_cert::der::Result<Vec<Extension>> {
    let purpose = match leaf {
        Leaf::Client { .. } => CLIENT_AUTH,
        Leaf::Server { .. } => SERVER_AUTH,
    };
    // Keys of ours are elliptic, which sign and never encipher.
    let usage: FlagSet<KeyUsages> = KeyUsages::DigitalSignature.into();
    let mut extensions = vec![
        extension(&BasicConstraints { ca: false, path_len_constraint: None }, true)?,
        extension(&KeyUsage(usage), true)?,
        extension(&ExtendedKeyUsage(vec![purpose]), false)?,
        extension(&SubjectKeyIdentifier(OctetString::new(key_id(public))?), false)?,
    ];
    // The CA's own identifier, however it was made: verifiers compare the two.
    if let Some(ca_key_id) = ca_key_id {
        extensions.push(extension(&authority_key_id(ca_key_id)?, false)?);
    }
    if let Leaf::Server { sans, .. } = leaf {
        let names = sans.iter().map(general_name).collect::<Result<Vec<_>, _>>()?;
        extensions.push(extension(&SubjectAltName(names), false)?);
    }
    Ok(extensions)
}

fn general_name(san: &San) -> x509_cert::der::Result<GeneralName> {
    Ok(match san {
        San::Dns(name) => GeneralName::DnsName(Ia5String::new(name)?),
        San::Ip(address) => GeneralName::from(*address),
    })
}

pub(super) fn authority_key_id(key_id: &[u8]) -> x509_cert::der::Result<AuthorityKeyIdentifier> {
    Ok(AuthorityKeyIdentifier {
        key_identifier: Some(OctetString::new(key_id)?),
        authority_cert_issuer: None,
        authority_cert_serial_number: None,
    })
}

pub(super) fn extension<E: AssociatedOid + Encode>(
    value: &E,
    critical: bool,
) -> x509_cert::der::Result<Extension> {
    Ok(Extension { extn_id: E::OID, critical, extn_value: OctetString::new(value.to_der()?)? })
}
