//! What is asked for.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::JobId;
use crate::spec::{Arch, Release};

/// Where a job waits: workers serve lines.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Line {
    /// The architecture, as RPM writes it.
    pub arch: String,
    /// The release: `43`, `rawhide`.
    pub release: String,
}

impl Line {
    /// That of an architecture and a release.
    #[must_use]
    pub fn new(arch: Arch, release: &Release) -> Self {
        Self {
            arch: arch.to_string(),
            release: release.to_string(),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.arch, self.release)
    }
}

/// What goes first: a higher number, and among equal ones what was submitted first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Priority(pub i8);

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRequest {
    /// What is built: `boot image of Fedora 43 (x86_64)`.
    pub title: String,
    /// `boot`, `dvd` or `live`.
    pub image_type: String,
    /// The architecture.
    pub arch: String,
    /// The release.
    pub release: String,
    /// Who asked: `root@builder`.
    pub requester: String,
    /// When.
    pub submitted: Timestamp,
    /// What goes first.
    #[serde(default)]
    pub priority: Priority,
    /// When nobody needs it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// The job that it repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<JobId>,
    /// Whether only who asked may see it, where there are accounts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub private: bool,
    /// What the worker builds from. Who only watches drops it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Payload>,
}

/// What a worker builds from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Payload {
    /// The build spec, as INI.
    pub spec: String,
    /// The kickstart with all that it includes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kickstart: Option<String>,
}

impl JobRequest {
    /// Where it waits.
    #[must_use]
    pub fn line(&self) -> Line {
        Line {
            arch: self.arch.clone(),
            release: self.release.clone(),
        }
    }
}
