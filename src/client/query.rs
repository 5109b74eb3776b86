//! A list query, its URL, and the pages that answer it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::cache::CacheClient;
use super::error::ClientError;
use super::page::Page;
use super::scope::Scope;

/// The most objects that one page is asked for.
pub(super) const PAGE_OBJECTS_MAX: u32 = 500;

/// What a page of large objects should stay below, in bytes; the next page is made smaller.
const PAGE_BYTES_WANTED: usize = 8 << 20;

/// What stays as it is in a path segment or a query value.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The place of a type's objects below a scope.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ResourcePath {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version.
    pub version: String,
    /// The plural name.
    pub resource: String,
    /// The identity of the export that defines the type; built-in types have none.
    pub identity: Option<String>,
}

/// How a server is asked to show objects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// Whole objects.
    Objects,
    /// Their metadata alone.
    Metadata,
    /// The rows of a table with the type's columns.
    Table,
}

/// What to list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListQuery {
    /// The shards and clusters.
    pub scope: Scope,
    /// The type.
    pub path: ResourcePath,
    /// One namespace, or all.
    pub namespace: Option<String>,
    /// Which labels; empty for all.
    pub label_selector: Option<String>,
    /// How to show them.
    pub form: Form,
}

impl Form {
    /// The `Accept` header, with whole objects for a server that cannot do better.
    pub(super) fn accept(self) -> &'static str {
        match self {
            Self::Objects => "application/json",
            Self::Metadata => {
                "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
            }
            Self::Table => "application/json;as=Table;g=meta.k8s.io;v=v1,application/json",
        }
    }

    /// As [`Form::accept`], for the objects of a watch.
    pub(super) fn accept_one(self) -> &'static str {
        match self {
            Self::Objects | Self::Table => self.accept(),
            Self::Metadata => {
                "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
            }
        }
    }
}

fn plain(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

impl ResourcePath {
    /// The path of one object below a scope.
    pub fn object(&self, namespace: Option<&str>, name: &str) -> String {
        format!("{}/{}", self.collection(namespace), plain(name))
    }

    /// The path of the objects below a scope.
    fn collection(&self, namespace: Option<&str>) -> String {
        let Self { group, version, resource, identity } = self;
        let mut segments = match group.as_str() {
            "" => vec![String::new(), "api".to_owned(), plain(version)],
            group => vec![String::new(), "apis".to_owned(), plain(group), plain(version)],
        };
        if let Some(namespace) = namespace {
            segments.extend(["namespaces".to_owned(), plain(namespace)]);
        }
        segments.push(match identity {
            Some(identity) => format!("{}:{}", plain(resource), plain(identity)),
            None => plain(resource),
        });
        segments.join("/")
    }
}

impl ListQuery {
    /// All objects of a type in a scope.
    pub fn all(scope: Scope, path: ResourcePath, form: Form) -> Self {
        Self { scope, path, namespace: None, label_selector: None, form }
    }

    /// The path below the scope, and the query that `page` and `watch` share.
    pub(super) fn url(&self, more: &[(&str, &str)]) -> String {
        let selector = self.label_selector.as_deref().map(|selector| ("labelSelector", selector));
        let query: Vec<String> = selector
            .iter()
            .chain(more)
            .map(|(key, value)| format!("{key}={}", plain(value)))
            .collect();
        let separator = if query.is_empty() { "" } else { "?" };
        let path = self.path.collection(self.namespace.as_deref());
        format!("{path}{separator}{}", query.join("&"))
    }
}

/// Reads a list page by page, all of one state if the server remembers it long enough.
///
/// Only one page is held. Pages get smaller where objects are large.
pub struct Pager<'a> {
    client: &'a CacheClient,
    query: ListQuery,
    limit: u32,
    at: Option<String>,
    next: Next,
}

enum Next {
    First,
    Continue(String),
    Nothing,
}

impl<'a> Pager<'a> {
    /// A pager before the first page.
    pub fn new(client: &'a CacheClient, query: ListQuery, limit: Option<u32>) -> Self {
        let limit = limit.unwrap_or(PAGE_OBJECTS_MAX);
        Self { client, query, limit, at: None, next: Next::First }
    }

    /// Asks for the state at exactly `revision`, which a server may have forgotten.
    #[must_use]
    pub fn at(mut self, revision: impl Into<String>) -> Self {
        self.at = Some(revision.into());
        self
    }

    /// The next page, or nothing after the last.
    pub async fn next(&mut self) -> Result<Option<Page>, ClientError> {
        let token = match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::First => None,
            Next::Continue(token) => Some(token),
            Next::Nothing => return Ok(None),
        };
        let mut answer = self.fetch(token.as_deref()).await;
        let mut resumed = false;
        if let Err(error) = &answer
            && token.is_some()
            && error.is_gone()
            && let Some(resume) = error.refusal().and_then(|refusal| refusal.resume.clone())
        {
            resumed = true;
            answer = self.fetch(Some(&resume)).await;
        }
        let mut page = answer?;
        page.resumed = resumed;
        if let Some(token) = page.metadata.continue_token.take().filter(|token| !token.is_empty()) {
            self.next = Next::Continue(token);
        }
        Ok(Some(page))
    }

    async fn fetch(&mut self, token: Option<&str>) -> Result<Page, ClientError> {
        let limit = self.limit.to_string();
        let mut parameters = vec![("limit", limit.as_str())];
        match (token, &self.at) {
            (Some(token), _) => parameters.push(("continue", token)),
            (None, Some(revision)) => parameters.extend([
                ("resourceVersion", revision.as_str()),
                ("resourceVersionMatch", "Exact"),
            ]),
            (None, None) => {}
        }
        let url = self.query.url(&parameters);
        let form = self.query.form;
        let body = self.client.get(Some(&self.query.scope), &url, form.accept()).await?;
        if body.len() > PAGE_BYTES_WANTED {
            self.limit = (self.limit / 2).max(1);
        }
        self.client.parse(&body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Flavor;
    use crate::server::path::{self, Endpoint, Route};

    fn query(group: &str, identity: Option<&str>) -> ListQuery {
        ListQuery {
            scope: Scope::EVERYTHING,
            path: ResourcePath {
                group: group.to_owned(),
                version: "v1".to_owned(),
                resource: "things".to_owned(),
                identity: identity.map(str::to_owned),
            },
            namespace: None,
            label_selector: None,
            form: Form::Objects,
        }
    }

    /// A name that a path can hold; what it must be escaped for is part of it.
    const NAME: &str = "[a-z0-9.%* äß-]{0,6}[a-z]";

    proptest::proptest! {
        #[test]
        fn the_server_reads_the_path_as_it_was_meant(
            shard in "[a-z]{3,9}",
            cluster in "[a-z][a-z0-9]{0,9}",
            group in "([a-z]{1,5}\\.[a-z]{1,5})?",
            version in "v[1-9]",
            resource in "[a-z]{1,9}",
            identity in proptest::option::of("[0-9a-f]{1,9}"),
            namespace in proptest::option::of(NAME),
            all_shards in proptest::prelude::any::<bool>(),
            all_clusters in proptest::prelude::any::<bool>(),
        ) {
            let scope = Scope {
                shard: if all_shards { "*" } else { &shard }.parse().unwrap(),
                cluster: if all_clusters { "*" } else { &cluster }.parse().unwrap(),
            };
            let path = ResourcePath { group, version, resource, identity };
            let form = Form::Objects;
            let query = ListQuery { scope, path, namespace, label_selector: None, form };
            let path = format!("{}{}", query.scope.prefix(), query.url(&[]));
            let Ok(Route::Scoped(read)) = path::parse(&path, Flavor::Kcpctl) else {
                panic!("{path}");
            };
            proptest::prop_assert_eq!(&read.shard, &query.scope.shard);
            proptest::prop_assert_eq!(&read.cluster, &Some(query.scope.cluster));
            let Endpoint::Resource(read) = read.endpoint else { panic!("{path}") };
            proptest::prop_assert_eq!(&read.group, &query.path.group);
            proptest::prop_assert_eq!(&read.version, &query.path.version);
            proptest::prop_assert_eq!(&read.resource, &query.path.resource);
            proptest::prop_assert_eq!(&read.identity, &query.path.identity);
            proptest::prop_assert_eq!(&read.namespace, &query.namespace.unwrap_or_default());
        }
    }

    #[test]
    fn a_query_becomes_a_url() {
        assert_eq!(query("example.io", None).url(&[]), "/apis/example.io/v1/things");
        let mut core = query("", Some("abc"));
        core.namespace = Some("default".to_owned());
        core.label_selector = Some("a=b,c in (d)".to_owned());
        assert_eq!(
            core.url(&[("limit", "5")]),
            "/api/v1/namespaces/default/things:abc?labelSelector=a%3Db%2Cc%20in%20%28d%29&limit=5"
        );
    }
}
