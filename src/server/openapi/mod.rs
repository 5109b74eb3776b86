//! `OpenAPI` v3: what clients need to know to write, explain and describe.
//!
//! An index names one document for each group and version. `kubectl` reads a
//! document before it writes (only operations that name the `fieldValidation`
//! parameter are trusted to check fields), and to `explain`.
//!
//! * `documents` keeps the index and the documents of one set of types.
//! * `operations` describes the paths of a type, `schemas` its objects.
//!
//! # What is absent on purpose
//!
//! Version 2, which clients since Kubernetes 1.27 do without. Schemas of specs: this
//! server keeps what it is sent, and says so.

mod documents;
mod operations;
mod schemas;

pub use documents::OpenApi;
