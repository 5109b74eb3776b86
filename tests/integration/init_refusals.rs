//! What `kcpctl init installation` refuses, in which words, and that it then writes nothing.

use crate::support::TestEnv;

/// Runs the command and answers with what it said, less the exit code if it is 3.
#[track_caller]
fn refused(args: &[&str]) -> String {
    refused_in(&TestEnv::new(), args)
}

#[track_caller]
fn refused_in(env: &TestEnv, args: &[&str]) -> String {
    let before = listing(env);
    let said = env.run(["init", "installation"].iter().chain(args));
    assert_eq!(listing(env), before, "nothing may be written");
    said.to_string()
}

fn listing(env: &TestEnv) -> Vec<String> {
    let entries = std::fs::read_dir(env.work()).unwrap();
    let mut names: Vec<String> =
        entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn production_needs_a_host_name() {
    assert_eq!(
        refused(&["demo", "--profile", "production"]),
        "\
--- stderr
error: the profile `production` needs the host name that users reach
hint: set it with `--hostname kcp.example.com`
--- exit 2
"
    );
}

#[test]
fn what_would_lose_data_is_refused() {
    assert_eq!(
        refused(&["demo", "--cache=server", "--cache-etcd=embedded", "--cache-replicas=2"]),
        "\
--- stderr
error: KCP0009 CacheServer/cache: spec.replicas: 2 replicas with an embedded etcd: each would hold a cache of its own, and lose it with its pod
hint: use one replica, or set `spec.etcd` to an etcd that all replicas share
--- exit 3
"
    );
    assert_eq!(
        refused(&[
            "demo",
            "--shards=a",
            "--etcd-endpoints=root=http://etcd:2379",
            "--etcd-endpoints=a=http://etcd:2379",
        ]),
        "\
--- stderr
error: KCP0013 Shard/a: spec.etcd.prefix: RootShard/root stores below `/registry` of the etcd at http://etcd:2379 too (here `/registry`): each would write over the other's data
hint: give each an etcd of its own, or a `prefix` of its own such as `/NAME`
--- exit 3
"
    );
}

#[test]
fn a_cache_inside_the_root_shard_has_keys_of_its_own() {
    assert_eq!(
        refused(&["demo", "--etcd-endpoints=http://etcd:2379", "--etcd-prefix=root=/demo"]),
        "\
--- stderr
error: KCP0025 RootShard/root: spec.etcd.prefix: the cache inside the root shard would store below `/demo` too, and the shard would take what is cached there for objects of its own
hint: leave the prefix out, or use a cache server with `--cache server`
--- exit 3
"
    );
    // Replicas of the root shard share that etcd, and so the cache.
    let env = TestEnv::new();
    let flags = ["--shards=1", "--replicas=3", "--etcd-endpoints=http://etcd:2379", "-o", "-"];
    let args = ["init", "installation", "demo", "--cache=embedded"];
    let written = env.run(args.iter().chain(&flags)).success();
    let prefixes: Vec<&str> =
        written.lines().filter(|line| line.trim_start().starts_with("prefix:")).collect();
    assert_eq!(prefixes, ["    prefix: /shard-1"], "{written}");
}

#[test]
fn two_caches_share_an_etcd_or_are_refused() {
    let env = TestEnv::new();
    let topology = |second: &str| {
        format!(
            "\
apiVersion: kcpctl.io/v1alpha1
kind: Installation
name: demo
shards:
  - name: a
    cache: two
caches:
  - name: one
    etcd: {{endpoints: [http://one:2379]}}
  - name: two
    etcd: {{endpoints: [http://{second}:2379]}}
"
        )
    };
    env.write("kcp.yaml", topology("two"));
    assert_eq!(
        refused_in(&env, &["-f", "kcp.yaml", "-o", "out"]),
        "\
--- stderr
error: KCP0010 Shard/a: spec.cache.ref: the shard would use `two`, its root shard uses `one`, and the two do not share an etcd: neither shard would see what the other writes
hint: use one CacheServer for all shards, or give all of them the same `spec.etcd`
--- exit 3
"
    );
    env.write("kcp.yaml", topology("one"));
    env.run(["init", "installation", "-f", "kcp.yaml", "-o", "out"]).success();
}

#[test]
fn production_is_what_it_says() {
    assert_eq!(
        refused(&[
            "demo",
            "--profile=production",
            "--hostname=kcp.example.com",
            "--shards=0",
            "--cache=embedded",
            "--etcd=dev",
            "--replicas=1",
        ]),
        "\
--- stderr
error: 5 things are wrong, so nothing was written:
  KCP0022 Installation/demo: shards: the profile `production` has at least two shards: the root shard and one more
  KCP0022 Installation/demo: caches: the profile `production` has a cache server: the embedded cache is lost with the root shard
  KCP0022 Installation/demo: rootShard.replicas: the profile `production` survives the loss of a node, with 1 replica it would not
  KCP0022 Installation/demo: frontProxies.main.replicas: the profile `production` survives the loss of a node, with 1 replica it would not
  KCP0022 Installation/demo: etcd of `root`: the profile `production` stores in an external etcd: one of a single member loses data with its disk
hint: add shards with `--shards 2`, or use `--profile dev`
hint: use `--cache server`, or `--profile dev`
hint: use 2 or more replicas, or `--profile dev`
hint: use `--etcd external`, or `--profile dev`
--- exit 3
"
    );
    assert_eq!(
        refused(&[
            "demo",
            "--profile=production",
            "--hostname=kcp.example.com",
            "--shards=1",
            "--cache-etcd=embedded",
            "--etcd-endpoints=root=http://etcd:2379",
        ]),
        "\
--- stderr
error: 4 things are wrong, so nothing was written:
  KCP0022 Installation/demo: etcd of `root`: the profile `production` talks to etcd with TLS: without it, whoever reaches its port reads and writes everything
  KCP0022 Installation/demo: etcd of `cache`: the profile `production` stores in an external etcd: an embedded one is lost with its pod
  KCP0009 CacheServer/cache: spec.replicas: 2 replicas with an embedded etcd: each would hold a cache of its own, and lose it with its pod
  KCP0012 RootShard/root: spec.etcd.tlsConfig: there is a client certificate, but the endpoints are reached without TLS
hint: write the endpoints with `https://`, and set `--etcd-tls-secret`
hint: use `--cache-etcd external`, or `--profile dev`
hint: use one replica, or set `spec.etcd` to an etcd that all replicas share
hint: write the endpoints with `https://`, or remove `tlsConfig`
--- exit 3
"
    );
}

#[test]
fn names_references_and_validity_are_checked() {
    assert_eq!(
        refused(&["demo", "--shards=a-name-that-is-too-long"]),
        "\
--- stderr
error: KCP0004 Shard/a-name-that-is-too-long: metadata.name: the name has 23 characters, the operator can manage 18
hint: give it a shorter name
--- exit 3
"
    );
    assert_eq!(
        refused(&["demo", "--front-proxies=proxy"]),
        "\
--- stderr
error: KCP0006 FrontProxy/proxy: metadata.name: RootShard/root makes a Secret `root-proxy-dynamic-kubeconfig` too, and each would overwrite the other's
hint: give FrontProxy/proxy another name
--- exit 3
"
    );
    assert_eq!(
        refused(&["demo", "--validity=30m"]),
        "\
--- stderr
error: KCP0014 Kubeconfig/admin: spec.validity: `30m` is less than an hour, which cert-manager does not grant
hint: use at least `1h`, or kcpctl's own issuer
--- exit 3
"
    );
    assert_eq!(
        refused(&["demo", "--image-tag=v0.30.3", "--cache=server"]),
        "\
--- stderr
error: KCP0020 CacheServer/cache: spec.image.tag: the cache server of kcp 0.30.3 cannot store in an etcd of its own
hint: use 0.31.0 or later, or remove `spec.etcd`
--- exit 3
"
    );
    assert_eq!(
        refused(&["../demo", "--namespace=demo"]),
        "\
--- stderr
error: KCP0003 Installation/../demo: name: `../demo` is no name for a namespace
hint: use at most 63 lowercase letters, digits and `-`, beginning and ending with a letter or digit
--- exit 3
"
    );
    let env = TestEnv::new();
    env.write(
        "kcp.yaml",
        "\
apiVersion: kcpctl.io/v1alpha1
kind: Installation
name: demo
rootShard: {cache: gone}
frontProxies: []
kubeconfigs: [{name: admin, target: shard/gone}]
",
    );
    assert_eq!(
        refused_in(&env, &["-f", "kcp.yaml", "--hostname=kcp.example.com"]),
        "\
--- stderr
error: 4 things are wrong, so nothing was written:
  KCP0016 Installation/demo: frontProxies: no front-proxy: workspaces would never be scheduled
  KCP0008 RootShard/root: spec.cache.ref: there is no CacheServer `gone`
  KCP0008 Kubeconfig/admin: spec.target.shardRef: there is no Shard `gone`
  KCP0016 RootShard/root: spec.external: no front-proxy answers at `kcp.example.com:6443`: workspaces would never be scheduled
hint: add at least one
hint: add a CacheServer of that name in the same namespace
hint: add a Shard of that name in the same namespace
hint: add a FrontProxy for this root shard with the same `spec.external`
--- exit 3
"
    );
}

#[test]
fn a_topology_file_with_an_error_is_refused_with_its_line() {
    let head = "apiVersion: kcpctl.io/v1alpha1\nkind: Installation\nname: demo\n";
    let hint = "hint: see what a topology file looks like with `kcpctl init installation demo \
                --print-config`";
    for (text, message) in [
        (
            format!("{head}shards:\n  - name: a\n    replica: 2\n"),
            "kcp.yaml:6:5: shards[0]: unknown field `replica`, expected one of `name`, `replicas`, \
             `cache`, `etcd`",
        ),
        (
            format!("{head}profile: prod\n"),
            "kcp.yaml:4:10: profile: unknown variant `prod`, expected `dev` or `production`",
        ),
        (
            format!("{head}external: {{port: 70000}}\n"),
            "kcp.yaml:4:18: external.port: invalid value: integer `70000`, expected u16",
        ),
        (
            format!("{head}kubeconfigs: [{{name: a, validity: 365d}}]\n"),
            "kcp.yaml:4:35: kubeconfigs[0].validity: `365d` is not a duration: unit `d` is none of \
             `h`, `m`, `s`, `ms`, `us`, `ns` (a day is `24h`)",
        ),
        (format!("{head}name: again\n"), "kcp.yaml:1:1: duplicate field `name`"),
        (
            format!("{head}shards: [\n"),
            "kcp.yaml:5:1: did not find expected node content, while parsing a flow node",
        ),
        ("name: demo\n".to_owned(), "kcp.yaml:1:1: missing field `apiVersion`"),
    ] {
        let env = TestEnv::new();
        env.write("kcp.yaml", &text);
        assert_eq!(
            refused_in(&env, &["-f", "kcp.yaml"]),
            format!("--- stderr\nerror: {message}\n{hint}\n--- exit 3\n"),
            "{text}"
        );
    }
    let env = TestEnv::new();
    env.write("kcp.yaml", "apiVersion: kcpctl.io/v2\nkind: Installation\n");
    assert_eq!(
        refused_in(&env, &["-f", "kcp.yaml"]),
        "\
--- stderr
error: apiVersion: expected `kcpctl.io/v1alpha1`, found `kcpctl.io/v2`
hint: print a topology file with `kcpctl init installation NAME --print-config`
--- exit 3
"
    );
    assert_eq!(
        refused_in(&env, &["-f", "absent.yaml"]),
        "\
--- stderr
error: failed to open `absent.yaml`
  caused by: No such file or directory (os error 2)
--- exit 3
"
    );
}

#[test]
fn flags_are_refused_with_what_they_take() {
    let cases: [(&[&str], &str); 8] = [
        (
            &["demo", "--hostname=https://kcp"],
            "invalid value 'https://kcp' for '--hostname <HOST>': expected a DNS name without a \
             scheme, a port or a path, such as `kcp.example.com`",
        ),
        (
            &["demo", "--shards=a,,b"],
            "invalid value 'a,,b' for '--shards <COUNT|NAME,...>': expected a number, or names \
             separated by commas",
        ),
        (
            &["demo", "--shards=101"],
            "invalid value '101' for '--shards <COUNT|NAME,...>': expected at most 100 shards",
        ),
        (
            &["demo", "--validity=365d"],
            "invalid value '365d' for '--validity <DURATION>': `365d` is not a duration: unit `d` \
             is none of `h`, `m`, `s`, `ms`, `us`, `ns` (a day is `24h`)",
        ),
        (
            &["demo", "--issuer=Secret/ca"],
            "invalid value 'Secret/ca' for '--issuer <[KIND/]NAME>': expected \
             `ClusterIssuer/NAME`, `Issuer/NAME` or `NAME`",
        ),
        (
            &["demo", "--kcp-version=latest"],
            "invalid value 'latest' for '--kcp-version <VERSION>': `latest` is not a version of \
             kcp; expected three numbers, such as `0.32.3`",
        ),
        (&["demo", "--port=0"], "invalid value '0' for '--port <PORT>': 0 is not in 1..=65535"),
        (&["demo", "--profile=prod"], "invalid value 'prod' for '--profile <PROFILE>'"),
    ];
    for (args, message) in cases {
        let said = refused(args);
        assert_eq!(said.lines().nth(1).unwrap(), format!("error: {message}"), "{said}");
        assert!(said.ends_with("--- exit 2\n"), "{said}");
    }
    assert_eq!(
        refused(&["demo", "--etcd-prefix=gone=/x"]),
        "\
--- stderr
error: --etcd-prefix: there is no server `gone`; the servers with an etcd are `root`
hint: name one of these servers
--- exit 2
"
    );
    assert_eq!(
        refused(&["demo", "--etcd=dev", "--etcd-prefix=/x"]),
        "\
--- stderr
error: etcd of `root`: `prefix` has no meaning in the mode `dev`
hint: remove it, or set the mode to `external` (`--etcd external`)
--- exit 3
"
    );
    assert_eq!(
        refused(&["demo", "--etcd=embedded"]),
        "\
--- stderr
error: etcd of `root`: the mode `embedded` is for cache servers only
hint: use `--etcd external` or `--etcd dev`, and `--cache-etcd embedded` for the cache server
--- exit 3
"
    );
}
