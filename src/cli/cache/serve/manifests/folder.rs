//! The files of a folder, and whether they changed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::api::{Document, read_documents};
use crate::cli::files;

/// The longest manifest, in bytes.
const FILE_LEN_MAX: u64 = 4 << 20;

/// The most files of a folder: it is read again and again.
const FILES_MAX: usize = 1000;

/// What a folder held at one moment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(in crate::cli::cache::serve) struct Snapshot {
    files: Vec<(PathBuf, Result<String, String>)>,
}

/// Reads the manifests directly within `folder`, in the order of their names.
pub(in crate::cli::cache::serve) fn read(folder: &Path) -> io::Result<Snapshot> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let extension = path.extension().and_then(|it| it.to_str());
        if matches!(extension, Some("yaml" | "yml" | "json")) && path.is_file() {
            paths.push(path);
        }
        if paths.len() > FILES_MAX {
            return Err(io::Error::other(format!("it holds more than {FILES_MAX} manifests")));
        }
    }
    paths.sort();
    let read = |path: PathBuf| {
        let text = files::read_text(&path, FILE_LEN_MAX)
            .map_err(|error| format!("{:#}", anyhow::Error::new(error)));
        (path, text)
    };
    Ok(Snapshot { files: paths.into_iter().map(read).collect() })
}

impl Snapshot {
    /// The files, and what they hold or why that cannot be read.
    pub(in crate::cli::cache::serve) fn files(
        &self,
    ) -> impl Iterator<Item = (&Path, &Result<String, String>)> {
        self.files.iter().map(|(path, content)| (path.as_path(), content))
    }

    /// The objects, and a line for each file that could not be read.
    pub(super) fn documents(&self) -> (Vec<Document>, Vec<String>) {
        let (mut documents, mut problems) = (Vec::new(), Vec::new());
        for (path, text) in &self.files {
            match text {
                Ok(text) => match read_documents(text, &path.display().to_string()) {
                    Ok(read) => documents.extend(read),
                    Err(error) => problems.push(error.to_string()),
                },
                Err(error) => problems.push(error.clone()),
            }
        }
        (documents, problems)
    }
}
