//! Strings as Go writes them.

use std::borrow::Cow;

/// Writes `text` as a JSON string, quotes included, with Go's escapes.
pub fn write(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if !NEEDS_CARE[byte as usize] {
            continue;
        }
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0x08 => b"\\b",
            0x0c => b"\\f",
            0xe2 => match bytes.get(at + 1..at + 3) {
                Some([0x80, 0xa8]) => b"\\u2028",
                Some([0x80, 0xa9]) => b"\\u2029",
                _ => continue,
            },
            _ => {
                &[b'\\', b'u', b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]
            }
        };
        out.extend_from_slice(&bytes[from..at]);
        out.extend_from_slice(escape);
        from = at + if byte == 0xe2 { 3 } else { 1 };
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

/// The bytes that cannot simply stand in a canonical string: the quote, the
/// backslash, controls, what Go escapes for HTML, and the first byte of the two
/// line separators.
pub(super) const NEEDS_CARE: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    table[b'"' as usize] = true;
    table[b'\\' as usize] = true;
    table[b'<' as usize] = true;
    table[b'>' as usize] = true;
    table[b'&' as usize] = true;
    table[0xe2] = true;
    table
};

/// Reads what stands between the quotes of a valid JSON string.
pub fn decode(inside: &str) -> Cow<'_, str> {
    if !inside.contains('\\') {
        return Cow::Borrowed(inside);
    }
    // The quotes are put back for the library's reader: escapes are rare.
    serde_json::from_str(&format!("\"{inside}\"")).map_or(Cow::Borrowed(inside), Cow::Owned)
}

/// Whether the escape that begins at `bytes[0] == b'\\'` is the one Go would write,
/// and how long it is.
pub(super) fn canonical_escape(bytes: &[u8]) -> Option<usize> {
    match bytes.get(1)? {
        b'"' | b'\\' | b'n' | b'r' | b't' | b'b' | b'f' => Some(2),
        b'u' => {
            let hex = bytes.get(2..6)?;
            let control = hex.starts_with(b"00") && {
                let value = hex_value(hex[2])? << 4 | hex_value(hex[3])?;
                value < 0x20 && !matches!(value, 0x08 | 0x09 | 0x0a | 0x0c | 0x0d)
            };
            let html = matches!(hex, b"003c" | b"003e" | b"0026" | b"2028" | b"2029");
            (control || html).then_some(6)
        }
        _ => None,
    }
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_go_does() {
        let mut out = Vec::new();
        write(&mut out, "a\"b\\c\n\r\t\u{8}\u{c}\u{1}<>&\u{2028}\u{2029}\u{e2}\u{7f}€");
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\"a\\\"b\\\\c\\n\\r\\t\\b\\f\\u0001\\u003c\\u003e\\u0026\\u2028\\u2029\u{e2}\u{7f}€\""
        );
    }

    #[test]
    fn decoding_undoes_escapes() {
        assert_eq!(decode("plain"), "plain");
        assert_eq!(decode("k:{\\\"type\\\":\\\"Ready\\\"}"), "k:{\"type\":\"Ready\"}");
    }
}
