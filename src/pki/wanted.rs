//! PURE: what a `Certificate` object asks for, and whether a certificate is that.
//!
//! Names, usages and their places in the certificate are cert-manager's, so that neither of the
//! two finds fault with what the other made.

use std::net::IpAddr;
use std::time::Duration;

use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::{
    Any, Ia5String, ObjectIdentifier, OctetString, PrintableStringRef, SetOfVec, Utf8StringRef,
};
use x509_cert::der::flagset::FlagSet;
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage as KeyUsageExtension, KeyUsages, SubjectAltName,
    SubjectKeyIdentifier,
};
use x509_cert::name::{RdnSequence, RelativeDistinguishedName};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::authority::{authority_key_id, extension};
use super::{KeyForm, KeyKind, PkiError, Pointers};
use crate::api::{CertificateSpec, KeyAlgorithm, KeyEncoding, KeyRotation, KeyUsage};
use crate::model::duration;

/// How long a certificate is valid that does not say so: 90 days.
const LIFE: Duration = Duration::from_secs(90 * 24 * 3600);
/// The shortest life that may be asked for: a renewal takes seconds to reach whoever uses it.
const LIFE_MIN: Duration = Duration::from_secs(10);
/// The least time between renewal and end that may be asked for, for the same reason.
const RENEW_BEFORE_MIN: Duration = Duration::from_secs(3);
/// The part of its life that is left when a certificate is renewed that does not say so.
const RENEW_BEFORE_PART: u32 = 3;
/// How far a life may be from what is asked for: clocks have fractions, certificates have none.
const LIFE_SLACK: Duration = Duration::from_secs(1);

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const SERIAL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.5");

/// A kind of attribute that may have several values.
struct Attribute {
    oid: ObjectIdentifier,
    /// The field of the object.
    field: &'static str,
    /// The annotation of the Secret.
    annotation: &'static str,
}

/// Those kinds, in their order within a name.
const ATTRIBUTES: [Attribute; 7] = [
    Attribute {
        oid: ObjectIdentifier::new_unwrap("2.5.4.6"),
        field: "spec.subject.countries",
        annotation: "cert-manager.io/subject-countries",
    },
    Attribute {
        oid: ObjectIdentifier::new_unwrap("2.5.4.8"),
        field: "spec.subject.provinces",
        annotation: "cert-manager.io/subject-provinces",
    },
    Attribute {
        oid: ObjectIdentifier::new_unwrap("2.5.4.7"),
        field: "spec.subject.localities",
        annotation: "cert-manager.io/subject-localities",
    },
    Attribute {
        oid: ObjectIdentifier::new_unwrap("2.5.4.9"),
        field: "spec.subject.streetAddresses",
        annotation: "cert-manager.io/subject-streetaddresses",
    },
    Attribute {
        oid: ObjectIdentifier::new_unwrap("2.5.4.17"),
        field: "spec.subject.postalCodes",
        annotation: "cert-manager.io/subject-postalcodes",
    },
    Attribute {
        oid: ObjectIdentifier::new_unwrap("2.5.4.10"),
        field: "spec.subject.organizations",
        annotation: "cert-manager.io/subject-organizations",
    },
    Attribute {
        oid: ObjectIdentifier::new_unwrap("2.5.4.11"),
        field: "spec.subject.organizationalUnits",
        annotation: "cert-manager.io/subject-organizationalunits",
    },
];

/// What a `Certificate` object asks for.
#[derive(Clone, Debug)]
pub struct Wanted {
    common_name: String,
    serial_number: String,
    /// The values of [`ATTRIBUTES`].
    attributes: [Vec<String>; 7],
    names: Names,
    usages: FlagSet<KeyUsages>,
    purposes: Vec<ObjectIdentifier>,
    is_ca: bool,
    life: Duration,
    renew_before: RenewBefore,
    /// The key.
    pub key: KeyKind,
    /// How it is written.
    pub form: KeyForm,
    /// Whether a key that is there is used again.
    pub keeps_key: bool,
}

#[derive(Clone, Copy, Debug)]
enum RenewBefore {
    Time(Duration),
    Percent(u32),
    Part(u32),
}

/// Alternative names, as a certificate has them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Names {
    dns: Vec<String>,
    emails: Vec<String>,
    addresses: Vec<IpAddr>,
    uris: Vec<String>,
}

/// An object that asks for something that nobody could give.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Refused {
    /// Which field.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

fn refused(field: &'static str, reason: impl Into<String>) -> Refused {
    Refused { field, reason: reason.into() }
}

impl Wanted {
    /// Reads what an object asks for.
    pub fn of(spec: &CertificateSpec) -> Result<Self, Refused> {
        let subject = spec.subject.clone().unwrap_or_default();
        let names = Names {
            dns: spec.dns_names.clone(),
            emails: spec.email_addresses.clone(),
            addresses: addresses(&spec.ip_addresses)?,
            uris: spec.uris.clone(),
        };
        for (field, all) in [
            ("spec.dnsNames", &names.dns),
            ("spec.emailAddresses", &names.emails),
            ("spec.uris", &names.uris),
        ] {
            if let Some(odd) = all.iter().find(|it| it.is_empty() || !it.is_ascii()) {
                return Err(refused(field, format!("`{odd}` is empty or not ASCII")));
            }
        }
        let common_name = spec.common_name.clone().unwrap_or_default();
        if common_name.chars().count() > 64 {
            return Err(refused("spec.commonName", "it has more than 64 characters"));
        }
        if common_name.is_empty() && names == Names::default() {
            return Err(refused("spec", "it names nothing: give it a commonName or dnsNames"));
        }
        let (usages, purposes) = usages(&spec.usages, spec.is_ca)?;
        let (life, renew_before) = times(spec)?;
        let key = spec.private_key.clone().unwrap_or_default();
        Ok(Self {
            common_name,
            serial_number: subject.serial_number.unwrap_or_default(),
            attributes: [
                subject.countries,
                subject.provinces,
                subject.localities,
                subject.street_addresses,
                subject.postal_codes,
                subject.organizations,
                subject.organizational_units,
            ],
            names,
            usages,
            purposes,
            is_ca: spec.is_ca,
            life,
            renew_before,
            key: key_kind(key.algorithm, key.size)?,
            form: match key.encoding {
                None | Some(KeyEncoding::Pkcs1) => KeyForm::Traditional,
                Some(KeyEncoding::Pkcs8) => KeyForm::Pkcs8,
            },
            // As of cert-manager 1.18 a key lives as long as its certificate.
            keeps_key: key.rotation_policy == Some(KeyRotation::Never),
        })
    }

    /// How long it is to be valid.
    pub fn life(&self) -> Duration {
        self.life
    }

    /// How long before its end a certificate of that life is renewed.
    pub fn renew_before(&self, life: Duration) -> Duration {
        match self.renew_before {
            RenewBefore::Time(time) if time < life => time,
            RenewBefore::Percent(percent) => life * percent / 100,
            RenewBefore::Part(part) => life / part,
            RenewBefore::Time(_) => life / RENEW_BEFORE_PART,
        }
    }

    /// The name of its holder, as DER.
    pub(super) fn subject(&self) -> Result<Vec<u8>, PkiError> {
        let encode = || -> x509_cert::der::Result<Vec<u8>> {
            let mut all = Vec::new();
            let single = |oid, value: &str| {
                let values = (!value.is_empty()).then(|| vec![value.to_owned()]);
                (oid, values.unwrap_or_default())
            };
            let several = ATTRIBUTES.iter().zip(&self.attributes);
            let several = several.map(|(it, values)| (it.oid, values.clone()));
            let rest = [
                single(COMMON_NAME, &self.common_name),
                single(SERIAL_NUMBER, &self.serial_number),
            ];
            for (oid, values) in several.chain(rest) {
                if values.is_empty() {
                    continue;
                }
                // The values of one kind share one place, in DER's order.
                let mut set = SetOfVec::new();
                for value in &values {
                    set.insert(AttributeTypeAndValue { oid, value: text(value)? })?;
                }
                all.push(RelativeDistinguishedName(set));
            }
            RdnSequence(all).to_der()
        };
        encode().map_err(|error| PkiError::encode(&error))
    }

    /// The extensions, in cert-manager's order.
    pub(super) fn extensions(
        &self,
        own_key_id: &[u8],
        issuer_key_id: Option<&[u8]>,
        pointers: &Pointers,
    ) -> x509_cert::der::Result<Vec<Extension>> {
        let mut all = Vec::new();
        if !self.usages.is_empty() {
            all.push(extension(&KeyUsageExtension(self.usages), true)?);
        }
        if !self.purposes.is_empty() {
            all.push(extension(&ExtendedKeyUsage(self.purposes.clone()), false)?);
        }
        let constraints = BasicConstraints { ca: self.is_ca, path_len_constraint: None };
        all.push(extension(&constraints, true)?);
        if self.is_ca {
            all.push(extension(&SubjectKeyIdentifier(OctetString::new(own_key_id)?), false)?);
        }
        if let Some(issuer) = issuer_key_id {
            all.push(extension(&authority_key_id(issuer)?, false)?);
        }
        all.extend(pointers.access()?);
        all.extend(pointers.revocation()?);
        if self.names != Names::default() {
            // A holder without a name is known by the others alone.
            let nameless = self.common_name.is_empty()
                && self.serial_number.is_empty()
                && self.attributes.iter().all(Vec::is_empty);
            all.push(extension(&SubjectAltName(self.names.encode()?), nameless)?);
        }
        Ok(all)
    }

    /// The fields that say something else than the certificate.
    pub fn differences(&self, der: &[u8]) -> Result<Vec<&'static str>, PkiError> {
        let read = read(der)?;
        let mut found = Vec::new();
        let mut check = |same: bool, field| {
            if !same {
                found.push(field);
            }
        };
        let names = Names::of(&read);
        check(sorted(&names.addresses) == sorted(&self.names.addresses), "spec.ipAddresses");
        check(sorted(&names.uris) == sorted(&self.names.uris), "spec.uris");
        check(sorted(&names.emails) == sorted(&self.names.emails), "spec.emailAddresses");
        check(sorted(&names.dns) == sorted(&self.names.dns), "spec.dnsNames");
        let common_name = values(&read, COMMON_NAME).pop().unwrap_or_default();
        check(common_name == self.common_name, "spec.commonName");
        let serial_number = values(&read, SERIAL_NUMBER).pop().unwrap_or_default();
        check(serial_number == self.serial_number, "spec.subject.serialNumber");
        for (attribute, wanted) in ATTRIBUTES.iter().zip(&self.attributes) {
            check(sorted(&values(&read, attribute.oid)) == sorted(wanted), attribute.field);
        }
        check(read.is_ca() == self.is_ca, "spec.isCA");
        let usages = value(&read, KeyUsageExtension::OID)
            .and_then(|it| KeyUsageExtension::from_der(it).ok())
            .map_or_else(FlagSet::default, |it| it.0);
        let purposes = value(&read, ExtendedKeyUsage::OID)
            .and_then(|it| ExtendedKeyUsage::from_der(it).ok())
            .map_or_else(Vec::new, |it| it.0);
        let same = usages == self.usages && sorted(&purposes) == sorted(&self.purposes);
        check(same, "spec.usages");
        let validity = read.validity();
        let life = validity.not_after.timestamp() - validity.not_before.timestamp();
        let life = Duration::from_secs(u64::try_from(life).unwrap_or(0));
        check(life.abs_diff(self.life) <= LIFE_SLACK, "spec.duration");
        Ok(found)
    }
}

/// What the annotations of its Secret say of a certificate.
pub fn annotations(der: &[u8]) -> Result<Vec<(&'static str, String)>, PkiError> {
    let read = read(der)?;
    let names = Names::of(&read);
    let addresses: Vec<String> = names.addresses.iter().map(ToString::to_string).collect();
    let mut all = vec![
        ("cert-manager.io/common-name", values(&read, COMMON_NAME).pop().unwrap_or_default()),
        ("cert-manager.io/alt-names", csv(&names.dns)),
        ("cert-manager.io/ip-sans", csv(&addresses)),
        ("cert-manager.io/uri-sans", csv(&names.uris)),
    ];
    let mut some = |annotation, value: String| {
        if !value.is_empty() {
            all.push((annotation, value));
        }
    };
    some("cert-manager.io/email-sans", csv(&names.emails));
    let serial_number = values(&read, SERIAL_NUMBER).pop().unwrap_or_default();
    some("cert-manager.io/subject-serialnumber", serial_number);
    for attribute in ATTRIBUTES {
        some(attribute.annotation, csv(&values(&read, attribute.oid)));
    }
    Ok(all)
}

/// One line of comma-separated values.
fn csv(values: &[String]) -> String {
    let quoted = values.iter().map(|value| {
        let plain = !value.contains(['"', ',', '\n', '\r']) && !value.starts_with([' ', '\t']);
        if plain { value.clone() } else { format!("\"{}\"", value.replace('"', "\"\"")) }
    });
    quoted.collect::<Vec<_>>().join(",")
}

impl Names {
    fn encode(&self) -> x509_cert::der::Result<Vec<GeneralName>> {
        let mut all = Vec::new();
        for name in &self.dns {
            all.push(GeneralName::DnsName(Ia5String::new(name)?));
        }
        for name in &self.emails {
            all.push(GeneralName::Rfc822Name(Ia5String::new(name)?));
        }
        all.extend(self.addresses.iter().map(|it| GeneralName::from(*it)));
        for name in &self.uris {
            all.push(GeneralName::UniformResourceIdentifier(Ia5String::new(name)?));
        }
        Ok(all)
    }

    fn of(read: &X509Certificate<'_>) -> Self {
        use x509_parser::extensions::GeneralName;
        let mut names = Self::default();
        let extension = read.subject_alternative_name().ok().flatten();
        for name in extension.iter().flat_map(|it| &it.value.general_names) {
            match name {
                GeneralName::DNSName(name) => names.dns.push((*name).to_owned()),
                GeneralName::RFC822Name(name) => names.emails.push((*name).to_owned()),
                GeneralName::URI(name) => names.uris.push((*name).to_owned()),
                GeneralName::IPAddress(bytes) => {
                    let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
                    let address = v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
                    names.addresses.extend(address.ok());
                }
                _ => {}
            }
        }
        names
    }
}

fn read(der: &[u8]) -> Result<X509Certificate<'_>, PkiError> {
    let (_, read) = X509Certificate::from_der(der)
        .map_err(|error| PkiError::Certificate { reason: error.to_string() })?;
    Ok(read)
}

/// The value of an extension.
fn value<'a>(read: &'a X509Certificate<'_>, oid: ObjectIdentifier) -> Option<&'a [u8]> {
    read.extensions().iter().find(|it| it.oid.as_bytes() == oid.as_bytes()).map(|it| it.value)
}

/// The values of an attribute of the holder's name, in their order.
fn values(read: &X509Certificate<'_>, oid: ObjectIdentifier) -> Vec<String> {
    let attributes = read.subject().iter_attributes();
    let these = attributes.filter(|it| it.attr_type().as_bytes() == oid.as_bytes());
    these
        .map(|it| match it.as_str() {
            Ok(text) => text.to_owned(),
            Err(_) => String::from_utf8_lossy(it.attr_value().data).into_owned(),
        })
        .collect()
}

fn sorted<T: Clone + Ord>(all: &[T]) -> Vec<T> {
    let mut all = all.to_vec();
    all.sort_unstable();
    all
}

/// A string as Go puts it: printable if it can be, else UTF-8.
fn text(value: &str) -> x509_cert::der::Result<Any> {
    let printable = |b: u8| b.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&b);
    if value.bytes().all(printable) {
        Ok(Any::from(PrintableStringRef::new(value)?))
    } else {
        Ok(Any::from(Utf8StringRef::new(value)?))
    }
}

fn addresses(all: &[String]) -> Result<Vec<IpAddr>, Refused> {
    let read = |it: &String| -> Result<IpAddr, Refused> {
        let address: IpAddr = it
            .parse()
            .map_err(|_| refused("spec.ipAddresses", format!("`{it}` is not an IP address")))?;
        Ok(address.to_canonical())
    };
    all.iter().map(read).collect()
}

type Usages = (FlagSet<KeyUsages>, Vec<ObjectIdentifier>);

fn usages(asked: &[KeyUsage], is_ca: bool) -> Result<Usages, Refused> {
    const DEFAULT: [KeyUsage; 2] = [KeyUsage::DigitalSignature, KeyUsage::KeyEncipherment];
    let purpose = ObjectIdentifier::new_unwrap;
    let mut usages = FlagSet::default();
    let mut purposes = Vec::new();
    if is_ca {
        usages |= KeyUsages::KeyCertSign;
    }
    for usage in if asked.is_empty() { &DEFAULT } else { asked } {
        match usage {
            KeyUsage::Signing | KeyUsage::DigitalSignature => {
                usages |= KeyUsages::DigitalSignature;
            }
            KeyUsage::ContentCommitment => usages |= KeyUsages::NonRepudiation,
            KeyUsage::KeyEncipherment => usages |= KeyUsages::KeyEncipherment,
            KeyUsage::KeyAgreement => usages |= KeyUsages::KeyAgreement,
            KeyUsage::DataEncipherment => usages |= KeyUsages::DataEncipherment,
            KeyUsage::CertSign => usages |= KeyUsages::KeyCertSign,
            KeyUsage::CrlSign => usages |= KeyUsages::CRLSign,
            KeyUsage::EncipherOnly => usages |= KeyUsages::EncipherOnly,
            KeyUsage::DecipherOnly => usages |= KeyUsages::DecipherOnly,
            KeyUsage::Any => purposes.push(purpose("2.5.29.37.0")),
            KeyUsage::ServerAuth => purposes.push(purpose("1.3.6.1.5.5.7.3.1")),
            KeyUsage::ClientAuth => purposes.push(purpose("1.3.6.1.5.5.7.3.2")),
            KeyUsage::CodeSigning => purposes.push(purpose("1.3.6.1.5.5.7.3.3")),
            KeyUsage::EmailProtection | KeyUsage::Smime => {
                purposes.push(purpose("1.3.6.1.5.5.7.3.4"));
            }
            KeyUsage::IpsecEndSystem => purposes.push(purpose("1.3.6.1.5.5.7.3.5")),
            KeyUsage::IpsecTunnel => purposes.push(purpose("1.3.6.1.5.5.7.3.6")),
            KeyUsage::IpsecUser => purposes.push(purpose("1.3.6.1.5.5.7.3.7")),
            KeyUsage::Timestamping => purposes.push(purpose("1.3.6.1.5.5.7.3.8")),
            KeyUsage::OcspSigning => purposes.push(purpose("1.3.6.1.5.5.7.3.9")),
            KeyUsage::MicrosoftSgc => purposes.push(purpose("1.3.6.1.4.1.311.10.3.3")),
            KeyUsage::NetscapeSgc => purposes.push(purpose("2.16.840.1.113730.4.1")),
            KeyUsage::Other => {
                return Err(refused("spec.usages", "one of them is none of cert-manager's"));
            }
        }
    }
    Ok((usages, purposes))
}

fn times(spec: &CertificateSpec) -> Result<(Duration, RenewBefore), Refused> {
    let read = |field, text: &Option<String>| -> Result<Option<Duration>, Refused> {
        let Some(text) = text else { return Ok(None) };
        let nanos = duration::parse(text).map_err(|error| refused(field, error.to_string()))?;
        let nanos = u64::try_from(nanos).map_err(|_| refused(field, "it is negative"))?;
        Ok(Some(Duration::from_nanos(nanos)))
    };
    let life = read("spec.duration", &spec.duration)?.unwrap_or(LIFE);
    if life < LIFE_MIN {
        return Err(refused("spec.duration", "it is shorter than ten seconds"));
    }
    let before = read("spec.renewBefore", &spec.renew_before)?;
    let renew_before = match (before, spec.renew_before_percentage) {
        (Some(_), Some(_)) => {
            let reason = "give one of renewBefore and renewBeforePercentage";
            return Err(refused("spec.renewBefore", reason));
        }
        (Some(before), None) if before >= life => {
            return Err(refused("spec.renewBefore", "it is not shorter than the duration"));
        }
        (Some(before), None) if before < RENEW_BEFORE_MIN => {
            return Err(refused("spec.renewBefore", "it is shorter than three seconds"));
        }
        (Some(before), None) => RenewBefore::Time(before),
        (None, Some(percent)) => match u32::try_from(percent) {
            Ok(percent @ 1..100) => RenewBefore::Percent(percent),
            _ => return Err(refused("spec.renewBeforePercentage", "it is none of 1 to 99")),
        },
        (None, None) => RenewBefore::Part(RENEW_BEFORE_PART),
    };
    Ok((life, renew_before))
}

fn key_kind(algorithm: Option<KeyAlgorithm>, size: Option<i64>) -> Result<KeyKind, Refused> {
    // A size of nothing is what Go writes where none is given.
    let size = size.filter(|it| *it != 0);
    let bits = |default: u32, sizes: &[u32]| -> Result<u32, Refused> {
        let Some(size) = size else { return Ok(default) };
        u32::try_from(size)
            .ok()
            .filter(|it| sizes.contains(it))
            .ok_or_else(|| refused("spec.privateKey.size", format!("{size} is none of {sizes:?}")))
    };
    Ok(match algorithm {
        None | Some(KeyAlgorithm::Rsa) => KeyKind::Rsa(bits(2048, &[2048, 3072, 4096, 8192])?),
        Some(KeyAlgorithm::Ecdsa) => KeyKind::Ecdsa(bits(256, &[256, 384, 521])?),
        Some(KeyAlgorithm::Ed25519) => KeyKind::Ed25519,
    })
}
