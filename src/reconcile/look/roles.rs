//! The roles of a Kubeconfig in kcp, granted and revoked.

use serde_json::{Value, json};

use super::{ACCESS_STEPS, Did, Look, Problem};
use crate::api;
use crate::reconcile::access::{self, Step};
use crate::reconcile::kcp_target::{self, Bindings};
use crate::render;

impl Look<'_> {
    pub(super) async fn grant(&mut self, kubeconfig: &api::Kubeconfig, objects: &render::Objects) {
        if self.worker.dry_run {
            return;
        }
        for _ in 0..ACCESS_STEPS {
            let wanted = access::workspace(&kubeconfig.spec).map(str::to_owned);
            let provisioned = self.source.at("/status/authorization/provisionedCluster");
            let provisioned = provisioned.and_then(Value::as_str).map(str::to_owned);
            let state = access::State {
                deleting: self.source.metadata.deletion_timestamp.is_some(),
                finalizer: self.has_finalizer(access::FINALIZER),
                provisioned: provisioned.as_deref(),
                wanted: wanted.as_deref(),
            };
            let before = self.problems.len();
            match access::next(state) {
                Step::Nothing => return,
                Step::AddFinalizer => self.hold(access::FINALIZER).await,
                Step::RemoveFinalizer => self.release(access::FINALIZER).await,
                Step::Remember(workspace) => self.remember_workspace(Some(workspace)).await,
                Step::Revoke(workspace) => {
                    self.bind(kubeconfig, objects, workspace, &[]).await;
                    if self.problems.len() == before {
                        self.remember_workspace(None).await;
                    }
                }
                Step::Bind(workspace) => {
                    let authorization = kubeconfig.spec.authorization.as_ref();
                    let roles =
                        authorization.map(|it| it.cluster_role_bindings.cluster_roles.as_slice());
                    self.bind(kubeconfig, objects, workspace, roles.unwrap_or_default()).await;
                    return;
                }
            }
            if self.problems.len() > before {
                return;
            }
        }
    }

    async fn bind(
        &mut self,
        kubeconfig: &api::Kubeconfig,
        objects: &render::Objects,
        workspace: &str,
        roles: &[String],
    ) {
        let server = match kcp_target::bindings(kubeconfig, objects) {
            Bindings::At(server) => server,
            // With kcp went everything that was bound in it.
            Bindings::Gone => return,
            Bindings::Unknown(why) => {
                let message = format!(
                    "the roles in the workspace `{workspace}` cannot be taken back: {why}; create \
                     it again, or delete the bindings labelled `{}={}` and remove the finalizer \
                     `{}`",
                    access::LABEL,
                    self.uid,
                    access::FINALIZER
                );
                self.problems.push(Problem::waits("InvalidReference", message));
                return;
            }
        };
        let Some(identity) = self.identity(&server.root) else { return };
        let of = (self.uid.as_str(), self.key.name.as_str());
        match self.worker.kcp.bind((&server, workspace), &identity, of, roles).await {
            Ok(changes) => {
                let bound = changes.apply.iter().map(|it| ("bound", it.role_ref.name.clone()));
                let unbound = changes.delete.iter().map(|it| {
                    let role = it.split_once(':').map_or(it.as_str(), |it| it.1);
                    ("unbound", role.to_owned())
                });
                self.report.did.extend(bound.chain(unbound).map(|(verb, role)| Did {
                    verb,
                    what: format!("ClusterRole {role} in the workspace {workspace}"),
                }));
            }
            Err(failure) => {
                let host = server.host();
                let message = format!(
                    "roles in the workspace `{workspace}` of kcp at {host} were not changed: {failure}"
                );
                self.problems.push(Problem { reason: "KcpUnreachable", message, retry: true });
            }
        }
    }

    async fn remember_workspace(&mut self, workspace: Option<&str>) {
        let authorization = workspace.map(|it| json!({ "provisionedCluster": it }));
        let patch = json!({
            "metadata": { "resourceVersion": self.source.revision() },
            "status": { "authorization": authorization },
        });
        self.patch_source(&patch, true).await;
    }
}
