//! The certificates of a server: some made in the data directory, some named by flags.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::data_dir::{Clients, DataDir, Options, Serving, TlsPaths};
use super::settings::{Settings, SettingsError};
use crate::error::{CliError, Kind};
use crate::pki::San;
use crate::server::conn::TlsFiles;

/// The certificates, wherever they come from.
pub(super) struct Files {
    pub(super) dir: Option<Arc<DataDir>>,
    pub(super) tls: TlsFiles,
}

impl Files {
    /// Makes what is missing and may be made.
    pub(super) fn open(settings: &Settings) -> Result<Self, CliError> {
        let dir = match &settings.data_dir {
            None => None,
            Some(path) => {
                let options = data_dir_options(settings)?;
                Some(Arc::new(DataDir::open_or_create(path, options, SystemTime::now())?))
            }
        };
        let own = dir.as_ref().map(|dir| dir.tls_paths());
        let (own_pair, own_ca) = match own {
            None => (None, None),
            Some(TlsPaths { cert, key, client_ca }) => (cert.zip(key), client_ca),
        };
        let pair = settings.serving.clone().or(own_pair);
        let (cert, key) = pair.ok_or(SettingsError::NoServingPair)?;
        let client_ca = settings.client_ca.clone().or(own_ca);
        Ok(Self { dir, tls: TlsFiles { cert, key, client_ca } })
    }

    /// Writes what can only be written once the port is known: the admin's kubeconfig,
    /// if it can be signed here.
    pub(super) fn serve_at(&self, url: &str) -> Result<Option<PathBuf>, CliError> {
        match &self.dir {
            None => Ok(None),
            Some(dir) => Ok(dir.serve_at(url, SystemTime::now())?),
        }
    }
}

/// What the data directory should make, and for which names.
fn data_dir_options(settings: &Settings) -> Result<Options, CliError> {
    let serving = match &settings.serving {
        None => Serving::Own,
        Some((cert, _)) => {
            let pem = std::fs::read_to_string(cert).map_err(|source| {
                let cause = anyhow::Error::new(source)
                    .context(format!("failed to read {}", cert.display()));
                CliError::new(Kind::Config, cause).hint("check `--tls-cert-file`")
            })?;
            Serving::Given { ca_pem: pem }
        }
    };
    let clients = if settings.client_ca.is_none() { Clients::Own } else { Clients::Given };
    let mut tls_sans = settings.tls_sans.clone();
    let address = settings.listen.ip();
    if !address.is_unspecified() && !address.is_loopback() {
        tls_sans.push(San::Ip(address)); // the URL that we tell has this address
    }
    Ok(Options { serving, clients, ..Options::own(tls_sans) })
}
