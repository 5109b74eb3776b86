//! The files that were named, and their text.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::anyhow;

use crate::api::{self, Reading};
use crate::error::{CliError, Kind};
use crate::term;

/// The longest file, in bytes: far more than an installation has.
const FILE_LEN_MAX: u64 = 4 << 20;
/// The most files.
const FILES_MAX: usize = 10_000;
/// What makes a folder one for `kubectl -k`, and is no object.
const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Every file, in the order in which it was named or found.
pub(in crate::cli) struct Sources {
    files: Vec<(String, Result<String, String>)>,
}

impl Sources {
    /// Reads everything that `names` stand for.
    pub(super) fn open(names: &[PathBuf], recursive: bool) -> Self {
        let mut this = Self { files: Vec::new() };
        for name in names {
            if name.as_os_str() == "-" {
                this.add("stdin".to_owned(), text_of(io::stdin()));
            } else if name.is_dir() {
                this.folder(name, recursive);
            } else {
                this.file(name);
            }
        }
        this
    }

    /// Texts that are in no file, each with a name.
    pub(in crate::cli) fn of_texts(texts: Vec<(String, String)>) -> Self {
        Self { files: texts.into_iter().map(|(name, text)| (name, Ok(text))).collect() }
    }

    fn folder(&mut self, folder: &Path, recursive: bool) {
        let entries = std::fs::read_dir(folder)
            .and_then(Iterator::collect::<io::Result<Vec<_>>>)
            .map(|entries| entries.into_iter().map(|it| it.path()).collect::<Vec<PathBuf>>());
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                let error = format!("failed to read the folder `{}`: {error}", folder.display());
                return self.add(folder.display().to_string(), Err(error));
            }
        };
        entries.sort();
        for path in entries {
            // A link to a folder may lead back here.
            if path.is_dir() {
                if recursive && !path.is_symlink() {
                    self.folder(&path, recursive);
                }
                continue;
            }
            let extension = path.extension().and_then(|it| it.to_str());
            let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
            if matches!(extension, Some("yaml" | "yml" | "json")) && !KUSTOMIZATIONS.contains(&name)
            {
                self.file(&path);
            }
        }
    }

    fn file(&mut self, path: &Path) {
        let name = path.display().to_string();
        if self.files.iter().any(|it| it.0 == name) {
            return; // named twice
        }
        let text = match std::fs::File::open(path) {
            Ok(file) => text_of(file),
            Err(error) => Err(error.to_string()),
        };
        self.add(name, text);
    }

    fn add(&mut self, name: String, text: Result<String, String>) {
        if self.files.len() == FILES_MAX {
            let error = format!("there are more than {FILES_MAX} files, the rest was not read");
            self.files.push((name.clone(), Err(error)));
        }
        if self.files.len() > FILES_MAX {
            return;
        }
        let text = text.map_err(|error| format!("failed to read `{name}`: {error}"));
        self.files.push((name, text));
    }

    /// Everything in the files.
    pub(in crate::cli) fn read(&self) -> Reading {
        let mut all = Reading::default();
        for (name, text) in &self.files {
            let Ok(text) = text else { continue };
            let Reading { documents, rejected } = api::read_all(text, name);
            all.documents.extend(documents);
            all.rejected.extend(rejected);
        }
        all
    }

    /// The number and the text of a file.
    pub(super) fn find(&self, name: &str) -> Option<(usize, &str)> {
        let index = self.files.iter().position(|it| it.0 == name)?;
        Some((index, self.files[index].1.as_deref().ok()?))
    }

    /// Refuses to go on without what could not be read; `hint` says what that means.
    pub(super) fn complete(&self, hint: &str) -> Result<(), CliError> {
        let failures = self.files.iter().filter_map(|it| it.1.as_ref().err());
        let failures: Vec<&String> = failures.collect();
        let Some((last, others)) = failures.split_last() else { return Ok(()) };
        for failure in others {
            term::warn(failure);
        }
        Err(CliError::new(Kind::Config, anyhow!("{last}")).hint(hint))
    }
}

/// Refuses to do something with nothing.
pub(super) fn not_empty(objects: usize, names: &[PathBuf]) -> Result<(), CliError> {
    if objects > 0 {
        return Ok(());
    }
    let names: Vec<String> = names.iter().map(|it| format!("`{}`", it.display())).collect();
    let cause = anyhow!("there is no object in {}", names.join(", "));
    Err(CliError::new(Kind::Config, cause).hint(
        "name files or folders with YAML or JSON in `.yaml`, `.yml` or `.json`; `-R` looks into \
         folders within them",
    ))
}

fn text_of(reader: impl Read) -> Result<String, String> {
    let mut bytes = Vec::new();
    reader.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > FILE_LEN_MAX {
        return Err(format!("it is longer than {} MiB", FILE_LEN_MAX >> 20));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("it is no text: byte {} is not UTF-8", at + 1)
    })
}
