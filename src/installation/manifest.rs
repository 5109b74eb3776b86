//! An object as YAML text: stable order, and comments where there is something to edit.
//!
//! The writer knows nothing but plain mappings, lists and scalars. It quotes
//! whatever another reader of YAML might take for a number, a truth value or a
//! date, so the text means the same to every one of them.

use std::fmt::Write as _;

use serde_yaml::Value;

use crate::api::Object;

/// An object that is to be written to a file of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Name of the file.
    pub file: String,
    /// What the object is, in a line or more.
    pub about: String,
    /// The object.
    pub tree: Value,
    /// The typed view, if it is one of the operator's kinds.
    pub object: Option<Object>,
    /// What to say beside its fields.
    pub comments: Vec<Comment>,
}

/// A comment that stands above a field.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Comment {
    /// The field, such as `spec.etcd.endpoints`.
    pub path: String,
    /// The text; lines are broken as they stand.
    pub text: String,
}

impl Comment {
    /// A comment on `path`.
    pub fn new(path: &str, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), text: text.into() }
    }
}

impl Manifest {
    /// The text of the file.
    pub fn text(&self) -> String {
        to_yaml(&self.tree, &self.about, &self.comments)
    }
}

/// The `kustomization.yaml` that lists `files`.
pub fn kustomization(about: &str, files: &[String]) -> String {
    let mut tree = serde_yaml::Mapping::new();
    tree.insert("apiVersion".into(), "kustomize.config.k8s.io/v1beta1".into());
    tree.insert("kind".into(), "Kustomization".into());
    let files = files.iter().map(|it| Value::from(it.as_str())).collect();
    tree.insert("resources".into(), Value::Sequence(files));
    to_yaml(&Value::Mapping(tree), about, &[])
}

/// Writes `tree` below the comment `about`.
pub(super) fn to_yaml(tree: &Value, about: &str, comments: &[Comment]) -> String {
    let mut writer = Writer { out: String::new(), comments };
    writer.comment(about, 0);
    writer.block(tree, "", 0);
    writer.out
}

struct Writer<'a> {
    out: String,
    comments: &'a [Comment],
}

impl Writer<'_> {
    fn comment(&mut self, text: &str, indent: usize) {
        for line in text.lines() {
            self.indent(indent);
            self.out.push_str("# ");
            self.out.push_str(line);
            self.out.push('\n');
        }
    }

    fn indent(&mut self, indent: usize) {
        self.out.extend(std::iter::repeat_n(' ', indent));
    }

    /// Writes a value that begins a line.
    fn block(&mut self, value: &Value, path: &str, indent: usize) {
        match value {
            Value::Mapping(map) if !map.is_empty() => {
                for (key, value) in map {
                    let key = key.as_str().unwrap_or_default();
                    let path =
                        if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
                    for comment in self.comments.iter().filter(|it| it.path == path) {
                        self.comment(&comment.text, indent);
                    }
                    self.indent(indent);
                    self.out.push_str(&scalar_text(key));
                    self.out.push(':');
                    self.value(value, &path, indent);
                }
            }
            Value::Sequence(items) if !items.is_empty() => {
                for item in items {
                    self.indent(indent);
                    self.out.push('-');
                    self.item(item, path, indent);
                }
            }
            scalar => {
                self.indent(indent);
                self.out.push_str(&inline(scalar));
                self.out.push('\n');
            }
        }
    }

    /// Writes a value behind its key.
    fn value(&mut self, value: &Value, path: &str, indent: usize) {
        match value {
            Value::Mapping(map) if !map.is_empty() => {
                self.out.push('\n');
                self.block(value, path, indent + 2);
            }
            Value::Sequence(items) if !items.is_empty() => {
                self.out.push('\n');
                self.block(value, path, indent + 2);
            }
            scalar => {
                self.out.push(' ');
                self.out.push_str(&inline(scalar));
                self.out.push('\n');
            }
        }
    }

    /// Writes a value behind a dash.
    fn item(&mut self, value: &Value, path: &str, indent: usize) {
        if !matches!(value, Value::Mapping(map) if !map.is_empty()) {
            return self.value(value, path, indent);
        }
        // The first key stands on the dash's own line.
        let mut nested = Writer { out: String::new(), comments: &[] };
        nested.block(value, path, indent + 2);
        self.out.push(' ');
        self.out.push_str(nested.out.trim_start_matches(' '));
    }
}

/// A value that fits on its line.
fn inline(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => scalar_text(text),
        Value::Sequence(_) => "[]".to_owned(),
        Value::Mapping(_) => "{}".to_owned(),
        Value::Tagged(tagged) => inline(&tagged.value),
    }
}

/// Words that some reader of YAML takes for a truth value or for nothing.
const WORDS: [&str; 10] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan"];

fn scalar_text(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || " ./:@_-".contains(c))
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if plain {
        return text.to_owned();
    }
    // A JSON string is a YAML string, but for what only YAML takes for a line break or
    // for no text at all. serde_json cannot fail on one.
    let json = serde_json::to_string(text).unwrap_or_default();
    let mut quoted = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn comments_stand_above_their_fields() {
        let tree: Value = serde_yaml::from_str(
            "spec: {etcd: {endpoints: ['https://a:2379'], none: []}, list: [{a: 1, b: {c: x}}, [y]], empty: {}}",
        )
        .unwrap();
        let text = to_yaml(
            &tree,
            "An object.\nTwo lines.",
            &[Comment::new("spec.etcd.endpoints", "EDIT: the members")],
        );
        assert_eq!(
            text,
            "\
# An object.
# Two lines.
spec:
  etcd:
    # EDIT: the members
    endpoints:
      - https://a:2379
    none: []
  list:
    - a: 1
      b:
        c: x
    -
      - \"y\"
  empty: {}
"
        );
        assert_eq!(serde_yaml::from_str::<Value>(&text).unwrap(), tree);
    }

    #[test]
    fn what_only_yaml_takes_for_a_line_break_is_escaped() {
        let text = "a\u{85}b\u{2028}c\u{2029}d\u{feff}e";
        assert_eq!(scalar_text(text), r#""a\u0085b\u2028c\u2029d\ufeffe""#);
        let tree = Value::Mapping([(text.into(), text.into())].into_iter().collect());
        assert_eq!(serde_yaml::from_str::<Value>(&to_yaml(&tree, "about", &[])).unwrap(), tree);
    }

    #[test]
    fn what_another_reader_might_misread_is_quoted() {
        for text in ["on", "Yes", "1e3", "0x1f", "12:30", "8766h", "", "- a", "a: b", "a #b", "~"] {
            assert!(scalar_text(text).starts_with('"'), "{text}");
        }
        for text in ["https://etcd:2379", "v0.32.3", "/var/lib/etcd", "system:kcp:admin"] {
            assert_eq!(scalar_text(text), text);
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
            "[ -~\n\t]{0,12}".prop_map(Value::from),
        ];
        scalar.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Sequence),
                prop::collection::btree_map("\\PC{1,8}", inner, 0..4).prop_map(|map| {
                    Value::Mapping(map.into_iter().map(|(k, v)| (k.into(), v)).collect())
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_as_the_same(tree in values()) {
            let text = to_yaml(&tree, "about", &[]);
            prop_assert_eq!(serde_yaml::from_str::<Value>(&text).unwrap(), tree, "{}", text);
        }
    }
}
