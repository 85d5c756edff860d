//! What happens to some jobs, the same in every run.

use std::collections::HashMap;

use image_builder::events::{Outcome, Stage};
use image_builder::jobs::{
    Claim, Job, JobEnding, JobEvent, JobEventKind, JobId, JobRequest, Payload, Priority,
};
use jiff::Timestamp;

/// So many tenths of a second after the beginning of all stories, and a bit.
pub(crate) fn at(tenths: i64) -> Timestamp {
    let nanoseconds = 1_795_000_000_000_000_000 + i128::from(tenths) * 100_000_000 + 123_456_789;
    Timestamp::from_nanosecond(nanoseconds).unwrap()
}

pub(crate) fn id(text: &str) -> JobId {
    JobId::parse(text).unwrap()
}

/// An id as a job gets it at that time.
pub(crate) fn id_at(tenths: i64, number: usize) -> JobId {
    id(&format!(
        "{}-{number:08}",
        at(tenths).strftime("%Y%m%dT%H%M%S%3f")
    ))
}

pub(crate) fn request(release: &str, priority: i8) -> JobRequest {
    JobRequest {
        title: format!("boot image of Fedora {release} (x86_64)"),
        image_type: "boot".to_owned(),
        arch: "x86_64".to_owned(),
        release: release.to_owned(),
        requester: "qa@desk".to_owned(),
        submitted: at(0),
        priority: Priority(priority),
        deadline: Some(at(1_000_000)),
        retry_of: None,
        private: false,
        payload: Some(Payload {
            spec: format!("[DEFAULT]\ntype = boot\nrelease = {release}\n"),
            kickstart: Some("lang de_DE.UTF-8 # \u{1f427}\n".to_owned()),
        }),
    }
}

pub(crate) fn event(job: &JobId, tenths: i64, kind: JobEventKind) -> JobEvent {
    JobEvent {
        job: job.clone(),
        time: at(tenths),
        by: "qa@desk".to_owned(),
        kind,
    }
}

pub(crate) fn queued(job: &JobId, request: JobRequest) -> JobEvent {
    let request = Box::new(request);
    event(job, 0, JobEventKind::Queued { request })
}

pub(crate) fn claim(worker: &str, run: u32) -> Claim {
    Claim {
        worker: worker.to_owned(),
        session: format!("{worker}-1"),
        run,
    }
}

pub(crate) fn claimed(claim: &Claim) -> JobEventKind {
    JobEventKind::Claimed {
        claim: claim.clone(),
    }
}

pub(crate) fn stage(claim: &Claim, stage: Stage) -> JobEventKind {
    JobEventKind::Stage {
        claim: claim.clone(),
        stage,
    }
}

pub(crate) fn lost(claim: &Claim) -> JobEventKind {
    JobEventKind::Lost {
        claim: claim.clone(),
        reason: "nothing was heard of it for 30 s".to_owned(),
    }
}

pub(crate) fn ended(claim: &Claim, outcome: Outcome) -> JobEventKind {
    let failed = outcome != Outcome::Succeeded;
    JobEventKind::Ended {
        claim: claim.clone(),
        ending: JobEnding {
            outcome,
            error: failed.then(|| "no package kernel-99".to_owned()),
            exit_code: u8::from(failed),
            places: vec!["/srv/images".to_owned()],
            seconds: 12.25,
        },
    }
}

pub(crate) fn cancelled() -> JobEventKind {
    JobEventKind::CancelRequested {
        reason: Some("wrong release".to_owned()),
    }
}

/// What happens to `jobs` jobs that are all there at once: some are built, some are lost on the way, some
/// cancelled, some wait to the end. Much is said twice, or by workers that have not got the job.
pub(crate) fn many(jobs: usize) -> Vec<JobEvent> {
    let mut events = Vec::new();
    let mut later = Vec::new();
    for number in 0..jobs {
        let job = id_at(i64::try_from(number).unwrap() * 3, number);
        let release = ["42", "43", "44"][number % 3];
        let priority = [0, 0, 5, -5][number % 4];
        events.push(queued(&job, request(release, priority)));
        let (first, second) = (claim("anna", 1), claim("bert", 2));
        let told = match number % 7 {
            0 => vec![],
            1 => vec![claimed(&first)],
            2 => vec![claimed(&first), lost(&first)],
            3 => vec![
                claimed(&first),
                stage(&first, Stage::Root),
                lost(&first),
                claimed(&second),
                stage(&second, Stage::Iso),
                ended(&first, Outcome::Failed),
                ended(&second, Outcome::Succeeded),
            ],
            4 => vec![cancelled(), claimed(&first)],
            5 => vec![claimed(&first), claimed(&claim("bert", 1)), cancelled()],
            _ => vec![claimed(&first), ended(&first, Outcome::Failed), cancelled()],
        };
        let told = (1..).zip(told);
        later.push(told.map(move |(step, kind)| event(&job, 1000 + step, kind)));
    }
    // One step of each job after the other, every fifth twice.
    while !later.is_empty() {
        later.retain_mut(|job| match job.next() {
            Some(event) => {
                if events.len() % 5 == 0 {
                    events.push(event.clone());
                }
                events.push(event);
                true
            }
            None => false,
        });
    }
    events
}

/// What the jobs are after these events, with what they are built from.
pub(crate) fn fold(events: &[JobEvent]) -> HashMap<JobId, Job> {
    let mut jobs: HashMap<JobId, Job> = HashMap::new();
    for event in events {
        match jobs.get_mut(&event.job) {
            // What does not count changes nothing.
            Some(job) => drop(job.apply(event)),
            None => {
                let job = Job::new(event).expect("a story begins with its job");
                jobs.insert(job.id.clone(), job);
            }
        }
    }
    jobs
}
