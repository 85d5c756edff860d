//! What is counted as it happens, since this process began.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use image_builder::jobs::{Job, JobId, JobState, Line, Transition};
use jiff::Timestamp;

use super::cache::{Decision, Kept};
use super::histogram::Histogram;

/// As many jobs that have ended are remembered, so that none is counted twice.
const REMEMBERED: usize = 1024;

/// Upper bounds of how long jobs wait: from at once to a day.
const WAITS: &[f64] = &[
    1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 10_800.0, 21_600.0, 86_400.0,
];

/// Upper bounds of how long builds take.
const BUILDS: &[f64] = &[
    10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 2400.0, 3600.0, 7200.0, 14_400.0,
];

/// What was counted.
#[derive(Debug)]
pub(crate) struct Figures {
    since: Timestamp,
    counted: Mutex<Counted>,
}

/// The figures themselves.
#[derive(Debug, Clone, Default)]
pub(super) struct Counted {
    /// How long jobs waited until a worker began with them.
    pub(super) waits: BTreeMap<Line, Histogram>,
    /// How long builds took, by outcome.
    pub(super) builds: BTreeMap<&'static str, Histogram>,
    /// By stage and outcome: how many, and seconds together.
    pub(super) stages: BTreeMap<(&'static str, &'static str), (u64, f64)>,
    /// How often something was looked for that is kept, and what came of it.
    pub(super) lookups: BTreeMap<(Kept, Decision), u64>,
    /// Jobs that are built, whose waiting is counted.
    begun: BTreeSet<JobId>,
    ended: VecDeque<JobId>,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            since: Timestamp::now(),
            counted: Mutex::default(),
        }
    }
}

impl Figures {
    /// Takes in what a job is now; gives whether it has just ended a build.
    pub(super) fn take_in(&self, job: &Job) -> bool {
        let mut counted = self.lock();
        if counted.ended.contains(&job.id) {
            return false;
        }
        counted.wait(job, self.since);
        if !job.state.is_final() {
            return false;
        }
        counted.begun.remove(&job.id);
        counted.ended.push_back(job.id.clone());
        if counted.ended.len() > REMEMBERED {
            counted.ended.pop_front();
        }
        counted.stages(job);
        counted.build(job)
    }

    /// Takes in what a build found kept.
    pub(super) fn look_up(&self, decisions: impl IntoIterator<Item = (Kept, Decision)>) {
        let mut counted = self.lock();
        for decision in decisions {
            *counted.lookups.entry(decision).or_default() += 1;
        }
    }

    /// The figures as they are now.
    pub(super) fn now(&self) -> Counted {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counted {
    /// One that was begun before this process has been counted by the one before.
    fn wait(&mut self, job: &Job, since: Timestamp) {
        let is_begun = |step: &&Transition| matches!(step.state, JobState::Running { .. });
        let begun = job.history.iter().find(is_begun);
        let (Some(queued), Some(begun)) = (job.history.first(), begun) else {
            return;
        };
        if begun.time < since || !self.begun.insert(job.id.clone()) {
            return;
        }
        let line = Line {
            arch: job.request.arch.clone(),
            release: job.request.release.clone(),
        };
        let waits = self.waits.entry(line);
        let waits = waits.or_insert_with(|| Histogram::new(WAITS));
        waits.observe(between(queued, begun));
    }

    fn stages(&mut self, job: &Job) {
        for (step, next) in job.history.iter().zip(job.history.iter().skip(1)) {
            if let JobState::Running { stage: Some(stage) } = step.state {
                let outcome = match next.state {
                    JobState::Failed => "failed",
                    JobState::Cancelled => "cancelled",
                    // Its worker was lost, or has handed the job back.
                    JobState::Queued => "requeued",
                    _ => "succeeded",
                };
                let entry = self.stages.entry((stage.name(), outcome)).or_default();
                entry.0 += 1;
                entry.1 += between(step, next);
            }
        }
    }

    /// Counts the last run; gives whether there was one.
    fn build(&mut self, job: &Job) -> bool {
        let Some(end) = job.history.last() else {
            return false;
        };
        let before = job.history.iter().rev().skip(1);
        let run = before.take_while(|step| step.state != JobState::Queued);
        let Some(begin) = run.last() else {
            return false;
        };
        let builds = self.builds.entry(job.state.name());
        let builds = builds.or_insert_with(|| Histogram::new(BUILDS));
        builds.observe(between(begin, end));
        true
    }
}

fn between(one: &Transition, other: &Transition) -> f64 {
    other.time.duration_since(one.time).as_secs_f64().max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A job that was all of this, each for ten seconds.
    fn job(number: u32, states: &[serde_json::Value]) -> Job {
        let begin = Timestamp::now();
        let step = |(place, state): (usize, &serde_json::Value)| {
            let seconds = jiff::SignedDuration::from_secs(10 * i64::try_from(place).unwrap());
            let mut step = json!({"time": begin + seconds, "cause": ""});
            step.as_object_mut()
                .unwrap()
                .extend(state.as_object().unwrap().clone());
            step
        };
        let history: Vec<_> = states.iter().enumerate().map(step).collect();
        let mut job = json!({
            "id": format!("20260101T000000000-{number:032x}"),
            "request": {
                "arch": "x86_64", "release": "43", "requester": "anna", "title": "", "image_type": "boot", "submitted": begin,
            },
            "runs": 1,
            "history": history,
        });
        let last = states.last().unwrap().as_object().unwrap().clone();
        job.as_object_mut().unwrap().extend(last);
        serde_json::from_value(job).unwrap()
    }

    fn states() -> Vec<serde_json::Value> {
        vec![
            json!({"state": "queued"}),
            json!({"state": "running"}),
            json!({"state": "running", "stage": "root"}),
            json!({"state": "queued"}),
            json!({"state": "running"}),
            json!({"state": "running", "stage": "root"}),
            json!({"state": "running", "stage": "iso"}),
            json!({"state": "failed"}),
        ]
    }

    #[test]
    fn waits_builds_and_stages_are_counted_once_each() {
        let figures = Figures::default();
        let states = states();
        for length in 1..=states.len() {
            let job = job(1, &states[..length]);
            for first in [true, false] {
                let ended = figures.take_in(&job);
                assert_eq!(ended, first && length == states.len(), "{length}");
            }
        }
        // Nobody has begun with it.
        let cancelled = [json!({"state": "queued"}), json!({"state": "cancelled"})];
        assert!(!figures.take_in(&job(2, &cancelled)));
        let counted = figures.now();
        let waits: Vec<_> = counted.waits.values().collect();
        assert_eq!((waits.len(), waits[0].count, waits[0].sum), (1, 1, 10.0));
        // The run that counts took as long as it did, without those that were lost.
        let builds: Vec<_> = counted.builds.iter().collect();
        assert_eq!((builds.len(), *builds[0].0), (1, "failed"));
        assert_eq!((builds[0].1.count, builds[0].1.sum), (1, 30.0));
        let expected = [
            (("iso", "failed"), (1, 10.0)),
            (("root", "requeued"), (1, 10.0)),
            (("root", "succeeded"), (1, 10.0)),
        ];
        assert_eq!(counted.stages, BTreeMap::from(expected));
        assert_eq!(counted.begun.len(), 0);
    }

    #[test]
    fn what_was_begun_before_this_process_is_not_counted_again() {
        let figures = Figures {
            since: Timestamp::now() + jiff::SignedDuration::from_secs(15),
            counted: Mutex::default(),
        };
        assert!(figures.take_in(&job(1, &states())));
        let counted = figures.now();
        assert_eq!((counted.waits.len(), counted.builds.len()), (0, 1));
    }
}
