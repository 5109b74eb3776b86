//! The definitions of the served types, as objects that shards list and watch.
//!
//! They are made at the first start and mended at every later one, so that a newer
//! program upgrades them and servers that share a store agree. They are kept in `v1`,
//! as they are served, and stored in `v1beta1`, as the original does.

use futures::future::try_join_all;

use crate::model::crd::{self, Birth, DefinitionError};
use crate::model::{ResourceType, builtin};
use crate::store::{Expect, Origin, Place, TypeKey};
use crate::view::{CommitError, Draft, Entry, EntryDraft, EntryError, View, serve_placed};

/// The shard and the cluster in which the definitions live.
pub const DEFINITIONS_HOME: (&str, &str) = ("system:cache:server", "system:system-crds");

/// Why the definitions could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// A definition could not be written.
    #[error("failed to write the definition of `{name}`")]
    Commit {
        /// Which.
        name: String,
        /// Why not.
        source: CommitError,
    },
    /// A stored definition is none.
    #[error("the stored definition of `{name}` cannot be read")]
    Stored {
        /// Which.
        name: String,
        /// Why not.
        source: DefinitionError,
    },
    /// A definition cannot be served.
    #[error("the definition of `{name}` cannot be served")]
    Served {
        /// Which.
        name: String,
        /// Why not.
        source: EntryError,
    },
}

/// Makes what is served of a stored value: definitions are turned into `v1`, everything
/// else is served as it is stored, and says where it lies.
pub fn serve(place: &Place, stored: &[u8]) -> Result<EntryDraft, String> {
    if !place.kind.is_definitions() {
        return serve_placed(place, stored);
    }
    let v1 = crd::from_stored(stored).map_err(|error| error.to_string())?;
    serve_placed(place, &v1)
}

/// Makes or mends the definition of every built-in type.
pub async fn define_types(view: &View) -> Result<(), BootstrapError> {
    try_join_all(builtin::types().iter().map(|kind| define(view, kind))).await.map(|_| ())
}

async fn define(view: &View, kind: &ResourceType) -> Result<(), BootstrapError> {
    let name = kind.qualified_name();
    let (shard, cluster) = DEFINITIONS_HOME;
    let definitions = builtin::definition_type();
    let place = Place {
        kind: TypeKey::new(&definitions.group, &definitions.resource),
        origin: Origin::Definitions,
        path: format!("{shard}/{cluster}/{name}").into(),
    };
    // Somebody else on the same store may mend it at the same time: then theirs is read.
    loop {
        let current = view.root().get(&place.kind, &place.origin, &place.path).cloned();
        let stored = |source| BootstrapError::Stored { name: name.clone(), source };
        let Some(v1) = wanted(kind, current.as_deref()).map_err(stored)? else { return Ok(()) };
        let expect = current.map_or(Expect::Absent, |entry| Expect::At(entry.revision()));
        let served = EntryDraft::from_stored(&v1, shard, cluster)
            .map_err(|source| BootstrapError::Served { name: name.clone(), source })?;
        let value = Some((crd::to_stored(&v1).map_err(stored)?.into(), served));
        match view.commit(Draft { place: place.clone(), expect, value }).await {
            Ok(_) => return Ok(()),
            Err(CommitError::Lost(_)) => {}
            Err(source) => return Err(BootstrapError::Commit { name, source }),
        }
    }
}

/// The definition that should be there, if another is or none.
fn wanted(
    kind: &ResourceType,
    current: Option<&Entry>,
) -> Result<Option<Vec<u8>>, DefinitionError> {
    let Some(current) = current else {
        let uid = uuid::Uuid::new_v4().to_string();
        let created = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let birth = Birth { uid: &uid, created: &created, generation: 1 };
        return Ok(Some(crd::definition(kind, birth)));
    };
    Ok(crd::updated(current.json(), kind)?.map(without_server_fields))
}

/// A definition without what only an answer has.
fn without_server_fields(v1: Vec<u8>) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice::<serde_json::Value>(&v1) else { return v1 };
    if let Some(metadata) = value["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
        if let Some(annotations) = metadata.get_mut("annotations").and_then(|it| it.as_object_mut())
        {
            annotations.remove(crate::model::metadata::CLUSTER_ANNOTATION);
            annotations.remove(crate::model::metadata::SHARD_ANNOTATION);
        }
    }
    crate::model::json::tree::to_vec(&value)
}
