//! The shard and cluster that a request speaks of, as a layer before the server.

use std::task::{Context, Poll};

use http::uri::PathAndQuery;
use http::{Request, Uri};
use tower::{Layer, Service};

use super::query::Form;
use crate::model::{Cluster, Shard};

/// The part of a cache that a request speaks of.
///
/// A request that carries one in its extensions is sent below
/// `/services/cache/shards/{shard}/clusters/{cluster}`; any other one as it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Scope {
    /// One shard, or all.
    pub shard: Shard,
    /// One logical cluster, or all.
    pub cluster: Cluster,
}

impl Scope {
    /// Every shard and every cluster.
    pub const EVERYTHING: Self = Self { shard: Shard::All, cluster: Cluster::All };

    /// The scope to ask for, so that any server's answer holds what lies in this one;
    /// if it is a larger one, the rest is for the caller to drop.
    ///
    /// kcp's own server gives every object of `shards/*/clusters/c` the cluster `c`,
    /// wherever it lies, and answers a question for the metadata of
    /// `shards/s/clusters/*` with nothing. Both are asked as everything.
    #[must_use]
    pub fn to_ask(&self, form: Form) -> Self {
        match (&self.shard, &self.cluster, form) {
            (Shard::All, Cluster::Named(_), _)
            | (Shard::Named(_), Cluster::All, Form::Metadata) => Self::EVERYTHING,
            _ => self.clone(),
        }
    }

    /// Whether an object of this shard and cluster lies in it.
    pub fn contains(&self, shard: &str, cluster: &str) -> bool {
        let shard_fits = match &self.shard {
            Shard::All => true,
            Shard::Named(name) => name.as_str() == shard,
        };
        let cluster_fits = match &self.cluster {
            Cluster::All => true,
            Cluster::Named(name) => name.as_str() == cluster,
        };
        shard_fits && cluster_fits
    }

    /// What stands before the path of a request in this scope.
    pub fn prefix(&self) -> String {
        format!("/services/cache/shards/{}/clusters/{}", self.shard, self.cluster)
    }
}

/// Puts the scope of a request before its path.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScopeLayer;

/// The service of [`ScopeLayer`].
#[derive(Clone, Debug)]
pub(super) struct ScopeService<S> {
    inner: S,
}

impl<S> Layer<S> for ScopeLayer {
    type Service = ScopeService<S>;

    fn layer(&self, inner: S) -> ScopeService<S> {
        ScopeService { inner }
    }
}

impl<S, B> Service<Request<B>> for ScopeService<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        if let Some(scope) = request.extensions_mut().remove::<Scope>() {
            let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
            // Names are legal in a URI by their types, so a path that was one stays one.
            if let Ok(uri) = format!("{}{path}", scope.prefix()).parse::<Uri>() {
                *request.uri_mut() = uri;
            }
        }
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tower::{ServiceExt, service_fn};

    use super::*;

    async fn sent(scope: Option<Scope>, uri: &str) -> String {
        let echo = service_fn(|request: Request<()>| async move {
            Ok::<_, Infallible>(request.uri().to_string())
        });
        let mut request = Request::builder().uri(uri).body(()).unwrap();
        if let Some(scope) = scope {
            request.extensions_mut().insert(scope);
        }
        ScopeLayer.layer(echo).oneshot(request).await.unwrap()
    }

    #[test]
    fn what_a_server_may_answer_wrongly_is_asked_as_everything() {
        let scope = |shard: &str, cluster: &str| Scope {
            shard: shard.parse().unwrap(),
            cluster: cluster.parse().unwrap(),
        };
        assert_eq!(scope("*", "c").to_ask(Form::Objects), Scope::EVERYTHING);
        assert_eq!(scope("s", "*").to_ask(Form::Metadata), Scope::EVERYTHING);
        for (asked, form) in [
            (scope("s", "*"), Form::Table),
            (scope("s", "c"), Form::Metadata),
            (Scope::EVERYTHING, Form::Metadata),
        ] {
            assert_eq!(asked.to_ask(form), asked);
        }
        assert!(scope("*", "c").contains("s", "c") && scope("s", "*").contains("s", "c"));
        assert!(!scope("*", "c").contains("s", "d") && !scope("s", "*").contains("t", "c"));
    }

    #[tokio::test]
    async fn a_scope_stands_before_the_path() {
        let scope = Scope { shard: "amber".parse().unwrap(), cluster: Cluster::All };
        assert_eq!(
            sent(Some(scope), "/apis/core.kcp.io/v1alpha1/shards?limit=2").await,
            "/services/cache/shards/amber/clusters/*/apis/core.kcp.io/v1alpha1/shards?limit=2"
        );
        assert_eq!(sent(None, "/version").await, "/version");
    }
}
