//! One connection to a cache server.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use kube::client::{Body, ClientBuilder};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, json};
use tokio::time::{sleep, timeout};

use super::answer::{self, Incomplete};
use super::error::{ClientError, Reason, Refusal, Trouble, one_line};
use super::holdings::Holdings;
use super::scope::{Scope, ScopeLayer};
use super::source::Source;

/// How long a connection may take to come about.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// How often a busy server is asked again.
const RETRIES_MAX: u32 = 3;

/// The longest that we wait before asking a busy server again.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(5);

/// The largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 30;

/// Where a kcpctl server counts what it holds.
const HOLDINGS: &str = "/kcpctl/v1alpha1/holdings";

/// A client of one cache server; cheap to clone, one connection pool.
#[derive(Clone)]
pub struct CacheClient {
    client: kube::Client,
    server: String,
    ca: String,
    identity: String,
}

/// What an object must still be for a request to count.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Precondition {
    /// Its revision.
    pub resource_version: String,
    /// Its uid; empty if it has none.
    pub uid: String,
}

/// What became of a delete.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Deletion {
    /// It was made.
    Done,
    /// The object was gone already.
    WasGone,
    /// The object is another one now, and was left.
    HasChanged,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    message: String,
    reason: String,
    code: u16,
    metadata: super::page::ListMeta,
}

impl Refusal {
    /// Reads a Status body; any other text is the message itself.
    pub(super) fn of_status(body: &[u8], code: u16) -> Self {
        match serde_json::from_slice::<Status>(body) {
            Ok(status) if !status.message.is_empty() => Self {
                code: if status.code == 0 { code } else { status.code },
                reason: status.reason,
                message: one_line(&status.message),
                resume: status.metadata.continue_token.filter(|token| !token.is_empty()),
            },
            _ => {
                let text = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
                let word = StatusCode::from_u16(code).ok().and_then(|it| it.canonical_reason());
                let message = match one_line(&text) {
                    text if text.is_empty() => format!("{code} {}", word.unwrap_or_default()),
                    text => text,
                };
                Self { code, message, ..Self::default() }
            }
        }
    }
}

impl CacheClient {
    /// A client of the server that `source` leads to; nothing is sent yet.
    pub fn new(source: Source) -> Result<Self, ClientError> {
        let Source { name, ca, identity, url, mut config } = source;
        config.connect_timeout = Some(CONNECT_PATIENCE);
        config.default_retry = false;
        let agent = HeaderValue::from_static(concat!("kcpctl/", env!("CARGO_PKG_VERSION")));
        config.headers.push((header::USER_AGENT, agent));
        let builder = ClientBuilder::try_from(config).map_err(|error| {
            let (_, cause) = Trouble::of(&error, &ca);
            ClientError::Credentials { source_name: name.clone(), cause }
        })?;
        let client = builder.with_layer(&ScopeLayer).build();
        Ok(Self { client, server: format!("{url} ({name})"), ca, identity })
    }

    /// Where the server is, and which context of a kubeconfig led there.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// What the server holds, counted by itself; nothing from a server that cannot.
    pub async fn holdings(&self) -> Result<Option<Holdings>, ClientError> {
        match self.get(None, HOLDINGS, "application/json").await {
            Ok(body) => self.parse(&body).map(Some),
            // The original knows no path without a shard, and says so with a 400.
            Err(error) if matches!(error.refusal(), Some(it) if [400, 404].contains(&it.code)) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The whole answer to a GET of `url`, below `scope` if there is one.
    pub async fn get(
        &self,
        scope: Option<&Scope>,
        url: &str,
        accept: &str,
    ) -> Result<Bytes, ClientError> {
        let response = self.send(scope, url, accept).await?;
        self.collect(response.into_body()).await
    }

    /// Deletes the object at `path` in `scope`, one shard and one cluster, if it is still what
    /// `condition` says.
    pub async fn delete(
        &self,
        scope: &Scope,
        path: &str,
        condition: &Precondition,
    ) -> Result<Deletion, ClientError> {
        let mut wanted = Map::new();
        wanted.insert("resourceVersion".to_owned(), condition.resource_version.clone().into());
        if !condition.uid.is_empty() {
            wanted.insert("uid".to_owned(), condition.uid.clone().into());
        }
        let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": wanted});
        let (method, body) = (Method::DELETE, options.to_string().into());
        match self.exchange(Some(scope), path, "application/json", (method, body)).await {
            Ok(response) => self.collect(response.into_body()).await.map(|_| Deletion::Done),
            Err(error) => match error.refusal().map(|it| it.code) {
                Some(404) => Ok(Deletion::WasGone),
                Some(409) => Ok(Deletion::HasChanged),
                _ => Err(error),
            },
        }
    }

    /// The answer to a GET of `url`, whose body is still to come.
    pub(super) async fn send(
        &self,
        scope: Option<&Scope>,
        url: &str,
        accept: &str,
    ) -> Result<Response<Body>, ClientError> {
        self.exchange(scope, url, accept, (Method::GET, Bytes::new())).await
    }

    /// The answer to a request that can be sent again if the server is busy.
    async fn exchange(
        &self,
        scope: Option<&Scope>,
        url: &str,
        accept: &str,
        (method, body): (Method, Bytes),
    ) -> Result<Response<Body>, ClientError> {
        let mut attempt = 0;
        loop {
            let sent = (method.clone(), body.clone());
            let response = self.send_once(scope, url, accept, sent).await?;
            let status = response.status();
            if status.is_success() {
                return Ok(response);
            }
            let busy =
                matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
            if busy && attempt < RETRIES_MAX {
                attempt += 1;
                sleep(retry_after(&response)).await;
                continue;
            }
            let body = self.collect(response.into_body()).await?;
            return Err(self.refused(Refusal::of_status(&body, status.as_u16())));
        }
    }

    async fn send_once(
        &self,
        scope: Option<&Scope>,
        url: &str,
        accept: &str,
        (method, body): (Method, Bytes),
    ) -> Result<Response<Body>, ClientError> {
        let mut builder = Request::builder().method(method).uri(url).header(header::ACCEPT, accept);
        if !body.is_empty() {
            builder = builder.header(header::CONTENT_TYPE, "application/json");
        }
        let mut request = builder
            .body(if body.is_empty() { Body::empty() } else { Body::from(body) })
            .map_err(|error| self.unreadable(&error.to_string()))?;
        if let Some(scope) = scope {
            request.extensions_mut().insert(scope.clone());
        }
        match timeout(answer::PATIENCE, self.client.send(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(self.broken(&error)),
            Err(_) => Err(self.silent()),
        }
    }

    async fn collect(&self, body: Body) -> Result<Bytes, ClientError> {
        answer::collect(body, ANSWER_BYTES_MAX).await.map_err(|incomplete| match incomplete {
            Incomplete::Silent => self.silent(),
            Incomplete::Broken(error) => self.broken(&error),
            Incomplete::TooLong => self.unreadable("an answer of more than 1 GiB"),
        })
    }

    /// Reads JSON that came from this server.
    pub(super) fn parse<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, ClientError> {
        serde_json::from_slice(body).map_err(|error| self.unreadable(&error.to_string()))
    }

    pub(super) fn refused(&self, refusal: Refusal) -> ClientError {
        ClientError::Refused {
            server: self.server.clone(),
            identity: self.identity.clone(),
            refusal: Box::new(refusal),
        }
    }

    pub(super) fn unreadable(&self, reason: &str) -> ClientError {
        ClientError::Unreadable { server: self.server.clone(), cause: Reason(one_line(reason)) }
    }

    pub(super) fn broken(&self, error: &(dyn std::error::Error + 'static)) -> ClientError {
        let (trouble, cause) = Trouble::of(error, &self.ca);
        ClientError::Connect {
            server: self.server.clone(),
            identity: self.identity.clone(),
            trouble,
            cause,
        }
    }

    fn silent(&self) -> ClientError {
        ClientError::Silent { server: self.server.clone(), seconds: answer::PATIENCE.as_secs() }
    }
}

fn retry_after<B>(response: &Response<B>) -> Duration {
    let seconds = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or(1);
    Duration::from_secs(seconds).min(RETRY_WAIT_MAX)
}
