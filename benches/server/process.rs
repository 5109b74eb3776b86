//! The server as a process: from its first line to its end, and what it costs.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use http::{Method, StatusCode};
use kcpctl::pki::pem;
use rustls::pki_types::CertificateDer;
use serde::Deserialize;
use tempfile::TempDir;

use crate::client::Target;
use crate::load::Clients;

/// The executable, optimized as it is shipped.
const KCPCTL: &str = env!("CARGO_BIN_EXE_kcpctl");

/// On the disk that holds the build, which is no memory file system.
const DISK: &str = env!("CARGO_TARGET_TMPDIR");

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running server, which ends with this value.
pub(crate) struct Server {
    dir: TempDir,
    child: Child,
    url: String,
}

/// What a server costs, in bytes, and what it holds for that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Memory now.
    pub(crate) resident: u64,
    /// Memory at most, ever.
    pub(crate) resident_max: u64,
    /// Objects as JSON.
    pub(crate) objects: u64,
    /// What the recent changes cost.
    pub(crate) history: u64,
    /// The store on disk.
    pub(crate) disk: u64,
}

impl Server {
    /// Starts a server in an empty directory and waits until it listens.
    pub(crate) fn start() -> anyhow::Result<Self> {
        std::fs::create_dir_all(DISK)?;
        let dir = tempfile::Builder::new().prefix("bench-").tempdir_in(DISK)?;
        let (child, url) = launch(dir.path())?;
        Ok(Self { dir, child, url })
    }

    /// Ends it at once and starts it again: how long until it answers.
    pub(crate) fn restart(&mut self) -> anyhow::Result<Duration> {
        self.child.kill()?;
        self.child.wait()?;
        let begun = Instant::now();
        (self.child, self.url) = launch(self.dir.path())?;
        Ok(begun.elapsed())
    }

    /// Where it keeps its files.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join("data").join(name)
    }

    /// How its administrator asks it.
    pub(crate) fn target(&self) -> anyhow::Result<Target> {
        let port = self.url.rsplit(':').next().unwrap_or_default().parse::<u16>()?;
        let mut roots = rustls::RootCertStore::empty();
        for certificate in certificates(&std::fs::read_to_string(self.file("ca.crt"))?)? {
            roots.add(certificate)?;
        }
        let (certificate, key) = admin(&self.file("admin.kubeconfig"))?;
        let mut tls = rustls::ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(
                certificates(&certificate)?,
                pem::private_key(&key).context("the admin's key")?,
            )?;
        tls.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Target { address: SocketAddr::from(([127, 0, 0, 1], port)), tls: Arc::new(tls) })
    }

    /// The certificate that it shows, for a server that stands beside it.
    pub(crate) fn server_tls(&self) -> anyhow::Result<rustls::ServerConfig> {
        let certificate = std::fs::read_to_string(self.file("apiserver.crt"))?;
        let key = std::fs::read_to_string(self.file("apiserver.key"))?;
        let mut tls = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                certificates(&certificate)?,
                pem::private_key(&key).context("the server's key")?,
            )?;
        tls.alpn_protocols = vec![b"h2".to_vec()];
        Ok(tls)
    }

    /// What it costs now.
    pub(crate) async fn usage(&self, clients: &Clients) -> anyhow::Result<Usage> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let digits = line.and_then(|rest| rest.split_whitespace().next());
            digits.and_then(|digits| digits.parse::<u64>().ok()).unwrap_or(0) << 10
        };
        let metrics = scrape(clients).await?;
        Ok(Usage {
            resident: kib("VmRSS:"),
            resident_max: kib("VmHWM:"),
            objects: metric(&metrics, "kcpctl_object_bytes"),
            history: metric(&metrics, "kcpctl_history_bytes"),
            disk: metric(&metrics, "kcpctl_store_disk_bytes"),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, and then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Starts the executable in `dir` and waits until it says where it listens.
fn launch(dir: &Path) -> anyhow::Result<(Child, String)> {
    let mut child = Command::new(KCPCTL)
        .args(["cache", "serve", "--data-dir", "data", "--listen", "127.0.0.1:0"])
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("failed to run {KCPCTL}"))?;
    let stderr = child.stderr.take().context("stderr is a pipe")?;
    let (said_tx, said_rx) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            // Read to the end, so that the server never waits for us.
            let _ = said_tx.send(line);
        }
    });
    let deadline = Instant::now() + PATIENCE;
    let mut said = String::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(line) = said_rx.recv_timeout(left) else {
            let _ = child.kill();
            let _ = child.wait();
            bail!("the server did not start; it said:\n{said}");
        };
        if let Some(url) = line.strip_prefix("serving on") {
            return Ok((child, url.trim().to_owned()));
        }
        said.push_str(&line);
        said.push('\n');
    }
}

/// All metrics.
pub(crate) async fn scrape(clients: &Clients) -> anyhow::Result<String> {
    let answer = clients.get(0).send(Method::GET, "/metrics", None).await?;
    Ok(String::from_utf8(answer.expect(StatusCode::OK)?.to_vec())?)
}

/// The value of a metric that has no labels; zero if there is none.
pub(crate) fn metric(metrics: &str, name: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.trim().parse::<u64>().ok()).unwrap_or(0)
}

fn certificates(text: &str) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    Ok(pem::certificates(text)?)
}

/// The certificate and the key in the admin's kubeconfig, both as PEM.
fn admin(path: &Path) -> anyhow::Result<(String, String)> {
    #[derive(Deserialize)]
    struct File {
        users: Vec<Named>,
    }
    #[derive(Deserialize)]
    struct Named {
        user: User,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct User {
        client_certificate_data: String,
        client_key_data: String,
    }
    let text = std::fs::read_to_string(path)?;
    let file: File = serde_yaml::from_str(&text)?;
    let user = file.users.into_iter().next().context("the kubeconfig has no user")?.user;
    let decode = |data: &str| -> anyhow::Result<String> {
        Ok(String::from_utf8(base64::engine::general_purpose::STANDARD.decode(data)?)?)
    };
    Ok((decode(&user.client_certificate_data)?, decode(&user.client_key_data)?))
}
