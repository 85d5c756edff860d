//! Jobs that wait at a real RabbitMQ, for workers on hosts of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use fbs_suite::certificates::Certificates;
use fbs_suite::command::eventually;
use fbs_suite::need::Need;
use fbs_suite::network::{HUB, Network};
use fbs_suite::postgres::Postgres;
use fbs_suite::rabbitmq::RabbitMq;
use fbs_suite::{Folders, Program, Running, binaries, need, release, turn};
use image_builder::jobs::{JobFilter, JobId, JobStore, PostgresStore};
use lapin::options::{BasicGetOptions, BasicPublishOptions};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use mini_release::Repository;
use nix::sys::signal::Signal;
use serde_json::Value;

pub(crate) const NEEDS: &[Need] = &[
    Need::File("/usr/lib/rabbitmq/bin/rabbitmq-server"),
    Need::Tool("ip"),
    Need::Tool("openssl"),
];

/// A broker on the hub of a network, and what the hosts around it run.
struct Site {
    folders: Folders,
    network: Option<Arc<Network>>,
    broker: Option<RabbitMq>,
    url: String,
}

impl Site {
    /// With so many hosts around the hub; without any, all of it is on loopback.
    fn new(hosts: u8) -> Self {
        let folders = Folders::new();
        let certificates = Certificates::make(folders.top());
        let network = (hosts > 0).then(|| Arc::new(Network::new(hosts)));
        let broker = match &network {
            Some(network) => RabbitMq::start_on(network, folders.top(), &certificates),
            None => RabbitMq::start(folders.top(), &certificates),
        };
        Self {
            url: broker.url_with_password(),
            broker: Some(broker),
            folders,
            network,
        }
    }

    fn broker(&mut self) -> &mut RabbitMq {
        self.broker.as_mut().expect("it is there until the end")
    }

    fn on(&self, host: u8, program: Program) -> Program {
        match &self.network {
            Some(network) => network.on(host, program),
            None => program,
        }
    }

    fn cut(&self, host: u8, off: bool) {
        let network = self.network.as_ref().expect("the test has hosts");
        network.cut(host, off);
    }

    /// `fbs COMMAND` on the hub.
    fn fbs(&self, command: &str) -> Program {
        let program = self.folders.fbs(command).env("FBS_BROKER", &self.url);
        self.on(0, program)
    }

    /// A spec of a release, for what builds no image.
    fn spec(&self, release: &str) -> PathBuf {
        let text = format!("[DEFAULT]\ntype=boot\nrelease={release}\narch=x86_64\n");
        self.folders.file(&format!("{release}.conf"), text)
    }

    fn submit(&self, release: &str, count: usize) -> Vec<String> {
        let spec = self.spec(release);
        let specs = std::iter::repeat_n(spec, count);
        let done = self.fbs("submit").args(specs).run();
        done.assert_exit(0);
        done.stdout.clone()
    }

    /// A worker whose jobs leave lines in a file, on the host of this number.
    fn worker(&self, host: u8, name: &str, length: Duration, lost_after: u64) -> Running {
        let program = Program::new(binaries::profile_folder().join("examples/own_worker"))
            .arg(&self.url)
            .args([name, "43", "2"])
            .args([length.as_millis().to_string(), lost_after.to_string()])
            .arg(self.lines());
        self.on(host, program).start()
    }

    /// A master on the hub, whose records are in the database at `address`.
    fn master(&self, address: &str) -> Running {
        let program = Program::new(binaries::profile_folder().join("examples/own_master"));
        self.on(0, program.args([&self.url, address])).start()
    }

    fn lines(&self) -> PathBuf {
        self.folders.top().join("lines")
    }

    /// How often each job was ended by a worker's hand.
    fn ends(&self) -> BTreeMap<String, usize> {
        let mut ends = BTreeMap::new();
        let text = fs::read_to_string(self.lines()).unwrap_or_default();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("end ") {
                let job = rest.split(' ').next().unwrap_or_default();
                *ends.entry(job.to_owned()).or_default() += 1;
            }
        }
        ends
    }

    fn jobs(&self) -> Vec<Value> {
        let done = self.fbs("jobs").args(["--json", "-n", "100000"]).run();
        done.assert_exit(0);
        done.events()
    }

    fn job(&self, id: &str) -> Value {
        let done = self.fbs("status").args([id, "--json"]).run();
        done.assert_exit(0).json()
    }

    fn wait_for_state(&self, id: &str, state: &str, within: Duration) -> Value {
        let since = Instant::now();
        loop {
            let job = self.job(id);
            if job["state"] == state {
                return job;
            }
            assert!(since.elapsed() < within, "{state} is awaited:\n{job:#}");
            thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // It is in the network, which goes last.
        self.broker = None;
    }
}

fn causes(job: &Value) -> Vec<&str> {
    let history = job["history"].as_array().unwrap();
    history
        .iter()
        .map(|step| step["cause"].as_str().unwrap())
        .collect()
}

fn is_final(state: &Value) -> bool {
    ["succeeded", "failed", "cancelled"]
        .iter()
        .any(|end| state == end)
}

/// What all jobs together have to be after a night, whatever happened in it.
fn assert_each_ended_once(site: &Site, submitted: &[String], killed: &BTreeSet<String>) {
    let jobs = site.jobs();
    let known: BTreeSet<&str> = jobs.iter().map(|job| job["id"].as_str().unwrap()).collect();
    let wanted: BTreeSet<&str> = submitted.iter().map(String::as_str).collect();
    assert_eq!(known, wanted, "none is lost and none is made up");
    let ends = site.ends();
    for job in &jobs {
        let id = job["id"].as_str().unwrap();
        assert_eq!(job["state"], "succeeded", "{job:#}");
        let history = job["history"].as_array().unwrap();
        let finals = history
            .iter()
            .filter(|step| is_final(&step["state"]))
            .count();
        assert_eq!(finals, 1, "{job:#}");
        for cause in causes(job) {
            if let Some((worker, _)) = cause.split_once(" was lost: ") {
                assert!(killed.contains(worker), "{worker} was not killed: {job:#}");
            }
        }
        // Who dies while handing over may or may not have done it.
        let unsure = history
            .windows(2)
            .any(|steps| steps[0]["state"] == "delivering" && steps[1]["state"] == "queued");
        let times = ends.get(id).copied().unwrap_or_default();
        match unsure {
            true => assert!(times >= 1, "{times}: {job:#}"),
            false => assert_eq!(times, 1, "{job:#}"),
        }
    }
}

/// The records say of each job what the ledger says, and `told` are the changes that one master has told.
fn assert_records(site: &Site, address: &str, told: &[Value]) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = runtime.block_on(PostgresStore::connect(address)).unwrap();
    let jobs = site.jobs();
    for job in &jobs {
        let id = JobId::parse(job["id"].as_str().unwrap()).unwrap();
        let kept = runtime.block_on(store.job(&id)).unwrap();
        let kept = serde_json::to_value(kept).unwrap();
        for part in ["state", "runs", "history", "claim", "ending"] {
            assert_eq!(kept[part], job[part], "{part} of {id}");
        }
    }
    let filter = JobFilter {
        limit: 10_000,
        ..JobFilter::default()
    };
    let kept = runtime.block_on(store.jobs(&filter)).unwrap();
    assert_eq!(kept.len(), jobs.len());
    let ends = told.iter().filter(|change| is_final(&change["state"]));
    let ends: BTreeSet<&str> = ends.map(|change| change["job"].as_str().unwrap()).collect();
    assert_eq!(ends.len(), jobs.len());
}

#[test]
fn two_thousand_jobs_outlive_workers_brokers_and_wires() {
    if !need::met(&[NEEDS, &[Need::Root, Need::Tool("psql")]]) {
        return;
    }
    let _turn = turn::take();
    let mut site = Site::new(4);
    let mut postgres = Postgres::start();
    let database = postgres.database();
    let records = postgres.by_socket(&database);
    // Two that keep the same records, of which one is killed again and again.
    let steady = site.master(&records);
    let mut shaky = site.master(&records);
    let length = Duration::from_millis(150);
    let submitted = site.submit("43", 2000);
    assert_eq!(submitted.len(), 2000);
    let lost_after = 30;
    let start =
        |site: &Site, host: u8| site.worker(host, &format!("worker-{host}"), length, lost_after);
    let mut workers: Vec<Running> = (1..=4).map(|host| start(&site, host)).collect();
    let mut killed = BTreeSet::new();
    let ended = |site: &Site| site.ends().len();
    let wait_for = |site: &Site, count: usize| {
        let what = format!("{count} jobs have ended");
        eventually(&what, Duration::from_secs(120), || ended(site) >= count);
    };
    wait_for(&site, 100);
    // One is killed and comes back, as a service manager would have it.
    let again =
        |site: &Site, workers: &mut Vec<Running>, host: u8, killed: &mut BTreeSet<String>| {
            let index = usize::from(host) - 1;
            kill(&workers[index]);
            killed.insert(format!("worker-{host}"));
            workers[index] = start(site, host);
        };
    again(&site, &mut workers, 1, &mut killed);
    kill(&shaky);
    wait_for(&site, 250);
    shaky = site.master(&records);
    // One is cut off for 20 seconds, and keeps what it has begun.
    let cut = Instant::now();
    site.cut(3, true);
    again(&site, &mut workers, 2, &mut killed);
    postgres.stop();
    wait_for(&site, 450);
    kill(&shaky);
    postgres.resume();
    shaky = site.master(&records);
    site.broker().stop();
    site.broker().resume();
    wait_for(&site, 650);
    thread::sleep(Duration::from_secs(20).saturating_sub(cut.elapsed()));
    site.cut(3, false);
    again(&site, &mut workers, 1, &mut killed);
    wait_for(&site, 850);
    site.broker().stop();
    again(&site, &mut workers, 2, &mut killed);
    site.broker().resume();
    wait_for(&site, 1100);
    // This one does not come back: the others find out.
    kill(&workers[3]);
    killed.insert("worker-4".to_owned());
    eventually("all jobs have ended", Duration::from_secs(180), || {
        ended(&site) == 2000
    });
    let open = || {
        site.jobs()
            .iter()
            .filter(|job| !is_final(&job["state"]))
            .count()
    };
    eventually("all ends are known", Duration::from_secs(90), || {
        open() == 0
    });
    assert_each_ended_once(&site, &submitted, &killed);
    let mut told = Vec::new();
    for master in [shaky, steady] {
        master.signal(Signal::SIGTERM);
        let done = master.finish();
        done.assert_exit(0);
        told = done.events();
    }
    assert_records(&site, &database, &told);
    // What is left takes its leave.
    for worker in workers.drain(..).take(3) {
        worker.signal(Signal::SIGTERM);
        worker.finish().assert_exit(0);
    }
    let workers = site.fbs("workers").run();
    workers.assert_exit(0);
    let workers = workers.stdout.join("\n");
    assert!(workers.contains("worker-4  gone"), "{workers}");
    assert!(!workers.contains("worker-1"), "{workers}");
}

/// A worker is started by `ip`, which becomes it.
fn kill(worker: &Running) {
    worker.signal(Signal::SIGKILL);
}

#[test]
fn what_goes_first_where_it_waits_and_why_and_what_cancel_does() {
    if !need::met(&[NEEDS]) {
        return;
    }
    let mut site = Site::new(1);
    let first = site.submit("43", 1).remove(0);
    let status = site.fbs("status").arg(&first).run();
    status.assert_exit(0);
    let reason = "queued: no worker serves x86_64/43; it is the next";
    assert!(status.stdout.iter().any(|line| line == reason), "{status}");
    let second = site.submit("43", 1).remove(0);
    let spec = site.spec("43");
    let urgent = site
        .fbs("submit")
        .arg(&spec)
        .args(["--priority", "5"])
        .run();
    urgent.assert_exit(0);
    let urgent = urgent.stdout[0].clone();
    assert_eq!(site.job(&first)["waits"]["before"], 1);
    assert_eq!(site.job(&second)["waits"]["before"], 2);
    // Nobody has begun with it: it ends at once.
    let cancel = site
        .fbs("cancel")
        .args([&second, "--reason", "a mistake"])
        .run();
    cancel.assert_exit(0);
    let job = site.job(&second);
    assert_eq!(job["state"], "cancelled");
    assert!(causes(&job)[1].ends_with(": a mistake"), "{job:#}");
    site.fbs("cancel")
        .arg(&second)
        .run()
        .assert_exit(1)
        .assert_says(&["has ended already: cancelled"]);
    // A build of a minute, two at a time.
    let worker = site.worker(1, "worker-1", Duration::from_secs(60), 30);
    site.wait_for_state(&urgent, "running", Duration::from_secs(20));
    site.wait_for_state(&first, "running", Duration::from_secs(20));
    let third = site.submit("43", 1).remove(0);
    let waits = site.job(&third);
    assert_eq!(
        waits["waits"]["reason"], "1 worker serves x86_64/43, all busy; it is the next",
        "{waits:#}"
    );
    let since = Instant::now();
    site.fbs("cancel").arg(&urgent).run().assert_exit(0);
    assert_eq!(site.job(&urgent)["state"], "cancelled");
    assert!(
        since.elapsed() < Duration::from_secs(4),
        "{:?}",
        since.elapsed()
    );
    // The broker goes and comes back in the middle of a build: it is the same build.
    site.wait_for_state(&third, "running", Duration::from_secs(20));
    site.broker().stop();
    let gone = site.fbs("submit").arg(&spec).run();
    gone.assert_exit(4)
        .assert_one_error()
        .assert_says(&["cannot be reached"]);
    let kept = site
        .fbs("submit")
        .arg(&spec)
        .args(["--spool", "--wait"])
        .run();
    kept.assert_exit(4)
        .assert_says(&["1 job not sent yet, and not waited for"]);
    let kept = kept.stdout[0].clone();
    site.broker().resume();
    site.fbs("submit")
        .arg("--flush")
        .run()
        .assert_exit(0)
        .assert_says(&["1 job sent"]);
    assert_eq!(site.job(&kept)["state"], "queued");
    let job = site.job(&first);
    assert_eq!(
        (&job["state"], &job["runs"]),
        (&"running".into(), &1.into())
    );
    // A worker that is told to stop twice hands back what it has.
    worker.signal(Signal::SIGTERM);
    thread::sleep(Duration::from_millis(500));
    worker.signal(Signal::SIGTERM);
    worker.finish().assert_exit(0);
    let handed_back = site.job(&third);
    assert_eq!(handed_back["state"], "queued");
    let last = causes(&handed_back).last().copied().unwrap().to_owned();
    assert!(last.starts_with("handed back by worker-1: "), "{last}");
    let retry = site.fbs("retry").arg(&second).run();
    retry.assert_exit(0);
    let again = site.job(&retry.stdout[0]);
    assert_eq!(again["request"]["retry_of"], second.as_str());
    site.fbs("status")
        .arg("../x")
        .run()
        .assert_exit(2)
        .assert_one_error();
    // Who waits no longer is told what to ask for, with the architecture where that leads to the queue.
    for (arch, place) in [("x86_64", ""), ("s390x", " --arch s390x")] {
        let wait = site.fbs("submit").arg(site.spec("41")).arg("--wait");
        let mut waiting = wait.args(["--set", &format!("arch={arch}")]).start();
        waiting.wait_for_stderr(&format!("queued: no worker serves {arch}/41"));
        waiting.signal(Signal::SIGINT);
        let left = waiting.finish();
        let follow = format!("`fbs logs -f {}{place}` follows it", left.stdout[0]);
        left.assert_exit(130).assert_says(&[&follow]);
    }
}

#[test]
fn rubbish_stops_nobody_and_is_put_away_with_the_reason() {
    if !need::met(&[NEEDS]) {
        return;
    }
    let site = Site::new(0);
    let id = site.submit("43", 1).remove(0);
    let huge = format!("\"{}\"", "x".repeat(9 << 20));
    let rubbish = [
        ("garbage", "no JSON of ours"),
        ("{}", "it has no version"),
        (r#"{"fbs":99,"event":"queued"}"#, "version 99 of the format"),
        (
            r#"{"fbs":1,"event":"danced"}"#,
            "nothing that version 1 knows",
        ),
        (r#"{"fbs":1,"mark":"m"}"#, "no event of a job"),
        (&huge, "8388608 is the largest"),
    ];
    let broker = site.url.clone();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let channel = runtime.block_on(async {
        let connection = Connection::connect(&broker, ConnectionProperties::default());
        let connection = connection.await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        for (body, _) in &rubbish {
            let (options, properties) =
                (BasicPublishOptions::default(), BasicProperties::default());
            // As everything: into the ledger, and into the line.
            let publish = channel.basic_publish(
                "fbs".into(),
                "fedora-43".into(),
                options,
                body.as_bytes(),
                properties,
            );
            publish.await.unwrap().await.unwrap();
        }
        (connection, channel)
    });
    let _worker = site.worker(1, "worker-1", Duration::from_millis(10), 30);
    site.wait_for_state(&id, "succeeded", Duration::from_secs(30));
    for id in &site.submit("43", 3) {
        site.wait_for_state(id, "succeeded", Duration::from_secs(30));
    }
    let mut reasons = Vec::new();
    runtime.block_on(async {
        let (_connection, channel) = channel;
        let options = BasicGetOptions { no_ack: true };
        while let Some(dead) = channel.basic_get("fbs.dead".into(), options).await.unwrap() {
            let headers = dead.properties.headers().clone().unwrap_or_default();
            let reason = headers.inner().get("x-fbs-reason").unwrap();
            let reason = reason.as_long_string().unwrap().as_bytes();
            reasons.push(String::from_utf8_lossy(reason).into_owned());
        }
    });
    assert_eq!(reasons.len(), rubbish.len(), "{reasons:?}");
    for (body, reason) in rubbish {
        let body = &body[..body.len().min(40)];
        assert!(
            reasons.iter().any(|found| found.contains(reason)),
            "{body}: {reasons:?}"
        );
    }
}

/// `fbs worker` on a host of its own, with folders of its own.
fn image_worker(site: &Site, host: u8) -> Running {
    let config = format!(
        "[worker]\nstaging = [{:?}]\nmin_free = \"10M\"\n",
        site.folders.staging()
    );
    let config = site.folders.file("worker.toml", config);
    let worker = site
        .folders
        .fbs("worker")
        .env("FBS_BROKER", &site.url)
        .env("FBS_CONFIG", config)
        .args(["--release", "99", "--name", "builder-1", "--workdir"])
        .arg(site.folders.work());
    site.on(host, worker).start()
}

#[test]
fn an_image_is_built_on_another_host_cancelled_once_and_done_the_second_time() {
    if !need::met(&[NEEDS, need::BUILD]) {
        return;
    }
    let _turn = turn::take();
    let site = Site::new(1);
    let root = release::mini().root().to_owned();
    let serve = Program::new(binaries::profile_folder().join("mini-release"))
        .arg("serve")
        .arg(&root)
        .args(["--addr", &format!("{HUB}:8099")]);
    let _server = site.on(0, serve).start();
    let folder = release::mini().folder(Repository::Release);
    let text = format!(
        "[DEFAULT]\ntype=boot\nrelease=99\narch=x86_64\nboot_test=none\nbackend=native\ncompression=zstd:3\n\
         99_url=http://{HUB}:8099/{folder}\npackages=@core;fbs-hello\n"
    );
    let spec = site.folders.file("image.conf", text);
    let worker = image_worker(&site, 1);
    let submit = || site.fbs("submit").arg(&spec);
    // Cancelled in the middle: when packages are installed.
    let first = submit().run();
    first.assert_exit(0);
    let first = first.stdout[0].clone();
    let since = Instant::now();
    loop {
        let job = site.job(&first);
        if job["state"] == "running" && job["stage"] == "root" {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(120), "{job:#}");
        thread::sleep(Duration::from_millis(100));
    }
    let early = site.fbs("logs").arg(&first).run();
    early.assert_exit(0);
    let early = early.stdout.join("\n");
    assert!(early.contains("== root: installing the root"), "{early}");
    let cancelling = Instant::now();
    site.fbs("cancel").arg(&first).run().assert_exit(0);
    assert!(
        cancelling.elapsed() < Duration::from_secs(6),
        "{:?}",
        cancelling.elapsed()
    );
    let job = site.wait_for_state(&first, "cancelled", Duration::from_secs(10));
    assert_eq!(job["ending"]["exit_code"], 130, "{job:#}");
    // Followed to its end, as a build of this host would be.
    let second = submit().arg("--wait").run();
    second.assert_exit(0);
    let id = &second.stdout[0];
    let log = fs::read_to_string(site.folders.top().join("imagebuilder.log")).unwrap();
    assert!(log.contains(&format!("Job {id}: boot image")), "{log}");
    let last = log.lines().next_back().unwrap();
    assert!(last.contains("Image build succeeded"), "{log}");
    second.assert_shows(&log).assert_says(&["\nrunning at "]);
    // No line twice and none missing: it is the worker's own file.
    let kept = site.folders.work().join("logs").join(format!("{id}.log"));
    assert_eq!(log, fs::read_to_string(kept).unwrap());
    let again = site.fbs("logs").arg(id).run();
    assert_eq!(again.assert_exit(0).stdout.join("\n") + "\n", log);
    let deliveries = site.folders.deliveries();
    let images = deliveries
        .iter()
        .filter(|one| one.report["outcome"] == "succeeded");
    assert_eq!(images.count(), 1, "{deliveries:?}");
    let job = site.job(id);
    assert_eq!(job["state"], "succeeded");
    let place = job["ending"]["places"][0].as_str().unwrap();
    assert!(
        place.starts_with(site.folders.staging().to_str().unwrap()),
        "{job:#}"
    );
    // What names a path of this machine is not sent.
    let local = submit().args(["--set", "staging=/srv/images"]).run();
    local.assert_exit(2).assert_says(&["staging"]);
    worker.signal(Signal::SIGTERM);
    worker.finish().assert_exit(0).assert_says(&["2 finished"]);
    let left = fs::read_dir(site.folders.work().join("jobs")).unwrap();
    assert_eq!(left.count(), 0);
}

#[test]
fn a_broker_that_was_set_up_anew_is_told_of() {
    if !need::met(&[NEEDS]) {
        return;
    }
    let mut site = Site::new(0);
    // There has to be more in the ledger than there will be in the next one.
    site.submit("44", 20);
    let worker = |name: &str| {
        let worker = site.fbs("worker").args(["--release", "43", "--name", name]);
        let workdir = site.folders.top().join(name);
        let mut worker = worker.arg("--workdir").arg(workdir).start();
        worker.wait_for_stderr("serves x86_64/43");
        worker
    };
    let mut before = worker("before");
    // It has read the ledger when it takes this one; what becomes of that does not matter.
    let taken = site.submit("43", 1).remove(0);
    eventually("the worker takes it", Duration::from_secs(20), || {
        site.job(&taken)["state"] != "queued"
    });
    site.broker().stop();
    site.broker().forget();
    site.broker().resume();
    before.wait_for_stderr("it was set up anew. Workers have to be started again");
    before.signal(Signal::SIGTERM);
    before.finish().assert_exit(0);
}

#[test]
fn without_a_broker_jobs_wait_in_a_file_of_the_host() {
    let folders = Folders::new();
    let text = "[DEFAULT]\ntype=boot\nrelease=99\narch=x86_64\n99_url=http://127.0.0.1:1/\nboot_test=none\n";
    let spec = folders.file("a.conf", text);
    let local = |command: &str| folders.fbs(command).arg("--local");
    let done = local("submit").arg(&spec).run();
    let id = done.assert_exit(0).stdout[0].clone();
    let status = local("status").arg(&id).run();
    let reason = "queued: no worker serves x86_64/99; it is the next";
    assert!(
        status
            .assert_exit(0)
            .stdout
            .iter()
            .any(|line| line == reason),
        "{status}"
    );
    local("cancel").arg(&id).run().assert_exit(0);
    let private = local("submit").arg(&spec).arg("--private").run();
    let private = private.assert_exit(0).stdout[0].clone();
    let status = local("status").args([&private, "--json"]).run();
    assert_eq!(status.assert_exit(0).json()["request"]["private"], true);
    local("cancel").arg(&private).run().assert_exit(0);
    let mut waiting = local("submit").arg(&spec).arg("--wait").start();
    waiting.wait_for_stderr(reason);
    let worker = local("worker")
        .args(["--release", "99", "--workdir"])
        .arg(folders.work())
        .start();
    // It ends as `fbs build` would: the repository cannot be reached.
    let failed = waiting.finish();
    failed.assert_exit(4).assert_says(&["127.0.0.1:1"]);
    let log = fs::read_to_string(folders.top().join("imagebuilder.log")).unwrap();
    assert!(log.contains("127.0.0.1:1"), "{log}");
    failed.assert_shows(&log).assert_says(&[
        "checking the host and the repositories ...\n",
        "checking the host and the repositories: failed after ",
    ]);
    for follow in [&[][..], &["-f"]] {
        let logs = local("logs").arg(&failed.stdout[0]).args(follow);
        logs.without_room()
            .run()
            .assert_exit(3)
            .assert_one_error()
            .assert_says(&["standard output: No space left on device"]);
    }
    let jobs = local("jobs").run();
    assert_eq!(jobs.assert_exit(0).stdout.len(), 3, "{jobs}");
    let workers = local("workers").run();
    let line = &workers.assert_exit(0).stdout[0];
    assert!(line.contains("0 of 1 slots busy, 1 finished"), "{workers}");
    assert!(line.contains("iB free, version "), "{workers}");
    // One worker a folder.
    let other = local("worker")
        .args(["--release", "99", "--workdir"])
        .arg(folders.work())
        .run();
    other
        .assert_exit(3)
        .assert_one_error()
        .assert_says(&["another worker builds in"]);
    worker.signal(Signal::SIGTERM);
    worker
        .finish()
        .assert_exit(0)
        .assert_says(&["1 finished, 0 handed back"]);
    let nowhere = folders.fbs("submit").arg(&spec).run();
    nowhere
        .assert_exit(2)
        .assert_one_error()
        .assert_says(&["no broker is named for x86_64", "--broker"]);
}
