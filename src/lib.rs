//! kcpctl: the administrator's tool for kcp.
//!
//! One binary does four jobs: it describes an installation
//! (`kcpctl init installation`, `kcpctl render`), runs the cache that all
//! shards of an installation share (`kcpctl cache serve`), shows what a cache
//! holds (`kcpctl cache list`) and hands out access (`kcpctl kubeconfig create`).
//!
//! The modules below stand in the order in which they may use each other: a
//! module imports only from modules further down this list. What a lower module
//! needs from a higher one arrives as a value.

pub mod cli;
pub mod error;
pub mod term;

pub mod api;
pub mod client;
pub mod fsck;
pub mod installation;
pub mod kubeconfig;
pub mod pki;
pub mod render;

pub mod model;
pub mod server;
pub mod shutdown;
pub mod store;
pub mod view;
