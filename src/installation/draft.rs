//! The topology file as its author wrote it: every field may be absent.
//!
//! A field that is not known is an error with its line and column, because a
//! misspelt one would otherwise be a default that nobody asked for.

use serde::{Deserialize, Serialize};

use super::topology::{Profile, TargetRef};
use crate::api::Duration;
use crate::api::KcpVersion;

/// A topology file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Draft {
    /// Version of the format.
    pub api_version: String,
    /// `Installation`.
    pub kind: String,
    /// Name of the installation.
    pub name: Option<String>,
    /// What it is meant for.
    pub profile: Option<Profile>,
    /// Namespace of every object.
    pub namespace: Option<String>,
    /// DNS domain of the cluster's services.
    pub cluster_domain: Option<String>,
    /// Version of kcp.
    pub kcp_version: Option<KcpVersion>,
    /// The image that all servers run.
    #[serde(default)]
    pub image: ImageDraft,
    /// The address of users.
    #[serde(default)]
    pub external: ExternalDraft,
    /// Who signs the root CAs.
    #[serde(default)]
    pub issuer: IssuerDraft,
    /// The root shard.
    #[serde(default)]
    pub root_shard: RootShardDraft,
    /// The other shards.
    pub shards: Option<Vec<ShardDraft>>,
    /// The cache servers.
    pub caches: Option<Vec<CacheDraft>>,
    /// The front-proxies.
    pub front_proxies: Option<Vec<FrontProxyDraft>>,
    /// The kubeconfigs to hand out.
    pub kubeconfigs: Option<Vec<KubeconfigDraft>>,
}

/// A container image.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageDraft {
    /// Repository.
    pub repository: Option<String>,
    /// Tag.
    pub tag: Option<String>,
    /// Secrets to pull it with.
    #[serde(default)]
    pub pull_secrets: Vec<String>,
}

/// An address.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalDraft {
    /// Host name.
    pub hostname: Option<String>,
    /// Port.
    pub port: Option<u16>,
}

/// Who signs the root CAs.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerDraft {
    /// `Issuer` or `ClusterIssuer`.
    pub kind: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Whether it is written too.
    pub create: Option<bool>,
}

/// The root shard.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootShardDraft {
    /// Name.
    pub name: Option<String>,
    /// Number of pods.
    pub replicas: Option<i32>,
    /// Its cache.
    pub cache: Option<String>,
    /// Its etcd.
    #[serde(default)]
    pub etcd: EtcdDraft,
}

/// Another shard.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardDraft {
    /// Name.
    pub name: String,
    /// Number of pods.
    pub replicas: Option<i32>,
    /// Its cache.
    pub cache: Option<String>,
    /// Its etcd.
    #[serde(default)]
    pub etcd: EtcdDraft,
}

/// A cache server.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheDraft {
    /// Name.
    pub name: String,
    /// Number of pods.
    pub replicas: Option<i32>,
    /// Its etcd.
    #[serde(default)]
    pub etcd: EtcdDraft,
}

/// An etcd.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EtcdDraft {
    /// Whose it is.
    pub mode: Option<EtcdMode>,
    /// URLs of its members.
    pub endpoints: Option<Vec<String>>,
    /// Prefix of all keys.
    pub prefix: Option<String>,
    /// Secret with the client certificate.
    pub tls_secret: Option<String>,
}

/// Whose etcd it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum EtcdMode {
    /// One that is there already
    External,
    /// One member of its own, for development
    Dev,
    /// Inside the cache server: lost with its pod
    Embedded,
}

/// Where the cache is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum CacheMode {
    /// Inside the root shard
    Embedded,
    /// In a cache server that all shards share
    Server,
}

/// A front-proxy.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FrontProxyDraft {
    /// Name.
    pub name: String,
    /// Number of pods.
    pub replicas: Option<i32>,
    /// Its address.
    #[serde(default)]
    pub external: ExternalDraft,
    /// Type of its Service.
    pub service_type: Option<String>,
}

/// A kubeconfig to hand out.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubeconfigDraft {
    /// Name.
    pub name: String,
    /// The server that it speaks to.
    pub target: Option<TargetRef>,
    /// The workspace that it opens.
    pub workspace: Option<String>,
    /// The user.
    pub username: Option<String>,
    /// The user's groups.
    pub groups: Option<Vec<String>>,
    /// How long the certificate is valid.
    pub validity: Option<Duration>,
    /// The Secret to write.
    pub secret: Option<String>,
}
