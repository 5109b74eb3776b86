//! What every integration test needs: a clean place, a server, clients, certificates.
//!
//! ```text
//! TestEnv   a private HOME and TMPDIR; runs the executable and kubectl
//!    ├── Process  the executable in the background, killed with the test
//!    └── Server   the executable as a server on a free port, stopped with the test
//!           ├── Etcd     one that keeps its data, if it should not do so itself
//!           │     └── Proxy   a way to it that can be cut
//!           └── Client   HTTPS with a certificate; any bytes as path and body
//!                  ├── Answer   status, headers, body
//!                  └── Watch    one event after the other
//! ```
//!
//! # What is absent on purpose
//!
//! Nothing waits by sleeping: [`eventually`] looks for a condition until [`PATIENCE`]
//! is over. Nothing outlives its test: a server that is dropped is killed.

mod cert_manager;
mod certs;
mod client;
mod cluster;
mod env;
mod etcd;
mod installation;
mod kubectl;
mod objects;
mod process;
mod proxy;
mod server;
mod terminal;

use std::time::{Duration, Instant};

pub use cert_manager::{authority, certificate, issuer, self_signed};
pub use certs::{Credentials, new_authority, old_authority};
pub use client::{Answer, Client, Request, Watch};
pub use cluster::{Cluster, Demo, Effect, Fault, Requested};
pub use env::{CommandOutput, KCPCTL, TestEnv};
pub use etcd::Etcd;
pub use installation::{DEMO, TEMPLATES, config_map, installation, kubeconfig, shard};
pub use kubectl::Kubectl;
pub use objects::{
    APIEXPORTS, CLUSTERROLES, CRDS, Declaring, OBJECTS, PARTIAL, PARTIAL_LIST, ROLES, TABLE,
    annotated, api_export, at, cluster_role, declare, role, thing,
};
pub use process::Process;
pub use proxy::{Proxy, Traffic};
pub use server::Server;
pub use terminal::Terminal;

/// How long a condition may take to come true before a test fails. Never reached by a
/// test that passes, so it is generous: the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition is looked at.
const GLANCE: Duration = Duration::from_millis(10);

/// Waits until `look` finds something, and fails the test if it never does.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for {what}");
        std::thread::sleep(GLANCE);
    }
}
