//! What belongs to an installation, and what of it nobody wants any more.

use std::collections::BTreeSet;

use serde_json::Value;

use super::text;
use crate::api;

/// The kinds beside the operator's that an installation's manifests may have made. Secrets and
/// configurations hold what cannot be had again, and a namespace holds everything: never those.
const BESIDE: [(&str, &str); 5] = [
    ("apps/v1", "StatefulSet"),
    ("v1", "Service"),
    ("policy/v1", "PodDisruptionBudget"),
    ("cert-manager.io/v1", "Issuer"),
    ("cert-manager.io/v1", "Certificate"),
];

/// Group, kind, namespace, name.
type Identity<'a> = (&'a str, &'a str, &'a str, &'a str);

fn identity(object: &Value) -> Identity<'_> {
    let group = text(object, "/apiVersion").split_once('/').map_or("", |it| it.0);
    (
        group,
        text(object, "/kind"),
        text(object, "/metadata/namespace"),
        text(object, "/metadata/name"),
    )
}

/// The types whose objects can be pruned.
pub fn prunable_types() -> Vec<(String, String)> {
    let own = api::Kind::ALL.iter().map(|it| (api::API_VERSION.to_owned(), it.as_str().to_owned()));
    own.chain(BESIDE.iter().map(|it| (it.0.to_owned(), it.1.to_owned()))).collect()
}

/// The root shard that an object names, if it names one.
fn root_of(object: &Value) -> Option<&str> {
    let pointer = match text(object, "/kind") {
        "RootShard" => "/metadata/name",
        "Shard" | "FrontProxy" => "/spec/rootShard/ref/name",
        "VirtualWorkspace" | "Kubeconfig" => "/spec/target/rootShardRef/name",
        _ => return None,
    };
    Some(text(object, pointer)).filter(|it| !it.is_empty())
}

/// Those of `live` that an earlier apply of ours has made for the installation of `wanted`, and
/// that are not in it any more.
///
/// `is_ours` tells whether we applied an object. One that has an owner goes with that, and one
/// that belongs to another root shard of the namespace is another installation's; where there
/// are several, what names no root shard is nobody's for sure, and stays.
pub fn prunable<'a>(
    live: &'a [Value],
    wanted: &[Value],
    is_ours: impl Fn(&Value) -> bool,
) -> Vec<&'a Value> {
    let kept: BTreeSet<Identity<'_>> = wanted.iter().map(identity).collect();
    let namespaces: BTreeSet<&str> = wanted
        .iter()
        .map(|it| text(it, "/metadata/namespace"))
        .filter(|it| !it.is_empty())
        .collect();
    let roots = |namespace: &str| -> BTreeSet<&str> {
        let all = live.iter().chain(wanted).filter(|it| text(it, "/kind") == "RootShard");
        let here = all.filter(|it| text(it, "/metadata/namespace") == namespace);
        here.map(|it| text(it, "/metadata/name")).collect()
    };
    let wanted_roots: BTreeSet<(&str, &str)> = wanted
        .iter()
        .filter_map(|it| Some((text(it, "/metadata/namespace"), root_of(it)?)))
        .collect();
    live.iter()
        .filter(|it| {
            let namespace = text(it, "/metadata/namespace");
            let owners = it["metadata"]["ownerReferences"].as_array();
            let known = prunable_types()
                .iter()
                .any(|known| text(it, "/apiVersion") == known.0 && text(it, "/kind") == known.1);
            if !known
                || !namespaces.contains(namespace)
                || kept.contains(&identity(it))
                || owners.is_some_and(|it| !it.is_empty())
                || !it["metadata"]["deletionTimestamp"].is_null()
                || !is_ours(it)
            {
                return false;
            }
            match root_of(it) {
                Some(root) => {
                    wanted_roots.contains(&(namespace, root)) || roots(namespace).len() == 1
                }
                None => roots(namespace).len() <= 1,
            }
        })
        .collect()
}

/// The operator's objects that belong to a root shard: those that name it, those that name one
/// of these, and the caches that they use; and what belongs to nobody else where it is the only
/// root shard of its namespace.
pub fn members<'a>(objects: &'a [Value], namespace: &str, root: &str) -> Vec<&'a Value> {
    let here: Vec<&Value> =
        objects.iter().filter(|it| text(it, "/metadata/namespace") == namespace).collect();
    let roots = here.iter().filter(|it| text(it, "/kind") == "RootShard").count();
    let is_root =
        |it: &Value| text(it, "/kind") == "RootShard" && text(it, "/metadata/name") == root;
    let first = |it: &Value| is_root(it) || root_of(it) == Some(root);
    let named_by = |it: &Value, kind: &str, pointers: &[&str]| {
        let name = text(it, "/metadata/name");
        text(it, "/kind") == kind
            && here.iter().any(|by| first(by) && pointers.iter().any(|at| text(by, at) == name))
    };
    let names_member = |it: &Value| {
        [("Shard", "/spec/target/shardRef/name"), ("FrontProxy", "/spec/target/frontProxyRef/name")]
            .iter()
            .any(|(kind, pointer)| {
                let name = text(it, pointer);
                !name.is_empty()
                    && here.iter().any(|by| {
                        text(by, "/kind") == *kind
                            && text(by, "/metadata/name") == name
                            && first(by)
                    })
            })
    };
    here.iter()
        .copied()
        .filter(|it| {
            let other_root = text(it, "/kind") == "RootShard" && !is_root(it);
            first(it)
                || names_member(it)
                || named_by(it, "CacheServer", &["/spec/cache/ref/name"])
                || named_by(it, "VirtualWorkspace", &["/spec/kcpVirtualWorkspace/name"])
                || roots == 1 && !other_root
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(kind: &str, name: &str, root: &str) -> Value {
        json!({
            "apiVersion": "operator.kcp.io/v1alpha1", "kind": kind,
            "metadata": { "name": name, "namespace": "demo" },
            "spec": { "rootShard": { "ref": { "name": root } } },
        })
    }

    fn names(live: &[Value], wanted: &[Value], is_ours: impl Fn(&Value) -> bool) -> Vec<String> {
        prunable(live, wanted, is_ours).into_iter().map(super::super::called).collect()
    }

    #[test]
    fn only_what_we_made_and_nobody_wants_goes() {
        let root = object("RootShard", "root", "");
        let (one, two) = (object("Shard", "one", "root"), object("Shard", "two", "root"));
        let mut owned = object("Shard", "owned", "root");
        owned["metadata"]["ownerReferences"] = json!([{ "uid": "x" }]);
        let mut elsewhere = object("Shard", "elsewhere", "root");
        elsewhere["metadata"]["namespace"] = "other".into();
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": { "name": "s", "namespace": "demo" },
        });
        let mut going = object("Shard", "going", "root");
        going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        let live = [root.clone(), one.clone(), two, owned, going, elsewhere, secret];
        let wanted = [root, one];
        assert_eq!(names(&live, &wanted, |_| true), ["Shard/two"]);
        assert_eq!(names(&live, &wanted, |_| false), Vec::<String>::new());
    }

    #[test]
    fn what_names_a_member_belongs_too() {
        let mut admin = object("Kubeconfig", "admin", "");
        admin["spec"] = json!({ "target": { "frontProxyRef": { "name": "main" } } });
        let mut root = object("RootShard", "root", "");
        root["spec"] = json!({ "cache": { "ref": { "name": "cache" } } });
        let mut other = object("RootShard", "other", "");
        other["spec"] = json!({ "kcpVirtualWorkspace": { "name": "views" } });
        let live = [
            root,
            other,
            object("VirtualWorkspace", "views", ""),
            object("FrontProxy", "main", "root"),
            object("FrontProxy", "theirs", "other"),
            object("CacheServer", "cache", ""),
            object("CacheServer", "whose", ""),
            admin,
        ];
        let of = |root: &str| -> Vec<String> {
            members(&live, "demo", root).into_iter().map(super::super::called).collect()
        };
        assert_eq!(
            of("root"),
            ["RootShard/root", "FrontProxy/main", "CacheServer/cache", "Kubeconfig/admin"]
        );
        assert_eq!(of("other"), ["RootShard/other", "VirtualWorkspace/views", "FrontProxy/theirs"]);
    }

    #[test]
    fn another_installation_in_the_namespace_is_left_alone() {
        let (root, other) = (object("RootShard", "root", ""), object("RootShard", "other", ""));
        let live = [
            root.clone(),
            other,
            object("Shard", "mine", "root"),
            object("Shard", "theirs", "other"),
            object("CacheServer", "whose", ""),
        ];
        assert_eq!(names(&live, &[root], |_| true), ["Shard/mine"]);
    }
}
