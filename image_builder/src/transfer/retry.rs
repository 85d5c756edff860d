//! What went wrong in talking to a server, and whether to try again.

use std::time::Duration;

use tokio::time::Instant;

use super::TransferError;

/// How long a server may be gone before a delivery gives up.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// The same for the check before a build: nothing is lost there yet.
pub(super) const CHECK_PATIENCE: Duration = Duration::from_secs(5);

/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How often a server may say the same no, or a file may arrive otherwise.
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
    far: Far,
    broken: u32,
    refused: u32,
    corrupt: u32,
}

/// How far a thing has come, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Far {
    /// What the far side has said that it has, or has given back.
    pub there: u64,
    /// What went out or came back, whether it has arrived or not.
    pub moved: u64,
}

impl<'a> Attempts<'a> {
    /// The first one; errors name `place`.
    pub(super) fn new(place: &'a str, patience: Duration) -> Self {
        Self {
            place,
            patience,
            since: Instant::now(),
            far: Far::default(),
            broken: 0,
            refused: 0,
            corrupt: 0,
        }
    }

    /// Waits for the next attempt, when it came so far before a fault. Where no attempt came before,
    /// the server was there until now, and the patience begins anew.
    ///
    /// # Errors
    ///
    /// The fault as an error, when there is none.
    pub(super) async fn after(&mut self, fault: Fault, far: Far) -> Result<(), TransferError> {
        if far.there.max(far.moved) > self.far.moved {
            (self.since, self.broken) = (Instant::now(), 0);
        }
        // What went out says nothing of a server that takes bytes and then says no.
        if far.there > self.far.there {
            self.refused = 0;
        }
        self.far = Far {
            there: far.there.max(self.far.there),
            moved: far.moved.max(far.there).max(self.far.moved),
        };
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
            Fault::Corrupt(problem) if self.corrupt + 1 >= REFUSALS => {
                return Err(TransferError::Corrupt {
                    place: place(),
                    problem,
                });
            }
            Fault::Said(_) => self.refused += 1,
            // It begins anew, and all that moves counts again.
            Fault::Corrupt(_) => {
                self.corrupt += 1;
                (self.far, self.since) = (Far::default(), Instant::now());
            }
        }
        // A connection that was idle too long is opened anew at once.
        let doubled = self.broken + self.refused + self.corrupt;
        if doubled > 1 {
            let wait = Duration::from_millis(500) * 2_u32.saturating_pow(doubled.min(8) - 2);
            tokio::time::sleep(wait.min(LONGEST_WAIT)).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const NOTHING: Far = Far { there: 0, moved: 0 };

    fn broken() -> Fault {
        Fault::Broken("no".into())
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_gone_is_waited_for() {
        let mut attempts = Attempts::new("ftp://h/", Duration::ZERO);
        let error = attempts.after(broken(), NOTHING).await;
        assert!(matches!(error, Err(TransferError::Unreachable { .. })));

        let mut attempts = Attempts::new("ftp://h/", PATIENCE);
        let began = Instant::now();
        while attempts.after(broken(), NOTHING).await.is_ok() {}
        assert!(began.elapsed() >= PATIENCE);
        assert!(began.elapsed() < PATIENCE + LONGEST_WAIT);
    }

    #[tokio::test(start_paused = true)]
    async fn the_patience_begins_where_bytes_moved_last() {
        let mut attempts = Attempts::new("ftp://h/", PATIENCE);
        for moved in 1..5 {
            advance(PATIENCE * 10).await;
            let far = Far { there: 0, moved };
            attempts.after(broken(), far).await.unwrap();
        }
        // What had moved before is sent once more: that is no progress.
        advance(PATIENCE).await;
        let far = Far { there: 2, moved: 4 };
        let error = attempts.after(broken(), far).await;
        assert!(matches!(error, Err(TransferError::Unreachable { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn a_no_is_heard_three_times() {
        let mut attempts = Attempts::new("ftp://h/", PATIENCE);
        let no = || Fault::Said("451 no".into());
        let there = |there, moved| Far { there, moved };
        attempts.after(no(), NOTHING).await.unwrap();
        attempts.after(no(), NOTHING).await.unwrap();
        // What goes on is not counted.
        attempts.after(no(), there(1000, 1000)).await.unwrap();
        attempts.after(no(), there(1000, 1500)).await.unwrap();
        let error = attempts.after(no(), there(1000, 2000)).await.unwrap_err();
        assert!(error.to_string().contains("451 no"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_arrived_otherwise_is_sent_again_twice() {
        let mut attempts = Attempts::new("ftp://h/", PATIENCE);
        let corrupt = || Fault::Corrupt("other bytes".into());
        let whole = Far {
            there: 9,
            moved: 18,
        };
        for _ in 0..2 {
            attempts.after(broken(), whole).await.unwrap();
            advance(PATIENCE).await;
            attempts.after(corrupt(), whole).await.unwrap();
            advance(PATIENCE * 2).await;
        }
        attempts.after(broken(), whole).await.unwrap();
        let error = attempts.after(corrupt(), whole).await.unwrap_err();
        assert!(matches!(error, TransferError::Corrupt { .. }), "{error}");
    }
}
