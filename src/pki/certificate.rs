//! What a certificate says.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rustls_pki_types::CertificateDer;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};
use x509_parser::time::ASN1Time;

use super::{Key, PkiError, San, Validity, pem};

/// The facts of one certificate. Holding it says nothing about trust: see
/// [`verify_client`](super::verify_client).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Certificate {
    /// The subject for people, as OpenSSL writes it.
    pub subject: String,
    /// The issuer for people.
    pub issuer: String,
    /// The last common name: the user of a client certificate.
    pub common_name: String,
    /// Every organisation, in order: the groups of a client certificate.
    pub organizations: Vec<String>,
    /// The names and addresses of a server certificate.
    pub sans: Vec<San>,
    /// Its life.
    pub validity: Validity,
    /// Whether it may sign others, by its basic constraints.
    pub is_ca: bool,
    /// Whether its key usage, where it has one, lets it sign others.
    pub may_sign: bool,
    /// The serial number in hexadecimal.
    pub serial: String,
    pub(super) subject_der: Vec<u8>,
    pub(super) issuer_der: Vec<u8>,
    pub(super) key_id: Option<Vec<u8>>,
    pub(super) public_der: Vec<u8>,
}

impl Certificate {
    /// Reads the bytes of a certificate.
    pub fn from_der(der: &[u8]) -> Result<Self, PkiError> {
        let damaged = |reason: String| PkiError::Certificate { reason };
        let (rest, read) =
            X509Certificate::from_der(der).map_err(|error| damaged(error.to_string()))?;
        if !rest.is_empty() {
            return Err(damaged("there are bytes after its end".to_owned()));
        }
        let mut certificate = Self {
            subject: read.subject().to_string(),
            issuer: read.issuer().to_string(),
            common_name: strings(read.subject().iter_common_name()).pop().unwrap_or_default(),
            organizations: strings(read.subject().iter_organization()),
            sans: Vec::new(),
            validity: Validity {
                not_before: system_time(read.validity().not_before),
                not_after: system_time(read.validity().not_after),
            },
            is_ca: false,
            may_sign: true,
            serial: read.raw_serial_as_string(),
            subject_der: name_der(read.subject()),
            issuer_der: name_der(read.issuer()),
            key_id: None,
            public_der: read.public_key().raw.to_vec(),
        };
        for extension in read.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::BasicConstraints(it) => certificate.is_ca = it.ca,
                ParsedExtension::KeyUsage(it) => certificate.may_sign = it.key_cert_sign(),
                ParsedExtension::SubjectKeyIdentifier(it) => {
                    certificate.key_id = Some(it.0.to_vec());
                }
                ParsedExtension::SubjectAlternativeName(it) => {
                    certificate.sans = it.general_names.iter().filter_map(san).collect();
                }
                ParsedExtension::ParseError { error } => return Err(damaged(error.to_string())),
                _ => {}
            }
        }
        Ok(certificate)
    }

    /// Reads all certificates of a PEM text, at least one.
    pub fn from_pem(text: &str) -> Result<Vec<(Self, CertificateDer<'static>)>, PkiError> {
        pem::certificates(text)?.into_iter().map(|der| Ok((Self::from_der(&der)?, der))).collect()
    }

    /// Whether it is that of a private key.
    pub fn has_key(&self, key: &Key) -> bool {
        self.public_der == key.public_der()
    }

    /// Whether subject and issuer are the same.
    pub fn is_self_issued(&self) -> bool {
        self.subject_der == self.issuer_der
    }

    /// Whether a client that connects to `host` accepts this name.
    pub fn covers(&self, host: &San) -> bool {
        self.sans.iter().any(|san| match (san, host) {
            (San::Dns(pattern), San::Dns(name)) => {
                let name = name.trim_end_matches('.');
                match pattern.strip_prefix("*.") {
                    Some(parent) => name.split_once('.').is_some_and(|(_, rest)| rest == parent),
                    None => name == pattern,
                }
            }
            (San::Ip(address), San::Ip(host)) => address == host,
            _ => false,
        })
    }
}

fn name_der(name: &X509Name<'_>) -> Vec<u8> {
    name.as_raw().to_vec()
}

/// Attribute values as text, whatever their string type.
fn strings<'a>(
    attributes: impl Iterator<Item = &'a x509_parser::x509::AttributeTypeAndValue<'a>>,
) -> Vec<String> {
    attributes
        .map(|attribute| match attribute.as_str() {
            Ok(text) => text.to_owned(),
            // T61String and friends: only its ASCII part has a meaning that all agree on.
            Err(_) => String::from_utf8_lossy(attribute.attr_value().data).into_owned(),
        })
        .collect()
}

fn san(name: &GeneralName<'_>) -> Option<San> {
    match name {
        GeneralName::DNSName(name) => Some(San::Dns(name.to_ascii_lowercase())),
        GeneralName::IPAddress(bytes) => <[u8; 4]>::try_from(*bytes)
            .map(IpAddr::from)
            .or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from))
            .ok()
            .map(San::Ip),
        _ => None,
    }
}

fn system_time(time: ASN1Time) -> SystemTime {
    let seconds = time.timestamp();
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let moved = if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    moved.unwrap_or(SystemTime::UNIX_EPOCH)
}
