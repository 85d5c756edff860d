//! How fast a download goes, and how long it will take.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far back the rate looks.
const WINDOW: Duration = Duration::from_secs(8);

/// How far a download has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DownloadProgress {
    /// Bytes received.
    pub done: u64,
    /// Bytes to be received, as far as is known.
    pub total: u64,
    /// Bytes a second, over the last seconds.
    pub rate: f64,
    /// How long the rest will take at that rate; `None` while nothing arrives.
    pub eta: Option<Duration>,
}

/// Bytes a second over the last seconds.
#[derive(Debug, Default)]
pub(super) struct Rate {
    samples: VecDeque<(Instant, u64)>,
}

impl Rate {
    /// Notes that `done` of `total` bytes are there at `now`.
    pub(super) fn sample(&mut self, now: Instant, done: u64, total: u64) -> DownloadProgress {
        // A file that was begun anew: what came before tells nothing.
        if self
            .samples
            .back()
            .is_some_and(|(_, before)| done < *before)
        {
            self.samples.clear();
        }
        self.samples.push_back((now, done));
        while self.samples.len() > 2 && now.duration_since(self.samples[1].0) >= WINDOW {
            self.samples.pop_front();
        }
        let (since, before) = self.samples[0];
        let seconds = now.duration_since(since).as_secs_f64();
        let rate = if seconds > 0.0 {
            (done - before) as f64 / seconds
        } else {
            0.0
        };
        let left = total.saturating_sub(done) as f64;
        DownloadProgress {
            done,
            total,
            rate,
            eta: (rate > 0.0)
                .then(|| Duration::try_from_secs_f64(left / rate).ok())
                .flatten(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_eta_follow_the_last_seconds() {
        let start = Instant::now();
        let mut rate = Rate::default();
        let first = rate.sample(start, 0, 10_000);
        assert_eq!((first.rate, first.eta), (0.0, None));
        for second in 1..=20 {
            // 1000 bytes a second for ten seconds, then 100.
            let done = if second <= 10 {
                second * 1000
            } else {
                10_000 + (second - 10) * 100
            };
            let at = start + Duration::from_secs(second);
            let progress = rate.sample(at, done, 12_000);
            if second == 10 {
                assert_eq!(progress.rate, 1000.0);
                assert_eq!(progress.eta, Some(Duration::from_secs(2)));
            }
            if second == 20 {
                assert_eq!(progress.rate, 100.0);
                assert_eq!(progress.eta, Some(Duration::from_secs(10)));
            }
        }
        // Begun anew.
        assert_eq!(
            rate.sample(start + Duration::from_secs(21), 0, 12_000).eta,
            None
        );
    }
}
