//! What this machine can do at best: the disk, and TLS with HTTP/2 on top.

use std::convert::Infallible;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use anyhow::ensure;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::client::Target;
use crate::load::{Clients, Figure, Pace, histogram, record};
use crate::objects::Objects;
use crate::process::Server;

/// Writes that share a sync, in the second figure of the disk.
pub(crate) const BATCH: usize = 64;

/// Bytes of the buffer that is sent over and over.
const BUFFER_BYTES: usize = 1 << 20;

/// Bytes of the long answer. Long enough that its first window does not matter.
const STREAM_BYTES: usize = 256 << 20;

/// Bytes that wait in a connection for the client: so many that it never waits for us.
const SEND_BUFFER_BYTES: usize = 1 << 20;

/// Everything that the figures are held against.
pub(crate) struct Limits {
    pub(crate) disk: Disk,
    pub(crate) tls: Tls,
}

/// Appends and syncs. A count is of writes, a time is of a sync with its writes.
pub(crate) struct Disk {
    /// Each write synced.
    pub(crate) single: Figure,
    /// [`BATCH`] writes to a sync.
    pub(crate) batch: Figure,
}

/// A server that answers everything with a prepared buffer.
pub(crate) struct Tls {
    /// An object up, an object down, one after the other.
    pub(crate) exchange_single: Figure,
    /// The same, many at once.
    pub(crate) exchange: Figure,
    /// An object down, one after the other.
    pub(crate) fetch_single: Figure,
    /// The same, many at once.
    pub(crate) fetch: Figure,
    /// Bytes a second of one long answer.
    pub(crate) stream_bytes: f64,
    /// Bytes a second of as many answers as there are watches.
    pub(crate) streams_bytes: f64,
    /// Bytes a second of answers of [`BUFFER_BYTES`], one after the other.
    pub(crate) page_bytes: f64,
}

/// Measures the disk that holds `dir`.
fn disk(dir: &Path, size: usize, patience: Duration) -> anyhow::Result<Disk> {
    let figure = |batch: usize| -> anyhow::Result<Figure> {
        let path = dir.join("append");
        let mut file = OpenOptions::new().create_new(true).append(true).open(&path)?;
        let buffer = vec![b'x'; size * batch];
        let mut times = histogram();
        let begun = Instant::now();
        while begun.elapsed() < patience {
            let start = Instant::now();
            file.write_all(&buffer)?;
            file.sync_data()?;
            record(&mut times, start.elapsed());
        }
        let took = begun.elapsed();
        std::fs::remove_file(&path)?;
        Ok(Figure { count: usize::try_from(times.len())? * batch, took, times })
    };
    Ok(Disk { single: figure(1)?, batch: figure(BATCH)? })
}

impl Limits {
    /// Measures all of them; `echo` leads to a [`Prepared`] server.
    pub(crate) async fn measure(
        dir: &Path,
        echo: &Clients,
        objects: &Objects,
        pace: Pace,
        watchers: usize,
    ) -> anyhow::Result<Self> {
        let pace = Pace { patience: pace.patience / 5, ..pace };
        let disk = disk(dir, objects.size, pace.patience)?;
        Ok(Self { disk, tls: Tls::measure(echo, objects, pace, watchers).await? })
    }

    /// The better of each figure: a limit is what can be done.
    pub(crate) fn better(self, other: Self) -> Self {
        let rate = |a: Figure, b: Figure| if a.rate() < b.rate() { b } else { a };
        let (Disk { single, batch }, tls) = (self.disk, self.tls);
        Self {
            disk: Disk {
                single: rate(single, other.disk.single),
                batch: rate(batch, other.disk.batch),
            },
            tls: Tls {
                exchange_single: rate(tls.exchange_single, other.tls.exchange_single),
                exchange: rate(tls.exchange, other.tls.exchange),
                fetch_single: rate(tls.fetch_single, other.tls.fetch_single),
                fetch: rate(tls.fetch, other.tls.fetch),
                stream_bytes: tls.stream_bytes.max(other.tls.stream_bytes),
                streams_bytes: tls.streams_bytes.max(other.tls.streams_bytes),
                page_bytes: tls.page_bytes.max(other.tls.page_bytes),
            },
        }
    }
}

impl Tls {
    async fn measure(
        clients: &Clients,
        objects: &Objects,
        pace: Pace,
        watchers: usize,
    ) -> anyhow::Result<Self> {
        let size = objects.size;
        let body = objects.body(0, "echo");
        let small = move |method: Method, body: Option<Bytes>| {
            move |client: crate::client::Client, _| {
                let (method, body) = (method.clone(), body.clone());
                async move {
                    let answer = client.send(method, &format!("/{size}"), body).await?;
                    let answer = answer.expect(StatusCode::OK)?;
                    ensure!(answer.len() == size, "{} bytes instead of {size}", answer.len());
                    Ok(())
                }
            }
        };
        let exchange = small(Method::POST, Some(body));
        let fetch = small(Method::GET, None);
        let all = 0..usize::MAX;
        Ok(Self {
            exchange_single: clients.each(all.clone(), pace.one_by_one(), exchange.clone()).await?,
            exchange: clients.each(all.clone(), pace, exchange).await?,
            fetch_single: clients.each(all.clone(), pace.one_by_one(), fetch.clone()).await?,
            fetch: clients.each(all, pace, fetch).await?,
            stream_bytes: stream(clients, 1, 2, STREAM_BYTES, pace).await?,
            streams_bytes: stream(
                clients,
                watchers,
                watchers,
                STREAM_BYTES / watchers.max(1),
                pace,
            )
            .await?,
            page_bytes: stream(clients, 1, usize::MAX, BUFFER_BYTES, pace).await?,
        })
    }
}

/// Bytes a second of answers of `bytes`, `in_flight` at once.
async fn stream(
    clients: &Clients,
    in_flight: usize,
    count: usize,
    bytes: usize,
    pace: Pace,
) -> anyhow::Result<f64> {
    let pace = Pace { in_flight: in_flight.max(1), ..pace };
    let figure = clients
        .each(0..count.max(1), pace, move |client, _| async move {
            let got = client.count(&format!("/{bytes}")).await?;
            ensure!(got == bytes as u64, "{got} bytes instead of {bytes}");
            Ok(())
        })
        .await?;
    Ok(figure.rate() * bytes as f64)
}

/// The server that does nothing, on threads of its own, until it is dropped.
pub(crate) struct Prepared {
    target: Target,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Prepared {
    /// Starts it with the certificate of `server`.
    pub(crate) async fn start(server: &Server) -> anyhow::Result<Self> {
        let acceptor = TlsAcceptor::from(Arc::new(server.server_tls()?));
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let target = Target { address: listener.local_addr()?, ..server.target()? };
        let listener = listener.into_std()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.spawn(async move {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            let buffer = Bytes::from(vec![b'x'; BUFFER_BYTES]);
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, acceptor.clone(), buffer.clone()));
            }
        });
        Ok(Self { target, runtime: Some(runtime) })
    }

    /// How to ask it.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Answers on one connection: the path says with how many bytes.
async fn serve(socket: TcpStream, acceptor: TlsAcceptor, buffer: Bytes) {
    if socket.set_nodelay(true).is_err() {
        return;
    }
    let Ok(stream) = acceptor.accept(socket).await else { return };
    let service = service_fn(move |request: Request<Incoming>| {
        let buffer = buffer.clone();
        async move {
            let left = request.uri().path().trim_start_matches('/').parse().unwrap_or(0);
            let _ = request.into_body().collect().await;
            Ok::<_, Infallible>(Response::new(Repeated { buffer, left }))
        }
    });
    let served = http2::Builder::new(TokioExecutor::new())
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    // A client that went away has its figure, or reports its error itself.
    let _ = served.await;
}

/// A body of the same bytes over and over; no byte is copied.
struct Repeated {
    buffer: Bytes,
    left: usize,
}

impl Body for Repeated {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let piece = self.buffer.slice(..self.left.min(self.buffer.len()));
        self.left -= piece.len();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left as u64)
    }
}
