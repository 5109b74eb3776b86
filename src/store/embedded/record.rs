//! One change as bytes, and back.
//!
//! ```text
//! key     revision, 8 bytes, big endian: the order of keys is the order of changes
//! value   0  1   version of this layout
//!         1  1   flags: 1 there is a value, 2 there is a previous revision
//!         2  8   when it was written, in milliseconds since 1970
//!        10  8   the previous revision; absent without its flag
//!            4   length of the key
//!            …   the key
//!            …   the value, up to the end
//! ```
//!
//! All numbers are big endian. No checksum stands here: the log beneath checks
//! one for each journal batch and for each block of a table, on every read.

use bytes::Bytes;

use crate::model::Revision;
use crate::store::Change;

/// The layout that is written.
const VERSION: u8 = 1;

/// There is a value: the change is not a deletion.
const HAS_VALUE: u8 = 1;

/// There was a value before.
const HAS_PREVIOUS: u8 = 2;

/// Bytes that are no record of a layout known here.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum RecordError {
    /// The key is not a revision.
    #[error("a record has a key of {0} bytes instead of 8")]
    Key(usize),
    /// A later version wrote it.
    #[error("a record has layout {found}, this version knows {known}")]
    Version {
        /// Its layout.
        found: u8,
        /// The newest layout that this version knows.
        known: u8,
    },
    /// It ends too early, or has flags that mean nothing.
    #[error("record {0} is malformed")]
    Shape(u64),
}

/// A change before it is stored, with what it needs borrowed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) key: &'a [u8],
    pub(super) value: Option<&'a [u8]>,
    pub(super) previous: Option<Revision>,
    pub(super) at_millis: u64,
}

impl Record<'_> {
    /// Writes the record into `out`, which is emptied first and can be used again.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let flags = if self.value.is_some() { HAS_VALUE } else { 0 }
            | if self.previous.is_some() { HAS_PREVIOUS } else { 0 };
        out.clear();
        out.extend_from_slice(&[VERSION, flags]);
        out.extend_from_slice(&self.at_millis.to_be_bytes());
        if let Some(previous) = self.previous {
            out.extend_from_slice(&previous.0.to_be_bytes());
        }
        // A key is far below 4 GiB: it came out of a URL.
        let key_len = u32::try_from(self.key.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&key_len.to_be_bytes());
        out.extend_from_slice(self.key);
        out.extend_from_slice(self.value.unwrap_or_default());
    }
}

/// The revision that a stored key names.
pub(super) fn decode_revision(key: &[u8]) -> Result<Revision, RecordError> {
    let bytes = key.try_into().map_err(|_| RecordError::Key(key.len()))?;
    Ok(Revision(u64::from_be_bytes(bytes)))
}

/// The change that a stored pair stands for. Its key and value are copies of
/// their exact size, so that keeping one does not keep the block it was read from.
pub(super) fn decode(key: &[u8], record: &[u8]) -> Result<Change, RecordError> {
    let revision = decode_revision(key)?;
    let shape = || RecordError::Shape(revision.0);
    let (&version, rest) = record.split_first().ok_or_else(shape)?;
    if version != VERSION {
        return Err(RecordError::Version { found: version, known: VERSION });
    }
    let (&flags, rest) = rest.split_first().ok_or_else(shape)?;
    if flags & !(HAS_VALUE | HAS_PREVIOUS) != 0 {
        return Err(shape());
    }
    let (at_millis, rest) = take_u64(rest).ok_or_else(shape)?;
    let (previous, rest) = if flags & HAS_PREVIOUS == 0 {
        (None, rest)
    } else {
        let (previous, rest) = take_u64(rest).ok_or_else(shape)?;
        (Some(Revision(previous)), rest)
    };
    let (key_len, rest) = rest.split_first_chunk().ok_or_else(shape)?;
    let key_len = usize::try_from(u32::from_be_bytes(*key_len)).map_err(|_| shape())?;
    let (key, value) = rest.split_at_checked(key_len).ok_or_else(shape)?;
    let value = match flags & HAS_VALUE {
        0 if value.is_empty() => None,
        0 => return Err(shape()),
        _ => Some(Bytes::copy_from_slice(value)),
    };
    Ok(Change { revision, key: Bytes::copy_from_slice(key), value, previous, at_millis })
}

fn take_u64(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_be_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(record: Record<'_>) -> Change {
        let mut bytes = b"left over".to_vec();
        record.encode(&mut bytes);
        decode(&7u64.to_be_bytes(), &bytes).unwrap()
    }

    #[test]
    fn what_was_encoded_is_decoded() {
        let full = Record {
            key: b"/cache/a",
            value: Some(b"{}"),
            previous: Some(Revision(6)),
            at_millis: 12,
        };
        assert_eq!(
            round(full),
            Change {
                revision: Revision(7),
                key: "/cache/a".into(),
                value: Some("{}".into()),
                previous: Some(Revision(6)),
                at_millis: 12,
            }
        );
        assert_eq!(round(Record { value: Some(b""), ..full }).value, Some(Bytes::new()));
        assert_eq!(round(Record { value: None, ..full }).value, None);
        assert_eq!(round(Record { previous: None, ..full }).previous, None);
    }

    #[test]
    fn the_layout_does_not_change() {
        let mut bytes = Vec::new();
        Record { key: b"k", value: Some(b"v"), previous: Some(Revision(2)), at_millis: 1 }
            .encode(&mut bytes);
        assert_eq!(bytes, b"\x01\x03\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\x01kv");
    }

    #[test]
    fn a_record_cut_anywhere_or_of_another_version_is_refused() {
        let mut bytes = Vec::new();
        let record = Record { key: b"k", value: None, previous: Some(Revision(2)), at_millis: 1 };
        record.encode(&mut bytes);
        let key = 7u64.to_be_bytes();
        for cut in 0..bytes.len() {
            assert_eq!(decode(&key, &bytes[..cut]), Err(RecordError::Shape(7)), "cut at {cut}");
        }
        bytes.push(0);
        assert_eq!(decode(&key, &bytes), Err(RecordError::Shape(7)), "a deletion with a value");
        bytes[1] |= 4;
        assert_eq!(decode(&key, &bytes), Err(RecordError::Shape(7)), "an unknown flag");
        bytes[0] = 2;
        assert_eq!(decode(&key, &bytes), Err(RecordError::Version { found: 2, known: 1 }));
        assert_eq!(decode(&[1], &bytes), Err(RecordError::Key(1)));
    }
}
