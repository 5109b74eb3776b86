//! Where the fields of a document stand in their file.
//!
//! The tree of a document has no places, so they are looked up afterwards, for the few
//! fields that something has to be said about.

use std::collections::HashMap;

use granit_parser::{Event, Parser, Span};

use super::read::Place;

/// The lines and columns of one document's fields, by path.
#[derive(Clone, Debug, Default)]
pub struct Places {
    fields: HashMap<String, (usize, usize)>,
}

impl Places {
    /// Those of the document that begins at `source` in the file that holds `text`.
    ///
    /// What the reader of places cannot follow has none: a caller falls back to the
    /// beginning of the document.
    pub fn of(text: &str, source: &Place) -> Self {
        let Some((text, line)) = super::read::document_text(text, source) else {
            return Self::default();
        };
        let mut walk = Walk { fields: HashMap::new(), open: Vec::new(), line };
        for event in Parser::new_from_str(text) {
            let Ok((event, span)) = event else { break };
            walk.take(&event, span);
        }
        Self { fields: walk.fields }
    }

    /// The line and column of the field at `path`, else of the nearest that holds it.
    pub fn find(&self, path: &str) -> Option<(usize, usize)> {
        let mut path = path;
        loop {
            if let Some(place) = self.fields.get(path) {
                return Some(*place);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }
}

/// A collection that is being read.
enum Open {
    /// A mapping, and the key whose value is next.
    Map { path: String, key: Option<(String, (usize, usize))> },
    /// A sequence, and the number of its next item.
    List { path: String, next: usize },
}

struct Walk {
    fields: HashMap<String, (usize, usize)>,
    open: Vec<Open>,
    /// Lines of the file before the text that is read.
    line: usize,
}

impl Walk {
    fn take(&mut self, event: &Event<'_>, span: Span) {
        let at = (span.start.line() + self.line, span.start.col() + 1);
        match event {
            // A null that nobody wrote stands at its key.
            Event::Scalar(text, ..) => self.scalar(text, at, !span.is_empty()),
            Event::Alias(_) => self.scalar("*", at, true),
            Event::MappingStart(..) => {
                let path = self.collection(at);
                self.open.push(Open::Map { path, key: None });
            }
            Event::SequenceStart(..) => {
                let path = self.collection(at);
                self.open.push(Open::List { path, next: 0 });
            }
            Event::MappingEnd | Event::SequenceEnd => {
                self.open.pop();
            }
            _ => {}
        }
    }

    fn scalar(&mut self, text: &str, at: (usize, usize), shown: bool) {
        if !self.is_key(text, at) {
            self.node(at, shown);
        }
    }

    /// Takes a scalar as the key of the mapping that waits for one.
    fn is_key(&mut self, text: &str, at: (usize, usize)) -> bool {
        let Some(Open::Map { key: key @ None, .. }) = self.open.last_mut() else { return false };
        *key = Some((text.to_owned(), at));
        true
    }

    /// A collection, which may stand where a key should: no object has such keys.
    fn collection(&mut self, at: (usize, usize)) -> String {
        if self.is_key("?", at) { String::from("?") } else { self.node(at, false) }
    }

    /// Remembers where a value stands: a short one at itself, a long one at its key.
    fn node(&mut self, at: (usize, usize), short: bool) -> String {
        let (path, at) = match self.open.last_mut() {
            None => (String::new(), at),
            Some(Open::List { path, next }) => {
                *next += 1;
                (format!("{path}[{}]", *next - 1), at)
            }
            Some(Open::Map { path, key }) => {
                let (key, key_at) = key.take().unwrap_or_default();
                let dot = if path.is_empty() { "" } else { "." };
                (format!("{path}{dot}{key}"), if short { at } else { key_at })
            }
        };
        self.fields.insert(path.clone(), at);
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# The first.
---
spec: {a: 1}
---
spec:
  replicas: two
  etcd:
    endpoints:
    - http://a
    - b
  empty:
  labels: {a.b/c: \"x\", d: [1, 2]}
  same: &it {x: 1}
  again: *it
";

    fn place(path: &str) -> Option<(usize, usize)> {
        let source = Place { file: "a.yaml".into(), line: 5, column: 1 };
        Places::of(TEXT, &source).find(path)
    }

    #[test]
    fn a_value_stands_where_it_stands_in_the_file() {
        for (path, line, column) in [
            ("spec", 5, 1),
            ("spec.replicas", 6, 13),
            ("spec.etcd.endpoints", 8, 5),
            ("spec.etcd.endpoints[1]", 10, 7),
            ("spec.empty", 11, 3),
            ("spec.labels.a.b/c", 12, 19),
            ("spec.labels.d[1]", 12, 31),
            ("spec.again", 14, 10),
        ] {
            assert_eq!(place(path), Some((line, column)), "{path}");
        }
    }

    #[test]
    fn what_is_not_there_stands_where_it_would_be() {
        assert_eq!(place("spec.etcd.tlsConfig.secretRef"), place("spec.etcd"));
        assert_eq!(place("spec.etcd.endpoints[7]"), place("spec.etcd.endpoints"));
        assert_eq!(place("spec.again.x"), place("spec.again"));
        assert_eq!(place("status"), None);
        let nowhere = Place { file: "a.yaml".into(), line: 99, column: 1 };
        assert_eq!(Places::of(TEXT, &nowhere).find("spec"), None);
        let broken = Place { file: "a.yaml".into(), line: 1, column: 1 };
        assert_eq!(Places::of("spec: [", &broken).find("spec.x"), Some((1, 1)));
    }
}
