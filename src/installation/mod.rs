//! PURE: a topology to operator objects, and what is wrong with them.
//!
//! ```text
//! kcp.yaml ──► Draft ──resolve──► Topology ──build──► Manifests ──► text with comments
//! flags ──────► Overrides ─┘          │                   │
//!                                     └──── findings ◄────┘  refused before anything is written
//! ```
//!
//! * `draft` is the topology file as its author wrote it, gaps and all; `topology`
//!   is the complete one, and `resolve` fills the gaps by profile.
//! * `build` makes the operator's objects, `extras` what stands beside them.
//! * `validate` judges objects, also hand-written ones; each [`Code`] is stable.
//! * `manifest` writes an object as YAML with comments that say what to edit.
//!
//! # What is absent on purpose
//!
//! No file, clock, network or terminal: the command writes what comes out of here.

mod build;
mod collide;
mod draft;
mod extras;
mod finding;
pub mod live;
mod manifest;
mod overrides;
mod resolve;
mod topology;
mod validate;

pub use crate::api::KcpVersion;
pub use build::build;
pub use draft::{
    CacheDraft, CacheMode, Draft, EtcdDraft, EtcdMode, ExternalDraft, FrontProxyDraft, ImageDraft,
    IssuerDraft, KubeconfigDraft, RootShardDraft, ShardDraft,
};
pub use finding::{At, Code, Finding, Severity, Subject};
pub use manifest::{Comment, Manifest, kustomization};
pub use overrides::{Named, Overrides, Shards};
pub use resolve::{ResolveError, resolve};
pub use topology::{
    API_VERSION, Cache, Etcd, External, FrontProxy, Image, Issuer, KIND, Kubeconfig, Profile,
    RootShard, Shard, TargetKind, TargetRef, Topology,
};
pub use validate::{check_topology, is_host, validate, validate_all};
