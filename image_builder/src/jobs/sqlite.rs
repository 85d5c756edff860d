//! Records of jobs in a SQLite file.

use std::path::Path;

use sqlx::Sqlite;

use super::StoreError;
use super::batch::Way;
use super::sql::SqlStore;
use crate::database::sqlite::SqliteFile;

const TAKE_IN: Way = Way {
    // Does not wait for the disk: what a power cut takes is read from the ledger again, as how far that was taken in
    // goes with it.
    begin: "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE",
    // It is another thread that executes them.
    in_one_go: true,
    bytes: 1 << 20,
};

/// Records of jobs in a SQLite file, which other processes may write into as well.
pub type SqliteStore = SqlStore<Sqlite>;

impl SqliteStore {
    /// Opens the file, and makes it where there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Open`]: it is no database of ours, it is of a newer version, or it cannot be written.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let opened = SqliteFile::open_restoring(path).await;
        let file = opened.map_err(|reason| refuse(path, reason))?;
        Ok(Self {
            writer: file.writer,
            readers: file.readers,
            take_in: TAKE_IN,
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

#[cfg(test)]
mod tests {
    use sqlx::{Connection, SqliteConnection};

    use super::*;

    async fn synchronous(connection: &mut SqliteConnection) -> i64 {
        let query = sqlx::query_scalar("PRAGMA synchronous");
        query.fetch_one(connection).await.unwrap()
    }

    #[tokio::test]
    async fn only_what_the_ledger_has_as_well_does_not_wait_for_the_disk() {
        // <https://www.sqlite.org/pragma.html#pragma_synchronous>
        const NORMAL: i64 = 1;
        const FULL: i64 = 2;
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&dir.path().join("store.sqlite"))
            .await
            .unwrap();
        for ends_well in [true, false] {
            let mut taking_in = store.writer.begin_with(store.take_in.begin).await.unwrap();
            assert_eq!(synchronous(&mut taking_in).await, NORMAL);
            if ends_well {
                taking_in.commit().await.unwrap();
            } else {
                drop(taking_in);
            }
            let mut connection = store.writer.acquire().await.unwrap();
            assert_eq!(synchronous(&mut connection).await, FULL);
            // The transaction has ended with its connection's turn.
            connection.begin().await.unwrap().rollback().await.unwrap();
        }
        store.close().await;
    }
}
