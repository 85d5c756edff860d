//! Following the log of a job to its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use image_builder::events::Progress;
use image_builder::jobs::{Claim, Job, JobId, JobState};
use serde::Serialize;
use tokio::sync::broadcast;
use utoipa::ToSchema;

use crate::app::App;
use crate::logs::LogReader;
use crate::sse::{Events, Gone};

/// A worker that has not answered so often will not tell how the log ends.
const SILENT: u32 = 3;

/// Before a question that was not answered is asked again.
const PAUSE: Duration = Duration::from_millis(300);

/// Lines that come within this time of others go out together: a tool prints many at once, and each event costs every
/// follower, and this machine, more than a line does.
const TOGETHER: Duration = Duration::from_millis(100);

/// With so many bytes of them nothing is waited for: they were there before.
const MANY: usize = 16 * 1024;

/// How far a stage is comes no more often than this, however many lines do: they have events of their own.
const MOMENT: Duration = Duration::from_secs(1);

/// Nothing is waited for longer than this without a look at the store.
const LOOK: Duration = Duration::from_secs(5);

/// Where somebody has read to. Each run of a job has a log of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Cursor {
    /// The run; the one that counts if it is not said.
    pub(crate) run: Option<u32>,
    /// The byte.
    pub(crate) byte: u64,
}

impl Cursor {
    /// `1234`, or `2:1234` for that byte of the second run.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (run, byte) = match text.split_once(':') {
            Some((run, byte)) => (Some(run.parse().ok()?), byte),
            None => (None, text),
        };
        Some(Self {
            run,
            byte: byte.parse().ok()?,
        })
    }
}

/// A worker has begun with the job: its log begins.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunEvent {
    /// Which run it is, from 1.
    run: u32,
    /// Whose.
    worker: String,
}

/// Whole lines of a log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogEvent<'a> {
    /// The byte that the first one begins with.
    from: u64,
    /// The byte behind the last one.
    next: u64,
    /// The lines.
    text: &'a str,
}

/// How far a stage was when somebody was told of it last.
#[derive(Debug, Default)]
struct Told(Option<(Progress, Instant)>);

impl Told {
    /// What they are to be told now.
    fn next(&mut self, progress: Option<Progress>, now: Instant) -> Option<Progress> {
        let progress = progress?;
        if let Some((told, when)) = self.0
            && (told == progress || told.stage == progress.stage && now < when + MOMENT)
        {
            return None;
        }
        self.0 = Some((progress, now));
        Some(progress)
    }
}

/// Nothing more comes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EndEvent {
    /// What became of the job.
    state: &'static str,
    /// Whether the log was sent to its end.
    complete: bool,
}

/// Sends the log of a job as it grows, until the job has ended.
pub(crate) async fn follow(
    app: App,
    id: JobId,
    mut cursor: Cursor,
    events: Events,
) -> Result<(), Gone> {
    let mut changes = app.masters.changes();
    let Ok(Some(mut job)) = app.store.job(&id).await else {
        return Ok(());
    };
    let mut reading: Option<(Claim, LogReader)> = None;
    let mut silent = 0;
    let mut told = Told::default();
    loop {
        let claim = job.claim.clone().filter(|_| job.state != JobState::Queued);
        let Some(claim) = claim else {
            if job.state.is_final() {
                return end(&events, &job, true).await;
            }
            wait(&events, &mut changes, &id, LOOK).await?;
            job = now(&app, &id).await.unwrap_or(job);
            continue;
        };
        if reading.as_ref().is_none_or(|(of, _)| *of != claim) {
            // What somebody has read of another run says nothing of this one.
            let from = match cursor.run {
                Some(run) if run != claim.run => 0,
                _ => cursor.byte,
            };
            cursor = Cursor::default();
            told = Told::default();
            let begun = RunEvent {
                run: claim.run,
                worker: claim.worker.clone(),
            };
            events.send("run", None, &begun).await?;
            let Ok(reader) = LogReader::new(&app, &job, &claim, from).await else {
                wait(&events, &mut changes, &id, PAUSE).await?;
                continue;
            };
            reading = Some((claim.clone(), reader));
            silent = 0;
        }
        let Some((_, reader)) = &mut reading else {
            continue;
        };
        let piece = reader.next().await.filter(|piece| !piece.missing);
        let Some(piece) = piece else {
            silent += 1;
            if job.state.is_final() && silent >= SILENT {
                return end(&events, &job, false).await;
            }
            wait(&events, &mut changes, &id, PAUSE).await?;
            job = now(&app, &id).await.unwrap_or(job);
            continue;
        };
        silent = 0;
        if !piece.text.is_empty() {
            let id = format!("{}:{}", claim.run, piece.next);
            let sent = LogEvent {
                from: piece.from,
                next: piece.next,
                text: &piece.text,
            };
            events.send("log", Some(id), &sent).await?;
        }
        if let Some(progress) = told.next(piece.progress, Instant::now()) {
            events.send("progress", None, &progress).await?;
        }
        if !piece.text.is_empty() && !piece.ended && piece.text.len() < MANY {
            tokio::time::sleep(TOGETHER).await;
        }
        if piece.ended {
            if job.state.is_final() {
                return end(&events, &job, true).await;
            }
            // The end of the log is there before the ledger tells of it.
            wait(&events, &mut changes, &id, PAUSE).await?;
            job = now(&app, &id).await.unwrap_or(job);
        } else if has_changed(&mut changes, &id) {
            job = now(&app, &id).await.unwrap_or(job);
        }
    }
}

async fn end(events: &Events, job: &Job, complete: bool) -> Result<(), Gone> {
    let end = EndEvent {
        state: job.state.name(),
        complete,
    };
    events.send("end", None, &end).await
}

async fn now(app: &App, id: &JobId) -> Option<Job> {
    app.store.job(id).await.ok().flatten()
}

/// Waits until the job is another, or for so long at most.
async fn wait(
    events: &Events,
    changes: &mut broadcast::Receiver<Arc<Job>>,
    id: &JobId,
    longest: Duration,
) -> Result<(), Gone> {
    let changed = async {
        loop {
            match changes.recv().await {
                Ok(job) if job.id == *id => return,
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => return,
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    };
    tokio::select! {
        () = events.closed() => Err(Gone),
        () = changed => Ok(()),
        () = tokio::time::sleep(longest) => Ok(()),
    }
}

fn has_changed(changes: &mut broadcast::Receiver<Arc<Job>>, id: &JobId) -> bool {
    use broadcast::error::TryRecvError;
    let mut changed = false;
    loop {
        match changes.try_recv() {
            Ok(job) => changed |= job.id == *id,
            Err(TryRecvError::Lagged(_)) => changed = true,
            Err(TryRecvError::Empty | TryRecvError::Closed) => return changed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image_builder::events::{Stage, Unit};

    #[test]
    fn how_far_a_stage_is_comes_once_in_a_moment_and_not_twice() {
        let at = |stage, done| {
            let (total, unit) = (9, Unit::Packages);
            Some(Progress {
                stage,
                done,
                total,
                unit,
            })
        };
        let now = Instant::now();
        let mut told = Told::default();
        let (first, soon) = (at(Stage::Root, 1), at(Stage::Root, 2));
        assert_eq!(told.next(None, now), None);
        assert_eq!(told.next(first, now), first);
        assert_eq!(told.next(soon, now), None);
        // Another stage does not wait for the one before.
        let next = at(Stage::RootImage, 1);
        assert_eq!(told.next(next, now), next);
        let now = now + MOMENT;
        assert_eq!(told.next(next, now), None);
        let later = at(Stage::RootImage, 7);
        assert_eq!(told.next(later, now), later);
    }

    #[test]
    fn a_cursor_is_a_byte_of_a_run() {
        for (text, run, byte) in [("0", None, 0), ("12", None, 12), ("2:7", Some(2), 7)] {
            assert_eq!(Cursor::parse(text), Some(Cursor { run, byte }));
        }
        for text in ["", "-1", "x:1", "1:", "1:2:3"] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }
}
