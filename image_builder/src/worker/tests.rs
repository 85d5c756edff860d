//! A worker beside others: what it claims, gives up and takes over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{ClaimedJob, JobContext, JobRunner, RunEnd, Served, Worker, WorkerSettings};
use crate::events::{Outcome, Stage};
use crate::jobs::{
    Claim, Entry, Job, JobEnding, JobEvent, JobEventKind, JobId, JobRequest, JobState,
};
use crate::queue::{JobQueue, Local, NewEntry, Overview, QueueError};

/// What is to happen happens in this time, or not at all.
const PATIENCE: Duration = Duration::from_secs(20);

fn ending(outcome: Outcome) -> RunEnd {
    RunEnd::Ended(JobEnding {
        outcome,
        error: None,
        exit_code: if outcome == Outcome::Succeeded {
            0
        } else {
            130
        },
        places: Vec::new(),
        seconds: 0.0,
    })
}

/// A queue in a file, and one worker of it.
struct Host {
    _folder: TempDir,
    queue: Arc<Local>,
    drain: CancellationToken,
    stop: CancellationToken,
    serving: JoinHandle<Result<Served, QueueError>>,
}

impl Host {
    async fn new(runner: impl JobRunner + 'static, slots: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let queue = Local::open(&folder.path().join("jobs.sqlite")).await;
        let queue = Arc::new(queue.unwrap());
        let settings = WorkerSettings {
            name: "bert".to_owned(),
            arch: "x86_64".to_owned(),
            releases: vec!["43".to_owned()],
            slots,
            lost_after: Duration::from_secs(1),
        };
        let (drain, stop) = (CancellationToken::new(), CancellationToken::new());
        let worker = Worker::new(queue.clone(), Arc::new(runner), settings)
            .with_drain(drain.clone())
            .with_stop(stop.clone());
        Self {
            _folder: folder,
            queue,
            drain,
            stop,
            serving: tokio::spawn(worker.serve()),
        }
    }

    /// Enters a job, and what else happens to it at once.
    async fn enter(&self, request: JobRequest, kinds: Vec<JobEventKind>) -> JobId {
        let id = JobId::new(Timestamp::now());
        let line = request.line();
        let queued = JobEventKind::Queued {
            request: Box::new(request),
        };
        let entries: Vec<NewEntry> = [queued]
            .into_iter()
            .chain(kinds)
            .map(|kind| match kind {
                JobEventKind::Queued { .. } => NewEntry::of_job(event(&id, kind), &line),
                kind => Entry::Job(event(&id, kind)).into(),
            })
            .collect();
        self.queue.append(&entries).await.unwrap();
        id
    }

    async fn say(&self, job: &JobId, kind: JobEventKind) {
        let entry = Entry::Job(event(job, kind)).into();
        self.queue.append(&[entry]).await.unwrap();
    }

    /// The job as soon as it is so.
    async fn until(&self, job: &JobId, is_it: impl Fn(&Job) -> bool) -> Job {
        let read = async {
            let (mut overview, mut items) = Overview::read(&*self.queue).await.unwrap();
            while !overview.jobs.get(job).is_some_and(&is_it) {
                overview.next(&mut items).await.unwrap();
            }
            overview.jobs.remove(job).unwrap()
        };
        tokio::time::timeout(PATIENCE, read).await.unwrap()
    }

    async fn end(self) -> Served {
        self.drain.cancel();
        let served = tokio::time::timeout(PATIENCE, self.serving).await;
        served.unwrap().unwrap().unwrap()
    }
}

fn event(job: &JobId, kind: JobEventKind) -> JobEvent {
    JobEvent {
        job: job.clone(),
        time: Timestamp::now(),
        by: "qa@desk".to_owned(),
        kind,
    }
}

fn request() -> JobRequest {
    crate::jobs::tests::request()
}

fn runs(job: &Job) -> bool {
    matches!(job.state, JobState::Running { .. })
}

/// Its first run of a job ends some time after it was told to; the second is soon done.
#[derive(Debug, Default)]
struct Slow {
    at_work: Arc<AtomicUsize>,
    overlapped: Arc<AtomicBool>,
}

#[async_trait]
impl JobRunner for Slow {
    async fn run(&self, job: &ClaimedJob, ctx: &JobContext) -> RunEnd {
        if self.at_work.fetch_add(1, Ordering::SeqCst) > 0 {
            self.overlapped.store(true, Ordering::SeqCst);
        }
        let outcome = match job.run {
            1 => {
                ctx.cancel.cancelled().await;
                tokio::time::sleep(Duration::from_secs(1)).await;
                Outcome::Cancelled
            }
            _ => Outcome::Succeeded,
        };
        self.at_work.fetch_sub(1, Ordering::SeqCst);
        ending(outcome)
    }
}

#[tokio::test]
async fn a_job_that_was_given_away_is_not_begun_again_before_its_old_run_has_ended() {
    let runner = Slow::default();
    let overlapped = runner.overlapped.clone();
    let host = Host::new(runner, 2).await;
    let job = host.enter(request(), Vec::new()).await;
    let running = host.until(&job, runs).await;
    // Somebody has not heard of it for too long.
    let claim = running.claim.unwrap();
    let reason = "silence".to_owned();
    host.say(&job, JobEventKind::Lost { claim, reason }).await;
    let done = host.until(&job, |job| job.state.is_final()).await;
    assert_eq!(done.state, JobState::Succeeded, "{done:#?}");
    assert_eq!(done.runs, 2);
    assert!(!overlapped.load(Ordering::SeqCst));
    assert_eq!(host.end().await.finished, 1);
}

/// All is done at once.
#[derive(Debug)]
struct Quick;

#[async_trait]
impl JobRunner for Quick {
    async fn run(&self, _: &ClaimedJob, ctx: &JobContext) -> RunEnd {
        ctx.stage(Stage::Iso);
        ending(Outcome::Succeeded)
    }
}

#[tokio::test]
async fn the_last_stage_is_told_of_before_the_end() {
    let host = Host::new(Quick, 1).await;
    for _ in 0..20 {
        let job = host.enter(request(), Vec::new()).await;
        let done = host.until(&job, |job| job.state.is_final()).await;
        let states: Vec<&JobState> = done.history.iter().map(|step| &step.state).collect();
        let last = JobState::Running {
            stage: Some(Stage::Iso),
        };
        assert!(states.contains(&&last), "{states:?}");
    }
    host.end().await;
}

#[tokio::test]
async fn a_worker_that_was_lost_came_back_and_is_lost_again_keeps_nothing() {
    let host = Host::new(Quick, 1).await;
    let claim = Claim {
        worker: "anna".to_owned(),
        session: "anna-1".to_owned(),
        run: 1,
    };
    for _ in 0..2 {
        let claimed = JobEventKind::Claimed {
            claim: claim.clone(),
        };
        let job = host.enter(request(), vec![claimed]).await;
        let done = host.until(&job, |job| job.state.is_final()).await;
        assert_eq!((done.state, done.runs), (JobState::Succeeded, 2));
        assert_eq!(done.claim.unwrap().worker, "bert");
    }
    host.end().await;
}

/// Builds, or hands over, until it is stopped.
#[derive(Debug)]
struct Endless {
    /// Told as soon as it may hand over; without it, it builds.
    delivers: Option<Arc<Notify>>,
}

#[async_trait]
impl JobRunner for Endless {
    async fn run(&self, _: &ClaimedJob, ctx: &JobContext) -> RunEnd {
        if let Some(may) = &self.delivers {
            ctx.delivering(true).await.unwrap();
            may.notify_one();
        }
        ctx.cancel.cancelled().await;
        assert_eq!(ctx.is_withdrawn(), self.delivers.is_some());
        ending(Outcome::Cancelled)
    }
}

#[tokio::test]
async fn a_deadline_holds_for_what_a_worker_builds_that_takes_no_more() {
    let host = Host::new(Endless { delivers: None }, 1).await;
    let mut request = request();
    request.deadline = Timestamp::now().checked_add(Duration::from_secs(2)).ok();
    let job = host.enter(request, Vec::new()).await;
    host.until(&job, runs).await;
    host.drain.cancel();
    let done = host.until(&job, |job| job.state.is_final()).await;
    assert_eq!(done.state, JobState::Failed);
    let error = done.ending.unwrap().error.unwrap();
    assert_eq!(error, "its deadline passed while it was built");
    host.end().await;
}

#[tokio::test]
async fn what_is_being_handed_over_is_withdrawn_by_a_worker_that_stops() {
    let may = Arc::new(Notify::new());
    let delivers = Some(may.clone());
    let host = Host::new(Endless { delivers }, 1).await;
    let job = host.enter(request(), Vec::new()).await;
    may.notified().await;
    host.drain.cancel();
    host.stop.cancel();
    let waits = host.until(&job, |job| job.state == JobState::Queued).await;
    let causes: Vec<&str> = waits.history.iter().map(|one| one.cause.as_str()).collect();
    assert_eq!(
        causes[2..],
        [
            "the image is ready",
            "handed back by bert: the worker was stopped"
        ]
    );
    assert_eq!(host.end().await.handed_back, 1);
}
