//! Programs that leave a processor to another one.
//!
//! dracut is a script of some two thousand short processes, one after the other. Beside a program that keeps all
//! processors busy each of them waits for one, whatever priority that program has: on two processors it took a sixth
//! longer. So what runs beside it gets all processors but one, until it has ended.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

tokio::task_local! {
    static ASIDE: Aside;
}

/// Programs that stand aside as long as another one runs. Where there is one processor only, nothing is done; nor where the
/// system says no: it is no more than a matter of speed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Aside(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    is_over: bool,
    programs: Vec<Pid>,
}

/// A program that stands aside, as long as this is there.
#[derive(Debug)]
pub(super) struct Standing {
    aside: Aside,
    program: Pid,
}

impl Aside {
    /// All programs that `work` starts stand aside.
    pub(crate) async fn scope<T>(&self, work: impl Future<Output = T>) -> T {
        ASIDE.scope(self.clone(), work).await
    }

    /// The other one has ended: those that stand aside have all processors again.
    pub(crate) fn end(&self) {
        let mut state = self.state();
        state.is_over = true;
        let Ok(all) = sched_getaffinity(Pid::from_raw(0)) else {
            return;
        };
        for &program in &state.programs {
            allow(program, &all);
        }
    }

    /// Whether it has.
    pub(crate) fn is_over(&self) -> bool {
        self.state().is_over
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Standing {
    /// `program`, which was just started, stands aside if it belongs to such work.
    pub(super) fn of(program: Option<u32>) -> Option<Self> {
        let aside = ASIDE.try_with(Aside::clone).ok()?;
        let program = Pid::from_raw(i32::try_from(program?).ok()?);
        let mut state = aside.state();
        if !state.is_over {
            allow(program, &all_but_one()?);
            state.programs.push(program);
        }
        drop(state);
        Some(Self { aside, program })
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        // Its number may be another one's soon.
        let mut state = self.aside.state();
        state.programs.retain(|&program| program != self.program);
    }
}

/// The processors that this process may use, without the first one.
fn all_but_one() -> Option<CpuSet> {
    let mut set = sched_getaffinity(Pid::from_raw(0)).ok()?;
    let mut usable = (0..CpuSet::count()).filter(|&one| set.is_set(one).unwrap_or(false));
    let (first, _) = (usable.next()?, usable.next()?);
    set.unset(first).ok()?;
    Some(set)
}

/// What runs in `program` runs on `processors` only. Threads that it starts later do as that which starts them.
fn allow(program: Pid, processors: &CpuSet) {
    let threads = std::fs::read_dir(format!("/proc/{program}/task"));
    for thread in threads.into_iter().flatten().flatten() {
        if let Some(thread) = thread.file_name().to_str().and_then(|id| id.parse().ok())
            && let Err(error) = sched_setaffinity(Pid::from_raw(thread), processors)
        {
            tracing::debug!("the processors of {program}: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::context::BuildContext;
    use crate::process::Invocation;

    #[tokio::test]
    async fn what_stands_aside_leaves_one_processor_until_the_other_one_has_ended() {
        let count = || {
            let set = sched_getaffinity(Pid::from_raw(0)).unwrap();
            (0..CpuSet::count())
                .filter(|&one| set.is_set(one).unwrap())
                .count()
        };
        let all = count();
        let ctx = BuildContext::default();
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        // nproc counts the processors that it may use.
        let script = "until [ -e \"$0/begun\" ]; do sleep 0.02; done; nproc; touch \"$0/counted\"
                      until [ -e \"$0/over\" ]; do sleep 0.02; done; nproc";
        let asks = Invocation::new("sh").args(["-c", script]).path(dir.path());
        let aside = Aside::default();
        let (lines, ()) = tokio::join!(aside.scope(ctx.query(&asks)), async {
            while aside.state().programs.is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            std::fs::write(file("begun"), "").unwrap();
            while !file("counted").exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            aside.end();
            std::fs::write(file("over"), "").unwrap();
        });
        let fewer = (all - 1).max(1);
        assert_eq!(lines.unwrap(), [fewer.to_string(), all.to_string()]);
        assert_eq!(aside.state().programs, []);
        // What begins later, and what belongs to other work.
        let nproc = Invocation::new("nproc");
        let later = aside.scope(ctx.query(&nproc)).await.unwrap();
        assert_eq!(later, [all.to_string()]);
        assert_eq!(ctx.query(&nproc).await.unwrap(), [all.to_string()]);
        assert_eq!(count(), all);
    }
}
