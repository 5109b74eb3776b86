//! `/livez`, `/readyz` and `/metrics` of the loop, over plain HTTP.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::ReconcileError;
use super::run::Shared;
use crate::shutdown::Shutdown;

/// How many may ask at a time: a probe, a scraper, and a person or two.
const CONNECTIONS_MAX: usize = 32;
/// How long a client may take to say what it wants.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
const TEXT: &str = "text/plain; charset=utf-8";
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Ends with the value.
pub(super) struct Listener(tokio::task::JoinHandle<()>);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(super) async fn start(
    address: SocketAddr,
    shared: Arc<Shared>,
    shutdown: Shutdown,
) -> Result<Listener, ReconcileError> {
    let failed = |source| ReconcileError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tracing::info!(%address, "serving health and metrics");
    Ok(Listener(tokio::spawn(async move {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = shutdown.draining() => return,
            };
            // A client that went before it was accepted is nobody's error.
            let Ok((stream, _)) = accepted else { continue };
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let answer = answer(&request, &shared);
                    async move { Ok::<_, Infallible>(answer) }
                });
                let _ = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_PATIENCE)
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
                drop(place);
            });
        }
    })))
}

fn answer(request: &Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return respond(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET is answered\n");
    }
    match request.uri().path() {
        "/livez" | "/healthz" => respond(StatusCode::OK, TEXT, "ok\n"),
        "/readyz" if shared.synced.load(Ordering::Relaxed) => respond(StatusCode::OK, TEXT, "ok\n"),
        "/readyz" => {
            let text = "the objects of the cluster are not all known yet\n";
            respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, text)
        }
        "/metrics" => {
            let world = shared.world.lock().clone();
            match shared.metrics.text(&world) {
                Ok(text) => respond(StatusCode::OK, METRICS, text),
                Err(error) => {
                    respond(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n"))
                }
            }
        }
        _ => respond(StatusCode::NOT_FOUND, TEXT, "try /livez, /readyz or /metrics\n"),
    }
}

fn respond(code: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}
