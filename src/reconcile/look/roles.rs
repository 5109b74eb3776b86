//! The roles of a Kubeconfig in kcp, granted and revoked.

use std::fmt::Write as _;

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
        let identity = kcp_target::operator_secret(&server.root);
        let Some(identity) = self.identity(&identity) else { return };
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
                if matches!(failure.code(), Some(403 | 404))
                    && self.worker.kcp.is_gone((&server, workspace), &identity).await == Ok(true)
                {
                    // What was bound in it went with it.
                    if !roles.is_empty() {
                        let message = format!(
                            "kcp has no workspace `{workspace}`; create it, or name another"
                        );
                        let reason = "InvalidReference";
                        self.problems.push(Problem { reason, message, retry: true });
                    }
                    return;
                }
                let host = server.host();
                let mut message = format!(
                    "roles in the workspace `{workspace}` of kcp at {host} were not changed: {failure}"
                );
                if self.source.metadata.deletion_timestamp.is_some() {
                    let _ = write!(
                        message,
                        "; if that kcp or workspace is gone for good, remove the finalizer `{}`",
                        access::FINALIZER
                    );
                }
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
