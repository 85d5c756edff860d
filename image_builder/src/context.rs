//! What a stage is handed to work with: a runner, the event stream, and the word to stop.

use std::sync::Arc;
use std::time::Instant;

pub use tokio_util::sync::CancellationToken;

use crate::error::{ErrorKind, StageError};
use crate::events::{EventKind, Events, Outcome, Stage, Work, Working, seconds};
use crate::process::{
    CommandError, CommandRunner, Completed, Invocation, OutputSink, Stream, SystemRunner,
};

/// What becomes of a line that a program printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// It goes to the event stream.
    Keep,
    /// It does not.
    Drop,
}

tokio::task_local! {
    /// The stage that this task does: two may be at work side by side.
    static RUNNING: Stage;
}

/// Does two pieces of work side by side; when one fails, the other is stopped, and waited for. `work` is
/// given the contexts for them.
///
/// # Errors
///
/// The failure that came first.
pub(crate) async fn side_by_side<A, B, E, F, G>(
    ctx: &BuildContext,
    work: impl FnOnce(BuildContext, BuildContext) -> (F, G),
) -> Result<(A, B), E>
where
    F: Future<Output = Result<A, E>>,
    G: Future<Output = Result<B, E>>,
{
    let stop = ctx.cancel.child_token();
    let (first, second) = work(ctx.stopped_by(stop.clone()), ctx.stopped_by(stop.clone()));
    // Who is first to fail has not seen the word to stop.
    let failed = std::sync::atomic::AtomicU8::new(0);
    let note = |number: u8, ok: bool| {
        if !ok && !stop.is_cancelled() {
            failed.store(number, std::sync::atomic::Ordering::Relaxed);
            stop.cancel();
        }
    };
    let (first, second) = tokio::join!(
        async {
            let result = first.await;
            note(1, result.is_ok());
            result
        },
        async {
            let result = second.await;
            note(2, result.is_ok());
            result
        }
    );
    match (first, second, failed.into_inner()) {
        (Ok(a), Ok(b), _) => Ok((a, b)),
        (_, Err(error), 2) | (Err(error), _, _) | (Ok(_), Err(error), _) => Err(error),
    }
}

/// Runs commands for a job so that every one of them is in its event stream.
#[derive(Debug, Clone)]
pub struct BuildContext {
    runner: Arc<dyn CommandRunner>,
    /// Placeholders of planned command lines, and what they stand for.
    bound: Vec<(&'static str, String)>,
    /// The job's events.
    pub events: Events,
    /// Cancelled when the job is to stop.
    pub cancel: CancellationToken,
}

impl Default for BuildContext {
    fn default() -> Self {
        Self::new(Events::new(), CancellationToken::new())
    }
}

impl BuildContext {
    /// A context that starts real processes.
    #[must_use]
    pub fn new(events: Events, cancel: CancellationToken) -> Self {
        Self {
            runner: Arc::new(SystemRunner),
            bound: Vec::new(),
            events,
            cancel,
        }
    }

    /// The same with another runner, as tests and embedders may want.
    #[must_use]
    pub fn with_runner(mut self, runner: Arc<dyn CommandRunner>) -> Self {
        self.runner = runner;
        self
    }

    /// The same, stopped by `cancel`.
    #[must_use]
    pub fn stopped_by(&self, cancel: CancellationToken) -> Self {
        Self {
            cancel,
            ..self.clone()
        }
    }

    /// The same where `placeholder` of a planned command line stands for `value`.
    #[must_use]
    pub fn binding(&self, placeholder: &'static str, value: impl Into<String>) -> Self {
        let mut bound = self.clone();
        bound.bound.push((placeholder, value.into()));
        bound
    }

    /// Does `work` as `stage`: its start, its end and its time are in the event stream.
    ///
    /// # Errors
    ///
    /// Those of `work`.
    pub async fn stage<T, E: StageError>(
        &self,
        stage: Stage,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.events.emit(EventKind::StageStarted { stage });
        let started = Instant::now();
        let result = RUNNING.scope(stage, work).await;
        self.events.emit(EventKind::StageFinished {
            stage,
            outcome: match &result {
                Ok(_) => Outcome::Succeeded,
                Err(error) if error.kind() == ErrorKind::Cancelled => Outcome::Cancelled,
                Err(_) => Outcome::Failed,
            },
            seconds: seconds(started.elapsed()),
        });
        result
    }

    /// `work` begins, of the stage that this is called in; it has ended when what this gives is dropped.
    #[must_use = "the work has ended when this is dropped"]
    pub fn working(&self, work: Work) -> Working {
        let stage = RUNNING.try_with(|stage| *stage).ok();
        self.events.working(stage, work)
    }

    /// Runs `invocation`; its lines go to the event stream.
    ///
    /// # Errors
    ///
    /// See [`CommandError`].
    pub async fn run(&self, invocation: &Invocation) -> Result<Completed, CommandError> {
        self.run_watched(invocation, |_| Line::Keep).await
    }

    /// As [`run`](Self::run), and `watch` sees each line first: it may keep redrawn progress bars
    /// out of the event stream.
    ///
    /// # Errors
    ///
    /// See [`CommandError`].
    pub async fn run_watched(
        &self,
        invocation: &Invocation,
        watch: impl Fn(&str) -> Line + Send + Sync + 'static,
    ) -> Result<Completed, CommandError> {
        let events = self.events.clone();
        let sink = move |stream: Stream, line: &str| {
            if watch(line) == Line::Keep {
                let line = line.to_owned();
                events.emit(EventKind::Output { stream, line });
            }
        };
        self.run_into(invocation, Arc::new(sink), &self.cancel)
            .await
    }

    /// Runs `invocation` with its lines going to `sink` only, until it ends or `cancel` says stop
    /// (a child of [`BuildContext::cancel`] where a stage ends its own program).
    ///
    /// # Errors
    ///
    /// See [`CommandError`].
    pub async fn run_into(
        &self,
        invocation: &Invocation,
        sink: Arc<dyn OutputSink>,
        cancel: &CancellationToken,
    ) -> Result<Completed, CommandError> {
        let invocation = self
            .bound
            .iter()
            .fold(invocation.clone(), |command, (placeholder, value)| {
                command.bind(placeholder, value)
            });
        let command = invocation.to_string();
        let stage = RUNNING.try_with(|stage| *stage).ok();
        self.events.emit(EventKind::CommandStarted {
            stage,
            command: command.clone(),
        });
        let started = Instant::now();
        let result = self.runner.run(&invocation, sink, cancel).await;
        let (exit, outcome) = match &result {
            Ok(done) => (Some(done.exit), Outcome::Succeeded),
            Err(CommandError::Failed { exit, .. }) => (Some(*exit), Outcome::Failed),
            Err(CommandError::Cancelled { .. }) => (None, Outcome::Cancelled),
            Err(_) => (None, Outcome::Failed),
        };
        self.events.emit(EventKind::CommandFinished {
            stage,
            command,
            exit,
            outcome,
            seconds: seconds(started.elapsed()),
            probe: invocation.probe,
        });
        result
    }

    /// Runs a query and gives what it printed on standard output; the event stream has the
    /// command but not its lines.
    ///
    /// # Errors
    ///
    /// See [`CommandError`].
    pub async fn query(&self, invocation: &Invocation) -> Result<Vec<String>, CommandError> {
        let lines = Arc::new(std::sync::Mutex::new(Vec::new()));
        let sink = {
            let lines = Arc::clone(&lines);
            move |stream: Stream, line: &str| {
                if stream == Stream::Stdout
                    && let Ok(mut lines) = lines.lock()
                {
                    lines.push(line.to_owned());
                }
            }
        };
        self.run_into(invocation, Arc::new(sink), &self.cancel)
            .await?;
        let lines = lines.lock().map(|mut lines| std::mem::take(&mut *lines));
        Ok(lines.unwrap_or_default())
    }
}
