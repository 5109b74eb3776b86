//! The flags of the Go cache server, for an executable that is called `cache-server`.
//!
//! Names and defaults are the original's, so that whatever starts it starts us: a test
//! harness, a Deployment of the operator. What means something here is obeyed; what
//! does not (the embedded etcd's ports, a watch cache) is accepted, and the help and the
//! log say why. Of our own flags there are those that somebody may need who can only add
//! arguments to such a Deployment.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::args::PORT;
use super::etcd::{COMPACTION_INTERVAL, EMBEDDED, EtcdFlags, HEALTH_TIMEOUT, REGISTRY_PREFIX};
use super::settings::{Ignored, Limits, Settings, SettingsError, serving_pair};
use super::values::{ByteCount, parse_bool, parse_some_span, parse_span, path_or_none};
use crate::cli::logging::{LogFormat, LogSettings};
use crate::server::Flavor;
use crate::server::conn::TlsRules;
use crate::server::conn::limits::STREAMS_MAX;
use crate::server::present::Compress;

/// The name of the executable that makes us the original.
pub(crate) const EXECUTABLE: &str = "cache-server";

/// The directory of a server that is told nothing.
const ROOT_DIRECTORY: &str = ".kcp-cache";

/// Flags with a value that mean nothing here, and why.
const IGNORED_VALUES: &[(&str, &str)] = &[
    ("authorization-always-allow-paths", HEALTH_IS_OPEN),
    ("default-watch-cache-size", IN_MEMORY),
    ("delete-collection-workers", "A collection is deleted in batches by one writer"),
    ("embedded-etcd-client-port", NO_ETCD),
    ("embedded-etcd-ecdsa-curve", NO_ETCD),
    ("embedded-etcd-listen-metrics-urls", NO_ETCD),
    ("embedded-etcd-peer-port", NO_ETCD),
    ("embedded-etcd-quota-backend-bytes", "The store grows until the disk is full"),
    ("embedded-etcd-wal-size-bytes", NO_ETCD),
    ("etcd-count-metric-poll-period", COUNTED),
    ("etcd-db-metric-poll-interval", COUNTED),
    ("etcd-readycheck-timeout", "`--etcd-healthcheck-timeout` holds for readiness too"),
    ("feature-gates", "There are no features to switch"),
    ("lease-reuse-duration-seconds", "Nothing is leased"),
    ("log-flush-frequency", LOG_IS_DIRECT),
    ("log-json-info-buffer-size", LOG_IS_DIRECT),
    ("log-text-info-buffer-size", LOG_IS_DIRECT),
    ("storage-backend", "`--etcd-servers` says which"),
    ("storage-media-type", "Objects are kept as JSON, as the original keeps them"),
    ("tls-sni-cert-key", "One certificate serves every name"),
    ("vmodule", "`KCPCTL_LOG` says what is logged of which part"),
    ("watch-cache-sizes", IN_MEMORY),
];

/// Flags that mean nothing without an etcd elsewhere, and why.
const ETCD_ONLY: &[(&str, &str)] = &[
    ("etcd-cafile", NO_ETCD),
    ("etcd-certfile", NO_ETCD),
    ("etcd-compaction-interval", "History is five minutes, or what its memory holds"),
    ("etcd-healthcheck-timeout", NO_ETCD),
    ("etcd-keyfile", NO_ETCD),
];

/// Flags without one.
const IGNORED_SWITCHES: &[(&str, &str)] = &[
    ("embedded-etcd-force-new-cluster", NO_ETCD),
    ("enable-garbage-collector", "A cache collects nothing: owners live elsewhere"),
    ("log-json-split-stream", LOG_IS_DIRECT),
    ("log-text-split-stream", LOG_IS_DIRECT),
    ("permit-address-sharing", ONE_PROCESS),
    ("permit-port-sharing", ONE_PROCESS),
    ("watch-cache", IN_MEMORY),
];

/// Flags that would be dangerous to overlook: what they ask for is not done.
const REFUSED: &[&str] = &[
    "encryption-provider-config",
    "encryption-provider-config-automatic-reload",
    "etcd-servers-overrides",
];

const COUNTED: &str = "Objects and bytes are counted as they change";
const HEALTH_IS_OPEN: &str = "/healthz, /livez and /readyz are open to everyone, and nothing else";
const IN_MEMORY: &str = "Every list and watch is served from memory";
const LOG_IS_DIRECT: &str = "The log goes to stderr, line by line";
const NO_ETCD: &str = "There is no etcd inside";
const ONE_PROCESS: &str = "A port and a store belong to one process";

/// Reads the command line of the original; its error is shown as it is.
pub(super) fn parse(
    args: impl IntoIterator<Item = OsString>,
) -> Result<Result<Settings, SettingsError>, clap::Error> {
    command().try_get_matches_from(args).map(|matches| settings(&matches))
}

fn command() -> Command {
    let flag = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help).allow_hyphen_values(true)
    };
    let path = |name, help| flag(name, "FILE", help).value_parser(path_or_none());
    let dir = |name, help| flag(name, "DIR", help).value_parser(path_or_none());
    let ignored = |&(name, why): &(&'static str, &'static str)| {
        flag(name, "VALUE", why).help_heading("Accepted, and without effect here")
    };
    Command::new(EXECUTABLE)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Run the cache server that kcp's shards share")
        .long_about("Run the cache server that kcp's shards share, with the flags, defaults and paths of the Go server of this name. Called `kcpctl`, the same executable has more to offer.")
        .max_term_width(80)
        .args_override_self(true)
        .arg(dir("root-directory", "Directory of the certificate and the store").default_value(ROOT_DIRECTORY))
        .arg(dir("cert-dir", "Directory of the certificate, if it is another"))
        .arg(flag("bind-address", "IP", "Address to listen on").default_value("0.0.0.0").value_parser(value_parser!(IpAddr)))
        .arg(flag("secure-port", "PORT", "Port to listen on").value_parser(value_parser!(u16)))
        .arg(path("tls-cert-file", "Serving certificate, instead of one made here"))
        .arg(path("tls-private-key-file", "Private key of the serving certificate"))
        .arg(flag("tls-min-version", "VERSION", "Least version of TLS: VersionTLS12 or VersionTLS13").default_value(""))
        .arg(flag("tls-cipher-suites", "SUITES", "Cipher suites that may be used, by their names in Go, between commas").default_value(""))
        .arg(flag("tls-curve-preferences", "NUMBERS", "Key exchanges that may be used, by their numbers, between commas").default_value(""))
        .arg(flag("http2-max-streams-per-connection", "NUMBER", "Requests that one HTTP/2 connection may have open; 0 for 1000").default_value("0").value_parser(value_parser!(u32)))
        .arg(flag("disable-http2-serving", "BOOL", "Serve HTTP/1.1 alone").num_args(0..=1).require_equals(true).default_missing_value("true").default_value("false").value_parser(parse_bool))
        .arg(path("client-ca-file", "CAs whose client certificates are believed (required)"))
        .arg(dir("embedded-etcd-directory", "Directory of the store, if it is another"))
        .arg(flag("etcd-servers", "URLS", "Members of an etcd that keeps the data; `embedded` for a store in the directory").default_value(EMBEDDED))
        .arg(path("etcd-cafile", "CAs of etcd's members, instead of those of the system"))
        .arg(path("etcd-certfile", "Certificate that is shown to etcd"))
        .arg(path("etcd-keyfile", "Private key of that certificate"))
        .arg(flag("etcd-compaction-interval", "DURATION", "How often etcd is made to forget old changes; 0 is never").default_value(COMPACTION_INTERVAL).value_parser(parse_span))
        .arg(flag("etcd-healthcheck-timeout", "DURATION", "Time in which etcd must answer to count as well").default_value(HEALTH_TIMEOUT).value_parser(parse_some_span))
        .arg(flag("etcd-prefix", "PREFIX", "What keys begin with").default_value(REGISTRY_PREFIX))
        .arg(flag("synthetic-delay", "DURATION", "Time that each request waits before anything else").default_value("0s").value_parser(parse_span))
        .arg(flag("logging-format", "FORMAT", "Form of the log").default_value("text").value_parser(value_parser!(LogFormat)))
        .arg(Arg::new("v").short('v').long("v").value_name("N").help("How much is logged").default_value("0").value_parser(value_parser!(u8)))
        .args([
            flag("history-bytes", "BYTES", "Memory for recent changes, which watches resume from").value_parser(value_parser!(ByteCount)),
            flag("memory-limit", "BYTES", "Memory for objects and recent changes; 0 for no limit").value_parser(value_parser!(ByteCount)),
            flag("prune-orphans-after", "DURATION", "Delete what a shard left that has been gone for this long").value_parser(parse_span),
        ].map(|own| own.help_heading("Beyond the original")))
        .args(REFUSED.iter().map(|name| flag(name, "VALUE", "Refused").num_args(0..=1).hide(true)))
        .args(IGNORED_VALUES.iter().map(ignored))
        .args(IGNORED_SWITCHES.iter().map(|switch| {
            ignored(switch)
                .action(ArgAction::Set)
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
                .value_parser(parse_bool)
        }))
}

fn settings(matches: &ArgMatches) -> Result<Settings, SettingsError> {
    let path = |name: &str| {
        let path = matches.get_one::<PathBuf>(name).cloned();
        path.filter(|path| !path.as_os_str().is_empty())
    };
    let text = |name: &str| matches.get_one::<String>(name).cloned().unwrap_or_default();
    if let Some(name) = REFUSED.iter().find(|name| !text(name).is_empty()) {
        return Err(SettingsError::NotDone { flag: format!("--{name}") });
    }
    let span = |name: &str| matches.get_one::<Duration>(name).copied().unwrap_or_default();
    let bytes = |name: &str| matches.get_one::<ByteCount>(name).map(|&ByteCount(bytes)| bytes);
    let etcd = EtcdFlags {
        servers: text("etcd-servers"),
        prefix: text("etcd-prefix"),
        ca: path("etcd-cafile"),
        cert: path("etcd-certfile"),
        key: path("etcd-keyfile"),
        compaction_interval: span("etcd-compaction-interval"),
        health_timeout: span("etcd-healthcheck-timeout"),
    };
    let key_prefix = etcd.key_prefix()?;
    let ignored = ignored(matches, etcd.names_etcd());
    let root = path("root-directory");
    let default = root.as_ref().map(|root| root.join("etcd-server"));
    let store = etcd.store(path("embedded-etcd-directory"), default)?;
    let address = matches.get_one("bind-address").copied();
    let port = matches.get_one("secure-port").copied();
    let streams = matches.get_one("http2-max-streams-per-connection").copied();
    Settings {
        flavor: Flavor::CacheServer,
        data_dir: path("cert-dir").or(root),
        store,
        key_prefix,
        listen: SocketAddr::new(
            address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            port.unwrap_or(PORT),
        ),
        serving: serving_pair(path("tls-cert-file"), path("tls-private-key-file"))?,
        client_ca: path("client-ca-file"),
        tls_sans: Vec::new(),
        manifests: None,
        control_plane: false,
        tls_rules: TlsRules::default()
            .min_version(&text("tls-min-version"))?
            .cipher_suites(&text("tls-cipher-suites"))?
            .key_exchanges(&text("tls-curve-preferences"))?
            .http2(!matches.get_one("disable-http2-serving").copied().unwrap_or(false)),
        limits: Limits {
            streams: streams.filter(|number| *number > 0).unwrap_or(STREAMS_MAX),
            history_bytes: bytes("history-bytes"),
            memory: bytes("memory-limit"),
            ..Limits::default()
        },
        prune_orphans_after: Some(span("prune-orphans-after")).filter(|span| !span.is_zero()),
        synthetic_delay: matches.get_one("synthetic-delay").copied().unwrap_or(Duration::ZERO),
        compress: Compress::default(),
        log: LogSettings {
            format: matches.get_one("logging-format").copied().unwrap_or_default(),
            verbosity: matches.get_one("v").copied().unwrap_or(0),
        },
        ignored,
    }
    .check()
}

/// The flags that were given and mean nothing here, with an etcd elsewhere or without.
fn ignored(matches: &ArgMatches, etcd: bool) -> Vec<Ignored> {
    let etcd_only = if etcd { &[] } else { ETCD_ONLY };
    let flags = IGNORED_VALUES.iter().chain(IGNORED_SWITCHES).chain(etcd_only);
    flags
        .filter(|(name, _)| matches.value_source(name) == Some(ValueSource::CommandLine))
        .map(|&(name, why)| Ignored { flag: format!("--{name}"), why })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::settings::StoreSettings;
    use super::*;

    fn parsed(flags: &[&str]) -> Settings {
        let args = [&[EXECUTABLE], flags].concat();
        parse(args.into_iter().map(OsString::from)).unwrap().unwrap()
    }

    fn ignored(settings: &Settings) -> Vec<&str> {
        settings.ignored.iter().map(|it| it.flag.as_str()).collect()
    }

    #[test]
    fn the_command_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn the_line_of_the_test_harness_is_understood() {
        let settings = parsed(&[
            "--root-directory=/w/.kcp-cache",
            "--bind-address=127.0.0.1",
            "--secure-port=8012",
            "--synthetic-delay=0s",
            "--client-ca-file=/w/.kcp/client-ca.crt",
            "--embedded-etcd-client-port=8010",
            "--embedded-etcd-peer-port=8011",
        ]);
        assert_eq!(settings.flavor, Flavor::CacheServer);
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8012");
        assert_eq!(settings.data_dir, Some("/w/.kcp-cache".into()));
        assert_eq!(settings.store, StoreSettings::Embedded("/w/.kcp-cache/etcd-server".into()));
        assert_eq!(settings.key_prefix, "/cache");
        assert_eq!(
            ignored(&settings),
            ["--embedded-etcd-client-port", "--embedded-etcd-peer-port"]
        );
    }

    #[test]
    fn the_line_of_the_operator_writes_the_store_alone() {
        let settings = parsed(&[
            "--tls-cert-file=/etc/cache-server/tls/server/tls.crt",
            "--tls-private-key-file=/etc/cache-server/tls/server/tls.key",
            "--root-directory=",
            "--client-ca-file=/etc/cache-server/tls/ca/root/tls.crt",
            "--embedded-etcd-directory=/var/etcd",
            "-v=2",
        ]);
        assert_eq!(settings.listen.to_string(), "0.0.0.0:6443");
        assert_eq!(settings.data_dir, None);
        assert_eq!(settings.store, StoreSettings::Embedded("/var/etcd".into()));
        assert_eq!(settings.log.verbosity, 2);
    }

    #[test]
    fn an_etcd_elsewhere_is_obeyed() {
        let flags = ["--client-ca-file=a", "--etcd-compaction-interval=1m", "--etcd-prefix=/x"];
        assert_eq!(ignored(&parsed(&flags)), ["--etcd-compaction-interval"]);
        let settings = parsed(&[&flags[..], &["--etcd-servers=http://localhost:2379"]].concat());
        assert_eq!(ignored(&settings), [""; 0]);
        let StoreSettings::Etcd(options) = &settings.store else { panic!("{settings:?}") };
        assert_eq!(options.servers, ["http://localhost:2379"]);
        assert_eq!(options.compaction_interval, Duration::from_secs(60));
        assert_eq!((&*options.prefix, &*settings.key_prefix), ("/x", "/x"));
    }

    #[test]
    fn some_of_our_own_flags_are_there_too() {
        let own = ["--history-bytes=64MiB", "--memory-limit=1GiB", "--prune-orphans-after=24h"];
        let settings = parsed(&[&["--client-ca-file=a"], &own[..]].concat());
        assert_eq!(settings.limits.history_bytes, Some(64 << 20));
        assert_eq!(settings.limits.memory, Some(1 << 30));
        assert_eq!(settings.prune_orphans_after, Some(Duration::from_secs(24 * 60 * 60)));
        assert_eq!(parsed(&["--client-ca-file=a"]).prune_orphans_after, None);
    }

    #[test]
    fn switches_are_written_as_in_go() {
        let settings = parsed(&["--client-ca-file", "a", "--watch-cache", "--v", "4"]);
        assert_eq!(ignored(&settings), ["--watch-cache"]);
        assert_eq!(settings.log.verbosity, 4);
        parsed(&["--client-ca-file=a", "--watch-cache=false", "--watch-cache=true"]);
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let refused = |flags: &[&str]| {
            let args = [&[EXECUTABLE], flags].concat();
            parse(args.into_iter().map(OsString::from)).unwrap().unwrap_err()
        };
        assert_eq!(refused(&[]), SettingsError::NoClientCa);
        assert_eq!(
            refused(&["--client-ca-file=a", "--etcd-servers=unix:///run/etcd"]),
            SettingsError::EtcdUrl { url: "unix:///run/etcd".to_owned() }
        );
        assert_eq!(refused(&["--client-ca-file=a", "--tls-cert-file=c"]), SettingsError::HalfAPair);
        // Who asked for encryption must not find out later that there was none.
        let encryption = "--encryption-provider-config";
        assert_eq!(
            refused(&["--client-ca-file=a", &format!("{encryption}=c.yaml")]),
            SettingsError::NotDone { flag: encryption.to_owned() }
        );
    }
}
