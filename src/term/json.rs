//! JSON for a reader: indented as kubectl indents it, with every token as it came.
//!
//! A number or a string is copied, never parsed: what a server sent is what the
//! reader sees, digit by digit.

use std::io::{self, Write};

use serde::Serialize;

use super::output::{Output, OutputError};
use crate::model::json::Indent;

/// The spaces of one level.
const STEP: usize = 4;

/// Writes `value` as indented JSON and a newline.
pub fn write_json(value: &impl Serialize, out: &mut Output) -> Result<(), OutputError> {
    let text = serde_json::to_string(value).map_err(io::Error::from)?;
    indent_json(&text, 0, out)?;
    out.line("")
}

/// Writes the valid JSON `text` indented, as if it stood `level` levels deep.
/// No indent precedes the first line and no newline follows the last.
pub fn indent_json(text: &str, level: usize, out: &mut impl Write) -> io::Result<()> {
    let mut indented = Vec::with_capacity(text.len() * 2);
    Indent::new(STEP, level).feed(text.as_bytes(), &mut indented);
    out.write_all(&indented)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indented(text: &str) -> String {
        let mut out = Vec::new();
        indent_json(text, 0, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn tokens_stay_as_they_came() {
        assert_eq!(
            indented(r#"{"a":[1.50e+3,"x\"}\\"],"b":{},"c":[ ],"d":{"e":null}}"#),
            r#"{
    "a": [
        1.50e+3,
        "x\"}\\"
    ],
    "b": {},
    "c": [],
    "d": {
        "e": null
    }
}"#
        );
    }
}
