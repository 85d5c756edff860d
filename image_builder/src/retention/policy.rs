//! Which images go, and when.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::{ImageRecord, Reason};
use crate::jobs::JobId;
use crate::quantity::{Age, ByteSize};

/// From so much of the largest size on, in percent, those are warned that go next.
const CROWDED: u64 = 80;

/// How long images stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// So long after their delivery; for ever if absent.
    pub max_age: Option<SignedDuration>,
    /// So many bytes all together, pinned ones included: what was delivered first goes first.
    pub max_size: Option<u64>,
    /// So long before the end of an image its people are told. None ends by age before that time after the mail has
    /// passed.
    pub warning: SignedDuration,
}

/// 14 days, any size, and a mail two days before.
impl Default for Policy {
    fn default() -> Self {
        Self {
            max_age: Some(SignedDuration::from_hours(14 * 24)),
            max_size: None,
            warning: SignedDuration::from_hours(2 * 24),
        }
    }
}

/// `for 14 days, at most 500.0 GiB; people are told 2 days before`.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let age = |age: SignedDuration| Age(age.unsigned_abs());
        match self.max_age {
            Some(most) => write!(f, "for {}", age(most))?,
            None => f.write_str("for ever")?,
        }
        if let Some(size) = self.max_size {
            write!(f, ", at most {}", ByteSize(size))?;
        }
        match (self.max_age, self.max_size) {
            (None, None) => Ok(()),
            _ => write!(f, "; people are told {} before", age(self.warning)),
        }
    }
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// People are to be told that images will go.
    Warn {
        /// The job.
        job: JobId,
        /// Why they go, [`Reason::Age`] or [`Reason::Space`].
        reason: Reason,
        /// When they go at the latest, if nobody pins them.
        ends: Option<Timestamp>,
    },
    /// Images are to go.
    Remove {
        /// The job.
        job: JobId,
        /// Why.
        reason: Reason,
    },
}

impl Policy {
    /// When images go at the latest, as far as is known `now`. None: they are pinned, stay for ever, or are gone.
    #[must_use]
    pub fn ends(&self, image: &ImageRecord, now: Timestamp) -> Option<Timestamp> {
        if image.pinned.is_some() || !image.is_there() {
            return None;
        }
        let due = later(image.delivered, self.max_age?);
        Some(due.max(later(image.warned.unwrap_or(now), self.warning)))
    }

    /// Whether the time of images is over, whoever was told.
    #[must_use]
    pub fn is_due(&self, image: &ImageRecord, now: Timestamp) -> bool {
        let max_age = self.max_age.map(|age| later(image.delivered, age));
        max_age.is_some_and(|due| now >= due)
    }

    /// What is to be done with the images of one folder.
    #[must_use]
    pub fn steps(&self, images: &[ImageRecord], now: Timestamp) -> Vec<Step> {
        let mut there: Vec<&ImageRecord> = images.iter().filter(|image| image.is_there()).collect();
        there.sort_by(|a, b| (a.delivered, &a.job).cmp(&(b.delivered, &b.job)));
        let mut total: u64 = there.iter().map(|image| image.bytes).sum();
        let mut steps = Vec::new();
        there.retain(|image| image.pinned.is_none());
        let is_over = |image: &&ImageRecord| {
            let end = image.warned.and_then(|_| self.ends(image, now));
            end.is_some_and(|end| now >= end)
        };
        let (over, line): (Vec<&ImageRecord>, Vec<_>) = there.into_iter().partition(is_over);
        for image in over {
            total -= image.bytes;
            steps.push(removal(image, Reason::Age));
        }
        let mut line = line.into_iter();
        while self.max_size.is_some_and(|max| total > max)
            && let Some(image) = line.next()
        {
            total -= image.bytes;
            steps.push(removal(image, Reason::Space));
        }
        let crowded = self.max_size.map(|max| max - max / 100 * (100 - CROWDED));
        for image in line {
            // Those that had to go before it was no longer crowded.
            let next = crowded.is_some_and(|crowded| total > crowded);
            if next {
                total -= image.bytes;
            }
            let ends = self.ends(image, now);
            let soon = ends.is_some_and(|end| end <= later(now, self.warning));
            let reason = match (image.warned, next, soon) {
                (None, true, _) => Reason::Space,
                (None, false, true) => Reason::Age,
                _ => continue,
            };
            let job = image.job.clone();
            steps.push(Step::Warn { job, reason, ends });
        }
        steps
    }
}

fn removal(image: &ImageRecord, reason: Reason) -> Step {
    let job = image.job.clone();
    Step::Remove { job, reason }
}

/// The last time there is, if that is nearer.
fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}
