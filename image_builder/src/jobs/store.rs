//! Records of jobs that outlive those who watch.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Job, JobEvent, JobId, JobState, Line, Waiting};
use crate::error::{ErrorKind, StageError};

/// Which jobs are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobFilter {
    /// The names of the states ([`JobState::name`]); all if empty.
    pub states: Vec<String>,
    /// An architecture.
    pub arch: Option<String>,
    /// A release.
    pub release: Option<String>,
    /// Who asked.
    pub requester: Option<String>,
    /// Words that all stand in its id, its title, its spec or the name of who asked, in any case of their letters; each
    /// may be a part of a longer one, such as a package's name of a build's. All jobs if there are none.
    pub words: String,
    /// Who looks: private jobs of others are left out. All are there if it is absent.
    pub viewer: Option<String>,
    /// Jobs before this one, which is not among them: the last of the page before.
    pub before: Option<JobId>,
    /// At most so many, the newest first.
    pub limit: u32,
}

/// A line of a list of jobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobSummary {
    /// The job's id.
    pub id: JobId,
    /// What is built.
    pub title: String,
    /// Who asked.
    pub requester: String,
    /// The architecture.
    pub arch: String,
    /// The release.
    pub release: String,
    /// What becomes of it.
    #[serde(flatten)]
    pub state: JobState,
    /// Whether only who asked may see it.
    pub private: bool,
    /// When it was submitted.
    pub submitted: Timestamp,
    /// Since when it is what it is.
    pub since: Timestamp,
    /// Who builds it, or built it last.
    pub worker: Option<String>,
}

/// How much there is to do in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineLoad {
    /// The line.
    pub line: Line,
    /// Jobs that wait.
    pub waiting: u64,
    /// Jobs that are built, or handed over.
    pub running: u64,
    /// When the one was submitted that waits longest.
    pub oldest: Option<Timestamp>,
}

/// What was asked for under a key of the client's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The job that it became, or will become.
    pub job: JobId,
    /// What tells it from another wish.
    pub digest: String,
    /// When.
    pub time: Timestamp,
}

impl Wish {
    /// So long it is remembered.
    pub const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);
}

/// A place in a ledger, and what stands there: who goes on reading behind it finds out whether it is the same ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bookmark {
    /// The place.
    pub place: u64,
    /// Of the entry there, as it comes with [`crate::queue::LedgerItem::Entry`]; `None`: nobody knows.
    pub digest: Option<u64>,
}

impl From<u64> for Bookmark {
    fn from(place: u64) -> Self {
        Self {
            place,
            digest: None,
        }
    }
}

/// Records of jobs: what [`Job::apply`] makes of a ledger, kept.
///
/// Several may write into the same store: each entry of a ledger is taken in once, whoever brings it,
/// and in order.
#[async_trait]
pub trait JobStore: Send + Sync + std::fmt::Debug {
    /// Takes in what stands at these places of the ledger named `ledger`, in their order, unless that was
    /// done before: all of it or nothing. Gives the jobs as they are after each event that counts,
    /// with their history and without what they are built from.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is taken in then.
    async fn apply_all(
        &self,
        ledger: &str,
        entries: &[(u64, &JobEvent)],
    ) -> Result<Vec<Job>, StoreError>;

    /// The same with one place. `None`: that was done before, or the event does not count.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is taken in then.
    async fn apply(
        &self,
        ledger: &str,
        place: u64,
        event: &JobEvent,
    ) -> Result<Option<Job>, StoreError> {
        Ok(self.apply_all(ledger, &[(place, event)]).await?.pop())
    }

    /// The last place of a ledger that was taken in.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn place(&self, ledger: &str) -> Result<Option<u64>, StoreError>;

    /// Behind what the reading of a ledger goes on: what was marked last, or else the last place that was taken in.
    /// What comes once more then is not taken in again.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn bookmark(&self, ledger: &str) -> Result<Option<Bookmark>, StoreError>;

    /// Marks how far a ledger was read, and all of it taken in. An earlier place than is marked changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn mark_read(&self, ledger: &str, place: u64, digest: u64) -> Result<(), StoreError>;

    /// A job with all that is known of it.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn job(&self, id: &JobId) -> Result<Option<Job>, StoreError>;

    /// The jobs that were asked for, the newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn jobs(&self, filter: &JobFilter) -> Result<Vec<JobSummary>, StoreError>;

    /// Where a job stands that waits; `None` if it does not.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn waiting(&self, id: &JobId) -> Result<Option<Waiting>, StoreError> {
        Ok(self.places(std::slice::from_ref(id)).await?.remove(id))
    }

    /// The same for several jobs; those that do not wait are not there.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn places(&self, jobs: &[JobId]) -> Result<BTreeMap<JobId, Waiting>, StoreError>;

    /// How many jobs there are in each state, by its name.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn tally(&self) -> Result<BTreeMap<String, u64>, StoreError>;

    /// The lines in which jobs wait or are built, in order.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn lines(&self) -> Result<Vec<LineLoad>, StoreError>;

    /// Remembers a wish under `key`, unless there is one; gives what is remembered then. Of two who ask at once
    /// both get the same. A wish is forgotten after a day.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is remembered then.
    async fn remember(&self, key: &str, wish: &Wish) -> Result<Wish, StoreError>;

    /// What is remembered under `key`.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn wish(&self, key: &str) -> Result<Option<Wish>, StoreError>;
}

/// Why a store does not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be opened.
    #[error("the job store {place} cannot be opened: {reason}")]
    Open {
        /// The file or the address, without password.
        place: String,
        /// The database's words.
        reason: String,
    },
    /// The database refused something.
    #[error("the job store: {0}")]
    Database(String),
    /// What is stored is not what was stored.
    #[error("the job store holds what cannot be read, of job {job}: {reason}")]
    Damaged {
        /// The job.
        job: String,
        /// What is wrong.
        reason: String,
    },
}

impl StageError for StoreError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Open { .. } | Self::Damaged { .. } => ErrorKind::Host,
            Self::Database(_) => ErrorKind::Network,
        }
    }

    fn is_transient(&self) -> bool {
        matches!(self, Self::Database(_))
    }
}
