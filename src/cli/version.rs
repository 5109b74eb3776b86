//! `kcpctl version`: what this binary is, and whether what it reaches goes with it.

use std::time::Duration;

use serde::Serialize;
use tokio::time::timeout;

use super::args::{ClusterArgs, NamespaceArgs};
use super::installations::{Installation, beside, operator_objects, resolve};
use super::runtime::block_on;
use crate::api;
use crate::client::cluster::ClusterClient;
use crate::error::CliError;
use crate::installation::live;
use crate::term::{self, Output};

/// The oldest kcp whose shards send credentials to their cache.
const OLDEST_KCP: &str = "v0.30.2";

/// How long a cluster may take: who asks for a version does not want to wait for one.
const PATIENCE: Duration = Duration::from_secs(15);

/// Show the version of kcpctl, and of what it reaches
///
/// Show what this executable is. If a kubeconfig leads to a cluster, show also the version of
/// its API server, how its definitions of the operator's kinds differ from those of
/// this executable, and the versions of kcp that run in its installations.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct VersionArgs {
    /// Ask no cluster
    #[arg(long)]
    client: bool,

    /// How to show it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,

    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
    Yaml,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Build {
    name: &'static str,
    version: &'static str,
    platform: String,
    oldest_kcp: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<Cluster>,
}

/// What a cluster runs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Cluster {
    server: String,
    version: String,
    definitions: &'static str,
    installations: Vec<Versions>,
}

/// The versions of kcp in one installation.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Versions {
    namespace: String,
    root_shard: String,
    running: Vec<String>,
    skew: bool,
}

pub(super) fn run(args: VersionArgs) -> Result<(), CliError> {
    let VersionArgs { client, output, cluster } = args;
    let build = Build {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        platform: format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
        oldest_kcp: OLDEST_KCP,
        cluster: if client { None } else { reached(cluster)? },
    };
    let mut out = Output::stdout();
    match output {
        Format::Text => show(&build, &mut out)?,
        Format::Json => term::write_json(&build, &mut out)?,
        Format::Yaml => term::write_yaml(&build, 0, false, &mut out)?,
    }
    Ok(out.finish()?)
}

fn show(build: &Build, out: &mut Output) -> Result<(), CliError> {
    let Build { name, version, platform, oldest_kcp, cluster } = build;
    out.line(&format!("{name} {version} ({platform}), serves kcp {oldest_kcp} and later"))?;
    let Some(Cluster { server, version, definitions, installations }) = cluster else {
        return Ok(());
    };
    out.line(&term::clean(&format!("cluster {version} at {server}")))?;
    out.line(&format!("definitions of {}: {definitions}", api::API_VERSION))?;
    for it in installations {
        let versions =
            if it.running.is_empty() { "nothing runs".to_owned() } else { it.running.join(", ") };
        let skew = if it.skew { ": several minor releases, see `kcpctl check`" } else { "" };
        let shown = format!("{}/{}: {versions}{skew}", it.namespace, it.root_shard);
        out.line(&term::clean(&shown))?;
    }
    Ok(())
}

/// What the cluster runs that a kubeconfig leads to, if it answers. Only a cluster that
/// somebody named must.
fn reached(args: ClusterArgs) -> Result<Option<Cluster>, CliError> {
    let is_named = args.kubeconfig.is_some() || args.context.is_some();
    let looked = block_on(async {
        let client = args.client().await?;
        if is_named {
            return look(&client).await.map(Some);
        }
        if let Ok(looked) = timeout(PATIENCE, look(&client)).await {
            return looked.map(Some);
        }
        let seconds = PATIENCE.as_secs();
        term::warn(&format!("{} did not answer in {seconds} seconds", client.server()));
        Ok(None)
    });
    if is_named { looked } else { Ok(looked.unwrap_or_default()) }
}

async fn look(client: &ClusterClient) -> Result<Cluster, CliError> {
    let version = client.version().await?;
    let definitions = definitions(client).await?;
    let namespace = NamespaceArgs { namespace: None };
    // Without an installation there is nothing to say of one.
    let found = resolve(client, None, namespace).await.unwrap_or_default();
    let mut installations = Vec::new();
    for Installation { namespace, root } in found {
        let objects = operator_objects(client, &[namespace.clone()].into()).await?;
        let around = beside(client, &namespace).await?;
        let members = live::members(&objects, &namespace, &root);
        let Some(picture) = live::tree(&members, around.view()) else { continue };
        let nodes = picture.all();
        let skew = !live::skew(&nodes).is_empty();
        let mut running: Vec<String> = nodes.iter().filter_map(|it| it.version.clone()).collect();
        running.sort_unstable();
        running.dedup();
        installations.push(Versions { namespace, root_shard: root, running, skew });
    }
    Ok(Cluster { server: client.server().to_owned(), version, definitions, installations })
}

/// How the definitions of the cluster differ from ours, in words.
async fn definitions(client: &ClusterClient) -> Result<&'static str, CliError> {
    let of = client.resource("apiextensions.k8s.io/v1", "CustomResourceDefinition").await?;
    let (mut missing, mut other) = (0, 0);
    for kind in api::Kind::ALL {
        let crd = api::crd(kind);
        match client.get(&of, "", live::text(&crd, "/metadata/name")).await {
            Ok(None) => missing += 1,
            Ok(Some(found)) => {
                other += usize::from(live::judge_definition(kind, Some(&found)).is_some());
            }
            Err(error) if error.is_forbidden() => return Ok("not to be seen by you"),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(match (missing, other) {
        (6.., _) => "none; install them with `kcpctl crds --apply`",
        (0, 0) => "those of this kcpctl, or newer",
        (0, _) => "older than this kcpctl; see `kcpctl crds --apply --dry-run=server`",
        _ => "incomplete; install them with `kcpctl crds --apply`",
    })
}
