//! Following jobs to their end.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use image_builder::build_monitor::{FOLLOWED, RemoteLog};
use image_builder::error::ErrorKind;
use image_builder::jobs::{Claim, Job, JobId, JobState};
use image_builder::queue::{JobQueue, Overview, QueueError};
use image_builder::redact;
use image_builder::spec::Arch;
use image_builder::worker::{roll_call, why_waiting};
use tokio::sync::watch;

use super::ANSWERS;
use super::listed::{exit_of, summary};
use crate::args::Submit;
use crate::commands::cancelled_by_signals;
use crate::commands::watched::{WAITS, Watched, write_log};
use crate::exit::{self, Exit};
use crate::output::tell;

/// The log of the job, as the original left it.
pub(in crate::commands) const LOG: &str = "imagebuilder.log";

/// A worker that has not answered so often will not tell how the log ends.
const SILENT: u32 = 3;

/// [`LOG`] of jobs that are to be waited for. It can be written before there are any, and an earlier one is as it
/// was until they are submitted.
#[derive(Debug)]
pub(in crate::commands) struct WaitLog {
    file: File,
    /// Whether it goes when nothing is submitted.
    is_new: bool,
}

impl WaitLog {
    /// Opens it.
    pub(super) fn open() -> Result<Self, Exit> {
        let open = |is_new| {
            let file = File::options().write(true).create_new(is_new).open(LOG)?;
            Ok::<_, io::Error>(Self { file, is_new })
        };
        let opened = match open(true) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => open(false),
            opened => opened,
        };
        opened.map_err(|error| {
            exit::say(format_args!("{LOG}: {error}"));
            tell!(
                "hint: --wait leaves the log in the current folder; go to one that can be written"
            );
            ErrorKind::of_io(&error).into()
        })
    }

    /// The empty file.
    pub(in crate::commands) fn begin(&mut self) -> &mut File {
        self.is_new = false;
        if let Err(error) = self.file.set_len(0) {
            // A pipe or a terminal has no length.
            tracing::debug!("{LOG}: {error}");
        }
        &mut self.file
    }
}

impl Drop for WaitLog {
    fn drop(&mut self) {
        if self.is_new {
            let _ = std::fs::remove_file(LOG);
        }
    }
}

/// The options that lead other commands to where a job was submitted, each with a blank in front.
pub(in crate::commands) fn same_place(args: &Submit) -> String {
    let with_value = |option: &str, value: &Option<String>| {
        let value = value.as_deref()?;
        Some(format!(" {option} {}", redact::passwords(value)))
    };
    match args.place.local {
        true => " --local".to_owned(),
        false => with_value("--broker", &args.place.broker)
            .or_else(|| with_value("--server", &args.service.server))
            .unwrap_or_default(),
    }
}

/// The same where each architecture may have a queue of its own, and this host's is meant where none is named.
pub(super) fn same_queue(args: &Submit, arch: &str) -> String {
    let place = same_place(args);
    let is_host = Arch::host().is_some_and(|host| host.as_str() == arch);
    match place.is_empty() && !is_host {
        true => format!(" --arch {arch}"),
        false => place,
    }
}

/// Says what becomes of a job that is not waited for any longer.
pub(in crate::commands) fn goes_on(job: &JobId, place: &str) -> Exit {
    tell!(
        "the job goes on: `fbs logs -f {job}{place}` follows it, `fbs cancel {job}{place}` stops it"
    );
    Exit::Cancelled
}

/// A job that is waited for.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) queue: Arc<dyn JobQueue>,
    pub(super) job: JobId,
    /// What `fbs` is told to ask that queue.
    pub(super) place: String,
}

/// Follows the logs of jobs until they have ended; the exit code is that of the first that did not succeed.
pub(super) async fn to_the_end(jobs: &[Followed], mut log: WaitLog) -> Exit {
    let file = log.begin();
    let mut worst = Exit::Done;
    let cancel = cancelled_by_signals();
    for Followed { queue, job, place } in jobs {
        let following = async |watched: &mut Watched| {
            follow(queue.clone(), job.clone(), file, Some(watched)).await
        };
        let followed = Watched::while_followed(job, jobs.len(), &cancel, following).await;
        let job = match followed {
            Some(Ok(job)) => job,
            Some(Err(error)) => return exit::error(&error),
            None => return goes_on(job, place),
        };
        summary(&job.request.title, job.state, job.ending.as_ref());
        if worst == Exit::Done {
            worst = exit_of(job.ending.as_ref());
        }
    }
    tell!("{:<12}{LOG}", "log");
    worst
}

/// Writes the log of a job into `out` while it grows, line for line, until the job has ended; `watched` shows the job.
pub(super) async fn follow(
    queue: Arc<dyn JobQueue>,
    id: JobId,
    out: &mut (dyn Write + Send),
    mut watched: Option<&mut Watched>,
) -> Result<Job, QueueError> {
    let (sender, mut jobs) = watch::channel(None);
    let watching = tokio::spawn(watch_job(queue.clone(), id.clone(), sender));
    let mut log = RemoteLog::new(&*queue, id.clone()).await?;
    if watched.is_some() {
        log = log.with_progress();
    }
    let mut of: Option<Claim> = None;
    let mut silent = 0;
    let mut shown = None;
    loop {
        let seen = jobs.borrow_and_update().clone();
        let Some(Seen { job, before }) = seen else {
            if jobs.changed().await.is_err() {
                break;
            }
            continue;
        };
        let is_silent = silent >= SILENT;
        if let Some(watched) = &mut watched
            && shown != Some((job.state, is_silent))
        {
            shown = Some((job.state, is_silent));
            // As long as the log comes, it tells more than this.
            if is_silent && job.state != JobState::Queued && !job.state.is_final() {
                watched.say(&job.state.to_string());
            }
        }
        let worker = job.claim.clone().filter(|_| job.state != JobState::Queued);
        let Some(claim) = worker else {
            if job.state.is_final() {
                return Ok(job);
            }
            let why = async || {
                // Who cannot be asked now is asked again. A worker that is free takes it meanwhile.
                let workers = roll_call(&*queue, ANSWERS).await.ok();
                Ok::<_, Infallible>(workers.map(|workers| why_waiting(&job, before, &workers)))
            };
            tokio::select! {
                changed = jobs.changed() => match changed {
                    Ok(()) => {}
                    Err(_) => break,
                },
                never = Watched::say_why(watched.as_deref_mut(), why) => match never {},
            }
            continue;
        };
        if of.as_ref() != Some(&claim) {
            if of.is_some() {
                log.rewind();
                let _ = writeln!(out, "== run {} at {} ==", claim.run, claim.worker);
            }
            if let Some(watched) = &mut watched {
                watched.runs(claim.run, &claim.worker);
            }
            of = Some(claim.clone());
            silent = 0;
        }
        match log.next(&*queue, &claim.worker, FOLLOWED).await {
            Ok(Some(piece)) => {
                silent = 0;
                if !write_log(out, &piece.text, watched.as_deref_mut()) {
                    return Ok(job);
                }
                if let (Some(watched), Some(progress)) = (&watched, piece.progress) {
                    watched.progress(progress);
                }
                if piece.ended {
                    if job.state.is_final() {
                        return Ok(job);
                    }
                    // The end of the log is there before the ledger tells of it.
                    let _ = tokio::time::timeout(Duration::from_secs(1), jobs.changed()).await;
                }
            }
            Ok(None) | Err(_) => {
                silent += 1;
                if job.state.is_final() && silent >= SILENT {
                    let words = format!("{} does not tell how the log ends", claim.worker);
                    match watched {
                        Some(watched) => watched.warn(&words),
                        None => tell!("warning: {words}"),
                    }
                    return Ok(job);
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
    }
    match watching.await {
        Ok(Err(error)) => Err(error),
        _ => Err(QueueError::Forgotten),
    }
}

/// What the ledger tells of a job.
#[derive(Debug, Clone)]
struct Seen {
    job: Job,
    /// How many go before it, if it waits.
    before: usize,
}

/// Tells what becomes of a job.
async fn watch_job(
    queue: Arc<dyn JobQueue>,
    id: JobId,
    jobs: watch::Sender<Option<Seen>>,
) -> Result<(), QueueError> {
    let (mut overview, mut items) = Overview::read(&*queue).await?;
    loop {
        let Some(job) = overview.jobs.get(&id).cloned() else {
            return Err(QueueError::Forgotten);
        };
        let waits = job.state == JobState::Queued;
        let before = overview.waiting(&id).map_or(0, |waiting| waiting.before);
        jobs.send_replace(Some(Seen { job, before }));
        let told = Instant::now();
        loop {
            match overview.next(&mut items).await {
                Some(changed) if changed == id => break,
                // Others may go before it now, or not any more.
                Some(_) if waits && told.elapsed() > WAITS => break,
                Some(_) => {}
                None => return Ok(()),
            }
        }
    }
}
