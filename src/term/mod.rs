//! The only code that prints: output, talk, tables, progress, prompts, colour.
//!
//! stdout is data and stderr is talk. [`Output`] is stdout, buffered, and knows
//! that a closed pipe is not a failure; [`say`], [`warn`] and [`failure`] are
//! stderr. Colour and progress appear on a terminal only, and colour not where
//! `NO_COLOR` is set. A colour is asked for by its meaning ([`Meaning`]).
//!
//! # What is absent on purpose
//!
//! Nothing here knows what a cache or an installation is, and nothing here
//! decides: a caller says what to show, and this folder how.

mod diff;
mod human;
mod json;
mod output;
mod progress;
mod prompt;
mod style;
mod table;
mod yaml;

pub use diff::write_diff;
pub use human::{age, bytes, count, grouped};
pub use json::{indent_json, write_json};
pub use output::{Output, OutputError, failure, say, warn};
pub use progress::Progress;
pub use prompt::{PromptError, choose, confirm, text};
pub use style::Meaning;
pub use table::{StreamTable, Table, clean};
pub use yaml::write_yaml;
