use super::*;

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
