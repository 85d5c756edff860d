//! Several boot tests, side by side where the host has the processors.

use tokio::task::JoinSet;

use super::boot_test::{BootTest, BootTestError, BootVerdict};
use crate::context::BuildContext;

/// Boots each of `tests` and gives the verdicts in their order, at most `at_once` at a time.
///
/// An image that does not come up does not keep the others from being tried.
///
/// # Errors
///
/// The first test that could not be made; those that run are ended.
pub async fn boot_each(
    ctx: &BuildContext,
    tests: &[BootTest],
    at_once: usize,
) -> Result<Vec<BootVerdict>, BootTestError> {
    let mut ctx = ctx.clone();
    ctx.cancel = ctx.cancel.child_token();
    // Whichever way this ends, no test outlives it.
    let _ends = ctx.cancel.clone().drop_guard();
    let mut verdicts: Vec<Option<BootVerdict>> = vec![None; tests.len()];
    let mut waiting = tests.iter().cloned().enumerate();
    let mut running = JoinSet::new();
    let mut failed = None;
    loop {
        while failed.is_none() && running.len() < at_once.max(1) {
            let Some((number, test)) = waiting.next() else {
                break;
            };
            let ctx = ctx.clone();
            running.spawn(async move { (number, test.run(&ctx).await) });
        }
        match running.join_next().await {
            None => break,
            Some(Ok((number, Ok(verdict)))) => verdicts[number] = Some(verdict),
            Some(Ok((_, Err(error)))) => {
                ctx.cancel.cancel();
                failed.get_or_insert(error);
            }
            Some(Err(panic)) => {
                ctx.cancel.cancel();
                let reason = panic.to_string();
                failed.get_or_insert(BootTestError::NotStarted { reason });
            }
        }
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(verdicts.into_iter().flatten().collect()),
    }
}
