//! Starting programs: [`Invocation`] is the data, [`CommandRunner`] the trait, [`SystemRunner`] the
//! one place that starts a process.
//!
//! A builder makes invocations and never runs them itself, so its test is one line of argv. The
//! runner hands every line of both streams on as it is printed, keeps the last of them for the
//! error, and ends the whole process group when the program is done, too slow or cancelled: a
//! helper that the program left in the background does not outlive it.

mod aside;
mod ending;
mod invocation;
mod lines;
#[cfg(feature = "sftp")]
mod piped;
mod system;

pub(crate) use aside::Aside;
pub use ending::{Ending, asked_to_end, drain_then_stop};
pub use invocation::Invocation;
#[cfg(feature = "sftp")]
pub(crate) use piped::{Complaints, Piped};
pub use system::SystemRunner;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::error::{ErrorKind, StageError};

/// Which of the two streams of a program a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Receives the lines of a program while it runs.
///
/// Called from the runner's reading tasks: it must not block for long. Lines come without their
/// line end; a carriage return ends a line too (progress bars redraw with it); what is not UTF-8
/// is replaced. A line longer than 16 KiB comes in pieces.
pub trait OutputSink: Send + Sync {
    /// One line of `stream`.
    fn line(&self, stream: Stream, line: &str);
}

/// Throws every line away.
#[derive(Debug, Clone, Copy, Default)]
pub struct Discard;

impl OutputSink for Discard {
    fn line(&self, _: Stream, _: &str) {}
}

impl<F: Fn(Stream, &str) + Send + Sync> OutputSink for F {
    fn line(&self, stream: Stream, line: &str) {
        self(stream, line);
    }
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// It exited with this status.
    Code(i32),
    /// It was ended by this signal.
    Signal(i32),
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |signal| nix::sys::signal::Signal::try_from(signal).ok();
        match self {
            Exit::Code(code) => {
                write!(f, "exit status {code}")?;
                // Shells and bubblewrap tell so what became of the program that they started.
                match name(code - 128).filter(|_| *code > 128) {
                    Some(name) => write!(f, ", as after signal {} ({name})", code - 128),
                    None => Ok(()),
                }
            }
            Exit::Signal(signal) => match name(*signal) {
                Some(name) => write!(f, "signal {signal} ({name})"),
                None => write!(f, "signal {signal}"),
            },
        }
    }
}

/// A program that ran to its end with a status that counts as success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// How it ended: always [`Exit::Code`] with a code the invocation accepts.
    pub exit: Exit,
    /// Wall-clock time from start to end.
    pub duration: Duration,
    /// The last lines of both streams, oldest first, at most [`TAIL_LINES`].
    pub tail: Vec<String>,
}

/// How many lines of output an error and a [`Completed`] keep.
pub const TAIL_LINES: usize = 60;

/// Why a program did not do its work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The program is not installed.
    #[error("`{program}` is not installed (not found in PATH)")]
    NotFound {
        /// The name that was looked for.
        program: String,
    },
    /// The operating system refused to start it.
    #[error("`{program}` could not be started: {reason}")]
    Spawn {
        /// The program.
        program: String,
        /// The operating system's words.
        reason: String,
    },
    /// It ended with a status that is not success.
    #[error("`{command}` failed with {exit}{}", after_printing(.tail))]
    Failed {
        /// The command line, shortened.
        command: String,
        /// How it ended.
        exit: Exit,
        /// Its last lines, oldest first.
        tail: Vec<String>,
        /// How long it had run.
        duration: Duration,
    },
    /// It ran longer than its limit and was ended.
    #[error("`{command}` was ended after its time limit of {}{}", human(.limit), after_printing(.tail))]
    TimedOut {
        /// The command line, shortened.
        command: String,
        /// The limit.
        limit: Duration,
        /// Its last lines, oldest first.
        tail: Vec<String>,
    },
    /// The build was cancelled while it ran.
    #[error("`{command}` was cancelled")]
    Cancelled {
        /// The command line, shortened.
        command: String,
    },
}

impl CommandError {
    /// The last lines that the program printed, oldest first.
    #[must_use]
    pub fn tail(&self) -> &[String] {
        match self {
            CommandError::Failed { tail, .. } | CommandError::TimedOut { tail, .. } => tail,
            _ => &[],
        }
    }
}

impl StageError for CommandError {
    fn kind(&self) -> ErrorKind {
        match self {
            CommandError::NotFound { .. } | CommandError::Spawn { .. } => ErrorKind::Host,
            CommandError::Cancelled { .. } => ErrorKind::Cancelled,
            CommandError::Failed { .. } | CommandError::TimedOut { .. } => ErrorKind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        matches!(self, CommandError::NotFound { .. })
            .then(|| "`fbs doctor` says what to install".to_owned())
    }
}

/// How many of the kept lines an error message shows; the log has them all.
const MESSAGE_LINES: usize = 12;

fn after_printing(tail: &[String]) -> String {
    if tail.is_empty() {
        return " without printing anything".to_owned();
    }
    let shown = &tail[tail.len().saturating_sub(MESSAGE_LINES)..];
    format!(", after printing:\n  {}", shown.join("\n  "))
}

/// A duration as people write it: `90s`, `15m`, `4h`.
fn human(duration: &Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{}ms", duration.as_millis()),
        s if s % 3600 == 0 => format!("{}h", s / 3600),
        s if s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

/// Runs invocations. [`SystemRunner`] starts real processes; tests and embedders may pass their own
/// (feature `mock`: `MockCommandRunner`).
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait CommandRunner: Send + Sync + fmt::Debug {
    /// Runs to the end, passing every line to `output`.
    ///
    /// When this returns, no process of the invocation's process group is left.
    ///
    /// # Errors
    ///
    /// See [`CommandError`]. After [`CommandError::Cancelled`] the program has been ended.
    async fn run(
        &self,
        invocation: &Invocation,
        output: Arc<dyn OutputSink>,
        cancel: &CancellationToken,
    ) -> Result<Completed, CommandError>;
}
