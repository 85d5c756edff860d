//! When a build ends at the latest.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::ImageBuilderError;

/// When a build ends at the latest.
#[derive(Debug)]
pub(super) struct Limits {
    began: Instant,
    limit: Duration,
    deadline: Option<Timestamp>,
}

impl Limits {
    /// Those of a build that begins now.
    pub(super) fn new(limit: Duration, deadline: Option<Timestamp>) -> Self {
        Self {
            began: Instant::now(),
            limit,
            deadline,
        }
    }

    /// How long it may go on.
    pub(super) fn remaining(&self) -> Duration {
        let limit = self.limit.saturating_sub(self.began.elapsed());
        let deadline = self.deadline.map(|deadline| {
            let left = deadline.duration_since(Timestamp::now());
            left.try_into().unwrap_or(Duration::ZERO)
        });
        deadline.map_or(limit, |deadline: Duration| deadline.min(limit))
    }

    /// Why a build that was stopped has ended: programs do not know who stopped them.
    pub(super) fn cause(&self) -> ImageBuilderError {
        if self.deadline.is_some_and(|then| then <= Timestamp::now()) {
            ImageBuilderError::Overdue
        } else if self.began.elapsed() >= self.limit {
            ImageBuilderError::TimedOut(self.limit)
        } else {
            ImageBuilderError::Cancelled
        }
    }
}
