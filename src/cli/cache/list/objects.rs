//! The objects of one resource, page by page.

use super::follow::follow;
use super::show::Show;
use super::usage;
use crate::cli::args::{Namespace, OutputFormat};
use crate::client::{
    CacheClient, Catalog, ClientError, Form, FoundType, ListQuery, Meta, Pager, Scope,
    TypeNameError,
};
use crate::error::{CliError, Kind};
use crate::model::{Cluster, Shard};
use crate::term::{self, Progress};

/// Which objects of a resource.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) scope: Scope,
    pub(super) namespace: Option<Namespace>,
    pub(super) selector: Option<String>,
    pub(super) chunk_size: u32,
}

/// A query, and the scope that its answer is to be narrowed to if it asks for more.
#[derive(Clone, Debug)]
pub(super) struct Sieve {
    pub(super) query: ListQuery,
    scope: Option<Scope>,
}

impl Sieve {
    fn new(found: &FoundType, wanted: &Wanted, form: Form) -> Self {
        let form = found.to_ask(form);
        let scope = wanted.scope.to_ask(form);
        let narrowed = (scope != wanted.scope).then(|| wanted.scope.clone());
        let query = ListQuery {
            scope,
            path: found.path(),
            namespace: wanted.namespace.as_ref().map(|it| it.as_str().to_owned()),
            label_selector: wanted.selector.clone(),
            form,
        };
        Self { query, scope: narrowed }
    }

    /// Whether the metadata has to be looked at.
    pub(super) fn sieves(&self) -> bool {
        self.scope.is_some()
    }

    pub(super) fn lets_through(&self, meta: &Meta) -> bool {
        self.scope.as_ref().is_none_or(|scope| scope.contains(meta.shard(), meta.cluster()))
    }
}

pub(super) async fn run(
    client: &CacheClient,
    resource: &str,
    wanted: Wanted,
    watch: bool,
    format: OutputFormat,
) -> Result<(), CliError> {
    let mut progress = Progress::start(format!("listing {resource}"));
    let types = progress.during(find(client, resource)).await?;
    let Some(first) = types.first() else { return Ok(()) };
    if wanted.namespace.is_some() && !first.known.namespaced {
        let name = first.known.qualified_name();
        return Err(usage(format!("{name} are not in namespaces"), "leave `--namespace` away"));
    }
    if watch && types.len() > 1 {
        let identities: Vec<_> = types
            .iter()
            .filter_map(|it| Some(format!("{resource}:{}", it.known.identity.as_deref()?)))
            .collect();
        return Err(usage(
            format!("`{resource}` is published under {} identities", types.len()),
            &format!("watch one: `{}`", identities.join("` or `")),
        ));
    }
    let mut show = Show::new(first, &wanted, format, watch);
    let mut since = String::new();
    for found in &types {
        let sieve = Sieve::new(found, &wanted, show.form());
        since = list(client, &sieve, wanted.chunk_size, &mut show, &mut progress)
            .await
            .map_err(|error| explained(error, found))?;
    }
    drop(progress);
    show.end_list(&since)?;
    if show.is_empty() && !show.is_document() && !watch {
        term::say(&nothing_found(first, &wanted));
    }
    if let (true, [found]) = (watch, types.as_slice()) {
        let sieve = Sieve::new(found, &wanted, show.form());
        return follow(client, &sieve, wanted.chunk_size, &mut show, since).await;
    }
    Ok(())
}

/// Shows one list and answers with the state that it shows.
pub(super) async fn list(
    client: &CacheClient,
    sieve: &Sieve,
    chunk_size: u32,
    show: &mut Show,
    progress: &mut Progress,
) -> Result<String, CliError> {
    let mut pager = Pager::new(client, sieve.query.clone(), Some(chunk_size));
    let mut state = String::new();
    let mut seen = 0;
    while let Some(page) = progress.during(pager.next()).await? {
        if page.resumed {
            progress.suspend(|| {
                term::warn(&format!(
                    "the server has forgotten resourceVersion {state}: what follows is of \
                     resourceVersion {}, and objects that changed in between may be missing or \
                     old",
                    page.metadata.resource_version
                ));
            });
        }
        state.clone_from(&page.metadata.resource_version);
        seen += page.items.len().max(page.rows.len()) as u64;
        progress.message(match page.metadata.remaining_item_count {
            Some(more) => {
                format!("listed {} of {}", term::grouped(seen), term::grouped(seen + more))
            }
            None => format!("listed {}", term::grouped(seen)),
        });
        progress.suspend(|| show.page(page, sieve))?;
    }
    Ok(state)
}

/// The types that `resource` means: built-in ones first, without asking the server.
async fn find(client: &CacheClient, resource: &str) -> Result<Vec<FoundType>, CliError> {
    let mut catalog = Catalog::builtin();
    match catalog.find(resource) {
        Ok(types) => Ok(types),
        Err(TypeNameError::Unknown { .. }) => {
            catalog.add_published(client).await?;
            Ok(catalog.find(resource)?)
        }
        Err(error) => Err(error.into()),
    }
}

/// A 404 on a list means that the server has not got the type.
fn explained(error: CliError, found: &FoundType) -> CliError {
    let not_found =
        error.cause().downcast_ref::<ClientError>().is_some_and(ClientError::is_not_found);
    if !not_found {
        return error;
    }
    let name = found.known.qualified_name();
    let versions = found.known.versions.join(", ");
    let message = format!("the server does not serve {name} in version {}", found.version);
    let hint = if found.known.versions.len() > 1 {
        format!("other versions of kcp serve it as one of {versions}; and is it a cache server?")
    } else {
        "a kcp of another version may not have it; `kcpctl cache list` shows what there is"
            .to_owned()
    };
    CliError::new(Kind::Refused, anyhow::Error::msg(message)).hint(hint)
}

fn nothing_found(found: &FoundType, wanted: &Wanted) -> String {
    let mut sentence = format!("no {} found", found.known.qualified_name());
    if let Some(namespace) = &wanted.namespace {
        sentence = format!("{sentence} in namespace `{namespace}`");
    }
    if let Cluster::Named(cluster) = &wanted.scope.cluster {
        sentence = format!("{sentence} in cluster `{cluster}`");
    }
    if let Shard::Named(shard) = &wanted.scope.shard {
        sentence = format!("{sentence} on shard `{shard}`");
    }
    if let Some(selector) = &wanted.selector {
        sentence = format!("{sentence} with labels `{selector}`");
    }
    sentence
}
