//! A client within the process: requests that meet no socket and no TLS.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use tower::Service;

use super::auth::{GROUP_MASTERS, Identity};
use super::body::{Body, Sent};
use super::handler::App;

/// Who the process is to itself.
const USER: &str = "system:kcpctl";

/// Answers requests of the process itself, which may do everything.
#[derive(Clone)]
pub struct Local {
    app: Arc<App>,
    identity: Identity,
}

impl Local {
    /// A client of `app`.
    pub fn new(app: Arc<App>) -> Self {
        let identity = Identity::new(USER.to_owned(), vec![GROUP_MASTERS.to_owned()]);
        Self { app, identity }
    }
}

impl<B> Service<Request<B>> for Local
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Self { app, identity } = self.clone();
        async move {
            let (head, body) = request.into_parts();
            // What was in memory before can be read from there; there is no other way to fail.
            let body =
                body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            let request = Request::from_parts(head, Sent::Memory(Full::new(body)));
            Ok(app.respond(identity, false, request).await)
        }
        .boxed()
    }
}
