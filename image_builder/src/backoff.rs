//! How long to wait before the next try.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// The wait after `failures` failures in a row: doubled each time from `first` up to `longest`, and shortened
/// by up to a half at random, so that those who failed together do not come back together.
pub(crate) fn wait(first: Duration, longest: Duration, failures: u32) -> Duration {
    let full = first
        .saturating_mul(2u32.saturating_pow(failures.saturating_sub(1)))
        .min(longest);
    // The hasher of the standard library is seeded by the operating system.
    let random = RandomState::new().build_hasher().finish();
    full / 2 + (full / 2).mul_f64((random % 1000) as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit() {
        let (first, longest) = (Duration::from_millis(500), Duration::from_secs(60));
        for (failures, full) in [(1, 500), (2, 1000), (4, 4000), (7, 32_000), (40, 60_000)] {
            let wait = wait(first, longest, failures).as_millis();
            assert!((full / 2..=full).contains(&wait), "{failures}: {wait} ms");
        }
    }
}
