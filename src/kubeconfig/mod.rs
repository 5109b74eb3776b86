//! Kubeconfigs: endpoint and credentials in, a document out.
//!
//! ```text
//! target + credentials ──► document ──► YAML ──► a file
//!                              ├──secret──► a v1 Secret
//!                              └──merge───► another kubeconfig
//! target + user ──manifest──► the operator's Kubeconfig object
//! ```
//!
//! * `target` is a server of an installation, and the entries that lead to it.
//! * `document` is the shape of a kubeconfig, written in a stable order.
//! * `merge` adds entries to a file that someone else owns.
//! * `secret` writes the Secret that carries a kubeconfig, and reads a CA from one.
//! * `manifest` asks the operator for access instead of making it.
//!
//! # What is absent on purpose
//!
//! Everything here is pure: no file is opened, no server asked, no time read.

mod document;
mod manifest;
mod merge;
mod secret;
mod target;

pub use document::{Cluster, Context, Credential, Kubeconfig, KubeconfigError, User};
pub use manifest::{Request, RequestError};
pub use merge::{MergeError, MergeOptions, Merged, merge};
pub use secret::{
    CaSecret, KUBECONFIG_KEY, SecretError, kubeconfig_of_secret, kubeconfig_secret, read_ca_secret,
};
pub use target::{Access, ServerUrl, Target, TargetError, TargetKind, Workspace, is_object_name};
