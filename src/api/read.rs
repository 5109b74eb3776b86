//! Text to documents: YAML or JSON, one object or many.
//!
//! Each document is parsed to a tree and to its type. Errors name the file, the
//! line and the column, counted in the whole file, and the field.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::object::{Kind, Object};
use super::{API_VERSION, CommonShardSpec, GROUP};

/// One object, as it stood in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Where it begins.
    pub source: Place,
    /// Every field, also those that the type does not know.
    pub tree: Value,
    /// The typed view.
    pub object: Object,
}

/// A place in a file; lines and columns count from one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// The text is not what it should be.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct ReadError {
    /// Where.
    pub place: Place,
    /// What, beginning with the path of the field if it has one.
    pub message: String,
}

/// Reads every object in `text`, in order. `file` is what errors call it.
///
/// Objects of other groups are kept as [`Object::Other`], and a `List` is taken
/// apart. Empty documents are skipped.
pub fn read_documents(text: &str, file: &str) -> Result<Vec<Document>, ReadError> {
    let file: Arc<str> = file.into();
    let mut documents = Vec::new();
    for chunk in chunks(text) {
        let reader = Reader { file: &file, chunk };
        let Some(tree) = reader.tree()? else { continue };
        if tree["kind"] == "List" && tree["apiVersion"] == "v1" {
            for (index, item) in tree["items"].as_array().into_iter().flatten().enumerate() {
                documents.push(reader.item(index, item)?);
            }
        } else {
            documents.push(reader.document(tree)?);
        }
    }
    Ok(documents)
}

/// Reads exactly one value, such as a topology file, with the same errors.
pub fn read_value<T: DeserializeOwned>(text: &str, file: &str) -> Result<T, ReadError> {
    let place = Place { file: file.into(), line: 1, column: 1 };
    serde_yaml::from_str(text).map_err(|error| yaml_error(&error, place))
}

/// A document's part of the text.
#[derive(Clone, Copy)]
struct Chunk<'a> {
    text: &'a str,
    /// The line of the file that it begins on, from zero.
    line: usize,
    /// The first line that holds more than a comment, from zero.
    content: usize,
}

/// Splits at the markers. A line that begins with `---` ends a document wherever
/// it stands, also in a block scalar, so nothing needs to be parsed for this.
fn chunks(text: &str) -> Vec<Chunk<'_>> {
    let mut chunks = Vec::new();
    let (mut begin, mut begin_line, mut content) = (0, 0, None);
    let mut offset = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let rest = line.strip_prefix("---");
        if rest.is_some_and(|it| it.is_empty() || it.starts_with([' ', '\t', '\r', '\n'])) {
            if let Some(content) = content.take() {
                chunks.push(Chunk { text: &text[begin..offset], line: begin_line, content });
            }
            (begin, begin_line) = (offset, number);
        }
        let bare = rest.unwrap_or(line).trim_start_matches('\u{feff}').trim_start();
        if content.is_none() && !bare.is_empty() && !bare.starts_with(['#', '%']) {
            content = Some(number);
        }
        offset += line.len();
    }
    if let Some(content) = content {
        chunks.push(Chunk { text: &text[begin..], line: begin_line, content });
    }
    chunks
}

struct Reader<'a> {
    file: &'a Arc<str>,
    chunk: Chunk<'a>,
}

impl Reader<'_> {
    fn place(&self) -> Place {
        Place { file: Arc::clone(self.file), line: self.chunk.content + 1, column: 1 }
    }

    fn error(&self, message: impl Into<String>) -> ReadError {
        ReadError { place: self.place(), message: message.into() }
    }

    /// Parses the chunk. On an error it is parsed again behind as many empty lines
    /// as stand before it, so that every line in the message is one of the file.
    fn parse<T: DeserializeOwned>(&self) -> Result<T, ReadError> {
        serde_yaml::from_str(self.chunk.text).or_else(|_| {
            let padded = "\n".repeat(self.chunk.line) + self.chunk.text;
            serde_yaml::from_str(&padded).map_err(|error| yaml_error(&error, self.place()))
        })
    }

    fn tree(&self) -> Result<Option<Value>, ReadError> {
        let mut tree: serde_yaml::Value = self.parse()?;
        tree.apply_merge().map_err(|error| self.error(error.to_string()))?;
        let tree = serde_json::to_value(&tree)
            .map_err(|error| self.error(format!("this is not a JSON object: {error}")))?;
        match tree {
            Value::Null => Ok(None),
            Value::Object(_) => Ok(Some(tree)),
            _ => Err(self.error("expected an object with `apiVersion` and `kind`")),
        }
    }

    fn document(&self, tree: Value) -> Result<Document, ReadError> {
        let object = match self.identify(&tree, "")? {
            // Merge keys are resolved in the tree only.
            Ok(kind) if self.chunk.text.contains("<<") => self.typed_tree(kind, &tree, "")?,
            Ok(kind) => self.typed(kind)?,
            Err(other) => other,
        };
        Ok(Document { source: self.place(), tree, object })
    }

    fn item(&self, index: usize, item: &Value) -> Result<Document, ReadError> {
        let at = format!("items[{index}]: ");
        let object = match self.identify(item, &at)? {
            Ok(kind) => self.typed_tree(kind, item, &at)?,
            Err(other) => other,
        };
        Ok(Document { source: self.place(), tree: item.clone(), object })
    }

    /// Tells the operator's kinds from all others.
    fn identify(&self, tree: &Value, at: &str) -> Result<Result<Kind, Object>, ReadError> {
        let text = |key: &str| match &tree[key] {
            Value::String(text) if !text.is_empty() => Ok(text.as_str()),
            _ => Err(self.error(format!("{at}`{key}` is missing or not a string"))),
        };
        let (api_version, kind) = (text("apiVersion")?, text("kind")?);
        let metadata = &tree["metadata"];
        if api_version.split('/').next() != Some(GROUP) {
            return Ok(Err(Object::Other {
                api_version: api_version.to_owned(),
                kind: kind.to_owned(),
                name: metadata["name"].as_str().map(str::to_owned),
                namespace: metadata["namespace"].as_str().map(str::to_owned),
            }));
        }
        if api_version != API_VERSION {
            return Err(self.error(format!(
                "{at}apiVersion `{api_version}` is not known; expected `{API_VERSION}`"
            )));
        }
        let Some(known) = Kind::from_name(kind) else {
            let known = Kind::ALL.map(|it| format!("`{}`", it.as_str())).join(", ");
            return Err(
                self.error(format!("{at}`{API_VERSION}` has no kind `{kind}`; it has {known}"))
            );
        };
        for (field, present) in [
            ("metadata.name", metadata["name"].as_str().is_some_and(|it| !it.is_empty())),
            ("spec", tree["spec"].is_object()),
        ] {
            if !present {
                return Err(self.error(format!("{at}{kind} without `{field}`")));
            }
        }
        Ok(Ok(known))
    }

    fn typed(&self, kind: Kind) -> Result<Object, ReadError> {
        /// What two kinds take in whole: serde buffers it there and loses lines.
        #[derive(Deserialize)]
        struct Shards {
            #[serde(rename = "spec")]
            _spec: CommonShardSpec,
        }
        if matches!(kind, Kind::RootShard | Kind::Shard) {
            self.parse::<Shards>()?;
        }
        Ok(match kind {
            Kind::CacheServer => Object::CacheServer(self.parse()?),
            Kind::RootShard => Object::RootShard(self.parse()?),
            Kind::Shard => Object::Shard(self.parse()?),
            Kind::FrontProxy => Object::FrontProxy(self.parse()?),
            Kind::VirtualWorkspace => Object::VirtualWorkspace(self.parse()?),
            Kind::Kubeconfig => Object::Kubeconfig(self.parse()?),
        })
    }

    fn typed_tree(&self, kind: Kind, tree: &Value, at: &str) -> Result<Object, ReadError> {
        from_tree(kind, tree).map_err(|error| self.error(format!("{at}{error}")))
    }
}

/// The typed view of a tree.
pub(super) fn from_tree(kind: Kind, tree: &Value) -> serde_json::Result<Object> {
    Ok(match kind {
        Kind::CacheServer => Object::CacheServer(Box::deserialize(tree)?),
        Kind::RootShard => Object::RootShard(Box::deserialize(tree)?),
        Kind::Shard => Object::Shard(Box::deserialize(tree)?),
        Kind::FrontProxy => Object::FrontProxy(Box::deserialize(tree)?),
        Kind::VirtualWorkspace => Object::VirtualWorkspace(Box::deserialize(tree)?),
        Kind::Kubeconfig => Object::Kubeconfig(Box::deserialize(tree)?),
    })
}

fn yaml_error(error: &serde_yaml::Error, fallback: Place) -> ReadError {
    let message = error.to_string();
    let Some(location) = error.location() else {
        return ReadError { place: fallback, message };
    };
    let place = Place { line: location.line(), column: location.column(), ..fallback };
    // The place stands in front already.
    let suffix = format!(" at line {} column {}", place.line, place.column);
    let message = message.replacen(&suffix, "", 1);
    ReadError { place, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CACHE: &str = "\
# A comment.
---
apiVersion: operator.kcp.io/v1alpha1
kind: CacheServer
metadata:
  name: cache
spec:
  replicas: 1
  certificates:
    issuerRef: {name: selfsigned}
  future: {kept: true}
---
# Nothing but a comment.
---
apiVersion: v1
kind: Secret
metadata: {name: etcd, namespace: kcp}
";

    fn refused(text: &str) -> String {
        read_documents(text, "a.yaml").unwrap_err().to_string()
    }

    fn shard(etcd: &str) -> String {
        format!(
            "---\n---\napiVersion: operator.kcp.io/v1alpha1\nkind: Shard\nmetadata:\n  name: a\nspec:\n  \
             rootShard:\n    ref: {{name: root}}\n{etcd}"
        )
    }

    #[test]
    fn a_document_keeps_what_its_type_does_not_know() {
        let documents = read_documents(CACHE, "a.yaml").unwrap();
        let [cache, secret] = documents.as_slice() else { panic!("{documents:?}") };
        assert_eq!(cache.source.to_string(), "a.yaml:3:1");
        assert_eq!(cache.object.kind(), Some(Kind::CacheServer));
        assert_eq!((cache.object.kind_name(), cache.object.name()), ("CacheServer", "cache"));
        assert_eq!(cache.tree["spec"]["future"]["kept"], true);
        assert_eq!(secret.source.line, 15);
        assert_eq!(secret.object.kind(), None);
        assert_eq!((secret.object.kind_name(), secret.object.name()), ("Secret", "etcd"));
        assert_eq!(secret.object.namespace(), Some("kcp"));
    }

    #[test]
    fn json_and_lists_are_read_too() {
        let cache = serde_json::to_string(&read_documents(CACHE, "").unwrap()[0].tree).unwrap();
        assert_eq!(read_documents(&cache, "a.json").unwrap().len(), 1);
        let list = format!(r#"{{"apiVersion":"v1","kind":"List","items":[{cache},{cache}]}}"#);
        let documents = read_documents(&list, "list.json").unwrap();
        assert_eq!(documents.len(), 2);
        assert_eq!(documents[1].object.name(), "cache");
        assert_eq!(read_documents("", "a.yaml"), Ok(vec![]));
        assert_eq!(read_documents("# only\n---\n# comments\n", "a.yaml"), Ok(vec![]));
    }

    #[test]
    fn merge_keys_are_resolved() {
        let text = shard("  <<: &etcd\n    etcd: {endpoints: ['https://a:2379']}\n");
        let documents = read_documents(&text, "a.yaml").unwrap();
        let Object::Shard(shard) = &documents[0].object else { panic!("{documents:?}") };
        assert_eq!(shard.spec.common.etcd.endpoints, ["https://a:2379"]);
    }

    #[test]
    fn errors_name_the_place_in_the_file_and_the_field() {
        assert_eq!(
            refused(&shard("  etcd:\n    endpoints: https://a:2379\n")),
            "a.yaml:11:16: spec.etcd.endpoints: invalid type: string \"https://a:2379\", \
             expected a sequence"
        );
        assert_eq!(refused(&shard("")), "a.yaml:8:3: spec: missing field `etcd`");
        assert_eq!(
            refused(&shard("  etcd: {endpoints: []}\n  replicas: two\n")),
            "a.yaml:11:13: spec.replicas: invalid type: string \"two\", expected i32"
        );
        assert_eq!(
            refused(&shard("  etcd: {endpoints: []}\n  replicas: 1\n  replicas: 2\n")),
            "a.yaml:8:3: spec: duplicate entry with key \"replicas\""
        );
        assert_eq!(
            refused("a: 1\n---\nb: [\n"),
            "a.yaml:1:1: `apiVersion` is missing or not a string"
        );
        assert_eq!(
            refused(&format!("{CACHE}---\nb: [\n")),
            "a.yaml:20:1: did not find expected node content, while parsing a flow node"
        );
    }

    #[test]
    fn what_is_no_object_of_the_operator_is_refused() {
        let object = |api_version: &str, kind: &str, rest: &str| {
            refused(&format!("apiVersion: {api_version}\nkind: {kind}\n{rest}"))
        };
        assert_eq!(
            object("operator.kcp.io/v1", "Shard", ""),
            "a.yaml:1:1: apiVersion `operator.kcp.io/v1` is not known; expected \
             `operator.kcp.io/v1alpha1`"
        );
        assert_eq!(
            object(API_VERSION, "Bundle", ""),
            "a.yaml:1:1: `operator.kcp.io/v1alpha1` has no kind `Bundle`; it has `CacheServer`, \
             `RootShard`, `Shard`, `FrontProxy`, `VirtualWorkspace`, `Kubeconfig`"
        );
        assert_eq!(
            object(API_VERSION, "Shard", "spec: {}\n"),
            "a.yaml:1:1: Shard without `metadata.name`"
        );
        assert_eq!(
            object(API_VERSION, "Shard", "metadata: {name: a}\n"),
            "a.yaml:1:1: Shard without `spec`"
        );
        assert_eq!(refused("[1]\n"), "a.yaml:1:1: expected an object with `apiVersion` and `kind`");
    }
}
