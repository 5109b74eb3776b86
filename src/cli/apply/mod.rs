//! `kcpctl apply`: make a cluster want what manifests say, and wait until it is so.
//!
//! ```text
//! read ─► judge ─► preflight ─► guard ─► try all ─► apply, by stage ─► prune ─► wait
//!         files     cluster      caches   dry run    server-side apply   asks
//! ```
//!
//! Until the last step before the first change nothing has been changed: what a server would
//! refuse it refuses in the dry run of everything, so that nothing is applied by halves.
//!
//! * `send` applies objects in their order; `wait` waits for them.

mod send;
mod wait;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::args::{ClusterArgs, NamespaceArgs};
use super::installations::operator_objects;
use super::manifests::{ManifestArgs, Manifests, namespaces};
use super::runtime::block_on;
use super::waiting::Patience;
use super::{check, delete};
use crate::client::cluster::{ClusterClient, DryRun, is_ours};
use crate::error::CliError;
use crate::installation::Profile;
use crate::installation::live::{self, by_stage, cache_changes, text};
use crate::term::{self, Output};

pub(super) use send::Plan;
pub(super) use wait::{until_gone, until_ready};

const EXAMPLES: &str = "\
Examples:
  # Apply a folder of manifests, and wait until the installation works
  kcpctl apply -f demo

  # See what would happen, as the server says it
  kcpctl apply -f demo --dry-run=server

  # Remove what an earlier apply made and the folder no longer has
  kcpctl apply -f demo --prune";

/// Apply manifests to a cluster, and wait until they are what they should be
///
/// Check the manifests as `kcpctl validate` does, together with what the cluster has beside
/// them, then the cluster: definitions, cert-manager, issuers, Secrets, versions and what you
/// may do. Try everything, and only then apply it, each object after those that it refers
/// to. Nothing is changed if anything is wrong.
///
/// Every object is applied by server-side apply under the name `kcpctl`: a field that
/// somebody else has set to another value is an error, unless --force-conflicts is given.
/// A shard is never led to another cache by the way: that has to be confirmed.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = EXAMPLES)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    manifests: ManifestArgs,

    /// Choose what the installation is meant for
    #[arg(long, value_enum, default_value_t)]
    profile: Profile,

    /// Only say what would change
    #[arg(long, value_enum, value_name = "HOW")]
    dry_run: Option<DryRun>,

    /// Take fields over that another manager owns
    #[arg(long)]
    force_conflicts: bool,

    /// Delete what an earlier apply made for this installation and no manifest has any more
    ///
    /// Only objects that `kcpctl` applied and that nothing else owns. Secrets, configurations
    /// and namespaces stay.
    #[arg(long)]
    prune: bool,

    /// Do not wait until the objects are what they should be
    #[arg(long)]
    no_wait: bool,

    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "10m")]
    timeout: Patience,

    /// Ask nothing: do what would be asked for
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    cluster: ClusterArgs,

    #[command(flatten)]
    namespace: NamespaceArgs,
}

pub(super) fn run(args: ApplyArgs) -> Result<(), CliError> {
    let ApplyArgs {
        manifests,
        profile,
        dry_run,
        force_conflicts,
        prune,
        no_wait,
        timeout,
        yes,
        cluster,
        namespace,
    } = args;
    let manifests = Manifests::read(&manifests)?;
    let wait = (!no_wait && dry_run.is_none()).then(|| timeout.span());
    block_on(async {
        let client = cluster.client().await?;
        let namespace = namespace.choose(&client);
        let how = How { profile, dry_run, force: force_conflicts, prune, wait, yes };
        apply(&client, manifests, &namespace, how).await
    })
}

/// How to apply.
#[derive(Clone, Copy)]
pub(super) struct How {
    pub(super) profile: Profile,
    pub(super) dry_run: Option<DryRun>,
    pub(super) force: bool,
    pub(super) prune: bool,
    pub(super) wait: Option<Duration>,
    pub(super) yes: bool,
}

/// Does all of it.
pub(super) async fn apply(
    client: &ClusterClient,
    mut manifests: Manifests,
    namespace: &str,
    how: How,
) -> Result<(), CliError> {
    let How { profile, dry_run, force, prune, wait, yes } = how;
    let wanted = by_stage(manifests.place(client, namespace).await?, |it| &it.tree);
    let places = namespaces(&wanted);
    let live = operator_objects(client, &places).await?;
    let mut findings = check::spare_others(client, manifests.judge(&live, profile)).await?;
    findings.extend(check::before_apply(client, &wanted, prune).await?);
    manifests.refuse(findings, "applied")?;

    let trees: Vec<Value> = wanted.iter().map(|it| it.tree.clone()).collect();
    let changes = cache_changes(&live, &trees);
    if !changes.is_empty() && dry_run.is_none() {
        for change in &changes {
            term::warn(&change.to_string());
        }
        term::confirm(
            "A shard takes its cache for the truth about all others, and the new one may be empty. Go on?",
            yes,
        )?;
    } else {
        for change in &changes {
            term::warn(&format!("{change}: this will have to be confirmed"));
        }
    }

    let mut plan = Plan::of(client, wanted, force).await?;
    if dry_run != Some(DryRun::Client) {
        plan.try_all().await?;
    }
    let mut out = Output::stdout();
    plan.send(dry_run, &mut out).await?;

    if prune {
        let candidates = prunable(client, &trees).await?;
        let unwanted = by_stage(candidates, |it: &Value| it);
        delete::prune(client, unwanted, dry_run, yes, &mut out).await?;
    }
    out.finish()?;
    match wait {
        Some(patience) => {
            until_ready(client, plan.objects(), patience).await?;
            // Manifests may name another one than the command does.
            let place = places.iter().next().filter(|_| places.len() == 1);
            let place = place.map_or(namespace, String::as_str);
            let shown = format!(
                "everything is what it should be; look at it with `kcpctl status -n {place}`"
            );
            term::say(&shown);
        }
        None if dry_run.is_none() => {
            term::say("not waited for: see how far it is with `kcpctl status`");
        }
        None => {}
    }
    Ok(())
}

/// What an earlier apply made and nobody wants any more.
pub(super) async fn prunable(
    client: &ClusterClient,
    wanted: &[Value],
) -> Result<Vec<Value>, CliError> {
    let namespaces: BTreeSet<&str> = wanted
        .iter()
        .map(|it| text(it, "/metadata/namespace"))
        .filter(|it| !it.is_empty())
        .collect();
    let mut found = Vec::new();
    let mut unseen: BTreeMap<String, String> = BTreeMap::new();
    for (api_version, kind) in live::prunable_types() {
        let Some(of) = client.find(&api_version, &kind).await? else { continue };
        for namespace in &namespaces {
            match client.list(&of, Some(namespace)).await {
                Ok(objects) => found.extend(objects),
                Err(error) if error.is_forbidden() => {
                    unseen.insert(kind.clone(), (*namespace).to_owned());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    for (kind, namespace) in unseen {
        term::warn(&format!(
            "you may not list each {kind} in `{namespace}`: none of them is pruned"
        ));
    }
    Ok(live::prunable(&found, wanted, is_ours).into_iter().cloned().collect())
}
