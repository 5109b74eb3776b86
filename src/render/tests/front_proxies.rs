use super::*;

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
    let writable: Vec<_> = mounts.iter().filter(|it| it.read_only != Some(true)).collect();
    assert_eq!(writable.len(), 1);
    assert_eq!(writable[0].name, "root-front-dynamic-kubeconfig");
    let dynamic = made.kubeconfig("root-front-dynamic-kubeconfig");
    assert_eq!(dynamic["current-context"], "system:admin");
    assert_eq!(dynamic.get("kind"), None, "as the operator writes it");
}
