//! Where the result goes: stdout, a file of its own, or into another kubeconfig.

use std::env;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::cli::files::{self, FileError};
use crate::error::{CliError, Kind};
use crate::kubeconfig::{
    Kubeconfig, MergeError, MergeOptions, kubeconfig_of_secret, merge as merge_into,
};
use crate::term::{Output, OutputError};

/// The longest kubeconfig that is merged into, in bytes.
const KUBECONFIG_LEN_MAX: u64 = 16 << 20;

/// What `--merge` means without a value.
pub(super) const DEFAULT_KUBECONFIG: &str = "";

/// What to write.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub(super) enum Form {
    /// A kubeconfig
    #[default]
    Kubeconfig,
    /// A v1 Secret with the key `kubeconfig`, ready to apply
    Secret,
    /// The operator's Kubeconfig object, for the operator to sign
    Manifest,
}

/// Where to write it.
#[derive(Debug)]
pub(super) enum Destination {
    /// To stdout.
    Stdout,
    /// To a file of its own.
    File {
        /// Which one.
        path: PathBuf,
        /// Whether it may be there already.
        force: bool,
    },
    /// Into a kubeconfig that may be there already.
    Merge {
        /// Which one.
        path: PathBuf,
        /// How.
        options: MergeOptions,
    },
}

/// What was written.
#[derive(Debug)]
pub(super) struct Written {
    /// The file and what is in it, for the user; nothing for stdout.
    pub(super) place: Option<String>,
    path: Option<PathBuf>,
    /// The context that leads to the server.
    context: Option<String>,
}

impl Destination {
    /// Sorts the flags.
    pub(super) fn choose(
        output_file: Option<PathBuf>,
        merge: Option<OsString>,
        force: bool,
        rename: Option<String>,
        set_current: bool,
    ) -> Result<Self, CliError> {
        Ok(match (output_file, merge) {
            (Some(path), _) => Self::File { path, force },
            (None, None) => Self::Stdout,
            (None, Some(named)) => {
                let is_default = named == DEFAULT_KUBECONFIG;
                let path = if is_default { default_kubeconfig() } else { Some(named.into()) };
                let path = path.ok_or_else(|| {
                    let cause = anyhow::anyhow!("there is no default kubeconfig to merge into");
                    CliError::new(Kind::Usage, cause).hint("name the file: `--merge FILE`")
                })?;
                Self::Merge { path, options: MergeOptions { force, rename, set_current } }
            }
        })
    }
}

impl Written {
    /// The kubeconfig as a client finds it now: read back from where it was written.
    pub(super) fn kubeconfig(&self, form: Form, made: String) -> Result<Found, CliError> {
        let Some(path) = &self.path else {
            return Ok(Found { yaml: made, context: None });
        };
        let text = files::read_text(path, KUBECONFIG_LEN_MAX).map_err(config)?;
        let yaml = match form {
            Form::Secret => kubeconfig_of_secret(&text).ok_or_else(|| {
                let cause = anyhow::anyhow!("`{}` cannot be read again", path.display());
                CliError::new(Kind::Internal, cause)
            })?,
            _ => text,
        };
        Ok(Found { yaml, context: self.context.clone() })
    }
}

/// A kubeconfig as it was found, and the context to use.
#[derive(Debug)]
pub(super) struct Found {
    /// The whole text.
    pub(super) yaml: String,
    /// The context; the current one if none is named.
    pub(super) context: Option<String>,
}

/// Writes a text that stands on its own.
pub(super) fn write(
    text: &str,
    form: Form,
    destination: &Destination,
) -> Result<Written, CliError> {
    match destination {
        Destination::File { path, force } => {
            let old = files::read_text_if_any(path, KUBECONFIG_LEN_MAX);
            let is_other = !matches!(&old, Ok(None)) && !matches!(&old, Ok(Some(it)) if it == text);
            if is_other && path.exists() && !force {
                let cause = anyhow::anyhow!("`{}` exists already", path.display());
                return Err(CliError::new(Kind::Config, cause)
                    .hint("name another `--output-file`, or replace it with `--force`"));
            }
            files::write(path, text.as_bytes(), files::PRIVATE).map_err(config)?;
            let what = match form {
                Form::Kubeconfig => "kubeconfig",
                Form::Secret => "Secret",
                Form::Manifest => "Kubeconfig object",
            };
            Ok(Written {
                place: Some(format!("{what} in `{}`", path.display())),
                path: Some(path.clone()),
                context: None,
            })
        }
        Destination::Stdout | Destination::Merge { .. } => {
            let mut out = Output::stdout();
            let printed = out
                .write_all(text.as_bytes())
                .map_err(OutputError::from)
                .and_then(|()| out.finish());
            match printed {
                Ok(()) | Err(OutputError::Closed) => {}
                Err(error) => return Err(CliError::new(Kind::Config, error)),
            }
            Ok(Written { place: None, path: None, context: None })
        }
    }
}

/// Writes a kubeconfig, or merges it.
pub(super) fn write_kubeconfig(
    kubeconfig: &Kubeconfig,
    destination: &Destination,
) -> Result<Written, CliError> {
    match destination {
        Destination::Merge { path, options } => merge(kubeconfig, path, options),
        other => write(&kubeconfig.to_yaml(), Form::Kubeconfig, other),
    }
}

fn merge(
    kubeconfig: &Kubeconfig,
    path: &Path,
    options: &MergeOptions,
) -> Result<Written, CliError> {
    if let Some(folder) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
        files::make_private_dir(folder).map_err(config)?;
    }
    let _lock = Lock::take(path)?;
    let old = files::read_text_if_any(path, KUBECONFIG_LEN_MAX).map_err(config)?;
    let merged = merge_into(old.as_deref().unwrap_or_default(), kubeconfig, options);
    let merged = merged.map_err(|error| {
        let is_conflict = matches!(error, MergeError::Conflict { .. });
        let cause = anyhow::Error::new(error)
            .context(format!("cannot merge into `{}`; nothing was changed", path.display()));
        let error = CliError::new(Kind::Config, cause);
        if is_conflict {
            error.hint(
                "`--rename NAME` adds it under another name, `--force` replaces what is there",
            )
        } else {
            error.hint("name another file: `--merge FILE`")
        }
    })?;
    if old.as_deref() != Some(merged.text.as_str()) {
        files::write(path, merged.text.as_bytes(), files::PRIVATE).map_err(config)?;
    }
    let mut did = Vec::new();
    for (verb, entries) in [("added", &merged.added), ("replaced", &merged.replaced)] {
        if !entries.is_empty() {
            did.push(format!("{verb} {}", entries.join(", ")));
        }
    }
    let did = if did.is_empty() { "nothing to change".to_owned() } else { did.join("; ") };
    Ok(Written {
        place: Some(format!("`{}`: {did}", path.display())),
        path: Some(path.to_owned()),
        context: Some(merged.context),
    })
}

/// Where kubectl would write.
fn default_kubeconfig() -> Option<PathBuf> {
    match env::var_os("KUBECONFIG").filter(|value| !value.is_empty()) {
        Some(paths) => env::split_paths(&paths).find(|path| !path.as_os_str().is_empty()),
        None => env::home_dir().map(|home| home.join(".kube/config")),
    }
}

/// kubectl's own lock on a kubeconfig: a file beside it that only one can make.
#[derive(Debug)]
struct Lock(PathBuf);

impl Lock {
    fn take(path: &Path) -> Result<Self, CliError> {
        let mut lock = path.as_os_str().to_owned();
        lock.push(".lock");
        let lock = PathBuf::from(lock);
        match OpenOptions::new().write(true).create_new(true).open(&lock) {
            Ok(_) => Ok(Self(lock)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let cause = anyhow::anyhow!("someone else is changing `{}`", path.display());
                Err(CliError::new(Kind::Config, cause)
                    .hint(format!("if nobody is, remove `{}`", lock.display())))
            }
            Err(error) => Err(error)
                .with_context(|| format!("failed to write `{}`", lock.display()))
                .map_err(|error| CliError::new(Kind::Config, error)),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Who finds it later is told how to remove it.
        let _ = fs::remove_file(&self.0);
    }
}

fn config(error: FileError) -> CliError {
    CliError::new(Kind::Config, error)
}
