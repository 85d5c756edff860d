//! A master at the queue of one machine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Master, OnceKey, OrderError, WorkerState};
use crate::events::Outcome;
use crate::jobs::{
    Bookmark, Entry, Job, JobEnding, JobEvent, JobEventKind, JobFilter, JobId, JobRequest,
    JobState, JobStore, JobSummary, Line, LineLoad, Payload, SqliteStore, StoreError, Waiting,
    Wish,
};
use crate::queue::{JobQueue, Local, NewEntry};
use crate::worker::{ClaimedJob, JobContext, JobRunner, RunEnd, Worker, WorkerSettings};

/// Nothing of these takes so long.
const PATIENCE: Duration = Duration::from_secs(20);

struct Host {
    folder: TempDir,
    queue: Arc<Local>,
}

impl Host {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let queue = Local::open(&folder.path().join("queue.sqlite")).await;
        Self {
            queue: Arc::new(queue.unwrap()),
            folder,
        }
    }

    /// Somebody removes the queue's file, and there is a new one.
    async fn set_up_anew(&mut self) {
        let path = self.folder.path().join("queue.sqlite");
        for end in ["", "-wal", "-shm"] {
            let file = self.folder.path().join(format!("queue.sqlite{end}"));
            let removed = std::fs::remove_file(file);
            assert!(removed.is_ok() || !end.is_empty());
        }
        self.queue = Arc::new(Local::open(&path).await.unwrap());
    }

    async fn store(&self) -> SqliteStore {
        let file = self.folder.path().join("store.sqlite");
        SqliteStore::open(&file).await.unwrap()
    }

    async fn master(&self) -> Running {
        Running::new(self.queue.clone(), Arc::new(self.store().await))
    }

    async fn submit(&self) -> JobId {
        let job = JobId::new(Timestamp::now());
        let request = request();
        let line = request.line();
        let event = event(
            &job,
            JobEventKind::Queued {
                request: Box::new(request),
            },
        );
        let entry = NewEntry::of_job(event, &line);
        self.queue.append(&[entry]).await.unwrap();
        job
    }

    async fn cancel(&self, job: &JobId) {
        let entry = Entry::Job(event(job, JobEventKind::CancelRequested { reason: None }));
        self.queue.append(&[entry.into()]).await.unwrap();
    }

    async fn sql(&self, file: &str, statement: &'static str) {
        let options = SqliteConnectOptions::new().filename(self.folder.path().join(file));
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::query(statement)
            .execute(&mut connection)
            .await
            .unwrap();
    }
}

fn request() -> JobRequest {
    JobRequest {
        submitted: Timestamp::now(),
        payload: Some(Payload::default()),
        ..crate::jobs::tests::request()
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

struct Running {
    master: Arc<Master>,
    drain: CancellationToken,
    task: JoinHandle<()>,
    changes: broadcast::Receiver<Arc<Job>>,
}

impl Running {
    fn new(queue: Arc<dyn JobQueue>, store: Arc<dyn JobStore>) -> Self {
        let master = Arc::new(Master::new(queue, store));
        let drain = CancellationToken::new();
        let (running, token) = (master.clone(), drain.clone());
        Self {
            changes: master.changes(),
            task: tokio::spawn(async move { running.run(token).await }),
            master,
            drain,
        }
    }

    /// Waits until it tells that a job is so.
    async fn hears(&mut self, job: &JobId, state: JobState) -> Arc<Job> {
        let heard = async {
            loop {
                let changed = self.changes.recv().await.unwrap();
                if changed.id == *job && changed.state == state {
                    return changed;
                }
            }
        };
        tokio::time::timeout(PATIENCE, heard).await.unwrap()
    }

    async fn ready(&self) {
        let mut standing = self.master.standing();
        let ready = standing.wait_for(super::Standing::is_ready);
        tokio::time::timeout(PATIENCE, ready)
            .await
            .unwrap()
            .unwrap();
    }

    async fn end(self) {
        self.drain.cancel();
        self.task.await.unwrap();
        assert!(!self.master.standing().borrow().is_ready());
    }
}

#[tokio::test]
async fn what_happens_is_in_the_store_and_then_told() {
    let host = Host::new().await;
    let before = host.submit().await;
    let mut one = host.master().await;
    one.ready().await;
    // It was there before the mark, and so it is in the store.
    assert!(one.master.store().job(&before).await.unwrap().is_some());
    let job = host.submit().await;
    let told = one.hears(&job, JobState::Queued).await;
    assert_eq!(told.request.payload, None);
    let stored = one.master.store().job(&job).await.unwrap().unwrap();
    assert_eq!(stored.request.payload, Some(Payload::default()));
    host.cancel(&job).await;
    let told = one.hears(&job, JobState::Cancelled).await;
    assert_eq!(told.history.len(), 2);
    one.end().await;
    // It goes on where it was.
    let place = host.store().await.place(&host.queue.name()).await.unwrap();
    let missed = host.submit().await;
    let mut other = host.master().await;
    other.hears(&missed, JobState::Queued).await;
    other.ready().await;
    let now = host.store().await.place(&host.queue.name()).await.unwrap();
    assert!(now > place, "{now:?} {place:?}");
}

#[tokio::test]
async fn a_ledger_that_was_set_up_anew_is_found_out_though_it_is_longer() {
    let mut host = Host::new().await;
    let before = host.submit().await;
    let one = host.master().await;
    one.ready().await;
    one.end().await;
    host.set_up_anew().await;
    for _ in 0..20 {
        host.submit().await;
    }
    let other = host.master().await;
    let mut standing = other.master.standing();
    let said = standing.wait_for(|standing| {
        let trouble = standing.trouble.as_deref();
        trouble.is_some_and(|words| words.contains("it was set up anew"))
    });
    let said = tokio::time::timeout(PATIENCE, said).await.unwrap();
    assert!(!said.unwrap().is_ready());
    // Nothing of the one is among the records of the other.
    let store = other.master.store();
    assert!(store.job(&before).await.unwrap().is_some());
    assert_eq!(store.tally().await.unwrap().values().sum::<u64>(), 1);
}

#[tokio::test]
async fn masters_of_one_store_all_tell_of_what_one_of_them_took_in() {
    let host = Host::new().await;
    let mut masters = [host.master().await, host.master().await];
    for master in &masters {
        master.ready().await;
    }
    for _ in 0..5 {
        let job = host.submit().await;
        for master in &mut masters {
            let told = master.hears(&job, JobState::Queued).await;
            assert_eq!(told.request.payload, None);
        }
        host.cancel(&job).await;
        for master in &mut masters {
            master.hears(&job, JobState::Cancelled).await;
        }
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_passed_over() {
    let host = Host::new().await;
    let mut one = host.master().await;
    let damaged = host.submit().await;
    one.hears(&damaged, JobState::Queued).await;
    host.sql("store.sqlite", "UPDATE jobs SET job = 'rubbish'")
        .await;
    host.sql("queue.sqlite", "INSERT INTO ledger (entry) VALUES ('no')")
        .await;
    host.cancel(&damaged).await;
    let job = host.submit().await;
    one.hears(&job, JobState::Queued).await;
    let mut standing = one.master.standing();
    let skipped = standing.wait_for(|standing| standing.skipped == 2);
    tokio::time::timeout(PATIENCE, skipped)
        .await
        .unwrap()
        .unwrap();
    assert!(one.master.store().job(&damaged).await.is_err());
    one.ready().await;
}

/// Fails when it is written to, some times.
#[derive(Debug)]
struct Flaky {
    store: SqliteStore,
    failures: AtomicU32,
}

#[async_trait]
impl JobStore for Flaky {
    async fn apply_all(
        &self,
        ledger: &str,
        entries: &[(u64, &JobEvent)],
    ) -> Result<Vec<Job>, StoreError> {
        let left = self
            .failures
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        match left {
            Ok(_) => Err(StoreError::Database("the disk is full".to_owned())),
            Err(_) => self.store.apply_all(ledger, entries).await,
        }
    }

    async fn place(&self, ledger: &str) -> Result<Option<u64>, StoreError> {
        self.store.place(ledger).await
    }

    async fn bookmark(&self, ledger: &str) -> Result<Option<Bookmark>, StoreError> {
        self.store.bookmark(ledger).await
    }

    async fn mark_read(&self, ledger: &str, place: u64, digest: u64) -> Result<(), StoreError> {
        self.store.mark_read(ledger, place, digest).await
    }

    async fn job(&self, id: &JobId) -> Result<Option<Job>, StoreError> {
        self.store.job(id).await
    }

    async fn jobs(&self, filter: &JobFilter) -> Result<Vec<JobSummary>, StoreError> {
        self.store.jobs(filter).await
    }

    async fn places(&self, jobs: &[JobId]) -> Result<BTreeMap<JobId, Waiting>, StoreError> {
        self.store.places(jobs).await
    }

    async fn tally(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        self.store.tally().await
    }

    async fn lines(&self) -> Result<Vec<LineLoad>, StoreError> {
        self.store.lines().await
    }

    async fn remember(&self, key: &str, wish: &Wish) -> Result<Wish, StoreError> {
        self.store.remember(key, wish).await
    }

    async fn wish(&self, key: &str) -> Result<Option<Wish>, StoreError> {
        self.store.wish(key).await
    }
}

#[tokio::test]
async fn a_store_that_fails_is_tried_again_and_nothing_is_lost() {
    let host = Host::new().await;
    let store = Flaky {
        store: host.store().await,
        failures: AtomicU32::new(2),
    };
    let mut one = Running::new(host.queue.clone(), Arc::new(store));
    let mut standing = one.master.standing();
    let job = host.submit().await;
    let trouble = standing.wait_for(|standing| standing.trouble.is_some());
    let trouble = tokio::time::timeout(PATIENCE, trouble).await.unwrap();
    let words = trouble.unwrap().trouble.clone().unwrap();
    assert_eq!(words, "the job store: the disk is full");
    one.hears(&job, JobState::Queued).await;
    one.ready().await;
}

/// Ends as soon as it is told so.
#[derive(Debug)]
struct Waits;

#[async_trait]
impl JobRunner for Waits {
    async fn run(&self, _: &ClaimedJob, ctx: &JobContext) -> RunEnd {
        ctx.cancel.cancelled().await;
        RunEnd::Ended(JobEnding {
            outcome: Outcome::Cancelled,
            error: None,
            exit_code: 130,
            places: Vec::new(),
            seconds: 0.0,
        })
    }
}

#[tokio::test]
async fn workers_are_known_while_they_serve() {
    let host = Host::new().await;
    let settings = WorkerSettings {
        name: "anna".to_owned(),
        arch: "x86_64".to_owned(),
        releases: vec!["43".to_owned()],
        slots: 2,
        lost_after: crate::worker::LOST_AFTER,
    };
    let drain = CancellationToken::new();
    let worker = Worker::new(host.queue.clone(), Arc::new(Waits), settings);
    let worker = tokio::spawn(worker.with_drain(drain.clone()).serve());
    let mut one = host.master().await;
    let job = host.submit().await;
    one.hears(&job, JobState::Running { stage: None }).await;
    let workers = one.master.workers();
    assert_eq!(workers.len(), 1, "{workers:?}");
    assert_eq!((workers[0].worker.as_str(), workers[0].slots), ("anna", 2));
    assert_eq!(workers[0].state, WorkerState::Present);
    host.cancel(&job).await;
    one.hears(&job, JobState::Cancelled).await;
    drain.cancel();
    worker.await.unwrap().unwrap();
    // Its end is in the ledger before what comes now.
    let last = host.submit().await;
    one.hears(&last, JobState::Queued).await;
    assert_eq!(one.master.workers(), []);
}

#[tokio::test]
async fn jobs_are_asked_for_cancelled_and_repeated() {
    let host = Host::new().await;
    let one = host.master().await;
    one.ready().await;
    let store = one.master.store();
    let submitted = one.master.submit(request(), None).await.unwrap();
    let first = submitted.job;
    // It is in the store when its id is given.
    assert_eq!(submitted.record, store.job(&first).await.unwrap());
    assert_eq!(store.waiting(&first).await.unwrap().unwrap().before, 0);
    let open = one.master.retry(&first, "me@there", None).await;
    assert!(matches!(open, Err(OrderError::Open { .. })), "{open:?}");
    let lines = store.lines().await.unwrap();
    let line = Line {
        arch: "x86_64".to_owned(),
        release: "43".to_owned(),
    };
    let load = LineLoad {
        line,
        waiting: 1,
        running: 0,
        oldest: Some(submitted.record.unwrap().request.submitted),
    };
    assert_eq!(lines, [load]);
    let reason = Some("wrong".to_owned());
    let cancelled = one.master.cancel(&first, "me@there", reason).await.unwrap();
    assert_eq!(cancelled.state, JobState::Cancelled);
    assert_eq!(
        cancelled.cancel.as_deref(),
        Some("cancelled by me@there: wrong")
    );
    let again = one.master.cancel(&first, "me@there", None).await;
    assert!(matches!(again, Err(OrderError::Ended { .. })), "{again:?}");
    let second = one.master.retry(&first, "me@there", None).await.unwrap();
    let job = store.job(&second.job).await.unwrap().unwrap();
    assert_eq!(job.request.retry_of.as_ref(), Some(&first));
    assert_eq!(job.request.payload, Some(Payload::default()));
    assert_eq!(job.request.requester, "me@there");
    let nobody = JobId::parse("nobody").unwrap();
    let unknown = one.master.cancel(&nobody, "me@there", None).await;
    assert!(matches!(unknown, Err(OrderError::Unknown(_))));
    let tally = store.tally().await.unwrap();
    let expected = [("cancelled", 1), ("queued", 1)].map(|(state, jobs)| (state.to_owned(), jobs));
    assert_eq!(tally, BTreeMap::from(expected));
}

#[tokio::test]
async fn asking_twice_with_a_key_makes_one_job() {
    let host = Host::new().await;
    let one = host.master().await;
    one.ready().await;
    let key = |key: &str, wish: &str| OnceKey {
        key: key.to_owned(),
        wish: wish.to_owned(),
    };
    let once = key("a", "w");
    let first = one.master.submit(request(), Some(&once)).await.unwrap();
    assert!(!first.again);
    // Also of a master that began later.
    let other = host.master().await;
    other.ready().await;
    let second = other.master.submit(request(), Some(&once)).await.unwrap();
    assert_eq!((&second.job, second.again), (&first.job, true));
    assert_eq!(
        (second.record.is_some(), second.record),
        (true, first.record)
    );
    let wrong = one.master.submit(request(), Some(&key("a", "v"))).await;
    assert!(matches!(wrong, Err(OrderError::OtherWish(_))), "{wrong:?}");
    let before = async |once: OnceKey| one.master.answered_before("qa@desk", &once).await;
    let known = before(once.clone()).await.unwrap().unwrap();
    assert_eq!((&known.job, known.again), (&first.job, true));
    let wrong = before(key("a", "v")).await;
    assert!(matches!(wrong, Err(OrderError::OtherWish(_))), "{wrong:?}");
    assert_eq!(before(key("b", "w")).await.unwrap(), None);
    let third = one.master.submit(request(), Some(&key("b", "w"))).await;
    assert_ne!(third.unwrap().job, first.job);
    let stranger = JobRequest {
        requester: "me@there".to_owned(),
        ..request()
    };
    let fourth = one.master.submit(stranger, Some(&once)).await.unwrap();
    assert_ne!(fourth.job, first.job);
    // Who asked first got no answer: the wish was remembered, and nothing entered.
    let now = Timestamp::now();
    let lost = Wish {
        job: JobId::new(now),
        digest: crate::digest::sha256_text("w"),
        time: now,
    };
    let hidden = crate::digest::sha256_text("qa@desk\nc");
    one.master.store().remember(&hidden, &lost).await.unwrap();
    assert_eq!(before(key("c", "w")).await.unwrap(), None);
    let fifth = one.master.submit(request(), Some(&key("c", "w"))).await;
    assert_eq!(fifth.unwrap().job, lost.job);
    assert!(one.master.store().job(&lost.job).await.unwrap().is_some());
    // Many at once.
    let all = (0..8).map(|_| {
        let (master, once) = (one.master.clone(), key("d", "w"));
        tokio::spawn(async move { master.submit(request(), Some(&once)).await.unwrap().job })
    });
    let mut jobs = Vec::new();
    for one in all.collect::<Vec<_>>() {
        jobs.push(one.await.unwrap());
    }
    jobs.dedup();
    assert_eq!(jobs.len(), 1);
}
