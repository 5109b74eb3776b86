//! The executable under test as a running server.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use kcpctl::pki::{Authority, pem};
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};

use super::certs::new_authority;
use super::env::KCPCTL;
use super::{Client, Credentials, Etcd, Request, TestEnv, eventually};

/// Names another executable to hold to the contract of `cache-server`, such as kcp's own.
/// Only the tests that start a server under that name use it.
const OTHER_CACHE_SERVER: &str = "KCPCTL_TEST_CACHE_SERVER";

/// Says where servers keep their data that tests start without saying so: `etcd` for an
/// etcd of each server's own. Every test of the contract passes on either.
const STORE: &str = "KCPCTL_TEST_STORE";

/// A server on a free port of the loopback address, killed when dropped.
pub struct Server {
    env: TestEnv,
    /// Ends after the server, which is told to end in [`Drop`].
    etcd: Option<Etcd>,
    personality: Personality,
    extra: Vec<String>,
    child: Child,
    address: SocketAddr,
    said: Arc<Mutex<String>>,
    clients: Authority,
    kubeconfigs: AtomicUsize,
}

/// Under which name the executable runs, which decides its flags.
enum Personality {
    /// `kcpctl cache serve`.
    Kcpctl,
    /// `cache-server`, with the flags of the original.
    CacheServer {
        executable: PathBuf,
        /// Ports that are taken and named beforehand: for one that cannot choose itself.
        ports: Option<[u16; 3]>,
    },
}

/// A server that tests share while any of them runs.
type Shared = OnceLock<Mutex<Weak<Server>>>;
static SHARED: Shared = OnceLock::new();
static SHARED_CACHE_SERVER: Shared = OnceLock::new();

fn share(shared: &Shared, start: impl FnOnce() -> Server) -> Arc<Server> {
    let mut running = shared.get_or_init(Mutex::default).lock();
    running.upgrade().unwrap_or_else(|| {
        let server = Arc::new(start());
        *running = Arc::downgrade(&server);
        server
    })
}

impl Server {
    /// `kcpctl cache serve` that other tests use at the same time: keep to a cluster of
    /// your own, and do not stop it.
    pub fn shared() -> Arc<Self> {
        share(&SHARED, Self::start)
    }

    /// The same under the name `cache-server`.
    pub fn shared_cache_server() -> Arc<Self> {
        share(&SHARED_CACHE_SERVER, Self::start_cache_server)
    }

    /// `kcpctl cache serve` of one's own.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// `kcpctl cache serve` of one's own, with more flags.
    pub fn start_with(extra: &[&str]) -> Self {
        Self::launch(TestEnv::new(), Personality::Kcpctl, extra)
    }

    /// The executable under the name `cache-server`.
    pub fn start_cache_server() -> Self {
        Self::start_cache_server_with(&[])
    }

    /// The same with more flags.
    pub fn start_cache_server_with(extra: &[&str]) -> Self {
        let env = TestEnv::new();
        let other = std::env::var_os(OTHER_CACHE_SERVER).map(PathBuf::from);
        let ports = other.as_ref().map(|_| free_ports());
        let executable = other.unwrap_or_else(|| {
            let link = env.path("cache-server");
            std::os::unix::fs::symlink(KCPCTL, &link).unwrap();
            link
        });
        Self::launch(env, Personality::CacheServer { executable, ports }, extra)
    }

    /// `kcpctl cache serve` on an etcd, with more flags.
    pub fn start_on(etcd: &Etcd, extra: &[&str]) -> Self {
        let url = etcd.url();
        Self::start_with(&[&["--etcd-servers", &url], extra].concat())
    }

    fn launch(env: TestEnv, personality: Personality, extra: &[&str]) -> Self {
        let mut extra: Vec<String> = extra.iter().map(|&it| it.to_owned()).collect();
        let foreign = matches!(personality, Personality::CacheServer { ports: Some(_), .. });
        let told = extra.iter().any(|it| it.starts_with("--etcd-servers"));
        let wanted = std::env::var_os(STORE).is_some_and(|it| it == "etcd");
        let etcd = (wanted && !told && !foreign).then(Etcd::start);
        extra.extend(etcd.iter().map(|etcd| format!("--etcd-servers={}", etcd.url())));
        if etcd.is_some() && matches!(personality, Personality::Kcpctl) {
            extra.push("--control-plane".to_owned());
        }
        let clients = new_authority("clients");
        if matches!(personality, Personality::CacheServer { .. }) {
            env.write("trusted-clients.crt", clients.cert_pem());
        }
        let said = Arc::new(Mutex::new(String::new()));
        let mut command = command(&env, &personality, &extra, None);
        let child = spawn(&mut command, &said);
        // Replaced as soon as the server says where it listens.
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let kubeconfigs = AtomicUsize::new(0);
        let mut server =
            Self { env, etcd, personality, extra, child, address, said, clients, kubeconfigs };
        server.wait_until_ready();
        if matches!(server.personality, Personality::Kcpctl) {
            let read = |name| std::fs::read_to_string(server.data_dir().join(name)).unwrap();
            let clients = Authority::from_pem(&read("client-ca.crt"), &read("client-ca.key"));
            server.clients = clients.unwrap();
        }
        server
    }

    fn wait_until_ready(&mut self) {
        self.address = match self.personality {
            Personality::CacheServer { ports: Some([port, ..]), .. } => {
                ([127, 0, 0, 1], port).into()
            }
            _ => eventually("the line that says where the server listens", || {
                self.assert_running();
                listening(&self.said.lock())
            }),
        };
        eventually("a ready server", || {
            self.assert_running();
            let ca = std::fs::read_to_string(self.ca_file()).ok()?;
            // One that writes it in place may be in the middle of it.
            pem::certificates(&ca).ok()?;
            let client = Client::new(self.address, &ca, None);
            let answer = client.try_send(&Request::new("GET", "/readyz")).ok()?;
            (answer.status == 200).then_some(())
        });
    }

    fn assert_running(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("the server ended with {status} before it was ready");
        }
    }

    /// Whether it is not the executable under test, but another to hold to its contract.
    pub fn is_foreign(&self) -> bool {
        matches!(self.personality, Personality::CacheServer { ports: Some(_), .. })
    }

    /// Whether an etcd of its own keeps its data.
    pub fn is_on_etcd(&self) -> bool {
        self.etcd.is_some()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its place: more commands may run there.
    pub fn env(&self) -> &TestEnv {
        &self.env
    }

    /// The folder that it keeps its data in.
    pub fn data_dir(&self) -> PathBuf {
        self.env.path("data")
    }

    /// Everything it wrote to stderr so far.
    pub fn said(&self) -> String {
        self.said.lock().clone()
    }

    /// The certificates that vouch for it.
    pub fn ca_pem(&self) -> String {
        std::fs::read_to_string(self.ca_file()).unwrap()
    }

    fn ca_file(&self) -> PathBuf {
        let name = match self.personality {
            Personality::Kcpctl => "ca.crt",
            Personality::CacheServer { .. } => "apiserver.crt",
        };
        self.data_dir().join(name)
    }

    /// A certificate that it accepts, for `user` in `groups`.
    pub fn credentials(&self, user: &str, groups: &[&str]) -> Credentials {
        Credentials::signed_by(&self.clients, user, groups)
    }

    /// A client in `groups`.
    pub fn client(&self, user: &str, groups: &[&str]) -> Client {
        self.client_with(Some(&self.credentials(user, groups)))
    }

    /// A client that may do everything.
    pub fn admin(&self) -> Client {
        self.client("admin", &["system:masters"])
    }

    /// A client with these credentials, or without a certificate.
    pub fn client_with(&self, credentials: Option<&Credentials>) -> Client {
        Client::new(self.address, &self.ca_pem(), credentials)
    }

    /// Writes a kubeconfig of an administrator in `cluster` of `shard`.
    pub fn kubeconfig(&self, shard: &str, cluster: &str) -> PathBuf {
        let credentials = self.credentials("admin", &["system:masters"]);
        // A folder of its own: tests share servers, and none may read what another
        // is writing.
        let number = self.kubeconfigs.fetch_add(1, Ordering::Relaxed);
        let place = format!("kubeconfig-{number}");
        let file = |name: &str, content: &str| self.env.write(format!("{place}/{name}"), content);
        let ca = file("ca.crt", &self.ca_pem());
        let cert = file("client.crt", &credentials.cert_pem);
        let key = file("client.key", &credentials.key_pem);
        let server = format!(
            "https://localhost:{}/services/cache/shards/{shard}/clusters/{cluster}",
            self.address.port()
        );
        let kubeconfig = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "cache",
            "contexts": [{"name": "cache", "context": {"cluster": "cache", "user": "cache"}}],
            "clusters": [
                {"name": "cache", "cluster": {"server": server, "certificate-authority": ca}},
            ],
            "users": [{"name": "cache", "user": {"client-certificate": cert, "client-key": key}}],
        });
        file("kubeconfig", &kubeconfig.to_string())
    }

    /// The value of a metric, summed over its labels; zero if it is not there.
    pub fn metric(&self, name: &str) -> f64 {
        let answer = self.admin().get("/metrics");
        assert_eq!(answer.status, 200, "{answer}");
        let text = answer.text();
        let is_sample =
            |line: &&str| line.strip_prefix(name).is_some_and(|it| it.starts_with(['{', ' ']));
        text.lines()
            .filter(is_sample)
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    }

    /// Asks it to stop and waits for its end.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits for its end, which somebody asked for.
    pub fn wait(&mut self) -> ExitStatus {
        eventually("the end of the server", || self.child.try_wait().unwrap())
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Ends it at once, without a chance to write anything.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again in place, on the same port, after [`Self::stop`] or [`Self::kill`].
    pub fn start_again(&mut self) {
        self.said.lock().clear();
        let port = Some(self.address.port());
        let mut command = command(&self.env, &self.personality, &self.extra, port);
        self.child = spawn(&mut command, &self.said);
        self.wait_until_ready();
    }
}

impl Drop for Server {
    #[expect(clippy::print_stderr, reason = "the harness shows it beside the failed test")]
    fn drop(&mut self) {
        // It may have ended already, and then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the server said:\n{}", self.said());
        }
    }
}

fn command(
    env: &TestEnv,
    personality: &Personality,
    extra: &[String],
    port: Option<u16>,
) -> Command {
    let data = env.path("data").into_os_string().into_string().unwrap();
    let mut args = match personality {
        Personality::Kcpctl => vec![
            "cache".to_owned(),
            "serve".to_owned(),
            format!("--data-dir={data}"),
            format!("--listen=127.0.0.1:{}", port.unwrap_or(0)),
        ],
        Personality::CacheServer { ports, .. } => {
            let trusted = env.path("trusted-clients.crt");
            let port = ports.map(|it| it[0]).or(port).unwrap_or(0);
            vec![
                format!("--root-directory={data}"),
                "--bind-address=127.0.0.1".to_owned(),
                format!("--secure-port={port}"),
                format!("--client-ca-file={}", trusted.display()),
            ]
        }
    };
    if let Personality::CacheServer { ports: Some([_, client, peer]), .. } = personality {
        args.push(format!("--embedded-etcd-client-port={client}"));
        args.push(format!("--embedded-etcd-peer-port={peer}"));
    }
    args.extend_from_slice(extra);
    let mut command = match personality {
        Personality::Kcpctl => env.command(KCPCTL),
        Personality::CacheServer { executable, .. } => env.command(executable),
    };
    command.args(args);
    command
}

/// Starts it, and keeps what it says.
fn spawn(command: &mut Command, said: &Arc<Mutex<String>>) -> Child {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let said = Arc::clone(said);
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let mut said = said.lock();
            said.push_str(&line);
            said.push('\n');
        }
    });
    child
}

/// Finds the address in what the server said.
fn listening(said: &str) -> Option<SocketAddr> {
    let port = |prefix: &str| {
        said.match_indices(prefix).find_map(|(at, _)| {
            let rest = &said[at + prefix.len()..];
            let digits = rest.find(|it: char| !it.is_ascii_digit())?;
            rest[..digits].parse::<u16>().ok().filter(|&it| it != 0)
        })
    };
    let port = port("https://127.0.0.1:").or_else(|| port("https://localhost:"))?;
    Some(([127, 0, 0, 1], port).into())
}

/// Three ports that are free now.
pub(super) fn free_ports() -> [u16; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|it| it.local_addr().unwrap().port())
}
