//! Writes on the control plane.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use http::{Response, StatusCode, header};

use super::object::{DeleteOptions, deleted, suffix, unavailable, unstored};
use super::patch::{check_version, left_unreadable, refused};
use super::{Answer, Call, REPLANS_MAX, Shape, json_response, sent};
use crate::model::Revision;
use crate::server::body::{Body, Sent};
use crate::server::control::Control;
use crate::server::encode::ListMetadata;
use crate::server::path::CONTROL_HOME;
use crate::server::plan::control::{self as plan, Deleted, Part, Writer};
use crate::server::plan::{Incoming, Updated, check_same_uid};
use crate::server::status::{ApiError, Qualified};
use crate::store::{Expect, Origin, Place, TypeKey};
use crate::view::{CommitError, Draft, Entry};

/// The namespaces of the control plane.
const NAMESPACES: (&str, &str) = ("", "namespaces");

impl Call<'_> {
    pub(super) async fn run_on(
        &self,
        control: &Control,
        verb: &'static str,
        body: Sent,
    ) -> Result<Response<Body>, ApiError> {
        let answer = match verb {
            "get" => return self.get().await,
            "list" => return self.list().await,
            "create" => self.create_on(control, sent::read(body).await?).await,
            "update" => self.update_on(control, sent::read(body).await?).await,
            "patch" => self.patch_on(control, sent::read(body).await?).await,
            "delete" => self.delete_on(control, sent::read(body).await?).await,
            "deletecollection" => self.delete_collection_on(control, sent::read(body).await?).await,
            _ => Err(ApiError::method_not_allowed(self.resource(), verb, "")),
        };
        control.stirred.notify_one();
        answer
    }

    pub(super) fn part(&self) -> Part {
        match self.path.subresource {
            Some(_) => Part::Status,
            None => Part::Whole,
        }
    }

    /// Who writes, as the query or else the program's name says.
    fn writer(&self) -> &str {
        if let Some(name) = self.query.get("fieldManager").filter(|it| !it.is_empty()) {
            return name;
        }
        let agent = self.headers.get(header::USER_AGENT).and_then(|it| it.to_str().ok());
        let name = agent.unwrap_or_default().split('/').next().unwrap_or_default();
        let end = name.len().min(sent::MANAGER_BYTES_MAX);
        name.get(..end).filter(|it| !it.is_empty()).unwrap_or("unknown")
    }

    /// Refuses what would lie in a namespace that is not there, or on its way out.
    pub(super) fn check_namespace(&self) -> Result<(), ApiError> {
        let name = self.path.namespace.as_str();
        if !self.served.kind.namespaced {
            return Ok(());
        }
        let (group, resource) = NAMESPACES;
        let (shard, cluster) = CONTROL_HOME;
        let place = Place {
            kind: TypeKey::new(group, resource),
            origin: Origin::BuiltIn,
            path: format!("{shard}/{cluster}/{name}").into(),
        };
        let Some(entry) = self.stored(&place) else {
            return Err(ApiError::not_found(Qualified { group, name: resource }, name));
        };
        if tree(&entry)["metadata"]["deletionTimestamp"].is_null() {
            return Ok(());
        }
        let why = format!(
            "{} is forbidden: unable to create new content in namespace {name} because it is \
             being terminated",
            self.resource()
        );
        Err(ApiError::forbidden(why, Some((self.resource(), ""))))
    }

    async fn create_on(&self, control: &Control, body: Bytes) -> Result<Response<Body>, ApiError> {
        if self.path.name.is_some() {
            let why = "an object is created by a POST on its collection";
            return Err(ApiError::method_not_allowed(self.resource(), "create", why));
        }
        let rules = control.rules(&self.served.key)?;
        let subject = self.subject("create")?;
        let encoder = self.encoder(Shape::One)?;
        let incoming = self.incoming(body, &subject, "CreateOptions")?;
        let dry_run = self.query.dry_run("CreateOptions")?;
        self.check_namespace()?;
        let fresh = (&*now(), &*uuid::Uuid::new_v4().to_string(), &*suffix());
        let created = plan::create(&subject, rules, &incoming, fresh, self.writer())?;
        let place = self.place(&created.name)?;
        let taken = || ApiError::already_exists(self.resource(), &created.name);
        self.app.fresh().await?;
        if self.stored(&place).is_some() {
            return Err(taken());
        }
        let warnings = incoming.warnings.clone();
        if dry_run {
            let body = match encoder.whole_version() {
                Some(version) => unstored(&created.value.stored, version),
                None => encoder.one(&created.value.served.finish(Revision::ZERO)),
            };
            return Ok(Answer { status: StatusCode::CREATED, body, warnings }.into());
        }
        let value = Some((created.value.stored, created.value.served));
        match self.app.view.commit(Draft { place, expect: Expect::Absent, value }).await {
            Ok(done) => {
                let body = done.new.map(|entry| encoder.one(&entry)).unwrap_or_default();
                Ok(Answer { status: StatusCode::CREATED, body, warnings }.into())
            }
            Err(CommitError::Lost(_)) => Err(taken()),
            Err(error) => Err(unavailable(&error)),
        }
    }

    async fn update_on(&self, control: &Control, body: Bytes) -> Result<Response<Body>, ApiError> {
        let Some(name) = self.path.name.as_deref() else {
            return Err(ApiError::bad_request("name must be provided"));
        };
        let rules = control.rules(&self.served.key)?;
        let subject = self.subject("update")?;
        let incoming = self.incoming(body, &subject, "UpdateOptions")?;
        incoming.check_name(name)?;
        let dry_run = self.query.dry_run("UpdateOptions")?;
        let now = now();
        let writer = Some(Writer { manager: self.writer(), now: &now });
        self.change(name, dry_run, |old| {
            let planned =
                plan::update(&subject, rules, &incoming, (name, self.part()), old, writer)?;
            Ok((planned, incoming.warnings.clone()))
        })
        .await
    }

    async fn patch_on(&self, control: &Control, body: Bytes) -> Result<Response<Body>, ApiError> {
        if self.is_apply() {
            return self.apply(body).await;
        }
        let kind = self.patch_kind()?;
        let Some(name) = self.path.name.as_deref() else {
            return Err(ApiError::bad_request("name must be provided"));
        };
        let rules = control.rules(&self.served.key)?;
        let subject = self.subject("patch")?;
        self.check_manager("PatchOptions")?;
        let validation = self.field_validation("PatchOptions")?;
        let dry_run = self.query.dry_run("PatchOptions")?;
        let patch = kind.read(&body).map_err(|error| refused(&error, &subject, name))?;
        let api_version = subject.kind.api_version(subject.version);
        let now = now();
        let writer = Some(Writer { manager: self.writer(), now: &now });
        self.change(name, dry_run, |old| {
            let mut before = Vec::with_capacity(old.len() + 32);
            old.write(&mut before, &api_version, None);
            let after = patch.apply(&before).map_err(|error| refused(&error, &subject, name))?;
            let after = Bytes::from(after);
            check_version(&after, &subject, name)?;
            let incoming = Incoming::read_patched(after, &subject, validation, &patch.findings)
                .map_err(|error| left_unreadable(error, &subject, name))?;
            incoming.check_name(name)?;
            check_same_uid(&subject, &incoming, name, old)?;
            let planned =
                plan::update(&subject, rules, &incoming, (name, self.part()), old, writer)?;
            Ok((planned, incoming.warnings))
        })
        .await
    }

    /// Plans a change until it is made, or cannot be.
    async fn change(
        &self,
        name: &str,
        dry_run: bool,
        plan: impl Fn(&Arc<Entry>) -> Result<(Updated, Vec<String>), ApiError>,
    ) -> Result<Response<Body>, ApiError> {
        let encoder = self.encoder(Shape::One)?;
        let place = self.place(name)?;
        for _ in 0..REPLANS_MAX {
            let missing = || ApiError::not_found(self.resource(), name);
            let planned = self.plan(&place, |old| {
                let old = old.ok_or_else(missing)?;
                let (planned, warnings) = plan(old)?;
                let writes = !dry_run && !matches!(planned, Updated::Unchanged);
                Ok(((planned, Arc::clone(old), warnings), writes))
            });
            let (planned, old, warnings) = planned.await?;
            let ok = |body| Answer { status: StatusCode::OK, body, warnings };
            let value = match planned {
                Updated::Unchanged => return Ok(ok(encoder.one(&old)).into()),
                Updated::Changed(value) if dry_run => {
                    return Ok(ok(encoder.one(&value.served.finish(old.revision()))).into());
                }
                Updated::Gone if dry_run => return Ok(ok(encoder.one(&old)).into()),
                Updated::Changed(value) => Some((value.stored, value.served)),
                Updated::Gone => None,
            };
            let expect = Expect::At(old.revision());
            match self.app.view.commit(Draft { place: place.clone(), expect, value }).await {
                Ok(done) => {
                    return Ok(ok(encoder.one(done.new.as_deref().unwrap_or(&old))).into());
                }
                // Planned again on what is there now. What names a revision then finds that it
                // is another, and is refused.
                Err(CommitError::Lost(_)) => {}
                Err(error) => return Err(unavailable(&error)),
            }
        }
        Err(ApiError::modified(self.resource(), name))
    }

    async fn delete_on(&self, control: &Control, body: Bytes) -> Result<Response<Body>, ApiError> {
        let name = self.path.name.as_deref().unwrap_or_default();
        let rules = control.rules(&self.served.key)?;
        let subject = self.subject("delete")?;
        let encoder = self.encoder(Shape::One)?;
        let options = DeleteOptions::read(self, body)?;
        let dry_run = options.is_dry_run() || self.query.dry_run("DeleteOptions")?;
        let propagation = options.propagation(self.query);
        let place = self.place(name)?;
        for _ in 0..REPLANS_MAX {
            let missing = || ApiError::not_found(self.resource(), name);
            let planned = self.plan(&place, |old| {
                let old = old.ok_or_else(missing)?;
                options.check(&subject, name, old)?;
                let planned = plan::delete(&subject, rules, &tree(old), propagation, &now())?;
                let writes = !dry_run && !matches!(planned, Deleted::Waiting);
                Ok(((planned, Arc::clone(old)), writes))
            });
            let (planned, old) = planned.await?;
            let value = match planned {
                Deleted::Waiting => {
                    return Ok(json_response(StatusCode::OK, encoder.one(&old)));
                }
                Deleted::Marked(value) if dry_run => {
                    let entry = value.served.finish(old.revision());
                    return Ok(json_response(StatusCode::OK, encoder.one(&entry)));
                }
                Deleted::Now if dry_run => return Ok(deleted(&subject, name, &old)),
                Deleted::Marked(value) => Some((value.stored, value.served)),
                Deleted::Now => None,
            };
            let expect = Expect::At(old.revision());
            match self.app.view.commit(Draft { place: place.clone(), expect, value }).await {
                Ok(done) => {
                    return Ok(match done.new {
                        Some(marked) => json_response(StatusCode::OK, encoder.one(&marked)),
                        None => deleted(&subject, name, &old),
                    });
                }
                Err(CommitError::Lost(_)) => {}
                Err(error) => return Err(unavailable(&error)),
            }
        }
        Err(ApiError::modified(self.resource(), name))
    }

    async fn delete_collection_on(
        &self,
        control: &Control,
        body: Bytes,
    ) -> Result<Response<Body>, ApiError> {
        let rules = control.rules(&self.served.key)?;
        let subject = self.subject("deletecollection")?;
        let encoder = self.encoder(Shape::List)?;
        let options = self.query.list_options(false)?;
        let filter = self.filter(&options)?;
        let deletion = DeleteOptions::read(self, body)?;
        let propagation = deletion.propagation(self.query);
        let dry_run = deletion.is_dry_run() || self.query.dry_run("DeleteOptions")?;
        self.app.fresh().await?;
        let snapshot = self.app.view.snapshot(&self.served.key);
        let found: Vec<_> = snapshot
            .list(&filter.scope, None)
            .filter(|(_, path, entry)| filter.selects(path, entry))
            .map(|(origin, path, entry)| {
                let (kind, origin) = (self.served.key.clone(), origin.clone());
                (Place { kind, origin, path: path.clone() }, entry.clone())
            })
            .collect();
        for (place, entry) in &found {
            let (_, _, _, name) = place.parts();
            deletion.check(&subject, name, entry)?;
        }
        if !dry_run {
            let deletes = found.iter().map(|(place, _)| async {
                let mut current = self.stored(place);
                while let Some(entry) = current {
                    let planned =
                        plan::delete(&subject, rules, &tree(&entry), propagation, &now())?;
                    let value = match planned {
                        Deleted::Waiting => return Ok(()),
                        Deleted::Marked(value) => Some((value.stored, value.served)),
                        Deleted::Now => None,
                    };
                    let expect = Expect::At(entry.revision());
                    let draft = Draft { place: place.clone(), expect, value };
                    match self.app.view.commit(draft).await {
                        Ok(_) => return Ok(()),
                        Err(CommitError::Lost(now)) => current = now,
                        Err(error) => return Err(unavailable(&error)),
                    }
                }
                Ok(())
            });
            join_all(deletes).await.into_iter().collect::<Result<(), ApiError>>()?;
        }
        let revision = self.app.view.root().revision();
        let metadata = ListMetadata { revision, ..ListMetadata::default() };
        let gone = found.into_iter().map(|(_, entry)| entry).collect();
        Ok(json_response(StatusCode::OK, encoder.list(gone, &metadata)))
    }
}

fn tree(entry: &Entry) -> serde_json::Value {
    serde_json::from_slice(entry.json()).unwrap_or_default()
}

/// The time as objects tell it.
pub fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
