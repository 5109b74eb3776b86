//! `kcpctl check`: what is wrong with an installation in a cluster, or with the cluster for one.
//!
//! * `gather` asks the cluster, `probe` the servers; the rules are in `installation::live`.
//! * `report` shows the areas that were looked at, and the findings.

mod gather;
mod probe;
mod report;

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::anyhow;
use jiff::Timestamp;
use serde_json::Value;

use super::args::{ClusterArgs, NamespaceArgs};
use super::completions::names;
use super::installations::{beside, operator_objects, resolve};
use super::manifests::{ManifestArgs, Manifests, namespaces};
use super::runtime::block_on;
use crate::api::{self, Reading};
use crate::client::cluster::ClusterClient;
use crate::error::{CliError, Kind};
use crate::installation::live;
use crate::installation::{self, Finding, Profile, Severity};
use crate::term::{self, Output, Progress};

pub(super) use gather::{before_apply, spare_others};
use report::{Area, Checked};

const EXAMPLES: &str = "\
Examples:
  # Look whether a cluster is ready for an installation
  kcpctl check --pre -f demo

  # Look whether the installations of a cluster are well
  kcpctl check

  # Look whether everything is at its new version after an upgrade
  kcpctl check root -n demo --post-upgrade";

/// Check an installation in a cluster, or the cluster for one
///
/// Hold the objects in the cluster against the rules of `kcpctl validate`, and look at what
/// files cannot say: definitions, cert-manager, issuers, Secrets, whether etcd answers with
/// its certificate, whether host names resolve and what is served there, certificates near
/// their end, versions, conditions. What cannot be reached from here is said to be skipped.
///
/// Each finding has a code, the path of a field and a hint; docs/findings.md lists the codes.
/// Exit with 1 if there is an error; a warning alone is no reason to.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CheckArgs {
    /// Root shard of the installation, or its namespace
    /// [default: all]
    #[arg(value_name = "NAME", conflicts_with = "pre", add = names::installations())]
    name: Option<String>,

    /// Check a cluster in which there is no installation yet
    #[arg(long)]
    pre: bool,

    /// Take versions that are not the new ones for errors
    #[arg(long, conflicts_with = "pre")]
    post_upgrade: bool,

    /// Check the cluster for these manifests; may be repeated
    #[arg(short, long = "filename", value_name = "FILE|DIR", requires = "pre")]
    filenames: Vec<PathBuf>,

    /// Read the folders within a folder too
    #[arg(short = 'R', long, requires = "filenames")]
    recursive: bool,

    /// Choose what the installation is meant for
    #[arg(long, value_enum, default_value_t)]
    profile: Profile,

    /// How to show the result
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,

    #[command(flatten)]
    cluster: ClusterArgs,

    #[command(flatten)]
    namespace: NamespaceArgs,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Format {
    /// A line for each area and each finding
    #[default]
    Text,
    /// An object with all of them
    Json,
}

pub(super) fn run(args: CheckArgs) -> Result<(), CliError> {
    let CheckArgs {
        name,
        pre,
        post_upgrade,
        filenames,
        recursive,
        profile,
        output,
        cluster,
        namespace,
    } = args;
    let manifests = if filenames.is_empty() {
        None
    } else {
        Some(Manifests::read(&ManifestArgs { filenames, recursive })?)
    };
    block_on(async {
        let client = cluster.client().await?;
        let mut progress = Progress::start(format!("checking {}", client.server()));
        let checked = if pre {
            let namespace = namespace.choose(&client);
            progress.during(before(&client, manifests, &namespace, profile)).await?
        } else {
            progress
                .during(after(&client, name.as_deref(), namespace, profile, post_upgrade))
                .await?
        };
        drop(progress);
        let mut out = Output::stdout();
        match output {
            Format::Text => report::print(&checked, &mut out)?,
            Format::Json => report::print_json(&checked, client.server(), &mut out)?,
        }
        out.finish()?;
        conclude(&checked)
    })
}

fn conclude(checked: &Checked) -> Result<(), CliError> {
    let of = |severity| checked.findings().filter(|it| it.severity == severity).count();
    let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
    let found = match (errors, warnings) {
        (0, 0) => "nothing is wrong".to_owned(),
        (0, _) => term::count(warnings, "warning"),
        (_, 0) => term::count(errors, "error"),
        _ => format!("{} and {}", term::count(errors, "error"), term::count(warnings, "warning")),
    };
    if errors > 0 {
        return Err(CliError::new(Kind::Findings, anyhow!(found)));
    }
    term::say(&found);
    Ok(())
}

/// The cluster, for manifests that are to come.
async fn before(
    client: &ClusterClient,
    manifests: Option<Manifests>,
    namespace: &str,
    profile: Profile,
) -> Result<Checked, CliError> {
    let mut checked = Checked::default();
    checked.area(gather::server(client).await?);
    checked.area(gather::definitions(client).await?);
    checked.area(gather::cert_manager(client).await?);
    match manifests {
        None => checked.area(gather::permissions(client, namespace).await?),
        Some(mut manifests) => {
            let wanted = manifests.place(client, namespace).await?;
            let live = operator_objects(client, &namespaces(&wanted)).await?;
            let findings = gather::spare_others(client, manifests.judge(&live, profile)).await?;
            checked.area(Area::of("manifests", findings));
            checked.area(Area::of("cluster", before_apply(client, &wanted, false).await?));
            let trees: Vec<Value> = wanted.iter().map(|it| it.tree.clone()).collect();
            checked.area(probe::etcds(client, &trees).await?);
            checked.area(probe::hosts(&trees, false).await);
        }
    }
    Ok(checked)
}

/// The installations that are there.
async fn after(
    client: &ClusterClient,
    name: Option<&str>,
    namespace: NamespaceArgs,
    profile: Profile,
    post_upgrade: bool,
) -> Result<Checked, CliError> {
    let mut checked = Checked::default();
    checked.area(gather::server(client).await?);
    checked.area(gather::definitions(client).await?);
    checked.area(gather::cert_manager(client).await?);
    let found = resolve(client, name, namespace).await?;
    let now = Timestamp::now();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for installation in &found {
        let namespace = installation.namespace.as_str();
        let objects = operator_objects(client, &[namespace.to_owned()].into()).await?;
        // The rules hold between all objects of a namespace, so once for each is enough.
        if seen.insert(namespace) {
            let mut reading = Reading::default();
            for object in &objects {
                let read = api::read_all(&object.to_string(), &format!("{namespace}/"));
                reading.documents.extend(read.documents);
                reading.rejected.extend(read.rejected);
            }
            let findings = installation::validate_all(&reading, profile);
            let findings = gather::spare_others(client, findings).await?;
            checked.area(Area::of(format!("objects in {namespace}"), findings));
        }
        let members = live::members(&objects, namespace, &installation.root);
        let trees: Vec<Value> = members.iter().map(|it| (*it).clone()).collect();
        checked.area(gather::issuers(client, &trees, &[]).await?);
        checked.area(gather::secrets(client, &trees, &[], now).await?);
        let around = beside(client, namespace).await?;
        checked.area(gather::certificates(&around, now));
        if let Some(picture) = live::tree(&members, around.view()) {
            let nodes = picture.all();
            let mut findings = live::version_skew(&nodes, post_upgrade);
            findings.extend(live::open_caches(&nodes));
            checked.area(Area::of("versions", findings));
        }
        let mut findings = live::not_available(&members, &around.deployments);
        findings.extend(live::foreign_servers(&members, &around.deployments));
        let area = Area::of("conditions", findings);
        checked.area(if around.sees_deployments {
            area
        } else {
            area.skip("Deployments: you may not look")
        });
        checked.area(probe::etcds(client, &trees).await?);
        checked.area(probe::hosts(&trees, true).await);
    }
    Ok(checked)
}

/// A finding, as it is kept in an area.
pub(super) type Findings = Vec<Finding>;
