//! `kcpctl crds`: the definitions of the operator's kinds.

use clap::builder::PossibleValue;

use crate::api::{self, Kind};
use crate::error::CliError;
use crate::term::{self, Output};

const EXAMPLES: &str = "\
Examples:
  # Install all of them in the current cluster
  kcpctl crds | kubectl apply --server-side -f -

  # Look at one
  kcpctl crds shard";

/// Print the definitions of the operator's kinds
///
/// Print the definition (CRD) of each kind of operator.kcp.io/v1alpha1, made from the
/// types that `kcpctl validate` checks with: what passes there is what a
/// cluster with these definitions takes.
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
    let CrdsArgs { kinds, output } = args;
    let wanted = |kind: &Kind| kinds.is_empty() || kinds.iter().any(|it| it.0 == *kind);
    let crds: Vec<_> = Kind::ALL.into_iter().filter(wanted).map(api::crd).collect();
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
