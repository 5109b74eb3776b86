//! One connection to a cluster: requests and answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use kube::client::{Body, ClientBuilder};
use parking_lot::Mutex;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::super::answer::{self, Incomplete};
use super::super::error::{Reason, Refusal, Trouble, one_line};
use super::super::source::Source;
use super::error::{ClusterError, FieldConflict};
use super::types::{Resource, ResourceList, escaped, root};

/// How long a connection may take to come about.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// How often a request is sent again: long enough for an API server to be restarted.
const RETRIES_MAX: u32 = 4;

/// The wait before the first time; each next one is twice as long.
const RETRY_WAIT: Duration = Duration::from_millis(250);

/// The longest wait that a server can ask for.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(10);

/// The largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// How many objects are asked for at a time.
const PAGE: usize = 500;

/// A client of one cluster; cheap to clone, one connection pool.
#[derive(Clone)]
pub struct ClusterClient {
    client: kube::Client,
    server: String,
    ca: String,
    namespace: Option<String>,
    types: Arc<Mutex<HashMap<String, Arc<Vec<Resource>>>>>,
}

/// What somebody wants to do, for [`ClusterClient::may`].
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Review {
    /// Such as `patch`.
    pub verb: &'static str,
    /// The API group.
    pub group: String,
    /// The plural of the type.
    pub resource: String,
    /// The namespace; empty for types without.
    pub namespace: String,
}

/// An answer: its code, the server's warnings, the body.
pub(super) struct Answer {
    pub(super) code: u16,
    pub(super) warnings: Vec<String>,
    pub(super) body: Bytes,
}

/// A body, and its media type.
pub(super) type Content = Option<(&'static str, Bytes)>;

impl ClusterClient {
    /// A client of the cluster that `source` leads to; nothing is sent yet.
    pub fn new(source: Source, namespace: Option<String>) -> Result<Self, ClusterError> {
        let Source { name, ca, url, mut config, .. } = source;
        config.connect_timeout = Some(CONNECT_PATIENCE);
        config.default_retry = false;
        let agent = HeaderValue::from_static(concat!("kcpctl/", env!("CARGO_PKG_VERSION")));
        config.headers.push((header::USER_AGENT, agent));
        let builder = ClientBuilder::try_from(config).map_err(|error| {
            let (_, cause) = Trouble::of(&error, &ca);
            ClusterError::Credentials { source_name: name.clone(), cause }
        })?;
        let server = format!("{url} ({name})");
        Ok(Self { client: builder.build(), server, ca, namespace, types: Arc::default() })
    }

    /// Where the cluster is, and which context of a kubeconfig led there.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The namespace of that context.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The version of the API server, such as `v1.36.0`.
    pub async fn version(&self) -> Result<String, ClusterError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Version {
            git_version: String,
        }
        let answer = self.ask(Method::GET, "/version", None, "tell its version").await?;
        Ok(self.parse::<Version>(&answer.body)?.git_version)
    }

    /// Whether this is the control plane of `kcpctl cache serve`, where neither kcp-operator nor
    /// cert-manager has a part.
    pub async fn is_control_plane(&self) -> Result<bool, ClusterError> {
        Ok(self.version().await?.contains("+kcpctl-"))
    }

    /// How a kind is reached; nothing if the cluster does not have it.
    pub async fn find(
        &self,
        api_version: &str,
        kind: &str,
    ) -> Result<Option<Resource>, ClusterError> {
        let found = |types: &[Resource]| types.iter().find(|it| it.kind == kind).cloned();
        if let Some(known) = found(&self.types(api_version).await?) {
            return Ok(Some(known));
        }
        // Definitions are established one after the other: what is not there may be there now.
        self.types.lock().remove(api_version);
        Ok(found(&self.types(api_version).await?))
    }

    /// As [`Self::find`]; an error if the cluster does not have it.
    pub async fn resource(&self, api_version: &str, kind: &str) -> Result<Resource, ClusterError> {
        self.find(api_version, kind).await?.ok_or_else(|| ClusterError::UnknownType {
            server: self.server.clone(),
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
        })
    }

    /// Every type of a group and version; none if the cluster does not have it.
    pub async fn types(&self, api_version: &str) -> Result<Arc<Vec<Resource>>, ClusterError> {
        if let Some(known) = self.types.lock().get(api_version) {
            return Ok(Arc::clone(known));
        }
        let action = format!("tell the types of {api_version}");
        let types = match self.ask(Method::GET, &root(api_version), None, &action).await {
            Ok(answer) => self.parse::<ResourceList>(&answer.body)?.into_resources(api_version),
            Err(error) if error.refusal().is_some_and(|it| it.code == 404) => Vec::new(),
            Err(error) => return Err(error),
        };
        let types = Arc::new(types);
        self.types.lock().insert(api_version.to_owned(), Arc::clone(&types));
        Ok(types)
    }

    /// One object; nothing if there is none.
    pub async fn get(
        &self,
        of: &Resource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, ClusterError> {
        let action = format!("get {}", named(of, namespace, name));
        match self.ask(Method::GET, &of.object(namespace, name), None, &action).await {
            Ok(answer) => self.parse(&answer.body).map(Some),
            Err(error) if error.refusal().is_some_and(|it| it.code == 404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every object of a type, or those in one namespace.
    pub async fn list(
        &self,
        of: &Resource,
        namespace: Option<&str>,
    ) -> Result<Vec<Value>, ClusterError> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            metadata: Metadata,
            items: Vec<Value>,
        }
        #[derive(Default, Deserialize)]
        struct Metadata {
            #[serde(default, rename = "continue")]
            next: String,
        }
        let action = format!("list {}", of.plural);
        let mut all = Vec::new();
        let mut next = String::new();
        loop {
            let mut path = format!("{}?limit={PAGE}", of.collection(namespace));
            if !next.is_empty() {
                path = format!("{path}&continue={}", escaped(&next));
            }
            let answer = match self.ask(Method::GET, &path, None, &action).await {
                Ok(answer) => answer,
                // The list is older than what the server remembers: begin anew.
                Err(error)
                    if error.refusal().is_some_and(|it| it.code == 410) && !next.is_empty() =>
                {
                    all.clear();
                    next.clear();
                    continue;
                }
                Err(error) => return Err(error),
            };
            let Page { metadata, items } = self.parse(&answer.body)?;
            // A list leaves out what it says for all of its items.
            all.extend(items.into_iter().map(|mut item| {
                item["apiVersion"] = of.api_version.clone().into();
                item["kind"] = of.kind.clone().into();
                item
            }));
            next = metadata.next;
            if next.is_empty() {
                return Ok(all);
            }
        }
    }

    /// Whether we may do that.
    pub async fn may(&self, review: &Review) -> Result<bool, ClusterError> {
        let Review { verb, group, resource, namespace } = review;
        let body = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": {
                "verb": verb, "group": group, "resource": resource, "namespace": namespace,
            } },
        });
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let content = Some(("application/json", Bytes::from(body.to_string())));
        let answer = self.ask(Method::POST, path, content, "tell what we may do").await?;
        let answer: Value = self.parse(&answer.body)?;
        Ok(answer["status"]["allowed"] == true)
    }

    /// The answer to a request that can be made twice.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        content: Content,
        action: &str,
    ) -> Result<Answer, ClusterError> {
        let mut wait = RETRY_WAIT;
        for attempt in 0.. {
            let last = attempt == RETRIES_MAX;
            match self.ask_once(&method, path, content.clone()).await {
                Ok((status, after, answer)) => {
                    if status.is_success() {
                        return Ok(answer);
                    }
                    let busy = matches!(
                        status,
                        StatusCode::TOO_MANY_REQUESTS
                            | StatusCode::INTERNAL_SERVER_ERROR
                            | StatusCode::BAD_GATEWAY
                            | StatusCode::SERVICE_UNAVAILABLE
                            | StatusCode::GATEWAY_TIMEOUT
                    );
                    if !busy || last {
                        return Err(self.refused(action, answer.code, &answer.body));
                    }
                    wait = after.unwrap_or(wait).min(RETRY_WAIT_MAX);
                }
                // One that was never reached will hardly appear; one that broke off may be back.
                Err(ClusterError::Connect {
                    trouble: Trouble::Closed | Trouble::Other, ..
                }) if !last => {}
                Err(error) => return Err(error),
            }
            sleep(wait).await;
            wait *= 2;
        }
        unreachable!("the last attempt returns")
    }

    async fn ask_once(
        &self,
        method: &Method,
        path: &str,
        content: Content,
    ) -> Result<(StatusCode, Option<Duration>, Answer), ClusterError> {
        let mut builder = Request::builder()
            .method(method.clone())
            .uri(path)
            .header(header::ACCEPT, "application/json");
        let body = match content {
            Some((form, bytes)) => {
                builder = builder.header(header::CONTENT_TYPE, form);
                Body::from(bytes)
            }
            None => Body::empty(),
        };
        let request = builder.body(body).map_err(|error| self.unreadable(&error.to_string()))?;
        let response = match timeout(answer::PATIENCE, self.client.send(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(self.broken(&error)),
            Err(_) => return Err(self.silent()),
        };
        let (head, body) = response.into_parts();
        let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
        let after = head.headers.get(header::RETRY_AFTER).and_then(text);
        let after = after.and_then(|it| it.parse().ok()).map(Duration::from_secs);
        let warnings = head.headers.get_all(header::WARNING).iter().filter_map(text);
        let warnings = warnings.filter_map(|it| warning(&it)).collect();
        let body = answer::collect(body, ANSWER_BYTES_MAX).await;
        let body = body.map_err(|incomplete| match incomplete {
            Incomplete::Silent => self.silent(),
            Incomplete::Broken(error) => self.broken(&error),
            Incomplete::TooLong => self.unreadable("an answer of more than 256 MiB"),
        })?;
        let answer = Answer { code: head.status.as_u16(), warnings, body };
        Ok((head.status, after, answer))
    }

    /// Reads JSON that came from this server.
    pub(super) fn parse<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, ClusterError> {
        serde_json::from_slice(body).map_err(|error| self.unreadable(&error.to_string()))
    }

    fn refused(&self, action: &str, code: u16, body: &[u8]) -> ClusterError {
        let status: Value = serde_json::from_slice(body).unwrap_or_default();
        let causes = status["details"]["causes"].as_array().map_or(&[][..], Vec::as_slice);
        let conflicts = causes.iter().filter(|it| it["reason"] == "FieldManagerConflict");
        let conflicts = conflicts
            .map(|it| FieldConflict {
                field: it["field"].as_str().unwrap_or_default().to_owned(),
                // `conflict with "kubectl" using apps/v1`
                manager: it["message"]
                    .as_str()
                    .and_then(|it| it.split('"').nth(1))
                    .map_or_else(|| "somebody".to_owned(), str::to_owned),
            })
            .collect();
        ClusterError::Refused {
            server: self.server.clone(),
            action: action.to_owned(),
            refusal: Box::new(Refusal::of_status(body, code)),
            conflicts,
        }
    }

    fn unreadable(&self, reason: &str) -> ClusterError {
        ClusterError::Unreadable { server: self.server.clone(), cause: Reason(one_line(reason)) }
    }

    fn broken(&self, error: &(dyn std::error::Error + 'static)) -> ClusterError {
        let (trouble, cause) = Trouble::of(error, &self.ca);
        ClusterError::Connect { server: self.server.clone(), trouble, cause }
    }

    fn silent(&self) -> ClusterError {
        ClusterError::Silent { server: self.server.clone(), seconds: answer::PATIENCE.as_secs() }
    }
}

/// The text of a warning, which Kubernetes writes as `299 - "the text"`.
fn warning(header: &str) -> Option<String> {
    let quoted = header.split_once('"')?.1;
    Some(quoted.strip_suffix('"').unwrap_or(quoted).replace("\\\"", "\""))
}

/// An object, as an error names it.
pub(super) fn named(of: &Resource, namespace: &str, name: &str) -> String {
    if of.namespaced {
        format!("{}/{name} in `{namespace}`", of.kind)
    } else {
        format!("{}/{name}", of.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_what_stands_between_the_quotes() {
        let header = r#"299 - "unknown field \"spec.x\"""#;
        assert_eq!(warning(header).as_deref(), Some(r#"unknown field "spec.x""#));
        assert_eq!(warning("299 - nothing"), None);
    }
}
