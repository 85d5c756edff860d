//! The logs that a worker keeps, piece by piece for those who ask.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Deserializer, Serialize};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::events::{BuildEvent, EventKind, EventSink, Progress};
use crate::jobs::JobId;
use crate::queue::{Address, BusMessage, JobQueue};

/// The largest piece, in bytes.
const PIECE: usize = 128 * 1024;

/// How often a log is looked at for somebody who waits, if nothing is said of it.
const PAUSE: Duration = Duration::from_secs(1);

/// Who waits for lines is not told more often than this how far the stage is.
const MOMENT: Duration = Duration::from_secs(1);

/// A queue that cannot be reached is tried again after this.
const AGAIN: Duration = Duration::from_secs(2);

/// So many may wait at a time.
const AT_ONCE: usize = 64;

/// The topic on which a worker is asked for logs.
#[must_use]
pub fn log_topic(worker: &str) -> String {
    format!("log.{worker}")
}

/// Asks for a piece of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRequest {
    /// The job.
    pub job: JobId,
    /// From which byte on.
    pub from: u64,
    /// How long to wait for more, in milliseconds, where there is none yet.
    pub wait_ms: u64,
    /// Whether to say how far the running stage is, and not to wait for lines when that has changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub progress: bool,
}

/// A piece of a log: whole lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPiece {
    /// From which byte on: the sequence number of its first line.
    pub from: u64,
    /// Where the next one begins.
    pub next: u64,
    /// The lines.
    pub text: String,
    /// Nothing more comes.
    pub ended: bool,
    /// There is no such log here.
    pub missing: bool,
    /// How far the running stage is, if that was asked for and is known.
    #[serde(
        default,
        deserialize_with = "understood",
        skip_serializing_if = "Option::is_none"
    )]
    pub progress: Option<Progress>,
}

/// A stage or a unit of a newer worker is nothing, and no reason to refuse the lines that come with it.
fn understood<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Progress>, D::Error> {
    let value = Option::<serde_json::Value>::deserialize(from)?;
    Ok(value.and_then(|value| serde_json::from_value(value).ok()))
}

/// Changes with each line, and holds how far the running stage is.
type Grown = watch::Sender<Option<Progress>>;

/// The logs below a folder, and which of them still grow.
#[derive(Debug, Clone)]
pub struct JobLogs {
    folder: PathBuf,
    growing: Arc<Mutex<HashMap<JobId, Grown>>>,
}

/// As long as it is there, a log grows.
#[derive(Debug)]
pub struct Growing {
    logs: JobLogs,
    job: JobId,
    grown: Grown,
}

impl Growing {
    /// What hears of each event once it is in the log: it wakes those who wait for it.
    #[must_use]
    pub fn sink(&self) -> Arc<dyn EventSink> {
        let grown = self.grown.clone();
        Arc::new(move |event: &BuildEvent| {
            grown.send_modify(|progress| match event.kind {
                EventKind::Progress(further) => *progress = Some(further),
                EventKind::StageFinished { stage, .. } => {
                    *progress = progress.filter(|progress| progress.stage != stage);
                }
                _ => {}
            });
        })
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        self.logs.lock().remove(&self.job);
        self.grown.send_replace(None);
    }
}

impl JobLogs {
    /// Those in `folder`, which is made.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn new(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            growing: Arc::default(),
        })
    }

    /// Where the log of a job is.
    #[must_use]
    pub fn path(&self, job: &JobId) -> PathBuf {
        self.folder.join(format!("{job}.log"))
    }

    /// The log of a job begins to grow. One of a run before is put aside.
    #[must_use]
    pub fn begin(&self, job: &JobId) -> Growing {
        let path = self.path(job);
        // There may be none.
        let _ = std::fs::rename(&path, path.with_extension("log.old"));
        let grown = Grown::new(None);
        self.lock().insert(job.clone(), grown.clone());
        Growing {
            logs: self.clone(),
            job: job.clone(),
            grown,
        }
    }

    /// Removes the logs that have not grown for so long; gives how many those were. Each was delivered with its job.
    ///
    /// # Errors
    ///
    /// The operating system's; what could be removed is gone.
    pub fn prune(&self, age: Duration) -> io::Result<usize> {
        let now = SystemTime::now();
        let (mut removed, mut failure) = (0, None);
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(job) = name
                .strip_suffix(".log")
                .or_else(|| name.strip_suffix(".log.old"))
            else {
                continue;
            };
            let grows = JobId::parse(job).is_some_and(|job| self.lock().contains_key(&job));
            let changed = entry.metadata().and_then(|metadata| metadata.modified());
            // A clock that was set back is no reason.
            let old = changed.is_ok_and(|time| now.duration_since(time).is_ok_and(|old| old > age));
            if grows || !old {
                continue;
            }
            match std::fs::remove_file(entry.path()) {
                Ok(()) => removed += 1,
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(removed), Err)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<JobId, Grown>> {
        self.growing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A piece of a log, as soon as there is more of it, or when the time is over; for who wants to know it, also when
    /// the running stage has come further meanwhile, but not at once. It holds as many whole lines as fit, or a part of
    /// one that is longer.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub async fn piece(&self, request: &LogRequest) -> io::Result<LogPiece> {
        let asked = Instant::now();
        let until = asked + Duration::from_millis(request.wait_ms.min(60_000));
        let mut progress_then = None;
        loop {
            // First this: what is written before it ends is read then.
            let growing = self.lock().get(&request.job).map(watch::Sender::subscribe);
            let ended = growing.is_none();
            let progress = growing.as_ref().and_then(|growing| *growing.borrow());
            let progress = progress.filter(|_| request.progress);
            let mut piece = match read(&self.path(&request.job), request.from, ended) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => LogPiece {
                    from: request.from,
                    next: request.from,
                    text: String::new(),
                    ended,
                    missing: true,
                    progress: None,
                },
                piece => piece?,
            };
            piece.progress = progress;
            let then = *progress_then.get_or_insert(progress);
            let is_further = progress.is_some() && progress != then;
            let until = match is_further {
                true => until.min(asked + MOMENT),
                false => until,
            };
            let left = until.saturating_duration_since(Instant::now());
            match growing {
                Some(mut growing) if piece.text.is_empty() && !left.is_zero() => {
                    // Neither the time nor the end of the log is an error.
                    let _ = tokio::time::timeout(left.min(PAUSE), growing.changed()).await;
                }
                _ => return Ok(piece),
            }
        }
    }

    /// Answers those who ask a worker for logs, until `cancel`. A queue that cannot be reached is tried again and
    /// again.
    pub async fn serve(self, queue: Arc<dyn JobQueue>, worker: &str, cancel: CancellationToken) {
        let serve = async {
            let mut inbox = loop {
                match queue.listen(&[&log_topic(worker)]).await {
                    Ok(inbox) => break inbox,
                    Err(error) => tracing::debug!("logs: {error}"),
                }
                tokio::time::sleep(AGAIN).await;
            };
            let places = Arc::new(Semaphore::new(AT_ONCE));
            while let Some((_, message)) = inbox.messages.recv().await {
                let Ok(place) = places.clone().try_acquire_owned() else {
                    // They ask again.
                    continue;
                };
                let (queue, logs) = (queue.clone(), self.clone());
                tokio::spawn(async move {
                    logs.answer(&*queue, message).await;
                    drop(place);
                });
            }
        };
        tokio::select! {
            () = cancel.cancelled() => {}
            () = serve => {}
        }
    }

    async fn answer(&self, queue: &dyn JobQueue, message: BusMessage) {
        let Some(inbox) = message.reply_to else {
            return;
        };
        let Ok(request) = serde_json::from_slice::<LogRequest>(&message.body) else {
            return;
        };
        let piece = match self.piece(&request).await {
            Ok(piece) => piece,
            Err(error) => {
                tracing::warn!("the log of {}: {error}", request.job);
                return;
            }
        };
        let answer = BusMessage {
            reply_to: None,
            correlation: message.correlation,
            body: serde_json::to_vec(&piece).unwrap_or_default(),
        };
        if let Err(error) = queue.send(&Address::Inbox(inbox), &answer).await {
            tracing::debug!("the log of {}: {error}", request.job);
        }
    }
}

/// A piece of a log that grows no more, wherever it is.
///
/// # Errors
///
/// The operating system's.
pub fn piece_of(log: &Path, from: u64) -> io::Result<LogPiece> {
    read(log, from, true)
}

fn read(path: &Path, from: u64, ended: bool) -> io::Result<LogPiece> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(PIECE as u64).read_to_end(&mut bytes)?;
    let filled = bytes.len();
    // A line that is still being written waits for its end; one that is longer than a piece does not.
    let lines = bytes.iter().rposition(|&byte| byte == b'\n');
    match lines {
        Some(last) => bytes.truncate(last + 1),
        None if filled < PIECE && !ended => bytes.clear(),
        None => {}
    }
    // A part of a line may end within a character.
    let more = !ended || from + (bytes.len() as u64) < length;
    let whole = match std::str::from_utf8(&bytes) {
        Err(error) if error.error_len().is_none() && more => error.valid_up_to(),
        _ => bytes.len(),
    };
    bytes.truncate(whole);
    let next = from + bytes.len() as u64;
    Ok(LogPiece {
        from,
        next,
        text: String::from_utf8_lossy(&bytes).into_owned(),
        ended: ended && next >= length,
        missing: false,
        progress: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Events, Outcome, Stage, Unit};
    use std::io::Write;

    fn request(job: &JobId, from: u64, wait_ms: u64) -> LogRequest {
        LogRequest {
            job: job.clone(),
            from,
            wait_ms,
            progress: false,
        }
    }

    #[test]
    fn a_line_that_is_longer_than_a_piece_is_not_cut_within_a_character() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let line = format!("x{}\n", "ü".repeat(PIECE));
        std::fs::write(&path, &line).unwrap();
        for ended in [false, true] {
            let (mut from, mut text) = (0, String::new());
            while from < line.len() as u64 {
                let piece = read(&path, from, ended).unwrap();
                from = piece.next;
                text.push_str(&piece.text);
            }
            assert!(text == line, "ended: {ended}");
        }
        // What ends within a character ends so.
        std::fs::write(&path, &line.as_bytes()[..2]).unwrap();
        assert_eq!(read(&path, 0, true).unwrap().text, "x\u{fffd}");
    }

    #[test]
    fn old_logs_go_unless_they_grow() {
        let dir = tempfile::tempdir().unwrap();
        let logs = JobLogs::new(dir.path()).unwrap();
        let month = Duration::from_secs(30 * 86_400);
        let then = SystemTime::now() - 2 * month;
        let growing = JobId::parse("a-4").unwrap();
        let _growing = logs.begin(&growing);
        for (name, old) in [
            ("a-1.log", true),
            ("a-2.log.old", true),
            ("a-3.log", false),
            ("a-4.log", true),
            ("notes", true),
        ] {
            let file = File::create(dir.path().join(name)).unwrap();
            if old {
                file.set_modified(then).unwrap();
            }
        }
        assert_eq!(logs.prune(month).unwrap(), 2);
        let left = std::fs::read_dir(dir.path()).unwrap();
        let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["a-3.log", "a-4.log", "notes"]);
        assert_eq!(logs.prune(3 * month).unwrap(), 0);
    }

    #[tokio::test]
    async fn a_log_is_read_while_it_grows_and_no_line_twice() {
        let dir = tempfile::tempdir().unwrap();
        let logs = JobLogs::new(dir.path()).unwrap();
        let job = JobId::parse("a-1").unwrap();
        assert!(logs.piece(&request(&job, 0, 0)).await.unwrap().missing);
        let growing = logs.begin(&job);
        let mut file = File::create(logs.path(&job)).unwrap();
        let line = "ü".repeat(40_000);
        let writer = std::thread::spawn(move || {
            for number in 0..20 {
                // In two parts, as a process may write.
                file.write_all(format!("{number} {line}").as_bytes())
                    .unwrap();
                std::thread::sleep(Duration::from_millis(5));
                file.write_all(b"\n").unwrap();
            }
            file.write_all("no end: ü".as_bytes()).unwrap();
            drop(growing);
        });
        let (mut text, mut from) = (String::new(), 0);
        loop {
            let piece = logs.piece(&request(&job, from, 1000)).await.unwrap();
            assert_eq!(piece.from, from);
            assert!(piece.text.len() <= PIECE);
            text.push_str(&piece.text);
            from = piece.next;
            if piece.ended {
                break;
            }
        }
        writer.join().unwrap();
        let expected: String = (0..20)
            .map(|number| format!("{number} {}\n", "ü".repeat(40_000)))
            .collect();
        assert_eq!(text, expected + "no end: ü");
    }

    #[tokio::test]
    async fn who_waits_is_answered_in_time() {
        let dir = tempfile::tempdir().unwrap();
        let logs = JobLogs::new(dir.path()).unwrap();
        let job = JobId::parse("a-1").unwrap();
        let _growing = logs.begin(&job);
        std::fs::write(logs.path(&job), "one\nhalf").unwrap();
        let piece = logs.piece(&request(&job, 4, 100)).await.unwrap();
        assert_eq!((piece.text.as_str(), piece.ended), ("", false));
        let piece = logs.piece(&request(&job, 0, 100)).await.unwrap();
        assert_eq!((piece.text.as_str(), piece.next), ("one\n", 4));
    }

    #[tokio::test]
    async fn who_wants_to_know_is_told_how_far_the_stage_is() {
        let dir = tempfile::tempdir().unwrap();
        let logs = JobLogs::new(dir.path()).unwrap();
        let job = JobId::parse("a-1").unwrap();
        let growing = logs.begin(&job);
        std::fs::write(logs.path(&job), "one\n").unwrap();
        let events = Events::new();
        events.add_sink(growing.sink());
        let stage = Stage::Root;
        let at = |done| Progress {
            stage,
            done,
            total: 9,
            unit: Unit::Packages,
        };
        let wants = |from, wait_ms| LogRequest {
            progress: true,
            ..request(&job, from, wait_ms)
        };
        events.progress(stage, 3, 9, Unit::Packages);
        // With lines at once, and without them not as long as it is what it was.
        assert_eq!(
            logs.piece(&wants(0, 60_000)).await.unwrap().progress,
            Some(at(3))
        );
        assert_eq!(
            logs.piece(&request(&job, 0, 0)).await.unwrap().progress,
            None
        );
        let begun = Instant::now();
        let piece = logs.piece(&wants(4, 100)).await.unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(100));
        assert_eq!((piece.text.as_str(), piece.progress), ("", Some(at(3))));
        // Without lines when it has changed: once for all changes of a moment.
        let (asking, request) = (logs.clone(), wants(4, 60_000));
        let begun = Instant::now();
        let asked = tokio::spawn(async move { asking.piece(&request).await.unwrap() });
        tokio::time::sleep(Duration::from_millis(50)).await;
        for done in [4, 5] {
            events.progress(stage, done, 9, Unit::Packages);
            tokio::task::yield_now().await;
        }
        let piece = asked.await.unwrap();
        assert_eq!(
            (piece.text.as_str(), piece.next, piece.progress),
            ("", 4, Some(at(5)))
        );
        assert!(begun.elapsed() >= MOMENT && begun.elapsed() < 30 * MOMENT);
        // What has ended is not on its way; the next one is told of as soon as it is known.
        events.emit(EventKind::StageFinished {
            stage,
            outcome: Outcome::Succeeded,
            seconds: 1.0,
        });
        assert_eq!(logs.piece(&wants(4, 0)).await.unwrap().progress, None);
        let (asking, request) = (logs.clone(), wants(4, 60_000));
        let begun = Instant::now();
        let asked = tokio::spawn(async move { asking.piece(&request).await.unwrap() });
        tokio::time::sleep(Duration::from_millis(50)).await;
        events.progress(stage, 6, 9, Unit::Packages);
        assert_eq!(asked.await.unwrap().progress, Some(at(6)));
        assert!(begun.elapsed() < 30 * MOMENT);
    }

    #[test]
    fn older_and_newer_ones_understand_each_other() {
        let old = r#"{"job":"a-1","from":0,"wait_ms":5}"#;
        let request: LogRequest = serde_json::from_str(old).unwrap();
        assert!(!request.progress);
        assert_eq!(serde_json::to_string(&request).unwrap(), old);
        let piece = |progress: &str| -> LogPiece {
            let text = r#"{"from":0,"next":2,"text":"a\n","ended":false,"missing":false"#;
            serde_json::from_str(&format!("{text}{progress}}}")).unwrap()
        };
        let known = r#","progress":{"stage":"root","done":1,"total":2,"unit":"packages","of":3}"#;
        assert_eq!(piece(known).progress.unwrap().done, 1);
        for unknown in [
            "",
            r#","progress":null"#,
            r#","progress":{"stage":"proof","done":1,"total":2,"unit":"packages"}"#,
            r#","progress":{"stage":"root","done":1,"total":2,"unit":"files"}"#,
            r#","progress":"far""#,
        ] {
            let piece = piece(unknown);
            assert_eq!((piece.text.as_str(), piece.progress), ("a\n", None));
        }
    }
}
