//! The rules for metadata that hold for every type.

use serde_json::Value;

use crate::model::json::scan;
use crate::model::metadata::{Field, Metadata};
use crate::model::{NameRule, SUBDOMAIN_LEN_MAX, is_dns_label, is_dns_subdomain};

use super::owners;
use crate::server::status::{Problem, quoted};

/// The longest name part of a qualified name, and the longest label value.
const LABEL_LEN_MAX: usize = 63;

/// The most bytes that all annotations of an object may have, keys and values.
const ANNOTATIONS_BYTES_MAX: usize = 256 << 10;

/// Finalizers of Kubernetes itself, which have no domain.
const STANDARD_FINALIZERS: [&str; 3] = ["foregroundDeletion", "kubernetes", "orphan"];

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

const VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// What is wrong with a name, or with the prefix of one that is made.
pub(super) fn name(rule: NameRule, field: &str, name: &str) -> Vec<Problem> {
    let bad = |why: &str| vec![Problem::invalid(field, &quoted(name.as_bytes()), why)];
    match rule {
        NameRule::Subdomain if name.len() > SUBDOMAIN_LEN_MAX => {
            bad("must be no more than 253 bytes")
        }
        NameRule::Subdomain if !is_dns_subdomain(name) => bad(SUBDOMAIN),
        NameRule::PathSegment if matches!(name, "." | "..") => bad(&format!("may not be '{name}'")),
        NameRule::PathSegment if name.contains('/') => bad("may not contain '/'"),
        NameRule::PathSegment if name.contains('%') => bad("may not contain '%'"),
        NameRule::Subdomain | NameRule::PathSegment => Vec::new(),
    }
}

/// What is wrong with a namespace.
pub(super) fn namespace(name: &str) -> Vec<Problem> {
    if is_dns_label(name) {
        return Vec::new();
    }
    let why = if name.len() > LABEL_LEN_MAX { "must be no more than 63 bytes" } else { LABEL };
    vec![Problem::invalid("metadata.namespace", &quoted(name.as_bytes()), why)]
}

/// What is wrong with generation, labels, annotations, owners and finalizers.
pub(super) fn metadata(metadata: &Metadata) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(generation) = metadata.raw(Field::Generation).filter(|it| it.starts_with(b"-")) {
        let shown = String::from_utf8_lossy(generation);
        let why = "must be greater than or equal to 0";
        problems.push(Problem::invalid("metadata.generation", &shown, why));
    }
    let texts = |field| metadata.raw(field).map(|raw| scan::members(raw)).unwrap_or_default();
    for (key, value) in texts(Field::Labels) {
        qualified("metadata.labels", key, &mut problems);
        let value = value.get(1..value.len() - 1).unwrap_or_default();
        if value.len() > LABEL_LEN_MAX {
            let why = "must be no more than 63 bytes";
            problems.push(Problem::invalid("metadata.labels", &quoted(value), why));
        } else if !value.is_empty() && !is_qualified_part(value) {
            problems.push(Problem::invalid("metadata.labels", &quoted(value), VALUE));
        }
    }
    let mut size = 0;
    for (key, value) in texts(Field::Annotations) {
        qualified("metadata.annotations", &key.to_ascii_lowercase(), &mut problems);
        size += key.len() + value.len() - 2;
    }
    if size > ANNOTATIONS_BYTES_MAX {
        problems.push(Problem::too_long("metadata.annotations", ANNOTATIONS_BYTES_MAX));
    }
    problems.extend(owners::problems(metadata));
    let finalizers = finalizers(metadata);
    for finalizer in &finalizers {
        match finalizer.as_str() {
            Some(name) => qualified("metadata.finalizers", name.as_bytes(), &mut problems),
            None => problems.push(Problem::invalid(
                "metadata.finalizers",
                &finalizer.to_string(),
                "must be a string",
            )),
        }
    }
    if ["orphan", "foregroundDeletion"].iter().all(|it| finalizers.iter().any(|own| own == it)) {
        let shown = Value::Array(finalizers).to_string();
        let why = "finalizer orphan and foregroundDeletion cannot be both set";
        problems.push(Problem::invalid("metadata.finalizers", &shown, why));
    }
    problems
}

/// What a client should know about finalizers that are allowed.
pub(super) fn odd_finalizers(metadata: &Metadata) -> Vec<String> {
    let odd = |name: &&str| !name.contains('/') && !STANDARD_FINALIZERS.contains(name);
    let warning = |name: &str| {
        let name = quoted(name.as_bytes());
        format!(
            "metadata.finalizers: {name}: prefer a domain-qualified finalizer name to avoid accidental conflicts with other finalizer writers"
        )
    };
    finalizers(metadata).iter().filter_map(Value::as_str).filter(odd).map(warning).collect()
}

fn finalizers(metadata: &Metadata) -> Vec<Value> {
    let raw = metadata.raw(Field::Finalizers);
    raw.and_then(|raw| serde_json::from_slice(raw).ok()).unwrap_or_default()
}

/// A key of labels or annotations, or a finalizer: `[prefix/]name`.
fn qualified(field: &str, key: &[u8], problems: &mut Vec<Problem>) {
    let (prefix, name) = match key.iter().rposition(|b| *b == b'/') {
        Some(at) => (Some(&key[..at]), &key[at + 1..]),
        None => (None, key),
    };
    let mut bad = |why: &str| problems.push(Problem::invalid(field, &quoted(key), why));
    if let Some(prefix) = prefix {
        let prefix = std::str::from_utf8(prefix).unwrap_or_default();
        if prefix.is_empty() {
            bad("prefix part must be non-empty");
        } else if !is_dns_subdomain(prefix) {
            bad(&format!("prefix part {SUBDOMAIN}"));
        }
    }
    if name.is_empty() {
        bad("name part must be non-empty");
    } else if name.len() > LABEL_LEN_MAX {
        bad("name part must be no more than 63 bytes");
    } else if !is_qualified_part(name) {
        bad(QUALIFIED);
    }
}

fn is_qualified_part(name: &[u8]) -> bool {
    let alnum = |b: &u8| b.is_ascii_alphanumeric();
    name.first().is_some_and(alnum)
        && name.last().is_some_and(alnum)
        && name.iter().all(|b| alnum(b) || matches!(b, b'-' | b'_' | b'.'))
}
