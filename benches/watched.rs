//! A real build that is watched: how much longer it takes while 300 follow its log and 50 requests a second are
//! answered, beside the same build with nobody there, alternating; and how long a line of the log is on its way into a
//! browser.
//!
//! As root, with the mini release. `make bench` runs it; `FBS_BENCH_RUNS` sets the number of rounds (default 3).

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fbs_suite::browser::Browser;
use fbs_suite::{Folders, Program, Running, binaries, release, web};
use figures::{ratios, row};
use load::{number, percentile};
use mini_release::Server;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

#[path = "support/figures.rs"]
mod figures;
#[path = "support/load.rs"]
mod load;

/// As many follow the log.
const FOLLOWERS: usize = 300;

/// As many requests a second.
const REQUESTS: u32 = 50;

/// A build takes less than this.
const BUILD: Duration = Duration::from_secs(600);

/// Keeps when each line of the log came into the page, in milliseconds since 1970, with the line.
const WATCH: &str = "window.came = [];
    const log = document.getElementById('log');
    const seen = (row) => row.id && window.came.push([Date.now(), row.lastChild.textContent]);
    new MutationObserver((changes) => changes.forEach((change) => change.addedNodes.forEach(seen)))
        .observe(log, { childList: true });";

fn main() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("a build needs root: nothing is measured");
        return;
    }
    let rounds = number("FBS_BENCH_RUNS", 3);
    let _ = release::mini();
    let root = binaries::workspace().join("target/mini-release");
    let server = Server::start(&root).expect("a port is free");
    let packages = release::packages();
    let (_, path) = packages
        .split_once("/mini-release/")
        .expect("it is in target/");
    let url = format!("{}/{path}", server.url().trim_end_matches('/'));
    let (mut alone, mut watched, mut came) = (Vec::new(), Vec::new(), Vec::new());
    let (mut asked, mut slow) = (0, Vec::new());
    for _ in 0..rounds {
        alone.push(Service::start().build(&url, |_, _| ()).0);
        let (seconds, figures) = Service::start().build(&url, crowd);
        watched.push(seconds);
        asked += figures.len();
        slow.extend(figures);
        came.extend(Service::start().build(&url, browse).1);
    }
    println!("{:<36}{:>9}{:>9}{:>9}", "", "median", "min", "max");
    row("a build alone, s", &alone);
    row("the same, watched, s", &watched);
    row("as many times as long", &ratios(&watched, &alone));
    println!(
        "{FOLLOWERS} followers had all of the log; {asked} requests were answered, 99 of 100 within {:.1} ms",
        percentile(&slow, 0.99)
    );
    println!(
        "a line of the log is in the browser after {:.0} ms (median of {}), 99 of 100 within {:.0} ms",
        percentile(&came, 0.5),
        came.len(),
        percentile(&came, 0.99)
    );
}

/// A service that builds, with caches of its own.
struct Service {
    running: Running,
    address: String,
    folders: Folders,
}

impl Service {
    fn start() -> Self {
        let folders = Folders::new();
        let none = folders.file("none.toml", "");
        let mut running = Program::new(binaries::workspace().join("target/release/fbs-http"))
            .args(["--listen", "127.0.0.1:0", "--release", "99"])
            .env("FBS_CACHE_DIR", folders.cache())
            .env("FBS_STATE_DIR", folders.state())
            .env("FBS_CONFIG", none)
            .env("TMPDIR", folders.top())
            .without_env("FBS_BROKER")
            .folder(folders.top())
            .start();
        let line = running.wait_for_stderr("listening on http://");
        let address = line.rsplit("//").next().unwrap_or_default().to_owned();
        let service = Self {
            running,
            address,
            folders,
        };
        web::wait_until_ready(&service.address, BUILD);
        service
    }

    /// How many seconds a build takes while something else goes on, and what comes of that.
    fn build<T>(self, url: &str, meanwhile: impl FnOnce(&Self, &str) -> T) -> (f64, T) {
        let wanted = json!({"spec": {
            "DEFAULT": {"type": "boot", "release": "99", "boot_test": "both"},
            "boot": {"99_url": url, "packages": "@core"},
        }});
        let (status, body) = ask(&self.address, "POST /api/v1/jobs", &wanted.to_string());
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(&body));
        let job: Value = serde_json::from_slice(&body).expect("it is JSON");
        let id = job["id"].as_str().expect("a job has an id").to_owned();
        let came = meanwhile(&self, &id);
        let job = loop {
            let job = self.job(&id);
            match job["state"].as_str() {
                Some("queued" | "running" | "delivering") => {
                    thread::sleep(Duration::from_millis(500));
                }
                state => {
                    assert_eq!(state, Some("succeeded"), "{job:#}");
                    break job;
                }
            }
        };
        let Self { running, .. } = self;
        running.signal(Signal::SIGTERM);
        running.finish().assert_exit(0);
        let seconds = job["ending"]["seconds"].as_f64();
        (seconds.expect("it has ended"), came)
    }

    fn job(&self, id: &str) -> Value {
        let (status, body) = ask(&self.address, &format!("GET /api/v1/jobs/{id}"), "");
        assert_eq!(status, 200);
        serde_json::from_slice(&body).expect("it is JSON")
    }
}

/// Many who follow the log, and requests one after the other until the job has ended; gives how long each took, in ms.
fn crowd(service: &Service, id: &str) -> Vec<f64> {
    let (ended, whole) = (AtomicBool::new(false), AtomicUsize::new(0));
    let address = &service.address;
    thread::scope(|scope| {
        for _ in 0..FOLLOWERS {
            let whole = &whole;
            thread::Builder::new()
                .stack_size(128 << 10)
                .spawn_scoped(scope, move || {
                    follow(address, id);
                    whole.fetch_add(1, Ordering::Relaxed);
                })
                .expect("there are threads");
        }
        let asking = scope.spawn(|| {
            let mut times = Vec::new();
            let begin = Instant::now();
            let targets = [
                format!("GET /api/v1/jobs/{id}"),
                "GET /".to_owned(),
                format!("GET /jobs/{id}"),
                "GET /api/v1/queues".to_owned(),
            ];
            for (number, target) in (0..).zip(targets.iter().cycle()) {
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                let next = begin + Duration::from_secs(1) * number / REQUESTS;
                thread::sleep(next.saturating_duration_since(Instant::now()));
                let asked = Instant::now();
                let (status, _) = ask(address, target, "");
                assert_eq!(status, 200, "{target}");
                times.push(asked.elapsed().as_secs_f64() * 1e3);
            }
            times
        });
        follow(address, id);
        ended.store(true, Ordering::Relaxed);
        let times = asking.join().expect("every request is answered");
        while whole.load(Ordering::Relaxed) < FOLLOWERS {
            thread::sleep(Duration::from_millis(10));
        }
        times
    })
}

/// Follows a log to its end.
fn follow(address: &str, id: &str) {
    let stream = send(address, &format!("GET /api/v1/jobs/{id}/log/events"), "");
    let mut name = String::new();
    for line in BufReader::new(stream).lines() {
        let line = line.expect("the log goes on");
        if let Some(event) = line.strip_prefix("event: ") {
            event.clone_into(&mut name);
        } else if let Some(data) = line.strip_prefix("data: ")
            && name == "end"
        {
            assert!(data.contains("\"complete\":true"), "{data}");
            return;
        }
    }
    panic!("a log has an end");
}

/// A browser that follows the log; gives how long each line was on its way, in ms.
fn browse(service: &Service, id: &str) -> Vec<f64> {
    let browser = Browser::start(service.folders.top(), true);
    browser.go(&format!("http://{}/jobs/{id}", service.address));
    browser.run(WATCH);
    follow(&service.address, id);
    // What came last is in the page as well.
    browser.wait_for("#state .pf-v6-c-label", "succeeded");
    let ages = browser.run(
        "return window.came.map(([came, line]) => {
            const time = /^(\\d+)-(\\d+)-(\\d+) (\\d+):(\\d+):(\\d+),(\\d+) - /.exec(line);
            if (!time) return null;
            const [year, month, ...rest] = time.slice(1).map(Number);
            return came - new Date(year, month - 1, ...rest).getTime();
        });",
    );
    let ages = ages.as_array().into_iter().flatten();
    let ages: Vec<f64> = ages.filter_map(Value::as_f64).collect();
    assert!(!ages.is_empty(), "no line came while somebody looked");
    ages
}

// ---- Asking ---------------------------------------------------------------------------------------

fn send(address: &str, what: &str, body: &str) -> TcpStream {
    web::send(address, BUILD, &head(what), body)
}

fn ask(address: &str, what: &str, body: &str) -> (u16, Vec<u8>) {
    web::ask(address, BUILD, &head(what), body)
}

fn head(what: &str) -> String {
    format!("{what} HTTP/1.0\r\ncontent-type: application/json\r\n")
}
