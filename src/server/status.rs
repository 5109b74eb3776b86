//! What a client is told when the answer is no: an HTTP code and a `metav1.Status`.
//!
//! An error knows two stories. The message, reason and details are for the client
//! and in the words that clients of API servers know; what only the operator should
//! read goes to the log where the error is made.

use std::fmt::Write as _;

use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::model::json::string;

use super::body::Body;

/// A refusal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApiError(Box<Refusal>);

#[derive(Clone, Debug, Eq, PartialEq)]
struct Refusal {
    code: u16,
    message: String,
    form: Form,
    retry_after: Option<u32>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Form {
    /// A `metav1.Status`.
    Status { reason: &'static str, details: Option<Details>, metadata: Option<Value> },
    /// The message itself, as text.
    Plain,
}

/// The type of the objects that an error speaks of.
#[derive(Clone, Copy, Debug)]
pub struct Qualified<'a> {
    /// The API group; empty for the core group.
    pub group: &'a str,
    /// The plural name, or the kind.
    pub name: &'a str,
}

impl std::fmt::Display for Qualified<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)?;
        if self.group.is_empty() { Ok(()) } else { write!(f, ".{}", self.group) }
    }
}

impl ApiError {
    fn status(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        let form = Form::Status { reason, details: None, metadata: None };
        Self(Box::new(Refusal { code, message: message.into(), form, retry_after: None }))
    }

    fn with_details(mut self, value: Details) -> Self {
        if let Form::Status { details, .. } = &mut self.0.form {
            *details = Some(value);
        }
        self
    }

    /// Says when to try again, as a header and in the details.
    fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after = Some(seconds);
        self.with_details(Details { retry_after_seconds: seconds, ..Details::default() })
    }

    /// A few words of text.
    pub fn plain(code: u16, message: impl Into<String>) -> Self {
        let message = message.into();
        Self(Box::new(Refusal { code, message, form: Form::Plain, retry_after: None }))
    }

    /// 404 in the words of Go's own HTTP server: no such type is served.
    pub fn page_not_found() -> Self {
        Self::plain(404, "404 page not found\n")
    }

    /// 400
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::status(400, "BadRequest", message)
    }

    /// 403
    pub fn forbidden(message: String, subject: Option<(Qualified<'_>, &str)>) -> Self {
        let details = subject.map(|(kind, name)| Details::of(kind, name)).unwrap_or_default();
        Self::status(403, "Forbidden", message).with_details(details)
    }

    /// 404 for one object.
    pub fn not_found(kind: Qualified<'_>, name: &str) -> Self {
        let message = format!("{kind} {} not found", quoted(name.as_bytes()));
        Self::status(404, "NotFound", message).with_details(Details::of(kind, name))
    }

    /// 404 for a path.
    pub fn no_such_path(message: impl Into<String>) -> Self {
        Self::status(404, "NotFound", message).with_details(Details::default())
    }

    /// 405
    pub fn method_not_allowed(kind: Qualified<'_>, verb: &str, why: &str) -> Self {
        let mut message = format!("{verb} is not supported on resources of kind \"{kind}\"");
        if !why.is_empty() {
            message.push_str(": ");
            message.push_str(why);
        }
        Self::status(405, "MethodNotAllowed", message).with_details(Details::of(kind, ""))
    }

    /// 406
    pub fn not_acceptable(offered: &str) -> Self {
        let message = format!("only the following media types are accepted: {offered}");
        Self::status(406, "NotAcceptable", message)
    }

    /// 409 because there is one already.
    pub fn already_exists(kind: Qualified<'_>, name: &str) -> Self {
        let message = format!("{kind} {} already exists", quoted(name.as_bytes()));
        Self::status(409, "AlreadyExists", message).with_details(Details::of(kind, name))
    }

    /// 409 because it is another than the client thinks.
    pub fn conflict(kind: Qualified<'_>, name: &str, why: &str) -> Self {
        let name_quoted = quoted(name.as_bytes());
        let message = format!("Operation cannot be fulfilled on {kind} {name_quoted}: {why}");
        Self::status(409, "Conflict", message).with_details(Details::of(kind, name))
    }

    /// 409 because somebody else wrote in between.
    pub fn modified(kind: Qualified<'_>, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(kind, name, why)
    }

    /// 409 because others own fields that are to be applied: for each of them with whom the
    /// conflict is, and the field.
    pub fn apply_conflict(
        message: String,
        causes: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let causes = causes.into_iter().map(|(message, field)| Cause {
            reason: "FieldManagerConflict",
            message,
            field,
        });
        let details = Details { causes: causes.collect(), ..Details::default() };
        Self::status(409, "Conflict", message).with_details(details)
    }

    /// 410: history does not reach back so far.
    pub fn expired(message: &str) -> Self {
        Self::status(410, "Expired", message)
    }

    /// 410 for a page, with the token that goes on all the same.
    pub fn expired_page(token: &str) -> Self {
        let mut error = Self::expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.",
        );
        if let Form::Status { metadata, .. } = &mut error.0.form {
            *metadata = Some(json!({ "continue": token }));
        }
        error
    }

    /// 413
    pub fn too_large(limit: usize) -> Self {
        Self::too_much(&format!("limit is {limit}"))
    }

    /// 413, because of what a body asks for.
    pub fn too_much(why: &str) -> Self {
        let message = format!("Request entity too large: {why}");
        Self::status(413, "RequestEntityTooLarge", message)
    }

    /// 413: the store takes no requests of this size.
    pub fn too_large_to_store(message: impl Into<String>) -> Self {
        Self::status(413, "RequestEntityTooLarge", message)
    }

    /// 415
    pub fn unsupported_media_type(accepted: &str) -> Self {
        Self::unsupported_because("the body of the request was in an unknown format", accepted)
    }

    /// 415 for a form that is known, with what to do instead.
    pub fn unsupported_because(why: &str, accepted: &str) -> Self {
        let message = format!("{why} - accepted media types include: {accepted}");
        Self::status(415, "UnsupportedMediaType", message)
    }

    /// 422 for an object with one field that is wrong.
    pub fn invalid(kind: Qualified<'_>, name: &str, problems: &[Problem]) -> Self {
        let mut what = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        if problems.len() > 1 {
            what = format!("[{what}]");
        }
        let message = format!("{kind} {} is invalid: {what}", quoted(name.as_bytes()));
        let causes = problems.iter().map(|it| Cause {
            reason: it.reason,
            message: it.text.clone(),
            field: it.field.clone(),
        });
        let details = Details { causes: causes.collect(), ..Details::of(kind, name) };
        Self::status(422, "Invalid", message).with_details(details)
    }

    /// 429
    pub fn too_many_requests(message: impl Into<String>) -> Self {
        Self::status(429, "TooManyRequests", message).retry_after(1)
    }

    /// 500 with words that clients of the original look at, and no reason.
    pub fn internal_without_reason(message: impl Into<String>) -> Self {
        Self::status(500, "", message)
    }

    /// 500
    pub fn internal(message: &str) -> Self {
        Self::status(500, "InternalError", format!("Internal error occurred: {message}"))
            .with_details(Details::caused_by("", message))
    }

    /// 503
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::status(503, "ServiceUnavailable", message).retry_after(1)
    }

    /// 503: there is no room for more. It is not made within a second.
    pub fn full(message: impl Into<String>) -> Self {
        Self::status(503, "ServiceUnavailable", message).retry_after(10)
    }

    /// 504: a revision that has not come to pass.
    pub fn too_large_revision(asked: u64, current: u64) -> Self {
        let why = format!("Too large resource version: {asked}, current: {current}");
        Self::status(504, "Timeout", format!("Timeout: {why}")).with_details(Details::caused_by(
            "ResourceVersionTooLarge",
            "Too large resource version",
        ))
    }

    /// 504: whether the write was made is not known.
    pub fn outcome_unknown(message: impl Into<String>) -> Self {
        Self::status(504, "Timeout", message)
    }

    /// 504: the request took too long.
    pub fn timed_out() -> Self {
        Self::status(
            504,
            "Timeout",
            "Timeout: request did not complete within the allotted timeout",
        )
    }

    /// The HTTP code.
    pub fn code(&self) -> u16 {
        self.0.code
    }

    /// What went wrong, for the client.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The body: a `Status` in Go's order of fields and a newline, or the text.
    pub fn body(&self) -> Vec<u8> {
        let Form::Status { reason, details, metadata } = &self.0.form else {
            return self.0.message.clone().into_bytes();
        };
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(br#"{"kind":"Status","apiVersion":"v1","metadata":"#);
        out.extend_from_slice(metadata.as_ref().map_or("{}".into(), Value::to_string).as_bytes());
        out.extend_from_slice(br#","status":"Failure","message":"#);
        string::write(&mut out, &self.0.message);
        if !reason.is_empty() {
            out.extend_from_slice(format!(r#","reason":"{reason}""#).as_bytes());
        }
        if let Some(details) = details {
            out.extend_from_slice(br#","details":"#);
            details.write(&mut out);
        }
        out.extend_from_slice(format!(",\"code\":{}}}\n", self.0.code).as_bytes());
        out
    }

    /// The whole answer.
    pub fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body()));
        *response.status_mut() =
            StatusCode::from_u16(self.0.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let content_type = match self.0.form {
            Form::Status { .. } => "application/json",
            Form::Plain => "text/plain; charset=utf-8",
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
        if matches!(self.0.form, Form::Plain) {
            headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        }
        if let Some(seconds) = self.0.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// What a `Status` says for programs, in Go's order of fields. What is empty is left out.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Details {
    name: String,
    group: String,
    /// The plural name, or the kind.
    kind: String,
    uid: String,
    causes: Vec<Cause>,
    retry_after_seconds: u32,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Cause {
    reason: &'static str,
    message: String,
    field: String,
}

impl Details {
    /// Those of one object, or of a type if the name is empty.
    pub fn of(kind: Qualified<'_>, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            group: kind.group.to_owned(),
            kind: kind.name.to_owned(),
            ..Self::default()
        }
    }

    /// The same, of the object with that uid.
    #[must_use]
    pub fn with_uid(self, uid: String) -> Self {
        Self { uid, ..self }
    }

    fn caused_by(reason: &'static str, message: &str) -> Self {
        let cause = Cause { reason, message: message.to_owned(), field: String::new() };
        Self { causes: vec![cause], ..Self::default() }
    }

    /// Writes them as JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        let start = out.len();
        let texts = [
            ("name", &self.name),
            ("group", &self.group),
            ("kind", &self.kind),
            ("uid", &self.uid),
        ];
        for (key, text) in texts {
            member(out, start, key, text);
        }
        if !self.causes.is_empty() {
            key(out, start, "causes");
            for (at, cause) in self.causes.iter().enumerate() {
                out.extend_from_slice(if at == 0 { b"[{" } else { b",{" });
                let start = out.len();
                member(out, start, "reason", cause.reason);
                member(out, start, "message", &cause.message);
                member(out, start, "field", &cause.field);
                out.push(b'}');
            }
            out.push(b']');
        }
        if self.retry_after_seconds > 0 {
            key(out, start, "retryAfterSeconds");
            out.extend_from_slice(self.retry_after_seconds.to_string().as_bytes());
        }
        out.push(b'}');
    }
}

/// Writes a key of the object that begins at `start`.
fn key(out: &mut Vec<u8>, start: usize, key: &str) {
    if out.len() > start {
        out.push(b',');
    }
    string::write(out, key);
    out.push(b':');
}

/// Writes a member of the object that begins at `start`, unless it is empty.
fn member(out: &mut Vec<u8>, start: usize, name: &str, text: &str) {
    if !text.is_empty() {
        key(out, start, name);
        string::write(out, text);
    }
}

/// One field that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    field: String,
    reason: &'static str,
    text: String,
}

impl Problem {
    /// A value that is not allowed. `value` is printed as it is given.
    pub fn invalid(field: &str, value: &str, why: &str) -> Self {
        Self {
            field: field.to_owned(),
            reason: "FieldValueInvalid",
            text: format!("Invalid value: {value}: {why}"),
        }
    }

    /// A value that is none of those that there are. `value` is printed as it is given.
    pub fn unsupported(field: &str, value: &str, supported: &[&str]) -> Self {
        let list: Vec<String> = supported.iter().map(|it| quoted(it.as_bytes())).collect();
        Self {
            field: field.to_owned(),
            reason: "FieldValueNotSupported",
            text: format!("Unsupported value: {value}: supported values: {}", list.join(", ")),
        }
    }

    /// A value of more bytes than there may be.
    pub fn too_long(field: &str, bytes_max: usize) -> Self {
        Self {
            field: field.to_owned(),
            reason: "FieldValueTooLong",
            text: format!("Too long: may not be more than {bytes_max} bytes"),
        }
    }

    /// A value that may not be there.
    pub fn forbidden(field: &str, why: &str) -> Self {
        Self {
            field: field.to_owned(),
            reason: "FieldValueForbidden",
            text: format!("Forbidden: {why}"),
        }
    }

    /// A value that is missing.
    pub fn required(field: &str, why: &str) -> Self {
        Self {
            field: field.to_owned(),
            reason: "FieldValueRequired",
            text: if why.is_empty() {
                "Required value".to_owned()
            } else {
                format!("Required value: {why}")
            },
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.text)
    }
}

/// `bytes` between quotes, with Go's escapes.
pub fn quoted(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                c if c.is_ascii_control() => {
                    let _ = write!(out, "\\x{:02x}", c as u32);
                }
                c if c.is_control() => {
                    let _ = write!(out, "\\u{:04x}", c as u32);
                }
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPORTS: Qualified<'_> = Qualified { group: "apis.kcp.io", name: "apiexports" };

    fn body(error: &ApiError) -> String {
        String::from_utf8(error.body()).unwrap()
    }

    #[test]
    fn a_status_has_the_fields_of_the_original_in_its_order() {
        assert_eq!(
            body(&ApiError::not_found(EXPORTS, "x")),
            "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"apiexports.apis.kcp.io \\\"x\\\" not found\",\"reason\":\"NotFound\",\"details\":{\"name\":\"x\",\"group\":\"apis.kcp.io\",\"kind\":\"apiexports\"},\"code\":404}\n"
        );
    }

    #[test]
    fn several_problems_stand_in_brackets() {
        let kind = Qualified { group: "apis.kcp.io", name: "APIExport" };
        let one = Problem::invalid("metadata.name", "\"B\"", "is bad");
        assert_eq!(
            ApiError::invalid(kind, "B", std::slice::from_ref(&one)).message(),
            "APIExport.apis.kcp.io \"B\" is invalid: metadata.name: Invalid value: \"B\": is bad"
        );
        assert_eq!(
            ApiError::invalid(kind, "B", &[one.clone(), one]).message(),
            "APIExport.apis.kcp.io \"B\" is invalid: [metadata.name: Invalid value: \"B\": is bad, metadata.name: Invalid value: \"B\": is bad]"
        );
    }
}
