//! Names that complete: those of kubeconfigs, and those that a server knows.
//!
//! Nobody is told why nothing completes: a shell has no place for it, and the command itself will
//! say it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};

use super::words;
use crate::api;
use crate::cli::runtime::block_on;
use crate::client::cluster::ClusterClient;
use crate::client::{
    CacheClient, Catalog, Form, Holding, ListQuery, Page, Pager, Partial, Scope, Search,
};
use crate::error::{CliError, Kind};
use crate::installation::live::text;

/// The longest that somebody who pressed a key is kept waiting.
const PATIENCE: Duration = Duration::from_secs(2);

/// Shards and clusters of an older server are those of its first logical clusters, this many.
const CLUSTERS_READ: u32 = 500;

/// The contexts that lead to a cache.
pub(crate) fn cache_contexts() -> ArgValueCompleter {
    names(|| Ok(search().cache_contexts()))
}

/// The contexts that lead to a cluster.
pub(crate) fn cluster_contexts() -> ArgValueCompleter {
    names(|| Ok(search().cluster_contexts()))
}

/// The namespaces of a cluster.
pub(crate) fn namespaces() -> ArgValueCompleter {
    names(|| asked(async { objects(&cluster().await?, "v1", "Namespace", None).await }))
}

/// The root shards of a cluster, which name its installations.
pub(crate) fn installations() -> ArgValueCompleter {
    names(|| {
        asked(async {
            let client = cluster().await?;
            of_kind(&client, api::Kind::RootShard).await
        })
    })
}

/// What a kubeconfig can lead to, as `rootshard/NAME`.
pub(crate) fn targets() -> ArgValueCompleter {
    const KINDS: [api::Kind; 4] =
        [api::Kind::RootShard, api::Kind::Shard, api::Kind::FrontProxy, api::Kind::CacheServer];
    names(|| {
        let prefix = |kind: api::Kind| format!("{}/", kind.as_str().to_lowercase());
        let known = asked(async {
            let client = cluster().await?;
            let mut all = Vec::new();
            for kind in KINDS {
                let names = of_kind(&client, kind).await?;
                all.extend(names.into_iter().map(|name| prefix(kind) + &name));
            }
            Ok(all)
        });
        // Without a cluster, the cache server of a data directory can be meant.
        Ok(known.ok().filter(|it| !it.is_empty()).unwrap_or_else(|| KINDS.map(prefix).into()))
    })
}

/// The shards that have something in a cache.
pub(crate) fn shards() -> ArgValueCompleter {
    names(|| asked(places(|holding| holding.shard)))
}

/// The logical clusters that have something in a cache, of the shard that was typed.
pub(crate) fn clusters() -> ArgValueCompleter {
    names(|| {
        let shard = words::value(&["--shard"]).filter(|it| it != "*");
        let clusters = places(|it| (it.shard, it.cluster));
        let all = asked(clusters)?;
        let within = all.into_iter().filter(|(it, _)| shard.as_ref().is_none_or(|name| name == it));
        Ok(within.map(|(_, cluster)| cluster).collect())
    })
}

/// The resources of a cache.
pub(crate) fn resources() -> ArgValueCompleter {
    names(|| {
        let mut catalog = Catalog::builtin();
        // A server that is away has at least what all of them have.
        let found = asked(async {
            let mut published = Catalog::builtin();
            published.add_published(&cache().await?).await?;
            Ok(published)
        });
        if let Ok(found) = found {
            catalog = found;
        }
        Ok(catalog.types().iter().map(|it| it.resource.clone()).collect())
    })
}

fn names(find: fn() -> Result<Vec<String>, CliError>) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| {
        let typed = typed.to_string_lossy();
        let found: BTreeSet<String> = find().map(|it| it.into_iter().collect()).unwrap_or_default();
        let fits = found.into_iter().filter(|it| it.starts_with(&*typed));
        fits.map(CompletionCandidate::new).collect()
    })
}

fn search() -> Search {
    let kubeconfig = words::value(&["--kubeconfig"]).map(PathBuf::from);
    Search::new(kubeconfig, words::value(&["--context"]))
}

async fn cache() -> Result<CacheClient, CliError> {
    Ok(CacheClient::new(search().find().await?)?)
}

async fn cluster() -> Result<ClusterClient, CliError> {
    let (source, namespace) = search().find_cluster().await?;
    Ok(ClusterClient::new(source, namespace)?)
}

/// What a server answers, if it does so in time.
fn asked<T>(question: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    block_on(async {
        tokio::time::timeout(PATIENCE, question).await.unwrap_or_else(|error| {
            Err(CliError::new(Kind::Unreachable, anyhow::Error::new(error)))
        })
    })
}

/// The names of a kind's objects in the namespace that was typed, else in all, else in that of
/// the context.
async fn of_kind(client: &ClusterClient, kind: api::Kind) -> Result<Vec<String>, CliError> {
    let typed = words::value(&["--namespace", "-n"]);
    let all = objects(client, api::API_VERSION, kind.as_str(), typed.as_deref()).await;
    match (all, client.namespace()) {
        (Err(_), Some(home)) if typed.is_none() => {
            objects(client, api::API_VERSION, kind.as_str(), Some(home)).await
        }
        (all, _) => all,
    }
}

async fn objects(
    client: &ClusterClient,
    api_version: &str,
    kind: &str,
    namespace: Option<&str>,
) -> Result<Vec<String>, CliError> {
    let resource = client.resource(api_version, kind).await?;
    let objects = client.list(&resource, namespace).await?;
    Ok(objects.iter().map(|it| text(it, "/metadata/name").to_owned()).collect())
}

/// Where a cache has objects: as it counts them itself, else where its logical clusters are.
async fn places<T>(take: fn(Holding) -> T) -> Result<Vec<T>, CliError> {
    let client = cache().await?;
    if let Some(holdings) = client.holdings().await? {
        return Ok(holdings.items.into_iter().map(take).collect());
    }
    let catalog = Catalog::builtin();
    let Some(found) = catalog.types().iter().find(|it| it.resource == "logicalclusters") else {
        return Ok(Vec::new());
    };
    let Some(found) = found.preferred() else { return Ok(Vec::new()) };
    let query = ListQuery::all(Scope::EVERYTHING, found.path(), found.to_ask(Form::Metadata));
    let mut pager = Pager::new(&client, query, Some(CLUSTERS_READ));
    let Some(page): Option<Page> = pager.next().await? else { return Ok(Vec::new()) };
    let place = |item: &serde_json::value::RawValue| {
        let object: Partial = serde_json::from_str(item.get()).ok()?;
        let (shard, cluster) = (object.metadata.shard(), object.metadata.cluster());
        Some(take(Holding {
            shard: shard.to_owned(),
            cluster: cluster.to_owned(),
            ..Holding::default()
        }))
    };
    Ok(page.items.iter().filter_map(|it| place(it)).collect())
}
