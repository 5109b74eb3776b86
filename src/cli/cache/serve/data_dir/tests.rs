//! A data directory through its life: first start, renewals, losses, strangers.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::*;
use crate::kubeconfig::{Credential, Kubeconfig};
use crate::pki::{Certificate, pem, verify_client, verify_server};

const HOUR: Duration = Duration::from_secs(3600);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
const URL: &str = "https://localhost:6443";

fn options() -> Options {
    Options::own(vec!["cache.example.com".parse().unwrap()])
}

fn open(path: &Path, now: SystemTime) -> DataDir {
    let dir = DataDir::open_or_create(path, options(), now).unwrap();
    dir.serve_at(URL, now).unwrap();
    dir
}

fn read(path: &Path, name: &str) -> String {
    fs::read_to_string(path.join(name)).unwrap()
}

fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn all_files(path: &Path) -> Vec<(String, String)> {
    names(path).into_iter().map(|name| (name.clone(), read(path, &name))).collect()
}

/// Checks that the serving pair and the admin's verify against the CAs at `now`.
fn assert_in_order(path: &Path, now: SystemTime) {
    let serving = pem::certificates(&read(path, "apiserver.crt")).unwrap();
    let roots = pem::certificates(&read(path, "ca.crt")).unwrap();
    for host in ["localhost", "127.0.0.1", "::1", "cache.example.com"] {
        verify_server(&serving, &roots, &host.parse().unwrap(), now).unwrap();
    }
    let kubeconfig = Kubeconfig::from_yaml(&read(path, "admin.kubeconfig")).unwrap();
    let user = kubeconfig.user("admin").unwrap();
    let Credential::Inline(cert) = &user.cert else { panic!("not inline") };
    let roots = pem::certificates(&read(path, "client-ca.crt")).unwrap();
    verify_client(&pem::certificates(cert).unwrap(), &roots, now).unwrap();
    let leaf = Certificate::from_pem(cert).unwrap().swap_remove(0).0;
    assert_eq!(
        (leaf.common_name.as_str(), leaf.organizations.as_slice()),
        ("admin", ["system:masters".to_owned()].as_slice())
    );
    for cluster in &kubeconfig.clusters {
        assert_eq!(cluster.ca, Credential::Inline(read(path, "ca.crt")));
    }
}

#[test]
fn a_first_start_makes_everything_with_tight_modes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let now = SystemTime::now();
    let dir = open(&path, now);
    assert_in_order(&path, now);
    let mode = |name: &str| fs::metadata(path.join(name)).unwrap().permissions().mode() & 0o777;
    let modes: Vec<_> = names(&path).into_iter().map(|name| (mode(&name), name)).collect();
    let expected = [
        (0o600, "admin.kubeconfig"),
        (0o644, "apiserver.crt"),
        (0o600, "apiserver.key"),
        (0o644, "ca.crt"),
        (0o600, "ca.key"),
        (0o644, "client-ca.crt"),
        (0o600, "client-ca.key"),
        (0o644, "version"),
    ];
    assert_eq!(modes, expected.map(|(mode, name)| (mode, name.to_owned())));
    assert_eq!(mode("."), 0o700);
    assert_eq!(dir.tls_paths().client_ca, Some(path.join("client-ca.crt")));

    // The one file is all that a client needs, and kubectl reads what we write.
    let openssl = Command::new("openssl")
        .args(["verify", "-CAfile", "apiserver.crt", "-verify_hostname", "localhost"])
        .args(["-purpose", "sslserver", "apiserver.crt"])
        .current_dir(&path)
        .output()
        .unwrap();
    assert!(openssl.status.success(), "{openssl:?}");
    let kubectl = Command::new("kubectl")
        .args(["config", "view", "--kubeconfig", "admin.kubeconfig"])
        .args([
            "-o",
            "jsonpath={.current-context} {.contexts[*].name} {.clusters[*].cluster.server}",
        ])
        .current_dir(&path)
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&kubectl.stdout),
        format!("cache cache control {URL} {URL}")
    );
}

#[test]
fn a_later_start_changes_only_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let (path, now) = (folder.path(), SystemTime::now());
    open(path, now);
    let first = all_files(path);
    open(path, now + HOUR);
    assert_eq!(all_files(path), first);

    // Another port: the kubeconfig, with the same certificate.
    let dir = DataDir::open_or_create(path, options(), now).unwrap();
    dir.serve_at("https://localhost:7443", now).unwrap();
    let ported = read(path, "admin.kubeconfig");
    assert_eq!(ported, first[0].1.replace("6443", "7443"));

    // Another name: the serving certificate, with the same key and CA.
    let more = Options::own(vec!["other.example.com".parse().unwrap()]);
    DataDir::open_or_create(path, more, now).unwrap().serve_at(URL, now).unwrap();
    let changed: Vec<_> = all_files(path)
        .into_iter()
        .zip(&first)
        .filter(|(after, before)| after != *before)
        .map(|((name, _), _)| name)
        .collect();
    assert_eq!(changed, ["apiserver.crt"]);
}

#[test]
fn leaves_are_renewed_at_half_their_life_and_cas_keep_their_keys() {
    let folder = tempfile::tempdir().unwrap();
    let (path, start) = (folder.path(), SystemTime::now());
    let dir = open(path, start);
    let (old_ca, old_key) = (read(path, "ca.crt"), read(path, "ca.key"));
    let pass = dir.pass(start).unwrap();
    assert!(pass.written.is_empty(), "{pass:?}");
    assert!(pass.next > start + 2 * YEAR / 5 && pass.next < start + 3 * YEAR / 5);

    let before = dir.pass(pass.next - HOUR).unwrap();
    assert!(before.written.is_empty(), "{before:?}");
    let now = pass.next + HOUR;
    let renewed = dir.pass(now).unwrap();
    assert_eq!(renewed.written, ["apiserver.crt", "admin.kubeconfig"].map(|it| path.join(it)));
    assert_in_order(path, now);
    assert_eq!(read(path, "ca.crt"), old_ca);

    // Five years on the CAs get a new life. Who trusts the old one trusts what the new one signs.
    let now = start + 5 * YEAR;
    fs::write(path.join("client-ca.crt"), read(path, "client-ca.crt") + "\n" + &old_ca).unwrap();
    dir.pass(now).unwrap();
    assert_ne!(read(path, "ca.crt"), old_ca);
    assert_eq!(read(path, "ca.key"), old_key);
    assert_in_order(path, now);
    let serving = pem::certificates(&read(path, "apiserver.crt")).unwrap();
    let old_roots = pem::certificates(&old_ca).unwrap();
    verify_server(&serving[..1], &old_roots, &"localhost".parse().unwrap(), now).unwrap();
    // What someone added to the CA file is still there.
    assert_eq!(pem::certificates(&read(path, "client-ca.crt")).unwrap()[1], old_roots[0]);
}

#[test]
fn what_depends_on_a_ca_is_made_again_and_a_ca_never() {
    let folder = tempfile::tempdir().unwrap();
    let (path, now) = (folder.path(), SystemTime::now());
    open(path, now);
    for name in ["apiserver.crt", "apiserver.key", "admin.kubeconfig"] {
        fs::remove_file(path.join(name)).unwrap();
        open(path, now);
        assert_in_order(path, now);
    }
    for name in ["ca.crt", "ca.key", "client-ca.crt", "client-ca.key"] {
        let kept = read(path, name);
        fs::remove_file(path.join(name)).unwrap();
        let before = all_files(path);
        let error = DataDir::open_or_create(path, options(), now).unwrap_err();
        let says = format!("`{}` lacks `{name}`", path.display());
        assert_eq!(error.to_string(), says);
        assert_eq!(all_files(path), before);
        fs::write(path.join(name), kept).unwrap();
    }
    let client_ca = read(path, "client-ca.key");
    fs::write(path.join("ca.key"), client_ca).unwrap();
    let error = DataDir::open_or_create(path, options(), now).unwrap_err();
    assert!(matches!(error, DataDirError::Certificate { .. }), "{error}");
}

#[test]
fn directories_of_others_are_refused_untouched() {
    let now = SystemTime::now();
    let refused = |name: &str, content: &str| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, content).unwrap();
        let error = DataDir::open_or_create(folder.path(), options(), now).unwrap_err();
        assert_eq!(names(folder.path()).len(), 1);
        error.to_string().replace(&folder.path().display().to_string(), "DIR")
    };
    assert_eq!(
        refused("version", "2\n"),
        "`DIR/version` says layout `2`, and this program knows layout 1 only"
    );
    assert_eq!(
        refused("etcd-server/member/snap", ""),
        "`DIR/etcd-server/member` holds the embedded etcd of a Go cache server"
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = DataDir::open_or_create(&file, options(), now).unwrap_err();
    assert!(matches!(error, DataDirError::NotADirectory { .. }));
}

#[test]
fn a_pair_that_a_go_server_left_is_served_as_it_is() {
    let made = tempfile::tempdir().unwrap();
    let openssl = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=go"])
        .args(["-keyout", "apiserver.key", "-out", "apiserver.crt"])
        .current_dir(made.path())
        .output()
        .unwrap();
    assert!(openssl.status.success());
    let (path, now) = (made.path(), SystemTime::now());
    let before = all_files(path);
    for _ in 0..2 {
        let given = Options { clients: Clients::Given, ..options() };
        let dir = DataDir::open_or_create(path, given, now).unwrap();
        assert!(dir.has_found_pair());
        assert_eq!(dir.serve_at(URL, now).unwrap(), None);
        assert_eq!(all_files(path)[..2], before);
        assert_eq!(names(path), ["apiserver.crt", "apiserver.key", "version"]);
    }
}

#[tokio::test]
async fn short_lives_are_renewed_while_the_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let lifetimes = Lifetimes { ca: HOUR, leaf: Duration::from_secs(4) };
    let options = Options { lifetimes, ..options() };
    let dir = Arc::new(DataDir::open_or_create(path, options, SystemTime::now()).unwrap());
    dir.serve_at(URL, SystemTime::now()).unwrap();
    let first = [read(path, "apiserver.crt"), read(path, "admin.kubeconfig")];
    let (stop_tx, stop_rx) = tokio::sync::oneshot::channel::<()>();
    let stop = async {
        let _ = stop_rx.await;
    };
    let clock: Clock = Arc::new(SystemTime::now);
    let task = tokio::spawn(keep_fresh(Arc::clone(&dir), clock, stop));
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let present = [read(path, "apiserver.crt"), read(path, "admin.kubeconfig")];
        if present[0] != first[0] && present[1] != first[1] {
            break;
        }
        assert!(Instant::now() < deadline, "nothing was renewed");
        tokio::task::yield_now().await;
    }
    stop_tx.send(()).unwrap();
    task.await.unwrap();
    assert_in_order(path, SystemTime::now());
}
