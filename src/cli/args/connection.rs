//! `--kubeconfig` and `--context`: which server a client command talks to.

use std::path::PathBuf;

use crate::cli::completions::names;
use crate::client::{CacheClient, ClientError, Search, SourceError, TypeNameError};
use crate::error::{CliError, Kind};

/// Which cache server to talk to.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArgs {
    /// Kubeconfig file that leads to the cache server
    ///
    /// Without it, `.kcpctl/admin.kubeconfig` of this folder is used, and without that file the
    /// context `cache` of KUBECONFIG or `~/.kube/config`; never another current context. Shard
    /// and cluster in the server's URL are ignored: `--shard` and `--cluster` say what to read.
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig to use
    #[arg(long, value_name = "NAME", add = names::cache_contexts())]
    pub(crate) context: Option<String>,
}

impl ConnectionArgs {
    /// A client of the server that the flags and the environment lead to. Nothing is
    /// sent yet.
    pub(crate) async fn client(self) -> Result<CacheClient, CliError> {
        let Self { kubeconfig, context } = self;
        let source = Search::new(kubeconfig, context).find().await?;
        Ok(CacheClient::new(source)?)
    }
}

impl From<SourceError> for CliError {
    fn from(error: SourceError) -> Self {
        let hints = error.hints();
        hints.into_iter().fold(Self::new(Kind::Config, error), Self::hint)
    }
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        let kind = match &error {
            ClientError::Credentials { .. } => Kind::Config,
            ClientError::Connect { .. }
            | ClientError::Silent { .. }
            | ClientError::Unreadable { .. } => Kind::Unreachable,
            ClientError::Refused { .. } => Kind::Refused,
        };
        let hints = error.hints();
        hints.into_iter().fold(Self::new(kind, error), Self::hint)
    }
}

impl From<TypeNameError> for CliError {
    fn from(error: TypeNameError) -> Self {
        let hints = error.hints();
        hints.into_iter().fold(Self::new(Kind::Usage, error), Self::hint)
    }
}
