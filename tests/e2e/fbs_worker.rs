//! Workers of one machine: what they say of their jobs, what they show, and what they do when they cannot go on.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use fbs_suite::command::eventually;
use fbs_suite::ftp::{Options, Vsftpd};
use fbs_suite::need::Need;
use fbs_suite::smtp::MailServer;
use fbs_suite::tools::Stubs;
use fbs_suite::{Folders, Program, Running, fake, need, release, turn};
use mini_release::{Repository, Server};
use nix::sys::signal::Signal;
use serde_json::Value;

const NEEDS: &[Need] = &[Need::Tool("curl"), Need::Tool("python3")];

/// A queue in a file, and workers with folders of their own.
struct Host {
    folders: Folders,
    packages: Server,
    config: PathBuf,
}

impl Host {
    /// One whose workers tell people by `server`.
    fn new(server: &MailServer) -> Self {
        let folders = Folders::new();
        let text = format!(
            "[work]\nin_memory = false\n[worker]\nmin_free = \"10M\"\nstaging = [{:?}]\n\
             [smtp]\nserver = \"127.0.0.1\"\nport = {}\nsecurity = \"none\"\nfrom = \"fbs@example.test\"\n",
            folders.staging(),
            server.port()
        );
        let config = folders.file("fbs.toml", text);
        Self {
            packages: Server::start(release::mini().root()).unwrap(),
            folders,
            config,
        }
    }

    fn fbs(&self, command: &str) -> Program {
        let program = self.folders.fbs(command).arg("--local");
        program.env("FBS_CONFIG", &self.config)
    }

    fn worker(&self, name: &str) -> Program {
        let work = self.folders.top().join(name);
        fs::create_dir(&work).unwrap();
        self.fbs("worker")
            .args(["--release", "99", "--name", name, "--workdir"])
            .arg(work)
    }

    /// A worker whose builds are of the fake root, behind `first`, which stands before its tools.
    fn fake_worker(&self, name: &str, first: Option<(&str, &str)>) -> Program {
        let folder = self.folders.top().join(format!("{name}-tools"));
        fs::create_dir(&folder).unwrap();
        let stubs = fake::root(Stubs::new(&folder));
        let stubs = match first {
            Some((tool, script)) => stubs.script(tool, script),
            None => stubs,
        };
        self.worker(name).env("PATH", stubs.path())
    }

    fn spec(&self, release: &str, keys: &str) -> PathBuf {
        let text = format!(
            "[DEFAULT]\ntype=boot\nrelease={release}\narch=x86_64\nboot_test=none\nbackend=native\n\
             {release}_url={}/{}\n{keys}",
            self.packages.url(),
            release::mini().folder(Repository::Release)
        );
        self.folders.file(&format!("{release}.conf"), text)
    }

    fn submit(&self, spec: &PathBuf, args: &[&str]) -> String {
        let done = self.fbs("submit").arg(spec).args(args).run();
        done.assert_exit(0).stdout[0].clone()
    }

    fn job(&self, id: &str) -> Value {
        let done = self.fbs("status").args([id, "--json"]).run();
        done.assert_exit(0).json()
    }

    fn wait_for(&self, id: &str, state: &str) -> Value {
        let since = Instant::now();
        loop {
            let job = self.job(id);
            if job["state"] == state {
                return job;
            }
            let patience = Duration::from_secs(90);
            assert!(since.elapsed() < patience, "{state} is awaited:\n{job:#}");
            thread::sleep(Duration::from_millis(200));
        }
    }
}

fn end(worker: Running) {
    worker.signal(Signal::SIGTERM);
    worker.finish().assert_exit(0);
}

/// The status of what `curl` gets, and what it gets until its time is over.
fn get(url: &str, args: &[&str]) -> (String, String) {
    let done = Program::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--path-as-is",
            "--max-time",
            "60",
        ])
        .args(["--write-out", "\n%{http_code}"])
        .args(args)
        .arg(url)
        .run();
    let out_of_time = 28;
    let code = if done.code == Some(out_of_time) {
        out_of_time
    } else {
        0
    };
    done.assert_exit(code);
    let text = done.stdout.join("\n");
    let (body, status) = text.rsplit_once('\n').unwrap_or(("", &text));
    (status.to_owned(), body.to_owned())
}

#[test]
fn one_of_the_workers_tells_of_jobs_that_none_of_them_had() {
    if !need::met(&[NEEDS]) {
        return;
    }
    let mut server = MailServer::open();
    let host = Host::new(&server);
    let workers = ["anna", "ben", "carl"].map(|name| host.worker(name).start());
    // Nobody serves this release.
    let spec = host.spec("98", "email=qa@example.test\n");
    let cancelled = host.submit(&spec, &[]);
    let submitted = server.mail();
    submitted.assert_proper();
    assert_eq!(
        submitted.header("Subject"),
        "[fbs] submitted: boot image of Fedora 98 (x86_64)"
    );
    let text = submitted.text("text/plain");
    assert!(text.contains(&format!("fbs logs -f {cancelled}")), "{text}");
    host.fbs("cancel")
        .args([&cancelled, "--reason", "a mistake"])
        .run()
        .assert_exit(0);
    let mail = server.mail();
    mail.assert_proper();
    assert_eq!(
        mail.header("Subject"),
        "[fbs] cancelled: boot image of Fedora 98 (x86_64)"
    );
    assert!(mail.text("text/plain").contains(": a mistake"), "{mail:?}");
    assert_eq!(mail.header("References"), submitted.header("Message-ID"));
    // One whose time is over before anybody has begun with it.
    let late = host.submit(&spec, &["--deadline", "2s"]);
    let subjects = |mails: &[fbs_suite::smtp::Mail]| -> BTreeSet<(String, String)> {
        mails
            .iter()
            .map(|mail| (mail.header("X-FBS-Job"), mail.header("X-FBS-Event")))
            .collect()
    };
    let both = [server.mail(), server.mail()];
    let expected = ["submitted", "failed"].map(|_| late.clone());
    let kinds = ["queued", "failed"].map(str::to_owned);
    assert_eq!(subjects(&both), expected.into_iter().zip(kinds).collect());
    let failed = both
        .iter()
        .find(|mail| mail.header("X-FBS-Event") == "failed");
    let text = failed.unwrap().text("text/plain").to_owned();
    assert!(
        text.contains("its deadline passed while it waited"),
        "{text}"
    );
    assert_eq!(host.job(&late)["ending"]["exit_code"], 1);
    // Whatever was told twice would have come before this.
    let last = host.submit(&spec, &[]);
    assert_eq!(server.mail().header("X-FBS-Job"), last);
    workers.into_iter().for_each(end);
}

#[test]
fn a_job_that_cannot_be_built_here_goes_elsewhere_and_nobody_is_told_that_it_failed() {
    if !need::met(&[need::BUILD, NEEDS, &[Need::Tool("unshare")]]) {
        return;
    }
    let _turn = turn::take();
    let mut server = MailServer::open();
    let host = Host::new(&server);
    let job = host.submit(&host.spec("99", "email=qa@example.test\n"), &[]);
    // Too small to begin with; and large enough to begin with.
    let tiny = host.fake_worker("tiny", None);
    let tiny = tiny
        .on_a_disk(&host.folders.top().join("tiny"), "300m")
        .start();
    let handed_back = |by: &str| {
        let job = host.job(&job);
        let history = job["history"].as_array().unwrap();
        let words = format!("handed back by {by}: ");
        history.iter().any(|step| {
            let cause = step["cause"].as_str().unwrap();
            cause.starts_with(&words)
        })
    };
    let patience = Duration::from_secs(60);
    eventually("tiny hands back", patience, || handed_back("tiny"));
    let small = host.fake_worker("small", None).env("FBS_STUB_MIB", "1500");
    let small = small
        .on_a_disk(&host.folders.top().join("small"), "1100m")
        .start();
    eventually("small hands back", patience, || handed_back("small"));
    let large = host.fake_worker("large", None).start();
    let done = host.wait_for(&job, "succeeded");
    assert_eq!(done["runs"], 1, "{done:#}");
    let kinds = [server.mail(), server.mail()].map(|mail| mail.header("X-FBS-Event"));
    assert_eq!(kinds, ["queued", "complete"]);
    assert_eq!(host.folders.deliveries().len(), 1);
    [tiny, small, large].into_iter().for_each(end);
}

/// Making the UEFI partition takes three seconds more, and says so.
const SLOW: (&str, &str) = (
    "mkfs.vfat",
    "for n in 1 2 3 4 5 6; do echo \"packed $n\"; sleep 0.5; done\nexec {real} \"$@\"",
);

/// Where a worker shows the log of a job.
fn link(worker: &mut Running, job: &str) -> String {
    let line = worker.wait_for_stderr("logs of its jobs: ");
    let url = line.trim_start_matches("logs of its jobs: ");
    url.replace("JOB", job)
}

#[test]
fn a_log_is_read_over_http_while_it_grows_and_nothing_else_is() {
    if !need::met(&[need::BUILD, NEEDS]) {
        return;
    }
    let mut server = MailServer::open();
    let host = Host::new(&server);
    let worker = host.fake_worker("anna", Some(SLOW));
    let mut worker = worker.args(["--monitor", "127.0.0.1:0"]).start();
    let job = host.submit(&host.spec("99", "email=qa@example.test\n"), &[]);
    let link = link(&mut worker, &job);
    // The mail has the link. Whether it was submitted or begun is told first is left to chance.
    let mails = [server.mail(), server.mail()];
    let started = mails
        .iter()
        .find(|mail| mail.header("X-FBS-Event") == "started");
    let text = started.expect("it began").text("text/plain");
    assert!(text.contains(&link), "{text}");
    // It is there before the job has ended, and whole when it has.
    let following = Program::new("curl").args(["--silent", "--no-buffer", &link]);
    let following = following.start();
    let early = get(&link, &["--max-time", "1"]).1;
    assert!(early.contains("Image type:: boot"), "{early}");
    assert!(!early.contains("Image build succeeded"), "{early}");
    let kept = host.folders.top().join(format!("anna/logs/{job}.log"));
    let log = following.finish().assert_exit(0).stdout.join("\n") + "\n";
    assert_eq!(log, fs::read_to_string(&kept).unwrap());
    assert!(log.contains("packed 6"), "{log}");
    assert_eq!(host.wait_for(&job, "succeeded")["runs"], 1);
    // The same as events; and from an event on, no line twice and none missing.
    let events = format!("{link}/events");
    let (status, all) = get(&events, &[]);
    assert_eq!(status, "200");
    assert_eq!(data(&all), log.trim_end_matches('\n'));
    assert!(
        all.contains("\nevent:end\n") || all.contains("\nevent: end\n"),
        "{all}"
    );
    let middle = log.find("packed 4").unwrap();
    let middle = log[..middle].rfind('\n').unwrap() + 1;
    let (_, rest) = get(&events, &["--header", &format!("Last-Event-ID: {middle}")]);
    assert_eq!(data(&rest), log[middle..].trim_end_matches('\n'));
    let (status, _) = get(&events, &["--header", "Last-Event-ID: x"]);
    assert_eq!(status, "400");
    // Nothing else is served.
    let base = link.split("/jobs/").next().unwrap().to_owned();
    let name = format!("{job}.log");
    for path in [
        "/".to_owned(),
        "/jobs".to_owned(),
        "/jobs/a-1/log".to_owned(),
        format!("/jobs/{name}/log"),
        format!("/jobs/../logs/{name}"),
        format!("/jobs/..%2flogs%2f{job}/log"),
        format!("/jobs/%2e%2e%2flogs%2f{job}/log"),
        format!("/jobs/{job}%00/log"),
        format!("/jobs/{job}/log/../../../../etc/passwd"),
        "/log//etc/passwd".to_owned(),
        "/jobs/%2fetc%2fpasswd/log".to_owned(),
        "/jobs/-/log".to_owned(),
    ] {
        assert_eq!(get(&format!("{base}{path}"), &[]).0, "404", "{path}");
    }
    end(worker);
}

/// What the events of a stream hold, one line each.
fn data(events: &str) -> String {
    let lines = events.lines().filter_map(|line| line.strip_prefix("data:"));
    let lines = lines.map(|line| line.strip_prefix(' ').unwrap_or(line));
    let text: Vec<&str> = lines.collect();
    // The last event has no data.
    text.join("\n").trim_end_matches('\n').to_owned()
}

#[test]
fn a_deadline_ends_what_is_being_built() {
    if !need::met(&[need::BUILD, NEEDS]) {
        return;
    }
    let mut server = MailServer::open();
    let host = Host::new(&server);
    let forever = "echo packing\nexec sleep 60";
    let worker = host
        .fake_worker("anna", Some(("mkfs.vfat", forever)))
        .start();
    let spec = host.spec("99", "email=qa@example.test\n");
    let job = host.submit(&spec, &["--deadline", "5s"]);
    host.wait_for(&job, "running");
    // It holds for what a worker still builds that takes no more, too.
    worker.signal(Signal::SIGTERM);
    let done = host.wait_for(&job, "failed");
    assert_eq!(done["ending"]["exit_code"], 1, "{done:#}");
    let error = done["ending"]["error"].as_str().unwrap();
    assert!(
        error.starts_with("its deadline passed while it was built"),
        "{error}"
    );
    // That it waited is told by a worker that takes jobs.
    let mut mail = server.mail();
    if mail.header("X-FBS-Event") == "queued" {
        mail = server.mail();
    }
    assert_eq!(mail.header("X-FBS-Event"), "failed");
    assert_eq!(mail.header("X-FBS-Job"), job);
    let text = mail.text("text/plain");
    assert!(text.contains("its deadline passed"), "{text}");
    worker.finish().assert_exit(0);
    host.folders.assert_no_process();
}

#[test]
fn a_build_that_is_handed_back_while_it_is_delivered_is_told_of_by_the_next_worker() {
    if !need::met(&[need::BUILD, NEEDS, &[Need::Tool("vsftpd")]]) {
        return;
    }
    let mut server = MailServer::open();
    let host = Host::new(&server);
    // 40 MiB take five seconds.
    let options = Options {
        rate: 8_000_000,
        ..Options::default()
    };
    let ftp = Vsftpd::start(&host.folders.top().join("ftp"), &options);
    let far = ftp.make_pub();
    let place = format!("ftp://127.0.0.1:{}/pub", ftp.port);
    let config = fs::read_to_string(&host.config).unwrap();
    let config = format!("{config}\n[[staging]]\naddress = {place:?}\n");
    fs::write(&host.config, config).unwrap();
    let keys = format!("email=qa@example.test\nstaging={place}\n");
    let job = host.submit(&host.spec("99", &keys), &[]);
    let worker = |name: &str| host.fake_worker(name, None).env("FBS_STUB_MIB", "40");
    let anna = worker("anna").start();
    host.wait_for(&job, "delivering");
    let arrives = || {
        let folder = far.read_dir().unwrap().flatten().next();
        let files = folder.and_then(|folder| folder.path().read_dir().ok());
        files.is_some_and(|files| {
            files
                .flatten()
                .any(|file| file.metadata().is_ok_and(|data| data.len() > 1_000_000))
        })
    };
    eventually("the image arrives", Duration::from_secs(30), arrives);
    for _ in 0..2 {
        anna.signal(Signal::SIGTERM);
        thread::sleep(Duration::from_millis(300));
    }
    anna.finish()
        .assert_exit(0)
        .assert_says(&["0 finished, 1 handed back"]);
    assert_eq!(host.job(&job)["state"], "queued");
    let bert = worker("bert").start();
    let done = host.wait_for(&job, "succeeded");
    let causes: Vec<&str> = done["history"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|step| step["cause"].as_str())
        .collect();
    let handed_back = "handed back by anna: the worker was stopped";
    assert!(causes.contains(&handed_back), "{causes:#?}");
    end(bert);
    let kinds = [server.mail(), server.mail()].map(|mail| mail.header("X-FBS-Event"));
    assert_eq!(kinds, ["queued", "complete"]);
}

#[test]
fn a_log_of_500_mib_neither_holds_the_build_up_nor_fills_the_memory() {
    if !need::met(&[need::BUILD, NEEDS]) {
        return;
    }
    let _turn = turn::take();
    let server = MailServer::open();
    let host = Host::new(&server);
    let chatty = "line=$(head -c 8000 /dev/zero | tr '\\0' x)\nyes \"$line\" | head -c 500M\nexec {real} \"$@\"";
    let worker = host.fake_worker("anna", Some(("mkfs.vfat", chatty)));
    let mut worker = worker.args(["--monitor", "127.0.0.1:0"]).start();
    let job = host.submit(&host.spec("99", ""), &[]);
    let link = link(&mut worker, &job);
    eventually("the log begins", Duration::from_secs(30), || {
        get(&link, &["--max-time", "1", "--output", "/dev/null"]).0 != "404"
    });
    // Somebody who hardly reads at all.
    let slow = Program::new("curl")
        .args([
            "--silent",
            "--limit-rate",
            "1k",
            "--output",
            "/dev/null",
            &link,
        ])
        .start();
    host.wait_for(&job, "succeeded");
    let kept = host.folders.top().join(format!("anna/logs/{job}.log"));
    let size = fs::metadata(&kept).unwrap().len();
    assert!(size > 500 << 20, "{size}");
    let (status, _) = get(&link, &["--output", "/dev/null"]);
    assert_eq!(status, "200");
    let text = fs::read_to_string(format!("/proc/{}/status", worker.pid())).unwrap();
    let peak = text
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 150 << 10, "{peak} KiB");
    drop(slow);
    end(worker);
}

#[test]
fn what_a_worker_was_told_to_ignore_does_not_end_it() {
    let folders = Folders::new();
    let worker = |name: &str| {
        folders
            .fbs("worker")
            .args(["--local", "--release", "99", "--name", name, "--workdir"])
            .arg(folders.top().join(name))
    };
    // As `nohup fbs worker &` of a script starts it.
    let ignoring = "trap '' HUP INT; exec \"$@\"";
    let shell = Program::new("bash").args(["-c", ignoring, "bash"]);
    let mut kept = worker("kept").inside(shell).start();
    // Whatever the tests themselves were told to ignore.
    let hearing = Program::new("env").arg("--default-signal=HUP");
    let mut ended = worker("ended").inside(hearing).start();
    for worker in [&mut kept, &mut ended] {
        worker.wait_for_stderr("serves x86_64/99");
    }
    for signal in [Signal::SIGHUP, Signal::SIGINT] {
        kept.signal(signal);
    }
    ended.signal(Signal::SIGHUP);
    let said = "no more jobs are taken";
    ended.finish().assert_exit(0).assert_says(&[said]);
    kept.signal(Signal::SIGTERM);
    let told = kept.finish();
    told.assert_exit(0);
    // Once, for the one that counts.
    assert_eq!(told.stderr.matches(said).count(), 1, "{}", told.stderr);
}
