//! What a cache server holds, counted by resource, shard and cluster.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::By;
use crate::cli::args::OutputFormat;
use crate::client::{
    CacheClient, Catalog, ClientError, Form, FoundType, Holding, Holdings, ListQuery, Pager,
    Partial, Scope,
};
use crate::error::{CliError, Kind};
use crate::model::{Cluster, Shard};
use crate::term::{self, Output, Progress, Table};

/// The origin of objects whose type is built in.
const BUILTIN_ORIGIN: &str = "customresources";

/// How much of an identity tells types apart for a reader.
const IDENTITY_SHOWN: usize = 8;

/// The order in which one counts when nobody says.
const BY_ALL: [By; 3] = [By::Resource, By::Shard, By::Cluster];

pub(super) async fn run(
    client: &CacheClient,
    scope: &Scope,
    by: &[By],
    bytes: bool,
    format: OutputFormat,
) -> Result<(), CliError> {
    let mut progress = Progress::start("counting");
    let counted = progress.during(client.holdings()).await?;
    let mut holdings = match counted {
        Some(holdings) => holdings,
        None => count_by_listing(client, scope, bytes, &mut progress).await?,
    };
    drop(progress);
    holdings.items.retain(|it| it.count > 0 && scope.contains(&it.shard, &it.cluster));

    let by = if by.is_empty() { &BY_ALL[..] } else { by };
    let lines = fold(&holdings, by, format == OutputFormat::Wide);
    let mut out = Output::stdout();
    match format {
        OutputFormat::Table | OutputFormat::Wide => {
            if !lines.is_empty() {
                print_table(&lines, by, format == OutputFormat::Wide, &mut out)?;
                out.finish()?;
            }
            term::say(&summed_up(&holdings, scope));
        }
        OutputFormat::Json => term::write_json(&document(&lines, &holdings, by), &mut out)?,
        OutputFormat::Yaml => {
            term::write_yaml(&document(&lines, &holdings, by), 0, false, &mut out)?;
        }
        OutputFormat::Name => {
            for line in &lines {
                out.line(&line.keys.join("/"))?;
            }
        }
    }
    Ok(out.finish()?)
}

/// Lists every type that there is, since the server does not count.
async fn count_by_listing(
    client: &CacheClient,
    scope: &Scope,
    bytes: bool,
    progress: &mut Progress,
) -> Result<Holdings, CliError> {
    let mut catalog = Catalog::builtin();
    progress.during(catalog.add_published(client)).await?;
    let mut count = Count::default();
    let mut served = false;
    for known in catalog.types() {
        progress.message(format!("counting {}", known.qualified_name()));
        let Some(found) = known.preferred() else { continue };
        let form = found.to_ask(if bytes { Form::Objects } else { Form::Metadata });
        let query = ListQuery::all(scope.to_ask(form), found.path(), form);
        match progress.during(count.add(client, &found, query, bytes)).await {
            Ok(()) => served = true,
            // A kcp of another time, which has not got this type.
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
    }
    if !served {
        let cause = anyhow::anyhow!("the server serves none of the resources of a cache");
        return Err(CliError::new(Kind::Refused, cause)
            .hint("is it a kcp cache server? Name one with `--kubeconfig` and `--context`"));
    }
    Ok(count.holdings())
}

/// What was counted so far.
#[derive(Default)]
struct Count {
    items: BTreeMap<[String; 5], Holding>,
    newest: String,
}

impl Count {
    async fn add(
        &mut self,
        client: &CacheClient,
        found: &FoundType,
        query: ListQuery,
        bytes: bool,
    ) -> Result<(), ClientError> {
        let mut pager = Pager::new(client, query, None);
        while let Some(page) = pager.next().await? {
            raise(&mut self.newest, &page.metadata.resource_version);
            for item in &page.items {
                let object: Partial = serde_json::from_str(item.get()).unwrap_or_default();
                self.one(found, &object, bytes.then_some(item.get().len() as u64));
            }
        }
        Ok(())
    }

    fn one(&mut self, found: &FoundType, object: &Partial, bytes: Option<u64>) {
        let meta = &object.metadata;
        let known = &found.known;
        let origin = known.identity.as_deref().unwrap_or(BUILTIN_ORIGIN);
        let key = [&known.group, &known.resource, origin, meta.shard(), meta.cluster()];
        let holding = self.items.entry(key.map(str::to_owned)).or_insert_with(|| Holding {
            group: known.group.clone(),
            resource: known.resource.clone(),
            origin: origin.to_owned(),
            shard: meta.shard().to_owned(),
            cluster: meta.cluster().to_owned(),
            ..Holding::default()
        });
        holding.count += 1;
        if let Some(bytes) = bytes {
            *holding.bytes.get_or_insert_default() += bytes;
        }
        raise(&mut holding.resource_version, &meta.resource_version);
    }

    fn holdings(self) -> Holdings {
        Holdings { resource_version: self.newest, items: self.items.into_values().collect() }
    }
}

/// Makes `newest` the revision `other` if that is the greater number.
fn raise(newest: &mut String, other: &str) {
    let number = |text: &str| text.parse::<u64>().unwrap_or_default();
    if number(other) > number(newest) {
        other.clone_into(newest);
    }
}

/// One line of the summary.
#[derive(Debug, Eq, PartialEq)]
struct Line {
    keys: Vec<String>,
    count: u64,
    bytes: Option<u64>,
    newest: String,
}

/// Adds up what has the same keys.
fn fold(holdings: &Holdings, by: &[By], whole_identity: bool) -> Vec<Line> {
    let mut lines: BTreeMap<Vec<String>, Line> = BTreeMap::new();
    for holding in &holdings.items {
        let keys: Vec<String> = by
            .iter()
            .map(|by| match by {
                By::Resource => resource_name(holding, whole_identity),
                By::Shard => holding.shard.clone(),
                By::Cluster => holding.cluster.clone(),
            })
            .collect();
        let line = lines.entry(keys.clone()).or_insert_with(|| Line {
            keys,
            count: 0,
            bytes: None,
            newest: String::new(),
        });
        line.count += holding.count;
        if let Some(bytes) = holding.bytes {
            *line.bytes.get_or_insert_default() += bytes;
        }
        raise(&mut line.newest, &holding.resource_version);
    }
    lines.into_values().collect()
}

/// `resource.group`, with the identity of a type that is not built in.
fn resource_name(holding: &Holding, whole_identity: bool) -> String {
    let mut name = holding.resource.clone();
    if !holding.group.is_empty() {
        name = format!("{name}.{}", holding.group);
    }
    match holding.origin.as_str() {
        "" | BUILTIN_ORIGIN => name,
        identity if whole_identity => format!("{name}:{identity}"),
        identity => {
            let short: String = identity.chars().take(IDENTITY_SHOWN).collect();
            format!("{name}:{short}")
        }
    }
}

fn print_table(lines: &[Line], by: &[By], exact: bool, out: &mut Output) -> Result<(), CliError> {
    let measured = lines.iter().any(|line| line.bytes.is_some());
    let mut headings: Vec<&str> = by.iter().map(|by| by.heading()).collect();
    let first_number = headings.len();
    headings.push("objects");
    if measured {
        headings.push("size");
    }
    headings.push("resourceVersion");
    let numbers = first_number..first_number + 1 + usize::from(measured);
    let mut table = Table::new(headings).right(numbers);
    for line in lines {
        let mut cells = line.keys.clone();
        cells.push(if exact { line.count.to_string() } else { term::grouped(line.count) });
        if measured {
            let bytes = line.bytes.unwrap_or_default();
            cells.push(if exact { bytes.to_string() } else { term::bytes(bytes) });
        }
        cells.push(line.newest.clone());
        table.row(cells);
    }
    Ok(table.print(out)?)
}

fn summed_up(holdings: &Holdings, scope: &Scope) -> String {
    let items = &holdings.items;
    let place = match (&scope.shard, &scope.cluster) {
        (Shard::All, Cluster::All) => String::new(),
        (Shard::Named(shard), Cluster::All) => format!(" on shard `{shard}`"),
        (Shard::All, Cluster::Named(cluster)) => format!(" in cluster `{cluster}`"),
        (Shard::Named(shard), Cluster::Named(cluster)) => {
            format!(" in cluster `{cluster}` of shard `{shard}`")
        }
    };
    if items.is_empty() {
        return format!("the cache holds nothing{place}");
    }
    let distinct = |of: fn(&Holding) -> (&str, &str)| {
        items.iter().map(of).collect::<std::collections::BTreeSet<_>>().len()
    };
    let objects: u64 = items.iter().map(|it| it.count).sum();
    let objects = term::count(usize::try_from(objects).unwrap_or(usize::MAX), "object");
    let clusters = term::count(distinct(|it| (&it.shard, &it.cluster)), "cluster");
    let shards = term::count(distinct(|it| (&it.shard, "")), "shard");
    let size = match items.iter().map(|it| it.bytes).sum::<Option<u64>>() {
        Some(bytes) => format!(" ({})", term::bytes(bytes)),
        None => String::new(),
    };
    format!(
        "{objects}{size} in {clusters} of {shards}, at resourceVersion {}",
        holdings.resource_version
    )
}

fn document(lines: &[Line], holdings: &Holdings, by: &[By]) -> Value {
    let items: Vec<Value> = lines
        .iter()
        .map(|line| {
            let mut item = Map::new();
            for (by, key) in by.iter().zip(&line.keys) {
                item.insert(by.heading().to_owned(), json!(key));
            }
            item.insert("count".to_owned(), json!(line.count));
            if let Some(bytes) = line.bytes {
                item.insert("bytes".to_owned(), json!(bytes));
            }
            item.insert("resourceVersion".to_owned(), json!(line.newest));
            Value::Object(item)
        })
        .collect();
    json!({
        "kind": "Holdings",
        "resourceVersion": holdings.resource_version,
        "items": items,
    })
}

impl By {
    fn heading(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Shard => "shard",
            Self::Cluster => "cluster",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(resource: &str, origin: &str, shard: &str, cluster: &str, count: u64) -> Holding {
        Holding {
            group: "example.io".to_owned(),
            resource: resource.to_owned(),
            origin: origin.to_owned(),
            shard: shard.to_owned(),
            cluster: cluster.to_owned(),
            count,
            bytes: Some(count * 100),
            resource_version: (count + 8).to_string(),
        }
    }

    fn holdings() -> Holdings {
        Holdings {
            resource_version: "99".to_owned(),
            items: vec![
                holding("as", BUILTIN_ORIGIN, "root", "root", 1),
                holding("as", BUILTIN_ORIGIN, "beta", "root", 2),
                holding("bs", "0123456789abcdef", "beta", "other", 4),
            ],
        }
    }

    fn folded(by: &[By]) -> Vec<(String, u64, Option<u64>, String)> {
        let lines = fold(&holdings(), by, false);
        lines.into_iter().map(|it| (it.keys.join(" "), it.count, it.bytes, it.newest)).collect()
    }

    #[test]
    fn counts_fold_by_what_is_asked_for() {
        let line = |keys: &str, count, newest: &str| {
            (keys.to_owned(), count, Some(count * 100), newest.to_owned())
        };
        assert_eq!(
            folded(&BY_ALL),
            [
                line("as.example.io beta root", 2, "10"),
                line("as.example.io root root", 1, "9"),
                line("bs.example.io:01234567 beta other", 4, "12"),
            ]
        );
        // 9 and 10 are compared as numbers.
        assert_eq!(
            folded(&[By::Resource]),
            [line("as.example.io", 3, "10"), line("bs.example.io:01234567", 4, "12")]
        );
        assert_eq!(folded(&[By::Shard]), [line("beta", 6, "12"), line("root", 1, "9")]);
        assert_eq!(
            folded(&[By::Cluster, By::Shard]),
            [line("other beta", 4, "12"), line("root beta", 2, "10"), line("root root", 1, "9")]
        );
    }

    #[test]
    fn the_sum_is_one_sentence() {
        assert_eq!(
            summed_up(&holdings(), &Scope::EVERYTHING),
            "7 objects (700 B) in 3 clusters of 2 shards, at resourceVersion 99"
        );
        let scope = Scope { shard: "root".parse().unwrap(), cluster: Cluster::All };
        assert_eq!(
            summed_up(&Holdings::default(), &scope),
            "the cache holds nothing on shard `root`"
        );
    }
}
