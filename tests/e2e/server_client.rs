//! `fbs --server`: the service asked from a command line, as if the build were here.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use fbs_suite::command::eventually;
use fbs_suite::need::Need;
use fbs_suite::tools::Stubs;
use fbs_suite::{Folders, Program, Running, binaries, fake, need, release};
use hub::Hub;
use mini_release::{Repository, Server};
use nix::sys::signal::Signal;

const NEEDS: &[Need] = &[Need::Tool("rpm")];

/// A service whose builds are quick: their slow half is made by stubs.
pub(crate) struct Site {
    pub(crate) folders: Folders,
    packages: Server,
    _hub: Hub,
    pub(crate) service: Running,
    pub(crate) address: String,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::configured("", |_| {})
    }

    /// One with this configuration, in whose folders something was made ready before it begins.
    pub(crate) fn configured(config: &str, make_ready: impl FnOnce(&Folders)) -> Self {
        let folders = Folders::new();
        make_ready(&folders);
        let stubs = fake::root(Stubs::new(folders.top()));
        let hub = Hub::empty().unwrap();
        let mut service = Program::new(binaries::fbs_http())
            .args(["--listen", "127.0.0.1:0", "--release", "99"])
            .env("FBS_CACHE_DIR", folders.cache())
            .env("FBS_STATE_DIR", folders.state())
            .env("FBS_CONFIG", folders.file("fbs.toml", config))
            .env("TMPDIR", folders.top())
            .env("FBS_KOJI_HUB", hub.hub_url())
            .env("FBS_KOJI_FILES", hub.files_url())
            .env("PATH", stubs.path())
            .without_env("FBS_BROKER")
            .folder(folders.top())
            .start();
        let line = service.wait_for_stderr("listening on http://");
        let address = line.rsplit(' ').next().unwrap().to_owned();
        let packages = Server::start(release::mini().root()).unwrap();
        Self {
            folders,
            packages,
            _hub: hub,
            service,
            address,
        }
    }

    /// `fbs COMMAND --server`, with a state folder of its own: this host has built nothing.
    pub(crate) fn fbs(&self, command: &str) -> Program {
        let program = self.folders.fbs(command);
        program
            .env("FBS_STATE_DIR", self.folders.top().join("client"))
            .args(["--server", &self.address])
    }

    pub(crate) fn spec(&self, release: &str) -> PathBuf {
        spec(&self.folders, &self.packages, release)
    }
}

/// A spec of a release, of what `packages` serves.
pub(crate) fn spec(folders: &Folders, packages: &Server, release: &str) -> PathBuf {
    let folder = release::mini().folder(Repository::Release);
    let url = format!("{}/{folder}", packages.url());
    let text = format!(
        "[DEFAULT]\ntype=boot\nrelease={release}\narch=x86_64\nboot_test=none\nbackend=native\n{release}_url={url}\n"
    );
    folders.file(&format!("{release}.conf"), text)
}

#[test]
fn a_build_elsewhere_is_followed_as_if_it_were_here() {
    if !need::met(&[need::BUILD, NEEDS]) {
        return;
    }
    let site = Site::new();
    let done = site.fbs("submit").arg(site.spec("99")).arg("--wait").run();
    done.assert_exit(0).assert_says(&["Fedora 99", "succeeded"]);
    let job = done.stdout[0].clone();
    let log = fs::read_to_string(site.folders.top().join("imagebuilder.log")).unwrap();
    assert!(log.contains(&format!("Job {job}: boot image")), "{log}");
    let last = log.lines().next_back().unwrap();
    assert!(last.contains("Image build succeeded"), "{log}");
    done.assert_shows(&log).assert_says(&["\nrunning at "]);
    for follow in [&[][..], &["-f"]] {
        let again = site.fbs("logs").arg(&job).args(follow).run();
        assert_eq!(again.assert_exit(0).stdout.join("\n") + "\n", log);
        let nowhere = site.fbs("logs").arg(&job).args(follow).without_room().run();
        nowhere
            .assert_exit(3)
            .assert_one_error()
            .assert_says(&["standard output: No space left on device"]);
    }
    let status = site.fbs("status").arg(&job).run();
    status.assert_exit(0);
    assert_eq!(status.stdout[0], job);
    assert_eq!(status.stdout[2], "succeeded");
    assert!(status.stdout[3].starts_with("delivered to "), "{status}");
    // The same by the environment; what is named on the command line goes first.
    let jobs = site
        .folders
        .fbs("jobs")
        .env("FBS_SERVER", &site.address)
        .arg("--json")
        .run();
    let jobs = jobs.assert_exit(0).events();
    assert_eq!(jobs.len(), 1);
    assert_eq!(
        (&jobs[0]["id"], &jobs[0]["state"]),
        (&job.as_str().into(), &"succeeded".into())
    );
    let local = site.folders.fbs("jobs").env("FBS_SERVER", &site.address);
    let local = local
        .env("FBS_STATE_DIR", site.folders.top().join("client"))
        .arg("--local")
        .run();
    assert_eq!(local.assert_exit(0).stdout.len(), 0);
    let again = site.fbs("retry").arg(&job).run();
    let again = again.assert_exit(0).stdout[0].clone();
    assert_ne!(again, job);
    eventually("it is built again", Duration::from_secs(60), || {
        let status = site.fbs("status").arg(&again).arg("--json").run().json();
        status["state"] == "succeeded"
    });
    let workers = site.fbs("workers").run();
    assert!(
        workers.assert_exit(0).stdout[0].contains("x86_64/99"),
        "{workers}"
    );
    // Who does not want to wait any longer leaves the job where it is.
    let waiting = site.fbs("submit").arg(site.spec("41")).arg("--wait");
    let mut waiting = waiting.start();
    waiting.wait_for_stderr("queued: no worker serves x86_64/41; it is the next");
    waiting.signal(Signal::SIGINT);
    waiting
        .finish()
        .assert_exit(130)
        .assert_says(&["the job goes on"]);
}

#[test]
fn what_the_service_does_not_do_is_told_with_the_exit_code_of_a_local_build() {
    if !need::met(&[need::BUILD, NEEDS]) {
        return;
    }
    let site = Site::new();
    // Nobody serves this release.
    let waiting = site.fbs("submit").arg(site.spec("98")).run();
    let waiting = waiting.assert_exit(0).stdout[0].clone();
    let status = site.fbs("status").arg(&waiting).run();
    let reason = "queued: no worker serves x86_64/98; it is the next";
    assert_eq!(status.assert_exit(0).stdout[2], reason);
    let log = site.fbs("logs").arg(&waiting).run();
    log.assert_one_error();
    let early = site.fbs("retry").arg(&waiting).run();
    early
        .assert_exit(1)
        .assert_one_error()
        .assert_says(&["has not ended"]);
    let cancelled = site
        .fbs("cancel")
        .args([&waiting, "--reason", "a mistake"])
        .run();
    cancelled.assert_exit(0).assert_says(&["cancelled"]);
    let status = site.fbs("status").arg(&waiting).run();
    assert!(
        status
            .stdout
            .iter()
            .any(|line| line.ends_with(": a mistake")),
        "{status}"
    );
    let twice = site.fbs("cancel").arg(&waiting).run();
    twice
        .assert_exit(1)
        .assert_one_error()
        .assert_says(&["already"]);
    for id in ["a-1", "../../etc/passwd", "%"] {
        let unknown = site.fbs("status").arg(id).run();
        unknown.assert_exit(2).assert_one_error();
    }
    let spool = site.fbs("submit").arg(site.spec("99")).arg("--spool").run();
    spool
        .assert_exit(2)
        .assert_one_error()
        .assert_says(&["--spool"]);
    let wrong = site.fbs("submit").arg(site.spec("99"));
    let wrong = wrong.args(["--set", "staging=/srv/images"]).run();
    wrong.assert_exit(2).assert_says(&["staging"]);
    let both = site.fbs("jobs").arg("--local").run();
    both.assert_exit(2);
    let nonsense = site.folders.fbs("jobs").args(["--server", "builds"]).run();
    nonsense
        .assert_exit(2)
        .assert_one_error()
        .assert_says(&["https://builds.example.org"]);
    // Some other server.
    let other = site
        .folders
        .fbs("jobs")
        .args(["--server", &site.packages.url()])
        .run();
    other.assert_exit(2).assert_one_error();
    site.service.signal(Signal::SIGTERM);
    let address = site.address.clone();
    let (folders, spec) = (&site.folders, site.spec("99"));
    site.service.finish().assert_exit(0);
    let gone = folders
        .fbs("submit")
        .args(["--server", &address])
        .arg(spec)
        .run();
    gone.assert_exit(4)
        .assert_one_error()
        .assert_says(&["cannot be reached"]);
}
