//! Store, view and request path, put together.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::{Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;

use super::settings::Settings;
use crate::error::{CliError, Kind};
use crate::model::builtin;
use crate::server::auth::{Access, Asked, forbidden_message};
use crate::server::body::Body;
use crate::server::conn::{Handler, Peer};
use crate::server::metrics::{Metrics, StoreFacts};
use crate::server::{Operations, StoreProbe};
use crate::shutdown::Shutdown;
use crate::store::{Embedded, Keyspace, TypeKey};
use crate::view::{OpenError, Options, View};

/// How long a change is remembered, in milliseconds: a watch that was away for less
/// goes on without a relist. As long as etcd's compaction leaves in the original.
const HISTORY_MILLIS: u64 = 5 * 60 * 1000;

/// A server that can answer.
pub(super) struct Server {
    view: Arc<View>,
    handler: Arc<RequestPath>,
}

impl Server {
    /// Reads the store.
    pub(super) async fn open(
        settings: &Settings,
        store: Arc<Embedded>,
        metrics: Arc<Metrics>,
        shutdown: Shutdown,
    ) -> Result<Self, CliError> {
        let kinds = builtin::types().iter().chain([builtin::definition_type()]);
        let options = Options {
            history_bytes: settings.history_bytes,
            history_millis: HISTORY_MILLIS,
            kinds: kinds.map(|kind| TypeKey::new(&kind.group, &kind.resource)).collect(),
            clock: now_millis,
            decode: |_, stored| Ok(stored),
        };
        let keys = Keyspace::new(settings.key_prefix.clone());
        let view = Arc::new(View::open(Arc::clone(&store), keys, options).await?);
        let operations = Operations::new(metrics, Arc::clone(&view), probe(store), shutdown);
        Ok(Self { view, handler: Arc::new(RequestPath { operations }) })
    }

    /// What answers requests.
    pub(super) fn handler(&self) -> Arc<RequestPath> {
        Arc::clone(&self.handler)
    }

    /// Finishes the writes that are queued.
    pub(super) async fn close(&self) {
        self.view.close().await;
    }
}

/// What the metrics and the health checks know of the store.
fn probe(store: Arc<Embedded>) -> StoreProbe {
    Arc::new(move || {
        let counters = store.counters();
        StoreFacts {
            is_well: store.trouble().is_none(),
            writes: counters.writes,
            bytes: counters.bytes,
            syncs: counters.syncs,
            failures: counters.failures,
            disk_bytes: store.disk_bytes().unwrap_or(0),
        }
    })
}

fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Answers requests.
pub(super) struct RequestPath {
    operations: Operations,
}

impl Handler for RequestPath {
    async fn handle(self: Arc<Self>, peer: Peer, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path();
        let query = request.uri().query();
        if request.method() != Method::GET {
            return plain(StatusCode::NOT_FOUND, "404 page not found\n".to_owned());
        }
        match path {
            "/healthz" | "/livez" | "/readyz" => {
                self.operations.health(path.trim_start_matches('/'), query).await
            }
            "/metrics" if peer.identity().may(Access::Metrics) => {
                self.operations.scrape(request.headers().get(header::ACCEPT)).await
            }
            _ if !peer.identity().may(Access::Other) => {
                let asked = Asked::Path { verb: "get", path };
                plain(StatusCode::FORBIDDEN, forbidden_message(&peer.identity(), &asked))
            }
            _ => plain(StatusCode::NOT_FOUND, "404 page not found\n".to_owned()),
        }
    }
}

fn plain(code: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = code;
    response
}

impl From<OpenError> for CliError {
    fn from(error: OpenError) -> Self {
        Self::new(Kind::Config, error).hint(
            "restore the store from a backup, or move it away and start with an empty cache, \
             which the shards fill again",
        )
    }
}
