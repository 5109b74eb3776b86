//! JSON rewritten as YAML in block style, as it goes by.
//!
//! A container is written when its first member comes, since an empty one looks
//! different. Of the text only one string or number is held back at a time.

use crate::model::json::{Strings, string};
use crate::model::yaml;

use super::Rewrite;

/// Rewrites valid JSON.
#[derive(Debug, Default)]
pub(super) struct Yaml {
    strings: Strings,
    /// The string or the bare word that is being read, quotes included.
    token: Vec<u8>,
    open: Vec<Container>,
    /// What the next value stands behind.
    behind: Behind,
}

#[derive(Clone, Copy, Debug)]
struct Container {
    is_list: bool,
    is_empty: bool,
    /// Where its lines begin.
    indent: usize,
    behind: Behind,
}

/// What stands before a value on its line.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Behind {
    /// Nothing.
    #[default]
    Nothing,
    /// The dash of a list's item, without a space.
    Dash,
    /// A key and its colon, without a space.
    Colon,
}

impl Yaml {
    pub(super) fn new() -> Self {
        Self::default()
    }

    fn indent(&self) -> usize {
        self.open.last().map_or(0, |it| it.indent)
    }

    /// Writes what stands before a member of the innermost container.
    fn begin_member(&mut self, out: &mut Vec<u8>) {
        let Some(container) = self.open.last_mut() else { return };
        let first = std::mem::take(&mut container.is_empty);
        let Container { is_list, indent, behind, .. } = *container;
        match behind {
            Behind::Dash if first => out.push(b' '),
            Behind::Colon if first => out.push(b'\n'),
            _ => {}
        }
        if !first || behind == Behind::Colon {
            out.extend(std::iter::repeat_n(b' ', indent));
        }
        if is_list {
            out.push(b'-');
        }
    }

    fn begin_container(&mut self, is_list: bool, out: &mut Vec<u8>) {
        let behind = self.begin_value(out);
        let indent = match behind {
            Behind::Nothing => 0,
            // A list under a key stands at the key's own indentation.
            Behind::Colon if is_list => self.indent(),
            Behind::Colon | Behind::Dash => self.indent() + 2,
        };
        self.open.push(Container { is_list, is_empty: true, indent, behind });
        self.behind = Behind::Nothing;
    }

    /// An item of a list begins here; a value under a key has begun with the key.
    fn begin_value(&mut self, out: &mut Vec<u8>) -> Behind {
        match self.open.last() {
            Some(container) if container.is_list => {
                self.begin_member(out);
                Behind::Dash
            }
            _ => self.behind,
        }
    }

    fn end_container(&mut self, out: &mut Vec<u8>) {
        self.end_token(out);
        let Some(Container { is_list, is_empty: true, behind, .. }) = self.open.pop() else {
            return;
        };
        if behind != Behind::Nothing {
            out.push(b' ');
        }
        out.extend_from_slice(if is_list { b"[]\n" } else { b"{}\n" });
    }

    /// A string or a bare word is complete, and it is a value.
    fn end_token(&mut self, out: &mut Vec<u8>) {
        if self.token.is_empty() {
            return;
        }
        let token = std::mem::take(&mut self.token);
        if self.begin_value(out) != Behind::Nothing {
            out.push(b' ');
        }
        // A block of lines stands deeper than what it is a value of.
        let indent = self.indent() + 2;
        write(out, &token, Some(indent));
        out.push(b'\n');
        self.behind = Behind::Nothing;
    }

    /// A string is complete, and it is a key.
    fn end_key(&mut self, out: &mut Vec<u8>) {
        let token = std::mem::take(&mut self.token);
        self.begin_member(out);
        write(out, &token, None);
        out.push(b':');
        self.behind = Behind::Colon;
    }
}

/// Writes a token of JSON; `block` is where the lines of a long text may begin.
fn write(out: &mut Vec<u8>, token: &[u8], block: Option<usize>) {
    let text = String::from_utf8_lossy(token);
    match text.strip_prefix('"').and_then(|it| it.strip_suffix('"')) {
        Some(inside) => {
            let mut written = String::with_capacity(inside.len() + 2);
            yaml::write_text(&mut written, &string::decode(inside), block);
            out.extend_from_slice(written.as_bytes());
        }
        None => out.extend_from_slice(token),
    }
}

impl Rewrite for Yaml {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for &byte in bytes {
            if self.strings.pass(byte) {
                self.token.push(byte);
                continue;
            }
            match byte {
                b'{' | b'[' => self.begin_container(byte == b'[', out),
                b'}' | b']' => self.end_container(out),
                b',' => self.end_token(out),
                b':' => self.end_key(out),
                b' ' | b'\t' | b'\r' | b'\n' => {}
                _ => self.token.push(byte),
            }
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.end_token(out);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rewritten<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> String {
        let (mut rewrite, mut out) = (Yaml::new(), Vec::new());
        for chunk in chunks {
            rewrite.feed(chunk, &mut out);
        }
        rewrite.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn it_looks_like_kubectls() {
        let json = br#"{"apiVersion":"v1","d":{},"items":[{"a":{"b":[]},"n":1.5},["x",[]],{}],"n":null,"t":"one\ntwo\n","v":"12"}"#;
        assert_eq!(
            rewritten([&json[..], b"\n"]),
            "\
apiVersion: v1
d: {}
items:
- a:
    b: []
  \"n\": 1.5
- - x
  - []
- {}
\"n\": null
t: |
  one
  two
v: \"12\"
"
        );
    }

    proptest! {
        #[test]
        fn it_means_the_same_wherever_it_is_cut(
            value in crate::model::json::tests::any_value(),
            size in 1_usize..9,
        ) {
            let json = serde_json::to_vec(&value).unwrap();
            let text = rewritten(json.chunks(size));
            let read: serde_json::Value = serde_yaml::from_str(&text).unwrap();
            prop_assert_eq!(&read, &value, "{}", text);
            // The other writer of YAML knows the whole tree, and says the same.
            prop_assert_eq!(text, yaml::to_string(&value).unwrap());
        }
    }
}
