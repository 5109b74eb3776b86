//! The metadata of an object: its known fields, each as the canonical JSON of its value.
//!
//! Reading keeps what Go's `ObjectMeta` keeps: known fields with values of the right
//! type. Nulls and empty collections vanish, unknown fields are named and dropped.

use std::borrow::Cow;

use bytes::Bytes;

use super::json::{Scan, Span, scan, string, tree};

/// The annotation that names the cluster an object belongs to. Set by the server.
pub const CLUSTER_ANNOTATION: &str = "kcp.io/cluster";

/// The annotation that names the shard an object belongs to. Set by the server.
pub const SHARD_ANNOTATION: &str = "kcp.io/shard";

/// The annotation that names the version in which an object is stored. Set by the
/// server where it answers with metadata alone from more than one cluster.
pub const VERSION_ANNOTATION: &str = "kcp.io/original-api-version";

/// A known field of metadata. The order is that of the keys' bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names are those of Kubernetes")]
pub enum Field {
    Annotations,
    CreationTimestamp,
    DeletionGracePeriodSeconds,
    DeletionTimestamp,
    Finalizers,
    GenerateName,
    Generation,
    Labels,
    ManagedFields,
    Name,
    Namespace,
    OwnerReferences,
    ResourceVersion,
    SelfLink,
    Uid,
}

/// The number of known fields.
const FIELDS: usize = 15;

const ALL: [(Field, &str, Shape); FIELDS] = [
    (Field::Annotations, "annotations", Shape::Texts),
    (Field::CreationTimestamp, "creationTimestamp", Shape::Time),
    (Field::DeletionGracePeriodSeconds, "deletionGracePeriodSeconds", Shape::Integer),
    (Field::DeletionTimestamp, "deletionTimestamp", Shape::Time),
    (Field::Finalizers, "finalizers", Shape::Array),
    (Field::GenerateName, "generateName", Shape::Text),
    (Field::Generation, "generation", Shape::Count),
    (Field::Labels, "labels", Shape::Texts),
    (Field::ManagedFields, "managedFields", Shape::Array),
    (Field::Name, "name", Shape::Text),
    (Field::Namespace, "namespace", Shape::Text),
    (Field::OwnerReferences, "ownerReferences", Shape::Array),
    (Field::ResourceVersion, "resourceVersion", Shape::Text),
    (Field::SelfLink, "selfLink", Shape::Text),
    (Field::Uid, "uid", Shape::Text),
];

#[derive(Clone, Copy)]
enum Shape {
    Text,
    Integer,
    /// An integer that means nothing if it is 0.
    Count,
    Time,
    Texts,
    Array,
}

/// The fields of one object's metadata.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Metadata {
    values: [Option<Bytes>; FIELDS],
}

/// A field whose value is of the wrong type.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("metadata.{field}: expected {expected}")]
pub struct MetadataError {
    /// The field.
    pub field: &'static str,
    /// What its value must be.
    pub expected: &'static str,
}

impl Field {
    fn name(self) -> &'static str {
        ALL[self as usize].1
    }
}

impl Metadata {
    /// Reads the metadata that `scan` found in `bytes`, and the names of the fields
    /// that nobody knows.
    pub fn read(bytes: &Bytes, scan: &Scan) -> Result<(Self, Vec<String>), MetadataError> {
        let mut metadata = Self::default();
        let mut unknown = Vec::new();
        for &(key, value) in &scan.members {
            let key = key.of(bytes);
            let Some(&(field, name, shape)) =
                ALL.iter().find(|(_, name, _)| name.as_bytes() == key)
            else {
                unknown.push(String::from_utf8_lossy(key).into_owned());
                continue;
            };
            metadata.values[field as usize] = normal(bytes, value, name, shape)?;
        }
        Ok((metadata, unknown))
    }

    /// Reads the metadata of a kept object: a canonical JSON object.
    pub fn of_kept(json: &Bytes) -> Self {
        let mut metadata = Self::default();
        for (key, value) in scan::members(json) {
            if let Some((field, ..)) = ALL.iter().find(|(_, name, _)| name.as_bytes() == key) {
                metadata.values[*field as usize] = Some(json.slice_ref(value));
            }
        }
        metadata
    }

    /// The canonical JSON of a field's value.
    pub fn raw(&self, field: Field) -> Option<&Bytes> {
        self.values[field as usize].as_ref()
    }

    /// The text of a field that holds a string; empty if there is none.
    pub fn text(&self, field: Field) -> Cow<'_, str> {
        let Some(raw) = self.raw(field) else { return Cow::Borrowed("") };
        let inside = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
        string::decode(std::str::from_utf8(inside).unwrap_or_default())
    }

    /// Whether a field has a value.
    pub fn has(&self, field: Field) -> bool {
        self.values[field as usize].is_some()
    }

    /// Gives a field a value, or none.
    pub fn set(&mut self, field: Field, raw: Option<Bytes>) {
        self.values[field as usize] = raw;
    }

    /// Gives a field that holds a string a value; an empty one removes it.
    pub fn set_text(&mut self, field: Field, text: &str) {
        let mut raw = Vec::with_capacity(text.len() + 2);
        string::write(&mut raw, text);
        self.set(field, (!text.is_empty()).then(|| raw.into()));
    }

    /// The value of an annotation.
    pub fn annotation(&self, key: &str) -> Option<Cow<'_, str>> {
        let annotations = self.raw(Field::Annotations)?;
        let (_, value) =
            scan::members(annotations).into_iter().find(|(found, _)| *found == key.as_bytes())?;
        let inside = value.get(1..value.len() - 1).unwrap_or_default();
        Some(string::decode(std::str::from_utf8(inside).unwrap_or_default()))
    }

    /// How many bytes [`Self::write`] writes at the most.
    pub fn len_max(&self) -> usize {
        2 + self.values.iter().flatten().map(|raw| raw.len() + 32).sum::<usize>()
    }

    /// Writes the metadata as it is stored: canonical, without the fields that only
    /// an answer has. Answers with where its members lie in `out`.
    pub fn write(&self, out: &mut Vec<u8>) -> Vec<(Span, Span)> {
        let mut members = Vec::with_capacity(FIELDS);
        let span = |start: usize, end: usize| Span {
            start: u32::try_from(start).unwrap_or(u32::MAX),
            end: u32::try_from(end).unwrap_or(u32::MAX),
        };
        out.push(b'{');
        let mut first = true;
        for (field, name, _) in ALL {
            if matches!(field, Field::ResourceVersion | Field::SelfLink) {
                continue;
            }
            let Some(raw) = self.raw(field) else { continue };
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            out.push(b'"');
            let key = span(out.len(), out.len() + name.len());
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            members.push((key, span(out.len(), out.len() + raw.len())));
            out.extend_from_slice(raw);
        }
        out.push(b'}');
        members
    }

    /// The key of a field, as it stands in JSON.
    pub fn key(field: Field) -> &'static str {
        field.name()
    }
}

/// The value at `value` in the form in which it is kept; none if it means nothing.
fn normal(
    bytes: &Bytes,
    value: Span,
    field: &'static str,
    shape: Shape,
) -> Result<Option<Bytes>, MetadataError> {
    let raw = value.of(bytes);
    let wrong = |expected| Err(MetadataError { field, expected });
    let keep = || Some(bytes.slice(value.start as usize..value.end as usize));
    Ok(match (shape, raw) {
        (_, b"null") | (Shape::Text, b"\"\"") | (Shape::Texts, b"{}") | (Shape::Array, b"[]") => {
            None
        }
        (Shape::Text, [b'"', ..]) | (Shape::Array, [b'[', ..]) => keep(),
        (Shape::Text, _) => return wrong("a string"),
        (Shape::Array, _) => return wrong("an array"),
        (Shape::Count, b"0") => None,
        (Shape::Integer | Shape::Count, _)
            if raw.iter().all(|b| b.is_ascii_digit() || *b == b'-') =>
        {
            keep()
        }
        (Shape::Integer | Shape::Count, _) => return wrong("an integer"),
        (Shape::Time, [b'"', text @ .., b'"']) => match normal_time(text) {
            Some(None) => keep(),
            Some(Some(time)) => Some(time),
            None => return wrong("a time such as 2006-01-02T15:04:05Z"),
        },
        (Shape::Time, _) => return wrong("a time such as 2006-01-02T15:04:05Z"),
        (Shape::Texts, [b'{', ..]) => match texts(raw) {
            Texts::Normal => keep(),
            Texts::Nulls => Some(without_nulls(raw)),
            Texts::Wrong => return wrong("an object whose values are strings"),
        },
        (Shape::Texts, _) => return wrong("an object whose values are strings"),
    })
}

/// Nothing if the time is written as Go writes it, the rewritten one if it is not,
/// and none if it is no time.
#[expect(clippy::option_option, reason = "three answers, said in the doc")]
fn normal_time(text: &[u8]) -> Option<Option<Bytes>> {
    let form = b"0000-00-00T00:00:00Z";
    let plain = text.len() == form.len()
        && text.iter().zip(form).all(|(b, f)| if *f == b'0' { b.is_ascii_digit() } else { b == f });
    let time: jiff::Timestamp = std::str::from_utf8(text).ok()?.parse().ok()?;
    if plain {
        return Some(None);
    }
    Some(Some(time.strftime("\"%Y-%m-%dT%H:%M:%SZ\"").to_string().into()))
}

enum Texts {
    Normal,
    Nulls,
    Wrong,
}

fn texts(raw: &[u8]) -> Texts {
    let mut found = Texts::Normal;
    for (_, value) in scan::members(raw) {
        match value {
            [b'"', ..] => {}
            b"null" => found = Texts::Nulls,
            _ => return Texts::Wrong,
        }
    }
    found
}

/// A null among strings is read as the empty string, as Go does.
fn without_nulls(raw: &[u8]) -> Bytes {
    let mut value: serde_json::Value = serde_json::from_slice(raw).unwrap_or_default();
    for value in value.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
        if value.is_null() {
            *value = "".into();
        }
    }
    tree::to_vec(&value).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(metadata: &str) -> Result<(String, Vec<String>), MetadataError> {
        let bytes = Bytes::from(format!(r#"{{"metadata":{metadata}}}"#));
        let scan = scan::scan(&bytes).unwrap();
        let (metadata, unknown) = Metadata::read(&bytes, &scan)?;
        let mut out = Vec::new();
        metadata.write(&mut out);
        Ok((String::from_utf8(out).unwrap(), unknown))
    }

    #[test]
    fn the_order_of_fields_is_that_of_their_keys() {
        assert!(ALL.windows(2).all(|pair| pair[0].1 < pair[1].1));
        assert!(ALL.iter().enumerate().all(|(at, (field, ..))| *field as usize == at));
    }

    #[test]
    fn what_means_nothing_is_dropped() {
        let (kept, unknown) = read(
            r#"{"annotations":{},"bogus":1,"creationTimestamp":null,"deletionGracePeriodSeconds":0,"finalizers":[],"generation":0,"labels":{"a":null},"name":"x","resourceVersion":"7","selfLink":"s"}"#,
        )
        .unwrap();
        // No time to wait is not the same as nothing said.
        assert_eq!(kept, r#"{"deletionGracePeriodSeconds":0,"labels":{"a":""},"name":"x"}"#);
        assert_eq!(unknown, ["bogus"]);
    }

    #[test]
    fn times_are_kept_in_seconds_of_utc() {
        let (kept, _) = read(r#"{"creationTimestamp":"2026-01-02T03:04:05.678+01:00"}"#).unwrap();
        assert_eq!(kept, r#"{"creationTimestamp":"2026-01-02T02:04:05Z"}"#);
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused() {
        for (metadata, field) in [
            (r#"{"name":1}"#, "name"),
            (r#"{"labels":{"a":1}}"#, "labels"),
            (r#"{"labels":[]}"#, "labels"),
            (r#"{"generation":1.5}"#, "generation"),
            (r#"{"creationTimestamp":"now"}"#, "creationTimestamp"),
            (r#"{"finalizers":{}}"#, "finalizers"),
        ] {
            assert_eq!(read(metadata).unwrap_err().field, field, "{metadata}");
        }
    }
}
