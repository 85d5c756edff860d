//! Following the log of a job that is built elsewhere.

use std::time::Duration;

use super::{LogPiece, LogRequest, log_topic};
use crate::jobs::JobId;
use crate::queue::{Address, BusMessage, Inbox, JobQueue, QueueError};

/// How long a worker waits with an answer for more of a log that is followed.
pub const FOLLOWED: Duration = Duration::from_secs(2);

/// How long an answer is waited for: a worker that is gone sends none.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads the log of one job from its worker, each line once.
#[derive(Debug)]
pub struct RemoteLog {
    inbox: Inbox,
    job: JobId,
    from: u64,
    asked: u64,
    progress: bool,
}

impl RemoteLog {
    /// Reads that of `job`, from its beginning.
    ///
    /// # Errors
    ///
    /// [`QueueError`].
    pub async fn new(queue: &dyn JobQueue, job: JobId) -> Result<Self, QueueError> {
        Ok(Self {
            inbox: queue.listen(&[]).await?,
            job,
            from: 0,
            asked: 0,
            progress: false,
        })
    }

    /// Also tells how far the running stage is, with pieces that are empty if need be.
    #[must_use]
    pub fn with_progress(mut self) -> Self {
        self.progress = true;
        self
    }

    /// The next piece, as soon as there is one, and an empty one after `wait` at most; `None` if the worker does not
    /// answer. What was read stays read, however often it does not.
    ///
    /// # Errors
    ///
    /// [`QueueError`].
    pub async fn next(
        &mut self,
        queue: &dyn JobQueue,
        worker: &str,
        wait: Duration,
    ) -> Result<Option<LogPiece>, QueueError> {
        self.asked += 1;
        let request = LogRequest {
            job: self.job.clone(),
            from: self.from,
            wait_ms: u64::try_from(wait.as_millis()).unwrap_or_default(),
            progress: self.progress,
        };
        let correlation = self.asked.to_string();
        let message = BusMessage {
            reply_to: Some(self.inbox.name.borrow().clone()),
            correlation: Some(correlation.clone()),
            body: serde_json::to_vec(&request).unwrap_or_default(),
        };
        queue
            .send(&Address::Topic(log_topic(worker)), &message)
            .await?;
        let answer = tokio::time::timeout(PATIENCE + wait, async {
            while let Some((_, message)) = self.inbox.messages.recv().await {
                // An answer that comes late says nothing new.
                if message.correlation.as_ref() == Some(&correlation)
                    && let Ok(piece) = serde_json::from_slice::<LogPiece>(&message.body)
                    && piece.from == self.from
                {
                    return Some(piece);
                }
            }
            None
        })
        .await;
        let piece = answer.unwrap_or_default();
        if let Some(piece) = &piece {
            self.from = piece.next;
        }
        Ok(piece)
    }

    /// Begins anew: another run has another log.
    pub fn rewind(&mut self) {
        self.from = 0;
    }

    /// Goes on at a byte that a piece began or ended with.
    pub fn seek(&mut self, from: u64) {
        self.from = from;
    }
}
