//! `kcpctl render`: what an installation comes to in a cluster, without one.
//!
//! # What is absent on purpose
//!
//! What is made of an object is decided in `render`, and what is wrong with one in
//! `installation`. Nothing asks a server, so nothing with the content of a Secret is printed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::anyhow;

use super::args::Namespace;
use super::findings;
use super::sources::{self, Sources};
use crate::api::{Document, Reading};
use crate::error::{CliError, Kind};
use crate::installation::{self, Profile};
use crate::render::{Item, Objects, Observed, Waiting, render};
use crate::term::{self, Output};

const EXAMPLES: &str = "\
Examples:
  # See what an installation comes to
  kcpctl render -f demo

  # Run it without an operator: the Secrets that are left out must come from elsewhere
  kcpctl render -f demo | kubectl apply --server-side -f -

  # See what a change to a shard changes
  diff <(git show HEAD:demo/shard-a.yaml | kcpctl render -f demo/base -f -) \\
       <(kcpctl render -f demo/base -f demo/shard-a.yaml)";

/// Print what an installation comes to in a cluster
///
/// Make what stands behind objects of operator.kcp.io/v1alpha1: the issuers, certificates,
/// config maps, secrets, deployments, services and disruption budgets that kcp-operator
/// makes, without its mistakes. All files are one installation, and are checked first as by
/// `kcpctl validate`; an error stops the command.
///
/// The version of kcp is that of each object's image tag. Secrets that are made of what is in
/// others (bundles of CAs, and the kubeconfigs of Kubeconfig objects) are left out and named
/// on stderr. Objects of other groups are not printed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RenderArgs {
    /// Read a file, the manifests in a folder, or stdin if it is `-`; may be repeated
    #[arg(short, long = "filename", value_name = "FILE|DIR", required = true)]
    filenames: Vec<PathBuf>,

    /// Read the folders within a folder too
    #[arg(short = 'R', long)]
    recursive: bool,

    /// Choose the namespace of objects that name none
    /// [default: default]
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<Namespace>,

    /// Choose how objects are shown
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Format {
    /// A document for each
    #[default]
    Yaml,
    /// A list of all
    Json,
}

/// The namespace of what names none, as in kubectl.
const NAMESPACE: &str = "default";

pub(super) fn run(args: RenderArgs) -> Result<(), CliError> {
    let RenderArgs { filenames, recursive, namespace, output } = args;
    let sources = Sources::open(&filenames, recursive);
    let mut reading = sources.read();
    sources.complete("nothing was rendered, since it may refer to what is in there")?;
    sources::not_empty(reading.documents.len() + reading.rejected.len(), &filenames)?;
    put_into_namespace(&mut reading, namespace.as_ref().map_or(NAMESPACE, Namespace::as_str));
    check(&reading, &sources)?;

    let (items, waiting) = render_all(&reading)?;
    let mut out = Output::stdout();
    print(&items, output, &mut out)?;
    out.finish()?;
    for line in left_out(&waiting) {
        term::say(&line);
    }
    Ok(())
}

/// Gives each object the namespace that it would be applied in.
fn put_into_namespace(reading: &mut Reading, namespace: &str) {
    for Document { object, tree, .. } in &mut reading.documents {
        if object.namespace().is_none_or(str::is_empty) {
            object.set_namespace(namespace);
            tree["metadata"]["namespace"] = namespace.into();
        }
    }
    // What could not be read is still looked for.
    for metadata in reading.rejected.iter_mut().filter_map(|it| it.tree.get_mut("metadata")) {
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.entry("namespace").or_insert_with(|| namespace.into());
        }
    }
}

/// Shows what is wrong; what only the operator would get wrong is not.
fn check(reading: &Reading, sources: &Sources) -> Result<(), CliError> {
    let mut found = installation::validate_all(reading, Profile::Dev);
    found.retain(|it| !it.operator_only);
    let reports = findings::locate(found, reading, sources);
    for line in reports.iter().flat_map(findings::Report::lines) {
        term::say(&line);
    }
    if findings::errors(&reports) > 0 {
        let objects = reading.documents.len() + reading.rejected.len();
        let cause = anyhow!(findings::summary(&reports, objects));
        return Err(CliError::new(Kind::Findings, cause).hint("nothing was rendered"));
    }
    Ok(())
}

fn render_all(reading: &Reading) -> Result<(Vec<Item>, Vec<Waiting>), CliError> {
    let objects = Objects::of_documents(&reading.documents);
    let observed = Observed::default();
    let (mut items, mut waiting) = (Vec::new(), Vec::new());
    for source in objects.sources() {
        // The check has found every reference, unless it has a gap.
        let resolved = objects.resolve(&source).map_err(|error| {
            let about = format!("{}/{}", source.kind().as_str(), source.name());
            CliError::new(Kind::Findings, anyhow::Error::new(error).context(about))
        })?;
        let rendered = render(&resolved, &observed);
        items.extend(rendered.items);
        waiting.extend(rendered.waiting);
    }
    if items.is_empty() {
        let cause = anyhow!("there is no object of operator.kcp.io/v1alpha1");
        return Err(
            CliError::new(Kind::Config, cause).hint("`kcpctl init installation` writes some")
        );
    }
    Ok((items, waiting))
}

fn print(items: &[Item], output: Format, out: &mut Output) -> Result<(), CliError> {
    let trees: Vec<_> = items
        .iter()
        .map(Item::to_tree)
        .collect::<Result<_, _>>()
        .map_err(|error| CliError::new(Kind::Internal, error))?;
    match output {
        Format::Yaml => {
            for (index, tree) in trees.iter().enumerate() {
                if index > 0 {
                    out.line("---")?;
                }
                term::write_yaml(tree, 0, false, out)?;
            }
        }
        Format::Json => {
            let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": trees });
            term::write_json(&list, out)?;
        }
    }
    Ok(())
}

/// A line for each Secret that was not made.
fn left_out(waiting: &[Waiting]) -> Vec<String> {
    let mut secrets: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for Waiting { secret, needs, .. } in waiting {
        let needed = secrets.entry(secret).or_default();
        if !needed.contains(&needs.as_str()) {
            needed.push(needs);
        }
    }
    let line = |(secret, needed): (&str, Vec<&str>)| {
        format!("left out Secret/{secret}, which is made of Secret/{}", needed.join(", Secret/"))
    };
    secrets.into_iter().map(line).collect()
}
