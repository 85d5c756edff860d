//! Builds that are stopped, from inside and from outside: what was started ends, what was made
//! goes, and the log and the report are delivered all the same.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use fbs_suite::command::eventually;
use fbs_suite::processes::{self, Process};
use fbs_suite::tools::Stubs;
use fbs_suite::{Delivery, Folders, Program, Running, fake, need, release, turn};
use image_builder::events::{BuildEvent, EventKind, Events, Stage};
use image_builder::imagebuilder::ImageBuilder;
use image_builder::plan::PlanOptions;
use image_builder::process::{
    CommandError, CommandRunner, Completed, Invocation, OutputSink, SystemRunner,
};
use image_builder::spec::{BuildSpec, Override};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio_util::sync::CancellationToken;

/// How long a stopped build may take to end; a program has 1.5 s to do so.
const SOON: Duration = Duration::from_secs(5);

/// In the command line of a virtual machine that boots the image, and of no other.
const BOOT: &str = "-serial chardev:serial";

/// Starts a build with events, and comes back when `command` of `stage` runs.
fn start(build: Program, stage: &str, command: &str) -> Running {
    let mut running = build.arg("--json").start();
    running.wait_for_command(stage, command);
    running
}

/// A build whose root is a fake, made in a moment: for what comes after it.
fn fake_build(folders: &Folders) -> Program {
    let stubs = fake::root(Stubs::new(folders.top()));
    folders.build().env("PATH", stubs.path())
}

/// A build whose root may be there already, and whose initramfs is not: no build but such that are stopped
/// asks for this one.
fn initramfs_build(folders: &Folders) -> Program {
    folders.build().set("compression", "zstd:7")
}

/// A build with a fake root that takes half a minute to pack.
fn long_packing(folders: &Folders) -> Program {
    fake_build(folders)
        .set("compression", "zstd:19")
        .env("FBS_STUB_MIB", "200")
}

/// A build with an xorriso that hangs: the real one is done too soon to be caught at work.
fn long_writing(folders: &Folders) -> Program {
    let stubs = fake::root(Stubs::new(folders.top())).script("xorriso", "sleep 600 & wait");
    folders.build().env("PATH", stubs.path())
}

/// The process of the test's build with this name, once it runs.
fn process(top: &Path, name: &str) -> Process {
    let find = || {
        let all = processes::of(top);
        all.into_iter().find(|process| process.name == name)
    };
    let what = format!("{name} runs");
    eventually(&what, Duration::from_secs(20), || find().is_some());
    find().unwrap_or_else(|| panic!("{name} has ended too soon"))
}

/// What is true of every build that was cancelled.
fn is_cancelled(folders: &Folders, mut running: Running, signal: Signal, stage: &str) -> Delivery {
    let before = Instant::now();
    running.signal(signal);
    running.wait_for("the stage's end", |event| {
        event["event"] == "stage_finished" && event["stage"] == stage
    });
    let took = before.elapsed();
    assert!(took < SOON, "{took:?} after {signal} in {stage}");
    // Then the work folder is cleared away, which takes as long as the disk does.
    let done = running.finish();
    done.assert_exit(130)
        .assert_says(&["error: the build was cancelled"]);
    folders.assert_nothing_left();
    let events = done.events();
    let last = events.last().unwrap();
    assert_eq!(last["event"], "job_finished", "{done}");
    assert_eq!(last["outcome"], "cancelled", "{done}");

    let delivery = folders.delivery();
    delivery.assert_outcome("cancelled");
    delivery.assert_says(&["the build was cancelled"]);
    delivery.assert_files();
    let stages = delivery.report["stages"].as_array().unwrap();
    let stopped = stages.iter().find(|record| record["stage"] == stage);
    assert_eq!(stopped.unwrap()["outcome"], "cancelled", "{stages:#?}");
    // An image that has not been through its boot test is not handed over.
    assert_eq!(delivery.iso(), None);
    assert!(stage == "boot_test" || !folders.outdir().exists());
    delivery
}

/// A repository that answers the first question and no other.
fn stuck_repository() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/os", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = stream;
            if open.is_empty() {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
            }
            open.push(stream);
        }
    });
    url
}

/// Stops a build in `stage`, while `command` runs as the process `name`.
fn stop(
    folders: &Folders,
    build: Program,
    stage: &str,
    command: &str,
    name: &str,
    signal: Signal,
) -> Delivery {
    let build = build.arg("--outdir").arg(folders.outdir());
    let running = start(build, stage, command);
    process(folders.top(), name);
    is_cancelled(folders, running, signal, stage)
}

#[test]
fn stopped_while_a_repository_does_not_answer() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let folders = Folders::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/os", listener.local_addr().unwrap());
        let running = folders.build_from(&url).start();
        let _asked = listener.accept().unwrap();
        let before = Instant::now();
        running.signal(signal);
        let done = running.finish();
        let took = before.elapsed();
        assert!(took < SOON, "{took:?} after {signal}");
        done.assert_exit(130)
            .assert_one_error()
            .assert_says(&["error: the build was cancelled"]);
        // Nothing was begun.
        folders.assert_no_delivery();
        folders.assert_nothing_left();
    }
}

#[test]
fn stopped_while_packages_are_fetched() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let folders = Folders::new();
    let build = folders.build_from(&stuck_repository());
    let signal = Signal::SIGINT;
    stop(&folders, build, "packages", "--downloadonly", "dnf", signal);
}

#[test]
fn stopped_while_a_scriptlet_sleeps() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let _turn = turn::take();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let folders = Folders::new();
        let build = folders.faulty_build("fbs-slow-post");
        stop(&folders, build, "root", "bwrap", "sleep", signal);
    }
}

#[test]
fn stopped_while_dracut_runs() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let _turn = turn::take();
    let folders = Folders::warm();
    let build = initramfs_build(&folders);
    let signal = Signal::SIGTERM;
    stop(&folders, build, "initramfs", "dracut", "dracut", signal);
}

#[test]
fn stopped_while_the_root_is_packed() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let _turn = turn::take();
    let folders = Folders::new();
    let build = long_packing(&folders).arg("--json");
    let mut running = build.arg("--outdir").arg(folders.outdir()).start();
    running.wait_for_progress("root_image");
    is_cancelled(&folders, running, Signal::SIGINT, "root_image");
}

#[test]
fn stopped_while_the_iso_is_written() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let _turn = turn::take();
    let folders = Folders::new();
    let (build, signal) = (long_writing(&folders), Signal::SIGTERM);
    stop(&folders, build, "iso", "xorriso", "xorriso", signal);
}

#[test]
fn stopped_while_the_image_is_read_back() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let folders = Folders::new();
    let name = "unsquashfs";
    let stubs = fake::root(Stubs::new(folders.top())).script(name, "sleep 600 & wait");
    let build = folders.build().env("PATH", stubs.path());
    stop(&folders, build, "verify", name, name, Signal::SIGINT);
}

/// Starts every program with the stubs in its PATH.
#[derive(Debug)]
struct WithStubs(Stubs);

#[async_trait]
impl CommandRunner for WithStubs {
    async fn run(
        &self,
        invocation: &Invocation,
        output: Arc<dyn OutputSink>,
        cancel: &CancellationToken,
    ) -> Result<Completed, CommandError> {
        let path = self.0.path().to_string_lossy().into_owned();
        let invocation = invocation.clone().env("PATH", path);
        SystemRunner.run(&invocation, output, cancel).await
    }
}

/// A delivery is done in a moment, so the library itself is stopped, at its event.
#[tokio::test]
async fn stopped_while_the_image_is_delivered() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let folders = Folders::new();
    let set = [
        ("99_url", release::packages()),
        ("backend", "native".to_owned()),
        ("workdir", folders.work().display().to_string()),
        ("staging", folders.staging().display().to_string()),
        ("outdir", folders.outdir().display().to_string()),
    ];
    let set = set.map(|(key, value)| Override::new(key, value));
    let spec = BuildSpec::load_with(folders.spec(), &set).unwrap();
    let options = PlanOptions {
        cache_dir: folders.cache(),
        ..PlanOptions::from_environment()
    };
    let cancel = CancellationToken::new();
    let events = Events::new();
    events.add_sink(Arc::new({
        let (cancel, stage) = (cancel.clone(), Stage::Transfer);
        move |event: &BuildEvent| {
            if event.kind == (EventKind::StageStarted { stage }) {
                cancel.cancel();
            }
        }
    }));
    let stubs = fake::root(Stubs::new(folders.top()));
    let builder = ImageBuilder::new(spec)
        .with_options(options)
        .with_events(events)
        .with_cancel(cancel)
        .with_runner(Arc::new(WithStubs(stubs)));
    let failure = builder
        .build(&builder.plan().await.unwrap())
        .await
        .unwrap_err();
    assert_eq!(failure.error.to_string(), "the build was cancelled");
    folders.assert_nothing_left();
    let delivery = folders.delivery();
    delivery.assert_outcome("cancelled").assert_files();
    assert_eq!(delivery.iso(), None);
    assert!(!folders.outdir().exists());
}

#[test]
fn stopped_while_the_image_boots() {
    if !need::met(&[need::BUILD, need::BOOT]) {
        return;
    }
    let _turn = turn::take();
    let folders = Folders::new();
    // It has no system to start, and would be given its ten minutes.
    let build = fake_build(&folders).set("boot_test", "bios");
    let (name, signal) = ("qemu-system-x86", Signal::SIGINT);
    let delivery = stop(&folders, build, "boot_test", BOOT, name, signal);
    // The finished image is in the tree, and nowhere else.
    assert_eq!(
        delivery.report["tree"],
        folders.outdir().display().to_string()
    );
    assert!(folders.outdir().join("images/boot.iso").is_file());
    assert!(delivery.log.contains("the image is not delivered"));
    // What the machine has said so far is worth reading.
    let names = delivery.names();
    assert!(
        names.contains(&"boot-bios.serial.log".to_owned()),
        "{names:?}"
    );
}

/// Kills `name` from outside while it runs in `stage`; the error has all of `words`.
fn kill_from_outside(folders: &Folders, build: Program, stage: &str, name: &str, words: &[&str]) {
    let running = start(build, stage, "");
    let victim = process(folders.top(), name);
    kill(Pid::from_raw(victim.pid), Signal::SIGKILL).unwrap();
    let done = running.finish();
    done.assert_exit(1).assert_one_error().assert_says(words);
    folders.assert_nothing_left();
    let delivery = folders.delivery();
    delivery.assert_outcome("failed").assert_says(words);
    assert_eq!(delivery.report["error"]["stage"], stage);
    delivery.assert_files();
}

#[test]
fn a_program_that_is_killed_is_named_with_its_signal() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let _turn = turn::take();
    // In a sandbox the program's parent tells, by a status above 128.
    let folders = Folders::warm();
    let build = initramfs_build(&folders);
    let words = ["bwrap ... -- dracut", "signal 9 (SIGKILL)"];
    kill_from_outside(&folders, build, "initramfs", "dracut", &words);

    let folders = Folders::new();
    let build = long_writing(&folders);
    let words = ["`xorriso ", "signal 9 (SIGKILL)"];
    kill_from_outside(&folders, build, "iso", "xorriso", &words);
}

#[test]
fn a_virtual_machine_that_is_killed_is_no_pass() {
    if !need::met(&[need::BUILD, need::BOOT]) {
        return;
    }
    let _turn = turn::take();
    let folders = Folders::new();
    let build = fake_build(&folders).set("boot_test", "bios");
    let running = start(build, "boot_test", BOOT);
    let victim = process(folders.top(), "qemu-system-x86");
    kill(Pid::from_raw(victim.pid), Signal::SIGKILL).unwrap();
    let done = running.finish();
    let words = ["qemu-system-x86_64", "signal 9 (SIGKILL)"];
    done.assert_exit(1).assert_one_error().assert_says(&words);
    let delivery = folders.delivery();
    delivery.assert_outcome("failed").assert_says(&words);
    delivery.assert_files();
    folders.assert_nothing_left();
}

#[test]
fn no_process_and_no_mount_outlives_a_killed_fbs() {
    if !need::met(&[need::BUILD]) {
        return;
    }
    let _turn = turn::take();
    let folders = Folders::new();
    let running = start(folders.faulty_build("fbs-slow-post"), "root", "bwrap");
    process(folders.top(), "sleep");
    running.signal(Signal::SIGKILL);
    let done = running.finish();
    assert_eq!(done.code, None, "{done}");
    folders.assert_no_process();
    assert_eq!(processes::mounts(folders.top()), [] as [String; 0]);
    // Nobody was left to clear the folder away; a new build of the same spec is not in its way.
    let again = folders.faulty_build("no-such-package").run();
    again.assert_exit(1).assert_says(&["no-such-package"]);
}
