//! A folder of manifests through its life: read, changed, broken, gone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use super::follow::ManifestsError;
use super::*;
use crate::cli::cache::serve::data_dir::{Clock, DataDir, Lifetimes, Options};
use crate::pki::{Certificate, pem, verify_client};

const HOUR: Duration = Duration::from_secs(3600);

const CACHE: &str = "\
apiVersion: operator.kcp.io/v1alpha1
kind: CacheServer
metadata: {name: main}
spec: {certificates: {issuerRef: {name: x}}}
";

const ROOT: &str = "\
apiVersion: operator.kcp.io/v1alpha1
kind: RootShard
metadata: {name: kcp}
spec:
  external: {hostname: a, port: 6443}
  certificates: {issuerRef: {name: x}}
  etcd: {endpoints: [a]}
  cache: {ref: {name: main}}
";

fn shard(name: &str) -> String {
    format!(
        "apiVersion: operator.kcp.io/v1alpha1\nkind: Shard\nmetadata: {{name: {name}}}\n\
         spec: {{rootShard: {{ref: {{name: kcp}}}}, etcd: {{endpoints: [a]}}}}\n"
    )
}

/// A data directory and a folder of manifests.
struct Env {
    root: tempfile::TempDir,
    dir: Arc<DataDir>,
}

impl Env {
    fn new(leaf: Duration) -> Self {
        let root = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let lifetimes = Lifetimes { leaf, ..Lifetimes::default() };
        let options = Options { lifetimes, ..Options::own(Vec::new()) };
        let dir = DataDir::open_or_create(&root.path().join("data"), options, now).unwrap();
        dir.serve_at("https://localhost:6443", now).unwrap();
        fs::create_dir(root.path().join("manifests")).unwrap();
        let this = Self { root, dir: Arc::new(dir) };
        this.write("cache.yaml", CACHE);
        this.write("root.yaml", ROOT);
        this
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.root.path().join("manifests").join(name), text).unwrap();
    }

    fn open(&self, now: SystemTime) -> Result<(Manifests, Vec<News>), ManifestsError> {
        Manifests::open(&self.root.path().join("manifests"), None, Arc::clone(&self.dir), now)
    }

    fn shard_dir(&self, shard: &str) -> std::path::PathBuf {
        self.root.path().join("data/kubeconfigs").join(shard)
    }

    /// News as lines, without the paths of this test.
    fn lines(&self, news: &[News]) -> Vec<String> {
        let root = self.root.path().display().to_string();
        let lines = news.iter().map(|it| match it {
            News::Shard { object, flags } => format!("{object}: {}", flags.join(" ")),
            News::Gone { object, folder } => format!("gone {object} {}", folder.display()),
            News::Renewed { files } => format!("renewed {}", files.len()),
            News::Problem(problem) => problem.clone(),
        });
        lines.map(|line| line.replace(&root, "")).collect()
    }
}

fn read(path: &Path, name: &str) -> String {
    fs::read_to_string(path.join(name)).unwrap()
}

#[test]
fn each_shard_has_files_of_its_own_that_a_client_can_use() {
    let env = Env::new(HOUR);
    env.write("b.yml", &shard("b"));
    let now = SystemTime::now();
    let (_, news) = env.open(now).unwrap();
    assert_eq!(
        env.lines(&news),
        [
            "Shard/b: --shard-name=b --cache-kubeconfig=/data/kubeconfigs/b/kubeconfig",
            "RootShard/kcp: --shard-name=root --cache-kubeconfig=/data/kubeconfigs/root/kubeconfig",
            "renewed 8",
        ]
    );
    let roots = pem::certificates(&read(&env.root.path().join("data"), "client-ca.crt")).unwrap();
    for shard in ["root", "b"] {
        let dir = env.shard_dir(shard);
        let cert = read(&dir, "client.crt");
        verify_client(&pem::certificates(&cert).unwrap(), &roots, now).unwrap();
        let leaf = Certificate::from_pem(&cert).unwrap().swap_remove(0).0;
        assert_eq!(leaf.organizations, [format!("kcpctl:shard:{shard}")]);
        assert_eq!(read(&dir, "ca.crt"), read(&env.root.path().join("data"), "ca.crt"));
        let mode = |name| fs::metadata(dir.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!([mode("."), mode("client.key"), mode("kubeconfig")], [0o700, 0o600, 0o600]);
    }
    let view = Command::new("kubectl")
        .args(["config", "view", "--flatten", "-o"])
        .arg("jsonpath={.current-context} {.clusters[0].cluster.server} {.users[0].name}")
        .arg("--kubeconfig")
        .arg(env.shard_dir("b").join("kubeconfig"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&view.stdout), "cache https://localhost:6443 cache");
}

#[test]
fn a_change_is_taken_over_and_a_broken_file_is_told_once() {
    let env = Env::new(HOUR);
    let now = SystemTime::now();
    let (mut manifests, _) = env.open(now).unwrap();
    assert!(manifests.look(now).is_empty());
    env.write("b.yaml", &shard("b"));
    assert_eq!(env.lines(&manifests.look(now))[0].split(':').next(), Some("Shard/b"));

    env.write("b.yaml", "kind: [\n");
    let problems = env.lines(&manifests.look(now));
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("/manifests/b.yaml:2:"), "{problems:?}");
    assert!(manifests.look(now).is_empty());
    // What was in it is still renewed.
    fs::remove_file(env.shard_dir("b").join("client.crt")).unwrap();
    let later = now + Duration::from_secs(61);
    assert_eq!(env.lines(&manifests.look(later)), ["renewed 1"]);

    fs::remove_file(env.root.path().join("manifests/b.yaml")).unwrap();
    assert_eq!(env.lines(&manifests.look(later)), ["gone Shard/b /data/kubeconfigs/b"]);
    assert!(env.shard_dir("b").join("client.key").exists());

    fs::remove_dir_all(env.root.path().join("manifests")).unwrap();
    let vanished = env.lines(&manifests.look(later));
    assert!(vanished[0].contains("keeping what they said"), "{vanished:?}");
    assert!(manifests.look(later).is_empty());
}

#[test]
fn a_folder_that_leaves_a_choice_is_refused_at_the_start_and_told_later() {
    let env = Env::new(HOUR);
    let now = SystemTime::now();
    let (mut manifests, _) = env.open(now).unwrap();
    env.write("other.yaml", &CACHE.replace("main", "other"));
    let error = env.open(now).unwrap_err();
    assert!(matches!(error, ManifestsError::Plan { .. }), "{error}");
    let told = env.lines(&manifests.look(now));
    assert!(told[0].contains("several CacheServers: default/main, default/other"), "{told:?}");
    fs::remove_file(env.root.path().join("manifests/other.yaml")).unwrap();
    assert!(manifests.look(now).is_empty());

    env.write("more.yaml", &ROOT.replace("name: kcp", "name: more"));
    assert!(env.open(now).is_err());
    let missing = Manifests::open(Path::new("/nowhere"), None, Arc::clone(&env.dir), now);
    assert!(matches!(missing, Err(ManifestsError::Folder { .. })));
}

#[tokio::test]
async fn a_pair_is_renewed_in_place_while_the_server_runs() {
    let env = Env::new(Duration::from_secs(4));
    let (manifests, _) = env.open(SystemTime::now()).unwrap();
    let dir = env.shard_dir("root");
    let (cert, key) = (read(&dir, "client.crt"), read(&dir, "client.key"));
    let (stop_tx, stop_rx) = tokio::sync::oneshot::channel::<()>();
    let clock: Clock = Arc::new(SystemTime::now);
    let news: Arc<Mutex<Vec<News>>> = Arc::default();
    let teller = Arc::clone(&news);
    let stop = async {
        let _ = stop_rx.await;
    };
    let task =
        tokio::spawn(follow(manifests, clock, stop, move |it| teller.lock().unwrap().push(it)));
    let deadline = Instant::now() + Duration::from_secs(60);
    while news.lock().unwrap().is_empty() {
        assert!(Instant::now() < deadline, "nothing was renewed");
        tokio::task::yield_now().await;
    }
    stop_tx.send(()).unwrap();
    task.await.unwrap();
    let news = news.lock().unwrap();
    assert_eq!(news[0], News::Renewed { files: vec![dir.join("client.crt")] });
    assert_ne!(read(&dir, "client.crt"), cert);
    assert_eq!(read(&dir, "client.key"), key);
}
