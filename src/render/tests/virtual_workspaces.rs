use super::*;

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
