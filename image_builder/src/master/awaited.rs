//! Who waits for a job to become another.
//!
//! Each is woken for their own job only: where hundreds wait, whoever listens to all [changes](super::Master::changes) is
//! woken hundreds of times before it is their turn.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use crate::jobs::{Job, JobId};

/// Those who wait, by job.
#[derive(Debug, Default)]
pub(super) struct Awaited(Mutex<HashMap<JobId, Vec<mpsc::UnboundedSender<Arc<Job>>>>>);

/// Somebody who waits, until it is dropped.
#[derive(Debug)]
pub(super) struct Waiter<'a> {
    awaited: &'a Awaited,
    id: JobId,
    told: mpsc::UnboundedReceiver<Arc<Job>>,
}

impl Awaited {
    /// Is told of a job from now on.
    pub(super) fn wait_for(&self, id: &JobId) -> Waiter<'_> {
        let (sender, told) = mpsc::unbounded_channel();
        self.lock().entry(id.clone()).or_default().push(sender);
        Waiter {
            awaited: self,
            id: id.clone(),
            told,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Tells those who wait for the job.
    pub(super) fn tell(&self, job: &Arc<Job>) {
        for waiter in self.lock().get(&job.id).into_iter().flatten() {
            // Nobody there: it is about to be dropped.
            let _ = waiter.send(Arc::clone(job));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Vec<mpsc::UnboundedSender<Arc<Job>>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter<'_> {
    /// The job as soon as it is as wanted.
    pub(super) async fn told(&mut self, wanted: impl Fn(&Job) -> bool) -> Option<Arc<Job>> {
        loop {
            let job = self.told.recv().await?;
            if wanted(&job) {
                return Some(job);
            }
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.told.close();
        let mut awaited = self.awaited.lock();
        if let Some(waiters) = awaited.get_mut(&self.id) {
            waiters.retain(|waiter| !waiter.is_closed());
            if waiters.is_empty() {
                awaited.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use jiff::Timestamp;

    use super::*;
    use crate::jobs::tests::request;
    use crate::jobs::{JobEvent, JobEventKind, JobTable};

    fn job() -> Arc<Job> {
        let id = JobId::new(Timestamp::now());
        let kind = JobEventKind::Queued {
            request: Box::new(request()),
        };
        let event = JobEvent {
            job: id,
            time: Timestamp::now(),
            by: "qa@desk".to_owned(),
            kind,
        };
        Arc::new(JobTable::default().apply(1, &event).unwrap())
    }

    #[tokio::test]
    async fn each_is_told_of_their_own_job_and_forgotten_when_they_leave() {
        let awaited = Awaited::default();
        let (job, other) = (job(), job());
        let mut first = awaited.wait_for(&job.id);
        let mut second = awaited.wait_for(&job.id);
        let mut elsewhere = awaited.wait_for(&other.id);
        awaited.tell(&job);
        assert_eq!(first.told(|_| true).await.unwrap().id, job.id);
        // Not as wanted: the next one may be.
        awaited.tell(&job);
        let asked = AtomicU32::new(0);
        let told = second.told(|_| asked.fetch_add(1, Ordering::Relaxed) == 1);
        assert_eq!(told.await.unwrap().id, job.id);
        assert!(elsewhere.told.try_recv().is_err());
        drop((first, elsewhere));
        assert!(!awaited.is_empty());
        drop(second);
        assert!(awaited.is_empty());
    }
}
