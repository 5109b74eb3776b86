//! `FrontProxy`: where users come in. It knows the shards and sends each request to its own.

use k8s_openapi::api::core::v1::{LocalObjectReference, ResourceRequirements, Volume, VolumeMount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{
    CertificateTemplates, DeploymentTemplate, ExternalConfig, ImageSpec, LoggingSpec,
    RootShardReference, ServiceTemplate,
};
use super::duration::Duration;

/// What a front-proxy should be.
// The operator's own rule on the host names reads `external` without asking
// whether it is there, which refuses every object without it. Ours asks.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "operator.kcp.io",
    version = "v1alpha1",
    kind = "FrontProxy",
    plural = "frontproxies",
    namespaced,
    status = "FrontProxyStatus",
    derive = "PartialEq",
    doc = "A proxy through which users reach all shards of an installation.",
    printcolumn = r#"{"name":"RootShard","type":"string","jsonPath":".spec.rootShard.ref.name"}"#,
    printcolumn = r#"{"name":"ExternalHostname","type":"string","jsonPath":".spec.external.hostname"}"#,
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[x_kube(validation = Rule::new(
    "!has(self.externalHostname) || !has(self.external) || !has(self.external.hostname) || self.external.hostname == ''"
).message("Cannot set both ExternalHostname (deprecated) and External.hostname. Use External.hostname only."))]
#[serde(rename_all = "camelCase")]
pub struct FrontProxySpec {
    /// The root shard of the installation.
    pub root_shard: RootShardReference,
    /// Number of pods; two if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Requests and limits of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// How users prove who they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("!has(self.oidc) || (has(self.serviceAccount) && self.serviceAccount.enabled)")
        .message("OIDC requires ServiceAccount auth to be enabled."))]
    pub auth: Option<AuthSpec>,
    /// More paths, and the servers that answer them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_path_mappings: Vec<PathMapping>,
    /// Container image to run instead of the operator's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageSpec>,
    /// Deprecated: the host name of users. `external` takes its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_hostname: Option<String>,
    /// The address of users; the root shard's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalConfig>,
    /// Changes to the generated Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_template: Option<ServiceTemplate>,
    /// Changes to the generated Deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_template: Option<DeploymentTemplate>,
    /// Changes to the certificates `server`, `kubeconfig` and `requestheader`.
    #[serde(default, skip_serializing_if = "CertificateTemplates::is_empty")]
    pub certificate_templates: CertificateTemplates,
    /// Secret whose key `tls.crt` holds the CAs of the address.
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
    /// How much the proxy logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logging: Option<LoggingSpec>,
}

/// A path, and the server that answers it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PathMapping {
    /// Prefix of the path.
    pub path: String,
    /// URL of the server.
    pub backend: String,
    /// File with the CA of the server.
    pub backend_server_ca: String,
    /// File with the client certificate of the proxy.
    pub proxy_client_cert: String,
    /// File with the key of that certificate.
    pub proxy_client_key: String,
}

/// How users prove who they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthSpec {
    /// By tokens of an `OpenID` Connect provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc: Option<OidcConfig>,
    /// By tokens that a webhook knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookAuth>,
    /// By tokens in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_auth_file: Option<TokenAuthFile>,
    /// By tokens of service accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<ServiceAccountAuth>,
    /// Groups that users lose at the proxy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop_groups: Vec<String>,
    /// Groups that users keep although they would be dropped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pass_on_groups: Vec<String>,
}

/// An `OpenID` Connect provider.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OidcConfig {
    /// URL of the provider, `https` only.
    #[serde(rename = "issuerURL")]
    pub issuer_url: String,
    /// The client's id at the provider.
    #[serde(rename = "clientID")]
    pub client_id: String,
    /// Deprecated and without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// Claim that holds the groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups_claim: Option<String>,
    /// Claim that holds the user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username_claim: Option<String>,
    /// What is put before each group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups_prefix: Option<String>,
    /// What is put before the user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username_prefix: Option<String>,
    /// CA of the provider, if it is not a public one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file_ref: Option<OidcCaFile>,
}

/// A key of a Secret that holds a CA.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OidcCaFile {
    /// Name of the Secret.
    pub name: String,
    /// Key in its data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// A webhook that knows tokens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookAuth {
    /// How long an answer is remembered.
    #[serde(default, rename = "cacheAuthenticationTTL", skip_serializing_if = "Option::is_none")]
    pub cache_authentication_ttl: Option<Duration>,
    /// Secret that holds the kubeconfig of the webhook.
    pub config_secret_name: String,
    /// API version of the questions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<WebhookVersion>,
}

/// API version of the questions to a token webhook.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WebhookVersion {
    /// `authentication.k8s.io/v1beta1`.
    V1Beta1,
    /// `authentication.k8s.io/v1`.
    V1,
}

impl WebhookVersion {
    /// The version, as a flag has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1Beta1 => "v1beta1",
            Self::V1 => "v1",
        }
    }
}

/// A Secret with a file of tokens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenAuthFile {
    /// Name of the Secret.
    pub secret_name: String,
    /// Key in its data; `token.csv` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Whether service accounts may come in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceAccountAuth {
    /// Whether their tokens are accepted.
    pub enabled: bool,
}

/// What is known of a front-proxy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FrontProxyStatus {
    /// `Provisioning`, `Running` or `Deleting`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Conditions `RootShard` and `Available`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}
