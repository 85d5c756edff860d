//! Reading the ledger into the store.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{LATE, Master, SOON, Standing};
use crate::backoff;
use crate::error::StageError;
use crate::jobs::{Entry, Job, JobEvent, JobId, StoreError};
use crate::queue::{JobQueue, LedgerItem, NewEntry};

/// As many entries go into one transaction at most, if they are there together.
const AT_ONCE: usize = 500;

/// What a store answers.
type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A bookmark is kept so often of how far the ledger was read.
const BOOKMARKED: Duration = Duration::from_secs(60);

/// How far a reading has come.
#[derive(Debug, Default)]
struct Reading {
    /// When the last bookmark was kept.
    bookmarked: Option<Instant>,
    /// What the ledger holds behind all that was there when the connection stood.
    mark: String,
    /// Adds the mark.
    marking: JoinSet<()>,
}

impl Master {
    /// Takes in what the ledger has and what comes, for ever.
    pub(super) async fn take_in(&self) {
        let ledger = self.queue.name();
        let mut failures = 0;
        loop {
            let bookmark = self.patiently(|| self.store.bookmark(&ledger));
            match bookmark.await {
                Ok(bookmark) => {
                    let mut items = self.queue.ledger(bookmark);
                    if self.read(&ledger, &mut items).await {
                        failures = 0;
                    }
                    self.disconnected(format!("{ledger}: its ledger ended"));
                }
                Err(error) => self.disconnected(error.to_string()),
            }
            failures += 1;
            tokio::time::sleep(backoff::wait(SOON, LATE, failures)).await;
        }
    }

    /// Reads to the end of `items`; whether there was anything.
    async fn read(&self, ledger: &str, items: &mut mpsc::Receiver<LedgerItem>) -> bool {
        let mut reading = Reading::default();
        let mut batch = Vec::new();
        let mut any = false;
        while items.recv_many(&mut batch, AT_ONCE).await > 0 {
            any = true;
            self.take_in_batch(ledger, &mut reading, &mut batch).await;
        }
        any
    }

    async fn take_in_batch(
        &self,
        ledger: &str,
        reading: &mut Reading,
        batch: &mut Vec<LedgerItem>,
    ) {
        let mut standing = self.standing.borrow().clone();
        let mut events = Vec::new();
        let mut last = None;
        for item in batch.drain(..) {
            match item {
                LedgerItem::Entry {
                    place,
                    entry,
                    digest,
                } => {
                    last = Some((place, digest));
                    match *entry {
                        Entry::Job(event) => events.push((place, event)),
                        Entry::Worker(event) => self.roll().enter(&event),
                        Entry::Mark { mark } => standing.caught_up |= mark == reading.mark,
                    }
                }
                LedgerItem::Unreadable { place, reason } => {
                    tracing::error!("{ledger}, place {place}: passed over: {reason}");
                    standing.skipped += 1;
                }
                LedgerItem::Connected => {
                    self.roll().connected(Timestamp::now());
                    standing.connected = true;
                    standing.trouble = None;
                    reading.begin(self.queue.clone());
                }
                LedgerItem::Disconnected { reason } => {
                    self.roll().disconnected(Timestamp::now());
                    standing.connected = false;
                    standing.caught_up = false;
                    standing.trouble = Some(reason);
                }
            }
        }
        standing.skipped += self.save(ledger, &events).await;
        if let Some((place, digest)) = last
            && reading.is_to_be_bookmarked()
        {
            let done = self.patiently(|| self.store.mark_read(ledger, place, digest));
            if let Err(error) = done.await {
                tracing::warn!("{ledger}: there is no bookmark at {place}: {error}");
            }
        }
        // Only now the store has what was before the mark.
        self.stand(standing);
    }

    /// Takes events in, and tells of them. How many of them could not be taken in.
    async fn save(&self, ledger: &str, events: &[(u64, JobEvent)]) -> u64 {
        if events.is_empty() {
            return 0;
        }
        let entries: Vec<(u64, &JobEvent)> = events
            .iter()
            .map(|(place, event)| (*place, event))
            .collect();
        let all = self.patiently(|| self.store.apply_all(ledger, &entries));
        let (changed, skipped) = match all.await {
            Ok(changed) => (changed, 0),
            // One of them is about a job whose record is damaged: all others count.
            Err(_) => {
                let mut changed = Vec::new();
                let mut skipped = 0;
                for &(place, event) in &entries {
                    let one = self.patiently(|| self.store.apply(ledger, place, event));
                    match one.await {
                        Ok(job) => changed.extend(job),
                        Err(error) => {
                            tracing::error!("{ledger}, place {place}: passed over: {error}");
                            skipped += 1;
                        }
                    }
                }
                (changed, skipped)
            }
        };
        if self.changes.receiver_count() == 0 && self.awaited.is_empty() {
            return skipped;
        }
        let mut others: BTreeSet<&JobId> = events.iter().map(|(_, event)| &event.job).collect();
        for job in changed {
            others.remove(&job.id);
            self.tell(Arc::new(job));
        }
        // Another master of this store took these in, or they did not count.
        for id in others {
            let job = self.patiently(|| self.store.job(id)).await;
            if let Ok(Some(mut job)) = job {
                job.request.payload = None;
                self.tell(Arc::new(job));
            }
        }
        skipped
    }

    fn tell(&self, job: Arc<Job>) {
        self.awaited.tell(&job);
        // Nobody listens any more.
        let _ = self.changes.send(job);
    }

    /// Asks the store until it answers. An error is one that does not pass.
    async fn patiently<'a, T>(&self, ask: impl Fn() -> Answer<'a, T>) -> Result<T, StoreError> {
        let mut failures = 0;
        loop {
            match ask().await {
                Err(error) if error.is_transient() => {
                    failures += 1;
                    if failures == 1 {
                        tracing::warn!("{error}; it is tried again");
                    }
                    let mut standing = self.standing.borrow().clone();
                    standing.trouble = Some(error.to_string());
                    self.stand(standing);
                    tokio::time::sleep(backoff::wait(SOON, LATE, failures)).await;
                }
                answer => {
                    if failures > 0 {
                        tracing::info!("the job store answers again");
                        let mut standing = self.standing.borrow().clone();
                        standing.trouble = None;
                        self.stand(standing);
                    }
                    return answer;
                }
            }
        }
    }

    fn disconnected(&self, reason: String) {
        tracing::warn!("{reason}; it is tried again");
        self.roll().disconnected(Timestamp::now());
        let mut standing = self.standing.borrow().clone();
        standing.connected = false;
        standing.caught_up = false;
        standing.trouble = Some(reason);
        self.stand(standing);
    }

    fn stand(&self, now: Standing) {
        self.standing.send_if_modified(|standing| {
            let other = *standing != now;
            *standing = now;
            other
        });
    }
}

impl Reading {
    /// Whether it is time again.
    fn is_to_be_bookmarked(&mut self) -> bool {
        let is_time = self
            .bookmarked
            .is_none_or(|then| then.elapsed() > BOOKMARKED);
        if is_time {
            self.bookmarked = Some(Instant::now());
        }
        is_time
    }

    /// Enters a mark into the ledger: what comes before it was there when the connection stood.
    fn begin(&mut self, queue: Arc<dyn JobQueue>) {
        self.marking.abort_all();
        self.mark = JobId::new(Timestamp::now()).to_string();
        let mark = self.mark.clone();
        self.marking.spawn(async move {
            let entry = [NewEntry::from(Entry::Mark { mark })];
            let mut failures = 0;
            while let Err(error) = queue.append(&entry).await {
                tracing::debug!("a mark in the ledger: {error}");
                failures += 1;
                tokio::time::sleep(backoff::wait(SOON, LATE, failures)).await;
            }
        });
    }
}
