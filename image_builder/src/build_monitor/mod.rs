//! The builds of this host, so that another process can find them and follow their logs.
//!
//! Each build has an entry in `/var/lib/fbs/jobs` (`FBS_STATE_DIR` names another place for
//! `/var/lib/fbs`): a file that says where its log is, which the build holds locked as long as it
//! runs. The lock goes with the process, however that ends.
//!
//! A worker keeps the logs of its jobs in [`JobLogs`], and sends pieces of them to who asks over the
//! [queue](crate::queue): a [`RemoteLog`]. What nobody reads is not sent, and who reads slowly holds up nobody.
//! Many who follow one log share what is read of it: a [`SharedLog`].

mod follower;
mod job_logs;
mod registry;
mod remote;
mod shared_log;
#[cfg(test)]
mod tests;

pub use follower::Follower;
pub use job_logs::{Growing, JobLogs, LogPiece, LogRequest, log_topic, piece_of};
pub use registry::{Job, JobState, Registration, Registry, log_left, state_dir};
pub use remote::{FOLLOWED, RemoteLog};
pub use shared_log::{LogSource, OwnLog, SharedLog, SharedLogs, WorkerLog};

use std::io;
use std::path::PathBuf;

use crate::error::{ErrorKind, StageError};

/// Why a log cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// Nothing was built here.
    #[error("no build is known on this host")]
    NoJobs,
    /// No build has this id.
    #[error("no job {job:?} is known on this host")]
    Unknown {
        /// The id that was asked for.
        job: String,
        /// The newest of those that are known.
        known: Vec<String>,
    },
    /// The job came to no log, or it was removed.
    #[error("job {job} has no log{}", .place.as_ref().map(|place| format!(" here any more; it was delivered to {place}")).unwrap_or_default())]
    NoLog {
        /// The job's id.
        job: String,
        /// Where it was delivered.
        place: Option<String>,
    },
    /// A file cannot be read.
    #[error("{}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        source: io::Error,
    },
    /// What was read cannot be handed on.
    #[error("the log cannot be written out: {0}")]
    Write(io::Error),
}

impl StageError for MonitorError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoJobs | Self::Unknown { .. } => ErrorKind::Usage,
            Self::NoLog { .. } => ErrorKind::Failed,
            Self::Read { .. } | Self::Write(_) => ErrorKind::Host,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { known, .. } if !known.is_empty() => {
                Some(format!("known are {}", known.join(", ")))
            }
            Self::Read { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("a build's log is root's until it is delivered".to_owned())
            }
            _ => None,
        }
    }
}
