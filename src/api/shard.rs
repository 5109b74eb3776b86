//! Shard, and what it has in common with the root shard.

use k8s_openapi::api::core::v1::{LocalObjectReference, ResourceRequirements, Volume, VolumeMount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{
    CertificateTemplates, DeploymentTemplate, EtcdConfig, ImageSpec, LoggingSpec,
    RootShardReference, ServiceTemplate,
};
use super::duration::Duration;
use super::front_proxy::AuthSpec;

/// What a shard should be.
#[derive(CustomResource, JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "operator.kcp.io",
    version = "v1alpha1",
    kind = "Shard",
    plural = "shards",
    namespaced,
    status = "ShardStatus",
    derive = "PartialEq",
    doc = "A shard beside the root shard.",
    printcolumn = r#"{"name":"RootShard","type":"string","jsonPath":".spec.rootShard.ref.name"}"#,
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ShardSpec {
    /// The root shard that this shard joins.
    pub root_shard: RootShardReference,
    /// The cache to use instead of the root shard's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<ShardCache>,
    /// What every shard has.
    #[serde(flatten)]
    pub common: CommonShardSpec,
}

/// The cache of a shard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShardCache {
    /// A `CacheServer` in the same namespace.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<LocalObjectReference>,
}

/// What is known of a shard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShardStatus {
    /// `Provisioning`, `Running` or `Deleting`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Conditions `RootShard` and `Available`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// What the root shard and every other shard have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommonShardSpec {
    /// DNS domain of the cluster's services; `cluster.local` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_domain: Option<String>,
    /// URL at which the shard is reached; that of its Service if absent.
    #[serde(default, rename = "shardBaseURL", skip_serializing_if = "Option::is_none")]
    pub shard_base_url: Option<String>,
    /// The etcd to store in.
    pub etcd: EtcdConfig,
    /// Container image to run instead of the operator's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageSpec>,
    /// Number of pods; two if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Requests and limits of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// What is written to an audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditSpec>,
    /// Who else is asked what a user may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization: Option<AuthorizationSpec>,
    /// How users prove who they are. Group filters have no effect on shards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthSpec>,
    /// A `VirtualWorkspace` that serves the built-in virtual workspaces instead of the shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kcp_virtual_workspace: Option<LocalObjectReference>,
    /// Changes to the generated certificates.
    #[serde(default, skip_serializing_if = "CertificateTemplates::is_empty")]
    pub certificate_templates: CertificateTemplates,
    /// Changes to the generated Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_template: Option<ServiceTemplate>,
    /// Changes to the generated Deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_template: Option<DeploymentTemplate>,
    /// Secret whose key `tls.crt` holds the CAs of the external address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle_secret_ref: Option<LocalObjectReference>,
    /// Secret whose key `tls.crt` holds more CAs for client certificates.
    #[serde(default, rename = "clientCABundleRef", skip_serializing_if = "Option::is_none")]
    pub client_ca_bundle_ref: Option<LocalObjectReference>,
    /// More command line arguments, after the generated ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_args: Vec<String>,
    /// More volumes of the pod.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub extra_volumes: Vec<Volume>,
    /// More mounts of the container; each names a volume of the pod.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub extra_volume_mounts: Vec<VolumeMount>,
    /// How much the shard logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logging: Option<LoggingSpec>,
}

/// What is written to an audit log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditSpec {
    /// Where events are sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<AuditWebhook>,
    /// Which events are recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<AuditPolicy>,
}

/// Which events are recorded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditPolicy {
    /// The `ConfigMap` and key that hold the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<DataKeyReference>,
}

/// A key in a `ConfigMap` or Secret of the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DataKeyReference {
    /// Name of the object.
    pub name: String,
    /// Key in its data.
    pub key: String,
}

/// Where audit events are sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditWebhook {
    /// Events that may wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_buffer_size: Option<i64>,
    /// Events in a batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_max_size: Option<i64>,
    /// How long a batch waits to be filled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_max_wait: Option<Duration>,
    /// Batches that may be sent at once after a pause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_throttle_burst: Option<i64>,
    /// Whether batches are throttled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_throttle_enable: Option<bool>,
    /// Batches a second, a decimal number.
    #[serde(default, rename = "batchThrottleQPS", skip_serializing_if = "Option::is_none")]
    pub batch_throttle_qps: Option<String>,
    /// Secret that holds the kubeconfig of the webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_secret_name: Option<String>,
    /// Wait before the first retry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_backoff: Option<Duration>,
    /// Whether requests wait for the webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<AuditWebhookMode>,
    /// Whether large events are cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncate_enabled: Option<bool>,
    /// Bytes in a batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncate_max_batch_size: Option<i64>,
    /// Bytes in an event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncate_max_event_size: Option<i64>,
    /// API version of the events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// Whether requests wait for the audit webhook.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AuditWebhookMode {
    /// The server's default.
    #[serde(rename = "")]
    Unset,
    /// Events are sent later, in batches.
    Batch,
    /// Each answer waits for its event.
    Blocking,
    /// As `blocking`, and a request whose event fails is refused.
    BlockingStrict,
}

impl AuditWebhookMode {
    /// The mode as a flag has it, unless it is the server's default.
    pub const fn as_flag(self) -> Option<&'static str> {
        match self {
            Self::Unset => None,
            Self::Batch => Some("batch"),
            Self::Blocking => Some("blocking"),
            Self::BlockingStrict => Some("blocking-strict"),
        }
    }
}

/// Who else is asked what a user may do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuthorizationSpec {
    /// The webhook that is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<AuthorizationWebhook>,
}

/// A webhook that says what a user may do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizationWebhook {
    /// Paths that everybody may use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_paths: Vec<String>,
    /// How long a yes is remembered.
    #[serde(default, rename = "cacheAuthorizedTTL", skip_serializing_if = "Option::is_none")]
    pub cache_authorized_ttl: Option<Duration>,
    /// How long a no is remembered.
    #[serde(default, rename = "cacheUnauthorizedTTL", skip_serializing_if = "Option::is_none")]
    pub cache_unauthorized_ttl: Option<Duration>,
    /// Secret that holds the kubeconfig of the webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_secret_name: Option<String>,
    /// API version of the questions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}
