//! Logs, as text and while they grow, of the own worker and of one elsewhere.

use std::io::Write as _;
use std::time::Duration;

use serde_json::json;

use super::client::{Event, Request};
use super::site::{Site, Worked, lines};

/// Reads all pieces of a log from an id on, each behind the one before.
async fn followed(site: &Site, job: &str, after: Option<&str>) -> (String, Vec<Event>) {
    let mut request = Request::get(format!("/api/v1/jobs/{job}/log/events"));
    if let Some(after) = after {
        request = request.header("last-event-id", after);
    }
    read(site, request).await
}

async fn read(site: &Site, request: Request) -> (String, Vec<Event>) {
    let mut stream = request.events(site.address).await;
    let (mut text, mut events) = (String::new(), Vec::new());
    let mut next = None;
    while let Some(event) = stream.next().await {
        if event.name == "log" {
            assert!(
                next.is_none_or(|next| event.data["from"] == next),
                "{event:?}"
            );
            next = event.data["next"].as_u64();
            text.push_str(event.data["text"].as_str().unwrap());
        }
        events.push(event);
    }
    (text, events)
}

async fn read_and_followed(worked: Worked) {
    let site = Site::new(worked).await;
    let id = site.submit("vim").await;
    let (text, events) = followed(&site, &id, None).await;
    assert_eq!(text, lines());
    assert_eq!(events[0].name, "run");
    let end = &events.last().unwrap().data;
    assert_eq!(
        (&end["state"], &end["complete"]),
        (&"succeeded".into(), &true.into())
    );
    // From each place on, and from what a plain number says.
    for event in events.iter().filter(|event| event.name == "log") {
        let next = usize::try_from(event.data["next"].as_u64().unwrap()).unwrap();
        let after = event.id.as_deref().unwrap();
        assert_eq!(after, format!("1:{next}"));
        let (rest, _) = followed(&site, &id, Some(after)).await;
        assert_eq!(rest, lines()[next..]);
        let (rest, _) = followed(&site, &id, Some(&next.to_string())).await;
        assert_eq!(rest, lines()[next..]);
        // A browser that comes again sends the address that it began with, and how far it is.
        let before = Request::get(format!("/api/v1/jobs/{id}/log/events?after=1:7"));
        let (rest, _) = read(&site, before.clone()).await;
        assert_eq!(rest, lines()[7..]);
        let (rest, _) = read(&site, before.header("last-event-id", after)).await;
        assert_eq!(rest, lines()[next..]);
    }
    // What was read of another run says nothing of this one.
    let (text, _) = followed(&site, &id, Some("7:99")).await;
    assert_eq!(text, lines());
    let log = format!("/api/v1/jobs/{id}/log");
    let whole = site.get(&log).await.expect(200);
    assert_eq!(
        whole.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(whole.text(), lines());
    let part = site
        .send(Request::get(&log).header("range", "bytes=7-19"))
        .await
        .expect(206);
    assert_eq!(part.body, lines().as_bytes()[7..=19]);
    let range = format!("bytes 7-19/{}", lines().len());
    assert_eq!(part.header("content-range"), Some(&*range));
    for (range, status) in [("bytes=999999-", 416), ("bytes=0-1,4-5", 200)] {
        let answer = site.send(Request::get(&log).header("range", range)).await;
        if status == 416 {
            let length = format!("bytes */{}", lines().len());
            assert_eq!(answer.header("content-range"), Some(&*length));
            answer.problem(416);
        } else {
            assert_eq!(answer.expect(200).text(), lines());
        }
    }
    let wrong = Request::get(format!("{log}/events")).header("last-event-id", "x");
    site.send(wrong).await.problem(400);
    for query in ["after=x", "after=", "before=1:7"] {
        site.get(&format!("{log}/events?{query}"))
            .await
            .problem(400);
    }
}

#[tokio::test]
async fn the_log_of_the_own_worker_is_read_and_followed() {
    read_and_followed(Worked::Here).await;
}

#[tokio::test]
async fn the_log_of_another_worker_is_read_and_followed() {
    read_and_followed(Worked::Elsewhere).await;
}

async fn how_far_the_stage_is(worked: Worked) {
    let site = Site::new(worked).await;
    let id = site.submit("slow").await;
    let stream = Request::get(format!("/api/v1/jobs/{id}/log/events"));
    let mut stream = stream.events(site.address).await;
    // A stage that prints nothing, too: it is told again and again, and never twice the same.
    let mut done = 0;
    let mut told = Vec::new();
    while told.len() < 2 {
        let event = stream.named("progress").await;
        assert_eq!(event.id, None);
        let further = event.data["done"].as_u64().unwrap();
        assert!(further > done, "{told:?}, {event:?}");
        done = further;
        told.push(event.data);
    }
    let last = json!({"stage": "iso", "done": done, "total": 100, "unit": "percent"});
    assert_eq!(told[1], last);
    // Who comes again where they were misses no line, and hears it without one.
    let rest = Request::get(format!("/api/v1/jobs/{id}/log/events"));
    let rest = rest.header("last-event-id", format!("1:{}", lines().len()));
    let mut rest = rest.events(site.address).await;
    assert_eq!(rest.next().await.unwrap().name, "run");
    assert_eq!(rest.next().await.unwrap().name, "progress");
    site.send(Request::post(format!("/api/v1/jobs/{id}/cancel")))
        .await
        .expect(200);
    assert_eq!(stream.named("end").await.data["complete"], true);
}

#[tokio::test]
async fn who_follows_the_own_worker_hears_how_far_the_stage_is() {
    how_far_the_stage_is(Worked::Here).await;
}

#[tokio::test]
async fn who_follows_another_worker_hears_how_far_the_stage_is() {
    how_far_the_stage_is(Worked::Elsewhere).await;
}

#[tokio::test]
async fn a_log_that_the_worker_has_forgotten_is_that_which_was_delivered() {
    let site = Site::new(Worked::Here).await;
    let id = site.submit("vim").await;
    site.wait(&id, "succeeded").await;
    let own = site.folder.path().join("logs").join(format!("{id}.log"));
    std::fs::remove_file(own).unwrap();
    let (text, events) = followed(&site, &id, None).await;
    assert_eq!(text, lines());
    assert_eq!(events.last().unwrap().data["complete"], true);
    let (rest, _) = followed(&site, &id, Some("1:7")).await;
    assert_eq!(rest, lines()[7..]);
    let whole = site.get(&format!("/api/v1/jobs/{id}/log")).await;
    assert_eq!(whole.expect(200).text(), lines());
    // Nobody has it any more.
    std::fs::remove_dir_all(site.delivery(&id)).unwrap();
    let (text, events) = followed(&site, &id, None).await;
    assert_eq!(text, "");
    assert_eq!(events.last().unwrap().data["complete"], false);
}

#[tokio::test]
async fn a_log_that_grows_is_never_taken_for_what_it_was() {
    let site = Site::new(Worked::Here).await;
    let id = site.submit("slow").await;
    site.wait(&id, "running").await;
    let path = site.folder.path().join("logs").join(format!("{id}.log"));
    let log = format!("/api/v1/jobs/{id}/log");
    let complete = async {
        while site.get(&log).await.text() != lines() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), complete)
        .await
        .unwrap();
    let before = site.get(&log).await.expect(200);
    // Of a second in which it grows, a date would say nothing.
    assert_eq!(before.header("last-modified"), None);
    let later = "Fri, 31 Dec 9999 23:59:59 GMT";
    let tag = before.header("etag").unwrap();
    let again = || Request::get(&log).header("if-none-match", tag);
    site.send(again()).await.expect(304);
    let mut file = std::fs::File::options().append(true).open(path).unwrap();
    file.write_all(b"more\n").unwrap();
    let after = site.send(again()).await.expect(200);
    assert_eq!(after.text(), lines() + "more\n");
    let by_date = Request::get(&log).header("if-modified-since", later);
    site.send(by_date).await.expect(200);
    // What goes on from a byte without a condition gets the rest; with that of before, it gets all.
    let rest = || Request::get(&log).header("range", format!("bytes={}-", lines().len()));
    assert_eq!(site.send(rest()).await.expect(206).text(), "more\n");
    site.send(rest().header("if-range", tag)).await.expect(200);
}

#[tokio::test]
async fn who_follows_a_job_that_waits_hears_when_it_begins() {
    let site = Site::new(Worked::Nowhere).await;
    let id = site.submit("vim").await;
    site.get(&format!("/api/v1/jobs/{id}/log"))
        .await
        .problem(404);
    let stream = Request::get(format!("/api/v1/jobs/{id}/log/events"));
    let mut stream = stream.events(site.address).await;
    site.send(Request::post(format!("/api/v1/jobs/{id}/cancel")))
        .await
        .expect(200);
    let end = stream.named("end").await;
    assert_eq!(end.data["state"], "cancelled");
    assert_eq!(stream.next().await, None);
    site.get("/api/v1/jobs/nobody/log/events")
        .await
        .problem(404);
}
