//! What a data directory should hold.

use std::time::Duration;

use crate::pki::San;

/// What a directory should hold.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Names and addresses of the server beyond `localhost` and the loopback addresses.
    pub tls_sans: Vec<San>,
    /// Where the serving certificate comes from.
    pub serving: Serving,
    /// Where the CA of clients comes from.
    pub clients: Clients,
    /// How long certificates live.
    pub lifetimes: Lifetimes,
}

/// Where the serving certificate comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Serving {
    /// It is made here.
    Own,
    /// Flags name its files; these certificates vouch for it.
    Given {
        /// What clients should trust, in PEM.
        ca_pem: String,
    },
}

/// Where the CA of clients comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Clients {
    /// It is made here, and an `admin.kubeconfig` with it.
    Own,
    /// A flag names its file. Nobody here can sign for it.
    Given,
}

/// How long certificates live.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetimes {
    /// A CA's life.
    pub ca: Duration,
    /// The life of a certificate that a CA signs.
    pub leaf: Duration,
}

impl Default for Lifetimes {
    /// Ten years and one year: the operator's.
    fn default() -> Self {
        let year = Duration::from_secs(365 * 24 * 3600);
        Self { ca: 10 * year, leaf: year }
    }
}

impl Options {
    /// Everything made here: `kcpctl cache serve`.
    pub(crate) fn own(tls_sans: Vec<San>) -> Self {
        Self {
            tls_sans,
            serving: Serving::Own,
            clients: Clients::Own,
            lifetimes: Lifetimes::default(),
        }
    }
}
