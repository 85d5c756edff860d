//! The wait that a server asks for.

use std::time::Duration;

/// The longest wait between two tries.
pub(super) const LONGEST: Duration = Duration::from_secs(60);

/// The wait that a server asks for with `Retry-After`, in seconds; a date is not understood.
pub(super) fn asked_for(retry_after: &str) -> Option<Duration> {
    let seconds = retry_after.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_understood_up_to_a_limit() {
        assert_eq!(asked_for("7"), Some(Duration::from_secs(7)));
        assert_eq!(asked_for("86400"), Some(LONGEST));
        assert_eq!(asked_for("Wed, 21 Oct 2026 07:28:00 GMT"), None);
    }
}
