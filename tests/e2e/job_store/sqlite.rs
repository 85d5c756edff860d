//! In a SQLite file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use fbs_suite::need::{self, Need};
use fbs_suite::python::sql;
use image_builder::accounts::AccountStore;
use image_builder::error::{ErrorKind, StageError};
use image_builder::jobs::{JobStore, SqliteStore, StoreError};
use image_builder::retention::ImageStore;

use super::Home;
use super::contract::CHECKS;

const PYTHON: &[Need] = &[Need::Tool("python3")];

struct File(PathBuf);

#[async_trait]
impl Home for File {
    async fn open(&self) -> Result<Arc<dyn JobStore>, StoreError> {
        Ok(Arc::new(SqliteStore::open(&self.0).await?))
    }

    async fn images(&self) -> Arc<dyn ImageStore> {
        Arc::new(SqliteStore::open(&self.0).await.unwrap())
    }

    async fn accounts(&self) -> Arc<dyn AccountStore> {
        Arc::new(SqliteStore::open(&self.0).await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sqlite_file_keeps_the_contract() {
    for (number, (name, check)) in CHECKS.iter().enumerate() {
        let started = Instant::now();
        let folder = tempfile::tempdir().unwrap();
        check(&File(folder.path().join(format!("{number}/jobs.sqlite")))).await;
        println!("{name}: {:.1} s", started.elapsed().as_secs_f64());
    }
}

async fn refused(file: &Path, words: &str) {
    let error = SqliteStore::open(file).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Host);
    assert!(!error.is_transient());
    let begin = format!("the job store {} cannot be opened: ", file.display());
    let text = error.to_string();
    assert!(text.starts_with(&begin) && text.contains(words), "{text}");
}

#[tokio::test]
async fn what_is_written_is_written_for_good() {
    if !need::met(&[PYTHON]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jobs.sqlite");
    SqliteStore::open(&file).await.unwrap().close().await;
    assert_eq!(sql(&file, "PRAGMA journal_mode"), "[('wal',)]");
    // All of it is in one file when nobody has it open.
    let left = fs::read_dir(folder.path()).unwrap();
    assert_eq!(left.count(), 1);
}

#[tokio::test]
async fn a_file_that_is_none_of_ours_is_left_alone() {
    if !need::met(&[PYTHON]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("text"), "a line of text\n".repeat(1000)).unwrap();
    refused(&path("text"), "file is not a database").await;
    sql(&path("other"), "CREATE TABLE bookmarks (address TEXT)");
    let before = fs::read(path("other")).unwrap();
    refused(&path("other"), "a database of another program").await;
    refused(folder.path(), "unable to open database file").await;
    refused(
        Path::new("/proc/nothing/jobs.sqlite"),
        "its folder cannot be made",
    )
    .await;
    sql(&path("other"), "SELECT * FROM bookmarks");
    assert_eq!(fs::read(path("other")).unwrap().len(), before.len());
    assert!(sql(&path("other"), "SELECT name FROM sqlite_master").contains("bookmarks"));
    assert!(!sql(&path("other"), "SELECT name FROM sqlite_master").contains("jobs"));
}

#[tokio::test]
async fn a_file_of_a_newer_program_is_refused() {
    if !need::met(&[PYTHON]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jobs.sqlite");
    SqliteStore::open(&file).await.unwrap().close().await;
    let newer = "INSERT INTO _sqlx_migrations VALUES (99, 'later', 0, 1, x'00', 0)";
    sql(&file, newer);
    refused(
        &file,
        "its schema is of version 99, and this program knows up to",
    )
    .await;
}
