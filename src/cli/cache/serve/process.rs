//! The life of the process: up in an order in which failing leaves nothing half done,
//! then down again.
//!
//! The store's lock comes first, so that a second process on the same directory
//! changes nothing there. The port is taken before the store is read, so that clients
//! of a large store wait instead of being refused.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;

use super::data_dir::DataDir;
use super::files::Files;
use super::memory::{self, Budget};
use super::settings::{Ignored, Limits, Settings};
use super::talk::Talk;
use super::upkeep::Upkeep;
use super::wiring::{Server, open_store};
use crate::cli::logging;
use crate::error::{CliError, Kind};
use crate::server::conn::{self, BindError, Bound, Ended};
use crate::server::metrics::Metrics;
use crate::shutdown::{self, Phase, Shutdown};
use crate::store;

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
    for Ignored { flag, why } in &settings.ignored {
        tracing::info!(flag, why, "a flag of the original has no effect here");
    }
    let absent = settings.tls_rules.absent();
    if !absent.is_empty() {
        let suites = absent.join(" ");
        tracing::warn!(suites, "this server's TLS does not have these cipher suites");
    }
    let Limits { memory, history_bytes, .. } = settings.limits;
    let budget = Budget::new(memory, history_bytes, memory::container(Path::new("/")))?;
    tracing::debug!(memory = budget.memory, history = budget.history, "limits in bytes");

    check_port(settings.listen)?;
    if let Some(dir) = &settings.data_dir {
        DataDir::prepare(dir)?;
    }
    let store = Arc::new(open_store(&settings.store).await?);
    let files = Files::open(&settings)?;
    let metrics = Arc::new(Metrics::new());
    let bound = bind(&settings, &files, &metrics).await?;
    let url = url_of(bound.local_addr());
    let kubeconfig = files.serve_at(&url)?;
    let (upkeep, news) = Upkeep::start(&settings, files.dir.as_ref(), &shutdown)?;

    let server = tokio::select! {
        server = Server::open(&settings, budget, store, metrics, shutdown.clone()) => server?,
        () = shutdown.aborting() => return Err(aborted()),
    };
    let talk = Talk::of(&settings);
    talk.serving(&url, kubeconfig.as_deref());
    for news in news {
        talk.news(news);
    }
    let ended = bound.run(server.handler(), shutdown.clone()).await;
    server.close().await;
    upkeep.ended().await;
    farewell(ended, &shutdown)
}

/// Refuses a port that is taken before anything is made on the disk. It is given back
/// at once: the listener takes it when the certificates are known to be good.
fn check_port(listen: SocketAddr) -> Result<(), BindError> {
    let refused = |source| BindError::Listen { address: listen, source };
    std::net::TcpListener::bind(listen).map(drop).map_err(refused)
}

async fn bind(settings: &Settings, files: &Files, metrics: &Metrics) -> Result<Bound, CliError> {
    let config = conn::Config {
        listen: settings.listen,
        tls: files.tls.clone(),
        rules: settings.tls_rules.clone(),
        limits: conn::Limits {
            streams: settings.limits.streams,
            stall_timeout: settings.limits.stall_timeout,
            ..conn::Limits::default()
        },
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
        let kind = match &error {
            store::Error::Remote { .. } => Kind::Unreachable,
            store::Error::NoSpace | store::Error::TooLarge { .. } => Kind::Refused,
            _ => Kind::Config,
        };
        let error = Self::new(kind, error);
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
