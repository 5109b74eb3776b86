//! Everything that is no object: health, metrics, discovery, schemas, and the two
//! answers that only this server gives.

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use serde_json::json;

use super::{App, Endpoint, ResourcePath, Scoped, json_response};
use crate::server::Flavor;
use crate::server::auth::Identity;
use crate::server::body::Body;
use crate::server::discovery::{Dialect, Document, version};
use crate::server::metrics::Facts;
use crate::server::query::Query;
use crate::server::status::{ApiError, quoted};
use crate::server::types::{BuiltIn, Documents};

/// The checks of `/livez`, `/readyz` and `/healthz`.
const CHECKS: [&str; 3] = ["ping", "store", "shutdown"];

impl App {
    /// Whether the server is well: as text, in detail if that is asked for.
    pub(super) fn health(&self, path: &str, only: Option<&str>, query: &Query) -> Response<Body> {
        let excluded: Vec<&str> = query.all("exclude").collect();
        let mut report = Vec::new();
        let mut failed = false;
        for check in CHECKS.into_iter().filter(|check| only.is_none_or(|only| only == *check)) {
            if check == "shutdown" && path != "/readyz" {
                continue;
            }
            // A new start mends neither a full disk nor an etcd, and would end the watches.
            if check == "store" && path == "/livez" {
                continue;
            }
            if excluded.contains(&check) {
                report.push(format!("[+]{check} excluded: ok"));
            } else if let Some(why) = self.ails(check) {
                tracing::warn!(check, %why, "not well");
                report.push(format!("[-]{check} failed: reason withheld"));
                failed = true;
            } else {
                report.push(format!("[+]{check} ok"));
            }
        }
        if !failed && query.get("verbose").is_none() {
            return text(StatusCode::OK, "ok".to_owned());
        }
        let (status, outcome) = if failed {
            (StatusCode::INTERNAL_SERVER_ERROR, "failed")
        } else {
            (StatusCode::OK, "passed")
        };
        report.push(format!("{} check {outcome}\n", path.trim_start_matches('/')));
        text(status, report.join("\n"))
    }

    /// What is wrong with one part, if anything is.
    fn ails(&self, check: &str) -> Option<String> {
        match check {
            "store" => (self.options.trouble)(),
            "shutdown" if self.shutdown.is_draining() => Some("the server is draining".to_owned()),
            _ => None,
        }
    }

    pub(super) fn metrics(&self, headers: &HeaderMap) -> Response<Body> {
        let facts = Facts::of(&self.view, (self.options.store_facts)());
        let accept = headers.get(header::ACCEPT).and_then(|it| it.to_str().ok());
        let exposition = self.metrics.render(&facts, accept);
        let mut response = Response::new(Body::from(exposition.text));
        let content_type = HeaderValue::from_static(exposition.content_type);
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        response
    }

    /// What the cache holds, counted by type, shard and cluster.
    pub(super) fn holdings(&self) -> Response<Body> {
        let root = self.view.root();
        let items: Vec<_> = root
            .holdings()
            .into_iter()
            .map(|it| {
                let (group, resource) = it.kind.parts();
                json!({
                    "group": group, "resource": resource, "origin": it.origin.as_str(),
                    "shard": it.shard, "cluster": it.cluster, "count": it.count,
                    "bytes": it.bytes, "resourceVersion": it.revision.to_string(),
                })
            })
            .collect();
        let revision = root.revision().to_string();
        let body = json!({ "kind": "Holdings", "resourceVersion": revision, "items": items });
        json_response(StatusCode::OK, format!("{body}\n"))
    }

    /// Answers a path below a shard that names no resource.
    pub(super) fn document(
        &self,
        scoped: &Scoped,
        head: &http::request::Parts,
        query: &Query,
    ) -> Result<Response<Body>, ApiError> {
        if !matches!(head.method, Method::GET | Method::HEAD) {
            let method = &head.method;
            return Err(ApiError::plain(405, format!("{method} is not allowed here\n")));
        }
        let accept = head.headers.get(header::ACCEPT).and_then(|it| it.to_str().ok());
        let dialect = Dialect::from_accept(accept.unwrap_or_default());
        // The original has no discovery at its root: under its name neither have we.
        let original = self.options.flavor == Flavor::CacheServer;
        let documents = self.types.documents(scoped.cluster.as_ref());
        let Documents { discovery, openapi } = &*documents;
        let found = match &scoped.endpoint {
            Endpoint::Health(check) => return Ok(self.health(check, None, query)),
            Endpoint::HealthCheck(path, check) if CHECKS.contains(&check.as_str()) => {
                return Ok(self.health(path, Some(check), query));
            }
            Endpoint::Index => return Ok(Self::index(StatusCode::OK)),
            Endpoint::Version => return Ok(answer(&version(), head)),
            Endpoint::OpenApiIndex => Some(openapi.index()),
            Endpoint::OpenApi(group, version) if group.is_empty() => {
                openapi.document(&format!("api/{version}"))
            }
            Endpoint::OpenApi(group, version) => {
                openapi.document(&format!("apis/{group}/{version}"))
            }
            Endpoint::Core if !original => Some(discovery.core(dialect)),
            Endpoint::Groups if !original => Some(discovery.groups(dialect)),
            Endpoint::Groups => return Err(ApiError::page_not_found()),
            Endpoint::Group(_) | Endpoint::GroupVersion(..) if scoped.cluster.is_none() => {
                return Err(no_cluster_of(&scoped.path, head));
            }
            Endpoint::Group(group) => {
                Some(discovery.group(group).ok_or_else(ApiError::page_not_found)?)
            }
            Endpoint::GroupVersion(group, version) if !group.is_empty() => {
                match discovery.version(group, version) {
                    None if original => return Ok(empty_version(group, version)),
                    found => Some(found.ok_or_else(ApiError::page_not_found)?),
                }
            }
            Endpoint::GroupVersion(_, version) if !original => discovery.version("", version),
            _ => None,
        };
        match found {
            Some(document) => Ok(answer(document, head)),
            None => Ok(Self::index(StatusCode::NOT_FOUND)),
        }
    }

    /// What paths there are: the answer to `/`, and to a path that nobody knows.
    fn index(status: StatusCode) -> Response<Body> {
        let mut paths = vec!["/apis".to_owned()];
        for kind in BuiltIn::all() {
            for version in &kind.versions {
                paths.push(format!("/apis/{}", kind.group));
                paths.push(format!("/apis/{}/{}", kind.group, version.name));
            }
        }
        for path in ["/healthz", "/livez", "/openapi/v3", "/readyz", "/version"] {
            paths.push(path.to_owned());
        }
        paths.sort_unstable();
        paths.dedup();
        let body = serde_json::to_string_pretty(&json!({ "paths": paths })).unwrap_or_default();
        json_response(status, body)
    }
}

/// Who the server takes the client for.
pub(super) fn who_am_i(identity: &Identity) -> Response<Body> {
    let body = json!({ "user": identity.user(), "groups": identity.groups() });
    json_response(StatusCode::OK, format!("{body}\n"))
}

fn text(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn answer(document: &Document, head: &http::request::Parts) -> Response<Body> {
    let etag = format!("\"{}\"", document.etag);
    let known = head.headers.get_all(header::IF_NONE_MATCH).iter();
    let unchanged = known.into_iter().any(|it| it.as_bytes() == etag.as_bytes());
    let mut response = if unchanged {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        json_response(StatusCode::OK, document.body.clone())
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(document.content_type));
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    response
}

/// The original answers for every group and version, be there any or not.
fn empty_version(group: &str, version: &str) -> Response<Body> {
    let body = json!({
        "kind": "APIResourceList", "apiVersion": "v1",
        "groupVersion": format!("{group}/{version}"), "resources": [],
    });
    json_response(StatusCode::OK, format!("{body}\n"))
}

/// What the original says, in its words, to a request for objects of no cluster.
pub(super) fn no_cluster(scoped: &Scoped, path: &ResourcePath, verb: &str) -> ApiError {
    let ResourcePath { group, version, resource, namespace, name, subresource, .. } = path;
    let go = |text: &str| quoted(text.as_bytes());
    let prefix = if scoped.path.starts_with("/api/") { "api" } else { "apis" };
    let parts: Vec<String> = [Some(resource), name.as_ref(), subresource.as_ref()]
        .into_iter()
        .flatten()
        .map(|part| go(part))
        .collect();
    no_cluster_error(&format!(
        "IsResourceRequest:true, Path:{}, Verb:{}, APIPrefix:{}, APIGroup:{}, APIVersion:{}, Namespace:{}, Resource:{}, Subresource:{}, Name:{}, Parts:[]string{{{}}}, FieldSelector:\"\", LabelSelector:\"\"",
        go(&scoped.path),
        go(verb),
        go(prefix),
        go(group),
        go(version),
        go(namespace),
        go(resource),
        go(subresource.as_deref().unwrap_or_default()),
        go(name.as_deref().unwrap_or_default()),
        parts.join(", "),
    ))
}

fn no_cluster_of(path: &str, head: &http::request::Parts) -> ApiError {
    let verb = head.method.as_str().to_ascii_lowercase();
    no_cluster_error(&format!(
        "IsResourceRequest:false, Path:{}, Verb:{}, APIPrefix:\"\", APIGroup:\"\", APIVersion:\"\", Namespace:\"\", Resource:\"\", Subresource:\"\", Name:\"\", Parts:[]string(nil), FieldSelector:\"\", LabelSelector:\"\"",
        quoted(path.as_bytes()),
        quoted(verb.as_bytes()),
    ))
}

fn no_cluster_error(info: &str) -> ApiError {
    ApiError::plain(
        500,
        format!(
            "cluster path is empty in the request context - RequestInfo: &request.RequestInfo{{{info}}}\n"
        ),
    )
}
