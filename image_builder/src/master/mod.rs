//! The master: keeps records of what happens at a queue, and tells those who listen.
//!
//! Jobs need no master: clients and workers get along with the ledger. A [`Master`] reads it into a
//! [`JobStore`], so that a question about a job is answered at once and for longer than the ledger lasts, and knows
//! which workers are there. Several masters may share a store: each entry is taken in by one of
//! them, and all of them tell of it.

mod awaited;
mod intake;
mod orders;
mod roll;
#[cfg(test)]
#[cfg(feature = "sqlite")]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

pub use orders::{OnceKey, OrderError, Submitted};
pub use roll::{KnownWorker, WorkerState};

use crate::backoff;
use crate::jobs::{Job, JobStore};
use crate::queue::{Address, BusMessage, JobQueue, QueueError};
use crate::worker::{PRESENCE, Presence, WHO};
use awaited::Awaited;
use roll::Roll;

/// As many changes are kept for somebody who listens and is slow.
const CHANGES: usize = 1024;

/// The shortest time between two tries.
const SOON: Duration = Duration::from_millis(200);

/// The longest.
const LATE: Duration = Duration::from_secs(10);

/// How a master stands to its queue and its store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// The ledger is being read.
    pub connected: bool,
    /// The store has all that the ledger had when the reading began, for the first time or after a break.
    pub caught_up: bool,
    /// Why not: the last words of the queue or the store, until they answer again.
    pub trouble: Option<String>,
    /// Entries that could not be taken in, and were passed over: each is in the log.
    pub skipped: u64,
}

impl Standing {
    /// Whether what the store says is what the queue says.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.connected && self.caught_up && self.trouble.is_none()
    }
}

/// Keeps records of what happens at a queue, and tells those who listen.
///
/// ```no_run
/// # async fn example(
/// #     queue: std::sync::Arc<dyn image_builder::queue::JobQueue>,
/// #     store: std::sync::Arc<dyn image_builder::jobs::JobStore>,
/// # ) {
/// use image_builder::master::Master;
/// use tokio_util::sync::CancellationToken;
///
/// let master = std::sync::Arc::new(Master::new(queue, store));
/// let mut changes = master.changes();
/// let drain = CancellationToken::new();
/// let (running, token) = (master.clone(), drain.clone());
/// tokio::spawn(async move { running.run(token).await });
/// while let Ok(job) = changes.recv().await {
///     println!("{}: {}", job.id, job.state);
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Master {
    queue: Arc<dyn JobQueue>,
    store: Arc<dyn JobStore>,
    changes: broadcast::Sender<Arc<Job>>,
    awaited: Awaited,
    standing: watch::Sender<Standing>,
    roll: Mutex<Roll>,
}

impl Master {
    /// One that reads `queue` into `store`. It does nothing before [`Master::run`].
    #[must_use]
    pub fn new(queue: Arc<dyn JobQueue>, store: Arc<dyn JobStore>) -> Self {
        Self {
            queue,
            store,
            changes: broadcast::Sender::new(CHANGES),
            awaited: Awaited::default(),
            standing: watch::Sender::default(),
            roll: Mutex::default(),
        }
    }

    /// The queue.
    #[must_use]
    pub fn queue(&self) -> &Arc<dyn JobQueue> {
        &self.queue
    }

    /// The records.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn JobStore> {
        &self.store
    }

    /// Each job that becomes another from now on, as it is then: with its history and without what it is built
    /// from. It is in the store before it is told. Who shares the store with other masters may hear of a state
    /// twice, and not of one that was over at once.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Arc<Job>> {
        self.changes.subscribe()
    }

    /// How it stands to queue and store.
    #[must_use]
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// The workers that it has heard of since it began, by name. One that has stopped is not among them, one that is
    /// silent is [`WorkerState::Gone`].
    #[must_use]
    pub fn workers(&self) -> Vec<KnownWorker> {
        self.roll().workers(Timestamp::now())
    }

    /// What the workers that are there said last of themselves.
    #[must_use]
    pub fn present(&self) -> Vec<Presence> {
        let workers = self.workers().into_iter();
        workers
            .filter(|worker| worker.state != WorkerState::Gone)
            .filter_map(|worker| worker.presence)
            .collect()
    }

    /// Reads until `drain` says otherwise. A queue or a store that cannot be reached is tried again and again,
    /// and what cannot be read is logged and passed over.
    pub async fn run(&self, drain: CancellationToken) {
        tokio::select! {
            () = drain.cancelled() => {}
            () = self.take_in() => {}
            () = self.hear() => {}
        }
        self.standing.send_modify(|standing| {
            standing.connected = false;
            standing.caught_up = false;
        });
    }

    fn roll(&self) -> std::sync::MutexGuard<'_, Roll> {
        self.roll.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens to the workers.
    async fn hear(&self) {
        let mut failures = 0;
        loop {
            match self.listen().await {
                Ok(()) => failures = 0,
                Err(error) => tracing::debug!("presence: {error}"),
            }
            failures += 1;
            tokio::time::sleep(backoff::wait(SOON, LATE, failures)).await;
        }
    }

    /// Listens until nothing more comes.
    async fn listen(&self) -> Result<(), QueueError> {
        let mut inbox = self.queue.listen(&[PRESENCE]).await?;
        let question = BusMessage {
            reply_to: Some(inbox.name.borrow().clone()),
            ..BusMessage::default()
        };
        self.queue
            .send(&Address::Topic(WHO.to_owned()), &question)
            .await?;
        while let Some((_, message)) = inbox.messages.recv().await {
            match serde_json::from_slice::<Presence>(&message.body) {
                Ok(presence) => self.roll().hear(presence, Timestamp::now()),
                Err(error) => tracing::debug!("presence that cannot be read: {error}"),
            }
        }
        Ok(())
    }
}
