//! Jobs as a fold over events.

mod job;
mod orders;
mod table;

use jiff::Timestamp;

use super::{Claim, JobEnding, JobEvent, JobEventKind, JobId, JobRequest, Priority};
use crate::events::{Outcome, Stage};

/// So many seconds after the beginning of all of these tests.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + seconds).unwrap()
}

fn id(name: &str) -> JobId {
    JobId::parse(name).unwrap()
}

pub(crate) fn request() -> JobRequest {
    JobRequest {
        title: "boot image of Fedora 43 (x86_64)".to_owned(),
        image_type: "boot".to_owned(),
        arch: "x86_64".to_owned(),
        release: "43".to_owned(),
        requester: "qa@desk".to_owned(),
        submitted: at(0),
        priority: Priority::default(),
        deadline: None,
        retry_of: None,
        private: false,
        payload: None,
    }
}

fn event(job: &str, seconds: i64, by: &str, kind: JobEventKind) -> JobEvent {
    JobEvent {
        job: id(job),
        time: at(seconds),
        by: by.to_owned(),
        kind,
    }
}

fn queued(job: &str, request: JobRequest) -> JobEvent {
    let request = Box::new(request);
    event(job, 0, "qa@desk", JobEventKind::Queued { request })
}

/// The claim of the only session of a worker.
fn claim(worker: &str, run: u32) -> Claim {
    Claim {
        worker: worker.to_owned(),
        session: format!("{worker}-1"),
        run,
    }
}

fn claimed(claim: &Claim) -> JobEventKind {
    JobEventKind::Claimed {
        claim: claim.clone(),
    }
}

fn stage(claim: &Claim, stage: Stage) -> JobEventKind {
    let claim = claim.clone();
    JobEventKind::Stage { claim, stage }
}

fn delivering(claim: &Claim) -> JobEventKind {
    let claim = claim.clone();
    JobEventKind::Delivering { claim, image: true }
}

fn ended(claim: &Claim, outcome: Outcome) -> JobEventKind {
    let claim = claim.clone();
    let (error, exit_code) = match outcome {
        Outcome::Succeeded => (None, 0),
        Outcome::Failed => (Some("no package kernel-99".to_owned()), 1),
        Outcome::Cancelled => (Some("the build was cancelled".to_owned()), 130),
    };
    let ending = JobEnding {
        outcome,
        error,
        exit_code,
        places: vec!["/srv/images".to_owned()],
        seconds: 12.5,
    };
    JobEventKind::Ended { claim, ending }
}

fn handed_back(claim: &Claim, refused: bool) -> JobEventKind {
    JobEventKind::HandedBack {
        claim: claim.clone(),
        reason: "the disk is full".to_owned(),
        refused,
    }
}

fn lost(claim: &Claim) -> JobEventKind {
    JobEventKind::Lost {
        claim: claim.clone(),
        reason: "nothing was heard of it for 30 s".to_owned(),
    }
}

fn cancelled() -> JobEventKind {
    JobEventKind::CancelRequested {
        reason: Some("wrong release".to_owned()),
    }
}
