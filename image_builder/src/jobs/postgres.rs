//! Records of jobs in PostgreSQL.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{Connection, Postgres};

use super::StoreError;
use super::batch::Way;
use super::sql::SqlStore;
use crate::database::{Steps, migrate, reason};
use crate::redact;

const STEPS: Steps = &[
    (
        "jobs",
        include_str!("../../migrations/postgres/0001_jobs.sql"),
    ),
    (
        "wishes",
        include_str!("../../migrations/postgres/0002_wishes.sql"),
    ),
    (
        "accounts",
        include_str!("../../migrations/postgres/0003_accounts.sql"),
    ),
    (
        "images",
        include_str!("../../migrations/postgres/0004_images.sql"),
    ),
    (
        "words",
        include_str!("../../migrations/postgres/0005_words.sql"),
    ),
    (
        "bookmarks",
        include_str!("../../migrations/postgres/0006_bookmarks.sql"),
    ),
];

/// As many connections a master needs at most.
const CONNECTIONS: u32 = 8;

/// So long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

const TAKE_IN: Way = Way {
    // A server that loses its last seconds is not this process, which goes on behind them.
    begin: "BEGIN",
    in_one_go: false,
    // What does not fit into one record of TLS leaves sqlx in several writes, and each of them waits 40 ms for a server
    // that does not answer before it has all: sqlx does not turn Nagle's algorithm off.
    bytes: 8 * 1024,
};

/// Records of jobs in PostgreSQL, which several masters may write into at once.
pub type PostgresStore = SqlStore<Postgres>;

impl PostgresStore {
    /// Connects to `postgres://user:password@host:port/database`, and makes the tables where there
    /// are none. What the address does not say comes from libpq's variables, such as `PGPASSWORD`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Open`]: nobody answers there, the server refuses, or the tables are of a newer version.
    pub async fn connect(address: &str) -> Result<Self, StoreError> {
        let refuse = |reason: String| StoreError::Open {
            place: redact::passwords(address).into_owned(),
            reason,
        };
        let told = |error: sqlx::Error| refuse(reason(&error));
        let options = PgConnectOptions::from_str(address).map_err(told)?;
        let options = options.application_name("fbs");
        let mut connection = connection(&options).await.map_err(refuse)?;
        migrate(&mut connection, STEPS).await.map_err(refuse)?;
        connection.close().await.map_err(told)?;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(PATIENCE)
            .connect_lazy_with(options);
        Ok(Self {
            writer: pool.clone(),
            readers: pool,
            take_in: TAKE_IN,
        })
    }

    /// Whether the server is there and lets us in. Nothing is changed there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Open`].
    pub async fn check(address: &str) -> Result<(), StoreError> {
        let refuse = |reason: String| StoreError::Open {
            place: redact::passwords(address).into_owned(),
            reason,
        };
        let options = PgConnectOptions::from_str(address);
        let options = options.map_err(|error| refuse(reason(&error)))?;
        let connection = connection(&options).await.map_err(refuse)?;
        let closed = connection.close().await;
        closed.map_err(|error| refuse(reason(&error)))
    }
}

/// One connection by itself: a pool goes on trying, and says only that it took too long.
async fn connection(options: &PgConnectOptions) -> Result<PgConnection, String> {
    let connected = tokio::time::timeout(PATIENCE, PgConnection::connect_with(options)).await;
    connected
        .map_err(|_| format!("no answer within {} s", PATIENCE.as_secs()))?
        .map_err(|error| reason(&error))
}
