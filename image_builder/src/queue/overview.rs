//! Everything that a ledger tells, for those who look at it once.

use std::collections::{BTreeMap, HashMap};

use tokio::sync::mpsc;

use super::{JobQueue, LedgerItem, QueueError, catch_up};
use crate::jobs::{Entry, Job, JobId, JobTable, Waiting, WorkerEvent};

/// All jobs, done or not, and what was heard of workers.
#[derive(Debug, Default)]
pub struct Overview {
    /// The jobs, by id and so by time; without what they are built from.
    pub jobs: BTreeMap<JobId, Job>,
    /// The last that each worker has entered.
    pub workers: HashMap<String, WorkerEvent>,
    table: JobTable,
    places: HashMap<JobId, u64>,
}

impl Overview {
    /// Reads a ledger up to now. What comes later is left in the receiver.
    ///
    /// # Errors
    ///
    /// [`QueueError`].
    pub async fn read(
        queue: &dyn JobQueue,
    ) -> Result<(Self, mpsc::Receiver<LedgerItem>), QueueError> {
        let mut overview = Self::default();
        let items = catch_up(queue, None, |place, entry| {
            overview.take(place, entry);
        })
        .await?;
        Ok((overview, items))
    }

    /// Takes in what stands at `place`; gives the id of the job that is another than before.
    pub fn take(&mut self, place: u64, entry: Entry) -> Option<JobId> {
        match entry {
            Entry::Job(event) => {
                let job = self.table.apply(place, &event).ok()?;
                let id = job.id.clone();
                self.places.entry(id.clone()).or_insert(place);
                self.jobs.insert(id.clone(), job);
                Some(id)
            }
            Entry::Worker(event) => {
                self.workers.insert(event.worker.clone(), event);
                None
            }
            Entry::Mark { .. } => None,
        }
    }

    /// Waits until a job is another than before, and gives its id; `None` when nothing more comes.
    pub async fn next(&mut self, items: &mut mpsc::Receiver<LedgerItem>) -> Option<JobId> {
        while let Some(item) = items.recv().await {
            if let LedgerItem::Entry { place, entry, .. } = item
                && let Some(id) = self.take(place, *entry)
            {
                return Some(id);
            }
        }
        None
    }

    /// Where in the ledger a job was asked for.
    #[must_use]
    pub fn place(&self, id: &JobId) -> Option<u64> {
        self.places.get(id).copied()
    }

    /// Where a job stands that waits.
    #[must_use]
    pub fn waiting(&self, id: &JobId) -> Option<Waiting> {
        self.table.waiting(id)
    }
}
