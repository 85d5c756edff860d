//! Reading the ledger.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::LocalFile;
use crate::database::reason;
use crate::queue::{LedgerItem, QueueError, decode};

/// After an error.
const PAUSE: Duration = Duration::from_secs(1);

/// As many as are read at once: few enough that the largest fit into memory.
const ROWS: usize = 32;

/// The last place that was ever given away, whatever was forgotten since.
const END: &str = "SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'ledger'";

const PAGE: &str = "SELECT place, entry FROM ledger WHERE place > $1 ORDER BY place LIMIT $2";

/// Reads what comes behind `after` until nobody wants it any more.
pub(super) async fn read(
    file: Arc<LocalFile>,
    after: Option<u64>,
    items: mpsc::Sender<LedgerItem>,
) {
    let wake = file.wake();
    let mut changes = wake.changes();
    let mut last = after.map_or(-1, |after| i64::try_from(after).unwrap_or(i64::MAX));
    let mut connected = false;
    while let Some(place) = after
        && !has(&file, last).await
    {
        let other = QueueError::OtherLedger {
            queue: file.path.display().to_string(),
            place,
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
        changes.mark_unchanged();
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
        let news = async {
            match connected {
                // Without a sender it ends with this task.
                true => drop(changes.changed().await),
                false => tokio::time::sleep(PAUSE).await,
            }
        };
        if is_end {
            tokio::select! {
                () = items.closed() => return,
                () = news => {}
            }
        }
    }
}

/// Whether there ever was such a place in this file. One that cannot be asked has it: reading it says why.
async fn has(file: &LocalFile, place: i64) -> bool {
    let end: Result<i64, _> = sqlx::query_scalar(END)
        .fetch_one(&file.sqlite.readers)
        .await;
    end.map_or(true, |end| place <= end)
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
        },
        Err(error) => LedgerItem::Unreadable {
            place,
            reason: error.to_string(),
        },
    }
}
