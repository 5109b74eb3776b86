//! `kcpctl status`: the installations of a cluster as trees.

use anyhow::anyhow;
use jiff::Timestamp;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::args::{ClusterArgs, NamespaceArgs};
use super::completions::names;
use super::installations::{Installation, beside, operator_objects, resolve};
use super::runtime::block_on;
use super::waiting::{PAUSE, Patience};
use crate::client::cluster::ClusterClient;
use crate::error::{CliError, Kind};
use crate::installation::live::{self, Node, skew};
use crate::term::{self, Output, Table};

const EXAMPLES: &str = "\
Examples:
  # Look at the installations of the cluster
  kcpctl status

  # Wait until one is what it should be
  kcpctl status root -n demo --wait --timeout 5m

  # Have a script read it
  kcpctl status -o json";

/// Show the installations of a cluster
///
/// Show each root shard, and below it its shards, caches, front-proxies, virtual workspaces
/// and kubeconfigs: the phase, the pods that are ready, the version that runs, the cache that
/// a shard uses or the server that a kubeconfig leads to, and when the first certificate
/// ends. What is not as it should be is told below, with what to do.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StatusArgs {
    /// Root shard of the installation, or its namespace
    /// [default: all]
    #[arg(value_name = "NAME", add = names::installations())]
    name: Option<String>,

    /// Wait until everything is what it should be
    #[arg(short, long)]
    wait: bool,

    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "10m", requires = "wait")]
    timeout: Patience,

    /// How to show it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,

    #[command(flatten)]
    cluster: ClusterArgs,

    #[command(flatten)]
    namespace: NamespaceArgs,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Format {
    /// A tree, and below it what is not as it should be
    #[default]
    Tree,
    /// One JSON document
    Json,
    /// One YAML document
    Yaml,
}

pub(super) fn run(args: StatusArgs) -> Result<(), CliError> {
    let StatusArgs { name, wait, timeout, output, cluster, namespace } = args;
    block_on(async {
        let client = cluster.client().await?;
        let end = Instant::now() + timeout.span();
        let mut said = String::new();
        loop {
            let found = resolve(&client, name.as_deref(), namespace.clone()).await?;
            let pictures = pictures(&client, &found).await?;
            let late: Vec<&Node> =
                pictures.iter().flat_map(Node::all).filter(|it| !it.ready).collect();
            let is_over = !wait || late.is_empty() || Instant::now() >= end;
            if !is_over {
                let waits: Vec<String> = late.iter().map(|it| line(it)).collect();
                let now = waits.join("\n");
                if now != said {
                    waits.iter().filter(|it| !said.contains(*it)).for_each(|it| term::say(it));
                    said = now;
                }
                sleep(PAUSE).await;
                continue;
            }
            let mut out = Output::stdout();
            show(&pictures, output, &mut out)?;
            out.finish()?;
            if wait && !late.is_empty() {
                let after = term::age(timeout.span());
                let cause = anyhow!(
                    "not everything is what it should be after {after}: {}",
                    term::count(late.len(), "object")
                );
                return Err(CliError::new(Kind::Findings, cause)
                    .hint("see the hints above, or wait longer with `--timeout`"));
            }
            return Ok(());
        }
    })
}

async fn pictures(
    client: &ClusterClient,
    installations: &[Installation],
) -> Result<Vec<Node>, CliError> {
    let mut pictures = Vec::new();
    for Installation { namespace, root } in installations {
        let objects = operator_objects(client, &[namespace.clone()].into()).await?;
        let around = beside(client, namespace).await?;
        let members = live::members(&objects, namespace, root);
        pictures.extend(live::tree(&members, around.view()));
    }
    Ok(pictures)
}

fn line(node: &Node) -> String {
    let problem = node.problem.as_deref().unwrap_or(&node.phase);
    term::clean(&format!("{}: {problem}", node.called()))
}

fn show(pictures: &[Node], format: Format, out: &mut Output) -> Result<(), CliError> {
    #[derive(Serialize)]
    struct All<'a> {
        installations: &'a [Node],
    }
    match format {
        Format::Json => term::write_json(&All { installations: pictures }, out)?,
        Format::Yaml => term::write_yaml(&All { installations: pictures }, 0, false, out)?,
        Format::Tree => {
            for (index, picture) in pictures.iter().enumerate() {
                if index > 0 {
                    out.line("")?;
                }
                show_tree(picture, out)?;
            }
        }
    }
    Ok(())
}

fn show_tree(picture: &Node, out: &mut Output) -> Result<(), CliError> {
    let now = Timestamp::now();
    out.line(&format!("namespace {}", term::clean(&picture.namespace)))?;
    let mut table = Table::new(["object", "phase", "ready", "version", "uses", "expires"]);
    rows(picture, "", "", now, &mut table);
    table.print(out)?;
    let nodes = picture.all();
    let troubled: Vec<&&Node> = nodes.iter().filter(|it| it.problem.is_some()).collect();
    let versions = skew(&nodes);
    if !troubled.is_empty() || !versions.is_empty() {
        out.line("")?;
    }
    for node in troubled {
        out.line(&line(node))?;
        if let Some(hint) = &node.hint {
            out.line(&term::clean(&format!("  hint: {hint}")))?;
        }
    }
    if !versions.is_empty() {
        out.line(&format!("several minor releases run: {}", versions.join(", ")))?;
    }
    Ok(())
}

fn rows(node: &Node, branch: &str, below: &str, now: Timestamp, table: &mut Table) {
    let absent = || "-".to_owned();
    let replicas = node.replicas.map_or_else(absent, |it| format!("{}/{}", it.ready, it.wanted));
    let version = match (&node.version, &node.wanted_version) {
        (Some(runs), Some(wanted)) => format!("{runs} (wants {wanted})"),
        (Some(runs), None) => runs.clone(),
        (None, _) => absent(),
    };
    let expires = node.expires.map_or_else(absent, |it| {
        let left = it.duration_since(now);
        match std::time::Duration::try_from(left) {
            Ok(left) => format!("in {}", term::age(left)),
            Err(_) => "EXPIRED".to_owned(),
        }
    });
    table.row([
        format!("{branch}{}", node.called()),
        node.phase.clone(),
        replicas,
        version,
        node.cache.clone().or_else(|| node.target.clone()).unwrap_or_else(absent),
        expires,
    ]);
    for (index, child) in node.children.iter().enumerate() {
        let last = index + 1 == node.children.len();
        let (branch, inner) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        rows(child, &format!("{below}{branch}"), &format!("{below}{inner}"), now, table);
    }
}
