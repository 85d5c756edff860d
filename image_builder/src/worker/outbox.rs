//! Entries on their way to the ledger.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::error::StageError;
use crate::queue::{JobQueue, NewEntry};

/// The shortest time between two tries.
const SOON: Duration = Duration::from_millis(200);

/// The longest.
const LATE: Duration = Duration::from_secs(5);

/// So many batches are added at once.
const AT_ONCE: usize = 500;

/// When a worker ends, its last entries are tried for so long.
const LAST: Duration = Duration::from_secs(60);

/// Adds entries to the ledger in their order, however long that takes.
#[derive(Debug)]
pub(super) struct Outbox {
    /// What goes together: the end of one job and the claim to the next cost one round trip.
    written: Vec<NewEntry>,
    entries: mpsc::UnboundedSender<Vec<NewEntry>>,
    task: JoinHandle<()>,
}

impl Outbox {
    pub(super) fn new(queue: Arc<dyn JobQueue>) -> Self {
        let (entries, mut waiting) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let mut batches: Vec<Vec<NewEntry>> = Vec::new();
            while waiting.recv_many(&mut batches, AT_ONCE).await > 0 {
                let batch: Vec<NewEntry> = batches.drain(..).flatten().collect();
                append(&*queue, &batch).await;
            }
        });
        Self {
            written: Vec::new(),
            entries,
            task,
        }
    }

    /// Writes an entry, which goes with the next [`Outbox::send`].
    pub(super) fn add(&mut self, entry: NewEntry) {
        self.written.push(entry);
    }

    /// Sends what was written.
    pub(super) fn send(&mut self) {
        if !self.written.is_empty() {
            // The task ends after this.
            let _ = self.entries.send(std::mem::take(&mut self.written));
        }
    }

    /// Waits until all is there.
    pub(super) async fn close(mut self) {
        self.send();
        drop(self.entries);
        if tokio::time::timeout(LAST, self.task).await.is_err() {
            tracing::warn!("the last entries did not reach the ledger");
        }
    }
}

async fn append(queue: &dyn JobQueue, batch: &[NewEntry]) {
    let mut pause = SOON;
    while let Err(error) = queue.append(batch).await {
        if !error.is_transient() {
            tracing::error!("{}: {error}", queue.name());
        }
        // Those who log in wrong now may have a password later: nothing else can be done with what a
        // worker has to say.
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LATE);
    }
}
