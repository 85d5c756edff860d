//! Adding to the ledger: entries that come together go to the disk together.
//!
//! A commit waits for the disk, which takes as long for one entry as for many.

use sqlx::{Connection, Sqlite, SqlitePool, Transaction};
use tokio::sync::{mpsc, oneshot};

use crate::database::reason;
use crate::jobs::Line;

/// As many wishes go into one transaction at most.
const TOGETHER: usize = 256;

const APPEND: &str = "INSERT INTO ledger (entry) VALUES ($1) RETURNING place";

const WAKE: &str = "INSERT INTO hints (arch, release, place) VALUES ($1, $2, $3)";

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
            while wishes.recv_many(&mut together, TOGETHER).await > 0 {
                append_all(&writer, &mut together).await;
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
    for row in rows {
        insert(&mut transaction, row).await.map_err(told)?;
    }
    transaction.commit().await.map_err(told)
}

async fn insert(
    transaction: &mut Transaction<'_, Sqlite>,
    (entry, wakes): &Row,
) -> Result<(), sqlx::Error> {
    let place: i64 = sqlx::query_scalar(APPEND)
        .bind(entry.as_slice())
        .fetch_one(&mut **transaction)
        .await?;
    if let Some(line) = wakes {
        sqlx::query(WAKE)
            .bind(line.arch.as_str())
            .bind(line.release.as_str())
            .bind(place)
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
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
