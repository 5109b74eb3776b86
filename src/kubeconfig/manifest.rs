//! The operator's `Kubeconfig` object: a request for access, not the access itself.

use k8s_openapi::api::core::v1::LocalObjectReference;

use super::target::{Target, Workspace};
use crate::api::{self, Duration, Kind, KubeconfigSpec, Violation};
use crate::model::yaml;

/// What to ask of the operator.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The object's name.
    pub name: &'a str,
    /// Its namespace: that of the target.
    pub namespace: Option<&'a str>,
    /// The server.
    pub target: &'a Target,
    /// The workspace, if not the default one.
    pub workspace: Option<&'a Workspace>,
    /// The user.
    pub user: &'a str,
    /// The groups.
    pub groups: &'a [String],
    /// How long the certificate lives.
    pub validity: &'a Duration,
    /// The Secret that the operator writes.
    pub secret: &'a str,
}

/// A request that the operator cannot fulfil.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The operator has no kubeconfigs for cache servers.
    #[error("the operator makes no kubeconfig for `{0}`")]
    Target(String),
    /// The object breaks the rules of its kind.
    #[error("the object would be refused: {0}")]
    Rules(String),
    /// The object cannot be written.
    #[error("the object cannot be written")]
    Write(#[source] serde_json::Error),
}

impl Request<'_> {
    /// The object as YAML, checked against its schema and rules.
    pub fn to_yaml(&self) -> Result<String, RequestError> {
        let Some(target) = self.target.reference() else {
            return Err(RequestError::Target(self.target.to_string()));
        };
        let spec = KubeconfigSpec {
            target,
            target_workspace: self.workspace.map(|it| it.as_str().to_owned()),
            username: self.user.to_owned(),
            groups: self.groups.to_vec(),
            validity: self.validity.clone(),
            secret_ref: LocalObjectReference { name: self.secret.to_owned() },
            certificate_template: None,
            authorization: None,
        };
        let mut object = api::Kubeconfig::new(self.name, spec);
        object.metadata.namespace = self.namespace.map(ToOwned::to_owned);
        let tree = serde_json::to_value(&object).map_err(RequestError::Write)?;
        let violations = api::violations(Kind::Kubeconfig, &tree);
        if !violations.is_empty() {
            let rules: Vec<_> = violations.iter().map(Violation::to_string).collect();
            return Err(RequestError::Rules(rules.join("; ")));
        }
        // From the object and not from the tree, whose fields are sorted by name.
        let mut value = serde_yaml::to_value(&object)
            .map_err(|error| RequestError::Rules(error.to_string()))?;
        if let Some(map) = value.as_mapping_mut() {
            map.retain(|_, value| !value.is_null());
        }
        Ok(yaml::render(&value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_asks_for_what_was_asked() {
        let ask = |target: &str, user: &str| {
            Request {
                name: "ci",
                namespace: Some("kcp"),
                target: &target.parse().unwrap(),
                workspace: Some(&"root:org".parse().unwrap()),
                user,
                groups: &["on".to_owned(), "system:kcp:admin".to_owned()],
                validity: &"8766h".parse().unwrap(),
                secret: "ci-kubeconfig",
            }
            .to_yaml()
        };
        assert_eq!(
            ask("frontproxy/front", "alice").unwrap(),
            "\
apiVersion: operator.kcp.io/v1alpha1
kind: Kubeconfig
metadata:
  name: ci
  namespace: kcp
spec:
  target:
    frontProxyRef:
      name: front
  targetWorkspace: root:org
  username: alice
  groups:
  - \"on\"
  - system:kcp:admin
  validity: 8766h
  secretRef:
    name: ci-kubeconfig
"
        );
        let refused = ask("cacheserver/main", "alice").unwrap_err();
        assert_eq!(refused.to_string(), "the operator makes no kubeconfig for `CacheServer/main`");
    }
}
