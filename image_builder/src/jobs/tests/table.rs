//! Many jobs: their order, and who is asked for which.

use std::collections::HashSet;

use super::super::{JobState, JobTable, Line, Misfit};
use super::*;

fn line(release: &str) -> Line {
    Line {
        arch: "x86_64".to_owned(),
        release: release.to_owned(),
    }
}

/// A table, and the place behind its ledger's end.
#[derive(Default)]
struct Told {
    table: JobTable,
    place: u64,
}

impl Told {
    fn tell(&mut self, event: &JobEvent) -> Result<super::super::Job, Misfit> {
        self.place += 1;
        self.table.apply(self.place, event)
    }

    fn queue(&mut self, job: &str, priority: i8, release: &str) {
        let request = JobRequest {
            priority: Priority(priority),
            release: release.to_owned(),
            ..request()
        };
        self.tell(&queued(job, request)).unwrap();
    }

    fn take(&mut self, job: &str, claim: &Claim) {
        self.tell(&event(job, 5, "anna", claimed(claim))).unwrap();
    }

    /// What `anna` would take of these releases, one after the other.
    fn order(&self, releases: &[&str]) -> Vec<String> {
        let lines: Vec<Line> = releases.iter().map(|release| line(release)).collect();
        let mut wanted = HashSet::new();
        let mut order = Vec::new();
        while let Some(job) = self.table.next(&lines, "anna", &wanted, at(10)) {
            order.push(job.id.to_string());
            wanted.insert(job.id.clone());
        }
        order
    }

    fn before(&self, job: &str) -> Option<usize> {
        self.table.waiting(&id(job)).map(|waiting| waiting.before)
    }
}

#[test]
fn the_highest_priority_goes_first_and_then_the_oldest() {
    let mut told = Told::default();
    told.queue("3", 0, "43");
    told.queue("1", 0, "43");
    told.queue("4", 5, "43");
    told.queue("2", 0, "44");
    told.queue("5", 5, "44");
    told.queue("0", -3, "43");
    assert_eq!(told.order(&["43"]), ["4", "1", "3", "0"]);
    assert_eq!(told.order(&["44"]), ["5", "2"]);
    // Over two lines as in one; in whatever order they are named.
    let both = ["4", "5", "1", "2", "3", "0"];
    assert_eq!(told.order(&["43", "44"]), both);
    assert_eq!(told.order(&["44", "43"]), both);
    assert_eq!(told.order(&["rawhide"]), [""; 0]);
}

#[test]
fn a_job_knows_how_many_go_before_it() {
    let mut told = Told::default();
    told.queue("1", 0, "43");
    told.queue("2", 0, "43");
    told.queue("3", 9, "43");
    told.queue("4", 0, "44");
    let all = |told: &Told| ["1", "2", "3", "4", "5"].map(|job| told.before(job));
    assert_eq!(all(&told), [Some(1), Some(2), Some(0), Some(0), None]);
    assert_eq!(told.table.waiting(&id("4")).unwrap().line, line("44"));
    let claim = claim("anna", 1);
    told.take("3", &claim);
    assert_eq!(all(&told), [Some(0), Some(1), None, Some(0), None]);
    // It was there before the others, and is again.
    told.tell(&event("3", 20, "bert", lost(&claim))).unwrap();
    assert_eq!(all(&told), [Some(1), Some(2), Some(0), Some(0), None]);
    told.tell(&event("1", 30, "qa@desk", cancelled())).unwrap();
    assert_eq!(all(&told), [None, Some(1), Some(0), Some(0), None]);
}

#[test]
fn a_worker_that_refused_a_job_gets_the_next_one() {
    let mut told = Told::default();
    told.queue("1", 0, "43");
    told.queue("2", 0, "43");
    let claim = claim("anna", 1);
    told.take("1", &claim);
    told.tell(&event("1", 8, "anna", handed_back(&claim, true)))
        .unwrap();
    let next = |worker: &str, seconds: i64| {
        let lines = [line("43")];
        let job = told
            .table
            .next(&lines, worker, &HashSet::new(), at(seconds));
        job.unwrap().id.to_string()
    };
    assert_eq!(next("anna", 10), "2");
    assert_eq!(next("bert", 10), "1");
    assert_eq!(next("anna", 609), "1");
}

#[test]
fn what_has_ended_leaves_only_its_id() {
    let mut told = Told::default();
    told.queue("1", 0, "43");
    let claim = claim("anna", 1);
    told.take("1", &claim);
    assert_eq!(told.table.claims().count(), 1);
    let end = event("1", 20, "anna", ended(&claim, Outcome::Succeeded));
    assert_eq!(told.tell(&end).unwrap().state, JobState::Succeeded);
    assert_eq!(told.table.open(&id("1")), None);
    assert!(told.table.knows(&id("1")) && !told.table.knows(&id("2")));
    assert_eq!(told.tell(&end), Err(Misfit::Ended));
    // The submission, delivered a second time, begins nothing.
    assert_eq!(told.tell(&queued("1", request())), Err(Misfit::Ended));
    assert_eq!(told.table.claims().count(), 0);
    assert_eq!(told.order(&["43"]), [""; 0]);
}

#[test]
fn a_job_whose_beginning_is_not_known_is_none() {
    let mut told = Told::default();
    let claim = claim("anna", 1);
    for kind in [claimed(&claim), lost(&claim), cancelled()] {
        let late = event("1", 1, "anna", kind);
        assert_eq!(told.tell(&late), Err(Misfit::Superseded));
    }
    assert!(!told.table.knows(&id("1")));
}

#[test]
fn what_a_job_is_built_from_is_found_in_the_ledger() {
    let mut told = Told::default();
    told.queue("1", 0, "43");
    let payload = super::super::Payload {
        spec: "[DEFAULT]\ntype = boot\n".to_owned(),
        kickstart: None,
    };
    let request = JobRequest {
        payload: Some(payload),
        ..request()
    };
    let job = told.tell(&queued("2", request)).unwrap();
    assert_eq!(job.request.payload, None);
    assert_eq!(told.table.place(&id("2")), Some(2));
    // A second submission of it does not move it.
    told.tell(&queued("2", super::request())).unwrap_err();
    assert_eq!(told.table.place(&id("2")), Some(2));
}

#[test]
fn claims_are_those_of_jobs_that_are_built() {
    let mut told = Told::default();
    for job in ["1", "2", "3"] {
        told.queue(job, 0, "43");
    }
    let (first, second) = (claim("anna", 1), claim("bert", 1));
    told.take("1", &first);
    told.take("2", &second);
    told.tell(&event("2", 9, "bert", delivering(&second)))
        .unwrap();
    let claims = |told: &Told| {
        let of =
            |(claim, job): (&Claim, &super::super::Job)| (claim.worker.clone(), job.id.clone());
        let mut claims: Vec<_> = told.table.claims().map(of).collect();
        claims.sort();
        claims
    };
    let (anna, bert) = (("anna".to_owned(), id("1")), ("bert".to_owned(), id("2")));
    assert_eq!(claims(&told), [anna, bert.clone()]);
    told.tell(&event("1", 20, "carl", lost(&first))).unwrap();
    assert_eq!(claims(&told), [bert]);
}

#[test]
fn deadlines_are_looked_at_while_a_job_waits() {
    let mut told = Told::default();
    told.queue("1", 0, "43");
    for (job, deadline) in [("2", 100), ("3", 200), ("4", 100)] {
        let request = JobRequest {
            deadline: Some(at(deadline)),
            ..request()
        };
        told.tell(&queued(job, request)).unwrap();
    }
    told.take("4", &claim("anna", 1));
    let late = |seconds: i64| {
        let expired = told.table.expired(at(seconds));
        let mut late: Vec<_> = expired.map(|job| job.id.to_string()).collect();
        late.sort();
        late
    };
    assert_eq!(late(100), [""; 0]);
    assert_eq!(late(101), ["2"]);
    assert_eq!(late(1000), ["2", "3"]);
}
