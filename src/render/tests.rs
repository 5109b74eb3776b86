//! What is made of small installations: names, order of arguments, templates, and each
//! mistake of the operator that is not made here.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, PodSpec, Secret};
use serde_json::{Value, json};

use super::*;
use crate::api::{self, Certificate};
use crate::pki::{Authority, Validity};

const CACHE: &str = "
kind: CacheServer
metadata: {name: cache, namespace: kcp}
spec:
  certificates: {issuerRef: {name: selfsigned, kind: ClusterIssuer}}
  etcd: {endpoints: ['http://etcd:2379']}
";
const ROOT: &str = "
kind: RootShard
metadata: {name: root, namespace: kcp}
spec:
  external: {hostname: kcp.example.com, port: 443}
  cache: {ref: {name: cache}}
  certificates: {issuerRef: {name: selfsigned}}
  etcd: {endpoints: ['http://a:2379', 'http://b:2379']}
";
const SHARD: &str = "
kind: Shard
metadata: {name: alpha, namespace: kcp}
spec:
  rootShard: {ref: {name: root}}
  etcd: {endpoints: ['http://etcd:2379']}
";
const PROXY: &str = "
kind: FrontProxy
metadata: {name: front, namespace: kcp}
spec:
  rootShard: {ref: {name: root}}
";
const WORKSPACE: &str = "
kind: VirtualWorkspace
metadata: {name: vw, namespace: kcp, labels: {team: storage}}
spec:
  target: {shardRef: {name: alpha}}
  external: {hostname: vw.example.com, port: 6443}
";
const KUBECONFIG: &str = "
kind: Kubeconfig
metadata: {name: admin, namespace: kcp}
spec:
  target: {frontProxyRef: {name: front}}
  username: ann
  groups: [system:kcp:admin, b, a]
  validity: 8766h
  secretRef: {name: admin-kubeconfig}
";
const ALL: [&str; 6] = [CACHE, ROOT, SHARD, PROXY, WORKSPACE, KUBECONFIG];

/// A document with fields laid over its own.
fn with(document: &str, changes: Value) -> String {
    fn lay(over: Value, on: &mut Value) {
        match (over, on) {
            (Value::Object(fields), Value::Object(to)) => {
                for (key, value) in fields {
                    lay(value, to.entry(key).or_insert(Value::Null));
                }
            }
            (over, on) => *on = over,
        }
    }
    let mut tree: Value = serde_yaml::from_str(document).unwrap();
    lay(changes, &mut tree);
    serde_json::to_string(&tree).unwrap()
}

fn objects(documents: &[impl AsRef<str>]) -> Objects {
    let mut objects = Objects::default();
    for document in documents {
        let mut tree: Value = serde_yaml::from_str(document.as_ref()).unwrap();
        tree["apiVersion"] = api::API_VERSION.into();
        let reading = api::read_all(&tree.to_string(), "test");
        assert!(reading.rejected.is_empty(), "{:?}", reading.rejected);
        objects.add(Source::of(&reading.documents[0].object).unwrap());
    }
    objects
}

/// What is made of the object of that kind.
fn rendered(documents: &[impl AsRef<str>], kind: api::Kind, observed: &Observed) -> Rendered {
    let objects = objects(documents);
    let source = objects.sources().find(|it| it.kind() == kind).unwrap();
    render(&objects.resolve(&source).unwrap(), observed)
}

fn offline(documents: &[impl AsRef<str>], kind: api::Kind) -> Rendered {
    rendered(documents, kind, &Observed::default())
}

/// `all` with the document of one kind changed.
fn changed(document: &str, changes: Value) -> Vec<String> {
    let mut changes = Some(changes);
    let swap = |it: &&str| match changes.take_if(|_| *it == document) {
        Some(changes) => with(it, changes),
        None => (*it).to_owned(),
    };
    ALL.iter().map(swap).collect()
}

impl Rendered {
    #[track_caller]
    fn tree(&self, name: &str) -> Value {
        let found = self.items.iter().find(|it| it.to_string() == name);
        found.unwrap_or_else(|| panic!("no {name}")).to_tree().unwrap()
    }

    #[track_caller]
    fn certificate(&self, name: &str) -> &Certificate {
        self.certificates().find(|it| it.metadata.name.as_deref() == Some(name)).unwrap()
    }

    #[track_caller]
    fn deployment(&self, name: &str) -> &Deployment {
        let found = self.items.iter().find_map(|it| match it {
            Item::Deployment(it) if it.metadata.name.as_deref() == Some(name) => Some(&**it),
            _ => None,
        });
        found.unwrap()
    }

    #[track_caller]
    fn pod(&self, name: &str) -> &PodSpec {
        self.deployment(name).spec.template.spec.as_ref().unwrap()
    }

    #[track_caller]
    fn container(&self, name: &str) -> &Container {
        &self.pod(name).containers[0]
    }

    #[track_caller]
    fn args(&self, name: &str) -> Vec<&str> {
        self.container(name).args.iter().flatten().map(String::as_str).collect()
    }

    /// Each volume with the Secret or `ConfigMap` in it and its place in the first container.
    #[track_caller]
    fn mounted(&self, name: &str) -> Vec<String> {
        let pod = self.pod(name);
        let line = |volume: &k8s_openapi::api::core::v1::Volume| {
            let secret = volume.secret.as_ref().and_then(|it| it.secret_name.as_deref());
            let map = volume.config_map.as_ref().map(|it| it.name.as_str());
            let mount = pod.containers[0].volume_mounts.iter().flatten();
            let mut mount = mount.filter(|it| it.name == volume.name).map(|it| &*it.mount_path);
            let (from, at) = (secret.or(map).unwrap_or("-"), mount.next().unwrap_or("-"));
            format!("{} {from} {at}", volume.name)
        };
        pod.volumes.iter().flatten().map(line).collect()
    }

    #[track_caller]
    fn kubeconfig(&self, secret: &str) -> Value {
        let found = self.items.iter().find_map(|it| match it {
            Item::Secret(it) if it.metadata.name.as_deref() == Some(secret) => it.data.as_ref(),
            _ => None,
        });
        serde_yaml::from_slice(&found.unwrap()["kubeconfig"].0).unwrap()
    }
}

fn lines(items: &[Item]) -> Vec<String> {
    items.iter().map(Item::to_string).collect()
}

#[test]
fn a_cache_server_is_a_pki_of_its_own_and_one_deployment() {
    let made = offline(&ALL, api::Kind::CacheServer);
    assert_eq!(
        lines(&made.items),
        [
            "Issuer/cache-ca",
            "Certificate/cache-ca",
            "Certificate/cache-server",
            "Certificate/cache-client-certificate",
            "Secret/cache-kubeconfig",
            "Deployment/cache-cache-server",
            "Service/cache-cache-server",
        ]
    );
    assert_eq!(made.waiting, []);
    let issuer = &made.certificate("cache-ca").spec.issuer_ref;
    assert_eq!(
        (issuer.name.as_str(), issuer.kind.as_deref()),
        ("selfsigned", Some("ClusterIssuer"))
    );
    assert_eq!(issuer.group, None, "what the user left out is cert-manager's to fill");
    assert_eq!(
        made.certificate("cache-server").spec.dns_names,
        ["localhost", "cache-cache-server.kcp.svc.cluster.local"]
    );
    assert_eq!(
        made.args("cache-cache-server"),
        [
            "--tls-cert-file=/etc/cache-server/tls/server/tls.crt",
            "--tls-private-key-file=/etc/cache-server/tls/server/tls.key",
            "--root-directory=",
            "--client-ca-file=/etc/cache-server/tls/ca/root/tls.crt",
            "--etcd-servers=http://etcd:2379",
        ]
    );
    let deployment = made.deployment("cache-cache-server");
    assert_eq!(deployment.spec.replicas, Some(2));
    assert_eq!(
        made.kubeconfig("cache-kubeconfig")["clusters"][0]["cluster"],
        json!({
            "certificate-authority": "/etc/cache-server/tls/ca/root/tls.crt",
            "server": "https://cache-cache-server.kcp.svc.cluster.local:6443",
        })
    );
}

#[test]
fn an_embedded_cache_has_room_in_its_pod_and_is_never_several() {
    let documents = changed(CACHE, json!({ "spec": { "etcd": null, "replicas": 1 } }));
    let made = offline(&documents, api::Kind::CacheServer);
    assert_eq!(made.deployment("cache-cache-server").spec.replicas, None);
    assert_eq!(made.mounted("cache-cache-server")[0], "etcd-scratch - /var/etcd");
    assert!(made.args("cache-cache-server").contains(&"--embedded-etcd-directory=/var/etcd"));

    for (live, rendered_replicas) in [(1, None), (3, Some(1))] {
        let mut observed = Observed::default();
        observed.replicas.insert("cache-cache-server".to_owned(), live);
        let made = rendered(&documents, api::Kind::CacheServer, &observed);
        assert_eq!(made.deployment("cache-cache-server").spec.replicas, rendered_replicas);
    }
}

#[test]
fn a_cache_server_before_authentication_is_not_told_whom_to_trust() {
    let documents = changed(CACHE, json!({ "spec": { "image": { "tag": "v0.30.1" } } }));
    let made = offline(&documents, api::Kind::CacheServer);
    assert!(!made.args("cache-cache-server").iter().any(|it| it.starts_with("--client-ca-file")));
    assert!(!made.mounted("cache-cache-server").iter().any(|it| it.starts_with("client-ca ")));
}

#[test]
fn a_root_shard_makes_the_cas_itself_and_its_proxy() {
    let made = offline(&ALL, api::Kind::RootShard);
    assert_eq!(
        lines(&made.items),
        [
            "Issuer/root-ca",
            "Issuer/root-server-ca",
            "Issuer/root-requestheader-client-ca",
            "Issuer/root-client-ca",
            "Issuer/root-service-account-ca",
            "Certificate/root-ca",
            "Certificate/root-server-ca",
            "Certificate/root-requestheader-client-ca",
            "Certificate/root-client-ca",
            "Certificate/root-service-account-ca",
            "Certificate/root-server",
            "Certificate/root-virtual-workspaces",
            "Certificate/root-service-account",
            "Certificate/root-logical-cluster-admin",
            "Certificate/root-external-logical-cluster-admin",
            "Certificate/root-client",
            "Certificate/root-kcp-operator",
            "Certificate/root-proxy-server",
            "Certificate/root-proxy-kubeconfig",
            "Certificate/root-proxy-requestheader",
            "ConfigMap/root-proxy-config",
            "Secret/root-logical-cluster-admin-kubeconfig",
            "Secret/root-external-logical-cluster-admin-kubeconfig",
            "Secret/root-proxy-dynamic-kubeconfig",
            "Deployment/root-kcp",
            "Deployment/root-proxy",
            "Service/root-kcp",
            "Service/root-proxy",
        ]
    );
    let waiting: Vec<_> = made.waiting.iter().map(Waiting::to_string).collect();
    assert_eq!(
        waiting,
        ["Secret `root-proxy-merged-client-ca` needs `tls.crt` of the Secret `root-client-ca`: \
          it is not there yet"]
    );
    assert_eq!(
        made.tree("Certificate/root-server"),
        json!({
            "apiVersion": "cert-manager.io/v1", "kind": "Certificate",
            "metadata": {
                "name": "root-server", "namespace": "kcp",
                "labels": api::names::app_labels("root", "rootshard"),
            },
            "spec": {
                "dnsNames": ["kcp.example.com", "root-kcp.kcp.svc.cluster.local"],
                "duration": "8760h0m0s", "renewBefore": "168h0m0s",
                "issuerRef": { "group": "cert-manager.io", "kind": "Issuer", "name": "root-server-ca" },
                "privateKey": { "algorithm": "RSA", "size": 4096 },
                "secretName": "root-server",
                "secretTemplate": { "labels": { "operator.kcp.io/rootshard": "root" } },
                "usages": ["server auth", "key encipherment", "digital signature"],
            },
        })
    );
}

#[test]
fn own_arguments_come_last_of_all() {
    let webhook = json!({ "configSecretName": "hook", "batchMaxWait": "90s", "truncateMaxEventSize": 7,
        "batchThrottleEnable": true, "mode": "blocking-strict" });
    let documents = changed(
        ROOT,
        json!({ "spec": {
            "extraArgs": ["--etcd-servers=http://mine:2379", "-v=9"],
            "extraVolumes": [{ "name": "own", "emptyDir": {} }],
            "extraVolumeMounts": [{ "name": "own", "mountPath": "/own" }],
            "logging": { "level": 4 },
            "kcpVirtualWorkspace": { "name": "vw" },
            "etcd": { "prefix": "/root", "tlsConfig": { "secretRef": { "name": "etcd" } } },
            "audit": { "webhook": webhook, "policy": { "configMap": { "name": "policy", "key": "p.yaml" } } },
            "authorization": { "webhook": { "allowPaths": ["/a", "/b"], "configSecretName": "authz",
                "cacheAuthorizedTTL": "1h", "version": "v1" } },
            "auth": {
                "oidc": { "issuerURL": "https://id", "clientID": "kcp", "caFileRef": { "name": "oidc" } },
                "webhook": { "configSecretName": "authn", "cacheAuthenticationTTL": "10s", "version": "v1beta1" },
                "tokenAuthFile": { "secretName": "tokens" },
                "serviceAccount": { "enabled": true },
            },
        } }),
    );
    let made = offline(&documents, api::Kind::RootShard);
    let args = made.args("root-kcp");
    assert_eq!(
        args[14..],
        [
            "--shard-base-url=https://root-kcp.kcp.svc.cluster.local:6443",
            "--shard-external-url=https://kcp.example.com:443",
            "--logical-cluster-admin-kubeconfig=/etc/kcp/logical-cluster-admin-kubeconfig/kubeconfig",
            "--external-logical-cluster-admin-kubeconfig=/etc/kcp/external-logical-cluster-admin-kubeconfig/kubeconfig",
            "--batteries-included=workspace-types",
            "--root-directory=",
            "--enable-leader-election=true",
            "--logging-format=json",
            "-v=4",
            "--cache-kubeconfig=/etc/cache-server/kubeconfig/kubeconfig",
            "--run-virtual-workspaces=false",
            "--shard-virtual-workspace-url=https://vw.example.com:6443",
            "--shard-virtual-workspace-ca-file=/etc/kcp/tls/ca/server/tls.crt",
            "--etcd-servers=http://a:2379,http://b:2379",
            "--etcd-prefix=/root",
            "--etcd-certfile=/etc/etcd/tls/tls.crt",
            "--etcd-keyfile=/etc/etcd/tls/tls.key",
            "--etcd-cafile=/etc/etcd/tls/ca.crt",
            "--audit-policy-file=/etc/kcp/audit/policy/p.yaml",
            "--audit-webhook-batch-max-wait=1m30s",
            "--audit-webhook-batch-throttle-enable",
            "--audit-webhook-mode=blocking-strict",
            "--audit-webhook-truncate-max-event-size=7",
            "--audit-webhook-config-file=/etc/kcp/audit/webhook/kubeconfig",
            "--authorization-always-allow-paths=/a,/b",
            "--authorization-webhook-cache-authorized-ttl=1h0m0s",
            "--authorization-webhook-version=v1",
            "--authorization-webhook-config-file=/etc/kcp/authorization/webhook/kubeconfig",
            "--oidc-issuer-url=https://id",
            "--oidc-client-id=kcp",
            "--oidc-ca-file=/etc/kcp/tls/oidc/ca.crt",
            "--authentication-token-webhook-cache-ttl=10s",
            "--authentication-token-webhook-version=v1beta1",
            "--authentication-token-webhook-config-file=/etc/kcp/authentication/webhook/kubeconfig",
            "--token-auth-file=/etc/kcp/authentication/token/token.csv",
            "--service-account-lookup=false",
            "--service-account-key-file=/etc/kcp/tls/root/service-account/tls.crt",
            "--service-account-key-file=/etc/kcp/tls/alpha/service-account/tls.crt",
            "--etcd-servers=http://mine:2379",
            "-v=9",
        ]
    );
    assert_eq!(
        made.mounted("root-kcp"),
        [
            "kcp-ca root-ca /etc/kcp/tls/ca/root",
            "logical-cluster-admin-kubeconfig root-logical-cluster-admin-kubeconfig /etc/kcp/logical-cluster-admin-kubeconfig",
            "external-logical-cluster-admin-kubeconfig root-external-logical-cluster-admin-kubeconfig /etc/kcp/external-logical-cluster-admin-kubeconfig",
            "server-ca root-server-ca /etc/kcp/tls/ca/server",
            "service-account-ca root-service-account-ca /etc/kcp/tls/ca/service-account",
            "requestheader-client-ca root-requestheader-client-ca /etc/kcp/tls/ca/requestheader-client",
            "client-ca root-client-ca /etc/kcp/tls/ca/client",
            "server-cert root-server /etc/kcp/tls/server",
            "service-account-cert root-service-account /etc/kcp/tls/service-account",
            "client-cert root-client /etc/kcp/tls/client",
            "logical-cluster-admin-cert root-logical-cluster-admin /etc/kcp/tls/logical-cluster-admin",
            "external-logical-cluster-admin-cert root-external-logical-cluster-admin /etc/kcp/tls/external-logical-cluster-admin",
            "cache-server-kubeconfig cache-kubeconfig /etc/cache-server/kubeconfig",
            "cache-server-ca cache-ca /etc/cache-server/tls/ca/root",
            "cache-server-client-cert cache-client-certificate /etc/cache-server/tls/client-certificate",
            "etcd-client-cert etcd /etc/etcd/tls",
            "audit-policy policy /etc/kcp/audit/policy",
            "audit-webhook-config hook /etc/kcp/audit/webhook",
            "authorization-webhook-config authz /etc/kcp/authorization/webhook",
            "own - /own",
            "oidc-ca-file oidc /etc/kcp/tls/oidc",
            "authentication-webhook-config authn /etc/kcp/authentication/webhook",
            "token-auth-file tokens /etc/kcp/authentication/token",
            "root-service-account root-service-account /etc/kcp/tls/root/service-account",
            "alpha-service-account alpha-service-account /etc/kcp/tls/alpha/service-account",
        ]
    );
}

#[test]
fn a_shard_finds_its_root_and_its_cache() {
    let made = offline(&ALL, api::Kind::Shard);
    assert_eq!(
        made.args("alpha-shard-kcp")[14..],
        [
            "--shard-name=alpha",
            "--shard-base-url=https://alpha-shard-kcp.kcp.svc.cluster.local:6443",
            "--shard-external-url=https://kcp.example.com:443",
            "--external-hostname=kcp.example.com",
            "--cache-kubeconfig=/etc/cache-server/kubeconfig/kubeconfig",
            "--root-shard-kubeconfig-file=/etc/kcp/client-kubeconfig/kubeconfig",
            "--logical-cluster-admin-kubeconfig=/etc/kcp/logical-cluster-admin-kubeconfig/kubeconfig",
            "--external-logical-cluster-admin-kubeconfig=/etc/kcp/external-logical-cluster-admin-kubeconfig/kubeconfig",
            "--batteries-included=workspace-types",
            "--root-directory=",
            "--enable-leader-election=true",
            "--logging-format=json",
            "--mount-proxy-client-cert-file=/etc/kcp/tls/mounts-proxy/tls.crt",
            "--mount-proxy-client-key-file=/etc/kcp/tls/mounts-proxy/tls.key",
            "--etcd-servers=http://etcd:2379",
        ]
    );
    assert_eq!(
        made.kubeconfig("alpha-logical-cluster-admin-kubeconfig")["contexts"][0],
        json!({
            "name": "logical-cluster",
            "context": { "cluster": "logical-cluster:admin", "user": "logical-cluster-admin" },
        })
    );
    // Without a cache server it is the root shard's.
    let embedded = changed(ROOT, json!({ "spec": { "cache": { "ref": null } } }));
    let made = offline(&embedded, api::Kind::Shard);
    let cache = "--cache-kubeconfig=/etc/kcp/client-kubeconfig/kubeconfig";
    assert!(made.args("alpha-shard-kcp").contains(&cache));
    assert!(!made.mounted("alpha-shard-kcp").iter().any(|it| it.contains("cache-server")));
    let root = offline(&embedded, api::Kind::RootShard);
    assert!(!root.args("root-kcp").iter().any(|it| it.starts_with("--cache-kubeconfig")));
    // An older kcp knows nothing of mounts through a proxy; the certificate is made all the same.
    let old = changed(SHARD, json!({ "spec": { "image": { "tag": "v0.30.3" } } }));
    let made = offline(&old, api::Kind::Shard);
    assert!(!made.args("alpha-shard-kcp").iter().any(|it| it.starts_with("--mount-proxy")));
    assert!(!made.mounted("alpha-shard-kcp").iter().any(|it| it.starts_with("mounts-proxy")));
    made.certificate("alpha-mounts-proxy");
}

#[test]
fn a_shard_without_virtual_workspaces_inside_has_no_port_for_them() {
    let ports = |documents: &[String]| {
        let made = offline(documents, api::Kind::Shard);
        let ports = made.tree("Service/alpha-shard-kcp")["spec"]["ports"].clone();
        let ports = ports.as_array().unwrap().iter();
        ports.map(|it| it["port"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(ports(&changed(SHARD, json!({}))), [6443, 6444]);
    let outside = json!({ "spec": { "kcpVirtualWorkspace": { "name": "vw" } } });
    assert_eq!(ports(&changed(SHARD, outside)), [6443]);
}

#[test]
fn a_brought_ca_is_the_one_that_signs_and_is_trusted() {
    let own = json!({ "spec": { "certificates": { "caSecretRef": { "name": "own-ca" } } } });
    let documents: Vec<_> = ALL
        .iter()
        .map(|it| {
            let brings = *it == CACHE || *it == ROOT;
            if brings { with(it, own.clone()) } else { it.to_string() }
        })
        .collect();
    let root = offline(&documents, api::Kind::RootShard);
    let cache = offline(&documents, api::Kind::CacheServer);
    for (made, issuer) in [(&root, "Issuer/root-ca"), (&cache, "Issuer/cache-ca")] {
        assert_eq!(made.tree(issuer)["spec"]["ca"]["secretName"], "own-ca");
        let ca = issuer.trim_start_matches("Issuer/");
        assert!(made.certificates().all(|it| it.metadata.name.as_deref() != Some(ca)));
    }
    assert!(
        cache
            .mounted("cache-cache-server")
            .contains(&"client-ca own-ca /etc/cache-server/tls/ca/root".to_owned())
    );
    assert!(root.mounted("root-proxy").contains(&"own-ca own-ca /etc/kcp/tls/ca".to_owned()));
    for (kind, deployment) in [
        (api::Kind::RootShard, "root-kcp"),
        (api::Kind::Shard, "alpha-shard-kcp"),
        (api::Kind::VirtualWorkspace, "vw-virtual-workspace"),
    ] {
        let mounted = offline(&documents, kind).mounted(deployment);
        for line in [
            "kcp-ca own-ca /etc/kcp/tls/ca/root",
            "cache-server-ca own-ca /etc/cache-server/tls/ca/root",
        ] {
            assert!(mounted.contains(&line.to_owned()), "{deployment}: {mounted:#?}");
        }
    }
}

#[test]
fn a_front_proxy_is_named_in_its_own_domain_and_in_that_of_users() {
    let documents = changed(
        ROOT,
        json!({ "spec": { "clusterDomain": "corp", "external": { "privateHostname": "private" } } }),
    );
    let made = offline(&documents, api::Kind::FrontProxy);
    assert_eq!(
        made.certificate("root-front-server").spec.dns_names,
        [
            "front-front-proxy",
            "front-front-proxy.kcp",
            "front-front-proxy.kcp.svc.corp",
            "kcp.example.com",
            "private",
        ]
    );
    assert_eq!(made.tree("Service/front-front-proxy")["spec"]["ports"][0]["port"], 443);
    let root = offline(&documents, api::Kind::RootShard);
    assert_eq!(
        root.certificate("root-proxy-server").spec.dns_names,
        ["root-proxy", "root-proxy.kcp", "root-proxy.kcp.svc.corp"]
    );
    assert_eq!(root.tree("Service/root-proxy")["spec"]["ports"][0]["port"], 6443);
    // Only the pods of a proxy have labels.
    let deployment = made.deployment("front-front-proxy");
    assert_eq!(deployment.metadata.labels, None);
    assert!(deployment.spec.template.metadata.as_ref().unwrap().labels.is_some());
}

#[test]
fn the_deprecated_host_name_of_a_front_proxy_works_alone() {
    let documents =
        changed(PROXY, json!({ "spec": { "externalHostname": "old.example.com:8443" } }));
    let made = offline(&documents, api::Kind::FrontProxy);
    let names = &made.certificate("root-front-server").spec.dns_names;
    assert_eq!(names.last().unwrap(), "old.example.com");
    assert_eq!(made.tree("Service/front-front-proxy")["spec"]["ports"][0]["port"], 8443);
}

#[test]
fn groups_are_one_flag_without_quotes() {
    let auth = json!({ "dropGroups": ["a", "b"], "passOnGroups": ["c"] });
    let changes =
        json!({ "spec": { "auth": auth, "extraArgs": ["-v=1"], "logging": { "level": 2 } } });
    let made = offline(&changed(PROXY, changes), api::Kind::FrontProxy);
    assert_eq!(
        made.args("front-front-proxy")[6..],
        [
            "--client-ca-file=/etc/kcp-front-proxy/client-ca/tls.crt",
            "--requestheader-client-ca-file=/etc/kcp/tls/ca/requestheader-client/tls.crt",
            "--requestheader-allowed-names=kcp-front-proxy,kcp-mounts-proxy",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--authentication-drop-groups=a,b",
            "--authentication-pass-on-groups=c",
            "-v=2",
            "-v=1",
        ]
    );
}

#[test]
fn a_front_proxy_maps_paths_and_mounts_what_they_need() {
    let mapping = json!({ "path": "/x", "backend": "https://x", "backend_server_ca": "/ca",
        "proxy_client_cert": "/crt", "proxy_client_key": "/key" });
    let made = offline(
        &changed(
            PROXY,
            json!({ "spec": { "additionalPathMappings": [mapping], "caBundleSecretRef": { "name": "more" } } }),
        ),
        api::Kind::FrontProxy,
    );
    let text = made.tree("ConfigMap/front-config")["data"]["path-mapping.yaml"].clone();
    assert_eq!(
        text.as_str().unwrap(),
        "\
- backend: https://root-kcp.kcp.svc.cluster.local:6443
  backend_server_ca: /etc/kcp/tls/ca/ca-bundle/tls.crt
  path: /clusters/
  proxy_client_cert: /etc/kcp-front-proxy/requestheader-client/tls.crt
  proxy_client_key: /etc/kcp-front-proxy/requestheader-client/tls.key
- backend: https://root-kcp.kcp.svc.cluster.local:6443
  backend_server_ca: /etc/kcp/tls/ca/ca-bundle/tls.crt
  path: /services/
  proxy_client_cert: /etc/kcp-front-proxy/requestheader-client/tls.crt
  proxy_client_key: /etc/kcp-front-proxy/requestheader-client/tls.key
- backend: https://x
  backend_server_ca: /ca
  path: /x
  proxy_client_cert: /crt
  proxy_client_key: /key
"
    );
    assert_eq!(
        made.mounted("front-front-proxy"),
        [
            "root-front-dynamic-kubeconfig root-front-dynamic-kubeconfig /etc/kcp-front-proxy/kubeconfig",
            "root-front-kubeconfig root-front-kubeconfig /etc/kcp-front-proxy/kubeconfig-client-cert",
            "root-front-server root-front-server /etc/kcp-front-proxy/tls",
            "root-front-requestheader root-front-requestheader /etc/kcp-front-proxy/requestheader-client",
            "root-ca root-ca /etc/kcp/tls/ca",
            "root-requestheader-client-ca root-requestheader-client-ca /etc/kcp/tls/ca/requestheader-client",
            "front-merged-ca-bundle front-merged-ca-bundle /etc/kcp/tls/ca/ca-bundle",
            "front-merged-client-ca front-merged-client-ca /etc/kcp-front-proxy/client-ca",
            "front-config front-config /etc/kcp-front-proxy/config",
        ]
    );
    let mounts = made.container("front-front-proxy").volume_mounts.as_ref().unwrap();
    let writable: Vec<_> = mounts.iter().filter(|it| it.read_only == Some(false)).collect();
    assert_eq!(writable.len(), 1);
    assert_eq!(writable[0].name, "root-front-dynamic-kubeconfig");
    let dynamic = made.kubeconfig("root-front-dynamic-kubeconfig");
    assert_eq!(dynamic["current-context"], "system:admin");
    assert_eq!(dynamic.get("kind"), None, "as the operator writes it");
}

#[test]
fn a_workspace_server_shows_its_own_certificate_under_the_name_that_shards_dial() {
    let made = offline(&ALL, api::Kind::VirtualWorkspace);
    assert_eq!(
        made.certificate("vw-server").spec.dns_names,
        ["localhost", "vw-virtual-workspace.kcp.svc.cluster.local", "vw.example.com"]
    );
    let labels = made.certificate("vw-client").metadata.labels.as_ref().unwrap();
    assert_eq!(labels.iter().collect::<Vec<_>>(), [(&"team".to_owned(), &"storage".to_owned())]);
    let container = made.container("vw-virtual-workspace");
    assert_eq!(container.command.as_deref(), Some(&["/virtual-workspaces".to_owned()][..]));
    assert!(container.readiness_probe.is_none() && container.startup_probe.is_none());
    let mounted = made.mounted("vw-virtual-workspace");
    assert!(mounted.contains(
        &"logical-cluster-admin-kubeconfig alpha-logical-cluster-admin-kubeconfig /etc/kcp/logical-cluster-admin-kubeconfig".to_owned()
    ));
    assert!(
        mounted.contains(&"client-cert vw-client /etc/kcp/tls/logical-cluster-admin".to_owned())
    );
}

#[test]
fn a_container_with_a_kubeconfig_of_its_own_sees_no_other() {
    let documents = changed(
        WORKSPACE,
        json!({ "spec": {
            "kubeconfigSecretRef": { "name": "narrow" },
            "image": { "imagePullSecrets": [{ "name": "pull" }] },
            "extraVolumes": [{ "name": "scratch", "emptyDir": {} }],
            "extraVolumeMounts": [{ "name": "scratch", "mountPath": "/scratch" }],
            "initContainers": [
                { "name": "first", "command": ["/bootstrap"] },
                {
                    "name": "second", "kubeconfigSecretRef": { "name": "boot" },
                    "image": { "tag": "main", "imagePullSecrets": [{ "name": "pull" }, { "name": "other" }] },
                    "volumes": [{ "name": "scratch", "emptyDir": {} }, { "name": "own", "emptyDir": {} }],
                    "volumeMounts": [{ "name": "own", "mountPath": "/own" }],
                },
            ],
        } }),
    );
    let made = offline(&documents, api::Kind::VirtualWorkspace);
    let pod = made.pod("vw-virtual-workspace");
    let mounts = |container: &Container| -> Vec<String> {
        let mounts = container.volume_mounts.iter().flatten();
        mounts.map(|it| it.name.clone()).skip(8).collect()
    };
    assert_eq!(mounts(&pod.containers[0]), ["server-kubeconfig", "scratch"]);
    let init = pod.init_containers.as_ref().unwrap();
    assert_eq!(mounts(&init[0]), ["logical-cluster-admin-kubeconfig", "client-cert"]);
    assert_eq!(mounts(&init[1]), ["init-second-kubeconfig", "own"]);
    assert_eq!(init[0].image, pod.containers[0].image);
    assert_eq!(init[1].image.as_deref(), Some("ghcr.io/kcp-dev/kcp:main"));
    assert!(init[0].security_context.is_none() && init[0].args.is_none());
    let names: Vec<_> = pod.volumes.iter().flatten().map(|it| &it.name).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    let secrets: Vec<_> = pod.image_pull_secrets.iter().flatten().map(|it| &*it.name).collect();
    assert_eq!(secrets, ["pull", "other"]);
    let kubeconfig = "--kubeconfig=/etc/kcp/server-kubeconfig/kubeconfig";
    assert!(made.args("vw-virtual-workspace").contains(&kubeconfig));
}

#[test]
fn templates_add_labels_and_replace_fields() {
    let metadata = json!({
        "labels": { "team": "a", "app.kubernetes.io/name": "mine" }, "annotations": { "note": "b" },
    });
    let pod = json!({
        "nodeSelector": { "disk": "ssd" }, "imagePullSecrets": [{ "name": "theirs" }, { "name": "pull" }],
    });
    let documents = changed(
        SHARD,
        json!({ "spec": {
            "image": { "imagePullSecrets": [{ "name": "pull" }, { "name": "image" }] },
            "resources": { "limits": { "cpu": "4" }, "requests": { "example.com/x": "1" } },
            "deploymentTemplate": {
                "metadata": metadata, "spec": { "template": { "metadata": metadata, "spec": pod } },
            },
            "serviceTemplate": { "metadata": metadata, "spec": { "type": "LoadBalancer", "clusterIP": "10.0.0.1" } },
        } }),
    );
    let made = offline(&documents, api::Kind::Shard);
    let deployment = made.deployment("alpha-shard-kcp");
    let own = api::names::app_labels("alpha", "shard");
    let mut labels = own.clone();
    labels.insert("team".to_owned(), "a".to_owned());
    let pods = deployment.spec.template.metadata.as_ref().unwrap();
    for metadata in [&deployment.metadata, pods] {
        assert_eq!(metadata.labels.as_ref(), Some(&labels));
        assert_eq!(metadata.annotations.as_ref().unwrap()["note"], "b");
    }
    assert_eq!(deployment.spec.selector.match_labels.as_ref(), Some(&own));
    let pod = made.pod("alpha-shard-kcp");
    let secrets: Vec<_> = pod.image_pull_secrets.iter().flatten().map(|it| &*it.name).collect();
    assert_eq!(secrets, ["theirs", "pull", "image"], "those of the image stay");
    assert_eq!(
        serde_json::to_value(&pod.containers[0].resources).unwrap(),
        json!({
            "limits": { "cpu": "4", "memory": "2Gi" },
            "requests": { "cpu": "1", "memory": "1Gi", "example.com/x": "1" },
        })
    );
    let service = made.tree("Service/alpha-shard-kcp");
    assert_eq!(service["metadata"]["labels"], json!(labels));
    assert_eq!(service["spec"]["selector"], json!(own));
    assert_eq!(
        (&service["spec"]["type"], &service["spec"]["clusterIP"]),
        (&json!("LoadBalancer"), &json!("10.0.0.1"))
    );
    // What one object asks for is no other's.
    let other = offline(&ALL, api::Kind::Shard);
    let resources = other.container("alpha-shard-kcp").resources.clone();
    assert_eq!(resources, Some(super::pod::shard_resources()));
}

#[test]
fn a_template_changes_a_certificate_field_by_field() {
    let template = |spec: Value| {
        let templates =
            json!({ "server": { "metadata": { "labels": { "a": "b" } }, "spec": spec } });
        let documents = changed(SHARD, json!({ "spec": { "certificateTemplates": templates } }));
        offline(&documents, api::Kind::Shard).tree("Certificate/alpha-server")["spec"].clone()
    };
    let own = template(json!({}));
    let host = "alpha-shard-kcp.kcp.svc.cluster.local";
    assert_eq!(own["dnsNames"], json!([host, "localhost"]));

    let spec = template(json!({
        "dnsNames": ["b.example.com", "localhost"], "ipAddresses": ["10.0.0.2", "10.0.0.1"],
        "duration": "48h", "renewBefore": "90m",
        "secretTemplate": { "labels": { "operator.kcp.io/shard": "x", "c": "d" } },
        "privateKey": { "algorithm": "ECDSA", "size": 0, "rotationPolicy": "Always" },
        "subject": { "organizations": ["o", "n", "o"], "serialNumber": "1" },
    }));
    assert_eq!(spec["dnsNames"], json!([host, "b.example.com", "localhost"]));
    assert_eq!(spec["ipAddresses"], json!(["10.0.0.1", "10.0.0.2"]));
    assert_eq!(spec["duration"], "48h0m0s");
    assert_eq!(spec["renewBefore"], "1h30m0s");
    assert_eq!(
        spec["secretTemplate"]["labels"],
        json!({ "operator.kcp.io/rootshard": "root", "operator.kcp.io/shard": "alpha", "c": "d" })
    );
    assert_eq!(
        spec["privateKey"],
        json!({ "algorithm": "ECDSA", "size": 4096, "rotationPolicy": "Always" })
    );
    assert_eq!(spec["subject"], json!({ "organizations": ["n", "o"], "serialNumber": "1" }));
    assert_eq!(spec["issuerRef"], own["issuerRef"]);

    let spec = template(json!({
        "dnsNames": ["z.example.com", "a.example.com"],
        "issuerRef": { "name": "letsencrypt", "kind": "ClusterIssuer", "group": "" },
    }));
    assert_eq!(spec["dnsNames"], json!(["z.example.com", "a.example.com"]), "another issuer");
    assert_eq!(spec["issuerRef"], json!({ "name": "letsencrypt", "kind": "ClusterIssuer" }));
}

#[test]
fn production_is_spread_and_drained_one_pod_at_a_time() {
    let profile = json!({ "metadata": { "annotations": { "kcpctl.io/profile": "production" } } });
    let made = offline(&changed(ROOT, profile.clone()), api::Kind::RootShard);
    assert_eq!(
        made.tree("PodDisruptionBudget/root-kcp")["spec"],
        json!({
            "maxUnavailable": 1,
            "selector": { "matchLabels": api::names::app_labels("root", "rootshard") },
        })
    );
    made.tree("PodDisruptionBudget/root-proxy");
    let spread = made.pod("root-kcp").topology_spread_constraints.as_ref().unwrap();
    let keys: Vec<_> = spread.iter().map(|it| (&*it.topology_key, it.max_skew)).collect();
    assert_eq!(keys, [("topology.kubernetes.io/zone", 1), ("kubernetes.io/hostname", 1)]);
    assert!(spread.iter().all(|it| it.when_unsatisfiable == "ScheduleAnyway"));

    let own =
        json!([{ "maxSkew": 3, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule" }]);
    let pods = json!({ "template": { "spec": { "topologySpreadConstraints": own } } });
    let mut changes = profile;
    changes["spec"] = json!({ "replicas": 1, "deploymentTemplate": { "spec": pods } });
    let made = offline(&changed(ROOT, changes), api::Kind::RootShard);
    assert!(!lines(&made.items).contains(&"PodDisruptionBudget/root-kcp".to_owned()));
    let spread = made.pod("root-kcp").topology_spread_constraints.as_ref().unwrap();
    assert_eq!(spread.iter().map(|it| &*it.topology_key).collect::<Vec<_>>(), ["rack"]);

    let plain = offline(&ALL, api::Kind::RootShard);
    assert!(plain.pod("root-kcp").topology_spread_constraints.is_none());
    assert!(plain.items.iter().all(|it| it.kind() != "PodDisruptionBudget"));
}

#[test]
fn the_number_of_pods_is_whose_it_was() {
    for (own, live, replicas) in
        [(None, None, 2), (None, Some(5), 5), (Some(3), Some(5), 3), (Some(0), None, 0)]
    {
        let documents = changed(SHARD, json!({ "spec": { "replicas": own } }));
        let mut observed = Observed::default();
        observed.replicas.extend(live.map(|it| ("alpha-shard-kcp".to_owned(), it)));
        let made = rendered(&documents, api::Kind::Shard, &observed);
        assert_eq!(made.deployment("alpha-shard-kcp").spec.replicas, Some(replicas));
    }
}

fn secret(version: &str, data: &[(&str, &str)]) -> Arc<Secret> {
    let data =
        data.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec())));
    let mut secret = Secret { data: Some(data.collect()), ..Secret::default() };
    secret.metadata.resource_version = Some(version.to_owned());
    Arc::new(secret)
}

#[test]
fn bundles_hold_the_cas_in_order_and_wait_for_each() {
    let mut documents = changed(
        SHARD,
        json!({ "spec": {
            "caBundleSecretRef": { "name": "mine" }, "clientCABundleRef": { "name": "clients" },
        } }),
    );
    documents[1] = with(ROOT, json!({ "spec": { "clientCABundleRef": { "name": "roots" } } }));
    let mut observed = Observed::default();
    for (name, key, text) in [
        ("root-server-ca", "tls.crt", "SERVER\n"),
        ("mine", "tls.crt", "MINE"),
        ("root-client-ca", "tls.crt", "CLIENT"),
        ("roots", "tls.crt", ""),
        ("clients", "ca.crt", "WRONG KEY"),
    ] {
        observed.secrets.insert(name.to_owned(), secret("1", &[(key, text)]));
    }
    let made = rendered(&documents, api::Kind::Shard, &observed);
    assert_eq!(
        made.waiting,
        [Waiting {
            secret: "alpha-merged-client-ca".to_owned(),
            needs: "clients".to_owned(),
            key: "tls.crt".to_owned(),
            absence: Absence::NoKey,
        }]
    );
    let text = |made: &Rendered, name: &str| {
        let data = made.tree(name)["data"]["tls.crt"].clone();
        let bytes: ByteString = serde_json::from_value(data).unwrap();
        String::from_utf8(bytes.0).unwrap()
    };
    // The CA of servers, not the certificate of this one.
    assert_eq!(text(&made, "Secret/alpha-merged-ca-bundle"), "SERVER\n\nMINE");
    assert_eq!(
        made.tree("Secret/alpha-merged-ca-bundle")["metadata"]["labels"],
        json!({ "operator.kcp.io/shard": "alpha" })
    );
    observed.secrets.insert("clients".to_owned(), secret("1", &[("tls.crt", "OWN")]));
    let made = rendered(&documents, api::Kind::Shard, &observed);
    assert_eq!(text(&made, "Secret/alpha-merged-client-ca"), "CLIENT\nOWN");
    let mounted = made.mounted("alpha-shard-kcp");
    assert!(
        mounted.contains(&"client-ca alpha-merged-client-ca /etc/kcp/tls/ca/client".to_owned())
    );
    assert!(
        mounted.contains(&"ca-bundle alpha-merged-ca-bundle /etc/kcp/tls/ca/ca-bundle".to_owned())
    );
    let external = made.kubeconfig("alpha-external-logical-cluster-admin-kubeconfig");
    assert_eq!(
        external["clusters"][0]["cluster"]["certificate-authority"],
        "/etc/kcp/tls/ca/ca-bundle/tls.crt"
    );
}

#[test]
fn a_kubeconfig_is_made_of_certificates_alone() {
    let now = std::time::SystemTime::now();
    let validity = Validity::starting(now, std::time::Duration::from_secs(3600)).unwrap();
    let ca = Authority::create("ca", validity).unwrap().cert_pem();
    let documents =
        changed(PROXY, json!({ "spec": { "caBundleSecretRef": { "name": "public" } } }));
    let mut observed = Observed::default();
    let made = rendered(&documents, api::Kind::Kubeconfig, &observed);
    assert_eq!(lines(&made.items), ["Certificate/kubeconfig-cert-admin"]);
    let needs: Vec<_> = made.waiting.iter().map(|it| (&*it.needs, &*it.key)).collect();
    assert_eq!(
        needs,
        [
            ("kubeconfig-cert-admin", "tls.crt"),
            ("kubeconfig-cert-admin", "tls.key"),
            ("root-server-ca", "tls.crt"),
            ("public", "tls.crt"),
        ]
    );
    let spec = &made.certificate("kubeconfig-cert-admin").spec;
    let subject = spec.subject.as_ref().unwrap();
    assert_eq!(subject.organizations, ["a", "b", "kubeconfig:admin", "system:kcp:admin"]);
    assert_eq!((spec.duration.as_deref(), spec.renew_before.as_deref()), (Some("8766h0m0s"), None));

    let mut put = |name: &str, data: &[(&str, &str)]| {
        observed.secrets.insert(name.to_owned(), secret("1", data));
    };
    put("kubeconfig-cert-admin", &[("tls.crt", "CRT"), ("tls.key", "KEY")]);
    put("root-server-ca", &[("tls.crt", &ca)]);
    put("public", &[("tls.crt", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")]);
    let made = rendered(&documents, api::Kind::Kubeconfig, &observed);
    let [waiting] = &made.waiting[..] else { panic!("{:?}", made.waiting) };
    assert_eq!(
        waiting.to_string(),
        "Secret `admin-kubeconfig` needs `tls.crt` of the Secret `public`: \
         line 1: a `PRIVATE KEY` is no certificate"
    );

    observed.secrets.insert("public".to_owned(), secret("1", &[("tls.crt", &ca)]));
    let made = rendered(&documents, api::Kind::Kubeconfig, &observed);
    assert_eq!(made.waiting, []);
    let kubeconfig = made.kubeconfig("admin-kubeconfig");
    assert_eq!(kubeconfig["current-context"], "default");
    let servers: Vec<_> = kubeconfig["clusters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["name"].as_str().unwrap(), it["cluster"]["server"].as_str().unwrap()))
        .collect();
    assert_eq!(
        servers,
        [
            ("base", "https://kcp.example.com:443"),
            ("default", "https://kcp.example.com:443/clusters/root"),
        ]
    );
    let target = json!({ "spec": { "target": { "shardRef": { "name": "alpha" }, "frontProxyRef": null },
        "targetWorkspace": "root:org" } });
    let made = rendered(&changed(KUBECONFIG, target), api::Kind::Kubeconfig, &observed);
    let kubeconfig = made.kubeconfig("admin-kubeconfig");
    let contexts = kubeconfig["contexts"].as_array().unwrap().iter();
    let contexts: Vec<_> = contexts.map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(contexts, ["base", "default", "shard-base"]);
    assert_eq!(
        kubeconfig["clusters"][1]["cluster"]["server"],
        "https://alpha-shard-kcp.kcp.svc.cluster.local:6443/clusters/root:org"
    );
}

#[test]
fn pods_roll_when_what_they_mount_changes() {
    let mut observed = Observed::default();
    observed.secrets.insert("root-ca".to_owned(), secret("17", &[]));
    observed.secrets.insert("unmounted".to_owned(), secret("18", &[]));
    observed.config_maps.insert("root-proxy-config".to_owned(), "19".to_owned());
    let made = rendered(&ALL, api::Kind::RootShard, &observed);
    let revisions = |name: &str| -> Vec<(String, String)> {
        let metadata = made.deployment(name).spec.template.metadata.as_ref().unwrap();
        let labels = metadata.labels.clone().unwrap().into_iter();
        labels.filter(|it| it.0.ends_with("-rev")).collect()
    };
    let secret_label = |version: &str| {
        ("operator.kcp.io/secret-92ef6031bfe10f1b61b6-rev".to_owned(), version.to_owned())
    };
    let map = ("operator.kcp.io/configmap-fff7f809b4b7ff2263b6-rev".to_owned(), "19".to_owned());
    assert_eq!(revisions("root-kcp"), [secret_label("17")]);
    assert_eq!(revisions("root-proxy"), [map, secret_label("17")]);
    let selector = made.deployment("root-kcp").spec.selector.match_labels.clone();
    assert_eq!(selector, Some(api::names::app_labels("root", "rootshard")));
}

#[test]
fn what_is_optional_is_not_waited_for() {
    let volumes = json!([
        { "name": "a", "secret": { "secretName": "maybe", "optional": true } },
        { "name": "b", "configMap": { "name": "surely" } },
    ]);
    let documents = changed(SHARD, json!({ "spec": { "extraVolumes": volumes } }));
    let made = offline(&documents, api::Kind::Shard);
    let needed = mounts(made.deployment("alpha-shard-kcp"));
    assert_eq!(needed.secrets["maybe"], Mount { optional: true });
    assert_eq!(needed.secrets["root-ca"], Mount { optional: false });
    assert_eq!(needed.config_maps["surely"], Mount { optional: false });
}

#[test]
fn everything_belongs_to_its_object_once_that_is_in_a_cluster() {
    let documents = changed(KUBECONFIG, json!({ "metadata": { "uid": "0123" } }));
    for (kind, owned) in [(api::Kind::Kubeconfig, true), (api::Kind::Shard, false)] {
        for item in offline(&documents, kind).items {
            let owners = item.metadata().owner_references.clone();
            assert_eq!(owners.is_some(), owned, "{item}");
            let Some([owner]) = owners.as_deref() else { continue };
            assert_eq!(
                serde_json::to_value(owner).unwrap(),
                json!({
                    "apiVersion": "operator.kcp.io/v1alpha1", "kind": "Kubeconfig", "name": "admin",
                    "uid": "0123", "controller": true, "blockOwnerDeletion": true,
                })
            );
        }
    }
}

#[test]
fn a_reference_that_leads_nowhere_is_named() {
    let refused = |documents: &[String], kind: api::Kind| {
        let objects = objects(documents);
        let source = objects.sources().find(|it| it.kind() == kind).unwrap();
        objects.resolve(&source).unwrap_err().to_string()
    };
    let nobody = json!({ "spec": { "rootShard": { "ref": { "name": "nobody" } } } });
    let documents = changed(SHARD, nobody);
    assert_eq!(
        refused(&documents, api::Kind::Shard),
        "spec.rootShard.ref: there is no RootShard `nobody` in the namespace `kcp`"
    );
    assert_eq!(
        refused(&documents, api::Kind::VirtualWorkspace),
        "spec.target.shardRef: Shard `alpha`: spec.rootShard.ref: there is no RootShard `nobody` \
         in the namespace `kcp`"
    );
    let documents = changed(SHARD, json!({ "spec": { "rootShard": { "ref": null } } }));
    assert_eq!(refused(&documents, api::Kind::Shard), "spec.rootShard.ref: nothing is named");
    let elsewhere = changed(ROOT, json!({ "metadata": { "namespace": "other" } }));
    assert_eq!(
        refused(&elsewhere, api::Kind::FrontProxy),
        "spec.rootShard.ref: there is no RootShard `root` in the namespace `kcp`"
    );
    let server = json!({ "spec": { "kcpVirtualWorkspace": { "name": "gone" } } });
    assert_eq!(
        refused(&changed(ROOT, server), api::Kind::RootShard),
        "spec.kcpVirtualWorkspace: there is no VirtualWorkspace `gone` in the namespace `kcp`"
    );
    // A cache server that is not there is known by its name all the same.
    let made = offline(&ALL[1..], api::Kind::RootShard);
    assert!(made.mounted("root-kcp").iter().any(|it| it.starts_with("cache-server-ca cache-ca ")));
}

#[test]
fn rendering_twice_yields_the_same() {
    for kind in api::Kind::ALL {
        let text = || {
            let made = offline(&ALL, kind);
            made.items.iter().map(|it| it.to_tree().unwrap().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(text(), text());
    }
}
