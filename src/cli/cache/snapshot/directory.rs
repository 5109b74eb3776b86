//! A store that no server is using at present.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use crate::cli::cache::serve::KEY_PREFIX;
use crate::error::{CliError, Kind};
use crate::model::Revision;
use crate::store::{Backend as _, Embedded, EmbeddedOptions, Keyspace, Place};

/// What a store holds, by key.
pub(super) type Objects = BTreeMap<Bytes, (Revision, Bytes)>;

/// The folder of the store that `dir` means: itself, or the one that a server keeps in it.
pub(super) fn store_in(dir: &Path) -> PathBuf {
    if dir.join("format").is_file() { dir.to_owned() } else { dir.join("store") }
}

/// Refuses a folder without a store: looking must not make one.
pub(super) fn must_exist(dir: &Path) -> Result<PathBuf, CliError> {
    let store = store_in(dir);
    if store.join("format").is_file() {
        return Ok(store);
    }
    let cause = anyhow::anyhow!("there is no store in `{}`", dir.display());
    Err(CliError::new(Kind::Config, cause)
        .hint("name the directory that `kcpctl cache serve` was given as `--data-dir`"))
}

/// Opens the store in `path`, or makes one, and owns it. The counter goes on after the
/// clock, and after `above`.
pub(super) fn open(path: &Path, above: Revision) -> Result<Embedded, CliError> {
    let above = UNIX_EPOCH + Duration::from_micros(above.0);
    let clock = move || SystemTime::now().max(above);
    Ok(Embedded::open(path, EmbeddedOptions::new(clock))?)
}

/// The present state, and its revision.
pub(super) async fn state(store: &Embedded) -> Result<(Objects, Revision), CliError> {
    let mut objects = Objects::new();
    let loaded = store
        .load(&mut |change| match change.value {
            Some(value) => _ = objects.insert(change.key, (change.revision, value)),
            None => _ = objects.remove(&change.key),
        })
        .await?;
    Ok((objects, loaded.revision))
}

/// The keys of a store of our own.
pub(super) fn keyspace() -> Keyspace {
    Keyspace::new(KEY_PREFIX)
}

/// The key in a store of our own of what stands in a snapshot.
pub(super) fn keyed(key: &str) -> String {
    format!("{KEY_PREFIX}/{key}")
}

/// What stands in a snapshot for `place`.
pub(super) fn copy_of(place: &Place) -> String {
    let key = Keyspace::new("").key(place);
    String::from_utf8_lossy(&key[1..]).into_owned()
}

/// The place that `key` names; none of what is not copied: definitions, and what is not of
/// the cache.
pub(super) fn copied(keys: &Keyspace, key: &[u8]) -> Option<Place> {
    keys.parse(key).ok().filter(|place| !place.kind.is_definitions())
}
