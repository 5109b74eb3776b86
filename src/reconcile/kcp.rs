//! Requests to kcp itself, as its operator.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::config::AuthInfo;
use kube::{Client, Config};
use parking_lot::Mutex;

use super::access::{self, Changes};
use super::cluster::{Failure, patiently};
use super::kcp_target::{self, Server};
use super::kinds;
use crate::client::cluster::FIELD_MANAGER;
use crate::pki;

/// The way into kcp: clients by server and workspace, each as good as the certificate that it
/// was made with.
pub(super) struct Kcp {
    template: Option<String>,
    clients: Mutex<HashMap<String, (String, Client)>>,
}

impl Kcp {
    pub(super) fn new(template: Option<String>) -> Self {
        Self { template, clients: Mutex::default() }
    }

    fn client(
        &self,
        server: &Server,
        workspace: &str,
        identity: &Secret,
    ) -> Result<Client, Failure> {
        let url = format!("{}/clusters/{workspace}", server.url(self.template.as_deref()));
        let revision = identity.metadata.resource_version.clone().unwrap_or_default();
        let mut clients = self.clients.lock();
        if let Some((made_with, client)) = clients.get(&url)
            && *made_with == revision
        {
            return Ok(client.clone());
        }
        let client = connect(&url, server, identity)?;
        clients.insert(url, (revision, client.clone()));
        Ok(client)
    }

    /// Deletes a shard's registration. One that is gone is no failure.
    pub(super) async fn deregister(
        &self,
        server: &Server,
        workspace: &str,
        identity: &Secret,
        shard: &str,
    ) -> Result<bool, Failure> {
        let client = self.client(server, workspace, identity)?;
        let resource = kinds::resource("core.kcp.io", "v1alpha1", "Shard", "shards");
        let shards: Api<DynamicObject> = Api::all_with(client, &resource);
        let deleted = async {
            match shards.delete(shard, &DeleteParams::default()).await {
                Ok(_) => Ok(true),
                Err(error) if is_absent(&error, shard) => Ok(false),
                Err(error) => Err(error),
            }
        };
        patiently(deleted).await
    }

    /// Whether a workspace is not there. kcp itself does not say so: it forbids what it does not
    /// know. So it is looked for in the workspaces above it, as far as they are there.
    pub(super) async fn is_gone(
        &self,
        (server, workspace): (&Server, &str),
        identity: &Secret,
    ) -> Result<bool, Failure> {
        let resource = kinds::resource("tenancy.kcp.io", "v1alpha1", "Workspace", "workspaces");
        for (parent, name) in kcp_target::ancestors(workspace) {
            let client = self.client(server, parent, identity)?;
            let workspaces: Api<DynamicObject> = Api::all_with(client, &resource);
            let found = async {
                match workspaces.get(name).await {
                    Ok(_) => Ok(true),
                    Err(error) if is_absent(&error, name) => Ok(false),
                    Err(error) => Err(error),
                }
            };
            if !patiently(found).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Makes the bindings of a kubeconfig what its roles ask for; none without roles. Says what
    /// it did.
    pub(super) async fn bind(
        &self,
        (server, workspace): (&Server, &str),
        identity: &Secret,
        (uid, name): (&str, &str),
        roles: &[String],
    ) -> Result<Changes, Failure> {
        let client = self.client(server, workspace, identity)?;
        let bindings: Api<ClusterRoleBinding> = Api::all(client);
        let ours = ListParams::default().labels(&format!("{}={uid}", access::LABEL));
        let there = patiently(bindings.list(&ours)).await?;
        let changes = access::changes(uid, name, roles, &there.items);
        for name in &changes.delete {
            match patiently(bindings.delete(name, &DeleteParams::default())).await {
                Ok(_) => {}
                Err(failure) if failure.code() == Some(404) => {}
                Err(failure) => return Err(failure),
            }
        }
        for binding in &changes.apply {
            let name = binding.metadata.name.as_deref().unwrap_or_default();
            let params = PatchParams::apply(FIELD_MANAGER).force();
            patiently(bindings.patch(name, &params, &Patch::Apply(binding))).await?;
        }
        Ok(changes)
    }
}

/// Whether an answer says that just this object is not there. A kcp that is starting says 404 to
/// everything that it does not serve yet.
fn is_absent(error: &kube::Error, name: &str) -> bool {
    let kube::Error::Api(status) = error else { return false };
    status.code == 404 && status.details.as_ref().is_some_and(|it| it.name == name)
}

fn connect(url: &str, server: &Server, identity: &Secret) -> Result<Client, Failure> {
    let name = identity.metadata.name.as_deref().unwrap_or_default();
    let value = |key: &str| {
        let data = identity.data.as_ref().and_then(|it| it.get(key));
        data.map(|it| it.0.as_slice())
            .filter(|it| !it.is_empty())
            .ok_or_else(|| Failure::Lost(format!("the Secret `{name}` has no key `{key}`")))
    };
    let broken = |key: &str, why: &dyn std::fmt::Display| {
        Failure::Lost(format!("`{key}` of the Secret `{name}`: {why}"))
    };
    let ca = std::str::from_utf8(value("ca.crt")?).map_err(|error| broken("ca.crt", &error))?;
    let ca = pki::pem::certificates(ca).map_err(|error| broken("ca.crt", &error))?;
    let uri = url.parse().map_err(|error| Failure::Lost(format!("`{url}` is no URL: {error}")))?;
    let mut config = Config::new(uri);
    config.root_cert = Some(ca.iter().map(|it| it.to_vec()).collect());
    // The certificate names the Service, whichever way leads to it.
    config.tls_server_name = server.url.is_none().then(|| server.host());
    config.auth_info = AuthInfo {
        client_certificate_data: Some(STANDARD.encode(value("tls.crt")?)),
        client_key_data: Some(STANDARD.encode(value("tls.key")?).into()),
        ..AuthInfo::default()
    };
    Client::try_from(config).map_err(Failure::from)
}
