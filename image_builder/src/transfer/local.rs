//! Staging in a folder of this host.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::{Checked, Delivered, Delivery, Progress, Transfer, TransferError, folder_names};
use crate::context::CancellationToken;
use crate::copy;
use crate::host::free_bytes;

/// A folder; made when it is not there.
#[derive(Debug, Clone)]
pub struct Local {
    folder: PathBuf,
}

impl Local {
    /// Staging in `folder`.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    fn unusable(&self, error: &io::Error) -> TransferError {
        TransferError::Unusable {
            path: self.folder.clone(),
            problem: match error.kind() {
                io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                    "is not a folder".to_owned()
                }
                _ => format!("cannot be written to: {error}"),
            },
        }
    }
}

/// Space that a staging folder has to have before a build, in bytes.
const SPACE: u64 = 64 * 1024 * 1024;

#[async_trait]
impl Transfer for Local {
    async fn check(&self) -> Result<(), TransferError> {
        fs::create_dir_all(&self.folder).map_err(|error| self.unusable(&error))?;
        // Root may write where the mode says no, but not on a read-only file system.
        tempfile::Builder::new()
            .prefix(".fbs-check-")
            .tempfile_in(&self.folder)
            .map_err(|error| self.unusable(&error))?;
        match free_bytes(&self.folder) {
            Ok(free) if free < SPACE => Err(TransferError::Unusable {
                path: self.folder.clone(),
                problem: format!("has {} MiB free, too few for an image", free >> 20),
            }),
            // A file system that does not tell may have enough.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    async fn reserve(&self, name: &str) -> Result<String, TransferError> {
        fs::create_dir_all(&self.folder).map_err(|error| self.unusable(&error))?;
        for name in folder_names(name) {
            match fs::create_dir(self.folder.join(&name)) {
                Ok(()) => return Ok(name),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(self.unusable(&error)),
            }
        }
        Err(self.unusable(&io::ErrorKind::AlreadyExists.into()))
    }

    fn address(&self, folder: &str) -> String {
        self.folder.join(folder).to_string_lossy().into_owned()
    }

    async fn put(
        &self,
        folder: &str,
        delivery: &Delivery,
        _: &Progress,
        cancel: &CancellationToken,
    ) -> Result<Delivered, TransferError> {
        let to = self.folder.join(folder).join(&delivery.name);
        let failed = |source: io::Error| match cancel.is_cancelled() {
            true => TransferError::Cancelled,
            false => TransferError::Put {
                file: delivery.file.clone(),
                to: to.clone(),
                source,
            },
        };
        let (file, target, cancel) = (delivery.file.clone(), to.clone(), cancel.clone());
        tokio::task::spawn_blocking(move || put(&file, &target, &cancel))
            .await
            .map_err(|error| failed(io::Error::other(error)))?
            .map_err(failed)?;
        Ok(Delivered {
            address: to.to_string_lossy().into_owned(),
            checked: Checked::Local,
        })
    }
}

/// A second name for the file where work and staging share a file system, else a copy.
fn put(file: &Path, to: &Path, cancel: &CancellationToken) -> io::Result<()> {
    if cancel.is_cancelled() {
        return Err(io::ErrorKind::Interrupted.into());
    }
    // Of what a symbolic link leads to, not of the link.
    let file = &file.canonicalize()?;
    if fs::hard_link(file, to).is_ok() {
        return Ok(());
    }
    let folder = to.parent().unwrap_or(Path::new("."));
    let mut partial = tempfile::Builder::new()
        .prefix(".fbs-")
        .suffix(".part")
        .tempfile_in(folder)?;
    copy::contents(&mut fs::File::open(file)?, partial.as_file_mut(), cancel)?;
    partial
        .as_file()
        .set_permissions(fs::metadata(file)?.permissions())?;
    partial.as_file().sync_all()?;
    // Never over another file.
    partial.persist_noclobber(to)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(file: PathBuf, name: &str) -> Delivery {
        Delivery {
            file,
            name: name.to_owned(),
            sha256: None,
        }
    }

    async fn put(
        staging: &Local,
        folder: &str,
        one: &Delivery,
    ) -> Result<Delivered, TransferError> {
        let cancel = CancellationToken::new();
        staging.put(folder, one, &Progress::silent(), &cancel).await
    }

    #[tokio::test]
    async fn files_arrive_whole_under_their_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("boot.iso");
        fs::write(&file, "image").unwrap();
        let staging = Local::new(dir.path().join("a/b"));
        staging.check().await.unwrap();
        let folder = staging.reserve("Fedora-43.1").await.unwrap();
        let one = delivery(file, "Fedora-43.1.x86_64.iso");
        let to = put(&staging, &folder, &one).await.unwrap().address;
        let expected = dir.path().join("a/b/Fedora-43.1/Fedora-43.1.x86_64.iso");
        assert_eq!(Path::new(&to), expected);
        assert_eq!(fs::read_to_string(&to).unwrap(), "image");
        assert_eq!(fs::read_dir(staging.address(&folder)).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn another_build_s_folder_and_files_are_never_touched() {
        let dir = tempfile::tempdir().unwrap();
        let staging = Local::new(dir.path());
        let first = staging.reserve("x").await.unwrap();
        let second = staging.reserve("x").await.unwrap();
        assert_eq!((first.as_str(), second.as_str()), ("x", "x-2"));
        let file = dir.path().join("new");
        fs::write(&file, "new").unwrap();
        let old = dir.path().join("x/f");
        fs::write(&old, "old").unwrap();
        let error = put(&staging, &first, &delivery(file, "f"))
            .await
            .unwrap_err();
        assert!(matches!(error, TransferError::Put { .. }), "{error}");
        assert_eq!(fs::read_to_string(old).unwrap(), "old");
    }

    #[tokio::test]
    async fn of_a_symbolic_link_the_file_is_delivered() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("image"), dir.path().join("link"));
        fs::write(&file, "image").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let staging = Local::new(dir.path().join("out"));
        let folder = staging.reserve("x").await.unwrap();
        let to = put(&staging, &folder, &delivery(link, "f")).await.unwrap();
        assert!(fs::symlink_metadata(&to.address).unwrap().is_file());
    }

    #[tokio::test]
    async fn a_file_in_the_folder_s_place_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Local::new(&file).check().await.unwrap_err().to_string();
        assert_eq!(
            error,
            format!("the staging folder {} is not a folder", file.display())
        );
    }
}
