//! A kube-rs client: typed calls, and a watcher that starts with a streaming list.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, Config};
use serde_json::json;

use crate::support::{PATIENCE, Server, eventually};

/// Shards through the kubeconfig of one cluster of one shard.
async fn shards(server: &Server, cluster: &str) -> Api<DynamicObject> {
    let kubeconfig = Kubeconfig::read_from(server.kubeconfig("root", cluster)).unwrap();
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
    let client = Client::try_from(config).unwrap();
    let kind = GroupVersionKind::gvk("core.kcp.io", "v1alpha1", "Shard");
    Api::all_with(client, &ApiResource::from_gvk(&kind))
}

fn shard(name: &str) -> DynamicObject {
    let object = json!({
        "apiVersion": "core.kcp.io/v1alpha1",
        "kind": "Shard",
        "metadata": {"name": name},
        "spec": {"baseURL": "https://example.com"},
    });
    serde_json::from_value(object).unwrap()
}

#[tokio::test]
async fn calls_go_there_and_back() {
    let server = Server::shared();
    let api = shards(&server, "kube-calls").await;
    let mut created = api.create(&PostParams::default(), &shard("one")).await.unwrap();
    assert_eq!(created.metadata.generation, Some(1));
    created.data["spec"]["externalURL"] = json!("https://example.org");
    let replaced = api.replace("one", &PostParams::default(), &created).await.unwrap();
    assert_ne!(replaced.metadata.resource_version, created.metadata.resource_version);
    let conflict = api.replace("one", &PostParams::default(), &created).await.unwrap_err();
    let kube::Error::Api(status) = conflict else { panic!("{conflict}") };
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    api.create(&PostParams::default(), &shard("two")).await.unwrap();
    let page = api.list(&ListParams::default().limit(1)).await.unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(page.metadata.remaining_item_count, Some(1));
    let metadata = api.list_metadata(&ListParams::default()).await.unwrap();
    assert_eq!(metadata.items.len(), 2);
    api.delete("one", &DeleteParams::default()).await.unwrap();
    assert!(api.get_opt("one").await.unwrap().is_none());
}

#[tokio::test]
async fn a_watcher_starts_with_a_streaming_list() {
    let server = Server::shared();
    let api = shards(&server, "kube-watcher").await;
    for name in ["one", "two"] {
        api.create(&PostParams::default(), &shard(name)).await.unwrap();
    }
    let mut events = watcher(api.clone(), watcher::Config::default().streaming_lists()).boxed();
    let mut told = Vec::new();
    while told.last().is_none_or(|it| it != "deleted two") {
        let event = tokio::time::timeout(PATIENCE, events.try_next()).await.unwrap();
        let name = |object: DynamicObject| object.metadata.name.unwrap();
        told.push(match event.unwrap().unwrap() {
            Event::Init => "start".to_owned(),
            Event::InitApply(object) => format!("has {}", name(object)),
            Event::InitDone => {
                api.create(&PostParams::default(), &shard("three")).await.unwrap();
                api.delete("two", &DeleteParams::default()).await.unwrap();
                "complete".to_owned()
            }
            Event::Apply(object) => format!("applied {}", name(object)),
            Event::Delete(object) => format!("deleted {}", name(object)),
        });
    }
    assert_eq!(told, ["start", "has one", "has two", "complete", "applied three", "deleted two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_watchers_see_the_same() {
    const WATCHES: u32 = 40;
    let server = Arc::new(Server::start());
    let api = shards(&server, "kube-many").await;
    let watch = || {
        let config = watcher::Config::default().streaming_lists();
        let mut events = watcher(api.clone(), config).boxed();
        tokio::spawn(async move {
            loop {
                let event = tokio::time::timeout(PATIENCE, events.try_next()).await.unwrap();
                if let Event::Apply(object) = event.unwrap().unwrap() {
                    return object.metadata.name.unwrap();
                }
            }
        })
    };
    let watches: Vec<_> = (0..WATCHES).map(|_| watch()).collect();
    let observed = Arc::clone(&server);
    let everybody_watches = move || {
        eventually("all watches", || {
            let running = observed.metric("apiserver_longrunning_requests");
            (running >= f64::from(WATCHES)).then_some(())
        });
    };
    tokio::task::spawn_blocking(everybody_watches).await.unwrap();
    api.create(&PostParams::default(), &shard("seen")).await.unwrap();
    for watch in watches {
        assert_eq!(watch.await.unwrap(), "seen");
    }
}

/// What a store holds: names and URLs.
fn held(store: &reflector::Store<DynamicObject>) -> Vec<(String, String)> {
    let each = |it: Arc<DynamicObject>| {
        let url = it.data["spec"]["baseURL"].as_str().unwrap_or_default().to_owned();
        (it.metadata.name.clone().unwrap(), url)
    };
    let mut held: Vec<_> = store.state().into_iter().map(each).collect();
    held.sort();
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reflector_holds_what_the_server_holds_also_over_a_restart() {
    let mut server = Server::start();
    let api = shards(&server, "kube-reflector").await;
    api.create(&PostParams::default(), &shard("before")).await.unwrap();
    let kind = GroupVersionKind::gvk("core.kcp.io", "v1alpha1", "Shard");
    let writer = reflector::store::Writer::new(ApiResource::from_gvk(&kind));
    let store = writer.as_reader();
    let config = watcher::Config::default().streaming_lists();
    let events = watcher(api.clone(), config).default_backoff().reflect(writer);
    // What breaks a watch is told as an error, and it begins again.
    let running = tokio::spawn(events.for_each(|_| async {}));
    tokio::time::timeout(PATIENCE, store.wait_until_ready()).await.unwrap().unwrap();
    let example = || "https://example.com".to_owned();
    assert_eq!(held(&store), [("before".to_owned(), example())]);
    let becomes = async |wanted: &[(&str, &str)]| {
        let wanted: Vec<_> =
            wanted.iter().map(|(name, url)| ((*name).to_owned(), (*url).to_owned())).collect();
        let store = store.clone();
        let look = move || eventually("the store", || (held(&store) == wanted).then_some(()));
        tokio::task::spawn_blocking(look).await.unwrap();
    };

    api.create(&PostParams::default(), &shard("one")).await.unwrap();
    becomes(&[("before", "https://example.com"), ("one", "https://example.com")]).await;
    let mut one = api.get("one").await.unwrap();
    one.data["spec"]["baseURL"] = json!("https://example.org");
    api.replace("one", &PostParams::default(), &one).await.unwrap();
    becomes(&[("before", "https://example.com"), ("one", "https://example.org")]).await;
    api.delete("before", &DeleteParams::default()).await.unwrap();
    becomes(&[("one", "https://example.org")]).await;

    // It goes on after a restart, and misses nothing of what came before it was back.
    assert!(server.stop().success());
    server.start_again();
    let raw = server.admin();
    let path =
        "/services/cache/shards/root/clusters/kube-reflector/apis/core.kcp.io/v1alpha1/shards";
    raw.post(path, &serde_json::to_value(shard("after")).unwrap()).object(201);
    raw.delete(format!("{path}/one")).object(200);
    becomes(&[("after", "https://example.com")]).await;
    let reference = ObjectRef::new_with("after", ApiResource::from_gvk(&kind));
    assert!(store.get(&reference).is_some());
    running.abort();
}
