//! The `operator.kcp.io/v1alpha1` kinds, and how they are read.
//!
//! ```text
//! text ──read──► Document { tree, object, source } ──check──► violations, unknown fields
//!                           │       └ typed view
//!                           └ every field, also those we do not know
//! ```
//!
//! * One file a kind, as in the operator's API; `common` holds what they share.
//! * `object` is the sum of the kinds, `read` turns YAML or JSON into documents
//!   whose errors name file, line, column and field.
//! * `check` holds a tree against the schema and the CEL rules that the Rust
//!   types carry: the same that a CRD made from them would enforce.
//! * `crd` makes the CRDs from the Rust types.
//! * `cert_manager` has the foreign kinds that we write and wait for.
//! * `version` is kcp's, which the tag of an image names.
//! * `names` is what the operator calls the objects that it makes.
//!
//! # What is absent on purpose
//!
//! Nothing here opens a file or judges more than one object at a time: that
//! references resolve is the business of `installation`. A typed view drops the
//! fields that it does not know, so whoever writes an object back uses the tree.

mod cache_server;
mod cert_manager;
mod check;
mod common;
mod crd;
mod duration;
mod front_proxy;
mod kubeconfig;
pub mod names;
mod object;
mod places;
mod read;
mod root_shard;
mod schema;
mod shard;
pub(crate) mod text;
mod version;
mod virtual_workspace;

pub use cache_server::{CacheServer, CacheServerSpec, CacheServerStatus};
pub use cert_manager::{
    CERT_MANAGER, CaIssuer, CertManagerCondition, Certificate, CertificateSpec, CertificateStatus,
    Issuer, IssuerSpec, IssuerStatus, KeyUsage, READY, SelfSignedIssuer,
};
pub use check::{Violation, fields_unknown_to, unknown_fields, violations};
pub use common::{
    CertificateMetadata, CertificatePrivateKey, CertificateSpecTemplate, CertificateSubject,
    CertificateTemplate, CertificateTemplates, Certificates, DeploymentSpecTemplate,
    DeploymentTemplate, EtcdConfig, EtcdTlsConfig, ExternalConfig, ImageSpec, KeyAlgorithm,
    KeyEncoding, KeyRotation, LoggingSpec, Metadata, ObjectReference, PodSpecTemplate, PodTemplate,
    RootShardReference, ServiceSpecTemplate, ServiceTemplate,
};
pub use crd::{crd, is_kubernetes_own};
pub use duration::Duration;
pub use front_proxy::{
    AuthSpec, FrontProxy, FrontProxySpec, FrontProxyStatus, OidcCaFile, OidcConfig, PathMapping,
    ServiceAccountAuth, TokenAuthFile, WebhookAuth, WebhookVersion,
};
pub use kubeconfig::{
    Kubeconfig, KubeconfigAuthorization, KubeconfigAuthorizationStatus, KubeconfigBindings,
    KubeconfigSpec, KubeconfigStatus, KubeconfigTarget, Target,
};
pub use object::{Kind, Object, effective_cache};
pub use places::Places;
pub use read::{
    Document, Place, ReadError, Reading, Reason, Rejected, read_all, read_documents, read_value,
};
pub use root_shard::{
    EmbeddedCache, RootShard, RootShardCache, RootShardProxySpec, RootShardSpec, RootShardStatus,
    ShardReference,
};
pub use schema::{certificate_schema, issuer_schema, kubernetes_schema};
pub use shard::{
    AuditPolicy, AuditSpec, AuditWebhook, AuditWebhookMode, AuthorizationSpec,
    AuthorizationWebhook, CommonShardSpec, DataKeyReference, Shard, ShardCache, ShardSpec,
    ShardStatus,
};
pub use version::{KcpVersion, VersionError};
pub use virtual_workspace::{
    InitContainer, VirtualWorkspace, VirtualWorkspaceSpec, VirtualWorkspaceStatus,
    VirtualWorkspaceTarget,
};

/// The API group of the kinds that administrators write.
pub const GROUP: &str = "operator.kcp.io";
/// The only version of [`GROUP`].
pub const VERSION: &str = "v1alpha1";
/// Group and version, as `apiVersion` has them.
pub const API_VERSION: &str = "operator.kcp.io/v1alpha1";
/// The domain of a cluster's services when an object names none.
pub const CLUSTER_DOMAIN: &str = "cluster.local";
/// The annotation that says what an object is meant for.
pub const PROFILE_ANNOTATION: &str = "kcpctl.io/profile";
/// Its value for an installation that people depend on.
pub const PRODUCTION: &str = "production";
