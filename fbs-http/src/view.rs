//! What clients are shown of jobs and workers.

use image_builder::events::{Outcome, Stage};
use image_builder::jobs::{Job, JobState, JobSummary, Transition};
use image_builder::master::KnownWorker;
use image_builder::redact;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// A job.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct JobView {
    #[serde(flatten)]
    pub(crate) line: JobLine,
    /// What goes first: a higher number.
    pub(crate) priority: i8,
    /// When nobody needs it any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deadline: Option<Timestamp>,
    /// The job that it repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_of: Option<String>,
    /// How often workers began with it.
    pub(crate) runs: u32,
    /// Who does not want it any more, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cancel: Option<String>,
    /// All that it was, in order.
    pub(crate) history: Vec<Step>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ending: Option<Ending>,
    /// The spec that it is built from, as INI, with `***` for the passwords in its addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) spec: Option<String>,
    /// The kickstart that it is built from, with `***` for passwords as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kickstart: Option<String>,
    /// Where there is more of it.
    pub(crate) links: Links,
}

/// A line of a list of jobs.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct JobLine {
    /// Its id.
    pub(crate) id: String,
    /// What is built.
    pub(crate) title: String,
    /// The architecture.
    pub(crate) arch: String,
    /// The release.
    pub(crate) release: String,
    /// Who asked.
    pub(crate) requester: String,
    /// Whether only they and administrators see it.
    pub(crate) private: bool,
    /// When it was asked for.
    pub(crate) submitted: Timestamp,
    /// `queued`, `running`, `delivering`, `succeeded`, `failed` or `cancelled`.
    pub(crate) state: &'static str,
    /// How far a running build is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stage: Option<&'static str>,
    /// Since when it is what it is.
    pub(crate) since: Timestamp,
    /// Who builds it, or built it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) worker: Option<String>,
    /// Where it stands while it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) waits: Option<Waits>,
}

/// Where a job stands that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Waits {
    /// How many go before it.
    pub(crate) before: usize,
    /// Why it waits, for people.
    pub(crate) reason: String,
}

/// What a job was from a time on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Step {
    /// From when on.
    pub(crate) time: Timestamp,
    /// What it was.
    pub(crate) state: &'static str,
    /// How far the build was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stage: Option<&'static str>,
    /// Why, and by whom.
    pub(crate) cause: String,
}

/// How a job ended.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Ending {
    /// `succeeded`, `failed` or `cancelled`.
    pub(crate) outcome: String,
    /// Why there is no image, and the way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// `fbs build` would end with it.
    pub(crate) exit_code: u8,
    /// Where image, log and report are: folders and addresses.
    pub(crate) places: Vec<String>,
    /// From the claim to the end, in seconds.
    pub(crate) seconds: f64,
}

/// Where there is more of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Links {
    /// The job itself.
    #[serde(rename = "self")]
    pub(crate) itself: String,
    /// Its log.
    pub(crate) log: String,
    /// Its log while it grows.
    pub(crate) log_events: String,
    /// The report of its build.
    pub(crate) report: String,
    /// What was delivered here.
    pub(crate) artifacts: String,
}

fn stage_of(state: JobState) -> Option<&'static str> {
    match state {
        JobState::Running { stage } => stage.map(Stage::name),
        _ => None,
    }
}

impl From<&Transition> for Step {
    fn from(step: &Transition) -> Self {
        Self {
            time: step.time,
            state: step.state.name(),
            stage: stage_of(step.state),
            cause: step.cause.clone(),
        }
    }
}

impl From<&Job> for JobLine {
    fn from(job: &Job) -> Self {
        let request = &job.request;
        Self {
            id: job.id.to_string(),
            title: request.title.clone(),
            arch: request.arch.clone(),
            release: request.release.clone(),
            requester: request.requester.clone(),
            private: request.private,
            submitted: request.submitted,
            state: job.state.name(),
            stage: stage_of(job.state),
            since: job
                .history
                .last()
                .map_or(request.submitted, |last| last.time),
            worker: job.claim.as_ref().map(|claim| claim.worker.clone()),
            waits: None,
        }
    }
}

impl From<JobSummary> for JobLine {
    fn from(job: JobSummary) -> Self {
        Self {
            id: job.id.to_string(),
            title: job.title,
            arch: job.arch,
            release: job.release,
            requester: job.requester,
            private: job.private,
            submitted: job.submitted,
            state: job.state.name(),
            stage: stage_of(job.state),
            since: job.since,
            worker: job.worker,
            waits: None,
        }
    }
}

impl JobView {
    pub(crate) fn new(job: &Job, waits: Option<Waits>) -> Self {
        let request = &job.request;
        let payload = request.payload.as_ref();
        let ending = job.ending.as_ref().map(|ending| Ending {
            outcome: match ending.outcome {
                Outcome::Succeeded => "succeeded",
                Outcome::Failed => "failed",
                Outcome::Cancelled => "cancelled",
            }
            .to_owned(),
            error: ending.error.clone(),
            exit_code: ending.exit_code,
            places: ending.places.clone(),
            seconds: ending.seconds,
        });
        let itself = format!("/api/v1/jobs/{}", job.id);
        Self {
            line: JobLine {
                waits,
                ..JobLine::from(job)
            },
            priority: request.priority.0,
            deadline: request.deadline,
            retry_of: request.retry_of.as_ref().map(ToString::to_string),
            runs: job.runs,
            cancel: job.cancel.clone(),
            history: job.history.iter().map(Step::from).collect(),
            ending,
            spec: payload.map(|payload| redact::spec(&payload.spec)),
            kickstart: payload.and_then(|payload| {
                let kickstart = payload.kickstart.as_ref()?;
                Some(redact::passwords(kickstart).into_owned())
            }),
            links: Links {
                log: format!("{itself}/log"),
                log_events: format!("{itself}/log/events"),
                report: format!("{itself}/report"),
                artifacts: format!("{itself}/artifacts"),
                itself,
            },
        }
    }
}

/// A worker.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct WorkerView {
    /// Its name.
    pub(crate) worker: String,
    /// `present`, `draining` or `gone`.
    pub(crate) state: &'static str,
    /// The architecture that it builds for.
    pub(crate) arch: String,
    /// The releases that it serves.
    pub(crate) releases: Vec<String>,
    /// The builds that it makes at a time.
    pub(crate) slots: u32,
    /// How many jobs it builds.
    pub(crate) busy: usize,
    /// Those of them that one may see.
    pub(crate) running: Vec<String>,
    /// Since when it serves.
    pub(crate) since: Timestamp,
    /// When it was last heard of.
    pub(crate) heard: Timestamp,
    /// Jobs that it brought to an end.
    pub(crate) finished: u64,
    /// The host that it runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<String>,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    /// Why it takes no more jobs for now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cannot: Option<String>,
    /// How many processes want to run on its host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) load: Option<f32>,
    /// How many bytes are free where it builds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) free_bytes: Option<u64>,
}

impl From<KnownWorker> for WorkerView {
    fn from(known: KnownWorker) -> Self {
        use image_builder::master::WorkerState;
        let said = known.presence;
        let running = said.iter().flat_map(|said| &said.running);
        Self {
            worker: known.worker,
            state: match known.state {
                WorkerState::Present => "present",
                WorkerState::Draining => "draining",
                WorkerState::Gone => "gone",
            },
            arch: known.arch,
            releases: known.releases,
            slots: known.slots,
            busy: running.clone().count(),
            running: running.map(ToString::to_string).collect(),
            since: known.since,
            heard: known.heard,
            finished: said.as_ref().map_or(0, |said| said.finished),
            host: said.as_ref().map(|said| said.host.clone()),
            version: said.as_ref().map(|said| said.version.clone()),
            cannot: said.as_ref().and_then(|said| said.cannot.clone()),
            load: said.as_ref().map(|said| said.load),
            free_bytes: said.as_ref().and_then(|said| said.free_bytes),
        }
    }
}
