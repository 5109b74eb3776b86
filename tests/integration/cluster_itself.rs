//! The cluster that other tests talk to, held to what kube-apiserver does.

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use crate::support::{Cluster, Effect, Fault, PATIENCE, TestEnv};

fn deployments(cluster: &Cluster) -> Api<DynamicObject> {
    let client = kube::Client::try_from(cluster.config()).unwrap();
    let of = ApiResource::from_gvk(&GroupVersionKind::gvk("apps", "v1", "Deployment"));
    Api::namespaced_with(client, "default", &of)
}

fn deployment(replicas: u64, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "a" },
        "spec": {
            "replicas": replicas,
            "template": { "spec": { "containers": [{ "name": "kcp", "image": image }] } },
        },
    })
}

#[tokio::test]
async fn apply_merges_and_knows_who_owns_what() {
    let cluster = Cluster::start();
    let api = deployments(&cluster);
    let kcpctl = PatchParams::apply("kcpctl");
    let made = api.patch("a", &kcpctl, &Patch::Apply(deployment(2, "x"))).await.unwrap();
    assert_eq!(
        (made.metadata.generation, made.metadata.managed_fields.unwrap().len()),
        (Some(1), 1)
    );
    let again = api.patch("a", &kcpctl, &Patch::Apply(deployment(2, "x"))).await.unwrap();
    assert_eq!(again.metadata.resource_version, made.metadata.resource_version);

    // Another changes a field: it is theirs, and a conflict for us.
    let scaled = json!({ "spec": { "replicas": 5 } });
    api.patch(
        "a",
        &PatchParams { field_manager: Some("hpa".into()), ..PatchParams::default() },
        &Patch::Merge(scaled),
    )
    .await
    .unwrap();
    let refused = api.patch("a", &kcpctl, &Patch::Apply(deployment(2, "y"))).await.unwrap_err();
    let kube::Error::Api(status) = refused else { panic!("{refused}") };
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    assert_eq!(
        status.message,
        "Apply failed with 1 conflict: conflict with \"hpa\": .spec.replicas"
    );
    let live = cluster.get("deployments.apps", "default", "a").unwrap();
    assert_eq!(live["spec"]["template"]["spec"]["containers"][0]["image"], "x");
    let forced = api.patch("a", &kcpctl.clone().force(), &Patch::Apply(deployment(2, "y"))).await;
    let forced = forced.unwrap();
    assert_eq!(
        (&forced.data["spec"]["replicas"], forced.metadata.generation),
        (&json!(2), Some(3))
    );

    // What is applied no longer goes, unless another wants it as well.
    let mut less = deployment(2, "y");
    less["spec"].as_object_mut().unwrap().remove("replicas");
    let other = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "labels": { "a": "b" } },
    });
    api.patch("a", &PatchParams::apply("other"), &Patch::Apply(other)).await.unwrap();
    let left = api.patch("a", &kcpctl, &Patch::Apply(less)).await.unwrap();
    assert_eq!(left.data["spec"].get("replicas"), None);
    assert_eq!(left.metadata.labels.unwrap()["a"], "b");
    let dry = PatchParams { dry_run: true, ..kcpctl };
    api.patch("a", &dry, &Patch::Apply(deployment(9, "z"))).await.unwrap();
    assert_eq!(
        cluster.get("deployments.apps", "default", "a").unwrap()["spec"].get("replicas"),
        None
    );
}

#[tokio::test]
async fn items_come_in_the_order_in_which_they_are_applied() {
    let cluster = Cluster::start();
    let api = deployments(&cluster);
    let apply = async |manager: &str, names: &[&str]| -> String {
        let mut object = deployment(1, "x");
        let volumes = names.iter().map(|it| json!({ "name": it })).collect::<Vec<_>>();
        object["spec"]["template"]["spec"]["volumes"] = volumes.into();
        let params = PatchParams::apply(manager);
        let made = api.patch("a", &params, &Patch::Apply(object)).await.unwrap();
        let volumes = made.data["spec"]["template"]["spec"]["volumes"].as_array().unwrap().clone();
        volumes.iter().map(|it| it["name"].as_str().unwrap()).collect()
    };
    // As a real one answers: see the cases on order in `tests/golden/apply`.
    assert_eq!(apply("one", &["a", "b", "c"]).await, "abc");
    assert_eq!(apply("one", &["a", "n", "b", "c"]).await, "anbc");
    assert_eq!(apply("two", &["x", "b", "y"]).await, "anxbcy");
    assert_eq!(apply("one", &["c", "a"]).await, "xbcya");
    assert_eq!(apply("two", &["d", "a"]).await, "cda");
}

#[tokio::test]
async fn what_is_made_for_an_owner_that_is_gone_stays_until_it_is_collected() {
    let cluster = Cluster::start();
    let put = |name: &str, owners: Value| {
        cluster.put(&json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": { "name": name, "namespace": "default", "ownerReferences": owners },
        }))
    };
    let by =
        |uid: &Value| json!({ "apiVersion": "v1", "kind": "Secret", "name": "free", "uid": uid });
    let uid = put("free", json!([]))["metadata"]["uid"].clone();
    let gone = json!("gone");
    put("late", json!([by(&gone)]));
    put("kept", json!([by(&gone), by(&uid)]));
    assert_eq!(cluster.list("secrets").len(), 3);
    cluster.collect();
    let left: Vec<_> =
        cluster.list("secrets").iter().map(|it| it["metadata"]["name"].clone()).collect();
    assert_eq!(left, ["free", "kept"]);
}

#[tokio::test]
async fn the_status_has_a_door_of_its_own_and_no_generation() {
    let cluster = Cluster::start();
    let api = deployments(&cluster);
    let mut object = deployment(1, "x");
    object["status"] = json!({ "readyReplicas": 9 });
    api.patch("a", &PatchParams::apply("kcpctl"), &Patch::Apply(object)).await.unwrap();
    assert_eq!(cluster.get("deployments.apps", "default", "a").unwrap().get("status"), None);
    let status = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "status": { "readyReplicas": 1 }, "spec": { "replicas": 7 } });
    api.patch_status("a", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    let live = cluster.get("deployments.apps", "default", "a").unwrap();
    assert_eq!(live["status"]["readyReplicas"], 1);
    assert_eq!(
        (&live["spec"]["replicas"], &live["metadata"]["generation"]),
        (&json!(1), &json!(1))
    );
}

#[tokio::test]
async fn deletion_waits_for_finalizers_and_takes_what_is_owned() {
    let cluster = Cluster::start();
    let mut owner = deployment(1, "x");
    owner["metadata"] = json!({ "name": "a", "namespace": "default", "finalizers": ["x/y"] });
    let uid = cluster.put(&owner)["metadata"]["uid"].clone();
    let dependent = |name: &str| {
        json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {
                "name": name, "namespace": "default",
                "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "Deployment", "name": "a", "uid": uid }],
            },
        })
    };
    cluster.put(&dependent("s"));
    let api = deployments(&cluster);
    api.delete("a", &kube::api::DeleteParams::default()).await.unwrap();
    let live = cluster.get("deployments.apps", "default", "a").unwrap();
    assert!(live["metadata"]["deletionTimestamp"].is_string());
    assert!(cluster.get("secrets", "default", "s").is_some());
    let done = json!({ "metadata": { "finalizers": null } });
    api.patch("a", &PatchParams::default(), &Patch::Merge(done)).await.unwrap();
    assert!(cluster.get("deployments.apps", "default", "a").is_none());
    assert!(cluster.get("secrets", "default", "s").is_none());
}

#[tokio::test]
async fn watches_go_on_and_are_told_when_they_cannot() {
    use futures::StreamExt as _;
    use kube::runtime::watcher::{self, Event};

    let cluster = Cluster::start();
    let mut stream = Box::pin(watcher::watcher(deployments(&cluster), watcher::Config::default()));
    let put = |replicas| {
        let mut object = deployment(replicas, "x");
        object["metadata"]["namespace"] = "default".into();
        cluster.put(&object);
    };
    put(1);
    let mut seen = Vec::new();
    let mut next = async |wanted: &str| {
        for _ in 0..20 {
            let event = tokio::time::timeout(PATIENCE, stream.next()).await;
            let event = event.unwrap_or_else(|_| panic!("waited for {wanted} after {seen:?}"));
            let event = match event.unwrap() {
                Ok(Event::Init) => "init".to_owned(),
                Ok(Event::InitDone) => "done".to_owned(),
                Ok(Event::InitApply(it) | Event::Apply(it)) => {
                    it.data["spec"]["replicas"].to_string()
                }
                Ok(Event::Delete(_)) => "deleted".to_owned(),
                Err(error) => format!("error {error}"),
            };
            seen.push(event.clone());
            if event == wanted {
                return;
            }
        }
        panic!("{seen:?}");
    };
    next("done").await;
    put(2);
    next("2").await;
    cluster.break_watches();
    put(3);
    next("3").await;
    cluster.compact();
    next("done").await;
    cluster.fail(Fault::on("WATCH", "/deployments").with(Effect::Expire));
    cluster.end_watches();
    next("done").await;
    cluster.delete("deployments.apps", "default", "a");
    next("deleted").await;
}

#[test]
fn kubectl_can_work_with_it() {
    let env = TestEnv::new();
    let cluster = Cluster::start();
    let kubeconfig = cluster.kubeconfig(&env);
    let kubectl = |args: &[&str]| {
        let mut command = env.command("kubectl");
        command.args(["--kubeconfig", &kubeconfig]).args(args);
        crate::support::CommandOutput::of(&mut command).success()
    };
    let crds = env.run(["crds"]).success();
    env.write("crds.yaml", crds);
    kubectl(&["apply", "--server-side", "--validate=false", "-f", "crds.yaml"]);
    let named = kubectl(&["api-resources", "--api-group=operator.kcp.io", "-o", "name"]);
    assert_eq!(named.lines().count(), 6, "{named}");
    env.write("demo.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: demo}\n");
    let said = kubectl(&["create", "--validate=false", "-f", "demo.yaml"]);
    assert_eq!(said, "namespace/demo created\n");
    kubectl(&["delete", "namespace", "demo"]);
    assert!(cluster.get("namespaces", "", "demo").is_none());
}

#[tokio::test]
async fn faults_strike_as_often_as_they_should() {
    let cluster = Cluster::start();
    let api = deployments(&cluster);
    let params = PatchParams::apply("kcpctl");
    for effect in
        [Effect::Break, Effect::BreakAfterwards, Effect::Refuse { code: 500, retry_after: None }]
    {
        cluster.fail(Fault::on("PATCH", "/deployments/a").with(effect));
        let refused = api.patch("a", &params, &Patch::Apply(deployment(2, "x"))).await;
        assert!(refused.is_err(), "{effect:?}");
        let there = cluster.get("deployments.apps", "default", "a").is_some();
        assert_eq!(there, effect != Effect::Break, "{effect:?}");
    }
    cluster.deny("patch", "deployments");
    let refused = api.patch("a", &params, &Patch::Apply(deployment(3, "x"))).await.unwrap_err();
    assert!(refused.to_string().contains("cannot patch resource \"deployments\""), "{refused}");
    cluster.allow_all();
    // An answer that is held back comes when it is released, and all was done before.
    cluster.fail(Fault::on("PATCH", "/deployments/a").with(Effect::Hold));
    let patch = Patch::Apply(deployment(4, "x"));
    let held = api.patch("a", &params, &patch);
    let release = async {
        while cluster.held() == 0 {
            tokio::task::yield_now().await;
        }
        let live = cluster.get("deployments.apps", "default", "a").unwrap();
        assert_eq!(live["spec"]["replicas"], 4);
        cluster.release();
    };
    let (held, ()) = tokio::join!(held, release);
    assert_eq!(held.unwrap().data["spec"]["replicas"], 4);
    // Nobody waits for ever in a test: what hangs is given up, or healed before it is asked.
    cluster.fail(Fault::on("PATCH", "/deployments/a").with(Effect::Hang));
    cluster.heal();
    api.patch("a", &params, &Patch::Apply(deployment(3, "x"))).await.unwrap();
    assert_eq!(cluster.requests().last().unwrap().body["kind"], "Deployment");
    assert_eq!(cluster.requests().iter().filter(|it| it.method == "PATCH").count(), 6);
}
