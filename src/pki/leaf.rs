//! What a certificate is to say: a user and groups, or the names of a server.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::Encode;
use x509_cert::der::asn1::{Any, ObjectIdentifier, SetOfVec, Utf8StringRef};
use x509_cert::name::{RdnSequence, RelativeDistinguishedName};

use super::PkiError;

/// The longest common name, in characters: X.509's own limit, which others enforce.
const COMMON_NAME_LEN_MAX: usize = 64;

/// The longest organisation, in bytes. X.509 says 64, nobody enforces it, and
/// the group of a shard is longer; this is the limit of a Kubernetes name.
const ORGANIZATION_LEN_MAX: usize = 253;

/// The most organisations of one certificate: it travels in every handshake.
const ORGANIZATIONS_MAX: usize = 100;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");

/// The content of a certificate that is not a CA's.
#[derive(Clone, Copy, Debug)]
pub enum Leaf<'a> {
    /// A user for client authentication.
    Client {
        /// The user: the common name.
        user: &'a str,
        /// The groups: one organisation each.
        groups: &'a [String],
    },
    /// A server.
    Server {
        /// The common name, which only people read.
        name: &'a str,
        /// The names and addresses that clients may use.
        sans: &'a [San],
    },
}

/// A name or an address under which a server is reached.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum San {
    /// A DNS name in lowercase, perhaps with `*` as its first label.
    Dns(String),
    /// An address.
    Ip(IpAddr),
}

/// Text that is neither a host name nor an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "expected a host name such as `cache.example.com`, or an IP address, without scheme or port"
)]
pub struct SanError;

impl FromStr for San {
    type Err = SanError;

    fn from_str(text: &str) -> Result<Self, SanError> {
        let address = text.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = address.parse() {
            return Ok(Self::Ip(address));
        }
        let name = text.to_ascii_lowercase();
        let labels = name.strip_prefix("*.").unwrap_or(&name);
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        let is_label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(legal)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        // A last label of digits only is a mistyped address.
        let numeric =
            labels.rsplit('.').next().is_some_and(|it| it.bytes().all(|b| b.is_ascii_digit()));
        if name.len() > 253 || numeric || !labels.split('.').all(is_label) {
            return Err(SanError);
        }
        Ok(Self::Dns(name))
    }
}

impl fmt::Display for San {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

impl Leaf<'_> {
    pub(super) fn subject(&self) -> Result<Vec<u8>, PkiError> {
        match self {
            Self::Client { user, groups } => subject("user", user, groups),
            Self::Server { name, .. } => subject("server name", name, &[]),
        }
    }
}

/// A DER name of one common name and any number of organisations, each in an RDN of its own.
pub(super) fn subject(
    what: &'static str,
    common_name: &str,
    organizations: &[String],
) -> Result<Vec<u8>, PkiError> {
    checked(what, common_name)?;
    let refused =
        |what, value: &str, reason| Err(PkiError::Name { what, value: value.to_owned(), reason });
    if common_name.chars().count() > COMMON_NAME_LEN_MAX {
        return refused(what, common_name, "it has more than 64 characters");
    }
    if organizations.len() > ORGANIZATIONS_MAX {
        return refused("group", &organizations[ORGANIZATIONS_MAX], "it is one of more than 100");
    }
    let mut names = Vec::with_capacity(organizations.len() + 1);
    for organization in organizations {
        checked("group", organization)?;
        if organization.len() > ORGANIZATION_LEN_MAX {
            return refused("group", organization, "it has more than 253 bytes");
        }
        names.push(attribute(ORGANIZATION, organization).map_err(|it| PkiError::encode(&it))?);
    }
    names.push(attribute(COMMON_NAME, common_name).map_err(|it| PkiError::encode(&it))?);
    RdnSequence(names).to_der().map_err(|it| PkiError::encode(&it))
}

fn checked(what: &'static str, value: &str) -> Result<(), PkiError> {
    let reason = if value.is_empty() {
        "it is empty"
    } else if value.chars().any(char::is_control) {
        "it holds a control character"
    } else if value.trim() != value {
        "it begins or ends with a space"
    } else {
        return Ok(());
    };
    Err(PkiError::Name { what, value: value.escape_debug().to_string(), reason })
}

fn attribute(
    oid: ObjectIdentifier,
    value: &str,
) -> Result<RelativeDistinguishedName, x509_cert::der::Error> {
    let value = Any::from(Utf8StringRef::new(value)?);
    let mut set = SetOfVec::new();
    set.insert(AttributeTypeAndValue { oid, value })?;
    Ok(RelativeDistinguishedName(set))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_san_is_a_name_or_an_address() {
        for (text, is) in [
            ("Cache.Example.com", "cache.example.com"),
            ("*.example.com", "*.example.com"),
            ("localhost", "localhost"),
            ("a_b.c", "a_b.c"),
            ("10.0.0.1", "10.0.0.1"),
            ("[::1]", "::1"),
            ("::1", "::1"),
        ] {
            assert_eq!(text.parse::<San>().map(|san| san.to_string()), Ok(is.to_owned()), "{text}");
        }
        for text in
            ["", "*", "*.", "a..b", "-a", "a-", "https://a", "a:6443", "a b", "10.0.0.256", "*.*.a"]
        {
            assert_eq!(text.parse::<San>(), Err(SanError), "{text}");
        }
    }

    #[test]
    fn names_that_would_be_misread_are_refused() {
        let groups = |group: &str| vec![group.to_owned()];
        assert!(subject("user", "alice", &groups("a,O=b")).is_ok());
        assert!(subject("user", &"u".repeat(65), &[]).is_err());
        assert!(subject("user", "", &[]).is_err());
        assert!(subject("user", " alice", &[]).is_err());
        for group in ["", "a\nb", "a\0", &"g".repeat(254)] {
            assert!(subject("user", "alice", &groups(group)).is_err(), "{group}");
        }
        assert!(subject("user", "alice", &vec!["g".to_owned(); 101]).is_err());
    }
}
