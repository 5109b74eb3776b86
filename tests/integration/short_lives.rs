//! Certificates that live for seconds: signed by the control plane of one server, kept as files, and
//! used by another server and by a client that stays connected.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kcpctl::pki::{Certificate, pem};
use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, SignatureScheme};
use serde_json::{Value, json};

use crate::support::{
    APIEXPORTS, Process, Server, TestEnv, api_export, at, authority, certificate, eventually,
};

/// How long they live, and when they are renewed: enough that a busy machine is in time, and so
/// little that a test sees several.
const LIFE: &str = "20s";
const RENEW_BEFORE: &str = "14s";

/// How many renewals the client should see.
const RENEWALS: usize = 4;

/// How much longer than its first certificate it should be there: times in certificates are whole
/// seconds, and what has to fail then must have the time to.
const AFTERWARDS: Duration = Duration::from_secs(4);

fn manifests(env: &TestEnv) -> PathBuf {
    let leaf = |name: &str, usage: &str, more: Value| {
        let mut spec = json!({
            "usages": [usage, "digital signature"], "duration": LIFE, "renewBefore": RENEW_BEFORE,
        });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        certificate(name, "ca", &spec)
    };
    let masters = json!({ "subject": { "organizations": ["system:masters"] } });
    let [self_signed, ca, signer] = authority();
    let all = [
        self_signed,
        ca,
        signer,
        leaf("server", "server auth", json!({ "dnsNames": ["localhost"] })),
        leaf("client", "client auth", masters),
    ];
    for (number, object) in all.iter().enumerate() {
        env.write(format!("manifests/{number}.json"), object.to_string());
    }
    env.path("manifests")
}

/// A server with the files of another one's Secrets.
fn borrower(env: &TestEnv, secrets: &Path) -> Process {
    Process::start(env, |command| {
        command
            .args(["cache", "serve", "--listen=127.0.0.1:0", "--data-dir"])
            .arg(env.path("borrower"))
            .arg("--tls-cert-file")
            .arg(secrets.join("server/tls.crt"))
            .arg("--tls-private-key-file")
            .arg(secrets.join("server/tls.key"))
            .arg("--client-ca-file")
            .arg(secrets.join("ca/tls.crt"));
    })
}

fn url(server: &Process) -> String {
    eventually("the line that says where the server listens", || {
        let said = server.said();
        let line = said.lines().find_map(|it| it.strip_prefix("serving on"))?;
        Some(line.trim().to_owned())
    })
}

/// Reads its files whenever it connects, as Kubernetes' clients do.
#[derive(Debug)]
struct Rereads {
    cert: PathBuf,
    key: PathBuf,
}

impl Rereads {
    fn read(&self) -> Option<Arc<CertifiedKey>> {
        let chain = pem::certificates(&std::fs::read_to_string(&self.cert).ok()?).ok()?;
        let key = pem::private_key(&std::fs::read_to_string(&self.key).ok()?).ok()?;
        let provider = aws_lc_rs::default_provider();
        CertifiedKey::from_der(chain, key, &provider).ok().map(Arc::new)
    }
}

impl ResolvesClientCert for Rereads {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        // Two files cannot be read at one moment: a pair that does not fit is read again.
        Some(eventually("a certificate and its key", || self.read()))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn client(secrets: &Path) -> reqwest::Client {
    let mut roots = RootCertStore::empty();
    let ca = std::fs::read_to_string(secrets.join("ca/tls.crt")).unwrap();
    for certificate in pem::certificates(&ca).unwrap() {
        roots.add(CertificateDer::from(certificate.to_vec())).unwrap();
    }
    let rereads =
        Rereads { cert: secrets.join("client/tls.crt"), key: secrets.join("client/tls.key") };
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_cert_resolver(Arc::new(rereads));
    config.alpn_protocols = vec![b"h2".to_vec()];
    reqwest::Client::builder().tls_backend_preconfigured(config).build().unwrap()
}

#[test]
fn a_connected_client_outlives_its_certificate_and_that_of_its_server() {
    let env = TestEnv::new();
    let folder = manifests(&env);
    let issuing = Server::start_with(&["--manifests", folder.to_str().unwrap()]);
    let secrets = issuing.data_dir().join("namespaces/demo/secrets");
    eventually("the certificates", || {
        let all = ["ca", "server", "client"];
        all.iter().all(|it| secrets.join(it).join("tls.crt").exists()).then_some(())
    });
    let borrower = borrower(&env, &secrets);
    let url = url(&borrower);
    let client = client(&secrets);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let get = |target: &str| {
        let answer = client.get(format!("{url}{target}")).send();
        let answer = runtime.block_on(answer).unwrap();
        assert_eq!(answer.version(), reqwest::Version::HTTP_2);
        let status = answer.status();
        (status.as_u16(), runtime.block_on(answer.text()).unwrap())
    };
    let exports = at("amber", "acme", APIEXPORTS);
    let (status, list) = get(&exports);
    assert_eq!(status, 200, "{list}");
    let list: Value = serde_json::from_str(&list).unwrap();
    let revision = list["metadata"]["resourceVersion"].as_str().unwrap();
    let watch = format!("{url}{exports}?watch=true&resourceVersion={revision}");
    let mut watch = runtime.block_on(client.get(watch).send()).unwrap();

    // As fast as they are answered, until several certificates have come and gone.
    let certificate = || {
        let text = std::fs::read_to_string(secrets.join("client/tls.crt")).unwrap();
        Certificate::from_pem(&text).unwrap().swap_remove(0).0
    };
    let first = certificate();
    let mut seen = vec![first.serial.clone()];
    let mut asked = 0;
    eventually("renewals", || {
        let (status, body) = get(&exports);
        assert_eq!(status, 200, "request {asked}, with {} certificates: {body}", seen.len());
        asked += 1;
        let serial = certificate().serial;
        if !seen.contains(&serial) {
            seen.push(serial);
        }
        let is_over = SystemTime::now() > first.validity.not_after + AFTERWARDS;
        (is_over && seen.len() > RENEWALS).then_some(())
    });

    // It was connected all the time, and the watch of the beginning still tells.
    let (_, metrics) = get("/metrics");
    let accepted = metrics
        .lines()
        .find_map(|it| it.strip_prefix("kcpctl_connections_accepted_total "))
        .and_then(|it| it.parse::<f64>().ok())
        .unwrap();
    assert!((2.0..8.0).contains(&accepted), "{accepted} connections for {asked} requests");
    let created = client.post(format!("{url}{exports}")).json(&api_export("late")).send();
    assert_eq!(runtime.block_on(created).unwrap().status(), 201);
    let event = runtime.block_on(watch.chunk()).unwrap().unwrap();
    let event: Value = serde_json::from_slice(&event).unwrap();
    assert_eq!(event["object"]["metadata"]["name"], "late");
}
