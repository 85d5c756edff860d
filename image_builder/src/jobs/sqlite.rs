//! Records of jobs in a SQLite file.

use std::path::Path;

use sqlx::Sqlite;

use super::StoreError;
use super::sql::SqlStore;
use crate::database::sqlite::SqliteFile;

/// Records of jobs in a SQLite file, which other processes may write into as well.
pub type SqliteStore = SqlStore<Sqlite>;

impl SqliteStore {
    /// Opens the file, and makes it where there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Open`]: it is no database of ours, it is of a newer version, or it cannot be written.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let opened = SqliteFile::open(path).await;
        let file = opened.map_err(|reason| refuse(path, reason))?;
        Ok(Self {
            writer: file.writer,
            readers: file.readers,
        })
    }

    /// Whether a file is one of ours. Nothing is changed in it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Open`]
    pub async fn check(path: &Path) -> Result<(), StoreError> {
        let checked = SqliteFile::check(path).await;
        checked.map_err(|reason| refuse(path, reason))
    }
}

fn refuse(path: &Path, reason: String) -> StoreError {
    StoreError::Open {
        place: path.display().to_string(),
        reason,
    }
}
