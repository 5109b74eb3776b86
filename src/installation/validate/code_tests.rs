//! Each code: a manifest that it alone refuses, and one that is mended.

use std::collections::BTreeSet;

use super::*;
use crate::installation::finding::Severity;

/// A text of the sound manifests, and what stands there instead.
type Edit = (&'static str, &'static str);

/// The end of a Shard's `spec`: what follows is added to it.
const IN_SHARD: &str = "    tlsConfig: {secretRef: {name: one-etcd}}\n";
/// The end of the root shard's `spec`.
const IN_ROOT: &str = "    tlsConfig: {secretRef: {name: root-etcd}}\n";
const CACHE_ETCD: &str = "  etcd:
    endpoints: ['https://cache-etcd:2379']
    tlsConfig: {secretRef: {name: cache-etcd}}
";
const SECOND: &str = "\
kind: Shard
metadata: {name: one, namespace: demo}
";

struct Case {
    code: &'static str,
    severity: Severity,
    wrong: &'static [Edit],
    right: &'static [Edit],
}

const fn error(code: &'static str, wrong: &'static [Edit], right: &'static [Edit]) -> Case {
    Case { code, severity: Severity::Error, wrong, right }
}

const fn warning(code: &'static str, wrong: &'static [Edit], right: &'static [Edit]) -> Case {
    Case { code, severity: Severity::Warning, wrong, right }
}

const CASES: [Case; 31] = [
    error(
        "KCP0001",
        &[(IN_SHARD, "    tlsConfig: {secretRef: {name: one-etcd}}\n  logging: {level: 11}\n")],
        &[(IN_SHARD, "    tlsConfig: {secretRef: {name: one-etcd}}\n  logging: {level: 10}\n")],
    ),
    warning(
        "KCP0002",
        &[(IN_SHARD, "    tlsConfig: {secretRef: {name: one-etcd}}\n  replica: 3\n")],
        &[(IN_SHARD, "    tlsConfig: {secretRef: {name: one-etcd}}\n  replicas: 3\n")],
    ),
    error("KCP0003", &[("name: main", "name: Main")], &[("name: main", "name: proxy-1")]),
    error(
        "KCP0004",
        &[
            ("name: one,", "name: a-name-of-nineteen1,"),
            ("{name: one}", "{name: a-name-of-nineteen1}"),
        ],
        &[
            ("name: one,", "name: a-name-of-eighteen,"),
            ("{name: one}", "{name: a-name-of-eighteen}"),
        ],
    ),
    error(
        "KCP0005",
        &[(
            "kind: ClusterIssuer\nmetadata: {name: selfsigned}",
            "kind: ClusterIssuer\nmetadata: {name: selfsigned}\nspec: {selfSigned: {}}\n---\napiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nmetadata: {name: selfsigned}",
        )],
        &[(
            "kind: ClusterIssuer\nmetadata: {name: selfsigned}",
            "kind: ClusterIssuer\nmetadata: {name: other}\nspec: {selfSigned: {}}\n---\napiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nmetadata: {name: selfsigned}",
        )],
    ),
    error(
        "KCP0006",
        &[("secretRef: {name: admin-kubeconfig}", "secretRef: {name: root-client}")],
        &[("secretRef: {name: admin-kubeconfig}", "secretRef: {name: root-clients}")],
    ),
    error(
        "KCP0007",
        &[("rootShard: {ref: {name: root}}\n  etcd", "rootShard: {}\n  etcd")],
        &[("rootShard: {ref: {name: root}}\n  etcd", "rootShard: {\"ref\": {name: root}}\n  etcd")],
    ),
    error(
        "KCP0008",
        &[("frontProxyRef: {name: main}", "frontProxyRef: {name: gone}")],
        &[("frontProxyRef: {name: main}", "shardRef: {name: one}")],
    ),
    error(
        "KCP0009",
        &[("  replicas: 2\n", "  replicas: 2\n"), (CACHE_ETCD, "")],
        &[("  replicas: 2\n", "")],
    ),
    error(
        "KCP0010",
        &[
            (
                SECOND,
                "\
kind: CacheServer
metadata: {name: other, namespace: demo}
spec:
  certificates: {issuerRef: {name: selfsigned, kind: ClusterIssuer}}
  etcd:
    endpoints: ['https://other-etcd:2379']
    tlsConfig: {secretRef: {name: other-etcd}}
---
apiVersion: operator.kcp.io/v1alpha1
kind: Shard
metadata: {name: one, namespace: demo}
",
            ),
            (
                "spec:\n  rootShard: {ref: {name: root}}\n  etcd:",
                "spec:\n  rootShard: {ref: {name: root}}\n  cache: {ref: {name: other}}\n  etcd:",
            ),
        ],
        &[
            (
                SECOND,
                "\
kind: CacheServer
metadata: {name: other, namespace: demo}
spec:
  certificates: {issuerRef: {name: selfsigned, kind: ClusterIssuer}}
  etcd:
    endpoints: ['https://cache-etcd:2379']
    tlsConfig: {secretRef: {name: cache-etcd}}
---
apiVersion: operator.kcp.io/v1alpha1
kind: Shard
metadata: {name: one, namespace: demo}
",
            ),
            (
                "spec:\n  rootShard: {ref: {name: root}}\n  etcd:",
                "spec:\n  rootShard: {ref: {name: root}}\n  cache: {ref: {name: other}}\n  etcd:",
            ),
        ],
    ),
    error(
        "KCP0011",
        &[("'https://one-etcd:2379'", "'https://one-etcd'")],
        &[("'https://one-etcd:2379'", "'https://[2001:db8::1]:2379'")],
    ),
    error(
        "KCP0012",
        &[("'https://one-etcd:2379'", "'https://one-etcd:2379', 'http://two-etcd:2379'")],
        &[("'https://one-etcd:2379'", "'https://one-etcd:2379', 'https://two-etcd:2379'")],
    ),
    error(
        "KCP0013",
        &[("'https://one-etcd:2379'", "'https://root-etcd:2379'")],
        &[("['https://one-etcd:2379']", "['https://root-etcd:2379']\n    prefix: /one")],
    ),
    error("KCP0014", &[("8766h", "59m")], &[("8766h", "60m")]),
    error(
        "KCP0015",
        &[(
            "{frontProxyRef: {name: main}}",
            "{frontProxyRef: {name: main}, shardRef: {name: one}}",
        )],
        &[("{frontProxyRef: {name: main}}", "{rootShardRef: {name: root}}")],
    ),
    error(
        "KCP0016",
        &[(
            "rootShard: {ref: {name: root}}\n---\n",
            "rootShard: {ref: {name: root}}\n  external: {hostname: b.example.com, port: 6443}\n---\n",
        )],
        &[(
            "rootShard: {ref: {name: root}}\n---\n",
            "rootShard: {ref: {name: root}}\n  external: {hostname: kcp.example.com, port: 6443}\n---\n",
        )],
    ),
    error(
        "KCP0017",
        &[(
            "cache: {ref: {name: cache}}\n  certificates:\n    issuerRef: {name: selfsigned, kind: ClusterIssuer}",
            "cache: {ref: {name: cache}}\n  certificates: {caSecretRef: {name: mine}}",
        )],
        &[(
            "cache: {ref: {name: cache}}\n  certificates:\n    issuerRef: {name: selfsigned, kind: ClusterIssuer}",
            "cache: {ref: {name: cache}}\n  certificates: {caSecretRef: {name: root-ca}}",
        )],
    ),
    error(
        "KCP0018",
        &[(
            IN_SHARD,
            "    tlsConfig: {secretRef: {name: one-etcd}}\n  shardBaseURL: one.example.com:6443\n",
        )],
        &[(
            IN_SHARD,
            "    tlsConfig: {secretRef: {name: one-etcd}}\n  shardBaseURL: https://one.example.com:6443\n",
        )],
    ),
    error(
        "KCP0019",
        &[
            ("metadata: {name: root,", "metadata: {name: main,"),
            ("ref: {name: root}", "ref: {name: main}"),
            ("name: one,", "name: root,"),
            ("{name: one}", "{name: root}"),
        ],
        &[
            ("metadata: {name: root,", "metadata: {name: main,"),
            ("ref: {name: root}", "ref: {name: main}"),
        ],
    ),
    error(
        "KCP0020",
        &[("  replicas: 2\n", "  image: {tag: v0.30.3}\n")],
        &[("  replicas: 2\n", "  image: {tag: v0.31.0}\n")],
    ),
    warning(
        "KCP0021",
        &[(
            IN_SHARD,
            "    tlsConfig: {secretRef: {name: one-etcd}}\n  serviceTemplate: {spec: {type: NodePort}}\n",
        )],
        &[(
            IN_SHARD,
            "    tlsConfig: {secretRef: {name: one-etcd}}\n  serviceTemplate: {spec: {type: ClusterIP}}\n",
        )],
    ),
    error("KCP0022", &[("  replicas: 2\n", ""), (CACHE_ETCD, "")], &[("  replicas: 2\n", "")]),
    error(
        "KCP0023",
        &[(IN_SHARD, "    tlsConfig: {secretRef: {name: one-etcd}}\n  replicas: -1\n")],
        &[(IN_SHARD, "    tlsConfig: {secretRef: {name: one-etcd}}\n  replicas: 3\n")],
    ),
    warning(
        "KCP0024",
        &[("username: admin\n", "username: admin\n  groups: ['system:masters']\n")],
        &[("username: admin\n", "username: admin\n  groups: ['system:kcp:admin']\n")],
    ),
    error(
        "KCP0025",
        &[
            ("cache: {ref: {name: cache}}", "cache: {}"),
            ("['https://root-etcd:2379']", "['https://root-etcd:2379']\n    prefix: /root"),
        ],
        &[("['https://root-etcd:2379']", "['https://root-etcd:2379']\n    prefix: /root")],
    ),
    error(
        "KCP0026",
        &[(
            "metadata: {name: views, namespace: demo}\nspec:\n  target: {shardRef: {name: one}}\n  external: {hostname: views-virtual-workspace.demo.svc.cluster.local, port: 6443}\n",
            "metadata: {name: views, namespace: demo}\n",
        )],
        &[("target: {shardRef: {name: one}}", "target: {rootShardRef: {name: root}}")],
    ),
    error(
        "KCP0027",
        &[("spec: {selfSigned: {}}", "spec: {selfSigned: {}")],
        &[("spec: {selfSigned: {}}", "spec: {\"selfSigned\": {}}")],
    ),
    error(
        "KCP0028",
        &[("kind: VirtualWorkspace", "kind: VirtualWorkspaces")],
        &[("kind: VirtualWorkspace", "kind: \"VirtualWorkspace\"")],
    ),
    error(
        "KCP0029",
        &[(
            IN_ROOT,
            "    tlsConfig: {secretRef: {name: root-etcd}}\n  kcpVirtualWorkspace: {name: views}\n",
        )],
        &[(
            IN_SHARD,
            "    tlsConfig: {secretRef: {name: one-etcd}}\n  kcpVirtualWorkspace: {name: views}\n",
        )],
    ),
    error(
        "KCP0030",
        &[(
            IN_SHARD,
            "    tlsConfig: {secretRef: {name: one-etcd}}\n  shardBaseURL: https://10.0.0.1:6443\n",
        )],
        &[(
            IN_SHARD,
            "    tlsConfig: {secretRef: {name: one-etcd}}\n  shardBaseURL: https://10.0.0.1:6443\n  certificateTemplates: {server: {spec: {ipAddresses: [10.0.0.1]}}}\n",
        )],
    ),
    error(
        "KCP0031",
        &[(
            IN_SHARD,
            "    tlsConfig: {secretRef: {name: one-etcd}}\n  clientCABundleRef: {name: root-requestheader-client-ca}\n",
        )],
        &[(
            IN_SHARD,
            "    tlsConfig: {secretRef: {name: one-etcd}}\n  clientCABundleRef: {name: partners}\n",
        )],
    ),
];

const SOUND: &str = include_str!("../../../tests/golden/validate/sound.yaml");

fn edited(edits: &[Edit]) -> String {
    let mut text = SOUND.to_owned();
    for (from, to) in edits {
        assert!(text.contains(from), "the sound manifests have no {from:?}");
        text = text.replace(from, to);
    }
    text
}

fn judged(text: &str) -> Vec<Finding> {
    validate_all(&api::read_all(text, "all.yaml"), Profile::Production)
}

#[test]
fn each_code_refuses_one_manifest_alone_and_lets_the_mended_one_pass() {
    assert_eq!(judged(SOUND), []);
    for (number, Case { code, severity, wrong, right }) in CASES.into_iter().enumerate() {
        assert_eq!(code, Code::ALL[number].to_string());
        let findings = judged(&edited(wrong));
        // What another rule lets pass in `dev`, production may refuse too.
        let codes: BTreeSet<Code> = findings
            .iter()
            .map(|it| it.code)
            .filter(|it| *it != Code::Production || Code::ALL[number] == Code::Production)
            .collect();
        assert_eq!(codes, BTreeSet::from([Code::ALL[number]]), "{findings:#?}");
        let ours = findings.iter().find(|it| it.code == Code::ALL[number]).unwrap();
        assert_eq!(ours.severity, severity, "{ours:#?}");
        assert!(!ours.message.is_empty() && !ours.hint.is_empty(), "{ours:#?}");
        assert_eq!(judged(&edited(right)), [], "{code} mended");
    }
}
