//! Client certificates: asked for in the handshake, judged after it.
//!
//! The handshake proves that the client holds the key of the certificate it shows,
//! and nothing else. Whether anyone vouches for that certificate is asked when a
//! request needs to know, against the CAs of that moment: a CA that is exchanged
//! counts for connections that are open, and a certificate that is foreign, expired or
//! malformed makes its owner anonymous instead of failing the handshake.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::tls::{TlsError, certificates, chain};
use crate::server::auth::Identity;

/// Lets every client pass the handshake who can prove to hold its key.
#[derive(Debug)]
pub(super) struct AnyClientCert {
    algorithms: WebPkiSupportedAlgorithms,
}

impl AnyClientCert {
    pub(super) fn new(algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self { algorithms }
    }
}

impl ClientCertVerifier for AnyClientCert {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// Empty: a client that only shows a certificate of a CA that we name would show
    /// none after the CA was exchanged.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if is_unreadable(cert) {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if is_unreadable(cert) {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Whether nothing can be proven with this certificate. Its owner passes the handshake
/// unproven, and is anonymous: [`ClientCa::judge`] asks the same first.
fn is_unreadable(cert: &CertificateDer<'_>) -> bool {
    ParsedCertificate::try_from(cert).is_err()
}

/// The CAs whose client certificates are believed.
#[derive(Debug)]
pub(super) struct ClientCa {
    /// None believes nobody.
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    generation: u64,
}

/// Who a client is, and how long that may be believed.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) identity: Identity,
    /// Seconds since 1970, of the leaf alone.
    pub(super) expires: u64,
}

impl ClientCa {
    /// Believes nobody.
    pub(super) fn nobody() -> Self {
        Self { verifier: None, generation: 0 }
    }

    /// The CAs in a PEM file.
    pub(super) fn parse(path: &Path, pem: &[u8], generation: u64) -> Result<Self, TlsError> {
        let mistrust = |source| TlsError::ClientCa { path: path.to_owned(), source };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(path, pem)? {
            roots.add(certificate).map_err(|error| mistrust(error.into()))?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| mistrust(error.into()))?;
        Ok(Self { verifier: Some(verifier), generation })
    }

    /// Which reading of the file this is.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Who showed `shown`, a leaf and what leads to its CA, `now` seconds after 1970.
    pub(super) fn judge(&self, shown: &[CertificateDer<'static>], now: UnixTime) -> Verdict {
        match self.believe(shown, now) {
            Ok(verdict) => verdict,
            Err(why) => {
                let subject = shown.first().map(|leaf| subject_of(leaf));
                tracing::info!(subject, why, "client certificate not accepted: anonymous");
                Verdict { identity: Identity::anonymous(), expires: u64::MAX }
            }
        }
    }

    fn believe(&self, shown: &[CertificateDer<'static>], now: UnixTime) -> Result<Verdict, String> {
        let (leaf, intermediates) = shown.split_first().ok_or("there is none")?;
        if is_unreadable(leaf) {
            return Err("it cannot be read".to_owned());
        }
        let verifier = self.verifier.as_ref().ok_or("no client CA is configured")?;
        verifier.verify_client_cert(leaf, intermediates, now).map_err(|error| chain(&error))?;
        let identity = Identity::of_certificate(leaf).ok_or("its subject names no user")?;
        let (_, expires) = life_of(leaf).ok_or("its life cannot be read")?;
        Ok(Verdict { identity, expires })
    }
}

/// From when to when a certificate is valid, in seconds since 1970.
pub(super) fn life_of(leaf: &[u8]) -> Option<(u64, u64)> {
    let (_, parsed) = X509Certificate::from_der(leaf).ok()?;
    let [begin, end] = [parsed.validity().not_before, parsed.validity().not_after]
        .map(|it| u64::try_from(it.timestamp()).unwrap_or(0));
    Some((begin, end))
}

fn subject_of(leaf: &[u8]) -> String {
    X509Certificate::from_der(leaf)
        .map_or_else(|_| "unreadable".to_owned(), |(_, leaf)| leaf.subject().to_string())
}
