//! What happens to jobs and workers.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{JobId, JobRequest};
use crate::events::{Outcome, Stage};

/// One entry of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Entry {
    /// Of a job.
    Job(JobEvent),
    /// Of a worker.
    Worker(WorkerEvent),
    /// Of somebody who wants to know when they have read all that was there.
    Mark {
        /// A word of theirs.
        mark: String,
    },
}

/// Something that happened to a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobEvent {
    /// The job.
    pub job: JobId,
    /// When, by the clock of who says it.
    pub time: Timestamp,
    /// Who says it: `root@builder`, a worker's name.
    pub by: String,
    /// What happened.
    #[serde(flatten)]
    pub kind: JobEventKind,
}

/// What happened to a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum JobEventKind {
    /// It is asked for.
    Queued {
        /// What.
        request: Box<JobRequest>,
    },
    /// A worker wants to begin with it.
    Claimed {
        /// The worker's claim.
        claim: Claim,
    },
    /// The build has come to a stage.
    Stage {
        /// Whose build.
        claim: Claim,
        /// The stage.
        stage: Stage,
    },
    /// The image is made, and wants to be handed over.
    Delivering {
        /// Whose build.
        claim: Claim,
        /// Whether there is an image; of a build that has none its log is handed over.
        #[serde(default = "yes")]
        image: bool,
    },
    /// The build has ended.
    Ended {
        /// Whose build.
        claim: Claim,
        /// How.
        ending: JobEnding,
    },
    /// The worker cannot go on; another may.
    HandedBack {
        /// Whose build.
        claim: Claim,
        /// Why.
        reason: String,
        /// Whether it would be no better a second time at the same worker.
        refused: bool,
    },
    /// Nothing was heard of the worker for too long, or it has begun anew.
    Lost {
        /// Whose build.
        claim: Claim,
        /// How one knows.
        reason: String,
    },
    /// Somebody does not want it any more.
    CancelRequested {
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Its deadline has passed, and nobody has begun with it.
    Expired,
    /// Somebody tells those who want to know of it: nobody else has to. The first to say so does it.
    Announced {
        /// Of what.
        moment: Moment,
        /// The life of the worker that does.
        session: String,
    },
}

/// Ledgers from before it was told say nothing of it.
fn yes() -> bool {
    true
}

/// What is told of a job by somebody who does not build it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// That it was asked for.
    Submitted,
    /// That it has ended, although no worker has brought it to an end.
    Ended,
}

impl JobEventKind {
    /// Whose build it is about.
    #[must_use]
    pub fn claim(&self) -> Option<&Claim> {
        match self {
            Self::Claimed { claim }
            | Self::Stage { claim, .. }
            | Self::Delivering { claim, .. }
            | Self::Ended { claim, .. }
            | Self::HandedBack { claim, .. }
            | Self::Lost { claim, .. } => Some(claim),
            Self::Queued { .. }
            | Self::CancelRequested { .. }
            | Self::Expired
            | Self::Announced { .. } => None,
        }
    }

    /// Whether the job may wait after it, so that workers have to hear of it.
    #[must_use]
    pub fn wakes(&self) -> bool {
        matches!(
            self,
            Self::Queued { .. } | Self::HandedBack { .. } | Self::Lost { .. }
        )
    }
}

/// A worker's claim to a job.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Claim {
    /// The worker's name.
    pub worker: String,
    /// The life of the worker that it belongs to: another one after each start.
    pub session: String,
    /// Which run of the job, from 1.
    pub run: u32,
}

/// How a build ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobEnding {
    /// Whether there is an image.
    pub outcome: Outcome,
    /// Why not, and the way out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// `fbs build` would end with it.
    pub exit_code: u8,
    /// Where image, log and report are: folders and addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<String>,
    /// From the claim to the end, in seconds.
    pub seconds: f64,
}

/// Something that happened to a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerEvent {
    /// Its name.
    pub worker: String,
    /// Its life.
    pub session: String,
    /// When.
    pub time: Timestamp,
    /// What.
    #[serde(flatten)]
    pub kind: WorkerEventKind,
}

/// What happened to a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum WorkerEventKind {
    /// It serves from now on. What another session of the same worker has claimed is lost.
    WorkerStarted {
        /// The architecture it builds for.
        arch: String,
        /// The releases it serves.
        releases: Vec<String>,
        /// The builds it makes at a time.
        slots: u32,
    },
    /// It has finished all it had and takes no more.
    WorkerStopped,
}
