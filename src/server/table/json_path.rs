//! The part of `JSONPath` that printer columns use, evaluated on bytes.
//!
//! `.a.b`, `['a.b']`, `[0]`, `[-1]`, `[*]` and one filter form,
//! `[?(@.type=="Ready")]` (also `!=`). The first value found is the answer; a path
//! that leads nowhere finds nothing.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A path into an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JsonPath {
    steps: Vec<Step>,
}

/// The path is not of a form that we understand.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "expected a path of `.name`, `['name']`, `[0]`, `[*]` and `[?(@.name==\"value\")]`, at byte {at}"
)]
pub struct JsonPathError {
    /// Where the path stops being one.
    pub at: usize,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Step {
    Key(String),
    Index(isize),
    Every,
    /// Elements in which the value at `path` is, or is not, `value` (as JSON).
    Where {
        path: Vec<Step>,
        value: serde_json::Value,
        equal: bool,
    },
}

impl JsonPath {
    /// Reads a path as a printer column writes it.
    pub fn parse(text: &str) -> Result<Self, JsonPathError> {
        let mut reader = Reader { text, at: 0 };
        let steps = reader.steps()?;
        if reader.at < text.len() { Err(reader.error()) } else { Ok(Self { steps }) }
    }

    /// The first value that the path leads to, as it is written in `json`.
    pub fn find<'a>(&self, json: &'a str) -> Option<&'a str> {
        find(json, &self.steps)
    }

    /// As [`find`](Self::find), on an object that was taken apart.
    pub(super) fn find_in<'a>(&self, members: &[(&'a str, &'a str)]) -> Option<&'a str> {
        let (Step::Key(key), rest) = self.steps.split_first()? else { return None };
        let (_, value) = members.iter().find(|(name, _)| name == key)?;
        find(value, rest)
    }
}

fn find<'a>(json: &'a str, steps: &[Step]) -> Option<&'a str> {
    let Some((step, rest)) = steps.split_first() else { return Some(json) };
    match step {
        Step::Key(key) => find(member(json, key)?, rest),
        Step::Index(index) => {
            let elements = elements(json)?;
            let at = if *index < 0 {
                elements.len().checked_sub(index.unsigned_abs())?
            } else {
                index.unsigned_abs()
            };
            find(elements.get(at)?.get(), rest)
        }
        Step::Every => elements(json)?.into_iter().find_map(|it| find(it.get(), rest)),
        Step::Where { path, value, equal } => elements(json)?
            .into_iter()
            .filter(|it| {
                let found = find(it.get(), path).and_then(|raw| serde_json::from_str(raw).ok());
                found.is_some_and(|found: serde_json::Value| (found == *value) == *equal)
            })
            .find_map(|it| find(it.get(), rest)),
    }
}

/// The value of `key` in the object `json`.
pub(super) fn member<'a>(json: &'a str, key: &str) -> Option<&'a str> {
    struct Wanted<'k>(&'k str);
    struct Matches<'k>(&'k str);

    impl<'de> Visitor<'de> for Wanted<'_> {
        type Value = Option<&'de RawValue>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = None;
            while let Some(matches) = map.next_key_seed(Matches(self.0))? {
                if matches {
                    found = Some(map.next_value()?);
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(found)
        }
    }

    // Compares a key where it lies, so that none is copied.
    impl<'de> DeserializeSeed<'de> for Matches<'_> {
        type Value = bool;

        fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<bool, D::Error> {
            from.deserialize_str(self)
        }
    }

    impl Visitor<'_> for Matches<'_> {
        type Value = bool;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a key")
        }

        fn visit_str<E>(self, key: &str) -> Result<bool, E> {
            Ok(key == self.0)
        }
    }

    let mut from = serde_json::Deserializer::from_str(json);
    from.deserialize_map(Wanted(key)).ok().flatten().map(RawValue::get)
}

/// The elements of the array `json`.
fn elements(json: &str) -> Option<Vec<&RawValue>> {
    struct Elements<'a>(PhantomData<&'a ()>);

    impl<'de> Visitor<'de> for Elements<'de> {
        type Value = Vec<&'de RawValue>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut found = Vec::new();
            while let Some(element) = seq.next_element()? {
                found.push(element);
            }
            Ok(found)
        }
    }

    serde_json::Deserializer::from_str(json).deserialize_seq(Elements(PhantomData)).ok()
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn error(&self) -> JsonPathError {
        JsonPathError { at: self.at }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn take(&mut self, token: &str) -> bool {
        let here = self.rest().starts_with(token);
        if here {
            self.at += token.len();
        }
        here
    }

    fn expect(&mut self, token: &str) -> Result<(), JsonPathError> {
        if self.take(token) { Ok(()) } else { Err(self.error()) }
    }

    fn take_while(&mut self, legal: fn(char) -> bool) -> Result<String, JsonPathError> {
        let len = self.rest().find(|c| !legal(c)).unwrap_or(self.rest().len());
        if len == 0 {
            return Err(self.error());
        }
        let word = self.rest()[..len].to_owned();
        self.at += len;
        Ok(word)
    }

    fn steps(&mut self) -> Result<Vec<Step>, JsonPathError> {
        let mut steps = Vec::new();
        loop {
            if self.take(".") {
                steps.push(if self.take("*") {
                    Step::Every
                } else {
                    Step::Key(self.take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))?)
                });
            } else if self.take("[?(@") {
                steps.push(self.filter()?);
            } else if self.take("[") {
                steps.push(self.subscript()?);
            } else {
                return Ok(steps);
            }
        }
    }

    fn subscript(&mut self) -> Result<Step, JsonPathError> {
        let step = if self.take("*") {
            Step::Every
        } else if let Some(key) = self.quoted()? {
            Step::Key(key)
        } else {
            let number = self.take_while(|c| c.is_ascii_digit() || c == '-')?;
            Step::Index(number.parse().map_err(|_| self.error())?)
        };
        self.expect("]")?;
        Ok(step)
    }

    fn filter(&mut self) -> Result<Step, JsonPathError> {
        let path = self.steps()?;
        self.spaces();
        let equal = self.take("==");
        if !equal {
            self.expect("!=")?;
        }
        self.spaces();
        let value = match self.quoted()? {
            Some(text) => serde_json::Value::String(text),
            None => self
                .take_while(|c| c.is_alphanumeric() || matches!(c, '-' | '.' | '+'))
                .and_then(|word| serde_json::from_str(&word).map_err(|_| self.error()))?,
        };
        self.spaces();
        self.expect(")]")?;
        Ok(Step::Where { path, value, equal })
    }

    fn spaces(&mut self) {
        while self.take(" ") {}
    }

    /// The text between quotes of either kind, if a quote is next.
    fn quoted(&mut self) -> Result<Option<String>, JsonPathError> {
        let Some(quote @ ('\'' | '"')) = self.rest().chars().next() else { return Ok(None) };
        self.at += 1;
        let Some(len) = self.rest().find(quote) else { return Err(self.error()) };
        let text = self.rest()[..len].to_owned();
        self.at += len + 1;
        Ok(Some(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: &str = r#"{"a":{"b.c":"dotted","d":[1,2,3],"e":null,"a\"q":7},"conditions":[{"type":"Up","status":"True"},{"type":"Ready"},{"type":"Ready","status":"False","n":2}]}"#;

    #[test]
    fn paths_find_what_kubectl_finds() {
        for (path, found) in [
            (".a['b.c']", Some(r#""dotted""#)),
            (r#".a["b.c"]"#, Some(r#""dotted""#)),
            (".a.d[0]", Some("1")),
            (".a.d[-1]", Some("3")),
            (".a.d[3]", None),
            (".a.d[-4]", None),
            (".a.d[*]", Some("1")),
            (".a.d", Some("[1,2,3]")),
            (".a.e", Some("null")),
            (".a.e.f", None),
            (".a.nothing", None),
            (".nothing.at.all", None),
            (".a.d.x", None),
            (r#".conditions[?(@.type=="Ready")].status"#, Some(r#""False""#)),
            (".conditions[?(@.type=='Up')].status", Some(r#""True""#)),
            (r#".conditions[?(@.type != "Up")].status"#, Some(r#""False""#)),
            (".conditions[?(@.n==2)].type", Some(r#""Ready""#)),
            (r#".conditions[?(@.type=="Down")].status"#, None),
            (".conditions[*].status", Some(r#""True""#)),
        ] {
            assert_eq!(JsonPath::parse(path).unwrap().find(OBJECT), found, "{path}");
        }
    }

    #[test]
    fn a_path_that_is_none_is_refused_where_it_breaks() {
        for (path, at) in [
            ("a", 0),
            (".", 1),
            (".a.", 3),
            (".a[", 3),
            (".a[x]", 3),
            (".a['b]", 4),
            (".a[0", 4),
            (".a[--1]", 6),
            (".a[?(@.b)]", 8),
            (r#".a[?(@.b=="c"]"#, 13),
            (".a[?(@.b==c)]", 11),
        ] {
            assert_eq!(JsonPath::parse(path), Err(JsonPathError { at }), "{path}");
        }
    }

    #[test]
    fn bytes_that_are_no_object_hold_nothing() {
        let path = JsonPath::parse(".a").unwrap();
        for json in ["", "1", "[]", "{", r#"{"a""#, "null"] {
            assert_eq!(path.find(json), None, "{json}");
        }
    }
}
