//! Adding to the ledger: entries that come together go to the disk together.
//!
//! A commit waits for the disk, which takes as long for one entry as for many. What is as old as a broker would keep it
//! is forgotten on the way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use sqlx::{Executor, QueryBuilder, Sqlite, SqlitePool};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::database::reason;
use crate::database::script::{ROWS, push_rows};
use crate::jobs::{Entry, Line};
use crate::queue::wire::digest;
use crate::queue::{LEDGER_DAYS, LedgerItem, NewEntry, QueueError, encode};

/// As many wishes go into one transaction at most.
const TOGETHER: usize = 256;

/// The last place that was given away.
const END: &str = "(SELECT seq FROM sqlite_sequence WHERE name = 'ledger')";

/// How often what is older is removed.
const SWEEP: Duration = Duration::from_secs(60 * 60);

/// So many at once, that others may write in between.
const FORGET: &str = "DELETE FROM ledger WHERE place IN
    (SELECT place FROM ledger WHERE time < $1 ORDER BY time LIMIT 1000)";

/// What was added last is kept for those who read it in this process: so many transactions, until all have it.
const AHEAD: usize = 8;

/// As much of one transaction, in bytes. What is larger they read from the file.
const KEPT: usize = 1 << 20;

/// An entry as it is stored.
#[derive(Debug)]
pub(super) struct Row {
    message: Vec<u8>,
    entry: Entry,
    /// The line whose workers it wakes.
    wakes: Option<Line>,
}

impl Row {
    /// # Errors
    ///
    /// [`QueueError::TooLarge`]
    pub(super) fn of(new: &NewEntry) -> Result<Self, QueueError> {
        Ok(Self {
            message: encode(&new.entry)?,
            entry: new.entry.clone(),
            wakes: new.wakes.clone(),
        })
    }

    /// What is read of it at its place.
    fn item(&self, place: i64) -> LedgerItem {
        LedgerItem::Entry {
            // SQLite counts from 1.
            place: u64::try_from(place).unwrap_or_default(),
            entry: Box::new(self.entry.clone()),
            digest: digest(&self.message),
        }
    }
}

/// What was added together, each with its place, in their order.
pub(super) type Added = Arc<[(i64, LedgerItem)]>;

/// Entries of one wish, all or none of them, and who waits until they are on the disk.
#[derive(Debug)]
struct Wish {
    rows: Vec<Row>,
    done: oneshot::Sender<Result<(), String>>,
}

/// Takes entries, and adds them in the order in which they come. It ends with what is waited for when it is dropped.
#[derive(Debug)]
pub(super) struct Appender {
    wishes: mpsc::Sender<Wish>,
    added: broadcast::Sender<Added>,
}

impl Appender {
    pub(super) fn start(writer: SqlitePool) -> Self {
        let (sender, mut wishes) = mpsc::channel(TOGETHER);
        let (added, _) = broadcast::channel(AHEAD);
        let readers = added.clone();
        tokio::spawn(async move {
            let mut together = Vec::new();
            let mut swept = None::<Instant>;
            while wishes.recv_many(&mut together, TOGETHER).await > 0 {
                append_all(&writer, &readers, &mut together).await;
                if swept.is_none_or(|swept| swept.elapsed() > SWEEP) {
                    swept = Some(Instant::now());
                    // It is tried again.
                    if let Err(error) = forget(&writer).await {
                        tracing::debug!("what is old in the ledger: {error}");
                    }
                }
            }
        });
        Self {
            wishes: sender,
            added,
        }
    }

    /// What is added from now on, while whoever wants it keeps up.
    pub(super) fn added(&self) -> broadcast::Receiver<Added> {
        self.added.subscribe()
    }

    /// Adds entries. They are on the disk when it returns.
    pub(super) async fn append(&self, rows: Vec<Row>) -> Result<(), String> {
        let closed = || "it was closed".to_owned();
        let (done, added) = oneshot::channel();
        let sent = self.wishes.send(Wish { rows, done }).await;
        sent.map_err(|_| closed())?;
        added.await.map_err(|_| closed())?
    }
}

async fn append_all(
    writer: &SqlitePool,
    readers: &broadcast::Sender<Added>,
    wishes: &mut Vec<Wish>,
) {
    let rows: Vec<&Row> = wishes.iter().flat_map(|wish| &wish.rows).collect();
    let added = append(writer, readers, &rows).await;
    let alone = wishes.len() == 1;
    for Wish { rows, done } in wishes.drain(..) {
        let added = match &added {
            // One of them may be what is wrong with all.
            Err(_) if !alone => append(writer, readers, &rows.iter().collect::<Vec<_>>()).await,
            added => added.clone(),
        };
        // Whoever has gone away finds it in the ledger.
        let _ = done.send(added);
    }
}

async fn append(
    writer: &SqlitePool,
    readers: &broadcast::Sender<Added>,
    rows: &[&Row],
) -> Result<(), String> {
    let last = insert(writer, rows).await.map_err(|error| reason(&error))?;
    let bytes: usize = rows.iter().map(|row| row.message.len()).sum();
    if readers.receiver_count() > 0 && bytes <= KEPT {
        let first = last + 1 - i64::try_from(rows.len()).unwrap_or_default();
        let items = (first..).zip(rows);
        let added = items.map(|(place, row)| (place, row.item(place))).collect();
        // The last one has gone meanwhile.
        let _ = readers.send(added);
    }
    Ok(())
}

/// Inserts rows in their order, behind each other; gives the place of the last one.
async fn insert(writer: &SqlitePool, rows: &[&Row]) -> Result<i64, sqlx::Error> {
    let mut connection = writer.acquire().await?;
    let mut query = insertion(rows);
    // Whoever asks for one row has nothing executed that comes behind it.
    let inserted: Result<Vec<i64>, _> =
        query.build_query_scalar().fetch_all(&mut *connection).await;
    if inserted.is_err() {
        // What was refused leaves the transaction open; if there is none, that is well.
        let _ = connection.execute("ROLLBACK").await;
    }
    inserted?.pop().ok_or(sqlx::Error::RowNotFound)
}

/// The whole transaction in one go: each statement would be a way to SQLite's thread and back.
fn insertion(rows: &[&Row]) -> QueryBuilder<Sqlite> {
    let now = Timestamp::now().as_millisecond();
    // What is read first in a transaction may be old when it writes.
    let mut query = QueryBuilder::new("BEGIN IMMEDIATE");
    for rows in rows.chunks(ROWS) {
        query.push(";\nINSERT INTO ledger (entry, time) ");
        push_rows(&mut query, rows, |values, row| {
            values.push_bind(row.map(|row| row.message.as_slice()));
            values.push_bind(row.map(|_| now));
        });
        let wakes = (1..).zip(rows.iter().rev());
        let wakes = wakes.filter_map(|(number, row)| Some((number, row.wakes.as_ref()?)));
        let mut wakes: Vec<(i64, &Line)> = wakes.collect();
        wakes.reverse();
        if !wakes.is_empty() {
            query.push(";\nINSERT INTO hints (arch, release, place) SELECT column1, column2, ");
            query.push(END).push(" + 1 - column3 FROM (");
            push_rows(&mut query, &wakes, |values, wake| {
                values
                    .push_bind(wake.map(|(_, line)| line.arch.as_str()))
                    .push_bind(wake.map(|(_, line)| line.release.as_str()))
                    .push_bind(wake.map(|(number, _)| *number));
            });
            query.push(")");
        }
    }
    query.push(";\nSELECT ").push(END).push(";\nCOMMIT");
    query
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
        let wakes = |text: &str| Row {
            wakes: Some(line.clone()),
            ..row(text)
        };
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
        Row {
            message: text.as_bytes().to_vec(),
            entry: Entry::Mark {
                mark: text.to_owned(),
            },
            wakes: None,
        }
    }

    #[tokio::test]
    async fn each_has_the_place_that_is_told_and_hinted_at() {
        let dir = tempfile::tempdir().unwrap();
        let sqlite = SqliteFile::open(&dir.path().join("jobs.sqlite"))
            .await
            .unwrap();
        let appender = Appender::start(sqlite.writer.clone());
        let mut added = appender.added();
        let row = |number: usize| Row {
            wakes: number.is_multiple_of(3).then(|| Line {
                arch: "x86_64".to_owned(),
                release: number.to_string(),
            }),
            ..row(&number.to_string())
        };
        for rows in [0..1, 1..6, 6..150] {
            appender.append(rows.map(row).collect()).await.unwrap();
        }
        let mut told = Vec::new();
        while told.len() < 150 {
            let items = added.recv().await.unwrap();
            told.extend(items.iter().map(|(place, item)| match item {
                LedgerItem::Entry { entry, .. } => (*place, entry.as_ref().clone()),
                other => panic!("{other:?}"),
            }));
        }
        let read: Vec<(i64, Vec<u8>)> =
            sqlx::query_as("SELECT place, entry FROM ledger ORDER BY place")
                .fetch_all(&sqlite.readers)
                .await
                .unwrap();
        let read = read.into_iter().map(|(place, message)| {
            let mark = String::from_utf8(message).unwrap();
            (place, Entry::Mark { mark })
        });
        assert_eq!(told, read.collect::<Vec<_>>());
        let wrong: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM hints JOIN ledger USING (place) WHERE CAST(entry AS TEXT) <> release",
        )
        .fetch_one(&sqlite.readers)
        .await
        .unwrap();
        let hints: i64 = sqlx::query_scalar("SELECT count(*) FROM hints")
            .fetch_one(&sqlite.readers)
            .await
            .unwrap();
        assert_eq!((hints, wrong), (50, 0));
        sqlite.close().await;
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
