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
//! * One file for each kind of object: `cache_server`, `root_shard` and `shard` (with
//!   `shard_server`, which runs both), `front_proxy`, `virtual_workspace`, `kubeconfig`.
//! * What they share, by what comes out: `certificates`, `bundle` and `kubeconfigs` make PKI and
//!   Secrets, `pod` and `service` what runs, `flags` the arguments of servers, `mounts` what a
//!   Deployment waits for.
//! * What they share, by what goes in: `image` (and what its version can do), `names`, `owner`,
//!   `template` (how users change what is made), `production` (what that profile adds).
//!
//! # What is absent on purpose
//!
//! No cluster, clock or file. No Compiled objects, and no defaults of the API server beyond
//! those that the operator writes itself.

mod bundle;
mod cache_server;
mod certificates;
mod flags;
mod front_proxy;
mod image;
mod kubeconfig;
mod kubeconfigs;
mod mounts;
mod names;
mod observed;
mod owner;
mod pod;
mod production;
mod rendered;
mod resolve;
mod root_shard;
mod service;
mod shard;
mod shard_server;
mod template;
mod virtual_workspace;

#[cfg(test)]
mod tests;

pub use kubeconfig::Entrance;
pub use mounts::{Mount, Mounts, mounts};
pub use observed::Observed;
pub use rendered::{Absence, Item, Rendered, Stage, Waiting};
pub use resolve::{Cache, KubeconfigServer, Objects, Resolved, Source, Unresolved};

/// Makes everything that belongs to one object.
pub fn render(resolved: &Resolved, observed: &Observed) -> Rendered {
    match resolved {
        Resolved::CacheServer { server } => cache_server::render(server, observed),
        Resolved::RootShard { root, shards, cache, virtual_workspace } => {
            let server = virtual_workspace.as_deref();
            root_shard::render(root, shards, cache.as_ref(), server, observed)
        }
        Resolved::Shard { shard, root, shards, cache, virtual_workspace } => {
            let server = virtual_workspace.as_deref();
            shard::render(shard, root, shards, cache.as_ref(), server, observed)
        }
        Resolved::FrontProxy { proxy, root, shards } => {
            front_proxy::render(proxy, root, shards, observed)
        }
        Resolved::VirtualWorkspace { server, root, shard, cache } => {
            virtual_workspace::render(server, root, shard.as_deref(), cache.as_ref(), observed)
        }
        Resolved::Kubeconfig { kubeconfig, root, server } => {
            kubeconfig::render(kubeconfig, root, server, observed)
        }
    }
}
