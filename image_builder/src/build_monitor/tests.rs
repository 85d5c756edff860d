use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::{Follower, JobState, MonitorError, Registry, log_left};
use crate::events::Outcome;
use crate::host::Host;
use crate::job_log::JobLog;
use crate::plan::{BuildPlan, KickstartPlan, PlanOptions};
use crate::spec::{BuildSpec, Format};

/// A plan whose work directory is below `top`; each has an id of its own.
fn plan(top: &std::path::Path) -> BuildPlan {
    let text = format!(
        "[DEFAULT]\ntype = boot\nrelease = 43\narch = x86_64\nbackend = native\n\
         [boot]\nworkdir = {}\n",
        top.display()
    );
    let spec = BuildSpec::parse(&text, Format::Ini, "test").unwrap();
    let host = Host {
        arch: Some(crate::spec::Arch::X86_64),
        ..Host::probe()
    };
    let options = PlanOptions::from_environment();
    BuildPlan::new(&spec, &KickstartPlan::default(), &host, &options).unwrap()
}

fn log_of(plan: &BuildPlan) -> PathBuf {
    plan.paths.work.join(JobLog::file_name(plan.created))
}

#[test]
fn a_log_is_read_through_its_move_and_removal() {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::at(dir.path().join("state/jobs"));
    assert!(matches!(registry.newest(), Err(MonitorError::NoJobs)));
    let plan = plan(dir.path());
    let registration = registry.begin(&plan).unwrap();
    let job = registry.newest().unwrap();
    assert_eq!(
        (job.id.as_str(), job.state),
        (plan.job.as_str(), JobState::Running)
    );

    let mut follower = Follower::new(registry.clone(), &job);
    let mut out = Vec::new();
    // The log is not there yet.
    assert_eq!(follower.step(&mut out).unwrap(), JobState::Running);
    let log = log_of(&plan);
    fs::create_dir_all(log.parent().unwrap()).unwrap();
    fs::write(&log, "one\n").unwrap();
    assert_eq!(follower.step(&mut out).unwrap(), JobState::Running);
    assert_eq!(out, b"one\n");
    fs::write(&log, "one\ntwo\n").unwrap();
    let delivered = dir.path().join("delivered.log");
    fs::rename(&log, &delivered).unwrap();
    registration
        .end(Outcome::Failed, Some(delivered.clone()), None)
        .unwrap();
    let ended = JobState::Ended(Outcome::Failed);
    assert_eq!(follower.step(&mut out).unwrap(), ended);
    assert_eq!(out, b"one\ntwo\n");

    // Somebody who comes later finds it where it was delivered.
    let mut late = Vec::new();
    let job = registry.job(&plan.job).unwrap();
    let state = Follower::new(registry.clone(), &job).step(&mut late);
    assert_eq!((state.unwrap(), late), (ended, out));
    fs::remove_file(delivered).unwrap();
    let error = Follower::new(registry, &job).step(&mut Vec::new());
    assert!(
        matches!(error, Err(MonitorError::NoLog { .. })),
        "{error:?}"
    );
}

#[test]
fn a_build_whose_process_has_gone_is_known_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::at(dir.path());
    let plan = plan(dir.path());
    drop(registry.begin(&plan).unwrap());
    assert_eq!(registry.job(&plan.job).unwrap().state, JobState::Gone);
}

#[test]
fn an_id_is_no_path() {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::at(dir.path().join("jobs"));
    let plan = plan(dir.path());
    let _registration = registry.begin(&plan).unwrap();
    fs::write(dir.path().join("other.job"), "{}\n").unwrap();
    let long = "x".repeat(300);
    for wrong in [
        "../other",
        "/etc/passwd",
        "..",
        "",
        "a b",
        "jobs/../other",
        &long,
    ] {
        match registry.job(wrong) {
            Err(MonitorError::Unknown { known, .. }) => assert_eq!(known, [plan.job.as_str()]),
            other => panic!("{wrong}: {other:?}"),
        }
    }
}

#[test]
fn the_oldest_of_many_are_forgotten_and_none_that_runs() {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::at(dir.path());
    let plans: Vec<BuildPlan> = (0..120).map(|_| plan(dir.path())).collect();
    let running = registry.begin(&plans[0]).unwrap();
    for plan in &plans[1..] {
        let registration = registry.begin(plan).unwrap();
        registration.end(Outcome::Succeeded, None, None).unwrap();
    }
    let kept: BTreeSet<String> = registry.jobs().into_iter().map(|job| job.id).collect();
    assert_eq!(kept.len(), 101);
    assert!(kept.contains(&plans[0].job) && kept.contains(&plans[119].job));
    assert!(!kept.contains(&plans[1].job));
    drop(running);
}

#[test]
fn a_log_is_left_in_the_first_folder_that_has_all() {
    let mut report = crate::notification::test_report();
    assert_eq!(
        log_left(&report),
        (None, Some("ftp://h/pub/Fedora-43".to_owned()))
    );
    report.deliveries[1].error = None;
    report.deliveries[1].folder = Some("/srv/Fedora-43".into());
    let (log, _) = log_left(&report);
    assert_eq!(log, Some(PathBuf::from("/srv/Fedora-43").join(&report.log)));
    report.deliveries.clear();
    report.kept_in = Some("/var/tmp/fbs/x".into());
    let (log, place) = log_left(&report);
    assert_eq!(log, Some(PathBuf::from("/var/tmp/fbs/x").join(&report.log)));
    assert_eq!(place, None);
}
