//! A SQLite file as the queue of one machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use fbs_suite::need::{self, Need};
use fbs_suite::python::sql;
use image_builder::error::{ErrorKind, StageError};
use image_builder::jobs::Entry;
use image_builder::queue::{
    Address, BusMessage, JobQueue, LedgerItem, Local, NewEntry, QueueError, catch_up,
};

use super::Place;
use super::contract::CHECKS;

const PYTHON: &[Need] = &[Need::Tool("python3")];

struct File(PathBuf);

#[async_trait]
impl Place for File {
    async fn open(&self) -> Result<Arc<dyn JobQueue>, QueueError> {
        Ok(Arc::new(Local::open(&self.0).await?))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let file = File(folder.path().join("state").join(Local::FILE));
    for (name, check) in CHECKS {
        let started = Instant::now();
        check(&file).await;
        println!("{name}: {:.1} s", started.elapsed().as_secs_f64());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_process_writes_is_seen_and_rubbish_stops_nobody() {
    if !need::met(&[PYTHON]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(Local::FILE);
    let queue = Local::open(&file).await.unwrap();
    let mut items = catch_up(&queue, None, |_, _| {}).await.unwrap();
    let entries = [
        r#"{"fbs": 1, "mark": "one"}"#,
        "rubbish",
        r#"{"fbs": 99, "mark": "later"}"#,
        r#"{"fbs": 1, "mark": "two"}"#,
    ];
    let statement = format!(
        "INSERT INTO ledger (entry) VALUES ('{}')",
        entries.join("'), ('")
    );
    sql(&file, &statement);
    let written = Instant::now();
    let mut heard = Vec::new();
    while heard.len() < 4 {
        let item = tokio::time::timeout(Duration::from_secs(10), items.recv());
        heard.push(match item.await.unwrap().unwrap() {
            LedgerItem::Entry { entry, .. } => format!("{entry:?}"),
            LedgerItem::Unreadable { reason, .. } => reason,
            other => panic!("{other:?}"),
        });
    }
    assert!(written.elapsed() < Duration::from_millis(200));
    assert_eq!(heard[0], r#"Mark { mark: "one" }"#);
    assert!(heard[1].starts_with("no JSON of ours: "), "{heard:?}");
    assert!(
        heard[2].starts_with("version 99 of the format"),
        "{heard:?}"
    );
    assert_eq!(heard[3], r#"Mark { mark: "two" }"#);
}

#[tokio::test]
async fn messages_are_kept_for_a_minute_and_entries_for_longer() {
    if !need::met(&[PYTHON]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(Local::FILE);
    let to = Address::Topic("presence".to_owned());
    let queue = Local::open(&file).await.unwrap();
    let mark = Entry::Mark {
        mark: "old".to_owned(),
    };
    queue.append(&[NewEntry::from(mark)]).await.unwrap();
    for _ in 0..3 {
        queue.send(&to, &BusMessage::default()).await.unwrap();
    }
    assert_eq!(sql(&file, "SELECT count(*) FROM bus"), "[(3,)]");
    sql(&file, "UPDATE bus SET time = time - 61000 WHERE number < 3");
    queue.close().await;
    // Another process tidies up as well.
    let queue = Local::open(&file).await.unwrap();
    queue.send(&to, &BusMessage::default()).await.unwrap();
    assert_eq!(sql(&file, "SELECT number FROM bus"), "[(3,), (4,)]");
    assert_eq!(sql(&file, "SELECT count(*) FROM ledger"), "[(1,)]");
}

#[tokio::test]
async fn a_place_that_is_none_is_one_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text");
    std::fs::write(&text, "a line of text\n".repeat(1000)).unwrap();
    for (path, words) in [
        (text.as_path(), "file is not a database"),
        (folder.path(), "unable to open database file"),
        (
            Path::new("/proc/none/jobs.sqlite"),
            "its folder cannot be made",
        ),
    ] {
        let error = Local::open(path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Host);
        let text = error.to_string();
        let begin = format!("the queue {}: ", path.display());
        assert!(text.starts_with(&begin) && text.contains(words), "{text}");
    }
    let file = folder.path().join(Local::FILE);
    let queue = Local::open(&file).await.unwrap();
    let name = format!("sqlite://{}", file.canonicalize().unwrap().display());
    assert_eq!(queue.name(), name);
    let around = folder.path().join(".").join(Local::FILE);
    assert_eq!(Local::open(&around).await.unwrap().name(), name);
}
