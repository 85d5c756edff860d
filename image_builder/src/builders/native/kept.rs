//! Parts that are kept from build to build, and what their keys are made of.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::job::Job;
use crate::cache::{Key, Kind};
use crate::compose::ComposeError;
use crate::process::Invocation;

/// A program or file of the host that makes parts: as long as it is not replaced, it makes the same.
#[derive(Debug, Serialize)]
pub(super) struct Tool {
    path: PathBuf,
    size: u64,
    modified: (i64, i64),
}

impl Tool {
    /// The program `name`; nothing where it is not there, as its first run will say.
    pub(super) fn program(name: &str) -> Option<Self> {
        Self::file(&which::which(name).ok()?)
    }

    /// The file at `path`.
    pub(super) fn file(path: &Path) -> Option<Self> {
        let meta: Metadata = path.metadata().ok()?;
        Some(Self {
            path: path.to_owned(),
            size: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
        })
    }
}

impl Job<'_> {
    /// A command line as it would be in any other build's folder.
    pub(super) fn anywhere(&self, command: &Invocation) -> String {
        let work = self.layout.job().to_string_lossy().into_owned();
        command.to_string().replace(&work, "{work}")
    }

    /// Puts the file of the entry `key`, of which nothing is noted, to `to`; `false` if it is not kept.
    pub(super) fn take(&self, kind: Kind, key: &Key, to: &Path) -> Result<bool, ComposeError> {
        let entry = self
            .store(kind)
            .get::<()>(key)
            .map_err(self.cache_error())?;
        if let Some(entry) = &entry {
            self.link(&entry.data(), to).map_err(self.cache_error())?;
        }
        Ok(entry.is_some())
    }

    /// Keeps `file` as the entry `key`.
    pub(super) fn keep<N: Serialize + DeserializeOwned>(
        &self,
        kind: Kind,
        key: &Key,
        file: &Path,
        note: N,
    ) -> Result<(), ComposeError> {
        let store = self.store(kind);
        let keep = || {
            let fresh = store.fresh()?;
            self.link(file, &fresh.data())?;
            store.put(key, fresh, note)
        };
        keep().map(drop).map_err(self.cache_error())
    }

    /// A second name for a file: where nobody else gets it, who might change it in its place.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent)?;
        }
        if !self.wants_tree && std::fs::hard_link(from, to).is_ok() {
            return Ok(());
        }
        std::fs::copy(from, to).map(drop)
    }
}
