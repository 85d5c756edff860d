use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::{notice, notices};
use crate::context::CancellationToken;
use crate::events::{BuildEvent, EventKind, Events, Level};
use crate::notification::{
    Limits, Memory, Notice, NoticeKind, Notification, NotificationError, Notifier,
};

/// Fails so often, or hangs, before it does what it is to do.
#[derive(Debug)]
struct Flaky {
    failures: u32,
    error: Option<NotificationError>,
    attempts: AtomicU32,
    told: Memory,
}

impl Flaky {
    fn new(failures: u32, error: Option<NotificationError>) -> Arc<Self> {
        Arc::new(Self {
            failures,
            error,
            attempts: AtomicU32::new(0),
            told: Memory::default(),
        })
    }
}

#[async_trait]
impl Notification for Flaky {
    fn name(&self) -> String {
        "flaky".into()
    }

    fn wants(&self, notice: &Notice) -> bool {
        !matches!(notice.kind, NoticeKind::Started { .. })
    }

    async fn check(&self) -> Result<(), NotificationError> {
        Ok(())
    }

    async fn send(&self, notice: &Notice) -> Result<(), NotificationError> {
        if self.attempts.fetch_add(1, Ordering::Relaxed) < self.failures {
            match &self.error {
                Some(error) => return Err(error.clone()),
                None => std::future::pending().await,
            }
        }
        self.told.send(notice).await
    }
}

fn busy() -> NotificationError {
    NotificationError::Busy {
        server: "ftp://me:f00bar@h".into(),
        reason: "later".into(),
    }
}

fn refused() -> NotificationError {
    NotificationError::Refused {
        server: "h".into(),
        reason: "never".into(),
    }
}

/// Sends notices and says how long that took, and which warnings came of it.
async fn send(notifier: &Notifier, notices: &[Notice]) -> (Duration, Vec<String>) {
    let warnings = Arc::new(std::sync::Mutex::new(Vec::new()));
    let events = Events::new();
    let seen = warnings.clone();
    events.add_sink(Arc::new(move |event: &BuildEvent| {
        if let EventKind::Log {
            level: Level::Warning,
            message,
        } = &event.kind
        {
            seen.lock().unwrap().push(message.clone());
        }
    }));
    let started = Instant::now();
    let dispatch = notifier.open(&events);
    for notice in notices {
        dispatch.send(notice.clone());
    }
    let stop = CancellationToken::new();
    dispatch.close(&stop, Duration::MAX).await;
    let warnings = warnings.lock().unwrap().clone();
    (started.elapsed(), warnings)
}

#[tokio::test(start_paused = true)]
async fn all_are_told_in_order_side_by_side() {
    let told = Arc::new(Memory::default());
    let hangs = Flaky::new(u32::MAX, None);
    let later = Flaky::new(3, Some(busy()));
    let notifier = Notifier::default()
        .with(hangs)
        .with(told.clone())
        .with(later.clone());
    let [queued, started, finished, ..] = notices();
    let all = [queued, started, finished];
    let (took, warnings) = send(&notifier, &all).await;
    assert_eq!(told.notices(), all);
    // What it does not want it does not get; the rest it got after 1, 2 and 4 seconds.
    let names: Vec<&str> = later.told.notices().iter().map(|n| n.kind.name()).collect();
    assert_eq!(names, ["queued", "complete"]);
    assert_eq!(later.attempts.load(Ordering::Relaxed), 5);
    // The one that hangs holds nobody longer than a minute.
    assert!(took <= Duration::from_millis(60_300), "{took:?}");
    assert!(warnings.iter().all(|warning| warning.contains("by flaky")));
    assert!(!warnings.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_not_tried_again() {
    let never = Flaky::new(u32::MAX, Some(refused()));
    let one = [notice(NoticeKind::Queued { watch: None })];
    let (took, warnings) = send(&Notifier::default().with(never.clone()), &one).await;
    assert_eq!(never.attempts.load(Ordering::Relaxed), 1);
    assert!(took < Duration::from_millis(10), "{took:?}");
    assert_eq!(
        warnings,
        ["queued was not told by flaky: h refuses it: never"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stays_away_is_given_up_in_time() {
    let away = Flaky::new(u32::MAX, Some(busy()));
    let one = [notice(NoticeKind::Queued { watch: None })];
    let (took, warnings) = send(&Notifier::default().with(away.clone()), &one).await;
    assert!(took <= Duration::from_secs(60), "{took:?}");
    // After 1, 2, 4, 8 and then each 10 seconds.
    assert_eq!(away.attempts.load(Ordering::Relaxed), 9);
    assert_eq!(
        warnings,
        ["queued was not told by flaky: ftp://me:***@h cannot take it now: later (tried 9 times)"]
    );
}

#[tokio::test(start_paused = true)]
async fn the_patience_is_set() {
    let hangs = Flaky::new(1, None);
    let notifier = Notifier::new(Limits {
        attempt: Duration::from_secs(1),
        total: Duration::from_secs(5),
        pause: Duration::from_secs(1),
    });
    let one = [notice(NoticeKind::Queued { watch: None })];
    let (took, warnings) = send(&notifier.with(hangs.clone()), &one).await;
    assert_eq!(took, Duration::from_secs(2));
    assert_eq!((hangs.told.notices().len(), warnings.len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_word_to_stop_ends_the_waiting() {
    let hangs = Flaky::new(u32::MAX, None);
    let dispatch = Notifier::default().with(hangs).open(&Events::new());
    dispatch.send(notice(NoticeKind::Queued { watch: None }));
    let stop = CancellationToken::new();
    stop.cancel();
    let started = Instant::now();
    dispatch.close(&stop, Duration::MAX).await;
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_some_have_is_not_told_to_all_once_more_later() {
    let partly = NotificationError::Partly {
        server: "h".into(),
        reason: "dev@example.test: later".into(),
    };
    let some = Flaky::new(u32::MAX, Some(partly.clone()));
    let notifier = Notifier::default().with(some.clone());
    let answers = notifier
        .tell(notice(NoticeKind::Queued { watch: None }))
        .await;
    assert_eq!(some.attempts.load(Ordering::Relaxed), 9);
    assert_eq!(answers.told, 1);
    assert_eq!(answers.failed, [("flaky".to_owned(), partly)]);
}
