//! What went wrong in talking to a server, and whether to try again.

use std::time::{Duration, Instant};

use super::TransferError;

/// How long a server may be gone before a delivery gives up.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// The same for the check before a build: nothing is lost there yet.
pub(super) const CHECK_PATIENCE: Duration = Duration::from_secs(5);

/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How often a server may say the same no.
const REFUSALS: u32 = 3;

/// What went wrong.
#[derive(Debug)]
pub(super) enum Fault {
    /// The connection did not come about, or broke.
    Broken(String),
    /// The server said no, and may say yes later.
    Said(String),
    /// What arrived is not what was sent; it was removed.
    Corrupt(String),
    /// It is no use to try again.
    Final(TransferError),
}

/// The attempts at one thing.
#[derive(Debug)]
pub(super) struct Attempts<'a> {
    place: &'a str,
    patience: Duration,
    since: Instant,
    progress: u64,
    broken: u32,
    refused: u32,
}

impl<'a> Attempts<'a> {
    /// The first one; errors name `place`.
    pub(super) fn new(place: &'a str, patience: Duration) -> Self {
        Self {
            place,
            patience,
            since: Instant::now(),
            progress: 0,
            broken: 0,
            refused: 0,
        }
    }

    /// Waits for the next attempt, when so many bytes are there after a fault.
    ///
    /// # Errors
    ///
    /// The fault as an error, when there is none.
    pub(super) async fn after(&mut self, fault: Fault, progress: u64) -> Result<(), TransferError> {
        if progress > self.progress {
            (self.progress, self.since) = (progress, Instant::now());
            (self.broken, self.refused) = (0, 0);
        }
        let place = || self.place.to_owned();
        match fault {
            Fault::Final(error) => return Err(error),
            Fault::Broken(problem) if self.since.elapsed() >= self.patience => {
                return Err(TransferError::Unreachable {
                    place: place(),
                    problem,
                });
            }
            Fault::Broken(_) => self.broken += 1,
            Fault::Said(problem) if self.refused + 1 >= REFUSALS => {
                return Err(TransferError::Refused {
                    place: place(),
                    problem,
                    hint: "look into the server's log; its disk may be full, or a quota reached"
                        .to_owned(),
                });
            }
            Fault::Corrupt(problem) if self.refused + 1 >= REFUSALS => {
                return Err(TransferError::Corrupt {
                    place: place(),
                    problem,
                });
            }
            Fault::Said(_) | Fault::Corrupt(_) => self.refused += 1,
        }
        // A connection that was idle too long is opened anew at once.
        let doubled = self.broken + self.refused;
        if doubled > 1 {
            let wait = Duration::from_millis(500) * 2_u32.saturating_pow(doubled.min(8) - 2);
            tokio::time::sleep(wait.min(LONGEST_WAIT)).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_gone_is_waited_for() {
        let mut attempts = Attempts::new("ftp://h/", Duration::ZERO);
        let error = attempts.after(Fault::Broken("no".into()), 0).await;
        assert!(matches!(error, Err(TransferError::Unreachable { .. })));

        let mut attempts = Attempts::new("ftp://h/", PATIENCE);
        for _ in 0..20 {
            attempts.after(Fault::Broken("no".into()), 0).await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_no_is_heard_three_times() {
        let mut attempts = Attempts::new("ftp://h/", PATIENCE);
        let no = || Fault::Said("451 no".into());
        attempts.after(no(), 0).await.unwrap();
        attempts.after(no(), 0).await.unwrap();
        // What goes on is not counted.
        attempts.after(no(), 1000).await.unwrap();
        attempts.after(no(), 1000).await.unwrap();
        let error = attempts.after(no(), 1000).await.unwrap_err();
        assert!(error.to_string().contains("451 no"), "{error}");
    }
}
