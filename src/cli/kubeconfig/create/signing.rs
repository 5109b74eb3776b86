//! Where the CA that signs comes from, and what is known of the server with it.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::cli::files;
use crate::error::{CliError, Kind};
use crate::kubeconfig::{Kubeconfig, ServerUrl, Target, TargetKind, read_ca_secret};
use crate::pki::{Authority, Certificate, pem};

/// The longest file that is read here, in bytes.
const FILE_LEN_MAX: u64 = 1 << 20;

/// What `kcpctl cache serve` uses unless told otherwise.
const DATA_DIR: &str = ".kcpctl";

/// Where the CA that signs comes from
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Signing")]
pub(super) struct SigningArgs {
    /// Data directory of `kcpctl cache serve`: its client CA signs
    ///
    /// Taken by itself if `.kcpctl` is one and nothing else is named.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["ca_cert", "ca_secret", "kubeconfig", "context"])]
    pub(super) data_dir: Option<PathBuf>,

    /// Certificate of the CA that the server believes clients of
    #[arg(long, value_name = "FILE", requires = "ca_key", conflicts_with_all = ["ca_secret", "kubeconfig", "context"])]
    pub(super) ca_cert: Option<PathBuf>,

    /// Private key of that CA
    #[arg(long, value_name = "FILE", requires = "ca_cert")]
    pub(super) ca_key: Option<PathBuf>,

    /// Manifest of a Secret with that CA, `-` for stdin
    ///
    /// `tls.crt` and `tls.key` sign; `ca.crt`, if there, vouches for the server. With
    /// kcp-operator it is `<root shard>-client-ca`, and `<cache server>-ca` for a cache server.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["kubeconfig", "context"])]
    pub(super) ca_secret: Option<PathBuf>,

    /// CA that vouches for the server, where the sources above do not hold it
    #[arg(long, value_name = "FILE")]
    pub(super) server_ca: Option<PathBuf>,
}

/// A CA that can sign, and what is known of the server.
#[derive(Debug)]
pub(super) struct Signing {
    /// The CA.
    pub(super) authority: Authority,
    /// What vouches for the server, in PEM.
    pub(super) server_ca_pem: String,
    /// The server's own chain in PEM, where it lies at hand.
    pub(super) serving_pem: Option<String>,
    /// The server's URL, where it lies at hand.
    pub(super) url: Option<ServerUrl>,
}

impl SigningArgs {
    /// Whether any flag names a source.
    pub(super) fn is_any(&self) -> bool {
        let Self { data_dir, ca_cert, ca_key, ca_secret, server_ca } = self;
        [data_dir, ca_cert, ca_key, ca_secret, server_ca].into_iter().any(Option::is_some)
    }

    /// The CA of the server that is named beside whatever names the one that signs.
    pub(super) fn server_ca(&self) -> Result<Option<String>, CliError> {
        self.server_ca.as_deref().map(certificates).transpose()
    }

    /// Reads the CA for users of `target`.
    pub(super) fn load(self, target: &Target) -> Result<Signing, CliError> {
        let server_ca = self.server_ca()?;
        let Self { data_dir, ca_cert, ca_key, ca_secret, .. } = self;
        if let (Some(cert), Some(key)) = (ca_cert, ca_key) {
            let authority = authority(&cert, &read(&cert)?, &key, &read(&key)?)?;
            let server_ca_pem = server_ca.map_or_else(|| same_ca(&authority, target), Ok)?;
            return Ok(Signing { authority, server_ca_pem, serving_pem: None, url: None });
        }
        if let Some(path) = ca_secret {
            return from_secret(&path, server_ca, target);
        }
        match data_dir {
            Some(dir) => from_data_dir(&dir, server_ca, target),
            None if Path::new(DATA_DIR).join("client-ca.key").exists() => {
                from_data_dir(Path::new(DATA_DIR), server_ca, target)
            }
            None => Err(CliError::new(Kind::Usage, anyhow::anyhow!("no CA is named that could sign"))
                .hint("name one with `--data-dir`, with `--ca-cert` and `--ca-key`, with `--ca-secret`, or with the `--context` of a cluster")
                .hint("or let the operator sign: `-o manifest`")),
        }
    }
}

fn from_data_dir(
    dir: &Path,
    server_ca: Option<String>,
    target: &Target,
) -> Result<Signing, CliError> {
    let [cert, key] = ["client-ca.crt", "client-ca.key"].map(|name| dir.join(name));
    let is_data_dir = cert.exists() && key.exists();
    if !is_data_dir {
        let cause = anyhow::anyhow!(
            "`{}` is no data directory with a client CA: `client-ca.crt` and `client-ca.key` are not both there",
            dir.display()
        );
        return Err(CliError::new(Kind::Config, cause)
            .hint("`kcpctl cache serve --data-dir DIR` makes one at its first start"));
    }
    let authority = authority(&cert, &read(&cert)?, &key, &read(&key)?)?;
    let serving = dir.join("apiserver.crt");
    let serving_pem = serving.exists().then(|| read(&serving)).transpose()?;
    let server_ca_pem = match server_ca {
        Some(pem) => pem,
        // A Go server's pair has no CA file of its own: it stands in the pair's.
        None => match ["ca.crt", "apiserver.crt"].map(|name| dir.join(name)) {
            [ca, _] if ca.exists() => certificates(&ca)?,
            [_, pair] => certificates(&pair)?,
        },
    };
    let admin = dir.join("admin.kubeconfig");
    let url = files::read_text_if_any(&admin, FILE_LEN_MAX)
        .map_err(|error| CliError::new(Kind::Config, error))?
        .and_then(|text| Kubeconfig::from_yaml(&text).ok())
        .filter(|_| target.kind == TargetKind::CacheServer)
        .and_then(|it| it.cluster("cache")?.server.parse().ok());
    Ok(Signing { authority, server_ca_pem, serving_pem, url })
}

fn from_secret(
    path: &Path,
    server_ca: Option<String>,
    target: &Target,
) -> Result<Signing, CliError> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        io::stdin()
            .lock()
            .take(FILE_LEN_MAX)
            .read_to_string(&mut text)
            .context("failed to read stdin")
            .map_err(|error| CliError::new(Kind::Config, error))?;
        text
    } else {
        read(path)?
    };
    let config = |error: anyhow::Error| CliError::new(Kind::Config, error);
    let secret = read_ca_secret(&text)
        .with_context(|| format!("cannot use `{}`", path.display()))
        .map_err(config)?;
    let within = |key: &str| format!("cannot use `{key}` of the Secret `{}`", secret.name);
    let authority = Authority::from_pem(&secret.cert_pem, &secret.key_pem)
        .with_context(|| within("tls.crt"))
        .map_err(config)?;
    let server_ca_pem = match (server_ca, &secret.root_pem) {
        (Some(pem), _) => pem,
        (None, Some(root)) => {
            Certificate::from_pem(root).with_context(|| within("ca.crt")).map_err(config)?;
            root.clone()
        }
        (None, None) => same_ca(&authority, target)?,
    };
    Ok(Signing { authority, server_ca_pem, serving_pem: None, url: None })
}

/// A cache server's one CA signs clients and the server; kcp's are two.
fn same_ca(authority: &Authority, target: &Target) -> Result<String, CliError> {
    if target.kind == TargetKind::CacheServer {
        return Ok(authority.cert_pem());
    }
    let cause = anyhow::anyhow!("what vouches for the server of `{target}` is not known");
    Err(CliError::new(Kind::Usage, cause).hint(
        "name its CA with `--server-ca`; with kcp-operator it is `tls.crt` of `<root shard>-server-ca`",
    ))
}

fn authority(
    cert: &Path,
    cert_pem: &str,
    key: &Path,
    key_pem: &str,
) -> Result<Authority, CliError> {
    // Which of the two files is at fault, if one alone is.
    Certificate::from_pem(cert_pem)
        .map_err(anyhow::Error::new)
        .with_context(|| format!("cannot use `{}`", cert.display()))
        .and_then(|_| {
            Authority::from_pem(cert_pem, key_pem).with_context(|| {
                format!("cannot sign with `{}` and `{}`", cert.display(), key.display())
            })
        })
        .map_err(|error| CliError::new(Kind::Config, error))
}

/// The certificates of a file, without what else stands in it.
fn certificates(path: &Path) -> Result<String, CliError> {
    let read = Certificate::from_pem(&read(path)?)
        .with_context(|| format!("cannot use `{}`", path.display()))
        .map_err(|error| CliError::new(Kind::Config, error))?;
    Ok(read.iter().map(|(_, der)| pem::encode(pem::CERTIFICATE, der)).collect())
}

fn read(path: &Path) -> Result<String, CliError> {
    files::read_text(path, FILE_LEN_MAX).map_err(|error| CliError::new(Kind::Config, error))
}
