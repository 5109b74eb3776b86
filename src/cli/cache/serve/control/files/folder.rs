//! The folder on the disk: what differs is written, and what was once written here goes when
//! nobody wants it any more.
//!
//! Which files were written here stands in `.files`. So nothing is removed that somebody else has
//! put beside them, also by a later process.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::wanted::{File, Files, Wanted};
use crate::cli::files::{self, FileError, PRIVATE};

/// The list of what was written here, a path a line.
const INDEX: &str = ".files";

/// The longest list, in bytes.
const INDEX_LEN_MAX: u64 = 16 << 20;

/// A folder for files.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    /// What was written here, unless that is to be read first.
    known: Option<BTreeSet<PathBuf>>,
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// The files that are new or changed.
    pub(super) written: Vec<PathBuf>,
    /// What could not be done.
    pub(super) problems: Vec<String>,
}

impl Folder {
    /// At an absolute path, where there may be nothing yet.
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root, known: None }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the files what they should be, as far as possible.
    pub(super) fn keep(&mut self, wanted: &Wanted) -> Done {
        let mut done = Done::default();
        if wanted.folders.is_empty() && self.known.is_none() && !self.root.exists() {
            return done;
        }
        if let Err(error) = self.try_to_keep(wanted, &mut done) {
            done.problems.push(said(error));
        }
        done
    }

    fn try_to_keep(&mut self, wanted: &Wanted, done: &mut Done) -> Result<(), FileError> {
        let known = match self.known.take() {
            Some(known) => known,
            None => self.read_index()?,
        };
        let all = wanted.folders.iter();
        let all = all.flat_map(|(folder, files)| files.keys().map(move |it| folder.join(it)));
        let all: BTreeSet<PathBuf> = all.collect();
        let mut listed: BTreeSet<PathBuf> = known.union(&all).cloned().collect();
        // Listed first: what is written and not listed would never go.
        if listed != known {
            self.write_index(&listed)?;
        }
        for (folder, files) in &wanted.folders {
            match self.write(folder, files) {
                Ok(written) => done.written.extend(written),
                Err(error) => done.problems.push(said(error)),
            }
        }
        let is_kept = |path: &Path| wanted.kept.iter().any(|it| path.starts_with(it));
        let gone = known.difference(&all).filter(|it| !is_kept(it));
        let mut left = listed.clone();
        for path in gone {
            match self.remove(path) {
                Ok(()) => drop(left.remove(path)),
                Err(error) => done.problems.push(said(error)),
            }
        }
        if left != listed {
            self.write_index(&left)?;
            listed = left;
        }
        self.known = Some(listed);
        Ok(())
    }

    fn read_index(&self) -> Result<BTreeSet<PathBuf>, FileError> {
        let text = files::read_text_if_any(&self.root.join(INDEX), INDEX_LEN_MAX)?;
        let lines = text.as_deref().unwrap_or_default().lines().map(PathBuf::from);
        // Somebody may have written into it.
        let leads_here = |path: &PathBuf| {
            path.components().all(|it| matches!(it, std::path::Component::Normal(_)))
        };
        Ok(lines.filter(leads_here).collect())
    }

    fn write_index(&self, paths: &BTreeSet<PathBuf>) -> Result<(), FileError> {
        files::make_private_dir(&self.root)?;
        let mut text = String::new();
        for path in paths.iter().filter_map(|it| it.to_str()) {
            text.push_str(path);
            text.push('\n');
        }
        files::write(&self.root.join(INDEX), text.as_bytes(), PRIVATE)
    }

    /// Writes what differs in one folder: all of it, or nothing. A pair of a certificate and a key
    /// takes its names within a moment.
    fn write(&self, folder: &Path, files: &Files) -> Result<Vec<PathBuf>, FileError> {
        let mut changed = Vec::new();
        for (path, File { content, mode }) in files {
            let path = self.root.join(folder).join(path);
            match fs::read(&path) {
                Ok(found) if found == *content => continue,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(FileError::Read { path, source }),
            }
            changed.push((path, content, *mode));
        }
        for (path, ..) in &changed {
            let inner = path.strip_prefix(&self.root).unwrap_or(path);
            let mut at = self.root.clone();
            for part in inner.parent().into_iter().flat_map(Path::iter) {
                at.push(part);
                files::make_private_dir(&at)?;
            }
        }
        let ready =
            changed.iter().map(|(path, content, mode)| files::prepare(path, content, *mode));
        files::take_names(ready.collect::<Result<Vec<_>, _>>()?)?;
        Ok(changed.into_iter().map(|it| it.0).collect())
    }

    /// Removes a file, and the folders that are empty then.
    fn remove(&self, path: &Path) -> Result<(), FileError> {
        let file = self.root.join(path);
        match fs::remove_file(&file) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(FileError::Write { path: file, source }),
        }
        let folders = path.ancestors().skip(1).filter(|it| !it.as_os_str().is_empty());
        for folder in folders {
            // The first that is not empty stays, and so do those above it.
            if fs::remove_dir(self.root.join(folder)).is_err() {
                break;
            }
        }
        Ok(())
    }
}

fn said(error: FileError) -> String {
    format!("{:#}", anyhow::Error::new(error))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn wanted(files: &[(&str, &str)]) -> Wanted {
        let mut wanted = Wanted::default();
        for (path, text) in files {
            let (folder, name) = path.rsplit_once('/').unwrap();
            let file = File { content: text.as_bytes().to_vec(), mode: PRIVATE };
            wanted.folders.entry(folder.into()).or_default().insert(name.into(), file);
        }
        wanted
    }

    fn written(folder: &mut Folder, files: &[(&str, &str)]) -> Vec<String> {
        let done = folder.keep(&wanted(files));
        assert!(done.problems.is_empty(), "{done:?}");
        let root = folder.root().to_owned();
        let short = |it: &PathBuf| it.strip_prefix(&root).unwrap().display().to_string();
        done.written.iter().map(short).collect()
    }

    #[test]
    fn what_differs_is_written_and_what_is_not_wanted_goes() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("namespaces");
        let mut folder = Folder::new(root.clone());
        assert!(folder.keep(&Wanted::default()).written.is_empty());
        assert!(!root.exists(), "nothing is made for nothing");
        let both = [("n/secrets/a/key", "1"), ("n/secrets/b/key", "1")];
        assert_eq!(written(&mut folder, &both), ["n/secrets/a/key", "n/secrets/b/key"]);
        let mode = |path: &str| fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode("n/secrets/a/key"), mode("n/secrets/a"), mode("n")),
            (0o600, 0o700, 0o700)
        );
        assert_eq!(written(&mut folder, &both), [""; 0]);
        // What others have put there stays, also when it is a later process that removes.
        fs::write(root.join("n/secrets/b/mine"), "").unwrap();
        let mut folder = Folder::new(root.clone());
        let one = [("n/secrets/a/key", "2")];
        assert_eq!(written(&mut folder, &one), ["n/secrets/a/key"]);
        assert!(root.join("n/secrets/b/mine").exists() && !root.join("n/secrets/b/key").exists());
        fs::remove_file(root.join("n/secrets/a/key")).unwrap();
        assert_eq!(written(&mut folder, &one), ["n/secrets/a/key"], "it is made again");
        assert_eq!(written(&mut folder, &[]), [""; 0]);
        assert!(!root.join("n/secrets/a").exists() && root.join("n/secrets/b").exists());
    }

    #[test]
    fn what_is_kept_stays() {
        let dir = tempfile::tempdir().unwrap();
        let mut folder = Folder::new(dir.path().to_owned());
        written(&mut folder, &[("n/kubeconfigs/a/client.key", "1")]);
        let kept = Wanted { kept: ["n/kubeconfigs/a".into()].into(), ..Wanted::default() };
        assert!(folder.keep(&kept).problems.is_empty());
        assert!(dir.path().join("n/kubeconfigs/a/client.key").exists());
        written(&mut folder, &[]);
        assert!(!dir.path().join("n").exists());
    }

    #[test]
    fn a_folder_that_cannot_be_written_stops_no_other_and_changes_nothing_by_half() {
        let dir = tempfile::tempdir().unwrap();
        let mut folder = Folder::new(dir.path().to_owned());
        written(&mut folder, &[("n/secrets/a/tls.crt", "1"), ("n/secrets/a/tls.key", "1")]);
        fs::remove_file(dir.path().join("n/secrets/a/tls.key")).unwrap();
        fs::create_dir(dir.path().join("n/secrets/a/tls.key")).unwrap();
        let next = wanted(&[
            ("n/secrets/a/tls.crt", "2"),
            ("n/secrets/a/tls.key", "2"),
            ("n/secrets/b/key", "2"),
        ]);
        let done = folder.keep(&next);
        assert_eq!(done.problems.len(), 1, "{done:?}");
        assert!(done.problems[0].contains("n/secrets/a/tls.key"), "{done:?}");
        assert_eq!(done.written, [dir.path().join("n/secrets/b/key")]);
        assert_eq!(fs::read_to_string(dir.path().join("n/secrets/a/tls.crt")).unwrap(), "1");
        fs::remove_dir(dir.path().join("n/secrets/a/tls.key")).unwrap();
        assert_eq!(folder.keep(&next).written.len(), 2);
    }

    #[test]
    fn a_list_that_leads_elsewhere_removes_nothing_there() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir(&root).unwrap();
        let outside = dir.path().join("outside");
        fs::write(&outside, "").unwrap();
        fs::write(root.join(INDEX), format!("../outside\n{}\n", outside.display())).unwrap();
        let mut folder = Folder::new(root);
        assert!(folder.keep(&Wanted::default()).problems.is_empty());
        assert!(outside.exists());
    }
}
