//! Locks on the entries of the cache, between threads as well as between processes.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The name of the lock in an entry's folder.
pub(crate) const LOCK: &str = "lock";

/// A lock that is held until it is dropped, or its process ends, however it ends
/// ([flock](https://man7.org/linux/man-pages/man2/flock.2.html)).
#[derive(Debug)]
pub(crate) struct EntryLock {
    file: File,
    folder: PathBuf,
}

impl Drop for EntryLock {
    fn drop(&mut self) {
        // As with `FolderLock`: closing the file would not always do.
        let _ = self.file.unlock();
    }
}

impl EntryLock {
    /// A lock that readers of `folder` share; the folder is made. `None`: somebody is filling or
    /// removing the entry.
    pub(crate) fn shared(folder: &Path) -> io::Result<Option<Self>> {
        Self::lock(folder, File::try_lock_shared)
    }

    /// The only lock on `folder`, which is made. `None`: somebody else uses the entry.
    pub(crate) fn exclusive(folder: &Path) -> io::Result<Option<Self>> {
        Self::lock(folder, File::try_lock)
    }

    /// The entry's folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn lock(
        folder: &Path,
        lock: impl Fn(&File) -> Result<(), TryLockError>,
    ) -> io::Result<Option<Self>> {
        let path = folder.join(LOCK);
        loop {
            fs::create_dir_all(folder)?;
            let opened = File::options()
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path);
            let file = match opened {
                // Whoever prunes has just removed the folder.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            match lock(&file) {
                Err(TryLockError::WouldBlock) => return Ok(None),
                other => other?,
            }
            // The lock counts only if it is on the file that everybody else will open.
            let ours = file.metadata()?;
            match fs::metadata(&path) {
                Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => {
                    return Ok(Some(Self {
                        file,
                        folder: folder.to_owned(),
                    }));
                }
                _ => {}
            }
        }
    }
}
