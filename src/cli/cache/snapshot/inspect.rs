//! `kcpctl cache snapshot inspect`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::json;

use super::{open, refused};
use crate::cli::args::{OutputArgs, OutputFormat};
use crate::cli::cache::stored::place_of_copy;
use crate::error::CliError;
use crate::term::{self, Output, Table};

/// Check a snapshot, and show what it holds
///
/// All of the file is read, and nothing is written.
#[derive(Debug, clap::Args)]
pub(crate) struct InspectArgs {
    /// File to read, or `-` for stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: &InspectArgs) -> Result<(), CliError> {
    let mut snapshot = open(&args.file)?;
    let header = snapshot.header().clone();
    let mut counts: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
    let mut strange = 0_usize;
    for item in snapshot.items().map_err(|error| refused(&args.file, error))? {
        let item = item.map_err(|error| refused(&args.file, error))?;
        let Some(place) = place_of_copy(&item.key) else {
            strange += 1;
            continue;
        };
        let (group, resource) = place.kind.parts();
        let dot = if group.is_empty() { "" } else { "." };
        let (shard, ..) = place.parts();
        let count =
            counts.entry((format!("{resource}{dot}{group}"), shard.to_owned())).or_default();
        count.0 += 1;
        count.1 += (item.key.len() + item.value.len()) as u64;
    }
    if strange > 0 {
        let what = term::count(strange, "key");
        term::warn(&format!(
            "{what} of it can only be restored with `--raw`: not those of a cache"
        ));
    }
    let taken = jiff::Timestamp::from_second(i64::try_from(header.taken).unwrap_or(i64::MAX))
        .map_or_else(|_| header.taken.to_string(), |it| it.to_string());
    let mut out = Output::stdout();
    match args.output.output {
        OutputFormat::Table | OutputFormat::Wide => {
            let mut table = Table::new(["RESOURCE", "SHARD", "OBJECTS", "SIZE"]).right([2, 3]);
            for ((resource, shard), (objects, bytes)) in &counts {
                table.row([
                    resource.clone(),
                    shard.clone(),
                    objects.to_string(),
                    term::bytes(*bytes),
                ]);
            }
            if !counts.is_empty() {
                table.print(&mut out)?;
                out.finish()?;
            }
            term::say(&format!(
                "whole: {} ({}) of resourceVersion {}, taken {taken} from {}",
                term::count(usize::try_from(header.objects).unwrap_or(usize::MAX), "object"),
                term::bytes(header.bytes),
                header.revision,
                header.source
            ));
        }
        format => {
            let items: Vec<_> = counts
                .iter()
                .map(|((resource, shard), (objects, bytes))| {
                    json!({"resource": resource, "shard": shard, "objects": objects, "bytes": bytes})
                })
                .collect();
            if format == OutputFormat::Name {
                for (resource, shard) in counts.keys() {
                    out.line(&format!("{resource}/{shard}"))?;
                }
            } else {
                let document = json!({
                    "taken": taken, "source": header.source, "objects": header.objects,
                    "resourceVersion": header.revision.to_string(), "bytes": header.bytes,
                    "items": items, "strangeKeys": strange,
                });
                if format == OutputFormat::Json {
                    term::write_json(&document, &mut out)?;
                } else {
                    term::write_yaml(&document, 0, false, &mut out)?;
                }
            }
        }
    }
    Ok(out.finish()?)
}
