//! What is to be done before a source may go.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;

use kube::ResourceExt;

use super::{Did, Look, Problem, SHARD_FINALIZER};
use crate::api::{self, Kind};
use crate::reconcile::access;
use crate::reconcile::kcp_target;
use crate::reconcile::kinds::Watched;
use crate::render::Source;

impl Look<'_> {
    pub(super) async fn leave(&mut self, source: Option<Source>) {
        let objects = self.world.objects(&self.key.namespace);
        match (self.key.kind, source) {
            (Kind::Shard, Some(Source::Shard(shard))) if self.has_finalizer(SHARD_FINALIZER) => {
                let root = shard.root_shard_name().and_then(|name| {
                    let fits = |it: &&Arc<api::RootShard>| {
                        it.name_any() == name && it.metadata.deletion_timestamp.is_none()
                    };
                    objects.root_shards.iter().find(fits).cloned()
                });
                // Without a root shard there is no kcp that could remember this one.
                if let Some(root) = root
                    && !self.deregister(&shard, &root).await
                {
                    return;
                }
                self.release(SHARD_FINALIZER).await;
            }
            (Kind::Kubeconfig, Some(Source::Kubeconfig(kubeconfig))) => {
                self.grant(&kubeconfig, &objects).await;
            }
            (_, None) => {
                let finalizers = [SHARD_FINALIZER, access::FINALIZER];
                if let Some(held) = finalizers.into_iter().find(|it| self.has_finalizer(it)) {
                    let message = format!(
                        "the object cannot be read, so nobody knows what to take back in kcp; \
                         correct it, or remove the finalizer `{held}`"
                    );
                    self.problems.push(Problem::waits("InvalidSpec", message));
                }
            }
            _ => {}
        }
    }

    async fn deregister(&mut self, shard: &api::Shard, root: &api::RootShard) -> bool {
        for registration in kcp_target::registrations(shard, root) {
            let kcp_target::Registration { server, workspace, identity } = registration;
            let Some(identity) = self.identity(&identity) else { return false };
            if self.worker.dry_run {
                continue;
            }
            let name = self.key.name.as_str();
            match self.worker.kcp.deregister(&server, workspace, &identity, name).await {
                Ok(removed) => {
                    if removed {
                        let what = format!("registration of the shard in `{workspace}`");
                        self.report.did.push(Did { verb: "removed", what });
                    }
                }
                Err(failure) => {
                    let message = format!(
                        "kcp at {} was not told that the shard is gone: {failure}; if that server \
                         is gone too, remove the finalizer `{SHARD_FINALIZER}`, and what is left \
                         with `kcpctl cache prune`",
                        server.host()
                    );
                    self.problems.push(Problem { reason: "KcpUnreachable", message, retry: true });
                    return false;
                }
            }
        }
        true
    }

    /// The certificate with which kcp is talked to.
    pub(super) fn identity(&mut self, name: &str) -> Option<Arc<Secret>> {
        let live = self.world.get(Watched::Secret, &self.key.namespace, name);
        let secret = live.and_then(|it| it.secret()).cloned();
        if secret.is_none() {
            let message = format!("the Secret `{name}`, with which kcp is talked to, is not there");
            self.problems.push(Problem::waits("WaitingForSecret", message));
        }
        secret
    }
}
