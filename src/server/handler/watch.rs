//! A watch: every later change once and in order, or 410.
//!
//! A watch is a state and a step: first what there is, if that is wanted, then the
//! changes after it, until it has expired, its time is up or the server goes down.
//! It holds a position in the view's history and nothing else.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use prometheus_client::metrics::counter::Counter;
use rand::RngExt as _;
use tokio::time::Instant;

use crate::model::Revision;
use crate::shutdown::Shutdown;
use crate::store::split_path;
use crate::view::{Change, Cursor, Entry, EntryDraft, Event, Expired, Filter, Progress};

use super::object::unavailable;
use super::{Call, Shape, json_response};
use crate::server::body::Body;
use crate::server::encode::{CHUNK_BYTES, Encoder, Pieces, error_event};
use crate::server::metrics::InFlight;
use crate::server::present::Streaming;
use crate::server::query::ListOptions;
use crate::server::status::ApiError;

/// How long a watch lasts that names no time: somewhere between this and twice as
/// much, so that those who came together do not come back together.
const TIMEOUT_MIN: Duration = Duration::from_secs(1800);

/// How often a watcher that asks for bookmarks is told how far it has come, unless the
/// server is told otherwise: well within the history, so that it can go on from there.
pub const BOOKMARK_INTERVAL: Duration = Duration::from_secs(60);

/// How many changes are taken from history at once.
const CHANGES_MAX: usize = 256;

/// What a watch is about to do.
enum Phase {
    /// Tell what there is at a revision, and that it was all.
    /// Until then it is a list among the requests that are being answered.
    Initial {
        items: std::vec::IntoIter<Arc<Entry>>,
        end: Option<Revision>,
        place: Option<InFlight>,
    },
    /// Tell what is gone, to those who may not know.
    Gone { revision: Revision },
    /// Tell what changes.
    Live,
    /// Nothing more.
    Over,
}

/// Where a watch begins, and with what.
struct Beginning {
    cursor: Cursor,
    phase: Phase,
    revision: Revision,
    /// The paths of objects that are gone.
    gone: Vec<Arc<str>>,
}

/// What an object that is gone looks like, of which only the name is known.
struct Shade {
    api_version: String,
    kind: String,
}

struct Watch {
    cursor: Cursor,
    encoder: Encoder,
    phase: Phase,
    gone: std::vec::IntoIter<Arc<str>>,
    shade: Shade,
    pending: VecDeque<Arc<Change>>,
    /// Frames that were made and not sent.
    out: Pieces,
    caught_up: Revision,
    first: bool,
    /// When the next bookmark is due, if they are wanted, and how long it is to the one after.
    bookmarks: Option<Instant>,
    bookmark_interval: Duration,
    deadline: Instant,
    shutdown: Shutdown,
    events: Counter,
    /// Counts the watch for as long as it lives, by type and among all.
    _open: [InFlight; 2],
}

impl Call<'_> {
    /// Begins a watch that has `open` for as long as it lives, and `reading` until it
    /// has told what there is.
    pub(super) async fn watch(
        &self,
        open: InFlight,
        reading: InFlight,
    ) -> Result<Response<Body>, ApiError> {
        let encoder = self.encoder(Shape::Watch)?;
        let options = self.query.list_options(self.path.watch)?;
        let mut filter = self.filter(&options)?;
        if let Some(name) = &self.path.name {
            filter.scope.name = Some(name.clone());
        }
        // A user's type may have been declared a moment ago.
        let made = self.app.view.make_watchable(&self.served.key).await;
        made.map_err(|error| unavailable(&error))?;
        self.fresh_enough(&options, options.revision).await?;
        let begun = self.begin(&options, filter);
        let Ok(Beginning { cursor, mut phase, revision, gone }) = begun else {
            let mut frame = Vec::new();
            error_event(&mut frame, &too_old());
            return Ok(streaming(Body::from(frame)));
        };
        if let Phase::Initial { place, .. } = &mut phase {
            *place = Some(reading);
        }
        let now = Instant::now();
        let lasts = options
            .timeout
            .unwrap_or_else(|| TIMEOUT_MIN.mul_f64(rand::rng().random_range(1.0..2.0)));
        let labels = self.labels();
        if lasts.is_zero() {
            phase = Phase::Over;
        }
        let requests = &self.app.metrics.requests;
        let watch = Watch {
            cursor,
            encoder,
            phase,
            gone: gone.into_iter(),
            shade: Shade::new(self),
            pending: VecDeque::new(),
            out: Pieces::default(),
            caught_up: revision,
            first: true,
            bookmarks: options.bookmarks.then(|| now + self.app.options.bookmark_interval),
            bookmark_interval: self.app.options.bookmark_interval,
            deadline: now + lasts,
            shutdown: self.app.shutdown.clone(),
            events: requests.watch_events(&labels),
            _open: [requests.long_running(&labels, super::Verb::Watch, self.metrics_scope()), open],
        };
        Ok(streaming(Body::stream(futures::stream::unfold(watch, |mut watch| async {
            let chunk = watch.next().await?;
            Some((chunk, watch))
        }))))
    }

    fn begin(&self, options: &ListOptions, filter: Filter) -> Result<Beginning, Expired> {
        let view = &self.app.view;
        let key = &self.served.key;
        let root = view.root();
        let initial = options.send_initial_events.unwrap_or(options.revision.is_none());
        if !initial {
            let after = options.revision.unwrap_or(root.revision());
            let cursor = view.watch(key, filter, after)?;
            // Whoever listed anew has learnt of a deletion only if it is told here.
            let recall = view.recall_at(key, after);
            let gone = recall.map(|recall| view.gone(key, &cursor.filter().scope, recall));
            let phase = Phase::Gone { revision: after };
            return Ok(Beginning {
                cursor,
                phase,
                revision: after,
                gone: gone.unwrap_or_default(),
            });
        }
        // A revision that never was here is one of another life of this store: what
        // there is now may be older than what that client has seen.
        if options.revision.is_some_and(|revision| revision > root.revision()) {
            return Err(Expired);
        }
        let snapshot = root.snapshot(key);
        let cursor = view.watch(key, filter, snapshot.revision)?;
        let filter = cursor.filter();
        let items: Vec<_> = snapshot
            .list(&filter.scope, None)
            .filter(|(_, path, entry)| filter.selects(path, entry))
            .map(|(_, _, entry)| entry.clone())
            .collect();
        let end = options.bookmarks.then_some(snapshot.revision);
        let phase = Phase::Initial { items: items.into_iter(), end, place: None };
        let recall = self.recall(options);
        let gone = recall.map(|recall| view.gone(key, &filter.scope, recall)).unwrap_or_default();
        Ok(Beginning { cursor, phase, revision: snapshot.revision, gone })
    }
}

fn too_old() -> ApiError {
    ApiError::expired("The resourceVersion for the provided watch is too old.")
}

fn streaming(body: Body) -> Response<Body> {
    let mut response = json_response(StatusCode::OK, body);
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response.extensions_mut().insert(Streaming);
    response
}

impl Shade {
    fn new(call: &Call<'_>) -> Self {
        let kind = &call.served.kind;
        Self { api_version: kind.api_version(&kind.storage_version), kind: kind.kind.clone() }
    }

    fn entry(&self, path: &str, revision: Revision) -> Option<Entry> {
        let (shard, cluster, namespace, name) = split_path(path);
        let mut metadata = serde_json::Map::new();
        metadata.insert("name".to_owned(), name.into());
        metadata.extend(namespace.map(|namespace| ("namespace".to_owned(), namespace.into())));
        let object = serde_json::json!({
            "apiVersion": self.api_version,
            "kind": self.kind,
            "metadata": metadata,
        });
        let bytes = crate::model::json::tree::to_vec(&object);
        Some(EntryDraft::from_stored(&bytes, shard, cluster).ok()?.finish(revision))
    }
}

impl Watch {
    /// The next frames, as many as there are but at most a chunk; none at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(piece) = self.out.pop() {
                return Some(piece);
            }
            match &mut self.phase {
                Phase::Over => return None,
                Phase::Initial { .. } => self.tell_initial(),
                Phase::Gone { revision } => {
                    let revision = *revision;
                    self.tell_gone(revision);
                    // What has changed since comes next, without waiting for more.
                    continue;
                }
                Phase::Live => self.tell_changes(),
            }
            if self.out.is_empty() && matches!(self.phase, Phase::Live) && self.pending.is_empty() {
                self.wait().await;
            }
        }
    }

    fn tell_initial(&mut self) {
        let out = &mut self.out;
        let Phase::Initial { items, end, place: _ } = &mut self.phase else { return };
        let mut told = 0;
        for entry in items.by_ref() {
            self.encoder.event(out, Event::Added(&entry), std::mem::take(&mut self.first));
            told += 1;
            if out.len() >= CHUNK_BYTES {
                break;
            }
        }
        self.events.inc_by(told);
        if items.as_slice().is_empty() {
            if let Some(revision) = end.take() {
                self.encoder.bookmark(out.end(), revision, true);
            }
            self.phase = Phase::Gone { revision: self.caught_up };
        }
    }

    /// Only after the end of the list: before, a client takes it for part of that.
    fn tell_gone(&mut self, revision: Revision) {
        let out = &mut self.out;
        for path in self.gone.by_ref() {
            let (_, _, namespace, name) = split_path(&path);
            if !self.cursor.filter().fields.matches(namespace, name, b"") {
                continue;
            }
            let Some(entry) = self.shade.entry(&path, revision) else { continue };
            let event = Event::Deleted(&entry, revision);
            self.encoder.event(out, event, std::mem::take(&mut self.first));
            self.events.inc();
            if out.len() >= CHUNK_BYTES {
                return;
            }
        }
        self.phase = Phase::Live;
    }

    fn tell_changes(&mut self) {
        let out = &mut self.out;
        loop {
            while let Some(change) = self.pending.pop_front() {
                if let Some(event) = self.cursor.filter().event(&change) {
                    self.encoder.event(out, event, std::mem::take(&mut self.first));
                    self.events.inc();
                }
                if out.len() >= CHUNK_BYTES {
                    return;
                }
            }
            let mut found = Vec::new();
            let Ok(progress) = self.cursor.take(CHANGES_MAX, &mut found) else {
                error_event(out.end(), &too_old());
                self.phase = Phase::Over;
                return;
            };
            let nothing = found.is_empty();
            self.pending.extend(found);
            if let Progress::CaughtUp(revision) = progress {
                self.caught_up = revision;
                if nothing {
                    return;
                }
            }
        }
    }

    /// Waits for a change, for the time of a bookmark, or for the end.
    async fn wait(&mut self) {
        let bookmark = self.bookmarks.unwrap_or(self.deadline);
        tokio::select! {
            biased;
            () = self.shutdown.draining() => self.phase = Phase::Over,
            () = tokio::time::sleep_until(self.deadline) => self.phase = Phase::Over,
            () = self.cursor.published() => {}
            () = tokio::time::sleep_until(bookmark) => {
                self.tell_changes();
                if self.out.is_empty() && matches!(self.phase, Phase::Live) {
                    self.encoder.bookmark(self.out.end(), self.caught_up, false);
                }
                self.bookmarks = Some(Instant::now() + self.bookmark_interval);
            }
        }
    }
}
