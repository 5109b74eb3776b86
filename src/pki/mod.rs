//! Making and reading certificates: a CA, leaves signed by it, keys and PEM.
//!
//! ```text
//! PEM text ──► pem ──► key ─────────► authority ──► PEM of a leaf and its key
//!                └───► certificate ──► verify ────► who it names, who vouches for it
//! ```
//!
//! * `pem` splits text into blocks and says which line is wrong.
//! * `key` is a private key, generated or read (PKCS#8, SEC1, PKCS#1).
//! * `authority` is a CA: it signs what `leaf` describes.
//! * `wanted` is what a `Certificate` object asks for, `signer` the issuer that signs it,
//!   `pointers` where that issuer says that more is found.
//! * `renewal` says when a pair is due for a new one.
//! * `certificate` reads what a certificate says, `verify` whether it is true.
//!
//! A subject may hold any number of organisations (they are a user's groups), and
//! the name of an issuer is copied byte for byte from the CA's certificate:
//! verifiers compare names as bytes, so a name that was read and written again
//! would break the chain.
//!
//! # What is absent on purpose
//!
//! No file is read or written here, and no clock: the time comes in as a value.

mod authority;
mod certificate;
mod error;
mod key;
mod leaf;
#[cfg(test)]
mod openssl_tests;
pub mod pem;
mod pointers;
mod renewal;
mod signer;
mod validity;
mod verify;
mod wanted;

pub use authority::{Authority, Issued};
pub use certificate::Certificate;
pub use error::PkiError;
pub use key::{Key, KeyForm, KeyKind};
pub use leaf::{Leaf, San, SanError};
pub use pem::PemError;
pub use pointers::Pointers;
pub use renewal::{Found, Renewal};
pub use signer::{Ca, SignedChain, Signer};
pub use validity::Validity;
pub use verify::{verify_client, verify_server};
pub use wanted::{Refused, Wanted, annotations};
