//! What a job is after all that happened to it.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    Claim, JobEnding, JobEvent, JobEventKind, JobId, JobRequest, MAX_HAND_BACKS, MAX_RUNS,
};
use crate::events::{Outcome, Stage};

/// For so long a worker that could not build a job is not asked again.
const REFUSAL: SignedDuration = SignedDuration::from_mins(10);

/// What becomes of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum JobState {
    /// It waits for a worker.
    Queued,
    /// A worker builds it.
    Running {
        /// How far it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stage: Option<Stage>,
    },
    /// What came of the build is handed over: the image, or the log of a build that has none.
    Delivering,
    /// There is an image where it was wanted.
    Succeeded,
    /// There is none.
    Failed,
    /// Somebody did not want it any more.
    Cancelled,
}

impl JobState {
    /// Whether nothing more becomes of it.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// `running`
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running { .. } => "running",
            Self::Delivering => "delivering",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running { stage: Some(stage) } => write!(f, "running: {}", stage.title()),
            other => f.write_str(other.name()),
        }
    }
}

/// One change of a job's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// When.
    pub time: Timestamp,
    /// What it is since then.
    #[serde(flatten)]
    pub state: JobState,
    /// Why, and by whom.
    pub cause: String,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What was asked for.
    pub request: JobRequest,
    /// What becomes of it.
    #[serde(flatten)]
    pub state: JobState,
    /// Who builds it, or built it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// How often it was begun.
    pub runs: u32,
    /// How often it was handed back.
    #[serde(default)]
    pub hand_backs: u32,
    /// Who does not want it any more, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<String>,
    /// Which workers could not build it, and when they found out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refusals: BTreeMap<String, Timestamp>,
    /// All that it was, in order.
    pub history: Vec<Transition>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<JobEnding>,
}

/// Why an event does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The job is known.
    #[error("the job was queued before")]
    Known,
    /// The job has ended.
    #[error("the job has ended")]
    Ended,
    /// The job does not wait.
    #[error("another worker has the job")]
    Taken,
    /// The claim is not the one that counts.
    #[error("the job was given to somebody else")]
    Superseded,
    /// It is about the job, and makes nothing of it.
    #[error("this does not change the job")]
    Aside,
    /// It was said before.
    #[error("this was said before")]
    Repeated,
}

impl Job {
    /// A job that was just asked for. `None` for an event that asks for nothing.
    #[must_use]
    pub fn new(event: &JobEvent) -> Option<Self> {
        let JobEventKind::Queued { request } = &event.kind else {
            return None;
        };
        let mut job = Self {
            id: event.job.clone(),
            request: (**request).clone(),
            state: JobState::Queued,
            claim: None,
            runs: 0,
            hand_backs: 0,
            cancel: None,
            refusals: BTreeMap::new(),
            history: Vec::new(),
            ending: None,
        };
        job.enter(
            event.time,
            JobState::Queued,
            format!("submitted by {}", event.by),
        );
        Some(job)
    }

    /// What the job is after `event`.
    ///
    /// # Errors
    ///
    /// [`Misfit`]: the event does not count, and the job is as it was.
    pub fn apply(&mut self, event: &JobEvent) -> Result<(), Misfit> {
        if let JobEventKind::Queued { .. } = event.kind {
            return Err(Misfit::Known);
        }
        if let JobEventKind::Announced { .. } = event.kind {
            return Err(Misfit::Aside);
        }
        if self.state.is_final() {
            return Err(Misfit::Ended);
        }
        if let JobEventKind::Claimed { claim } = &event.kind {
            return self.claimed(event.time, claim);
        }
        if event.kind.claim().is_some()
            && (event.kind.claim() != self.claim.as_ref() || self.state == JobState::Queued)
        {
            return Err(Misfit::Superseded);
        }
        match &event.kind {
            JobEventKind::Stage { stage, .. } => {
                let state = JobState::Running {
                    stage: Some(*stage),
                };
                // What comes after handing over is its end; the order of the rest is the build's.
                if self.state == JobState::Delivering || self.state == state {
                    return Err(Misfit::Repeated);
                }
                self.enter(event.time, state, stage.title().to_owned());
            }
            JobEventKind::Delivering { image, .. } => {
                if self.state == JobState::Delivering {
                    return Err(Misfit::Repeated);
                }
                let cause = match image {
                    true => "the image is ready",
                    false => "there is no image: what there is of the build is handed over",
                };
                self.enter(event.time, JobState::Delivering, cause.to_owned());
            }
            JobEventKind::Ended { ending, .. } => self.ended(event.time, ending.clone()),
            JobEventKind::HandedBack {
                claim,
                reason,
                refused,
            } => {
                self.hand_backs += 1;
                self.runs -= 1;
                if *refused {
                    self.refusals.insert(claim.worker.clone(), event.time);
                }
                let cause = format!("handed back by {}: {reason}", claim.worker);
                self.wait_again(event.time, cause);
            }
            JobEventKind::Lost { claim, reason } => {
                let cause = format!("{} was lost: {reason}", claim.worker);
                self.wait_again(event.time, cause);
            }
            JobEventKind::CancelRequested { reason } => {
                if self.cancel.is_some() {
                    return Err(Misfit::Repeated);
                }
                let reason = reason.as_ref().map(|reason| format!(": {reason}"));
                let cause = format!("cancelled by {}{}", event.by, reason.unwrap_or_default());
                if self.state == JobState::Queued {
                    self.give_up(event.time, JobState::Cancelled, cause.clone());
                }
                self.cancel = Some(cause);
            }
            JobEventKind::Expired => {
                if self.state != JobState::Queued {
                    return Err(Misfit::Taken);
                }
                let cause = "its deadline passed while it waited".to_owned();
                self.give_up(event.time, JobState::Failed, cause);
            }
            JobEventKind::Queued { .. }
            | JobEventKind::Claimed { .. }
            | JobEventKind::Announced { .. } => {}
        }
        Ok(())
    }

    /// Whether `worker` may begin with it now.
    #[must_use]
    pub fn is_for(&self, worker: &str, now: Timestamp) -> bool {
        let refused = self.refusals.get(worker);
        self.state == JobState::Queued
            && refused.is_none_or(|&then| now.duration_since(then) > REFUSAL)
    }

    fn claimed(&mut self, time: Timestamp, claim: &Claim) -> Result<(), Misfit> {
        if self.state != JobState::Queued {
            return Err(Misfit::Taken);
        }
        // A claim that comes late was for a run that is over. Handing back gives the run's number back,
        // and is no reason to take an old claim for a new one.
        if claim.run != self.next_run() {
            return Err(Misfit::Superseded);
        }
        self.runs += 1;
        self.claim = Some(claim.clone());
        let state = JobState::Running { stage: None };
        self.enter(time, state, format!("taken by {}", claim.worker));
        Ok(())
    }

    /// The number that the next claim has to have.
    #[must_use]
    pub fn next_run(&self) -> u32 {
        self.runs + self.hand_backs + 1
    }

    fn ended(&mut self, time: Timestamp, ending: JobEnding) {
        let state = match ending.outcome {
            Outcome::Succeeded => JobState::Succeeded,
            Outcome::Failed => JobState::Failed,
            Outcome::Cancelled => JobState::Cancelled,
        };
        let cause = match (&ending.error, &self.cancel, ending.outcome) {
            (_, Some(cancel), Outcome::Cancelled) => cancel.clone(),
            (Some(error), ..) => error.clone(),
            (None, ..) => format!("the build {}", ending.outcome),
        };
        self.enter(time, state, cause);
        self.ending = Some(ending);
    }

    /// Without a worker: it waits, unless there is a reason not to.
    fn wait_again(&mut self, time: Timestamp, cause: String) {
        self.enter(time, JobState::Queued, cause);
        if let Some(cancel) = self.cancel.clone() {
            self.give_up(time, JobState::Cancelled, cancel);
        } else if self.runs >= MAX_RUNS {
            let cause =
                format!("given up: {MAX_RUNS} workers began with it, and none came to an end");
            self.give_up(time, JobState::Failed, cause);
        } else if self.hand_backs.saturating_sub(self.refused()) >= MAX_HAND_BACKS {
            let cause = format!("given up: it was handed back {MAX_HAND_BACKS} times");
            self.give_up(time, JobState::Failed, cause);
        }
    }

    /// How many workers cannot build it: however many those are, another one may.
    fn refused(&self) -> u32 {
        u32::try_from(self.refusals.len()).unwrap_or(u32::MAX)
    }

    /// It ends without a worker.
    fn give_up(&mut self, time: Timestamp, state: JobState, cause: String) {
        let outcome = match state {
            JobState::Cancelled => Outcome::Cancelled,
            _ => Outcome::Failed,
        };
        self.ending = Some(JobEnding {
            outcome,
            error: Some(cause.clone()),
            exit_code: if outcome == Outcome::Cancelled {
                130
            } else {
                1
            },
            places: Vec::new(),
            seconds: 0.0,
        });
        self.enter(time, state, cause);
    }

    fn enter(&mut self, time: Timestamp, state: JobState, cause: String) {
        self.state = state;
        self.history.push(Transition { time, state, cause });
    }
}
