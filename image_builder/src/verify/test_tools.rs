//! What the tests that use real programs share.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::context::BuildContext;
use crate::process::{
    CommandError, CommandRunner, Completed, Invocation, OutputSink, SystemRunner,
};

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

/// A context on a host that lacks `program`.
pub(super) fn context_without(program: &'static str) -> BuildContext {
    context().with_runner(Arc::new(Without(program)))
}

#[derive(Debug)]
struct Without(&'static str);

#[async_trait]
impl CommandRunner for Without {
    async fn run(
        &self,
        invocation: &Invocation,
        output: Arc<dyn OutputSink>,
        cancel: &CancellationToken,
    ) -> Result<Completed, CommandError> {
        if invocation.program == self.0 {
            let program = self.0.to_owned();
            return Err(CommandError::NotFound { program });
        }
        SystemRunner.run(invocation, output, cancel).await
    }
}
