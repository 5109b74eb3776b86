//! Applying objects in their order: first all as a trial, then for good.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::anyhow;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::cli::manifests::Wanted;
use crate::cli::waiting::PAUSE;
use crate::client::cluster::{
    Applied, ApplyOptions, Change, ClusterClient, ClusterError, DryRun, Resource,
};
use crate::error::{CliError, Kind};
use crate::installation::live::{Readiness, readiness, text};
use crate::term::{self, Output};

/// How long a definition that was just applied may take until its kind is served.
const DEFINITION_PATIENCE: Duration = Duration::from_secs(60);

/// The objects to apply, and what there is of each.
pub(in crate::cli) struct Plan<'a> {
    client: &'a ClusterClient,
    force: bool,
    steps: Vec<Step>,
}

struct Step {
    wanted: Wanted,
    live: Option<Value>,
    /// The object as the server would have it, where a trial was possible.
    tried: Option<Applied>,
    /// Why there was no trial.
    untried: Option<&'static str>,
}

impl<'a> Plan<'a> {
    /// Looks up what there is.
    pub(in crate::cli) async fn of(
        client: &'a ClusterClient,
        wanted: Vec<Wanted>,
        force: bool,
    ) -> Result<Self, CliError> {
        let mut steps = Vec::with_capacity(wanted.len());
        for wanted in wanted {
            let live = match &wanted.resource {
                Some(of) => client.get(of, wanted.namespace(), wanted.name()).await?,
                None => None,
            };
            steps.push(Step { wanted, live, tried: None, untried: None });
        }
        Ok(Self { client, force, steps })
    }

    /// Has the server try everything that it can, and shows every refusal.
    pub(in crate::cli) async fn try_all(&mut self) -> Result<(), CliError> {
        let options = ApplyOptions { force: self.force, dry_run: true };
        let mut refusals: Vec<ClusterError> = Vec::new();
        let made: BTreeSet<String> = self
            .steps
            .iter()
            .filter(|it| it.wanted.kind() == "Namespace")
            .map(|it| it.wanted.name().to_owned())
            .collect();
        for step in &mut self.steps {
            let Some(of) = &step.wanted.resource else {
                step.untried = Some("its kind comes with these manifests");
                continue;
            };
            let tree = &step.wanted.tree;
            let namespace = step.wanted.namespace();
            match self.client.apply(of, namespace, tree, step.live.as_ref(), options).await {
                Ok(applied) => step.tried = Some(applied),
                Err(error) if namespace_is_missing(&error) && made.contains(namespace) => {
                    step.untried = Some("its namespace comes with these manifests");
                }
                Err(error @ ClusterError::Refused { .. }) => refusals.push(error),
                Err(error) => return Err(error.into()),
            }
        }
        match refusals.len() {
            0 => Ok(()),
            1 => {
                let error = CliError::from(refusals.remove(0));
                Err(error.hint("nothing was applied"))
            }
            many => {
                for refusal in &refusals {
                    if let ClusterError::Refused { action, refusal, .. } = refusal {
                        term::say(&term::clean(&format!("refused to {action}: {refusal}")));
                    }
                }
                let hints: Vec<String> = refusals.iter().flat_map(ClusterError::hints).collect();
                let cause = anyhow!(
                    "the cluster would refuse {}, so nothing was applied",
                    term::count(many, "object")
                );
                let mut error = CliError::new(Kind::Refused, cause);
                let mut seen: Vec<String> = Vec::new();
                for hint in hints {
                    if !seen.contains(&hint) {
                        seen.push(hint.clone());
                        error = error.hint(hint);
                    }
                }
                Err(error)
            }
        }
    }

    /// Applies everything, and says what became of each object.
    pub(in crate::cli) async fn send(
        &mut self,
        dry_run: Option<DryRun>,
        out: &mut Output,
    ) -> Result<(), CliError> {
        for index in 0..self.steps.len() {
            let change = match dry_run {
                None => self.send_one(index).await?,
                Some(_) => self.would(index),
            };
            let step = &self.steps[index];
            let tried = match dry_run {
                None => String::new(),
                Some(DryRun::Client) => " (client dry run)".to_owned(),
                Some(DryRun::Server) => match step.untried {
                    Some(why) => format!(" (not tried: {why})"),
                    None => " (server dry run)".to_owned(),
                },
            };
            out.line(&term::clean(&format!("{} {}{tried}", step.wanted.called(), change.word())))?;
            // Whoever looks on sees each object when it is applied.
            out.finish()?;
        }
        Ok(())
    }

    fn would(&self, index: usize) -> Change {
        let Step { live, tried, .. } = &self.steps[index];
        match (tried, live) {
            (Some(applied), _) => applied.change,
            (None, Some(_)) => Change::Configured,
            (None, None) => Change::Created,
        }
    }

    async fn send_one(&mut self, index: usize) -> Result<Change, CliError> {
        let step = &self.steps[index];
        let (tree, namespace) = (step.wanted.tree.clone(), step.wanted.namespace().to_owned());
        let of = match step.wanted.resource.clone() {
            Some(of) => of,
            None => self.client.resource(text(&tree, "/apiVersion"), text(&tree, "/kind")).await?,
        };
        let options = ApplyOptions { force: self.force, dry_run: false };
        let live = step.live.clone();
        let sent = self.client.apply(&of, &namespace, &tree, live.as_ref(), options).await;
        let Applied { change, object, warnings } = sent.map_err(|error| {
            let done: Vec<String> =
                self.steps[..index].iter().map(|it| it.wanted.called()).collect();
            let error = CliError::from(error);
            if done.is_empty() {
                error
            } else {
                error.hint(format!(
                    "applied before it: {}; run it again when it is mended",
                    done.join(", ")
                ))
            }
        })?;
        for warning in warnings {
            term::warn(&term::clean(&format!("{}: {warning}", step.wanted.called())));
        }
        if of.kind == "CustomResourceDefinition" {
            self.wait_for_definition(&of, &object).await?;
        }
        let step = &mut self.steps[index];
        step.wanted.tree = object;
        step.wanted.resource = Some(of);
        Ok(change)
    }

    /// An object of a kind cannot be sent before the kind is served.
    async fn wait_for_definition(&self, of: &Resource, crd: &Value) -> Result<(), CliError> {
        let end = Instant::now() + DEFINITION_PATIENCE;
        let name = text(crd, "/metadata/name");
        let version = text(crd, "/spec/versions/0/name");
        let api_version = format!("{}/{version}", text(crd, "/spec/group"));
        loop {
            let live = self.client.get(of, "", name).await?.unwrap_or_default();
            let served = self.client.find(&api_version, text(crd, "/spec/names/kind")).await?;
            match readiness(&live) {
                Readiness::Ready(_) if served.is_some() => return Ok(()),
                Readiness::Waiting(waiting) if Instant::now() >= end => {
                    let cause = anyhow!("the definition {name} is not established: {waiting}");
                    return Err(CliError::new(Kind::Findings, cause)
                        .hint(format!("see `kubectl describe crd {name}`")));
                }
                _ if Instant::now() >= end => {
                    return Err(CliError::new(Kind::Findings, anyhow!("{name} is not served yet"))
                        .hint("run it again in a moment"));
                }
                _ => sleep(PAUSE).await,
            }
        }
    }

    /// The objects as they were applied.
    pub(in crate::cli) fn objects(&self) -> Vec<Wanted> {
        self.steps.iter().map(|it| it.wanted.clone()).collect()
    }

    /// Each object as it is and as it would be; nothing where there was no trial.
    pub(in crate::cli) fn trials(
        &self,
    ) -> impl Iterator<Item = (&Wanted, Option<&Value>, Option<&Value>)> {
        self.steps.iter().map(|it| {
            (&it.wanted, it.live.as_ref(), it.tried.as_ref().map(|applied| &applied.object))
        })
    }
}

/// Whether an object was refused for want of its namespace alone.
fn namespace_is_missing(error: &ClusterError) -> bool {
    error.refusal().is_some_and(|it| it.code == 404 && it.message.starts_with("namespaces "))
}
