//! What the loop does inside of kcp: registrations of shards, roles of kubeconfigs.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{DEMO, Scene, shard_spec};
use crate::support::eventually;

const SHARDS: &str = "shards.operator.kcp.io";
const KUBECONFIGS: &str = "kubeconfigs.operator.kcp.io";

/// As much of kcp as the loop talks to: objects by path.
struct Kcp {
    _runtime: Runtime,
    objects: Arc<Mutex<BTreeMap<String, Value>>>,
    url: String,
}

impl Kcp {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let objects: Arc<Mutex<BTreeMap<String, Value>>> = Arc::default();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let served = Arc::clone(&objects);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let served = Arc::clone(&served);
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&served), request));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { _runtime: runtime, objects, url }
    }

    fn has(&self, path: &str) -> bool {
        self.objects.lock().contains_key(path)
    }

    fn put(&self, path: &str) {
        self.objects.lock().insert(path.to_owned(), json!({ "metadata": {} }));
    }
}

async fn answer(
    objects: Arc<Mutex<BTreeMap<String, Value>>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let path = head.uri.path().replace("%3A", ":");
    let mut objects = objects.lock();
    let gone = || {
        (
            404,
            json!({ "kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound", "message": "no" }),
        )
    };
    let (code, body) = match head.method.as_str() {
        "DELETE" => match objects.remove(&path) {
            Some(_) => (200, json!({ "kind": "Status", "status": "Success" })),
            None => gone(),
        },
        "PATCH" => {
            let object: Value = serde_json::from_slice(&body).unwrap();
            objects.insert(path, object.clone());
            (200, object)
        }
        _ => {
            let items: Vec<_> = objects
                .range(format!("{path}/")..)
                .take_while(|it| it.0.starts_with(&format!("{path}/")))
                .map(|it| it.1.clone())
                .collect();
            (200, json!({ "apiVersion": "v1", "kind": "List", "metadata": {}, "items": items }))
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = code.try_into().unwrap();
    Ok(response)
}

#[test]
fn a_deleted_shard_leaves_no_registration_behind() {
    let (scene, kcp) = (Scene::new(), Kcp::start());
    scene.installation();
    let mut spec = shard_spec();
    spec["image"] = json!({ "tag": "v0.33.1" });
    scene.put("Shard", "new", spec);
    let registration = |workspace: &str, shard: &str| {
        format!("/new-shard-kcp/clusters/{workspace}/apis/core.kcp.io/v1alpha1/shards/{shard}")
            .replace(
                "new-shard-kcp",
                if workspace == "root" { "root-kcp" } else { "new-shard-kcp" },
            )
    };
    kcp.put(&registration("root", "one"));
    kcp.put(&registration("system:shard", "new"));
    // Nobody listens there yet.
    let running = scene.start_with(&["--kcp-url", "http://127.0.0.1:9/{service}"]);
    scene.until_installed();
    scene.cluster.delete(SHARDS, DEMO, "one");
    let message = scene.until_reason(SHARDS, "one", "Reconciled", "KcpUnreachable");
    assert!(message.contains("operator.kcp.io/cleanup-shard"), "{message}");
    assert_eq!(scene.phase(SHARDS, "one").as_deref(), Some("Deleting"));
    running.kill();

    let _running = scene.start_with(&["--kcp-url", &format!("{}/{{service}}", kcp.url)]);
    eventually("the shard to go", || scene.get(SHARDS, "one").is_none().then_some(()));
    assert!(!kcp.has(&registration("root", "one")));
    scene.until_phase(SHARDS, "new", "Running");
    scene.cluster.delete(SHARDS, DEMO, "new");
    eventually("the other to go", || scene.get(SHARDS, "new").is_none().then_some(()));
    assert!(!kcp.has(&registration("system:shard", "new")));

    // With the root shard there is no kcp that could remember anybody.
    scene.shard("late");
    scene.until_phase(SHARDS, "late", "Running");
    scene.cluster.delete("rootshards.operator.kcp.io", DEMO, "root");
    scene.cluster.delete(SHARDS, DEMO, "late");
    eventually("the last to go", || scene.get(SHARDS, "late").is_none().then_some(()));
}

#[test]
fn roles_of_a_kubeconfig_are_bound_moved_and_taken_back() {
    let (scene, kcp) = (Scene::new(), Kcp::start());
    scene.installation();
    let kubeconfig = |workspace: &str, roles: Value| {
        scene.put(
            "Kubeconfig",
            "dev",
            json!({
                "target": { "frontProxyRef": { "name": "front" } }, "username": "dev",
                "validity": "24h", "secretRef": { "name": "dev" }, "targetWorkspace": workspace,
                "authorization": { "clusterRoleBindings": { "clusterRoles": roles } },
            }),
        )
    };
    let uid = kubeconfig("root:a", json!(["admin", "view"]))["metadata"]["uid"]
        .as_str()
        .unwrap()
        .to_owned();
    let _running = scene.start_with(&["--kcp-url", &format!("{}/{{service}}", kcp.url)]);
    let binding = |workspace: &str, role: &str| {
        let role = format!("{uid}:{role}");
        format!(
            "/root-proxy/clusters/{workspace}/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{role}"
        )
    };
    scene.until("both roles", || {
        (kcp.has(&binding("root:a", "admin")) && kcp.has(&binding("root:a", "view"))).then_some(())
    });
    let made = kcp.objects.lock()[&binding("root:a", "admin")].clone();
    assert_eq!(made["subjects"][0]["name"], "kubeconfig:dev");
    assert_eq!(made["metadata"]["labels"]["operator.kcp.io/kubeconfig"], uid.as_str());
    let found = scene.get(KUBECONFIGS, "dev").unwrap();
    assert_eq!(found["status"]["authorization"]["provisionedCluster"], "root:a");
    assert_eq!(found["metadata"]["finalizers"], json!(["operator.kcp.io/cleanup-rbac"]));

    kubeconfig("root:a", json!(["view"]));
    scene.until("one role fewer", || (!kcp.has(&binding("root:a", "admin"))).then_some(()));
    kubeconfig("root:b", json!(["view"]));
    scene.until("the role to move", || {
        (kcp.has(&binding("root:b", "view")) && !kcp.has(&binding("root:a", "view"))).then_some(())
    });
    scene.cluster.delete(KUBECONFIGS, DEMO, "dev");
    eventually("the kubeconfig to go", || scene.get(KUBECONFIGS, "dev").is_none().then_some(()));
    assert!(!kcp.has(&binding("root:b", "view")));
    assert!(scene.get("secrets", "dev").is_none(), "its Secret goes with it");
    assert!(scene.get("secrets", "kubeconfig-cert-dev").is_none(), "so does its certificate");
}
