//! A worker at work: one task that reads what happens and decides what to do.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::context::Standing;
use super::outbox::Outbox;
use super::presence::{EVERY, PRESENCE, Presence, WHO, load};
use super::untold::{News, Untold};
use super::{ClaimedJob, JobContext, JobRunner, RunEnd, Served, Worker, WorkerSettings};
use crate::backoff;
use crate::error::StageError;
use crate::events::{Outcome, Stage};
use crate::jobs::{
    Claim, Entry, Job, JobEnding, JobEvent, JobEventKind, JobId, JobRequest, JobState, JobTable,
    Line, Misfit, WorkerEvent, WorkerEventKind,
};
use crate::queue::{Address, BusMessage, Hint, Inbox, JobQueue, LedgerItem, NewEntry, QueueError};

/// How often a worker looks at what nobody tells it.
const TICK: Duration = Duration::from_secs(1);

/// A broker that cannot be reached at the beginning is tried again after this.
const AGAIN: Duration = Duration::from_secs(2);

/// A worker that has not looked for so long was halted.
const HALTED: Duration = Duration::from_secs(5);

/// A worker without a free slot gives up its hints after this: a job that is shorter is worth waiting for.
const PATIENCE: Duration = Duration::from_secs(1);

/// A hint whose entry the ledger does not show in this time is entered again.
const LAG: Duration = Duration::from_secs(5);

/// Who tells of a job waits for between one and two of these: not all shall offer it at once.
const TELLING: Duration = Duration::from_secs(1);

/// Of so many jobs people are told at a time: mail servers do not like many connections.
const TOLD_AT_ONCE: usize = 4;

/// What is to be told is asked for again after this at most, while the broker is away.
const TOLD_AGAIN: Duration = Duration::from_secs(30);

/// A job that waits for so long although a slot is free is claimed without a hint.
const OVERLOOKED: Duration = Duration::from_secs(15);

/// What a run says to its worker.
#[derive(Debug)]
pub(super) enum Said {
    /// It has come to a stage.
    Stage(JobId, Stage),
    /// It wants to hand over what came of it: an image, or none.
    Delivering(JobId, bool),
}

pub(super) async fn serve(worker: Worker) -> Result<Served, QueueError> {
    let inbox = loop {
        match worker.queue.listen(&[PRESENCE, WHO]).await {
            Ok(inbox) => break inbox,
            // It may be about to come: whoever starts a worker starts a broker as well.
            Err(error) if error.is_transient() => tracing::warn!("{error}"),
            Err(error) => return Err(error),
        }
        tokio::select! {
            () = worker.drain.cancelled() => return Ok(Served::default()),
            () = tokio::time::sleep(AGAIN) => {}
        }
    };
    let ledger = worker.queue.ledger(None);
    let (said, saying) = mpsc::unbounded_channel();
    let serving = Serving {
        session: JobId::new(Timestamp::now()).to_string(),
        lines: worker.settings.lines(),
        outbox: Outbox::new(worker.queue.clone()),
        queue: worker.queue,
        runner: worker.runner,
        settings: worker.settings,
        host: crate::host::name(),
        since: Timestamp::now(),
        table: JobTable::default(),
        current: false,
        connected: None,
        echo: None,
        ticked: Instant::now(),
        heard: HashMap::new(),
        reported: HashSet::new(),
        hints: None,
        held: Vec::new(),
        busy_since: None,
        wanted: HashMap::new(),
        free_since: Instant::now(),
        runs: HashMap::new(),
        untold: Untold::default(),
        telling: JoinSet::new(),
        turns: Arc::new(Semaphore::new(TOLD_AT_ONCE)),
        ends: CancellationToken::new(),
        tasks: JoinSet::new(),
        said,
        stop: worker.stop,
        served: Served::default(),
        draining: false,
        stopping: false,
    };
    serving.run(ledger, inbox, saying, worker.drain).await
}

/// All that a worker knows.
#[derive(Debug)]
struct Serving {
    queue: Arc<dyn JobQueue>,
    runner: Arc<dyn JobRunner>,
    settings: WorkerSettings,
    session: String,
    lines: Vec<Line>,
    outbox: Outbox,
    host: String,
    since: Timestamp,
    table: JobTable,
    /// It has read all that was there when it began.
    current: bool,
    /// Since when it hears what happens.
    connected: Option<Instant>,
    /// Since when it hears itself on the bus, and when it did so last.
    echo: Option<(Instant, Instant)>,
    ticked: Instant,
    /// When the other workers were heard, by name and session.
    heard: HashMap<(String, String), Instant>,
    /// The claims that it has reported as lost: the same one may be made for several jobs.
    reported: HashSet<(JobId, Claim)>,
    hints: Option<mpsc::Receiver<Hint>>,
    held: Vec<Held>,
    busy_since: Option<Instant>,
    free_since: Instant,
    /// The claims that are on their way, with the hints that led to them.
    wanted: HashMap<JobId, Option<Hint>>,
    runs: HashMap<JobId, Run>,
    /// What somebody should tell of jobs that no worker has, and what is being told.
    untold: Untold,
    telling: JoinSet<()>,
    turns: Arc<Semaphore>,
    /// It serves no more.
    ends: CancellationToken,
    tasks: JoinSet<(JobId, RunEnd)>,
    said: mpsc::UnboundedSender<Said>,
    stop: CancellationToken,
    served: Served,
    draining: bool,
    stopping: bool,
}

/// A hint that waits.
#[derive(Debug)]
struct Held {
    hint: Hint,
    since: Instant,
}

/// A job that is being built.
#[derive(Debug)]
struct Run {
    claim: Claim,
    begun: Instant,
    cancel: CancellationToken,
    standing: watch::Sender<Standing>,
    /// Why it was cancelled, other than by request.
    overdue: bool,
    deadline: Option<Timestamp>,
}

impl Serving {
    async fn run(
        mut self,
        mut ledger: mpsc::Receiver<LedgerItem>,
        mut inbox: Inbox,
        mut saying: mpsc::UnboundedReceiver<Said>,
        drain: CancellationToken,
    ) -> Result<Served, QueueError> {
        self.outbox.add(
            Entry::Worker(self.worker_event(WorkerEventKind::WorkerStarted {
                arch: self.settings.arch.clone(),
                releases: self.settings.releases.clone(),
                slots: self.settings.slots,
            }))
            .into(),
        );
        let stop = self.stop.clone();
        let mut tick = tokio::time::interval(TICK);
        let mut presence = tokio::time::interval(EVERY);
        loop {
            if self.draining && self.runs.is_empty() && self.nothing_is_on_its_way() {
                break;
            }
            tokio::select! {
                item = ledger.recv() => match item {
                    Some(item) => self.item(item),
                    None => break,
                },
                hint = next_hint(&mut self.hints) => match hint {
                    Some(hint) => self.held.push(Held { hint, since: Instant::now() }),
                    None => self.hints = None,
                },
                Some(said) = saying.recv() => self.said(said),
                Some(ended) = self.tasks.join_next(), if !self.tasks.is_empty() => {
                    // What it said before its end comes before that.
                    while let Ok(said) = saying.try_recv() {
                        self.said(said);
                    }
                    self.ended(ended);
                }
                Some(told) = self.telling.join_next(), if !self.telling.is_empty() => {
                    if let Err(error) = told {
                        tracing::error!("{error}");
                    }
                }
                Some((topic, message)) = inbox.messages.recv() => self.heard(topic.as_deref(), &message),
                _ = tick.tick() => self.tick(),
                _ = presence.tick() => self.present(None),
                () = drain.cancelled(), if !self.draining => {
                    self.draining = true;
                    self.release_hints();
                    self.present(None);
                }
                () = stop.cancelled(), if !self.stopping => {
                    self.draining = true;
                    self.stopping = true;
                    self.release_hints();
                    self.runs.values().for_each(|run| run.cancel.cancel());
                }
            }
            self.take_jobs();
            self.outbox.send();
        }
        self.release_hints();
        let stopped = self.worker_event(WorkerEventKind::WorkerStopped);
        self.outbox.add(Entry::Worker(stopped).into());
        self.outbox.close().await;
        self.ends.cancel();
        while self.telling.join_next().await.is_some() {}
        Ok(self.served)
    }

    // ---- What happens -------------------------------------------------------------------------

    fn item(&mut self, item: LedgerItem) {
        match item {
            LedgerItem::Entry { place, entry, .. } => match *entry {
                Entry::Job(event) => self.event(place, &event),
                Entry::Worker(event) => self.of_worker(&event),
                Entry::Mark { .. } => {}
            },
            LedgerItem::Unreadable { place, reason } => {
                tracing::warn!("entry {place} of the ledger cannot be read: {reason}");
            }
            LedgerItem::Connected => self.connected = Some(Instant::now()),
            LedgerItem::Disconnected { reason } => {
                tracing::warn!("{reason}");
                self.connected = None;
            }
        }
    }

    fn event(&mut self, place: u64, event: &JobEvent) {
        if self.current
            && let Some(claim) = event.kind.claim()
            && !matches!(event.kind, JobEventKind::Lost { .. })
        {
            self.hear(&claim.worker, &claim.session);
        }
        let asked = self.table.place(&event.job);
        let applied = self.table.apply(place, event);
        if self.runner.tells() {
            self.news(asked.unwrap_or(place), event, &applied);
        }
        if let JobEventKind::Claimed { claim } = &event.kind
            && claim.session == self.session
        {
            self.claimed(&event.job, claim, place, &applied);
            return;
        }
        let Some(run) = self.runs.get(&event.job) else {
            return;
        };
        match (&event.kind, &applied) {
            (JobEventKind::CancelRequested { .. }, Ok(_)) => run.cancel.cancel(),
            (JobEventKind::Delivering { claim, .. }, Ok(_)) if *claim == run.claim => {
                run.standing.send_replace(Standing::Delivering);
            }
            (JobEventKind::Delivering { claim, .. }, Err(_)) if *claim == run.claim => {
                run.standing.send_replace(Standing::Superseded);
            }
            (JobEventKind::Lost { claim, .. }, Ok(_)) if *claim == run.claim => {
                tracing::warn!(
                    "job {} was given to others: this worker was not heard",
                    event.job
                );
                run.standing.send_replace(Standing::Superseded);
                run.cancel.cancel();
            }
            _ => {}
        }
    }

    /// What is told of jobs that no worker has.
    fn news(&mut self, asked: u64, event: &JobEvent, applied: &Result<Job, Misfit>) {
        let now = Timestamp::now();
        let told = self.untold.take(asked, event, applied, now);
        if let (Some(news), JobEventKind::Announced { moment, session }) = (told, &event.kind)
            && *session == self.session
        {
            let moment = *moment;
            let (queue, runner) = (self.queue.clone(), self.runner.clone());
            let (turns, ends) = (self.turns.clone(), self.ends.clone());
            self.telling.spawn(async move {
                let News { job, place, .. } = news;
                // It is closed by nobody.
                let _turn = turns.acquire().await;
                match what_was_asked(&*queue, place, &ends).await {
                    Ok(request) => runner.tell(&job, &request, moment).await,
                    Err(error) => tracing::warn!("nobody is told of job {}: {error}", job.id),
                }
            });
        }
    }

    fn of_worker(&mut self, event: &WorkerEvent) {
        let ours = event.worker == self.settings.name;
        if ours && event.session == self.session {
            self.current = true;
            self.free_since = Instant::now();
            let reason = "the worker began anew";
            self.report_lost(
                |claim, serving| {
                    claim.worker == serving.settings.name && claim.session != serving.session
                },
                reason,
            );
        } else if self.current && matches!(event.kind, WorkerEventKind::WorkerStarted { .. }) {
            self.hear(&event.worker, &event.session);
            if ours {
                tracing::error!(
                    "another worker calls itself {}: give each a name of its own",
                    self.settings.name
                );
            }
        }
    }

    /// The ledger shows a claim of ours.
    fn claimed(&mut self, job: &JobId, claim: &Claim, place: u64, applied: &Result<Job, Misfit>) {
        let hint = self.wanted.remove(job);
        match applied {
            Ok(job) => {
                if let Some(Some(hint)) = hint {
                    self.begin(job, claim, hint.event.as_ref());
                    hint.done();
                } else {
                    self.begin(job, claim, None);
                }
            }
            Err(misfit) => {
                tracing::debug!("claim at {place} of {job}: {misfit}");
                // The hint is as good for another job.
                if let Some(Some(hint)) = hint {
                    let since = Instant::now();
                    self.held.push(Held { hint, since });
                }
            }
        }
    }

    fn begin(&mut self, job: &Job, claim: &Claim, event: Option<&JobEvent>) {
        let cancel = CancellationToken::new();
        let (standing, watched) = watch::channel(Standing::Running);
        let ctx = JobContext {
            cancel: cancel.clone(),
            job: job.id.clone(),
            said: self.said.clone(),
            standing: watched,
            stop: self.stop.clone(),
        };
        if job.cancel.is_some() || self.stopping {
            cancel.cancel();
        }
        let run = Run {
            claim: claim.clone(),
            begun: Instant::now(),
            cancel,
            standing,
            overdue: false,
            deadline: job.request.deadline,
        };
        self.runs.insert(job.id.clone(), run);
        tracing::info!("job {} begins: {}", job.id, job.request.title);
        let request = event.and_then(|event| match &event.kind {
            JobEventKind::Queued { request } if event.job == job.id => Some((**request).clone()),
            _ => None,
        });
        let (queue, runner) = (self.queue.clone(), self.runner.clone());
        let (id, number) = (job.id.clone(), job.runs);
        let place = self.table.place(&id);
        self.tasks.spawn(async move {
            let request = match (request, place) {
                (Some(request), _) => Ok(request),
                (None, Some(place)) => queue.request(place).await,
                (None, None) => Err(QueueError::Forgotten),
            };
            let end = match request {
                Ok(request) => {
                    let job = ClaimedJob {
                        id: id.clone(),
                        request,
                        run: number,
                    };
                    runner.run(&job, &ctx).await
                }
                Err(QueueError::Forgotten) => RunEnd::Ended(failed(&QueueError::Forgotten)),
                Err(error) => RunEnd::HandBack {
                    reason: error.to_string(),
                    refused: false,
                },
            };
            (id, end)
        });
    }

    fn said(&mut self, said: Said) {
        let (Said::Stage(job, _) | Said::Delivering(job, _)) = &said;
        let Some(run) = self.runs.get(job) else {
            return;
        };
        let claim = run.claim.clone();
        match said {
            Said::Stage(job, stage) => self.tell(job, JobEventKind::Stage { claim, stage }),
            Said::Delivering(job, image) => {
                self.tell(job, JobEventKind::Delivering { claim, image });
            }
        }
    }

    fn ended(&mut self, ended: Result<(JobId, RunEnd), tokio::task::JoinError>) {
        let (id, end) = match ended {
            Ok(ended) => ended,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        let Some(run) = self.runs.remove(&id) else {
            return;
        };
        self.free_since = Instant::now();
        if *run.standing.borrow() == Standing::Superseded {
            return;
        }
        let claim = run.claim;
        let kind = match end {
            RunEnd::Ended(ending) if self.stopping && ending.outcome == Outcome::Cancelled => {
                let reason = "the worker was stopped".to_owned();
                handed_back(claim, reason, false)
            }
            RunEnd::Ended(mut ending) => {
                ending.seconds = run.begun.elapsed().as_secs_f64();
                if run.overdue && ending.outcome == Outcome::Cancelled {
                    ending.outcome = Outcome::Failed;
                    ending.exit_code = 1;
                    ending.error = Some("its deadline passed while it was built".to_owned());
                }
                JobEventKind::Ended { claim, ending }
            }
            RunEnd::HandBack { reason, refused } => handed_back(claim, reason, refused),
        };
        match kind {
            JobEventKind::Ended { ref ending, .. } => {
                self.served.finished += 1;
                tracing::info!("job {id} {}", ending.outcome);
            }
            _ => {
                self.served.handed_back += 1;
                tracing::info!("job {id} is handed back");
            }
        }
        self.tell(id, kind);
    }

    fn heard(&mut self, topic: Option<&str>, message: &BusMessage) {
        match topic {
            Some(WHO) => {
                if let Some(inbox) = &message.reply_to {
                    let correlation = message.correlation.clone();
                    self.present(Some((Address::Inbox(inbox.clone()), correlation)));
                }
            }
            Some(PRESENCE) => {
                if let Ok(presence) = serde_json::from_slice::<Presence>(&message.body) {
                    self.hear(&presence.worker, &presence.session);
                    if presence.session == self.session {
                        let now = Instant::now();
                        self.echo = Some(self.echo.map_or((now, now), |(since, _)| (since, now)));
                    }
                }
            }
            _ => {}
        }
    }

    // ---- What is done about it ------------------------------------------------------------------

    fn slots(&self) -> usize {
        usize::try_from(self.settings.slots).unwrap_or(usize::MAX)
    }

    fn free(&self) -> usize {
        let taken = self.runs.len() + self.wanted.len();
        self.slots().saturating_sub(taken)
    }

    /// A claim that nobody can read back is not waited for by a worker that stops: another one finds its worker gone.
    fn nothing_is_on_its_way(&self) -> bool {
        self.wanted.is_empty() || self.stopping && self.connected.is_none()
    }

    fn takes(&self) -> bool {
        self.current && self.connected.is_some() && !self.draining
    }

    /// Claims a job for each hint, as long as there are free slots.
    fn take_jobs(&mut self) {
        if !self.takes() || self.free() == 0 {
            return;
        }
        self.busy_since = None;
        if self.hints.is_none() && self.runner.cannot().is_none() {
            let limit = u16::try_from(self.settings.slots).unwrap_or(u16::MAX);
            self.hints = Some(self.queue.hints(&self.lines, limit));
        }
        let mut early = Vec::new();
        for held in std::mem::take(&mut self.held) {
            if self.free() == 0 || self.is_early(&held) {
                early.push(held);
            } else {
                self.claim_next(held.hint);
            }
        }
        early.append(&mut self.held);
        self.held = early;
    }

    /// Claims what goes first; without such a job the hint is of no use.
    fn claim_next(&mut self, hint: Hint) {
        match self.next() {
            Some((job, run)) => self.claim(job, run, Some(hint)),
            // Somebody else may take what this worker has refused.
            None if self.others_may_take() => {
                let since = Instant::now();
                self.held.push(Held { hint, since });
            }
            None => hint.done(),
        }
    }

    fn next(&self) -> Option<(JobId, u32)> {
        // A run that was given to others still clears up: its folder is not free yet.
        let but_for = self.wanted.keys().chain(self.runs.keys()).cloned();
        let job = self.first(&but_for.collect(), Timestamp::now())?;
        Some((job.id.clone(), job.next_run()))
    }

    /// A job waits that is not for this worker now: its refusal will be over one day.
    fn others_may_take(&self) -> bool {
        let wanted = self.wanted.keys().cloned().collect();
        self.first(&wanted, Timestamp::MAX).is_some()
    }

    /// What goes first for this worker at a time.
    fn first(&self, but_for: &HashSet<JobId>, at: Timestamp) -> Option<&Job> {
        self.table
            .next(&self.lines, &self.settings.name, but_for, at)
    }

    fn claim(&mut self, job: JobId, run: u32, hint: Option<Hint>) {
        let claim = Claim {
            worker: self.settings.name.clone(),
            session: self.session.clone(),
            run,
        };
        self.tell(job.clone(), JobEventKind::Claimed { claim });
        self.wanted.insert(job, hint);
    }

    /// The ledger has not come to what the hint is about.
    fn is_early(&self, held: &Held) -> bool {
        let Some(event) = &held.hint.event else {
            return false;
        };
        match &event.kind {
            JobEventKind::Queued { .. } => !self.table.knows(&event.job),
            kind => self.table.open(&event.job).is_some_and(|job| {
                job.state != JobState::Queued && job.claim.as_ref() == kind.claim()
            }),
        }
    }

    fn tick(&mut self) {
        // A worker that was halted has not heard the others meanwhile, nor has one that does not even hear itself.
        if self.ticked.elapsed() > HALTED {
            self.echo = None;
        }
        self.ticked = Instant::now();
        self.echo = self.echo.filter(|(_, last)| last.elapsed() < EVERY * 3);
        self.look_at_deadlines();
        if !self.takes() {
            return;
        }
        if let Some(reason) = self.runner.cannot() {
            if self.hints.is_some() {
                tracing::warn!("{reason}: no job is taken");
                self.release_hints();
            }
        } else if self.free() == 0 {
            let since = *self.busy_since.get_or_insert_with(Instant::now);
            if since.elapsed() > PATIENCE {
                self.release_hints();
            }
        } else if self.free_since.elapsed() > OVERLOOKED && self.held.is_empty() {
            self.free_since = Instant::now();
            if let Some((job, run)) = self.next() {
                self.claim(job, run, None);
            }
        }
        self.look_at_hints();
        self.look_at_workers();
        self.look_at_expired();
        self.look_at_news();
    }

    /// Hints that are of no use here for now go to others; what the ledger has lost is entered again.
    fn look_at_hints(&mut self) {
        for held in std::mem::take(&mut self.held) {
            let early = self.is_early(&held);
            if !early && held.since.elapsed() > PATIENCE {
                continue;
            }
            let lost = early && held.since.elapsed() > LAG;
            if let (true, Some(event)) = (lost, &held.hint.event) {
                tracing::warn!("the ledger lacks what is known of job {}", event.job);
                self.outbox.add(Entry::Job(event.clone()).into());
                let since = Instant::now();
                let hint = held.hint;
                self.held.push(Held { hint, since });
            } else {
                self.held.push(held);
            }
        }
    }

    fn look_at_workers(&mut self) {
        let (Some(connected), Some((hearing, _))) = (self.connected, self.echo) else {
            return;
        };
        let connected = connected.max(hearing);
        let patience = self.settings.lost_after;
        let silent = |claim: &Claim, serving: &Self| {
            let key = (claim.worker.clone(), claim.session.clone());
            let heard = serving.heard.get(&key).copied();
            let since = heard.map_or(connected, |heard| heard.max(connected));
            claim.session != serving.session && since.elapsed() > patience
        };
        let reason = format!("nothing was heard of it for {} s", patience.as_secs());
        self.report_lost(silent, &reason);
        // What is that old says nothing any more.
        self.heard.retain(|_, heard| heard.elapsed() < patience * 2);
    }

    /// A build's deadline holds whether the broker is there or not.
    fn look_at_deadlines(&mut self) {
        let now = Timestamp::now();
        for run in self.runs.values_mut() {
            if !run.overdue && run.deadline.is_some_and(|deadline| deadline < now) {
                run.overdue = true;
                run.cancel.cancel();
            }
        }
    }

    fn look_at_expired(&mut self) {
        let now = Timestamp::now();
        let expired: Vec<JobId> = self.table.expired(now).map(|job| job.id.clone()).collect();
        for job in expired {
            self.tell(job, JobEventKind::Expired);
        }
    }

    fn look_at_news(&mut self) {
        let patience = backoff::wait(TELLING * 2, TELLING * 2, 1);
        for (job, moment) in self.untold.due(Timestamp::now(), patience) {
            let session = self.session.clone();
            self.tell(job, JobEventKind::Announced { moment, session });
        }
    }

    fn report_lost(&mut self, is_lost: impl Fn(&Claim, &Self) -> bool, reason: &str) {
        let table = &self.table;
        self.reported.retain(|(job, claim)| {
            let job = table.open(job);
            job.is_some_and(|job| job.claim.as_ref() == Some(claim))
        });
        let lost: Vec<(JobId, Claim)> = self
            .table
            .claims()
            .filter(|(claim, _)| is_lost(claim, self))
            .map(|(claim, job)| (job.id.clone(), claim.clone()))
            .filter(|lost| !self.reported.contains(lost))
            .collect();
        for (job, claim) in lost {
            self.reported.insert((job.clone(), claim.clone()));
            let reason = reason.to_owned();
            self.tell(job, JobEventKind::Lost { claim, reason });
        }
    }

    fn release_hints(&mut self) {
        self.hints = None;
        self.held.clear();
    }

    fn hear(&mut self, worker: &str, session: &str) {
        let key = (worker.to_owned(), session.to_owned());
        self.heard.insert(key, Instant::now());
    }

    // ---- What is said ---------------------------------------------------------------------------

    fn tell(&mut self, job: JobId, kind: JobEventKind) {
        let line = self.table.open(&job).map(|job| job.request.line());
        let event = JobEvent {
            job,
            time: Timestamp::now(),
            by: self.settings.name.clone(),
            kind,
        };
        let entry = match line {
            Some(line) => NewEntry::of_job(event, &line),
            None => Entry::Job(event).into(),
        };
        self.outbox.add(entry);
    }

    fn worker_event(&self, kind: WorkerEventKind) -> WorkerEvent {
        WorkerEvent {
            worker: self.settings.name.clone(),
            session: self.session.clone(),
            time: Timestamp::now(),
            kind,
        }
    }

    /// Says that it is there: to all, or to the one who asked.
    fn present(&self, asked: Option<(Address, Option<String>)>) {
        let presence = Presence {
            worker: self.settings.name.clone(),
            session: self.session.clone(),
            host: self.host.clone(),
            arch: self.settings.arch.clone(),
            releases: self.settings.releases.clone(),
            slots: self.settings.slots,
            running: self.runs.keys().cloned().collect(),
            finished: self.served.finished,
            since: self.since,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            draining: self.draining,
            cannot: self.runner.cannot(),
            load: load(),
            free_bytes: self.runner.free_bytes(),
            time: Timestamp::now(),
        };
        let (to, correlation) =
            asked.unwrap_or_else(|| (Address::Topic(PRESENCE.to_owned()), None));
        let Ok(body) = serde_json::to_vec(&presence) else {
            return;
        };
        let message = BusMessage {
            reply_to: None,
            correlation,
            body,
        };
        let queue = self.queue.clone();
        tokio::spawn(async move {
            // The next one says the same.
            if let Err(error) = queue.send(&to, &message).await {
                tracing::debug!("presence: {error}");
            }
        });
    }
}

/// The next hint; never without a receiver.
async fn next_hint(hints: &mut Option<mpsc::Receiver<Hint>>) -> Option<Hint> {
    match hints {
        Some(hints) => hints.recv().await,
        None => std::future::pending().await,
    }
}

/// What was asked for at `place`: who offered to tell of a job has to, though the broker may be away for a while.
async fn what_was_asked(
    queue: &dyn JobQueue,
    place: u64,
    ends: &CancellationToken,
) -> Result<JobRequest, QueueError> {
    let mut failures = 0;
    loop {
        match queue.request(place).await {
            Err(error) if error.is_transient() && !ends.is_cancelled() => {
                failures += 1;
                let pause = backoff::wait(TELLING, TOLD_AGAIN, failures);
                let _ = tokio::time::timeout(pause, ends.cancelled()).await;
            }
            answer => return answer,
        }
    }
}

fn handed_back(claim: Claim, reason: String, refused: bool) -> JobEventKind {
    JobEventKind::HandedBack {
        claim,
        reason,
        refused,
    }
}

fn failed(error: &QueueError) -> JobEnding {
    JobEnding {
        outcome: Outcome::Failed,
        error: Some(error.to_string()),
        exit_code: 1,
        places: Vec::new(),
        seconds: 0.0,
    }
}
