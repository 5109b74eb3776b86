//! `kcpctl validate`: what is wrong with manifests, before a cluster sees them.
//!
//! # What is absent on purpose
//!
//! No rule is here: those are in `installation`, and hold for what `init` writes too.
//! Nothing asks a server.

use std::path::PathBuf;

use anyhow::anyhow;

use super::findings;
use super::sources::{self, Sources};
use crate::error::{CliError, Kind};
use crate::installation::{self, Profile};
use crate::term::{self, Output};

const EXAMPLES: &str = "\
Examples:
  # Check a folder of manifests as one installation
  kcpctl validate -f demo

  # Hold it against what production asks for
  kcpctl validate -f demo --profile production

  # Check what a kustomization makes
  kubectl kustomize overlays/eu | kcpctl validate -f -";

/// Check manifests without a cluster
///
/// Hold objects of operator.kcp.io/v1alpha1 against their schemas and rules, and
/// against each other: references, names, etcds, caches, certificates, versions. All
/// files are one installation. Objects of other groups only satisfy references.
///
/// Each finding has a place, a code, the path of the field and a hint. Exit with 1 if
/// there is an error; a warning alone is no reason to. docs/findings.md lists the codes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ValidateArgs {
    /// Read a file, the manifests in a folder, or stdin if it is `-`; may be repeated
    #[arg(short, long = "filename", value_name = "FILE|DIR", required = true)]
    filenames: Vec<PathBuf>,

    /// Read the folders within a folder too
    #[arg(short = 'R', long)]
    recursive: bool,

    /// Choose what the installation is meant for
    #[arg(long, value_enum, default_value_t)]
    profile: Profile,

    /// Choose how findings are shown
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Format {
    /// A line for each finding, and one for its hint
    #[default]
    Text,
    /// An object with all findings
    Json,
}

pub(super) fn run(args: ValidateArgs) -> Result<(), CliError> {
    let ValidateArgs { filenames, recursive, profile, output } = args;
    let sources = Sources::open(&filenames, recursive);
    let reading = sources.read();
    let found = installation::validate_all(&reading, profile);
    let objects = reading.documents.len() + reading.rejected.len();
    let reports = findings::locate(found, &reading, &sources);

    let mut out = Output::stdout();
    match output {
        Format::Text => findings::print(&reports, &mut out)?,
        Format::Json => findings::print_json(&reports, objects, &mut out)?,
    }
    out.finish()?;

    sources.complete("what is in there was not checked, and may be missed by the rest")?;
    sources::not_empty(objects, &filenames)?;
    let summary = findings::summary(&reports, objects);
    if findings::errors(&reports) > 0 {
        return Err(CliError::new(Kind::Findings, anyhow!(summary)));
    }
    term::say(&summary);
    Ok(())
}
