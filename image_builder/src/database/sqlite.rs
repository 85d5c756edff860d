//! SQLite files: one connection that writes, and some that read beside it.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{Connection, Executor};

use super::{Steps, migrate, reason};

/// All that this program keeps in SQLite files: a file may hold records, a queue, or both.
const STEPS: Steps = &[
    (
        "jobs",
        include_str!("../../migrations/sqlite/0001_jobs.sql"),
    ),
    (
        "queue",
        include_str!("../../migrations/sqlite/0002_queue.sql"),
    ),
    (
        "wishes",
        include_str!("../../migrations/sqlite/0003_wishes.sql"),
    ),
    (
        "accounts",
        include_str!("../../migrations/sqlite/0004_accounts.sql"),
    ),
    (
        "images",
        include_str!("../../migrations/sqlite/0005_images.sql"),
    ),
    (
        "words",
        include_str!("../../migrations/sqlite/0006_words.sql"),
    ),
    (
        "ledger_time",
        include_str!("../../migrations/sqlite/0007_ledger_time.sql"),
    ),
    (
        "bookmarks",
        include_str!("../../migrations/sqlite/0008_bookmarks.sql"),
    ),
];

/// What was written is on disk, also when the power fails: as in [`options`].
const DURABLE: &str = "PRAGMA synchronous = FULL";

/// Whose file it is, in its header: `fbs1`.
const APPLICATION: i32 = 0x6662_7331;

/// What is said of a file that is not ours.
const FOREIGN: &str = "it is a database of another program";

/// So long one process waits for another that writes.
const PATIENCE: Duration = Duration::from_secs(30);

/// As many answers are looked for at a time.
const READERS: u32 = 4;

/// What each of those keeps of the file, in KiB below zero as SQLite wants it: the system's cache is behind it.
const READER_CACHE: &str = "-512";

/// An open file. What one process has written, all others see.
#[derive(Debug, Clone)]
pub(crate) struct SqliteFile {
    /// Of one connection: SQLite has one writer at a time.
    pub(crate) writer: SqlitePool,
    /// The same for what may be lost when the power fails, without waiting for the disk.
    pub(crate) quick: SqlitePool,
    pub(crate) readers: SqlitePool,
}

impl SqliteFile {
    /// Opens a file, and makes it where there is none, with the folder that it is in.
    ///
    /// # Errors
    ///
    /// Why it cannot be used.
    pub(crate) async fn open(path: &Path) -> Result<Self, String> {
        Self::open_with(path, |writer| writer).await
    }

    /// The same for who begins some transactions with another `synchronous`: afterwards the writer waits for the disk again.
    ///
    /// [`quick`](Self::quick) is a second connection, for which SQLite has the writer sleep and try again; transactions of
    /// one connection take turns.
    ///
    /// # Errors
    ///
    /// As of [`open`](Self::open).
    pub(crate) async fn open_restoring(path: &Path) -> Result<Self, String> {
        let restoring = |writer: SqlitePoolOptions| {
            writer.after_release(|connection, _| {
                Box::pin(async move {
                    connection.execute(DURABLE).await?;
                    Ok(true)
                })
            })
        };
        Self::open_with(path, restoring).await
    }

    async fn open_with(
        path: &Path,
        writer: impl FnOnce(SqlitePoolOptions) -> SqlitePoolOptions,
    ) -> Result<Self, String> {
        if let Some(folder) = path.parent() {
            let made = std::fs::create_dir_all(folder);
            made.map_err(|error| format!("its folder cannot be made: {error}"))?;
        }
        let options = options(path);
        prepare(&options).await?;
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(PATIENCE)
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false)
        };
        Ok(Self {
            writer: writer(pool(1)).connect_lazy_with(options.clone()),
            quick: pool(1)
                .connect_lazy_with(options.clone().synchronous(SqliteSynchronous::Normal)),
            readers: pool(READERS)
                .connect_lazy_with(options.read_only(true).pragma("cache_size", READER_CACHE)),
        })
    }

    /// A connection of its own.
    ///
    /// # Errors
    ///
    /// The database's.
    pub(crate) async fn connect(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
        SqliteConnection::connect_with(&options(path).read_only(true)).await
    }

    /// Whether a file is one of ours. Nothing is changed in it.
    ///
    /// # Errors
    ///
    /// Why it cannot be used.
    pub(crate) async fn check(path: &Path) -> Result<(), String> {
        let told = |error: sqlx::Error| reason(&error);
        let mut connection = Self::connect(path).await.map_err(told)?;
        let application: i32 = sqlx::query_scalar("PRAGMA application_id")
            .fetch_one(&mut connection)
            .await
            .map_err(told)?;
        connection.close().await.map_err(told)?;
        match application {
            APPLICATION => Ok(()),
            _ => Err(FOREIGN.to_owned()),
        }
    }

    /// Closes it; what was written is in the file itself then.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.quick.close().await;
        self.writer.close().await;
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true)
        .busy_timeout(PATIENCE)
        // What was written is on disk, also when the power fails.
        .synchronous(SqliteSynchronous::Full)
}

/// Makes a new file ours, and brings an old one up to date. Other processes may do the same now.
async fn prepare(options: &SqliteConnectOptions) -> Result<(), String> {
    let told = |error: sqlx::Error| reason(&error);
    let wal = options.clone().journal_mode(SqliteJournalMode::Wal);
    let started = Instant::now();
    let mut connection = loop {
        // SQLite does not wait for others when a file becomes one with a write-ahead log.
        match SqliteConnection::connect_with(&wal).await {
            Err(error) if is_busy(&error) && started.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            other => break other.map_err(told)?,
        }
    };
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(told)?;
    let application: i32 = sqlx::query_scalar("PRAGMA application_id")
        .fetch_one(&mut *transaction)
        .await
        .map_err(told)?;
    if application != APPLICATION {
        let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
            .fetch_one(&mut *transaction)
            .await
            .map_err(told)?;
        if tables > 0 {
            return Err(FOREIGN.to_owned());
        }
        let ours = sqlx::AssertSqlSafe(format!("PRAGMA application_id = {APPLICATION}"));
        transaction.execute(ours).await.map_err(told)?;
    }
    migrate(&mut *transaction, STEPS).await?;
    transaction.commit().await.map_err(told)?;
    connection.close().await.map_err(told)
}

/// Whether somebody else has the file locked.
fn is_busy(error: &sqlx::Error) -> bool {
    /// <https://www.sqlite.org/rescode.html#busy>, also with more in its upper bits.
    const BUSY: u32 = 5;
    let code = error.as_database_error().and_then(|error| error.code());
    code.and_then(|code| code.parse::<u32>().ok())
        .is_some_and(|code| code & 0xff == BUSY)
}
