//! What a build hands over, in one folder under the names that it has where it is delivered.
//!
//! It is filled with second names of the files, and costs no room. When a delivery is refused, it
//! is what stays of the build, whole and ready to be delivered again.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::transfer::TransferError;

/// Its name in the work directory.
const NAME: &str = "outbox";

/// Below this many bytes a file of another file system is copied.
const SMALL: u64 = 64 * 1024 * 1024;

/// The folder.
#[derive(Debug, Clone)]
pub struct Outbox {
    folder: PathBuf,
}

impl Outbox {
    /// That of a build with this work directory; made when the first file is added.
    #[must_use]
    pub fn of(work: &Path) -> Self {
        Self {
            folder: work.join(NAME),
        }
    }

    /// That in which a report lies.
    pub(super) fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Whether a folder is the outbox that a build left: a name in a private folder.
    pub(super) fn is_one(folder: &Path) -> bool {
        let work = folder.parent().and_then(|work| work.metadata().ok());
        let is_private = work.is_some_and(|work| work.permissions().mode() & 0o077 == 0);
        is_private && folder.file_name().is_some_and(|name| name == NAME)
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Puts a file in, and gives its path there.
    ///
    /// # Errors
    ///
    /// [`TransferError::Put`], also when there is a file of that name.
    pub fn add(&self, file: &Path, name: &str) -> Result<PathBuf, TransferError> {
        let to = self.folder.join(name);
        let failed = |source| TransferError::Put {
            file: file.to_owned(),
            to: to.clone(),
            source,
        };
        fs::create_dir_all(&self.folder).map_err(failed)?;
        link(file, &to).map_err(failed)?;
        Ok(to)
    }

    /// Writes a file, in the place of an earlier one: that stays whole where there is no room, and as it is where it has
    /// another name, as in a folder that it was delivered to.
    ///
    /// # Errors
    ///
    /// [`TransferError::Put`]
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf, TransferError> {
        let to = self.folder.join(name);
        fs::create_dir_all(&self.folder).map_err(|source| not_written(&to, source))?;
        replace(&to, text)?;
        Ok(to)
    }
}

/// Puts a file with this text in the place of `path`, in a folder that is there.
///
/// # Errors
///
/// [`TransferError::Put`]; an earlier file is as it was then.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), TransferError> {
    write_over(path, text).map_err(|source| not_written(path, source))
}

fn not_written(path: &Path, source: io::Error) -> TransferError {
    TransferError::Put {
        file: path.to_owned(),
        to: path.to_owned(),
        source,
    }
}

fn write_over(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut new = tempfile::Builder::new();
    // As a file has them that nobody makes in secret.
    new.permissions(fs::Permissions::from_mode(0o666));
    let mut new = new.prefix(".").tempfile_in(folder)?;
    new.write_all(text.as_bytes())?;
    new.persist(path)?;
    Ok(())
}

fn link(file: &Path, to: &Path) -> io::Result<()> {
    let file = &file.canonicalize()?;
    match fs::hard_link(file, to) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // Another file system, as with a DVD's destdir; that one stays.
        Err(_) if file.metadata()?.len() < SMALL => fs::copy(file, to).map(|_| ()),
        Err(_) => std::os::unix::fs::symlink(file, to),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_a_second_name_there() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("boot.iso");
        fs::write(&file, "image").unwrap();
        let outbox = Outbox::of(dir.path());
        let there = outbox.add(&file, "Fedora-43.1.iso").unwrap();
        assert_eq!(there, dir.path().join("outbox/Fedora-43.1.iso"));
        assert_eq!(fs::read_to_string(&there).unwrap(), "image");
        assert!(outbox.add(&file, "Fedora-43.1.iso").is_err());
        outbox.write("report", "one").unwrap();
        let report = outbox.write("report", "two").unwrap();
        assert_eq!(fs::read_to_string(report).unwrap(), "two");
    }

    #[test]
    fn what_was_written_before_stays_as_it_is_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let outbox = Outbox::of(dir.path());
        let report = outbox.write("report", "one").unwrap();
        let delivered = dir.path().join("delivered");
        fs::hard_link(&report, &delivered).unwrap();
        outbox.write("report", "two").unwrap();
        assert_eq!(fs::read_to_string(delivered).unwrap(), "one");
        let mode = report.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o600, 0o600);
        assert_eq!(outbox.folder().read_dir().unwrap().count(), 1);
    }
}
