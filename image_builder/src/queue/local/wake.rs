//! Telling those who read the file that it has changed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use sqlx::SqliteConnection;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::database::sqlite::SqliteFile;

/// How often the file is looked at for what other processes have done.
const EVERY: Duration = Duration::from_millis(50);

/// After an error.
const PAUSE: Duration = Duration::from_secs(1);

/// Changes with another connection's commit: <https://www.sqlite.org/pragma.html#pragma_data_version>.
const VERSION: &str = "PRAGMA data_version";

/// Tells of changes of the file until it is dropped.
#[derive(Debug)]
pub(super) struct Wake {
    changes: watch::Sender<()>,
    seen: watch::Sender<()>,
    looking: AbortHandle,
}

impl Wake {
    /// Is told of what is written from now on, and once at the beginning.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// The same for who hears in another way of what this process writes: it is told of that as late as of what others
    /// write.
    pub(super) fn seen(&self) -> watch::Receiver<()> {
        self.seen.subscribe()
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

/// The one of a process, while anybody wants it.
#[derive(Debug, Default)]
pub(super) struct Shared(Mutex<Weak<Wake>>);

impl Shared {
    pub(super) fn get(&self, path: &Path) -> Arc<Wake> {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wake) = shared.upgrade() {
            return wake;
        }
        let (changes, _) = watch::channel(());
        let (seen, _) = watch::channel(());
        let looking = tokio::spawn(look(path.to_owned(), changes.clone(), seen.clone()));
        let wake = Arc::new(Wake {
            changes,
            seen,
            looking: looking.abort_handle(),
        });
        *shared = Arc::downgrade(&wake);
        wake
    }

    /// This process itself has written.
    pub(super) fn now(&self) {
        let shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wake) = shared.upgrade() {
            wake.changes.send_replace(());
        }
    }
}

/// Looks until nobody wants to know.
async fn look(path: PathBuf, changes: watch::Sender<()>, seen: watch::Sender<()>) {
    let tell = || {
        seen.send_replace(());
        changes.send_replace(());
    };
    loop {
        if let Ok(mut connection) = SqliteFile::connect(&path).await {
            // It ends with an error. What has changed before the first look is not known here.
            let _ = compare(&mut connection, tell).await;
        }
        // Those who read meet the error as well, and tell it.
        tell();
        tokio::time::sleep(PAUSE).await;
    }
}

async fn compare(connection: &mut SqliteConnection, tell: impl Fn()) -> Result<(), sqlx::Error> {
    let mut known = None;
    loop {
        let version: i64 = sqlx::query_scalar(VERSION)
            .fetch_one(&mut *connection)
            .await?;
        if known.replace(version) != Some(version) {
            tell();
        }
        tokio::time::sleep(EVERY).await;
    }
}
