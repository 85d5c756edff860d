//! What is said of jobs that are asked about again and again: made once, until a job becomes another.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use image_builder::jobs::JobId;

/// So long an answer holds if no job has become another: who builds, and with it why a job waits, changes by itself.
const FRESH: Duration = Duration::from_secs(1);

/// As many are kept: some kilobytes each.
const MOST: usize = 1024;

/// The answers that were given last about jobs that everybody may see.
#[derive(Debug, Default)]
pub(crate) struct KeptAnswers(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// How many jobs had become others when these were begun.
    version: u64,
    answers: HashMap<JobId, (Instant, Bytes)>,
}

impl KeptAnswers {
    /// What holds still of what was said of a job.
    pub(super) fn fresh(&self, job: &JobId, version: u64) -> Option<Bytes> {
        let kept = self.lock();
        let (made, answer) = kept.answers.get(job)?;
        (kept.version == version && made.elapsed() < FRESH).then(|| answer.clone())
    }

    /// Keeps what was said of a job, by what was so at `version` or later.
    pub(super) fn keep(&self, job: &JobId, version: u64, answer: Bytes) {
        let mut kept = self.lock();
        if kept.version != version {
            // The others hold no longer; or this one does not.
            if kept.version > version {
                return;
            }
            kept.version = version;
            kept.answers.clear();
        }
        if kept.answers.len() >= MOST {
            kept.answers.retain(|_, (made, _)| made.elapsed() < FRESH);
        }
        if kept.answers.len() < MOST {
            kept.answers.insert(job.clone(), (Instant::now(), answer));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_until_a_job_becomes_another() {
        let answers = KeptAnswers::default();
        let job = |number: usize| JobId::parse(&format!("a-{number}")).unwrap();
        answers.keep(&job(1), 7, "seven".into());
        assert_eq!(answers.fresh(&job(1), 7).unwrap(), "seven");
        assert!(answers.fresh(&job(1), 8).is_none());
        assert!(answers.fresh(&job(2), 7).is_none());
        answers.keep(&job(2), 8, "eight".into());
        // It was begun before another job became another, and is here late.
        answers.keep(&job(1), 7, "seven".into());
        assert!(answers.fresh(&job(1), 7).is_none());
        assert!(answers.fresh(&job(1), 8).is_none());
        assert_eq!(answers.fresh(&job(2), 8).unwrap(), "eight");
        for number in 0..2 * MOST {
            answers.keep(&job(number), 8, Bytes::new());
        }
        assert_eq!(answers.lock().answers.len(), MOST);
    }
}
