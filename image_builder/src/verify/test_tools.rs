//! What the tests that use real programs share.

use crate::context::BuildContext;

/// True when every program is installed. Otherwise the test says that it is skipped, or fails when
/// `FBS_TESTS_REQUIRE_ALL=1` is set.
pub(super) fn available(programs: &[&str]) -> bool {
    let missing: Vec<&str> = programs
        .iter()
        .copied()
        .filter(|program| which::which(program).is_err())
        .collect();
    if missing.is_empty() {
        return true;
    }
    let reason = format!("not installed: {}", missing.join(", "));
    skip(&reason);
    false
}

/// Says that the calling test is skipped.
pub(super) fn skip(reason: &str) {
    let test = std::thread::current().name().unwrap_or("test").to_owned();
    assert!(
        std::env::var_os("FBS_TESTS_REQUIRE_ALL").is_none_or(|value| value != "1"),
        "{test} may not be skipped: {reason}"
    );
    eprintln!("skipped: {test}: {reason}");
}

/// A context that starts real programs.
pub(super) fn context() -> BuildContext {
    BuildContext::default()
}
