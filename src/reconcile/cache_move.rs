//! PURE: whether a shard would lose what it reads in its cache.
//!
//! A cache is filled by the shards themselves, each with its own objects. One that comes to an
//! empty cache, while the others are still at the old one, sees no exports, no bindings and no
//! other shard, and acts upon that.

use k8s_openapi::api::apps::v1::Deployment;
use serde_json::Value;

use crate::api::CacheServer;

/// The annotation that allows a server to go to a cache in which nothing may be yet.
pub const ALLOW_ANNOTATION: &str = "kcpctl.io/allow-empty-cache";
/// What stands there for the cache inside of the root shard.
pub const EMBEDDED: &str = "embedded";

/// The volume through which a server reaches its cache.
const VOLUME: &str = "cache-server-kubeconfig";
/// What the name of the Secret in it has after that of the `CacheServer`.
const SUFFIX: &str = "-kubeconfig";

/// A server is about to change its cache.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "spec.cache.ref: the server would go from {} to {}, in which nothing may be yet: \
     give both the same etcd, or allow it with the annotation `{ALLOW_ANNOTATION}: {}`",
    named(from.as_deref()), named(to.as_deref()), to.as_deref().unwrap_or(EMBEDDED)
)]
pub struct CacheMove {
    /// The `CacheServer` that it uses; none if the cache is the root shard's own.
    pub from: Option<String>,
    /// The one that it would use.
    pub to: Option<String>,
}

fn named(cache: Option<&str>) -> String {
    match cache {
        Some(name) => format!("the cache server `{name}`"),
        None => "the cache inside of the root shard".to_owned(),
    }
}

/// Judges the change from the Deployment that there is to the one that is rendered.
///
/// # Errors
///
/// A [`CacheMove`] that nobody has allowed.
pub fn judge<'a>(
    live: &Value,
    wanted: &Deployment,
    allowed: Option<&str>,
    cache: impl Fn(&str) -> Option<&'a CacheServer>,
) -> Result<(), CacheMove> {
    if !has_containers(live) {
        // Somebody has emptied it: nothing runs there that could use a cache.
        return Ok(());
    }
    let from = cache_of(live);
    let wanted = serde_json::to_value(wanted).unwrap_or_default();
    let to = cache_of(&wanted);
    if from == to || allowed == Some(to.unwrap_or(EMBEDDED)) {
        return Ok(());
    }
    // Two servers on one etcd are one cache.
    let storage = |name: Option<&str>| {
        let etcd = cache(name?)?.spec.etcd.as_ref()?;
        let mut endpoints = etcd.endpoints.clone();
        endpoints.sort();
        Some((endpoints, etcd.prefix.clone()))
    };
    match (storage(from), storage(to)) {
        (Some(from), Some(to)) if from == to => Ok(()),
        _ => Err(CacheMove { from: from.map(str::to_owned), to: to.map(str::to_owned) }),
    }
}

fn has_containers(deployment: &Value) -> bool {
    let containers = deployment.pointer("/spec/template/spec/containers");
    containers.and_then(Value::as_array).is_some_and(|all| !all.is_empty())
}

fn cache_of(deployment: &Value) -> Option<&str> {
    let volumes = deployment.pointer("/spec/template/spec/volumes")?.as_array()?;
    let volume = volumes.iter().find(|it| it["name"] == VOLUME)?;
    volume.pointer("/secret/secretName")?.as_str()?.strip_suffix(SUFFIX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(cache: Option<&str>) -> Value {
        let volumes = match cache {
            Some(name) => {
                json!([{ "name": VOLUME, "secret": { "secretName": format!("{name}-kubeconfig") } }])
            }
            None => json!([{ "name": "kcp-ca", "secret": { "secretName": "root-ca" } }]),
        };
        json!({ "metadata": {}, "spec": {
            "selector": {}, "template": {
                "spec": { "containers": [{ "name": "kcp" }], "volumes": volumes },
            },
        } })
    }

    fn server(etcd: &Value) -> CacheServer {
        serde_json::from_value(json!({
            "metadata": { "name": "x" }, "spec": { "certificates": {}, "etcd": etcd },
        }))
        .expect("a cache server")
    }

    #[test]
    fn a_cache_is_left_only_for_one_with_the_same_content_or_if_somebody_says_so() {
        let etcd = |endpoints: Value| json!({ "endpoints": endpoints });
        let caches = [
            ("a", server(&etcd(json!(["https://one:2379", "https://two:2379"])))),
            ("same", server(&etcd(json!(["https://two:2379", "https://one:2379"])))),
            ("other", server(&etcd(json!(["https://three:2379"])))),
            ("memory", server(&json!(null))),
            ("too", server(&json!(null))),
        ];
        for (from, to, allowed, goes) in [
            (None, None, None, true),
            (Some("a"), Some("a"), None, true),
            (Some("a"), Some("same"), None, true),
            (Some("a"), Some("other"), None, false),
            (Some("a"), Some("other"), Some("other"), true),
            (Some("a"), Some("other"), Some("a"), false),
            (Some("memory"), Some("too"), None, false),
            (Some("a"), Some("unknown"), None, false),
            (None, Some("a"), None, false),
            (None, Some("a"), Some("a"), true),
            (Some("a"), None, None, false),
            (Some("a"), None, Some(EMBEDDED), true),
        ] {
            let wanted = serde_json::from_value(deployment(to)).expect("a Deployment");
            let find = |name: &str| caches.iter().find(|it| it.0 == name).map(|it| &it.1);
            let judged = judge(&deployment(from), &wanted, allowed, find);
            assert_eq!(judged.is_ok(), goes, "{from:?} {to:?} {allowed:?}");
        }
    }

    #[test]
    fn a_deployment_that_somebody_has_emptied_uses_no_cache() {
        let wanted = serde_json::from_value(deployment(Some("a"))).expect("a Deployment");
        for emptied in [json!({}), json!({ "spec": { "containers": [], "volumes": [] } })] {
            let live = json!({ "spec": { "template": emptied } });
            assert_eq!(judge(&live, &wanted, None, |_| None), Ok(()));
        }
    }
}
