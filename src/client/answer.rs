//! The body of an answer as a whole.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use kube::client::Body;
use tokio::time::timeout;

/// How long an answer may stay silent; servers end a request after as long.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Why there is no whole body.
pub(super) enum Incomplete {
    /// Nothing came for [`PATIENCE`].
    Silent,
    /// It broke off.
    Broken(kube::Error),
    /// It is longer than whoever asked wants to hold.
    TooLong,
}

/// Collects a body of at most `limit` bytes.
pub(super) async fn collect(mut body: Body, limit: usize) -> Result<Bytes, Incomplete> {
    let mut collected = BytesMut::new();
    loop {
        match timeout(PATIENCE, body.frame()).await {
            Err(_) => return Err(Incomplete::Silent),
            Ok(None) => return Ok(collected.freeze()),
            Ok(Some(Err(error))) => return Err(Incomplete::Broken(error)),
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    collected.extend_from_slice(&data);
                }
            }
        }
        if collected.len() > limit {
            return Err(Incomplete::TooLong);
        }
    }
}
