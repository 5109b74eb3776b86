//! What operators ask a server: whether it is well, and what it counted.
//!
//! The request path decides who may ask, and hands the rest over to here.

use std::fmt;
use std::sync::Arc;

use http::{HeaderValue, Response, StatusCode, header};
use percent_encoding::percent_decode_str;

use super::body::Body;
use super::health::{self, Asked, Check, Health};
use super::metrics::{Facts, Metrics, StoreFacts};
use crate::shutdown::Shutdown;
use crate::view::View;

/// Tells what the store did and how it is. May wait for a disk.
pub type StoreProbe = Arc<dyn Fn() -> StoreFacts + Send + Sync>;

/// Answers what operators ask.
pub struct Operations {
    metrics: Arc<Metrics>,
    view: Arc<View>,
    store: StoreProbe,
    shutdown: Shutdown,
}

impl Operations {
    /// Answers about a view, the store below it and the process around it.
    pub fn new(
        metrics: Arc<Metrics>,
        view: Arc<View>,
        store: StoreProbe,
        shutdown: Shutdown,
    ) -> Self {
        Self { metrics, view, store, shutdown }
    }

    /// What is counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The answer of `endpoint`, such as `readyz`; `query` is what follows the `?`.
    pub async fn health(&self, endpoint: &str, query: Option<&str>) -> Response<Body> {
        let (verbose, exclude) = wishes(query.unwrap_or_default());
        let asked = Asked { verbose, exclude: &exclude };
        let checks = self.checks().await;
        let answer = health::health(endpoint, &checks, asked);
        if answer.0 != StatusCode::OK {
            tracing::warn!(endpoint, text = answer.1, "health check failed");
        }
        health_response(answer)
    }

    /// The answer of one check, such as `/readyz/ping`; none if there is no such check.
    pub async fn health_check(&self, endpoint: &str, name: &str) -> Option<Response<Body>> {
        let checks = self.checks().await;
        health::single(endpoint, name, &checks).map(health_response)
    }

    /// All metrics, in the format that `accept` asks for.
    pub async fn scrape(&self, accept: Option<&HeaderValue>) -> Response<Body> {
        let facts = Facts::of(&self.view, self.store_facts().await);
        let accept = accept.and_then(|accept| accept.to_str().ok());
        let exposition = self.metrics.render(&facts, accept);
        let mut response = Response::new(Body::from(exposition.text));
        let content_type = HeaderValue::from_static(exposition.content_type);
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        response
    }

    async fn checks(&self) -> [Check; 4] {
        let store = self.store_facts().await;
        let well = |name| Check { name, is_well: true, readiness_only: false };
        [
            well("ping"),
            // That there is an answer shows that the view was loaded.
            well("view"),
            Check { is_well: store.is_well, ..well("store") },
            Check {
                is_well: !self.shutdown.is_draining(),
                readiness_only: true,
                ..well("shutdown")
            },
        ]
    }

    /// What the store says, on a thread that may wait; as ill if it cannot be asked.
    async fn store_facts(&self) -> StoreFacts {
        let probe = Arc::clone(&self.store);
        tokio::task::spawn_blocking(move || probe()).await.unwrap_or_default()
    }
}

impl fmt::Debug for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operations").finish_non_exhaustive()
    }
}

fn health_response((code, text): Health) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
    response
}

/// Whether `query` says `verbose`, and the checks that it excludes.
fn wishes(query: &str) -> (bool, Vec<String>) {
    let mut verbose = false;
    let mut exclude = Vec::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "verbose" => verbose = true,
            "exclude" => {
                let value = percent_decode_str(value).decode_utf8_lossy();
                exclude.extend(value.split(',').map(str::trim).map(ToOwned::to_owned));
            }
            _ => {}
        }
    }
    (verbose, exclude)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_read_as_other_api_servers_do() {
        assert_eq!(wishes(""), (false, vec![]));
        assert_eq!(wishes("verbose"), (true, vec![]));
        let exclude = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
        assert_eq!(wishes("exclude=a%2Cb&verbose=1&exclude=c"), (true, exclude.to_vec()));
    }
}
