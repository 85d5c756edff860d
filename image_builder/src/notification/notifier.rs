//! Several ways of telling, side by side, each with its own patience.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::{Notice, Notification, NotificationError};
use crate::context::CancellationToken;
use crate::error::StageError;
use crate::events::Events;
use crate::redact;

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A notifier that gives up says more than one that is given up: it gets this much longer.
const GRACE: Duration = Duration::from_millis(250);

/// How much patience there is with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long one attempt may take.
    pub attempt: Duration,
    /// How long a notice may take with all attempts; and how long a build that has ended waits for
    /// all its notices.
    pub total: Duration,
    /// The first pause between two attempts. Each further one is twice as long, up to 10 s.
    pub pause: Duration,
}

impl Default for Limits {
    /// 20 s, 60 s and 1 s: a server may be gone for half a minute.
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(20),
            total: Duration::from_secs(60),
            pause: Duration::from_secs(1),
        }
    }
}

/// All who are to be told.
///
/// ```
/// use std::sync::Arc;
///
/// use image_builder::notification::{Memory, Notifier};
///
/// let told = Arc::new(Memory::default());
/// let notifier = Notifier::default().with(told.clone());
/// // ImageBuilder::new(spec).with_notifier(notifier) ...
/// assert!(told.notices().is_empty());
/// # let _ = notifier;
/// ```
#[derive(Debug, Clone, Default)]
pub struct Notifier {
    backends: Vec<Arc<dyn Notification>>,
    limits: Limits,
    submitting: bool,
}

impl Notifier {
    /// Nobody yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// With one more.
    #[must_use]
    pub fn with(mut self, backend: Arc<dyn Notification>) -> Self {
        self.backends.push(backend);
        self
    }

    /// For builds that are submitted where they are built, as `fbs build` does: the build itself
    /// tells that it was accepted.
    #[must_use]
    pub fn submitting(mut self) -> Self {
        self.submitting = true;
        self
    }

    pub(crate) fn submits(&self) -> bool {
        self.submitting
    }

    /// The ways of telling.
    #[must_use]
    pub fn backends(&self) -> &[Arc<dyn Notification>] {
        &self.backends
    }

    /// How much patience there is with them.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Tells all who want to hear of something that belongs to no build, side by side, and waits for them.
    pub async fn tell(&self, notice: Notice) -> Answers {
        let notice = Arc::new(notice);
        let mut sending = JoinSet::new();
        for backend in self.backends.iter().filter(|one| one.wants(&notice)) {
            let (backend, notice, limits) = (backend.clone(), notice.clone(), self.limits);
            sending.spawn(async move {
                let sent = send(&*backend, &notice, limits).await;
                (backend.name(), sent)
            });
        }
        let mut answers = Answers::default();
        // One that panicked has told nothing.
        while let Some(sent) = sending.join_next().await {
            match sent {
                Ok((_, Ok(()))) => answers.told += 1,
                Ok((name, Err((error, _)))) => {
                    if matches!(error, NotificationError::Partly { .. }) {
                        answers.told += 1;
                    }
                    answers.failed.push((name, error));
                }
                Err(panic) => tracing::error!("a notification: {panic}"),
            }
        }
        answers
    }

    /// For the notices of one job; warnings go to its `events`. A runtime of tokio must be running.
    #[must_use]
    pub fn open(&self, events: &Events) -> Dispatch {
        let mut queues = Vec::new();
        let mut senders = Vec::new();
        for backend in &self.backends {
            let (queue, notices) = unbounded_channel();
            queues.push(queue);
            let work = deliver(backend.clone(), notices, self.limits, events.clone());
            senders.push(Sender {
                name: backend.name(),
                task: tokio::spawn(work),
            });
        }
        Dispatch {
            queues,
            senders,
            limits: self.limits,
            events: events.clone(),
        }
    }
}

/// What became of a notice.
#[derive(Debug, Default)]
pub struct Answers {
    /// So many have told it, if not to all.
    pub told: usize,
    /// By whom it could not be told, and why.
    pub failed: Vec<(String, NotificationError)>,
}

/// The notices of one job on their way: each backend gets them in their order, none waits for
/// another. What is not sent when this is dropped is not sent at all: see [`Dispatch::close`].
#[derive(Debug)]
pub struct Dispatch {
    queues: Vec<UnboundedSender<Arc<Notice>>>,
    senders: Vec<Sender>,
    limits: Limits,
    events: Events,
}

#[derive(Debug)]
struct Sender {
    name: String,
    task: JoinHandle<()>,
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Dispatch {
    /// Tells all, without waiting.
    pub fn send(&self, notice: Notice) {
        let notice = Arc::new(notice);
        for queue in &self.queues {
            // A sender ends only with its queue.
            let _ = queue.send(notice.clone());
        }
    }

    /// Waits until everybody is told, but no longer than [`Limits::total`] or `longest`, nor than
    /// `stop` allows.
    pub async fn close(self, stop: &CancellationToken, longest: Duration) {
        let Self {
            queues,
            senders,
            limits,
            events,
        } = self;
        drop(queues);
        let limit = limits.total.min(longest);
        let deadline = Instant::now() + limit + GRACE;
        for mut sender in senders {
            let reason = tokio::select! {
                biased;
                _ = &mut sender.task => continue,
                () = stop.cancelled() => "the build was cancelled".to_owned(),
                () = tokio::time::sleep_until(deadline) => {
                    format!("no answer within {} s", limit.as_secs())
                }
            };
            let name = &sender.name;
            events.warn(format!(
                "not everything was told by {name}: gave up: {reason}"
            ));
        }
    }
}

/// One backend's notices, one after the other.
async fn deliver(
    backend: Arc<dyn Notification>,
    mut notices: UnboundedReceiver<Arc<Notice>>,
    limits: Limits,
    events: Events,
) {
    while let Some(notice) = notices.recv().await {
        if !backend.wants(&notice) {
            continue;
        }
        let (name, kind) = (backend.name(), notice.kind.name());
        match send(&*backend, &notice, limits).await {
            Ok(()) => events.info(format!("Told {kind}:: {name}")),
            Err((error, attempts)) => {
                let times = match attempts {
                    1 => String::new(),
                    n => format!(" (tried {n} times)"),
                };
                let warning = format!("{kind} was not told by {name}: {error}{times}");
                events.warn(redact::passwords(&warning));
            }
        }
    }
}

/// Sends until it is sent, refused for good, or too late.
async fn send(
    backend: &dyn Notification,
    notice: &Notice,
    limits: Limits,
) -> Result<(), (NotificationError, u32)> {
    let deadline = Instant::now() + limits.total;
    let mut pause = limits.pause;
    let mut attempts = 0;
    loop {
        attempts += 1;
        let patience = limits
            .attempt
            .min(deadline.saturating_duration_since(Instant::now()));
        let error = match tokio::time::timeout(patience, backend.send(notice)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(_) => NotificationError::Unreachable {
                server: backend.name(),
                reason: format!("no answer within {:.1} s", patience.as_secs_f64()),
            },
        };
        if !error.is_transient() || Instant::now() + pause >= deadline {
            return Err((error, attempts));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
