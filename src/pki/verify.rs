//! Whether a certificate is vouched for, by the rules of the library that serves TLS.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{PkiError, San};

/// Checks that one of `roots` vouches for the client certificate at the head of `chain`.
pub fn verify_client(
    chain: &[CertificateDer<'_>],
    roots: &[CertificateDer<'_>],
    now: SystemTime,
) -> Result<(), PkiError> {
    let (leaf, intermediates) = split(chain)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    WebPkiClientVerifier::builder_with_provider(store(roots)?, provider)
        .build()
        .map_err(|error| PkiError::Untrusted { reason: error.to_string() })?
        .verify_client_cert(leaf, intermediates, unix_time(now))
        .map_err(|error| untrusted(&error))?;
    Ok(())
}

/// Checks that one of `roots` vouches for the server certificate at the head of
/// `chain`, and that it is the one of `host`.
pub fn verify_server(
    chain: &[CertificateDer<'_>],
    roots: &[CertificateDer<'_>],
    host: &San,
    now: SystemTime,
) -> Result<(), PkiError> {
    let (leaf, intermediates) = split(chain)?;
    let name = match host {
        San::Ip(address) => ServerName::from(*address),
        San::Dns(name) => ServerName::try_from(name.as_str())
            .map_err(|_| PkiError::Untrusted { reason: format!("`{name}` is no host name") })?,
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    WebPkiServerVerifier::builder_with_provider(store(roots)?, provider)
        .build()
        .map_err(|error| PkiError::Untrusted { reason: error.to_string() })?
        .verify_server_cert(leaf, intermediates, &name, &[], unix_time(now))
        .map_err(|error| untrusted(&error))?;
    Ok(())
}

fn split<'a>(
    chain: &'a [CertificateDer<'a>],
) -> Result<(&'a CertificateDer<'a>, &'a [CertificateDer<'a>]), PkiError> {
    chain
        .split_first()
        .ok_or_else(|| PkiError::Untrusted { reason: "there is no certificate".to_owned() })
}

fn store(roots: &[CertificateDer<'_>]) -> Result<Arc<RootCertStore>, PkiError> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.clone().into_owned()).map_err(|error| untrusted(&error))?;
    }
    Ok(Arc::new(store))
}

fn untrusted(error: &rustls::Error) -> PkiError {
    use rustls::CertificateError as Why;
    let reason = match error {
        rustls::Error::InvalidCertificate(Why::UnknownIssuer) => {
            "no trusted CA has signed it".to_owned()
        }
        rustls::Error::InvalidCertificate(Why::Expired | Why::ExpiredContext { .. }) => {
            "it has expired".to_owned()
        }
        rustls::Error::InvalidCertificate(Why::NotValidYet | Why::NotValidYetContext { .. }) => {
            "it is not valid yet".to_owned()
        }
        other => other.to_string(),
    };
    PkiError::Untrusted { reason }
}

fn unix_time(time: SystemTime) -> UnixTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    UnixTime::since_unix_epoch(since)
}
