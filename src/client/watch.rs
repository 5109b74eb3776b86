//! A watch: one line an event, for as long as the server sends.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use kube::client::Body;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::cache::CacheClient;
use super::error::{ClientError, Refusal};
use super::page::{Page, Partial};
use super::query::ListQuery;

/// The longest event that is read, in bytes: far above what a server stores.
const EVENT_BYTES_MAX: usize = 32 << 20;

/// An open watch.
pub struct Watch<'a> {
    client: &'a CacheClient,
    body: Body,
    buffer: BytesMut,
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
pub enum EventKind {
    /// It was made, or begins to match.
    Added,
    /// It was changed.
    Modified,
    /// It was deleted, or no longer matches.
    Deleted,
    /// Nothing; everything up to a revision was sent.
    Bookmark,
    /// The watch ended in a failure.
    Error,
}

impl EventKind {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
            Self::Bookmark => "BOOKMARK",
            Self::Error => "ERROR",
        }
    }
}

/// One event.
#[derive(Debug, Deserialize)]
pub struct Event {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// The object, a table of one row, or a Status: as it came.
    pub object: Box<RawValue>,
}

impl Event {
    /// The revision of the change.
    pub fn resource_version(&self) -> Option<String> {
        let row = |page: Page| page.rows.into_iter().next().map(|row| row.object);
        let text = self.object.get();
        let object = serde_json::from_str::<Page>(text).ok().and_then(row);
        let object = object.or_else(|| serde_json::from_str::<Partial>(text).ok())?;
        Some(object.metadata.resource_version).filter(|revision| !revision.is_empty())
    }
}

impl<'a> Watch<'a> {
    /// Watches what `query` lists, from the state `since` on.
    pub async fn open(
        client: &'a CacheClient,
        query: &ListQuery,
        since: &str,
    ) -> Result<Self, ClientError> {
        let url = query.url(&[
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", since),
        ]);
        let accept = query.form.accept_one();
        let response = client.send(Some(&query.scope), &url, accept).await?;
        Ok(Self { client, body: response.into_body(), buffer: BytesMut::new() })
    }

    /// The next event; nothing when the server ended the watch. An event that
    /// says that the watch failed is an error.
    pub async fn next(&mut self) -> Result<Option<Event>, ClientError> {
        let Some(line) = self.line().await? else { return Ok(None) };
        let event: Event = self.client.parse(&line)?;
        if event.kind == EventKind::Error {
            let refusal = Refusal::of_status(event.object.get().as_bytes(), 500);
            return Err(self.client.refused(refusal));
        }
        Ok(Some(event))
    }

    async fn line(&mut self) -> Result<Option<Bytes>, ClientError> {
        let mut searched = 0;
        loop {
            if let Some(found) = memchr::memchr(b'\n', &self.buffer[searched..]) {
                let line = self.buffer.split_to(searched + found + 1).freeze();
                searched = 0;
                if !line.trim_ascii().is_empty() {
                    return Ok(Some(line));
                }
                continue;
            }
            searched = self.buffer.len();
            if searched > EVENT_BYTES_MAX {
                return Err(self.client.unreadable("an event of more than 32 MiB"));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(self.client.broken(&error)),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}
