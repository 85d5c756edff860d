//! What happens in a build, as data: [`BuildEvent`] is what every front end, log file, report and
//! queue carries.
//!
//! Stages emit through [`Events`]; whoever wants to see them adds an [`EventSink`]. The sinks of
//! the library are the job log ([`crate::job_log::JobLog`]) and the report
//! ([`crate::report::Recorder`]); `fbs` adds a progress display and a JSON stream.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::de::{
    IntoDeserializer,
    value::{self, StrDeserializer},
};
use serde::{Deserialize, Serialize};

use crate::process::{Exit, Stream};

/// A step of a build, in the order in which a build goes through them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Everything that can be known before work starts: tools, disk, repositories, staging.
    Check,
    /// Fetching Koji builds, verifying them, and making a repository of them.
    SideRepository,
    /// Gathering the packages of a DVD, with all that they require.
    Gather,
    /// Making a repository of them.
    CreateRepo,
    /// Solving the package set and downloading what is not cached.
    Packages,
    /// Installing the packages into a new root.
    Root,
    /// Setting up the root and running scripts in it, as the kickstart wants it.
    Kickstart,
    /// Making the initramfs in the root.
    Initramfs,
    /// Packing the root into a compressed read-only file system.
    RootImage,
    /// Boot loaders, ISO file, tree metadata, implanted checksum.
    Iso,
    /// Making the DVD of the installer and the packages.
    CreateIso,
    /// One of the distribution's own tools doing all of the above.
    Tool,
    /// Reading the finished image back: packages, sizes, checksums.
    Verify,
    /// Booting the finished image.
    BootTest,
    /// Putting the image with its logs where the user asked for it.
    Transfer,
    /// Removing what was only needed to make the image.
    Clear,
}

impl Stage {
    /// What the stage does, for people: "installing the root".
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Stage::Check => "checking the host and the repositories",
            Stage::SideRepository => "making the side repository",
            Stage::Gather => "gathering the packages",
            Stage::CreateRepo => "making the repository",
            Stage::Packages => "fetching the packages",
            Stage::Root => "installing the root",
            Stage::Kickstart => "carrying out the kickstart",
            Stage::Initramfs => "making the initramfs",
            Stage::RootImage => "packing the root",
            Stage::Iso => "writing the ISO",
            Stage::CreateIso => "writing the DVD",
            Stage::Tool => "running the build tool",
            Stage::Verify => "reading the image back",
            Stage::BootTest => "booting the image",
            Stage::Transfer => "delivering",
            Stage::Clear => "clearing the work folder",
        }
    }

    /// The name used in JSON and on the command line: `boot_test`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Stage::Check => "check",
            Stage::SideRepository => "side_repository",
            Stage::Gather => "gather",
            Stage::CreateRepo => "create_repo",
            Stage::Packages => "packages",
            Stage::Root => "root",
            Stage::Kickstart => "kickstart",
            Stage::Initramfs => "initramfs",
            Stage::RootImage => "root_image",
            Stage::Iso => "iso",
            Stage::CreateIso => "create_iso",
            Stage::Tool => "tool",
            Stage::Verify => "verify",
            Stage::BootTest => "boot_test",
            Stage::Transfer => "transfer",
            Stage::Clear => "clear",
        }
    }

    /// The stage of that name; `None`: one of a newer version.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        named(name)
    }
}

/// What has that name in JSON.
fn named<'a, T: Deserialize<'a>>(name: &'a str) -> Option<T> {
    let name: StrDeserializer<'_, value::Error> = name.into_deserializer();
    T::deserialize(name).ok()
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the engine does itself, and others start a program for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Packing the root, as `mksquashfs` does.
    PackRoot,
    /// Making repodata, as `createrepo_c` does.
    Repodata,
    /// The checksum that an ISO carries of itself, as of `implantisomd5`.
    MediaMd5,
    /// The SHA-256 of an image or of parts of it, as of `sha256sum`.
    Sha256,
}

impl Work {
    /// What is being done, for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Work::PackRoot => "packing the root",
            Work::Repodata => "making repodata",
            Work::MediaMd5 => "adding up the image's own checksum",
            Work::Sha256 => "adding up SHA-256",
        }
    }
}

/// How a stage, a command or a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It did its work.
    Succeeded,
    /// It did not.
    Failed,
    /// The user or the service stopped it.
    Cancelled,
}

impl Outcome {
    /// The outcome of that name, as it is displayed.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        named(name)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outcome::Succeeded => "succeeded",
            Outcome::Failed => "failed",
            Outcome::Cancelled => "cancelled",
        })
    }
}

/// How much a log message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What happens.
    Info,
    /// Something to look at; the build goes on.
    Warning,
    /// Why the build failed.
    Error,
}

/// What a number in [`EventKind::Progress`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Packages.
    Packages,
    /// Bytes.
    Bytes,
    /// Per cent of the stage.
    Percent,
}

/// How far a stage has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The stage.
    pub stage: Stage,
    /// So many are done.
    pub done: u64,
    /// Of so many.
    pub total: u64,
    /// Of what.
    pub unit: Unit,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// The first event of a job.
    JobStarted {
        /// The job's id.
        job: String,
        /// What is being built: `boot image of Fedora 43 (x86_64)`.
        title: String,
    },
    /// A stage began.
    StageStarted {
        /// The stage.
        stage: Stage,
    },
    /// A stage ended.
    StageFinished {
        /// The stage.
        stage: Stage,
        /// How.
        outcome: Outcome,
        /// Wall-clock seconds.
        seconds: f64,
    },
    /// A program was started.
    CommandStarted {
        /// The stage that runs it: two of them may be at work.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stage: Option<Stage>,
        /// Its whole command line.
        command: String,
    },
    /// A program ended.
    CommandFinished {
        /// The stage that ran it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stage: Option<Stage>,
        /// Its whole command line.
        command: String,
        /// How it ended; absent when it could not be started or was ended by us.
        #[serde(skip_serializing_if = "Option::is_none")]
        exit: Option<Exit>,
        /// Succeeded, failed or cancelled.
        outcome: Outcome,
        /// Wall-clock seconds.
        seconds: f64,
        /// It was a question to the host: a failure is an answer, and nobody's fault.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        probe: bool,
    },
    /// The engine began what others have a program for.
    WorkStarted {
        /// The stage that does it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stage: Option<Stage>,
        /// What.
        work: Work,
    },
    /// It ended, however.
    WorkFinished {
        /// The stage that did it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stage: Option<Stage>,
        /// What.
        work: Work,
        /// Wall-clock seconds.
        seconds: f64,
    },
    /// A line that a program printed.
    Output {
        /// Which of its streams.
        stream: Stream,
        /// The line, without its end.
        line: String,
    },
    /// A message of ours.
    Log {
        /// How much it matters.
        level: Level,
        /// The message.
        message: String,
    },
    /// How far a stage has come.
    Progress(Progress),
    /// A file that the build leaves.
    Artifact {
        /// Where it is.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// Its SHA-256, as hex.
        sha256: String,
    },
    /// The last event of a job.
    JobFinished {
        /// How it ended.
        outcome: Outcome,
        /// Wall-clock seconds.
        seconds: f64,
    },
}

/// Something that happened in a build: when, in which order, what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BuildEvent {
    /// When, in UTC (RFC 3339 in JSON).
    pub time: Timestamp,
    /// Counts up from 1 in each job, without gaps.
    pub seq: u64,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// Receives every event of a job, in order.
///
/// Called while the emitting stage waits, so it must be quick, and must not emit itself.
pub trait EventSink: Send + Sync {
    /// The next event.
    fn event(&self, event: &BuildEvent);
}

impl<F: Fn(&BuildEvent) + Send + Sync> EventSink for F {
    fn event(&self, event: &BuildEvent) {
        self(event);
    }
}

/// The handle through which stages emit; cheap to clone.
#[derive(Clone, Default)]
pub struct Events {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    seq: u64,
    sinks: Vec<Arc<dyn EventSink>>,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl Events {
    /// A stream that nobody listens to yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a listener; it sees what is emitted from now on.
    pub fn add_sink(&self, sink: Arc<dyn EventSink>) {
        self.lock().sinks.push(sink);
    }

    /// A stream of its own with the listeners of this one, as the next job of a front end needs.
    #[must_use]
    pub fn fork(&self) -> Self {
        let sinks = self.lock().sinks.clone();
        Self {
            inner: Arc::new(Mutex::new(Inner { seq: 0, sinks })),
        }
    }

    /// Emits `kind` now. The listeners are called one after the other, under a lock, so that all
    /// of them see the same order.
    pub fn emit(&self, kind: EventKind) {
        let mut inner = self.lock();
        inner.seq += 1;
        let event = BuildEvent {
            time: Timestamp::now(),
            seq: inner.seq,
            kind,
        };
        for sink in &inner.sinks {
            sink.event(&event);
        }
    }

    /// Emits a message.
    pub fn info(&self, message: impl Into<String>) {
        self.log(Level::Info, message);
    }

    /// Emits a warning.
    pub fn warn(&self, message: impl Into<String>) {
        self.log(Level::Warning, message);
    }

    /// Emits why the build failed.
    pub fn error(&self, message: impl Into<String>) {
        self.log(Level::Error, message);
    }

    /// Emits that `work` begins, for `stage`; and that it has ended when what this gives is dropped.
    #[must_use = "the work has ended when this is dropped"]
    pub fn working(&self, stage: Option<Stage>, work: Work) -> Working {
        self.emit(EventKind::WorkStarted { stage, work });
        Working {
            events: self.clone(),
            stage,
            work,
            started: Instant::now(),
        }
    }

    fn log(&self, level: Level, message: impl Into<String>) {
        self.emit(EventKind::Log {
            level,
            message: message.into(),
        });
    }

    /// Emits how far `stage` has come.
    pub fn progress(&self, stage: Stage, done: u64, total: u64, unit: Unit) {
        self.emit(EventKind::Progress(Progress {
            stage,
            done,
            total,
            unit,
        }));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// [`Work`] that goes on until this is dropped.
#[derive(Debug)]
pub struct Working {
    events: Events,
    stage: Option<Stage>,
    work: Work,
    started: Instant,
}

impl Drop for Working {
    fn drop(&mut self) {
        self.events.emit(EventKind::WorkFinished {
            stage: self.stage,
            work: self.work,
            seconds: seconds(self.started.elapsed()),
        });
    }
}

/// Seconds with the three decimals that are worth keeping.
#[must_use]
pub fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listener_sees_every_event_in_one_order() {
        let events = Events::new();
        let seen = Arc::new(Mutex::new(Vec::new()));
        for _ in 0..2 {
            let seen = Arc::clone(&seen);
            events.add_sink(Arc::new(move |event: &BuildEvent| {
                seen.lock().unwrap().push(event.seq);
            }));
        }
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..50).for_each(|n| events.info(n.to_string())));
            }
        });
        let expected: Vec<u64> = (1..=200).flat_map(|seq| [seq, seq]).collect();
        assert_eq!(*seen.lock().unwrap(), expected);
    }

    #[test]
    fn json_has_one_flat_object_an_event() {
        let event = BuildEvent {
            time: "2026-11-21T09:00:00Z".parse().unwrap(),
            seq: 7,
            kind: EventKind::StageFinished {
                stage: Stage::RootImage,
                outcome: Outcome::Succeeded,
                seconds: 1.25,
            },
        };
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(
            json,
            r#"{"time":"2026-11-21T09:00:00Z","seq":7,"event":"stage_finished","stage":"root_image","outcome":"succeeded","seconds":1.25}"#
        );
        assert_eq!(serde_json::from_str::<BuildEvent>(&json).unwrap(), event);
    }

    #[test]
    fn a_stage_is_named_alike_in_json_and_in_text() {
        for stage in [
            Stage::Check,
            Stage::RootImage,
            Stage::BootTest,
            Stage::Transfer,
            Stage::Clear,
        ] {
            assert_eq!(
                serde_json::to_string(&stage).unwrap(),
                format!("\"{stage}\"")
            );
            assert_eq!(Stage::of_name(stage.name()), Some(stage));
        }
        assert_eq!(Stage::of_name("proof"), None);
        assert_eq!(Outcome::of_name("cancelled"), Some(Outcome::Cancelled));
        assert_eq!(Outcome::of_name("Cancelled"), None);
    }
}
