//! `RootShard`: the shard that holds the root workspace, and the installation's CAs.

use k8s_openapi::api::core::v1::{LocalObjectReference, ResourceRequirements, Volume, VolumeMount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{
    CertificateTemplates, Certificates, DeploymentTemplate, ExternalConfig, ImageSpec, LoggingSpec,
    ServiceTemplate,
};
use super::shard::CommonShardSpec;

/// What the root shard should be.
#[derive(CustomResource, JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "operator.kcp.io",
    version = "v1alpha1",
    kind = "RootShard",
    plural = "rootshards",
    namespaced,
    status = "RootShardStatus",
    derive = "PartialEq",
    doc = "The root shard of an installation.",
    printcolumn = r#"{"name":"Hostname","type":"string","jsonPath":".spec.external.hostname"}"#,
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct RootShardSpec {
    /// The address of the installation: a front-proxy must answer there.
    pub external: ExternalConfig,
    /// The cache of the root shard, and of every shard that names no other.
    pub cache: RootShardCache,
    /// Where the installation's root CA comes from.
    pub certificates: Certificates,
    /// The proxy through which the operator itself talks to the shards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<RootShardProxySpec>,
    /// What every shard has.
    #[serde(flatten)]
    pub common: CommonShardSpec,
}

/// The cache of the root shard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RootShardCache {
    /// Deprecated and without effect: the cache is embedded unless `ref` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedded: Option<EmbeddedCache>,
    /// A `CacheServer` in the same namespace.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<LocalObjectReference>,
}

/// Deprecated and without effect.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EmbeddedCache {
    /// Has no effect.
    pub enabled: bool,
}

/// The proxy through which the operator itself talks to the shards.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RootShardProxySpec {
    /// Container image to run instead of the operator's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageSpec>,
    /// Number of pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Requests and limits of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Changes to the generated Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_template: Option<ServiceTemplate>,
    /// Changes to the generated Deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_template: Option<DeploymentTemplate>,
    /// Changes to the certificates `server`, `kubeconfig` and `requestheader`.
    #[serde(default, skip_serializing_if = "CertificateTemplates::is_empty")]
    pub certificate_templates: CertificateTemplates,
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
    /// How much the proxy logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logging: Option<LoggingSpec>,
}

/// What is known of the root shard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RootShardStatus {
    /// `Provisioning`, `Running` or `Deleting`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Condition `Available`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The other shards of the installation, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub shards: Vec<ShardReference>,
}

/// A shard of the installation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShardReference {
    /// Name of the Shard.
    pub name: String,
}
