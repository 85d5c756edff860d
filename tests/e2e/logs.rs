//! `fbs logs`: the log of a build from another terminal, while it runs and after its end.

use std::fs;
use std::time::Duration;

use fbs_suite::command::eventually;
use fbs_suite::tools::Stubs;
use fbs_suite::{Finished, Folders, Running, fake, need, turn};
use nix::sys::signal::Signal;

/// A build of a fake root that stops at the ISO until the file `go` is in the test's folder.
fn waiting_build(folders: &Folders) -> Running {
    let wait =
        "while [ ! -e \"$(dirname \"$0\")/../go\" ]; do sleep 0.02; done\nexec {real} \"$@\"";
    let stubs = fake::root(Stubs::new(folders.top())).script("xorriso", wait);
    let build = folders.build().env("PATH", stubs.path()).arg("--json");
    let mut running = build.start();
    running.wait_for_command("iso", "xorriso");
    running
}

fn logs(folders: &Folders, args: &[&str]) -> Finished {
    folders.fbs("logs").args(args).run()
}

/// Whether a process has a log open.
fn has_log_open(pid: u32) -> bool {
    let open = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten();
    open.filter_map(|file| fs::read_link(file.ok()?.path()).ok())
        .any(|path| path.extension().is_some_and(|end| end == "log"))
}

#[test]
fn a_log_is_followed_to_its_end_and_found_after_it() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let _turn = turn::take();
    let folders = Folders::new();
    logs(&folders, &[])
        .assert_exit(2)
        .assert_one_error()
        .assert_says(&["no build is known"]);
    let build = waiting_build(&folders);
    let follower = folders.fbs("logs").arg("-f").start();
    let pid = follower.pid();
    eventually("the log is open", Duration::from_secs(20), || {
        has_log_open(pid)
    });
    let so_far = logs(&folders, &[]);
    so_far.assert_exit(0);
    folders.file("go", "");
    build.finish().assert_exit(0);
    let followed = follower.finish();
    followed.assert_exit(0);
    let delivery = folders.delivery();
    // Not a line twice, none missing, though the log has moved.
    let lines: Vec<&str> = delivery.log.lines().collect();
    assert_eq!(followed.stdout, lines);
    assert!(lines.last().unwrap().contains("Image build succeeded"));
    assert_eq!(so_far.stdout, lines[..so_far.stdout.len()]);
    assert!(!so_far.stdout.is_empty() && so_far.stdout.len() < lines.len());

    let job = delivery.report["job"].as_str().unwrap();
    for args in [&[][..], &["-f"], &[job], &["--follow", job]] {
        let shown = logs(&folders, args);
        assert_eq!(shown.assert_exit(0).stdout, lines, "{args:?}");
    }
    for unknown in ["20260101T000000-abcdef", "../../../etc/passwd", "x/y", ""] {
        logs(&folders, &[unknown])
            .assert_exit(2)
            .assert_one_error()
            .assert_says(&["no job", "known on this host", job]);
    }
    fs::remove_dir_all(&delivery.folder).unwrap();
    logs(&folders, &[job])
        .assert_exit(1)
        .assert_one_error()
        .assert_says(&[job, "any more", "delivered to"]);
}

#[test]
fn a_build_that_was_killed_is_not_waited_for() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let _turn = turn::take();
    let folders = Folders::new();
    let build = waiting_build(&folders);
    let follower = folders.fbs("logs").arg("-f").start();
    let pid = follower.pid();
    eventually("the log is open", Duration::from_secs(20), || {
        has_log_open(pid)
    });
    build.signal(Signal::SIGKILL);
    drop(build);
    // Its stub waits for this, and for nobody.
    folders.file("go", "");
    let followed = follower.finish();
    followed
        .assert_exit(1)
        .assert_one_error()
        .assert_says(&["is gone"]);
    assert!(followed.stdout.iter().any(|line| line.contains("== iso")));
    folders.assert_no_process();
}
