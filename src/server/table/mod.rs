//! Objects as the rows of a table, as `kubectl get` asks for them.
//!
//! A [`Table`] is made once from a type's printer columns. It writes a head, then a
//! row for each object, then a tail, straight from the bytes of the objects into
//! the answer: no object becomes a tree, and a cell that is text is copied as it
//! stands. A watch sends a whole table of one row an event; only the first carries
//! the column definitions.
//!
//! * `render` writes the document.
//! * `json_path` finds a column's value in the bytes of an object.
//! * `age` says how long ago something was, in the words of `kubectl`.
//!
//! # What is absent on purpose
//!
//! The clock (the time comes in as a value), and conditions on rows: no column of
//! ours has them.

mod age;
mod json_path;
mod render;

pub use age::{NotATime, age, human_duration};
pub use json_path::{JsonPath, JsonPathError};
pub use render::{IncludeObject, MetaVersion, NotAnObject, Table};
