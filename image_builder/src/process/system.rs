//! The runner that starts real processes.

use std::collections::VecDeque;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::aside::Standing;
use super::lines::LineBuffer;
use super::{
    CommandError, CommandRunner, Completed, Exit, Invocation, OutputSink, Stream, TAIL_LINES,
};
use crate::redact;

/// How long a program has between the polite signal and the final one.
const GRACE: Duration = Duration::from_millis(1500);

/// How long the streams may stay open after the program itself has ended: a helper that it left
/// in the background holds them, and is ended with the group.
const DRAIN: Duration = Duration::from_millis(500);

/// How long a process that has ended may take to be reaped before all processes are looked at: most parents do it at
/// once.
const REAPED: Duration = Duration::from_millis(5);

/// Starts processes, each in a process group of its own.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRunner;

#[async_trait]
impl CommandRunner for SystemRunner {
    async fn run(
        &self,
        invocation: &Invocation,
        output: Arc<dyn OutputSink>,
        cancel: &CancellationToken,
    ) -> Result<Completed, CommandError> {
        if cancel.is_cancelled() {
            return Err(CommandError::Cancelled {
                command: invocation.brief(),
            });
        }
        let started = Instant::now();
        let mut child = spawn(invocation)?;
        // Ends the group on every way out, a dropped future and a panic included.
        let group = ProcessGroup::of(&child);
        let _standing = Standing::of(child.id());
        let tail = Tail::default();
        let reading = {
            let stdout = read(child.stdout.take(), Stream::Stdout, &*output, &tail);
            let stderr = read(child.stderr.take(), Stream::Stderr, &*output, &tail);
            async move {
                tokio::join!(stdout, stderr);
            }
        };
        let ending = wait(&mut child, &group, invocation, started, cancel);
        // Both run side by side: a full pipe would stop the program, and a program that has ended
        // may leave its streams open.
        let mut reading = std::pin::pin!(reading);
        let mut ending = std::pin::pin!(ending);
        let (ending, drained) = tokio::select! {
            ending = &mut ending => (ending, false),
            () = &mut reading => (ending.await, true),
        };
        let drained = drained || tokio::time::timeout(DRAIN, &mut reading).await.is_ok();
        group.end().await;
        if !drained {
            let _ = tokio::time::timeout(DRAIN, &mut reading).await;
        }
        conclude(ending, invocation, started.elapsed(), tail.take())
    }
}

/// How the waiting came to an end.
enum Ending {
    Exited(ExitStatus),
    Unwaitable(std::io::Error),
    TimedOut,
    Cancelled,
}

fn conclude(
    ending: Ending,
    invocation: &Invocation,
    duration: Duration,
    tail: Vec<String>,
) -> Result<Completed, CommandError> {
    let command = invocation.brief();
    let exit = match ending {
        Ending::Exited(status) => match (status.code(), status.signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, signal) => Exit::Signal(signal.unwrap_or_default()),
        },
        Ending::Unwaitable(error) => {
            return Err(CommandError::Spawn {
                program: invocation.program.clone(),
                reason: error.to_string(),
            });
        }
        Ending::TimedOut => {
            let limit = Duration::from_secs(invocation.timeout.map_or(0, |limit| limit.0));
            return Err(CommandError::TimedOut {
                command,
                limit,
                tail,
            });
        }
        Ending::Cancelled => return Err(CommandError::Cancelled { command }),
    };
    match exit {
        Exit::Code(code) if invocation.accepts.contains(&code) => Ok(Completed {
            exit,
            duration,
            tail,
        }),
        exit => Err(CommandError::Failed {
            command,
            exit,
            tail,
            duration,
        }),
    }
}

fn spawn(invocation: &Invocation) -> Result<Child, CommandError> {
    command(invocation)
        .spawn()
        .map_err(|error| start_error(invocation, &error))
}

/// The program, with its output to be read and without input.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that starts programs"
)]
pub(super) fn command(invocation: &Invocation) -> Command {
    let mut command = Command::new(&invocation.program);
    command
        .args(&invocation.args)
        .envs(&invocation.env)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    if let Some(cwd) = &invocation.cwd {
        command.current_dir(cwd);
    }
    command
}

/// Why it could not be started.
pub(super) fn start_error(invocation: &Invocation, error: &std::io::Error) -> CommandError {
    let missing_cwd = invocation.cwd.as_ref().is_some_and(|cwd| !cwd.is_dir());
    match error.kind() {
        std::io::ErrorKind::NotFound if !missing_cwd => CommandError::NotFound {
            program: invocation.program.clone(),
        },
        _ => CommandError::Spawn {
            program: invocation.program.clone(),
            reason: error.to_string(),
        },
    }
}

async fn wait(
    child: &mut Child,
    group: &ProcessGroup,
    invocation: &Invocation,
    started: Instant,
    cancel: &CancellationToken,
) -> Ending {
    let deadline = async {
        match invocation.timeout {
            Some(limit) => {
                let at = started + Duration::from_secs(limit.0);
                tokio::time::sleep_until(at.into()).await;
            }
            None => std::future::pending().await,
        }
    };
    let ending = tokio::select! {
        status = child.wait() => return status.map_or_else(Ending::Unwaitable, Ending::Exited),
        () = deadline => Ending::TimedOut,
        () = cancel.cancelled() => Ending::Cancelled,
    };
    group.signal(Signal::SIGTERM);
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        group.signal(Signal::SIGKILL);
        let _ = child.wait().await;
    }
    ending
}

pub(super) async fn read(
    stream: Option<impl AsyncRead + Unpin>,
    which: Stream,
    output: &dyn OutputSink,
    tail: &Tail,
) {
    let Some(mut stream) = stream else { return };
    let mut lines = LineBuffer::default();
    let mut chunk = vec![0; 16 * 1024];
    let emit = |line: &str| {
        // A program may print the address that it was given.
        let line = redact::passwords(line);
        tail.push(&line);
        output.line(which, &line);
    };
    // A read error on a pipe means the same as its end.
    while let Ok(count) = stream.read(&mut chunk).await {
        if count == 0 {
            break;
        }
        lines.push(&chunk[..count], emit);
    }
    lines.finish(emit);
}

/// The last lines of both streams.
#[derive(Debug, Default, Clone)]
pub(super) struct Tail(Arc<Mutex<VecDeque<String>>>);

impl Tail {
    fn push(&self, line: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == TAIL_LINES {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }

    /// The lines, which stay.
    #[cfg(feature = "sftp")]
    pub(super) fn lines(&self) -> Vec<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().cloned().collect()
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

/// A process group that is killed when this is dropped.
#[derive(Debug)]
pub(super) struct ProcessGroup(Option<Pid>);

impl ProcessGroup {
    /// The group that `child` leads (`process_group(0)`).
    pub(super) fn of(child: &Child) -> Self {
        Self(
            child
                .id()
                .and_then(|id| i32::try_from(id).ok())
                .map(Pid::from_raw),
        )
    }

    /// Kills what is left of the group and waits until none of it runs.
    async fn end(&self) {
        let Some(group) = self.0 else { return };
        let started = Instant::now();
        while killpg(group, Signal::SIGKILL).is_ok() && started.elapsed() < DRAIN {
            // What has ended is in the group until its new parent has reaped it, which a container's first process
            // does late or never.
            if started.elapsed() > REAPED {
                let ended = tokio::task::spawn_blocking(move || !runs(group));
                if ended.await.unwrap_or_default() {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // ESRCH: nobody is left in it, which is what we want.
            let _ = killpg(group, signal);
        }
    }
}

/// Where the number of threads stands behind a process's state.
const THREADS: usize = 17;

/// Whether a process of the group runs: there is one that has not ended
/// ([proc_pid_stat(5)](https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html)). Blocks.
fn runs(group: Pid) -> bool {
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return true;
    };
    processes.filter_map(Result::ok).any(|process| {
        let stat = std::fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        // The name, in brackets, may hold anything.
        let Some((_, rest)) = stat.rsplit_once(") ") else {
            return false;
        };
        let fields: Vec<&str> = rest.split(' ').collect();
        let &[state, _, of, .., threads] = fields.get(..=THREADS).unwrap_or_default() else {
            return false;
        };
        // Its first thread may have ended before the others.
        let has_ended =
            matches!(state, "Z" | "X") && threads.parse().is_ok_and(|count: u32| count <= 1);
        of.parse().ok() == Some(group.as_raw()) && !has_ended
    })
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Discard;
    use super::*;

    fn sh(script: &str) -> Invocation {
        Invocation::new("sh").args(["-c", script])
    }

    async fn run(invocation: &Invocation) -> Result<Completed, CommandError> {
        SystemRunner
            .run(invocation, Arc::new(Discard), &CancellationToken::new())
            .await
    }

    fn alive(pid: &str) -> bool {
        // A zombie has ended; it waits for its reaper.
        std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| !stat.contains(") Z "))
    }

    #[tokio::test]
    async fn passes_each_line_on_with_its_stream() {
        let seen = Arc::new(Mutex::new(Vec::<(Stream, String)>::new()));
        let sink = {
            let seen = Arc::clone(&seen);
            move |stream: Stream, line: &str| seen.lock().unwrap().push((stream, line.into()))
        };
        let done = SystemRunner
            .run(
                &sh("echo out; echo err >&2"),
                Arc::new(sink),
                &CancellationToken::new(),
            )
            .await
            .unwrap();
        let mut seen = seen.lock().unwrap().clone();
        seen.sort_by_key(|(_, line)| line.clone());
        assert_eq!(
            seen,
            [
                (Stream::Stderr, "err".to_owned()),
                (Stream::Stdout, "out".to_owned())
            ]
        );
        assert_eq!(done.tail.len(), 2);
    }

    #[tokio::test]
    async fn a_failure_names_the_command_the_status_and_the_last_lines() {
        let error = run(&sh("echo no such package; exit 3")).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "`sh -c 'echo no such package; exit 3'` failed with exit status 3, after printing:\n  \
             no such package"
        );
    }

    #[tokio::test]
    async fn a_program_killed_from_outside_says_by_which_signal() {
        let error = run(&sh("kill -9 $$")).await.unwrap_err();
        assert!(
            error.to_string().contains("failed with signal 9 (SIGKILL)"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn so_does_a_program_whose_child_was_killed() {
        let error = run(&sh("sh -c 'kill -9 $$'; exit $?")).await.unwrap_err();
        assert!(
            error
                .to_string()
                .contains("failed with exit status 137, as after signal 9 (SIGKILL)"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_missing_program_and_a_missing_folder_are_told_apart() {
        let error = run(&Invocation::new("no-such-program")).await.unwrap_err();
        assert_eq!(
            error,
            CommandError::NotFound {
                program: "no-such-program".into()
            }
        );
        let error = run(&Invocation::new("true").cwd("/no/such/folder"))
            .await
            .unwrap_err();
        assert!(matches!(error, CommandError::Spawn { .. }), "{error}");
    }

    #[tokio::test]
    async fn the_time_limit_ends_a_program_that_ignores_the_polite_signal() {
        let stubborn = sh("trap '' TERM; echo $$; sleep 60 & wait; sleep 60");
        let error = run(&stubborn.timeout(Duration::from_secs(1)))
            .await
            .unwrap_err();
        let CommandError::TimedOut { tail, .. } = &error else {
            panic!("{error}")
        };
        assert!(!alive(&tail[0]));
        assert!(
            error
                .to_string()
                .contains("was ended after its time limit of 1s"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn cancelling_ends_the_whole_group() {
        let cancel = CancellationToken::new();
        let pids = Arc::new(Mutex::new(Vec::<String>::new()));
        let sink = {
            let (pids, cancel) = (Arc::clone(&pids), cancel.clone());
            move |_: Stream, line: &str| {
                pids.lock().unwrap().push(line.to_owned());
                if line == "ready" {
                    cancel.cancel();
                }
            }
        };
        let error = SystemRunner
            .run(
                &sh("sleep 60 & echo $!; echo $$; echo ready; wait"),
                Arc::new(sink),
                &cancel,
            )
            .await
            .unwrap_err();
        assert!(matches!(error, CommandError::Cancelled { .. }), "{error}");
        let pids = pids.lock().unwrap().clone();
        assert!(pids[..2].iter().all(|pid| !alive(pid)), "{pids:?}");
    }

    #[tokio::test]
    async fn a_helper_left_in_the_background_is_ended_and_does_not_hold_the_runner() {
        let started = Instant::now();
        let done = run(&sh("sleep 60 & echo $!")).await.unwrap();
        assert!(started.elapsed() < Duration::from_secs(30));
        assert!(!alive(&done.tail[0]));
    }

    #[tokio::test]
    async fn what_has_ended_does_not_run_although_nobody_has_reaped_it() {
        let mut child = command(&Invocation::new("cat"))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = child.id().unwrap().to_string();
        let group = Pid::from_raw(pid.parse().unwrap());
        assert!(runs(group));
        // Nobody waits for it, but it is there.
        drop(child.stdin.take());
        while alive(&pid) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(killpg(group, None).is_ok());
        assert!(!runs(group));
        child.wait().await.unwrap();
        assert!(!runs(group));
    }

    #[tokio::test]
    async fn accepts_the_exit_codes_it_is_told_to() {
        assert_eq!(
            run(&sh("exit 1").accept(1)).await.unwrap().exit,
            Exit::Code(1)
        );
    }

    #[tokio::test]
    async fn much_output_on_both_streams_does_not_stop_the_program() {
        let done = run(&sh("seq 200000; seq 200000 >&2")).await.unwrap();
        assert_eq!(done.tail.len(), TAIL_LINES);
    }
}
