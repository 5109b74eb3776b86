//! What a kubeconfig says, shown and checked before it is handed out.

use std::time::SystemTime;

use anyhow::Context;

use crate::error::{CliError, Kind};
use crate::kubeconfig::{Credential, Kubeconfig, Target, TargetKind};
use crate::pki::{Certificate, San, pem, verify_client, verify_server};
use crate::term;

use super::signing::Signing;

/// What is shown of one kubeconfig, line by line.
#[derive(Debug)]
pub(super) struct Proof {
    lines: Vec<(&'static str, String)>,
    /// The user's certificate.
    pub(super) certificate: Certificate,
    /// Whether the names in the server's certificate are among the lines.
    pub(super) shows_names: bool,
}

impl Proof {
    /// Checks `yaml` as a client would: its chain against the CA that signed, and the
    /// server's certificate, where it is known, against the URL.
    pub(super) fn of(
        yaml: &str,
        target: &Target,
        signing: &Signing,
        now: SystemTime,
    ) -> Result<Self, CliError> {
        let internal = |error: anyhow::Error| CliError::new(Kind::Internal, error);
        let kubeconfig = Kubeconfig::from_yaml(yaml)
            .context("what was made cannot be read again")
            .map_err(internal)?;
        let user = kubeconfig.users.first().map(|it| &it.cert);
        let Some(Credential::Inline(cert_pem)) = user else {
            return Err(internal(anyhow::anyhow!("what was made has no user")));
        };
        let chain = pem::certificates(cert_pem)
            .context("what was made has no certificate")
            .map_err(internal)?;
        let certificate = Certificate::from_der(&chain[0])
            .context("what was made has no certificate")
            .map_err(internal)?;
        verify_client(&chain, &[signing.authority.der().clone()], now)
            .context("the certificate that was made does not verify against its own CA")
            .map_err(internal)?;
        let groups = match certificate.organizations.as_slice() {
            [] => "none".to_owned(),
            some => some.join(", "),
        };
        let servers: Vec<_> = kubeconfig.clusters.iter().map(|it| it.server.as_str()).collect();
        let mut lines = vec![
            ("user", certificate.common_name.clone()),
            ("groups", groups),
            ("target", target.to_string()),
            ("server", servers.join(", ")),
            ("valid", certificate.validity.to_string()),
            ("chain", format!("verified: signed by `{}`", certificate.issuer)),
        ];
        let names = names(&kubeconfig, target, signing, now)?;
        let shows_names = names.is_some();
        lines.extend(names.map(|says| ("names", says)));
        Ok(Self { lines, certificate, shows_names })
    }

    /// Tells the user, on stderr.
    pub(super) fn show(&self, asks_server: bool) {
        for (what, says) in &self.lines {
            line(what, says);
        }
        if !self.shows_names && !asks_server {
            line("names", "not checked: `--verify` asks the server");
        }
    }
}

/// One line of what is shown.
pub(super) fn line(what: &str, says: &str) {
    term::say(&format!("{what:<9} {says}"));
}

/// What is known of the names in the server's certificate; none if it is not here.
fn names(
    kubeconfig: &Kubeconfig,
    target: &Target,
    signing: &Signing,
    now: SystemTime,
) -> Result<Option<String>, CliError> {
    let config = |error: anyhow::Error| CliError::new(Kind::Config, error);
    let Some(serving_pem) = &signing.serving_pem else {
        return Ok(None);
    };
    let chain = pem::certificates(serving_pem)
        .context("cannot read the server's certificate")
        .map_err(config)?;
    let serving = Certificate::from_der(&chain[0])
        .context("cannot read the server's certificate")
        .map_err(config)?;
    let sans = serving.sans.iter().map(San::to_string).collect::<Vec<_>>().join(", ");
    let roots = pem::certificates(&signing.server_ca_pem)
        .context("cannot read the CA of the server")
        .map_err(config)?;
    for cluster in &kubeconfig.clusters {
        let host = host_of(&cluster.server);
        let refused = |cause: anyhow::Error| {
            let cover = if target.kind == TargetKind::CacheServer {
                "start the server with `--tls-san` for this name"
            } else {
                "have the server's certificate cover this name"
            };
            config(cause).hint(format!("{cover}, or name another URL with `--server`"))
        };
        let san: San = host
            .parse()
            .with_context(|| format!("no certificate can be for the host `{host}`"))
            .map_err(refused)?;
        if !serving.covers(&san) {
            return Err(refused(anyhow::anyhow!(
                "the server's certificate is not for `{host}` but for {sans}"
            )));
        }
        verify_server(&chain, &roots, &san, now)
            .with_context(|| format!("the server at `{}` would not be trusted", cluster.server))
            .map_err(config)?;
    }
    Ok(Some(verified(&sans)))
}

/// What is said of names that were held against the URL.
pub(super) fn verified(sans: &str) -> String {
    format!("verified: the server's certificate is for {sans}")
}

/// The host of a URL that was checked before.
fn host_of(url: &str) -> String {
    url.parse::<http::Uri>()
        .ok()
        .and_then(|uri| uri.host().map(ToOwned::to_owned))
        .unwrap_or_default()
}
