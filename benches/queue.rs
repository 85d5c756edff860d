//! Jobs at a RabbitMQ: how fast they are asked for, how soon a worker begins, and how many it makes that do
//! nothing; beside Celery at the same broker, alternating: once as safe as ours (publisher confirms, late
//! acknowledgement), once as it comes. Then with 100,000 jobs before the door, and what memory an idle
//! worker takes.
//!
//! Celery is installed by `scripts/celery` (`FBS_BENCH_CELERY` names another folder). `make bench` runs it;
//! `FBS_BENCH_RUNS` sets the number of rounds (default 3), `FBS_BENCH_JOBS` that of the jobs before the door.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use fbs_suite::certificates::Certificates;
use fbs_suite::rabbitmq::RabbitMq;
use fbs_suite::{Program, Running};
use figures::{ratios, row};
use image_builder::events::Outcome;
use image_builder::jobs::{
    JobEnding, JobEvent, JobEventKind, JobId, JobRequest, Line, Payload, Priority,
};
use image_builder::queue::{Amqp, AmqpBroker, JobQueue, NewEntry};
use image_builder::worker::{
    ClaimedJob, JobContext, JobRunner, LOST_AFTER, RunEnd, Worker, WorkerSettings,
};
use jiff::Timestamp;
use load::{number, percentile};
use nix::sys::signal::Signal;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

#[path = "support/figures.rs"]
mod figures;
#[path = "support/load.rs"]
mod load;

/// What is submitted at once.
const BURST: usize = 1000;

/// What is submitted one by one.
const SINGLES: usize = 200;

/// The time between two of those.
const GAP: Duration = Duration::from_millis(20);

/// A round of one side.
#[derive(Debug, Default)]
struct Figures {
    /// Confirmed jobs a second.
    submitted: f64,
    /// No-op jobs a second, on one worker.
    drained: f64,
    /// From asking to beginning, at a worker that waits, in milliseconds.
    idle: Vec<f64>,
    /// From one job's beginning to the next one's, with others before the door.
    busy: Vec<f64>,
}

fn main() {
    let rounds = number("FBS_BENCH_RUNS", 3);
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    let dir = target.join("bench-queue");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("target/ is ours");
    let named = std::env::var_os("FBS_BENCH_CELERY").map(PathBuf::from);
    let python = named
        .unwrap_or_else(|| target.join("celery"))
        .join("bin/python");
    let certificates = Certificates::make(&dir);
    let broker = RabbitMq::start(&dir, &certificates);
    let url = broker.url_with_password();
    let runtime = Runtime::new().expect("there are threads");

    let mut ours = Vec::new();
    let mut safe = Vec::new();
    let mut plain = Vec::new();
    for round in 0..rounds {
        ours.push(runtime.block_on(our_round(&url, &format!("{}", 43 + round))));
        if python.exists() {
            safe.push(celery_round(&python, &dir, &url, true));
            plain.push(celery_round(&python, &dir, &url, false));
        }
    }
    if safe.is_empty() {
        eprintln!("Celery is not there: `scripts/celery target/celery` installs it");
    }
    for (name, figures) in [
        ("fbs", &ours),
        ("Celery, confirms and late acks", &safe),
        ("Celery, as it comes", &plain),
    ] {
        if !figures.is_empty() {
            print(name, figures);
        }
    }
    for (name, theirs) in [("confirms and late acks", &safe), ("as it comes", &plain)] {
        if !theirs.is_empty() {
            compare(name, &ours, theirs);
        }
    }

    let waiting = number("FBS_BENCH_JOBS", 100_000);
    println!("\n{waiting} jobs before the door");
    let crowd = runtime.block_on(crowd(&url, waiting));
    percentiles("one job to the next, ms", &crowd);
    memory(&dir, &url);
    let _ = fs::remove_dir_all(&dir);
}

// ---- Ours -----------------------------------------------------------------------------------------

/// Does nothing, and notes when.
#[derive(Debug, Default)]
struct Noop(Mutex<Vec<(JobId, Instant)>>);

impl Noop {
    fn begun(&self) -> Vec<(JobId, Instant)> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn wait_for(&self, count: usize) -> Vec<(JobId, Instant)> {
        loop {
            let begun = self.begun();
            if begun.len() >= count {
                return begun;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[async_trait]
impl JobRunner for Noop {
    async fn run(&self, job: &ClaimedJob, _: &JobContext) -> RunEnd {
        let mut begun = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        begun.push((job.id.clone(), Instant::now()));
        RunEnd::Ended(JobEnding {
            outcome: Outcome::Succeeded,
            error: None,
            exit_code: 0,
            places: Vec::new(),
            seconds: 0.0,
        })
    }
}

fn queue(url: &str) -> Amqp {
    Amqp::new(&AmqpBroker {
        url: url.to_owned(),
        ..AmqpBroker::default()
    })
    .expect("the address is a broker's")
}

/// A spec of some lines, as they are sent.
fn job(release: &str) -> (JobId, NewEntry) {
    let now = Timestamp::now();
    let job = JobId::new(now);
    let request = JobRequest {
        title: format!("boot image of Fedora {release} (x86_64)"),
        image_type: "boot".to_owned(),
        arch: "x86_64".to_owned(),
        release: release.to_owned(),
        requester: "qa@desk".to_owned(),
        submitted: now,
        priority: Priority::default(),
        deadline: None,
        retry_of: None,
        private: false,
        payload: Some(Payload {
            spec: format!(
                "[DEFAULT]\ntype = boot\nrelease = {release}\n[boot]\nnvr = fbs-hello-1.1-1\n"
            ),
            kickstart: None,
        }),
    };
    let event = JobEvent {
        job: job.clone(),
        time: now,
        by: "qa@desk".to_owned(),
        kind: JobEventKind::Queued {
            request: Box::new(request),
        },
    };
    let line = Line {
        arch: "x86_64".to_owned(),
        release: release.to_owned(),
    };
    (job, NewEntry::of_job(event, &line))
}

fn worker(url: &str, release: &str) -> (Arc<Noop>, CancellationToken, JoinHandle<()>) {
    let noop = Arc::new(Noop::default());
    let settings = WorkerSettings {
        name: format!("worker-{release}"),
        arch: "x86_64".to_owned(),
        releases: vec![release.to_owned()],
        slots: 1,
        lost_after: LOST_AFTER,
    };
    let stop = CancellationToken::new();
    let worker = Worker::new(Arc::new(queue(url)), noop.clone(), settings);
    let worker = worker.with_drain(stop.clone());
    let serving = tokio::spawn(async move {
        worker.serve().await.expect("the broker is ours");
    });
    (noop, stop, serving)
}

async fn our_round(url: &str, release: &str) -> Figures {
    let client = queue(url);
    // Connects.
    client.append(&[job(release).1]).await.expect("it is ours");
    let burst: Vec<NewEntry> = (0..BURST).map(|_| job(release).1).collect();
    let asked = Instant::now();
    client.append(&burst).await.expect("it is ours");
    let submitted = per_second(BURST, asked.elapsed());

    let (noop, stop, serving) = worker(url, release);
    let begun = noop.wait_for(BURST + 1).await;
    let busy = gaps(&begun);
    let drained = per_second(BURST, begun[BURST].1 - begun[0].1);
    tokio::time::sleep(Duration::from_secs(1)).await;

    let mut idle = Vec::new();
    for single in 0..SINGLES {
        let (id, entry) = job(release);
        let asked = Instant::now();
        client.append(&[entry]).await.expect("it is ours");
        let begun = noop.wait_for(BURST + 2 + single).await;
        let (_, then) = begun
            .iter()
            .find(|(begun, _)| *begun == id)
            .expect("it began");
        idle.push((*then - asked).as_secs_f64() * 1e3);
        tokio::time::sleep(GAP).await;
    }
    stop.cancel();
    serving.await.expect("it does not panic");
    Figures {
        submitted,
        drained,
        idle,
        busy,
    }
}

/// With so many jobs before the door, the first thousand of them.
async fn crowd(url: &str, waiting: usize) -> Vec<f64> {
    let client = queue(url);
    let release = "rawhide";
    let asked = Instant::now();
    for _ in 0..waiting / BURST {
        let burst: Vec<NewEntry> = (0..BURST).map(|_| job(release).1).collect();
        client.append(&burst).await.expect("it is ours");
    }
    println!(
        "{:<36}{:>9.0}",
        "submitted a second, 1,000 at once",
        per_second(waiting, asked.elapsed())
    );
    let (noop, stop, serving) = worker(url, release);
    let begun = noop.wait_for(BURST).await;
    stop.cancel();
    serving.await.expect("it does not panic");
    gaps(&begun)
}

fn gaps(begun: &[(JobId, Instant)]) -> Vec<f64> {
    let pairs = begun.windows(2);
    pairs
        .map(|pair| (pair[1].1 - pair[0].1).as_secs_f64() * 1e3)
        .collect()
}

/// What `fbs worker` takes while it waits, with the ledger of all that was before read.
fn memory(dir: &Path, url: &str) {
    let fbs = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/release/fbs");
    let mut idle: Running = Program::new(fbs)
        .args(["worker", "--release", "99", "--name", "idle", "--workdir"])
        .arg(dir.join("worker"))
        .env("FBS_BROKER", url)
        .env("FBS_STATE_DIR", dir.join("state"))
        .start();
    idle.wait_for_stderr("serves x86_64/99");
    thread::sleep(Duration::from_secs(15));
    let status = fs::read_to_string(format!("/proc/{}/status", idle.pid())).expect("it runs");
    for line in status.lines() {
        if let Some(kib) = line.strip_prefix("VmRSS:") {
            let kib: f64 = kib
                .trim()
                .trim_end_matches(" kB")
                .parse()
                .unwrap_or_default();
            println!("{:<36}{:>9.1}", "an idle worker, MiB", kib / 1024.0);
        }
    }
    idle.signal(Signal::SIGTERM);
    idle.finish().assert_exit(0);
}

// ---- Celery's -------------------------------------------------------------------------------------

fn celery_round(python: &Path, dir: &Path, url: &str, safe: bool) -> Figures {
    let file = dir.join("celery-times");
    let _ = fs::remove_file(&file);
    let support = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/support");
    let celery = |args: &[&str]| {
        Program::new(python)
            .args(args)
            .env("BENCH_BROKER", url)
            .env("BENCH_FILE", &file)
            .env("BENCH_SAFE", if safe { "1" } else { "0" })
            .folder(&support)
    };
    let count = BURST.to_string();
    let burst = celery(&["celery_app.py", "burst", &count]).run();
    burst.assert_exit(0);
    let seconds: f64 = burst.stdout[0].parse().expect("it is a number");
    let worker = [
        "-m",
        "celery",
        "-A",
        "celery_app",
        "worker",
        "-c",
        "1",
        "-P",
        "prefork",
    ];
    let queue = if safe {
        "celery-safe"
    } else {
        "celery-default"
    };
    let worker = celery(&worker)
        .args(["-Q", queue, "--without-mingle", "-l", "ERROR"])
        .start();
    let times = |count: usize| loop {
        let text = fs::read_to_string(&file).unwrap_or_default();
        let times: Vec<(f64, f64)> = text
            .lines()
            .filter_map(|line| {
                let (sent, begun) = line.split_once(' ')?;
                Some((sent.parse().ok()?, begun.parse().ok()?))
            })
            .collect();
        if times.len() >= count {
            return times;
        }
        thread::sleep(Duration::from_millis(50));
    };
    let all = times(BURST + 1);
    let busy: Vec<f64> = all
        .windows(2)
        .map(|pair| (pair[1].1 - pair[0].1) * 1e3)
        .collect();
    let drained = BURST as f64 / (all[BURST].1 - all[0].1);
    thread::sleep(Duration::from_secs(1));
    let singles = SINGLES.to_string();
    let gap = GAP.as_secs_f64().to_string();
    celery(&["celery_app.py", "single", &singles, &gap])
        .run()
        .assert_exit(0);
    // The first one made the connection.
    let all = times(BURST + 2 + SINGLES);
    let idle = all[BURST + 2..]
        .iter()
        .map(|(sent, begun)| (begun - sent) * 1e3)
        .collect();
    worker.signal(Signal::SIGTERM);
    // However it ends, it has made what was asked for.
    let _ = worker.finish();
    Figures {
        submitted: BURST as f64 / seconds,
        drained,
        idle,
        busy,
    }
}

// ---- What is printed ------------------------------------------------------------------------------

fn per_second(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

fn of(figures: &[Figures], figure: impl Fn(&Figures) -> f64) -> Vec<f64> {
    figures.iter().map(figure).collect()
}

fn print(name: &str, figures: &[Figures]) {
    println!("\n{name:<36}{:>9}{:>9}{:>9}", "median", "min", "max");
    row("submitted a second", &of(figures, |one| one.submitted));
    row(
        "no-op jobs a second, one worker",
        &of(figures, |one| one.drained),
    );
    row(
        "idle: p50, ms",
        &of(figures, |one| percentile(&one.idle, 0.5)),
    );
    row(
        "idle: p99, ms",
        &of(figures, |one| percentile(&one.idle, 0.99)),
    );
    row(
        "one to the next: p50, ms",
        &of(figures, |one| percentile(&one.busy, 0.5)),
    );
    row(
        "one to the next: p99, ms",
        &of(figures, |one| percentile(&one.busy, 0.99)),
    );
}

fn compare(name: &str, ours: &[Figures], theirs: &[Figures]) {
    println!(
        "\n{:<36}{:>9}{:>9}{:>9}",
        format!("fbs by Celery, {name}"),
        "median",
        "min",
        "max"
    );
    type Figure = fn(&Figures) -> f64;
    let figures: [(&str, Figure); 4] = [
        ("submitted a second", |one| one.submitted),
        ("no-op jobs a second", |one| one.drained),
        ("idle: p50", |one| percentile(&one.idle, 0.5)),
        ("idle: p99", |one| percentile(&one.idle, 0.99)),
    ];
    for (what, figure) in figures {
        row(what, &ratios(&of(ours, figure), &of(theirs, figure)));
    }
}

fn percentiles(name: &str, times: &[f64]) {
    println!("{name:<36}{:>9}{:>9}{:>9}", "p50", "p99", "max");
    println!(
        "{:<36}{:>9.2}{:>9.2}{:>9.2}",
        "",
        percentile(times, 0.5),
        percentile(times, 0.99),
        percentile(times, 1.0)
    );
}
