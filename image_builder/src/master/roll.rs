//! Which workers there are.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::jobs::{WorkerEvent, WorkerEventKind};
use crate::worker::{GONE, Presence};

/// A worker that is gone for so long is forgotten.
const FORGOTTEN: SignedDuration = SignedDuration::from_hours(7 * 24);

/// As many names are kept: whoever may write to the bus may make them up.
const KEPT: usize = 10_000;

/// Whether a worker is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// It serves.
    Present,
    /// It ends when its builds are made.
    Draining,
    /// Nothing was heard of it for [`GONE`].
    Gone,
}

/// A worker that was heard of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KnownWorker {
    /// Its name.
    pub worker: String,
    /// Its life.
    pub session: String,
    /// Whether it is there.
    pub state: WorkerState,
    /// The architecture that it builds for.
    pub arch: String,
    /// The releases that it serves.
    pub releases: Vec<String>,
    /// The builds that it makes at a time.
    pub slots: u32,
    /// Since when it serves.
    pub since: Timestamp,
    /// When it was last heard of.
    pub heard: Timestamp,
    /// What it said last of itself, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence: Option<Presence>,
}

impl KnownWorker {
    fn is_silent(&self, now: Timestamp) -> bool {
        let gone = SignedDuration::try_from(GONE).unwrap_or(SignedDuration::MAX);
        now.duration_since(self.heard) > gone
    }
}

/// The workers that were heard of.
#[derive(Debug, Default)]
pub(super) struct Roll {
    /// By name.
    workers: BTreeMap<String, KnownWorker>,
    /// The lives that have ended, by name: their last words may be read later than that.
    stopped: BTreeMap<String, String>,
    /// Since when nobody can be heard. Silence says nothing then.
    deaf: Option<Timestamp>,
}

impl Roll {
    /// A worker says that it is there.
    pub(super) fn hear(&mut self, presence: Presence, now: Timestamp) {
        let stopped = self.stopped.get(&presence.worker) == Some(&presence.session);
        if stopped || self.is_older(&presence.session, &presence.worker, presence.since) {
            return;
        }
        let worker = KnownWorker {
            worker: presence.worker.clone(),
            session: presence.session.clone(),
            state: WorkerState::Present,
            arch: presence.arch.clone(),
            releases: presence.releases.clone(),
            slots: presence.slots,
            since: presence.since,
            heard: now,
            presence: Some(presence),
        };
        self.keep(worker, now);
    }

    /// The ledger says something of a worker.
    pub(super) fn enter(&mut self, event: &WorkerEvent) {
        match &event.kind {
            WorkerEventKind::WorkerStarted {
                arch,
                releases,
                slots,
            } => {
                let known = self.workers.get(&event.worker);
                let same = known.is_some_and(|known| known.session == event.session);
                if same || self.is_older(&event.session, &event.worker, event.time) {
                    return;
                }
                let worker = KnownWorker {
                    worker: event.worker.clone(),
                    session: event.session.clone(),
                    state: WorkerState::Present,
                    arch: arch.clone(),
                    releases: releases.clone(),
                    slots: *slots,
                    since: event.time,
                    heard: event.time,
                    presence: None,
                };
                self.keep(worker, Timestamp::now());
            }
            WorkerEventKind::WorkerStopped => {
                // Its next life may have begun.
                let known = self.workers.get(&event.worker);
                if known.is_some_and(|known| known.session == event.session) {
                    self.workers.remove(&event.worker);
                }
                if self.stopped.len() >= KEPT {
                    self.stopped.clear();
                }
                self.stopped
                    .insert(event.worker.clone(), event.session.clone());
            }
        }
    }

    /// Whether another life of this worker is known that began later.
    fn is_older(&self, session: &str, worker: &str, since: Timestamp) -> bool {
        let known = self.workers.get(worker);
        known.is_some_and(|known| known.session != session && known.since > since)
    }

    fn keep(&mut self, worker: KnownWorker, now: Timestamp) {
        self.workers
            .retain(|_, known| now.duration_since(known.heard) < FORGOTTEN);
        if self.workers.len() < KEPT || self.workers.contains_key(&worker.worker) {
            self.workers.insert(worker.worker.clone(), worker);
        }
    }

    pub(super) fn disconnected(&mut self, now: Timestamp) {
        self.deaf.get_or_insert(now);
    }

    /// Who was there before may speak first.
    pub(super) fn connected(&mut self, now: Timestamp) {
        let Some(then) = self.deaf.take() else { return };
        for worker in self.workers.values_mut() {
            if !worker.is_silent(then) {
                worker.heard = now;
            }
        }
    }

    pub(super) fn workers(&self, now: Timestamp) -> Vec<KnownWorker> {
        let now = self.deaf.unwrap_or(now);
        let with_state = |known: &KnownWorker| {
            let draining = known.presence.as_ref().is_some_and(|said| said.draining);
            KnownWorker {
                state: match (known.is_silent(now), draining) {
                    (true, _) => WorkerState::Gone,
                    (false, true) => WorkerState::Draining,
                    (false, false) => WorkerState::Present,
                },
                ..known.clone()
            }
        };
        self.workers.values().map(with_state).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + seconds).unwrap()
    }

    fn presence(session: &str, since: i64, draining: bool) -> Presence {
        Presence {
            worker: "anna".to_owned(),
            session: session.to_owned(),
            host: "builder".to_owned(),
            arch: "x86_64".to_owned(),
            releases: vec!["43".to_owned()],
            slots: 2,
            running: Vec::new(),
            finished: 0,
            since: at(since),
            version: "1".to_owned(),
            draining,
            cannot: None,
            load: 0.0,
            free_bytes: None,
            time: at(since),
        }
    }

    fn event(session: &str, time: i64, kind: WorkerEventKind) -> WorkerEvent {
        WorkerEvent {
            worker: "anna".to_owned(),
            session: session.to_owned(),
            time: at(time),
            kind,
        }
    }

    fn state(roll: &Roll, now: i64) -> Vec<(String, WorkerState)> {
        let workers = roll.workers(at(now)).into_iter();
        workers.map(|one| (one.session, one.state)).collect()
    }

    #[test]
    fn who_is_silent_is_gone_and_who_has_stopped_is_not_there() {
        let mut roll = Roll::default();
        let present = |session: &str, state| vec![(session.to_owned(), state)];
        roll.hear(presence("a", 0, false), at(0));
        assert_eq!(state(&roll, 20), present("a", WorkerState::Present));
        assert_eq!(state(&roll, 21), present("a", WorkerState::Gone));
        roll.hear(presence("a", 0, true), at(22));
        assert_eq!(state(&roll, 30), present("a", WorkerState::Draining));
        // Its next life has begun before the last one's end was read, and what came late says nothing.
        roll.hear(presence("b", 40, false), at(40));
        roll.enter(&event("a", 41, WorkerEventKind::WorkerStopped));
        roll.hear(presence("a", 0, false), at(42));
        assert_eq!(state(&roll, 50), present("b", WorkerState::Present));
        roll.enter(&event("b", 50, WorkerEventKind::WorkerStopped));
        roll.hear(presence("b", 40, true), at(50));
        assert_eq!(state(&roll, 50), []);
    }

    #[test]
    fn silence_says_nothing_of_those_who_cannot_be_heard() {
        let mut roll = Roll::default();
        roll.hear(presence("a", 0, false), at(0));
        roll.disconnected(at(10));
        roll.disconnected(at(60));
        assert_eq!(state(&roll, 100)[0].1, WorkerState::Present);
        roll.connected(at(100));
        assert_eq!(state(&roll, 120)[0].1, WorkerState::Present);
        assert_eq!(state(&roll, 121)[0].1, WorkerState::Gone);
        roll.disconnected(at(130));
        roll.connected(at(140));
        assert_eq!(state(&roll, 141)[0].1, WorkerState::Gone);
    }
}
