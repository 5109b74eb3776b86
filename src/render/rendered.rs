//! What rendering yields: objects by stage, and what could not be made yet.

use std::fmt;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use crate::api::{Certificate, Issuer};

/// When an object is best applied: a later stage uses what an earlier one makes.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Stage {
    /// Issuers and Certificates.
    Pki,
    /// `ConfigMap`s and Secrets.
    Config,
    /// Deployments, Services and budgets.
    Workload,
}

/// A rendered object.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A signer of certificates.
    Issuer(Box<Issuer>),
    /// A certificate, which makes a Secret of the name in `spec.secretName`.
    Certificate(Box<Certificate>),
    /// Configuration.
    ConfigMap(Box<ConfigMap>),
    /// A kubeconfig or a bundle of CAs.
    Secret(Box<Secret>),
    /// A server.
    Deployment(Box<Deployment>),
    /// Where it is reached.
    Service(Box<Service>),
    /// How many of its pods may be away.
    PodDisruptionBudget(Box<PodDisruptionBudget>),
}

/// Does the same for each kind.
macro_rules! each {
    ($item:expr, $it:ident => $do:expr) => {
        match $item {
            Item::Issuer($it) => $do,
            Item::Certificate($it) => $do,
            Item::ConfigMap($it) => $do,
            Item::Secret($it) => $do,
            Item::Deployment($it) => $do,
            Item::Service($it) => $do,
            Item::PodDisruptionBudget($it) => $do,
        }
    };
}

impl Item {
    /// When it is best applied.
    pub const fn stage(&self) -> Stage {
        match self {
            Self::Issuer(_) | Self::Certificate(_) => Stage::Pki,
            Self::ConfigMap(_) | Self::Secret(_) => Stage::Config,
            Self::Deployment(_) | Self::Service(_) | Self::PodDisruptionBudget(_) => {
                Stage::Workload
            }
        }
    }

    const fn order(&self) -> u8 {
        match self {
            Self::Issuer(_) => 0,
            Self::Certificate(_) => 1,
            Self::ConfigMap(_) => 2,
            Self::Secret(_) => 3,
            Self::Deployment(_) => 4,
            Self::Service(_) => 5,
            Self::PodDisruptionBudget(_) => 6,
        }
    }

    /// Group and version, as `apiVersion` has them.
    pub const fn api_version(&self) -> &'static str {
        match self {
            Self::Issuer(_) | Self::Certificate(_) => "cert-manager.io/v1",
            Self::ConfigMap(_) | Self::Secret(_) | Self::Service(_) => "v1",
            Self::Deployment(_) => "apps/v1",
            Self::PodDisruptionBudget(_) => "policy/v1",
        }
    }

    /// The kind, as `kind` has it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Issuer(_) => "Issuer",
            Self::Certificate(_) => "Certificate",
            Self::ConfigMap(_) => "ConfigMap",
            Self::Secret(_) => "Secret",
            Self::Deployment(_) => "Deployment",
            Self::Service(_) => "Service",
            Self::PodDisruptionBudget(_) => "PodDisruptionBudget",
        }
    }

    /// The plural, as URLs have it.
    pub const fn plural(&self) -> &'static str {
        match self {
            Self::Issuer(_) => "issuers",
            Self::Certificate(_) => "certificates",
            Self::ConfigMap(_) => "configmaps",
            Self::Secret(_) => "secrets",
            Self::Deployment(_) => "deployments",
            Self::Service(_) => "services",
            Self::PodDisruptionBudget(_) => "poddisruptionbudgets",
        }
    }

    /// Its metadata.
    pub fn metadata(&self) -> &ObjectMeta {
        each!(self, it => &it.metadata)
    }

    /// Its metadata, to be changed.
    pub fn metadata_mut(&mut self) -> &mut ObjectMeta {
        each!(self, it => &mut it.metadata)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.metadata().name.as_deref().unwrap_or_default()
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        self.metadata().namespace.as_deref().unwrap_or_default()
    }

    /// The object as a tree, with `apiVersion` and `kind`: what is printed or applied.
    ///
    /// # Errors
    ///
    /// None in practice: the types hold nothing that JSON cannot say.
    pub fn to_tree(&self) -> serde_json::Result<Value> {
        each!(self, it => serde_json::to_value(it))
    }
}

/// Boxes each kind.
macro_rules! from {
    ($($kind:ident),*) => {
        $(impl From<$kind> for Item {
            fn from(object: $kind) -> Self {
                Self::$kind(Box::new(object))
            }
        })*
    };
}

from!(Issuer, Certificate, ConfigMap, Secret, Deployment, Service, PodDisruptionBudget);

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind(), self.name())
    }
}

/// Everything that belongs to one operator object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rendered {
    /// The objects, in the order in which they are best applied: Issuers, Certificates,
    /// `ConfigMap`s, Secrets, Deployments, Services, `PodDisruptionBudget`s.
    pub items: Vec<Item>,
    /// The objects that could not be made, and why.
    pub waiting: Vec<Waiting>,
}

impl Rendered {
    pub(super) fn add(&mut self, items: impl IntoIterator<Item = Item>) {
        self.items.extend(items);
    }

    /// Puts the objects in order.
    pub(super) fn finish(mut self) -> Self {
        self.items.sort_by_key(Item::order);
        self
    }

    /// The objects of a stage.
    pub fn stage(&self, stage: Stage) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(move |it| it.stage() == stage)
    }

    /// The Certificates, all of which should be ready before the stage [`Stage::Workload`].
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.items.iter().filter_map(|it| match it {
            Item::Certificate(it) => Some(&**it),
            _ => None,
        })
    }
}

/// A Secret that could not be made, for want of the content of another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Waiting {
    /// The Secret that could not be made.
    pub secret: String,
    /// The Secret that it is made from.
    pub needs: String,
    /// The key in there.
    pub key: String,
    /// What is the matter with that.
    pub absence: Absence,
}

/// Why the content of a Secret cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Absence {
    /// There is no such Secret yet.
    #[error("it is not there yet")]
    NoSecret,
    /// It has no such key.
    #[error("it has no such key")]
    NoKey,
    /// It holds something else than certificates.
    #[error("{0}")]
    NotPem(String),
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { secret, needs, key, absence } = self;
        write!(f, "Secret `{secret}` needs `{key}` of the Secret `{needs}`: {absence}")
    }
}
