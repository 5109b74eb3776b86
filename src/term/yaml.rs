//! YAML for a reader, which old and new parsers understand alike.

use std::io::{self, Write};

use serde::Serialize;

use super::output::{Output, OutputError};
use crate::model::yaml;

/// Writes `value` as YAML, each line after `indent` spaces; with `dash` as an
/// item of a list, whose dash takes the first two of them.
pub fn write_yaml(
    value: &impl Serialize,
    indent: usize,
    dash: bool,
    out: &mut Output,
) -> Result<(), OutputError> {
    let text = yaml::to_string(value).map_err(io::Error::other)?;
    for (index, line) in text.lines().enumerate() {
        if line.is_empty() {
            out.line("")?;
            continue;
        }
        if index == 0 && dash {
            write!(out, "{:1$}- ", "", indent.saturating_sub(2))?;
        } else {
            write!(out, "{:indent$}", "")?;
        }
        out.line(line)?;
    }
    Ok(())
}
