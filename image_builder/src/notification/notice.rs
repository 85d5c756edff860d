//! What there is to tell, as plain data.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::events::Outcome;
use crate::jobs::{JobId, JobRequest};
use crate::plan::BuildPlan;
use crate::report::{BuildReport, ErrorRecord};
use crate::retention::Reason;
use crate::spec::{BuildSpec, Format};

/// The largest screenshot that is sent, in bytes.
const LARGEST_SCREENSHOT: u64 = 2 * 1024 * 1024;

/// One thing to tell of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// The job's id.
    pub job: String,
    /// What is built: `boot image of Fedora 43 (x86_64)`.
    pub title: String,
    /// `boot`, `dvd` or `live`.
    pub image_type: String,
    /// The release: `43`, `rawhide`.
    pub release: String,
    /// The architecture: `x86_64`.
    pub arch: String,
    /// When it happened.
    pub time: Timestamp,
    /// Who gets mail: the spec's `email`.
    pub recipients: Vec<String>,
    /// Who asked: `root@builder` in local mode.
    pub requester: String,
    /// What happened.
    pub kind: NoticeKind,
}

/// What happened to a job.
#[derive(Debug, Clone, PartialEq)]
pub enum NoticeKind {
    /// It was accepted.
    Queued {
        /// Where it can be watched: an address, or a command.
        watch: Option<String>,
    },
    /// A worker began with it.
    Started {
        /// The worker's host.
        worker: String,
        /// The backend that makes the image.
        backend: String,
        /// Where its log can be read while it grows: an address.
        watch: Option<String>,
    },
    /// There is an image.
    Finished(Box<Ending>),
    /// There is none, or not the one that was asked for.
    Failed(Box<Ending>),
    /// Somebody stopped it.
    Cancelled(Box<Ending>),
    /// It has failed or was cancelled before a build could begin: nothing is left but the reason.
    Unbuilt {
        /// Failed or cancelled.
        outcome: Outcome,
        /// Why.
        error: Box<ErrorRecord>,
    },
    /// Its images will go.
    Expiring {
        /// Their names.
        files: Vec<String>,
        /// How many bytes they have.
        bytes: u64,
        /// Why they go.
        reason: Reason,
        /// When they go at the latest, if nobody pins them.
        ends: Option<Timestamp>,
        /// Where they can be pinned: the address of a page.
        page: Option<String>,
    },
    /// Its images went. What else there is of the job stays.
    Expired {
        /// Their names.
        files: Vec<String>,
        /// How many bytes they had.
        bytes: u64,
        /// Why they went.
        reason: Reason,
        /// When it was said that they will go, if that could be said.
        warned: Option<Timestamp>,
        /// Where the rest of the job is: the address of a page.
        page: Option<String>,
    },
}

/// What a job left.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    /// The report, final.
    pub report: BuildReport,
    /// The log on this host, where there is one. It is read when it is sent.
    pub log: Option<PathBuf>,
    /// The last pictures of the boot tests.
    pub screenshots: Vec<Screenshot>,
}

/// A picture of a booted image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screenshot {
    /// Its file's name where the image was delivered.
    pub name: String,
    /// The picture, as PNG.
    pub png: Vec<u8>,
}

impl Screenshot {
    /// Reads one; nothing where it cannot be read, or is too large to send.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        let fits = path.metadata().ok()?.len() <= LARGEST_SCREENSHOT;
        let png = fits.then(|| std::fs::read(path).ok()).flatten()?;
        let name = path.file_name()?.to_string_lossy().into_owned();
        Some(Self { name, png })
    }
}

impl Notice {
    /// Of a planned build, now.
    #[must_use]
    pub fn new(plan: &BuildPlan, requester: &str, kind: NoticeKind) -> Self {
        Self {
            job: plan.job.clone(),
            title: plan.title.clone(),
            image_type: plan.image_type.to_string(),
            release: plan.release.to_string(),
            arch: plan.arch.to_string(),
            time: Timestamp::now(),
            recipients: plan.spec.common.email.clone(),
            requester: requester.to_owned(),
            kind,
        }
    }

    /// Of a job that waits, or that ended without a plan, now. Nobody gets mail of one whose spec cannot be read.
    #[must_use]
    pub fn of_request(job: &JobId, request: &JobRequest, kind: NoticeKind) -> Self {
        let spec = request.payload.as_ref().map_or("", |payload| &payload.spec);
        let spec = BuildSpec::parse(spec, Format::Ini, job.as_str());
        Self {
            job: job.to_string(),
            title: request.title.clone(),
            image_type: request.image_type.clone(),
            release: request.release.clone(),
            arch: request.arch.clone(),
            time: Timestamp::now(),
            recipients: spec.map_or_else(|_| Vec::new(), |spec| spec.common.email),
            requester: request.requester.clone(),
            kind,
        }
    }

    /// What the job left, once it has ended.
    #[must_use]
    pub fn ending(&self) -> Option<&Ending> {
        match &self.kind {
            NoticeKind::Finished(ending)
            | NoticeKind::Failed(ending)
            | NoticeKind::Cancelled(ending) => Some(ending),
            NoticeKind::Queued { .. }
            | NoticeKind::Started { .. }
            | NoticeKind::Unbuilt { .. }
            | NoticeKind::Expiring { .. }
            | NoticeKind::Expired { .. } => None,
        }
    }

    /// A UUID of this notice, the same however often it is sent: version 8 of
    /// [RFC 9562](https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-8), from the SHA-256 of
    /// job, kind and time.
    #[must_use]
    pub fn id(&self) -> String {
        let text = format!("{}\n{}\n{}", self.job, self.kind.name(), self.time);
        let digest = Sha256::digest(text.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!(
            "{}-{}-{}-{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..]
        )
    }
}

impl NoticeKind {
    /// That of a job that ended.
    #[must_use]
    pub fn ended(ending: Ending) -> Self {
        let ending = Box::new(ending);
        match ending.report.outcome {
            Outcome::Succeeded => Self::Finished(ending),
            Outcome::Failed => Self::Failed(ending),
            Outcome::Cancelled => Self::Cancelled(ending),
        }
    }

    /// The last word of its topic: `queued`, `started`, `complete`, `failed`, `cancelled`, `expiring`,
    /// `expired`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Queued { .. } => "queued",
            Self::Started { .. } => "started",
            Self::Finished(_) => "complete",
            Self::Failed(_) => "failed",
            Self::Cancelled(_) => "cancelled",
            Self::Unbuilt { outcome, .. } => match outcome {
                Outcome::Cancelled => "cancelled",
                Outcome::Failed | Outcome::Succeeded => "failed",
            },
            Self::Expiring { .. } => "expiring",
            Self::Expired { .. } => "expired",
        }
    }
}
