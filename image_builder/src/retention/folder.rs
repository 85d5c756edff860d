//! The folder that images were delivered into.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::delivery::{Delivered, folders, is_image};
use crate::jobs::JobId;

/// Its id is in a file of it: masters whose records are in one store may have a folder each, or share one.
const ID: &str = ".folder-id";

/// A folder in which each job has one, named by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFolder(PathBuf);

impl ImageFolder {
    /// The one at this path. It may come to be later.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Its id, the same wherever it is mounted. `None`: there is no folder yet.
    ///
    /// # Errors
    ///
    /// The operating system's, and a file that has no id.
    pub fn id(&self) -> io::Result<Option<String>> {
        if !self.0.is_dir() {
            return Ok(None);
        }
        let path = self.0.join(ID);
        if !path.exists() {
            let mut new = tempfile::Builder::new()
                .prefix(".fbs-")
                .tempfile_in(&self.0)?;
            writeln!(new, "{}", JobId::new(Timestamp::now()))?;
            new.as_file().sync_all()?;
            match new.persist_noclobber(&path) {
                // Another was quicker.
                Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
                written => drop(written?),
            }
        }
        let text = fs::read_to_string(&path)?;
        match JobId::parse(text.trim_end()) {
            Some(id) => Ok(Some(id.to_string())),
            None => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{ID} in it has no id"),
            )),
        }
    }

    /// The jobs that have a folder in it, in order. What is named otherwise is none of ours.
    #[must_use]
    pub fn jobs(&self) -> Vec<JobId> {
        let names = folders(&self.0).filter_map(|(name, _)| JobId::parse(name.to_str()?));
        let mut jobs: Vec<JobId> = names.collect();
        jobs.sort();
        jobs
    }

    /// What was delivered of a job, the newest first.
    #[must_use]
    pub fn delivered(&self, job: &JobId) -> Vec<Delivered> {
        Delivered::all(&self.0, job)
    }

    /// Whether a job has anything that looks like an image, whatever its report says. Reads names only, and is quick.
    #[must_use]
    pub fn has_images(&self, job: &JobId) -> bool {
        folders(&self.0.join(job.as_str())).any(|(_, folder)| {
            let entries = folder.read_dir().into_iter().flatten().flatten();
            entries.into_iter().any(|entry| {
                // Of a link itself, not of what it leads to.
                let meta = entry.metadata().ok().filter(fs::Metadata::is_file);
                let name = entry.file_name();
                meta.is_some_and(|meta| is_image(&name.to_string_lossy(), meta.len()))
            })
        })
    }
}

/// The bytes of images that are there.
pub(super) fn bytes(delivered: &[Delivered]) -> u64 {
    let files = delivered.iter().flat_map(|delivered| {
        let paths = delivered.images().map(|file| delivered.file(&file.name));
        paths.flatten()
    });
    files
        .filter_map(|path| Some(path.metadata().ok()?.len()))
        .sum()
}
