//! Reading the ledger.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::LocalFile;
use crate::database::reason;
use crate::queue::{LedgerItem, decode};

/// After an error.
const PAUSE: Duration = Duration::from_secs(1);

/// As many as are read at once: few enough that the largest fit into memory.
const ROWS: usize = 32;

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
