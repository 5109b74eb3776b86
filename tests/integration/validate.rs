//! `kcpctl validate` at its door: which files it reads, how it shows findings, and what it
//! makes of bad input.

use std::os::unix::fs::PermissionsExt;

use crate::support::TestEnv;

const CACHE: &str = "\
apiVersion: operator.kcp.io/v1alpha1
kind: CacheServer
metadata: {name: cache}
spec: {certificates: {issuerRef: {name: selfsigned}}}
";

const SHARD: &str = "\
# A shard whose root is not here.
---
apiVersion: operator.kcp.io/v1alpha1
kind: Shard
metadata:
  name: one
spec:
  rootShard:
    ref: {name: root}
  etcd:
    endpoints:
      - http://a:2379
      - b
";

#[test]
fn a_finding_has_a_place_a_code_a_path_and_a_hint() {
    let env = TestEnv::new();
    env.write("shard.yaml", SHARD);
    env.write("cache.yaml", CACHE);
    let said = env.run(["validate", "-f", "shard.yaml", "-f", "cache.yaml", "-f", "shard.yaml"]);
    assert_eq!(
        said.to_string(),
        "\
--- stdout
shard.yaml:9:5: error KCP0008 Shard/one spec.rootShard.ref: there is no RootShard `root`
  hint: add a RootShard of that name in the same namespace
shard.yaml:13:9: error KCP0011 Shard/one spec.etcd.endpoints[1]: `b` is no URL of an etcd member
  hint: write it as `https://HOST:PORT`
--- stderr
error: 2 errors in 2 objects
--- exit 1
"
    );
    let json = env.run(["validate", "-f", "shard.yaml", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["objects"], 1);
    assert_eq!(
        json["findings"][0],
        serde_json::json!({
            "code": "KCP0008",
            "severity": "error",
            "file": "shard.yaml",
            "line": 9,
            "column": 5,
            "object": { "kind": "Shard", "name": "one" },
            "path": "spec.rootShard.ref",
            "message": "there is no RootShard `root`",
            "hint": "add a RootShard of that name in the same namespace",
        })
    );
}

#[test]
fn what_is_sound_passes_and_a_warning_refuses_nothing() {
    let env = TestEnv::new();
    env.write("cache.yaml", CACHE);
    assert_eq!(
        env.run(["validate", "-f", "cache.yaml"]).to_string(),
        "--- stderr\nnothing is wrong in 1 object\n--- exit 0\n"
    );
    env.write("cache.yaml", CACHE.replace("spec: {", "spec: {future: 1, "));
    assert_eq!(
        env.run(["validate", "-f", "cache.yaml"]).to_string(),
        "\
--- stdout
cache.yaml:4:16: warning KCP0002 CacheServer/cache spec.future: the field is not known, and a server would drop it
  hint: check its spelling
--- stderr
1 warning in 1 object
--- exit 0
"
    );
}

#[test]
fn what_init_writes_passes() {
    for flags in [
        &["--profile", "dev"] as &[&str],
        &["--profile", "production", "--hostname", "kcp.example.com"],
        &["--hostname", "10.0.0.1"],
    ] {
        let env = TestEnv::new();
        env.run(["init", "installation", "demo", "-o", "out"].iter().chain(flags)).success();
        let said = env.run(
            ["validate", "-f", "out"].iter().chain(&flags[..2]).take(if flags[0] == "--profile" {
                5
            } else {
                3
            }),
        );
        assert_eq!(said.code, Some(0), "{said}");
        assert_eq!(said.stdout, "");
    }
    // A cluster with a domain of its own.
    let env = TestEnv::new();
    env.write(
        "kcp.yaml",
        "apiVersion: kcpctl.io/v1alpha1\nkind: Installation\nname: demo\nclusterDomain: corp.internal\n",
    );
    env.run(["init", "installation", "-f", "kcp.yaml", "-o", "out"]).success();
    env.run(["validate", "-f", "out"]).success();
}

#[test]
fn a_folder_is_read_as_kubectl_reads_one() {
    let env = TestEnv::new();
    for file in ["m/b.yml", "m/a.json", "m/deep/c.yaml", "m/kustomization.yaml", "m/notes.txt"] {
        env.write(file, "apiVersion: operator.kcp.io/v1alpha1\nkind: Nothing\n");
    }
    // JSON with tabs, as some editors write it.
    env.write(
        "m/a.json",
        "{\n\t\"apiVersion\": \"operator.kcp.io/v1alpha1\",\n\t\"kind\": \"No\"\n}",
    );
    std::os::unix::fs::symlink(env.path("m"), env.path("m/deep/loop")).unwrap();
    let files = |flags: &[&str]| -> Vec<String> {
        let said = env.run(["validate", "-f", "m"].iter().chain(flags));
        assert_eq!(said.code, Some(1), "{said}");
        let lines = said.stdout.lines().filter(|it| !it.starts_with("  hint: "));
        lines.map(|it| it.split(' ').take(3).collect::<Vec<_>>().join(" ")).collect()
    };
    let direct = ["m/a.json:3:10: error KCP0028", "m/b.yml:2:7: error KCP0028"];
    assert_eq!(files(&[]), direct);
    assert_eq!(files(&["-R"]), [direct[0], direct[1], "m/deep/c.yaml:2:7: error KCP0028"]);
}

#[test]
fn one_broken_document_does_not_hide_the_others() {
    let env = TestEnv::new();
    let broken = SHARD.replace(
        "spec:\n",
        "spec:\n  replicas: two\n  logging: {level: loud}\n  audit: {webhook: {mode: async}}\n",
    );
    env.write(
        "all.yaml",
        format!("{CACHE}---\nkind: [\n---\n{broken}---\n{}", SHARD.replace("one", "two")),
    );
    let said = env.run(["validate", "-f", "all.yaml"]);
    assert_eq!(
        said.to_string(),
        "\
--- stdout
all.yaml:7:1: error KCP0027 -: did not find expected node content, while parsing a flow node
  hint: write it as YAML or JSON, with `apiVersion`, `kind` and `metadata.name`
all.yaml:15:13: error KCP0001 Shard/one spec.replicas: expected integer, found string
  hint: see `kubectl explain shard.spec.replicas`
all.yaml:16:20: error KCP0001 Shard/one spec.logging.level: expected integer, found string
  hint: see `kubectl explain shard.spec.logging.level`
all.yaml:17:27: error KCP0001 Shard/one spec.audit.webhook.mode: \"async\" is none of \"\", \"batch\", \"blocking\", \"blocking-strict\"
  hint: see `kubectl explain shard.spec.audit.webhook.mode`
"
        .to_owned()
            + said.to_string().split("blocking-strict\"\n").nth(1).unwrap().split_once('\n').unwrap().1
    );
    assert!(said.stdout.contains("Shard/two spec.rootShard.ref: there is no RootShard `root`"));
}

#[test]
fn a_broken_object_satisfies_references_to_it() {
    let env = TestEnv::new();
    let root = "\
apiVersion: operator.kcp.io/v1alpha1
kind: RootShard
metadata: {name: root}
spec: {external: {hostname: kcp.example.com, port: many}}
";
    env.write("all.yaml", format!("{root}---\n{}", SHARD.replace("- b", "- http://b:2379")));
    let said = env.run(["validate", "-f", "all.yaml"]);
    assert!(!said.stdout.contains("KCP0008"), "{said}");
    assert!(
        said.stdout.contains("all.yaml:4:52: error KCP0001 RootShard/root spec.external.port"),
        "{said}"
    );
}

#[test]
fn what_cannot_be_read_is_told_beside_the_findings() {
    let env = TestEnv::new();
    env.write("m/shard.yaml", SHARD);
    env.write("m/binary.yaml", b"\x7fELF\xff\xfe");
    env.write("m/huge.yaml", "#".repeat((4 << 20) + 1));
    std::os::unix::fs::symlink("nowhere", env.path("m/link.yaml")).unwrap();
    let said = env.run(["validate", "-f", "m", "-f", "missing.yaml"]);
    assert_eq!(said.code, Some(3), "{said}");
    assert!(said.stdout.contains("KCP0011 Shard/one"), "{said}");
    assert_eq!(
        said.stderr,
        "\
warning: failed to read `m/binary.yaml`: it is no text: byte 5 is not UTF-8
warning: failed to read `m/huge.yaml`: it is longer than 4 MiB
warning: failed to read `m/link.yaml`: No such file or directory (os error 2)
error: failed to read `missing.yaml`: No such file or directory (os error 2)
hint: what is in there was not checked, and may be missed by the rest
"
    );
}

#[test]
fn a_file_that_may_not_be_read_is_named() {
    if rustix::process::geteuid().is_root() {
        return; // root may read everything
    }
    let env = TestEnv::new();
    let path = env.write("secret.yaml", CACHE);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    let said = env.run(["validate", "-f", "secret.yaml"]);
    assert_eq!(said.code, Some(3), "{said}");
    assert!(said.stderr.contains("failed to read `secret.yaml`: Permission denied"), "{said}");
}

#[test]
fn nothing_to_check_is_no_success() {
    let env = TestEnv::new();
    std::fs::create_dir(env.path("empty")).unwrap();
    env.write("comments.yaml", "# nothing\n---\n");
    let said = env.run(["validate", "-f", "empty", "-f", "comments.yaml", "-f", "-"]);
    assert_eq!(
        said.to_string(),
        "\
--- stderr
error: there is no object in `empty`, `comments.yaml`, `-`
hint: name files or folders with YAML or JSON in `.yaml`, `.yml` or `.json`; `-R` looks into folders within them
--- exit 3
"
    );
}

#[test]
fn odd_yaml_is_read_or_refused_with_its_place() {
    let env = TestEnv::new();
    let place = |text: &str| {
        env.write("a.yaml", text);
        let said = env.run(["validate", "-f", "a.yaml"]);
        assert_eq!(said.code, Some(1), "{said}");
        said.stdout.lines().next().unwrap().to_owned()
    };
    // A tab where YAML wants spaces.
    let found = place(&CACHE.replace("spec: {", "spec:\n\tcertificates: {"));
    assert!(found.starts_with("a.yaml:5:1: error KCP0027 -: found character"), "{found}");
    // A key that stands twice.
    let found = place(&CACHE.replace("spec: {", "spec: {replicas: 1, replicas: 2, "));
    assert!(found.starts_with("a.yaml:4:7: error KCP0027"), "{found}");
    assert!(found.contains("duplicate entry with key \"replicas\""), "{found}");
    // A finding below an alias stands where the alias does.
    let found = place(&format!(
        "{CACHE}---\nx: &etcd {{endpoints: [a]}}\napiVersion: operator.kcp.io/v1alpha1\nkind: CacheServer\n\
         metadata: {{name: other}}\nspec:\n  certificates: {{issuerRef: {{name: a}}}}\n  etcd: *etcd\n"
    ));
    assert!(found.starts_with("a.yaml:6:1: warning KCP0002 CacheServer/other x:"), "{found}");
    let said = env.run(["validate", "-f", "a.yaml"]);
    assert!(said.stdout.contains("a.yaml:12:9: error KCP0011"), "{said}");
    // Aliases that would grow without end, and nesting without end.
    let laughs: String = (1..9).fold("a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned(), |text, it| {
        let list = vec![format!("*a{}", it - 1); 9].join(",");
        format!("{text}a{it}: &a{it} [{list}]\n")
    });
    assert!(place(&laughs).starts_with("a.yaml:1:1: error KCP0027"));
    assert!(place(&format!("a: {}", "[".repeat(5000))).contains("KCP0027"));
}
