//! Whose objects are made: namespace, owner reference, profile.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::{Resource, ResourceExt};

use super::production;

/// Labels, or any other map of strings.
pub(super) type Labels = BTreeMap<String, String>;

/// The object that everything belongs to.
pub(super) struct Owner {
    /// Its namespace.
    pub(super) namespace: String,
    /// Its name.
    pub(super) name: String,
    /// Its own labels.
    pub(super) labels: Labels,
    /// Whether it asks for what the profile `production` adds.
    pub(super) production: bool,
    /// Only an object in a cluster has a uid to refer to.
    reference: Option<OwnerReference>,
}

impl Owner {
    pub(super) fn of<T: Resource<DynamicType = ()>>(object: &T) -> Self {
        let metadata = object.meta();
        let reference = metadata.uid.as_ref().map(|uid| OwnerReference {
            api_version: T::api_version(&()).into_owned(),
            kind: T::kind(&()).into_owned(),
            name: object.name_any(),
            uid: uid.clone(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        });
        Self {
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            labels: object.labels().clone(),
            production: production::is_asked_for(object.annotations()),
            reference,
        }
    }

    /// The metadata of an object that belongs to it.
    pub(super) fn metadata(&self, name: impl Into<String>, labels: Labels) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.into()),
            namespace: Some(self.namespace.clone()),
            labels: Some(labels).filter(|it| !it.is_empty()),
            owner_references: self.reference.clone().map(|it| vec![it]),
            ..ObjectMeta::default()
        }
    }
}

/// A map of few entries.
pub(super) fn labels<const N: usize>(entries: [(&str, &str); N]) -> Labels {
    entries.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}
