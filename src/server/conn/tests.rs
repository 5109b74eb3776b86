//! Connections as clients meet them: real TLS over loopback.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::server::body::Body;
use crate::shutdown::{self, Phase, Shutdown, Trigger};

/// The longest that any condition is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A CA that signs whatever a test needs.
struct Ca {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
struct Leaf {
    cert: String,
    key: String,
}

impl Ca {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    fn sign(&self, params: &CertificateParams) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap().pem();
        Leaf { cert, key: key.serialize_pem() }
    }

    fn server(&self) -> Leaf {
        let names = vec!["localhost".to_owned()];
        self.sign(&CertificateParams::new(names).unwrap())
    }

    /// A client of up to two groups. rcgen keeps one value an attribute, so the second
    /// is given as an attribute of its own that has the same number.
    fn client(&self, user: &str, groups: &[&str]) -> Leaf {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, user);
        let organisation = DnType::CustomDnType(vec![2, 5, 4, 10]);
        for (group, kind) in groups.iter().zip([DnType::OrganizationName, organisation]) {
            params.distinguished_name.push(kind, *group);
        }
        self.sign(&params)
    }
}

/// Answers with who asks, and knows some paths that misbehave.
struct Echo {
    shutdown: Shutdown,
    /// Told when a stream was begun.
    begun: Notify,
    /// Lets `/slow` answer.
    go_on: Notify,
}

impl Handler for Echo {
    async fn handle(self: Arc<Self>, peer: Peer, request: Request<Incoming>) -> Response<Body> {
        match request.uri().path() {
            "/panic" => panic!("asked for it"),
            "/slow" => {
                self.begun.notify_one();
                self.go_on.notified().await;
                Response::new(Body::from("slow"))
            }
            "/watch" => {
                let shutdown = self.shutdown.clone();
                let first = stream::once(async { Bytes::from_static(b"first\n") });
                let last = stream::once(async move {
                    shutdown.draining().await;
                    Bytes::from_static(b"last\n")
                });
                Response::new(Body::stream(first.chain(last)))
            }
            "/endless" => {
                let frame = Bytes::from(vec![b'x'; 16 << 10]);
                Response::new(Body::stream(stream::repeat(frame)))
            }
            "/never" => {
                self.begun.notify_one();
                Response::new(Body::stream(stream::pending()))
            }
            _ => {
                let identity = peer.identity();
                let groups = identity.groups().join(",");
                Response::new(Body::from(format!("{} [{groups}]", identity.user())))
            }
        }
    }
}

/// A running listener with its files in a folder.
struct Server {
    dir: tempfile::TempDir,
    ca: Ca,
    address: SocketAddr,
    echo: Arc<Echo>,
    trigger: Trigger,
    metrics: ConnectionMetrics,
    running: JoinHandle<Ended>,
}

/// Limits that a test does not meet unless it wants to.
fn patient() -> Limits {
    Limits { reload_interval: Duration::from_millis(10), ..Limits::default() }
}

impl Server {
    async fn start(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ca = Ca::new("ca");
        write_pair(dir.path(), &ca.server());
        std::fs::write(dir.path().join("client-ca.crt"), &ca.pem).unwrap();
        let (trigger, shutdown) = shutdown::channel();
        let metrics = ConnectionMetrics::default();
        let config = Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: files(dir.path()),
            rules: TlsRules::default(),
            limits,
            metrics: metrics.clone(),
        };
        let bound = config.bind().await.unwrap();
        let address = bound.local_addr();
        let echo = Arc::new(Echo {
            shutdown: shutdown.clone(),
            begun: Notify::new(),
            go_on: Notify::new(),
        });
        let running = tokio::spawn(bound.run(Arc::clone(&echo), shutdown));
        Self { dir, ca, address, echo, trigger, metrics, running }
    }

    async fn ended(self) -> Ended {
        within(self.running).await.unwrap()
    }

    async fn connect(&self, ca: &Ca, client: Option<&Leaf>, alpn: &str) -> Client {
        Client::connect(self.address, &ca.pem, client, alpn).await.unwrap()
    }

    async fn stream(&self, client: Option<&Leaf>, alpn: &str) -> TlsStream<TcpStream> {
        connect(self.address, &self.ca.pem, client, alpn).await.unwrap()
    }
}

fn files(dir: &Path) -> TlsFiles {
    TlsFiles {
        cert: dir.join("apiserver.crt"),
        key: dir.join("apiserver.key"),
        client_ca: Some(dir.join("client-ca.crt")),
    }
}

fn write_pair(dir: &Path, leaf: &Leaf) {
    std::fs::write(dir.join("apiserver.crt"), &leaf.cert).unwrap();
    std::fs::write(dir.join("apiserver.key"), &leaf.key).unwrap();
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("this should have happened by now")
}

/// Asks until the answer is yes.
async fn until<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    within(async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

async fn connect(
    address: SocketAddr,
    ca: &str,
    client: Option<&Leaf>,
    alpn: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match client {
        None => builder.with_no_client_auth(),
        Some(leaf) => {
            let chain = vec![CertificateDer::from_pem_slice(leaf.cert.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    let socket = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, socket).await
}

/// One connection of a client, of either protocol.
enum Client {
    H1(hyper::client::conn::http1::SendRequest<Empty<Bytes>>),
    H2(hyper::client::conn::http2::SendRequest<Empty<Bytes>>),
}

impl Client {
    async fn connect(
        address: SocketAddr,
        ca: &str,
        client: Option<&Leaf>,
        alpn: &str,
    ) -> std::io::Result<Self> {
        let io = TokioIo::new(connect(address, ca, client, alpn).await?);
        if alpn == "h2" {
            let (sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
            tokio::spawn(connection);
            return Ok(Self::H2(sender));
        }
        let (sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        Ok(Self::H1(sender))
    }

    async fn send(&mut self, path: &str) -> hyper::Result<Response<Incoming>> {
        let uri = format!("https://localhost{path}");
        let mut request = Request::get(uri).body(Empty::new()).unwrap();
        match self {
            Self::H1(sender) => {
                *request.uri_mut() = path.parse().unwrap();
                sender.send_request(request).await
            }
            Self::H2(sender) => sender.send_request(request).await,
        }
    }

    async fn get(&mut self, path: &str) -> (StatusCode, String) {
        let response = within(self.send(path)).await.unwrap();
        let status = response.status();
        let bytes = within(response.collect()).await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn who(&mut self) -> String {
        self.get("/").await.1
    }
}

const NOBODY: &str = "system:anonymous [system:unauthenticated]";

#[tokio::test]
async fn both_protocols_see_the_user_and_every_group() {
    let server = Server::start(patient()).await;
    let leaf = server.ca.client("jane", &["system:masters", "kcpctl:reader"]);
    for alpn in ["h2", "http/1.1"] {
        let mut client = server.connect(&server.ca, Some(&leaf), alpn).await;
        let who = client.who().await;
        assert!(
            who == "jane [system:masters,kcpctl:reader]"
                || who == "jane [kcpctl:reader,system:masters]",
            "{alpn}: {who}"
        );
    }
}

#[tokio::test]
async fn a_missing_or_foreign_certificate_is_nobody_and_no_failed_handshake() {
    let server = Server::start(patient()).await;
    let foreign = Ca::new("ca").client("jane", &["system:masters"]);
    let nameless = server.ca.client("", &["system:masters"]);
    for alpn in ["h2", "http/1.1"] {
        for leaf in [None, Some(&foreign), Some(&nameless)] {
            let mut client = server.connect(&server.ca, leaf, alpn).await;
            assert_eq!(client.get("/").await, (StatusCode::OK, NOBODY.to_owned()));
        }
    }
}

#[tokio::test]
async fn a_certificate_that_is_over_is_nobody() {
    let server = Server::start(patient()).await;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "jane");
    params.not_before = rcgen::date_time_ymd(2001, 1, 1);
    params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    let leaf = server.ca.sign(&params);
    let mut client = server.connect(&server.ca, Some(&leaf), "h2").await;
    assert_eq!(client.who().await, NOBODY);
}

#[tokio::test]
async fn a_new_client_ca_counts_for_an_open_connection() {
    let server = Server::start(patient()).await;
    let leaf = server.ca.client("jane", &["a"]);
    let mut old = server.connect(&server.ca, Some(&leaf), "h2").await;
    assert_eq!(old.who().await, "jane [a]");
    let new_ca = Ca::new("new");
    let path = server.dir.path().join("client-ca.crt");

    std::fs::write(&path, "no certificate").unwrap();
    let mut other = server.connect(&server.ca, Some(&leaf), "h2").await;
    assert_eq!(other.who().await, "jane [a]", "a bad file changes nothing");

    std::fs::write(&path, &new_ca.pem).unwrap();
    let old = tokio::sync::Mutex::new(old);
    until(|| async { old.lock().await.who().await == NOBODY }).await;
    let leaf = new_ca.client("joe", &[]);
    let mut new = server.connect(&server.ca, Some(&leaf), "h2").await;
    assert_eq!(new.who().await, "joe []");

    std::fs::write(&path, &server.ca.pem).unwrap();
    until(|| async { old.lock().await.who().await == "jane [a]" }).await;
}

#[tokio::test]
async fn a_new_serving_pair_is_used_and_half_a_pair_is_not() {
    let server = Server::start(patient()).await;
    let mut open = server.connect(&server.ca, None, "h2").await;
    let new_ca = Ca::new("new");
    let leaf = new_ca.server();

    std::fs::write(server.dir.path().join("apiserver.crt"), &leaf.cert).unwrap();
    assert!(matches!(Credentials::load(files(server.dir.path())), Err(TlsError::Pair { .. })));
    Client::connect(server.address, &server.ca.pem, None, "h2").await.unwrap();

    std::fs::write(server.dir.path().join("apiserver.key"), &leaf.key).unwrap();
    until(|| async { Client::connect(server.address, &new_ca.pem, None, "h2").await.is_ok() })
        .await;
    assert_eq!(open.who().await, NOBODY, "an open connection goes on");
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_connection_lives() {
    let server = Server::start(patient()).await;
    for alpn in ["h2", "http/1.1"] {
        let mut client = server.connect(&server.ca, None, alpn).await;
        let (status, body) = client.get("/panic").await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!((body["kind"].as_str(), body["code"].as_u64()), (Some("Status"), Some(500)));
        assert_eq!(client.who().await, NOBODY);
    }
}

#[tokio::test]
async fn who_says_nothing_is_not_waited_for() {
    let short = Duration::from_millis(50);
    let limits = Limits { handshake_timeout: short, header_timeout: short, ..patient() };
    let server = Server::start(limits).await;

    let mut silent = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(within(silent.read(&mut [0; 1])).await.unwrap_or(0), 0);
    until(|| async { server.metrics.handshakes_failed.get() == 1 }).await;

    let mut half = server.stream(None, "http/1.1").await;
    half.write_all(b"GET / HTTP/1.1\r\nhost: ").await.unwrap();
    let mut answer = Vec::new();
    let _ = within(half.read_to_end(&mut answer)).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"), "{answer:?}");
}

#[tokio::test]
async fn a_client_that_stops_reading_is_closed() {
    let limits = Limits { stall_timeout: Duration::from_millis(100), ..patient() };
    let server = Server::start(limits).await;
    let mut client = server.stream(None, "http/1.1").await;
    client.write_all(b"GET /endless HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    until(|| async { server.metrics.accepted.get() == 1 }).await;
    until(|| async { server.metrics.open.get() == 0 }).await;
    drop(client);
}

#[tokio::test]
async fn a_client_of_http2_that_grants_no_window_is_closed() {
    let limits = Limits { stall_timeout: Duration::from_millis(100), ..patient() };
    let server = Server::start(limits).await;
    let mut client = server.connect(&server.ca, None, "h2").await;
    let unread = within(client.send("/endless")).await.unwrap();
    until(|| async { server.metrics.open.get() == 0 }).await;
    assert_eq!(server.metrics.stalled.get(), 1);
    drop(unread);
}

#[tokio::test]
async fn an_answer_that_is_not_read_is_given_up_while_others_are() {
    let limits = Limits { stall_timeout: Duration::from_millis(100), ..patient() };
    let server = Server::start(limits).await;
    let io = TokioIo::new(server.stream(None, "h2").await);
    let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(64 << 10)
        .initial_connection_window_size(16 << 20)
        .handshake(io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let client = tokio::sync::Mutex::new(Client::H2(sender));
    let unread = within(client.lock().await.send("/endless")).await.unwrap();
    until(|| async {
        assert_eq!(client.lock().await.who().await, NOBODY);
        server.metrics.abandoned.get() == 1
    })
    .await;
    // Whoever reads on does not take it for whole.
    assert!(within(unread.into_body().collect()).await.is_err());
    assert_eq!(client.lock().await.who().await, NOBODY);
    assert_eq!(server.metrics.stalled.get(), 0);
}

#[tokio::test]
async fn a_client_of_http2_without_requests_is_asked_to_leave() {
    let stall_timeout = Duration::from_millis(100);
    let header_timeout = Duration::from_millis(200);
    let server = Server::start(Limits { header_timeout, stall_timeout, ..patient() }).await;
    let mut client = server.connect(&server.ca, None, "h2").await;
    let response = within(client.send("/never")).await.unwrap();
    assert_eq!(server.metrics.open.get(), 1);
    drop(response);
    until(|| async { server.metrics.open.get() == 0 }).await;
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let server = Server::start(patient()).await;
    let long = "x".repeat(limits::HEADER_BYTES_MAX as usize + 1);
    let mut h1 = server.stream(None, "http/1.1").await;
    let head = format!("GET / HTTP/1.1\r\nhost: localhost\r\nlong: {long}\r\n\r\n");
    h1.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    within(h1.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 431");

    let Client::H2(mut h2) = server.connect(&server.ca, None, "h2").await else { panic!() };
    let request = Request::get("https://localhost/").header("long", long).body(Empty::new());
    let response = within(h2.send_request(request.unwrap())).await.unwrap();
    assert_eq!(response.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert_eq!(Client::H2(h2).who().await, NOBODY, "the connection lives");
}

/// Frames of HTTP/2 as they come: kind, stream, payload.
async fn frame(stream: &mut TlsStream<TcpStream>) -> (u8, u32, Vec<u8>) {
    let mut head = [0; 9];
    within(stream.read_exact(&mut head)).await.unwrap();
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    within(stream.read_exact(&mut payload)).await.unwrap();
    (head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload)
}

#[tokio::test]
async fn a_connection_has_as_many_streams_as_it_was_told() {
    const MAX_CONCURRENT_STREAMS: [u8; 2] = [0, 3];
    const REFUSED_STREAM: [u8; 4] = [0, 0, 0, 7];
    let server = Server::start(Limits { streams: 2, ..patient() }).await;
    // By hand: a client of any library would wait by itself.
    let mut stream = server.stream(None, "h2").await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let (kind, _, settings) = frame(&mut stream).await;
    assert_eq!(kind, 4, "the first frame holds the settings");
    let told = settings.chunks(6).find(|it| it[..2] == MAX_CONCURRENT_STREAMS).unwrap();
    assert_eq!(told[2..], 2u32.to_be_bytes());
    for id in [1, 3, 5] {
        // GET https://a/never, its end and that of its headers.
        let headers = b"\x82\x87\x01\x01a\x04\x06/never";
        let mut request = vec![0, 0, u8::try_from(headers.len()).unwrap(), 1, 5, 0, 0, 0, id];
        request.extend_from_slice(headers);
        stream.write_all(&request).await.unwrap();
    }
    loop {
        if let (3, id, why) = frame(&mut stream).await {
            assert_eq!((id, why.as_slice()), (5, &REFUSED_STREAM[..]));
            return;
        }
    }
}

#[tokio::test]
async fn over_the_cap_a_connection_waits_for_room() {
    let server = Server::start(Limits { connections: 1, ..patient() }).await;
    let mut first = server.connect(&server.ca, None, "h2").await;
    assert_eq!(first.who().await, NOBODY);
    let (address, ca) = (server.address, server.ca.pem.clone());
    let second = tokio::spawn(async move {
        Client::connect(address, &ca, None, "h2").await.unwrap().who().await
    });
    assert_eq!(first.who().await, NOBODY);
    assert_eq!(server.metrics.accepted.get(), 1);
    drop(first);
    assert_eq!(within(second).await.unwrap(), NOBODY);
}

#[tokio::test]
async fn the_drain_answers_what_was_begun_and_ends_watches_cleanly() {
    let server = Server::start(patient()).await;
    let mut clients = Vec::new();
    for alpn in ["h2", "http/1.1"] {
        let mut watch = server.connect(&server.ca, None, alpn).await;
        let mut body = within(watch.send("/watch")).await.unwrap().into_body();
        let first = within(body.frame()).await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "first\n");

        let mut slow = server.connect(&server.ca, None, alpn).await;
        let slow = tokio::spawn(async move { slow.get("/slow").await });
        within(server.echo.begun.notified()).await;
        clients.push((watch, body, slow));
    }
    server.trigger.reach(Phase::Draining);
    until(|| async { TcpStream::connect(server.address).await.is_err() }).await;
    server.echo.go_on.notify_waiters();
    for (_watch, body, slow) in clients {
        assert_eq!(within(slow).await.unwrap(), (StatusCode::OK, "slow".to_owned()));
        assert_eq!(within(body.collect()).await.unwrap().to_bytes(), "last\n");
    }
    assert_eq!(server.ended().await, Ended::Drained);
}

#[tokio::test]
async fn the_drain_is_bounded() {
    let limits = Limits { drain_grace: Duration::from_millis(50), ..patient() };
    let server = Server::start(limits).await;
    let mut client = server.connect(&server.ca, None, "h2").await;
    let response = within(client.send("/never")).await.unwrap();
    server.trigger.reach(Phase::Draining);
    assert!(within(response.collect()).await.is_err());
    assert_eq!(server.ended().await, Ended::Dropped { connections: 1 });
}

#[tokio::test]
async fn a_second_signal_does_not_wait() {
    let limits = Limits { drain_grace: Duration::from_secs(3600), ..patient() };
    let server = Server::start(limits).await;
    let mut client = server.connect(&server.ca, None, "http/1.1").await;
    let response = within(client.send("/never")).await.unwrap();
    server.trigger.reach(Phase::Draining);
    server.trigger.reach(Phase::Aborting);
    assert!(within(response.collect()).await.is_err());
    assert_eq!(server.ended().await, Ended::Dropped { connections: 1 });
}

#[tokio::test]
async fn bad_credentials_are_found_before_the_port_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let occupied = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = Config {
        listen: occupied.local_addr().unwrap(),
        tls: files(dir.path()),
        rules: TlsRules::default(),
        limits: patient(),
        metrics: ConnectionMetrics::default(),
    };
    let error = config.clone().bind().await.unwrap_err();
    assert!(matches!(error, BindError::Tls(TlsError::Read { .. })), "{error:?}");

    let ca = Ca::new("ca");
    write_pair(dir.path(), &ca.server());
    std::fs::write(dir.path().join("client-ca.crt"), &ca.pem).unwrap();
    let error = config.bind().await.unwrap_err();
    assert!(matches!(error, BindError::Listen { .. }), "{error:?}");
}
