//! The flags of `kcpctl cache serve`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::etcd::{EtcdArgs, EtcdFlags};
use super::settings::{Limits, Manifests, Settings, SettingsError, serving_pair};
use super::values::{ByteCount, parse_some_span, parse_span, path_or_none};
use crate::cli::logging::{LogFormat, LogSettings, VERBOSE};
use crate::pki::San;
use crate::server::admission::{MUTATING_REQUESTS_MAX, REQUESTS_MAX, WATCHES_MAX};
use crate::server::conn::TlsRules;
use crate::server::conn::limits::STREAMS_MAX;
use crate::server::present::Compress;
use crate::server::{Flavor, admission};

/// Where a server listens that is told nothing: this machine alone can reach it.
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The port of API servers.
pub(super) const PORT: u16 = 6443;

/// Run the cache server in the foreground
///
/// The first start in an empty data directory makes the certificates and
/// `admin.kubeconfig`. Certificates made here renew themselves while the server runs.
/// Ctrl-C or SIGTERM ends it in order; a second one aborts.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # Serve this machine, with everything in .kcpctl
  kcpctl cache serve

  # Serve a network, under a name
  kcpctl cache serve --listen 0.0.0.0:6443 --tls-san cache.example.com

  # One of several replicas on an etcd
  kcpctl cache serve --etcd-servers https://etcd-0:2379,https://etcd-1:2379 \\
    --etcd-cafile ca.crt --etcd-certfile client.crt --etcd-keyfile client.key

  # Make an installation's certificates and kubeconfigs, with no cluster
  kcpctl cache serve --manifests demo")]
pub(crate) struct ServeArgs {
    /// Directory of certificates, kubeconfigs and the store
    ///
    /// Empty (`--data-dir=`) writes no file but the store: then the certificates and
    /// `--embedded-etcd-directory` must be given.
    #[arg(long, value_name = "DIR", visible_alias = "root-directory", default_value = ".kcpctl", value_parser = path_or_none())]
    data_dir: PathBuf,

    /// Directory of the store [default: `store` in the data directory]
    #[arg(long, value_name = "DIR")]
    embedded_etcd_directory: Option<PathBuf>,

    #[command(flatten)]
    etcd: EtcdArgs,

    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:6443]
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with_all = ["bind_address", "secure_port"])]
    listen: Option<SocketAddr>,

    /// Address to listen on [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    bind_address: Option<IpAddr>,

    /// Port to listen on [default: 6443]
    #[arg(long, value_name = "PORT")]
    secure_port: Option<u16>,

    /// Serving certificate, with those that lead to its CA, instead of one made here
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Certificates",
        requires = "tls_private_key_file"
    )]
    tls_cert_file: Option<PathBuf>,

    /// Private key of the serving certificate
    #[arg(long, value_name = "FILE", help_heading = "Certificates", requires = "tls_cert_file")]
    tls_private_key_file: Option<PathBuf>,

    /// CAs whose client certificates are believed, instead of one made here
    #[arg(long, value_name = "FILE", help_heading = "Certificates")]
    client_ca_file: Option<PathBuf>,

    /// Name or address that the certificate made here is valid for, beyond localhost
    ///
    /// May be given several times.
    #[arg(long, value_name = "NAME", help_heading = "Certificates")]
    tls_san: Vec<San>,

    /// Least version of TLS: `VersionTLS12` or `VersionTLS13`
    #[arg(
        long,
        value_name = "VERSION",
        default_value = "VersionTLS12",
        help_heading = "Certificates"
    )]
    tls_min_version: String,

    /// Cipher suites that may be used, by their names in Go, between commas
    ///
    /// Suites of TLS 1.3 are all allowed if none of them is named. CBC, RC4, 3DES and
    /// suites without forward secrecy are not to be had. [default: all]
    #[arg(
        long,
        value_name = "SUITES",
        default_value = "",
        hide_default_value = true,
        help_heading = "Certificates"
    )]
    tls_cipher_suites: String,

    /// Key exchanges that may be used, by their numbers, between commas
    ///
    /// Such as 29 for X25519, 23 for P-256, 4588 for X25519MLKEM768. [default: the usual ones]
    #[arg(
        long,
        value_name = "NUMBERS",
        default_value = "",
        hide_default_value = true,
        help_heading = "Certificates"
    )]
    tls_curve_preferences: String,

    /// Folder of an installation's manifests
    ///
    /// They are applied to the control plane of this server, anew whenever a file changes, and
    /// what no file has any more is deleted. Certificates and kubeconfigs are made of them
    /// there, as `kcpctl reconcile --issue-certificates` would. For each shard that uses this
    /// server, a kubeconfig is kept in `kubeconfigs/<shard>/` of the data directory.
    #[arg(
        long,
        value_name = "DIR",
        help_heading = "Installation",
        conflicts_with = "client_ca_file"
    )]
    manifests: Option<PathBuf>,

    /// Serve the control plane from the etcd too, below `/kcpctl`
    ///
    /// It holds the private keys of CAs, so it is off on an etcd unless told otherwise. Of
    /// several servers one at a time works on it: whoever holds the Lease `reconcile.kcpctl.io`
    /// in the namespace `default`. With a store of its own this server always has one.
    #[arg(long, help_heading = "Installation")]
    control_plane: bool,

    /// Which cache server of the manifests this one is, if there are several
    #[arg(long, value_name = "NAME", help_heading = "Installation", requires = "manifests")]
    name: Option<String>,

    /// Delete what a shard left that has been gone for this long [default: never]
    ///
    /// A shard is gone if objects of it are in the cache, and no Shard object there has its
    /// name. The time is counted from when this server saw that first, anew after each
    /// start. `kcpctl cache prune --orphans --dry-run` shows what there is.
    #[arg(long, value_name = "DURATION", value_parser = parse_span, help_heading = "Installation")]
    prune_orphans_after: Option<Duration>,

    /// Memory for recent changes, which watches resume from [default: 256MiB]
    ///
    /// At most a quarter of --memory-limit, unless it is given.
    #[arg(long, value_name = "BYTES", help_heading = "Limits")]
    history_bytes: Option<ByteCount>,

    /// Memory for objects and recent changes [default: the container's, but for a tenth]
    ///
    /// At the limit, writes that grow the store are refused with 503; reads, deletes and
    /// all other writes go on. The process needs some memory beside it, for connections,
    /// requests and the store: by default a tenth of the container's, and 96MiB at least.
    /// 0 is no limit, which is the default outside of a container.
    #[arg(long, value_name = "BYTES", help_heading = "Limits")]
    memory_limit: Option<ByteCount>,

    /// Requests that read and are answered at once; more get 429. 0 is no limit
    ///
    /// A list counts until its last byte was taken, a watch until it has told what there
    /// is. Administrators (system:masters) may have twice as many.
    #[arg(long, value_name = "NUMBER", default_value_t = REQUESTS_MAX, help_heading = "Limits")]
    max_requests_inflight: usize,

    /// Requests that write and are answered at once; more get 429. 0 is no limit
    ///
    /// Administrators (system:masters) may have twice as many.
    #[arg(long, value_name = "NUMBER", default_value_t = MUTATING_REQUESTS_MAX, help_heading = "Limits")]
    max_mutating_requests_inflight: usize,

    /// Watches that are open at once; more get 429. 0 is no limit
    #[arg(long, value_name = "NUMBER", default_value_t = WATCHES_MAX, help_heading = "Limits")]
    max_watches: usize,

    /// Requests that one HTTP/2 connection may have open; more wait at the client
    #[arg(long, value_name = "NUMBER", default_value_t = STREAMS_MAX, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Limits")]
    http2_max_streams_per_connection: u32,

    /// Time after which a client is closed that does not read what waits for it
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_some_span, help_heading = "Limits")]
    stall_timeout: Duration,

    /// Time after which a watch that asked for bookmarks is told how far it has come
    ///
    /// Such a watch goes on from there after a restart, also if nothing happened to it.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_some_span, help_heading = "Limits")]
    bookmark_interval: Duration,

    /// For whom large lists are compressed, of those clients that ask for it
    #[arg(long, value_name = "WHOM", default_value = "remote", help_heading = "Limits")]
    gzip: Compress,

    /// Time that each request waits before anything else, to try out slow networks
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = parse_span, help_heading = "Limits")]
    synthetic_delay: Duration,

    /// Form of the log, which goes to stderr
    #[arg(
        long,
        value_name = "FORMAT",
        visible_alias = "logging-format",
        default_value = "text",
        help_heading = "Log"
    )]
    log_format: LogFormat,

    /// More in the log; up to `-v=8`
    #[arg(short, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = VERBOSE, help_heading = "Log", value_parser = clap::value_parser!(u8).range(0..=8))]
    verbosity: Option<u8>,
}

impl ServeArgs {
    pub(super) fn settings(self) -> Result<Settings, SettingsError> {
        let Self {
            data_dir,
            embedded_etcd_directory,
            etcd,
            listen,
            bind_address,
            secure_port,
            tls_cert_file,
            tls_private_key_file,
            client_ca_file,
            tls_san,
            tls_min_version,
            tls_cipher_suites,
            tls_curve_preferences,
            manifests,
            name,
            control_plane,
            prune_orphans_after,
            history_bytes,
            memory_limit,
            max_requests_inflight,
            max_mutating_requests_inflight,
            max_watches,
            http2_max_streams_per_connection,
            stall_timeout,
            bookmark_interval,
            gzip,
            synthetic_delay,
            log_format,
            verbosity,
        } = self;
        let data_dir = Some(data_dir).filter(|dir| !dir.as_os_str().is_empty());
        let etcd = EtcdFlags::from(etcd);
        let key_prefix = etcd.key_prefix()?;
        let default = data_dir.as_ref().map(|dir| dir.join("store"));
        let store = etcd.store(embedded_etcd_directory, default)?;
        let listen = listen.unwrap_or_else(|| {
            SocketAddr::new(bind_address.unwrap_or(ADDRESS), secure_port.unwrap_or(PORT))
        });
        Settings {
            flavor: Flavor::Kcpctl,
            data_dir,
            store,
            key_prefix,
            listen,
            serving: serving_pair(tls_cert_file, tls_private_key_file)?,
            client_ca: client_ca_file,
            tls_sans: tls_san,
            manifests: manifests.map(|dir| Manifests { dir, name }),
            control_plane,
            tls_rules: TlsRules::default()
                .min_version(&tls_min_version)?
                .cipher_suites(&tls_cipher_suites)?
                .key_exchanges(&tls_curve_preferences)?,
            limits: Limits {
                admission: admission::Limits {
                    reading: max_requests_inflight,
                    mutating: max_mutating_requests_inflight,
                    watches: max_watches,
                },
                history_bytes: history_bytes.map(|ByteCount(bytes)| bytes),
                memory: memory_limit.map(|ByteCount(bytes)| bytes),
                streams: http2_max_streams_per_connection,
                stall_timeout,
                bookmark_interval,
            },
            prune_orphans_after: prune_orphans_after.filter(|span| !span.is_zero()),
            synthetic_delay,
            compress: gzip,
            log: LogSettings { format: log_format, verbosity: verbosity.unwrap_or(0) },
            ignored: Vec::new(),
        }
        .check()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::settings::StoreSettings;
    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: ServeArgs,
    }

    fn settings(flags: &[&str]) -> Result<Settings, String> {
        let line = Line::try_parse_from([&["serve"], flags].concat());
        let line = line.map_err(|error| error.to_string())?;
        line.args.settings().map_err(|error| error.to_string())
    }

    #[test]
    fn told_nothing_it_serves_this_machine() {
        let settings = settings(&[]).unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:6443");
        assert_eq!(settings.data_dir, Some(".kcpctl".into()));
        assert_eq!(settings.store, StoreSettings::Embedded(".kcpctl/store".into()));
        assert_eq!(settings.limits, Limits::default());
        assert_eq!(settings.tls_rules, TlsRules::default());
        assert_eq!(settings.log, LogSettings::default());
    }

    #[test]
    fn the_flags_of_the_original_mean_the_same() {
        let settings = settings(&[
            "--root-directory=/var/cache",
            "--bind-address=0.0.0.0",
            "--secure-port=0",
            "--embedded-etcd-directory=/var/etcd",
            "--logging-format=json",
            "--synthetic-delay=1500ms",
            "-v=6",
        ])
        .unwrap();
        assert_eq!(settings.listen.to_string(), "0.0.0.0:0");
        assert_eq!(settings.data_dir, Some("/var/cache".into()));
        assert_eq!(settings.store, StoreSettings::Embedded("/var/etcd".into()));
        assert_eq!(settings.synthetic_delay, Duration::from_millis(1500));
        assert_eq!(settings.log, LogSettings { format: LogFormat::Json, verbosity: 6 });
    }

    #[test]
    fn without_a_directory_everything_must_be_given() {
        let no_dir = ["--data-dir="];
        assert_eq!(settings(&no_dir).unwrap_err(), SettingsError::NoStore.to_string());
        let with_store = ["--data-dir=", "--embedded-etcd-directory=e"];
        assert_eq!(settings(&with_store).unwrap_err(), SettingsError::NoServingPair.to_string());
        let with_pair =
            [&with_store[..], &["--tls-cert-file=c", "--tls-private-key-file=k"]].concat();
        assert_eq!(settings(&with_pair).unwrap_err(), SettingsError::NoClientCa.to_string());
        let complete = [&with_pair[..], &["--client-ca-file=a"]].concat();
        assert_eq!(settings(&complete).unwrap().data_dir, None);
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for flags in [
            &["--listen=127.0.0.1:1", "--secure-port=2"][..],
            &["--tls-cert-file=c"],
            &["--manifests=m", "--client-ca-file=c"],
            &["--name=n"],
            &["--listen=localhost"],
            &["--synthetic-delay=-1s"],
            &["--stall-timeout=0s"],
            &["--bookmark-interval=0s"],
            &["--tls-min-version=VersionTLS11"],
            &["--tls-cipher-suites=TLS_NONSENSE"],
            &["--http2-max-streams-per-connection=0"],
        ] {
            assert!(settings(flags).is_err(), "{flags:?}");
        }
    }
}
