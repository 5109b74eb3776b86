//! Kubeconfigs: endpoint and credentials in, a document out.
//!
//! ```text
//! endpoint + credentials ──document──► YAML ──► a file, a Secret, or merged into another kubeconfig
//! ```
//!
//! * `document` is the shape of a kubeconfig, written in a stable order.
//!
//! # What is absent on purpose
//!
//! Everything here is pure: no file is opened, no server asked, no time read.

mod document;

pub use document::{Cluster, Context, Credential, Kubeconfig, KubeconfigError, User};
