//! Server-side apply: a configuration that is merged into what is there, or creates it.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Map, Value};

use super::object::{unavailable, unstored};
use super::{Answer, Call, REPLANS_MAX, Shape, now};
use crate::model::Revision;
use crate::model::json::tree;
use crate::server::body::Body;
use crate::server::plan::{Application, Applied, Updated};
use crate::server::status::ApiError;
use crate::store::Expect;
use crate::view::{CommitError, Draft};

/// The media type.
pub(super) const APPLY: &str = "application/apply-patch+yaml";

impl Call<'_> {
    pub(super) async fn apply(&self, body: Bytes) -> Result<Response<Body>, ApiError> {
        let Some(name) = self.path.name.as_deref() else {
            return Err(ApiError::bad_request("name must be provided"));
        };
        let subject = self.subject("patch")?;
        let encoder = self.encoder(Shape::One)?;
        let manager = self.applier()?;
        let validation = self.field_validation("PatchOptions")?;
        let dry_run = self.query.dry_run("PatchOptions")?;
        let (config, duplicates) = read(&body)?;
        let findings: Vec<String> =
            duplicates.into_iter().map(|path| format!("duplicate field \"{path}\"")).collect();
        let application = Application {
            config: &config,
            findings: &findings,
            validation,
            manager,
            force: self.query.flag("force").unwrap_or(false),
        };
        let place = self.place(name)?;
        self.know_namespace().await?;
        for _ in 0..REPLANS_MAX {
            let (now, uid) = (now(), uuid::Uuid::new_v4().to_string());
            let planned = self.plan(&place, |old| {
                let (seen, fresh) = (old.map(AsRef::as_ref), (now.as_str(), uid.as_str()));
                let (planned, warnings) =
                    self.plan_apply(&subject, &application, (name, &place), seen, fresh)?;
                let is_nothing = matches!(planned, Applied::Updated(Updated::Unchanged));
                Ok(((planned, old.cloned(), warnings), !dry_run && !is_nothing))
            });
            let (planned, old, warnings) = planned.await?;
            let answer = |status, body| Answer { status, body, warnings };
            let unchanged = || old.as_ref().map(|it| encoder.one(it)).unwrap_or_default();
            let (status, value) = match planned {
                Applied::Created(created) if dry_run => {
                    // It is nowhere yet, and at no revision.
                    let body = match encoder.whole_version() {
                        Some(version) => unstored(&created.value.stored, version),
                        None => encoder.one(&created.value.served.finish(Revision::ZERO)),
                    };
                    return Ok(answer(StatusCode::CREATED, body).into());
                }
                Applied::Updated(Updated::Changed(value)) if dry_run => {
                    let revision = old.as_ref().map_or(Revision::ZERO, |it| it.revision());
                    let body = encoder.one(&value.served.finish(revision));
                    return Ok(answer(StatusCode::OK, body).into());
                }
                Applied::Updated(Updated::Unchanged) => {
                    return Ok(answer(StatusCode::OK, unchanged()).into());
                }
                Applied::Updated(Updated::Gone) if dry_run => {
                    return Ok(answer(StatusCode::OK, unchanged()).into());
                }
                Applied::Created(created) => (StatusCode::CREATED, Some(created.value)),
                Applied::Updated(Updated::Changed(value)) => (StatusCode::OK, Some(value)),
                Applied::Updated(Updated::Gone) => (StatusCode::OK, None),
            };
            let expect = old.as_ref().map_or(Expect::Absent, |it| Expect::At(it.revision()));
            let value = value.map(|it| (it.stored, it.served));
            match self.app.view.commit(Draft { place: place.clone(), expect, value }).await {
                Ok(done) => {
                    let body = done.new.map_or_else(unchanged, |entry| encoder.one(&entry));
                    return Ok(answer(status, body).into());
                }
                // Applied again to what is there now. A configuration that names a revision
                // then finds that it is another, and is refused.
                Err(CommitError::Lost(_)) => {}
                Err(error) => return Err(unavailable(&error)),
            }
        }
        Err(ApiError::modified(self.resource(), name))
    }
}

/// Reads a configuration: YAML, and thus also JSON.
fn read(body: &Bytes) -> Result<(Value, Vec<String>), ApiError> {
    let cannot = |why: String| ApiError::bad_request(format!("error decoding YAML: {why}"));
    // What is JSON is read as that, which is faster and says where its flaws are.
    let (config, duplicates) = if body.trim_ascii_start().starts_with(b"{") {
        let text = String::from_utf8_lossy(body);
        match tree::read(text.as_bytes()) {
            Ok(read) => read,
            Err(_) => tree::read_from(serde_yaml::Deserializer::from_slice(body))
                .map_err(|error| cannot(error.to_string()))?,
        }
    } else {
        tree::read_from(serde_yaml::Deserializer::from_slice(body))
            .map_err(|error| cannot(error.to_string()))?
    };
    match config {
        Value::Null => Ok((Value::Object(Map::new()), duplicates)),
        Value::Object(_) => Ok((config, duplicates)),
        _ => Err(cannot("expected an object".to_owned())),
    }
}
