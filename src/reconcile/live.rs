//! Objects as the cluster has them, and all of them together.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use imbl::OrdMap;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::core::DynamicObject;
use serde_json::{Map, Value};

use super::kinds::Watched;
use super::revision;
use super::source::{self, SourceKey};
use crate::api::{GROUP, Kind};
use crate::client::cluster::FIELD_MANAGER;
use crate::render::{Objects, Observed, Source};

/// The API group of what the original makes between an object and its servers.
pub(super) const COMPILED_GROUP: &str = "deploy.operator.kcp.io";
/// What the kinds of that group begin with.
pub(super) const COMPILED: &str = "Compiled";
/// Secrets of this type hold what Helm remembers, by the megabyte. Nobody mounts them.
const HELM: &str = "helm.sh/release.v1";

/// An object of the cluster.
#[derive(Clone, Debug)]
pub struct Live {
    /// Its metadata; of its managed fields only who manages.
    pub metadata: ObjectMeta,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    /// Everything but the metadata.
    Tree(Value),
    /// The renderer reads these as they are.
    Secret(Arc<Secret>),
}

/// Whose an object is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Owner {
    /// The object that it is looked at for.
    Source,
    /// Nobody's.
    Nobody,
    /// A Compiled object's, which the original made of the same source.
    Compiled {
        /// Its uid.
        uid: String,
    },
    /// Somebody else's.
    Other {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source => f.write_str("this object"),
            Self::Nobody => f.write_str("nobody"),
            Self::Compiled { .. } => f.write_str("kcp-operator"),
            Self::Other { kind, name } => write!(f, "the {kind} `{name}`"),
        }
    }
}

impl Live {
    /// An object as a watch or an answer brings it.
    pub fn of(watched: Watched, object: DynamicObject) -> Self {
        let DynamicObject { mut metadata, data, .. } = object;
        for entry in metadata.managed_fields.iter_mut().flatten() {
            // By far the largest part of many objects, and of no use here.
            entry.fields_v1 = None;
        }
        let body = match watched {
            Watched::Secret => match secret(&metadata, data) {
                Ok(secret) => Body::Secret(Arc::new(secret)),
                Err(data) => Body::Tree(data),
            },
            _ => Body::Tree(data),
        };
        Self { metadata, body }
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// The uid.
    pub fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }

    /// The revision.
    pub fn revision(&self) -> &str {
        self.metadata.resource_version.as_deref().unwrap_or_default()
    }

    /// Everything but the metadata.
    pub fn body(&self) -> Value {
        match &self.body {
            Body::Tree(tree) => tree.clone(),
            Body::Secret(secret) => {
                let mut tree = serde_json::to_value(&**secret).unwrap_or_default();
                if let Some(map) = tree.as_object_mut() {
                    map.remove("metadata");
                }
                tree
            }
        }
    }

    /// What stands at a JSON pointer outside of the metadata; nothing for Secrets.
    pub fn at(&self, pointer: &str) -> Option<&Value> {
        match &self.body {
            Body::Tree(tree) => tree.pointer(pointer),
            Body::Secret(_) => None,
        }
    }

    /// The whole object, as a tree.
    pub fn tree(&self, watched: Watched) -> Value {
        let mut tree = match self.body() {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        let resource = watched.resource();
        tree.insert("apiVersion".to_owned(), resource.api_version.into());
        tree.insert("kind".to_owned(), resource.kind.into());
        let mut metadata = self.metadata.clone();
        metadata.managed_fields = None;
        tree.insert("metadata".to_owned(), serde_json::to_value(metadata).unwrap_or_default());
        Value::Object(tree)
    }

    /// As what the renderer reads.
    pub fn secret(&self) -> Option<&Arc<Secret>> {
        match &self.body {
            Body::Secret(secret) => Some(secret),
            Body::Tree(_) => None,
        }
    }

    /// Who controls it.
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.metadata.owner_references.iter().flatten().find(|it| it.controller == Some(true))
    }

    /// Whose it is, seen from the object with that key and uid.
    pub fn owner(&self, key: &SourceKey, uid: &str) -> Owner {
        let Some(owner) = self.controller() else { return Owner::Nobody };
        let group = owner.api_version.split('/').next().unwrap_or_default();
        if owner.uid == uid {
            Owner::Source
        } else if group == COMPILED_GROUP
            && owner.name == key.name
            && owner.kind.strip_prefix(COMPILED) == Some(key.kind.as_str())
        {
            Owner::Compiled { uid: owner.uid.clone() }
        } else {
            Owner::Other { kind: owner.kind.clone(), name: owner.name.clone() }
        }
    }

    /// Whether we have applied it.
    pub fn is_applied(&self) -> bool {
        self.metadata.managed_fields.iter().flatten().any(|it| {
            it.manager.as_deref() == Some(FIELD_MANAGER)
                && it.operation.as_deref() == Some("Apply")
                && it.subresource.as_deref().unwrap_or_default().is_empty()
        })
    }

    /// The source that owns it, by the names in its owner reference.
    pub fn source(&self) -> Option<SourceKey> {
        let owner = self.controller()?;
        let group = owner.api_version.split('/').next().unwrap_or_default();
        let kind = match group {
            GROUP => Kind::from_name(&owner.kind)?,
            COMPILED_GROUP => Kind::from_name(owner.kind.strip_prefix(COMPILED)?)?,
            _ => return None,
        };
        let namespace = self.metadata.namespace.clone().unwrap_or_default();
        Some(SourceKey { kind, namespace, name: owner.name.clone() })
    }
}

fn secret(metadata: &ObjectMeta, mut data: Value) -> Result<Secret, Value> {
    if data["type"] == HELM
        && let Some(map) = data.as_object_mut()
    {
        map.remove("data");
    }
    let version = revision::of(metadata, &data).to_owned();
    let mut secret: Secret = serde_json::from_value(data.clone()).map_err(|_| data)?;
    secret.metadata = ObjectMeta {
        name: metadata.name.clone(),
        namespace: metadata.namespace.clone(),
        resource_version: Some(version),
        ..ObjectMeta::default()
    };
    Ok(secret)
}

/// Namespace and name.
pub type Place = (Arc<str>, Arc<str>);

type Lives = OrdMap<Place, Arc<Live>>;

/// All objects of the watched types; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct World {
    types: BTreeMap<Watched, Lives>,
    /// What the sources say, as far as it can be read.
    sources: OrdMap<SourceKey, Result<Source, source::Unreadable>>,
    /// The newest revision of each type that was told.
    told: BTreeMap<Watched, u64>,
}

fn place(namespace: &str, name: &str) -> Place {
    (namespace.into(), name.into())
}

impl World {
    /// An object.
    pub fn get(&self, watched: Watched, namespace: &str, name: &str) -> Option<&Arc<Live>> {
        self.types.get(&watched)?.get(&place(namespace, name))
    }

    /// All objects of a type in a namespace.
    pub fn list<'a>(
        &'a self,
        watched: Watched,
        namespace: &'a str,
    ) -> impl Iterator<Item = &'a Arc<Live>> {
        let all = self.types.get(&watched).into_iter();
        all.flat_map(move |it| it.range(place(namespace, "")..))
            .take_while(move |(at, _)| &*at.0 == namespace)
            .map(|(_, live)| live)
    }

    /// All objects of a type.
    pub fn all(&self, watched: Watched) -> impl Iterator<Item = &Arc<Live>> {
        self.types.get(&watched).into_iter().flat_map(OrdMap::values)
    }

    /// Puts an object in as a watch or a list tells of it, unless a newer state of it is known.
    /// Says what was there.
    pub fn put(&mut self, watched: Watched, live: Live) -> Put {
        self.hear(watched, &live);
        self.insert(watched, live)
    }

    /// Puts an object in as the answer to a write has it.
    ///
    /// An answer may come later than what the watch tells, and tell of an object that has gone
    /// since, or has given way to another one of its name. Nobody would ever say so again, so
    /// what the watch has passed already is left to it.
    pub fn wrote(&mut self, watched: Watched, live: Live) -> Put {
        let told = self.told.get(&watched);
        if told.is_some_and(|told| live.revision().parse().is_ok_and(|it: u64| it <= *told)) {
            return Put::Known;
        }
        self.insert(watched, live)
    }

    fn hear(&mut self, watched: Watched, live: &Live) {
        if let Ok(revision) = live.revision().parse::<u64>() {
            let told = self.told.entry(watched).or_default();
            *told = revision.max(*told);
        }
    }

    fn insert(&mut self, watched: Watched, live: Live) -> Put {
        let namespace = live.metadata.namespace.clone().unwrap_or_default();
        let at = place(&namespace, live.name());
        let lives = self.types.entry(watched).or_default();
        let before = lives.get(&at).cloned();
        if let Some(before) = &before {
            if before.revision() == live.revision() {
                return Put::Known;
            }
            if before.uid() == live.uid() && is_older(live.revision(), before.revision()) {
                return Put::Known;
            }
        }
        if let Watched::Source(kind) = watched {
            let key = SourceKey { kind, namespace, name: live.name().to_owned() };
            self.sources.insert(key, source::read(kind, &live.tree(watched)));
        }
        lives.insert(at, Arc::new(live));
        Put::New { before }
    }

    /// Takes an object out of which a watch tells that it has gone.
    pub fn gone(&mut self, watched: Watched, live: &Live) {
        self.hear(watched, live);
        self.remove(watched, live);
    }

    /// Takes an object out, whatever its state is. Another one of its name, which may have been
    /// made meanwhile, stays.
    pub fn remove(&mut self, watched: Watched, live: &Live) {
        let namespace = live.metadata.namespace.clone().unwrap_or_default();
        let at = place(&namespace, live.name());
        let Some(lives) = self.types.get_mut(&watched) else { return };
        if lives.get(&at).is_none_or(|it| it.uid() != live.uid()) {
            return;
        }
        lives.remove(&at);
        if let Watched::Source(kind) = watched {
            let name = live.name().to_owned();
            self.sources.remove(&SourceKey { kind, namespace, name });
        }
    }

    /// Replaces all objects of a type.
    pub fn replace(&mut self, watched: Watched, lives: Vec<Live>) {
        self.types.remove(&watched);
        if let Watched::Source(kind) = watched {
            self.sources = self
                .sources
                .iter()
                .filter(|it| it.0.kind != kind)
                .map(|(key, it)| (key.clone(), it.clone()))
                .collect();
        }
        for live in lives {
            self.put(watched, live);
        }
    }

    /// The keys of all sources.
    pub fn keys(&self) -> impl Iterator<Item = &SourceKey> {
        self.sources.keys()
    }

    /// What a source says.
    pub fn source(&self, key: &SourceKey) -> Option<&Result<Source, source::Unreadable>> {
        self.sources.get(key)
    }

    /// All sources of a namespace that can be read.
    pub fn objects(&self, namespace: &str) -> Objects {
        let mut objects = Objects::default();
        for (key, source) in &self.sources {
            if key.namespace == namespace
                && let Ok(source) = source
            {
                objects.add(source.clone());
            }
        }
        objects
    }

    /// What the renderer wants to know of a namespace.
    pub fn observed(&self, namespace: &str) -> Observed {
        let mut observed = Observed::default();
        for live in self.list(Watched::Secret, namespace) {
            if let Some(secret) = live.secret() {
                observed.secrets.insert(live.name().to_owned(), Arc::clone(secret));
            }
        }
        for live in self.list(Watched::ConfigMap, namespace) {
            let version = revision::of(&live.metadata, &live.body()).to_owned();
            observed.config_maps.insert(live.name().to_owned(), version);
        }
        for live in self.list(Watched::Deployment, namespace) {
            let replicas = live.at("/spec/replicas").and_then(Value::as_i64);
            if let Some(replicas) = replicas.and_then(|it| i32::try_from(it).ok()) {
                observed.replicas.insert(live.name().to_owned(), replicas);
            }
        }
        observed
    }
}

/// What became of an object that was put in.
#[derive(Debug)]
pub enum Put {
    /// It was known, or older than what is known.
    Known,
    /// It is new.
    New {
        /// What was there.
        before: Option<Arc<Live>>,
    },
}

/// Whether a revision is before another. Revisions that are no numbers cannot be compared.
fn is_older(revision: &str, than: &str) -> bool {
    match (revision.parse::<u64>(), than.parse::<u64>()) {
        (Ok(revision), Ok(than)) => revision < than,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn live(watched: Watched, uid: &str, revision: &str, more: &Value) -> Live {
        let mut tree = json!({ "metadata": {
            "name": "a", "namespace": "demo", "uid": uid, "resourceVersion": revision,
        } });
        tree.as_object_mut()
            .expect("an object")
            .extend(more.as_object().cloned().unwrap_or_default());
        Live::of(watched, serde_json::from_value(tree).expect("an object"))
    }

    fn service(uid: &str, revision: &str) -> Live {
        live(Watched::Service, uid, revision, &json!({}))
    }

    #[test]
    fn what_comes_late_does_not_undo_what_is_known() {
        let mut world = World::default();
        let revision = |world: &World| {
            world.get(Watched::Service, "demo", "a").map(|it| it.revision().to_owned())
        };
        assert!(matches!(
            world.put(Watched::Service, service("u", "9")),
            Put::New { before: None }
        ));
        for (uid, put, kept) in [
            ("u", "9", "9"),
            ("u", "8", "9"),
            ("u", "10", "10"),
            // Another object of that name, in a cluster that counts anew.
            ("v", "3", "3"),
            // Revisions that are no numbers cannot be compared.
            ("v", "abc", "abc"),
        ] {
            world.put(Watched::Service, service(uid, put));
            assert_eq!(revision(&world).as_deref(), Some(kept), "{uid} {put}");
        }
        let before = world.clone();
        world.remove(Watched::Service, &service("u", "10"));
        assert!(revision(&world).is_some(), "it is another one");
        world.remove(Watched::Service, &service("v", "3"));
        assert_eq!(revision(&world), None);
        assert!(revision(&before).is_some(), "a snapshot stays");
    }

    #[test]
    fn an_answer_does_not_bring_back_what_has_gone_or_been_replaced_since() {
        let mut world = World::default();
        let uid =
            |world: &World| world.get(Watched::Service, "demo", "a").map(|it| it.uid().to_owned());
        // The answer comes before the watch tells of it.
        world.put(Watched::Service, service("u", "3"));
        assert!(matches!(world.wrote(Watched::Service, service("u", "5")), Put::New { .. }));
        assert!(matches!(world.put(Watched::Service, service("u", "5")), Put::Known));
        // The answer comes after it.
        world.gone(Watched::Service, &service("u", "7"));
        assert!(matches!(world.wrote(Watched::Service, service("u", "6")), Put::Known));
        assert_eq!(uid(&world), None);
        world.put(Watched::Service, service("v", "8"));
        world.wrote(Watched::Service, service("u", "6"));
        assert_eq!(uid(&world).as_deref(), Some("v"));
        // What was written after all that was told is news.
        world.wrote(Watched::Service, service("w", "9"));
        assert_eq!(uid(&world).as_deref(), Some("w"));
        // Each type is told of apart.
        let secret = live(Watched::Secret, "u", "4", &json!({ "type": "Opaque" }));
        assert!(matches!(world.wrote(Watched::Secret, secret), Put::New { .. }));
    }

    #[test]
    fn a_namespace_has_its_own_objects_and_sources() {
        let mut world = World::default();
        for namespace in ["demo", "demo-2", "other"] {
            let mut it = service("u", "1");
            it.metadata.namespace = Some(namespace.to_owned());
            world.put(Watched::Service, it);
        }
        assert_eq!(world.list(Watched::Service, "demo").count(), 1);
        let cache = live(
            Watched::Source(Kind::CacheServer),
            "u",
            "1",
            &json!({ "spec": { "certificates": {} } }),
        );
        world.put(Watched::Source(Kind::CacheServer), cache);
        assert_eq!(world.objects("demo").cache_servers.len(), 1);
        assert_eq!(world.objects("other").cache_servers.len(), 0);
        world.replace(Watched::Source(Kind::CacheServer), Vec::new());
        assert_eq!(world.keys().count(), 0);
    }

    #[test]
    fn secrets_are_known_with_their_content_but_for_those_of_helm() {
        let data = json!({ "type": "Opaque", "data": { "tls.crt": "YQ==" } });
        let secret = live(Watched::Secret, "u", "5", &data);
        assert_eq!(
            secret.body(),
            json!({ "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "data": { "tls.crt": "YQ==" } })
        );
        let mut world = World::default();
        world.put(Watched::Secret, secret);
        let observed = world.observed("demo");
        assert_eq!(observed.secrets["a"].metadata.resource_version.as_deref(), Some("5"));
        let data = json!({ "type": HELM, "data": { "release": "YQ==" } });
        let helm = live(Watched::Secret, "u", "5", &data);
        assert!(helm.secret().is_some_and(|it| it.data.is_none()));
    }

    #[test]
    fn an_object_leads_to_its_source_also_through_the_original() {
        let owned = |group: &str, kind: &str| {
            let mut it = service("u", "1");
            it.metadata.owner_references = Some(vec![OwnerReference {
                api_version: format!("{group}/v1alpha1"),
                kind: kind.to_owned(),
                name: "one".to_owned(),
                controller: Some(true),
                ..OwnerReference::default()
            }]);
            it.source().map(|it| it.to_string())
        };
        let one = Some("Shard demo/one".to_owned());
        assert_eq!(owned(GROUP, "Shard"), one);
        assert_eq!(owned(COMPILED_GROUP, "CompiledShard"), one);
        assert_eq!(owned(COMPILED_GROUP, "Shard"), None);
        assert_eq!(owned("apps", "Shard"), None);
        assert_eq!(service("u", "1").source(), None);
    }
}
