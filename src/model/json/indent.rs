//! JSON for people: a line a value, a space after a colon, no newline at the end, as Go
//! indents it. Every string and number stays as it came.

use super::Strings;

/// Indents valid JSON that comes in pieces.
#[derive(Debug)]
pub struct Indent {
    strings: Strings,
    /// The spaces of one level.
    step: usize,
    depth: usize,
    /// A bracket was opened, and nothing has come since.
    opened: bool,
}

impl Indent {
    /// Indents by `step` spaces a level, as if the text stood `depth` levels deep.
    pub fn new(step: usize, depth: usize) -> Self {
        Self { strings: Strings::default(), step, depth, opened: false }
    }

    fn line(&self, out: &mut Vec<u8>) {
        out.push(b'\n');
        out.extend(std::iter::repeat_n(b' ', self.step * self.depth));
    }

    fn begin_value(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.opened) {
            self.line(out);
        }
    }

    /// Writes the next piece.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for &byte in bytes {
            if self.strings.pass(byte) {
                self.begin_value(out);
                out.push(byte);
                continue;
            }
            match byte {
                b'{' | b'[' => {
                    self.begin_value(out);
                    out.push(byte);
                    self.depth += 1;
                    self.opened = true;
                }
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if !std::mem::take(&mut self.opened) {
                        self.line(out);
                    }
                    out.push(byte);
                }
                b',' => {
                    out.push(byte);
                    self.line(out);
                }
                b':' => out.extend_from_slice(b": "),
                b' ' | b'\t' | b'\r' | b'\n' => {}
                _ => {
                    self.begin_value(out);
                    out.push(byte);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn indented<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> String {
        let (mut indent, mut out) = (Indent::new(2, 0), Vec::new());
        for chunk in chunks {
            indent.feed(chunk, &mut out);
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn it_looks_like_gos() {
        let json = br#"{"a":{},"b":[],"c":[1,{"d":"x:{,[\"\\"}],"e":null}"#;
        assert_eq!(
            indented([&json[..], b"\n"]),
            "{\n  \"a\": {},\n  \"b\": [],\n  \"c\": [\n    1,\n    {\n      \"d\": \"x:{,[\\\"\\\\\"\n    }\n  ],\n  \"e\": null\n}"
        );
    }

    proptest! {
        #[test]
        fn it_means_the_same_wherever_it_is_cut(
            value in crate::model::json::tests::any_value(),
            size in 1_usize..9,
        ) {
            let json = serde_json::to_vec(&value).unwrap();
            let text = indented(json.chunks(size));
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value.clone());
            prop_assert_eq!(text, serde_json::to_string_pretty(&value).unwrap());
        }
    }
}
