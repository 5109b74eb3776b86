//! Which type a name on the command line means.
//!
//! A name is read as kubectl reads it: plural, singular, kind or short name, in any
//! case, alone or with a group, or with a version and a group; a group may be cut
//! short where that is unambiguous. After a colon may follow (the beginning of) the
//! identity of the export that defines a type.
//!
//! The built-in types are known without a server. Types that kcp's users define are
//! read from the objects that publish them into the cache, which works with every
//! cache server, also with one that has no discovery.

use serde::Deserialize;

use super::cache::CacheClient;
use super::error::ClientError;
use super::page::Meta;
use super::query::{Form, ListQuery, Pager, ResourcePath};
use super::scope::Scope;
use crate::model::{
    DECLARING_GROUP, DECLARING_RESOURCES, KIND_ANNOTATION, ResourceType, SCOPE_ANNOTATION, builtin,
    by_preference,
};

/// How alike two names must be, of 1, for one to be offered for the other.
const ALIKE: f64 = 0.85;

/// The most names that are offered.
const SUGGESTIONS_MAX: usize = 3;

/// A type that a cache may hold, by all its names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KnownType {
    /// The API group; empty for the core group.
    pub group: String,
    /// The plural name.
    pub resource: String,
    /// The singular name.
    pub singular: String,
    /// The short names.
    pub short_names: Vec<String>,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// The versions, the preferred one first.
    pub versions: Vec<String>,
    /// The identity of the export that defines it; built-in types have none.
    pub identity: Option<String>,
}

/// A type and the version in which to read it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FoundType {
    /// The type.
    pub known: KnownType,
    /// The version that was asked for, or the preferred one.
    pub version: String,
}

/// All types of a cache that are known.
#[derive(Clone, Debug)]
pub struct Catalog {
    types: Vec<KnownType>,
}

/// A name that means no type, or several.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TypeNameError {
    /// No type has the name.
    #[error("there is no resource `{name}` in a cache")]
    Unknown {
        /// The name.
        name: String,
        /// Names that look alike.
        suggestions: Vec<String>,
    },
    /// Types of several groups have the name.
    #[error("`{name}` may mean several resources")]
    Ambiguous {
        /// The name.
        name: String,
        /// Their full names.
        candidates: Vec<String>,
    },
    /// The type has no such version.
    #[error("`{resource}` has no version `{version}`")]
    NoVersion {
        /// The full name.
        resource: String,
        /// The version.
        version: String,
        /// The versions that it has.
        known: Vec<String>,
    },
}

impl KnownType {
    /// `resource.group`, or the bare resource for the core group.
    pub fn qualified_name(&self) -> String {
        qualified(&self.resource, &self.group)
    }

    /// It, in the version that is to be read unless another is asked for.
    pub fn preferred(&self) -> Option<FoundType> {
        let version = self.versions.first()?.clone();
        Some(FoundType { known: self.clone(), version })
    }

    fn is_called(&self, name: &str) -> bool {
        self.resource == name || self.singular == name
    }

    fn of(builtin: &ResourceType) -> Self {
        Self {
            group: builtin.group.clone(),
            resource: builtin.resource.clone(),
            singular: builtin.singular.clone(),
            short_names: builtin.short_names.clone(),
            namespaced: builtin.namespaced,
            versions: builtin.versions.iter().map(|version| version.name.clone()).collect(),
            identity: None,
        }
    }
}

impl FoundType {
    /// The form to ask for where `form` is wanted.
    ///
    /// kcp's own server overlooks the identity where metadata is asked for, and
    /// answers with the objects of every identity.
    pub fn to_ask(&self, form: Form) -> Form {
        match form {
            Form::Metadata if self.known.identity.is_some() => Form::Objects,
            form => form,
        }
    }

    /// Where its objects lie below a scope.
    pub fn path(&self) -> ResourcePath {
        ResourcePath {
            group: self.known.group.clone(),
            version: self.version.clone(),
            resource: self.known.resource.clone(),
            identity: self.known.identity.clone(),
        }
    }
}

impl TypeNameError {
    /// What the user can do next.
    pub fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Unknown { suggestions, .. } if suggestions.is_empty() => {
                "`kcpctl cache list` without a resource shows what there is".to_owned()
            }
            Self::Unknown { suggestions, .. } => {
                format!("did you mean {}?", either(suggestions))
            }
            Self::Ambiguous { candidates, .. } => format!("name one of {}", either(candidates)),
            Self::NoVersion { known, .. } => format!("it has {}", either(known)),
        };
        vec![hint]
    }
}

/// `a`, `b` or `c`.
fn either(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

fn qualified(resource: &str, group: &str) -> String {
    if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }
}

impl Catalog {
    /// The types that every cache has, and the definitions of types.
    pub fn builtin() -> Self {
        let types = builtin::types().iter().chain([builtin::definition_type()]);
        Self { types: types.map(KnownType::of).collect() }
    }

    /// Adds the types that the users of this server's shards publish.
    pub async fn add_published(&mut self, client: &CacheClient) -> Result<(), ClientError> {
        for publisher in DECLARING_RESOURCES {
            let path = ResourcePath {
                group: DECLARING_GROUP.to_owned(),
                version: "v1alpha1".to_owned(),
                resource: publisher.to_owned(),
                identity: None,
            };
            let query = ListQuery::all(Scope::EVERYTHING, path, Form::Objects);
            let mut pager = Pager::new(client, query, None);
            loop {
                match pager.next().await {
                    Ok(Some(page)) => {
                        for item in page.items {
                            // What is not complete publishes nothing yet.
                            if let Ok(publishing) = serde_json::from_str(item.get()) {
                                self.publish(publishing);
                            }
                        }
                    }
                    Ok(None) => break,
                    // A kcp of another time, which has the other name.
                    Err(error) if error.is_not_found() => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Every type.
    pub fn types(&self) -> &[KnownType] {
        &self.types
    }

    /// The types that `name` means: one, or several of one name that differ in
    /// their identity alone.
    pub fn find(&self, name: &str) -> Result<Vec<FoundType>, TypeNameError> {
        let (spelled, identity) = match name.split_once(':') {
            Some((spelled, identity)) => (spelled, Some(identity)),
            None => (name, None),
        };
        let (first, rest) = match spelled.split_once('.') {
            Some((first, rest)) => (first.to_lowercase(), Some(rest)),
            None => (spelled.to_lowercase(), None),
        };
        let called = self.called(&first, identity);
        let Some(rest) = rest else {
            return self.one_group(name, &called, None);
        };
        // `resource.version.group` is tried before `resource.group`, as kubectl does.
        if let Some((version, group)) = rest.split_once('.')
            && is_version(version)
        {
            let of_group = in_group(&called, group);
            if !of_group.is_empty() {
                return self.one_group(name, &of_group, Some(version));
            }
        }
        // The core group has no name: `things.v1`.
        if is_version(rest) && called.iter().any(|it| it.group.is_empty()) {
            let core: Vec<_> = called.into_iter().filter(|it| it.group.is_empty()).collect();
            return self.one_group(name, &core, Some(rest));
        }
        self.one_group(name, &in_group(&called, rest), None)
    }

    /// Types by plural, singular or kind; if there is none, by a short name.
    fn called(&self, name: &str, identity: Option<&str>) -> Vec<&KnownType> {
        let identical = |it: &&KnownType| match identity {
            Some(begin) => it.identity.as_deref().is_some_and(|whole| whole.starts_with(begin)),
            None => true,
        };
        let exact: Vec<_> =
            self.types.iter().filter(|it| it.is_called(name)).filter(identical).collect();
        if !exact.is_empty() {
            return exact;
        }
        let short = |it: &&KnownType| it.short_names.iter().any(|short| short == name);
        self.types.iter().filter(short).filter(identical).collect()
    }

    fn one_group(
        &self,
        name: &str,
        types: &[&KnownType],
        version: Option<&str>,
    ) -> Result<Vec<FoundType>, TypeNameError> {
        let Some(first) = types.first() else {
            return Err(TypeNameError::Unknown {
                name: name.to_owned(),
                suggestions: self.suggest(name),
            });
        };
        let mut names: Vec<String> = types.iter().map(|it| it.qualified_name()).collect();
        names.sort();
        names.dedup();
        if names.len() > 1 {
            return Err(TypeNameError::Ambiguous { name: name.to_owned(), candidates: names });
        }
        let with_version = |known: &KnownType| {
            let Some(version) = version else { return known.preferred() };
            let version = known.versions.iter().find(|it| *it == version)?.clone();
            Some(FoundType { known: known.clone(), version })
        };
        let found: Vec<FoundType> = types.iter().copied().filter_map(with_version).collect();
        if found.is_empty() {
            return Err(TypeNameError::NoVersion {
                resource: first.qualified_name(),
                version: version.unwrap_or_default().to_owned(),
                known: first.versions.clone(),
            });
        }
        Ok(found)
    }

    fn suggest(&self, name: &str) -> Vec<String> {
        let first = name.split(['.', ':']).next().unwrap_or_default().to_lowercase();
        let mut alike: Vec<(f64, String)> = self
            .types
            .iter()
            .map(|it| {
                let likeness = strsim::jaro_winkler(&first, &it.resource)
                    .max(strsim::jaro_winkler(&first, &it.singular));
                (likeness, it.qualified_name())
            })
            .filter(|(likeness, _)| *likeness >= ALIKE)
            .collect();
        alike.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        alike.dedup();
        alike.into_iter().take(SUGGESTIONS_MAX).map(|(_, name)| name).collect()
    }

    fn publish(&mut self, publishing: Publishing) {
        let Publishing { metadata, spec, status } = publishing;
        let (Some(kind), Some(scope)) =
            (metadata.annotations.get(KIND_ANNOTATION), metadata.annotations.get(SCOPE_ANNOTATION))
        else {
            return;
        };
        let group = if spec.group == "core" { String::new() } else { spec.group };
        let identity = Some(status.identity_hash);
        let known = self.types.iter_mut().find(|it| {
            it.resource == spec.resource && it.group == group && it.identity == identity
        });
        match known {
            Some(known) if known.versions.contains(&spec.version) => {}
            Some(known) => {
                known.versions.push(spec.version);
                known.versions.sort_by(|a, b| by_preference(a, b));
            }
            None => self.types.push(KnownType {
                group,
                singular: kind.to_lowercase(),
                resource: spec.resource,
                short_names: Vec::new(),
                namespaced: scope == "Namespaced",
                versions: vec![spec.version],
                identity,
            }),
        }
    }
}

/// Types of exactly this group, else of the groups that begin so.
fn in_group<'a>(types: &[&'a KnownType], group: &str) -> Vec<&'a KnownType> {
    let exact: Vec<_> = types.iter().copied().filter(|it| it.group == group).collect();
    if !exact.is_empty() {
        return exact;
    }
    types.iter().copied().filter(|it| it.group.starts_with(group)).collect()
}

/// `v1`, `v2beta3`, `v1alpha2`.
fn is_version(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('v') else { return false };
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    number(rest)
        || ["alpha", "beta"].iter().any(|word| {
            rest.split_once(word).is_some_and(|(major, minor)| number(major) && number(minor))
        })
}

/// The part of a publishing object that says what it publishes.
#[derive(Deserialize)]
struct Publishing {
    metadata: Meta,
    spec: PublishedSpec,
    status: PublishedStatus,
}

#[derive(Deserialize)]
struct PublishedSpec {
    #[serde(default)]
    group: String,
    version: String,
    resource: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PublishedStatus {
    identity_hash: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> Catalog {
        let mut catalog = Catalog::builtin();
        for (group, version, identity) in [
            ("example.io", "v1alpha1", "aa11"),
            ("example.io", "v1", "aa11"),
            ("example.io", "v1", "bb22"),
            ("other.io", "v1", "cc33"),
            ("core", "v1", "dd44"),
        ] {
            let resource = if group == "core" { "configmaps" } else { "instances" };
            let kind = if group == "core" { "ConfigMap" } else { "Instance" };
            let text = serde_json::json!({
                "metadata": {"name": "x", "annotations": {KIND_ANNOTATION: kind, SCOPE_ANNOTATION: "Cluster"}},
                "spec": {"group": group, "version": version, "resource": resource},
                "status": {"identityHash": identity},
            });
            catalog.publish(serde_json::from_value(text).unwrap());
        }
        catalog
    }

    fn found(name: &str) -> Vec<String> {
        let found = catalog().find(name).unwrap();
        found
            .iter()
            .map(|it| {
                let identity = it.known.identity.as_deref().unwrap_or("-");
                format!("{} {} {identity}", it.known.qualified_name(), it.version)
            })
            .collect()
    }

    #[test]
    fn a_type_has_many_names() {
        for name in [
            "apiexports",
            "apiexport",
            "APIExport",
            "APIEXPORTS",
            "apiexports.apis.kcp.io",
            "apiexport.apis",
            "APIExport.v1alpha2.apis.kcp.io",
        ] {
            assert_eq!(found(name), ["apiexports.apis.kcp.io v1alpha2 -"], "{name}");
        }
        assert_eq!(found("apiexports.v1alpha1.apis.kcp.io"), ["apiexports.apis.kcp.io v1alpha1 -"]);
        assert_eq!(found("crd"), ["customresourcedefinitions.apiextensions.k8s.io v1 -"]);
        assert_eq!(found("configmaps.v1"), ["configmaps v1 dd44"]);
    }

    #[test]
    fn a_published_type_is_found_by_group_and_identity() {
        assert_eq!(
            found("instances.example.io"),
            ["instances.example.io v1 aa11", "instances.example.io v1 bb22"]
        );
        assert_eq!(found("Instance:bb"), ["instances.example.io v1 bb22"]);
        assert_eq!(found("instances.v1alpha1.example.io"), ["instances.example.io v1alpha1 aa11"]);
    }

    #[test]
    fn metadata_of_one_identity_is_read_off_whole_objects() {
        let found = |name: &str| catalog().find(name).unwrap().remove(0);
        assert_eq!(found("instances:bb").to_ask(Form::Metadata), Form::Objects);
        assert_eq!(found("instances:bb").to_ask(Form::Table), Form::Table);
        assert_eq!(found("shards").to_ask(Form::Metadata), Form::Metadata);
    }

    #[test]
    fn what_is_unclear_is_answered_with_a_way_out() {
        let error = |name: &str| {
            let error = catalog().find(name).unwrap_err();
            format!("{error}: {}", error.hints().concat())
        };
        assert_eq!(
            error("instances"),
            "`instances` may mean several resources: name one of `instances.example.io` or \
             `instances.other.io`"
        );
        assert_eq!(
            error("apiexprots"),
            "there is no resource `apiexprots` in a cache: did you mean `apiexports.apis.kcp.io` \
             or `apiexportendpointslices.apis.kcp.io`?"
        );
        assert_eq!(
            error("apiexports.v9.apis.kcp.io"),
            "`apiexports.apis.kcp.io` has no version `v9`: it has `v1alpha2` or `v1alpha1`"
        );
        assert_eq!(
            error("xyz"),
            "there is no resource `xyz` in a cache: `kcpctl cache list` without a resource shows \
             what there is"
        );
        for odd in ["", ".", ":", "a..b", ".apis.kcp.io", "shards."] {
            let _ = catalog().find(odd);
        }
    }
}
