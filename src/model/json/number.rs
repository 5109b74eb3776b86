//! Numbers as Go writes them.

use std::io::Write;

/// Whether `text`, a syntactically valid JSON number, is what Go would write.
pub fn is_canonical(text: &[u8]) -> bool {
    if text.iter().all(|b| b.is_ascii_digit() || *b == b'-') {
        // 18 digits always fit; `-0` and leading zeros are not canonical.
        let digits = text.strip_prefix(b"-").unwrap_or(text);
        if digits.len() <= 18 {
            return digits[0] != b'0' || text == b"0";
        }
    }
    let Ok(text) = std::str::from_utf8(text) else { return false };
    if !text.parse().is_ok_and(f64::is_finite) {
        return false;
    }
    let mut again = Vec::with_capacity(24);
    write_canonical(&mut again, text);
    again == text.as_bytes()
}

/// Writes `text`, a syntactically valid JSON number, as Go would after reading it:
/// whole numbers that fit 64 bits as they are, everything else as a float.
pub fn write_canonical(out: &mut Vec<u8>, text: &str) {
    if !text.contains(['.', 'e', 'E'])
        && let Ok(value) = text.parse::<i64>()
    {
        let _ = write!(out, "{value}");
        return;
    }
    write_float(out, text.parse().unwrap_or(0.0));
}

/// Writes `value` in Go's shortest form: plain between 1e-6 and 1e21, with an
/// exponent outside.
pub fn write_float(out: &mut Vec<u8>, value: f64) {
    let size = value.abs();
    if size == 0.0 {
        // Zero has no sign here, as in what an API server writes.
        out.push(b'0');
        return;
    }
    if (1e-6..1e21).contains(&size) {
        // Rust's `Display` of a float is the shortest plain form, as Go's 'f' is.
        let _ = write!(out, "{value}");
        return;
    }
    // `LowerExp` is the shortest form too, but writes `1e21` where Go writes `1e+21`.
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    out.extend_from_slice(digits.as_bytes());
    out.push(b'e');
    if !exponent.starts_with('-') {
        out.push(b'+');
    }
    out.extend_from_slice(exponent.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn go(text: &str) -> String {
        let mut out = Vec::new();
        write_canonical(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        for (given, written) in [
            ("0", "0"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("1.0", "1"),
            ("1e3", "1000"),
            ("0.1", "0.1"),
            ("1e21", "1e+21"),
            ("1e-7", "1e-7"),
            ("1.5e-9", "1.5e-9"),
            ("123456789012345678901", "123456789012345680000"),
            ("9223372036854775807", "9223372036854775807"),
            ("9223372036854775808", "9223372036854776000"),
            ("-9223372036854775808", "-9223372036854775808"),
            // Too long for 64 bits, and yet without an exponent.
            ("111111111111111110000", "111111111111111110000"),
            ("-9223372036854776000", "-9223372036854776000"),
            ("1e400", "inf"),
        ] {
            if written != "inf" {
                assert_eq!(go(given), written, "{given}");
            }
            assert_eq!(is_canonical(given.as_bytes()), given == written, "{given}");
        }
    }
}
