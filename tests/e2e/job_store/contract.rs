//! What every store does.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use image_builder::events::{Outcome, Stage};
use image_builder::jobs::{
    Bookmark, Job, JobEvent, JobFilter, JobId, JobRequest, JobState, JobStore, JobTable, Line,
    LineLoad, Payload, Wish,
};

use super::story::{
    at, cancelled, claim, claimed, ended, event, fold, id, id_at, lost, many, queued, request,
    stage,
};
use super::{Home, accounts, images};

type Check = for<'a> fn(&'a dyn Home) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Each with a place of its own, which is empty.
pub(crate) const CHECKS: &[(&str, Check)] = &[
    ("a job's life is kept", |home| Box::pin(life(home))),
    ("a place is taken in once", |home| Box::pin(once(home))),
    ("all of a batch or nothing", |home| Box::pin(batch(home))),
    ("lists are filtered and paged", |home| Box::pin(lists(home))),
    ("jobs are found by words", |home| Box::pin(words(home))),
    ("who goes before a job", |home| Box::pin(positions(home))),
    ("two masters at once", |home| Box::pin(two_masters(home))),
    ("a master that stops anywhere", |home| Box::pin(stops(home))),
    ("a job is read whole", |home| Box::pin(whole(home))),
    ("foreign words", |home| Box::pin(foreign_words(home))),
    ("what there is to do", |home| Box::pin(to_do(home))),
    ("a wish is remembered once", |home| Box::pin(wishes(home))),
    ("images come and go", |home| Box::pin(images::life(home))),
    ("what is pinned stays", |home| Box::pin(images::pins(home))),
    ("one does what two want", |home| {
        Box::pin(images::claims(home))
    }),
    ("how many images there are", |home| {
        Box::pin(images::figures(home))
    }),
    ("logins and sessions", |home| {
        Box::pin(accounts::logins(home))
    }),
    ("tokens", |home| Box::pin(accounts::tokens(home))),
    ("who did what", |home| Box::pin(accounts::audit(home))),
    ("whose jobs, and who sees them", |home| {
        Box::pin(accounts::work(home))
    }),
];

const LEDGER: &str = "amqp://fbs@broker/%2F";

/// With its place, from 1.
fn placed(events: &[JobEvent]) -> Vec<(u64, &JobEvent)> {
    (1..).zip(events).collect()
}

fn without_payload(mut job: Job) -> Job {
    job.request.payload = None;
    job
}

async fn same(store: &dyn JobStore, events: &[JobEvent]) {
    for (id, job) in fold(events) {
        assert_eq!(store.job(&id).await.unwrap(), Some(job), "{id}");
    }
}

/// All that waits stands where the table of the workers has it.
async fn same_order(store: &dyn JobStore, events: &[JobEvent]) {
    let mut table = JobTable::default();
    for (place, event) in placed(events) {
        // What does not count changes nothing.
        let _ = table.apply(place, event);
    }
    let mut waiting = 0;
    let jobs: Vec<JobId> = fold(events).into_keys().collect();
    let together = store.places(&jobs).await.unwrap();
    for id in &jobs {
        let expected = table.waiting(id);
        waiting += usize::from(expected.is_some());
        assert_eq!(together.get(id), expected.as_ref(), "{id}");
        assert_eq!(store.waiting(id).await.unwrap(), expected, "{id}");
    }
    assert!(waiting > 0);
}

async fn life(home: &dyn Home) {
    let store = home.open().await.unwrap();
    let job = id_at(0, 7);
    assert_eq!(store.job(&job).await.unwrap(), None);
    assert_eq!(store.waiting(&job).await.unwrap(), None);
    let (first, second) = (claim("anna", 1), claim("bert", 2));
    let events = [
        queued(&job, request("43", 3)),
        event(&job, 10, claimed(&first)),
        event(&job, 20, stage(&first, Stage::Root)),
        event(&job, 30, lost(&first)),
        event(&job, 40, claimed(&second)),
        event(&job, 50, stage(&second, Stage::BootTest)),
        event(&job, 60, ended(&second, Outcome::Failed)),
    ];
    for (place, event) in placed(&events) {
        let now = store.apply(LEDGER, place, event).await.unwrap();
        let so_far = &events[..usize::try_from(place).unwrap()];
        let expected = fold(so_far).remove(&job).unwrap();
        assert_eq!(now, Some(without_payload(expected.clone())));
        assert_eq!(store.job(&job).await.unwrap(), Some(expected.clone()));
        let filter = JobFilter {
            limit: 1,
            ..JobFilter::default()
        };
        let listed = store.jobs(&filter).await.unwrap().remove(0);
        assert_eq!(listed.state, expected.state);
        assert_eq!(listed.since, event.time);
        assert_eq!(listed.worker, expected.claim.map(|claim| claim.worker));
        assert_eq!(listed.title, "boot image of Fedora 43 (x86_64)");
        assert_eq!(
            (listed.arch.as_str(), listed.release.as_str()),
            ("x86_64", "43")
        );
        assert_eq!(
            (listed.requester.as_str(), listed.submitted),
            ("qa@desk", at(0))
        );
        let waits = expected.state == JobState::Queued;
        assert_eq!(store.waiting(&job).await.unwrap().is_some(), waits);
    }
    let kept = store.job(&job).await.unwrap().unwrap();
    let history: Vec<String> = kept
        .history
        .iter()
        .map(|one| format!("{} {}: {}", one.time, one.state.name(), one.cause))
        .collect();
    assert_eq!(history.len(), 7);
    assert_eq!(
        history[3],
        format!(
            "{} queued: anna was lost: nothing was heard of it for 30 s",
            at(30)
        )
    );
}

async fn once(home: &dyn Home) {
    let store = home.open().await.unwrap();
    let (job, claim) = (id_at(0, 1), claim("anna", 1));
    assert_eq!(store.place(LEDGER).await.unwrap(), None);
    let begin = queued(&job, request("43", 0));
    // The first place of a ledger may be 0, and places may be passed over: they are not of jobs.
    assert!(store.apply(LEDGER, 0, &begin).await.unwrap().is_some());
    assert_eq!(store.place(LEDGER).await.unwrap(), Some(0));
    let taken = event(&job, 10, claimed(&claim));
    assert!(store.apply(LEDGER, 7, &taken).await.unwrap().is_some());
    let gone = event(&job, 20, lost(&claim));
    for place in [7, 3, 0] {
        assert_eq!(store.apply(LEDGER, place, &gone).await.unwrap(), None);
        assert_eq!(store.place(LEDGER).await.unwrap(), Some(7));
    }
    // What does not count is behind it all the same.
    assert_eq!(store.apply(LEDGER, 8, &taken).await.unwrap(), None);
    assert_eq!(store.place(LEDGER).await.unwrap(), Some(8));
    let unknown = event(&id("nobody"), 20, lost(&claim));
    assert_eq!(store.apply(LEDGER, 9, &unknown).await.unwrap(), None);
    assert_eq!(store.job(&id("nobody")).await.unwrap(), None);
    // Another ledger has places of its own.
    assert_eq!(store.place("other").await.unwrap(), None);
    let other = queued(&id_at(0, 2), request("43", 0));
    assert!(store.apply("other", 1, &other).await.unwrap().is_some());
    assert_eq!(store.place("other").await.unwrap(), Some(1));
    assert_eq!(store.place(LEDGER).await.unwrap(), Some(9));
    // Nobody knows what stood there before it is marked; an earlier place changes nothing.
    assert_eq!(store.bookmark("nowhere").await.unwrap(), None);
    assert_eq!(store.bookmark(LEDGER).await.unwrap(), Some(9.into()));
    let highest = i64::MAX.unsigned_abs();
    for (place, digest) in [(8, 88), (11, highest), (10, 10)] {
        store.mark_read(LEDGER, place, digest).await.unwrap();
    }
    let bookmark = Bookmark {
        place: 11,
        digest: Some(highest),
    };
    assert_eq!(store.bookmark(LEDGER).await.unwrap(), Some(bookmark));
    assert_eq!(store.place(LEDGER).await.unwrap(), Some(9));
    // Of one with nothing but what stores do not keep.
    store.mark_read("workers", 3, 0).await.unwrap();
    assert_eq!(store.place("workers").await.unwrap(), None);
    let bookmark = Bookmark {
        place: 3,
        digest: Some(0),
    };
    assert_eq!(store.bookmark("workers").await.unwrap(), Some(bookmark));
    let running = store.job(&job).await.unwrap().unwrap().state;
    assert_eq!(running, JobState::Running { stage: None });
}

async fn batch(home: &dyn Home) {
    let store = home.open().await.unwrap();
    let events = many(50);
    let entries = placed(&events);
    let (first, rest) = entries.split_at(60);
    let mut changed = store.apply_all(LEDGER, first).await.unwrap();
    // A part that has been taken in is passed over.
    changed.extend(store.apply_all(LEDGER, &entries[..90]).await.unwrap());
    // A place that cannot be: nothing of this batch is taken in.
    let mut broken = rest.to_vec();
    broken.push((u64::MAX, &events[0]));
    let before = store.place(LEDGER).await.unwrap();
    store.apply_all(LEDGER, &broken).await.unwrap_err();
    assert_eq!(store.place(LEDGER).await.unwrap(), before);
    same(&*store, &events[..90]).await;
    changed.extend(store.apply_all(LEDGER, rest).await.unwrap());
    assert_eq!(store.apply_all(LEDGER, &entries).await.unwrap(), []);
    assert_eq!(store.apply_all(LEDGER, &[]).await.unwrap(), []);
    same(&*store, &events).await;
    same_order(&*store, &events).await;
    // Each event that counts gives the job as it was then.
    let transitions = fold(&events).into_values().map(|job| job.history.len());
    let cancels = fold(&events).into_values().filter(|job| {
        // Of a job that is built: that somebody does not want it is no change of its state.
        job.cancel.is_some() && !job.state.is_final()
    });
    assert_eq!(changed.len(), transitions.sum::<usize>() + cancels.count());
}

async fn lists(home: &dyn Home) {
    let store = home.open().await.unwrap();
    let events = many(70);
    store.apply_all(LEDGER, &placed(&events)).await.unwrap();
    let mut other = request("43", 0);
    other.arch = "aarch64".to_owned();
    other.requester = "root@builder".to_owned();
    let arm = id_at(5000, 99);
    let begin = queued(&arm, other);
    store.apply(LEDGER, 10_000, &begin).await.unwrap();
    let mut all: Vec<Job> = fold(&events).into_values().collect();
    all.extend(Job::new(&begin));
    all.sort_by(|a, b| b.id.cmp(&a.id));
    let list = async |filter: JobFilter| -> Vec<JobId> {
        let jobs = store.jobs(&filter).await.unwrap();
        jobs.into_iter().map(|job| job.id).collect()
    };
    let expected = |keep: &dyn Fn(&Job) -> bool| -> Vec<JobId> {
        let kept = all.iter().filter(|job| keep(job));
        kept.map(|job| job.id.clone()).collect()
    };
    let everything = JobFilter {
        limit: 1000,
        ..JobFilter::default()
    };
    assert_eq!(list(everything.clone()).await, expected(&|_| true));
    for states in [vec!["queued"], vec!["running", "cancelled"], vec!["mad"]] {
        let filter = JobFilter {
            states: states.iter().map(|&state| state.to_owned()).collect(),
            ..everything.clone()
        };
        let found = list(filter).await;
        assert_eq!(found, expected(&|job| states.contains(&job.state.name())));
    }
    let filter = JobFilter {
        arch: Some("aarch64".to_owned()),
        ..everything.clone()
    };
    assert_eq!(list(filter).await, std::slice::from_ref(&arm));
    let filter = JobFilter {
        requester: Some("root@builder".to_owned()),
        ..everything.clone()
    };
    assert_eq!(list(filter).await, [arm]);
    let filter = JobFilter {
        release: Some("43".to_owned()),
        arch: Some("x86_64".to_owned()),
        states: vec!["succeeded".to_owned(), "failed".to_owned()],
        ..everything.clone()
    };
    let found = list(filter).await;
    assert!(!found.is_empty());
    let of_43 = |job: &Job| {
        job.request.release == "43"
            && job.request.arch == "x86_64"
            && ["succeeded", "failed"].contains(&job.state.name())
    };
    assert_eq!(found, expected(&of_43));
    // Page after page, none twice and none missing.
    let mut pages = Vec::new();
    let mut before = None;
    loop {
        let filter = JobFilter {
            limit: 9,
            before,
            ..JobFilter::default()
        };
        let page = list(filter).await;
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 9);
        before = Some(last.clone());
        pages.extend(page);
    }
    assert_eq!(pages, expected(&|_| true));
}

async fn words(home: &dyn Home) {
    let store = home.open().await.unwrap();
    let asked = |title: &str, by: &str, spec: &str| {
        let mut request = request("43", 0);
        request.title = title.to_owned();
        request.requester = by.to_owned();
        request.payload = Some(Payload {
            spec: spec.to_owned(),
            kickstart: None,
        });
        request
    };
    let (vim, nano, odd) = (id_at(0, 1), id_at(0, 2), id_at(0, 3));
    let events = [
        queued(
            &vim,
            asked(
                "boot image of Fedora 43",
                "anna",
                "[boot]\n# nano\nnvr=vim-9.1.1900-1.fc43;\npackages=@Core\n",
            ),
        ),
        queued(
            &nano,
            asked(
                "live image of Fedora 43",
                "bert",
                "[live]\nnvr=nano-8.0-1.fc43\n",
            ),
        ),
        queued(&odd, asked("100% Ünusual_image!", "anna", "")),
    ];
    store.apply_all(LEDGER, &placed(&events)).await.unwrap();
    let found = async |words: &str| -> Vec<JobId> {
        let filter = JobFilter {
            words: words.to_owned(),
            limit: 10,
            ..JobFilter::default()
        };
        let jobs = store.jobs(&filter).await.unwrap();
        jobs.into_iter().map(|job| job.id).collect()
    };
    for (words, expected) in [
        ("", vec![&odd, &nano, &vim]),
        ("vim-9.1", vec![&vim]),
        ("  VIM   Fedora ", vec![&vim]),
        ("@core anna", vec![&vim]),
        ("anna", vec![&odd, &vim]),
        ("fedora 43", vec![&nano, &vim]),
        // Neither the names of keys and sections nor comments are words of a spec.
        ("nano", vec![&nano]),
        ("packages", vec![]),
        (nano.as_str(), vec![&nano]),
        // What means something to a database is a letter here.
        ("100%", vec![&odd]),
        ("0% ünusual_", vec![&odd]),
        ("i%e", vec![]),
        ("m_ge", vec![]),
        ("image!", vec![&odd]),
        ("' OR 'a' = 'a", vec![]),
    ] {
        let expected: Vec<JobId> = expected.into_iter().cloned().collect();
        assert_eq!(found(words).await, expected, "{words:?}");
    }
    // What becomes of a job changes nothing of what it is found by.
    let place = store.place(LEDGER).await.unwrap().unwrap() + 1;
    let taken = event(&vim, 20, claimed(&claim("anton", 1)));
    store.apply(LEDGER, place, &taken).await.unwrap().unwrap();
    assert_eq!(found("vim-9.1").await, [vim]);
}

async fn positions(home: &dyn Home) {
    let store = home.open().await.unwrap();
    let mut events = Vec::new();
    // Within a tenth of a second, a minute, an hour, over days; and ids that others have made.
    let times = [
        0, 0, 0, 1, 5, 9, 10, 300, 599, 600, 601, 36_000, 36_000, 864_000, 1_728_000,
    ];
    for (number, &tenths) in times.iter().enumerate() {
        for (release, priority) in [("43", 0), ("43", 9), ("43", -128), ("44", 127)] {
            let number = 10 * number + usize::try_from(i32::from(priority) + 200).unwrap();
            events.push(queued(&id_at(tenths, number), request(release, priority)));
        }
    }
    for odd in ["a", "Z", "0", "20261118", "20261118T", "zz-9", "_x"] {
        events.push(queued(&id(odd), request("43", 0)));
    }
    // As nobody submits them.
    let middle = events.len() / 2;
    events.rotate_left(middle);
    store.apply_all(LEDGER, &placed(&events)).await.unwrap();
    same_order(&*store, &events).await;
    // Some go, some of them come back.
    let claim = claim("anna", 1);
    for number in (0..events.len()).step_by(2) {
        let job = events[number].job.clone();
        events.push(event(&job, 1, claimed(&claim)));
        match number % 3 {
            0 => events.push(event(&job, 2, lost(&claim))),
            1 => events.push(event(&job, 2, ended(&claim, Outcome::Succeeded))),
            _ => events.push(event(&job, 2, cancelled())),
        }
    }
    store.apply_all(LEDGER, &placed(&events)).await.unwrap();
    same_order(&*store, &events).await;
}

async fn two_masters(home: &dyn Home) {
    // Both start on an empty place, at once.
    let (first, second) = tokio::join!(home.open(), home.open());
    let stores = [first.unwrap(), second.unwrap()];
    let events = many(60);
    // Of two brokers, which both of them read.
    const LEDGERS: [&str; 2] = ["amqp://one", "amqp://two"];
    let half = |ledger: usize| -> Vec<(u64, JobEvent)> {
        let is_of = |event: &JobEvent| event.job.as_str().as_bytes()[26] as usize % 2 == ledger;
        let events = (1..).zip(events.iter().cloned());
        events.filter(|(_, event)| is_of(event)).collect()
    };
    let mut tasks = Vec::new();
    for (number, store) in stores.iter().enumerate() {
        for (index, ledger) in LEDGERS.into_iter().enumerate() {
            let (store, entries) = (Arc::clone(store), half(index));
            tasks.push(tokio::spawn(async move {
                let mut changes = Vec::new();
                let mut entries = &entries[..];
                while !entries.is_empty() {
                    let size = (number + 1).min(entries.len());
                    let (some, rest) = entries.split_at(size);
                    let some: Vec<_> = some.iter().map(|(place, event)| (*place, event)).collect();
                    changes.extend(store.apply_all(ledger, &some).await.unwrap());
                    entries = rest;
                }
                changes
            }));
        }
    }
    let mut ends: Vec<JobId> = Vec::new();
    let mut changes = 0;
    for task in tasks {
        let changed = task.await.unwrap();
        changes += changed.len();
        let ended = changed.into_iter().filter(|job| job.state.is_final());
        ends.extend(ended.map(|job| job.id));
    }
    for store in &stores {
        same(&**store, &events).await;
        same_order(&**store, &events).await;
    }
    // One of them has heard of each end, and the other has not: so each is told once.
    ends.sort();
    let jobs = fold(&events).into_values();
    let mut expected: Vec<JobId> = jobs
        .filter(|job| job.state.is_final())
        .map(|job| job.id)
        .collect();
    expected.sort();
    assert_eq!(ends, expected);
    assert!(changes > expected.len());
}

async fn stops(home: &dyn Home) {
    let events = many(60);
    let entries = placed(&events);
    let mut stopped = 0;
    // From what only begins to what comes to its end.
    for patience in (0..).map(|step| (1 << step) - 1) {
        let store = home.open().await.unwrap();
        let place = store.place(LEDGER).await.unwrap().unwrap_or_default();
        let rest = &entries[usize::try_from(place).unwrap()..];
        if rest.is_empty() {
            break;
        }
        let batch = &rest[..rest.len().min(60)];
        let work = store.apply_all(LEDGER, batch);
        let limit = Duration::from_millis(patience);
        match tokio::time::timeout(limit, work).await {
            Ok(done) => drop(done.unwrap()),
            // In the middle of it, or at its very end.
            Err(_) => stopped += 1,
        }
        let now = store.place(LEDGER).await.unwrap().unwrap_or_default();
        let whole = place + u64::try_from(batch.len()).unwrap();
        assert!(now == place || now == whole, "{place} {now} {whole}");
    }
    assert!(stopped > 0);
    let store = home.open().await.unwrap();
    same(&*store, &events).await;
    same_order(&*store, &events).await;
}

async fn whole(home: &dyn Home) {
    let (writer, reader) = (home.open().await.unwrap(), home.open().await.unwrap());
    let (job, claim) = (id_at(0, 1), claim("anna", 1));
    let mut events = vec![
        queued(&job, request("43", 0)),
        event(&job, 1, claimed(&claim)),
    ];
    for step in 0..100_usize {
        let stages = [Stage::Root, Stage::Kickstart];
        events.push(event(&job, 2, stage(&claim, stages[step % 2])));
    }
    let last = events.len();
    let write = tokio::spawn(async move {
        for (place, event) in placed(&events) {
            writer.apply(LEDGER, place, event).await.unwrap();
        }
    });
    let mut seen = 0;
    while seen < last {
        let Some(job) = reader.job(&job).await.unwrap() else {
            continue;
        };
        assert_eq!(job.history.last().unwrap().state, job.state);
        assert!(job.history.len() >= seen);
        seen = job.history.len();
    }
    write.await.unwrap();
}

async fn foreign_words(home: &dyn Home) {
    let store = home.open().await.unwrap();
    let words = [
        "'; DROP TABLE jobs; --".to_owned(),
        "\u{1f427} \u{202e}\"\\ %s $1 ?1".to_owned(),
        "nothing\0behind".to_owned(),
        "x".repeat(100_000),
        String::new(),
    ];
    for (number, words) in words.iter().enumerate() {
        let strange = JobRequest {
            title: words.clone(),
            arch: words.clone(),
            release: words.clone(),
            requester: words.clone(),
            ..request("43", 0)
        };
        let job = id_at(0, number);
        let claim = claim(words, 1);
        let mut last = event(&job, 20, cancelled());
        last.by.clone_from(words);
        let events = [
            queued(&job, strange),
            event(&job, 10, claimed(&claim)),
            event(&job, 15, lost(&claim)),
            last,
        ];
        for event in &events {
            let place = store.place(LEDGER).await.unwrap().unwrap_or_default() + 1;
            let waits = event.time == at(15);
            let now = store.apply(LEDGER, place, event).await.unwrap().unwrap();
            let position = store.waiting(&job).await.unwrap();
            assert_eq!(position.is_some(), now.state == JobState::Queued, "{waits}");
        }
        let kept = store.job(&job).await.unwrap().unwrap();
        let expected = fold(&events).remove(&job).unwrap();
        assert_eq!(kept.request, expected.request);
        assert_eq!(kept.ending, expected.ending);
        assert_eq!(kept.history.len(), expected.history.len());
        let filter = JobFilter {
            requester: Some(words.clone()),
            arch: Some(words.clone()),
            limit: 10,
            ..JobFilter::default()
        };
        let found = store.jobs(&filter).await.unwrap();
        let found: Vec<_> = found.into_iter().map(|job| job.id).collect();
        assert_eq!(found, [job], "{number}");
    }
    let filter = JobFilter {
        states: vec!["' OR 'a' = 'a".to_owned()],
        limit: 10,
        ..JobFilter::default()
    };
    assert_eq!(store.jobs(&filter).await.unwrap(), []);
}

async fn to_do(home: &dyn Home) {
    let store = home.open().await.unwrap();
    assert_eq!(store.lines().await.unwrap(), []);
    let jobs = [1, 2, 3, 4, 5, 6].map(|number| id_at(number, 1));
    let submitted = |number: usize, release, priority| {
        let tenths = i64::try_from(number).unwrap();
        let request = JobRequest {
            submitted: at(tenths),
            ..request(release, priority)
        };
        queued(&jobs[number], request)
    };
    let events = [
        submitted(0, "43", 0),
        submitted(1, "43", 0),
        submitted(2, "rawhide", 0),
        submitted(3, "44", 0),
        // What goes first has not waited longest.
        submitted(4, "43", 7),
        submitted(5, "43", 0),
        event(&jobs[0], 10, claimed(&claim("anna", 1))),
        event(&jobs[3], 20, cancelled()),
    ];
    store.apply_all(LEDGER, &placed(&events)).await.unwrap();
    let load = |release: &str, waiting, running, oldest| LineLoad {
        line: Line {
            arch: "x86_64".to_owned(),
            release: release.to_owned(),
        },
        waiting,
        running,
        oldest: Some(oldest),
    };
    let lines = store.lines().await.unwrap();
    assert_eq!(
        lines,
        [load("43", 3, 1, at(1)), load("rawhide", 1, 0, at(2))]
    );
    let tally = store.tally().await.unwrap();
    let expected = [("cancelled", 1), ("queued", 4), ("running", 1)];
    let expected = expected.map(|(state, jobs)| (state.to_owned(), jobs));
    assert_eq!(tally, BTreeMap::from(expected));
}

async fn wishes(home: &dyn Home) {
    let (one, other) = (home.open().await.unwrap(), home.open().await.unwrap());
    let wish = |number, seconds| Wish {
        job: id_at(0, number),
        digest: format!("d{number}"),
        time: at(seconds),
    };
    let key = "k'\0\u{1f427}".repeat(500);
    let (first, second) = (wish(1, 0), wish(2, 10));
    assert_eq!(one.remember(&key, &first).await.unwrap(), first);
    assert_eq!(other.remember(&key, &second).await.unwrap(), first);
    assert_eq!(one.wish(&key).await.unwrap(), Some(first.clone()));
    assert_eq!(one.wish("another").await.unwrap(), None);
    // At once, of both.
    for round in 0..20 {
        let key = format!("key {round}");
        let (a, b) = tokio::join!(one.remember(&key, &first), other.remember(&key, &second));
        assert_eq!(a.unwrap(), b.unwrap());
    }
    // A day later nobody knows it.
    let late = wish(3, 865_000);
    assert_eq!(other.remember(&key, &late).await.unwrap(), late);
}
