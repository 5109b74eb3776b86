//! HTTP/2, which shards speak: one connection for everything.

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
