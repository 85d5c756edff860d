//! What every queue does.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use image_builder::events::Outcome;
use image_builder::jobs::{
    Bookmark, Claim, Entry, JobEnding, JobEvent, JobEventKind, JobId, JobRequest, Line, Payload,
    Priority, WorkerEvent, WorkerEventKind,
};
use image_builder::queue::{
    Address, BusMessage, Hint, JobQueue, LARGEST, LedgerItem, NewEntry, QueueError, catch_up,
};
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::Place;

type Check = for<'a> fn(&'a dyn Place) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// All of them may be made one after the other at the same place.
pub(crate) const CHECKS: &[(&str, Check)] = &[
    ("entries keep their order", |place| Box::pin(order(place))),
    ("reading goes on where it was", |place| {
        Box::pin(from_a_place(place))
    }),
    ("many write at once", |place| Box::pin(many_writers(place))),
    ("all kinds of entries", |place| Box::pin(kinds(place))),
    ("others see it at once", |place| Box::pin(at_once(place))),
    ("requests are found again", |place| {
        Box::pin(requests(place))
    }),
    ("what is too large", |place| Box::pin(too_large(place))),
    ("hints of the lines that are served", |place| {
        Box::pin(hints(place))
    }),
    ("hints that were not settled", |place| {
        Box::pin(unsettled_hints(place))
    }),
    ("hints that came before anybody listened", |place| {
        Box::pin(early_hints(place))
    }),
    ("topics and inboxes", |place| Box::pin(bus(place))),
];

/// Nothing takes longer that is not broken.
const LIMIT: Duration = Duration::from_secs(20);

/// So long one waits for what must not come.
const SILENCE: Duration = Duration::from_millis(400);

/// So soon others have to see what was written.
const SOON: Duration = Duration::from_millis(200);

/// A word that nobody else uses.
fn word() -> String {
    JobId::new(Timestamp::now()).to_string()
}

/// A line that nobody else uses.
fn line() -> Line {
    Line {
        arch: "x86_64".to_owned(),
        release: word().to_lowercase(),
    }
}

fn mark(mark: &str) -> NewEntry {
    NewEntry::from(Entry::Mark {
        mark: mark.to_owned(),
    })
}

fn job_event(kind: JobEventKind) -> JobEvent {
    let now = Timestamp::now();
    JobEvent {
        job: JobId::new(now),
        time: now,
        by: "qa@desk".to_owned(),
        kind,
    }
}

fn request(line: &Line) -> JobRequest {
    JobRequest {
        title: format!("boot image of Fedora {}", line.release),
        image_type: "boot".to_owned(),
        arch: line.arch.clone(),
        release: line.release.clone(),
        requester: "qa@desk".to_owned(),
        submitted: Timestamp::now(),
        priority: Priority(3),
        deadline: None,
        retry_of: None,
        private: false,
        payload: Some(Payload {
            spec: "[DEFAULT]\ntype = boot\n".to_owned(),
            kickstart: Some("lang C # \u{1f427}\n".to_owned()),
        }),
    }
}

fn queued(line: &Line) -> JobEvent {
    job_event(JobEventKind::Queued {
        request: Box::new(request(line)),
    })
}

fn claim() -> Claim {
    Claim {
        worker: "anna".to_owned(),
        session: "anna-1".to_owned(),
        run: 1,
    }
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(LIMIT, future).await;
    done.unwrap_or_else(|_| panic!("not within {LIMIT:?}: {what}"))
}

/// The next entry, and that nothing went wrong before it.
async fn next(items: &mut mpsc::Receiver<LedgerItem>) -> (u64, Entry) {
    loop {
        match within("an entry", items.recv()).await.unwrap() {
            LedgerItem::Entry { place, entry, .. } => return (place, *entry),
            LedgerItem::Connected => {}
            other => panic!("{other:?}"),
        }
    }
}

/// The ledger behind all that is there now.
async fn end(queue: &dyn JobQueue) -> mpsc::Receiver<LedgerItem> {
    within("the end", catch_up(queue, None, |_, _| {}))
        .await
        .unwrap()
}

async fn nothing<T: std::fmt::Debug>(receiver: &mut mpsc::Receiver<T>) {
    if let Ok(item) = tokio::time::timeout(SILENCE, receiver.recv()).await {
        panic!("{item:?}");
    }
}

async fn order(place: &dyn Place) {
    let queue = place.open().await.unwrap();
    let mut items = end(&*queue).await;
    let words: Vec<String> = (0..300).map(|_| word()).collect();
    // Some in one go, some alone, an empty go between.
    for words in words.chunks(50) {
        let (alone, together) = words.split_at(3);
        for word in alone {
            queue.append(&[mark(word)]).await.unwrap();
        }
        queue.append(&[]).await.unwrap();
        let together: Vec<_> = together.iter().map(|word| mark(word)).collect();
        queue.append(&together).await.unwrap();
    }
    let mut last = None;
    for word in &words {
        let (place, entry) = next(&mut items).await;
        assert_eq!(entry, Entry::Mark { mark: word.clone() });
        assert!(last < Some(place), "{last:?} {place}");
        last = Some(place);
    }
    nothing(&mut items).await;
}

async fn from_a_place(place: &dyn Place) {
    let queue = place.open().await.unwrap();
    let mut items = end(&*queue).await;
    let words: Vec<String> = (0..100).map(|_| word()).collect();
    let entries: Vec<_> = words.iter().map(|word| mark(word)).collect();
    queue.append(&entries).await.unwrap();
    let mut places = Vec::new();
    for _ in &words {
        places.push(next(&mut items).await.0);
    }
    drop(items);
    for from in [0, 41, 98] {
        let mut again = queue.ledger(Some(places[from].into()));
        for number in from + 1..words.len() {
            let (place, entry) = next(&mut again).await;
            let mark = words[number].clone();
            assert_eq!((place, entry), (places[number], Entry::Mark { mark }));
        }
        nothing(&mut again).await;
    }
    // Up to now, and what comes later in what is left.
    let mut read = Vec::new();
    let caught_up = catch_up(&*queue, Some(places[10].into()), |place, entry| {
        read.push((place, entry));
    });
    let mut later = within("the end", caught_up).await.unwrap();
    let expected: Vec<_> = (11..words.len())
        .map(|number| {
            let mark = words[number].clone();
            (places[number], Entry::Mark { mark })
        })
        .collect();
    assert_eq!(read, expected);
    let after = word();
    queue.append(&[mark(&after)]).await.unwrap();
    assert_eq!(next(&mut later).await.1, Entry::Mark { mark: after });
    // Behind the end there is nothing, and nothing would ever come: that is no place of this ledger.
    let mut beyond = queue.ledger(Some(1_000_000_000.into()));
    queue.append(&[mark(&word())]).await.unwrap();
    match within("what is wrong", beyond.recv()).await {
        Some(LedgerItem::Disconnected { reason }) => {
            assert!(reason.contains("entry 1000000000"), "{reason}");
            assert!(reason.contains("set up anew"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    // Something else stands there than was read.
    let digest = digest_at(&*queue, places[10]).await;
    for (digest, is_same) in [(digest, true), (digest ^ 1, false)] {
        let read = Bookmark {
            place: places[10],
            digest: Some(digest),
        };
        let mut items = queue.ledger(Some(read));
        match within("what is there", items.recv()).await {
            Some(LedgerItem::Connected) if is_same => {
                assert_eq!(next(&mut items).await.0, places[11]);
            }
            Some(LedgerItem::Disconnected { reason }) if !is_same => {
                assert!(reason.contains("set up anew"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
    // From the beginning: all that was ever written here, in the same order.
    let mut all = Vec::new();
    let whole = catch_up(&*queue, None, |place, _| all.push(place));
    within("the whole ledger", whole).await.unwrap();
    assert!(all.is_sorted() && places.iter().all(|place| all.contains(place)));
}

/// What comes with the entry at `place`.
async fn digest_at(queue: &dyn JobQueue, place: u64) -> u64 {
    let mut items = queue.ledger(Some((place - 1).into()));
    loop {
        let item = within("the entry", items.recv()).await.unwrap();
        if let LedgerItem::Entry {
            place: at, digest, ..
        } = item
        {
            assert_eq!(at, place);
            return digest;
        }
    }
}

async fn many_writers(place: &dyn Place) {
    const WRITERS: usize = 4;
    const EACH: usize = 60;
    let reader = place.open().await.unwrap();
    let mut items = end(&*reader).await;
    let mut tasks = Vec::new();
    for writer in 0..WRITERS {
        let queue = place.open().await.unwrap();
        tasks.push(tokio::spawn(async move {
            for number in 0..EACH {
                let entry = mark(&format!("{writer} {number}"));
                queue.append(&[entry]).await.unwrap();
            }
        }));
    }
    let mut seen = [0; WRITERS];
    for _ in 0..WRITERS * EACH {
        let (_, Entry::Mark { mark }) = next(&mut items).await else {
            panic!("only marks were written");
        };
        let (writer, number) = mark.split_once(' ').unwrap();
        let writer: usize = writer.parse().unwrap();
        assert_eq!(number, seen[writer].to_string(), "{mark}");
        seen[writer] += 1;
    }
    for task in tasks {
        task.await.unwrap();
    }
    nothing(&mut items).await;
}

async fn kinds(place: &dyn Place) {
    let queue = place.open().await.unwrap();
    let mut items = end(&*queue).await;
    let line = line();
    let ending = JobEnding {
        outcome: Outcome::Failed,
        error: Some("no package kernel-99".to_owned()),
        exit_code: 1,
        places: vec!["/srv/images".to_owned()],
        seconds: 2.5,
    };
    let claim = claim();
    let worker = Entry::Worker(WorkerEvent {
        worker: "anna".to_owned(),
        session: "anna-1".to_owned(),
        time: Timestamp::now(),
        kind: WorkerEventKind::WorkerStopped,
    });
    let entries = [
        NewEntry::of_job(queued(&line), &line),
        NewEntry::of_job(job_event(JobEventKind::Ended { claim, ending }), &line),
        NewEntry::from(worker),
    ];
    queue.append(&entries).await.unwrap();
    for entry in entries {
        assert_eq!(next(&mut items).await.1, entry.entry);
    }
}

async fn at_once(place: &dyn Place) {
    let writer = place.open().await.unwrap();
    let other = place.open().await.unwrap();
    let mut items = end(&*other).await;
    let mut slow = Duration::ZERO;
    for _ in 0..20 {
        let word = word();
        writer.append(&[mark(&word)]).await.unwrap();
        let written = Instant::now();
        assert_eq!(next(&mut items).await.1, Entry::Mark { mark: word });
        slow = slow.max(written.elapsed());
    }
    assert!(slow < SOON, "{slow:?}");
}

async fn requests(place: &dyn Place) {
    let queue = place.open().await.unwrap();
    let mut items = end(&*queue).await;
    let line = line();
    let event = queued(&line);
    let entries = [mark("before"), NewEntry::of_job(event.clone(), &line)];
    queue.append(&entries).await.unwrap();
    let (before, _) = next(&mut items).await;
    let (asked, _) = next(&mut items).await;
    let other = place.open().await.unwrap();
    let found = within("the request", other.request(asked)).await.unwrap();
    assert_eq!(
        JobEventKind::Queued {
            request: found.into()
        },
        event.kind
    );
    // Where something else stands, and where nothing stands.
    let error = within("an answer", other.request(before))
        .await
        .unwrap_err();
    assert!(matches!(error, QueueError::Forgotten), "{error}");
}

async fn too_large(place: &dyn Place) {
    let queue = place.open().await.unwrap();
    let mut items = end(&*queue).await;
    let line = line();
    let with = |bytes: usize| {
        let mut request = request(&line);
        request.payload = Some(Payload {
            spec: String::new(),
            kickstart: Some("#".repeat(bytes)),
        });
        let request = Box::new(request);
        NewEntry::of_job(job_event(JobEventKind::Queued { request }), &line)
    };
    // All of what is added together or nothing.
    let entries = [mark("small"), with(LARGEST)];
    let error = queue.append(&entries).await.unwrap_err();
    assert!(matches!(error, QueueError::TooLarge { .. }), "{error}");
    nothing(&mut items).await;
    let largest = with(LARGEST - 1000);
    queue.append(std::slice::from_ref(&largest)).await.unwrap();
    assert_eq!(next(&mut items).await.1, largest.entry);
}

/// The next hint, which is about `event` or does not say.
async fn hint_of(hints: &mut mpsc::Receiver<Hint>, event: &JobEvent) -> Hint {
    let hint = within("a hint", hints.recv()).await.unwrap();
    assert!(hint.event.as_ref().is_none_or(|of| of == event), "{hint:?}");
    hint
}

/// Settles what came with the beginning and is about nothing.
async fn beginning(hints: &mut mpsc::Receiver<Hint>) {
    while let Ok(hint) = tokio::time::timeout(SILENCE, hints.recv()).await {
        let hint = hint.unwrap();
        assert_eq!(hint.event, None);
        hint.done();
    }
}

async fn hints(place: &dyn Place) {
    let queue = place.open().await.unwrap();
    let (served, also, other) = (line(), line(), line());
    let mut hints = queue.hints(&[served.clone(), also.clone()], 10);
    beginning(&mut hints).await;
    let writer = place.open().await.unwrap();
    for line in [&served, &also] {
        let (event, elsewhere) = (queued(line), queued(&other));
        let entries = [
            NewEntry::of_job(elsewhere, &other),
            NewEntry::of_job(event.clone(), line),
            // Which wakes nobody.
            NewEntry::of_job(job_event(JobEventKind::Expired), line),
            NewEntry::of_job(job_event(JobEventKind::Claimed { claim: claim() }), line),
        ];
        writer.append(&entries).await.unwrap();
        let hint = hint_of(&mut hints, &event).await;
        assert_eq!(hint.event, Some(event));
        hint.done();
        nothing(&mut hints).await;
    }
    // A job that waits again is told of as one that is new.
    let again = job_event(JobEventKind::Lost {
        claim: claim(),
        reason: "it was silent".to_owned(),
    });
    let entry = NewEntry::of_job(again.clone(), &served);
    writer.append(&[entry]).await.unwrap();
    hint_of(&mut hints, &again).await.done();
    nothing(&mut hints).await;
    // As many as are wanted at a time, and the others after them.
    drop(hints);
    let mut two = queue.hints(std::slice::from_ref(&served), 2);
    beginning(&mut two).await;
    let events: Vec<JobEvent> = (0..5).map(|_| queued(&served)).collect();
    let entries: Vec<_> = events
        .iter()
        .map(|event| NewEntry::of_job(event.clone(), &served))
        .collect();
    writer.append(&entries).await.unwrap();
    let mut held = vec![
        hint_of(&mut two, &events[0]).await,
        hint_of(&mut two, &events[1]).await,
    ];
    for event in &events[2..] {
        nothing(&mut two).await;
        held.remove(0).done();
        held.push(hint_of(&mut two, event).await);
    }
    for hint in held {
        hint.done();
    }
    nothing(&mut two).await;
}

async fn unsettled_hints(place: &dyn Place) {
    let writer = place.open().await.unwrap();
    let first = place.open().await.unwrap();
    let second = place.open().await.unwrap();
    let line = line();
    let lines = std::slice::from_ref(&line);
    let event = queued(&line);
    // The first one has it and goes, with the hint in its hand.
    let mut hints = first.hints(lines, 1);
    beginning(&mut hints).await;
    let entry = NewEntry::of_job(event.clone(), &line);
    writer.append(&[entry]).await.unwrap();
    let hint = hint_of(&mut hints, &event).await;
    drop(hints);
    drop(first);
    let mut hints = second.hints(lines, 1);
    let again = hint_of(&mut hints, &event).await;
    assert_eq!(again.event, Some(event.clone()));
    drop(hint);
    // The second one does not want it: it comes to somebody again, here to the only one.
    drop(again);
    let again = hint_of(&mut hints, &event).await;
    again.done();
    nothing(&mut hints).await;
    // What is settled nobody gets any more.
    let third = place.open().await.unwrap();
    let mut hints = third.hints(lines, 1);
    beginning(&mut hints).await;
    nothing(&mut hints).await;
}

async fn early_hints(place: &dyn Place) {
    let writer = place.open().await.unwrap();
    let line = line();
    let events: Vec<JobEvent> = (0..3).map(|_| queued(&line)).collect();
    for event in &events {
        let entry = NewEntry::of_job(event.clone(), &line);
        writer.append(&[entry]).await.unwrap();
    }
    drop(writer);
    let queue = place.open().await.unwrap();
    let mut hints = queue.hints(std::slice::from_ref(&line), 3);
    let mut heard = Vec::new();
    while heard.len() < events.len() {
        let hint = within("a hint", hints.recv()).await.unwrap();
        heard.extend(hint.event.clone());
        hint.done();
    }
    assert_eq!(heard, events);
}

async fn bus(place: &dyn Place) {
    let sender = place.open().await.unwrap();
    let (presence, logs) = (word(), word());
    let listener = place.open().await.unwrap();
    let mut both = listener.listen(&[&presence, &logs]).await.unwrap();
    let mut one = place
        .open()
        .await
        .unwrap()
        .listen(&[&presence])
        .await
        .unwrap();
    let mut none = sender.listen(&[]).await.unwrap();
    let message = |body: &str| BusMessage {
        body: body.as_bytes().to_vec(),
        ..BusMessage::default()
    };
    let topic = |topic: &str| Address::Topic(topic.to_owned());
    let here = message("here I am");
    sender.send(&topic(&presence), &here).await.unwrap();
    // Both hear it, each for itself, and soon.
    let sent = Instant::now();
    for inbox in [&mut both, &mut one] {
        let heard = within("a message", inbox.messages.recv()).await.unwrap();
        assert_eq!(heard, (Some(presence.clone()), here.clone()));
    }
    assert!(sent.elapsed() < SOON, "{:?}", sent.elapsed());
    sender
        .send(&topic(&logs), &message("line 1"))
        .await
        .unwrap();
    sender
        .send(&topic(&logs), &message("line 2"))
        .await
        .unwrap();
    for line in ["line 1", "line 2"] {
        let heard = within("a line", both.messages.recv()).await.unwrap();
        assert_eq!(heard, (Some(logs.clone()), message(line)));
    }
    nothing(&mut one.messages).await;
    // Who asks gets the answer, and nobody else.
    let question = BusMessage {
        reply_to: Some(none.name.borrow().clone()),
        correlation: Some("7".to_owned()),
        body: vec![0, 255, 10],
    };
    sender.send(&topic(&logs), &question).await.unwrap();
    let (_, asked) = within("a question", both.messages.recv()).await.unwrap();
    assert_eq!(asked, question);
    let answer = BusMessage {
        correlation: asked.correlation,
        ..message("the answer")
    };
    let back = Address::Inbox(asked.reply_to.unwrap());
    listener.send(&back, &answer).await.unwrap();
    let heard = within("an answer", none.messages.recv()).await.unwrap();
    assert_eq!(heard, (None, answer));
    for inbox in [&mut both, &mut one, &mut none] {
        nothing(&mut inbox.messages).await;
    }
    // To nobody: no error, and nothing is kept for those who come later.
    sender.send(&topic(&word()), &here).await.unwrap();
    sender.send(&Address::Inbox(word()), &here).await.unwrap();
    let mut late = sender.listen(&[&presence, &logs]).await.unwrap();
    nothing(&mut late.messages).await;
}
