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
    tellers: Arc<Tellers>,
    looking: AbortHandle,
}

/// Tell of what others have written, and of what this process itself has.
#[derive(Debug, Default)]
struct Tellers {
    ledger: watch::Sender<()>,
    hints: watch::Sender<()>,
    bus: watch::Sender<()>,
}

impl Wake {
    /// Is told of what others write from now on; what this process adds comes from [`Appender::added`].
    ///
    /// [`Appender::added`]: super::append::Appender::added
    pub(super) fn ledger(&self) -> watch::Receiver<()> {
        self.tellers.ledger.subscribe()
    }

    /// Is told when there may be more hints.
    pub(super) fn hints(&self) -> watch::Receiver<()> {
        self.tellers.hints.subscribe()
    }

    /// Is told when there may be more messages.
    pub(super) fn bus(&self) -> watch::Receiver<()> {
        self.tellers.bus.subscribe()
    }
}

impl Tellers {
    fn tell_all(&self) {
        for teller in [&self.ledger, &self.hints, &self.bus] {
            teller.send_replace(());
        }
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
        let tellers = Arc::new(Tellers::default());
        let looking = tokio::spawn(look(path.to_owned(), Arc::clone(&tellers)));
        let wake = Arc::new(Wake {
            tellers,
            looking: looking.abort_handle(),
        });
        *shared = Arc::downgrade(&wake);
        wake
    }

    /// This process itself has hinted at jobs.
    pub(super) fn hinted(&self) {
        self.tell(|tellers| &tellers.hints);
    }

    /// This process itself has sent messages.
    pub(super) fn sent(&self) {
        self.tell(|tellers| &tellers.bus);
    }

    fn tell(&self, of: impl Fn(&Tellers) -> &watch::Sender<()>) {
        let shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wake) = shared.upgrade() {
            of(&wake.tellers).send_replace(());
        }
    }
}

/// Looks until nobody wants to know.
async fn look(path: PathBuf, tellers: Arc<Tellers>) {
    loop {
        if let Ok(mut connection) = SqliteFile::connect(&path).await {
            // It ends with an error. What has changed before the first look is not known here.
            let _ = compare(&mut connection, &tellers).await;
        }
        // Those who read meet the error as well, and tell it.
        tellers.tell_all();
        tokio::time::sleep(PAUSE).await;
    }
}

async fn compare(connection: &mut SqliteConnection, tellers: &Tellers) -> Result<(), sqlx::Error> {
    let mut known = None;
    loop {
        let version: i64 = sqlx::query_scalar(VERSION)
            .fetch_one(&mut *connection)
            .await?;
        if known.replace(version) != Some(version) {
            tellers.tell_all();
        }
        tokio::time::sleep(EVERY).await;
    }
}
