//! One look at one source: what it asks for is compared with what there is, and the difference
//! is applied.
//!
//! What is decided here is only the order. A step that fails does not stop the others of the
//! same stage, and whatever is in the way ends up in the condition `Reconciled`.

use std::collections::{BTreeSet, HashMap};

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::access::{self, Step};
use super::adopt;
use super::cache_move;
use super::cluster::{Cluster, Failure};
use super::events::Events;
use super::kcp::{self, Kcp};
use super::kcp_target::{self, Bindings};
use super::kinds::{self, Watched};
use super::live::{COMPILED, COMPILED_GROUP, Live, Owner, World};
use super::plan::{self, Remembered, Verdict};
use super::source::{self, SourceKey};
use super::status::{self, Facts, Said};
use crate::api::{self, Certificate, Kind};
use crate::render::{self, Absence, Item, Rendered, Resolved, Source, Stage};
use std::sync::Arc;

/// What holds a Shard up until kcp has forgotten it.
const SHARD_FINALIZER: &str = "operator.kcp.io/cleanup-shard";
/// How many problems a condition names; the rest is a number.
const PROBLEMS_SHOWN: usize = 4;
/// How many steps the roles of a kubeconfig can need in one look.
const ACCESS_STEPS: usize = 6;

/// What every look shares.
pub(super) struct Worker {
    pub(super) cluster: Cluster,
    pub(super) kcp: Kcp,
    pub(super) events: Events,
    pub(super) adopt: bool,
    pub(super) dry_run: bool,
    memory: Mutex<HashMap<(Watched, String, String), Remembered>>,
    /// The uids of sources whose Compiled object is known to be gone.
    adopted: Mutex<BTreeSet<String>>,
}

/// Something that was done, for people.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Did {
    /// Such as `created`.
    pub verb: &'static str,
    /// Such as `Service root-kcp`.
    pub what: String,
}

/// How a look ended.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum End {
    /// Everything is as it should be.
    #[default]
    Settled,
    /// Something has to change first, which will be seen.
    Waiting(String),
    /// Something failed that may go well another time.
    Failed(String),
}

/// What a look has to tell.
#[derive(Debug, Default)]
pub struct Report {
    /// What was done.
    pub did: Vec<Did>,
    /// How it ended.
    pub end: End,
    /// What became of objects.
    pub(super) changed: Vec<Changed>,
}

/// What became of an object.
#[derive(Debug)]
pub(super) enum Changed {
    Put(Watched, Box<Live>),
    Gone(Watched, String, String),
}

/// Something in the way.
#[derive(Clone, Debug)]
struct Problem {
    reason: &'static str,
    message: String,
    /// Whether another try may help, though nothing has changed.
    retry: bool,
}

impl Problem {
    fn waits(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), retry: false }
    }

    fn failed(what: &str, failure: &Failure) -> Self {
        let hint = failure.hint();
        let hint = if hint.is_empty() { String::new() } else { format!("; {hint}") };
        Self { reason: failure.reason(), message: format!("{what}: {failure}{hint}"), retry: true }
    }
}

impl Worker {
    pub(super) fn new(
        cluster: Cluster,
        kcp: Kcp,
        events: Events,
        adopt: bool,
        dry_run: bool,
    ) -> Self {
        Self {
            cluster,
            kcp,
            events,
            adopt,
            dry_run,
            memory: Mutex::default(),
            adopted: Mutex::default(),
        }
    }

    /// Forgets what was applied to objects that are gone, and to sources.
    pub(super) fn forget(&self, watched: Watched, namespace: &str, name: &str) {
        self.memory.lock().remove(&(watched, namespace.to_owned(), name.to_owned()));
    }

    /// Looks at a source.
    pub(super) async fn look(&self, world: World, key: &SourceKey) -> Report {
        let Some(live) = world.get(Watched::Source(key.kind), &key.namespace, &key.name).cloned()
        else {
            // What it owned goes with it.
            return Report::default();
        };
        let uid = live.uid().to_owned();
        let look = Look {
            worker: self,
            key,
            uid,
            source: live,
            world,
            report: Report::default(),
            problems: Vec::new(),
        };
        look.run().await
    }
}

struct Look<'a> {
    worker: &'a Worker,
    key: &'a SourceKey,
    uid: String,
    source: Arc<Live>,
    world: World,
    report: Report,
    problems: Vec<Problem>,
}

impl Look<'_> {
    async fn run(mut self) -> Report {
        let deleting = self.source.metadata.deletion_timestamp.is_some();
        let read = self.world.source(self.key).cloned();
        let mut facts = self.facts(deleting);
        match read {
            _ if deleting => self.leave(read.and_then(Result::ok)).await,
            None => {}
            Some(Err(error)) => {
                self.problems.push(Problem::waits(
                    "InvalidSpec",
                    format!("{error}; correct the object, `kcpctl validate` checks it"),
                ));
            }
            Some(Ok(source)) => self.make(&source, &mut facts).await,
        }
        self.finish(facts).await
    }

    fn facts(&self, deleting: bool) -> Facts {
        Facts {
            generation: self.source.metadata.generation,
            deleting,
            reference: None,
            available: Said::no("DeploymentUnavailable", ""),
            reconciled: Said::yes("Applied", ""),
            shards: None,
            address: None,
            expiry: None,
            target: None,
        }
    }

    // --- making ---

    async fn make(&mut self, source: &Source, facts: &mut Facts) {
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
        if !self.worker.adopt && self.is_made_by_operator() {
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

    /// Whether something that was made of the source belongs to its Compiled object.
    fn is_made_by_operator(&self) -> bool {
        let owner = |live: &Live| live.owner(self.key, &self.uid);
        Watched::ALL.into_iter().filter(|it| it.is_made()).any(|watched| {
            let mut made = self.world.list(watched, &self.key.namespace);
            made.any(|live| matches!(owner(live), Owner::Compiled { .. }))
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

    async fn apply_item(&mut self, item: &Item) {
        let watched = Watched::of(item);
        let name = item.name().to_owned();
        let tree = match item.to_tree() {
            Ok(tree) => tree,
            Err(error) => {
                self.problems.push(Problem::waits("Refused", format!("{item}: {error}")));
                return;
            }
        };
        let place = (watched, self.key.namespace.clone(), name.clone());
        let live = self.world.get(watched, &self.key.namespace, &name).cloned();
        let owner = live.as_ref().map_or(Owner::Nobody, |it| it.owner(self.key, &self.uid));
        let remembered = self.worker.memory.lock().get(&place).cloned();
        let adopt = self.worker.adopt;
        match plan::verdict(&tree, live.as_deref(), owner, remembered.as_ref(), adopt) {
            Verdict::AsWanted => {}
            Verdict::Foreign(owner) => {
                let hint = match owner {
                    Owner::Compiled { .. } => "take it over with `--adopt`",
                    _ => "give one of the two another name, or delete that object",
                };
                let message = format!("{} `{name}` belongs to {owner}; {hint}", watched.kind());
                self.problems.push(Problem::waits("OwnedByOther", message));
            }
            Verdict::Apply { force, take_over } => {
                // What was only tried has its old owner still, beside whom there can be no other.
                if take_over && (!self.take_over(watched, &name).await || self.worker.dry_run) {
                    return;
                }
                let mut result = self.worker.cluster.apply(watched, &tree, force).await;
                if force
                    && live.is_some()
                    && result.as_ref().is_err_and(|it| it.code() == Some(422))
                {
                    result = self.replace(watched, &tree).await;
                }
                match result {
                    Ok(result) => {
                        self.applied(&tree, live.as_deref(), watched, result, place);
                    }
                    Err(failure) => {
                        let what = format!("{} `{name}` was not applied", watched.kind());
                        self.problems.push(Problem::failed(&what, &failure));
                    }
                }
            }
        }
    }

    /// Replaces what an object of ours says, list by list.
    ///
    /// An apply knows the items of a list by their keys. If somebody changed a key, such as the
    /// number of a port, it would add the right item beside the wrong one, which a server may
    /// refuse.
    async fn replace(&self, watched: Watched, tree: &Value) -> Result<Live, Failure> {
        let mut patch = tree.clone();
        if let Some(patch) = patch.as_object_mut() {
            patch.retain(|key, _| !["apiVersion", "kind", "metadata"].contains(&key.as_str()));
        }
        let name = tree["metadata"]["name"].as_str().unwrap_or_default();
        let place = (self.key.namespace.as_str(), name);
        self.worker.cluster.merge(&watched.resource(), place, &patch, false).await?;
        self.worker.cluster.apply(watched, tree, true).await
    }

    fn applied(
        &mut self,
        tree: &Value,
        before: Option<&Live>,
        watched: Watched,
        result: Live,
        place: (Watched, String, String),
    ) {
        let what = format!("{} {}", watched.kind(), result.name());
        let dry_run = self.worker.dry_run;
        let verb = match before {
            None if dry_run => Some("would create"),
            None => Some("created"),
            Some(before) if dry_run => (!is_same(before, &result)).then_some("would update"),
            Some(before) => (before.revision() != result.revision()).then_some("updated"),
        };
        self.report.did.extend(verb.map(|verb| Did { verb, what }));
        if dry_run {
            return;
        }
        let remembered = Remembered {
            fingerprint: plan::fingerprint(tree),
            uid: result.uid().to_owned(),
            revision: result.revision().to_owned(),
        };
        self.worker.memory.lock().insert(place, remembered);
        self.put(watched, result);
    }

    fn put(&mut self, watched: Watched, live: Live) {
        self.world.put(watched, live.clone());
        self.report.changed.push(Changed::Put(watched, Box::new(live)));
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

    /// Makes a Secret that cert-manager writes go with the Kubeconfig that it was written for.
    async fn own_secret(&mut self, name: &str) {
        let Some(live) = self.world.get(Watched::Secret, &self.key.namespace, name).cloned() else {
            return;
        };
        if live.owner(self.key, &self.uid) != Owner::Nobody {
            return;
        }
        let owner = json!({
            "apiVersion": api::API_VERSION, "kind": self.key.kind.as_str(), "name": self.key.name,
            "uid": self.uid, "controller": true, "blockOwnerDeletion": true,
        });
        let tree = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {
                "name": name, "namespace": self.key.namespace, "ownerReferences": [owner],
            },
        });
        match self.worker.cluster.apply(Watched::Secret, &tree, false).await {
            Ok(result) if !self.worker.dry_run => self.put(Watched::Secret, result),
            Ok(_) => {}
            Err(failure) => {
                let what = format!("Secret `{name}` was not given its owner");
                self.problems.push(Problem::failed(&what, &failure));
            }
        }
    }

    async fn collect(&mut self, keep: &BTreeSet<(Watched, String)>) {
        for (watched, name) in plan::leftovers(&self.world, self.key, &self.uid, keep) {
            let Some(live) = self.world.get(watched, &self.key.namespace, &name).cloned() else {
                continue;
            };
            let at = (self.key.namespace.as_str(), name.as_str());
            match self.worker.cluster.delete(&watched.resource(), at, live.uid(), false).await {
                Ok(()) => {
                    let verb = if self.worker.dry_run { "would delete" } else { "deleted" };
                    let what = format!("{} {name}", watched.kind());
                    self.report.did.push(Did { verb, what });
                    if !self.worker.dry_run {
                        self.world.remove(watched, &self.key.namespace, &name);
                        let namespace = self.key.namespace.clone();
                        self.report.changed.push(Changed::Gone(watched, namespace, name));
                    }
                }
                Err(failure) => {
                    let what =
                        format!("{} `{name}`, which is no longer needed, stays", watched.kind());
                    self.problems.push(Problem::failed(&what, &failure));
                }
            }
        }
    }

    fn describe(&self, resolved: &Resolved, rendered: &Rendered, ready: bool, facts: &mut Facts) {
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
                let written = live.is_some_and(|it| it.owner(self.key, &self.uid) == Owner::Source);
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

    // --- taking over ---

    /// Makes an object of the original's ours. Says whether it may be applied now.
    async fn take_over(&mut self, watched: Watched, name: &str) -> bool {
        let resource = watched.resource();
        let place = (self.key.namespace.as_str(), name);
        let what = format!("{} `{name}` was not taken over", watched.kind());
        let found = match self.worker.cluster.get(&resource, place.0, place.1).await {
            Ok(Some(found)) => serde_json::to_value(found).unwrap_or_default(),
            Ok(None) => return true,
            Err(failure) => {
                self.problems.push(Problem::failed(&what, &failure));
                return false;
            }
        };
        let Some(patch) = adopt::take_over(&found, self.key, &self.uid) else { return true };
        match self.worker.cluster.merge(&resource, place, &patch, false).await {
            Ok(object) => {
                let verb = if self.worker.dry_run { "would take over" } else { "took over" };
                self.report.did.push(Did { verb, what: format!("{} {name}", watched.kind()) });
                if !self.worker.dry_run {
                    self.put(watched, Live::of(watched, object));
                }
                true
            }
            Err(failure) => {
                self.problems.push(Problem::failed(&what, &failure));
                false
            }
        }
    }

    /// Takes over what the Compiled object still owns, and removes it.
    async fn adopt(&mut self) {
        if self.key.kind == Kind::Kubeconfig
            || self.problems.iter().any(|it| it.retry)
            || self.worker.adopted.lock().contains(&self.uid)
        {
            return;
        }
        let kind = format!("{COMPILED}{}", self.key.kind.as_str());
        let plural = format!("compiled{}", kinds::plural(self.key.kind));
        let resource = kinds::resource(COMPILED_GROUP, "v1alpha1", &kind, &plural);
        let (namespace, name) = (self.key.namespace.as_str(), self.key.name.as_str());
        let what = format!("{kind} `{name}` was not removed");
        let compiled = match self.worker.cluster.get(&resource, namespace, name).await {
            Ok(Some(compiled)) => compiled,
            Ok(None) => {
                self.worker.adopted.lock().insert(self.uid.clone());
                return;
            }
            Err(failure) => {
                self.problems.push(Problem::failed(&what, &failure));
                return;
            }
        };
        for watched in Watched::ALL.into_iter().filter(|it| it.is_made()) {
            let world = self.world.clone();
            for live in world.list(watched, namespace) {
                let what = format!("{} {}", watched.kind(), live.name());
                let is_told = self.report.did.iter().any(|it| it.what == what);
                if matches!(live.owner(self.key, &self.uid), Owner::Compiled { .. }) && !is_told {
                    self.take_over(watched, live.name()).await;
                }
            }
        }
        if self.problems.iter().any(|it| it.retry) {
            return;
        }
        let uid = compiled.metadata.uid.unwrap_or_default();
        match self.worker.cluster.delete(&resource, (namespace, name), &uid, true).await {
            Ok(()) => {
                let verb = if self.worker.dry_run { "would delete" } else { "deleted" };
                self.report.did.push(Did { verb, what: format!("{kind} {name}") });
            }
            Err(failure) => self.problems.push(Problem::failed(&what, &failure)),
        }
    }

    // --- leaving ---

    async fn leave(&mut self, source: Option<Source>) {
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
        let Some(identity) = self.identity(&root.name_any()) else { return false };
        for (server, workspace) in kcp_target::registrations(shard, root) {
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
    fn identity(&mut self, root: &str) -> Option<Arc<Secret>> {
        let name = kcp::operator_secret(root);
        let live = self.world.get(Watched::Secret, &self.key.namespace, &name);
        let secret = live.and_then(|it| it.secret()).cloned();
        if secret.is_none() {
            let message = format!("the Secret `{name}`, with which kcp is talked to, is not there");
            self.problems.push(Problem::waits("WaitingForSecret", message));
        }
        secret
    }

    // --- roles ---

    async fn grant(&mut self, kubeconfig: &api::Kubeconfig, objects: &render::Objects) {
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

    // --- the source itself ---

    fn has_finalizer(&self, finalizer: &str) -> bool {
        self.source.metadata.finalizers.iter().flatten().any(|it| it == finalizer)
    }

    async fn hold(&mut self, finalizer: &str) {
        if !self.has_finalizer(finalizer) && !self.worker.dry_run {
            let mut all = self.source.metadata.finalizers.clone().unwrap_or_default();
            all.push(finalizer.to_owned());
            self.set_finalizers(&all).await;
        }
    }

    async fn release(&mut self, finalizer: &str) {
        if self.has_finalizer(finalizer) && !self.worker.dry_run {
            let mut all = self.source.metadata.finalizers.clone().unwrap_or_default();
            all.retain(|it| it != finalizer);
            self.set_finalizers(&all).await;
        }
    }

    async fn set_finalizers(&mut self, all: &[String]) {
        let patch = json!({ "metadata": {
            "resourceVersion": self.source.revision(), "finalizers": all,
        } });
        self.patch_source(&patch, false).await;
    }

    async fn patch_source(&mut self, patch: &Value, status: bool) -> bool {
        let watched = Watched::Source(self.key.kind);
        let place = (self.key.namespace.as_str(), self.key.name.as_str());
        match self.worker.cluster.merge(&watched.resource(), place, patch, status).await {
            Ok(object) => {
                let live = Live::of(watched, object);
                self.source = Arc::new(live.clone());
                let leaves = live.metadata.deletion_timestamp.is_some()
                    && live.metadata.finalizers.iter().flatten().next().is_none();
                if leaves {
                    let (namespace, name) = (self.key.namespace.clone(), self.key.name.clone());
                    self.report.changed.push(Changed::Gone(watched, namespace, name));
                } else {
                    self.put(watched, live);
                }
                true
            }
            Err(failure) if failure.code() == Some(409) => {
                let message = "the object was changed while it was looked at".to_owned();
                self.problems.push(Problem { reason: "Conflict", message, retry: true });
                false
            }
            // It went while we looked.
            Err(failure) if failure.code() == Some(404) => true,
            Err(failure) => {
                let what = if status {
                    "the status was not written"
                } else {
                    "the finalizers were not changed"
                };
                self.problems.push(Problem::failed(what, &failure));
                false
            }
        }
    }

    // --- telling ---

    async fn finish(mut self, mut facts: Facts) -> Report {
        facts.reconciled = self.reconciled();
        if let Some(name) = source::deployment(self.key) {
            let live = self.world.get(Watched::Deployment, &self.key.namespace, &name);
            let tree = live.map(|it| it.tree(Watched::Deployment));
            let waits = (!facts.reconciled.holds).then_some(facts.reconciled.message.as_str());
            facts.available = status::deployment(&name, tree.as_ref(), waits);
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

/// Whether two states of an object differ in nothing that matters.
fn is_same(one: &Live, other: &Live) -> bool {
    one.body() == other.body()
        && one.metadata.labels == other.metadata.labels
        && one.metadata.annotations == other.metadata.annotations
        && one.metadata.owner_references == other.metadata.owner_references
}
