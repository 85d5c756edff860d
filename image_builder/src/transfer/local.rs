//! Staging in a folder of this host.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::{Delivery, Transfer, TransferError};
use crate::context::CancellationToken;
use crate::copy;

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

/// How many builds of one name and second are told apart.
const ATTEMPTS: u32 = 1000;

#[async_trait]
impl Transfer for Local {
    async fn check(&self) -> Result<(), TransferError> {
        fs::create_dir_all(&self.folder).map_err(|error| self.unusable(&error))?;
        // Root may write where the mode says no, but not on a read-only file system.
        tempfile::Builder::new()
            .prefix(".fbs-check-")
            .tempfile_in(&self.folder)
            .map(|_| ())
            .map_err(|error| self.unusable(&error))
    }

    async fn reserve(&self, name: &str) -> Result<PathBuf, TransferError> {
        fs::create_dir_all(&self.folder).map_err(|error| self.unusable(&error))?;
        for attempt in 1..=ATTEMPTS {
            let folder = match attempt {
                1 => self.folder.join(name),
                n => self.folder.join(format!("{name}-{n}")),
            };
            match fs::create_dir(&folder) {
                Ok(()) => return Ok(folder),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(self.unusable(&error)),
            }
        }
        Err(self.unusable(&io::ErrorKind::AlreadyExists.into()))
    }

    async fn put(
        &self,
        folder: &Path,
        delivery: &Delivery,
        cancel: &CancellationToken,
    ) -> Result<PathBuf, TransferError> {
        let to = folder.join(&delivery.name);
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
        Ok(to)
    }
}

/// A second name for the file where work and staging share a file system, else a copy.
fn put(file: &Path, to: &Path, cancel: &CancellationToken) -> io::Result<()> {
    if cancel.is_cancelled() {
        return Err(io::ErrorKind::Interrupted.into());
    }
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

    #[tokio::test]
    async fn files_arrive_whole_under_their_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("boot.iso");
        fs::write(&file, "image").unwrap();
        let staging = Local::new(dir.path().join("a/b"));
        staging.check().await.unwrap();
        let folder = staging.reserve("Fedora-43.1").await.unwrap();
        let delivery = Delivery {
            file,
            name: "Fedora-43.1.x86_64.iso".into(),
        };
        let cancel = CancellationToken::new();
        let to = staging.put(&folder, &delivery, &cancel).await.unwrap();
        assert_eq!(
            to,
            dir.path().join("a/b/Fedora-43.1/Fedora-43.1.x86_64.iso")
        );
        assert_eq!(fs::read_to_string(&to).unwrap(), "image");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn another_build_s_folder_and_files_are_never_touched() {
        let dir = tempfile::tempdir().unwrap();
        let staging = Local::new(dir.path());
        let first = staging.reserve("x").await.unwrap();
        let second = staging.reserve("x").await.unwrap();
        assert_ne!(first, second);
        let file = dir.path().join("new");
        fs::write(&file, "new").unwrap();
        fs::write(first.join("f"), "old").unwrap();
        let error = staging
            .put(
                &first,
                &Delivery {
                    file,
                    name: "f".into(),
                },
                &CancellationToken::new(),
            )
            .await
            .unwrap_err();
        assert!(matches!(error, TransferError::Put { .. }), "{error}");
        assert_eq!(fs::read_to_string(first.join("f")).unwrap(), "old");
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
