//! PURE: where in kcp something is: which server, which workspace, under which name it answers.

use kube::ResourceExt;

use crate::api::{self, KcpVersion, Kubeconfig, RootShard, Shard, Target, names};
use crate::render::Objects;

/// The first kcp whose shards keep their own registration.
const SHARDS_REGISTER_THEMSELVES: KcpVersion = KcpVersion::new(0, 33, 0);
/// The workspace in which each kcp up to then keeps the shards.
pub const ROOT: &str = "root";
/// The one of a shard in which later ones keep it.
pub const SYSTEM_SHARD: &str = "system:shard";

/// A server of kcp.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Server {
    /// The root shard whose operator certificate counts.
    pub root: String,
    /// The namespace.
    pub namespace: String,
    /// The Service.
    pub service: String,
    /// The domain of services.
    pub domain: String,
    /// A URL that somebody chose for it.
    pub url: Option<String>,
}

impl Server {
    fn new(root: &RootShard, service: String, url: Option<&String>) -> Self {
        let domain = root.spec.common.cluster_domain.as_deref().filter(|it| !it.is_empty());
        Self {
            root: root.name_any(),
            namespace: root.namespace().unwrap_or_default(),
            service,
            domain: domain.unwrap_or(api::CLUSTER_DOMAIN).to_owned(),
            url: url.filter(|it| !it.is_empty()).cloned(),
        }
    }

    /// A root shard.
    pub fn root_shard(root: &RootShard) -> Self {
        let service = names::root_shard_server(&root.name_any());
        Self::new(root, service, root.spec.common.shard_base_url.as_ref())
    }

    /// A shard.
    pub fn shard(shard: &Shard, root: &RootShard) -> Self {
        let common = &shard.spec.common;
        let service = names::shard_server(&shard.name_any());
        let server = Self::new(root, service, common.shard_base_url.as_ref());
        match common.cluster_domain.clone().filter(|it| !it.is_empty()) {
            Some(domain) => Self { domain, ..server },
            None => server,
        }
    }

    /// The internal proxy, behind which every workspace is.
    pub fn proxy(root: &RootShard) -> Self {
        Self::new(root, names::root_shard_proxy(&root.name_any()), None)
    }

    /// The name that its certificate has.
    pub fn host(&self) -> String {
        names::service_host(&self.service, &self.namespace, Some(&self.domain))
    }

    /// Its URL: by a template with `{service}`, `{namespace}` and `{domain}`, else its own, else
    /// that of its Service.
    pub fn url(&self, template: Option<&str>) -> String {
        match (template, &self.url) {
            (Some(template), _) => template
                .replace("{service}", &self.service)
                .replace("{namespace}", &self.namespace)
                .replace("{domain}", &self.domain),
            (None, Some(url)) => url.trim_end_matches('/').to_owned(),
            (None, None) => format!("https://{}:{}", self.host(), names::SERVER_PORT),
        }
    }
}

/// The Secret of a root shard with which its operator comes in.
pub fn operator_secret(root: &str) -> String {
    format!("{root}-kcp-operator")
}

/// A place in which a shard may be registered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Registration {
    /// The server.
    pub server: Server,
    /// The workspace.
    pub workspace: &'static str,
    /// The Secret with the certificate that may look there.
    pub identity: String,
}

/// Where a shard may be registered. All of them are to be looked into.
pub fn registrations(shard: &Shard, root: &RootShard) -> Vec<Registration> {
    let mut places = vec![Registration {
        server: Server::root_shard(root),
        workspace: ROOT,
        identity: operator_secret(&root.name_any()),
    }];
    let tag = shard.spec.common.image.as_ref().and_then(|it| it.tag.as_deref());
    let tag = tag.filter(|it| !it.is_empty());
    let version = tag.map_or(Some(KcpVersion::DEFAULT), KcpVersion::of_tag);
    // A tag that is no version is taken for the newest. It may still be an older build, which
    // registered in the root workspace, as did a shard before it was brought to this version.
    if version.is_none_or(|it| it >= SHARDS_REGISTER_THEMSELVES) {
        // The operator of kcp is let into every workspace, but not into a shard's own affairs.
        let identity = format!("{}-client", shard.name_any());
        let server = Server::shard(shard, root);
        places.insert(0, Registration { server, workspace: SYSTEM_SHARD, identity });
    }
    places
}

/// Where the roles of a kubeconfig are bound.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Bindings {
    /// There.
    At(Server),
    /// There is no kcp any longer in which they could be.
    Gone,
    /// Nobody can say.
    Unknown(String),
}

/// The workspaces above a workspace, from the top, each with the name of the next one in it.
pub fn ancestors(workspace: &str) -> impl Iterator<Item = (&str, &str)> {
    workspace.match_indices(':').map(|(at, _)| {
        let below = &workspace[at + 1..];
        (&workspace[..at], below.split(':').next().unwrap_or(below))
    })
}

/// Finds the server at which the roles of a kubeconfig are bound: the internal proxy, whatever
/// the kubeconfig leads to, since a shard knows only those workspaces that are on it.
///
/// If its target is gone, the only root shard of the namespace leads there as well.
pub fn bindings(kubeconfig: &Kubeconfig, objects: &Objects) -> Bindings {
    let source = crate::render::Source::Kubeconfig(std::sync::Arc::new(kubeconfig.clone()));
    match objects.resolve(&source) {
        Ok(crate::render::Resolved::Kubeconfig { root, .. }) => Bindings::At(Server::proxy(&root)),
        Ok(_) => Bindings::Gone,
        Err(error) => {
            if let Some(Target::RootShard(_)) = kubeconfig.spec.target.named().first() {
                return Bindings::Gone;
            }
            let beside = |it: &&std::sync::Arc<RootShard>| it.namespace() == kubeconfig.namespace();
            let roots: Vec<_> = objects.root_shards.iter().filter(beside).collect();
            match roots.as_slice() {
                [] => Bindings::Gone,
                [root] => Bindings::At(Server::proxy(root)),
                _ => Bindings::Unknown(error.to_string()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;

    fn root(name: &str, domain: Option<&str>) -> RootShard {
        serde_json::from_value(json!({
            "metadata": { "name": name, "namespace": "demo" },
            "spec": {
                "external": { "hostname": "kcp.example.com", "port": 6443 }, "cache": {},
                "certificates": {}, "etcd": { "endpoints": [] }, "clusterDomain": domain,
            },
        }))
        .expect("a root shard")
    }

    fn shard(tag: Option<&str>, url: Option<&str>) -> Shard {
        serde_json::from_value(json!({
            "metadata": { "name": "one", "namespace": "demo" },
            "spec": {
                "rootShard": { "ref": { "name": "root" } }, "etcd": { "endpoints": [] },
                "image": { "tag": tag }, "shardBaseURL": url,
            },
        }))
        .expect("a shard")
    }

    #[test]
    fn a_shard_is_registered_where_its_version_keeps_it() {
        let places = |tag| -> Vec<(String, &str, String)> {
            let all = registrations(&shard(tag, None), &root("root", None));
            all.into_iter().map(|it| (it.server.service, it.workspace, it.identity)).collect()
        };
        let in_root = ("root-kcp".to_owned(), ROOT, "root-kcp-operator".to_owned());
        let in_itself = ("one-shard-kcp".to_owned(), SYSTEM_SHARD, "one-client".to_owned());
        for (tag, expected) in [
            (None, vec![in_root.clone()]),
            (Some(""), vec![in_root.clone()]),
            (Some("v0.31.0"), vec![in_root.clone()]),
            (Some("v0.32.9"), vec![in_root.clone()]),
            (Some("v0.33.0-rc.1"), vec![in_itself.clone(), in_root.clone()]),
            (Some("v0.34.1"), vec![in_itself.clone(), in_root.clone()]),
            (Some("main"), vec![in_itself, in_root]),
        ] {
            assert_eq!(places(tag), expected, "{tag:?}");
        }
    }

    #[test]
    fn a_workspace_is_in_those_above_it() {
        let above = |it| ancestors(it).collect::<Vec<_>>();
        assert_eq!(above("root"), []);
        assert_eq!(above("root:a"), [("root", "a")]);
        assert_eq!(above("root:a:b"), [("root", "a"), ("root:a", "b")]);
    }

    #[test]
    fn a_server_answers_at_its_service_unless_something_else_is_said() {
        let root = root("root", Some("corp.local"));
        let plain = Server::root_shard(&root);
        assert_eq!(plain.url(None), "https://root-kcp.demo.svc.corp.local:6443");
        assert_eq!(plain.url(Some("https://{service}.test:1")), "https://root-kcp.test:1");
        assert_eq!(Server::proxy(&root).host(), "root-proxy.demo.svc.corp.local");
        let own = Server::shard(&shard(None, Some("https://one.example.com:7443/")), &root);
        assert_eq!(own.url(None), "https://one.example.com:7443");
        assert_eq!(own.url(Some("https://127.0.0.1:1")), "https://127.0.0.1:1");
    }

    #[test]
    fn roles_are_found_also_when_their_target_is_gone() {
        let kubeconfig = |target: Value| -> Kubeconfig {
            serde_json::from_value(json!({
                "metadata": { "name": "k", "namespace": "demo" },
                "spec": { "target": target, "username": "u", "validity": "24h",
                          "secretRef": { "name": "s" } },
            }))
            .expect("a kubeconfig")
        };
        let objects = |roots: &[&str]| Objects {
            root_shards: roots.iter().map(|it| Arc::new(root(it, None))).collect(),
            shards: vec![Arc::new(shard(None, None))],
            ..Objects::default()
        };
        let service =
            |target: Value, roots: &[&str]| match bindings(&kubeconfig(target), &objects(roots)) {
                Bindings::At(server) => server.service,
                Bindings::Gone => "gone".to_owned(),
                Bindings::Unknown(_) => "unknown".to_owned(),
            };
        let named = |field: &str, name: &str| json!({ field: { "name": name } });
        assert_eq!(service(named("rootShardRef", "root"), &["root"]), "root-proxy");
        assert_eq!(service(named("shardRef", "one"), &["root"]), "root-proxy");
        assert_eq!(service(named("frontProxyRef", "lost"), &["root"]), "root-proxy");
        assert_eq!(service(named("frontProxyRef", "lost"), &["root", "b"]), "unknown");
        assert_eq!(service(named("frontProxyRef", "lost"), &[]), "gone");
        assert_eq!(service(named("rootShardRef", "lost"), &["root"]), "gone");
    }
}
