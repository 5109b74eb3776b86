//! The loop: the world of a cluster is made to match the operator's objects in it.
//!
//! ```text
//! API server ──watch──► World ──► queue ──look──► resolve, render ──► plan ──► apply, collect
//!      ▲                every object that counts   (pure)            (pure)        │
//!      └────────────────────────── status, events ◄── status (pure) ◄──────────────┘
//! ```
//!
//! A source is one of the operator's six kinds. Whatever changes in its namespace and may
//! concern it puts it into the queue, and one *look* compares everything that it asks for with
//! everything that is there. A look knows nothing of what the event was: it can be dropped at
//! any point, and another one ends where it would have.
//!
//! * Pure: `plan` (what to apply, what to collect), `status` (conditions and phases),
//!   `cache_move` (no server goes to an empty cache by accident), `access` (roles inside of
//!   kcp), `kcp_target` (where in kcp something is), `adopt` (taking over from kcp-operator),
//!   `revision` (whether what is mounted has changed), `queue` (what is next), `lease::Seen` (who leads).
//! * Knowledge: `kinds` are the watched types, `live` the objects and all of them together,
//!   `source` the operator's own.
//! * Doing: `watch` and `run` drive, `look` is one look, `cluster` and `kcp` send requests,
//!   `operator` finds the original, `issuer` is the built-in issuer, `events`, `metrics` and `listen` tell.
//!
//! # What is absent on purpose
//!
//! No Compiled objects. No memory that a restart would need: what was applied is remembered only
//! so that it is not applied twice.

mod access;
mod adopt;
mod cache_move;
mod cluster;
mod events;
pub mod issuer;
mod kcp;
mod kcp_target;
mod kinds;
mod lease;
mod listen;
mod live;
mod look;
mod metrics;
mod operator;
mod plan;
mod queue;
mod revision;
mod run;
mod source;
mod status;
mod watch;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

pub use adopt::Sign;
pub use lease::{Contender, NAME as LEASE, identity};
pub use look::{Did, End};
pub use run::{Looked, always, once, run, run_while};
pub use source::SourceKey;

use cluster::Failure;
use kinds::Watched;

/// What the loop is told to do.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct Settings {
    /// The namespace to look after; all of them if there is none.
    pub namespace: Option<String>,
    /// Whether nothing is changed, only told.
    pub dry_run: bool,
    /// Whether what kcp-operator made is taken over.
    pub adopt: bool,
    /// Whether to begin beside kcp-operator.
    pub force: bool,
    /// The lease to hold, if any.
    pub lease: Option<LeaseSettings>,
    /// Where to serve health and metrics, if anywhere.
    pub listen: Option<SocketAddr>,
    /// Whether Certificates are signed here, by the built-in issuer.
    pub issue_certificates: bool,
    /// Whether nothing runs pods, so that no Deployment is ever available.
    pub without_pods: bool,
    /// How often everything is looked at though nothing has changed; every ten minutes if nobody
    /// says.
    pub resync: Option<Duration>,
    /// How servers of kcp are reached: a URL with `{service}`, `{namespace}` and `{domain}`.
    pub kcp_url: Option<String>,
}

/// Which lease to hold, and as whom.
#[derive(Clone, Debug)]
pub struct LeaseSettings {
    /// Its namespace.
    pub namespace: String,
    /// Who we are; unique among all who contend.
    pub identity: String,
}

/// The loop cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The original runs.
    #[error("kcp-operator runs in this cluster: {0}")]
    Operator(Sign),
    /// cert-manager runs, and would sign the same certificates.
    #[error("cert-manager runs in this cluster: {0}")]
    CertManager(Sign),
    /// Nobody can say whether it does.
    #[error("failed to find out whether kcp-operator or cert-manager runs in this cluster: {0}")]
    Unasked(String),
    /// The cluster does not know one of the operator's kinds.
    #[error("the cluster has no definition of the kind {kind}")]
    NoDefinition {
        /// The kind.
        kind: &'static str,
    },
    /// We may not see the objects.
    #[error("failed to list {kind} objects: {message}")]
    Forbidden {
        /// The kind.
        kind: &'static str,
        /// In the server's words.
        message: String,
    },
    /// The cluster cannot be asked.
    #[error("failed to list {kind} objects: {message}")]
    Unreachable {
        /// The kind.
        kind: &'static str,
        /// Why.
        message: String,
    },
    /// Nobody can be told how the loop does.
    #[error("failed to listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl ReconcileError {
    fn of_list(watched: Watched, failure: &Failure) -> Self {
        let kind = watched.kind();
        match failure.code() {
            Some(404) => Self::NoDefinition { kind },
            Some(401 | 403) => Self::Forbidden { kind, message: failure.to_string() },
            _ => Self::Unreachable { kind, message: failure.to_string() },
        }
    }

    /// What to do about it.
    pub fn hints(&self) -> Vec<String> {
        let hints: &[&str] = match self {
            Self::Operator(_) => &[
                "scale it to zero first, and wait until its lease has ended",
                "then take over what it made with `--adopt`",
                "`--force` begins beside it: each would undo what the other does",
            ],
            Self::CertManager(_) => &[
                "leave `--issue-certificates` out: cert-manager signs what the loop asks for",
                "or scale cert-manager to zero first, and wait until its lease has ended",
            ],
            Self::Unasked(_) | Self::Unreachable { .. } => {
                &["check the cluster with `kubectl version`, and try again"]
            }
            Self::NoDefinition { .. } => {
                &["install them: `kcpctl crds | kubectl apply --server-side -f -`"]
            }
            Self::Forbidden { .. } => {
                &["give kcpctl a role that may list and watch it, or name one namespace with `-n`"]
            }
            Self::Listen { .. } => &["choose another address with `--listen`"],
        };
        hints.iter().map(|&it| it.to_owned()).collect()
    }
}
