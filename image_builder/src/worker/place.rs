//! Where a worker works, and what it is called.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

/// The folder of a worker is its own as long as this is held, and no longer than its process lasts.
#[derive(Debug)]
pub struct FolderLock(#[expect(dead_code, reason = "it is held")] File);

impl FolderLock {
    /// Makes the folder where there is none, and takes it.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::ResourceBusy`] if another worker has it; the operating system's.
    pub fn take(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let file = File::create(folder.join("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "another worker builds there",
            )),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// A name as a worker can have it: it is part of a topic, where dots have a meaning.
#[must_use]
pub fn plain_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    name.chars()
        .map(|c| if plain(c) { c } else { '-' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_worker() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        let lock = FolderLock::take(&folder).unwrap();
        let error = FolderLock::take(&folder).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
        drop(lock);
        FolderLock::take(&folder).unwrap();
        assert_eq!(plain_name("a.example/b_1"), "a-example-b_1");
    }
}
