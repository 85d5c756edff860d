//! Workers: they take jobs from a queue and build them.
//!
//! [`Worker`] claims jobs and tells what becomes of them; a [`JobRunner`] makes what is asked for: of images that is
//! [`ImageRunner`]. Nobody tells a worker what to do: it reads the ledger, takes hints, and claims what it can build.

mod context;
mod destinations;
mod images;
mod kickstart;
mod leftovers;
mod outbox;
mod place;
mod presence;
mod roll_call;
mod serving;
#[cfg(test)]
#[cfg(feature = "sqlite")]
mod tests;
mod untold;
mod waits;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

pub use context::{JobContext, Superseded};
pub use images::ImageRunner;
pub use kickstart::add_repo;
pub use place::{FolderLock, plain_name};
pub use presence::{GONE, PRESENCE, Presence, WHO};
pub use roll_call::roll_call;
pub use waits::{line_state, why_waiting};

use crate::jobs::{Job, JobEnding, JobId, JobRequest, Line, Moment};
use crate::queue::{JobQueue, QueueError};

/// After so long without a word a worker's jobs are given to others.
pub const LOST_AFTER: Duration = Duration::from_secs(90);

/// What a worker is.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// Its name: no other worker of the queue has it, and it keeps it when it begins anew.
    pub name: String,
    /// The architecture that it builds for.
    pub arch: String,
    /// The releases that it serves.
    pub releases: Vec<String>,
    /// The builds that it makes at a time.
    pub slots: u32,
    /// After so long without a word another worker's jobs are given to others. A worker that is cut off for longer
    /// finds its build given away when it comes back, and stops it.
    pub lost_after: Duration,
}

impl WorkerSettings {
    /// The lines it serves.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        let line = |release: &String| Line {
            arch: self.arch.clone(),
            release: release.clone(),
        };
        self.releases.iter().map(line).collect()
    }
}

/// A job that a worker has.
#[derive(Debug, Clone)]
pub struct ClaimedJob {
    /// Its id.
    pub id: JobId,
    /// What is asked for, with its payload.
    pub request: JobRequest,
    /// Which run it is, from 1.
    pub run: u32,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum RunEnd {
    /// It has come to an end, whatever that is.
    Ended(JobEnding),
    /// It cannot be done here; elsewhere, perhaps.
    HandBack {
        /// Why.
        reason: String,
        /// Whether it would be no better a second time here.
        refused: bool,
    },
}

/// Makes what is asked for.
#[async_trait]
pub trait JobRunner: Send + Sync + std::fmt::Debug {
    /// Makes it. When [`JobContext::cancel`] says so it ends soon, and leaves nothing behind.
    async fn run(&self, job: &ClaimedJob, ctx: &JobContext) -> RunEnd;

    /// Why no further job can be taken now, if there is a reason: no space on the disk.
    fn cannot(&self) -> Option<String> {
        None
    }

    /// How many bytes are free where it makes things, if it makes them on a disk.
    fn free_bytes(&self) -> Option<u64> {
        None
    }

    /// Whether it tells anybody of jobs that no worker has.
    fn tells(&self) -> bool {
        false
    }

    /// Tells that `job` was submitted, or that it has ended without a worker. Several workers share this: each
    /// job's moment comes to one of them.
    async fn tell(&self, _job: &Job, _request: &JobRequest, _moment: Moment) {}
}

/// Takes jobs and has them made.
#[derive(Debug)]
pub struct Worker {
    queue: Arc<dyn JobQueue>,
    runner: Arc<dyn JobRunner>,
    settings: WorkerSettings,
    drain: CancellationToken,
    stop: CancellationToken,
}

/// What a worker has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Served {
    /// Jobs that it brought to an end.
    pub finished: u64,
    /// Jobs that it handed back.
    pub handed_back: u64,
}

impl Worker {
    /// A worker of `queue`, whose jobs are made by `runner`.
    #[must_use]
    pub fn new(
        queue: Arc<dyn JobQueue>,
        runner: Arc<dyn JobRunner>,
        settings: WorkerSettings,
    ) -> Self {
        Self {
            queue,
            runner,
            settings,
            drain: CancellationToken::new(),
            stop: CancellationToken::new(),
        }
    }

    /// With a token after which it takes no more jobs and ends when those it has are made.
    #[must_use]
    pub fn with_drain(mut self, drain: CancellationToken) -> Self {
        self.drain = drain;
        self
    }

    /// With a token after which it hands back what it has, and ends.
    #[must_use]
    pub fn with_stop(mut self, stop: CancellationToken) -> Self {
        self.stop = stop;
        self
    }

    /// Serves until one of the tokens says otherwise. A queue that cannot be reached is tried again and again.
    ///
    /// # Errors
    ///
    /// [`QueueError`]: the queue cannot be used at all, since it refuses the login.
    pub async fn serve(self) -> Result<Served, QueueError> {
        serving::serve(self).await
    }
}
