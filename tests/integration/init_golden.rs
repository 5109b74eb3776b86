//! What `kcpctl init installation` writes, as files in `tests/golden/init`.
//!
//! `UPDATE_GOLDEN=1` accepts what is written now; review it as a diff.

use std::path::{Path, PathBuf};

use crate::support::TestEnv;

/// The command line of each file.
const GOLDEN: [(&str, &[&str]); 5] = [
    ("dev.yaml", &["demo", "-o", "-"]),
    (
        "dev-cache-server.yaml",
        &[
            "demo",
            "--shards",
            "alpha",
            "--cache",
            "server",
            "--hostname",
            "kcp.example.com",
            "-o",
            "-",
        ],
    ),
    (
        "production.yaml",
        &["demo", "--profile", "production", "--hostname", "kcp.example.com", "-o", "-"],
    ),
    (
        "production-one-etcd.yaml",
        &[
            "demo",
            "--profile=production",
            "--hostname=kcp.example.com",
            "--port=443",
            "--namespace=kcp",
            "--shards=alpha,beta",
            "--etcd-endpoints=https://etcd-0.example.com:2379,https://etcd-1.example.com:2379",
            "--etcd-tls-secret=etcd-client",
            "--etcd-endpoints=cache=https://etcd-cache.example.com:2379",
            "--issuer=Issuer/kcp",
            "--kubeconfigs=admin,ci",
            "--validity=720h",
            "--image-repository=registry.example.com/kcp",
            "--kcp-version=0.31.0",
            "-o-",
        ],
    ),
    (
        "production.kcp.yaml",
        &["demo", "--profile", "production", "--hostname", "kcp.example.com", "--print-config"],
    ),
];

#[test]
fn the_manifests_are_those_that_were_reviewed() {
    let env = TestEnv::new();
    for (file, args) in GOLDEN {
        let said = env.run(["init", "installation"].iter().chain(args));
        assert_eq!((said.stderr.as_str(), said.code), ("", Some(0)), "{file}: {said}");
        compare(file, &said.stdout);
    }
}

#[test]
fn a_folder_holds_the_stream_one_object_a_file() {
    let env = TestEnv::new();
    let production = ["--profile", "production", "--hostname", "kcp.example.com"];
    let args = ["init", "installation", "demo", "-o", "here"];
    let said = env.run(args.iter().chain(&production));
    assert_eq!((said.stdout.as_str(), said.code), ("", Some(0)), "{said}");
    compare("production.said", &said.stderr);

    let kustomization = std::fs::read_to_string(env.path("here/kustomization.yaml")).unwrap();
    compare("production.kustomization.yaml", &kustomization);
    let listed: Vec<String> = kustomization
        .lines()
        .filter_map(|line| line.strip_prefix("  - "))
        .map(|file| std::fs::read_to_string(env.path("here").join(file)).unwrap())
        .collect();
    let stream = ["init", "installation", "demo", "-o", "-"];
    let stream = env.run(stream.iter().chain(&production)).success();
    assert_eq!(listed.join("---\n"), stream);

    let files = std::fs::read_dir(env.path("here")).unwrap().count();
    assert_eq!(files, listed.len() + 1, "nothing else is left in the folder");
}

#[test]
fn the_topology_in_effect_makes_the_same_again() {
    let env = TestEnv::new();
    for (file, args) in GOLDEN.iter().filter(|it| it.0 != "production.kcp.yaml") {
        let stream = env.run(["init", "installation"].iter().chain(*args)).success();
        let without_output = args.iter().filter(|it| !["-o", "-", "-o-"].contains(it));
        let print = ["init", "installation", "--print-config"];
        let config = env.run(print.iter().chain(without_output)).success();
        env.write("kcp.yaml", &config);
        let again = ["init", "installation", "-f", "kcp.yaml"];
        assert_eq!(env.run(again.iter().chain(&["--print-config"])).success(), config, "{file}");
        assert_eq!(env.run(again.iter().chain(&["-o", "-"])).success(), stream, "{file}");
    }
}

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/init").join(file)
}

#[track_caller]
fn compare(file: &str, actual: &str) {
    let path = golden(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, actual).unwrap();
        return;
    }
    let expected = snapbox::Data::read_from(&path, None).raw();
    snapbox::Assert::new().normalize_paths(false).eq(actual, expected);
}
