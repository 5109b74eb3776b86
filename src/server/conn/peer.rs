//! The other end of a connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use rustls::pki_types::{CertificateDer, UnixTime};

use super::client_cert::{Verdict, life_of};
use super::limits::{LEAVE_BEFORE_MAX, LEAVE_BEFORE_PART, VERDICT_MAX_AGE};
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

    /// Waits until the client should come back with a newer certificate, for ever if it has
    /// shown none that will end.
    ///
    /// Clients read the files of their certificate when they connect. One that stays connected
    /// would show the old one until that is worth nothing.
    pub(super) async fn leaves(&self) {
        let now = UnixTime::now().as_secs();
        let life = self.0.shown.first().and_then(|leaf| life_of(leaf));
        match life.and_then(|life| departure(life, now)) {
            Some(at) => tokio::time::sleep(Duration::from_secs(at - now)).await,
            None => std::future::pending().await,
        }
    }
}

/// When a client that connects `now` should leave, by the life of its certificate: before that
/// is over; if it comes so late, when it is over. All in seconds since 1970.
fn departure((begin, end): (u64, u64), now: u64) -> Option<u64> {
    let before = (end.saturating_sub(begin) / LEAVE_BEFORE_PART).min(LEAVE_BEFORE_MAX.as_secs());
    [end - before, end].into_iter().find(|at| *at > now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_leaves_before_its_certificate_is_over() {
        for (life, now, at) in [
            ((1000, 1120), 1000, Some(1108)),
            ((1000, 1120), 1108, Some(1120)),
            ((1000, 1120), 1120, None),
            ((1000, 101_000), 1000, Some(100_940)),
            // One that is not yet, and one that never was.
            ((1000, 1120), 0, Some(1108)),
            ((1000, 500), 0, Some(500)),
            ((0, 0), 0, None),
        ] {
            assert_eq!(departure(life, now), at, "{life:?} at {now}");
        }
    }
}
