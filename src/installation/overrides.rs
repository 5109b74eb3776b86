//! What the command line says about a topology.

use std::str::FromStr;

use super::draft::{CacheMode, EtcdMode};
use super::topology::Profile;
use crate::api::Duration;
use crate::api::KcpVersion;

/// Far more than any installation has, and few enough to list.
const SHARDS_MAX: usize = 100;

/// What the command line says. Each overrides what a file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// Name of the installation.
    pub name: Option<String>,
    /// What it is meant for.
    pub profile: Option<Profile>,
    /// Namespace of every object.
    pub namespace: Option<String>,
    /// Host name of users.
    pub hostname: Option<String>,
    /// Port of users.
    pub port: Option<u16>,
    /// The shards beside the root shard.
    pub shards: Option<Shards>,
    /// Where the cache is.
    pub cache: Option<CacheMode>,
    /// Whose the etcds are.
    pub etcd: Option<EtcdMode>,
    /// Whose the etcd of the cache servers is.
    pub cache_etcd: Option<EtcdMode>,
    /// URLs of etcd members, by server.
    pub etcd_endpoints: Vec<Named>,
    /// Prefixes of keys in etcd, by server.
    pub etcd_prefixes: Vec<Named>,
    /// Secrets with client certificates for etcd, by server.
    pub etcd_tls_secrets: Vec<Named>,
    /// Number of pods of everything but cache servers.
    pub replicas: Option<i32>,
    /// Number of pods of cache servers.
    pub cache_replicas: Option<i32>,
    /// Kind and name of the issuer.
    pub issuer: Option<(String, String)>,
    /// Names of front-proxies.
    pub front_proxies: Option<Vec<String>>,
    /// Names of kubeconfigs.
    pub kubeconfigs: Option<Vec<String>>,
    /// How long the certificates of kubeconfigs are valid.
    pub validity: Option<Duration>,
    /// Repository of the image.
    pub image_repository: Option<String>,
    /// Tag of the image.
    pub image_tag: Option<String>,
    /// Version of kcp.
    pub kcp_version: Option<KcpVersion>,
}

/// The shards beside the root shard, written as a number or as names with commas.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Shards {
    /// So many, named `shard-1` and so on.
    Count(usize),
    /// These.
    Names(Vec<String>),
}

/// A value for one server, written `NAME=VALUE`, or for all of them, written `VALUE`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Named {
    /// The server.
    pub name: Option<String>,
    /// The value.
    pub value: String,
}

impl FromStr for Shards {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(count) = text.parse::<usize>() {
            return if count <= SHARDS_MAX {
                Ok(Self::Count(count))
            } else {
                Err(format!("expected at most {SHARDS_MAX} shards"))
            };
        }
        let names: Vec<String> = text.split(',').map(|it| it.trim().to_owned()).collect();
        if names.iter().any(String::is_empty) {
            return Err("expected a number, or names separated by commas".to_owned());
        }
        Ok(Self::Names(names))
    }
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A URL may hold a `=`, but never before its `:`.
        let (name, value) = match text.split_once('=') {
            Some((name, value)) if !name.contains([':', '/']) => (Some(name), value),
            _ => (None, text),
        };
        if name == Some("") || value.is_empty() {
            return Err("expected NAME=VALUE, or one VALUE for every server".to_owned());
        }
        Ok(Self { name: name.map(str::to_owned), value: value.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_for_one_server_or_for_all() {
        let parse = |text: &str| text.parse::<Named>().map(|it| (it.name, it.value));
        let all = |value: &str| Ok((None, value.to_owned()));
        assert_eq!(parse("a=/x"), Ok((Some("a".to_owned()), "/x".to_owned())));
        assert_eq!(parse("/x=y"), all("/x=y"));
        assert_eq!(parse("https://a:2379/?b=c"), all("https://a:2379/?b=c"));
        for wrong in ["", "a=", "=/x"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shards_are_a_number_or_names() {
        let names = |names: &[&str]| Shards::Names(names.iter().map(|&it| it.to_owned()).collect());
        assert_eq!("3".parse(), Ok(Shards::Count(3)));
        assert_eq!("a, b".parse(), Ok(names(&["a", "b"])));
        for wrong in ["", "a,", "101", ",,"] {
            assert!(wrong.parse::<Shards>().is_err(), "{wrong}");
        }
    }
}
