//! The service over HTTP with 100,000 jobs on record: requests a second and the slowest of a hundred, of a job's
//! status, the list of jobs as a page, and submitting, beside the smallest Flask application that answers the same from
//! the same SQLite file (gunicorn, two processes), alternating. Then what memory the service takes, what a visit
//! weighs, and what 300 followers of logs do to it.
//!
//! Flask is installed by `scripts/flask` (`FBS_BENCH_FLASK` names another folder). `make bench` runs it;
//! `FBS_BENCH_RUNS` sets the number of rounds (default 3), `FBS_BENCH_JOBS` that of the jobs, `FBS_BENCH_CLIENTS` how
//! many ask at once (default 8).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fbs_suite::daemon::{Daemon, free_port};
use fbs_suite::{Program, Running, binaries};
use figures::{ratios, row};
use image_builder::jobs::{
    Entry, JobEvent, JobEventKind, JobId, JobRequest, Line, Payload, Priority,
};
use image_builder::queue::{JobQueue, Local, NewEntry};
use jiff::{SignedDuration, Timestamp};
use load::{number, percentile};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

#[path = "support/figures.rs"]
mod figures;
#[path = "support/load.rs"]
mod load;

/// As many ask at once unless somebody says otherwise.
const CLIENTS: usize = 8;

/// For so long.
const TIME: Duration = Duration::from_secs(4);

/// As many follow a log.
const FOLLOWERS: usize = 300;

/// As many of the jobs wait.
const WAITING: usize = 20;

/// A round of one side: of each kind of request how many a second, and how long 99 of 100 take at most, in
/// milliseconds.
#[derive(Debug, Default)]
struct Figures(Vec<(f64, f64)>);

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Status,
    Page,
    Submit,
}

const KINDS: [(Kind, &str); 3] = [
    (Kind::Status, "a job's status"),
    (Kind::Page, "the page of jobs"),
    (Kind::Submit, "submitting"),
];

fn main() {
    let (rounds, jobs) = (
        number("FBS_BENCH_RUNS", 3),
        number("FBS_BENCH_JOBS", 100_000),
    );
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    let dir = target.join("bench-http");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("target/ is ours");
    let runtime = Runtime::new().expect("there are threads");
    let ids = runtime.block_on(records(&dir, jobs));
    let started = Instant::now();
    let (service, address) = serve(&dir);
    runtime.block_on(ready(&address));
    let read = started.elapsed().as_secs_f64();
    println!("{jobs} jobs; read by a service that knew none of them in {read:.1} s");

    let named = std::env::var_os("FBS_BENCH_FLASK").map(PathBuf::from);
    let gunicorn = named
        .unwrap_or_else(|| target.join("flask"))
        .join("bin/gunicorn");
    let port = free_port();
    let flask = gunicorn.exists().then(|| flask(&gunicorn, &dir, port));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(runtime.block_on(round(&address, &ids)));
        if flask.is_some() {
            theirs.push(runtime.block_on(round(&format!("127.0.0.1:{port}"), &ids)));
        }
    }
    drop(flask);
    for (name, figures) in [("fbs-http", &ours), ("Flask", &theirs)] {
        if !figures.is_empty() {
            print(name, figures);
        }
    }
    if theirs.is_empty() {
        eprintln!("Flask is not there: `scripts/flask target/flask` installs it");
    } else {
        println!(
            "\n{:<36}{:>9}{:>9}{:>9}",
            "as many times as fast", "median", "min", "max"
        );
        for (number, (_, name)) in KINDS.iter().enumerate() {
            row(
                name,
                &ratios(
                    &of(&ours, number, |one| one.0),
                    &of(&theirs, number, |one| one.0),
                ),
            );
        }
    }
    println!("\nmemory after that: {:.1} MiB", memory(&service));
    runtime.block_on(weigh(&address));
    runtime.block_on(followers(&service, &address, &ids));
    service.signal(nix::sys::signal::Signal::SIGTERM);
    service.finish().assert_exit(0);
    let _ = fs::remove_dir_all(&dir);
}

// ---- What is asked about --------------------------------------------------------------------------

/// A ledger with so many jobs, of which all but the last few were cancelled; gives some of their ids.
async fn records(dir: &Path, jobs: usize) -> Vec<JobId> {
    let queue = Local::open(&dir.join("state").join(Local::FILE)).await;
    let queue = queue.expect("the folder is ours");
    let begin = Timestamp::now() - SignedDuration::from_hours(48);
    let line = Line {
        arch: "x86_64".to_owned(),
        release: "41".to_owned(),
    };
    let mut ids = Vec::new();
    for first in (0..jobs).step_by(1000) {
        let mut entries = Vec::new();
        for number in first..jobs.min(first + 1000) {
            let time = begin
                + SignedDuration::from_millis(i64::try_from(number).unwrap_or_default() * 100);
            let job = JobId::new(time);
            entries.push(NewEntry::of_job(queued(&job, time), &line));
            if number + WAITING < jobs {
                let event = JobEvent {
                    job: job.clone(),
                    time,
                    by: "qa".to_owned(),
                    kind: JobEventKind::CancelRequested { reason: None },
                };
                entries.push(Entry::Job(event).into());
            }
            if number % 100 == 0 {
                ids.push(job);
            }
        }
        queue.append(&entries).await.expect("there is space");
    }
    ids
}

fn queued(job: &JobId, time: Timestamp) -> JobEvent {
    let request = JobRequest {
        title: "boot image of Fedora 41 (x86_64)".to_owned(),
        image_type: "boot".to_owned(),
        arch: "x86_64".to_owned(),
        release: "41".to_owned(),
        requester: "qa".to_owned(),
        submitted: time,
        priority: Priority::default(),
        deadline: None,
        retry_of: None,
        private: false,
        payload: Some(Payload {
            spec: SPEC.to_owned(),
            kickstart: None,
        }),
    };
    JobEvent {
        job: job.clone(),
        time,
        by: "qa".to_owned(),
        kind: JobEventKind::Queued {
            request: Box::new(request),
        },
    }
}

const SPEC: &str = "[DEFAULT]\ntype = boot\nrelease = 41\n[boot]\npackages = @core;vim-enhanced\nnvr = vim-9.1.1900-1.fc41\n";

// ---- Who is asked ---------------------------------------------------------------------------------

fn serve(dir: &Path) -> (Running, String) {
    let none = dir.join("none.toml");
    fs::write(&none, "").expect("the folder is ours");
    let mut running = Program::new(binaries::workspace().join("target/release/fbs-http"))
        .args(["--no-worker", "--listen", "127.0.0.1:0"])
        .env("FBS_STATE_DIR", dir.join("state"))
        .env("FBS_CONFIG", &none)
        .without_env("FBS_BROKER")
        .start();
    let line = running.wait_for_stderr("listening on http://");
    let address = line.rsplit("//").next().unwrap_or_default().to_owned();
    (running, address)
}

fn flask(gunicorn: &Path, dir: &Path, port: u16) -> Daemon {
    let store = dir.join("state/http/store.sqlite");
    let program = Program::new(gunicorn)
        .args([
            "--workers",
            "2",
            "--keep-alive",
            "60",
            "--log-level",
            "error",
        ])
        .args(["--worker-class", "gthread", "--threads", "4"])
        .arg("--bind")
        .arg(format!("127.0.0.1:{port}"))
        .arg("flask_app:app")
        .env("STORE", &store)
        .folder(&binaries::workspace().join("benches/support"));
    Daemon::start(program, port, dir.join("flask.log"))
}

async fn ready(address: &str) {
    while Connection::new(address)
        .await
        .ask("GET /readyz", "")
        .await
        .0
        != 200
    {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What the server's process takes, in MiB.
fn memory(service: &Running) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", service.pid()));
    let status = status.unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.and_then(|kib| kib.parse::<f64>().ok())
        .unwrap_or_default()
        / 1024.0
}

// ---- Asking ---------------------------------------------------------------------------------------

/// A connection that is used for one request after the other.
struct Connection {
    stream: BufReader<TcpStream>,
    host: String,
}

impl Connection {
    async fn new(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("it listens");
        stream.set_nodelay(true).expect("it is a socket");
        Self {
            stream: BufReader::new(stream),
            host: address.to_owned(),
        }
    }

    async fn send(&mut self, what: &str, body: &str) {
        let host = &self.host;
        let length = body.len();
        let head = format!(
            "{what} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\naccept-encoding: gzip\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        self.stream
            .write_all(head.as_bytes())
            .await
            .expect("it reads");
    }

    /// Status and length of the answer, and its body.
    async fn answer(&mut self) -> (u16, Vec<u8>) {
        let (mut status, mut length, mut chunked, mut line) = (0, 0, false, String::new());
        loop {
            line.clear();
            self.stream.read_line(&mut line).await.expect("it answers");
            let text = line.trim_end().to_ascii_lowercase();
            if let Some(rest) = text.strip_prefix("http/1.1 ") {
                status = rest
                    .split(' ')
                    .next()
                    .and_then(|code| code.parse().ok())
                    .unwrap_or(0);
            } else if let Some(value) = text.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length is a number");
            }
            chunked |= text == "transfer-encoding: chunked";
            if text.is_empty() {
                break;
            }
        }
        let mut body = Vec::new();
        loop {
            if chunked {
                line.clear();
                self.stream.read_line(&mut line).await.expect("it answers");
                length = usize::from_str_radix(line.trim(), 16).expect("a length is a number");
            }
            let start = body.len();
            // Behind each chunk there is the end of a line.
            let end = if chunked { 2 } else { 0 };
            body.resize(start + length + end, 0);
            let read = self.stream.read_exact(&mut body[start..]).await;
            read.expect("it answers");
            body.truncate(start + length);
            if !chunked || length == 0 {
                return (status, body);
            }
        }
    }

    async fn ask(&mut self, what: &str, body: &str) -> (u16, Vec<u8>) {
        self.send(what, body).await;
        self.answer().await
    }
}

async fn round(address: &str, ids: &[JobId]) -> Figures {
    let mut figures = Figures::default();
    for (kind, _) in KINDS {
        figures.0.push(load(address, ids, kind).await);
    }
    figures
}

async fn load(address: &str, ids: &[JobId], kind: Kind) -> (f64, f64) {
    let started = Instant::now();
    let clients = (0..number("FBS_BENCH_CLIENTS", CLIENTS)).map(|client| {
        let (address, ids) = (address.to_owned(), ids.to_vec());
        tokio::spawn(async move {
            let mut connection = Connection::new(&address).await;
            let body = serde_json::json!({ "spec": SPEC }).to_string();
            let mut times = Vec::new();
            while started.elapsed() < TIME {
                let id = &ids[(client * 7919 + times.len() * 104_729) % ids.len()];
                let asked = Instant::now();
                let (status, answer) = match kind {
                    Kind::Status => connection.ask(&format!("GET /api/v1/jobs/{id}"), "").await,
                    Kind::Page => connection.ask("GET /", "").await,
                    Kind::Submit => connection.ask("POST /api/v1/jobs", &body).await,
                };
                assert!(matches!(status, 200 | 201), "{status}");
                assert!(!answer.is_empty());
                times.push(asked.elapsed().as_secs_f64() * 1e3);
            }
            times
        })
    });
    let clients: Vec<_> = clients.collect();
    let mut times = Vec::new();
    for client in clients {
        times.extend(client.await.expect("no client stumbles"));
    }
    let rate = times.len() as f64 / started.elapsed().as_secs_f64();
    (rate, percentile(&times, 0.99))
}

/// What a first visit and the next one load, compressed.
async fn weigh(address: &str) {
    let mut connection = Connection::new(address).await;
    let page = connection.ask("GET /", "").await.1.len();
    let text = {
        let mut plain = TcpStream::connect(address).await.expect("it listens");
        let request = format!("GET / HTTP/1.0\r\nhost: {address}\r\n\r\n");
        plain.write_all(request.as_bytes()).await.expect("it reads");
        let mut text = String::new();
        plain.read_to_string(&mut text).await.expect("it answers");
        text
    };
    let assets = text.split('"').filter(|part| part.starts_with("/assets/"));
    let mut first = page;
    for asset in assets {
        first += connection.ask(&format!("GET {asset}"), "").await.1.len();
    }
    println!(
        "a visit of the page of jobs: {:.1} KB the first time, {:.1} KB after that",
        first as f64 / 1e3,
        page as f64 / 1e3
    );
}

/// Many who follow the logs of jobs that wait, and others who ask meanwhile.
async fn followers(service: &Running, address: &str, ids: &[JobId]) {
    let waits = ids.last().expect("there are jobs");
    let mut open = Vec::new();
    for _ in 0..FOLLOWERS {
        let mut connection = Connection::new(address).await;
        connection
            .send(&format!("GET /api/v1/jobs/{waits}/log/events"), "")
            .await;
        open.push(connection);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (rate, slow) = load(address, ids, Kind::Status).await;
    println!(
        "with {FOLLOWERS} who follow a log: {:.1} MiB; {rate:.0} requests of a job's status a second, 99 of 100 in {slow:.2} ms",
        memory(service)
    );
}

// ---- What is printed ------------------------------------------------------------------------------

fn of(figures: &[Figures], number: usize, figure: impl Fn(&(f64, f64)) -> f64) -> Vec<f64> {
    figures.iter().map(|one| figure(&one.0[number])).collect()
}

fn print(name: &str, figures: &[Figures]) {
    println!("\n{name:<36}{:>9}{:>9}{:>9}", "median", "min", "max");
    for (number, (_, kind)) in KINDS.iter().enumerate() {
        row(
            &format!("{kind}, a second"),
            &of(figures, number, |one| one.0),
        );
        row(
            &format!("{kind}, p99 in ms"),
            &of(figures, number, |one| one.1),
        );
    }
}
