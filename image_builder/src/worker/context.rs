//! What a run needs of its worker.

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::serving::Said;
use crate::events::Stage;
use crate::jobs::JobId;

/// The job was given to somebody else, or will be: this run counts for nothing, and hands nothing over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the job is not this worker's any more")]
pub struct Superseded;

/// How a run stands in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is the one that counts.
    Running,
    /// It is, and nobody else will hand the image over.
    Delivering,
    /// It does not count any more.
    Superseded,
}

/// What a run needs of its worker.
#[derive(Debug, Clone)]
pub struct JobContext {
    /// Cancelled when the run has to end.
    pub cancel: CancellationToken,
    pub(super) job: JobId,
    pub(super) said: mpsc::UnboundedSender<Said>,
    pub(super) standing: watch::Receiver<Standing>,
    pub(super) stop: CancellationToken,
}

impl JobContext {
    /// The build has come to a stage.
    pub fn stage(&self, stage: Stage) {
        self.say(Said::Stage(self.job.clone(), stage));
    }

    /// Asks to hand over what came of the build, which is an image or not, and waits until the ledger says that nobody
    /// else will: as long as the broker cannot be reached.
    ///
    /// # Errors
    ///
    /// [`Superseded`].
    pub async fn delivering(&self, image: bool) -> Result<(), Superseded> {
        self.say(Said::Delivering(self.job.clone(), image));
        let mut standing = self.standing.clone();
        tokio::select! {
            known = standing.wait_for(|now| *now != Standing::Running) => match known.as_deref() {
                Ok(Standing::Delivering) => Ok(()),
                _ => Err(Superseded),
            },
            () = self.stop.cancelled() => Err(Superseded),
        }
    }

    /// Whether another run brings the job to its end: the worker was told to stop, or the job was given to others. Asked
    /// when [`cancel`](Self::cancel) has ended what [`delivering`](Self::delivering) had allowed.
    #[must_use]
    pub fn is_withdrawn(&self) -> bool {
        self.stop.is_cancelled() || *self.standing.borrow() == Standing::Superseded
    }

    fn say(&self, said: Said) {
        // The worker ends after its runs.
        let _ = self.said.send(said);
    }
}
