//! `-n`: a namespace's name, legal once parsed.

use std::fmt;
use std::str::FromStr;

/// The longest name of a namespace, in bytes.
const LEN_MAX: usize = 63;

/// A legal namespace name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Namespace(String);

impl Namespace {
    /// The name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Not a namespace's name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "expected 1 to {LEN_MAX} lowercase letters, digits or `-`, beginning and ending with a letter or digit"
)]
pub(crate) struct NamespaceError;

impl FromStr for Namespace {
    type Err = NamespaceError;

    fn from_str(name: &str) -> Result<Self, NamespaceError> {
        let legal = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if name.is_empty()
            || name.len() > LEN_MAX
            || !name.bytes().all(legal)
            || name.starts_with('-')
            || name.ends_with('-')
        {
            return Err(NamespaceError);
        }
        Ok(Self(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_a_dns_label() {
        for legal in ["default", "a", "kube-system", "0", &"x".repeat(63)] {
            assert!(legal.parse::<Namespace>().is_ok(), "{legal}");
        }
        for illegal in ["", "-a", "a-", "A", "a.b", "a/b", "..", &"x".repeat(64)] {
            assert_eq!(illegal.parse::<Namespace>(), Err(NamespaceError), "{illegal}");
        }
    }
}
