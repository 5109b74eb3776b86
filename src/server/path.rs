//! From a URI to what it means. The only code that splits or joins a URL.
//!
//! ```text
//! [/services/cache] /shards/{s} [/clusters/{c}] / apis/{group}/{version}/…
//! [/services/cache] /healthz | /livez | /readyz | /metrics
//! ```
//!
//! The steps are those of the original, in its order: service, shard, cluster,
//! endpoints that belong to the whole server, and last the resource. What is wrong
//! with a path is said before anybody asks who the client is. The path is matched
//! decoded (`%2A` is `*`), and nothing is collapsed.

use crate::model::{Cluster, NameError, Shard};
use crate::store::Origin;

use super::Flavor;
use super::status::{ApiError, quoted};

/// The prefix below which the cache plane stands.
const SERVICE_PREFIX: &[u8] = b"/services/cache";

/// The shard and the cluster in which the objects of the control plane lie: a place for their
/// keys, of which nobody is told.
pub const CONTROL_HOME: (&str, &str) = ("control", "control");

/// What a path means.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Route {
    /// `/healthz`, `/livez` or `/readyz` of the whole server.
    Health(&'static str),
    /// `/metrics`
    Metrics,
    /// What the cache holds, counted.
    Holdings,
    /// Who the server takes the client for.
    WhoAmI,
    /// Something on the control plane, which lies in one cluster of one shard of its own.
    Control(Box<Scoped>),
    /// Something of some shards and clusters.
    Scoped(Box<Scoped>),
}

/// What is asked of some shards and clusters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Scoped {
    /// The shards.
    pub shard: Shard,
    /// The clusters, if the path names any.
    pub cluster: Option<Cluster>,
    /// The rest of the path, decoded.
    pub path: String,
    /// What the rest means.
    pub endpoint: Endpoint,
}

/// What stands below a shard and a cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Endpoint {
    /// `/`
    Index,
    /// `/healthz`, `/livez`, `/readyz`
    Health(&'static str),
    /// One check of those.
    HealthCheck(&'static str, String),
    /// `/version`
    Version,
    /// `/openapi/v3`
    OpenApiIndex,
    /// The `OpenAPI` document of a group and version; the core group is empty.
    OpenApi(String, String),
    /// `/api`
    Core,
    /// `/apis`
    Groups,
    /// `/apis/{group}`
    Group(String),
    /// `/apis/{group}/{version}`, or `/api/{version}` with an empty group
    GroupVersion(String, String),
    /// Objects.
    Resource(ResourcePath),
    /// Nothing that anybody knows.
    Unknown,
}

/// Objects, as a path names them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ResourcePath {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version.
    pub version: String,
    /// The plural name, without an identity.
    pub resource: String,
    /// The identity after the resource's name; empty if there is nothing after the colon.
    pub identity: Option<String>,
    /// The namespace; empty is none.
    pub namespace: String,
    /// The name of one object.
    pub name: Option<String>,
    /// What is meant of it besides itself.
    pub subresource: Option<String>,
    /// Whether it stands below `/watch/`, the old way to ask for a watch.
    pub watch: bool,
}

impl ResourcePath {
    /// The origin of objects that are asked for by an identity, if they are.
    pub fn origin(&self) -> Option<Origin> {
        let identity = self.identity.as_deref().filter(|identity| !identity.is_empty())?;
        Some(Origin::Identity(identity.into()))
    }
}

/// Reads a path.
pub fn parse(raw: &str, flavor: Flavor) -> Result<Route, ApiError> {
    let path = decode(raw).ok_or_else(|| ApiError::plain(400, "400 Bad Request"))?;
    let (service, path) = match path.strip_prefix(SERVICE_PREFIX) {
        Some(rest) => (true, rest),
        None => (false, &path[..]),
    };
    if let Some(check) = health(path) {
        return Ok(Route::Health(check));
    }
    if path == b"/metrics" {
        return Ok(Route::Metrics);
    }
    if flavor == Flavor::Kcpctl && !service && !path.starts_with(b"/shards") {
        return Ok(match path {
            b"/kcpctl/v1alpha1/holdings" => Route::Holdings,
            b"/kcpctl/v1alpha1/whoami" => Route::WhoAmI,
            _ => Route::Control(Box::new(control(path))),
        });
    }
    scoped(path).map(|it| Route::Scoped(Box::new(it)))
}

/// What stands below the root.
fn control(path: &[u8]) -> Scoped {
    let path = String::from_utf8_lossy(path).into_owned();
    let endpoint = if path.starts_with('/') { endpoint(&path) } else { Endpoint::Unknown };
    let (shard, cluster) = CONTROL_HOME;
    // Both are names, or the tests say so.
    let shard = shard.parse().unwrap_or(Shard::All);
    let cluster = cluster.parse().ok();
    Scoped { shard, cluster, path, endpoint }
}

fn scoped(path: &[u8]) -> Result<Scoped, ApiError> {
    let required = || ApiError::bad_request("a shard name is required");
    let rest = path.strip_prefix(b"/shards/").ok_or_else(required)?;
    let Some(slash) = memchr::memchr(b'/', rest) else {
        let rest = String::from_utf8_lossy(rest);
        return Err(ApiError::bad_request(format!(
            "unable to parse shard: no `/` found in path {rest}"
        )));
    };
    let (shard, rest) = rest.split_at(slash);
    if shard.is_empty() {
        return Err(required());
    }
    let shard = text(shard).and_then(|name| name.parse::<Shard>().ok()).ok_or_else(|| {
        ApiError::bad_request(format!("invalid shard: {} does not match the regex", quoted(shard)))
    })?;
    let (cluster, rest) = match rest.strip_prefix(b"/clusters/") {
        None => (None, rest),
        Some(below) => {
            let end = memchr::memchr(b'/', below).unwrap_or(below.len());
            let (name, rest) = below.split_at(end);
            (cluster(name)?, if rest.is_empty() { &b"/"[..] } else { rest })
        }
    };
    if rest == b"/metrics" {
        return Err(ApiError::plain(
            501,
            "shard-level endpoint not available at shard or workspace scope\n",
        ));
    }
    let path = String::from_utf8_lossy(rest).into_owned();
    let endpoint = endpoint(&path);
    Ok(Scoped { shard, cluster, path, endpoint })
}

fn cluster(name: &[u8]) -> Result<Option<Cluster>, ApiError> {
    if name.is_empty() {
        return Ok(None);
    }
    let parsed = text(name).map_or(Err(NameError::ClusterShape), str::parse);
    parsed.map(Some).map_err(|error| {
        let what = match error {
            NameError::ClusterPath => "is not a logical cluster name",
            NameError::ClusterShape | NameError::Shard => "does not match the regex",
        };
        ApiError::bad_request(format!("invalid cluster: {} {what}", quoted(name)))
    })
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn health(path: &[u8]) -> Option<&'static str> {
    ["/healthz", "/livez", "/readyz"].into_iter().find(|check| check.as_bytes() == path)
}

fn endpoint(path: &str) -> Endpoint {
    if let Some(check) = health(path.as_bytes()) {
        return Endpoint::Health(check);
    }
    if let Some((group, name)) = path[1..].split_once('/')
        && let Some(check) = health(format!("/{group}").as_bytes())
        && !name.is_empty()
    {
        return Endpoint::HealthCheck(check, name.to_owned());
    }
    match path {
        "/" | "/index.html" => return Endpoint::Index,
        "/version" => return Endpoint::Version,
        "/openapi/v3" => return Endpoint::OpenApiIndex,
        "/api" => return Endpoint::Core,
        "/apis" | "/apis/" => return Endpoint::Groups,
        _ => {}
    }
    if let Some(document) = path.strip_prefix("/openapi/v3/") {
        return match *document.split('/').collect::<Vec<_>>() {
            ["api", version] => Endpoint::OpenApi(String::new(), version.to_owned()),
            ["apis", group, version] => Endpoint::OpenApi(group.to_owned(), version.to_owned()),
            _ => Endpoint::Unknown,
        };
    }
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    if path.starts_with("//") {
        return Endpoint::Unknown;
    }
    match parts[..] {
        ["apis" | "api", "", ..] | ["apis", _, "", ..] => Endpoint::Unknown,
        ["apis", group] => Endpoint::Group(group.to_owned()),
        ["apis", group, version] => Endpoint::GroupVersion(group.to_owned(), version.to_owned()),
        // A user's type of the core group is also reached by that group's name.
        ["apis", "core", version, ref rest @ ..] => resource("", version, rest),
        ["apis", group, version, ref rest @ ..] => resource(group, version, rest),
        ["api", version] => Endpoint::GroupVersion(String::new(), version.to_owned()),
        ["api", version, ref rest @ ..] => resource("", version, rest),
        _ => Endpoint::Unknown,
    }
}

/// The rest of a resource's path, after group and version.
fn resource(group: &str, version: &str, parts: &[&str]) -> Endpoint {
    let (watch, mut parts) = match parts {
        ["watch", rest @ ..] if !rest.is_empty() => (true, rest),
        parts => (false, parts),
    };
    let mut namespace = "";
    if let ["namespaces", name, rest @ ..] = parts {
        // Below a namespace are its objects, unless it is about the namespace itself.
        if !rest.is_empty() && !matches!(rest[0], "status" | "finalize") {
            (namespace, parts) = (name, rest);
        }
    }
    let (&resource, rest) = parts.split_first().unwrap_or((&"", &[]));
    let (resource, identity) = match resource.split_once(':') {
        Some((resource, identity)) => (resource, Some(identity.to_owned())),
        None => (resource, None),
    };
    Endpoint::Resource(ResourcePath {
        group: group.to_owned(),
        version: version.to_owned(),
        resource: resource.to_owned(),
        identity,
        namespace: namespace.to_owned(),
        name: rest.first().map(|&name| name.to_owned()),
        subresource: rest.get(1).map(|&sub| sub.to_owned()),
        watch,
    })
}

/// Undoes percent-encoding; none if it is broken.
fn decode(raw: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let value = digit()? * 16 + digit()?;
        out.push(u8::try_from(value).ok()?);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint_of(path: &str) -> Endpoint {
        match parse(path, Flavor::Kcpctl).unwrap() {
            Route::Scoped(scoped) => scoped.endpoint,
            other => panic!("{other:?}"),
        }
    }

    fn message(path: &str) -> String {
        parse(path, Flavor::CacheServer).unwrap_err().message().to_owned()
    }

    #[test]
    fn encoded_and_plain_wildcards_are_the_same() {
        for path in [
            "/services/cache/shards/%2A/clusters/%2a/apis/apis.kcp.io/v1alpha2/apiexports",
            "/shards/*/clusters/*/apis/apis.kcp.io/v1alpha2/apiexports",
        ] {
            let Route::Scoped(scoped) = parse(path, Flavor::CacheServer).unwrap() else { panic!() };
            assert_eq!((scoped.shard, scoped.cluster), (Shard::All, Some(Cluster::All)));
            let Endpoint::Resource(it) = scoped.endpoint else { panic!("{path}") };
            assert_eq!((&*it.group, &*it.version), ("apis.kcp.io", "v1alpha2"));
            assert_eq!((&*it.resource, it.name), ("apiexports", None));
        }
    }

    #[test]
    fn the_words_of_the_original_refuse_a_path() {
        for (path, expected) in [
            ("/", "a shard name is required"),
            ("/shards", "a shard name is required"),
            ("/shards//clusters/a/apis/g/v/r", "a shard name is required"),
            ("/services/cacheX/shards/a/x", "a shard name is required"),
            ("/shards/amber", "unable to parse shard: no `/` found in path amber"),
            ("/shards/Amber/x", "invalid shard: \"Amber\" does not match the regex"),
            ("/shards/%FF/x", "invalid shard: \"\\xff\" does not match the regex"),
            (
                "/shards/a/clusters/root:org/x",
                "invalid cluster: \"root:org\" is not a logical cluster name",
            ),
            ("/shards/a/clusters/a_b/x", "invalid cluster: \"a_b\" does not match the regex"),
            (
                "/shards/a/metrics",
                "shard-level endpoint not available at shard or workspace scope\n",
            ),
        ] {
            assert_eq!(message(path), expected, "{path}");
        }
    }

    #[test]
    fn a_resource_path_is_taken_apart() {
        let Endpoint::Resource(it) = endpoint_of(
            "/shards/s/clusters/c/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles/system:x",
        ) else {
            panic!()
        };
        assert_eq!((&*it.namespace, &*it.resource), ("default", "roles"));
        assert_eq!(it.name.as_deref(), Some("system:x"));
        let Endpoint::Resource(it) =
            endpoint_of("/shards/s/clusters/c/api/v1/namespaces:id/n/status")
        else {
            panic!()
        };
        assert_eq!((&*it.resource, it.identity.as_deref()), ("namespaces", Some("id")));
        assert_eq!((it.name.as_deref(), it.subresource.as_deref()), (Some("n"), Some("status")));
    }

    #[test]
    fn our_own_server_keeps_the_root_for_its_control_plane() {
        let Ok(Route::Control(it)) = parse("/apis", Flavor::Kcpctl) else { panic!() };
        assert_eq!((it.endpoint, it.shard), (Endpoint::Groups, CONTROL_HOME.0.parse().unwrap()));
        assert!(parse("/apis", Flavor::CacheServer).is_err());
        assert_eq!(parse("/readyz", Flavor::CacheServer), Ok(Route::Health("/readyz")));
    }

    proptest::proptest! {
        #[test]
        fn no_path_makes_it_panic(path in "(/(shards|clusters|apis|api|%2A|[a-z:*%]{0,4}|.{0,3})){0,8}") {
            let _ = parse(&path, Flavor::Kcpctl);
            let _ = parse(&path, Flavor::CacheServer);
        }

        #[test]
        fn any_bytes_mean_the_same_however_much_of_them_is_escaped(
            head in "(/services/cache)?(/shards/[a-z]{0,3}(/clusters/[a-z:]{0,3})?)?",
            tail in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..24),
            kept in proptest::collection::vec(proptest::prelude::any::<bool>(), 24),
        ) {
            let bytes = [head.as_bytes(), b"/", &tail].concat();
            let all: Vec<String> = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
            let all = all.concat();
            // Of what may stand for itself some does.
            let some: String = bytes
                .iter()
                .zip(kept.iter().cycle())
                .map(|(&byte, &keep)| match char::from(byte) {
                    it if keep && it.is_ascii_graphic() && it != '%' => it.to_string(),
                    _ => format!("%{byte:02x}"),
                })
                .collect();
            for flavor in [Flavor::Kcpctl, Flavor::CacheServer] {
                proptest::prop_assert_eq!(parse(&all, flavor), parse(&some, flavor));
            }
        }
    }
}
