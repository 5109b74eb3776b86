use super::*;

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
