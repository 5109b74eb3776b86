//! A network that is slower than it is, to try out what depends on it.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;

use super::connection::Handler;
use super::peer::Peer;
use crate::server::body::Body;

/// Lets each request wait before anything else, then hands it on.
#[derive(Debug)]
pub struct Delayed<H> {
    handler: Arc<H>,
    delay: Duration,
}

impl<H> Delayed<H> {
    /// `handler`, `delay` later. No delay costs nothing.
    pub fn new(handler: Arc<H>, delay: Duration) -> Self {
        Self { handler, delay }
    }
}

impl<H: Handler> Handler for Delayed<H> {
    async fn handle(self: Arc<Self>, peer: Peer, request: Request<Incoming>) -> Response<Body> {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        Arc::clone(&self.handler).handle(peer, request).await
    }
}
