//! `kcpctl cache prune`: delete what shards that are gone have left in a cache, through its
//! server.
//!
//! * `find` lists what may have to go, and the shards that are registered.
//! * `show` prints it, in each format.
//! * `remove` deletes it, each object only if it is still what was listed.
//!
//! Which shard is gone is decided by [`Shards`], and here, which of them have been so for long
//! enough.

mod find;
mod remove;
mod show;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::anyhow;

use super::{ORPHAN_PATIENCE, parse_span};
use crate::cli::args::{ConnectionArgs, OutputArgs};
use crate::cli::completions::names;
use crate::cli::runtime::block_on;
use crate::error::{CliError, Kind};
use crate::model::ShardName;
use crate::model::shards::{Shards, Standing};
use crate::term::{self, Progress};

use find::{Catch, Left};

const EXAMPLES: &str = "\
Examples:
  # What would go of all shards that are gone
  kcpctl cache prune --orphans --dry-run

  # Delete it, after a question
  kcpctl cache prune --orphans

  # Delete what a shard left that was removed, without a question
  kcpctl cache prune --shard shard-2 --yes

  # In the cache server of a cluster, of any make
  kcpctl cache prune --orphans --kubeconfig cache.kubeconfig --context cache";

/// Delete what shards that are gone have left in a cache
///
/// A shard is gone if objects of it are in the cache, and no Shard object there has its
/// name. Works with every kcp cache server, through its API; each object is deleted only
/// if it has not changed since it was listed. A shard that runs after all writes again
/// what was deleted of it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    which: WhichArgs,

    /// Show what would be deleted, and delete nothing
    #[arg(long)]
    dry_run: bool,

    /// Delete without a question
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    output: OutputArgs,

    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Whose objects are meant.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["shard", "orphans"]))]
struct WhichArgs {
    /// Shard whose objects are deleted
    #[arg(long, value_name = "SHARD", add = names::shards())]
    shard: Option<ShardName>,

    /// Delete the objects of all shards that are gone
    ///
    /// Never those of `root`, of a shard in whose part Shard objects lie, or of `system:`
    /// names; and nothing at all if the cache holds no Shard object.
    #[arg(long)]
    orphans: bool,

    /// Take no shard for gone of which something changed within this time [default: 1h]
    ///
    /// By the times that its objects name: when each was created and its fields were last
    /// managed. Since when a Shard object has been gone is written nowhere.
    #[arg(long, value_name = "DURATION", value_parser = parse_span, conflicts_with = "shard")]
    older_than: Option<Duration>,

    /// Delete the objects of the shard also if it is not gone, or cannot be judged
    #[arg(long, conflicts_with = "orphans")]
    force: bool,
}

/// Whose objects go.
#[derive(Debug)]
enum Which {
    Shard { name: String, force: bool },
    Orphans { older_than: Duration },
}

impl WhichArgs {
    fn read(self) -> Result<Which, CliError> {
        let Self { shard, orphans: _, older_than, force } = self;
        if let Some(name) = shard {
            return Ok(Which::Shard { name: name.to_string(), force });
        }
        let bug = |error| CliError::new(Kind::Internal, anyhow!("{error}"));
        let older_than = older_than.map_or_else(|| parse_span(ORPHAN_PATIENCE), Ok).map_err(bug)?;
        Ok(Which::Orphans { older_than })
    }
}

impl Which {
    /// Whether objects of `shard` may have to go.
    fn concerns(&self, shard: &str, shards: &Shards) -> bool {
        match self {
            Self::Shard { name, .. } => name == shard,
            Self::Orphans { .. } => shards.standing(shard) != Standing::There,
        }
    }

    /// Why nothing at all may go, if so.
    fn refusal(&self, shards: &Shards) -> Option<CliError> {
        let refused = |cause| Some(CliError::new(Kind::Refused, cause));
        match self {
            Self::Orphans { .. } if shards.is_empty() => refused(anyhow!(
                "the cache holds no Shard object, so that no shard can be taken for gone"
            ))
            .map(|error| {
                error.hint(
                    "wait until the shards have filled the cache, or name one that was removed \
                     with `--shard NAME --force`",
                )
            }),
            Self::Orphans { .. } | Self::Shard { force: true, .. } => None,
            Self::Shard { name, .. } => match shards.standing(name) {
                Standing::Gone => None,
                Standing::Unknown => refused(anyhow!(
                    "the cache holds no Shard object, so that `{name}` cannot be taken for gone"
                ))
                .map(|error| error.hint("delete its objects all the same with `--force`")),
                Standing::There if shards.has(name) => {
                    refused(anyhow!("`{name}` is not gone: there is a Shard object of that name"))
                        .map(|error| {
                            error
                        .hint("remove the shard from its installation first, and its Shard object")
                        .hint("delete its objects all the same with `--force`")
                        })
                }
                Standing::There => refused(anyhow!(
                    "`{name}` is no shard that is ever taken for gone: it is the root shard, keeps \
                     Shard objects, or is a server's own"
                ))
                .map(|error| error.hint("delete its objects all the same with `--force`")),
            },
        }
    }

    /// What goes of `caught`, by shard, and the shards that changed too late, with their ages.
    fn chosen(&self, caught: Catch, now_millis: u64) -> Chosen {
        let mut by_shard: BTreeMap<String, Vec<Left>> = BTreeMap::new();
        for left in caught.lefts {
            by_shard.entry(left.shard.clone()).or_default().push(left);
        }
        let mut chosen = Chosen { unreachable: caught.unreachable, ..Chosen::default() };
        for (shard, lefts) in by_shard {
            if !self.concerns(&shard, &caught.shards) {
                continue;
            }
            let newest = lefts.iter().filter_map(|it| it.newest_millis).max().unwrap_or_default();
            let age = Duration::from_millis(now_millis.saturating_sub(newest));
            match self {
                Self::Orphans { older_than } if age < *older_than => {
                    chosen.young.push((shard, lefts.len(), age));
                }
                _ => chosen.lefts.extend(lefts),
            }
        }
        chosen
    }
}

/// What goes, and what is said of the rest.
#[derive(Debug, Default)]
struct Chosen {
    lefts: Vec<Left>,
    /// Shards of which something changed of late, the number of their objects, and when.
    young: Vec<(String, usize, Duration)>,
    /// Objects that no request leads to.
    unreachable: usize,
}

pub(super) fn run(args: PruneArgs) -> Result<(), CliError> {
    let PruneArgs { which, dry_run, yes, output, connection } = args;
    let which = which.read()?;
    block_on(async {
        let client = connection.client().await?;
        let mut progress = Progress::start("looking for objects of shards that are gone");
        let shards = progress.during(find::shards(&client)).await?;
        if let Some(refusal) = which.refusal(&shards) {
            return Err(refusal);
        }
        let concerns = |shard: &str| which.concerns(shard, &shards);
        let caught = progress.during(find::lefts(&client, concerns)).await?;
        drop(progress);
        let chosen = which.chosen(caught, now_millis());
        remark(&which, &chosen);
        let mut shown = show::Shown::new(client.server(), output.output, dry_run);
        if chosen.lefts.is_empty() {
            return shown.end(&[], &remove::Removed::default());
        }
        shown.before(&chosen.lefts)?;
        if dry_run {
            let objects = term::count(chosen.lefts.len(), "object");
            term::say(&format!("{objects} would be deleted"));
            return shown.end(&chosen.lefts, &remove::Removed::default());
        }
        let objects = term::count(chosen.lefts.len(), "object");
        let question =
            format!("Delete {objects} of {} from {}?", named(&chosen.lefts), client.server());
        term::confirm(&question, yes)?;
        // A shard may have come while the question stood.
        let shards = find::shards(&client).await?;
        if let Some(refusal) = which.refusal(&shards) {
            return Err(refusal);
        }
        let (doomed, back): (Vec<_>, Vec<_>) =
            chosen.lefts.into_iter().partition(|it| which.concerns(&it.shard, &shards));
        if !back.is_empty() {
            let objects = term::count(back.len(), "object");
            term::say(&format!("left {objects} of {}: registered by now", named(&back)));
        }
        let removed = remove::run(&client, &doomed).await?;
        shown.end(&doomed, &removed)?;
        term::say(&format!("deleted {}", term::count(removed.deleted(), "object")));
        match removed.changed() {
            0 => Ok(()),
            changed => {
                let objects = term::count(changed, "object");
                let cause = anyhow!("left {objects} that changed meanwhile");
                Err(CliError::new(Kind::Findings, cause)
                    .hint("does that shard run after all? If not, run it again"))
            }
        }
    })
}

fn now_millis() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// At most three of the shards, for a sentence.
fn named(lefts: &[Left]) -> String {
    let shards: std::collections::BTreeSet<_> = lefts.iter().map(|it| it.shard.as_str()).collect();
    let quoted: Vec<String> = shards.iter().take(3).map(|it| format!("`{it}`")).collect();
    match shards.len() {
        0 | 1 => format!("shard {}", quoted.concat()),
        2 | 3 => format!("shards {}", quoted.join(", ")),
        more => format!("shards {} and {} more", quoted.join(", "), more - 3),
    }
}

/// Says what is left alone, and why.
fn remark(which: &Which, chosen: &Chosen) {
    for (shard, objects, age) in &chosen.young {
        let (objects, age) = (term::count(*objects, "object"), term::age(*age));
        term::say(&format!(
            "left {objects} of `{shard}`: no Shard object has its name, but something of it \
             changed {age} ago"
        ));
    }
    if chosen.unreachable > 0 {
        let objects = term::count(chosen.unreachable, "object");
        term::say(&format!("left {objects} that no request leads to: see `kcpctl cache fsck`"));
    }
    if chosen.lefts.is_empty() {
        term::say(&match which {
            Which::Shard { name, .. } if chosen.unreachable > 0 => {
                format!("the cache holds nothing else of shard `{name}`")
            }
            Which::Shard { name, .. } => format!("the cache holds nothing of shard `{name}`"),
            Which::Orphans { .. } => "there is nothing to prune".to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Precondition;

    fn left(shard: &str, newest_millis: Option<u64>) -> Left {
        Left {
            resource: "things.example.com".to_owned(),
            path: String::new(),
            declares: false,
            shard: shard.to_owned(),
            cluster: "c".to_owned(),
            namespace: String::new(),
            name: "x".to_owned(),
            condition: Precondition { resource_version: "1".to_owned(), uid: String::new() },
            newest_millis,
        }
    }

    fn shards(named: &[(&str, &str)]) -> Shards {
        let mut shards = Shards::default();
        for (host, name) in named {
            shards.register(host, name);
        }
        shards
    }

    #[test]
    fn only_what_has_been_gone_for_long_enough_goes() {
        const NOW: u64 = 10_000_000;
        let orphans = Which::Orphans { older_than: Duration::from_secs(1000) };
        let lefts = vec![
            left("root", None),
            left("alive", None),
            left("old", Some(NOW - 1_000_000)),
            left("young", Some(5)),
            left("young", Some(NOW - 999_999)),
            left("future", Some(NOW + 5)),
            left("unknown", None),
        ];
        let shards = shards(&[("hub", "alive")]);
        let chosen = orphans.chosen(Catch { lefts, shards, unreachable: 0 }, NOW);
        let gone: Vec<_> = chosen.lefts.iter().map(|it| it.shard.as_str()).collect();
        assert_eq!(gone, ["old", "unknown"]);
        let young: Vec<_> = chosen.young.iter().map(|it| (it.0.as_str(), it.1)).collect();
        assert_eq!(young, [("future", 1), ("young", 2)]);
        assert_eq!(named(&chosen.lefts), "shards `old`, `unknown`");
    }

    #[test]
    fn a_shard_that_is_there_or_cannot_be_judged_is_refused() {
        let shard = |name: &str, force| Which::Shard { name: name.to_owned(), force };
        let orphans = Which::Orphans { older_than: Duration::ZERO };
        let (some, none) = (shards(&[("hub", "alive")]), Shards::default());
        for (which, shards, refused) in [
            (&shard("gone", false), &some, false),
            (&shard("alive", false), &some, true),
            (&shard("alive", true), &some, false),
            (&shard("hub", false), &some, true),
            (&shard("root", false), &some, true),
            (&shard("gone", false), &none, true),
            (&shard("gone", true), &none, false),
            (&orphans, &some, false),
            (&orphans, &none, true),
        ] {
            let refusal = which.refusal(shards);
            assert_eq!(refusal.is_some(), refused, "{which:?}");
            assert!(refusal.is_none_or(|it| !it.hints().is_empty()));
        }
    }
}
