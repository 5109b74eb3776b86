//! `labelSelector`: comma-separated requirements, all of which must hold.

use std::str::FromStr;

use crate::model::json::scan;

/// The longest name part of a label key, and the longest value, in bytes.
const NAME_LEN_MAX: usize = 63;

/// The longest prefix of a label key, in bytes.
const PREFIX_LEN_MAX: usize = 253;

/// What the labels of an object must be.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
    Above(i64),
    Below(i64),
}

/// The text is not a label selector.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LabelError {
    /// Something else was expected at some point.
    #[error("unable to parse requirement: found '{found}', expected: {expected}")]
    Syntax {
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
    /// Something else was expected between two requirements.
    #[error("found '{found}', expected: {expected}")]
    Between {
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
    /// Values without the parenthesis before them.
    #[error("unable to parse requirement: found '{found}' expected: '('")]
    NoValues {
        /// What stands there.
        found: String,
    },
    /// Not a label key.
    #[error("unable to parse requirement: key: Invalid value: \"{key}\": {why}")]
    Key {
        /// The key.
        key: String,
        /// The rule that it breaks.
        why: &'static str,
    },
    /// Not a label value.
    #[error("unable to parse requirement: values[{at}][{key}]: Invalid value: \"{value}\": {why}")]
    Value {
        /// Which of the values.
        at: usize,
        /// The key that it is compared with.
        key: String,
        /// The value.
        value: String,
        /// The rule that it breaks.
        why: &'static str,
    },
}

impl LabelSelector {
    /// Whether every object matches.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether an object with these labels, a canonical JSON object or nothing, matches.
    pub fn matches(&self, labels: &[u8]) -> bool {
        if self.requirements.is_empty() {
            return true;
        }
        let labels = if labels.is_empty() { Vec::new() } else { scan::members(labels) };
        self.requirements.iter().all(|requirement| {
            let value = labels
                .iter()
                .find(|(key, _)| *key == requirement.key.as_bytes())
                .map(|(_, value)| value.get(1..value.len() - 1).unwrap_or_default());
            requirement.test.holds(value)
        })
    }
}

impl Test {
    fn holds(&self, value: Option<&[u8]>) -> bool {
        let number = || std::str::from_utf8(value?).ok()?.parse::<i64>().ok();
        match self {
            Self::Exists => value.is_some(),
            Self::Absent => value.is_none(),
            Self::In(wanted) => value.is_some_and(|value| contains(wanted, value)),
            Self::NotIn(unwanted) => !value.is_some_and(|value| contains(unwanted, value)),
            Self::Above(bound) => number().is_some_and(|number| number > *bound),
            Self::Below(bound) => number().is_some_and(|number| number < *bound),
        }
    }
}

fn contains(values: &[String], value: &[u8]) -> bool {
    values.iter().any(|wanted| wanted.as_bytes() == value)
}

impl FromStr for LabelSelector {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        let mut parser = Parser { rest: text };
        let mut requirements = Vec::new();
        if parser.peek() == "" {
            return Ok(Self::default());
        }
        loop {
            let begins = parser.peek();
            if begins != "!" && is_symbol(begins) {
                let is_first = requirements.is_empty();
                return Err(between(
                    begins,
                    if is_first {
                        "!, identifier, or 'end of string'"
                    } else {
                        "identifier after ','"
                    },
                ));
            }
            requirements.push(parser.requirement()?);
            match parser.next() {
                "" => return Ok(Self { requirements }),
                "," => {}
                found => return Err(between(found, "',' or 'end of string'")),
            }
        }
    }
}

fn syntax(found: &str, expected: &'static str) -> LabelError {
    LabelError::Syntax { found: found.to_owned(), expected }
}

fn between(found: &str, expected: &'static str) -> LabelError {
    LabelError::Between { found: found.to_owned(), expected }
}

/// Whether a token is no word: the end, or what stands between words.
fn is_symbol(token: &str) -> bool {
    matches!(token, "" | "=" | "==" | "!=" | "!" | "(" | ")" | "<" | ">" | ",")
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    /// The next token, empty at the end.
    fn peek(&self) -> &'a str {
        let rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
        for operator in ["==", "!="] {
            if rest.starts_with(operator) {
                return &rest[..2];
            }
        }
        let special = |c: char| matches!(c, '=' | '!' | '(' | ')' | '<' | '>' | ',');
        if rest.starts_with(special) {
            return &rest[..1];
        }
        let end = rest.find(|c: char| special(c) || c.is_ascii_whitespace());
        &rest[..end.unwrap_or(rest.len())]
    }

    fn next(&mut self) -> &'a str {
        let token = self.peek();
        let rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
        self.rest = &rest[token.len()..];
        token
    }

    fn requirement(&mut self) -> Result<Requirement, LabelError> {
        if self.peek() == "!" {
            self.next();
            return Ok(Requirement { key: self.key()?, test: Test::Absent });
        }
        let key = self.key()?;
        let test = match self.peek() {
            "" | "," => Test::Exists,
            "=" | "==" => {
                self.next();
                Test::In(vec![self.value(&key, 0)?])
            }
            "!=" => {
                self.next();
                Test::NotIn(vec![self.value(&key, 0)?])
            }
            "in" => {
                self.next();
                Test::In(self.values(&key)?)
            }
            "notin" => {
                self.next();
                Test::NotIn(self.values(&key)?)
            }
            bound @ (">" | "<") => {
                self.next();
                let text = self.next();
                let number = text.parse().map_err(|_| syntax(text, "an integer"))?;
                if bound == ">" { Test::Above(number) } else { Test::Below(number) }
            }
            found => return Err(syntax(found, "in, notin, =, ==, !=, gt, lt")),
        };
        Ok(Requirement { key, test })
    }

    fn key(&mut self) -> Result<String, LabelError> {
        let key = self.next();
        if is_symbol(key) {
            return Err(syntax(key, "identifier"));
        }
        let (prefix, name) = match key.rsplit_once('/') {
            Some((prefix, name)) => (Some(prefix), name),
            None => (None, key),
        };
        let bad = |why| LabelError::Key { key: key.to_owned(), why };
        if name.is_empty() || !is_label_text(name) {
            return Err(bad(
                "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
            ));
        }
        if prefix.is_some_and(|prefix| !is_subdomain(prefix)) {
            return Err(bad("prefix part must be a lowercase RFC 1123 subdomain"));
        }
        Ok(key.to_owned())
    }

    /// A value, which may be empty.
    fn value(&mut self, key: &str, at: usize) -> Result<String, LabelError> {
        let value = match self.peek() {
            "," | ")" | "" => "",
            _ => self.next(),
        };
        if is_label_text(value) {
            return Ok(value.to_owned());
        }
        Err(LabelError::Value {
            at,
            key: key.to_owned(),
            value: value.to_owned(),
            why: "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
        })
    }

    fn values(&mut self, key: &str) -> Result<Vec<String>, LabelError> {
        match self.next() {
            "(" => {}
            found => return Err(LabelError::NoValues { found: found.to_owned() }),
        }
        let mut values = Vec::new();
        loop {
            values.push(self.value(key, values.len())?);
            match self.next() {
                ")" => return Ok(values),
                "," => {}
                found => return Err(syntax(found, "',' or ')'")),
            }
        }
    }
}

fn is_label_text(text: &str) -> bool {
    let alnum = |b: &u8| b.is_ascii_alphanumeric();
    let bytes = text.as_bytes();
    bytes.len() <= NAME_LEN_MAX
        && bytes.iter().all(|b| alnum(b) || matches!(b, b'-' | b'_' | b'.'))
        && bytes.first().is_none_or(alnum)
        && bytes.last().is_none_or(alnum)
}

/// Whether `name` is a DNS-1123 subdomain.
pub fn is_subdomain(name: &str) -> bool {
    let alnum = |b: &u8| matches!(b, b'a'..=b'z' | b'0'..=b'9');
    let word = |word: &str| {
        let bytes = word.as_bytes();
        bytes.first().is_some_and(alnum)
            && bytes.last().is_some_and(alnum)
            && bytes.iter().all(|b| alnum(b) || *b == b'-')
    };
    name.len() <= PREFIX_LEN_MAX && name.split('.').all(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(selector: &str, labels: &str) -> bool {
        selector.parse::<LabelSelector>().unwrap().matches(labels.as_bytes())
    }

    #[test]
    fn every_operator_is_understood() {
        let labels = r#"{"a":"1","app.kubernetes.io/name":"kcp","empty":""}"#;
        for (selector, expected) in [
            ("", true),
            ("a", true),
            ("!a", false),
            ("b", false),
            ("!b", true),
            ("a=1", true),
            ("a==1", true),
            ("a = 1 , !b", true),
            ("a!=1", false),
            ("b!=1", true),
            ("a in (1,2)", true),
            ("a in (2, 3)", false),
            ("a notin (2)", true),
            ("b notin (2)", true),
            ("empty=", true),
            ("empty in ()", true),
            ("a>0", true),
            ("a<1", false),
            ("app.kubernetes.io/name=kcp", true),
            ("in in (x)", false),
        ] {
            assert_eq!(matches(selector, labels), expected, "{selector}");
        }
        assert!(!matches("a", ""));
    }

    #[test]
    fn anything_else_is_refused() {
        for selector in
            ["a=b=c", "a in 1", "=", "a in (1", "-a", "a b", "a=$", "A/b", ",", "a,", "a>x", "!"]
        {
            assert!(selector.parse::<LabelSelector>().is_err(), "{selector}");
        }
    }
}
