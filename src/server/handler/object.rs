//! One object: get, create, update, delete.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use rand::seq::IndexedRandom as _;
use serde::Deserialize;

use crate::model::Revision;
use crate::model::metadata::{Field, Metadata};
use crate::store::{Expect, Place};
use crate::view::{CommitError, Draft, Entry};

use super::{Answer, Call, REPLANS_MAX, Shape, json_response, now};
use crate::server::body::Body;
use crate::server::encode::Encoder;
use crate::server::plan::control::{Deleted, Propagation};
use crate::server::plan::{Subject, Updated};
use crate::server::query::Query;
use crate::server::status::{ApiError, Details, Problem, Qualified, quoted};

/// How often a generated name that is taken is replaced by another.
const NAMES_MAX: usize = 8;

/// The letters of a generated suffix: none that makes a word.
const SUFFIX_LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// How long a generated suffix is.
const SUFFIX_LEN: usize = 5;

/// What a delete may say in its body.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct DeleteOptions {
    kind: Option<String>,
    preconditions: Option<Preconditions>,
    dry_run: Option<Vec<String>>,
    propagation_policy: Option<String>,
    orphan_dependents: Option<bool>,
    /// Nothing is deleted later than at once, but a number it must be.
    #[serde(rename = "gracePeriodSeconds")]
    _grace_period: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Preconditions {
    uid: Option<String>,
    resource_version: Option<String>,
}

impl Call<'_> {
    pub(super) async fn get(&self) -> Result<Response<Body>, ApiError> {
        let encoder = self.encoder(Shape::One)?;
        let name = self.path.name.as_deref().unwrap_or_default();
        let missing = || ApiError::not_found(self.resource(), name);
        let Ok(place) = self.place(name) else { return Err(missing()) };
        self.app.fresh().await?;
        let root = self.app.view.root();
        let asked = self.query.revision()?;
        if asked > root.revision() {
            return Err(ApiError::too_large_revision(asked.0, root.revision().0));
        }
        let entry = root.get(&place.kind, &place.origin, &place.path).ok_or_else(missing)?;
        Ok(json_response(StatusCode::OK, encoder.one(entry)))
    }

    /// Where the object of that name lives; an error on a wildcard.
    pub(super) fn place(&self, name: &str) -> Result<Place, ApiError> {
        let subject = self.subject("get")?;
        // Only where several clusters are meant the origin is open.
        let origin = self.served.origin.clone().ok_or_else(ApiError::page_not_found)?;
        Ok(Place { kind: self.served.key.clone(), origin, path: subject.path(name).into() })
    }

    pub(super) fn stored(&self, place: &Place) -> Option<Arc<Entry>> {
        self.app.view.root().get(&place.kind, &place.origin, &place.path).cloned()
    }

    /// Plans a change of what is there; `plan` also says whether it writes.
    ///
    /// A plan that writes may be made on an old state, since the store then finds that it
    /// is. Any other answer (there is none, it is another one, nothing would change) rests
    /// on nothing having happened, and is given only on a state that is known to be new.
    pub(super) async fn plan<T>(
        &self,
        place: &Place,
        plan: impl Fn(Option<&Arc<Entry>>) -> Result<(T, bool), ApiError>,
    ) -> Result<T, ApiError> {
        let seen = self.stored(place);
        let planned = plan(seen.as_ref());
        if let Ok((planned, true)) = planned {
            return Ok(planned);
        }
        self.app.fresh().await?;
        let now = self.stored(place);
        let revision = |it: &Option<Arc<Entry>>| it.as_ref().map(|it| it.revision());
        if revision(&now) == revision(&seen) {
            return planned.map(|(planned, _)| planned);
        }
        plan(now.as_ref()).map(|(planned, _)| planned)
    }

    /// Whether there is an object, as of now if there is.
    async fn is_taken(&self, place: &Place) -> Result<bool, ApiError> {
        if self.stored(place).is_none() {
            return Ok(false);
        }
        self.app.fresh().await?;
        Ok(self.stored(place).is_some())
    }

    pub(super) async fn create(&self, body: Bytes) -> Result<Response<Body>, ApiError> {
        if self.path.name.is_some() {
            let why = "an object is created by a POST on its collection";
            return Err(ApiError::method_not_allowed(self.resource(), "create", why));
        }
        let subject = self.subject("create")?;
        let encoder = self.encoder(Shape::One)?;
        let incoming = self.incoming(body, &subject, "CreateOptions")?;
        let dry_run = self.query.dry_run("CreateOptions")?;
        self.know_namespace().await?;
        let generates = !incoming.metadata.has(Field::Name);
        let mut tries = if generates { NAMES_MAX } else { 1 };
        loop {
            tries -= 1;
            let fresh = (&*now(), &*uuid::Uuid::new_v4().to_string(), &*suffix());
            let created = self.plan_create(&subject, &incoming, fresh)?;
            let place = self.place(&created.name)?;
            let taken = || ApiError::already_exists(self.resource(), &created.name);
            if dry_run {
                self.app.fresh().await?;
            }
            if self.is_taken(&place).await? {
                if tries > 0 {
                    continue;
                }
                return Err(taken());
            }
            let warnings = incoming.warnings.clone();
            if dry_run {
                // It is nowhere yet, and at no revision.
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
                    return Ok(Answer { status: StatusCode::CREATED, body, warnings }.into());
                }
                Err(CommitError::Lost(_)) if tries > 0 => {}
                Err(CommitError::Lost(_)) => return Err(taken()),
                Err(error) => return Err(unavailable(&error)),
            }
        }
    }

    pub(super) async fn update(&self, body: Bytes) -> Result<Response<Body>, ApiError> {
        let Some(name) = self.path.name.as_deref() else {
            return Err(ApiError::bad_request("name must be provided"));
        };
        let subject = self.subject("update")?;
        let encoder = self.encoder(Shape::One)?;
        let incoming = self.incoming(body, &subject, "UpdateOptions")?;
        incoming.check_name(name)?;
        let dry_run = self.query.dry_run("UpdateOptions")?;
        let place = self.place(name)?;
        self.change(&encoder, (name, &place), dry_run, |old| {
            let planned = self.plan_update(&subject, &incoming, (name, &place), old)?;
            Ok((planned, incoming.warnings.clone()))
        })
        .await
    }

    /// Plans a change of what is there until it is made, or cannot be.
    pub(super) async fn change(
        &self,
        encoder: &Encoder,
        (name, place): (&str, &Place),
        dry_run: bool,
        plan: impl Fn(&Arc<Entry>) -> Result<(Updated, Vec<String>), ApiError>,
    ) -> Result<Response<Body>, ApiError> {
        for _ in 0..REPLANS_MAX {
            let missing = || ApiError::not_found(self.resource(), name);
            let planned = self.plan(place, |old| {
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

    pub(super) async fn delete(&self, body: Bytes) -> Result<Response<Body>, ApiError> {
        let name = self.path.name.as_deref().unwrap_or_default();
        let subject = self.subject("delete")?;
        let options = DeleteOptions::read(self, body)?;
        let dry_run = options.is_dry_run() || self.query.dry_run("DeleteOptions")?;
        let place = self.place(name)?;
        for _ in 0..REPLANS_MAX {
            let missing = || ApiError::not_found(self.resource(), name);
            let planned = self.plan(&place, |old| {
                let old = old.ok_or_else(missing)?;
                options.check(&subject, name, old)?;
                let planned = self.plan_delete(&subject, old, options.propagation(self.query))?;
                let writes = !dry_run && !matches!(planned, Deleted::Waiting);
                Ok(((planned, Arc::clone(old)), writes))
            });
            let (planned, old) = planned.await?;
            let shown = |entry: &Entry| -> Result<Response<Body>, ApiError> {
                Ok(json_response(StatusCode::OK, self.encoder(Shape::One)?.one(entry)))
            };
            let value = match planned {
                Deleted::Waiting => return shown(&old),
                Deleted::Marked(value) if dry_run => {
                    return shown(&value.served.finish(old.revision()));
                }
                // As in the original, what would be waited for is shown.
                Deleted::Now if dry_run && has_finalizers(&old) => return shown(&old),
                Deleted::Now if dry_run => return Ok(deleted(&subject, name, &old)),
                Deleted::Marked(value) => Some((value.stored, value.served)),
                Deleted::Now => None,
            };
            let expect = Expect::At(old.revision());
            match self.app.view.commit(Draft { place: place.clone(), expect, value }).await {
                Ok(done) => {
                    return match done.new {
                        Some(marked) => shown(&marked),
                        None => Ok(deleted(&subject, name, &old)),
                    };
                }
                Err(CommitError::Lost(_)) => {}
                Err(error) => return Err(unavailable(&error)),
            }
        }
        Err(ApiError::modified(self.resource(), name))
    }
}

impl DeleteOptions {
    /// What a delete says in its body, if it has one.
    pub(super) fn read(call: &Call<'_>, body: Bytes) -> Result<Self, ApiError> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        let body = call.json(body)?;
        // A list would be read as the fields in their order.
        if !body.trim_ascii_start().starts_with(b"{") {
            return Err(ApiError::bad_request("the body is no DeleteOptions in JSON"));
        }
        let options: Self = serde_json::from_slice(&body).map_err(|error| {
            ApiError::bad_request(format!("the body is no DeleteOptions in JSON: {error}"))
        })?;
        if !matches!(options.kind.as_deref(), None | Some("" | "DeleteOptions")) {
            return Err(ApiError::bad_request(format!(
                "the body of a delete must be DeleteOptions, not {}",
                options.kind.unwrap_or_default()
            )));
        }
        options.validate()?;
        Ok(options)
    }

    /// Nobody acts on the policy here, but one that is misspelt is a client's mistake.
    fn validate(&self) -> Result<(), ApiError> {
        let mut problems = Vec::new();
        let dry_run = self.dry_run.as_deref().unwrap_or_default();
        if !dry_run.iter().all(|it| it == "All") {
            let shown: Vec<String> = dry_run.iter().map(|it| quoted(it.as_bytes())).collect();
            let shown = format!("[{}]", shown.join(","));
            problems.push(Problem::unsupported("dryRun", &shown, &["All"]));
        }
        if let Some(policy) = &self.propagation_policy {
            let shown = quoted(policy.as_bytes());
            if self.orphan_dependents.is_some() {
                let why = "orphanDependents and deletionPropagation cannot be both set";
                problems.push(Problem::invalid("propagationPolicy", &shown, why));
            } else if !matches!(policy.as_str(), "Foreground" | "Background" | "Orphan") {
                let known = ["Foreground", "Background", "Orphan", "nil"];
                problems.push(Problem::unsupported("propagationPolicy", &shown, &known));
            }
        }
        if problems.is_empty() {
            return Ok(());
        }
        let kind = Qualified { group: "meta.k8s.io", name: "DeleteOptions" };
        Err(ApiError::invalid(kind, "", &problems))
    }

    /// What becomes of what the object owns.
    pub(super) fn propagation(&self, query: &Query) -> Propagation {
        let given = self.propagation_policy.as_deref().or(query.get("propagationPolicy"));
        match given {
            Some("Foreground") => Propagation::Foreground,
            Some("Orphan") => Propagation::Orphan,
            None if self.orphan_dependents == Some(true) => Propagation::Orphan,
            _ => Propagation::Background,
        }
    }

    pub(super) fn is_dry_run(&self) -> bool {
        self.dry_run.iter().flatten().any(|it| it == "All")
    }

    pub(super) fn check(
        &self,
        subject: &Subject<'_>,
        name: &str,
        old: &Entry,
    ) -> Result<(), ApiError> {
        let Some(wanted) = &self.preconditions else { return Ok(()) };
        let stored = Metadata::of_kept(&old.line().slice_ref(old.metadata()));
        let uid = stored.text(Field::Uid);
        let conflict = |why: String| Err(ApiError::conflict(subject.kind_name(), name, &why));
        if let Some(given) = wanted.uid.as_deref().filter(|given| *given != uid) {
            return conflict(format!(
                "the UID in the precondition ({given}) does not match the UID in record ({uid}). The object might have been deleted and then recreated"
            ));
        }
        let revision = old.revision().to_string();
        if let Some(given) = wanted.resource_version.as_deref().filter(|given| *given != revision) {
            return conflict(format!(
                "the ResourceVersion in the precondition ({given}) does not match the ResourceVersion in record ({revision}). The object might have been modified"
            ));
        }
        Ok(())
    }
}

fn has_finalizers(entry: &Entry) -> bool {
    Metadata::of_kept(&entry.line().slice_ref(entry.metadata())).has(Field::Finalizers)
}

/// An object as it would be stored, in the version that the client speaks.
pub(super) fn unstored(stored: &[u8], version: &str) -> Bytes {
    let mut object: serde_json::Value = serde_json::from_slice(stored).unwrap_or_default();
    object["apiVersion"] = version.into();
    let mut body = crate::model::json::tree::to_vec(&object);
    body.push(b'\n');
    body.into()
}

fn deleted(subject: &Subject<'_>, name: &str, old: &Entry) -> Response<Body> {
    let metadata = Metadata::of_kept(&old.line().slice_ref(old.metadata()));
    let uid = metadata.text(Field::Uid).into_owned();
    let mut body =
        br#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","details":"#
            .to_vec();
    Details::of(subject.resource(), name).with_uid(uid).write(&mut body);
    body.extend_from_slice(b"}\n");
    json_response(StatusCode::OK, body)
}

pub(super) fn unavailable(error: &CommitError) -> ApiError {
    if let CommitError::Full { .. } = error {
        return ApiError::full(format!(
            "the cache is full: {error}; delete what is not needed, or raise --memory-limit. Reads, deletes and updates that do not grow an object go on"
        ));
    }
    match error {
        CommitError::TooLarge(_) => ApiError::too_large_to_store(error.to_string()),
        CommitError::Unknown(_) => ApiError::outcome_unknown(error.to_string()),
        _ => ApiError::unavailable(error.to_string()),
    }
}

/// Some letters that make a name unique.
fn suffix() -> String {
    let mut random = rand::rng();
    let letter = |_| SUFFIX_LETTERS.choose(&mut random).map_or('x', |letter| char::from(*letter));
    (0..SUFFIX_LEN).map(letter).collect()
}
