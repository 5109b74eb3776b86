//! One object, held as the bytes that are sent.

use std::cmp::Ordering;

use bytes::Bytes;

use crate::model::Revision;
use crate::model::json::{Scan, Span, scan};
use crate::model::metadata::{CLUSTER_ANNOTATION, SHARD_ANNOTATION, VERSION_ANNOTATION};

/// How many digits a revision is expected to have: microseconds since 1970 have
/// sixteen until the year 2286, so that the number can be filled in in place.
const REVISION_DIGITS: usize = 16;

/// Where the annotations begin in served metadata: they come first.
const ANNOTATIONS_AT: usize = br#"{"annotations":"#.len();

/// An object as it is served in its storage version: canonical JSON with its
/// resource version and the two server annotations, and a newline.
#[derive(Debug)]
pub struct Entry {
    revision: Revision,
    bytes: Bytes,
    marks: Marks,
}

/// Where the parts that are cut out or replaced lie, and what was stored in place
/// of the two annotations.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Marks {
    api_version: Span,
    metadata: Span,
    revision: Span,
    labels: Span,
    stored_cluster: Stored,
    stored_shard: Stored,
    /// Whether the stored value has no generation, which is served as 1.
    no_generation: bool,
}

/// How a server annotation stands in the stored value.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
enum Stored {
    /// Not at all.
    #[default]
    Absent,
    /// As it is served.
    Same,
    /// With another value, kept here with its quotes.
    Other(Box<[u8]>),
}

/// An entry whose revision is not known yet.
#[derive(Debug)]
pub struct EntryDraft {
    bytes: Vec<u8>,
    marks: Marks,
}

/// A stored value that cannot be served.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EntryError {
    /// Not the canonical JSON of an object.
    #[error("value is not the canonical JSON of an object")]
    NotCanonical,
    /// No `apiVersion` or no `metadata`.
    #[error("value has no apiVersion or no metadata")]
    Incomplete,
}

impl EntryDraft {
    /// Makes what is served of `stored`, whose parts `scan` names, for an object of
    /// `cluster` on `shard`.
    pub fn new(stored: &[u8], scan: &Scan, shard: &str, cluster: &str) -> Result<Self, EntryError> {
        Self::weave(stored, scan, Some((shard, cluster)))
    }

    /// Makes what is served of `stored` where objects do not say where they lie: the same, with
    /// its revision.
    pub fn plain(stored: &[u8], scan: &Scan) -> Result<Self, EntryError> {
        Self::weave(stored, scan, None)
    }

    fn weave(stored: &[u8], scan: &Scan, place: Option<(&str, &str)>) -> Result<Self, EntryError> {
        let (Some(api_version), Some(metadata)) = (scan.api_version, scan.metadata) else {
            return Err(EntryError::Incomplete);
        };
        let grow = place.map_or(0, |(shard, cluster)| shard.len() + cluster.len()) + 120;
        let mut draft = Self {
            bytes: Vec::with_capacity(stored.len() + grow),
            marks: Marks { api_version, ..Marks::default() },
        };
        draft.bytes.extend_from_slice(&stored[..metadata.start as usize]);
        draft.write_metadata(stored, scan, place);
        draft.bytes.extend_from_slice(&stored[metadata.end as usize..scan.end as usize]);
        draft.bytes.push(b'\n');
        Ok(draft)
    }

    /// Scans `stored` and makes what is served of it.
    pub fn from_stored(stored: &[u8], shard: &str, cluster: &str) -> Result<Self, EntryError> {
        let scan = scan::scan(stored).map_err(|_| EntryError::NotCanonical)?;
        Self::new(stored, &scan, shard, cluster)
    }

    /// Scans `stored` and makes what is served of it where objects do not say where they lie.
    pub fn plain_from_stored(stored: &[u8]) -> Result<Self, EntryError> {
        let scan = scan::scan(stored).map_err(|_| EntryError::NotCanonical)?;
        Self::plain(stored, &scan)
    }

    fn write_metadata(&mut self, stored: &[u8], scan: &Scan, place: Option<(&str, &str)>) {
        let start = self.bytes.len();
        self.bytes.push(b'{');
        let annotations = scan.members.first();
        let annotations = annotations.filter(|(key, _)| key.of(stored) == b"annotations");
        let annotations = annotations.map(|(_, value)| value.of(stored));
        match (place, annotations) {
            (Some((shard, cluster)), _) => {
                self.bytes.extend_from_slice(b"\"annotations\":");
                self.write_annotations(annotations.unwrap_or(b"{}"), shard, cluster);
            }
            (None, Some(annotations)) => {
                self.bytes.extend_from_slice(b"\"annotations\":");
                self.bytes.extend_from_slice(annotations);
            }
            (None, None) => {}
        }
        let mut revision_written = false;
        // Only copies of objects need one: who made them may not have sent it.
        let mut generation_written = place.is_none();
        for &(key, value) in &scan.members {
            let (key, value) = (key.of(stored), value.of(stored));
            if matches!(key, b"annotations" | b"resourceVersion") {
                continue;
            }
            if key >= &b"generation"[..] && !std::mem::replace(&mut generation_written, true) {
                self.write_generation(key == b"generation");
            }
            if key > &b"resourceVersion"[..] && !std::mem::replace(&mut revision_written, true) {
                self.write_revision(start);
            }
            self.separate(start);
            self.bytes.push(b'"');
            self.bytes.extend_from_slice(key);
            self.bytes.extend_from_slice(b"\":");
            let from = self.bytes.len();
            self.bytes.extend_from_slice(value);
            if key == b"labels" {
                self.marks.labels = span(from, self.bytes.len());
            }
        }
        if !generation_written {
            self.write_generation(false);
        }
        if !revision_written {
            self.write_revision(start);
        }
        self.bytes.push(b'}');
        self.marks.metadata = span(start, self.bytes.len());
    }

    /// An object that was stored without a generation is served with the first.
    fn write_generation(&mut self, stored: bool) {
        self.marks.no_generation = !stored;
        if !stored {
            self.bytes.extend_from_slice(b",\"generation\":1");
        }
    }

    /// Puts a comma behind a member, if there is one in the object that begins at `start`.
    fn separate(&mut self, start: usize) {
        if self.bytes.len() > start + 1 {
            self.bytes.push(b',');
        }
    }

    fn write_revision(&mut self, start: usize) {
        self.separate(start);
        self.bytes.extend_from_slice(b"\"resourceVersion\":\"");
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[b'0'; REVISION_DIGITS]);
        self.marks.revision = span(start, self.bytes.len());
        self.bytes.push(b'"');
    }

    fn write_annotations(&mut self, stored: &[u8], shard: &str, cluster: &str) {
        // Cluster and shard names need no escapes.
        let mut ours = [
            (CLUSTER_ANNOTATION, cluster, &mut self.marks.stored_cluster),
            (SHARD_ANNOTATION, shard, &mut self.marks.stored_shard),
        ];
        let mut next = 0;
        let mut separator = b'{';
        let mut write = |key: &[u8], value: &[u8], quote: &[u8]| {
            self.bytes.push(std::mem::replace(&mut separator, b','));
            self.bytes.push(b'"');
            self.bytes.extend_from_slice(key);
            self.bytes.extend_from_slice(b"\":");
            self.bytes.extend_from_slice(quote);
            self.bytes.extend_from_slice(value);
            self.bytes.extend_from_slice(quote);
        };
        for (key, value) in scan::members(stored) {
            while let Some((our_key, our_value, state)) = ours.get_mut(next) {
                if our_key.as_bytes() > key {
                    break;
                }
                if our_key.as_bytes() == key {
                    let inside = value.get(1..value.len() - 1).unwrap_or_default();
                    **state = if inside == our_value.as_bytes() {
                        Stored::Same
                    } else {
                        Stored::Other(value.into())
                    };
                }
                write(our_key.as_bytes(), our_value.as_bytes(), b"\"");
                next += 1;
            }
            if ours.iter().all(|(our_key, ..)| our_key.as_bytes() != key) {
                write(key, value, b"");
            }
        }
        for (our_key, our_value, _) in &ours[next..] {
            write(our_key.as_bytes(), our_value.as_bytes(), b"\"");
        }
        self.bytes.push(b'}');
    }

    /// How many bytes it will hold, but for the digits of its revision.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether `entry` has the very same stored bytes.
    pub fn is_same_as(&self, entry: &Entry) -> bool {
        let (ours, theirs) = (self.marks.revision, entry.marks.revision);
        ours.start == theirs.start
            && self.marks.stored_cluster == entry.marks.stored_cluster
            && self.marks.stored_shard == entry.marks.stored_shard
            && self.marks.no_generation == entry.marks.no_generation
            && self.bytes[..ours.start as usize] == entry.bytes[..theirs.start as usize]
            && self.bytes[ours.end as usize..] == entry.bytes[theirs.end as usize..]
    }

    /// Fills in the revision.
    pub fn finish(mut self, revision: Revision) -> Entry {
        let digits = revision.0.to_string();
        let place = self.marks.revision.start as usize..self.marks.revision.end as usize;
        if digits.len() == place.len() {
            self.bytes[place].copy_from_slice(digits.as_bytes());
        } else {
            self.bytes.splice(place.clone(), digits.bytes());
            let end = place.start + digits.len();
            let (grown, shrunk) = (end.saturating_sub(place.end), place.end.saturating_sub(end));
            let moved = |at: u32| at + span(0, grown).end - span(0, shrunk).end;
            self.marks.revision.end = moved(self.marks.revision.end);
            self.marks.metadata.end = moved(self.marks.metadata.end);
        }
        // One copy to the exact size: the object is kept for long.
        let bytes = if self.bytes.len() == self.bytes.capacity() {
            Bytes::from(self.bytes)
        } else {
            Bytes::copy_from_slice(&self.bytes)
        };
        Entry { revision, bytes, marks: self.marks }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "`scan` refuses more than 4 GiB")]
fn span(start: usize, end: usize) -> Span {
    Span { start: start as u32, end: end as u32 }
}

/// Two entries of one place are the same if they come from the same write.
impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.revision == other.revision && self.bytes == other.bytes
    }
}

impl Eq for Entry {}

impl Entry {
    /// When it was written.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The whole object in its storage version, with the newline at its end.
    pub fn line(&self) -> &Bytes {
        &self.bytes
    }

    /// The whole object in its storage version.
    pub fn json(&self) -> &[u8] {
        &self.bytes[..self.bytes.len() - 1]
    }

    /// What `apiVersion` says, which is the storage version.
    pub fn api_version(&self) -> &[u8] {
        self.marks.api_version.of(&self.bytes)
    }

    /// Writes the object with another `apiVersion`, which is all that conversion is,
    /// and perhaps another resource version.
    pub fn write(&self, out: &mut Vec<u8>, api_version: &str, revision: Option<Revision>) {
        let json = self.json();
        let (version, digits) = (self.marks.api_version, self.marks.revision);
        out.reserve(json.len() + 32);
        out.extend_from_slice(&json[..version.start as usize]);
        out.extend_from_slice(api_version.as_bytes());
        match revision {
            None => out.extend_from_slice(&json[version.end as usize..]),
            Some(revision) => {
                out.extend_from_slice(&json[version.end as usize..digits.start as usize]);
                out.extend_from_slice(revision.to_string().as_bytes());
                out.extend_from_slice(&json[digits.end as usize..]);
            }
        }
    }

    /// What stands before and after the `apiVersion`, the latter without a copy.
    pub fn around_version(&self) -> (&[u8], Bytes) {
        let version = self.marks.api_version;
        let end = self.bytes.len() - 1;
        (&self.bytes[..version.start as usize], self.bytes.slice(version.end as usize..end))
    }

    /// Writes the metadata, perhaps with another resource version.
    pub fn write_metadata(&self, out: &mut Vec<u8>, revision: Option<Revision>) {
        self.write_metadata_from(self.marks.metadata.start as usize, out, revision);
    }

    /// Writes the metadata, with the storage version as an annotation unless it has one
    /// of that name: metadata alone does not say of what it is.
    pub fn write_metadata_and_version(&self, out: &mut Vec<u8>, revision: Option<Revision>) {
        let Some(at) = self.place_of_version_annotation() else {
            self.write_metadata(out, revision);
            return;
        };
        out.extend_from_slice(&self.bytes[self.marks.metadata.start as usize..at]);
        out.push(b'"');
        out.extend_from_slice(VERSION_ANNOTATION.as_bytes());
        out.extend_from_slice(b"\":\"");
        out.extend_from_slice(self.api_version());
        out.extend_from_slice(b"\",");
        self.write_metadata_from(at, out, revision);
    }

    fn write_metadata_from(&self, start: usize, out: &mut Vec<u8>, revision: Option<Revision>) {
        let (end, digits) = (self.marks.metadata.end as usize, self.marks.revision);
        let Some(revision) = revision else {
            out.extend_from_slice(&self.bytes[start..end]);
            return;
        };
        out.extend_from_slice(&self.bytes[start..digits.start as usize]);
        out.extend_from_slice(revision.to_string().as_bytes());
        out.extend_from_slice(&self.bytes[digits.end as usize..end]);
    }

    /// Where the annotation that names the storage version belongs; none if it is there.
    fn place_of_version_annotation(&self) -> Option<usize> {
        // The annotations stand first, and that of the shard comes after this one.
        let start = self.marks.metadata.start as usize + ANNOTATIONS_AT;
        let annotations = &self.bytes[start..self.marks.metadata.end as usize];
        let mut at = start + 1;
        for (key, value) in scan::members(annotations) {
            match key.cmp(VERSION_ANNOTATION.as_bytes()) {
                // Two quotes, a colon and a comma.
                Ordering::Less => at += key.len() + value.len() + 4,
                Ordering::Equal => return None,
                Ordering::Greater => break,
            }
        }
        Some(at)
    }

    /// The metadata, braces included.
    pub fn metadata(&self) -> &[u8] {
        self.marks.metadata.of(&self.bytes)
    }

    /// The labels as a JSON object, or nothing.
    pub fn labels(&self) -> &[u8] {
        self.marks.labels.of(&self.bytes)
    }

    /// What was stored in place of the two annotations that the server sets, cluster
    /// first: its JSON value, or none.
    pub fn stored_annotations(&self) -> [Option<Bytes>; 2] {
        [
            (&self.marks.stored_cluster, CLUSTER_ANNOTATION),
            (&self.marks.stored_shard, SHARD_ANNOTATION),
        ]
        .map(|(stored, key)| match stored {
            Stored::Absent => None,
            Stored::Other(value) => Some(Bytes::copy_from_slice(value)),
            Stored::Same => self.served_annotation(key),
        })
    }

    fn served_annotation(&self, key: &str) -> Option<Bytes> {
        let (_, annotations) = scan::members(self.metadata()).into_iter().next()?;
        let members = scan::members(annotations);
        let (_, value) = members.into_iter().find(|(found, _)| *found == key.as_bytes())?;
        Some(Bytes::copy_from_slice(value))
    }

    /// How many bytes it holds.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Never: an entry holds at least its braces.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(stored: &str, revision: u64) -> Entry {
        EntryDraft::from_stored(stored.as_bytes(), "amber", "acme")
            .unwrap()
            .finish(Revision(revision))
    }

    #[test]
    fn the_server_annotations_and_the_revision_are_woven_in() {
        let entry = serve(
            r#"{"apiVersion":"v1","kind":"K","metadata":{"annotations":{"a":"1","kcp.io/path":"p","z":"2"},"labels":{"l":"m"},"name":"x","uid":"u"},"spec":1}"#,
            1_700_000_000_000_000,
        );
        assert_eq!(
            std::str::from_utf8(entry.line()).unwrap(),
            "{\"apiVersion\":\"v1\",\"kind\":\"K\",\"metadata\":{\"annotations\":{\"a\":\"1\",\"kcp.io/cluster\":\"acme\",\"kcp.io/path\":\"p\",\"kcp.io/shard\":\"amber\",\"z\":\"2\"},\"generation\":1,\"labels\":{\"l\":\"m\"},\"name\":\"x\",\"resourceVersion\":\"1700000000000000\",\"uid\":\"u\"},\"spec\":1}\n"
        );
        assert_eq!(entry.labels(), br#"{"l":"m"}"#);
        assert!(entry.metadata().ends_with(br#""uid":"u"}"#));
        assert_eq!(entry.api_version(), b"v1");
        assert_eq!(entry.stored_annotations(), [None, None]);
    }

    #[test]
    fn a_plain_object_gets_its_revision_and_nothing_else() {
        for (metadata, expected) in [
            ("", r#""resourceVersion":"7""#),
            (r#""name":"x","uid":"u""#, r#""name":"x","resourceVersion":"7","uid":"u""#),
            (
                r#""annotations":{"kcp.io/shard":"s"},"labels":{"l":"m"},"name":"x""#,
                r#""annotations":{"kcp.io/shard":"s"},"labels":{"l":"m"},"name":"x","resourceVersion":"7""#,
            ),
            (r#""generation":3,"name":"x""#, r#""generation":3,"name":"x","resourceVersion":"7""#),
        ] {
            let stored = format!(r#"{{"apiVersion":"v1","metadata":{{{metadata}}}}}"#);
            let entry =
                EntryDraft::plain_from_stored(stored.as_bytes()).unwrap().finish(Revision(7));
            assert_eq!(entry.metadata(), format!("{{{expected}}}").as_bytes());
            let again = EntryDraft::plain_from_stored(stored.as_bytes()).unwrap();
            assert!(again.is_same_as(&entry));
        }
    }

    #[test]
    fn a_revision_of_any_length_fits() {
        for revision in [7, 1_700_000_000_000_000, u64::MAX] {
            let entry = serve(r#"{"apiVersion":"v1","metadata":{"name":"x"},"z":0}"#, revision);
            assert!(entry.metadata().ends_with(b"\"}"), "{revision}");
            let mut other = Vec::new();
            entry.write(&mut other, "v2", Some(Revision(9)));
            let other: serde_json::Value = serde_json::from_slice(&other).unwrap();
            assert_eq!((&other["apiVersion"], &other["z"]), (&"v2".into(), &0.into()));
            assert_eq!(other["metadata"]["resourceVersion"], "9");
            let (before, after) = entry.around_version();
            assert_eq!([before, b"v1", &after].concat(), entry.json());
            let mut metadata = Vec::new();
            entry.write_metadata(&mut metadata, Some(Revision(123)));
            assert!(metadata.ends_with(br#""resourceVersion":"123"}"#), "{revision}");
            let value: serde_json::Value = serde_json::from_slice(entry.line()).unwrap();
            assert_eq!(value["metadata"]["resourceVersion"], revision.to_string());
        }
    }

    #[test]
    fn metadata_alone_says_its_version_once() {
        let object = |annotations: &str| {
            format!(
                r#"{{"apiVersion":"g/v1","metadata":{{"annotations":{{{annotations}}},"name":"x"}}}}"#
            )
        };
        for (annotations, expected) in [
            (
                "",
                r#""kcp.io/cluster":"acme","kcp.io/original-api-version":"g/v1","kcp.io/shard":"amber""#,
            ),
            (
                r#""a":"\u003c","kcp.io/n":"1","kcp.io/path":"p""#,
                r#""a":"\u003c","kcp.io/cluster":"acme","kcp.io/n":"1","kcp.io/original-api-version":"g/v1","kcp.io/path":"p","kcp.io/shard":"amber""#,
            ),
            (
                r#""kcp.io/original-api-version":"mine""#,
                r#""kcp.io/cluster":"acme","kcp.io/original-api-version":"mine","kcp.io/shard":"amber""#,
            ),
        ] {
            let entry = serve(&object(annotations), 7);
            for (revision, digits) in [(None, "7"), (Some(Revision(1234)), "1234")] {
                let mut out = Vec::new();
                entry.write_metadata_and_version(&mut out, revision);
                let wanted = format!(
                    r#"{{"annotations":{{{expected}}},"generation":1,"name":"x","resourceVersion":"{digits}"}}"#
                );
                assert_eq!(String::from_utf8(out).unwrap(), wanted);
            }
        }
    }

    #[test]
    fn sameness_is_that_of_the_stored_bytes() {
        let stored = |annotations: &str| {
            format!(r#"{{"apiVersion":"v1","metadata":{{{annotations}"name":"x"}}}}"#)
        };
        let all = [
            "",
            r#""annotations":{"kcp.io/shard":"amber"},"#,
            r#""annotations":{"kcp.io/shard":"other"},"#,
            r#""annotations":{"kcp.io/cluster":"acme","kcp.io/shard":"amber"},"#,
        ];
        for (at, a) in all.iter().enumerate() {
            let entry = serve(&stored(a), 5);
            for (bt, b) in all.iter().enumerate() {
                let draft = EntryDraft::from_stored(stored(b).as_bytes(), "amber", "acme").unwrap();
                assert_eq!(draft.is_same_as(&entry), at == bt, "{a} {b}");
            }
        }
        let entry = serve(&stored(all[2]), 5);
        assert_eq!(entry.stored_annotations(), [None, Some(Bytes::from("\"other\""))]);
    }
}
