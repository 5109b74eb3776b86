//! JSON for people: two spaces a level, a space after a colon, no newline at the end,
//! as Go indents it.

use super::Rewrite;
use super::json::Strings;

/// Indents valid JSON that has no spaces of its own to keep.
#[derive(Debug, Default)]
pub(super) struct Indent {
    strings: Strings,
    depth: usize,
    /// A bracket was opened, and nothing has come since.
    opened: bool,
}

impl Indent {
    pub(super) fn new() -> Self {
        Self::default()
    }

    fn line(&self, out: &mut Vec<u8>) {
        out.push(b'\n');
        out.extend(std::iter::repeat_n(b' ', 2 * self.depth));
    }

    fn begin_value(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.opened) {
            self.line(out);
        }
    }
}

impl Rewrite for Indent {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
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

    fn finish(&mut self, _: &mut Vec<u8>) {}
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn indented<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> String {
        let (mut indent, mut out) = (Indent::new(), Vec::new());
        for chunk in chunks {
            indent.feed(chunk, &mut out);
        }
        indent.finish(&mut out);
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
            value in crate::server::present::tests::any_json(),
            size in 1_usize..9,
        ) {
            let json = serde_json::to_vec(&value).unwrap();
            let text = indented(json.chunks(size));
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value.clone());
            prop_assert_eq!(text, serde_json::to_string_pretty(&value).unwrap());
        }
    }
}
