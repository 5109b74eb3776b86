//! Writing objects, lists and watch frames in the form that the client asked for.
//!
//! Objects are kept as they are sent, so that in the storage version this is copying
//! slices. Lists are written in chunks as the connection takes them.

use std::collections::VecDeque;
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

/// Bytes on their way out, in pieces: small ones are copied together, and an object that
/// fills a chunk by itself goes as the slice that is kept, so that an answer which waits
/// for its client holds no copy of it.
#[derive(Debug, Default)]
pub struct Pieces {
    ready: VecDeque<Bytes>,
    last: Vec<u8>,
    len: usize,
}

impl Pieces {
    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.len + self.last.len()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where small pieces are written.
    pub fn end(&mut self) -> &mut Vec<u8> {
        &mut self.last
    }

    /// Appends what is kept elsewhere, without a copy.
    fn push(&mut self, kept: Bytes) {
        if !self.last.is_empty() {
            self.len += self.last.len();
            self.ready.push_back(std::mem::take(&mut self.last).into());
        }
        self.len += kept.len();
        self.ready.push_back(kept);
    }

    /// Takes the first piece.
    pub fn pop(&mut self) -> Option<Bytes> {
        if let Some(first) = self.ready.pop_front() {
            self.len -= first.len();
            return Some(first);
        }
        (!self.last.is_empty()).then(|| std::mem::take(&mut self.last).into())
    }
}

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

    /// The version of whole objects, if they are what is written.
    pub fn whole_version(&self) -> Option<&str> {
        matches!(self.form, FormOf::Object).then_some(&self.api_version)
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
        let mut out = Pieces::default();
        if size <= CHUNK_BYTES {
            out.end().reserve(size + 512);
            while writer.write_chunk(&mut out) {}
            return Body::from(out.pop().unwrap_or_default());
        }
        Body::stream(futures::stream::iter(std::iter::from_fn(move || {
            if out.is_empty() {
                out.end().reserve(CHUNK_BYTES + 8192);
                writer.write_chunk(&mut out);
            }
            out.pop()
        })))
    }

    /// Writes what a change is to a watcher. `first` is whether nothing came before it.
    pub fn event(&self, pieces: &mut Pieces, event: Event<'_>, first: bool) {
        let (kind, entry, revision) = match event {
            Event::Added(entry) => ("ADDED", entry, None),
            Event::Modified(entry) => ("MODIFIED", entry, None),
            Event::Deleted(entry, revision) => ("DELETED", entry, Some(revision)),
        };
        let out = pieces.end();
        out.extend_from_slice(br#"{"type":""#);
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(br#"","object":"#);
        if revision.is_some() || !self.write_long(pieces, entry) {
            self.write(pieces.end(), entry, revision, first);
        }
        pieces.end().extend_from_slice(b"}\n");
    }

    /// Writes an object that fills a chunk by itself, all but its head without a copy;
    /// whether it is one.
    fn write_long(&self, pieces: &mut Pieces, entry: &Entry) -> bool {
        let long = entry.len() > CHUNK_BYTES && matches!(self.form, FormOf::Object);
        if long {
            let (before, after) = entry.around_version();
            pieces.end().extend_from_slice(before);
            pieces.end().extend_from_slice(self.api_version.as_bytes());
            pieces.push(after);
        }
        long
    }

    /// Writes a bookmark of the watched type: typed clients drop any other.
    pub fn bookmark(&self, out: &mut Vec<u8>, revision: Revision, ends_initial_events: bool) {
        let (api_version, kind) = match &self.form {
            FormOf::Object => (self.api_version.as_str(), self.kind.kind.as_str()),
            FormOf::Partial { version, .. } => (version.api_version(), "PartialObjectMetadata"),
            FormOf::Table { version, .. } => (version.api_version(), "Table"),
        };
        let ends = ends_initial_events.then(|| INITIAL_EVENTS_END.to_owned());
        let origin = matches!(self.form, FormOf::Partial { says_origin: true, .. })
            .then(|| format!(r#""{VERSION_ANNOTATION}":"{}""#, self.api_version));
        let annotations: Vec<String> = ends.into_iter().chain(origin).collect();
        let annotations = match annotations.join(",") {
            none if none.is_empty() => none,
            some => format!(r#""annotations":{{{some}}},"#),
        };
        let bookmark = format!(
            r#"{{"apiVersion":"{api_version}","kind":"{kind}","metadata":{{{annotations}"resourceVersion":"{revision}"}}}}"#
        );
        out.extend_from_slice(br#"{"type":"BOOKMARK","object":"#);
        match &self.form {
            // A table has no place for annotations: they stand in a row without a name.
            FormOf::Table { table, version, .. } => {
                let include = IncludeObject::Metadata;
                let now = self.now;
                // What was written a moment ago is an object, so that there is no error to tell.
                let _ = table.write_one(out, *version, bookmark.as_bytes(), include, false, now);
            }
            FormOf::Object | FormOf::Partial { .. } => out.extend_from_slice(bookmark.as_bytes()),
        }
        out.extend_from_slice(b"}\n");
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
        metadata.write(&mut said, matches!(encoder.form, FormOf::Object));
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
    fn write_chunk(&mut self, out: &mut Pieces) -> bool {
        let start = out.len();
        out.end().append(&mut self.head);
        while out.len() - start < CHUNK_BYTES {
            let Some(item) = self.items.next() else {
                out.end().extend(self.tail.take().unwrap_or_default());
                return false;
            };
            if !std::mem::take(&mut self.first) {
                out.end().push(b',');
            }
            if !self.encoder.write_long(out, &item) {
                self.write_item(out.end(), &item);
            }
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
    /// Writes the metadata. In a list of whole objects, which Go writes as a map, `continue`
    /// is there even if it is empty.
    fn write(&self, out: &mut Vec<u8>, of_whole_objects: bool) {
        out.push(b'{');
        if of_whole_objects || !self.token.is_empty() {
            out.extend_from_slice(br#""continue":"#);
            string::write(out, &self.token);
            out.push(b',');
        }
        if let Some(remaining) = self.remaining.filter(|remaining| *remaining > 0) {
            out.extend_from_slice(format!(r#""remainingItemCount":{remaining},"#).as_bytes());
        }
        let revision = self.revision;
        out.extend_from_slice(format!(r#""resourceVersion":"{revision}"}}"#).as_bytes());
    }
}
