//! One client, from the handshake to the goodbye.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt as _;
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::flow::{Counted, Flow, Lookout, Verdict};
use super::limits::{self, Limits};
use super::listener::ConnectionMetrics;
use super::peer::Peer;
use super::rules::ALPN_H2;
use super::stall::Impatient;
use super::tls::{Credentials, chain};
use crate::server::body::Body;
use crate::shutdown::Shutdown;

/// What answers requests.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request.
    ///
    /// The future is dropped when the client goes away. A panic in it is answered with
    /// a 500 and does not concern other requests.
    fn handle(
        self: Arc<Self>,
        peer: Peer,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Body>> + Send;
}

/// What all connections of a listener share.
pub(super) struct Context<H> {
    pub(super) acceptor: TlsAcceptor,
    pub(super) credentials: Arc<Credentials>,
    pub(super) limits: Limits,
    pub(super) metrics: ConnectionMetrics,
    pub(super) handler: Arc<H>,
    pub(super) shutdown: Shutdown,
}

/// Serves one client until it goes, or until the drain has answered its last request.
pub(super) async fn serve<H: Handler>(
    socket: TcpStream,
    address: SocketAddr,
    context: Arc<Context<H>>,
) {
    let Some(stream) = shake_hands(socket, address, &context).await else { return };
    let (_, tls) = stream.get_ref();
    let shown = tls.peer_certificates().map(<[_]>::to_vec).unwrap_or_default();
    let is_h2 = tls.alpn_protocol() == Some(ALPN_H2);
    let peer = Peer::new(address, shown, Arc::clone(&context.credentials));
    let ended = if is_h2 {
        serve_h2(stream, peer, &context).await
    } else {
        serve_h1(stream, peer, &context).await
    };
    if let Err(error) = ended {
        // The client's doing, mostly: it went away in the middle, or sent no HTTP.
        tracing::debug!(peer = %address, error = chain(&error), "connection failed");
    }
}

async fn shake_hands<H>(
    socket: TcpStream,
    address: SocketAddr,
    context: &Context<H>,
) -> Option<TlsStream<Impatient>> {
    // Frames of a watch are small, and must not wait for one another.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(peer = %address, %error, "connection lost before it began");
        return None;
    }
    let stalled = context.metrics.stalled.clone();
    let socket = Impatient::new(socket, context.limits.stall_timeout, stalled);
    let shaken = tokio::select! {
        biased;
        () = context.shutdown.draining() => return None,
        shaken = tokio::time::timeout(
            context.limits.handshake_timeout,
            context.acceptor.accept(socket),
        ) => shaken,
    };
    let error = match shaken {
        Ok(Ok(stream)) => return Some(stream),
        Ok(Err(error)) => error,
        Err(_) => io::Error::new(io::ErrorKind::TimedOut, "the client took too long"),
    };
    context.metrics.handshakes_failed.inc();
    if error.kind() == io::ErrorKind::InvalidData {
        // TLS words, such as a client that does not trust our certificate.
        tracing::info!(peer = %address, %error, "TLS handshake failed");
    } else {
        tracing::debug!(peer = %address, %error, "TLS handshake failed");
    }
    None
}

async fn serve_h2<H: Handler>(
    stream: TlsStream<Impatient>,
    peer: Peer,
    context: &Context<H>,
) -> hyper::Result<()> {
    let (handler, limits) = (&context.handler, &context.limits);
    let address = peer.address();
    let flow = Arc::new(Flow::default());
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .keep_alive_interval(limits::KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(limits::KEEP_ALIVE_TIMEOUT)
        .max_header_list_size(limits::HEADER_BYTES_MAX)
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(limits::SEND_BUFFER_BYTES)
        .max_frame_size(limits::FRAME_BYTES)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(|request| {
                let open = flow.begin();
                let answered = answer(Arc::clone(handler), peer.clone(), request);
                async move { answered.await.map(|it| it.map(|body| Counted::new(body, open))) }
            }),
        );
    let mut connection = pin!(connection);
    let mut draining = pin!(context.shutdown.draining().fuse());
    let mut leaving = pin!(peer.leaves().fuse());
    let mut lookout = Lookout::new(limits.patience(), Instant::now());
    let mut looks = tokio::time::interval(limits.stall_timeout / limits::LOOKS);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            ended = connection.as_mut() => return ended,
            () = &mut draining => connection.as_mut().graceful_shutdown(),
            () = &mut leaving => connection.as_mut().graceful_shutdown(),
            _ = looks.tick() => {}
        }
        let (verdict, abandoned) = lookout.look(&flow, Instant::now());
        if abandoned > 0 {
            tracing::info!(peer = %address, answers = abandoned, "given up: the client does not read them");
            context.metrics.abandoned.inc_by(abandoned as u64);
        }
        match verdict {
            Verdict::GoOn => {}
            Verdict::Idle => connection.as_mut().graceful_shutdown(),
            Verdict::Stalled => {
                tracing::info!(peer = %address, "closed: the client has not read for too long");
                context.metrics.stalled.inc();
                return Ok(());
            }
        }
    }
}

async fn serve_h1<H: Handler>(
    stream: TlsStream<Impatient>,
    peer: Peer,
    context: &Context<H>,
) -> hyper::Result<()> {
    let handler = &context.handler;
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(context.limits.header_timeout)
        .max_header_size(limits::HEADER_BYTES_MAX as usize)
        .max_buf_size(limits::H1_BUFFER_BYTES)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(|request| answer(Arc::clone(handler), peer.clone(), request)),
        );
    let mut connection = pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = context.shutdown.draining() => connection.as_mut().graceful_shutdown(),
        () = peer.leaves() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

/// Asks the handler, and answers in its place if it panics.
async fn answer<H: Handler>(
    handler: Arc<H>,
    peer: Peer,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    // Within the block, so that a panic before the first await is caught too.
    let answered = async move { handler.handle(peer, request).await };
    Ok(AssertUnwindSafe(answered).catch_unwind().await.unwrap_or_else(|panic| {
        let message = panic_message(&*panic);
        tracing::error!(message, "a request made the server panic; this is a bug");
        panicked()
    }))
}

/// The words of a panic.
fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

fn panicked() -> Response<Body> {
    const STATUS: &str = concat!(
        r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","#,
        r#""message":"this request made the server panic; its log says where","#,
        r#""reason":"InternalError","code":500}"#,
        "\n"
    );
    let mut response = Response::new(Body::from(STATUS));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
