//! `kcpctl cache list`: show what a cache server holds.
//!
//! * `summary` counts by resource, shard and cluster, when no resource is named.
//! * `objects` pages through the objects of one resource.
//! * `show` prints them, in each format.
//! * `follow` goes on after the list for `--watch`.
//!
//! # What is absent on purpose
//!
//! Nothing here holds more than one page, so that a cache of any size can be listed.

mod follow;
mod objects;
mod show;
mod summary;

use crate::cli::args::{ConnectionArgs, Namespace, OutputArgs, Selector};
use crate::cli::completions::names;
use crate::cli::runtime::block_on;
use crate::client::Scope;
use crate::error::{CliError, Kind};
use crate::model::{Cluster, Shard};

const EXAMPLES: &str = "\
Examples:
  # Count everything, then by shard alone
  kcpctl cache list
  kcpctl cache list --by shard

  # List the exports of one shard, with revision and uid on that shard
  kcpctl cache list apiexports --shard root -o wide

  # Find all objects with a label, and follow what becomes of them
  kcpctl cache list workspacetypes -l team=storage --watch

  # Look into the cache server of a cluster
  kcpctl cache list --kubeconfig cache.kubeconfig --context cache";

/// Show what a cache server holds
///
/// Without a resource, counts the objects by resource, shard and cluster. With a
/// resource, lists its objects page by page, of one state of the cache. Works with
/// every kcp cache server. Nothing found is not an error.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ListArgs {
    /// Resource to list: plural, singular or kind, alone or with its group
    ///
    /// `apiexports`, `apiexport`, `APIExport`, `apiexports.apis.kcp.io` and
    /// `apiexports.v1alpha2.apis.kcp.io` all name the same. A type that users publish
    /// under several identities is listed for all of them; `instances:1a2b` picks one.
    #[arg(value_name = "RESOURCE", add = names::resources())]
    resource: Option<String>,

    /// Shard to read, or `*` for all
    #[arg(long, value_name = "SHARD", default_value = "*", hide_default_value = true, add = names::shards())]
    shard: Shard,

    /// Logical cluster to read, or `*` for all
    #[arg(long, value_name = "CLUSTER", default_value = "*", hide_default_value = true, add = names::clusters())]
    cluster: Cluster,

    #[command(flatten)]
    output: OutputArgs,

    #[command(flatten)]
    objects: ObjectArgs,

    #[command(flatten)]
    counts: CountArgs,

    #[command(flatten)]
    connection: ConnectionArgs,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "With a resource")]
struct ObjectArgs {
    /// Only objects with these labels, such as `a=b,c!=d`
    #[arg(short = 'l', long, value_name = "SELECTOR", requires = "resource")]
    selector: Option<Selector>,

    /// Only objects in this namespace
    #[arg(short, long, requires = "resource")]
    namespace: Option<Namespace>,

    /// Objects in all namespaces, as without `--namespace`
    #[arg(short = 'A', long, requires = "resource", conflicts_with = "namespace")]
    all_namespaces: bool,

    /// After the list, show every change until interrupted
    ///
    /// Adds a column EVENT; with `-o json` each event is one line, with `-o yaml` one
    /// document.
    #[arg(short, long, requires = "resource")]
    watch: bool,

    /// Most objects to ask for at once
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 500,
        value_parser = clap::value_parser!(u32).range(1..=10_000),
    )]
    chunk_size: u32,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Without a resource")]
struct CountArgs {
    /// Count by these alone (can be repeated)
    #[arg(long, value_enum, value_delimiter = ',', conflicts_with = "resource")]
    by: Vec<By>,

    /// Measure the objects, also on a server that does not count them itself
    ///
    /// Such a server has to send every object; otherwise it sends their metadata.
    #[arg(long, conflicts_with = "resource")]
    bytes: bool,
}

/// What objects are counted by.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum By {
    Resource,
    Shard,
    Cluster,
}

pub(super) fn run(args: ListArgs) -> Result<(), CliError> {
    let ListArgs { resource, shard, cluster, output, objects, counts, connection } = args;
    let ObjectArgs { selector, namespace, all_namespaces: _, watch, chunk_size } = objects;
    let CountArgs { by, bytes } = counts;
    let OutputArgs { output } = output;
    let scope = Scope { shard, cluster };
    block_on(async move {
        let client = connection.client().await?;
        match resource {
            None => summary::run(&client, &scope, &by, bytes, output).await,
            Some(resource) => {
                let wanted = objects::Wanted {
                    scope,
                    namespace,
                    selector: selector.and_then(Selector::into_text),
                    chunk_size,
                };
                objects::run(&client, &resource, wanted, watch, output).await
            }
        }
    })
}

/// A refusal of the command line that clap cannot make.
fn usage(message: String, hint: &str) -> CliError {
    CliError::new(Kind::Usage, anyhow::Error::msg(message)).hint(hint)
}
