//! The life of the process: up in an order in which failing leaves nothing half done,
//! then down again.
//!
//! The store's lock comes first, so that a second process on the same directory
//! changes nothing there. The port is taken before the store is read, so that clients
//! of a large store wait instead of being refused.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::anyhow;

use super::data_dir::{Clients, Clock, DataDir, Lifetimes, Options, Serving, TlsPaths, keep_fresh};
use super::logging::{self, LogFormat};
use super::settings::{Settings, SettingsError};
use super::wiring::Server;
use crate::error::{CliError, Kind};
use crate::pki::San;
use crate::server::Flavor;
use crate::server::conn::{self, BindError, Bound, Ended, Limits, TlsFiles};
use crate::server::metrics::Metrics;
use crate::shutdown::{self, Phase, Shutdown};
use crate::store::{self, Embedded, EmbeddedOptions};
use crate::term;

/// How long the threads of the process may take to end after everything was closed.
const GOODBYE: Duration = Duration::from_secs(2);

/// Runs a server until it is told to end.
pub(super) fn run(settings: Settings) -> Result<(), CliError> {
    logging::start(settings.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        let cause = anyhow::Error::new(error).context("failed to start the runtime");
        CliError::new(Kind::Internal, cause).hint("the limits on threads may be too low")
    })?;
    let result = runtime.block_on(serve(settings));
    // What still waits for a disk or a network by now is not waited for.
    runtime.shutdown_timeout(GOODBYE);
    result
}

async fn serve(settings: Settings) -> Result<(), CliError> {
    let (trigger, shutdown) = shutdown::channel();
    let signals = trigger.on_signals().map_err(|error| {
        let cause = anyhow::Error::new(error).context("failed to listen for signals");
        CliError::new(Kind::Internal, cause)
    })?;
    tokio::spawn(signals);
    if !settings.ignored.is_empty() {
        let flags = settings.ignored.join(" ");
        tracing::info!(flags, "these flags of the original mean nothing here");
    }

    if let Some(dir) = &settings.data_dir {
        DataDir::prepare(dir)?;
    }
    let options = EmbeddedOptions::new(SystemTime::now);
    let store = Arc::new(Embedded::open(&settings.store_dir, options)?);
    let files = Files::open(&settings)?;
    let metrics = Arc::new(Metrics::new());
    let bound = bind(&settings, &files, &metrics).await?;
    let url = url_of(bound.local_addr());
    let kubeconfig = files.serve_at(&url)?;
    let freshness = files.dir.map(|dir| {
        let (clock, stop): (Clock, _) = (Arc::new(SystemTime::now), shutdown.clone());
        tokio::spawn(keep_fresh(dir, clock, async move { stop.draining().await }))
    });

    let server = tokio::select! {
        server = Server::open(&settings, store, metrics, shutdown.clone()) => server?,
        () = shutdown.aborting() => return Err(aborted()),
    };
    announce(&settings, &url, kubeconfig.as_deref());
    let ended = bound.run(server.handler(), shutdown.clone()).await;
    server.close().await;
    if let Some(freshness) = freshness {
        let _ = freshness.await;
    }
    farewell(ended, &shutdown)
}

/// The certificates, wherever they come from.
struct Files {
    dir: Option<Arc<DataDir>>,
    tls: TlsFiles,
}

impl Files {
    /// Makes what is missing and may be made.
    fn open(settings: &Settings) -> Result<Self, CliError> {
        let dir = match &settings.data_dir {
            None => None,
            Some(path) => {
                let options = data_dir_options(settings)?;
                Some(Arc::new(DataDir::open_or_create(path, options, SystemTime::now())?))
            }
        };
        let own = dir.as_ref().map(|dir| dir.tls_paths());
        let (own_pair, own_ca) = match own {
            None => (None, None),
            Some(TlsPaths { cert, key, client_ca }) => (cert.zip(key), client_ca),
        };
        let pair = settings.serving.clone().or(own_pair);
        let (cert, key) = pair.ok_or(SettingsError::NoServingPair)?;
        let client_ca = settings.client_ca.clone().or(own_ca);
        Ok(Self { dir, tls: TlsFiles { cert, key, client_ca } })
    }

    /// Writes what can only be written once the port is known: the admin's kubeconfig,
    /// if it can be signed here.
    fn serve_at(&self, url: &str) -> Result<Option<PathBuf>, CliError> {
        match &self.dir {
            None => Ok(None),
            Some(dir) => Ok(dir.serve_at(url, SystemTime::now())?),
        }
    }
}

/// What the data directory should make, and for which names.
fn data_dir_options(settings: &Settings) -> Result<Options, CliError> {
    let serving = match &settings.serving {
        None => Serving::Own,
        Some((cert, _)) => {
            let pem = std::fs::read_to_string(cert).map_err(|source| {
                let cause = anyhow::Error::new(source)
                    .context(format!("failed to read {}", cert.display()));
                CliError::new(Kind::Config, cause).hint("check `--tls-cert-file`")
            })?;
            Serving::Given { ca_pem: pem }
        }
    };
    let clients = if settings.client_ca.is_none() { Clients::Own } else { Clients::Given };
    let mut tls_sans = settings.tls_sans.clone();
    let address = settings.listen.ip();
    if !address.is_unspecified() && !address.is_loopback() {
        tls_sans.push(San::Ip(address)); // the URL that we tell has this address
    }
    Ok(Options { tls_sans, serving, clients, lifetimes: Lifetimes::default() })
}

async fn bind(settings: &Settings, files: &Files, metrics: &Metrics) -> Result<Bound, CliError> {
    let config = conn::Config {
        listen: settings.listen,
        tls: files.tls.clone(),
        limits: Limits::default(),
        metrics: metrics.connections.clone(),
    };
    Ok(config.bind().await?)
}

/// Under which URL a client on this machine reaches `address`.
fn url_of(address: SocketAddr) -> String {
    let (ip, port) = (address.ip(), address.port());
    if ip.is_unspecified() || ip.is_loopback() {
        format!("https://localhost:{port}")
    } else {
        format!("https://{}", SocketAddr::new(ip, port))
    }
}

/// Tells the user where the server is and how to reach it; a log for machines instead
/// has an entry that says the same.
fn announce(settings: &Settings, url: &str, kubeconfig: Option<&Path>) {
    let kubeconfig = kubeconfig.map(|path| path.display().to_string());
    let is_talk = settings.log.format == LogFormat::Text && settings.flavor == Flavor::Kcpctl;
    if !is_talk {
        tracing::info!(url, kubeconfig, "serving");
        return;
    }
    let mut lines = vec![format!("serving on   {url}")];
    if let Some(kubeconfig) = kubeconfig {
        lines.push(format!("kubeconfig   {kubeconfig}"));
        lines.push(format!("try          kcpctl cache list --kubeconfig {kubeconfig}"));
    }
    lines.push("end with Ctrl-C".to_owned());
    term::say(&lines.join("\n"));
}

fn farewell(ended: Ended, shutdown: &Shutdown) -> Result<(), CliError> {
    match ended {
        Ended::Dropped { .. } if shutdown.phase() == Phase::Aborting => Err(aborted()),
        Ended::Dropped { connections } => {
            tracing::warn!(connections, "ended; some clients did not finish in time");
            Ok(())
        }
        Ended::Drained => {
            tracing::info!("ended; every request was answered");
            Ok(())
        }
    }
}

fn aborted() -> CliError {
    CliError::new(Kind::Aborted, anyhow!("aborted by a second signal"))
}

impl From<BindError> for CliError {
    fn from(error: BindError) -> Self {
        let hint = match &error {
            BindError::Tls(_) => {
                "check `--tls-cert-file`, `--tls-private-key-file` and \
                                  `--client-ca-file`, or leave them out to have them made"
            }
            BindError::Listen { source, .. } => match source.kind() {
                io::ErrorKind::AddrInUse => {
                    "another process has the port: stop it, or take another with \
                     `--secure-port` (0 takes a free one)"
                }
                io::ErrorKind::PermissionDenied => {
                    "ports below 1024 are for root: take another with `--secure-port`"
                }
                io::ErrorKind::AddrNotAvailable => {
                    "this machine has no such address: see `ip address`"
                }
                _ => "take another address with `--bind-address`",
            },
        };
        Self::new(Kind::Config, error).hint(hint)
    }
}

impl From<store::Error> for CliError {
    fn from(error: store::Error) -> Self {
        let hint = error.hint();
        let error = Self::new(Kind::Config, error);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_one_that_this_machine_can_use() {
        for (address, url) in [
            ("127.0.0.1:6443", "https://localhost:6443"),
            ("0.0.0.0:1", "https://localhost:1"),
            ("[::]:1", "https://localhost:1"),
            ("192.0.2.1:1", "https://192.0.2.1:1"),
            ("[2001:db8::1]:1", "https://[2001:db8::1]:1"),
        ] {
            assert_eq!(url_of(address.parse().unwrap()), url);
        }
    }
}
