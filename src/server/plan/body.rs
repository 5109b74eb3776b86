//! Reading the body of a write: canonical bytes as they are, anything else rewritten.

use std::str::FromStr;

use bytes::Bytes;
use serde_json::Value;

use crate::model::json::{Scan, scan, tree};
use crate::model::metadata::{Field, Metadata};

use super::{Subject, owners, validate};
use crate::server::status::{ApiError, Problem};

/// How many bytes of a body an error message repeats.
const SHOWN_MAX: usize = 1024;

/// What the client sent: canonical JSON, and its metadata.
#[derive(Clone, Debug)]
pub struct Incoming {
    pub(super) bytes: Bytes,
    pub(super) scan: Scan,
    /// The metadata as it was sent, without what means nothing.
    pub metadata: Metadata,
    /// What the client should know although the write is made.
    pub warnings: Vec<String>,
}

/// What is done about fields that are given twice or that nobody knows.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum FieldValidation {
    /// Nothing.
    Ignore,
    /// They are named in warnings.
    #[default]
    Warn,
    /// They are refused.
    Strict,
}

impl FromStr for FieldValidation {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "" | "Warn" => Ok(Self::Warn),
            "Ignore" => Ok(Self::Ignore),
            "Strict" => Ok(Self::Strict),
            _ => Err(()),
        }
    }
}

impl Incoming {
    /// Reads a body that is to become an object of `subject`'s type.
    pub fn read(
        body: Bytes,
        subject: &Subject<'_>,
        validation: FieldValidation,
    ) -> Result<Self, ApiError> {
        Self::read_patched(body, subject, validation, &[])
    }

    /// The object as a tree.
    pub fn tree(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    /// What `tree` says, in place of what was sent.
    pub(super) fn replaced_by(&self, tree: &Value) -> Result<Self, ApiError> {
        let bytes = Bytes::from(tree::to_vec(tree));
        let unreadable = || ApiError::bad_request("the object is nested too deeply");
        let scan = scan::scan(&bytes).map_err(|_| unreadable())?;
        let (metadata, _) = Metadata::read(&bytes, &scan).map_err(|_| unreadable())?;
        Ok(Self { bytes, scan, metadata, warnings: self.warnings.clone() })
    }

    /// What is stored, to be stored again.
    pub(super) fn of_stored(tree: &Value) -> Result<Self, ApiError> {
        let nothing = Self {
            bytes: Bytes::new(),
            scan: Scan::default(),
            metadata: Metadata::default(),
            warnings: Vec::new(),
        };
        nothing.replaced_by(tree)
    }

    /// Reads what a patch has made of an object, with what was found in the patch.
    pub fn read_patched(
        body: Bytes,
        subject: &Subject<'_>,
        validation: FieldValidation,
        found: &[String],
    ) -> Result<Self, ApiError> {
        let sent = body.clone();
        let (mut bytes, mut scan, duplicates) = canonical(body, subject)?;
        check_type(&bytes, &scan, &sent, subject)?;
        let mut unknown = Vec::new();
        if let Some(structure) = subject.structure {
            let mut object: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            unknown = structure.prune(&mut object);
            if !unknown.is_empty() {
                (bytes, scan, _) = canonical(tree::to_vec(&object).into(), subject)?;
            }
        }
        let kind = &subject.kind.kind;
        let cannot = |why: String| {
            let version = subject.version;
            ApiError::bad_request(format!(
                "{kind} in version \"{version}\" cannot be handled as a {kind}: {why}"
            ))
        };
        let (mut metadata, strange) =
            Metadata::read(&bytes, &scan).map_err(|error| cannot(error.to_string()))?;
        unknown.extend(strange.into_iter().map(|name| format!("metadata.{name}")));
        check_kind(&bytes, &scan, &metadata, subject)?;
        let duplicates = duplicates.into_iter().map(|path| format!("duplicate field \"{path}\""));
        let unknown = unknown.into_iter().map(|path| format!("unknown field \"{path}\""));
        let findings: Vec<String> =
            found.iter().cloned().chain(duplicates).chain(unknown).collect();
        if validation == FieldValidation::Strict && !findings.is_empty() {
            return Err(cannot(format!("strict decoding error: {}", findings.join(", "))));
        }
        let mut warnings = if validation == FieldValidation::Warn { findings } else { Vec::new() };
        warnings.extend(owners::dedupe(&mut metadata));
        warnings.extend(validate::odd_finalizers(&metadata));
        Ok(Self { bytes, scan, metadata, warnings })
    }

    /// Refuses an object of another name than that in the URL.
    pub fn check_name(&self, name: &str) -> Result<(), ApiError> {
        let given = self.metadata.text(Field::Name);
        if given == name {
            return Ok(());
        }
        Err(ApiError::bad_request(if given.is_empty() {
            format!(
                "the name of the object ({name} based on URL) was undeterminable: name must be provided"
            )
        } else {
            format!("the name of the object ({given}) does not match the name on the URL ({name})")
        }))
    }
}

/// The body in canonical form, where its parts lie, and what was given twice.
fn canonical(body: Bytes, subject: &Subject<'_>) -> Result<(Bytes, Scan, Vec<String>), ApiError> {
    if let Ok(scan) = scan::scan(&body)
        && scan.metadata.is_some()
    {
        return Ok((body, scan, Vec::new()));
    }
    let unrecognized = |why: String| {
        let kind = &subject.kind.kind;
        ApiError::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): {why} ({})",
            shown(&body)
        ))
    };
    // Go reads bytes that are no UTF-8 as the replacement character.
    let text = String::from_utf8_lossy(&body);
    let (mut value, duplicates) = tree::read(text.as_bytes()).map_err(|error| {
        unrecognized(format!("couldn't get version/kind; json parse error: {error}"))
    })?;
    let Value::Object(object) = &mut value else {
        return Err(unrecognized(
            "couldn't get version/kind; json parse error: expected a JSON object".to_owned(),
        ));
    };
    let metadata = object.entry("metadata").or_insert(Value::Null);
    if metadata.is_null() {
        *metadata = Value::Object(serde_json::Map::new());
    }
    let bytes = Bytes::from(tree::to_vec(&value));
    let scan = scan::scan(&bytes).map_err(|_| {
        unrecognized("the object is nested too deeply, or a number is too large".to_owned())
    })?;
    if scan.metadata.is_none() {
        return Err(unrecognized("metadata: expected an object".to_owned()));
    }
    Ok((bytes, scan, duplicates))
}

fn check_type(
    bytes: &Bytes,
    scan: &Scan,
    sent: &Bytes,
    subject: &Subject<'_>,
) -> Result<(), ApiError> {
    let text = |span: Option<crate::model::json::Span>| {
        span.map(|span| String::from_utf8_lossy(span.of(bytes))).unwrap_or_default()
    };
    if text(scan.kind).is_empty() {
        let kind = &subject.kind.kind;
        let sent = shown(sent);
        return Err(ApiError::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): Object 'Kind' is missing in '{sent}'"
        )));
    }
    let (given, expected) = (text(scan.api_version), subject.kind.api_version(subject.version));
    if given != expected {
        return Err(ApiError::bad_request(format!(
            "the API version in the data ({given}) does not match the expected API version ({expected})"
        )));
    }
    Ok(())
}

fn check_kind(
    bytes: &Bytes,
    scan: &Scan,
    metadata: &Metadata,
    subject: &Subject<'_>,
) -> Result<(), ApiError> {
    let kind = scan.kind.map(|span| String::from_utf8_lossy(span.of(bytes))).unwrap_or_default();
    if kind == subject.kind.kind {
        return Ok(());
    }
    let why = format!("must be {}", subject.kind.kind);
    let shown = crate::server::status::quoted(kind.as_bytes());
    let sent = crate::server::status::Qualified { group: &subject.kind.group, name: &kind };
    let name = metadata.text(Field::Name);
    Err(ApiError::invalid(sent, &name, &[Problem::invalid("kind", &shown, &why)]))
}

/// The beginning of a body, for a message.
fn shown(body: &[u8]) -> String {
    if body.is_empty() {
        return "<empty>".to_owned();
    }
    let text = String::from_utf8_lossy(&body[..body.len().min(SHOWN_MAX)]).into_owned();
    if body.len() > SHOWN_MAX { text + " ..." } else { text }
}
