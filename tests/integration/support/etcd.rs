//! Members of etcd as running processes, alone or as a cluster, and what lies in them.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use etcd_client::{
    AlarmAction, AlarmOptions, AlarmType, Client, Compare, CompareOp, ConnectOptions,
    DeleteOptions, GetOptions, Txn, TxnOp,
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::eventually;
use super::server::free_ports;

/// Names another executable of etcd to run the tests on, of another version.
const EXECUTABLE: &str = "KCPCTL_TEST_ETCD";

/// Memory that looks like a disk, where there is such a thing.
const FAST_DISK: &str = "/dev/shm";

/// What the clients of all tests run on.
pub(super) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// One member of etcd on a free port of the loopback address, killed when dropped.
pub struct Etcd {
    dir: TempDir,
    ports: [u16; 3],
    extra: Vec<String>,
    scheme: &'static str,
    name: String,
    /// All members, as `--initial-cluster` wants them; empty for one that is alone.
    cluster: String,
    child: Child,
}

/// A stored value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stored {
    /// The bytes.
    pub value: Vec<u8>,
    /// When they were written.
    pub revision: u64,
    /// How often the key was written since it was created.
    pub version: u64,
}

impl Etcd {
    /// An empty one.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// An empty one with more flags. With `--cert-file` among them it speaks TLS.
    pub fn start_with(extra: &[&str]) -> Self {
        let mut etcd = Self::spawn("default", free_ports(), "", extra);
        etcd.wait_until_ready();
        etcd
    }

    /// Three empty members of one cluster, with more flags.
    pub fn start_cluster(extra: &[&str]) -> [Self; 3] {
        const NAMES: [&str; 3] = ["m0", "m1", "m2"];
        eventually("three members of etcd", || {
            let ports = NAMES.map(|_| free_ports());
            let peer = |it: usize| format!("{}=http://127.0.0.1:{}", NAMES[it], ports[it][1]);
            let cluster = [peer(0), peer(1), peer(2)].join(",");
            let mut members =
                [0, 1, 2].map(|it| Self::spawn(NAMES[it], ports[it], &cluster, extra));
            // Somebody else may have taken a port since it was found free.
            let all_answer = members.iter_mut().all(|member| {
                eventually("a member that answers or ends", || {
                    let ended = member.child.try_wait().unwrap().is_some();
                    (ended || member.try_revision().is_some()).then_some(!ended)
                })
            });
            all_answer.then_some(members)
        })
    }

    fn spawn(name: &str, ports: [u16; 3], cluster: &str, extra: &[&str]) -> Self {
        let disk = PathBuf::from(FAST_DISK);
        let dir = tempfile::tempdir_in(disk).or_else(|_| tempfile::tempdir()).unwrap();
        let extra: Vec<String> = extra.iter().map(|&it| it.to_owned()).collect();
        let tls = extra.iter().any(|it| it.starts_with("--cert-file"));
        let scheme = if tls { "https" } else { "http" };
        let (name, cluster) = (name.to_owned(), cluster.to_owned());
        let mut command = command(&dir, ports, scheme, &name, &cluster, &extra);
        let child = command.spawn().unwrap();
        Self { dir, ports, extra, scheme, name, cluster, child }
    }

    fn respawn(&mut self) {
        let Self { dir, ports, extra, scheme, name, cluster, .. } = self;
        self.child = command(dir, *ports, scheme, name, cluster, extra).spawn().unwrap();
    }

    fn wait_until_ready(&mut self) {
        eventually("an etcd that answers", || {
            // Somebody else may have taken a port since it was found free.
            if self.child.try_wait().unwrap().is_some() {
                if self.cluster.is_empty() {
                    self.ports = free_ports();
                }
                self.respawn();
            }
            if self.scheme == "https" {
                return std::net::TcpStream::connect(("127.0.0.1", self.ports[0])).ok().map(drop);
            }
            self.try_revision().map(drop)
        });
    }

    /// Where clients reach it.
    pub fn url(&self) -> String {
        format!("{}://localhost:{}", self.scheme, self.ports[0])
    }

    fn ask<T: Send>(
        &self,
        ask: impl AsyncFnOnce(&mut Client) -> Result<T, etcd_client::Error> + Send,
    ) -> T {
        self.try_ask(ask).unwrap()
    }

    fn try_ask<T: Send>(
        &self,
        ask: impl AsyncFnOnce(&mut Client) -> Result<T, etcd_client::Error> + Send,
    ) -> Result<T, etcd_client::Error> {
        let url = self.url();
        let ask = || {
            RUNTIME.block_on(async {
                let options = ConnectOptions::new().with_timeout(Duration::from_secs(10));
                let mut client = Client::connect([url], Some(options)).await?;
                ask(&mut client).await
            })
        };
        // A thread that tests run tasks on may not wait for one.
        std::thread::scope(|scope| scope.spawn(ask).join().unwrap())
    }

    /// The newest revision, if it answers.
    pub fn try_revision(&self) -> Option<u64> {
        let answer = self.try_ask(async |client| client.get("-", None).await).ok()?;
        u64::try_from(answer.header()?.revision()).ok()
    }

    /// Its version, and whether it leads its cluster; none if it does not answer.
    pub fn status(&self) -> Option<(String, bool)> {
        let status = self.try_ask(async |client| client.status().await).ok()?;
        let leads = status.header()?.member_id() == status.leader();
        Some((status.version().to_owned(), leads))
    }

    /// The port that clients reach it at.
    pub fn port(&self) -> u16 {
        self.ports[0]
    }

    /// The newest revision.
    pub fn revision(&self) -> u64 {
        self.try_revision().unwrap()
    }

    /// Stores a value; answers with its revision.
    pub fn put(&self, key: &str, value: impl AsRef<[u8]>) -> u64 {
        let value = value.as_ref().to_vec();
        let answer = self.ask(async |client| client.put(key, value, None).await);
        u64::try_from(answer.header().unwrap().revision()).unwrap()
    }

    /// Stores two values at one revision.
    pub fn put_both(&self, first: (&str, &str), second: (&str, &str)) {
        let put = |(key, value): (&str, &str)| TxnOp::put(key, value, None);
        let new = Compare::version(first.0, CompareOp::Equal, 0);
        let txn = Txn::new().when([new]).and_then([put(first), put(second)]);
        assert!(self.ask(async |client| client.txn(txn).await).succeeded());
    }

    /// Whether there was room for a value.
    pub fn has_room_for(&self, key: &str, value: &[u8]) -> bool {
        let value = value.to_vec();
        self.try_ask(async |client| client.put(key, value, None).await).is_ok()
    }

    /// Deletes a key.
    pub fn delete(&self, key: &str) {
        self.ask(async |client| client.delete(key, None).await);
    }

    /// What is stored under a key.
    pub fn get(&self, key: &str) -> Option<Stored> {
        let answer = self.ask(async |client| client.get(key, None).await);
        let kv = answer.kvs().first()?;
        let number = |it: i64| u64::try_from(it).unwrap();
        let (revision, version) = (number(kv.mod_revision()), number(kv.version()));
        Some(Stored { value: kv.value().to_vec(), revision, version })
    }

    /// All keys below a prefix.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        let options = GetOptions::new().with_prefix().with_keys_only();
        let answer = self.ask(async |client| client.get(prefix, Some(options)).await);
        answer.kvs().iter().map(|kv| kv.key_str().unwrap().to_owned()).collect()
    }

    /// Whether the state at a revision can still be read.
    pub fn remembers(&self, revision: u64) -> bool {
        let at = GetOptions::new().with_revision(i64::try_from(revision).unwrap());
        self.try_ask(async |client| client.get("-", Some(at)).await).is_ok()
    }

    /// Makes it forget everything before a revision.
    pub fn compact(&self, revision: u64) {
        assert!(self.try_compact(revision));
    }

    /// The same, as far as it answers.
    pub fn try_compact(&self, revision: u64) -> bool {
        let revision = i64::try_from(revision).unwrap();
        self.try_ask(async |client| client.compact(revision, None).await).is_ok()
    }

    /// Gives back what was forgotten to the disk, if it answers.
    pub fn try_defragment(&self) -> bool {
        self.try_ask(async |client| client.defragment().await).is_ok()
    }

    /// Deletes everything below a prefix, if it answers.
    pub fn try_delete_below(&self, prefix: &str) -> bool {
        let options = DeleteOptions::new().with_prefix();
        self.try_ask(async |client| client.delete(prefix, Some(options)).await).is_ok()
    }

    /// Whether an alarm holds; none if it does not answer.
    pub fn has_alarm(&self) -> Option<bool> {
        let get =
            async |client: &mut Client| client.alarm(AlarmAction::Get, AlarmType::None, None).await;
        self.try_ask(get).ok().map(|answer| !answer.alarms().is_empty())
    }

    /// Ends every alarm, if it answers.
    pub fn try_disarm(&self) -> bool {
        let disarm = async |client: &mut Client| {
            let alarms = client.alarm(AlarmAction::Get, AlarmType::None, None).await?;
            for alarm in alarms.alarms() {
                let mut options = AlarmOptions::new();
                options.with_member(alarm.member_id());
                client.alarm(AlarmAction::Deactivate, alarm.alarm(), Some(options)).await?;
            }
            Ok(())
        };
        self.try_ask(disarm).is_ok()
    }

    /// Gives back what was forgotten, and ends every alarm.
    pub fn make_room(&self) {
        self.compact(self.revision());
        assert!(self.try_defragment() && self.try_disarm());
    }

    /// Holds it where it is; everything stays open.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        // Each thread stops when it comes to it.
        let tasks = format!("/proc/{}/task", self.child.id());
        eventually("a stopped etcd", || {
            let mut tasks = std::fs::read_dir(&tasks).unwrap();
            let stopped = tasks.all(|task| {
                let stat = std::fs::read_to_string(task.unwrap().path().join("stat"));
                stat.is_ok_and(|stat| stat.contains(") T "))
            });
            stopped.then_some(())
        });
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again with the same data, after [`Self::kill`].
    pub fn start_again(&mut self) {
        let ports = self.ports;
        self.respawn();
        self.wait_until_ready();
        assert_eq!(self.ports, ports, "somebody else has taken its port");
    }

    /// The same without waiting until it answers: the others may have to come first.
    pub fn begin_again(&mut self) {
        self.respawn();
    }

    /// Copies what it has stored, after [`Self::kill`].
    pub fn back_up(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        let from = self.dir.path().join("data");
        run(Command::new("cp").arg("-a").arg(from).arg(copy.path()));
        copy
    }

    /// Puts a copy in the place of what it has stored, after [`Self::kill`].
    pub fn put_back(&mut self, copy: &TempDir) {
        std::fs::remove_dir_all(self.dir.path().join("data")).unwrap();
        run(Command::new("cp").arg("-a").arg(copy.path().join("data")).arg(self.dir.path()));
    }

    /// Starts it again without any data, after [`Self::kill`].
    pub fn start_anew(&mut self) {
        std::fs::remove_dir_all(self.dir.path().join("data")).unwrap();
        self.start_again();
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        // It may have ended already, and then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(
    dir: &TempDir,
    ports: [u16; 3],
    scheme: &str,
    name: &str,
    cluster: &str,
    extra: &[String],
) -> Command {
    let executable = std::env::var_os(EXECUTABLE).unwrap_or_else(|| "etcd".into());
    let [client, peer, _] = ports;
    let (client, peer) =
        (format!("{scheme}://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
    let alone = format!("{name}={peer}");
    let cluster = if cluster.is_empty() { &*alone } else { cluster };
    let mut command = Command::new(executable);
    command
        .args(["--name", name])
        .arg("--data-dir")
        .arg(dir.path().join("data"))
        .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
        .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
        .args(["--initial-cluster", cluster])
        .args(["--log-level", "error", "--logger", "zap"])
        .args(extra)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}
