//! The flags that name an etcd elsewhere, the same under both names of the executable.

use std::path::PathBuf;
use std::time::Duration;

use super::settings::{KEY_PREFIX, SettingsError, StoreSettings};
use super::values::{parse_some_span, parse_span};
use crate::store::{EtcdOptions, EtcdTls};

/// What `--etcd-servers` says where there is none elsewhere.
pub(super) const EMBEDDED: &str = "embedded";

/// The prefix that the original replaces by its own.
pub(super) const REGISTRY_PREFIX: &str = "/registry";

/// How often etcd is made to forget, unless told otherwise: as the original does.
pub(super) const COMPACTION_INTERVAL: &str = "5m";

/// How long etcd may take to say that it is well, unless told otherwise: as with the
/// original.
pub(super) const HEALTH_TIMEOUT: &str = "2s";

/// The flags of `kcpctl cache serve`.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_field_names, reason = "flags are called as fields are")]
pub(super) struct EtcdArgs {
    /// URLs of an etcd's members, between commas, that keeps the data instead [default: none]
    ///
    /// Any number of these servers, and the Go cache server, may use one etcd at the same
    /// time.
    #[arg(long, value_name = "URLS", default_value = EMBEDDED, hide_default_value = true, help_heading = "Etcd")]
    etcd_servers: String,

    /// What the keys in the store begin with; `/registry` stands for `/cache`
    #[arg(long, value_name = "PREFIX", default_value = KEY_PREFIX, help_heading = "Etcd")]
    etcd_prefix: String,

    /// CAs of etcd's members [default: those of the system]
    #[arg(long, value_name = "FILE", help_heading = "Etcd")]
    etcd_cafile: Option<PathBuf>,

    /// Certificate that is shown to etcd
    #[arg(long, value_name = "FILE", help_heading = "Etcd")]
    etcd_certfile: Option<PathBuf>,

    /// Private key of that certificate
    #[arg(long, value_name = "FILE", help_heading = "Etcd")]
    etcd_keyfile: Option<PathBuf>,

    /// How often etcd is made to forget old changes; 0 is never
    ///
    /// All servers on one etcd take turns.
    #[arg(long, value_name = "DURATION", default_value = COMPACTION_INTERVAL, value_parser = parse_span, help_heading = "Etcd")]
    etcd_compaction_interval: Duration,

    /// Time in which etcd must answer to count as well
    #[arg(long, value_name = "DURATION", default_value = HEALTH_TIMEOUT, value_parser = parse_some_span, help_heading = "Etcd")]
    etcd_healthcheck_timeout: Duration,
}

/// What the flags say, of either name and of the commands that open a store themselves.
#[derive(Clone, Debug)]
pub(crate) struct EtcdFlags {
    pub(crate) servers: String,
    pub(crate) prefix: String,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) compaction_interval: Duration,
    pub(crate) health_timeout: Duration,
}

impl From<EtcdArgs> for EtcdFlags {
    fn from(args: EtcdArgs) -> Self {
        Self {
            servers: args.etcd_servers,
            prefix: args.etcd_prefix,
            ca: args.etcd_cafile,
            cert: args.etcd_certfile,
            key: args.etcd_keyfile,
            compaction_interval: args.etcd_compaction_interval,
            health_timeout: args.etcd_healthcheck_timeout,
        }
    }
}

impl EtcdFlags {
    /// What keys begin with.
    pub(crate) fn key_prefix(&self) -> Result<String, SettingsError> {
        if self.prefix == REGISTRY_PREFIX {
            return Ok(KEY_PREFIX.to_owned());
        }
        let mut segments = Vec::new();
        for segment in self.prefix.split('/') {
            match segment {
                "" | "." => {}
                ".." => {
                    segments.pop();
                }
                segment => segments.push(segment),
            }
        }
        if segments.is_empty() {
            return Err(SettingsError::NoPrefix);
        }
        Ok(format!("/{}", segments.join("/")))
    }

    /// Whether the data lies elsewhere.
    pub(super) fn names_etcd(&self) -> bool {
        self.servers != EMBEDDED
    }

    /// Which store is meant. `directory` is where one's own was told to be, `default` where
    /// it is otherwise.
    pub(super) fn store(
        self,
        directory: Option<PathBuf>,
        default: Option<PathBuf>,
    ) -> Result<StoreSettings, SettingsError> {
        if !self.names_etcd() {
            let directory = directory.or(default).ok_or(SettingsError::NoStore)?;
            return Ok(StoreSettings::Embedded(directory));
        }
        if directory.is_some() {
            return Err(SettingsError::TwoStores);
        }
        Ok(StoreSettings::Etcd(self.options()?))
    }

    /// How to reach the etcd that is named.
    pub(crate) fn options(self) -> Result<EtcdOptions, SettingsError> {
        let prefix = self.key_prefix()?;
        let servers: Vec<String> = self.servers.split(',').map(url).collect::<Result<_, _>>()?;
        let client = match (self.cert, self.key) {
            (None, None) => None,
            (Some(cert), Some(key)) => Some((cert, key)),
            _ => return Err(SettingsError::HalfAnEtcdPair),
        };
        let tls = EtcdTls { ca: self.ca, client };
        if tls != EtcdTls::default() && !servers.iter().any(|url| url.starts_with("https://")) {
            return Err(SettingsError::EtcdWithoutTls);
        }
        Ok(EtcdOptions {
            servers,
            prefix,
            tls,
            compaction_interval: self.compaction_interval,
            health_timeout: self.health_timeout,
        })
    }
}

/// The URL of a member; one without a scheme is without TLS.
fn url(text: &str) -> Result<String, SettingsError> {
    let text = text.trim();
    let wrong = || SettingsError::EtcdUrl { url: text.to_owned() };
    let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let parsed: http::Uri = url.parse().map_err(|_| wrong())?;
    let is_bare = matches!(parsed.path(), "" | "/") && parsed.query().is_none();
    match parsed.scheme_str() {
        Some("http" | "https") if is_bare && parsed.authority().is_some() => Ok(url),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(servers: &str) -> EtcdFlags {
        EtcdFlags {
            servers: servers.to_owned(),
            prefix: REGISTRY_PREFIX.to_owned(),
            ca: None,
            cert: None,
            key: None,
            compaction_interval: Duration::ZERO,
            health_timeout: Duration::from_secs(2),
        }
    }

    fn store(flags: EtcdFlags) -> Result<EtcdOptions, SettingsError> {
        match flags.store(None, Some("store".into()))? {
            StoreSettings::Etcd(options) => Ok(options),
            StoreSettings::Embedded(directory) => panic!("{directory:?}"),
        }
    }

    #[test]
    fn urls_are_read_as_etcd_clients_read_them() {
        let options = store(flags("https://a:2379, b:2379,http://[::1]:2379/")).unwrap();
        assert_eq!(options.servers, ["https://a:2379", "http://b:2379", "http://[::1]:2379/"]);
        assert_eq!(options.prefix, "/cache");
        for text in ["", "a:2379,,b:2379", "unix:///run/etcd", "http://", "http://a:1/x", "a b"] {
            let refused = store(flags(text)).unwrap_err();
            assert!(matches!(refused, SettingsError::EtcdUrl { .. }), "{text}: {refused:?}");
        }
    }

    #[test]
    fn a_prefix_is_cleaned_as_a_path() {
        for (prefix, cleaned) in [
            ("/registry", "/cache"),
            ("/registry/", "/registry"),
            ("mine", "/mine"),
            ("//a/./b/../c/", "/a/c"),
        ] {
            let flags = EtcdFlags { prefix: prefix.to_owned(), ..flags("a") };
            assert_eq!(flags.key_prefix().unwrap(), cleaned, "{prefix}");
        }
        for prefix in ["", "/", "/a/.."] {
            let flags = EtcdFlags { prefix: prefix.to_owned(), ..flags("a") };
            assert_eq!(flags.key_prefix(), Err(SettingsError::NoPrefix), "{prefix}");
        }
    }

    #[test]
    fn flags_that_contradict_each_other_are_refused() {
        let file = || Some(PathBuf::from("file"));
        let half = EtcdFlags { cert: file(), ..flags("https://a") };
        assert_eq!(store(half).unwrap_err(), SettingsError::HalfAnEtcdPair);
        let plain = EtcdFlags { ca: file(), ..flags("http://a") };
        assert_eq!(store(plain).unwrap_err(), SettingsError::EtcdWithoutTls);
        let both = flags("http://a").store(file(), None).unwrap_err();
        assert_eq!(both, SettingsError::TwoStores);
        assert_eq!(flags(EMBEDDED).store(None, None).unwrap_err(), SettingsError::NoStore);
        let own = flags(EMBEDDED).store(None, file()).unwrap();
        assert_eq!(own, StoreSettings::Embedded("file".into()));
    }
}
