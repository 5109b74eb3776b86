//! The complete topology of an installation: no gap is left, and it prints as the
//! file that would make it again.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::api::KcpVersion;
use crate::api::{Duration, text};

/// `apiVersion` of a topology file.
pub const API_VERSION: &str = "kcpctl.io/v1alpha1";
/// `kind` of a topology file.
pub const KIND: &str = "Installation";

/// What an installation consists of.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Topology {
    /// [`API_VERSION`].
    pub api_version: &'static str,
    /// [`KIND`].
    pub kind: &'static str,
    /// Name of the installation.
    pub name: String,
    /// What it is meant for.
    pub profile: Profile,
    /// Namespace of every object.
    pub namespace: String,
    /// DNS domain of the cluster's services.
    pub cluster_domain: String,
    /// Version of kcp, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kcp_version: Option<KcpVersion>,
    /// The image that all servers run.
    pub image: Image,
    /// The address of users.
    pub external: External,
    /// Who signs the root CAs.
    pub issuer: Issuer,
    /// The root shard.
    pub root_shard: RootShard,
    /// The other shards.
    pub shards: Vec<Shard>,
    /// The cache servers; none means the cache that is embedded in the root shard.
    pub caches: Vec<Cache>,
    /// The front-proxies.
    pub front_proxies: Vec<FrontProxy>,
    /// The kubeconfigs to hand out.
    pub kubeconfigs: Vec<Kubeconfig>,
}

/// What an installation is meant for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// As small as can be: one replica and one-member etcds, which lose data with their disk
    #[default]
    Dev,
    /// Survives the loss of a node: several shards and replicas, external etcd with TLS
    Production,
}

/// A container image.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// Repository.
    pub repository: String,
    /// Tag.
    pub tag: String,
    /// Secrets to pull it with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pull_secrets: Vec<String>,
}

/// The address of users.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct External {
    /// Host name.
    pub hostname: String,
    /// Port.
    pub port: u16,
}

/// Who signs the root CAs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Issuer {
    /// `Issuer` or `ClusterIssuer`.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Whether it is written too, as a self-signed issuer.
    pub create: bool,
}

/// The root shard.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RootShard {
    /// Name.
    pub name: String,
    /// Number of pods of the shard and of its internal proxy.
    pub replicas: i32,
    /// Its cache; the embedded one if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<String>,
    /// Its etcd.
    pub etcd: Etcd,
}

/// Another shard.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shard {
    /// Name.
    pub name: String,
    /// Number of pods.
    pub replicas: i32,
    /// Its cache; the root shard's if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<String>,
    /// Its etcd.
    pub etcd: Etcd,
}

/// A cache server.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cache {
    /// Name.
    pub name: String,
    /// Number of pods.
    pub replicas: i32,
    /// Its etcd.
    pub etcd: Etcd,
}

/// An etcd.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "mode", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Etcd {
    /// One that is there already.
    External {
        /// URLs of its members.
        endpoints: Vec<String>,
        /// Prefix of all keys.
        #[serde(skip_serializing_if = "Option::is_none")]
        prefix: Option<String>,
        /// Secret with the client certificate.
        #[serde(skip_serializing_if = "Option::is_none")]
        tls_secret: Option<String>,
    },
    /// One member of its own, written beside the objects.
    Dev,
    /// Inside the cache server: lost with its pod.
    Embedded,
}

/// A front-proxy.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FrontProxy {
    /// Name.
    pub name: String,
    /// Number of pods.
    pub replicas: i32,
    /// Its address.
    pub external: External,
    /// Type of its Service.
    pub service_type: String,
}

/// A kubeconfig to hand out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Kubeconfig {
    /// Name.
    pub name: String,
    /// The server that it speaks to.
    pub target: TargetRef,
    /// The workspace that it opens.
    pub workspace: String,
    /// The user.
    pub username: String,
    /// The user's groups.
    pub groups: Vec<String>,
    /// How long the certificate is valid.
    pub validity: Duration,
    /// The Secret to write.
    pub secret: String,
}

/// A server by kind and name, written `frontproxy/main`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(into = "String")]
pub struct TargetRef {
    /// Its kind.
    pub kind: TargetKind,
    /// Its name.
    pub name: String,
}

/// The kinds of servers that a kubeconfig can speak to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TargetKind {
    /// The root shard.
    RootShard,
    /// A shard.
    Shard,
    /// A front-proxy.
    FrontProxy,
}

/// The text names no server.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is no target; expected `frontproxy/NAME`, `rootshard/NAME` or `shard/NAME`")]
pub struct TargetError(String);

impl Topology {
    /// The topology file that would make this topology again.
    ///
    /// # Errors
    ///
    /// None in practice: a topology holds nothing that YAML cannot say.
    pub fn text(&self) -> serde_yaml::Result<String> {
        let about = format!("The installation `{}`, for `kcpctl init installation -f`.", self.name);
        Ok(super::manifest::to_yaml(&serde_yaml::to_value(self)?, &about, &[]))
    }

    /// Every server with an etcd: its name and the etcd.
    pub fn etcds(&self) -> impl Iterator<Item = (&str, &Etcd)> {
        std::iter::once((self.root_shard.name.as_str(), &self.root_shard.etcd))
            .chain(self.shards.iter().map(|it| (it.name.as_str(), &it.etcd)))
            .chain(self.caches.iter().map(|it| (it.name.as_str(), &it.etcd)))
    }
}

impl Profile {
    /// The name of the profile.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Production => "production",
        }
    }
}

impl TargetKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::RootShard => "rootshard",
            Self::Shard => "shard",
            Self::FrontProxy => "frontproxy",
        }
    }
}

impl FromStr for TargetRef {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let kinds = [TargetKind::RootShard, TargetKind::Shard, TargetKind::FrontProxy];
        text.split_once('/')
            .filter(|(_, name)| !name.is_empty())
            .and_then(|(kind, name)| {
                let kind = kinds.into_iter().find(|it| it.as_str() == kind)?;
                Some(Self { kind, name: name.to_owned() })
            })
            .ok_or_else(|| TargetError(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for TargetRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::parse(deserializer)
    }
}

impl From<TargetRef> for String {
    fn from(target: TargetRef) -> Self {
        target.to_string()
    }
}

impl fmt::Display for TargetRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.as_str(), self.name)
    }
}
