//! HTTP/2, which shards speak: one connection for everything.

use std::io::{Read, Write};

use futures::future::join_all;
use reqwest::{Certificate, Client, Identity, Version};

use crate::support::{APIEXPORTS, Server, api_export, at};

/// As many streams as the informers of one shard keep open.
const STREAMS: usize = 40;

fn client(server: &Server) -> Client {
    let credentials = server.credentials("shard", &["system:masters"]);
    let identity = format!("{}{}", credentials.cert_pem, credentials.key_pem);
    Client::builder()
        .tls_certs_only(Certificate::from_pem_bundle(server.ca_pem().as_bytes()).unwrap())
        .identity(Identity::from_pem(identity.as_bytes()).unwrap())
        .build()
        .unwrap()
}

fn url(server: &Server, target: &str) -> String {
    format!("https://localhost:{}{target}", server.address().port())
}

#[tokio::test]
async fn watches_share_one_connection_with_requests() {
    let server = Server::start();
    let client = client(&server);
    let exports = at("amber", "h2", APIEXPORTS);
    let list = client.get(url(&server, &exports)).send().await.unwrap();
    assert_eq!(list.version(), Version::HTTP_2);
    let list: serde_json::Value = list.json().await.unwrap();
    let now = list["metadata"]["resourceVersion"].as_str().unwrap();
    let watch = url(&server, &format!("{exports}?watch=true&resourceVersion={now}"));
    let watches = (0..STREAMS).map(|_| client.get(&watch).send());
    let watches: Vec<_> = join_all(watches).await.into_iter().map(Result::unwrap).collect();
    // One of these streams' and one of whoever reads the metrics.
    let connections = server.metric("kcpctl_connections");
    assert!(connections <= 2.0, "{connections} connections for {STREAMS} streams");
    let created = client.post(url(&server, &exports)).json(&api_export("seen")).send().await;
    assert_eq!(created.unwrap().status(), 201);
    let first_events = watches.into_iter().map(|mut watch| async move {
        let event = watch.chunk().await.unwrap().unwrap();
        let event: serde_json::Value = serde_json::from_slice(&event).unwrap();
        event["object"]["metadata"]["name"].as_str().unwrap().to_owned()
    });
    assert_eq!(join_all(first_events).await, vec!["seen"; STREAMS]);
}

/// The types of the frames that are looked at.
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;

/// The flags of a request without a body, in one frame.
const END_STREAM_AND_HEADERS: u8 = 5;

const MAX_CONCURRENT_STREAMS: u16 = 3;
const REFUSED_STREAM: u32 = 7;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The headers of a GET, as HPACK writes what it has no table for.
fn get(path: &str) -> Vec<u8> {
    let (get, https, path_literal, authority_literal) = (0x82, 0x87, 0x04, 0x01);
    let mut headers = vec![get, https, path_literal];
    // A length below 127 is one byte.
    headers.push(u8::try_from(path.len()).unwrap());
    headers.extend_from_slice(path.as_bytes());
    headers.extend_from_slice(&[authority_literal, 9]);
    headers.extend_from_slice(b"localhost");
    headers
}

/// The next frame: type, stream, payload.
fn next_frame(stream: &mut impl Read) -> (u8, u32, Vec<u8>) {
    let mut head = [0; 9];
    stream.read_exact(&mut head).unwrap();
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut payload).unwrap();
    (head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload)
}

#[test]
fn streams_over_the_limit_of_a_connection_are_refused_and_the_others_go_on() {
    for server in [
        Server::start_with(&["--http2-max-streams-per-connection=2"]),
        Server::start_cache_server_with(&["--http2-max-streams-per-connection=2"]),
    ] {
        let (mut stream, protocol) = server.admin().open(&["h2"]).unwrap();
        assert_eq!(protocol, "h2");
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        stream.write_all(&frame(SETTINGS, 0, 0, &[])).unwrap();
        let (kind, _, settings) = next_frame(&mut stream);
        assert_eq!(kind, SETTINGS);
        let streams = settings.chunks(6).find_map(|it| {
            let value = u32::from_be_bytes([it[2], it[3], it[4], it[5]]);
            (it[..2] == MAX_CONCURRENT_STREAMS.to_be_bytes()).then_some(value)
        });
        assert_eq!(streams, Some(2), "the client is told");
        // One that does not care opens a third all the same.
        let watch = "/services/cache/shards/a/clusters/b/apis/core.kcp.io/v1alpha1/shards?watch=1";
        for number in [1, 3, 5] {
            let request = frame(HEADERS, END_STREAM_AND_HEADERS, number, &get(watch));
            stream.write_all(&request).unwrap();
        }
        stream.flush().unwrap();
        let mut answered = Vec::new();
        let mut refused = Vec::new();
        while answered.len() < 2 || refused.is_empty() {
            match next_frame(&mut stream) {
                (HEADERS, number, _) => answered.push(number),
                (RST_STREAM, number, why) => refused.push((number, why)),
                _ => {}
            }
        }
        answered.sort_unstable();
        assert_eq!(answered, [1, 3]);
        assert_eq!(refused, [(5, REFUSED_STREAM.to_be_bytes().to_vec())]);
    }
}

#[test]
fn http2_can_be_switched_off() {
    let server = Server::start_cache_server_with(&["--disable-http2-serving"]);
    let client = server.admin();
    let agreed = |offered: &[&str]| client.open(offered).map(|(_, agreed)| agreed);
    assert_eq!(agreed(&["h2", "http/1.1"]).unwrap(), "http/1.1");
    assert!(agreed(&["h2"]).is_err(), "there is nothing that both speak");
    assert_eq!(client.get(at("amber", "h1", APIEXPORTS)).status, 200);
    assert!(!server.said().contains("disable-http2-serving"), "{}", server.said());

    let server = Server::start_cache_server_with(&["--disable-http2-serving=false"]);
    let (_, agreed) = server.admin().open(&["h2", "http/1.1"]).unwrap();
    assert_eq!(agreed, "h2");
}
