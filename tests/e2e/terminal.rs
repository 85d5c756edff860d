//! What a terminal shows of a build, wherever it is made.

use std::fs;
use std::time::Duration;

use fbs_suite::command::eventually;
use fbs_suite::need::Need;
use fbs_suite::tools::Stubs;
use fbs_suite::{Folders, Program, fake, need, release, turn};
use mini_release::Server;
use nix::sys::signal::Signal;

use crate::server_client::{Site, spec};

const NEEDS: &[Need] = &[Need::Tool("script")];

/// Runs what builds an image while half of its packages are installed, and until it has ended. Gives what was shown.
fn watched(folders: &Folders, build: Program) -> String {
    let typescript = folders.top().join("typescript");
    let hold = folders.file("hold", "");
    let shown = || {
        let bytes = fs::read(&typescript).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let build = build.in_a_terminal(&typescript).start();
    eventually("the bar is shown", Duration::from_secs(60), || {
        let shown = shown();
        shown.contains("installing the root [===") && shown.contains("60/121 packages")
    });
    fs::remove_file(hold).unwrap();
    build.finish().assert_exit(0);
    let shown = shown();
    for words in [
        "checking the host and the repositories: ",
        "installing the root: ",
    ] {
        assert!(shown.contains(words), "{shown}");
    }
    shown
}

#[test]
fn a_build_of_this_host_has_a_bar() {
    if !need::met(&[need::BUILD, NEEDS]) {
        return;
    }
    let _turn = turn::take();
    let folders = Folders::new();
    let stubs = fake::root(Stubs::new(folders.top()));
    watched(&folders, folders.build().env("PATH", stubs.path()));
}

#[test]
fn a_job_of_a_queue_that_is_waited_for_has_the_bar_of_a_build() {
    if !need::met(&[need::BUILD, NEEDS]) {
        return;
    }
    let _turn = turn::take();
    let folders = Folders::new();
    let stubs = fake::root(Stubs::new(folders.top()));
    let packages = Server::start(release::mini().root()).unwrap();
    let worker = folders
        .fbs("worker")
        .args(["--local", "--release", "99", "--workdir"])
        .arg(folders.work())
        .env("PATH", stubs.path())
        .start();
    let spec = spec(&folders, &packages, "99");
    let shown = watched(
        &folders,
        folders.fbs("submit").arg(spec).args(["--local", "--wait"]),
    );
    assert!(shown.contains("running at "), "{shown}");
    worker.signal(Signal::SIGTERM);
    worker.finish().assert_exit(0);
}

#[test]
fn a_job_of_a_service_that_is_waited_for_has_the_bar_of_a_build() {
    if !need::met(&[need::BUILD, NEEDS]) {
        return;
    }
    let site = Site::new();
    let submit = site.fbs("submit").arg(site.spec("99")).arg("--wait");
    let shown = watched(&site.folders, submit);
    assert!(shown.contains("running at "), "{shown}");
}
