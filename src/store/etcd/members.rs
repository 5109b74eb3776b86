//! The members of etcd: their addresses, the connections to them, and which one is used.
//!
//! Requests go to one member for as long as it answers, then to the next. Each member has
//! two connections: a watch that lags on a shared one would stall the writes.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use etcd_client::{
    Certificate, Client, ConnectOptions, Identity, KvClient, MaintenanceClient, TlsOptions,
    WatchClient,
};
use jiff::Timestamp;

use super::failure::{Failure, Kind};
use crate::store::Error;

/// The largest message that is read, in bytes: a page of long objects, or what a watch
/// that was away brings at once. The client's own limit of 4 MiB is below both.
const MESSAGE_BYTES_MAX: usize = 512 << 20;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a connection on which nothing comes is looked after, and how long that may
/// take. Members close connections that are looked after every 5 seconds or more often.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));

/// How long one member may take to answer a question before another is asked.
const ATTEMPT: Duration = Duration::from_secs(3);

/// How long a page may take.
const PAGE_ATTEMPT: Duration = Duration::from_secs(30);

/// How to reach an etcd, and what to do there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EtcdOptions {
    /// The URLs of its members.
    pub servers: Vec<String>,
    /// What the keys of this cache begin with, without a slash at the end.
    pub prefix: String,
    /// What proves who is who.
    pub tls: EtcdTls,
    /// How often it is made to forget; zero is never.
    pub compaction_interval: Duration,
    /// How long it may take to say that it is well.
    pub health_timeout: Duration,
}

/// The files that prove who is who, each read again when it changes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EtcdTls {
    /// CAs of the members; none takes those of the system.
    pub ca: Option<PathBuf>,
    /// The certificate and the key that are shown to them.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// What those files hold.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Credentials {
    ca: Option<Vec<u8>>,
    client: Option<(Vec<u8>, Vec<u8>)>,
}

/// All members, and the one that is used now.
pub(super) struct Members {
    options: EtcdOptions,
    connected: ArcSwap<Connected>,
    current: AtomicUsize,
}

struct Connected {
    credentials: Credentials,
    /// When the client's certificate expires.
    expires: Option<Timestamp>,
    members: Vec<Arc<Member>>,
}

/// One member.
pub(super) struct Member {
    pub(super) url: String,
    requests: Client,
    watches: Client,
}

impl Member {
    pub(super) fn kv(&self) -> KvClient {
        self.requests
            .kv_client()
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(super) fn maintenance(&self) -> MaintenanceClient {
        self.requests.maintenance_client()
    }

    pub(super) fn watch(&self) -> WatchClient {
        self.watches.watch_client().max_decoding_message_size(MESSAGE_BYTES_MAX)
    }
}

impl Members {
    /// Reads the files; connects to nobody yet.
    pub(super) async fn new(options: EtcdOptions) -> Result<Self, Error> {
        let credentials = Credentials::read(&options.tls)?;
        let connected = Connected::new(&options.servers, credentials).await?;
        let (connected, current) = (ArcSwap::from_pointee(connected), AtomicUsize::new(0));
        Ok(Self { options, connected, current })
    }

    pub(super) fn options(&self) -> &EtcdOptions {
        &self.options
    }

    pub(super) fn count(&self) -> usize {
        self.options.servers.len()
    }

    /// The member that is used now, and its number.
    pub(super) fn current(&self) -> (usize, Arc<Member>) {
        let number = self.current.load(Ordering::Relaxed) % self.count();
        (number, self.member(number))
    }

    /// A member by its number, counted round and round.
    pub(super) fn member(&self, number: usize) -> Arc<Member> {
        Arc::clone(&self.connected.load().members[number % self.count()])
    }

    /// Says so if the certificate that is shown to members has expired: a member that
    /// refuses it closes the connection, and nothing that comes back need tell why.
    pub(super) fn expired(&self) -> Option<String> {
        let at = self.connected.load().expires.filter(|at| *at < Timestamp::now())?;
        Some(format!("the certificate of --etcd-certfile has expired, at {at}"))
    }

    /// Goes on to the next member, unless somebody else has.
    pub(super) fn leave(&self, number: usize) {
        let next = (number + 1) % self.count();
        let _ = self.current.compare_exchange(number, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Asks one member after the other until one answers; what is asked changes nothing.
    pub(super) async fn ask<T, F>(
        &self,
        ask: impl Fn(Arc<Member>) -> F + Send,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, etcd_client::Error>> + Send,
    {
        self.ask_for(ATTEMPT, ask).await
    }

    /// The same for a page of objects, which may take longer.
    pub(super) async fn ask_for_page<T, F>(
        &self,
        ask: impl Fn(Arc<Member>) -> F + Send,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, etcd_client::Error>> + Send,
    {
        self.ask_for(PAGE_ATTEMPT, ask).await
    }

    async fn ask_for<T, F>(
        &self,
        patience: Duration,
        ask: impl Fn(Arc<Member>) -> F + Send,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, etcd_client::Error>> + Send,
    {
        // One alone is asked again too: its leader may just have changed.
        let mut left = self.count().max(2);
        loop {
            let (number, member) = self.current();
            let failure = match tokio::time::timeout(patience, ask(member)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => Failure::from(error),
                Err(_) => Failure::late(patience.as_secs_f32()),
            };
            left -= 1;
            if left == 0 || !matches!(failure.kind, Kind::NotSent | Kind::Unknown) {
                return Err(failure);
            }
            self.leave(number);
        }
    }

    /// Connects anew if the files have changed. Files that cannot be used change nothing.
    pub(super) async fn reread(&self) {
        if self.options.tls == EtcdTls::default() {
            return;
        }
        let tls = self.options.tls.clone();
        let read = tokio::task::spawn_blocking(move || Credentials::read(&tls)).await;
        let Ok(read) = read else { return };
        match read {
            Ok(credentials) if credentials == self.connected.load().credentials => {}
            Ok(credentials) => match Connected::new(&self.options.servers, credentials).await {
                Ok(connected) => {
                    self.connected.store(Arc::new(connected));
                    tracing::info!("etcd's certificates have changed, and are used from now on");
                }
                Err(error) => {
                    tracing::warn!(error = error.chain(), "keeping the old certificates for etcd");
                }
            },
            Err(error) => {
                tracing::warn!(error = error.chain(), "keeping the old certificates for etcd");
            }
        }
    }
}

impl Connected {
    async fn new(servers: &[String], credentials: Credentials) -> Result<Self, Error> {
        let mut members = Vec::with_capacity(servers.len());
        for url in servers {
            let connect = |options: ConnectOptions| async {
                Client::connect([url], Some(options)).await.map_err(|error| {
                    let reason = Failure::from(error).reason;
                    Error::Credentials {
                        flag: "--etcd-servers",
                        reason: format!("{url}: {reason}"),
                    }
                })
            };
            let mut options = ConnectOptions::new()
                .with_connect_timeout(CONNECT_TIMEOUT)
                .with_keep_alive(KEEP_ALIVE.0, KEEP_ALIVE.1)
                .with_require_leader(true);
            if url.starts_with("https://") {
                options = options.with_tls(credentials.options());
            }
            let (requests, watches) = (connect(options.clone()).await?, connect(options).await?);
            members.push(Arc::new(Member { url: url.clone(), requests, watches }));
        }
        let expires = credentials.client.as_ref().and_then(|(cert, _)| expiry(cert));
        Ok(Self { credentials, expires, members })
    }
}

impl Credentials {
    fn read(tls: &EtcdTls) -> Result<Self, Error> {
        let read =
            |path: &Path| std::fs::read(path).map_err(|error| Error::at(path, "read", error));
        let ca = tls.ca.as_deref().map(read).transpose()?;
        if let Some(ca) = &ca {
            check("--etcd-cafile", ca, "CERTIFICATE")?;
        }
        let client = match &tls.client {
            None => None,
            Some((cert, key)) => {
                let (cert, key) = (read(cert)?, read(key)?);
                check("--etcd-certfile", &cert, "CERTIFICATE")?;
                check("--etcd-keyfile", &key, "PRIVATE KEY")?;
                Some((cert, key))
            }
        };
        Ok(Self { ca, client })
    }

    fn options(&self) -> TlsOptions {
        let mut options = TlsOptions::new();
        options = match &self.ca {
            Some(ca) => options.ca_certificate(Certificate::from_pem(ca)),
            None => options.with_native_roots(),
        };
        match &self.client {
            Some((cert, key)) => options.identity(Identity::from_pem(cert, key)),
            None => options,
        }
    }
}

/// When a certificate expires, if that can be read.
fn expiry(pem: &[u8]) -> Option<Timestamp> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem).ok()?;
    let cert = pem.parse_x509().ok()?;
    Timestamp::from_second(cert.validity().not_after.timestamp()).ok()
}

/// Refuses a file that holds nothing of the sort: a connection would say less clearly why
/// it failed.
fn check(flag: &'static str, pem: &[u8], label: &str) -> Result<(), Error> {
    let text = String::from_utf8_lossy(pem);
    let begins = |line: &str| {
        line.strip_prefix("-----BEGIN ")
            .is_some_and(|rest| rest.ends_with(&format!("{label}-----")))
    };
    if text.lines().any(|line| begins(line.trim())) {
        return Ok(());
    }
    Err(Error::Credentials { flag, reason: format!("the file holds no PEM block `{label}`") })
}
