//! JSON for a reader: indented as kubectl indents it, with every token as it came.
//!
//! A number or a string is copied, never parsed: what a server sent is what the
//! reader sees, digit by digit, and nothing is held but the text itself.

use std::io::{self, Write};

use serde::Serialize;

use super::output::{Output, OutputError};

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
    let mut level = level;
    let mut tokens = Tokens { text }.peekable();
    while let Some(token) = tokens.next() {
        match token {
            "{" | "[" => {
                out.write_all(token.as_bytes())?;
                if matches!(tokens.peek(), Some(&"}" | &"]")) {
                    out.write_all(tokens.next().unwrap_or_default().as_bytes())?;
                } else {
                    level += 1;
                    break_line(level, out)?;
                }
            }
            "}" | "]" => {
                level = level.saturating_sub(1);
                break_line(level, out)?;
                out.write_all(token.as_bytes())?;
            }
            "," => {
                out.write_all(b",")?;
                break_line(level, out)?;
            }
            ":" => out.write_all(b": ")?,
            scalar => out.write_all(scalar.as_bytes())?,
        }
    }
    Ok(())
}

fn break_line(level: usize, out: &mut impl Write) -> io::Result<()> {
    write!(out, "\n{:1$}", "", level * STEP)
}

/// The tokens of a JSON text, without the spaces between them.
struct Tokens<'a> {
    text: &'a str,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.text = self.text.trim_ascii_start();
        let bytes = self.text.as_bytes();
        let length = match bytes.first()? {
            b'"' => string_length(bytes),
            b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
            _ => bytes
                .iter()
                .position(|byte| {
                    matches!(byte, b',' | b':' | b'}' | b']') || byte.is_ascii_whitespace()
                })
                .unwrap_or(bytes.len()),
        };
        let (token, rest) = self.text.split_at(length);
        self.text = rest;
        Some(token)
    }
}

/// The length of the string that begins `bytes`, with both quotes.
fn string_length(bytes: &[u8]) -> usize {
    let mut index = 1;
    while let Some(found) = memchr::memchr2(b'"', b'\\', &bytes[index..]) {
        index += found;
        if bytes[index] == b'"' {
            return index + 1;
        }
        index = (index + 2).min(bytes.len());
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn indenting_changes_nothing_but_spaces(words in prop::collection::vec(".*", 0..8)) {
            let value = serde_json::json!({ "words": words, "nested": [[], {}, {"k": [1, true]}] });
            let text = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&indented(&text)).unwrap(), value);
        }
    }
}
