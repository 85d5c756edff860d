//! What nobody has told yet of jobs that no worker has.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::jobs::{Job, JobEvent, JobEventKind, JobId, Misfit, Moment};

/// For how long it is news: a worker that begins with a ledger of months tells nothing of what is older. That a job waits
/// can be seen soon after; of how it ended somebody should hear though no worker was there for a weekend.
const fn news_for(moment: Moment) -> SignedDuration {
    SignedDuration::from_hours(match moment {
        Moment::Submitted => 1,
        Moment::Ended => 3 * 24,
    })
}

/// Somebody who does not hear that his offer was taken in makes another one.
const AGAIN: Duration = Duration::from_secs(30);

/// What nobody has told yet of jobs that no worker has.
#[derive(Debug, Default)]
pub(super) struct Untold(HashMap<(JobId, Moment), News>);

/// Something to tell.
#[derive(Debug, Clone)]
pub(super) struct News {
    /// The job as it was then, without its payload.
    pub(super) job: Job,
    /// Where in the ledger it was asked for.
    pub(super) place: u64,
    time: Timestamp,
    /// When it was offered to tell it.
    offered: Option<Instant>,
    seen: Instant,
}

impl Untold {
    /// Takes in what `event` has made of a job that was asked for at `place`. Gives what is told by the one who
    /// wrote the event.
    pub(super) fn take(
        &mut self,
        place: u64,
        event: &JobEvent,
        applied: &Result<Job, Misfit>,
        now: Timestamp,
    ) -> Option<News> {
        let moment = match (&event.kind, applied) {
            (JobEventKind::Announced { moment, .. }, _) => {
                return self.0.remove(&(event.job.clone(), *moment));
            }
            (JobEventKind::Queued { .. }, Ok(_)) => Moment::Submitted,
            (JobEventKind::Ended { .. }, _) => return None,
            (_, Ok(job)) if job.state.is_final() => Moment::Ended,
            _ => return None,
        };
        if now.duration_since(event.time) >= news_for(moment) {
            return None;
        }
        let news = News {
            job: applied.as_ref().ok()?.clone(),
            place,
            time: event.time,
            offered: None,
            seen: Instant::now(),
        };
        self.0.insert((event.job.clone(), moment), news);
        None
    }

    /// What somebody who has waited for `patience` should offer to tell: others may have been faster.
    pub(super) fn due(&mut self, now: Timestamp, patience: Duration) -> Vec<(JobId, Moment)> {
        self.0
            .retain(|(_, moment), news| now.duration_since(news.time) < news_for(*moment));
        let mut due = Vec::new();
        for (key, news) in &mut self.0 {
            let waits = news.offered.is_some_and(|then| then.elapsed() < AGAIN);
            if !waits && news.seen.elapsed() >= patience {
                news.offered = Some(Instant::now());
                due.push(key.clone());
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::tests::request;
    use crate::jobs::{Claim, JobEnding, JobTable};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + seconds).unwrap()
    }

    fn queued() -> JobEventKind {
        JobEventKind::Queued {
            request: Box::new(request()),
        }
    }

    fn announced(moment: Moment) -> JobEventKind {
        let session = "anna-1".to_owned();
        JobEventKind::Announced { moment, session }
    }

    fn claimed(run: u32) -> (JobEventKind, Claim) {
        let claim = Claim {
            worker: "anna".to_owned(),
            session: "anna-1".to_owned(),
            run,
        };
        let event = JobEventKind::Claimed {
            claim: claim.clone(),
        };
        (event, claim)
    }

    /// What is still to be told a minute after these events, and what was told, with the state that the job had then.
    fn after(kinds: Vec<JobEventKind>) -> (Vec<Moment>, Vec<String>) {
        let (mut untold, mut table) = (Untold::default(), JobTable::default());
        let mut told = Vec::new();
        for (kind, place) in kinds.into_iter().zip(1..) {
            let event = JobEvent {
                job: JobId::parse("a-1").unwrap(),
                time: at(0),
                by: "anna".to_owned(),
                kind,
            };
            let asked = table.place(&event.job).unwrap_or(place);
            let applied = table.apply(place, &event);
            if let Some(news) = untold.take(asked, &event, &applied, at(0)) {
                assert_eq!(news.place, 1);
                told.push(news.job.state.name().to_owned());
            }
        }
        let mut due = untold.due(at(60), Duration::ZERO);
        due.sort_by_key(|(_, moment)| *moment == Moment::Ended);
        (due.into_iter().map(|(_, moment)| moment).collect(), told)
    }

    #[test]
    fn what_no_worker_brought_to_an_end_is_told_once() {
        let cancel = || JobEventKind::CancelRequested { reason: None };
        assert_eq!(after(vec![queued()]), (vec![Moment::Submitted], vec![]));
        assert_eq!(
            after(vec![queued(), announced(Moment::Submitted), cancel()]),
            (vec![Moment::Ended], vec!["queued".to_owned()])
        );
        let all = vec![
            queued(),
            cancel(),
            announced(Moment::Submitted),
            announced(Moment::Ended),
            // Somebody was slower.
            announced(Moment::Submitted),
            announced(Moment::Ended),
        ];
        let told = vec!["queued".to_owned(), "cancelled".to_owned()];
        assert_eq!(after(all), (vec![], told));
        let expired = vec![queued(), JobEventKind::Expired];
        assert_eq!(after(expired).0, [Moment::Submitted, Moment::Ended]);
    }

    #[test]
    fn the_worker_itself_tells_of_what_it_has_built() {
        let (claimed, claim) = claimed(1);
        let lost = JobEventKind::Lost {
            claim: claim.clone(),
            reason: "silence".to_owned(),
        };
        let submitted = announced(Moment::Submitted);
        let ended = JobEventKind::Ended {
            claim,
            ending: JobEnding {
                outcome: crate::events::Outcome::Failed,
                error: None,
                exit_code: 1,
                places: Vec::new(),
                seconds: 1.0,
            },
        };
        let built = vec![queued(), submitted.clone(), claimed.clone(), ended];
        assert_eq!(after(built).0, []);
        // A cancelled job whose worker was lost ends with nobody to tell of it.
        let cancel = JobEventKind::CancelRequested { reason: None };
        let cut_off = vec![queued(), submitted, claimed, cancel, lost];
        assert_eq!(after(cut_off).0, [Moment::Ended]);
    }

    #[test]
    fn what_is_old_is_no_news_and_an_offer_holds_for_a_while() {
        let mut untold = Untold::default();
        let event = JobEvent {
            job: JobId::parse("a-1").unwrap(),
            time: at(0),
            by: "qa@desk".to_owned(),
            kind: queued(),
        };
        let job = Job::new(&event).ok_or(Misfit::Superseded);
        assert!(untold.take(1, &event, &job, at(3600)).is_none());
        assert!(untold.0.is_empty());

        let mut table = JobTable::default();
        table.apply(1, &event).unwrap();
        let cancel = JobEvent {
            kind: JobEventKind::CancelRequested { reason: None },
            ..event.clone()
        };
        let cancelled = table.apply(2, &cancel);
        let days = |days: i64| at(days * 86400);
        assert!(untold.take(1, &cancel, &cancelled, days(3)).is_none());
        assert!(untold.0.is_empty());
        assert!(untold.take(1, &cancel, &cancelled, days(2)).is_none());
        assert_eq!(untold.due(days(2), Duration::ZERO).len(), 1);
        assert_eq!(untold.due(days(3), Duration::ZERO).len(), 0);
        assert!(untold.0.is_empty());

        assert!(untold.take(1, &event, &job, at(0)).is_none());
        let patience = Duration::from_secs(60);
        assert_eq!(untold.due(at(60), patience).len(), 0);
        assert_eq!(untold.due(at(60), Duration::ZERO).len(), 1);
        assert_eq!(untold.due(at(60), Duration::ZERO).len(), 0);
        assert_eq!(untold.due(at(3601), Duration::ZERO).len(), 0);
        assert!(untold.0.is_empty());
    }
}
