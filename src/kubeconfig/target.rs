//! What a kubeconfig leads to, and the entries that it has for that.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use k8s_openapi::api::core::v1::LocalObjectReference;

use super::document::{Cluster, Context, Credential, Kubeconfig, User};
use crate::api::{KubeconfigTarget, names};

/// A server of an installation, by kind and name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target {
    /// What it is.
    pub kind: TargetKind,
    /// The name of its object.
    pub name: String,
}

/// The kinds of servers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TargetKind {
    /// The root shard.
    RootShard,
    /// Another shard.
    Shard,
    /// A front-proxy.
    FrontProxy,
    /// A cache server.
    CacheServer,
}

/// A workspace path, such as `root:org`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Workspace(String);

/// The URL of a server, without a slash at its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerUrl(Uri);

/// A value of the command line that is not what it should be.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TargetError {
    /// Not a target.
    #[error(
        "expected `rootshard/NAME`, `shard/NAME`, `frontproxy/NAME` or `cacheserver/NAME`, NAME being the object's"
    )]
    Target,
    /// Not a workspace path.
    #[error(
        "expected a workspace path such as `root:org`: words of 1 to 63 lowercase letters, digits and `-`, joined by `:`"
    )]
    Workspace,
    /// Not the URL of a server.
    #[error(
        "expected a URL such as `https://kcp.example.com:6443`, without user, query or fragment"
    )]
    Url,
    /// A URL that names a workspace.
    #[error(
        "expected the server's URL without `/clusters/…`: name the workspace with `--workspace`"
    )]
    UrlWithCluster,
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (kind, name) = text.split_once('/').ok_or(TargetError::Target)?;
        let kind = match kind.to_ascii_lowercase().as_str() {
            "rootshard" => TargetKind::RootShard,
            "shard" => TargetKind::Shard,
            "frontproxy" => TargetKind::FrontProxy,
            "cacheserver" => TargetKind::CacheServer,
            _ => return Err(TargetError::Target),
        };
        if !is_object_name(name) {
            return Err(TargetError::Target);
        }
        Ok(Self { kind, name: name.to_owned() })
    }
}

/// Whether `name` can be the name of an object: a DNS subdomain.
pub fn is_object_name(name: &str) -> bool {
    let alnum = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        matches!((bytes.first(), bytes.last()), (Some(&a), Some(&z)) if alnum(a) && alnum(z))
            && bytes.iter().all(|&b| alnum(b) || b == b'-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

impl fmt::Display for Target {
    /// As the operator writes it into a status.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            TargetKind::RootShard => "RootShard",
            TargetKind::Shard => "Shard",
            TargetKind::FrontProxy => "FrontProxy",
            TargetKind::CacheServer => "CacheServer",
        };
        write!(f, "{kind}/{}", self.name)
    }
}

impl Target {
    /// The target as a `Kubeconfig` object names it; nothing for a cache server, of which the
    /// operator makes no kubeconfigs.
    pub fn reference(&self) -> Option<KubeconfigTarget> {
        let name = Some(LocalObjectReference { name: self.name.clone() });
        let mut target = KubeconfigTarget::default();
        match self.kind {
            TargetKind::RootShard => target.root_shard_ref = name,
            TargetKind::Shard => target.shard_ref = name,
            TargetKind::FrontProxy => target.front_proxy_ref = name,
            TargetKind::CacheServer => return None,
        }
        Some(target)
    }

    /// The URL inside the cluster that the operator runs in. A front-proxy has
    /// none: the name that its certificate is for is in its object.
    pub fn service_url(&self, namespace: &str) -> Option<String> {
        let service = match self.kind {
            TargetKind::RootShard => names::root_shard_server(&self.name),
            TargetKind::Shard => names::shard_server(&self.name),
            TargetKind::CacheServer => names::cache_server(&self.name),
            TargetKind::FrontProxy => return None,
        };
        let host = names::service_host(&service, namespace, None);
        Some(format!("https://{host}:{}", names::SERVER_PORT))
    }
}

impl Default for Workspace {
    fn default() -> Self {
        Self("root".to_owned())
    }
}

impl FromStr for Workspace {
    type Err = TargetError;

    fn from_str(path: &str) -> Result<Self, TargetError> {
        let is_word = |word: &str| word.len() <= 63 && !word.contains('.') && is_object_name(word);
        if path.split(':').all(is_word) {
            Ok(Self(path.to_owned()))
        } else {
            Err(TargetError::Workspace)
        }
    }
}

impl Workspace {
    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServerUrl {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        if text.contains('#') {
            return Err(TargetError::Url);
        }
        let uri: Uri = text.trim_end_matches('/').parse().map_err(|_| TargetError::Url)?;
        let authority = uri.authority().ok_or(TargetError::Url)?;
        let port_is_number =
            authority.port().is_none() == authority.as_str().ends_with(authority.host());
        if uri.scheme_str() != Some("https")
            || authority.host().is_empty()
            || !port_is_number
            || authority.as_str().contains('@')
            || uri.query().is_some()
        {
            return Err(TargetError::Url);
        }
        if uri.path().starts_with("/clusters/") {
            return Err(TargetError::UrlWithCluster);
        }
        Ok(Self(uri))
    }
}

impl ServerUrl {
    /// The host, as a certificate names it: an IPv6 address has no brackets.
    pub fn host(&self) -> &str {
        self.0.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
    }

    /// Whether anything follows host and port.
    pub fn has_path(&self) -> bool {
        self.0.path() != "/"
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_string().trim_end_matches('/'))
    }
}

/// Who may enter, and where.
#[derive(Clone, Debug)]
pub struct Access<'a> {
    /// What the kubeconfig leads to.
    pub target: &'a Target,
    /// Its URL.
    pub server: &'a ServerUrl,
    /// The workspace to begin in; a cache server has none.
    pub workspace: &'a Workspace,
    /// What vouches for the server.
    pub ca: Credential,
    /// The user's name in the file.
    pub user: &'a str,
    /// The user's certificate.
    pub cert: Credential,
    /// The user's private key.
    pub key: Credential,
}

impl Access<'_> {
    /// The document, with the entries of the operator's: kcp's own tools look for
    /// `base` and `shard-base`, and a shard's cache client for the current context.
    pub fn to_kubeconfig(&self) -> Kubeconfig {
        let Self { target, server, workspace, ca, user, cert, key } = self;
        let base = server.to_string();
        let (clusters, contexts): (Vec<_>, Vec<_>) = match target.kind {
            TargetKind::CacheServer => (vec![("cache", base)], vec![("cache", "cache")]),
            kind => {
                let mut contexts = vec![("default", "default"), ("base", "base")];
                if kind != TargetKind::FrontProxy {
                    contexts.push(("shard-base", "base"));
                }
                let inside = format!("{base}/clusters/{}", workspace.as_str());
                (vec![("default", inside), ("base", base)], contexts)
            }
        };
        let user = if target.kind == TargetKind::CacheServer { "cache" } else { user };
        Kubeconfig {
            current_context: contexts[0].0.to_owned(),
            clusters: clusters
                .into_iter()
                .map(|(name, server)| Cluster { name: name.to_owned(), server, ca: ca.clone() })
                .collect(),
            contexts: contexts
                .into_iter()
                .map(|(name, cluster)| Context {
                    name: name.to_owned(),
                    cluster: cluster.to_owned(),
                    user: user.to_owned(),
                })
                .collect(),
            users: vec![User { name: user.to_owned(), cert: cert.clone(), key: key.clone() }],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_kind_and_a_name() {
        let target: Target = "RootShard/root".parse().unwrap();
        assert_eq!(target.to_string(), "RootShard/root");
        assert_eq!(
            target.service_url("kcp").unwrap(),
            "https://root-kcp.kcp.svc.cluster.local:6443"
        );
        for text in ["", "root", "shard/", "shard/A", "pod/a", "shard/a/b", "shard/a_b", "shard/.a"]
        {
            assert_eq!(text.parse::<Target>(), Err(TargetError::Target), "{text}");
        }
        for text in ["", ":", "root:", "Root", "root:-a", "a.b", &"x".repeat(64)] {
            assert_eq!(text.parse::<Workspace>(), Err(TargetError::Workspace), "{text}");
        }
    }

    #[test]
    fn a_server_is_a_https_url() {
        for (text, url, host) in [
            ("https://localhost:6443/", "https://localhost:6443", "localhost"),
            ("https://[::1]:6443", "https://[::1]:6443", "::1"),
            ("https://kcp.example.com", "https://kcp.example.com", "kcp.example.com"),
            ("https://a/services/x/", "https://a/services/x", "a"),
        ] {
            let parsed: ServerUrl = text.parse().unwrap();
            assert_eq!((parsed.to_string().as_str(), parsed.host()), (url, host));
        }
        for text in [
            "",
            "localhost:6443",
            "http://a",
            "https://",
            "https://a:b",
            "https://u@a",
            "https://a?b",
            "https://a#b",
            "https://a b",
            "https://a:99999",
        ] {
            assert_eq!(text.parse::<ServerUrl>(), Err(TargetError::Url), "{text}");
        }
        assert_eq!("https://a/clusters/b".parse::<ServerUrl>(), Err(TargetError::UrlWithCluster));
    }

    #[test]
    fn entries_are_those_of_the_operator() {
        let lines = |target: &str| {
            let pem = || Credential::Inline("PEM".to_owned());
            let access = Access {
                target: &target.parse().unwrap(),
                server: &"https://kcp.example.com:6443".parse().unwrap(),
                workspace: &"root:org".parse().unwrap(),
                ca: pem(),
                user: "alice",
                cert: pem(),
                key: pem(),
            };
            let made = access.to_kubeconfig();
            let clusters = made.clusters.iter().map(|it| format!("{}={}", it.name, it.server));
            let contexts =
                made.contexts.iter().map(|it| format!("{}:{}+{}", it.name, it.cluster, it.user));
            let all: Vec<_> =
                clusters.chain(contexts).chain([made.current_context.clone()]).collect();
            all.join(" ")
        };
        let base = "base=https://kcp.example.com:6443";
        let inside = "default=https://kcp.example.com:6443/clusters/root:org";
        let two = "default:default+alice base:base+alice";
        assert_eq!(
            lines("shard/a"),
            format!("{inside} {base} {two} shard-base:base+alice default")
        );
        assert_eq!(lines("rootshard/a"), lines("shard/a"));
        assert_eq!(lines("frontproxy/a"), format!("{inside} {base} {two} default"));
        assert_eq!(
            lines("cacheserver/a"),
            "cache=https://kcp.example.com:6443 cache:cache+cache cache"
        );
    }
}
