//! A Kubeconfig: a client certificate, and the Secret with which a user comes in.

use kube::ResourceExt;

use super::bundle::{CERTIFICATE, KEY, read, secret};
use super::cache_server;
use super::certificates::{self, Leaf, Pki};
use super::front_proxy::split_port;
use super::names;
use super::owner::{Labels, Owner, labels};
use super::{Absence, Item, KubeconfigServer, Observed, Rendered, Waiting};
use crate::api::{
    self, CacheServer, CertificateTemplates, FrontProxy, RootShard, names::SERVER_PORT,
};
use crate::kubeconfig::{Cluster, Context, Credential, KUBECONFIG_KEY, Kubeconfig, User};
use crate::pki;

/// The context that opens the workspace.
const DEFAULT: &str = "default";
/// The context without a workspace.
const BASE: &str = "base";
/// The same, under the name that kcp itself looks for.
const SHARD_BASE: &str = "shard-base";
/// The workspace that is opened unless another is named.
const ROOT: &str = "root";

pub(super) fn render(
    kubeconfig: &api::Kubeconfig,
    root: &RootShard,
    server: &KubeconfigServer,
    observed: &Observed,
) -> Rendered {
    let mut rendered = Rendered::default();
    let owner = Owner::of(kubeconfig);
    let this = Access { kubeconfig, server, entrance: Entrance::of(server, root), owner: &owner };
    rendered.add([this.certificate()]);
    match this.secret(observed) {
        Ok(secret) => rendered.add([secret]),
        Err(waiting) => rendered.waiting.extend(waiting),
    }
    rendered.finish()
}

struct Access<'a> {
    kubeconfig: &'a api::Kubeconfig,
    server: &'a KubeconfigServer,
    entrance: Entrance,
    owner: &'a Owner,
}

/// How users come into a server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entrance {
    /// Where they come in, without a workspace.
    pub url: String,
    /// The Secret with the CA that signs for them.
    pub client_ca: String,
    /// The Secrets whose certificates vouch for the server.
    pub server_cas: Vec<String>,
    /// The Secret with the server's own certificate.
    pub serving: String,
}

impl Entrance {
    /// Into a server of the installation of a root shard.
    pub fn of(server: &KubeconfigServer, root: &RootShard) -> Self {
        let root_name = root.name_any();
        let mut server_cas = vec![format!("{root_name}-server-ca")];
        let (url, serving) = match server {
            KubeconfigServer::RootShard => (names::root_shard_url(root), root_name.clone()),
            KubeconfigServer::Shard(shard) => (names::shard_url(shard), shard.name_any()),
            KubeconfigServer::FrontProxy(proxy) => {
                let users = names::named(proxy.spec.ca_bundle_secret_ref.as_ref());
                server_cas.extend(users.map(str::to_owned));
                (front_proxy_url(proxy, root), format!("{root_name}-{}", proxy.name_any()))
            }
        };
        Self {
            url,
            client_ca: format!("{root_name}-client-ca"),
            server_cas,
            serving: format!("{serving}-server"),
        }
    }

    /// Into a cache server, as the cluster that it is in reaches it.
    pub fn of_cache(server: &CacheServer) -> Self {
        let ca = names::cache_server_ca(server);
        Self {
            url: format!("https://{}:{SERVER_PORT}", cache_server::host(server)),
            client_ca: ca.clone(),
            server_cas: vec![ca],
            serving: format!("{}-server", server.name_any()),
        }
    }
}

impl Access<'_> {
    fn certificate_name(&self) -> String {
        format!("kubeconfig-cert-{}", self.owner.name)
    }

    fn certificate(&self) -> Item {
        let spec = &self.kubeconfig.spec;
        let name = &self.owner.name;
        let templates: Option<CertificateTemplates> =
            spec.certificate_template.as_ref().map(|it| [(name.clone(), it.clone())].into());
        let pki = Pki {
            owner: self.owner,
            labels: self.owner.labels.clone(),
            secret_labels: labels([(names::KUBECONFIG, name)]),
            templates: templates.as_ref(),
        };
        // The group by which roles are bound to this user alone.
        let own_group = format!("kubeconfig:{name}");
        let groups = spec.groups.iter().cloned().chain([own_group]);
        let leaf = Leaf {
            issuer: self.entrance.client_ca.clone(),
            common_name: Some(spec.username.clone()),
            organizations: names::sorted(groups),
            usages: certificates::CLIENT,
            duration: Some(spec.validity.canonical()),
            ..Leaf::default()
        };
        pki.leaf(name, self.certificate_name(), leaf).into()
    }

    /// The Secret, or everything that is missing for it.
    fn secret(&self, observed: &Observed) -> Result<Item, Vec<Waiting>> {
        let name = &self.kubeconfig.spec.secret_ref.name;
        let mut waiting = Vec::new();
        let mut text = |needs: &str, key: &str, are_certificates: bool| {
            let found = read(observed, needs, key).and_then(|it| text(it, are_certificates));
            found
                .map_err(|absence| {
                    let (secret, needs) = (name.clone(), needs.to_owned());
                    waiting.push(Waiting { secret, needs, key: key.to_owned(), absence });
                })
                .ok()
        };
        let certificate = self.certificate_name();
        let client = text(&certificate, CERTIFICATE, false);
        let key = text(&certificate, KEY, false);
        let cas: Vec<_> =
            self.entrance.server_cas.iter().map(|it| text(it, CERTIFICATE, true)).collect();
        let (Some(client), Some(key), Some(cas)) =
            (client, key, cas.into_iter().collect::<Option<Vec<_>>>())
        else {
            return Err(waiting);
        };
        let cas = cas.into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join("\n");
        let document = self.document(&cas, client, key).to_yaml();
        let (name, labels) = (name.clone(), Labels::new());
        Ok(secret(self.owner, name, labels, KUBECONFIG_KEY, document.into_bytes()).into())
    }

    fn document(&self, cas: &str, cert: String, key: String) -> Kubeconfig {
        let spec = &self.kubeconfig.spec;
        let base = self.entrance.url.clone();
        let workspace = spec.target_workspace.as_deref().filter(|it| !it.is_empty());
        let workspace = workspace.unwrap_or(ROOT);
        let default = format!("{}/clusters/{workspace}", base.trim_end_matches('/'));
        let cluster = |name: &str, server: String| Cluster {
            name: name.to_owned(),
            server,
            ca: Credential::Inline(cas.to_owned()),
        };
        let context = |name: &str, cluster: &str| Context {
            name: name.to_owned(),
            cluster: cluster.to_owned(),
            user: spec.username.clone(),
        };
        let mut contexts = vec![context(BASE, BASE), context(DEFAULT, DEFAULT)];
        if !matches!(self.server, KubeconfigServer::FrontProxy(_)) {
            contexts.push(context(SHARD_BASE, BASE));
        }
        Kubeconfig {
            clusters: vec![cluster(BASE, base), cluster(DEFAULT, default)],
            contexts,
            current_context: DEFAULT.to_owned(),
            users: vec![User {
                name: spec.username.clone(),
                cert: Credential::Inline(cert),
                key: Credential::Inline(key),
            }],
        }
    }
}

/// The URL of users at a front-proxy.
fn front_proxy_url(proxy: &FrontProxy, root: &RootShard) -> String {
    if let Some(own) = proxy.spec.external.as_ref().filter(|it| !it.hostname.is_empty()) {
        return names::external_url(own);
    }
    match proxy.spec.external_hostname.as_deref().filter(|it| !it.is_empty()) {
        Some(host) if split_port(host).is_some() => format!("https://{host}"),
        Some(host) => format!("https://{host}:{SERVER_PORT}"),
        None => names::external_url(&root.spec.external),
    }
}

/// A value as text; of CAs nothing but certificates will do, since every client would stumble.
fn text(value: &[u8], are_certificates: bool) -> Result<String, Absence> {
    let not_pem = |reason: String| Absence::NotPem(reason);
    let text = std::str::from_utf8(value).map_err(|_| not_pem("it is no text".to_owned()))?;
    if are_certificates && !text.is_empty() {
        for block in pki::pem::blocks(text).map_err(|error| not_pem(error.to_string()))? {
            if block.label != pki::pem::CERTIFICATE {
                let line = block.line;
                return Err(not_pem(format!("line {line}: a `{}` is no certificate", block.label)));
            }
        }
        pki::Certificate::from_pem(text).map_err(|error| not_pem(error.to_string()))?;
    }
    Ok(text.to_owned())
}
