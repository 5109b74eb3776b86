//! What the plane makes of a write: the place where cache and control plane part.
//!
//! The verbs are the same for both, and ask here what is to be stored.

use http::header;

use super::{Call, Plane, sent};
use crate::server::path::CONTROL_HOME;
use crate::server::plan::control::{self, Deleted, Part, Propagation, Rules, Writer};
use crate::server::plan::{self, Application, Applied, Created, Incoming, Subject, Updated};
use crate::server::status::{ApiError, Qualified};
use crate::store::{Origin, Place, TypeKey};
use crate::view::Entry;

/// The namespaces of the control plane.
const NAMESPACES: (&str, &str) = ("", "namespaces");

impl Call<'_> {
    /// Plans a create with a time, a uid and a suffix that are fresh.
    pub(super) fn plan_create(
        &self,
        subject: &Subject<'_>,
        incoming: &Incoming,
        fresh: (&str, &str, &str),
    ) -> Result<Created, ApiError> {
        let Some(rules) = self.rules()? else {
            let (now, uid, suffix) = fresh;
            return plan::create(subject, incoming, now, uid, suffix);
        };
        self.check_namespace()?;
        control::create(subject, rules, incoming, fresh, self.writer())
    }

    /// Plans an update of what is stored at `place`.
    pub(super) fn plan_update(
        &self,
        subject: &Subject<'_>,
        incoming: &Incoming,
        (name, place): (&str, &Place),
        old: &Entry,
    ) -> Result<Updated, ApiError> {
        let Some(rules) = self.rules()? else {
            let key = self.app.keys.key(place);
            return plan::update(subject, incoming, name, old, &String::from_utf8_lossy(&key));
        };
        let writer = Some(Writer { manager: self.writer(), now: &now() });
        control::update(subject, rules, incoming, (name, self.part()), old, writer)
    }

    /// Plans an application with a time and a uid that are fresh.
    pub(super) fn plan_apply(
        &self,
        subject: &Subject<'_>,
        application: &Application<'_>,
        (name, place): (&str, &Place),
        old: Option<&Entry>,
        fresh: (&str, &str),
    ) -> Result<(Applied, Vec<String>), ApiError> {
        let Some(rules) = self.rules()? else {
            let key = self.app.keys.key(place);
            let key = String::from_utf8_lossy(&key);
            return plan::apply(subject, application, name, old, fresh, &key);
        };
        if old.is_none() {
            self.check_namespace()?;
        }
        control::apply(subject, rules, application, (name, self.part()), old, fresh)
    }

    /// Plans a delete. Nothing holds an object of the cache back.
    pub(super) fn plan_delete(
        &self,
        subject: &Subject<'_>,
        old: &Entry,
        propagation: Propagation,
    ) -> Result<Deleted, ApiError> {
        match self.rules()? {
            None => Ok(Deleted::Now),
            Some(rules) => control::delete(subject, rules, &tree(old), propagation, &now()),
        }
    }

    /// What is particular to the type on the control plane; nothing on the cache.
    pub(super) fn rules(&self) -> Result<Option<&Rules>, ApiError> {
        match &self.app.plane {
            Plane::Cache(_) => Ok(None),
            Plane::Control(control) => control.rules(&self.served.key).map(Some),
        }
    }

    fn part(&self) -> Part {
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

    /// Waits until it is known whether the namespace of a new object is there.
    pub(super) async fn know_namespace(&self) -> Result<(), ApiError> {
        match &self.app.plane {
            Plane::Control(_) if self.served.kind.namespaced => self.app.fresh().await,
            _ => Ok(()),
        }
    }

    /// Refuses what would lie in a namespace that is not there, or on its way out.
    fn check_namespace(&self) -> Result<(), ApiError> {
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
}

fn tree(entry: &Entry) -> serde_json::Value {
    serde_json::from_slice(entry.json()).unwrap_or_default()
}

/// The time as objects tell it.
pub fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
