//! The RPMs that were downloaded and verified, shared by all builds of a host.
//!
//! ```text
//! <cache>/rpms/9f/9f3c.../lock                          readers share it, whoever fills has it alone
//!                         bash-5.3-1.fc43.x86_64.rpm    verified; it came here by rename
//!                         bash-5.3-1.fc43.x86_64.rpm.sha256   "<hex> <size> <mtime>"; its mtime: last used
//!                         bash-5.3-1.fc43.x86_64.rpm.part     what is there so far
//! ```
//!
//! An entry is named by the content: the payload hash that Koji promises, or the file's SHA-256. A file
//! enters only when it was verified; a kill at any moment leaves at most a partial file, with which
//! the next download goes on. Repositories get hard links, so that an entry can be pruned while
//! they are in use.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::error::RepoError;
use super::hex;
use super::rpm_file::{self, Expected, IntactRpm};
use crate::cache::EntryLock;

/// The cache of verified RPMs.
#[derive(Debug, Clone)]
pub struct RpmCache {
    root: PathBuf,
}

/// A verified RPM in the cache, which stays there at least as long as this value does.
#[derive(Debug)]
pub struct CachedRpm {
    /// Where it is.
    pub path: PathBuf,
    /// Its name.
    pub file_name: String,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of the whole file, in hex.
    pub sha256: String,
    /// Whether it was in the cache before.
    pub reused: bool,
    _lock: EntryLock,
}

impl CachedRpm {
    /// Puts the RPM into `dir`, as a hard link where that is possible; one that is there is
    /// replaced. Blocks.
    ///
    /// # Errors
    ///
    /// [`RepoError::Io`] or [`RepoError::NoSpace`]
    pub fn place(&self, dir: &Path) -> Result<PathBuf, RepoError> {
        let target = dir.join(&self.file_name);
        // A name that no folder of RPMs takes for an RPM, should we be killed now.
        let fresh = dir.join(format!(".{}.{}", self.file_name, std::process::id()));
        let put = || {
            match fs::remove_file(&fresh) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            match fs::hard_link(&self.path, &fresh) {
                // Another file system, or one without hard links, or too many of them.
                Err(error) if error.kind() != io::ErrorKind::StorageFull => {
                    fs::copy(&self.path, &fresh)?;
                    let modified = fs::metadata(&self.path)?.modified()?;
                    File::options()
                        .write(true)
                        .open(&fresh)?
                        .set_modified(modified)?;
                }
                other => other?,
            }
            fs::rename(&fresh, &target)?;
            // Two links to one file: rename then does nothing, and leaves both.
            let _ = fs::remove_file(&fresh);
            Ok(())
        };
        put().map_err(|error| {
            let _ = fs::remove_file(&fresh);
            RepoError::io(&target)(error)
        })?;
        Ok(target)
    }
}

impl RpmCache {
    /// The cache in the folder `cache`, which is made if it is not there. Blocks.
    ///
    /// # Errors
    ///
    /// [`RepoError::Io`]
    pub fn open(cache: &Path) -> Result<Self, RepoError> {
        let root = cache.join("rpms");
        fs::create_dir_all(&root).map_err(RepoError::io(&root))?;
        Ok(Self { root })
    }

    /// Its folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of the entry `key`, which begins with a checksum in hex.
    pub(super) fn folder(&self, key: &str) -> PathBuf {
        self.root.join(&key[..2]).join(key)
    }

    /// The RPM `file_name` in the entry that `lock` is on, if it is there and as `expected`.
    pub(super) fn lookup(
        lock: EntryLock,
        file_name: &str,
        expected: &Expected,
    ) -> io::Result<Result<CachedRpm, EntryLock>> {
        let path = lock.folder().join(file_name);
        let Some(meta) = regular(&path)? else {
            return Ok(Err(lock));
        };
        let note = note_path(&path);
        let known = fs::read_to_string(&note).ok().and_then(|text| {
            let sha256 = text.strip_suffix(&note_tail(&meta))?;
            hex::is_hex(sha256, 32).then(|| sha256.to_owned())
        });
        let sha256 = match known {
            Some(sha256) => sha256,
            // Somebody touched the file, or the note was lost: the file itself must tell.
            None => match rpm_file::verify(&path, expected.clone())? {
                Ok(intact) => {
                    // Without a note the next one reads the file again.
                    let _ = write_note(&path, &meta, &intact.sha256);
                    intact.sha256
                }
                Err(_) => return Ok(Err(lock)),
            },
        };
        let signed = match &expected.keyring {
            None => true,
            Some(keyring) => match rpm_file::read_head(&mut File::open(&path)?)? {
                Ok((head, layout)) => rpm_file::parse(&head, layout)
                    .and_then(|metadata| keyring.check(&metadata))
                    .is_ok(),
                Err(_) => false,
            },
        };
        if !signed || expected.sha256.as_ref().is_some_and(|it| *it != sha256) {
            return Ok(Err(lock));
        }
        // For pruning; a cache that cannot be written to is still good to read.
        let _ = File::options()
            .write(true)
            .open(&note)
            .and_then(|note| note.set_modified(SystemTime::now()));
        Ok(Ok(CachedRpm {
            path,
            file_name: file_name.to_owned(),
            size: meta.len(),
            sha256,
            reused: true,
            _lock: lock,
        }))
    }

    /// The partial file of `file_name` becomes an entry's file: it was verified, and `lock` is the
    /// only one.
    pub(super) fn commit(lock: &EntryLock, file_name: &str, intact: &IntactRpm) -> io::Result<()> {
        let path = lock.folder().join(file_name);
        fs::rename(part_path(lock.folder(), file_name), &path)?;
        write_note(&path, &fs::metadata(&path)?, &intact.sha256)
    }
}

/// Where the bytes of `file_name` are collected.
pub(super) fn part_path(folder: &Path, file_name: &str) -> PathBuf {
    folder.join(format!("{file_name}.part"))
}

fn note_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sha256");
    name.into()
}

/// What a note has behind the checksum: it holds for a file that was not touched since.
fn note_tail(meta: &fs::Metadata) -> String {
    format!(
        " {} {}.{:09}\n",
        meta.len(),
        meta.mtime(),
        meta.mtime_nsec()
    )
}

fn write_note(path: &Path, meta: &fs::Metadata, sha256: &str) -> io::Result<()> {
    let note = note_path(path);
    let fresh = note.with_extension("sha256-new");
    fs::write(&fresh, format!("{sha256}{}", note_tail(meta)))?;
    fs::rename(fresh, note)
}

fn regular(path: &Path) -> io::Result<Option<fs::Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(meta) => Ok(meta.is_file().then_some(meta)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
