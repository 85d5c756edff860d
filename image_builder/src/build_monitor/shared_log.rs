//! A log that many follow is read once for all of them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_trait::async_trait;
use tokio::sync::OnceCell;

use super::{FOLLOWED, JobLogs, LogPiece, LogRequest, RemoteLog};
use crate::jobs::JobId;
use crate::queue::JobQueue;

/// As many pieces are kept of a log for those who follow a little behind.
const KEPT: usize = 4;

/// As many inboxes of a queue are kept for the log of one job.
const INBOXES: usize = 2;

/// Where the log of one run of a job is.
#[async_trait]
pub trait LogSource: fmt::Debug + Send + Sync {
    /// The piece from a byte on, as soon as there is one, and an empty one after [`FOLLOWED`], or when the running stage
    /// has come further; `None` if who has the log does not answer.
    async fn piece(&self, from: u64) -> Option<LogPiece>;
}

/// A log of this machine.
#[derive(Debug)]
pub struct OwnLog {
    logs: JobLogs,
    job: JobId,
}

impl OwnLog {
    /// That of `job` among `logs`.
    #[must_use]
    pub fn new(logs: JobLogs, job: JobId) -> Self {
        Self { logs, job }
    }
}

#[async_trait]
impl LogSource for OwnLog {
    async fn piece(&self, from: u64) -> Option<LogPiece> {
        let request = LogRequest {
            job: self.job.clone(),
            from,
            wait_ms: u64::try_from(FOLLOWED.as_millis()).unwrap_or_default(),
            progress: true,
        };
        self.logs.piece(&request).await.ok()
    }
}

/// A log that a worker elsewhere has.
#[derive(Debug)]
pub struct WorkerLog {
    queue: Arc<dyn JobQueue>,
    worker: String,
    job: JobId,
    idle: Mutex<Vec<RemoteLog>>,
}

impl WorkerLog {
    /// That of `job`, which `worker` at `queue` builds or has built.
    #[must_use]
    pub fn new(queue: Arc<dyn JobQueue>, worker: String, job: JobId) -> Self {
        Self {
            queue,
            worker,
            job,
            idle: Mutex::default(),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<RemoteLog>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl LogSource for WorkerLog {
    async fn piece(&self, from: u64) -> Option<LogPiece> {
        let idle = self.idle().pop();
        let mut log = match idle {
            Some(log) => log,
            None => RemoteLog::new(&*self.queue, self.job.clone())
                .await
                .ok()?
                .with_progress(),
        };
        log.seek(from);
        let piece = log.next(&*self.queue, &self.worker, FOLLOWED).await;
        let mut idle = self.idle();
        if idle.len() < INBOXES {
            idle.push(log);
        }
        drop(idle);
        piece.ok().flatten()
    }
}

/// The log of one run of a job, for all who follow it: who wants the piece that another one waits for waits with them,
/// and what came last is there for those who are a little behind.
#[derive(Debug)]
pub struct SharedLog {
    source: Box<dyn LogSource>,
    /// By the byte that they begin with.
    reads: Mutex<BTreeMap<u64, Arc<Read>>>,
}

/// A piece that is being read, or was.
type Read = OnceCell<Option<Arc<LogPiece>>>;

impl SharedLog {
    /// One that nobody has read yet.
    #[must_use]
    pub fn new(source: impl LogSource + 'static) -> Self {
        Self {
            source: Box::new(source),
            reads: Mutex::default(),
        }
    }

    /// The piece from a byte on, as [`LogSource::piece`] has it.
    pub async fn piece(&self, from: u64) -> Option<Arc<LogPiece>> {
        let read = self.read(from);
        // If the one who reads goes away, another one of those who wait reads.
        let piece = read.get_or_init(async || self.source.piece(from).await.map(Arc::new));
        piece.await.clone()
    }

    fn read(&self, from: u64) -> Arc<Read> {
        let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(read) = reads.get(&from)
            && read.get().is_none_or(has_lines)
        {
            return read.clone();
        }
        // What is read now, and what came last.
        let is_read = |read: &Arc<Read>| read.get().is_some_and(has_lines);
        let mut surplus =
            (reads.values().filter(|read| is_read(read)).count() + 1).saturating_sub(KEPT);
        reads.retain(|_, read| {
            if !is_read(read) {
                return Arc::strong_count(read) > 1;
            }
            let goes = surplus > 0;
            surplus = surplus.saturating_sub(1);
            !goes
        });
        let read = Arc::<Read>::default();
        reads.insert(from, read.clone());
        read
    }
}

/// What has no lines may have some the next time.
fn has_lines(piece: &Option<Arc<LogPiece>>) -> bool {
    piece.as_ref().is_some_and(|piece| !piece.text.is_empty())
}

/// The logs that are followed, each for all who follow it.
#[derive(Debug, Default)]
pub struct SharedLogs(Mutex<HashMap<(JobId, u32), Weak<SharedLog>>>);

impl SharedLogs {
    /// That of a run of a job; `source` says where it is if nobody follows it yet.
    pub fn of<S: LogSource + 'static>(
        &self,
        job: &JobId,
        run: u32,
        source: impl FnOnce() -> S,
    ) -> Arc<SharedLog> {
        let mut logs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (job.clone(), run);
        if let Some(log) = logs.get(&key).and_then(Weak::upgrade) {
            return log;
        }
        logs.retain(|_, log| log.strong_count() > 0);
        let log = Arc::new(SharedLog::new(source()));
        logs.insert(key, Arc::downgrade(&log));
        log
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    /// A log that has as many lines of ten bytes as it was said to have grown.
    #[derive(Debug, Default)]
    struct Lines {
        grown: AtomicU64,
        reads: AtomicUsize,
    }

    #[async_trait]
    impl LogSource for Arc<Lines> {
        async fn piece(&self, from: u64) -> Option<LogPiece> {
            self.reads.fetch_add(1, Ordering::SeqCst);
            for _ in 0..100 {
                if self.grown.load(Ordering::SeqCst) * 10 > from {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let next = self.grown.load(Ordering::SeqCst) * 10;
            let lines = (from / 10)..(next / 10);
            Some(LogPiece {
                from,
                next,
                text: lines.map(|line| format!("line{line:5}\n")).collect(),
                ended: next == 1000,
                missing: false,
                progress: None,
            })
        }
    }

    #[tokio::test]
    async fn a_log_is_read_once_for_all_and_each_has_all_of_it() {
        let lines = Arc::new(Lines::default());
        let log = Arc::new(SharedLog::new(lines.clone()));
        let mut followers = tokio::task::JoinSet::new();
        for number in 0..50 {
            let log = log.clone();
            followers.spawn(async move {
                tokio::time::sleep(Duration::from_millis(number % 3)).await;
                let (mut text, mut from) = (String::new(), 0);
                loop {
                    let piece = log.piece(from).await.unwrap();
                    assert_eq!(piece.from, from);
                    text.push_str(&piece.text);
                    from = piece.next;
                    if piece.ended {
                        return text;
                    }
                }
            });
        }
        for _ in 0..100 {
            lines.grown.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let whole: String = (0..100).map(|line| format!("line{line:5}\n")).collect();
        while let Some(text) = followers.join_next().await {
            assert_eq!(text.unwrap(), whole);
        }
        // Each by itself would have read some fifty times as often.
        assert!(lines.reads.load(Ordering::SeqCst) < 500);
        let reads = log.reads.lock().unwrap();
        assert!(reads.len() <= KEPT + 1, "{}", reads.len());
    }

    #[tokio::test]
    async fn who_goes_away_holds_up_nobody() {
        let lines = Arc::new(Lines::default());
        let log = Arc::new(SharedLog::new(lines.clone()));
        let first = tokio::spawn({
            let log = log.clone();
            async move { log.piece(0).await }
        });
        tokio::task::yield_now().await;
        let second = tokio::spawn({
            let log = log.clone();
            async move { log.piece(0).await }
        });
        tokio::task::yield_now().await;
        first.abort();
        lines.grown.store(1, Ordering::SeqCst);
        assert_eq!(second.await.unwrap().unwrap().text, "line    0\n");
        // An empty answer is asked for again.
        let empty = log.piece(10).await.unwrap();
        assert_eq!((empty.text.as_str(), empty.next), ("", 10));
        lines.grown.store(2, Ordering::SeqCst);
        assert_eq!(log.piece(10).await.unwrap().text, "line    1\n");
    }

    #[test]
    fn a_log_is_shared_as_long_as_somebody_follows_it() {
        let logs = SharedLogs::default();
        let (a, b) = (JobId::parse("a-1").unwrap(), JobId::parse("a-2").unwrap());
        let new = Arc::<Lines>::default;
        let first = logs.of(&a, 1, new);
        assert!(Arc::ptr_eq(&first, &logs.of(&a, 1, new)));
        assert!(!Arc::ptr_eq(&first, &logs.of(&a, 2, new)));
        drop(first);
        let _other = logs.of(&b, 1, new);
        assert_eq!(logs.0.lock().unwrap().len(), 1);
    }
}
