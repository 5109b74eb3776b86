//! Canonical JSON: the one form in which objects are kept.
//!
//! Canonical is what Go's encoder writes for a map: keys sorted by their bytes and
//! unique, no spaces, `<`, `>`, `&`, U+2028 and U+2029 escaped, whole numbers as
//! written and others in Go's shortest form. Go clients send it so, and
//! [`scan::scan`] finds that out in one pass while it notes where the parts of the
//! object lie. Anything else goes through [`tree`], which rewrites it.

pub mod number;
pub mod scan;
pub mod string;
pub mod tree;

pub use scan::{Scan, Span};
