//! What somebody wants of a queue, by way of its master.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use super::Master;
use crate::digest::sha256_text;
use crate::error::{ErrorKind, StageError};
use crate::jobs::{
    Entry, Job, JobEvent, JobEventKind, JobId, JobRequest, JobState, StoreError, Wish,
};
use crate::queue::{NewEntry, QueueError};

/// So long the own store is waited for. What was entered into the ledger counts, whatever becomes of this.
const PATIENCE: Duration = Duration::from_secs(5);

/// A key that a client sends along, so that asking twice makes one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnceKey {
    /// Its words.
    pub key: String,
    /// What is asked for, as text: the same key for something else is a mistake.
    pub wish: String,
}

impl OnceKey {
    /// Under what a wish of somebody is remembered.
    fn of(&self, requester: &str) -> String {
        sha256_text(&format!("{requester}\n{}", self.key))
    }
}

/// A job that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Submitted {
    /// Its id.
    pub job: JobId,
    /// It was asked for before, with the same key.
    pub again: bool,
    /// The record of it, with what it is built from, if the store had it in time.
    pub record: Option<Job>,
}

/// Why a wish is not fulfilled.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The queue does not take it.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such job.
    #[error("no job {0} is known")]
    Unknown(JobId),
    /// It has ended, and cannot be cancelled any more.
    #[error("job {job} has ended already: {state}")]
    Ended {
        /// The job.
        job: JobId,
        /// How.
        state: JobState,
    },
    /// It has not ended, and cannot be repeated yet.
    #[error("job {job} has not ended: it is {state}")]
    Open {
        /// The job.
        job: JobId,
        /// What it is.
        state: JobState,
    },
    /// Nobody knows any more what it was built from.
    #[error("what job {0} was built from is not known any more")]
    Forgotten(JobId),
    /// The key was used for something else.
    #[error("the key {0:?} was used for another wish before")]
    OtherWish(String),
}

impl StageError for OrderError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Queue(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Unknown(_) | Self::OtherWish(_) => ErrorKind::Usage,
            Self::Ended { .. } | Self::Open { .. } | Self::Forgotten(_) => ErrorKind::Failed,
        }
    }

    fn is_transient(&self) -> bool {
        match self {
            Self::Queue(error) => error.is_transient(),
            Self::Store(error) => error.is_transient(),
            _ => false,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Queue(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Open { .. } => Some("cancel it first".to_owned()),
            Self::OtherWish(_) => Some("use another key for each job".to_owned()),
            _ => None,
        }
    }
}

impl Master {
    /// Asks for a job. It is on the disk of the queue when this returns, and in the store if that answers in time.
    ///
    /// # Errors
    ///
    /// [`OrderError`]. With a key the same can be asked again, whatever has become of the first try.
    pub async fn submit(
        &self,
        request: JobRequest,
        once: Option<&OnceKey>,
    ) -> Result<Submitted, OrderError> {
        let now = Timestamp::now();
        let mut job = JobId::new(now);
        if let Some(once) = once {
            let wish = Wish {
                job: job.clone(),
                digest: sha256_text(&once.wish),
                time: now,
            };
            let kept = self
                .store
                .remember(&once.of(&request.requester), &wish)
                .await?;
            if kept.digest != wish.digest {
                return Err(OrderError::OtherWish(once.key.clone()));
            }
            if kept.job != job
                && let Some(known) = self.store.job(&kept.job).await?
            {
                return Ok(Submitted {
                    job: kept.job,
                    again: true,
                    record: Some(known),
                });
            }
            // Who asked first may have come to nothing. An entry too many does no harm.
            job = kept.job;
        }
        let line = request.line();
        let payload = request.payload.clone();
        let event = JobEvent {
            job: job.clone(),
            time: now,
            by: request.requester.clone(),
            kind: JobEventKind::Queued {
                request: Box::new(request),
            },
        };
        let mut waiter = self.awaited.wait_for(&job);
        self.queue.append(&[NewEntry::of_job(event, &line)]).await?;
        // What was entered counts, whatever becomes of this.
        let told = timeout(PATIENCE, waiter.told(|_| true)).await;
        let record = told.ok().flatten().map(|told| {
            let mut record = Job::clone(&told);
            record.request.payload = payload;
            record
        });
        Ok(Submitted {
            job,
            again: false,
            record,
        })
    }

    /// The job that `requester` has asked for with this key before.
    ///
    /// # Errors
    ///
    /// [`OrderError::Store`].
    pub async fn asked_before(
        &self,
        requester: &str,
        once: &OnceKey,
    ) -> Result<Option<JobId>, OrderError> {
        let wish = self.store.wish(&once.of(requester)).await?;
        Ok(wish.map(|wish| wish.job))
    }

    /// What came of the same wish of `requester` with this key before, if it has come to a job: nothing else has to be
    /// looked at then.
    ///
    /// # Errors
    ///
    /// [`OrderError::OtherWish`], [`OrderError::Store`].
    pub async fn answered_before(
        &self,
        requester: &str,
        once: &OnceKey,
    ) -> Result<Option<Submitted>, OrderError> {
        let wish = self.store.wish(&once.of(requester)).await?;
        let now = Timestamp::now();
        let fresh = |wish: &Wish| now.duration_since(wish.time) < Wish::REMEMBERED;
        let Some(wish) = wish.filter(fresh) else {
            return Ok(None);
        };
        if wish.digest != sha256_text(&once.wish) {
            return Err(OrderError::OtherWish(once.key.clone()));
        }
        let record = self.store.job(&wish.job).await?;
        Ok(record.map(|record| Submitted {
            job: wish.job,
            again: true,
            record: Some(record),
        }))
    }

    /// Cancels a job on behalf of `by`; gives it as it is then. A job that is built ends when its worker has heard of
    /// it.
    ///
    /// # Errors
    ///
    /// [`OrderError`].
    pub async fn cancel(
        &self,
        id: &JobId,
        by: &str,
        reason: Option<String>,
    ) -> Result<Job, OrderError> {
        let job = self.known(id).await?;
        if job.state.is_final() {
            return Err(OrderError::Ended {
                job: job.id,
                state: job.state,
            });
        }
        let event = JobEvent {
            job: id.clone(),
            time: Timestamp::now(),
            by: by.to_owned(),
            kind: JobEventKind::CancelRequested { reason },
        };
        let mut waiter = self.awaited.wait_for(id);
        self.queue.append(&[Entry::Job(event).into()]).await?;
        let _ = timeout(PATIENCE, waiter.told(|job| job.cancel.is_some())).await;
        self.known(id).await
    }

    /// Asks for the same as an ended job once more, on behalf of `by`.
    ///
    /// # Errors
    ///
    /// [`OrderError`].
    pub async fn retry(
        &self,
        id: &JobId,
        by: &str,
        once: Option<&OnceKey>,
    ) -> Result<Submitted, OrderError> {
        let job = self.known(id).await?;
        if !job.state.is_final() {
            return Err(OrderError::Open {
                job: job.id,
                state: job.state,
            });
        }
        let mut request = job.request;
        if request.payload.is_none() {
            return Err(OrderError::Forgotten(job.id));
        }
        request.retry_of = Some(job.id);
        request.requester = by.to_owned();
        request.submitted = Timestamp::now();
        // It was for the first time.
        request.deadline = None;
        self.submit(request, once).await
    }

    async fn known(&self, id: &JobId) -> Result<Job, OrderError> {
        let job = self.store.job(id).await?;
        job.ok_or_else(|| OrderError::Unknown(id.clone()))
    }
}
