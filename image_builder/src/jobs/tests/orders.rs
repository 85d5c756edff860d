//! What several workers, clients and masters say at once, in any order, twice, and late: the ledger's
//! order decides, and every reader comes to the same end.

use std::collections::HashMap;

use super::super::{Job, JobState, JobTable, MAX_HAND_BACKS, MAX_RUNS};
use super::*;

const STORIES: u64 = 2_000;
const JOBS: u64 = 3;
const WORKERS: [&str; 3] = ["anna", "bert", "carl"];

/// Numbers that look random, the same in every run (SplitMix64, <https://prng.di.unimi.it/splitmix64.c>).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let index = self.roll(of.len() as u64);
        &of[usize::try_from(index).unwrap()]
    }

    fn shuffle<T>(&mut self, of: &mut [T]) {
        for last in (1..of.len()).rev() {
            let other = self.roll(last as u64 + 1);
            of.swap(last, usize::try_from(other).unwrap());
        }
    }
}

/// Each worker claims each run, and says all that a worker can say of it.
fn told(dice: &mut Dice) -> Vec<JobEvent> {
    let mut events = Vec::new();
    for job in 0..JOBS {
        let job = format!("job{job}");
        events.push(queued(&job, request()));
        for worker in WORKERS {
            for run in 1..=5 {
                let claim = claim(worker, run);
                events.push(event(&job, 1, worker, claimed(&claim)));
                let count = dice.roll(3);
                for _ in 0..count {
                    let outcome =
                        *dice.pick(&[Outcome::Succeeded, Outcome::Failed, Outcome::Cancelled]);
                    let kind = match dice.roll(8) {
                        0 | 1 => stage(&claim, *dice.pick(&[Stage::Check, Stage::Root])),
                        2 => delivering(&claim),
                        3 => handed_back(&claim, dice.roll(2) == 0),
                        4 | 5 => lost(&claim),
                        _ => ended(&claim, outcome),
                    };
                    events.push(event(&job, 2, worker, kind));
                }
            }
        }
        if dice.roll(4) == 0 {
            events.push(event(&job, 3, "qa@desk", cancelled()));
        }
        if dice.roll(6) == 0 {
            events.push(event(&job, 4, "master", JobEventKind::Expired));
        }
    }
    for _ in 0..dice.roll(30) {
        let again = dice.pick(&events).clone();
        events.push(again);
    }
    dice.shuffle(&mut events);
    // Nothing is heard of a job that nobody has asked for; most submissions come early.
    events.sort_by_cached_key(|event| match event.kind {
        JobEventKind::Queued { .. } => dice.roll(2),
        _ => 1,
    });
    events
}

/// What must be true of a job whenever it is looked at.
fn check(job: &Job) {
    let last = job.history.last().unwrap();
    assert_eq!(last.state, job.state);
    let finals = job.history.iter().filter(|one| one.state.is_final());
    assert_eq!(finals.count(), usize::from(job.state.is_final()));
    assert_eq!(job.ending.is_some(), job.state.is_final());
    let refusals = u32::try_from(job.refusals.len()).unwrap();
    assert!(job.runs <= MAX_RUNS && job.hand_backs <= MAX_HAND_BACKS + refusals);
    let begun = JobState::Running { stage: None };
    let begun = job.history.iter().filter(|one| one.state == begun);
    let claims = u32::try_from(begun.count()).unwrap();
    assert_eq!(claims, job.runs + job.hand_backs);
    for pair in job.history.windows(2) {
        let [before, after] = pair else {
            unreachable!()
        };
        assert!(!before.state.is_final(), "{:#?}", job.history);
        assert_ne!(
            (before.state, &before.cause),
            (after.state, &after.cause),
            "{:#?}",
            job.history
        );
    }
}

#[test]
fn whatever_comes_in_whatever_order_a_job_has_one_end_and_all_readers_agree() {
    let mut ends: HashMap<&str, u64> = HashMap::new();
    for seed in 0..STORIES {
        let mut dice = Dice(seed);
        let events = told(&mut dice);
        let mut table = JobTable::default();
        let mut jobs: HashMap<JobId, Job> = HashMap::new();
        let mut counted: HashMap<JobId, u64> = HashMap::new();
        for (place, event) in (1..).zip(&events) {
            // One reader keeps the open jobs in a table, one keeps all jobs.
            let tabled = table.apply(place, event).ok();
            let kept = match jobs.get_mut(&event.job) {
                Some(job) => job.apply(event).is_ok().then(|| job.clone()),
                None => Job::new(event).inspect(|job| {
                    jobs.insert(job.id.clone(), job.clone());
                }),
            };
            assert_eq!(tabled, kept, "seed {seed}, place {place}: {event:?}");
            let Some(job) = kept else { continue };
            check(&job);
            if job.state.is_final() {
                *counted.entry(job.id).or_default() += 1;
                *ends.entry(job.state.name()).or_default() += 1;
            }
        }
        for (id, job) in &jobs {
            let expected = u64::from(job.state.is_final());
            let ends = counted.get(id).copied().unwrap_or_default();
            assert_eq!(ends, expected, "seed {seed}, {id}");
            assert_eq!(table.open(id).is_some(), !job.state.is_final());
            assert_eq!(table.waiting(id).is_some(), job.state == JobState::Queued);
        }
    }
    // The dice have come to every end.
    for state in ["succeeded", "failed", "cancelled"] {
        assert!(
            ends.get(state).is_some_and(|&count| count > 100),
            "{ends:?}"
        );
    }
}

#[test]
fn a_reader_that_begins_again_from_what_it_kept_goes_on_as_if_it_had_not_stopped() {
    for seed in 0..200 {
        let mut dice = Dice(seed);
        let mut events = told(&mut dice);
        events.retain(|event| event.job == id("job0"));
        let first = events
            .iter()
            .position(|event| matches!(event.kind, JobEventKind::Queued { .. }));
        let events = &events[first.unwrap()..];
        let mut whole = Job::new(&events[0]).unwrap();
        let mut again = whole.clone();
        let stop = 1 + usize::try_from(dice.roll(events.len() as u64)).unwrap();
        for (number, event) in (1..).zip(&events[1..]) {
            if number == stop {
                let kept = serde_json::to_string(&again).unwrap();
                again = serde_json::from_str(&kept).unwrap();
            }
            assert_eq!(whole.apply(event), again.apply(event));
        }
        assert_eq!(whole, again, "seed {seed}");
    }
}
