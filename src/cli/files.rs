//! Files that are written whole or not at all.
//!
//! A new content goes into a temporary file beside the old one, is synced, and
//! takes its name in one step; the folder is synced after that. A reader sees the
//! old content or the new one, also after a power cut.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The mode of a file that holds a secret.
pub(crate) const PRIVATE: u32 = 0o600;

/// The mode of a file that anyone may read.
pub(crate) const PUBLIC: u32 = 0o644;

/// A file that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// Reading failed.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Writing failed; what was there before is untouched.
    #[error("failed to write `{}`", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The name belongs to a folder, a device or a pipe.
    #[error("`{}` is not a regular file", path.display())]
    NotRegular {
        /// Which name.
        path: PathBuf,
    },
}

/// Reads a text, at most `limit` bytes long.
pub(crate) fn read_text(path: &Path, limit: u64) -> Result<String, FileError> {
    let failed = |source| FileError::Read { path: path.to_owned(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    io::Read::read_to_string(&mut io::Read::take(file, limit + 1), &mut text).map_err(failed)?;
    if text.len() as u64 > limit {
        let source = io::Error::other(format!("it is longer than {limit} bytes"));
        return Err(failed(source));
    }
    Ok(text)
}

/// As [`read_text`], but `None` if there is no such file.
pub(crate) fn read_text_if_any(path: &Path, limit: u64) -> Result<Option<String>, FileError> {
    match read_text(path, limit) {
        Ok(text) => Ok(Some(text)),
        Err(FileError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes `path` hold `content`, in one step. A link is followed, so that it
/// stays one.
pub(crate) fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), FileError> {
    write_with(path, mode, |file| file.write_all(content))
}

/// As [`write()`], with what `fill` writes.
pub(crate) fn write_with<T>(
    path: &Path,
    mode: u32,
    fill: impl FnOnce(&mut File) -> io::Result<T>,
) -> Result<T, FileError> {
    let (prepared, filled) = prepare_with(path, mode, fill)?;
    take_names([prepared])?;
    Ok(filled)
}

/// A content on the disk that has not taken its name yet: several files that belong
/// together are written first and take their names then. Dropped, it is no more.
#[derive(Debug)]
pub(crate) struct Prepared {
    temporary: PathBuf,
    /// Where a link leads.
    target: PathBuf,
    path: PathBuf,
}

/// Writes what `path` is to hold beside it.
pub(crate) fn prepare(path: &Path, content: &[u8], mode: u32) -> Result<Prepared, FileError> {
    prepare_with(path, mode, |file| file.write_all(content)).map(|it| it.0)
}

/// Gives each content its name, in one step each and all within a moment.
pub(crate) fn take_names(all: impl IntoIterator<Item = Prepared>) -> Result<(), FileError> {
    let all: Vec<Prepared> = all.into_iter().collect();
    for it in &all {
        fs::rename(&it.temporary, &it.target).map_err(|source| it.failed(source))?;
    }
    for it in &all {
        let folder = File::open(folder_of(&it.target));
        folder.and_then(|folder| folder.sync_all()).map_err(|source| it.failed(source))?;
    }
    Ok(())
}

impl Prepared {
    fn failed(&self, source: io::Error) -> FileError {
        FileError::Write { path: self.path.clone(), source }
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        // It has its name already, if all went well.
        let _ = fs::remove_file(&self.temporary);
    }
}

fn prepare_with<T>(
    path: &Path,
    mode: u32,
    fill: impl FnOnce(&mut File) -> io::Result<T>,
) -> Result<(Prepared, T), FileError> {
    let target = match fs::canonicalize(path) {
        Ok(real) if !real.is_file() => {
            return Err(FileError::NotRegular { path: path.to_owned() });
        }
        Ok(real) => real,
        Err(_) => path.to_owned(),
    };
    let failed = |source| FileError::Write { path: path.to_owned(), source };
    let name = target.file_name().ok_or_else(|| failed(io::Error::other("it has no file name")))?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{:016x}", rand::random::<u64>()));
    let temporary = folder_of(&target).join(temporary);
    // Made first, so that what was written in part is removed.
    let prepared = Prepared { temporary, target, path: path.to_owned() };
    let filled = write_new(&prepared.temporary, mode, fill).map_err(failed)?;
    Ok((prepared, filled))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes a folder that only its owner can enter, if it is not there.
pub(crate) fn make_private_dir(path: &Path) -> Result<(), FileError> {
    let failed = |source| FileError::Write { path: path.to_owned(), source };
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made.map_err(failed),
    }
}

fn write_new<T>(
    path: &Path,
    mode: u32,
    fill: impl FnOnce(&mut File) -> io::Result<T>,
) -> io::Result<T> {
    let mut created = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    // The process's umask may have taken bits away.
    created.set_permissions(fs::Permissions::from_mode(mode))?;
    let filled = fill(&mut created)?;
    created.sync_all()?;
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_file_is_replaced_whole_with_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write(&path, b"one", PUBLIC).unwrap();
        assert_eq!(mode(&path), PUBLIC);
        write(&path, b"two", PRIVATE).unwrap();
        assert_eq!((read_text(&path, 10).unwrap().as_str(), mode(&path)), ("two", PRIVATE));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(read_text(&path, 2).is_err());
        assert_eq!(read_text_if_any(&dir.path().join("b"), 10).unwrap(), None);
    }

    #[test]
    fn a_link_stays_a_link_and_a_device_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let [real, link] = ["real", "link"].map(|name| dir.path().join(name));
        write(&real, b"one", PRIVATE).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        write(&link, b"two", PRIVATE).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(read_text(&real, 10).unwrap(), "two");
        for path in [Path::new("/dev/null"), dir.path()] {
            assert!(matches!(write(path, b"x", PRIVATE), Err(FileError::NotRegular { .. })));
        }
    }

    #[test]
    fn a_folder_for_secrets_is_its_owners() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        make_private_dir(&path).unwrap();
        make_private_dir(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
    }
}
