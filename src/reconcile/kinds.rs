//! The types that the loop watches.

use kube::core::ApiResource;
use kube::core::GroupVersionKind;

use crate::api::{self, Kind};
use crate::render::Item;

/// A type that the loop watches.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Watched {
    /// One of the operator's kinds.
    Source(Kind),
    /// Signers of certificates.
    Issuer,
    /// Signers of certificates of all namespaces; only the built-in issuer watches them.
    ClusterIssuer,
    /// Certificates.
    Certificate,
    /// Configuration.
    ConfigMap,
    /// Certificates, CAs, kubeconfigs.
    Secret,
    /// Servers.
    Deployment,
    /// Where servers are reached.
    Service,
    /// How many pods may be away.
    Budget,
}

impl Watched {
    /// Those of the loop. Sources come last, so that with a first look what they need is known.
    pub const ALL: [Self; 13] = [
        Self::Issuer,
        Self::Certificate,
        Self::ConfigMap,
        Self::Secret,
        Self::Deployment,
        Self::Service,
        Self::Budget,
        Self::Source(Kind::CacheServer),
        Self::Source(Kind::RootShard),
        Self::Source(Kind::Shard),
        Self::Source(Kind::FrontProxy),
        Self::Source(Kind::VirtualWorkspace),
        Self::Source(Kind::Kubeconfig),
    ];

    /// The type of a rendered object.
    pub const fn of(item: &Item) -> Self {
        match item {
            Item::Issuer(_) => Self::Issuer,
            Item::Certificate(_) => Self::Certificate,
            Item::ConfigMap(_) => Self::ConfigMap,
            Item::Secret(_) => Self::Secret,
            Item::Deployment(_) => Self::Deployment,
            Item::Service(_) => Self::Service,
            Item::PodDisruptionBudget(_) => Self::Budget,
        }
    }

    /// Whether the loop makes objects of this type.
    pub const fn is_made(self) -> bool {
        !matches!(self, Self::Source(_))
    }

    const fn names(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::Source(kind) => (api::GROUP, api::VERSION, kind.as_str(), plural(kind)),
            Self::Issuer => (api::CERT_MANAGER, "v1", "Issuer", "issuers"),
            Self::ClusterIssuer => (api::CERT_MANAGER, "v1", "ClusterIssuer", "clusterissuers"),
            Self::Certificate => (api::CERT_MANAGER, "v1", "Certificate", "certificates"),
            Self::ConfigMap => ("", "v1", "ConfigMap", "configmaps"),
            Self::Secret => ("", "v1", "Secret", "secrets"),
            Self::Deployment => ("apps", "v1", "Deployment", "deployments"),
            Self::Service => ("", "v1", "Service", "services"),
            Self::Budget => ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
        }
    }

    /// The kind, as `kind` has it.
    pub const fn kind(self) -> &'static str {
        self.names().2
    }

    /// How the type is reached.
    pub fn resource(self) -> ApiResource {
        let (group, version, kind, plural) = self.names();
        resource(group, version, kind, plural)
    }
}

/// How a type is reached.
pub(super) fn resource(group: &str, version: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

/// The plural of a kind, as URLs have it.
pub(super) const fn plural(kind: Kind) -> &'static str {
    match kind {
        Kind::CacheServer => "cacheservers",
        Kind::RootShard => "rootshards",
        Kind::Shard => "shards",
        Kind::FrontProxy => "frontproxies",
        Kind::VirtualWorkspace => "virtualworkspaces",
        Kind::Kubeconfig => "kubeconfigs",
    }
}
