//! What a client sends beside the path: a body, and how it is to be taken.

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::apply::APPLY;
use super::{Call, Plane};
use crate::model::protobuf::{self, ProtobufError};
use crate::server::body::Sent;
use crate::server::plan::{FieldValidation, Incoming, Subject};
use crate::server::status::{ApiError, Problem, Qualified, quoted};

/// The largest body of a request, in bytes: that of the original.
pub const BODY_BYTES_MAX: usize = 3 << 20;

/// The longest name of a field manager, in bytes: that of the original.
pub(super) const MANAGER_BYTES_MAX: usize = 128;

/// The media types of bodies.
const BODIES: &str = "application/json, application/yaml";

/// What Go clients send to types of Kubernetes if they are told to.
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// What is said of it.
const NO_PROTOBUF: &str = "this server reads no protobuf: send JSON (contentType application/json in the client's configuration)";

/// What to do where a kind is not read in protobuf.
const SEND_JSON: &str = "send JSON (kubectl create --dry-run=client -o yaml ... | kubectl create -f -; contentType application/json in the client's configuration)";

impl Call<'_> {
    pub(super) fn incoming(
        &self,
        body: Bytes,
        subject: &Subject<'_>,
        options: &'static str,
    ) -> Result<Incoming, ApiError> {
        self.check_manager(options)?;
        let validation = self.field_validation(options)?;
        Incoming::read(self.json(body)?, subject, validation)
    }

    /// The body as JSON, by the media type that the client gave it.
    pub(super) fn json(&self, body: Bytes) -> Result<Bytes, ApiError> {
        let content_type = self.headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
        let media = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
        match media.trim().to_ascii_lowercase().as_str() {
            "" | "application/json" => Ok(body),
            "application/yaml" => json_of_yaml(&body),
            PROTOBUF => self.json_of_protobuf(&body),
            _ => Err(ApiError::unsupported_media_type(BODIES)),
        }
    }

    /// The cache reads none; the control plane does, as `kubectl create secret` sends it.
    fn json_of_protobuf(&self, body: &[u8]) -> Result<Bytes, ApiError> {
        match &self.app.plane {
            Plane::Cache(_) => Err(ApiError::unsupported_because(NO_PROTOBUF, BODIES)),
            Plane::Control(_) => match protobuf::to_json(body) {
                Ok(object) => Ok(object.to_string().into()),
                Err(error @ ProtobufError::Kind(_)) => {
                    let why = format!("{error}: {SEND_JSON}");
                    Err(ApiError::unsupported_because(&why, BODIES))
                }
                Err(error) => {
                    let why = format!("the body cannot be read as protobuf: {error}");
                    Err(ApiError::bad_request(why))
                }
            },
        }
    }

    /// Checks the name of who says that it manages the fields. Only who applies is tracked.
    pub(super) fn check_manager(&self, options: &'static str) -> Result<(), ApiError> {
        self.manager(options, false).map(drop)
    }

    /// Who applies. Nobody does without a name.
    pub(super) fn applier(&self) -> Result<&str, ApiError> {
        self.manager("PatchOptions", true)
    }

    fn manager(&self, options: &'static str, is_required: bool) -> Result<&str, ApiError> {
        let name = self.query.get("fieldManager").unwrap_or_default();
        let mut problems = Vec::new();
        if is_required && name.is_empty() {
            problems.push(Problem::required("fieldManager", "is required for apply patch"));
        }
        if name.len() > MANAGER_BYTES_MAX {
            problems.push(Problem::too_long("fieldManager", MANAGER_BYTES_MAX));
        }
        if let Some((at, bad)) = name.chars().enumerate().find(|(_, it)| it.is_control()) {
            let why = format!("invalid character U+{:04X} (at position {at})", u32::from(bad));
            problems.push(Problem::invalid("fieldManager", &quoted(name.as_bytes()), &why));
        }
        if problems.is_empty() {
            return Ok(name);
        }
        let kind = Qualified { group: "meta.k8s.io", name: options };
        Err(ApiError::invalid(kind, "", &problems))
    }

    /// Whether a patch is a configuration to be applied.
    pub(super) fn is_apply(&self) -> bool {
        is_apply(self.headers)
    }

    /// What is to be done about unknown fields, as the request says.
    pub(super) fn field_validation(
        &self,
        options: &'static str,
    ) -> Result<FieldValidation, ApiError> {
        let given = self.query.get("fieldValidation").unwrap_or_default();
        given.parse().map_err(|()| {
            let shown = quoted(given.as_bytes());
            let known = ["", "Ignore", "Strict", "Warn"];
            let problem = Problem::unsupported("fieldValidation", &shown, &known);
            let kind = Qualified { group: "meta.k8s.io", name: options };
            ApiError::invalid(kind, "", &[problem])
        })
    }
}

/// Whether the body of a patch is a configuration to be applied.
pub(super) fn is_apply(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim() == APPLY
}

/// YAML is read as the JSON that it means.
fn json_of_yaml(body: &Bytes) -> Result<Bytes, ApiError> {
    let value: serde_json::Value = serde_yaml::from_slice(body).map_err(|error| {
        ApiError::bad_request(format!("error converting YAML to JSON: yaml: {error}"))
    })?;
    Ok(value.to_string().into())
}

/// Reads the whole body of a request, within bounds.
pub(super) async fn read(body: Sent) -> Result<Bytes, ApiError> {
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::too_large(BODY_BYTES_MAX)),
        Err(error) => Err(ApiError::bad_request(format!("failed to read the body: {error}"))),
    }
}
