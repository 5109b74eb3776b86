//! Kubeconfig: access for one user to one target, as a Secret.

use k8s_openapi::api::core::v1::LocalObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::CertificateTemplate;
use super::duration::Duration;

/// What access should be handed out.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "operator.kcp.io",
    version = "v1alpha1",
    kind = "Kubeconfig",
    plural = "kubeconfigs",
    namespaced,
    status = "KubeconfigStatus",
    derive = "PartialEq",
    doc = "Access for one user, written to a Secret as a kubeconfig.",
    printcolumn = r#"{"name":"Target","type":"string","jsonPath":".status.targetName"}"#,
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[x_kube(validation = Rule::new("!(has(self.targetWorkspace) && has(self.authorization) && has(self.authorization.clusterRoleBindings.cluster))")
    .message("Cannot set both targetWorkspace and authorization.clusterRoleBindings.cluster. Use targetWorkspace only."))]
#[serde(rename_all = "camelCase")]
pub struct KubeconfigSpec {
    /// The server that the kubeconfig speaks to.
    pub target: KubeconfigTarget,
    /// Workspace that the kubeconfig opens; `root` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(
        pattern = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(:[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$"
    ))]
    pub target_workspace: Option<String>,
    /// Name of the user: the certificate's common name.
    pub username: String,
    /// Groups of the user: the certificate's organizations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// How long the certificate is valid; at least one hour.
    pub validity: Duration,
    /// The Secret to write.
    pub secret_ref: LocalObjectReference,
    /// Changes to the generated certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_template: Option<CertificateTemplate>,
    /// What the user may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization: Option<KubeconfigAuthorization>,
}

/// The server that a kubeconfig speaks to: exactly one of the three.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KubeconfigTarget {
    /// The root shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_shard_ref: Option<LocalObjectReference>,
    /// A shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard_ref: Option<LocalObjectReference>,
    /// A front-proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub front_proxy_ref: Option<LocalObjectReference>,
}

/// One server of an installation, by kind and name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Target<'a> {
    /// The root shard.
    RootShard(&'a str),
    /// A shard.
    Shard(&'a str),
    /// A front-proxy.
    FrontProxy(&'a str),
}

impl KubeconfigTarget {
    /// Every server that is named, in the order in which the operator looks.
    pub fn named(&self) -> Vec<Target<'_>> {
        let Self { root_shard_ref, shard_ref, front_proxy_ref } = self;
        [
            root_shard_ref.as_ref().map(|it| Target::RootShard(&it.name)),
            shard_ref.as_ref().map(|it| Target::Shard(&it.name)),
            front_proxy_ref.as_ref().map(|it| Target::FrontProxy(&it.name)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// What the user of a kubeconfig may do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KubeconfigAuthorization {
    /// The roles that are bound to the user.
    pub cluster_role_bindings: KubeconfigBindings,
}

/// Roles in a workspace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KubeconfigBindings {
    /// Deprecated: the workspace of the roles. `targetWorkspace` takes its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Names of the `ClusterRole`s.
    pub cluster_roles: Vec<String>,
}

/// What is known of a kubeconfig.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KubeconfigStatus {
    /// `Provisioning`, `Ready` or `Failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Kind and name of the target, such as `Shard/a`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_name: Option<String>,
    /// Where roles were bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization: Option<KubeconfigAuthorizationStatus>,
    /// Conditions `ReferenceValid` and `Available`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// Where roles were bound.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KubeconfigAuthorizationStatus {
    /// The workspace.
    pub provisioned_cluster: String,
}
