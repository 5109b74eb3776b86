//! One connection: HTTP/2 over TLS 1.3, with the windows that Go's client has.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use bytes::{Bytes, BytesMut};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Bytes that a server may send ahead on one request: Go's figure.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;

/// The same for all requests of a connection: Go's figure.
const CONNECTION_WINDOW_BYTES: u32 = 1 << 30;

/// A server, and as whom to ask it.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Arc<rustls::ClientConfig>,
}

/// A connection; a clone is the same connection.
#[derive(Clone)]
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
}

/// What a request came to.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Client {
    pub(crate) async fn connect(target: &Target) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(target.address).await?;
        socket.set_nodelay(true)?;
        let name = ServerName::try_from("localhost")?;
        let stream = TlsConnector::from(Arc::clone(&target.tls)).connect(name, socket).await?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .handshake(TokioIo::new(stream))
            .await?;
        tokio::spawn(async move {
            // Whoever waits for an answer learns of a broken connection too.
            let _ = connection.await;
        });
        Ok(Self { sender })
    }

    /// Asks, and reads the whole answer.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> anyhow::Result<Answer> {
        let (status, mut stream) = self.open(method, path, body).await?;
        let mut body = BytesMut::new();
        while let Some(frame) = stream.frame().await {
            if let Ok(data) = frame?.into_data() {
                body.extend_from_slice(&data);
            }
        }
        Ok(Answer { status, body: body.freeze() })
    }

    /// Asks, and counts the bytes of an answer that is too long to keep.
    pub(crate) async fn count(&self, path: &str) -> anyhow::Result<u64> {
        let (status, mut stream) = self.open(Method::GET, path, None).await?;
        ensure!(status == StatusCode::OK, "{path} was answered with {status}");
        let mut bytes = 0;
        while let Some(frame) = stream.frame().await {
            if let Ok(data) = frame?.into_data() {
                bytes += data.len() as u64;
            }
        }
        Ok(bytes)
    }

    /// Asks, and hands the answer over as it comes in.
    pub(crate) async fn open(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> anyhow::Result<(StatusCode, Incoming)> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("https://localhost{path}"))
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, "bench");
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(body.unwrap_or_default()))?;
        let mut sender = self.sender.clone();
        sender.ready().await.context("the connection ended")?;
        let response = sender.send_request(request).await?;
        Ok((response.status(), response.into_body()))
    }
}

impl Answer {
    /// The body, if the status is the one that was expected.
    pub(crate) fn expect(self, status: StatusCode) -> anyhow::Result<Bytes> {
        let text = || String::from_utf8_lossy(&self.body[..self.body.len().min(300)]).into_owned();
        ensure!(self.status == status, "{} instead of {status}: {}", self.status, text());
        Ok(self.body)
    }
}
