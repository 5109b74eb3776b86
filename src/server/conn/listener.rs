//! The port: taken once the credentials are known to be good, given up at the drain.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::connection::{self, Context, Handler};
use super::limits::{ACCEPT_BACKOFF_MAX, ACCEPT_BACKOFF_MIN, Limits};
use super::rules::TlsRules;
use super::tls::{Credentials, TlsError, TlsFiles};
use crate::shutdown::Shutdown;

/// Everything a listener needs to know before it takes its port.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The certificates.
    pub tls: TlsFiles,
    /// What a handshake may agree on.
    pub rules: TlsRules,
    /// What clients may cost.
    pub limits: Limits,
    /// What is counted.
    pub metrics: ConnectionMetrics,
}

/// What a listener counts. A clone counts the same.
#[derive(Clone, Debug, Default)]
pub struct ConnectionMetrics {
    /// Connections that are open.
    pub open: Gauge,
    /// Connections that were accepted.
    pub accepted: Counter,
    /// Connections that ended before TLS was agreed.
    pub handshakes_failed: Counter,
    /// Connections that were closed since the client did not read.
    pub stalled: Counter,
    /// Answers that were given up since the client did not read them, while it read others.
    pub abandoned: Counter,
}

/// A listener that has its port, and serves nobody yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    tls: Arc<ServerConfig>,
    credentials: Arc<Credentials>,
    limits: Limits,
    metrics: ConnectionMetrics,
}

/// How serving ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// Every request was answered.
    Drained,
    /// Some connections did not end in time, or were not waited for.
    Dropped {
        /// How many.
        connections: usize,
    },
}

/// Why a listener cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The certificates are of no use.
    #[error("cannot serve TLS")]
    Tls(#[source] TlsError),
    /// The port is taken, or not ours to take.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

impl Config {
    /// Reads the certificates, then takes the port.
    pub async fn bind(self) -> Result<Bound, BindError> {
        let Self { listen, tls, rules, limits, metrics } = self;
        let credentials = Credentials::load(tls).map_err(BindError::Tls)?;
        let tls = Arc::new(credentials.server_config(&rules).map_err(BindError::Tls)?);
        let refused = |source| BindError::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Bound { listener, address, tls, credentials, limits, metrics })
    }
}

impl Bound {
    /// Where it listens; the real port, if any was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The certificates, which are read again while it runs.
    pub fn credentials(&self) -> &Arc<Credentials> {
        &self.credentials
    }

    /// Serves until the drain, and then for as long as requests and `drain_grace` last.
    ///
    /// The second signal of `shutdown` drops what is left.
    pub async fn run<H: Handler>(self, handler: Arc<H>, shutdown: Shutdown) -> Ended {
        let Self { listener, address: _, tls, credentials, limits, metrics } = self;
        let follow = Arc::clone(&credentials).follow(limits.reload_interval, shutdown.clone());
        let acceptor = TlsAcceptor::from(tls);
        let context =
            Arc::new(Context { acceptor, credentials, limits, metrics, handler, shutdown });
        let mut connections = JoinSet::new();
        tokio::join!(follow, accept_all(listener, &context, &mut connections));
        drain(connections, &context).await
    }
}

/// Accepts until the drain; the port is free when it returns.
async fn accept_all<H: Handler>(
    listener: TcpListener,
    context: &Arc<Context<H>>,
    connections: &mut JoinSet<()>,
) {
    let mut backoff = ACCEPT_BACKOFF_MIN;
    let mut full = false;
    let mut draining = pin!(context.shutdown.draining());
    loop {
        let has_room = connections.len() < context.limits.connections;
        if !has_room && !full {
            let connections = connections.len();
            tracing::warn!(connections, "no room for another connection: new ones wait");
        }
        full = !has_room;
        tokio::select! {
            biased;
            () = &mut draining => return,
            Some(ended) = connections.join_next() => forget(ended, context),
            accepted = listener.accept(), if has_room => match accepted {
                Ok((socket, address)) => {
                    backoff = ACCEPT_BACKOFF_MIN;
                    begin(socket, address, context, connections);
                }
                Err(error) => backoff = rest(&error, backoff).await,
            },
        }
    }
}

fn begin<H: Handler>(
    socket: TcpStream,
    address: SocketAddr,
    context: &Arc<Context<H>>,
    connections: &mut JoinSet<()>,
) {
    context.metrics.accepted.inc();
    context.metrics.open.inc();
    connections.spawn(connection::serve(socket, address, Arc::clone(context)));
}

fn forget<H>(ended: Result<(), JoinError>, context: &Context<H>) {
    context.metrics.open.dec();
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection made the server panic; this is a bug");
    }
}

/// Waits after a failed accept; longer each time. Answers with the next wait.
async fn rest(error: &io::Error, backoff: Duration) -> Duration {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        return ACCEPT_BACKOFF_MIN; // That one client went away; the next may be there.
    }
    tracing::warn!(%error, wait = ?backoff, "failed to accept a connection");
    tokio::time::sleep(backoff).await;
    (backoff * 2).min(ACCEPT_BACKOFF_MAX)
}

/// Waits for what is open, within bounds.
async fn drain<H>(mut connections: JoinSet<()>, context: &Context<H>) -> Ended {
    let all_ended = async {
        while let Some(ended) = connections.join_next().await {
            forget(ended, context);
        }
    };
    tokio::select! {
        biased;
        () = all_ended => return Ended::Drained,
        () = tokio::time::sleep(context.limits.drain_grace) => {}
        () = context.shutdown.aborting() => {}
    }
    let left = connections.len();
    connections.shutdown().await;
    context.metrics.open.set(0);
    Ended::Dropped { connections: left }
}
