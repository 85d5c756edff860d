//! The folder of a repository: its RPMs, and the exchange of its repodata.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::error::RepoError;

/// What the folders begin with that are to become repodata.
const FRESH: &str = ".repodata-";

/// The folder of the repodata in that of the repository.
const REPODATA: &str = "repodata";

/// Held by whoever writes the repodata of a folder: a lock on the folder itself.
#[derive(Debug)]
pub(super) struct FolderLock(File);

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Closing would not do: a program that another thread is just starting has the file open,
        // too, until its own code runs.
        let _ = self.0.unlock();
    }
}

/// Locks `dir`, until what is returned is dropped.
pub(super) fn lock(dir: &Path) -> Result<FolderLock, RepoError> {
    let folder = File::open(dir).map_err(RepoError::io(dir))?;
    match folder.try_lock() {
        Ok(()) => Ok(FolderLock(folder)),
        Err(TryLockError::WouldBlock) => Err(RepoError::Busy(dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(RepoError::io(dir)(error)),
    }
}

/// The RPMs in `dir` and the folders below it, as paths below `dir`, sorted. Links to files are
/// followed, links to folders are not; what begins with a dot is none of ours.
pub(super) fn rpms(dir: &Path) -> Result<Vec<String>, RepoError> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        let folder = dir.join(&below);
        for entry in folder.read_dir().map_err(RepoError::io(&folder))? {
            let entry = entry.map_err(RepoError::io(&folder))?;
            let (name, path) = (entry.file_name(), below.join(entry.file_name()));
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let kind = entry.file_type().map_err(RepoError::io(&entry.path()))?;
            if kind.is_dir() {
                if path != Path::new(REPODATA) {
                    folders.push(path);
                }
            } else if name.as_encoded_bytes().ends_with(b".rpm") && entry.path().is_file() {
                files.push(nameable(dir, &path)?);
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// `path` as it will stand in XML and in addresses.
fn nameable(dir: &Path, path: &Path) -> Result<String, RepoError> {
    let problem = match path.to_str() {
        None => "its name is not UTF-8",
        Some(name) if name.chars().any(char::is_control) => "its name has control characters",
        Some(name) => return Ok(name.to_owned()),
    };
    Err(RepoError::Unnameable {
        path: dir.join(path),
        problem: problem.to_owned(),
    })
}

/// The folder of the repodata, if it may be one: what is not a folder is somebody else's.
pub(super) fn check_repodata(dir: &Path) -> Result<(), RepoError> {
    let repodata = dir.join(REPODATA);
    match fs::symlink_metadata(&repodata) {
        Ok(found) if !found.is_dir() => Err(RepoError::NotAFolder(repodata)),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(RepoError::io(&repodata)(error))
        }
        _ => Ok(()),
    }
}

/// Whether a file of a repodata folder is what this program or `createrepo_c` writes anew: `repomd.xml`, and the
/// lists and groups, with or without the checksum in front of their names.
fn is_renewed(name: &[u8]) -> bool {
    let Ok(name) = std::str::from_utf8(name) else {
        return false;
    };
    let is_sum = |text: &str| text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (with_sum, plain) = match name.split_once('-') {
        Some((sum, plain)) if is_sum(sum) => (true, plain),
        _ => (false, name),
    };
    let lists = ["primary", "filelists", "other"];
    let list = plain.split_once('.').is_some_and(|(list, ending)| {
        lists.contains(&list) && (ending.starts_with("xml") || ending.starts_with("sqlite"))
    });
    name == "repomd.xml" || list || (with_sum && plain.starts_with("comps.xml"))
}

/// A new repodata folder beside the old one; gone if it is not installed.
#[derive(Debug)]
pub(super) struct Fresh {
    dir: PathBuf,
    folder: tempfile::TempDir,
}

impl Fresh {
    /// Makes it in `dir`, which the caller has locked; what a killed process left goes.
    pub(super) fn create(dir: &Path) -> Result<Self, RepoError> {
        let make = || {
            for entry in dir.read_dir()? {
                let entry = entry?;
                let name = entry.file_name();
                let is_fresh = name.as_encoded_bytes().starts_with(FRESH.as_bytes());
                if is_fresh && entry.file_type()?.is_dir() {
                    fs::remove_dir_all(entry.path())?;
                }
            }
            tempfile::Builder::new()
                .prefix(FRESH)
                .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
                .tempdir_in(dir)
                // Without its own name, which is in the error's words.
                .map_err(|error| io::Error::from(error.kind()))
        };
        Ok(Self {
            dir: dir.to_owned(),
            folder: make().map_err(RepoError::io(dir))?,
        })
    }

    /// Where it is until it is installed.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes it the repodata of its folder; the old repodata goes, but for what others have put there.
    pub(super) fn install(self) -> Result<(), RepoError> {
        let repodata = self.dir.join(REPODATA);
        let fail = RepoError::io(&repodata);
        match exchange(self.path(), &repodata) {
            // What is in our temporary folder now is the old one.
            Ok(Exchange::Swapped) => match keep_foreign(self.path(), &repodata) {
                Ok(()) => self.folder.close().map_err(fail),
                Err(error) => {
                    // Nothing was removed yet.
                    swap(self.path(), &repodata).map_err(RepoError::io(&repodata))?;
                    Err(fail(error))
                }
            },
            Ok(Exchange::Moved) => {
                // Nothing is left to remove.
                let _ = self.folder.keep();
                Ok(())
            }
            Err(error) => Err(fail(error)),
        }
    }
}

/// Moves what is not ours from the old repodata to the new; all of it or nothing.
fn keep_foreign(old: &Path, new: &Path) -> io::Result<()> {
    let mut moved = Vec::new();
    let mut keep = || -> io::Result<()> {
        for entry in old.read_dir()? {
            let entry = entry?;
            let name = entry.file_name();
            let target = new.join(&name);
            let is_file = entry.file_type()?.is_file();
            if (is_file && is_renewed(name.as_encoded_bytes())) || target.symlink_metadata().is_ok()
            {
                continue;
            }
            fs::rename(entry.path(), &target)?;
            moved.push((entry.path(), target));
        }
        Ok(())
    };
    keep().inspect_err(|_| {
        for (from, to) in &moved {
            let _ = fs::rename(to, from);
        }
    })
}

enum Exchange {
    /// Each is where the other was.
    Swapped,
    /// The new one is in place, and there was no old one, or it is gone.
    Moved,
}

/// Puts `fresh` at `place`, so that at no moment something else than the old or the new is there,
/// where the file system can do that.
fn exchange(fresh: &Path, place: &Path) -> io::Result<Exchange> {
    match fs::symlink_metadata(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::rename(fresh, place)?;
            return Ok(Exchange::Moved);
        }
        Err(error) => return Err(error),
        Ok(_) => {}
    }
    if swap(fresh, place).is_ok() {
        return Ok(Exchange::Swapped);
    }
    // NFS and some others cannot swap: for a moment there is none.
    let mut old = fresh.as_os_str().to_owned();
    old.push("-old");
    let old = PathBuf::from(old);
    fs::rename(place, &old)?;
    if let Err(error) = fs::rename(fresh, place) {
        fs::rename(&old, place)?;
        return Err(error);
    }
    if let Err(error) = keep_foreign(&old, place) {
        fs::rename(place, fresh)?;
        fs::rename(&old, place)?;
        return Err(error);
    }
    fs::remove_dir_all(&old)?;
    Ok(Exchange::Moved)
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn swap(one: &Path, other: &Path) -> io::Result<()> {
    use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
    let swapped = renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE);
    swapped.map_err(io::Error::from)
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn swap(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_ends_although_a_child_process_inherits_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = lock(dir.path()).unwrap();
        assert!(matches!(lock(dir.path()), Err(RepoError::Busy(_))));
        let inherited = first.0.try_clone().unwrap();
        drop(first);
        lock(dir.path()).unwrap();
        drop(inherited);
    }

    #[test]
    fn what_others_call_their_files_is_not_renewed() {
        let sum = "0".repeat(64);
        for ours in [
            "repomd.xml".to_owned(),
            "primary.xml.gz".to_owned(),
            format!("{sum}-filelists.xml.zst"),
            format!("{sum}-other.sqlite.bz2"),
            format!("{sum}-comps.xml"),
        ] {
            assert!(is_renewed(ours.as_bytes()), "{ours}");
        }
        for theirs in [
            "mine.txt".to_owned(),
            "other.txt".to_owned(),
            "comps.xml".to_owned(),
            "repomd.xml.asc".to_owned(),
            format!("{sum}-updateinfo.xml.gz"),
            format!("{sum}-modules.yaml.gz"),
        ] {
            assert!(!is_renewed(theirs.as_bytes()), "{theirs}");
        }
    }
}
