//! How long to wait before the next try.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// The longest wait between two tries.
const LONGEST: Duration = Duration::from_secs(60);

/// The wait after `failures` failures in a row: doubled each time from `first`, and shortened by
/// up to a half at random, so that the builds of a host do not all come back at once.
pub(super) fn wait(first: Duration, failures: u32) -> Duration {
    let full = first
        .saturating_mul(2u32.saturating_pow(failures.saturating_sub(1)))
        .min(LONGEST);
    let random = RandomState::new().build_hasher().finish();
    full / 2 + (full / 2).mul_f64((random % 1000) as f64 / 1000.0)
}

/// The wait that a server asks for with `Retry-After`, in seconds; a date is not understood.
pub(super) fn asked_for(retry_after: &str) -> Option<Duration> {
    let seconds = retry_after.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit() {
        let first = Duration::from_millis(500);
        for (failures, full) in [(1, 500), (2, 1000), (4, 4000), (7, 32_000), (40, 60_000)] {
            let wait = wait(first, failures).as_millis();
            assert!((full / 2..=full).contains(&wait), "{failures}: {wait} ms");
        }
        assert_eq!(asked_for("7"), Some(Duration::from_secs(7)));
        assert_eq!(asked_for("86400"), Some(LONGEST));
        assert_eq!(asked_for("Wed, 21 Oct 2026 07:28:00 GMT"), None);
    }
}
