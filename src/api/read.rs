//! Text to documents: YAML or JSON, one object or many.
//!
//! Each document is parsed to a tree and to its type. Errors name the file, the
//! line and the column, counted in the whole file, and the field.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::check::plain_form;
use super::object::{Kind, Object};
use super::{
    API_VERSION, CacheServerSpec, CommonShardSpec, FrontProxySpec, GROUP, KubeconfigSpec,
    RootShardSpec, ShardSpec, VirtualWorkspaceSpec,
};

/// One object, as it stood in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Where it begins.
    pub source: Place,
    /// Its place among the `items` of a `List`, from zero.
    pub item: Option<usize>,
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

/// An object that could not be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejected {
    /// Where its document begins.
    pub source: Place,
    /// Its place among the `items` of a `List`, from zero.
    pub item: Option<usize>,
    /// What kind of mistake it is.
    pub reason: Reason,
    /// The mistake.
    pub error: ReadError,
    /// Its kind, if that is one of the operator's.
    pub kind: Option<Kind>,
    /// Every field, as far as there are any.
    pub tree: Value,
}

/// Why an object could not be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// The text is neither YAML nor JSON, or no object.
    Syntax,
    /// The operator's group has no such version or kind.
    Kind,
    /// A field is not what its kind says.
    Field,
}

/// Everything in a text: what could be read, and what could not.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The objects, in order.
    pub documents: Vec<Document>,
    /// The rest, in order.
    pub rejected: Vec<Rejected>,
}

/// Reads every object in `text`, in order. `file` is what errors call it.
///
/// Objects of other groups are kept as [`Object::Other`], and a `List` is taken
/// apart. Empty documents are skipped. The first mistake ends the reading.
pub fn read_documents(text: &str, file: &str) -> Result<Vec<Document>, ReadError> {
    let file: Arc<str> = file.into();
    let mut documents = Vec::new();
    for chunk in chunks(text) {
        for read in (Reader { file: &file, chunk }).objects() {
            documents.push(read.map_err(|rejected| rejected.error)?);
        }
    }
    Ok(documents)
}

/// As [`read_documents`], past every mistake: a broken object does not hide the others.
pub fn read_all(text: &str, file: &str) -> Reading {
    let file: Arc<str> = file.into();
    let mut reading = Reading::default();
    for chunk in chunks(text) {
        for read in (Reader { file: &file, chunk }).objects() {
            match read {
                Ok(document) => reading.documents.push(document),
                Err(rejected) => reading.rejected.push(*rejected),
            }
        }
    }
    reading
}

/// The part of a file's text that holds the document at `source`, and how many lines
/// stand before it.
pub(super) fn document_text<'a>(text: &'a str, source: &Place) -> Option<(&'a str, usize)> {
    let chunk = chunks(text).into_iter().find(|it| it.content + 1 == source.line)?;
    Some((chunk.text, chunk.line))
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

    /// Every object of the document: one, none, or the items of a `List`.
    fn objects(&self) -> Vec<Result<Document, Box<Rejected>>> {
        let mut tree = match self.tree() {
            Ok(Some(tree)) => tree,
            Ok(None) => return Vec::new(),
            Err(error) => {
                return vec![Err(self.rejected((Reason::Syntax, error), None, Value::Null))];
            }
        };
        if tree["kind"] != "List" || tree["apiVersion"] != "v1" {
            return vec![self.object(tree, None)];
        }
        match tree["items"].take() {
            Value::Array(items) => {
                let items = items.into_iter().enumerate();
                items.map(|(index, item)| self.object(item, Some(index))).collect()
            }
            Value::Null => Vec::new(),
            _ => {
                let error = (Reason::Syntax, self.error("items: expected a list of objects"));
                vec![Err(self.rejected(error, None, Value::Null))]
            }
        }
    }

    fn object(&self, tree: Value, item: Option<usize>) -> Result<Document, Box<Rejected>> {
        let at = item.map(|index| format!("items[{index}]: ")).unwrap_or_default();
        let object = self.identify(&tree, &at).and_then(|found| match found {
            Ok(kind) => {
                self.view(kind, &tree, item.is_none(), &at).map_err(|it| (Reason::Field, it))
            }
            Err(other) => Ok(other),
        });
        match object {
            Ok(object) => Ok(Document { source: self.place(), item, tree, object }),
            Err(mistake) => Err(self.rejected(mistake, item, tree)),
        }
    }

    fn rejected(
        &self,
        (reason, error): (Reason, ReadError),
        item: Option<usize>,
        tree: Value,
    ) -> Box<Rejected> {
        let kind = tree["kind"].as_str().and_then(Kind::from_name);
        let kind = kind.filter(|_| tree["apiVersion"] == API_VERSION);
        Box::new(Rejected { source: self.place(), item, reason, error, kind, tree })
    }

    /// The typed view: from the text if that can be, because errors then have a place.
    fn view(&self, kind: Kind, tree: &Value, alone: bool, at: &str) -> Result<Object, ReadError> {
        if tree["spec"].is_null() {
            return self.typed_tree(kind, &with_empty_spec(kind, tree), at);
        }
        // Merge keys are resolved in the tree only.
        let read = if alone && !self.chunk.text.contains("<<") {
            self.typed(kind)
        } else {
            self.typed_tree(kind, tree, at)
        };
        // A server takes more than our types do: nulls, and quantities that are numbers.
        read.or_else(|error| from_tree(kind, &plain_form(kind, tree)).map_err(|_| error))
    }

    /// Tells the operator's kinds from all others.
    fn identify(
        &self,
        tree: &Value,
        at: &str,
    ) -> Result<Result<Kind, Object>, (Reason, ReadError)> {
        if !tree.is_object() {
            let message = format!("{at}expected an object with `apiVersion` and `kind`");
            return Err((Reason::Syntax, self.error(message)));
        }
        let text = |key: &str| match &tree[key] {
            Value::String(text) if !text.is_empty() => Ok(text.as_str()),
            _ => {
                let message = format!("{at}`{key}` is missing or not a string");
                Err((Reason::Syntax, self.error(message)))
            }
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
            let message =
                format!("{at}apiVersion `{api_version}` is not known; expected `{API_VERSION}`");
            return Err((Reason::Kind, self.error(message)));
        }
        let Some(known) = Kind::from_name(kind) else {
            let known = Kind::ALL.map(|it| format!("`{}`", it.as_str())).join(", ");
            let message = format!("{at}`{API_VERSION}` has no kind `{kind}`; it has {known}");
            return Err((Reason::Kind, self.error(message)));
        };
        if metadata["name"].as_str().is_none_or(str::is_empty) {
            let error = self.error(format!("{at}{kind} without `metadata.name`"));
            return Err((Reason::Syntax, error));
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

/// A tree whose `spec` says nothing, as the operator's CRDs allow.
fn with_empty_spec(kind: Kind, tree: &Value) -> Value {
    let spec = match kind {
        Kind::CacheServer => serde_json::to_value(CacheServerSpec::default()),
        Kind::RootShard => serde_json::to_value(RootShardSpec::default()),
        Kind::Shard => serde_json::to_value(ShardSpec::default()),
        Kind::FrontProxy => serde_json::to_value(FrontProxySpec::default()),
        Kind::VirtualWorkspace => serde_json::to_value(VirtualWorkspaceSpec::default()),
        Kind::Kubeconfig => serde_json::to_value(KubeconfigSpec::default()),
    };
    let mut tree = tree.clone();
    tree["spec"] = spec.unwrap_or_default();
    tree
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
    fn a_document_survives_being_written_and_read_again() {
        for document in read_documents(CACHE, "a.yaml").unwrap() {
            for text in [
                serde_json::to_string(&document.tree),
                Ok(serde_yaml::to_string(&document.tree).unwrap()),
            ] {
                let again = read_documents(&text.unwrap(), "b.yaml").unwrap();
                assert_eq!((&again[0].tree, &again[0].object), (&document.tree, &document.object));
            }
        }
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
    fn what_the_operators_crds_accept_is_read() {
        for kind in Kind::ALL {
            let head = format!(
                "apiVersion: {API_VERSION}\nkind: {}\nmetadata: {{name: a}}\n",
                kind.as_str()
            );
            for rest in ["", "spec:\n", "status: {}\n"] {
                let read = read_documents(&format!("{head}{rest}"), "a.yaml").unwrap();
                assert_eq!(read[0].object.kind(), Some(kind));
                assert_eq!(read[0].tree.get("spec"), (rest == "spec:\n").then_some(&Value::Null));
            }
        }
        let nulls = shard(
            "  etcd: {endpoints: [], prefix: null}\n  extraArgs: null\n  replicas: ~\n  resources: {limits: {cpu: 2, memory: 1Gi}}\n",
        );
        let read = read_documents(&nulls, "a.yaml").unwrap();
        assert_eq!(read[0].tree["spec"]["resources"]["limits"]["cpu"], 2);
        let Object::Shard(view) = &read[0].object else { panic!("{read:?}") };
        let limits = view.spec.common.resources.as_ref().and_then(|it| it.limits.as_ref()).unwrap();
        assert_eq!(limits["cpu"].0, "2");
    }

    #[test]
    fn a_broken_object_does_not_hide_the_others() {
        let text = format!(
            "{CACHE}---\na: [\n---\n{}---\n- 1\n---\n{}---\n\
             apiVersion: v1\nkind: List\nitems:\n- {{apiVersion: v1, kind: Secret}}\n- 7\n",
            shard("  etcd: 7\n").trim_start_matches("---\n"),
            CACHE.replace("v1alpha1", "v2"),
        );
        let Reading { documents, rejected } = read_all(&text, "a.yaml");
        let kinds: Vec<&str> = documents.iter().map(|it| it.object.kind_name()).collect();
        assert_eq!(kinds, ["CacheServer", "Secret", "Secret", "Secret"]);
        let said: Vec<(Reason, String)> =
            rejected.iter().map(|it| (it.reason, it.error.to_string())).collect();
        assert_eq!(
            said,
            [
                (
                    Reason::Syntax,
                    "a.yaml:20:1: did not find expected node content, while parsing a flow node"
                ),
                (
                    Reason::Field,
                    "a.yaml:28:9: spec.etcd: invalid type: integer `7`, expected struct EtcdConfig"
                ),
                (Reason::Syntax, "a.yaml:30:1: expected an object with `apiVersion` and `kind`"),
                (
                    Reason::Kind,
                    "a.yaml:34:1: apiVersion `operator.kcp.io/v2` is not known; expected \
                     `operator.kcp.io/v1alpha1`"
                ),
                (
                    Reason::Syntax,
                    "a.yaml:50:1: items[1]: expected an object with `apiVersion` and `kind`"
                ),
            ]
            .map(|(reason, text)| (reason, text.to_owned()))
        );
        assert_eq!(rejected[1].kind, Some(Kind::Shard));
        assert_eq!(rejected[1].tree["metadata"]["name"], "a");
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
        assert_eq!(refused("[1]\n"), "a.yaml:1:1: expected an object with `apiVersion` and `kind`");
    }
}
