//! Adding to the ledger: entries that come together go to the disk together.
//!
//! A commit waits for the disk, which takes as long for one entry as for many. What is as old as a broker would keep it
//! is forgotten on the way.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use sqlx::{Connection, QueryBuilder, Sqlite, SqlitePool, Transaction};
use tokio::sync::{mpsc, oneshot};

use crate::database::reason;
use crate::jobs::Line;
use crate::queue::LEDGER_DAYS;

/// As many wishes go into one transaction at most.
const TOGETHER: usize = 256;

/// As many rows go into one statement: SQLite takes 32,766 values at most.
const ROWS: usize = 64;

/// How often what is older is removed.
const SWEEP: Duration = Duration::from_secs(60 * 60);

/// So many at once, that others may write in between.
const FORGET: &str = "DELETE FROM ledger WHERE place IN
    (SELECT place FROM ledger WHERE time < $1 ORDER BY time LIMIT 1000)";

/// An entry as it is stored, and the line whose workers it wakes.
pub(super) type Row = (Vec<u8>, Option<Line>);

/// Entries of one wish, all or none of them, and who waits until they are on the disk.
#[derive(Debug)]
struct Wish {
    rows: Vec<Row>,
    done: oneshot::Sender<Result<(), String>>,
}

/// Takes entries, and adds them in the order in which they come. It ends with what is waited for when it is dropped.
#[derive(Debug)]
pub(super) struct Appender(mpsc::Sender<Wish>);

impl Appender {
    pub(super) fn start(writer: SqlitePool) -> Self {
        let (sender, mut wishes) = mpsc::channel(TOGETHER);
        tokio::spawn(async move {
            let mut together = Vec::new();
            let mut swept = None::<Instant>;
            while wishes.recv_many(&mut together, TOGETHER).await > 0 {
                append_all(&writer, &mut together).await;
                if swept.is_none_or(|swept| swept.elapsed() > SWEEP) {
                    swept = Some(Instant::now());
                    // It is tried again.
                    if let Err(error) = forget(&writer).await {
                        tracing::debug!("what is old in the ledger: {error}");
                    }
                }
            }
        });
        Self(sender)
    }

    /// Adds entries. They are on the disk when it returns.
    pub(super) async fn append(&self, rows: Vec<Row>) -> Result<(), String> {
        let closed = || "it was closed".to_owned();
        let (done, added) = oneshot::channel();
        let sent = self.0.send(Wish { rows, done }).await;
        sent.map_err(|_| closed())?;
        added.await.map_err(|_| closed())?
    }
}

async fn append_all(writer: &SqlitePool, wishes: &mut Vec<Wish>) {
    let rows: Vec<&Row> = wishes.iter().flat_map(|wish| &wish.rows).collect();
    let added = append(writer, &rows).await;
    let alone = wishes.len() == 1;
    for Wish { rows, done } in wishes.drain(..) {
        let added = match &added {
            // One of them may be what is wrong with all.
            Err(_) if !alone => append(writer, &rows.iter().collect::<Vec<_>>()).await,
            added => added.clone(),
        };
        // Whoever has gone away finds it in the ledger.
        let _ = done.send(added);
    }
}

async fn append(writer: &SqlitePool, rows: &[&Row]) -> Result<(), String> {
    let told = |error: sqlx::Error| reason(&error);
    let mut connection = writer.acquire().await.map_err(told)?;
    // What is read first in a transaction may be old when it writes.
    let transaction = connection.begin_with("BEGIN IMMEDIATE").await;
    let mut transaction = transaction.map_err(told)?;
    for rows in rows.chunks(ROWS) {
        insert(&mut transaction, rows).await.map_err(told)?;
    }
    transaction.commit().await.map_err(told)
}

async fn insert(
    transaction: &mut Transaction<'_, Sqlite>,
    rows: &[&Row],
) -> Result<(), sqlx::Error> {
    let now = Timestamp::now().as_millisecond();
    let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO ledger (entry, time) ");
    query.push_values(rows, |mut values, (entry, _)| {
        values.push_bind(entry.as_slice()).push_bind(now);
    });
    query.push(" RETURNING place");
    let is_one = rows.len() == 1;
    let mut places: Vec<i64> = query
        .build_query_scalar()
        .persistent(is_one)
        .fetch_all(&mut **transaction)
        .await?;
    // Each is behind the one before it; SQLite does not promise to tell them in that order.
    places.sort_unstable();
    let places = places.into_iter().zip(rows);
    let wakes = places.filter_map(|(place, (_, line))| Some((place, line.as_ref()?)));
    let wakes: Vec<(i64, &Line)> = wakes.collect();
    if wakes.is_empty() {
        return Ok(());
    }
    let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO hints (arch, release, place) ");
    query.push_values(wakes, |mut values, (place, line)| {
        values
            .push_bind(line.arch.as_str())
            .push_bind(line.release.as_str())
            .push_bind(place);
    });
    let query = query.build().persistent(is_one);
    query.execute(&mut **transaction).await?;
    Ok(())
}

/// Removes what is older than [`LEDGER_DAYS`], with the hints that are about it.
async fn forget(writer: &SqlitePool) -> Result<(), sqlx::Error> {
    let oldest = Timestamp::now() - SignedDuration::from_hours(24 * i64::from(LEDGER_DAYS));
    loop {
        let removed = sqlx::query(FORGET)
            .bind(oldest.as_millisecond())
            .execute(writer)
            .await?;
        if removed.rows_affected() == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::sqlite::SqliteFile;

    async fn ledger(sqlite: &SqliteFile) -> Vec<Vec<u8>> {
        sqlx::query_scalar("SELECT entry FROM ledger ORDER BY place")
            .fetch_all(&sqlite.readers)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn what_is_older_than_a_broker_would_keep_it_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jobs.sqlite");
        let sqlite = SqliteFile::open(&path).await.unwrap();
        let line = Line {
            arch: "x86_64".to_owned(),
            release: "43".to_owned(),
        };
        let wakes = |text: &str| (text.as_bytes().to_vec(), Some(line.clone()));
        let appender = Appender::start(sqlite.writer.clone());
        let many: Vec<Row> = (0..1500).map(|number| wakes(&number.to_string())).collect();
        appender.append(many).await.unwrap();
        sqlx::query("UPDATE ledger SET time = time - 90 * 86400000 WHERE place <= 1200")
            .execute(&sqlite.writer)
            .await
            .unwrap();
        // The one before has swept already.
        let appender = Appender::start(sqlite.writer.clone());
        appender.append(vec![wakes("new")]).await.unwrap();
        // It is there before anything is removed, which the next one waits for.
        appender.append(vec![row("last")]).await.unwrap();
        let kept = ledger(&sqlite).await;
        assert_eq!((kept.len(), &*kept[0]), (302, &b"1200"[..]));
        let hints: (i64, i64) = sqlx::query_as("SELECT count(*), min(place) FROM hints")
            .fetch_one(&sqlite.readers)
            .await
            .unwrap();
        assert_eq!(hints, (301, 1201));
        sqlite.close().await;
    }

    fn row(text: &str) -> Row {
        (text.as_bytes().to_vec(), None)
    }

    #[tokio::test]
    async fn what_is_refused_takes_nobody_along() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jobs.sqlite");
        let sqlite = SqliteFile::open(&path).await.unwrap();
        // Something that SQLite refuses.
        sqlx::query(
            "CREATE TRIGGER no BEFORE INSERT ON ledger WHEN NEW.entry = x'6e6f'
             BEGIN SELECT RAISE(ABORT, 'not this one'); END",
        )
        .execute(&sqlite.writer)
        .await
        .unwrap();
        let appender = Appender::start(sqlite.writer.clone());
        let (first, refused, last) = tokio::join!(
            appender.append(vec![row("a"), row("b")]),
            appender.append(vec![row("c"), row("no")]),
            appender.append(vec![row("d")]),
        );
        assert_eq!((first, last), (Ok(()), Ok(())));
        assert!(refused.unwrap_err().contains("not this one"));
        assert_eq!(ledger(&sqlite).await, [b"a", b"b", b"d"]);
        sqlite.close().await;
        appender.append(vec![row("e")]).await.unwrap_err();
    }
}
