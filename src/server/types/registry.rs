//! All served types, in step with the view.
//!
//! What users declare is a function of the view's root, remembered for as long as no
//! declaring object changes. A request for a type that is not built in compares two
//! pointers with the root that it reads; only where they differ the changed objects
//! are read. So a declaration counts from the moment at which it is published, by
//! whichever way it came, and built-in types cost nothing.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::model::{Cluster, DECLARING_GROUP, DECLARING_RESOURCES, Declaration, ResourceType};
use crate::server::discovery::Discovery;
use crate::server::openapi::OpenApi;
use crate::store::{Origin, TypeKey};
use crate::view::{Entry, Kind, Root, View};

use super::{Asked, BuiltIn, Declared, Found, Served, UserTypes};

/// For how many clusters the documents about their types are kept. They share those
/// about built-in types, and a `kubectl` asks for several in a row.
const DOCUMENTS_KEPT_MAX: usize = 16;

/// The types that a server serves.
pub struct Registry {
    built_in: BuiltIn,
    documents: Arc<Documents>,
    view: Arc<View>,
    keys: Sources<TypeKey>,
    known: ArcSwap<Known>,
    upkeep: Mutex<Upkeep>,
}

/// One of each declaring type.
type Sources<T> = [T; DECLARING_RESOURCES.len()];

/// What a server tells of its types.
#[derive(Clone, Debug)]
pub struct Documents {
    /// Groups, versions and resources.
    pub discovery: Discovery,
    /// Operations and schemas.
    pub openapi: OpenApi,
}

/// What one state of the cache declares.
#[derive(Default)]
struct Known {
    sources: Sources<Option<Arc<Kind>>>,
    types: UserTypes,
    documents: Arc<Mutex<HashMap<String, Arc<Documents>>>>,
}

/// What is needed to take the next step.
#[derive(Default)]
struct Upkeep {
    /// By declaring type and path.
    declared: HashMap<(usize, Arc<str>), Arc<Declared>>,
}

impl Registry {
    /// The built-in types, and whatever `view` declares.
    pub fn new(view: Arc<View>) -> Self {
        Self::of(view, BuiltIn::all())
    }

    /// These types, and whatever `view` declares.
    pub fn of<'a>(view: Arc<View>, types: impl IntoIterator<Item = &'a ResourceType>) -> Self {
        let types: Vec<&ResourceType> = types.into_iter().collect();
        let documents = Arc::new(Documents {
            discovery: Discovery::new(types.iter().copied()),
            openapi: OpenApi::new(types.iter().copied()),
        });
        let keys = DECLARING_RESOURCES.map(|resource| TypeKey::new(DECLARING_GROUP, resource));
        let registry = Self {
            built_in: BuiltIn::of(types),
            documents,
            view,
            keys,
            known: ArcSwap::default(),
            upkeep: Mutex::default(),
        };
        registry.known();
        registry
    }

    /// The type that a request means.
    pub fn find(&self, asked: &Asked<'_>) -> Option<Found<'_>> {
        match self.built_in.get(asked.group, asked.resource) {
            Some(served) => served.answers(asked).then_some(Found::BuiltIn(served)),
            None => self.known().types.find(asked).cloned().map(Found::User),
        }
    }

    /// What is told of the types of a cluster.
    pub fn documents(&self, cluster: Option<&Cluster>) -> Arc<Documents> {
        let Some(Cluster::Named(cluster)) = cluster else { return self.documents.clone() };
        let known = self.known();
        let mut types = known.types.of_cluster(cluster.as_str());
        types.retain(|it| self.built_in.get(&it.kind.group, &it.kind.resource).is_none());
        if types.is_empty() {
            return self.documents.clone();
        }
        if let Some(documents) = known.documents.lock().get(cluster.as_str()) {
            return documents.clone();
        }
        let documents = Arc::new(self.documents_with(&types));
        let mut kept = known.documents.lock();
        if kept.len() >= DOCUMENTS_KEPT_MAX {
            kept.clear();
        }
        kept.insert(cluster.as_str().to_owned(), documents.clone());
        documents
    }

    fn documents_with(&self, types: &[&Arc<Served>]) -> Documents {
        let built_in: Vec<&ResourceType> = BuiltIn::all().collect();
        let declared: Vec<&ResourceType> = types.iter().map(|it| &*it.kind).collect();
        let all = built_in.iter().chain(&declared).copied();
        Documents {
            discovery: Discovery::new(all),
            openapi: self.documents.openapi.with(&built_in, &declared),
        }
    }

    /// What the newest published state declares.
    fn known(&self) -> Arc<Known> {
        let known = self.known.load_full();
        if known.is_of(&self.view.root(), &self.keys) {
            return known;
        }
        let mut upkeep = self.upkeep.lock();
        // Both are read under the lock, so that a late reader does not step back.
        let known = self.known.load_full();
        let root = self.view.root();
        if known.is_of(&root, &self.keys) {
            return known;
        }
        let next = Arc::new(upkeep.step(&known, &root, &self.keys));
        self.known.store(next.clone());
        next
    }
}

impl Known {
    /// Whether nothing has changed in the declaring objects.
    fn is_of(&self, root: &Root, keys: &Sources<TypeKey>) -> bool {
        keys.iter().zip(&self.sources).all(|(key, then)| match (root.kind(key), then) {
            (Some(now), Some(then)) => Arc::ptr_eq(now, then),
            (None, None) => true,
            _ => false,
        })
    }
}

impl Upkeep {
    /// What `root` declares, given what `known` did.
    fn step(&mut self, known: &Known, root: &Root, keys: &Sources<TypeKey>) -> Known {
        let mut types = known.types.clone();
        let mut changed = false;
        let sources = std::array::from_fn(|number| root.kind(&keys[number]).cloned());
        for (number, (now, then)) in sources.iter().zip(&known.sources).enumerate() {
            let Some(now): &Option<Arc<Kind>> = now else { continue };
            now.changes_since(then.as_deref(), |origin, path, entry| {
                if *origin != Origin::BuiltIn {
                    return;
                }
                let declared = entry.and_then(|entry| read(&keys[number], number, path, entry));
                let place = (number, path.clone());
                if self.declared.get(&place) == declared.as_ref() {
                    return;
                }
                changed = true;
                if let Some(before) = self.declared.remove(&place) {
                    types.remove(&before);
                }
                if let Some(declared) = declared {
                    types.add(&declared);
                    if let Some((oldest, other)) = types.disagreement(&declared) {
                        tracing::warn!(
                            object = other.path(),
                            instead = oldest.path(),
                            "declares another kind or scope than an older object of its identity, \
                             which holds"
                        );
                    }
                    self.declared.insert(place, declared);
                }
            });
        }
        if changed {
            tracing::debug!(declarations = self.declared.len(), "users' types have changed");
            Known { sources, types, documents: Arc::default() }
        } else {
            Known { sources, types, documents: known.documents.clone() }
        }
    }
}

/// What an object of declaring type number `source` declares.
fn read(key: &TypeKey, source: usize, path: &Arc<str>, entry: &Entry) -> Option<Arc<Declared>> {
    match Declaration::read(entry.json()) {
        Ok(declaration) => declaration.map(|it| Arc::new(Declared::new(it, path, source))),
        Err(error) => {
            tracing::warn!(object = %format!("{key}/{path}"), %error, "declares no type");
            None
        }
    }
}
