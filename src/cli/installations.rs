//! NAME: which installation of a cluster is meant, and what the cluster has of it.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::anyhow;
use serde_json::Value;

use super::args::NamespaceArgs;
use crate::api;
use crate::client::cluster::ClusterClient;
use crate::error::{CliError, Kind};
use crate::installation::live::{Beside, text};

/// An installation: its root shard.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Installation {
    pub(super) namespace: String,
    pub(super) root: String,
}

impl fmt::Display for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.root)
    }
}

/// The installations that `name` may mean: `NAMESPACE/ROOTSHARD`, a root shard, or the namespace
/// of one; without a name all of a namespace, or of the cluster.
pub(super) async fn resolve(
    client: &ClusterClient,
    name: Option<&str>,
    namespace: NamespaceArgs,
) -> Result<Vec<Installation>, CliError> {
    let of = client.resource(api::API_VERSION, api::Kind::RootShard.as_str()).await?;
    let (name, within) = match name.and_then(|it| it.split_once('/')) {
        Some((within, name)) => (Some(name), Some(within.to_owned())),
        None => (name, namespace.namespace.as_ref().map(|it| it.as_str().to_owned())),
    };
    let roots = match client.list(&of, within.as_deref()).await {
        // Who may not look everywhere may still look at home.
        Err(error) if error.is_forbidden() && within.is_none() => {
            let home = namespace.choose(client);
            client.list(&of, Some(&home)).await?
        }
        roots => roots?,
    };
    let installation = |root: &Value| Installation {
        namespace: text(root, "/metadata/namespace").to_owned(),
        root: text(root, "/metadata/name").to_owned(),
    };
    let all: Vec<Installation> = roots.iter().map(installation).collect();
    let Some(name) = name else {
        return if all.is_empty() { Err(nothing(within.as_deref())) } else { Ok(all) };
    };
    let by_root: Vec<_> = all.iter().filter(|it| it.root == name).cloned().collect();
    let found = if by_root.is_empty() {
        all.iter().filter(|it| it.namespace == name).cloned().collect()
    } else {
        by_root
    };
    if found.is_empty() {
        let known: Vec<String> = all.iter().map(ToString::to_string).collect();
        let cause = anyhow!("no root shard, and no namespace with one, is called `{name}`");
        let hint = match known.as_slice() {
            [] => "there is none at all: apply one with `kcpctl apply -f FOLDER`".to_owned(),
            known => format!("there are: {}", known.join(", ")),
        };
        return Err(CliError::new(Kind::Usage, cause).hint(hint));
    }
    Ok(found)
}

fn nothing(within: Option<&str>) -> CliError {
    let place = within.map_or("in the cluster".to_owned(), |it| format!("in `{it}`"));
    CliError::new(Kind::Findings, anyhow!("there is no root shard {place}"))
        .hint("apply one with `kcpctl apply -f FOLDER`, or name another namespace with `-n`")
}

/// Every object of the operator's kinds in these namespaces.
pub(super) async fn operator_objects(
    client: &ClusterClient,
    namespaces: &BTreeSet<String>,
) -> Result<Vec<Value>, CliError> {
    let mut objects = Vec::new();
    let types = client.types(api::API_VERSION).await?;
    let known =
        api::Kind::ALL.iter().filter_map(|kind| types.iter().find(|it| it.kind == kind.as_str()));
    for of in known {
        for namespace in namespaces {
            objects.extend(client.list(of, Some(namespace)).await?);
        }
    }
    Ok(objects)
}

/// What there is in a namespace beside the operator's objects.
#[derive(Debug, Default)]
pub(super) struct Around {
    pub(super) deployments: Vec<Value>,
    pub(super) certificates: Vec<Value>,
    pub(super) sees_deployments: bool,
    pub(super) sees_certificates: bool,
}

impl Around {
    pub(super) fn view(&self) -> Beside<'_> {
        Beside { deployments: &self.deployments, certificates: &self.certificates }
    }
}

/// Looks around in a namespace, as far as one may.
pub(super) async fn beside(client: &ClusterClient, namespace: &str) -> Result<Around, CliError> {
    let mut around = Around::default();
    if let Some(of) = client.find("apps/v1", "Deployment").await? {
        match client.list(&of, Some(namespace)).await {
            Ok(found) => (around.deployments, around.sees_deployments) = (found, true),
            Err(error) if error.is_forbidden() => {}
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(of) = client.find("cert-manager.io/v1", "Certificate").await? {
        match client.list(&of, Some(namespace)).await {
            Ok(found) => (around.certificates, around.sees_certificates) = (found, true),
            Err(error) if error.is_forbidden() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(around)
}
