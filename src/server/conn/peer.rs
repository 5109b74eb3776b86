//! The other end of a connection.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::pki_types::{CertificateDer, UnixTime};

use super::client_cert::Verdict;
use super::limits::VERDICT_MAX_AGE;
use super::tls::Credentials;
use crate::server::auth::Identity;

/// The other end of a connection. A clone costs one counter.
#[derive(Clone, Debug)]
pub struct Peer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    address: SocketAddr,
    /// What the client showed, the leaf first; empty for nothing.
    shown: Vec<CertificateDer<'static>>,
    credentials: Arc<Credentials>,
    judged: ArcSwapOption<Judged>,
}

/// A verdict, and what it rests on.
#[derive(Debug)]
struct Judged {
    identity: Identity,
    generation: u64,
    /// Seconds since 1970 after which it must be judged again.
    until: u64,
}

impl Peer {
    pub(super) fn new(
        address: SocketAddr,
        shown: Vec<CertificateDer<'static>>,
        credentials: Arc<Credentials>,
    ) -> Self {
        Self(Arc::new(Inner { address, shown, credentials, judged: ArcSwapOption::empty() }))
    }

    /// Where the connection comes from.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Who it is, by the client CA and the clock of this moment.
    ///
    /// A verdict is kept until the CA file changes, the certificate expires or a minute
    /// has passed, so most requests pay for a look at the clock.
    pub fn identity(&self) -> Identity {
        if self.0.shown.is_empty() {
            return Identity::anonymous();
        }
        let client_ca = self.0.credentials.client_ca();
        let now = UnixTime::now();
        if let Some(judged) = &*self.0.judged.load()
            && judged.generation == client_ca.generation()
            && now.as_secs() < judged.until
        {
            return judged.identity.clone();
        }
        let Verdict { identity, expires } = client_ca.judge(&self.0.shown, now);
        self.0.judged.store(Some(Arc::new(Judged {
            identity: identity.clone(),
            generation: client_ca.generation(),
            until: expires.min(now.as_secs() + VERDICT_MAX_AGE.as_secs()),
        })));
        identity
    }
}
