//! Where jobs stand that wait: what is asked at the same time is asked of the records at once.
//!
//! A statement goes to a thread of the records' and back, for one job as for many.

use std::sync::Arc;

use image_builder::jobs::{JobId, JobStore, StoreError, Waiting};
use tokio::sync::{mpsc, oneshot};

/// As many are asked for at once at most.
const TOGETHER: usize = 64;

/// Somebody who asks where a job stands.
#[derive(Debug)]
struct Question {
    job: JobId,
    answer: oneshot::Sender<Option<Waiting>>,
}

/// Answers until it is dropped.
#[derive(Debug)]
pub(crate) struct Places {
    store: Arc<dyn JobStore>,
    asked: mpsc::Sender<Question>,
}

impl Places {
    pub(crate) fn start(store: Arc<dyn JobStore>) -> Self {
        let (asked, questions) = mpsc::channel(TOGETHER);
        tokio::spawn(answer(store.clone(), questions));
        Self { store, asked }
    }

    /// Where a job stands; `None` if it does not wait.
    pub(crate) async fn of(&self, job: &JobId) -> Result<Option<Waiting>, StoreError> {
        let (answer, told) = oneshot::channel();
        let question = Question {
            job: job.clone(),
            answer,
        };
        // It cannot fail before `self` is dropped, and then nobody waits here.
        let _ = self.asked.send(question).await;
        match told.await {
            Ok(waiting) => Ok(waiting),
            // Each is told by themselves what is wrong.
            Err(_) => self.store.waiting(job).await,
        }
    }
}

async fn answer(store: Arc<dyn JobStore>, mut questions: mpsc::Receiver<Question>) {
    let mut together = Vec::new();
    while questions.recv_many(&mut together, TOGETHER).await > 0 {
        let jobs: Vec<JobId> = together.iter().map(|one| one.job.clone()).collect();
        match store.places(&jobs).await {
            Ok(places) => {
                for Question { job, answer } in together.drain(..) {
                    // Whoever has gone away does not need it.
                    let _ = answer.send(places.get(&job).cloned());
                }
            }
            Err(_) => together.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use image_builder::jobs::{JobEvent, JobEventKind, SqliteStore};
    use jiff::Timestamp;

    use super::*;
    use crate::draft::Wanted;

    fn queued(job: &JobId) -> JobEvent {
        let wanted = Wanted::ini("[DEFAULT]\ntype=boot\nrelease=43\n".to_owned());
        let request = wanted.request("qa").unwrap();
        JobEvent {
            job: job.clone(),
            time: Timestamp::now(),
            by: "qa".to_owned(),
            kind: JobEventKind::Queued {
                request: Box::new(request),
            },
        }
    }

    #[tokio::test]
    async fn each_is_told_where_their_own_job_stands() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&dir.path().join("a.sqlite"))
            .await
            .unwrap();
        let store = Arc::new(store);
        let jobs: Vec<JobId> = (0..100).map(|_| JobId::new(Timestamp::now())).collect();
        for (place, job) in (1..).zip(&jobs) {
            store.apply("a", place, &queued(job)).await.unwrap();
        }
        let places = Places::start(store.clone());
        let mut ordered = jobs.clone();
        ordered.sort();
        let told = join_all(jobs.iter().map(|job| places.of(job))).await;
        for (job, told) in jobs.iter().zip(told) {
            let before = ordered.iter().position(|one| one == job);
            assert_eq!(told.unwrap().map(|waiting| waiting.before), before);
        }
        let unknown = JobId::new(Timestamp::now());
        assert_eq!(places.of(&unknown).await.unwrap(), None);
        store.close().await;
        for told in join_all(jobs.iter().map(|job| places.of(job))).await {
            assert!(told.is_err(), "{told:?}");
        }
    }
}
