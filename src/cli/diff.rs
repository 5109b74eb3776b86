//! `kcpctl diff`: what applying manifests would change, as the server says it.

use anyhow::anyhow;
use serde_json::Value;

use super::apply::{Plan, prunable};
use super::args::{ClusterArgs, NamespaceArgs};
use super::installations::operator_objects;
use super::manifests::{ManifestArgs, Manifests, namespaces};
use super::runtime::block_on;
use crate::client::cluster::ClusterClient;
use crate::error::{CliError, Kind};
use crate::installation::live::{by_stage, cache_changes, called, comparable};
use crate::model::yaml;
use crate::term::{self, Output};

const EXAMPLES: &str = "\
Examples:
  # See what applying a folder would change
  kcpctl diff -f demo

  # Fail a pipeline if the cluster is not what the folder says
  kcpctl diff -f demo --prune > drift.diff";

/// Show what applying manifests would change
///
/// Have the server try to apply everything, and show how each object would change, as a
/// unified diff. Nothing is changed. What a server writes by itself is left out, and the
/// values of Secrets are not shown.
///
/// Exit with 0 if nothing would change, with 1 if something would, and with more than 1 if
/// that could not be found out.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    manifests: ManifestArgs,

    /// Take fields over that another manager owns
    #[arg(long)]
    force_conflicts: bool,

    /// Show what `apply --prune` would delete, too
    #[arg(long)]
    prune: bool,

    #[command(flatten)]
    cluster: ClusterArgs,

    #[command(flatten)]
    namespace: NamespaceArgs,
}

pub(super) fn run(args: DiffArgs) -> Result<(), CliError> {
    let DiffArgs { manifests, force_conflicts, prune, cluster, namespace } = args;
    let manifests = Manifests::read(&manifests)?;
    block_on(async {
        let client = cluster.client().await?;
        let namespace = namespace.choose(&client);
        diff(&client, manifests, &namespace, force_conflicts, prune).await
    })
}

async fn diff(
    client: &ClusterClient,
    mut manifests: Manifests,
    namespace: &str,
    force: bool,
    prune: bool,
) -> Result<(), CliError> {
    manifests.all_are_objects()?;
    let wanted = by_stage(manifests.place(client, namespace).await?, |it| &it.tree);
    let live = operator_objects(client, &namespaces(&wanted)).await?;
    let trees: Vec<Value> = wanted.iter().map(|it| it.tree.clone()).collect();
    for change in cache_changes(&live, &trees) {
        term::warn(&format!("{change}: `kcpctl apply` will ask"));
    }
    let mut plan = Plan::of(client, wanted, force).await?;
    plan.try_all().await?;
    let mut out = Output::stdout();
    let mut changed = 0;
    for (wanted, live, tried) in plan.trials() {
        let after = tried.unwrap_or(&wanted.tree);
        changed += usize::from(show(live, Some(after), &mut out)?);
    }
    if prune {
        for unwanted in prunable(client, &trees).await? {
            changed += usize::from(show(Some(&unwanted), None, &mut out)?);
        }
    }
    out.finish()?;
    if changed == 0 {
        return Ok(());
    }
    let cause = anyhow!("{} would change", term::count(changed, "object"));
    Err(CliError::new(Kind::Findings, cause))
}

/// Shows how one object would change, and whether it would.
fn show(before: Option<&Value>, after: Option<&Value>, out: &mut Output) -> Result<bool, CliError> {
    let (before_tree, after_tree) = comparable(before, after);
    let text = |tree: Option<Value>| match tree {
        Some(tree) => yaml::to_string(&tree).map_err(|error| CliError::new(Kind::Internal, error)),
        None => Ok(String::new()),
    };
    let (before_text, after_text) = (text(before_tree)?, text(after_tree)?);
    if before_text == after_text {
        return Ok(false);
    }
    let of = |object: Option<&Value>| object.map_or_else(|| "/dev/null".to_owned(), called);
    let names = (format!("live/{}", of(before)), format!("applied/{}", of(after)));
    let none =
        |name: String| if name.ends_with("//dev/null") { "/dev/null".to_owned() } else { name };
    term::write_diff((&none(names.0), &none(names.1)), &before_text, &after_text, out)?;
    Ok(true)
}
