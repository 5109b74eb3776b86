//! Shard and cluster names, as they stand in a path, a key and on the command line.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The longest shard name that kcp accepts, in bytes.
pub const SHARD_LEN_MAX: usize = 61;

/// The longest word of a cluster name, in bytes.
pub const CLUSTER_WORD_LEN_MAX: usize = 63;

/// The longest DNS-1123 subdomain, in bytes.
pub const SUBDOMAIN_LEN_MAX: usize = 253;

/// The longest DNS-1123 label, in bytes.
pub const LABEL_LEN_MAX: usize = 63;

/// A legal shard name.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ShardName(Arc<str>);

/// A legal logical cluster name: one word, or several below `system:`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ClusterName(Arc<str>);

/// The shards a request or a flag speaks of.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Shard {
    /// Every shard, written `*`.
    All,
    /// One shard.
    Named(ShardName),
}

/// The clusters a request or a flag speaks of.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Cluster {
    /// Every cluster, written `*`.
    All,
    /// One cluster.
    Named(ClusterName),
}

/// A name that kcp does not allow.
///
/// The message says what is allowed and leaves the offending name and where it
/// stood to the caller: clap prints the flag, the server prints the path.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NameError {
    /// Not a shard name.
    #[error("expected `*` or 1 to {SHARD_LEN_MAX} lowercase letters, digits, `-` or `:`")]
    Shard,
    /// Not even words joined by colons.
    #[error(
        "expected `*` or a name of lowercase letters, digits and `-`, beginning and ending with a letter or digit"
    )]
    ClusterShape,
    /// A workspace path where a logical cluster is meant.
    #[error(
        "expected a logical cluster name, not a workspace path: `:` is for `system:` names only"
    )]
    ClusterPath,
}

impl ShardName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ClusterName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ShardName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        let legal = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b':');
        if name.is_empty() || name.len() > SHARD_LEN_MAX || !name.bytes().all(legal) {
            return Err(NameError::Shard);
        }
        Ok(Self(name.into()))
    }
}

impl FromStr for ClusterName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        if !name.split(':').all(is_cluster_word) {
            return Err(NameError::ClusterShape);
        }
        if name.contains(':') && !name.starts_with("system:") {
            return Err(NameError::ClusterPath);
        }
        Ok(Self(name.into()))
    }
}

fn is_cluster_word(word: &str) -> bool {
    word.len() <= CLUSTER_WORD_LEN_MAX && is_dns_word(word)
}

/// Whether `name` is a DNS-1123 label, such as a namespace.
pub fn is_dns_label(name: &str) -> bool {
    name.len() <= LABEL_LEN_MAX && is_dns_word(name)
}

/// Whether `name` is a DNS-1123 subdomain, such as a group or the name of an object.
pub fn is_dns_subdomain(name: &str) -> bool {
    name.len() <= SUBDOMAIN_LEN_MAX && name.split('.').all(is_dns_word)
}

/// Lowercase letters, digits and `-`, with a letter or digit at both ends.
fn is_dns_word(word: &str) -> bool {
    let alnum = |b: &u8| matches!(b, b'a'..=b'z' | b'0'..=b'9');
    let bytes = word.as_bytes();
    bytes.first().is_some_and(alnum)
        && bytes.last().is_some_and(alnum)
        && bytes.iter().all(|b| alnum(b) || *b == b'-')
}

impl FromStr for Shard {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        if name == "*" { Ok(Self::All) } else { name.parse().map(Self::Named) }
    }
}

impl FromStr for Cluster {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        if name == "*" { Ok(Self::All) } else { name.parse().map(Self::Named) }
    }
}

impl fmt::Display for ShardName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Named(name) => name.fmt(f),
        }
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Named(name) => name.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shard_names_are_those_of_kcp() {
        for legal in ["a", "shard-1", "system:cache:server", "-", ":", &"x".repeat(61)] {
            assert!(legal.parse::<ShardName>().is_ok(), "{legal}");
        }
        for illegal in ["", "A", "a.b", "a_b", "*", "a/b", &"x".repeat(62)] {
            assert_eq!(illegal.parse::<ShardName>(), Err(NameError::Shard), "{illegal}");
        }
        assert_eq!("*".parse(), Ok(Shard::All));
    }

    #[test]
    fn a_workspace_path_is_not_a_cluster() {
        for legal in ["root", "2cynbfy2m0wtjqcs", "system:admin", "system:system-crds", "a-b"] {
            assert!(legal.parse::<ClusterName>().is_ok(), "{legal}");
        }
        for shape in ["", "A", "-a", "a-", "a:", ":a", "a_b", "a/b", "..", &"x".repeat(64)] {
            assert_eq!(shape.parse::<ClusterName>(), Err(NameError::ClusterShape), "{shape}");
        }
        assert_eq!("root:org".parse::<ClusterName>(), Err(NameError::ClusterPath));
    }
}
