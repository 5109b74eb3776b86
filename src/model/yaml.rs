//! YAML that every reader understands alike.
//!
//! Go's readers still follow YAML 1.1, in which a bare `yes`, `on` or `12:30` is
//! no string, while the library that we read with follows 1.2 and writes them
//! bare. What is written here means the same to both: whatever could be taken
//! for something else is quoted.

use std::fmt::Write;

use serde::Serialize;
use serde_yaml::Value;

/// Words that YAML 1.1 or 1.2 takes for a boolean, a null or a merge, in lowercase.
const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// Characters that may stand anywhere in a bare string.
const BARE: &str = "-_./:@+=,()$%^&*!~;";

/// `value` as one YAML document in block style, its lists not indented.
pub fn to_string<T: Serialize + ?Sized>(value: &T) -> Result<String, serde_yaml::Error> {
    Ok(render(&serde_yaml::to_value(value)?))
}

/// A tree as one YAML document in block style, its lists not indented.
pub fn render(value: &Value) -> String {
    let mut out = String::new();
    write_node(&mut out, value, 0, Position::Start);
    out
}

/// What stands before a value on its line.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Position {
    /// Nothing: the value's first line is already indented.
    Start,
    /// A list's dash and a space.
    Item,
    /// A key and its colon.
    Key,
}

/// Writes `value` and a newline. `indent` is that of its further lines.
fn write_node(out: &mut String, value: &Value, indent: usize, position: Position) {
    match value {
        Value::Mapping(map) if !map.is_empty() => {
            for (index, (key, value)) in map.iter().enumerate() {
                start_line(out, indent, index, position);
                match key {
                    Value::Sequence(_) | Value::Mapping(_) | Value::Tagged(_) => {
                        out.push_str("? ");
                        write_node(out, key, indent + 2, Position::Item);
                        pad(out, indent);
                    }
                    scalar => write_scalar(out, scalar, None),
                }
                out.push(':');
                // A list under a key stands at the key's own indentation.
                let deeper = if matches!(value, Value::Sequence(_)) { indent } else { indent + 2 };
                write_node(out, value, deeper, Position::Key);
            }
        }
        Value::Sequence(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                start_line(out, indent, index, position);
                out.push_str("- ");
                write_node(out, item, indent + 2, Position::Item);
            }
        }
        Value::Tagged(tagged) => {
            if position == Position::Key {
                out.push(' ');
            }
            let _ = write!(out, "{}", tagged.tag); // a string takes every write
            write_node(out, &tagged.value, indent, Position::Key);
        }
        scalar => {
            if position == Position::Key {
                out.push(' ');
            }
            write_scalar(out, scalar, Some(indent));
            out.push('\n');
        }
    }
}

fn start_line(out: &mut String, indent: usize, index: usize, position: Position) {
    if index == 0 && position == Position::Key {
        out.push('\n');
    }
    if index > 0 || position == Position::Key {
        pad(out, indent);
    }
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

/// Writes a value without children; `block` is where the lines of a long text may begin.
fn write_scalar(out: &mut String, value: &Value, block: Option<usize>) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => {
            let _ = write!(out, "{number}"); // a string takes every write
        }
        Value::String(text) => write_text(out, text, block),
        Value::Sequence(_) => out.push_str("[]"),
        Value::Mapping(_) | Value::Tagged(_) => out.push_str("{}"),
    }
}

/// Writes a string; `block` is where the lines of a long text may begin.
pub fn write_text(out: &mut String, text: &str, block: Option<usize>) {
    match block {
        Some(indent) if is_block(text) => write_block(out, text, indent.max(2)),
        _ if is_bare(text) => out.push_str(text),
        _ => write_quoted(out, text),
    }
}

/// Whether no reader takes the bare `text` for anything but this string.
fn is_bare(text: &str) -> bool {
    let bytes = text.as_bytes();
    let starts = bytes.first().is_some_and(|&b| b.is_ascii_alphabetic() || b == b'/' || b == b'_');
    // `720h` is nothing but a text: numbers and times have no letter but these.
    let of_number =
        |b: &u8| !b.is_ascii_alphabetic() || b"abcdefotxz".contains(&b.to_ascii_lowercase());
    let starts =
        starts || bytes.first().is_some_and(u8::is_ascii_digit) && !bytes.iter().all(of_number);
    let legal = |&b: &u8| b.is_ascii_alphanumeric() || b == b' ' || BARE.as_bytes().contains(&b);
    starts
        && bytes.iter().all(legal)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether `text` is lines that can stand as they are.
fn is_block(text: &str) -> bool {
    let printable = |c: char| {
        c == '\n' || !(c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}'))
    };
    text.contains('\n')
        && text.chars().all(printable)
        && !text.starts_with([' ', '\n'])
        && !text.ends_with("\n\n")
        && !text.trim().is_empty()
}

fn write_block(out: &mut String, text: &str, indent: usize) {
    out.push_str(if text.ends_with('\n') { "|" } else { "|-" });
    for line in text.lines() {
        out.push('\n');
        if !line.is_empty() {
            pad(out, indent);
            out.push_str(line);
        }
    }
}

fn write_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        // A string takes every write.
        let _ = match c {
            '"' => out.write_str("\\\""),
            '\\' => out.write_str("\\\\"),
            '\n' => out.write_str("\\n"),
            '\t' => out.write_str("\\t"),
            '\r' => out.write_str("\\r"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                write!(out, "\\u{:04x}", u32::from(c))
            }
            c => out.write_char(c),
        };
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_looks_like_kubectls() {
        let value = json!({
            "apiVersion": "v1",
            "empty": [], "none": {}, "null": null,
            "list": [{"name": "a", "user": {}}, ["x", "y"], "- z"],
            "map": {"text": "one\ntwo\n", "number": 1.5, "url": "https://localhost:6443/a?b#c"},
        });
        assert_eq!(
            to_string(&value).unwrap(),
            "\
apiVersion: v1
empty: []
list:
- name: a
  user: {}
- - x
  - \"y\"
- \"- z\"
map:
  number: 1.5
  text: |
    one
    two
  url: \"https://localhost:6443/a?b#c\"
none: {}
\"null\": null
"
        );
    }

    #[test]
    fn what_yaml_1_1_takes_for_another_type_is_quoted() {
        for text in [
            "yes",
            "No",
            "ON",
            "y",
            "null",
            "~",
            "12:30",
            "1e3",
            "0x10",
            "1_000",
            ".inf",
            "",
            " a",
            "a ",
            "a:",
            "a: b",
            "a #b",
            "*a",
            "<<",
            "=",
            "2001-01-01",
            "- a",
            "@a",
            "%a",
            "é",
        ] {
            assert!(to_string(text).unwrap().starts_with('"'), "{text}");
        }
        for text in
            ["https://localhost:6443", "/a b/c", "system:masters", "LS0tLS1=", "yes-man", "720h"]
        {
            assert_eq!(to_string(text).unwrap().trim_end(), text);
        }
    }

    fn values() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(|it| json!(it)),
            any::<i64>().prop_map(|it| json!(it)),
            "[ -~\n\té\u{2028}]{0,12}".prop_map(|it| json!(it)),
            "[a-z \n]{0,12}".prop_map(|it| json!(it)),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(|it| json!(it)),
                prop::collection::btree_map("[ -~\n]{0,8}", inner, 0..5).prop_map(|it| json!(it)),
            ]
        })
    }

    proptest! {
        #[test]
        fn everything_is_read_as_it_was_written(value in values()) {
            let text = to_string(&value).unwrap();
            let read: serde_json::Value = serde_yaml::from_str(&text).unwrap();
            prop_assert_eq!(read, value, "{}", text);
        }
    }
}
