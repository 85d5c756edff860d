//! A queue for the processes of one machine, in a SQLite file: no broker, no network.

mod append;
mod bus;
mod hints;
mod ledger;
mod wake;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::{Address, BusMessage, Hint, Inbox, JobQueue, LedgerItem, NewEntry, QueueError};
use crate::database::reason;
use crate::database::sqlite::SqliteFile;
use crate::jobs::{Bookmark, Entry, JobEventKind, JobRequest, Line};
use append::{Appender, Row};
use wake::Wake;

/// Entries that are read ahead.
const AHEAD: usize = 64;

const ENTRY: &str = "SELECT entry FROM ledger WHERE place = $1";

/// A queue in a file. Processes that have it open hear of each other within 50 ms.
#[derive(Debug, Clone)]
pub struct Local {
    file: Arc<LocalFile>,
}

/// The file, with what those who read it share.
#[derive(Debug)]
struct LocalFile {
    path: PathBuf,
    sqlite: SqliteFile,
    appender: Appender,
    wake: wake::Shared,
    sweep: bus::Sweep,
}

impl Local {
    /// The name of the file in the folder of a host's state ([`crate::build_monitor::state_dir`]).
    pub const FILE: &str = "jobs.sqlite";

    /// Opens the queue in the file at `path`, and makes it where there is none.
    ///
    /// # Errors
    ///
    /// [`QueueError::Database`]: it is no file of ours, or of a newer version, or cannot be written.
    pub async fn open(path: &Path) -> Result<Self, QueueError> {
        let refuse = |reason: String| QueueError::Database {
            place: path.display().to_string(),
            reason,
        };
        let sqlite = SqliteFile::open(path).await.map_err(refuse)?;
        // Equal files have equal names.
        let path = path
            .canonicalize()
            .map_err(|error| refuse(error.to_string()))?;
        let file = LocalFile {
            path,
            appender: Appender::start(sqlite.writer.clone()),
            sqlite,
            wake: wake::Shared::default(),
            sweep: bus::Sweep::default(),
        };
        Ok(Self {
            file: Arc::new(file),
        })
    }

    /// Closes it: what is read from it ends.
    pub async fn close(&self) {
        self.file.sqlite.close().await;
    }
}

impl LocalFile {
    fn failure(&self, error: &sqlx::Error) -> QueueError {
        self.refuse(reason(error))
    }

    fn refuse(&self, reason: String) -> QueueError {
        QueueError::Database {
            place: self.path.display().to_string(),
            reason,
        }
    }

    /// What tells of changes, for as long as it is held.
    fn wake(&self) -> Arc<Wake> {
        self.wake.get(&self.path)
    }

    async fn entry(&self, place: u64) -> Result<Option<Vec<u8>>, sqlx::Error> {
        sqlx::query_scalar(ENTRY)
            .bind(i64::try_from(place).unwrap_or(i64::MAX))
            .fetch_optional(&self.sqlite.readers)
            .await
    }
}

#[async_trait]
impl JobQueue for Local {
    fn name(&self) -> String {
        format!("sqlite://{}", self.file.path.display())
    }

    async fn append(&self, entries: &[NewEntry]) -> Result<(), QueueError> {
        let rows: Result<Vec<_>, QueueError> = entries.iter().map(Row::of).collect();
        let appended = self.file.appender.append(rows?).await;
        appended.map_err(|reason| self.file.refuse(reason))?;
        if entries.iter().any(|new| new.wakes.is_some()) {
            self.file.wake.hinted();
        }
        Ok(())
    }

    fn ledger(&self, after: Option<Bookmark>) -> mpsc::Receiver<LedgerItem> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        tokio::spawn(ledger::read(Arc::clone(&self.file), after, sender));
        receiver
    }

    async fn request(&self, place: u64) -> Result<JobRequest, QueueError> {
        let entry = self.file.entry(place).await;
        let entry = entry.map_err(|error| self.file.failure(&error))?;
        match super::decode(&entry.ok_or(QueueError::Forgotten)?)? {
            Entry::Job(event) => match event.kind {
                JobEventKind::Queued { request } => Ok(*request),
                _ => Err(QueueError::Forgotten),
            },
            _ => Err(QueueError::Forgotten),
        }
    }

    fn hints(&self, lines: &[Line], limit: u16) -> mpsc::Receiver<Hint> {
        let (sender, receiver) = mpsc::channel(usize::from(limit.max(1)));
        let lines = lines.to_vec();
        let limit = usize::from(limit.max(1));
        tokio::spawn(hints::hand_out(
            Arc::clone(&self.file),
            lines,
            limit,
            sender,
        ));
        receiver
    }

    async fn send(&self, to: &Address, message: &BusMessage) -> Result<(), QueueError> {
        let sent = bus::send(&self.file, to, message).await;
        sent.map_err(|error| self.file.failure(&error))?;
        self.file.wake.sent();
        Ok(())
    }

    async fn listen(&self, topics: &[&str]) -> Result<Inbox, QueueError> {
        let topics = topics.iter().map(|&topic| topic.to_owned()).collect();
        let inbox = bus::listen(Arc::clone(&self.file), topics).await;
        inbox.map_err(|error| self.file.failure(&error))
    }
}
