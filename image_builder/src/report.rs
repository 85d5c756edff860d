//! `build-report.json`: everything about a build, for machines.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{ErrorKind, StageError};
use crate::events::{BuildEvent, EventKind, EventSink, Outcome, Stage, Work, seconds};
use crate::koji::KojiConfig;
use crate::process::Exit;
use crate::source_date::SourceDate;
use crate::transfer::DeliveryRecord;
use crate::verify::{BootVerdict, BuildProof, IsoContents};

/// The format's version, raised when a reader would have to change.
pub const VERSION: u32 = 1;

/// A stage and how long it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageRecord {
    /// The stage.
    pub stage: Stage,
    /// How it ended.
    pub outcome: Outcome,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// A command that was run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandRecord {
    /// The stage that ran it.
    pub stage: Stage,
    /// Its command line.
    pub command: String,
    /// How it ended; absent when it could not be started or was ended by us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    /// Succeeded, failed or cancelled.
    pub outcome: Outcome,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// It was a question to the host: a failure is an answer, and nobody's fault.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub probe: bool,
}

/// Work of the engine's own, for which others start a program.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WorkRecord {
    /// The stage that did it.
    pub stage: Stage,
    /// What.
    pub work: Work,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// A file that was delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Its name in the staging folder.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256, as hex.
    pub sha256: String,
}

/// Why a build failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorRecord {
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// Whose fault it is.
    pub kind: ErrorKind,
    /// What is wrong.
    pub message: String,
    /// The way out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl ErrorRecord {
    /// That of an error of no stage.
    #[must_use]
    pub fn of(error: &impl StageError) -> Self {
        Self {
            stage: None,
            kind: error.kind(),
            message: error.to_string(),
            hint: error.hint(),
        }
    }
}

/// The backend and why it was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendRecord {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// Where the time went.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct TimeRecord {
    /// Wall-clock seconds of the whole build.
    pub total_seconds: f64,
    /// Of these, so many while at least one command of the build ran.
    pub command_seconds: f64,
    /// Of the others, so many while at least one work of the engine's own went on.
    #[serde(default)]
    pub work_seconds: f64,
}

/// How much memory was used at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MemoryRecord {
    /// By our own process, in KiB.
    pub own_kib: u64,
    /// By the largest command, in KiB.
    pub command_kib: u64,
}

/// What became of a kickstart.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct KickstartRecord {
    /// What was not carried out.
    pub not_applied: Vec<NotApplied>,
    /// The scripts that ran, in their order.
    pub scripts: Vec<ScriptRecord>,
}

/// A part of a kickstart that was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotApplied {
    /// File and line.
    pub place: String,
    /// The command or section, with the option if it is only that.
    pub what: String,
    /// Why.
    pub reason: String,
}

impl fmt::Display for NotApplied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            place,
            what,
            reason,
        } = self;
        write!(f, "{place}: not applied: {what}: {reason}")
    }
}

/// A script of a kickstart that ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScriptRecord {
    /// `%post`, or `%post --nochroot`.
    pub script: String,
    /// File and line of its header.
    pub place: String,
    /// Succeeded, failed or cancelled. A failure without `--erroronfail` does not end the build.
    pub outcome: Outcome,
    /// Its exit status; absent when it was ended by us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    /// File and line at which it failed, where its interpreter said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<String>,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// The Koji builds that were asked for, and the proof of what became of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SideRecord {
    /// Which Koji they are from.
    pub koji: KojiConfig,
    /// How many packages the side repository had.
    pub packages: usize,
    /// Their size in bytes.
    pub bytes: u64,
    /// How many of them the host's cache had already.
    pub reused: usize,
    /// What is odd about the builds.
    pub warnings: Vec<String>,
    /// Whether the image could be read, so that the proof below is one.
    pub proved: bool,
    /// Each build, and what of it is in the image.
    pub builds: Vec<BuildProof>,
}

/// Everything about a build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BuildReport {
    /// [`VERSION`].
    pub version: u32,
    /// The version of the program that wrote it.
    pub generator: String,
    /// The job's id.
    pub job: String,
    /// What was built.
    pub title: String,
    /// The name of its folder at a staging place; a number may stand behind it there.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorRecord>,
    /// When it began, in UTC.
    pub started: Timestamp,
    /// When it ended, in UTC.
    pub finished: Timestamp,
    /// The host that built.
    pub host: String,
    /// Who made the image.
    pub backend: BackendRecord,
    /// The time that the image carries, where the backend sets it: with the same spec and packages
    /// and this `SOURCE_DATE_EPOCH` another build makes the same bytes.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        rename = "source_date_epoch"
    )]
    pub source_date: Option<SourceDate>,
    /// The spec as it was written.
    pub spec: Value,
    /// What the plan's reader should know.
    pub notes: Vec<String>,
    /// The packages that were asked for.
    pub requested: Vec<String>,
    /// The Koji builds that were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side_repository: Option<SideRecord>,
    /// What became of the kickstart, where the engine carried one out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kickstart: Option<KickstartRecord>,
    /// The stages in their order.
    pub stages: Vec<StageRecord>,
    /// Every command in its order.
    pub commands: Vec<CommandRecord>,
    /// What the engine did itself and others start a program for, as it ended.
    #[serde(default)]
    pub work: Vec<WorkRecord>,
    /// Where the time went.
    pub time: TimeRecord,
    /// The memory that it took.
    pub memory: MemoryRecord,
    /// What the finished image says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<IsoContents>,
    /// Every package in the image, as name-epoch:version-release.arch, read from the image.
    pub packages: Vec<String>,
    /// How the image booted.
    pub boot_tests: Vec<BootVerdict>,
    /// What became of the delivery to each staging place.
    pub deliveries: Vec<DeliveryRecord>,
    /// The folder of the host that has everything, where not all of it was delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_in: Option<PathBuf>,
    /// Where the tree was left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<PathBuf>,
    /// The name of the job's log in the staging folder.
    pub log: String,
    /// Why the log is not whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_error: Option<String>,
    /// The delivered files, this report and the log excepted, which are written last.
    pub files: Vec<FileRecord>,
}

impl BuildReport {
    /// The first folder that has everything: a path, or a URL.
    #[must_use]
    pub fn delivered_to(&self) -> Option<&str> {
        let whole = self.deliveries.iter().find(|one| one.error.is_none())?;
        whole.folder.as_deref()
    }
}

/// Collects stages and commands from the event stream.
#[derive(Debug, Default)]
pub struct Recorder {
    state: Mutex<Recorded>,
}

/// What a [`Recorder`] has seen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recorded {
    /// The stages that ended.
    pub stages: Vec<StageRecord>,
    /// The commands that ended.
    pub commands: Vec<CommandRecord>,
    /// The work of our own that ended.
    pub work: Vec<WorkRecord>,
    current: Option<Stage>,
    /// What has begun: two may end in another order.
    began: Began,
    /// While commands ran; and while these or work of our own did.
    commands_ran: Span,
    anything_ran: Span,
}

/// The time in which at least one of several things went on: two boots side by side count once.
#[derive(Debug, Clone, Default, PartialEq)]
struct Span {
    running: u32,
    since: Option<Timestamp>,
    total: Duration,
}

impl Span {
    fn begin(&mut self, now: Timestamp) {
        self.running += 1;
        self.since.get_or_insert(now);
    }

    fn end(&mut self, now: Timestamp) {
        self.running = self.running.saturating_sub(1);
        if self.running == 0
            && let Some(since) = self.since.take()
        {
            // Nothing, where the clock was put back.
            self.total += Duration::try_from(now.duration_since(since)).unwrap_or_default();
        }
    }
}

/// Which stages and commands have begun, and the numbers of the events that said so.
#[derive(Debug, Clone, Default, PartialEq)]
struct Began {
    stages: Vec<(u64, Stage)>,
    commands: Vec<(u64, String)>,
    /// Of those in the lists of a [`Recorded`], in their order.
    ended_stages: Vec<u64>,
    ended_commands: Vec<u64>,
}

/// Takes the first of `begun` that is `what`, and finds its place among `ended`, by when it began.
fn place<T: PartialEq>(begun: &mut Vec<(u64, T)>, what: &T, ended: &mut Vec<u64>) -> usize {
    let found = begun.iter().position(|(_, one)| one == what);
    let number = found.map_or(u64::MAX, |index| begun.remove(index).0);
    let place = ended.partition_point(|&other| other <= number);
    ended.insert(place, number);
    place
}

impl Recorded {
    /// Where a build's time went that took `total_seconds`.
    #[must_use]
    pub fn time(&self, total_seconds: f64) -> TimeRecord {
        let (commands, anything) = (self.commands_ran.total, self.anything_ran.total);
        TimeRecord {
            total_seconds,
            command_seconds: seconds(commands),
            work_seconds: seconds(anything.saturating_sub(commands)),
        }
    }
}

impl Recorder {
    /// What was seen so far.
    #[must_use]
    pub fn recorded(&self) -> Recorded {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl EventSink for Recorder {
    fn event(&self, event: &BuildEvent) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        match &event.kind {
            EventKind::StageStarted { stage } => {
                state.current = Some(*stage);
                state.began.stages.push((event.seq, *stage));
            }
            EventKind::StageFinished {
                stage,
                outcome,
                seconds,
            } => {
                let record = StageRecord {
                    stage: *stage,
                    outcome: *outcome,
                    seconds: *seconds,
                };
                let began = &mut state.began;
                let place = place(&mut began.stages, stage, &mut began.ended_stages);
                state.stages.insert(place, record);
            }
            EventKind::CommandStarted { command, .. } => {
                state.began.commands.push((event.seq, command.clone()));
                state.commands_ran.begin(event.time);
                state.anything_ran.begin(event.time);
            }
            EventKind::CommandFinished {
                stage,
                command,
                exit,
                outcome,
                seconds,
                probe,
            } => {
                let record = CommandRecord {
                    stage: stage.or(state.current).unwrap_or(Stage::Check),
                    command: command.clone(),
                    exit: *exit,
                    outcome: *outcome,
                    seconds: *seconds,
                    probe: *probe,
                };
                let began = &mut state.began;
                let place = place(&mut began.commands, command, &mut began.ended_commands);
                state.commands.insert(place, record);
                state.commands_ran.end(event.time);
                state.anything_ran.end(event.time);
            }
            EventKind::WorkStarted { .. } => state.anything_ran.begin(event.time),
            EventKind::WorkFinished {
                stage,
                work,
                seconds,
            } => {
                state.work.push(WorkRecord {
                    stage: stage.or(state.current).unwrap_or(Stage::Check),
                    work: *work,
                    seconds: *seconds,
                });
                state.anything_ran.end(event.time);
            }
            _ => {}
        }
    }
}

/// The memory that this process and its largest child took so far.
#[must_use]
pub fn memory() -> MemoryRecord {
    use nix::sys::resource::{UsageWho, getrusage};
    // Linux counts in KiB (getrusage(2)).
    let children = getrusage(UsageWho::RUSAGE_CHILDREN).map_or(0, |usage| usage.max_rss());
    MemoryRecord {
        own_kib: own_peak_kib().unwrap_or_default(),
        command_kib: u64::try_from(children).unwrap_or_default(),
    }
}

/// `VmHWM` of [proc_pid_status(5)](https://man7.org/linux/man-pages/man5/proc_pid_status.5.html).
/// `getrusage` would count the program that started this one, too: its peak is inherited by exec.
fn own_peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Events;
    use std::sync::Arc;

    #[test]
    fn stages_and_their_commands_are_recorded() {
        let recorder = Arc::new(Recorder::default());
        let events = Events::new();
        events.add_sink(recorder.clone());
        events.emit(EventKind::StageStarted { stage: Stage::Root });
        events.emit(EventKind::CommandFinished {
            stage: None,
            command: "dnf".into(),
            exit: Some(Exit::Code(1)),
            outcome: Outcome::Failed,
            seconds: 2.5,
            probe: false,
        });
        events.emit(EventKind::StageFinished {
            stage: Stage::Root,
            outcome: Outcome::Failed,
            seconds: 2.6,
        });
        let recorded = recorder.recorded();
        assert_eq!(recorded.commands[0].stage, Stage::Root);
        assert_eq!(recorded.stages[0].outcome, Outcome::Failed);
    }

    #[test]
    fn time_counts_once_whatever_runs_side_by_side() {
        let recorder = Recorder::default();
        let mut seq = 0;
        let mut at = |millis: i64, kind: EventKind| {
            seq += 1;
            recorder.event(&BuildEvent {
                time: Timestamp::from_millisecond(1_000_000 + millis).unwrap(),
                seq,
                kind,
            });
        };
        let started = |command: &str| EventKind::CommandStarted {
            stage: None,
            command: command.to_owned(),
        };
        let ended = |command: &str| EventKind::CommandFinished {
            stage: None,
            command: command.to_owned(),
            exit: Some(Exit::Code(0)),
            outcome: Outcome::Succeeded,
            seconds: 1.0,
            probe: false,
        };
        let (stage, work) = (Some(Stage::Iso), Work::MediaMd5);
        at(0, started("xorriso"));
        at(1_000, EventKind::WorkStarted { stage, work });
        at(2_000, started("rpm"));
        at(3_000, ended("xorriso"));
        at(4_000, ended("rpm"));
        let seconds = 3.5;
        at(
            4_500,
            EventKind::WorkFinished {
                stage,
                work,
                seconds,
            },
        );
        at(9_000, started("true"));
        at(9_250, ended("true"));
        let recorded = recorder.recorded();
        let time = recorded.time(10.0);
        assert_eq!(time.command_seconds, 4.25);
        assert_eq!(time.work_seconds, 0.5);
        let record = WorkRecord {
            stage: Stage::Iso,
            work,
            seconds,
        };
        assert_eq!(recorded.work, [record]);
    }

    #[test]
    fn memory_is_measured() {
        assert!(memory().own_kib > 1000);
    }
}
