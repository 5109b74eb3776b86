//! Label and field selectors: parsed once, asked of every object.
//!
//! Labels are matched in the object's own bytes. A canonical object holds label
//! keys and values without escapes, so a comparison of slices is enough and
//! nothing is allocated for an object that is looked at.

mod field;
mod label;

pub use field::{FieldError, FieldSelector};
pub use label::{LabelError, LabelSelector};
