//! `kcpctl crds`: the definitions of the operator's kinds, printed or put into a cluster.

use std::time::Duration;

use anyhow::anyhow;
use clap::builder::PossibleValue;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::args::ClusterArgs;
use super::runtime::block_on;
use super::waiting::{PAUSE, Patience};
use crate::api::{self, Kind};
use crate::client::cluster::{Applied, ApplyOptions, Change, ClusterClient, DryRun, Resource};
use crate::error::{self, CliError};
use crate::installation::live::{Readiness, definition_changes, readiness};
use crate::term::{self, Output};

const EXAMPLES: &str = "\
Examples:
  # Install all of them in the current cluster, or bring them up to date
  kcpctl crds --apply

  # See what that would change
  kcpctl crds --apply --dry-run=server

  # Look at one
  kcpctl crds shard";

/// Print or apply the definitions of the operator's kinds
///
/// Print the definition (CRD) of each kind of operator.kcp.io/v1alpha1, made from the
/// types that `kcpctl validate` checks with: what passes there is what a
/// cluster with these definitions takes.
///
/// With --apply put them into a cluster by server-side apply, say which fields come and
/// go, and wait until the cluster serves them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CrdsArgs {
    /// Kinds to print
    /// [default: all]
    #[arg(value_name = "KIND", value_enum, hide_possible_values = true, ignore_case = true)]
    kinds: Vec<KindArg>,

    /// How to print them
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,

    /// Put them into the cluster instead of printing them
    #[arg(long, conflicts_with = "output")]
    apply: bool,

    /// Only say what would change
    #[arg(long, value_enum, value_name = "HOW", requires = "apply", help_heading = "Apply")]
    dry_run: Option<DryRun>,

    /// Take fields over that another manager owns
    #[arg(long, requires = "apply", help_heading = "Apply")]
    force_conflicts: bool,

    /// Do not wait until they are served
    #[arg(long, requires = "apply", help_heading = "Apply")]
    no_wait: bool,

    /// How long to wait
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "1m",
        requires = "apply",
        help_heading = "Apply"
    )]
    timeout: Patience,

    #[command(flatten)]
    cluster: ClusterArgs,
}

/// A kind, as the command line has it.
#[derive(Clone, Copy, Debug)]
struct KindArg(Kind);

impl clap::ValueEnum for KindArg {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [KindArg; 6] = [
            KindArg(Kind::CacheServer),
            KindArg(Kind::RootShard),
            KindArg(Kind::Shard),
            KindArg(Kind::FrontProxy),
            KindArg(Kind::VirtualWorkspace),
            KindArg(Kind::Kubeconfig),
        ];
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, plural) = match self.0 {
            Kind::CacheServer => ("cacheserver", "cacheservers"),
            Kind::RootShard => ("rootshard", "rootshards"),
            Kind::Shard => ("shard", "shards"),
            Kind::FrontProxy => ("frontproxy", "frontproxies"),
            Kind::VirtualWorkspace => ("virtualworkspace", "virtualworkspaces"),
            Kind::Kubeconfig => ("kubeconfig", "kubeconfigs"),
        };
        Some(PossibleValue::new(name).alias(plural))
    }
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Format {
    /// A document for each
    #[default]
    Yaml,
    /// A list of all
    Json,
}

pub(super) fn run(args: CrdsArgs) -> Result<(), CliError> {
    let CrdsArgs { kinds, output, apply, dry_run, force_conflicts, no_wait, timeout, cluster } =
        args;
    let wanted = |kind: &Kind| kinds.is_empty() || kinds.iter().any(|it| it.0 == *kind);
    let crds: Vec<_> = Kind::ALL.into_iter().filter(wanted).map(api::crd).collect();
    if apply {
        let wait = (!no_wait && dry_run.is_none()).then_some(timeout.span());
        return block_on(async {
            let client = cluster.client().await?;
            install(&client, &crds, dry_run, force_conflicts, wait).await
        });
    }
    let mut out = Output::stdout();
    match (output, crds.as_slice()) {
        (Format::Yaml, crds) => {
            for (index, crd) in crds.iter().enumerate() {
                if index > 0 {
                    out.line("---")?;
                }
                term::write_yaml(crd, 0, false, &mut out)?;
            }
        }
        (Format::Json, [one]) => term::write_json(one, &mut out)?,
        (Format::Json, all) => {
            let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": all });
            term::write_json(&list, &mut out)?;
        }
    }
    Ok(out.finish()?)
}

/// Puts the definitions into a cluster, and says what changed.
async fn install(
    client: &ClusterClient,
    crds: &[Value],
    dry_run: Option<DryRun>,
    force: bool,
    wait: Option<Duration>,
) -> Result<(), CliError> {
    let of = client.resource("apiextensions.k8s.io/v1", "CustomResourceDefinition").await?;
    let mut out = Output::stdout();
    for crd in crds {
        let name = crd["metadata"]["name"].as_str().unwrap_or_default();
        let live = client.get(&of, "", name).await?;
        let options = ApplyOptions { force, dry_run: dry_run == Some(DryRun::Server) };
        let (change, object) = if dry_run == Some(DryRun::Client) {
            (if live.is_some() { Change::Configured } else { Change::Created }, crd.clone())
        } else {
            let Applied { change, object, warnings } =
                client.apply(&of, "", crd, live.as_ref(), options).await?;
            for warning in warnings {
                term::warn(&term::clean(&warning));
            }
            (change, object)
        };
        let tried = match dry_run {
            None => "",
            Some(DryRun::Client) => " (client dry run)",
            Some(DryRun::Server) => " (server dry run)",
        };
        let changes =
            live.as_ref().map(|live| definition_changes(live, &object)).unwrap_or_default();
        // Without a server only the schemas can be compared.
        let change = match change {
            Change::Configured if dry_run == Some(DryRun::Client) && changes.is_empty() => {
                Change::Unchanged
            }
            change => change,
        };
        out.line(&format!("{name} {}{tried}", change.word()))?;
        for line in changes {
            out.line(&format!("  {line}"))?;
        }
        out.finish()?;
    }
    match wait {
        Some(patience) => established(client, &of, crds, patience).await,
        None => Ok(()),
    }
}

/// Waits until the cluster serves every kind.
async fn established(
    client: &ClusterClient,
    of: &Resource,
    crds: &[Value],
    patience: Duration,
) -> Result<(), CliError> {
    let end = Instant::now() + patience;
    for crd in crds {
        let name = crd["metadata"]["name"].as_str().unwrap_or_default();
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap_or_default();
        loop {
            let live = client.get(of, "", name).await?.unwrap_or_default();
            let state = readiness(&live);
            // Established is what the definition says; discovery is what clients see.
            if matches!(state, Readiness::Ready(_))
                && client.find(api::API_VERSION, kind).await?.is_some()
            {
                break;
            }
            if Instant::now() >= end {
                let said = match state {
                    Readiness::Waiting(it) => it.to_string(),
                    Readiness::Ready(_) => "it is established, and not served yet".to_owned(),
                };
                let cause =
                    anyhow!("the cluster does not serve {name} after {}", term::age(patience))
                        .context(said);
                let cause = anyhow!("{cause:#}");
                return Err(CliError::new(error::Kind::Findings, cause).hint(format!(
                    "see `kubectl describe crd {name}`; wait longer with `--timeout`"
                )));
            }
            sleep(PAUSE).await;
        }
    }
    term::say(&format!("{} served by {}", term::count(crds.len(), "kind"), client.server()));
    Ok(())
}
