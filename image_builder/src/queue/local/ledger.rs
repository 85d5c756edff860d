//! Reading the ledger.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::LocalFile;
use super::append::Added;
use crate::database::reason;
use crate::jobs::Bookmark;
use crate::queue::wire::digest;
use crate::queue::{LedgerItem, QueueError, decode};

/// After an error.
const PAUSE: Duration = Duration::from_secs(1);

/// As many as are read at once: few enough that the largest fit into memory.
const ROWS: usize = 32;

/// The last place that was ever given away, whatever was forgotten since.
const END: &str = "SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'ledger'";

const AT: &str = "SELECT entry FROM ledger WHERE place = $1";

const PAGE: &str = "SELECT place, entry FROM ledger WHERE place > $1 ORDER BY place LIMIT $2";

/// Reads what comes behind `after` until nobody wants it any more.
pub(super) async fn read(
    file: Arc<LocalFile>,
    after: Option<Bookmark>,
    items: mpsc::Sender<LedgerItem>,
) {
    let wake = file.wake();
    let mut seen = wake.ledger();
    let mut added = file.appender.added();
    let mut last = after.map_or(-1, |after| i64::try_from(after.place).unwrap_or(i64::MAX));
    let mut connected = false;
    while let Some(read) = &after
        && !has(&file, read).await
    {
        let other = QueueError::OtherLedger {
            queue: file.path.display().to_string(),
            place: read.place,
        };
        let reason = other.to_string();
        if items
            .send(LedgerItem::Disconnected { reason })
            .await
            .is_err()
        {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
    loop {
        seen.mark_unchanged();
        let page = page(&file, last).await;
        let item = match (&page, connected) {
            (Ok(_), false) => Some(LedgerItem::Connected),
            (Ok(_), true) | (Err(_), false) => None,
            (Err(error), true) => Some(LedgerItem::Disconnected {
                reason: reason(error),
            }),
        };
        connected = page.is_ok();
        if let Some(item) = item
            && items.send(item).await.is_err()
        {
            return;
        }
        let rows = page.unwrap_or_default();
        let is_end = rows.len() < ROWS;
        for (place, bytes) in rows {
            last = place;
            if items.send(item_of(place, &bytes)).await.is_err() {
                return;
            }
        }
        if !is_end {
            continue;
        }
        if !connected {
            tokio::select! {
                () = items.closed() => return,
                () = tokio::time::sleep(PAUSE) => continue,
            }
        }
        loop {
            tokio::select! {
                () = items.closed() => return,
                // Without a sender it ends with this task.
                _ = seen.changed() => break,
                added = added.recv() => {
                    let Some(next) = added.ok().and_then(|added| Next::behind(last, added)) else {
                        break;
                    };
                    for (place, item) in next.items() {
                        last = place;
                        if items.send(item).await.is_err() {
                            return;
                        }
                    }
                }
            }
        }
    }
}

/// What this process itself has added, as far as it is not read yet: that does not have to be read from the file.
struct Next {
    added: Added,
    read: usize,
}

impl Next {
    /// `None` if there is something between it and what was read last.
    fn behind(last: i64, added: Added) -> Option<Self> {
        let read = added.partition_point(|&(place, _)| place <= last);
        let is_next = added.get(read).is_none_or(|&(place, _)| place == last + 1);
        is_next.then_some(Self { added, read })
    }

    fn items(&self) -> impl Iterator<Item = (i64, LedgerItem)> {
        self.added.iter().skip(self.read).cloned()
    }
}

/// Whether there ever was such an entry in this file. One that cannot be asked has it: reading it says why.
async fn has(file: &LocalFile, read: &Bookmark) -> bool {
    let readers = &file.sqlite.readers;
    let place = i64::try_from(read.place).unwrap_or(i64::MAX);
    let end = sqlx::query_scalar(END).fetch_one(readers).await;
    let there = sqlx::query_scalar(AT).bind(place);
    let there: Result<Option<Vec<u8>>, _> = there.fetch_optional(readers).await;
    let is_same = match (read.digest, there) {
        (Some(known), Ok(Some(there))) => known == digest(&there),
        // It was forgotten, or nobody knows what it was.
        _ => true,
    };
    is_same && end.map_or(true, |end: i64| place <= end)
}

async fn page(file: &LocalFile, after: i64) -> Result<Vec<(i64, Vec<u8>)>, sqlx::Error> {
    sqlx::query_as(PAGE)
        .bind(after)
        .bind(i64::try_from(ROWS).unwrap_or(i64::MAX))
        .fetch_all(&file.sqlite.readers)
        .await
}

fn item_of(place: i64, bytes: &[u8]) -> LedgerItem {
    // SQLite counts from 1.
    let place = u64::try_from(place).unwrap_or_default();
    match decode(bytes) {
        Ok(entry) => LedgerItem::Entry {
            place,
            entry: Box::new(entry),
            digest: digest(bytes),
        },
        Err(error) => LedgerItem::Unreadable {
            place,
            reason: error.to_string(),
        },
    }
}
