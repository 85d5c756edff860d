//! Handing hints out.
//!
//! A hint is a row that stays until somebody has settled it, and all who listen get it: the workers of one
//! machine are few. Who comes second finds the job taken, and looks for another one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sqlx::{QueryBuilder, Sqlite};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::LocalFile;
use crate::jobs::{Entry, JobEvent, Line};
use crate::queue::{Hint, Settled, decode};

/// After so long a hint that was not wanted is given again: others have had it meanwhile.
const AGAIN: Duration = Duration::from_secs(1);

const DONE: &str = "DELETE FROM hints WHERE number = $1";

/// What a listener has been given.
#[derive(Debug, Default)]
struct Given {
    unsettled: BTreeSet<i64>,
    /// Those that it did not want, and since when.
    unwanted: BTreeMap<i64, Instant>,
}

/// Hands out hints of `lines`, at most `limit` that are not settled, until nobody wants them any more.
pub(super) async fn hand_out(
    file: Arc<LocalFile>,
    lines: Vec<Line>,
    limit: usize,
    hints: mpsc::Sender<Hint>,
) {
    let wake = file.wake();
    let mut changes = wake.hints();
    let (settle, mut settled) = mpsc::unbounded_channel::<Settled>();
    let mut given = Given::default();
    while !hints.is_closed() {
        changes.mark_unchanged();
        given.unwanted.retain(|_, since| since.elapsed() < AGAIN);
        match rows(&file, &lines, &given, limit).await {
            Ok(rows) => {
                for (number, entry) in rows {
                    let tag = u64::try_from(number).unwrap_or_default();
                    let hint = Hint::new(event_of(&entry), tag, settle.clone());
                    given.unsettled.insert(number);
                    if hints.send(hint).await.is_err() {
                        break;
                    }
                }
            }
            // It is looked for again with the next change.
            Err(error) => tracing::debug!("hints: {error}"),
        }
        let again = async {
            match given.unwanted.values().min() {
                Some(&first) => tokio::time::sleep_until(first + AGAIN).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = hints.closed() => {}
            // It tells as long as `wake` is held.
            _ = changes.changed() => {}
            () = again => {}
            Some(Settled { tag, taken }) = settled.recv() => {
                let number = i64::try_from(tag).unwrap_or_default();
                match taken {
                    true => done(&file, number).await,
                    false => drop(given.unwanted.insert(number, Instant::now())),
                }
                given.unsettled.remove(&number);
            }
        }
    }
    // Those that were given may still do their work.
    drop(settle);
    while let Some(Settled { tag, taken }) = settled.recv().await {
        if taken {
            done(&file, i64::try_from(tag).unwrap_or_default()).await;
        }
    }
}

/// The next hints, each with the entry that it is about.
async fn rows(
    file: &LocalFile,
    lines: &[Line],
    given: &Given,
    limit: usize,
) -> Result<Vec<(i64, Vec<u8>)>, sqlx::Error> {
    let room = limit.saturating_sub(given.unsettled.len());
    if room == 0 || lines.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::<Sqlite>::new(
        "SELECT number, entry FROM hints JOIN ledger USING (place) WHERE (arch, release) IN (VALUES ",
    );
    let mut values = query.separated(", ");
    for line in lines {
        values.push("(");
        values.push_bind_unseparated(line.arch.as_str());
        values.push_unseparated(", ");
        values.push_bind_unseparated(line.release.as_str());
        values.push_unseparated(")");
    }
    query.push(") AND number NOT IN (");
    let mut numbers = query.separated(", ");
    for &number in given.unsettled.iter().chain(given.unwanted.keys()) {
        numbers.push_bind(number);
    }
    query.push(") ORDER BY number LIMIT ");
    query.push_bind(i64::try_from(room).unwrap_or(i64::MAX));
    query.build_query_as().fetch_all(&file.sqlite.readers).await
}

async fn done(file: &LocalFile, number: i64) {
    let deleted = sqlx::query(DONE)
        .bind(number)
        .execute(&file.sqlite.quick)
        .await;
    // Then somebody gets it again, and finds nothing that waits.
    if let Err(error) = deleted {
        tracing::debug!("hints: {error}");
    }
}

/// `None` for one of a newer program: that a job waits is known all the same.
fn event_of(entry: &[u8]) -> Option<JobEvent> {
    match decode(entry) {
        Ok(Entry::Job(event)) => Some(event),
        _ => None,
    }
}
