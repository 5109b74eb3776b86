//! `CustomResourceDefinition` objects: what a cache lists for each type it serves.
//!
//! Clients see them in `apiextensions.k8s.io/v1`; a store keeps them in `v1beta1`,
//! as other kcp cache servers on the same etcd do.
//!
//! * `object` makes the definition of a type.
//! * `stored` turns `v1` into what is stored, and what is stored into `v1`.
//! * `update` tells whether a stored one must be replaced, and by what.
//!
//! # What is absent on purpose
//!
//! Validation: nobody writes definitions through this server, so whatever a store
//! holds was made by a server that checked it.

mod object;
mod stored;
mod update;

pub use object::{Birth, definition};
pub use stored::{DefinitionError, from_stored, to_stored};
pub use update::updated;
