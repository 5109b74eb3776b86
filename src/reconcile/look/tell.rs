//! What a look has found, as status, conditions and events.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::{Changed, End, Look, PROBLEMS_SHOWN, Problem, Report};
use crate::api;
use crate::reconcile::kinds::Watched;
use crate::reconcile::live::Owner;
use crate::reconcile::plan;
use crate::reconcile::source;
use crate::reconcile::status::{self, Facts, Said};
use crate::render::{Rendered, Resolved};

impl Look<'_> {
    pub(super) fn describe(
        &self,
        resolved: &Resolved,
        rendered: &Rendered,
        ready: bool,
        facts: &mut Facts,
    ) {
        match resolved {
            Resolved::RootShard { shards, .. } => facts.shards = Some(shards.clone()),
            Resolved::CacheServer { server } => {
                let service = api::names::cache_server(&self.key.name);
                let domain = server.spec.cluster_domain.as_deref();
                let host = api::names::service_host(&service, &self.key.namespace, domain);
                facts.address = Some(format!("https://{host}:{}", api::names::SERVER_PORT));
                facts.expiry = self.first_expiry(rendered);
            }
            Resolved::Kubeconfig { kubeconfig, .. } => {
                let certificate = rendered.certificates().next().map(ResourceExt::name_any);
                let secret = &kubeconfig.spec.secret_ref.name;
                let live = self.world.get(Watched::Secret, &self.key.namespace, secret);
                let written = live.is_some_and(|it| match it.owner(self.key, &self.uid) {
                    Owner::Source => true,
                    Owner::Nobody => plan::is_written_by_operator(it),
                    _ => false,
                });
                facts.available = status::kubeconfig_secret(
                    &certificate.unwrap_or_default(),
                    ready,
                    &rendered.waiting,
                    written,
                );
            }
            _ => {}
        }
    }

    fn first_expiry(&self, rendered: &Rendered) -> Option<Time> {
        let ends = rendered.certificates().filter_map(|it| {
            let name = it.name_any();
            let live = self.world.get(Watched::Certificate, &self.key.namespace, &name)?;
            let end = live.at("/status/notAfter")?;
            serde_json::from_value::<Time>(end.clone()).ok()
        });
        ends.min_by_key(|it| it.0)
    }

    pub(super) async fn finish(mut self, mut facts: Facts) -> Report {
        facts.reconciled = self.reconciled();
        if let Some(name) = source::deployment(self.key) {
            let live = self.world.get(Watched::Deployment, &self.key.namespace, &name);
            let tree = live.map(|it| it.tree(Watched::Deployment));
            let waits = (!facts.reconciled.holds).then_some(facts.reconciled.message.as_str());
            facts.available = match &tree {
                Some(_) if self.worker.without_pods => status::no_workloads(&name),
                _ => status::deployment(&name, tree.as_ref(), waits),
            };
        } else if facts.available.message.is_empty() {
            let reconciled = &facts.reconciled;
            facts.available =
                Said::no("ClientCertificateSecretNotReady", reconciled.message.clone());
        }
        let gone =
            matches!(self.report.changed.last(), Some(Changed::Gone(Watched::Source(_), ..)));
        if !self.worker.dry_run && !gone {
            self.write_status(&facts).await;
        }
        self.report.end = match (facts.reconciled.holds, self.problems.iter().any(|it| it.retry)) {
            (_, true) => End::Failed(self.reconciled().message),
            (true, false) => End::Settled,
            (false, false) => End::Waiting(facts.reconciled.message),
        };
        if !self.worker.dry_run {
            self.worker.events.did(self.key, &self.uid, &self.report.did).await;
        }
        self.report
    }

    fn reconciled(&self) -> Said {
        // What somebody has to mend is told before what time will mend.
        let rank = |it: &Problem| match it.reason {
            "WaitingForCertificates" | "WaitingForMounts" | "WaitingForSecret" => 2,
            _ if it.retry => 1,
            _ => 0,
        };
        let mut problems: Vec<&Problem> = self.problems.iter().collect();
        problems.sort_by_key(|it| rank(it));
        let Some(first) = problems.first() else {
            return Said::yes("Applied", "everything is applied");
        };
        let mut message: Vec<String> =
            problems.iter().take(PROBLEMS_SHOWN).map(|it| it.message.clone()).collect();
        if problems.len() > PROBLEMS_SHOWN {
            message.push(format!("and {} more", problems.len() - PROBLEMS_SHOWN));
        }
        Said::no(first.reason, message.join("; "))
    }

    async fn write_status(&mut self, facts: &Facts) {
        let old = self.source.at("/status").cloned().unwrap_or(Value::Null);
        let now = Time(Timestamp::now());
        // The API keeps whole seconds.
        let now: Time = serde_json::from_value(json!(now)).unwrap_or(now);
        let new = status::next(self.key.kind, &old, facts, &now);
        if new == old {
            return;
        }
        let turns = status::turns(&old, &new);
        let patch = json!({
            "metadata": { "resourceVersion": self.source.revision() },
            "status": new,
        });
        let before = self.source.revision().to_owned();
        // A definition that knows none of these fields drops them: then nothing has turned.
        if self.patch_source(&patch, true).await && self.source.revision() != before {
            self.worker.events.turned(self.key, &self.uid, &turns).await;
        }
    }
}
