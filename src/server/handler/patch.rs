//! A patch: a change of what is stored, planned as the update that it comes to.

use bytes::Bytes;
use http::{Response, header};

use super::apply::APPLY;
use super::{Call, Plane, Shape};
use crate::model::json::scan;
use crate::model::patch::{PatchError, PatchKind, has_strategic};
use crate::server::body::Body;
use crate::server::plan::{self, Incoming};
use crate::server::status::{ApiError, Problem, Qualified, quoted};

/// What the answers to wrong options speak of.
const OPTIONS: Qualified<'_> = Qualified { group: "meta.k8s.io", name: "PatchOptions" };

impl Call<'_> {
    pub(super) async fn patch(&self, body: Bytes) -> Result<Response<Body>, ApiError> {
        if self.is_apply() {
            return self.apply(body).await;
        }
        let kind = self.patch_kind()?;
        let Some(name) = self.path.name.as_deref() else {
            return Err(ApiError::bad_request("name must be provided"));
        };
        let subject = self.subject("patch")?;
        let encoder = self.encoder(Shape::One)?;
        self.check_manager("PatchOptions")?;
        if self.query.get("force").is_some_and(|it| !it.is_empty()) {
            let why = "may not be specified for non-apply patch";
            return Err(ApiError::invalid(OPTIONS, "", &[Problem::forbidden("force", why)]));
        }
        let validation = self.field_validation("PatchOptions")?;
        let dry_run = self.query.dry_run("PatchOptions")?;
        let patch = kind.read(&body).map_err(|error| refused(&error, &subject, name))?;
        let place = self.place(name)?;
        let api_version = subject.kind.api_version(subject.version);
        self.change(&encoder, (name, &place), dry_run, |old| {
            let mut before = Vec::with_capacity(old.len() + 32);
            old.write(&mut before, &api_version, None);
            let after = patch.apply(&before).map_err(|error| refused(&error, &subject, name))?;
            let after = Bytes::from(after);
            check_version(&after, &subject, name)?;
            let incoming = Incoming::read_patched(after, &subject, validation, &patch.findings)
                .map_err(|error| left_unreadable(error, &subject, name))?;
            incoming.check_name(name)?;
            plan::check_same_uid(&subject, &incoming, name, old)?;
            let planned = self.plan_update(&subject, &incoming, (name, &place), old)?;
            Ok((planned, incoming.warnings))
        })
        .await
    }

    /// The form of the patch, as the request names it.
    fn patch_kind(&self) -> Result<PatchKind, ApiError> {
        let on_control_plane = matches!(self.app.plane, Plane::Control(_));
        let has_strategic = has_strategic(&self.served.kind.group, on_control_plane);
        let content_type = self.headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
        let content_type = content_type.unwrap_or_default();
        PatchKind::from_content_type(content_type, has_strategic).ok_or_else(|| {
            let accepted = PatchKind::content_types(has_strategic).join(", ");
            ApiError::unsupported_media_type(&format!("{accepted}, {APPLY}"))
        })
    }
}

/// Refuses a patch that would make an object one of another version.
fn check_version(after: &Bytes, subject: &plan::Subject<'_>, name: &str) -> Result<(), ApiError> {
    let scan = scan::scan(after).unwrap_or_default();
    let given = scan.api_version.map(|span| span.of(after)).unwrap_or_default();
    let expected = subject.kind.api_version(subject.version);
    if given.is_empty() || given == expected.as_bytes() {
        return Ok(());
    }
    let why = format!("must be {expected}");
    let problem = Problem::invalid("apiVersion", &quoted(given), &why);
    Err(ApiError::invalid(subject.kind_name(), name, &[problem]))
}

/// What a patch leaves is no object of the type: that is the patch's fault, not the body's.
fn left_unreadable(error: ApiError, subject: &plan::Subject<'_>, name: &str) -> ApiError {
    if error.code() != 400 {
        return error;
    }
    let problem = Problem::invalid("patch", "{…}", error.message());
    ApiError::invalid(subject.kind_name(), name, &[problem])
}

fn refused(error: &PatchError, subject: &plan::Subject<'_>, name: &str) -> ApiError {
    let told = match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    match error {
        PatchError::Malformed(_) | PatchError::NotAnObject => ApiError::bad_request(told),
        PatchError::TooLong(_) => ApiError::too_much(&told),
        PatchError::Json(_) | PatchError::Strategic(_) | PatchError::Destructive => {
            let problem = Problem::invalid("patch", "{…}", &told);
            ApiError::invalid(subject.kind_name(), name, &[problem])
        }
    }
}
