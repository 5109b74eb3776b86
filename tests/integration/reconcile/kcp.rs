//! What the loop does inside of kcp: registrations of shards, roles of kubeconfigs.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use kcpctl::reconcile::{self, Settings};
use kcpctl::shutdown::{self, Phase};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{DEMO, Scene, shard_spec};
use crate::support::eventually;

const SHARDS: &str = "shards.operator.kcp.io";
const KUBECONFIGS: &str = "kubeconfigs.operator.kcp.io";

/// As much of kcp as the loop talks to.
pub struct Kcp {
    _runtime: Runtime,
    state: Arc<Mutex<State>>,
    url: String,
}

struct State {
    /// By path.
    objects: BTreeMap<String, Value>,
    /// Those that there are.
    workspaces: BTreeSet<String>,
    /// Whether it does not serve anything yet.
    is_starting: bool,
}

impl Kcp {
    /// With the workspaces `root`, `root:a` and `root:b`, all of them on the root shard but the
    /// last.
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let workspaces = ["root", "root:a", "root:b"].map(str::to_owned).into();
        let state = Arc::new(Mutex::new(State {
            objects: BTreeMap::new(),
            workspaces,
            is_starting: false,
        }));
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let served = Arc::clone(&state);
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
        Self { _runtime: runtime, state, url }
    }

    /// The way here, for `--kcp-url`.
    pub fn template(&self) -> String {
        format!("{}/{{service}}", self.url)
    }

    pub fn has(&self, path: &str) -> bool {
        self.state.lock().objects.contains_key(path)
    }

    pub fn put(&self, path: &str) {
        self.state.lock().objects.insert(path.to_owned(), json!({ "metadata": {} }));
    }

    /// The paths of all objects.
    pub fn paths(&self) -> Vec<String> {
        self.state.lock().objects.keys().cloned().collect()
    }

    /// Deletes a workspace with all that is in it.
    fn delete_workspace(&self, workspace: &str) {
        let mut state = self.state.lock();
        state.workspaces.remove(workspace);
        let part = format!("/clusters/{workspace}/");
        state.objects.retain(|path, _| !path.contains(&part));
    }
}

fn refusal(code: u16, reason: &str, name: &str, message: &str) -> (u16, Value) {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": reason, "message": message, "details": { "name": name },
    });
    (code, body)
}

/// What kcp says of a workspace before it looks for anything in it.
fn refused(state: &State, path: &str) -> Option<(u16, Value)> {
    let (service, rest) = path.trim_start_matches('/').split_once("/clusters/")?;
    let workspace = rest.split('/').next()?;
    if workspace == "system:shard" || workspace == "root" {
        return None;
    }
    match service {
        // A proxy does not tell what is not there from what is forbidden.
        "root-proxy" if state.workspaces.contains(workspace) => None,
        "root-proxy" => Some(refusal(403, "Forbidden", "", "workspace access not permitted")),
        // A shard knows those that are on it.
        "root-kcp" if workspace != "root:b" && state.workspaces.contains(workspace) => None,
        _ => Some(refusal(404, "NotFound", workspace, "workspaces.tenancy.kcp.io not found")),
    }
}

fn object(state: &mut State, method: &str, path: String, body: &[u8]) -> (u16, Value) {
    let name = path.rsplit('/').next().unwrap_or_default().to_owned();
    let gone = || refusal(404, "NotFound", &name, "no");
    match method {
        "DELETE" => match state.objects.remove(&path) {
            Some(_) => (200, json!({ "kind": "Status", "status": "Success" })),
            None => gone(),
        },
        "PATCH" => {
            let object: Value = serde_json::from_slice(body).unwrap();
            state.objects.insert(path, object.clone());
            (200, object)
        }
        _ if path.contains("/workspaces/") => {
            let parent = path.split("/clusters/").nth(1).and_then(|it| it.split('/').next());
            let workspace = format!("{}:{name}", parent.unwrap_or_default());
            if state.workspaces.contains(&workspace) {
                (200, json!({ "metadata": { "name": name } }))
            } else {
                gone()
            }
        }
        _ => {
            let items: Vec<_> = state
                .objects
                .range(format!("{path}/")..)
                .take_while(|it| it.0.starts_with(&format!("{path}/")))
                .map(|it| it.1.clone())
                .collect();
            (200, json!({ "apiVersion": "v1", "kind": "List", "metadata": {}, "items": items }))
        }
    }
}

async fn answer(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let path = head.uri.path().replace("%3A", ":");
    let (code, body) = {
        let mut state = state.lock();
        if state.is_starting {
            (404, "404 page not found\n".to_owned())
        } else {
            let refused = refused(&state, &path);
            let answer =
                refused.unwrap_or_else(|| object(&mut state, head.method.as_str(), path, &body));
            (answer.0, answer.1.to_string())
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
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

    // It knows nothing of anybody yet, which is not to say that there is nobody.
    kcp.state.lock().is_starting = true;
    let _running = scene.start_with(&["--kcp-url", &kcp.template()]);
    scene.until("the answer of a kcp that is starting", || {
        let found = scene.condition(SHARDS, "one", "Reconciled")?;
        let is_told = found["message"].as_str()?.contains("404 page not found");
        (is_told && found["reason"] == "KcpUnreachable").then_some(())
    });
    kcp.state.lock().is_starting = false;
    eventually("the shard to go", || scene.get(SHARDS, "one").is_none().then_some(()));
    assert!(!kcp.has(&registration("root", "one")));
    scene.until_phase(SHARDS, "new", "Running");
    // What a shard keeps to itself is for its own certificate only.
    let own = scene.get("secrets", "new-client").unwrap();
    scene.cluster.delete("secrets", DEMO, "new-client");
    // The watch of Shards may be ahead of that of Secrets.
    scene.until_reason(SHARDS, "new", "Reconciled", "WaitingForMounts");
    scene.cluster.delete(SHARDS, DEMO, "new");
    let message = scene.until_reason(SHARDS, "new", "Reconciled", "WaitingForSecret");
    assert!(message.contains("`new-client`"), "{message}");
    scene.cluster.put_as("cert-manager", &own);
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
    let _running = scene.start_with(&["--kcp-url", &kcp.template()]);
    let binding = |workspace: &str, role: &str| {
        let role = format!("{uid}:{role}");
        format!(
            "/root-proxy/clusters/{workspace}/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{role}"
        )
    };
    scene.until("both roles", || {
        (kcp.has(&binding("root:a", "admin")) && kcp.has(&binding("root:a", "view"))).then_some(())
    });
    let made = kcp.state.lock().objects[&binding("root:a", "admin")].clone();
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

#[test]
fn what_goes_inside_of_kcp_is_seen_though_nobody_watches_it() {
    let (scene, kcp) = (Scene::new(), Kcp::start());
    scene.installation();
    scene.put(
        "Kubeconfig",
        "dev",
        json!({
            "target": { "frontProxyRef": { "name": "front" } }, "username": "dev",
            "validity": "24h", "secretRef": { "name": "dev" }, "targetWorkspace": "root:a",
            "authorization": { "clusterRoleBindings": { "clusterRoles": ["view"] } },
        }),
    );
    let settings = Settings {
        namespace: Some(DEMO.to_owned()),
        kcp_url: Some(kcp.template()),
        resync: Some(Duration::from_millis(200)),
        ..Settings::default()
    };
    let config = scene.cluster.config();
    let runtime = Runtime::new().unwrap();
    let (trigger, shutdown) = shutdown::channel();
    let running = runtime.spawn(async move {
        let client = kube::Client::try_from(config).unwrap();
        reconcile::run(client, &settings, shutdown).await
    });
    scene.until_reason(KUBECONFIGS, "dev", "Available", "SecretsReady");
    scene.until_installed();
    // More often than anything else that happened could make somebody look.
    for _ in 0..10 {
        scene.until("the role", || (!kcp.paths().is_empty()).then_some(()));
        kcp.state.lock().objects.clear();
    }
    trigger.reach(Phase::Draining);
    runtime.block_on(running).unwrap().unwrap();
}

#[test]
fn roles_are_bound_on_whichever_shard_their_workspace_is() {
    let (scene, kcp) = (Scene::new(), Kcp::start());
    scene.installation();
    let _running = scene.start_with(&["--kcp-url", &kcp.template()]);
    for (name, target, workspace) in [
        ("to-root", json!({ "rootShardRef": { "name": "root" } }), "root:b"),
        ("to-one", json!({ "shardRef": { "name": "one" } }), "root:a"),
    ] {
        scene.put("Kubeconfig", name, json!({
            "target": target, "username": "dev", "validity": "24h", "secretRef": { "name": name },
            "targetWorkspace": workspace,
            "authorization": { "clusterRoleBindings": { "clusterRoles": ["view"] } },
        }));
        scene.until_reason(KUBECONFIGS, name, "Reconciled", "Applied");
        let part = format!("/clusters/{workspace}/");
        assert!(kcp.paths().iter().any(|it| it.contains(&part)), "{:?}", kcp.paths());
    }
}

#[test]
fn a_workspace_that_is_not_there_holds_nobody_up() {
    let (scene, kcp) = (Scene::new(), Kcp::start());
    scene.installation();
    let kubeconfig = |workspace: &str| {
        scene.put(
            "Kubeconfig",
            "dev",
            json!({
                "target": { "frontProxyRef": { "name": "front" } }, "username": "dev",
                "validity": "24h", "secretRef": { "name": "dev" }, "targetWorkspace": workspace,
                "authorization": { "clusterRoleBindings": { "clusterRoles": ["view"] } },
            }),
        )
    };
    let _running = scene.start_with(&["--kcp-url", &kcp.template()]);
    for mistaken in ["root:typo", "root:typo:below", "root:a:typo"] {
        kubeconfig(mistaken);
        let told = format!("kcp has no workspace `{mistaken}`; create it, or name another");
        scene.until(&told, || {
            let found = scene.condition(KUBECONFIGS, "dev", "Reconciled")?;
            (found["reason"] == "InvalidReference" && found["message"] == told).then_some(())
        });
    }
    kubeconfig("root:a");
    scene.until_reason(KUBECONFIGS, "dev", "Reconciled", "Applied");
    assert_eq!(kcp.paths().len(), 1);

    // With the workspace went what was bound in it.
    kcp.delete_workspace("root:a");
    scene.cluster.delete(KUBECONFIGS, DEMO, "dev");
    eventually("the kubeconfig to go", || scene.get(KUBECONFIGS, "dev").is_none().then_some(()));
}
