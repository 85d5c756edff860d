//! The log file of a job, in the words and the form of the original's:
//!
//! ```text
//! 2012-08-11 16:07:58,798 - Registered a new Image Build request from root@builder
//! 2012-08-11 16:07:58,801 - Image type:: boot
//! ```

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::{Timestamp, tz::TimeZone};

use crate::events::{BuildEvent, EventKind, EventSink, Level, Outcome};

mod reader;

pub use reader::JobLogReader;

/// Writes every event of a job to a file, each line as it happens.
///
/// A log that cannot be written (a full disk) must not fail the build, and must not be silent
/// either: the first error is kept for [`JobLog::error`].
#[derive(Debug)]
pub struct JobLog {
    path: PathBuf,
    zone: TimeZone,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    error: Option<io::Error>,
}

impl JobLog {
    /// The name of a log begun at `time`: `imagebuild_20261121094224.log` (local time).
    #[must_use]
    pub fn file_name(time: Timestamp) -> String {
        format!(
            "imagebuild_{}.log",
            time.to_zoned(TimeZone::system()).strftime("%Y%m%d%H%M%S")
        )
    }

    /// Makes the log file; it must not exist yet.
    ///
    /// # Errors
    ///
    /// The operating system's, with the path.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = File::create_new(path).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        })?;
        Ok(Self {
            path: path.to_owned(),
            zone: TimeZone::system(),
            state: Mutex::new(State { file, error: None }),
        })
    }

    /// Where the log is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The first error in writing, if there was one.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        self.lock().error.as_ref().map(ToString::to_string)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventSink for JobLog {
    fn event(&self, event: &BuildEvent) {
        let Some(message) = message(&event.kind) else {
            return;
        };
        let time = event.time.to_zoned(self.zone.clone());
        let stamp = time.strftime("%Y-%m-%d %H:%M:%S");
        let millis = time.subsec_nanosecond() / 1_000_000;
        let mut text = String::with_capacity(message.len() + 32);
        for (number, line) in message.lines().enumerate() {
            let own = number == 0 && is_told(&event.kind);
            let indent = match !own && reader::told(line).is_some() {
                true => "  ",
                false => "",
            };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{stamp},{millis:03} - {indent}{line}");
        }
        let mut state = self.lock();
        if let Err(error) = state.file.write_all(text.as_bytes()) {
            state.error.get_or_insert(error);
        }
    }
}

/// Whether a [`JobLogReader`] tells of it. No other line looks like one of these: it is indented, as what programs print.
fn is_told(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::StageStarted { .. }
            | EventKind::StageFinished { .. }
            | EventKind::Log {
                level: Level::Warning,
                ..
            }
    )
}

/// What the log says of an event; nothing of progress, which is for people who watch.
fn message(kind: &EventKind) -> Option<String> {
    Some(match kind {
        EventKind::JobStarted { job, title } => format!("Job {job}: {title}"),
        EventKind::StageStarted { stage } => format!("== {stage}: {}", stage.title()),
        EventKind::StageFinished {
            stage,
            outcome,
            seconds,
        } => {
            format!("== {stage}: {outcome} after {seconds:.1} s")
        }
        EventKind::CommandStarted { command, .. } => format!("$ {command}"),
        EventKind::CommandFinished {
            exit,
            outcome,
            seconds,
            probe,
            ..
        } => match (exit, outcome) {
            (_, Outcome::Failed) if *probe => format!("$ answered no after {seconds:.1} s"),
            (_, Outcome::Succeeded) => format!("$ done after {seconds:.1} s"),
            (Some(exit), _) => format!("$ {exit} after {seconds:.1} s"),
            (None, outcome) => format!("$ {outcome} after {seconds:.1} s"),
        },
        // What it made is told by itself.
        EventKind::WorkStarted { .. } => return None,
        EventKind::WorkFinished { work, seconds, .. } => {
            format!("* {}: {seconds:.1} s", work.title())
        }
        EventKind::Output { line, .. } if line.is_empty() => return None,
        EventKind::Output { line, .. } => format!("  {line}"),
        EventKind::Log {
            level: Level::Info,
            message,
        } => message.clone(),
        EventKind::Log {
            level: Level::Warning,
            message,
        } => format!("warning: {message}"),
        EventKind::Log {
            level: Level::Error,
            message,
        } => format!("error: {message}"),
        EventKind::Progress(_) => return None,
        EventKind::Artifact { path, size, sha256 } => {
            format!("{}: {size} bytes, SHA-256 {sha256}", path.display())
        }
        EventKind::JobFinished { outcome, seconds } => {
            format!("Image build {outcome} after {seconds:.1} s")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Events;
    use crate::process::Stream;
    use std::sync::Arc;

    #[test]
    fn reads_like_the_original() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("imagebuild.log");
        let log = Arc::new(JobLog::create(&path).unwrap());
        let events = Events::new();
        events.add_sink(log.clone());
        events.info("Image type:: boot");
        events.emit(EventKind::Output {
            stream: Stream::Stdout,
            line: "Dependencies resolved.".into(),
        });
        events.emit(EventKind::Output {
            stream: Stream::Stdout,
            line: String::new(),
        });
        events.warn("two\nlines");
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        let (stamp, rest) = lines[0].split_at(23);
        assert!(rest == " - Image type:: boot", "{rest}");
        let shape: String = stamp
            .chars()
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        assert_eq!(shape, "0000-00-00 00:00:00,000");
        assert!(lines[1].ends_with(" -   Dependencies resolved."));
        assert!(lines[2].ends_with(" - warning: two") && lines[3].ends_with(" - lines"));
        assert_eq!(log.error(), None);
    }

    #[test]
    fn a_full_disk_is_remembered() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let log = JobLog {
            path: PathBuf::from("/dev/full"),
            zone: TimeZone::UTC,
            state: Mutex::new(State {
                file: full,
                error: None,
            }),
        };
        let log = Arc::new(log);
        let events = Events::new();
        events.add_sink(log.clone());
        events.info("lost");
        let error = log.error().unwrap();
        assert!(error.contains("No space left on device"), "{error}");
    }

    #[test]
    fn never_writes_over_another_log() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("imagebuild.log");
        std::fs::write(&path, "kept").unwrap();
        let error = JobLog::create(&path).unwrap_err();
        assert!(error.to_string().contains("imagebuild.log"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "kept");
    }
}
