//! `kcpctl validate`: what is wrong with manifests, before a cluster sees them.
//!
//! # What is absent on purpose
//!
//! No rule is here: those are in `installation`, and hold for what `init` writes too.
//! Nothing asks a server.

use anyhow::anyhow;

use super::manifests::{self, ManifestArgs, Sources};
use crate::error::{CliError, Kind};
use crate::installation::{self, Profile, Severity};
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
    #[command(flatten)]
    manifests: ManifestArgs,

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
    let ValidateArgs { manifests: ManifestArgs { filenames, recursive }, profile, output } = args;
    let sources = Sources::open(&filenames, recursive);
    let reading = sources.read();
    let findings = installation::validate_all(&reading, profile);
    let objects = reading.documents.len() + reading.rejected.len();
    let reports = manifests::locate(findings, &reading, &sources);

    let mut out = Output::stdout();
    match output {
        Format::Text => manifests::print(&reports, &mut out)?,
        Format::Json => manifests::print_json(&reports, objects, &mut out)?,
    }
    out.finish()?;

    let unread = sources.failures();
    if !unread.is_empty() {
        for failure in &unread[..unread.len() - 1] {
            term::warn(failure);
        }
        let cause = anyhow!("{}", unread[unread.len() - 1]);
        return Err(CliError::new(Kind::Config, cause)
            .hint("what is in there was not checked, and may be missed by the rest"));
    }
    if objects == 0 {
        return Err(manifests::nothing_in(&filenames));
    }
    let errors = reports.iter().filter(|it| it.severity == Severity::Error).count();
    let warnings = reports.len() - errors;
    let found = match (errors, warnings) {
        (0, 0) => "nothing is wrong".to_owned(),
        (0, _) => term::count(warnings, "warning"),
        (_, 0) => term::count(errors, "error"),
        _ => format!("{} and {}", term::count(errors, "error"), term::count(warnings, "warning")),
    };
    let summary = format!("{found} in {}", term::count(objects, "object"));
    if errors > 0 {
        return Err(CliError::new(Kind::Findings, anyhow!(summary)));
    }
    term::say(&summary);
    Ok(())
}
