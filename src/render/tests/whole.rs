use super::*;

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
