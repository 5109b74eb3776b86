//! `--kubeconfig`, `--context` and `-n`: which cluster a command talks to.

use std::path::PathBuf;

use super::Namespace;
use crate::cli::completions::names;
use crate::client::Search;
use crate::client::cluster::{ClusterClient, ClusterError};
use crate::error::{CliError, Kind};

/// Which cluster to talk to.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ClusterArgs {
    /// Kubeconfig file that leads to the cluster
    /// [default: KUBECONFIG, or ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig to use
    /// [default: the current one]
    #[arg(long, value_name = "NAME", add = names::cluster_contexts())]
    pub(crate) context: Option<String>,
}

/// `-n`: where objects are that name no namespace.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct NamespaceArgs {
    /// Namespace of what names none
    /// [default: that of the context]
    #[arg(short, long, value_name = "NAMESPACE", add = names::namespaces())]
    pub(crate) namespace: Option<Namespace>,
}

/// The namespace of whoever names none at all.
const DEFAULT: &str = "default";

impl ClusterArgs {
    /// Whether either is named.
    pub(crate) fn is_any(&self) -> bool {
        self.kubeconfig.is_some() || self.context.is_some()
    }

    /// A client of the cluster that the flags and the environment lead to. Nothing is sent yet.
    pub(crate) async fn client(self) -> Result<ClusterClient, CliError> {
        let Self { kubeconfig, context } = self;
        let (source, namespace) = Search::new(kubeconfig, context).find_cluster().await?;
        Ok(ClusterClient::new(source, namespace)?)
    }
}

impl NamespaceArgs {
    /// The namespace that counts.
    pub(crate) fn choose(self, client: &ClusterClient) -> String {
        let named = self.namespace.map(|it| it.as_str().to_owned());
        named.or_else(|| client.namespace().map(str::to_owned)).unwrap_or_else(|| DEFAULT.into())
    }
}

impl From<ClusterError> for CliError {
    fn from(error: ClusterError) -> Self {
        let kind = match &error {
            ClusterError::Credentials { .. } => Kind::Config,
            ClusterError::Connect { .. }
            | ClusterError::Silent { .. }
            | ClusterError::Unreadable { .. } => Kind::Unreachable,
            ClusterError::Refused { .. } | ClusterError::UnknownType { .. } => Kind::Refused,
        };
        let hints = error.hints();
        hints.into_iter().fold(Self::new(kind, error), Self::hint)
    }
}
