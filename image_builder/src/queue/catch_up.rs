//! Reading a ledger up to now.

use std::time::Duration;

use jiff::Timestamp;

use super::{JobQueue, LedgerItem, NewEntry, QueueError};
use crate::jobs::{Bookmark, Entry, JobId};

/// For so long nothing may come before it is given up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Reads the ledger to where it ends now, and gives each entry with its place to `take`. What comes
/// later is left in the receiver.
///
/// # Errors
///
/// [`QueueError`]: the broker cannot be reached, or nothing comes.
pub async fn catch_up(
    queue: &dyn JobQueue,
    after: Option<Bookmark>,
    mut take: impl FnMut(u64, Entry),
) -> Result<tokio::sync::mpsc::Receiver<LedgerItem>, QueueError> {
    let mark = JobId::new(Timestamp::now()).to_string();
    let entry = NewEntry::from(Entry::Mark { mark: mark.clone() });
    queue.append(&[entry]).await?;
    let mut items = queue.ledger(after);
    let gone = |reason: String| QueueError::Unreachable {
        broker: queue.name(),
        reason,
    };
    loop {
        let item = tokio::time::timeout(PATIENCE, items.recv()).await;
        let item = item.map_err(|_| gone("its ledger does not come".to_owned()))?;
        match item {
            Some(LedgerItem::Entry { entry, .. }) if is_mark(&entry, &mark) => return Ok(items),
            Some(LedgerItem::Entry { place, entry, .. }) => take(place, *entry),
            Some(LedgerItem::Disconnected { reason }) => return Err(gone(reason)),
            Some(LedgerItem::Unreadable { .. } | LedgerItem::Connected) => {}
            None => return Err(gone("its ledger ended".to_owned())),
        }
    }
}

fn is_mark(entry: &Entry, wanted: &str) -> bool {
    matches!(entry, Entry::Mark { mark } if mark == wanted)
}
