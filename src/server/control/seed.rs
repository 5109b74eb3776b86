//! What a control plane has from its first start: the namespace `default`, and the definitions of
//! its own types.

use serde_json::{Value, json};

use super::Control;
use crate::model::{ClusterName, ShardName};
use crate::server::handler::now;
use crate::server::path::CONTROL_HOME;
use crate::server::plan::{Subject, control as plan};
use crate::server::status::ApiError;
use crate::store::{Expect, Origin, Place, TypeKey};
use crate::view::{CommitError, Draft, View};

/// The control plane could not be given what it must have.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// An object is none.
    #[error("cannot make {what}: {why}")]
    Object {
        /// Such as `namespaces default`.
        what: String,
        /// Why.
        why: String,
    },
    /// The store does not take it.
    #[error("cannot store {what}")]
    Store {
        /// Such as `namespaces default`.
        what: String,
        /// Why.
        #[source]
        source: CommitError,
    },
}

/// Makes what is not there, and makes definitions those that this version has.
pub async fn sow(view: &View, control: &Control, definitions: &[Value]) -> Result<(), SeedError> {
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "default" },
    });
    let namespaces = TypeKey::new("", "namespaces");
    put(view, control, (&namespaces, Origin::BuiltIn), &namespace).await?;
    let key = TypeKey::new("apiextensions.k8s.io", "customresourcedefinitions");
    for definition in definitions {
        put(view, control, (&key, Origin::Definitions), definition).await?;
    }
    Ok(())
}

async fn put(
    view: &View,
    control: &Control,
    (key, origin): (&TypeKey, Origin),
    wanted: &Value,
) -> Result<(), SeedError> {
    let name = wanted["metadata"]["name"].as_str().unwrap_or_default();
    let what = format!("{} {name}", key.parts().1);
    let refused = |error: &ApiError| SeedError::Object {
        what: what.clone(),
        why: error.message().to_owned(),
    };
    let kind = control.kind(key).map_err(|error| refused(&error))?;
    let (shard, cluster) = CONTROL_HOME;
    let home = || ApiError::internal("a home without a name");
    let shard: ShardName = shard.parse().map_err(|_| refused(&home()))?;
    let cluster: ClusterName = cluster.parse().map_err(|_| refused(&home()))?;
    let subject = Subject {
        kind: &kind.resource,
        version: &kind.resource.storage_version,
        shard: &shard,
        cluster: &cluster,
        namespace: "",
        says_place: false,
        structure: None,
    };
    let place = Place { kind: key.clone(), origin, path: subject.path(name).into() };
    loop {
        let current = view.root().get(&place.kind, &place.origin, &place.path).cloned();
        let mut tree = wanted.clone();
        kind.rules.complete(&mut tree);
        let expect = match &current {
            None => {
                tree["metadata"]["uid"] = uuid::Uuid::new_v4().to_string().into();
                tree["metadata"]["creationTimestamp"] = now().into();
                if kind.rules.has_generation {
                    tree["metadata"]["generation"] = 1.into();
                }
                Expect::Absent
            }
            Some(entry) => {
                let stored: Value = serde_json::from_slice(entry.json()).unwrap_or_default();
                if stored["spec"] == tree["spec"] || wanted.get("spec").is_none() {
                    return Ok(());
                }
                let generation = stored["metadata"]["generation"].as_u64().unwrap_or(1);
                tree["metadata"] = stored["metadata"].clone();
                tree["metadata"]["generation"] = (generation + 1).into();
                Expect::At(entry.revision())
            }
        };
        let value = plan::compose(&subject, &tree).map_err(|error| refused(&error))?;
        let value = Some((value.stored, value.served));
        match view.commit(Draft { place: place.clone(), expect, value }).await {
            Ok(_) => return Ok(()),
            Err(CommitError::Lost(_)) => {}
            Err(source) => return Err(SeedError::Store { what, source }),
        }
    }
}
