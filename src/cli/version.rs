//! `kcpctl version`: what this binary is.

use serde::Serialize;

use crate::error::CliError;
use crate::term::{self, Output};

/// The oldest kcp whose shards send credentials to their cache.
const OLDEST_KCP: &str = "v0.30.2";

/// Show the version of kcpctl
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct VersionArgs {
    /// How to show it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
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
}

pub(super) fn run(args: VersionArgs) -> Result<(), CliError> {
    let VersionArgs { output } = args;
    let build = Build {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        platform: format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
        oldest_kcp: OLDEST_KCP,
    };
    let mut out = Output::stdout();
    match output {
        Format::Text => {
            let Build { name, version, platform, oldest_kcp } = build;
            out.line(&format!("{name} {version} ({platform}), serves kcp {oldest_kcp} and later"))?;
        }
        Format::Json => term::write_json(&build, &mut out)?,
        Format::Yaml => term::write_yaml(&build, 0, false, &mut out)?,
    }
    Ok(out.finish()?)
}
