//! Which server: the kubeconfig, the context in it, and where both were found.
//!
//! The order is: the file that was named; `.kcpctl/admin.kubeconfig` of this
//! folder, which `kcpctl cache serve` writes; the context `cache` of KUBECONFIG or
//! `~/.kube/config`. A current context that nobody named is never used: it leads
//! to whatever cluster the user happened to work with last.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use http::Uri;
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError, LoadDataError};

use super::error::one_line;
use super::identity;

/// The context that leads to a cache server.
pub const CACHE_CONTEXT: &str = "cache";

/// What `kcpctl cache serve` writes into its default data directory.
const ADMIN_KUBECONFIG: &str = ".kcpctl/admin.kubeconfig";

/// What the user said, and where to look for the rest.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// `--kubeconfig`.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`.
    pub context: Option<String>,
    /// The folder in which the user works.
    pub folder: PathBuf,
    /// The files of KUBECONFIG, or `~/.kube/config`.
    pub defaults: Vec<PathBuf>,
}

/// A way to a server, and the words to name it by.
#[derive(Clone, Debug)]
pub struct Source {
    /// Such as ``context `cache` of `.kcpctl/admin.kubeconfig` ``.
    pub name: String,
    /// Where the CA that the server is checked with stands.
    pub ca: String,
    /// One clause about who we say that we are.
    pub identity: String,
    /// The server's URL, without a shard and cluster.
    pub url: String,
    /// The kubeconfig's own say on everything else.
    pub config: Config,
}

/// No way to a server was found.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No file has a context that leads to a cache.
    #[error("no kubeconfig leads to a cache server")]
    Nothing {
        /// The files that were looked into.
        searched: Vec<PathBuf>,
    },
    /// There is no kubeconfig at all.
    #[error("no kubeconfig leads to a cluster")]
    NoCluster {
        /// The files that were looked for.
        searched: Vec<PathBuf>,
    },
    /// A file cannot be read.
    #[error("failed to read the kubeconfig `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is no kubeconfig.
    #[error("`{}` is not a kubeconfig: {reason}", path.display())]
    NotKubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file has no such context.
    #[error("{} has no context `{context}`", name_of(files))]
    NoContext {
        /// The files that were looked into.
        files: Vec<PathBuf>,
        /// The context.
        context: String,
        /// The contexts that there are.
        known: Vec<String>,
    },
    /// The file has several contexts and none that stands out.
    #[error("`{}` does not say which of its contexts to use", path.display())]
    WhichContext {
        /// The file.
        path: PathBuf,
        /// The contexts that there are.
        known: Vec<String>,
    },
    /// The context cannot be used.
    #[error("{name} cannot be used: {reason}")]
    Broken {
        /// The context and its file.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Search {
    /// A search with what the environment of this process adds.
    pub fn new(kubeconfig: Option<PathBuf>, context: Option<String>) -> Self {
        let set = |name| env::var_os(name).filter(|value: &OsString| !value.is_empty());
        let defaults = match set("KUBECONFIG") {
            Some(paths) => {
                env::split_paths(&paths).filter(|it| !it.as_os_str().is_empty()).collect()
            }
            None => env::home_dir().map(|home| home.join(".kube/config")).into_iter().collect(),
        };
        Self { kubeconfig, context, folder: PathBuf::new(), defaults }
    }

    /// Finds the way to the server.
    pub async fn find(&self) -> Result<Source, SourceError> {
        let (config, path, context) = self.choose()?;
        load(config, &path, &context).await
    }

    /// Finds the way to a cluster, as kubectl does: the context that was named, or the current
    /// one; and the namespace of that context.
    pub async fn find_cluster(&self) -> Result<(Source, Option<String>), SourceError> {
        let files: Vec<PathBuf> = match &self.kubeconfig {
            Some(path) => vec![path.clone()],
            None => self.defaults.iter().filter(|it| it.exists()).cloned().collect(),
        };
        let Some((path, rest)) = files.split_first() else {
            return Err(SourceError::NoCluster { searched: self.defaults.clone() });
        };
        let mut config = read(path)?;
        for other in rest {
            config = config.merge(read(other)?).map_err(|error| SourceError::NotKubeconfig {
                path: other.clone(),
                reason: one_line(&error.to_string()),
            })?;
        }
        let known = context_names(&config);
        let named = self.context.clone();
        let current = config.current_context.clone().filter(|it| !it.is_empty());
        let context = match (named.or(current), known.as_slice()) {
            (Some(context), _) => context,
            (None, [only]) => only.clone(),
            (None, _) => return Err(SourceError::WhichContext { path: path.clone(), known }),
        };
        let Some(named) = config.contexts.iter().find(|it| it.name == context) else {
            return Err(SourceError::NoContext { files, context, known });
        };
        let namespace = named.context.as_ref().and_then(|it| it.namespace.clone());
        Ok((load(config, path, &context).await?, namespace.filter(|it| !it.is_empty())))
    }

    /// The contexts that [`Search::find`] could use. What cannot be read has none.
    pub fn cache_contexts(&self) -> Vec<String> {
        let admin = self.folder.join(ADMIN_KUBECONFIG);
        let named = self.kubeconfig.as_ref().map(std::slice::from_ref);
        let files = named.unwrap_or(&self.defaults);
        let first = named.is_none().then_some(&admin);
        contexts_in(first.into_iter().chain(files))
    }

    /// The contexts that [`Search::find_cluster`] could use. What cannot be read has none.
    pub fn cluster_contexts(&self) -> Vec<String> {
        let named = self.kubeconfig.as_ref().map(std::slice::from_ref);
        contexts_in(named.unwrap_or(&self.defaults))
    }

    fn choose(&self) -> Result<(Kubeconfig, PathBuf, String), SourceError> {
        if let Some(path) = &self.kubeconfig {
            let config = read(path)?;
            let context = self.context_of(&config, path)?;
            return Ok((config, path.clone(), context));
        }
        let wanted = self.context.as_deref().unwrap_or(CACHE_CONTEXT);
        let admin = self.folder.join(ADMIN_KUBECONFIG);
        let mut searched = Vec::new();
        let mut known = Vec::new();
        for (path, whole) in
            std::iter::once((&admin, true)).chain(self.defaults.iter().map(|path| (path, false)))
        {
            match path.try_exists() {
                Ok(true) => {}
                // A file that is not there is passed over, as kubectl does.
                Ok(false) => {
                    searched.push(path.clone());
                    continue;
                }
                Err(source) => {
                    return Err(SourceError::Unreadable { path: path.clone(), source });
                }
            }
            let config = read(path)?;
            if has_context(&config, wanted) {
                // A context may name a cluster of a later file.
                let config = if whole { config } else { self.merged(config, path)? };
                return Ok((config, path.clone(), wanted.to_owned()));
            }
            known.extend(context_names(&config));
            searched.push(path.clone());
        }
        Err(match &self.context {
            Some(context) => {
                SourceError::NoContext { files: searched, context: context.clone(), known }
            }
            None => SourceError::Nothing { searched },
        })
    }

    fn merged(&self, first: Kubeconfig, path: &Path) -> Result<Kubeconfig, SourceError> {
        let mut merged = first;
        for other in self.defaults.iter().filter(|other| *other != path && other.exists()) {
            merged = merged.merge(read(other)?).map_err(|error| SourceError::NotKubeconfig {
                path: other.clone(),
                reason: one_line(&error.to_string()),
            })?;
        }
        Ok(merged)
    }

    /// The context of a file that the user named: the one named too, or `cache`,
    /// or the file's current one, or its only one.
    fn context_of(&self, config: &Kubeconfig, path: &Path) -> Result<String, SourceError> {
        let known = context_names(config);
        if let Some(context) = &self.context {
            return if has_context(config, context) {
                Ok(context.clone())
            } else {
                let files = vec![path.to_owned()];
                Err(SourceError::NoContext { files, context: context.clone(), known })
            };
        }
        if has_context(config, CACHE_CONTEXT) {
            return Ok(CACHE_CONTEXT.to_owned());
        }
        if let Some(current) = config.current_context.as_deref().filter(|name| !name.is_empty()) {
            return Ok(current.to_owned());
        }
        match known.as_slice() {
            [only] => Ok(only.clone()),
            _ => Err(SourceError::WhichContext { path: path.to_owned(), known }),
        }
    }
}

impl SourceError {
    /// What the user can do next.
    pub fn hints(&self) -> Vec<String> {
        let list = |known: &[String]| {
            if known.is_empty() {
                "it has no contexts at all".to_owned()
            } else {
                format!("its contexts are: {}", known.join(", "))
            }
        };
        match self {
            Self::Nothing { searched } => {
                let files: Vec<_> =
                    searched.iter().map(|path| format!("`{}`", path.display())).collect();
                vec![
                    format!("looked for the context `{CACHE_CONTEXT}` in {}", files.join(", ")),
                    "name a kubeconfig with `--kubeconfig`, or work in the folder in which \
                     `kcpctl cache serve` runs"
                        .to_owned(),
                ]
            }
            Self::NoCluster { searched } => {
                let files: Vec<_> =
                    searched.iter().map(|path| format!("`{}`", path.display())).collect();
                vec![
                    format!("looked for {}", files.join(", ")),
                    "name a kubeconfig with `--kubeconfig`".to_owned(),
                ]
            }
            Self::Unreadable { .. } => vec!["check the path and who may read it".to_owned()],
            Self::NotKubeconfig { .. } => {
                vec!["name another file with `--kubeconfig`".to_owned()]
            }
            Self::NoContext { known, .. } => vec![list(known)],
            Self::WhichContext { known, .. } => {
                vec![format!("name one with `--context`; {}", list(known))]
            }
            Self::Broken { .. } => vec![
                "correct the kubeconfig, or name another one with `--kubeconfig` or `--context`"
                    .to_owned(),
            ],
        }
    }
}

fn name_of(files: &[PathBuf]) -> String {
    match files {
        [file] => format!("`{}`", file.display()),
        _ => "no kubeconfig in sight".to_owned(),
    }
}

fn has_context(config: &Kubeconfig, name: &str) -> bool {
    config.contexts.iter().any(|context| context.name == name)
}

fn contexts_in<'a>(files: impl IntoIterator<Item = &'a PathBuf>) -> Vec<String> {
    let configs = files.into_iter().filter_map(|path| read(path).ok());
    configs.flat_map(|config| context_names(&config)).collect()
}

fn context_names(config: &Kubeconfig) -> Vec<String> {
    config.contexts.iter().map(|context| context.name.clone()).collect()
}

fn read(path: &Path) -> Result<Kubeconfig, SourceError> {
    let broken = |reason: String| SourceError::NotKubeconfig { path: path.to_owned(), reason };
    let config = Kubeconfig::read_from(path).map_err(|error| match error {
        KubeconfigError::ReadConfig(source, path) => SourceError::Unreadable { path, source },
        KubeconfigError::Parse(error) => broken(first_line(&error.to_string())),
        other => broken(one_line(&other.to_string())),
    })?;
    if let Some(kind) = config.kind.as_deref().filter(|kind| *kind != "Config") {
        return Err(broken(format!("its kind is `{kind}`, not `Config`")));
    }
    if config.contexts.is_empty() && config.clusters.is_empty() && config.kind.is_none() {
        return Err(broken("it has neither contexts nor clusters".to_owned()));
    }
    Ok(config)
}

/// The sentence of a YAML error, without the excerpt that may follow it.
fn first_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

async fn load(config: Kubeconfig, path: &Path, context: &str) -> Result<Source, SourceError> {
    let name = format!("context `{context}` of `{}`", path.display());
    let ca = ca_of(&config, path, context);
    let options =
        KubeConfigOptions { context: Some(context.to_owned()), ..KubeConfigOptions::default() };
    let mut config = Config::from_custom_kubeconfig(config, &options)
        .await
        .map_err(|error| SourceError::Broken { name: name.clone(), reason: reason_of(&error) })?;
    let url = base_of(&config.cluster_url).ok_or_else(|| SourceError::Broken {
        name: name.clone(),
        reason: format!("its server `{}` is not an https URL", config.cluster_url),
    })?;
    let shown = url.to_string().trim_end_matches('/').to_owned();
    config.cluster_url = url;
    let identity = identity::describe(&config.auth_info, SystemTime::now());
    Ok(Source { name, ca, identity, url: shown, config })
}

/// Where the CA of `context` stands.
fn ca_of(config: &Kubeconfig, path: &Path, context: &str) -> String {
    let named = config.contexts.iter().find(|it| it.name == context);
    let cluster = named.and_then(|it| it.context.as_ref()).map(|it| it.cluster.as_str());
    let cluster = config
        .clusters
        .iter()
        .find(|it| Some(it.name.as_str()) == cluster)
        .and_then(|it| it.cluster.as_ref());
    match cluster {
        Some(it) if it.certificate_authority_data.is_some() => {
            format!("the CA in `{}`", path.display())
        }
        Some(it) => match &it.certificate_authority {
            Some(file) => format!("the CA in `{file}`"),
            None => format!("a CA of this machine (`{}` names none)", path.display()),
        },
        None => format!("the CA in `{}`", path.display()),
    }
}

fn reason_of(error: &KubeconfigError) -> String {
    let data = |what: &str, error: &LoadDataError| match error {
        LoadDataError::ReadFile(error, path) => {
            format!("{what} `{}` cannot be read: {error}", path.display())
        }
        LoadDataError::DecodeBase64(error) => format!("{what} is not base64: {error}"),
        LoadDataError::NoBase64DataOrFile => format!("{what} is missing"),
    };
    match error {
        KubeconfigError::LoadCertificateAuthority(error) => data("its CA", error),
        KubeconfigError::LoadClientCertificate(error) => data("its client certificate", error),
        KubeconfigError::LoadClientKey(error) => data("its client key", error),
        KubeconfigError::ParseCertificates(error) => format!("its CA is not PEM: {error}"),
        KubeconfigError::MissingClusterUrl => "its cluster has no server".to_owned(),
        KubeconfigError::ParseClusterUrl(error) => format!("its server is not a URL: {error}"),
        KubeconfigError::LoadClusterOfContext(cluster) => {
            format!("it names the cluster `{cluster}`, which is not in the file")
        }
        KubeconfigError::LoadContext(_) => "there is no such context in the file".to_owned(),
        other => one_line(&other.to_string()),
    }
}

/// `url` up to the cache: a base path stays, a shard and cluster go.
fn base_of(url: &Uri) -> Option<Uri> {
    let (scheme, authority) = (url.scheme_str()?, url.authority()?);
    if !matches!(scheme, "https" | "http") || authority.host().is_empty() {
        return None;
    }
    let path = url.path();
    let end = ["/services/cache", "/shards/"]
        .into_iter()
        .filter_map(|mark| path.find(mark))
        .min()
        .unwrap_or(path.len());
    let base = path[..end].trim_end_matches('/');
    format!("{scheme}://{authority}{base}").parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const CACHE: &str = "
apiVersion: v1
kind: Config
clusters: [{name: a, cluster: {server: 'https://a.example:6443/services/cache/shards/x/clusters/y'}}]
contexts: [{name: cache, context: {cluster: a}}, {name: other, context: {cluster: gone}}]
current-context: other
";

    const PLAIN: &str = "
clusters: [{name: b, cluster: {server: 'https://b.example/base/'}}]
contexts: [{name: mine, context: {cluster: b}}]
current-context: mine
";

    struct Home(tempfile::TempDir);

    impl Home {
        fn new(files: &[(&str, &str)]) -> Self {
            let home = Self(tempfile::tempdir().unwrap());
            for (name, text) in files {
                let path = home.0.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            home
        }

        fn search(&self, kubeconfig: Option<&str>, context: Option<&str>) -> Search {
            Search {
                kubeconfig: kubeconfig.map(|name| self.0.path().join(name)),
                context: context.map(str::to_owned),
                folder: self.0.path().to_owned(),
                defaults: vec![self.0.path().join("config")],
            }
        }

        async fn url(&self, kubeconfig: Option<&str>, context: Option<&str>) -> String {
            self.search(kubeconfig, context).find().await.unwrap().url
        }

        async fn error(&self, kubeconfig: Option<&str>, context: Option<&str>) -> String {
            let error = self.search(kubeconfig, context).find().await.unwrap_err();
            let text = format!("{error} / {}", error.hints().join(" / "));
            text.replace(&format!("{}/", self.0.path().display()), "")
        }
    }

    #[tokio::test]
    async fn a_current_context_that_nobody_named_is_never_used() {
        let home = Home::new(&[("config", PLAIN)]);
        assert_eq!(
            home.error(None, None).await,
            "no kubeconfig leads to a cache server / looked for the context `cache` in \
             `.kcpctl/admin.kubeconfig`, `config` / name a kubeconfig with `--kubeconfig`, or work \
             in the folder in which `kcpctl cache serve` runs"
        );
        assert_eq!(home.url(Some("config"), None).await, "https://b.example/base");
        assert_eq!(home.url(None, Some("mine")).await, "https://b.example/base");
    }

    #[tokio::test]
    async fn the_admins_kubeconfig_of_this_folder_comes_first() {
        let second = CACHE.replace("a.example", "c.example");
        let home = Home::new(&[(".kcpctl/admin.kubeconfig", CACHE), ("config", &second)]);
        assert_eq!(home.url(None, None).await, "https://a.example:6443");
        assert_eq!(home.url(Some("config"), None).await, "https://c.example:6443");
    }

    #[tokio::test]
    async fn what_is_no_kubeconfig_is_refused_with_the_reason() {
        let home = Home::new(&[
            ("deployment", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n"),
            ("text", "just a text\n"),
            ("broken", "clusters:\n  - [}\n"),
            (
                "two",
                "contexts: [{name: a, context: {cluster: a}}, {name: b, context: {cluster: b}}]",
            ),
            ("cache", CACHE),
        ]);
        let cases = [
            ("deployment", None, "`deployment` is not a kubeconfig: its kind is `Deployment`"),
            ("text", None, "`text` is not a kubeconfig: "),
            ("broken", None, "`broken` is not a kubeconfig: "),
            ("missing", None, "failed to read the kubeconfig `missing`"),
            ("two", None, "`two` does not say which of its contexts to use / name one with"),
            (
                "cache",
                Some("nope"),
                "`cache` has no context `nope` / its contexts are: cache, other",
            ),
            (
                "cache",
                Some("other"),
                "context `other` of `cache` cannot be used: it names the cluster `gone`",
            ),
        ];
        for (file, context, beginning) in cases {
            let error = home.error(Some(file), context).await;
            assert!(error.starts_with(beginning), "{error}");
        }
    }

    #[test]
    fn a_base_path_stays_and_a_scope_goes() {
        let cases = [
            ("https://h:1", "https://h:1/"),
            ("https://h/proxy/", "https://h/proxy"),
            ("https://h/proxy/services/cache", "https://h/proxy"),
            ("https://h/services/cache/shards/a/clusters/b", "https://h/"),
            ("https://h/shards/a/clusters/b/", "https://h/"),
        ];
        for (url, base) in cases {
            assert_eq!(base_of(&url.parse().unwrap()).unwrap().to_string(), base);
        }
        assert_eq!(base_of(&"ftp://h".parse().unwrap()), None);
        assert_eq!(base_of(&"/only/a/path".parse().unwrap()), None);
    }
}
