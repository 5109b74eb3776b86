//! What is wrong with an installation: a stable code, where, what, and what to do.

use std::fmt;

use serde::Serialize;

use crate::api::{Object, Place};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It cannot work, or would lose data: nothing is written.
    Error,
    /// It works, though perhaps not as meant.
    Warning,
}

/// What a finding is about: an object, or the topology (`Installation/demo`).
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Subject {
    /// Its kind; empty where a file has no object.
    pub kind: String,
    /// Its namespace, if it names one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl Subject {
    /// Any object.
    pub fn of(object: &Object) -> Self {
        Self {
            kind: object.kind_name().to_owned(),
            namespace: object.namespace().map(str::to_owned),
            name: object.name().to_owned(),
        }
    }

    /// An object whose type is known.
    pub fn typed<T: kube::Resource<DynamicType = ()>>(object: &T) -> Self {
        let metadata = object.meta();
        Self {
            kind: T::kind(&()).into_owned(),
            namespace: metadata.namespace.clone(),
            name: metadata.name.clone().unwrap_or_default(),
        }
    }

    /// The topology.
    pub fn installation(name: &str) -> Self {
        Self { kind: "Installation".to_owned(), namespace: None, name: name.to_owned() }
    }
}

impl From<&Self> for Subject {
    fn from(subject: &Self) -> Self {
        subject.clone()
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind.as_str(), self.name.as_str()) {
            ("", "") => f.write_str("-"),
            (kind, "") => f.write_str(kind),
            (kind, name) => write!(f, "{kind}/{name}"),
        }
    }
}

/// One finding.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// Which rule.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
    /// What it is about.
    pub subject: Subject,
    /// Path of the field.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
    /// Where to look for it, if its subject alone does not say.
    pub at: Option<At>,
    /// Whether only kcp-operator or cert-manager has this trouble: what kcpctl renders and signs
    /// itself is right.
    pub operator_only: bool,
}

/// Where a finding stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum At {
    /// There.
    Place(Place),
    /// Somewhere in an object: its path says where.
    Object {
        /// Where its document begins.
        source: Place,
        /// Its place among the `items` of a `List`, from zero.
        item: Option<usize>,
    },
}

/// The rules. A number is never used for another rule.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u16)]
pub enum Code {
    /// A field is not what the schema or a CEL rule allows.
    Schema = 1,
    /// A field is not known and would be dropped.
    UnknownField = 2,
    /// A name is no DNS label that begins with a letter.
    NameShape = 3,
    /// A name is too long for the names that the operator makes from it.
    NameLength = 4,
    /// Two objects have one kind and name.
    Duplicate = 5,
    /// Two objects would make one generated object.
    Collision = 6,
    /// A reference is missing.
    NoReference = 7,
    /// A reference names nothing.
    DanglingReference = 8,
    /// More than one replica on an etcd that is embedded.
    EmbeddedReplicas = 9,
    /// The shards of an installation use caches that do not share an etcd.
    SplitCache = 10,
    /// An etcd endpoint is no URL of a server.
    EtcdEndpoint = 11,
    /// The endpoints and the client certificate of an etcd do not fit.
    EtcdTls = 12,
    /// Two servers would write the same keys of one etcd.
    EtcdOverlap = 13,
    /// A certificate would be valid for less than cert-manager grants.
    Validity = 14,
    /// A kubeconfig has no target, or several.
    Target = 15,
    /// No front-proxy answers at the address of the installation.
    NoFrontProxy = 16,
    /// Where the root CA comes from is not said, or said twice.
    CertificateSource = 17,
    /// A host name or port is not one.
    Address = 18,
    /// Two shards would be the same for kcp.
    ShardIdentity = 19,
    /// The version of kcp cannot do this.
    Version = 20,
    /// The operator cannot manage a Service of this type.
    ServiceType = 21,
    /// The production profile is not kept.
    Production = 22,
    /// The number of replicas is negative.
    Replicas = 23,
    /// A field has no effect, or not the one that its name says.
    Ineffective = 24,
    /// A root shard and the cache inside it would store under one prefix.
    EmbeddedPrefix = 25,
    /// An object has no `spec`.
    NoSpec = 26,
    /// A document is not what YAML, JSON or the form of an object allow.
    Syntax = 27,
    /// The operator has no such kind.
    UnknownKind = 28,
    /// A server of virtual workspaces is used by another shard than it belongs to.
    WorkspaceTarget = 29,
    /// A certificate is not valid for the name that is dialled.
    UncoveredName = 30,
    /// One CA would vouch both for clients and for who speaks for others.
    SharedClientCa = 31,
    /// The cluster does not have the definition of a kind.
    NotDefined = 32,
    /// The cluster's definition of a kind is older than what is asked of it.
    OldDefinition = 33,
    /// The cluster has no cert-manager.
    NoCertManager = 34,
    /// An issuer is missing, or not ready.
    NoIssuer = 35,
    /// A Secret, or a key of it, is missing.
    NoSecret = 36,
    /// A Secret does not hold what it should.
    BadSecret = 37,
    /// The user may not do what is needed.
    NotPermitted = 38,
    /// Somebody else takes care of an object.
    ForeignObject = 39,
    /// An etcd does not answer, or not to who asks.
    EtcdUnreachable = 40,
    /// A host name has no address, or nobody answers there.
    HostUnresolved = 41,
    /// A server shows a certificate that is not valid for its name.
    ServedCertificate = 42,
    /// A certificate has ended, or will before it is renewed.
    CertificateEnds = 43,
    /// A cache server asks nobody who they are.
    OpenCache = 44,
    /// The versions of servers do not belong together.
    VersionSkew = 45,
    /// An object is not what it should be.
    NotAvailable = 46,
}

impl Code {
    /// Every rule, by its number.
    pub const ALL: [Self; 46] = [
        Self::Schema,
        Self::UnknownField,
        Self::NameShape,
        Self::NameLength,
        Self::Duplicate,
        Self::Collision,
        Self::NoReference,
        Self::DanglingReference,
        Self::EmbeddedReplicas,
        Self::SplitCache,
        Self::EtcdEndpoint,
        Self::EtcdTls,
        Self::EtcdOverlap,
        Self::Validity,
        Self::Target,
        Self::NoFrontProxy,
        Self::CertificateSource,
        Self::Address,
        Self::ShardIdentity,
        Self::Version,
        Self::ServiceType,
        Self::Production,
        Self::Replicas,
        Self::Ineffective,
        Self::EmbeddedPrefix,
        Self::NoSpec,
        Self::Syntax,
        Self::UnknownKind,
        Self::WorkspaceTarget,
        Self::UncoveredName,
        Self::SharedClientCa,
        Self::NotDefined,
        Self::OldDefinition,
        Self::NoCertManager,
        Self::NoIssuer,
        Self::NoSecret,
        Self::BadSecret,
        Self::NotPermitted,
        Self::ForeignObject,
        Self::EtcdUnreachable,
        Self::HostUnresolved,
        Self::ServedCertificate,
        Self::CertificateEnds,
        Self::OpenCache,
        Self::VersionSkew,
        Self::NotAvailable,
    ];
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KCP{:04}", *self as u16)
    }
}

impl Finding {
    /// An error.
    pub fn error(
        code: Code,
        subject: impl Into<Subject>,
        path: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            code,
            severity: Severity::Error,
            subject: subject.into(),
            path: path.into(),
            message: message.into(),
            hint: hint.into(),
            at: None,
            operator_only: false,
        }
    }

    /// The same, for an object that its subject may not tell from another.
    #[must_use]
    pub fn at(self, at: At) -> Self {
        Self { at: Some(at), ..self }
    }

    /// The same, as a trouble of kcp-operator alone.
    #[must_use]
    pub fn operator_only(self) -> Self {
        Self { operator_only: true, ..self }
    }

    /// The same as a warning.
    #[must_use]
    pub fn warn(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}: {}", self.code, self.subject, self.path, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_documented() {
        let page = include_str!("../../docs/findings.md");
        for (index, code) in Code::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, index + 1, "codes have no gap");
            assert!(page.contains(&format!("| {code} | ")), "{code} is not in docs/findings.md");
        }
    }
}
