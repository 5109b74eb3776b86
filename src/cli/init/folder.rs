//! A folder of files that is written as a whole, or not at all.
//!
//! A new folder is filled under another name and then renamed. In an existing one
//! every file is written under another name first, so that what can fail (space,
//! permissions) fails before the first file is replaced.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use crate::error::{CliError, Kind};

/// How many names an error lists.
const LISTED_MAX: usize = 5;

/// A folder, there or not.
pub(super) struct Folder {
    path: PathBuf,
}

/// What becomes of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum State {
    /// It is not there yet.
    New,
    /// It holds the same already.
    Same,
    /// It holds something else.
    Differs,
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What would become of each file; an error if one is there and `force` is not set.
    pub(super) fn states(
        &self,
        files: &[(String, String)],
        force: bool,
    ) -> Result<Vec<State>, CliError> {
        let config = |error: anyhow::Error| CliError::new(Kind::Config, error);
        if self.path.exists() && !self.path.is_dir() {
            let cause = anyhow!("`{}` is not a folder", self.path.display());
            return Err(config(cause).hint("name another folder with `-o DIR`"));
        }
        let mut states = Vec::with_capacity(files.len());
        for (file, text) in files {
            let path = self.path.join(file);
            // A link is not followed: what it leads to is none of ours.
            states.push(match fs::symlink_metadata(&path) {
                Ok(found) if found.is_file() => {
                    let same = fs::read(&path).is_ok_and(|it| it == text.as_bytes());
                    if same { State::Same } else { State::Differs }
                }
                Ok(_) => {
                    let cause = anyhow!("`{}` is not a plain file", path.display());
                    return Err(
                        config(cause).hint("move it away, or name another folder with `-o DIR`")
                    );
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => State::New,
                Err(error) => {
                    let failed = format!("failed to look at `{}`", path.display());
                    return Err(config(anyhow::Error::new(error).context(failed)));
                }
            });
        }
        let there: Vec<&str> = files
            .iter()
            .zip(&states)
            .filter(|(_, state)| **state != State::New)
            .map(|((file, _), _)| file.as_str())
            .collect();
        if !force && !there.is_empty() {
            let more = match there.len().saturating_sub(LISTED_MAX) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let listed = there[..there.len().min(LISTED_MAX)].join(", ");
            let cause = anyhow!("`{}` already has {listed}{more}", self.path.display());
            return Err(config(cause)
                .hint("overwrite them with `--force`, or name another folder with `-o DIR`"));
        }
        Ok(states)
    }

    /// Writes all files.
    pub(super) fn write(&self, files: &[(String, String)]) -> Result<(), CliError> {
        let fresh = !self.path.exists();
        let result = if fresh { self.create(files) } else { self.replace(files) };
        result.map_err(|error| {
            CliError::new(Kind::Config, error).hint("see that the folder can be written to")
        })
    }

    /// YAML files in the folder that are none of `files`.
    pub(super) fn strangers(&self, files: &[(String, String)]) -> Vec<String> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        let mut strangers: Vec<String> = entries
            .filter_map(|it| it.file_name().into_string().ok())
            .filter(|name| Path::new(name).extension().is_some_and(|it| it == "yaml"))
            .filter(|name| files.iter().all(|it| it.0 != *name))
            .collect();
        strangers.sort();
        strangers
    }

    fn create(&self, files: &[(String, String)]) -> anyhow::Result<()> {
        let parent = self.path.parent().filter(|it| !it.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        fs::create_dir_all(parent)
            .with_context(|| format!("failed to make the folder `{}`", parent.display()))?;
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let scratch = parent.join(format!(".{name}.{}.tmp", std::process::id()));
        let written = (|| {
            fs::create_dir(&scratch)?;
            for (file, text) in files {
                write_synced(&scratch.join(file), text)?;
            }
            fs::rename(&scratch, &self.path)?;
            sync_folder(parent)
        })();
        written.inspect_err(|_| drop(fs::remove_dir_all(&scratch))).with_context(|| {
            format!("failed to write the folder `{}`; nothing was written", self.path.display())
        })
    }

    fn replace(&self, files: &[(String, String)]) -> anyhow::Result<()> {
        let scratch = |file: &str| self.path.join(format!(".{file}.{}.tmp", std::process::id()));
        let discard = || {
            for (file, _) in files {
                let _ = fs::remove_file(scratch(file));
            }
        };
        for (file, text) in files {
            write_synced(&scratch(file), text).inspect_err(|_| discard()).with_context(|| {
                let path = self.path.join(file);
                format!("failed to write `{}`; nothing was written", path.display())
            })?;
        }
        for (file, _) in files {
            let path = self.path.join(file);
            fs::rename(scratch(file), &path).inspect_err(|_| discard()).with_context(|| {
                format!("failed to replace `{}`; files before it are written", path.display())
            })?;
        }
        sync_folder(&self.path)
            .with_context(|| format!("failed to sync the folder `{}`", self.path.display()))
    }
}

fn write_synced(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}
