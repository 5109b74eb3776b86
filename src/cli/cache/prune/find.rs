//! What may have to go, and the shards that are registered.

use std::borrow::Cow;

use serde::Deserialize;

use crate::client::{
    CacheClient, Catalog, ClientError, Form, FoundType, KnownType, ListQuery, Meta, Page, Pager,
    Partial, Precondition, Scope,
};
use crate::error::CliError;
use crate::model::shards::{SHARD_GROUP, SHARD_RESOURCE, Shards, Times, not_before};
use crate::model::{ClusterName, DECLARING_GROUP, DECLARING_RESOURCES, Revision, ShardName};
use crate::store::TypeKey;

/// An object that may have to go.
#[derive(Clone, Debug)]
pub(super) struct Left {
    /// Its type, for a reader.
    pub(super) resource: String,
    /// Its path below shard and cluster.
    pub(super) path: String,
    /// Whether it makes other objects reachable.
    pub(super) declares: bool,
    pub(super) shard: String,
    pub(super) cluster: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) condition: Precondition,
    /// When it changed last, as far as it says, in milliseconds since 1970.
    pub(super) newest_millis: Option<u64>,
}

/// What was listed.
#[derive(Debug, Default)]
pub(super) struct Catch {
    pub(super) lefts: Vec<Left>,
    /// The shards that were registered after everything was listed.
    pub(super) shards: Shards,
    /// Objects that no request leads to.
    pub(super) unreachable: usize,
}

/// What of an object's metadata a reader of lists does not need.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Whole<'a> {
    #[serde(borrow)]
    metadata: More<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct More<'a> {
    #[serde(borrow)]
    uid: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Timed<'a> {
    #[serde(borrow)]
    metadata: Times<'a>,
}

/// The shards that are registered now.
pub(super) async fn shards(client: &CacheClient) -> Result<Shards, CliError> {
    let catalog = Catalog::builtin();
    let mut shards = Shards::default();
    for known in catalog.types() {
        if (known.group.as_str(), known.resource.as_str()) == (SHARD_GROUP, SHARD_RESOURCE) {
            each(client, known, |_, meta, _| shards.register(meta.shard(), &meta.name)).await?;
        }
    }
    Ok(shards)
}

/// All objects of the shards that `concerns` names, then the shards that are registered: so
/// a shard that registers before it writes is never missing from those.
pub(super) async fn lefts(
    client: &CacheClient,
    concerns: impl Fn(&str) -> bool,
) -> Result<Catch, CliError> {
    let mut catalog = Catalog::builtin();
    catalog.add_published(client).await?;
    let mut caught = Catch::default();
    for known in catalog.types() {
        if TypeKey::new(&known.group, &known.resource).is_definitions() {
            continue;
        }
        let declares = known.group == DECLARING_GROUP
            && DECLARING_RESOURCES.contains(&known.resource.as_str());
        let take = |found: &FoundType, meta: &Meta, text: &str| {
            if !concerns(meta.shard()) {
                return;
            }
            let names = (meta.shard().parse::<ShardName>(), meta.cluster().parse::<ClusterName>());
            let (Ok(shard), Ok(cluster)) = names else {
                caught.unreachable += 1;
                return;
            };
            let whole: Whole<'_> = serde_json::from_str(text).unwrap_or_default();
            let times: Timed<'_> = serde_json::from_str(text).unwrap_or_default();
            let revision = meta.resource_version.parse().map(Revision).unwrap_or_default();
            let namespace = Some(meta.namespace.as_str()).filter(|it| !it.is_empty());
            caught.lefts.push(Left {
                resource: resource(known),
                path: found.path().object(namespace, &meta.name),
                declares,
                shard: shard.to_string(),
                cluster: cluster.to_string(),
                namespace: meta.namespace.clone(),
                name: meta.name.clone(),
                condition: Precondition {
                    resource_version: meta.resource_version.clone(),
                    uid: whole.metadata.uid.into_owned(),
                },
                newest_millis: times.metadata.newest().max(not_before(revision)),
            });
        };
        each(client, known, take).await?;
    }
    caught.shards = shards(client).await?;
    Ok(caught)
}

/// Tells the metadata of each object of a type, wherever it lies.
async fn each(
    client: &CacheClient,
    known: &KnownType,
    mut tell: impl FnMut(&FoundType, &Meta, &str),
) -> Result<(), ClientError> {
    let Some(found) = known.preferred() else { return Ok(()) };
    let form = found.to_ask(Form::Metadata);
    let query = ListQuery::all(Scope::EVERYTHING, found.path(), form);
    let mut pager = Pager::new(client, query, None);
    loop {
        let page: Page = match pager.next().await {
            Ok(Some(page)) => page,
            Ok(None) => return Ok(()),
            // A kcp of another time, which has not got this type.
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error),
        };
        for item in &page.items {
            let object: Partial = serde_json::from_str(item.get()).unwrap_or_default();
            tell(&found, &object.metadata, item.get());
        }
    }
}

/// How much of an identity tells types apart for a reader.
const IDENTITY_SHOWN: usize = 8;

fn resource(known: &KnownType) -> String {
    let name = known.qualified_name();
    match known.identity.as_deref() {
        Some(identity) => {
            let short: String = identity.chars().take(IDENTITY_SHOWN).collect();
            format!("{name}:{short}")
        }
        None => name,
    }
}
