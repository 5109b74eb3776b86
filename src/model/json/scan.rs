//! One pass over an object: is it canonical, and where do its parts lie?

use super::{number, string};

/// The deepest nesting that is read, the same as `serde_json`'s own limit.
const DEPTH_MAX: u32 = 127;

/// A half-open range of bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Span {
    /// The bytes of `all` that it covers.
    pub fn of(self, all: &[u8]) -> &[u8] {
        all.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// Whether it covers nothing.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// How many bytes it covers.
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }
}

/// Where the parts of a canonical object lie.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Scan {
    /// What stands between the quotes of `apiVersion`.
    pub api_version: Option<Span>,
    /// What stands between the quotes of `kind`.
    pub kind: Option<Span>,
    /// The object called `metadata`, braces included.
    pub metadata: Option<Span>,
    /// The members of `metadata` in their order: key without quotes, and value.
    pub members: Vec<(Span, Span)>,
    /// Where the object ends; only white space follows.
    pub end: u32,
}

/// The bytes are not the canonical JSON of one object. They may be other JSON.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotCanonical;

/// Scans `bytes`, which hold one object and perhaps a newline.
pub fn scan(bytes: &[u8]) -> Result<Scan, NotCanonical> {
    // The strings are compared and copied as text later, so this is checked once here.
    if bytes.len() > u32::MAX as usize || std::str::from_utf8(bytes).is_err() {
        return Err(NotCanonical);
    }
    let mut scanner = Scanner { bytes, at: 0 };
    let mut scan = Scan::default();
    scanner.members(|scanner, key| match key.of(bytes) {
        b"apiVersion" => scanner.text_or_value(&mut scan.api_version),
        b"kind" => scanner.text_or_value(&mut scan.kind),
        b"metadata" if scanner.peek() == Some(b'{') => {
            let start = scanner.at;
            let members = &mut scan.members;
            scanner.members(|scanner, key| {
                let value_start = scanner.at;
                scanner.value(2)?;
                members.push((key, span(value_start, scanner.at)));
                Ok(())
            })?;
            scan.metadata = Some(span(start, scanner.at));
            Ok(())
        }
        _ => scanner.value(1),
    })?;
    scan.end = span(0, scanner.at).end;
    match &bytes[scanner.at..] {
        b"" | b"\n" => Ok(scan),
        _ => Err(NotCanonical),
    }
}

/// The members of the canonical object `bytes`: keys without their quotes, and values.
pub fn members(bytes: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut scanner = Scanner { bytes, at: 0 };
    let mut found = Vec::new();
    let _ = scanner.members(|scanner, key| {
        let start = scanner.at;
        scanner.value(1)?;
        found.push((key.of(bytes), &bytes[start..scanner.at]));
        Ok(())
    });
    found
}

#[expect(clippy::cast_possible_truncation, reason = "`scan` refuses more than 4 GiB")]
fn span(start: usize, end: usize) -> Span {
    Span { start: start as u32, end: end as u32 }
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), NotCanonical> {
        if self.peek() != Some(byte) {
            return Err(NotCanonical);
        }
        self.at += 1;
        Ok(())
    }

    /// Reads an object, calling `each` at each value with its key.
    fn members(
        &mut self,
        mut each: impl FnMut(&mut Self, Span) -> Result<(), NotCanonical>,
    ) -> Result<(), NotCanonical> {
        self.expect(b'{')?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        let mut last: Option<Span> = None;
        loop {
            let key = self.string()?;
            if last.is_some_and(|last| !self.is_before(last, key)) {
                return Err(NotCanonical);
            }
            last = Some(key);
            self.expect(b':')?;
            each(self, key)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(NotCanonical),
            }
        }
    }

    /// Whether the key at `a` sorts before the one at `b`, by what they mean.
    fn is_before(&self, a: Span, b: Span) -> bool {
        let (a, b) = (a.of(self.bytes), b.of(self.bytes));
        if !a.contains(&b'\\') && !b.contains(&b'\\') {
            return a < b;
        }
        let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
        string::decode(text(a)).as_bytes() < string::decode(text(b)).as_bytes()
    }

    /// Reads a value; notes what stands between its quotes if it is a string.
    fn text_or_value(&mut self, text: &mut Option<Span>) -> Result<(), NotCanonical> {
        if self.peek() == Some(b'"') {
            *text = Some(self.string()?);
            return Ok(());
        }
        self.value(1)
    }

    fn value(&mut self, depth: u32) -> Result<(), NotCanonical> {
        if depth > DEPTH_MAX {
            return Err(NotCanonical);
        }
        match self.peek() {
            Some(b'"') => self.string().map(|_| ()),
            Some(b'{') => self.members(|scanner, _| scanner.value(depth + 1)),
            Some(b'[') => self.array(depth),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(NotCanonical),
        }
    }

    fn array(&mut self, depth: u32) -> Result<(), NotCanonical> {
        self.expect(b'[')?;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(NotCanonical),
            }
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), NotCanonical> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(NotCanonical);
        }
        self.at += word.len();
        Ok(())
    }

    /// Reads a string; answers with what stands between its quotes.
    fn string(&mut self) -> Result<Span, NotCanonical> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            let rest = &self.bytes[self.at..];
            let plain = rest.iter().position(|&byte| string::NEEDS_CARE[byte as usize]);
            let Some(plain) = plain else { return Err(NotCanonical) };
            self.at += plain;
            let rest = &rest[plain..];
            match rest[0] {
                b'"' => {
                    let text = span(start, self.at);
                    self.at += 1;
                    return Ok(text);
                }
                b'\\' => self.at += string::canonical_escape(rest).ok_or(NotCanonical)?,
                0xe2 if !matches!(rest.get(1..3), Some([0x80, 0xa8 | 0xa9])) => self.at += 1,
                _ => return Err(NotCanonical),
            }
        }
    }

    fn number(&mut self) -> Result<(), NotCanonical> {
        let start = self.at;
        let digits = |scanner: &mut Self| {
            let from = scanner.at;
            while scanner.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                scanner.at += 1;
            }
            if scanner.at > from { Ok(()) } else { Err(NotCanonical) }
        };
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        digits(self)?;
        if self.peek() == Some(b'.') {
            self.at += 1;
            digits(self)?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            digits(self)?;
        }
        let text = &self.bytes[start..self.at];
        if number::is_canonical(text) { Ok(()) } else { Err(NotCanonical) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_canonical_object_are_found() {
        let body = br#"{"apiVersion":"a/v1","kind":"K","metadata":{"labels":{"a":"b"},"name":"x"},"spec":{"n":[1,2.5,true,null,"\u003c"]}}
"#;
        let scan = scan(body).unwrap();
        assert_eq!(scan.api_version.unwrap().of(body), b"a/v1");
        assert_eq!(scan.kind.unwrap().of(body), b"K");
        assert_eq!(scan.metadata.unwrap().of(body), br#"{"labels":{"a":"b"},"name":"x"}"#);
        assert_eq!(scan.members[1].0.of(body), b"name");
        assert_eq!(scan.members[1].1.of(body), b"\"x\"");
        assert_eq!(scan.end as usize, body.len() - 1);
    }

    #[test]
    fn what_go_would_write_otherwise_is_not_canonical() {
        for body in [
            r#"{"b":1,"a":2}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"a": 1}"#,
            r#"{"a":1.0}"#,
            r#"{"a":01}"#,
            r#"{"a":-0}"#,
            r#"{"a":"<"}"#,
            r#"{"a":"\/"}"#,
            r#"{"a":"\u0041"}"#,
            r#"{"a":"\u003C"}"#,
            "{\"a\":\"\u{2028}\"}",
            "{\"a\":\"\n\"}",
            r#"{"a":1}{"#,
            r#"{"a":1} "#,
            r#"{"a":1"#,
            r#"["a"]"#,
            r#"{"a":tru}"#,
            "",
        ] {
            assert_eq!(scan(body.as_bytes()), Err(NotCanonical), "{body}");
        }
        assert_eq!(scan(b"{\"a\":\"\xff\"}"), Err(NotCanonical));
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200));
        assert_eq!(scan(deep.as_bytes()), Err(NotCanonical));
    }

    #[test]
    fn keys_with_escapes_sort_by_what_they_mean() {
        // `"` is 0x22 and sorts before `#`, its escape `\"` would sort after.
        assert!(scan(br##"{"k":{"\"":1,"#":2}}"##).is_ok());
        assert!(scan(br##"{"k":{"#":1,"\"":2}}"##).is_err());
    }
}
