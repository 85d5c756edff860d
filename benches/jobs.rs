//! Records of 100,000 jobs, all of which wait in one line: half of them came within five seconds, the
//! others one a second. How fast they are taken in, and how long a job, its place in the line and a
//! page of the list take, in a SQLite file and in PostgreSQL; and what the queue for one
//! machine does. An answer shall take less than 5 ms.
//!
//! `make bench` runs it; `FBS_BENCH_JOBS` sets another number.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use fbs_suite::postgres::Postgres;
use image_builder::jobs::{
    Claim, Entry, JobEvent, JobEventKind, JobFilter, JobId, JobRequest, JobStore, Line, Payload,
    PostgresStore, Priority, SqliteStore,
};
use image_builder::queue::{JobQueue, LedgerItem, Local, NewEntry, catch_up};
use image_builder::report;
use jiff::{SignedDuration, Timestamp};

/// As a master takes them in that was away.
const BATCH: usize = 500;

/// So many answers of each kind, of jobs all over the line.
const ANSWERS: usize = 1000;

#[tokio::main]
async fn main() {
    let jobs: usize = std::env::var("FBS_BENCH_JOBS")
        .ok()
        .and_then(|jobs| jobs.parse().ok())
        .unwrap_or(100_000);
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    let dir = target.join("bench-jobs");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("target/ is ours");
    let events: Vec<JobEvent> = (0..jobs).map(queued).collect();

    let file = dir.join("store.sqlite");
    let store = SqliteStore::open(&file).await.expect("the folder is ours");
    records("SQLite", &store, &events).await;
    store.close().await;

    let server = Postgres::start();
    let address = server.database();
    let store = PostgresStore::connect(&address).await;
    let store = store.expect("the server is ours");
    records("PostgreSQL", &store, &events).await;
    store.close().await;
    drop(server);

    queue(&dir.join("queue.sqlite"), &events).await;
    let memory = report::memory().own_kib >> 10;
    println!("peak memory of our process, with all of the events in it: {memory} MiB");
    let _ = fs::remove_dir_all(&dir);
}

async fn records(name: &str, store: &dyn JobStore, events: &[JobEvent]) {
    println!("\n{name}: {} jobs that wait", events.len());
    let places: Vec<(u64, &JobEvent)> = (1..).zip(events).collect();
    let started = Instant::now();
    for batch in places.chunks(BATCH) {
        store.apply_all("bench", batch).await.expect("it is open");
    }
    rate("taken in, 500 at once", events.len(), started);

    println!("{:<36}{:>9}{:>9}{:>9}", "milliseconds", "p50", "p99", "max");
    // One behind the other all over the line, its last one among them.
    let of = |number: usize| &events[events.len() - 1 - number * events.len() / ANSWERS];
    let mut times = Vec::new();
    for number in 0..ANSWERS {
        let started = Instant::now();
        let job = store.job(&of(number).job).await.expect("it is open");
        times.push(started.elapsed());
        assert!(job.is_some());
    }
    row("a job", times);
    let mut times = Vec::new();
    for number in 0..ANSWERS {
        let started = Instant::now();
        let waiting = store.waiting(&of(number).job).await.expect("it is open");
        times.push(started.elapsed());
        let behind = number * events.len() / ANSWERS;
        let before = waiting.map(|waiting| waiting.before);
        assert_eq!(before, Some(events.len() - 1 - behind));
    }
    row("its place in the line", times);
    let mut times = Vec::new();
    for number in 0..ANSWERS / 10 {
        let filter = JobFilter {
            states: vec!["queued".to_owned()],
            arch: Some("x86_64".to_owned()),
            release: Some("43".to_owned()),
            before: Some(of(number * 9).job.clone()),
            limit: 50,
            ..JobFilter::default()
        };
        let started = Instant::now();
        let page = store.jobs(&filter).await.expect("it is open");
        times.push(started.elapsed());
        assert_eq!(page.len(), 50);
    }
    row("a page of 50 jobs", times);
    let mut times = Vec::new();
    for (place, number) in (events.len() as u64 + 1..).zip(0..ANSWERS) {
        let event = &of(number);
        let claim = Claim {
            worker: "anna".to_owned(),
            session: "anna-1".to_owned(),
            run: 1,
        };
        let event = JobEvent {
            kind: JobEventKind::Claimed { claim },
            ..(*event).clone()
        };
        let started = Instant::now();
        let taken = store.apply("bench", place, &event).await;
        times.push(started.elapsed());
        assert!(taken.expect("it is open").is_some());
    }
    row("a change", times);
}

/// What the queue for one machine does with the same jobs.
async fn queue(file: &Path, events: &[JobEvent]) {
    println!("\nThe queue for one machine");
    let queue = Local::open(file).await.expect("the folder is ours");
    let line = Line {
        arch: "x86_64".to_owned(),
        release: "43".to_owned(),
    };
    let entry = |event: &JobEvent| NewEntry::of_job(event.clone(), &line);
    let (alone, together) = events.split_at(events.len().min(1000));
    let started = Instant::now();
    for event in alone {
        queue.append(&[entry(event)]).await.expect("it is open");
    }
    rate("added one by one, each on disk", alone.len(), started);
    let started = Instant::now();
    for events in together.chunks(BATCH) {
        let entries: Vec<NewEntry> = events.iter().map(entry).collect();
        queue.append(&entries).await.expect("it is open");
    }
    rate("added, 500 at once", together.len(), started);
    let mut read = 0;
    let started = Instant::now();
    let ledger = catch_up(&queue, None, |_, _| read += 1).await;
    let mut items = ledger.expect("it is open");
    rate("read", read, started);
    let other = Local::open(file).await.expect("it is there");
    let mut times = Vec::new();
    for number in 0..100 {
        let mark = Entry::Mark {
            mark: number.to_string(),
        };
        other.append(&[mark.into()]).await.expect("it is open");
        let started = Instant::now();
        while !matches!(items.recv().await, Some(LedgerItem::Entry { .. })) {}
        times.push(started.elapsed());
    }
    println!("{:<36}{:>9}{:>9}{:>9}", "milliseconds", "p50", "p99", "max");
    row("until another process sees it", times);
    other.close().await;
    queue.close().await;
}

fn queued(number: usize) -> JobEvent {
    // Ten in a millisecond, and later one in a second.
    let milliseconds = match number {
        0..50_000 => number / 10,
        _ => 5_000 + (number - 50_000) * 1000,
    };
    let milliseconds = i64::try_from(milliseconds).expect("some hours");
    let begin = Timestamp::from_second(1_795_000_000).expect("in 2026");
    let time = begin + SignedDuration::from_millis(milliseconds);
    let id = format!("{}-{number:08}", time.strftime("%Y%m%dT%H%M%S%3f"));
    let request = JobRequest {
        title: "boot image of Fedora 43 (x86_64)".to_owned(),
        image_type: "boot".to_owned(),
        arch: "x86_64".to_owned(),
        release: "43".to_owned(),
        requester: format!("tester{}@example.org", number % 50),
        submitted: time,
        priority: Priority::default(),
        deadline: None,
        retry_of: None,
        private: false,
        payload: Some(Payload {
            spec: "[DEFAULT]\ntype = boot\nrelease = 43\n".repeat(10),
            kickstart: None,
        }),
    };
    JobEvent {
        job: JobId::parse(&id).expect("it is one"),
        time,
        by: request.requester.clone(),
        kind: JobEventKind::Queued {
            request: Box::new(request),
        },
    }
}

fn rate(name: &str, count: usize, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    let rate = count as f64 / seconds;
    println!("{name:<36}{seconds:>9.1} s{rate:>9.0}/s");
}

fn row(name: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1000.0;
    println!("{name:<36}{:>9.2}{:>9.2}{:>9.2}", at(50), at(99), at(100));
}
