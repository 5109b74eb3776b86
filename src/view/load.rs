//! From what is stored to what is served: one change at a time, and all of them.
//!
//! All of them are taken in three steps that work at the same time, since a server that
//! starts has nothing else to do and a shard waits for it:
//!
//! ```text
//! the store reads ──► changes are understood ──► they are put in order into maps
//! ```

use std::collections::HashMap;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use tokio::task::{JoinHandle, spawn_blocking};

use bytes::Bytes;

use crate::model::Revision;
use crate::model::json::tree;
use crate::store::{Change as StoredChange, KeyError, Keyspace, Place, TypeKey};

use super::entry::{Entry, EntryDraft, EntryError};
use super::open::{OpenError, Options};
use super::ring::Change;
use super::root::{Kind, Root};

/// What a value begins with that the original has encrypted.
const ENCRYPTED: &[u8] = b"k8s:enc:";

/// The keys of what was left out, and whether it is encrypted.
pub(super) type Left = HashMap<Bytes, bool>;

/// Why nothing is served of a stored value.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unreadable {
    /// Another server has encrypted it.
    #[error("it is encrypted (k8s:enc:), which this version cannot read")]
    Encrypted,
    /// It is no object.
    #[error("{0}")]
    Malformed(String),
}

/// Why a stored change cannot be served.
#[derive(Debug)]
pub(super) enum Strange {
    /// The key is not of the layout; whether it was deleted.
    Key(KeyError, bool),
    /// The value is encrypted.
    Encrypted,
    /// The value is no object.
    Value(String),
}

impl Strange {
    /// Whether nothing is stored there any longer.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Self::Key(_, true))
    }

    pub(super) fn is_encrypted(&self) -> bool {
        matches!(self, Self::Encrypted)
    }

    /// Says so in the log.
    pub(super) fn report(&self, key: &[u8]) {
        let key = String::from_utf8_lossy(key);
        match self {
            Self::Key(error, _) => {
                tracing::warn!(%key, %error, "left out a stored object with a strange key");
            }
            Self::Encrypted => {
                tracing::error!(
                    %key,
                    "left out a stored object that is encrypted (k8s:enc:), which this server cannot read"
                );
            }
            Self::Value(why) => {
                tracing::warn!(%key, why, "left out a stored object that cannot be read");
            }
        }
    }
}

/// Where a stored change belongs, and what is served of it.
pub(super) fn understand(
    keys: &Keyspace,
    serve: Serve,
    stored: StoredChange,
) -> Result<(Place, Option<Arc<Entry>>), Strange> {
    let place =
        keys.parse(&stored.key).map_err(|error| Strange::Key(error, stored.value.is_none()))?;
    let Some(value) = stored.value else { return Ok((place, None)) };
    match read_stored(&place, &value, stored.revision, serve) {
        Ok(entry) => Ok((place, Some(Arc::new(entry)))),
        Err(Unreadable::Encrypted) => Err(Strange::Encrypted),
        Err(Unreadable::Malformed(why)) => Err(Strange::Value(why)),
    }
}

/// Makes what is served of a value that is stored at a place, or says why it cannot.
pub type Serve = fn(&Place, &[u8]) -> Result<EntryDraft, String>;

/// What is served of `value`, which is stored at `place`.
pub fn read_stored(
    place: &Place,
    value: &[u8],
    revision: Revision,
    serve: Serve,
) -> Result<Entry, Unreadable> {
    if value.starts_with(ENCRYPTED) {
        return Err(Unreadable::Encrypted);
    }
    let draft = serve(place, value).map_err(Unreadable::Malformed)?;
    Ok(draft.finish(revision))
}

/// Makes what is served of a value in any valid JSON, with the annotations that say where it
/// lies; nearly all are canonical.
pub fn serve_placed(place: &Place, value: &[u8]) -> Result<EntryDraft, String> {
    let (shard, cluster, ..) = place.parts();
    canonical(value, |value| EntryDraft::from_stored(value, shard, cluster))
}

/// Makes what is served of a value in any valid JSON as it is.
pub fn serve_plain(value: &[u8]) -> Result<EntryDraft, String> {
    canonical(value, EntryDraft::plain_from_stored)
}

fn canonical(
    value: &[u8],
    draft: impl Fn(&[u8]) -> Result<EntryDraft, EntryError>,
) -> Result<EntryDraft, String> {
    match draft(value) {
        Err(EntryError::NotCanonical) => {
            let (value, _) = tree::read(value).map_err(|error| error.to_string())?;
            draft(&tree::to_vec(&value)).map_err(|error| error.to_string())
        }
        draft => draft.map_err(|error| error.to_string()),
    }
}

/// How many changes go from one step of loading to the next at once: enough that handing
/// them over costs nothing.
const BATCH: usize = 256;

/// How many batches wait between two steps. With objects of 2 KiB they hold 2 MiB.
const BATCHES: usize = 4;

/// Takes the changes of the store, oldest first, and makes the root of them beside.
pub(super) struct Loader {
    batch: Vec<StoredChange>,
    batches: SyncSender<Vec<StoredChange>>,
    builder: JoinHandle<Builder>,
}

/// A stored change, and what was made of it.
struct Understood {
    key: Bytes,
    revision: Revision,
    at_millis: u64,
    outcome: Result<(Place, Option<Arc<Entry>>), Strange>,
}

/// Builds the root from understood changes, oldest first.
struct Builder {
    /// What becomes of what cannot be understood.
    lenient: Lenience,
    strange: Left,
    kinds: HashMap<TypeKey, (Kind, Vec<Arc<Change>>)>,
    failed: Option<OpenError>,
}

/// What becomes of what cannot be understood.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lenience {
    /// It is damage: the store is one's own.
    Nothing,
    /// Others wrote it: it is left out, unless it is encrypted, as everything may be then.
    AllButEncrypted,
    /// It is left out: there is a server that runs.
    All,
}

impl Loader {
    /// Must be called on a Tokio runtime.
    pub(super) fn new(keys: Keyspace, options: &Options, lenient: Lenience) -> Self {
        let (batches, stored) = sync_channel::<Vec<StoredChange>>(BATCHES);
        let (sender, understood) = sync_channel(BATCHES);
        let serve = options.serve;
        spawn_blocking(move || {
            for batch in stored {
                let batch = batch.into_iter().map(|it| Understood::new(&keys, serve, it));
                if sender.send(batch.collect()).is_err() {
                    return; // the builder has failed
                }
            }
        });
        let builder = spawn_blocking(move || Builder::new(lenient).run(&understood));
        Self { batch: Vec::with_capacity(BATCH), batches, builder }
    }

    pub(super) fn add(&mut self, change: StoredChange) {
        self.batch.push(change);
        if self.batch.len() == BATCH {
            self.send();
        }
    }

    fn send(&mut self) {
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        // Nobody takes it if the builder has failed, which it says in the end.
        _ = self.batches.send(batch);
    }

    /// Everything, what history costs, and the keys of what was left out.
    pub(super) async fn finish(
        mut self,
        loaded: &crate::store::Loaded,
    ) -> Result<(Root, usize, Left), OpenError> {
        self.send();
        drop(self.batches);
        // A blocking task that runs cannot be cancelled, so that it failed means a panic.
        let builder = self.builder.await.unwrap_or_else(|error| resume_unwind(error.into_panic()));
        builder.finish(loaded)
    }
}

impl Understood {
    fn new(keys: &Keyspace, serve: Serve, change: StoredChange) -> Self {
        let StoredChange { ref key, revision, at_millis, .. } = change;
        let key = key.clone();
        Self { key, revision, at_millis, outcome: understand(keys, serve, change) }
    }
}

impl Builder {
    fn new(lenient: Lenience) -> Self {
        Self { lenient, strange: Left::new(), kinds: HashMap::new(), failed: None }
    }

    fn run(mut self, understood: &Receiver<Vec<Understood>>) -> Self {
        for change in understood.iter().flatten() {
            self.add(change);
            if self.failed.is_some() {
                break;
            }
        }
        self
    }

    fn add(&mut self, understood: Understood) {
        let Understood { key, revision, at_millis, outcome } = understood;
        let strange = match outcome {
            Ok((place, new)) => return self.put(place, new, revision, at_millis),
            Err(strange) => strange,
        };
        let text = || String::from_utf8_lossy(&key).into_owned();
        self.failed = match (strange, self.lenient) {
            (Strange::Encrypted, Lenience::Nothing | Lenience::AllButEncrypted) => {
                Some(OpenError::Encrypted { key: text() })
            }
            (Strange::Key(source, _), Lenience::Nothing) => {
                Some(OpenError::Key { key: text(), source })
            }
            (Strange::Value(why), Lenience::Nothing) => Some(OpenError::Value { key: text(), why }),
            (strange, _) => {
                strange.report(&key);
                self.strange.insert(key, strange.is_encrypted());
                None
            }
        };
    }

    fn put(&mut self, place: Place, new: Option<Arc<Entry>>, revision: Revision, at_millis: u64) {
        let (kind, changes) = self
            .kinds
            .entry(place.kind.clone())
            .or_insert_with(|| (Kind::new(Revision::ZERO), Vec::new()));
        let old = kind.apply(&place.origin, &place.path, new.as_ref());
        changes.push(Arc::new(Change {
            revision,
            origin: place.origin,
            path: place.path,
            old,
            new,
            at_millis,
        }));
    }

    fn finish(self, loaded: &crate::store::Loaded) -> Result<(Root, usize, Left), OpenError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let floors: HashMap<_, _> = loaded.floors.iter().map(|(kind, at)| (kind, *at)).collect();
        let mut cost = 0;
        let mut kinds = HashMap::with_capacity(self.kinds.len());
        for (key, (kind, changes)) in self.kinds {
            let floor = floors.get(&key).copied().unwrap_or_default().max(loaded.floor);
            kind.ring.raise(floor);
            // What was live when its history was forgotten is no change to tell.
            let changes = changes.into_iter().filter(|change| change.revision > floor);
            kind.ring.append(changes.inspect(|change| cost += change.cost()));
            kinds.insert(key, Arc::new(kind));
        }
        // Of a type that lost all its objects nothing but this may be left: a watch from
        // before must not wait for what was forgotten.
        for (key, floor) in &loaded.floors {
            let new = || Arc::new(Kind::new((*floor).max(loaded.floor)));
            kinds.entry(key.clone()).or_insert_with(new);
        }
        let gaps = loaded.gaps.as_slice().into();
        let root = Root {
            revision: loaded.revision,
            settled: loaded.revision,
            floor: loaded.floor,
            kinds,
            gaps,
        };
        Ok((root, cost, self.strange))
    }
}
