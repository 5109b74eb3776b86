//! kcp's versions, as far as rules depend on them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use super::text;

/// A released version of kcp: `0.32.3`, also written `v0.32.3`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(into = "String")]
pub struct KcpVersion {
    major: u16,
    minor: u16,
    patch: u16,
}

/// The text is not a version.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is not a version of kcp; expected three numbers, such as `0.32.3`")]
pub struct VersionError(String);

impl KcpVersion {
    /// The version that is used unless another is asked for.
    pub const DEFAULT: Self = Self::new(0, 32, 3);
    /// The oldest whose shards show a certificate to a cache server.
    pub const OLDEST: Self = Self::new(0, 30, 2);
    /// The oldest whose cache server can store in an external etcd.
    pub const CACHE_ON_ETCD: Self = Self::new(0, 31, 0);
    /// The oldest that does not start if the CA of clients and that of request headers
    /// have a certificate in common and nobody says whose word counts.
    pub const STRICT_CLIENT_CA: Self = Self::new(0, 31, 0);
    /// The oldest whose cache server heeds a prefix of its own.
    pub const CACHE_PREFIX: Self = Self::new(0, 33, 0);

    /// A version by its numbers.
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self { major, minor, patch }
    }

    /// The version in an image tag such as `v0.32.3`, `v0.32.3-fips` or `v0.33`, if it has one.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let end = tag.find(['-', '+']).unwrap_or(tag.len());
        let version = &tag[..end];
        match version.split('.').count() {
            // What is left out is zero.
            1 => format!("{version}.0.0").parse().ok(),
            2 => format!("{version}.0").parse().ok(),
            _ => version.parse().ok(),
        }
    }

    /// The minor release, whose patches belong together.
    pub fn release(self) -> (u16, u16) {
        (self.major, self.minor)
    }

    /// Whether a cache server of this version asks who its clients are.
    pub fn authenticates(self) -> bool {
        match (self.major, self.minor) {
            (0, 29 | 30) => self.patch >= 2,
            release => release >= (0, 31),
        }
    }

    /// The tag of kcp's own images.
    pub fn tag(self) -> String {
        format!("v{self}")
    }
}

impl FromStr for KcpVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let mut numbers = text.strip_prefix('v').unwrap_or(text).split('.').map(|it| {
            // `parse` takes a sign, a version has none.
            if it.bytes().all(|b| b.is_ascii_digit()) { it.parse().ok() } else { None }
        });
        match [numbers.next(), numbers.next(), numbers.next(), numbers.next()] {
            [Some(Some(major)), Some(Some(minor)), Some(Some(patch)), None] => {
                Ok(Self { major, minor, patch })
            }
            _ => Err(VersionError(text.to_owned())),
        }
    }
}

impl<'de> Deserialize<'de> for KcpVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::parse(deserializer)
    }
}

impl From<KcpVersion> for String {
    fn from(version: KcpVersion) -> Self {
        version.to_string()
    }
}

impl fmt::Display for KcpVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_server_authenticates_from_some_patches_on() {
        for (version, asks) in [
            ((0, 28, 9), false),
            ((0, 29, 1), false),
            ((0, 29, 2), true),
            ((0, 30, 1), false),
            ((0, 30, 2), true),
            ((0, 31, 0), true),
            ((1, 0, 0), true),
        ] {
            let (major, minor, patch) = version;
            assert_eq!(KcpVersion::new(major, minor, patch).authenticates(), asks, "{version:?}");
        }
    }

    #[test]
    fn versions_are_three_numbers() {
        for (text, version) in
            [("0.32.3", (0, 32, 3)), ("v0.31.0", (0, 31, 0)), ("1.0.10", (1, 0, 10))]
        {
            let (major, minor, patch) = version;
            assert_eq!(text.parse(), Ok(KcpVersion::new(major, minor, patch)), "{text}");
        }
        for text in ["", "v", "0.32", "0.32.3.1", "0.32.x", "0.+32.3", "0.32.3-rc.1", "latest"] {
            assert!(text.parse::<KcpVersion>().is_err(), "{text}");
        }
        assert_eq!(KcpVersion::of_tag("v0.32.3-fips"), Some(KcpVersion::DEFAULT));
        assert_eq!(KcpVersion::of_tag("v0.33"), Some(KcpVersion::new(0, 33, 0)));
        assert_eq!(KcpVersion::of_tag("v1"), Some(KcpVersion::new(1, 0, 0)));
        for tag in ["main", "", "v", "latest", "0123abc", "v0.33.x", "-1"] {
            assert_eq!(KcpVersion::of_tag(tag), None, "{tag}");
        }
        assert!(KcpVersion::new(0, 9, 9) < KcpVersion::OLDEST);
    }
}
