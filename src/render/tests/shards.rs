use super::*;

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
