//! What a client wants to read: the first clause of `Accept` that can be served.

use super::status::ApiError;
use super::table::MetaVersion;

/// How objects are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// Whole.
    Object,
    /// As rows of a table.
    Table(MetaVersion),
    /// Their metadata alone.
    Partial(MetaVersion),
}

/// What is asked for, as far as the form of the answer goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shape {
    /// One object.
    One,
    /// A list of them.
    List,
    /// A stream of changes.
    Watch,
}

/// The syntax of an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Media {
    /// JSON, with lines and indentation if that is asked for.
    Json {
        /// `pretty=1` stands beside the media type.
        pretty: bool,
    },
    /// YAML.
    Yaml,
}

/// What is offered where objects have no common form but their metadata.
pub const OFFERED_METADATA: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

const OFFERED: &str = "application/json, application/yaml";

const OFFERED_STREAM: &str = "application/json, application/json;stream=watch";

/// Chooses the form. An `Accept` that is empty or missing asks for whole objects.
pub fn choose(accept: &str, shape: Shape) -> Result<Form, ApiError> {
    if accept.trim().is_empty() {
        return Ok(Form::Object);
    }
    let offered = if shape == Shape::Watch { OFFERED_STREAM } else { OFFERED };
    accept
        .split(',')
        .find_map(|clause| clause_of(clause, shape).map(|(form, _)| form))
        .ok_or_else(|| ApiError::not_acceptable(offered))
}

/// Whether any clause asks for metadata alone, be it one that can be served or not.
pub fn asks_for_metadata(accept: &str) -> bool {
    let parameters = accept.split([',', ';']).map(str::trim);
    parameters
        .filter_map(|it| it.strip_prefix("as="))
        .any(|form| matches!(form, "PartialObjectMetadata" | "PartialObjectMetadataList"))
}

/// The syntax of whatever is answered, be it a refusal: one of what cannot be served
/// at all is for a person to read.
pub fn media(accept: &str) -> Media {
    if matches!(accept.trim(), "" | "application/json" | "*/*") {
        return Media::Json { pretty: false };
    }
    let shapes = [Shape::One, Shape::List, Shape::Watch];
    accept
        .split(',')
        .find_map(|clause| shapes.iter().find_map(|shape| clause_of(clause, *shape)))
        .map_or(Media::Json { pretty: true }, |(_, media)| media)
}

fn clause_of(clause: &str, shape: Shape) -> Option<(Form, Media)> {
    let mut parts = clause.split(';').map(str::trim);
    let mut media = match parts.next()? {
        "application/json" | "application/*" | "*/*" => Media::Json { pretty: false },
        // Its documents have no end that a reader of a stream would know.
        "application/yaml" if shape != Shape::Watch => Media::Yaml,
        _ => return None,
    };
    let (mut form, mut version, mut group, mut stream) = ("", "", "", "");
    for parameter in parts {
        match parameter.split_once('=')? {
            ("as", value) => form = value,
            ("v", value) => version = value,
            ("g", value) => group = value,
            ("stream", value) => stream = value,
            ("pretty", value) => {
                if let Media::Json { pretty } = &mut media {
                    *pretty = value == "1";
                }
            }
            _ => {}
        }
    }
    if !matches!((stream, shape), ("", _) | ("watch", Shape::Watch)) {
        return None;
    }
    if form.is_empty() {
        return Some((Form::Object, media));
    }
    let version = version.parse().ok().filter(|_| group == "meta.k8s.io")?;
    match (form, shape) {
        ("Table", _) => Some((Form::Table(version), media)),
        ("PartialObjectMetadata", Shape::One | Shape::Watch)
        | ("PartialObjectMetadataList", Shape::List) => Some((Form::Partial(version), media)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_asked_for_in_any_clause() {
        for (accept, expected) in [
            ("", false),
            ("application/json", false),
            ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", false),
            ("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", true),
            (
                "application/vnd.kubernetes.protobuf; as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
                true,
            ),
        ] {
            assert_eq!(asks_for_metadata(accept), expected, "{accept}");
        }
    }

    #[test]
    fn the_first_clause_that_can_be_served_wins() {
        let table = Form::Table(MetaVersion::V1);
        let partial = Form::Partial(MetaVersion::V1);
        for (accept, shape, expected) in [
            ("", Shape::One, Some(Form::Object)),
            ("*/*", Shape::List, Some(Form::Object)),
            (
                "application/vnd.kubernetes.protobuf,application/json",
                Shape::List,
                Some(Form::Object),
            ),
            ("application/vnd.kubernetes.protobuf", Shape::List, None),
            (
                "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
                Shape::List,
                Some(table),
            ),
            ("application/json; as=Table; v=v1; g=meta.k8s.io", Shape::List, Some(table)),
            ("application/json;as=Table;v=v1", Shape::List, None),
            (
                "application/json;as=Table;v=v9;g=meta.k8s.io,application/json",
                Shape::One,
                Some(Form::Object),
            ),
            (
                "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
                Shape::List,
                Some(partial),
            ),
            ("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", Shape::List, None),
            (
                "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
                Shape::Watch,
                Some(partial),
            ),
            ("application/json;stream=watch", Shape::Watch, Some(Form::Object)),
            ("application/json;stream=watch", Shape::List, None),
            ("text/html", Shape::One, None),
            ("application/yaml", Shape::List, Some(Form::Object)),
            ("application/yaml", Shape::Watch, None),
            ("application/json;pretty=1", Shape::One, Some(Form::Object)),
        ] {
            assert_eq!(choose(accept, shape).ok(), expected, "{accept}");
        }
    }
}
