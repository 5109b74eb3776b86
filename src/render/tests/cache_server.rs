use super::*;

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
