//! The serving key pair and the client CA: read from files, and read again when they
//! change.
//!
//! A handshake takes the pair of its moment, a verdict on a client takes the CA of its
//! moment. A new file that is bad changes nothing: what was good stays in use and the
//! log says why. The two are independent: a bad CA does not keep a new pair out.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::client_cert::{AnyClientCert, ClientCa};
use super::rules::TlsRules;
use crate::shutdown::Shutdown;

/// Where the certificates of a server lie, all in PEM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsFiles {
    /// The serving certificate, followed by those that lead to its CA.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The CAs whose client certificates are believed; without, everyone is anonymous.
    pub client_ca: Option<PathBuf>,
}

/// What is in a server's certificate files is of no use.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file is not the PEM that it should be.
    #[error("no usable {what} in {}", path.display())]
    Pem {
        /// What was looked for.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: rustls::pki_types::pem::Error,
    },
    /// A file holds no certificate.
    #[error("no certificate in {}", path.display())]
    NoCertificate {
        /// Which file.
        path: PathBuf,
    },
    /// Certificate and key are no pair, or of a kind that TLS cannot use.
    #[error("{} and {} are not a pair that TLS can use", cert.display(), key.display())]
    Pair {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
    /// A CA file holds something that cannot be a CA.
    #[error("cannot trust the certificates in {}", path.display())]
    ClientCa {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The TLS library refuses its own settings.
    #[error("failed to set up TLS")]
    Setup(#[source] rustls::Error),
}

/// What the files of a server held when they were last good.
#[derive(Debug)]
pub struct Credentials {
    files: TlsFiles,
    pair: ArcSwap<Pair>,
    client_ca: ArcSwap<ClientCa>,
    client_ca_bytes: ArcSwap<Vec<u8>>,
}

/// A certificate with its key, and the bytes that they were made of.
struct Pair {
    certified: Arc<CertifiedKey>,
    bytes: [Vec<u8>; 2],
}

impl Credentials {
    /// Reads the files of a server.
    pub fn load(files: TlsFiles) -> Result<Arc<Self>, TlsError> {
        let pair = Pair::parse(&files, [read(&files.cert)?, read(&files.key)?])?;
        let (client_ca, bytes) = match &files.client_ca {
            None => (ClientCa::nobody(), Vec::new()),
            Some(path) => {
                let bytes = read(path)?;
                (ClientCa::parse(path, &bytes, 1)?, bytes)
            }
        };
        Ok(Arc::new(Self {
            files,
            pair: ArcSwap::from_pointee(pair),
            client_ca: ArcSwap::from_pointee(client_ca),
            client_ca_bytes: ArcSwap::from_pointee(bytes),
        }))
    }

    /// The rules of every handshake.
    pub(super) fn server_config(
        self: &Arc<Self>,
        rules: &TlsRules,
    ) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(rules.provider());
        let algorithms = provider.signature_verification_algorithms;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(rules.versions())
            .map_err(TlsError::Setup)?
            .with_client_cert_verifier(Arc::new(AnyClientCert::new(algorithms)))
            .with_cert_resolver(Arc::clone(self) as _);
        config.alpn_protocols = rules.protocols();
        // A session that is resumed shows the certificate of its first handshake: a client that
        // comes back with a newer one would be judged by the old one.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    /// The CAs of this moment.
    pub(super) fn client_ca(&self) -> arc_swap::Guard<Arc<ClientCa>> {
        self.client_ca.load()
    }

    /// Reads the files again and uses what is new and good; whether there was any.
    ///
    /// Errors are those of the pair and of the client CA, each on its own.
    pub fn reload(&self) -> [Result<bool, TlsError>; 2] {
        [self.reload_pair(), self.reload_client_ca()]
    }

    fn reload_pair(&self) -> Result<bool, TlsError> {
        let bytes = [read(&self.files.cert)?, read(&self.files.key)?];
        let changed = bytes != self.pair.load().bytes;
        if changed {
            self.pair.store(Arc::new(Pair::parse(&self.files, bytes)?));
        }
        Ok(changed)
    }

    fn reload_client_ca(&self) -> Result<bool, TlsError> {
        let Some(path) = &self.files.client_ca else { return Ok(false) };
        let bytes = read(path)?;
        if bytes == **self.client_ca_bytes.load() {
            return Ok(false);
        }
        let generation = self.client_ca.load().generation() + 1;
        self.client_ca.store(Arc::new(ClientCa::parse(path, &bytes, generation)?));
        self.client_ca_bytes.store(Arc::new(bytes));
        Ok(true)
    }

    /// Keeps reading the files again until the process ends.
    ///
    /// The bytes are compared, not times: files in a mounted Secret are swapped by a
    /// link, and a clock may stand still between two writes.
    pub async fn follow(self: Arc<Self>, interval: std::time::Duration, shutdown: Shutdown) {
        let mut said = [None, None];
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.draining() => return,
                _ = ticks.tick() => {}
            }
            let this = Arc::clone(&self);
            let Ok(results) = tokio::task::spawn_blocking(move || this.reload()).await else {
                return;
            };
            let whats = ["serving certificate", "client CA"];
            for ((result, what), said) in results.into_iter().zip(whats).zip(&mut said) {
                report(&result, what, said);
            }
        }
    }
}

/// Says what a reload did, and of a failure that lasts only once.
fn report(result: &Result<bool, TlsError>, what: &str, said: &mut Option<String>) {
    match result {
        Ok(changed) => {
            if *changed || said.is_some() {
                tracing::info!("{what}: the files are in use as they are now");
            }
            *said = None;
        }
        Err(error) => {
            let why = chain(error);
            if said.as_ref() != Some(&why) {
                tracing::warn!(error = why, "{what}: the new files are of no use, the old stay");
                *said = Some(why);
            }
        }
    }
}

/// An error and what caused it, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}

impl ResolvesServerCert for Credentials {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.pair.load().certified))
    }
}

impl Pair {
    fn parse(files: &TlsFiles, bytes: [Vec<u8>; 2]) -> Result<Self, TlsError> {
        let TlsFiles { cert, key, client_ca: _ } = files;
        let chain = certificates(cert, &bytes[0])?;
        let private = PrivateKeyDer::from_pem_slice(&bytes[1]).map_err(|source| TlsError::Pem {
            what: "private key",
            path: key.clone(),
            source,
        })?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let certified = CertifiedKey::from_der(chain, private, &provider)
            .map_err(|source| TlsError::Pair { cert: cert.clone(), key: key.clone(), source })?;
        Ok(Self { certified: Arc::new(certified), bytes })
    }
}

/// Says nothing: the bytes hold a private key.
impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pair")
    }
}

/// The certificates of a PEM file, at least one.
pub(super) fn certificates(
    path: &Path,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|source| TlsError::Pem { what: "certificate", path: path.to_owned(), source })?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate { path: path.to_owned() });
    }
    Ok(certificates)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}
