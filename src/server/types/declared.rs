//! The types that users declare, and which of them a request means.
//!
//! Pure: a set of declarations goes in, a served type comes out. A change of one
//! declaration touches what is known of its type and of its cluster and nothing else.
//!
//! Where declarations disagree, the oldest holds, so that what is served under a name
//! does not change when somebody else declares the name too: in one cluster the oldest
//! decides which identity a request means that names none; of one identity the oldest
//! decides kind and scope.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{Access, Cluster, Declaration, NameRule, ResourceType, Version, by_preference};
use crate::store::{Origin, TypeKey, split_path};

use super::{Asked, Served};

/// What is said of every user's type.
const DESCRIPTION: &str = "A type that users of kcp define, cached as its shard sends it.";

/// A declaration, and where it stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Declared {
    key: TypeKey,
    identity: Arc<str>,
    cluster: Arc<str>,
    path: Arc<str>,
    /// Which of the declaring types it is of: their objects may share names.
    source: usize,
    what: Declaration,
}

/// The types that users declare, in one state of the cache.
#[derive(Clone, Debug, Default)]
pub struct UserTypes {
    types: imbl::HashMap<TypeKey, Arc<Type>>,
    /// The declarations of each cluster, on whichever shard, oldest first.
    clusters: imbl::HashMap<Arc<str>, Vec<Arc<Declared>>>,
}

/// All that is declared under one group and resource.
#[derive(Clone, Debug)]
struct Type {
    identities: BTreeMap<Arc<str>, Identity>,
    /// The objects of every identity.
    all: Arc<Served>,
}

/// The declarations of one identity, oldest first, and what they come to.
#[derive(Clone, Debug)]
struct Identity {
    declared: Vec<Arc<Declared>>,
    served: Arc<Served>,
}

impl Declared {
    /// What the object at `path`, which is `shard/cluster/name`, of the declaring type
    /// number `source` declares.
    pub fn new(what: Declaration, path: &Arc<str>, source: usize) -> Self {
        let (_, cluster, ..) = split_path(path);
        Self {
            key: TypeKey::new(&what.group, &what.resource),
            identity: what.identity.as_str().into(),
            cluster: cluster.into(),
            path: path.clone(),
            source,
            what,
        }
    }

    /// Where it stands.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether it says the same of kind and scope.
    fn agrees_with(&self, other: &Self) -> bool {
        self.what.kind == other.what.kind && self.what.namespaced == other.what.namespaced
    }

    /// The oldest is the least.
    fn age(&self) -> (&str, &str, usize) {
        (&self.what.created, &self.path, self.source)
    }
}

impl UserTypes {
    /// Adds a declaration.
    pub fn add(&mut self, declared: &Arc<Declared>) {
        let here = self.clusters.entry(declared.cluster.clone()).or_default();
        insert(here, declared.clone());
        let mut identities = self.identities(&declared.key);
        let mut same =
            identities.get(&declared.identity).map(|it| it.declared.clone()).unwrap_or_default();
        insert(&mut same, declared.clone());
        identities.extend(Identity::new(same).map(|it| (declared.identity.clone(), it)));
        self.set(&declared.key, identities);
    }

    /// Takes a declaration away.
    pub fn remove(&mut self, declared: &Declared) {
        if let Some(here) = self.clusters.get_mut(&declared.cluster) {
            here.retain(|it| **it != *declared);
            if here.is_empty() {
                self.clusters.remove(&declared.cluster);
            }
        }
        let mut identities = self.identities(&declared.key);
        if let Some(identity) = identities.remove(&declared.identity) {
            let mut same = identity.declared;
            same.retain(|it| **it != *declared);
            identities.extend(Identity::new(same).map(|it| (declared.identity.clone(), it)));
        }
        self.set(&declared.key, identities);
    }

    fn identities(&self, key: &TypeKey) -> BTreeMap<Arc<str>, Identity> {
        self.types.get(key).map(|it| it.identities.clone()).unwrap_or_default()
    }

    fn set(&mut self, key: &TypeKey, identities: BTreeMap<Arc<str>, Identity>) {
        match Type::new(identities) {
            Some(it) => self.types.insert(key.clone(), Arc::new(it)),
            None => self.types.remove(key),
        };
    }

    /// Whether `declared` and another of its identity say otherwise of kind or scope: the
    /// one that holds, and one that does not.
    pub fn disagreement(&self, declared: &Declared) -> Option<(&Declared, &Declared)> {
        let all = &self.types.get(&declared.key)?.identities.get(&declared.identity)?.declared;
        let oldest = all.first()?;
        let mut concerned = all.iter().filter(|it| **oldest == *declared || ***it == *declared);
        let other = concerned.find(|it| !it.agrees_with(oldest))?;
        Some((oldest, other))
    }

    /// The type that a request means.
    ///
    /// | cluster | identity | what is meant |
    /// |---|---|---|
    /// | all | named | whatever is declared of that identity, anywhere |
    /// | all | none, metadata alone | all identities at once |
    /// | all | none | nothing: their objects have no common form |
    /// | one | named or none | the oldest that this cluster declares, if it is that |
    ///
    /// The versions are those that any cluster declares of the identity.
    pub fn find(&self, asked: &Asked<'_>) -> Option<&Arc<Served>> {
        let key = TypeKey::new(asked.group, asked.resource);
        let found = self.types.get(&key)?;
        let served = match (asked.cluster, asked.identity) {
            (Cluster::All, Some(identity)) => &found.identities.get(identity)?.served,
            (Cluster::All, None) if asked.is_for_metadata() => &found.all,
            (Cluster::All, None) => return None,
            (Cluster::Named(cluster), identity) => {
                let here = self.clusters.get(cluster.as_str())?;
                let means = |it: &&Arc<Declared>| {
                    it.key == key && identity.is_none_or(|identity| *it.identity == *identity)
                };
                let first = here.iter().find(means)?;
                &found.identities.get(&first.identity)?.served
            }
        };
        served.answers(asked).then_some(served)
    }

    /// The types of one cluster, each once, as [`Self::find`] finds them there.
    pub fn of_cluster(&self, cluster: &str) -> Vec<&Arc<Served>> {
        let mut found: Vec<&Arc<Served>> = Vec::new();
        for declared in self.clusters.get(cluster).into_iter().flatten() {
            if found.iter().any(|it| it.key == declared.key) {
                continue;
            }
            let identity =
                self.types.get(&declared.key).and_then(|it| it.identities.get(&declared.identity));
            found.extend(identity.map(|it| &it.served));
        }
        found.sort_by(|a, b| a.key.cmp(&b.key));
        found
    }
}

/// Puts a declaration where its age belongs.
fn insert(all: &mut Vec<Arc<Declared>>, declared: Arc<Declared>) {
    let at = all.partition_point(|it| it.age() <= declared.age());
    all.insert(at, declared);
}

impl Type {
    /// None without identities.
    fn new(identities: BTreeMap<Arc<str>, Identity>) -> Option<Self> {
        let oldest = identities.values().min_by(|a, b| {
            let [a, b] = [a, b].map(|it| it.declared.first().map(|it| it.age()));
            a.cmp(&b)
        })?;
        let all = Arc::new(Served::new(oldest.served.kind.clone(), None));
        Some(Self { identities, all })
    }
}

impl Identity {
    /// None without declarations.
    fn new(declared: Vec<Arc<Declared>>) -> Option<Self> {
        let oldest = declared.first()?;
        let mut versions: Vec<&str> = Vec::new();
        for version in declared.iter().map(|it| it.what.version.as_str()) {
            if !versions.contains(&version) {
                versions.push(version);
            }
        }
        versions.sort_by(|a, b| by_preference(a, b));
        let Declaration { group, resource, kind, namespaced, .. } = &oldest.what;
        let kind = ResourceType {
            group: group.clone(),
            resource: resource.clone(),
            kind: kind.clone(),
            list_kind: format!("{kind}List"),
            singular: kind.to_ascii_lowercase(),
            short_names: Vec::new(),
            namespaced: *namespaced,
            name_rule: NameRule::Subdomain,
            categories: Vec::new(),
            storage_version: (*versions.first()?).to_owned(),
            versions: versions
                .into_iter()
                .map(|name| Version { name: name.to_owned(), columns: Vec::new(), schema: None })
                .collect(),
            description: DESCRIPTION.to_owned(),
            annotations: Vec::new(),
            access: Access::ReadWrite,
            has_status: false,
        };
        let origin = Origin::Identity(oldest.identity.clone());
        let served = Arc::new(Served::new(Arc::new(kind), Some(origin)));
        Some(Self { declared, served })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `path created identity version resource[.group] Kind[/Namespaced]`
    fn declared(text: &str) -> Arc<Declared> {
        let [path, created, identity, version, name, kind] =
            text.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let (resource, group) = name.split_once('.').unwrap_or((name, ""));
        let (kind, scope) = kind.split_once('/').unwrap_or((kind, "Cluster"));
        let what = Declaration {
            group: group.to_owned(),
            version: version.to_owned(),
            resource: resource.to_owned(),
            identity: identity.to_owned(),
            kind: kind.to_owned(),
            namespaced: scope == "Namespaced",
            created: created.to_owned(),
        };
        Arc::new(Declared::new(what, &path.into(), 0))
    }

    fn all(declarations: &[&str]) -> UserTypes {
        let mut types = UserTypes::default();
        for text in declarations {
            types.add(&declared(text));
        }
        types
    }

    /// `cluster version resource[.group][:identity] [metadata]`, and the answer as
    /// `Kind origin versions`.
    fn find(types: &UserTypes, text: &str) -> String {
        let words: Vec<&str> = text.split(' ').collect();
        let (name, identity) = match words[2].split_once(':') {
            Some((name, identity)) => (name, Some(identity)),
            None => (words[2], None),
        };
        let (resource, group) = name.split_once('.').unwrap_or((name, ""));
        let cluster = words[0].parse().unwrap();
        let accept = match words.get(3) {
            Some(&"metadata") => "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
            _ => "application/json",
        };
        let version = words[1];
        let asked = Asked { group, version, resource, identity, cluster: &cluster, accept };
        let Some(served) = types.find(&asked) else { return "-".to_owned() };
        let versions: Vec<_> = served.kind.versions.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(served.kind.storage_version, versions[0]);
        let origin = served.origin.as_ref().map_or("*", Origin::as_str);
        format!("{} {origin} {}", served.kind.kind, versions.join(","))
    }

    #[test]
    fn a_request_means_what_its_cluster_and_its_identity_say() {
        let types = all(&[
            "s1/c1/a 1 aa v1 things.x.io Thing",
            "s2/c1/a 2 aa v1 things.x.io Thing",
            "s1/c2/a 3 aa v1beta1 things.x.io Thing",
            "s1/c3/a 4 bb v2 things.x.io Gadget",
            "s1/c3/b 5 cc v1 namespaces Namespace",
        ]);
        for (asked, found) in [
            // One cluster: what that cluster declares, in every version of the identity.
            ("c1 v1 things.x.io", "Thing aa v1,v1beta1"),
            ("c1 v1beta1 things.x.io", "Thing aa v1,v1beta1"),
            ("c2 v1 things.x.io", "Thing aa v1,v1beta1"),
            ("c1 v2 things.x.io", "-"),
            ("c1 v2 things.x.io metadata", "-"),
            ("c1 v1 things.x.io:aa", "Thing aa v1,v1beta1"),
            ("c1 v1 things.x.io:bb", "-"),
            ("c3 v2 things.x.io", "Gadget bb v2"),
            ("c4 v1 things.x.io", "-"),
            ("c4 v1 things.x.io:aa", "-"),
            // All clusters: an identity, or metadata alone.
            ("* v1 things.x.io:aa", "Thing aa v1,v1beta1"),
            ("* v2 things.x.io:aa", "-"),
            ("* v2 things.x.io:aa metadata", "Thing aa v1,v1beta1"),
            ("* v2 things.x.io:bb", "Gadget bb v2"),
            ("* v2 things.x.io:dd", "-"),
            ("* v1 things.x.io", "-"),
            ("* v1 things.x.io metadata", "Thing * v1,v1beta1"),
            ("* v9 things.x.io metadata", "Thing * v1,v1beta1"),
            ("* v1 other.x.io metadata", "-"),
            ("* v1 things.y.io metadata", "-"),
            // The core group.
            ("c3 v1 namespaces", "Namespace cc v1"),
            ("* v1 namespaces:cc", "Namespace cc v1"),
        ] {
            assert_eq!(find(&types, asked), found, "{asked}");
        }
    }

    #[test]
    fn the_oldest_declaration_holds() {
        let older = "s1/c1/zz 1 aa v1 things.x.io Thing";
        let newer = "s1/c1/aa 2 bb v1 things.x.io Gadget";
        let other = "s1/c2/aa 3 aa v2 things.x.io Gizmo/Namespaced";
        for order in [[older, newer, other], [other, newer, older], [newer, other, older]] {
            let mut types = all(&order);
            assert_eq!(find(&types, "c1 v1 things.x.io"), "Thing aa v2,v1");
            assert_eq!(find(&types, "c2 v1 things.x.io"), "Thing aa v2,v1");
            assert_eq!(find(&types, "c1 v1 things.x.io:bb"), "Gadget bb v1");
            assert_eq!(find(&types, "* v1 things.x.io metadata"), "Thing * v2,v1");
            for told in [older, other] {
                let (holds, not) = types.disagreement(&declared(told)).unwrap();
                assert_eq!((holds.path(), not.path()), ("s1/c1/zz", "s1/c2/aa"));
            }
            assert!(types.disagreement(&declared(newer)).is_none());
            types.remove(&declared(older));
            assert_eq!(find(&types, "c1 v1 things.x.io"), "Gadget bb v1");
            assert_eq!(find(&types, "c1 v2 things.x.io:aa"), "-");
            assert_eq!(find(&types, "c2 v2 things.x.io"), "Gizmo aa v2");
        }
        // Of the same age: the order of the keys.
        let types = all(&["s1/c1/b 1 bb v1 t T", "s1/c1/a 1 aa v1 t T"]);
        assert_eq!(find(&types, "c1 v1 t"), "T aa v1");
    }

    #[test]
    fn nothing_is_left_of_a_type_that_nobody_declares() {
        let one = "s1/c1/a 1 aa v1 things.x.io Thing";
        let two = "s1/c1/b 2 aa v1beta1 things.x.io Thing";
        let mut types = all(&[one, two]);
        types.remove(&declared(one));
        assert_eq!(find(&types, "c1 v1 things.x.io"), "-");
        assert_eq!(find(&types, "c1 v1beta1 things.x.io"), "Thing aa v1beta1");
        types.remove(&declared(two));
        types.remove(&declared(two));
        assert_eq!(find(&types, "* v1 things.x.io metadata"), "-");
        assert!(types.types.is_empty() && types.clusters.is_empty());
    }

    #[test]
    fn objects_of_both_declaring_types_may_say_the_same() {
        let what = declared("s1/c1/a 1 aa v1 t T").what.clone();
        let both = [0, 1].map(|source| Declared::new(what.clone(), &"s1/c1/a".into(), source));
        let mut types = UserTypes::default();
        for it in &both {
            types.add(&Arc::new(it.clone()));
        }
        types.remove(&both[0]);
        assert_eq!(find(&types, "c1 v1 t"), "T aa v1");
        types.remove(&both[1]);
        assert_eq!(find(&types, "c1 v1 t"), "-");
    }

    #[test]
    fn a_cluster_has_each_of_its_types_once() {
        let types = all(&[
            "s1/c1/b 2 bb v1 things.x.io Gadget",
            "s1/c1/a 1 aa v1 things.x.io Thing",
            "s1/c1/n 3 cc v1 namespaces Namespace",
            "s1/c2/a 1 aa v2 things.x.io Thing",
        ]);
        let kinds = |cluster: &str| -> Vec<String> {
            types.of_cluster(cluster).iter().map(|it| it.kind.kind.clone()).collect()
        };
        assert_eq!(kinds("c1"), ["Namespace", "Thing"]);
        assert_eq!(kinds("c2"), ["Thing"]);
        assert!(kinds("c3").is_empty());
    }
}
