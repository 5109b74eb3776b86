//! HTTPS as bytes: what is asked is sent exactly so, what is answered is shown exactly so.
//!
//! HTTP/1.1 written and read by hand on purpose: a client library would refuse or mend
//! the odd paths, bodies and methods that a server must survive.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

use super::{Credentials, PATIENCE};
use kcpctl::pki::pem;

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A client with one identity. Keeps one connection open between its requests.
pub struct Client {
    address: SocketAddr,
    tls: Arc<ClientConfig>,
    roots: RootCertStore,
    idle: Mutex<Option<Stream>>,
}

/// What is asked: bytes, not a checked URL.
#[derive(Clone)]
pub struct Request {
    method: String,
    target: Vec<u8>,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

/// What was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers, in their order, names in lowercase.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without a body.
    pub fn new(method: &str, target: impl AsRef<[u8]>) -> Self {
        let target = target.as_ref().to_vec();
        Self { method: method.to_owned(), target, headers: Vec::new(), body: None }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends these bytes, as JSON unless a header says otherwise.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = Some(body.as_ref().to_vec());
        self
    }

    /// Sends this object.
    pub fn json(self, body: &Value) -> Self {
        self.body(serde_json::to_vec(body).unwrap())
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(self.method.as_bytes());
        bytes.push(b' ');
        bytes.extend_from_slice(&self.target);
        bytes.extend_from_slice(b" HTTP/1.1\r\nHost: localhost\r\n");
        let has = |name| self.headers.iter().any(|(it, _)| it.eq_ignore_ascii_case(name));
        if !has("user-agent") {
            bytes.extend_from_slice(b"User-Agent: tests/1\r\n");
        }
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        if let Some(body) = &self.body {
            if !has("content-type") {
                bytes.extend_from_slice(b"Content-Type: application/json\r\n");
            }
            bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }
}

impl Client {
    /// A client of the server at `address` whose certificate `ca_pem` vouches for.
    pub fn new(address: SocketAddr, ca_pem: &str, credentials: Option<&Credentials>) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in pem::certificates(ca_pem).unwrap() {
            roots.add(certificate).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots.clone());
        let tls = match credentials {
            None => builder.with_no_client_auth(),
            Some(it) => {
                let chain = pem::certificates(&it.cert_pem).unwrap();
                builder
                    .with_client_auth_cert(chain, pem::private_key(&it.key_pem).unwrap())
                    .unwrap()
            }
        };
        Self { address, tls: Arc::new(tls), roots, idle: Mutex::new(None) }
    }

    /// Sends `request` and reads the whole answer.
    pub fn try_send(&self, request: &Request) -> io::Result<Answer> {
        let mut stream = match self.idle.lock().take() {
            Some(stream) => stream,
            None => self.connect()?,
        };
        // A server may refuse a body before it has read all of it: its answer counts.
        let sent = stream.write_all(&request.to_bytes()).and_then(|()| stream.flush());
        let mut reader = Reader::new(stream);
        let head = reader.head().map_err(|error| sent.err().unwrap_or(error))?;
        let body = if request.method == "HEAD" { Vec::new() } else { reader.body(&head)? };
        if head.header("connection") != Some("close") && reader.buffer.is_empty() {
            *self.idle.lock() = Some(reader.stream);
        }
        Ok(Answer { body, ..head })
    }

    /// Sends `request`; an answer must come.
    #[track_caller]
    pub fn send(&self, request: &Request) -> Answer {
        self.try_send(request).unwrap()
    }

    /// Reads a path.
    #[track_caller]
    pub fn get(&self, target: impl AsRef<[u8]>) -> Answer {
        self.send(&Request::new("GET", target))
    }

    /// Creates an object in a collection.
    #[track_caller]
    pub fn post(&self, target: impl AsRef<[u8]>, object: &Value) -> Answer {
        self.send(&Request::new("POST", target).json(object))
    }

    /// Replaces an object.
    #[track_caller]
    pub fn put(&self, target: impl AsRef<[u8]>, object: &Value) -> Answer {
        self.send(&Request::new("PUT", target).json(object))
    }

    /// Deletes an object.
    #[track_caller]
    pub fn delete(&self, target: impl AsRef<[u8]>) -> Answer {
        self.send(&Request::new("DELETE", target))
    }

    /// Sends `request`, which has a body, but for its last byte.
    #[track_caller]
    pub fn begin(&self, request: &Request) -> Begun {
        let mut bytes = request.to_bytes();
        let last = bytes.pop().unwrap();
        let mut stream = self.connect().unwrap();
        stream.write_all(&bytes).unwrap();
        stream.flush().unwrap();
        Begun { stream, last }
    }

    /// Agrees on TLS with the server; the version and the cipher suite.
    pub fn agree(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> io::Result<(rustls::ProtocolVersion, rustls::CipherSuite)> {
        let provider = Arc::clone(self.tls.crypto_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(io::Error::other)?
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        let mut tcp = TcpStream::connect(self.address)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let mut session = ClientConnection::new(Arc::new(tls), name).map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut tcp)?;
        }
        let suite = session.negotiated_cipher_suite().unwrap().suite();
        Ok((session.protocol_version().unwrap(), suite))
    }

    /// A connection on which nothing was sent yet, and the protocol that was agreed on, of
    /// those `offered` by this client.
    pub fn open(&self, offered: &[&str]) -> io::Result<(impl Read + Write + use<>, String)> {
        let mut tls = ClientConfig::clone(&self.tls);
        tls.alpn_protocols = offered.iter().map(|it| it.as_bytes().to_vec()).collect();
        let mut tcp = TcpStream::connect(self.address)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let mut session = ClientConnection::new(Arc::new(tls), name).map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut tcp)?;
        }
        let agreed = String::from_utf8_lossy(session.alpn_protocol().unwrap_or_default());
        let agreed = agreed.into_owned();
        Ok((StreamOwned::new(session, tcp), agreed))
    }

    /// Starts a watch; the target says `watch=true` itself.
    #[track_caller]
    pub fn watch(&self, target: impl AsRef<[u8]>) -> Watch {
        self.watch_with(&Request::new("GET", target))
    }

    /// Starts a watch with headers of its own.
    #[track_caller]
    pub fn watch_with(&self, request: &Request) -> Watch {
        match self.try_watch(request).unwrap() {
            Ok(watch) => watch,
            Err(refusal) => panic!("no watch: {refusal}"),
        }
    }

    /// The same where it may be refused, or nobody be there.
    pub fn try_watch(&self, request: &Request) -> io::Result<Result<Watch, Answer>> {
        let mut stream = self.connect()?;
        stream.write_all(&request.to_bytes())?;
        let mut reader = Reader::new(stream);
        let head = reader.head()?;
        if head.status != 200 {
            let body = reader.body(&head)?;
            return Ok(Err(Answer { body, ..head }));
        }
        let mut watch = Watch { reader, unread: Vec::new(), events: VecDeque::new(), ended: false };
        // One that is over before it begins may come as a whole.
        if head.header("content-length").is_some() {
            let body = watch.reader.body(&head)?;
            watch.take(&body)?;
            watch.ended = true;
        }
        Ok(Ok(watch))
    }

    /// The certificate that the server shows on a new connection.
    pub fn server_certificate(&self) -> Vec<u8> {
        let mut stream = self.connect().unwrap();
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).unwrap();
        }
        stream.conn.peer_certificates().unwrap()[0].to_vec()
    }

    fn connect(&self) -> io::Result<Stream> {
        let tcp = TcpStream::connect(self.address)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let session =
            ClientConnection::new(Arc::clone(&self.tls), name).map_err(io::Error::other)?;
        Ok(StreamOwned::new(session, tcp))
    }
}

impl Answer {
    /// The first header of that name (in lowercase).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// The object, if the status is `status`.
    #[track_caller]
    pub fn object(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self}");
        self.json()
    }

    /// Code, reason and message of a refusal, which must be a `Status` and agree with
    /// the status line. A plain text answer has the reason `text`.
    #[track_caller]
    pub fn refusal(&self) -> (u16, String, String) {
        if self.header("content-type").is_some_and(|it| it.starts_with("text/plain")) {
            return (self.status, "text".to_owned(), self.text());
        }
        let status = self.json();
        assert_eq!(status["kind"], "Status", "{self}");
        assert_eq!(status["apiVersion"], "v1", "{self}");
        assert_eq!(status["status"], "Failure", "{self}");
        assert_eq!(status["code"], self.status, "{self}");
        let text = |key: &str| status[key].as_str().unwrap_or_default().to_owned();
        (self.status, text("reason"), text("message"))
    }

    /// The same as one line, to compare with what is expected.
    #[track_caller]
    pub fn refusal_line(&self) -> String {
        let (code, reason, message) = self.refusal();
        format!("{code} {reason}: {message}")
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.status, self.text())
    }
}

/// A request that lacks its last byte.
pub struct Begun {
    stream: Stream,
    last: u8,
}

impl Begun {
    /// Sends the last byte, and reads the answer.
    #[track_caller]
    pub fn finish(mut self) -> Answer {
        self.stream.write_all(&[self.last]).unwrap();
        self.stream.flush().unwrap();
        self.answer()
    }

    /// Reads the answer of a server that does not wait for the last byte.
    #[track_caller]
    pub fn answer(self) -> Answer {
        let mut reader = Reader::new(self.stream);
        let head = reader.head().unwrap();
        let body = reader.body(&head).unwrap();
        Answer { body, ..head }
    }
}

/// An open watch.
pub struct Watch {
    reader: Reader,
    unread: Vec<u8>,
    events: VecDeque<Value>,
    ended: bool,
}

impl Watch {
    /// The next event: `{"type": …, "object": …}`. `None` when the server ended the
    /// stream cleanly; an error when it broke.
    pub fn try_next(&mut self) -> io::Result<Option<Value>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            if self.ended {
                assert!(self.unread.is_empty(), "half an event at the end");
                return Ok(None);
            }
            match self.reader.chunk()? {
                None => self.ended = true,
                Some(chunk) => self.take(&chunk)?,
            }
        }
    }

    /// Cuts what came into events.
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.unread.extend_from_slice(bytes);
        while let Some(end) = self.unread.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.unread.drain(..=end).collect();
            self.events.push_back(serde_json::from_slice(&line).map_err(io::Error::other)?);
        }
        Ok(())
    }

    /// The next event; there must be one.
    #[track_caller]
    pub fn next(&mut self) -> Value {
        self.try_next().unwrap().expect("the watch ended")
    }

    /// The next event as `TYPE name`, and its object.
    #[track_caller]
    pub fn next_named(&mut self) -> (String, Value) {
        let mut event = self.next();
        let object = event["object"].take();
        let kind = event["type"].as_str().unwrap();
        let name = object["metadata"]["name"].as_str().unwrap_or("-");
        (format!("{kind} {name}"), object)
    }

    /// Reads to the clean end of the stream, and answers with what came before it.
    #[track_caller]
    pub fn rest(mut self) -> Vec<Value> {
        let mut events = Vec::new();
        while let Some(event) = self.try_next().unwrap() {
            events.push(event);
        }
        events
    }
}

/// Reads one answer from a stream, piece by piece.
struct Reader {
    stream: Stream,
    buffer: Vec<u8>,
}

impl Reader {
    fn new(stream: Stream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// Reads more bytes; false at the end of the stream.
    fn fill(&mut self) -> io::Result<bool> {
        let mut piece = [0; 16 * 1024];
        let count = self.stream.read(&mut piece)?;
        self.buffer.extend_from_slice(&piece[..count]);
        Ok(count > 0)
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|it| it == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).take(end).collect();
                return String::from_utf8(line).map_err(io::Error::other);
            }
            if !self.fill()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn exactly(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < count {
            if !self.fill()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.buffer.drain(..count).collect())
    }

    fn head(&mut self) -> io::Result<Answer> {
        let malformed = || io::Error::other("not an HTTP/1.1 answer");
        let line = self.line()?;
        let status = line.strip_prefix("HTTP/1.1 ").and_then(|it| it.get(..3));
        let status = status.and_then(|it| it.parse().ok()).ok_or_else(malformed)?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(Answer { status, headers, body: Vec::new() });
            }
            let (name, value) = line.split_once(':').ok_or_else(malformed)?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    fn body(&mut self, head: &Answer) -> io::Result<Vec<u8>> {
        if head.header("transfer-encoding") == Some("chunked") {
            let mut body = Vec::new();
            while let Some(chunk) = self.chunk()? {
                body.extend_from_slice(&chunk);
            }
            return Ok(body);
        }
        if let Some(length) = head.header("content-length") {
            return self.exactly(length.parse().map_err(io::Error::other)?);
        }
        while self.fill()? {}
        Ok(std::mem::take(&mut self.buffer))
    }

    /// The next chunk; `None` for the last one.
    fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let line = self.line()?;
        let size = line.split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
        let chunk = self.exactly(size)?;
        self.line()?;
        Ok((size > 0).then_some(chunk))
    }
}
