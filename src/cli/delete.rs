//! `kcpctl delete`: take an installation out of a cluster, in the right order, and say what stays.

use std::time::Duration;

use anyhow::anyhow;
use serde_json::Value;
use tokio::time::Instant;

use super::apply::until_gone;
use super::args::{ClusterArgs, NamespaceArgs};
use super::completions::names;
use super::installations::{Installation, operator_objects, resolve};
use super::manifests::{ManifestArgs, Manifests};
use super::runtime::block_on;
use super::waiting::Patience;
use crate::client::cluster::{ClusterClient, DryRun, Removal, Resource};
use crate::error::{CliError, Kind};
use crate::installation::live::{Stage, by_stage, called, left_behind, text};
use crate::term::{self, Output};

const EXAMPLES: &str = "\
Examples:
  # Delete what a folder of manifests made
  kcpctl delete -f demo

  # Delete the installation of a root shard, or of a namespace
  kcpctl delete root -n demo

  # See what would be deleted
  kcpctl delete -f demo --dry-run=client";

/// Delete an installation from a cluster
///
/// Delete the objects in manifests, or those of the installation NAME: a root shard, or the
/// namespace of one. Kubeconfigs and front-proxies go first, then shards, whose cleaning up
/// needs the root shard, then the root shard and its cache. Each kind is waited for.
///
/// Say what is left behind: Secrets with keys and CAs, data in etcd, volumes, the
/// namespace and the definitions.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["name", "filenames"])))]
pub(crate) struct DeleteArgs {
    /// Root shard of the installation, or its namespace
    #[arg(value_name = "NAME", add = names::installations())]
    name: Option<String>,

    /// Read a file, the manifests in a folder, or stdin if it is `-`; may be repeated
    #[arg(short, long = "filename", value_name = "FILE|DIR")]
    filenames: Vec<std::path::PathBuf>,

    /// Read the folders within a folder too
    #[arg(short = 'R', long, requires = "filenames")]
    recursive: bool,

    /// Only say what would be deleted
    #[arg(long, value_enum, value_name = "HOW")]
    dry_run: Option<DryRun>,

    /// Do not wait until they are gone
    #[arg(long)]
    no_wait: bool,

    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    timeout: Patience,

    /// Ask nothing: do what would be asked for
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    cluster: ClusterArgs,

    #[command(flatten)]
    namespace: NamespaceArgs,
}

/// An object that is to go.
pub(super) type Doomed = (Resource, Value);

pub(super) fn run(args: DeleteArgs) -> Result<(), CliError> {
    let DeleteArgs {
        name,
        filenames,
        recursive,
        dry_run,
        no_wait,
        timeout,
        yes,
        cluster,
        namespace,
    } = args;
    let manifests = match name {
        Some(_) => None,
        None => Some(Manifests::read(&ManifestArgs { filenames, recursive })?),
    };
    let wait = (!no_wait).then(|| timeout.span());
    block_on(async {
        let client = cluster.client().await?;
        let doomed = match (name, manifests) {
            (None, Some(manifests)) => {
                in_manifests(&client, manifests, &namespace.choose(&client)).await?
            }
            (name, _) => of_installation(&client, name.as_deref(), namespace).await?,
        };
        if doomed.is_empty() {
            term::say("nothing to delete: none of it is there");
            return Ok(());
        }
        let mut out = Output::stdout();
        if dry_run.is_none() {
            let names: Vec<String> = doomed.iter().map(|it| called(&it.1)).collect();
            term::say(&format!("to be deleted from {}:", client.server()));
            for name in &names {
                term::say(&term::clean(&format!("  {name}")));
            }
            let question = format!("Delete {}?", term::count(names.len(), "object"));
            term::confirm(&question, yes)?;
        }
        delete(&client, &doomed, dry_run, wait, &mut out).await?;
        out.finish()?;
        if dry_run.is_none() {
            tell_what_stays(&client, &doomed).await?;
        }
        Ok(())
    })
}

/// The objects of manifests that are there.
async fn in_manifests(
    client: &ClusterClient,
    mut manifests: Manifests,
    namespace: &str,
) -> Result<Vec<Doomed>, CliError> {
    manifests.all_are_objects()?;
    let mut doomed = Vec::new();
    for wanted in manifests.place(client, namespace).await? {
        let Some(of) = wanted.resource.clone() else { continue };
        if let Some(live) = client.get(&of, wanted.namespace(), wanted.name()).await? {
            doomed.push((of, live));
        }
    }
    Ok(backwards(doomed))
}

/// The objects of an installation in the cluster.
async fn of_installation(
    client: &ClusterClient,
    name: Option<&str>,
    namespace: NamespaceArgs,
) -> Result<Vec<Doomed>, CliError> {
    let found = resolve(client, name, namespace).await?;
    let [Installation { namespace, root }] = found.as_slice() else {
        let named: Vec<String> = found.iter().map(ToString::to_string).collect();
        let cause = anyhow!("there are several: {}", named.join(", "));
        return Err(CliError::new(Kind::Usage, cause).hint("name one of them"));
    };
    let objects = operator_objects(client, &[namespace.clone()].into()).await?;
    let members = crate::installation::live::members(&objects, namespace, root);
    let mut doomed = Vec::new();
    for object in members {
        let of = client.resource(text(object, "/apiVersion"), text(object, "/kind")).await?;
        doomed.push((of, object.clone()));
    }
    Ok(backwards(doomed))
}

fn backwards(doomed: Vec<Doomed>) -> Vec<Doomed> {
    let mut doomed = by_stage(doomed, |it| &it.1);
    doomed.reverse();
    doomed
}

/// Deletes objects, each stage after the one before is gone.
async fn delete(
    client: &ClusterClient,
    doomed: &[Doomed],
    dry_run: Option<DryRun>,
    wait: Option<Duration>,
    out: &mut Output,
) -> Result<(), CliError> {
    let end = wait.map(|it| Instant::now() + it);
    for stage in doomed.chunk_by(|one, two| Stage::of(&one.1) == Stage::of(&two.1)) {
        for (of, object) in stage {
            let field = |pointer: &str| text(object, pointer).to_owned();
            let (namespace, name, uid) =
                (field("/metadata/namespace"), field("/metadata/name"), field("/metadata/uid"));
            let tried = dry_run == Some(DryRun::Server);
            let (what, how) = match dry_run {
                Some(DryRun::Client) => ("would be deleted", " (client dry run)"),
                _ => match client.delete(of, &namespace, &name, &uid, tried).await? {
                    Removal::Accepted if tried => ("would be deleted", " (server dry run)"),
                    Removal::Accepted => ("deleted", ""),
                    Removal::WasGone => ("was gone already", ""),
                    Removal::WasReplaced => ("was made anew meanwhile, and left", ""),
                },
            };
            out.line(&term::clean(&format!("{} {what}{how}", called(object))))?;
            out.finish()?;
        }
        if let (Some(end), None) = (end, dry_run) {
            until_gone(client, stage, end).await?;
        }
    }
    Ok(())
}

/// Deletes what `apply --prune` found, once that is confirmed.
pub(super) async fn prune(
    client: &ClusterClient,
    unwanted: Vec<Value>,
    dry_run: Option<DryRun>,
    yes: bool,
    out: &mut Output,
) -> Result<(), CliError> {
    if unwanted.is_empty() {
        return Ok(());
    }
    if dry_run.is_none() {
        out.finish()?;
        term::say("applied earlier, and in no manifest any more:");
        for object in &unwanted {
            term::say(&term::clean(&format!("  {}", called(object))));
        }
        let question = format!("Delete {}?", term::count(unwanted.len(), "object"));
        term::confirm(&question, yes)?;
    }
    let mut doomed = Vec::new();
    for object in unwanted {
        let of = client.resource(text(&object, "/apiVersion"), text(&object, "/kind")).await?;
        doomed.push((of, object));
    }
    let doomed = backwards(doomed);
    delete(client, &doomed, dry_run, None, out).await
}

/// Says what of the deleted objects is still there.
async fn tell_what_stays(client: &ClusterClient, doomed: &[Doomed]) -> Result<(), CliError> {
    let trees: Vec<Value> = doomed.iter().map(|it| it.1.clone()).collect();
    let mut lines = Vec::new();
    for left in left_behind(&trees) {
        let mut there = Vec::new();
        let mut unseen = false;
        for name in &left.names {
            let Some(of) = client.find(left.api_version, left.kind).await? else { break };
            match client.get(&of, &left.namespace, name).await {
                Ok(Some(_)) => there.push(name.as_str()),
                Ok(None) => {}
                Err(error) if error.is_forbidden() => {
                    unseen = true;
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        if unseen {
            lines.push(format!(
                "  perhaps each {} in `{}`: you may not look",
                left.kind, left.namespace
            ));
        } else if !there.is_empty() {
            let shown = format!(
                "  {} in `{}`: {}",
                term::count(there.len(), left.kind),
                left.namespace,
                there.join(", ")
            );
            lines.push(term::clean(&shown));
        }
    }
    let etcds = crate::installation::live::etcds(&trees);
    if !etcds.is_empty() {
        lines.push(format!("  what was stored in {}", etcds.join(", ")));
    }
    if lines.is_empty() {
        return Ok(());
    }
    term::say("left behind, since nothing else could bring it back:");
    for line in &lines {
        term::say(line);
    }
    Ok(())
}
