//! Making what a source asks for, stage by stage.

use std::collections::BTreeSet;

use kube::ResourceExt;

use super::{Look, Problem, SHARD_FINALIZER};
use crate::api::{Certificate, Kind};
use crate::reconcile::cache_move;
use crate::reconcile::kinds::Watched;
use crate::reconcile::live::{Live, Owner};
use crate::reconcile::plan;
use crate::reconcile::source;
use crate::reconcile::status::{self, Facts};
use crate::render::{self, Absence, Item, Rendered, Resolved, Source, Stage};

impl Look<'_> {
    pub(super) async fn make(&mut self, source: &Source, facts: &mut Facts) {
        if self.key.kind == Kind::Shard {
            self.hold(SHARD_FINALIZER).await;
        }
        let objects = self.world.objects(&self.key.namespace);
        if let Source::Kubeconfig(kubeconfig) = source {
            let target = kubeconfig.spec.target.named().first().copied();
            facts.target = Some(status::target_name(target));
        }
        let resolved = objects.resolve(source);
        facts.reference = Some(status::reference(
            self.key.kind,
            resolved.as_ref().map(|_| ()).map_err(ToString::to_string),
        ));
        match resolved {
            Ok(resolved) => self.make_resolved(source, &resolved, facts).await,
            Err(error) => {
                let code = match error {
                    render::Unresolved::NoReference { .. } => "KCP0007",
                    _ => "KCP0008",
                };
                let message = format!("{code} {error}; create it, or name another");
                self.problems.push(Problem::waits("InvalidReference", message));
            }
        }
        if let Source::Kubeconfig(kubeconfig) = source {
            self.grant(kubeconfig, &objects).await;
        }
    }

    /// Judges the CAs that users bring. Says whether what is made of them can be used.
    fn judge_bundles(&mut self, source: &Source) -> bool {
        let mut usable = true;
        for (path, name) in source::bundles(source) {
            let live = self.world.get(Watched::Secret, &self.key.namespace, name);
            let data = live.and_then(|it| it.secret()).and_then(|it| it.data.as_ref());
            // What is missing is told by what waits for it.
            let Some(text) = data.and_then(|it| it.get("tls.crt")) else { continue };
            if let Some(why) = source::broken_bundle(&text.0) {
                let message =
                    format!("{path}: `tls.crt` of the Secret `{name}`: {why}; correct the Secret");
                self.problems.push(Problem::waits("InvalidSecret", message));
                usable = false;
            }
        }
        usable
    }

    async fn make_resolved(&mut self, source: &Source, resolved: &Resolved, facts: &mut Facts) {
        let rendered = self.render(resolved);
        if !self.worker.adopt && self.is_made_by_operator(&rendered) {
            // Also what it gave the source itself, such as Certificates: whoever writes a Secret
            // of its servers rolls their pods.
            let message =
                "what was made of it belongs to kcp-operator; take it over with `--adopt`";
            self.problems.push(Problem::waits("OwnedByOther", message.to_owned()));
            let ready = self.unready(&rendered).is_empty();
            self.describe(resolved, &rendered, ready, facts);
            return;
        }
        self.apply_stage(&rendered, Stage::Pki, resolved).await;
        let unready = self.unready(&rendered);
        let is_kubeconfig = self.key.kind == Kind::Kubeconfig;
        if !self.judge_bundles(source) {
            // Servers go on with what they have.
            self.describe(resolved, &rendered, unready.is_empty(), facts);
            return;
        }
        // A kubeconfig with an old certificate would soon be written again.
        if !is_kubeconfig || unready.is_empty() {
            self.apply_stage(&rendered, Stage::Config, resolved).await;
        }
        for waiting in &rendered.waiting {
            let (reason, hint) = match waiting.absence {
                Absence::NoSecret => ("WaitingForSecret", ""),
                Absence::NoKey | Absence::NotPem(_) => ("InvalidSecret", "; correct the Secret"),
            };
            self.problems.push(Problem::waits(reason, format!("{waiting}{hint}")));
        }
        if unready.is_empty() {
            // What was just made is mounted, and its revision is part of the pods.
            let again = self.render(resolved);
            self.apply_stage(&again, Stage::Workload, resolved).await;
        } else {
            let message = format!("Certificates that are not ready: {}", unready.join(", "));
            self.problems.push(Problem::waits("WaitingForCertificates", message));
        }
        let mut keep: BTreeSet<(Watched, String)> =
            rendered.items.iter().map(|it| (Watched::of(it), it.name().to_owned())).collect();
        keep.extend(rendered.waiting.iter().map(|it| (Watched::Secret, it.secret.clone())));
        if is_kubeconfig {
            let names: Vec<_> =
                rendered.certificates().map(|it| it.spec.secret_name.clone()).collect();
            for name in names {
                self.own_secret(&name).await;
                keep.insert((Watched::Secret, name));
            }
        }
        if self.worker.adopt {
            self.adopt().await;
        }
        if !self.problems.iter().any(|it| it.retry) {
            self.collect(&keep).await;
        }
        self.describe(resolved, &rendered, unready.is_empty(), facts);
    }

    /// Whether something that was made of the source belongs to its Compiled object, or to
    /// nobody: what is made of a Kubeconfig has no owner there.
    fn is_made_by_operator(&self, rendered: &Rendered) -> bool {
        let owner = |live: &Live| live.owner(self.key, &self.uid);
        let namespace = &self.key.namespace;
        let belongs = Watched::ALL.into_iter().filter(|it| it.is_made()).any(|watched| {
            let mut made = self.world.list(watched, namespace);
            made.any(|live| matches!(owner(live), Owner::Compiled { .. }))
        });
        belongs
            || rendered.items.iter().any(|item| {
                let live = self.world.get(Watched::of(item), namespace, item.name());
                live.is_some_and(|it| {
                    owner(it) == Owner::Nobody && plan::is_written_by_operator(it)
                })
            })
    }

    fn render(&self, resolved: &Resolved) -> Rendered {
        render::render(resolved, &self.world.observed(&self.key.namespace))
    }

    async fn apply_stage(&mut self, rendered: &Rendered, stage: Stage, resolved: &Resolved) {
        for item in rendered.stage(stage) {
            if let Item::Deployment(deployment) = item
                && let Some(problem) = self.hinders(deployment, resolved)
            {
                self.problems.push(problem);
                continue;
            }
            self.apply_item(item).await;
        }
    }

    /// What speaks against a Deployment now.
    fn hinders(
        &self,
        deployment: &k8s_openapi::api::apps::v1::Deployment,
        resolved: &Resolved,
    ) -> Option<Problem> {
        let name = deployment.name_any();
        let namespace = &self.key.namespace;
        let mounts = render::mounts(deployment);
        let absent =
            |watched: Watched, name: &str| self.world.get(watched, namespace, name).is_none();
        let secrets = mounts.secrets.iter().map(|it| (Watched::Secret, it));
        let maps = mounts.config_maps.iter().map(|it| (Watched::ConfigMap, it));
        let missing: Vec<String> = secrets
            .chain(maps)
            .filter(|(watched, (name, mount))| !mount.optional && absent(*watched, name))
            .map(|(watched, (name, _))| format!("the {} `{name}`", watched.kind()))
            .collect();
        if !missing.is_empty() {
            let message = format!("the Deployment `{name}` waits for {}", missing.join(", "));
            return Some(Problem::waits("WaitingForMounts", message));
        }
        let live = self.world.get(Watched::Deployment, namespace, &name)?;
        if !matches!(resolved, Resolved::RootShard { .. } | Resolved::Shard { .. })
            || source::deployment(self.key).as_deref() != Some(name.as_str())
        {
            return None;
        }
        let objects = self.world.objects(namespace);
        let find = |name: &str| {
            objects.cache_servers.iter().find(|it| it.name_any() == name).map(|it| &**it)
        };
        let annotations = self.source.metadata.annotations.as_ref();
        let allowed = annotations.and_then(|it| it.get(cache_move::ALLOW_ANNOTATION));
        let body = live.body();
        cache_move::judge(&body, deployment, allowed.map(String::as_str), find)
            .err()
            .map(|error| Problem::waits("EmptyCache", error.to_string()))
    }

    /// The Certificates that are not in their Secrets yet.
    fn unready(&self, rendered: &Rendered) -> Vec<String> {
        let namespace = &self.key.namespace;
        let is_ready = |name: &str| {
            let live = self.world.get(Watched::Certificate, namespace, name)?;
            let tree = live.tree(Watched::Certificate);
            serde_json::from_value::<Certificate>(tree).ok().map(|it| it.is_ready())
        };
        let names = rendered.certificates().map(ResourceExt::name_any);
        names.filter(|it| is_ready(it) != Some(true)).collect()
    }
}
