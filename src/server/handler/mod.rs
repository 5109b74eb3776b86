//! From a request to its answer: one file a verb.
//!
//! `App::answer` is the one place that asks who the client is, what it may do, and
//! turns a refusal into a response; everything below it uses `?`.

mod apply;
mod collection;
mod docs;
mod list;
mod object;
mod patch;
mod plane;
mod sent;
mod token;
mod watch;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;

use crate::model::{Access as TypeAccess, Cluster, ClusterName, Revision, Shard, ShardName};
use crate::shutdown::Shutdown;
use crate::store::Keyspace;
use crate::view::{Scope, View};

use super::Flavor;
use super::accept::{self, Form, Shape};
use super::admission;
use super::auth::{Access, Asked, Identity, forbidden_message};
use super::body::{Body, Sent};
use super::conn::limits::SEND_BUFFER_BYTES;
use super::conn::{Handler, Peer};
use super::control::Control;
use super::encode::Encoder;
use super::metrics::{
    InFlight, Metrics, RequestKind, Scope as MetricsScope, StoreFacts, TypeLabels, Verb,
};
use super::path::{self, Endpoint, ResourcePath, Route, Scoped};
use super::plan::Subject;
use super::present::{Compress, Presentation};
use super::query::{ListOptions, Query};
use super::status::{ApiError, Qualified, quoted};
use super::types::{Asked as AskedType, Found, Registry, Served};

pub(super) use plane::now;
pub use sent::BODY_BYTES_MAX;
pub use token::Token;
pub use watch::BOOKMARK_INTERVAL;

/// How long anything but a watch may take, unless the client says less: that of the original.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// How often a write that lost a race is planned again.
const REPLANS_MAX: usize = 32;

/// What answers requests: the view, and everything that is known beforehand.
pub struct App {
    view: Arc<View>,
    keys: Keyspace,
    types: Registry,
    plane: Plane,
    metrics: Arc<Metrics>,
    options: AppOptions,
    shutdown: Shutdown,
}

/// What the objects of a server mean.
pub enum Plane {
    /// Copies of what shards have, and beside them perhaps the control plane.
    Cache(Option<Arc<App>>),
    /// The installation's own objects.
    Control(Arc<Control>),
}

/// How the server should behave.
pub struct AppOptions {
    /// Which server it should look like.
    pub flavor: Flavor,
    /// How many requests are answered at once.
    pub admission: admission::Limits,
    /// How long every request waits before anything else.
    pub synthetic_delay: Duration,
    /// For whom large answers are compressed.
    pub compress: Compress,
    /// How often a watcher that asks for bookmarks is told how far it has come.
    pub bookmark_interval: Duration,
    /// What ails the store, if anything does.
    pub trouble: Box<dyn Fn() -> Option<String> + Send + Sync>,
    /// What the store did, for the metrics.
    pub store_facts: Box<dyn Fn() -> StoreFacts + Send + Sync>,
}

/// A request for objects, past the door.
struct Call<'a> {
    app: &'a App,
    scoped: &'a Scoped,
    cluster: &'a Cluster,
    path: &'a ResourcePath,
    served: &'a Served,
    query: &'a Query,
    headers: &'a HeaderMap,
}

/// An answer to a write: the object, and what the client should know.
struct Answer {
    status: StatusCode,
    body: Bytes,
    warnings: Vec<String>,
}

impl App {
    /// An app over `view`, whose keys are those of `keys`.
    pub fn new(
        view: Arc<View>,
        keys: Keyspace,
        plane: Plane,
        metrics: Arc<Metrics>,
        options: AppOptions,
        shutdown: Shutdown,
    ) -> Self {
        let types = match &plane {
            Plane::Cache(_) => Registry::new(Arc::clone(&view)),
            Plane::Control(control) => Registry::of(Arc::clone(&view), control.types()),
        };
        Self { view, keys, types, plane, metrics, options, shutdown }
    }

    async fn answer(
        &self,
        identity: Identity,
        head: &http::request::Parts,
        body: Sent,
        seen: &mut Seen,
    ) -> Result<Response<Body>, ApiError> {
        if !self.options.synthetic_delay.is_zero() {
            tokio::time::sleep(self.options.synthetic_delay).await;
        }
        let route = path::parse(head.uri.path(), self.options.flavor)?;
        let query = Query::parse(head.uri.query().unwrap_or_default());
        match route {
            Route::Health(check) => Ok(self.health(check, None, &query)),
            Route::Metrics => {
                admit(&identity, Access::Metrics, &head.method, "/metrics")?;
                Ok(self.metrics(&head.headers))
            }
            Route::WhoAmI => Ok(docs::who_am_i(&identity)),
            Route::Holdings => {
                let path = "/kcpctl/v1alpha1/holdings";
                admit(&identity, Access::ReadCache, &head.method, path)?;
                let _place = self.enter(RequestKind::ReadOnly, &identity)?;
                self.fresh().await?;
                Ok(self.holdings())
            }
            Route::Control(scoped) => {
                admit(&identity, Access::Control, &head.method, &scoped.path)?;
                if let Plane::Cache(Some(control)) = &self.plane
                    && scoped.endpoint != Endpoint::Unknown
                {
                    let asked = Asking { identity: &identity, query: &query, head, seen };
                    return control.on_control(asked, &scoped, body).await;
                }
                Err(ApiError::no_such_path(format!(
                    "nothing is served at {}; the cache is below /services/cache/shards/{{shard}}/clusters/{{cluster}}",
                    quoted(scoped.path.as_bytes())
                )))
            }
            Route::Scoped(scoped) => {
                if let Endpoint::Resource(resource) = &scoped.endpoint {
                    let asked = Asking { identity: &identity, query: &query, head, seen };
                    return self.resource(asked, &scoped, resource, body).await;
                }
                let access = match scoped.endpoint {
                    Endpoint::Health(_) => Access::Health,
                    Endpoint::HealthCheck(..) => Access::Other,
                    _ => Access::ReadCache,
                };
                admit(&identity, access, &head.method, &scoped.path)?;
                // Nothing here takes long, but what makes no sense is said everywhere.
                query.timeout()?;
                if access == Access::Health {
                    return self.document(&scoped, head, &query);
                }
                let _place = self.enter(RequestKind::ReadOnly, &identity)?;
                self.document(&scoped, head, &query)
            }
        }
    }

    /// Answers on the control plane, which the client may enter.
    async fn on_control(
        &self,
        asked: Asking<'_>,
        scoped: &Scoped,
        body: Sent,
    ) -> Result<Response<Body>, ApiError> {
        if let Endpoint::Resource(resource) = &scoped.endpoint {
            return self.resource(asked, scoped, resource, body).await;
        }
        let Asking { identity, query, head, .. } = asked;
        query.timeout()?;
        let _place = self.enter(RequestKind::ReadOnly, identity)?;
        self.document(scoped, head, query)
    }

    async fn resource(
        &self,
        asked: Asking<'_>,
        scoped: &Scoped,
        path: &ResourcePath,
        body: Sent,
    ) -> Result<Response<Body>, ApiError> {
        let Asking { identity, query, head, seen } = asked;
        let verb = verb_of(&head.method, path, query);
        let served = self.type_of(scoped, path, &head.headers);
        let is_apply = verb == "patch" && sent::is_apply(&head.headers);
        seen.resource(self, path, (verb, is_apply), served.as_deref());
        if matches!(self.plane, Plane::Cache(_)) {
            admit_resource(identity, scoped, path, verb)?;
        }
        if path.identity.as_deref() == Some("") {
            let resource = &path.resource;
            return Err(ApiError::internal(&format!(
                "invalid resource \"{resource}\": missing identity"
            )));
        }
        let Some(cluster) = &scoped.cluster else {
            return Err(docs::no_cluster(scoped, path, verb));
        };
        let served = if let Some(served) = served {
            served
        } else {
            // It may have been declared through another server a moment ago.
            self.fresh().await?;
            let found = self.type_of(scoped, path, &head.headers);
            found.ok_or_else(|| self.no_such_type(path))?
        };
        let headers = &head.headers;
        let call = Call { app: self, scoped, cluster, path, served: &served, query, headers };
        call.check_scope(verb)?;
        let kind = match verb {
            "get" | "list" | "watch" => RequestKind::ReadOnly,
            _ => RequestKind::Mutating,
        };
        let place = self.enter(kind, identity)?;
        if verb == "watch" {
            return call.watch(self.enter(RequestKind::Watch, identity)?, place).await;
        }
        let timeout = query.timeout()?.map_or(REQUEST_TIMEOUT, |it| it.min(REQUEST_TIMEOUT));
        let answer = tokio::time::timeout(timeout, call.run(verb, body)).await;
        let answer = answer.unwrap_or_else(|_| Err(ApiError::timed_out()))?;
        // What goes to the connection in one piece has been answered.
        if !answer.body().is_longer_than(SEND_BUFFER_BYTES) {
            return Ok(answer);
        }
        Ok(answer.map(|body| body.holding(place)))
    }

    fn no_such_type(&self, path: &ResourcePath) -> ApiError {
        match &self.plane {
            Plane::Cache(_) => ApiError::page_not_found(),
            Plane::Control(control) => control.no_such_type(path),
        }
    }

    /// Takes a place among the requests that are being answered.
    fn enter(&self, kind: RequestKind, identity: &Identity) -> Result<InFlight, ApiError> {
        let ceiling = self.options.admission.ceiling(kind, identity.is_admin());
        let place = self.metrics.requests.in_flight(kind, ceiling);
        place.ok_or_else(|| admission::refusal(kind, ceiling))
    }

    /// Waits until the view has everything that was written before this request, through
    /// whichever server.
    async fn fresh(&self) -> Result<(), ApiError> {
        self.view.fresh().await.map_err(|why| {
            ApiError::unavailable(format!(
                "it cannot be told whether this is the newest state: {why}. Watches go on, and so do reads that take an older one (resourceVersion=0)"
            ))
        })
    }

    fn labels(&self, served: &Served, path: &ResourcePath) -> TypeLabels {
        let version = served.known_version(&path.version);
        self.metrics.requests.labels(&path.group, version, &path.resource)
    }

    /// The type that a request means.
    fn type_of(
        &self,
        scoped: &Scoped,
        path: &ResourcePath,
        headers: &HeaderMap,
    ) -> Option<Found<'_>> {
        let accept = headers.get(header::ACCEPT).and_then(|it| it.to_str().ok());
        self.types.find(&AskedType {
            group: &path.group,
            version: &path.version,
            resource: &path.resource,
            identity: path.identity.as_deref(),
            cluster: scoped.cluster.as_ref()?,
            accept: accept.unwrap_or_default(),
        })
    }
}

impl Handler for App {
    async fn handle(self: Arc<Self>, peer: Peer, request: Request<Incoming>) -> Response<Body> {
        let compress = self.options.compress.for_client(&peer);
        self.respond(peer.identity(), compress, request.map(Sent::Network)).await
    }
}

impl App {
    /// Answers a request of somebody who is known already.
    pub(super) async fn respond(
        &self,
        identity: Identity,
        compress: bool,
        request: Request<Sent>,
    ) -> Response<Body> {
        let (head, body) = request.into_parts();
        let is_head = head.method == Method::HEAD;
        let begun = Instant::now();
        let mut seen = Seen::new(&self.metrics, &head.method);
        let presentation = Presentation::wanted(&head, compress);
        let answer = self.answer(identity, &head, body, &mut seen).await;
        let response = answer.unwrap_or_else(ApiError::into_response);
        let mut response = presentation.apply(response).await;
        let Seen { labels, verb, scope } = seen;
        let requests = &self.metrics.requests;
        requests.observe(&labels, verb, scope, response.status(), begun.elapsed());
        if is_head {
            *response.body_mut() = Body::empty();
        }
        response
    }
}

/// Lets a client pass to a path that names no resource.
fn admit(
    identity: &Identity,
    access: Access<'_>,
    method: &Method,
    path: &str,
) -> Result<(), ApiError> {
    if identity.may(access) {
        return Ok(());
    }
    let verb = method.as_str().to_ascii_lowercase();
    let message = forbidden_message(identity, &Asked::Path { verb: &verb, path });
    Err(ApiError::forbidden(message, None))
}

/// Who asks, and how.
struct Asking<'a> {
    identity: &'a Identity,
    query: &'a Query,
    head: &'a http::request::Parts,
    seen: &'a mut Seen,
}

/// What the metrics are told of a request.
struct Seen {
    labels: TypeLabels,
    verb: Verb,
    scope: MetricsScope,
}

impl Seen {
    fn new(metrics: &Metrics, method: &Method) -> Self {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        Self {
            labels: metrics.requests.no_type().clone(),
            verb: if reads { Verb::Get } else { Verb::Other },
            scope: MetricsScope::None,
        }
    }

    fn resource(
        &mut self,
        app: &App,
        path: &ResourcePath,
        (verb, is_apply): (&str, bool),
        served: Option<&Served>,
    ) {
        self.labels = match served {
            Some(served) => app.labels(served, path),
            None => app.metrics.requests.unknown().clone(),
        };
        self.verb = match verb {
            "get" => Verb::Get,
            "list" => Verb::List,
            "watch" => Verb::Watch,
            "create" => Verb::Post,
            "update" => Verb::Put,
            "patch" if is_apply => Verb::Apply,
            "patch" => Verb::Patch,
            "delete" => Verb::Delete,
            "deletecollection" => Verb::DeleteCollection,
            _ => Verb::Other,
        };
        self.scope = scope_of(path);
    }
}

/// How wide a request reaches.
fn scope_of(path: &ResourcePath) -> MetricsScope {
    match (&path.name, path.namespace.is_empty()) {
        (Some(_), _) => MetricsScope::Resource,
        (None, true) => MetricsScope::Cluster,
        (None, false) => MetricsScope::Namespace,
    }
}

/// What a client wants to do, in the words of the API. Empty for a method nobody knows.
fn verb_of(method: &Method, path: &ResourcePath, query: &Query) -> &'static str {
    let collection = path.name.is_none();
    match *method {
        Method::GET | Method::HEAD if path.watch => "watch",
        Method::GET | Method::HEAD if !collection => "get",
        Method::GET | Method::HEAD if query.flag("watch") == Some(true) => "watch",
        Method::GET | Method::HEAD => "list",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if collection => "deletecollection",
        Method::DELETE => "delete",
        _ => "",
    }
}

fn admit_resource(
    identity: &Identity,
    scoped: &Scoped,
    path: &ResourcePath,
    verb: &str,
) -> Result<(), ApiError> {
    let access = match verb {
        "get" | "list" | "watch" | "" => Access::ReadCache,
        _ => Access::WriteCache { shard: &scoped.shard },
    };
    if identity.may(access) {
        return Ok(());
    }
    let resource = match &path.identity {
        Some(identity) => format!("{}:{identity}", path.resource),
        None => path.resource.clone(),
    };
    let name = path.name.as_deref().unwrap_or_default();
    let message = forbidden_message(
        identity,
        &Asked::Resource {
            verb,
            resource: &resource,
            subresource: path.subresource.as_deref().unwrap_or_default(),
            group: &path.group,
            namespace: &path.namespace,
            name,
        },
    );
    let kind = Qualified { group: &path.group, name: &resource };
    Err(ApiError::forbidden(message, Some((kind, name))))
}

impl Call<'_> {
    fn resource(&self) -> Qualified<'_> {
        Qualified { group: &self.served.kind.group, name: &self.served.kind.resource }
    }

    fn labels(&self) -> TypeLabels {
        self.app.labels(self.served, self.path)
    }

    fn metrics_scope(&self) -> MetricsScope {
        scope_of(self.path)
    }

    /// Refuses what the type or the scope has no place for.
    fn check_scope(&self, verb: &'static str) -> Result<(), ApiError> {
        let path = self.path;
        let name = path.name.as_deref();
        let namespaced = self.served.kind.namespaced;
        let needs_namespace =
            namespaced && (name.is_some() || matches!(verb, "create" | "deletecollection"));
        if (needs_namespace && path.namespace.is_empty())
            || (!namespaced && !path.namespace.is_empty())
        {
            return Err(ApiError::page_not_found());
        }
        if let Some(name @ ("." | "..")) = name {
            let shown = quoted(name.as_bytes());
            return Err(ApiError::bad_request(format!(
                "Name parameter invalid: {shown}: may not be '{name}'"
            )));
        }
        let is_status = path.subresource.as_deref() == Some("status");
        let has_it = is_status && self.served.kind.has_status;
        if path.subresource.is_some() && !(has_it && matches!(verb, "get" | "update" | "patch")) {
            return Err(ApiError::not_found(self.resource(), name.unwrap_or_default()));
        }
        let writes = matches!(verb, "create" | "update" | "patch" | "delete" | "deletecollection");
        if writes && self.served.kind.access == TypeAccess::ReadOnly {
            let why = "the server makes these objects from the types that it serves";
            return Err(ApiError::method_not_allowed(self.resource(), verb, why));
        }
        if verb.is_empty() {
            return Err(ApiError::method_not_allowed(self.resource(), "", ""));
        }
        Ok(())
    }

    async fn run(&self, verb: &'static str, body: Sent) -> Result<Response<Body>, ApiError> {
        let answer = match verb {
            "get" => return self.get().await,
            "list" => return self.list().await,
            "create" => self.create(sent::read(body).await?).await,
            "update" => self.update(sent::read(body).await?).await,
            "patch" => self.patch(sent::read(body).await?).await,
            "delete" => self.delete(sent::read(body).await?).await,
            "deletecollection" => self.delete_collection(sent::read(body).await?).await,
            _ => Err(ApiError::method_not_allowed(self.resource(), verb, "")),
        };
        if let Plane::Control(control) = &self.app.plane {
            control.stirred.notify_one();
        }
        answer
    }

    /// Waits until the view is as new as the options of a list or a watch want it.
    async fn fresh_enough(
        &self,
        options: &ListOptions,
        asked: Option<Revision>,
    ) -> Result<(), ApiError> {
        match asked {
            Some(asked) if asked <= self.app.view.root().revision() => Ok(()),
            // Any state will do, and a newer one is better.
            None if options.has_revision && options.token.is_empty() => {
                let _ = self.app.view.fresh().await;
                Ok(())
            }
            _ => self.app.fresh().await,
        }
    }

    /// The one shard and cluster that a write is about.
    fn concrete(&self, verb: &str) -> Result<(&ShardName, &ClusterName), ApiError> {
        if let (Shard::Named(shard), Cluster::Named(cluster)) = (&self.scoped.shard, self.cluster) {
            return Ok((shard, cluster));
        }
        let why = "a write needs one shard and one cluster, not a wildcard";
        Err(ApiError::method_not_allowed(self.resource(), verb, why))
    }

    fn subject(&self, verb: &str) -> Result<Subject<'_>, ApiError> {
        let (shard, cluster) = self.concrete(verb)?;
        Ok(Subject {
            kind: &self.served.kind,
            version: &self.path.version,
            shard,
            cluster,
            namespace: &self.path.namespace,
            says_place: matches!(self.app.plane, Plane::Cache(_)),
            structure: self.rules()?.map(|it| &it.structure),
        })
    }

    fn scope(&self) -> Scope {
        let namespace = self.path.namespace.as_str();
        Scope {
            origin: self.served.origin.clone(),
            shard: self.scoped.shard.clone(),
            cluster: self.cluster.clone(),
            namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
            name: None,
        }
    }

    fn encoder(&self, shape: Shape) -> Result<Encoder, ApiError> {
        let accept = self.headers.get(header::ACCEPT).and_then(|it| it.to_str().ok());
        let form: Form = accept::choose(accept.unwrap_or_default(), shape)?;
        if self.served.origin.is_none() && !matches!(form, Form::Partial(_)) {
            return Err(ApiError::not_acceptable(accept::OFFERED_METADATA));
        }
        let include = self.query.get("includeObject");
        let says_origin = *self.cluster == Cluster::All;
        Encoder::new(self.served, &self.path.version, form, include, says_origin)
    }
}

/// An answer of JSON.
fn json_response(status: StatusCode, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

impl From<Answer> for Response<Body> {
    fn from(answer: Answer) -> Self {
        let Answer { status, body, warnings } = answer;
        let mut response = json_response(status, body);
        for warning in warnings {
            // What cannot stand in a header is no warning that anybody could read.
            if let Ok(value) =
                HeaderValue::from_str(&format!("299 - {}", quoted(warning.as_bytes())))
            {
                response.headers_mut().append(header::WARNING, value);
            }
        }
        response
    }
}
