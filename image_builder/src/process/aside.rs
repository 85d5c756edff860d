//! Programs and threads that leave a processor to another program.
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

/// What stands aside as long as another program runs. Where there is one processor only, nothing is done; nor where the
/// system says no: it is no more than a matter of speed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Aside(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    is_over: bool,
    standing: Vec<Who>,
}

/// Who stands aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// A program, with all of its threads.
    Program(Pid),
    /// A thread of this program.
    Thread(Pid),
}

/// A program or thread that stands aside, as long as this is there.
#[derive(Debug)]
pub(crate) struct Standing {
    aside: Aside,
    who: Who,
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
        for &who in &state.standing {
            allow(who, &all);
        }
    }

    /// That of the work which asks, where there is one.
    pub(crate) fn current() -> Option<Self> {
        ASIDE.try_with(Self::clone).ok()
    }

    /// The thread that asks stands aside, too.
    pub(crate) fn stand(&self) -> Option<Standing> {
        Standing::new(self, Who::Thread(nix::unistd::gettid()))
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
        let program = Pid::from_raw(i32::try_from(program?).ok()?);
        Self::new(&Aside::current()?, Who::Program(program))
    }

    fn new(aside: &Aside, who: Who) -> Option<Self> {
        let mut state = aside.state();
        if !state.is_over {
            allow(who, &all_but_one()?);
            state.standing.push(who);
        }
        drop(state);
        Some(Self {
            aside: aside.clone(),
            who,
        })
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        // Its number may be another one's soon.
        let mut state = self.aside.state();
        state.standing.retain(|&who| who != self.who);
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

/// `who` runs on `processors` only. Threads that it starts later do as that which starts them.
fn allow(who: Who, processors: &CpuSet) {
    let threads = match who {
        Who::Thread(thread) => vec![thread],
        Who::Program(program) => {
            let threads = std::fs::read_dir(format!("/proc/{program}/task"));
            let names = (threads.into_iter().flatten().flatten()).map(|thread| thread.file_name());
            let ids = names.filter_map(|name| name.to_str()?.parse().ok());
            ids.map(Pid::from_raw).collect()
        }
    };
    for thread in threads {
        if let Err(error) = sched_setaffinity(thread, processors) {
            tracing::debug!("the processors of {who:?}: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::context::BuildContext;
    use crate::process::Invocation;

    /// How many processors this thread may use.
    fn count() -> usize {
        let set = sched_getaffinity(Pid::from_raw(0)).unwrap();
        (0..CpuSet::count())
            .filter(|&one| set.is_set(one).unwrap())
            .count()
    }

    #[tokio::test]
    async fn what_stands_aside_leaves_one_processor_until_the_other_one_has_ended() {
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
            while aside.state().standing.is_empty() {
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
        assert_eq!(aside.state().standing, []);
        // What begins later, and what belongs to other work.
        let nproc = Invocation::new("nproc");
        let later = aside.scope(ctx.query(&nproc)).await.unwrap();
        assert_eq!(later, [all.to_string()]);
        assert_eq!(ctx.query(&nproc).await.unwrap(), [all.to_string()]);
        assert_eq!(count(), all);
    }

    #[test]
    fn a_thread_stands_aside_alone() {
        let all = count();
        let aside = Aside::default();
        let (began, told) = std::sync::mpsc::channel();
        let (over, waits) = std::sync::mpsc::channel();
        let counted = std::thread::scope(|scope| {
            let aside = &aside;
            let thread = scope.spawn(move || {
                let _standing = aside.stand();
                began.send(count()).unwrap();
                waits.recv().unwrap();
                count()
            });
            let before = told.recv().unwrap();
            aside.end();
            over.send(()).unwrap();
            (before, thread.join().unwrap())
        });
        // With one processor there is none to be left.
        assert_eq!(counted, ((all - 1).max(1), all));
        assert_eq!((count(), aside.state().standing.len()), (all, 0));
    }
}
