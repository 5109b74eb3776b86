//! What the server says to whoever started it.
//!
//! A person who runs `kcpctl cache serve` reads sentences on stderr; a log for machines,
//! and that of a server that stands in for the original, has an entry instead.

use std::path::Path;

use super::manifests::News;
use super::settings::Settings;
use crate::cli::logging::LogFormat;
use crate::server::Flavor;
use crate::term;

/// Says things in the form that fits the reader.
#[derive(Clone, Copy, Debug)]
pub(super) struct Talk {
    to_a_person: bool,
}

impl Talk {
    pub(super) fn of(settings: &Settings) -> Self {
        let is_text = settings.log.format == LogFormat::Text;
        Self { to_a_person: is_text && settings.flavor == Flavor::Kcpctl }
    }

    /// The server can be reached from now on.
    pub(super) fn serving(self, url: &str, kubeconfig: Option<&Path>) {
        let kubeconfig = kubeconfig.map(|path| path.display().to_string());
        if !self.to_a_person {
            tracing::info!(url, kubeconfig, "serving");
            return;
        }
        term::say(&format!("serving on   {url}"));
        if let Some(kubeconfig) = kubeconfig {
            term::say(&format!("kubeconfig   {kubeconfig}"));
            term::say(&format!("try          kcpctl cache list --kubeconfig {kubeconfig}"));
        }
        term::say("end with Ctrl-C");
    }

    /// Something happened to the shards of the manifests.
    pub(super) fn news(self, news: News) {
        match news {
            News::Shard { object, flags } => {
                let command = format!("kcp start {}", flags.join(" "));
                if self.to_a_person {
                    term::say(&format!("{object} may use this cache:\n  {command}"));
                } else {
                    tracing::info!(object, command, "the shard may use this cache");
                }
            }
            News::Gone { object, folder } => {
                let folder = folder.display();
                tracing::info!(object, %folder, "the shard is gone; its files stay as they are");
            }
            News::Renewed { files } => {
                for path in files {
                    tracing::info!(path = %path.display(), "wrote");
                }
            }
            News::Problem(problem) => tracing::warn!("{problem}"),
        }
    }
}
