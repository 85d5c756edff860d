//! What goes to the service, and what comes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::jobs::{JobEnding, JobId, JobState, Transition};

/// As many jobs come at once.
pub(super) const PAGE: usize = 200;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Order {
    /// The build spec, as INI.
    pub spec: String,
    /// The kickstart with all that it includes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kickstart: Option<String>,
    /// What goes first: a higher number.
    pub priority: i8,
    /// When nobody needs it any more, from now on: `12h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
    /// Whether only who asks and administrators may see it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub private: bool,
}

impl Order {
    /// A spec alone.
    #[must_use]
    pub fn ini(spec: impl Into<String>) -> Self {
        Self {
            spec: spec.into(),
            ..Self::default()
        }
    }
}

/// A job. In lists, what is only of a job that is asked for by its id is empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RemoteJob {
    /// Its id.
    pub id: JobId,
    /// What is built.
    pub title: String,
    /// The architecture.
    pub arch: String,
    /// The release.
    pub release: String,
    /// Who asked.
    pub requester: String,
    /// When.
    pub submitted: Timestamp,
    /// What becomes of it.
    #[serde(flatten)]
    pub state: JobState,
    /// Since when it is what it is.
    pub since: Timestamp,
    /// Who builds it, or built it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// Where it stands while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<Waits>,
    /// All that it was, in order.
    #[serde(default)]
    pub history: Vec<Transition>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<JobEnding>,
}

/// Where a job stands that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// How many go before it.
    pub before: usize,
    /// Why it waits, for people.
    pub reason: String,
}

/// A worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RemoteWorker {
    /// Its name.
    pub worker: String,
    /// `present`, `draining` or `gone`.
    pub state: String,
    /// The architecture that it builds for.
    pub arch: String,
    /// The releases that it serves.
    pub releases: Vec<String>,
    /// The builds that it makes at a time.
    pub slots: u32,
    /// How many jobs it builds.
    #[serde(default)]
    pub busy: usize,
    /// Those of them that one may see.
    #[serde(default)]
    pub running: Vec<String>,
    /// Since when it serves.
    pub since: Timestamp,
    /// Jobs that it brought to an end.
    #[serde(default)]
    pub finished: u64,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Why it takes no more jobs for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cannot: Option<String>,
    /// How many processes want to run on its host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<f64>,
    /// How many bytes are free where it builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_bytes: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct JobList {
    pub(super) jobs: Vec<RemoteJob>,
}

#[derive(Debug, Deserialize)]
pub(super) struct WorkerList {
    pub(super) workers: Vec<RemoteWorker>,
}

/// What a job that was asked for is called.
#[derive(Debug, Deserialize)]
pub(super) struct Submitted {
    pub(super) id: JobId,
}
