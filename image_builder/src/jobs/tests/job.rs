//! One job: which events count, and what becomes of it.

use super::super::{Job, JobState, MAX_HAND_BACKS, MAX_RUNS, Misfit};
use super::*;

const JOB: &str = "20261122T020000000-00000001";

/// A job whose events come ten seconds apart.
struct Told {
    job: Job,
    seconds: i64,
}

impl Told {
    fn new() -> Self {
        Self::of(request())
    }

    fn of(request: JobRequest) -> Self {
        Self {
            job: Job::new(&queued(JOB, request)).unwrap(),
            seconds: 0,
        }
    }

    fn tell(&mut self, kind: JobEventKind) -> Result<(), Misfit> {
        self.seconds += 10;
        self.job.apply(&event(JOB, self.seconds, "qa@desk", kind))
    }

    /// Something that does not count, and so changes nothing.
    fn refuses(&mut self, kind: JobEventKind, why: Misfit) {
        let before = self.job.clone();
        assert_eq!(self.tell(kind.clone()), Err(why), "{kind:?}");
        assert_eq!(self.job, before, "{kind:?}");
    }

    fn causes(&self) -> Vec<String> {
        let line = |one: &super::super::Transition| format!("{}: {}", one.state, one.cause);
        self.job.history.iter().map(line).collect()
    }
}

#[test]
fn a_job_goes_from_the_queue_to_its_image() {
    let mut told = Told::new();
    let claim = claim("anna", 1);
    assert_eq!(told.job.state, JobState::Queued);
    told.tell(claimed(&claim)).unwrap();
    assert_eq!(told.job.state, JobState::Running { stage: None });
    assert_eq!(told.job.claim.as_ref(), Some(&claim));
    told.tell(stage(&claim, Stage::Check)).unwrap();
    told.tell(stage(&claim, Stage::Root)).unwrap();
    let root = Some(Stage::Root);
    assert_eq!(told.job.state, JobState::Running { stage: root });
    told.tell(delivering(&claim)).unwrap();
    told.tell(ended(&claim, Outcome::Succeeded)).unwrap();
    assert_eq!(told.job.state, JobState::Succeeded);
    assert_eq!(
        told.causes(),
        [
            "queued: submitted by qa@desk",
            "running: taken by anna",
            "running: checking the host and the repositories: checking the host and the repositories",
            "running: installing the root: installing the root",
            "delivering: the image is ready",
            "succeeded: the build succeeded",
        ]
    );
    let times: Vec<_> = told.job.history.iter().map(|one| one.time).collect();
    let expected: Vec<_> = (0..6).map(|step| at(step * 10)).collect();
    assert_eq!(times, expected);
    let ending = told.job.ending.unwrap();
    assert_eq!((ending.exit_code, ending.seconds), (0, 12.5));
}

#[test]
fn only_what_is_asked_for_makes_a_job() {
    for kind in [
        claimed(&claim("anna", 1)),
        cancelled(),
        JobEventKind::Expired,
    ] {
        assert_eq!(Job::new(&event(JOB, 0, "qa@desk", kind)), None);
    }
    let mut told = Told::new();
    told.refuses(queued(JOB, request()).kind, Misfit::Known);
}

#[test]
fn of_two_workers_the_first_has_the_job() {
    let mut told = Told::new();
    let (first, second) = (claim("anna", 1), claim("bert", 1));
    told.tell(claimed(&first)).unwrap();
    told.refuses(claimed(&second), Misfit::Taken);
    // Its own claim a second time is no other build of it.
    told.refuses(claimed(&first), Misfit::Taken);
    told.refuses(stage(&second, Stage::Root), Misfit::Superseded);
    told.refuses(ended(&second, Outcome::Succeeded), Misfit::Superseded);
    told.refuses(handed_back(&second, false), Misfit::Superseded);
    told.refuses(lost(&second), Misfit::Superseded);
    assert_eq!(told.job.runs, 1);
}

#[test]
fn a_claim_that_comes_late_does_not_begin_the_next_run() {
    let mut told = Told::new();
    let (first, late) = (claim("anna", 1), claim("bert", 1));
    told.tell(claimed(&first)).unwrap();
    told.tell(lost(&first)).unwrap();
    // Bert has given up waiting for an answer about run 1.
    told.refuses(claimed(&late), Misfit::Superseded);
    told.refuses(claimed(&first), Misfit::Superseded);
    told.refuses(claimed(&claim("bert", 3)), Misfit::Superseded);
    assert_eq!(told.job.next_run(), 2);
    told.tell(claimed(&claim("bert", 2))).unwrap();

    let mut told = Told::new();
    told.tell(claimed(&first)).unwrap();
    told.tell(handed_back(&first, false)).unwrap();
    told.refuses(claimed(&late), Misfit::Superseded);
    assert_eq!(told.job.next_run(), 2);
}

#[test]
fn another_life_of_the_same_worker_is_somebody_else() {
    let mut told = Told::new();
    let before = claim("anna", 1);
    let mut after = before.clone();
    after.session = "anna-2".to_owned();
    told.tell(claimed(&before)).unwrap();
    told.refuses(ended(&after, Outcome::Succeeded), Misfit::Superseded);
    told.refuses(stage(&after, Stage::Root), Misfit::Superseded);
}

#[test]
fn a_lost_job_waits_again_and_what_its_worker_says_later_counts_for_nothing() {
    let mut told = Told::new();
    let (first, second) = (claim("anna", 1), claim("bert", 2));
    told.tell(claimed(&first)).unwrap();
    told.tell(delivering(&first)).unwrap();
    told.tell(lost(&first)).unwrap();
    assert_eq!(told.job.state, JobState::Queued);
    assert!(told.job.is_for("anna", at(1000)) && told.job.is_for("bert", at(1000)));
    told.refuses(lost(&first), Misfit::Superseded);
    told.refuses(ended(&first, Outcome::Succeeded), Misfit::Superseded);
    told.tell(claimed(&second)).unwrap();
    told.refuses(ended(&first, Outcome::Succeeded), Misfit::Superseded);
    told.tell(ended(&second, Outcome::Failed)).unwrap();
    assert_eq!(told.job.state, JobState::Failed);
    let ending = told.job.ending.clone().unwrap();
    assert_eq!(ending.error.as_deref(), Some("no package kernel-99"));
    told.refuses(ended(&first, Outcome::Succeeded), Misfit::Ended);
}

#[test]
fn a_job_that_three_workers_lost_fails_with_its_history() {
    let mut told = Told::new();
    for run in 1..=MAX_RUNS {
        assert_eq!(told.job.state, JobState::Queued);
        let claim = claim(&format!("worker{run}"), run);
        told.tell(claimed(&claim)).unwrap();
        told.tell(lost(&claim)).unwrap();
    }
    assert_eq!(told.job.state, JobState::Failed);
    let ending = told.job.ending.clone().unwrap();
    assert_eq!((ending.outcome, ending.exit_code), (Outcome::Failed, 1));
    assert_eq!(
        ending.error.as_deref(),
        Some("given up: 3 workers began with it, and none came to an end")
    );
    let causes = told.causes();
    for run in 1..=MAX_RUNS {
        let lost = format!("queued: worker{run} was lost: nothing was heard of it for 30 s");
        assert!(causes.contains(&lost), "{causes:#?}");
    }
    assert!(causes.last().unwrap().starts_with("failed: given up: 3"));
    told.refuses(claimed(&claim("worker4", 4)), Misfit::Ended);
}

#[test]
fn handing_back_costs_no_run_and_comes_to_an_end_all_the_same() {
    let mut told = Told::new();
    for run in 1..=MAX_HAND_BACKS {
        assert_eq!((told.job.state, told.job.runs), (JobState::Queued, 0));
        let claim = claim("anna", run);
        told.tell(claimed(&claim)).unwrap();
        told.tell(handed_back(&claim, false)).unwrap();
        told.refuses(
            handed_back(&claim, false),
            match run {
                MAX_HAND_BACKS => Misfit::Ended,
                _ => Misfit::Superseded,
            },
        );
    }
    assert_eq!(told.job.state, JobState::Failed);
    let error = told.job.ending.unwrap().error.unwrap();
    assert_eq!(error, "given up: it was handed back 20 times");
}

#[test]
fn workers_that_lack_something_do_not_use_up_a_jobs_chances() {
    const LACKING: u32 = 2 * MAX_HAND_BACKS;
    let mut told = Told::new();
    for run in 1..=LACKING + MAX_HAND_BACKS {
        assert_eq!(told.job.state, JobState::Queued, "{run}");
        let (worker, refused) = match run <= LACKING {
            true => (format!("without-lorax-{run}"), true),
            false => ("anna".to_owned(), false),
        };
        let claim = claim(&worker, run);
        told.tell(claimed(&claim)).unwrap();
        told.tell(handed_back(&claim, refused)).unwrap();
    }
    assert_eq!(told.job.state, JobState::Failed);
}

#[test]
fn hand_backs_between_losses_leave_three_runs() {
    let mut told = Told::new();
    let mut number = 0;
    for run in 1..=MAX_RUNS {
        for hand_back in [true, false] {
            number += 1;
            assert_eq!(told.job.next_run(), number);
            let claim = claim("anna", number);
            told.tell(claimed(&claim)).unwrap();
            match hand_back {
                true => told.tell(handed_back(&claim, false)).unwrap(),
                false => told.tell(lost(&claim)).unwrap(),
            }
        }
        assert_eq!(told.job.runs, run);
    }
    assert_eq!(told.job.state, JobState::Failed);
    assert_eq!(told.job.hand_backs, 3);
}

#[test]
fn who_could_not_build_a_job_is_left_alone_for_ten_minutes() {
    let mut told = Told::new();
    let claim = claim("anna", 1);
    told.tell(claimed(&claim)).unwrap();
    assert!(!told.job.is_for("bert", at(20)), "it does not wait");
    told.tell(handed_back(&claim, true)).unwrap();
    let refused = told.seconds;
    for (seconds, is_for) in [(0, false), (599, false), (600, false), (601, true)] {
        assert_eq!(told.job.is_for("anna", at(refused + seconds)), is_for);
        assert!(told.job.is_for("bert", at(refused + seconds)));
    }
    // A worker that could have built it is asked at once.
    let mut told = Told::new();
    told.tell(claimed(&claim)).unwrap();
    told.tell(handed_back(&claim, false)).unwrap();
    assert!(told.job.is_for("anna", at(told.seconds)));
}

#[test]
fn a_refusal_from_the_end_of_time_harms_nobody() {
    let mut told = Told::new();
    let claim = claim("anna", 1);
    told.tell(claimed(&claim)).unwrap();
    let mut refusal = event(JOB, 0, "anna", handed_back(&claim, true));
    refusal.time = Timestamp::MAX;
    told.job.apply(&refusal).unwrap();
    assert!(!told.job.is_for("anna", at(0)));
    assert!(told.job.is_for("bert", at(0)));
}

#[test]
fn a_job_is_cancelled_where_it_waits() {
    let mut told = Told::new();
    told.tell(cancelled()).unwrap();
    assert_eq!(told.job.state, JobState::Cancelled);
    let ending = told.job.ending.clone().unwrap();
    assert_eq!(ending.exit_code, 130);
    let cause = "cancelled by qa@desk: wrong release";
    assert_eq!(ending.error.as_deref(), Some(cause));
    assert_eq!(told.job.history.last().unwrap().cause, cause);
    told.refuses(claimed(&claim("anna", 1)), Misfit::Ended);
    told.refuses(cancelled(), Misfit::Ended);
}

#[test]
fn a_job_that_is_built_is_cancelled_by_its_worker() {
    let mut told = Told::new();
    let claim = claim("anna", 1);
    told.tell(claimed(&claim)).unwrap();
    told.tell(cancelled()).unwrap();
    assert_eq!(told.job.state, JobState::Running { stage: None });
    assert!(told.job.cancel.is_some());
    told.refuses(cancelled(), Misfit::Repeated);
    told.tell(ended(&claim, Outcome::Cancelled)).unwrap();
    assert_eq!(told.job.state, JobState::Cancelled);
    // By whom, and not the words of the build that was stopped.
    assert_eq!(
        told.job.history.last().unwrap().cause,
        "cancelled by qa@desk: wrong release"
    );
}

#[test]
fn an_image_that_was_ready_before_the_cancel_came_is_one() {
    let mut told = Told::new();
    let claim = claim("anna", 1);
    told.tell(claimed(&claim)).unwrap();
    told.tell(delivering(&claim)).unwrap();
    told.tell(cancelled()).unwrap();
    told.tell(ended(&claim, Outcome::Succeeded)).unwrap();
    assert_eq!(told.job.state, JobState::Succeeded);
}

#[test]
fn a_cancelled_job_never_waits_again() {
    for leave in [lost, |claim: &Claim| handed_back(claim, false)] {
        let mut told = Told::new();
        let claim = claim("anna", 1);
        told.tell(claimed(&claim)).unwrap();
        told.tell(cancelled()).unwrap();
        told.tell(leave(&claim)).unwrap();
        assert_eq!(told.job.state, JobState::Cancelled);
        assert_eq!(told.job.ending.unwrap().exit_code, 130);
    }
    // And one that has just been lost is as good as one that nobody has begun.
    let mut told = Told::new();
    let claim = claim("anna", 1);
    told.tell(claimed(&claim)).unwrap();
    told.tell(lost(&claim)).unwrap();
    told.tell(cancelled()).unwrap();
    assert_eq!(told.job.state, JobState::Cancelled);
}

#[test]
fn a_deadline_ends_what_waits_and_not_what_is_built() {
    let mut told = Told::new();
    let first = claim("anna", 1);
    told.tell(claimed(&first)).unwrap();
    told.refuses(JobEventKind::Expired, Misfit::Taken);
    told.tell(lost(&first)).unwrap();
    told.tell(JobEventKind::Expired).unwrap();
    assert_eq!(told.job.state, JobState::Failed);
    let error = told.job.ending.clone().unwrap().error;
    assert_eq!(
        error.as_deref(),
        Some("its deadline passed while it waited")
    );
    told.refuses(JobEventKind::Expired, Misfit::Ended);
    told.refuses(claimed(&claim("bert", 2)), Misfit::Ended);
}

#[test]
fn what_is_said_twice_is_in_the_history_once() {
    let mut told = Told::new();
    let claim = claim("anna", 1);
    told.tell(claimed(&claim)).unwrap();
    told.tell(stage(&claim, Stage::Root)).unwrap();
    told.refuses(stage(&claim, Stage::Root), Misfit::Repeated);
    told.tell(delivering(&claim)).unwrap();
    told.refuses(delivering(&claim), Misfit::Repeated);
    // Transfer is a stage as well; what is handed over is not built any more.
    told.refuses(stage(&claim, Stage::Transfer), Misfit::Repeated);
    assert_eq!(told.job.history.len(), 4);
}

#[test]
fn nothing_counts_after_the_end() {
    let mut told = Told::new();
    let claim = claim("anna", 1);
    told.tell(claimed(&claim)).unwrap();
    told.tell(ended(&claim, Outcome::Succeeded)).unwrap();
    for kind in [
        claimed(&claim),
        stage(&claim, Stage::Root),
        delivering(&claim),
        ended(&claim, Outcome::Failed),
        handed_back(&claim, true),
        lost(&claim),
        cancelled(),
        JobEventKind::Expired,
    ] {
        told.refuses(kind, Misfit::Ended);
    }
}

#[test]
fn a_job_as_json_is_the_same_job() {
    let mut told = Told::of(JobRequest {
        deadline: Some(at(86_400)),
        retry_of: Some(id("20261121T000000000-00000000")),
        ..request()
    });
    let (first, second) = (claim("anna", 1), claim("bert", 2));
    told.tell(claimed(&first)).unwrap();
    told.tell(handed_back(&first, true)).unwrap();
    told.tell(claimed(&second)).unwrap();
    told.tell(stage(&second, Stage::BootTest)).unwrap();
    told.tell(cancelled()).unwrap();
    let json = serde_json::to_value(&told.job).unwrap();
    assert_eq!(json["state"], "running");
    assert_eq!(json["stage"], "boot_test");
    assert_eq!(json["history"][1]["state"], "running");
    assert_eq!(serde_json::from_value::<Job>(json).unwrap(), told.job);
    told.tell(ended(&second, Outcome::Cancelled)).unwrap();
    let json = serde_json::to_string(&told.job).unwrap();
    assert_eq!(serde_json::from_str::<Job>(&json).unwrap(), told.job);
}
