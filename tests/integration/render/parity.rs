//! The questions that kcp-operator's own tests ask of what it renders, asked here.
//!
//! A test is numbered as the row of the table of those tests; some rows ask of what only a
//! running loop does: those are in `reconcile::parity`. Where the operator's answer is a mistake (quoted groups,
//! a flag that does not exist), the answer is ours.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::run::{Rendered, items, strings};

const HEAD: &str = "apiVersion: operator.kcp.io/v1alpha1\nkind: ";

/// A manifest: a kind, a name, and lines of its spec.
fn object(kind: &str, name: &str, spec: &[&str]) -> String {
    let mut text = format!("{HEAD}{kind}\nmetadata: {{name: {name}, namespace: kcp}}\nspec:\n");
    for line in spec {
        writeln!(text, "  {line}").unwrap();
    }
    text
}

fn root_with(external: &str, spec: &[&str]) -> String {
    let all = [
        external,
        "certificates: {issuerRef: {name: selfsigned}}",
        "etcd: {endpoints: ['https://etcd-root:2379']}",
    ];
    let cache = if spec.iter().any(|it| it.starts_with("cache:")) { "" } else { "cache: {}" };
    object("RootShard", "root", &[&all[..], &[cache], spec].concat())
}

fn root(spec: &[&str]) -> String {
    root_with("external: {hostname: kcp.example.com, port: 6443}", spec)
}

fn shard(name: &str, spec: &[&str]) -> String {
    let etcd = format!("etcd: {{endpoints: ['https://etcd-{name}:2379']}}");
    let etcd = if spec.iter().any(|it| it.starts_with("etcd:")) { "" } else { &etcd };
    object("Shard", name, &[&["rootShard: {ref: {name: root}}", etcd], spec].concat())
}

fn front_proxy(name: &str, spec: &[&str]) -> String {
    object("FrontProxy", name, &[&["rootShard: {ref: {name: root}}"], spec].concat())
}

fn virtual_workspace(name: &str, target: &str, spec: &[&str]) -> String {
    let external = format!(
        "external: {{hostname: {name}-virtual-workspace.kcp.svc.cluster.local, port: 6443}}"
    );
    let target = format!("target: {{{target}}}");
    object("VirtualWorkspace", name, &[&[&target[..], &external], spec].concat())
}

const OF_ROOT: &str = "rootShardRef: {name: root}";

/// A root shard, its front-proxy, and one thing more.
fn with(more: String) -> Rendered {
    Rendered::of(&[root(&[]), front_proxy("main", &[]), more])
}

/// The front-proxy `main`, with a spec.
fn proxied(spec: &[&str]) -> Rendered {
    Rendered::of(&[root(&[]), front_proxy("main", spec)])
}

const PROXY: &str = "main-front-proxy";

/// Tags, and whether kcp of that tag knows mount proxies.
const TAGS: [(&str, bool); 10] = [
    ("v0.30.3", false),
    ("v0.31.5", false),
    ("v0.31.6", true),
    ("v0.31.7", true),
    ("v0.32.2", false),
    ("v0.32.3", true),
    ("v0.32.3-rc.1", true),
    ("v0.33.0-rc.1", true),
    ("main", true),
    ("latest", true),
];

#[test]
fn parity_01_arguments_of_a_front_proxy_by_groups_and_version() {
    let (drop, pass) = ("--authentication-drop-groups", "--authentication-pass-on-groups");
    let groups = [
        ("[one]", "one"),
        ("[one, two]", "one,two"),
        ("['a,b', c]", "\"a,b\",c"),
        ("['say \"a\"']", "\"say \"\"a\"\"\""),
        ("['system:*']", "system:*"),
    ];
    let mut manifests = vec![root(&[]), front_proxy("main", &[])];
    for (at, (groups, _)) in groups.iter().enumerate() {
        let auth = format!("auth: {{dropGroups: {groups}, passOnGroups: {groups}}}");
        manifests.push(front_proxy(&format!("groups-{at}"), &[&auth]));
    }
    for (at, (tag, _)) in TAGS.iter().enumerate() {
        manifests.push(front_proxy(&format!("tag-{at}"), &[&format!("image: {{tag: {tag}}}")]));
    }
    let rendered = Rendered::of(&manifests);
    let default = rendered.args(PROXY);
    for (at, (_, value)) in groups.iter().enumerate() {
        let proxy = format!("groups-{at}-front-proxy");
        assert_eq!(rendered.flag(&proxy, drop), [*value]);
        assert_eq!(rendered.flag(&proxy, pass), [*value]);
        // Nothing else changes, and they come last.
        assert_eq!(rendered.args(&proxy)[..default.len()], default[..]);
        assert_eq!(rendered.args(&proxy).len(), default.len() + 2);
    }
    for (at, (tag, mounts)) in TAGS.iter().enumerate() {
        let expected = if *mounts { &default[..] } else { &default[..7] };
        assert_eq!(rendered.args(&format!("tag-{at}-front-proxy")), expected, "{tag}");
    }
}

#[test]
fn parity_02_deployment_of_a_front_proxy() {
    let plain = proxied(&[]);
    let set = proxied(&[
        "replicas: 3",
        "image: {repository: example.com/kcp, tag: v1, imagePullSecrets: [{name: pull}]}",
        "caBundleSecretRef: {name: bundle}",
        "auth: {serviceAccount: {enabled: true}, webhook: {configSecretName: hook}}",
    ]);
    let replicas =
        |it: &Rendered| it.get("Deployment/main-front-proxy")["spec"]["replicas"].clone();
    assert_eq!((replicas(&plain), replicas(&set)), (json!(2), json!(3)));
    assert_eq!(plain.server(PROXY)["image"], "ghcr.io/kcp-dev/kcp:v0.32.3");
    assert_eq!(set.server(PROXY)["image"], "example.com/kcp:v1");
    assert_eq!(plain.pod(PROXY)["imagePullSecrets"], Value::Null);
    assert_eq!(set.pod(PROXY)["imagePullSecrets"], json!([{"name": "pull"}]));
    for probe in ["readinessProbe", "livenessProbe"] {
        assert_eq!(plain.server(PROXY)[probe]["httpGet"]["scheme"], "HTTPS", "{probe}");
    }
    let (mounts, more) = (plain.server_mounts(PROXY), set.server_mounts(PROXY));
    assert_eq!(mounts.len(), 8);
    let added: BTreeMap<&str, &str> = more
        .iter()
        .filter(|(path, _)| !mounts.contains_key(*path))
        .map(|(path, source)| (&path[..], &source[..]))
        .collect();
    assert_eq!(
        added,
        BTreeMap::from([
            ("/etc/kcp/tls/ca/ca-bundle", "main-merged-ca-bundle"),
            ("/etc/kcp/authentication/webhook", "hook"),
            ("/etc/kcp/tls/root/service-account", "root-service-account"),
        ])
    );
    assert_eq!(set.flag(PROXY, "--authentication-token-webhook-config-file").len(), 1);
    assert_eq!(
        set.flag(PROXY, "--service-account-key-file"),
        ["/etc/kcp/tls/root/service-account/tls.crt"]
    );
}

#[test]
fn parity_03_deployment_of_a_root_shard() {
    let accepts = "auth: {serviceAccount: {enabled: true}, webhook: {configSecretName: hook}}";
    let prefix = "etcd: {endpoints: ['https://a:2379', 'https://b:2379'], prefix: /one}";
    let external = "external: {hostname: kcp.example.com, port: 6443}";
    let rendered = Rendered::of(&[
        object(
            "RootShard",
            "root",
            &[
                external,
                "cache: {ref: {name: cache}}",
                "certificates: {issuerRef: {name: selfsigned}}",
                prefix,
                accepts,
            ],
        ),
        front_proxy("main", &[]),
        shard("zeta", &[]),
        shard("alpha", &[]),
        // A cache in the root shard would store below the same prefix.
        object("CacheServer", "cache", &["certificates: {issuerRef: {name: selfsigned}}"]),
    ]);
    // The client certificate is there although the virtual workspaces are inside.
    assert_eq!(
        rendered.flag("root-kcp", "--shard-client-cert-file"),
        ["/etc/kcp/tls/client/tls.crt"]
    );
    assert_eq!(
        rendered.flag("root-kcp", "--shard-client-key-file"),
        ["/etc/kcp/tls/client/tls.key"]
    );
    assert_eq!(rendered.flag("root-kcp", "--etcd-servers"), ["https://a:2379,https://b:2379"]);
    assert_eq!(rendered.flag("root-kcp", "--etcd-prefix"), ["/one"]);
    assert_eq!(
        rendered.flag("root-kcp", "--authentication-token-webhook-config-file"),
        ["/etc/kcp/authentication/webhook/kubeconfig"]
    );
    assert_eq!(
        rendered.flag("root-kcp", "--service-account-key-file"),
        [
            "/etc/kcp/tls/service-account/tls.crt",
            "/etc/kcp/tls/root/service-account/tls.crt",
            "/etc/kcp/tls/alpha/service-account/tls.crt",
            "/etc/kcp/tls/zeta/service-account/tls.crt",
        ]
    );
    let mounts = rendered.server_mounts("root-kcp");
    for name in ["root", "alpha", "zeta"] {
        let path = format!("/etc/kcp/tls/{name}/service-account");
        assert_eq!(mounts[&path], format!("{name}-service-account"));
    }
    // What is not set is not passed.
    let plain = Rendered::of(&[root(&[]), front_proxy("main", &[])]);
    assert!(plain.flag("root-kcp", "--etcd-prefix").is_empty());
    assert_eq!(plain.flag("root-kcp", "--service-account-key-file").len(), 1);
}

#[test]
fn parity_04_shards_and_their_mount_proxy_by_version() {
    let mut manifests = vec![root(&[]), front_proxy("main", &[])];
    for (at, (tag, _)) in TAGS.iter().enumerate() {
        manifests.push(shard(&format!("tag-{at}"), &[&format!("image: {{tag: {tag}}}")]));
    }
    let rendered = Rendered::of(&manifests);
    for (at, (tag, mounts)) in TAGS.iter().enumerate() {
        let server = format!("tag-{at}-shard-kcp");
        let expected: &[&str] = if *mounts { &["/etc/kcp/tls/mounts-proxy/tls.crt"] } else { &[] };
        let flag = rendered.flag(&server, "--mount-proxy-client-cert-file");
        assert_eq!(flag, expected, "{tag}");
        let there = rendered.server_mounts(&server);
        assert_eq!(there.contains_key("/etc/kcp/tls/mounts-proxy"), *mounts, "{tag}");
        // The Certificate is made for every version.
        rendered.get(&format!("Certificate/tag-{at}-mounts-proxy"));
    }
}

#[test]
fn parity_05_a_cache_server_has_a_prefix_only_in_an_etcd_outside() {
    let cache = |spec: &[&str]| {
        let all = [&["certificates: {issuerRef: {name: selfsigned}}"], spec].concat();
        let rendered = Rendered::of(&[object("CacheServer", "cache", &all)]);
        let args = rendered.args("cache-cache-server");
        args.into_iter().filter(|it| it.contains("etcd")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(cache(&[]), ["--embedded-etcd-directory=/var/etcd"]);
    let servers = "--etcd-servers=https://a:2379,https://b:2379";
    let etcd = "endpoints: ['https://a:2379', 'https://b:2379']";
    assert_eq!(cache(&[&format!("etcd: {{{etcd}}}")]), [servers]);
    assert_eq!(
        cache(&[&format!("etcd: {{{etcd}, prefix: /cache}}")]),
        [servers, "--etcd-prefix=/cache"]
    );
}

#[test]
fn parity_06_path_mappings_and_ports_of_a_front_proxy() {
    for (bundle, ca) in [
        (&[] as &[&str], "/etc/kcp/tls/ca/tls.crt"),
        (&["caBundleSecretRef: {name: bundle}"], "/etc/kcp/tls/ca/ca-bundle/tls.crt"),
    ] {
        let rendered = proxied(bundle);
        let mappings = &rendered.get("ConfigMap/main-config")["data"]["path-mapping.yaml"];
        let said: Vec<_> = items(mappings)
            .iter()
            .map(|it| ["path", "backend", "backend_server_ca"].map(|key| it[key].as_str().unwrap()))
            .collect();
        let backend = "https://root-kcp.kcp.svc.cluster.local:6443";
        assert_eq!(said, [["/clusters/", backend, ca], ["/services/", backend, ca]]);
        // The internal proxy has the bundle of the root shard.
        let mappings = &rendered.get("ConfigMap/root-proxy-config")["data"]["path-mapping.yaml"];
        assert_eq!(mappings[0]["backend_server_ca"], "/etc/kcp/tls/ca/tls.crt");
    }
    for (root_port, proxy, port) in [
        (6443, "", 6443),
        (443, "", 443),
        (443, "external: {hostname: other.example.com, port: 8443}", 8443),
        (6443, "external: {hostname: kcp.example.com, port: 6443}", 6443),
        (443, "externalHostname: other.example.com", 6443),
        (443, "externalHostname: other.example.com:9443", 9443),
    ] {
        let external = format!("external: {{hostname: kcp.example.com, port: {root_port}}}");
        let rendered = Rendered::of(&[
            root_with(&external, &[]),
            front_proxy("main", &[proxy]),
            // One that answers at the root shard's address, so that this is no mistake.
            front_proxy("there", &[]),
        ]);
        let service =
            |name: &str| rendered.get(&format!("Service/{name}"))["spec"]["ports"].clone();
        let expected = |port: u16| json!([{"name": "https", "port": port, "targetPort": 6443, "appProtocol": "https"}]);
        assert_eq!(service("main-front-proxy"), expected(port), "{root_port} {proxy}");
        assert_eq!(service("root-proxy"), expected(6443));
    }
}

#[test]
fn parity_07_a_virtual_workspace_server_gets_these_flags_and_no_other() {
    let flags = |rendered: &Rendered, name: &str| -> BTreeSet<String> {
        let args = rendered.args(name).into_iter();
        args.map(|it| it.split('=').next().unwrap().to_owned()).collect()
    };
    let always = [
        "--client-ca-file",
        "--tls-private-key-file",
        "--tls-cert-file",
        "--bind-address",
        "--secure-port",
        "--requestheader-client-ca-file",
        "--requestheader-allowed-names",
        "--requestheader-username-headers",
        "--requestheader-group-headers",
        "--requestheader-extra-headers-prefix",
        "--kubeconfig",
        "--shard-external-url",
    ];
    let mut expected: BTreeSet<String> = always.map(str::to_owned).into();
    // Also with a program of its own, and of whatever version.
    for spec in [&[] as &[&str], &["command: [/mine]"], &["image: {tag: v0.30.3}"]] {
        let rendered = with(virtual_workspace("views", OF_ROOT, spec));
        assert_eq!(flags(&rendered, "views-virtual-workspace"), expected);
    }
    let cache = object("CacheServer", "cache", &["certificates: {issuerRef: {name: selfsigned}}"]);
    let rendered = Rendered::of(&[
        cache,
        root(&["cache: {ref: {name: cache}}"]),
        front_proxy("main", &[]),
        virtual_workspace("views", OF_ROOT, &["logging: {level: 2}"]),
    ]);
    expected.extend(["--cache-kubeconfig", "-v"].map(str::to_owned));
    assert_eq!(flags(&rendered, "views-virtual-workspace"), expected);
}

const VIEWS: &str = "views-virtual-workspace";
const ADMIN: [&str; 2] =
    ["/etc/kcp/logical-cluster-admin-kubeconfig", "/etc/kcp/tls/logical-cluster-admin"];

/// The init container of a name.
fn before<'a>(rendered: &'a Rendered, name: &str) -> &'a Value {
    let containers = items(&rendered.pod(VIEWS)["initContainers"]).iter();
    containers.clone().find(|it| it["name"] == *name).unwrap()
}

#[test]
fn parity_08_no_container_sees_the_credentials_of_another() {
    for own in [false, true] {
        let spec = [
            if own { "kubeconfigSecretRef: {name: server-access}" } else { "" },
            "initContainers:",
            "- {name: admin}",
            "- {name: scoped, kubeconfigSecretRef: {name: scoped-access}}",
            "- {name: other, kubeconfigSecretRef: {name: other-access}}",
        ];
        let rendered = with(virtual_workspace("views", OF_ROOT, &spec));
        let server = rendered.server_mounts(VIEWS);
        let of = |name: &str| rendered.mounts(VIEWS, before(&rendered, name));
        for path in ADMIN {
            assert_eq!(server.contains_key(path), !own, "{path}");
            assert!(of("admin").contains_key(path), "{path}");
            assert!(!of("scoped").contains_key(path), "{path}");
        }
        let kubeconfig = server.get("/etc/kcp/server-kubeconfig").map(String::as_str);
        assert_eq!(kubeconfig, own.then_some("server-access"));
        let expected = if own {
            "/etc/kcp/server-kubeconfig/kubeconfig"
        } else {
            "/etc/kcp/logical-cluster-admin-kubeconfig/kubeconfig"
        };
        assert_eq!(rendered.flag(VIEWS, "--kubeconfig"), [expected]);
        // One path, a volume for each.
        assert_eq!(of("scoped")["/etc/kcp/init-kubeconfig"], "scoped-access");
        assert_eq!(of("other")["/etc/kcp/init-kubeconfig"], "other-access");
        assert!(!of("admin").contains_key("/etc/kcp/init-kubeconfig"));
        assert!(!server.contains_key("/etc/kcp/init-kubeconfig"));
        // Its own identity lies where the borrowed kubeconfig looks for one.
        assert_eq!(of("admin")[ADMIN[0]], "root-logical-cluster-admin-kubeconfig");
        assert_eq!(of("admin")[ADMIN[1]], "views-client");
    }
}

#[test]
fn parity_09_init_containers_volumes_and_programs() {
    let spec = [
        "image: {repository: example.com/views, tag: v1, imagePullSecrets: [{name: pull}]}",
        "extraVolumes: [{name: data, emptyDir: {}}]",
        "extraVolumeMounts: [{name: data, mountPath: /data}]",
        "initContainers:",
        "- {name: same, volumeMounts: [{name: data, mountPath: /elsewhere}]}",
        "- name: other",
        "  image: {repository: example.com/tools, tag: v2, imagePullSecrets: [{name: tools}]}",
        "  volumes: [{name: data, configMap: {name: never}}, {name: seeds, configMap: {name: seeds}}]",
        "  volumeMounts: [{name: seeds, mountPath: /seeds}]",
    ];
    let rendered = with(virtual_workspace("views", OF_ROOT, &spec));
    assert_eq!(before(&rendered, "same")["image"], "example.com/views:v1");
    assert_eq!(before(&rendered, "other")["image"], "example.com/tools:v2");
    let pod = rendered.pod(VIEWS);
    assert_eq!(pod["imagePullSecrets"], json!([{"name": "pull"}, {"name": "tools"}]));
    // The first volume of a name stays.
    let named = |name: &str| items(&pod["volumes"]).iter().filter(|it| it["name"] == *name).count();
    assert_eq!((named("data"), named("seeds")), (1, 1));
    assert_eq!(rendered.server_mounts(VIEWS)["/data"], "data");
    // Each has its own mounts.
    let same = rendered.mounts(VIEWS, before(&rendered, "same"));
    assert_eq!(same["/elsewhere"], "data");
    assert!(!same.contains_key("/data") && !same.contains_key("/seeds"));
    assert!(!rendered.server_mounts(VIEWS).contains_key("/seeds"));
    // Another program gets the same arguments and mounts.
    let cache = object("CacheServer", "cache", &["certificates: {issuerRef: {name: selfsigned}}"]);
    let of = |command: &str| {
        Rendered::of(&[
            cache.clone(),
            root(&["cache: {ref: {name: cache}}"]),
            front_proxy("main", &[]),
            virtual_workspace("views", OF_ROOT, &[command]),
        ])
    };
    let (kcp, mine) = (of(""), of("command: [/mine, serve]"));
    assert_eq!(strings(&kcp.server(VIEWS)["command"]), ["/virtual-workspaces"]);
    assert_eq!(strings(&mine.server(VIEWS)["command"]), ["/mine", "serve"]);
    assert_eq!(kcp.args(VIEWS), mine.args(VIEWS));
    assert_eq!(kcp.server_mounts(VIEWS), mine.server_mounts(VIEWS));
    assert_eq!(mine.server_mounts(VIEWS)["/etc/cache-server/tls/ca/root"], "cache-ca");
}

#[test]
fn parity_10_who_trusts_merged_client_cas() {
    for (of_root, own) in [(false, false), (false, true), (true, false), (true, true)] {
        let bundle = |set: bool, name| {
            if set { format!("clientCABundleRef: {{name: {name}}}") } else { String::new() }
        };
        let mine = bundle(own, "own-clients");
        let rendered = Rendered::of(&[
            root(&[&bundle(of_root, "root-clients")]),
            front_proxy("main", &[&mine]),
            shard("one", &[&mine]),
            virtual_workspace("views", OF_ROOT, &[&mine]),
        ]);
        let ca = "/etc/kcp/tls/ca/client";
        for (deployment, path, merged, expected) in [
            ("root-kcp", ca, "root-merged-client-ca", of_root),
            ("one-shard-kcp", ca, "one-merged-client-ca", of_root || own),
            (VIEWS, ca, "views-merged-client-ca", of_root || own),
            (PROXY, "/etc/kcp-front-proxy/client-ca", "main-merged-client-ca", true),
            ("root-proxy", "/etc/kcp-front-proxy/client-ca", "root-proxy-merged-client-ca", true),
        ] {
            let mounted = &rendered.server_mounts(deployment)[path];
            let expected_secret = if expected { merged } else { "root-client-ca" };
            assert_eq!(mounted, expected_secret, "root {of_root}, own {own}");
            // What is merged needs the issued CA: it is not printed, but said.
            assert_eq!(super::says(&rendered.stderr, merged), expected, "{}", rendered.stderr);
            assert!(!rendered.objects.contains_key(&format!("Secret/{merged}")));
        }
    }
}

#[test]
fn parity_12_the_external_admin_trusts_a_bundle_where_there_is_one() {
    for (spec, ca) in [
        (&[] as &[&str], "/etc/kcp/tls/ca/server/tls.crt"),
        (&["caBundleSecretRef: {name: bundle}"], "/etc/kcp/tls/ca/ca-bundle/tls.crt"),
    ] {
        let rendered = Rendered::of(&[root(spec), front_proxy("main", &[]), shard("one", spec)]);
        for owner in ["root", "one"] {
            let trusted = |kubeconfig: &str| {
                let secret = rendered.get(&format!("Secret/{owner}-{kubeconfig}-kubeconfig"));
                let cluster = &secret["data"]["kubeconfig"]["clusters"][0]["cluster"];
                cluster["certificate-authority"].clone()
            };
            assert_eq!(trusted("external-logical-cluster-admin"), ca);
            assert_eq!(trusted("logical-cluster-admin"), "/etc/kcp/tls/ca/server/tls.crt");
        }
    }
}

#[test]
fn parity_13_names_in_the_certificates_of_shards() {
    let (of_root, of_one) =
        ("root-kcp.kcp.svc.cluster.local", "one-shard-kcp.kcp.svc.cluster.local");
    for (url, host) in [
        ("", None),
        ("shardBaseURL: https://a.example.com", Some("a.example.com")),
        ("shardBaseURL: https://a.example.com:7443", Some("a.example.com")),
        // Names that are there already.
        ("shardBaseURL: https://kcp.example.com:6443", Some("kcp.example.com")),
    ] {
        let rendered = Rendered::of(&[root(&[url]), front_proxy("main", &[]), shard("one", &[])]);
        let mut expected = BTreeSet::from([of_root, "kcp.example.com"]);
        expected.extend(host);
        assert!(rendered.dns_names("root-server").into_iter().eq(expected), "{url}");

        let rendered = with(shard("one", &[url]));
        let mut expected = BTreeSet::from([of_one, "localhost"]);
        expected.extend(host);
        assert!(rendered.dns_names("one-server").into_iter().eq(expected), "{url}");
        assert_eq!(rendered.dns_names("one-virtual-workspaces"), [of_one]);
    }
}

#[test]
fn parity_16_images() {
    for (image, expected) in [
        ("", "ghcr.io/kcp-dev/kcp:v0.32.3"),
        ("image: {}", "ghcr.io/kcp-dev/kcp:v0.32.3"),
        ("image: {tag: main}", "ghcr.io/kcp-dev/kcp:main"),
        ("image: {repository: 'example.com:5000/kcp'}", "example.com:5000/kcp:v0.32.3"),
        ("image: {repository: example.com/kcp, tag: v0.31.6}", "example.com/kcp:v0.31.6"),
    ] {
        let rendered = Rendered::of(&[
            root(&[image]),
            front_proxy("main", &[image]),
            shard("one", &[image]),
            virtual_workspace("views", OF_ROOT, &[image]),
        ]);
        for deployment in ["root-kcp", PROXY, "one-shard-kcp", VIEWS] {
            assert_eq!(rendered.server(deployment)["image"], expected, "{deployment}");
        }
        // The internal proxy inherits nothing.
        assert_eq!(rendered.server("root-proxy")["image"], "ghcr.io/kcp-dev/kcp:v0.32.3");
    }
}

#[test]
fn parity_17_what_is_not_set_is_neither_passed_nor_mounted() {
    let plain = with(shard("one", &[]));
    let server = "one-shard-kcp";
    for (spec, args, mounts) in [
        ("audit: {}", &[] as &[&str], &[] as &[&str]),
        ("authorization: {}", &[], &[]),
        ("auth: {}", &[], &[]),
        ("auth: {serviceAccount: {enabled: false}}", &[], &[]),
        (
            "audit: {webhook: {configSecretName: hook, mode: batch, batchThrottleEnable: true}}",
            &[
                "--audit-webhook-batch-throttle-enable",
                "--audit-webhook-mode=batch",
                "--audit-webhook-config-file=/etc/kcp/audit/webhook/kubeconfig",
            ],
            &["/etc/kcp/audit/webhook"],
        ),
        (
            "authorization: {webhook: {allowPaths: [/healthz], cacheAuthorizedTTL: 10s}}",
            &[
                "--authorization-always-allow-paths=/healthz",
                "--authorization-webhook-cache-authorized-ttl=10s",
            ],
            &[],
        ),
        (
            "auth: {webhook: {configSecretName: hook, version: v1}}",
            &[
                "--authentication-token-webhook-version=v1",
                "--authentication-token-webhook-config-file=/etc/kcp/authentication/webhook/kubeconfig",
            ],
            &["/etc/kcp/authentication/webhook"],
        ),
        (
            "auth: {tokenAuthFile: {secretName: tokens}}",
            &["--token-auth-file=/etc/kcp/authentication/token/token.csv"],
            &["/etc/kcp/authentication/token"],
        ),
        (
            "auth: {serviceAccount: {enabled: true}}",
            &[
                "--service-account-lookup=false",
                "--service-account-key-file=/etc/kcp/tls/root/service-account/tls.crt",
                "--service-account-key-file=/etc/kcp/tls/one/service-account/tls.crt",
            ],
            &["/etc/kcp/tls/one/service-account", "/etc/kcp/tls/root/service-account"],
        ),
        (
            "extraVolumes: [{name: data, emptyDir: {}}]\n  extraVolumeMounts: [{name: data, mountPath: /data}]",
            &[],
            &["/data"],
        ),
    ] {
        let rendered = with(shard("one", &[spec]));
        let all = plain.args(server).into_iter().chain(args.iter().copied());
        assert!(rendered.args(server).into_iter().eq(all), "{spec}: {:?}", rendered.args(server));
        let there = plain.server_mounts(server);
        let added: Vec<String> = rendered
            .server_mounts(server)
            .into_keys()
            .filter(|it| !there.contains_key(it))
            .collect();
        assert_eq!(added, mounts, "{spec}");
        assert_eq!(
            items(&rendered.pod(server)["volumes"]).len(),
            items(&plain.pod(server)["volumes"]).len() + mounts.len()
        );
    }
}

#[test]
fn parity_18_addresses_follow_the_domain_of_the_cluster() {
    let domain = "clusterDomain: corp.internal";
    let rendered = Rendered::of(&[
        object("CacheServer", "cache", &["certificates: {issuerRef: {name: selfsigned}}", domain]),
        root(&["cache: {ref: {name: cache}}", domain]),
        front_proxy("main", &[]),
        shard("one", &[domain]),
    ]);
    let server = |secret: &str| {
        let secret = rendered.get(&format!("Secret/{secret}"));
        let cluster = &secret["data"]["kubeconfig"]["clusters"][0]["cluster"];
        cluster["server"].as_str().unwrap().to_owned()
    };
    for (secret, host) in [
        ("cache-kubeconfig", "cache-cache-server"),
        ("root-logical-cluster-admin-kubeconfig", "root-kcp"),
        ("root-proxy-dynamic-kubeconfig", "root-kcp"),
        ("one-client-kubeconfig", "root-kcp"),
        ("one-logical-cluster-admin-kubeconfig", "one-shard-kcp"),
    ] {
        assert_eq!(server(secret), format!("https://{host}.kcp.svc.corp.internal:6443"));
    }
    for (certificate, name) in [
        ("cache-server", "cache-cache-server"),
        ("root-server", "root-kcp"),
        ("root-proxy-server", "root-proxy"),
        ("root-main-server", "main-front-proxy"),
        ("one-server", "one-shard-kcp"),
    ] {
        let name = format!("{name}.kcp.svc.corp.internal");
        assert!(rendered.dns_names(certificate).contains(&&name[..]), "{certificate}: {name}");
    }
}

#[test]
fn parity_19_shards_inherit_the_cache_of_their_root_shard_or_name_one() {
    let cache = |name: &str| {
        let etcd = "etcd: {endpoints: ['https://etcd-cache:2379']}";
        object("CacheServer", name, &["certificates: {issuerRef: {name: selfsigned}}", etcd])
    };
    let rendered = Rendered::of(&[
        cache("cache"),
        cache("near"),
        root(&["cache: {ref: {name: cache}}"]),
        front_proxy("main", &[]),
        shard("inherits", &[]),
        shard("names", &["cache: {ref: {name: near}}"]),
        virtual_workspace("views", "shardRef: {name: names}", &[]),
    ]);
    for (deployment, cache) in [
        ("root-kcp", "cache"),
        ("inherits-shard-kcp", "cache"),
        ("names-shard-kcp", "near"),
        (VIEWS, "near"),
    ] {
        let mounts = rendered.server_mounts(deployment);
        assert_eq!(mounts["/etc/cache-server/kubeconfig"], format!("{cache}-kubeconfig"));
        assert_eq!(mounts["/etc/cache-server/tls/ca/root"], format!("{cache}-ca"));
        let client = &mounts["/etc/cache-server/tls/client-certificate"];
        assert_eq!(*client, format!("{cache}-client-certificate"));
        assert_eq!(
            rendered.flag(deployment, "--cache-kubeconfig"),
            ["/etc/cache-server/kubeconfig/kubeconfig"]
        );
    }
    // Without any, the root shard is the cache of the others, and needs no flag itself.
    let rendered = with(shard("one", &[]));
    assert_eq!(
        rendered.flag("one-shard-kcp", "--cache-kubeconfig"),
        ["/etc/kcp/client-kubeconfig/kubeconfig"]
    );
    assert!(rendered.flag("root-kcp", "--cache-kubeconfig").is_empty());
}
