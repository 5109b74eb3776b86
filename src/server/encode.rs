//! Writing objects, lists and watch frames in the form that the client asked for.
//!
//! Objects are kept as they are sent, so that in the storage version this is copying
//! slices. Lists are written in chunks as the connection takes them.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use crate::model::json::string;
use crate::model::metadata::VERSION_ANNOTATION;
use crate::model::{ResourceType, Revision};
use crate::view::{Entry, Event};

use super::accept::Form;
use super::body::Body;
use super::status::ApiError;
use super::table::{IncludeObject, MetaVersion, Table};
use super::types::Served;

/// How many bytes of a list or a watch are written at once: four of the largest TLS
/// records, enough that the cost of a chunk does not show.
pub const CHUNK_BYTES: usize = 64 << 10;

/// The annotation on the bookmark that ends the initial events of a watch.
const INITIAL_EVENTS_END: &str = r#""k8s.io/initial-events-end":"true""#;

/// How the objects of one answer are written.
#[derive(Clone, Debug)]
pub struct Encoder {
    api_version: String,
    kind: Arc<ResourceType>,
    form: FormOf,
    now: Timestamp,
}

#[derive(Clone, Debug)]
enum FormOf {
    Object,
    Table { table: Arc<Table>, version: MetaVersion, include: IncludeObject },
    Partial { version: MetaVersion, says_origin: bool },
}

/// What the metadata of a list says.
#[derive(Clone, Debug, Default)]
pub struct ListMetadata {
    /// The revision at which it is a snapshot.
    pub revision: Revision,
    /// How to go on; empty at the end.
    pub token: String,
    /// How many items there are after this page, if that is known and not none.
    pub remaining: Option<usize>,
}

impl Encoder {
    /// An encoder for objects of `served` in `version`. `says_origin` is whether
    /// metadata alone says of which version it is.
    pub fn new(
        served: &Served,
        version: &str,
        form: Form,
        include: Option<&str>,
        says_origin: bool,
    ) -> Result<Self, ApiError> {
        let form = match form {
            Form::Object => FormOf::Object,
            Form::Partial(version) => FormOf::Partial { version, says_origin },
            Form::Table(meta) => {
                let include = include.unwrap_or_default();
                let bad = |()| {
                    ApiError::bad_request(format!(
                        "Unable to convert to Table as requested: includeObject: Invalid value: \"{include}\": must be 'Metadata', 'Object', 'None', or empty"
                    ))
                };
                let include = include.parse().map_err(bad)?;
                let table = served.table(version).ok_or_else(ApiError::page_not_found)?;
                FormOf::Table { table: table.clone(), version: meta, include }
            }
        };
        Ok(Self {
            api_version: served.kind.api_version(version),
            kind: served.kind.clone(),
            form,
            now: Timestamp::now(),
        })
    }

    /// The body of one object.
    pub fn one(&self, entry: &Entry) -> Bytes {
        if matches!(self.form, FormOf::Object) && entry.api_version() == self.api_version.as_bytes()
        {
            return entry.line().clone();
        }
        let mut out = Vec::with_capacity(entry.len() + 256);
        self.write(&mut out, entry, None, true);
        out.push(b'\n');
        out.into()
    }

    /// Writes one object; as a whole table if that is the form.
    fn write(&self, out: &mut Vec<u8>, entry: &Entry, revision: Option<Revision>, first: bool) {
        match &self.form {
            FormOf::Object => self.write_whole(out, entry, revision),
            FormOf::Partial { version, says_origin } => {
                write_partial(out, entry, *version, *says_origin, revision);
            }
            FormOf::Table { table, version, include } => {
                let mut whole = Vec::with_capacity(entry.len() + 32);
                self.write_whole(&mut whole, entry, revision);
                // A watch lives long: the age is that of this moment, not of its beginning.
                let now = Timestamp::now();
                // What is kept is an object, so that there is no error to tell.
                let _ = table.write_one(out, *version, &whole, *include, first, now);
            }
        }
    }

    fn write_whole(&self, out: &mut Vec<u8>, entry: &Entry, revision: Option<Revision>) {
        if revision.is_none() && entry.api_version() == self.api_version.as_bytes() {
            out.extend_from_slice(entry.json());
        } else {
            entry.write(out, &self.api_version, revision);
        }
    }

    /// The body of a list.
    pub fn list(self, items: Vec<Arc<Entry>>, metadata: &ListMetadata) -> Body {
        let size: usize = items.iter().map(|it| it.len()).sum();
        let mut writer = ListWriter::new(self, items, metadata);
        if size <= CHUNK_BYTES {
            let mut all = Vec::with_capacity(size + 512);
            while writer.write_chunk(&mut all) {}
            return Body::from(all);
        }
        Body::stream(futures::stream::iter(std::iter::from_fn(move || {
            let mut chunk = Vec::with_capacity(CHUNK_BYTES + 8192);
            writer.write_chunk(&mut chunk);
            (!chunk.is_empty()).then(|| chunk.into())
        })))
    }

    /// Writes what a change is to a watcher. `first` is whether nothing came before it.
    pub fn event(&self, out: &mut Vec<u8>, event: Event<'_>, first: bool) {
        let (kind, entry, revision) = match event {
            Event::Added(entry) => ("ADDED", entry, None),
            Event::Modified(entry) => ("MODIFIED", entry, None),
            Event::Deleted(entry, revision) => ("DELETED", entry, Some(revision)),
        };
        out.extend_from_slice(br#"{"type":""#);
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(br#"","object":"#);
        self.write(out, entry, revision, first);
        out.extend_from_slice(b"}\n");
    }

    /// Writes a bookmark of the watched type: typed clients drop any other.
    pub fn bookmark(&self, out: &mut Vec<u8>, revision: Revision, ends_initial_events: bool) {
        let (api_version, kind) = match &self.form {
            FormOf::Object => (self.api_version.as_str(), self.kind.kind.as_str()),
            FormOf::Partial { version, .. } => (version.api_version(), "PartialObjectMetadata"),
            FormOf::Table { version, .. } => (version.api_version(), "Table"),
        };
        let ends = ends_initial_events.then(|| INITIAL_EVENTS_END.to_owned());
        let origin = matches!(self.form, FormOf::Partial { says_origin: true, .. }).then(|| {
            let stored = self.kind.api_version(&self.kind.storage_version);
            format!(r#""{VERSION_ANNOTATION}":"{stored}""#)
        });
        let annotations: Vec<String> = ends.into_iter().chain(origin).collect();
        let annotations = match annotations.join(",") {
            none if none.is_empty() => none,
            some => format!(r#""annotations":{{{some}}},"#),
        };
        let rows = match &self.form {
            FormOf::Table { .. } => r#","columnDefinitions":null,"rows":[]"#,
            FormOf::Object | FormOf::Partial { .. } => "",
        };
        out.extend_from_slice(
            format!(
                "{{\"type\":\"BOOKMARK\",\"object\":{{\"apiVersion\":\"{api_version}\",\"kind\":\"{kind}\",\"metadata\":{{{annotations}\"resourceVersion\":\"{revision}\"}}{rows}}}}}\n"
            )
            .as_bytes(),
        );
    }
}

/// Writes the frame that ends a watch with a reason.
pub fn error_event(out: &mut Vec<u8>, error: &ApiError) {
    out.extend_from_slice(br#"{"type":"ERROR","object":"#);
    out.extend_from_slice(error.body().trim_ascii_end());
    out.extend_from_slice(b"}\n");
}

fn write_partial(
    out: &mut Vec<u8>,
    entry: &Entry,
    version: MetaVersion,
    says_origin: bool,
    revision: Option<Revision>,
) {
    out.extend_from_slice(br#"{"apiVersion":""#);
    out.extend_from_slice(version.api_version().as_bytes());
    out.extend_from_slice(br#"","kind":"PartialObjectMetadata","metadata":"#);
    if says_origin {
        entry.write_metadata_and_version(out, revision);
    } else {
        entry.write_metadata(out, revision);
    }
    out.push(b'}');
}

/// A list on its way to the client.
struct ListWriter {
    encoder: Encoder,
    items: std::vec::IntoIter<Arc<Entry>>,
    head: Vec<u8>,
    tail: Option<Vec<u8>>,
    first: bool,
}

impl ListWriter {
    fn new(encoder: Encoder, items: Vec<Arc<Entry>>, metadata: &ListMetadata) -> Self {
        let mut said = Vec::with_capacity(128);
        metadata.write(&mut said);
        let (mut head, mut tail) = (Vec::new(), Vec::new());
        match &encoder.form {
            FormOf::Table { table, version, .. } => {
                table.write_head(&mut head, *version, &said, true);
                Table::write_tail(&mut tail);
                tail.push(b'\n');
            }
            FormOf::Object | FormOf::Partial { .. } => {
                let (api_version, kind) = match &encoder.form {
                    FormOf::Partial { version, .. } => {
                        (version.api_version(), "PartialObjectMetadataList")
                    }
                    _ => (encoder.api_version.as_str(), encoder.kind.list_kind.as_str()),
                };
                head = format!(r#"{{"apiVersion":"{api_version}","items":["#).into_bytes();
                tail = format!(r#"],"kind":"{kind}","metadata":"#).into_bytes();
                tail.extend_from_slice(&said);
                tail.extend_from_slice(b"}\n");
            }
        }
        Self { encoder, items: items.into_iter(), head, tail: Some(tail), first: true }
    }

    /// Writes the next chunk; whether there may be more.
    fn write_chunk(&mut self, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        out.append(&mut self.head);
        while out.len() - start < CHUNK_BYTES {
            let Some(item) = self.items.next() else {
                out.extend(self.tail.take().unwrap_or_default());
                return false;
            };
            if !std::mem::take(&mut self.first) {
                out.push(b',');
            }
            self.write_item(out, &item);
        }
        true
    }

    fn write_item(&self, out: &mut Vec<u8>, entry: &Entry) {
        let encoder = &self.encoder;
        match &encoder.form {
            FormOf::Object => encoder.write_whole(out, entry, None),
            FormOf::Partial { version, says_origin } => {
                write_partial(out, entry, *version, *says_origin, None);
            }
            FormOf::Table { table, version, include } => {
                let whole;
                let object = if entry.api_version() == encoder.api_version.as_bytes() {
                    entry.json()
                } else {
                    let mut other = Vec::with_capacity(entry.len() + 32);
                    encoder.write_whole(&mut other, entry, None);
                    whole = other;
                    &whole
                };
                // What is kept is an object, so that there is no error to tell.
                let _ = table.write_row(out, *version, object, *include, encoder.now);
            }
        }
    }
}

impl ListMetadata {
    /// Writes the metadata as Go writes a map: `continue` is there even if it is empty.
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"continue":"#);
        string::write(out, &self.token);
        if let Some(remaining) = self.remaining.filter(|remaining| *remaining > 0) {
            out.extend_from_slice(format!(r#","remainingItemCount":{remaining}"#).as_bytes());
        }
        let revision = self.revision;
        out.extend_from_slice(format!(r#","resourceVersion":"{revision}"}}"#).as_bytes());
    }
}
